# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rule refuses a run, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._guard import policy as subject

NOW = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
POLICY = subject.Policy(("shop",), cooldown=600, window=3600, max_runs=2, max_targets=3)
REQUEST = subject.Request("run-9", "flush_redis", "shop/redis", "shop", NOW + timedelta(minutes=10), total=10)


def run(number: int, minutes_ago: float, **more: Any) -> subject.Run:
    """Return a run that began so long ago and took a minute."""
    started = NOW - timedelta(minutes=minutes_ago)
    minute = timedelta(minutes=1)
    return replace(
        subject.Run(f"run-{number}", "flush_redis", "shop/redis", started, started + minute, started + minute, "done"),
        **more,
    )


def decide(runs: Any = (), control: Any = None, busy: str = "", policy: Any = None, **request: Any) -> subject.Decision:
    asked = replace(REQUEST, **request)
    return subject.decide(policy or POLICY, asked, control or subject.Control(), runs, NOW, busy)


def window(start: float, end: float) -> subject.Control:
    at = [NOW + timedelta(minutes=each) for each in (start, end)]
    return subject.Control(maintenance=(subject.Window(at[0], at[1], "new switches"),))


@pytest.mark.parametrize(
    ("given", "rule", "reason", "hand_over"),
    [
        ({"control": subject.Control("an audit")}, "stopped", "all runbooks are stopped: an audit", True),
        (
            {"control": window(-1, 1)},
            "maintenance",
            "maintenance lasts until 2026-11-23 10:16:00 UTC: new switches",
            False,
        ),
        ({"namespace": "bank"}, "namespace", "the namespace bank is not allowed (allowed: shop)", False),
        (
            {"policy": replace(POLICY, namespaces=())},
            "namespace",
            "the namespace shop is not allowed (allowed: none)",
            False,
        ),
        ({"deadline": NOW - timedelta(minutes=3)}, "late", "the time to respond ended 3 min ago", True),
        ({"busy": "the run run-1 is at work on it"}, "busy", "the run run-1 is at work on it", False),
        ({"runs": [run(1, 8)]}, "cooldown", "the run run-1 was there; another may begin in 3 min", False),
        (
            {"runs": [run(1, 50), run(2, 20)]},
            "rate",
            "2 runs within 60 min did not help (allowed: 2); a person has to look",
            True,
        ),
        (
            {"runs": [run(each, 20, target=f"shop/{each}") for each in range(3)]},
            "targets",
            "this would be target number 4 within 60 min (allowed: 3)",
            True,
        ),
        (
            {"runs": [run(1, 20, target="shop/1")], "policy": replace(POLICY, max_percent=10)},
            "share",
            "this would be 2 of 10 targets within 60 min (allowed: 10 %)",
            True,
        ),
    ],
    ids=subject.RULES[:3] + ("none",) + subject.RULES[3:],
)
def test_a_rule_refuses(given: dict[str, Any], rule: str, reason: str, hand_over: bool) -> None:
    decision = decide(**given)
    assert (decision.allowed, decision.rule, decision.reason) == (False, rule, reason)
    assert decision.hand_over is hand_over


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"control": window(1, 2)},
        {"control": window(-2, 0)},
        {"deadline": NOW},
        {"runs": [run(1, 20)]},
        {"runs": [run(1, 80), run(2, 70), run(3, 20)]},
        {"runs": [run(1, 1, target="shop/other", runbook="rotate_certs")]},
        {"runs": [run(1, 20, runbook="rotate_certs"), run(2, 30, runbook="rotate_certs")]},
        {"runs": [run(each, 20, target=f"shop/{each}") for each in range(2)]},
        {"runs": [run(each, 20) for each in range(20)], "policy": subject.Policy(("shop",), window=3600)},
    ],
)
def test_nothing_speaks_against_it(given: dict[str, Any]) -> None:
    assert decide(**given).allowed


def test_a_run_that_is_under_way_is_judged_by_what_people_say_and_not_counted_again() -> None:
    mine = run(9, 20, until=NOW + timedelta(minutes=1), finished=None, outcome="")
    crowded = [mine, *(run(each, 20, target=f"shop/{each}") for each in range(5)), run(7, 1)]
    assert decide(crowded, deadline=NOW - timedelta(minutes=1)).allowed
    assert decide(crowded, subject.Control("an audit")).rule == "stopped"
    assert decide(crowded, busy="another has taken it over").rule == "busy"


def test_a_run_that_was_lost_counts_from_its_start() -> None:
    lost = run(1, 5, until=NOW + timedelta(minutes=30), finished=None, outcome="")
    assert decide([lost]).rule == "cooldown"
    assert decide([replace(lost, started=NOW - timedelta(minutes=11))]).allowed


def test_a_run_begins_once_and_ends_once() -> None:
    runs = subject.begin([run(1, 20)], REQUEST, NOW, 600)
    later = NOW + timedelta(minutes=5)
    again = subject.begin(runs, replace(REQUEST, until=later), later, 600)
    assert [(each.run_id, each.started, each.until) for each in again[1:]] == [("run-9", NOW, later)]
    ended = subject.finish(again, "run-9", "shop/redis", "done", later)
    assert (ended[1].finished, ended[1].outcome) == (later, "done")
    assert subject.finish(ended, "run-9", "shop/redis", "failed", NOW) == ended


def test_equal_refusals_are_one_entry_and_the_record_is_bounded() -> None:
    entries: tuple[subject.Entry, ...] = ()
    for number in range(500):
        request = replace(REQUEST, run_id=f"run-{number}", target=f"shop/{number % 50}")
        decision = subject.Decision("cooldown", f"wait {number}", NOW + timedelta(seconds=number))
        entries = subject.record(entries, request, decision, 200)
    assert len(entries) == 50
    last = entries[-1]
    assert (last.target, last.times, last.reason, last.run_id) == ("shop/49", 10, "wait 499", "")
    assert (last.first, last.last) == (NOW + timedelta(seconds=49), NOW + timedelta(seconds=499))
    for number in range(500):
        decision = subject.Decision(subject.ALLOWED, "go", NOW)
        entries = subject.record(entries, replace(REQUEST, run_id=f"run-{number}"), decision, 200)
    assert [each.run_id for each in entries] == [f"run-{number}" for number in range(300, 500)]
