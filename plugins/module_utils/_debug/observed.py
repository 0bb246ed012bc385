# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server knows of a pod and of what it stands on, read with as few requests as can be. PRIVATE."""

from __future__ import annotations

import base64
import re
import typing as t
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import monotonic

from .._errors import RunbookError
from .._k8s.client import METADATA_LIST, ApiError, Object
from .._k8s.objects import KINDS, collection, is_ready, selector_text, selects
from .._k8s.references import CONFIGMAP, SECRET, VOLUME, references
from .._time import parse_time
from .._tls.certificate import Certificate, parse_chain
from .causes import told_by
from .dependencies import dependencies_of, service_of, settings_of
from .logs import Log, digest
from .reads import FORBIDDEN, NOT_FOUND, SharedReads
from .statuses import container_statuses, waiting
from .target import Chosen

# What one part of a report may wait for at the same time; the API server counts each request of a login.
_THREADS = 6
# How much of each log is read first, and how many lines of it at the most if the API server sends them in so many
# seconds.
_LOG_LINES, _LOG_BYTES = 20_000, 2 << 20
_DEEP_LINES, _DEEP_SECONDS = 200_000, 10.0
_MOST_CERTIFICATES = 3
_MOST_OTHERS = 5
_MOST_NAMESAKES = 3
_OWNERS = ("ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
SCALED = ("Deployment", "StatefulSet")
# The ConfigMap that Kubernetes puts into every namespace, and mounts into every pod.
_ROOT_CA = "kube-root-ca.crt"
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
    classes: list[Object] | None = None
    nodes: list[Object] | None = None
    scalers: list[Object] | None = None
    ingresses: list[Object] | None = None
    ingress_classes: list[Object] | None = None
    routes: list[Object] | None = None
    gateways: list[Object] | None = None
    gateway_classes: list[Object] | None = None
    budgets: list[Object] | None = None
    # ReplicaSets of the Deployment of a pod that is in trouble.
    revisions: list[Object] | None = None
    webhooks: list[Object] | None = None
    # Of the namespaces that webhooks are in, by their names.
    webhook_services: dict[tuple[str, str], Object | None] = field(default_factory=dict)
    workloads: list[Object] | None = None
    # Of each that is there, when it was changed last, if that is known.
    configmaps: dict[str, datetime | None] | None = None
    secrets: dict[str, datetime | None] | None = None
    # Services of other namespaces that the pod calls, None for one that is not there.
    others: dict[tuple[str, str], Object | None] = field(default_factory=dict)
    # Of names that are unknown to the pod, or are those of no Service here: where else there are such Services.
    namesakes: dict[str, list[str]] = field(default_factory=dict)
    # By container, its variables from ConfigMaps.
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    metrics: Object | None = None
    space: Object | None = None
    logs: dict[tuple[str, bool], Log] = field(default_factory=dict)
    served: list[Served] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    tail_lines: int = 200

    @property
    def pod(self) -> Object:
        return self.chosen.pod


class _Reader:
    """Reads side by side; what is refused is noted, and is not an error."""

    def __init__(self, reads: SharedReads, facts: Facts, pool: ThreadPoolExecutor) -> None:
        self.reads = reads
        self._facts = facts
        self._pool = pool

    def submit(self, what: str, read: Callable[[], T]) -> Future[T | None]:
        return self._pool.submit(self.try_to, what, read)

    def try_to(self, what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ApiError as exc:
            if exc.status == FORBIDDEN:
                self._facts.unknown.append(f"{what}: this login may not read it")
            elif exc.status != NOT_FOUND:
                self._facts.unknown.append(f"{what}: {exc}")
        except RunbookError as exc:
            self._facts.unknown.append(f"{what}: {exc}")
        return None

    def list(self, what: str, path: str, **query: str) -> Future[list[Object] | None]:
        return self.submit(what, lambda: self.reads.items(f"list {what}", path, **query))

    def get(self, what: str, path: str) -> Future[Object | None]:
        return self.submit(what, lambda: self.reads.get(f"get {what}", path))


def gather(
    reads: SharedReads, namespace: str, chosen: Chosen, now: datetime, collect: Sequence[str], tail_lines: int
) -> Facts:
    """Return what is known of a pod. ``collect`` may leave out ``network``, ``kubernetes`` and ``logs``.

    A container costs two requests, everything else some twenty and at most forty, whatever the size of the cluster;
    of several pods, most of them are shared.
    """
    facts = Facts(namespace, now, chosen, tail_lines=tail_lines)
    with ThreadPoolExecutor(_THREADS) as pool:
        reader = _Reader(reads, facts, pool)
        tasks: dict[str, Future[t.Any]] = {}
        if "kubernetes" in collect:
            tasks |= _begin_kubernetes(reader, facts)
        if "network" in collect:
            tasks |= _begin_network(reader, facts)
        logs = _begin_logs(reader, facts) if "logs" in collect else {}
        for name, task in tasks.items():
            setattr(facts, name, task.result())
        if "network" in collect:
            _read_around_services(reader, facts)
        facts.logs = {key: log for key, task in logs.items() if (log := task.result())}
        if "network" in collect:
            _read_namesakes(reader, facts)
        if "kubernetes" in collect:
            _read_what_follows(reader, facts)
    facts.owners = facts.owners or []
    facts.served = facts.served or []
    facts.settings = facts.settings or {}
    facts.unknown.sort()
    return facts


NO_POD: Object = {
    "metadata": {"name": "", "uid": "", "labels": {}},
    "spec": {"containers": []},
    "status": {},
}


def gather_workload(reads: SharedReads, namespace: str, asked: str, workload: Object, now: datetime) -> Facts:
    """Return what is known of something without a pod: owners, what is below, events, what it leads to."""
    facts = Facts(namespace, now, Chosen(asked, NO_POD, "it has no pod"))
    with ThreadPoolExecutor(_THREADS) as pool:
        reader = _Reader(reads, facts, pool)
        above = _owners(reader, facts, workload)
        facts.owners = [*_newest_below(reader, facts, workload), workload, *above]
        _read_what_it_leads_to(reader, facts, workload)
        _read_what_follows(reader, facts)
    facts.unknown = sorted(set(facts.unknown))
    return facts


def _read_what_it_leads_to(reader: _Reader, facts: Facts, found: Object) -> None:
    kind, base = found["kind"], f"/api/v1/namespaces/{facts.namespace}"
    tasks: dict[str, Future[t.Any]] = {}
    if kind in ("Service", "Ingress"):
        tasks["services"] = reader.list("services", f"{base}/services")
        tasks["pods"] = reader.list("pods", f"{base}/pods")
        tasks["slices"] = reader.list(
            "endpointslices", f"/apis/discovery.k8s.io/v1/namespaces/{facts.namespace}/endpointslices"
        )
        facts.workloads = _workloads(reader, facts)
    if kind == "Ingress":
        facts.ingresses = [found]
        if found["spec"].get("tls"):
            tasks["secrets"] = reader.submit("secrets", partial(_names, reader.reads, "secrets", facts.namespace))
        tasks["ingress_classes"] = reader.list("ingress classes", "/apis/networking.k8s.io/v1/ingressclasses")
    if kind == "PersistentVolumeClaim":
        facts.claims = [found]
        tasks["classes"] = reader.list("storage classes", "/apis/storage.k8s.io/v1/storageclasses")
    if kind == "Node":
        facts.node = found
        name = found["metadata"]["name"]
        tasks["node_pods"] = reader.list("pods of the node", "/api/v1/pods", fieldSelector=f"spec.nodeName={name}")
    for name, task in tasks.items():
        setattr(facts, name, task.result())


def _workloads(reader: _Reader, facts: Facts) -> list[Object]:
    """Return what may be scaled to nothing."""
    lists = [(kind, reader.list(KINDS[kind][1], collection(KINDS[kind], facts.namespace))) for kind in SCALED]
    return [{**each, "kind": kind} for kind, task in lists for each in task.result() or []]


REVISION = "deployment.kubernetes.io/revision"
# What a workload makes its pods by.
_BELOW = {"Deployment": "ReplicaSet", "CronJob": "Job"}


def _newest_below(reader: _Reader, facts: Facts, workload: Object) -> list[Object]:
    below = _BELOW.get(workload["kind"])
    if below is None:
        return []
    place, uid = KINDS[below], workload["metadata"]["uid"]
    found = reader.list(place[1], collection(place, facts.namespace)).result() or []
    ours = _owned_by(uid, found)

    def age(each: Object) -> tuple[int, str]:
        metadata = each["metadata"]
        return int((metadata.get("annotations") or {}).get(REVISION) or 0), metadata.get("creationTimestamp") or ""

    return [{**each, "kind": below} for each in sorted(ours, key=age)[-1:]]


def _owned_by(uid: str, objects: Sequence[Object]) -> list[Object]:
    return [each for each in objects if any(one["uid"] == uid for one in each["metadata"].get("ownerReferences") or [])]


def _begin_kubernetes(reader: _Reader, facts: Facts) -> dict[str, Future[t.Any]]:
    pod, base = facts.pod, f"/api/v1/namespaces/{facts.namespace}"
    spec, name = pod["spec"], pod["metadata"]["name"]
    metrics = f"/apis/metrics.k8s.io/v1beta1/namespaces/{facts.namespace}/pods"
    tasks: dict[str, Future[t.Any]] = {
        "owners": reader.submit("owners", lambda: _owners(reader, facts, facts.pod)),
        "space": reader.get("the namespace", f"/api/v1/namespaces/{facts.namespace}"),
        "metrics": reader.submit("metrics", lambda: reader.reads.find("get metrics", f"{metrics}/{name}")),
        "served": reader.submit("certificates", lambda: _served(reader, facts)),
    }
    if not spec.get("nodeName"):
        tasks["nodes"] = reader.list("nodes", "/api/v1/nodes")
    if spec.get("nodeName"):
        node = spec["nodeName"]
        tasks["node"] = reader.get("the node", f"/api/v1/nodes/{node}")
        tasks["node_pods"] = reader.list("pods of the node", "/api/v1/pods", fieldSelector=f"spec.nodeName={node}")
    if any("persistentVolumeClaim" in each or "ephemeral" in each for each in spec.get("volumes") or []):
        tasks["claims"] = reader.list("claims", f"{base}/persistentvolumeclaims")
    wanted = needed_objects(pod)
    for kind in ("configmaps", "secrets"):
        if wanted[kind]:
            tasks[kind] = reader.submit(kind, partial(_names, reader.reads, kind, facts.namespace))
    return tasks


def _begin_network(reader: _Reader, facts: Facts) -> dict[str, Future[t.Any]]:
    where = facts.namespace
    return {
        "services": reader.list("services", f"/api/v1/namespaces/{where}/services"),
        "policies": reader.list("networkpolicies", f"/apis/networking.k8s.io/v1/namespaces/{where}/networkpolicies"),
        "pods": reader.list("pods", f"/api/v1/namespaces/{where}/pods"),
        "ingresses": reader.list("ingresses", f"/apis/networking.k8s.io/v1/namespaces/{where}/ingresses"),
        "settings": reader.submit("configmaps", lambda: _settings(reader, facts)),
    }


def _settings(reader: _Reader, facts: Facts) -> dict[str, dict[str, str]]:
    """Return the variables that containers have from ConfigMaps."""
    spec, known = facts.pod["spec"], {}

    def read(name: str) -> Object | None:
        if name not in known:
            path = f"/api/v1/namespaces/{facts.namespace}/configmaps/{name}"
            known[name] = reader.try_to("values of configmaps", lambda: reader.reads.get("read a ConfigMap", path))
        return known[name]

    return {each["name"]: settings_of(spec, each["name"], read) for each in spec["containers"]}


_GATEWAY = "/apis/gateway.networking.k8s.io/v1"


def _read_around_services(reader: _Reader, facts: Facts) -> None:
    """Read what is asked for only if a Service, an Ingress or a service that selects nothing may be of interest."""
    labels = [each["metadata"].get("labels") or {} for each in facts.pods or []]
    own = facts.pod["metadata"].get("labels") or {}
    selectors = [each["spec"]["selector"] for each in facts.services or [] if each["spec"].get("selector")]
    tasks: dict[str, Future[t.Any]] = {}
    if facts.services:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{facts.namespace}/endpointslices"
        tasks["slices"] = reader.list("endpointslices", path)
    if facts.ingresses:
        tasks["ingress_classes"] = reader.list("ingress classes", "/apis/networking.k8s.io/v1/ingressclasses")
        if facts.secrets is None and any(each["spec"].get("tls") for each in facts.ingresses):
            tasks["secrets"] = reader.submit("secrets", partial(_names, reader.reads, "secrets", facts.namespace))
    if any(selects({"matchLabels": each}, own) for each in selectors):
        tasks["routes"] = reader.list("HTTPRoutes", f"{_GATEWAY}/namespaces/{facts.namespace}/httproutes")
    # An empty one is of no workload.
    if any(not any(selects({"matchLabels": each}, one) for one in labels) for each in selectors):
        facts.workloads = _workloads(reader, facts)
    for name, task in tasks.items():
        setattr(facts, name, task.result())
    if facts.routes:
        gateways = reader.list("Gateways", f"{_GATEWAY}/gateways")
        classes = reader.list("GatewayClasses", f"{_GATEWAY}/gatewayclasses")
        facts.gateways, facts.gateway_classes = gateways.result(), classes.result()
    _read_other_services(reader, facts)


def _read_other_services(reader: _Reader, facts: Facts) -> None:
    places = [
        place
        for container in facts.pod["spec"]["containers"]
        for each in dependencies_of(container, (facts.settings or {}).get(container["name"]))
        if (place := service_of(each.host, facts.namespace)) and place[0] != facts.namespace
    ]
    tasks = {}
    for namespace, name in list(dict.fromkeys(places))[:_MOST_OTHERS]:
        path, selector = f"/api/v1/namespaces/{namespace}/services", f"metadata.name={name}"
        tasks[namespace, name] = reader.list(f"services of {namespace}", path, fieldSelector=selector)
    found = {place: task.result() for place, task in tasks.items()}
    facts.others = {place: each[0] if each else None for place, each in found.items() if each is not None}


def _read_namesakes(reader: _Reader, facts: Facts) -> None:
    """Read where there are Services of names that the pod calls in vain, if this login may list them everywhere."""
    if facts.services is None:
        return
    hosts = [
        each.host
        for container in facts.pod["spec"]["containers"]
        for each in dependencies_of(container, (facts.settings or {}).get(container["name"]))
    ]
    lines = [line for log in facts.logs.values() for line in (log.words, *(each.example for each in log.groups))]
    causes = [cause for line in lines if line and (cause := told_by(line)) and cause.kind == "unknown_name"]
    here = {each["metadata"]["name"] for each in facts.services}
    places = [
        place for host in (*(each.peer for each in causes), *hosts) if (place := service_of(host, facts.namespace))
    ]
    names = dict.fromkeys(name for space, name in places if space == facts.namespace and name not in here)
    for name in list(names)[:_MOST_NAMESAKES]:
        try:
            found = reader.reads.items(
                "look for a service", "/api/v1/services", accept=METADATA_LIST, fieldSelector=f"metadata.name={name}"
            )
        except RunbookError:
            return
        facts.namesakes[name] = sorted(each["metadata"]["namespace"] for each in found)


def _begin_logs(reader: _Reader, facts: Facts) -> dict[tuple[str, bool], Future[Log | None]]:
    def read(container: str, previous: bool, most: int) -> Log:
        try:
            return _read_log(reader.reads, facts, container, previous, most)
        except ApiError as exc:
            if exc.status in _NO_LOG:
                return Log()
            raise

    runs = []
    for status in container_statuses(facts.pod):
        name, restarts = status["name"], status.get("restartCount", 0)
        if not waiting(status) or restarts:
            runs += [(name, previous) for previous in ((False, True) if restarts else (False,))]
    most = reader.reads.log_bytes // max(1, len(runs))
    return {run: reader.submit("logs", partial(read, *run, most)) for run in runs}


def _read_log(reads: SharedReads, facts: Facts, container: str, previous: bool, most: int) -> Log:
    path = f"/api/v1/namespaces/{facts.namespace}/pods/{facts.chosen.name}/log"
    query = {"container": container, "timestamps": "true", **({"previous": "true"} if previous else {})}
    begun = monotonic()
    text, whole = _newest(reads, path, query, facts.tail_lines, _LOG_LINES, _LOG_BYTES)
    if not whole and (monotonic() - begun) * most / _LOG_BYTES < _DEEP_SECONDS and most > _LOG_BYTES:
        text, whole = _newest(reads, path, query, facts.tail_lines, _DEEP_LINES, most)
    return digest(text, stamped=True, whole=whole)


def _newest(
    reads: SharedReads, path: str, query: dict[str, str], least: int, lines: int, most: int
) -> tuple[str, bool]:
    """Return the newest lines of a log, and whether these are all.

    The API server cuts the newest lines of more bytes: fewer lines are asked for then.
    """
    while lines > least:
        text = reads.text("read its logs", path, tailLines=str(lines), limitBytes=str(most), **query)
        number = text.count("\n")
        if len(text.encode()) < most:
            return text, number < lines
        lines = min(lines - 1, number * 3 // 4)
    return reads.text("read its logs", path, tailLines=str(least), **query)[-most:], False


def _owners(reader: _Reader, facts: Facts, owned: Object) -> list[Object]:
    """Return the chain of controllers, beginning with the one that owns an object."""
    found: list[Object] = []
    each = owned
    while True:
        owner = next((one for one in each["metadata"].get("ownerReferences") or [] if one.get("controller")), None)
        if owner is None or owner["kind"] not in _OWNERS or len(found) == 3:
            return found
        kind = owner["kind"]
        place, name = collection(KINDS[kind], facts.namespace), owner["name"]
        one = reader.try_to(f"{kind} {name}", partial(reader.reads.find, "get an owner", f"{place}/{name}"))
        if one is None:
            return found
        found.append({**one, "kind": kind})
        each = one


def _read_what_follows(reader: _Reader, facts: Facts) -> None:
    """Read what can be asked for only when owners and claims are known: events, storage classes, scalers, siblings."""
    unbound = [each for each in facts.claims or [] if (each.get("status") or {}).get("phase") != "Bound"]
    volumes = facts.pod["spec"].get("volumes") or []
    names = {(each.get("persistentVolumeClaim") or {}).get("claimName") for each in volumes}
    names |= {f"{facts.chosen.name}-{each['name']}" for each in volumes if "ephemeral" in each}
    unbound = [each for each in unbound if each["metadata"]["name"] in names]
    objects = (facts.pod, *facts.owners, *unbound)
    uids = [each["metadata"]["uid"] for each in objects if each["metadata"]["uid"]]
    events = _begin_events(reader, facts, uids)
    classes = reader.list("storage classes", "/apis/storage.k8s.io/v1/storageclasses") if unbound else None
    scaled = any(each["kind"] in SCALED for each in facts.owners)
    path = f"/apis/autoscaling/v2/namespaces/{facts.namespace}/horizontalpodautoscalers"
    scalers = reader.list("horizontalpodautoscalers", path) if scaled else None
    path = f"/apis/policy/v1/namespaces/{facts.namespace}/poddisruptionbudgets"
    budgets = reader.list("poddisruptionbudgets", path) if scaled else None
    selector = facts.owners[0]["spec"].get("selector") if facts.owners else None
    if selector and facts.pods is None and facts.chosen.name:
        facts.pods = reader.list(
            "pods", f"/api/v1/namespaces/{facts.namespace}/pods", labelSelector=selector_text(selector)
        ).result()
    facts.events = _events_of(events, uids)
    deployment = next((each for each in facts.owners if each["kind"] == "Deployment"), None)
    if deployment and facts.chosen.name and _is_troubled(facts.pod):
        sets = reader.list("replicasets", collection(KINDS["ReplicaSet"], facts.namespace)).result()
        facts.revisions = None if sets is None else _owned_by(deployment["metadata"]["uid"], sets)
    facts.classes = classes.result() if classes else facts.classes
    facts.scalers = scalers.result() if scalers else None
    facts.budgets = budgets.result() if budgets else None
    _read_webhooks(reader, facts)
    if facts.pods is not None and facts.owners:
        of_owners = {each["metadata"]["uid"] for each in facts.owners}
        facts.siblings = [
            each
            for each in facts.pods
            if each["metadata"]["uid"] != facts.pod["metadata"]["uid"]
            and any(one["uid"] in of_owners for one in each["metadata"].get("ownerReferences") or [])
        ]
    facts.unknown = list(dict.fromkeys(facts.unknown))


def _begin_events(reader: _Reader, facts: Facts, uids: Sequence[str]) -> list[Future[list[Object] | None]]:
    """Read the events of objects, and those of the node; of several targets, all of the namespace once."""
    base = f"/api/v1/namespaces/{facts.namespace}/events"
    about: list[tuple[str, dict[str, str]]] = [(base, {"fieldSelector": f"involvedObject.uid={uid}"}) for uid in uids]
    if reader.reads.several:
        about = [(base, {})]
    if facts.node:
        name = facts.node["metadata"]["name"]
        selector = f"involvedObject.kind=Node,involvedObject.name={name}"
        about.append(("/api/v1/namespaces/default/events", {"fieldSelector": selector}))
    return [reader.list("events", path, **query) for path, query in about]


def _events_of(tasks: Sequence[Future[list[Object] | None]], uids: Sequence[str]) -> list[Object] | None:
    results = [task.result() for task in tasks]
    if not results or results[0] is None:
        return None
    found = [(each, each.get("involvedObject") or {}) for events in results for each in events or []]
    return [each for each, about in found if about.get("kind") == "Node" or about.get("uid") in uids]


_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"


def _read_webhooks(reader: _Reader, facts: Facts) -> None:
    """Read the webhooks, and the Services behind them, if one of them keeps an owner from making pods."""
    names = set(WEBHOOK.findall(" ".join(_refusals(facts))))
    if not names:
        return
    kinds = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    tasks = [reader.list("webhooks", f"{_WEBHOOKS}/{kind}") for kind in kinds]
    found = [each for task in tasks for one in task.result() or [] for each in one.get("webhooks") or []]
    facts.webhooks = [each for each in found if each["name"] in names]
    for each in facts.webhooks:
        service = (each.get("clientConfig") or {}).get("service") or {}
        if service:
            place = f"/api/v1/namespaces/{service['namespace']}/services"
            there = reader.list("services", place, fieldSelector=f"metadata.name={service['name']}").result()
            if there is not None:
                facts.webhook_services[service["namespace"], service["name"]] = there[0] if there else None


WEBHOOK = re.compile(r"failed calling webhook \"([^\"]+)\"")


def _refusals(facts: Facts) -> list[str]:
    uids = {each["metadata"]["uid"] for each in facts.owners}
    conditions = [one for each in facts.owners for one in (each.get("status") or {}).get("conditions") or []]
    events = [each for each in facts.events or [] if (each.get("involvedObject") or {}).get("uid") in uids]
    return [str(each.get("message") or "") for each in (*conditions, *events)]


def _is_troubled(pod: Object) -> bool:
    return not is_ready(pod) or any(each.get("restartCount") for each in container_statuses(pod))


def needed_objects(pod: Object) -> dict[str, set[str]]:
    """Return the names of the ConfigMaps and Secrets without which the pod does not start, but for what all have."""
    needed = [each for each in references(pod["spec"], ephemeral=False) if not each.optional and each.name != _ROOT_CA]
    return {
        plural: {each.name for each in needed if each.kind == kind}
        for plural, kind in (("configmaps", CONFIGMAP), ("secrets", SECRET))
    }


def _names(reads: SharedReads, kind: str, namespace: str) -> dict[str, datetime | None]:
    """Return which there are, and when each was changed; the API server is asked for their metadata only."""
    found = reads.items(f"list {kind}", f"/api/v1/namespaces/{namespace}/{kind}", accept=METADATA_LIST)
    return {each["metadata"]["name"]: _changed(each["metadata"]) for each in found}


def _changed(metadata: Object) -> datetime | None:
    times = [parse_time(each.get("time")) for each in metadata.get("managedFields") or []]
    return max(filter(None, [*times, parse_time(metadata.get("creationTimestamp"))]), default=None)


def _served(reader: _Reader, facts: Facts) -> list[Served]:
    """Return the certificates of the Secrets that the pod mounts, if they may be read."""
    names = [each.name for each in references(facts.pod["spec"]) if each.kind == SECRET and each.way == VOLUME]
    found = []
    for name in names[:_MOST_CERTIFICATES]:
        path = f"/api/v1/namespaces/{facts.namespace}/secrets/{name}"
        secret = reader.try_to("certificates in Secrets", partial(reader.reads.get, "read a certificate", path))
        pem = ((secret or {}).get("data") or {}).get("tls.crt")
        if pem:
            chain = reader.try_to(f"the certificate in {name}", partial(parse_chain, base64.b64decode(pem)))
            found += [Served(name, chain[0])] if chain else []
    return found
