# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TCP connections to ports of pods, through the API server. PRIVATE to the collection.

``kubernetes.stream.portforward`` would do, but it blocks for ever once a request and its replies are both larger than
the buffers of its sockets, copies what it holds for each piece that it passes on, and cannot use descriptors above
1023. So only its web socket is used here, with the authentication that comes with it.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import typing as t
from collections import deque

from .._deps_kubernetes import websocket
from .._errors import RunbookError, as_clause
from .websockets import BINARY, CLOSE, CONTINUATION, PING, PONG, open_websocket

# The protocol knows no window: what one side does not take is held here up to so many bytes, and then not read.
_HELD_BYTES = 1 << 20
_PIECE = 1 << 16
_ERROR = 1
_FINAL, _MASKED = 0x80, 0x80
# A key that changes nothing: what is sent is inside TLS, and no browser's proxy is to be protected from it.
_NO_MASK = b"\0\0\0\0"


class PortForwardFailed(RunbookError):
    """The API server does not forward the port, or cannot be reached."""


def connect_to_pod(client: t.Any, namespace: str, pod: str, port: int, timeout: float) -> socket.socket:
    """Return a socket that is connected to a port of a pod, as long as the API server and the pod live.

    ``client`` is a kubernetes ApiClient, ``timeout`` the seconds for the connection to the API server. Raises
    PortForwardFailed. That nobody listens on the port shows only later, as the end of the connection.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
    try:
        link = open_websocket(client, path, timeout).sock
    except (websocket.WebSocketException, OSError) as exc:
        raise PortForwardFailed(_reason(exc, namespace, pod, port)) from exc
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, _HELD_BYTES)
    name = f"port-forward {namespace}/{pod}:{port}"
    threading.Thread(target=_Pump(link, theirs).run, name=name, daemon=True).start()
    return ours


def _reason(cause: BaseException, namespace: str, pod: str, port: int) -> str:
    what = f"Port {port} of the pod {namespace}/{pod} cannot be forwarded"
    status = getattr(cause, "status_code", None)
    if status in (401, 403):
        return (
            f"{what}: the API server refuses it ({status}); "
            "grant the right to create and get pods/portforward in that namespace, or use another login."
        )
    if status == 404:
        return f"{what}: there is no such pod; list the pods that exist, then run the same command again."
    return f"{what} ({as_clause(cause)}); check the API server's address and the network."


class _Pump:
    """Passes on what comes from the pod and what goes to it, until either side ends; in a thread of its own."""

    def __init__(self, link: t.Any, local: socket.socket) -> None:
        self._link = link
        self._local = local
        self._incoming = bytearray()
        self._to_link: deque[memoryview] = deque()
        self._to_local: deque[memoryview] = deque()
        self._channel = -1
        self._greeted: set[int] = set()
        self._over = False

    def run(self) -> None:
        with contextlib.suppress(OSError), contextlib.closing(self._link), contextlib.closing(self._local):
            self._link.setblocking(False)
            self._local.setblocking(False)
            with selectors.DefaultSelector() as selector:
                selector.register(self._link, selectors.EVENT_READ)
                selector.register(self._local, selectors.EVENT_READ)
                self._pass_on(selector)

    def _pass_on(self, selector: selectors.BaseSelector) -> None:
        while not self._over or self._to_local:
            room_for_local = not self._over and _held(self._to_local) < _HELD_BYTES
            room_for_link = not self._over and _held(self._to_link) < _HELD_BYTES
            self._watch(selector, self._link, reading=room_for_local, writing=bool(self._to_link))
            self._watch(selector, self._local, reading=room_for_link, writing=bool(self._to_local))
            # What TLS has read already makes no socket readable.
            waiting = room_for_local and getattr(self._link, "pending", int)() > 0
            ready = {key.fileobj: events for key, events in selector.select(0 if waiting else None)}
            if room_for_local and (waiting or ready.get(self._link, 0) & selectors.EVENT_READ):
                self._read_link()
            if ready.get(self._local, 0) & selectors.EVENT_READ:
                self._read_local()
            _write(self._link, self._to_link)
            _write(self._local, self._to_local)

    @staticmethod
    def _watch(selector: selectors.BaseSelector, end: t.Any, *, reading: bool, writing: bool) -> None:
        events = reading * selectors.EVENT_READ | writing * selectors.EVENT_WRITE
        known = selector.get_map().get(end)
        if known is None and events:
            selector.register(end, events)
        elif known is not None and not events:
            selector.unregister(end)
        elif known is not None and known.events != events:
            selector.modify(end, events)

    def _read_local(self) -> None:
        try:
            data = self._local.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            raise ConnectionAbortedError("our side has ended the connection")
        self._send_frame(BINARY, b"\0" + data)

    def _read_link(self) -> None:
        try:
            data = self._link.recv(_PIECE)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if not data:
            self._over = True
            return
        self._incoming += data
        at = 0
        while (frame := _frame(self._incoming, at)) is not None:
            opcode, payload, at = frame
            self._take(opcode, payload)
        del self._incoming[:at]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._send_frame(PONG, payload)
        elif opcode == CLOSE:
            self._over = True
        elif opcode in (BINARY, CONTINUATION) and payload:
            data = memoryview(payload)
            if opcode == BINARY:
                self._channel, data = payload[0], data[1:]
                # The first message of each channel only says for which port it is.
                if self._channel not in self._greeted:
                    self._greeted.add(self._channel)
                    return
            if self._channel == _ERROR:
                self._over = True
            elif data:
                self._to_local.append(data)

    def _send_frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", _FINAL | opcode, _MASKED | size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", _FINAL | opcode, _MASKED | 126, size)
        else:
            head = struct.pack(">BBQ", _FINAL | opcode, _MASKED | 127, size)
        self._to_link.append(memoryview(head + _NO_MASK + payload))


def _frame(data: bytearray, at: int) -> tuple[int, bytes, int] | None:
    """Return opcode and payload of the frame that begins at a position, and where it ends; None if it is not whole."""
    if len(data) < at + 2:
        return None
    opcode, size, start = data[at] & 0x0F, data[at + 1] & 0x7F, at + 2
    if size >= 126:
        form = ">H" if size == 126 else ">Q"
        start += struct.calcsize(form)
        if len(data) < start:
            return None
        (size,) = struct.unpack_from(form, data, at + 2)
    end = start + size
    return (opcode, bytes(data[start:end]), end) if len(data) >= end else None


def _held(pieces: deque[memoryview]) -> int:
    return sum(len(piece) for piece in pieces)


def _write(end: t.Any, pieces: deque[memoryview]) -> None:
    """Send as much as an end takes at once."""
    while pieces:
        try:
            sent = end.send(pieces[0])
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if sent < len(pieces[0]):
            pieces[0] = pieces[0][sent:]
            return
        pieces.popleft()
