# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach a Vault. PRIVATE to the collection; in step with module_utils/_vault/options.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  vault:
    description:
      - Where Vault or OpenBao is, and a token for it. Needed for certificates that it issues.
      - Log in once with M(community.hashi_vault.vault_login) and pass its token.
    type: dict
    suboptions:
      url:
        description:
          - The address, such as V(https://vault.example.com:8200).
          - If it is not given, the environment variable E(VAULT_ADDR) is used.
        type: str
      token:
        description:
          - The token. Without it, Vault is not used.
          - If it is not given, the environment variable E(VAULT_TOKEN) is used.
        type: str
      namespace:
        description:
          - The namespace of Vault Enterprise or OpenBao.
          - If it is not given, the environment variable E(VAULT_NAMESPACE) is used.
        type: str
      ca_cert:
        description:
          - File with the authorities that Vault is trusted for, in PEM format. Without it, those of the system.
          - If it is not given, the environment variable E(VAULT_CACERT) is used.
        type: path
      validate_certs:
        description: Whether Vault's certificate is checked.
        type: bool
        default: true
      pki_mount:
        description: Where the PKI secrets engine is mounted.
        type: str
        default: pki_int
      pki_role:
        description: The role that signs. Only C(sign) is used, the private key is made by the module.
        type: str
        default: market-intel
      kv_mount:
        description: Where the KV secrets engine, version 2, is mounted.
        type: str
        default: kv
      kv_prefix:
        description: The path below which each certificate has an entry of its name.
        type: str
        default: certs
      ttl:
        description: How long a certificate is to live, with its unit. What Vault cuts of it is reported.
        type: str
        default: 8760h
"""
