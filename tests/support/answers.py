# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of HTTP that gives one answer after the other, whatever it is asked, wrong ones too.

`with Answers() as server: server.say(500, "reset", (200, {"kind": "Secret"}))`
"""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = int | str | tuple[int, Any] | tuple[int, Any, dict[str, str]]


class Answers:
    """An answer is a status, with a content and headers, or `reset`, `half`, `nothing` (no JSON) or `hang`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self._answers: list[Answer] = []
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append((self.command, self.path))
                given = outer._answers.pop(0)
                if given in ("reset", "hang"):
                    self.close_connection = True
                    if given == "hang":
                        outer._over.wait()
                    return
                status, content, headers = outer._parts(given)
                text = b"<html>welcome" if given == "nothing" else json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text) + (given == "half")))
                self.end_headers()
                self.wfile.write(text)
                self.close_connection = given == "half"

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = answer

            def log_message(self, *_words: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def say(self, *answers: Answer) -> None:
        self._answers = list(answers)

    def stop(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Answers:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        if not self._over.is_set():
            self.stop()

    @staticmethod
    def _parts(given: Answer) -> tuple[int, Any, dict[str, str]]:
        if isinstance(given, tuple):
            return given[0], given[1], given[2] if len(given) > 2 else {}
        status = given if isinstance(given, int) else 200
        reason = http.client.responses[status]
        # As Kubernetes says it, and as Vault does.
        return status, {"message": f"{reason} (by the test)", "errors": [f"{reason} (by the test)"]}, {}
