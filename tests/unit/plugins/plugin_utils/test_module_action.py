# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that an operator sees while a module runs."""

from __future__ import annotations

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._module_action import progress_line


def line(phase: str, done: int, total: int | None, elapsed: float) -> dict[str, object]:
    return {"phase": phase, "done": done, "total": total, "unit": "keys", "elapsed": elapsed}


def test_share_rate_and_time_left() -> None:
    text = progress_line(line("flushing", 150_000, 200_000, 4.0), line("flushing", 50_000, 200_000, 2.0))
    assert text == "flushing: 150,000 keys of 200,000 (75%), 50,000/s, 1 s left"


def test_a_new_phase_starts_from_nothing() -> None:
    text = progress_line(line("flushing", 10_000, 20_000, 4.0), line("counting", 500_000, None, 3.0))
    assert text == "flushing: 10,000 keys of 20,000 (50%), 2,500/s, 4 s left"


def test_without_a_total() -> None:
    assert progress_line(line("counting", 10_000, None, 2.0), None) == "counting: 10,000 keys, 5,000/s"
