# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that want one target, at an API server that refuses what was read too long ago."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError, render
from ansible_collections.market_intel.runbooks.plugins.module_utils._guard import guard as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._guard.policy import Policy, Request
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError, ApiUnavailable

START = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
CONTROL = "/api/v1/namespaces/runbooks/configmaps/runbooks-control"
STATE = "/api/v1/namespaces/runbooks/configmaps/runbooks-guard"
POLICY = Policy(("shop",), cooldown=600, window=3600, max_runs=2, max_targets=3)
TARGET = "shop/redis"


class Server:
    """Keeps objects by their path, with a resourceVersion each; several threads may be its clients."""

    def __init__(self) -> None:
        self.time = START
        self.dry_run = False
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []
        self.before_write: Callable[[str], None] = lambda _path: None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self.time

    def find(self, _what: str, path: str) -> dict[str, Any] | None:
        with self._lock:
            return copy.deepcopy(self.objects.get(path))

    def request(self, _what: str, method: str, path: str, *, body: dict[str, Any], **_others: Any) -> None:
        place = path if method == "PUT" else f"{path}/{body['metadata']['name']}"
        self.before_write(place)
        with self._lock:
            there = self.objects.get(place, {}).get("metadata", {}).get("resourceVersion")
            if there != body["metadata"].get("resourceVersion"):
                raise ApiError("the object has been modified", 409)
            stored = copy.deepcopy(body)
            stored["metadata"]["resourceVersion"] = str(int(there or 0) + 1)
            self.objects[place] = stored
            self.writes.append(place)

    def say(self, **data: str) -> None:
        self.objects[CONTROL] = {"metadata": {"resourceVersion": "1"}, "data": data}

    def kept(self, what: str) -> list[dict[str, Any]]:
        return list(json.loads(self.objects[STATE]["data"][what]))

    @property
    def lease(self) -> dict[str, Any]:
        lease = subject.lease_of("runbooks", TARGET)
        return dict(self.objects.get(lease.path, {}).get("spec", {}))


@pytest.fixture
def server() -> Server:
    return Server()


def request(number: int, server: Server, **more: Any) -> Request:
    given = {"target": TARGET, "namespace": "shop", "until": server.now() + timedelta(seconds=300), **more}
    return Request(f"run-{number}", "flush_redis", **given)


def enter(server: Any, number: int, **more: Any) -> subject.Outcome:
    return subject.enter(server, "runbooks", POLICY, request(number, server, **more), 300, "")


def leave(server: Any, number: int, outcome: str = "done") -> bool:
    return subject.leave(server, "runbooks", f"run-{number}", TARGET, outcome)


def test_a_run_takes_its_target_and_gives_it_back(server: Server) -> None:
    assert enter(server, 1, requester="eda").decision.allowed
    assert server.lease["holderIdentity"] == "run-1"
    assert server.lease["leaseDurationSeconds"] == 300
    assert leave(server, 1)
    assert server.lease["holderIdentity"] == ""
    (run,) = server.kept("runs")
    assert (run["run_id"], run["outcome"], run["finished"]) == ("run-1", "done", "2026-11-23T10:15:00Z")
    (decision,) = server.kept("decisions")
    assert (decision["rule"], decision["run_id"], decision["requester"]) == ("allowed", "run-1", "eda")
    assert not leave(server, 1)


def test_another_run_is_refused_meanwhile_and_until_it_has_cooled_down(server: Server) -> None:
    enter(server, 1)
    busy = enter(server, 2)
    assert (busy.decision.rule, busy.left) == ("busy", ())
    assert busy.decision.reason == "the run run-1 is at work on it, until 2026-11-23 10:20:00 UTC at the latest"
    assert server.lease["holderIdentity"] == "run-1"
    leave(server, 1)
    assert enter(server, 2).decision.rule == "cooldown"
    assert server.lease["holderIdentity"] == ""
    server.time += timedelta(seconds=601)
    assert enter(server, 2).decision.allowed
    assert [each["rule"] for each in server.kept("decisions")] == ["allowed", "busy", "cooldown", "allowed"]


def test_a_run_asks_again_at_each_step(server: Server) -> None:
    enter(server, 1)
    server.time += timedelta(seconds=200)
    assert enter(server, 1).decision.allowed
    assert server.lease["renewTime"] == "2026-11-23T10:18:20.000000Z"
    assert len(server.kept("runs")) == 1
    assert [each.get("times") for each in server.kept("decisions")] == [2]
    server.say(stop="true", reason="an audit")
    stopped = enter(server, 1)
    assert (stopped.decision.rule, stopped.decision.reason) == ("stopped", "all runbooks are stopped: an audit")
    # Nobody else begins until it has stopped.
    assert server.lease["holderIdentity"] == "run-1"
    assert leave(server, 1, "stopped")
    assert server.kept("runs")[0]["outcome"] == "stopped"


def test_a_dead_run_is_taken_over_and_named(server: Server) -> None:
    enter(server, 1)
    server.time += timedelta(seconds=601)
    outcome = enter(server, 2)
    assert (outcome.decision.allowed, outcome.taken_over) == (True, "run-1")
    assert [each.run_id for each in outcome.left] == ["run-1"]
    assert server.kept("runs")[0]["outcome"] == "lost"
    report = subject.guard_report([outcome], "runbooks", check_mode=False)
    assert [each.what for each in report.findings] == ["the run run-1 has not said how it ended"]


def test_of_two_that_race_for_a_target_one_acts(server: Server) -> None:
    outcomes = race(server, [TARGET] * 8)
    assert sorted(each.decision.rule for each in outcomes) == ["allowed"] + ["busy"] * 7
    assert len(server.kept("runs")) == 1
    assert sum(each.get("times", 1) for each in server.kept("decisions")) == 8


def test_of_many_that_race_for_different_targets_as_many_act_as_are_allowed(server: Server) -> None:
    outcomes = race(server, [f"shop/{number}" for number in range(8)])
    assert sorted(each.decision.rule for each in outcomes) == ["allowed"] * 3 + ["targets"] * 5
    assert len(server.kept("runs")) == 3
    leases = [each for path, each in server.objects.items() if "/leases/" in path]
    assert len([each for each in leases if each["spec"]["holderIdentity"]]) == 3


def race(server: Server, targets: list[str]) -> list[subject.Outcome]:
    """Have runs ask for targets at the same moment."""
    barrier = threading.Barrier(len(targets))
    outcomes: list[subject.Outcome] = []

    def one(number: int, target: str) -> None:
        barrier.wait(30)
        outcomes.append(enter(server, number, target=target))

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(targets)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len(outcomes) == len(targets)
    return outcomes


@pytest.mark.parametrize("stop", ["true", "yes", "perhaps", "1"])
def test_whoever_stops_the_runbooks_is_heard_until_the_last_moment(server: Server, stop: str) -> None:
    def say(path: str) -> None:
        if path == STATE:
            server.before_write = lambda _path: None
            server.say(stop=stop)
            # Somebody else has written it, so that the run has to look again.
            server.objects[STATE] = {"metadata": {"resourceVersion": "7"}}

    server.before_write = say
    outcome = enter(server, 1)
    assert outcome.decision.rule == "stopped"
    assert outcome.decision.reason == f"all runbooks are stopped: stop is '{stop}' in runbooks/runbooks-control"
    assert server.lease["holderIdentity"] == ""
    assert server.kept("runs") == []


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ({}, "allowed"),
        ({"stop": "false"}, "allowed"),
        ({"stop": " No "}, "allowed"),
        ({"maintenance": "# none\n\n2026-11-24T10:00:00Z/2026-11-24T11:00:00Z later"}, "allowed"),
        ({"maintenance": "2026-11-23T11:00:00+01:00/2026-11-23T12:00:00+01:00 new switches"}, "maintenance"),
        ({"maintenance": "2026-11-23"}, "stopped"),
        ({"maintenance": "2026-11-23T11:00:00Z/2026-11-23T10:00:00Z"}, "stopped"),
    ],
)
def test_what_people_say_is_read_and_what_is_not_understood_stops(
    server: Server, data: dict[str, str], rule: str
) -> None:
    server.say(**data)
    assert enter(server, 1).decision.rule == rule


def test_a_look_writes_nothing(server: Server) -> None:
    outcome = subject.judge(server, "runbooks", POLICY, request(1, server))  # type: ignore[arg-type]
    assert outcome.decision.allowed
    enter(server, 1)
    before = copy.deepcopy(server.objects)
    outcome = subject.judge(server, "runbooks", POLICY, request(2, server))  # type: ignore[arg-type]
    assert (outcome.decision.rule, server.objects) == ("busy", before)


@pytest.mark.parametrize("runs", ["{", "[1]", '[{"run_id": "x"}]', '[{"started": "yesterday"}]', "null"])
def test_a_state_that_is_not_ours_is_one_sentence_and_no_permission(server: Server, runs: str) -> None:
    server.objects[STATE] = {"metadata": {"resourceVersion": "1"}, "data": {"runs": runs}}
    with pytest.raises(
        RunbookError, match="The ConfigMap runbooks/runbooks-guard holds what the guard has not written"
    ):
        enter(server, 1)
    assert server.writes == []


def test_an_api_server_that_is_gone_is_no_permission(server: Server) -> None:
    def gone(path: str) -> None:
        if path == STATE:
            raise ApiUnavailable("The API server cannot be reached.")

    server.before_write = gone
    with pytest.raises(ApiUnavailable):
        enter(server, 1)
    assert server.lease["holderIdentity"] == ""


def test_a_run_that_was_never_allowed_has_nothing_to_end(server: Server) -> None:
    assert not leave(server, 1)
    assert server.writes == []


def test_a_refusal_is_a_finding_with_what_to_do(server: Server) -> None:
    server.say(stop="true", reason="an audit")
    outcome = enter(server, 1)
    (finding,) = subject.guard_report([outcome], "runbooks", check_mode=False).findings
    assert finding.severity == "critical"
    assert finding.what == "the guard refuses flush_redis: all runbooks are stopped: an audit"
    assert finding.next_step.endswith("and why, in the ConfigMap runbooks/runbooks-control")


BY_HAND = Policy(("shop",), cooldown=None)


def by_hand(server: Any, number: int, *targets: str) -> list[subject.Outcome]:
    requests = [request(number, server, target=target) for target in targets or (TARGET,)]
    return subject.enter_all(server, "runbooks", BY_HAND, requests, 3600, "")


def notes(server: Any) -> list[str]:
    before = copy.deepcopy(server.objects)
    found = subject.notes(server, "runbooks", [TARGET, "shop/other"])
    assert server.objects == before
    return [each.removeprefix("The guard in runbooks, which this run does not obey: ") for each in found]


def test_who_does_not_ask_is_told_what_there_is_to_know(server: Server) -> None:
    assert notes(server) == []
    enter(server, 1)
    enter(server, 2, target="shop/elsewhere")
    assert notes(server) == ["the run run-1 is at work on shop/redis, until 2026-11-23 10:20:00 UTC at the latest."]
    server.objects[subject.lease_of("runbooks", TARGET).path]["spec"]["leaseDurationSeconds"] = -1
    assert notes(server) == ["the run run-1 has not said how it ended on shop/redis."]
    leave(server, 1)
    rest = "which automation leaves alone until 2026-11-23 10:25:00 UTC"
    assert notes(server) == [f"the run run-1 was on shop/redis (done), {rest}."]
    server.say(stop="true", reason="an audit")
    assert notes(server)[0] == "all runbooks are stopped: an audit."
    server.time += timedelta(seconds=601)
    server.say(maintenance="2026-11-23T10:00:00Z/2026-11-23T11:00:00Z new switches")
    assert notes(server) == ["maintenance lasts until 2026-11-23 11:00:00 UTC: new switches."]


@pytest.mark.parametrize("path", [CONTROL, STATE])
def test_a_guard_that_cannot_be_read_is_no_note(server: Server, path: str) -> None:
    server.say(stop="true")
    server.objects[STATE] = {"data": {"runs": "["}}
    forbidden = server.find

    def find(what: str, place: str) -> dict[str, Any] | None:
        if place == path:
            raise ApiError("no", 403)
        return forbidden(what, place)

    server.find = find  # type: ignore[method-assign]
    assert notes(server) == []


def test_a_person_who_obeys_waits_for_automation_and_automation_for_the_person(server: Server) -> None:
    enter(server, 1)
    (busy,) = by_hand(server, 2)
    assert busy.decision.rule == "busy"
    leave(server, 1)
    (refused,) = by_hand(server, 2)
    said = render(str(subject.refusal(refused, "runbooks")), (), {"by_hand": "flush_redis_obey_guard"})
    assert said == (
        "The guard refuses flush_redis of shop/redis (the run run-1 was there; another may begin in 10 min); wait, or "
        "set flush_redis_obey_guard=false."
    )
    server.time += timedelta(seconds=601)
    (allowed,) = by_hand(server, 2)
    assert allowed.decision.allowed
    assert enter(server, 3).decision.rule == "busy"
    leave(server, 2)
    assert enter(server, 3).decision.rule == "cooldown"
    # A person does not wait for another one.
    assert by_hand(server, 4)[-1].decision.allowed


def test_a_run_acts_on_all_of_its_targets_or_on_none(server: Server) -> None:
    enter(server, 1, target="shop/b")
    outcomes = by_hand(server, 2, "shop/a", "shop/b", "shop/c")
    assert [each.decision.rule for each in outcomes] == ["allowed", "busy"]
    assert subject.decisive(outcomes).request.target == "shop/b"
    held = [each["spec"]["holderIdentity"] for path, each in server.objects.items() if "/leases/" in path]
    assert sorted(held) == ["", "run-1"]
    assert {each["target"]: each.get("outcome") for each in server.kept("runs")} == {
        "shop/a": "refused",
        "shop/b": None,
    }
    leave_b = subject.leave(server, "runbooks", "run-1", "shop/b", "done")  # type: ignore[arg-type]
    assert leave_b
    server.time += timedelta(seconds=601)
    assert [each.decision.allowed for each in by_hand(server, 3, "shop/a", "shop/b")] == [True, True]
