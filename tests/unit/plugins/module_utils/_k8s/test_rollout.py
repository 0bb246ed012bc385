# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a rollout is complete, by the rules of kubectl, and what a restart changes of a workload."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s import consumers, rollout
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.rollout_status import (
    failure_time,
    rollout_status,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import Progress

Object = dict[str, Any]
NEW, OLD = "a" * 64, "b" * 64
STUCK = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": "12:00", "message": "timed out"}


def found(status: Object, generation: int = 2, **spec: Any) -> Object:
    return {"metadata": {"generation": generation}, "spec": spec, "status": {"observedGeneration": 2, **status}}


def deployment(total: int, updated: int, available: int, **status: Any) -> Object:
    counts = {"replicas": total, "updatedReplicas": updated, "availableReplicas": available}
    return found({**counts, **status}, replicas=3)


def stateful(ready: int, updated: int, partition: int = 0, **status: Any) -> Object:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    return found({"readyReplicas": ready, "updatedReplicas": updated, **status}, replicas=3, updateStrategy=strategy)


def daemon(updated: int, available: int) -> Object:
    counts = {"desiredNumberScheduled": 3, "updatedNumberScheduled": updated, "numberAvailable": available}
    return found(counts, updateStrategy={"type": "RollingUpdate"})


REVISIONS = {"currentRevision": "1", "updateRevision": "2"}
CASES: dict[str, tuple[str, Object, str]] = {
    "not noticed": ("Deployment", found({"observedGeneration": 1}, replicas=3), "noticed"),
    "some are old": ("Deployment", deployment(4, 2, 2), "2 of 3 pods are new"),
    "old ones end": ("Deployment", deployment(4, 3, 3), "1 old pods are still to end"),
    "not available": ("Deployment", deployment(3, 3, 2), "2 of 3 new pods are available"),
    "complete": ("Deployment", deployment(3, 3, 3), ""),
    "given up": ("Deployment", deployment(4, 1, 3, conditions=[STUCK]), "failed: ProgressDeadlineExceeded: timed out"),
    "a set not noticed": ("StatefulSet", found({"observedGeneration": 0}, replicas=3), "noticed"),
    "a set not ready": ("StatefulSet", stateful(2, 1), "2 of 3 pods are ready"),
    "a set half new": ("StatefulSet", stateful(3, 1), "1 of 3 pods are new"),
    "a set complete": ("StatefulSet", stateful(3, 3), ""),
    "a set new above its partition": ("StatefulSet", stateful(3, 1, partition=2), ""),
    "a set without limits": ("StatefulSet", found({"readyReplicas": 3, **REVISIONS}, replicas=3), "pods are new"),
    "OnDelete": ("StatefulSet", found({}, replicas=3, updateStrategy={"type": "OnDelete"}), "failed: its strategy"),
    "daemons old": ("DaemonSet", daemon(2, 3), "2 of 3 pods are new"),
    "daemons not available": ("DaemonSet", daemon(3, 2), "2 of 3 new pods are available"),
    "daemons complete": ("DaemonSet", daemon(3, 3), ""),
}


@pytest.mark.parametrize(("kind", "workload", "words"), CASES.values(), ids=CASES)
def test_how_far_a_rollout_is(kind: str, workload: Object, words: str) -> None:
    status = rollout_status(kind, workload)
    assert status.done == (not words)
    assert words.removeprefix("failed: ") in status.says
    assert status.failed == words.startswith("failed: ")


def test_a_failure_of_before_the_restart_does_not_count_until_it_is_found_again() -> None:
    stuck = deployment(4, 1, 3, conditions=[STUCK])
    assert not rollout_status("Deployment", stuck, failure_time(stuck)).failed
    again = deployment(4, 1, 3, conditions=[{**STUCK, "lastUpdateTime": "12:10"}])
    assert rollout_status("Deployment", again, failure_time(stuck)).failed


def consumer(name: str = "web", reload: str = "restart", **annotations: str) -> consumers.Consumer:
    workload = deployment(3, 3, 3)
    workload["spec"]["template"] = {"metadata": {"annotations": annotations}}
    uses = (consumers.Use("web-tls", "volume", ("x",)), consumers.Use("other-tls", "trust", ("x",)))
    return consumers.Consumer("Deployment", "here", name, uses, reload, "", found=workload)


def planned(each: consumers.Consumer, **options: Any) -> rollout.Workload:
    request = rollout.RestartRequest("here", {"web-tls": NEW, "other-tls": NEW}, **options)
    (workload,) = rollout.plan([each], request)
    return workload


MINE = rollout.annotation_of("web-tls")


def test_a_workload_is_restarted_once_for_each_certificate_that_it_serves() -> None:
    workload = planned(consumer())
    assert (workload.state, workload.wanted) == ("pending", {MINE: f"sha256:{NEW}"})
    assert planned(consumer(**{MINE: f"sha256:{NEW}"})).state == "current"
    assert planned(consumer(**{MINE: f"sha256:{OLD}"})).state == "pending"


def test_who_is_restarted() -> None:
    assert planned(consumer(reload="hot")).state == "hot"
    assert planned(consumer(reload="hot"), mode="always").state == "pending"
    assert planned(consumer(reload="external"), mode="always").state == "external"
    assert planned(consumer(), mode="never").state == "skipped"
    assert planned(consumer(), skip=("deployment/web",)).state == "skipped"
    assert planned(consumer(), only=("Deployment/web",)).state == "pending"
    assert planned(consumer(), only_restarted=True).state == "skipped"
    assert planned(consumer(**{MINE: f"sha256:{OLD}"}), only_restarted=True).state == "pending"


def test_a_paused_rollout_is_refused_before_anything_is_restarted() -> None:
    paused = consumer("paused")
    paused.found["spec"]["paused"] = True
    with pytest.raises(Refused, match="deployment/paused is paused"):
        rollout.plan([consumer(), paused], rollout.RestartRequest("here", {"web-tls": NEW}))


def test_a_canary_is_reported_as_restarted_and_counted_once() -> None:
    pair = [consumer("canary"), consumer("other")]
    first = rollout.Restarts(rollout.plan(pair, request(only=("deployment/canary",))), [], selected=True)
    assert [row["name"] for row in first.to_report().details["selected_workloads"]] == ["canary"]
    pair[0] = consumer("canary", **{MINE: f"sha256:{NEW}"})
    second = rollout.Restarts(rollout.plan(pair, request(skip=("deployment/canary",))), [])
    second.workloads[1].end("restarted", "")
    told = second.to_report()
    assert [(row["name"], row["state"]) for row in told.details["workloads"]] == [("other", "restarted")]
    assert [figure.after for figure in told.figures] == [2]


class Cluster:
    """What the API server would answer: one Deployment, and a Secret with a certificate; it keeps what is written."""

    dry_run = False

    def __init__(self, found: Object, secret: Object | None) -> None:
        self._found, self._secret = found, secret
        self.written: list[str] = []

    def items(self, _what: str, path: str, **_query: str) -> list[Object]:
        return [self._found] if path.endswith("/deployments") else []

    def find(self, _what: str, _path: str) -> Object | None:
        return self._secret

    def get(self, _what: str, _path: str) -> Object:
        return self._found

    def request(self, _what: str, _method: str, path: str, **_others: Any) -> Object:
        self.written.append(path)
        annotations = _others["body"]["spec"]["template"]["metadata"]["annotations"]
        self._found["spec"]["template"]["metadata"]["annotations"].update(annotations)
        return {}


def cluster(replicas: int = 3, content: str = "") -> Cluster:
    spec = {
        "containers": [
            {"name": "x", "readinessProbe": {"tcpSocket": {}}, "volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}
        ],
        "volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}],
    }
    workload = deployment(replicas, replicas, replicas)
    workload["spec"].update(replicas=replicas, template={"metadata": {"annotations": {}}, "spec": spec})
    workload["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    workload["metadata"]["name"] = "web"
    data = {"tls.crt": base64.b64encode(content.encode()).decode()}
    return Cluster(workload, {"data": data} if content else None)


def restart(where: Any, **options: Any) -> rollout.Restarts:
    return rollout.restart(where, request(**options), lambda: None, Progress(None))


def test_replicas_that_were_taken_away_since_the_plan_are_noticed() -> None:
    scaled = cluster(replicas=1)
    with pytest.raises(Refused, match=r"Deployment web may lose its only pod .* O\(allow_downtime\)=true") as refusal:
        restart(scaled, allow_downtime=False)
    assert scaled.written == [] and isinstance(refusal.value.reached, rollout.Restarts)
    assert restart(cluster(replicas=2), allow_downtime=False).changed
    # What the advice says works.
    assert restart(scaled, allow_downtime=True).changed


def test_nothing_is_restarted_for_a_certificate_that_somebody_else_has_replaced() -> None:
    other = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    replaced = cluster(content=other)
    held = hashlib.sha256(b"0\0").hexdigest()
    with pytest.raises(Refused, match=f"web-tls in the namespace here holds the certificate {held[:16]}"):
        restart(replaced)
    assert replaced.written == []
    for content in ("", "x"):
        assert restart(cluster(content=content)).changed


def test_a_restart_that_cannot_be_tried_is_not_verified_and_one_that_is_denied_is_refused() -> None:
    class Denying(Cluster):
        said = 'admission webhook "audit.example.com" does not support dry run'

        def request(self, what: str, _method: str, _path: str, **_others: Any) -> Object:
            raise ApiError(f"The API server refused to {what}.", 400, self.said)

    where: Any = Denying({}, None)
    assert rollout.try_restarts(where, [consumer(), consumer(reload="hot")], request()) == [
        f"the restart of deployment/web: {Denying.said}"
    ]
    where.said = "a label is missing."
    with pytest.raises(Refused, match=r"restart of deployment/web .* would fail \(a label is missing\)"):
        rollout.try_restarts(where, [consumer()], request())


def request(**options: Any) -> rollout.RestartRequest:
    return rollout.RestartRequest("here", {"web-tls": NEW}, **options)


def test_annotations_of_long_names_are_legal_and_differ() -> None:
    names = ["x" * 60, "x" * 100, "x" * 101]
    annotations = [rollout.annotation_of(name).partition("/")[2] for name in names]
    assert len(set(annotations)) == 3
    assert all(len(each) <= 63 for each in annotations)
    assert rollout.annotation_of("web-tls") == "market-intel.runbooks/tls-web-tls"
