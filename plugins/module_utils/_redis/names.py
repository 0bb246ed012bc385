# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key names and glob patterns: bytes on the wire, printable text for people. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t

# Keys of our own; no flush touches them.
INTERNAL_PREFIX = b"market_intel.runbooks:"
QUARANTINE_MARK = b"\x00market_intel.runbooks:quarantine:"

_GLOB_SPECIAL = re.compile(rb"([*?\[\]\\])")
# The server compares each name with every character of a class.
_LARGEST_CLASS = 8


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


def glob_regex(pattern: str) -> re.Pattern[bytes]:
    """Compile a pattern into an expression whose ``fullmatch`` accepts what Redis does (stringmatchlen, src/util.c)."""
    source, result, position = to_bytes(pattern), b"", 0
    while position < len(source):
        character = source[position : position + 1]
        position += 1
        if character == b"*":
            # As in Redis, several stars are one: an expression would try all ways to share a name among them.
            result += b"" if result.endswith(b".*") and source[position - 2 : position - 1] == b"*" else b".*"
        elif character == b"?":
            result += b"."
        elif character == b"[":
            negated, members, position = _glob_class(source, position)
            result += _class_regex(negated, members)
        else:
            if character == b"\\" and position < len(source):
                character = source[position : position + 1]
                position += 1
            result += re.escape(character)
    return re.compile(result, re.DOTALL)


def example_keys(pattern: str) -> list[bytes]:
    """Return names that a pattern matches, of which an ACL's pattern for keys matches those that it allows.

    ``*`` and ``?`` stand for themselves, a class of characters for its first and for its last one.
    """
    return list(dict.fromkeys(_example(to_bytes(pattern), place) for place in (0, -1)))


def _example(source: bytes, place: int) -> bytes:
    result, position = bytearray(), 0
    while position < len(source):
        character = source[position]
        position += 1
        if character == ord("["):
            negated, members, position = _glob_class(source, position)
            allowed = [other for other in range(256) if other not in members] if negated else sorted(members)
            result += bytes([allowed[place]]) if allowed else b""
            continue
        if character == ord("\\") and position < len(source):
            character = source[position]
            position += 1
        result.append(character)
    return bytes(result)


def _glob_class(source: bytes, position: int) -> tuple[bool, set[int], int]:
    """Return a class of characters, whether it is negated, and where it ends: with the pattern if nothing else does."""
    negated = source.startswith(b"^", position)
    position += negated
    members: set[int] = set()
    while position < len(source) and source[position] != ord("]"):
        first = source[position]
        if first == ord("\\") and position + 1 < len(source):
            members.add(source[position + 1])
            position += 2
        elif position + 2 < len(source) and source[position + 1] == ord("-"):
            low, high = sorted((first, source[position + 2]))
            members.update(range(low, high + 1))
            position += 3
        else:
            members.add(first)
            position += 1
    return negated, members, position + 1


def _class_regex(negated: bool, members: set[int]) -> bytes:
    if not members:
        return b"." if negated else b"(?!)"
    return b"[" + b"^" * negated + b"".join(b"\\x%02x" % member for member in sorted(members)) + b"]"


def covering_glob(patterns: t.Sequence[str]) -> str:
    """Return one pattern that matches every name which one of the patterns matches, and others."""
    result = bytearray()
    for characters in zip(*(to_bytes(literal_prefix(pattern)) for pattern in patterns)):
        different = sorted(set(characters))
        if len(different) == 1:
            result += _GLOB_SPECIAL.sub(rb"\\\1", bytes(different))
        elif len(different) <= _LARGEST_CLASS:
            result += b"[" + b"".join(b"\\%c" % character for character in different) + b"]"
        else:
            result += b"?"
    return (bytes(result) + b"*").decode("utf-8", "surrogateescape")


def printable(name: bytes, limit: int = 120) -> str:
    """Return a name for people: UTF-8 where it is, escapes for everything else, cut to ``limit`` characters."""
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in name.decode("utf-8", "backslashreplace")
    )
    return text if len(text) <= limit else f"{text[:limit]}… ({len(name)} bytes)"


def is_internal(name: bytes) -> bool:
    return name.startswith(INTERNAL_PREFIX) or QUARANTINE_MARK in name
