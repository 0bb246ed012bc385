# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the build of the lab's programs says of itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.progress import MissingModules, Progress, packages


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def compiling(lines: list[str], clock: Clock) -> Callable[[float], Progress]:
    return lambda total: Progress("compiling", total, lines.append, clock)


def test_the_rest_takes_as_long_as_the_rate_so_far_says(
    compiling: Callable[[float], Progress], lines: list[str], clock: Clock
) -> None:
    progress = compiling(200)
    progress.show(0, "0 of 20 packages")
    for after, done, counted in ((100, 50, "4"), (200, 150, "12"), (240, 190, "19"), (260, 200, "20")):
        clock.now = 1000 + after
        progress.show(done, f"{counted} of 20 packages")
    assert lines == [
        "compiling: 0 of 20 packages (0%)",
        "compiling: 4 of 20 packages (25%), about 5 min left",
        "compiling: 12 of 20 packages (75%), about 67 s left",
        "compiling: 19 of 20 packages (95%), about 13 s left",
        "compiling: 20 of 20 packages (100%)",
    ]


def test_it_is_not_said_more_often_than_one_reads(
    compiling: Callable[[float], Progress], lines: list[str], clock: Clock
) -> None:
    progress = compiling(100)
    for second in range(31):
        clock.now = 1000 + second
        progress.show(second, f"{second} of 100 packages")
    assert [line.split()[1] for line in lines] == ["0", "15", "30"]


def test_nothing_is_said_where_nothing_is_missing(compiling: Callable[[float], Progress], lines: list[str]) -> None:
    compiling(0).show(0, "0 of 0 packages")
    assert lines == []


def test_modules_are_found_where_go_keeps_them(tmp_path: Path) -> None:
    sums = tmp_path / "go.sum"
    sums.write_text(
        "example.org/one v1.0.0 h1:x=\n"
        "example.org/one v1.0.0/go.mod h1:x=\n"
        "example.org/Two v2.0.0-RC1+incompatible h1:x=\n"
        "example.org/unused v1.0.0/go.mod h1:x=\n"
    )
    downloads = tmp_path / "cache" / "download" / "example.org"
    missing = MissingModules(sums, tmp_path)
    assert (missing.total, missing.fetched()) == (2, 0)
    for name in ("one/@v/v1.0.0.zip", "!two/@v/v2.0.0-!r!c1+incompatible.zip"):
        (downloads / name).parent.mkdir(parents=True)
        (downloads / name).touch()
    assert missing.fetched() == 2
    assert MissingModules(sums, tmp_path).total == 0


def test_who_requires_no_module_lacks_none(tmp_path: Path) -> None:
    assert MissingModules(tmp_path / "go.sum", tmp_path).total == 0


def test_packages_are_measured_by_their_source_and_their_number(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_bytes(b"x" * 30)
    (tmp_path / "b.go").write_bytes(b"x" * 12)
    listed = (
        '{"ImportPath": "unsafe", "Dir": "/nowhere"}\n'
        f'{{"ImportPath": "example.org/one", "Dir": "{tmp_path}", "GoFiles": ["a.go", "b.go"], "Stale": true}}\n'
    )
    empty, one = packages(listed)
    assert (empty.path, empty.stale, one.path, one.stale) == ("unsafe", False, "example.org/one", True)
    assert one.cost - empty.cost == 42 < empty.cost
