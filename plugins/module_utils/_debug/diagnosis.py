# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a pod as plain data: its findings, its parts as tables, what happened when. PRIVATE."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from .._errors import RunbookError
from .._k8s.client import ApiLogin, Object
from .._k8s.objects import containers, is_ready
from .._report.timeline import MAX_EVENTS
from .._run import rfc3339
from . import inside
from .facts import Facts, gather
from .finding import CRITICAL, INFO, WARNING, Finding
from .findings import exit_words, find, policies_of, services_of
from .moments import ago, moment
from .quantity import quantity
from .redact import Redactor
from .statuses import container_statuses
from .target import Chosen, NoTarget, Target, choose

Plain = dict[str, t.Any]

_MOST_AT_ONCE = 10
_MOST_ROWS = 100
_SEVERITY_OF_EVENT = {"Normal": "ok", "Warning": "warning"}


@dataclass(frozen=True)
class DiagnosisRequest:
    """What to read of each target; ``sessions`` are what was collected from inside, as plain data."""

    namespace: str
    collect: Sequence[str]
    tail_lines: int = 200
    sessions: Sequence[Mapping[str, t.Any]] = ()


@dataclass(frozen=True)
class Diagnosis:
    """``findings`` begin with the most likely cause; texts have no secrets any more, ``redacted`` counts them."""

    asked: str
    pod: str
    why: str
    severity: str
    findings: tuple[Plain, ...]
    details: Plain
    timeline: tuple[Plain, ...]
    degraded: tuple[str, ...]
    redacted: Mapping[str, int]
    session: Mapping[str, t.Any]

    def to_plain(self) -> Plain:
        return {
            **self.__dict__,
            "findings": list(self.findings),
            "timeline": list(self.timeline),
            "degraded": list(self.degraded),
        }


def diagnose_all(login: ApiLogin, request: DiagnosisRequest, targets: Sequence[Target]) -> list[Diagnosis]:
    """Read and judge all targets side by side; raise NoTarget if the only one is not there and never was."""
    sessions = {each["asked"]: each for each in request.sessions}
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        tasks = [
            pool.submit(_diagnose, login, request, target, sessions.get(target.asked, {}), len(targets) == 1)
            for target in targets
        ]
        return [task.result() for task in tasks]


def _diagnose(
    login: ApiLogin, request: DiagnosisRequest, target: Target, session: Mapping[str, t.Any], only: bool
) -> Diagnosis:
    # A look from inside has chosen already, and its pod may have become healthy by it.
    wanted = Target(target.asked, "pod", session["pod"]) if session.get("pod") else target
    try:
        chosen = choose(login, request.namespace, wanted, login.now())
    except NoTarget as exc:
        if only and not session.get("pod"):
            raise
        return _without(target, session, exc)
    if session.get("why"):
        chosen = Chosen(chosen.asked, chosen.pod, session["why"])
    facts = gather(login, request.namespace, chosen, login.now(), request.collect, request.tail_lines)
    return judge(facts, session)


def judge(facts: Facts, session: Mapping[str, t.Any]) -> Diagnosis:
    """Return the diagnosis of what was read."""
    redactor = Redactor()
    facts = _redacted(facts, redactor)
    sections = _of_the_pod(session)
    findings = find(facts, sections, str(session.get("state", "")))
    if session.get("uid") not in (None, "", facts.pod["metadata"]["uid"]):
        findings.append(
            Finding(
                "replaced", WARNING, "the pod was replaced while it was looked at", "", "run the same command again"
            ),
        )
    details = redactor.plain({**_identity(facts), **_parts(facts, redactor), **_inside(sections, session)})
    timeline = redactor.plain(_timeline(facts))
    plain = redactor.plain([each.to_plain() for each in findings])
    missing = inside.missing_tools(sections)
    tools = [f"the image has no tool for {', '.join(missing)}"] if missing else []
    redacted = {**session.get("redacted", {})}
    for name, number in redactor.counts.items():
        redacted[name] = redacted.get(name, 0) + number
    return Diagnosis(
        asked=facts.chosen.asked,
        pod=facts.chosen.name,
        why=facts.chosen.why,
        severity=findings[0].severity if findings[0].severity != INFO else "ok",
        findings=tuple(plain),
        details=details,
        timeline=tuple(timeline),
        degraded=(*facts.unknown, *session.get("degraded", ()), *tools),
        redacted=redacted,
        session=_session(session),
    )


def _redacted(facts: Facts, redactor: Redactor) -> Facts:
    """Return the facts without secrets, before any text is shortened: half a secret is not recognised any more."""
    pod = {**facts.pod, "status": redactor.plain(facts.pod.get("status") or {})}
    events = None
    if facts.events is not None:
        events = [{**each, "message": redactor.text(str(each.get("message") or ""))} for each in facts.events]
    logs = {key: redactor.text(text) for key, text in facts.logs.items()}
    chosen = Chosen(facts.chosen.asked, pod, facts.chosen.why)
    return replace(facts, chosen=chosen, events=events, logs=logs)


# What is of the collector itself where the processes of the pod are not seen, and of the host on a node.
_OF_PROCESSES = ("processes", "status", "limits", "files", "cgroup", "mounts", "disk")


def _of_the_pod(session: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    """Return those of the collected sections that tell of the pod."""
    sections = session.get("sections") or {}
    if session.get("mode") == "node":
        found = " ".join(sections.get("begin", ())).split()[1:] not in ([], ["1"])
        if not found or session.get("profile") != "privileged":
            return {}
        return {name: lines for name, lines in sections.items() if not name.startswith(("dns:", "processes"))}
    if session.get("mode") == "ephemeral" and not session.get("beside"):
        return {name: lines for name, lines in sections.items() if name not in _OF_PROCESSES}
    return sections


def _without(target: Target, session: Mapping[str, t.Any], cause: RunbookError) -> Diagnosis:
    """Return what is left to say of a pod that is not there, or not any more."""
    redactor = Redactor()
    sections = _of_the_pod(session)
    there = bool(session.get("pod"))
    what = "the pod went away while it was looked at" if there else "there is no such pod"
    step = "look who deleted or evicted it (kubectl get events), and run the command for its workload"
    finding = Finding("gone", CRITICAL, what, str(cause), step if there else "correct the name of the target")
    return Diagnosis(
        asked=target.asked,
        pod=session.get("pod", ""),
        why=session.get("why", ""),
        severity=CRITICAL,
        findings=(finding.to_plain(),),
        details=redactor.plain(_inside(sections, session)),
        timeline=(),
        degraded=("the report is a part only: the pod is gone", *session.get("degraded", ())) if there else (what,),
        redacted={**session.get("redacted", {})},
        session=_session(session),
    )


def _session(session: Mapping[str, t.Any]) -> Plain:
    return {key: value for key, value in session.items() if key not in ("sections", "degraded", "redacted")}


# The parts of a report, each a table or a few facts.


def _identity(facts: Facts) -> Plain:
    pod, spec = facts.pod, facts.pod["spec"]
    status = pod.get("status") or {}
    created = moment(pod["metadata"].get("creationTimestamp"))
    revision = next(
        (
            (each["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
            for each in facts.owners
            if each["kind"] == "ReplicaSet"
        ),
        None,
    )
    siblings = facts.siblings
    return {
        "identity": {
            "pod": facts.chosen.name,
            "chosen_because": facts.chosen.why,
            "uid": pod["metadata"]["uid"],
            "phase": status.get("phase"),
            "ready": is_ready(pod),
            "created": ago(created, facts.now) if created else None,
            "owners": " < ".join(f"{each['kind']} {each['metadata']['name']}" for each in facts.owners) or "none",
            "revision": revision,
            "node": spec.get("nodeName") or "none yet",
            "addresses": [each["ip"] for each in status.get("podIPs") or []],
            "quality_of_service": status.get("qosClass"),
            "priority": spec.get("priorityClassName") or spec.get("priority"),
            "service_account": spec.get("serviceAccountName"),
            "pod_security": ((facts.space or {}).get("metadata", {}).get("labels") or {}).get(
                "pod-security.kubernetes.io/enforce"
            )
            or ("privileged" if facts.space else None),
            "siblings": f"{sum(1 for each in siblings if is_ready(each))} of {len(siblings)} others ready"
            if siblings is not None
            else None,
        }
    }


def _parts(facts: Facts, redactor: Redactor) -> Plain:
    pod = facts.pod
    parts: Plain = {
        "containers": _containers(facts),
        "conditions": [
            {
                "type": each["type"],
                "status": each["status"],
                "since": _ago(each.get("lastTransitionTime"), facts.now),
                "why": " ".join(filter(None, [each.get("reason"), each.get("message")])),
            }
            for each in (pod.get("status") or {}).get("conditions") or []
        ],
        "resources": _resources(facts),
        "probes": _probes(pod),
        "variables": _variables(pod, redactor),
        "volumes": _volumes(facts),
    }
    if facts.events is not None:
        parts["events"] = _events(facts)
    if facts.services is not None:
        parts["services"] = _services(facts)
    if facts.policies is not None:
        parts["network_policies"] = [
            {"name": each["metadata"]["name"], "types": ", ".join(each["spec"].get("policyTypes") or ["Ingress"])}
            for each in policies_of(facts)
        ]
    if facts.served:
        parts["certificates"] = [
            {
                "secret": each.secret,
                "subject": each.certificate.subject,
                "expires": rfc3339(each.certificate.not_after),
                "names": ", ".join(each.certificate.names[:6]),
            }
            for each in facts.served
        ]
    if facts.node:
        parts["node"] = _node(facts)
    if facts.siblings:
        parts["siblings"] = [_sibling(each) for each in facts.siblings[:_MOST_ROWS]]
    parts["logs"] = {
        f"{name}{' (previous run)' if previous else ''}": text.splitlines()
        for (name, previous), text in facts.logs.items()
    }
    return {name: part for name, part in parts.items() if part}


def _ago(text: str | None, now: datetime) -> str | None:
    then = moment(text)
    return ago(then, now) if then else None


def _containers(facts: Facts) -> list[Plain]:
    statuses = {each["name"]: each for each in container_statuses(facts.pod)}
    init = {each["name"] for each in facts.pod["spec"].get("initContainers") or []}
    rows = []
    for container in containers(facts.pod):
        status = statuses.get(container["name"], {})
        last = (status.get("lastState") or {}).get("terminated") or {}
        rows.append(
            {
                "name": container["name"],
                "kind": "init" if container["name"] in init else "container",
                "image": container.get("image"),
                "digest": status.get("imageID", "").rpartition("@")[2][:19] or None,
                "state": _state(status, facts.now),
                "ready": status.get("ready"),
                "restarts": status.get("restartCount"),
                "last_end": _end_words(last, facts.now),
            }
        )
    return rows


def _end_words(end: Object, now: datetime) -> str | None:
    if not end:
        return None
    code = end.get("exitCode", 0)
    return f"{end.get('reason', '')} exit code {code}, {exit_words(code)}, {_ago(end.get('finishedAt'), now)}"


def _state(status: Object, now: datetime) -> str:
    for kind, each in (status.get("state") or {}).items():
        if kind == "running":
            return f"running since {_ago(each.get('startedAt'), now)}"
        if kind == "waiting":
            return f"waiting: {each.get('reason', '')}"
        return f"ended: {each.get('reason', '')} exit code {each.get('exitCode')}"
    return "unknown"


def _resources(facts: Facts) -> list[Plain]:
    usage = {each["name"]: each["usage"] for each in (facts.metrics or {}).get("containers") or []}
    rows = []
    for container in facts.pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        row: Plain = {"container": container["name"]}
        for kind in ("cpu", "memory"):
            row[f"{kind}_request"] = (resources.get("requests") or {}).get(kind)
            row[f"{kind}_limit"] = (resources.get("limits") or {}).get(kind)
            row[f"{kind}_usage"] = usage.get(container["name"], {}).get(kind)
        rows.append(row)
    return rows


def _probes(pod: Object) -> list[Plain]:
    rows = []
    for container in pod["spec"]["containers"]:
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind)
            if not probe:
                continue
            how = next((name for name in ("httpGet", "tcpSocket", "grpc", "exec") if name in probe), "")
            each = probe.get(how) or {}
            rows.append(
                {
                    "container": container["name"],
                    "probe": kind.removesuffix("Probe"),
                    "how": f"{how} {each.get('scheme', '')} {each.get('path', '')} {each.get('port', '')}".strip()
                    if how != "exec"
                    else f"exec {' '.join(each.get('command') or [])}",
                    "every_seconds": probe.get("periodSeconds"),
                    "timeout_seconds": probe.get("timeoutSeconds"),
                    "failures_allowed": probe.get("failureThreshold"),
                }
            )
    return rows


def _variables(pod: Object, redactor: Redactor) -> list[Plain]:
    rows = []
    for container in pod["spec"]["containers"]:
        for entry in container.get("env") or []:
            source = entry.get("valueFrom") or {}
            reference = next((f"{kind} {_reference(each)}" for kind, each in source.items()), None)
            value = reference or redactor.variable(entry["name"], entry.get("value") or "")
            rows.append({"container": container["name"], "name": entry["name"], "value": value})
        for entry in container.get("envFrom") or []:
            reference = next(
                (f"{kind} {each.get('name')}" for kind, each in entry.items() if isinstance(each, dict)), ""
            )
            rows.append({"container": container["name"], "name": "(all of)", "value": reference})
    return rows


def _reference(source: Mapping[str, t.Any]) -> str:
    return "/".join(str(source[key]) for key in ("name", "key", "fieldPath", "resource") if source.get(key))


def _volumes(facts: Facts) -> list[Plain]:
    mounts: dict[str, list[str]] = {}
    for container in facts.pod["spec"]["containers"]:
        for mount in container.get("volumeMounts") or []:
            mounts.setdefault(mount["name"], []).append(f"{container['name']}:{mount['mountPath']}")
    claims = {each["metadata"]["name"]: each for each in facts.claims or []}
    rows = []
    for volume in facts.pod["spec"].get("volumes") or []:
        kind = next((key for key in volume if key != "name"), "")
        source = volume.get(kind) or {}
        name = source.get("claimName") or source.get("secretName") or source.get("name") or source.get("path") or ""
        claim = claims.get(source.get("claimName", ""))
        state = f" ({(claim.get('status') or {}).get('phase')})" if claim else ""
        rows.append(
            {
                "name": volume["name"],
                "kind": kind,
                "of": f"{name}{state}",
                "mounted": ", ".join(mounts.get(volume["name"], [])),
            }
        )
    return rows


def _relevant_events(facts: Facts) -> list[Object]:
    """Return the events without the daily life of the node."""
    return [
        each
        for each in facts.events or []
        if (each.get("involvedObject") or {}).get("kind") != "Node" or each.get("type") != "Normal"
    ]


def _event_time(event: Object) -> datetime | None:
    series = event.get("series") or {}
    candidates = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next(filter(None, map(moment, candidates)), moment(event["metadata"].get("creationTimestamp")))


def _events(facts: Facts) -> list[Plain]:
    rows = []
    dated = [(when, each) for each in _relevant_events(facts) if (when := _event_time(each))]
    for when, each in sorted(dated, key=lambda pair: pair[0], reverse=True)[:_MOST_ROWS]:
        about = each.get("involvedObject") or {}
        rows.append(
            {
                "when": ago(when, facts.now),
                "type": each.get("type"),
                "about": f"{about.get('kind', '').lower()}/{about.get('name', '')}",
                "reason": each.get("reason"),
                "message": " ".join(str(each.get("message", "")).split())[:400],
                "times": (each.get("series") or {}).get("count") or each.get("count") or 1,
            }
        )
    return rows


def _services(facts: Facts) -> list[Plain]:
    address = (facts.pod.get("status") or {}).get("podIP")
    rows = []
    for service, selected in services_of(facts):
        name = service["metadata"]["name"]
        slices = [
            each
            for each in facts.slices or []
            if (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
        ]
        endpoints = [one for each in slices for one in each.get("endpoints") or []]
        ready = [one for one in endpoints if (one.get("conditions") or {}).get("ready")]
        here = any(address in (one.get("addresses") or []) for one in ready) if address else False
        rows.append(
            {
                "service": name,
                "selects_this_pod": selected,
                "ports": ", ".join(
                    f"{each['port']}->{each.get('targetPort', each['port'])}"
                    for each in service["spec"].get("ports") or []
                ),
                "sends_to_this_pod": here if facts.slices is not None else None,
                "ready_endpoints": len(ready) if facts.slices is not None else None,
            }
        )
    return rows


def _node(facts: Facts) -> Plain:
    node = t.cast(Object, facts.node)
    status = node.get("status") or {}
    found: Plain = {
        "name": node["metadata"]["name"],
        "conditions": ", ".join(f"{each['type']}={each['status']}" for each in status.get("conditions") or []),
        "cordoned": bool(node["spec"].get("unschedulable")),
        "taints": ", ".join(f"{each['key']}:{each['effect']}" for each in node["spec"].get("taints") or []) or "none",
        "kubelet": (status.get("nodeInfo") or {}).get("kubeletVersion"),
        "runtime": (status.get("nodeInfo") or {}).get("containerRuntimeVersion"),
    }
    if facts.node_pods is not None:
        alive = [each for each in facts.node_pods if (each.get("status") or {}).get("phase") in ("Running", "Pending")]
        found["pods"] = f"{len(alive)} of {(status.get('allocatable') or {}).get('pods')}"
        for kind in ("cpu", "memory"):
            asked = sum(
                quantity(((each.get("resources") or {}).get("requests") or {}).get(kind))
                for pod in alive
                for each in pod["spec"]["containers"]
            )
            room = quantity((status.get("allocatable") or {}).get(kind))
            found[f"{kind}_requested_percent"] = round(100 * asked / room, 1) if room else None
    return found


def _sibling(pod: Object) -> Plain:
    return {
        "pod": pod["metadata"]["name"],
        "phase": (pod.get("status") or {}).get("phase"),
        "ready": is_ready(pod),
        "node": pod["spec"].get("nodeName"),
        "restarts": sum(each.get("restartCount", 0) for each in container_statuses(pod)),
        "digests": ", ".join(
            sorted({each.get("imageID", "").rpartition("@")[2][:19] for each in container_statuses(pod)} - {""})
        ),
    }


def _inside(sections: inside.Sections, session: Mapping[str, t.Any]) -> Plain:
    """Return what was collected from inside; the sections themselves stay below ``collected``."""
    if session.get("mode") in (None, "report") and not session.get("rejected"):
        return {}
    details: Plain = {
        "from_inside": {
            key: session.get(key)
            for key in ("mode", "profile", "container", "name", "reused", "state", "expires_at", "seconds")
        }
    }
    if session.get("rejected"):
        details["rejected_profiles"] = list(session["rejected"])
    if session.get("capture"):
        details["capture"] = dict(session["capture"])
    if not sections:
        return details
    figures = inside.cgroup(sections)
    files = inside.open_files(sections)
    details["connections"] = inside.connections(sections)[:_MOST_ROWS]
    details["names"] = [_outcome(each) for each in inside.names(sections)]
    details["dependencies"] = [_outcome(each) for each in (*inside.ports(sections), *inside.pings(sections))]
    details["tls"] = [
        {
            "address": name,
            "subject": leaf.subject if leaf else None,
            "expires": rfc3339(leaf.not_after) if leaf else None,
            "verified": verdict,
        }
        for name, leaf, verdict in inside.handshakes(sections)
    ]
    details["processes"] = inside.processes(sections)[:_MOST_ROWS]
    details["cgroup"] = {key: value for key, value in figures.__dict__.items() if value is not None}
    details["open_files"] = f"{files[0]} of {files[1]}" if files else None
    details["collected"] = {
        name: inside.words(lines) for name, lines in sections.items() if name not in ("begin", "sockets", "processes")
    }
    return {name: part for name, part in details.items() if part}


def _outcome(outcome: inside.Outcome) -> Plain:
    return {"name": outcome.name, "ok": outcome.ok, "says": outcome.says, "answer_ms": outcome.milliseconds}


def _timeline(facts: Facts) -> list[Plain]:
    """Return what happened to the pod and its containers, in its order."""
    found: list[tuple[datetime, Plain]] = []

    def add(start: datetime | None, name: str, severity: str, note: str, end: datetime | None = None) -> None:
        if start:
            later = {"end": rfc3339(end)} if end and end >= start else {}
            found.append(
                (start, {"name": name, "start": rfc3339(start), "severity": severity, "note": note[:200], **later})
            )

    add(moment(facts.pod["metadata"].get("creationTimestamp")), "pod created", "ok", "")
    for each in container_statuses(facts.pod):
        for state in (each.get("lastState") or {}, each.get("state") or {}):
            for kind, one in state.items():
                if kind == "terminated":
                    code = one.get("exitCode", 0)
                    words = f"{one.get('reason', '')}, exit code {code}"
                    severity = "critical" if code else "ok"
                    add(
                        moment(one.get("startedAt")),
                        f"container {each['name']} ran",
                        severity,
                        words,
                        moment(one.get("finishedAt")),
                    )
                elif kind == "running":
                    add(
                        moment(one.get("startedAt")),
                        f"container {each['name']} runs",
                        "ok",
                        f"{each.get('restartCount', 0)} restarts",
                        facts.now,
                    )
    for event in _relevant_events(facts):
        name = f"{(event.get('involvedObject') or {}).get('kind', '')}: {event.get('reason', '')}"
        add(
            _event_time(event),
            name,
            _SEVERITY_OF_EVENT.get(event.get("type", ""), "ok"),
            " ".join(event.get("message", "").split()),
        )
    found.sort(key=lambda pair: pair[0])
    return [each for _start, each in found[-MAX_EVENTS:]]
