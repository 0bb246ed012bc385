# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Charts: what they draw, and what their axes say."""

from __future__ import annotations

import re

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._report import chart
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import Series


def drawn(series: Series) -> list[tuple[float, float]]:
    """The corners of the line in a chart."""
    lines = re.findall(r'<path class="line" d="M([^"]*)"', chart.line_chart(series))
    return [tuple(map(float, corner.split())) for line in lines for corner in line.split("L")]  # type: ignore[misc]


def labels(series: Series, kind: str) -> list[str]:
    return re.findall(rf'<text class="{kind}"[^>]*>([^<]*)<', chart.line_chart(series))


def series_of(*points: tuple[float, float | None], unit: str = "") -> Series:
    return Series("s", unit, points)


@pytest.mark.parametrize("points", [(), ((0.0, None), (1.0, None))])
def test_a_chart_without_values_says_so(points: tuple[tuple[float, float | None], ...]) -> None:
    assert "no values" in chart.line_chart(series_of(*points))
    assert chart.sparkline(series_of(*points)) == ""


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e-9, 1e15])
def test_a_chart_of_one_point_or_of_a_constant_lies_inside(value: float) -> None:
    single = chart.line_chart(series_of((3.0, value)))
    assert '<circle class="dot"' in single
    assert "nan" not in single
    corners = drawn(series_of((0.0, value), (1.0, value)))
    assert len(corners) == 2
    assert len({y for _x, y in corners}) == 1
    assert all(0 <= x <= 460 and 0 <= y <= 200 for x, y in corners)


def test_a_chart_draws_the_course() -> None:
    corners = drawn(series_of((0, 200), (1, 50), (2, 0)))
    assert [x for x, _y in corners] == sorted({x for x, _y in corners})
    (top, middle, bottom) = (y for _x, y in corners)
    assert top < middle < bottom, "more is higher"
    assert (bottom - middle) / (bottom - top) == pytest.approx(50 / 200, abs=0.01)


def test_a_chart_sorts_its_points() -> None:
    assert drawn(series_of((2, 0), (0, 200), (1, 50))) == drawn(series_of((0, 200), (1, 50), (2, 0)))


def test_a_gap_is_no_line() -> None:
    source = chart.line_chart(series_of((0, 1), (1, 2), (2, None), (3, 2), (4, 1)))
    assert source.count('class="line"') == 2
    assert chart.sparkline(series_of((0, 1), (1, None), (2, 1))) == "█ █"


def test_many_points_become_few_without_losing_a_peak() -> None:
    points = [(float(number), 1.0) for number in range(100_000)]
    points[54_321] = (54_321.0, 99.0)
    points[77_777] = (77_777.0, -9.0)
    few = chart.downsample(points)
    assert len(few) <= 300
    assert {points[0], points[-1], points[54_321], points[77_777]} <= set(few)
    assert few == sorted(few)
    assert len(drawn(Series("s", "", tuple(points)))) <= 300


@pytest.mark.parametrize(
    ("unit", "high", "expected"),
    [
        ("keys", 200_000, ["0", "50k", "100k", "150k", "200k"]),
        ("keys/s", 3_000_000, ["0", "1M", "2M", "3M"]),
        ("bytes", 4 * 1024**2, ["0", "1 MiB", "2 MiB", "3 MiB", "4 MiB"]),
        ("ms", 4, ["0", "1 ms", "2 ms", "3 ms", "4 ms"]),
        ("s", 0.4, ["0", "100 ms", "200 ms", "300 ms", "400 ms"]),
        ("%", 100, ["0", "25 %", "50 %", "75 %", "100 %"]),
    ],
)
def test_the_axis_has_round_values_with_units(unit: str, high: float, expected: list[str]) -> None:
    assert labels(series_of((0, 0), (1, high), unit=unit), "y") == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (2, ["0 s", "0.5 s", "1 s", "1.5 s", "2 s"]),
        (60, ["0 s", "10 s", "20 s", "30 s", "40 s", "50 s", "1 min"]),
        (3600, ["0 s", "10 min", "20 min", "30 min", "40 min", "50 min", "1 h"]),
    ],
)
def test_the_time_axis_has_round_values(seconds: float, expected: list[str]) -> None:
    assert labels(series_of((0, 1), (seconds, 2)), "x") == expected


def test_values_that_hardly_differ_are_not_flattened() -> None:
    ys = [y for _x, y in drawn(series_of((0, 970), (1, 971), (2, 970)))]
    assert max(ys) - min(ys) > 50
