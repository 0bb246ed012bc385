# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach a Redis or Valkey server. PRIVATE to the collection; in step with module_utils/_redis/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description:
      - Where the server is, as V(redis://host:port/db), V(rediss://host:port/db) for TLS, or V(unix:///path/of/the.sock?db=0).
      - The port defaults to 6379 and the database to 0. A URL with anything else, such as a
        password, is refused and not shown.
      - Required without O(kubernetes). With it, the URL is the one that is used inside of the cluster and says the
        scheme, the database, the name that a certificate has to hold, and the port.
        V(localhost) stands for the name of the service, which is also what is used without a URL.
    type: str
  username:
    description:
      - The ACL user. Without it, the user V(default) is used.
    type: str
  password:
    description:
      - The password of the user.
      - If it is not given, the environment variable E(REDISCLI_AUTH) is used, as redis-cli does.
    type: str
  ca_cert:
    description:
      - File with the certificates of the authorities that are trusted, in PEM format. Without it, those of the
        system are.
    type: path
  client_cert:
    description:
      - File with the client's certificate, in PEM format, if the server demands one.
    type: path
  client_key:
    description:
      - File with the private key of O(client_cert), in PEM format.
    type: path
  validate_certs:
    description:
      - Whether the server's certificate and host name are checked.
    type: bool
    default: true
  check_hostname:
    description:
      - Whether the server's certificate has to name the host of the URL. Has no effect without O(validate_certs).
    type: bool
    default: true
  tls_min_version:
    description:
      - The oldest version of TLS that is spoken.
    type: str
    choices: [TLSv1.2, TLSv1.3]
    default: TLSv1.2
  connect_timeout:
    description:
      - How long to wait for a connection, in seconds.
    type: float
    default: 5.0
  timeout:
    description:
      - How long to wait for a reply, in seconds.
    type: float
    default: 30.0
  topology:
    description:
      - What O(url) and O(nodes) are addresses of.
      - V(standalone) is one server.
      - V(sentinel) are Sentinels, which are asked where the primary is, again after each failover.
      - V(cluster) are nodes of a cluster, any one of which is enough; all primaries are worked on in parallel.
      - V(auto) asks the server, and takes Sentinels for granted if O(sentinel_service) is given.
    type: str
    choices: [auto, standalone, sentinel, cluster]
    default: auto
  nodes:
    description:
      - Further Sentinels or nodes of the cluster, as V(host:port), for when the one of O(url) does not answer.
    type: list
    elements: str
    default: []
  sentinel_service:
    description:
      - The name under which Sentinels watch the primary. Not needed if they watch only one.
    type: str
    default: ""
  sentinel_username:
    description:
      - The ACL user at the Sentinels, which is none of the server's.
    type: str
  sentinel_password:
    description:
      - The password at the Sentinels. Empty means that they demand none.
      - If it is not given, the environment variable E(REDIS_SENTINEL_PASSWORD) is used.
    type: str
  address_map:
    description:
      - Under which address servers are reached from here that Sentinels or a cluster name by another, as behind NAT.
      - Keys are V(host:port) or V(host), values V(host:port), or V(host) to keep the port.
    type: dict
    default: {}
  kubernetes:
    description:
      - Reach servers in pods by port-forward through the API server of a Kubernetes.
      - Each pod that is meant is asked for its role, and the one that is the primary is used; it is looked for again
        whenever a connection breaks. Sentinels and nodes of a cluster in pods are found like that, too.
      - Needs the right to list pods and to get and create pods/portforward in the namespace; it is asked for before
        anything else is done.
    type: dict
    suboptions:
      namespace:
        description: The namespace of the pods.
        type: str
        required: true
      selector:
        description: A label selector that the pods match. Either this or O(kubernetes.service) is needed.
        type: str
        default: ""
      service:
        description: The Service that the pods are behind.
        type: str
        default: ""
      port:
        description:
          - The port of the container, as a number or by its name.
          - Without it, it is where the Service leads (from the port that the URL names, or from its only one), and the
            port of the URL for a selector.
        type: str
        default: ""
      container:
        description: The container whose port is meant, if several have one of that name.
        type: str
        default: ""
      password_secret:
        description: The Secret in that namespace from which the password is taken, if O(password) is not given.
        type: str
        default: ""
      password_secret_key:
        description: The key in it. Without it, V(password), or the only key that there is.
        type: str
        default: ""
      kubeconfig:
        description:
          - File with the login. If it is not given, the environment variable E(K8S_AUTH_KUBECONFIG) or E(KUBECONFIG) is
            used, and else V(~/.kube/config) or, without that, the ServiceAccount of the pod that this runs in.
        type: path
      context:
        description:
          - The context in the kubeconfig. Without it, the current one.
          - If it is not given, the environment variable E(K8S_AUTH_CONTEXT) is used.
        type: str
      host:
        description:
          - The URL of the API server, instead of a kubeconfig.
          - If it is not given, the environment variable E(K8S_AUTH_HOST) is used.
        type: str
      api_key:
        description:
          - The token of the login.
          - If it is not given, the environment variable E(K8S_AUTH_API_KEY) is used.
        type: str
      ca_cert:
        description:
          - File with the certificates of the authorities that the API server is trusted for, in PEM format.
          - If it is not given, the environment variable E(K8S_AUTH_SSL_CA_CERT) is used.
        type: path
      client_cert:
        description:
          - File with a client's certificate for the API server, in PEM format.
          - If it is not given, the environment variable E(K8S_AUTH_CERT_FILE) is used.
        type: path
      client_key:
        description:
          - File with the private key of O(kubernetes.client_cert).
          - If it is not given, the environment variable E(K8S_AUTH_KEY_FILE) is used.
        type: path
      validate_certs:
        description:
          - Whether the certificate of the API server is checked. Without it, as the kubeconfig says.
          - If it is not given, the environment variable E(K8S_AUTH_VERIFY_SSL) is used.
        type: bool
requirements:
  - redis >= 5.0.1 (Python library)
  - hiredis >= 2.3 (Python library)
  - kubernetes >= 24.2.0 (Python library), if O(kubernetes) is given
"""

    CACHES = r"""
options:
  caches:
    description: The catalogue of caches.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the cache.
        type: str
        required: true
      pattern:
        description: The glob pattern of its keys, as of the SCAN command. Either this or O(caches[].prefix) is needed.
        type: str
      prefix:
        description:
          - What the names of its keys begin with, literally; characters that a pattern gives a meaning
            are escaped.
        type: str
      backup:
        description:
          - Whether its keys are saved before a flush touches them. Without a backup they cannot be put back.
          - A key that matches other caches of O(caches) as well, named or not, is saved if one of them asks for it.
        type: bool
        default: true
      environments:
        description: The environments in which it may be flushed. Without any, it may be flushed in all.
        type: list
        elements: str
        default: []
  names:
    description: The names of the caches that are meant.
    type: list
    elements: str
    default: []
  patterns:
    description: Glob patterns that are meant beside the named caches.
    type: list
    elements: str
    default: []
"""
