# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a check of certificates says of itself, in the fields of the report model. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from .._errors import RunbookError
from .._run import rfc3339, utc_now
from .inventory import Entry, Inventory
from .inventory_files import Difference, sentence
from .severity import CRITICAL, DAY, OK, UNKNOWN, WARNING, Life, span

Fields = dict[str, t.Any]

# Names in a report; all of them are in the inventory.
_MOST_ROWS = 100
_MOST_EVENTS = 60
_FEW_EVENTS = 12
_HORIZONS = (7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY, 3650 * DAY)
# A clock that is further off makes other dates of those that are close.
_MOST_SKEW = 60.0


def check_report(
    run_id: str,
    started: datetime,
    cluster: str,
    inventory: Inventory | None,
    difference: Difference | None = None,
    paths: Mapping[str, str] | None = None,
    failure: RunbookError | None = None,
) -> Fields:
    """Return the report of a check, of whatever part of it was reached."""
    report: Fields = {
        "run_id": run_id,
        "runbook": "check_certs",
        "state": failure.state if failure else "unchanged",
        "started": rfc3339(started),
        "finished": rfc3339(utc_now()),
        "summary": [str(failure)] if failure else [],
    }
    if inventory is None:
        return report
    difference = difference or Difference()
    counts, unread = inventory.counts, inventory.unread
    report["asked"] = inventory.request.scope()
    report["summary"] += [sentence(inventory, cluster), *_changes(difference)]
    report["figures"] = [
        {"name": name, "before": difference.counts.get(key), "after": counts[key], "unit": "certificates"}
        for key, name in (
            (CRITICAL, "critical"),
            (UNKNOWN, "unknown"),
            (WARNING, "warning"),
            (OK, "in order"),
            ("muted", "muted"),
        )
    ]
    report["proofs"] = [
        {
            "claim": "the whole scope was read",
            "result": "unknown" if unread else "proven",
            "evidence": f"{len(unread)} parts could not be read" if unread else f"{counts['total']:,} entries",
        },
        {
            "claim": "no certificate is critical",
            "result": "failed" if counts[CRITICAL] else "unknown" if counts[UNKNOWN] else "proven",
            "evidence": f"{counts[CRITICAL]:,} critical, {counts[UNKNOWN]:,} unknown, {counts['muted']:,} muted",
        },
    ]
    report["degraded"] = [f"{entry.place}: {'; '.join(entry.reasons)}" for entry in unread]
    if abs(inventory.skew) > _MOST_SKEW:
        report["degraded"] += [f"the clock of the API server is {inventory.skew:+.0f} s off the one of this machine"]
    report["timeline"] = timeline(inventory)
    report["details"] = _details(inventory, difference, paths or {})
    return report


def _changes(difference: Difference) -> list[str]:
    if not difference.run_id:
        return []
    plain = difference.to_plain(3)
    words = [
        f"{plain[f'{name}_count']:,} {name}" + (f" ({', '.join(plain[name])})" if plain[name] else "")
        for name in ("new", "renewed", "disappeared")
    ]
    return [f"since {difference.run_id}: {', '.join(words)}"]


def _details(inventory: Inventory, difference: Difference, paths: Mapping[str, str]) -> Fields:
    bad = inventory.at_least(WARNING)
    muted = [entry for entry in inventory.entries if entry.muted]
    details: Fields = {"certificates": [_row(entry, inventory.now) for entry in bad[:_MOST_ROWS]]}
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


def _row(entry: Entry, now: datetime) -> Fields:
    return {
        "severity": entry.severity,
        "where": entry.identity,
        "why": "; ".join(entry.reasons),
        "expires": rfc3339(entry.life.end) if entry.life else None,
        "left": span((entry.life.end - now).total_seconds()) if entry.life and entry.life.end > now else None,
        "subject": entry.chain.first.subject if entry.chain else "",
        "renewed_by": entry.manager,
    }


def timeline(inventory: Inventory) -> list[Fields]:
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


def _event(entry: Entry, now: datetime, horizon: timedelta) -> Fields:
    end, left = _end(entry), (_end(entry) - now).total_seconds()
    more = f", in {entry.copies:,} places" if entry.copies > 1 else ""
    expired = left <= 0
    # One that expired long ago would leave no room for what is to come.
    start = max(end, now - max(horizon, timedelta(days=1)) / 4) if expired else now
    return {
        "name": f"{entry.place}{more}",
        "start": rfc3339(start),
        "end": rfc3339(now if expired else end),
        "severity": entry.severity,
        "note": f"expired {span(-left)} ago" if expired else f"expires in {span(left)}",
    }
