# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flush removes what its pattern matches and nothing else, and its check mode says beforehand what."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import bigkey
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import Connection, RedisSettings
from support import dataset
from support.flush import CACHE, flush, restore
from support.proxy import Proxy
from support.resp import commands, replay
from support.servers import RedisServer
from support.traffic import cache_users, counting

NEIGHBOURS = [b"market:dat", b"market:data", b"market:datX:1", b"Market:data:1", b"other:market:data:1", b"session:1"]


def write_neighbours(server: RedisServer) -> dataset.Snapshot:
    client = server.client()
    for name in NEIGHBOURS:
        client.set(name, b"neighbour")
    return dataset.snapshot(client, NEIGHBOURS)


def test_every_type_and_every_name_is_flushed_and_comes_back(every_redis: RedisServer, tmp_path: Path) -> None:
    client = every_redis.client()
    dataset.fill_all_types(client, b"market:data:", 300, seed=7)
    for name in dataset.awkward_names(b"market:data:"):
        client.set(name, b"value of " + name[:20], px=3_600_000)
    client.hset("market:data:big", mapping={b"field %d" % index: os.urandom(40) for index in range(4_000)})
    client.set("market:data:long", os.urandom(700_000))
    neighbours = write_neighbours(every_redis)
    before = dataset.snapshot(client, CACHE.encode())

    flushed = flush(every_redis, tmp_path, big_key_bytes=65_536)

    assert flushed["removed"] == len(before) > 300
    assert flushed["counts"]["big"] >= 2
    assert flushed["remaining"] == 0
    assert dataset.snapshot(client, CACHE.encode()) == {}
    assert dataset.diff(neighbours, dataset.snapshot(client, NEIGHBOURS)) == []

    restored = restore(every_redis, flushed)
    assert restored["restored"] == len(before)
    assert dataset.diff(before, dataset.snapshot(client, CACHE.encode())) == []

    again = restore(every_redis, flushed)
    assert not again["changed"]
    assert again["restored"] == 0


def test_fields_that_expire_and_vectors_come_back_as_they_were(redis80: RedisServer, tmp_path: Path) -> None:
    client, chooser = redis80.client(), random.Random(9)
    fields = {b"field %d" % index: os.urandom(30) for index in range(2_000)}
    client.hset("market:data:hash", mapping=fields)
    client.execute_command("HPEXPIRE", "market:data:hash", 3_600_000, "FIELDS", 2, "field 1", "field 1999")
    for index in range(500):
        vector = [chooser.uniform(-1, 1) for _dimension in range(32)]
        client.execute_command("VADD", "market:data:vectors", "VALUES", 32, *vector, f"e{index}", "SETATTR", '{"a":1}')
    asked = [
        ("HPEXPIRETIME", "market:data:hash", "FIELDS", 3, "field 1", "field 2", "field 1999"),
        ("HGETALL", "market:data:hash"),
        ("VSIM", "market:data:vectors", "ELE", "e7", "WITHSCORES", "COUNT", 20, "TRUTH"),
        ("VEMB", "market:data:vectors", "e8"),
        ("VGETATTR", "market:data:vectors", "e9"),
    ]
    before = [client.execute_command(*question) for question in asked]
    assert before[0][1] == -1 and before[0][0] == before[0][2] > 0

    # Both of them whole, then both as big keys.
    for size in (1 << 24, 16_384):
        flushed = flush(redis80, tmp_path, big_key_bytes=size)
        assert (flushed["removed"], flushed["counts"]["big"]) == (2, 0 if size > 1 << 20 else 2)
        assert client.dbsize() == 0
        assert restore(redis80, flushed)["restored"] == 2
        assert [client.execute_command(*question) for question in asked] == before


def test_a_slow_network_does_not_change_when_a_big_key_expires(
    fresh_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    server = fresh_redis("redis-6.2")
    client = server.client()
    client.set("market:data:long", os.urandom(100_000), px=3_600_000)
    before = dataset.snapshot(client, CACHE.encode())
    with Proxy(server.port) as proxy:
        proxy.delay = 0.02
        flushed = flush(server, tmp_path, url=proxy.url, big_key_bytes=65_536)
    assert flushed["counts"]["big"] == 1
    assert restore(server, flushed)["restored"] == 1
    assert dataset.diff(before, dataset.snapshot(client, CACHE.encode())) == []


@pytest.mark.parametrize("kind", ["list", "set", "zset", "hash", "stream"])
def test_large_elements_are_read_a_few_at_a_time(any_redis: RedisServer, kind: str) -> None:
    """What a server has ready for us takes its memory, for which it evicts what others have there."""
    client = any_redis.client()
    values = [b"%03d" % number * 50_000 for number in range(40)]
    for index, value in enumerate(values):
        if kind == "list":
            client.rpush("big", value)
        elif kind == "set":
            client.sadd("big", value)
        elif kind == "zset":
            client.zadd("big", {value: index})
        elif kind == "hash":
            client.hset("big", str(index), value)
        else:
            client.xadd("big", {"field": value})
    connection = Connection(RedisSettings(any_redis.url))
    chunks = [sum(map(len, commands)) for commands in bigkey.read_in_chunks(connection, b"big", b"target")]
    connection.close()
    assert sum(chunks) > 40 * 150_000
    # Of one bucket of a table, a server returns all.
    assert max(chunks) < 12 * 150_000


def test_a_key_that_is_larger_than_the_server_has_guessed_is_read_in_chunks(
    redis70: RedisServer, tmp_path: Path
) -> None:
    """MEMORY USAGE looks at a few elements only."""
    client = redis70.client()
    client.rpush("market:data:list", *[b"%d" % number * 100 for number in range(1_000)])
    client.rpush("market:data:list", *[random.Random(number).randbytes(1_000_000) for number in range(3)])
    client.mset({f"market:data:{number}": "x" for number in range(50)})
    assert client.memory_usage("market:data:list") < 1_000_000
    before = dataset.snapshot(client, CACHE.encode())

    done = flush(redis70, tmp_path)

    assert (done["removed"], done["counts"]["big"]) == (51, 1)
    restored = restore(redis70, done)
    assert restored["restored"] == 51
    assert restored["plan"]["memory_bytes"] > 3_000_000
    assert dataset.diff(before, dataset.snapshot(client, CACHE.encode())) == []


def test_stock_tools_restore_the_backup(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client()
    dataset.fill_all_types(client, b"market:data:", 200, seed=8)
    client.rpush("market:data:big", *[os.urandom(100) for _index in range(5_000)])
    before = dataset.snapshot(client, CACHE.encode())
    flushed = flush(any_redis, tmp_path, big_key_bytes=131_072)
    assert flushed["counts"]["big"] == 1

    replay(sorted(Path(flushed["backup"]["path"]).glob("part-*.resp.gz")), any_redis)

    assert dataset.diff(before, dataset.snapshot(client, CACHE.encode())) == []


def test_check_mode_writes_nothing_and_foretells_the_run(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client()
    dataset.fill(client, 3_000)
    dataset.fill(client, 2_000, prefix=b"other:")
    any_redis.reset_stats()

    planned = flush(any_redis, tmp_path, check=True, diff=True)

    assert any_redis.write_commands_called() == []
    assert not (tmp_path / "backups").exists()
    assert planned["changed"]
    assert planned["plan"]["matched"] == 3_000
    assert planned["plan"]["database_keys"] == 5_000
    assert "3000 of 3000 keys to delete" in planned["diff"]["before"]
    assert client.dbsize() == 5_000

    done = flush(any_redis, tmp_path, diff=True)
    assert done["removed"] == planned["plan"]["to_change"]
    assert done["diff"] == {**planned["diff"], "before": done["diff"]["before"]}
    assert set(planned) == set(done)
    assert set(planned["plan"]) == set(done["plan"])
    assert client.dbsize() == 2_000


def test_the_second_run_changes_nothing_and_leaves_nothing(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 500)
    flush(redis70, tmp_path)
    folders = sorted((tmp_path / "backups/redis").iterdir())
    redis70.reset_stats()

    again = flush(redis70, tmp_path)

    assert not again["changed"]
    assert again["removed"] == 0
    assert sorted((tmp_path / "backups/redis").iterdir()) == folders
    assert redis70.write_commands_called() == []
    assert redis70.client().keys() == []


def test_the_backup_is_private_and_its_checksums_hold(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 2_500)
    flushed = flush(redis70, tmp_path)
    folder = Path(flushed["backup"]["path"])

    for path in [folder, *folder.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["state"] == "done"
    assert manifest["server"]["run_id"] == redis70.client().info("server")["run_id"]
    assert manifest["rdb_version"] == 10
    assert sum(part["records"] for part in manifest["parts"]) == 2_500
    for part in manifest["parts"]:
        checksum = subprocess.run(["sha256sum", folder / part["file"]], check=True, capture_output=True, text=True)
        assert checksum.stdout.split()[0] == part["sha256"]
        subprocess.run(["gzip", "-t", folder / part["file"]], check=True)


def test_expire_shortens_lives_and_never_lengthens_them(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client()
    for index in range(300):
        client.set(f"market:data:long:{index}", "x", ex=86_400)
        client.set(f"market:data:ever:{index}", "x")
        client.set(f"market:data:short:{index}", "x", ex=500)
    client.set("market:data:big", os.urandom(300_000))
    before = dataset.snapshot(client, CACHE.encode())
    any_redis.reset_stats()
    planned = flush(any_redis, tmp_path, check=True, mode="expire", expire_window=1000, big_key_bytes=65_536)
    assert any_redis.write_commands_called() == []
    assert planned["plan"]["matched"] == 901
    assert planned["plan"]["to_change"] == 601

    done = flush(any_redis, tmp_path, mode="expire", expire_window=1000, big_key_bytes=65_536)

    assert done["removed"] == 601
    lives = {name: client.pttl(name) for name in before}
    # The shortest lives may be over already: PTTL is -2 then, while a life without an end would be -1.
    assert all(life == -2 or 0 <= life <= 1_000_000 for life in lives.values())
    assert all(0 <= life <= 500_000 for name, life in lives.items() if b":short:" in name)
    spread = sorted(life for name, life in lives.items() if b":short:" not in name)
    assert spread[len(spread) // 4] < 450_000 < 550_000 < spread[3 * len(spread) // 4]
    again = flush(any_redis, tmp_path, mode="expire", expire_window=1000)
    assert not again["changed"]

    client.flushall()
    restore(any_redis, done)
    saved = {name: state for name, state in before.items() if b":short:" not in name}
    assert dataset.diff(saved, dataset.snapshot(client, CACHE.encode())) == []


@pytest.mark.parametrize("mode", ["delete", "expire"])
def test_without_a_backup_it_says_so(redis70: RedisServer, tmp_path: Path, mode: str) -> None:
    client = redis70.client()
    dataset.fill(client, 700)
    client.set("market:data:big", os.urandom(2_000_000))

    done = flush(redis70, tmp_path, backup=False, mode=mode)

    assert done["removed"] == 701
    assert "NO BACKUP" in " ".join(done["notices"])
    assert "NO BACKUP" in " ".join(done["report"]["degraded"])
    assert done["backup"]["records"] == 0
    assert "undo" not in done["report"]
    # The first random lives may be over by now.
    assert 650 < client.dbsize() <= 701 if mode == "expire" else client.dbsize() == 0
    assert all(client.pttl(name) != -1 for name in client.scan_iter(count=1_000))


def test_literal_prefixes_of_the_catalogue_are_escaped(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    for name in ["odd[1]*:a", "odd[1]*:b", "odd1x:c", "odd[1]x:d"]:
        client.set(name, "x")

    done = flush(redis70, tmp_path, patterns=[], caches=[{"name": "odd", "prefix": "odd[1]*:"}], names=["odd"])

    assert done["removed"] == 2
    assert sorted(client.keys()) == [b"odd1x:c", b"odd[1]x:d"]


def test_several_caches_are_flushed_in_one_run(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    for index in range(50):
        client.mset({f"market:data:{index}": 1, f"quotes:{index}": 1, f"charts:{index}": 1})
    catalogue = [{"name": name, "pattern": f"{name}:*", "backup": name == "quotes"} for name in ("quotes", "charts")]

    done = flush(redis70, tmp_path, caches=catalogue, names=["quotes", "charts"], patterns=["quotes:*"])

    assert done["removed"] == 100
    assert [entry["matched"] for entry in done["plan"]["patterns"]] == [50, 50]
    assert done["backup"]["records"] == 50
    assert client.dbsize() == 50


def test_each_state_of_a_key_that_keeps_changing_is_saved_before_it_is_removed(
    redis70: RedisServer, fresh_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    dataset.fill(redis70.client(), 400)
    hot = b"market:data:hot"
    with counting(redis70, hot) as replies:
        done = flush(redis70, tmp_path, batch_size=10)
    removed_at = {before for before, after in zip(replies, replies[1:]) if after == 1}

    scratch = fresh_redis().client()
    saved = set()
    for command in commands(sorted(Path(done["backup"]["path"]).glob("part-*.resp.gz"))):
        if command[1] == hot:
            scratch.execute_command(*command)
            saved.add(int(scratch.get(hot)))
    assert removed_at <= saved
    assert len(removed_at) + done["counts"]["changed"] >= 1


def test_old_backups_are_removed_and_the_newest_never(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    runs = []
    for _round in range(4):
        client.set("market:data:1", "x")
        runs.append(flush(redis70, tmp_path, backup_keep=2)["run_id"])

    assert sorted(path.name for path in (tmp_path / "backups/redis").iterdir() if path.is_dir()) == sorted(runs[-2:])


def test_a_rate_limit_is_kept(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 2_000)
    done = flush(redis70, tmp_path, rate_limit=2_000)
    assert done["phases"]["flush"] >= 0.7
    rates = [
        (after[1] - before[1]) / (after[0] - before[0]) for before, after in zip(done["curve"], done["curve"][1:-1])
    ]
    assert all(rate < 3_500 for rate in rates)


def test_recovery_is_watched_until_the_cache_is_useful_again(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 300)
    with cache_users(redis70, keys=300):
        done = flush(redis70, tmp_path, recovery_timeout=20, batch_size=20, rate_limit=400)
    assert done["baseline"]["hit_ratio"] is not None or done["recovery"]["state"] != "recovered"
    assert done["recovery"]["samples"][-1]["hit_ratio"] > 0.5

    quiet = redis70.client()
    quiet.set("market:data:1", "x")
    done = flush(redis70, tmp_path, recovery_timeout=20)
    assert done["recovery"]["state"].startswith("unknown")
    assert done["recovery"]["seconds"] < 10
