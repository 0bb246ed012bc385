# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look at pods says of itself, in the fields of the report model. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from .._errors import RunbookError
from .._report.timeline import MAX_EVENTS
from .._run import rfc3339, utc_now
from .finding import INFO

if t.TYPE_CHECKING:
    # What it is made of takes longer to import than a report takes to make.
    from .diagnosis import Diagnosis, Plain


def debug_report(
    run_id: str,
    asked: Mapping[str, t.Any],
    diagnoses: Sequence[Diagnosis] = (),
    failure: RunbookError | None = None,
    *,
    check_mode: bool = False,
) -> Plain:
    """Return the report of a run, of whatever part of it was reached."""
    changed = [each.session for each in diagnoses if each.session.get("changed")]
    state = "planned" if changed and check_mode else "done" if changed else "unchanged"
    report: Plain = {
        "run_id": run_id,
        "runbook": "debug_pod",
        "state": failure.state if failure else state,
        "finished": rfc3339(utc_now()),
        "asked": dict(asked),
        "summary": [str(failure)] if failure else [],
    }
    if not diagnoses:
        return report
    several = len(diagnoses) > 1
    report["summary"] += [line for each in diagnoses for line in _summary(each)]
    report["plan"] = {"summary": [line for each in diagnoses for line in _way(each)]}
    report["actions"] = [_action(each) for each in diagnoses if each.session.get("name")]
    report["proofs"] = [
        {
            "claim": f"nothing critical is found at {each.pod or each.asked}",
            "result": "failed" if each.severity == "critical" else "proven",
            "evidence": each.findings[0]["what"],
        }
        for each in diagnoses
    ]
    report["degraded"] = [
        f"{each.pod or each.asked}: {line}" if several else line for each in diagnoses for line in each.degraded
    ]
    report["timeline"] = _timeline(diagnoses, several=several)
    report["details"] = {each.asked: _details(each) for each in diagnoses} if several else _details(diagnoses[0])
    if changed and not check_mode:
        report["undo"] = _undo(changed)
    return report


def _summary(diagnosis: Diagnosis) -> list[str]:
    """Return the lines that an operator reads first."""
    name, session = diagnosis.pod or diagnosis.asked, diagnosis.session
    first = diagnosis.findings[0]
    lines = [f"{name}: {first['what']}" + (f" ({first['evidence']})" if first["evidence"] else "")]
    lines.append(f"next: {first['next_step']}")
    more = [each["what"] for each in diagnosis.findings[1:] if each["severity"] != INFO]
    if more:
        lines.append("also: " + "; ".join(more[:4]))
    if session.get("state") == "planned":
        lines.append(f"would look from inside: {session['mode']}, profile {session['profile']}")
    elif session.get("state") == "live":
        lines.append(f"a shell waits in {session['name']} until {session['expires_at']}")
    elif session.get("reused"):
        lines.append(f"what was collected by {session['name']} is young enough to be used again")
    if session.get("capture"):
        capture = session["capture"]
        lines.append(f"captured: {capture['packets']:,} packets in {capture['path']}")
    return lines


def _details(diagnosis: Diagnosis) -> Plain:
    findings = [
        {key: each[key] for key in ("severity", "what", "evidence", "next_step")} for each in diagnosis.findings
    ]
    redacted = [{"kind": kind, "times": number} for kind, number in sorted(diagnosis.redacted.items())]
    return {"findings": findings, **diagnosis.details, "redacted": redacted}


def _way(diagnosis: Diagnosis) -> list[str]:
    """Say which way into the pod is or was taken, and which were not."""
    session, name = diagnosis.session, diagnosis.pod or diagnosis.asked
    if not session:
        return [f"{name}: report only"]
    taken = f"{name}: {session.get('mode')}"
    taken += f", profile {session['profile']}" if session.get("profile") else ""
    taken += ", one that was there already" if session.get("reused") else ""
    taken += f" ({session['limits']})" if session.get("limits") else ""
    return [taken, *(f"{name}: not {each['profile']}: {each['reason']}" for each in session.get("rejected") or [])]


def _action(diagnosis: Diagnosis) -> Plain:
    session = diagnosis.session
    return {
        "what": f"{session['kind']} {session['place']}/{session['name']} for {diagnosis.pod}",
        "changed": bool(session["changed"]),
        "detail": "; ".join([f"ends by itself by {session['expires_at']}", *session.get("commands", [])]),
    }


def _undo(sessions: Sequence[Mapping[str, t.Any]]) -> Plain:
    notes = []
    live = sorted({str(each["place"]) for each in sessions if each["state"] == "live"})
    if any(each["kind"] == "debug container" for each in sessions):
        notes.append("A debug container stays in its pod's specification until the pod is deleted.")
    if live:
        notes.append("The command ends the shell at once; without it, it ends by itself.")
    else:
        notes.append("Nothing of it is running any more, or it ends by itself.")
    command = "ansible-playbook market_intel.runbooks.cleanup_debug_pods -e debug_pod_force=true"
    return {
        "command": f"{command} -e debug_pod_namespaces={','.join(live)}" if live else "",
        "note": " ".join(notes),
    }


def _timeline(diagnoses: Sequence[Diagnosis], *, several: bool) -> list[Plain]:
    events = [
        {**event, "name": f"{each.pod}: {event['name']}"} if several else event
        for each in diagnoses
        for event in each.timeline
    ]
    return sorted(events, key=lambda event: str(event["start"]))[-MAX_EVENTS:]
