# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's variables, their documentation and the options of its modules are one and the same list."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._inputs import Reader
from support.roles import ROLES, entry_points, variables

PREFIX = "market_intel.runbooks."
PREPARING = ROLES.parent / "plugins" / "plugin_utils" / "_prepare.py"
"""What filters of a role read of its options."""


@dataclass(frozen=True)
class Role:
    """A role; ``modules`` have the entry points that call them.

    ``fixed`` are options that a step has its own value for, and ``unused`` those that only other plays need.
    """

    name: str
    group: str
    entry_points: tuple[str, ...]
    modules: dict[str, tuple[str, ...]]
    fixed: frozenset[str] = frozenset()
    unused: dict[str, set[str]] = field(default_factory=dict)

    def load(self, name: str) -> Any:
        return yaml.safe_load((ROLES / self.name / name).read_text(encoding="utf-8"))

    def text(self, entry_point: str) -> str:
        """Return the tasks of an entry point and of the files that it includes."""
        return "\n".join(self._task(name) for name in self.task_files(entry_point))

    def _task(self, name: str) -> str:
        return (ROLES / self.name / "tasks" / name).read_text(encoding="utf-8")

    def task_files(self, entry_point: str) -> list[str]:
        found: list[str] = []
        waiting = [f"{entry_point}.yml"]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.append(name)
                text = self._task(name)
                waiting += re.findall(r"(?:include|import)_tasks: (\w+\.yml)", text)
                waiting += [f"{steps}.yml" for steps in re.findall(r"__run_tasks: (\w+)", text)]
                waiting += re.findall(r"/tasks/(\w+\.yml)", text)
        return sorted(found)

    @cached_property
    def vars(self) -> dict[str, Any]:
        return dict(self.load("vars/main.yml"))

    @cached_property
    def specs(self) -> dict[str, Any]:
        return entry_points(self.name)

    def internal_names(self, text: str) -> set[str]:
        return set(re.findall(rf"__{self.name}_\w+", text))

    def variables(self, text: str, entry_point: str) -> set[str]:
        """Return the public variables that a text stands for; those of vars/main.yml are what they are made of."""
        options = {name.removeprefix(f"{self.name}_") for name in self.specs[entry_point]["options"]}
        found = set(re.findall(r"__run\.options\.(\w+)", text)) | set(re.findall(r"'(\w+)' in __run.emptied", text))
        if "__run_tasks: " in text and self.group == "k8s":
            found |= LOGIN & options
        if re.search(r"__run\.vault\b", text):
            found |= {name for name in options if name.startswith("vault_")} - {"vault_login"}
        if "__run.guard" in text:
            found |= {"guard_namespace", "obey_guard"}
        if "__run.production" in text:
            found.add("environment")
        if "__run.options | market_intel.runbooks.prepared_" in text:
            found |= set(re.findall(r'options\["(\w+)"\]', PREPARING.read_text(encoding="utf-8")))
            found |= {name for name in options if name.startswith("cron_")}
        if "__run.vault_login" in text:
            found.add("vault_login")
        if "market_intel.runbooks.run" in text:
            # The frame itself: its start, its report and, where it is included, the confirmation.
            found |= {"reports_dir", "reports_keep", "run_id"} & options
            found |= {"environment", "confirm", "skip_prompt"} if "tasks_from: confirm" in text else set()
        for name in self.internal_names(text) & set(self.vars):
            value = self.vars[name]
            found |= set(value) if isinstance(value, list) and "{{" not in str(value) else set()
            found |= self.variables(yaml.safe_dump(value, width=10_000), entry_point) if "{" in str(value) else set()
        return found

    @cached_property
    def made_by_tasks(self) -> set[str]:
        """The internal variables that tasks set: what they register, and their own vars."""
        tasks = "\n".join(path.read_text(encoding="utf-8") for path in (ROLES / self.name).glob("tasks/*.yml"))
        pairs = re.findall(rf"register: (\w+)|^ +(__{self.name}_\w+):", tasks, re.MULTILINE)
        return {name for pair in pairs for name in pair if name}

    def options_given(self, module: str) -> dict[str, str]:
        """Return each option that the role gives to a module, and the expression it gives."""
        given: dict[str, str] = {}
        for entry_point in self.modules[module]:
            # The frame gives modules their login.
            (frame,) = [task["vars"] for task in self.load(f"tasks/{entry_point}.yml") if "__run_tasks" in str(task)]
            given.update(self.mapping(frame["__run_redis"] if self.group == "redis" else "{{ __run.login }}"))
            for name in self.task_files(entry_point):
                for task in all_tasks(self.load(f"tasks/{name}")):
                    given.update(task.get(PREFIX + module) or {})
                    for target, value in task.get("module_defaults", {}).items():
                        if target == PREFIX + module:
                            given.update(self.mapping(value))
        return given

    def mapping(self, expression: str) -> dict[str, str]:
        """Return the keys and values of what an expression makes of vars/main.yml."""
        if expression == "{{ __run.login }}":
            return {("host" if name == "api_host" else name): f"__run.options.{name}" for name in LOGIN}
        found: dict[str, str] = {}
        for name, value in re.findall(r"'(\w+)': (__run\.options\.\w+)", expression):
            found[name] = value
        for name in re.findall(rf"__{self.name}_\w+", expression):
            value = self.vars[name]
            if isinstance(value, dict):
                found.update(value)
            elif isinstance(value, list):
                found.update({each: f"__run.options.{each}" for each in value})
            else:
                found.update(self.mapping(value))
        return found


LOGIN = {"kubeconfig", "context", "api_host", "api_key", "ca_cert", "client_cert", "client_key", "validate_certs"}
FLUSH_REDIS = Role(
    "flush_redis",
    "redis",
    ("main", "restore", "stats"),
    {"redis_flush": ("main",), "redis_cache_info": ("stats",), "redis_restore": ("restore",)},
)
ROTATE_CERTS = Role(
    "rotate_certs",
    "k8s",
    ("main", "check", "rollback"),
    {
        "cert_backup": ("main", "rollback"),
        "cert_info": ("check",),
        "cert_probe": ("main", "rollback"),
        "cert_restore": ("main", "rollback"),
        "cert_rotate": ("main",),
        "rollout_restart": ("main", "rollback"),
        "run_lease": ("main", "rollback"),
    },
    frozenset({"cluster", "only_restarted", "state", "skip_unrestorable", "lease", "vault"}),
    {"cert_probe": {"skip"}, "run_lease": {"duration"}},
)
DEBUG_POD = Role(
    "debug_pod",
    "k8s",
    ("main", "list", "cleanup"),
    {"debug_container": ("main", "list", "cleanup"), "pod_diagnosis_info": ("main",)},
    frozenset({"state", "diagnose", "asked", "directory", "run_id"}),
)
ALERT_RESPONSE = Role(
    "alert_response",
    "k8s",
    ("main", "assess"),
    {"alert_assessment_info": ("main", "assess"), "runbook_guard": ("main",)},
    frozenset({"state", "production", "inventory_host"}),
    {"runbook_guard": {"by_hand"}},
)
PREPARE_CLUSTER = Role("prepare_cluster", "k8s", ("main",), {})
ALL = (FLUSH_REDIS, ROTATE_CERTS, DEBUG_POD, ALERT_RESPONSE, PREPARE_CLUSTER)
EACH_ROLE = pytest.mark.parametrize("role", ALL, ids=lambda role: role.name)
EACH_ENTRY_POINT = pytest.mark.parametrize(
    ("role", "entry_point"),
    [
        pytest.param(role, entry_point, id=f"{role.name}-{entry_point}")
        for role in ALL
        for entry_point in role.entry_points
    ],
)
EACH_MODULE = pytest.mark.parametrize(
    ("role", "module"), [pytest.param(role, module, id=module) for role in ALL for module in sorted(role.modules)]
)


def all_tasks(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    nested = [part for task in tasks for key in ("block", "rescue", "always") for part in all_tasks(task.get(key, []))]
    return [*tasks, *nested]


def options_of(module: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the options that a module has for its users."""
    imported = importlib.import_module(f"ansible_collections.market_intel.runbooks.plugins.modules.{module}")
    seen: list[Any] = []
    monkeypatch.setattr(imported, "run_module", lambda spec, *_rest: seen.append(spec))
    imported.main()
    # The action plugin sets this one.
    return set(seen[0].argument_spec) - {"progress"}


def test_all_roles_are_looked_at() -> None:
    # The frame has no variables of its own.
    assert {role.name for role in ALL} == {path.name for path in ROLES.iterdir()} - {"run"}


@EACH_ROLE
def test_every_entry_point_is_documented_and_every_variable_has_a_default(role: Role) -> None:
    assert set(role.specs) == set(role.entry_points)
    for spec in role.specs.values():
        assert [name for name, option in spec["options"].items() if "default" not in option] == []


@EACH_ROLE
def test_a_default_is_in_one_place_only(role: Role) -> None:
    """What is in another folder of Ansible's would be a second truth beside the documentation."""
    assert not (ROLES / role.name / "defaults").exists()


@EACH_ENTRY_POINT
def test_an_entry_point_documents_exactly_what_it_uses(role: Role, entry_point: str) -> None:
    used = {f"{role.name}_{name}" for name in role.variables(role.text(entry_point), entry_point)}
    assert used == set(role.specs[entry_point]["options"])


@EACH_ENTRY_POINT
def test_an_entry_point_says_what_it_does_in_check_mode_and_when_it_runs_twice(role: Role, entry_point: str) -> None:
    description = " ".join(role.specs[entry_point]["description"])
    assert "Check mode: " in description
    assert "Idempotence: " in description


@EACH_ROLE
def test_internal_variables_exist_where_they_are_used_and_are_used(role: Role) -> None:
    tasks = "\n".join(role.text(entry_point) for entry_point in role.entry_points)
    internal = role.internal_names(tasks)
    for value in role.vars.values():
        internal |= role.internal_names(yaml.safe_dump(value, width=10_000))
    assert internal - role.made_by_tasks == set(role.vars)


@EACH_ROLE
def test_every_file_of_tasks_belongs_to_an_entry_point(role: Role) -> None:
    found = {path.name for path in (ROLES / role.name).glob("tasks/*.yml")}
    assert set().union(*(role.task_files(entry_point) for entry_point in role.entry_points)) == found


def test_the_frame_gives_every_module_its_login() -> None:
    tasks = yaml.safe_load((ROLES / "run" / "tasks" / "main.yml").read_text(encoding="utf-8"))
    (defaults,) = [task["module_defaults"] for task in tasks if "module_defaults" in task]
    assert defaults == {
        f"group/{PREFIX}k8s": "{{ __run.login }}",
        f"group/{PREFIX}redis": "{{ __run_redis | default({}) }}",
    }


@EACH_MODULE
def test_the_role_reaches_every_option_of_its_modules(role: Role, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = role.options_given(module)
    assert set(given) == options_of(module, monkeypatch) - role.unused.get(module, set())
    for name, expression in given.items():
        text = str(expression)
        made_here = bool(role.internal_names(text)) or name in role.fixed or re.search(r"__run\.(login|guard)", text)
        named = set(re.findall(r"__run\.options\.(\w+)", text))
        assert named <= {each.removeprefix(f"{role.name}_") for each in variables(role.name)}, name
        assert made_here or named, f"{name} is fixed to {expression!r}"


@EACH_ROLE
def test_every_type_is_one_that_is_converted(role: Role) -> None:
    for spec in role.specs.values():
        for name, option in spec["options"].items():
            assert hasattr(Reader, f"_{option['type']}"), name
            assert (option["type"] == "list") == ("elements" in option), name


def test_every_mark_in_a_sentence_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """``O(option)`` in a sentence becomes a name only if a module has that option."""
    modules = [path.stem for path in (ROLES.parent / "plugins" / "modules").glob("*.py")]
    # The others of the frame do their work in the controller, and have no process that could be asked.
    documented = [name for name in modules if not name.startswith("runbook_") or name == "runbook_guard"]
    known = {"confirm", "skip_prompt"}
    known = known.union(*(options_of(name, monkeypatch) for name in documented))
    sources = [*(ROLES.parent / "plugins").rglob("*.py")]
    marks = {
        (mark, path.name)
        for path in sources
        if path.parent.name not in ("modules", "doc_fragments")
        for mark in re.findall(r"\bO\(([a-z_]+)[.\[)]", path.read_text(encoding="utf-8"))
    }
    assert {mark for mark in marks if mark[0] not in known} == {("option", "_errors.py")}


SENTENCE = re.compile(r"([a-z_]+)(?:\.[a-z_]+)? (?:is|are|has|holds|names|needs|must)\b")


def test_no_sentence_begins_with_an_option_that_is_not_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not become the name of the role's variable."""
    modules = [path.stem for path in (ROLES.parent / "plugins" / "modules").glob("*.py")]
    known = set().union(*(options_of(name, monkeypatch) for name in modules if not name.startswith("runbook_")))
    found = []
    for path in (ROLES.parent / "plugins" / "module_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                first = node.exc.args[0]
                parts = first.values if isinstance(first, ast.JoinedStr) else [first]
                start = SENTENCE.match(str(parts[0].value)) if isinstance(parts[0], ast.Constant) else None
                found += [f"{path.name}:{node.lineno}"] if start and start[1] in known else []
    assert found == []


PLAYBOOKS = sorted(path for path in (ROLES.parent / "playbooks").glob("*.yml") if path.stem != "configure_awx")
"""All but the one that runs no runbook."""
HEADER = {
    "hosts": "{{ lookup('market_intel.runbooks.play_hosts') }}",
    "gather_facts": False,
    "connection": "local",
    "vars": {"ansible_python_interpreter": "{{ runbooks_python | default(ansible_playbook_python, true) }}"},
}
"""Where a play acts, and with what; templates in extra variables are refused while its hosts are found."""


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.stem))
def test_a_playbook_is_the_header_of_the_frame_and_one_entry_point(path: Path) -> None:
    (play,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {name: value for name, value in play.items() if name not in ("name", "tasks")} == HEADER
    (task,) = play["tasks"]
    included = task["ansible.builtin.include_role"]
    role = included["name"].removeprefix(PREFIX)
    assert included == {"name": PREFIX + role, "tasks_from": included["tasks_from"], "rolespec_validate": False}
    entry_point = yaml.safe_load((ROLES / role / "tasks" / f"{included['tasks_from']}.yml").read_text(encoding="utf-8"))
    (frame,) = [task["vars"] for task in entry_point if "__run_tasks" in str(task)]
    assert (frame["__run_runbook"], frame["__run_entry_point"]) == (path.stem, included["tasks_from"])


def test_every_entry_point_has_a_playbook() -> None:
    included = [yaml.safe_load(path.read_text())[0]["tasks"][0]["ansible.builtin.include_role"] for path in PLAYBOOKS]
    assert sorted((each["name"].removeprefix(PREFIX), each["tasks_from"]) for each in included) == sorted(
        (role.name, entry_point) for role in ALL for entry_point in role.entry_points
    )


yaml.SafeLoader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))

LOGIC = 120
"""Characters of an expression of Jinja; what is longer is logic, and belongs to Python, which can be tested alone."""
CONDITIONS = ("when", "that", "changed_when", "failed_when", "until")


def expressions(path: Path) -> list[str]:
    """Return the expressions of a file, on one line each: templates, and the bare ones of conditions."""
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"\{\{.+?\}\}(?!\})|\{%.+?%\}", text, re.DOTALL)
    for value in values(list(yaml.safe_load_all(text)), CONDITIONS):
        found += [str(each) for each in (value if isinstance(value, list) else [value])]
    return [" ".join(each.split()) for each in found]


def values(node: Any, keys: tuple[str, ...]) -> Iterator[Any]:
    """Yield what is under any of the keys, however deep."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key in keys)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from values(child, keys)


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in ("roles", "playbooks") for path in (ROLES.parent / folder).rglob("*.yml")),
    ids=lambda path: str(path.relative_to(ROLES.parent)),
)
def test_no_expression_is_so_long_that_it_is_logic(path: Path) -> None:
    assert [each for each in expressions(path) if len(each) > LOGIC] == []
    assert [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > LOGIC and "{{" in line] == []
