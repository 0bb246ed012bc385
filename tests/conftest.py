# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable under its full name, and keep every run of Ansible inside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[1]
COLLECTIONS = ROOT / ".ansible" / "collections"

if not (COLLECTIONS / "ansible_collections" / "market_intel" / "runbooks" / "galaxy.yml").is_file():
    raise pytest.UsageError("The collection is not linked under its full name yet: run 'make venv' first.")

# The same values as in the Makefile, for a pytest that is started by hand.
os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(COLLECTIONS))
os.environ.setdefault("ANSIBLE_HOME", str(ROOT / ".cache" / "ansible"))
# A report that says "ok" in colours is not "ok" to a test.
os.environ["ANSIBLE_NOCOLOR"] = "1"

_AnsibleCollectionFinder(paths=[str(COLLECTIONS)])._install()

# What tests spend their time on is measured in all of them.
pytest_plugins = ["support.durations"]


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Say at once what has failed: a stage runs for minutes, and its end says all of it."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Failures(reporter))


class _Failures:
    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = (crash.message if crash else str(report.longrepr)).splitlines()[0][:300]
            self._reporter.ensure_newline()
            self._reporter.write_line(f"FAILED {report.nodeid} ({report.when}): {why}")
