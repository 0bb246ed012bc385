# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only clock, and the only reader and writer of dates and of spans of time. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import re
import typing as t
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from ._errors import InvalidInput

HOUR = 3600.0
DAY = 86400.0

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_RFC3339 = re.compile(rf"({_DATE.pattern})[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{{1,6}})\d*)?(Z|z|[-+]\d\d:\d\d)")
_COMPACT = "%Y%m%dt%H%M%Sz"


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def rfc3339(moment: datetime) -> str:
    """Return whole seconds, as the Kubernetes API writes most of its times."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(moment: datetime) -> str:
    """Return the time with its six digits of a fraction, without which a MicroTime of Kubernetes is refused."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def rfc3339_exact(moment: datetime) -> str:
    """Return the time with the fraction that it has, if it has one."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def compact(moment: datetime) -> str:
    """Return what a name may hold: ``20261123t101500z``."""
    return moment.astimezone(timezone.utc).strftime(_COMPACT)


def clock(moment: datetime) -> str:
    """Return what a person reads: ``2026-11-23 10:15:00 UTC``."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def parse_time(text: t.Any) -> datetime | None:
    """Return the time that an RFC 3339 text means, in UTC; None for an absent text or another one."""
    found = _RFC3339.fullmatch(str(text).strip()) if text else None
    if found is None:
        return None
    date, time, fraction, zone = found.groups()
    offset = "+00:00" if zone in "Zz" else zone
    try:
        # Python before 3.11 takes a fraction in some lengths only.
        moment = datetime.fromisoformat(f"{date}T{time}.{(fraction or '0').ljust(6, '0')}{offset}")
        return moment.astimezone(timezone.utc)
    # The 31st of February, or what lies outside of the years that Python knows.
    except (ValueError, OverflowError):
        return None


def parse_compact(text: str) -> datetime | None:
    """Return the time that :func:`compact` wrote, in whatever case; None for another text."""
    try:
        return datetime.strptime(text, _COMPACT).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def parse_http_date(text: str | None) -> datetime | None:
    """Return the time of the header Date; None where it is absent or something else."""
    try:
        return parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None


def read_time(text: t.Any, option: str) -> datetime:
    """Return the time that an RFC 3339 text means; raise InvalidInput that names the option."""
    moment = parse_time(text)
    if moment is None:
        raise InvalidInput(
            f"{option} is {str(text)[:80]!r}; allowed is an RFC 3339 time with its zone, such as {rfc3339(utc_now())}."
        )
    return moment


def read_end(text: t.Any, option: str) -> datetime:
    """Return the end of a day in UTC, or the RFC 3339 time that a text means; raise InvalidInput.

    The error names the option.
    """
    words = str(text).strip()
    whole_day = _DATE.fullmatch(words)
    moment = parse_time(f"{words}T00:00:00Z" if whole_day else words)
    # The last day that Python knows has no end.
    with contextlib.suppress(OverflowError):
        if moment is not None:
            return moment + timedelta(days=1) if whole_day else moment
    raise InvalidInput(
        f"{option} is {words[:80]!r}; allowed are a date such as 2026-12-31 and a time such as 2026-12-31T12:00:00Z."
    )


def span(seconds: float, digits: int = 0) -> str:
    """Return a length of time in the largest unit of which there are two, as in ``36 h``; 0 for a negative one.

    ``digits`` are those behind the point, where two that are close have to be told apart.
    """
    for size, unit in ((DAY, "d"), (HOUR, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{max(seconds, 0.0):.{digits}f} s"


def ago(then: datetime, now: datetime) -> str:
    return f"{span((now - then).total_seconds())} ago"
