# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.ansible import run_module
from support.report import RUN_ID, assert_valid, example


def write(base: Path, check: bool = False, **options: Any) -> dict[str, Any]:
    return run_module("runbook_report", {"report": example(), "directory": str(base), **options}, check=check)


def test_it_writes_the_report_and_says_where_it_is(tmp_path: Path) -> None:
    result = write(tmp_path)
    assert result["changed"] is False
    assert result["state"] == "done"
    assert set(result["paths"]) == {"json", "markdown", "html", "index"}
    assert all(Path(path).is_file() for path in result["paths"].values())
    assert_valid(json.loads(Path(result["paths"]["json"]).read_text(encoding="utf-8")))
    assert result["summary"][0].startswith("DONE: Flush Redis caches on cache-eu-1")
    assert result["summary"][-1] == f"report: {result['paths']['html']}"


def test_it_writes_in_check_mode_and_calls_it_a_check(tmp_path: Path) -> None:
    result = write(tmp_path, check=True, report=example(mode=None, state="planned"))
    assert result["changed"] is False
    written = json.loads(Path(result["paths"]["json"]).read_text(encoding="utf-8"))
    assert written["mode"] == "check"
    assert "check run" in Path(result["paths"]["html"]).read_text(encoding="utf-8")


def test_the_same_again_is_the_same(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path)
    assert second["changed"] is False
    assert second == first


def test_old_runs_go_on_request(tmp_path: Path) -> None:
    older = "20261122t101500z-flush-redis-7f3a"
    write(tmp_path, report=example(run_id=older, started="2026-11-22T10:15:00Z"))
    result = write(tmp_path, keep="1")
    assert result["removed"] == [older]
    assert not (tmp_path / older).exists()
    assert (tmp_path / RUN_ID).is_dir()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"report": example(state="finished")}, 'report.state is "finished"; allowed are unchanged'),
        ({"report": {**example(), "surprise": 1}}, "report has the unknown key 'surprise'; allowed are"),
        ({"report": example(run_id=None)}, "report.run_id is missing"),
        ({"directory": "reports"}, "directory is the relative path 'reports'"),
        ({"directory": "/dev/null/reports"}, "cannot be made"),
        ({"formats": ["pdf"]}, "json, markdown, html"),
        ({"keep": -1}, "keep is -1"),
    ],
)
def test_bad_input_gets_one_sentence(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    result = write(tmp_path, **options)
    assert result["failed"] is True
    assert words in result["msg"]
    assert "\n" not in result["msg"]
    assert "exception" not in result
    assert not list(tmp_path.iterdir())
