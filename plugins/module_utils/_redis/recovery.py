# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watching a cache fill again after a flush, and what its server says of its health. PRIVATE to the collection."""

from __future__ import annotations

import time
import typing as t
from dataclasses import asdict, dataclass, field

from .._wait import pause
from .deployment import Deployment
from .plan import FlushRequest, pending_keys
from .scan import scan
from .session import SCAN, Session
from .throttle import replica_lag

RECOVERED = "recovered"
NOT_RECOVERED = "not recovered"
NO_TRAFFIC = "unknown: no traffic"
LITTLE_TRAFFIC = "unknown: too little traffic"
NOTHING_TO_COMPARE = "unknown: no traffic before the flush"
NOT_WRITTEN = "unknown: no key of the cache was written"
_BEST_FIRST = (RECOVERED, NO_TRAFFIC, LITTLE_TRAFFIC, NOTHING_TO_COMPARE, NOT_WRITTEN, NOT_RECOVERED)
_WORST_IS_HIGHEST = ("response_time_ms", "replica_lag_bytes", "mem_fragmentation_ratio")

_SAMPLE_SECONDS = 1.0
_SAMPLES_IN_A_ROW = 2
_QUIET_SAMPLES = 3
_TOLERANCE = 0.05
_LATENCY_FACTOR = 2.0
_LATENCY_FLOOR = 0.002
# A sample with fewer reads, or with a smaller share of those before the flush, tells nothing of the cache.
_LEAST_READS = 10
_LEAST_SHARE = 0.1
_SCAN_COUNT = 1000


@dataclass
class Recovery:
    """How a cache came back on one node. Ratios are 0 to 1, times seconds; ``samples`` are taken once a second."""

    state: str
    seconds: float
    target_hit_ratio: float | None
    samples: list[dict[str, t.Any]] = field(default_factory=list)


def hit_ratio_between(before: t.Mapping[str, str], after: t.Mapping[str, str], seconds: float) -> dict[str, t.Any]:
    """Return hits, misses and ratio between two INFO stats; the ratio is None without any traffic."""
    hits = int(after.get("keyspace_hits", 0)) - int(before.get("keyspace_hits", 0))
    misses = int(after.get("keyspace_misses", 0)) - int(before.get("keyspace_misses", 0))
    return _traffic(hits, misses, seconds)


def _traffic(hits: int, misses: int, seconds: float) -> dict[str, t.Any]:
    total = hits + misses
    return {
        "seconds": round(seconds, 3),
        "hits": hits,
        "misses": misses,
        "hit_ratio": round(hits / total, 4) if total > 0 else None,
    }


def measure_traffic(deployment: Deployment, seconds: float = 1.0) -> dict[str, t.Any]:
    """Return hits and misses of the clients over a time in which we ourselves ask for no key, in all and per node."""

    def measure(session: Session) -> dict[str, t.Any]:
        before = session.monitor().info("stats")
        pause(seconds, deployment.check)
        return hit_ratio_between(before, session.monitor().info("stats"), seconds)

    nodes = _of_each(deployment, measure)
    hits, misses = sum(node["hits"] for node in nodes), sum(node["misses"] for node in nodes)
    return {**_traffic(hits, misses, nodes[0]["seconds"]), "nodes": nodes}


def server_health(deployment: Deployment) -> dict[str, t.Any]:
    """Return the figures that matter around a flush: counts in all, for the rest the worst node's, and ``nodes``.

    A figure that a server does not report is None.
    """
    nodes = _of_each(deployment, _node_health)
    return {
        **{name: _combined(name, [node[name] for node in nodes]) for name in nodes[0] if name != "url"},
        "nodes": nodes,
    }


def _of_each(
    deployment: Deployment, work: t.Callable[[Session], dict[str, t.Any]], sessions: t.Sequence[Session] | None = None
) -> list[dict[str, t.Any]]:
    return deployment.each(
        lambda session: {"url": session.server.url, **session.retrying(lambda: work(session))}, sessions
    )


def _combined(name: str, values: list[t.Any]) -> t.Any:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if name in _WORST_IS_HIGHEST:
        return max(known)
    if name == "uptime_in_seconds":
        return min(known)
    if all(isinstance(value, int) for value in known):
        return sum(known)
    return known[0]


def _node_health(session: Session) -> dict[str, t.Any]:
    connection = session.monitor()
    info = connection.info("all")
    latencies = sorted(connection.response_time() for _sample in range(5))

    def number(name: str) -> int | None:
        return int(info[name]) if info.get(name, "").lstrip("-").isdigit() else None

    return {
        "database_keys": connection.execute(b"DBSIZE"),
        **{
            name: number(name)
            for name in (
                *(
                    "used_memory",
                    "used_memory_rss",
                    "maxmemory",
                    "lazyfree_pending_objects",
                    "evicted_keys",
                    "expired_keys",
                ),
                *("keyspace_hits", "keyspace_misses", "connected_clients", "blocked_clients", "tracking_clients"),
                *(
                    "rejected_connections",
                    "total_error_replies",
                    "instantaneous_ops_per_sec",
                    "connected_slaves",
                    "uptime_in_seconds",
                ),
            )
        },
        "maxmemory_policy": info.get("maxmemory_policy"),
        "mem_fragmentation_ratio": float(info["mem_fragmentation_ratio"])
        if "mem_fragmentation_ratio" in info
        else None,
        "replica_lag_bytes": replica_lag(info),
        "response_time_ms": round(latencies[len(latencies) // 2] * 1000, 3),
        "latency_percentiles_us": {
            name.removeprefix("latency_percentiles_usec_"): value
            for name, value in info.items()
            if name in ("latency_percentiles_usec_get", "latency_percentiles_usec_set")
        },
    }


def watch_recovery(
    deployment: Deployment,
    request: FlushRequest,
    baseline: t.Mapping[str, t.Any],
    health: t.Mapping[str, t.Any],
    removed: t.Mapping[str, int],
) -> dict[str, t.Any]:
    """Watch the nodes of which keys were removed (``removed``, by URL), for at most the time of the request.

    Returns the figures of the one in the worst state, and ``nodes`` with all of them.
    """
    traffic = {node["url"]: node for node in baseline["nodes"]}
    latencies = {node["url"]: node["response_time_ms"] for node in health["nodes"]}
    # Who has taken over since is watched as well.
    sessions = [session for session in deployment.sessions if removed.get(session.server.url, 1)]

    def watch(session: Session) -> dict[str, t.Any]:
        url = session.server.url
        before = Before(traffic.get(url, baseline), latencies.get(url, health["response_time_ms"]) / 1000)
        share = max(removed.get(url, sum(removed.values()) // len(sessions)), 1)
        return asdict(_watch_node(deployment, session, request, before, share))

    nodes = _of_each(deployment, watch, sessions)
    worst = max(nodes, key=lambda node: (_BEST_FIRST.index(node["state"]), node["seconds"]))
    return {**worst, "nodes": nodes}


class Before:
    """What a node was like before the flush, and how the traffic of one sample compares with it."""

    def __init__(self, traffic: t.Mapping[str, t.Any], latency: float) -> None:
        """``traffic`` is of ``measure_traffic``, ``latency`` in seconds."""
        ratio = traffic["hit_ratio"]
        self.target = None if ratio is None else max(ratio - _TOLERANCE, 0.0)
        reads = traffic["hits"] + traffic["misses"]
        self._reads_per_second = reads / traffic["seconds"] if traffic["seconds"] else 0.0
        self._latency_limit = max(latency * _LATENCY_FACTOR, _LATENCY_FLOOR)

    def judge(self, window: t.Mapping[str, t.Any], latency: float) -> str:
        """Return what a sample shows: RECOVERED or NOT_RECOVERED, or why it shows nothing."""
        if window["hit_ratio"] is None:
            return NO_TRAFFIC
        if self.target is None:
            return NOTHING_TO_COMPARE
        reads = window["hits"] + window["misses"]
        if reads < max(_LEAST_READS, self._reads_per_second * window["seconds"] * _LEAST_SHARE):
            return LITTLE_TRAFFIC
        good = window["hit_ratio"] >= self.target and latency <= self._latency_limit
        return RECOVERED if good else NOT_RECOVERED


def _watch_node(
    deployment: Deployment, session: Session, request: FlushRequest, before: Before, removed: int
) -> Recovery:
    """Sample the server until it serves as before and the cache is written again, or the request's time is over.

    The ratio is computed between samples, so our own commands before them do not count. It is that of the whole
    server: that of the others is as before though nobody uses this cache. What is not seen is unknown.
    """
    timeout = request.recovery_timeout
    monitor = session.monitor()
    keys_at_start = monitor.execute(b"DBSIZE")
    stats, started = monitor.info("stats"), time.monotonic()
    sampled = started
    result = Recovery(NO_TRAFFIC, 0.0, before.target)
    in_a_row = 0
    while (elapsed := time.monotonic() - started) < timeout:
        deployment.check()
        time.sleep(min(_SAMPLE_SECONDS, timeout - elapsed))
        latest, now = monitor.info("stats"), time.monotonic()
        window = hit_ratio_between(stats, latest, now - sampled)
        latency = monitor.response_time()
        result.seconds = round(now - started, 3)
        result.samples.append(
            {
                "seconds": result.seconds,
                "hit_ratio": window["hit_ratio"],
                "repopulated": round((monitor.execute(b"DBSIZE") - keys_at_start) / removed, 4),
                "response_time_ms": round(latency * 1000, 3),
            }
        )
        shown = before.judge(window, latency)
        in_a_row = in_a_row + 1 if shown == RECOVERED else 0
        if in_a_row >= _SAMPLES_IN_A_ROW:
            if _is_written(deployment, session, request):
                result.state = RECOVERED
                return result
            shown = NOT_WRITTEN
        if shown in (NOT_RECOVERED, NOT_WRITTEN) or result.state != NOT_RECOVERED:
            result.state = NOT_RECOVERED if shown == RECOVERED else shown
        if len(result.samples) >= _QUIET_SAMPLES and result.state != NOT_RECOVERED:
            return result
        # What was read to find out about the cache is none of the clients' traffic.
        stats, sampled = monitor.info("stats"), time.monotonic()
    return result


def _is_written(deployment: Deployment, session: Session, request: FlushRequest) -> bool:
    """Tell whether a key of the cache was written since the flush; ends at the first one."""
    if not deployment.serves(session, *request.globs):
        return False
    session.reset(SCAN)
    for page in scan(session.scan, request.matcher, lambda: _SCAN_COUNT):
        deployment.check()
        if pending_keys(session.monitor(), page.keys, request):
            # The next page is on its way already.
            session.reset(SCAN)
            return True
    return False
