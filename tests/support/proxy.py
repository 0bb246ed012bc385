# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy that breaks connections where a test wants it.

```python
with Proxy(server.port) as proxy:
    fault = proxy.cut(match=b"EVALSHA", occurrence=3, reply="lost")
    ...  # the code under test talks to proxy.url
    assert fault.fired
```

A fault fires once, unless it repeats; add another to break again. What counts as passing are bytes as the client or the
server sent them, over all connections since the fault was added.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["request", "reply"]

_QUIET_SECONDS = 0.05


@dataclass
class Fault:
    """One rule; `fired` tells whether it has struck."""

    action: Literal["cut", "stall"]
    direction: Direction
    match: bytes | None
    occurrence: int
    after_bytes: int | None
    reply: Literal["irrelevant", "lost"]
    reset: bool
    repeats: bool = False
    _struck: threading.Event = field(default_factory=threading.Event)
    _passed: int = 0
    _seen: int = 0
    _tail: dict[int, bytes] = field(default_factory=dict)

    @property
    def fired(self) -> bool:
        """Whether it has struck."""
        return self._struck.is_set()

    def wait(self, timeout: float = 30.0) -> None:
        """Wait until it strikes."""
        if not self._struck.wait(timeout):
            raise TimeoutError(f"the fault did not strike in {timeout:g} s: {self}")

    def position(self, direction: Direction, stream: int, data: bytes) -> int | None:
        """Return how many bytes of `data` pass before the fault strikes, or None if all of them do."""
        if (self.fired and not self.repeats) or direction != self.direction:
            return None
        if self.after_bytes is not None:
            self._passed += len(data)
            over = self._passed - self.after_bytes
            return None if over < 0 else len(data) - over
        assert self.match is not None
        tail = self._tail.get(stream, b"")
        text, start = tail + data, 0
        while (found := text.find(self.match, start)) >= 0:
            self._seen += 1
            if self._seen == self.occurrence:
                return max(found - len(tail), 0)
            start = found + len(self.match)
        # the end that may be the beginning of a match, but no byte that was counted already
        keep = min(len(self.match) - 1, len(text) - start)
        self._tail[stream] = text[len(text) - keep :] if keep else b""
        return None


class Gate:
    """Holds the first request before which `there` returns true, and all that come after it, until it is opened.

    One gate may stand in several proxies: it holds all of them. `there` gets the bytes of the request; it is called by
    one thread at a time.
    """

    def __init__(self, there: Callable[[bytes], bool]) -> None:
        self._there = there
        self._lock = threading.Lock()
        self._reached = threading.Event()
        self._opened = threading.Event()

    @property
    def reached(self) -> bool:
        """Whether it holds, or has held, a request."""
        return self._reached.is_set()

    def wait(self, timeout: float = 30.0) -> None:
        """Wait until it holds a request."""
        if not self._reached.wait(timeout):
            raise TimeoutError(f"no request reached the gate in {timeout:g} s")

    def open(self) -> None:
        """Let everything pass, now and later."""
        self._opened.set()

    def hold(self, request: bytes) -> None:
        """Return when a request may pass."""
        if self._opened.is_set():
            return
        with self._lock:
            if not self.reached and self._there(request):
                self._reached.set()
        if self.reached:
            self._opened.wait()


class Proxy:
    """Forwards a free loopback port to a server's port; a context manager."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream = ("127.0.0.1", upstream_port)
        self._listener: socket.socket | None = None
        self._faults: list[Fault] = []
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self.delay = 0.0
        """Seconds that every piece waits before it is forwarded, in each direction."""
        self.gate: Gate | None = None
        """What each request has to pass before it is forwarded."""
        self.connections = 0
        """Connections accepted so far."""
        self.port = 0

    def __enter__(self) -> Proxy:
        self.accept()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.refuse()
        self.clear()
        self.drop()

    @property
    def url(self) -> str:
        """The address to give to the code under test."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        with self._lock:
            return len(self._links)

    def cut(
        self,
        *,
        match: bytes | None = None,
        occurrence: int = 1,
        after_bytes: int | None = None,
        direction: Direction = "request",
        reply: Literal["irrelevant", "lost"] = "irrelevant",
        reset: bool = False,
        repeats: bool = False,
    ) -> Fault:
        """Cut the connection when `match` passes for the k-th time, or after so many bytes of a direction.

        With `reply="irrelevant"` the match and all behind it is not forwarded: what stood before it in the same
        pipeline was executed, the rest was not. With `reply="lost"` everything is forwarded and executed, but no
        reply comes back any more, and the connection is cut when both sides are quiet. `reset` cuts by RST.
        What `repeats` counts anew after each cut.
        """
        return self._add("cut", match, occurrence, after_bytes, direction, reply, reset, repeats)

    def stall(
        self,
        *,
        match: bytes | None = None,
        occurrence: int = 1,
        after_bytes: int | None = None,
        direction: Direction = "request",
        repeats: bool = False,
    ) -> Fault:
        """Stop forwarding on the connection at that point and keep it open until `drop` or the peers end it."""
        return self._add("stall", match, occurrence, after_bytes, direction, "irrelevant", False, repeats)

    def clear(self) -> None:
        """Forget all faults and the delay, and open the gate."""
        with self._lock:
            self._faults.clear()
        self.delay = 0.0
        if self.gate:
            self.gate.open()
            self.gate = None

    def refuse(self) -> None:
        """Refuse new connections until `accept`; open ones stay."""
        if self._listener is not None:
            # shutdown wakes the thread that waits in accept, which close would not
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def accept(self) -> None:
        """Accept connections (again), always on the same port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def drop(self, reset: bool = False) -> None:
        """Cut all open connections now."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close(reset)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _add(
        self,
        action: Literal["cut", "stall"],
        match: bytes | None,
        occurrence: int,
        after_bytes: int | None,
        direction: Direction,
        reply: Literal["irrelevant", "lost"],
        reset: bool,
        repeats: bool = False,
    ) -> Fault:
        if (match is None) == (after_bytes is None):
            raise ValueError("a fault needs either match or after_bytes")
        if reply == "lost" and direction != "request":
            raise ValueError("a lost reply belongs to a request")
        fault = Fault(action, direction, match, occurrence, after_bytes, reply, reset, repeats)
        with self._lock:
            self._faults.append(fault)
        return fault

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream, 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self.connections += 1
                link = _Link(self, self.connections, client, server)
                self._links.add(link)
            link.start()

    def _strikes(self, direction: Direction, stream: int, data: bytes) -> tuple[Fault, int] | None:
        with self._lock:
            places = [(fault, fault.position(direction, stream, data)) for fault in self._faults]
            hits = [(fault, place) for fault, place in places if place is not None]
            if not hits:
                return None
            fault, place = min(hits, key=lambda hit: hit[1])
            if fault.repeats:
                fault._seen = fault._passed = 0
                fault._tail.clear()
            else:
                self._faults.remove(fault)
            fault._struck.set()
            return fault, place

    def _gone(self, link: _Link) -> None:
        with self._lock:
            self._links.discard(link)


class _Link:
    """One client connection and its connection to the server."""

    def __init__(self, proxy: Proxy, number: int, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._number = proxy, number
        self._client, self._server = client, server
        self._cutting = False  # no reply reaches the client any more
        self._stalled = False
        self._closed = threading.Event()
        self._last_byte = time.monotonic()
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        for source, target, direction in (
            (self._client, self._server, "request"),
            (self._server, self._client, "reply"),
        ):
            threading.Thread(target=self._pump, args=(source, target, direction), daemon=True).start()

    def close(self, reset: bool = False) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        _close(self._client, reset)
        _close(self._server, reset)
        self._proxy._gone(self)

    def _pump(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._last_byte = time.monotonic()
                if self._proxy.delay:
                    time.sleep(self._proxy.delay)
                if direction == "request" and (gate := self._proxy.gate):
                    gate.hold(data)
                if not self._stalled and not (direction == "reply" and self._cutting):
                    self._forward(target, direction, data)
        # while it is being cut, the server's end decides: it may still be executing what it was sent
        if direction == "reply" or not self._cutting:
            self.close()

    def _forward(self, target: socket.socket, direction: Direction, data: bytes) -> None:
        hit = self._proxy._strikes(direction, self._number, data)
        if hit is None:
            target.sendall(data)
            return
        fault, place = hit
        if fault.reply == "lost":
            self._cutting = True
            threading.Thread(target=self._close_when_quiet, args=(fault.reset,), daemon=True).start()
            target.sendall(data)
            return
        target.sendall(data[:place])
        if fault.action == "stall":
            self._stalled = True
        else:
            self._cutting = True
            _close(self._client, fault.reset)
            # only half: a closed socket could throw away requests that the server has not read yet
            self._server.shutdown(socket.SHUT_WR)

    def _close_when_quiet(self, reset: bool) -> None:
        while not self._closed.is_set() and time.monotonic() - self._last_byte < _QUIET_SECONDS:
            time.sleep(_QUIET_SECONDS / 5)
        self.close(reset)


def _close(end: socket.socket, reset: bool) -> None:
    # shutdown wakes the thread that is reading from it; the reading half alone tells the peer nothing
    with contextlib.suppress(OSError):
        if reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    end.close()
