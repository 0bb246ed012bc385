# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What caches hold, and the health of their server. PRIVATE to the collection."""

from __future__ import annotations

import heapq
import typing as t
from collections import Counter
from dataclasses import asdict, dataclass, field

from .._errors import InvalidInput
from .._run import Progress, Stop
from .catalogue import CachePattern, Matcher
from .connection import RedisSettings, ServerInfo, is_error, is_redirect, pack, refused
from .deployment import Deployment, Tally
from .names import printable, to_bytes
from .recovery import measure_traffic, server_health
from .scan import scan
from .session import SCAN, Session
from .throttle import Pace, Throttle

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


@dataclass(frozen=True)
class StatsResult:
    """The server, its health and traffic, and the figures of each cache.

    A key may be in several caches; ``distinct_keys`` has it once.
    """

    server: ServerInfo
    topology: str
    health: dict[str, t.Any]
    traffic: dict[str, t.Any]
    caches: list[CacheStats]
    distinct_keys: int

    def to_plain(self) -> dict[str, t.Any]:
        return asdict(self)


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
) -> StatsResult:
    """Return the server's health and the figures of each cache; reads only.

    The hit ratio is that of the whole server over ``interval`` seconds, taken before our own reads disturb it.
    """
    for name, value in (("interval", interval), ("sample", sample), ("largest", largest)):
        if value < 0:
            raise InvalidInput(f"O({name}) is {value:g}; allowed is 0 or more.")
    deployment = Deployment(settings, "runbooks-redis-cache-info", stop.check)
    try:
        health = server_health(deployment)
        traffic = measure_traffic(deployment, interval)
        throttle = Throttle(rate_limit=rate_limit, max_latency=max_latency_ms / 1000, check_stop=deployment.check)
        found = Tally(lambda total: progress.report("looking at caches", total, None))

        def look(session: Session) -> tuple[int, list[_NodeStats]]:
            with throttle.on(session.monitor) as pace:
                return session.retrying(lambda: _node_stats(deployment, session, caches, pace, found, sample, largest))

        nodes = deployment.each(look) if caches else []
        return StatsResult(
            deployment.server,
            deployment.topology,
            health,
            traffic,
            [_together(cache, [stats[index] for _keys, stats in nodes], largest) for index, cache in enumerate(caches)],
            sum(keys for keys, _stats in nodes),
        )
    finally:
        deployment.close()


@dataclass
class _NodeStats:
    """Figures of one cache on one node. Each time the sample is full, half as many of the next keys are looked at."""

    keys: int = 0
    stride: int = 1
    sampled: int = 0
    sampled_bytes: int = 0
    types: Counter[str] = field(default_factory=Counter)
    expiry: Counter[str] = field(default_factory=Counter)
    largest: list[tuple[int, bytes]] = field(default_factory=list)

    def take(self) -> bool:
        """Count a key; tell whether it belongs to the sample."""
        self.keys += 1
        return (self.keys - 1) % self.stride == 0

    def note(self, look: tuple[bytes, str, int, int], largest: int) -> None:
        key, kind, size, ttl = look
        self.sampled += 1
        self.sampled_bytes += size
        self.types[kind] += 1
        self.expiry[_bucket(ttl)] += 1
        heapq.heappush(self.largest, (size, key))
        if len(self.largest) > largest:
            heapq.heappop(self.largest)


def _together(cache: CachePattern, nodes: list[_NodeStats], largest: int) -> CacheStats:
    top = heapq.nlargest(largest, (entry for node in nodes for entry in node.largest))
    return CacheStats(
        cache.name,
        cache.pattern,
        keys=sum(node.keys for node in nodes),
        sampled=sum(node.sampled for node in nodes),
        memory_bytes=sum(node.sampled_bytes * node.keys // node.sampled for node in nodes if node.sampled),
        types=dict(sum((node.types for node in nodes), Counter()).most_common()),
        expiry=dict(sum((node.expiry for node in nodes), Counter())),
        largest=[{"name": printable(key), "bytes": size} for size, key in top],
    )


def _node_stats(
    deployment: Deployment,
    session: Session,
    caches: t.Sequence[CachePattern],
    pace: Pace,
    found: Tally,
    sample: int,
    largest: int,
) -> tuple[int, list[_NodeStats]]:
    """Walk all caches in one pass; return how many keys are in any of them, and the figures of each."""
    number, results = 0, [_NodeStats() for _cache in caches]
    if not deployment.serves(session, *(to_bytes(cache.pattern) for cache in caches)):
        return number, results
    session.reset(SCAN)
    matcher = Matcher(caches)
    for page in scan(session.scan, matcher, pace.scan_count):
        deployment.check()
        chosen: dict[bytes, list[_NodeStats]] = {}
        for key in page.keys:
            own = [results[index] for index in matcher.matches(key)]
            if taken := [each for each in own if each.take()]:
                chosen[key] = taken
        for look in _sizes_of(session, list(chosen)):
            for each in chosen[look[0]]:
                each.note(look, largest)
                if sample and each.sampled >= sample * each.stride.bit_length():
                    each.stride *= 2
        number += len(page.keys)
        pace.pace(len(page.keys))
        found.set(session, number)
    return number, results


def _sizes_of(session: Session, keys: list[bytes]) -> t.Iterator[tuple[bytes, str, int, int]]:
    replies = session.data.pipeline(
        [
            command
            for key in keys
            for command in (pack(b"TYPE", key), pack(b"MEMORY", b"USAGE", key), pack(b"PTTL", key))
        ]
    )
    for key, kind, size, ttl in zip(keys, replies[::3], replies[1::3], replies[2::3]):
        for name, reply in (("TYPE", kind), ("MEMORY USAGE", size), ("PTTL", ttl)):
            if is_error(reply) and not is_redirect(reply):
                raise refused(name, reply)
        if ttl != -2 and size is not None and not any(map(is_error, (kind, size, ttl))):
            yield key, kind.decode(), size, ttl


def _bucket(ttl_ms: int) -> str:
    if ttl_ms == -1:
        return "never"
    return next((name for seconds, name in _EXPIRY_BUCKETS if ttl_ms <= seconds * 1000), "later")
