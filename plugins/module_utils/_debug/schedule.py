# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the schedule of a CronJob was due. PRIVATE to the collection."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

# Of minutes, hours, days of the month, months and days of the week.
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = {**{name: number for number, name in enumerate(_MONTHS, 1)}, **{name: day for day, name in enumerate(_DAYS)}}
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# A 29th of February comes once in so many days, but for a century in which it does not.
_MOST_DAYS = 8 * 366


def last_times(schedule: str, zone: str, now: datetime, number: int) -> list[datetime] | None:
    """Return when a schedule was due, the latest first, at most so many times; None if it cannot be read here.

    Nothing at all means that it never comes.
    """
    fields = _SHORT.get(schedule.strip(), schedule).split()
    try:
        where: tzinfo = ZoneInfo(zone) if zone else timezone.utc
        minutes, hours, days, months, weekdays = (
            _values(field, low, high) for field, (low, high) in zip(fields, _RANGES) if len(fields) == len(_RANGES)
        )
    except (ValueError, KeyError, OSError):
        return None
    any_day, any_weekday = (fields[place][:1] in ("*", "?") and "/" not in fields[place] for place in (2, 4))
    here, found = now.astimezone(where), []
    for back in range(_MOST_DAYS):
        day = (here - timedelta(days=back)).date()
        on_day, on_weekday = day.day in days, (day.weekday() + 1) % 7 in weekdays
        # Where both are named, one of them is enough.
        due = on_day and on_weekday if any_day or any_weekday else on_day or on_weekday
        if day.month not in months or not due:
            continue
        for hour in sorted(hours, reverse=True):
            for minute in sorted(minutes, reverse=True):
                when = datetime(day.year, day.month, day.day, hour, minute, tzinfo=where)
                if when <= here:
                    found.append(when.astimezone(timezone.utc))
                if len(found) == number:
                    return found
    return found


def _values(field: str, low: int, high: int) -> set[int]:
    """Return the numbers that a field names; raise ValueError."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if first in ("*", "?"):
            begin, end = low, high
        else:
            begin = _number(first)
            end = _number(last) if dash else high if slash else begin
        if not low <= begin <= end <= high:
            raise ValueError(part)
        found |= set(range(begin, end + 1, int(step) if slash else 1))
    return found


def _number(text: str) -> int:
    return _NAMES[text.lower()] if text.lower() in _NAMES else int(text)
