# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of flush-redis: plan, guards, backup, flush, proof, recovery. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import shutil
import time
import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .._errors import Interrupted, InvalidInput, Refused, RunbookError
from .._run import (
    Progress,
    RunFolder,
    Stop,
    UnfinishedRun,
    apply_retention,
    exclusive,
    folder_failed,
    read_journal,
    refuse_ephemeral,
    refuse_unwritable,
    unfinished_runs,
)
from .._time import rfc3339, utc_now
from . import backup
from .bigkey import pending_quarantines
from .commands import LOCK_NEEDS, flush_needs
from .connection import RedisSettings, ServerInfo
from .deployment import Deployment, Tally
from .flush import FlushCounts
from .lock import KEY as LOCK_KEY
from .lock import NO_LOCK, DatabaseLock, current_holder
from .names import example_keys
from .node_flushes import NodeFlushes
from .plan import (
    Allowance,
    FlushPlan,
    FlushRequest,
    NodeCount,
    check_plan,
    check_request,
    check_server,
    check_writes,
    count_matches,
    database_hash,
    made_plan,
    make_plan,
)
from .recovery import measure_traffic, server_health, watch_recovery
from .rights import check_commands, describe_missing
from .session import Session
from .throttle import Throttle

MANIFEST_FORMAT = "market_intel.runbooks/redis-backup/1"
_SPACE_FACTOR = 1.2
_NAMED = 50


@dataclass(frozen=True)
class FlushOptions:
    """Everything about a run that is not what to flush. ``plan`` is what the same run has planned a moment ago.

    ``guard_namespace`` is where a guard is that the run does not ask, empty for none.
    """

    settings: RedisSettings
    backup_dir: Path
    run_id: str
    backup_keep: int = 0
    accept_ephemeral_storage: bool = False
    read_from: str = "primary"
    check_mode: bool = False
    plan: t.Mapping[str, t.Any] | None = None
    guard_namespace: str = ""


@dataclass(frozen=True)
class SavedKeys:
    """The backup of a run: its folder, and the keys and bytes in the files of it."""

    path: str = ""
    parts: list[dict[str, t.Any]] = field(default_factory=list)
    records: int = 0
    bytes: int = 0


@dataclass
class FlushResult:
    """What a flush would do, or did; the same fields in check mode, and in an error as far as it came.

    ``begun`` tells whether a key may have been touched. ``remaining`` is None where nobody has counted. Times are
    seconds.
    """

    run_id: str
    plan: FlushPlan
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    state: str
    changed: bool
    remaining: int | None
    begun: bool = False
    resumed: bool = False
    removed: int = 0
    counts: FlushCounts = field(default_factory=FlushCounts)
    backup: SavedKeys = field(default_factory=SavedKeys)
    curve: list[tuple[float, int]] = field(default_factory=list)
    nodes: list[dict[str, t.Any]] = field(default_factory=list)
    settled: bool = True
    notices: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    reconnects: int = 0
    failovers: int = 0
    back_offs: int = 0
    removed_backups: list[str] = field(default_factory=list)
    baseline: dict[str, t.Any] | None = None
    recovery: dict[str, t.Any] | None = None
    seconds: float = 0.0

    def to_plain(self) -> dict[str, t.Any]:
        return {**asdict(self), "plan": self.plan.as_result()}


def run_flush(options: FlushOptions, request: FlushRequest, stop: Stop, progress: Progress) -> FlushResult:
    """Flush what the request names, or only plan it in check mode; return the same fields in both.

    Raises RunbookError with the FlushResult that was reached, None where there was no plan yet.
    """
    started = time.monotonic()
    check_request(request)
    if options.backup_keep < 0:
        raise InvalidInput(f"O(backup_keep) is {options.backup_keep}; allowed is 0 (keeps all) or more.")
    base = options.backup_dir / "redis"
    deployment = Deployment(options.settings, options.run_id, stop.check)
    try:
        check_server(request, deployment)
        check_writes(deployment)
        throttle = Throttle(
            rate_limit=request.rate_limit,
            batch_size=request.batch_size,
            max_latency=request.max_latency_ms / 1000,
            max_replica_lag=request.max_replica_lag_bytes,
            check_stop=deployment.check,
        )
        health = server_health(deployment)
        plan = _plan(deployment, request, options, throttle, base, progress)
        result = FlushResult(
            run_id=options.run_id,
            plan=plan,
            before=health,
            after=health,
            state="planned" if plan.to_change else "unchanged",
            changed=plan.to_change > 0,
            remaining=plan.to_change,
            notices=plan.notices,
            reconnects=deployment.reconnects,
            failovers=deployment.failovers,
            back_offs=throttle.back_offs,
            seconds=round(time.monotonic() - started, 3),
        )
        try:
            check_plan(request, plan, confirm_needed=not options.check_mode)
            if plan.to_change:
                _check_storage(request, options, base, plan)
        except (Refused, InvalidInput) as exc:
            result.state, result.changed = exc.state, False
            exc.reached = result
            raise
        if options.check_mode or not (plan.to_change or plan.continues):
            return result
        if request.recovery_timeout:
            result.baseline = measure_traffic(deployment)
        _apply(deployment, request, options, base, result, throttle, progress)
        _look_after(deployment, request, result)
        result.seconds = round(time.monotonic() - started, 3)
        return result
    except Interrupted as exc:
        if exc.reached:
            raise
        raise Interrupted(f"The flush was {exc} before it removed a key; run the same command again.") from exc
    finally:
        deployment.close()


def _plan(
    deployment: Deployment,
    request: FlushRequest,
    options: FlushOptions,
    throttle: Throttle,
    base: Path,
    progress: Progress,
) -> FlushPlan:
    """Count on all nodes, unless the run has done so; ask for the rights, and note what an operator has to know."""
    plan = None if options.check_mode else made_plan(options.plan, request, deployment.server)
    if plan is None:
        plan = _count(deployment, request, options, throttle, progress)
    _complete_plan(deployment, request, base, plan)
    network = deployment.settings.network
    if network and options.guard_namespace:
        plan.notices += network.guard_notes(options.guard_namespace)
    return plan


def _count(
    deployment: Deployment, request: FlushRequest, options: FlushOptions, throttle: Throttle, progress: Progress
) -> FlushPlan:
    found = Tally(lambda total: progress.report("counting", total, None))
    sessions = deployment.sessions
    notices: list[str] = []
    if options.check_mode and options.read_from == "replica":
        sessions, notices = deployment.reading_sessions()

    def count(session: Session) -> tuple[str, NodeCount]:
        def on_counted(number: int) -> None:
            deployment.check()
            found.set(session, number)

        with throttle.on(session.monitor) as pace:
            counts = session.retrying(lambda: count_matches(deployment, session, request, pace, on_counted))
        return session.server.url, counts

    try:
        counts = dict(deployment.each(count, sessions))
    finally:
        for session in sessions:
            if session not in deployment.sessions:
                session.close()
    plan = make_plan(deployment, request, counts)
    plan.notices += notices
    return plan


def _look_after(
    deployment: Deployment,
    request: FlushRequest,
    result: FlushResult,
) -> None:
    """Add the server's health and how the cache recovers; the flush is done, so that nothing here fails it."""
    try:
        result.after = server_health(deployment)
        if result.baseline and result.removed:
            removed = {node["url"]: node["removed"] for node in result.nodes}
            result.recovery = watch_recovery(deployment, request, result.baseline, result.before, removed)
    except RunbookError as exc:
        result.notices.append(f"The server was not watched to the end after the flush: {exc}")


def _complete_plan(deployment: Deployment, request: FlushRequest, base: Path, plan: FlushPlan) -> None:
    needs = flush_needs(
        backup=request.makes_backup,
        expire=request.mode == "expire",
        clustered=deployment.clustered,
    )
    examples = [key for entry in request.patterns for key in example_keys(entry.pattern)]
    found = deployment.each(lambda session: session.retrying(lambda: check_commands(session.data, needs, examples)))
    missing = {name: need for node in found for name, need in node.missing.items()}
    plan.not_verified = list(dict.fromkeys(line for node in found for line in node.not_verified))
    plan.missing_commands = sorted(missing)
    plan.notices += describe_missing(deployment.server.url, missing)
    holder = current_holder(deployment)
    if holder:
        plan.notices.append(f"The run {holder} holds the lock on this database ({LOCK_KEY.decode()}).")
    owner = deployment.session_of(LOCK_KEY)
    try:
        owner.retrying(lambda: check_commands(owner.data, LOCK_NEEDS, [LOCK_KEY]))
    except Refused:
        plan.notices.append(NO_LOCK)
    without = [entry.title for entry in request.patterns if not entry.backup]
    if without:
        more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
        but = ", but for those of other caches that ask for one" if request.saved else ""
        plan.notices.append(
            f"NO BACKUP is made of {', '.join(without[:_NAMED])}{more}{but}: these keys cannot be put back."
        )
    for run in _same_command(base, request, deployment.server):
        plan.continues = plan.continues or run.path.name
        plan.notices.append(f"The run {run.path.name} did not finish; this command continues it.")
    for run in unfinished_runs(base):
        if (
            run.path.name != plan.continues
            and deployment.server.is_database_of(run.manifest.get("server") or {})
            and pending_quarantines(run.path)
        ):
            plan.notices.append(
                f"The run {run.path.name} did not finish and has renamed big keys away: repeat its command "
                f"(patterns {', '.join(entry['pattern'] for entry in run.manifest['patterns'])}, "
                f"URL {run.manifest['server']['url']}), or restore it."
            )


def _same_command(base: Path, request: FlushRequest, server: ServerInfo) -> list[UnfinishedRun]:
    """Return the unfinished runs of this command, newest first, through whichever Sentinel or node they were begun."""
    fingerprint = request.fingerprint(server)
    return [
        run
        for run in unfinished_runs(base)
        if run.manifest.get("fingerprint") == fingerprint
        or (run.manifest.get("command") == request.command and server.is_database_of(run.manifest["server"]))
    ]


def _check_storage(request: FlushRequest, options: FlushOptions, base: Path, plan: FlushPlan) -> None:
    """Refuse a folder that cannot take the backup, in check mode, too: nothing is made there."""
    with_backup = request.makes_backup
    if with_backup and not options.accept_ephemeral_storage:
        refuse_ephemeral(base, "O(backup_dir)", "O(accept_ephemeral_storage)")
    existing = refuse_unwritable(base)
    needed = int(plan.estimated_bytes * _SPACE_FACTOR)
    free = shutil.disk_usage(existing).free
    if with_backup and free < needed:
        raise Refused(
            f"The backup needs about {needed} bytes below {base}, where {free} are free; "
            "free space there, or name a folder on another disk."
        )


def _apply(
    deployment: Deployment,
    request: FlushRequest,
    options: FlushOptions,
    base: Path,
    result: FlushResult,
    throttle: Throttle,
    progress: Progress,
) -> None:
    server, plan = deployment.server, result.plan
    try:
        folder, resumed = _open_folder(server, request, options, base)
    except OSError as exc:
        raise folder_failed(base, exc) from exc
    lock = DatabaseLock(deployment, folder.run_id)
    phases: dict[str, float] = {}
    began = time.monotonic()

    def between() -> None:
        deployment.check()
        lock.renew()

    work = NodeFlushes(
        deployment, request, folder, throttle, between, progress, plan.to_change, Allowance(request, plan)
    )

    def note() -> None:
        counts = work.counts()
        result.run_id, result.resumed = folder.run_id, resumed
        result.begun = bool(work.flushes)
        result.counts, result.removed, result.changed = counts, counts.removed, counts.removed > 0
        result.curve, result.nodes, result.settled = work.curve, work.per_node(), work.settled
        result.backup = _describe_backup(folder)
        result.notices = list(dict.fromkeys([*plan.notices, *work.notices, *([lock.warning] if lock.warning else [])]))
        result.reconnects, result.failovers = deployment.reconnects, deployment.failovers
        result.back_offs = throttle.back_offs
        result.phases = phases

    try:
        with exclusive(base / f".lock-{database_hash(server)}", "Another flush of this database"), lock:
            work.flush()
            phases["flush"] = round(time.monotonic() - began, 3)
            remaining = work.count_remaining()
            phases["verify"] = round(time.monotonic() - began - phases["flush"], 3)
        work.report_progress(force=True)
        folder.save(
            state="done",
            ended=rfc3339(utc_now()),
            rdb_version=work.rdb_version or folder.manifest.get("rdb_version", 0),
            removed=sum(entry.get("removed", 0) for entry in read_journal(folder.path)),
        )
    except (RunbookError, OSError) as exc:
        # A disk that is full fails these too; the run stays unfinished then, and the same command continues it.
        with contextlib.suppress(OSError):
            work.close()
            folder.save(state="interrupted" if isinstance(exc, Interrupted) else "failed", ended=rfc3339(utc_now()))
        if isinstance(exc, Refused) and not work.flushes and not resumed:
            folder.discard()
        note()
        error = _sentence(exc, folder, result.removed)
        result.state, result.remaining = error.state, None
        error.reached = result
        raise error from exc
    else:
        note()
        result.state, result.remaining = "done", remaining
        result.removed_backups = _apply_retention(base, options.backup_keep, folder, server)
    finally:
        folder.close()


def _apply_retention(base: Path, keep: int, folder: RunFolder, server: ServerInfo) -> list[str]:
    """Keep the newest backups of this database; a run without a record is no backup and counts for nothing."""

    def counts(manifest: t.Mapping[str, t.Any]) -> bool:
        return server.is_database_of(manifest.get("server") or {}) and any(
            part["records"] for part in manifest["parts"]
        )

    return apply_retention(base, keep, folder.path, counts) if counts(folder.manifest) else []


def _sentence(cause: RunbookError | OSError, folder: RunFolder, removed: int) -> RunbookError:
    if isinstance(cause, Interrupted):
        return Interrupted(
            f"The flush was {cause} after {removed} keys; run the same command again: it continues run {folder.run_id}."
        )
    if isinstance(cause, OSError):
        return folder_failed(folder.path, cause)
    # Nothing is refused any more where something was done.
    return Refused(str(cause)) if isinstance(cause, Refused) and not removed else RunbookError(str(cause))


def _open_folder(
    server: ServerInfo, request: FlushRequest, options: FlushOptions, base: Path
) -> tuple[RunFolder, bool]:
    """Continue the unfinished run of the same command, or begin a new one."""
    folder = RunFolder.resume(_same_command(base, request, server)) if base.exists() else None
    if folder is None:
        manifest = {
            "format": MANIFEST_FORMAT,
            "run_id": options.run_id,
            "runbook": "flush_redis",
            "state": "running",
            "fingerprint": request.fingerprint(server),
            "command": request.command,
            "started": rfc3339(utc_now()),
            "server": asdict(server),
            "patterns": [asdict(entry) for entry in request.patterns],
            "mode": request.mode,
            "parts": [],
        }
        return RunFolder.create(base, options.run_id, manifest), False
    closed = {part["file"] for part in folder.manifest["parts"]}
    nodes = {entry["opened"]: entry["node"] for entry in read_journal(folder.path) if "opened" in entry}
    for path in sorted(folder.path.glob("part-*.resp.gz")):
        if path.name not in closed:
            backup.cut_torn_tail(path)
            if not path.stat().st_size:
                path.unlink()
                continue
            part = {**backup.describe_part(path), "node": nodes.get(backup.number_of(path), server.url)}
            folder.manifest["parts"].append(part)
    folder.save(state="running", server=asdict(server))
    return folder, True


def _describe_backup(folder: RunFolder) -> SavedKeys:
    parts = folder.manifest.get("parts", [])
    return SavedKeys(
        str(folder.path), parts, sum(part["records"] for part in parts), sum(part["bytes"] for part in parts)
    )
