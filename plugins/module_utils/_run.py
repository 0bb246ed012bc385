# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run: its id, its folder and journal, its stop requests and its progress. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import tempfile
import threading
import time
import typing as t
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ._errors import Interrupted, InvalidInput, Refused, RunbookError, as_clause
from ._time import compact, parse_compact, utc_now

RUN_ID = re.compile(r"[0-9]{8}t[0-9]{6}z-[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{4}")
MANIFEST = "manifest.json"
JOURNAL = "journal.jsonl"
LOCK = "lock"


def new_run_id(runbook: str) -> str:
    """Return an id such as ``20261123t101500z-flush-redis-7f3a``, which is a legal Kubernetes name as well."""
    return f"{compact(utc_now())}-{runbook.replace('_', '-')}-{secrets.token_hex(2)}"


def run_began(run_id: str) -> datetime | None:
    """Return when a run began, which its id tells; None where its digits are not a time."""
    return parse_compact(run_id[:16])


def check_run_id(run_id: str) -> str:
    if not RUN_ID.fullmatch(run_id):
        raise InvalidInput(
            f"O(run_id) is {run_id!r}, which is not valid; allowed is the form 20261123t101500z-flush-redis-7f3a: "
            "leave it empty to have one made."
        )
    return run_id


def absolute_directory(path: str, option: str) -> Path:
    """Return the path, or raise InvalidInput if it is relative: a module cannot know what it is relative to."""
    expanded = Path(os.path.expanduser(path))
    if not expanded.is_absolute():
        raise InvalidInput(
            f"{option} is the relative path {path!r}; allowed is an absolute path, or one that begins with ~."
        )
    return expanded


def ephemeral_reason(path: Path) -> str | None:
    """Say why what is stored at ``path`` would not outlive the run, or None if it would."""
    resolved = Path(os.path.realpath(path))
    if "ansible_collections" in resolved.parts:
        return "inside an installed collection, which an upgrade replaces"
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        if resolved.is_relative_to(os.path.realpath(folder)):
            return "in a temporary folder"
    if Path("/run/.containerenv").exists() or Path("/.dockerenv").exists() or "AWX_ISOLATED_DATA_DIR" in os.environ:
        existing = next(parent for parent in (resolved, *resolved.parents) if parent.exists())
        if existing.stat().st_dev == Path("/").stat().st_dev:
            return "on the disk of a container, which ends with its job"
    return None


def refuse_ephemeral(path: Path, option: str, accept_option: str) -> None:
    reason = ephemeral_reason(path)
    if reason:
        raise Refused(
            f"{option} is {path}, which is {reason}; a backup must outlive the run: "
            "name a folder on a lasting disk, such as a mounted volume, or accept the loss with "
            f"{accept_option}=true."
        )


def write_json(path: Path, content: t.Mapping[str, t.Any]) -> None:
    """Replace a file atomically and durably, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.partial")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """Write a file durably that only its owner reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Stop:
    """A request to stop at the next safe point: a signal, the guard, or the end of the process that controls the run.

    Ansible does not run ``rescue`` or ``always`` on a signal, and a module outlives a killed ansible-playbook.
    """

    def __init__(self, controllers: t.Sequence[int] = (), guard: str | None = None) -> None:
        """``controllers`` are the process ids whose end means that nobody waits for the result any more.

        ``guard`` is the path of a file that is empty until the guard stops the run, and says why then.
        """
        # One that cannot be seen from here (another machine, a hidden /proc) says nothing by its absence.
        self._controllers = [(pid, started) for pid in controllers if (started := start_time(pid)) is not None]
        self._guard = guard
        self._signal: int | None = None
        self._checked = 0.0

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: t.Any) -> None:
        self._signal = number

    def check(self) -> None:
        """Raise Interrupted if a stop was requested."""
        if self._signal is not None:
            raise Interrupted(f"stopped by {signal.Signals(self._signal).name}")
        now = time.monotonic()
        if now - self._checked > 0.2:
            self._checked = now
            for pid, started in self._controllers:
                if start_time(pid) != started:
                    raise Interrupted("stopped because the controlling ansible process is gone")
            reason = _content(self._guard) if self._guard else ""
            if reason:
                raise Interrupted(f"stopped by the guard ({as_clause(reason)})")


def _content(path: str) -> str:
    """Return what a file says, nothing where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def start_time(pid: int) -> str | None:
    """Return when a process began, in the kernel's own measure, or None if it is not alive (or hidden)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]


def is_alive(pid: int, started: str) -> bool:
    """Tell whether a process that began then may be alive; one that cannot be seen (a hidden /proc) may."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not _is_zombie(pid) and start_time(pid) in (None, started)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in ("Z", "X")
    except OSError:
        return False


class Progress:
    """Writes progress as JSON lines to the file that the action plugin reads; does nothing without one."""

    def __init__(self, path: str | None, interval: float = 0.5) -> None:
        self._path = path
        self._interval = interval
        self._started = time.monotonic()
        self._next = 0.0

    def report(self, phase: str, done: int, total: int | None, unit: str = "keys", *, force: bool = False) -> None:
        """Report ``done`` of ``total``; calls within the interval (seconds) are dropped unless ``force``."""
        now = time.monotonic()
        if self._path is None or (now < self._next and not force):
            return
        self._next = now + self._interval
        line = {"phase": phase, "done": done, "total": total, "unit": unit, "elapsed": round(now - self._started, 3)}
        with contextlib.suppress(OSError), open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class UnfinishedRun:
    path: Path
    manifest: dict[str, t.Any]


class RunFolder:
    """The folder of one run below a backup folder, held by one process at a time.

    The kernel releases the lock when its holder dies, however it dies, so an unfinished run is one whose manifest is
    not final and whose lock is free.
    """

    FINAL_STATES = ("done", "rolled_back", "abandoned")

    def __init__(self, path: Path, lock: int, manifest: dict[str, t.Any]) -> None:
        self.path = path
        self._lock = lock
        self._mutex = threading.Lock()
        self.manifest = manifest
        self._journal = os.open(path / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        _end_torn_line(self._journal)

    @property
    def run_id(self) -> str:
        return str(self.manifest.get("run_id", self.path.name))

    @classmethod
    def create(cls, base: Path, run_id: str, manifest: dict[str, t.Any]) -> RunFolder:
        make_private_directory(base)
        path = base / check_run_id(run_id)
        try:
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                # Several hosts of a play share the id of the run.
                if "fingerprint" not in manifest or read_manifest(path).get("fingerprint") == manifest["fingerprint"]:
                    raise
                path = path.with_name(f"{run_id}-{manifest['fingerprint'][:4]}")
                path.mkdir(mode=0o700)
            sync_directory(base)
            lock = _try_lock(path / LOCK)
            if lock is None:
                raise Refused(f"Another process holds {path}; wait until it has finished.")
            folder = cls(path, lock, manifest)
            folder.save()
        except FileExistsError:
            raise Refused(
                f"The run folder {path} exists already; a run id is used once: leave the run id empty."
            ) from None
        except OSError as exc:
            raise folder_failed(path, exc) from exc
        return folder

    @classmethod
    def take(cls, base: Path, run_id: str) -> RunFolder:
        """Open the folder of a run that was begun; raise InvalidInput if there is none."""
        path = base / check_run_id(run_id)
        manifest = read_manifest(path)
        if not manifest:
            known = ", ".join(each.parent.name for each in _newest_first(base)[:3])
            raise InvalidInput(
                f"There is no run {run_id} below {base}; {f'the newest are {known}' if known else 'it has none'}: name "
                "another, or the folder that backups are in."
            )
        lock = _try_lock(path / LOCK)
        if lock is None:
            raise Refused(f"Another process works on the run {run_id} at this moment; wait until it has finished.")
        return cls(path, lock, manifest)

    @property
    def is_final(self) -> bool:
        return self.manifest.get("state") in self.FINAL_STATES

    def discard(self) -> None:
        """Remove the folder of a run that has not begun."""
        shutil.rmtree(self.path)

    @classmethod
    def resume(cls, runs: t.Iterable[UnfinishedRun]) -> RunFolder | None:
        """Take over the first of these runs, which do the same, if its process is gone.

        A run that is still held by a live process is refused: two flushes of the same keys must not run at once.
        """
        for run in runs:
            lock = _try_lock(run.path / LOCK)
            if lock is None:
                raise Refused(
                    f"The run {run.path.name} does the same at this moment (its process holds {run.path / LOCK}); "
                    "wait until it has finished."
                )
            return cls(run.path, lock, run.manifest)
        return None

    def save(self, **changes: t.Any) -> None:
        with self._mutex:
            self.manifest.update(changes)
            write_json(self.path / MANIFEST, self.manifest)

    def add_part(self, part: t.Mapping[str, t.Any]) -> None:
        """Put a finished file of the run on record; several threads may do so."""
        with self._mutex:
            self.manifest["parts"] = [*self.manifest.get("parts", []), dict(part)]
            write_json(self.path / MANIFEST, self.manifest)

    def record(self, *, durable: bool = False, **entry: t.Any) -> None:
        """Append an entry to the journal; ``durable`` waits until the disk has it."""
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        if os.write(self._journal, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if durable:
            os.fdatasync(self._journal)

    def close(self) -> None:
        os.close(self._journal)
        os.close(self._lock)


def _end_torn_line(journal: int) -> None:
    """Keep what is recorded next apart from a line that a crash has torn."""
    size = os.fstat(journal).st_size
    if size and os.pread(journal, 1, size - 1) != b"\n":
        os.write(journal, b"\n")


def make_private_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidInput(
            f"The folder {path} cannot be made ({exc.strerror}); name a folder in which this user may write."
        ) from exc
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidInput(
            f"The folder {path} is not writable for this user; name a folder in which this user may write."
        )


def refuse_unwritable(path: Path) -> Path:
    """Return the folder, or what there is of its parents, in which can be written; raise InvalidInput if in neither.

    A file without a name is made there and vanishes, which tells more than permissions do: read-only disks, quotas.
    """
    existing = next(folder for folder in (path, *path.parents) if os.path.exists(folder))
    try:
        with tempfile.TemporaryFile(dir=existing):
            return existing
    except OSError as exc:
        raise InvalidInput(
            f"The folder {path} cannot be written ({exc.strerror}); name a folder in which this user may write."
        ) from exc


def unfinished_runs(base: Path, fingerprint: str | None = None) -> list[UnfinishedRun]:
    """Return the unfinished runs, or those with this fingerprint, newest first."""
    runs = []
    for path in _newest_first(base):
        manifest = read_manifest(path.parent)
        if fingerprint in (None, manifest.get("fingerprint")) and manifest.get("state") not in RunFolder.FINAL_STATES:
            runs.append(UnfinishedRun(path.parent, manifest))
    return runs


def is_held(path: Path) -> bool:
    """Tell whether a process holds the folder of a run at this moment."""
    try:
        lock = _try_lock(path / LOCK)
    except OSError:
        # A copy that cannot be written, as on a read-only disk, is nobody's run.
        return False
    if lock is not None:
        os.close(lock)
    return lock is None


def read_manifest(path: Path) -> dict[str, t.Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def read_journal(path: Path) -> list[dict[str, t.Any]]:
    """Return the journal's entries without those that a crash has torn."""
    entries: list[dict[str, t.Any]] = []
    with contextlib.suppress(OSError), open(path / JOURNAL, encoding="utf-8", errors="replace") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                entries += [entry] if isinstance(entry, dict) else []
    return entries


def apply_retention(
    base: Path, keep: int, current: Path, counts: t.Callable[[t.Mapping[str, t.Any]], bool]
) -> list[str]:
    """Remove the oldest finished runs beyond ``keep`` (0 keeps all); never ``current`` or an unfinished one.

    Only runs count, and are removed, for whose manifest ``counts`` is true.
    """
    finished = []
    for path in _newest_first(base):
        manifest = read_manifest(path.parent)
        if path.parent != current and manifest.get("state") in RunFolder.FINAL_STATES and counts(manifest):
            finished.append(path.parent)
    doomed = finished[max(keep - 1, 0) :] if keep else []
    for path in doomed:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in doomed]


def _newest_first(base: Path) -> list[Path]:
    """Return the manifests below a folder; ids of runs of the same second do not tell which was later."""
    manifests = []
    for path in base.glob("*/" + MANIFEST):
        # A run of another host of the play may be removed at this moment.
        with contextlib.suppress(OSError):
            manifests.append((path.parent.name[:16], path.stat().st_mtime_ns, path))
    return [path for _second, _time, path in sorted(manifests, reverse=True)]


@contextlib.contextmanager
def exclusive(path: Path, what: str) -> t.Iterator[None]:
    """Hold a lock file, or raise Refused if another process of this machine does."""
    lock = _try_lock(path)
    if lock is None:
        raise Refused(f"{what} is under way on this machine (its process holds {path}); wait until it has finished.")
    try:
        yield
    finally:
        os.close(lock)


def folder_failed(path: Path, cause: OSError) -> RunbookError:
    """Say in one sentence that the folder of a run cannot be written."""
    return RunbookError(
        f"The run folder {path} cannot be written ({cause.strerror}); "
        "free space on that disk or name another folder, then run the same command again."
    )


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
