# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a diagnosis shows: the parts of a pod as tables, and what happened when. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from datetime import datetime, timedelta

from .._k8s.client import Object
from .._k8s.objects import containers, is_ready
from .._k8s.quantity import quantity
from .._report.model import MAX_EVENTS, Event
from .._time import ago, parse_time, rfc3339
from . import collector_output
from .observed import REVISION, Facts
from .redact import Redactor
from .rules.common import event_count, event_time, exit_words
from .rules.network import policies_of, services_of
from .session import REPORT, Session
from .statuses import container_statuses

Plain = dict[str, t.Any]
_MOST_ROWS = 100
# Of a Deployment, in seconds: what it has without one of its own, and what means that it has none.
_USUAL_DEADLINE, _NO_DEADLINE = 600, 2147483647
# Conditions of owners that belong into the story of a pod.
_OWNER_REASONS = ("ProgressDeadlineExceeded", "FailedCreate", "BackoffLimitExceeded", "DeadlineExceeded")
_SEVERITY_OF_EVENT = {"Normal": "ok", "Warning": "warning"}


def identity_table(facts: Facts) -> Plain:
    pod, spec = facts.pod, facts.pod["spec"]
    status = pod.get("status") or {}
    created = parse_time(pod["metadata"].get("creationTimestamp"))
    revision = next(
        (
            (each["metadata"].get("annotations") or {}).get(REVISION)
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


def workload_tables(facts: Facts) -> Plain:
    """Return what is known of a workload that has no pod."""
    owners = [
        {
            "owner": f"{each['kind']} {each['metadata']['name']}",
            "wanted": each["spec"].get("replicas"),
            "there": (each.get("status") or {}).get("replicas"),
            "conditions": "; ".join(
                f"{one['type']}={one['status']} {one.get('reason') or ''}".strip()
                for one in (each.get("status") or {}).get("conditions") or []
            ),
        }
        for each in facts.owners
    ]
    return {"owners": owners, **({"events": _events(facts)} if facts.events else {})}


def part_tables(facts: Facts, redactor: Redactor) -> Plain:
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
        f"{name}{' (previous run)' if previous else ''}": list(log.tail[-facts.tail_lines :])
        for (name, previous), log in facts.logs.items()
        if log.tail
    }
    return {name: part for name, part in parts.items() if part}


def _ago(text: str | None, now: datetime) -> str | None:
    then = parse_time(text)
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


def _events(facts: Facts) -> list[Plain]:
    rows = []
    dated = [(when, each) for each in _relevant_events(facts) if (when := event_time(each))]
    for when, each in sorted(dated, key=lambda pair: pair[0], reverse=True)[:_MOST_ROWS]:
        about = each.get("involvedObject") or {}
        rows.append(
            {
                "when": ago(when, facts.now),
                "type": each.get("type"),
                "about": f"{about.get('kind', '').lower()}/{about.get('name', '')}",
                "reason": each.get("reason"),
                "message": " ".join(str(each.get("message", "")).split())[:400],
                "times": event_count(each),
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


def inside_tables(sections: collector_output.Sections, session: Session | None) -> Plain:
    """Return what was collected from inside; the sections themselves stay below ``collected``."""
    if session is None or (session.mode == REPORT and not session.rejected):
        return {}
    details: Plain = {
        "from_inside": {
            key: getattr(session, key)
            for key in ("mode", "profile", "container", "name", "reused", "state", "expires_at", "seconds")
        }
    }
    if session.rejected:
        details["rejected_profiles"] = [{"profile": profile, "reason": reason} for profile, reason in session.rejected]
    if session.capture:
        details["capture"] = dict(session.capture)
    if not sections:
        return details
    figures = collector_output.cgroup(sections)
    files = collector_output.open_files(sections)
    details["connections"] = collector_output.connections(sections)[:_MOST_ROWS]
    details["names"] = [_outcome(each) for each in collector_output.names(sections)]
    details["dependencies"] = [
        _outcome(each) for each in (*collector_output.ports(sections), *collector_output.pings(sections))
    ]
    details["tls"] = [
        {
            "address": name,
            "subject": leaf.subject if leaf else None,
            "expires": rfc3339(leaf.not_after) if leaf else None,
            "verified": verdict,
        }
        for name, leaf, verdict in collector_output.handshakes(sections)
    ]
    details["processes"] = collector_output.processes(sections)[:_MOST_ROWS]
    details["cgroup"] = {key: value for key, value in figures.__dict__.items() if value is not None}
    details["open_files"] = f"{files[0]} of {files[1]}" if files else None
    details["collected"] = {
        name: collector_output.words(lines)
        for name, lines in sections.items()
        if name not in ("begin", "growth", "sockets", "processes")
    }
    return {name: part for name, part in details.items() if part}


def _outcome(outcome: collector_output.Outcome) -> Plain:
    return {"name": outcome.name, "ok": outcome.ok, "says": outcome.says, "answer_ms": outcome.milliseconds}


def timeline_of(facts: Facts) -> list[Event]:
    """Return what happened to the pod and its containers, in its order."""
    found: list[Event] = []

    def add(start: datetime | None, name: str, severity: str, note: str, end: datetime | None = None) -> None:
        if start:
            found.append(Event(name, start, end if end and end >= start else None, severity, note[:200]))

    add(parse_time(facts.pod["metadata"].get("creationTimestamp")), "pod created", "ok", "")
    for owner in facts.owners:
        for each in (owner.get("status") or {}).get("conditions") or []:
            if each.get("reason") in _OWNER_REASONS:
                when = parse_time(each.get("lastTransitionTime"))
                add(when, f"{owner['kind']}: {each['reason']}", "critical", str(each.get("message") or ""))
    for owner in facts.owners:
        if rollout := _rollout(owner):
            start, end, late = rollout
            name = f"{owner['kind']} {owner['metadata']['name']}: rollout, until its deadline"
            seconds = owner["spec"].get("progressDeadlineSeconds", _USUAL_DEADLINE)
            add(start, name, "critical" if late else "ok", f"progressDeadlineSeconds {seconds}", end)
    for each in container_statuses(facts.pod):
        for state in (each.get("lastState") or {}, each.get("state") or {}):
            for kind, one in state.items():
                if kind == "terminated":
                    code = one.get("exitCode", 0)
                    words = f"{one.get('reason', '')}, exit code {code}"
                    severity = "critical" if code else "ok"
                    add(
                        parse_time(one.get("startedAt")),
                        f"container {each['name']} ran",
                        severity,
                        words,
                        parse_time(one.get("finishedAt")),
                    )
                elif kind == "running":
                    add(
                        parse_time(one.get("startedAt")),
                        f"container {each['name']} runs",
                        "ok",
                        f"{each.get('restartCount', 0)} restarts",
                        facts.now,
                    )
    for event in _relevant_events(facts):
        name = f"{(event.get('involvedObject') or {}).get('kind', '')}: {event.get('reason', '')}"
        add(
            event_time(event),
            name,
            _SEVERITY_OF_EVENT.get(event.get("type", ""), "ok"),
            " ".join(event.get("message", "").split()),
        )
    found.sort(key=lambda event: event.start)
    return found[-MAX_EVENTS:]


def _rollout(owner: Object) -> tuple[datetime, datetime, bool] | None:
    """Return from when to when a rollout may make no progress, and whether that is over; None if none is under way."""
    progress: Object = next(
        (each for each in (owner.get("status") or {}).get("conditions") or [] if each["type"] == "Progressing"), {}
    )
    seconds = owner["spec"].get("progressDeadlineSeconds", _USUAL_DEADLINE)
    when = parse_time(progress.get("lastUpdateTime") or progress.get("lastTransitionTime"))
    if owner["kind"] != "Deployment" or when is None or seconds >= _NO_DEADLINE:
        return None
    if progress.get("reason") == "ProgressDeadlineExceeded":
        return when - timedelta(seconds=seconds), when, True
    under_way = progress.get("status") == "True" and progress.get("reason") != "NewReplicaSetAvailable"
    return (when, when + timedelta(seconds=seconds), False) if under_way else None
