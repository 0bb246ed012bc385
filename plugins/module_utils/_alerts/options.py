# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a login at Prometheus or Alertmanager; in step with doc_fragments/_alerts.py. PRIVATE."""

from __future__ import annotations

import typing as t

from .._module import ArgumentSpec
from .login import HttpLogin, HttpSettings

_LOGIN: dict[str, t.Any] = {
    "url": {"type": "str", "required": True},
    "token": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_cert": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 10.0},
}
_RULES: dict[str, t.Any] = {
    "mutually_exclusive": [("token", "username")],
    "required_together": [("username", "password"), ("client_cert", "client_key")],
}

_MATCHER: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "value": {"type": "str", "required": True},
    "is_regex": {"type": "bool", "default": False},
    "is_equal": {"type": "bool", "default": True},
}


def http_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(_LOGIN, **_RULES)


def http_login(params: t.Mapping[str, t.Any], system: str, run_id: str, prefix: str = "") -> HttpLogin:
    """Return the login that a module's parameters mean; ``prefix`` is where they are a part of another option."""
    given = {name: params[name] for name in _LOGIN if params[name] is not None}
    return HttpLogin(HttpSettings(**given, prefix=prefix), system, f"market_intel.runbooks/{run_id}")


def matchers_argument_spec() -> ArgumentSpec:
    return ArgumentSpec({"matchers": {"type": "list", "elements": "dict", "default": [], "options": _MATCHER}})


def systems_argument_spec(*names: str) -> ArgumentSpec:
    """The options ``prometheus`` and ``alertmanager``, or those that are named, of what asks more than one system."""
    login = {**_LOGIN, "url": {"type": "str", "default": ""}}
    systems = names or ("prometheus", "alertmanager")
    return ArgumentSpec({name: {"type": "dict", "required": True, "options": login, **_RULES} for name in systems})
