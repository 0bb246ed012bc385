# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that the lab cannot cause: evictions, pressure, several nodes, GPUs, cloud volumes, Gateways, time.

Those that it can are in `tests/support/cases.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import judge_workload
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import NO_POD, Facts
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import Chosen

from .objects import (
    NOW,
    Object,
    at,
    claim,
    condition,
    container,
    event,
    facts,
    findings,
    ingress,
    log,
    looping,
    node,
    over,
    owner,
    peer,
    pod,
    policy,
    restarted,
    running,
    service,
    unplaced,
    waiting,
)


def evicted(message: str) -> Facts:
    return facts(pod(over(137), phase="Failed", reason="Evicted", message=message))


def disrupted(reason: str, message: str = "") -> Facts:
    found = pod(over(143), phase="Failed")
    found["status"]["conditions"].append(condition("DisruptionTarget", "True", reason, message))
    return facts(found)


def starting(*events: Object, **spec: Any) -> Facts:
    found = pod(waiting(), phase="Pending", spec={"containers": [container()], **spec})
    return facts(found, events=list(events))


def sandbox(message: str) -> Facts:
    return starting(event("FailedCreatePodSandBox", f"Failed to create pod sandbox: {message}"))


def mount(message: str, reason: str = "FailedMount", **spec: Any) -> Facts:
    return starting(event(reason, message), **spec)


def pull(message: str, image: str = "registry.example.com/shop/web:1.4") -> Facts:
    states = [waiting(reason="ImagePullBackOff", message=f'Back-off pulling image "{image}"')]
    return facts(
        pod(*states, phase="Pending", spec={"containers": [container(image=image)]}),
        events=[event("Failed", f'Failed to pull image "{image}": {message}', container="main")],
    )


def on_node(*conditions: Object, **spec: Any) -> Facts:
    found = node("n1")
    found["status"]["conditions"] = list(conditions)
    found["spec"] = spec
    return facts(pod(running(ready=False)) if conditions and conditions[0]["type"] == "Ready" else pod(), node=found)


def without(*owners: Object, **parts: Any) -> Facts:
    return replace(Facts("shop", NOW, Chosen("web", NO_POD, "it has no pod")), owners=list(owners), **parts)


def cronjob(*events: Object, spec: Object | None = None, **status: Any) -> Facts:
    found = owner("CronJob", "report", uid="cron", spec={"schedule": "0 3 * * *", **(spec or {})}, **status)
    return without(found, events=list(events))


def scaled(scaler: Object) -> Facts:
    requests = {"resources": {"requests": {"cpu": "100m"}}}
    template = {"template": {"spec": {"containers": [container(**requests)]}}}
    deployment = owner("Deployment", spec={"replicas": 1, **template})
    return facts(owners=[deployment], scalers=[{"metadata": {"name": "web", "creationTimestamp": at(3000)}, **scaler}])


def hpa(*conditions: Object) -> Object:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 4}
    return {"spec": spec, "status": {"currentReplicas": 4, "conditions": list(conditions)}}


def route(port: int = 80, to: str = "web", parent: Object | None = None, **status: Any) -> Object:
    parents = [{"name": "edge", "namespace": "infra", **(parent or {})}]
    return {
        "metadata": {"name": "web"},
        "spec": {"parentRefs": parents, "rules": [{"backendRefs": [{"name": to, "port": port}]}]},
        "status": status,
    }


def gateway(allowed: str = "All", *conditions: Object) -> Object:
    listener = {"name": "https", "allowedRoutes": {"namespaces": {"from": allowed}}}
    return {
        "metadata": {"name": "edge", "namespace": "infra"},
        "spec": {"gatewayClassName": "envoy", "listeners": [listener]},
        "status": {"conditions": list(conditions)},
    }


def routed(one: Object, *gateways: Object, classes: tuple[str, ...] = ("envoy",)) -> Facts:
    known = [{"metadata": {"name": each}} for each in classes]
    return facts(services=[service()], pods=[pod()], routes=[one], gateways=list(gateways), gateway_classes=known)


def refused(reason: str, message: str) -> Object:
    found = [condition("Accepted", "False", reason, message)]
    return route(parents=[{"parentRef": {"name": "edge"}, "conditions": found}])


def budgets(*specs: Object, **status: Any) -> Facts:
    found = [
        {
            "metadata": {"name": f"web-{number}"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
            "status": status,
        }
        for number, spec in enumerate(specs)
    ]
    return facts(owners=[owner("Deployment", spec={"replicas": 1})], budgets=found)


WEBHOOK = (
    'Internal error occurred: failed calling webhook "deny.example.com": failed to call webhook: Post '
    '"https://guard.infra.svc:443/?timeout=10s": service "guard" not found'
)
BEHIND = {
    "name": "deny.example.com",
    "failurePolicy": "Fail",
    "clientConfig": {"service": {"namespace": "infra", "name": "guard"}},
}
PYTHON = (
    "Traceback (most recent call last):",
    '  File "/app.py", line 1',
    "OSError: [Errno 28] No space left on device",
)
DATA = {
    "containers": [container(volumeMounts=[{"name": "data", "mountPath": "/data"}])],
    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
}
MULTI = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) web-old'
CHECKER = (
    "Connection attempt 1 failed: java.net.ConnectException: Connection refused",
    "Target host: prod-db, port: 3333",
    "Connection pool exhausted: max_size=256, active=256, idle=0",
    "FATAL: Unable to connect to required database",
)


def kept_from_running(reason: str, message: str) -> Facts:
    """Return a pod whose container the node does not make, or does not start."""
    spec = {"containers": [container()]}
    return facts(pod(waiting(reason=reason, message=message), phase="Pending", spec=spec))


def rejected(reason: str, message: str) -> Facts:
    return facts(pod(phase="Failed", reason=reason, message=f"Pod was rejected: {message}", containerStatuses=[]))


def probed(kind: str, probe: Object, answer: str, *logs: str) -> Facts:
    """Return a pod that is not ready, or was killed, because of a probe."""
    state = running(ready=False) if kind == "readiness" else restarted(137, lived=8)
    spec = {"containers": [container(**{f"{kind}Probe": probe})]}
    events = [event("Unhealthy", f"{kind.capitalize()} probe failed: {answer}", container="main", ago=31)]
    events += [event("Killing", f"Container main failed {kind} probe, will be restarted", container="main", ago=31)]
    found = log(*logs)
    return facts(pod(state, spec=spec), events=events, logs={"main": found}, before={"main": found})


def read_by(host: str, **probe: Any) -> Object:
    return {"httpGet": {"path": "/healthz", "port": 8080, **({"host": host} if host else {})}, **probe}


def by_command(*command: str) -> Object:
    return {"exec": {"command": list(command)}}


def calling(*policies: Object, line: str = "ERROR db:5432: connection timed out", **parts: Any) -> Facts:
    """Return a pod that calls the Service db, as its variables or its log say."""
    known = {"services": [service("db", None, 5432)], "pods": [pod(), peer("db-0", app="db")]}
    return facts(logs={"main": log(*[line] * 5)}, policies=list(policies), **{**known, **parts})


def unresolved(name: str, spec: Object | None = None, **parts: Any) -> Facts:
    known = {"services": [service("db", None, 5432)], "pods": [pod(), peer("db-0", app="db")], **parts}
    return facts(
        pod(spec=spec or {}), logs={"main": log(f"ERROR dial tcp: lookup {name} on 8.8.8.8:53: no such host")}, **known
    )


def of_job(*statuses: Object) -> Facts:
    working = owner("Job", "load", active=1, startTime=at(4000), spec={"completions": 1})
    return facts(pod(*statuses, spec={"restartPolicy": "Never"}), owners=[working])


def initial(*lines: str, **parts: Any) -> Facts:
    """Return a pod whose init container has been running for some minutes, and says these lines."""
    found = pod(
        waiting(reason="PodInitializing"),
        spec={"containers": [container()], "initContainers": [container("first")]},
        phase="Pending",
        initContainerStatuses=[running("first", since=300, ready=False)],
    )
    return facts(found, logs={"first": log(*lines)}, **parts)


def made(seconds: float, found: Object) -> Object:
    """Return an object that was made so many seconds ago."""
    return {**found, "metadata": {**found["metadata"], "creationTimestamp": at(seconds)}}


def of_cronjob(asked: str, *events: Object, **spec: Any) -> Facts:
    """Return the pod of the last run, which has succeeded."""
    done = owner("Job", "report-1", succeeded=1, conditions=[condition("Complete", "True")])
    found = owner("CronJob", "report", uid="cron", spec={"schedule": "0 * * * *", **spec}, lastScheduleTime=at(2400))
    read = facts(
        pod(over(0), spec={"restartPolicy": "Never"}, phase="Succeeded"), owners=[done, found], events=[*events]
    )
    return replace(read, chosen=replace(read.chosen, asked=asked))


LOST = hpa(condition("AbleToScale", "False", "FailedGetScale", 'deployments/scale.apps "wbe" not found'))
LOST["spec"]["scaleTargetRef"]["name"] = "wbe"
OLD = pod()
OLD["metadata"] |= {"name": "db-0", "labels": {"app": "db", "controller-revision-hash": "db-1"}}

OTHERS = {"matchLabels": {"app": "wbe"}}

CASES: dict[str, tuple[Facts, str, str]] = {
    "evicted for memory": (
        evicted("The node was low on resource: memory. Container main was using 900Mi, request is 0"),
        "the pod was evicted from its node",
        "memory request that fits",
    ),
    "evicted for the disk of the node": (
        evicted("The node was low on resource: ephemeral-storage."),
        "the pod was evicted from its node, which was low on ephemeral-storage",
        "free the disk of the node",
    ),
    "evicted for its own limit": (
        evicted("Container main exceeded its local ephemeral storage limit 1Gi. ephemeral limit"),
        "the pod was evicted",
        "raise its limit for ephemeral-storage",
    ),
    "evicted for an emptyDir": (
        evicted('Usage of EmptyDir volume "cache" exceeds the limit "1Gi".'),
        "the pod was evicted from its node: it took more than its limit",
        "sizeLimit of the volume cache",
    ),
    "preempted": (
        disrupted("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"),
        "a pod of a higher priority took its place",
        "priority class",
    ),
    "drained": (disrupted("EvictionByEvictionAPI"), "evicted on request, as in a drain", "who drains"),
    "tainted": (disrupted("DeletionByTaintManager"), "a taint that it does not tolerate", "toleration"),
    "its node is gone": (disrupted("DeletionByPodGC"), "its node is gone", "what became of its node"),
    "its node shuts down": (disrupted("TerminationByKubelet"), "its node was short of something", "node's events"),
    "the node does not answer": (
        on_node(condition("Ready", "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")),
        "its node n1 is not ready",
        "kubelet",
    ),
    "memory pressure": (
        on_node(condition("MemoryPressure", "True", "KubeletHasInsufficientMemory")),
        "its node n1 has MemoryPressure",
        "before the kubelet evicts",
    ),
    "disk pressure": (on_node(condition("DiskPressure", "True")), "its node n1 has DiskPressure", "free what the node"),
    "process pressure": (
        on_node(condition("PIDPressure", "True")),
        "its node n1 has PIDPressure",
        "free what the node",
    ),
    "cordoned": (on_node(unschedulable=True), "its node n1 is cordoned", "kubectl uncordon n1"),
    "no GPU anywhere": (
        facts(
            unplaced(
                "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
                containers=[container(resources={"requests": {"nvidia.com/gpu": "1"}})],
            ),
            nodes=[node("n1"), node("n2")],
        ),
        "no node offers nvidia.com/gpu",
        "device plugin",
    ),
    "GPUs are taken": (
        facts(
            unplaced(
                "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
                containers=[container(resources={"requests": {"nvidia.com/gpu": "2"}})],
            ),
            nodes=[node("n1"), node("n2", **{"nvidia.com/gpu": "4"})],
        ),
        "too little nvidia.com/gpu is free",
        "lower the requests",
    ),
    "a zone without room": (
        facts(unplaced("0/3 nodes are available: 3 node(s) had volume node affinity conflict."), nodes=[node("n1")]),
        "its volume is in another zone",
        "make room where the volume is",
    ),
    "all nodes tainted": (
        facts(unplaced("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: true}."), nodes=[node("n1")]),
        "have a taint that it does not tolerate",
        "add a toleration",
    ),
    "no rack to spread over": (
        facts(
            unplaced(
                "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints "
                "(missing required label).",
                topologySpreadConstraints=[{"topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}],
            ),
            nodes=[node("n1")],
        ),
        "no node has the label rack that its topology spread asks for",
        "label the nodes with rack",
    ),
    "a disk that is still attached": (
        mount(MULTI, "FailedAttachVolume"),
        "its volume is still attached to another node",
        "(web-old), or delete that; a Deployment",
    ),
    "a cloud disk that is gone": (
        mount(
            'AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = NotFound desc = disk vol-1 not found',
            "FailedAttachVolume",
        ),
        "the disk of its volume is not there any more",
        "backup",
    ),
    "a driver that does not run": (
        mount(
            'MountVolume.MountDevice failed for volume "pvc-1" : kubernetes.io/csi: attacher.MountDevice failed to '
            "create newCsiDriverClient: driver name ebs.csi.aws.com not found in the list of registered CSI drivers"
        ),
        "the driver ebs.csi.aws.com of its volume does not run on its node",
        "kubectl get csinodes",
    ),
    "a file server that denies": (
        mount('MountVolume.SetUp failed for volume "nfs" : mount.nfs: access denied by server while mounting nfs:/a'),
        "the file server denies the mount",
        "export",
    ),
    "a file server that is silent": (
        mount('MountVolume.SetUp failed for volume "nfs" : mount.nfs: Connection timed out'),
        "the file server of its volume does not answer",
        "reaches the server",
    ),
    "a damaged file system": (
        mount(
            'MountVolume.MountDevice failed for volume "pvc-1" : wrong fs type, bad option, bad superblock on /dev/sdb'
        ),
        "the file system of its volume is damaged",
        "fsck",
    ),
    "a key that is not in the Secret": (
        mount(
            'MountVolume.SetUp failed for volume "keys" : references non-existent secret key: tls.key',
            volumes=[{"name": "keys", "secret": {"secretName": "shop-tls"}}],
        ),
        "the Secret shop-tls has no key tls.key, which the volume keys needs",
        "add the key tls.key to the Secret shop-tls",
    ),
    "no address is free": (
        sandbox('plugin type="aws-cni" failed (add): failed to assign an IP address to container'),
        "no IP address is free for it on its node",
        "range of addresses",
    ),
    "no network plugin": (
        sandbox("cni plugin not initialized"),
        "the network plugin of its node is not ready",
        "pods of the network plugin",
    ),
    "a runtime that its node has not": (
        sandbox('rpc error: no runtime for "gvisor" is configured'),
        "its node has no container runtime gvisor",
        "runtimeClassName",
    ),
    "a registry that limits": (
        pull("toomanyrequests: You have reached your pull rate limit"),
        "the registry limits how often",
        "mirror",
    ),
    "a registry that denies": (
        pull("failed to authorize: failed to fetch oauth token: 401 Unauthorized"),
        "the registry denies access",
        "imagePullSecrets",
    ),
    "an image of another processor": (
        pull("no match for platform in manifest: not found"),
        "not made for the processor of the node",
        "architecture",
    ),
    "a tag that is not there": (
        pull('failed to resolve reference "registry.example.com/shop/web:1.4": r.example.com/web:1.4: not found'),
        "the registry has no such name or tag",
        "correct the name or the tag",
    ),
    "a full volume": (
        facts(
            pod(looping(1), spec=DATA),
            logs={"main": log(*PYTHON)},
            claims=[claim(phase="Bound", resources={"requests": {"storage": "100Mi"}})],
        ),
        "the disk is full",
        "enlarge the volume",
    ),
    "a Job whose last word tells no cause": (
        facts(
            pod(over(1), spec={"restartPolicy": "Never", "containers": [container()]}, phase="Failed"),
            logs={"main": log("Starting", *CHECKER)},
        ),
        "it cannot connect to prod-db:3333",
        "runs and listens",
    ),
    "no metrics": (
        scaled(
            hpa(
                condition(
                    "ScalingActive",
                    "False",
                    "FailedGetResourceMetric",
                    "unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the "
                    "server could not find the requested resource (get pods.metrics.k8s.io)",
                )
            )
        ),
        "the HorizontalPodAutoscaler web does not scale: there are no metrics",
        "metrics-server",
    ),
    "at its largest": (
        scaled(hpa(condition("ScalingLimited", "True", "TooManyReplicas", "the desired count is more"))),
        "at its limit of 4 replicas",
        "raise maxReplicas",
    ),
    "a CronJob that is suspended": (
        cronjob(spec={"suspend": True}),
        "cronjob/report is suspended: it starts no Job",
        "kubectl patch cronjob report -n shop",
    ),
    "a CronJob in no time zone": (
        cronjob(event("UnknownTimeZone", 'invalid timeZone: "Mars/Base"', uid="cron")),
        "cronjob/report starts no Job: its time zone is unknown",
        "correct timeZone",
    ),
    "a CronJob that missed too many times": (
        cronjob(event("TooManyMissedTimes", "too many missed start times", uid="cron")),
        "it has missed more than 100 of its times",
        "startingDeadlineSeconds",
    ),
    "a CronJob whose last Job failed": (
        without(
            owner(
                "Job",
                "report-1",
                spec={"backoffLimit": 2},
                conditions=[condition("Failed", "True", "BackoffLimitExceeded", "has reached the limit")],
            ),
            owner("CronJob", "report", spec={"schedule": "0 3 * * *"}),
        ),
        "job/report-1 has given up",
        "make the Job again",
    ),
    "a webhook whose Service is gone": (
        without(
            owner("Deployment", conditions=[condition("ReplicaFailure", "True", "FailedCreate", WEBHOOK)]),
            webhooks=[BEHIND],
            webhook_services={("infra", "guard"): None},
        ),
        "the webhook deny.example.com does not answer: its Service guard does not exist in the namespace infra",
        "failurePolicy Fail",
    ),
    "a webhook whose pods are gone": (
        without(
            owner("Deployment", conditions=[condition("ReplicaFailure", "True", "FailedCreate", WEBHOOK)]),
            webhooks=[BEHIND],
            webhook_services={("infra", "guard"): service("guard")},
        ),
        "the webhook deny.example.com does not answer",
        "look at the pods",
    ),
    "two budgets": (
        budgets({"minAvailable": 1}, {"maxUnavailable": 1}),
        "more than one PodDisruptionBudget",
        "keep one",
    ),
    "a StatefulSet without its Service": (
        facts(
            owners=[owner("StatefulSet", "db", spec={"replicas": 1, "serviceName": "db"}, replicas=1)],
            services=[service()],
        ),
        "the Service db of statefulset/db does not exist",
        "headless Service db",
    ),
    "an Ingress without its certificate": (
        facts(
            services=[service()],
            ingresses=[ingress("web", ("web", 80), ingressClassName="nginx", tls=[{"secretName": "shop-tls"}])],
            ingress_classes=[{"metadata": {"name": "nginx"}}],
            secrets={"other": None},
        ),
        "the Ingress web names the Secret shop-tls, which does not exist",
        "create the Secret shop-tls",
    ),
    "a route to a wrong port": (
        routed(route(8080), gateway()),
        "the HTTPRoute web sends to port 8080 of the Service web, which has 80 only",
        "correct the port of the backend to 80",
    ),
    "a route of no Gateway": (
        routed(route()),
        "the HTTPRoute web belongs to the Gateway infra/edge, which does not exist",
        "correct parentRefs",
    ),
    "a Gateway of no class": (
        routed(route(), gateway(), classes=("istio",)),
        "the Gateway edge, whose class envoy does not exist",
        "gatewayClassName (istio)",
    ),
    "a Gateway for its own namespace": (
        routed(route(), gateway("Same")),
        "is of another namespace than the Gateway edge takes routes of",
        "allowedRoutes",
    ),
    "a listener that is not there": (
        routed(route(parent={"sectionName": "http"}), gateway()),
        "names the listener http of the Gateway edge, which has https only",
        "correct sectionName to https",
    ),
    "a route that is not accepted": (
        routed(refused("NoMatchingListenerHostname", "no hostname matches"), gateway()),
        "is not accepted by the Gateway edge: NoMatchingListenerHostname",
        "host name that a listener has",
    ),
    "a Gateway without an address": (
        routed(route(), gateway("All", condition("Programmed", "False", "AddressNotAssigned", "no address"))),
        "the Gateway edge, which is not ready: AddressNotAssigned",
        "controller of the class envoy",
    ),
    "names that a policy forbids": (
        facts(
            logs={"main": log("curl: (6) Could not resolve host: api.example.com")},
            policies=[policy("deny-egress", {"app": "web"}, kind="Egress")],
        ),
        "by NetworkPolicy deny-egress it may ask no name server",
        "egress to port 53",
    ),
    "names that a policy allows": (
        facts(
            logs={"main": log("curl: (6) Could not resolve host: api.example.com")},
            policies=[
                policy("some-egress", {"app": "web"}, {"ports": [{"port": 53, "protocol": "UDP"}]}, kind="Egress")
            ],
        ),
        "cannot resolve api.example.com: names cannot be resolved, as its log says",
        "correct the name",
    ),
    "what changed just before": (
        facts(
            logs={
                "main": log(
                    "[INFO] Reloading configuration",
                    "[CONFIG] Database host: db-staging:5432 (was: db-prod:5432)",
                    *["[ERROR] Database connection failed: Connection refused (db-staging:5432)"] * 9,
                )
            }
        ),
        "cannot connect to db-staging:5432, as its log says 9 times",
        "[INFO] Reloading configuration | [CONFIG] Database host: db-staging:5432 (was: db-prod:5432)",
    ),
    "the first of a series": (
        facts(
            logs={
                "main": log(
                    "ERROR lost connection to redis:6379: connection refused", *["ERROR 503 Service Unavailable"] * 20
                )
            }
        ),
        "cannot connect to redis:6379",
        "runs and listens",
    ),
    "a peer that is down": (
        facts(logs={"main": log(*["entry"] * 300, "Peer down", *["entry"] * 300)}),
        "reports that a peer is down",
        "which peer it means",
    ),
    "a container name that is taken": (
        kept_from_running(
            "CreateContainerError", 'failed to reserve container name "web_x": name is reserved for "12"'
        ),
        "the runtime of its node still has one of that name",
        "container runtime of its node",
    ),
    "a runtime that is late": (
        kept_from_running("CreateContainerError", "context deadline exceeded"),
        "the runtime of its node does not answer in time",
        "load, the disk and the container runtime",
    ),
    "an image without a command": (
        kept_from_running("CreateContainerError", 'failed to generate container "1" spec: no command specified'),
        "neither its template nor its image names a command",
        "set command in the template",
    ),
    "a profile that the node lacks": (
        kept_from_running("CreateContainerError", 'failed to load seccomp profile "localhost/a.json": no such file'),
        "does not have its profile of seccomp",
        "put the profile onto the node",
    ),
    "a subPath": (
        kept_from_running(
            "CreateContainerConfigError", 'failed to prepare subPath for volumeMount "conf" of container'
        ),
        "the subPath of its volume mount conf cannot be prepared",
        "whether the subPath exists",
    ),
    "a limit of bytes instead of MiB": (
        kept_from_running("RunContainerError", "container init was OOM-killed (memory limit too low?)"),
        "its memory limit is too low even to start it",
        "128Mi",
    ),
    "a device whose driver is broken": (
        kept_from_running("RunContainerError", "nvidia-container-cli: nvml error: driver not loaded"),
        "the driver of a device that it asks for does not work",
        "device plugin of that node",
    ),
    "a node out of cgroups": (
        kept_from_running(
            "RunContainerError", "unable to apply cgroup configuration: mkdir x: no space left on device"
        ),
        "its node has run out of something",
        "look at the node",
    ),
    "nodes under pressure": (
        facts(
            unplaced("0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.")
        ),
        "the nodes that it may go to are in trouble: disk pressure",
        "the taint goes with their trouble",
    ),
    "a taint beside that of the control plane": (
        facts(
            unplaced(
                "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
                "2 node(s) had untolerated taint {dedicated: batch}."
            )
        ),
        "a taint that it does not tolerate: dedicated: batch",
        "add a toleration",
    ),
    "nodes full of pods": (
        facts(unplaced("0/2 nodes are available: 2 Too many pods.")),
        "the nodes run as many pods as they may",
        "maxPods",
    ),
    "a GPU beside other resources": (
        facts(
            unplaced(
                "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/gpu.",
                containers=[container(resources={"requests": {"cpu": "9", "nvidia.com/gpu": "5"}})],
            ),
            nodes=[node("n1")],
        ),
        "no node offers nvidia.com/gpu; nor enough cpu",
        "its device plugin runs?",
    ),
    "a sysctl": (
        rejected("SysctlForbidden", 'forbidden sysctl: "net.core.somaxconn" not allowlisted'),
        "its node does not allow a sysctl that it sets",
        "allowedUnsafeSysctls",
    ),
    "a node without room": (
        rejected("OutOfcpu", "Node didn't have enough resource: cpu, requested: 500, used: 3800, capacity: 4000"),
        "its node had no CPU left when it came",
        "its owner makes another",
    ),
    "a container that was lost": (
        facts(pod(over(137, reason="ContainerStatusUnknown", message="could not be located"), phase="Failed")),
        "container main was lost with its node or its runtime",
        "look at the node at that time",
    ),
    "not ready without a probe": (
        facts(pod(running(ready=False))),
        "no probe of its own keeps it from that",
        "whether its node answers",
    ),
    "a private image, or none": (
        pull("pull access denied, repository does not exist or may require authorization"),
        "the registry denies access, or has no such name",
        "correct the name of the image; if it is private",
    ),
    "a probe of HTTP at a server of HTTPS": (
        probed("readiness", read_by(""), "HTTP probe failed with statuscode: 400"),
        "/healthz answers that the request is wrong (400)",
        "correct the scheme of the probe",
    ),
    "a probe that a server answers with another status": (
        probed("readiness", read_by(""), "HTTP probe failed with statuscode: 405"),
        "/healthz answers with status 405",
        "a path that answers GET with 200",
    ),
    "a probe that is cut off": (
        probed("liveness", read_by(""), 'Get "http://10.0.0.1:8080/healthz": EOF'),
        "port 8080 ends the connection without an answer",
        "correct the scheme of the probe",
    ),
    "a probe of the node's own loopback": (
        probed("readiness", read_by("localhost"), "dial tcp 127.0.0.1:8080: connect: connection refused"),
        "it asks the host localhost, and not the pod",
        "leave host out of the probe",
    ),
    "a liveness probe that comes too early": (
        probed("liveness", read_by("", initialDelaySeconds=1), "connect: connection refused"),
        "its liveness probe fails: nothing listens on port 8080",
        "if it was still starting (after 8 s), give it a startupProbe, or more than initialDelaySeconds 1",
    ),
    "a probe whose program cannot reach its database": (
        probed("readiness", read_by(""), "connect: connection refused", "ERROR db:5432: connection refused"),
        "nothing listens on port 8080, and it cannot connect to db:5432",
        "runs and listens",
    ),
    "a server without a health service of gRPC": (
        probed("readiness", {"grpc": {"port": 50051}}, "this server does not implement the grpc health protocol"),
        "its server has no health service of gRPC",
        "grpc.health.v1.Health",
    ),
    "a health service of gRPC that says no": (
        probed("readiness", {"grpc": {"port": 50051}}, 'service unhealthy (responded with "NOT_SERVING")'),
        "answers NOT_SERVING",
        "why the program is not ready to serve",
    ),
    "no server of gRPC": (
        probed("liveness", {"grpc": {"port": 50051}}, 'failed to connect service "10.0.0.1:50051" within 1s'),
        "no gRPC server answers on port 50051 within 1 s",
        "correct the port of the probe",
    ),
    "a file that a probe looks for": (
        probed("liveness", by_command("cat", "/tmp/up"), "cat: can't open '/tmp/up': No such file or directory"),
        "the file /tmp/up that its command looks for does not exist",
        "why the program does not make /tmp/up",
    ),
    "a program that a probe's script lacks": (
        probed("readiness", by_command("sh", "-c", "curl localhost"), "sh: curl: not found"),
        "its command calls curl, which is not in the image",
        "put curl into it",
    ),
    "a probe that may not be executed": (
        probed("readiness", by_command("/check"), 'exec failed: exec: "/check": permission denied: unknown'),
        "its command /check may not be executed",
        "make /check executable",
    ),
    "what the command of a probe says": (
        probed("readiness", by_command("redis-cli", "ping"), "NOAUTH Authentication required."),
        "its command says: NOAUTH Authentication required.",
        "compare the Secret",
    ),
    "a probe that has not been asked yet": (
        facts(
            pod(
                running(ready=False, since=20),
                spec={"containers": [container(readinessProbe=read_by("", initialDelaySeconds=600))]},
            )
        ),
        "is not ready yet: its readiness probe is asked first 600 s after the start",
        "lower initialDelaySeconds",
    ),
    "a profile of AppArmor": (
        kept_from_running("CreateContainerError", 'AppArmor profile "k8s-deny" is not loaded'),
        "does not have its profile of AppArmor",
        "put the profile onto the node",
    ),
    "a working directory that its user may not enter": (
        kept_from_running(
            "RunContainerError", 'chdir to cwd ("/srv/app") set in config.json failed: permission denied'
        ),
        "its user may not enter its working directory /srv/app",
        "runAsUser",
    ),
    "root where it must not be": (
        kept_from_running("CreateContainerConfigError", "container's runAsUser breaks non-root policy (pod: web)"),
        "may not run as root (runAsNonRoot), and its runAsUser is 0",
        "set another runAsUser",
    ),
    "a command that is one text": (
        kept_from_running("RunContainerError", 'exec: "sh -c \\"echo hello\\"": executable file not found in $PATH'),
        "its command is one text, sh -c",
        "one word in each entry",
    ),
    "a limit of bytes, seen by its volumes": (
        mount('volume "t" : write /pods/1/volumes/kubernetes.io~projected/t/ca.crt: no space left on device'),
        "its memory limit is too low even for the files of its volumes",
        "128Mi, not 128",
    ),
    "a registry of plain HTTP": (
        pull("http: server gave HTTP response to HTTPS client"),
        "its registry speaks plain HTTP",
        "container runtime of the node",
    ),
    "an image without a signature": (
        kept_from_running("SignatureValidationFailed", "A signature was required, but no signature exists"),
        "its signature is not accepted",
        "sign the image",
    ),
    "an image that is still pulled": (
        starting(event("Pulling", 'Pulling image "large:1"', ago=500, type="Normal")),
        "the node pulls an image for the pod, since 8 min",
        "wait if the image is large",
    ),
    "a ConfigMap behind a volume, where they may not be listed": (
        mount('MountVolume.SetUp failed for volume "c" : configmap "app-config" not found'),
        "the ConfigMap app-config does not exist, which the volume c needs",
        "create the ConfigMap app-config",
    ),
    "a ServiceAccount that was deleted": (
        mount('volume "kube-api-access-x" : failed to fetch token: serviceaccounts "builder" not found'),
        "its ServiceAccount builder does not exist any more",
        "create the ServiceAccount builder again",
    ),
    "a node without a program for NFS": (
        mount("mount failed: you might need a /sbin/mount.<type> helper program."),
        "its node lacks the program that mounts such a file system",
        "nfs-common",
    ),
    "a folder that a file server lacks": (
        mount("mount.nfs: mounting 10.0.0.9:/exports/x failed, reason given by server: No such file or directory"),
        "does not have the folder that its volume names",
        "correct the path of the volume",
    ),
    "a range of addresses that is full": (
        sandbox('plugin type="bridge" failed (add): no IP ranges: range set is full'),
        "no IP address is free",
        "range of addresses",
    ),
    "a node that does not exist": (
        facts(
            pod(waiting(), phase="Pending", spec={"nodeName": "n9"}, containerStatuses=[], conditions=[]), node_pods=[]
        ),
        "the node n9 that the pod is bound to does not exist",
        "remove nodeName",
    ),
    "the label is there, and no room": (
        facts(
            unplaced(
                "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector.",
                nodeSelector={"pool": "gpu"},
                containers=[container(resources={"requests": {"cpu": "6"}})],
            ),
            nodes=[node("n1", {"pool": "gpu"}), node("n2", cpu="64")],
        ),
        "it asks for more cpu than any node has",
        "lower its request for cpu",
    ),
    "init containers that run one by one": (
        facts(
            unplaced(
                "0/1 nodes are available: 1 Insufficient cpu.",
                containers=[container(resources={"requests": {"cpu": "2"}})],
                initContainers=[container("first", resources={"requests": {"cpu": "3"}})],
            ),
            nodes=[node("n1")],
        ),
        "too little cpu is free",
        "add a node",
    ),
    "a volume for one pod only": (
        facts(unplaced("0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with ReadWriteOncePod.")),
        "its volume may be used by one pod only",
        "strategy Recreate",
    ),
    "no node at all": (
        facts(unplaced("no nodes available to schedule pods"), nodes=[]),
        "the cluster has no node",
        "kubectl get nodes",
    ),
    "a sidecar that keeps a Job": (
        of_job(over(0, reason="Completed"), running("proxy")),
        "container main has ended well, and proxy runs on: the Job does not complete",
        "restartPolicy Always",
    ),
    "a Job without parallelism": (
        without(owner("Job", "load", spec={"parallelism": 0, "completions": 3})),
        "job/load makes no pod: its parallelism is 0",
        "parallelism",
    ),
    "a node that was restarted": (
        facts(pod(restarted(255, reason="Unknown"))),
        "its node or the container runtime was restarted",
        "look at the node at that time",
    ),
    "a sandbox that was made anew": (
        facts(pod(restarted(137)), events=[event("SandboxChanged", "Pod sandbox changed", type="Normal")]),
        "its node or the container runtime was restarted",
        "look at the node at that time",
    ),
    "a script that lacks a program, silently": (
        facts(pod(looping(127))),
        "exit code 127, the command is not found",
        "not in $PATH",
    ),
    "an old revision that a partition keeps": (
        facts(
            OLD,
            owners=[
                owner(
                    "StatefulSet",
                    "db",
                    spec={"replicas": 1, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
                    replicas=1,
                    updateRevision="db-2",
                )
            ],
        ),
        "the pod is of an old revision of statefulset/db",
        "delete the pod to renew it",
    ),
    "two scalers of one workload": (
        facts(
            owners=[owner("Deployment")], scalers=[{"metadata": {"name": each}, **hpa()} for each in ("web", "web-2")]
        ),
        "2 HorizontalPodAutoscalers scale deployment/web",
        "keep one of them",
    ),
    "a scaler of nothing": (
        scaled(LOST),
        "the HorizontalPodAutoscaler web scales nothing: there is no deployment/wbe",
        "to Deployment web",
    ),
    "a Service of another protocol": (
        facts(
            pod(spec={"containers": [container(ports=[{"containerPort": 53, "protocol": "UDP"}])]}),
            services=[service("web", None, {"port": 53, "protocol": "TCP"})],
        ),
        "sends to port 53 by TCP, which the pod declares for UDP only",
        "correct protocol",
    ),
    "a policy of its own that lets it out elsewhere": (
        calling(
            policy(
                "out",
                {"app": "web"},
                {"ports": [{"port": 53}]},
                {"to": [{"podSelector": {"matchLabels": {"app": "x"}}}]},
                kind="Egress",
            )
        ),
        "it calls the Service db, to which NetworkPolicy out does not let this pod out",
        "allow egress to these pods and port 5432",
    ),
    "a policy of the other side for another port": (
        calling(policy("in", {"app": "db"}, {"from": [{"podSelector": {}}], "ports": [{"port": 3306}]})),
        "whose port 5432 NetworkPolicy in does not let this pod in to",
        "allow port 5432 in in",
    ),
    "an address that is that of a Service": (
        calling(
            policy("in", {"app": "db"}, {"from": [{"podSelector": {"matchLabels": {"app": "x"}}}]}),
            line="ERROR dial tcp 10.96.0.7:5432: i/o timeout",
        ),
        "it calls the Service db, whose NetworkPolicy in does not let this pod in",
        "allow the labels of this pod",
    ),
    "another name of a name that is not there": (
        unresolved("db", services=[service("db", {}, type="ExternalName", externalName="db.nowhere.invalid")]),
        "the Service db is another name of db.nowhere.invalid",
        "correct externalName of the Service db",
    ),
    "a pod that asks its node for names": (
        unresolved("db", {"dnsPolicy": "Default"}),
        "asks the name servers of its node (dnsPolicy Default), which know no Service",
        "set dnsPolicy to ClusterFirst;",
    ),
    "a pod in the network of its node": (
        unresolved("db", {"hostNetwork": True}),
        "which know no Service",
        "set dnsPolicy to ClusterFirstWithHostNet",
    ),
    "a Service of another namespace by its bare name": (
        unresolved("orders", namesakes={"orders": ["sales"]}),
        "a Service of that name is in the namespace sales",
        "call it by orders.sales",
    ),
    "a CronJob that is suspended, with the pod of its last run": (
        of_cronjob("cronjob/report", suspend=True),
        "cronjob/report is suspended: it starts no Job",
        "kubectl patch cronjob report",
    ),
    "a CronJob that has missed its time since its last run": (
        of_cronjob("cronjob/report", event("MissSchedule", "Missed scheduled time", uid="cron", ago=60)),
        "cronjob/report has missed its time",
        "startingDeadlineSeconds",
    ),
    "a ConfigMap that was deleted while its pod runs": (
        facts(pod(spec={"containers": [container(envFrom=[{"configMapRef": {"name": "app"}}])]}), configmaps={}),
        "the ConfigMap app that the pod was started with does not exist any more",
        "create the ConfigMap again, before a restart",
    ),
    "what an init container waits for": (
        initial(
            *["waiting for db:5432"] * 30,
            services=[service("db", None, 5432)],
            pods=[pod(), peer("db-0", ready=False, app="db")],
        ),
        "it waits for db:5432; it calls the Service db, of whose pods (1) none is ready",
        "debug_pod_targets=db-0",
    ),
    "a name that an init container looks for elsewhere": (
        initial("** server can't find orders: NXDOMAIN", services=[service()], namesakes={"orders": ["sales"]}),
        "it cannot resolve orders; a Service of that name is in the namespace sales",
        "call it by orders.sales",
    ),
    "a pod that was just made": (
        facts(made(5, pod(phase="Pending", conditions=[condition("Ready", "False")], containerStatuses=[]))),
        "the pod was made 5 s ago, and is not ready yet",
        "look again in a minute",
    ),
    "a budget for nobody": (
        replace(budgets(), pods=[pod()], budgets=[{"metadata": {"name": "web"}, "spec": {"selector": OTHERS}}]),
        "the PodDisruptionBudget web selects no pod, so that it protects nothing",
        "correct selector",
    ),
    "a policy for nobody": (
        facts(policies=[policy("web", {"app": "wbe"})], pods=[pod()]),
        "the NetworkPolicy web selects no pod, so that it limits nothing",
        "correct podSelector",
    ),
    "a start with little CPU": (
        facts(
            pod(
                restarted(137),
                spec={"containers": [container(startupProbe=by_command("/up"), resources={"limits": {"cpu": "50m"}})]},
            ),
            events=[event("Killing", "Container main failed startup probe, will be restarted", container="main")],
        ),
        "its startup probe fails for 30 s",
        "with a CPU limit of 50m, it does little in that time",
    ),
    "a CronJob whose day never comes": (
        cronjob(spec={"schedule": "0 0 31 2 *"}),
        "cronjob/report starts no Job: its schedule never comes",
        "there is no such day",
    ),
    "a CronJob that nobody starts": (
        cronjob(
            spec={"schedule": "*/5 * * * *", "startingDeadlineSeconds": 5},
            lastScheduleTime=at(9000),
            lastSuccessfulTime=at(8990),
        ),
        "cronjob/report has missed its times: it was due 5 min ago, and 0 s ago",
        "raise startingDeadlineSeconds",
    ),
    "a restart for its memory": (
        facts(pod(restarted(137, reason="OOMKilled"))),
        "exceeded its memory limit",
        "raise its memory limit",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_finding_tells_the_cause_and_the_next_step(name: str) -> None:
    read, what, step = CASES[name]
    found = findings(read) if read.pod["metadata"]["name"] else judge_workload(read).findings
    assert what in found[0].what, found
    assert step in found[0].next_step, found


def test_a_route_to_no_service_is_named() -> None:
    one = route(to="wbe")
    assert [each.what for each in findings(routed(one, gateway())) if each.kind == "route"] == [
        "the HTTPRoute web sends to the Service wbe, which does not exist"
    ]


def test_a_route_of_others_and_a_good_one_are_no_trouble() -> None:
    other = route(to="mail")
    other["metadata"]["name"] = "mail"
    assert [each.kind for each in findings(routed(other, gateway()))] == ["healthy"]
    assert [each.kind for each in findings(routed(route(), gateway()))] == ["healthy"]


def revision(number: int, image: str, **env: str) -> Object:
    variables = [{"name": name, "value": value} for name, value in env.items()]
    template = {"spec": {"containers": [container(image=image, env=variables)]}}
    found = owner("ReplicaSet", f"web-{number}", uid=f"rs{number}", spec={"template": template})
    found["metadata"] |= {
        "annotations": {"deployment.kubernetes.io/revision": str(number)},
        "creationTimestamp": at(180),
    }
    return found


def test_what_the_last_revision_has_changed_is_told() -> None:
    revisions = [
        revision(9, "web:1", LEVEL="a", KEY="x"),
        revision(10, "web:2", LEVEL="b", NEW="y"),
        revision(8, "web:0"),
    ]
    read = facts(pod(looping(1)), owners=[revisions[1], owner("Deployment")], revisions=revisions)
    assert [each.what for each in findings(read) if each.kind == "changed"] == [
        "revision 10 of deployment/web, first made 3 min ago, changed the image of main from web:1 to web:2, variables "
        "KEY, LEVEL, NEW of main"
    ]


def test_a_budget_that_blocks_every_drain_is_good_to_know() -> None:
    found = findings(budgets({"minAvailable": 1}, expectedPods=1, desiredHealthy=1, currentHealthy=1))
    assert [(each.kind, each.severity) for each in found] == [("healthy", "info"), ("budget", "info")]


def test_what_kept_a_job_from_its_pod_before_is_over() -> None:
    read = facts(
        pod(over(6), spec={"restartPolicy": "Never", "containers": [container()]}, phase="Failed"),
        owners=[owner("Job", "load", uid="job", spec={"backoffLimit": 0}, failed=1)],
        events=[event("FailedCreate", 'serviceaccount "loader" not found', uid="job", ago=2000)],
        logs={"main": log("curl: (6) Could not resolve host: nowhere.example.com")},
    )
    found = findings(read)
    assert "it cannot resolve nowhere.example.com" in found[0].what
    assert "replica_failure" not in {each.kind for each in found}


def test_a_service_of_an_other_side_is_not_the_cause_of_a_healthy_pod() -> None:
    found = findings(facts(pods=[pod(), peer("mail", app="mail")], services=[service("mail"), service()]))
    assert [each.kind for each in found] == ["healthy"]


@pytest.mark.parametrize(
    ("count", "ago", "kind"),
    [(3, 30, "liveness_failing"), (3, 200, "healthy"), (25, 200, "liveness_failing"), (25, 900, "healthy")],
)
def test_a_kubelet_tells_less_of_a_probe_that_fails_for_long(count: int, ago: float, kind: str) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 2, "failureThreshold": 1000}
    failing = pod(spec={"containers": [container(livenessProbe=probe)]})
    events = [event("Unhealthy", "Liveness probe failed: ", container="main", ago=ago, count=count)]
    assert findings(facts(failing, events=events))[0].kind == kind


def test_the_size_of_a_full_claim_is_evidence() -> None:
    assert "its claims: data (100Mi)" in findings(CASES["a full volume"][0])[0].evidence


def test_an_error_is_told_with_the_clock_of_the_program() -> None:
    lines = [
        f'{{"timestamp":"2026-11-22T03:0{n}:00Z","level":"ERROR","message":"request timed out"}}' for n in range(6)
    ]
    evidence = findings(facts(logs={"main": log(*lines)}))[0].evidence
    assert "by its own clock from 2026-11-22 03:00:00 to 2026-11-22 03:05:00" in evidence


def test_a_figure_that_rises_is_evidence() -> None:
    lines = [f'{{"level":"INFO","response_time_ms":{100 + n * 10},"port":8080}}' for n in range(400)]
    evidence = findings(facts(logs={"main": log(*lines, '{"level":"ERROR","message":"request timed out"}')}))[
        0
    ].evidence
    assert "response_time_ms rises from 300 to 3900" in evidence
    assert "port" not in evidence


def test_a_share_of_errors_that_rises_is_evidence() -> None:
    lines = [*["INFO done"] * 500, *["ERROR backend timed out", "INFO done"] * 100]
    evidence = findings(facts(logs={"main": log(*lines, every=0.1)}))[0].evidence
    assert "errors are 0.0% of its first lines and 50.0% of its last" in evidence
