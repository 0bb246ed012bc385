# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Troubles that a lab cannot have, as objects of the API server and as figures of cgroup v2; both are fixtures."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import judge
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import Facts
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.rules.common import exit_words
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.rules.network import matches
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.session import Session
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import Chosen

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
RUNNING = {
    "name": "main",
    "ready": True,
    "restartCount": 0,
    "state": {"running": {"startedAt": "2026-11-23T10:00:00Z"}},
}
READY = [{"type": "Ready", "status": "True"}]


def facts(pod: dict[str, Any] | None = None, **parts: Any) -> Facts:
    found: dict[str, Any] = {
        "metadata": {"name": "web", "uid": "1", "labels": {"app": "web"}, "creationTimestamp": "2026-11-23T10:00:00Z"},
        "spec": {"containers": [{"name": "main", "image": "web:1", "resources": {"limits": {"memory": "100Mi"}}}]},
        "status": {"phase": "Running", "conditions": READY, "containerStatuses": [RUNNING]},
    }
    for part, content in (pod or {}).items():
        found[part].update(content)
    return Facts("shop", NOW, Chosen("web", found, "it was named"), **parts)


def node(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "n1"}, "spec": {}, "status": status}


def kinds(facts: Facts, **sections: str) -> list[tuple[str, str]]:
    found = {name: text.splitlines() for name, text in sections.items()}
    session = Session("web", mode="ephemeral", beside=True, sections=found)
    return [(each.kind, each.severity) for each in judge(facts, session if sections else None).findings]


@pytest.mark.parametrize(
    ("pod", "kind", "severity"),
    [
        ({"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}}, "evicted", "critical"),
        ({"status": {"phase": "Failed", "reason": "DeadlineExceeded"}}, "failed", "critical"),
        ({"metadata": {"deletionTimestamp": "2026-11-23T10:00:00Z"}}, "terminating", "critical"),
        ({"metadata": {"deletionTimestamp": "2026-11-23T10:14:50Z"}}, "terminating", "warning"),
        ({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}, "healthy", "info"),
    ],
)
def test_a_pod_that_ends_or_is_none_of_the_usual(pod: dict[str, Any], kind: str, severity: str) -> None:
    assert kinds(facts(pod))[0] == (kind, severity)


def test_a_static_pod_is_said_to_be_one() -> None:
    assert ("static_pod", "info") in kinds(facts({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}))


@pytest.mark.parametrize(
    ("condition", "kind", "severity"),
    [
        ({"type": "Ready", "status": "Unknown"}, "node_not_ready", "critical"),
        ({"type": "MemoryPressure", "status": "True"}, "node_pressure", "warning"),
        ({"type": "DiskPressure", "status": "False"}, "healthy", "info"),
    ],
)
def test_the_node_of_a_pod(condition: dict[str, str], kind: str, severity: str) -> None:
    assert kinds(facts(node=node(conditions=[condition])))[0] == (kind, severity)


SIDECAR = {"spec": {"initContainers": [{"name": "proxy", "image": "x", "restartPolicy": "Always"}]}}
LOOP = {"name": "proxy", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
ENDED = {"exitCode": 1, "startedAt": "2026-11-23T10:14:00Z", "finishedAt": "2026-11-23T10:14:10Z"}


def status(**changes: Any) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{**RUNNING, **changes}]}}


@pytest.mark.parametrize(
    ("pod", "kind", "severity"),
    [
        (
            {**SIDECAR, "status": {"initContainerStatuses": [{**LOOP, "lastState": {"terminated": ENDED}}]}},
            "crash_loop",
            "critical",
        ),
        ({"spec": {"restartPolicy": "Never"}, **status(ready=False, state={"terminated": ENDED})}, "ended", "critical"),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"}]}},
            "not_ready",
            "warning",
        ),
        (
            {
                "spec": {"restartPolicy": "OnFailure"},
                "status": {
                    "phase": "Succeeded",
                    "conditions": [],
                    "containerStatuses": [
                        {
                            **RUNNING,
                            "ready": False,
                            "restartCount": 1,
                            "state": {"terminated": {**ENDED, "exitCode": 0}},
                        }
                    ],
                },
            },
            "healthy",
            "info",
        ),
        (
            status(
                restartCount=1,
                lastState={"terminated": {**ENDED, "reason": "OOMKilled", "finishedAt": "2026-11-01T00:00:00Z"}},
            ),
            "oom_killed",
            "warning",
        ),
        (
            status(
                restartCount=1,
                lastState={"terminated": {**ENDED, "reason": "StartError", "finishedAt": "2026-11-01T00:00:00Z"}},
            ),
            "healthy",
            "info",
        ),
    ],
    ids=["sidecar", "never restarted", "readiness gate", "job", "old OOM", "old start error"],
)
def test_what_a_pod_is_by_its_containers(pod: dict[str, Any], kind: str, severity: str) -> None:
    assert kinds(facts(pod))[0] == (kind, severity)


def test_from_its_node_nothing_of_the_host_is_said_of_the_pod() -> None:
    collected = {"begin": ["10 1"], "dns:a": ["status: NXDOMAIN"], "cgroup": ["memory.events:oom_kill 2"]}
    session = Session("web", mode="node", profile="host", sections=collected)
    assert [each.kind for each in judge(facts(), session).findings] == ["healthy"]


@pytest.mark.parametrize(("policy", "kind"), [("Default", "healthy"), ("ClusterFirst", "dns")])
def test_a_name_of_the_cluster_is_asked_of_its_name_servers_only(policy: str, kind: str) -> None:
    answer = {"dns:kubernetes.default.svc": [";; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1", "=0"]}
    session = Session("web", mode="ephemeral", sections=answer)
    assert judge(facts({"spec": {"dnsPolicy": policy}}), session).findings[0].kind == kind


def test_a_good_condition_of_a_node_is_no_pressure() -> None:
    assert kinds(facts(node=node(conditions=[{"type": "EtcdIsVoter", "status": "True"}])))[0] == ("healthy", "info")


def test_an_init_container_that_runs_for_long_is_stuck() -> None:
    pod = {
        "spec": {"initContainers": [{"name": "first", "image": "x"}]},
        "status": {
            "phase": "Pending",
            "conditions": [],
            "initContainerStatuses": [{**RUNNING, "name": "first", "ready": False}],
            "containerStatuses": [],
        },
    }
    assert kinds(facts(pod))[0] == ("init_stuck", "critical")


def test_memory_near_its_limit_by_metrics() -> None:
    metrics = {"containers": [{"name": "main", "usage": {"memory": "99000Ki"}}]}
    assert kinds(facts(metrics=metrics)) == [("memory_near_limit", "warning")]


@pytest.mark.parametrize(
    ("cgroup", "kind"),
    [
        ("memory.current:95000000\nmemory.max:100000000", "memory_near_limit"),
        ("memory.events:oom_kill 2", "oom_killed_process"),
        ("cpu.stat:nr_periods 100\ncpu.stat:nr_throttled 30", "throttled"),
        ("memory.pressure:some avg10=0.00 avg60=12.50 avg300=1.00 total=1", "pressure"),
        ("io.pressure:some avg10=0.00 avg60=40.00 avg300=1.00 total=1", "pressure"),
        ("cpu.pressure:some avg10=0.00 avg60=9.00 avg300=1.00 total=1", "healthy"),
    ],
)
def test_figures_of_the_cgroup(cgroup: str, kind: str) -> None:
    assert kinds(facts(), cgroup=cgroup)[0][0] == kind


def test_connections_that_nobody_closes_or_answers() -> None:
    closing = "\n".join(f"CLOSE-WAIT 1 0 10.0.0.1:{port} 10.0.0.2:80" for port in range(1000, 1030))
    trying = "\n".join(f"SYN-SENT 0 1 10.0.0.1:{port} 10.0.0.3:80" for port in range(2000, 2005))
    assert {kind for kind, _severity in kinds(facts(), sockets=f"{closing}\n{trying}")} == {"close_wait", "syn_sent"}


def test_files_that_are_never_closed() -> None:
    files = "\n".join(f"lrwx------ 1 0 0 64 Nov 23 10:00 {number} -> socket:[{number}]" for number in range(900))
    limits = "Max open files            1024                 1048576              files"
    assert kinds(facts(), files=files, limits=limits) == [("open_files", "warning")]


@pytest.mark.parametrize(
    ("code", "words"), [(137, "SIGKILL"), (139, "SIGSEGV"), (143, "SIGTERM"), (127, "not found"), (155, "signal 27")]
)
def test_exit_codes_are_decoded(code: int, words: str) -> None:
    assert words in exit_words(code)


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ({}, True),
        ({"app": "web"}, True),
        ({"app": "wbe"}, False),
        ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
    ],
)
def test_selectors(selector: dict[str, Any], taken: bool) -> None:
    assert matches(selector, {"app": "web"}) is taken


def test_what_could_not_be_read_is_not_called_healthy_without_a_word() -> None:
    diagnosis = judge(facts(unknown=["the node: this login may not read it"]), None)
    assert "one part could not be read" in diagnosis.findings[0].what
    assert diagnosis.degraded == ("the node: this login may not read it",)
