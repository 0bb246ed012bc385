# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast we may go: a fixed cap, and what the server's own response time and its replicas say. PRIVATE."""

from __future__ import annotations

import threading
import time
import typing as t

from .._wait import pause
from .connection import Connection, replica_offsets

_SECONDS_BETWEEN_PINGS = 0.05
_SECONDS_BETWEEN_INFOS = 1.0
# One pause stays far below the life of the run's lock, which is renewed between two pauses.
_LONGEST_PAUSE = 5.0
_UNTHROTTLED_SCAN = 1000


class Throttle:
    """Paces the work on all nodes together: one token bucket of keys per second, and the pace of the slowest node.

    A PING on a connection of its own measures what the other clients of a node wait for. Above ``max_latency``
    seconds, or while a replica is behind or its output buffer is filled by more than ``max_replica_lag`` bytes, the
    node's share of the speed is halved; below, it grows by a tenth. The smallest share holds for all.
    """

    def __init__(
        self,
        *,
        rate_limit: int = 0,
        batch_size: int = 700,
        max_latency: float = 0.0,
        max_replica_lag: int = 0,
        check_stop: t.Callable[[], None] = lambda: None,
    ) -> None:
        self.rate_limit = rate_limit
        self.max_batch_size = batch_size
        self.max_latency = max_latency
        self.max_replica_lag = max_replica_lag
        self._check_stop = check_stop
        self._mutex = threading.Lock()
        self._tokens_at = time.monotonic()
        self._shares: dict[object, float] = {}
        self._paces: dict[t.Callable[[], Connection], Pace] = {}
        self.back_offs = 0

    def on(self, monitor: t.Callable[[], Connection]) -> Pace:
        """Return the pace of the work on one node, which one thread does at a time."""
        return self._paces.setdefault(monitor, Pace(self, monitor))

    @property
    def share(self) -> float:
        with self._mutex:
            return min(self._shares.values(), default=1.0)

    def note_share(self, node: object, share: float) -> None:
        with self._mutex:
            self.back_offs += share < self._shares.get(node, 1.0)
            self._shares[node] = share

    def forget(self, node: object) -> None:
        with self._mutex:
            self._shares.pop(node, None)

    def take_tokens(self, keys: int) -> float:
        """Return for how many seconds to wait before these keys fit into the rate."""
        if not self.rate_limit:
            return 0.0
        now = time.monotonic()
        with self._mutex:
            # Credit for a quarter of a second smooths over slow batches without allowing a burst.
            self._tokens_at = max(self._tokens_at + keys / self.rate_limit, now - 0.25)
            return self._tokens_at - now

    def sleep(self, seconds: float) -> None:
        pause(seconds, self._check_stop)


class Pace:
    """How fast one node is worked on, which is entered while that is done: a node at rest holds back no other."""

    def __init__(self, throttle: Throttle, monitor: t.Callable[[], Connection]) -> None:
        self._throttle = throttle
        self._monitor = monitor
        self._share = 1.0
        self._resumed = time.monotonic()
        self._next_ping = 0.0
        self._next_info = 0.0
        self._lagging = False

    def batch_size(self) -> int:
        """Keys in flight at once: small under a rate limit, so that the work is spread and not sent in bursts."""
        size = self._throttle.max_batch_size
        if self._throttle.rate_limit:
            size = min(size, self._throttle.rate_limit // 400)
        return max(int(size * self._throttle.share), 10)

    def scan_count(self) -> int:
        """COUNT for SCAN: a page of 1000 blocks the server for about 0.6 ms, one of 5000 for 8 ms."""
        count = min(self._throttle.max_batch_size, _UNTHROTTLED_SCAN)
        if self._throttle.rate_limit:
            count = min(count, max(self._throttle.rate_limit // 100, 100))
        return max(int(count * self._throttle.share), 10)

    def __enter__(self) -> Pace:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._throttle.forget(self)

    def pace(self, keys: int) -> None:
        """Wait as long as the work since the last call demands, which was on ``keys`` keys that count for the rate."""
        now = time.monotonic()
        worked = now - self._resumed
        self._throttle.sleep(self._throttle.take_tokens(keys))
        if now >= self._next_ping and self._throttle.max_latency:
            self._next_ping = now + _SECONDS_BETWEEN_PINGS
            self._adapt()
        share = self._throttle.share
        if share < 1.0:
            self._throttle.sleep(min(worked * (1.0 / share - 1.0), _LONGEST_PAUSE))
        self._resumed = time.monotonic()

    def _adapt(self) -> None:
        latency = self._monitor().response_time()
        if latency > self._throttle.max_latency or self._replicas_lag():
            self._share = max(self._share / 2, 1 / 64)
        else:
            self._share = min(self._share + 0.1, 1.0)
        self._throttle.note_share(self, self._share)

    def _replicas_lag(self) -> bool:
        now = time.monotonic()
        if self._throttle.max_replica_lag and now >= self._next_info:
            self._next_info = now + _SECONDS_BETWEEN_INFOS
            lag = replica_lag(self._monitor().info("replication"))
            buffered = int(self._monitor().info("memory").get("mem_clients_slaves", 0)) if lag is not None else 0
            self._lagging = max(lag or 0, buffered) > self._throttle.max_replica_lag
        return self._lagging


def replica_lag(replication: t.Mapping[str, str]) -> int | None:
    """Return by how many bytes the slowest connected replica is behind, or None without replicas."""
    offsets = replica_offsets(replication)
    return int(replication.get("master_repl_offset", 0)) - min(offsets) if offsets else None
