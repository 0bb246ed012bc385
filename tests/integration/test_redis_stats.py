# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics count exactly, estimate honestly, and write nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from support import dataset
from support.ansible import run_module, run_playbook
from support.servers import RedisServer
from support.traffic import cache_users

CATALOGUE = [{"name": "market-data", "pattern": "market:data:*"}, {"name": "empty", "prefix": "nothing:"}]


def look(server: RedisServer, **options: Any) -> dict[str, Any]:
    return run_module("redis_cache_info", {"url": server.url, "caches": CATALOGUE, "interval": 0.2, **options})


def test_figures_of_a_cache(any_redis: RedisServer) -> None:
    client = any_redis.client()
    for index in range(600):
        client.set(f"market:data:{index}", "x" * 100, px=30_000 if index % 3 == 0 else None)
    for index in range(300):
        client.hset(f"market:data:hash:{index}", mapping={"a": "b"})
    client.set("market:data:giant", "x" * 500_000)
    client.set("other", "x")
    any_redis.reset_stats()

    result = look(any_redis, sample=0, largest=2)

    assert any_redis.write_commands_called() == []
    cache, empty = result["caches"]
    assert (cache["keys"], cache["sampled"]) == (901, 901)
    assert cache["types"] == {"string": 601, "hash": 300}
    assert cache["expiry"] == {"up to 1 min": 200, "never": 701}
    assert cache["largest"][0]["name"] == "market:data:giant"
    assert len(cache["largest"]) == 2
    exact = sum(client.memory_usage(name, samples=0) or 0 for name in client.scan_iter("market:data:*"))
    assert 0.9 * exact < cache["memory_bytes"] < 1.1 * exact
    assert (empty["keys"], empty["memory_bytes"]) == (0, 0)
    assert result["health"]["database_keys"] == 902
    assert result["health"]["used_memory"] > exact
    assert result["server"]["run_id"] == client.info("server")["run_id"]


def test_a_sample_stands_for_the_whole(redis70: RedisServer) -> None:
    client = redis70.client()
    dataset.fill(client, 30_000, ttl_share=0.5)
    cache = look(redis70, sample=1_000)["caches"][0]
    assert cache["keys"] == 30_000
    assert 900 < cache["sampled"] < 15_000
    whole = look(redis70, sample=0)["caches"][0]
    assert 0.95 < cache["memory_bytes"] / whole["memory_bytes"] < 1.05
    assert 0.4 < cache["expiry"]["never"] / cache["sampled"] < 0.6


def test_thousands_of_caches_take_one_pass_and_a_key_of_several_counts_once(redis70: RedisServer) -> None:
    client = redis70.client()
    client.mset({f"cat:{number % 500}:{number}": "x" for number in range(5_000)})
    caches = [{"name": f"cache-{number}", "prefix": f"cat:{number}:"} for number in range(500)]
    caches += [{"name": "wide", "prefix": "cat:"}]
    redis70.reset_stats()

    result = look(redis70, caches=caches, sample=100)

    assert [cache["keys"] for cache in result["caches"]] == [10] * 500 + [5_000]
    assert [cache["sampled"] for cache in result["caches"][:500]] == [10] * 500
    assert 100 < result["caches"][500]["sampled"] < 2_000
    assert result["distinct_keys"] == 5_000
    assert "501 caches with 5,000 keys" in result["report"]["headline"]
    assert redis70.commandstats()["scan"] < 10


def test_the_hit_ratio_is_that_of_the_users(redis70: RedisServer) -> None:
    client = redis70.client()
    dataset.fill(client, 200)
    assert look(redis70)["traffic"]["hit_ratio"] is None
    with cache_users(redis70, keys=400):
        time.sleep(0.2)
        ratio = look(redis70, interval=1.0)["traffic"]["hit_ratio"]
    assert ratio is not None
    assert 0.3 < ratio <= 1.0


def test_the_playbook_reports(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 100)
    redis70.reset_stats()
    for check in (True, False):
        result = run_playbook(
            "redis_stats",
            {
                "flush_redis_url": redis70.url,
                "flush_redis_reports_dir": str(tmp_path),
                "flush_redis_stats_interval": "0.2",
            },
            check=check,
        )
        assert (result.rc, result.changed) == (0, 0), result.output
        assert "market-data: 100 keys" in result.stderr
    assert redis70.write_commands_called() == []
    reports = [json.loads(path.read_text()) for path in tmp_path.glob("*/localhost.json")]
    assert {report["mode"] for report in reports} == {"check", "run"}
    assert reports[0]["details"]["caches"][0]["keys"] == 100
