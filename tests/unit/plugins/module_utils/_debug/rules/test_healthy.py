# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy pods of every kind, with all that is usual about them: none has a finding of warning or above."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.logs import Log
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import Facts

from .objects import (
    NOW,
    at,
    claim,
    condition,
    container,
    event,
    facts,
    findings,
    ingress,
    log,
    over,
    owner,
    peer,
    pod,
    policy,
    restarted,
    running,
    service,
    variables,
)

ANSWER = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\nx. 5 IN A 10.96.0.1\n;; Query time: 1 msec\n=0"
REFUSED = ";; ->>HEADER<<- opcode: QUERY, status: REFUSED, id: 1\n=0"
NAMES = {"dns:kubernetes.default.svc": ANSWER}
SOCKETS = {"sockets": "LISTEN 0 5 *:8080 *:*\nLISTEN 0 5 127.0.0.1:15000 *:*\nESTAB 0 0 10.0.0.1:8080 10.0.0.9:5000"}
ZERO = owner(
    "Deployment",
    "batch",
    spec={"replicas": 0, "template": {"metadata": {"labels": {"app": "batch", "part-of": "shop"}}}},
)

HEALTHY: dict[str, tuple[Facts, dict[str, str] | None]] = {
    "plain": (facts(), None),
    "from inside": (facts(), {**NAMES, **SOCKETS}),
    "host network": (
        facts(pod(spec={"hostNetwork": True, "dnsPolicy": "ClusterFirst"})),
        {
            "dns:kubernetes.default.svc": REFUSED,
            "dns:example.com": ANSWER,
            "sockets": "LISTEN 0 5 127.0.0.53%lo:53 *:*",
        },
    ),
    "host PID": (
        facts(pod(spec={"hostPID": True})),
        {**NAMES, "processes": "1 0 root S 1 100 900 /sbin/init\n9 1 root Z 1 0 9 [sh] <defunct>"},
    ),
    "no shell, an empty log": (facts(logs={"main": Log()}), {**NAMES, "processes": "1 0 65532 S 1 100 900 /app"}),
    "a native sidecar": (
        facts(
            pod(
                spec={
                    "initContainers": [
                        container("proxy", restartPolicy="Always", startupProbe={"tcpSocket": {"port": 15021}})
                    ]
                },
                initContainerStatuses=[running("proxy")],
            )
        ),
        None,
    ),
    "a UDP service": (
        facts(
            pod(spec={"containers": [container(ports=[{"containerPort": 8125, "protocol": "UDP"}])]}),
            services=[service("web", None, {"port": 8125, "targetPort": 8125, "protocol": "UDP"})],
        ),
        {"sockets": "LISTEN 0 5 *:8080 *:*", "datagrams": "UNCONN 0 0 *:8125 *:*"},
    ),
    "StatsD": (facts(pod(spec=variables(STATSD_ADDR="statsd:8125", METRICS="udp://statsd:9125")), services=[]), NAMES),
    "an image in a variable": (facts(pod(spec=variables(IMAGE_TAG="api:2024", RUN_AS="app:1000")), services=[]), NAMES),
    "a headless service": (
        facts(
            pod(spec={"containers": [container(ports=[{"containerPort": 8080}])]}),
            services=[service("web", None, 80, clusterIP="None")],
        ),
        None,
    ),
    "a name of another domain": (
        facts(),
        {**NAMES, "dns:corp.example.org": REFUSED},
    ),
    "a list of Kafka": (
        facts(
            pod(spec=variables(KAFKA_BROKERS="kafka-0.kafka:9092,kafka-1.kafka:9092")),
            services=[service("kafka", None, 9092, clusterIP="None")],
            pods=[pod(), peer("kafka-0", app="kafka")],
        ),
        {**NAMES, "tcp:kafka-0.kafka:9092": "=0", "tcp:kafka-1.kafka:9092": "=0"},
    ),
    "a component scaled to nothing": (
        facts(
            services=[service("web"), service("batch", {"app": "batch", "part-of": "shop"})],
            pods=[pod()],
            workloads=[ZERO],
        ),
        None,
    ),
    "a service that shares a common label": (
        facts(
            pod() | {"metadata": {**pod()["metadata"], "labels": {"app": "web", "app.kubernetes.io/part-of": "shop"}}},
            services=[service("mail", {"app": "mail", "app.kubernetes.io/part-of": "shop"})],
            pods=[pod()],
        ),
        None,
    ),
    "a service that it calls": (
        facts(
            pod(spec=variables(URL="http://pricing.shop.svc.cluster.local:8080", OUT="https://api.example.com/v1")),
            services=[service("pricing", None, 8080)],
            pods=[pod(), peer("pricing-1", app="pricing")],
            policies=[
                policy("front", {"app": "pricing"}, {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]})
            ],
        ),
        None,
    ),
    "a name that is that of a host": (
        facts(pod(spec=variables(DB="legacy:5432")), services=[service()], pods=[pod()]),
        {"dns:legacy": ANSWER, "tcp:legacy:5432": "=0"},
    ),
    "a service of another namespace": (
        facts(
            pod(spec=variables(A="http://a.billing.svc:80", B="http://b.billing.svc:80")),
            services=[service()],
            others={("billing", "a"): service("a")},
        ),
        None,
    ),
    "an undeclared port that is listened on": (facts(services=[service("web", None, (80, 8080))]), SOCKETS),
    "an Ingress": (
        facts(
            services=[service()],
            ingresses=[ingress("web", ("web", 80), ingressClassName="nginx"), ingress("other", ("mail", 25))],
            ingress_classes=[{"metadata": {"name": "nginx"}}],
        ),
        None,
    ),
    "a Deployment": (
        facts(
            owners=[
                owner("ReplicaSet", spec={"replicas": 2}, replicas=2),
                owner(
                    "Deployment",
                    spec={"replicas": 2},
                    conditions=[
                        condition("Progressing", "True", "NewReplicaSetAvailable"),
                        condition("Available", "True"),
                    ],
                ),
            ],
            siblings=[peer("web-2", app="web")],
        ),
        None,
    ),
    "a StatefulSet with a claim": (
        facts(
            pod(spec={"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}),
            claims=[claim(phase="Bound"), claim("other")],
            owners=[owner("StatefulSet", "db", spec={"replicas": 1}, replicas=1, updateRevision="db-1")],
        ),
        None,
    ),
    "a Job that is done": (
        facts(pod(over(0, reason="Completed"), spec={"restartPolicy": "Never"}, phase="Succeeded")),
        None,
    ),
    "a Job that works": (
        facts(
            pod(spec={"restartPolicy": "Never"}),
            owners=[owner("Job", active=1, startTime=at(60), spec={"completions": 2})],
        ),
        None,
    ),
    "a restart of long ago": (facts(pod(restarted(1, since=90_000, ago=90_010))), None),
    "a probe that failed once at the start": (
        facts(
            pod(spec={"containers": [container(livenessProbe={"tcpSocket": {"port": 8080}})]}),
            events=[event("Unhealthy", "Readiness probe failed: connection refused", container="main", ago=890)],
        ),
        None,
    ),
    "a log without trouble": (
        facts(
            logs={
                "main": log(
                    "INFO started, 0 errors",
                    '{"level":"info","msg":"done","error":null,"retries":0}',
                    'level=info msg="reconnected after timeout"',
                    '10.0.0.1 - - [x] "GET /errors HTTP/1.1" 200 12',
                    '10.0.0.1 - - [x] "GET /nothing HTTP/1.1" 404 12',
                    '10.0.0.1 - - [x] "GET /admin HTTP/1.1" 403 12',
                    *(f'10.0.0.1 - - [x] "GET /{n} HTTP/1.1" 200 12' for n in range(200)),
                    "WARN slow request",
                )
            }
        ),
        None,
    ),
    "errors of its start": (
        facts(
            pod(running(since=600)),
            logs={"main": log("ERROR db:5432: connection refused, retrying", *["INFO done"] * 580, until=15)},
        ),
        None,
    ),
    "a replica whose primary came later, and that is silent since": (
        facts(
            pod(running(since=1300)),
            logs={
                "main": log(
                    *["1:S 29 Nov 2026 17:22:36.016 # Error condition on socket for SYNC: Network is unreachable"] * 4,
                    "1:S 29 Nov 2026 17:22:47.701 * MASTER <-> REPLICA sync: Finished with success",
                    until=1260,
                )
            },
        ),
        None,
    ),
    "a ConfigMap that has changed": (
        facts(
            pod(spec={"containers": [container(envFrom=[{"configMapRef": {"name": "app"}}])]}),
            configmaps={"app": NOW - timedelta(minutes=5)},
        ),
        None,
    ),
    "a readiness gate that is met": (
        facts(
            pod(
                spec={"readinessGates": [{"conditionType": "example.com/lb"}]},
                conditions=[condition("Ready", "True"), condition("example.com/lb", "True")],
            )
        ),
        None,
    ),
    "an autoscaler of something else that is not there": (
        facts(
            owners=[owner("Deployment", "shop-pdb", spec={"replicas": 1})],
            scalers=[
                {
                    "metadata": {"name": "shop-hpa", "creationTimestamp": at(3000)},
                    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "shop-hpb"}, "maxReplicas": 3},
                    "status": {"conditions": [condition("AbleToScale", "False", "FailedGetScale", "not found")]},
                }
            ],
        ),
        None,
    ),
    "a policy of a component that has no pod": (
        facts(policies=[policy("batch", {"app": "batch"})], pods=[pod()]),
        None,
    ),
    "files in the cache of the kernel": (
        facts(),
        {
            **NAMES,
            "cgroup": "memory.current:104000000\nmemory.max:104857600\nmemory.stat:anon 20000000\n"
            "memory.stat:inactive_file 60000000\nmemory.stat:active_file 23000000",
        },
    ),
    "files in the cache of the kernel, cgroup 1": (
        facts(),
        {
            **NAMES,
            "cgroup": "memory/memory.usage_in_bytes:104000000\nmemory/memory.limit_in_bytes:104857600\n"
            "memory/memory.stat:inactive_file 0\nmemory/memory.stat:total_inactive_file 60000000",
        },
    ),
    "policies that let it call by a named port": (
        facts(
            pod(spec=variables(DB="http://db:5432")),
            services=[service("db", None, (5432, "pg"))],
            pods=[pod(), peer("db-0", app="db")],
            policies=[
                policy("db", {"app": "db"}, {"from": [{"podSelector": {}}], "ports": [{"port": "pg"}]}),
                policy("out", {"app": "web"}, {"ports": [{"port": 53}]}, {"ports": [{"port": 5432}]}, kind="Egress"),
            ],
        ),
        None,
    ),
    "policies that let it call addresses": (
        facts(
            pod(spec=variables(DB="http://db:5432")),
            services=[service("db", None, 5432)],
            pods=[pod(), peer("db-0", app="db")],
            policies=[
                policy(
                    "out",
                    {"app": "web"},
                    {"ports": [{"port": 53}]},
                    {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]},
                    kind="Egress",
                )
            ],
        ),
        None,
    ),
    "the pod of a CronJob that was suspended since": (
        facts(
            pod(over(0, reason="Completed"), spec={"restartPolicy": "Never"}, phase="Succeeded"),
            owners=[owner("Job", succeeded=1), owner("CronJob", spec={"schedule": "* * * * *", "suspend": True})],
        ),
        None,
    ),
    "a pull secret that nothing needs": (
        facts(pod(spec={"imagePullSecrets": [{"name": "registry"}]}), secrets={}, configmaps={}),
        None,
    ),
    "a port of both protocols": (
        facts(
            pod(
                spec={
                    "containers": [
                        container(ports=[{"containerPort": 53, "protocol": each} for each in ("TCP", "UDP")])
                    ]
                }
            ),
            services=[service("web", None, {"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"})],
        ),
        None,
    ),
    "another name of what is outside": (
        facts(
            pod(spec=variables(DB="postgres://db:5432/x")),
            services=[service("db", {}, type="ExternalName", externalName="db.example.com")],
            pods=[pod()],
        ),
        None,
    ),
    "host network with the name servers of the cluster": (
        facts(
            pod(spec={"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet", **variables(DB="http://db:5432")}),
            services=[service("db", None, 5432)],
            pods=[pod(), peer("db-0", app="db")],
        ),
        None,
    ),
    "a worker that waits for messages": (facts(logs={"main": log(*["waiting for messages"] * 60)}), None),
    "half of all": (
        facts(
            pod(spec={"containers": [container(resources={"limits": {"cpu": "1", "memory": "100Mi"}})]}),
            metrics={"containers": [{"name": "main", "usage": {"cpu": "500m", "memory": "50Mi"}}]},
        ),
        {
            **NAMES,
            "cgroup": "memory.current:50000000\nmemory.max:104857600\ncpu.stat:nr_periods 100\ncpu.stat:nr_throttled 5",
            "growth": "1764236100 50000000\n1764236108 50100000",
            "disk": "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 100 60 40 60% /proc/7/root\n=0",
        },
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_pod_has_no_warning(name: str) -> None:
    read, inside = HEALTHY[name]
    found: Any = findings(read, inside)
    assert [each for each in found if each.severity != "info"] == []
