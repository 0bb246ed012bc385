# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Lease of the cluster that one run at a time holds. PRIVATE to the collection.

It is the only state of a run in a cluster. Every write carries the resourceVersion of what was read, so that of two
runs that see it expire one takes it. It expires by itself: nobody has to clean up after a run that was killed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .._errors import Refused, RunbookError
from .._run import is_alive, start_time
from .._time import clock, parse_time, rfc3339_micro
from .client import ApiError, ApiLogin, Object, Right

GROUP = "coordination.k8s.io"
DEFAULT_SECONDS = 120
# Which process stands behind the holder, so that nobody on its machine waits for one that is dead.
_PROCESS = "market-intel.runbooks/process"
_CONFLICT = 409
_NEVER = datetime.fromtimestamp(0, timezone.utc)
_MOST_CONFLICTS = 5


@dataclass(frozen=True)
class LeaseName:
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def collection(self) -> str:
        return f"/apis/{GROUP}/v1/namespaces/{self.namespace}/leases"

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.name}"

    def rights(self) -> list[Right]:
        """Return what has to be allowed to hold it."""
        named = [Right(verb, "leases", self.namespace, self.name, GROUP) for verb in ("get", "update")]
        return [Right("create", "leases", self.namespace, group=GROUP), *named]


@dataclass(frozen=True)
class Holder:
    """Who holds a Lease until when; ``expired`` is as the API server's clock says, or because its process is dead."""

    run_id: str
    until: datetime
    expired: bool


def holder(login: ApiLogin, lease: LeaseName) -> Holder | None:
    """Return who holds a Lease, even if it has expired; None if it was given back or never taken."""
    return _holder(login, login.find(f"get the lease {lease}", lease.path))


def process_of(pid: int) -> str:
    """Return the words by which a Lease names a process of this machine; empty if it cannot be seen."""
    started = start_time(pid) if pid else None
    return f"{_machine()}/{pid}/{started}" if started else ""


def acquire(
    login: ApiLogin, lease: LeaseName, run_id: str, seconds: int = DEFAULT_SECONDS, process: str = ""
) -> Holder | None:
    """Hold a Lease for so many seconds, and return the run that it was taken over from, if there is one.

    A run takes its own again, and one that has expired. Raises Refused while another run holds it.
    """
    for _attempt in range(_MOST_CONFLICTS):
        found = login.find(f"get the lease {lease}", lease.path)
        before = _holder(login, found)
        if before and before.run_id != run_id and not before.expired:
            raise Refused(
                f"The run {before.run_id} is at work in the namespace {lease.namespace} (it holds the lease "
                f"{lease.name} until {clock(before.until)}); wait until it has finished, or until then."
            )
        try:
            _write(login, lease, found, run_id, seconds, process)
        except ApiError as exc:
            if exc.status != _CONFLICT:
                raise
            continue
        return before if before and before.run_id != run_id else None
    raise RunbookError(f"The lease {lease} is being written by others all the time; run the same command again.")


def release(login: ApiLogin, lease: LeaseName, run_id: str) -> bool:
    """Give a Lease back; return False if it is not this run's any more."""
    for _attempt in range(_MOST_CONFLICTS):
        found = login.find(f"get the lease {lease}", lease.path)
        before = _holder(login, found)
        if before is None or before.run_id != run_id:
            return False
        try:
            _write(login, lease, found, "", 1)
        except ApiError as exc:
            if exc.status != _CONFLICT:
                raise
            continue
        return True
    return False


@contextlib.contextmanager
def held_lease(
    login: ApiLogin, lease: LeaseName | None, run_id: str, seconds: int = DEFAULT_SECONDS, process: str = ""
) -> t.Iterator[Keeper]:
    """Hold a Lease while the block works, renewed by a thread; it stays held afterwards, for the run's next step.

    Nothing is held without a name, or where the login only tries.
    """
    keeper = Keeper(login, lease, run_id, seconds, process)
    if lease is None or login.dry_run:
        yield keeper
        return
    acquire(login, lease, run_id, seconds, process)
    thread = threading.Thread(target=keeper.run, name=f"lease {lease}", daemon=True)
    thread.start()
    try:
        yield keeper
        keeper.check()
    finally:
        keeper.stop()
        thread.join()


class Keeper:
    """Renews a Lease every third of its time."""

    def __init__(self, login: ApiLogin, lease: LeaseName | None, run_id: str, seconds: int, process: str) -> None:
        self._login, self._lease, self._run_id, self._seconds = login, lease, run_id, seconds
        self._process = process
        self._over = threading.Event()
        self._lost: RunbookError | None = None

    def check(self) -> None:
        """Raise, at a safe point, if another run has the Lease now."""
        if self._lost:
            raise self._lost

    def stop(self) -> None:
        self._over.set()

    def run(self) -> None:
        while not self._over.wait(self._seconds / 3):
            try:
                acquire(self._login, t.cast(LeaseName, self._lease), self._run_id, self._seconds, self._process)
            except Refused as exc:
                self._lost = exc
                return
            # An API server that is away for a moment; while it is, nobody else gets the Lease either.
            except RunbookError:
                continue


def _holder(login: ApiLogin, found: Object | None) -> Holder | None:
    spec = (found or {}).get("spec") or {}
    if not spec.get("holderIdentity"):
        return None
    # One that was never renewed has expired, as for every client of a Lease.
    renewed = parse_time(spec.get("renewTime")) or _NEVER
    until = renewed + timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
    process = (t.cast(Object, found)["metadata"].get("annotations") or {}).get(_PROCESS, "")
    return Holder(spec["holderIdentity"], until, login.now() > until or _is_dead(process))


def _is_dead(process: str) -> bool:
    rest, _slash, started = process.rpartition("/")
    machine, _slash, pid = rest.rpartition("/")
    return bool(pid) and machine == _machine() and not is_alive(int(pid), started)


def _machine() -> str:
    """Return what no other machine, boot or container has."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return "unknown"


def _write(
    login: ApiLogin, lease: LeaseName, found: Object | None, run_id: str, seconds: int, process: str = ""
) -> None:
    now = rfc3339_micro(login.now())
    before = (found or {}).get("spec") or {}
    spec: Object = {"holderIdentity": run_id, "leaseDurationSeconds": seconds, "renewTime": now}
    same = before.get("holderIdentity") == run_id
    spec["acquireTime"] = before.get("acquireTime", now) if same else now
    spec["leaseTransitions"] = before.get("leaseTransitions", 0) + (not same)
    metadata: Object = {"name": lease.name, "namespace": lease.namespace, "annotations": {_PROCESS: process}}
    if found:
        metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    method, path = ("PUT", lease.path) if found else ("POST", lease.collection)
    # Created twice, it is a conflict.
    login.request(f"write the lease {lease}", method, path, body=body, repeatable=True)
