# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods with one thing wrong each, and what the diagnosis says first; what it must not say, and what it may cost."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible import run_module, run_playbook
from support.audit import kubernetes_requests, kubernetes_writes
from support.lab import Lab
from support.patients import DEBUG, STAY, TIGHT, container, expired_pair, pod, variables
from support.pods import Namespace
from support.processes import wait_until
from support.report import assert_valid

from . import loss

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

# target: (the kind of the first finding, its severity, a word that it has to have)
FIRST = {
    "healthy": ("healthy", "info", "nothing suspicious"),
    "crashing": ("crash_loop", "critical", "exit code 3"),
    "hungry": ("oom_killed", "critical", "memory"),
    "imageless": ("image_pull", "critical", "localhost/absent:1"),
    "unready": ("readiness", "critical", "not ready"),
    "homeless": ("unschedulable", "critical", "no node"),
    "waiting": ("init_running", "warning", "init container first"),
    "failing-init": ("init_failing", "critical", "exit code 4"),
    "deaf": ("dns", "critical", "resolved"),
    "isolated": ("network_policy", "warning", "deny-all"),
    "expired": ("certificate_expired", "critical", "expired"),
    "tight": ("healthy", "info", "nothing suspicious"),
    "two": ("crash_loop", "critical", "container second"),
    "unconfigured": ("missing_reference", "critical", "ConfigMap nothing"),
    "keyless": ("missing_reference", "critical", "Secret nothing"),
    "commandless": ("container_start", "critical", "cannot be started"),
    "sluggish": ("liveness", "critical", "liveness"),
    "deployment/unserved": ("service_selector", "critical", "service unserved"),
    "app=group": ("crash_loop", "critical", "exit code 5"),
}


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    """Return a namespace with all of them, each in its state."""
    with Namespace(lab) as namespace:
        namespace.secret("expired-tls", **expired_pair())
        mount = {"volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}
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
                    pod("imageless", container(image="localhost/absent:1")),
                    pod("unready", container(readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1})),
                    pod("homeless", nodeSelector={"no": "where"}),
                    pod("waiting", initContainers=[container(name="first")]),
                    pod("failing-init", initContainers=[container("echo refused; exit 4", name="first")]),
                    pod(
                        "deaf",
                        container("while :; do echo 'lookup db on 127.0.0.1:53: no such host'; sleep 1; done"),
                        dnsPolicy="None",
                        dnsConfig={"nameservers": ["127.0.0.1"]},
                    ),
                    pod("isolated"),
                    pod(
                        "expired",
                        container(**mount),
                        volumes=[{"name": "tls", "secret": {"secretName": "expired-tls"}}],
                    ),
                    pod("tight", container(securityContext=TIGHT)),
                    pod("two", container(), container("exit 1", name="second")),
                    pod("unconfigured", container(envFrom=[{"configMapRef": {"name": "nothing"}}])),
                    pod("keyless", volumes=[{"name": "key", "secret": {"secretName": "nothing"}}]),
                    pod("commandless", {**container(), "command": ["/no/such/program"]}),
                    pod(
                        "sluggish",
                        container(
                            livenessProbe={
                                "exec": {"command": ["false"]},
                                "periodSeconds": 1,
                                "failureThreshold": 1,
                                "initialDelaySeconds": 1,
                            }
                        ),
                    ),
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
                    {
                        "apiVersion": "networking.k8s.io/v1",
                        "kind": "NetworkPolicy",
                        "metadata": {"name": "deny-all"},
                        "spec": {"podSelector": {"matchLabels": {"app": "isolated"}}, "policyTypes": ["Ingress"]},
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

    def waits(name: str, *reasons: str, init: bool = False) -> bool:
        statuses = found[name].get("initContainerStatuses" if init else "containerStatuses") or []
        return any((each["state"].get("waiting") or {}).get("reason") in reasons for each in statuses)

    def restarted(name: str) -> bool:
        return any(each["restartCount"] for each in found[name].get("containerStatuses") or [])

    return (
        waits("imageless", "ErrImagePull", "ImagePullBackOff")
        and all(waits(name, "CrashLoopBackOff") for name in ("crashing", "two", "group-b", "hungry", "commandless"))
        and waits("failing-init", "CrashLoopBackOff", init=True)
        and waits("unconfigured", "CreateContainerConfigError")
        and restarted("sluggish")
        and all(
            found[name]["phase"] == "Running" for name in ("healthy", "unready", "deaf", "isolated", "expired", "tight")
        )
    )


def diagnose(place: Namespace, *targets: str, **options: Any) -> dict[str, Any]:
    arguments = {"kubeconfig": str(place.lab.state / "kubeconfig"), "namespace": place.name, "targets": list(targets)}
    return run_module("pod_diagnosis_info", {**arguments, **options})


@pytest.fixture(scope="module")
def diagnoses(namespace: Namespace) -> dict[str, dict[str, Any]]:
    """Return the diagnoses of all of them, made in one call."""
    return {each["asked"]: each for each in diagnose(namespace, *FIRST)["diagnoses"]}


@pytest.mark.parametrize("target", FIRST)
def test_the_most_likely_cause_comes_first(target: str, diagnoses: dict[str, dict[str, Any]]) -> None:
    kind, severity, words = FIRST[target]
    first = diagnoses[target]["findings"][0]
    assert (first["kind"], first["severity"]) == (kind, severity), diagnoses[target]["findings"]
    assert words in f"{first['what']}: {first['evidence']}"
    assert first["next_step"]


def test_the_least_healthy_of_a_group_is_chosen_and_why(diagnoses: dict[str, dict[str, Any]]) -> None:
    group = diagnoses["app=group"]
    assert group["pod"] == "group-b"
    assert group["why"].startswith("the least healthy of 2: container main waits: CrashLoopBackOff")


def test_the_evidence_is_the_log_of_the_run_before(diagnoses: dict[str, dict[str, Any]]) -> None:
    assert "cannot open the database" in diagnoses["crashing"]["findings"][0]["evidence"]
    assert "limit 24Mi" in diagnoses["hungry"]["findings"][0]["evidence"]


def test_a_cordoned_node_is_found(namespace: Namespace) -> None:
    namespace.kubectl("cordon", "lab")
    try:
        found = diagnose(namespace, "tight")
    finally:
        namespace.kubectl("uncordon", "lab")
    assert [each["kind"] for each in found["diagnoses"][0]["findings"]] == ["cordoned"]


def test_no_canary_is_in_any_output(namespace: Namespace, tmp_path: Path) -> None:
    run = run_playbook("debug_pod", variables(namespace, tmp_path, "healthy"), cwd=tmp_path, args=["-vvv"])
    assert run.rc == 0, run.output
    written = {path.name: path.read_text() for path in (tmp_path / "reports").rglob("*") if path.is_file()}
    assert {"localhost.json", "localhost.md", "localhost.html"} <= set(written)
    for name, text in {**written, "output": run.output}.items():
        assert [each for each in SECRETS if each in text] == [], name
    report = json.loads(written["localhost.json"])
    assert {each["kind"] for each in report["details"]["redacted"]} >= {"private keys", "bearer tokens", "cloud keys"}
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
        assert "debug_pod_targets holds a template" in run.failures[0].msg
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
    assert {name: part["findings"][0]["severity"] for name, part in report["details"].items()} == {
        "crashing": "critical",
        "unready": "critical",
    }
    assert run.custom_stats["_run"]["debug_pod"]["localhost"]["severity"] == "critical"


def test_one_wrong_target_does_not_stop_the_others(namespace: Namespace) -> None:
    found = diagnose(namespace, "nobody", "crashing")["diagnoses"]
    assert [each["findings"][0]["kind"] for each in found] == ["gone", "crash_loop"]
