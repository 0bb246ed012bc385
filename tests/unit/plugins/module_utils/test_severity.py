# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one order of severities."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.market_intel.runbooks.plugins.module_utils import _severity

SCHEMA = json.loads((Path(__file__).resolve().parents[4] / "docs" / "report.schema.json").read_text())


def test_unknown_is_worse_than_what_can_wait_and_never_ok() -> None:
    assert _severity.worst(["ok", "warning", "unknown", "info"]) == "unknown"
    assert _severity.worst(["unknown", "critical"]) == "critical"
    assert _severity.worst([]) == "ok"


def test_the_schema_of_reports_allows_the_same() -> None:
    event = SCHEMA["properties"]["timeline"]["items"]
    assert set(event["properties"]["severity"]["enum"]) == set(_severity.LEVELS)
