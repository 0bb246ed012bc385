# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flush while a topology changes under it and an application keeps writing, and what was lost by that.

```python
with Arena(cluster, tmp_path) as arena:
    outcome = arena.play(seed, lambda: cluster.kill(cluster.primaries()[0]))
assert not outcome.problems
```

The proof knows nothing of the collection's code: what the backups hold is what `redis-cli --pipe` makes of them in an
empty server.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import resp
from support.ansible import start_module
from support.sequences import PREFIX, SequenceWriter, Topology, lost, read_sequences
from support.servers import RedisServer
from support.topologies import RedisCluster

from . import loss

STILL = b"market:data:still:"
"""Keys that nobody touches but the flush."""
MOVED = [PREFIX + b"%d" % number for number in range(8)]
"""Keys whose slots a test may move; the cache has more keys in these."""
BIG_KEY_BYTES = 64 * 1024
_STILL_KEYS = 6_000
_RATE = 3_000


@dataclass
class Outcome:
    """What became of one flush; `during` tells whether it was still at work when the topology had changed."""

    result: dict[str, Any]
    seconds: float = 0.0
    during: bool = False
    writes: int = 0
    interruptions: int = 0
    problems: list[str] = field(default_factory=list)


def connection(topology: Topology) -> dict[str, Any]:
    """Return the options by which a module reaches a topology."""
    if isinstance(topology, RedisCluster):
        return {"url": f"redis://{topology.seeds[0]}", "nodes": topology.seeds[1:]}
    places = [f"{host}:{port}" for host, port in topology.sentinels]
    return {"url": f"redis://{places[0]}", "nodes": places[1:], "sentinel_service": topology.service}


def arguments(target: Topology, folder: Path, **options: Any) -> dict[str, Any]:
    """Return module arguments for a flush of the cache of a topology."""
    return {
        **connection(target),
        "patterns": ["market:data:*"],
        "backup_dir": str(folder / "backups"),
        "accept_ephemeral_storage": True,
        "max_share": 1.0,
        **options,
    }


class Arena:
    """Plays flushes on one topology, each from the same beginning."""

    def __init__(self, topology: Topology, folder: Path) -> None:
        self._topology = topology
        self._folder = folder
        self._scratch = RedisServer(topology.flavour if isinstance(topology, RedisCluster) else "redis-7.0")

    def __enter__(self) -> Arena:
        self._scratch.__enter__()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._scratch.close()

    def play(self, seed: int, change: Callable[[], object], *, latest: float = 1.5) -> Outcome:
        """Flush, change the topology at a random moment meanwhile, and look at what is left and what is saved."""
        chooser = random.Random(seed)
        self._topology.reset()
        shutil.rmtree(self._folder / "backups", ignore_errors=True)
        still = self._fill()
        args = arguments(self._topology, self._folder, rate_limit=_RATE, big_key_bytes=BIG_KEY_BYTES)
        with SequenceWriter(self._topology, PREFIX, keys=300, rate=1_000, seed=seed) as writer:
            writer.wait_for_round()
            started = time.monotonic()
            with start_module("redis_flush", args) as module:
                self._wait_for_the_flush(module)
                time.sleep(chooser.uniform(0, latest))
                change()
                changed = time.monotonic()
                finished = module.wait(240)
            outcome = Outcome(finished.result, time.monotonic() - started, time.monotonic() > changed + 0.05)
            log = writer.stop()
        outcome.writes, outcome.interruptions = log.writes, log.interruptions
        if finished.result.get("failed"):
            outcome.problems.append(f"it failed: {finished.result['msg']}")
            return outcome
        saved_live, saved_still = self._saved()
        outcome.problems += lost(log, read_sequences(self._topology, PREFIX), saved_live)
        left = read_sequences(self._topology, STILL)
        outcome.problems += [f"{key!r} was left behind" for key in left][:3]
        outcome.problems += [f"{key!r} is in no backup" for key in still if saved_still.get(key) != 1][:3]
        outcome.problems += [f"{key!r} is still there" for key in self._internal()][:3]
        return outcome

    def _wait_for_the_flush(self, module: Any) -> None:
        deadline = time.monotonic() + 60
        while not list((self._folder / "backups").glob("redis/*/part-*.resp.gz")):
            if time.monotonic() > deadline:
                raise TimeoutError("the flush has not begun")
            time.sleep(0.01)

    def _fill(self) -> list[bytes]:
        names = [STILL + b"%d" % number for number in range(_STILL_KEYS)]
        values = dict.fromkeys(names, b"1:" + b"x" * 100)
        values.update({STILL + b"big:%d" % number: b"1:" + b"y" * 150_000 for number in range(12)})
        values.update({STILL + b"{%b}:%d" % (key, number): b"1:z" for key in MOVED for number in range(40)})
        if isinstance(self._topology, RedisCluster):
            self._topology.mset(values)
        else:
            with self._topology.client() as client:
                client.mset(values)
        return list(values)

    def _saved(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        with self._scratch.client() as client:
            client.flushall()
            parts = loss.parts(loss.runs_in(self._folder / "backups"))
            played = resp.replay(parts, self._scratch)
            if played.errors:
                raise AssertionError(f"redis-cli --pipe refused a part of the backup: {played.said}")
            return read_sequences(client, PREFIX), read_sequences(client, STILL)

    def _internal(self) -> list[bytes]:
        if isinstance(self._topology, RedisCluster):
            names: Iterator[bytes] = self._topology.scan_all()
        else:
            names = self._topology.client().scan_iter(count=1000)
        return [name for name in names if b"market_intel.runbooks:" in name]


class Moving:
    """Moves the slots of some keys from node to node for as long as it is entered; each is half moved for a while."""

    def __init__(self, cluster: RedisCluster, keys: list[bytes]) -> None:
        self._cluster = cluster
        self._keys = keys
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.moves = 0
        self.failure: BaseException | None = None

    def __enter__(self) -> Moving:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Finish the move that is under way."""
        self._stopping.set()
        self._thread.join()
        if self.failure:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for key in self._keys:
                    self._move(key)
                    self.moves += 1
        except BaseException as error:
            self.failure = error

    def _move(self, key: bytes) -> None:
        primaries, source, slot = self._cluster.primaries(), self._cluster.owner(key), self._cluster.slot(key)
        target = primaries[(primaries.index(source) + 1) % len(primaries)]
        self._cluster.begin_migration(slot, target)
        while self._cluster.migrate_keys(slot, target, 5):
            time.sleep(0.01)
        self._cluster.finish_migration(slot, target)
