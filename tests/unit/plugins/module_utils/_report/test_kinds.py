# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all kinds of reports have in common: their headlines do not contradict them."""

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._report import (
    render_html,
    render_json,
    render_markdown,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import Report
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.read import read_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.wording import summary_lines
from support.kinds import kinds
from support.report import assert_valid

KINDS = kinds()

# How each of them is titled: word and sentence.
HEADLINES = {
    "flush-check": "PLANNED: nothing was changed; this is what a run would do; 1 thing could not be verified",
    "flush-begun": "INTERRUPTED: it was stopped before its end; run the same command again",
    "flush-done": "DONE: everything that was planned was done",
    "flush-needs-attention": "DONE, NEEDS ATTENTION: 1 of 2 proofs unknown; 1 degradation",
    "flush-unchanged": "UNCHANGED: there was nothing to change",
    "flush-nothing-left": "UNCHANGED: no key was left to remove: all that the plan counted had gone before",
    "flush-refused": "REFUSED: it stopped before anything was changed",
    "flush-killed": "INTERRUPTED: it was stopped before its end; run the same command again",
    "flush-failed": "FAILED: it ended with an error",
    "restore-unchanged": "UNCHANGED: nothing is missing: 212,000 of 212,345 keys exist, 345 have expired",
    "stats": "DONE: 2 caches with 212,345 keys, hit ratio 95.9%",
    "rotate-done": "DONE: everything that was planned was done",
    "rotate-overtaken": "FAILED: nothing of the plan was done",
    "rotate-rolled-back": "ROLLED BACK: a step failed, and everything is as it was before",
    "rotate-half-back": "FAILED: it ended with an error",
    "rotate-paused": "FAILED: it ended with an error",
    "rollback-unchanged": "UNCHANGED: every certificate is as it was before that run",
    "check-critical": "CRITICAL: 11 critical, 4 warnings, of 36 certificates",
    "check-warning": "WARNING: 1 warning, of 21 certificates",
    "check-ok": "OK: all of 20 certificates in order",
    "check-failed": "FAILED: it ended with an error",
    "debug-ok": "OK: nothing suspicious is seen by the API server",
    "debug-several": "CRITICAL: 1 critical, 1 warning, 1 ok, of 3 targets; 1 degradation",
    "debug-list-none": "DONE: no session is left",
    "debug-cleanup": "DONE: 2 sessions found (1 live, 1 expired): 1 removed",
}


@pytest.mark.parametrize(("name", "expected"), HEADLINES.items())
def test_the_headline_says_how_it_ended(name: str, expected: str) -> None:
    word, _on, rest = summary_lines(KINDS[name], "/r")[0].partition(": ")
    assert f"{word}: {rest.partition('): ')[2]}" == expected


@pytest.mark.parametrize("report", KINDS.values(), ids=KINDS)
def test_every_kind_follows_the_schema_and_reads_back_the_same(report: Report) -> None:
    written = json.loads(render_json.render(report))
    assert_valid(written)
    assert render_json.render(read_report(written)) == render_json.render(report)


@pytest.mark.parametrize("report", KINDS.values(), ids=KINDS)
def test_no_headline_contradicts_its_body(report: Report) -> None:
    lines = summary_lines(report, "/r")
    page = render_html.render(report)
    assert "_" not in lines[0].partition(":")[0], "a state is told in words"
    if report.mode == "run":
        assert report.state != "planned"
    if report.state in ("refused", "unchanged"):
        assert not report.changed
    if report.state == "rolled_back":
        assert not [proof for proof in report.proofs if proof.result == "failed"]
    has_undo = any(line.startswith("undo: ") for line in lines)
    assert not has_undo or (report.changed and report.state != "rolled_back")
    assert not [proof for proof in report.proofs if re.match("no |nothing ", proof.claim)], "a failed no is a yes"
    for empty in ("<h2>Plan</h2></section>", "· </span>", "<ul></ul>", "None"):
        assert empty not in page.partition("<details")[0]
    if report.findings:
        first = re.findall(r"<h2>(\w+)", page)[0]
        assert first == "Findings"
        assert re.findall(r"^## (\w+)", render_markdown.render(report), re.M)[0] == "Findings"


def test_several_targets_are_told_by_severity() -> None:
    report = KINDS["debug-several"]
    assert [finding.severity for finding in report.findings] == ["critical", "warning", "info"]
    assert next(iter(report.details)).startswith("core-engine")


def test_a_change_that_cannot_be_undone_is_said_where_something_could_be() -> None:
    silent = [
        name for name, report in KINDS.items() if "undo: none is recorded for this run" in summary_lines(report, "")
    ]
    assert silent == ["flush-without-backup"]
