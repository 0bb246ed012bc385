# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock on a database that keeps two flushes of it apart. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

from .._errors import Refused, RunbookError
from .._run import RUN_ID
from .connection import CommandError
from .deployment import Deployment
from .names import INTERNAL_PREFIX, printable

_SECONDS = 60
_RENEW_AFTER = 15.0
# At maxmemory a script may only write more once it has written: UNLINK is allowed then, SET alone is not.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
_IF_OURS = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
_RENEW = _IF_OURS + "return redis.call('PEXPIRE', KEYS[1], ARGV[2])"
_RELEASE = _IF_OURS + "return redis.call('UNLINK', KEYS[1])"

KEY = INTERNAL_PREFIX + b"flush-redis:lock"


NO_LOCK = (
    "The lock key cannot be used, without the rights on it or without EVAL, GET and SET (docs/guide_redis_acl.md): "
    "only flushes from this machine are kept apart."
)


class DatabaseLock:
    """A key that names the run which flushes its database, and that expires a minute after the run's death.

    A run whose process is gone may be continued under its own id at once: the holder is the run id.
    Without the rights on that key, or its commands, the lock is not taken, and ``warning`` says so.
    """

    def __init__(self, deployment: Deployment, run_id: str) -> None:
        self._deployment = deployment
        self._holder = run_id.encode()
        self._renewed = time.monotonic()
        self._renewing = threading.Lock()
        self.warning: str | None = None

    def __enter__(self) -> DatabaseLock:
        self._acquire()
        return self

    def _acquire(self) -> None:
        try:
            holder = self._script(_TAKE, b"%d" % (_SECONDS * 1000))
        except CommandError as exc:
            if exc.code not in ("NOPERM", "UNKNOWN"):
                raise
            self.warning = NO_LOCK
            return
        if holder != self._holder:
            raise Refused(
                f"The run {_run_of(holder)} flushes this database at this moment; wait until it has finished "
                f"(its lock expires within {_SECONDS} s of its end)."
            )

    def renew(self) -> None:
        """Keep the lock while the run works, in whichever thread comes first; raise Refused if somebody else has it."""
        if (
            self.warning
            or time.monotonic() - self._renewed < _RENEW_AFTER
            or not self._renewing.acquire(blocking=False)
        ):
            return
        try:
            self._renewed = time.monotonic()
            if self._script(_RENEW, b"%d" % (_SECONDS * 1000)) == 0:
                self._acquire()
        finally:
            self._renewing.release()

    def __exit__(self, exc_type: type[BaseException] | None, *_exc: object) -> None:
        if self.warning:
            return
        with contextlib.suppress(RunbookError):
            self._script(_RELEASE, patient=exc_type is None)

    def _script(self, script: str, *arguments: bytes, patient: bool = True) -> t.Any:
        words = (b"EVAL", script.encode(), b"1", KEY, self._holder, *arguments)
        return self._deployment.execute(KEY, *words, patient=patient)


def current_holder(deployment: Deployment) -> str | None:
    """Return the run that holds the lock, or None; reads only."""
    holder = deployment.execute(KEY, b"GET", KEY, optional=True)
    return _run_of(holder) if holder else None


def _run_of(holder: bytes) -> str:
    """Return the id of the run; what else may be in the key is a value, which nobody is shown."""
    text = printable(holder)
    return text if RUN_ID.fullmatch(text) else "(of no known id)"
