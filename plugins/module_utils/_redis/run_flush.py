# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of flush-redis: plan, guards, backup, flush, proof, recovery. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import shutil
import time
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from .._errors import Interrupted, InvalidInput, Refused, RunbookError
from .._run import (
    Progress,
    RunFolder,
    Stop,
    apply_retention,
    exclusive,
    folder_failed,
    make_private_directory,
    read_journal,
    refuse_ephemeral,
    rfc3339,
    unfinished_runs,
    utc_now,
)
from . import backup
from .bigkey import QUARANTINED, pending_quarantines
from .connection import RedisSettings, ServerInfo
from .flush import Flush, FlushCounts
from .lock import KEY as LOCK_KEY
from .lock import DatabaseLock, current_holder
from .names import to_bytes
from .plan import (
    FlushPlan,
    FlushRequest,
    check_plan,
    check_request,
    check_rights,
    check_server,
    database_hash,
    make_plan,
    pending_keys,
)
from .recovery import measure_traffic, server_health, watch_recovery
from .scan import scan
from .session import SCAN, Session
from .throttle import Throttle

MANIFEST_FORMAT = "market_intel.runbooks/redis-backup/1"
_SPACE_FACTOR = 1.2

_RIGHTS: dict[str, list[bytes]] = {
    "SCAN": [b"SCAN", b"0", b""],
    "MEMORY USAGE": [b"MEMORY", b"USAGE", b""],
    "PTTL": [b"PTTL", b""],
    "DUMP": [b"DUMP", b""],
    "PEXPIRETIME": [b"PEXPIRETIME", b""],
    "GET": [b"GET", b""],
    "RENAMENX": [b"RENAMENX", b"", QUARANTINED],
    **{name: [name.encode(), b""] for name in ("EXISTS", "TYPE")},
    "GETRANGE": [b"GETRANGE", b"", b"0", b"1"],
    "LRANGE": [b"LRANGE", b"", b"0", b"1"],
    "XRANGE": [b"XRANGE", b"", b"-", b"+"],
    "XPENDING": [b"XPENDING", b"", b"x"],
    "XINFO STREAM": [b"XINFO", b"STREAM", b""],
    "XINFO GROUPS": [b"XINFO", b"GROUPS", b""],
    "XINFO CONSUMERS": [b"XINFO", b"CONSUMERS", b"", b"x"],
    "TIME": [b"TIME"],
    **{name: [name.encode(), b"", b"0"] for name in ("HSCAN", "SSCAN", "ZSCAN")},
    "UNLINK": [b"UNLINK", b""],
    "PEXPIRE": [b"PEXPIRE", b"", b"1"],
    "PEXPIREAT": [b"PEXPIREAT", b"", b"0"],
    "EVALSHA": [b"EVALSHA", b"0" * 40, b"1", b""],
    "SCRIPT LOAD": [b"SCRIPT", b"LOAD", b""],
}


@dataclass(frozen=True)
class FlushOptions:
    """Everything about a run that is not what to flush."""

    settings: RedisSettings
    backup_dir: Path
    run_id: str
    backup_keep: int = 0
    accept_ephemeral_storage: bool = False
    check_mode: bool = False


def run_flush(options: FlushOptions, request: FlushRequest, stop: Stop, progress: Progress) -> dict[str, t.Any]:
    """Flush what the request names, or only plan it in check mode; return the same fields in both.

    Raises RunbookError with what was reached so far in its ``result``.
    """
    started = time.monotonic()
    check_request(request)
    if options.backup_keep < 0:
        raise InvalidInput(f"flush_redis_backup_keep is {options.backup_keep}; allowed is 0 (keeps all) or more.")
    base = options.backup_dir / "redis"
    session = Session(options.settings, options.run_id, stop.check)
    try:
        check_server(request, session.server)
        throttle = Throttle(
            session.monitor,
            rate_limit=request.rate_limit,
            batch_size=request.batch_size,
            max_latency=request.max_latency_ms / 1000,
            max_replica_lag=request.max_replica_lag_bytes,
            check_stop=stop.check,
        )
        health = session.retrying(lambda: server_health(session))

        def on_counted(found: int) -> None:
            stop.check()
            progress.report("counting", found, None)

        plan = session.retrying(lambda: make_plan(session, request, throttle, on_counted))
        session.retrying(lambda: _complete_plan(session, request, base, plan))
        result: dict[str, t.Any] = {
            "changed": plan.to_change > 0,
            "run_id": options.run_id,
            "plan": plan.as_result(),
            "before": health,
            "after": health,
            "state": "planned" if plan.to_change else "unchanged",
            "resumed": False,
            "removed": 0,
            "counts": asdict(FlushCounts()),
            "remaining": plan.to_change,
            "backup": {"path": "", "parts": [], "records": 0, "bytes": 0},
            "curve": [],
            "notices": plan.notices,
            "phases": {},
            "reconnects": session.reconnects,
            "back_offs": throttle.back_offs,
            "removed_backups": [],
            "baseline": None,
            "recovery": None,
            "seconds": round(time.monotonic() - started, 3),
        }
        try:
            check_plan(request, plan, confirm_needed=not options.check_mode)
            if plan.to_change:
                _check_storage(request, options, base)
        except Refused as exc:
            exc.result["plan"] = plan.as_result()
            raise
        if options.check_mode or not (plan.to_change or plan.continues):
            return result
        _check_space(base, plan)
        if request.recovery_timeout:
            result["baseline"] = session.retrying(lambda: measure_traffic(session, stop.check))
        result.update(_apply(session, request, options, base, plan, throttle, stop, progress))
        _look_after(session, request, health, result, stop)
        result["changed"] = result["removed"] > 0
        result["seconds"] = round(time.monotonic() - started, 3)
        return result
    except Interrupted as exc:
        if exc.result:
            raise
        raise Interrupted(f"The flush was {exc} before it removed a key; run the same command again.") from exc
    finally:
        session.close()


def _look_after(
    session: Session,
    request: FlushRequest,
    health: t.Mapping[str, t.Any],
    result: dict[str, t.Any],
    stop: Stop,
) -> None:
    """Add the server's health and how the cache recovers; the flush is done, so that nothing here fails it."""
    baseline, latency = result["baseline"], health["response_time_ms"]
    try:
        result["after"] = session.retrying(lambda: server_health(session))
        if not request.recovery_timeout or not result["removed"]:
            return
        ratio = baseline["hit_ratio"]
        recovery = watch_recovery(session, ratio, latency, result["removed"], request.recovery_timeout, stop.check)
        result["recovery"] = asdict(recovery)
    except RunbookError as exc:
        result["notices"].append(f"The server was not watched to the end after the flush: {exc}")


def _complete_plan(session: Session, request: FlushRequest, base: Path, plan: FlushPlan) -> None:
    patterns = [to_bytes(entry.pattern) for entry in request.patterns]
    plan.not_verified = check_rights(session.data, _RIGHTS, patterns)
    plan.notices = []
    holder = current_holder(session.data)
    if holder:
        plan.notices.append(f"The run {holder} holds the lock on this database ({LOCK_KEY.decode()}).")
    without = [entry.pattern for entry in request.patterns if not entry.backup]
    if without:
        plan.notices.append(f"NO BACKUP is made of {', '.join(without)}: these keys cannot be put back.")
    for run in unfinished_runs(base, request.fingerprint(session.server)):
        plan.continues = plan.continues or run.path.name
        plan.notices.append(f"The run {run.path.name} did not finish; this command continues it.")
    for run in unfinished_runs(base):
        if run.path.name != plan.continues and _is_of(run.manifest, session.server) and pending_quarantines(run.path):
            plan.notices.append(
                f"The run {run.path.name} did not finish and has renamed big keys away: repeat its command "
                f"(patterns {', '.join(entry['pattern'] for entry in run.manifest['patterns'])}), or restore it."
            )


def _is_of(manifest: t.Mapping[str, t.Any], server: ServerInfo) -> bool:
    """Tell whether a run was on the same database, whichever process serves it."""
    saved = manifest.get("server") or {}
    return bool((saved.get("url"), saved.get("database")) == (server.url, server.database))


def _check_storage(request: FlushRequest, options: FlushOptions, base: Path) -> None:
    if any(entry.backup for entry in request.patterns) and not options.accept_ephemeral_storage:
        refuse_ephemeral(base, "flush_redis_backup_dir", "flush_redis_accept_ephemeral_storage")


def _check_space(base: Path, plan: FlushPlan) -> None:
    make_private_directory(base)
    if not any(entry.backup for entry in plan.patterns):
        return
    needed = int(plan.estimated_bytes * _SPACE_FACTOR)
    free = shutil.disk_usage(base).free
    if free < needed:
        raise Refused(
            f"The backup needs about {needed} bytes below {base}, where {free} are free; "
            "free space there, or name a folder on another disk."
        )


def _apply(
    session: Session,
    request: FlushRequest,
    options: FlushOptions,
    base: Path,
    plan: FlushPlan,
    throttle: Throttle,
    stop: Stop,
    progress: Progress,
) -> dict[str, t.Any]:
    try:
        folder, resumed = _open_folder(session, request, options, base)
    except OSError as exc:
        raise folder_failed(base, exc) from exc
    lock = DatabaseLock(session, folder.run_id)
    flush: Flush | None = None
    phases: dict[str, float] = {}
    began = time.monotonic()

    def between() -> None:
        stop.check()
        lock.renew()

    def reached() -> dict[str, t.Any]:
        return {
            "run_id": folder.run_id,
            "resumed": resumed,
            "removed": flush.counts.removed if flush else 0,
            "counts": asdict(flush.counts) if flush else {},
            "curve": flush.curve if flush else [],
            "backup": _describe_backup(folder),
            "notices": [*plan.notices, *([lock.warning] if lock.warning else [])],
            "reconnects": session.reconnects,
            "back_offs": throttle.back_offs,
            "phases": phases,
        }

    try:
        with exclusive(base / f".lock-{database_hash(session.server)}", "Another flush of this database"), lock:
            flush = session.retrying(
                lambda: Flush(
                    session,
                    request,
                    throttle,
                    folder,
                    between=between,
                    on_progress=lambda removed: progress.report("flushing", removed, plan.to_change),
                )
            )
            recover = flush.recover_quarantined
            session.retrying(lambda: recover(pending_quarantines(folder.path)))
            for entry in request.patterns:
                flush.run(entry)
            flush.close()
            phases["flush"] = round(time.monotonic() - began, 3)
            remaining = session.retrying(lambda: _count_remaining(session, request, throttle, between, progress))
            phases["verify"] = round(time.monotonic() - began - phases["flush"], 3)
        progress.report("flushing", flush.counts.removed, plan.to_change, force=True)
        folder.save(
            state="done",
            ended=rfc3339(utc_now()),
            rdb_version=flush.rdb_version or folder.manifest.get("rdb_version", 0),
            removed=sum(entry.get("removed", 0) for entry in read_journal(folder.path)),
        )
    except (RunbookError, OSError) as exc:
        # A disk that is full fails these too; the run stays unfinished then, and the same command continues it.
        with contextlib.suppress(OSError):
            if flush is not None:
                flush.close()
            folder.save(state="interrupted" if isinstance(exc, Interrupted) else "failed", ended=rfc3339(utc_now()))
        if isinstance(exc, Refused) and flush is None and not resumed:
            folder.discard()
        error = _sentence(exc, folder, reached()["removed"])
        error.result.update(changed=reached()["removed"] > 0, plan=plan.as_result(), state=error.state, **reached())
        raise error from exc
    else:
        return {
            **reached(),
            "remaining": remaining,
            "state": "done",
            "removed_backups": _apply_retention(base, options.backup_keep, folder, session.server),
        }
    finally:
        folder.close()


def _apply_retention(base: Path, keep: int, folder: RunFolder, server: ServerInfo) -> list[str]:
    """Keep the newest backups of this database; a run without a record is no backup and counts for nothing."""

    def counts(manifest: t.Mapping[str, t.Any]) -> bool:
        return _is_of(manifest, server) and any(part["records"] for part in manifest["parts"])

    return apply_retention(base, keep, folder.path, counts) if counts(folder.manifest) else []


def _sentence(cause: RunbookError | OSError, folder: RunFolder, removed: int) -> RunbookError:
    if isinstance(cause, Interrupted):
        return Interrupted(
            f"The flush was {cause} after {removed} keys; run the same command again: it continues run {folder.run_id}."
        )
    if isinstance(cause, OSError):
        return folder_failed(folder.path, cause)
    return Refused(str(cause)) if isinstance(cause, Refused) else RunbookError(str(cause))


def _open_folder(session: Session, request: FlushRequest, options: FlushOptions, base: Path) -> tuple[RunFolder, bool]:
    """Continue the unfinished run of the same command, or begin a new one."""
    fingerprint = request.fingerprint(session.server)
    folder = RunFolder.resume(base, fingerprint) if base.exists() else None
    if folder is None:
        manifest = {
            "format": MANIFEST_FORMAT,
            "run_id": options.run_id,
            "runbook": "flush_redis",
            "state": "running",
            "fingerprint": fingerprint,
            "started": rfc3339(utc_now()),
            "server": asdict(session.server),
            "patterns": [asdict(entry) for entry in request.patterns],
            "mode": request.mode,
            "parts": [],
        }
        return RunFolder.create(base, options.run_id, manifest), False
    closed = {part["file"] for part in folder.manifest["parts"]}
    for path in sorted(folder.path.glob("part-*.resp.gz")):
        if path.name not in closed:
            backup.cut_torn_tail(path)
            if not path.stat().st_size:
                path.unlink()
                continue
            folder.manifest["parts"].append(backup.describe_part(path))
    folder.save(state="running", server=asdict(session.server))
    return folder, True


def _count_remaining(
    session: Session, request: FlushRequest, throttle: Throttle, between: t.Callable[[], None], progress: Progress
) -> int:
    """Count in a full pass what still matches: keys that were written since, or that changed again and again."""
    session.reset(SCAN)
    remaining = 0
    for entry in request.patterns:
        for page in scan(session.scan, entry.pattern, throttle.scan_count):
            remaining += len(pending_keys(session.data, page.keys, request))
            throttle.pace(0)
            between()
            progress.report("verifying", remaining, None)
    return remaining


def _describe_backup(folder: RunFolder) -> dict[str, t.Any]:
    parts = folder.manifest.get("parts", [])
    return {
        "path": str(folder.path),
        "parts": parts,
        "records": sum(part["records"] for part in parts),
        "bytes": sum(part["bytes"] for part in parts),
    }
