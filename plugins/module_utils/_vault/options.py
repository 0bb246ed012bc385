# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ``vault`` of modules that reach a Vault, named as in community.hashi_vault. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from .._module import ArgumentSpec
from .client import VaultLogin, VaultSettings


def vault_argument_spec() -> ArgumentSpec:
    options: dict[str, t.Any] = {
        "url": {"type": "str", "fallback": (env_fallback, ["VAULT_ADDR"])},
        "token": {"type": "str", "no_log": True},
        "namespace": {"type": "str", "fallback": (env_fallback, ["VAULT_NAMESPACE"])},
        "ca_cert": {"type": "path", "fallback": (env_fallback, ["VAULT_CACERT"])},
        "validate_certs": {"type": "bool", "default": True},
        "pki_mount": {"type": "str", "default": "pki_int"},
        "pki_role": {"type": "str", "default": "market-intel"},
        "kv_mount": {"type": "str", "default": "kv"},
        "kv_prefix": {"type": "str", "default": "certs"},
        "ttl": {"type": "str", "default": "8760h"},
    }
    return ArgumentSpec({"vault": {"type": "dict", "options": options}})


def vault_login(option: t.Mapping[str, t.Any] | None, user_agent: str) -> VaultLogin | None:
    """Return a login, or None where no token was given; raise InvalidInput for a token without an address."""
    if not option or not option["token"]:
        return None
    return VaultLogin(
        VaultSettings(
            url=option["url"] or "",
            token=option["token"],
            namespace=option["namespace"] or "",
            ca_cert=option["ca_cert"] or "",
            validate_certs=option["validate_certs"],
        ),
        user_agent,
    )
