# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports of diagnoses, of sessions and of their clean-up. PRIVATE to the collection."""

from __future__ import annotations

import shlex
import typing as t
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .._errors import RunbookError
from .._report.model import MAX_EVENTS, Action, Event, Finding, Plan, Proof, StepReport, Undo
from .._report.text import plural
from .._severity import CRITICAL, OK, UNKNOWN, WARNING, rank, worst

if t.TYPE_CHECKING:
    # What they are made of takes longer to import than a report takes to make.
    from .cleanup import Cleanup, Settled
    from .diagnosis import Diagnosis
    from .session import CleanupRequest, Session

_CLEAN_UP = "ansible-playbook market_intel.runbooks.cleanup_debug_pods"
# What of a login a command may show, and what a variable calls it.
_LOGIN = {
    "kubeconfig": "kubeconfig",
    "context": "context",
    "host": "api_host",
    "ca_cert": "ca_cert",
    "client_cert": "client_cert",
    "client_key": "client_key",
}


def failed_report(run_id: str, asked: Mapping[str, t.Any], failure: RunbookError) -> StepReport:
    return StepReport(run_id, "debug_pod", state=failure.state, asked=asked, summary=(str(failure),))


def sessions_report(
    run_id: str,
    asked: Mapping[str, t.Any],
    sessions: Sequence[Session],
    *,
    check_mode: bool,
    login: Mapping[str, t.Any] | None = None,
) -> StepReport:
    """Return what a report says of the ways into pods, and of what was made for them.

    ``login`` has the options of the login, which the command that ends the sessions names.
    """
    sessions = [each for each in sessions if not each.same_as]
    changed = [each for each in sessions if each.changed]
    return StepReport(
        run_id=run_id,
        runbook="debug_pod",
        state="unchanged" if not changed else "planned" if check_mode else "done",
        asked=asked,
        plan=Plan(tuple(line for each in sessions for line in _way(each))),
        actions=tuple(_action(each) for each in sessions if each.name),
        degraded=tuple(
            f"{each.pod or each.asked}: {line}" if len(sessions) > 1 else line
            for each in sessions
            for line in each.degraded
        ),
        undo=_undo(run_id, changed, login or {}) if changed else None,
        summary=tuple(line for each in sessions for line in _outcome(each)),
    )


def _way(session: Session) -> list[str]:
    """Say which way into the pod is or was taken, and which were not."""
    name = session.pod or session.asked
    taken = f"{name}: {session.mode}"
    taken += f", profile {session.profile}" if session.profile else ""
    taken += ", one that was there already" if session.reused else ""
    taken += f" ({session.limits})" if session.limits else ""
    return [taken, *(f"{name}: not {profile}: {reason}" for profile, reason in session.rejected)]


def _action(session: Session) -> Action:
    detail = "; ".join([f"ends by itself by {session.expires_at}", *session.commands])
    return Action(f"{session.kind} {session.place}/{session.name} for {session.pod}", session.changed, detail)


def _outcome(session: Session) -> t.Iterator[str]:
    if session.state == "planned":
        yield f"would inspect it from inside: {session.mode}, profile {session.profile}"
    elif session.state == "live":
        what = "the command runs" if session.own_command else "a shell waits"
        yield f"{what} in {session.name} until {session.expires_at}"
    elif session.exit_code is not None:
        yield f"the command in {session.name} ended with exit code {session.exit_code}; its output is below Details"
    elif session.reused:
        yield f"what was collected by {session.name} is young enough to be used again"
    if session.capture:
        lasted = session.capture["seconds"]
        length = "" if lasted is None else f" in {lasted:g} s"
        yield f"captured: {session.capture['packets']:,} packets{length}, in {session.capture['path']}"


def _undo(run_id: str, sessions: Sequence[Session], login: Mapping[str, t.Any]) -> Undo:
    notes = []
    live = sorted({each.place for each in sessions if each.state == "live"})
    if any(each.kind == "ephemeral container" for each in sessions):
        notes.append("An ephemeral container stays in its pod's specification until the pod is deleted.")
    if live:
        notes.append("The command ends what this run has left, and nothing of others; without it, that ends by itself.")
    else:
        notes.append("Nothing of it is running any more, or it ends by itself.")
    options = {"force": "true", "runs": run_id, "namespaces": ",".join(live)}
    options |= {name: login[option] for option, name in _LOGIN.items() if login.get(option)}
    if login.get("validate_certs") is False:
        options["validate_certs"] = "false"
    words = [shlex.join(["-e", f"debug_pod_{name}={value}"]) for name, value in options.items()]
    return Undo(" ".join([_CLEAN_UP, *words]) if live else "", " ".join(notes))


def diagnosis_report(run_id: str, asked: Mapping[str, t.Any], diagnoses: Sequence[Diagnosis]) -> StepReport:
    """Return what a report says of the findings, those of the worst target first; of targets that are one pod, once."""
    diagnoses = list({each.pod or each.asked: each for each in reversed(diagnoses)}.values())[::-1]
    several = len(diagnoses) > 1
    ordered = sorted(diagnoses, key=lambda each: -rank(each.severity))
    return StepReport(
        run_id=run_id,
        runbook="debug_pod",
        headline=_headline(ordered),
        severity=worst(each.severity for each in diagnoses),
        asked=asked,
        findings=tuple(
            Finding(each.severity, each.what, diagnosis.name, each.evidence, each.next_step)
            for diagnosis in ordered
            for each in diagnosis.findings
        ),
        degraded=tuple(f"{each.name}: {line}" if several else line for each in ordered for line in each.degraded),
        timeline=_timeline(diagnoses, several=several),
        details={each.asked: _details(each) for each in ordered} if several else _details(ordered[0]),
    )


def inspection_report(sessions: StepReport, diagnosis: StepReport) -> StepReport:
    """Return what a report says of the ways into pods together with what was found."""
    return replace(
        sessions,
        headline=diagnosis.headline,
        severity=diagnosis.severity,
        findings=diagnosis.findings,
        degraded=tuple(dict.fromkeys((*sessions.degraded, *diagnosis.degraded))),
        timeline=diagnosis.timeline,
        details=diagnosis.details,
    )


def _headline(diagnoses: Sequence[Diagnosis]) -> str:
    if len(diagnoses) == 1:
        return diagnoses[0].findings[0].what
    counts: Counter[str] = Counter()
    for each in diagnoses:
        counts[each.severity] += each.stands_for
    words = [f"{counts[severity]:,} {severity}" for severity in (CRITICAL, UNKNOWN, WARNING, OK) if counts[severity]]
    return f"{', '.join(words)}, of {plural(counts.total(), 'target')}"


def _details(diagnosis: Diagnosis) -> dict[str, t.Any]:
    redacted = [{"kind": kind, "times": number} for kind, number in sorted(diagnosis.redacted.items())]
    return {**diagnosis.details, **({"redacted": redacted} if redacted else {})}


def _timeline(diagnoses: Sequence[Diagnosis], *, several: bool) -> tuple[Event, ...]:
    events = [
        replace(event, name=f"{each.pod}: {event.name}") if several else event
        for each in diagnoses
        for event in each.timeline
    ]
    return tuple(sorted(events, key=lambda event: event.start)[-MAX_EVENTS:])


def cleanup_report(run_id: str, request: CleanupRequest, cleanup: Cleanup, *, check_mode: bool) -> StepReport:
    """Return what a report says of the sessions that are left, and of what became of them."""
    failed = cleanup.of_outcome("failed")
    rows = [_row(each) for each in cleanup.found]
    ended = [] if check_mode else cleanup.of_outcome("ended", "removed")
    claim = "every session that was due is ended"
    leaks = [each for each in cleanup.of_state("expired", "orphaned") if each not in ended]
    return StepReport(
        run_id=run_id,
        severity=WARNING if leaks else "",
        state="unchanged" if not cleanup.changed else "planned" if check_mode else "done",
        headline=_counted(cleanup),
        asked={
            "namespaces": list(request.namespaces) or "all",
            **({"runs": list(request.runs)} if request.runs else {}),
            **({"force": True} if request.force else {}),
        },
        findings=tuple(map(_leak, leaks)),
        actions=tuple(Action(f"{each.outcome} {_name(each)}", True, each.why) for each in ended),
        proofs=(Proof(claim, "failed", "; ".join(f"{_name(each)}: {each.why}" for each in failed)),) if failed else (),
        degraded=cleanup.unknown,
        details={"sessions": rows} if rows else {},
        summary=tuple(each.line for each in cleanup.found if each not in leaks),
    )


def _counted(cleanup: Cleanup) -> str:
    if not cleanup.found:
        return "no session is left" + (" where this login may look" if cleanup.unknown else "")
    counts = Counter(each.leftover.state for each in cleanup.found)
    outcomes = Counter(each.outcome for each in cleanup.found if each.outcome != "stays")
    found = ", ".join(f"{number} {state}" for state, number in counts.most_common())
    done = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())
    return f"{plural(len(cleanup.found), 'session')} found ({found})" + (f": {done}" if done else "")


def _name(each: Settled) -> str:
    return f"{each.leftover.kind} {each.leftover.namespace}/{each.leftover.name}"


def _leak(each: Settled) -> Finding:
    what = "its pod is gone" if each.leftover.state == "orphaned" else "it has expired and still runs"
    evidence = f"for {each.leftover.target}, of run {each.leftover.run_id}"
    return Finding(WARNING, what, _name(each), evidence, f"end it: {_CLEAN_UP}")


def _row(each: Settled) -> dict[str, t.Any]:
    keys = ("kind", "namespace", "name", "run_id", "target", "state", "expires_at", "age", "outcome", "why")
    plain = each.to_plain()
    return {key: plain[key] for key in keys}
