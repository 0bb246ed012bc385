# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key names and glob patterns: bytes on the wire, printable text for people. PRIVATE to the collection."""

from __future__ import annotations

import re

# Keys of our own; no flush touches them.
INTERNAL_PREFIX = b"market_intel.runbooks:"
QUARANTINE_MARK = b"\x00market_intel.runbooks:quarantine:"

_GLOB_SPECIAL = re.compile(rb"([*?\[\]\\])")


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def escape_glob(literal: str) -> str:
    """Escape a literal so that it matches only itself inside a pattern."""
    return _GLOB_SPECIAL.sub(rb"\\\1", to_bytes(literal)).decode("utf-8", "surrogateescape")


def literal_prefix(pattern: str) -> str:
    """Return the part of a pattern before its first wildcard, unescaped."""
    result = bytearray()
    characters = iter(to_bytes(pattern))
    for character in characters:
        if character in b"*?[":
            break
        result.append(next(characters, character) if character == ord("\\") else character)
    return result.decode("utf-8", "surrogateescape")


def printable(name: bytes, limit: int = 120) -> str:
    """Return a name for people: UTF-8 where it is, escapes for everything else, cut to ``limit`` characters."""
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in name.decode("utf-8", "backslashreplace")
    )
    return text if len(text) <= limit else f"{text[:limit]}… ({len(name)} bytes)"


def is_internal(name: bytes) -> bool:
    return name.startswith(INTERNAL_PREFIX) or QUARANTINE_MARK in name
