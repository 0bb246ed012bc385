# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command does with a rollback that an earlier one has not finished, and what it says where nothing serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry
from support.ansible import run_playbook
from support.certs import ALWAYS_DUE, lab_operator, revision
from support.handshakes import issue, stored_fingerprint
from support.lab import Lab
from support.pods import Namespace

pytestmark = pytest.mark.lab


def test_a_rollback_is_finished_before_the_same_command_rotates(lab: Lab, tmp_path: Path) -> None:
    with Namespace(lab) as namespace:
        old = issue(namespace, "shop")
        backups = tmp_path / "backups"
        run = lab_operator(namespace, backups, Entry("shop", "shop-tls", cert_manager=True))
        assert run.command() == "done", run.failure
        first = stored_fingerprint(lab, namespace.name, "shop-tls")
        (manifest,) = (backups / "certs").glob("*/manifest.json")
        content = json.loads(manifest.read_text())
        # As of a run that was killed when it had decided to go back.
        manifest.write_text(json.dumps({**content, "state": "rolling_back"}))
        issued = revision(lab, "shop", namespace.name)
        given = {
            "rotate_certs_kubeconfig": str(lab.state / "kubeconfig"),
            "rotate_certs_namespace": namespace.name,
            "rotate_certs_certificates": [{"name": "shop", "secret_name": "shop-tls", "cert_manager": True}],
            "rotate_certs_issued_before": ALWAYS_DUE,
            "rotate_certs_backup_dir": str(backups),
            "rotate_certs_backup_encrypt": False,
            "rotate_certs_reports_dir": str(tmp_path / "reports"),
            "rotate_certs_accept_ephemeral_storage": True,
            "rotate_certs_skip_prompt": True,
        }
        finished = run_playbook("rotate_certs", given, cwd=tmp_path)
        assert finished.rc == 0, finished.output
        path = finished.custom_stats["_run"]["rotate_certs"]["localhost"]["report"]
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        states = {json.loads(each.read_text())["state"] for each in (backups / "certs").glob("*/manifest.json")}
        done = [action["what"] for action in told["actions"]]
        assert states == {"rolled_back", "done"} and told["state"] == "done"
        assert "shop is as it was before the run" in done and "shop rotated" in done
        assert told["details"]["rotated"][0]["old"] == old[:16]
        assert stored_fingerprint(lab, namespace.name, "shop-tls") not in (old, first)
        assert revision(lab, "shop", namespace.name) == issued + 1
        # Nobody uses it, so that nothing could be proven.
        assert told["headline"] == "nothing was proven by a handshake, as no pod and no endpoint serves it"
        assert lab.get("lease", "runbooks-rotate-certs", "-n", namespace.name)["spec"]["holderIdentity"] == ""
