# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a run, as a playbook writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.market_intel.runbooks.plugins.action import runbook_report
from support.report import RUN_ID, assert_valid, example

OF_A_RUN = ("title", "host", "mode", "operator", "cluster", "finished")


def step(**changes: Any) -> dict[str, Any]:
    """Return the result of a module with a report."""
    return {"changed": True, "report": {key: value for key, value in example(**changes).items() if key not in OF_A_RUN}}


def write(
    base: Path, *steps: dict[str, Any], check: bool = False, variables: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    args = {"runbook": "flush_redis", "steps": list(steps or [step()]), "directory": str(base), **options}
    task = SimpleNamespace(args=args, check_mode=check, async_val=0, diff=False, delegate_to=None)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), has_tty=False)
    plugin = runbook_report.ActionModule(task, connection, None, None, None, None)
    return dict(plugin.run(task_vars={"inventory_hostname": "cache-eu-1", **(variables or {})}))


def written(result: dict[str, Any]) -> dict[str, Any]:
    report = json.loads(Path(result["paths"]["json"]).read_text(encoding="utf-8"))
    assert_valid(report)
    return dict(report)


def test_it_writes_the_report_and_says_where_it_is(tmp_path: Path) -> None:
    result = write(tmp_path)
    assert result["changed"] is False
    assert (result["state"], result["unfulfilled"]) == ("done", "")
    assert set(result["paths"]) == {"json", "markdown", "html", "index"}
    assert all(Path(path).is_file() for path in result["paths"].values())
    assert written(result)["run_id"] == RUN_ID
    assert result["summary"][0].startswith("DONE: Flush Redis caches on cache-eu-1")
    assert result["summary"][-1] == f"report: {result['paths']['html']}"
    published = {"data": {"flush_redis": {"cache-eu-1": result["stats"]}}, "aggregate": True, "per_host": False}
    assert "ansible_stats" not in result and write(tmp_path, publish=True)["ansible_stats"] == published


def test_what_was_done_is_shown_although_the_report_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    shown: list[str] = []
    monkeypatch.setattr(runbook_report, "show", shown.append)
    with pytest.raises(AnsibleError, match="name a folder in which this user may write"):
        write(tmp_path / "file" / "reports", show=True)
    (text,) = shown
    assert text.startswith("DONE: Flush Redis caches on cache-eu-1") and "\nundo: " in text and "report: " not in text


def test_who_ran_it_where_comes_from_the_run(tmp_path: Path) -> None:
    cluster = {"context": "eu", "server": "https://eu:6443", "uid": "0b1c"}
    names = {"tower_job_id": 17, "awx_user_name": "k.meyer"}
    result = write(tmp_path, variables=names, cluster=cluster)
    report = written(result)
    assert report["operator"] == {"awx_job_id": "17", "user": "k.meyer"}
    assert (report["cluster"], result["stats"]["cluster"]) == ({**cluster, "note": ""}, cluster)
    assert report["undo"]["command"].endswith(" -e runbooks_hosts=cache-eu-1")


def test_what_steps_publish_goes_to_stats(tmp_path: Path) -> None:
    first = {**step(), "stats": {"severity": "warning", "counts": {"critical": 0}}}
    result = write(tmp_path, first, {"skipped": True, "stats": {"severity": "x"}}, {"stats": {"severity": "critical"}})
    assert result["stats"] == {
        "state": "done",
        "run_id": RUN_ID,
        "report": result["paths"]["json"],
        "summary": result["summary"],
        "cluster": {},
        "severity": "critical",
        "counts": {"critical": 0},
    }


def test_how_long_each_step_took_is_a_table_of_the_report(tmp_path: Path) -> None:
    plan, act = {"step": "Plan", "seconds": 1.3}, {"step": "Rotate", "seconds": 6.2}
    failed = {"failed": True, "msg": "It broke.", "step": act}
    result = write(tmp_path, {**step(), "step": plan}, {"skipped": True}, failed, failure=failed)
    assert written(result)["details"]["time_per_step"] == [plan, act]
    assert re.search(r"Rotate\W+6\.2", Path(result["paths"]["markdown"]).read_text(encoding="utf-8"))


@pytest.mark.parametrize("planned", [{"confirm": "5a0f-7"}, {"plan": {"confirm": "5a0f-7"}}], ids=["result", "plan"])
def test_only_a_check_publishes_the_hash_of_its_plan(tmp_path: Path, planned: dict[str, Any]) -> None:
    assert write(tmp_path, {**step(state="planned"), **planned}, check=True)["stats"]["confirm"] == "5a0f-7"
    assert "confirm" not in write(tmp_path, {**step(), **planned})["stats"]
    assert "confirm" not in write(tmp_path, {**step(), "plan": ["rollout"]}, check=True)["stats"]


def test_a_check_is_called_one(tmp_path: Path) -> None:
    result = write(tmp_path, step(state="planned"), check=True)
    assert result["changed"] is False
    assert written(result)["mode"] == "check"
    assert "check run" in Path(result["paths"]["html"]).read_text(encoding="utf-8")


def test_a_run_that_did_not_do_what_it_planned_says_so(tmp_path: Path) -> None:
    result = write(tmp_path, step(state="planned", actions=None))
    assert result["state"] == "failed"
    assert "something else has changed it since the plan was made" in result["unfulfilled"]
    before = write(tmp_path, step(state="planned", actions=None), state="interrupted")
    assert (before["state"], before["unfulfilled"]) == ("interrupted", "")
    failed = write(tmp_path, failure={"state": "failed", "msg": "No."})
    assert (failed["state"], failed["unfulfilled"]) == ("failed", "")


def test_old_runs_go_on_request(tmp_path: Path) -> None:
    older = "20261122t101500z-flush-redis-7f3a"
    write(tmp_path, step(run_id=older, started="2026-11-22T10:15:00Z"))
    result = write(tmp_path, keep="1")
    assert result["removed"] == [older]
    assert not (tmp_path / older).exists()
    assert (tmp_path / RUN_ID).is_dir()


def test_the_summary_is_shown_in_one_piece_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(runbook_report, "show", shown.append)
    assert write(tmp_path)["state"] == "done" and not shown
    result = write(tmp_path, show="yes")
    assert shown == ["\n".join(result["summary"])]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": [step(state="finished")]}, 'steps[0].report.state is "finished"; allowed are unchanged'),
        ({"steps": [{"report": {"surprise": 1}}]}, "steps[0].report has the unknown key 'surprise'; allowed are"),
        ({"runbook": ""}, "runbook is ''; allowed are lower-case letters"),
        ({"directory": "reports"}, "directory is the relative path 'reports'"),
        ({"directory": "/dev/null/reports"}, "cannot be made"),
        ({"formats": ["pdf"]}, "json, markdown, html"),
        ({"keep": -1}, "keep is -1"),
        ({"state": "finished"}, "rolled_back"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        write(tmp_path, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
