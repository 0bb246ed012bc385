# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods with one thing wrong each, and what the diagnosis says first; what it must not say, and what it may cost."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import loss
from support.ansible import run_module, run_playbook
from support.audit import kubernetes_requests, kubernetes_writes
from support.lab import Lab
from support.patients import DEBUG, STAY, TIGHT, container, pod, variables
from support.pods import Namespace
from support.processes import wait_until
from support.report import assert_valid

pytestmark = pytest.mark.lab

CANARIES = {
    "DB_PASSWORD": "canary-Pa55w0rd-env",
    "DATABASE_URL": "postgres://shop:canary-dsn-secret@db.example.com:5432/shop",
    "GREETING": "hello",
}
TOKEN = "canary.bearer.token.0123456789abcdef"
CLOUD = "AKIA" + "CANARYCANARY1234"
PEM = "-----BEGIN PRIVATE KEY-----\\nY2FuYXJ5LXBlbS1rZXk=\\n-----END PRIVATE KEY-----"
SECRETS = ["canary-Pa55w0rd", "canary-dsn-secret", TOKEN, CLOUD, "Y2FuYXJ5LXBlbS1rZXk"]
TALKS = f"""
echo "login with password=canary-Pa55w0rd-log"
echo 'Authorization: Bearer {TOKEN}'
echo "uploading with {CLOUD}"
printf '{PEM}\\n'
{STAY}
"""

# What is diagnosed in one call; the whole table of faults is that of test_diagnosis_cases.py.
TARGETS = ("healthy", "crashing", "hungry", "unready", "app=group", "deployment/unserved")


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    """Return a namespace with all of them, each in its state."""
    with Namespace(lab) as namespace:
        group = {"app": "group"}
        web = pod("web", labels={"app": "unserved"})
        namespace.apply(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [
                    pod(
                        "healthy",
                        container(TALKS, env=[{"name": key, "value": value} for key, value in CANARIES.items()]),
                    ),
                    pod("crashing", container('echo "fatal: cannot open the database"; exit 3')),
                    pod("hungry", container("tail /dev/zero", resources={"limits": {"memory": "24Mi"}})),
                    pod("unready", container(readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1})),
                    pod("group-a", labels=group),
                    pod("group-b", container("exit 5"), labels=group),
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "metadata": {"name": "unserved"},
                        "spec": {
                            "selector": {"matchLabels": {"app": "unserved"}},
                            "template": {
                                "metadata": web["metadata"],
                                "spec": {**web["spec"], "restartPolicy": "Always"},
                            },
                        },
                    },
                    {
                        "apiVersion": "v1",
                        "kind": "Service",
                        "metadata": {"name": "unserved"},
                        "spec": {"selector": {"app": "unservd"}, "ports": [{"port": 80}]},
                    },
                ],
            }
        )
        wait_until(lambda: _settled(namespace), 120, "the pods to get into trouble", 1.0)
        yield namespace


def _settled(namespace: Namespace) -> bool:
    """Tell whether all pods show what is wrong with them."""
    found = {
        each["metadata"]["name"]: each["status"] for each in namespace.lab.get("pods", "-n", namespace.name)["items"]
    }

    def waits(name: str) -> bool:
        statuses = found[name].get("containerStatuses") or []
        return any((each["state"].get("waiting") or {}).get("reason") == "CrashLoopBackOff" for each in statuses)

    return all(map(waits, ("crashing", "group-b", "hungry"))) and all(
        found[name]["phase"] == "Running" for name in ("healthy", "unready")
    )


def diagnose(place: Namespace, *targets: str, **options: Any) -> dict[str, Any]:
    arguments = {"kubeconfig": str(place.lab.state / "kubeconfig"), "namespace": place.name, "targets": list(targets)}
    return run_module("pod_diagnosis_info", {**arguments, **options})


@pytest.fixture(scope="module")
def diagnoses(namespace: Namespace) -> dict[str, dict[str, Any]]:
    """Return the diagnoses of all of them, made in one call."""
    return {each["asked"]: each for each in diagnose(namespace, *TARGETS)["diagnoses"]}


def test_the_least_healthy_of_a_group_is_chosen_and_why(diagnoses: dict[str, dict[str, Any]]) -> None:
    group = diagnoses["app=group"]
    assert group["pod"] == "group-b"
    # Between two waits it runs for a moment, and ends.
    states = "waits: CrashLoopBackOff|was restarted|has ended with exit code 5"
    assert re.match(f"the least healthy of 2: container main ({states})", group["why"]), group["why"]


def test_the_evidence_is_the_log_of_the_run_before(diagnoses: dict[str, dict[str, Any]]) -> None:
    assert "cannot open the database" in diagnoses["crashing"]["findings"][0]["evidence"]
    assert "limit 24Mi" in diagnoses["hungry"]["findings"][0]["evidence"]


def test_what_leads_to_no_pod_says_why(namespace: Namespace) -> None:
    about = {"metadata": {"name": "shop"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    backend = {"service": {"name": "nobody", "port": {"number": 80}}}
    template = {"spec": {"template": {"spec": {**pod("x")["spec"], "restartPolicy": "Never"}}}}
    namespace.apply(
        {
            **about,
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "spec": {**claim, "storageClassName": "no-such-class"},
        },
        {**about, "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {"defaultBackend": backend}},
        {
            **about,
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "spec": {"schedule": "0 3 * * *", "suspend": True, "jobTemplate": template},
        },
    )
    words = {
        "service/unserved": "nothing answers at the Service unserved, which selects no pod",
        "pvc/shop": "its storage class no-such-class does not exist",
        "ingress/shop": "the Ingress shop sends to the Service nobody, which does not exist",
        "cronjob/shop": "cronjob/shop is suspended: it starts no Job",
        "node/lab": "node/lab",
    }
    found = {each["asked"]: each for each in diagnose(namespace, *words)["diagnoses"]}
    for target, expected in words.items():
        assert any(expected in each["what"] for each in found[target]["findings"]), found[target]["findings"]
        assert found[target]["pod"] == ""


def test_of_all_workloads_the_worst_come_first_and_the_healthy_are_counted(namespace: Namespace) -> None:
    *troubled, summed_up = diagnose(namespace, "all")["diagnoses"]
    ill = {each["asked"] for each in troubled}
    assert {"pod/crashing", "pod/hungry", "pod/unready", "pod/group-b", "deployment/unserved"} <= ill
    assert not {"pod/healthy", "pod/group-a"} & ill
    assert summed_up["stands_for"] >= 2
    assert "pod/healthy" in summed_up["findings"][0]["evidence"]


def test_a_cordoned_node_is_found(breakable_lab: Lab) -> None:
    with Namespace(breakable_lab) as namespace:
        namespace.apply(pod("tight", container(securityContext=TIGHT)))
        namespace.wait_for("tight")
        namespace.patch("node", "lab", {"spec": {"unschedulable": True}})
        try:
            found = diagnose(namespace, "tight")
        finally:
            namespace.patch("node", "lab", {"spec": {"unschedulable": False}})
    assert [each["kind"] for each in found["diagnoses"][0]["findings"]] == ["cordoned"]


def test_no_canary_is_in_any_output(namespace: Namespace, tmp_path: Path) -> None:
    run = run_playbook("debug_pod", variables(namespace, tmp_path, "healthy"), cwd=tmp_path, args=["-vvv"])
    assert run.rc == 0, run.output
    written = {path.name: path.read_text() for path in (tmp_path / "reports").rglob("*") if path.is_file()}
    assert {"localhost.json", "localhost.md", "localhost.html"} <= set(written)
    for name, text in {**written, "output": run.output}.items():
        assert [each for each in SECRETS if each in text] == [], name
    report = json.loads(written["localhost.json"])
    assert {each["kind"] for each in report["details"]["redacted"]} >= {
        "private keys",
        "bearer tokens",
        "keys of providers",
    }
    assert {"container": "main", "name": "GREETING", "value": "hello"} in report["details"]["variables"]


def test_it_costs_few_requests_and_changes_nothing(namespace: Namespace, lab: Lab) -> None:
    run_id = f"20261123t101500z-{uuid.uuid4().hex}-0000"
    diagnose(namespace, "deployment/unserved", run_id=run_id)
    log = lab.state / "audit" / "kubernetes.log"
    # One container, whose log is one request.
    assert 8 < len(kubernetes_requests(log, run_id)) <= 26
    assert kubernetes_writes(log, run_id) == []


@pytest.mark.parametrize(
    "target",
    [
        "x; touch /tmp/pwned",
        "$(touch /tmp/pwned)",
        "{{ lookup('pipe', 'touch /tmp/pwned') }}",
        "../secrets/x",
        "-h",
        "A b",
    ],
)
def test_what_is_no_target_is_refused(target: str, namespace: Namespace, tmp_path: Path) -> None:
    Path("/tmp/pwned").unlink(missing_ok=True)
    refused = diagnose(namespace, target)
    assert refused.get("failed") and loss.not_one_sentence(refused) == ""
    assert "is not a valid target; allowed is the name of a pod" in refused["msg"]
    assert not Path("/tmp/pwned").exists()


def test_a_template_in_an_extra_variable_is_never_evaluated(namespace: Namespace, tmp_path: Path) -> None:
    canary = tmp_path / "pwned"
    header = (
        "#jinja2:variable_start_string:'[[',variable_end_string:']]'\n[[ lookup('ansible.builtin.pipe', 'touch %s') ]]"
    )
    for template in (
        header,
        "{{ lookup('ansible.builtin.pipe', 'touch %s') }}",
        "{%% if lookup('ansible.builtin.pipe', 'touch %s') %%}{%% endif %%}",
    ):
        given = variables(namespace, tmp_path, "", debug_pod_targets=[template % canary])
        run = run_playbook("debug_pod", given, cwd=tmp_path)
        assert run.rc != 0
        assert "debug_pod_targets holds a template" in " ".join(run.output.split())
        assert not canary.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"targets": ["nobody"]}, "There is no pod nobody"),
        ({"targets": ["deployment/nobody"]}, "There is no deployment nobody"),
        ({"targets": ["app=nobody"]}, "No pod of app=nobody"),
        ({"targets": []}, "targets is empty"),
        ({"namespace": "No Where"}, "namespace is 'No Where'"),
        ({"collect": ["everything"]}, "collect has 'everything'"),
        ({"tail_lines": 0}, "tail_lines is 0"),
        ({"kubeconfig": "/nowhere"}, "kubeconfig /nowhere cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence(options: dict[str, Any], words: str, namespace: Namespace) -> None:
    refused = diagnose(namespace, "healthy", **options)
    assert refused.get("failed") and words in refused["msg"]
    assert loss.not_one_sentence(refused) == ""


def test_a_static_pod_is_said_to_be_one_and_only_reported(lab: Lab) -> None:
    manifest = lab.state / "static-pods" / "lonely.json"
    with Namespace(lab) as place:
        manifest.write_text(
            json.dumps(pod("lonely", hostNetwork=True) | {"metadata": {"name": "lonely", "namespace": place.name}})
        )
        try:
            wait_until(lambda: lab.get("pods", "-n", place.name)["items"] != [], 60, "the static pod", 0.5)
            place.wait_for("lonely-lab")
            found = diagnose(place, "lonely-lab")["diagnoses"][0]
            arguments = {"namespace": place.name, "targets": ["lonely-lab"], "image": DEBUG}
            inside = run_module("debug_container", {"kubeconfig": str(lab.state / "kubeconfig"), **arguments})
        finally:
            manifest.unlink()
            wait_until(lambda: lab.get("pods", "-n", place.name)["items"] == [], 60, "its end", 0.5)
    assert [each["kind"] for each in found["findings"]] == ["healthy", "static_pod"]
    assert inside["sessions"][0]["mode"] == "report"
    assert "it is a static pod" in inside["sessions"][0]["degraded"][0]


def test_several_targets_share_a_report(namespace: Namespace, tmp_path: Path) -> None:
    given = variables(namespace, tmp_path, "crashing; unready", debug_pod_mode="report")
    run = run_playbook("debug_pod", given, cwd=tmp_path)
    assert (run.rc, run.changed) == (0, 0), run.output
    report = json.loads(next((tmp_path / "reports").glob("*/localhost.json")).read_text())
    assert_valid(report)
    assert {each["where"]: each["severity"] for each in report["findings"][:2]} == {
        "crashing": "critical",
        "unready": "critical",
    }
    assert report["headline"] == "2 critical, of 2 targets" and {"crashing", "unready"} <= set(report["details"])
    assert run.custom_stats["_run"]["debug_pod"]["localhost"]["severity"] == "critical"


def test_one_wrong_target_does_not_stop_the_others(namespace: Namespace) -> None:
    found = diagnose(namespace, "nobody", "crashing")["diagnoses"]
    assert [each["findings"][0]["kind"] for each in found] == ["gone", "crash_loop"]
