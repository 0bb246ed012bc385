# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several patterns in one flush: one pass, each key once, and saved if any cache wants it saved."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import CachePattern, Matcher
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.names import glob_regex, to_bytes
from support import dataset
from support.flush import flush, restore
from support.servers import RedisServer

PAGES = {"name": "pages", "prefix": "cat:1", "backup": False}
KEEP = {"name": "keep", "prefix": "cat:12"}


def scans(server: RedisServer) -> int:
    return int(server.client().info("commandstats").get("cmdstat_scan", {}).get("calls", 0))


@pytest.mark.parametrize("names", [["pages", "keep"], ["keep", "pages"]], ids=" ".join)
def test_a_key_is_saved_if_any_of_its_caches_wants_that(redis70: RedisServer, tmp_path: Path, names: list[str]) -> None:
    client = redis70.client()
    client.mset({f"cat:{number}": "x" for number in range(100, 300)})
    before = dataset.snapshot(client, b"cat:12*")
    caches = {"patterns": [], "caches": [PAGES, KEEP], "names": names}

    planned = flush(redis70, tmp_path, check=True, diff=True, **caches)

    assert planned["plan"]["matched"] == 100
    counted = {entry["name"]: entry["matched"] for entry in planned["plan"]["patterns"]}
    assert counted == {"pages": 90, "keep": 10}
    said = "10 keys of pages (cat:1*), which asks for no backup, match keep (cat:12*) as well: they are backed up."
    assert said in planned["report"]["degraded"]
    assert "keep (cat:12*): 10 of 10 keys to delete" in planned["diff"]["before"]
    assert "pages (cat:1*): 90 of 90 matching keys to delete, WITHOUT BACKUP" in planned["report"]["plan"]["summary"]

    done = flush(redis70, tmp_path, **caches)

    assert (done["removed"], done["remaining"], client.dbsize()) == (100, 0, 100)
    assert done["backup"]["records"] == 10
    assert restore(redis70, done)["restored"] == 10
    assert dataset.diff(before, dataset.snapshot(client, b"cat:12*")) == []


def test_a_key_of_a_cache_that_nobody_named_is_saved_if_that_wants_it(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    client.mset({f"cat:{number}": "x" for number in range(100, 300)})
    before = dataset.snapshot(client, b"cat:12*")
    unusable = {"name": "neither a pattern nor a prefix"}
    caches = {"patterns": [], "caches": [PAGES, KEEP, unusable], "names": ["pages"]}

    planned = flush(redis70, tmp_path, check=True, **caches)
    said = "10 keys of pages (cat:1*), which asks for no backup, match keep (cat:12*) as well: they are backed up."
    assert said in planned["report"]["degraded"]

    done = flush(redis70, tmp_path, **caches)

    assert (done["removed"], done["backup"]["records"]) == (100, 10)
    assert restore(redis70, done)["restored"] == 10
    assert dataset.diff(before, dataset.snapshot(client, b"cat:12*")) == []
    # Who says it of the whole run means it.
    assert flush(redis70, tmp_path, backup=False, **caches)["backup"]["records"] == 0


def test_one_pattern_of_two_caches_is_saved_if_one_of_them_wants_that(redis70: RedisServer, tmp_path: Path) -> None:
    redis70.client().mset({f"cat:{number}": "x" for number in range(20)})
    caches = [{"name": "a", "pattern": "cat:*", "backup": False}, {"name": "b", "pattern": "cat:*"}]
    done = flush(redis70, tmp_path, patterns=[], caches=caches, names=["a", "b"])
    assert [(entry["name"], entry["matched"]) for entry in done["plan"]["patterns"]] == [("a, b", 20)]
    assert done["backup"]["records"] == 20


@pytest.mark.parametrize("mode", ["delete", "expire"])
def test_thousands_of_caches_take_one_pass(redis70: RedisServer, tmp_path: Path, mode: str) -> None:
    client = redis70.client()
    catalogue = [{"name": f"cache-{number}", "prefix": f"cat:{number}:"} for number in range(2_000)]
    # These match what others do, and of each other's, as well.
    catalogue += [{"name": f"wide-{number}", "pattern": f"cat:{number}*"} for number in range(1_000)]
    client.mset({f"cat:{number % 2_000}:{number}": "x" for number in range(10_000)})
    client.mset({f"dog:{number}": "x" for number in range(5_000)})
    redis70.reset_stats()
    options: dict[str, Any] = {
        "patterns": [],
        "caches": catalogue,
        "names": [entry["name"] for entry in catalogue],
        "mode": mode,
        "expire_window": 31_536_000,
    }

    done = flush(redis70, tmp_path, **options)

    assert done["plan"]["matched"] == done["removed"] == 10_000
    assert (done["remaining"], done["backup"]["records"]) == (0, 10_000)
    # The shortest of the lives may be over already.
    assert client.dbsize() == 5_000 if mode == "delete" else 14_990 < client.dbsize() <= 15_000
    # Three passes over 15,000 keys, of 1,000 a page.
    assert scans(redis70) < 3 * 30


def test_a_plan_that_the_run_has_made_spares_a_pass(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    dataset.fill(client, 1_000)
    dataset.fill(client, 9_000, prefix=b"other:")
    planned = flush(redis70, tmp_path, check=True, batch_size=100)
    redis70.reset_stats()

    done = flush(redis70, tmp_path, plan=planned["plan"], batch_size=100)

    assert done["removed"] == 1_000
    assert (done["plan"]["matched"], done["plan"]["confirm"]) == (1_000, planned["plan"]["confirm"])
    assert scans(redis70) < 2.5 * 100

    dataset.fill(client, 1_000)
    dataset.fill(client, 50, prefix=b"quotes:")
    other = flush(redis70, tmp_path, plan=planned["plan"], patterns=["market:data:*", "quotes:*"])
    assert (other["plan"]["matched"], other["removed"]) == (1_050, 1_050)


@pytest.mark.parametrize("backup", [True, False], ids=["with a backup", "without"])
def test_the_guards_of_a_plan_hold_while_it_is_carried_out(redis70: RedisServer, tmp_path: Path, backup: bool) -> None:
    client = redis70.client()
    options: dict[str, Any] = {"max_keys": 1_500, "batch_size": 100, "backup": backup}
    dataset.fill(client, 1_000)
    plan = flush(redis70, tmp_path, check=True, **options)["plan"]
    dataset.fill(client, 3_000, prefix=b"market:data:more:")

    stopped = flush(redis70, tmp_path, plan=plan, **options)

    assert "More keys match than the plan allows (max_keys is 1500)" in stopped["msg"]
    assert stopped["changed"] and 1_300 < stopped["removed"] <= 1_500
    assert client.dbsize() == 4_000 - stopped["removed"]
    if backup:
        assert restore(redis70, stopped)["restored"] == stopped["removed"]
        assert client.dbsize() == 4_000


def test_in_production_a_fifth_more_keys_stop_the_flush(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    dataset.fill(client, 1_000)
    options: dict[str, Any] = {"environment": "production", "batch_size": 100}
    plan = flush(redis70, tmp_path, check=True, **options)["plan"]
    dataset.fill(client, 1_000, prefix=b"market:data:more:")

    stopped = flush(redis70, tmp_path, plan=plan, confirm=plan["confirm"], **options)

    assert "1000 were planned, allowed is 1.2 times as many" in stopped["msg"]
    assert 1_000 <= stopped["removed"] <= 1_200


def test_globs_match_here_as_on_the_server(any_redis: RedisServer) -> None:
    chooser = random.Random(5)
    client = any_redis.client()
    names = {bytes(chooser.choices(b"ab*?[]^-\\\n\xff", k=chooser.randint(1, 6))) for _name in range(500)}
    client.mset(dict.fromkeys(names, b"x"))
    patterns = ["".join(chooser.choices("ab*?[]^-\\", k=chooser.randint(1, 7))) for _pattern in range(300)]
    pipe = client.pipeline(transaction=False)
    for pattern in patterns:
        pipe.keys(to_bytes(pattern))
    for pattern, found in zip(patterns, pipe.execute(), strict=True):
        expected = {name for name in names if glob_regex(pattern).fullmatch(name)}
        assert set(found) == expected, pattern
    for _group in range(30):
        some = [CachePattern(pattern) for pattern in dict.fromkeys(chooser.choices(patterns, k=5))]
        matcher = Matcher(some)
        found = client.keys(to_bytes(matcher.glob))
        expected = {name for name in names if any(glob_regex(each.pattern).fullmatch(name) for each in some)}
        assert set(matcher.select(found)[0]) == expected, some
