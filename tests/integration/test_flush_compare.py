# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key is removed only if it is exactly what was copied, whatever happened to it in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import flush as flush_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import CachePattern
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.commands import (
    CHANGED,
    GONE,
    REMOVED,
    KeyCommands,
    stored_value,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import Connection, RedisSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.scan import Page
from support.engine import Engine
from support.servers import RedisServer

KEY = b"market:data:1"
Act = Callable[[redis.Redis], object]

VALUES: dict[str, Act] = {
    "empty string": lambda client: client.set(KEY, b""),
    "integer": lambda client: client.set(KEY, b"12345"),
    "text": lambda client: client.set(KEY, b"hello"),
    "63 bytes": lambda client: client.set(KEY, bytes(range(63))),
    "64 bytes": lambda client: client.set(KEY, bytes(range(64))),
    "text that compresses": lambda client: client.set(KEY, b"ab" * 500),
    "4000 bytes that do not": lambda client: client.set(KEY, Random(1).randbytes(4_000)),
    "long": lambda client: client.set(KEY, Random(1).randbytes(100_000)),
    "list": lambda client: client.rpush(KEY, b"a", b"b"),
    "hash": lambda client: client.hset(KEY, mapping={b"a": b"b"}),
    "with an expiry": lambda client: client.set(KEY, b"hello", px=3_600_000),
}
MUTATIONS: dict[str, Act] = {
    "another value": lambda client: client.set(KEY, b"other", keepttl=True),
    "another type": lambda client: (client.delete(KEY), client.zadd(KEY, {"a": 1})),
    "another expiry": lambda client: client.pexpire(KEY, 7_200_000),
}


def attempt(server: RedisServer, mutation: Act | None) -> int:
    connection = Connection(RedisSettings(server.url))
    commands = KeyCommands(connection)
    connection.send(commands.copy([KEY]))
    records, expiries = commands.copies([KEY], connection.receive(commands.replies_per_copy))
    if mutation:
        mutation(server.client())
    calls = commands.remove(records, expiries)
    connection.send(calls.blob)
    (outcome,) = calls.outcomes(connection.receive(1))
    connection.close()
    return int(outcome)


@pytest.mark.parametrize("value", VALUES)
def test_what_did_not_change_is_removed(any_redis: RedisServer, value: str) -> None:
    VALUES[value](any_redis.client())
    assert attempt(any_redis, None) == REMOVED
    assert any_redis.client().dbsize() == 0


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_changed_stays(any_redis: RedisServer, value: str, mutation: str) -> None:
    VALUES[value](any_redis.client())
    assert attempt(any_redis, MUTATIONS[mutation]) == CHANGED
    assert any_redis.client().exists(KEY)


def test_what_vanished_is_gone(any_redis: RedisServer) -> None:
    any_redis.client().set(KEY, b"hello")
    assert attempt(any_redis, lambda client: client.delete(KEY)) == GONE


def test_stored_values_are_read_from_real_payloads(any_redis: RedisServer) -> None:
    client = any_redis.client()
    for length in (0, 1, 20, 63, 64, 200, 4_000):
        value = bytes(index * 7 % 251 for index in range(length))
        client.set(KEY, value)
        assert stored_value(client.dump(KEY)) in (value, None)
    client.set(KEY, b"short text")
    assert stored_value(client.dump(KEY)) == b"short text"
    client.set(KEY, b"123")
    assert stored_value(client.dump(KEY)) is None
    client.set(KEY, b"ab" * 500)
    assert stored_value(client.dump(KEY)) is None


@pytest.mark.parametrize("backup", [True, False])
def test_a_key_that_is_found_twice_is_counted_once(
    redis70: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backup: bool
) -> None:
    redis70.client().mset({b"market:data:%d" % number: b"value" for number in range(100)})
    walk = flush_module.scan

    def walk_twice(*args: Any, **options: Any) -> Iterator[Page]:
        for page in walk(*args, **options):
            twice = [sorted(2 * each) for each in (page.keys, page.patterns, page.sizes)]
            yield Page(*twice, page.cursor)

    # A server does so while it makes its table smaller.
    monkeypatch.setattr(flush_module, "scan", walk_twice)
    with closing(Engine(RedisSettings(redis70.url), tmp_path)) as engine:
        flush = engine.flush_of(engine.deployment.sessions[0], CachePattern("market:data:*", backup=backup))
        flush.run()
        flush.close()
    assert (flush.counts.removed, redis70.client().dbsize()) == (100, 0)
