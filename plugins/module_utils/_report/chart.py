# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""A line chart as inline SVG that needs neither script nor style sheet of its own, and a sparkline in plain text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from .model import Series
from .text import amount, count, duration, visible

Points = Sequence["tuple[float, float | None]"]
Scale = Callable[[float], float]

MAX_POINTS = 300
_MAX_READINGS = 60
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_BLOCKS = "▁▂▃▄▅▆▇█"
_BYTE_UNITS = ("B", "bytes", "B/s", "bytes/s")


def downsample(points: Points, limit: int = MAX_POINTS) -> list[tuple[float, float | None]]:
    """At most ``limit`` points that keep the first, the last and every peak and dip worth seeing."""
    if len(points) <= limit:
        return list(points)
    inner = points[1:-1]
    buckets = max(1, (limit - 2) // 2)
    kept = [points[0]]
    for number in range(buckets):
        bucket = inner[number * len(inner) // buckets : (number + 1) * len(inner) // buckets]
        known = [point for point in bucket if point[1] is not None]
        if known:
            extremes = {min(known, key=_value), max(known, key=_value)}
            kept.extend(sorted(extremes, key=lambda point: point[0]))
        elif bucket:
            kept.append(bucket[0])
    kept.append(points[-1])
    return kept


def _value(point: tuple[float, float | None]) -> float:
    return point[1] or 0.0


def known_values(series: Series) -> list[float]:
    return [value for _seconds, value in series.points if value is not None]


def sparkline(series: Series, width: int = 40) -> str:
    """The curve in one line of text; a value that could not be measured is a blank."""
    points = sorted(series.points, key=lambda point: point[0])
    if not known_values(series):
        return ""
    step = max(1.0, len(points) / width)
    picked = [points[int(number * step)][1] for number in range(min(width, len(points)))]
    picked[-1] = points[-1][1]
    known = [value for value in picked if value is not None] or [0.0]
    low, high = min(0.0, *known), max(0.0, *known)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if value is None else _BLOCKS[round((value - low) * scale)] for value in picked)


def _nice_step(span: float, target: int) -> float:
    raw = span / target
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def _value_ticks(low: float, high: float, unit: str) -> list[float]:
    """Round values that enclose the range, in powers of 1024 for bytes."""
    scale = 1.0
    if unit in _BYTE_UNITS:
        scale = 1024.0 ** max(0, min(4, int(math.log(max(abs(low), abs(high), 1.0), 1024))))
    step = _nice_step((high - low) / scale, 4) * scale
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _time_ticks(start: float, end: float) -> list[float]:
    span = end - start
    if span <= 8:
        step = _nice_step(span, 5)
    else:
        step = next((step for step in _TIME_STEPS if span / step <= 7), 86400.0 * math.ceil(span / 86400 / 7))
    first = math.ceil(start / step - 1e-9)
    return [number * step for number in range(first, math.floor(end / step + 1e-9) + 1)]


def _value_range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return (0.0, low * 1.25) if low > 0 else (low * 1.25, 0.0) if low < 0 else (0.0, 1.0)
    if 0 <= low <= 0.6 * high:
        low = 0.0
    elif 0.6 * low <= high <= 0:
        high = 0.0
    return low, high


def line_chart(series: Series, wide: bool = False) -> str:
    """The series as an SVG element that scales with its container; colours come from the page's style sheet.

    There are two shapes, as a text of the drawing grows and shrinks with it.
    """
    width, height = (980, 240) if wide else (460, 200)
    name = escape(visible(series.name))
    points = downsample(sorted(series.points, key=lambda point: point[0]))
    values = [value for _seconds, value in points if value is not None]
    shape = "wide" if wide else "narrow"
    head = f'<svg class="chart {shape}" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'
    if not values:
        return f'{head}<text class="empty" x="{width / 2:g}" y="{height / 2:g}">no values</text></svg>'

    ticks = _value_ticks(*_value_range(values), series.unit)
    labels = [amount(tick, series.unit, short=True) for tick in ticks]
    left, right, top, bottom = 14 + 6.2 * max(len(text) for text in labels), 14.0, 24.0, 26.0
    start, end = points[0][0], points[-1][0]
    low, high = ticks[0], ticks[-1]
    baseline = height - bottom

    def x_of(seconds: float) -> float:
        share = (seconds - start) / (end - start) if end > start else 0.5
        return round(left + share * (width - left - right), 1)

    def y_of(value: float) -> float:
        return round(baseline - (value - low) / (high - low) * (baseline - top), 1)

    parts = [head]
    for tick, text in zip(ticks, labels):
        kind = "axis" if tick == low else "grid"
        parts.append(f'<path class="{kind}" d="M{left:g} {y_of(tick):g}H{width - right:g}"/>')
        parts.append(f'<text class="y" x="{left - 8:g}" y="{y_of(tick) + 4:g}">{escape(text)}</text>')
    moments = _time_ticks(start, end) if end > start else [start]
    for tick in moments:
        place = "end" if x_of(tick) > width - 40 else "middle"
        # One unit along the axis: 0.5 s, 1 s, 1.5 s.
        words = f"{count(tick)} s" if tick < 1 <= moments[-1] and tick else duration(tick)
        parts.append(f'<text class="x" text-anchor="{place}" x="{x_of(tick):g}" y="{height - 8:g}">{words}</text>')

    for run in _runs(points):
        path = "L".join(f"{x_of(seconds):g} {y_of(value):g}" for seconds, value in run)
        if low == 0 and len(run) > 1:
            first, last = x_of(run[0][0]), x_of(run[-1][0])
            parts.append(f'<path class="area" d="M{first:g} {baseline:g}L{path}L{last:g} {baseline:g}Z"/>')
        if len(run) > 1:
            parts.append(f'<path class="line" d="M{path}"/>')
        else:
            parts.append(f'<circle class="dot" cx="{x_of(run[0][0]):g}" cy="{y_of(run[0][1]):g}" r="3"/>')
    final = [(seconds, value) for seconds, value in points if value is not None][-1]
    parts.append(f'<circle class="dot" cx="{x_of(final[0]):g}" cy="{y_of(final[1]):g}" r="3.5"/>')
    parts.extend(_readings(points, series.unit, x_of, y_of, (left, width - right, top, baseline)))
    parts.append("</svg>")
    return "".join(parts)


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """The stretches between gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for seconds, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((seconds, value))
    return [run for run in runs if run]


def _readings(points: Points, unit: str, x_of: Scale, y_of: Scale, box: tuple[float, float, float, float]) -> list[str]:
    """Strips that show the value below the pointer: hovering works with a style sheet alone."""
    left, right, top, baseline = box
    known = [(x_of(seconds), y_of(value), seconds, value) for seconds, value in points if value is not None]
    step = max(1.0, len(known) / _MAX_READINGS)
    picked = [known[int(number * step)] for number in range(min(_MAX_READINGS, len(known)))]
    edges = [left, *((one[0] + two[0]) / 2 for one, two in zip(picked, picked[1:])), right]
    parts = []
    for (x, y, seconds, value), begin, end in zip(picked, edges, edges[1:]):
        place = "start" if x < left + 70 else "end" if x > right - 70 else "middle"
        text = escape(f"{amount(value, unit)} at {duration(seconds)}")
        parts.append(
            f'<g class="read"><rect x="{begin:.1f}" y="{top:g}" width="{max(0.1, end - begin):.1f}" '
            f'height="{baseline - top:g}"/><path d="M{x:g} {top:g}V{baseline:g}"/>'
            f'<circle cx="{x:g}" cy="{y:g}" r="3.5"/>'
            f'<text text-anchor="{place}" x="{x:g}" y="{top - 9:g}">{text}</text></g>'
        )
    return parts


def bars(counts: Sequence[tuple[str, float]], unit: str = "", width: int = 560) -> str:
    """A histogram as horizontal bars, labelled with the exact numbers."""
    high = max((value for _label, value in counts), default=0) or 1
    left = 14 + 6.4 * max((len(text) for text, _value in counts), default=0)
    room = width - left - 90
    parts = [f'<svg class="chart bars" viewBox="0 0 {width} {len(counts) * 22 + 4}" role="img">']
    for row, (text, value) in enumerate(counts):
        y = row * 22 + 4
        length = max(1.0, room * value / high) if value > 0 else 0.0
        parts.append(
            f'<text class="y" x="{left - 8:g}" y="{y + 12}">{escape(text)}</text>'
            f'<rect class="bar" x="{left:g}" y="{y}" width="{length:.1f}" height="16" rx="2"/>'
            f'<text class="v" x="{left + length + 6:.1f}" y="{y + 12}">{escape(amount(value, unit))}</text>'
        )
    return "".join([*parts, "</svg>"])
