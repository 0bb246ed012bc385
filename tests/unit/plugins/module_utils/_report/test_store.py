# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._report import store
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.read import read_report
from support.report import RUN_ID, assert_valid, example


def write(base: Path, formats: tuple[str, ...] = store.FORMATS, keep: int = 0, **changes: Any) -> store.Written:
    return store.write(read_report(example(**changes)), str(base), formats, keep)


def index_of(base: Path, run_id: str = RUN_ID) -> Any:
    return json.loads((base / run_id / "index.json").read_text(encoding="utf-8"))


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_reports_are_for_their_owner_only(tmp_path: Path) -> None:
    base = tmp_path / "new" / "reports"
    write(base)
    folders = [base, base / RUN_ID]
    assert {oct(stat.S_IMODE(folder.stat().st_mode)) for folder in folders} == {"0o700"}
    files = list((base / RUN_ID).iterdir())
    assert len(files) >= 6
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in files} == {"0o600"}


def test_the_paths_are_those_of_the_files(tmp_path: Path) -> None:
    written = write(tmp_path)
    folder = tmp_path / RUN_ID
    assert written.json == str(folder / "cache-eu-1.json")
    assert written.markdown == str(folder / "cache-eu-1.md")
    assert written.html == str(folder / "cache-eu-1.html")
    assert written.index == str(folder / "index.html")
    assert json.loads(Path(written.json).read_text(encoding="utf-8"))["host"] == "cache-eu-1"
    assert Path(written.markdown).read_text(encoding="utf-8").startswith("# Flush Redis caches on cache-eu-1\n")
    assert Path(written.html).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    leftovers = [path.name for path in folder.iterdir() if path.name.startswith(".") and path.name != ".lock"]
    assert not leftovers


def test_only_the_formats_that_are_wanted_are_written(tmp_path: Path) -> None:
    written = write(tmp_path, formats=("markdown",))
    assert written.html == ""
    assert written.best == written.markdown
    assert written.index.endswith("index.md")
    names = {path.name for path in (tmp_path / RUN_ID).iterdir()}
    assert names == {".lock", "cache-eu-1.json", "cache-eu-1.md", "index.json", "index.md"}


def test_writing_again_replaces_every_format(tmp_path: Path) -> None:
    write(tmp_path, state="interrupted")
    written = write(tmp_path, formats=("json",), state="done")
    assert json.loads(Path(written.json).read_text(encoding="utf-8"))["state"] == "done"
    assert not (tmp_path / RUN_ID / "cache-eu-1.html").exists(), "it would tell of the interrupted run"
    assert index_of(tmp_path)["state"] == "done"
    assert "interrupted" not in (tmp_path / RUN_ID / "index.html").read_text(encoding="utf-8").partition("</style>")[2]


def test_the_index_is_over_all_hosts_and_as_bad_as_the_worst(tmp_path: Path) -> None:
    write(tmp_path, host="b", finished="2026-11-23T10:20:00Z", degraded=["slow"])
    write(tmp_path, host="a", state="failed", undo=None)
    write(tmp_path, host="c", state="unchanged", started="2026-11-23T10:14:00Z")
    found = index_of(tmp_path)
    assert_valid(found, "index")
    assert [entry["host"] for entry in found["hosts"]] == ["a", "b", "c"]
    assert (found["state"], found["started"], found["finished"]) == (
        "failed",
        "2026-11-23T10:14:00Z",
        "2026-11-23T10:20:00Z",
    )
    first, second, _third = found["hosts"]
    assert (first["state"], first["undo"]) == ("failed", "")
    assert second["undo"] == "ansible-playbook market_intel.runbooks.restore_redis"
    assert (second["backup"], second["degraded"], second["attention"]) == ("/srv/backups/1", 1, ["1 degradation"])
    assert second["proofs"] == {"proven": 1, "failed": 0, "unknown": 0}
    for suffix in ("html", "md"):
        overview = (tmp_path / RUN_ID / f"index.{suffix}").read_text(encoding="utf-8")
        for host in "abc":
            assert f"{host}.{suffix}" in overview


def test_the_index_names_what_it_cannot_read(tmp_path: Path) -> None:
    write(tmp_path, host="a")
    (tmp_path / RUN_ID / "torn.json").write_text('{"schema_version": "1", "ru', encoding="utf-8")
    (tmp_path / RUN_ID / "newer.json").write_text('{"schema_version": "99"}', encoding="utf-8")
    write(tmp_path, host="b")
    found = index_of(tmp_path)
    assert_valid(found, "index")
    assert found["unreadable"] == ["newer.json", "torn.json"]
    for suffix in ("html", "md"):
        assert "torn.json" in (tmp_path / RUN_ID / f"index.{suffix}").read_text(encoding="utf-8")


def _write_some(base: str, barrier: Any, hosts: list[str]) -> None:
    barrier.wait()
    for host in hosts:
        write(Path(base), host=host, series=None)


def test_hosts_that_write_at_once_are_all_in_the_index(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(6)
    hosts = [[f"host-{writer}-{number}" for number in range(4)] for writer in range(6)]
    writers = [context.Process(target=_write_some, args=(str(tmp_path), barrier, some)) for some in hosts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 6
    expected = sorted(host for some in hosts for host in some)
    assert [entry["host"] for entry in index_of(tmp_path)["hosts"]] == expected
    overview = (tmp_path / RUN_ID / "index.html").read_text(encoding="utf-8")
    assert all(f"{host}.html" in overview for host in expected)


@pytest.mark.parametrize(
    "host", ["../../evil", "a/b", "index", "Index", ".hidden", "-x", "a b", "übel", "x" * 300, ".."]
)
def test_any_name_of_a_host_becomes_a_file_inside_the_folder(tmp_path: Path, host: str) -> None:
    written = write(tmp_path, host=host)
    assert Path(written.json).parent == tmp_path / RUN_ID
    assert Path(written.json).is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [RUN_ID, "latest-flush_redis"]
    assert [entry["host"] for entry in index_of(tmp_path)["hosts"]] == [host]


def test_different_hosts_never_share_a_file() -> None:
    hosts = ["a/b", "a_b", "a b", "a:b", "x" * 300, "x" * 301, "index", "index_"]
    assert len({store.file_name(host) for host in hosts}) == len(hosts)
    assert store.file_name("cache-eu-1.example_a") == "cache-eu-1.example_a"


def test_latest_leads_to_the_run_that_was_written_last(tmp_path: Path) -> None:
    other = "20261124t101500z-flush-redis-0001"
    write(tmp_path)
    write(tmp_path, run_id=other)
    assert (tmp_path / "latest-flush_redis" / "index.html").is_file()
    assert os.readlink(tmp_path / "latest-flush_redis") == other


def runs(base: Path) -> list[str]:
    return sorted(path.name for path in base.iterdir() if not path.is_symlink())


def run_id(day: int, runbook: str = "flush-redis") -> str:
    return f"202611{day:02d}t101500z-{runbook}-7f3a"


def write_day(base: Path, day: int, keep: int = 0, **changes: Any) -> store.Written:
    moment = f"2026-11-{day:02d}T10:15:00Z"
    return write(base, keep=keep, **{"run_id": run_id(day), "started": moment, "finished": moment, **changes})


def test_zero_keeps_all(tmp_path: Path) -> None:
    for day in range(1, 6):
        assert write_day(tmp_path, day).removed == ()
    assert runs(tmp_path) == [run_id(day) for day in range(1, 6)]


def test_the_oldest_runs_go(tmp_path: Path) -> None:
    for day in range(1, 6):
        write_day(tmp_path, day)
    written = write_day(tmp_path, 6, keep=3)
    assert runs(tmp_path) == [run_id(day) for day in (4, 5, 6)]
    assert sorted(written.removed) == [run_id(day) for day in (1, 2, 3)]


def test_the_current_and_the_newest_run_stay(tmp_path: Path) -> None:
    for day in (2, 3):
        write_day(tmp_path, day)
    write_day(tmp_path, 1, keep=1)
    assert runs(tmp_path) == [run_id(1), run_id(3)], "a continued old run is current, and the newest is never removed"


def test_retention_knows_the_runbook_and_the_mode(tmp_path: Path) -> None:
    write_day(tmp_path, 1)
    write_day(tmp_path, 2, run_id=run_id(2, "restore-redis"), runbook="restore_redis")
    for day in (3, 4, 5):
        write_day(tmp_path, day, keep=1, mode="check", state="planned")
    assert runs(tmp_path) == [run_id(1), run_id(2, "restore-redis"), run_id(5)]


def test_retention_removes_nothing_but_reports(tmp_path: Path) -> None:
    for day in range(1, 6):
        write_day(tmp_path, day)
    (tmp_path / run_id(1) / "notes.md").write_text("keep me", encoding="utf-8")
    (tmp_path / run_id(2) / "backup").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.json").write_text("{}", encoding="utf-8")
    outside = tmp_path.parent / "outside.txt"
    outside.write_text("keep me too", encoding="utf-8")
    (tmp_path / run_id(3) / "link.json").symlink_to(outside)
    write_day(tmp_path, 6, keep=1)
    assert runs(tmp_path) == [run_id(1), run_id(2), run_id(3), run_id(6), "other"]
    assert (tmp_path / run_id(1) / "notes.md").is_file()
    assert len(list((tmp_path / run_id(1)).iterdir())) >= 7, "a folder that stays is whole"
    assert outside.is_file()


def test_retention_leaves_a_run_that_is_being_written(tmp_path: Path) -> None:
    write_day(tmp_path, 1)
    with open(tmp_path / run_id(1) / ".lock", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_day(tmp_path, 2, keep=1)
        assert runs(tmp_path) == [run_id(1), run_id(2)]
    write_day(tmp_path, 2, keep=1)
    assert runs(tmp_path) == [run_id(2)]


def test_retention_leaves_a_run_that_was_made_anew_while_it_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path, 1)
    write_day(tmp_path, 2)
    real = fcntl.flock

    def made_anew(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_NB:
            shutil.rmtree(tmp_path / run_id(1))
            (tmp_path / run_id(1)).mkdir()
            (tmp_path / run_id(1) / ".lock").touch()
            (tmp_path / run_id(1) / ".host.json.partial").touch()
        real(descriptor, operation)

    monkeypatch.setattr(store.fcntl, "flock", made_anew)
    assert write_day(tmp_path, 2, keep=1).removed == ()
    assert (tmp_path / run_id(1) / ".host.json.partial").is_file()


def _write_and_retain(base: str, barrier: Any, day: int) -> None:
    barrier.wait()
    for number in range(8):
        write_day(Path(base), day, keep=1, host=f"host-{number}", series=None)


def test_retention_and_writing_at_once_lose_no_current_report(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    writers = [context.Process(target=_write_and_retain, args=(str(tmp_path), barrier, day)) for day in (1, 2, 3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(index_of(tmp_path, run_id(3))["hosts"]) == 8


@pytest.mark.parametrize("directory", ["reports", "./reports", "../reports", ""])
def test_a_relative_directory_is_refused(directory: str) -> None:
    with pytest.raises(InvalidInput, match="absolute path"):
        store.write(read_report(example()), directory)


def test_a_negative_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"O\(keep\) is -1; allowed are 0"):
        write(tmp_path, keep=-1)


@pytest.mark.parametrize("place", ["file", "file/below", "run"])
def test_a_place_where_nothing_can_be_written_gets_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    base = tmp_path / place
    if place == "run":
        base.mkdir()
        (base / RUN_ID).write_text("a file where the run's folder should be", encoding="utf-8")
    with pytest.raises(RunbookError) as caught:
        write(base)
    message = str(caught.value)
    assert str(base) in message
    assert message.endswith(".")
    assert "\n" not in message
    assert "name a" in message


def test_a_run_folder_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    base = tmp_path / "reports"
    base.mkdir()
    (base / RUN_ID).symlink_to(elsewhere)
    with pytest.raises(InvalidInput, match="symbolic link"):
        write(base)
    assert not list(elsewhere.iterdir())


def test_a_full_disk_leaves_the_old_report_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = write(tmp_path)
    before = Path(written.json).read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunbookError, match="No space left on device"):
        write(tmp_path, state="failed")
    assert Path(written.json).read_bytes() == before
    assert not [path.name for path in (tmp_path / RUN_ID).iterdir() if path.name.endswith(".partial")]
