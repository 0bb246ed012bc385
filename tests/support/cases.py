# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that a lab can cause, each with what a diagnosis has to say first and what to do next, and pods that are well.

`Case("crash", "ends again and again", "log", (pod("crash", container("exit 3")),), crashes)` is a pod, what the first
finding and its next step have to have, and when it is in its trouble. `ward.py` makes them and counts the points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .patients import REDIS, STAY, TIGHT, container, expired_pair, pod

Object = dict[str, Any]
PAUSE = "localhost/pause:1"
_SETTLED_SECONDS = 3.0
WEB = "mkdir -p /tmp/www; echo fine > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"


@dataclass(frozen=True)
class Seen:
    """What the namespace of the cases shows at one moment."""

    pods: list[Object]
    events: list[Object]
    objects: Mapping[str, list[Object]]

    def pods_of(self, case: str) -> list[Object]:
        return [each for each in self.pods if (each["metadata"].get("labels") or {}).get("app") == case]

    def statuses(self, case: str) -> list[Object]:
        return [
            each
            for one in self.pods_of(case)
            for kind in ("initContainerStatuses", "containerStatuses")
            for each in one["status"].get(kind) or []
        ]


State = Callable[[Seen, str], bool]


@dataclass(frozen=True)
class Case:
    """One fault: its target and objects, and when it is there.

    ``first`` is searched in the first finding, ``step`` in its next step. ``later`` is applied when ``before`` holds,
    or the pod is deleted then if it ``leaves``.
    A case of the ``strict`` namespace is made where Pod Security is restricted and a LimitRange holds.
    """

    name: str
    first: str
    step: str
    objects: tuple[Object, ...]
    state: State
    target: str = ""
    later: tuple[Object, ...] = ()
    before: State | None = None
    leaves: bool = False
    strict: bool = False

    @property
    def asked(self) -> str:
        return self.target or self.name


# -- when a fault is there -------------------------------------------------------------------------------------------


def waits(*reasons: str) -> State:
    def holds(seen: Seen, case: str) -> bool:
        states = [each.get("state") or {} for each in seen.statuses(case)]
        return any((each.get("waiting") or {}).get("reason") in reasons for each in states)

    return holds


def restarted(seen: Seen, case: str) -> bool:
    return any(each["restartCount"] for each in seen.statuses(case))


def runs(seen: Seen, case: str) -> bool:
    """Tell whether all containers of all its pods run, or have ended well as init containers do."""
    statuses = seen.statuses(case)
    done = [each for each in statuses if (each["state"].get("terminated") or {}).get("exitCode") == 0]
    return bool(statuses) and all("running" in each["state"] for each in statuses if each not in done)


def begun(seen: Seen, case: str) -> bool:
    return any("running" in each["state"] for each in seen.statuses(case))


def ready(seen: Seen, case: str) -> bool:
    pods = seen.pods_of(case)
    return bool(pods) and all(
        any(each["type"] == "Ready" and each["status"] == "True" for each in one["status"].get("conditions") or [])
        or one["status"].get("phase") == "Succeeded"
        for one in pods
    )


def settled(seen: Seen, case: str) -> bool:
    """Tell whether all its pods have been ready for some seconds: what changes now, changed after the start."""
    now = datetime.now(timezone.utc)
    since = [
        datetime.fromisoformat(each["state"]["running"]["startedAt"])
        for each in seen.statuses(case)
        if "running" in each["state"]
    ]
    return ready(seen, case) and all((now - each).total_seconds() > _SETTLED_SECONDS for each in since)


def ended(seen: Seen, case: str) -> bool:
    return any(each["status"].get("phase") in ("Failed", "Succeeded") for each in seen.pods_of(case))


def unplaced(seen: Seen, case: str) -> bool:
    return any(
        each["type"] == "PodScheduled" and each["status"] == "False"
        for one in seen.pods_of(case)
        for each in one["status"].get("conditions") or []
    )


def pending(seen: Seen, case: str) -> bool:
    return any(each["status"].get("phase") == "Pending" for each in seen.pods_of(case))


def warned(*reasons: str) -> State:
    def holds(seen: Seen, case: str) -> bool:
        return any(
            each["reason"] in reasons and re.match(rf"{case}(-|$)", each["involvedObject"].get("name", ""))
            for each in seen.events
        )

    return holds


def told(kind: str, condition: str, status: str = "True") -> State:
    """Tell whether an object of a kind with the name of the case has a condition."""

    def holds(seen: Seen, case: str) -> bool:
        return any(
            each["type"] == condition and each["status"] == status
            for one in seen.objects[kind]
            if one["metadata"]["name"] == case
            for each in one["status"].get("conditions") or []
        )

    return holds


def counted(seen: Seen, case: str) -> bool:
    """Tell whether the quota of a case is counted; before, it lets everything pass."""
    quotas = [each for each in seen.objects["resourcequota"] if each["metadata"]["name"] == case]
    return any((each.get("status") or {}).get("hard") for each in quotas)


def deleted(seen: Seen, case: str) -> bool:
    return any("deletionTimestamp" in each["metadata"] for each in seen.pods_of(case))


def at_once(_seen: Seen, _case: str) -> bool:
    return True


def both(*states: State) -> State:
    return lambda seen, case: all(each(seen, case) for each in states)


crashes = waits("CrashLoopBackOff")


# -- objects ---------------------------------------------------------------------------------------------------------


def workload(kind: str, name: str, *containers: Object, labels: dict[str, str] | None = None, **more: Any) -> Object:
    """Return a Deployment, StatefulSet or DaemonSet; what ``of`` has is of its pods, all other options are its own."""
    of = more.pop("of", {})
    template = pod(name, *containers, labels={"app": name, **(labels or {})}, **of)
    spec: Object = {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": template["metadata"]["labels"]}, "spec": template["spec"]},
        **({"serviceName": name} if kind == "StatefulSet" else {}),
        **more,
    }
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def job(name: str, *containers: Object, of: Object | None = None, **more: Any) -> Object:
    template = pod(name, *containers, restartPolicy="Never", **(of or {}))
    inner = {"metadata": {"labels": {"app": name}}, "spec": template["spec"]}
    spec = {"backoffLimit": 0, "template": inner, **more}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def service(name: str, selector: dict[str, str] | None = None, *ports: Object, **more: Any) -> Object:
    selector = {"app": name} if selector is None else selector
    spec = {"selector": selector, "ports": list(ports) or [{"port": 80, "targetPort": 8080}], **more}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(name: str, *backends: tuple[str, int], **more: Any) -> Object:
    paths = [
        {"path": f"/{number}", "pathType": "Prefix", "backend": {"service": {"name": to, "port": {"number": port}}}}
        for number, (to, port) in enumerate(backends)
    ]
    spec = {"rules": [{"host": f"{name}.example.com", "http": {"paths": paths}}], **more}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec}


def policy(name: str, *types: str, **rules: Any) -> Object:
    spec = {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": list(types), **rules}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


def claim(name: str, **spec: Any) -> Object:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wanted}


def data(kind: str, name: str, **values: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name},
        "data" if kind == "ConfigMap" else "stringData": values,
    }


def quota(name: str, priority: str, **hard: str) -> Object:
    """Return a quota for the pods of one priority class only."""
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": [priority]}
    spec = {
        "hard": {key.replace("_", "."): value for key, value in hard.items()},
        "scopeSelector": {"matchExpressions": [scope]},
    }
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec}


def scaler(name: str, kind: str = "Deployment", **metric: Any) -> Object:
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target, **metric}}],
    }
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec}


def env(**values: str) -> Object:
    return {"env": [{"name": name, "value": value} for name, value in values.items()]}


def says(*lines: str, then: str = STAY) -> str:
    """Return a script that logs lines, and then goes on."""
    return "\n".join(["cat <<'LINES'", *lines, "LINES", then])


def repeats(*lines: str, every: float = 1) -> str:
    """Return a script that logs lines again and again."""
    return "\n".join(["while :; do", "cat <<'LINES'", *lines, "LINES", f"sleep {every:g}; done"])


def counts(text: str, number: int) -> str:
    """Return a script that logs a numbered line so many times, and then goes on."""
    return f'i=0; while [ $i -lt {number} ]; do echo "{text} $i"; i=$((i+1)); done; '


def limited(**limits: str) -> Object:
    return {"resources": {"limits": limits}}


def execs(script: str, **more: Any) -> Object:
    return {"exec": {"command": ["sh", "-c", script]}, "periodSeconds": 2, "failureThreshold": 1, **more}


def gets(port: int | str, path: str = "/", **more: Any) -> Object:
    return {"httpGet": {"port": port, "path": path}, "periodSeconds": 2, "failureThreshold": 1, **more}


def mounting(name: str, path: str = "/files", /, *, command: str = "", **source: Any) -> Object:
    """Return a pod whose container mounts a volume: one that nobody mounts is not looked at."""
    program = {"command": [command]} if command else {}
    main = {**container(volumeMounts=[{"name": "files", "mountPath": path}]), **program}
    return pod(name, main, volumes=[{"name": "files", **source}])


def of_claim(name: str) -> Object:
    return {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]}


GO_PANIC = (
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48a1b2]",
    "",
    "goroutine 1 [running]:",
    "main.(*Server).Load(0x0)",
    "\t/src/server.go:42 +0x1a",
    "main.main()",
    "\t/src/main.go:17 +0x1d",
    "exit status 2",
)
PYTHON_DISK = (
    "Traceback (most recent call last):",
    '  File "/app/save.py", line 12, in <module>',
    "    open('/data/batch', 'wb').write(block)",
    "OSError: [Errno 28] No space left on device",
)
JAVA_HOST = (
    'Exception in thread "main" java.lang.IllegalStateException: cannot start',
    "\tat com.example.App.main(App.java:12)",
    "Caused by: java.net.UnknownHostException: db.internal",
    "\tat java.base/java.net.InetAddress.getByName(InetAddress.java:1)",
    "\t... 1 more",
)
JOB_WORDS = (
    "Starting the checker",
    "Connection attempt 4 failed: java.net.ConnectException: Connection refused",
    "Target host: prod-db, port: 3333",
    "FATAL: Unable to connect to the database",
)
FORBIDDEN = (
    "E1123 10:00:00.000000 1 reflector.go:1] failed to list *v1.Pod: pods is forbidden: User "
    '"system:serviceaccount:shop:agent" cannot list resource "pods" in API group "" in the namespace "shop"'
)
WINDOW = [
    f'{{"timestamp":"2026-11-22T{2 + n // 60:02}:{n % 60:02}:00Z",'
    + ('"level":"ERROR","message":"Job failed: connection timed out"}' if 60 <= n < 66 else '"level":"INFO"}')
    for n in range(120)
]


# -- the table -------------------------------------------------------------------------------------------------------

IMAGES = (
    Case(
        "image-registry",
        "image of container main cannot be pulled, because the node does not reach the registry",
        "registry",
        (pod("image-registry", container(image="localhost/absent:1")),),
        waits("ErrImagePull", "ImagePullBackOff"),
    ),
    Case(
        "image-host",
        "because the name of its registry cannot be resolved: registry.nowhere.invalid/shop:1",
        "correct the host",
        (pod("image-host", container(image="registry.nowhere.invalid/shop:1")),),
        waits("ErrImagePull", "ImagePullBackOff"),
    ),
    Case(
        "image-name",
        "because its name is not valid: localhost/Shop:1",
        "correct the name",
        (pod("image-name", container(image="localhost/Shop:1")),),
        waits("InvalidImageName"),
    ),
    Case(
        "image-never",
        "imagePullPolicy is Never",
        "load it into the node",
        (pod("image-never", container(image="localhost/absent:2", imagePullPolicy="Never")),),
        waits("ErrImageNeverPull"),
    ),
    Case(
        "image-rollout",
        "image of container main cannot be pulled.*localhost/absent:3",
        "registry",
        (workload("Deployment", "image-rollout"),),
        waits("ErrImagePull", "ImagePullBackOff"),
        target="deployment/image-rollout",
        before=ready,
        later=(workload("Deployment", "image-rollout", container(image="localhost/absent:3")),),
    ),
)

STARTS = (
    Case(
        "start-missing",
        "cannot be started: its program /no/such/program is not in the image",
        "correct the command",
        (pod("start-missing", {**container(), "command": ["/no/such/program"]}),),
        warned("BackOff"),
    ),
    Case(
        "start-typo",
        "its program wge is not in the image",
        "wget",
        (pod("start-typo", initContainers=[{**container(name="loads"), "command": ["wge", "-O", "/x", "http://x"]}]),),
        warned("BackOff"),
    ),
    Case(
        "start-denied",
        "its program /scripts/run may not be executed",
        "executable",
        (
            data("ConfigMap", "start-denied", run="#!/bin/sh\necho hello\n"),
            mounting("start-denied", "/scripts", command="/scripts/run", configMap={"name": "start-denied"}),
        ),
        warned("BackOff"),
    ),
    Case(
        "start-format",
        "script without its first line|another processor",
        "first line|architecture",
        (
            data("ConfigMap", "start-format", run="echo hello\n"),
            mounting(
                "start-format",
                "/scripts",
                command="/scripts/run",
                configMap={"name": "start-format", "defaultMode": 0o755},
            ),
        ),
        warned("BackOff"),
    ),
    Case(
        "start-onto-file",
        "a volume is mounted onto a file",
        "subPath",
        (
            data("ConfigMap", "start-onto-file", settings="a=1"),
            mounting("start-onto-file", "/etc/passwd", configMap={"name": "start-onto-file"}),
        ),
        waits("CrashLoopBackOff", "RunContainerError", "CreateContainerError"),
    ),
    Case(
        "start-root",
        "may not run as root|runAsNonRoot",
        "runAsUser",
        (pod("start-root", container(securityContext={"runAsNonRoot": True})),),
        waits("CreateContainerConfigError"),
    ),
    Case(
        "start-hook",
        "its postStart hook fails",
        "lifecycle.postStart",
        (pod("start-hook", container(lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "exit 3"]}}})),),
        both(restarted, warned("FailedPostStartHook")),
    ),
    Case(
        "needs-key",
        "the ConfigMap needs-key has no key url",
        "add the key|correct the key",
        (
            data("ConfigMap", "needs-key", uri="http://x"),
            pod(
                "needs-key",
                container(env=[{"name": "URL", "valueFrom": {"configMapKeyRef": {"name": "needs-key", "key": "url"}}}]),
            ),
        ),
        waits("CreateContainerConfigError"),
    ),
    Case(
        "needs-map",
        "the ConfigMap nothing that the pod needs does not exist",
        "create the ConfigMap",
        (pod("needs-map", container(envFrom=[{"configMapRef": {"name": "nothing"}}])),),
        waits("CreateContainerConfigError"),
    ),
    Case(
        "needs-secret",
        "the Secret needs-secret-keys that the pod needs does not exist",
        "create the Secret",
        (
            workload(
                "Deployment",
                "needs-secret",
                container(volumeMounts=[{"name": "keys", "mountPath": "/keys"}]),
                of={"volumes": [{"name": "keys", "secret": {"secretName": "needs-secret-keys"}}]},
            ),
        ),
        warned("FailedMount"),
        target="deployment/needs-secret",
    ),
    Case(
        "needs-item",
        "the Secret needs-item has no key tls.key",
        "add the key|correct the key",
        (
            data("Secret", "needs-item", cert="x"),
            mounting("needs-item", secret={"secretName": "needs-item", "items": [{"key": "tls.key", "path": "k"}]}),
        ),
        warned("FailedMount"),
    ),
    Case(
        "needs-path",
        "the directory /no/such/folder of its node does not exist",
        "create it on the node|correct the path",
        (mounting("needs-path", hostPath={"path": "/no/such/folder", "type": "Directory"}),),
        warned("FailedMount"),
    ),
    Case(
        "init-fails",
        "init container first fails again and again.*cannot connect to 10.0.0.9:5432",
        "runs and listens",
        (
            pod(
                "init-fails",
                initContainers=[
                    container("echo 'dial tcp 10.0.0.9:5432: connect: connection refused'; exit 4", name="first")
                ],
            ),
        ),
        waits("CrashLoopBackOff"),
    ),
    Case(
        "init-waits",
        "init container first .*cannot resolve.* orders-db",
        "make the Service|correct the name",
        (
            pod(
                "init-waits",
                initContainers=[
                    container("until nslookup orders-db; do echo waiting for orders-db; sleep 2; done", name="first")
                ],
            ),
        ),
        begun,
    ),
    Case(
        "init-hungry",
        "container first exceeded its memory limit",
        "raise its memory limit",
        (pod("init-hungry", initContainers=[container("tail /dev/zero", name="first", **limited(memory="16Mi"))]),),
        waits("CrashLoopBackOff"),
    ),
    Case(
        "sidecar-starts",
        "sidecar proxy has not passed its startup probe",
        "probe",
        (
            pod(
                "sidecar-starts",
                initContainers=[
                    container(name="proxy", restartPolicy="Always", startupProbe=execs("exit 1", failureThreshold=99))
                ],
            ),
        ),
        warned("Unhealthy"),
    ),
)

CRASHES = (
    Case(
        "crash-plain",
        "container main (ends again and again|was restarted).*cannot open the database",
        "log",
        (pod("crash-plain", container('echo "fatal: cannot open the database"; exit 3')),),
        crashes,
    ),
    Case(
        "crash-go",
        "nil pointer dereference",
        "log|stack|developers",
        (pod("crash-go", container(says(*GO_PANIC, then="exit 2"))),),
        crashes,
    ),
    Case(
        "crash-disk",
        "the disk is full",
        "free or enlarge the volume",
        (pod("crash-disk", container(says(*PYTHON_DISK, then="exit 1"))),),
        crashes,
    ),
    Case(
        "crash-java",
        "cannot resolve db.internal",
        "correct the name",
        (pod("crash-java", container(says(*JAVA_HOST, then="exit 1"))),),
        crashes,
    ),
    Case(
        "crash-setting",
        "lacks the setting DEPLOY_ENV",
        "set it in the environment",
        (
            workload(
                "Deployment", "crash-setting", container('echo "Environment variable DEPLOY_ENV is undefined"; exit 1')
            ),
        ),
        crashes,
        target="deployment/crash-setting",
    ),
    Case(
        "crash-password",
        "refused by a peer for its credentials",
        "Secret",
        (pod("crash-password", container("echo 'FATAL: password authentication failed for user \"app\"'; exit 1")),),
        crashes,
    ),
    Case(
        "crash-silent",
        "exit code 0, though nothing failed",
        "has to keep running",
        (workload("Deployment", "crash-silent", container("exit 0")),),
        crashes,
        target="deployment/crash-silent",
    ),
    Case(
        "crash-option",
        "does not know the option --prot",
        "arguments",
        (
            pod(
                "crash-option",
                container(
                    says(
                        "Error: unknown flag: --prot",
                        "Usage:",
                        "  shop [flags]",
                        "",
                        "Flags:",
                        "  --port int",
                        then="exit 2",
                    )
                ),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-command",
        "myapp.* not found|command is not found",
        "image|PATH",
        (pod("crash-command", container("myapp --serve")),),
        crashes,
    ),
    Case(
        "crash-hungry",
        "exceeded its memory limit and was killed",
        "raise its memory limit",
        (pod("crash-hungry", container("tail /dev/zero", **limited(memory="24Mi"))),),
        crashes,
    ),
    Case(
        "crash-fault",
        "SIGSEGV",
        "log|native|memory fault",
        (pod("crash-fault", container("sh -c 'kill -SEGV $$$$'; exit $?")),),
        crashes,
    ),
    Case(
        "crash-port",
        "container second .*cannot listen: its port is taken",
        "a port of its own",
        (
            pod(
                "crash-port",
                container("exec httpd -f -p 8080 -h /"),
                container("sleep 1; exec httpd -f -p 8080 -h /", name="second"),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-readonly",
        "its file system is read-only",
        "emptyDir",
        (pod("crash-readonly", container("touch /cache", securityContext={"readOnlyRootFilesystem": True})),),
        crashes,
    ),
    Case(
        "crash-owner",
        "denied something by the system",
        "runAsUser, fsGroup",
        (pod("crash-owner", container("echo 1 > /etc/settings", securityContext={"runAsUser": 12345})),),
        crashes,
    ),
    Case(
        "crash-file",
        "misses the file /config/app.yaml",
        "mount the file",
        (pod("crash-file", container("cat /config/app.yaml")),),
        crashes,
    ),
    Case(
        "crash-silent-error",
        "container main (ends again and again|was restarted): exit code 3",
        "its log tells nothing.*command, arguments",
        (pod("crash-silent-error", container("exit 3")),),
        crashes,
    ),
    Case(
        "crash-low-port",
        "cannot listen on",
        "NET_BIND_SERVICE",
        (
            pod(
                "crash-low-port",
                container(
                    "echo 'nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)'; exit 1",
                    securityContext=TIGHT,
                ),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-as-root",
        "refuses to run as root",
        "runAsUser",
        (
            pod(
                "crash-as-root",
                container(says("java.lang.RuntimeException: can not run searchd as root", "Aborting.", then="exit 1")),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-data-version",
        "finds data that another version has written",
        "image of the version",
        (
            pod(
                "crash-data-version",
                container(
                    says(
                        "LOG:  starting server",
                        "FATAL:  database files are incompatible with server",
                        "DETAIL:  The data directory was initialized by version 12.",
                        then="exit 1",
                    )
                ),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-upstream",
        "cannot resolve crash-upstream-api",
        "correct the name to crash-upstream-backend",
        (
            service("crash-upstream-backend", {"app": "crash-upstream"}),
            pod(
                "crash-upstream",
                container(
                    "echo 'nginx: [emerg] host not found in upstream \"crash-upstream-api\" in /etc/a.conf:3'; exit 1"
                ),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-settings",
        "cannot read its configuration",
        "ConfigMap",
        (pod("crash-settings", container(says("panic: yaml: line 14: did not find expected key", then="exit 2"))),),
        crashes,
    ),
    Case(
        "crash-own-code",
        "fails in its own code: TypeError: 'NoneType' object is not iterable",
        "developers.*revision before",
        (
            workload(
                "Deployment",
                "crash-own-code",
                container(
                    says(
                        "Traceback (most recent call last):",
                        '  File "/srv/prices.py", line 4, in <module>',
                        "    for each in table:",
                        "                ^^^^^",
                        "TypeError: 'NoneType' object is not iterable",
                        then="exit 1",
                    )
                ),
            ),
        ),
        crashes,
        target="deployment/crash-own-code",
    ),
    Case(
        "crash-leader",
        "has lost the lease of the leader",
        "API server",
        (
            pod(
                "crash-leader",
                container(
                    says(
                        "E1129 10:00:00.000000 1 leaderelection.go:369] failed to update: deadline exceeded",
                        "F1129 10:00:05.000000 1 main.go:90] leaderelection lost",
                        then="exit 255",
                    )
                ),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-growing",
        "exceeded its memory limit and was killed",
        "without a bound.*its log",
        (
            pod(
                "crash-growing",
                container(
                    'for n in 10 20 30 40 50; do echo "tiles kept in cache: $n entries"; done; exec tail /dev/zero',
                    **limited(memory="24Mi"),
                ),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-module",
        "lacks a part of its program",
        "rebuild the image",
        (
            pod(
                "crash-module",
                container(
                    says(
                        "Traceback (most recent call last):",
                        '  File "/app.py", line 1',
                        "ModuleNotFoundError: No module named 'flask'",
                        then="exit 1",
                    )
                ),
            ),
        ),
        crashes,
    ),
    Case(
        "crash-second",
        "container second (ends again and again|was restarted): exit code 5",
        "log",
        (pod("crash-second", container(), container("exit 5", name="second")),),
        crashes,
    ),
    Case(
        "crash-beside",
        "container main .*cannot connect to cache:6379",
        "runs and listens",
        (
            pod(
                "crash-beside",
                container("echo 'Error: connect ECONNREFUSED cache:6379'; exit 1"),
                container(name="sidecar", livenessProbe=execs("exit 1", periodSeconds=10, initialDelaySeconds=1)),
            ),
        ),
        both(crashes, warned("Unhealthy")),
    ),
)

PROBES = (
    Case(
        "probe-command",
        "restarted because its liveness probe fails",
        "probe",
        (pod("probe-command", container(livenessProbe=execs("exit 1"))),),
        restarted,
    ),
    Case(
        "probe-port",
        "liveness probe fails.*port 9090, which the container does not declare",
        "8080",
        (pod("probe-port", container(WEB, ports=[{"containerPort": 8080}], livenessProbe=gets(9090))),),
        restarted,
    ),
    Case(
        "probe-patient",
        "the liveness probe of container main has failed",
        "before the container is restarted",
        (pod("probe-patient", container(livenessProbe=execs("exit 1", failureThreshold=1000))),),
        warned("Unhealthy"),
    ),
    Case(
        "probe-startup",
        "because its startup probe fails for 4 s",
        "more than 4 s to start",
        (
            pod(
                "probe-startup",
                container(startupProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 2, "failureThreshold": 2}),
            ),
        ),
        restarted,
    ),
    Case(
        "probe-ready",
        "running but not ready: its readiness probe fails",
        "probe calls|port",
        (pod("probe-ready", container(readinessProbe=execs("exit 1"))),),
        warned("Unhealthy"),
    ),
    Case(
        "probe-path",
        "not ready: its readiness probe fails: its path /healthz does not exist",
        "correct the path",
        (pod("probe-path", container(WEB, readinessProbe=gets(8080, "/healthz"))),),
        warned("Unhealthy"),
    ),
    Case(
        "probe-slow",
        "no answer within 1 s",
        "timeoutSeconds",
        (pod("probe-slow", container(readinessProbe=execs("sleep 5", timeoutSeconds=1))),),
        warned("Unhealthy"),
    ),
    Case(
        "probe-program",
        "its command is not in the image",
        "correct the command of the probe",
        (
            pod(
                "probe-program",
                container(readinessProbe={"exec": {"command": ["grpc_health_probe"]}, "periodSeconds": 2}),
            ),
        ),
        warned("Unhealthy", "ProbeError"),
    ),
    Case(
        "probe-cause",
        "not ready: its readiness probe fails, and it cannot connect to db:5432",
        "runs and listens",
        (
            pod(
                "probe-cause",
                container(
                    repeats("ERROR dial tcp db:5432: connect: connection refused"),
                    readinessProbe=execs("exit 1"),
                ),
            ),
        ),
        warned("Unhealthy"),
    ),
    Case(
        "probe-gate",
        "its readiness gate example.com/balancer is not met",
        "controller that sets the condition",
        (pod("probe-gate", readinessGates=[{"conditionType": "example.com/balancer"}]),),
        runs,
    ),
)

PLACES = (
    Case(
        "place-selector",
        "no node takes the pod: none has disk=ssd",
        "label a node with disk=ssd",
        (pod("place-selector", nodeSelector={"disk": "ssd"}),),
        unplaced,
    ),
    Case(
        "place-affinity",
        "none has zone in \\(a, b\\)|none has zone",
        "label a node",
        (
            pod(
                "place-affinity",
                affinity={
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}
                            ]
                        }
                    }
                },
            ),
        ),
        unplaced,
    ),
    Case(
        "place-cpu",
        "asks for more cpu than any node has",
        "lower its request for cpu",
        (pod("place-cpu", container(resources={"requests": {"cpu": "900"}})),),
        unplaced,
    ),
    Case(
        "place-memory",
        "asks for more memory than any node has",
        "lower its request for memory",
        (workload("Deployment", "place-memory", container(resources={"requests": {"memory": "9Ti"}})),),
        unplaced,
        target="deployment/place-memory",
    ),
    Case(
        "place-gpu",
        "no node offers nvidia.com/gpu",
        "nvidia.com/gpu.*device plugin",
        (pod("place-gpu", container(**limited(**{"nvidia.com/gpu": "1"}))),),
        unplaced,
    ),
    Case(
        "place-port",
        "its host port is taken",
        "another hostPort",
        (
            workload(
                "Deployment", "place-port", container(ports=[{"containerPort": 80, "hostPort": 31987}]), replicas=2
            ),
        ),
        unplaced,
        target="deployment/place-port",
    ),
    Case(
        "place-apart",
        "its anti-affinity allows no further pod",
        "add a node, lower the replicas",
        (
            workload(
                "Deployment",
                "place-apart",
                replicas=2,
                of={
                    "affinity": {
                        "podAntiAffinity": {
                            "requiredDuringSchedulingIgnoredDuringExecution": [
                                {
                                    "labelSelector": {"matchLabels": {"app": "place-apart"}},
                                    "topologyKey": "kubernetes.io/hostname",
                                }
                            ]
                        }
                    }
                },
            ),
        ),
        unplaced,
        target="deployment/place-apart",
    ),
    Case(
        "place-together",
        "no node runs the pods that its affinity asks for",
        "start those pods first",
        (
            pod(
                "place-together",
                affinity={
                    "podAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": [
                            {
                                "labelSelector": {"matchLabels": {"app": "no-one"}},
                                "topologyKey": "kubernetes.io/hostname",
                            }
                        ]
                    }
                },
            ),
        ),
        unplaced,
    ),
    Case(
        "place-spread",
        "its topology spread allows no further pod|no node has the label topology.example.com/rack",
        "whenUnsatisfiable|label",
        (
            pod(
                "place-spread",
                topologySpreadConstraints=[
                    {
                        "maxSkew": 1,
                        "topologyKey": "topology.example.com/rack",
                        "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": {"matchLabels": {"app": "place-spread"}},
                    }
                ],
            ),
        ),
        unplaced,
    ),
    Case(
        "place-scheduler",
        "no scheduler takes the pod: it asks for batch-scheduler",
        "batch-scheduler runs",
        (pod("place-scheduler", schedulerName="batch-scheduler"),),
        pending,
    ),
    Case(
        "place-gated",
        "waits for its scheduling gates: example.com/quota",
        "controller that removes them",
        (pod("place-gated", schedulingGates=[{"name": "example.com/quota"}]),),
        pending,
    ),
)

VOLUMES = (
    Case(
        "claim-class",
        "the volume claim claim-class is pending: its storage class fast-ssd does not exist",
        "class that exists",
        (
            claim("claim-class", storageClassName="fast-ssd"),
            workload("Deployment", "claim-class", of=of_claim("claim-class")),
        ),
        unplaced,
        target="deployment/claim-class",
    ),
    Case(
        "claim-alone",
        "pvc/claim-alone is pending: its storage class slow-hdd does not exist",
        "class that exists",
        (claim("claim-alone", storageClassName="slow-hdd"),),
        at_once,
        target="pvc/claim-alone",
    ),
    Case(
        "claim-missing",
        "the volume claim claim-missing-data is missing",
        "create the claim",
        (pod("claim-missing", **of_claim("claim-missing-data")),),
        unplaced,
    ),
    Case(
        "claim-default",
        "names no storage class, and there is no default one",
        "storageClassName",
        (claim("claim-default"), pod("claim-default", **of_claim("claim-default"))),
        unplaced,
    ),
    Case(
        "claim-static",
        "no volume fits it, and its empty storage class makes none",
        "create a PersistentVolume",
        (claim("claim-static", storageClassName=""), pod("claim-static", **of_claim("claim-static"))),
        unplaced,
    ),
    Case(
        "claim-template",
        "data-claim-template-0 is pending: its storage class gp2 does not exist",
        "class that exists",
        (
            workload(
                "StatefulSet",
                "claim-template",
                volumeClaimTemplates=[
                    {"metadata": {"name": "data"}, "spec": claim("data", storageClassName="gp2")["spec"]}
                ],
            ),
        ),
        unplaced,
        target="statefulset/claim-template",
    ),
)

OWNERS = (
    Case(
        "quota-used",
        "can make no pod: the quota quota-used is used up",
        "raise the quota quota-used",
        (quota("quota-used", "system-cluster-critical", limits_cpu="500m"),),
        told("deployment", "ReplicaFailure"),
        target="deployment/quota-used",
        before=counted,
        later=(
            workload(
                "Deployment",
                "quota-used",
                container(**limited(cpu="1")),
                of={"priorityClassName": "system-cluster-critical"},
            ),
        ),
    ),
    Case(
        "quota-demands",
        "can make no pod: the quota quota-demands demands limits.cpu",
        "set it in the resources of each container",
        (quota("quota-demands", "system-node-critical", limits_cpu="2"),),
        told("deployment", "ReplicaFailure"),
        target="deployment/quota-demands",
        before=counted,
        later=(workload("Deployment", "quota-demands", of={"priorityClassName": "system-node-critical"}),),
    ),
    Case(
        "strict-limit",
        "LimitRange of the namespace does not allow",
        "maximum cpu usage",
        (workload("Deployment", "strict-limit", container(**limited(cpu="2"), securityContext=TIGHT)),),
        told("deployment", "ReplicaFailure"),
        target="deployment/strict-limit",
        strict=True,
    ),
    Case(
        "strict-privileged",
        "can make no pod: Pod Security \\(restricted:latest\\) refuses it",
        "correct its security context",
        (workload("Deployment", "strict-privileged", container(securityContext={"privileged": True})),),
        told("deployment", "ReplicaFailure"),
        target="deployment/strict-privileged",
        strict=True,
    ),
    Case(
        "no-account",
        "its ServiceAccount builder does not exist",
        "create the ServiceAccount builder",
        (workload("Deployment", "no-account", of={"serviceAccountName": "builder"}),),
        told("deployment", "ReplicaFailure"),
        target="deployment/no-account",
    ),
    Case(
        "no-account-later",
        "can make no further pod: its ServiceAccount builder does not exist",
        "create the ServiceAccount builder",
        (workload("Deployment", "no-account-later"),),
        told("deployment", "ReplicaFailure"),
        target="deployment/no-account-later",
        before=ready,
        later=(workload("Deployment", "no-account-later", of={"serviceAccountName": "builder"}),),
    ),
    Case(
        "no-webhook",
        "the webhook deny.WARD.example.com does not answer: its Service no-webhook does not exist",
        "failurePolicy|Service",
        (workload("Deployment", "no-webhook"),),
        told("deployment", "ReplicaFailure"),
        target="deployment/no-webhook",
    ),
    Case(
        "no-runtime",
        "RuntimeClass gvisor does not exist",
        "runtimeClassName",
        (workload("Deployment", "no-runtime", of={"runtimeClassName": "gvisor"}),),
        told("deployment", "ReplicaFailure"),
        target="deployment/no-runtime",
    ),
    Case(
        "no-priority",
        "its priority class urgent does not exist",
        "priorityClassName",
        (workload("StatefulSet", "no-priority", of={"priorityClassName": "urgent"}),),
        warned("FailedCreate"),
        target="statefulset/no-priority",
    ),
    Case(
        "scaled-down",
        "deployment/scaled-down is scaled to 0",
        "kubectl scale deployment/scaled-down --replicas=1",
        (workload("Deployment", "scaled-down", replicas=0),),
        at_once,
        target="deployment/scaled-down",
    ),
    Case(
        "paused",
        "deployment/paused is paused",
        "kubectl rollout resume",
        (workload("Deployment", "paused"),),
        ready,
        target="deployment/paused",
        before=ready,
        later=(workload("Deployment", "paused", container(**env(LEVEL="debug")), paused=True),),
    ),
    Case(
        "stuck-revision",
        "old revision of statefulset/stuck-revision",
        "delete the pod",
        (service("stuck-revision"), workload("StatefulSet", "stuck-revision", container(image="localhost/absent:4"))),
        waits("ErrImagePull", "ImagePullBackOff"),
        target="statefulset/stuck-revision",
        before=waits("ErrImagePull", "ImagePullBackOff"),
        later=(workload("StatefulSet", "stuck-revision"),),
    ),
    Case(
        "nowhere",
        "daemonset/nowhere runs on no node: none fits its node selector disk=nvme",
        "label a node",
        (workload("DaemonSet", "nowhere", of={"nodeSelector": {"disk": "nvme"}}),),
        at_once,
        target="daemonset/nowhere",
    ),
    Case(
        "unscaled",
        "HorizontalPodAutoscaler unscaled does not scale: its pods have no request for cpu",
        "resources.requests.cpu",
        (workload("Deployment", "unscaled"), scaler("unscaled")),
        ready,
        target="deployment/unscaled",
    ),
    Case(
        "job-words",
        "cannot connect to prod-db:3333",
        "runs and listens",
        (job("job-words", container(says(*JOB_WORDS, then="exit 1"))),),
        told("job", "Failed"),
        target="job/job-words",
    ),
    Case(
        "job-hungry",
        "exceeded its memory limit and was killed",
        "raise its memory limit",
        (job("job-hungry", container("tail /dev/zero", **limited(memory="24Mi"))),),
        told("job", "Failed"),
        target="job/job-hungry",
    ),
    Case(
        "job-late",
        "job/job-late ran out of time: it was ended after activeDeadlineSeconds \\(4\\)",
        "raise activeDeadlineSeconds",
        (job("job-late", activeDeadlineSeconds=4),),
        told("job", "Failed"),
        target="job/job-late",
    ),
    Case(
        "job-asleep",
        "job/job-asleep is suspended",
        "kubectl patch job job-asleep",
        (job("job-asleep", suspend=True),),
        at_once,
        target="job/job-asleep",
    ),
    Case(
        "job-slow",
        "job/job-slow has completed 0 of 5.*no deadline",
        "activeDeadlineSeconds",
        (job("job-slow", container("sleep 3600"), completions=5),),
        runs,
        target="job/job-slow",
    ),
    Case(
        "cron-asleep",
        "cronjob/cron-asleep is suspended: it starts no Job",
        "kubectl patch cronjob cron-asleep",
        (
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": {"name": "cron-asleep"},
                "spec": {
                    "schedule": "0 3 * * *",
                    "suspend": True,
                    "jobTemplate": {"spec": job("cron-asleep")["spec"]},
                },
            },
        ),
        at_once,
        target="cronjob/cron-asleep",
    ),
    Case(
        "leaving-finalizer",
        "is being deleted and waits for its finalizers: example.com/backup",
        "controller that removes example.com/backup",
        (
            {
                **pod("leaving-finalizer"),
                "metadata": {
                    "name": "leaving-finalizer",
                    "labels": {"app": "leaving-finalizer"},
                    "finalizers": ["example.com/backup"],
                },
            },
        ),
        deleted,
        before=ready,
        leaves=True,
    ),
    Case(
        "leaving-hook",
        "is being deleted and runs the preStop hook of main",
        "terminationGracePeriodSeconds",
        (
            pod(
                "leaving-hook",
                container(lifecycle={"preStop": {"exec": {"command": ["sleep", "600"]}}}),
                terminationGracePeriodSeconds=600,
            ),
        ),
        deleted,
        before=ready,
        leaves=True,
    ),
)

NETWORK = (
    Case(
        "served-selector",
        "the service served-selector selects no pod at all",
        "correct the selector",
        (workload("Deployment", "served-selector"), service("served-selector", {"app": "served-selecter"})),
        ready,
        target="deployment/served-selector",
    ),
    Case(
        "served-name",
        "sends to the port 'http', which no container of the pod names",
        "targetPort",
        (
            pod("served-name", container(ports=[{"name": "web", "containerPort": 80}])),
            service("served-name", None, {"port": 80, "targetPort": "http"}),
        ),
        ready,
    ),
    Case(
        "served-port",
        "sends to port 8081, which no container of the pod declares",
        "targetPort",
        (
            pod("served-port", container(WEB, ports=[{"containerPort": 8080}])),
            service("served-port", None, {"port": 80, "targetPort": 8081}),
        ),
        ready,
    ),
    Case(
        "served-unready",
        "not ready: its readiness probe fails",
        "port|probe",
        (pod("served-unready", container(readinessProbe=gets(8080))), service("served-unready")),
        warned("Unhealthy"),
        target="app=served-unready",
    ),
    Case(
        "entered-class",
        "the Ingress entered-class names the class example-class, which does not exist",
        "ingressClassName",
        (
            pod("entered-class"),
            service("entered-class"),
            ingress("entered-class", ("entered-class", 80), ingressClassName="example-class"),
        ),
        ready,
    ),
    Case(
        "entered-service",
        "the Ingress entered-service sends to the Service entered-servce, which does not exist",
        "correct the name of the backend",
        (
            pod("entered-service"),
            service("entered-service"),
            ingress("entered-service", ("entered-service", 80), ("entered-servce", 80), ingressClassName="WARD"),
        ),
        ready,
    ),
    Case(
        "entered-port",
        "the Ingress entered-port sends to port 8080 of the Service entered-port, which has 80 only",
        "correct the port",
        (
            pod("entered-port"),
            service("entered-port"),
            ingress("entered-port", ("entered-port", 8080), ingressClassName="WARD"),
        ),
        ready,
    ),
    Case(
        "entered-tls",
        "the Ingress entered-tls names the Secret entered-tls-cert, which does not exist",
        "create the Secret|correct secretName",
        (
            pod("entered-tls"),
            service("entered-tls"),
            ingress(
                "entered-tls",
                ("entered-tls", 80),
                ingressClassName="WARD",
                tls=[{"hosts": ["entered-tls.example.com"], "secretName": "entered-tls-cert"}],
            ),
        ),
        ready,
    ),
    Case(
        "entered-nowhere",
        "the Ingress entered-nowhere sends to the Service nowhere-web, which does not exist",
        "correct the name of the backend",
        (ingress("entered-nowhere", ("nowhere-web", 80), ingressClassName="WARD"),),
        at_once,
        target="ingress/entered-nowhere",
    ),
    Case(
        "served-nobody",
        "nothing answers at the Service served-nobody, which selects no pod",
        "correct the selector",
        (service("served-nobody", {"app": "nobody-at-all"}),),
        at_once,
        target="service/served-nobody",
    ),
    Case(
        "isolated",
        "by NetworkPolicy isolated, nothing may connect to the pod",
        "allow what is needed",
        (pod("isolated"), policy("isolated", "Ingress")),
        ready,
    ),
    Case(
        "mute",
        "names cannot be resolved.*NetworkPolicy mute",
        "port 53",
        (
            pod("mute", container(repeats("curl: (6) Could not resolve host: api.example.com"))),
            policy("mute", "Egress"),
        ),
        ready,
    ),
    Case(
        "mute-of-names",
        "by NetworkPolicy mute-of-names, the pod may ask no name server",
        "port 53",
        (
            pod("mute-of-names"),
            policy("mute-of-names", "Egress", egress=[{"to": [{"podSelector": {}}], "ports": [{"port": 5432}]}]),
        ),
        ready,
    ),
    Case(
        "mute-of-all",
        "by NetworkPolicy mute-of-all, the pod may connect to nothing, and ask no name server",
        "egress to port 53",
        (pod("mute-of-all"), policy("mute-of-all", "Egress")),
        ready,
    ),
    Case(
        "deaf",
        "names cannot be resolved",
        "dnsPolicy and dnsConfig",
        (
            pod(
                "deaf",
                container(repeats("lookup db on 127.0.0.1:53: no such host")),
                dnsPolicy="None",
                dnsConfig={"nameservers": ["127.0.0.1"]},
            ),
        ),
        ready,
    ),
    Case(
        "calls-nobody",
        "calls paymets, and there is no Service paymets",
        "correct the name to payments",
        (
            pod("calls-nobody", container(**env(PAYMENTS_URL="http://paymets:80"))),
            pod("payments", container(WEB)),
            service("payments"),
        ),
        ready,
    ),
    Case(
        "calls-version",
        "calls the Service backend, which selects no pod: its selector asks for app=backend, version=v2",
        "correct the selector",
        (
            pod("calls-version", container(**env(BACKEND="http://backend:80"))),
            pod("backend", labels={"app": "backend", "version": "v1"}),
            service("backend", {"app": "backend", "version": "v2"}),
        ),
        ready,
    ),
    Case(
        "calls-port",
        "calls port 8080 of the Service payments, which has 80 only",
        "correct the port to 80",
        (pod("calls-port", container(**env(PAYMENTS_ADDR="payments:8080"))),),
        ready,
    ),
    Case(
        "calls-policy",
        "calls the Service guarded, whose NetworkPolicy guarded does not let this pod in",
        "allow the labels of this pod",
        (
            pod("calls-policy", container(**env(GUARDED_URL="http://guarded:80"))),
            pod("guarded", container(WEB)),
            service("guarded"),
            policy("guarded", "Ingress", ingress=[{"from": [{"podSelector": {"matchLabels": {"tier": "backend"}}}]}]),
        ),
        ready,
    ),
    Case(
        "calls-elsewhere",
        "there is no Service ledger in the namespace kube-system",
        "correct the name",
        (pod("calls-elsewhere", container(**env(LEDGER_URL="http://ledger.kube-system.svc:8080"))),),
        ready,
    ),
    Case(
        "calls-nothing",
        "calls the Service idle, whose deployment/idle is scaled to 0",
        "kubectl scale deployment/idle --replicas=1",
        (
            pod("calls-nothing", container(**env(IDLE_URL="http://idle:80"))),
            workload("Deployment", "idle", replicas=0),
            service("idle"),
        ),
        ready,
    ),
    Case(
        "calls-down",
        "the Service calls-down-store, of whose pods \\(1\\) none is ready: (CrashLoopBackOff, )?exit code 1",
        "debug_pod_targets=calls-down-store",
        (
            service("calls-down-store", None, {"port": 6379}),
            workload("Deployment", "calls-down-store", container("sleep 1; exit 1", readinessProbe=execs("false"))),
            pod("calls-down", container(repeats("INFO waiting for its store", "calls-down-store:6379 - no response"))),
        ),
        lambda seen, case: ready(seen, case) and crashes(seen, "calls-down-store"),
    ),
    Case(
        "calls-setting",
        "memcom",
        "correct the name|make the Service",
        (
            data("ConfigMap", "calls-setting", MEME_API_URL="http://memcom:5000/"),
            pod(
                "calls-setting",
                container(
                    says("ERROR urllib3: Failed to resolve 'memcom' ([Errno -2] Name or service not known)"),
                    envFrom=[{"configMapRef": {"name": "calls-setting"}}],
                ),
            ),
        ),
        ready,
    ),
)

LOGS = (
    Case(
        "logs-needle",
        "has no free connection left in its pool",
        "who holds connections",
        (
            pod(
                "logs-needle",
                container(
                    "echo 'ERROR could not acquire connection from pool after 30s'; "
                    + counts("INFO answered request", 2000)
                    + STAY
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-right",
        "lacks a right: system:serviceaccount:shop:agent may not list pods in the namespace shop",
        "bind a Role",
        (pod("logs-right", container(repeats(FORBIDDEN, every=2))),),
        ready,
    ),
    Case(
        "logs-limit",
        "too many requests \\(429\\)",
        "lower the rate",
        (
            pod(
                "logs-limit",
                container(
                    'while :; do echo \'{"level":"ERROR","status":429,"message":"Too Many Requests"}\'; sleep 1; done'
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-timeout",
        "waits too long for its backend",
        "slow or cannot be reached",
        (
            pod(
                "logs-timeout",
                container(repeats("INFO ok", "ERROR request to backend timed out after 30000ms")),
            ),
        ),
        ready,
    ),
    Case(
        "logs-trust",
        "cannot trust the certificate of a peer",
        "openssl s_client",
        (
            pod(
                "logs-trust",
                container(
                    repeats('level=error msg="cannot get prices: x509: certificate signed by unknown authority"')
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-schema",
        "misses orders in its database",
        "migration",
        (
            pod(
                "logs-schema",
                container(repeats('ERROR: relation "orders" does not exist at character 15')),
            ),
        ),
        ready,
    ),
    Case(
        "logs-reload",
        "cannot connect to db-staging.internal:5432",
        "runs and listens",
        (
            pod(
                "logs-reload",
                container(
                    says(
                        "[INFO] Database host: db-prod.internal:5432",
                        "[HTTP] 200 GET /api/users/123 (45ms)",
                        "[WARN] Configuration file change detected",
                        "[INFO] Reloading configuration...",
                        "[CONFIG] Database host: db-staging.internal:5432 (was: db-prod.internal:5432)",
                        "[ERROR] Failed to connect to database: Connection refused (db-staging.internal:5432)",
                        *["[ERROR] Database connection failed: Connection refused (db-staging.internal:5432)"] * 60,
                    )
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-slow",
        "slow: a call that its log tells of takes 6.2 s .*stock query",
        "slow queries",
        (
            pod(
                "logs-slow",
                container(repeats("INFO stock query took 6.2 s", "INFO page rendered in 6.4 s", every=0.2)),
            ),
        ),
        settled,
    ),
    Case(
        "logs-own-limit",
        "answers requests with status 429.*client_ip 10.0.7.7",
        "which caller asks so often",
        (
            pod(
                "logs-own-limit",
                container(
                    says(
                        *[
                            f'{{"level":"info","method":"PUT","path":"/in","client_ip":"10.0.9.{n}","status":200}}'
                            for n in range(200)
                        ],
                        *[
                            '{"level":"error","method":"PUT","path":"/in","client_ip":"10.0.7.7","status":429,'
                            '"msg":"Too Many Requests"}'
                        ]
                        * 20,
                    )
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-series",
        "cannot connect to session-store:6379",
        "runs and listens",
        (
            pod(
                "logs-series",
                container(
                    counts("INFO answered request", 300)
                    + says(
                        "ERROR sessions: connection refused: session-store:6379",
                        *["ERROR users: sessions answered 503 Service Unavailable"] * 9,
                        then=counts("INFO answered request", 300) + STAY,
                    )
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-expired",
        "meets a certificate that has expired",
        "renew it",
        (pod("logs-expired", container(repeats("ERROR login: identity provider: certificate is no longer valid"))),),
        ready,
    ),
    Case(
        "logs-unreachable",
        "cannot connect to ledger.example.com",
        "runs and listens",
        (
            pod(
                "logs-unreachable",
                container(
                    says(
                        "INFO started",
                        "ERROR books: database host at ledger.example.com is unreachable",
                        then=counts("INFO alive", 300) + STAY,
                    )
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-own-code",
        "fails in its own code: TypeError",
        "developers",
        (
            pod(
                "logs-own-code",
                container(
                    repeats(
                        '{"level":"error","msg":"cannot price","error":"TypeError: \'NoneType\' has no size"}',
                        "INFO done",
                    )
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-warnings",
        "warns more often since: .*Configuration reloaded",
        "configuration",
        (
            pod(
                "logs-warnings",
                container(
                    counts("INFO cache hit", 600)
                    + "echo 'INFO Configuration reloaded'; "
                    + counts("WARN cache miss", 600)
                    + STAY
                ),
            ),
        ),
        ready,
    ),
    Case(
        "logs-answers",
        "answers requests with status 500",
        "what the program itself calls",
        (
            pod(
                "logs-answers",
                container(repeats('10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 500 12', every=0.2)),
            ),
        ),
        ready,
    ),
    Case(
        "logs-files",
        "has too many open files",
        "never closed",
        (
            pod(
                "logs-files",
                container(repeats("accept tcp [::]:8080: accept4: too many open files")),
            ),
        ),
        ready,
    ),
    Case(
        "logs-window",
        "waits too long for a peer",
        "slow or cannot be reached",
        (pod("logs-window", container(says(*WINDOW))),),
        ready,
    ),
    Case(
        "stale-secret",
        "the Secret stale-secret has changed since container main was started",
        "kubectl rollout restart",
        (
            data("Secret", "stale-secret", password="one"),
            pod(
                "stale-secret",
                container(
                    repeats("ERROR WRONGPASS invalid username-password pair"),
                    envFrom=[{"secretRef": {"name": "stale-secret"}}],
                ),
            ),
        ),
        ready,
        before=settled,
        later=(data("Secret", "stale-secret", password="two"),),
    ),
    Case(
        "expired",
        "the certificate of the Secret expired expired",
        "rotate it",
        (
            data("Secret", "expired", **expired_pair()),
            pod(
                "expired",
                container(volumeMounts=[{"name": "tls", "mountPath": "/tls"}]),
                volumes=[{"name": "tls", "secret": {"secretName": "expired"}}],
            ),
        ),
        ready,
    ),
)

CASES = (*IMAGES, *STARTS, *CRASHES, *PROBES, *PLACES, *VOLUMES, *OWNERS, *NETWORK, *LOGS)

# Of a probe that does not mind a busy machine.
_PATIENT = {"failureThreshold": 30, "timeoutSeconds": 10}
# What is usual, and no reason for a warning.
WELL: dict[str, tuple[Object, ...]] = {
    "well-plain": (pod("well-plain"),),
    "deployment/well-web": (
        workload(
            "Deployment",
            "well-web",
            container(
                WEB,
                ports=[{"name": "http", "containerPort": 8080}],
                readinessProbe=gets("http", **_PATIENT),
                livenessProbe=gets("http", **_PATIENT),
                startupProbe=gets("http", **_PATIENT),
                resources={"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
            ),
            replicas=2,
        ),
        service("well-web", None, {"name": "http", "port": 80, "targetPort": "http"}),
        ingress("well-web", ("well-web", 80), ingressClassName="WARD"),
    ),
    "statefulset/well-db": (
        service("well-db", None, {"port": 6379}, clusterIP="None"),
        workload(
            "StatefulSet",
            "well-db",
            {
                "name": "main",
                "image": REDIS,
                "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 2, **_PATIENT},
            },
        ),
    ),
    "daemonset/well-agent": (workload("DaemonSet", "well-agent", of={"tolerations": [{"operator": "Exists"}]}),),
    "job/well-done": (job("well-done", container("echo done")),),
    "well-host": (pod("well-host", hostNetwork=True),),
    "well-processes": (pod("well-processes", hostPID=True),),
    "well-silent": (pod("well-silent", {"name": "main", "image": PAUSE}),),
    "well-datagrams": (
        pod("well-datagrams", container(ports=[{"containerPort": 8125, "protocol": "UDP"}])),
        service("well-datagrams", None, {"port": 8125, "protocol": "UDP"}),
    ),
    "well-sidecar": (
        pod(
            "well-sidecar",
            initContainers=[
                container(name="proxy", restartPolicy="Always", startupProbe=execs("true", **_PATIENT)),
                container("echo migrated", name="migrate"),
            ],
        ),
    ),
    "well-pair": (pod("well-pair", container(), container(name="other")),),
    "well-settings": (
        data("ConfigMap", "well-settings", WEB_URL="http://well-web:80", LEVEL="info"),
        data("Secret", "well-settings", PASSWORD="none"),
        pod(
            "well-settings",
            container(envFrom=[{"configMapRef": {"name": "well-settings"}}, {"secretRef": {"name": "well-settings"}}]),
        ),
    ),
    "well-names": (
        pod(
            "well-names",
            container(
                **env(
                    STATSD_ADDR="statsd:8125",
                    IMAGE_TAG="api:2024",
                    RUN_AS="app:1000",
                    BROKERS="well-db-0.well-db:6379,well-db:6379",
                    SITE="https://example.com/a:b",
                )
            ),
        ),
    ),
    "well-tight": (pod("well-tight", container(securityContext=TIGHT)),),
    "well-open": (
        pod("well-open", container(WEB, ports=[{"containerPort": 8080}])),
        policy("well-open", "Ingress", ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}]),
    ),
    "well-chatty": (
        pod(
            "well-chatty",
            container(
                says(
                    "INFO  started, 0 errors, 0 failed",
                    '{"level":"info","msg":"request done","error":null,"status":200}',
                    "I1123 10:00:00.000000 1 server.go:1] listening on :8080",
                    '10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "GET /missing HTTP/1.1" 404 12',
                    "2026-11-23 10:00:00 INFO ErrorHandler registered, retry timeout=30s",
                )
            ),
        ),
    ),
    "well-timed": (
        pod(
            "well-timed",
            container(
                says(
                    *[
                        "INFO stock query took 12 ms",
                        "INFO checkpoint complete: write=26.9 s, sync=0.1 s, total=27.0 s",
                        "INFO reconcile of 40 requests took 12.2 s",
                        "INFO cache size: 40 entries",
                        "INFO watch request closed after 300 s",
                        "INFO configuration loaded from /etc/app.yaml",
                    ]
                    * 20
                )
            ),
        ),
    ),
    "well-started": (
        pod(
            "well-started", container(readinessProbe=execs("test -e /tmp/up || { touch /tmp/up; exit 1; }", **_PATIENT))
        ),
    ),
    "deployment/well-apart": (
        workload(
            "Deployment",
            "well-apart",
            of={
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": "kubernetes.io/hostname",
                        "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": {"matchLabels": {"app": "well-apart"}},
                    }
                ]
            },
        ),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "well-apart"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "well-apart"}}},
        },
    ),
    "well-scratch": (
        pod(
            "well-scratch",
            container("echo 1 > /scratch/file; " + STAY, volumeMounts=[{"name": "s", "mountPath": "/scratch"}]),
            volumes=[{"name": "s", "emptyDir": {"sizeLimit": "1Mi"}}],
        ),
    ),
    "app=well-group": (
        pod("well-group-a", labels={"app": "well-group"}),
        pod("well-group-b", labels={"app": "well-group"}),
    ),
}
