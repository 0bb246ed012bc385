# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A separate process that writes through failovers and knows which of its writes must have survived them.

```python
with SequenceWriter(cluster, b"market:data:live:") as writer:
    ...  # flush, kill primaries, move slots
    log = writer.stop()
assert not lost(log, read_sequences(cluster, PREFIX), read_sequences(scratch.client(), PREFIX))
```

Each key holds `<number>:<text>`, and its number rises with each write. A write is confirmed when WAIT, on the same
connection, has answered that all replicas of the primary have it: whichever of them takes over has it. Of what is not
confirmed nothing can be said. The writer never deletes a key, and none expires within an hour.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Union

import hiredis
import redis
from redis.crc import key_slot

from . import dataset
from .cluster import SLOTS, RedisCluster
from .processes import LoggingChild, wait_until
from .sentinel import SentinelSet

Topology = Union[RedisCluster, SentinelSet]

PREFIX = b"market:data:live:"

_FIELD = b"seq"
_RECORD = struct.Struct("<cIQ")
_SENT, _ACKNOWLEDGED, _CONFIRMED, _RECONNECTED = b"s", b"a", b"c", b"r"


@dataclass
class SequenceLog:
    """What a writer has written: the last number per key that was confirmed, and the last that was sent at all.

    `writes` counts the acknowledged writes, `interruptions` the connections that had to be made after the first ones.
    """

    confirmed: dict[bytes, int] = field(default_factory=dict)
    last: dict[bytes, int] = field(default_factory=dict)
    writes: int = 0
    interruptions: int = 0


class SequenceWriter:
    """Writes to `keys` keys below a prefix in turn, `rate` writes per second (0: as fast as it can), until stopped.

    A context manager; when it is entered, its first write is acknowledged. `replicas` is how many have to confirm a
    write; that is all of them if it is not given. Every third key is a hash, every third expires after an hour.
    """

    def __init__(
        self,
        topology: Topology,
        prefix: bytes = PREFIX,
        *,
        keys: int = 300,
        rate: float = 2000,
        seed: int = 1,
        replicas: int | None = None,
    ) -> None:
        self._keys = _key_names(prefix, keys)
        self._log = SequenceLog()
        self._read_bytes = 0
        options = {
            "prefix": prefix.hex(),
            "keys": keys,
            "rate": rate,
            "seed": seed,
            **_way_to(topology, replicas),
        }
        self._child = LoggingChild("support.sequences", options)

    def __enter__(self) -> SequenceWriter:
        self._child.start(lambda: self.read().writes > 0, "the writer's first write")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._child.close()

    @property
    def running(self) -> bool:
        """Whether it still writes."""
        return self._child.running

    def stop(self) -> SequenceLog:
        """End it after the writes it is in, and return what it wrote."""
        self._child.end()
        return self.read()

    def read(self) -> SequenceLog:
        """Return what it has written up to now; the object is brought up to date by the next call."""
        with self._child.log.open("rb") as handle:
            handle.seek(self._read_bytes)
            data = handle.read()
        data = data[: len(data) - len(data) % _RECORD.size]
        self._read_bytes += len(data)
        log = self._log
        for kind, index, number in _RECORD.iter_unpack(data):
            if kind == _SENT:
                log.last[self._keys[index]] = number
            elif kind == _CONFIRMED:
                log.confirmed[self._keys[index]] = number
            elif kind == _ACKNOWLEDGED:
                log.writes += 1
            else:
                log.interruptions += 1
        return log

    def wait_for_round(self, timeout: float = 60) -> None:
        """Wait until every key was written once more and that was confirmed."""
        before = dict(self.read().last)

        def confirmed() -> bool:
            self._child.check()
            now = self.read().confirmed
            return all(now.get(key, -1) > before.get(key, -1) for key in self._keys)

        wait_until(confirmed, timeout, "a confirmed write to every key", 0.05)


# -- what has survived -----------------------------------------------------------------------------------------------


def sequence_of(value: object) -> int:
    """Return the number in a value of the writer, be it a string or a hash; -1 if it is none of the writer's."""
    if isinstance(value, Mapping):
        value = value.get(_FIELD)
    found = re.match(rb"(\d+):", value) if isinstance(value, bytes) else None
    return int(found[1]) if found else -1


def read_sequences(source: redis.Redis | Topology, prefix: bytes = PREFIX) -> dict[bytes, int]:
    """Return the number that each key below a prefix holds on a server, or on the primaries of a topology.

    A key that is on two nodes counts with the higher number.
    """
    found: dict[bytes, int] = {}
    pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", prefix) + b"*"
    for client in _clients(source):
        for names in dataset.chunks(dict.fromkeys(client.scan_iter(match=pattern, count=1000)), 500):
            # without ASKING a node does not tell what it holds of a slot that it is about to take over
            asking = isinstance(source, RedisCluster)
            strings = _ask_all(client, [("GET", name) for name in names], asking)
            hashes = _ask_all(client, [("HGET", name, _FIELD) for name in names], asking)
            for name, *values in zip(names, strings, hashes):
                number = max(map(sequence_of, values))
                if number > found.get(name, -1):
                    found[name] = number
    return found


def lost(log: SequenceLog, present: Mapping[bytes, int], saved: Mapping[bytes, int]) -> list[str]:
    """Describe each key of which neither the servers nor the backups have the last confirmed write or a later one."""
    return [
        f"{key.decode(errors='backslashreplace')}: {number} was confirmed,"
        f" the servers have {present.get(key, 'nothing')}, the backups {saved.get(key, 'nothing')}"
        for key, number in sorted(log.confirmed.items())
        if max(present.get(key, -1), saved.get(key, -1)) < number
    ]


def _clients(source: redis.Redis | Topology) -> Iterator[redis.Redis]:
    if isinstance(source, redis.Redis):
        yield source
        return
    for server in source.primaries() if isinstance(source, RedisCluster) else [source.primary()]:
        with server.admin() as admin:
            yield admin


def _ask_all(client: redis.Redis, commands: Iterable[tuple[Any, ...]], asking: bool) -> list[Any]:
    """Return the replies, errors (a wrong type) among them."""
    pipe: Any = client.pipeline(transaction=False)
    for words in commands:
        if asking:
            pipe.execute_command("ASKING")
        pipe.execute_command(*words)
    replies: list[Any] = pipe.execute(raise_on_error=False)
    return replies[1::2] if asking else replies


# -- the process itself ----------------------------------------------------------------------------------------------

_HOST = "127.0.0.1"  # whatever host the nodes announce
_CONNECT_SECONDS = 0.5
_REPLY_SECONDS = 2.0
_WAIT_MS = 200
_BATCH_SECONDS = 0.02
_LOOK_AGAIN_SECONDS = 0.05
_REDIRECTIONS = 4

_BROKEN = (OSError, EOFError, hiredis.HiredisError)


def _way_to(topology: Topology, replicas: int | None) -> dict[str, Any]:
    """Return what the process has to know to find the servers and to log in to them."""
    cluster = isinstance(topology, RedisCluster)
    servers = topology.nodes if isinstance(topology, RedisCluster) else topology.servers
    logins: dict[int, list[str | None]] = {}
    for server in servers:
        known = server.admin().get_connection_kwargs()
        logins[server.port] = [known["username"], known["password"]]
    sentinels: list[int] = []
    if isinstance(topology, SentinelSet):
        sentinels = [port for _host, port in topology.sentinels]
        logins.update({port: [topology.sentinel_username, topology.sentinel_password] for port in sentinels})
    if replicas is None:
        replicas = len(topology.shard_of(servers[0])) - 1 if isinstance(topology, RedisCluster) else 2
    return {
        "cluster": cluster,
        "service": SentinelSet.service,
        "ask": [server.port for server in servers] if cluster else sentinels,
        "logins": logins,
        "replicas": replicas,
    }


def _key_names(prefix: bytes, count: int) -> list[bytes]:
    return [b"%s%d" % (prefix, number) for number in range(count)]


class _Write(NamedTuple):
    place: int
    key: bytes
    number: int
    command: bytes


def _packed(*words: Any) -> bytes:
    return bytes(hiredis.pack_command(words))


def _command(index: int, key: bytes, number: int, text: bytes) -> bytes:
    value = b"%d:%s" % (number, text)
    if index % 3 == 0:
        return _packed("HSET", key, _FIELD, value)
    expiry = ("PX", 3_600_000) if index % 3 == 1 else ()
    return _packed("SET", key, value, *expiry)


class _Link:
    """One connection: packed commands out, replies in; errors are replies, too."""

    def __init__(self, port: int, login: list[str | None]) -> None:
        self._socket = socket.create_connection((_HOST, port), _CONNECT_SECONDS)
        self._reader = hiredis.Reader()
        username, password = login
        if password:
            words = ("AUTH", username, password) if username else ("AUTH", password)
            answer = self.ask(*words)
            if isinstance(answer, hiredis.ReplyError):
                self.close()
                raise ConnectionError(str(answer))

    def close(self) -> None:
        self._socket.close()

    def ask(self, *words: Any) -> Any:
        self.send([_packed(*words)])
        return self.receive(1, _CONNECT_SECONDS)[0]

    def send(self, commands: list[bytes]) -> None:
        self._socket.sendall(b"".join(commands))

    def receive(self, count: int, seconds: float = _REPLY_SECONDS) -> list[Any]:
        replies: list[Any] = []
        deadline = time.monotonic() + seconds
        while True:
            # False means that no reply is complete; none of the commands here can be answered with it
            while len(replies) < count and (reply := self._reader.gets()) is not False:
                replies.append(reply)
            if len(replies) == count:
                return replies
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self._socket.recv(65_536)
            if not data:
                raise EOFError
            self._reader.feed(data)


class _Routes:
    """Which port takes the writes to a slot; `look` asks around, in an order that changes."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._table: list[int | None] = [None] * SLOTS
        self._cluster = bool(options["cluster"])

    def port(self, key: bytes) -> int | None:
        return self._table[key_slot(key) if self._cluster else 0]

    def moved(self, slot: int, port: int) -> None:
        self._table[slot] = port

    def ports(self) -> set[int]:
        return {port for port in self._table if port is not None}

    def look(self) -> None:
        ask = list(self._options["ask"])
        random.shuffle(ask)
        for port in ask:
            with contextlib.suppress(*_BROKEN):
                link = _Link(port, self._options["logins"][str(port)])
                try:
                    if self._learn(link):
                        return
                finally:
                    link.close()

    def _learn(self, link: _Link) -> bool:
        if not self._cluster:
            answer = link.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._options["service"])
            if not isinstance(answer, list):
                return False
            self._table[0] = int(answer[1])
            return True
        answer = link.ask("CLUSTER", "SLOTS")
        if not isinstance(answer, list) or not answer:
            return False
        for first, last, primary, *_replicas in answer:
            self._table[first : last + 1] = [int(primary[1])] * (last + 1 - first)
        return True


class _Process:
    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._routes = _Routes(options)
        self._links: dict[int, _Link] = {}
        self._handle = os.open(options["log"], os.O_WRONLY | os.O_APPEND)
        self._wait = _packed("WAIT", options["replicas"], _WAIT_MS)
        self._asking = _packed("ASKING")
        self._lost_way = True
        self._looked = 0.0
        self._begun = False

    def run(self, stopping: Callable[[], bool]) -> None:
        chooser = random.Random(self._options["seed"])
        keys = list(enumerate(_key_names(bytes.fromhex(self._options["prefix"]), self._options["keys"])))
        numbers = [0] * len(keys)
        rate = self._options["rate"]
        last = time.monotonic()
        left: list[tuple[int, bytes]] = []
        while not stopping():
            if rate:
                time.sleep(max(last + max(_BATCH_SECONDS, 1 / rate) - time.monotonic(), 0))
            now = time.monotonic()
            count = max(int((now - last) * rate), 1) if rate else 100
            last = now
            if not left:
                left = chooser.sample(keys, len(keys))
            # no key twice in a batch: when one write to it is sent elsewhere, the next one could overtake it
            chosen, left = left[:count], left[count:]
            batch = []
            for index, key in chosen:
                numbers[index] += 1
                text = chooser.randbytes(chooser.randrange(10, 60)).hex().encode()
                batch.append(_Write(index, key, numbers[index], _command(index, key, numbers[index], text)))
            self._write(batch)

    def _write(self, batch: list[_Write]) -> None:
        if self._lost_way and time.monotonic() - self._looked > _LOOK_AGAIN_SECONDS:
            self._lost_way = False
            self._routes.look()
            self._looked = time.monotonic()
        if not self._begun:
            for port in self._routes.ports():
                with contextlib.suppress(*_BROKEN):
                    self._link(port)
            self._begun = True
        self._note(_SENT, batch)
        pending: list[tuple[_Write, int | None]] = [(write, None) for write in batch]
        for _attempt in range(_REDIRECTIONS):
            pending = self._attempt(pending)
            if not pending:
                return

    def _attempt(self, pending: list[tuple[_Write, int | None]]) -> list[tuple[_Write, int | None]]:
        """Send writes, those with a port to that one although the slot is not its own yet; return the redirected."""
        groups: dict[int, list[tuple[_Write, bool]]] = {}
        for write, asked in pending:
            port = asked or self._routes.port(write.key)
            if port is None:
                self._lost_way = True
            else:
                groups.setdefault(port, []).append((write, asked is not None))
        sent = []
        for port, group in groups.items():
            commands = [self._asking + write.command if asking else write.command for write, asking in group]
            try:
                self._link(port).send([*commands, self._wait])
            except _BROKEN:
                self._drop(port)
            else:
                sent.append((port, group))
        redirected: list[tuple[_Write, int | None]] = []
        for port, group in sent:
            try:
                replies = iter(self._links[port].receive(sum(1 + asking for _write, asking in group) + 1))
            except _BROKEN:
                self._drop(port)
                continue
            redirected += self._judge(group, replies)
        return redirected

    def _judge(self, group: list[tuple[_Write, bool]], replies: Iterator[Any]) -> list[tuple[_Write, int | None]]:
        acknowledged = []
        redirected: list[tuple[_Write, int | None]] = []
        for write, asking in group:
            if asking:
                next(replies)
            reply = next(replies)
            if not isinstance(reply, hiredis.ReplyError):
                acknowledged.append(write)
                continue
            kind, *details = str(reply).split()
            if kind in ("ASK", "MOVED"):
                slot, port = int(details[0]), int(details[1].rpartition(":")[2])
                if kind == "MOVED":
                    self._routes.moved(slot, port)
                redirected.append((write, port if kind == "ASK" else None))
            else:
                self._lost_way = True
        self._note(_ACKNOWLEDGED, acknowledged)
        waited = next(replies)
        if isinstance(waited, int) and waited >= self._options["replicas"]:
            self._note(_CONFIRMED, acknowledged)
        return redirected

    def _link(self, port: int) -> _Link:
        if port not in self._links:
            self._links[port] = _Link(port, self._options["logins"][str(port)])
            if self._begun:
                os.write(self._handle, _RECORD.pack(_RECONNECTED, 0, 0))
        return self._links[port]

    def _drop(self, port: int) -> None:
        self._lost_way = True
        if port in self._links:
            self._links.pop(port).close()

    def _note(self, kind: bytes, writes: list[_Write]) -> None:
        os.write(self._handle, b"".join(_RECORD.pack(kind, write.place, write.number) for write in writes))


def main() -> None:
    """Write until SIGTERM."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    _Process(json.load(sys.stdin)).run(lambda: bool(stop))


if __name__ == "__main__":
    main()
