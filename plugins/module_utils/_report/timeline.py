# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""What happened or will happen when, as inline SVG: one row for each event, coloured by its severity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from html import escape

from .._time import clock
from .model import MAX_EVENTS, Event
from .text import shorten, visible
from .wording import SEVERITY_MARKS, heading

Scale = Callable[[datetime], float]

_WIDTH, _ROW, _TOP, _BOTTOM = 980.0, 22, 24, 24
_LEFT, _RIGHT = 280.0, 240.0
_LONGEST_NAME, _LONGEST_NOTE = 40, 36
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_STEPS = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(hours * 3600 for hours in (1, 2, 3, 6, 12)),
    *(days * 86400 for days in (1, 2, 7, 14, 30, 90, 182, 365, 730, 1825, 3650)),
)


def picture(events: Sequence[Event], now: datetime) -> str:
    """Return the first events in their order, on one axis of time; ``now`` is marked where it is within."""
    shown = events[:MAX_EVENTS]
    moments = [moment for event in shown for moment in (event.start, event.end or event.start)]
    start, end = min(moments), max(moments)
    span = max((end - start).total_seconds(), 0.001)
    height = _TOP + _ROW * len(shown) + _BOTTOM
    baseline = height - _BOTTOM + 4

    def x_of(moment: datetime) -> float:
        share = (moment - start).total_seconds() / span if end > start else 0.5
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    parts = [
        f'<svg class="chart timeline" viewBox="0 0 {_WIDTH:g} {height}" role="img" aria-label="timeline">',
        f'<path class="axis" d="M{_LEFT:g} {baseline}H{_WIDTH - _RIGHT:g}"/>',
    ]
    for tick, text in _ticks(start, end):
        x = x_of(tick)
        parts.append(f'<path class="grid" d="M{x:g} {_TOP - 6}V{baseline}"/>')
        parts.append(f'<text text-anchor="middle" x="{x:g}" y="{height - 6}">{text}</text>')
    if start <= now <= end and end > start:
        parts.append(f'<path class="now" d="M{x_of(now):g} {_TOP - 6}V{baseline}"/>')
        parts.append(f'<text text-anchor="middle" x="{x_of(now):g}" y="{_TOP - 11}">now</text>')
    for row, event in enumerate(shown):
        y = _TOP + row * _ROW
        name = _short(heading(event.name), _LONGEST_NAME)
        note = _short(f"{SEVERITY_MARKS[event.severity]} {event.note or event.severity}", _LONGEST_NOTE)
        when = clock(event.start) + (f" to {clock(event.end)}" if event.end else "")
        title = escape(visible(shorten(f"{event.name}: {event.severity}, {when}. {event.note}", 500)))
        parts.append(
            f'<g><title>{title}</title><text class="name end" x="{_LEFT - 10:g}" y="{y + 13}">{name}</text>'
            f"{_mark(event, x_of, y)}"
            f'<text class="{event.severity}" x="{_WIDTH - _RIGHT + 14:g}" y="{y + 13}">{note}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _mark(event: Event, x_of: Scale, y: int) -> str:
    if event.end is None:
        return f'<circle class="{event.severity}" cx="{x_of(event.start):g}" cy="{y + 9}" r="4.5"/>'
    left, right = x_of(event.start), x_of(event.end)
    # However short, it has to be seen.
    width = max(2.0, right - left)
    return f'<rect class="{event.severity}" x="{left:g}" y="{y + 3}" width="{width:.1f}" height="12" rx="2"/>'


def _short(text: str, limit: int) -> str:
    text = visible(text)
    return escape(text if len(text) <= limit else text[: limit - 1] + "…")


def _ticks(start: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Round moments with their words: at most seven dates, times, or both."""
    span = (end - start).total_seconds()
    step = next((step for step in _STEPS if span / step <= 6), _STEPS[-1])
    words = "%Y-%m-%d" if step >= 86400 else "%m-%d %H:%M" if span > 86400 else "%H:%M:%S" if step < 60 else "%H:%M"
    first = math.ceil((start - _EPOCH).total_seconds() / step)
    last = math.floor((end - _EPOCH).total_seconds() / step)
    for number in range(first, last + 1):
        moment = _EPOCH + timedelta(seconds=number * step)
        yield moment, moment.strftime(words)
