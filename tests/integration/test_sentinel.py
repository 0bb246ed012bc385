# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Sentinels, a primary and two replicas: the primary is found, and found again after each failover."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.bigkey import all_quarantines
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import RedisSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.restore import RestoreRequest, run_restore
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import Progress, Stop
from support import loss
from support.ansible import run_module, run_playbook, start_module
from support.disturbed import SENTINEL_CASES, Case, SentinelArena, arguments, connection, sentinel_case
from support.engine import Engine
from support.flush import role_variables
from support.processes import wait_until
from support.sentinel import SentinelSet
from support.servers import RedisServer

CASES = [sentinel_case(seed) for seed in range(len(SENTINEL_CASES))]


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


def test_sentinels_that_disagree_are_named(tmp_path: Path) -> None:
    with SentinelSet() as topology, RedisServer() as another:
        fill(topology)
        with topology.sentinel_client(2) as wrong:
            wrong.execute_command("SENTINEL", "REMOVE", "cache")
            wrong.execute_command("SENTINEL", "MONITOR", "cache", another.host, another.port, 1)
        args = arguments(topology, tmp_path)
        for seed in (topology.sentinels[0], topology.sentinels[2]):
            nodes = [f"{host}:{port}" for host, port in topology.sentinels]
            refused = run_module("redis_flush", {**args, "url": f"redis://{seed[0]}:{seed[1]}", "nodes": nodes})
            assert not loss.not_one_sentence(refused)
            assert "The Sentinels disagree about cache" in refused["msg"]
            for server in (topology.servers[0], another):
                assert f":{server.port} is the primary for" in refused["msg"]
        assert topology.servers[0].admin().dbsize() == 501


def test_the_same_command_through_another_sentinel_continues_after_a_failover(
    sentinels: SentinelSet, tmp_path: Path
) -> None:
    fill(sentinels, 2_000)
    first, _second, third = (f"redis://{host}:{port}" for host, port in sentinels.sentinels)
    args = {**arguments(sentinels, tmp_path), "nodes": []}
    with start_module("redis_flush", {**args, "url": first, "rate_limit": 500}) as module:
        wait_until(lambda: sentinels.client().dbsize() < 1_950, 30, "the flush")
        module.kill_tree()
    sentinels.fail_over()
    planned = run_module("redis_flush", {**args, "url": third}, check=True)
    (run,) = loss.runs_in(Path(args["backup_dir"]))
    assert planned["plan"]["continues"] == run.name
    done = run_module("redis_flush", {**args, "url": third})
    assert (done["resumed"], done["run_id"]) == (True, run.name)
    assert sentinels.client().keys() == [b"other"]


def test_sentinels_have_passwords_of_their_own(tmp_path: Path) -> None:
    with SentinelSet(password="data-pass", sentinel_username="watcher", sentinel_password="watch-pass") as topology:
        with topology.client() as client:
            client.mset({b"market:data:%d" % number: b"value" for number in range(100)})
        own = {"sentinel_username": "watcher", "sentinel_password": "watch-pass"}
        args = arguments(topology, tmp_path, password="data-pass")

        refused = run_module("redis_flush", args)
        assert not loss.not_one_sentence(refused)
        assert "sentinel_password" in refused["msg"]
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


def test_a_dead_primary_is_not_expected_among_the_replicas(sentinels: SentinelSet, tmp_path: Path) -> None:
    fill(sentinels)
    host, port = sentinels.sentinels[0]
    with closing(Engine(RedisSettings(f"redis://{host}:{port}", topology="sentinel"), tmp_path)) as engine:
        (session,) = engine.deployment.sessions
        assert session.confirm(session.replicas())
        sentinels.kill_primary()
        wait_until(lambda: len(sentinels.client().info("replication").get("slave0", {})) > 0, 30, "the other replica")

        assert session.confirm(2)

        assert session.failovers == 1
        # One that dies now is missed, and is missing still when it is not waited for any more.
        other = next(each for each in sentinels.replicas() if each.running)
        other.kill()
        assert not session.confirm(2)
        assert not session.confirm(2)


@pytest.mark.parametrize(
    ("any_sentinels", "case"),
    [*(("redis-7.0", case) for case in CASES), ("redis-8.0", replace(CASES[0], flavour="redis-8.0"))],
    indirect=["any_sentinels"],
    ids=str,
)
def test_nothing_is_lost_in_a_failover(
    any_sentinels: SentinelSet, tmp_path: Path, case: Case, record_property: Callable[[str, object], None]
) -> None:
    record_property("tested with", f"{any_sentinels.servers[0].version} behind Sentinels")
    with SentinelArena(any_sentinels, tmp_path) as arena:
        outcome = arena.play(case)
    assert not outcome.problems
    assert outcome.during
    assert outcome.interruptions


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
    assert again.notices == []
    assert sentinels.client().dbsize() == 501


def test_a_restore_says_that_its_replicas_do_not_follow(sentinels: SentinelSet, tmp_path: Path) -> None:
    fill(sentinels)
    done = run_module("redis_flush", arguments(sentinels, tmp_path))
    replica = next(server for server in sentinels.servers if server is not sentinels.primary())
    host, port = sentinels.sentinels[0]
    settings = RedisSettings(f"redis://{host}:{port}", topology="sentinel")
    request = RestoreRequest(Path(done["backup"]["path"]))
    result = run_restore(settings, request, Stop(), _AtTheEnd(replica.kill))
    assert result.restored == 500
    assert any("have not confirmed" in notice for notice in result.notices)


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
        flush.run()
        sentinels.fail_over()
        session.follow()
        assert session.failovers == 1
        with sentinels.client() as client:
            assert client.keys() == []
            name = next(iter(all_quarantines(engine.folder.path)))
            client.set(name, b"x" * 2_000_000)
            flush.begin_pass(None)
            assert client.keys() == []
