# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server knows of a pod and of what it stands on, read with as few requests as can be. PRIVATE."""

from __future__ import annotations

import base64
import typing as t
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from .._errors import RunbookError
from .._k8s.client import METADATA_LIST, ApiLogin, ApiRefused, Object
from .._k8s.objects import KINDS, collection, containers, selector_text
from .._tls.certificate import Certificate, parse_chain
from .statuses import container_statuses, waiting
from .target import Chosen

# What one part of a report may wait for at the same time; the API server counts each request of a login.
_THREADS = 6
_LOG_BYTES = 1 << 18
_MOST_CERTIFICATES = 3
_OWNERS = ("ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
# What a container has that never wrote anything, or that never ran before.
_NO_LOG = (400, 404)

T = t.TypeVar("T")


@dataclass(frozen=True)
class Served:
    """The certificate of a Secret that the pod mounts; the key beside it is not kept."""

    secret: str
    certificate: Certificate


@dataclass
class Facts:
    """What was read; None where it could not be, and ``unknown`` says why not, a part of a sentence for each."""

    namespace: str
    now: datetime
    chosen: Chosen
    owners: list[Object] = field(default_factory=list)
    events: list[Object] | None = None
    node: Object | None = None
    node_pods: list[Object] | None = None
    siblings: list[Object] | None = None
    pods: list[Object] | None = None
    services: list[Object] | None = None
    slices: list[Object] | None = None
    policies: list[Object] | None = None
    claims: list[Object] | None = None
    configmaps: set[str] | None = None
    secrets: set[str] | None = None
    metrics: Object | None = None
    space: Object | None = None
    logs: dict[tuple[str, bool], str] = field(default_factory=dict)
    served: list[Served] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def pod(self) -> Object:
        return self.chosen.pod


class _Reader:
    """Reads side by side; what is refused is noted, and is no error."""

    def __init__(self, login: ApiLogin, facts: Facts, pool: ThreadPoolExecutor) -> None:
        self._login = login
        self._facts = facts
        self._pool = pool

    def submit(self, what: str, read: Callable[[], T]) -> Future[T | None]:
        return self._pool.submit(self.try_to, what, read)

    def try_to(self, what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ApiRefused as exc:
            if exc.status == 403:
                self._facts.unknown.append(f"{what}: this login may not read it")
            elif exc.status != 404:
                self._facts.unknown.append(f"{what}: {exc}")
        except RunbookError as exc:
            self._facts.unknown.append(f"{what}: {exc}")
        return None

    def list(self, what: str, path: str, **query: str) -> Future[list[Object] | None]:
        return self.submit(what, lambda: self._login.items(f"list {what}", path, **query))

    def get(self, what: str, path: str) -> Future[Object | None]:
        return self.submit(what, lambda: self._login.get(f"get {what}", path))


def gather(
    login: ApiLogin, namespace: str, chosen: Chosen, now: datetime, collect: Sequence[str], tail_lines: int
) -> Facts:
    """Return what is known of a pod. ``collect`` may leave out ``network``, ``kubernetes`` and ``logs``.

    A container costs two requests, everything else at most twenty, whatever the size of the cluster.
    """
    facts = Facts(namespace, now, chosen)
    with ThreadPoolExecutor(_THREADS) as pool:
        reader = _Reader(login, facts, pool)
        tasks: dict[str, Future[t.Any]] = {}
        if "kubernetes" in collect:
            tasks |= _begin_kubernetes(reader, login, facts)
        if "network" in collect:
            tasks |= _begin_network(reader, facts)
        logs = _begin_logs(reader, login, facts, tail_lines) if "logs" in collect else {}
        for name, task in tasks.items():
            setattr(facts, name, task.result())
        facts.logs = {key: text for key, task in logs.items() if (text := task.result())}
        if "kubernetes" in collect:
            _read_owners_events(reader, login, facts)
    facts.owners = facts.owners or []
    facts.served = facts.served or []
    facts.unknown.sort()
    return facts


def _begin_kubernetes(reader: _Reader, login: ApiLogin, facts: Facts) -> dict[str, Future[t.Any]]:
    pod, base = facts.pod, f"/api/v1/namespaces/{facts.namespace}"
    spec, name = pod["spec"], pod["metadata"]["name"]
    tasks: dict[str, Future[t.Any]] = {
        "owners": reader.submit("owners", lambda: _owners(reader, login, facts)),
        "space": reader.get("the namespace", f"/api/v1/namespaces/{facts.namespace}"),
        "metrics": reader.get("metrics", f"/apis/metrics.k8s.io/v1beta1/namespaces/{facts.namespace}/pods/{name}"),
        "served": reader.submit("certificates", lambda: _served(reader, login, facts)),
    }
    if spec.get("nodeName"):
        node = spec["nodeName"]
        tasks["node"] = reader.get("the node", f"/api/v1/nodes/{node}")
        tasks["node_pods"] = reader.list("pods of the node", "/api/v1/pods", fieldSelector=f"spec.nodeName={node}")
    if any("persistentVolumeClaim" in each for each in spec.get("volumes") or []):
        tasks["claims"] = reader.list("claims", f"{base}/persistentvolumeclaims")
    wanted = references(pod)
    for kind in ("configmaps", "secrets"):
        if wanted[kind]:
            tasks[kind] = reader.submit(kind, lambda kind=kind: _names(login, kind, f"{base}/{kind}"))  # type: ignore[misc]
    return tasks


def _begin_network(reader: _Reader, facts: Facts) -> dict[str, Future[t.Any]]:
    where = facts.namespace
    return {
        "services": reader.list("services", f"/api/v1/namespaces/{where}/services"),
        "slices": reader.list("endpointslices", f"/apis/discovery.k8s.io/v1/namespaces/{where}/endpointslices"),
        "policies": reader.list("networkpolicies", f"/apis/networking.k8s.io/v1/namespaces/{where}/networkpolicies"),
        "pods": reader.list("pods", f"/api/v1/namespaces/{where}/pods"),
    }


def _begin_logs(
    reader: _Reader, login: ApiLogin, facts: Facts, tail_lines: int
) -> dict[tuple[str, bool], Future[str | None]]:
    path = f"/api/v1/namespaces/{facts.namespace}/pods/{facts.chosen.name}/log"

    def read(container: str, previous: bool) -> str:
        query = {"container": container, "tailLines": str(tail_lines)}
        try:
            text = login.text("read its logs", path, **query, **({"previous": "true"} if previous else {}))
            # The API server would cut the newest lines.
            return text[-_LOG_BYTES:]
        except ApiRefused as exc:
            if exc.status in _NO_LOG:
                return ""
            raise

    tasks = {}
    for status in container_statuses(facts.pod):
        name = status["name"]
        started = not waiting(status) or status.get("restartCount", 0)
        for previous in (False, True):
            if started and (not previous or status.get("restartCount", 0)):
                tasks[name, previous] = reader.submit("logs", lambda name=name, previous=previous: read(name, previous))  # type: ignore[misc]
    return tasks


def _owners(reader: _Reader, login: ApiLogin, facts: Facts) -> list[Object]:
    """Return the chain of controllers, beginning with the one that owns the pod."""
    found: list[Object] = []
    each = facts.pod
    while True:
        owner = next((one for one in each["metadata"].get("ownerReferences") or [] if one.get("controller")), None)
        if owner is None or owner["kind"] not in _OWNERS or len(found) == 3:
            return found
        kind = owner["kind"]
        path = f"{collection(KINDS[kind], facts.namespace)}/{owner['name']}"
        one = reader.try_to(f"{kind} {owner['name']}", lambda path=path: login.get("get an owner", path))  # type: ignore[misc]
        if one is None:
            return found
        found.append({**one, "kind": kind})
        each = one


def _read_owners_events(reader: _Reader, login: ApiLogin, facts: Facts) -> None:
    """Read events of the pod, its owners and its node, and its siblings; the owners have to be known for it."""
    base = f"/api/v1/namespaces/{facts.namespace}/events"
    about = [(base, f"involvedObject.uid={each['metadata']['uid']}") for each in (facts.pod, *facts.owners)]
    if facts.node:
        name = facts.node["metadata"]["name"]
        about.append(("/api/v1/namespaces/default/events", f"involvedObject.kind=Node,involvedObject.name={name}"))
    tasks = [reader.list("events", path, fieldSelector=selector) for path, selector in about]
    selector = facts.owners[0]["spec"].get("selector") if facts.owners else None
    if selector and facts.pods is None:
        facts.pods = reader.list(
            "pods", f"/api/v1/namespaces/{facts.namespace}/pods", labelSelector=selector_text(selector)
        ).result()
    results = [task.result() for task in tasks]
    facts.events = None if results[0] is None else [each for found in results for each in found or []]
    if facts.pods is not None and facts.owners:
        uids = {each["metadata"]["uid"] for each in facts.owners}
        facts.siblings = [
            each
            for each in facts.pods
            if each["metadata"]["uid"] != facts.pod["metadata"]["uid"]
            and any(one["uid"] in uids for one in each["metadata"].get("ownerReferences") or [])
        ]
    facts.unknown = list(dict.fromkeys(facts.unknown))


def references(pod: Object) -> dict[str, set[str]]:
    """Return the names of the ConfigMaps and Secrets without which the pod does not start."""
    found: dict[str, set[str]] = {"configmaps": set(), "secrets": set()}

    def add(kind: str, entry: t.Mapping[str, t.Any] | None, key: str = "name") -> None:
        if entry and entry.get(key) and not entry.get("optional"):
            found[kind].add(entry[key])

    for volume in pod["spec"].get("volumes") or []:
        add("configmaps", volume.get("configMap"))
        add("secrets", volume.get("secret"), "secretName")
        for source in (volume.get("projected") or {}).get("sources") or []:
            add("configmaps", source.get("configMap"))
            add("secrets", source.get("secret"))
    for container in containers(pod):
        for entry in container.get("envFrom") or []:
            add("configmaps", entry.get("configMapRef"))
            add("secrets", entry.get("secretRef"))
        for entry in container.get("env") or []:
            add("configmaps", (entry.get("valueFrom") or {}).get("configMapKeyRef"))
            add("secrets", (entry.get("valueFrom") or {}).get("secretKeyRef"))
    return found


def _names(login: ApiLogin, kind: str, path: str) -> set[str]:
    """Return which there are; the API server is asked for their metadata only."""
    return {each["metadata"]["name"] for each in login.items(f"list {kind}", path, accept=METADATA_LIST)}


def _served(reader: _Reader, login: ApiLogin, facts: Facts) -> list[Served]:
    """Return the certificates of the Secrets that the pod mounts, if they may be read."""
    names = [
        volume["secret"]["secretName"]
        for volume in facts.pod["spec"].get("volumes") or []
        if (volume.get("secret") or {}).get("secretName")
    ]
    found = []
    for name in names[:_MOST_CERTIFICATES]:
        path = f"/api/v1/namespaces/{facts.namespace}/secrets/{name}"
        secret = reader.try_to("certificates in Secrets", lambda path=path: login.get("read a certificate", path))  # type: ignore[misc]
        pem = ((secret or {}).get("data") or {}).get("tls.crt")
        if pem:
            chain = reader.try_to(f"the certificate in {name}", lambda pem=pem: parse_chain(base64.b64decode(pem)))  # type: ignore[misc]
            found += [Served(name, chain[0])] if chain else []
    return found
