# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy in front of an API server or of Vault that answers wrongly where a test wants it.

```python
with HttpFaults("https://127.0.0.1:6443", ca_cert=ca, certificates=made) as faults:
    conflict = faults.answer(409, method="PATCH", path="/secrets/", times=2)
    ...  # the code under test talks to faults.url and trusts faults.ca_cert
    assert conflict.struck == 2
```

TLS ends here, so that whoever talks to it logs in with a token. Replies are passed on as they come (a watch works),
and so is what follows an upgrade (exec, port-forward).
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from .tls import Certificates

_PIECE = 1 << 16
_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

Action = Literal["answer", "hang", "cut", "rewrite"]


@dataclass
class HttpFault:
    """One rule: what strikes requests whose method is this one and whose path holds a match; `struck` counts them."""

    action: Action
    method: str
    path: str
    times: int
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    change: Callable[[dict[str, str], bytes], bytes] | None = None
    struck: int = 0

    def strikes(self, method: str, path: str) -> bool:
        wanted = self.method in ("", method) and re.search(self.path, path) is not None
        return wanted and self.struck < self.times


class HttpFaults:
    """A context manager; rules are tried in the order in which they were given, the first that matches strikes."""

    def __init__(self, upstream: str, *, ca_cert: Path | None = None, certificates: Certificates | None = None) -> None:
        """With `certificates`, it speaks TLS itself; `ca_cert` is the authority that the server is trusted for."""
        self._upstream = urlsplit(upstream)
        self._trust = ssl.create_default_context(cafile=str(ca_cert)) if ca_cert else None
        self._certificates = certificates
        self._faults: list[HttpFault] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.server_cert, certificates.server_key)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{'https' if certificates else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HttpFaults:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(
        self,
        status: int,
        *,
        method: str = "",
        path: str = "",
        times: int = 1,
        headers: Mapping[str, str] | None = None,
        message: str = "",
    ) -> HttpFault:
        """Answer with a status instead of asking the server; `headers` may hold Retry-After."""
        return self._add(HttpFault("answer", method, path, times, status, headers or {}, message))

    def hang(self, *, method: str = "", path: str = "", times: int = 1) -> HttpFault:
        """Never answer."""
        return self._add(HttpFault("hang", method, path, times))

    def cut(self, *, method: str = "", path: str = "", times: int = 1) -> HttpFault:
        """Let the server do what was asked, and end the connection instead of telling its answer."""
        return self._add(HttpFault("cut", method, path, times))

    def rewrite(
        self, change: Callable[[dict[str, str], bytes], bytes], *, method: str = "", path: str = "", times: int = 10**9
    ) -> HttpFault:
        """Change a reply: the function gets its headers, which it may change, and its body, and returns another."""
        return self._add(HttpFault("rewrite", method, path, times, change=change))

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._faults.clear()

    def _add(self, fault: HttpFault) -> HttpFault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def _next(self, method: str, path: str) -> HttpFault | None:
        with self._lock:
            fault = next((fault for fault in self._faults if fault.strikes(method, path)), None)
            if fault:
                fault.struck += 1
            return fault

    def _connect(self) -> http.client.HTTPConnection:
        host, port = str(self._upstream.hostname), self._upstream.port
        if self._upstream.scheme == "https":
            return http.client.HTTPSConnection(host, port, context=self._trust)
        return http.client.HTTPConnection(host, port)


def move_clock(seconds: float, field_name: str = "server_time_utc") -> Callable[[dict[str, str], bytes], bytes]:
    """Return a change that moves the header Date and a field of the body (Vault's own time) by seconds."""

    def change(headers: dict[str, str], body: bytes) -> bytes:
        if "Date" in headers:
            moved = parsedate_to_datetime(headers["Date"]) + timedelta(seconds=seconds)
            headers["Date"] = format_datetime(moved, usegmt=True)
        with contextlib.suppress(ValueError):
            content = json.loads(body)
            if isinstance(content, dict) and field_name in content:
                content[field_name] = int(content[field_name] + seconds)
                return json.dumps(content).encode()
        return body

    return change


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are normal here."""


def _handler(faults: HttpFaults) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = faults._next(self.command, self.path)
            if fault and fault.action == "hang":
                faults._over.wait()
                self.close_connection = True
            elif fault and fault.action == "answer":
                self._answer(fault)
            elif "upgrade" in self.headers.get("Connection", "").lower():
                self._tunnel()
            else:
                self._pass_on(body, fault)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_LIST = do_GET

        def _answer(self, fault: HttpFault) -> None:
            reason = http.client.responses.get(fault.status, "")
            message = fault.message or f"{reason} (by the test)"
            content = {
                # As Kubernetes says it, and as Vault does.
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message,
                "reason": reason.replace(" ", ""), "code": fault.status, "errors": [message],
            }  # fmt: skip
            body = json.dumps(content).encode()
            self.send_response(fault.status)
            for name, value in {**fault.headers, "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _pass_on(self, body: bytes, fault: HttpFault | None) -> None:
            with contextlib.closing(faults._connect()) as server:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                server.request(self.command, self.path, body=body or None, headers=headers)
                reply = server.getresponse()
                if fault and fault.action == "cut":
                    reply.read()
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                given = {name: value for name, value in reply.getheaders() if name.lower() not in _HOP}
                if fault and fault.change:
                    content = fault.change(given, reply.read())
                    given["Content-Length"] = str(len(content))
                    self._head(reply, given)
                    self.wfile.write(content)
                    return
                self.close_connection = "Content-Length" not in given
                self._head(reply, given)
                while data := reply.read1(_PIECE):
                    self.wfile.write(data)

        def _head(self, reply: http.client.HTTPResponse, headers: Mapping[str, str]) -> None:
            self.send_response_only(reply.status, reply.reason)
            for name, value in headers.items():
                self.send_header(name, value)
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()

        def _tunnel(self) -> None:
            self.close_connection = True
            server = faults._connect()
            server.connect()
            head = [
                f"{self.command} {self.path} HTTP/1.1",
                *(f"{name}: {value}" for name, value in self.headers.items()),
            ]
            server.sock.sendall(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))
            _pass_between(self.connection, server.sock)
            server.close()

    return Handler


def _pass_between(one: socket.socket, other: socket.socket) -> None:
    """Pass on in both directions until an end closes; in one thread, since two may not use one TLS connection."""
    partner = {one: other, other: one}
    with contextlib.suppress(OSError):
        while True:
            waiting = [end for end in partner if isinstance(end, ssl.SSLSocket) and end.pending()]
            for end in waiting or select.select(list(partner), [], [])[0]:
                data = end.recv(_PIECE)
                if not data:
                    return
                partner[end].sendall(data)
