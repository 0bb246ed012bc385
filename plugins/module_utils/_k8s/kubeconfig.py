# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which kubeconfig a login is read from, as kubectl finds it. PRIVATE to the collection."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

_DEFAULT_KUBECONFIG = "~/.kube/config"

Environment = t.Mapping[str, str]


def this_or_own(environment: Environment | None) -> Environment:
    """Return an environment, without one that of this process."""
    return os.environ if environment is None else environment


def kubeconfig_paths(given: str | None, environment: Environment | None = None) -> list[str]:
    """Return the files that are read for a login: those that are given, those of KUBECONFIG, or the default one."""
    named = given or this_or_own(environment).get("KUBECONFIG") or _DEFAULT_KUBECONFIG
    return [path for path in named.split(os.pathsep) if path]


def uses_service_account(given: str | None, context: str | None = None, environment: Environment | None = None) -> bool:
    """Tell whether the login is that of the pod that this runs in: nothing else is named, and no kubeconfig at home."""
    environment = this_or_own(environment)
    named = given or context or environment.get("KUBECONFIG")
    at_home = os.path.exists(expand_path(_DEFAULT_KUBECONFIG, environment))
    return not named and not at_home and "KUBERNETES_SERVICE_HOST" in environment


def current_context(paths: t.Iterable[str]) -> str:
    """Return the current context of the first file that has one, as kubectl does; empty where none can be read.

    The Python client takes that of the last file.
    """
    # Only here, because a login with a named context does without it.
    import yaml

    for path in paths:
        try:
            found = yaml.safe_load(Path(path).read_text(encoding="utf-8")).get("current-context")
        except (OSError, ValueError, AttributeError, yaml.YAMLError):
            continue
        if found:
            return str(found)
    return ""


def expand_path(path: str, environment: Environment | None = None) -> str:
    """Return a path as a process with this environment expands it."""
    expanded = os.path.expandvars(path)
    home = this_or_own(environment).get("HOME")
    return home + expanded[1:] if home and expanded.partition("/")[0] == "~" else os.path.expanduser(expanded)
