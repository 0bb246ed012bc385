# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captures that were cut."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug import pcap


def packet(content: bytes) -> bytes:
    return struct.pack("<IIII", 1, 2, len(content), len(content)) + content


def test_a_capture_that_was_cut_keeps_whole_packets_only(tmp_path: Path) -> None:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 1)
    whole = header + packet(b"one") + packet(b"two")
    lines = base64.encodebytes(whole + packet(b"three")[:-2]).decode().splitlines()
    saved = pcap.save(tmp_path, "x.pcap", lines)
    assert (tmp_path / "x.pcap").read_bytes() == whole
    assert (saved["packets"], saved["bytes"]) == (2, len(whole))
    assert pcap.save(tmp_path, "y.pcap", ["bm8gcGNhcA=="]) == {}
    assert not (tmp_path / "y.pcap").exists()
