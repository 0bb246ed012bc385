# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an alert to its runbook, with a real cluster and Redis; Prometheus and Alertmanager say what a test wants."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._time import rfc3339, utc_now
from support.alert_scene import ALERT, Scene
from support.alert_servers import HOOK, AlertServers, alert
from support.ansible import COLLECTIONS_PATH, run_playbook, start_playbook
from support.certs import ALWAYS_DUE, revision
from support.handshakes import issue
from support.lab import Lab
from support.patients import container, pod
from support.pods import Namespace
from support.processes import wait_until
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
    scene.say(stop="true", reason="an audit")
    result = scene.respond(alert_response_notify={"url": f"{scene.servers.url}{HOOK}", "format": "teams"})
    assert result.rc == 2, result.output
    (card,) = [attachment["content"] for attachment in scene.servers.told[0]["attachments"]]
    assert card["type"] == "AdaptiveCard"
    assert "all runbooks are stopped: an audit" in str(card["body"])
    assert scene.keys == 20
    assert "all runbooks are stopped: an audit" in result.output
    assert [each["rule"] for each in scene.kept("decisions")] == ["stopped"]


def test_a_stop_is_heard_by_a_step_that_is_at_work(scene: Scene) -> None:
    scene.client.mset({f"market:data:{number}": "x" for number in range(300)})
    scene.entry["variables"].update(flush_redis_rate_limit=10, flush_redis_batch_size=10)
    with start_playbook("respond_to_alert", scene.variables(), cwd=scene.folder) as running:
        wait_until(lambda: scene.keys < 300 or running.popen.poll() is not None, 120, "the first key to go")
        scene.say(stop="true", reason="an audit")
        result = running.wait(120)
    assert result.rc == 2, result.output
    assert 0 < scene.keys < 300, result.output
    stopped = result.by_action("redis_flush")[-1].result
    assert stopped["state"] == "interrupted"
    removed = 300 - scene.keys
    assert stopped["msg"] == (
        f"The flush was stopped by the guard (all runbooks are stopped: an audit) after {removed} keys; run the same "
        f"command again: it continues run {stopped['run_id']}."
    )
    report = scene.report(result)
    assert any(f"after {removed} keys" in line for line in report["summary"]), report["summary"]
    assert scene.kept("runs")[0]["outcome"] == "failed"
    by_hand = {name: value for name, value in scene.variables().items() if not name.startswith("alert_")}
    by_hand.update(flush_redis_patterns=["market:data:*"], flush_redis_max_share=1, flush_redis_skip_prompt=True)
    finished = run_playbook("flush_redis", by_hand, cwd=scene.folder)
    assert (finished.rc, scene.keys) == (0, 0), finished.output
    assert finished.by_action("redis_flush")[-1].result["run_id"] == stopped["run_id"]


def test_certificates_are_rotated_by_themselves_and_a_person_hears_of_it(scene: Scene) -> None:
    lab, place = scene.lab, scene.place
    issue(place, "web")
    scene.is_well = lambda: revision(lab, "web", place.name) > 1
    variables = {"rotate_certs_namespace": "$namespace", "rotate_certs_names": ["web"]}
    scene.entry.update(runbook="rotate_certs", target="$namespace/web-tls", variables=variables)
    certificates = {
        "rotate_certs_certificates": [{"name": "web", "secret_name": "web-tls", "cert_manager": True}],
        "rotate_certs_issued_before": ALWAYS_DUE,
        "rotate_certs_backup_encrypt": False,
        "rotate_certs_accept_ephemeral_storage": True,
    }
    result = scene.respond(**certificates)
    assert result.rc == 0, result.output
    report = scene.report(result)
    assert (report["state"], revision(lab, "web", place.name)) == ("done", 2)
    assert "web rotated" in [action["what"] for action in report["actions"]]
    assert "rollback_certs" in report["undo"]["command"]
    (run,) = scene.kept("runs")
    assert (run["runbook"], run["outcome"], run["cooldown"]) == ("rotate_certs", "done", 1800)
    # It does not meet what it has left there itself.
    assert "which this run does not obey" not in result.output

    by_hand = {name: value for name, value in scene.variables().items() if not name.startswith(("alert_", "flush_"))}
    by_hand.update(certificates, rotate_certs_namespace=place.name, rotate_certs_skip_prompt=True)
    noted = run_playbook("rotate_certs", by_hand, check=True, cwd=scene.folder)
    assert noted.rc == 0, noted.output
    was_there = f"the run {run['run_id']} was on {place.name}/web-tls (done), which automation leaves alone until "
    note = f"The guard in {place.name}, which this run does not obey: {was_there}"
    assert any(note in str(task.result) for task in noted.by_action("debug"))
    assert note in str(scene.report(noted)["plan"])
    refused = run_playbook("rotate_certs", {**by_hand, "runbooks_obey_guard": "yes"}, cwd=scene.folder)
    assert refused.rc == 2, refused.output
    assert f"The guard refuses rotate_certs of {run['target']} (the run {run['run_id']} was there; " in refused.output
    assert "wait, or set rotate_certs_obey_guard=false." in refused.output
    told = scene.report(refused)
    assert (told["state"], told["details"]["guard"]["rule"]) == ("refused", "cooldown")
    assert (revision(lab, "web", place.name), len(scene.kept("runs"))) == (2, 1)


def test_a_playbook_of_the_user_may_follow_by_itself(scene: Scene) -> None:
    mark = scene.folder / "mark"
    playbook = scene.folder / "collections" / "ansible_collections" / "acme" / "shop" / "playbooks" / "heal.yml"
    playbook.parent.mkdir(parents=True)
    task = {"ansible.builtin.copy": {"dest": "{{ shop_mark }}", "content": "{{ shop_service }}"}}
    play = {"hosts": "{{ runbooks_hosts }}", "connection": "local", "gather_facts": False, "tasks": [task]}
    playbook.write_text(json.dumps([play]))
    scene.is_well = mark.exists
    variables = {"shop_mark": str(mark), "shop_service": "$service"}
    scene.entry.update(runbook="acme.shop.heal", target="$namespace/$service", variables=variables)
    collections = f"{COLLECTIONS_PATH}:{scene.folder / 'collections'}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = scene.respond(env={"ANSIBLE_COLLECTIONS_PATH": collections, "PATH": path})
    assert result.rc == 0, result.output
    assert (mark.read_text(), scene.report(result)["state"]) == ("gateway", "done")
    (run,) = scene.kept("runs")
    assert (run["runbook"], run["outcome"]) == ("acme.shop.heal", "done")


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
