# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captured packets on their way from a log to a file. PRIVATE to the collection."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import typing as t
from collections.abc import Sequence
from pathlib import Path

from .._run import write_private

# The first four bytes of a file, in both byte orders, for micro- and nanoseconds.
_MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}
_FILE_HEADER, _PACKET_HEADER = 24, 16


def decode(lines: Sequence[str]) -> tuple[bytes, int]:
    """Return whole packets only, and how many: the capture may have been cut in the middle of one."""
    try:
        content = base64.b64decode("".join(line for line in lines if not line.startswith("=")))
    except binascii.Error:
        return b"", 0
    order = _MAGIC.get(content[:4])
    if order is None or len(content) < _FILE_HEADER:
        return b"", 0
    end, number = _FILE_HEADER, 0
    while end + _PACKET_HEADER <= len(content):
        (length,) = struct.unpack_from(f"{order}I", content, end + 8)
        if end + _PACKET_HEADER + length > len(content):
            break
        end += _PACKET_HEADER + length
        number += 1
    return content[:end], number


def seconds(lines: Sequence[str]) -> float | None:
    """Return for how long was listened, by what the collector's clock told of its begin and its end."""
    times = {name: float(value) for name, _blank, value in (line.partition(" ") for line in lines)}
    return round(times["to"] - times["from"], 1) if times.keys() >= {"from", "to"} else None


def save(folder: Path, name: str, lines: Sequence[str]) -> dict[str, t.Any]:
    """Write the packets into a file of its owner's only; return its path, size, SHA-256 and number of packets."""
    content, packets = decode(lines)
    if not content:
        return {}
    path = folder / name
    write_private(path, content)
    digest = hashlib.sha256(content).hexdigest()
    return {"path": str(path), "bytes": len(content), "sha256": digest, "packets": packets}
