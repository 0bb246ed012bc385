# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and patterns as Redis reads them."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.names import (
    covering_glob,
    escape_glob,
    example_keys,
    glob_regex,
    is_internal,
    literal_prefix,
    printable,
    to_bytes,
)


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
    regex = glob_regex(pattern)
    assert regex.fullmatch(literal.encode("utf-8", "surrogateescape"))
    assert not regex.fullmatch(b"other")


@pytest.mark.parametrize(
    ("patterns", "covering"),
    [
        (["quotes:*", "quotas:*"], "quot[\\a\\e]s:*"),
        (["a[b]*", "a*"], "a*"),
        (["a\\*b", "a\\*c*"], "a\\*[\\b\\c]*"),
        (["one:*", "*"], "*"),
        ([f"{letter}:*" for letter in "abcdefghi"], "?:*"),
        (["plain", "plainer"], "plain*"),
    ],
    ids=str,
)
def test_one_pattern_covers_several(patterns: list[str], covering: str) -> None:
    assert covering_glob(patterns) == covering
    for pattern in patterns:
        assert glob_regex(covering).fullmatch(to_bytes(literal_prefix(pattern)))


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("market:data:*", [b"market:data:*"]),
        ("market\\[1\\]:\\\\?:*", [b"market[1]:\\?:*"]),
        ("user:[c-a]:*", [b"user:a:*", b"user:c:*"]),
        ("user:[^a]", [b"user:\x00", b"user:\xff"]),
        ("user:[]x", [b"user:x"]),
        ("é*", ["é*".encode()]),
    ],
)
def test_examples_for_the_rights_to_keys(pattern: str, keys: list[bytes]) -> None:
    assert example_keys(pattern) == keys


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
