# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading one big key in steps that do not block the server. PRIVATE to the collection.

DUMP of a big key blocks its server for 5 to 10 ms per MB. A key that was renamed away from its writers does not
change any more, so it can be read in chunks, and is written to the backup as the commands that build it again.
"""

from __future__ import annotations

import itertools
import typing as t
from pathlib import Path

from .._run import read_journal
from .commands import server_time
from .connection import Connection, error_code, is_error, pack, refused
from .names import QUARANTINE_MARK
from .topology import slot_of

_CHUNK_BYTES = 256 * 1024
_CHUNK_ITEMS = 500
# By how much a chunk may have more items than the one before: the next ones may be larger.
_CHUNK_GROWTH = 4

Commands = list[bytes]


def quarantine_name(key: bytes, run_id: str) -> bytes:
    """Return the name for a key while it is read: it begins with the key, so that the same rights hold for it, and
    is in the same slot of a cluster."""
    name = key + QUARANTINE_MARK + run_id.encode()
    slot = slot_of(key)
    if slot_of(name) == slot:
        return name
    # Every try has a chance of one in 16384, whether the braces make a hash tag or not.
    return next(candidate for number in itertools.count() if slot_of(candidate := name + b"{%d}" % number) == slot)


def read_in_chunks(connection: Connection, source: bytes, target: bytes) -> t.Iterator[Commands]:
    """Yield the commands that build ``source`` again under the name ``target``, a chunk at a time.

    The first command removes what is there. A type without a chunked form (a module's) is read with DUMP.
    """
    kind = connection.execute(b"TYPE", source)
    reader = _READERS.get(kind)
    if reader is None:
        payload = connection.execute(b"DUMP", source)
        yield [pack(b"RESTORE", target, b"0", payload, b"REPLACE")] if payload else []
        return
    yield [pack(b"UNLINK", target)]
    yield from reader(connection, source, target)


class _ChunkSize:
    """How many items to ask for next: as many as fit into a chunk, by the size of those before.

    What the server has ready for us counts as its memory, for which it evicts other keys; and it takes no command
    that is longer than its client-query-buffer-limit.
    """

    def __init__(self) -> None:
        self.items = 1

    def note(self, values: t.Sequence[bytes]) -> None:
        """Note what the server has returned for so many items."""
        fitting = self.items * _CHUNK_BYTES // max(sum(map(len, values)), 1)
        self.items = max(min(fitting, self.items * _CHUNK_GROWTH, _CHUNK_ITEMS), 1)


def _string(connection: Connection, source: bytes, target: bytes) -> t.Iterator[Commands]:
    offset = 0
    while chunk := connection.execute(b"GETRANGE", source, b"%d" % offset, b"%d" % (offset + _CHUNK_BYTES - 1)):
        yield [pack(b"APPEND", target, chunk)]
        offset += len(chunk)
    if not offset:
        yield [pack(b"APPEND", target, b"")]


def _list(connection: Connection, source: bytes, target: bytes) -> t.Iterator[Commands]:
    offset, size = 0, _ChunkSize()
    while items := connection.execute(b"LRANGE", source, b"%d" % offset, b"%d" % (offset + size.items - 1)):
        yield [pack(b"RPUSH", target, *items)]
        offset += len(items)
        size.note(items)


def _scan_chunks(command: bytes, connection: Connection, source: bytes) -> t.Iterator[list[bytes]]:
    cursor, size = b"0", _ChunkSize()
    while True:
        cursor, items = connection.execute(command, source, cursor, b"COUNT", b"%d" % size.items)
        size.note(items)
        if items:
            yield items
        if cursor == b"0":
            return


def _set(connection: Connection, source: bytes, target: bytes) -> t.Iterator[Commands]:
    for items in _scan_chunks(b"SSCAN", connection, source):
        yield [pack(b"SADD", target, *items)]


def _zset(connection: Connection, source: bytes, target: bytes) -> t.Iterator[Commands]:
    for items in _scan_chunks(b"ZSCAN", connection, source):
        pairs = [part for member, score in zip(items[::2], items[1::2]) for part in (score, member)]
        yield [pack(b"ZADD", target, *pairs)]


def _hash(connection: Connection, source: bytes, target: bytes) -> t.Iterator[Commands]:
    fields_expire = True
    for items in _scan_chunks(b"HSCAN", connection, source):
        commands = [pack(b"HSET", target, *items)]
        if fields_expire:
            fields = items[::2]
            expiries = connection.pipeline([pack(b"HPEXPIRETIME", source, b"FIELDS", b"%d" % len(fields), *fields)])[0]
            fields_expire = not is_error(expiries)
            # Of a server that may have it, any error would lose an expiry.
            if not fields_expire and (connection.server.has_field_expiry or error_code(expiries) != "UNKNOWN"):
                raise refused("HPEXPIRETIME", expiries)
            if fields_expire:
                commands += [
                    pack(b"HPEXPIREAT", target, b"%d" % expiry, b"FIELDS", b"1", name)
                    for name, expiry in zip(fields, expiries)
                    if expiry > 0
                ]
        yield commands


def _stream(connection: Connection, source: bytes, target: bytes) -> t.Iterator[Commands]:
    about = _pairs(connection.execute(b"XINFO", b"STREAM", source))
    start = b"-"
    empty = True
    size = _ChunkSize()
    while entries := connection.execute(b"XRANGE", source, start, b"+", b"COUNT", b"%d" % size.items):
        empty = False
        size.note([part for _identifier, fields in entries for part in fields])
        yield [pack(b"XADD", target, identifier, *fields) for identifier, fields in entries]
        start = b"(" + entries[-1][0]
    if empty:
        # An entry that is trimmed at once makes an empty stream.
        yield [pack(b"XADD", target, b"MAXLEN", b"0", b"0-1", b"x", b"x")]
    set_id = [b"XSETID", target, about[b"last-generated-id"]]
    if b"entries-added" in about:
        set_id += [b"ENTRIESADDED", b"%d" % about[b"entries-added"], b"MAXDELETEDID", about[b"max-deleted-entry-id"]]
    yield [pack(*set_id)]
    for group in map(_pairs, connection.execute(b"XINFO", b"GROUPS", source)):
        yield from _group(connection, source, target, group)


def _group(connection: Connection, source: bytes, target: bytes, group: dict[bytes, t.Any]) -> t.Iterator[Commands]:
    name = group[b"name"]
    create = [b"XGROUP", b"CREATE", target, name, group[b"last-delivered-id"]]
    if group.get(b"entries-read") is not None:
        create += [b"ENTRIESREAD", b"%d" % group[b"entries-read"]]
    commands = [pack(*create)]
    for consumer in map(_pairs, connection.execute(b"XINFO", b"CONSUMERS", source, name)):
        commands.append(pack(b"XGROUP", b"CREATECONSUMER", target, name, consumer[b"name"]))
    yield commands
    start = b"-"
    while pending := connection.execute(b"XPENDING", source, name, start, b"+", b"%d" % _CHUNK_ITEMS):
        now = server_time(connection)
        yield [
            pack(
                *(b"XCLAIM", target, name, consumer, b"0", identifier, b"TIME", b"%d" % (now - idle)),
                *(b"RETRYCOUNT", b"%d" % deliveries, b"FORCE", b"JUSTID"),
            )
            for identifier, consumer, idle, deliveries in pending
        ]
        start = b"(" + pending[-1][0]


def _pairs(flat: list[t.Any]) -> dict[bytes, t.Any]:
    return dict(zip(flat[::2], flat[1::2]))


_READERS: dict[bytes, t.Callable[[Connection, bytes, bytes], t.Iterator[Commands]]] = {
    b"string": _string,
    b"list": _list,
    b"set": _set,
    b"zset": _zset,
    b"hash": _hash,
    b"stream": _stream,
}


def pending_quarantines(path: Path) -> dict[bytes, bytes]:
    """Return the big keys that a run has renamed away and not finished: original name by quarantine name."""
    pending: dict[bytes, bytes] = {}
    for entry in read_journal(path):
        if "quarantine" in entry:
            pending[bytes.fromhex(entry["quarantine"])] = bytes.fromhex(entry["key"])
        elif "released" in entry:
            pending.pop(bytes.fromhex(entry["released"]), None)
    return pending


def all_quarantines(path: Path) -> dict[bytes, bytes]:
    """Return every big key that a run has ever renamed away: a failover may bring back what was finished."""
    return {
        bytes.fromhex(entry["quarantine"]): bytes.fromhex(entry["key"])
        for entry in read_journal(path)
        if "quarantine" in entry
    }


def rename_away(connection: Connection, key: bytes, quarantine: bytes) -> bool:
    """Rename a key into quarantine; return False if there is no such key."""
    reply = connection.pipeline([pack(b"RENAMENX", key, quarantine)])[0]
    if is_error(reply):
        if "no such key" in str(reply):
            return False
        raise refused("RENAMENX", reply)
    return True
