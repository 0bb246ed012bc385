# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stop of the runbooks reaches the module that works."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.plugin_utils import _cluster
from ansible_collections.market_intel.runbooks.plugins.plugin_utils import _guard_watch as subject
from support.processes import wait_until

GUARD = {"namespace": "shop", "login": {"context": "lab"}}


class Server:
    """An API server that is away at first; people stop the runbooks when it has been asked twice more."""

    def __init__(self) -> None:
        self.asked = 0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)

    def find(self, _what: str, path: str) -> dict[str, Any] | None:
        assert path == "/api/v1/namespaces/shop/configmaps/runbooks-control"
        self.asked += 1
        if self.asked == 1:
            raise RunbookError("The API server cannot be reached.")
        return {"data": {"stop": "true", "reason": "an audit"}} if self.asked > 2 else None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(_cluster, "api_login", lambda _login, _agent: server)
    monkeypatch.setattr(subject, "_SECONDS_BETWEEN", 0.01)
    return server


def test_a_module_is_told_why_it_is_to_stop(server: Server) -> None:
    with subject.GuardWatch(GUARD) as watch:
        path = Path(watch.path)
        wait_until(lambda: path.read_text() == "all runbooks are stopped: an audit", 30, "a stop")
    assert (server.asked, path.exists()) == (3, False)


def test_without_a_guard_nothing_is_asked(server: Server) -> None:
    with subject.GuardWatch({}) as watch:
        assert watch.path == ""
        assert "guard" not in {thread.name for thread in threading.enumerate()}
    assert server.asked == 0


def test_a_fast_module_costs_no_request(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "_SECONDS_BETWEEN", 60.0)
    with subject.GuardWatch(GUARD):
        pass
    assert server.asked == 0
