# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make soak`: play campaigns, or go on with them, and end with a table.

    make soak                              all parts
    make soak PART="kills slots"           some
    make soak PART=kills SEEDS=20          its first seeds
    make soak PART=kills SEEDS=40-59       these seeds
    make soak PART=kills SEEDS=7-7 AGAIN=yes  one that was played already
    make soak RECORD=yes                   and put what was played to its end into docs/performance.md

What is played already is not played again until a file changes on which it depends. The exit code is 0 if no seed has
failed, 1 if one has, 2 for a mistake, and 130 after Ctrl-C, which loses nothing but the seed that it is at.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from typing import NoReturn

import yaml

from tools.tree import ROOT

from .campaign import Log, Part, Summary, play, record, state_of_tree, table
from .parts import PARTS

PAGE = ROOT / "docs" / "performance.md"


class Mistake(Exception):
    """One sentence for whoever has called."""


def seeds_of(text: str, part: Part) -> range:
    """Return the seeds that a text names: a count, a range, or all of a part's if it is empty."""
    if not text:
        return range(part.seeds)
    if found := re.fullmatch(r"(\d+)(?:-(\d+))?", text):
        first, last = (int(found[1]), int(found[2])) if found[2] else (0, int(found[1]) - 1)
        if first <= last:
            return range(first, last + 1)
    raise Mistake(f"SEEDS is {text!r}; allowed is a count from 1 on (200), or a range (0-199, 7-7).")


def parts_of(text: str) -> list[Part]:
    """Return the parts that a text names, or all."""
    names = text.split() or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        raise Mistake(f"PART names {', '.join(unknown)}; allowed are {', '.join(PARTS)}.")
    return [PARTS[name] for name in dict.fromkeys(names)]


def campaign(parts: list[Part], seeds: str, *, again: bool, recorded: bool) -> int:
    """Play, print the closing table, and return the exit code."""
    wanted = {part.name: seeds_of(seeds, part) for part in parts}
    state = state_of_tree()
    logs = {part.name: Log(part.name, state) for part in parts}
    interrupted = False
    try:
        for part in parts:
            known = set() if again else {one.seed for one in logs[part.name].read()}
            if done := known & set(wanted[part.name]):
                print(f"  {part.name}: {len(done)} of {len(wanted[part.name])} seeds are played already", flush=True)
            play(part, [seed for seed in wanted[part.name] if seed not in known], logs[part.name])
    except KeyboardInterrupt:
        interrupted = True
    summaries = [
        Summary(part, len(wanted[part.name]), [one for one in logs[part.name].read() if one.seed in wanted[part.name]])
        for part in parts
    ]
    _print(summaries, state)
    if recorded:
        _record(summaries, state)
    if interrupted:
        print("\ninterrupted; the same command goes on with the seeds that are left")
        return 130
    return 1 if any(summary.failed for summary in summaries) else 0


def _print(summaries: list[Summary], state: str) -> None:
    print(f"\n{table(summaries)}\n")
    for summary in summaries:
        for kind, number in sorted(summary.kinds.items()):
            print(f"  {summary.part.name:<12} {kind:<60} {number:>5}")
    for summary in summaries:
        for seed, problems in summary.failed.items():
            name = summary.part.name
            print(f"\n{name}, seed {seed} failed: {problems[0]}")
            print(f"  play it again: make soak PART={name} SEEDS={seed}-{seed} AGAIN=yes")
    print(f"\noutcomes: {Log('', state).path.parent}", flush=True)


def _record(summaries: list[Summary], state: str) -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    for summary in summaries:
        missing = set(range(summary.part.seeds)) - summary.seeds
        if missing:
            print(f"{summary.part.name} is not recorded: {len(missing)} of its {summary.part.seeds} seeds are left")
        else:
            record(summary, PAGE, f"{version} ({state})")
            print(f"{summary.part.name} is recorded in {PAGE.relative_to(ROOT)}")


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="", metavar="NAMES")
    parser.add_argument("--seeds", default="", metavar="COUNT|FIRST-LAST")
    parser.add_argument("--again", default="", choices=("", "yes", "no"))
    parser.add_argument("--record", default="", choices=("", "yes", "no"))
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        parts = parts_of(chosen.part)
        return campaign(parts, chosen.seeds, again=chosen.again == "yes", recorded=chosen.record == "yes")
    except Mistake as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
