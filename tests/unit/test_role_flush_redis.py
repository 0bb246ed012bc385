# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables, their documentation and the options of its modules are one and the same list."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[2] / "roles" / "flush_redis"
ENTRY_POINTS = ("main", "restore", "stats")
MODULES = {"redis_flush": "main", "redis_cache_info": "stats", "redis_restore": "restore"}
PREFIX = "market_intel.runbooks."


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


DEFAULTS: dict[str, Any] = load("defaults/main.yml")
VARS: dict[str, Any] = load("vars/main.yml")
SPECS: dict[str, Any] = load("meta/argument_specs.yml")["argument_specs"]


def task_files(entry_point: str) -> list[str]:
    """Return the file of an entry point and those that it includes."""
    found, waiting = [], [f"{entry_point}.yml"]
    while waiting:
        name = waiting.pop()
        found.append(name)
        waiting += re.findall(r"include_tasks: (\S+)", (ROLE / "tasks" / name).read_text(encoding="utf-8"))
    return sorted(set(found))


def names_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])_{0,2}flush_redis_\w+", text))


def expanded(names: set[str]) -> set[str]:
    """Return the public variables that names stand for, those of vars/main.yml replaced by what they are made of."""
    public, waiting, seen = set(), set(names), set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        if name in VARS:
            waiting |= names_in(yaml.safe_dump(VARS[name])) - seen
        elif not name.startswith("__"):
            public.add(name)
    return public


def used(entry_point: str) -> set[str]:
    """Return the public variables that an entry point uses."""
    text = "\n".join((ROLE / "tasks" / name).read_text(encoding="utf-8") for name in task_files(entry_point))
    return expanded(names_in(text))


def all_tasks(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    nested = [part for task in tasks for key in ("block", "rescue", "always") for part in all_tasks(task.get(key, []))]
    return [*tasks, *nested]


def options_given(module: str) -> dict[str, str]:
    """Return each option that the role gives to a module, and the expression it gives."""
    given: dict[str, str] = {}
    for task in all_tasks(load(f"tasks/{MODULES[module]}.yml")):
        given.update(task.get(PREFIX + module, {}))
        for target, value in task.get("module_defaults", {}).items():
            if target in (PREFIX + module, f"group/{PREFIX}redis"):
                given.update(VARS[value.strip("{} ")])
    return given


def options_of(module: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the options that a module has for its users."""
    imported = importlib.import_module(f"ansible_collections.market_intel.runbooks.plugins.modules.{module}")
    seen: list[Any] = []
    monkeypatch.setattr(imported, "run_module", lambda spec, *_rest: seen.append(spec))
    imported.main()
    # The action plugin sets this one.
    return set(seen[0].argument_spec) - {"progress"}


def test_every_default_is_documented_and_every_documented_variable_has_a_default() -> None:
    assert set(SPECS) == set(ENTRY_POINTS)
    assert set().union(*(spec["options"] for spec in SPECS.values())) == set(DEFAULTS)


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_the_documented_defaults_are_the_defaults(entry_point: str) -> None:
    options = SPECS[entry_point]["options"]
    documented = {name: option["default"] for name, option in options.items()}
    actual = {name: DEFAULTS[name] for name in options}
    assert documented == actual
    # True == 1 == 1.0 for Python, not for a reader.
    assert {name: type(value) for name, value in documented.items()} == {
        name: type(value) for name, value in actual.items()
    }


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_entry_point_documents_exactly_what_it_uses(entry_point: str) -> None:
    assert used(entry_point) == set(SPECS[entry_point]["options"])


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_entry_point_says_what_it_does_in_check_mode_and_when_it_runs_twice(entry_point: str) -> None:
    description = " ".join(SPECS[entry_point]["description"])
    assert "Check mode: " in description
    assert "Idempotence: " in description


def test_internal_variables_exist_where_they_are_used_and_are_used() -> None:
    tasks = "\n".join(path.read_text(encoding="utf-8") for path in ROLE.glob("tasks/*.yml"))
    made_by_tasks = set(re.findall(r"register: (\w+)|^ +(__flush_redis_\w+):", tasks, re.MULTILINE))
    internal = names_in(tasks) | set().union(*(names_in(yaml.safe_dump(value)) for value in VARS.values()))
    internal = {name for name in internal if name.startswith("__")}
    assert internal - {name for pair in made_by_tasks for name in pair} == set(VARS)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_role_reaches_every_option_of_its_modules(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options_given(module)
    assert set(given) == options_of(module, monkeypatch)
    for name, expression in given.items():
        made_here = "__flush_redis_plan.run_id" in expression
        assert made_here or expanded(names_in(expression)) <= set(DEFAULTS), name
        assert made_here or expanded(names_in(expression)), f"{name} is fixed to {expression!r}"


def test_every_option_takes_text() -> None:
    """Types that the key=value form and surveys cannot give would fail before the role converts anything."""
    for spec in SPECS.values():
        for name, option in spec["options"].items():
            assert option["type"] in ("str", "int", "float", "bool", "list", "raw"), name
            if option["type"] == "list":
                assert option["elements"] == "str", name
