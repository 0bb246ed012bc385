# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a pod as plain data: its findings, its parts as tables, what happened when. PRIVATE."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from .._errors import RunbookError
from .._k8s.client import ApiLogin, Object
from .._report.model import Event
from .._report.text import plural
from .._severity import CRITICAL, INFO, OK, WARNING
from .._time import ago
from . import collector_output
from .finding import Finding
from .observed import Facts, gather, gather_workload
from .reads import SharedReads
from .redact import Redactor
from .rules import find, find_without_pod
from .rules.common import event_time, shorten
from .session import COPY, EPHEMERAL, NODE, Session
from .statuses import container_statuses
from .tables import Plain, identity_table, inside_tables, part_tables, timeline_of, workload_tables
from .target import ALL, Chosen, NoPods, NoTarget, Target, choose
from .workloads import Workloads, find_workloads

_MOST_AT_ONCE = 10
# Of all workloads of a namespace, how many are looked at closely.
_MOST_WORKLOADS = 50
_MOST_NAMES = 20
_DELETED = "deletionTimestamp"
# How an inspection ends whose container is ended meanwhile, with a part of its output or nothing.
_CUT = ("partial", "none")
_WENT_AWAY = "the pod went away while it was looked at"
# What a diagnosis has of a session beside the session itself.
_NOT_AGAIN = ("sections", "degraded", "redacted")


@dataclass(frozen=True)
class DiagnosisRequest:
    """What to read of each target.

    ``sessions`` are what was collected from inside, and ``known`` what was read meanwhile, by the names of targets.
    """

    namespace: str
    collect: Sequence[str]
    tail_lines: int = 200
    sessions: Sequence[Session] = ()
    known: Mapping[str, Facts] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """``findings`` begin with the most likely cause; texts have no secrets any more, ``redacted`` counts them.

    ``stands_for`` is how many targets it is about: one that sums up stands for those that are healthy.
    """

    asked: str
    pod: str
    why: str
    severity: str
    findings: tuple[Finding, ...]
    details: Plain
    timeline: tuple[Event, ...]
    degraded: tuple[str, ...]
    redacted: Mapping[str, int]
    session: Session | None
    stands_for: int = 1

    @property
    def name(self) -> str:
        return self.pod or self.asked

    def to_plain(self) -> Plain:
        session = self.session.to_plain() if self.session else {}
        return {
            **self.__dict__,
            "findings": [each.to_plain() for each in self.findings],
            "timeline": [each.to_plain() for each in self.timeline],
            "degraded": list(self.degraded),
            "session": {key: value for key, value in session.items() if key not in _NOT_AGAIN},
        }


def read_ahead(login: ApiLogin, request: DiagnosisRequest, pods: Sequence[Chosen]) -> dict[str, Facts]:
    """Return what is known of pods now, by the names of targets; what cannot be read is left out, and read again."""
    reads = SharedReads(login, len(pods))
    found = {}
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        tasks = [(each.asked, pool.submit(_gather, reads, request, each)) for each in pods]
        for asked, task in tasks:
            with contextlib.suppress(RunbookError):
                found[asked] = task.result()
    return found


def _gather(reads: SharedReads, request: DiagnosisRequest, chosen: Chosen) -> Facts:
    return gather(reads, request.namespace, chosen, reads.now(), request.collect, request.tail_lines)


def diagnose_all(login: ApiLogin, request: DiagnosisRequest, targets: Sequence[Target]) -> list[Diagnosis]:
    """Read and judge all targets side by side; raise NoTarget if the only one is not there and never was.

    Of all workloads of a namespace, those that are healthy are summed up.
    """
    if not any(each.kind == ALL for each in targets):
        return _diagnose_each(SharedReads(login, len(targets)), request, targets)
    named = [each for each in targets if each.kind != ALL]
    reads = SharedReads(login, len(named) + _MOST_WORKLOADS)
    found = find_workloads(reads, request.namespace, login.now(), _MOST_WORKLOADS)
    diagnoses = _diagnose_each(reads, request, [*named, *found.targets])
    own, rest = diagnoses[: len(named)], diagnoses[len(named) :]
    return [*own, *(each for each in rest if each.severity != OK), _summed_up(found, rest)]


def _diagnose_each(reads: SharedReads, request: DiagnosisRequest, targets: Sequence[Target]) -> list[Diagnosis]:
    sessions = {each.asked: each for each in request.sessions}
    with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
        tasks = [
            pool.submit(_diagnose, reads, request, target, sessions.get(target.asked), len(targets) == 1)
            for target in targets
        ]
        return [task.result() for task in tasks]


def _summed_up(found: Workloads, diagnoses: Sequence[Diagnosis]) -> Diagnosis:
    """Return what is said of those workloads that are healthy, and of those that are meant to do nothing."""
    healthy = [*(each.asked for each in diagnoses if each.severity == OK), *found.healthy]
    total = len(found.targets) + len(found.healthy) + len(found.troubled)
    findings = [
        Finding("workloads", INFO, f"{len(healthy):,} of {plural(total, 'workload')} are healthy", _some(healthy), "")
    ]
    if found.idle:
        what = f"{plural(len(found.idle), 'more workload')} scaled to 0 or suspended"
        findings.append(Finding("idle", INFO, what, _some(found.idle), ""))
    left_out = [
        f"{plural(len(names), 'workload')} {state} by status: not looked at closely ({_some(names)})"
        for state, names in (("in trouble", found.troubled), ("healthy", found.healthy))
        if names
    ]
    unread = dict.fromkeys(line for each in diagnoses if each.severity == OK for line in each.degraded)
    return Diagnosis(
        asked=ALL,
        pod="",
        why="every workload of the namespace",
        severity=OK,
        findings=tuple(findings),
        details={},
        timeline=(),
        degraded=(*found.unknown, *left_out, *unread),
        redacted={},
        session=None,
        stands_for=len(healthy),
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _diagnose(
    reads: SharedReads, request: DiagnosisRequest, target: Target, session: Session | None, only: bool
) -> Diagnosis:
    # An inspection from inside has chosen already, and its pod may have become healthy by it.
    visited = session is not None and bool(session.pod)
    wanted = Target(target.asked, "pod", session.pod) if session and visited else target
    try:
        chosen = choose(reads, request.namespace, wanted, reads.now())
    except NoPods as exc:
        return judge_workload(gather_workload(reads, request.namespace, target.asked, exc.found, reads.now()))
    except NoTarget as exc:
        last = _last_events(reads, request.namespace, wanted)
        if only and not visited and not last:
            raise
        return _without(target, session, exc, last, reads.now())
    if session and session.why:
        chosen = Chosen(chosen.asked, chosen.pod, session.why)
    known = request.known.get(target.asked)
    # Of a pod to which nothing has happened since, nothing has to be read again.
    is_same = known is not None and _state_of(known.pod) == _state_of(chosen.pod)
    facts = replace(known, chosen=chosen) if known and is_same else _gather(reads, request, chosen)
    return judge(facts, session)


def _state_of(pod: Object) -> tuple[t.Any, ...]:
    metadata, phase = pod["metadata"], (pod.get("status") or {}).get("phase")
    return metadata["uid"], metadata.get(_DELETED), phase, container_statuses(pod)


def judge(facts: Facts, session: Session | None) -> Diagnosis:
    """Return the diagnosis of what was read."""
    redactor = Redactor()
    facts = _redacted(facts, redactor)
    sections = _of_the_pod(session)
    # In a copy, the program that listens, calls and prints is another one.
    judged = {
        name: lines
        for name, lines in sections.items()
        if name not in ("sockets", "output") or not session or session.mode != COPY
    }
    findings = find(facts, judged, session.state if session else "")
    if session and session.uid not in ("", facts.pod["metadata"]["uid"]):
        findings.append(
            Finding(
                "replaced", WARNING, "the pod was replaced while it was looked at", "", "run the same command again"
            ),
        )
    if session and session.mode == EPHEMERAL and session.state in _CUT and facts.pod["metadata"].get(_DELETED):
        # Its containers end some time before it is gone.
        findings.insert(0, _gone(_WENT_AWAY, "it is being deleted", facts.events or (), facts.now))
    details = redactor.plain(
        {**identity_table(facts), **part_tables(facts, redactor), **inside_tables(sections, session)}
    )
    timeline = [
        replace(each, name=redactor.text(each.name), note=redactor.text(each.note)) for each in timeline_of(facts)
    ]
    findings = [Finding(**redactor.plain(each.to_plain())) for each in findings]
    missing = collector_output.missing_tools(sections)
    tools = [f"the image has no tool for {', '.join(missing)}"] if missing else []
    redacted = dict(session.redacted) if session else {}
    for name, number in redactor.counts.items():
        redacted[name] = redacted.get(name, 0) + number
    return Diagnosis(
        asked=facts.chosen.asked,
        pod=facts.chosen.name,
        why=facts.chosen.why,
        severity=_severity(findings),
        findings=tuple(findings),
        details=details,
        timeline=tuple(timeline),
        degraded=(*facts.unknown, *(session.degraded if session else ()), *tools),
        redacted=redacted,
        session=session,
    )


def _severity(findings: Sequence[Finding]) -> str:
    """Return the severity of the first finding; what is only good to know is no trouble."""
    return findings[0].severity if findings[0].severity != INFO else OK


def judge_workload(facts: Facts) -> Diagnosis:
    """Return the diagnosis of something that has no pod."""
    redactor = Redactor()
    facts = _redacted(facts, redactor)
    findings = [Finding(**redactor.plain(each.to_plain())) for each in find_without_pod(facts)]
    return Diagnosis(
        asked=facts.chosen.asked,
        pod="",
        why=facts.chosen.why,
        severity=_severity(findings),
        findings=tuple(findings),
        details=redactor.plain(workload_tables(facts)),
        timeline=tuple(timeline_of(facts)),
        degraded=tuple(facts.unknown),
        redacted=dict(redactor.counts),
        session=None,
    )


_OUTLIVED_BY_EVENTS = {"pod": "Pod", "job": "Job"}


def _last_events(login: ApiLogin, namespace: str, target: Target) -> list[Object]:
    """Return the events of a pod or Job that is not there any more, the latest last; none if they cannot be read."""
    if target.kind not in _OUTLIVED_BY_EVENTS:
        return []
    selector = f"involvedObject.kind={_OUTLIVED_BY_EVENTS[target.kind]},involvedObject.name={target.name}"
    try:
        found = login.items("list events", f"/api/v1/namespaces/{namespace}/events", fieldSelector=selector)
    except RunbookError:
        return []
    return sorted(found, key=lambda each: str(event_time(each) or ""))


def _redacted(facts: Facts, redactor: Redactor) -> Facts:
    """Return the facts without secrets, before any text is shortened: half a secret is not recognised any more."""
    pod = {**facts.pod, "status": redactor.plain(facts.pod.get("status") or {})}
    events = None
    if facts.events is not None:
        events = [{**each, "message": redactor.text(str(each.get("message") or ""))} for each in facts.events]
    logs = {key: log.mapped(redactor.text) for key, log in facts.logs.items()}
    chosen = Chosen(facts.chosen.asked, pod, facts.chosen.why)
    owners = [{**each, "status": redactor.plain(each.get("status") or {})} for each in facts.owners]
    return replace(facts, chosen=chosen, owners=owners, events=events, logs=logs)


# What is of the collector itself where the processes of the pod are not seen, and of the host on a node.
_OF_PROCESSES = ("processes", "status", "limits", "files", "cgroup", "growth", "mounts", "disk")


def _of_the_pod(session: Session | None) -> Mapping[str, t.Any]:
    """Return those of the collected sections that tell of the pod."""
    if session is None:
        return {}
    sections = session.sections
    if session.mode == NODE:
        found = " ".join(sections.get("begin", ())).split()[1:] not in ([], ["1"])
        if not found or session.profile != "privileged":
            return {}
        return {name: lines for name, lines in sections.items() if not name.startswith(("dns:", "processes"))}
    if session.mode == EPHEMERAL and not session.beside:
        return {name: lines for name, lines in sections.items() if name not in _OF_PROCESSES}
    return sections


def _without(
    target: Target, session: Session | None, cause: NoTarget, events: Sequence[Object], now: datetime
) -> Diagnosis:
    """Return what is left to say of a pod that is not there, or not any more."""
    redactor = Redactor()
    sections = _of_the_pod(session)
    seen = session is not None and bool(session.pod)
    if seen:
        finding = _gone(_WENT_AWAY, str(cause), events, now)
    elif events and target.kind == "job":
        finding = _gone_job(target.name, str(cause), events, now)
    elif events:
        finding = _gone("the pod is not there any more", str(cause), events, now)
    else:
        step = cause.advice or "correct the target as the evidence says"
        finding = Finding("gone", CRITICAL, cause.what, str(cause), step)
    finding = Finding(**redactor.plain(finding.to_plain()))
    kind = "Job" if target.kind == "job" and not seen else "pod"
    degraded = [f"the report is a part only: the {kind} is gone"] if seen or events else [finding.what]
    return Diagnosis(
        asked=target.asked,
        pod=session.pod if session else "",
        why=session.why if session else "",
        severity=_severity([finding]),
        findings=(finding,),
        details=redactor.plain(inside_tables(sections, session)),
        timeline=(),
        degraded=(*degraded, *(session.degraded if session else ())),
        redacted=dict(session.redacted) if session else {},
        session=session,
    )


# Events that tell why a pod has gone, as a sentence, and what to do.
_DEPARTURES = {
    "Preempted": (
        "the pod was preempted: a pod of a higher priority took its place",
        "give it a priority class as high, or the cluster more room; a bare pod has to be made again",
    ),
    "Evicted": (
        "the pod was evicted from its node",
        "give it requests and limits that fit what it uses; a bare pod has to be made again",
    ),
    "TaintManagerEviction": (
        "the pod was evicted because its node has a taint that it does not tolerate",
        "find out why the node was tainted, or add a toleration; a bare pod has to be made again",
    ),
}


def _gone_job(name: str, cause: str, events: Sequence[Object], now: datetime) -> Finding:
    """Return how a Job has ended that was removed since, as its events tell."""
    last = next((each for each in reversed(events) if each.get("reason") in _JOB_ENDS), events[-1])
    when, done = event_time(last), last.get("reason") == "Completed"
    said = f"{last.get('reason')} {ago(when, now) if when else ''}: {last.get('message')}; {cause}"
    if done:
        step = "nothing is to be done; ttlSecondsAfterFinished and the history limits of a CronJob keep Jobs longer"
        return Finding("job_done", INFO, f"job/{name} has completed, and was removed since", shorten(said, 500), step)
    return Finding(
        "gone",
        CRITICAL,
        f"job/{name} is not there any more; its last word was {last.get('reason')}",
        shorten(said, 500),
        "raise ttlSecondsAfterFinished or the history limits of its CronJob, and look again after its next run",
    )


_JOB_ENDS = ("Completed", "BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "FailedIndexes")


def _gone(what: str, cause: str, events: Sequence[Object], now: datetime) -> Finding:
    step = "find out who deleted or evicted it (kubectl get events), and run the command for its workload"
    telling = [each for each in events if each.get("reason") in _DEPARTURES]
    if telling:
        what, step = _DEPARTURES[telling[-1]["reason"]]
    last = (telling or list(events))[-3:]
    said = [
        f"{each.get('reason')} {ago(when, now)}: {each.get('message')}" for each in last if (when := event_time(each))
    ]
    return Finding("gone", CRITICAL, what, shorten("; ".join([*said, cause]), 500), step)
