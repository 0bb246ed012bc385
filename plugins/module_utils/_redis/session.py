# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections of one run, and how they come back after a drop. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import RunbookError
from .._wait import wait_until
from .connection import Connection, ConnectionLost, RedisSettings, RedisUnavailable, ServerInfo, connection_lost

DATA = "data"
SCAN = "scan"
MONITOR = "monitor"

_RECONNECT_SECONDS = 20.0
_MAX_RECONNECTS = 100

T = t.TypeVar("T")


class ServerChanged(RunbookError):
    """After a reconnect another server process answers."""


class Session:
    """Up to three connections to one server process: for data, for scanning, for monitoring."""

    def __init__(self, settings: RedisSettings, name: str, check_stop: t.Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._name = name
        self._check_stop = check_stop
        self._open: dict[str, Connection] = {}
        self._run_id = ""
        self.server: ServerInfo = self.connection(DATA).server
        self.reconnects = 0

    def connection(self, purpose: str) -> Connection:
        if purpose not in self._open:
            connection = self._connect()
            if self._run_id not in ("", connection.server.run_id):
                connection.close()
                raise ServerChanged(
                    f"Redis at {connection.server.url} was restarted or replaced during the run (its run id is "
                    f"{connection.server.run_id} instead of {self._run_id}); check it, then run the same command again."
                )
            self._run_id = connection.server.run_id
            self._open[purpose] = connection
        return self._open[purpose]

    def _connect(self) -> Connection:
        try:
            return Connection(self._settings, self._name)
        except ConnectionLost:
            raise
        except RedisUnavailable as exc:
            if not self._run_id:
                raise
            # It was there before, so that it may come back.
            cause = exc.__cause__ or exc
            raise connection_lost(self._settings, cause) from cause

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

    def reconnect(self, cause: ConnectionLost) -> None:
        """Open the connections again within a bounded time, or raise ``cause``.

        Raises ServerChanged if another process answers: scan cursors and the outcome of commands are void then.
        """
        self.close()

        def attempt() -> Connection | None:
            try:
                return self.data
            except RedisUnavailable:
                return None

        connection = wait_until(attempt, _RECONNECT_SECONDS, max_interval=1.0, before_sleep=self._check_stop)
        if connection is None or self.reconnects >= _MAX_RECONNECTS:
            raise cause
        self.reconnects += 1

    def retrying(self, work: t.Callable[[], T]) -> T:
        """Run work that may be begun again after a lost connection, such as a pass that only reads."""
        while True:
            try:
                return work()
            except ConnectionLost as exc:
                self.reconnect(exc)

    def close(self) -> None:
        for connection in self._open.values():
            with contextlib.suppress(OSError):
                connection.close()
        self._open.clear()
