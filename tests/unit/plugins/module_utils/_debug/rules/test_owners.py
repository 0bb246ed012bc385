# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever owns a pod is asked too: the first finding of each case, and its next step, with and without a pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import judge_workload
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import NO_POD, Facts
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import Chosen

from .objects import (
    NOW,
    at,
    condition,
    container,
    event,
    facts,
    findings,
    log,
    looping,
    over,
    owner,
    pod,
    running,
)

QUOTA = (
    'pods "web-6d5c6f5c5c-x2k8p" is forbidden: exceeded quota: compute, requested: limits.cpu=1, used: limits.cpu=4, '
    "limited: limits.cpu=4"
)


def without(*owners: dict[str, Any], **parts: Any) -> Facts:
    """Return a workload without a pod; its owners come from the nearest to a pod to the farthest."""
    return replace(Facts("shop", NOW, Chosen("deployment/web", NO_POD, "it has no pod")), owners=list(owners), **parts)


def deployment(*conditions: dict[str, Any], wanted: int = 2, **parts: Any) -> dict[str, Any]:
    return owner("Deployment", spec={"replicas": wanted, **parts.pop("spec", {})}, conditions=list(conditions), **parts)


def failing(message: str) -> dict[str, Any]:
    return deployment(condition("ReplicaFailure", "True", "FailedCreate", message))


def job(*conditions: dict[str, Any], spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return owner("Job", "load", spec=spec or {}, conditions=list(conditions), **status)


def statefulset(**parts: Any) -> dict[str, Any]:
    spec = {"replicas": 3, **parts.pop("spec", {})}
    return owner("StatefulSet", "db", spec=spec, **{"replicas": 1, "updateRevision": "db-2", **parts})


def scaler(*conditions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "creationTimestamp": at(3000)},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 4, **spec},
        "status": {"currentReplicas": 4, "conditions": list(conditions)},
    }


TEMPLATE = {"template": {"spec": {"containers": [container(resources={})]}}}
OF_CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}

WITHOUT_POD = {
    "quota": (
        without(failing(QUOTA)),
        "replica_failure",
        "critical",
        "the quota compute is used up",
        "limited: limits.cpu=4",
    ),
    "quota that demands limits": (
        without(failing('pods "web-x" is forbidden: failed quota: compute: must specify limits.cpu for: main')),
        *(
            "replica_failure",
            "critical",
            "the quota compute demands limits.cpu for: main",
            "LimitRange that has defaults",
        ),
    ),
    "LimitRange": (
        without(failing('pods "web-x" is forbidden: maximum cpu usage per Container is 500m, but limit is 2')),
        *("replica_failure", "critical", "LimitRange", "maximum cpu usage per Container is 500m, but limit is 2"),
    ),
    "Pod Security": (
        without(
            failing(
                'pods "web-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != '
                "false "
                '(container "main" must set securityContext.allowPrivilegeEscalation=false)'
            )
        ),
        *("replica_failure", "critical", "Pod Security (restricted:latest)", "allowPrivilegeEscalation"),
    ),
    "ServiceAccount": (
        without(
            failing(
                'pods "web-x" is forbidden: error looking up service account shop/builder: serviceaccount "builder" '
                "not found"
            )
        ),
        *("replica_failure", "critical", "its ServiceAccount builder does not exist", "serviceAccountName"),
    ),
    "a webhook that denies": (
        without(failing('admission webhook "policy.example.com" denied the request: label team is required')),
        *("replica_failure", "critical", "the webhook policy.example.com denies it", "label team is required"),
    ),
    "a webhook that does not answer": (
        without(
            failing(
                'Internal error occurred: failed calling webhook "policy.example.com": Post '
                '"https://policy.shop.svc:443/": '
                "dial tcp 10.96.0.9:443: connect: connection refused"
            )
        ),
        *("replica_failure", "critical", "the webhook policy.example.com does not answer", "kubectl get validating"),
    ),
    "by an event of its ReplicaSet": (
        without(
            owner("ReplicaSet", "web-6d5", uid="rs", spec={"replicas": 2}, replicas=0),
            deployment(),
            events=[event("FailedCreate", f"Error creating: {QUOTA}", uid="rs")],
        ),
        *("replica_failure", "critical", "ReplicaSet web-6d5 can make no pod: the quota compute", "raise the quota"),
    ),
    "a StatefulSet": (
        without(
            statefulset(replicas=0),
            events=[
                event(
                    "FailedCreate",
                    f"create Pod db-0 in StatefulSet db failed error: {QUOTA}",
                    uid="statefulset-uid",
                )
            ],
        ),
        *("replica_failure", "critical", "StatefulSet db can make no pod: the quota compute", "raise the quota"),
    ),
    "scaled to nothing": (
        without(deployment(wanted=0)),
        *("scaled_to_zero", "warning", "deployment/web is scaled to 0", "kubectl scale deployment/web --replicas=1"),
    ),
    "a Job that gave up": (
        without(
            job(
                condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
                failed=7,
            )
        ),
        *(
            "job_failed",
            "critical",
            "has given up: its pods have failed more often than backoffLimit (6)",
            "make the Job again",
        ),
    ),
    "a Job out of time": (
        without(
            job(
                condition("Failed", "True", "DeadlineExceeded", "Job was active longer than specified deadline"),
                spec={"activeDeadlineSeconds": 30},
            )
        ),
        *("job_failed", "critical", "activeDeadlineSeconds (30)", "raise activeDeadlineSeconds"),
    ),
    "a Job that is suspended": (
        without(job(condition("Suspended", "True", "JobSuspended"), spec={"suspend": True})),
        *("job_suspended", "warning", "job/load is suspended", "kubectl patch job load"),
    ),
    "a DaemonSet that fits nowhere": (
        without(
            owner(
                "DaemonSet",
                "agent",
                spec={"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}},
                desiredNumberScheduled=0,
            )
        ),
        *("daemonset_nowhere", "warning", "disk=ssd", "label a node"),
    ),
    "an event that no rule knows": (
        without(deployment(), events=[event("Strange", "something odd", uid="deployment-uid")]),
        *("owner_warning", "critical", "Deployment web warns: Strange", "kubectl describe deployment web"),
    ),
    "nothing at all": (
        without(deployment()),
        "no_pod",
        "warning",
        "deployment/web has no pod",
        "kubectl describe deployment web",
    ),
}


@pytest.mark.parametrize("name", WITHOUT_POD)
def test_why_there_is_no_pod(name: str) -> None:
    read, kind, severity, what, step = WITHOUT_POD[name]
    diagnosis = judge_workload(read)
    first = diagnosis.findings[0]
    assert (first.kind, first.severity, diagnosis.severity) == (kind, severity, severity), diagnosis.findings
    assert what in f"{first.what}; {first.evidence}"
    assert step in first.next_step
    assert diagnosis.details["owners"]


OLD = {"labels": {"app": "db", "controller-revision-hash": "db-1"}, "name": "db-0", "uid": "1"}


def old_pod(*statuses: dict[str, Any]) -> dict[str, Any]:
    found = pod(*statuses)
    found["metadata"] = {**found["metadata"], **OLD}
    return found


WITH_POD = {
    "a rollout that is blocked while the old pods run": (
        facts(owners=[owner("ReplicaSet"), failing(QUOTA)]),
        *("replica_failure", "critical", "can make no further pod: the quota compute is used up", "raise the quota"),
    ),
    "a rollout out of time while the old pods run": (
        facts(
            owners=[
                owner("ReplicaSet"),
                deployment(
                    condition(
                        "Progressing",
                        "False",
                        "ProgressDeadlineExceeded",
                        'ReplicaSet "web-2" has timed out progressing.',
                    ),
                    updatedReplicas=1,
                    readyReplicas=2,
                ),
            ]
        ),
        *("rollout_stuck", "critical", "pods of the revision before still run", "kubectl rollout undo deployment/web"),
    ),
    "a rollout that is paused": (
        facts(owners=[owner("ReplicaSet"), deployment(spec={"paused": True}, updatedReplicas=0)]),
        *("rollout_paused", "warning", "is paused", "kubectl rollout resume"),
    ),
    "an old revision that is stuck": (
        facts(old_pod(looping(1)), before={"main": log("boom")}, owners=[statefulset()]),
        *("revision_stuck", "critical", "old revision of statefulset/db", "kubectl delete pod db-0"),
    ),
    "an ordinal that waits": (
        facts(old_pod(running(ready=False)), owners=[statefulset(updateRevision="db-1")]),
        *("readiness", "critical", "not ready", "whether its node answers"),
    ),
    "no requests for its autoscaler": (
        facts(owners=[owner("ReplicaSet"), deployment(spec=TEMPLATE)], scalers=[scaler(metrics=[OF_CPU])]),
        *("autoscaler", "warning", "its pods have no request for cpu", "resources.requests.cpu in the container main"),
    ),
    "no metrics for its autoscaler": (
        facts(
            owners=[owner("ReplicaSet"), deployment()],
            scalers=[
                scaler(
                    condition(
                        "ScalingActive",
                        "False",
                        "FailedGetResourceMetric",
                        "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to "
                        "get metrics for "
                        "resource cpu: unable to fetch metrics from resource metrics API: the server could not find "
                        "the "
                        "requested resource (get pods.metrics.k8s.io)",
                    )
                )
            ],
        ),
        *("autoscaler", "warning", "there are no metrics of its pods", "metrics-server"),
    ),
    "an autoscaler at its limit": (
        facts(
            owners=[owner("ReplicaSet"), deployment()],
            scalers=[
                scaler(condition("ScalingLimited", "True", "TooManyReplicas", "the desired replica count is more"))
            ],
        ),
        *("autoscaler_limit", "warning", "at its limit of 4 replicas", "raise maxReplicas"),
    ),
    "a Job without a deadline that completes nothing": (
        facts(
            pod(spec={"restartPolicy": "Never"}),
            owners=[job(active=1, startTime=at(1200), spec={"completions": 5})],
        ),
        *(
            "job_progress",
            "warning",
            "has completed 0 of 5, runs for 20 min and has no deadline",
            "activeDeadlineSeconds",
        ),
    ),
    "a Job that has just begun": (
        facts(pod(spec={"restartPolicy": "Never"}), owners=[job(active=1, startTime=at(20), spec={"completions": 5})]),
        *("job_progress", "info", "0 of 5", "log"),
    ),
    "a Job that gave up, with its last pod": (
        facts(
            pod(over(1), spec={"restartPolicy": "Never"}, phase="Failed"),
            logs={"main": log("target: s3://shop/import", "FATAL: no such bucket")},
            owners=[job(condition("Failed", "True", "BackoffLimitExceeded", "limit"), failed=7)],
        ),
        *("ended", "critical", "no such bucket", "log"),
    ),
    "finalizers from the first second": (
        facts(
            pod()
            | {"metadata": {**pod()["metadata"], "deletionTimestamp": at(-29), "finalizers": ["example.com/backup"]}}
        ),
        *("terminating", "warning", "waits for its finalizers: example.com/backup", "removes example.com/backup"),
    ),
    "finalizers of a pod that has ended": (
        facts(
            pod(over(0, reason="Completed"))
            | {"metadata": {**pod()["metadata"], "deletionTimestamp": at(5), "finalizers": ["example.com/backup"]}}
        ),
        *("terminating", "critical", "waits for its finalizers", "kubectl patch pod"),
    ),
    "a preStop hook from the first second": (
        facts(
            pod(spec={"containers": [container(lifecycle={"preStop": {"exec": {"command": ["sleep", "20"]}}})]})
            | {"metadata": {**pod()["metadata"], "deletionTimestamp": at(-29)}}
        ),
        *("terminating", "warning", "runs the preStop hook of main", "terminationGracePeriodSeconds"),
    ),
}


@pytest.mark.parametrize("name", WITH_POD)
def test_owners_of_a_pod_are_evidence(name: str) -> None:
    read, kind, severity, what, step = WITH_POD[name]
    found = findings(read)
    assert (found[0].kind, found[0].severity) == (kind, severity), found
    assert what in f"{found[0].what}; {found[0].evidence}"
    assert step in found[0].next_step


def test_an_ordinal_waits_for_the_one_before() -> None:
    found = findings(WITH_POD["an ordinal that waits"][0])
    assert "statefulset/db makes db-1 only when db-0 is ready" in [each.what for each in found]


@pytest.mark.parametrize(
    "owners",
    [
        [
            owner("ReplicaSet", spec={"replicas": 2}, replicas=2),
            deployment(condition("Progressing", "True", "NewReplicaSetAvailable")),
        ],
        [statefulset(replicas=3)],
        [owner("DaemonSet", desiredNumberScheduled=1, currentNumberScheduled=1)],
        [job(active=1, startTime=at(20), spec={"completions": 2, "activeDeadlineSeconds": 600})],
    ],
    ids=["Deployment", "StatefulSet", "DaemonSet", "Job"],
)
def test_a_healthy_owner_says_nothing(owners: list[dict[str, Any]]) -> None:
    refused = event("FailedCreate", f"Error creating: {QUOTA}", uid=owners[0]["metadata"]["uid"], ago=300)
    assert [each.kind for each in findings(facts(owners=owners, events=[refused]))] == ["healthy"]
