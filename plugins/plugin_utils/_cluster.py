# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Kubernetes a run is about, so that nobody acts on the wrong one. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import typing as t
from dataclasses import asdict
from pathlib import Path

from ansible import constants

from ..module_utils._addresses import canonical_server
from ..module_utils._errors import Refused, RunbookError
from ..module_utils._k8s.kubeconfig import (
    Environment,
    current_context,
    expand_path,
    kubeconfig_paths,
    this_or_own,
    uses_service_account,
)
from ..module_utils._k8s.options import login_argument_spec
from ..module_utils._report.model import Cluster

if t.TYPE_CHECKING:
    from ..module_utils._k8s.client import ApiLogin

LOGIN = tuple(login_argument_spec().argument_spec)
_SYSTEM = "/api/v1/namespaces/kube-system"
_TIMEOUT_SECONDS = 10.0


def complete_login(given: t.Mapping[str, t.Any], environment: Environment | None = None) -> dict[str, t.Any]:
    """Return the login as a module completes it: what is not given is taken from the environment."""
    found, environment = dict(given), this_or_own(environment)
    for name, option in login_argument_spec().argument_spec.items():
        if found.get(name) is None and environment.get(option["fallback"][1][0]):
            found[name] = environment[option["fallback"][1][0]]
    if isinstance(found.get("validate_certs"), str):
        found["validate_certs"] = found["validate_certs"].lower() not in ("no", "false", "0", "off")
    return {name: value for name, value in found.items() if value is not None}


def settle_login(given: t.Mapping[str, t.Any], environment: Environment | None = None) -> dict[str, t.Any]:
    """Return the login with all that its steps would otherwise find for themselves; raise RunbookError.

    A later step may find something else: another current context, the home of another user, another environment.
    """
    login = complete_login(given, environment)
    paths = _files(login.get("kubeconfig"), environment)
    if login.get("host"):
        if "host" in given and "context" not in given:
            login.pop("context", None)
        # One of the environment counts for no more than the file that somebody has named.
        elif "context" in login or "kubeconfig" in given:
            return _agreeing(login, paths)
        return login
    if uses_service_account(login.get("kubeconfig"), login.get("context"), environment):
        return login
    context = login.get("context") or current_context(paths)
    return {**login, "kubeconfig": os.pathsep.join(paths), **({"context": context} if context else {})}


def _files(kubeconfig: str | None, environment: Environment | None) -> list[str]:
    """Return the files of a kubeconfig, which belong to the caller's folder; one of several may be missing."""
    found = [expand_path(path, environment) for path in kubeconfig_paths(kubeconfig, environment)]
    # Where that folder is gone, whoever reads them says that they are relative.
    with contextlib.suppress(FileNotFoundError):
        found = [os.path.abspath(path) for path in found]
    return [path for path in found if os.path.exists(path)] or found


def _agreeing(login: t.Mapping[str, t.Any], paths: t.Sequence[str]) -> dict[str, t.Any]:
    """Return a login that names an API server and a context, where both mean the same; raise RunbookError."""
    if not any(os.access(path, os.R_OK) for path in paths):
        # So it is where AWX has the credential of one cluster, and the inventory names contexts.
        return {name: value for name, value in login.items() if name != "context"}
    context = login.get("context") or current_context(paths)
    other = api_login({"kubeconfig": os.pathsep.join(paths), "context": context}, "market_intel.runbooks/start").server
    if canonical_server(other) == canonical_server(login["host"]):
        return dict(login)
    raise Refused(
        f"The context {context} leads to {other}, and O(host) is {login['host']}, which K8S_AUTH_HOST in the "
        "environment sets, too; name the cluster in one way, and leave out the other."
    )


def refuse_unnamed(host: str, given: t.Mapping[str, t.Any], environment: Environment | None = None) -> None:
    """Raise Refused for a host, other than localhost, that would be mapped to whatever the current context is."""
    # A credential of AWX gives the API host to the whole job; two hosts of it are refused later.
    named = given.get("context") or given.get("host") or this_or_own(environment).get("K8S_AUTH_HOST")
    kubeconfig = complete_login(given, environment).get("kubeconfig")
    if host == "localhost" or named or uses_service_account(kubeconfig, environment=environment):
        return
    current = current_context(_files(kubeconfig, environment))
    raise Refused(
        f"The host {host} names no cluster, and the current context {current or '(there is none)'} may be another one; "
        "set O(context), or O(host), for it, or runbooks_context for all runbooks."
    )


def refuse_elsewhere(host: str, transport: str) -> None:
    """Raise Refused for a host whose modules would run on another machine, with the kubeconfig that is there."""
    if transport != "local":
        raise Refused(
            f"The host {host} is reached by {transport}, where a kubeconfig may lead to another cluster; set "
            "ansible_connection=local for it, since the hosts of runbooks are clusters."
        )


def identify(login: t.Mapping[str, t.Any], user_agent: str) -> Cluster:
    """Return which cluster a settled login reaches; raise RunbookError where it is not a login.

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
    """Return a settled login; raise RunbookError where it is none."""
    # Only here, because their library takes half a second to import.
    from ..module_utils._k8s.client import ApiLogin, ApiSettings

    paths = ("kubeconfig", "ca_cert", "client_cert", "client_key")
    settings = {name: expand_path(given[name]) for name in paths if name in given}
    return ApiLogin(
        ApiSettings(**{**given, **settings}, connect_timeout=_TIMEOUT_SECONDS, timeout=_TIMEOUT_SECONDS), user_agent
    )


def _ask(login: t.Mapping[str, t.Any], user_agent: str) -> Cluster:
    api = api_login(login, user_agent)
    context = login.get("context", "")
    try:
        about = api.get("read the namespace kube-system", _SYSTEM).get("metadata") or {}
    except RunbookError as exc:
        return Cluster(context, api.server, note=f"which cluster it is was not verified: {exc}")
    if not about.get("uid"):
        return Cluster(context, api.server, note="which cluster it is was not verified: kube-system has no uid")
    return Cluster(context, api.server, str(about["uid"]))
