# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said where something else than an API server answers at its address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import (
    ApiError,
    ApiLogin,
    ApiSettings,
    ApiUnavailable,
    Right,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.objects import require_namespace

PAGE = b"<!DOCTYPE html><html><head><title>\n Sign in - Example \n</title></head></html>"


@contextmanager
def answering(status: int, content_type: str, body: bytes, **headers: str) -> Iterator[ApiLogin]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield ApiLogin(ApiSettings(host=f"http://127.0.0.1:{server.server_port}", api_key="x"), "test")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "content_type", "body", "headers", "words"),
    [
        (200, "text/html; charset=utf-8", PAGE, {}, "a web page (200, titled 'Sign in - Example')"),
        (200, "text/html", b"", {}, "a web page (200)"),
        (401, "text/html", PAGE, {}, "a web page (401, titled"),
        (403, "TEXT/HTML", PAGE, {}, "a web page (403, titled"),
        (404, "text/html", b"<h1>Not found</h1>", {}, "a web page (404)"),
        (302, "text/html", PAGE, {"Location": "https://sso.example.com/?state=s3cret"}, "https://sso.example.com/'"),
        (301, "text/plain", b"", {"Location": "/ui/"}, "a redirection to '/ui/'"),
        (200, "text/plain", b"It works!", {}, "something else than JSON"),
        (200, "application/json", b'"ok"', {}, "JSON that is no object of Kubernetes"),
        (200, "application/json", b'{"status": "UP"}', {}, "JSON that is no object of Kubernetes"),
        (200, "application/json", b'{"kind": "APIGroup"}', {}, "an object without items"),
    ],
)
def test_what_is_no_api_server_is_said_in_one_sentence(
    status: int, content_type: str, body: bytes, headers: dict[str, str], words: str
) -> None:
    with answering(status, content_type, body, **headers) as login, pytest.raises(ApiUnavailable) as caught:
        login.items("list pods", "/api/v1/pods")
    message = str(caught.value)
    assert words in message
    assert "name the address of an API server in O(host) or O(kubeconfig)" in message
    assert "s3cret" not in message and "\n" not in message


def test_a_page_is_no_answer_to_whether_something_is_there() -> None:
    with answering(404, "text/html", PAGE) as login:
        with pytest.raises(ApiUnavailable):
            login.find("get the pod web", "/api/v1/namespaces/shop/pods/web")
        with pytest.raises(ApiUnavailable):
            require_namespace(login, "shop")
        with pytest.raises(ApiUnavailable):
            login.missing_rights([Right("get", "pods", "shop")])
        with pytest.raises(ApiUnavailable):
            login.text("read its logs", "/api/v1/namespaces/shop/pods/web/log")


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (404, "text/plain; charset=utf-8", b"404 page not found\n"),
        (503, "text/html", b"<h1>503 Service Unavailable</h1>"),
        (403, "application/json", b'{"kind": "Status", "message": "no"}'),
    ],
    ids=["an API that is not served", "a balancer without a backend", "a refusal"],
)
def test_errors_of_the_api_server_stay_errors(status: int, content_type: str, body: bytes) -> None:
    with answering(status, content_type, body) as login, pytest.raises(ApiError) as caught:
        login.get("get a pod", "/api/v1/namespaces/shop/pods/web")
    assert caught.value.status == status
