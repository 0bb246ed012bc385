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

from .._errors import Refused, RunbookError
from .._run import Progress, rfc3339, utc_now
from .._wait import wait_until
from .client import MERGE_PATCH, ApiLogin, ApiRefused, ApiUnavailable, Object, Right
from .consumers import HOT, RESTART, ROLLING_KINDS, Consumer, find_consumers, meant
from .objects import selector_text
from .rollout_status import ON_DELETE, failure_time, rollout_status, update_type

FIELD_MANAGER = "market-intel-runbooks"
MODES = ("auto", "always", "never")
# States of a workload beside its class, which is that of one that is not restarted at all.
RESTARTED, CURRENT, SKIPPED, FAILED, PENDING = "restarted", "current", "skipped", "failed", "pending"

_ANNOTATIONS = "market-intel.runbooks"
_LONGEST_NAME = 63
_SHOWN_PODS = 3


@dataclass(frozen=True)
class RestartRequest:
    """What is to be restarted; ``fingerprints`` are those of the leaves in the Secrets, by the Secrets' names.

    ``only`` and ``skip`` name workloads as ``deployment/api-gateway``; ``timeout`` is in seconds, for one rollout.
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


@dataclass
class Workload:
    """A consumer and what became of it; ``why`` is a part of a sentence."""

    consumer: Consumer
    state: str
    why: str
    wanted: dict[str, str] = field(default_factory=dict)
    patched: bool = False
    known_failure: str = ""
    started: float = 0.0
    seconds: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.state == PENDING

    def end(self, state: str, why: str) -> None:
        self.state, self.why = state, why
        self.seconds = round(time.monotonic() - self.started, 1) if self.started else 0.0

    def to_plain(self) -> dict[str, t.Any]:
        return {**self.consumer.to_plain(), "state": self.state, "why": self.why, "seconds": self.seconds}


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


def restart(
    login: ApiLogin, request: RestartRequest, check: t.Callable[[], None], progress: Progress
) -> dict[str, t.Any]:
    """Restart the consumers of some Secrets, and return what became of each.

    ``check`` may raise to leave at a safe point. A RunbookError carries what was reached. Where the login only tries,
    the changes are sent all the same, and nothing is waited for.
    """
    consumers = find_consumers(login, request.namespace, tuple(request.fingerprints), request.overrides)
    workloads = plan(consumers, request)
    timeline: list[dict[str, t.Any]] = []
    try:
        restart_in_batches(login, workloads, request, check, progress, timeline)
    except RunbookError as exc:
        for each in workloads:
            if each.is_open and not each.patched:
                each.end(SKIPPED, "the run ended before")
        exc.result.update(_result(workloads, timeline))
        raise
    changed = any(each.patched for each in workloads)
    state = ("planned" if login.dry_run else "done") if changed else "unchanged"
    return {**_result(workloads, timeline), "state": state}


def _result(workloads: list[Workload], timeline: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return {
        "changed": any(each.patched for each in workloads),
        "workloads": [each.to_plain() for each in workloads],
        "timeline": timeline,
        "notices": [problem for each in workloads for problem in each.consumer.problems],
    }


def plan(consumers: t.Sequence[Consumer], request: RestartRequest) -> list[Workload]:
    """Return what is to become of each consumer; raise InvalidInput or Refused before anything is restarted."""
    chosen = meant(consumers, request.only, request.skip)
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
    if not is_meant:
        return Workload(consumer, SKIPPED, "it is not among those that are meant")
    if request.mode == "never":
        return Workload(consumer, SKIPPED, "restarts are switched off")
    wanted = {annotation_of(name): f"sha256:{request.fingerprints[name]}" for name in consumer.served}
    present = _pod_annotations(consumer.found)
    if any(present.get(name) != value for name, value in wanted.items()):
        if request.only_restarted and not any(name in present for name in wanted):
            return Workload(consumer, SKIPPED, "no run has restarted it")
        return Workload(consumer, PENDING, consumer.why, wanted, known_failure=failure_time(consumer.found))
    if rollout_status(consumer.kind, consumer.found).done:
        return Workload(consumer, CURRENT, "its pods were started for this certificate")
    return Workload(consumer, PENDING, "its restart for this certificate is under way")


def _rolls(consumer: Consumer) -> bool:
    return consumer.kind in ROLLING_KINDS and update_type(consumer.kind, consumer.found) != ON_DELETE


def restart_in_batches(
    login: ApiLogin,
    workloads: t.Sequence[Workload],
    request: RestartRequest,
    check: t.Callable[[], None],
    progress: Progress,
    timeline: list[dict[str, t.Any]],
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


def _begin(login: ApiLogin, workload: Workload, timeline: list[dict[str, t.Any]]) -> None:
    consumer = workload.consumer
    workload.started = time.monotonic()
    if not workload.wanted:
        return
    try:
        login.request(
            f"restart {consumer.key}",
            "PATCH",
            consumer.path,
            query={"fieldManager": FIELD_MANAGER},
            body={"spec": {"template": {"metadata": {"annotations": workload.wanted}}}},
            content_type=MERGE_PATCH,
        )
    except ApiRefused as exc:
        workload.end(FAILED, str(exc).rstrip("."))
        return
    workload.patched = True
    timeline.append(_entry(f"restart of {consumer.key} begun", changed=True))


def _wait(
    login: ApiLogin,
    batch: t.Sequence[Workload],
    timeout: float,
    check: t.Callable[[], None],
    timeline: list[dict[str, t.Any]],
) -> None:
    def poll() -> bool | None:
        for each in batch:
            if each.is_open:
                _look(login, each)
                if not each.is_open:
                    timeline.append(_entry(f"restart of {each.consumer.key} {_ENDINGS[each.state]}", detail=each.why))
        return None if any(each.is_open for each in batch) else True

    if not wait_until(poll, timeout, max_interval=1.0, before_sleep=check):
        for each in batch:
            if each.is_open:
                each.end(FAILED, f"it was not finished after {timeout:g} s: {each.why}")
                timeline.append(_entry(f"restart of {each.consumer.key} {_ENDINGS[FAILED]}", detail=each.why))


_ENDINGS = {RESTARTED: "finished", CURRENT: "was finished already", FAILED: "failed"}


def _look(login: ApiLogin, workload: Workload) -> None:
    consumer = workload.consumer
    try:
        found = login.get(f"get {consumer.key}", consumer.path)
    except ApiUnavailable as exc:
        # It may be back before the time is over.
        workload.why = str(exc).rstrip(".")
        return
    except ApiRefused as exc:
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
    said = []
    for pod in pods:
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if not container.get("ready") and not pod["metadata"].get("deletionTimestamp"):
                reason = waiting.get("reason") or "not ready"
                said.append(f"pod {pod['metadata']['name']}, container {container['name']}: {reason}")
    return said[:_SHOWN_PODS]


def _pod_annotations(found: Object) -> dict[str, str]:
    return (found["spec"]["template"].get("metadata") or {}).get("annotations") or {}


def _entry(what: str, *, changed: bool = False, detail: str = "") -> dict[str, t.Any]:
    return {"what": what, "changed": changed, "detail": detail, "at": rfc3339(utc_now())}
