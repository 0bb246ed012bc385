# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore puts back exactly what is missing, and says beforehand what that is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support import dataset
from support.flush import CACHE, flush, restore
from support.servers import RedisServer


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
    client.set("market:data:ever", "x")
    client.set("market:data:hour", "x", px=3_600_000)
    client.set("market:data:moment", "x", px=2_500)
    client.rpush("market:data:bigmoment", *[b"x" * 100 for _index in range(2_000)])
    client.pexpire("market:data:bigmoment", 2_500)
    flushed = flush(any_redis, tmp_path, big_key_bytes=65_536)
    assert flushed["removed"] == 4
    time.sleep(2.6)

    absolute = restore(any_redis, flushed)
    assert (absolute["restored"], absolute["plan"]["expired"]) == (2, 2)
    assert client.pttl("market:data:ever") == -1
    assert 3_500_000 < client.pttl("market:data:hour") < 3_598_000
    client.flushall()

    remaining = restore(any_redis, flushed, expiry="remaining")
    assert remaining.get("restored") == 4, remaining["msg"]
    assert 3_598_000 < client.pttl("market:data:hour") <= 3_601_000
    client.flushall()

    assert restore(any_redis, flushed, expiry="persist")["restored"] == 4
    assert {client.pttl(name) for name in client.scan_iter()} == {-1}


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


def test_damage_is_found_and_named(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 3_000)
    flushed = flush(redis70, tmp_path)
    part = next(Path(flushed["backup"]["path"]).glob("part-*.resp.gz"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 0xFF
    part.write_bytes(content)

    result = restore(redis70, flushed)

    assert "is damaged at byte" in result["msg"]
    assert redis70.client().dbsize() == 0


def test_a_folder_without_a_backup_is_refused(redis70: RedisServer, tmp_path: Path) -> None:
    result = restore(redis70, {"backup": {"path": str(tmp_path)}})
    assert "holds no backup of flush_redis" in result["msg"]
    relative = restore(redis70, {"backup": {"path": "somewhere"}})
    assert "relative path 'somewhere'" in relative["msg"]


def test_keys_that_the_application_removed_itself_do_not_come_back(redis70: RedisServer, tmp_path: Path) -> None:
    """A record whose key vanished before it could be removed is in the files, but was not removed by us."""
    client = redis70.client()
    client.mset({f"market:data:{index}": "x" for index in range(20)})
    flushed = flush(redis70, tmp_path)
    journal = Path(flushed["backup"]["path"]) / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"void":[]', '"void":[0,1]', 1))

    assert restore(redis70, flushed)["restored"] == 18
