# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an alert is about, what speaks for its runbook, and what is to be done then. PRIVATE to the collection."""

from __future__ import annotations

import json
import shlex
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._errors import Refused, as_clause
from .._report.model import Event, Finding, StepReport
from .._report.text import plural
from .._severity import CRITICAL, INFO, OK, UNKNOWN, WARNING, worst
from .._time import rfc3339
from .alertmanager import Alert, Alerts, Matcher, find_alerts
from .evidence import Evidence, Sources, look, not_seen, side_by_side
from .labels import check_labels, check_text
from .login import HttpLogin
from .mapping import DIAGNOSIS, Entry, fill
from .prometheus import COMPLETE, EMPTY, Answer, Query, ask, selector

SUPPORTED, UNSUPPORTED, UNCLEAR, NOT_FIRING, UNMAPPED = VERDICTS = (
    "supported",
    "unsupported",
    "unknown",
    "not_firing",
    "unmapped",
)
_COLLECTION = "market_intel.runbooks"
_MOST_ALERTS = 20


@dataclass(frozen=True)
class AlertRef:
    """An alert as somebody names it; what is in it has been checked."""

    name: str
    labels: Mapping[str, str]
    fingerprint: str = ""


@dataclass(frozen=True)
class Limits:
    """How an assessment goes: ``seconds`` for all of its questions, and what may be done without a person."""

    seconds: float = 5.0
    production: bool = False
    suggest_only: bool = False
    host: str = ""


@dataclass(frozen=True)
class Assessment:
    """What is known of an alert. ``firing`` is None where that is not known; ``act`` is whether its runbook may follow.

    ``runbook`` and ``variables`` are the proposal, which is a diagnosis where nothing speaks for the mapped one.
    """

    alert: AlertRef
    entry: Entry | None
    firing: bool | None
    since: datetime | None
    evidence: tuple[Evidence, ...]
    verdict: str
    reason: str
    runbook: str
    variables: Mapping[str, t.Any]
    target: str
    act: bool
    why_not: str
    at: datetime
    host: str = ""

    @property
    def deadline(self) -> datetime | None:
        if self.entry is None or self.since is None:
            return None
        return self.since + timedelta(seconds=self.entry.respond_within)

    @property
    def argv(self) -> list[str]:
        """Return the words of the command that does what is proposed."""
        playbook = self.runbook if "." in self.runbook else f"{_COLLECTION}.{self.runbook}"
        words = ["ansible-playbook", playbook]
        if self.variables:
            words += ["-e", json.dumps(self.variables)]
        if self.host:
            words += ["-e", f"runbooks_hosts={self.host}"]
        return words

    @property
    def command(self) -> str:
        return shlex.join(self.argv)

    @property
    def escalate(self) -> bool:
        """Whether a person has to look, since nothing is known."""
        return self.verdict == UNCLEAR

    @property
    def summary(self) -> tuple[str, ...]:
        return (self.reason, *(each.line for each in self.evidence), f"proposal: {self.command}")

    def to_plain(self) -> dict[str, t.Any]:
        entry = self.entry
        return {
            "alert": self.alert.name,
            "labels": dict(self.alert.labels),
            "fingerprint": self.alert.fingerprint,
            "firing": self.firing,
            "since": rfc3339(self.since) if self.since else "",
            "verdict": self.verdict,
            "reason": self.reason,
            "evidence": [each.to_plain() for each in self.evidence],
            "mapped": entry.runbook if entry else "",
            "mode": entry.mode if entry else "",
            "severity": entry.severity if entry else "",
            "respond_within": entry.respond_within if entry else 0,
            "deadline": rfc3339(self.deadline) if self.deadline else "",
            "runbook": self.runbook,
            "variables": dict(self.variables),
            "target": self.target,
            "argv": self.argv,
            "command": self.command,
            "act": self.act,
            "why_not": self.why_not,
            "escalate": self.escalate,
            "recovery": _recovery(entry, self.alert.labels),
        }


def _recovery(entry: Entry | None, labels: Mapping[str, str]) -> dict[str, t.Any]:
    """Return what alert_recovery_info takes of an entry; nothing without a query."""
    if entry is None or entry.recovery is None:
        return {}
    query = entry.recovery.query
    wanted = {name: labels.get(name, "") for name in entry.labels}
    return {
        "query": fill(query.query, wanted),
        "based_on": fill(query.based_on, wanted),
        "comparison": query.comparison,
        "threshold": query.threshold,
        "max_age": query.max_age,
        "samples": entry.recovery.samples,
        "interval": entry.recovery.interval,
    }


def read_alert(name: t.Any, labels: t.Any, fingerprint: t.Any) -> AlertRef:
    """Return an alert that somebody names; raise Refused for what may not be in it."""
    found = check_labels(labels or {}, "O(labels)")
    given = check_text(name or found.get("alertname", ""), "O(name)")
    if not given or found.get("alertname", given) != given:
        raise Refused(
            f"O(name) is {given!r}, and O(labels) has the alertname {found.get('alertname', '')!r}; name one alert."
        )
    return AlertRef(given, {**found, "alertname": given}, check_text(fingerprint or "", "O(fingerprint)"))


def assess(
    alert: AlertRef, entries: Mapping[str, Entry], alertmanager: HttpLogin, sources: Sources, limits: Limits
) -> Assessment:
    """Ask everybody side by side, and say what follows."""
    entry = entries.get(alert.name)
    allowed = entry.labels if entry else ("alertname", "namespace")
    labels = {name: alert.labels[name] for name in allowed if name in alert.labels}
    missing = [name for name in allowed if name not in labels]
    gates = entry.evidence if entry and not missing else ()
    firing = Query(selector("ALERTS", {**labels, "alertstate": "firing"}), name="ALERTS")
    tasks: list[t.Callable[[], t.Any]] = [
        lambda: find_alerts(alertmanager, [Matcher(name, value) for name, value in labels.items()]),
        lambda: ask(sources.prometheus, firing),
        *((lambda gate=gate: look(gate, labels, sources)) for gate in gates),
    ]
    known, seen, *looks = side_by_side(tasks, limits.seconds)
    evidence = tuple(
        not_seen(gate, each) if isinstance(each, BaseException) else each for gate, each in zip(gates, looks)
    )
    fires, why, found = _firing(known, seen, alert.fingerprint)
    verdict, reason = _verdict(entry, fires, why, missing, evidence)
    proposed = entry if entry and verdict == SUPPORTED else None
    act, why_not = _may_act(proposed, verdict, found, limits)
    return Assessment(
        alert=alert,
        entry=entry,
        firing=fires,
        since=found.starts_at if found else None,
        evidence=evidence,
        verdict=verdict,
        reason=reason,
        runbook=proposed.runbook if proposed else DIAGNOSIS,
        variables=fill(proposed.variables, labels) if proposed else _diagnosis(entry, labels),
        target=fill(entry.target, labels) if entry and not missing else "",
        act=act,
        why_not=why_not,
        at=alertmanager.now(),
        host=limits.host,
    )


@dataclass(frozen=True)
class Overview:
    """All alerts that fire: those of the map with their assessments, the others, and those that were refused."""

    assessments: tuple[Assessment, ...]
    unmapped: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    unknown: str = ""


def assess_all(entries: Mapping[str, Entry], alertmanager: HttpLogin, sources: Sources, limits: Limits) -> Overview:
    """Assess all alerts that fire, those that are mapped; raise RunbookError if nobody tells which these are."""
    known = find_alerts(alertmanager, [])
    mapped = [each for each in known.alerts if each.labels.get("alertname") in entries]
    others = {each.labels.get("alertname", "") for each in known.alerts} - set(entries)
    refs, refused = [], []
    for each in mapped[:_MOST_ALERTS]:
        try:
            # Other labels than those of its entry are nobody's business.
            wanted = entries[each.labels["alertname"]].labels
            labels = {name: text for name, text in each.labels.items() if name in wanted}
            refs.append(read_alert(each.labels["alertname"], labels, each.fingerprint))
        except Refused as exc:
            refused.append(f"an alert was refused: {exc}")
    tasks = [(lambda ref=ref: assess(ref, entries, alertmanager, sources, limits)) for ref in refs]
    found = side_by_side(tasks, 2 * limits.seconds)
    assessed = tuple(each for each in found if isinstance(each, Assessment))
    broken = [
        f"{ref.name} was not assessed: {as_clause(each)}"
        for ref, each in zip(refs, found)
        if isinstance(each, BaseException)
    ]
    more = len(mapped) - _MOST_ALERTS
    left = [f"{more} more alerts were not assessed"] if more > 0 else []
    names = tuple(sorted(ascii(each)[1:-1][:80] for each in others))
    return Overview(assessed, names, (*refused, *broken, *left), known.unknown)


def overview_report(run_id: str, overview: Overview) -> StepReport:
    """Return what a report says of all alerts that fire."""
    reports = [assessment_report(run_id, each) for each in overview.assessments]
    words = f"{plural(len(reports), 'alert')} of the map fire" + ("s" if len(reports) == 1 else "")
    return StepReport(
        run_id=run_id,
        state="unchanged",
        headline=words if reports or not overview.unknown else f"unknown: {overview.unknown}",
        severity=worst([*(each.severity for each in reports), UNKNOWN if overview.unknown else OK]),
        findings=tuple(each for report in reports for each in report.findings),
        degraded=(*overview.refused, *([overview.unknown] if overview.unknown else [])),
        timeline=tuple(each for report in reports for each in report.timeline),
        details={"unmapped alerts": list(overview.unmapped)} if overview.unmapped else {},
        summary=tuple(f"{each.alert.name}: {line}" for each in overview.assessments for line in each.summary),
    )


def _firing(
    known: Alerts | BaseException, seen: Answer | BaseException, fingerprint: str
) -> tuple[bool | None, str, Alert | None]:
    """Return whether an alert fires as both systems say, why that is not known, and the alert itself."""
    if isinstance(known, BaseException):
        return None, f"Alertmanager: {as_clause(known)}", None
    same = [each for each in known.alerts if each.fingerprint == fingerprint] or list(known.alerts)
    found = min(same, key=lambda each: rfc3339(each.starts_at) if each.starts_at else "", default=None)
    if isinstance(seen, BaseException):
        return None, f"Prometheus: {as_clause(seen)}", found
    if seen.status not in (COMPLETE, EMPTY):
        return None, f"Prometheus: {seen.why}", found
    if found is None and known.unknown:
        return None, known.unknown, None
    if (found is not None) != (seen.status == COMPLETE):
        has, lacks = ("Alertmanager", "Prometheus") if found else ("Prometheus", "Alertmanager")
        return None, f"it fires as {has} says, and {lacks} knows nothing of it", found
    return found is not None, "", found


def _verdict(
    entry: Entry | None, fires: bool | None, why: str, missing: Sequence[str], evidence: Sequence[Evidence]
) -> tuple[str, str]:
    if fires is None:
        return UNCLEAR, f"whether the alert fires is not known ({why})"
    if not fires:
        return NOT_FIRING, "the alert does not fire any more"
    if entry is None:
        return UNMAPPED, "the alert is in no entry of the map"
    if missing:
        return UNCLEAR, f"the alert has no label {missing[0]}, which its entry of the map needs"
    if not entry.evidence:
        return SUPPORTED, f"{entry.runbook} only reads"
    if any(each.supports for each in evidence):
        names = ", ".join(each.name for each in evidence if each.supports)
        return SUPPORTED, f"{names}: that speaks for {entry.runbook}"
    if any(each.supports is None for each in evidence):
        names = ", ".join(each.name for each in evidence if each.supports is None)
        return UNCLEAR, f"nothing speaks for {entry.runbook}, and not everything is known ({names})"
    return UNSUPPORTED, f"nothing speaks for {entry.runbook}; a diagnosis may tell more"


def _may_act(entry: Entry | None, verdict: str, found: Alert | None, limits: Limits) -> tuple[bool, str]:
    """Return whether the runbook may follow without a person, and why not."""
    if entry is None:
        return False, f"the verdict is {verdict}"
    if entry.mode != "auto":
        return False, "the mode of its entry is suggest"
    if limits.suggest_only:
        return False, "this run only suggests"
    if limits.production and not entry.production:
        return False, "its entry does not say production: true"
    if found and found.state == "suppressed":
        return False, "somebody has silenced it, or another alert inhibits it"
    return True, ""


def _diagnosis(entry: Entry | None, labels: Mapping[str, str]) -> dict[str, t.Any]:
    wanted: dict[str, t.Any] = {}
    if "namespace" in labels:
        wanted["debug_pod_namespace"] = labels["namespace"]
    try:
        targets = fill(list(entry.diagnose), labels) if entry else []
    except KeyError:
        targets = []
    return {**wanted, "debug_pod_targets": targets} if targets else wanted


def assessment_report(run_id: str, assessment: Assessment) -> StepReport:
    """Return what a report says of an alert and of what speaks for its runbook."""
    alert, entry = assessment.alert, assessment.entry
    where = f"{alert.name} in {alert.labels['namespace']}" if "namespace" in alert.labels else alert.name
    own = entry.severity if entry else WARNING
    first = Finding(
        UNKNOWN if assessment.firing is None else own if assessment.firing else INFO,
        assessment.reason,
        where,
        f"verdict {assessment.verdict}",
        assessment.command,
    )
    timeline = [Event(f"{alert.name} begins to fire", assessment.since, severity=own)] if assessment.since else []
    plain = assessment.to_plain()
    return StepReport(
        run_id=run_id,
        headline=assessment.reason,
        severity=first.severity,
        asked={"alert": alert.name, "labels": dict(alert.labels), "fingerprint": alert.fingerprint},
        findings=(first, *(_finding(each, where) for each in assessment.evidence)),
        timeline=(*timeline, Event(f"assessed: {assessment.verdict}", assessment.at)),
        details={"decision": {name: plain[name] for name in _DECISION}},
        summary=assessment.summary,
    )


_DECISION = ("mapped", "mode", "verdict", "reason", "act", "why_not", "deadline", "target", "runbook", "command")
_SEVERITIES = {True: CRITICAL, False: INFO, None: UNKNOWN}


def _finding(evidence: Evidence, where: str) -> Finding:
    sign = {True: "speaks for it", False: "does not speak for it", None: "is unknown"}[evidence.supports]
    return Finding(_SEVERITIES[evidence.supports], f"{evidence.name} {sign}", where, evidence.seen)
