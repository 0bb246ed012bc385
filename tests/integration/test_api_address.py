# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module for Kubernetes says in one sentence that a web page answers at the address of the API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from support import loss
from support.ansible import run_module
from support.api_server import ApiServer
from tools.tree import ROOT

FINGERPRINT = "ab" * 32
CERTIFICATE = {"name": "web", "secret_name": "web-tls"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "cert_backup": {"certificates": [CERTIFICATE], "backup_encrypt": False, "accept_ephemeral_storage": True},
    "cert_info": {"secrets": True},
    "cert_probe": {"certificates": [{**CERTIFICATE, "fingerprint": FINGERPRINT}]},
    "debug_container": {"targets": ["web"]},
    "pod_diagnosis_info": {"targets": ["web"]},
    "rollout_restart": {"secrets": [{"name": "web-tls", "fingerprint": FINGERPRINT}]},
    "run_lease": {"lease": "web"},
    "runbook_guard": {"runbook": "flush_redis", "targets": ["web"], "target_namespace": "shop"},
}


def test_no_module_is_left_out() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    # These read the backup of a run first, and what an assessment cannot read is unknown to it.
    assert set(ARGUMENTS) == set(groups["k8s"]) - {"cert_restore", "cert_rotate", "alert_assessment_info"}


@pytest.mark.parametrize("module", ARGUMENTS)
def test_a_web_page_is_told_from_an_api_server(module: str, tmp_path: Path) -> None:
    with ApiServer(page="<html><title>Sign in</title></html>") as server:
        arguments = {"host": server.url, "api_key": "x", **ARGUMENTS[module]}
        if module != "cert_info":
            arguments["namespace"] = "shop"
        if "backup_encrypt" in arguments:
            arguments["backup_dir"] = str(tmp_path)
        result = run_module(module, arguments)
    assert result.get("failed"), result
    assert "a web page (200, titled 'Sign in')" in result["msg"]
    assert loss.not_one_sentence(result) == ""
