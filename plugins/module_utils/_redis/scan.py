# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walking the keyspace page by page, for all patterns at once. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .catalogue import Matcher
from .connection import Connection, first_error, is_error, is_redirect, pack, refused
from .names import INTERNAL_PREFIX, is_internal, to_bytes

START = b"0"


@dataclass(frozen=True)
class Page:
    """The matching keys of one SCAN step, the index of the pattern that each belongs to, and their sizes if asked for.

    ``cursor`` continues behind it and is ``b"0"`` on the last page.
    """

    keys: list[bytes]
    patterns: list[int]
    sizes: list[int]
    cursor: bytes


def scan(
    connection: Connection,
    matcher: Matcher,
    count: t.Callable[[], int],
    *,
    cursor: bytes = START,
    sized: bool = False,
) -> t.Iterator[Page]:
    """Yield every page of keys that match, until the cursor is 0 again (an empty page is not the end).

    SCAN returns each key that exists from the first to the last page at least once; pages may repeat a key. ``count``
    is asked before each page for the number of keys that the server looks at: it bounds how long a page blocks it.
    With ``sized`` the server is asked for the size of each key while it has just looked at it. The next page is
    requested before the current one is handed out, so that the server never waits for us.
    """
    match = to_bytes(matcher.glob)

    def request(position: bytes) -> bytes:
        return pack(b"SCAN", position, b"MATCH", match, b"COUNT", b"%d" % count())

    connection.send(request(cursor))
    while True:
        reply = connection.receive(1)[0]
        if is_error(reply):
            raise refused("SCAN", reply)
        cursor, names = reply
        keys, patterns = matcher.select(
            [name for name in names if INTERNAL_PREFIX not in name or not is_internal(name)]
        )
        asked = keys if sized else []
        following = [] if cursor == START else [request(cursor)]
        connection.send(*_memory_usage(asked), *following)
        yield Page(keys, patterns, _sizes(connection.receive(len(asked))), cursor)
        if cursor == START:
            return


def sizes_of(connection: Connection, keys: t.Iterable[bytes], lead: bytes = b"") -> list[int]:
    """Return what keys take in memory, in bytes: 0 for one that is gone. ``lead`` is a command before each question."""
    replies = connection.pipeline([part for command in _memory_usage(keys) for part in (lead, command) if part])
    return _sizes(replies[1::2] if lead else replies)


def _memory_usage(keys: t.Iterable[bytes]) -> list[bytes]:
    return [b"*3\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n$%d\r\n%b\r\n" % (len(key), key) for key in keys]


def _sizes(replies: list[t.Any]) -> list[int]:
    if first_error(replies) is not None:
        # A key on its way between two nodes of a cluster: who touches it will see.
        replies = [0 if is_redirect(reply) else reply for reply in replies]
        if first_error(replies) is not None:
            raise refused("MEMORY USAGE", first_error(replies))
    return [reply or 0 for reply in replies]
