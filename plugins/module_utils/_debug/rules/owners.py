# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the owners of a pod say: why they can make none, why a rollout or a Job does not get on. PRIVATE.

These rules look at owners and their events only, so that they hold where there is no pod, too.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ..._k8s.client import Object
from ..._k8s.objects import is_ready, selects
from ..._severity import CRITICAL, INFO, WARNING
from ..._time import ago, parse_time, span
from ..collector_output import Sections
from ..finding import Finding
from ..observed import SCALED, WEBHOOK, Facts
from .common import condition, event_time, events_about, last_message, shorten
from .network import selects_none

# An event that is older tells of a trouble that is over.
_RECENT_SECONDS = 3600.0
_REVISION = "controller-revision-hash"
# Without a deadline, a Job that has completed nothing for so long is worth a look.
_LONG_SECONDS = 300.0
_NEW_SECONDS = 90.0

# Why the API server takes no pod, as a part of a sentence, and what to do.
_REFUSALS = (
    (
        r"exceeded quota: (?P<quota>[^,\s]+), (?P<figures>requested: .*)",
        "the quota {quota} is used up",
        "lower the requests or replicas, or raise the quota {quota}: {figures}",
    ),
    (
        r"failed quota: (?P<quota>[^:\s]+): must specify (?P<figures>[^\n]+)",
        "the quota {quota} demands {figures}",
        "set it in the resources of each container, or make a LimitRange that has defaults: {figures}",
    ),
    (
        r"(?P<figures>(?:maximum|minimum) \S+ usage per \w+ is [^\n\]]+|\S+ max limit to request ratio per \w+ is "
        r"[^\n\]]+)",
        "a LimitRange of the namespace does not allow its resources",
        "correct its resources, or the LimitRange: {figures}",
    ),
    (
        r"violates PodSecurity \"(?P<quota>[^\"]+)\":? ?(?P<figures>[^\n]*)",
        "Pod Security ({quota}) refuses it",
        "correct its security context, or label the namespace with a level that fits: {figures}",
    ),
    (
        r"serviceaccount \"(?P<quota>[^\"]+)\" not found",
        "its ServiceAccount {quota} does not exist",
        "create the ServiceAccount {quota}, or correct serviceAccountName",
    ),
    (
        r"admission webhook \"(?P<quota>[^\"]+)\" denied the request:? ?(?P<figures>[^\n]*)",
        "the webhook {quota} denies it",
        "satisfy what the webhook asks for: {figures}",
    ),
    (
        r"failed calling webhook \"(?P<quota>[^\"]+)\": (?P<figures>[^\n]*)",
        "the webhook {quota} does not answer",
        "look at the pods and the certificate behind the webhook {quota} (kubectl get validatingwebhookconfigurations,"
        "mutatingwebhookconfigurations)",
    ),
    (
        r"RuntimeClass \"(?P<quota>[^\"]+)\" not found",
        "its RuntimeClass {quota} does not exist",
        "create the RuntimeClass {quota}, or correct runtimeClassName",
    ),
    (
        r"no PriorityClass with name (?P<quota>\S+) was found",
        "its priority class {quota} does not exist",
        "create the PriorityClass {quota}, or correct priorityClassName",
    ),
    (
        r"(?P<figures>(?:[\w.\[\]]+: )?(?:Invalid value|Required value|Forbidden|Unsupported value)[^\n]*)",
        "its template is not valid",
        "correct the template: {figures}",
    ),
)


def _named(owner: Object) -> str:
    return f"{owner['kind']} {owner['metadata']['name']}"


def refused(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """An owner that may make no pod, or not all of them."""
    for owner in facts.owners:
        message = condition(owner, "ReplicaFailure").get("message", "")
        if condition(owner, "ReplicaFailure").get("status") != "True":
            failures = [each for each in _recent(facts, owner, "FailedCreate") if not _is_over(facts, owner, each)]
            message = str(failures[-1].get("message") or "") if failures else ""
        if not message:
            continue
        why, step = _behind_webhook(facts, message) or _why_refused(message)
        more = " further" if facts.pod["metadata"]["name"] else ""
        what = "Job" if owner["kind"] == "CronJob" else "pod"
        yield Finding(
            "replica_failure",
            CRITICAL,
            f"{_named(owner)} can make no{more} {what}{f': {why}' if why else ''}",
            f"{shorten(message, 500)}{_counts(owner)}",
            step,
        )
        return


def _behind_webhook(facts: Facts, message: str) -> tuple[str, str] | None:
    """Return why a webhook does not answer, as far as the API server knows, and what to do."""
    called = WEBHOOK.search(message)
    for each in facts.webhooks or [] if called else ():
        place = (each.get("clientConfig") or {}).get("service") or {}
        key = (place.get("namespace", ""), place.get("name", ""))
        if called and each["name"] == called[1] and facts.webhook_services.get(key, place) is None:
            return (
                f"the webhook {each['name']} does not answer: its Service {key[1]} does not exist in the namespace "
                f"{key[0]}",
                f"install again what the webhook belongs to, or delete its configuration (failurePolicy "
                f"{each.get('failurePolicy', 'Fail')} lets nothing pass while it does not answer)",
            )
    return None


def _recent(facts: Facts, owner: Object, *reasons: str) -> list[Object]:
    found = events_about(facts, owner["metadata"]["uid"], *reasons)
    dated = [(each, event_time(each)) for each in found]
    return [each for each, when in dated if when and (facts.now - when).total_seconds() < _RECENT_SECONDS]


def _is_over(facts: Facts, owner: Object, event: Object) -> bool:
    """Tell whether an owner has all its pods now, whatever was refused before."""
    status, spec = owner.get("status") or {}, owner["spec"]
    if owner["kind"] in ("ReplicaSet", "StatefulSet"):
        return bool(status.get("replicas", 0) >= spec.get("replicas", 1))
    if owner["kind"] == "DaemonSet":
        return bool(status.get("currentNumberScheduled", 0) >= status.get("desiredNumberScheduled", 0))
    made, refused_at = parse_time(facts.pod["metadata"].get("creationTimestamp")), event_time(event)
    later = made is not None and refused_at is not None and made >= refused_at
    return later or bool(status.get("active") or status.get("succeeded"))


def _counts(owner: Object) -> str:
    status, wanted = owner.get("status") or {}, owner["spec"].get("replicas")
    return f"; {status.get('replicas', 0)} of {wanted} pods exist" if wanted is not None else ""


def _why_refused(message: str) -> tuple[str, str]:
    for pattern, why, step in _REFUSALS:
        if found := re.search(pattern, message):
            groups = {"quota": "", "figures": "", **{key: value for key, value in found.groupdict().items() if value}}
            groups["figures"] = shorten(groups["figures"], 240)
            return why.format(**groups), step.format(**groups)
    return "", "correct what the message names: the namespace's rules, or the template of the pod"


def rollout(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A Deployment whose rollout has not got on within its deadline, or is paused."""
    for owner in facts.owners:
        if owner["kind"] != "Deployment":
            continue
        status, wanted, name = owner.get("status") or {}, owner["spec"].get("replicas", 1), owner["metadata"]["name"]
        updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
        evidence = f"{updated} of {wanted} pods are of the new revision, {ready} of all are ready"
        progress = condition(owner, "Progressing")
        if progress.get("reason") == "ProgressDeadlineExceeded":
            yield Finding(
                "rollout_stuck",
                CRITICAL,
                f"the rollout of deployment/{name} is stuck; "
                + ("pods of the revision before still run" if ready else "no pod is ready"),
                f"{evidence}; {shorten(progress.get('message', ''))}",
                f"find what the pods of the new revision lack, or take it back (kubectl rollout undo deployment/{name} "
                f"-n {facts.namespace})",
            )
        elif owner["spec"].get("paused"):
            late = updated < wanted
            yield Finding(
                "rollout_paused",
                WARNING if late else INFO,
                f"deployment/{name} is paused: changes of its template are not rolled out",
                evidence,
                f"kubectl rollout resume deployment/{name} -n {facts.namespace}",
            )


def revision(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A pod of an old revision of a StatefulSet, whose rollout waits for it to become ready."""
    for owner in facts.owners:
        status, spec = owner.get("status") or {}, owner["spec"]
        own = (facts.pod["metadata"].get("labels") or {}).get(_REVISION)
        newest = status.get("updateRevision")
        if owner["kind"] != "StatefulSet" or not own or not newest or own == newest:
            continue
        strategy = spec.get("updateStrategy") or {}
        ordinal = facts.pod["metadata"]["name"].rpartition("-")[2]
        held = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
        name, pod = owner["metadata"]["name"], facts.pod["metadata"]["name"]
        evidence = f"{own} instead of {newest}"
        if strategy.get("type") == "OnDelete" or (ordinal.isdigit() and int(ordinal) < held):
            why = "updateStrategy OnDelete" if strategy.get("type") == "OnDelete" else f"partition {held}"
            what = f"the pod is of an old revision of statefulset/{name}, as {why} asks for"
            yield Finding(
                "old_revision", INFO, what, evidence, f"delete the pod to renew it (kubectl delete pod {pod})"
            )
        elif not is_ready(facts.pod):
            yield Finding(
                "revision_stuck",
                CRITICAL,
                f"the pod is of an old revision of statefulset/{name}, whose rollout waits until it is ready",
                evidence,
                f"delete the pod, and it comes back with the new revision (kubectl delete pod {pod} -n "
                f"{facts.namespace})",
            )


def ordinals(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A StatefulSet that makes its next pod only when the one before is ready."""
    for owner in facts.owners:
        status, spec = owner.get("status") or {}, owner["spec"]
        wanted, there = spec.get("replicas", 1), status.get("replicas", 0)
        if owner["kind"] != "StatefulSet" or spec.get("podManagementPolicy") == "Parallel" or there >= wanted:
            continue
        first = int((spec.get("ordinals") or {}).get("start") or 0)
        pods = [each for each in (facts.pod, *(facts.siblings or [])) if each["metadata"]["name"]]
        waits = sorted(each["metadata"]["name"] for each in pods if not is_ready(each))
        name = owner["metadata"]["name"]
        if waits:
            yield Finding(
                "ordinal",
                WARNING,
                f"statefulset/{name} makes {name}-{first + there} only when {waits[0]} is ready",
                f"{there} of {wanted} pods exist",
                f"bring {waits[0]} to be ready; podManagementPolicy Parallel would not wait, and cannot be changed "
                f"later",
            )


def job(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A Job that has given up, ran out of time or is suspended."""
    for owner in facts.owners:
        if owner["kind"] != "Job":
            continue
        name, spec, status = owner["metadata"]["name"], owner["spec"], owner.get("status") or {}
        failed = condition(owner, "Failed") or condition(owner, "FailureTarget")
        done = f"{status.get('succeeded', 0)} of {spec.get('completions') or 1} completed"
        done += f", {status.get('failed', 0)} failed"
        if failed.get("status") == "True":
            reason = failed.get("reason", "")
            what, step = _JOB_ENDS.get(
                reason, (f"has failed ({reason})", "look at its events, and at the log of its pods")
            )
            figures = {"deadline": spec.get("activeDeadlineSeconds"), "backoff": spec.get("backoffLimit", 6)}
            yield Finding(
                "job_failed",
                CRITICAL,
                f"job/{name} {what.format(**figures)}",
                f"{done}; {shorten(failed.get('message', ''))}{_failed_indexes(status)}",
                step.format(**figures),
            )
        elif spec.get("suspend"):
            what = f"job/{name} is suspended: it makes no pod"
            yield Finding(
                "job_suspended",
                WARNING,
                what,
                done,
                f"kubectl patch job {name} -n {facts.namespace} "
                """-p '{"spec":{"suspend":false}}'""",
            )

        elif spec.get("parallelism") == 0 and not status.get("active"):
            yield Finding(
                "job_suspended",
                WARNING,
                f"job/{name} makes no pod: its parallelism is 0",
                done,
                f"kubectl patch job {name} -n {facts.namespace} "
                """-p '{"spec":{"parallelism":1}}'""",
            )


def _failed_indexes(status: Object) -> str:
    return f"; failed indexes: {status['failedIndexes']}" if status.get("failedIndexes") else ""


_JOB_ENDS = {
    "BackoffLimitExceeded": (
        "has given up: its pods have failed more often than backoffLimit ({backoff}) allows",
        "find why its pods fail, then make the Job again: it does not start anew by itself",
    ),
    "DeadlineExceeded": (
        "ran out of time: it was ended after activeDeadlineSeconds ({deadline})",
        "raise activeDeadlineSeconds, or find why it takes longer, then make the Job again",
    ),
    "PodFailurePolicy": (
        "has given up: its podFailurePolicy ends it for such a failure",
        "find why its pod failed as the message says, then make the Job again",
    ),
    "MaxFailedIndexesExceeded": ("has given up: too many of its indexes failed", "find why their pods fail"),
    "FailedIndexes": ("has failed: some of its indexes did", "find why the pods of these indexes fail"),
}


def job_progress(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """How far a Job is that runs without a deadline."""
    for owner in facts.owners:
        status, spec = owner.get("status") or {}, owner["spec"]
        started = parse_time(status.get("startTime"))
        if owner["kind"] != "Job" or not status.get("active") or spec.get("activeDeadlineSeconds") or not started:
            continue
        running, completions = (facts.now - started).total_seconds(), spec.get("completions") or 1
        done = status.get("succeeded", 0)
        retries = f"; {status['failed']} of {spec.get('backoffLimit', 6)} failures" if status.get("failed") else ""
        alone = ""
        if any(
            each["kind"] == "CronJob" and each["spec"].get("concurrencyPolicy") == "Forbid" for each in facts.owners
        ):
            alone = "; its CronJob starts no other run while it lasts"
        yield Finding(
            "job_progress",
            WARNING if not done and running > _LONG_SECONDS else INFO,
            f"job/{owner['metadata']['name']} has completed {done} of {completions}, runs for {span(running)} and has "
            f"no deadline",
            f"{status['active']} active, parallelism {spec.get('parallelism', 1)}{retries}{alone}",
            "find out what its pods do (log, processes); activeDeadlineSeconds would end it in time",
        )


def governing_service(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A StatefulSet whose Service does not exist: its pods have no names of their own."""
    services = {each["metadata"]["name"] for each in facts.services or []}
    for owner in facts.owners:
        wanted = owner["spec"].get("serviceName")
        if owner["kind"] == "StatefulSet" and wanted and facts.services is not None and wanted not in services:
            yield Finding(
                "statefulset_service",
                INFO if is_ready(facts.pod) else WARNING,
                f"the Service {wanted} of statefulset/{owner['metadata']['name']} does not exist: its pods have no "
                f"names of their own",
                f"serviceName {wanted}; Services: {', '.join(sorted(services)[:8]) or 'none'}",
                f"create the headless Service {wanted} (clusterIP: None) with the labels of its pods",
            )


def disruptions(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A PodDisruptionBudget that can never allow that a pod is moved: it blocks each drain of a node."""
    labels = facts.pod["metadata"].get("labels") or {}
    ours = [each for each in facts.budgets or [] if selects(each["spec"].get("selector") or {}, labels)]
    yield from selects_none(facts, "PodDisruptionBudget", facts.budgets or [], "selector", "it protects nothing")
    if len(ours) > 1:
        names = ", ".join(each["metadata"]["name"] for each in ours)
        yield Finding(
            "budget",
            WARNING,
            f"more than one PodDisruptionBudget selects the pod: it cannot be evicted ({names})",
            "the eviction API refuses pods with several budgets",
            "keep one of them",
        )
        return
    for each in ours:
        spec, status = each["spec"], each.get("status") or {}
        wanted, least = status.get("expectedPods", 0), status.get("desiredHealthy", 0)
        if wanted and least >= wanted and status.get("currentHealthy", 0) >= least:
            asked = next((f"{key} {spec[key]}" for key in ("minAvailable", "maxUnavailable") if key in spec), "")
            yield Finding(
                "budget",
                INFO,
                f"the PodDisruptionBudget {each['metadata']['name']} never lets the pod be moved: a drain of its node "
                f"waits for ever",
                f"{asked} of {wanted} pods",
                "lower minAvailable, or run more replicas",
            )


def daemonset(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for owner in facts.owners:
        status = owner.get("status") or {}
        if owner["kind"] == "DaemonSet" and status.get("desiredNumberScheduled") == 0:
            selector = ((owner["spec"].get("template") or {}).get("spec") or {}).get("nodeSelector") or {}
            pairs = ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
            yield Finding(
                "daemonset_nowhere",
                WARNING,
                f"daemonset/{owner['metadata']['name']} runs on no node: none fits its "
                + (f"node selector {pairs}" if pairs else "affinity and tolerations"),
                "0 nodes wanted",
                "label a node, or correct its node selector, affinity or tolerations",
            )


def scaled_to_zero(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for owner in facts.owners[-1:]:
        if owner["spec"].get("replicas") == 0 and not facts.pod["metadata"]["name"]:
            name = f"{owner['kind'].lower()}/{owner['metadata']['name']}"
            yield Finding(
                "scaled_to_zero",
                WARNING,
                f"{name} is scaled to 0: it is meant to have no pod",
                "replicas: 0",
                f"kubectl scale {name} --replicas=1 -n {facts.namespace}, if it should run",
            )


# Why a HorizontalPodAutoscaler does not scale, as a part of a sentence, and what to do.
_UNSCALED = (
    (
        r"missing request for (?P<what>\S+)(?: in container (?P<where>\S+))?",
        "its pods have no request for {what}",
        "set resources.requests.{what} in the container {where}: utilisation is a share of the request",
    ),
    (
        r"could not find the requested resource|unable to fetch metrics from resource metrics API|"
        r"no metrics returned from resource metrics API|the server is currently unable to handle the request",
        "there are no metrics of its pods",
        "install or repair metrics-server (kubectl top pods -n {namespace})",
    ),
    (
        r"custom\.metrics|external\.metrics|unable to get (?:external|pod|object) metric",
        "its custom metric is not served",
        "look at the adapter that serves custom metrics, and at the name of the metric",
    ),
    (
        r"controlled by multiple HPAs",
        "another one scales the same pods",
        "delete one of the HorizontalPodAutoscalers, or correct the selectors of their workloads",
    ),
    (r"not found", "what it scales does not exist", "correct scaleTargetRef"),
)


def autoscaler(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    owners = {(each["kind"], each["metadata"]["name"]): each for each in facts.owners}
    yield from _scalers_of_one(facts, owners)
    yield from _scalers_of_none(facts)
    for scaler in facts.scalers or []:
        target = scaler["spec"].get("scaleTargetRef") or {}
        owner = owners.get((target.get("kind", ""), target.get("name", "")))
        created = parse_time(scaler["metadata"].get("creationTimestamp"))
        if owner is None:
            continue
        name, status = scaler["metadata"]["name"], scaler.get("status") or {}
        bad = [
            each
            for each in (condition(scaler, "AbleToScale"), condition(scaler, "ScalingActive"))
            if each.get("status") == "False" and each.get("reason") != "ScalingDisabled"
        ]
        lacking, limited = _without_request(owner, scaler), condition(scaler, "ScalingLimited")
        if lacking or (bad and not (created and (facts.now - created).total_seconds() < _NEW_SECONDS)):
            message = bad[0].get("message", "") if bad else ""
            why, step = _why_unscaled(message, lacking, facts.namespace)
            yield Finding(
                "autoscaler",
                WARNING,
                f"the HorizontalPodAutoscaler {name} does not scale{f': {why}' if why else ''}",
                shorten(message) or " of ".join(("no request", *reversed(lacking or ()))),
                step,
            )
        elif limited.get("reason") == "TooManyReplicas":
            most = scaler["spec"].get("maxReplicas")
            yield Finding(
                "autoscaler_limit",
                WARNING,
                f"the HorizontalPodAutoscaler {name} is at its limit of {most} replicas, and asks for more",
                f"{status.get('currentReplicas')} replicas; {shorten(limited.get('message', ''))}",
                "raise maxReplicas, or find what the load comes from",
            )


def _target_of(scaler: Object) -> tuple[str, str]:
    target = scaler["spec"].get("scaleTargetRef") or {}
    return target.get("kind", ""), target.get("name", "")


def _scalers_of_one(facts: Facts, owners: t.Mapping[tuple[str, str], Object]) -> Iterator[Finding]:
    """More than one autoscaler of the same workload: each undoes what the other does."""
    for kind, name in owners:
        names = sorted(each["metadata"]["name"] for each in facts.scalers or [] if _target_of(each) == (kind, name))
        if len(names) > 1:
            yield Finding(
                "autoscaler",
                WARNING,
                f"{len(names)} HorizontalPodAutoscalers scale {kind.lower()}/{name}, and each undoes what the other "
                f"does",
                ", ".join(names),
                "keep one of them, with all metrics",
            )


def _scalers_of_none(facts: Facts) -> Iterator[Finding]:
    """An autoscaler whose target is not there, and that was probably meant for this workload."""
    for scaler in facts.scalers or []:
        (kind, target), name = _target_of(scaler), scaler["metadata"]["name"]
        lost = condition(scaler, "AbleToScale")
        if lost.get("status") != "False" or lost.get("reason") != "FailedGetScale" or "not found" not in str(lost):
            continue
        for owner in facts.owners:
            own = owner["metadata"]["name"]
            if owner["kind"] in SCALED and (name == own or _is_slip(target, own)):
                yield Finding(
                    "autoscaler",
                    WARNING,
                    f"the HorizontalPodAutoscaler {name} scales nothing: there is no {kind.lower()}/{target}; "
                    f"closest is "
                    f"{owner['kind'].lower()}/{own}",
                    shorten(lost.get("message", "")),
                    f"correct scaleTargetRef of {name} to {owner['kind']} {own}, if that is meant",
                )


def _is_slip(written: str, meant: str) -> bool:
    """Tell whether a name is another one with two letters that changed places, or with one or two at its end.

    Names of a namespace are often alike, and each means another thing.
    """
    short, long = sorted((written, meant), key=len)
    wrong = [place for place, (one, two) in enumerate(zip(written, meant)) if one != two]
    swapped = len(written) == len(meant) and sorted(written) == sorted(meant) and len(wrong) == 2
    return (swapped and wrong[1] - wrong[0] == 1) or (long.startswith(short) and len(long) - len(short) <= 2)


def _without_request(owner: Object, scaler: Object) -> tuple[str, str] | None:
    """Return the first container without a request for what the scaler takes the utilisation of, and its name."""
    template = (owner["spec"].get("template") or {}).get("spec") or {}
    for metric in scaler["spec"].get("metrics") or []:
        resource = metric.get("resource") or {}
        if (resource.get("target") or {}).get("type") != "Utilization":
            continue
        for container in template.get("containers") or []:
            resources = container.get("resources") or {}
            # A limit is the request where there is none.
            if resource["name"] not in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}:
                return container["name"], resource["name"]
    return None


def _why_unscaled(message: str, lacking: tuple[str, str] | None, namespace: str) -> tuple[str, str]:
    text = f"missing request for {lacking[1]} in container {lacking[0]}" if lacking else message
    for pattern, why, step in _UNSCALED:
        if found := re.search(pattern, text):
            groups = {key: value for key, value in found.groupdict().items() if value}
            groups = {"what": "cpu", "where": "of its template", "namespace": namespace, **groups}
            return why.format(**groups), step.format(**groups)
    return "", "look at its conditions (kubectl describe hpa)"


def last_warning(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """What the owner of no pod warns of, if no rule knows more."""
    for owner in facts.owners:
        warnings = [each for each in _recent(facts, owner) if each.get("type") == "Warning"]
        if warnings:
            when = event_time(warnings[-1])
            yield Finding(
                "owner_warning",
                CRITICAL,
                f"{_named(owner)} warns: {warnings[-1].get('reason')}",
                f"{last_message(warnings)}{f'; {ago(when, facts.now)}' if when else ''}",
                f"look at its events (kubectl describe {owner['kind'].lower()} {owner['metadata']['name']} "
                f"-n {facts.namespace})",
            )
            return
