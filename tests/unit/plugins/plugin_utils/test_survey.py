# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The survey of a job template asks what the role documents."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._survey import survey
from support.roles import entry_points


def question(playbook: str, name: str, required: bool = False) -> dict[str, Any]:
    asked = survey(playbook, *(([name], []) if required else ([], [name])))["spec"]
    hosts, found = asked
    assert hosts["variable"] == "runbooks_hosts"
    return dict(found)


def test_a_survey_is_called_as_the_play_and_asks_for_the_clusters_first() -> None:
    made = survey("flush_redis", [], ["names"])
    assert (made["name"], made["description"]) == ("Flush Redis caches", "")
    assert made["spec"][0]["required"] is True
    assert made["spec"][1] == {
        "variable": "flush_redis_names",
        "question_name": "Names",
        "question_description": "The names of the caches that are meant",
        "type": "text",
        "required": False,
    }


def test_what_has_to_be_answered_is_required() -> None:
    assert question("restore_redis", "restore_run", required=True)["required"] is True


def test_a_choice_has_the_choices_and_the_default_of_the_role() -> None:
    asked = question("flush_redis", "mode")
    assert (asked["type"], asked["choices"], asked["default"]) == ("multiplechoice", ["delete", "expire"], "delete")
    asked = question("flush_redis", "backup")
    assert (asked["type"], asked["choices"], asked["default"]) == ("multiplechoice", ["true", "false"], "true")


@pytest.mark.parametrize(
    ("playbook", "name", "kind"),
    [
        ("flush_redis", "rate_limit", "integer"),
        ("flush_redis", "timeout", "float"),
        ("flush_redis", "password", "password"),
        ("flush_redis", "caches", "text"),
        ("debug_pod", "capture", "textarea"),
        ("debug_pod", "collect", "text"),
        ("rotate_certs", "kubeconfig", "text"),
    ],
)
def test_other_types_have_no_default_that_would_beat_the_inventory(playbook: str, name: str, kind: str) -> None:
    asked = question(playbook, name)
    assert asked["type"] == kind
    assert not {"default", "choices"} & set(asked)


@pytest.mark.parametrize("role", ["flush_redis", "rotate_certs", "debug_pod"])
def test_no_explanation_has_markup_or_is_empty(role: str) -> None:
    names = [name.removeprefix(f"{role}_") for name in entry_points(role)["main"]["options"]]
    for asked in survey(role, [], names)["spec"]:
        assert asked["question_description"]
        assert not re.search(r"\b[A-Z]\(", asked["question_description"]), asked


def test_an_unknown_playbook_or_variable_is_one_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"no playbook 'flush_reddis'; allowed are .*flush_redis"):
        survey("flush_reddis", [], [])
    with pytest.raises(InvalidInput, match="has no variable flush_redis_nams; correct the question"):
        survey("flush_redis", [], ["nams"])
