# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs: ids, paths, folders, journals, retention, stop requests, waiting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils import _run
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Interrupted, InvalidInput, Refused

ID = "20261123t101500z-flush-redis-7f3a"


def test_a_run_id_is_a_legal_kubernetes_name() -> None:
    run_id = _run.new_run_id("flush_redis")
    assert _run.check_run_id(run_id) == run_id
    assert len(run_id) <= 63
    assert run_id.split("-", 1)[1].startswith("flush-redis-")
    assert _run.new_run_id("flush_redis") != run_id


@pytest.mark.parametrize("run_id", ["", "x", "../etc", f"{ID}/", f"{ID}\n", ID.upper()])
def test_other_run_ids_are_refused(run_id: str) -> None:
    with pytest.raises(InvalidInput, match="not valid"):
        _run.check_run_id(run_id)


def test_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/operator")
    assert _run.absolute_directory("~/backups", "backup_dir") == Path("/home/operator/backups")
    with pytest.raises(InvalidInput, match="relative path 'backups'"):
        _run.absolute_directory("backups", "backup_dir")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/tmp/backups", "temporary"),
        ("/var/tmp/x/y", "temporary"),
        ("/usr/share/ansible/collections/ansible_collections/market_intel/runbooks/backups", "installed collection"),
    ],
)
def test_storage_that_does_not_last_is_recognised(path: str, reason: str) -> None:
    assert reason in (_run.ephemeral_reason(Path(path)) or "")
    with pytest.raises(Refused, match="accept_it=true"):
        _run.refuse_ephemeral(Path(path), "backup_dir", "accept_it")


def test_a_link_does_not_hide_where_it_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "lasting").symlink_to(tmp_path / "temporary")
    assert "temporary" in (_run.ephemeral_reason(tmp_path / "lasting" / "backups") or "")


class TestRunFolder:
    def test_an_unfinished_run_is_continued_once_its_holder_is_gone(self, tmp_path: Path) -> None:
        folder = _run.RunFolder.create(tmp_path, ID, {"fingerprint": "f", "state": "running"})
        with pytest.raises(Refused, match=f"{ID} does the same at this moment"):
            _run.RunFolder.resume(_run.unfinished_runs(tmp_path, "f"))
        folder.record(removed=3)
        folder.close()
        assert _run.RunFolder.resume(_run.unfinished_runs(tmp_path, "another")) is None
        resumed = _run.RunFolder.resume(_run.unfinished_runs(tmp_path, "f"))
        assert resumed is not None
        assert resumed.run_id == ID
        resumed.record(removed=4)
        resumed.save(state="done")
        resumed.close()
        assert _run.read_journal(tmp_path / ID) == [{"removed": 3}, {"removed": 4}]
        assert _run.RunFolder.resume(_run.unfinished_runs(tmp_path, "f")) is None

    def test_a_run_id_is_used_once(self, tmp_path: Path) -> None:
        _run.RunFolder.create(tmp_path, ID, {}).close()
        with pytest.raises(Refused, match="a run id is used once"):
            _run.RunFolder.create(tmp_path, ID, {})

    def test_a_torn_line_ends_the_journal(self, tmp_path: Path) -> None:
        folder = _run.RunFolder.create(tmp_path, ID, {})
        folder.record(removed=1, durable=True)
        folder.close()
        with open(tmp_path / ID / _run.JOURNAL, "a", encoding="utf-8") as file:
            file.write('{"removed":')
        assert _run.read_journal(tmp_path / ID) == [{"removed": 1}]

    def test_retention_keeps_the_newest_and_all_that_is_unfinished(self, tmp_path: Path) -> None:
        states = ["running", "done", "done", "interrupted", "done", "done"]
        names = [f"2026112{day}t101500z-flush-redis-7f3a" for day in range(len(states))]
        for name, state in zip(names, states):
            _run.RunFolder.create(tmp_path, name, {"state": state, "kind": "backup"}).close()

        def is_backup(manifest: Mapping[str, object]) -> bool:
            return manifest["kind"] == "backup"

        assert _run.apply_retention(tmp_path, 0, tmp_path / names[-1], is_backup) == []
        assert sorted(_run.apply_retention(tmp_path, 2, tmp_path / names[-1], is_backup)) == [names[1], names[2]]
        assert sorted(path.name for path in tmp_path.iterdir()) == [names[0], names[3], names[4], names[5]]
        assert _run.apply_retention(tmp_path, 1, tmp_path / names[-1], lambda _manifest: False) == []
        _run.apply_retention(tmp_path, 1, tmp_path / names[-1], is_backup)
        assert (tmp_path / names[-1]).exists()


class TestStop:
    def test_a_signal_stops_at_the_next_check(self) -> None:
        stop = _run.Stop()
        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            stop.install()
            stop.check()
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(Interrupted, match="SIGTERM"):
                stop.check()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def test_the_end_of_the_controller_stops(self) -> None:
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as controller:
            stop = _run.Stop([controller.pid])
            stop.check()
            controller.communicate(b"\n")
        time.sleep(0.25)
        with pytest.raises(Interrupted, match="controlling ansible process is gone"):
            stop.check()

    def test_the_guard_stops(self, tmp_path: Path) -> None:
        path = tmp_path / "guard"
        path.touch()
        stop = _run.Stop(guard=str(path))
        stop.check()
        path.write_text("all runbooks are stopped: an audit.")
        time.sleep(0.25)
        with pytest.raises(Interrupted, match=r"stopped by the guard \(all runbooks are stopped: an audit\)"):
            stop.check()


def test_progress_lines_are_spaced_and_the_last_one_is_written(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress = _run.Progress(str(path), interval=60)
    for done in range(100):
        progress.report("flushing", done, 100)
    progress.report("flushing", 100, 100, force=True)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["done"] for line in lines] == [0, 100]
