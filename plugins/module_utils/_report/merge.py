# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""One report of the reports of a run's steps, and of how the run ended."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .._run import new_run_id, run_began
from .._severity import worst
from .model import (
    READ_ONLY,
    SCHEMA_VERSION,
    STATES,
    Backup,
    Cluster,
    Figure,
    Operator,
    Plain,
    Report,
    StepReport,
)
from .read import read_step, title_of
from .text import hide_secrets

# What ends a process by a signal, as a shell tells it.
_KILLED = 128
_WELL = ("unchanged", "planned", "done")
_NOT_DONE = "nothing of the plan was done"
_WHY_NOT_DONE = (
    "The plan had something to do, and no step did it: something else has changed it since the plan was made, or a "
    "failure on another host has stopped the play; look at what is there now, then run the same command again."
)
_NOTHING_LEFT = "nothing of the plan was left to do: something else has done or undone it since the plan was made"

T = t.TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """Why a run failed: how it ended, in one word and in one sentence."""

    state: str
    message: str
    step: StepReport


@dataclass(frozen=True)
class Run:
    """Of what the steps are: who ran what on which host, and when it ended."""

    runbook: str
    host: str
    mode: str
    finished: datetime
    operator: Operator
    cluster: Cluster
    run_id: str = ""
    """By default that of the first step that has one."""


def read_steps(results: Iterable[Plain]) -> list[StepReport]:
    """Return the reports in the results of modules; steps that were skipped, or did not run, have none."""
    steps = []
    for number, result in enumerate(results):
        report = result.get("report") if isinstance(result, Mapping) and not result.get("skipped") else None
        if report:
            steps.append(read_step(report, f"steps[{number}].report"))
    return steps


def read_durations(results: Iterable[Plain]) -> list[dict[str, Plain]]:
    """Return how long each step took, as rows of a table; one that failed may be told twice and counts once."""
    steps = [result["step"] for result in results if isinstance(result, Mapping) and result.get("step")]
    return [step for number, step in enumerate(steps) if step not in steps[:number]]


def read_failure(result: Mapping[str, Plain]) -> Failure | None:
    """What ``ansible_failed_result`` tells; None without one."""
    if not result:
        return None
    step = read_step(result.get("report") or {}, "failure.report")
    killed = _was_killed(result)
    state = str(result.get("state") or step.state or ("interrupted" if killed else "failed"))
    message = hide_secrets(str(result.get("msg") or "The run failed; the task above says why."))
    if killed:
        message = "The module was killed before it could say how far it came."
    return Failure(state if state in STATES else "failed", message, step)


def _was_killed(result: Mapping[str, Plain]) -> bool:
    """Whether a module ended by a signal; one that cannot start, or that breaks, says why on its outputs."""
    code = result.get("rc")
    ended = isinstance(code, int) and (code < 0 or code > _KILLED)
    return ended and "state" not in result and "report" not in result and "module_stdout" in result


def merge(run: Run, steps: Sequence[StepReport], failure: Failure | None = None, state: str = "") -> Report:
    """Join the reports of the steps, in the order in which they ran; ``state`` overrides that of the last step.

    What is told once is taken from the first that tells it, or from the last where a later step knows better; lists are
    joined, and an entry of the same name takes the place of the earlier one.
    """
    reports = [*steps]
    if failure and failure.step != StepReport() and failure.step not in reports:
        reports.append(failure.step)
    run_id = run.run_id or _first(step.run_id for step in reports) or new_run_id(run.runbook)
    ended = state or (failure.state if failure else _last(step.state for step in reports)) or "unchanged"
    # It is about the state with which that step ended, or about a good end.
    headline = (
        _last(step.headline for step in reports if step.state == ended or (not step.state and ended in _WELL)) or ""
    )
    if run.runbook in READ_ONLY and ended in ("planned", "done"):
        ended = "unchanged"
    severities = [step.severity for step in reports if step.severity]
    report = Report(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        runbook=run.runbook,
        title=_last(step.title for step in reports) or title_of(run.runbook),
        host=run.host,
        mode=run.mode,
        state=ended,
        headline=headline,
        severity=worst(severities) if severities else "",
        started=_first(step.started for step in reports) or run_began(run_id) or run.finished,
        finished=run.finished,
        operator=run.operator,
        cluster=run.cluster,
        asked=_first(step.asked for step in reports) or {},
        plan=_first(step.plan for step in reports),
        findings=tuple(finding for step in reports for finding in step.findings),
        actions=tuple(action for step in reports for action in step.actions),
        proofs=_named((proof for step in reports for proof in step.proofs), lambda proof: proof.claim),
        degraded=tuple(dict.fromkeys(line for step in reports for line in step.degraded)),
        undo=_last(step.undo for step in reports),
        backup=_backup([step.backup for step in reports if step.backup]),
        figures=_figures(figure for step in reports for figure in step.figures),
        series=_named((series for step in reports for series in step.series), lambda series: series.name),
        timeline=tuple(event for step in reports for event in step.timeline),
        details={key: value for step in reports for key, value in step.details.items()},
        summary=_last(step.summary for step in reports) or (),
    )
    return _honest(_with_failure(report, failure), reports)


def _with_failure(report: Report, failure: Failure | None) -> Report:
    if failure is None:
        return report
    summary = tuple(dict.fromkeys((failure.message, *report.summary)))
    degraded = tuple(line for line in report.degraded if line not in failure.message)
    return replace(report, summary=summary, degraded=degraded)


def _honest(report: Report, steps: Sequence[StepReport]) -> Report:
    """The report with a state that its own parts do not contradict, and without an undo of nothing."""
    if report.mode == "run" and report.state == "planned":
        report = replace(report, state="failed", headline=_NOT_DONE, summary=(_WHY_NOT_DONE,))
    elif report.runbook not in READ_ONLY and report.mode == "run" and report.state == "unchanged":
        planned = any(step.state == "planned" for step in steps)
        report = replace(report, headline=report.headline or (_NOTHING_LEFT if planned else ""))
    elif report.state == "refused" and report.changed:
        # A guard of a later step is none for what an earlier one has done.
        report = replace(report, state="failed", headline="")
    elif report.state == "rolled_back" and any(proof.result == "failed" for proof in report.proofs):
        report = replace(report, state="failed")
    return report if report.changed and report.state != "rolled_back" else replace(report, undo=None)


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)


def _last(values: Iterable[T | None]) -> T | None:
    return _first(reversed([*values]))


def _figures(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """The figures with what each was before the first step, and after the last."""
    joined: dict[str, Figure] = {}
    for figure in figures:
        earlier = joined.get(figure.name)
        joined[figure.name] = replace(figure, before=earlier.before) if earlier else figure
    return tuple(joined.values())


def _backup(backups: Sequence[Backup]) -> Backup | None:
    """The last one, as the step knew it that made it."""
    return next((each for each in backups if each.path == backups[-1].path), None)


def _named(values: Iterable[T], name: t.Callable[[T], str]) -> tuple[T, ...]:
    """The values in their order; of two with the same name, the later one at the place of the earlier."""
    return tuple({name(value): value for value in values}.values())
