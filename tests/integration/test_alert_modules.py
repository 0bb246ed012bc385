# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for alerts at the real Prometheus and Alertmanager of the lab."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from support.ansible import run_module
from support.lab import Lab
from support.processes import wait_until

pytestmark = pytest.mark.lab


class Place:
    """A place for alerts of the test's own: the label `namespace`."""

    def __init__(self, lab: Lab) -> None:
        found = lab.variables()
        self.prometheus, self.alertmanager = found["PROMETHEUS_URL"], found["ALERTMANAGER_URL"]
        self.labels = {"alertname": "APIGatewayHighLatency", "namespace": f"alerts-{uuid.uuid4().hex[:8]}"}
        self.matchers = [{"name": name, "value": value} for name, value in self.labels.items()]

    def fire(self, **more: str) -> None:
        """Have an alert fire for a minute."""
        ends_at = (datetime.now(timezone.utc) + timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = json.dumps([{"labels": {**self.labels, **more}, "endsAt": ends_at}]).encode()
        request = urllib.request.Request(
            f"{self.alertmanager}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            assert reply.status == 200

    def alerts(self) -> dict[str, Any]:
        return run_module("alertmanager_alert_info", {"url": self.alertmanager, "matchers": self.matchers})

    def silence(self, *, check: bool = False, **more: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"url": self.alertmanager, "matchers": self.matchers, "created_by": "sre-runbook/test"}
        return run_module("alertmanager_silence", {**given, "comment": "a test", **more}, check=check)


@pytest.fixture
def place(lab: Lab) -> Place:
    return Place(lab)


def queried(place: Place, **query: Any) -> Mapping[str, Any]:
    found = run_module("prometheus_query_info", {"url": place.prometheus, "queries": [query]})
    assert not found.get("failed"), found
    return dict(found["queries"][0])


def test_a_query_says_what_follows_from_it(place: Place) -> None:
    query = {"query": 'up{job="core-engine"}', "comparison": "<", "threshold": 1, "name": "targets that are down"}
    up: dict[str, Any] = {}

    def is_up() -> bool:
        up.update(queried(place, **query))
        return bool(up["value"] == 1)

    # Other tests restart it.
    wait_until(is_up, 120, "core-engine to be up", 1.0)
    assert (up["status"], up["holds"], up["evidence"]) == ("complete", False, "targets that are down: 1, not < 1")
    gone = queried(place, query='up{job="nothing"}', comparison="<", threshold=1)
    assert (gone["status"], gone["holds"], gone["value"]) == ("empty", None, None)
    lost = queried(place, query="sum(up)", based_on='up{job="nothing"}', comparison=">", threshold=0)
    assert (lost["status"], lost["holds"]) == ("stale", None)
    no_number = queried(place, query="sum(up) * NaN", comparison=">", threshold=0)
    assert (no_number["status"], no_number["holds"], no_number["value"]) == ("complete", None, None)


def test_a_query_that_is_wrong_is_one_sentence(place: Place) -> None:
    failed = run_module("prometheus_query_info", {"url": place.prometheus, "queries": [{"query": "sum(up"}]})
    assert failed["failed"]
    assert failed["msg"].startswith(f"Prometheus at {place.prometheus} does not understand the query 'sum(up' (")


def test_an_alert_is_silenced_once_and_heard_again(place: Place) -> None:
    place.fire()
    (alert,) = place.alerts()["alerts"]
    assert (alert["labels"], alert["state"], alert["silenced_by"]) == (place.labels, "active", [])
    planned = place.silence(check=True)
    assert (planned["changed"], planned["change"], planned["silence"]) == (True, "create", {})
    made = place.silence()
    assert (made["changed"], made["silence"]["state"]) == (True, "active")
    assert place.alerts()["alerts"][0]["silenced_by"] == [made["silence"]["id"]]
    again = place.silence()
    assert (again["changed"], again["silence"]) == (False, made["silence"])
    longer = place.silence(duration=36_000)
    assert (longer["changed"], longer["change"], longer["silence"]["id"]) == (True, "extend", made["silence"]["id"])
    assert place.silence(state="absent", check=True)["change"] == "expire"
    assert place.alerts()["alerts"][0]["silenced_by"] == [made["silence"]["id"]]
    assert place.silence(state="absent")["silence"]["state"] == "expired"
    assert place.silence(state="absent")["changed"] is False
    assert place.alerts()["alerts"][0]["silenced_by"] == []


def test_labels_are_never_a_part_of_a_filter(place: Place) -> None:
    nasty = '"} or {x="\\\n'
    place.fire(pod=nasty)
    place.matchers.append({"name": "pod", "value": nasty})
    assert [each["labels"]["pod"] for each in place.alerts()["alerts"]] == [nasty]
    made = place.silence(duration=60)
    assert place.silence(duration=60)["silence"] == made["silence"]
    assert place.silence(state="absent")["change"] == "expire"
