# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus and an Alertmanager in small, which say what a test wants them to.

```python
with AlertServers() as servers:
    servers.samples["up"] = [({"job": "api"}, 1)]
    servers.alerts.append(alert(alertname="SystemSLOBreached"))
    servers.url
```
"""

from __future__ import annotations

import copy
import json
import re
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .tls import Certificates

HOOK = "/hook"
"""Whatever is sent there is taken."""
Samples = list[tuple[Mapping[str, str], Any]]
HOSTILE = [
    "{{ lookup('pipe', 'touch canary') }}",
    "{% raw %}",
    "{# #}",
    "$(touch canary)",
    "`id`",
    "`touch canary`",
    "a;b",
    "a\nb",
    "a b",
    "- a",
    "&a",
    "!unsafe",
    "'",
    '"',
    "*",
    "x" * 254,
    "x" * 100_000,
    "аpi",  # noqa: RUF001
    "\u202egnp.exe",
    "a\x00b",
]
"""What a label may hold that somebody wants to be executed, or shown as something else."""


def alert(starts_at: str = "2026-11-23T10:15:00.123Z", **labels: str) -> dict[str, Any]:
    """Return an alert as Alertmanager 0.25 shows it."""
    return {
        "labels": labels,
        "annotations": {"summary": "something is wrong"},
        "fingerprint": f"{abs(hash(tuple(sorted(labels.items())))):016x}",
        "startsAt": starts_at,
        "endsAt": "2026-11-23T10:20:00.123Z",
        "updatedAt": "2026-11-23T10:16:00.123Z",
        "generatorURL": "http://prometheus/graph",
        "receivers": [{"name": "none"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    }


class AlertServers:
    """Both on one port; a context manager.

    `samples` are by query, or a function that returns them, `ages` of their selectors in seconds, `warnings` of all
    answers. `raw` are answers by path
    that are given as they are: a status and a text, or a function that returns them. The server's clock is `ahead` of
    this one by so many seconds.
    """

    def __init__(self, certificates: Certificates | None = None) -> None:
        self.samples: dict[str, Samples | Callable[[], Samples]] = {}
        self.ages: dict[str, float] = {}
        self.warnings: list[str] = []
        self.alerts: list[dict[str, Any]] = []
        self.silences: dict[str, dict[str, Any]] = {}
        self.started = "2026-11-01T00:00:00.000Z"
        self.cluster = "ready"
        self.raw: dict[str, Any] = {}
        self.authorization = ""
        self.ahead = 0.0
        self.requests: list[tuple[str, str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                outer._answer(self)

            do_GET = do_POST = do_DELETE = answer

            def date_time_string(self, timestamp: float | None = None) -> str:
                return formatdate((time.time() if timestamp is None else timestamp) + outer.ahead, usegmt=True)

            def log_message(self, *_args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_args: Any) -> None:
                """Say nothing of clients that have gone."""

        self._http = Server(("127.0.0.1", 0), Handler)
        if certificates:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca_cert)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_cert_chain(certificates.server_cert, certificates.server_key)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if certificates else ''}://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> AlertServers:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def told(self) -> list[Any]:
        """What was sent to the webhook."""
        return [body for _method, path, body in self.requests if path == HOOK]

    @property
    def writes(self) -> list[tuple[str, str, Any]]:
        """The requests that would change something."""
        return [each for each in self.requests if each[0] != "GET"]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else None
        query = parse_qsl(parts.query)
        self.requests.append((handler.command, parts.path, body if body is not None else query))
        raw = self.raw.get(parts.path) or ((200, "{}") if parts.path == HOOK else None)
        if self.authorization and handler.headers.get("Authorization") != self.authorization:
            status, content = 401, "Unauthorized\n"
        elif raw:
            status, content = raw() if callable(raw) else raw
        else:
            status, found = self._route(handler.command, parts.path, query, body)
            content = json.dumps(found)
        text = content.encode()
        handler.send_response(status)
        if status in (301, 302):
            handler.send_header("Location", "http://127.0.0.1:1/login")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def _route(self, method: str, path: str, query: list[tuple[str, str]], body: Any) -> tuple[int, Any]:
        name = path.removeprefix("/api/v2/silence/")
        if path == "/api/v1/query":
            return self._query(dict(query)["query"])
        if path == "/api/v2/status":
            return 200, {"uptime": self.started, "cluster": {"status": self.cluster}, "versionInfo": {}}
        if path == "/api/v2/alerts":
            return 200, [each for each in self.alerts if _matches(each["labels"], query)]
        if path == "/api/v2/silences" and method == "GET":
            return 200, [self._shown(each) for each in self.silences.values()]
        if path == "/api/v2/silences":
            return 200, {"silenceID": self._write(body)}
        if name in self.silences and method == "DELETE":
            self.silences[name]["endsAt"] = _text(self._now())
            return 200, None
        if name in self.silences:
            return 200, self._shown(self.silences[name])
        return 404, "not found"

    def _query(self, expression: str) -> tuple[int, Any]:
        inner = re.fullmatch(r"timestamp\((.+)\)", expression)
        if inner:
            age = self.ages.get(inner[1], 1.0)
            samples = [(labels, self._now().timestamp() - age) for labels, _value in self._samples(inner[1])]
        elif expression.count("(") != expression.count(")"):
            return 400, {"status": "error", "errorType": "bad_data", "error": "parse error: unclosed left parenthesis"}
        else:
            samples = self._samples(expression)
        result = [{"metric": labels, "value": [self._now().timestamp(), str(value)]} for labels, value in samples]
        answer = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return 200, {**answer, "warnings": self.warnings} if self.warnings else answer

    def _samples(self, expression: str) -> Samples:
        found = self.samples.get(expression, [])
        return found() if callable(found) else found

    def _write(self, body: dict[str, Any]) -> str:
        known = body.get("id") in self.silences
        name = body["id"] if known else str(uuid.uuid4())
        self.silences[name] = {**copy.deepcopy(body), "id": name}
        return str(name)

    def _shown(self, silence: dict[str, Any]) -> dict[str, Any]:
        now = _text(self._now())
        state = "expired" if silence["endsAt"] <= now else "active" if silence["startsAt"] <= now else "pending"
        return {**silence, "status": {"state": state}, "updatedAt": now}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.ahead, timezone.utc)


def _matches(labels: Mapping[str, str], query: list[tuple[str, str]]) -> bool:
    wanted = [value.partition("=") for name, value in query if name == "filter"]
    return all(labels.get(name) == json.loads(value) for name, _sign, value in wanted)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
