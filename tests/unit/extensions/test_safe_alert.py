# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the filter of EDA lets through: nothing that a template, a shell or a person could take for something else."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts import labels
from support.alert_servers import HOSTILE

ROOT = Path(__file__).resolve().parents[3]
FILTER = runpy.run_path(str(ROOT / "extensions" / "eda" / "plugins" / "event_filter" / "safe_alert.py"))
CANARIES = [*HOSTILE, 5, ["a"], {"a": "b"}]
EACH = pytest.mark.parametrize("canary", CANARIES, ids=lambda value: ascii(value)[:20])


def alert(**changes: Any) -> dict[str, Any]:
    found = {
        "status": "firing",
        "labels": {"alertname": "APIGatewayHighLatency", "namespace": "shop", "pod": "a"},
        "annotations": {"summary": "{{ 7 }}"},
        "startsAt": "2026-11-23T10:15:00Z",
        "generatorURL": "http://{{ 7 }}",
        "fingerprint": "1f6e3bd8a3f5c1d2",
    }
    return {**found, **changes}


def through(*alerts: Any, **options: Any) -> list[dict[str, Any]]:
    event = {"payload": {"alerts": list(alerts), "groupKey": "{{ 7 }}"}, "meta": {"headers": {"X": "{{ 7 }}"}}}
    found = FILTER["main"](event, **options)
    assert set(found) == {"payload"} and set(found["payload"]) == {"alerts"}
    return list(found["payload"]["alerts"])


def test_only_what_is_allowed_goes_through() -> None:
    assert through(alert()) == [
        {
            "status": "firing",
            "labels": {"alertname": "APIGatewayHighLatency", "namespace": "shop"},
            "fingerprint": "1f6e3bd8a3f5c1d2",
        }
    ]


@EACH
def test_an_allowed_label_with_something_else_in_it_refuses_the_alert(canary: Any) -> None:
    bad = alert(labels={"alertname": "X", "namespace": canary})
    assert through(bad, alert())[0] == {"refused": "its label namespace holds what is not allowed"}
    assert "labels" in through(bad, alert())[1]
    assert through(alert(labels={"alertname": canary}))[0] == {
        "refused": "its label alertname holds what is not allowed"
    }


@EACH
def test_nothing_else_of_an_alert_goes_through(canary: Any) -> None:
    labels_found = {"alertname": "X", "pod": canary, str(canary)[:50]: "a"}
    everything = alert(labels=labels_found, annotations=canary, fingerprint=canary, startsAt=canary, more=canary)
    assert through(everything) == [{"status": "firing", "labels": {"alertname": "X"}, "fingerprint": ""}]


@EACH
def test_what_is_no_alert_is_refused(canary: Any) -> None:
    for event in ({"payload": canary}, {"payload": {"alerts": canary}}, {"payload": {}}, {}):
        (found,) = FILTER["main"](event)["payload"]["alerts"]
        assert set(found) == {"refused"}
    assert through(canary) == [{"refused": "it has no labels"}]
    assert through(alert(labels=canary))[0]["refused"]
    assert through(alert(status=canary)) == [{"refused": "its status is neither firing nor resolved"}]
    assert through(alert(labels={})) == [{"refused": "it has no alertname"}]


def test_there_is_a_bound() -> None:
    assert through(*[alert()] * 1001) == [{"refused": "it is no list of at most 1000 alerts"}]


def test_a_form_of_ones_own_may_allow_less_and_not_more() -> None:
    wanted = {"alertname": "", "namespace": "shop-[a-z]+"}
    assert through(alert(), labels=wanted) == [{"refused": "its label namespace holds what is not allowed"}]
    good = alert(labels={"alertname": "X", "namespace": "shop-eu"})
    assert through(good, labels=wanted)[0]["labels"] == {"alertname": "X", "namespace": "shop-eu"}
    bad = alert(labels={"alertname": "X", "namespace": "{{ 7 }}"})
    assert "refused" in through(bad, labels={"alertname": "", "namespace": ".*"})[0]


def test_the_filter_is_in_step_with_what_the_runbook_takes() -> None:
    assert (FILTER["NAME"].pattern, FILTER["VALUE"].pattern) == (labels.NAME.pattern, labels.VALUE.pattern)
    assert yaml.safe_load(FILTER["DOCUMENTATION"])["options"]["labels"]["default"] == FILTER["LABELS"]


RULEBOOKS = sorted((ROOT / "extensions" / "eda" / "rulebooks").glob("*.yml"))


@pytest.mark.parametrize("path", RULEBOOKS, ids=lambda path: str(path.stem))
def test_a_rulebook_hands_on_only_what_the_filter_has_let_through(path: Path) -> None:
    (ruleset,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    (source,) = ruleset["sources"]
    assert [name for each in source["filters"] for name in each] == [
        "market_intel.runbooks.safe_alert",
        "eda.builtin.event_splitter",
    ]
    assert "token" in source["eda.builtin.webhook"]
    respond, record = ruleset["rules"]
    (action,) = respond["action"].values()
    variables = action.get("extra_vars") or action["job_args"]["extra_vars"]
    used = json.dumps(respond["action"]) + json.dumps(record["action"])
    for name in ("annotations", "payload", "meta", "startsAt"):
        assert name not in used
    assert {"alert_response_name", "alert_response_labels", "alert_response_fingerprint"} <= set(variables)
    assert respond["throttle"]["group_by_attributes"]
