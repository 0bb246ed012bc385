# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a flush refuses, in one sentence, before it touches anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import dataset
from support.flush import flush
from support.servers import RedisServer, wait_for_replica

CATALOGUE = [
    {"name": "market-data", "pattern": "market:data:*"},
    {"name": "quotes", "pattern": "quotes:*", "environments": ["staging"]},
]
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing named": ({"patterns": [], "caches": CATALOGUE}, r"known are: market-data, quotes"),
    "empty catalogue": ({"patterns": []}, r"the catalogue is empty"),
    "unknown name": (
        {"caches": CATALOGUE, "names": ["prices"]},
        r"'prices' is not in the catalogue; known are: market-data, quotes",
    ),
    "a name twice": (
        {"caches": [*CATALOGUE, {"name": "quotes", "prefix": "q:"}], "names": ["market-data"]},
        r"'quotes' stands 2 times in the catalogue, for quotes:\* and for q:; allowed is each name once",
    ),
    "another environment": (
        {"caches": CATALOGUE, "names": ["quotes"], "environment": "production"},
        r"staging only, this is production",
    ),
    "pattern and prefix": (
        {"caches": [{"name": "a", "pattern": "a*", "prefix": "a"}], "names": ["a"]},
        r"either a pattern or a prefix",
    ),
    "star": ({"patterns": ["*"]}, r"too broad"),
    "two stars": ({"patterns": ["**"]}, r"too broad"),
    "any first character": ({"patterns": ["?*"]}, r"too broad"),
    "empty pattern": ({"patterns": [""]}, r"too broad"),
    "short prefix": ({"patterns": ["ma*"]}, r"2 literal characters, at least 3"),
    "set of characters": ({"patterns": ["[a-z]arket:*"]}, r"too broad"),
    "sessions": ({"patterns": ["app:sessions:*"]}, r"'session'.* to allow_sensitive"),
    "tokens": ({"patterns": ["auth:token:*"]}, r"allow_sensitive"),
    "queues": ({"patterns": ["bull:mail:*"]}, r"'bull'.*lose jobs"),
    "locks": ({"patterns": ["locks:*"]}, r"'lock'"),
    "too many": ({"max_keys": 100}, r"1500 keys match, allowed are 100; .*raise max_keys"),
    "too large a share": ({"max_share": 0.5}, r"1500 of 2000 keys match \(75% of the database\), allowed are 50%"),
    "unconfirmed production": ({"environment": "production"}, r"again with confirm=[0-9a-f]{16}-1500-\d{8}T\d{6}Z"),
    "confirmation of no form": ({"environment": "production", "confirm": "yes"}, r"has not the form of a plan's hash"),
    "made-up confirmation": (
        {"environment": "production", "confirm": "0123456789abcdef-1500-20261123T101500Z"},
        r"is for another plan",
    ),
    "another server": ({"expected_run_id": "0" * 40}, r"expected was 0{40}"),
    "relative backup folder": ({"backup_dir": "backups"}, r"relative path 'backups'; allowed is an absolute path"),
    "temporary backup folder": (
        {"accept_ephemeral_storage": False},
        r"in a temporary folder; a backup must outlive the run",
    ),
    "batch size": ({"batch_size": 1}, r"batch_size is 1; allowed is 10 to 10000"),
    "run id": ({"run_id": "../../etc"}, r"run_id is '../../etc', which is not valid"),
    "password in the url": ({"url": "redis://:hunter22@127.0.0.1:1/0"}, r"credentials are not allowed in a URL"),
    "unknown scheme": (
        {"url": "http://127.0.0.1:1/0"},
        r"allowed are redis://HOST:PORT/DB, rediss://HOST:PORT/DB and unix:///PATH",
    ),
    "bad database": ({"url": "redis://127.0.0.1:1/zero"}, r"no number as its database; allowed are"),
    "nobody there": (
        {"url": "redis://127.0.0.1:1/0"},
        r"cannot be reached \([^.]*127\.0\.0\.1:1: Connection refused\); check",
    ),
}


def assert_one_sentence(result: dict[str, Any]) -> None:
    message = result["msg"]
    assert result["failed"]
    assert message.endswith(".")
    assert "\n" not in message
    assert "Traceback" not in str(result)
    assert not result.get("exception")
    # One sentence: no full stop before the last, but in numbers, names and quotations.
    assert not re.search(r"[a-z)]\. [A-Z]", message), message


@pytest.mark.parametrize("case", REFUSALS)
def test_it_refuses_in_one_sentence_before_anything_is_touched(redis70: RedisServer, tmp_path: Path, case: str) -> None:
    options, sentence = REFUSALS[case]
    client = redis70.client()
    dataset.fill(client, 1_500)
    dataset.fill(client, 500, prefix=b"other:")
    redis70.reset_stats()

    result = flush(redis70, tmp_path, **options)

    assert_one_sentence(result)
    assert re.search(sentence, result["msg"]), result["msg"]
    assert "hunter22" not in str(result)
    assert not result["changed"]
    assert result["state"] in ("refused", "failed")
    assert client.dbsize() == 2_000
    assert redis70.write_commands_called() == []
    assert not list(tmp_path.rglob("part-*"))


def test_broad_and_sensitive_patterns_are_flushed_with_the_explicit_word(redis70: RedisServer, tmp_path: Path) -> None:
    client = redis70.client()
    client.mset({"app:sessions:1": "x", "app:sessions:2": "x", "kept": "x"})
    assert flush(redis70, tmp_path, patterns=["app:sessions:*"], allow_sensitive=["session"])["removed"] == 2
    assert client.keys() == [b"kept"]
    assert flush(redis70, tmp_path, patterns=["*"], allow_broad=True)["removed"] == 1
    assert client.dbsize() == 0


def test_force_and_broad_do_not_lift_the_other_guards(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 200)
    assert "allowed are 100" in flush(redis70, tmp_path, allow_broad=True, max_keys=100)["msg"]
    assert "must be confirmed" in flush(redis70, tmp_path, allow_broad=True, environment="production")["msg"]


class TestProduction:
    def test_the_confirmed_plan_is_carried_out(self, redis70: RedisServer, tmp_path: Path) -> None:
        dataset.fill(redis70.client(), 1_200)
        planned = flush(redis70, tmp_path, check=True, environment="production")
        done = flush(redis70, tmp_path, environment="production", confirm=planned["plan"]["confirm"])
        assert done["removed"] == 1_200

    def test_a_fifth_more_keys_is_the_limit(self, redis70: RedisServer, tmp_path: Path) -> None:
        client = redis70.client()
        dataset.fill(client, 1_000)
        confirm = flush(redis70, tmp_path, check=True, environment="production")["plan"]["confirm"]
        dataset.fill(client, 201, prefix=b"market:data:more:")
        refused = flush(redis70, tmp_path, environment="production", confirm=confirm)
        assert "has grown since it was confirmed (1201 keys match, 1000 were planned then" in refused["msg"]
        client.delete("market:data:more:1")
        assert flush(redis70, tmp_path, environment="production", confirm=confirm)["removed"] == 1_200

    @pytest.mark.parametrize(
        "change", [{"patterns": ["market:*"]}, {"mode": "expire"}, {"backup": False}, {"max_keys": 5_000}], ids=str
    )
    def test_another_plan_needs_another_confirmation(
        self, redis70: RedisServer, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        dataset.fill(redis70.client(), 100)
        confirm = flush(redis70, tmp_path, check=True, environment="production")["plan"]["confirm"]
        refused = flush(redis70, tmp_path, environment="production", confirm=confirm, **change)
        assert "is for another plan" in refused["msg"]

    def test_a_restarted_server_needs_another_confirmation(
        self, fresh_redis: Callable[..., RedisServer], tmp_path: Path
    ) -> None:
        server = fresh_redis("redis-7.0")
        dataset.fill(server.client(), 10)
        confirm = flush(server, tmp_path, check=True, environment="production")["plan"]["confirm"]
        server.stop()
        server.start()
        dataset.fill(server.client(), 10)
        assert "is for another plan" in flush(server, tmp_path, environment="production", confirm=confirm)["msg"]


def test_a_replica_is_refused(fresh_redis: Callable[..., RedisServer], tmp_path: Path) -> None:
    primary = fresh_redis("redis-7.0")
    replica = fresh_redis("redis-7.0", replicaof=primary)
    dataset.fill(primary.client(), 10)
    wait_for_replica(replica)

    refused = flush(replica, tmp_path)

    assert_one_sentence(refused)
    assert "is a replica" in refused["msg"]
    assert f"use its primary, {primary.host}:{primary.port}" in refused["msg"]
    assert primary.client().dbsize() == 10
