# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The only wait loops of the collection. PRIVATE to the collection."""

from __future__ import annotations

import time
import typing as t

T = t.TypeVar("T")


_PIECE_SECONDS = 0.2


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
