# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill flushes at random moments while an application writes, 200 of them, and count what was lost: nothing may be.

`python tests/bench/kills.py` plays seeds 0 to 199 and writes .cache/bench/kills.json;
`python tests/bench/kills.py --first 7 --count 1` plays one again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from integration.interrupted import Arena, Outcome, case  # noqa: E402

RESULTS = ROOT / ".cache" / "bench" / "kills.json"
SEEDS = 200


def play(seeds: range) -> list[Outcome]:
    """Play seeds one after the other, and say how each went."""
    outcomes = []
    with Arena() as arena:
        for seed in seeds:
            outcome = arena.play(case(seed))
            outcomes.append(outcome)
            verdict = "WRONG" if outcome.problems else "ok"
            print(
                f"  {outcome.case!s:<60} {' and '.join(outcome.landed):<50} {outcome.seconds:5.1f} s  {verdict}",
                flush=True,
            )
            for problem in outcome.problems:
                print(f"      {problem}", flush=True)
    return outcomes


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Return the figures of the closing table."""
    return {
        "flushes": len(outcomes),
        "hit while they worked": sum(outcome.interrupted for outcome in outcomes),
        "kills": sum(len(outcome.landed) for outcome in outcomes),
        "acknowledged writes": sum(outcome.writes for outcome in outcomes),
        "keys compared": sum(outcome.keys for outcome in outcomes),
        "flushes with lost keys or another problem": sum(bool(outcome.problems) for outcome in outcomes),
        "longest until it had stopped, s": round(max(outcome.stopped_after for outcome in outcomes), 2),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
    }


def kills(count: int = SEEDS, first: int = 0) -> int:
    """Play, print the tables, write the results; return how many flushes had a problem."""
    outcomes = play(range(first, first + count))
    figures = summary(outcomes)
    for name, value in figures.items():
        print(f"  {name:<72} {value:>12,}")
    for title, counted in (
        ("ended", Counter(outcome.case.way for outcome in outcomes)),
        ("hit", Counter(place for outcome in outcomes for place in outcome.landed)),
    ):
        for name, number in counted.most_common():
            print(f"  {title + ' ' + name:<72} {number:>12,}")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(outcome), "interrupted": outcome.interrupted} for outcome in outcomes]
    RESULTS.write_text(json.dumps({"summary": figures, "outcomes": rows}, indent=2) + "\n")
    print(f"  figures: {RESULTS}")
    return int(figures["flushes with lost keys or another problem"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    sys.exit(1 if kills(chosen.count, chosen.first) else 0)


if __name__ == "__main__":
    main()
