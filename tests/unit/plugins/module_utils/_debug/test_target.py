# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a target and what is none, which pod is chosen, and which rights an ephemeral container is given."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import (
    read_target,
    selector_text,
    trouble,
)

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "kind", "name", "selector"),
    [
        ("web-0", "pod", "web-0", ""),
        ("pod/web-0", "pod", "web-0", ""),
        ("deploy/web", "deployment", "web", ""),
        ("StatefulSet/web", "statefulset", "web", ""),
        ("deployment.apps/web", "deployment", "web", ""),
        ("deployments.apps/web", "deployment", "web", ""),
        ("Deployments.v1.apps/web", "deployment", "web", ""),
        ("pods/web-0", "pod", "web-0", ""),
        ("cronjobs.batch/nightly", "cronjob", "nightly", ""),
        ("ingress.networking.k8s.io/web", "ingress", "web", ""),
        ("persistentvolumeclaims/data", "persistentvolumeclaim", "data", ""),
        ("svc/web", "service", "web", ""),
        ("ing/web", "ingress", "web", ""),
        ("pvc/data", "persistentvolumeclaim", "data", ""),
        ("cj/nightly", "cronjob", "nightly", ""),
        ("node/n1.example.com", "node", "n1.example.com", ""),
        ("all", "all", "", ""),
        ("pod/all", "pod", "all", ""),
        ("app=web", "", "", "app=web"),
        ("app in (a, b),tier!=x", "", "", "app in (a, b),tier!=x"),
        ("app.kubernetes.io/name=web,!canary", "", "", "app.kubernetes.io/name=web,!canary"),
    ],
)
def test_a_target_is_read(text: str, kind: str, name: str, selector: str) -> None:
    target = read_target(text)
    assert (target.kind, target.name, target.selector) == (kind, name, selector)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x; touch /tmp/pwned",
        "$(id)",
        "`id`",
        "{{ 1 }}",
        "../x",
        "a/b/c",
        "secret/x",
        "deployment.example.com/x",
        "pod.apps/x",
        "all/x",
        "Web",
        "-n",
        "app=a&limit=1",
        "app=web\n",
        "a" * 300,
    ],
)
def test_what_is_no_target_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(Exception, match="allowed is the name of a pod") as caught:
        read_target(text)
    assert "\n" not in str(caught.value)


def test_a_selector_of_a_workload_becomes_a_query() -> None:
    selector = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["x", "y"]},
            {"key": "d", "operator": "DoesNotExist"},
            {"key": "e", "operator": "Exists"},
        ],
    }
    assert selector_text(selector) == "a=1,b=2,c in (x,y),!d,e"


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Running", **status},
    }


def waiting(reason: str) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "main", "restartCount": 3, "state": {"waiting": {"reason": reason}}}]}


READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def test_the_less_healthy_a_pod_is_the_more_trouble_it_has() -> None:
    pods = [
        pod(**READY),
        pod(**READY, containerStatuses=[{"name": "main", "restartCount": 2, "state": {"running": {}}}]),
        pod(),
        pod(phase="Pending"),
        pod(containerStatuses=[{"name": "main", "restartCount": 3, "state": {"terminated": {"exitCode": 5}}}]),
        pod(**waiting("CrashLoopBackOff")),
        pod(phase="Failed", reason="Evicted"),
    ]
    scores = [trouble(each, NOW)[0] for each in pods]
    assert scores == sorted(scores)
    assert scores[0] == 0
    assert trouble(pods[4], NOW)[1] == "container main has ended with exit code 5"
