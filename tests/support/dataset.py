# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill servers quickly and with everything they can hold, and compare what they hold exactly.

`fill(client, 1_000_000)`, `fill_all_types(client, b"market:data:", 5000)`,
`assert not diff(before, snapshot(client, b"market:data:*"))`.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis

PREFIX = b"market:data:"
_HOUR_MS = 3_600_000
_CHUNK = 1000

# -- plain strings, fast ---------------------------------------------------------------------------------------------


def fill(
    client: redis.Redis,
    n: int,
    prefix: bytes = PREFIX,
    ttl_share: float = 0.5,
    value_bytes: int = 200,
    seed: int = 1,
) -> None:
    """Set `n` strings `prefix + b"0"`...; that share of them expires in 1 to 25 hours. The values do not compress."""
    chooser = random.Random(seed)
    noise = chooser.randbytes(value_bytes + 65_536)
    soonest = int(time.time() * 1000) + _HOUR_MS
    setting = b"$3\r\nSET\r\n$%d\r\n%s\r\n" + b"$%d\r\n%%s\r\n" % value_bytes
    persistent, expiring = b"*3\r\n" + setting, b"*5\r\n" + setting + b"$4\r\nPXAT\r\n$13\r\n%d\r\n"

    def commands() -> Iterator[bytes]:
        for number in range(n):
            key, start = b"%s%d" % (prefix, number), chooser.getrandbits(16)
            value = noise[start : start + value_bytes]
            if chooser.random() < ttl_share:
                yield expiring % (len(key), key, value, soonest + chooser.getrandbits(26))
            else:
                yield persistent % (len(key), key, value)

    _send_all(client, commands())


def _send_all(client: redis.Redis, commands: Iterator[bytes]) -> None:
    """Send packed SETs, one chunk ahead of the replies; anything but OK to all of them is an error."""
    connection = client.connection_pool.get_connection()
    try:
        waiting = 0
        while True:
            chunk = list(itertools.islice(commands, _CHUNK))
            if chunk:
                connection.send_packed_command([b"".join(chunk)], check_health=False)
            _expect_ok(connection._sock, waiting)
            waiting = len(chunk)
            if not chunk:
                return
    except BaseException:
        connection.disconnect()
        raise
    finally:
        client.connection_pool.release(connection)


def _expect_ok(connection: socket.socket, count: int) -> None:
    # a million replies read one by one by redis-py take longer than all the rest
    wanted, received = b"+OK\r\n" * count, b""
    while len(received) < len(wanted):
        received += connection.recv(len(wanted) - len(received))
        if not wanted.startswith(received):
            raise RuntimeError(f"the server refused a SET: {received.strip()[-200:]!r}")


# -- every type and encoding -----------------------------------------------------------------------------------------

Maker = Callable[["redis.client.Pipeline", bytes, random.Random], Any]


def _text(chooser: random.Random, length: int) -> bytes:
    """Return JSON-like bytes, which compress as real caches do."""
    return (b'{"symbol":"%08x","bid":%d,"ask":%d},' % tuple(chooser.getrandbits(32) for _field in range(3)) * length)[
        :length
    ]


def _words(chooser: random.Random, count: int, length: int = 16) -> list[bytes]:
    return [b"%d:" % index + chooser.randbytes(length) for index in range(count)]


def _bitmap(pipe: redis.client.Pipeline, key: bytes, chooser: random.Random) -> None:
    for _bit in range(5):
        pipe.setbit(key, chooser.randrange(20_000), 1)


def _stream(pipe: redis.client.Pipeline, key: bytes, chooser: random.Random) -> None:
    for index, word in enumerate(_words(chooser, 30)):
        pipe.xadd(key, {b"field": word, b"n": index}, id=f"{1000 + index}-1")
    pipe.xdel(key, "1003-1")


def _stream_groups(pipe: redis.client.Pipeline, key: bytes, chooser: random.Random) -> None:
    _stream(pipe, key, chooser)
    pipe.xgroup_create(key, "workers", id="0")
    pipe.xgroup_create(key, "idle", id="$")
    pipe.xreadgroup("workers", "first", {key: ">"}, count=9)
    pipe.xreadgroup("workers", "second", {key: ">"}, count=4)
    pipe.xack(key, "workers", "1001-1", "1010-1")
    pipe.xclaim(key, "workers", "second", min_idle_time=0, message_ids=["1005-1"])


def _hash_field_expiry(pipe: redis.client.Pipeline, key: bytes, chooser: random.Random) -> None:
    fields = {b"f%d" % index: word for index, word in enumerate(_words(chooser, 12))}
    pipe.hset(key, mapping=fields)
    at = int(time.time() * 1000) + _HOUR_MS + chooser.getrandbits(24)
    pipe.execute_command("HPEXPIREAT", key, at, "FIELDS", 3, "f1", "f2", "f3")
    pipe.execute_command("HPEXPIREAT", key, at + 12_345, "FIELDS", 1, "f4")


def _vector_set(pipe: redis.client.Pipeline, key: bytes, chooser: random.Random) -> None:
    for index, word in enumerate(_words(chooser, 12)):
        place = [chooser.uniform(-1, 1) for _dimension in range(8)]
        pipe.execute_command("VADD", key, "VALUES", 8, *place, word, "SETATTR", f'{{"rank":{index}}}')


# Sizes stand on both sides of the default limits of the compact encodings.
MAKERS: dict[str, Maker] = {
    "string": lambda p, k, c: p.set(k, _text(c, 300)),
    "string-empty": lambda p, k, c: p.set(k, b""),
    "string-int": lambda p, k, c: p.set(k, c.getrandbits(40)),
    "string-binary": lambda p, k, c: p.set(k, c.randbytes(5000)),
    "bitmap": _bitmap,
    "hyperloglog": lambda p, k, c: p.pfadd(k, *_words(c, 20)),
    "hyperloglog-dense": lambda p, k, c: p.pfadd(k, *_words(c, 3000, 4)),
    "list-listpack": lambda p, k, c: p.rpush(k, *_words(c, 10)),
    "list-quicklist": lambda p, k, c: p.rpush(k, *_words(c, 300, 60)),
    "set-intset": lambda p, k, c: p.sadd(k, *c.sample(range(1 << 40), 20)),
    "set-listpack": lambda p, k, c: p.sadd(k, *_words(c, 10)),
    "set-hashtable": lambda p, k, c: p.sadd(k, *_words(c, 200)),
    "zset-listpack": lambda p, k, c: p.zadd(k, {word: c.uniform(-1e6, 1e6) for word in _words(c, 10)}),
    "zset-skiplist": lambda p, k, c: p.zadd(k, {word: c.uniform(-1e6, 1e6) for word in _words(c, 200)}),
    "hash-listpack": lambda p, k, c: p.hset(k, mapping=dict(zip(_words(c, 10, 4), _words(c, 10)))),
    "hash-hashtable": lambda p, k, c: p.hset(k, mapping=dict(zip(_words(c, 600, 4), _words(c, 600)))),
    "stream": _stream,
    "stream-groups": _stream_groups,
    "hash-field-expiry": _hash_field_expiry,
    "vector-set": _vector_set,
}
# The commands of what not every server has.
NEEDED = {"hash-field-expiry": "HPEXPIREAT", "vector-set": "VADD"}


def kinds(client: redis.Redis) -> list[str]:
    """Return the kinds of values that this server can hold."""
    lacking = {kind for kind, command in NEEDED.items() if not knows(client, command)}
    return [kind for kind in MAKERS if kind not in lacking]


def fill_all_types(client: redis.Redis, prefix: bytes = PREFIX, n: int = 1000, seed: int = 1) -> list[bytes]:
    """Make `n` keys `<prefix><kind>:<number>` of all kinds in turn, every second one of a kind with an expiry."""
    chooser = random.Random(seed)
    here = kinds(client)
    made = []
    now = int(time.time() * 1000)
    for chunk in chunks(range(n), 200):
        pipe = client.pipeline(transaction=False)
        for number in chunk:
            kind = here[number % len(here)]
            key = b"%s%s:%d" % (prefix, kind.encode(), number)
            MAKERS[kind](pipe, key, chooser)
            if number // len(here) % 2:
                pipe.pexpireat(key, now + _HOUR_MS + chooser.getrandbits(26))
            made.append(key)
        pipe.execute()
    return made


def awkward_names(prefix: bytes = PREFIX) -> list[bytes]:
    """Return key names that break careless tools; all begin with the prefix, the first is the prefix itself."""
    endings = [
        b"",
        b" ",
        b"a b",
        b" leading",
        b"trailing ",
        b"tab\tkey",
        b"new\nline",
        b"\n",
        b"carriage\r\nreturn",
        b"\r\n$3\r\nfoo\r\n",
        b"single'quote",
        b'double"quote',
        b"back\\slash",
        b"back`tick",
        b"$(id)",
        b"{{ 7 * 7 }}",
        b"nul\x00inside",
        b"\x00",
        b"\xff\xfe\x80",
        b"half utf-8 \xe2\x82",
        "snow \u2603 \U0001f600".encode(),
        b"\x1b[31mred",
        b"star*",
        b"question?",
        b"set[abc]",
        b"set[^a]",
        b"range[a-z",
        b"]",
        b"{tag}",
        b"{}",
        b"{",
        b"-1",
        b"--flag",
        b"#comment",
        b"%s%d",
        b"a:b:c",
        b"x" * 65_536,
        random.Random(7).randbytes(65_536),
    ]
    return [prefix + ending for ending in endings]


# -- comparing -------------------------------------------------------------------------------------------------------


class State(NamedTuple):
    """What a key holds. `dump` is there for strings only: other types may dump equal values differently."""

    digest: str
    dump: bytes | None
    expire_at: int


@dataclass(frozen=True)
class Difference:
    """One key that differs, and in what: `missing`, `added`, `value` or `expiry`."""

    key: bytes
    what: str
    before: State | None
    after: State | None


Snapshot = dict[bytes, State]

# Before 7.0 there is no PEXPIRETIME: the absolute time is exact when the clock stands still around PTTL.
_EXPIRE_AT_62 = """(function(key)
  local function now() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end
  local before, left, after
  repeat before = now() left = redis.call('PTTL', key) after = now() until before == after
  return left < 0 and left or before + left
end)(KEYS[1])"""


def expire_at_expression(client: redis.Redis) -> str:
    """Return the Lua expression for the absolute expiry of `KEYS[1]` in ms (-1: none, -2: no such key)."""
    return "redis.call('PEXPIRETIME', KEYS[1])" if knows(client, "PEXPIRETIME") else _EXPIRE_AT_62


def snapshot(client: redis.Redis, keys: bytes | Iterable[bytes] = b"*") -> Snapshot:
    """Return the state of the keys that match a pattern, or of the named ones that exist.

    Snapshots compare between servers of one version only: dumps carry the version. The digest is
    `DEBUG DIGEST-VALUE` together with what that leaves out: consumer groups and the expiry of fields.
    """
    names = client.scan_iter(match=keys, count=_CHUNK) if isinstance(keys, bytes) else keys
    result: Snapshot = {}
    for chunk in chunks(dict.fromkeys(names), 500):
        result.update(_states(client, chunk))
    return result


def diff(before: Snapshot, after: Snapshot, expiry_tolerance_ms: int = 1) -> list[Difference]:
    """Return what differs, in the order of the names; empty if all is equal."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            found.append(Difference(key, "added" if old is None else "missing", old, new))
            continue
        if (old.digest, old.dump) != (new.digest, new.dump):
            found.append(Difference(key, "value", old, new))
        one_persists = old.expire_at != new.expire_at and -1 in (old.expire_at, new.expire_at)
        if one_persists or abs(old.expire_at - new.expire_at) > expiry_tolerance_ms:
            found.append(Difference(key, "expiry", old, new))
    return found


def restore_states(client: redis.Redis, states: Iterable[tuple[bytes, bytes, int]]) -> None:
    """Put (key, DUMP payload, absolute expiry or -1) into a scratch server, to compare by `snapshot`."""
    for chunk in chunks(states, 500):
        pipe = client.pipeline(transaction=False)
        for key, payload, expire_at in chunk:
            pipe.restore(key, max(expire_at, 0), payload, replace=True, absttl=True)
        pipe.execute()


def _states(client: redis.Redis, names: list[bytes]) -> Iterator[tuple[bytes, State]]:
    pipe = client.pipeline(transaction=False)
    expire_at = client.script_load(f"return {expire_at_expression(client)}")
    for name in names:
        pipe.type(name)
        pipe.execute_command("DEBUG", "DIGEST-VALUE", name)
        pipe.evalsha(expire_at, 1, name)
    replies = pipe.execute()
    types = [kind.decode() for kind in replies[::3]]
    fields_expire = knows(client, "HPEXPIRETIME")
    for name, kind in zip(names, types):
        if kind == "string":
            pipe.dump(name)
        elif kind == "stream":
            pipe.execute_command("XINFO", "STREAM", name, "FULL", "COUNT", 0)
        elif kind == "hash" and fields_expire:
            pipe.hkeys(name)
        else:
            pipe.echo(b"")
    details = pipe.execute()
    for name, kind, digest, expires, detail in zip(names, types, replies[1::3], replies[2::3], details):
        if kind == "none":
            continue
        extra = b""
        if kind == "stream":
            extra = _stream_extra(detail)
        elif kind == "hash" and fields_expire and detail:
            fields = sorted(detail)
            times = client.execute_command("HPEXPIRETIME", name, "FIELDS", len(fields), *fields)
            extra = repr([pair for pair in zip(fields, times) if pair[1] != -1]).encode()
        text = _value_digest(digest[0], expires) + (
            f"+{hashlib.sha256(extra).hexdigest()[:40]}" if extra not in (b"", b"[]") else ""
        )
        yield name, State(text, detail if kind == "string" else None, expires)


def _value_digest(digest: bytes, expires: int) -> str:
    """Take out the mark that servers mix into the digest of a key that expires, to see the value alone."""
    mark = int(hashlib.sha1(b"!!expire!!").hexdigest(), 16) if expires >= 0 else 0
    return f"{int(digest, 16) ^ mark:040x}"


def _stream_extra(info: Any) -> bytes:
    """Return groups, consumers and pending entries as text, without the shape of the tree in memory."""
    pairs = info.items() if isinstance(info, dict) else zip(info[::2], info[1::2])
    kept = [(name, value) for name, value in pairs if b"radix" not in _bytes(name)]
    return repr(sorted(kept, key=lambda pair: _bytes(pair[0]))).encode()


def _bytes(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


def knows(client: redis.Redis, command: str) -> bool:
    """Tell whether the server has a command that cannot do without arguments."""
    # a command it knows is refused for its missing arguments
    try:
        client.execute_command(command)
    except redis.ResponseError as error:
        return "unknown command" not in str(error)
    return True


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Cut into lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk
