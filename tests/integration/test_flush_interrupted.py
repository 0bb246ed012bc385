# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flush that is killed at any moment loses no key, and the same command finishes it.

The seeds here end it in each way and at each moment; `make soak PART=kills` plays more of them.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from support import loss
from support.ansible import run_module, start_module, start_playbook
from support.interrupted import CASES, Arena, Outcome, arguments, case
from support.processes import wait_until
from support.proxy import Proxy
from support.servers import RedisServer

SEEDS = range(len(CASES))
_ATTEMPTS = 3

Play = Callable[[int], Outcome]


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    """Return what plays the case of a seed, once, and again where a kill came when all was over on a busy machine."""
    with Arena() as arena:

        @functools.cache
        def played(seed: int) -> Outcome:
            for _attempt in range(_ATTEMPTS):
                outcome = arena.play(case(seed))
                if outcome.hit or outcome.problems:
                    break
            return outcome

        yield played


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: str(case(seed)))
def test_nothing_is_lost(play: Play, seed: int) -> None:
    outcome = play(seed)
    assert outcome.problems == [], f"{outcome.case} ({' and '.join(outcome.landed)})"
    assert outcome.writes > 0


def test_the_kills_hit_what_they_should(play: Play) -> None:
    """A kill before the run or after it proves nothing."""
    outcomes = [play(seed) for seed in SEEDS]
    assert all(outcome.hit for outcome in outcomes), [(str(outcome.case), outcome.landed) for outcome in outcomes]
    places = {place for outcome in outcomes for place in outcome.landed}
    assert places >= {"at a safe point", "in a big key", "verifying", "between save and removal"}, places


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_a_big_key_that_is_made_anew_while_the_old_one_is_saved(
    redis70: RedisServer, fresh_redis: Callable[..., RedisServer], tmp_path: Path, how: int
) -> None:
    """The old one cannot go back to its name then; both are saved, the new one last."""
    client, name = redis70.client(), b"market:data:big"
    client.hset(name, mapping={b"%d" % field: b"x" * 100 for field in range(2_000)})
    with Proxy(redis70.port) as proxy:
        options = {**arguments(proxy.url, tmp_path), "timeout": 5}
        fault = proxy.stall(match=b"\r\nHSCAN\r\n", occurrence=2)
        with start_module("redis_flush", options) as running:
            fault.wait()
            client.set(name, "new")
            running.signal(how)
            proxy.drop()
            running.wait_gone()
        assert client.get(name) == b"new"
        (held,) = client.scan_iter(match=b"*" + loss.QUARANTINE + b"*")
        assert client.hlen(held) == 2_000

        result = run_module("redis_flush", options)

    assert (result["resumed"], result["remaining"], client.dbsize()) == (True, 0, 0)
    (run,) = loss.runs_in(tmp_path)
    assert restored(fresh_redis(), run).get(name) == b"new"
    assert [(state.dump or b"")[2:5] for state in loss.saved([run], fresh_redis()).values()] == [b"new"]


def restored(server: RedisServer, run: Path) -> redis.Redis:
    result = run_module("redis_restore", {"url": server.url, "path": str(run)})
    assert not result.get("failed"), result["msg"]
    return server.client()


def test_a_playbook_whose_module_is_killed_fails_and_can_be_repeated(redis70: RedisServer, tmp_path: Path) -> None:
    cache = loss.Cache(redis70, keys=76, big_keys=7)
    cache.fill()
    variables = {
        **{f"flush_redis_{name}": value for name, value in arguments(redis70.url, tmp_path).items()},
        "flush_redis_rate_limit": 60,
        "flush_redis_reports_dir": str(tmp_path / "reports"),
        "flush_redis_skip_prompt": True,
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


def test_what_is_saved_after_a_kill_has_a_higher_number(redis70: RedisServer, tmp_path: Path) -> None:
    """Nodes of a cluster open their parts together, so that the first may be empty when all are killed."""
    client = redis70.client()
    client.mset({b"market:data:%d" % number: b"old" for number in range(3_000)})
    options = {**arguments(redis70.url, tmp_path), "rate_limit": 1_000, "max_share": 1.0}
    with start_module("redis_flush", options) as module:
        wait_until(lambda: client.dbsize() < 2_500, 30, "the first keys to be removed")
        module.signal(signal.SIGKILL)
        module.wait()
    (run,) = loss.runs_in(tmp_path)
    (run / "part-0001.resp.gz").rename(run / "part-0003.resp.gz")
    (run / "part-0001.resp.gz").touch(mode=0o600)
    client.mset({b"market:data:%d" % number: b"new" for number in range(3_000)})
    done = run_module("redis_flush", options)
    assert done["resumed"], done
    assert [part.name for part in loss.parts([run])] == ["part-0003.resp.gz", "part-0004.resp.gz"]
    assert all(part["node"] == redis70.url for part in done["backup"]["parts"])
    with RedisServer() as scratch:
        saved = loss.saved([run], scratch)
        assert len(saved) == 3_000
        assert {scratch.client().get(name) for name in saved} == {b"new"}
