# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a service has recovered: by a figure that follows at once, and by the alert itself. PRIVATE."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from .._errors import InvalidInput, RunbookError, as_clause
from .._report.model import Proof, Series, StepReport
from .._time import span
from .._wait import pause
from .login import HttpLogin
from .prometheus import COMPLETE, EMPTY, Query, ask, selector


@dataclass(frozen=True)
class RecoveryRequest:
    """``samples`` in a row have to hold, ``interval`` seconds apart, and the alert must not fire with any of them."""

    query: Query
    alert: t.Mapping[str, str]
    samples: int = 3
    interval: float = 10.0
    timeout: float = 300.0


@dataclass(frozen=True)
class Recovery:
    """What was seen; ``points`` are (seconds since the start, value), ``last`` is what the last sample said."""

    recovered: bool
    seconds: float
    in_a_row: int
    last: str
    alert: str
    points: tuple[tuple[float, float | None], ...]

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "recovered": self.recovered,
            "seconds": self.seconds,
            "in_a_row": self.in_a_row,
            "last": self.last,
            "alert_state": self.alert,
            "points": [list(each) for each in self.points],
        }


def check_request(request: RecoveryRequest) -> RecoveryRequest:
    if not request.query.comparison:
        raise InvalidInput("O(comparison) is missing; say how the value is compared with O(threshold).")
    if request.samples < 1 or not request.interval > 0 or not request.timeout > 0:
        raise InvalidInput("O(samples) is below 1, or O(interval) or O(recovery_timeout) not above 0 s; give more.")
    return request


def watch(
    login: HttpLogin,
    request: RecoveryRequest,
    check: t.Callable[[], None],
    tell: t.Callable[[int, int], None] = lambda _done, _total: None,
) -> Recovery:
    """Ask until the service has recovered or the time is over; what is not known holds nothing."""
    firing = Query(selector("ALERTS", {**request.alert, "alertstate": "firing"}), name="ALERTS")
    began, points, in_a_row = time.monotonic(), [], 0
    while True:
        seconds = round(time.monotonic() - began, 3)
        value, holds, last = _sample(login, request.query)
        state = _state(login, firing)
        points.append((seconds, value))
        in_a_row = in_a_row + 1 if holds and state == "gone" else 0
        tell(in_a_row, request.samples)
        recovered = in_a_row >= request.samples
        if recovered or seconds + request.interval > request.timeout:
            return Recovery(recovered, seconds, in_a_row, last, state, tuple(points))
        pause(request.interval, check)


def _sample(login: HttpLogin, query: Query) -> tuple[float | None, bool, str]:
    try:
        answer = ask(login, query)
    except InvalidInput:
        raise
    except RunbookError as exc:
        return None, False, f"unknown ({as_clause(exc)})"
    return answer.value, answer.holds is True, answer.evidence


def _state(login: HttpLogin, firing: Query) -> str:
    try:
        status = ask(login, firing).status
    except RunbookError:
        return "unknown"
    return {EMPTY: "gone", COMPLETE: "firing"}.get(status, "unknown")


def recovery_report(run_id: str, request: RecoveryRequest, found: Recovery) -> StepReport:
    within = f"within {span(found.seconds)}"
    rows = f"{found.in_a_row} of {request.samples} samples in a row"
    proofs = (
        Proof("the service has recovered", "proven" if found.recovered else "failed", f"{rows}, {found.last}"),
        Proof("the alert no longer fires", _PROVEN[found.alert], f"ALERTS says: {found.alert}"),
    )
    return StepReport(
        run_id=run_id,
        state="" if found.recovered else "failed",
        proofs=proofs,
        series=(Series(request.query.name or "recovery", "", found.points),),
        summary=(f"recovered {within}",) if found.recovered else (f"not recovered {within}: {found.last}",),
    )


_PROVEN = {"gone": "proven", "firing": "failed", "unknown": "unknown"}
