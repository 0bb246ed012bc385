# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache has recovered only where that was seen."""

from __future__ import annotations

from pathlib import Path

from support import dataset
from support.flush import flush
from support.servers import RedisServer
from support.traffic import cache_users


def test_a_cache_is_recovered_when_its_users_have_filled_it_again(redis70: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis70.client(), 300)
    with cache_users(redis70, keys=300):
        done = flush(redis70, tmp_path, recovery_timeout=30)
    assert done["recovery"]["state"] == "recovered"
    assert done["report"]["proofs"][-1]["result"] == "proven"


def test_the_traffic_of_others_proves_nothing_of_a_cache(redis80: RedisServer, tmp_path: Path) -> None:
    dataset.fill(redis80.client(), 300)
    dataset.fill(redis80.client(), 300, prefix=b"other:")
    with cache_users(redis80, keys=300, prefix="other:"):
        done = flush(redis80, tmp_path, recovery_timeout=30)
    assert done["recovery"]["samples"][-1]["hit_ratio"] == 1.0
    assert done["recovery"]["state"] == "unknown: no key of the cache was written"
    assert done["report"]["proofs"][-1]["result"] == "unknown"
