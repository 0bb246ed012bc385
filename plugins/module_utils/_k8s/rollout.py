# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts of workloads that have to see a new Secret, in batches. PRIVATE to the collection.

What a workload was restarted for is an annotation of its pods that names the certificate, so that a run that is
continued does not restart it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import typing as t
from dataclasses import dataclass, field

from .._errors import Refused, RunbookError, as_clause
from .._report.model import Action, Figure, StepReport
from .._run import Progress
from .._time import utc_now
from .._wait import wait_until
from .client import MERGE_PATCH, ApiError, ApiLogin, ApiUnavailable, Object, Right
from .consumers import (
    HOT,
    RESTART,
    ROLLING_KINDS,
    Consumer,
    disruption_budgets,
    downtime_reasons,
    find_consumers,
    select_consumers,
)
from .objects import leaf_fingerprint, selector_text
from .rollout_status import ON_DELETE, failure_time, rollout_status, update_type

FIELD_MANAGER = "market-intel-runbooks"
MODES = ("auto", "always", "never")
# States of a workload beside its class, which is that of one that is not restarted at all.
RESTARTED, CURRENT, SKIPPED, FAILED, PENDING = "restarted", "current", "skipped", "failed", "pending"

_ANNOTATIONS = "market-intel.runbooks"
_LONGEST_NAME = 63
_SHOWN_PODS = 3
# What the API server says where a webhook may have effects elsewhere.
_NO_DRY_RUN = "does not support dry run"


@dataclass(frozen=True)
class RestartRequest:
    """What is to be restarted; ``fingerprints`` are those of the leaves in the Secrets, by the Secrets' names.

    ``only`` and ``skip`` name workloads as ``deployment/api-gateway``; ``timeout`` is in seconds, for one rollout.
    Without ``allow_downtime``, what would leave a moment in which nothing serves is refused before the first restart.
    """

    namespace: str
    fingerprints: t.Mapping[str, str]
    overrides: t.Mapping[str, str] = field(default_factory=dict)
    mode: str = "auto"
    serial: int = 1
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    timeout: float = 600.0
    only_restarted: bool = False
    allow_downtime: bool = True


@dataclass
class Workload:
    """A consumer and what became of it; ``why`` is a part of a sentence. ``is_meant`` tells that it was selected."""

    consumer: Consumer
    state: str
    why: str
    wanted: dict[str, str] = field(default_factory=dict)
    patched: bool = False
    known_failure: str = ""
    started: float = 0.0
    seconds: float = 0.0
    is_meant: bool = True

    @property
    def is_open(self) -> bool:
        return self.state == PENDING

    def end(self, state: str, why: str) -> None:
        self.state, self.why = state, why
        self.seconds = round(time.monotonic() - self.started, 1) if self.started else 0.0

    def to_plain(self) -> dict[str, t.Any]:
        return {**self.consumer.to_plain(), "state": self.state, "why": self.why, "seconds": self.seconds}


@dataclass
class Restarts:
    """What became of each workload, and what was done when; with ``dry_run``, what would be.

    ``selected`` tells that only some were named, as those that are restarted before the others.
    """

    workloads: list[Workload]
    timeline: list[Action]
    dry_run: bool = False
    selected: bool = False

    @property
    def changed(self) -> bool:
        return any(each.patched for each in self.workloads)

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "changed": self.changed,
            "workloads": [each.to_plain() for each in self.workloads],
            "timeline": [each.to_plain() for each in self.timeline],
            "notices": [problem for each in self.workloads for problem in each.consumer.problems],
        }

    def to_report(self) -> StepReport:
        """Return what a report says of the restarts; a dry run did nothing."""
        rows = [
            {
                "kind": each.consumer.kind,
                "name": each.consumer.name,
                "state": each.state,
                "why": each.why,
                "seconds": each.seconds,
            }
            for each in self.workloads
            if each.is_meant
        ]
        ready = sum(each.state in (RESTARTED, CURRENT) for each in self.workloads)
        done = not self.dry_run and bool(rows)
        return StepReport(
            actions=() if self.dry_run else tuple(self.timeline),
            figures=(Figure("workloads restarted", after=ready, unit="workloads"),) if done else (),
            details={"selected_workloads" if self.selected else "workloads": rows} if rows else {},
        )


def rights(namespace: str) -> list[Right]:
    """Return what has to be allowed to restart any consumer, beside finding it."""
    kinds = ("deployments", "statefulsets", "daemonsets")
    return [Right(verb, kind, namespace, group="apps") for kind in kinds for verb in ("get", "patch")]


def annotation_of(secret: str) -> str:
    """Return the annotation that says for which certificate of a Secret pods were started."""
    name = f"tls-{secret}"
    if len(name) > _LONGEST_NAME:
        name = f"tls-{hashlib.sha256(secret.encode()).hexdigest()[:32]}"
    return f"{_ANNOTATIONS}/{name}"


def restart(login: ApiLogin, request: RestartRequest, check: t.Callable[[], None], progress: Progress) -> Restarts:
    """Restart the consumers of some Secrets, and return what became of each.

    ``check`` may raise to leave at a safe point. A RunbookError carries the Restarts as far as they came. Where the
    login only tries, the changes are sent all the same, and nothing is waited for.
    """
    if not login.dry_run:
        _refuse_replaced(login, request)
    consumers = find_consumers(login, request.namespace, tuple(request.fingerprints), request.overrides)
    restarts = Restarts(plan(consumers, request), [], login.dry_run, bool(request.only))
    try:
        if not request.allow_downtime:
            _refuse_downtime(login, request, restarts.workloads)
        restart_in_batches(login, restarts.workloads, request, check, progress, restarts.timeline)
    except RunbookError as exc:
        for each in restarts.workloads:
            if each.is_open and not each.patched:
                each.end(SKIPPED, "the run ended before")
        exc.reached = restarts
        raise
    return restarts


def try_restarts(login: ApiLogin, consumers: t.Sequence[Consumer], request: RestartRequest) -> list[str]:
    """Have the API server try the restarts, with a login that only tries; return what could not be tried.

    Raises Refused for a restart that would fail.
    """
    untried = []
    for each in plan(consumers, request):
        if not each.wanted:
            continue
        try:
            _annotate(login, each)
        except ApiUnavailable:
            raise
        except ApiError as exc:
            reason = as_clause(exc.server_message)
            if _NO_DRY_RUN not in reason:
                raise Refused(
                    f"The restart of {each.consumer.key} in the namespace {request.namespace} would fail ({reason}); "
                    "repair that, then run the same command again."
                ) from exc
            untried.append(f"the restart of {each.consumer.key}: {reason}")
    return untried


def _refuse_replaced(login: ApiLogin, request: RestartRequest) -> None:
    """Raise Refused where a Secret holds another certificate than pods are to be restarted for, as far as is known."""
    for name, fingerprint in request.fingerprints.items():
        where = request.namespace
        try:
            found = login.find(f"get the secret {name}", f"/api/v1/namespaces/{where}/secrets/{name}")
        except ApiError as exc:
            if exc.status != 403:
                raise
            continue
        held = leaf_fingerprint(((found or {}).get("data") or {}).get("tls.crt", ""))
        if held and held != fingerprint:
            raise Refused(
                f"The secret {name} in the namespace {where} holds the certificate {held[:16]}, and its users were to "
                f"be restarted for {fingerprint[:16]}; find out who has changed it."
            )


def _refuse_downtime(login: ApiLogin, request: RestartRequest, workloads: t.Sequence[Workload]) -> None:
    """Raise Refused for what has changed since a plan, such as the number of replicas."""
    new = [each.consumer for each in workloads if each.is_open and each.wanted]
    budgets = disruption_budgets(login, request.namespace) if new else []
    reasons = [reason for consumer in new for reason in downtime_reasons(consumer, budgets)]
    if reasons:
        more = f" ({len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise Refused(
            f"A restart would not be without downtime: {reasons[0].rstrip('.')}{more}; repair that, or accept it with "
            "O(allow_downtime)=true.",
        )


def plan(consumers: t.Sequence[Consumer], request: RestartRequest) -> list[Workload]:
    """Return what is to become of each consumer; raise InvalidInput or Refused before anything is restarted."""
    chosen = select_consumers(consumers, request.only, request.skip)
    workloads = [_planned(consumer, request, consumer.key in chosen) for consumer in consumers]
    paused = [each.consumer.key for each in workloads if each.is_open and each.consumer.found["spec"].get("paused")]
    if paused:
        raise Refused(
            f"The rollout of {', '.join(paused)} is paused, so that a restart would not begin; resume it first "
            f"(kubectl rollout resume {paused[0]} -n {request.namespace})."
        )
    return workloads


def _planned(consumer: Consumer, request: RestartRequest, is_meant: bool) -> Workload:
    if not (consumer.reload == RESTART or (consumer.reload == HOT and request.mode == "always" and _rolls(consumer))):
        return Workload(consumer, consumer.reload, consumer.why)
    wanted = {annotation_of(name): f"sha256:{request.fingerprints[name]}" for name in consumer.served}
    present = _pod_annotations(consumer.found)
    begun = all(present.get(name) == value for name, value in wanted.items())
    if begun and request.mode != "never" and rollout_status(consumer.kind, consumer.found).done:
        return Workload(consumer, CURRENT, "its pods were started for this certificate", is_meant=is_meant)
    if not is_meant:
        return Workload(consumer, SKIPPED, "it is not selected", is_meant=False)
    if request.mode == "never":
        return Workload(consumer, SKIPPED, "restarts are switched off")
    if begun:
        return Workload(consumer, PENDING, "its restart for this certificate is under way")
    if request.only_restarted and not any(name in present for name in wanted):
        return Workload(consumer, SKIPPED, "no run has restarted it")
    return Workload(consumer, PENDING, consumer.why, wanted, known_failure=failure_time(consumer.found))


def _rolls(consumer: Consumer) -> bool:
    return consumer.kind in ROLLING_KINDS and update_type(consumer.kind, consumer.found) != ON_DELETE


def restart_in_batches(
    login: ApiLogin,
    workloads: t.Sequence[Workload],
    request: RestartRequest,
    check: t.Callable[[], None],
    progress: Progress,
    timeline: list[Action],
) -> None:
    """Restart those workloads that are pending, so many at once; a rollout that fails is the last one.

    Raises RunbookError for it. ``timeline`` gets an entry for each beginning and end, as a report's actions.
    """
    todo = [each for each in workloads if each.is_open]
    for start in range(0, len(todo), request.serial):
        check()
        batch = todo[start : start + request.serial]
        progress.report("restarting", start, len(todo), "workloads", force=True)
        for each in batch:
            _begin(login, each, timeline)
        if login.dry_run:
            for each in batch:
                each.end(RESTARTED if each.patched else CURRENT, each.why)
        else:
            _wait(login, batch, request.timeout, check, timeline)
        failed = [each for each in batch if each.state == FAILED]
        if failed:
            raise RunbookError(_failure(login, failed[0], len(todo) - start - len(batch)))
    progress.report("restarting", len(todo), len(todo), "workloads", force=True)


def _begin(login: ApiLogin, workload: Workload, timeline: list[Action]) -> None:
    workload.started = time.monotonic()
    if not workload.wanted:
        return
    try:
        _annotate(login, workload)
    except ApiError as exc:
        workload.end(FAILED, str(exc).rstrip("."))
        return
    workload.patched = True
    timeline.append(_entry(f"restart of {workload.consumer.key} begun", changed=True))


def _annotate(login: ApiLogin, workload: Workload) -> None:
    login.request(
        f"restart {workload.consumer.key}",
        "PATCH",
        workload.consumer.path,
        query={"fieldManager": FIELD_MANAGER},
        body={"spec": {"template": {"metadata": {"annotations": workload.wanted}}}},
        content_type=MERGE_PATCH,
    )


def _wait(
    login: ApiLogin,
    batch: t.Sequence[Workload],
    timeout: float,
    check: t.Callable[[], None],
    timeline: list[Action],
) -> None:
    def poll() -> bool | None:
        for each in batch:
            if each.is_open:
                _read_status(login, each)
                if not each.is_open:
                    timeline.append(_entry(f"restart of {each.consumer.key} {_ENDINGS[each.state]}", detail=each.why))
        return None if any(each.is_open for each in batch) else True

    if not wait_until(poll, timeout, max_interval=1.0, before_sleep=check):
        for each in batch:
            if each.is_open:
                each.end(FAILED, f"it was not finished after {timeout:g} s: {each.why}")
                timeline.append(_entry(f"restart of {each.consumer.key} {_ENDINGS[FAILED]}", detail=each.why))


_ENDINGS = {RESTARTED: "finished", CURRENT: "was finished already", FAILED: "failed"}


def _read_status(login: ApiLogin, workload: Workload) -> None:
    consumer = workload.consumer
    try:
        found = login.get(f"get {consumer.key}", consumer.path)
    except ApiUnavailable as exc:
        # It may be back before the time is over.
        workload.why = str(exc).rstrip(".")
        return
    except ApiError as exc:
        workload.end(FAILED, str(exc).rstrip("."))
        return
    present = _pod_annotations(found)
    if any(present.get(name) != value for name, value in workload.wanted.items()):
        workload.end(FAILED, "its annotation was changed meanwhile, by another run or by what manages the workload")
        return
    status = rollout_status(consumer.kind, found, workload.known_failure)
    if status.done:
        workload.end(RESTARTED if workload.patched else CURRENT, "all pods are new and available")
    elif status.failed:
        workload.end(FAILED, status.says)
    else:
        workload.why = status.says


def _failure(login: ApiLogin, workload: Workload, left: int) -> str:
    consumer = workload.consumer
    troubles = _troubles(login, consumer)
    after = f"the {left} after it were not restarted" if left else "nothing was to be restarted after it"
    return (
        f"The restart of {consumer.key} in the namespace {consumer.namespace} failed "
        f"({'; '.join([workload.why, *troubles])}); {after}: repair it and run the same command again, or roll back."
    )


def _troubles(login: ApiLogin, consumer: Consumer) -> list[str]:
    """Return why some pods do not become ready, as far as it can be seen."""
    pods: list[Object] = []
    with contextlib.suppress(RunbookError):
        pods = login.items(
            f"list pods in {consumer.namespace}",
            f"/api/v1/namespaces/{consumer.namespace}/pods",
            labelSelector=selector_text(consumer.found["spec"]["selector"]),
        )
    messages = []
    for pod in pods:
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if not container.get("ready") and not pod["metadata"].get("deletionTimestamp"):
                reason = waiting.get("reason") or "not ready"
                messages.append(f"pod {pod['metadata']['name']}, container {container['name']}: {reason}")
    return messages[:_SHOWN_PODS]


def _pod_annotations(found: Object) -> dict[str, str]:
    return (found["spec"]["template"].get("metadata") or {}).get("annotations") or {}


def _entry(what: str, *, changed: bool = False, detail: str = "") -> Action:
    return Action(what, changed, detail, utc_now())
