# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The flushes of all primaries, in as many passes as a cluster needs. PRIVATE to the collection."""

from __future__ import annotations

import functools
import itertools
import time
import typing as t
from dataclasses import asdict

from .._errors import RunbookError
from .._run import Progress, RunFolder
from .._wait import wait_until
from . import backup
from .bigkey import pending_quarantines
from .connection import RedisUnavailable
from .deployment import Deployment, Tally
from .flush import Flush, FlushCounts
from .plan import Allowance, FlushRequest, pending_keys
from .scan import scan
from .session import FAILOVER_SECONDS, SCAN, Session
from .throttle import Throttle

_PASSES = 20
_PASSES_FOR_STRAYS = 3
_PASS_PAUSE = 0.5
_CURVE_SECONDS = 0.25


class NodeFlushes:
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
        allowance: Allowance,
    ) -> None:
        self._deployment = deployment
        self._request = request
        self._folder = folder
        self._throttle = throttle
        self._between = between
        self._progress = progress
        self._expected = expected
        self._allowance = allowance
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
            if session.retrying(lambda: self._deployment.serves(session, *self._request.globs)):
                flush.run()

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
            allow=functools.partial(self._allowance.check, session),
        )

    def count_remaining(self) -> int:
        """Count in a full pass what still matches: keys that were written since, or that changed again and again."""
        found = Tally(lambda total: self._progress.report("verifying", total, None))
        return sum(self._deployment.each(lambda session: session.retrying(lambda: self._count_node(session, found))))

    def _count_node(self, session: Session, found: Tally) -> int:
        session.reset(SCAN)
        remaining = 0
        if not self._deployment.serves(session, *self._request.globs):
            return remaining
        with self._throttle.on(session.monitor) as pace:
            for page in scan(session.scan, self._request.matcher, pace.scan_count):
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
