# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Redis in a test cluster that is already there, where no lab can run.

`LAB_KUBECONFIG` and `LAB_CONTEXT` name it; both have to be given, so that no current context is taken by accident. It
needs `kubectl`, a default StorageClass and the right to make a namespace (`LAB_NAMESPACE`, market-intel-brain if it is
not given). `LAB_REDIS_IMAGE` replaces the image. What the API server's audit log, cert-manager and Vault are needed for
is not there.
"""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import yaml

from .place import HERE, NAMESPACE, LabError, say

_LABEL = "runbooks.market-intel.dev/lab"
_IMAGE = "docker.io/library/redis:7.0"
_OWN_IMAGE = "localhost/redis:7.0"
_PRODUCTION = re.compile(r"(?<![a-z])(prod|prd|production|live)(?![a-z])", re.IGNORECASE)
_READY_SECONDS = 180


def wanted() -> bool:
    """Tell whether a cluster is named."""
    return any(os.environ.get(name) for name in ("LAB_KUBECONFIG", "LAB_CONTEXT"))


def up() -> None:
    """Run the Redis pair in a namespace of its own; raise LabError if that is somebody else's."""
    if not _is_ours(_kubectl("get", "namespace", _namespace(), "-o", "json", "--ignore-not-found")):
        raise LabError(
            f"The namespace {_namespace()} is there already and was not made by make lab-up; name another in "
            "LAB_NAMESPACE."
        )
    say(f"starting Redis in the namespace {_namespace()} of {os.environ['LAB_CONTEXT']}")
    _apply({"kind": "Namespace", "metadata": {"name": _namespace(), "labels": {_LABEL: "true"}}})
    if not _kubectl("get", "secret", "redis", "-n", _namespace(), "--ignore-not-found"):
        password = {"password": secrets.token_urlsafe(18)}
        _apply({"kind": "Secret", "metadata": {"name": "redis", "namespace": _namespace()}, "stringData": password})
    for each in _redis():
        _apply(each)
    for name in ("redis-primary", "redis-replica"):
        where = ("-n", _namespace(), f"--timeout={_READY_SECONDS}s")
        _kubectl("rollout", "status", f"statefulset/{name}", *where)
    say('Redis is up; eval "$(make -s lab-env)" lets kubectl find it')


def down() -> None:
    """Remove the namespace, if it was made here."""
    found = _kubectl("get", "namespace", _namespace(), "-o", "json", "--ignore-not-found")
    if found and _is_ours(found):
        _kubectl("delete", "namespace", _namespace())
    say("the lab is down")


def status() -> None:
    """Say of each pod how it is."""
    print(_kubectl("get", "pods", "-n", _namespace()).strip() or "the lab is down")


def env() -> None:
    """Print the variables with which programs find the cluster, for `eval`."""
    _check()
    for name, given in (("KUBECONFIG", "LAB_KUBECONFIG"), ("K8S_AUTH_CONTEXT", "LAB_CONTEXT")):
        print(f"export {name}={shlex.quote(os.environ[given])}")


def kubectl(arguments: list[str]) -> NoReturn:
    """Become kubectl."""
    command = _command(*arguments)
    os.execvp(command[0], command)


def _namespace() -> str:
    return os.environ.get("LAB_NAMESPACE") or NAMESPACE


@functools.cache
def _check() -> None:
    """Raise LabError if the cluster is not named as it has to be."""
    path, context = os.environ.get("LAB_KUBECONFIG", ""), os.environ.get("LAB_CONTEXT", "")
    if not path or not context:
        raise LabError(
            "LAB_KUBECONFIG and LAB_CONTEXT belong together; set both, the context by its name (kubectl config "
            "get-contexts)."
        )
    if _PRODUCTION.search(context):
        raise LabError(f"The context {context} looks like production; the lab is only for test clusters: name another.")
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        known = [str(entry["name"]) for entry in content["contexts"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        raise LabError(f"LAB_KUBECONFIG names {path}, which is no kubeconfig that can be read.") from None
    if context not in known:
        raise LabError(f"{path} has no context {context}; it has {', '.join(known) or 'none'}.")
    if not shutil.which("kubectl"):
        raise LabError("There is no kubectl on PATH; install it to use a cluster of your own.")


def _command(*arguments: str) -> list[str]:
    _check()
    login = (f"--kubeconfig={os.environ['LAB_KUBECONFIG']}", f"--context={os.environ['LAB_CONTEXT']}")
    return ["kubectl", *login, *arguments]


def _kubectl(*arguments: str, content: str = "") -> str:
    done = subprocess.run(_command(*arguments), input=content, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"kubectl {arguments[0]} failed on {os.environ['LAB_CONTEXT']}: {done.stderr.strip()[-400:]}")
    return done.stdout


def _apply(content: dict[str, Any]) -> None:
    _kubectl("apply", "-f", "-", content=json.dumps({"apiVersion": "v1", **content}))


def _is_ours(namespace: str) -> bool:
    return not namespace or _LABEL in (json.loads(namespace)["metadata"].get("labels") or {})


def _redis() -> Iterator[dict[str, Any]]:
    """Yield what the lab runs, with volumes of the cluster's own and an image from a registry."""
    text = (HERE / "manifests" / "redis.yaml").read_text(encoding="utf-8").replace("$$", "$")
    text = text.replace(_OWN_IMAGE, os.environ.get("LAB_REDIS_IMAGE") or _IMAGE).replace(NAMESPACE, _namespace())
    for each in yaml.safe_load(text)["items"]:
        if each["kind"] == "PersistentVolumeClaim":
            for bound in ("storageClassName", "volumeName"):
                del each["spec"][bound]
        if each["kind"] != "PersistentVolume":
            yield each
