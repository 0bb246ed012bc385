# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore puts back exactly what is missing, and says beforehand what that is."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import backup
from support import dataset, loss
from support.ansible import run_module, start_module
from support.flush import CACHE, flush, restore
from support.processes import wait_until
from support.proxy import Gate, Proxy
from support.servers import RedisServer, wait_for_replica


def test_keys_written_since_are_newer_and_stay(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client()
    client.mset({f"market:data:{index}": "old" for index in range(100)})
    flushed = flush(any_redis, tmp_path)
    client.set("market:data:7", "new")

    any_redis.reset_stats()
    planned = restore(any_redis, flushed, check=True, diff=True)
    assert any_redis.write_commands_called() == []
    assert planned["changed"]
    assert (planned["plan"]["to_restore"], planned["plan"]["existing"]) == (99, 1)
    assert "market:data:" in planned["diff"]["after"]

    done = restore(any_redis, flushed)
    assert done["restored"] == 99
    assert set(planned["plan"]) == set(done["plan"])
    assert client.get("market:data:7") == b"new"
    assert client.get("market:data:8") == b"old"


def test_overwrite_brings_the_old_values_back(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client()
    client.mset({f"market:data:{index}": "old" for index in range(50)})
    client.rpush("market:data:big", *[b"x" * 100 for _index in range(2_000)])
    before = dataset.snapshot(client, CACHE.encode())
    flushed = flush(any_redis, tmp_path, big_key_bytes=65_536)
    client.mset({"market:data:7": "new", "market:data:big": "another type"})
    assert restore(any_redis, flushed)["restored"] == 49

    assert restore(any_redis, flushed, overwrite=True)["restored"] == 2
    assert dataset.diff(before, dataset.snapshot(client, CACHE.encode())) == []


def test_a_part_of_a_backup(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client()
    names = ["market:data:AAPL:1", "market:data:AAPL:2", "market:data:A*PL:1", "market:data:MSFT:1"]
    client.mset(dict.fromkeys(names, "x"))
    flushed = flush(any_redis, tmp_path)

    assert restore(any_redis, flushed, patterns=["market:data:A\\*PL:*"])["restored"] == 1
    assert client.keys() == [b"market:data:A*PL:1"]
    assert restore(any_redis, flushed, patterns=["*:[AB]APL:?"])["restored"] == 2
    assert sorted(client.keys()) == sorted(name.encode() for name in names if "MSFT" not in name)


def test_expiries(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client()
    began = time.monotonic()
    client.set("market:data:ever", "x")
    client.set("market:data:hour", "x", px=3_600_000)
    client.set("market:data:moment", "x", px=2_500)
    client.rpush("market:data:bigmoment", *[b"x" * 100 for _index in range(2_000)])
    client.pexpire("market:data:bigmoment", 2_500)
    flushed = flush(any_redis, tmp_path, big_key_bytes=65_536)
    assert flushed["removed"] == 4
    saved_after = time.monotonic() - began
    time.sleep(2.6)

    absolute = restore(any_redis, flushed)
    assert (absolute["restored"], absolute["plan"]["expired"]) == (2, 2)
    assert client.pttl("market:data:ever") == -1
    assert 3_500_000 < client.pttl("market:data:hour") < 3_598_000
    client.flushall()

    restoring = time.monotonic()
    remaining = restore(any_redis, flushed, expiry="remaining")
    assert remaining.get("restored") == 4, remaining["msg"]
    # Lives that are left do not go on while they are in the backup.
    lived = saved_after + time.monotonic() - restoring
    assert 3_600_000 - 1000 * lived < client.pttl("market:data:hour") <= 3_601_000
    client.flushall()

    assert restore(any_redis, flushed, expiry="persist")["restored"] == 4
    assert {client.pttl(name) for name in client.scan_iter()} == {-1}


@pytest.mark.parametrize("flavour", ["redis-8.0", "valkey-9.1"])
def test_hashes_whose_fields_have_expired_meanwhile(
    _recorded_server: Callable[[str], RedisServer], tmp_path: Path, flavour: str
) -> None:
    server = _recorded_server(flavour)
    client = server.client()
    # A busy machine may take longer for the flush than the fields live.
    for life in (2_000, 10_000, 60_000):
        client.flushall()
        for name, size in (("small", 3), ("big", 2_000)):
            for kind, expiring in (("part", size // 2), ("all", size)):
                key = f"market:data:{name}:{kind}"
                client.hset(key, mapping={str(number): "x" * 50 for number in range(size)})
                client.execute_command("HPEXPIRE", key, life, "FIELDS", expiring, *range(expiring))
        flushed = flush(server, tmp_path, big_key_bytes=65_536)
        if (flushed["removed"], flushed["counts"]["big"]) == (4, 2):
            break
    time.sleep(life / 1000)
    expected = {b"market:data:small:part": 2, b"market:data:big:part": 1_000}

    def settled() -> bool:
        """A server may take a moment to remove fields that were over when they came."""
        return {key: client.hlen(key) for key in client.scan_iter()} == expected

    for expiry in ("absolute", "persist"):
        result = restore(server, flushed, expiry=expiry)
        assert not result.get("failed"), result["msg"]
        assert result["missing"] == 0
        assert ("4 keys with fields that expire" in " ".join(result["notices"])) == (expiry == "persist")
        wait_until(settled, 10, "the fields that are left")
        client.flushall()


VERSIONS = [
    ("valkey-9.1", "redis-7.0", False),
    ("valkey-9.1", "redis-6.2", False),
    ("redis-7.0", "redis-6.2", False),
    ("redis-6.2", "redis-7.0", True),
    ("redis-7.0", "valkey-9.1", True),
]


@pytest.mark.parametrize(("source", "target", "readable"), VERSIONS)
@pytest.mark.parametrize("empty", [True, False], ids=["empty target", "target with keys"])
def test_a_version_that_cannot_be_read_is_refused_before_the_first_write(
    fresh_redis: Callable[..., RedisServer], tmp_path: Path, source: str, target: str, readable: bool, empty: bool
) -> None:
    origin, other = fresh_redis(source), fresh_redis(target)
    dataset.fill(origin.client(), 50)
    flushed = flush(origin, tmp_path)
    if not empty:
        other.client().set("a", "b")
    other.reset_stats()

    for check in (True, False):
        result = restore(other, flushed, check=check)
        if readable:
            assert result["plan"]["to_restore"] == 50
        else:
            assert "does not read" in result["msg"]
            assert other.write_commands_called() == []
    assert other.client().dbsize() == (0 if empty else 1) + (50 if readable else 0)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("redis-7.0", "redis-6.2", "big streams with counters, which redis 6.2"),
        ("redis-8.0", "redis-7.0", "big hashes with fields that expire, which redis 7.0"),
    ],
)
def test_a_big_key_that_an_older_server_cannot_build_is_refused_before_the_first_write(
    fresh_redis: Callable[..., RedisServer], tmp_path: Path, source: str, target: str, words: str
) -> None:
    """A backup with big keys only has no payload whose version could be compared."""
    newer, older = fresh_redis(source), fresh_redis(target)
    client = newer.client()
    for number in range(300):
        if source == "redis-7.0":
            client.xadd("market:data:big", {"field": b"%d" % number * 50})
        else:
            client.hset("market:data:big", str(number), b"%d" % number * 50)
    if source == "redis-8.0":
        client.execute_command("HPEXPIRE", "market:data:big", 10**9, "FIELDS", 1, "7")
    flushed = flush(newer, tmp_path, big_key_bytes=8_192)
    for check in (True, False):
        refused = restore(older, flushed, check=check)
        assert words in refused["msg"]
        assert not refused["report"].get("headline")
    assert older.write_commands_called() == []
    assert restore(newer, flushed)["restored"] == 1


def big_list(client: redis.Redis, name: str = "market:data:big") -> None:
    client.rpush(name, *[b"%d" % number * 20 for number in range(3_000)])


def part_of(flushed: dict[str, Any]) -> Path:
    (part,) = Path(flushed["backup"]["path"]).glob("part-*.resp.gz")
    return part


def damage(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("where", ["batch", "big key", "header"])
def test_damage_is_found_and_named_before_anything_is_written(redis70: RedisServer, tmp_path: Path, where: str) -> None:
    client = redis70.client()
    dataset.fill(client, 1_000)
    if where == "big key":
        big_list(client)
    flushed = flush(redis70, tmp_path, big_key_bytes=16_384)
    part = part_of(flushed)
    chosen = [member for member in backup.members(part) if bool(member.flags & backup.BIG) == (where == "big key")]
    middle = chosen[len(chosen) // 2]
    # The number of keys in a header is in no checksum of gzip's.
    damage(part, middle.offset + (20 if where == "header" else middle.length // 2))
    redis70.reset_stats()

    for check in (True, False):
        result = restore(redis70, flushed, check=check)
        assert "is damaged" in result["msg"]
        assert ("at byte" in result["msg"]) == (where != "header")
        assert result["report"]["state"] == "failed"
    assert redis70.write_commands_called() == []


def test_a_folder_without_a_backup_is_refused(redis70: RedisServer, tmp_path: Path) -> None:
    result = restore(redis70, {"backup": {"path": str(tmp_path)}})
    assert "holds no backup of flush_redis" in result["msg"]
    relative = restore(redis70, {"backup": {"path": "somewhere"}})
    assert "relative path 'somewhere'" in relative["msg"]


def edit(flushed: dict[str, Any], **changes: Any) -> None:
    """Change fields of a manifest."""
    path = Path(flushed["backup"]["path"]) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def spoil(how: str, flushed: dict[str, Any]) -> None:
    part = part_of(flushed)
    manifest = part.with_name("manifest.json")
    if how == "half a manifest":
        manifest.write_text(manifest.read_text()[:100])
    elif how == "a manifest without parts":
        edit(flushed, parts=None)
    elif how == "a newer format":
        edit(flushed, format="market_intel.runbooks/redis-backup/2")
    elif how == "a part of another backup":
        shutil.copy(part, part.with_name("part-0002.resp.gz"))
    elif how == "a part without content":
        part.write_bytes(b"")
    elif how == "a part that cannot be read":
        part.unlink()
        part.mkdir()
    elif how == "a manifest that cannot be read":
        manifest.unlink()
        manifest.mkdir()


SPOILED = {
    "half a manifest": "is damaged (its manifest.json is not whole)",
    "a manifest without parts": "is damaged (its manifest.json lacks parts)",
    "a newer format": "was written by a newer version of the collection (format 2)",
    "a part of another backup": "is damaged (part-0002.resp.gz is none of the files in manifest.json)",
    "a part without content": "is not whole",
    "a part that cannot be read": "cannot be read (Is a directory)",
    "a manifest that cannot be read": "cannot be read (Is a directory)",
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_backup_that_is_not_as_it_was_is_refused(redis70: RedisServer, tmp_path: Path, how: str) -> None:
    redis70.client().set("market:data:1", "x")
    flushed = flush(redis70, tmp_path)
    spoil(how, flushed)
    redis70.reset_stats()
    for check in (True, False):
        result = restore(redis70, flushed, check=check)
        assert not loss.not_one_sentence(result)
        assert SPOILED[how] in result["msg"]
    assert redis70.write_commands_called() == []


def test_a_backup_without_its_journal_says_what_cannot_be_told(redis70: RedisServer, tmp_path: Path) -> None:
    redis70.client().set("market:data:1", "x")
    flushed = flush(redis70, tmp_path)
    (Path(flushed["backup"]["path"]) / "journal.jsonl").unlink()
    result = restore(redis70, flushed)
    assert result["restored"] == 1
    assert "lacks its journal.jsonl" in " ".join(result["notices"])


def test_a_backup_that_vanishes_meanwhile_is_said_with_what_was_restored(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    dataset.fill(client, 5_000)
    flushed = flush(redis70, tmp_path)
    with Proxy(redis70.port) as proxy:
        proxy.gate = gate = Gate(lambda request: b"ABSTTL" in request and b"market:data:" in request)
        with start_module("redis_restore", {"url": proxy.url, "path": flushed["backup"]["path"]}) as running:
            gate.wait()
            part_of(flushed).rename(tmp_path / "elsewhere")
            gate.open()
            result = running.wait().result
    assert "cannot be read (No such file or directory)" in result["msg"]
    assert 0 < result["restored"] == client.dbsize() < 5_000


def test_a_pattern_that_matches_no_key_of_the_backup_is_said(redis70: RedisServer, tmp_path: Path) -> None:
    redis70.client().set("market:data:1", "x")
    flushed = flush(redis70, tmp_path)
    result = restore(redis70, flushed, patterns=["market:date:*"])
    assert (result["changed"], result["report"]["headline"]) == (
        False,
        "the backup has no key that matches the patterns",
    )


def test_keys_that_the_application_removed_itself_do_not_come_back(redis70: RedisServer, tmp_path: Path) -> None:
    """A record whose key vanished before it could be removed is in the files, but was not removed by us."""
    client = redis70.client()
    client.mset({f"market:data:{index}": "x" for index in range(20)})
    flushed = flush(redis70, tmp_path)
    journal = Path(flushed["backup"]["path"]) / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"void":[]', '"void":[0,1]', 1))

    assert restore(redis70, flushed)["restored"] == 18


# -- memory ------------------------------------------------------------------------------------------------------------


POLICIES = ("allkeys-lru", "allkeys-lfu", "volatile-lru", "noeviction")
LIVE = 1_000


def limit(client: redis.Redis, more: int) -> None:
    """Leave a server so much memory that is free."""
    client.config_set("maxmemory", client.info("memory")["used_memory"] + more)


@pytest.fixture(params=["redis-7.0", "redis-8.0"])
def crowded(
    request: pytest.FixtureRequest, _recorded_server: Callable[[str], RedisServer], tmp_path: Path
) -> tuple[RedisServer, dict[str, Any]]:
    """A server with live keys that expire, and a flush of 2,000 keys of 2 KB that are well compressed."""
    server = _recorded_server(request.param)
    client = server.client()
    client.mset({f"market:data:{index}": "x" * 2_048 for index in range(2_000)})
    flushed = flush(server, tmp_path)
    client.mset({f"live:{index}": "y" * 200 for index in range(LIVE)})
    for index in range(LIVE):
        client.expire(f"live:{index}", 10_000)
    return server, flushed


def test_a_restore_for_which_keys_would_be_evicted_is_refused(crowded: tuple[RedisServer, dict[str, Any]]) -> None:
    server, flushed = crowded
    client = server.client()
    manifest = json.loads((Path(flushed["backup"]["path"]) / "manifest.json").read_text())
    assert manifest["parts"][0]["memory_bytes"] > 2_000 * 2_048
    server.reset_stats()
    for policy in POLICIES:
        client.config_set("maxmemory-policy", policy)
        limit(client, 1024 * 1024)
        result = restore(server, flushed, check=policy == "allkeys-lfu")
        assert f"maxmemory-policy {policy}" in result["msg"]
        assert "raise maxmemory" in result["msg"]
        assert "allow_eviction" in result["msg"]
        assert result["report"]["state"] == "refused"
        assert result["plan"]["memory_left"] < 1024 * 1024 < 2_000 * 2_048 < result["plan"]["memory_bytes"]
    assert server.write_commands_called() == []
    assert client.dbsize() == LIVE

    needed = result["plan"]["memory_bytes"]
    client.config_set("maxmemory-policy", "allkeys-lru")
    limit(client, needed + 128 * 1024)
    done = restore(server, flushed)
    assert (done.get("restored"), done["missing"], done["evicted"]) == (2_000, 0, 0), done.get("msg")
    assert done["report"]["proofs"][0]["result"] == "proven"
    assert client.dbsize() == LIVE + 2_000
    # It was no more than was needed.
    assert client.info("memory")["used_memory"] > client.info("memory")["maxmemory"] - 0.3 * needed


def test_evictions_and_missing_keys_are_counted_and_not_done(crowded: tuple[RedisServer, dict[str, Any]]) -> None:
    server, flushed = crowded
    client = server.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    limit(client, 1024 * 1024)

    result = restore(server, flushed, allow_eviction=True)

    there = sum(client.exists(f"market:data:{index}") for index in range(2_000))
    assert result["failed"]
    assert result["report"]["state"] == "failed"
    assert (result["restored"], result["missing"]) == (2_000, 2_000 - there)
    assert result["evicted"] == client.info("stats")["evicted_keys"] > result["missing"] > 0
    assert f"{result['missing']} keys of the backup are not there" in result["msg"]

    client.config_set("maxmemory", 0)
    again = restore(server, flushed)
    assert (again["restored"], again["missing"]) == (2_000 - there, 0)
    assert again["report"]["state"] == "done"


def test_a_restore_stops_when_evictions_begin(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    client.mset({f"market:data:{index}": "x" * 500 for index in range(5_000)})
    flushed = flush(redis70, tmp_path)
    client.mset({f"live:{index}": "y" * 200 for index in range(LIVE)})
    client.config_set("maxmemory-policy", "allkeys-random")
    with Proxy(redis70.port) as proxy:
        proxy.gate = gate = Gate(lambda request: b"ABSTTL" in request and b"market:data:" in request)
        with start_module("redis_restore", {"url": proxy.url, "path": flushed["backup"]["path"]}) as running:
            gate.wait()
            # Somebody else has filled it since the plan was made.
            limit(client, 64 * 1024)
            gate.open()
            result = running.wait().result
    assert "began to evict keys" in result["msg"]
    assert 0 < result["restored"] < 5_000
    assert 0 < result["evicted"] == client.info("stats")["evicted_keys"]


def without_memory(flushed: dict[str, Any]) -> None:
    """Make of a backup one of an older version, which does not tell what its keys took."""
    part = part_of(flushed)
    content = part.read_bytes()
    older = b""
    for member in backup.members(part):
        data = content[member.offset + 33 : member.offset + member.length]
        header = struct.pack("<4sIBBHBBHIIB", b"\x1f\x8b\x08\x04", 0, 0, 3, 13, 77, 73, 9, member.length - 8,
                             member.keys, member.flags)  # fmt: skip
        older += header + data
    part.write_bytes(older)
    path = part.with_name("manifest.json")
    manifest = json.loads(path.read_text())
    manifest["parts"] = [{"node": part["node"], **backup.describe_part(part_of(flushed))} for part in manifest["parts"]]
    path.write_text(json.dumps(manifest))


def test_the_keys_of_an_older_backup_are_estimated_by_a_sample(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    chooser = random.Random(1)
    for index in range(2_000):
        client.set(f"market:data:{index}", chooser.choice("xy") * 2_048, ex=10_000)
    told = restore_plan(redis70, flushed := flush(redis70, tmp_path))
    without_memory(flushed)
    assert gzip.decompress(part_of(flushed).read_bytes()).count(b"RESTORE") == 2_000
    redis70.reset_stats()
    unknown = restore(redis70, flushed, check=True)
    assert redis70.write_commands_called() == []
    assert any("memory" in line for line in unknown["plan"]["not_verified"])

    client.config_set("maxmemory-policy", "allkeys-lru")
    limit(client, 1024 * 1024)
    result = restore(redis70, flushed)
    assert "maxmemory-policy allkeys-lru" in result["msg"]
    assert 0.8 < result["plan"]["memory_bytes"] / told["memory_bytes"] < 1.25
    assert client.dbsize() == client.info("stats")["evicted_keys"] == 0

    client.config_set("maxmemory", 0)
    assert restore(redis70, flushed)["restored"] == 2_000


def restore_plan(server: RedisServer, flushed: dict[str, Any]) -> dict[str, Any]:
    plan: dict[str, Any] = restore(server, flushed, check=True)["plan"]
    return plan


def test_an_overwritten_key_takes_only_what_it_is_larger(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    chooser = random.Random(1)
    client.mset({f"market:data:{index}": chooser.randbytes(10_000) for index in range(500)})
    flushed = flush(redis70, tmp_path)
    client.mset({f"market:data:{index}": chooser.randbytes(10_000) for index in range(500)})
    client.config_set("maxmemory-policy", "allkeys-lru")
    limit(client, 1024 * 1024)
    done = restore(redis70, flushed, overwrite=True)
    assert (done["restored"], done["missing"], done["evicted"]) == (500, 0, 0)


@pytest.mark.parametrize("rest", ["not wanted", "there", "overwritten"])
def test_the_largest_part_of_a_backup_takes_more_than_its_share_of_keys(
    redis70: RedisServer, tmp_path: Path, rest: str
) -> None:
    """What is well compressed is small in the backup, and the mean of a batch is that of its small keys, too."""
    client = redis70.client()
    chooser = random.Random(1)
    small = {f"market:data:small:{index}": chooser.randbytes(60) for index in range(1_000)}
    large = {f"market:data:large:{index}": "x" * 4_000 for index in range(1_000)}
    client.mset({**small, **large})
    flushed = flush(redis70, tmp_path)
    if rest != "not wanted":
        client.mset(small)
    if rest == "overwritten":
        client.mset({name: chooser.randbytes(60) for name in large})
    options = {"patterns": ["market:data:large:*"]} if rest == "not wanted" else {"overwrite": rest == "overwritten"}
    client.config_set("maxmemory-policy", "allkeys-lru")
    there = client.dbsize()

    limit(client, 3_000_000)
    refused = restore(redis70, flushed, **options)
    assert "maxmemory-policy allkeys-lru" in refused["msg"]
    assert 4_000_000 < refused["plan"]["memory_bytes"] < 6_000_000
    assert (client.dbsize(), client.info("stats")["evicted_keys"]) == (there, 0)

    limit(client, 6_000_000)
    done = restore(redis70, flushed, **options)
    assert (done["restored"], done["missing"], done["evicted"]) == (1_000, 0, 0)
    if rest == "overwritten":
        # What is as large as it was takes nothing.
        for name in large:
            client.set(name, "y" * 4_000)
        limit(client, 1_000_000)
        assert restore(redis70, flushed, **options)["restored"] == 1_000


@pytest.mark.parametrize("big", [True, False], ids=["big keys", "keys in batches"])
@pytest.mark.parametrize("kind", ["hash", "zset"])
def test_what_memory_usage_leaves_out_is_estimated(redis80: RedisServer, tmp_path: Path, kind: str, big: bool) -> None:
    client = redis80.client()
    for key in range(100):
        if kind == "hash":
            client.hset(f"market:data:{key}", mapping={f"field{number}": f"v{number}" for number in range(600)})
        else:
            client.zadd(f"market:data:{key}", {f"member{number}": number for number in range(600)})
    flushed = flush(redis80, tmp_path, big_key_bytes=8_192 if big else 1_000_000)
    assert flushed["counts"]["big"] == (100 if big else 0)
    client.mset({f"live:{index}": "y" * 200 for index in range(LIVE)})
    client.config_set("maxmemory-policy", "allkeys-lru")
    limit(client, restore_plan(redis80, flushed)["memory_bytes"] + 128 * 1024)
    done = restore(redis80, flushed)
    assert (done.get("restored"), done["evicted"]) == (100, 0), done.get("msg")


def test_a_replica_with_less_memory_is_said(fresh_redis: Callable[..., RedisServer], tmp_path: Path) -> None:
    primary = fresh_redis()
    replica = fresh_redis(replicaof=primary)
    wait_for_replica(replica)
    client = primary.client()
    client.mset({f"market:data:{index}": "x" * 2_000 for index in range(1_000)})
    flushed = flush(primary, tmp_path)
    assert restore(primary, flushed, check=True)["plan"]["notices"] == []
    with replica.admin() as admin:
        admin.config_set("maxmemory-policy", "allkeys-lru")
        limit(admin, 1_000_000)
    (notice,) = restore(primary, flushed)["notices"]
    assert f"The replica redis://127.0.0.1:{replica.port}/0 has " in notice
    assert "evict other keys" in notice


# -- interrupted -------------------------------------------------------------------------------------------------------


# 500 elements of a list, which the questions about rights are not.
CHUNK = b"*502\r\n$5\r\nRPUSH\r\n"


def in_work(client: redis.Redis) -> list[bytes]:
    return list(client.scan_iter(match=b"*" + loss.QUARANTINE + b"*"))


@pytest.mark.parametrize("again", [True, False], ids=["restored", "rebuilt by the application"])
def test_a_part_of_a_big_key_expires_and_the_same_command_removes_it(
    redis70: RedisServer, tmp_path: Path, again: bool
) -> None:
    client = redis70.client()
    big_list(client)
    before = client.lrange("market:data:big", 0, -1)
    flushed = flush(redis70, tmp_path, big_key_bytes=16_384)
    with Proxy(redis70.port) as proxy:
        args = {"url": proxy.url, "path": flushed["backup"]["path"]}
        fault = proxy.stall(match=CHUNK, occurrence=3)
        with start_module("redis_restore", args) as running:
            fault.wait()
            running.signal(signal.SIGKILL)
            proxy.drop()
            running.wait_gone()
        (left,) = in_work(client)
        # A chunk of 1, 4, 16, 64 and 256 elements, then two of 500.
        assert client.llen(left) == 1_341
        assert 0 < client.ttl(left) <= 600
        if not again:
            client.set("market:data:big", "new")

        planned = run_module("redis_restore", args, check=True)
        assert (planned["plan"]["leftovers"], planned["changed"]) == (1, True)
        assert in_work(client) == [left]
        assert run_module("redis_restore", args)["changed"]
        assert in_work(client) == []
        assert not run_module("redis_restore", args)["changed"]
    assert client.lrange("market:data:big", 0, -1) == before if again else client.get("market:data:big") == b"new"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminated"])
def test_a_restore_that_is_stopped_leaves_nothing_of_a_big_key(redis70: RedisServer, tmp_path: Path, how: int) -> None:
    client = redis70.client()
    big_list(client)
    flushed = flush(redis70, tmp_path, big_key_bytes=16_384)
    with Proxy(redis70.port) as proxy:
        args = {"url": proxy.url, "path": flushed["backup"]["path"]}
        proxy.gate = gate = Gate(lambda request: CHUNK in request)
        with start_module("redis_restore", args) as running:
            gate.wait()
            assert "works with the run" in restore(redis70, flushed)["msg"]
            running.signal(how)
            gate.open()
            result = running.wait().result
    assert result["report"]["state"] == "interrupted"
    assert client.dbsize() == 0
    assert restore(redis70, flushed)["restored"] == 1


def test_a_key_that_vanishes_while_it_is_built_is_not_built_from_its_middle(
    redis70: RedisServer, tmp_path: Path
) -> None:
    client = redis70.client()
    big_list(client)
    flushed = flush(redis70, tmp_path, big_key_bytes=16_384)
    with Proxy(redis70.port) as proxy:
        requests = iter(range(100))
        proxy.gate = gate = Gate(lambda request: CHUNK in request and next(requests) == 2)
        with start_module("redis_restore", {"url": proxy.url, "path": flushed["backup"]["path"]}) as running:
            gate.wait()
            client.delete(*in_work(client))
            gate.open()
            result = running.wait().result
    assert "vanished while it was built" in result["msg"]
    assert client.dbsize() == 0
    assert restore(redis70, flushed)["restored"] == 1


# -- elsewhere ---------------------------------------------------------------------------------------------------------


def test_another_database_or_server_is_said_in_the_plan(
    redis70: RedisServer, redis80: RedisServer, tmp_path: Path
) -> None:
    redis70.client().set("market:data:1", "x")
    flushed = flush(redis70, tmp_path)
    path = flushed["backup"]["path"]

    def said(url: str) -> str:
        result = run_module("redis_restore", {"url": url, "path": path}, check=True)
        where, report = result["plan"]["elsewhere"], result["report"]
        for lines in (report["plan"]["summary"], report["summary"]):
            assert [line for line in lines if "another" in line] == ([where] if where else [])
        return str(where)

    assert said(redis70.url) == ""
    assert said(redis70.unix_url) == ""
    assert said(redis70.url.replace("/0", "/5")).startswith("the backup is of another database: database 0 of redis")
    other = "the backup is of another server, as far as its address and its process tell: database 0 of redis 7.0"
    assert said(redis80.url).startswith(other)
    assert redis70.url in said(redis80.url)
