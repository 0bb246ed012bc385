# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns that go on where they stopped: play seeds, keep what came of each, and sum it up.

Each seed's outcome is a line of JSON below `.cache/soak/<hash>/`, where the hash is that of all files on which an
outcome depends. What was played with other files does not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from tools.tree import ROOT, tracked

_DECISIVE = ("plugins/", "roles/", "playbooks/", "tests/lab/", "tests/soak/", "tests/support/", "requirements")


@dataclass(frozen=True)
class Played:
    """What came of one seed."""

    seed: int
    case: str
    hit: bool
    """Whether it came while the runbook was at work."""
    problems: list[str] = field(default_factory=list)
    writes: int = 0
    """Writes of an application that were acknowledged meanwhile."""
    seconds: float = 0.0
    kinds: list[str] = field(default_factory=list)
    """What is counted over all seeds, such as the places where kills landed."""
    ended: str = ""
    """When, as RFC 3339."""


Player = Callable[[int], Played]


@dataclass(frozen=True)
class Part:
    """One campaign: `players` returns a context manager in which seeds are played, of which `seeds` are the whole."""

    name: str
    what: str
    seeds: int
    players: Callable[[], AbstractContextManager[Player]]


def state_of_tree() -> str:
    """Return a hash of the files on which outcomes depend, committed or not."""
    digest = hashlib.sha256()
    for name in tracked():
        if name.startswith(_DECISIVE):
            content = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
            digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()[:12]


class Log:
    """The outcomes of one part with one state of the tree."""

    def __init__(self, part: str, state: str) -> None:
        self.path = ROOT / ".cache" / "soak" / state / f"{part}.jsonl"

    def read(self) -> list[Played]:
        """Return the outcomes so far, in the order of the seeds; of one that was played again, all."""
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        played = [Played(**json.loads(line)) for line in lines if line.endswith(b"}\n")]
        return sorted(played, key=lambda one: one.seed)

    def append(self, played: Played) -> None:
        """Keep an outcome, whatever ends this process next."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        line = json.dumps(asdict(played), separators=(",", ":")).encode() + b"\n"
        with self.path.open("ab") as file:
            # one write: what a crash has torn stays apart from it
            file.write(b"\n" * torn + line)
            file.flush()
            os.fsync(file.fileno())


def play(part: Part, seeds: Iterable[int], log: Log) -> None:
    """Play seeds, print and keep what came of each. A seed that raises is one with a problem."""
    left = list(seeds)
    while left:
        with part.players() as player:
            sound = True
            while left and sound:
                seed, started = left.pop(0), time.monotonic()
                try:
                    played = player(seed)
                except Exception as error:
                    # the servers may not be what they were
                    sound = False
                    played = Played(seed, f"seed {seed}", hit=False, problems=[f"{type(error).__name__}: {error}"])
                ended = datetime.now(timezone.utc).isoformat(timespec="seconds")
                seconds = round(time.monotonic() - started, 1)
                played = Played(**{**asdict(played), "seconds": seconds, "ended": ended})
                log.append(played)
                verdict = "FAILED" if played.problems else "ok" if played.hit else "ok, missed"
                print(f"  {part.name:<12} {played.case:<78} {seconds:6.1f} s  {verdict}", flush=True)
                for problem in played.problems:
                    print(f"      {problem}", flush=True)


@dataclass(frozen=True)
class Summary:
    """The figures of a part over some of its seeds."""

    part: Part
    wanted: int
    played: list[Played]

    @property
    def seeds(self) -> set[int]:
        """The seeds that were played."""
        return {one.seed for one in self.played}

    @property
    def failed(self) -> dict[int, list[str]]:
        """The seeds that ever had a problem, with the first ones' problems."""
        found: dict[int, list[str]] = {}
        for one in self.played:
            if one.problems:
                found.setdefault(one.seed, one.problems)
        return found

    @property
    def hit(self) -> int:
        """How many seeds came while the runbook was at work."""
        return len({one.seed for one in self.played if one.hit})

    @property
    def writes(self) -> int:
        return sum(one.writes for one in self.played)

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.played)

    @property
    def kinds(self) -> Counter[str]:
        return Counter(kind for one in self.played for kind in one.kinds)


def table(summaries: Iterable[Summary]) -> str:
    """Return the closing table."""
    lines = [f"{'part':<12} {'seeds':>6} {'played':>7} {'hit':>5} {'failed':>7} {'writes':>10} {'seconds':>9}"]
    lines += [
        f"{one.part.name:<12} {one.wanted:>6} {len(one.seeds):>7} {one.hit:>5} {len(one.failed):>7} {one.writes:>10,}"
        f" {one.seconds:>9,.1f}"
        for one in summaries
    ]
    return "\n".join(lines)


def record(summary: Summary, page: Path, version: str) -> None:
    """Replace the row of a part in the table of campaigns of a page."""
    day = max(one.ended for one in summary.played)[:10]
    name = f"| `{summary.part.name}` |"
    row = (
        f"{name} {summary.part.what} | {len(summary.seeds)} | {summary.hit} | {len(summary.failed)} |"
        f" {summary.writes:,} | {summary.seconds / 60:.0f} min | {day}, {version} |"
    )
    lines = page.read_text(encoding="utf-8").splitlines()
    if not any(line.startswith(name) for line in lines):
        raise LookupError(f"{page} has no row for {summary.part.name}")
    lines = [row if line.startswith(name) else line for line in lines]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
