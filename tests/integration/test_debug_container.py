# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks from inside real pods: what they see, which rights they take, and that nothing of them runs for ever."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from support import loss
from support.ansible import run_module, run_playbook, start_playbook
from support.audit import kubernetes_writes
from support.lab import Lab
from support.patients import DEBUG, REDIS, STAY, TIGHT, container, pod, variables
from support.pods import Namespace
from support.processes import wait_until

pytestmark = pytest.mark.lab
PORT = 6390
ENFORCED = "pod-security.kubernetes.io/enforce"
OURS = "app.kubernetes.io/managed-by=market-intel.runbooks"


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as namespace:
        server = container(f"exec redis-server --port {PORT} --save ''", image=REDIS, name="cache")
        caller = container(
            f"while :; do redis-cli -h 127.0.0.1 -p {PORT} ping; sleep 0.2; done", image=REDIS, name="caller"
        )
        tight = container(securityContext=TIGHT)
        namespace.apply(
            pod("cache", server, caller),
            pod("tight", tight),
            pod("busy"),
            pod("spare"),
            pod(
                "mounting",
                container(volumeMounts=[{"name": "key", "mountPath": "/key"}]),
                volumes=[{"name": "key", "secret": {"secretName": "nothing"}}],
            ),
            pod("lost", dnsPolicy="None", dnsConfig={"nameservers": ["127.0.0.1"]}),
            pod(
                "calling",
                container(
                    env=[
                        {"name": "STORE_URL", "value": "http://store.example.invalid:80"},
                        {"name": "CACHE", "value": "127.0.0.2:6399"},
                    ]
                ),
            ),
        )
        namespace.wait_for("cache", "tight", "busy", "spare", "lost", "calling")
        yield namespace


def look(place: Namespace, *targets: str, check: bool = False, **options: Any) -> dict[str, Any]:
    arguments = {
        "kubeconfig": str(place.lab.state / "kubeconfig"),
        "namespace": place.name,
        "targets": list(targets),
        "image": DEBUG,
        "collect": ["system"],
        **options,
    }
    return run_module("debug_container", arguments, check=check)


def session(place: Namespace, target: str, **options: Any) -> dict[str, Any]:
    result = look(place, target, **options)
    assert not result.get("failed"), result
    return dict(result["sessions"][0])


def entries(place: Namespace, name: str) -> list[dict[str, Any]]:
    return list(place.lab.get("pod", name, "-n", place.name)["status"].get("ephemeralContainerStatuses") or [])


def running(*places: Namespace) -> list[str]:
    """Return what of ours runs in the pods of namespaces."""
    found = []
    for each in [each for place in places for each in place.lab.get("pods", "-n", place.name)["items"]]:
        for status in each["status"].get("ephemeralContainerStatuses") or []:
            if "-debug-" in status["name"] and "running" in status["state"]:
                found.append(status["name"])
        if (
            OURS.partition("=")[2] in (each["metadata"].get("labels") or {}).values()
            and each["status"]["phase"] == "Running"
        ):
            found.append(each["metadata"]["name"])
    return found


def test_it_sees_the_processes_and_sockets_of_its_target_and_its_packets(namespace: Namespace, tmp_path: Path) -> None:
    capture = {"seconds": 3, "filter": f"tcp port {PORT}"}
    found = session(
        namespace,
        "cache",
        container="cache",
        collect=["network", "system"],
        capture=capture,
        directory=str(tmp_path / "captures"),
    )
    assert (found["mode"], found["profile"], found["state"]) == ("ephemeral", "netadmin", "collected")
    assert any("redis-server" in line and " 1 " in f" {line.split()[0]} " for line in found["sections"]["processes"])
    assert any(
        f":{PORT} " in line and "LISTEN" in line and "redis-server" in line for line in found["sections"]["sockets"]
    )
    packets = Path(found["capture"]["path"]).read_bytes()
    assert hashlib.sha256(packets).hexdigest() == found["capture"]["sha256"]
    assert Path(found["capture"]["path"]).stat().st_mode & 0o777 == 0o600
    assert found["capture"]["seconds"] >= 3
    # A file that is whole, of packets of this port and of no other.
    assert packets[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")
    assert b"PING" in packets.upper() and found["capture"]["packets"] > 4
    assert int(time.time()) - 60 < _first_second(packets) <= int(time.time())
    ended = entries(namespace, "cache")[-1]["state"]["terminated"]
    assert ended["exitCode"] == 0


def _first_second(packets: bytes) -> int:
    return int.from_bytes(packets[24:28], "little" if packets[0] == 0xD4 else "big")


def test_what_cannot_be_reached_or_resolved_is_found(namespace: Namespace) -> None:
    lost, calling = look(namespace, "lost", "calling", collect=["network"], diagnose=True)["diagnoses"]
    assert (lost["findings"][0]["kind"], lost["findings"][0]["severity"]) == ("dns", "critical")
    kinds = {each["kind"]: each for each in calling["findings"]}
    assert "127.0.0.2:6399 refuses connections" in kinds["dependency"]["what"]
    assert "store.example.invalid cannot be resolved" in kinds["dns_name"]["what"]
    assert calling["details"]["dependencies"] and calling["details"]["names"]


@pytest.mark.parametrize(
    ("level", "name", "profile"),
    [("privileged", "tight", "netadmin"), ("baseline", "tight", "baseline"), ("restricted", "tight", "restricted")],
)
def test_the_most_useful_profile_that_pod_security_allows(
    level: str, name: str, profile: str, lab: Lab, tmp_path: Path
) -> None:
    with Namespace(lab) as place:
        place.label(**{ENFORCED: level})
        place.apply(pod(name, container(securityContext=TIGHT)))
        place.wait_for(name)
        run_id = f"20261123t101500z-{uuid.uuid4().hex}-0000"
        planned = look(place, name, check=True, run_id=run_id)
        assert planned["changed"]
        assert (planned["sessions"][0]["state"], planned["sessions"][0]["profile"]) == ("planned", profile)
        assert kubernetes_writes(lab.state / "audit" / "kubernetes.log", run_id) == []
        assert entries(place, name) == []

        found = session(place, name)
        assert (found["profile"], found["state"]) == (profile, "collected")
        assert len(found["rejected"]) == ["netadmin", "baseline", "restricted"].index(profile)
        assert all("violates PodSecurity" in each["reason"] for each in found["rejected"])
        assert any("while" in line for line in found["sections"]["processes"])


def test_a_namespace_that_was_tightened_afterwards_leaves_the_report(lab: Lab, tmp_path: Path) -> None:
    with Namespace(lab) as place:
        place.apply(pod("old"))
        place.wait_for("old")
        place.label(**{ENFORCED: "restricted"})
        found = session(place, "old")
        assert (found["mode"], found["state"], len(found["rejected"])) == ("report", "none", 3)
        assert "violates PodSecurity" in found["degraded"][0]
        run = run_playbook("debug_pod", variables(place, tmp_path, "old"), cwd=tmp_path)
        assert run.rc == 0, run.output
        assert entries(place, "old") == []


def test_nothing_is_made_in_a_pod_that_waits_for_a_volume(namespace: Namespace) -> None:
    found = session(namespace, "mounting")
    assert (found["mode"], found["changed"]) == ("report", False)
    assert "the pod has no network or volumes yet" in found["degraded"][0]
    assert entries(namespace, "mounting") == []


def test_what_has_no_pod_is_diagnosed_all_the_same(namespace: Namespace) -> None:
    (node,) = look(namespace, "node/lab", diagnose=True)["diagnoses"]
    # What else runs there may be in trouble.
    assert node["findings"][0]["kind"] in ("node_ready", "node_pods")


def test_two_targets_that_are_one_pod_share_a_container(namespace: Namespace) -> None:
    before = len(entries(namespace, "lost"))
    first, second = look(namespace, "lost", "app=lost", force=True)["sessions"]
    assert (first["name"], second["same_as"]) == (second["name"], "lost")
    assert len(entries(namespace, "lost")) == before + 1


def test_what_the_kubelet_cannot_start_goes_one_rung_down(namespace: Namespace) -> None:
    found = session(namespace, "spare", image="localhost/absent:1", timeout=30)
    assert found["mode"] == "report"
    assert "the image localhost/absent:1 cannot be had" in found["degraded"][0]
    assert len(entries(namespace, "spare")) == 1
    # It would only add another one that waits.
    again = session(namespace, "spare", image="localhost/absent:1", timeout=30)
    assert "waits for the same image already" in again["degraded"][0]
    assert len(entries(namespace, "spare")) == 1
    rows = [each for each in clean(namespace, namespaces=[namespace.name])["found"] if each["target"] == "spare"]
    assert [(each["state"], each["outcome"]) for each in rows] == [("waiting", "stays")]


def test_a_young_collection_is_used_again_and_a_second_run_changes_nothing(
    namespace: Namespace, tmp_path: Path
) -> None:
    given = variables(namespace, tmp_path, "busy")
    first = run_playbook("debug_pod", given, cwd=tmp_path)
    second = run_playbook("debug_pod", given, cwd=tmp_path)
    assert (first.rc, second.rc) == (0, 0), second.output
    assert (first.changed, second.changed) == (1, 0)
    assert len(entries(namespace, "busy")) == 1
    forced = run_playbook("debug_pod", {**given, "debug_pod_force": True}, cwd=tmp_path)
    assert forced.changed == 1
    assert len(entries(namespace, "busy")) == 2


def test_many_runs_leave_ten_entries_at_most(namespace: Namespace) -> None:
    namespace.apply(pod("worn"))
    namespace.wait_for("worn")
    quick = {"collect": ["logs"], "reuse_age": 0}
    for _run in range(14):
        found = session(namespace, "worn", **quick)
    assert len(entries(namespace, "worn")) == 10
    assert found["mode"] == "report"
    assert "the pod has 10 ephemeral containers already" in found["degraded"][0]


def test_a_shell_stays_until_its_time_is_over_though_the_bastion_is_dead(namespace: Namespace, tmp_path: Path) -> None:
    given = variables(namespace, tmp_path, "cache", debug_pod_ttl=12, debug_pod_interactive=True)
    with start_playbook("debug_pod", given, cwd=tmp_path) as run:
        wait_until(lambda: running(namespace) != [], 60, "the shell", 0.2)
        run.kill_tree()
    started = time.monotonic()
    wait_until(lambda: running(namespace) == [], 72, "its end", 1.0)
    assert time.monotonic() - started < 72
    # The containers that it looked at go on.
    statuses = namespace.lab.get("pod", "cache", "-n", namespace.name)["status"]["containerStatuses"]
    assert [each["restartCount"] for each in statuses] == [0, 0]


def test_a_shell_beside_a_container_that_does_not_run_ends_too(namespace: Namespace) -> None:
    # It is the first process of a namespace of its own, which the kernel lets nobody inside kill.
    namespace.apply(pod("waiting", initContainers=[container(name="first")]))
    wait_until(lambda: "running" in _init_state(namespace, "waiting"), 90, "its init container", 0.5)
    found = session(namespace, "waiting", container="main", interactive=True, ttl=8)
    assert (found["state"], found["beside"]) == ("live", False)
    assert found["name"] in running(namespace)
    wait_until(lambda: found["name"] not in running(namespace), 68, "its end", 1.0)


def _init_state(place: Namespace, name: str) -> dict[str, Any]:
    statuses = place.lab.get("pod", name, "-n", place.name)["status"].get("initContainerStatuses") or [{"state": {}}]
    return dict(statuses[0]["state"])


def test_a_live_shell_is_used_again_and_its_line_leads_there(namespace: Namespace, lab: Lab) -> None:
    options = {"interactive": True, "ttl": 60}
    first = session(namespace, "tight", **options)
    again = look(namespace, "tight", **options)
    assert (first["state"], again["sessions"][0]["state"], again["changed"]) == ("live", "live", False)
    assert again["sessions"][0]["name"] == first["name"]
    _kubectl, *words = first["commands"][1].replace(" -it ", " ").split()
    assert lab.run("kubectl", *words[:-1], "sh", "-c", "echo $TARGET_POD").strip() == "tight"
    cleaned = clean(namespace, force=True, runs=[first["name"].rsplit("-", 2)[0]])
    assert ("ended", "tight") in {(each["outcome"], each["target"]) for each in cleaned["found"]}
    wait_until(lambda: running(namespace) == [], 20, "the end of the shell", 0.5)


def clean(place: Namespace, check: bool = False, **options: Any) -> dict[str, Any]:
    arguments = {"kubeconfig": str(place.lab.state / "kubeconfig"), "state": "absent", **options}
    return run_module("debug_container", arguments, check=check)


@pytest.fixture(scope="module")
def node_namespace(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as place:
        place.label(**{ENFORCED: "privileged"})
        yield place


def jobs(place: Namespace) -> list[str]:
    return [each["metadata"]["name"] for each in place.lab.get("jobs", "-n", place.name, "-l", OURS)["items"]]


def test_a_command_in_a_copy_is_followed(namespace: Namespace, lab: Lab) -> None:
    ended = session(namespace, "tight", mode="copy", copy_command=["sh", "-c", "echo checked; exit 3"])
    assert (ended["state"], ended["exit_code"], ended["degraded"]) == ("collected", 3, [])
    assert ended["sections"]["output"] == ["checked"]
    going = session(namespace, "tight", mode="copy", copy_command=["sh", "-c", f"echo up; {STAY}"], ttl=60)
    assert going["state"] == "live"
    _kubectl, *words = going["commands"][0].replace(" -f ", " ").split()
    assert lab.run("kubectl", *words).strip() == "up"
    clean(namespace, force=True, runs=[going["name"].rpartition("-")[0]])
    assert jobs(namespace) == []


def test_a_foreign_job_with_our_label_stays(namespace: Namespace) -> None:
    about = {"name": "foreign", "labels": dict([OURS.split("=")])}
    spec = {"suspend": True, "template": {"spec": {**pod("x")["spec"], "restartPolicy": "Never"}}}
    namespace.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": spec})
    found = clean(namespace, namespaces=[namespace.name], force=True, everybody=True)["found"]
    assert "foreign" not in {each["name"] for each in found}
    assert jobs(namespace) == ["foreign"]
    namespace.delete("job", "foreign")


def test_a_copy_has_no_traffic_of_the_pod_and_goes_away(namespace: Namespace) -> None:
    found = session(namespace, "cache", mode="copy", container="cache")
    assert (found["mode"], found["state"]) == ("copy", "collected"), found
    wait_until(lambda: jobs(namespace) == [] and running(namespace) == [], 30, "the end of the copy", 0.5)


def test_from_its_node_the_network_of_a_pod_is_seen(namespace: Namespace, node_namespace: Namespace) -> None:
    found = session(
        namespace,
        "cache",
        mode="node",
        container="cache",
        privileged=True,
        node_namespace=node_namespace.name,
        collect=["network", "system"],
    )
    assert (found["mode"], found["profile"], found["state"]) == ("node", "privileged", "collected"), found
    assert any(f":{PORT} " in line for line in found["sections"]["sockets"])
    assert "redis-server" in "\n".join(found["sections"]["status"] + found["sections"]["processes"])
    wait_until(lambda: jobs(node_namespace) == [], 30, "the end of the job", 0.5)


@pytest.mark.parametrize("mode", ["copy", "node"])
def test_a_job_ends_and_vanishes_though_the_bastion_is_dead(
    mode: str, namespace: Namespace, node_namespace: Namespace, tmp_path: Path
) -> None:
    place = namespace if mode == "copy" else node_namespace
    more = {"debug_pod_mode": mode, "debug_pod_ttl": 8, "debug_pod_interactive": True}
    given = variables(namespace, tmp_path, "tight", debug_pod_node_namespace=node_namespace.name, **more)
    with start_playbook("debug_pod", given, cwd=tmp_path) as run:
        wait_until(lambda: jobs(place) != [], 60, "the job", 0.2)
        run.kill_tree()
    created = datetime.now(timezone.utc)
    assert any(
        each["state"] in ("live", "expired") for each in clean(place, check=True)["found"] if each["kind"] == "job"
    )
    wait_until(lambda: running(place) == [], 68, "the end of what runs", 1.0)
    assert (datetime.now(timezone.utc) - created).total_seconds() < 68


def test_cleaning_up_removes_what_is_ours_and_is_idempotent(
    namespace: Namespace, node_namespace: Namespace, tmp_path: Path
) -> None:
    options = {"mode": "node", "node_namespace": node_namespace.name, "interactive": True, "ttl": 300}
    live = session(namespace, "tight", **options)
    assert live["state"] == "live"
    given = {
        "debug_pod_kubeconfig": str(namespace.lab.state / "kubeconfig"),
        "debug_pod_namespaces": f"{namespace.name},{node_namespace.name}",
    }
    listed = run_playbook("list_debug_pods", given, cwd=tmp_path)
    assert live["name"] in listed.output and listed.changed == 0
    kept = run_playbook("cleanup_debug_pods", given, cwd=tmp_path)
    assert live["name"] in jobs(node_namespace), kept.output
    assert "is in use until" in kept.output
    refused = run_playbook("cleanup_debug_pods", {**given, "debug_pod_force": True}, cwd=tmp_path)
    assert refused.rc != 0 and "set debug_pod_everybody=true" in refused.output
    colleague = session(namespace, "busy", interactive=True, ttl=120)
    other = {**given, "debug_pod_force": True, "debug_pod_runs": "20260101t000000z-debug-pod-0000"}
    assert run_playbook("cleanup_debug_pods", other, cwd=tmp_path).changed == 0
    own = {**given, "debug_pod_force": True, "debug_pod_runs": live["name"].rpartition("-")[0]}
    removed = run_playbook("cleanup_debug_pods", own, cwd=tmp_path)
    assert (removed.rc, removed.changed) == (0, 1), removed.output
    assert colleague["name"] in running(namespace)
    clean(namespace, force=True, runs=[colleague["name"].rsplit("-", 2)[0]])
    wait_until(lambda: jobs(node_namespace) == [] and running(node_namespace) == [], 30, "its removal", 0.5)
    again = run_playbook("cleanup_debug_pods", own, cwd=tmp_path)
    assert again.changed == 0


def test_an_orphan_is_removed(namespace: Namespace, node_namespace: Namespace) -> None:
    namespace.apply(pod("short"))
    namespace.wait_for("short")
    session(namespace, "short", mode="node", node_namespace=node_namespace.name, interactive=True, ttl=300)
    namespace.delete("pod", "short", grace=1)
    wait_until(lambda: namespace.gone("pod", "short"), 30, "the end of the pod", 0.1)
    found = [
        each for each in clean(namespace)["found"] if each["kind"] == "job" and each["namespace"] == node_namespace.name
    ]
    assert [(each["state"], each["outcome"]) for each in found if each["target"].endswith("/short")] == [
        ("orphaned", "removed")
    ]


def test_a_pod_that_is_deleted_meanwhile_leaves_a_partial_report(namespace: Namespace, tmp_path: Path) -> None:
    namespace.apply(pod("leaving", container(f"echo goodbye; {STAY}")))
    namespace.wait_for("leaving")
    capture = {"seconds": 20}
    given = variables(namespace, tmp_path, "leaving", debug_pod_capture=capture)
    with start_playbook("debug_pod", given, cwd=tmp_path) as run:
        wait_until(
            lambda: any("running" in each["state"] for each in entries(namespace, "leaving")), 60, "the look", 0.2
        )
        namespace.delete("pod", "leaving", grace=1)
        wait_until(lambda: namespace.gone("pod", "leaving"), 30, "the end of the pod", 0.1)
        result = run.wait()
    assert result.rc == 0, result.output
    assert "Traceback" not in result.output
    assert "went away while it was looked at" in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": "docker.io/nicolaka/netshoot"}, "pin it"),
        ({"image": "docker.io/nicolaka/netshoot:latest"}, "pin it"),
        ({"ttl": 0}, "ttl is 0"),
        ({"capture": {"seconds": 5, "filter": "-z reboot"}, "directory": "/var/x"}, "capture.filter is '-z reboot'"),
        ({"capture": {"seconds": 5, "interface": "eth0; reboot"}, "directory": "/var/x"}, "capture.interface"),
        ({"capture": {"seconds": 5}, "directory": "captures"}, "relative path"),
        ({"dependencies": ["x;y:80"]}, "dependencies has 'x;y:80'"),
        ({"container": "nobody"}, "has no container 'nobody'; it has main"),
        ({"targets": ["nobody"]}, "There is no pod nobody"),
    ],
    ids=str,
)
def test_bad_input_gets_one_sentence(options: dict[str, Any], words: str, namespace: Namespace) -> None:
    before = entries(namespace, "tight")
    refused = look(namespace, "tight", **options)
    assert refused.get("failed") and words in refused["msg"]
    assert loss.not_one_sentence(refused) == ""
    assert len(entries(namespace, "tight")) == len(before)
