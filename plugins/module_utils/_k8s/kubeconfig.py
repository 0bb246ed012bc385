# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which kubeconfig a login is read from, as kubectl finds it. PRIVATE to the collection."""

from __future__ import annotations

import os

_DEFAULT_KUBECONFIG = "~/.kube/config"


def kubeconfig_paths(given: str | None) -> list[str]:
    """Return the files that are read for a login: those that are given, those of KUBECONFIG, or the default one."""
    named = given or os.environ.get("KUBECONFIG") or _DEFAULT_KUBECONFIG
    return [path for path in named.split(os.pathsep) if path]


def uses_service_account(given: str | None) -> bool:
    """Tell whether the login is that of the pod that this runs in: no kubeconfig is named, and none is at home."""
    named = given or os.environ.get("KUBECONFIG")
    at_home = os.path.exists(os.path.expanduser(_DEFAULT_KUBECONFIG))
    return not named and not at_home and "KUBERNETES_SERVICE_HOST" in os.environ
