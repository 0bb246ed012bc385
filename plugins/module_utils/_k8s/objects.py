# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What objects of the API have in common: where they are, what selects them, which containers they have. PRIVATE."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import re
import ssl
import typing as t

from .._errors import InvalidInput
from .client import METADATA_LIST, ApiError, ApiLogin, Object

_APPS, _BATCH = "/apis/apps/v1", "/apis/batch/v1"

# Of each kind, the path of its API and its plural.
KINDS = {
    "Deployment": (_APPS, "deployments"),
    "StatefulSet": (_APPS, "statefulsets"),
    "DaemonSet": (_APPS, "daemonsets"),
    "ReplicaSet": (_APPS, "replicasets"),
    "CronJob": (_BATCH, "cronjobs"),
    "Job": (_BATCH, "jobs"),
    "Pod": ("/api/v1", "pods"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
}


_FIRST_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def leaf_fingerprint(content: str) -> str:
    """Return the SHA-256 of the first certificate in the data of a Secret; empty if there is none."""
    try:
        first = _FIRST_CERTIFICATE.search(base64.b64decode(content).decode("ascii", "replace"))
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0])).hexdigest() if first else ""
    except (ValueError, binascii.Error):
        return ""


def collection(place: tuple[str, str], namespace: str) -> str:
    """Return the path of all objects of a kind in a namespace."""
    return f"{place[0]}/namespaces/{namespace}/{place[1]}"


def require_namespace(login: ApiLogin, namespace: str) -> None:
    """Raise InvalidInput if there is no such namespace, as far as this login may know."""
    try:
        found = login.find(f"get the namespace {namespace}", f"/api/v1/namespaces/{namespace}")
    except ApiError:
        return
    if found is None:
        close = difflib.get_close_matches(namespace, _namespaces(login), 3, 0.6)
        where = f"the closest: {', '.join(close)}" if close else "kubectl get namespaces"
        raise InvalidInput(
            f"There is no namespace {namespace} at {login.name}; name another in O(namespace) ({where})."
        )


def _namespaces(login: ApiLogin) -> list[str]:
    """Return the names of the namespaces, as far as this login may know them."""
    try:
        found = login.items("list namespaces", "/api/v1/namespaces", accept=METADATA_LIST)
    except ApiError:
        return []
    return [each["metadata"]["name"] for each in found]


def selector_text(selector: Object) -> str:
    """Return a label selector as a query has it."""
    parts = [f"{label}={value}" for label, value in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or []:
        values = f"({','.join(each.get('values') or [])})"
        forms = {"In": f"{each['key']} in {values}", "NotIn": f"{each['key']} notin {values}", "Exists": each["key"]}
        parts.append(forms.get(each["operator"], f"!{each['key']}"))
    return ",".join(parts)


def selects(selector: Object, labels: t.Mapping[str, str]) -> bool:
    """Tell whether a label selector takes something with these labels; an empty one takes everything."""
    if any(labels.get(label) != value for label, value in (selector.get("matchLabels") or {}).items()):
        return False
    for each in selector.get("matchExpressions") or []:
        key, values = each["key"], each.get("values") or []
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(each["operator"], False):
            return False
    return True


def containers(pod: Object) -> list[Object]:
    """Return the init containers of a pod, then the others."""
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def container_named(pod: Object, name: str) -> Object:
    """Return a container of a pod, an init container too; nothing if it has none of that name."""
    return next((each for each in containers(pod) if each["name"] == name), {})


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
