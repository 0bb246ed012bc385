# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of the platform are rotated and brought back while clients connect all the time."""

from __future__ import annotations

import hashlib
import json
import shlex
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from lab.place import NAMESPACE
from support.ansible import Result, run_playbook, start_playbook
from support.audit import kubernetes_writes, vault_writes_of
from support.certs import (
    generations,
    owner,
    platform,
    read_kv,
    revision,
    secret_data,
    signatures,
    stored,
    variables,
)
from support.handshakes import Handshakes, service_address, stored_pem, wait_rolled_out, workload
from support.lab import Lab
from support.pods import Namespace

pytestmark = pytest.mark.lab
SERVICES = ("api-gateway", "core-engine")
RESTARTED = ("core-engine", "report-api", "stream-api")
NAMES = {name: f"{name}.{NAMESPACE}.svc.cluster.local" for name in SERVICES}


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Namespace:
    """Return the platform's namespace, with pods that serve what the Secrets hold, whatever other tests have done."""
    namespace = platform(lab)
    workloads = [f"deployment/{name}" for name in (*RESTARTED, "api-gateway")]
    namespace.kubectl("rollout", "restart", *workloads, "-n", NAMESPACE)
    wait_rolled_out(namespace, *workloads)
    return namespace


@pytest.fixture(scope="module")
def clients(lab: Lab, namespace: Namespace) -> Iterator[dict[str, Handshakes]]:
    """Return clients that connect to the Services all the time, and verify what they are shown."""
    opened = {}
    try:
        for name in SERVICES:
            authority = stored_pem(lab, NAMESPACE, f"{name}-tls", "ca.crt")
            address = service_address(lab, NAMESPACE, name)
            client = Handshakes(namespace, address, server_name=NAMES[name], ca_cert=authority)
            opened[name] = client.__enter__()
        yield opened
    finally:
        for client in opened.values():
            client.__exit__()


def report(result: Result, runbook: str = "rotate_certs") -> dict[str, Any]:
    path = result.custom_stats["_run"][runbook]["localhost"]["report"]
    return dict(json.loads(Path(path).read_text(encoding="utf-8")))


def unnoticed(clients: dict[str, Handshakes]) -> None:
    assert {name: client.failures for name, client in clients.items()} == {name: [] for name in SERVICES}


def shown(clients: dict[str, Handshakes]) -> dict[str, set[str]]:
    return {name: client.latest(40) for name, client in clients.items()}


def test_both_methods_rotate_and_roll_back_and_no_client_notices(
    lab: Lab, namespace: Namespace, clients: dict[str, Handshakes], tmp_path: Path
) -> None:
    given = variables(lab, tmp_path)
    before, before_restart = stored(lab), generations(lab, *RESTARTED, "api-gateway")
    kv_before = read_kv(lab, "certs/core-engine")
    names_before = secret_data(lab, "core-engine-tls").keys()
    vault_log = lab.state / "audit" / "vault.log"
    began = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    due = {**given, "rotate_certs_issued_before": began}

    checked = run_playbook("rotate_certs", due, check=True, diff=True, cwd=tmp_path)
    assert checked.rc == 0, checked.output
    plan = report(checked)
    assert (plan["state"], plan["mode"], plan["plan"]["figures"]["due"]) == ("planned", "check", 2)
    assert kubernetes_writes(lab.state / "audit" / "kubernetes.log", plan["run_id"]) == []
    assert vault_writes_of(vault_log, owner(tmp_path)) == []
    assert stored(lab) == before

    rotated = run_playbook("rotate_certs", due, cwd=tmp_path)
    assert rotated.rc == 0, rotated.output
    after, told = stored(lab), report(rotated)
    assert told["state"] == "done" and {proof["result"] for proof in told["proofs"]} == {"proven"}
    assert all(after[name] != before[name] for name in SERVICES)
    assert shown(clients) == {name: {after[name]} for name in SERVICES}
    changes = {name: number - before_restart[name] for name, number in generations(lab, *before_restart).items()}
    assert changes == {**dict.fromkeys(RESTARTED, 1), "api-gateway": 0}
    version, data = read_kv(lab, "certs/core-engine")
    assert version == kv_before[0] + 1 and data.keys() == kv_before[1].keys()
    assert data["private_key"].encode() == secret_data(lab, "core-engine-tls")["tls.key"]
    assert secret_data(lab, "core-engine-tls").keys() == names_before
    assert "PRIVATE KEY" not in rotated.output + json.dumps(told)

    again = run_playbook("rotate_certs", due, cwd=tmp_path)
    assert (again.rc, again.changed, report(again)["state"]) == (0, 0, "unchanged"), again.output
    assert stored(lab) == after

    words = shlex.split(told["undo"]["command"])
    undo = dict(word.split("=", 1) for word in words if "=" in word)
    login = {name: given[name] for name in ("rotate_certs_vault_login", "rotate_certs_backup_password")}
    storage = {"rotate_certs_accept_ephemeral_storage": True, "rotate_certs_reports_dir": str(tmp_path / "reports")}
    undone = run_playbook(words[1], {**undo, **login, **storage}, cwd=tmp_path)
    assert undone.rc == 0, undone.output
    assert report(undone, "rollback_certs")["state"] == "done"
    assert stored(lab) == before
    restored = revision(lab, "api-gateway")
    assert shown(clients) == {name: {before[name]} for name in SERVICES}
    assert read_kv(lab, "certs/core-engine") == (version + 1, kv_before[1])
    assert run_playbook("rollback_certs", {**undo, **login, **storage}, cwd=tmp_path).changed == 0

    # cert-manager has had a minute to object.
    time.sleep(60)
    assert (stored(lab), revision(lab, "api-gateway")) == (before, restored)
    unnoticed(clients)


@pytest.mark.parametrize(
    ("module", "how"),
    [
        ("cert_backup", "tree"),
        ("cert_rotate", "controller"),
        ("rollout_restart", "tree"),
        ("cert_probe", "module"),
    ],
)
def test_an_interrupted_run_is_finished_by_the_same_command(
    module: str, how: str, lab: Lab, clients: dict[str, Handshakes], tmp_path: Path
) -> None:
    forced = variables(lab, tmp_path, rotate_certs_force=True, rotate_certs_canary="none", rotate_certs_serial=3)
    before, restarts = stored(lab), generations(lab, *RESTARTED)
    issued = revision(lab, "api-gateway")

    with start_playbook("rotate_certs", forced, cwd=tmp_path) as running:
        running.module_pid(module)
        if how != "module":
            # Somewhere in the middle of its work; the last one may be done soon.
            time.sleep(0.9)
        if how == "tree":
            running.kill_tree()
        elif how == "controller":
            running.kill_controller()
            running.wait_gone()
        else:
            running.kill_module(module, signal.SIGTERM)
            assert running.wait().rc != 0

    finished = run_playbook("rotate_certs", forced, cwd=tmp_path)
    assert finished.rc == 0, finished.output
    told = report(finished)
    assert told["state"] == "done" and {proof["result"] for proof in told["proofs"]} == {"proven"}
    assert len(list((tmp_path / "backups" / "certs").iterdir())) == 1
    after = stored(lab)
    assert all(after[name] != before[name] for name in SERVICES)
    assert signatures(lab, tmp_path) == 1
    assert revision(lab, "api-gateway") - issued == 1
    assert generations(lab, *RESTARTED) == {name: number + 1 for name, number in restarts.items()}
    assert list((tmp_path / "backups").rglob("*.key*")) == []
    unnoticed(clients)


def test_a_rollout_that_never_becomes_ready_goes_back_by_itself(
    lab: Lab, namespace: Namespace, clients: dict[str, Handshakes], tmp_path: Path
) -> None:
    before = stored(lab)
    # Its pods are ready with the present certificate only, and start one by one.
    digest = hashlib.md5(secret_data(lab, "core-engine-tls")["tls.crt"]).hexdigest()
    fragile = workload("fragile", _ready_with(digest))
    # Its own limit, as one for all would end the others where the machine is slow.
    fragile["spec"]["progressDeadlineSeconds"] = 20
    namespace.apply(fragile)
    try:
        wait_rolled_out(namespace, "deployment/fragile")
        restarts = generations(lab, *RESTARTED)
        failed = run_playbook("rotate_certs", variables(lab, tmp_path, rotate_certs_force=True), cwd=tmp_path)
        wait_rolled_out(namespace, "deployment/fragile")
    finally:
        namespace.delete("deployment", "fragile")
    told = report(failed)
    assert (failed.rc != 0, told["state"]) == (True, "rolled_back"), failed.output
    assert "deployment/fragile" in told["summary"][0]
    assert stored(lab) == before and shown(clients) == {name: {before[name]} for name in SERVICES}
    proven = [proof["claim"] for proof in told["proofs"] if proof["result"] == "proven"]
    assert any("core-engine" in claim for claim in proven) and any("api-gateway" in claim for claim in proven)
    # Forth and back for those that had been restarted; those after the bad one were left alone.
    changes = [number - restarts[name] for name, number in generations(lab, *RESTARTED).items()]
    assert set(changes) <= {0, 2} and 2 in changes and 0 in changes
    assert run_playbook("rotate_certs", variables(lab, tmp_path), cwd=tmp_path).changed == 0
    unnoticed(clients)


def _ready_with(digest: str) -> dict[str, Any]:
    """Return pods that are ready if the certificate that they started with has this digest."""
    container = {
        "name": "fragile",
        "image": "localhost/busybox:1",
        "command": ["sh", "-c", "sleep 86400"],
        "readinessProbe": {
            "exec": {"command": ["sh", "-c", f"md5sum /tls.crt | grep -q {digest}"]},
            "periodSeconds": 1,
        },
        "volumeMounts": [{"name": "tls", "mountPath": "/tls.crt", "subPath": "tls.crt"}],
    }
    volumes = [{"name": "tls", "secret": {"secretName": "core-engine-tls", "defaultMode": 0o444}}]
    return {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
