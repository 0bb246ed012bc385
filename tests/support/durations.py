# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests spend their time on: a plugin of pytest that writes it to the file that TEST_DURATIONS names.

Seconds in all, processor seconds of the worker and of its children that have ended, seconds in `wait_until` and in
`kubectl wait`, and how many playbooks, modules and commands of the lab it has started.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .spent import so_far

_NAME = "spent"


class Spent:
    """The plugin: workers attach what was spent to their reports, and the one that collects them writes the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: dict[str, float] = {}
        self._tests: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        self._before = so_far()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report = yield
        before, self._before = self._before, so_far()
        report.user_properties.append((_NAME, {key: now - before.get(key, 0) for key, now in self._before.items()}))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = self._tests.setdefault(report.nodeid, {"seconds": 0.0, "outcome": "passed"})
        found["seconds"] += report.duration
        if report.outcome != "passed":
            found["outcome"] = report.outcome
        for key, value in dict(report.user_properties)[_NAME].items():
            found[key] = found.get(key, 0) + value

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput"):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._tests, indent=1), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Take part if TEST_DURATIONS names a file."""
    path = os.environ.get("TEST_DURATIONS")
    if path:
        config.pluginmanager.register(Spent(Path(path)), _NAME)
