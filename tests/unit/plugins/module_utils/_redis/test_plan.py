# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a flush, and each guard that may refuse it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils import _confirm
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import plan as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import CachePattern
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import ServerInfo

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
SERVER = ServerInfo("Redis", "7.2.4", (7, 2, 4), "a1", "primary", "standalone", 0, "redis://cache:6379/0")
REQUEST = subject.FlushRequest((CachePattern(pattern="market:data:*", name="market", backup=True),))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=NOW)
    monkeypatch.setattr(_confirm, "utc_now", lambda: clock.now)
    return clock


def counted(matched: int, total: int, sized: int = 0, sized_bytes: int = 0) -> subject.NodeCount:
    patterns = [subject.PatternPlan("market:data:*", "market", True, matched, matched)]
    return subject.NodeCount(total, patterns, [f"market:data:{matched}"], sized, sized_bytes)


def plan_of(request: subject.FlushRequest = REQUEST, server: ServerInfo = SERVER, **nodes: Any) -> subject.FlushPlan:
    deployment: Any = SimpleNamespace(server=server, topology="standalone")
    return subject.make_plan(deployment, request, nodes or {"a": counted(100, 1000)})


def test_a_plan_adds_up_what_was_counted_on_each_node() -> None:
    plan = plan_of(a=counted(100, 1000, sized=4, sized_bytes=400), b=counted(50, 500, sized=1, sized_bytes=100))
    assert (plan.matched, plan.to_change, plan.database_keys) == (150, 150, 1500)
    assert plan.estimated_bytes == 150 * 100, "the mean of those that were measured"
    assert [(node["url"], node["matched"]) for node in plan.nodes] == [("a", 100), ("b", 50)]
    assert plan.sample == ["market:data:100", "market:data:50"]
    assert plan_of(a=counted(0, 10)).estimated_bytes == 0


@pytest.mark.parametrize(
    ("ttl", "needed"), [(-1, True), (-2, False), (300_000, False), (300_001, True)], ids=["ever", "gone", "at", "above"]
)
def test_a_key_needs_a_shorter_life_beyond_the_window_only(ttl: int, needed: bool) -> None:
    assert subject.needs_expiry(ttl, 300_000) is needed


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"batch_size": 9}, InvalidInput, r"O\(batch_size\) is 9; allowed is 10 to 10000"),
        ({"max_share": 1.5}, InvalidInput, r"O\(max_share\) is 1.5; allowed is 0 to 1"),
        ({"patterns": ()}, InvalidInput, "nothing to flush"),
        ({"patterns": (CachePattern(pattern="m*"),)}, Refused, "too broad: it begins with 1 literal characters"),
        ({"patterns": (CachePattern(pattern="user:sessions:*"),)}, Refused, "names 'session', which is usually no"),
    ],
)
def test_a_request_is_refused_before_a_server_is_asked(
    changes: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        subject.check_request(replace(REQUEST, **changes))


def test_what_an_operator_has_lifted_is_allowed() -> None:
    subject.check_request(replace(REQUEST, patterns=(CachePattern(pattern="m*"),), allow_broad=True))
    sessions = (CachePattern(pattern="user:sessions:*"),)
    subject.check_request(replace(REQUEST, patterns=sessions, allow_sensitive=("session",)))


def test_a_plan_that_is_larger_than_allowed_is_refused() -> None:
    with pytest.raises(Refused, match="100 keys match, allowed are 99"):
        subject.check_plan(replace(REQUEST, max_keys=99), plan_of(), confirm_needed=False)
    most = plan_of(a=counted(1001, 2000))
    with pytest.raises(Refused, match="50% of the database"):
        subject.check_plan(REQUEST, most, confirm_needed=False)
    subject.check_plan(replace(REQUEST, allow_broad=True), most, confirm_needed=False)
    subject.check_plan(REQUEST, plan_of(a=counted(1000, 1000)), confirm_needed=False)


def test_production_demands_the_hash_of_this_plan(clock: SimpleNamespace) -> None:
    production = replace(REQUEST, environment="Production")
    plan = plan_of(production)
    with pytest.raises(Refused, match=rf"O\(confirm\)={plan.confirm}"):
        subject.check_plan(production, plan, confirm_needed=True)
    subject.check_plan(production, plan, confirm_needed=False)
    subject.check_plan(production, plan_of(production, a=counted(0, 1000)), confirm_needed=True)

    confirmed = replace(production, confirm=plan.confirm)
    subject.check_plan(confirmed, plan, confirm_needed=True)
    with pytest.raises(Refused, match="121 keys match, 100 were planned then"):
        subject.check_plan(confirmed, plan_of(production, a=counted(121, 1000)), confirm_needed=True)
    with pytest.raises(Refused, match="for another plan"):
        subject.check_plan(replace(confirmed, mode="expire"), plan, confirm_needed=True)
    restarted = plan_of(production, replace(SERVER, run_id="b2"))
    with pytest.raises(Refused, match="for another plan"):
        subject.check_plan(confirmed, restarted, confirm_needed=True)
    clock.now = NOW + timedelta(minutes=31)
    with pytest.raises(Refused, match="0:31:00 old, it is valid for 0:30:00"):
        subject.check_plan(confirmed, plan, confirm_needed=True)


@pytest.mark.parametrize("confirm", ["yes", "0123456789abcdef-100-2026-11-23"])
def test_a_confirmation_in_another_form_is_a_mistake(confirm: str) -> None:
    production = replace(REQUEST, environment="production", confirm=confirm)
    with pytest.raises(InvalidInput, match="has not the form of a plan's hash"):
        subject.check_plan(production, plan_of(production), confirm_needed=True)


def test_the_same_command_is_known_again_after_a_restart_of_the_server() -> None:
    restarted = replace(SERVER, run_id="b2")
    assert REQUEST.fingerprint(SERVER) == REQUEST.fingerprint(restarted)
    assert REQUEST.confirmed(SERVER) != REQUEST.confirmed(restarted)
    assert REQUEST.fingerprint(SERVER) != REQUEST.fingerprint(replace(SERVER, database=1))
    others = (*REQUEST.patterns, CachePattern(pattern="rest:*"))
    turned = replace(REQUEST, patterns=tuple(reversed(others)))
    assert replace(REQUEST, patterns=others).fingerprint(SERVER) == turned.fingerprint(SERVER)


@pytest.mark.parametrize(("given", "refused"), [("", False), ("a1", False), ("c3", True)])
def test_another_server_than_the_expected_one_is_refused(given: str, refused: bool) -> None:
    deployment: Any = SimpleNamespace(server=SERVER, sessions=[SimpleNamespace(server=SERVER)])
    request = replace(REQUEST, expected_run_id=given)
    if not refused:
        subject.check_server(request, deployment)
        return
    with pytest.raises(Refused, match="has the run id a1, expected was c3"):
        subject.check_server(request, deployment)


def test_a_replica_is_refused_and_its_primary_named() -> None:
    replica = replace(SERVER, role="replica", primary="redis://other:6379")
    deployment: Any = SimpleNamespace(server=replica, sessions=[SimpleNamespace(server=replica)])
    with pytest.raises(Refused, match="use its primary, redis://other:6379"):
        subject.check_server(REQUEST, deployment)
