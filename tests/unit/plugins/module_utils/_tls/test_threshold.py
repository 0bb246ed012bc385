# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thresholds as an operator writes them."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import DAY, HOUR
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.threshold import Threshold


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 30 * DAY),
        ("12h", 12 * HOUR),
        ("90m", 5400),
        ("2w", 14 * DAY),
        ("45s", 45),
        ("20%", 200),
        (" 1.5 h ", 5400),
    ],
)
def test_a_threshold(text: str, seconds: float) -> None:
    assert Threshold.parse(text, "warning").seconds(1000) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["0.2", "30", "", "30 days", "-3d", "120%", "d", "1e3d", "30d 20%", "nan%"])
def test_a_threshold_needs_its_unit(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Threshold.parse(text, "rotate_certs_check_warning")
    message = str(caught.value)
    assert message.startswith("rotate_certs_check_warning is ")
    assert "30d, 12h or 90m" in message
    assert "20%" in message
