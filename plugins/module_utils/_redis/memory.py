# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restored keys take of a server's memory, and what it does when that is not there. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .connection import Connection

# What MEMORY USAGE leaves out: the key's place in the table of keys, of which there are two while it grows, and its
# entry and place in the table of expiries (measured: up to 31 and 55 bytes).
_TABLE_BYTES = 32
_EXPIRY_BYTES = 56
# What the server buffers of our commands, beside twice the largest value.
BUFFER_BYTES = 256 * 1024
# A string's key, object and entry, which its payload has not.
RECORD_BYTES = 64


# Types whose value is one string: itself, or a small collection as a whole (src/rdb.h).
_ONE_STRING = frozenset({0, 10, 11, 12, 13, 16, 17, 20})
COMPRESSED = b"\xc3"


def uncompressed_bytes(payload: bytes) -> int:
    """Return how long a DUMP payload is without compression, as far as it tells.

    Two lengths stand before LZF's bytes: theirs, and that of the string.
    """
    if payload[0] not in _ONE_STRING or payload[1:2] != COMPRESSED:
        return len(payload)
    _compressed, position = _length(payload, 2)
    return _length(payload, position)[0]


def _length(payload: bytes, position: int) -> tuple[int, int]:
    """Return a length of the RDB format, and where it ends."""
    first = payload[position]
    if first >> 6 == 0:
        return first & 0x3F, position + 1
    if first >> 6 == 1:
        return (first & 0x3F) << 8 | payload[position + 1], position + 2
    size = 4 if first == 0x80 else 8
    return int.from_bytes(payload[position + 1 : position + 1 + size], "big"), position + 1 + size


# Sorted sets and hashes with a table of their own, in which MEMORY USAGE of Redis 7.0 and 8.0 counts an entry as less
# than what is allocated for it (measured: a hash takes 13 % more, with tiny fields 17 %, a sorted set 7 %).
_WITH_TABLES = frozenset({3, 4, 5, 22, 24})
_TABLED_FACTOR = 1.2


def is_tabled(payload: bytes) -> bool:
    """Tell whether a DUMP payload is of a sorted set or hash that has a table of its own."""
    return payload[0] in _WITH_TABLES


def with_tables(memory: float, *, expires: bool, tabled: bool) -> float:
    """Return what a key takes in all that takes ``memory`` by MEMORY USAGE."""
    return memory * (_TABLED_FACTOR if tabled else 1) + _TABLE_BYTES + (_EXPIRY_BYTES if expires else 0)


@dataclass(frozen=True)
class Room:
    """The memory that a server has left below maxmemory in bytes, None without a limit, and what it does without any.

    ``known`` is false where the server does not tell.
    """

    left: int | None
    policy: str
    known: bool = True

    @property
    def consequence(self) -> str:
        return "refuse the rest" if self.policy == "noeviction" else "evict other keys"


def room_of(connection: Connection) -> Room:
    memory = connection.info("memory")
    policy = memory.get("maxmemory_policy", "unknown")
    if "maxmemory" not in memory or "used_memory" not in memory:
        return Room(None, policy, known=False)
    limit = int(memory["maxmemory"])
    # Buffers of replicas and of the append-only file are none of what is evicted for.
    counted = int(memory["used_memory"]) - int(memory.get("mem_not_counted_for_evict", 0))
    return Room(max(limit - counted, 0) if limit else None, policy)


def evicted_keys(stats: t.Mapping[str, str]) -> int:
    """Return how many keys a server has evicted since it was started (INFO stats)."""
    return int(stats.get("evicted_keys", 0))
