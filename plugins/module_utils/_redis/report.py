# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runs on Redis say of themselves, in the fields of the report model. PRIVATE to the collection."""

from __future__ import annotations

import json
import shlex
import typing as t
from dataclasses import fields
from datetime import datetime

from .._errors import RunbookError
from .._run import rfc3339, utc_now
from .connection import RedisSettings
from .plan import FlushRequest
from .recovery import RECOVERED
from .restore import RestoreRequest
from .topology import CLUSTER, STANDALONE

Fields = dict[str, t.Any]

_FIGURES = (
    ("database_keys", "keys in the database", "keys"),
    ("used_memory", "memory used", "bytes"),
    ("evicted_keys", "keys evicted", "keys"),
    ("connected_clients", "connected clients", "clients"),
    ("response_time_ms", "response time", "ms"),
    ("replica_lag_bytes", "replica lag", "bytes"),
)


def flush_report(
    settings: RedisSettings,
    request: FlushRequest,
    run_id: str,
    started: datetime,
    check_mode: bool,
    result: t.Mapping[str, t.Any],
    failure: RunbookError | None = None,
) -> Fields:
    """Return the report of a flush, of whatever part of it was reached."""
    plan = result.get("plan") or {}
    removed, backup = result.get("removed", 0), result.get("backup") or {}
    with_backup = all(entry.backup for entry in request.patterns)
    verb = "deleted" if request.mode == "delete" else "given a shorter life"
    degraded = [
        *result.get("notices", plan.get("notices", [])),
        *(f"not verified: {what}" for what in plan.get("not_verified", [])),
    ]
    report = _common("flush_redis", result.get("run_id") or run_id, started, _state(result, check_mode, failure))
    report["asked"] = {
        "caches": [entry.name for entry in request.patterns if entry.name],
        "patterns": [entry.pattern for entry in request.patterns],
        "mode": request.mode,
        "backup": with_backup,
        "rate_limit": request.rate_limit,
        "environment": request.environment,
    }
    report["summary"] = [str(failure)] if failure else []
    if failure and not result.get("counts"):
        report["summary"] += ["no key was touched"]
    if plan:
        report["plan"] = {
            "summary": [
                f"{entry['name'] or entry['pattern']}: {entry['to_change']:,} of "
                f"{entry['matched']:,} matching keys to {request.mode}"
                + ("" if entry["backup"] else ", WITHOUT BACKUP")
                for entry in plan["patterns"]
            ],
            "figures": {
                name: plan[name] for name in ("matched", "database_keys", "estimated_bytes", "estimated_seconds")
            },
            "hash": plan["confirm"],
            "sample": plan["sample"],
        }
        ended = result.get("state") not in (None, "planned", "unchanged")
        if not ended:
            report["summary"] += [
                f"{plan['to_change']:,} of {plan['database_keys']:,} keys are to be {verb}" + _server(plan)
            ]
            if request.environment.casefold() == "production" and plan["to_change"] and not request.confirm:
                report["summary"] += [f"production: confirm this plan with -e flush_redis_confirm={plan['confirm']}"]
        report["figures"] = _figures(result.get("before") or {}, result.get("after") or {})
    if result.get("phases") or removed:
        rate = removed / result["phases"]["flush"] if result.get("phases", {}).get("flush") else 0.0
        report["actions"] = [
            {"what": f"{removed:,} keys {verb}", "changed": removed > 0, "detail": f"{rate:,.0f} keys/s"}
        ]
        report["series"] = [{"name": "keys removed", "unit": "keys", "points": result.get("curve", [])}]
        report["proofs"] = _flush_proofs(result, with_backup)
        report["summary"] += [
            f"{removed:,} of {plan['database_keys']:,} keys {verb}{_server(plan)}"
            + (f", {result['remaining']:,} match now" if result.get("state") == "done" else "")
        ]
    if backup.get("records"):
        report["backup"] = {
            "path": backup["path"],
            "records": backup["records"],
            "bytes": backup["bytes"],
            "sha256": ", ".join(part["sha256"] for part in backup["parts"]),
            "format": "gzip of RESP commands; stock restore: zcat part-*.resp.gz | redis-cli --pipe"
            + (" (in a cluster each part to its node, see manifest.json)" if plan["topology"] == CLUSTER else ""),
        }
        report["undo"] = {
            "command": "ansible-playbook market_intel.runbooks.restore_redis "
            + " ".join(
                shlex.join(["-e", f"{name}={value}"])
                for name, value in (*_connection_variables(settings), ("flush_redis_restore_run", backup["path"]))
            ),
            "note": "Keys that were written since are newer and are left alone."
            if request.mode == "delete"
            else "Keys that still exist keep their shorter life, unless flush_redis_restore_overwrite=true is added, "
            "which also replaces keys that were written since.",
        }
    recovery = result.get("recovery")
    if plan and plan["topology"] != STANDALONE:
        report["summary"] += [_nodes_in_words(plan, result)]
        report["details"] = {"nodes": result.get("nodes") or plan["nodes"]}
    if recovery:
        report.setdefault("details", {})["recovery"] = recovery
        report["series"] += [
            {
                "name": "hit ratio after the flush",
                "unit": "",
                "points": [[sample["seconds"], sample["hit_ratio"]] for sample in recovery["samples"]],
            }
        ]
    report["degraded"] = degraded
    return report


def flush_diff(plan: t.Mapping[str, t.Any]) -> Fields:
    """Show what matches before, and that nothing of it is to be changed afterwards."""
    header = [
        f"{entry['pattern']}: {entry['to_change']} of {entry['matched']} keys to {plan['mode']}"
        for entry in plan["patterns"]
    ]
    names = [*plan["sample"], *(["..."] if plan["matched"] > len(plan["sample"]) else [])]
    after = [f"{entry['pattern']}: 0 of {entry['matched']} keys to {plan['mode']}" for entry in plan["patterns"]]
    return {
        "before": "\n".join([*header, *(names if plan["to_change"] else [])]) + "\n",
        "after": "\n".join(after if plan["to_change"] else header) + "\n",
        "before_header": plan["server"]["url"],
        "after_header": plan["server"]["url"],
    }


def _connection_variables(settings: RedisSettings) -> t.Iterator[tuple[str, str]]:
    """Yield the role's variables that reach the same servers; secrets are left out."""
    yield "flush_redis_url", settings.display_url
    usual = RedisSettings(settings.url)
    if settings.network:
        yield "flush_redis_kubernetes", json.dumps(settings.network.option, separators=(",", ":"))
    for option in fields(settings):
        if option.name in ("network", "tls_name"):
            continue
        value = getattr(settings, option.name)
        if option.name in ("url", "password", "sentinel_password") or value == getattr(usual, option.name):
            continue
        text = json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else value
        yield f"flush_redis_{option.name}", ",".join(text) if isinstance(text, tuple) else str(text)


def _flush_proofs(result: t.Mapping[str, t.Any], with_backup: bool) -> list[Fields]:
    proofs = []
    if with_backup:
        proofs.append(
            {
                "claim": "every key was on disk before it was touched",
                "result": "proven",
                "evidence": f"{result['backup']['records']:,} records; each key was compared "
                "with its record when it was removed",
            }
        )
    if result.get("state") == "done":
        counts = result["counts"]
        proofs.append(
            {
                "claim": "every key that matched was handled",
                "result": "proven" if result["settled"] and not counts["changed"] else "unknown",
                "evidence": f"full second pass: {result['remaining']:,} keys match, written since the flush began; "
                f"{counts['gone']:,} vanished and {counts['changed']:,} kept changing during it",
            }
        )
    recovery = result.get("recovery")
    if recovery:
        number = len(recovery["nodes"])
        slowest = f" on {recovery['url']}, the slowest of {number}" if number > 1 else ""
        proofs.append(
            {
                "claim": "the cache is as useful as before",
                "result": "proven" if recovery["state"] == RECOVERED else "unknown",
                "evidence": f"{recovery['state']} after {recovery['seconds']:.0f} s" + slowest,
            }
        )
    return proofs


def restore_report(
    request: RestoreRequest,
    run_id: str,
    started: datetime,
    result: t.Mapping[str, t.Any],
    failure: RunbookError | None = None,
) -> Fields:
    """Return the report of a restore, of whatever part of it was reached."""
    plan, restored = result.get("plan") or {}, result.get("restored", 0)
    report = _common("restore_redis", run_id, started, _state(result, request.check_mode, failure))
    report["asked"] = {
        "backup": str(request.path),
        "patterns": list(request.patterns),
        "overwrite": request.overwrite,
        "expiry": request.expiry,
    }
    report["summary"] = [str(failure)] if failure else []
    report["backup"] = {"path": str(request.path)}
    if plan:
        report["plan"] = {
            "summary": [f"{plan['to_restore']:,} of {plan['records']:,} records to restore" + _server(plan)],
            "figures": {name: plan[name] for name in ("records", "to_restore", "existing", "expired", "payload_bytes")},
            "sample": plan["sample"],
        }
        report["degraded"] = [
            *result.get("notices", []),
            *(f"not verified: {what}" for what in plan["not_verified"]),
        ]
        done = restored and not failure
        report["summary"] += [
            f"{restored if done else plan['to_restore']:,} of {plan['records']:,} records "
            f"{'were' if done else 'are to be'} restored, {plan['existing']:,} {'existed' if done else 'exist'}, "
            f"{plan['expired']:,} {'had' if done else 'have'} expired" + _server(plan)
        ]
    if restored:
        report["actions"] = [{"what": f"{restored:,} keys restored", "changed": True}]
        if failure:
            report["summary"] += [f"{restored:,} keys were restored"]
    return report


def stats_report(
    settings: RedisSettings,
    run_id: str,
    started: datetime,
    result: t.Mapping[str, t.Any],
    failure: RunbookError | None = None,
) -> Fields:
    """Return the report of a look at caches."""
    report = _common("redis_stats", run_id, started, failure.state if failure else "unchanged")
    report["asked"] = {"url": settings.display_url}
    report["summary"] = [str(failure)] if failure else []
    if result:
        ratio = result["traffic"]["hit_ratio"]
        report["figures"] = _figures(result["health"], {})
        report["details"] = dict(result)
        report["summary"] += [
            f"{cache['name'] or cache['pattern']}: {cache['keys']:,} keys, about "
            f"{cache['memory_bytes'] / 2**20:,.1f} MiB"
            for cache in result["caches"]
        ]
        nodes = result["health"]["nodes"]
        if len(nodes) > 1:
            slowest = max(nodes, key=lambda node: float(node["response_time_ms"]))
            report["summary"] += [
                f"slowest of {len(nodes)} primaries: {slowest['url']}, {slowest['response_time_ms']:g} ms a response"
            ]
        report["summary"] += [
            "hit ratio: " + (f"{ratio:.1%}" if ratio is not None else "unknown, no traffic") + _server(result)
        ]
    return report


def _common(runbook: str, run_id: str, started: datetime, state: str) -> Fields:
    return {
        "run_id": run_id,
        "runbook": runbook,
        "state": state,
        "started": rfc3339(started),
        "finished": rfc3339(utc_now()),
    }


def _state(result: t.Mapping[str, t.Any], check_mode: bool, failure: RunbookError | None) -> str:
    if failure:
        return failure.state
    if not result["changed"]:
        return "unchanged"
    return "planned" if check_mode else "done"


def _server(source: t.Mapping[str, t.Any]) -> str:
    server = source["server"]
    topology = "" if source["topology"] == STANDALONE else f"{source['topology']} of "
    return f" on {topology}{server['name']} {server['version']} ({server['url']})"


def _nodes_in_words(plan: t.Mapping[str, t.Any], result: t.Mapping[str, t.Any]) -> str:
    removed = result.get("nodes")
    if removed:
        return "per primary: " + ", ".join(f"{node['removed']:,} on {node['url']}" for node in removed)
    return "per primary: " + ", ".join(f"{node['to_change']:,} on {node['url']}" for node in plan["nodes"])


def _figures(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> list[Fields]:
    return [
        {"name": title, "before": before.get(name), "after": after.get(name), "unit": unit}
        for name, title, unit in _FIGURES
        if before.get(name) is not None or after.get(name) is not None
    ]
