# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections of one run, and how they come back after a drop. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import RunbookError
from .._wait import wait_until
from .connection import (
    PASSING,
    CommandError,
    Connection,
    ConnectionLost,
    RedisSettings,
    RedisUnavailable,
    ServerInfo,
    connection_lost,
    parse_replicas,
    replica_offsets,
)
from .topology import Endpoint

DATA = "data"
SCAN = "scan"
MONITOR = "monitor"

RECONNECT_SECONDS = 20.0
# Sentinels wait for half a minute as a rule before they act, and clusters for a quarter.
FAILOVER_SECONDS = 120.0
_MAX_RECONNECTS = 100
_CONFIRM_SECONDS = 5.0

T = t.TypeVar("T")


class ServerChanged(RunbookError):
    """After a reconnect another server process answers, which is not known to have the data of the one before."""


class Session:
    """The connections of one run to one primary, each for a purpose of its own."""

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        check_stop: t.Callable[[], None] = lambda: None,
        *,
        place: RedisSettings | None = None,
    ) -> None:
        """``place`` is where the endpoint is known to be, if somebody has just been asked."""
        self.endpoint = endpoint
        self._name = name
        self._check_stop = check_stop
        self._open: dict[str, Connection] = {}
        self._run_id = ""
        self._lineage: set[str] = set()
        self._place = place
        self._behind: set[str] = set()
        self._absent = 0
        self.reconnects = 0
        self.failovers = 0
        self.server: ServerInfo = self.connection(DATA).server

    def connection(self, purpose: str) -> Connection:
        if purpose not in self._open:
            connection = self._connect(self._where)
            try:
                self._identify(connection)
            except RunbookError:
                connection.close()
                raise
            self._open[purpose] = connection
        return self._open[purpose]

    def _where(self) -> RedisSettings:
        """Return where the other connections lead or, without one, where the primary is now."""
        if self._place is None or (self._run_id and not self._open):
            self._place = self.endpoint.locate()
        return self._place

    def _connect(self, where: t.Callable[[], RedisSettings]) -> Connection:
        try:
            connection = Connection(where(), self._name)
            try:
                self.endpoint.check_ready(connection)
            except RunbookError:
                connection.close()
                raise
            return connection
        except ConnectionLost:
            raise
        except RedisUnavailable as exc:
            if not self._run_id:
                raise
            # It was there before, so that it may come back.
            cause = exc.__cause__ or exc
            raise connection_lost(self.server.url, str(cause)) from cause

    def _identify(self, connection: Connection) -> None:
        """See that this is the process that we know or, where one may take over, the heir of its data."""
        server = connection.server
        if server.run_id == self._run_id:
            return
        if self._run_id:
            heir = self._lineage & connection.lineage or self.endpoint.is_restart(self.server, server)
            if not self.endpoint.can_fail_over or not heir:
                raise ServerChanged(
                    f"Redis at {server.url} was restarted or replaced during the run (its run id is {server.run_id} "
                    f"instead of {self._run_id}); check it, then run the same command again."
                )
            if self._open:
                raise connection_lost(self.server.url, f"{server.url} has taken its place")
            self.failovers += 1
        self._run_id, self.server = server.run_id, server
        self._lineage |= connection.lineage

    @property
    def data(self) -> Connection:
        return self.connection(DATA)

    @property
    def scan(self) -> Connection:
        return self.connection(SCAN)

    def monitor(self) -> Connection:
        return self.connection(MONITOR)

    def reset(self, purpose: str) -> None:
        """Drop a connection with replies that nobody will read; the next use opens a new one."""
        connection = self._open.pop(purpose, None)
        if connection is not None:
            connection.close()

    def is_passing(self, cause: RunbookError) -> bool:
        """Tell whether ``reconnect`` may fix it: a lost connection, or a refusal while primaries change."""
        if isinstance(cause, CommandError):
            return self.endpoint.can_fail_over and cause.code in PASSING
        return isinstance(cause, ConnectionLost)

    def reconnect(self, cause: RunbookError) -> None:
        """Open the connections again within a bounded time, or raise ``cause``.

        Raises ServerChanged if another process answers that has not the data of the one before: scan cursors and the
        outcome of commands are void then. ``server`` and ``failovers`` tell whether another one has taken over.
        """
        self.close()

        def attempt() -> Connection | None:
            try:
                return self.data
            except RedisUnavailable:
                return None

        limit = FAILOVER_SECONDS if self.endpoint.can_fail_over else RECONNECT_SECONDS
        connection = wait_until(attempt, limit, max_interval=1.0, before_sleep=self._check_stop)
        if connection is None or self.reconnects >= _MAX_RECONNECTS:
            raise cause
        self.reconnects += 1

    def follow(self) -> bool:
        """Connect to another process if that is the primary by now; return False if nobody knows who it is.

        One that was deposed may serve its connections for a while, and forgets what it was told meanwhile.
        """
        try:
            place = self.endpoint.locate()
        except RedisUnavailable:
            return False
        try:
            connection = self._connect(lambda: place)
        except ConnectionLost as exc:
            self.reconnect(exc)
            return True
        connection.close()
        if connection.server.run_id != self._run_id:
            self.reconnect(connection_lost(self.server.url, "another primary has taken its place"))
        return True

    def replicas(self) -> int:
        """Return how many replicas are connected to the primary."""
        return len(replica_offsets(self.monitor().info("replication")))

    def confirm(self, replicas: int) -> bool:
        """See that as many replicas have what was written until now, and that no other process is the primary.

        Returns False if either could not be found out. A primary that was deposed meanwhile is left for its successor:
        ``failovers`` tells so, and what was written last may be gone.
        """
        if not self.endpoint.can_fail_over:
            return True

        confirmed = self.retrying(lambda: self._wait_for_replicas(replicas))
        return self.follow() and confirmed

    def _wait_for_replicas(self, replicas: int) -> bool:
        """Wait until all that are expected have what was written until now; for one that has not, only once."""
        written = int(self.monitor().info("replication").get("master_repl_offset", 0))
        # Each that has taken over was a replica before, and the primary before it may be dead.
        expected = max(replicas - self.failovers, 0)

        def lacking() -> tuple[set[str], int]:
            """Return which connected replicas are behind, and how many are not connected."""
            found = parse_replicas(self.monitor().info("replication"))
            online = [replica for replica in found if replica.get("state") == "online"]
            behind = {f"{each['ip']}:{each['port']}" for each in online if int(each["offset"]) < written}
            return behind, max(expected - len(online), 0)

        def none_to_wait_for() -> bool | None:
            behind, absent = lacking()
            return (behind <= self._behind and absent <= self._absent) or None

        wait_until(none_to_wait_for, _CONFIRM_SECONDS, before_sleep=self._check_stop)
        behind, absent = lacking()
        self._behind |= behind
        self._absent = max(self._absent, absent)
        return not behind and not absent

    def retrying(self, work: t.Callable[[], T]) -> T:
        """Run work that may be begun again after a lost connection or a failover, such as a pass that only reads."""
        while True:
            try:
                return work()
            except RunbookError as exc:
                if not self.is_passing(exc):
                    raise
                self.reconnect(exc)

    def close(self) -> None:
        for connection in self._open.values():
            with contextlib.suppress(OSError):
                connection.close()
        self._open.clear()
