# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which caches are saved although nobody has named them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import (
    caches_to_save,
    select_caches,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.plan import FlushRequest

CATALOGUE: list[dict[str, Any]] = [
    {"name": "pages", "prefix": "cat:1", "backup": False},
    {"name": "within", "prefix": "cat:12"},
    {"name": "around", "pattern": "c*"},
    {"name": "the same", "pattern": "cat:1*"},
    {"name": "elsewhere", "prefix": "cat:2"},
    {"name": "not wanted", "prefix": "cat:13", "backup": False},
    {"name": "in production", "prefix": "cat:14", "environments": ["production"]},
    {"name": "unusable", "prefix": "cat:1", "pattern": "cat:1"},
]


@pytest.mark.parametrize(
    ("names", "saved"),
    [
        (["pages"], ["within", "around", "the same", "in production"]),
        (["pages", "within"], ["around", "the same", "in production"]),
        # One pattern, which one of its caches wants saved.
        (["pages", "the same"], []),
        (["within"], []),
    ],
    ids=" ".join,
)
def test_caches_that_lie_within_others(names: list[str], saved: list[str]) -> None:
    patterns = select_caches(CATALOGUE, names, [])
    assert [cache.name for cache in caches_to_save(CATALOGUE, patterns)] == saved


def test_a_key_is_saved_for_the_cache_that_wants_it() -> None:
    patterns = select_caches(CATALOGUE, ["pages", "not wanted", "elsewhere"], [])
    request = FlushRequest(patterns, saved=select_caches(CATALOGUE, ["within"], []))
    savers = {key: request.saver(key, request.matcher.matches(key)[0]) for key in (b"cat:1", b"cat:123", b"cat:2")}
    assert savers == {b"cat:1": None, b"cat:123": len(patterns), b"cat:2": 2}
    assert request.makes_backup
