# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports of the runs on Redis. PRIVATE to the collection."""

from __future__ import annotations

import json
import shlex
import typing as t
from dataclasses import asdict, fields
from datetime import datetime

from .._confirm import is_production
from .._errors import RunbookError
from .._report.model import Action, Backup, Figure, Plan, Proof, Series, StepReport, Undo
from .._report.text import plural
from .connection import RedisSettings, ServerInfo
from .plan import FlushPlan, FlushRequest
from .recovery import RECOVERED
from .restore import RestoreRequest, RestoreResult
from .run_flush import FlushResult
from .stats import StatsResult
from .topology import CLUSTER, STANDALONE

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
    result: FlushResult | None,
    failure: RunbookError | None = None,
) -> StepReport:
    """Return the report of a flush, of whatever part of it was reached."""
    untouched = ["no key was touched"] if failure and not (result and result.begun) else []
    said = [str(failure)] if failure else []
    asked = {
        "caches": [entry.name for entry in request.patterns if entry.name],
        "patterns": [entry.pattern for entry in request.patterns],
        "mode": request.mode,
        "backup": _with_backup(request),
        "rate_limit": request.rate_limit,
        "environment": request.environment,
    }
    if result is None:
        state = failure.state if failure else "failed"
        return StepReport(run_id, "flush_redis", state=state, started=started, asked=asked, summary=(*said, *untouched))
    plan, acted = result.plan, result.begun or result.state == "done"
    state = _flush_state(result, check_mode, failure)
    return StepReport(
        run_id=result.run_id,
        runbook="flush_redis",
        state=state,
        headline=_nothing_left(result) if state == "unchanged" and acted else "",
        started=started,
        asked=asked,
        plan=_flush_plan(plan),
        actions=_flush_actions(request, result) if acted else (),
        proofs=_flush_proofs(request, result) if acted else (),
        degraded=tuple(result.notices),
        undo=_flush_undo(settings, request, result) if result.backup.records else None,
        backup=_flush_backup(result) if result.backup.records else None,
        figures=_figures(result.before, result.after if acted and not failure else {}),
        series=_flush_series(result) if acted else (),
        details=_flush_details(result),
        summary=(*said, *untouched, *_flush_summary(request, result, acted, failure)),
    )


def _with_backup(request: FlushRequest) -> bool:
    return all(entry.backup for entry in request.patterns)


def _flush_state(result: FlushResult, check_mode: bool, failure: RunbookError | None) -> str:
    if failure:
        return failure.state
    if not result.changed:
        return "unchanged"
    return "planned" if check_mode else "done"


def _nothing_left(result: FlushResult) -> str:
    if result.counts.changed:
        return f"no key was removed; {plural(result.counts.changed, 'key')} kept changing and stayed"
    return "no key was left to remove: all that the plan counted had gone before"


def _verb(request: FlushRequest) -> str:
    return "deleted" if request.mode == "delete" else "given a shorter life"


def _flush_plan(plan: FlushPlan) -> Plan:
    return Plan(
        summary=tuple(
            f"{entry.title}: {entry.to_change:,} of {entry.matched:,} matching keys to {plan.mode}"
            + ("" if entry.backup else ", WITHOUT BACKUP")
            for entry in plan.patterns
        ),
        figures={
            "matched": plan.matched,
            "database_keys": plan.database_keys,
            "estimated_bytes": plan.estimated_bytes,
            "estimated_seconds": plan.estimated_seconds,
        },
        hash=plan.confirm,
        sample=tuple(plan.sample),
        not_verified=tuple(plan.not_verified),
    )


def _flush_summary(
    request: FlushRequest, result: FlushResult, acted: bool, failure: RunbookError | None
) -> t.Iterator[str]:
    plan, verb = result.plan, _verb(request)
    where = _server(plan.server, plan.topology)
    if acted:
        match_now = f", {result.remaining:,} match now" if result.state == "done" else ""
        yield f"{result.removed:,} of {plan.database_keys:,} keys {verb}{where}{match_now}"
    else:
        would = "would be" if failure else "are to be"
        number = f"{plan.to_change:,}" if plan.to_change else "none"
        yield f"{number} of {plan.database_keys:,} keys {would} {verb}{where}"
        if is_production(request.environment) and plan.to_change and not request.confirm:
            yield f"production: confirm this plan with -e flush_redis_confirm={plan.confirm}"
    if plan.topology != STANDALONE:
        done = [f"{node['removed']:,} on {node['url']}" for node in result.nodes]
        planned = [f"{node['to_change']:,} on {node['url']}" for node in plan.nodes]
        yield f"per primary: {', '.join(done or planned)}"


def _flush_actions(request: FlushRequest, result: FlushResult) -> tuple[Action, ...]:
    seconds = result.phases.get("flush", 0.0)
    rate = f"{result.removed / seconds:,.0f} keys/s" if seconds else ""
    return (Action(f"{result.removed:,} keys {_verb(request)}", result.removed > 0, rate),)


def _flush_series(result: FlushResult) -> tuple[Series, ...]:
    curve = tuple((seconds, removed) for seconds, removed in result.curve)
    found = [Series("keys removed", "keys", curve)] if result.removed else []
    if result.recovery:
        samples = tuple((sample["seconds"], sample["hit_ratio"]) for sample in result.recovery["samples"])
        found.append(Series("hit ratio after the flush", "", samples))
    return tuple(found)


def _flush_details(result: FlushResult) -> dict[str, t.Any]:
    nodes = {} if result.plan.topology == STANDALONE else {"nodes": result.nodes or result.plan.nodes}
    return {**nodes, **({"recovery": result.recovery} if result.recovery else {})}


def _flush_backup(result: FlushResult) -> Backup:
    in_cluster = " (in a cluster each part to its node, see manifest.json)"
    return Backup(
        path=result.backup.path,
        records=result.backup.records,
        bytes=result.backup.bytes,
        sha256=", ".join(part["sha256"] for part in result.backup.parts),
        format="gzip of RESP commands; stock restore: zcat part-*.resp.gz | redis-cli --pipe"
        + (in_cluster if result.plan.topology == CLUSTER else ""),
    )


def _flush_undo(settings: RedisSettings, request: FlushRequest, result: FlushResult) -> Undo:
    if "RESTORE" in result.plan.missing_commands:
        return Undo(
            "",
            "This server has no RESTORE, renamed or disabled: have it enabled, or name another server as "
            f"flush_redis_url, and run restore_redis with flush_redis_restore_run={result.backup.path}.",
        )
    variables = (*_connection_variables(settings), ("flush_redis_restore_run", result.backup.path))
    return Undo(
        "ansible-playbook market_intel.runbooks.restore_redis "
        + " ".join(shlex.join(["-e", f"{name}={value}"]) for name, value in variables),
        "Keys that were written since are newer and are left alone."
        if request.mode == "delete"
        else "Keys that still exist keep their shorter life, unless flush_redis_restore_overwrite=true is added, "
        "which also replaces keys that were written since.",
    )


def _flush_proofs(request: FlushRequest, result: FlushResult) -> tuple[Proof, ...]:
    proofs = []
    if _with_backup(request) and result.backup.records:
        records = result.backup.records
        evidence = f"{records:,} records; each key was compared with its record when it was removed"
        proofs.append(Proof("every key was on disk before it was touched", "proven", evidence))
    if result.state == "done":
        counts = result.counts
        proofs.append(
            Proof(
                "every key that matched was handled",
                "proven" if result.settled and not counts.changed else "unknown",
                f"full second pass: {result.remaining:,} keys match, written since the flush began; "
                f"{counts.gone:,} vanished and {counts.changed:,} kept changing during it",
            )
        )
    recovery = result.recovery
    if recovery:
        number = len(recovery["nodes"])
        slowest = f" on {recovery['url']}, the slowest of {number}" if number > 1 else ""
        proofs.append(
            Proof(
                "the cache is written again, and the hit ratio of its server is as before",
                "proven" if recovery["state"] == RECOVERED else "unknown",
                f"{recovery['state']} after {recovery['seconds']:.0f} s" + slowest,
            )
        )
    return tuple(proofs)


def flush_diff(plan: FlushPlan) -> dict[str, t.Any]:
    """Show what matches before, and that nothing of it is to be changed afterwards."""
    header = [f"{each.title}: {each.to_change} of {each.matched} keys to {plan.mode}" for each in plan.patterns]
    names = [*plan.sample, *(["..."] if plan.matched > len(plan.sample) else [])]
    after = [f"{each.title}: 0 of {each.matched} keys to {plan.mode}" for each in plan.patterns]
    return {
        "before": "\n".join([*header, *(names if plan.to_change else [])]) + "\n",
        "after": "\n".join(after if plan.to_change else header) + "\n",
        "before_header": plan.server.url,
        "after_header": plan.server.url,
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


def restore_report(
    request: RestoreRequest,
    run_id: str,
    started: datetime,
    result: RestoreResult,
    failure: RunbookError | None = None,
) -> StepReport:
    """Return the report of a restore, of whatever part of it was reached."""
    state = failure.state if failure else "planned" if request.check_mode else "done"
    overwritten = "Keys that existed were overwritten; what they held before is not kept."
    return StepReport(
        run_id=run_id,
        runbook="restore_redis",
        state=state if failure or result.changed else "unchanged",
        headline=_nothing_to_restore(request, result),
        started=started,
        asked={
            "backup": str(request.path),
            "patterns": list(request.patterns),
            "overwrite": request.overwrite,
            "expiry": request.expiry,
        },
        plan=_restore_plan(result),
        actions=(Action(f"{plural(result.restored, 'key')} restored", True),) if result.restored else (),
        proofs=_restore_proofs(result),
        degraded=tuple(result.notices),
        undo=Undo("", overwritten) if request.overwrite and result.restored else None,
        backup=Backup(str(request.path)),
        summary=(*([str(failure)] if failure else []), *_restore_summary(request, result, failure)),
    )


def _nothing_to_restore(request: RestoreRequest, result: RestoreResult) -> str:
    plan = result.plan
    if plan is None or plan.has_work:
        return ""
    if not plan.records:
        return f"the backup has no key{' that matches the patterns' if request.patterns else ''}"
    return (
        f"nothing is missing: {plan.existing:,} of {plural(plan.records, 'key')} exist, {plan.expired:,} have expired"
    )


def _restore_plan(result: RestoreResult) -> Plan | None:
    plan = result.plan
    if plan is None:
        return None
    names = ("records", "to_restore", "existing", "expired", "payload_bytes", "memory_bytes", "memory_left")
    where = _server(plan.server, plan.topology)
    left = "" if plan.memory_left is None else f" of {plan.memory_left / 2**20:,.1f} MiB below maxmemory"
    if plan.memory_unlimited:
        left += "; without maxmemory nobody can tell whether the machine or container has it"
    return Plan(
        summary=(
            f"{plan.to_restore:,} of {plan.records:,} records to restore{where}",
            *([f"about {plan.memory_bytes / 2**20:,.1f} MiB of memory{left}"] if plan.to_restore else []),
            *([plan.elsewhere] if plan.elsewhere else []),
            *(
                [f"parts of {plural(plan.leftovers, 'big key')} to remove, left by a restore that was killed"]
                if plan.leftovers
                else []
            ),
        ),
        figures={name: value for name in names if (value := getattr(plan, name)) is not None},
        sample=tuple(plan.sample),
        not_verified=tuple(plan.not_verified),
    )


def _restore_proofs(result: RestoreResult) -> tuple[Proof, ...]:
    if result.missing is None:
        return ()
    present = "all keys are there" if not result.missing else f"{plural(result.missing, 'key')} missing"
    return (
        Proof(
            "every key of the backup that has not expired is there",
            "failed" if result.missing else "proven",
            f"full second pass: {present}; {plural(result.evicted, 'key')} evicted meanwhile",
        ),
    )


def _restore_summary(request: RestoreRequest, result: RestoreResult, failure: RunbookError | None) -> t.Iterator[str]:
    plan = result.plan
    if plan is not None and not failure:
        done = not request.check_mode
        yield (
            f"{result.restored if done else plan.to_restore:,} of {plan.records:,} records "
            f"{'were' if done else 'are to be'} restored, {plan.existing:,} {'existed' if done else 'exist'}, "
            f"{plan.expired:,} {'had' if done else 'have'} expired{_server(plan.server, plan.topology)}"
        )
        if plan.elsewhere:
            yield plan.elsewhere
    elif failure:
        yield f"{plural(result.restored, 'key')} {'was' if result.restored == 1 else 'were'} restored"


def stats_report(
    settings: RedisSettings,
    run_id: str,
    started: datetime,
    result: StatsResult | None,
    failure: RunbookError | None = None,
) -> StepReport:
    """Return the report of the figures of caches."""
    asked = {"url": settings.display_url}
    if result is None:
        state = failure.state if failure else "failed"
        said = (str(failure),) if failure else ()
        return StepReport(run_id, "redis_stats", state=state, started=started, asked=asked, summary=said)
    return StepReport(
        run_id=run_id,
        runbook="redis_stats",
        state="unchanged",
        headline=_stats_headline(result),
        started=started,
        asked=asked,
        figures=_figures(result.health, {}),
        details=asdict(result),
        summary=tuple(_stats_summary(result)),
    )


def _stats_headline(result: StatsResult) -> str:
    ratio = result.traffic["hit_ratio"]
    found = (
        [f"{plural(len(result.caches), 'cache')} with {plural(result.distinct_keys, 'key')}"] if result.caches else []
    )
    return ", ".join([*found, f"hit ratio {ratio:.1%}" if ratio is not None else "hit ratio unknown, no traffic"])


def _stats_summary(result: StatsResult) -> t.Iterator[str]:
    for cache in result.caches:
        yield f"{cache.name or cache.pattern}: {cache.keys:,} keys, about {cache.memory_bytes / 2**20:,.1f} MiB"
    nodes = result.health["nodes"]
    if len(nodes) > 1:
        slowest = max(nodes, key=lambda node: float(node["response_time_ms"]))
        yield f"slowest of {len(nodes)} primaries: {slowest['url']}, {slowest['response_time_ms']:g} ms a response"
    ratio = result.traffic["hit_ratio"]
    shown = f"{ratio:.1%}" if ratio is not None else "unknown, no traffic"
    yield f"hit ratio: {shown}{_server(result.server, result.topology)}"


def _server(server: ServerInfo, topology: str) -> str:
    what = "" if topology == STANDALONE else f"{topology} of "
    return f" on {what}{server.name} {server.version} ({server.url})"


def _figures(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> tuple[Figure, ...]:
    return tuple(
        Figure(title, before.get(name), after.get(name), unit)
        for name, title, unit in _FIGURES
        if before.get(name) is not None or after.get(name) is not None
    )
