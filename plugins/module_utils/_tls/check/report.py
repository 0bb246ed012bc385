# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a check of certificates. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ..._errors import RunbookError
from ..._report.model import Event, Figure, Finding, Plain, Proof, StepReport
from ..._report.text import plural
from ..._severity import CRITICAL, OK, UNKNOWN, WARNING
from ..._time import DAY, clock, rfc3339, span
from .files import Difference, by_certificate
from .model import Entry, Inventory
from .severity import Life

# Names in a report; all of them are in the inventory.
_MOST_ROWS = 100
_MOST_EVENTS = 60
_FEW_EVENTS = 12
_NAMED_PLACES = 6
_HORIZONS = (7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 3650 * DAY)
# A clock that is further off makes other dates of those that are close.
_MOST_SKEW = 60.0


def check_report(
    run_id: str,
    started: datetime,
    inventory: Inventory | None,
    difference: Difference | None = None,
    paths: Mapping[str, str] | None = None,
    failure: RunbookError | None = None,
) -> StepReport:
    """Return the report of a check, of whatever part of it was reached."""
    report = StepReport(
        run_id=run_id,
        runbook="check_certs",
        state=failure.state if failure else "unchanged",
        started=started,
        summary=(str(failure),) if failure else (),
    )
    if inventory is None:
        return report
    difference = difference or Difference()
    counts, unread, request = inventory.counts, inventory.unread, inventory.request
    degraded = []
    if abs(inventory.skew) > _MOST_SKEW:
        degraded += [f"the clock of the API server is {inventory.skew:+.0f} s off the one of this machine"]
    if inventory.left_out:
        named = " and ".join(plural(count, kind) for kind, count in inventory.left_out.items())
        where = "Secrets and ConfigMaps" if request.configmaps else "Secrets"
        degraded += [f"in {where}, {named} were not read"]
    if request.secrets and not request.other_secrets:
        degraded += ["Secrets of other types than kubernetes.io/tls were not read"]
    return replace(
        report,
        headline=headline(inventory),
        severity=inventory.severity,
        asked=inventory.request.scope(),
        findings=tuple(_findings(inventory)),
        proofs=(
            Proof(
                "the whole scope was read",
                "unknown" if unread else "proven",
                f"{plural(len(unread), 'part')} could not be read" if unread else f"{counts['total']:,} entries",
            ),
        ),
        degraded=tuple(degraded),
        figures=tuple(
            Figure(name, difference.counts.get(key), counts[key], "certificates")
            for key, name in (
                (CRITICAL, "critical"),
                (UNKNOWN, "unknown"),
                (WARNING, "warning"),
                (OK, "in order"),
                ("muted", "muted"),
            )
        ),
        timeline=tuple(timeline(inventory)),
        details=_details(inventory, difference, paths or {}),
        summary=(*report.summary, *_changes(difference)),
    )


def headline(inventory: Inventory) -> str:
    """Return what was found, in numbers: 10 critical, 3 warnings, of 40 certificates."""
    counts, total = inventory.counts, plural(inventory.counts["total"], "certificate")
    words = {CRITICAL: f"{counts[CRITICAL]:,} critical", UNKNOWN: f"{counts[UNKNOWN]:,} unknown"}
    words[WARNING] = plural(counts[WARNING], "warning")
    bad = [words[name] for name in (CRITICAL, UNKNOWN, WARNING) if counts[name]]
    if bad:
        return f"{', '.join(bad)}, of {total}"
    return f"all of {total} in order" + (f", {counts['muted']:,} muted" if counts["muted"] else "")


def _findings(inventory: Inventory) -> Iterator[Finding]:
    """Yield what is wrong, the worst first; one certificate in many places is one."""
    for same in by_certificate(inventory.at_least(WARNING))[:_MOST_ROWS]:
        entry, places = same[0], [_where(each) for each in same[1:]]
        life = _life(entry, inventory.now)
        where = _where(entry) + (f" and {plural(len(places), 'other place')}" if places else "")
        subject = entry.chain.certificate.subject if entry.chain else ""
        known = [f"subject {subject}"] if subject else []
        known += [f"renewed by {entry.manager}"] if entry.manager else []
        known += [f"also in {', '.join(places[:_NAMED_PLACES])}"] if places else []
        yield Finding(entry.severity, "; ".join(entry.reasons), where, ", ".join([*life, *known]))


def _where(entry: Entry) -> str:
    return " ".join(text for text in (entry.source, entry.place, entry.key) if text)


def _life(entry: Entry, now: datetime) -> list[str]:
    if entry.life is None:
        return []
    left = (entry.life.end - now).total_seconds()
    return [f"{'expires' if left > 0 else 'expired'} on {clock(entry.life.end)}"]


def _changes(difference: Difference) -> list[str]:
    if not difference.run_id:
        return []
    plain = difference.to_plain(3)
    words = [
        f"{plain[f'{name}_count']:,} {name}" + (f" ({', '.join(plain[name])})" if plain[name] else "")
        for name in ("new", "renewed", "disappeared")
    ]
    return [f"since {difference.run_id}: {', '.join(words)}"]


def _details(inventory: Inventory, difference: Difference, paths: Mapping[str, str]) -> dict[str, Plain]:
    bad = inventory.at_least(WARNING)
    muted = [entry for entry in inventory.entries if entry.muted]
    details: dict[str, Plain] = {"certificates": [_row(entry, inventory.now) for entry in bad[:_MOST_ROWS]]}
    if len(bad) > _MOST_ROWS:
        details["not_listed"] = len(bad) - _MOST_ROWS
    if muted:
        details["muted"] = [
            {
                "where": entry.identity,
                "what": "; ".join(entry.reasons),
                "until": rfc3339(entry.muted.until),
                "reason": entry.muted.reason,
            }
            for entry in muted[:_MOST_ROWS]
            if entry.muted
        ]
    if difference.run_id:
        details["difference"] = difference.to_plain(_MOST_ROWS)
    facts = {
        "unused": sum(1 for entry in inventory.entries if entry.used is False),
        "in_several_places": sum(1 for entry in inventory.entries if entry.copies > 1),
        "managed_by_cert_manager": sum(1 for entry in inventory.entries if entry.renewal),
    }
    return {**details, "facts": facts, "files": dict(paths)}


def _row(entry: Entry, now: datetime) -> dict[str, Plain]:
    return {
        "severity": entry.severity,
        "where": entry.identity,
        "why": "; ".join(entry.reasons),
        "expires": rfc3339(entry.life.end) if entry.life else None,
        "left": span((entry.life.end - now).total_seconds()) if entry.life and entry.life.end > now else None,
        "subject": entry.chain.certificate.subject if entry.chain else "",
        "renewed_by": entry.manager,
    }


def timeline(inventory: Inventory) -> list[Event]:
    """Return what expires next, each certificate once, as spans from now until then.

    So few are far off that those that are close can still be told apart; one that has expired begins in the past.
    """
    now = inventory.now
    first: dict[str, Entry] = {}
    for entry in inventory.entries:
        if entry.life and not entry.muted:
            first.setdefault(entry.fingerprint or entry.identity, entry)
    entries = sorted(first.values(), key=lambda entry: (_end(entry), entry.identity))
    horizon = _horizon(entries, now)
    chosen = [entry for entry in entries if (_end(entry) - now).total_seconds() <= horizon][:_MOST_EVENTS]
    return [_event(entry, now, timedelta(seconds=horizon)) for entry in chosen]


def _horizon(entries: Sequence[Entry], now: datetime) -> float:
    for horizon in _HORIZONS:
        if sum(1 for entry in entries if (_end(entry) - now).total_seconds() <= horizon) >= _FEW_EVENTS:
            return horizon
    return max((_end(entry) - now).total_seconds() for entry in entries) if entries else 0.0


def _end(entry: Entry) -> datetime:
    return t.cast(Life, entry.life).end


def _event(entry: Entry, now: datetime, horizon: timedelta) -> Event:
    end, left = _end(entry), (_end(entry) - now).total_seconds()
    more = f", in {entry.copies:,} places" if entry.copies > 1 else ""
    expired = left <= 0
    # One that expired long ago would leave no room for what is to come.
    start = max(end, now - max(horizon, timedelta(days=1)) / 4) if expired else now
    note = f"expired {span(-left)} ago" if expired else f"expires in {span(left)}"
    return Event(f"{entry.place}{more}", start, now if expired else end, entry.severity, note)
