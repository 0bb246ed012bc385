# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flush while a topology changes under it and an application keeps writing, and what was lost by that.

```python
with SentinelArena(sentinels, tmp_path) as arena:
    outcome = arena.play(sentinel_case(7))
assert not outcome.problems
```

The flush reaches all servers through proxies that hold it at the moment of its case, so that the change comes exactly
then. The proof knows nothing of the collection's code: what the backups hold is what `redis-cli --pipe` makes of them
in an empty server.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from . import loss, resp
from .ansible import start_module
from .cluster import RedisCluster
from .members import HOST
from .processes import wait_until
from .proxy import Gate, Proxy
from .sentinel import SentinelSet
from .sequences import PREFIX, SequenceWriter, Topology, lost, read_sequences
from .servers import RedisServer

STILL = b"market:data:still:"
"""Keys that nobody touches but the flush."""
MOVED = [PREFIX + b"%d" % number for number in range(8)]
"""Keys whose slots are moved; the cache has more keys in these."""
BIG_KEY_BYTES = 64 * 1024
CLUSTER_FLAVOURS = ("redis-7.0", "valkey-9.1")

_STILL_KEYS = 2_000
_BIG_KEYS = 12
_RATE = 3_000  # keys per second
_MOVED_AT_ONCE = 4
_ROUNDS = 3  # a slot is back where it was after as many moves as there are primaries
_LATEST = 0.9  # seconds after its begin at which the topology changes at last, if no moment is chosen

MOMENTS = ("before the first removal", "in the middle", "in a big key", "confirming", "verifying")
"""Of a flush: its first batch is saved and nothing is removed; a part of the keys is removed; a big key is renamed away
and not finished; it has removed all and asks whether the primary is still that; it counts what is left."""
ANY_TIME = "at any time"
_LATE = ("confirming", "verifying")

# A change that takes a while begins in the middle or earlier, or is over before the flush goes on: what it does before
# its first removal does not differ from the middle then.
SENTINEL_CASES = (
    *(("primary killed", moment) for moment in MOMENTS),
    *(("primary deposed", moment) for moment in ("in the middle", *_LATE)),
    ("primary killed for good", "in the middle"),
)
CLUSTER_CASES = (
    *(("primary killed", moment) for moment in MOMENTS),
    *(("primaries hand over", moment) for moment in ("in the middle", *_LATE)),
    ("primary killed for good", "in the middle"),
)
SLOT_CASES = tuple(("slots move", moment) for moment in ("in the middle", "in a big key", *_LATE))


@dataclass(frozen=True)
class Case:
    """What happens to the topology, and at which moment of the flush; all else of it is chosen by the seed."""

    seed: int
    flavour: str
    way: str
    moment: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.way} {self.moment}"


def sentinel_case(seed: int) -> Case:
    """Return the case of a seed: first each way at each of its moments, then at any time, and so on."""
    return _case(seed, SENTINEL_CASES, ("redis-7.0",))


def cluster_case(seed: int) -> Case:
    """Return the case of a seed, as `sentinel_case` does, on both flavours in turn."""
    return _case(seed, CLUSTER_CASES, CLUSTER_FLAVOURS)


def slot_case(seed: int) -> Case:
    """Return the case of a seed, as `cluster_case` does."""
    return _case(seed, SLOT_CASES, CLUSTER_FLAVOURS)


def _case(seed: int, cases: tuple[tuple[str, str], ...], flavours: tuple[str, ...]) -> Case:
    turn, number = divmod(seed, len(cases))
    way, moment = cases[number]
    # Twice as many turns as flavours play each case on each of them, at its moment and at any time.
    return Case(seed, flavours[(number + turn // 2) % len(flavours)], way, ANY_TIME if turn % 2 else moment)


@dataclass
class Outcome:
    """What became of one flush; `during` tells whether it was still at work when the topology had changed."""

    case: Case
    result: dict[str, Any] = field(default_factory=dict)
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


T = TypeVar("T", RedisCluster, SentinelSet)


class Arena(Generic[T]):
    """Plays flushes on one topology, each from the same beginning; a context manager."""

    asks_for_primary: bytes
    """What a request holds by which the flush asks which servers are the primaries."""

    def __init__(self, topology: T, folder: Path) -> None:
        self._topology = topology
        self._folder = folder
        self._scratch = RedisServer(topology.flavour)
        self._proxies: dict[int, Proxy] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Arena[T]:
        with ExitStack() as stack:
            stack.enter_context(self._scratch)
            for port in self._ports():
                self._proxies[port] = stack.enter_context(Proxy(port))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def play(self, case: Case) -> Outcome:
        """Flush, change the topology at the moment of the case, and look at what is left and what is saved."""
        started = time.monotonic()
        chooser = random.Random(case.seed)
        outcome = Outcome(case)
        self._topology.reset()
        shutil.rmtree(self._folder / "backups", ignore_errors=True)
        still = self._fill()
        with SequenceWriter(self._topology, PREFIX, keys=300, rate=1_000, seed=case.seed) as writer:
            writer.wait_for_round()
            outcome.result = self._flush(case, chooser, outcome)
            if outcome.during and case.way != "slots move":
                # a primary that was deposed may serve it longer than the flush takes
                wait_until(lambda: writer.read().interruptions > 0, 60, "the application to notice", 0.05)
            log = writer.stop()
        outcome.writes, outcome.interruptions = log.writes, log.interruptions
        if outcome.result.get("failed"):
            outcome.problems.append(f"it failed: {outcome.result['msg']}")
        else:
            saved_live, saved_still = self._saved()
            outcome.problems += lost(log, read_sequences(self._topology, PREFIX), saved_live)
            outcome.problems += [f"{key!r} was left behind" for key in read_sequences(self._topology, STILL)][:3]
            outcome.problems += [f"{key!r} is in no backup" for key in still if saved_still.get(key) != 1][:3]
            outcome.problems += [f"{key!r} is still there" for key in self._internal()][:3]
            outcome.problems += self._wrong_account(outcome)
        outcome.seconds = round(time.monotonic() - started, 1)
        return outcome

    # -- what differs ----------------------------------------------------------------------------------------------

    def _ports(self) -> Iterable[int]:
        """Return the ports of all servers."""
        raise NotImplementedError

    def _change(self, case: Case, chooser: random.Random) -> Callable[[], None]:
        """Change the topology in the way of a case, and return what follows when the flush may go on."""
        raise NotImplementedError

    def _names(self) -> Iterator[bytes]:
        """Yield the names of all keys."""
        raise NotImplementedError

    def _set(self, values: dict[bytes, bytes]) -> None:
        raise NotImplementedError

    def _wrong_account(self, outcome: Outcome) -> list[str]:
        """Say what the result should tell about the change and does not."""
        raise NotImplementedError

    # -- the flush and its moment ----------------------------------------------------------------------------------

    def _flush(self, case: Case, chooser: random.Random, outcome: Outcome) -> dict[str, Any]:
        args = arguments(self._topology, self._folder, rate_limit=_RATE, big_key_bytes=BIG_KEY_BYTES)
        gate = Gate(self._moment(case.moment, chooser))
        self._stand(gate)
        try:
            with start_module("redis_flush", self._through_proxies(args)) as module:
                wait_until(lambda: gate.reached or module.popen.poll() is not None, 60, f"the moment of {case}")
                if case.moment == ANY_TIME:
                    gate.open()
                    time.sleep(chooser.uniform(0, _LATEST))
                    follow_up = self._change(case, chooser)
                elif "killed" in case.way or case.moment in _LATE:
                    follow_up = self._change(case, chooser)
                    gate.open()
                else:
                    # it works while the topology changes, and is not done before that is done
                    end = Gate(self._confirming)
                    self._stand(end)
                    gate.open()
                    follow_up = self._change(case, chooser)
                    end.open()
                outcome.during = gate.reached and module.popen.poll() is None
                follow_up()
                return module.wait(240).result
        finally:
            for proxy in self._proxies.values():
                proxy.clear()

    def _stand(self, gate: Gate) -> None:
        for proxy in self._proxies.values():
            proxy.gate = gate

    def _through_proxies(self, args: dict[str, Any]) -> dict[str, Any]:
        places = {f"{HOST}:{port}": f"{HOST}:{proxy.port}" for port, proxy in self._proxies.items()}
        url, nodes = args["url"].removeprefix("redis://"), args["nodes"]
        given = {"url": f"redis://{places[url]}", "nodes": [places[node] for node in nodes], "address_map": places}
        return {**args, **given}

    def _moment(self, moment: str, chooser: random.Random) -> Callable[[bytes], bool]:
        """Return what tells of the moment before a request."""
        if moment in ("before the first removal", ANY_TIME):
            return lambda _request: self._saved_bytes() > 0
        if moment == "in the middle":
            share = chooser.uniform(0.1, 0.7)
            return lambda _request: self._removed() >= share * _STILL_KEYS
        if moment == "in a big key":
            # each is read in chunks, then removed
            requests = iter(range(chooser.randint(0, 9), -1, -1))
            return lambda _request: any(map(loss.quarantined, self._runs())) and next(requests) == 0
        if moment == "confirming":
            return self._confirming
        return lambda _request: any(map(loss.all_closed, self._runs()))

    def _confirming(self, request: bytes) -> bool:
        return (
            self.asks_for_primary in request and self._saved_bytes() > 0 and not read_sequences(self._topology, STILL)
        )

    def _runs(self) -> list[Path]:
        return loss.runs_in(self._folder / "backups")

    def _saved_bytes(self) -> int:
        return sum(part.stat().st_size for part in loss.parts(self._runs()))

    def _removed(self) -> int:
        return sum(entry.get("removed", 0) for run in self._runs() for entry in loss.journal(run))

    # -- the data --------------------------------------------------------------------------------------------------

    def _fill(self) -> list[bytes]:
        names = [STILL + b"%d" % number for number in range(_STILL_KEYS)]
        values = dict.fromkeys(names, b"1:" + b"x" * 100)
        values.update({STILL + b"big:%d" % number: b"1:" + b"y" * 150_000 for number in range(_BIG_KEYS)})
        values.update({STILL + b"{%b}:%d" % (key, number): b"1:z" for key in MOVED for number in range(40)})
        self._set(values)
        return list(values)

    def _saved(self) -> tuple[dict[bytes, int], dict[bytes, int]]:
        with self._scratch.client() as client:
            client.flushall()
            played = resp.replay(loss.parts(self._runs()), self._scratch)
            if played.errors:
                raise AssertionError(f"redis-cli --pipe refused a part of the backup: {played.said}")
            return read_sequences(client, PREFIX), read_sequences(client, STILL)

    def _internal(self) -> list[bytes]:
        return [name for name in self._names() if b"market_intel.runbooks:" in name]

    def _problem_of_failovers(self, outcome: Outcome, expected: int, primaries: list[RedisServer]) -> list[str]:
        """Compare with what the result says of failovers, where these are certain to have been noticed."""
        if not outcome.during:
            return []
        counted, named = outcome.result["failovers"], " ".join(outcome.result["report"].get("degraded", []))
        if counted != expected:
            return [f"it counts {counted} failovers instead of {expected}"]
        if outcome.case.moment != "verifying" and not any(self._url(server) in named for server in primaries):
            return [f"it names no new primary: {named}"]
        return []

    def _url(self, server: RedisServer) -> str:
        return f"redis://{HOST}:{self._proxies[server.port].port}"


class SentinelArena(Arena[SentinelSet]):
    """Plays flushes of a primary that Sentinels watch."""

    asks_for_primary = b"GET-MASTER-ADDR-BY-NAME"

    def _ports(self) -> Iterable[int]:
        return [port for _host, port in self._topology.sentinels] + [server.port for server in self._topology.servers]

    def _change(self, case: Case, chooser: random.Random) -> Callable[[], None]:
        if case.way == "primary deposed":
            self._topology.fail_over()
            if case.moment == "verifying":
                # Until it knows, it serves the flush, which asks nobody any more.
                self._topology.wait_healthy()
            return lambda: None
        killed = self._topology.kill_primary()
        return (lambda: None) if case.way.endswith("for good") else (lambda: self._topology.revive(killed))

    def _names(self) -> Iterator[bytes]:
        with self._topology.client() as client:
            yield from client.scan_iter(count=1000)

    def _set(self, values: dict[bytes, bytes]) -> None:
        with self._topology.client() as client:
            client.mset(values)

    def _wrong_account(self, outcome: Outcome) -> list[str]:
        return self._problem_of_failovers(outcome, 1, [self._topology.primary()])


class ClusterArena(Arena[RedisCluster]):
    """Plays flushes of a cluster."""

    asks_for_primary = b"SLOTS"

    def _ports(self) -> Iterable[int]:
        return [node.port for node in self._topology.nodes]

    def _change(self, case: Case, chooser: random.Random) -> Callable[[], None]:
        if case.way == "slots move":
            self._move_to_and_fro(chooser.sample(MOVED, _MOVED_AT_ONCE))
        elif case.way == "primaries hand over":
            for shard in range(len(self._topology.primaries())):
                self._topology.fail_over(shard)
        else:
            victim = chooser.choice(self._topology.primaries())
            self._topology.kill(victim)
            if not case.way.endswith("for good"):
                return lambda: self._topology.revive(victim)
        return lambda: None

    def _move_to_and_fro(self, keys: list[bytes]) -> None:
        """Move the slots of some keys from node to node and back; each is half moved for a while."""
        for key in keys * _ROUNDS:
            primaries, source, slot = self._topology.primaries(), self._topology.owner(key), self._topology.slot(key)
            target = primaries[(primaries.index(source) + 1) % len(primaries)]
            self._topology.begin_migration(slot, target)
            while self._topology.migrate_keys(slot, target, 5):
                pass
            self._topology.finish_migration(slot, target)

    def _names(self) -> Iterator[bytes]:
        return self._topology.scan_all()

    def _set(self, values: dict[bytes, bytes]) -> None:
        self._topology.mset(values)

    def _wrong_account(self, outcome: Outcome) -> list[str]:
        way, moment = outcome.case.way, outcome.case.moment
        # A replica that took over while what is left is counted is as good to be asked as its primary was.
        if way == "slots move" or (way, moment) == ("primaries hand over", "verifying"):
            return []
        primaries = self._topology.primaries()
        return self._problem_of_failovers(outcome, len(primaries) if way == "primaries hand over" else 1, primaries)
