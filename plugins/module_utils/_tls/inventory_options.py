# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a check of certificates, and what they mean. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from .._module import ArgumentSpec
from .inventory import Endpoint, Request
from .inventory_files import OUTPUTS
from .severity import Limits, Mute, Override, Threshold

_THRESHOLDS = ("warning", "critical", "renewal_grace", "authority_warning")


def inventory_argument_spec() -> ArgumentSpec:
    limits = {name: {"type": "str", "default": ""} for name in _THRESHOLDS}
    override = {"match": {"type": "str", "required": True}, "warning": {"type": "str"}, "critical": {"type": "str"}}
    mute = {name: {"type": "str", "required": True} for name in ("match", "until", "reason")}
    vault = {
        "url": {"type": "str", "fallback": (env_fallback, ["VAULT_ADDR"])},
        "token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["VAULT_TOKEN"])},
        "namespace": {"type": "str", "fallback": (env_fallback, ["VAULT_NAMESPACE"])},
        "ca_cert": {"type": "path", "fallback": (env_fallback, ["VAULT_CACERT"])},
        "validate_certs": {"type": "bool", "default": True},
        "kv_mount": {"type": "str", "default": "kv"},
        "kv_prefix": {"type": "str", "default": "certs"},
    }
    return ArgumentSpec(
        {
            "cluster": {"type": "str", "default": ""},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "bool", "default": True},
            "certificates": {"type": "bool", "default": True},
            "configmaps": {"type": "bool", "default": False},
            "unused": {"type": "bool", "default": False},
            "endpoints": {"type": "list", "elements": "raw", "default": []},
            "endpoint_timeout": {"type": "float", "default": 5.0},
            "vault": {"type": "dict", "options": vault},
            **limits,
            "overrides": {"type": "list", "elements": "dict", "default": [], "options": override},
            "mutes": {"type": "list", "elements": "dict", "default": [], "options": mute},
            "directory": {"type": "path", "default": ""},
            "outputs": {"type": "list", "elements": "str", "choices": list(OUTPUTS), "default": []},
            "previous": {"type": "path", "default": ""},
            "run_id": {"type": "str", "default": ""},
        }
    )


def inventory_request(params: t.Mapping[str, t.Any]) -> Request:
    """Return what a module's parameters ask for; raise InvalidInput."""
    vault = params["vault"]
    return Request(
        namespaces=tuple(dict.fromkeys(params["namespaces"])),
        secrets=params["secrets"],
        certificates=params["certificates"],
        configmaps=params["configmaps"],
        unused=params["unused"] and params["secrets"],
        endpoints=tuple(Endpoint.parse(each, f"endpoints[{n}]") for n, each in enumerate(params["endpoints"])),
        vault=f"{vault['kv_mount']}/{vault['kv_prefix']}" if vault else "",
        limits=_limits(params),
        overrides=tuple(Override.parse(each, f"overrides[{n}]") for n, each in enumerate(params["overrides"])),
        mutes=tuple(Mute.parse(each, f"mutes[{n}]") for n, each in enumerate(params["mutes"])),
    )


def _limits(params: t.Mapping[str, t.Any]) -> Limits:
    given = {name: Threshold.parse(params[name], name) for name in _THRESHOLDS if params[name]}
    usual = Limits()
    return Limits(
        warning=(given["warning"],) if "warning" in given else usual.warning,
        critical=(given["critical"],) if "critical" in given else usual.critical,
        grace=given.get("renewal_grace"),
        authority_warning=(given["authority_warning"],) if "authority_warning" in given else usual.authority_warning,
    )
