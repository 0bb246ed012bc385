# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only wait loops of the collection. PRIVATE to the collection."""

from __future__ import annotations

import time
import typing as t

from ._time import parse_http_date, utc_now

T = t.TypeVar("T")


_PIECE_SECONDS = 0.2
_MOST_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
# No try begins later than that after the first one.
_PATIENCE_SECONDS = 60.0
# Of HTTP. A server that is too busy has done nothing; after any other of these, nobody knows.
BUSY, PASSING = 429, (429, 500, 502, 503, 504)


class Tries:
    """How often a request is sent whose answer is lost, or is an error that passes by itself, and when again."""

    def __init__(self) -> None:
        self._done = 1
        self._latest = time.monotonic() + _PATIENCE_SECONDS

    @property
    def last(self) -> bool:
        """Whether the one that has begun is the last one."""
        return self._done >= _MOST_TRIES or time.monotonic() >= self._latest

    def may_be_there(self, *, connected: bool, silent: bool) -> bool:
        """Whether a server that has never answered may be asked again, by how the answer to this try was lost.

        An address to which there is no connection does not become right, and what has been silent twice is no server.
        """
        return connected and (self._done == 1 or not silent)

    def may_pass(self, status: int, *, repeatable: bool) -> bool:
        """Whether an answer is an error that passes by itself, and what it answers may be sent again."""
        return not self.last and status in PASSING and (repeatable or status == BUSY)

    def pause(self, retry_after: str | None = None) -> None:
        """Wait before the next one as the server says in Retry-After, or twice as long as the last time."""
        wanted = _FIRST_PAUSE_SECONDS * 2.0 ** (self._done - 1)
        date = parse_http_date(retry_after)
        if retry_after and retry_after.isdigit():
            wanted = float(retry_after)
        elif date is not None:
            wanted = max(0.0, (date - utc_now()).total_seconds())
        time.sleep(min(wanted, _LONGEST_PAUSE_SECONDS))
        self._done += 1


def pause(seconds: float, check_stop: t.Callable[[], None]) -> None:
    """Sleep, but call ``check_stop`` before each fifth of a second: it may raise to leave."""
    deadline = time.monotonic() + seconds
    while (remaining := deadline - time.monotonic()) > 0:
        check_stop()
        time.sleep(min(remaining, _PIECE_SECONDS))


def wait_until(
    poll: t.Callable[[], T | None],
    timeout: float,
    *,
    interval: float = 0.2,
    max_interval: float = 5.0,
    before_sleep: t.Callable[[], None] = lambda: None,
) -> T | None:
    """Call ``poll`` until it returns something other than None; return that, or None after ``timeout`` seconds.

    The pause grows from ``interval`` to ``max_interval`` seconds and never outlasts the timeout.
    ``before_sleep`` may raise to leave the loop, as a stop request does.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = poll()
        if result is not None:
            return result
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return None
        before_sleep()
        time.sleep(min(interval, remaining))
        interval = min(interval * 1.5, max_interval)
