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
from .session import Session
from .throttle import replica_lag

RECOVERED = "recovered"
NOT_RECOVERED = "not recovered"
NO_TRAFFIC = "unknown: no traffic"
_BEST_FIRST = (RECOVERED, NO_TRAFFIC, NOT_RECOVERED)
_WORST_IS_HIGHEST = ("response_time_ms", "replica_lag_bytes", "mem_fragmentation_ratio")

_SAMPLE_SECONDS = 1.0
_SAMPLES_IN_A_ROW = 2
_QUIET_SAMPLES = 3
_TOLERANCE = 0.05
_LATENCY_FACTOR = 2.0
_LATENCY_FLOOR = 0.002


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


def _of_each(deployment: Deployment, work: t.Callable[[Session], dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return deployment.each(lambda session: {"url": session.server.url, **session.retrying(lambda: work(session))})


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
    baseline: t.Mapping[str, t.Any],
    health: t.Mapping[str, t.Any],
    removed: int,
    timeout: float,
) -> dict[str, t.Any]:
    """Watch every node; return what the one says that fares worst, and ``nodes`` with all of them."""
    ratios = {node["url"]: node["hit_ratio"] for node in baseline["nodes"]}
    latencies = {node["url"]: node["response_time_ms"] for node in health["nodes"]}

    def watch(session: Session) -> dict[str, t.Any]:
        url = session.server.url
        share = max(removed // len(deployment.sessions), 1)
        latency = latencies.get(url, health["response_time_ms"])
        return asdict(_watch_node(session, ratios.get(url), latency, share, timeout, deployment.check))

    nodes = _of_each(deployment, watch)
    worst = max(nodes, key=lambda node: (_BEST_FIRST.index(node["state"]), node["seconds"]))
    return {**worst, "nodes": nodes}


def _watch_node(
    session: Session,
    baseline_ratio: float | None,
    latency_before_ms: float,
    removed: int,
    timeout: float,
    check_stop: t.Callable[[], None],
) -> Recovery:
    """Sample the server until its hit ratio and response time are as before, or ``timeout`` seconds are over.

    The ratio is computed between samples, so our own commands before them do not count, and the watch itself runs
    none that counts as a hit or a miss. Without any traffic the result is unknown, not healthy.
    """
    target = None if baseline_ratio is None else max(baseline_ratio - _TOLERANCE, 0.0)
    latency_limit = max(latency_before_ms / 1000 * _LATENCY_FACTOR, _LATENCY_FLOOR)
    monitor = session.monitor()
    keys_at_start = monitor.execute(b"DBSIZE")
    before, started = monitor.info("stats"), time.monotonic()
    result = Recovery(NO_TRAFFIC, 0.0, target)
    good = 0
    while (elapsed := time.monotonic() - started) < timeout:
        check_stop()
        time.sleep(min(_SAMPLE_SECONDS, timeout - elapsed))
        after = monitor.info("stats")
        window = hit_ratio_between(before, after, _SAMPLE_SECONDS)
        before = after
        latency = monitor.response_time()
        repopulated = (monitor.execute(b"DBSIZE") - keys_at_start) / removed if removed else 0.0
        result.seconds = round(time.monotonic() - started, 3)
        result.samples.append(
            {
                "seconds": result.seconds,
                "hit_ratio": window["hit_ratio"],
                "repopulated": round(repopulated, 4),
                "response_time_ms": round(latency * 1000, 3),
            }
        )
        if window["hit_ratio"] is None:
            if len(result.samples) >= _QUIET_SAMPLES and result.state == NO_TRAFFIC:
                return result
            continue
        result.state = NOT_RECOVERED
        good = good + 1 if window["hit_ratio"] >= (target or 0.0) and latency <= latency_limit else 0
        if good >= _SAMPLES_IN_A_ROW and target is not None:
            result.state = RECOVERED
            return result
    return result
