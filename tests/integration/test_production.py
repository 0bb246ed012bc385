# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What production asks for before a rotation and privileged debugging: the hash of the plan, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible import Result, run_playbook
from support.certs import PASSWORD
from support.handshakes import issue, stored_fingerprint
from support.lab import Lab
from support.patients import pod, variables
from support.pods import Namespace

pytestmark = pytest.mark.lab
NAMES = ("shop", "shipping")
PRODUCTION = {"runbooks_environment": "Production-EU"}


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    """Return a namespace with two certificates and a pod that nothing uses."""
    with Namespace(lab) as namespace:
        namespace.apply(pod("web"))
        for name in NAMES:
            issue(namespace, name)
        namespace.wait_for("web")
        yield namespace


def hash_of(result: Result, role: str) -> str:
    """Return the hash that a run names to go on."""
    found = re.search(rf"{role}_confirm=([0-9a-f]+-[0-9]+-[0-9TZ]+)", result.output)
    assert found, result.output
    return found[1]


def rotation(lab: Lab, namespace: Namespace, folder: Path, **more: Any) -> dict[str, Any]:
    catalogue = [{"name": name, "secret_name": f"{name}-tls", "cert_manager": True} for name in NAMES]
    values = {
        "kubeconfig": str(lab.state / "kubeconfig"),
        "namespace": namespace.name,
        "certificates": catalogue,
        "names": ["shop"],
        "backup_dir": str(folder / "backups"),
        "reports_dir": str(folder / "reports"),
        "backup_password": PASSWORD,
        "accept_ephemeral_storage": True,
        **more,
    }
    return {**PRODUCTION, **{f"rotate_certs_{name}": value for name, value in values.items()}}


def test_a_rotation_needs_the_hash_of_its_own_plan(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    before = stored_fingerprint(lab, namespace.name, "shop-tls")
    # No prompt is needed there, and none replaces the hash.
    given = rotation(lab, namespace, tmp_path, force=True, skip_prompt=True)
    planned = run_playbook("rotate_certs", given, check=True, cwd=tmp_path)
    assert planned.rc == 0, planned.output
    its_hash = hash_of(planned, "rotate_certs")

    refused = run_playbook("rotate_certs", given, cwd=tmp_path)
    assert refused.rc == 2
    assert "must be confirmed (1 certificates are due" in refused.failures[-1].msg
    for another in ({"names": list(NAMES)}, {"restart": "never"}):
        changed = {f"rotate_certs_{name}": value for name, value in another.items()}
        refused = run_playbook("rotate_certs", {**given, **changed, "rotate_certs_confirm": its_hash}, cwd=tmp_path)
        assert "is for another plan" in refused.failures[-1].msg
    assert stored_fingerprint(lab, namespace.name, "shop-tls") == before
    assert not (tmp_path / "backups").exists()

    done = run_playbook("rotate_certs", {**given, "runbooks_confirm": its_hash}, cwd=tmp_path)
    assert done.rc == 0, done.output
    assert stored_fingerprint(lab, namespace.name, "shop-tls") != before
    # What brings back needs no hash.
    undone = run_playbook(
        "rollback_certs",
        {**given, "rotate_certs_rollback_run": done.by_action("cert_backup")[0].result["run_id"]},
        cwd=tmp_path,
    )
    assert undone.rc == 0, undone.output
    assert stored_fingerprint(lab, namespace.name, "shop-tls") == before


def test_a_scheduled_rotation_of_what_is_due_may_run_unattended(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    before = stored_fingerprint(lab, namespace.name, "shipping-tls")
    scheduled = {"names": ["shipping"], "unattended": True}
    for more in ({"force": True}, {"issued_before": "2099-01-01T00:00:00Z"}):
        refused = run_playbook("rotate_certs", rotation(lab, namespace, tmp_path, **scheduled, **more), cwd=tmp_path)
        assert "must be confirmed" in refused.failures[-1].msg
    assert stored_fingerprint(lab, namespace.name, "shipping-tls") == before
    nothing_due = run_playbook("rotate_certs", rotation(lab, namespace, tmp_path, names=["shipping"]), cwd=tmp_path)
    assert (nothing_due.rc, nothing_due.changed) == (0, 0), nothing_due.output
    # As much as it had some seconds ago, out of 90 days.
    due = rotation(lab, namespace, tmp_path, **scheduled, min_remaining="99.9999%")
    done = run_playbook("rotate_certs", due, cwd=tmp_path)
    assert done.rc == 0, done.output
    assert stored_fingerprint(lab, namespace.name, "shipping-tls") != before


def made(namespace: Namespace) -> list[str]:
    """Return the names of the Jobs that are there."""
    return [each["metadata"]["name"] for each in namespace.lab.get("jobs", "-n", namespace.name)["items"]]


@pytest.mark.parametrize(
    "more",
    [
        {"debug_pod_mode": "copy"},
        {"debug_pod_mode": "ephemeral", "debug_pod_privileged": True},
        {"debug_pod_mode": "node"},
    ],
    ids=["copy", "privileged", "node"],
)
def test_debugging_with_more_rights_needs_the_hash(more: dict[str, Any], namespace: Namespace, tmp_path: Path) -> None:
    given = {**PRODUCTION, **variables(namespace, tmp_path, "web"), "debug_pod_node_namespace": namespace.name, **more}
    refused = run_playbook("debug_pod", given, cwd=tmp_path)
    assert refused.rc == 2
    assert "must be confirmed" in refused.failures[-1].msg
    web = namespace.lab.get("pod", "web", "-n", namespace.name)
    assert (made(namespace), web["spec"].get("ephemeralContainers")) == ([], None)


def test_a_copy_with_the_hash_is_made_and_a_report_needs_none(namespace: Namespace, tmp_path: Path) -> None:
    given = {**PRODUCTION, **variables(namespace, tmp_path, "web"), "debug_pod_mode": "copy"}
    its_hash = hash_of(run_playbook("debug_pod", given, cwd=tmp_path), "debug_pod")
    other = {**given, "debug_pod_privileged": True, "debug_pod_confirm": its_hash}
    assert "is for another plan" in run_playbook("debug_pod", other, cwd=tmp_path).failures[-1].msg
    done = run_playbook("debug_pod", {**given, "debug_pod_confirm": its_hash}, cwd=tmp_path)
    assert done.rc == 0, done.output
    # The first is its plan.
    assert done.by_action("debug_container")[-1].result["sessions"][0]["mode"] == "copy"
    for mode in ("report", "auto"):
        result = run_playbook("debug_pod", {**given, "debug_pod_mode": mode}, cwd=tmp_path)
        assert result.rc == 0, result.output
        assert result.by_action("runbook_confirm") == []
