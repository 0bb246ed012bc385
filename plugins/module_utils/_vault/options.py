# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ``vault`` of modules that reach a Vault, named as in community.hashi_vault. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from .._module import ArgumentSpec

if t.TYPE_CHECKING:
    from .client import VaultLogin

_LOGIN: dict[str, t.Any] = {
    "url": {"type": "str", "fallback": (env_fallback, ["VAULT_ADDR"])},
    "token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["VAULT_TOKEN"])},
    "namespace": {"type": "str", "fallback": (env_fallback, ["VAULT_NAMESPACE"])},
    "ca_cert": {"type": "path", "fallback": (env_fallback, ["VAULT_CACERT"])},
    "validate_certs": {"type": "bool", "default": True},
}
_KV: dict[str, t.Any] = {
    "kv_mount": {"type": "str", "default": "kv"},
    "kv_prefix": {"type": "str", "default": "certs"},
}
_PKI: dict[str, t.Any] = {
    "pki_mount": {"type": "str", "default": "pki_int"},
    "pki_role": {"type": "str", "default": "market-intel"},
    "ttl": {"type": "str", "default": "8760h"},
}


def vault_argument_spec(*, issues: bool) -> ArgumentSpec:
    """Return the option ``vault``: the login and where certificates are kept and, if it ``issues``, where from."""
    return ArgumentSpec({"vault": {"type": "dict", "options": {**_LOGIN, **_KV, **(_PKI if issues else {})}}})


def vault_login(option: t.Mapping[str, t.Any], user_agent: str) -> VaultLogin:
    """Return a login; raise InvalidInput where the address or the token is missing."""
    # Only here, because its library takes 0.2 s to import.
    from .client import VaultLogin, VaultSettings

    settings = VaultSettings(
        url=option["url"] or "",
        token=option["token"] or "",
        namespace=option["namespace"] or "",
        ca_cert=option["ca_cert"] or "",
        validate_certs=option["validate_certs"],
    )
    return VaultLogin(settings, user_agent)
