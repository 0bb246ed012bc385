# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the parts that the steps of a run say."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._confirm import check_answer
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._report import render_html, render_json
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.merge import (
    Run,
    merge,
    read_failure,
    read_steps,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import Cluster, Operator, Report
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.wording import summary_lines
from support.report import assert_valid

RUN_ID = "20261123t101500z-rotate-certs-7f3a"
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
PLANNED = {"run_id": RUN_ID, "state": "planned", "plan": {"summary": ["web: to be rotated"]}, "summary": ["1 is due"]}
ROTATED = {
    "run_id": RUN_ID,
    "state": "done",
    "actions": [{"what": "web rotated", "changed": True}],
    "figures": [{"name": "web: days left", "before": 2, "after": 90}],
    "undo": {"command": "ansible-playbook rollback"},
    "summary": ["1 certificate rotated"],
}
STALE = {"claim": "every pod of deployment/web serves web", "result": "failed"}


def merged(
    *reports: dict[str, Any], failure: dict[str, Any] | None = None, state: str = "", mode: str = "run", **run: Any
) -> Report:
    who = {"runbook": "rotate_certs", "operator": Operator(), "cluster": Cluster("eu", "https://eu:6443", "0b1c")}
    about = Run(host="eu-1", mode=mode, finished=NOON, **{**who, **run})
    report = merge(about, read_steps({"report": each} for each in reports), read_failure(failure or {}), state)
    assert_valid(json.loads(render_json.render(report)))
    return report


def headline(report: Report) -> str:
    return summary_lines(report, "/r")[0]


def test_steps_that_said_nothing_are_passed_over() -> None:
    results = [{}, None, {"skipped": True, "report": PLANNED}, {"report": {}}, {"changed": False}, {"report": ROTATED}]
    assert [step.state for step in read_steps(results)] == ["done"]


def test_each_part_comes_from_the_step_that_knows_it_best() -> None:
    proof = {"claim": "the canary serves it", "result": "unknown"}
    report = merged(
        {**PLANNED, "asked": {"names": ["web"]}, "degraded": ["slow"], "details": {"certificates": [1]}},
        {**ROTATED, "asked": {"names": []}, "proofs": [proof], "degraded": ["slow", "old"]},
        {
            "actions": [{"what": "restarted"}],
            "proofs": [{**proof, "result": "proven"}],
            "details": {"workloads": [2]},
            "figures": [{"name": "web: days left", "before": 5, "after": 91}],
        },
    )
    assert (report.run_id, report.state, report.asked) == (RUN_ID, "done", {"names": ["web"]})
    assert [action.what for action in report.actions] == ["web rotated", "restarted"]
    assert [proof.result for proof in report.proofs] == ["proven"]
    assert [(figure.before, figure.after) for figure in report.figures] == [(2, 91)]
    assert report.degraded == ("slow", "old")
    assert report.details == {"certificates": [1], "workloads": [2]}
    assert report.summary == ("1 certificate rotated",)
    assert report.plan and report.plan.summary == ("web: to be rotated",)
    assert report.undo and report.undo.command == "ansible-playbook rollback"
    assert "cluster: eu (https://eu:6443) uid 0b1c" in summary_lines(report, "/r")


def test_a_plan_that_nobody_carried_out_is_no_plan_any_more() -> None:
    report = merged(PLANNED, {"backup": {"path": "/b"}})
    assert report.state == "failed"
    assert headline(report).startswith("FAILED: Rotate certificates on eu-1")
    assert headline(report).endswith("nothing of the plan was done")
    assert "something else has changed it since the plan was made" in report.summary[0]
    assert '<div class="banner failed">' in render_html.render(report)


def test_what_a_step_says_of_a_good_end_is_not_said_of_a_bad_one() -> None:
    unproven = {"headline": "nothing was proven by a handshake, as no pod and no endpoint serves it"}
    assert headline(merged(PLANNED, ROTATED, unproven)).endswith(unproven["headline"])
    for state in ("failed", "rolled_back", "interrupted"):
        assert unproven["headline"] not in headline(merged(PLANNED, ROTATED, unproven, state=state))


@pytest.mark.parametrize(
    ("more", "ended"),
    [
        ({}, "a step failed, and everything is as it was before"),
        ({"proofs": [{**STALE, "result": "unknown"}]}, "its changes were put back; 1 of 1 proof unknown"),
        ({"degraded": ["the canary was not looked at"]}, "its changes were put back; 1 degradation"),
    ],
    ids=["proven", "unknown", "degraded"],
)
def test_what_was_put_back_is_as_before_only_where_that_is_proven(more: dict[str, Any], ended: str) -> None:
    assert headline(merged(PLANNED, ROTATED, more, failure={"msg": "Stale."}, state="rolled_back")).endswith(ended)


def test_a_plan_of_which_nothing_was_left_is_not_done() -> None:
    report = merged(PLANNED, {"state": "unchanged"})
    assert report.state == "unchanged"
    assert "nothing of the plan was left to do" in headline(report)


def test_a_check_is_planned() -> None:
    report = merged(PLANNED, mode="check")
    assert report.state == "planned"
    assert headline(report).endswith("nothing was changed; this is what a run would do")


def test_what_only_reads_is_never_planned() -> None:
    found = {"state": "planned", "headline": "2 sessions found (2 expired)"}
    report = merged(found, runbook="list_debug_pods")
    assert (report.state, report.headline) == ("unchanged", "2 sessions found (2 expired)")
    assert headline(report).startswith("DONE: List debug sessions on eu-1")


@pytest.mark.parametrize(
    ("steps", "failure", "state", "ended"),
    [
        ([PLANNED], {"state": "refused", "msg": "No right."}, "", "refused"),
        ([PLANNED, ROTATED], {"state": "refused", "msg": "The rollout is paused."}, "", "failed"),
        ([PLANNED, ROTATED], {"msg": "No hosts."}, "", "failed"),
        ([PLANNED, ROTATED], {"msg": "x", "state": "present"}, "", "failed"),
        ([PLANNED], {"msg": "MODULE FAILURE", "module_stdout": "", "rc": 137}, "", "interrupted"),
        ([PLANNED], {"msg": "MODULE FAILURE", "module_stdout": "", "rc": -9}, "", "interrupted"),
        ([PLANNED], {"msg": "MODULE FAILURE", "module_stdout": "", "rc": 1}, "", "failed"),
        ([PLANNED], {}, "interrupted", "interrupted"),
        ([PLANNED, ROTATED, {"proofs": [STALE]}], {"state": "failed", "msg": "Stale."}, "rolled_back", "failed"),
        (
            [PLANNED, ROTATED, {"proofs": [STALE]}, {"proofs": [{**STALE, "result": "proven"}]}],
            {"state": "failed", "msg": "Stale."},
            "rolled_back",
            "rolled_back",
        ),
    ],
)
def test_how_a_run_ended(steps: list[dict[str, Any]], failure: dict[str, Any], state: str, ended: str) -> None:
    assert merged(*steps, failure=failure, state=state).state == ended


def test_a_failure_is_told_once_and_first() -> None:
    said = {**ROTATED, "state": "failed", "summary": ["Stale.", "1 certificate rotated"], "degraded": ["Stale"]}
    failure = {"state": "failed", "msg": "Stale.", "report": said}
    for steps in ((PLANNED,), (PLANNED, said)):
        report = merged(*steps, failure=failure)
        assert report.summary == ("Stale.", "1 certificate rotated")
        assert len(report.actions) == 1
        assert report.degraded == ()
        assert headline(report).endswith("it ended with an error")


def test_an_undo_is_told_only_where_something_is_to_be_undone() -> None:
    unchanged = {**ROTATED, "actions": []}
    assert merged(ROTATED).undo
    assert merged(ROTATED, failure={"state": "failed", "msg": "x"}).undo
    for report in (
        merged(unchanged),
        merged(ROTATED, mode="check"),
        merged(ROTATED, failure={"state": "failed", "msg": "x"}, state="rolled_back"),
    ):
        assert report.undo is None
        assert not [line for line in summary_lines(report, "/r") if line.startswith("undo")]


@pytest.mark.parametrize(
    ("steps", "ended"),
    [
        ([PLANNED], "the operator stopped it, and nothing was changed"),
        ([PLANNED, ROTATED], "it ended with an error"),
    ],
    ids=["before", "after"],
)
def test_a_no_at_the_prompt_is_the_operators(steps: list[dict[str, Any]], ended: str) -> None:
    with pytest.raises(Refused, match="answer yes at the prompt") as caught:
        check_answer("no", "1 certificate is due")
    report = merged(*steps, failure={**caught.value.result, "state": caught.value.state, "msg": str(caught.value)})
    assert headline(report).endswith(ended)
    assert "answer yes at the prompt" in report.summary[0]


def test_a_run_that_was_refused_before_its_first_step_has_a_report() -> None:
    report = merged(failure={"state": "refused", "msg": "The context x is not known."})
    assert report.run_id.endswith(report.run_id[-4:]) and "-rotate-certs-" in report.run_id
    assert (report.state, report.summary) == ("refused", ("The context x is not known.",))


def test_what_was_found_decides_the_headline_of_a_check() -> None:
    finding = {"severity": "critical", "what": "it has expired", "where": "shop/web", "next_step": "rotate it"}
    report = merged(
        {"state": "unchanged", "severity": "critical", "headline": "10 critical, 3 warnings", "findings": [finding]},
        runbook="check_certs",
    )
    lines = summary_lines(report, "/r")
    assert lines[0].startswith("CRITICAL: Check certificates on eu-1")
    assert lines[0].endswith(": 10 critical, 3 warnings")
    assert "critical: shop/web: it has expired" in lines
    assert "next: rotate it" in lines
    page = render_html.render(report)
    assert '<div class="banner critical">' in page
    assert page.index("<h2>Findings") < page.index("JSON")
