# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let one run at a time act on a target, if the rules allow it, and keep on record what was decided. PRIVATE."""

from __future__ import annotations

import contextlib
import hashlib
import typing as t
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .._errors import Refused, RunbookError, as_clause
from .._k8s.client import ApiLogin
from .._k8s.lease import Holder, LeaseName, acquire, holder, release
from .._report.model import Event, Finding, StepReport
from .._severity import CRITICAL, OK, WARNING
from .._time import clock
from .policy import Control, Decision, Policy, Request, Run, begin, decide, finish, plain, record
from .store import CONTROL, MOST_DECISIONS, State, Store


@dataclass(frozen=True)
class Outcome:
    """What was decided; ``left`` are runs on the same target that have never said how they ended."""

    decision: Decision
    request: Request
    lease: LeaseName
    taken_over: str = ""
    left: tuple[Run, ...] = ()

    def to_plain(self) -> dict[str, t.Any]:
        return {
            **self.decision.to_plain(),
            "lease": self.lease.name,
            "taken_over": self.taken_over,
            "left": [plain(each) for each in self.left],
        }


def lease_of(namespace: str, target: str) -> LeaseName:
    """Return the Lease of a target, whose name may be any text."""
    return LeaseName(namespace, f"runbook-target-{hashlib.sha256(target.encode()).hexdigest()[:16]}")


def judge(login: ApiLogin, namespace: str, policy: Policy, request: Request) -> Outcome:
    """Return what would be decided now, and write nothing."""
    store, lease = Store(login, namespace), lease_of(namespace, request.target)
    control, state = store.control(), store.read()
    held = holder(login, lease)
    busy = _at_work(held) if held and not held.expired and held.run_id != request.run_id else ""
    decision = decide(policy, request, control, state.runs, login.now(), busy)
    return Outcome(decision, request, lease, left=() if busy else _left(state.runs, request))


def enter(login: ApiLogin, namespace: str, policy: Policy, request: Request, seconds: int, process: str) -> Outcome:
    """Decide, hold the target's Lease for so many seconds if the run may act, and put the decision on record.

    A run that is under way is judged again by what may have changed since, and holds the Lease for longer, or until it
    leaves if it is to stop.
    """
    store, found = Store(login, namespace), judge(login, namespace, policy, request)
    busy, taken_over, holds = "", "", False
    if found.decision.allowed or found.decision.rule == "busy":
        try:
            before = acquire(login, found.lease, request.run_id, seconds, process)
            taken_over, holds = before.run_id if before else "", True
        except Refused:
            held = holder(login, found.lease)
            busy = _at_work(held) if held else "another run was at work on it a moment ago"
    outcome, keeps = found, False

    def change(state: State, control: Control) -> State:
        nonlocal outcome, keeps
        now = login.now()
        # Whoever stops the runbooks is heard until the last moment.
        decision = decide(policy, request, control, state.runs, now, busy)
        if decision.allowed and not holds:
            decision = replace(decision, rule="busy", reason="it was not allowed a moment ago; ask again")
        left = () if busy else _left(state.runs, request)
        keeps = decision.allowed or any(each.is_of(request) and each.is_open(now) for each in state.runs)
        outcome = Outcome(decision, request, found.lease, taken_over, left)
        runs: tuple[Run, ...] = state.runs
        if decision.allowed:
            for each in left:
                runs = finish(runs, each.run_id, each.target, "lost", now)
            runs = begin(runs, request, now, policy.cooldown or 0.0)
        return State(runs, record(state.decisions, request, decision, MOST_DECISIONS))

    try:
        store.update(change)
    except BaseException:
        keeps = False
        raise
    finally:
        if holds and not keeps:
            release(login, found.lease, request.run_id)
    return outcome


def leave(login: ApiLogin, namespace: str, run_id: str, target: str, outcome: str) -> bool:
    """Put on record how a run ended, and give the target's Lease back; return False if it was not this run's."""
    lease = lease_of(namespace, target)
    store = Store(login, namespace)
    now = login.now()
    if any(each.run_id == run_id and each.target == target for each in store.read().runs):
        store.update(lambda state, _control: State(finish(state.runs, run_id, target, outcome, now), state.decisions))
    return release(login, lease, run_id)


def enter_all(
    login: ApiLogin, namespace: str, policy: Policy, requests: Sequence[Request], seconds: int, process: str
) -> list[Outcome]:
    """Enter for all of these requests, or for none of them: the last outcome may be a refusal."""
    outcomes: list[Outcome] = []
    try:
        for request in requests:
            outcomes.append(enter(login, namespace, policy, request, seconds, process))
            if not outcomes[-1].decision.allowed:
                break
    except RunbookError:
        _leave_all(login, namespace, outcomes)
        raise
    if not outcomes[-1].decision.allowed:
        _leave_all(login, namespace, outcomes[:-1])
    return outcomes


def _leave_all(login: ApiLogin, namespace: str, outcomes: Sequence[Outcome]) -> None:
    for each in outcomes:
        # It ends by itself.
        with contextlib.suppress(RunbookError):
            leave(login, namespace, each.request.run_id, each.request.target, "refused")


def decisive(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the first refusal, or the last outcome without one."""
    return next((each for each in outcomes if not each.decision.allowed), outcomes[-1])


def refusal(outcome: Outcome, namespace: str) -> Refused:
    """Return what a person reads whose run obeys the guard."""
    decision, request = outcome.decision, outcome.request
    control = f"{namespace}/{CONTROL}"
    advice = _NEXT.get(decision.rule, "wait, or set O(by_hand)=false").format(control=control)
    return Refused(f"The guard refuses {request.runbook} of {request.target} ({as_clause(decision.reason)}); {advice}.")


def notes(login: ApiLogin, namespace: str, targets: Sequence[str]) -> list[str]:
    """Return what a person who does not ask the guard has to know of it; nothing where it cannot be read."""
    store = Store(login, namespace)
    try:
        found = [store.control().against(login.now())[1]]
        for each in store.read().runs:
            if each.target in targets:
                found.append(_note(login, namespace, each))
    except RunbookError:
        return []
    return [f"The guard in {namespace}, which this run does not obey: {note}." for note in found if note]


def _note(login: ApiLogin, namespace: str, run: Run) -> str:
    now = login.now()
    if run.is_open(now):
        held = holder(login, lease_of(namespace, run.target))
        at_work = held and not held.expired and held.run_id == run.run_id
        until = f"is at work on {run.target}, until {clock(run.until)} at the latest"
        return f"the run {run.run_id} {until if at_work else f'has not said how it ended on {run.target}'}"
    if now < run.rests():
        rest = f"which automation leaves alone until {clock(run.rests())}"
        return f"the run {run.run_id} was on {run.target} ({run.outcome or 'lost'}), {rest}"
    return ""


def _at_work(held: Holder) -> str:
    return f"the run {held.run_id} is at work on it, until {clock(held.until)} at the latest"


def _left(runs: Sequence[Run], request: Request) -> tuple[Run, ...]:
    return tuple(
        each for each in runs if each.target == request.target and each.run_id != request.run_id and not each.finished
    )


def guard_report(outcomes: Sequence[Outcome], namespace: str, *, check_mode: bool) -> StepReport:
    """Return what a report says of decisions about one run."""
    outcome = decisive(outcomes)
    decision, request = outcome.decision, outcome.request
    word = "allows" if decision.allowed else "refuses"
    finding = Finding(
        CRITICAL if decision.hand_over else WARNING,
        f"the guard refuses {request.runbook}: {decision.reason}",
        request.target,
        f"rule {decision.rule}",
        _NEXT.get(decision.rule, "wait, or run the runbook by hand").format(control=f"{namespace}/{CONTROL}"),
    )
    lost = [
        Finding(
            WARNING,
            f"the run {each.run_id} has not said how it ended",
            each.target,
            f"it began at {clock(each.started)}",
            "look at its report and its backup; a silence of it ends by itself",
        )
        for one in outcomes
        for each in one.left
    ]
    return StepReport(
        run_id=request.run_id,
        findings=(*([] if decision.allowed else [finding]), *lost),
        timeline=(
            Event(f"the guard {word} {request.runbook}", decision.at, severity=OK if decision.allowed else WARNING),
        ),
        details={
            "guard": {
                **outcome.to_plain(),
                "target": ", ".join(each.request.target for each in outcomes),
                "recorded": not check_mode,
            }
        },
    )


_NEXT = {
    "stopped": "find out who has stopped the runbooks, and why, in the ConfigMap {control}",
    "maintenance": "wait until it is over, or correct maintenance in the ConfigMap {control}",
    "namespace": "add it to the namespaces that are allowed, if it is meant",
    "late": "look at it now: automation was too late",
    "rate": "look at it now: what was done did not help",
    "targets": "look at it now: so many targets at once have another cause",
    "share": "look at it now: so many targets at once have another cause",
}
