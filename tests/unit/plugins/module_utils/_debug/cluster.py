# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server over HTTP that has the objects of a test, and the clock of its objects."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import (
    DiagnosisRequest,
    diagnose_all,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import read_target
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiLogin, ApiSettings

from .rules.objects import NOW

NAMESPACE = "/api/v1/namespaces/shop"
APPS = "/apis/apps/v1/namespaces/shop"
BATCH = "/apis/batch/v1/namespaces/shop"
COLLECT = ["network", "kubernetes", "logs"]
Object = dict[str, Any]


class Cluster:
    """Objects by their paths; the log of each pod; which requests were made, and what was written.

    ``denied`` are the paths that the login may not read.
    ``start`` returns the state that a container gets as soon as it is added to a pod, or made by a Job.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {NAMESPACE: {"metadata": {"name": "shop"}}}
        self.denied: list[str] = []
        self.log: list[str] = []
        self.requests: list[str] = []
        self.writes: list[tuple[str, str, Any]] = []
        self.start: Callable[[Object], Object] = lambda _container: {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
                outer.requests.append(self.path)
                if self.command == "GET":
                    status, answer = outer.answer(parts.path, query)
                else:
                    status, answer = outer.write(self.command, parts.path, query, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PATCH = do_DELETE = do_GET

            def date_time_string(self, _timestamp: float | None = None) -> str:
                return format_datetime(NOW, usegmt=True)

            def log_message(self, *_words: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.login = ApiLogin(ApiSettings(host=f"http://127.0.0.1:{self._server.server_port}", api_key="x"), "test")

    def __enter__(self) -> Cluster:
        self._thread.start()
        self.login.get("learn its time", NAMESPACE)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        if path in self.denied:
            return 403, json.dumps({"kind": "Status", "message": f"{path} is forbidden", "code": 403}).encode()
        if path.startswith(f"{NAMESPACE}/pods/") and path.endswith("/log"):
            return 200, self._read_log(query)
        found = self.objects.get(path)
        if found is None:
            return 404, json.dumps({"kind": "Status", "message": f"{path} not found", "code": 404}).encode()
        if isinstance(found, list):
            found = {"metadata": {}, "items": [each for each in found if _is_asked_for(each, query)]}
        return 200, json.dumps(found).encode()

    def write(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, bytes]:
        """Carry out what the tests need: reviews, ephemeral containers, what is created and deleted."""
        if path.endswith("/selfsubjectaccessreviews"):
            return 201, json.dumps({"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}).encode()
        if query.get("dryRun") == "All":
            return 200, b'{"kind": "Status"}'
        self.writes.append((method, path, body))
        if method == "DELETE":
            self.objects.pop(path, None)
        elif path.endswith("/ephemeralcontainers"):
            pod = self.objects[path.removesuffix("/ephemeralcontainers")]
            for container in body["spec"]["ephemeralContainers"]:
                pod["spec"].setdefault("ephemeralContainers", []).append(container)
                pod["status"].setdefault("ephemeralContainerStatuses", []).append(
                    {"name": container["name"], "state": self.start(container)}
                )
        elif path.endswith("/jobs"):
            self._run_job(path, body)
        return 200, b'{"kind": "Status"}'

    def _run_job(self, path: str, job: Object) -> None:
        self.objects[f"{path}/{job['metadata']['name']}"] = job
        spec = job["spec"]["template"]["spec"]
        statuses = [{"name": each["name"], "state": self.start(each)} for each in spec["containers"]]
        about = {"name": f"{job['metadata']['name']}-x", "uid": "job", "labels": {"job-name": job["metadata"]["name"]}}
        made = {"metadata": about, "spec": spec, "status": {"phase": "Running", "containerStatuses": statuses}}
        self.objects.setdefault(f"{NAMESPACE}/pods", []).append(made)

    def _read_log(self, query: dict[str, str]) -> bytes:
        lines = self.log[-int(query["tailLines"]) :] if "tailLines" in query else self.log
        text = "".join(f"{line}\n" for line in lines).encode()
        return text[: int(query.get("limitBytes", len(text)))]

    def diagnose(self, *targets: str) -> list[Any]:
        return diagnose_all(self.login, DiagnosisRequest("shop", COLLECT), [read_target(each) for each in targets])

    def first(self, target: str) -> Any:
        return self.diagnose(target)[0]


def _is_asked_for(found: Object, query: dict[str, str]) -> bool:
    """Tell whether an object of a list has what its selectors ask for."""
    for each in filter(None, query.get("fieldSelector", "").split(",")):
        path, wanted = each.split("=")
        value: Any = found
        for key in path.split("."):
            value = (value or {}).get(key)
        if value is not None and value != wanted:
            return False
    labels = found["metadata"].get("labels") or {}
    pairs = [each.partition("=") for each in query.get("labelSelector", "").split(",") if "=" in each]
    return all(labels.get(label) == value for label, _sign, value in pairs)
