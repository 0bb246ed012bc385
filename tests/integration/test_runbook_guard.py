# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard at a real API server: of runs that race, those that may act, and what a person says to all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lab.place import NAMESPACE
from support.ansible import run_module, start_module
from support.audit import kubernetes_writes
from support.documented import commands, shape
from support.lab import Lab
from support.pods import Namespace

pytestmark = pytest.mark.lab
CONTROL = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "runbooks-control"}}


@pytest.fixture
def place(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as namespace:
        yield namespace


def arguments(place: Namespace, number: int, **more: Any) -> dict[str, Any]:
    return {
        "kubeconfig": str(place.lab.state / "kubeconfig"),
        "namespace": place.name,
        "namespaces": [place.name],
        "runbook": "flush_redis",
        "targets": ["shop/redis"],
        "run_id": f"20261123t101500z-respond-to-alert-{number:04x}",
        **more,
    }


def ask(place: Namespace, number: int, *, check: bool = False, **more: Any) -> dict[str, Any]:
    result = run_module("runbook_guard", arguments(place, number, **more), check=check)
    assert not result.get("failed"), result
    assert result["changed"] is False
    return result


def kept(place: Namespace, what: str) -> list[dict[str, Any]]:
    found = place.lab.get("configmap", "runbooks-guard", "-n", place.name)
    return list(json.loads(found["data"][what]))


def typed(place: Namespace, what: str) -> str:
    """Run a command of the pages in this namespace."""
    words = next(each.words for each in commands() if shape(each) == what)
    return place.kubectl(*(word.replace(NAMESPACE, place.name) for word in words[1:]))


def test_of_bastions_that_race_one_acts_and_a_person_stops_it(place: Namespace) -> None:
    with ExitStack() as stack:
        runs = [
            stack.enter_context(start_module("runbook_guard", arguments(place, number, requester=f"bastion-{number}")))
            for number in range(3)
        ]
        results = [each.wait().result for each in runs]
    assert sorted(each["rule"] for each in results) == ["allowed", "busy", "busy"]
    (winner,) = [number for number, each in enumerate(results) if each["allowed"]]
    (run,) = kept(place, "runs")
    assert run["run_id"] == results[winner]["run_id"]
    typed(place, "kubectl create configmap")
    stopped = ask(place, winner)
    assert (stopped["allowed"], stopped["rule"], stopped["hand_over"]) == (False, "stopped", True)
    assert stopped["reason"] == "all runbooks are stopped: an audit"
    assert ask(place, winner, state="absent", outcome="stopped")["released"] is True
    place.apply({**CONTROL, "data": {"stop": "false"}})
    assert ask(place, 7)["rule"] == "cooldown"
    assert ask(place, 7, cooldown=0)["allowed"] is True
    decisions = json.loads(typed(place, "kubectl get configmap"))
    assert [each["rule"] for each in decisions].count("allowed") == 2


def test_check_mode_decides_and_writes_nothing(place: Namespace) -> None:
    assert ask(place, 0xCAFE, check=True)["allowed"] is True
    assert ask(place, 0xCAFE, check=True, target_namespace="elsewhere")["rule"] == "namespace"
    log = place.lab.state / "audit" / "kubernetes.log"
    assert kubernetes_writes(log, arguments(place, 0xCAFE)["run_id"]) == []


def test_a_guard_that_cannot_be_asked_refuses_who_obeys(place: Namespace) -> None:
    about = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "runbooks-guard"}}
    place.apply({**about, "data": {"runs": "["}})
    failed = run_module("runbook_guard", arguments(place, 1, by_hand=True))
    assert (failed["failed"], failed["state"]) == (True, "refused")
    assert failed["msg"].startswith(f"The guard in the namespace {place.name} cannot be asked (The ConfigMap ")
    assert failed["msg"].endswith("; give this login its rights, or set by_hand=false.")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"cooldown": -1}, "cooldown is -1; allowed are 0 to 604800 s."),
        (
            {"max_percent": 10},
            "max_percent is not between 0 and 100, or given without total; give both, or neither.",
        ),
    ],
)
def test_a_wrong_option_is_one_sentence(place: Namespace, given: dict[str, Any], sentence: str) -> None:
    failed = run_module("runbook_guard", arguments(place, 1, **given))
    assert failed["failed"]
    assert failed["msg"].startswith(sentence)
