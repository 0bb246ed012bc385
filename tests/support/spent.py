# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests spend their time on: a plugin of pytest that writes it to the file that TEST_DURATIONS names.

Seconds in all, processor seconds of the worker and of its children that have ended, seconds in `wait_until` and in
`kubectl wait`, and how many playbooks, modules and commands of the lab it has started.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAME = "spent"
_spent: Counter[str] = Counter()


def started(kind: str) -> None:
    """Count a process that a test has started; `kind` is its plural, such as `playbooks`."""
    _spent[kind] += 1


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Count the time until its end as waiting; waits inside of it are not counted twice."""
    before, began = _spent["waited"], time.monotonic()
    try:
        yield
    finally:
        _spent["waited"] = before + (time.monotonic() - began)


def _now() -> dict[str, float]:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {**_spent, "processor": sum(usage.ru_utime + usage.ru_stime for usage in usages)}


class Spent:
    """The plugin: workers attach what was spent to their reports, and the one that collects them writes the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: dict[str, float] = {}
        self._tests: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        self._before = _now()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report = yield
        before, self._before = self._before, _now()
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
