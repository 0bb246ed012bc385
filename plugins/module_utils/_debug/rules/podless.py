# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was asked for and has no pod: why not, or that it is meant to have none. PRIVATE to the collection.

Each rule looks at one kind of object, which is the first or, of a Job, the second of the owners.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..._k8s.client import Object
from ..._severity import CRITICAL, INFO, WARNING
from ..._time import ago, parse_time
from ..collector_output import Sections
from ..finding import Finding
from ..observed import Facts
from ..schedule import last_times
from ..target import backends, read_target, trouble
from .common import condition, event_time, events_about, shorten
from .network import matches
from .node import BAD_CONDITIONS
from .peers import ingress_trouble, selects_nothing
from .scheduling import why_unbound

# Findings that are no trouble, and yet tell why there is no pod.
ANSWERS = ("old_replicaset", "job_done", "cronjob_idle", "service_outside", "claim_unused", "node_ready")
# From when on a pod is worth to be named as one in trouble.
_TROUBLE = 50
_MOST_NAMES = 5
_RECENT_SECONDS = 3600.0
# What a kubelet or the node problem detector tells of a node that is in trouble; others are daily life.
_NODE_EVENTS = {
    "SystemOOM",
    "OOMKilling",
    "EvictionThresholdMet",
    "FreeDiskSpaceFailed",
    "ImageGCFailed",
    "ContainerGCFailed",
    "Rebooted",
    "KernelOops",
    "TaskHung",
    "FilesystemIsReadOnly",
    "KubeletSetupFailed",
}
# What the controller of CronJobs warns of, as the rest of a sentence, and what to do.
_CRON_EVENTS = {
    "UnknownTimeZone": ("starts no Job: its time zone is unknown", "correct timeZone"),
    "UnparseableSchedule": ("starts no Job: its schedule cannot be read", "correct schedule"),
    "InvalidSchedule": ("starts no Job: its schedule never comes", "correct schedule"),
    "TooManyMissedTimes": (
        "starts no Job: it has missed more than 100 of its times",
        "set startingDeadlineSeconds below 100 of its periods, and look whether the controller's clock is right",
    ),
    "MissSchedule": (
        "has missed its time",
        "raise startingDeadlineSeconds, or look at what kept the run before from ending (concurrencyPolicy)",
    ),
}


def _of_kind(facts: Facts, kind: str) -> Iterator[tuple[str, Object]]:
    return ((each["metadata"]["name"], each) for each in facts.owners if each["kind"] == kind)


def old_replicaset(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    first = facts.owners[0]
    for name, deployment in _of_kind(facts, "Deployment"):
        if first["kind"] == "ReplicaSet" and first["spec"].get("replicas") == 0 and deployment["spec"].get("replicas"):
            old = first["metadata"]["name"]
            what = f"replicaset/{old} is of an old revision of deployment/{name}, and meant to have no pod"
            yield Finding("old_replicaset", INFO, what, "replicas: 0", f"look at deployment/{name}")


def job_done(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, job in _of_kind(facts, "Job"):
        complete, status = condition(job, "Complete"), job.get("status") or {}
        if complete.get("status") == "True":
            when = parse_time(status.get("completionTime") or complete.get("lastTransitionTime"))
            done = f"{status.get('succeeded', 0)} of {job['spec'].get('completions') or 1} completed"
            yield Finding(
                "job_done",
                INFO,
                f"job/{name} has completed, and its pods are removed",
                f"{done}{f', {ago(when, facts.now)}' if when else ''}",
                "nothing is to be done",
            )


def cronjob(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, found in _of_kind(facts, "CronJob"):
        spec, status = found["spec"], found.get("status") or {}
        last, succeeded = parse_time(status.get("lastScheduleTime")), parse_time(status.get("lastSuccessfulTime"))
        schedule = f"schedule {spec.get('schedule')} {spec.get('timeZone') or ''}".strip()
        when = f"its last run began {ago(last, facts.now)}" if last else "it has not run yet"
        warnings = [each for each in events_about(facts, found["metadata"]["uid"]) if each.get("type") == "Warning"]
        # What it has run since is over.
        warnings = [each for each in warnings if not last or (event_time(each) or last) >= last]
        has_pod = bool(facts.pod["metadata"]["name"])
        if warnings and warnings[-1].get("reason") != "FailedCreate":
            reason = warnings[-1].get("reason", "")
            what, step = _CRON_EVENTS.get(reason, (f"starts no Job: {reason}", "correct what the message names"))
            yield Finding(
                "cronjob_warning",
                CRITICAL,
                f"cronjob/{name} {what}",
                f"{shorten(warnings[-1].get('message', ''))}; {schedule}; {when}",
                step,
            )
        if spec.get("suspend"):
            yield Finding(
                "cronjob_suspended",
                INFO if has_pod and read_target(facts.chosen.asked).kind != "cronjob" else WARNING,
                f"cronjob/{name} is suspended: it starts no Job",
                f"{schedule}; {when}",
                f"kubectl patch cronjob {name} -n {facts.namespace} "
                """-p '{"spec":{"suspend":false}}', if it should run""",
            )
        late = () if warnings or spec.get("suspend") else tuple(_late_cronjob(facts, name, found))
        yield from late
        if facts.owners[0]["kind"] == "Job" or warnings or spec.get("suspend") or late:
            continue
        if last and not status.get("active") and (succeeded is None or succeeded < last):
            yield Finding(
                "cronjob_failed",
                WARNING,
                f"the last run of cronjob/{name} did not succeed, and its Job is not kept",
                f"it began {ago(last, facts.now)}; "
                f"{f'the last success was {ago(succeeded, facts.now)}' if succeeded else 'none has succeeded yet'}; "
                f"failedJobsHistoryLimit {spec.get('failedJobsHistoryLimit', 1)}",
                "raise failedJobsHistoryLimit and ttlSecondsAfterFinished, and look again after its next run "
                f"(kubectl create job --from=cronjob/{name} NAME -n {facts.namespace} starts one now)",
            )
            continue
        yield Finding(
            "cronjob_idle",
            INFO,
            f"cronjob/{name} waits for its next run" + (": the last one succeeded" if succeeded else ""),
            f"{schedule}; {when}",
            f"kubectl create job --from=cronjob/{name} NAME -n {facts.namespace} starts one now",
        )


def _late_cronjob(facts: Facts, name: str, found: Object) -> Iterator[Finding]:
    """A CronJob whose schedule never comes, or that has missed two of its times though nothing of it runs."""
    spec, status = found["spec"], found.get("status") or {}
    schedule, zone = str(spec.get("schedule") or ""), spec.get("timeZone") or ""
    times = last_times(schedule, zone, facts.now, 2)
    if times == []:
        yield Finding(
            "cronjob_never",
            CRITICAL,
            f"cronjob/{name} starts no Job: its schedule never comes",
            f"schedule {schedule}",
            "correct schedule: there is no such day (minute, hour, day of the month, month, day of the week)",
        )
    # A run that lasts longer than its period keeps the next ones from beginning.
    known = [parse_time(status.get(each)) for each in ("lastScheduleTime", "lastSuccessfulTime")]
    last = max(filter(None, known), default=parse_time(found["metadata"].get("creationTimestamp")))
    # One time may be that of another time zone, in which the controller is.
    if not times or len(times) < 2 or not last or last >= times[1] or status.get("active"):
        return
    began = f"its last run began {ago(last, facts.now)}" if status.get("lastScheduleTime") else "it has not run yet"
    deadline, step = spec.get("startingDeadlineSeconds"), "look whether the controller of CronJobs runs"
    if deadline is not None and deadline < _SHORT_DEADLINE:
        step += f", and raise startingDeadlineSeconds ({deadline}): it looks every {_SHORT_DEADLINE} s"
    yield Finding(
        "cronjob_late",
        WARNING,
        f"cronjob/{name} has missed its times: it was due {ago(times[1], facts.now)}, and {ago(times[0], facts.now)}",
        f"schedule {schedule} {zone}".strip() + f"; {began}",
        f"{step} (kube-controller-manager)",
    )


_SHORT_DEADLINE = 10


def service(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, found in _of_kind(facts, "Service"):
        spec = found["spec"]
        if spec.get("type") == "ExternalName":
            what = f"service/{name} is another name of {spec.get('externalName')}, and has no pod"
            yield Finding("service_outside", INFO, what, "type ExternalName", f"look at {spec.get('externalName')}")
            continue
        if spec.get("selector"):
            kind, what, evidence, step = selects_nothing(facts, name, spec["selector"])
            yield Finding(kind, CRITICAL, f"nothing answers at {what}", evidence, step)
            continue
        slices = [
            each
            for each in facts.slices or []
            if (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == name
        ]
        addresses = [one for each in slices for end in each.get("endpoints") or [] for one in end["addresses"]]
        if addresses:
            what = f"service/{name} selects no pod: its endpoints are made by hand"
            yield Finding("service_outside", INFO, what, ", ".join(addresses[:_MOST_NAMES]), "look at these addresses")
        elif facts.slices is not None:
            yield Finding(
                "service_empty",
                CRITICAL,
                f"nothing answers at service/{name}: it has neither a selector nor endpoints",
                "spec.selector is empty, and there is no EndpointSlice of it",
                "set its selector to the labels of its pods, or make an EndpointSlice for it",
            )


def ingress(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    services = {each["metadata"]["name"]: each for each in facts.services or []}
    for name, found in _of_kind(facts, "Ingress"):
        yield from ingress_trouble(facts, found)
        for backend in dict.fromkeys(service for service, _port in backends(found) if service in services):
            selector = services[backend]["spec"].get("selector") or {}
            pods = [each for each in facts.pods or [] if matches(selector, each["metadata"].get("labels") or {})]
            if selector and facts.pods is not None and not pods:
                kind, what, evidence, step = selects_nothing(facts, backend, selector)
                yield Finding(kind, CRITICAL, f"the Ingress {name} sends to {what}", evidence, step)


def claim(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, found in _of_kind(facts, "PersistentVolumeClaim"):
        spec, phase = found["spec"], (found.get("status") or {}).get("phase", "Pending")
        if phase == "Bound":
            yield Finding(
                "claim_unused",
                INFO,
                f"pvc/{name} is bound to {spec.get('volumeName')}, and no pod mounts it",
                f"{((found.get('status') or {}).get('capacity') or {}).get('storage', 'no size')}, "
                f"class {spec.get('storageClassName')}",
                "nothing is wrong with it; delete it if nothing needs it any more",
            )
            continue
        told = why_unbound(facts, found)
        if told is None:
            yield Finding(
                "claim",
                WARNING,
                f"pvc/{name} is pending: its volume is made only when a pod mounts it, and none does",
                f"class {spec.get('storageClassName') or 'of the cluster'}, volumeBindingMode WaitForFirstConsumer",
                "start the pod that mounts it",
            )
            continue
        why, evidence, step = told
        yield Finding("claim", CRITICAL, f"pvc/{name} is {phase.lower()}{why}", evidence, step)


def node(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, found in _of_kind(facts, "Node"):
        troubles = [*_node_conditions(facts, name, found), *_node_events(facts, name), *_node_pods(facts, name)]
        yield from troubles
        pods = "which pods are on it is not known" if facts.node_pods is None else f"{len(facts.node_pods)} pods"
        if not troubles:
            version = ((found.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion")
            what = f"node/{name} is ready" + ("" if facts.node_pods is None else ", and no pod on it is in trouble")
            evidence = "; ".join(filter(None, [pods, f"kubelet {version}" if version else ""]))
            yield Finding("node_ready", INFO, what, evidence, "look at the pods on it, by their names")


def _node_conditions(facts: Facts, name: str, found: Object) -> Iterator[Finding]:
    for each in (found.get("status") or {}).get("conditions") or []:
        since = parse_time(each.get("lastTransitionTime"))
        evidence = "; ".join(
            filter(None, [shorten(each.get("message", "")), f"since {ago(since, facts.now)}" if since else ""])
        )
        if each["type"] == "Ready" and each["status"] != "True":
            what = "does not answer" if each["status"] == "Unknown" else "is not ready"
            step = "look at its kubelet and its network (journalctl -u kubelet on the node), or replace it"
            yield Finding("node_not_ready", CRITICAL, f"node/{name} {what}", evidence, step)
        elif each["type"] in BAD_CONDITIONS and each["status"] == "True":
            step = "free what the node lacks, before the kubelet evicts pods"
            yield Finding("node_pressure", CRITICAL, f"node/{name} has {each['type']}", evidence, step)
    if found["spec"].get("unschedulable"):
        step = f"ask who maintains it; kubectl uncordon {name} lets pods in again"
        yield Finding("cordoned", WARNING, f"node/{name} is cordoned: it takes no new pod", "spec.unschedulable", step)


def _node_events(facts: Facts, name: str) -> Iterator[Finding]:
    told = {}
    for each in facts.events or []:
        about, when = each.get("involvedObject") or {}, event_time(each)
        recent = when is not None and (facts.now - when).total_seconds() < _RECENT_SECONDS
        if about.get("kind") == "Node" and about.get("name") == name and each.get("reason") in _NODE_EVENTS and recent:
            told[each["reason"]] = f"{shorten(each.get('message', ''))}; {ago(when, facts.now)}" if when else ""
    for reason, evidence in told.items():
        step = f"look at its log around that time (kubectl describe node {name})"
        yield Finding("node_event", WARNING, f"node/{name} warns: {reason}", evidence, step)


def _node_pods(facts: Facts, name: str) -> Iterator[Finding]:
    ranked = [(*trouble(each, facts.now), each["metadata"]) for each in facts.node_pods or []]
    bad = sorted((each for each in ranked if each[0] >= _TROUBLE), key=lambda each: (-each[0], each[2]["name"]))
    if bad:
        worst = bad[0][2]
        yield Finding(
            "node_pods",
            WARNING,
            f"{len(bad)} of {len(ranked)} pods on node/{name} are in trouble",
            "; ".join(f"{each['namespace']}/{each['name']}: {words}" for _score, words, each in bad[:_MOST_NAMES]),
            f"look at the worst (debug_pod_namespace={worst['namespace']}, debug_pod_targets={worst['name']})",
        )
