# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run of flush-redis: plan, guards, backup, flush, proof, recovery. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import functools
import itertools
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
from .._wait import wait_until
from . import backup
from .bigkey import QUARANTINED, pending_quarantines
from .connection import RedisSettings, RedisUnavailable, ServerInfo
from .deployment import Deployment, Tally
from .flush import Flush, FlushCounts
from .lock import KEY as LOCK_KEY
from .lock import NO_RIGHTS, DatabaseLock, current_holder
from .lock import RIGHTS as LOCK_RIGHTS
from .names import to_bytes
from .plan import (
    FlushPlan,
    FlushRequest,
    NodeCount,
    check_plan,
    check_request,
    check_rights,
    check_server,
    count_matches,
    database_hash,
    make_plan,
    pending_keys,
)
from .recovery import measure_traffic, server_health, watch_recovery
from .scan import scan
from .session import FAILOVER_SECONDS, SCAN, Session
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
_CLUSTER_RIGHTS: dict[str, list[bytes]] = {"ASKING": [b"ASKING"], "CLUSTER NODES": [b"CLUSTER", b"NODES"]}

_PASSES = 20
_PASSES_FOR_STRAYS = 3
_PASS_PAUSE = 0.5
_CURVE_SECONDS = 0.25


@dataclass(frozen=True)
class FlushOptions:
    """Everything about a run that is not what to flush."""

    settings: RedisSettings
    backup_dir: Path
    run_id: str
    backup_keep: int = 0
    accept_ephemeral_storage: bool = False
    read_from: str = "primary"
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
    deployment = Deployment(options.settings, options.run_id, stop.check)
    try:
        check_server(request, deployment)
        throttle = Throttle(
            rate_limit=request.rate_limit,
            batch_size=request.batch_size,
            max_latency=request.max_latency_ms / 1000,
            max_replica_lag=request.max_replica_lag_bytes,
            check_stop=deployment.check,
        )
        health = server_health(deployment)
        plan = _plan(deployment, request, options, throttle, base, progress)
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
            "nodes": [],
            "settled": True,
            "notices": plan.notices,
            "phases": {},
            "reconnects": deployment.reconnects,
            "failovers": deployment.failovers,
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
            result["baseline"] = measure_traffic(deployment)
        result.update(_apply(deployment, request, options, base, plan, throttle, progress))
        _look_after(deployment, request, health, result)
        result["changed"] = result["removed"] > 0
        result["seconds"] = round(time.monotonic() - started, 3)
        return result
    except Interrupted as exc:
        if exc.result:
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
    """Count on all nodes, ask for the rights, and note what an operator has to know."""
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
    plan.notices = notices
    _complete_plan(deployment, request, base, plan)
    return plan


def _look_after(
    deployment: Deployment,
    request: FlushRequest,
    health: t.Mapping[str, t.Any],
    result: dict[str, t.Any],
) -> None:
    """Add the server's health and how the cache recovers; the flush is done, so that nothing here fails it."""
    try:
        result["after"] = server_health(deployment)
        if not request.recovery_timeout or not result["removed"]:
            return
        result["recovery"] = watch_recovery(
            deployment, result["baseline"], health, result["removed"], request.recovery_timeout
        )
    except RunbookError as exc:
        result["notices"].append(f"The server was not watched to the end after the flush: {exc}")


def _complete_plan(deployment: Deployment, request: FlushRequest, base: Path, plan: FlushPlan) -> None:
    patterns = [to_bytes(entry.pattern) for entry in request.patterns]
    rights = {**_RIGHTS, **(_CLUSTER_RIGHTS if deployment.clustered else {})}
    missing = deployment.each(
        lambda session: session.retrying(lambda: check_rights(session.data, rights, patterns)),
    )
    plan.not_verified = list(dict.fromkeys(line for lines in missing for line in lines))
    holder = current_holder(deployment)
    if holder:
        plan.notices.append(f"The run {holder} holds the lock on this database ({LOCK_KEY.decode()}).")
    owner = deployment.session_of(LOCK_KEY)
    try:
        owner.retrying(lambda: check_rights(owner.data, LOCK_RIGHTS, [LOCK_KEY]))
    except Refused:
        plan.notices.append(NO_RIGHTS)
    without = [entry.pattern for entry in request.patterns if not entry.backup]
    if without:
        plan.notices.append(f"NO BACKUP is made of {', '.join(without)}: these keys cannot be put back.")
    for run in unfinished_runs(base, request.fingerprint(deployment.server)):
        plan.continues = plan.continues or run.path.name
        plan.notices.append(f"The run {run.path.name} did not finish; this command continues it.")
    for run in unfinished_runs(base):
        if (
            run.path.name != plan.continues
            and _is_of(run.manifest, deployment.server)
            and pending_quarantines(run.path)
        ):
            plan.notices.append(
                f"The run {run.path.name} did not finish and has renamed big keys away: repeat its command "
                f"(patterns {', '.join(entry['pattern'] for entry in run.manifest['patterns'])}, "
                f"URL {run.manifest['server']['url']}), or restore it."
            )


def _is_of(manifest: t.Mapping[str, t.Any], server: ServerInfo) -> bool:
    """Tell whether a run was on the same database: at the same URL, or with a process of it that still serves it."""
    saved = manifest.get("server") or {}
    if saved.get("database") != server.database:
        return False
    processes = set(str(saved.get("run_id")).split("+")) & set(server.run_id.split("+"))
    return bool(saved.get("url") == server.url or processes)


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
    deployment: Deployment,
    request: FlushRequest,
    options: FlushOptions,
    base: Path,
    plan: FlushPlan,
    throttle: Throttle,
    progress: Progress,
) -> dict[str, t.Any]:
    server = deployment.server
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

    work = _NodeFlushes(deployment, request, folder, throttle, between, progress, plan.to_change)

    def reached() -> dict[str, t.Any]:
        counts = work.counts()
        return {
            "run_id": folder.run_id,
            "resumed": resumed,
            "removed": counts.removed,
            "counts": asdict(counts) if work.flushes else {},
            "curve": work.curve,
            "nodes": work.per_node(),
            "settled": work.settled,
            "backup": _describe_backup(folder),
            "notices": list(dict.fromkeys([*plan.notices, *work.notices, *([lock.warning] if lock.warning else [])])),
            "reconnects": deployment.reconnects,
            "failovers": deployment.failovers,
            "back_offs": throttle.back_offs,
            "phases": phases,
        }

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
        error = _sentence(exc, folder, reached()["removed"])
        error.result.update(changed=reached()["removed"] > 0, plan=plan.as_result(), state=error.state, **reached())
        raise error from exc
    else:
        return {
            **reached(),
            "remaining": remaining,
            "state": "done",
            "removed_backups": _apply_retention(base, options.backup_keep, folder, server),
        }
    finally:
        folder.close()


class _NodeFlushes:
    """The flushes of all primaries, in as many passes as a cluster needs that changes meanwhile."""

    def __init__(
        self,
        deployment: Deployment,
        request: FlushRequest,
        folder: RunFolder,
        throttle: Throttle,
        between: t.Callable[[], None],
        progress: Progress,
        expected: int,
    ) -> None:
        self._deployment = deployment
        self._request = request
        self._folder = folder
        self._throttle = throttle
        self._between = between
        self._progress = progress
        self._expected = expected
        self._removed = Tally(self._on_removed)
        newest = max((backup.number_of(path) for path in folder.path.glob("part-*.resp.gz")), default=0)
        self._part_numbers = itertools.count(newest + 1)
        self._started = time.monotonic()
        self.curve: list[tuple[float, int]] = [(0.0, 0)]
        self._replicas: dict[Session, int] = {}
        self._unconfirmed: set[Session] = set()
        self.settled = True
        self.flushes: dict[Session, Flush] = {}
        self.notices: list[str] = []

    def flush(self) -> None:
        """Flush on all nodes until none has seen a key on its way elsewhere."""
        self._refresh()
        todo = list(self._deployment.sessions)
        for number in itertools.count(1):
            epoch = self._deployment.epoch
            slots = {session: self._deployment.slots_of(session) for session in todo}
            self._deployment.each(functools.partial(self._flush_node, slots), todo)
            arriving = [session for session in todo if self.flushes[session].has_arriving]
            if arriving:
                self._deployment.each(self._flush_arriving, arriving)
            self._deployment.each(self._confirm_node, todo)
            self._refresh()
            todo = [session for session in self._deployment.sessions if self._needs_a_pass(session, number)]
            if self._deployment.epoch > epoch:
                # A slot may have been somewhere else for a while.
                todo = list(self._deployment.sessions)
            if not todo:
                break
            if number == _PASSES:
                self.settled = False
                self.notices.append(
                    "Slots of the cluster were being moved all the time, so that keys on their way may be left; "
                    "run the same command again when that has ended."
                )
                break
            self._throttle.sleep(_PASS_PAUSE)
        self.close()
        changed = [session.server.url for session in self._deployment.sessions if session.failovers]
        if changed:
            self.notices.append(
                f"Another primary has taken over during the run: {', '.join(changed)}; "
                "all keys there were walked again."
            )
        stray = sum(flush.stray for flush in self.flushes.values())
        if stray:
            self.settled = False
            self.notices.append(
                f"{stray} keys lie on nodes of the cluster that do not own their slots, where nobody can reach them; "
                "repair the cluster (redis-cli --cluster fix)."
            )
        for session in self._unconfirmed:
            self.settled = False
            self.notices.append(
                f"The replicas of {session.server.url} have not confirmed the last deletions, or nobody could be asked "
                "whether it is the primary still; after a failover keys may be there again."
            )
        pending = pending_quarantines(self._folder.path)
        if pending:
            raise RunbookError(
                f"{len(pending)} big keys were renamed away and are on their way between nodes of the cluster; "
                "run the same command again when slots are no longer moved: it finishes them."
            )

    def _confirm_node(self, session: Session) -> None:
        """See that the replicas that were there have the deletions, or else whether one of them is the primary now."""
        self._unconfirmed.discard(session)
        confirmed = session.confirm(self._replicas[session])
        flush = self.flushes[session]
        if flush.has_failed_over:
            flush.unsettled = True
        elif not confirmed:
            self._unconfirmed.add(session)

    def _refresh(self) -> None:
        """Wait for a cluster that is between two states, within the time that a failover may take."""

        def attempt() -> bool | None:
            try:
                self._deployment.refresh()
                return True
            except RedisUnavailable:
                return None

        if wait_until(attempt, FAILOVER_SECONDS, max_interval=1.0, before_sleep=self._deployment.check) is None:
            self._deployment.refresh()

    def _needs_a_pass(self, session: Session, number: int) -> bool:
        flush = self.flushes.get(session)
        return (
            flush is None
            or flush.unsettled
            or flush.slots != self._deployment.slots_of(session)
            or (flush.stray > 0 and number < _PASSES_FOR_STRAYS)
        )

    def _flush_node(self, slots: t.Mapping[Session, frozenset[int] | None], session: Session) -> None:
        if session not in self.flushes:
            self.flushes[session] = session.retrying(lambda: self._make(session))
        flush = self.flushes[session]
        with self._throttle.on(session.monitor):
            flush.begin_pass(slots[session])
            for entry in self._request.patterns:
                serves = functools.partial(self._deployment.serves, session, to_bytes(entry.pattern))
                if session.retrying(serves):
                    flush.run(entry)

    def _flush_arriving(self, session: Session) -> None:
        with self._throttle.on(session.monitor):
            self.flushes[session].run_arriving()

    def _make(self, session: Session) -> Flush:
        self._replicas[session] = session.replicas()
        return Flush(
            session,
            self._request,
            self._throttle.on(session.monitor),
            self._folder,
            self._part_numbers,
            between=self._between,
            on_progress=lambda removed: self._removed.set(session, removed),
        )

    def count_remaining(self) -> int:
        """Count in a full pass what still matches: keys that were written since, or that changed again and again."""
        found = Tally(lambda total: self._progress.report("verifying", total, None))
        return sum(self._deployment.each(lambda session: session.retrying(lambda: self._count_node(session, found))))

    def _count_node(self, session: Session, found: Tally) -> int:
        session.reset(SCAN)
        remaining = 0
        with self._throttle.on(session.monitor) as pace:
            for entry in self._request.patterns:
                if not self._deployment.serves(session, to_bytes(entry.pattern)):
                    continue
                for page in scan(session.scan, entry.pattern, pace.scan_count):
                    remaining += len(pending_keys(session.data, page.keys, self._request))
                    pace.pace(0)
                    self._between()
                    found.set(session, remaining)
        return remaining

    def close(self) -> None:
        for flush in self.flushes.values():
            flush.close()
        self._curve_point()

    # -- what was reached --------------------------------------------------------------------------------------------

    def counts(self) -> FlushCounts:
        total = FlushCounts()
        for flush in list(self.flushes.values()):
            for name, value in asdict(flush.counts).items():
                setattr(total, name, getattr(total, name) + value)
        return total

    def per_node(self) -> list[dict[str, t.Any]]:
        return [{"url": session.server.url, **asdict(flush.counts)} for session, flush in self.flushes.items()]

    @property
    def rdb_version(self) -> int:
        return max((flush.rdb_version for flush in self.flushes.values()), default=0)

    def report_progress(self, *, force: bool = False) -> None:
        self._progress.report("flushing", self.counts().removed, self._expected, force=force)

    def _on_removed(self, total: int) -> None:
        self._progress.report("flushing", total, self._expected)
        if time.monotonic() - self._started - self.curve[-1][0] >= _CURVE_SECONDS:
            self._curve_point()

    def _curve_point(self) -> None:
        self.curve.append((round(time.monotonic() - self._started, 3), self.counts().removed))


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


def _open_folder(
    server: ServerInfo, request: FlushRequest, options: FlushOptions, base: Path
) -> tuple[RunFolder, bool]:
    """Continue the unfinished run of the same command, or begin a new one."""
    fingerprint = request.fingerprint(server)
    folder = RunFolder.resume(base, fingerprint) if base.exists() else None
    if folder is None:
        manifest = {
            "format": MANIFEST_FORMAT,
            "run_id": options.run_id,
            "runbook": "flush_redis",
            "state": "running",
            "fingerprint": fingerprint,
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


def _describe_backup(folder: RunFolder) -> dict[str, t.Any]:
    parts = folder.manifest.get("parts", [])
    return {
        "path": str(folder.path),
        "parts": parts,
        "records": sum(part["records"] for part in parts),
        "bytes": sum(part["bytes"] for part in parts),
    }
