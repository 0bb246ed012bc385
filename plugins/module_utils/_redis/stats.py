# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What caches hold, and how their server fares. PRIVATE to the collection."""

from __future__ import annotations

import heapq
import typing as t
from collections import Counter
from dataclasses import asdict, dataclass, field

from .._errors import InvalidInput
from .._run import Progress, Stop
from .catalogue import CachePattern
from .connection import RedisSettings, is_error, pack, refused
from .names import printable
from .recovery import measure_traffic, server_health
from .scan import scan
from .session import SCAN, Session
from .throttle import Throttle

_EXPIRY_BUCKETS = ((60, "up to 1 min"), (3600, "up to 1 h"), (86_400, "up to 1 d"), (7 * 86_400, "up to 7 d"))


@dataclass
class CacheStats:
    """Figures of one cache. All but ``keys`` come from ``sampled`` keys; ``memory_bytes`` is scaled up from them."""

    name: str
    pattern: str
    keys: int = 0
    sampled: int = 0
    memory_bytes: int = 0
    types: dict[str, int] = field(default_factory=dict)
    expiry: dict[str, int] = field(default_factory=dict)
    largest: list[dict[str, t.Any]] = field(default_factory=list)


def run_stats(
    settings: RedisSettings,
    caches: t.Sequence[CachePattern],
    stop: Stop,
    progress: Progress,
    *,
    interval: float = 1.0,
    sample: int = 20_000,
    largest: int = 10,
    rate_limit: int = 0,
    max_latency_ms: float = 0.0,
) -> dict[str, t.Any]:
    """Return the server's health and the figures of each cache; reads only.

    The hit ratio is that of the whole server over ``interval`` seconds, taken before our own reads disturb it.
    """
    for name, value in (("interval", interval), ("sample", sample), ("largest", largest)):
        if value < 0:
            raise InvalidInput(f"flush_redis_stats_{name} is {value:g}; allowed is 0 or more.")
    session = Session(settings, "runbooks-redis-cache-info", stop.check)
    try:
        health = server_health(session)
        traffic = measure_traffic(session, stop.check, interval)
        throttle = Throttle(
            session.monitor, rate_limit=rate_limit, max_latency=max_latency_ms / 1000, check_stop=stop.check
        )
        figures = []
        for cache in caches:
            figures.append(asdict(_cache_stats(session, cache, throttle, stop, progress, sample, largest)))
            session.reset(SCAN)
        return {"server": asdict(session.server), "health": health, "traffic": traffic, "caches": figures}
    finally:
        session.close()


def _cache_stats(
    session: Session, cache: CachePattern, throttle: Throttle, stop: Stop, progress: Progress, sample: int, largest: int
) -> CacheStats:
    """Walk a cache once. Each time the sample is full, only half as many of the following keys are looked at."""
    result = CacheStats(cache.name, cache.pattern)
    types: Counter[str] = Counter()
    expiry: Counter[str] = Counter()
    top: list[tuple[int, bytes]] = []
    stride, position, total = 1, 0, 0
    for page in scan(session.scan, cache.pattern, throttle.scan_count):
        stop.check()
        result.keys += len(page.keys)
        chosen = [key for index, key in enumerate(page.keys, start=position) if index % stride == 0]
        position += len(page.keys)
        for key, kind, size, ttl in _look(session, chosen):
            result.sampled += 1
            total += size
            types[kind] += 1
            expiry[_bucket(ttl)] += 1
            heapq.heappush(top, (size, key))
            if len(top) > largest:
                heapq.heappop(top)
        if sample and result.sampled >= sample * stride.bit_length():
            stride *= 2
        throttle.pace(len(page.keys))
        progress.report(f"looking at {cache.name or cache.pattern}", result.keys, None)
    result.memory_bytes = total * result.keys // result.sampled if result.sampled else 0
    result.types, result.expiry = dict(types.most_common()), dict(expiry)
    result.largest = [{"name": printable(key), "bytes": size} for size, key in sorted(top, reverse=True)]
    return result


def _look(session: Session, keys: list[bytes]) -> t.Iterator[tuple[bytes, str, int, int]]:
    replies = session.data.pipeline(
        [
            command
            for key in keys
            for command in (pack(b"TYPE", key), pack(b"MEMORY", b"USAGE", key), pack(b"PTTL", key))
        ]
    )
    for key, kind, size, ttl in zip(keys, replies[::3], replies[1::3], replies[2::3]):
        for name, reply in (("TYPE", kind), ("MEMORY USAGE", size), ("PTTL", ttl)):
            if is_error(reply):
                raise refused(name, reply)
        if ttl != -2 and size is not None:
            yield key, kind.decode(), size, ttl


def _bucket(ttl_ms: int) -> str:
    if ttl_ms == -1:
        return "never"
    return next((name for seconds, name in _EXPIRY_BUCKETS if ttl_ms <= seconds * 1000), "later")
