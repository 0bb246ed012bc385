# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a check of certificates, and what they mean. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ..._module import ArgumentSpec
from ..._vault.options import vault_argument_spec
from ..threshold import Threshold
from .files import OUTPUTS
from .model import Endpoint, Request
from .severity import Limits, Mute, Override

_THRESHOLDS = ("warning", "critical", "renewal_grace", "authority_warning")


def inventory_argument_spec() -> ArgumentSpec:
    limits = {name: {"type": "str", "default": ""} for name in _THRESHOLDS}
    override = {"match": {"type": "str", "required": True}, "warning": {"type": "str"}, "critical": {"type": "str"}}
    mute = {name: {"type": "str", "required": True} for name in ("match", "until", "reason")}
    own = ArgumentSpec(
        {
            "cluster": {"type": "str", "default": ""},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "bool", "default": True},
            "other_secrets": {"type": "bool", "default": True},
            "keystores": {"type": "bool", "default": False},
            "certificates": {"type": "bool", "default": True},
            "configmaps": {"type": "bool", "default": False},
            "consumers": {"type": "bool", "default": True},
            "unused": {"type": "bool", "default": False},
            "endpoints": {"type": "list", "elements": "raw", "default": []},
            "endpoint_ca_cert": {"type": "path", "default": ""},
            "endpoint_timeout": {"type": "float", "default": 5.0},
            **limits,
            "overrides": {"type": "list", "elements": "dict", "default": [], "options": override},
            "mutes": {"type": "list", "elements": "dict", "default": [], "options": mute},
            "directory": {"type": "path", "default": ""},
            "outputs": {"type": "list", "elements": "str", "choices": list(OUTPUTS), "default": []},
            "previous": {"type": "path", "default": ""},
            "run_id": {"type": "str", "default": ""},
        }
    )
    return own.merge(vault_argument_spec(issues=False))


def inventory_request(params: t.Mapping[str, t.Any]) -> Request:
    """Return what a module's parameters ask for; raise InvalidInput."""
    vault = params["vault"]
    return Request(
        namespaces=tuple(dict.fromkeys(params["namespaces"])),
        secrets=params["secrets"],
        other_secrets=params["other_secrets"],
        keystores=params["keystores"],
        certificates=params["certificates"],
        configmaps=params["configmaps"],
        consumers=params["consumers"] and params["secrets"],
        unused=params["unused"] and params["secrets"],
        endpoints=tuple(Endpoint.parse(each, f"O(endpoints[{n}])") for n, each in enumerate(params["endpoints"])),
        endpoint_ca_cert=params["endpoint_ca_cert"],
        vault=f"{vault['kv_mount']}/{vault['kv_prefix']}" if vault else "",
        limits=_limits(params),
        overrides=tuple(Override.parse(each, f"O(overrides[{n}])") for n, each in enumerate(params["overrides"])),
        mutes=tuple(Mute.parse(each, f"O(mutes[{n}])") for n, each in enumerate(params["mutes"])),
    )


def _limits(params: t.Mapping[str, t.Any]) -> Limits:
    given = {name: Threshold.parse(params[name], f"O({name})") for name in _THRESHOLDS if params[name]}
    usual = Limits()
    return Limits(
        warning=(given["warning"],) if "warning" in given else usual.warning,
        critical=(given["critical"],) if "critical" in given else usual.critical,
        grace=given.get("renewal_grace"),
        authority_warning=(given["authority_warning"],) if "authority_warning" in given else usual.authority_warning,
    )
