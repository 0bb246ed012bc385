# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Walking the keyspace page by page, with the size of every matching key. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .connection import Connection, first_error, is_error, is_redirect, pack, refused
from .names import INTERNAL_PREFIX, is_internal, to_bytes

START = b"0"


@dataclass(frozen=True)
class Page:
    """The matching keys of one SCAN step. ``cursor`` continues behind it and is ``b"0"`` on the last page."""

    keys: list[bytes]
    sizes: list[int]
    cursor: bytes


def memory_usage(keys: t.Iterable[bytes]) -> list[bytes]:
    return [b"*3\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n$%d\r\n%b\r\n" % (len(key), key) for key in keys]


def scan(
    connection: Connection,
    pattern: str,
    count: t.Callable[[], int],
    *,
    cursor: bytes = START,
    sizes_per_page: int | None = 0,
) -> t.Iterator[Page]:
    """Yield every page of keys that match, until the cursor is 0 again (an empty page is not the end).

    SCAN returns each key that exists from the first to the last page at least once; pages may repeat a key. ``count``
    is asked before each page for the number of keys that the server looks at: it bounds how long a page blocks it.
    ``sizes_per_page`` is how many keys of a page get their MEMORY USAGE (bytes, 0 for a key that is gone): None for
    all. The next page is requested before the current one is handed out, so that the server never waits for us.
    """
    match = to_bytes(pattern)

    def request(position: bytes) -> bytes:
        return pack(b"SCAN", position, b"MATCH", match, b"COUNT", b"%d" % count())

    connection.send(request(cursor))
    while True:
        reply = connection.receive(1)[0]
        if is_error(reply):
            raise refused("SCAN", reply)
        cursor, names = reply
        keys = [name for name in names if INTERNAL_PREFIX not in name or not is_internal(name)]
        sized = keys[:sizes_per_page]
        following = [] if cursor == START else [request(cursor)]
        connection.send(*memory_usage(sized), *following)
        sizes = connection.receive(len(sized))
        error = first_error(sizes)
        if error is not None:
            # A key on its way between two nodes of a cluster: who touches it will see.
            sizes = [0 if is_redirect(size) else size for size in sizes]
            if first_error(sizes) is not None:
                raise refused("MEMORY USAGE", first_error(sizes))
        yield Page(keys, [size or 0 for size in sizes], cursor)
        if cursor == START:
            return
