# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that use a cache while it is flushed, in threads of the test.

`with counting(server, b"market:data:hot") as replies: ...` · `with cache_users(server, keys=300): ...`
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .servers import RedisServer


@contextmanager
def _in_thread(work: Callable[[], None]) -> Iterator[None]:
    stopping = threading.Event()

    def loop() -> None:
        while not stopping.is_set():
            work()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(10)


@contextmanager
def counting(server: RedisServer, key: bytes) -> Iterator[list[int]]:
    """Count a key up without pause; every reply is kept, so a reply of 1 tells that the key was removed before it."""
    client = server.client()
    replies: list[int] = []
    with _in_thread(lambda: replies.append(client.incr(key))):
        yield replies


@contextmanager
def cache_users(server: RedisServer, keys: int, prefix: str = "market:data:") -> Iterator[None]:
    """Read random keys about a thousand times a second, and write those that are missing, as a cache's users do."""
    client = server.client()
    chooser = random.Random(1)
    pause = threading.Event()

    def use() -> None:
        name = f"{prefix}{chooser.randrange(keys)}"
        if client.get(name) is None:
            client.set(name, "filled again")
        pause.wait(0.001)

    with _in_thread(use):
        yield
