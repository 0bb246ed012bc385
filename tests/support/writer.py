# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A separate process that keeps changing keys and knows exactly what it has written.

```python
before = snapshot(client, b"market:data:*")
with Writer(server, b"market:data:", rate=2000, seed=7) as writer:
    ...  # flush, kill, flush again
    log = writer.stop()
expected = log.expected(before, scratch.client())
assert not diff(expected, {**saved_in_the_backup, **snapshot(client, b"market:data:*")})
```

Each write is one script that changes the key and returns its DUMP and its absolute expiry, so what was acknowledged
is exactly what the key held at that moment, whatever a flush did to it before. The writer never deletes a key and
sets no expiry that could pass during a test.
"""

from __future__ import annotations

import itertools
import json
import os
import pickle
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from . import dataset
from .processes import LoggingChild

if TYPE_CHECKING:
    from .servers import RedisServer

_RECONNECT_SECONDS = 10.0
_KEYS_PER_TYPE_OF_OWN = 50


class WriteState(NamedTuple):
    """What a key held right after an acknowledged write."""

    op: str
    payload: bytes
    expire_at: int


@dataclass(frozen=True)
class WriteLog:
    """What a writer has written: per key the last acknowledged state.

    `uncertain` are keys whose very last write was sent and not answered: it may or may not have happened.
    """

    last: dict[bytes, WriteState]
    uncertain: set[bytes]
    writes: int

    def expected(self, before: dataset.Snapshot, scratch: redis.Redis) -> dataset.Snapshot:
        """Return `before` brought up to date by all acknowledged writes; `scratch` is an empty server to use."""
        dataset.restore_states(scratch, ((key, state.payload, state.expire_at) for key, state in self.last.items()))
        return {**before, **dataset.snapshot(scratch, list(self.last))}


class Writer:
    """Changes keys below a prefix, and makes new ones, at `rate` writes per second (0: as fast as it can).

    A context manager; when it is entered, its first write is acknowledged. `create_share` of the writes go to keys of
    its own.
    """

    def __init__(
        self,
        server: RedisServer,
        prefix: bytes = dataset.PREFIX,
        *,
        rate: float = 2000,
        seed: int = 1,
        create_share: float = 0.1,
    ) -> None:
        self._result: WriteLog | None = None
        known = server.admin().get_connection_kwargs()
        options = {
            "prefix": prefix.hex(),
            "rate": rate,
            "seed": seed,
            "create_share": create_share,
            "connection": {name: known[name] for name in ("host", "port", "username", "password") if name in known},
        }
        self._child = LoggingChild("support.writer", options)

    def __enter__(self) -> Writer:
        self._child.start(lambda: self.read().writes > 0, "the writer's first write")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._child.close()

    @property
    def running(self) -> bool:
        """Whether it still writes."""
        return self._child.running

    def stop(self) -> WriteLog:
        """End it after the write it is in, and return what it wrote."""
        if self._result is None:
            self._child.end()
            self._result = self.read()
        return self._result

    def read(self) -> WriteLog:
        """Return what it has written up to now."""
        last: dict[bytes, WriteState] = {}
        uncertain: set[bytes] = set()
        writes = 0
        for kind, key, state in _records(self._child.log):
            if kind == "sent":
                uncertain.add(key)
                continue
            uncertain.discard(key)
            if state is not None:
                last[key] = state
                writes += 1
        return WriteLog(last, uncertain, writes)


def _records(log: Path) -> Iterator[tuple[str, bytes, WriteState | None]]:
    with log.open("rb") as handle:
        while True:
            try:
                kind, key, state = pickle.load(handle)
            except (EOFError, pickle.UnpicklingError):  # its end, or a record that is being written right now
                return
            yield kind, key, state and WriteState(*state)


# -- the process itself ----------------------------------------------------------------------------------------------

_WRITE = """
redis.call(unpack(ARGV))
local payload = redis.call('DUMP', KEYS[1])
if not payload then return false end
return {payload, %s}
"""

Op = Callable[[bytes, bytes, random.Random], "list[Any]"]


def _later(chooser: random.Random) -> int:
    return int(time.time() * 1000) + 3_600_000 + chooser.getrandbits(24)


_ANY: dict[str, Op] = {
    "pexpireat": lambda key, token, chooser: ["PEXPIREAT", key, _later(chooser)],
    "persist": lambda key, token, chooser: ["PERSIST", key],
}
_OPS: dict[str, dict[str, Op]] = {
    "string": {
        "set": lambda key, token, chooser: ["SET", key, token],
        "set-px": lambda key, token, chooser: ["SET", key, token, "PX", 3_600_000 + chooser.getrandbits(24)],
        "append": lambda key, token, chooser: ["APPEND", key, token],
        "setrange": lambda key, token, chooser: ["SETRANGE", key, chooser.randrange(100), token],
    },
    "list": {
        "rpush": lambda key, token, chooser: ["RPUSH", key, token],
        "lpush": lambda key, token, chooser: ["LPUSH", key, token, token],
    },
    "set": {"sadd": lambda key, token, chooser: ["SADD", key, token, chooser.getrandbits(30)]},
    "zset": {
        "zadd": lambda key, token, chooser: ["ZADD", key, chooser.random(), token],
        "zincrby": lambda key, token, chooser: ["ZINCRBY", key, "1.5", b"member"],
    },
    "hash": {
        "hset": lambda key, token, chooser: ["HSET", key, b"f%d" % chooser.randrange(20), token],
        "hincrby": lambda key, token, chooser: ["HINCRBY", key, b"counter", 1],
        "hsetex": lambda key, token, chooser: [
            *("HSETEX", key, "PXAT", _later(chooser), "FIELDS", 1, b"e%d" % chooser.randrange(5), token)
        ],
    },
    "stream": {
        "xadd": lambda key, token, chooser: ["XADD", key, "*", b"token", token],
        "xgroup": lambda key, token, chooser: [
            *("XGROUP", "CREATE", key, b"g%d" % chooser.randrange(3), "0", "MKSTREAM"),
        ],
        "xreadgroup": lambda key, token, chooser: [
            *("XREADGROUP", "GROUP", b"g%d" % chooser.randrange(3), b"w", "COUNT", 2, "STREAMS", key, ">")
        ],
    },
}


def _ops(client: redis.Redis) -> dict[str, list[tuple[str, Op]]]:
    here = {kind: {**special, **_ANY} for kind, special in _OPS.items()}
    if not dataset.knows(client, "HSETEX"):
        del here["hash"]["hsetex"]
    return {kind: list(ops.items()) for kind, ops in here.items()}


def _targets(client: redis.Redis, prefix: bytes) -> list[tuple[bytes, str]]:
    names = client.scan_iter(match=re.sub(rb"([*?\[\]\\])", rb"\\\1", prefix) + b"*", count=1000)
    found = []
    for chunk in dataset.chunks(dict.fromkeys(names), 1000):
        pipe = client.pipeline(transaction=False)
        for name in chunk:
            pipe.type(name)
        found += [(name, kind.decode()) for name, kind in zip(chunk, pipe.execute())]
    return [(name, kind) for name, kind in found if kind in _OPS]


def _write_on(options: dict[str, Any], log: Callable[[str, bytes, Any], None], stopping: Callable[[], bool]) -> None:
    client = redis.Redis(**options["connection"], protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=30)
    prefix, chooser = bytes.fromhex(options["prefix"]), random.Random(options["seed"])
    script = client.register_script(_WRITE % dataset.expire_at_expression(client))
    ops, targets = _ops(client), _targets(client, prefix)
    own = [(b"%swriter:%s:%d" % (prefix, kind.encode(), n), kind) for kind in ops for n in range(_KEYS_PER_TYPE_OF_OWN)]
    interval = 1 / options["rate"] if options["rate"] else 0.0
    due = failing_since = time.monotonic()
    for number in itertools.count():
        if stopping():
            return
        due = max(due + interval, time.monotonic() - 0.1)
        time.sleep(max(due - time.monotonic(), 0))
        key, kind = chooser.choice(own if not targets or chooser.random() < options["create_share"] else targets)
        name, op = chooser.choice(ops[kind])
        words = op(key, b"w%d:" % number + chooser.randbytes(12), chooser)
        log("sent", key, None)
        try:
            answer = script(keys=[key], args=words)
        except (redis.ConnectionError, redis.TimeoutError):
            if time.monotonic() - failing_since > _RECONNECT_SECONDS:
                raise
            time.sleep(0.05)
            continue
        except redis.ResponseError as error:
            # no such group, or it is there already: nothing was written
            if not re.search("BUSYGROUP|NOGROUP", str(error)):
                raise
            answer = None
        failing_since = time.monotonic()
        log("acknowledged", key, answer and (name, *answer))


def main() -> None:
    """Write until SIGTERM."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    options = json.load(sys.stdin)
    handle = os.open(options["log"], os.O_WRONLY | os.O_APPEND)

    def log(kind: str, key: bytes, state: Any) -> None:
        os.write(handle, pickle.dumps((kind, key, state)))

    _write_on(options, log, lambda: bool(stop))


if __name__ == "__main__":
    main()
