# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of three primaries with a replica each: flushed, restored and looked at as one, whatever moves meanwhile."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support import loss
from support.ansible import run_module, run_playbook
from support.cluster import RedisCluster
from support.disturbed import (
    BIG_KEY_BYTES,
    CLUSTER_CASES,
    SLOT_CASES,
    Case,
    ClusterArena,
    arguments,
    cluster_case,
    connection,
    slot_case,
)
from support.flush import role_variables
from support.members import quiet_port
from support.processes import wait_until
from support.servers import RedisServer

KEYS = 3_000
# What does not depend on the servers.
ON_REDIS = pytest.mark.parametrize("any_cluster", ["redis-7.0"], indirect=True)


def _on_its_flavour(case: Callable[[int], Case], cases: Sequence[object]) -> list[Any]:
    """Return the first turn of cases, which is each way at each of its moments, with the flavour of the cluster."""
    return [pytest.param(one.flavour, one, id=f"{one.flavour}-{one}") for one in map(case, range(len(cases)))]


def fill(cluster: RedisCluster) -> None:
    cluster.mset({b"market:data:%d" % number: b"value %d" % number for number in range(KEYS)})
    cluster.mset({b"other:%d" % number: b"stays" for number in range(1_000)})


def test_all_primaries_are_one_cache(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    args = arguments(cluster, tmp_path)
    cluster.reset_stats()

    planned = run_module("redis_flush", args, check=True)
    assert cluster.write_commands_called() == []
    assert planned["plan"]["topology"] == "cluster"
    assert planned["plan"]["matched"] == KEYS
    assert planned["plan"]["database_keys"] == KEYS + 1_000
    urls = {server.url for server in cluster.primaries()}
    assert {node["url"] for node in planned["plan"]["nodes"]} == urls
    assert sum(node["matched"] for node in planned["plan"]["nodes"]) == KEYS

    done = run_module("redis_flush", args)
    assert (done["removed"], done["remaining"], done["failovers"]) == (KEYS, 0, 0)
    assert {node["url"] for node in done["nodes"]} == urls
    assert sum(node["removed"] for node in done["nodes"]) == KEYS
    # one backup with a part per node
    assert {part["node"] for part in done["backup"]["parts"]} == urls
    assert done["backup"]["records"] == KEYS
    assert sorted(cluster.scan_all()) == sorted(b"other:%d" % number for number in range(1_000))
    assert run_module("redis_flush", args)["changed"] is False

    way = connection(cluster)
    restored = run_module("redis_restore", {**way, "path": done["backup"]["path"]})
    assert restored["restored"] == KEYS
    client = cluster.client()
    assert all(client.get(b"market:data:%d" % number) == b"value %d" % number for number in range(0, KEYS, 97))
    assert cluster.dbsize() == KEYS + 1_000
    assert run_module("redis_restore", {**way, "path": done["backup"]["path"]})["changed"] is False


@ON_REDIS
def test_a_restore_that_one_primary_has_no_memory_for_is_refused(cluster: RedisCluster, tmp_path: Path) -> None:
    cluster.mset({b"market:data:%d" % number: b"x" * 2_048 for number in range(KEYS)})
    done = run_module("redis_flush", arguments(cluster, tmp_path))
    full = cluster.primaries()[1]
    with full.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 512 * 1024)
    cluster.reset_stats()
    args = {**connection(cluster), "path": done["backup"]["path"]}
    refused = run_module("redis_restore", args)
    assert refused["report"]["state"] == "refused"
    assert f"{full.url} has " in refused["msg"]
    assert cluster.write_commands_called() == []
    with full.client() as client:
        client.config_set("maxmemory", 0)
    assert run_module("redis_restore", args)["restored"] == KEYS


@pytest.mark.parametrize("any_cluster", ["redis-7.0", "redis-8.0", "valkey-9.1"], indirect=True)
def test_every_type_and_big_keys_come_back(cluster: RedisCluster, tmp_path: Path) -> None:
    client = cluster.client()
    big = bytes(random.Random(1).randbytes(3 * BIG_KEY_BYTES))
    tagged = {
        b"market:data:{tag}:1": b"a",
        b"market:data:{}:2": b"b",
        b"market:data:{open": b"c",
        b"market:data:}{x}": b"d",
    }
    for name, value in tagged.items():
        client.set(name, value)
        client.set(name + b":big", big)
    client.hset("market:data:hash", mapping={str(number): "x" * 100 for number in range(3_000)})
    client.rpush("market:data:list", *range(10))
    client.xadd("market:data:stream", {"a": "b"}, id="5-1")
    client.set("market:data:expires", "soon", px=3_600_000)
    before = {name: client.dump(name) for name in cluster.scan_all()}
    expires = client.pexpiretime("market:data:expires")

    done = run_module("redis_flush", arguments(cluster, tmp_path, big_key_bytes=BIG_KEY_BYTES))
    assert done["removed"] == len(before)
    assert done["counts"]["big"] == 5
    assert list(cluster.scan_all()) == []
    run_module("redis_restore", {**connection(cluster), "path": done["backup"]["path"]})
    assert set(cluster.scan_all()) == set(before)
    strings = [name for name in before if name not in (b"market:data:hash", b"market:data:stream")]
    assert {name: client.dump(name) for name in strings} == {name: before[name] for name in strings}
    assert client.hlen("market:data:hash") == 3_000
    assert client.xrange("market:data:stream") == [(b"5-1", {b"a": b"b"})]
    assert abs(client.pexpiretime("market:data:expires") - expires) <= 1


def test_a_literal_hash_tag_is_looked_for_on_its_owner_only(cluster: RedisCluster, tmp_path: Path) -> None:
    cluster.mset({b"{cart}:%d" % number: b"x" for number in range(50)})
    cluster.reset_stats()
    done = run_module("redis_flush", arguments(cluster, tmp_path, patterns=["{cart}:*"]))
    assert done["removed"] == 50
    scanned = [node for node in cluster.primaries() if node.commandstats().get("scan")]
    assert scanned == [cluster.owner(b"{cart}:1")]


def test_a_literal_hash_tag_is_counted_on_a_replica(cluster: RedisCluster, tmp_path: Path) -> None:
    cluster.mset({b"{cart}:%d" % number: b"x" for number in range(50)})
    cluster.wait_healthy()
    args = arguments(cluster, tmp_path, patterns=["{cart}:*"], read_from="replica")
    assert run_module("redis_flush", args, check=True)["plan"]["matched"] == 50


def test_a_rate_limit_holds_for_all_primaries_together(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    done = run_module("redis_flush", arguments(cluster, tmp_path, rate_limit=1_500))
    assert done["removed"] == KEYS
    assert done["phases"]["flush"] >= KEYS / 1_500 - 0.5


def test_expire_mode_and_no_backup(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    done = run_module("redis_flush", arguments(cluster, tmp_path, mode="expire", expire_window=600))
    assert done["removed"] == KEYS
    client = cluster.client()
    # some may be over by now
    assert all(client.pttl(b"market:data:%d" % number) in range(-2, 600_001) for number in range(0, KEYS, 101))
    assert not any(client.pttl(b"market:data:%d" % number) == -1 for number in range(0, KEYS, 101))
    fill(cluster)
    done = run_module("redis_flush", arguments(cluster, tmp_path, backup=False))
    assert done["removed"] == KEYS
    assert cluster.dbsize() == 1_000


def test_replicas_are_counted_instead(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    cluster.wait_healthy()
    cluster.reset_stats()
    planned = run_module("redis_flush", arguments(cluster, tmp_path, read_from="replica"), check=True)
    assert planned["plan"]["matched"] == KEYS
    assert {node["url"] for node in planned["plan"]["nodes"]} == {server.url for server in cluster.replicas()}
    assert not any(server.commandstats().get("scan") for server in cluster.primaries())


def test_statistics_are_of_all_primaries(cluster: RedisCluster) -> None:
    fill(cluster)
    looked = run_module("redis_cache_info", {**connection(cluster), "patterns": ["market:data:*"]})
    assert looked["topology"] == "cluster"
    assert looked["caches"][0]["keys"] == KEYS
    assert looked["health"]["database_keys"] == KEYS + 1_000
    assert len(looked["health"]["nodes"]) == len(looked["traffic"]["nodes"]) == 3
    assert any("slowest of 3 primaries" in line for line in looked["report"]["summary"])
    assert looked["health"]["response_time_ms"] == max(node["response_time_ms"] for node in looked["health"]["nodes"])


def _newcomer() -> RedisServer:
    return RedisServer(cluster_enabled=True, port=quiet_port(), cluster_port=quiet_port())


def test_a_half_moved_slot_on_a_node_without_slots_is_flushed(tmp_path: Path) -> None:
    with RedisCluster(replicas=0) as cluster, _newcomer() as newcomer:
        names = [b"market:data:{half}:%d" % number for number in range(50)]
        cluster.mset(dict.fromkeys(names, b"x"))
        owner, slot = cluster.owner(names[0]), cluster.slot(names[0])
        with newcomer.admin() as admin, owner.admin() as source:
            source.execute_command("CLUSTER", "MEET", newcomer.host, newcomer.port, newcomer._config["cluster_port"])

            def met() -> bool:
                seen = [node.execute_command("CLUSTER", "NODES") for node in (admin, source)]
                known = all(len(nodes.splitlines()) == 4 and b"handshake" not in nodes for nodes in seen)
                return known and b"cluster_state:ok" in admin.execute_command("CLUSTER", "INFO")

            wait_until(met, 20, "the newcomer")
            here, there = admin.execute_command("CLUSTER", "MYID"), source.execute_command("CLUSTER", "MYID")
            admin.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", there)
            source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", here)
            login = newcomer.admin().get_connection_kwargs()
            auth = ("AUTH2", login["username"], login["password"])
            source.execute_command("MIGRATE", newcomer.host, newcomer.port, "", 0, 5000, *auth, "KEYS", *names[:20])
            done = run_module("redis_flush", arguments(cluster, tmp_path))
            assert (done["removed"], done["remaining"]) == (50, 0)
            assert admin.dbsize() == 0


def test_keys_on_a_node_that_does_not_own_them_are_reported(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    name = b"market:data:stray"
    owner = cluster.owner(name)
    other = next(node for node in cluster.primaries() if node is not owner)
    cluster.begin_migration(cluster.slot(name), other)
    with other.admin() as admin:
        admin.execute_command("ASKING")
        admin.execute_command("SET", name, "left behind")
    for node in (owner, other):
        with node.admin() as admin:
            admin.execute_command("CLUSTER", "SETSLOT", cluster.slot(name), "STABLE")
    done = run_module("redis_flush", arguments(cluster, tmp_path))
    assert (done["removed"], done["remaining"]) == (KEYS, 1)
    assert not done["settled"]
    assert any("1 keys lie on nodes of the cluster that do not own their slots" in text for text in done["notices"])


@ON_REDIS
def test_recovery_is_watched_on_every_primary(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    done = run_module("redis_flush", arguments(cluster, tmp_path, recovery_timeout=4))
    assert len(done["recovery"]["nodes"]) == 3
    assert done["recovery"]["state"] == "unknown: no traffic"


def test_a_seed_that_is_dead_and_one_that_is_a_replica(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    replica = cluster.replicas()[0]
    args = arguments(cluster, tmp_path, url="redis://127.0.0.1:1", nodes=[f"127.0.0.1:{replica.port}"])
    assert run_module("redis_flush", args)["removed"] == KEYS


def test_an_unfinished_run_is_known_through_another_seed(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    args = arguments(cluster, tmp_path)
    path = Path(run_module("redis_flush", args)["backup"]["path"])
    manifest = json.loads((path / "manifest.json").read_text())
    # all of its processes have been restarted since
    server = {**manifest["server"], "run_id": "gone"}
    (path / "manifest.json").write_text(json.dumps({**manifest, "server": server, "state": "interrupted"}))
    with (path / "journal.jsonl").open("a") as journal:
        journal.write(json.dumps({"quarantine": b"away".hex(), "key": b"market:data:big".hex()}) + "\n")
    other = {**args, "url": f"redis://{cluster.seeds[2]}", "nodes": []}
    assert run_module("redis_flush", other, check=True)["plan"]["continues"] == path.name
    planned = run_module("redis_flush", {**other, "patterns": ["other:*"]}, check=True)
    (notice,) = (text for text in planned["notices"] if path.name in text)
    assert "renamed big keys away" in notice and args["url"] in notice


def test_a_cluster_of_valkey_9_has_databases(tmp_path: Path) -> None:
    with RedisCluster("valkey-9.1", replicas=0, cluster_databases=6) as cluster:
        cluster.mset({b"market:data:%d" % number: b"of database 0" for number in range(30)})
        names = [b"market:data:%d" % number for number in range(100)]
        for name in names:
            with cluster.owner(name).admin(db=5) as admin:
                admin.set(name, "of database 5")
        args = arguments(cluster, tmp_path, url=f"redis://{cluster.seeds[0]}/5", max_share=1.0)
        done = run_module("redis_flush", args)
        assert (done["removed"], done["remaining"]) == (100, 0)
        assert cluster.dbsize() == 30
        way = {"url": args["url"], "patterns": ["market:data:*"]}
        assert run_module("redis_cache_info", way)["caches"][0]["keys"] == 0
        restored = run_module("redis_restore", {"url": args["url"], "path": done["backup"]["path"]})
        assert restored["restored"] == 100
        with cluster.owner(names[7]).admin(db=5) as admin:
            assert admin.get(names[7]) == b"of database 5"
        refused = run_module("redis_flush", {**args, "url": f"redis://{cluster.seeds[0]}/7"})
        assert not loss.not_one_sentence(refused)
        assert "names the database 7" in refused["msg"] and "cluster-databases" in refused["msg"]


def test_a_socket_of_one_node_is_refused(cluster: RedisCluster, tmp_path: Path) -> None:
    args = arguments(cluster, tmp_path, url=cluster.primaries()[0].unix_url, nodes=[])
    refused = run_module("redis_flush", args)
    assert not loss.not_one_sentence(refused)
    assert "name a node as host:port" in refused["msg"]


@ON_REDIS
def test_the_role_reaches_a_cluster(cluster: RedisCluster, tmp_path: Path) -> None:
    fill(cluster)
    variables = role_variables(f"redis://{cluster.seeds[0]}", tmp_path, topology="cluster")
    assert run_playbook("flush_redis", variables).changed == 1
    report = next((tmp_path / "reports").glob("*/*.md")).read_text()
    assert "per primary:" in report and "flush_redis_topology=cluster" in report
    run = next((tmp_path / "redis").glob("*/manifest.json")).parent
    way = {name: value for name, value in variables.items() if name in ("flush_redis_url", "flush_redis_reports_dir")}
    assert run_playbook("restore_redis", {**way, "flush_redis_restore_run": str(run)}).changed == 1
    assert cluster.dbsize() == KEYS + 1_000
    assert run_playbook("redis_stats", {**way, "flush_redis_names": "market-data"}).rc == 0


@ON_REDIS
def test_what_is_no_cluster_is_said_in_one_sentence(cluster: RedisCluster, tmp_path: Path) -> None:
    for options, words in (
        ({"topology": "standalone"}, "is a node of a cluster"),
        ({"topology": "sentinel"}, "is no Sentinel"),
        ({"url": f"redis://{cluster.seeds[0]}/3"}, "only database 0"),
        ({"nodes": ["nonsense"], "topology": "cluster"}, "host:port"),
    ):
        result = run_module("redis_flush", arguments(cluster, tmp_path, **options))
        assert not loss.not_one_sentence(result), options
        assert words in result["msg"]


def test_a_cluster_that_is_down_is_said_in_one_sentence(tmp_path: Path) -> None:
    with RedisCluster(replicas=0, node_timeout_ms=500) as cluster:
        fill(cluster)
        cluster.kill(cluster.nodes[1])
        left = [node.admin() for node in cluster.nodes if node.running]
        wait_until(
            lambda: all(b"cluster_state:fail" in node.execute_command("CLUSTER", "INFO") for node in left),
            20,
            "the other nodes to see that the cluster is down",
        )
        started = time.monotonic()
        result = run_module("redis_flush", arguments(cluster, tmp_path))
        assert time.monotonic() - started < 20
        assert not loss.not_one_sentence(result)
        assert "cluster is down" in result["msg"]


def test_addresses_are_translated(tmp_path: Path) -> None:
    with RedisCluster(replicas=0, announce_host="node-{number}.invalid") as cluster:
        fill(cluster)
        args = arguments(cluster, tmp_path, connect_timeout=2)
        refused = run_module("redis_flush", args)
        assert not loss.not_one_sentence(refused)
        names = {f"node-{number}.invalid": "127.0.0.1" for number in range(5)}
        assert run_module("redis_flush", {**args, "address_map": names})["removed"] == KEYS
        as_text = run_module("redis_flush", {**args, "address_map": json.dumps(names)})
        assert as_text["changed"] is False


@pytest.mark.parametrize(("any_cluster", "case"), _on_its_flavour(slot_case, SLOT_CASES), indirect=["any_cluster"])
def test_nothing_is_lost_while_slots_move_to_and_fro(any_cluster: RedisCluster, tmp_path: Path, case: Case) -> None:
    with ClusterArena(any_cluster, tmp_path) as arena:
        outcome = arena.play(case)
    assert not outcome.problems
    assert outcome.during


def test_a_slot_that_stays_half_moved_is_flushed_on_both_sides(cluster: RedisCluster, tmp_path: Path) -> None:
    names = [b"market:data:{half}:%d" % number for number in range(200)]
    cluster.mset(dict.fromkeys(names, b"x"))
    slot = cluster.slot(names[0])
    target = next(node for node in cluster.primaries() if node is not cluster.owner(names[0]))
    cluster.begin_migration(slot, target)
    try:
        cluster.migrate_keys(slot, target, 80)
        done = run_module("redis_flush", arguments(cluster, tmp_path))
        assert (done["removed"], done["remaining"]) == (200, 0)
        assert list(cluster.scan_all()) == []
        restored = run_module("redis_restore", {**connection(cluster), "path": done["backup"]["path"]})
        assert restored["restored"] == 200
    finally:
        while cluster.migrate_keys(slot, target, 100):
            pass
        cluster.finish_migration(slot, target)
    assert sorted(cluster.scan_all()) == sorted(names)


@pytest.mark.parametrize(
    ("any_cluster", "case"), _on_its_flavour(cluster_case, CLUSTER_CASES), indirect=["any_cluster"]
)
def test_nothing_is_lost_in_a_failover(any_cluster: RedisCluster, tmp_path: Path, case: Case) -> None:
    with ClusterArena(any_cluster, tmp_path) as arena:
        outcome = arena.play(case)
    assert not outcome.problems
    assert outcome.during
    assert outcome.interruptions
