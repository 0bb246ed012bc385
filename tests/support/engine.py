# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of the flush, step by step, for what a whole run would meet only by chance."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import CachePattern
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import RedisSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.deployment import Deployment
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.flush import Flush
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.plan import FlushRequest
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.session import Session
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.throttle import Throttle
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import RunFolder, new_run_id

from .servers import RedisServer

CACHE = CachePattern("market:data:*")


class Engine:
    """The flushes of a deployment's primaries into one folder; `between` is called between two flights."""

    def __init__(self, settings: RedisSettings, base: Path) -> None:
        self.deployment = Deployment(settings, "test")
        self.folder = RunFolder.create(base, new_run_id("flush_redis"), {"parts": []})
        self._numbers = itertools.count(1)
        self.between: Callable[[], None] = lambda: None

    def session_of(self, server: RedisServer) -> Session:
        return next(session for session in self.deployment.sessions if session.server.url == server.url)

    def flush_of(self, session: Session, cache: CachePattern = CACHE) -> Flush:
        """Return a flush of one primary whose first pass has begun."""
        flush = Flush(
            session,
            FlushRequest((cache,)),
            Throttle().on(session.monitor),
            self.folder,
            self._numbers,
            between=self._between,
            on_progress=lambda _removed: None,
            allow=lambda _touched: None,
        )
        flush.begin_pass(self.deployment.slots_of(session))
        return flush

    def _between(self) -> None:
        self.between()

    def close(self) -> None:
        self.deployment.close()
        self.folder.close()
