# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a login at an API server, named and found in the environment as those of kubernetes.core. PRIVATE."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import env_fallback

from .._module import ArgumentSpec


def login_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG"])},
            "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
            "host": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_HOST"])},
            "api_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["K8S_AUTH_API_KEY"])},
            "ca_cert": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_SSL_CA_CERT"])},
            "client_cert": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_CERT_FILE"])},
            "client_key": {"type": "path", "no_log": False, "fallback": (env_fallback, ["K8S_AUTH_KEY_FILE"])},
            "validate_certs": {"type": "bool", "fallback": (env_fallback, ["K8S_AUTH_VERIFY_SSL"])},
        },
        required_together=[("client_cert", "client_key")],
    )


LOGIN_SECRETS = ("api_key",)


def login_options(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what ApiSettings takes of a module's parameters."""
    return {name: params[name] for name in login_argument_spec().argument_spec}
