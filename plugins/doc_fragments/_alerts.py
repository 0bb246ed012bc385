# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to log in at Prometheus or Alertmanager. PRIVATE; in step with module_utils/_alerts/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  url:
    description:
      - The address of the server, such as V(https://HOST:PORT) or V(https://HOST/PATH). One with a login in it is
        refused. Redirections are not followed.
    type: str
    required: true
  token:
    description: A bearer token. Either this or O(username), or neither.
    type: str
  username:
    description: The user of a basic authentication.
    type: str
  password:
    description: The password of O(username).
    type: str
  ca_cert:
    description:
      - File with the certificates of the authorities that are trusted, in PEM format. Without it, those of the
        system are.
    type: path
  client_cert:
    description: File with a client's certificate, in PEM format.
    type: path
  client_key:
    description: File with the private key of O(client_cert), in PEM format.
    type: path
  validate_certs:
    description: Whether the server's certificate and name are checked.
    type: bool
    default: true
  timeout:
    description: How long one request may take in all, in seconds.
    type: float
    default: 10.0
"""

    # Which alerts, or what is silenced.
    MATCHERS = r"""
options:
  matchers:
    description: What labels have to be; all of them have to match.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of a label.
        type: str
        required: true
      value:
        description: Its value, or a regular expression that all of it has to match.
        type: str
        required: true
      is_regex:
        description: Whether the value is a regular expression.
        type: bool
        default: false
      is_equal:
        description: Whether the label has to match, and not the contrary.
        type: bool
        default: true
"""

    # Where a module asks both, each is an option of its own. ansible-test reads nothing but literals here.
    PROMETHEUS = r"""
options:
  prometheus:
    description: How to reach Prometheus.
    type: dict
    required: true
    suboptions:
      url:
        description: The address of the server, such as V(https://HOST:PORT). Redirections are not followed.
        type: str
        default: ""
      token:
        description: A bearer token. Either this or a user, or neither.
        type: str
      username:
        description: The user of a basic authentication.
        type: str
      password:
        description: The password of that user.
        type: str
      ca_cert:
        description: File with the certificates of the authorities that are trusted, in PEM format.
        type: path
      client_cert:
        description: File with a client's certificate, in PEM format.
        type: path
      client_key:
        description: File with the private key of that certificate, in PEM format.
        type: path
      validate_certs:
        description: Whether the server's certificate and name are checked.
        type: bool
        default: true
      timeout:
        description: How long one request may take in all, in seconds.
        type: float
        default: 10.0
"""

    ALERTMANAGER = r"""
options:
  alertmanager:
    description: How to reach Alertmanager.
    type: dict
    required: true
    suboptions:
      url:
        description: The address of the server, such as V(https://HOST:PORT). Redirections are not followed.
        type: str
        default: ""
      token:
        description: A bearer token. Either this or a user, or neither.
        type: str
      username:
        description: The user of a basic authentication.
        type: str
      password:
        description: The password of that user.
        type: str
      ca_cert:
        description: File with the certificates of the authorities that are trusted, in PEM format.
        type: path
      client_cert:
        description: File with a client's certificate, in PEM format.
        type: path
      client_key:
        description: File with the private key of that certificate, in PEM format.
        type: path
      validate_certs:
        description: Whether the server's certificate and name are checked.
        type: bool
        default: true
      timeout:
        description: How long one request may take in all, in seconds.
        type: float
        default: 10.0
"""
