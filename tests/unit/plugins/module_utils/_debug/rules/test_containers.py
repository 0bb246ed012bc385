# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The right container, the right probe, the right words: the first finding of each case, and its next step."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import Facts

from .objects import (
    container,
    end,
    event,
    facts,
    findings,
    log,
    looping,
    over,
    pod,
    restarted,
    running,
    waiting,
)


class Case(NamedTuple):
    """``what`` and ``step`` are words that the first finding and its next step have; ``never`` is in none of them."""

    facts: Facts
    kind: str
    severity: str
    what: str
    step: str
    never: str = ""
    inside: dict[str, str] | None = None


PROBES = {
    "startupProbe": {"httpGet": {"path": "/up", "port": 8080}, "periodSeconds": 2, "failureThreshold": 5},
    "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "timeoutSeconds": 2},
    "ports": [{"containerPort": 8080, "name": "http"}],
}
PROBED = {"containers": [container(**PROBES), container("proxy", **PROBES)]}
REFUSED = 'Get "http://10.0.0.1:8080/up": dial tcp 10.0.0.1:8080: connect: connection refused'
GO_PANIC = [
    "2026/11/23 10:14:00 listening on :8080",
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f5a3]",
    "",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/app/main.go:12 +0x1d",
    "exit status 2",
]
PYTHON = [
    "INFO starting",
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 3, in <module>',
    "    open('/data/x', 'w').write(data)",
    "OSError: [Errno 28] No space left on device",
]
JAVA = [
    'Exception in thread "main" org.springframework.beans.factory.BeanCreationException: Error creating bean',
    "\tat org.springframework.boot.SpringApplication.run(SpringApplication.java:123)",
    "Caused by: org.hibernate.HibernateException: Unable to open JDBC connection",
    "\t... 12 more",
    'Caused by: org.postgresql.util.PSQLException: FATAL: password authentication failed for user "shop"',
    "\tat org.postgresql.core.v3.ConnectionFactoryImpl.doAuthentication(ConnectionFactoryImpl.java:1)",
    "\t... 30 more",
]
NODE = [
    "node:internal/modules/cjs/loader:1078",
    "  throw err;",
    "  ^",
    "",
    "Error: Cannot find module '/app/server.js'",
    "    at Module._resolveFilename (node:internal/modules/cjs/loader:1075:15)",
    "  code: 'MODULE_NOT_FOUND',",
    "}",
    "",
    "Node.js v20.11.0",
]
NO_PROGRAM = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable "
    'to start container process: error during container init: exec: "/manager": stat /manager: no such file or '
    "directory: unknown"
)
NOT_A_FOLDER = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable "
    'to start container process: error during container init: error mounting "/var/lib/kubelet/pods/1/volumes/'
    'kubernetes.io~configmap/config" to rootfs at "/etc/app/app.yaml": mount src=/var/lib/kubelet/pods/1/volumes, '
    "dst=/etc/app/app.yaml, dstFd=/proc/thread-self/fd/8, flags=0x5001: not a directory: Are you trying to mount a "
    "directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type: unknown"
)
LONG_REGISTRY = "registry." + "very-long-part." * 12 + "example.com/team/shop/web:1.4"


def pull(why: str, image: str = "registry.example.com/shop/web:1.4") -> Facts:
    """Return a pod whose image cannot be pulled, as it is between two attempts."""
    message = (
        f'Failed to pull image "{image}": rpc error: code = Unknown desc = failed to pull and unpack image "{image}": '
        f'failed to resolve reference "{image}": {why}'
    )
    status = waiting(reason="ImagePullBackOff", message=f'Back-off pulling image "{image}"')
    return facts(
        pod(status, spec={"containers": [container(image=image)]}, phase="Pending"),
        events=[
            event("Failed", message, container="main", ago=60),
            event("Failed", "Error: ErrImagePull", container="main", ago=60),
            event("BackOff", f'Back-off pulling image "{image}"', container="main"),
        ],
    )


def killed(kind: str, code: int = 137, name: str = "main") -> list[dict[str, object]]:
    return [
        event("Unhealthy", f"{kind.capitalize()} probe failed: {REFUSED}", container=name, ago=32),
        event(
            "Killing", f"Container {name} failed {kind} probe, will be restarted", container=name, ago=31, type="Normal"
        ),
    ]


CASES = {
    "startup probe": Case(
        facts(pod(looping(137), running("proxy"), spec=PROBED), events=killed("startup")),
        *(
            "startup_probe",
            "critical",
            "container main is killed and restarted because its startup probe fails for 10 s",
        ),
        "failureThreshold",
        "memory",
    ),
    "liveness probe": Case(
        facts(
            pod(restarted(137), running("proxy"), spec=PROBED),
            events=[
                event(
                    "Unhealthy",
                    'Liveness probe failed: Get "http://10.0.0.1:8080/healthz": context deadline exceeded '
                    "(Client.Timeout exceeded while awaiting headers)",
                    container="main",
                    ago=32,
                ),
                killed("liveness")[1],
            ],
        ),
        *("liveness", "critical", "container main is restarted because its liveness probe fails"),
        "raise timeoutSeconds (it is 2)",
    ),
    "a path that is not there": Case(
        facts(
            pod(restarted(143), running("proxy"), spec=PROBED),
            events=[
                event(
                    "Unhealthy",
                    "Liveness probe failed: HTTP probe failed with statuscode: 404",
                    container="main",
                    ago=32,
                ),
                killed("liveness")[1],
            ],
        ),
        *("liveness", "critical", "/healthz does not exist", "correct the path"),
    ),
    "liveness on a port that is not declared": Case(
        facts(
            pod(
                restarted(137),
                spec={
                    "containers": [
                        container(livenessProbe={"tcpSocket": {"port": 8081}}, ports=[{"containerPort": 8080}])
                    ]
                },
            ),
            events=killed("liveness"),
        ),
        *("liveness", "critical", "port 8081, which the container does not declare", "the container declares 8080"),
        "delay",
    ),
    "postStart hook": Case(
        facts(
            pod(
                waiting(
                    reason="PostStartHookError",
                    message='Exec lifecycle hook ([sh -c exit 1]) for Container "main" in Pod "web" failed',
                    restartCount=3,
                    lastState={"terminated": end(137)},
                )
            ),
        ),
        *("post_start", "critical", "its postStart hook fails", "lifecycle.postStart"),
    ),
    "postStart hook, between": Case(
        facts(pod(looping(137)), events=[event("FailedPostStartHook", "PostStartHook failed", container="main")]),
        *("post_start", "critical", "its postStart hook fails", "correct the command of the hook"),
        "back-off",
    ),
    "a sidecar's probe is not the app's": Case(
        facts(
            pod(looping(1, lived=4), restarted(137, "proxy", restarts=1, ago=200), spec=PROBED),
            before={"main": log("INFO up", "fatal: cannot open the database /data/shop.db")},
            events=[
                event("Unhealthy", f"Liveness probe failed: {REFUSED}", container="proxy", ago=201),
                event(
                    "Killing", "Container proxy failed liveness probe, will be restarted", container="proxy", ago=200
                ),
            ],
        ),
        *(
            "crash_loop",
            "critical",
            "main ends again and again: fatal: cannot open the database /data/shop.db (exit code 1",
            "log",
        ),
    ),
    "killed by nobody who is known": Case(
        facts(pod(restarted(137))),
        *("restarted", "warning", "SIGKILL, killed from outside", "find out who killed it"),
        "out of memory",
    ),
    "evicted": Case(
        facts(
            pod(
                over(137),
                phase="Failed",
                reason="Evicted",
                message='Usage of EmptyDir volume "cache" exceeds the limit "100Mi".',
            )
        ),
        *("evicted", "critical", "evicted", "raise sizeLimit of the volume cache"),
    ),
    "evicted for its disk": Case(
        facts(
            pod(
                over(137),
                phase="Failed",
                reason="Evicted",
                message="Pod ephemeral local storage usage exceeds the total limit of containers 100Mi.",
            )
        ),
        *("evicted", "critical", "ephemeral", "limit for ephemeral-storage"),
    ),
    "preempted": Case(
        facts(
            pod(
                over(137),
                phase="Failed",
                conditions=[
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                        "message": "default-scheduler: preempting to accommodate a higher priority pod",
                    }
                ],
            ),
            events=[event("Preempted", "Preempted by pod 7f3a on node n1")],
        ),
        *("disrupted", "critical", "Preempted by pod 7f3a", "priority"),
    ),
    "killed in a child only, cgroup 1": Case(
        facts(),
        *("oom_killed_process", "warning", "has killed 3 processes", "raise its memory limit"),
        inside={"cgroup": "memory/memory.oom_control:oom_kill_disable 0\nmemory/memory.oom_control:oom_kill 3"},
    ),
    "no such program": Case(
        facts(pod(looping(128, reason="StartError", message=NO_PROGRAM))),
        *("container_start", "critical", "its program /manager is not in the image", "an image that has /manager"),
        "back-off",
    ),
    "no such program, in an init container": Case(
        facts(
            pod(
                waiting(reason="PodInitializing"),
                spec={"initContainers": [container("first")]},
                phase="Pending",
                initContainerStatuses=[looping(128, "first", reason="StartError", message=NO_PROGRAM)],
            )
        ),
        *("container_start", "critical", "container first cannot be started: its program /manager", "/manager"),
    ),
    "a mount onto a file": Case(
        facts(pod(looping(128, reason="StartError", message=NOT_A_FOLDER))),
        *("container_start", "critical", "a volume is mounted onto a file", "subPath: /etc/app/app.yaml"),
    ),
    "a program that may not run": Case(
        facts(
            pod(
                looping(
                    126, reason="StartError", message='runc create failed: exec: "/app": permission denied: unknown'
                )
            )
        ),
        *("container_start", "critical", "may not be executed", "chmod +x"),
    ),
    "denied by the registry": Case(
        pull(
            "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", LONG_REGISTRY
        ),
        *("image_pull", "critical", "401 Unauthorized", "imagePullSecrets"),
    ),
    "no such tag": Case(
        pull("registry.example.com/shop/web:1.4: not found"),
        *("image_pull", "critical", "the registry has no such name or tag", "correct the name or the tag"),
    ),
    "no such registry": Case(
        pull(
            'failed to do request: Head "https://registry.example.com/v2/": dial tcp: lookup registry.example.com: no '
            "such host"
        ),
        *("image_pull", "critical", "no such host", "correct the host"),
    ),
    "a registry that does not answer": Case(
        pull('failed to do request: Head "https://registry.example.com/v2/": dial tcp 10.0.0.9:443: i/o timeout'),
        *("image_pull", "critical", "does not reach the registry", "proxy"),
    ),
    "denied by Docker Hub": Case(
        pull(
            "pull access denied, repository does not exist or may require authorization: server message: "
            "insufficient_scope: authorization failed"
        ),
        *("image_pull", "critical", "the registry denies access", "imagePullSecrets"),
    ),
    "a certificate of the registry": Case(
        pull(
            'failed to do request: Head "https://registry.example.com/v2/": tls: failed to verify certificate: x509: '
            "certificate signed"
        ),
        *("image_pull", "critical", "does not trust the certificate", "CA"),
    ),
    "too many pulls": Case(
        pull(
            "unexpected status code: 429 Too Many Requests - Server message: toomanyrequests: You have reached your "
            "limit"
        ),
        *("image_pull", "critical", "limits how often", "mirror"),
    ),
    "Go": Case(
        facts(pod(looping(2)), before={"main": log(*GO_PANIC)}),
        *("crash_loop", "critical", "panic: runtime error: invalid memory address", "log"),
        "wrong use",
    ),
    "Python": Case(
        facts(pod(looping(1)), before={"main": log(*PYTHON)}),
        *("crash_loop", "critical", "OSError: [Errno 28] No space left on device", "free or enlarge the volume"),
    ),
    "Java": Case(
        facts(pod(looping(1)), before={"main": log(*JAVA)}),
        *("crash_loop", "critical", "password authentication failed", "compare the Secret"),
    ),
    "JavaScript": Case(
        facts(pod(looping(1)), before={"main": log(*NODE)}),
        *("crash_loop", "critical", "Cannot find module '/app/server.js'", "rebuild the image"),
    ),
    "Rust": Case(
        facts(
            pod(looping(101)),
            before={"main": log("thread 'main' panicked at src/main.rs:4:5:", "index out of bounds", "note: run with")},
        ),
        *("crash_loop", "critical", "panicked at src/main.rs:4:5: index out of bounds", "log"),
    ),
    "fatal, long before the end": Case(
        facts(
            pod(looping(1)),
            before={
                "main": log(
                    'time="2026-11-23T10:14:00Z" level=fatal msg="cannot load the plan of prices"',
                    *(f"closing worker {number}" for number in range(60)),
                )
            },
        ),
        *("crash_loop", "critical", "cannot load the plan of prices", "log"),
    ),
    "an exception that was survived": Case(
        facts(
            pod(looping(1)),
            before={
                "main": log(
                    *PYTHON, *(f"request {number}" for number in range(300)), "ERROR listen :80: address already in use"
                )
            },
        ),
        *("crash_loop", "critical", "its port is taken", "a port of its own"),
    ),
    "a name of the environment": Case(
        facts(pod(looping(1)), before={"main": log("Traceback (most recent call last):", "KeyError: 'DATABASE_URL'")}),
        *("crash_loop", "critical", "lacks the setting DATABASE_URL", "environment"),
    ),
    "the kubelet's own words": Case(
        facts(pod(looping(3)), before={"main": log()}),
        *("crash_loop", "critical", "exit code 3", "log"),
        "unable to retrieve",
    ),
    "a warning of what it cannot do without": Case(
        facts(
            pod(looping(255)),
            before={
                "main": log(
                    "PHP Warning:  mysqli(): getaddrinfo for mysql failed: Name or service not known in /a.php:1",
                    "Warning: slow: timed out after 3 s",
                    "Error establishing a database connection",
                )
            },
        ),
        *("crash_loop", "critical", "it cannot resolve mysql", "correct the name"),
    ),
    "words of the termination message": Case(
        facts(pod(looping(3, message="starting\nfatal: no license\n"))),
        *("crash_loop", "critical", "fatal: no license", "log"),
    ),
    "a Job that fails": Case(
        facts(
            pod(over(1), spec={"restartPolicy": "Never"}, phase="Failed"),
            logs={"main": log("connecting to db:5432", "FATAL: dial tcp db:5432: connect: connection refused")},
        ),
        *("ended", "critical", "cannot connect to db:5432", "whether its Service has endpoints"),
        "the pod has failed",
    ),
    "a Job out of memory": Case(
        facts(pod(over(137, reason="OOMKilled"), spec={"restartPolicy": "Never"}, phase="Failed")),
        *("oom_killed", "critical", "exceeded its memory limit", "raise its memory limit"),
        "the pod has failed",
    ),
    "a Job out of time": Case(
        facts(pod(over(143), phase="Failed", reason="DeadlineExceeded", message="Pod was active on the node longer")),
        *("failed", "critical", "DeadlineExceeded", "activeDeadlineSeconds"),
    ),
    "a readiness gate": Case(
        facts(
            pod(
                spec={"readinessGates": [{"conditionType": "target-health.elbv2.k8s.aws/web"}]},
                conditions=[{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}],
            )
        ),
        *("readiness_gate", "critical", "target-health.elbv2.k8s.aws/web is not met", "controller"),
    ),
    "a sidecar that does not start": Case(
        facts(
            pod(
                waiting(reason="PodInitializing"),
                spec={
                    "initContainers": [
                        container("proxy", restartPolicy="Always", startupProbe={"tcpSocket": {"port": 15021}})
                    ]
                },
                phase="Pending",
                initContainerStatuses=[running("proxy", ready=False, started=False)],
            ),
            events=[event("Unhealthy", f"Startup probe failed: {REFUSED}", container="proxy")],
        ),
        *(
            "sidecar_starting",
            "critical",
            "sidecar proxy has not passed its startup probe",
            "call what the probe calls",
        ),
    ),
    "a liveness probe that is not acted on": Case(
        facts(
            pod(
                spec={
                    "containers": [container(livenessProbe={"exec": {"command": ["false"]}, "failureThreshold": 1000})]
                }
            ),
            events=[event("Unhealthy", "Liveness probe failed: ", container="main", ago=5, count=12)],
        ),
        *("liveness_failing", "warning", "has failed 12 times; it is restarted after 1000 in a row", "call what"),
    ),
    "a program on the loopback": Case(
        facts(
            pod(
                running(ready=False),
                spec={"containers": [container(readinessProbe={"tcpSocket": {"port": 8080}})]},
            ),
            events=[event("Unhealthy", f"Readiness probe failed: {REFUSED}", container="main")],
        ),
        *(
            "readiness",
            "critical",
            "its readiness probe fails: port 8080 is listened on at 127.0.0.1 only",
            "all addresses",
        ),
        inside={"sockets": 'LISTEN 0 511 127.0.0.1:8080 0.0.0.0:* users:(("web",pid=1,fd=3))'},
    ),
    "a probe of another port": Case(
        facts(
            pod(running(ready=False), spec={"containers": [container(readinessProbe={"tcpSocket": {"port": 8080}})]}),
            events=[event("Unhealthy", f"Readiness probe failed: {REFUSED}", container="main")],
        ),
        *("readiness", "critical", "nothing listens on port 8080", "9090 listen"),
        inside={"sockets": "LISTEN 0 511 *:9090 *:*"},
    ),
    "not ready for its database": Case(
        facts(
            pod(
                running(ready=False),
                spec={"containers": [container(readinessProbe={"exec": {"command": ["/ready"]}})]},
            ),
            logs={"main": log("ERROR dial tcp db:5432: connect: connection refused")},
            events=[event("Unhealthy", "Readiness probe failed: ", container="main")],
        ),
        *("readiness", "critical", "cannot connect to db:5432", "whether the peer runs"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_finding_tells_the_cause_and_the_next_step(name: str) -> None:
    case = CASES[name]
    found = findings(case.facts, case.inside)
    first = found[0]
    assert (first.kind, first.severity) == (case.kind, case.severity), found
    assert case.what in f"{first.what}; {first.evidence}"
    assert case.step in first.next_step
    for each in found if case.never else ():
        assert case.never not in f"{each.what} {each.evidence} {each.next_step}"


def test_both_ends_of_a_long_message_are_kept() -> None:
    first = findings(CASES["denied by the registry"].facts)[0]
    assert first.evidence.startswith("Failed to pull image")
    assert first.evidence.endswith("401 Unauthorized")


def test_a_pod_without_cpu_is_not_said_to_resolve_no_name() -> None:
    limits = {"resources": {"limits": {"cpu": "10m"}}}
    inside = {"begin": "1 7", "dns:kubernetes.default.svc": "Killed\n=137"}
    found = findings(facts(pod(spec={"containers": [container(**limits)]})), inside)
    assert [each.kind for each in found] == ["throttled"]
    assert "10 millicores" in found[0].what
