# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Kubernetes a run is about, so that nobody acts on the wrong one. PRIVATE to the collection."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import typing as t
from dataclasses import asdict
from pathlib import Path

import yaml
from ansible import constants

from ..module_utils._errors import Refused, RunbookError
from ..module_utils._k8s.kubeconfig import kubeconfig_paths, uses_service_account
from ..module_utils._k8s.options import login_argument_spec
from ..module_utils._report.model import Cluster

if t.TYPE_CHECKING:
    from ..module_utils._k8s.client import ApiLogin

LOGIN = tuple(login_argument_spec().argument_spec)
_SYSTEM = "/api/v1/namespaces/kube-system"
_TIMEOUT_SECONDS = 10.0


def complete_login(given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the login as a module completes it: what is not given is taken from the environment."""
    found = dict(given)
    for name, option in login_argument_spec().argument_spec.items():
        if found.get(name) is None and os.environ.get(option["fallback"][1][0]):
            found[name] = os.environ[option["fallback"][1][0]]
    if isinstance(found.get("validate_certs"), str):
        found["validate_certs"] = found["validate_certs"].lower() not in ("no", "false", "0", "off")
    return {name: value for name, value in found.items() if value is not None}


def refuse_unnamed(host: str, given: t.Mapping[str, t.Any]) -> None:
    """Raise Refused for a host, other than localhost, that would be mapped to whatever the current context is."""
    # A credential of AWX gives the API host to the whole job; two hosts of it are refused later.
    named = given.get("context") or given.get("host") or os.environ.get("K8S_AUTH_HOST")
    if host == "localhost" or named or uses_service_account(complete_login(given).get("kubeconfig")):
        return
    current = current_context(given.get("kubeconfig"))
    raise Refused(
        f"The host {host} names no cluster, and the current context {current or '(there is none)'} may be another one; "
        "set O(context), or O(host), for it, or runbooks_context for all runbooks."
    )


def identify(login: t.Mapping[str, t.Any], user_agent: str) -> Cluster:
    """Return which cluster a complete login reaches; raise RunbookError where it is not a login.

    Hosts of a play ask the same API server once: what was found is kept until ansible-playbook ends.
    """
    known_by = hashlib.sha256(json.dumps(login, sort_keys=True).encode()).hexdigest()[:32]
    path = Path(constants.DEFAULT_LOCAL_TMP) / f"runbooks-cluster-{known_by}"
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        content = file.read()
        if content:
            return Cluster(**json.loads(content))
        found = _ask(login, user_agent)
        json.dump(asdict(found), file)
        return found


def api_login(given: t.Mapping[str, t.Any], user_agent: str) -> ApiLogin:
    """Return the login that is given, as a module would complete it; raise RunbookError where it is none."""
    # Only here, because their library takes half a second to import.
    from ..module_utils._k8s.client import ApiLogin, ApiSettings

    login = complete_login(given)
    paths = ("kubeconfig", "ca_cert", "client_cert", "client_key")
    settings = {name: os.path.expanduser(os.path.expandvars(login[name])) for name in paths if name in login}
    return ApiLogin(
        ApiSettings(**{**login, **settings}, connect_timeout=_TIMEOUT_SECONDS, timeout=_TIMEOUT_SECONDS), user_agent
    )


def _ask(login: t.Mapping[str, t.Any], user_agent: str) -> Cluster:
    api = api_login(login, user_agent)
    context = login.get("context") or ("" if login.get("host") else current_context(login.get("kubeconfig")))
    try:
        about = api.get("read the namespace kube-system", _SYSTEM).get("metadata") or {}
    except RunbookError as exc:
        return Cluster(context, api.server, note=f"which cluster it is was not verified: {exc}")
    if not about.get("uid"):
        return Cluster(context, api.server, note="which cluster it is was not verified: kube-system has no uid")
    return Cluster(context, api.server, str(about["uid"]))


def current_context(kubeconfig: str | None) -> str:
    """Return the current context of a kubeconfig, empty where there is none, or none that can be read."""
    for path in kubeconfig_paths(kubeconfig or os.environ.get("K8S_AUTH_KUBECONFIG")):
        try:
            content = yaml.safe_load(Path(os.path.expandvars(path)).expanduser().read_text(encoding="utf-8"))
            found = content.get("current-context")
        except (OSError, ValueError, AttributeError, RuntimeError, yaml.YAMLError):
            continue
        if found:
            return str(found)
    return ""
