# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports, peers, names and disks: the first finding of each case, and its next step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import Facts

from .objects import (
    NOW,
    container,
    facts,
    findings,
    ingress,
    log,
    owner,
    peer,
    pod,
    policy,
    service,
    variables,
)

SS_8080 = 'LISTEN 0 511 *:8080 *:* users:(("web",pid=1,fd=3))'
ANSWER = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\nx. 5 IN A 10.96.0.1\n;; Query time: 1 msec\n=0"
NO_SERVER = ";; connection timed out; no servers could be reached\n=9"
STARVED = "cpu.stat:nr_periods 100\ncpu.stat:nr_throttled 90"


def calls(url: str, *services: dict[str, Any], **parts: Any) -> Facts:
    """Return a pod that calls something, among services and other pods."""
    labels = parts.pop("labels", {"app": "web"})
    found = pod(spec=variables(URL=url))
    found["metadata"]["labels"] = labels
    pods = [found, *parts.pop("pods", [])]
    return facts(found, services=list(services), pods=pods, **parts)


CASES: dict[str, tuple[Facts, dict[str, str] | None, str, str, str, str]] = {
    "a port that nobody listens on": (
        facts(services=[service("web", None, (80, 8000))]),
        {"sockets": SS_8080},
        *("service_port", "critical", "port 8000, on which nothing listens; listening in the pod: 8080", "8080 listen"),
    ),
    "a port on the loopback": (
        facts(services=[service("web", None, (80, 8080))]),
        {"sockets": "LISTEN 0 5 127.0.0.1:8080 *:*\nLISTEN 0 5 *:9090 *:*"},
        *("service_port", "critical", "listens at 127.0.0.1 only", "listen on all addresses"),
    ),
    "a port that is not declared": (
        facts(
            pod(spec={"containers": [container(ports=[{"containerPort": 8080}])]}), services=[service("web", None, 80)]
        ),
        None,
        *("service_port", "warning", "port 80, which no container of the pod declares", "targetPort"),
    ),
    "a service that is not there": (
        calls("http://pricng:8080/", service("pricing", None, 8080), pods=[peer("pricing-1", app="pricing")]),
        None,
        *(
            "called_missing",
            "warning",
            "there is no Service pricng in the namespace shop",
            "correct the name to pricing",
        ),
    ),
    "a service with another version": (
        calls(
            "http://pricing:8080/",
            service("pricing", {"app": "pricing", "version": "v2"}, 8080),
            pods=[peer("pricing-1", app="pricing", version="v1")],
        ),
        None,
        *(
            "called_selector",
            "warning",
            "version=v2; closest is the pod pricing-1, which has version=v1",
            "correct the selector",
        ),
    ),
    "a service without a ready pod": (
        calls(
            "http://pricing.shop.svc:8080/",
            service("pricing", None, 8080),
            pods=[peer("pricing-1", ready=False, app="pricing")],
        ),
        None,
        *("called_not_ready", "warning", "of whose pods (1) none is ready", "debug_pod_targets=pricing-1"),
    ),
    "a service of another namespace that is not there": (
        calls("http://pricing.billing.svc:8080/", others={("billing", "pricing"): None}),
        None,
        *("called_missing", "warning", "there is no Service pricing in the namespace billing", "create the Service"),
    ),
    "a service of another namespace on another port": (
        calls(
            "http://pricing.billing.svc.cluster.local:81/",
            others={("billing", "pricing"): service("pricing", None, 80)},
        ),
        None,
        *("called_port", "warning", "port 81 of the Service pricing, which has 80 only", "correct the port to 80"),
    ),
    "a service on another port": (
        calls("http://pricing:8080/", service("pricing", None, 80), pods=[peer("pricing-1", app="pricing")]),
        None,
        *("called_port", "warning", "port 8080 of the Service pricing, which has 80 only", "correct the port to 80"),
    ),
    "a service of a component that is scaled to nothing": (
        calls(
            "http://pricing:8080/",
            service("pricing", None, 8080),
            workloads=[
                owner(
                    "Deployment",
                    "pricing",
                    spec={"replicas": 0, "template": {"metadata": {"labels": {"app": "pricing"}}}},
                )
            ],
        ),
        None,
        *(
            "called_scaled_to_zero",
            "warning",
            "whose deployment/pricing is scaled to 0",
            "kubectl scale deployment/pricing",
        ),
    ),
    "a policy at the called side": (
        calls(
            "http://pricing:8080/",
            service("pricing", None, 8080),
            pods=[peer("pricing-1", app="pricing")],
            policies=[
                policy(
                    "only-front", {"app": "pricing"}, {"from": [{"podSelector": {"matchLabels": {"role": "front"}}}]}
                )
            ],
        ),
        None,
        *("called_policy", "warning", "allowed: role=front; this pod has app=web", "only-front"),
    ),
    "a service that refuses, and why": (
        calls(
            "http://pricing:8080/",
            service("pricing", {"app": "prices"}, 8080),
            pods=[peer("pricing-1", app="pricing")],
        ),
        {"tcp:pricing:8080": "E connect: Connection refused\n=1", "dns:pricing": ANSWER},
        *("called_selector", "critical", "which selects no pod", "correct the selector"),
    ),
    "a URL of a ConfigMap": (
        facts(
            services=[service("web"), service("pricing", None, 8080)],
            pods=[pod(), peer("pricing-1", app="pricing")],
            settings={"main": {"PRICING_URL": "http://prcing:8080"}},
        ),
        None,
        *("called_missing", "warning", "no Service prcing", "pricing"),
    ),
    "an Ingress of a class that is not there": (
        facts(
            services=[service()],
            ingresses=[ingress("web", ("web", 80), ingressClassName="ngnix")],
            ingress_classes=[{"metadata": {"name": "nginx"}}],
        ),
        None,
        *("ingress", "warning", "the Ingress web names the class ngnix, which does not exist", "nginx"),
    ),
    "an Ingress without a class": (
        facts(
            services=[service()],
            ingresses=[ingress("web", ("web", 80))],
            ingress_classes=[{"metadata": {"name": "nginx"}}],
        ),
        None,
        *("ingress", "warning", "names no class, and there is no default one", "set ingressClassName (nginx)"),
    ),
    "an Ingress without a backend": (
        facts(services=[service()], ingresses=[ingress("web")]),
        None,
        *("ingress", "warning", "sends to nothing", "name the Service"),
    ),
    "an Ingress to a service that is not there": (
        facts(services=[service("shop", {"app": "web"})], ingresses=[ingress("web", ("web", 80))]),
        None,
        *("ingress", "warning", "sends to the Service web, which does not exist", "Services: shop"),
    ),
    "an Ingress to another port": (
        facts(services=[service()], ingresses=[ingress("web", ("web", 8080))]),
        None,
        *(
            "ingress",
            "warning",
            "port 8080 of the Service web, which has 80 only",
            "correct the port of the backend to 80",
        ),
    ),
    "a Secret that has changed": (
        facts(
            pod(spec={"containers": [container(envFrom=[{"secretRef": {"name": "db"}}])]}),
            secrets={"db": NOW - timedelta(minutes=5)},
            logs={"main": log('ERROR password authentication failed for user "shop"')},
        ),
        None,
        *(
            "stale_environment",
            "critical",
            "the Secret db has changed since container main was started",
            "rollout restart",
        ),
    ),
    "a full volume": (
        facts(),
        {
            "disk": "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 50 50 50% /proc/7/root\n"
            "/dev/vdb 1000000 998000 2000 100% /proc/7/root/data\n=0"
        },
        *("disk_full", "critical", "the volume at /data is 100% full", "enlarge its claim"),
    ),
    "zombies": (
        facts(),
        {
            "processes": "\n".join(
                [
                    "1 0 root S 1 100 900 node server.js",
                    *(f"{number} 1 root Z 1 0 9 [sh] <defunct>" for number in range(20, 40)),
                ]
            )
        },
        *("zombies", "warning", "20 processes have ended", "tini"),
    ),
    "a CPU at its limit": (
        facts(
            pod(spec={"containers": [container(resources={"limits": {"cpu": "500m"}})]}),
            metrics={"containers": [{"name": "main", "usage": {"cpu": "499m"}}]},
        ),
        None,
        *("cpu_near_limit", "warning", "uses 100% of the CPU it may have", "CPU limit"),
    ),
    "a busy loop that makes our own probes late": (
        calls("http://pricing:8080/", service("pricing", None, 8080), pods=[peer("pricing-1", app="pricing")]),
        {"cgroup": STARVED, "dns:kubernetes.default.svc": NO_SERVER, "dns:pricing": "=124", "tcp:pricing:8080": "=124"},
        *("throttled", "warning", "90% of all periods", "CPU limit"),
    ),
    "memory that grows": (
        facts(),
        {
            "cgroup": "memory.current:85000000\nmemory.max:104857600",
            "growth": "1764236100 80000000\n1764236105 85000000",
        },
        *("memory_grows", "warning", "grows by 1.0 MiB a second, and is at its limit in 20 s", "leak"),
    ),
    "no name server": (
        facts(),
        {"dns:kubernetes.default.svc": NO_SERVER, "dns:pricing": NO_SERVER},
        *("dns", "critical", "no name can be resolved", "dnsPolicy"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_first_finding_tells_the_cause_and_the_next_step(name: str) -> None:
    read, inside, kind, severity, what, step = CASES[name]
    found = findings(read, inside)
    assert (found[0].kind, found[0].severity) == (kind, severity), found
    assert what in f"{found[0].what}; {found[0].evidence}"
    assert step in found[0].next_step


def test_what_the_api_server_explains_is_not_said_twice() -> None:
    read, inside, *_rest = CASES["a service that refuses, and why"]
    assert [each.kind for each in findings(read, inside)] == ["called_selector"]


def test_what_listens_in_a_copy_is_not_the_program() -> None:
    read = facts(services=[service("web", None, (80, 8000))])
    assert [each.kind for each in findings(read, {"sockets": SS_8080}, mode="copy")] == ["healthy"]
