# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX is to hold belongs together: playbooks, wrappers, templates, workflows, schedules, credentials."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from support.roles import entry_points

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = {path.stem: yaml.safe_load(path.read_text())[0] for path in (ROOT / "playbooks").glob("*.yml")}
# These two make what the others need in an AWX and in a cluster, by a login that may do that, which no job has.
_FIRST = ("configure_awx", "prepare_cluster")
RUNBOOKS = {name: play for name, play in PLAYBOOKS.items() if name not in _FIRST}
PROJECT = ROOT / "extensions" / "awx" / "project"
SEVERITIES = {"critical": 300, "warning": 1800}
"""How many seconds somebody has to approve a plan."""


class Loader(yaml.SafeLoader):
    """Reads what is for AWX to evaluate as text."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
DATA: dict[str, Any] = yaml.load((ROOT / "playbooks" / "vars" / "configure_awx.yml").read_text(), Loader)
TEMPLATES = {template["name"]: template for template in DATA["controller_templates"]}


def test_every_runbook_has_a_wrapper_in_the_project() -> None:
    wrappers = {path.stem: yaml.safe_load(path.read_text()) for path in PROJECT.glob("*.yml")}
    assert wrappers == {
        name: [{"name": play["name"], "ansible.builtin.import_playbook": f"market_intel.runbooks.{name}"}]
        for name, play in RUNBOOKS.items()
    }


def test_every_runbook_has_a_job_template_and_its_own_survey() -> None:
    assert {name: template["playbook"] for name, template in TEMPLATES.items()} == {
        play["name"]: f"{name}.yml" for name, play in RUNBOOKS.items()
    }
    for template in TEMPLATES.values():
        assert f", '{template['playbook'].removesuffix('.yml')}', " in template["survey_spec"]


def test_no_template_waits_for_an_answer_at_a_prompt() -> None:
    """Nobody can give one in a job."""
    for template in TEMPLATES.values():
        (task,) = RUNBOOKS[template["playbook"].removesuffix(".yml")]["tasks"]
        included = task["ansible.builtin.include_role"]
        role = included["name"].rpartition(".")[2]
        asks = f"{role}_skip_prompt" in entry_points(role)[included["tasks_from"]]["options"]
        assert template.get("extra_vars", {}) == ({f"{role}_skip_prompt": True} if asks else {})


def test_a_launch_without_a_thought_changes_nothing() -> None:
    checks = {name for name, template in TEMPLATES.items() if template["job_type"] == "check"}
    assert checks == {"Flush Redis caches", "Restore Redis keys", "Rotate certificates", "Roll back certificates"}
    assert all(TEMPLATES[name]["ask_job_type_on_launch"] for name in checks)


def test_each_severity_has_its_time_for_the_approval() -> None:
    seen: dict[str, set[str]] = {}
    for workflow in DATA["controller_workflows"]:
        what, severity = re.fullmatch(r"(.+) after approval \((\w+)\)", workflow["name"]).groups()  # type: ignore[union-attr]
        run, approve, plan = workflow["simplified_workflow_nodes"]
        assert (run["unified_job_template"], run["job_type"]) == (what, "run")
        assert (plan["unified_job_template"], plan["job_type"], plan["success_nodes"]) == (what, "check", ["approve"])
        assert (approve["approval_node"]["timeout"], approve["success_nodes"]) == (SEVERITIES[severity], ["run"])
        assert TEMPLATES[what]["ask_job_type_on_launch"]
        seen.setdefault(what, set()).add(severity)
    assert seen
    assert all(severities == set(SEVERITIES) for severities in seen.values())


def test_schedules_launch_templates_and_answer_what_is_required() -> None:
    launched = {schedule["unified_job_template"]: schedule for schedule in DATA["controller_schedules"]}
    assert set(launched) == {"Check certificates", "Clean up debug sessions"}
    for name, schedule in launched.items():
        assert TEMPLATES[name]["job_type"] == "run"
        assert "required=" not in TEMPLATES[name]["survey_spec"]
        assert schedule["extra_data"] == {"runbooks_hosts": "all"}


def test_what_a_credential_injects_are_its_own_fields() -> None:
    for kind in DATA["controller_credential_types"]:
        fields = {field["id"] for field in kind["inputs"]["fields"]}
        named = set(re.findall(r"\{\{ ([a-z_]+) \}\}", str(kind["injectors"])))
        assert named == fields
        assert set(kind["inputs"]["required"]) <= fields
