# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules that rotate certificates. PRIVATE; in step with module_utils/_tls/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    # A step of a run: which certificates there are, and where its backup is.
    DOCUMENTATION = r"""
options:
  certificates:
    description:
      - The catalogue. Each has a C(name) and a C(secret_name).
      - C(cert_manager) or C(vault), one of them, says what issues it, where that is to be checked or nothing in the
        cluster tells. C(backup=false) keeps it from being rotated at all.
      - C(ports), C(server_name) and C(endpoints) (C(host:port)) say where it is served, if that is not at the ports of
        the pods that mount the Secret. C(common_name) is that of a new certificate, if it is to have another one than
        the present one.
    type: list
    elements: dict
    required: true
  backup_dir:
    description:
      - Folder below which C(certs/RUN_ID) is the backup and the state of the run.
      - Must be an absolute path, or one that begins with V(~).
    type: path
    required: true
  backup_password:
    description: The password that encrypts the backup, in the format of C(ansible-vault).
    type: str
  backup_encrypt:
    description: Whether the backup is encrypted. It holds private keys.
    type: bool
    default: true
  accept_ephemeral_storage:
    description: Whether O(backup_dir) may be where it does not outlive the run.
    type: bool
    default: false
  timeout:
    description: How long the issuance may take, in seconds.
    type: float
    default: 300.0
requirements:
  - cryptography >= 42.0.0 (Python library)
  - hvac >= 2.1.0 (Python library), for certificates that Vault issues
"""

    # What is to be rotated.
    REQUEST = r"""
options:
  names:
    description: Which certificates of the catalogue. Without it, all of them.
    type: list
    elements: str
    default: []
  method:
    description:
      - What has to issue them. V(auto) goes by who owns the Secret. One that contradicts the owner is refused.
    type: str
    choices: [auto, cert-manager, vault]
    default: auto
  min_remaining:
    description: A certificate is due with less than this left, as a time (V(30d)) or a share of its life (V(30%)).
    type: str
    default: 30%
  issued_before:
    description:
      - A certificate that was issued before this time (RFC 3339) is due, whatever is left of it.
      - The same command a second time rotates nothing, as all are younger then.
    type: str
    default: ''
  force:
    description: Whether all are due that were issued before this run began.
    type: bool
    default: false
  restart:
    description: Whether workloads are restarted later in the run. With V(never), nothing is asked of them.
    type: str
    choices: [auto, always, never]
    default: auto
  allow_downtime:
    description: Whether a workload may be restarted that cannot be restarted without a moment in which nothing serves.
    type: bool
    default: false
  overrides:
    description: How workloads see a new certificate, as M(market_intel.runbooks.rollout_restart) takes it.
    type: dict
    default: {}
  canary:
    description:
      - The workload that is to be restarted before the others, such as V(deployment/api-gateway). V(auto) takes the
        first of several, V(none) none. One that uses none of the certificates of this run does not matter.
    type: str
    default: none
  serial:
    description: How many workloads are to be restarted at once, for M(market_intel.runbooks.rollout_restart).
    type: int
    default: 1
  allow_names_removed:
    description:
      - Names that a new certificate may lack, such as V(DNS:old.example.com). The plan and the gate write them so.
    type: list
    elements: str
    default: []
  allow_extensions_removed:
    description: Extensions that a new certificate may lack, by name or OID, such as V(TLSFeature).
    type: list
    elements: str
    default: []
  allow_issuer_change:
    description: Whether a new certificate may lead to another authority than the present one.
    type: bool
    default: false
  max_lifetime_loss:
    description: How much shorter a new certificate may live, as a share of the present one's life.
    type: float
    default: 0.2
"""
