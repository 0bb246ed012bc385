# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flush that is killed at any moment loses no key, and the same command finishes it.

`tests/bench/kills.py` plays more seeds, or one again: `python tests/bench/kills.py --first 7 --count 1`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from integration import loss
from integration.interrupted import WAYS, Arena, Outcome, arguments, case

from support.ansible import start_playbook
from support.processes import wait_until
from support.servers import RedisServer

SEEDS = range(len(WAYS))

Play = Callable[[int], Outcome]


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    """Return what plays the case of a seed, once."""
    with Arena() as arena:
        yield functools.cache(lambda seed: arena.play(case(seed)))


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: str(case(seed)))
def test_nothing_is_lost(play: Play, seed: int) -> None:
    outcome = play(seed)
    assert outcome.problems == [], f"{outcome.case} ({' and '.join(outcome.landed)})"
    assert outcome.writes > 0


def test_the_kills_hit_what_they_should(play: Play) -> None:
    """A kill before the run or after it proves nothing."""
    outcomes = [play(seed) for seed in SEEDS]
    hit = [outcome for outcome in outcomes if outcome.interrupted]
    assert len(hit) >= 0.6 * len(outcomes), [(str(outcome.case), outcome.landed) for outcome in outcomes]
    places = {place for outcome in hit for place in outcome.landed}
    assert len(places) >= 3, places


def test_a_playbook_whose_module_is_killed_fails_and_can_be_repeated(redis70: RedisServer, tmp_path: Path) -> None:
    cache = loss.Cache(redis70, keys=76, big_keys=7)
    cache.fill()
    variables = {
        **{f"flush_redis_{name}": value for name, value in arguments(redis70.url, tmp_path).items()},
        "flush_redis_rate_limit": 60,
        "flush_redis_reports_dir": str(tmp_path / "reports"),
        "flush_redis_force": True,
        "flush_redis_recovery_timeout": 0,
    }
    with start_playbook("flush_redis", variables) as running:
        wait_until(lambda: bool(loss.parts(loss.runs_in(tmp_path))), 60, "the first saved key")
        running.kill_module("redis_flush")
        done = running.wait()
    assert done.rc == 2
    assert "Traceback" not in done.output
    (run,) = loss.runs_in(tmp_path)

    with start_playbook("flush_redis", {**variables, "flush_redis_rate_limit": 0}) as running:
        repeated = running.wait()
    assert repeated.rc == 0
    assert f"{run.name} did not finish; this command continues it" in " ".join(repeated.output.split())
    assert cache.left() == []
