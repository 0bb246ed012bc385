# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots that move at the worst moment: the engine's steps, with a move between two of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import RedisSettings
from support import resp
from support.cluster import RedisCluster
from support.engine import Engine
from support.servers import RedisServer

KEY = b"market:data:1"


@pytest.fixture(scope="module")
def _cluster() -> Iterator[RedisCluster]:
    with RedisCluster(replicas=0) as cluster:
        yield cluster


def on(cluster: RedisCluster, server: RedisServer, name: str) -> bytes:
    """Return the name of a key of the cache that a node owns."""
    names = (b"market:data:%b:%d" % (name.encode(), number) for number in itertools.count())
    return next(found for found in names if cluster.owner(found) is server)


def test_the_last_record_of_a_key_that_moved_is_its_last_state(_cluster: RedisCluster, tmp_path: Path) -> None:
    """The node that gets the key has opened its part before the node that had it."""
    _cluster.reset()
    source = _cluster.owner(KEY)
    target = next(node for node in _cluster.primaries() if node is not source)
    client = _cluster.client()
    with closing(Engine(RedisSettings(f"redis://{_cluster.seeds[0]}"), tmp_path)) as engine:
        to, fro = (engine.flush_of(engine.session_of(node)) for node in (target, source))
        client.set(on(_cluster, target, "first"), "opens the part")
        to.run()
        client.set(KEY, "old")
        fro.run()
        assert client.get(KEY) is None
        client.set(KEY, "new")
        _cluster.migrate(_cluster.slot(KEY), target)
        to.run()
        # Its node did not own the slot when the pass began.
        assert client.get(KEY) == b"new"
        assert to.has_arriving
        to.run_arriving()
        assert client.get(KEY) is None
        to.close()
        fro.close()
        with RedisServer() as scratch:
            assert not resp.replay(sorted(engine.folder.path.glob("part-*.resp.gz")), scratch).errors
            assert scratch.client().get(KEY) == b"new"


@pytest.mark.parametrize("moment", ["before the copy", "before the removal"])
def test_a_key_that_was_away_for_a_moment_needs_another_pass(
    _cluster: RedisCluster, tmp_path: Path, moment: str
) -> None:
    _cluster.reset()
    source = _cluster.owner(KEY)
    target = next(node for node in _cluster.primaries() if node is not source)
    client = _cluster.client()
    client.set(KEY, "value")
    calls = itertools.count(1)

    def between() -> None:
        # The walk asks once after the page, and then before each step.
        if next(calls) == (1 if moment == "before the copy" else 3):
            _cluster.migrate(_cluster.slot(KEY), target)

    with closing(Engine(RedisSettings(f"redis://{_cluster.seeds[0]}"), tmp_path)) as engine:
        flush = engine.flush_of(engine.session_of(source))
        engine.between = between
        flush.run()
        assert flush.unsettled
        assert client.get(KEY) == b"value"
        _cluster.migrate(_cluster.slot(KEY), source)
        flush.begin_pass(flush.slots)
        flush.run()
        assert not flush.unsettled
        assert client.get(KEY) is None


def test_a_big_key_in_a_slot_on_its_way_is_left_for_the_next_pass(_cluster: RedisCluster, tmp_path: Path) -> None:
    _cluster.reset()
    source = _cluster.owner(KEY)
    target = next(node for node in _cluster.primaries() if node is not source)
    client = _cluster.client()
    client.set(KEY, b"x" * 2_000_000)
    with closing(Engine(RedisSettings(f"redis://{_cluster.seeds[0]}"), tmp_path)) as engine:
        flush = engine.flush_of(engine.session_of(source))
        _cluster.begin_migration(_cluster.slot(KEY), target)
        flush.run()
        assert flush.unsettled
        assert client.strlen(KEY) == 2_000_000
        _cluster.migrate_keys(_cluster.slot(KEY), target, 1)
        _cluster.finish_migration(_cluster.slot(KEY), target)
        engine.deployment.refresh()
        flush = engine.flush_of(engine.session_of(target))
        flush.run()
        assert not flush.unsettled
        assert list(_cluster.scan_all()) == []


def test_keys_of_several_slots_are_removed_one_by_one_where_they_have_to(
    _cluster: RedisCluster, tmp_path: Path
) -> None:
    """A proxy may make a cluster look like one server: it shows in the answer to several keys."""
    _cluster.reset()
    client = _cluster.client()
    for number in range(200):
        client.set(f"market:data:{number}", "x")
    with closing(Engine(RedisSettings(f"redis://{_cluster.seeds[0]}"), tmp_path)) as engine:
        for session in engine.deployment.sessions:
            flush = engine.flush_of(session)
            flush._commands.keys_per_call = 25
            flush.run()
            flush.close()
            assert flush._commands.keys_per_call == 1
    assert list(_cluster.scan_all()) == []
