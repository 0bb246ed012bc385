# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that the runbooks need, and those that copy a key and remove exactly what was copied. PRIVATE.

Keys are removed by a script that compares each with its copy first: the last eight bytes of its DUMP (CRC64) and its
expiry must still be the same. A short string that DUMP holds as it is, is compared by its value instead, which costs
the server a sixth of another DUMP. One call is for several keys, as calling a script costs more than comparing a key;
it is either carried out for all of them or, with an error, for none. The scripts have no shebang: with one, Redis
refuses them at maxmemory.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, replace

from .backup import Record
from .connection import Connection, Reply, checked, first_error, is_error, pack, refused
from .topology import CLUSTER

REMOVED = 1
CHANGED = 0
GONE = -1

# GET of a key that is no string any more is an error, which is a table. ARGV[1] says of each key how it is compared.
_COMPARE = """
local outcomes, unchanged = {}, {}
for index, key in ipairs(KEYS) do
  local first = 2 + (index - 1) * %(arguments)d
  local found
  if string.sub(ARGV[1], index, index) == 'v' then
    found = redis.pcall('GET', key)
    if type(found) == 'table' and not string.find(found.err, 'WRONGTYPE', 1, true) then return found end
  else
    found = redis.call('DUMP', key)
    found = found and string.sub(found, -8)
  end
  if not found then
    outcomes[index] = -1
  elseif found ~= ARGV[first] then
    outcomes[index] = 0
  else
    %(expiry)s
    if %(expiry_differs)s then
      outcomes[index] = 0
    else
      outcomes[index] = 1
      %(act)s
    end
  end
end
%(end)s
return outcomes
"""
_UNLINK: dict[str, t.Any] = {
    "arguments": 2,
    "act": "unchanged[#unchanged + 1] = key",
    "end": "if #unchanged > 0 then redis.call('UNLINK', unpack(unchanged)) end",
}
_SHORTEN: dict[str, t.Any] = {"arguments": 3, "act": "redis.call('PEXPIREAT', key, ARGV[first + 2])", "end": ""}
# A call blocks the server while it compares: about 0.1 ms for as many short strings, 0.3 ms for as many bytes.
_KEYS_PER_CALL = 25
_BYTES_PER_CALL = 32 * 1024
# A value is sent back to the server to be compared: a longer one would cost the network more than it saves.
_VALUE_BYTES = 4096
_EXPIRY = {
    "expiry": "local expiry = redis.call('PEXPIRETIME', key)",
    "expiry_differs": "expiry ~= tonumber(ARGV[first + 1])",
}
# Redis before 7.0 has no PEXPIRETIME. TIME and PTTL read the clock one after the other, so they are read again if
# the process lost the processor in between; the sum may still be off by a millisecond.
_CLOCK_ATTEMPTS = 20
_EXPIRY_6 = {
    "expiry": f"""
local expiry
for _ = 1, {_CLOCK_ATTEMPTS} do
  local before = redis.call('TIME')
  expiry = redis.call('PTTL', key)
  local after = redis.call('TIME')
  if expiry >= 0 then expiry = before[1] * 1000 + math.floor(before[2] / 1000) + expiry end
  if (after[1] - before[1]) * 1000000 + after[2] - before[2] < 1000 then break end
end""",
    "expiry_differs": "math.abs(expiry - tonumber(ARGV[first + 1])) > 2",
}
_SNAPSHOT_6 = (
    "local key = KEYS[1] local dump = redis.call('DUMP', key) "
    + _EXPIRY_6["expiry"]
    + " return {dump, string.format('%d', expiry)}"
)
_SHORTEN_UNSAVED = """
local ttl = redis.call('PTTL', KEYS[1])
if ttl == -2 then return -1 end
if ttl == -1 or ttl > tonumber(ARGV[1]) then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
"""


@dataclass(frozen=True)
class ScriptCalls:
    """Calls of a script as they are sent, and for how many records each of them is, in order."""

    blob: bytes
    records: list[int]

    def outcomes(self, replies: t.Sequence[Reply]) -> list[Reply]:
        """Return the outcome of each record; an error is that of all records of its call."""
        found: list[Reply] = []
        for reply, number in zip(replies, self.records):
            found += [reply] * number if is_error(reply) else reply
        return found


class KeyCommands:
    """Packs the commands for one server, and knows what their replies mean.

    ``keys_per_call`` is 1 where a script may only touch keys of one slot: in a cluster, or in front of one.
    """

    def __init__(self, connection: Connection) -> None:
        self.keys_per_call = 1 if connection.server.mode == CLUSTER else _KEYS_PER_CALL
        self._expiretime = connection.server.has_expiretime
        self._clock_offset = server_time(connection) - time.time() * 1000
        self.load(connection)

    def server_time(self) -> int:
        """Return the server's time in Unix milliseconds: this machine's clock may be wrong."""
        return int(time.time() * 1000 + self._clock_offset)

    def load(self, connection: Connection) -> None:
        """Load the scripts; again after a reconnect or NOSCRIPT, since a script cache is not durable."""
        expiry = _EXPIRY if self._expiretime else _EXPIRY_6
        scripts = [_COMPARE % {**expiry, **act} for act in (_UNLINK, _SHORTEN)] + [_SHORTEN_UNSAVED, _SNAPSHOT_6]
        digests = [connection.execute(b"SCRIPT", b"LOAD", script.encode()) for script in scripts]
        self._remove, self._shorten = digests[:2]
        self._shorten_unsaved, self._snapshot = map(_evalsha, digests[2:])

    @property
    def replies_per_copy(self) -> int:
        return 2 if self._expiretime else 1

    def copy(self, keys: t.Sequence[bytes], lead: bytes = b"") -> bytes:
        """Return the commands that copy keys, each with ``lead`` (a command of its own) before it."""
        if self._expiretime:
            form = lead + b"*2\r\n$4\r\nDUMP\r\n$%d\r\n%b\r\n" + lead + b"*2\r\n$11\r\nPEXPIRETIME\r\n$%d\r\n%b\r\n"
            return b"".join([form % (len(key), key, len(key), key) for key in keys])
        form = lead + self._snapshot % 4 + b"$%d\r\n%b\r\n"
        return b"".join([form % (len(key), key) for key in keys])

    def copies(self, keys: t.Sequence[bytes], replies: list[Reply]) -> tuple[list[Record], list[int]]:
        """Return the records of the keys that exist, and the raw expiry of each (-1: none)."""
        error = first_error(replies)
        if error is not None:
            raise refused("DUMP or PEXPIRETIME", error)
        pairs: t.Iterable[t.Any] = (
            zip(replies[::2], replies[1::2]) if self._expiretime else (reply or (None, None) for reply in replies)
        )
        records, expiries = [], []
        for key, (payload, expiry) in zip(keys, pairs):
            if payload is None or expiry is None:
                continue
            moment = int(expiry)
            # Expired between DUMP and PEXPIRETIME.
            if moment != -2:
                records.append(Record(key, payload, max(moment, 0)))
                expiries.append(moment)
        return records, expiries

    def remove(self, records: t.Sequence[Record], expiries: t.Sequence[int], lead: bytes = b"") -> ScriptCalls:
        """Return the calls that remove each key that is still as it was copied."""
        return self._calls(self._remove, 2, records, [_arguments(b"%d" % expiry) for expiry in expiries], lead)

    def shorten(
        self, records: t.Sequence[Record], expiries: t.Sequence[int], moments: t.Sequence[int], lead: bytes = b""
    ) -> ScriptCalls:
        """Return the calls that let each key that is still as it was copied expire at a moment (Unix ms)."""
        rest = [_arguments(b"%d" % expiry, b"%d" % moment) for expiry, moment in zip(expiries, moments)]
        return self._calls(self._shorten, 3, records, rest, lead)

    def _calls(
        self, digest: bytes, per_key: int, records: t.Sequence[Record], rest: t.Sequence[bytes], lead: bytes
    ) -> ScriptCalls:
        """Return the calls of a script with ``per_key`` arguments for each key: its copy's token, then its ``rest``."""
        parts: list[bytes] = []
        numbers: list[int] = []
        for start, end in self._spans(records):
            keys = [record.key for record in records[start:end]]
            values = [stored_value(record.payload) for record in records[start:end]]
            forms = b"".join([b"d" if value is None else b"v" for value in values])
            words = 4 + (1 + per_key) * len(keys)
            parts += lead, b"*%d\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n" % (words, digest)
            parts.append(_arguments(b"%d" % len(keys), *keys, forms))
            for record, value, more in zip(records[start:end], values, rest[start:end]):
                token = record.payload[-8:] if value is None else value
                parts.append(b"$%d\r\n%b\r\n%b" % (len(token), token, more))
            numbers.append(len(keys))
        return ScriptCalls(b"".join(parts), numbers)

    def _spans(self, records: t.Sequence[Record]) -> t.Iterator[tuple[int, int]]:
        """Yield from where to where the records of each call go."""
        start = size = 0
        for end, record in enumerate(records):
            size += len(record.payload)
            if end > start and (end - start >= self.keys_per_call or size > _BYTES_PER_CALL):
                yield start, end
                start, size = end, len(record.payload)
        if records:
            yield start, len(records)

    def remove_unsaved(self, keys: t.Sequence[bytes], lead: bytes = b"") -> bytes:
        return b"".join(lead + pack(b"UNLINK", key) for key in keys)

    def shorten_unsaved(self, keys: t.Sequence[bytes], lives: t.Sequence[int], lead: bytes = b"") -> bytes:
        head = lead + self._shorten_unsaved % 5
        return b"".join(head + _arguments(key, b"%d" % life) for key, life in zip(keys, lives))


def server_time(connection: Connection) -> int:
    """Ask the server for its time, in Unix milliseconds."""
    return _microseconds(connection.execute(b"TIME")) // 1000


def expiry_by_ttl(connection: Connection, key: bytes) -> int:
    """Return when a key expires (Unix ms, -1 for never, -2 without it) on a server before 7.0, like `_EXPIRY_6`."""
    asked = [(b"TIME",), (b"PTTL", key), (b"TIME",)]
    for _attempt in range(_CLOCK_ATTEMPTS):
        replies = connection.pipeline([pack(*words) for words in asked])
        before, ttl, after = (checked(words, reply) for words, reply in zip(asked, replies))
        if int(ttl) < 0:
            return int(ttl)
        if _microseconds(after) - _microseconds(before) < 1000:
            break
    return _microseconds(before) // 1000 + int(ttl)


def _microseconds(reply: Reply) -> int:
    seconds, microseconds = reply
    return int(seconds) * 1_000_000 + int(microseconds)


def stored_value(payload: bytes) -> bytes | None:
    """Return the value of a short string that a DUMP payload holds as it is; None for anything else.

    Type 0 is a string; its length stands in 6 bits, or in 14 bits if the two highest bits are 01; 10 and 11 are long,
    compressed and integer forms (src/rdb.h). Ten bytes of version and checksum follow.
    """
    if payload[0] != 0 or len(payload) > _VALUE_BYTES:
        return None
    form = payload[1] >> 6
    if form == 0:
        value = payload[2:-10]
        return value if len(value) == payload[1] else None
    if form == 1:
        value = payload[3:-10]
        return value if len(value) == ((payload[1] & 0x3F) << 8 | payload[2]) else None
    return None


def _evalsha(digest: bytes) -> bytes:
    """Return the beginning of a call for one key, without the number of its words."""
    return b"*%d\r\n$7\r\nEVALSHA\r\n$40\r\n" + digest + b"\r\n$1\r\n1\r\n"


def _arguments(*args: bytes) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


# In the words of a Need: the key, and its name while it is read in quarantine.
KEY = b""
QUARANTINED = b"\x00quarantined"


@dataclass(frozen=True)
class Need:
    """A command that a run needs: an example that is only asked about, and what cannot be done without the command.

    Without one that is ``optional`` the run goes on, and the user needs no right to it. ``since`` is the version of
    Redis that brought it, ``since_valkey`` that of Valkey if Redis 7.2 has not had it.
    """

    words: tuple[bytes, ...]
    without: str
    optional: bool = False
    since: tuple[int, ...] = ()
    since_valkey: tuple[int, ...] = ()


_TO_FLUSH = {
    "SCAN": Need((b"SCAN", b"0", KEY), "no key can be found"),
    "DBSIZE": Need((b"DBSIZE",), "the share of the database that matches is unknown"),
    "MEMORY USAGE": Need((b"MEMORY", b"USAGE", KEY), "keys cannot be measured, and big ones not be told from others"),
    "PTTL": Need((b"PTTL", KEY), "no expiry can be read"),
    "TIME": Need((b"TIME",), "the server's clock cannot be read"),
    "SCRIPT LOAD": Need((b"SCRIPT", b"LOAD", KEY), "no script can be loaded"),
    "UNLINK": Need((b"UNLINK", KEY), "no key can be deleted"),
    "PEXPIRE": Need((b"PEXPIRE", KEY, b"1"), "the lock on the database cannot be kept"),
    "CLIENT SETNAME": Need((b"CLIENT", b"SETNAME", b"x"), "CLIENT LIST does not name the run", optional=True),
}
_TO_SAVE = {
    "DUMP": Need((b"DUMP", KEY), "no key can be copied"),
    "PEXPIRETIME": Need((b"PEXPIRETIME", KEY), "no expiry can be saved", since=(7, 0)),
    "GET": Need((b"GET", KEY), "no short string can be compared with its copy"),
    "EVALSHA": Need((b"EVALSHA", b"0" * 40, b"1", KEY), "no key can be compared with its copy and removed"),
    "EXISTS": Need((b"EXISTS", KEY), "no big key can be saved"),
    "RENAMENX": Need((b"RENAMENX", KEY, QUARANTINED), "no big key can be kept from its writers while it is saved"),
    "TYPE": Need((b"TYPE", KEY), "no big key can be saved"),
    "GETRANGE": Need((b"GETRANGE", KEY, b"0", b"1"), "no big string can be saved"),
    "LRANGE": Need((b"LRANGE", KEY, b"0", b"1"), "no big list can be saved"),
    "SSCAN": Need((b"SSCAN", KEY, b"0"), "no big set can be saved"),
    "ZSCAN": Need((b"ZSCAN", KEY, b"0"), "no big sorted set can be saved"),
    "HSCAN": Need((b"HSCAN", KEY, b"0"), "no big hash can be saved"),
    "HPEXPIRETIME": Need(
        (b"HPEXPIRETIME", KEY, b"FIELDS", b"1", b"x"),
        "no expiry of a big hash's fields can be saved",
        since=(7, 4),
        since_valkey=(9, 0),
    ),
    "XRANGE": Need((b"XRANGE", KEY, b"-", b"+"), "no big stream can be saved"),
    "XPENDING": Need((b"XPENDING", KEY, b"x"), "no big stream can be saved"),
    "XINFO STREAM": Need((b"XINFO", b"STREAM", KEY), "no big stream can be saved"),
    "XINFO GROUPS": Need((b"XINFO", b"GROUPS", KEY), "no big stream can be saved"),
    "XINFO CONSUMERS": Need((b"XINFO", b"CONSUMERS", KEY, b"x"), "no big stream can be saved"),
}
_TO_EXPIRE = {
    "EVALSHA": Need((b"EVALSHA", b"0" * 40, b"1", KEY), "no life can be shortened"),
    "PEXPIREAT": Need((b"PEXPIREAT", KEY, b"0"), "no life can be shortened"),
}
_IN_A_CLUSTER = {
    "ASKING": Need((b"ASKING",), "keys on their way between two nodes cannot be reached"),
    "CLUSTER NODES": Need((b"CLUSTER", b"NODES"), "slots on their way between two nodes are not seen"),
}
_TO_RESTORE = {
    "EXISTS": Need((b"EXISTS", KEY), "newer keys cannot be told from missing ones"),
    "RESTORE": Need((b"RESTORE", KEY, b"0", b"x"), "no key can be put back here"),
    "TIME": Need((b"TIME",), "expired keys cannot be told"),
}
_TO_OVERWRITE = {
    "DUMP": Need((b"DUMP", KEY), "keys cannot be compared with the backup"),
    "PEXPIRETIME": Need((b"PEXPIRETIME", KEY), "expiries cannot be compared with the backup", since=(7, 0)),
    "SCRIPT LOAD": Need((b"SCRIPT", b"LOAD", b"x"), "no script can be loaded"),
}
_TO_BUILD = {
    "UNLINK": Need((b"UNLINK", KEY), "no big key can be put back here"),
    "RENAME": Need((b"RENAME", QUARANTINED, KEY), "no big key can be put back here"),
    "RENAMENX": Need((b"RENAMENX", QUARANTINED, KEY), "no big key can be put back here"),
    "PEXPIREAT": Need((b"PEXPIREAT", KEY, b"1"), "no big key can be put back here with its expiry"),
    "PERSIST": Need((b"PERSIST", KEY), "no big key can be put back here without an expiry"),
    "APPEND": Need((b"APPEND", KEY, b"x"), "no big string can be put back here"),
    "RPUSH": Need((b"RPUSH", KEY, b"x"), "no big list can be put back here"),
    "SADD": Need((b"SADD", KEY, b"x"), "no big set can be put back here"),
    "ZADD": Need((b"ZADD", KEY, b"1", b"x"), "no big sorted set can be put back here"),
    "HSET": Need((b"HSET", KEY, b"x", b"x"), "no big hash can be put back here"),
    "XADD": Need((b"XADD", KEY, b"*", b"x", b"x"), "no big stream can be put back here"),
    "XSETID": Need((b"XSETID", KEY, b"1-1"), "no big stream can be put back here"),
    "XGROUP CREATE": Need((b"XGROUP", b"CREATE", KEY, b"x", b"$"), "no big stream can be put back here"),
    "XGROUP CREATECONSUMER": Need(
        (b"XGROUP", b"CREATECONSUMER", KEY, b"x", b"x"), "no big stream can be put back here"
    ),
    "XCLAIM": Need((b"XCLAIM", KEY, b"x", b"x", b"0", b"1-1"), "no big stream can be put back here"),
}
_TO_BUILD_FIELDS = {
    "HPEXPIREAT": Need(
        (b"HPEXPIREAT", KEY, b"1", b"FIELDS", b"1", b"x"), "no big hash whose fields expire can be put back here"
    ),
}

# Of the lock on a database, without which a flush goes on.
LOCK_NEEDS = {
    "EVAL": Need((b"EVAL", b"return 0", b"1", KEY), "the lock cannot be taken"),
    "GET": Need((b"GET", KEY), "its holder cannot be read"),
    "SET": Need((b"SET", KEY, b"x"), "the lock cannot be taken"),
}


def flush_needs(*, backup: bool, expire: bool, clustered: bool) -> dict[str, Need]:
    """Return what a flush needs, by the commands' names for people; what only its undo needs is optional."""
    undo = restore_needs(overwrite=False, big_keys=True, fields_expire=False) if backup else {}
    fields = _TO_BUILD_FIELDS if backup else {}
    return {
        **{name: replace(need, optional=True) for name, need in undo.items()},
        # Where no field can expire, none has to be put back with its expiry.
        **{name: replace(need, optional=True, since=(7, 4), since_valkey=(9, 0)) for name, need in fields.items()},
        **_TO_FLUSH,
        **(_TO_EXPIRE if expire else {}),
        **(_TO_SAVE if backup else {}),
        **(_IN_A_CLUSTER if clustered else {}),
    }


def restore_needs(*, overwrite: bool, big_keys: bool, fields_expire: bool) -> dict[str, Need]:
    """Return what a restore needs, by the commands' names for people; ``fields_expire`` is of big hashes."""
    return {
        **_TO_RESTORE,
        **(_TO_OVERWRITE if overwrite else {}),
        **(_TO_BUILD if big_keys else {}),
        **(_TO_BUILD_FIELDS if fields_expire else {}),
    }
