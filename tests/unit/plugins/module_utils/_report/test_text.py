# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._report import text


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("used_memory_bytes", ("used memory", "B")),
        ("estimated_bytes", ("estimated size", "B")),
        ("estimated_seconds", ("estimated time", "s")),
        ("max_latency_ms", ("max latency", "ms")),
        ("hit_ratio_percent", ("hit ratio", "%")),
        ("_ms", (" ms", "")),
        ("database_keys", ("database keys", "")),
    ],
)
def test_a_key_tells_its_unit(key: str, expected: tuple[str, str]) -> None:
    assert text.label(key) == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1234567, "keys", "1,234,567 keys"),
        (0, "bytes", "0 B"),
        (1536, "bytes", "1.5 KiB"),
        (35 * 1024**2, "bytes", "35 MiB"),
        (2 * 1024**3, "bytes/s", "2 GiB/s"),
        (0.00042, "s", "420 µs"),
        (0.41, "ms", "410 µs"),
        (1500, "ms", "1.5 s"),
        (200, "s", "3 min 20 s"),
        (3600, "s", "1 h"),
        (8123456, "s", "94 d"),
        (97.44, "%", "97.4 %"),
        (1 / 3, "", "0.333"),
        (None, "keys", "–"),
        ("", "keys", "–"),
        (True, "", "yes"),
        ("7.0.15", "", "7.0.15"),
        (10**18, "", "1e+18"),
    ],
)
def test_amounts(value: Any, unit: str, expected: str) -> None:
    assert text.amount(value, unit) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (200000, 1, "−199,999 (−99.9 %)"),
        (200000, 0, "−200,000 (−100 %)"),
        (1000000, 1000001, "+1 (+< 0.1 %)"),
        (0, 5, "+5"),
        (5, 5, "unchanged"),
        ("a", "b", "changed"),
        (None, 5, ""),
    ],
)
def test_a_change_is_never_rounded_to_all_or_nothing(before: Any, after: Any, expected: str) -> None:
    assert text.change(before, after) == expected
