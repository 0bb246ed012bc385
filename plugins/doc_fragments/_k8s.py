# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to log in at an API server. PRIVATE to the collection; in step with module_utils/_k8s/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    # The options are named as in kubernetes.core, so that the same module_defaults serve both.
    DOCUMENTATION = r"""
options:
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
      - File with the private key of O(client_cert).
      - If it is not given, the environment variable E(K8S_AUTH_KEY_FILE) is used.
    type: path
  validate_certs:
    description:
      - Whether the certificate of the API server is checked. Without it, as the kubeconfig says.
      - If it is not given, the environment variable E(K8S_AUTH_VERIFY_SSL) is used.
    type: bool
requirements:
  - kubernetes >= 24.2.0 (Python library)
"""

    # A step of a run in a namespace, as module_utils/_k8s/run.py takes it.
    RUN = r"""
options:
  namespace:
    description: The namespace that the run is about.
    type: str
    required: true
  run_id:
    description: The id of this run, such as V(20261123t101500z-rotate-certs-7f3a). Without it, one is made.
    type: str
    default: ''
  lease:
    description:
      - The Lease in O(namespace) that the run holds and that is renewed while the module works. Without it, none is.
      - It is not written in check mode.
    type: str
    default: ''
"""
