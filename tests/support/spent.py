# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count what the test at work spends its time on; the demo and the lab use it, too, and have no pytest."""

from __future__ import annotations

import contextlib
import resource
import time
from collections import Counter
from collections.abc import Iterator

_spent: Counter[str] = Counter()


def started(kind: str) -> None:
    """Count a process that a test has started; `kind` is its plural, such as `playbooks`."""
    _spent[kind] += 1


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Count the time until its end as waiting; waits inside of it are not counted twice."""
    before, began = _spent["waited"], time.monotonic()
    try:
        yield
    finally:
        _spent["waited"] = before + (time.monotonic() - began)


def so_far() -> dict[str, float]:
    """Return what this process has spent."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {**_spent, "processor": sum(usage.ru_utime + usage.ru_stime for usage in usages)}
