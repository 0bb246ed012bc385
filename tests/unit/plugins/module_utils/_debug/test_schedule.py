# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When schedules of CronJobs were due."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.schedule import last_times

# A Monday.
NOW = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("schedule", "zone", "times"),
    [
        ("*/5 * * * *", "", ["2026-11-23 10:15", "2026-11-23 10:10"]),
        ("0 3 * * *", "", ["2026-11-23 03:00", "2026-11-22 03:00"]),
        ("0 3 * * *", "Europe/Berlin", ["2026-11-23 02:00", "2026-11-22 02:00"]),
        ("30 6-8/2 * * mon-fri", "", ["2026-11-23 08:30", "2026-11-23 06:30"]),
        ("0 0 1,15 * *", "", ["2026-11-15 00:00", "2026-11-01 00:00"]),
        ("0 0 13 * fri", "", ["2026-11-20 00:00", "2026-11-13 00:00"]),
        ("0 0 29 feb ?", "", ["2024-02-29 00:00", "2020-02-29 00:00"]),
        ("@daily", "", ["2026-11-23 00:00", "2026-11-22 00:00"]),
        ("0 0 31 2 *", "", []),
    ],
)
def test_when_a_schedule_was_due(schedule: str, zone: str, times: list[str]) -> None:
    found = last_times(schedule, zone, NOW, 2)
    assert found is not None
    assert [f"{each:%Y-%m-%d %H:%M}" for each in found] == times


@pytest.mark.parametrize(
    "schedule", ["", "@every 1h", "* * * *", "61 * * * *", "a * * * *", "5-1 * * * *", "*/x * * * *"]
)
def test_what_cannot_be_read_is_not_judged(schedule: str) -> None:
    assert last_times(schedule, "", NOW, 2) is None


def test_an_unknown_time_zone_is_not_judged() -> None:
    assert last_times("* * * * *", "Mars/Base", NOW, 2) is None
