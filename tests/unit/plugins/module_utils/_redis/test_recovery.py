# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one sample shows of a server after a flush."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.recovery import (
    LITTLE_TRAFFIC,
    NO_TRAFFIC,
    NOT_RECOVERED,
    NOTHING_TO_COMPARE,
    RECOVERED,
    Before,
    hit_ratio_between,
)


def traffic(hits: int, misses: int) -> dict[str, object]:
    return hit_ratio_between({}, {"keyspace_hits": str(hits), "keyspace_misses": str(misses)}, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "latency", "shown"),
    [
        ((950, 50), (930, 70), 0.0005, RECOVERED),
        ((950, 50), (800, 200), 0.0005, NOT_RECOVERED),
        ((950, 50), (950, 50), 0.05, NOT_RECOVERED),
        ((950, 50), (0, 0), 0.0005, NO_TRAFFIC),
        # A single hit is no hit ratio of 100 %.
        ((950, 50), (1, 0), 0.0005, LITTLE_TRAFFIC),
        ((9, 1), (9, 0), 0.0005, LITTLE_TRAFFIC),
        ((0, 0), (950, 50), 0.0005, NOTHING_TO_COMPARE),
    ],
)
def test_what_a_sample_shows(before: tuple[int, int], after: tuple[int, int], latency: float, shown: str) -> None:
    assert Before(traffic(*before), 0.0005).judge(traffic(*after), latency) == shown
