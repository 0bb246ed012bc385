# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of a shard, in the views of a cluster that follow each other."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import (
    Address,
    RedisSettings,
    RedisUnavailable,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.topology import (
    ClusterMap,
    ClusterShard,
    SentinelPrimary,
    Shard,
    _Answer,
)

SETTINGS = RedisSettings("redis://127.0.0.1:1")
SLOTS = frozenset(range(10))


def view(node: str, slots: frozenset[int], *replicas: str) -> Shard:
    return Shard(node, (node, 6379), frozenset([node, *replicas]), slots)


@pytest.mark.parametrize(
    ("views", "heir"),
    [
        ([[view("a", SLOTS, "b")]], "a"),
        ([[view("b", SLOTS, "a")]], "b"),
        # The old primary does not know yet that it is none.
        ([[view("b", SLOTS), view("a", frozenset())]], "b"),
        ([[view("b", SLOTS), view("a", frozenset())], [view("b", SLOTS, "a")]], "b"),
        # All of its slots have moved to a primary that was none of its replicas.
        ([[view("c", SLOTS), view("a", frozenset(), "b")]], "a"),
        ([[view("c", SLOTS, "a", "b")]], "c"),
        ([[view("c", frozenset(range(20, 30)))]], None),
    ],
)
def test_a_shard_is_found_again(views: list[list[Shard]], heir: str | None) -> None:
    endpoint = ClusterShard(SETTINGS, ClusterMap(SETTINGS, "test"), view("a", SLOTS, "b"))
    found: Shard | None = None
    for shards in views:
        found = endpoint.find(shards)
        endpoint.shard = found or endpoint.shard
    assert (found.node if found else None) == heir


SENTINELS: list[Address] = [(f"10.0.0.{number}", 26379) for number in (1, 2, 3)]
OLD, NEW = ("10.0.1.1", 6379), ("10.0.1.2", 6379)


@pytest.mark.parametrize(
    ("seen_as_down", "asked"),
    [([], 3), ([SENTINELS[1]], 2), (SENTINELS[1:], 3)],
    ids=["all are there", "one is dead", "alone on its side"],
)
def test_a_sentinel_that_sees_no_majority_is_not_believed_alone(
    monkeypatch: pytest.MonkeyPatch, seen_as_down: list[Address], asked: int
) -> None:
    """Where a network is split, one that is alone was told of no failover."""
    heard: list[str] = []

    def ask(_self: SentinelPrimary, place: RedisSettings) -> _Answer:
        heard.append(place.url)
        others = [
            {"ip": host, "port": str(port), "flags": "s_down,sentinel" if (host, port) in seen_as_down else "sentinel"}
            for host, port in SENTINELS
            if f"{host}:" not in place.url
        ]
        first = f"{SENTINELS[0][0]}:" in place.url
        return _Answer(OLD if first and len(seen_as_down) > 1 else NEW, others if first else [])

    monkeypatch.setattr(SentinelPrimary, "_ask", ask)
    subject = SentinelPrimary(RedisSettings("redis://10.0.0.1:26379", sentinel_service="cache"), "test")
    if len(seen_as_down) > 1:
        with pytest.raises(RedisUnavailable, match="The Sentinels disagree about cache"):
            subject.locate()
    else:
        assert subject.locate().url == "redis://10.0.1.2:6379/0"
    assert len(heard) == asked


@pytest.mark.parametrize(
    ("claims", "agreed"),
    [
        (["10.0.1.1", "10.0.1.1"], True),
        (["localhost", "127.0.0.1"], True),
        # Neither is known here, but where both are reached.
        (["cache-1.invalid", "10.0.1.1"], True),
        (["10.0.1.1", "10.0.1.2"], False),
    ],
)
def test_names_of_one_primary_are_no_disagreement(
    monkeypatch: pytest.MonkeyPatch, claims: list[str], agreed: bool
) -> None:
    def ask(_self: SentinelPrimary, place: RedisSettings) -> _Answer:
        first = f"{SENTINELS[0][0]}:" in place.url
        return _Answer((claims[0 if first else 1], 6379), [])

    monkeypatch.setattr(SentinelPrimary, "_ask", ask)
    places = {"cache-1.invalid": "10.0.1.1"}
    settings = RedisSettings(
        "redis://10.0.0.1:26379", sentinel_service="cache", nodes=("10.0.0.2:26379",), address_map=places
    )
    if agreed:
        assert SentinelPrimary(settings, "test").locate()
    else:
        with pytest.raises(RedisUnavailable, match="disagree"):
            SentinelPrimary(settings, "test").locate()
