# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long what a payload holds is without its compression (src/rdb.h)."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.memory import uncompressed_bytes

END = bytes(10)


@pytest.mark.parametrize(
    ("payload", "length"),
    [
        (b"\x00\x03abc" + END, 15),
        (b"\x00\xc0\x07" + END, 13),
        # 9 bytes that were 40; 4,000; 100,000; and 5 GiB.
        (b"\x00\xc3\x09\x28" + bytes(9) + END, 40),
        (b"\x00\xc3\x40\x50\x4f\xa0" + bytes(80) + END, 4_000),
        (b"\x10\xc3\x50\x00\x80\x00\x01\x86\xa0" + bytes(4096) + END, 100_000),
        (b"\x00\xc3\x80\x00\x01\x00\x00\x81\x00\x00\x00\x01\x40\x00\x00\x00" + bytes(9) + END, 5 << 30),
        # A list of several nodes: nobody looks into them.
        (b"\x12\xc3\x02\x40" + bytes(20) + END, 34),
    ],
)
def test_the_length_before_compression(payload: bytes, length: int) -> None:
    assert uncompressed_bytes(payload) == length
