# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guarded imports of the Redis client. PRIVATE."""

from __future__ import annotations

from ._deps import guarded

REDIS, (redis_connection, redis_exceptions, redis_retry, redis_backoff) = guarded(
    "redis >= 5.0.1", "redis.connection", "redis.exceptions", "redis.retry", "redis.backoff"
)
HIREDIS, (hiredis,) = guarded("hiredis >= 2.3", "hiredis")
