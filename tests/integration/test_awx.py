# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""configure_awx declares everything to an AWX through the modules of awx.awx, which check each of its values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.ansible import COLLECTIONS_PATH, Result, run_playbook
from support.awx import AwxServer, awx_collection
from tools.tree import ROOT

PROJECT = ROOT / "extensions" / "awx" / "project"
yaml.SafeLoader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
DATA = yaml.safe_load((ROOT / "playbooks" / "vars" / "configure_awx.yml").read_text())
OPTIONS: dict[str, Any] = {
    "configure_awx_project_url": "https://git.example.com/sre/runbooks-project.git",
    "configure_awx_image": "registry.example.com/runbooks-ee:1.0.0",
    "configure_awx_claim": "runbooks",
    "configure_awx_credentials": [
        {"name": "Clusters", "credential_type": "Runbooks Kubernetes"},
        {"name": "Vault", "credential_type": "Runbooks Vault"},
        {"name": "Backups", "credential_type": "Runbooks backups"},
        {"name": "Redis", "credential_type": "Runbooks Redis"},
    ],
    "configure_awx_notifications": [
        {
            "name": "On call",
            "notification_type": "webhook",
            "notification_configuration": {
                "url": "https://hooks.example.com/runbooks",
                "http_method": "POST",
                "headers": {},
                "username": "",
                "password": "",
                "disable_ssl_verification": False,
            },
        }
    ],
}


def configure(awx: AwxServer, folder: Path, options: dict[str, Any], collections: str, **more: Any) -> Result:
    env = {**awx.env, "ANSIBLE_COLLECTIONS_PATH": collections}
    return run_playbook("configure_awx", options, cwd=folder, env=env, **more)


@pytest.fixture
def awx() -> Any:
    with AwxServer(path.name for path in PROJECT.glob("*.yml")) as server:
        for credential in OPTIONS["configure_awx_credentials"]:
            server.add("credentials", {"name": credential["name"]})
        yield server


def test_all_of_it_is_declared_and_the_second_run_changes_nothing(awx: AwxServer, tmp_path: Path) -> None:
    collections = f"{COLLECTIONS_PATH}:{awx_collection()}"
    done = configure(awx, tmp_path, OPTIONS, collections)
    assert done.rc == 0, done.output
    assert done.stderr == ""

    templates = awx.objects("job_templates")
    flush = templates["Flush Redis caches"]
    assert (flush["job_type"], flush["ask_job_type_on_launch"], flush["allow_simultaneous"]) == ("check", True, False)
    assert json.loads(flush["extra_vars"]) == {"flush_redis_skip_prompt": True}
    assert set(awx.linked("job_templates", "Flush Redis caches", "credentials")) == {"Clusters", "Redis"}
    assert set(awx.linked("job_templates", "Rotate certificates", "credentials")) == {"Backups", "Clusters", "Vault"}
    assert awx.linked("job_templates", "Debug pods", "credentials") == ["Clusters"]
    for name in templates:
        assert awx.linked("job_templates", name, "instance_groups") == ["Runbooks"]
        assert awx.linked("job_templates", name, "notification_templates_error") == ["On call"]
        assert awx.survey(name)["spec"][0]["variable"] == "runbooks_hosts"
    assert [question["variable"] for question in awx.survey("Flush Redis caches")["spec"][1:]] == [
        *("flush_redis_names", "flush_redis_patterns", "flush_redis_mode", "flush_redis_confirm")
    ]

    # What AWX evaluates reaches it as it is written.
    kinds = awx.objects("credential_types")
    assert kinds["Runbooks Redis"]["injectors"]["env"]["REDISCLI_AUTH"] == "{{ password }}"
    inventory = json.loads(awx.objects("inventories")["Clusters"]["variables"])
    assert inventory["runbooks_backup_dir"] == "/srv/runbooks/backups/{{ inventory_hostname }}"
    group = json.loads(awx.objects("instance_groups")["Runbooks"]["pod_spec_override"])
    assert group["spec"]["volumes"] == [{"name": "runbooks", "persistentVolumeClaim": {"claimName": "runbooks"}}]

    workflow = "Flush Redis caches after approval (critical)"
    nodes = awx.objects("workflow_job_template_nodes")
    assert nodes[f"{workflow}: plan"]["job_type"] == "check"
    assert awx.linked("workflow_job_template_nodes", f"{workflow}: plan", "success_nodes") == ["approve"]
    assert awx.linked("workflow_job_template_nodes", f"{workflow}: approve", "success_nodes") == ["run"]
    approvals = awx.objects("workflow_approval_templates").values()
    assert {approval["name"]: approval["timeout"] for approval in approvals} == {
        "Approve the plan (critical)": 300,
        "Approve the plan (warning)": 1800,
    }
    assert set(awx.objects("schedules")) == {
        "Check certificates daily",
        "Clean up debug sessions every 15 minutes",
    }

    # Each module once more, with objects of each kind, which costs half as much as all of them.
    some = {name: DATA[name][:2] for name in ("controller_templates", "controller_workflows")}
    awx.writes.clear()
    again = configure(awx, tmp_path, {**OPTIONS, **some}, collections)
    assert again.rc == 0, again.output
    assert [(task.task, task.result) for task in again.tasks if task.changed] == []
    assert awx.writes == []


def test_without_the_modules_of_awx_or_a_project_it_says_what_is_missing(awx: AwxServer, tmp_path: Path) -> None:
    done = configure(awx, tmp_path, OPTIONS, str(COLLECTIONS_PATH))
    assert done.rc != 0
    assert "awx.awx.credential_type" in done.output
    done = configure(awx, tmp_path, {}, str(COLLECTIONS_PATH))
    assert done.rc != 0
    assert "missing required arguments: configure_awx_image, configure_awx_project_url" in done.output
    assert awx.writes == []
