# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's variables, their documentation and the options of its modules are one and the same list."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
PREFIX = "market_intel.runbooks."


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
                waiting += re.findall(r"include_tasks: (\S+)", self._task(name))
        return sorted(found)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        return dict(self.load("defaults/main.yml"))

    @cached_property
    def vars(self) -> dict[str, Any]:
        return dict(self.load("vars/main.yml"))

    @cached_property
    def specs(self) -> dict[str, Any]:
        return dict(self.load("meta/argument_specs.yml")["argument_specs"])

    def names_in(self, text: str) -> set[str]:
        return set(re.findall(rf"(?<![\w.])_{{0,2}}{self.name}_\w+", text))

    def expanded(self, names: set[str]) -> set[str]:
        """Return the public variables that names stand for; those of vars/main.yml are what they are made of."""
        public, waiting, seen = set(), set(names), set()
        while waiting:
            name = waiting.pop()
            seen.add(name)
            if name in self.vars:
                waiting |= self.names_in(yaml.safe_dump(self.vars[name], width=10_000)) - seen
            elif not name.startswith("__"):
                public.add(name)
        return public

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
            for name in self.task_files(entry_point):
                for task in all_tasks(self.load(f"tasks/{name}")):
                    given.update(task.get(PREFIX + module, {}))
                    for target, value in task.get("module_defaults", {}).items():
                        if target in (PREFIX + module, f"group/{PREFIX}{self.group}"):
                            for part in re.findall(r"\w+", value):
                                given.update(self.vars.get(part, {}))
        return given


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
    frozenset({"cluster", "only_restarted", "state", "what_can_be"}),
    {"cert_probe": {"skip"}, "rollout_restart": {"skip"}, "run_lease": {"duration"}},
)
DEBUG_POD = Role(
    "debug_pod",
    "k8s",
    ("main", "list", "cleanup"),
    {"debug_container": ("main", "list", "cleanup"), "pod_diagnosis_info": ("main",)},
    frozenset({"state", "sessions", "asked", "directory"}),
)
ALL = (FLUSH_REDIS, ROTATE_CERTS, DEBUG_POD)
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
    assert {role.name for role in ALL} == {path.name for path in ROLES.iterdir()}


@EACH_ROLE
def test_every_default_is_documented_and_every_documented_variable_has_a_default(role: Role) -> None:
    assert set(role.specs) == set(role.entry_points)
    assert set().union(*(spec["options"] for spec in role.specs.values())) == set(role.defaults)


@EACH_ENTRY_POINT
def test_the_documented_defaults_are_the_defaults(role: Role, entry_point: str) -> None:
    options = role.specs[entry_point]["options"]
    documented = {name: option["default"] for name, option in options.items()}
    actual = {name: role.defaults[name] for name in options}
    assert documented == actual
    # True == 1 == 1.0 for Python, not for a reader.
    assert {name: type(value) for name, value in documented.items()} == {
        name: type(value) for name, value in actual.items()
    }


@EACH_ENTRY_POINT
def test_an_entry_point_documents_exactly_what_it_uses(role: Role, entry_point: str) -> None:
    assert role.expanded(role.names_in(role.text(entry_point))) == set(role.specs[entry_point]["options"])


@EACH_ENTRY_POINT
def test_an_entry_point_says_what_it_does_in_check_mode_and_when_it_runs_twice(role: Role, entry_point: str) -> None:
    description = " ".join(role.specs[entry_point]["description"])
    assert "Check mode: " in description
    assert "Idempotence: " in description


@EACH_ROLE
def test_internal_variables_exist_where_they_are_used_and_are_used(role: Role) -> None:
    tasks = "\n".join(role.text(entry_point) for entry_point in role.entry_points)
    internal = role.names_in(tasks)
    for value in role.vars.values():
        internal |= role.names_in(yaml.safe_dump(value, width=10_000))
    internal = {name for name in internal if name.startswith("__")}
    assert internal - role.made_by_tasks == set(role.vars)


@EACH_ROLE
def test_every_file_of_tasks_belongs_to_an_entry_point(role: Role) -> None:
    found = {path.name for path in (ROLES / role.name).glob("tasks/*.yml")}
    assert set().union(*(role.task_files(entry_point) for entry_point in role.entry_points)) == found


@EACH_MODULE
def test_the_role_reaches_every_option_of_its_modules(role: Role, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = role.options_given(module)
    assert set(given) == options_of(module, monkeypatch) - role.unused.get(module, set())
    for name, expression in given.items():
        inside = role.names_in(str(expression))
        made_here = inside & role.made_by_tasks or name in role.fixed
        assert made_here or role.expanded(inside) <= set(role.defaults), name
        assert made_here or role.expanded(inside), f"{name} is fixed to {expression!r}"


@EACH_ROLE
def test_every_option_takes_text(role: Role) -> None:
    """Types that the key=value form and surveys cannot give would fail before the role converts anything."""
    for spec in role.specs.values():
        for name, option in spec["options"].items():
            assert option["type"] in ("str", "int", "float", "bool", "list", "raw"), name
            if option["type"] == "list":
                assert option["elements"] == "str", name
