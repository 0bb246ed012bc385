# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The survey of an AWX job template, made of what a role documents of its variables. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t

import yaml

from ..module_utils._errors import InvalidInput
from ._inputs import Option
from ._roles import ROLES, load_role

_PLAYBOOKS = ROLES.parent / "playbooks"
_TYPES = {"int": "integer", "float": "float", "dict": "textarea"}
_MARKUP = re.compile(r"\b[A-Z]\(((?:[^()]|\([^()]*\))*)\)")

Question = dict[str, t.Any]

_CLUSTERS: Question = {
    "variable": "runbooks_hosts",
    "question_name": "Clusters",
    "question_description": "Hosts or groups of the inventory, with commas between them",
    "type": "text",
    "required": True,
}


def survey(playbook: str, required: t.Sequence[str], optional: t.Sequence[str]) -> dict[str, t.Any]:
    """Return the survey of a playbook, as AWX takes it; the names of variables are without the role's prefix.

    Only a choice has a default: AWX would hand on any other one as an answer, which beats the inventory. Raises
    InvalidInput for a playbook or a variable that there is not.
    """
    path = _PLAYBOOKS / f"{playbook}.yml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in _PLAYBOOKS.glob("*.yml")))
        raise InvalidInput(f"There is no playbook {playbook!r}; allowed are {known}.")
    (play,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    included = play["tasks"][0]["ansible.builtin.include_role"]
    role = load_role(included["name"].rpartition(".")[2], included["tasks_from"])
    questions = [_CLUSTERS]
    for name in (*required, *optional):
        option = role.options.get(role.prefix + name)
        if option is None:
            raise InvalidInput(f"The playbook {playbook} has no variable {role.prefix}{name}; correct the question.")
        questions.append(_question(role.prefix + name, name, option, name in required))
    return {"name": play["name"], "description": "", "spec": questions}


def _question(variable: str, name: str, option: Option, required: bool) -> Question:
    found = {
        "variable": variable,
        "question_name": name.replace("_", " ").capitalize(),
        "question_description": _first_sentence(option["description"]),
        "type": "password" if option.get("no_log") else _TYPES.get(option["type"], "text"),
        "required": required,
    }
    default, choices = option["default"], option.get("choices")
    if option["type"] == "bool":
        default, choices = str(default).lower(), ["true", "false"]
    if choices and option["type"] != "list":
        found |= {"type": "multiplechoice", "choices": choices, "default": default, "required": True}
    return found


def _first_sentence(description: str | t.Sequence[str]) -> str:
    first = description if isinstance(description, str) else description[0]
    plain = _MARKUP.sub(lambda found: found[1].rpartition(":")[2], first)
    return re.split(r"\.(?:\s|$)", plain, maxsplit=1)[0]
