# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an alert to its runbook, with a real cluster and Redis; Prometheus and Alertmanager say what a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._time import rfc3339, utc_now
from support.alert_scene import ALERT, Scene
from support.alert_servers import HOOK, AlertServers, alert
from support.ansible import run_playbook
from support.lab import Lab
from support.patients import container, pod
from support.pods import Namespace
from support.servers import RedisServer

pytestmark = pytest.mark.lab
CANARIES = [
    "{{ lookup('pipe', 'touch canary') }}",
    "$(touch canary)",
    "a\nb",
    "`touch canary`",
    "x" * 100_000,
    "\u0430pi",
]


@pytest.fixture
def scene(lab: Lab, redis70: RedisServer, tmp_path: Path) -> Iterator[Scene]:
    with Namespace(lab) as place, AlertServers() as servers:
        yield Scene(lab, place, servers, redis70, tmp_path)


def test_the_runbook_runs_once_and_its_success_is_proven(scene: Scene) -> None:
    result = scene.respond()
    assert result.rc == 0, result.output
    assert scene.keys == 0, result.output
    report = scene.report(result)
    assert report["state"] == "done"
    claims = {proof["claim"]: proof["result"] for proof in report["proofs"]}
    assert claims["the service has recovered"] == claims["the alert no longer fires"] == "proven"
    assert "restore_redis" in report["undo"]["command"]
    assert [point[1] for series in report["series"] if series["name"] == "recovery" for point in series["points"]]
    assert report["details"]["guard"]["rule"] == "allowed"
    (silence,) = scene.servers.silences.values()
    assert {each["name"]: each["value"] for each in silence["matchers"]} == scene.labels
    assert scene.servers._shown(silence)["status"]["state"] == "expired"
    assert scene.kept("runs")[0]["outcome"] == "done"
    (told,) = scene.servers.told
    assert (told["state"], told["alert"]) == ("done", ALERT)
    assert told["report"].endswith(".json")

    scene.client.set("market:data:again", "x")
    again = scene.respond()
    assert again.rc == 0, again.output
    assert scene.keys == 1
    assert scene.report(again)["details"]["guard"]["rule"] == "cooldown"
    assert len(scene.servers.told) == 1
    # The flush has a report of its own, too.
    runs = {path.name.split("-", 1)[1][:-5] for path in (scene.folder / "reports").glob("2*")}
    assert runs == {"respond-to-alert", "flush-redis"}


def test_in_production_only_an_entry_that_says_so_acts(scene: Scene) -> None:
    result = scene.respond(runbooks_environment="production")
    assert (result.rc, scene.keys, scene.kept("runs")) == (0, 20, []), result.output
    scene.entry["production"] = True
    result = scene.respond(runbooks_environment="production")
    assert (result.rc, scene.keys) == (0, 0), result.output
    assert scene.report(result)["state"] == "done"


def test_a_proposal_is_a_command_and_changes_nothing(scene: Scene) -> None:
    scene.entry["mode"] = "suggest"
    result = scene.respond(alert_response_notify={"url": f"{scene.servers.url}{HOOK}", "format": "slack"})
    assert (result.rc, result.changed) == (0, 0), result.output
    assert (scene.keys, scene.servers.silences, scene.kept("runs")) == (20, {}, [])
    command = "ansible-playbook market_intel.runbooks.flush_redis -e "
    assert command in result.output
    assert command in scene.servers.told[0]["text"]


def test_check_mode_proposes_and_leaves_no_trace(scene: Scene) -> None:
    result = scene.respond(check=True)
    assert (result.rc, result.changed) == (0, 0), result.output
    assert (scene.keys, scene.servers.writes, scene.kept("decisions")) == (20, [], [])
    assert scene.report(result)["mode"] == "check"


def test_without_an_answer_nothing_is_done_and_a_person_is_told(scene: Scene) -> None:
    scene.servers.raw["/api/v1/query"] = (500, "garbage")
    result = scene.respond()
    assert result.rc == 2, result.output
    assert (scene.keys, scene.servers.silences, scene.kept("runs")) == (20, {}, [])
    assert "look at it yourself: ansible-playbook market_intel.runbooks.debug_pod" in result.output
    (told,) = scene.servers.told
    assert told["state"] == "failed"
    assert told["command"].startswith("ansible-playbook market_intel.runbooks.debug_pod ")


def test_what_did_not_help_is_handed_over(scene: Scene) -> None:
    scene.servers.samples[f'p99{{namespace="{scene.place.name}"}}'] = [({}, 0.9)]
    # The alert will begin in some minutes, so that the time to respond is not over before a run has begun.
    scene.servers.alerts[0]["startsAt"] = rfc3339(utc_now() + timedelta(minutes=5))
    scene.entry["respond_within"] = 3
    scene.servers.raw[HOOK] = (500, "no")
    result = scene.respond()
    assert result.rc == 2, result.output
    assert "flush_redis was done, but the service has not recovered (p99" in result.output
    assert "The webhook did not take the outcome" in result.output
    report = scene.report(result)
    assert (report["state"], scene.keys) == ("failed", 0)
    assert "restore_redis" in report["undo"]["command"]
    assert scene.kept("runs")[0]["outcome"] == "not recovered"
    (silence,) = scene.servers.silences.values()
    assert scene.servers._shown(silence)["status"]["state"] == "expired"


def test_a_runbook_that_fails_is_handed_over_and_leaves_nothing(scene: Scene) -> None:
    scene.entry["variables"]["flush_redis_max_keys"] = 1
    result = scene.respond()
    assert result.rc == 2, result.output
    assert "20 keys match, allowed are 1" in result.output
    report = scene.report(result)
    assert (report["runbook"], report["asked"]["alert"], scene.keys) == ("respond_to_alert", ALERT, 20)
    assert scene.kept("runs")[0]["outcome"] == "failed"
    (silence,) = scene.servers.silences.values()
    assert scene.servers._shown(silence)["status"]["state"] == "expired"
    assert len(scene.servers.told) == 1


def test_a_stop_is_obeyed(scene: Scene) -> None:
    control = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "runbooks-control"}}
    scene.place.apply({**control, "data": {"stop": "true", "reason": "an audit"}})
    result = scene.respond()
    assert result.rc == 2, result.output
    assert scene.keys == 20
    assert "all runbooks are stopped: an audit" in result.output
    assert [each["rule"] for each in scene.kept("decisions")] == ["stopped"]


def test_a_diagnosis_of_real_pods_may_follow_by_itself(scene: Scene) -> None:
    scene.place.apply(pod("web", container("exit 3")))
    entry = {
        "runbook": "debug_pod",
        "mode": "auto",
        "labels": ["namespace", "service"],
        "target": "$namespace/web",
        "variables": {"debug_pod_namespace": "$namespace", "debug_pod_targets": ["web"], "debug_pod_mode": "report"},
    }
    result = scene.respond(alert_response_map={ALERT: entry})
    assert result.rc == 0, result.output
    report = scene.report(result)
    assert any(finding["where"] == "web" for finding in report["findings"])
    assert scene.kept("runs")[0]["runbook"] == "debug_pod"


@pytest.mark.parametrize("canary", CANARIES, ids=lambda value: ascii(value)[:12])
def test_an_alert_with_something_else_in_it_is_refused(scene: Scene, canary: str) -> None:
    result = scene.respond(alert_response_labels={"namespace": canary})
    assert result.rc != 0
    assert not list(scene.folder.rglob("canary"))
    assert (scene.keys, scene.servers.requests) == (20, [])


def test_all_alerts_that_fire_are_assessed(scene: Scene) -> None:
    scene.servers.alerts.append(alert(**{**scene.labels, "namespace": CANARIES[0]}))
    variables = {name: value for name, value in scene.variables().items() if "response_n" not in name}
    del variables["alert_response_labels"]
    result = run_playbook("assess_alerts", variables, cwd=scene.folder)
    assert (result.rc, result.changed) == (0, 0), result.output
    report = scene.report(result)
    assert report["headline"] == "1 alert of the map fires"
    assert len(report["degraded"]) == 1
    assert scene.keys == 20
