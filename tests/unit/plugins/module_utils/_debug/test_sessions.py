# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known before a container is made, what is said of one that never began, and how a command in a copy ends."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.inspection import Diagnoser
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.options import (
    debug_argument_spec,
    debug_request,
    read_targets,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import sessions_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.session import DebugRequest, Session
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.sessions import start_sessions

from .cluster import APPS, NAMESPACE, Cluster
from .rules.objects import at, condition, container, end, looping, owner, pod, running, waiting

RUN = "20261123t101500z-debug-pod-7f3a"
WEB = f"{NAMESPACE}/pods/web"
ENDED = {"terminated": end(0, "Completed")}
WHOLE = ["@begin 10 1", "@routes default via 10.244.0.1 dev eth0", "@end done"]


def request(**options: Any) -> DebugRequest:
    defaults = {name: option.get("default") for name, option in debug_argument_spec().argument_spec.items()}
    return debug_request({**defaults, "namespace": "shop", "image": "debug:1", "timeout": 0.3, **options}, RUN)


def look(cluster: Cluster, *targets: str, **options: Any) -> list[Session]:
    wanted = read_targets(targets or ["web"])
    return start_sessions(cluster.login, request(**options), wanted, lambda: None, dry_run=False)


def there(cluster: Cluster, found: dict[str, Any], **more: Any) -> None:
    found["status"].setdefault("podIP", "10.244.1.17")
    cluster.objects |= {WEB: found, f"{NAMESPACE}/pods": [found], **more}
    cluster.log = WHOLE
    cluster.start = lambda _container: ENDED


def creating(**status: Any) -> dict[str, Any]:
    return pod(waiting(), phase="Pending", podIP="", **status)


@pytest.mark.parametrize(
    "found",
    [
        creating(),
        creating(conditions=[condition("PodReadyToStartContainers", "False")]),
        pod(waiting(), spec={"hostNetwork": True}, podIP="10.0.0.5"),
        pod(waiting(reason="PodInitializing"), podIP="", initContainerStatuses=[waiting("first")]),
    ],
    ids=["without an address", "by its condition", "in the network of its node", "with init containers"],
)
def test_nothing_is_made_in_a_pod_without_network_and_volumes(found: dict[str, Any], cluster: Cluster) -> None:
    there(cluster, found)
    (session,) = look(cluster)
    assert cluster.writes == []
    assert (session.mode, session.state) == ("report", "none")
    assert "has no network or volumes yet 17 min after it was created" in session.degraded[0]


@pytest.mark.parametrize(
    "found",
    [
        pod(waiting(), podIP="10.244.1.17"),
        pod(waiting(reason="ImagePullBackOff"), podIP=""),
        pod(waiting(reason="PodInitializing"), podIP="", initContainerStatuses=[running("first")]),
        pod(waiting(), podIP="", conditions=[condition("PodReadyToStartContainers", "True")]),
    ],
    ids=["pulls its image", "cannot pull it", "initialises", "by its condition"],
)
def test_a_pod_whose_own_containers_only_wait_can_be_looked_into(found: dict[str, Any], cluster: Cluster) -> None:
    there(cluster, found)
    assert [each.state for each in look(cluster)] == ["collected"]


def node(status: str, message: str = "") -> dict[str, Any]:
    ready = condition("Ready", status, "NodeStatusUnknown", message, ago=300)
    return {"metadata": {"name": "n1"}, "spec": {}, "status": {"conditions": [ready]}}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (node("Unknown", "Kubelet stopped posting node status."), "its node n1 does not answer (since 5 min: Kubelet"),
        (node("False", "container runtime is down"), "its node n1 is not ready (since 5 min: container runtime"),
    ],
    ids=["silent", "not ready"],
)
@pytest.mark.parametrize("mode", ["auto", "node"])
def test_nothing_is_made_on_a_node_that_starts_nothing(
    mode: str, found: dict[str, Any], words: str, cluster: Cluster
) -> None:
    there(cluster, pod(), **{"/api/v1/nodes/n1": found})
    (session,) = look(cluster, mode=mode)
    assert cluster.writes == []
    assert words in session.degraded[0]


def test_a_node_that_is_gone_starts_nothing(cluster: Cluster) -> None:
    there(cluster, pod())
    assert "its node n1 is not there any more" in look(cluster)[0].degraded[0]
    assert cluster.writes == []


@pytest.fixture(autouse=True)
def _readable_node(request: pytest.FixtureRequest, cluster: Cluster) -> None:
    if "gone" not in request.node.name:
        cluster.objects["/api/v1/nodes/n1"] = node("True")


def test_without_the_right_to_read_the_node_the_container_is_made(cluster: Cluster) -> None:
    there(cluster, pod())
    cluster.denied = ["/api/v1/nodes/n1"]
    assert [each.state for each in look(cluster)] == ["collected"]


def with_entry(run_id: str, state: dict[str, Any], image: str = "debug:1") -> dict[str, Any]:
    name = f"{run_id}-1-1"
    found = pod()
    found["spec"]["ephemeralContainers"] = [
        {"name": name, "image": image, "env": [{"name": "RUNBOOKS_SESSION", "value": name}], "securityContext": {}}
    ]
    found["status"]["ephemeralContainerStatuses"] = [{"name": name, "state": state}]
    return found


CREATING = {"waiting": {"reason": "ContainerCreating"}}


@pytest.mark.parametrize(("state", "why"), [(CREATING, "ContainerCreating"), ({}, "the kubelet has not taken it up")])
def test_beside_a_container_that_never_started_none_is_made(state: dict[str, Any], why: str, cluster: Cluster) -> None:
    there(cluster, with_entry("20261123t100500z-debug-pod-7f3a", state))
    (session,) = look(cluster, timeout=60)
    assert f"was added 10 min ago and has not started yet ({why})" in session.degraded[0]
    assert cluster.writes == []


@pytest.mark.parametrize(
    ("run_id", "state", "image"),
    [
        ("20261123t101450z-debug-pod-7f3a", CREATING, "debug:1"),
        ("20261123t100500z-debug-pod-7f3a", {"waiting": {"reason": "ImagePullBackOff"}}, "other:1"),
        ("20261123t100500z-debug-pod-7f3a", {"waiting": {"reason": "CreateContainerConfigError"}}, "debug:1"),
        ("20261123t100500z-debug-pod-7f3a", ENDED, "debug:1"),
    ],
    ids=["young", "another image", "another profile", "ended"],
)
def test_what_another_container_may_do_is_tried(
    run_id: str, state: dict[str, Any], image: str, cluster: Cluster
) -> None:
    there(cluster, with_entry(run_id, state, image))
    assert [each.state for each in look(cluster, timeout=60)] == ["collected"]


def test_of_a_container_that_never_began_no_figures_are_said_to_be_incomplete(cluster: Cluster) -> None:
    there(cluster, pod())
    cluster.start = lambda _container: {"waiting": {"reason": "ContainerCreating", "message": "pulling"}}
    (session,) = look(cluster)
    assert session.degraded == [
        "no inspection from inside (ephemeral): the ephemeral container did not start within 0 s "
        "(ContainerCreating: pulling)"
    ]
    assert (session.mode, session.state, session.changed) == ("report", "none", True)


@pytest.mark.parametrize(
    ("log", "state", "words"),
    [
        ([], "none", "the collector did not begin: it printed nothing"),
        (["sh: exec: timeout: not found"], "none", "did not begin: sh: exec: timeout: not found"),
        (WHOLE[:-1], "partial", "the collector did not get to its end, so that its figures may be incomplete"),
    ],
    ids=["empty", "no tool", "cut"],
)
def test_what_a_collector_that_did_not_finish_is_said_to_have_done(
    log: list[str], state: str, words: str, cluster: Cluster
) -> None:
    there(cluster, pod())
    cluster.log = log
    (session,) = look(cluster)
    assert session.state == state
    assert len(session.degraded) == 1 and words in session.degraded[0]


def test_a_collector_that_is_late_is_said_to_be_that_once(cluster: Cluster) -> None:
    there(cluster, pod())
    cluster.start = lambda _container: {"running": {}}
    cluster.log = WHOLE[:-1]
    (session,) = look(cluster)
    assert len(session.degraded) == 1
    assert "was not done after 0 s, so that its figures may be incomplete; it ends by itself" in session.degraded[0]


def test_one_pod_is_one_target_however_it_is_written(cluster: Cluster) -> None:
    assert [each.asked for each in read_targets(["pod/x", "deploy/x", "po/x", "x", "Deployment/x"])] == [
        "pod/x",
        "deploy/x",
    ]


def test_two_targets_that_are_one_pod_get_one_container(cluster: Cluster) -> None:
    labels = {"matchLabels": {"app": "web"}}
    there(cluster, pod(), **{f"{APPS}/deployments": [owner("Deployment", spec={"selector": labels, "replicas": 1})]})
    sessions = look(cluster, "web", "deployment/web", "app=web")
    assert len(cluster.writes) == 1
    # What they share is asked for once.
    assert cluster.requests.count(f"{NAMESPACE}/pods?limit=500") == 1
    assert [(each.asked, each.same_as, each.changed) for each in sessions] == [
        ("web", "", True),
        ("deployment/web", "web", False),
        ("app=web", "web", False),
    ]
    assert {each.name for each in sessions} == {f"{RUN}-1-1"}
    assert all(each.sections["routes"] for each in sessions)
    report = sessions_report(RUN, {}, sessions, check_mode=False)
    assert len(report.actions) == 1 and len(report.plan.summary if report.plan else ()) == 1


def packets(number: int) -> str:
    header = b"\xd4\xc3\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, 128, 113)
    return base64.b64encode(header + (struct.pack("<IIII", 0, 0, 4, 4) + b"ping") * number).decode()


@pytest.mark.parametrize(
    ("times", "number", "lasted", "words"),
    [
        (["from 100.10", "to 105.14"], 3, 5.0, ""),
        (["from 100.10", "to 102.40"], 3, 2.3, "for 2.3 s instead of 5 s: 3 packets captured"),
        (["from 100.10", "to 102.40"], 50, 2.3, "for 2.3 s instead of 5 s: its 1,000 bytes (O(capture.max_bytes))"),
        (["from 100.10"], 3, None, "for an unknown time instead of 5 s"),
    ],
    ids=["as asked", "ended", "full", "cut"],
)
def test_how_long_was_captured_is_said(
    times: list[str], number: int, lasted: float | None, words: str, cluster: Cluster, tmp_path: Path
) -> None:
    there(cluster, pod())
    cluster.log = [
        *WHOLE[:-1],
        f"@pcap {packets(number)}",
        "@capture 3 packets captured",
        *(f"@capture_time {each}" for each in times),
        WHOLE[-1],
    ]
    (session,) = look(cluster, capture={"seconds": 5, "max_bytes": 1000}, directory=str(tmp_path))
    assert (session.capture["seconds"], session.capture["packets"]) == (lasted, number)
    assert (len(session.degraded) == 0) == (words == "")
    assert words in "".join(session.degraded)
    said = sessions_report(RUN, {}, [session], check_mode=False).summary
    assert any(("packets in 5 s" if lasted == 5.0 else "packets") in line for line in said)


def copying(cluster: Cluster, state: dict[str, Any], *lines: str, **options: Any) -> Session:
    there(cluster, pod(spec={"containers": [container()], "nodeName": "n1"}))
    cluster.objects[f"{NAMESPACE}/pods"] = []
    cluster.start = lambda _container: state
    cluster.log = list(lines)
    return look(cluster, mode="copy", copy_command=["app", "--check"], **options)[0]


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_in_a_copy_that_ended_is_said_to_have(code: int, cluster: Cluster) -> None:
    session = copying(cluster, {"terminated": end(code)}, "checked", "password=hunter2")
    assert (session.state, session.exit_code, session.degraded) == ("collected", code, [])
    assert session.sections["output"][0] == "checked"
    assert "hunter2" not in str(session.sections)
    said = sessions_report(RUN, {}, [session], check_mode=False).summary
    assert any(f"ended with exit code {code}" in line for line in said)


def test_a_command_in_a_copy_that_is_not_there_did_not_start(cluster: Cluster) -> None:
    ended = end(128, "StartError", message='exec: "app": executable file not found in $PATH')
    session = copying(cluster, {"terminated": ended})
    assert session.exit_code is None
    assert 'did not start (StartError: exec: "app": executable file not found' in session.degraded[0]


def test_what_a_copy_that_is_late_waits_for_is_said(cluster: Cluster) -> None:
    state = {"waiting": {"reason": "ContainerCreating", "message": "attaching a volume"}}
    session = copying(cluster, state)
    assert session.degraded == ["the debug pod was not done after 0 s (ContainerCreating: attaching a volume)"]
    assert [method for method, path, _body in cluster.writes if "/jobs" in path] == ["POST", "DELETE"]


def test_the_lines_that_lead_to_a_command_need_no_terminal(cluster: Cluster) -> None:
    session = copying(cluster, {"running": {"startedAt": at(5)}})
    assert session.state == "live"
    assert session.commands == [
        f"kubectl logs -n shop -f {RUN}-1-x -c main",
        f"kubectl exec -n shop -it {RUN}-1-x -c main -- sh",
    ]
    said = sessions_report(RUN, {}, [session], check_mode=False).summary
    assert any(line.startswith("the command runs in") for line in said)


def test_the_lines_log_in_as_the_run_has(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster.login, "context", "eu")
    for kubeconfig, start in (
        ("/a b", "kubectl logs --kubeconfig '/a b' --context eu -n shop -f "),
        ("/a:/b c", "env 'KUBECONFIG=/a:/b c' kubectl logs --context eu -n shop -f "),
    ):
        monkeypatch.setattr(cluster.login, "kubeconfig", kubeconfig)
        assert copying(cluster, {"running": {"startedAt": at(5)}}).commands[0].startswith(start)


def test_a_command_with_a_terminal_is_attached_to(cluster: Cluster) -> None:
    session = copying(cluster, {"running": {"startedAt": at(5)}}, interactive=True)
    assert session.commands[0] == f"kubectl attach -n shop -it {RUN}-1-x -c main"
    made = next(body for _method, path, body in cluster.writes if path.endswith("/jobs"))
    assert made["spec"]["template"]["spec"]["containers"][0]["tty"] is True


def _stays(_cluster: Cluster) -> None:
    """Nothing happens to it."""


def _crashes(cluster: Cluster) -> None:
    cluster.objects[WEB]["status"]["containerStatuses"] = [looping(1)]


def _goes(cluster: Cluster) -> None:
    del cluster.objects[WEB]


@pytest.mark.parametrize("log", [WHOLE[:-1], ["unable to retrieve container logs for containerd://80ad24d0"]])
def test_a_pod_that_is_being_deleted_when_its_collector_was_cut_went_away(log: list[str], cluster: Cluster) -> None:
    there(cluster, pod(), **{f"{NAMESPACE}/events": []})
    cluster.log = log
    wanted = read_targets(["web"])
    diagnoser = Diagnoser(cluster.login, request(), wanted, 200)
    (session,) = start_sessions(cluster.login, request(), wanted, lambda: None, diagnoser.read, dry_run=False)
    cluster.objects[WEB]["metadata"]["deletionTimestamp"] = at(0)
    first = diagnoser.judge([session])[0].findings[0]
    assert (first.what, first.evidence) == ("the pod went away while it was looked at", "it is being deleted")
    assert "did not begin" not in "; ".join(session.degraded)


@pytest.mark.parametrize(
    ("happens", "kind", "is_read_again"),
    [(_stays, "healthy", False), (_crashes, "crash_loop", True), (_goes, "gone", False)],
    ids=["nothing happens", "it crashes", "it goes"],
)
def test_what_was_read_while_the_collector_worked_counts_if_nothing_has_happened_to_the_pod(
    happens: Callable[[Cluster], None], kind: str, is_read_again: bool, cluster: Cluster
) -> None:
    there(cluster, pod(running(since=20_000)), **{f"{NAMESPACE}/events": [], f"{NAMESPACE}/services": []})
    wanted = read_targets(["web"])
    diagnoser = Diagnoser(cluster.login, request(), wanted, 200)
    (session,) = start_sessions(cluster.login, request(), wanted, lambda: None, diagnoser.read, dry_run=False)
    happens(cluster)
    cluster.requests.clear()
    (diagnosis,) = diagnoser.judge([session])
    assert (session.state, diagnosis.session, diagnosis.findings[0].kind) == ("collected", session, kind)
    assert (f"{NAMESPACE}/services?limit=500" in cluster.requests) is is_read_again
    assert cluster.requests == [WEB] or happens is not _stays
