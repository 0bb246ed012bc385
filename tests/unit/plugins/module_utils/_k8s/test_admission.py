# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the pods of a restart would be let in."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.admission import admission_reasons
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.consumers import Consumer

Object = dict[str, Any]
SURGE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
FREE = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}


class Login:
    def __init__(self, **found: list[Object]) -> None:
        self._found = found

    def items(self, _what: str, path: str) -> list[Object]:
        if path.rpartition("/")[2] not in self._found:
            raise ApiError("forbidden", 403)
        return self._found[path.rpartition("/")[2]]


def quota(hard: str, used: str, resource: str = "pods", **spec: Any) -> Object:
    return {"metadata": {"name": "team"}, "spec": spec, "status": {"hard": {resource: hard}, "used": {resource: used}}}


def limits(**bounds: Any) -> Object:
    return {"metadata": {"name": "small"}, "spec": {"limits": [{"type": "Container", **bounds}]}}


def consumer(strategy: Object, replicas: int = 2) -> Consumer:
    resources = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    template = {"spec": {"containers": [{"name": "web", "resources": resources}]}}
    found = {"spec": {"replicas": replicas, "strategy": strategy, "template": template}}
    return Consumer("Deployment", "here", "web", (), "restart", "", found=found)


@pytest.mark.parametrize(
    ("strategy", "quotas", "ranges", "said"),
    [
        (SURGE, [quota("3", "2")], [], ""),
        (SURGE, [quota("2", "2")], [], "the quota team has no room for it (pods: 2 of 2 are used)"),
        (SURGE, [quota("2", "2", "count/pods")], [], "count/pods: 2 of 2"),
        (SURGE, [quota("1", "600m", "requests.cpu")], [], "requests.cpu: 600m of 1 are used"),
        (SURGE, [quota("1", "500m", "cpu")], [], ""),
        # A limit stands for a request that is not there.
        (SURGE, [quota("2Gi", "1500Mi", "requests.memory")], [], "requests.memory: 1500Mi of 2Gi"),
        (SURGE, [quota("2", "2", scopes=["BestEffort"])], [], ""),
        (SURGE, [quota("1", "1", "services")], [], ""),
        # An old pod may end first.
        (FREE, [quota("2", "2")], [], ""),
        (SURGE, [], [limits(max={"memory": "512Mi"})], "limits of 1Gi memory, beyond the max 512Mi of the LimitRange"),
        (FREE, [], [limits(min={"cpu": "600m"})], "requests of 500m cpu, beyond the min 600m"),
        (SURGE, [], [limits(max={"memory": "1Gi"}, min={"cpu": "100m"})], ""),
    ],
)  # fmt: skip
def test_why_new_pods_would_be_refused(strategy: Object, quotas: list[Object], ranges: list[Object], said: str) -> None:
    login: Any = Login(resourcequotas=quotas, limitranges=ranges)
    reasons, unknown = admission_reasons(login, "here", [consumer(strategy)])
    assert unknown == [] and len(reasons) == bool(said)
    assert all(said in reason and reason.endswith(".") for reason in reasons)


def test_no_pod_needs_no_room_and_what_cannot_be_seen_is_unknown() -> None:
    full: Any = Login(resourcequotas=[quota("2", "2")], limitranges=[])
    assert admission_reasons(full, "here", [consumer(SURGE, replicas=0)]) == ([], [])
    nothing: Any = Login()
    reasons, unknown = admission_reasons(nothing, "here", [consumer(SURGE)])
    assert reasons == [] and [each.split()[1] for each in unknown] == ["resourcequotas", "limitranges"]
