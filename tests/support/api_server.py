# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API servers that are nothing but an answer to who they are, and a record of who has asked.

`with ApiServer("uid-1") as server: write_kubeconfig(path, {"eu": server.url})`
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class ApiServer:
    """Answers with the uid of kube-system, and with 403 to everything else, or to everything without a ``uid``.

    With a ``page``, it is none at all, and answers with that page.
    """

    def __init__(self, uid: str = "", page: str = "") -> None:
        self.requests: list[tuple[str, str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.command, self.path, self.headers.get("User-Agent", "")))
                known = bool(uid) and self.path == "/api/v1/namespaces/kube-system"
                content: dict[str, Any] = {"message": f"not allowed: {self.path}", "code": 403}
                if known:
                    content = {"metadata": {"name": "kube-system", "uid": uid}}
                body = page.encode() or json.dumps(content).encode()
                self.send_response(200 if known or page else 403)
                self.send_header("Content-Type", "text/html" if page else "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

            def log_message(self, *_words: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ApiServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def write_kubeconfig(path: Path, servers: dict[str, str], current: str = "") -> Path:
    """Write a kubeconfig with a context for each server, by its name."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": "ops", "user": {"token": "open-sesame"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "ops"}} for name in servers],
    }
    path.write_text(json.dumps(content))
    return path
