# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report of a diagnosis shows: the findings in their order, a rollout with its deadline, one page on paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import Diagnosis, judge
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import diagnosis_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._report import render_html, render_markdown
from support.kinds import kinds

from .rules.objects import NOW, condition, facts, looping, owner, peer, pod, running

RUN = "20261123t101500z-debug-pod-7f3a"
KINDS = kinds()


def diagnosed(name: str, *statuses: dict[str, Any], asked: str = "") -> Diagnosis:
    found = pod(*statuses)
    found["metadata"] = {**peer(name)["metadata"]}
    read = facts(found)
    return judge(replace(read, chosen=replace(read.chosen, asked=asked or name)), None)


def test_the_findings_of_several_targets_are_in_the_order_of_their_severity() -> None:
    report = diagnosis_report(RUN, {}, [diagnosed("well", running()), diagnosed("ill", looping(1))])
    assert [each.where for each in report.findings] == ["ill", "well"]
    assert report.headline == "1 critical, 1 ok, of 2 targets"


def test_two_targets_that_are_one_pod_are_reported_once() -> None:
    ill = diagnosed("ill", looping(1))
    report = diagnosis_report(RUN, {}, [ill, replace(ill, asked="deployment/ill"), diagnosed("well", running())])
    assert [each.where for each in report.findings] == ["ill", "well"]
    assert report.headline == "1 critical, 1 ok, of 2 targets"


@pytest.mark.parametrize(
    ("reason", "status", "severity", "begins", "ends"),
    [
        ("ReplicaSetUpdated", "True", "ok", -60, 240),
        ("ProgressDeadlineExceeded", "False", "critical", -360, -60),
    ],
    ids=["under way", "late"],
)
def test_the_timeline_shows_the_deadline_of_a_rollout(
    reason: str, status: str, severity: str, begins: int, ends: int
) -> None:
    progress = condition("Progressing", status, reason, "waiting for a pod")
    deployment = owner("Deployment", spec={"progressDeadlineSeconds": 300, "replicas": 2}, conditions=[progress])
    (event,) = [each for each in judge(facts(owners=[deployment]), None).timeline if "deadline" in each.name]
    assert event.name == "Deployment web: rollout, until its deadline"
    assert event.severity == severity
    assert event.start == NOW + timedelta(seconds=begins)
    assert event.end == NOW + timedelta(seconds=ends)


@pytest.mark.parametrize(
    ("reason", "deadline"),
    [("NewReplicaSetAvailable", 300), ("ReplicaSetUpdated", 2147483647)],
    ids=["done", "without a deadline"],
)
def test_without_a_rollout_or_a_deadline_none_is_shown(reason: str, deadline: int) -> None:
    progress = condition("Progressing", "True", reason)
    deployment = owner("Deployment", spec={"progressDeadlineSeconds": deadline}, conditions=[progress])
    assert not any("deadline" in each.name for each in judge(facts(owners=[deployment]), None).timeline)


@pytest.mark.parametrize("name", [each for each in KINDS if each.startswith("debug-") and KINDS[each].findings])
def test_the_findings_follow_the_headline(name: str) -> None:
    report = KINDS[name]
    headings = [line for line in render_markdown.render(report).splitlines() if line.startswith("## ")]
    assert headings[0] == "## Findings"
    page = render_html.render(report)
    assert page.index("<main>") < page.index("<h2>Findings") < page.index("<h2>", page.index("<h2>Findings") + 1)


def test_what_was_read_is_not_printed() -> None:
    page = render_html.render(KINDS["debug-critical"])
    assert '<section class="screen"><h2>Details' in page
    assert ".screen { display: none; }" in page[page.index("@media print") :]
    assert '<section class="screen">' not in render_html.render(KINDS["check-critical"])
