# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Sentinels, a primary and two replicas: the primary is found, and found again after each failover."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.bigkey import all_quarantines
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import RedisSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.restore import RestoreRequest, run_restore
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import Progress, Stop
from support.ansible import run_module, run_playbook, start_module
from support.flush import role_variables
from support.processes import wait_until
from support.topologies import SentinelSet

from . import loss
from .disturbed import Arena, arguments, connection
from .engine import CACHE, Engine

SEEDS = range(20)


def fill(topology: SentinelSet, count: int = 500) -> None:
    with topology.client() as client:
        client.mset({b"market:data:%d" % number: b"value" for number in range(count)})
        client.set("other", "stays")


@pytest.mark.parametrize("given", ["service", "topology", "nothing"])
def test_the_primary_is_found(sentinels: SentinelSet, tmp_path: Path, given: str) -> None:
    fill(sentinels)
    args = arguments(sentinels, tmp_path)
    if given != "service":
        del args["sentinel_service"]
    if given == "topology":
        args["topology"] = "sentinel"

    planned = run_module("redis_flush", args, check=True)
    assert planned["plan"]["topology"] == "sentinel"
    assert [node["url"] for node in planned["plan"]["nodes"]] == [sentinels.primary().url]
    assert sentinels.client().dbsize() == 501

    done = run_module("redis_flush", args)
    assert done["removed"] == 500
    assert sentinels.client().keys() == [b"other"]
    assert "Sentinel service cache" in done["report"]["summary"][0]

    way = {name: value for name, value in args.items() if name in connection(sentinels)}
    restored = run_module("redis_restore", {**way, "path": done["backup"]["path"]})
    assert restored["restored"] == 500
    assert sentinels.client().dbsize() == 501
    looked = run_module("redis_cache_info", {**way, "patterns": ["market:data:*"]})
    assert looked["caches"][0]["keys"] == 500


def test_a_second_sentinel_is_asked_where_the_first_is_dead(sentinels: SentinelSet, tmp_path: Path) -> None:
    fill(sentinels)
    sentinels.kill_sentinel(0)
    assert run_module("redis_flush", arguments(sentinels, tmp_path))["removed"] == 500


def test_a_wrong_service_is_named_with_those_that_are_known(sentinels: SentinelSet, tmp_path: Path) -> None:
    started = time.monotonic()
    result = run_module("redis_flush", arguments(sentinels, tmp_path, sentinel_service="nonsense"))
    assert time.monotonic() - started < 10
    assert not loss.not_one_sentence(result)
    assert "'nonsense'" in result["msg"] and "known are cache" in result["msg"]


def test_no_sentinel_answers(tmp_path: Path) -> None:
    args = {
        "url": "redis://127.0.0.1:1",
        "nodes": ["127.0.0.1:2"],
        "sentinel_service": "cache",
        "patterns": ["market:data:*"],
        "backup_dir": str(tmp_path),
    }
    started = time.monotonic()
    result = run_module("redis_flush", args)
    assert time.monotonic() - started < 15
    assert not loss.not_one_sentence(result)
    assert "No Sentinel could be asked" in result["msg"]


def test_sentinels_have_passwords_of_their_own(tmp_path: Path) -> None:
    with SentinelSet(password="data-pass", sentinel_username="watcher", sentinel_password="watch-pass") as topology:
        with topology.client() as client:
            client.mset({b"market:data:%d" % number: b"value" for number in range(100)})
        own = {"sentinel_username": "watcher", "sentinel_password": "watch-pass"}
        args = arguments(topology, tmp_path, password="data-pass")

        refused = run_module("redis_flush", args)
        assert not loss.not_one_sentence(refused)
        assert "flush_redis_sentinel_password" in refused["msg"]
        del args["sentinel_service"]
        args["url"], args["nodes"] = "redis://127.0.0.1:1", [f"{host}:{port}" for host, port in topology.sentinels]
        done = run_module("redis_flush", {**args, **own})
        assert done["plan"]["topology"] == "sentinel"
        assert done["removed"] == 100
        assert "watch-pass" not in str(done)
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or b"-pass" not in file.read_bytes()


def test_sentinels_without_a_password_are_recognised_though_the_servers_have_one(tmp_path: Path) -> None:
    with SentinelSet(password="data-pass") as topology:
        args = arguments(topology, tmp_path, password="data-pass")
        del args["sentinel_service"]
        assert run_module("redis_flush", args)["plan"]["topology"] == "sentinel"


def test_sentinels_that_die_meanwhile_leave_a_notice(sentinels: SentinelSet, tmp_path: Path) -> None:
    fill(sentinels, 3_000)
    args = arguments(sentinels, tmp_path, rate_limit=1_000)
    with start_module("redis_flush", args) as module:
        wait_until(lambda: sentinels.client().dbsize() < 2_900, 30, "the flush")
        for index in range(3):
            sentinels.kill_sentinel(index)
        result = module.wait().result
    assert (result["removed"], result["remaining"]) == (3_000, 0)
    assert not result["settled"]
    assert any("nobody could be asked" in text for text in result["notices"])


def test_the_role_reaches_sentinels(sentinels: SentinelSet, tmp_path: Path) -> None:
    fill(sentinels)
    places = [f"{host}:{port}" for host, port in sentinels.sentinels]
    more = {"nodes": ",".join(places[1:]), "sentinel_service": "cache"}
    variables = role_variables(f"redis://{places[0]}", tmp_path, **more)
    done = run_playbook("flush_redis", variables)
    assert done.changed == 1
    undo = done.by_action("redis_flush")[-1].result["report"]["undo"]["command"]
    assert "flush_redis_sentinel_service=cache" in undo
    # The line can be pasted from the screen.
    assert f"undo: {undo} -e runbooks_hosts=localhost" in done.output.splitlines()
    again = run_playbook("flush_redis", variables)
    assert (again.rc, again.changed) == (0, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_when_the_primary_is_killed(any_sentinels: SentinelSet, tmp_path: Path, seed: int) -> None:
    with Arena(any_sentinels, tmp_path) as arena:
        outcome = arena.play(seed, any_sentinels.kill_primary)
    assert not outcome.problems
    assert outcome.during
    assert outcome.result["failovers"] == 1
    assert any(any_sentinels.primary().url in text for text in outcome.result["report"]["degraded"])
    assert outcome.interruptions


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_when_the_primary_is_deposed(any_sentinels: SentinelSet, tmp_path: Path, seed: int) -> None:
    with Arena(any_sentinels, tmp_path) as arena:
        outcome = arena.play(seed, any_sentinels.fail_over)
    assert not outcome.problems
    assert outcome.result["failovers"] == 1


class _AtTheEnd(Progress):
    """Does something when the last key has been sent."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__(None)
        self._action = action

    def report(self, phase: str, done: int, total: int | None, unit: str = "keys", *, force: bool = False) -> None:
        if phase == "restoring" and force:
            self._action()


def test_a_restore_to_a_primary_that_is_deposed_at_its_end_is_to_be_repeated(
    sentinels: SentinelSet, tmp_path: Path
) -> None:
    fill(sentinels)
    done = run_module("redis_flush", arguments(sentinels, tmp_path))
    host, port = sentinels.sentinels[0]
    settings = RedisSettings(f"redis://{host}:{port}", topology="sentinel")
    request = RestoreRequest(Path(done["backup"]["path"]))
    with pytest.raises(RunbookError, match=r"Another primary .* run the same command again"):
        run_restore(settings, request, Stop(), _AtTheEnd(sentinels.fail_over))
    again = run_restore(settings, request, Stop(), Progress(None))
    assert again["notices"] == []
    assert sentinels.client().dbsize() == 501


def test_a_restore_says_that_its_replicas_do_not_follow(sentinels: SentinelSet, tmp_path: Path) -> None:
    fill(sentinels)
    done = run_module("redis_flush", arguments(sentinels, tmp_path))
    replica = next(server for server in sentinels.servers if server is not sentinels.primary())
    host, port = sentinels.sentinels[0]
    settings = RedisSettings(f"redis://{host}:{port}", topology="sentinel")
    request = RestoreRequest(Path(done["backup"]["path"]))
    result = run_restore(settings, request, Stop(), _AtTheEnd(replica.kill))
    assert result["restored"] == 500
    assert any("have not confirmed" in notice for notice in result["notices"])


def test_a_big_key_that_a_failover_brings_back_in_quarantine_is_finished(
    sentinels: SentinelSet, tmp_path: Path
) -> None:
    """The old primary removed it, and died before the new one heard of that."""
    host, port = sentinels.sentinels[0]
    with sentinels.client() as client:
        client.set("market:data:big", b"x" * 2_000_000)
    with closing(Engine(RedisSettings(f"redis://{host}:{port}", topology="sentinel"), tmp_path)) as engine:
        session = engine.deployment.sessions[0]
        flush = engine.flush_of(session)
        flush.run(CACHE)
        sentinels.fail_over()
        session.follow()
        assert session.failovers == 1
        with sentinels.client() as client:
            assert client.keys() == []
            name = next(iter(all_quarantines(engine.folder.path)))
            client.set(name, b"x" * 2_000_000)
            flush.begin_pass(None)
            assert client.keys() == []
