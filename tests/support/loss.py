# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache with everything in it, and the proof that a flush lost none of it.

```python
cache = Cache(server)
before = cache.fill()
...  # flush, and break it
assert not lost(before, cache, backups, scratch)
```

The proof reads what a run left on disk as stock tools would: whole gzip members, in order, through `redis-cli --pipe`
into an empty scratch server. Nothing of the collection's own code takes part in it.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import redis

from . import dataset, resp
from .dataset import Snapshot
from .servers import RedisServer

PATTERN = b"market:data:*"
LIVE = b"market:data:live:"
"""Keys that the application changes meanwhile."""
STILL = b"market:data:still:"
"""Keys that nobody else touches: big streams do not keep the idle times of consumers to the millisecond."""
QUARANTINE = b"\x00market_intel.runbooks:quarantine:"
BIG_KEY_BYTES = 64 * 1024

_HOUR_MS = 3_600_000
_SAME_SECONDS = 1200  # the first key expires after an hour


class _Made(NamedTuple):
    at: float
    dumps: list[tuple[bytes, bytes, int]]
    snapshot: Snapshot


class Cache:
    """A cache on a server: every type, big keys of every type, awkward names, and neighbours that are not its own."""

    _made: dict[tuple[str, int, int], _Made] = {}

    def __init__(self, server: RedisServer, *, keys: int = 380, big_keys: int = 14) -> None:
        self.server = server
        self._size = (server.flavour, keys, big_keys)

    def fill(self) -> Snapshot:
        """Fill the empty server, for a while always with the same, and return what it holds."""
        made = self._made.get(self._size)
        with self.server.admin() as admin:
            if made and time.monotonic() - made.at < _SAME_SECONDS:
                dataset.restore_states(admin, made.dumps)
            else:
                self._make(admin)
                made = self._made[self._size] = _Made(time.monotonic(), _dump(admin), dataset.snapshot(admin))
        return made.snapshot

    def now(self) -> Snapshot:
        """Return what the server holds now, under its own names."""
        with self.server.admin() as admin:
            return dataset.snapshot(admin)

    def left(self) -> list[bytes]:
        """Return what a finished flush should have removed: keys of the cache, in quarantine too, and our own."""
        with self.server.admin() as admin:
            names = [*admin.scan_iter(match=PATTERN), *admin.scan_iter(match=b"market_intel.runbooks:*")]
        return sorted(names)

    def _make(self, admin: redis.Redis) -> None:
        _flavour, keys, big_keys = self._size
        dataset.fill_all_types(admin, LIVE, keys)
        for name in dataset.awkward_names(LIVE):
            admin.set(name, b"value of " + name[:100])
        fill_big(admin, big_keys)
        for name in (b"market:data", b"market:data;", b"market:dat", b"other:market:data:1", b"market:database:1"):
            admin.set(name, b"a neighbour")


def fill_big(admin: redis.Redis, count: int, seed: int = 1) -> list[bytes]:
    """Make big keys of all types in turn, from just above `BIG_KEY_BYTES` to some hundred KB; half of them expire."""
    chooser = random.Random(seed)

    def words(number: int, length: int) -> list[bytes]:
        return [b"%d:" % index + chooser.randbytes(length) for index in range(number)]

    made = []
    for number in range(count):
        size = chooser.choice((1, 2, 4))
        kind = ("string", "hash", "list", "set", "zset", "stream", "text")[number % 7]
        key = b"%sbig:%s:%d" % (STILL if kind == "stream" else LIVE, kind.encode(), number)
        if kind == "string":
            admin.set(key, chooser.randbytes(150_000 * size))
        elif kind == "text":
            admin.set(key, b'{"bid":1,"ask":2},' * 10_000 * size)
        elif kind == "hash":
            admin.hset(key, mapping=dict(zip(words(1500 * size, 8), words(1500 * size, 30))))
        elif kind == "list":
            admin.rpush(key, *words(1500 * size, 60))
        elif kind == "set":
            admin.sadd(key, *words(1500 * size, 30))
        elif kind == "zset":
            admin.zadd(key, {word: chooser.uniform(-1e9, 1e9) for word in words(1500 * size, 30)})
        else:
            pipe = admin.pipeline(transaction=False)
            for index, word in enumerate(words(1500 * size, 60)):
                pipe.xadd(key, {b"field": word}, id=f"{1000 + index}-1")
            pipe.xgroup_create(key, "workers", id="1010-1")
            pipe.execute()
        if number % 2:
            admin.pexpireat(key, int(time.time() * 1000) + _HOUR_MS + chooser.getrandbits(24))
        made.append(key)
    return made


def lost(
    expected: Snapshot, cache: Cache, runs: Iterable[Path], scratch: RedisServer, *, held: bool = True
) -> list[dataset.Difference]:
    """Return each key that is neither on the server nor saved, or not with its value and expiry.

    `expected` is what every key ever held at last, `runs` are the folders of the runs, oldest first. A key counts as
    being on the server also under its quarantine name, but not if it should be there no more (`held`).
    """
    present = cache.now()
    quarantined = {name.partition(QUARANTINE)[0]: state for name, state in present.items() if QUARANTINE in name}
    present = {
        name: state
        for name, state in present.items()
        if QUARANTINE not in name and not name.startswith(b"market_intel.runbooks:")
    }
    found = {**saved(runs, scratch), **(quarantined if held else {}), **present}
    return dataset.diff(expected, found)


def saved(runs: Iterable[Path], scratch: RedisServer) -> Snapshot:
    """Return what stock tools restore from the runs, oldest first; a torn end of an unfinished run is left out."""
    with scratch.admin() as admin, tempfile.TemporaryDirectory() as folder:
        admin.flushall()
        copies = []
        for part in parts(runs):
            if whole := whole_members(part.read_bytes()):
                copies.append(Path(folder) / f"{len(copies):04d}.gz")
                copies[-1].write_bytes(whole)
        if copies:
            played = resp.replay(copies, scratch)
            if played.errors:
                raise AssertionError(f"redis-cli --pipe refused a part of the backup: {played.said}")
        return dataset.snapshot(admin)


def parts(runs: Iterable[Path]) -> list[Path]:
    return [part for run in runs for part in sorted(run.glob("part-*.resp.gz"))]


def whole_members(data: bytes) -> bytes:
    """Cut a torn gzip member from the end."""
    ends = [end for end, _body in members(data)]
    return data[: ends[-1]] if ends else b""


def members(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the end and the content of each whole gzip member."""
    position, content = 0, b""
    member = zlib.decompressobj(wbits=31)
    while position < len(data):
        piece = data[position : position + 65_536]
        content += member.decompress(piece)
        position += len(piece)
        if member.eof:
            position -= len(member.unused_data)
            yield position, content
            member, content = zlib.decompressobj(wbits=31), b""


def runs_in(backups: Path) -> list[Path]:
    """Return the folders of the runs below a backup folder, oldest first."""
    # ids of one second do not sort by time; the lock is the one file that is never written
    return sorted(
        (lock.parent for lock in backups.glob("redis/*/lock")), key=lambda run: (run / "lock").stat().st_mtime_ns
    )


def manifest(run: Path) -> dict[str, Any]:
    """Return what a run says about itself, which is nothing before it has begun."""
    try:
        return dict(json.loads((run / "manifest.json").read_text()))
    except FileNotFoundError:
        return {}


def journal(run: Path) -> list[dict[str, Any]]:
    """Return the entries of a run's journal, without a last one that is torn."""
    try:
        lines = (run / "journal.jsonl").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def quarantined(run: Path) -> set[str]:
    """Return the names of the big keys that a run has renamed away and not finished."""
    entries = journal(run)
    released = {entry["released"] for entry in entries if "released" in entry}
    return {entry["quarantine"] for entry in entries if "quarantine" in entry} - released


def all_closed(run: Path) -> bool:
    """Tell whether a run has closed its parts: it only verifies then. Each attempt closes the part that it wrote."""
    return len(manifest(run).get("parts", [])) == len(parts([run])) > 0


def not_one_sentence(result: dict[str, Any]) -> str:
    """Say why a failed module's message is not the one sentence that an operator reads, or nothing if it is."""
    message = str(result.get("msg", ""))
    if not result.get("failed"):
        return f"it did not fail: {message}"
    if "exception" in result or "Traceback" in str(result):
        return f"it has a traceback: {result}"
    if not message.endswith(".") or "\n" in message:
        return f"it is no sentence: {message!r}"
    # a full stop before the last belongs to a number, a name or a quotation
    if re.search(r"[a-z)]\. [A-Z]", message) or len(message) > 600:
        return f"it is more than one sentence: {message!r}"
    return ""


def _dump(admin: redis.Redis) -> list[tuple[bytes, bytes, int]]:
    dumped = []
    for names in dataset.chunks(admin.scan_iter(count=1000), 500):
        pipe = admin.pipeline(transaction=False)
        for name in names:
            pipe.dump(name)
            pipe.pexpiretime(name)
        replies = pipe.execute()
        dumped += list(zip(names, replies[::2], replies[1::2]))
    return dumped
