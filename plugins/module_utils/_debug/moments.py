# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times as the API server writes them, and as people say them. PRIVATE to the collection."""

from __future__ import annotations

from datetime import datetime, timezone


def moment(text: str | None) -> datetime | None:
    """Return the moment that a text of the API server means, or None for an absent or another one."""
    try:
        # With or without a fraction, which Python before 3.11 takes in some lengths only.
        return datetime.strptime((text or "").partition(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S").replace(
            tzinfo=timezone.utc
        )
    except ValueError:
        return None


def span(seconds: float) -> str:
    """Return a duration in its largest unit, as in ``3 min``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def ago(then: datetime, now: datetime) -> str:
    return f"{span((now - then).total_seconds())} ago"
