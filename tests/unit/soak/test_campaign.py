# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns go on where they stopped, and no failure is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import soak.__main__ as command
from soak import campaign
from soak.campaign import Log, Part, Played, Player


class Stage:
    """A part whose seeds may fail, raise or be interrupted; `opened` counts its arenas."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.setattr(campaign, "ROOT", folder)
        monkeypatch.setattr(command, "state_of_tree", lambda: "state")
        self.part = Part("part", "what it is", 4, self._players)
        self.played: list[int] = []
        self.opened = 0
        self.bad: dict[int, BaseException | str] = {}
        self.log = Log("part", "state")

    @contextmanager
    def _players(self) -> Iterator[Player]:
        self.opened += 1
        yield self._play

    def _play(self, seed: int) -> Played:
        self.played.append(seed)
        bad = self.bad.get(seed, "")
        if isinstance(bad, BaseException):
            raise bad
        return Played(seed, f"case {seed}", hit=seed != 3, problems=[bad] if bad else [], writes=10)

    def run(self, seeds: str = "", *, again: bool = False) -> int:
        self.played.clear()
        return command.campaign([self.part], seeds, again=again, recorded=False)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    return Stage(monkeypatch, tmp_path)


def test_it_goes_on_after_an_interruption(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.bad[2] = KeyboardInterrupt()
    assert stage.run() == 130
    assert "the same command goes on" in capsys.readouterr().out
    stage.bad.clear()
    assert stage.run() == 0
    assert stage.played == [2, 3]
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("part  ") and "40" in line)
    assert line.split()[:6] == ["part", "4", "4", "3", "0", "40"]
    assert stage.run() == 0
    assert stage.played == []


def test_a_failure_stays_and_says_how_to_play_it_again(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.bad = {1: "a key is lost", 2: TimeoutError("no failover")}
    assert stage.run() == 1
    said = capsys.readouterr().out
    assert "part, seed 1 failed: a key is lost" in said and "part, seed 2 failed: TimeoutError: no failover" in said
    assert "make soak PART=part SEEDS=2-2 AGAIN=yes" in said
    # what raised may have left its servers in any state
    assert (stage.opened, stage.played) == (2, [0, 1, 2, 3])
    stage.bad.clear()
    assert stage.run("1-1", again=True) == 1
    assert stage.played == [1]


def test_a_torn_line_is_played_again(stage: Stage) -> None:
    assert stage.run("2") == 0
    content = stage.log.path.read_bytes()
    stage.log.path.write_bytes(content[:-20])
    assert stage.run("2") == 0
    assert stage.played == [1]
    assert [one.seed for one in stage.log.read()] == [0, 1]


@pytest.mark.parametrize("text", ["0", "x", "3-1", "-1", "1-"])
def test_a_mistake_gets_one_sentence(stage: Stage, text: str) -> None:
    with pytest.raises(command.Mistake, match=r"SEEDS is .*; allowed is .*\.$"):
        stage.run(text)


def test_a_record_replaces_its_row(stage: Stage, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| `other` | x |\n| `part` | what it is | | | | | | not yet |\nthe end\n")
    stage.run()
    campaign.record(campaign.Summary(stage.part, 4, stage.log.read()), page, "1.0.0 (state)")
    other, row, end = page.read_text().splitlines()
    assert (other, end) == ("| `other` | x |", "the end")
    assert row.startswith("| `part` | what it is | 4 | 3 | 0 | 40 | 0 min | 20") and row.endswith(", 1.0.0 (state) |")


def test_each_part_has_a_row_of_the_page() -> None:
    lines = command.PAGE.read_text(encoding="utf-8").splitlines()
    for part in command.PARTS.values():
        assert len([line for line in lines if line.startswith(f"| `{part.name}` | {part.what} |")]) == 1
