# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see of a run, and what a program finds of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.callback import compact, result_file

SUMMARY = {"flush_redis": {"eu-1": {"summary": ["FAILED: Flush Redis caches on eu-1", "The server  is full."]}}}


def result(host: str, action: str, **content: Any) -> SimpleNamespace:
    """Return a result as ansible-core 2.17 and newer ones give it."""
    place = SimpleNamespace(get_name=lambda: host)
    return SimpleNamespace(_host=place, _task=SimpleNamespace(action=action), _result=content)


def stats(*failed: str, runs: dict[str, Any] | None = None) -> SimpleNamespace:
    return SimpleNamespace(failures=dict.fromkeys(failed, 1), dark={}, custom={"_run": runs} if runs else {})


@pytest.fixture
def screen() -> compact.CallbackModule:
    return compact.CallbackModule()


def test_the_plan_is_shown_and_tasks_are_not(
    screen: compact.CallbackModule, capsys: pytest.CaptureFixture[str]
) -> None:
    screen.v2_runner_on_ok(result("eu-1", "market_intel.runbooks.redis_flush", msg="found"))
    screen.v2_runner_on_ok(result("eu-1", "ansible.builtin.debug", msg=["100 keys match", "of 1,000"]))
    screen.v2_runner_on_ok(result("localhost", "debug", msg="a plan\nin lines"))
    screen.v2_playbook_on_stats(stats())
    assert capsys.readouterr().out == "[eu-1] 100 keys match\n[eu-1] of 1,000\na plan\nin lines\n"


@pytest.mark.parametrize(("ask", "said"), [(False, "100 keys match\n"), (True, "")])
def test_a_plan_that_the_question_shows_is_not_shown_before_it(
    screen: compact.CallbackModule, capsys: pytest.CaptureFixture[str], ask: bool, said: str
) -> None:
    screen.v2_runner_on_ok(result("localhost", "debug", msg=["100 keys match"]))
    screen.v2_runner_on_ok(result("localhost", "market_intel.runbooks.runbook_confirm", ask=ask))
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("message", "said"),
    [("The server is\nfull.", ""), ("Two are critical.", "[eu-1] failed: Two are critical.\n")],
)
def test_an_error_is_told_once(
    screen: compact.CallbackModule, capsys: pytest.CaptureFixture[str], message: str, said: str
) -> None:
    screen.v2_runner_on_failed(result("eu-1", "x", msg="A step before."))
    screen.v2_runner_on_failed(result("eu-1", "fail", msg=message))
    screen.v2_runner_on_failed(result("eu-1", "x", msg="Nobody minds."), ignore_errors=True)
    screen.v2_playbook_on_stats(stats("eu-1", runs=SUMMARY))
    assert capsys.readouterr().err == said


def test_a_rescued_error_is_not_told(screen: compact.CallbackModule, capsys: pytest.CaptureFixture[str]) -> None:
    screen.v2_runner_on_failed(result("eu-1", "x", msg="A step before."))
    screen.v2_playbook_on_stats(stats())
    assert capsys.readouterr().err == ""


def test_differences_are_shown(screen: compact.CallbackModule, capsys: pytest.CaptureFixture[str]) -> None:
    screen.v2_on_file_diff(result("eu-1", "x", diff={"before": "a\n", "after": "b\n"}))
    said = capsys.readouterr().out
    assert "-a" in said and "+b" in said


@pytest.mark.parametrize("no_hosts", [False, True])
def test_the_end_of_a_run_is_left_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_hosts: bool) -> None:
    callback = result_file.CallbackModule()
    monkeypatch.setattr(callback, "get_option", {"path": str(tmp_path / "result")}.get)
    callback.v2_runner_on_failed(result("eu-1", "x", msg="The server is full."))
    callback.v2_runner_on_failed(result("us-1", "x", msg="This was rescued."))
    if no_hosts:
        callback.v2_playbook_on_no_hosts_matched()
    callback.v2_playbook_on_stats(stats("eu-1", runs=SUMMARY))
    assert json.loads((tmp_path / "result").read_text()) == {
        "runs": SUMMARY,
        "failed": {"eu-1": "The server is full."},
        "no_hosts": no_hosts,
    }
    assert (tmp_path / "result").stat().st_mode & 0o777 == 0o600
