# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has become of a shard, in the views of a cluster that follow each other."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import RedisSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.topology import (
    ClusterMap,
    ClusterShard,
    Shard,
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
