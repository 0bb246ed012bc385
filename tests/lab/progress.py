# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a build with Go is: what of it is done, of how much, and how long the rest will take at the same rate.

Go keeps each module that it has fetched and each package that it has compiled, so a build that is interrupted goes on
where it was. Both are therefore counted from what is missing when the build begins.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS_BETWEEN_LINES = 15.0
_SECONDS_OF_A_RATE = 30.0
_SHARE_OF_A_RATE = 0.03
"""A rate over less says nothing about the rest."""


class Progress:
    """Says every few seconds how much of a task is done. `total` and `done` have the same unit, whatever it is."""

    def __init__(
        self, what: str, total: float, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._total, self._say, self._clock = what, total, say, clock
        self._started = clock()
        self._said = self._started - SECONDS_BETWEEN_LINES

    def show(self, done: float, counted: str) -> None:
        """Say it if it was last said some seconds ago; `counted` is what is done in words, as "3 of 7 modules"."""
        now = self._clock()
        if not self._total or now - self._said < SECONDS_BETWEEN_LINES:
            return
        self._said = now
        share = min(done / self._total, 1.0)
        self._say(f"{self._what}: {counted} ({share:.0%}){_remaining(now - self._started, share)}")


def _remaining(seconds: float, share: float) -> str:
    if seconds < _SECONDS_OF_A_RATE or not _SHARE_OF_A_RATE <= share < 1:
        return ""
    left = seconds / share * (1 - share)
    return f", about {left / 60:.0f} min left" if left >= 90 else f", about {max(left, 1):.0f} s left"


class MissingModules:
    """The modules that `go.sum` names and Go's module cache lacks; none where there is no such file."""

    def __init__(self, sums: Path, cache: Path) -> None:
        lines = sums.read_text().splitlines() if sums.exists() else []
        zips = [_zip(cache, *line.split()[:2]) for line in lines if "/go.mod " not in line]
        self._missing = [path for path in zips if not path.exists()]
        self.total = len(self._missing)

    def fetched(self) -> int:
        """Return how many of them are there now."""
        self._missing = [path for path in self._missing if not path.exists()]
        return self.total - len(self._missing)


def _zip(cache: Path, module: str, version: str) -> Path:
    escaped = ["".join(f"!{c.lower()}" if c.isupper() else c for c in text) for text in (module, version)]
    return cache / "cache" / "download" / escaped[0] / "@v" / f"{escaped[1]}.zip"


_START_OF_A_COMPILER = 30_000
"""Bytes of source that take as long to compile as the compiler takes to start."""


@dataclass(frozen=True)
class Package:
    """A package of a build. Its `cost` is in bytes of source, which says better than a count how long a build takes."""

    path: str
    cost: int
    stale: bool
    """Whether it has to be compiled."""


def packages(listed: str) -> list[Package]:
    """Read what `go list -json=ImportPath,Dir,GoFiles,Stale` prints: one JSON object after the other."""
    return [
        Package(each["ImportPath"], _cost(each["Dir"], each.get("GoFiles") or []), each.get("Stale", False))
        for each in _objects(listed)
    ]


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        found, end = decoder.raw_decode(text, at)
        yield found
        at = end + len(text[end:]) - len(text[end:].lstrip())


def _cost(folder: str, names: Iterable[str]) -> int:
    return _START_OF_A_COMPILER + sum(os.stat(os.path.join(folder, name)).st_size for name in names)
