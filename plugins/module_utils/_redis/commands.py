# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that copy a key and that remove exactly what was copied. PRIVATE to the collection.

A key is removed by a script that compares it with its copy first: the last eight bytes of its DUMP (CRC64) and its
expiry must still be the same. A short string that DUMP holds as it is, is compared by its value instead, which costs
the server a sixth of another DUMP. The scripts have no shebang: with one, Redis refuses them at maxmemory.
"""

from __future__ import annotations

import time
import typing as t

from .backup import Record
from .connection import Connection, Reply, checked, first_error, pack, refused

REMOVED = 1
CHANGED = 0
GONE = -1

_COMPARE_DUMP = """
local dump = redis.call('DUMP', KEYS[1])
if not dump then return -1 end
if string.sub(dump, -8) ~= ARGV[1] then return 0 end
"""
# GET of a key that is no string any more is an error, which is a table.
_COMPARE_VALUE = """
local value = redis.pcall('GET', KEYS[1])
if not value then return -1 end
if type(value) == 'table' and not string.find(value.err, 'WRONGTYPE', 1, true) then return value end
if value ~= ARGV[1] then return 0 end
"""
_COMPARE_EXPIRY = """
%(expiry)s
if %(expiry_differs)s then return 0 end
"""
# A value is sent back to the server to be compared: a longer one would cost the network more than it saves.
_VALUE_BYTES = 4096
_EXPIRY = {
    "expiry": "local expiry = redis.call('PEXPIRETIME', KEYS[1])",
    "expiry_differs": "expiry ~= tonumber(ARGV[2])",
}
# Redis before 7.0 has no PEXPIRETIME. TIME and PTTL read the clock one after the other, so they are read again if
# the process lost the processor in between; the sum may still be off by a millisecond.
_CLOCK_ATTEMPTS = 20
_EXPIRY_6 = {
    "expiry": f"""
local expiry
for _ = 1, {_CLOCK_ATTEMPTS} do
  local before = redis.call('TIME')
  expiry = redis.call('PTTL', KEYS[1])
  local after = redis.call('TIME')
  if expiry >= 0 then expiry = before[1] * 1000 + math.floor(before[2] / 1000) + expiry end
  if (after[1] - before[1]) * 1000000 + after[2] - before[2] < 1000 then break end
end""",
    "expiry_differs": "math.abs(expiry - tonumber(ARGV[2])) > 2",
}
_SNAPSHOT_6 = (
    "local dump = redis.call('DUMP', KEYS[1]) " + _EXPIRY_6["expiry"] + " return {dump, string.format('%d', expiry)}"
)
_UNLINK = "return redis.call('UNLINK', KEYS[1])"
_SHORTEN = "return redis.call('PEXPIREAT', KEYS[1], ARGV[3])"
_SHORTEN_UNSAVED = """
local ttl = redis.call('PTTL', KEYS[1])
if ttl == -2 then return -1 end
if ttl == -1 or ttl > tonumber(ARGV[1]) then return redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
"""


class KeyCommands:
    """Packs the commands for one server, and knows what their replies mean."""

    def __init__(self, connection: Connection) -> None:
        self._expiretime = connection.server.has_expiretime
        self._clock_offset = server_time(connection) - time.time() * 1000
        self.load(connection)

    def server_time(self) -> int:
        """Return the server's time in Unix milliseconds: this machine's clock may be wrong."""
        return int(time.time() * 1000 + self._clock_offset)

    def load(self, connection: Connection) -> None:
        """Load the scripts; again after a reconnect or NOSCRIPT, since a script cache is not durable."""
        expiry = _COMPARE_EXPIRY % (_EXPIRY if self._expiretime else _EXPIRY_6)
        scripts = [compare + expiry + act for act in (_UNLINK, _SHORTEN) for compare in (_COMPARE_DUMP, _COMPARE_VALUE)]
        scripts += [_SHORTEN_UNSAVED, _SNAPSHOT_6]
        heads = [_evalsha(connection.execute(b"SCRIPT", b"LOAD", script.encode())) for script in scripts]
        self._remove, self._shorten = tuple(heads[:2]), tuple(heads[2:4])
        self._shorten_unsaved, self._snapshot = heads[4:]

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

    def remove(self, records: t.Sequence[Record], expiries: t.Sequence[int], lead: bytes = b"") -> bytes:
        """Return the commands that remove each key that is still as it was copied."""
        by_dump, by_value = (lead + head % 6 for head in self._remove)
        parts = []
        for (key, payload, _expires_at), expiry in zip(records, expiries):
            value = stored_value(payload)
            head, token = (by_dump, payload[-8:]) if value is None else (by_value, value)
            text = b"%d" % expiry
            parts.append(
                b"%b$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (head, len(key), key, len(token), token, len(text), text)
            )
        return b"".join(parts)

    def shorten(
        self, records: t.Sequence[Record], expiries: t.Sequence[int], moments: t.Sequence[int], lead: bytes = b""
    ) -> bytes:
        """Return the commands that let each key that is still as it was copied expire at a moment (Unix ms)."""
        by_dump, by_value = (lead + head % 7 for head in self._shorten)
        parts = []
        for (key, payload, _expires_at), expiry, moment in zip(records, expiries, moments):
            value = stored_value(payload)
            head, token = (by_dump, payload[-8:]) if value is None else (by_value, value)
            parts.append(head + _arguments(key, token, b"%d" % expiry, b"%d" % moment))
        return b"".join(parts)

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
    return b"*%d\r\n$7\r\nEVALSHA\r\n$40\r\n" + digest + b"\r\n$1\r\n1\r\n"


def _arguments(*args: bytes) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)
