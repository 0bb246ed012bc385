# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clean-up takes for ours and for expired, and whose sessions it ends."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.cleanup import Settled, clean_up
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.options import cleanup_request
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import sessions_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.session import CleanupRequest, Session
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, RunbookError

from .cluster import BATCH, Cluster
from .rules.objects import at, pod, running

RUN, OTHER = "20261123t091500z-debug-pod-7f3a", "20261123t091600z-debug-pod-0b1c"
JOBS, PODS = "/apis/batch/v1/jobs", "/api/v1/pods"
LATER, EARLIER = at(-600), at(600)


def job(name: str = f"{RUN}-1", *, uid: str = "1", **notes: str) -> dict[str, Any]:
    """Return a Job with our label; of its annotations, an empty one is left out."""
    given = {"run-id": RUN, "expires-at": LATER, "target": "shop/web", **notes}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": at(900),
            "labels": {
                "app.kubernetes.io/managed-by": "market-intel.runbooks",
                **({"market-intel.runbooks/target-uid": uid} if uid else {}),
            },
            "annotations": {f"market-intel.runbooks/{key}": value for key, value in given.items() if value},
        }
    }


def visited(**variables: str) -> dict[str, Any]:
    """Return a pod with an ephemeral container that runs."""
    name = f"{RUN}-1-1"
    given = {"RUNBOOKS_SESSION": name, "RUNBOOKS_EXPIRES_AT": LATER, **variables}
    found = pod(running())
    found["spec"]["ephemeralContainers"] = [
        {"name": name, "env": [{"name": key, "value": value} for key, value in given.items()]}
    ]
    found["status"]["ephemeralContainerStatuses"] = [{"name": name, "state": {"running": {}}}]
    return found


def settle(cluster: Cluster, jobs: list[dict[str, Any]], pods: list[dict[str, Any]], **request: Any) -> list[Settled]:
    cluster.objects |= {JOBS: jobs, PODS: pods}
    cluster.objects |= {f"{BATCH}/jobs/{each['metadata']['name']}": each for each in jobs}
    return list(clean_up(cluster.login, CleanupRequest(**request), lambda: None, dry_run=False).found)


def deleted(cluster: Cluster) -> list[str]:
    return [path.rpartition("/")[2] for method, path, _body in cluster.writes if method == "DELETE"]


@pytest.mark.parametrize("run_id", ["", "nightly", "20261123-debug", f"{RUN}-1"], ids=str)
@pytest.mark.parametrize("force", [False, True])
def test_a_foreign_job_with_our_label_stays(run_id: str, force: bool, cluster: Cluster) -> None:
    foreign = job("report", uid="gone", **{"run-id": run_id, "expires-at": EARLIER})
    assert settle(cluster, [foreign], [pod()], force=force) == []
    assert cluster.writes == []


@pytest.mark.parametrize("date", ["", "soon", "2026-13-01T00:00:00Z"])
def test_without_a_date_nothing_has_expired(date: str, cluster: Cluster) -> None:
    notes = {"expires-at": date}
    rows = settle(cluster, [job(**notes)], [visited(RUNBOOKS_EXPIRES_AT=date)])
    assert [(each.leftover.state, each.outcome) for each in rows] == [("undated", "stays")] * 2
    assert all(RUN in each.why for each in rows)
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (job(**{"expires-at": EARLIER}), "expired"),
        (job(uid="of-a-pod-that-is-gone"), "orphaned"),
        (job(uid="of-a-pod-that-is-gone", **{"expires-at": ""}), "orphaned"),
    ],
    ids=["expired", "orphaned", "orphaned without a date"],
)
def test_what_has_expired_or_lost_its_pod_is_removed(found: dict[str, Any], state: str, cluster: Cluster) -> None:
    rows = settle(cluster, [found], [pod()])
    assert [(each.leftover.state, each.outcome) for each in rows] == [(state, "removed")]
    assert deleted(cluster) == [f"{RUN}-1"]


def test_a_job_that_names_no_pod_has_lost_none(cluster: Cluster) -> None:
    assert [each.leftover.state for each in settle(cluster, [job(uid="")], [pod()])] == ["live"]


def test_an_ephemeral_container_of_somebody_else_is_not_ours_by_its_name(cluster: Cluster) -> None:
    assert settle(cluster, [], [visited(RUNBOOKS_SESSION="")], force=True) == []


def test_force_ends_the_sessions_of_the_runs_that_are_named_and_no_others(cluster: Cluster) -> None:
    colleagues = job(f"{OTHER}-1", **{"run-id": OTHER})
    expired = job(f"{OTHER}-2", **{"run-id": OTHER, "expires-at": EARLIER})
    rows = settle(cluster, [job(), colleagues, expired], [pod()], force=True, runs=[RUN])
    assert [(each.leftover.name, each.outcome) for each in rows] == [(f"{RUN}-1", "removed")]
    assert deleted(cluster) == [f"{RUN}-1"]


def test_without_force_live_sessions_of_a_run_stay(cluster: Cluster) -> None:
    assert [each.outcome for each in settle(cluster, [job()], [pod()], runs=[RUN])] == ["stays"]


def options(**changes: Any) -> dict[str, Any]:
    return {"namespaces": [], "runs": [], "force": False, "everybody": False, **changes}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"force": True}, "name the runs whose sessions are meant in O(runs), or set O(everybody)=true"),
        ({"force": True, "everybody": True, "runs": [RUN]}, "both given"),
        ({"runs": ["mine"]}, "O(runs) has 'mine'"),
        ({"runs": [f"{RUN}-1"]}, "allowed are ids of runs"),
        ({"namespaces": ["Shop"]}, "O(namespaces) is 'Shop'"),
    ],
    ids=str,
)
def test_what_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        cleanup_request(options(**given))
    assert words in str(caught.value)


def test_everybody_is_a_word_of_its_own() -> None:
    assert cleanup_request(options(force=True, everybody=True)) == CleanupRequest([], [], force=True)


def session(**changes: Any) -> Session:
    given = {"state": "live", "kind": "debug job", "name": f"{RUN}-1", "place": "sre-debug", "changed": True}
    return Session("web", **{**given, **changes})


def test_the_undo_of_a_run_names_its_own_sessions_only() -> None:
    login = {"context": "prod-eu", "host": None, "api_key": "s3cret", "validate_certs": False}
    report = sessions_report(RUN, {}, [session(), session(place="shop")], check_mode=False, login=login)
    assert report.undo
    assert report.undo.command == (
        "ansible-playbook market_intel.runbooks.cleanup_debug_pods -e debug_pod_force=true "
        f"-e debug_pod_runs={RUN} -e debug_pod_namespaces=shop,sre-debug -e debug_pod_context=prod-eu "
        "-e debug_pod_validate_certs=false"
    )


@pytest.mark.parametrize("found", [session(reused=True, changed=False), session(state="collected")], ids=repr)
def test_what_is_not_this_runs_or_has_ended_needs_no_command(found: Session) -> None:
    undo = sessions_report(RUN, {}, [found], check_mode=False).undo
    assert undo is None or undo.command == ""


def test_what_may_not_be_looked_at_is_an_error(cluster: Cluster) -> None:
    cluster.denied = [JOBS, PODS]
    with pytest.raises(RunbookError, match="Nothing may be looked at"):
        settle(cluster, [job()], [pod()])
