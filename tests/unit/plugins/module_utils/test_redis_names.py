# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and patterns as Redis reads them."""

from __future__ import annotations

import re

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.names import (
    escape_glob,
    is_internal,
    literal_prefix,
    printable,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.restore import _glob_to_regex


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("market:data:*", "market:data:"),
        ("*", ""),
        ("", ""),
        ("a\\*b*", "a*b"),
        ("user:?:x", "user:"),
        ("[ab]c", ""),
        ("plain", "plain"),
        ("trailing\\", "trailing\\"),
    ],
)
def test_literal_prefix(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix


@pytest.mark.parametrize("literal", ["plain", "a*b", "[x]", "what?", "back\\slash", "é", "\udcff"])
def test_an_escaped_literal_matches_only_itself(literal: str) -> None:
    pattern = escape_glob(literal)
    assert literal_prefix(pattern) == literal
    regex = _glob_to_regex(pattern)
    assert re.fullmatch(regex, literal.encode("utf-8", "surrogateescape"), re.DOTALL)
    assert not re.fullmatch(regex, b"other", re.DOTALL)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a*", [b"a", b"ab\n\x00\xff"], [b"b", b""]),
        ("a?c", [b"abc", b"a\nc"], [b"ac", b"abbc"]),
        ("[ab]x", [b"ax", b"bx"], [b"cx"]),
        ("[^ab]x", [b"cx"], [b"ax"]),
        ("[a-c]", [b"b"], [b"d", b"-"]),
        ("a\\*", [b"a*"], [b"ab"]),
        ("a.b", [b"a.b"], [b"axb"]),
        ("[open", [b"[open"], [b"o"]),
    ],
)
def test_globs_match_as_in_redis(pattern: str, matching: list[bytes], other: list[bytes]) -> None:
    regex = _glob_to_regex(pattern)
    assert all(re.fullmatch(regex, name, re.DOTALL) for name in matching)
    assert not any(re.fullmatch(regex, name, re.DOTALL) for name in other)


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"plain", "plain"), (b"a b", "a b"), (b"a\nb\x00", "a\\nb\\x00"), (b"\xff", "\\xff"), ("é".encode(), "é")],
)
def test_printable_names(name: bytes, shown: str) -> None:
    assert printable(name) == shown


def test_long_names_are_cut_and_say_so() -> None:
    assert printable(b"x" * 65_536) == "x" * 120 + "… (65536 bytes)"


def test_our_own_keys_are_recognised() -> None:
    assert is_internal(b"market_intel.runbooks:flush-redis:lock")
    assert is_internal(b"market:data:1\x00market_intel.runbooks:quarantine:20261123t101500z-flush-redis-7f3a")
    assert not is_internal(b"market:data:market_intel.runbooks:")
