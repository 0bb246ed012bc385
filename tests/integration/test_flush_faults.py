# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever breaks under a flush: no key is lost, one sentence says what to do, and the same command finishes it.

What is refused before it begins (a replica, a password in the URL) is in test_flush_guards.py, kills are in
test_flush_interrupted.py.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support import loss
from support.ansible import RunningModule, run_module, run_playbook, start_module
from support.dataset import Snapshot
from support.flush import flush_args, restore
from support.processes import wait_until
from support.proxy import Proxy
from support.servers import RedisServer

SLOWLY = {"rate_limit": 60}
"""Two seconds for the whole cache: time to do something meanwhile."""
MORE_SLOWLY = {"rate_limit": 15}
"""Slow enough for another process to begin and to be refused meanwhile, on a busy machine too."""


class Scene:
    """A filled cache, and flushes of it by one and the same command."""

    def __init__(self, server: RedisServer, scratch: RedisServer, folder: Path, **options: Any) -> None:
        self.server, self.scratch = server, scratch
        self.folder = folder
        self.options = {**flush_args(server, folder, big_key_bytes=loss.BIG_KEY_BYTES, timeout=5), **options}
        self.cache = loss.Cache(server, keys=76, big_keys=7)
        self.before: Snapshot = self.cache.fill()

    def start(
        self, *, python: Path | None = None, env: dict[str, str] | None = None, check: bool = False, **options: Any
    ) -> RunningModule:
        return start_module("redis_flush", {**self.options, **options}, python=python, env=env, check=check)

    def flush(self, **options: Any) -> dict[str, Any]:
        with self.start(**options) as running:
            return running.wait(90).result

    @property
    def runs(self) -> list[Path]:
        return loss.runs_in(Path(self.options["backup_dir"]))

    @property
    def removed(self) -> int:
        """Keys that are there no more under their own names."""
        return len(self.before.keys() - self.cache.now().keys())

    def journal(self) -> str:
        return "".join(path.read_text() for run in self.runs for path in run.glob("journal.jsonl"))

    def wait_for(self, text: str) -> None:
        """Wait until a run has written something into its journal."""
        wait_until(lambda: text in self.journal(), 30, f"{text} in the journal", interval=0.001)

    def nothing_is_lost(self) -> None:
        assert loss.lost(self.before, self.cache, self.runs, self.scratch) == []

    def has_finished(self, result: dict[str, Any]) -> None:
        """Everything was removed, and everything is in the backup."""
        assert not result.get("failed"), result["msg"]
        assert (result["remaining"], result["state"]) == (0, "done")
        assert self.cache.left() == []
        self.nothing_is_lost()

    def is_refused(self, result: dict[str, Any], sentence: str) -> None:
        """One sentence, and every key is where it was."""
        self.has_failed(result, sentence)
        assert not result["changed"]
        assert self.cache.now().items() >= self.before.items()

    def has_failed(self, result: dict[str, Any], sentence: str) -> None:
        """One sentence, and every key is on the server or in the backup."""
        says(result, sentence)
        self.nothing_is_lost()

    def is_finished_by_repeating(self, **options: Any) -> dict[str, Any]:
        """The same command continues the unfinished run and leaves nothing."""
        unfinished = [run.name for run in self.runs if _state(run) not in ("done", "")]
        result = self.flush(**options)
        self.has_finished(result)
        if unfinished:
            assert (result["resumed"], result["run_id"]) == (True, unfinished[0])
        return result


def says(result: dict[str, Any], sentence: str) -> None:
    """The module failed with one sentence, this one."""
    assert not loss.not_one_sentence(result)
    assert re.search(sentence, result["msg"]), result["msg"]


@pytest.fixture(scope="module")
def scratch() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def scene(redis70: RedisServer, scratch: RedisServer, tmp_path: Path) -> Scene:
    return Scene(redis70, scratch, tmp_path)


@pytest.fixture
def proxy(redis70: RedisServer) -> Iterator[Proxy]:
    with Proxy(redis70.port) as proxy:
        yield proxy


# -- connections that break ------------------------------------------------------------------------------------------

PLACES: dict[str, tuple[str, int]] = {
    "when looking at the server": ("2 INFO", 5),
    "when asking for its rights": ("2 ACL", 1),
    "when counting": ("6 SCAN", 1),
    "when sampling sizes": ("3 MEMORY", 2),
    "when taking the lock": ("6 EVAL", 1),
    "when loading the scripts": ("3 SCRIPT", 2),
    "when walking the keys": ("6 SCAN", 2),
    "when asking for sizes": ("3 MEMORY", 60),
    "at the first copy": ("2 DUMP", 1),
    "in the midst of copies": ("2 DUMP", 40),
    "between copy and expiry": ("2 PEXPIRETIME", 40),
    "at the first removal": ("? EVALSHA", 2),
    "in the midst of removals": ("? EVALSHA", 4),
    "when renaming a big key": ("3 RENAMENX", 1),
    "when renaming another": ("3 RENAMENX", 3),
    "when asking for the type": ("2 TYPE", 1),
    "in a string": ("4 GETRANGE", 2),
    "in a list": ("4 LRANGE", 2),
    "in a set": ("5 SSCAN", 2),
    "in a sorted set": ("5 ZSCAN", 2),
    "in a hash": ("5 HSCAN", 2),
    "in a stream": ("6 XRANGE", 2),
    "in the groups of a stream": ("3 XINFO", 2),
    "at the end of a big key": ("2 EXISTS", 2),
    "when removing a big key": ("2 UNLINK", 2),
    "when verifying": ("6 SCAN", 3),
    "when releasing the lock": ("5 EVAL", 1),
    "when looking at the server again": ("2 INFO", 11),
}
"""The k-th request that begins with this command and has so many words: any number of them for those of several keys,
the first of which only asks for the right to them."""


def beginning(request: str) -> bytes:
    """Return the first bytes of such a request; the command alone may stand in an argument as well."""
    words, command = request.split()
    if words == "?":
        return b"\r\n$%d\r\n%s\r\n" % (len(command), command.encode())
    return b"*%s\r\n$%d\r\n%s\r\n" % (words.encode(), len(command), command.encode())


@pytest.mark.parametrize("reply", ["irrelevant", "lost"], ids=["before", "executed"])
@pytest.mark.parametrize("place", PLACES)
def test_a_connection_that_is_cut_once_does_not_stop_the_flush(
    scene: Scene, proxy: Proxy, place: str, reply: Any
) -> None:
    command, occurrence = PLACES[place]
    fault = proxy.cut(match=beginning(command), occurrence=occurrence, reply=reply)

    result = scene.flush(url=proxy.url)

    assert fault.fired
    scene.has_finished(result)
    assert result["removed"] == len(scene.before) - len(scene.cache.now())


@pytest.mark.parametrize("reply", ["irrelevant", "lost"], ids=["before", "executed"])
def test_a_connection_that_is_cut_leaves_no_key_behind_without_a_backup(scene: Scene, proxy: Proxy, reply: Any) -> None:
    fault = proxy.cut(match=beginning("2 UNLINK"), occurrence=1, reply=reply)
    result = scene.flush(url=proxy.url, backup=False)
    assert fault.fired
    assert not result.get("failed"), result["msg"]
    assert result["remaining"] == 0
    assert result["removed"] == len(scene.before) - len(scene.cache.now())
    assert scene.cache.left() == []


def test_a_connection_that_is_cut_again_and_again_ends_the_flush(scene: Scene, proxy: Proxy) -> None:
    """As by a server whose output buffer limit is below the size of a flight."""
    fault = proxy.cut(match=beginning("2 DUMP"), occurrence=20, repeats=True)
    result = scene.flush(url=proxy.url)
    assert fault.fired
    proxy.clear()

    scene.has_failed(result, r"broke .*run the same command again")
    scene.is_finished_by_repeating(url=proxy.url)


LOSSES: dict[str, tuple[str, str]] = {
    "when counting": ("gone", r"(broke|cannot be reached) .*check"),
    "at the first copy": ("gone", r"broke .*run the same command again"),
    "in the midst of removals": ("gone", r"broke .*run the same command again"),
    "when renaming another": ("gone", r"broke .*run the same command again"),
    "in a hash": ("gone", r"broke .*run the same command again"),
    "when removing a big key": ("gone", r"broke .*run the same command again"),
    "when verifying": ("gone", r"broke .*run the same command again"),
    "in the midst of copies": ("frozen", r"no reply within 1 s.*run the same command again"),
}


def test_without_a_way_back_the_flush_ends_and_the_same_command_finishes_it(
    scratch: RedisServer, fresh_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    """Waiting for the server takes most of the time: all places at once, each on a server of its own."""
    with ExitStack() as stack:
        losses = [
            _Loss(stack, Scene(fresh_redis(), scratch, tmp_path / place.replace(" ", "-"), timeout=1), place)
            for place in LOSSES
        ]
        started = time.monotonic()
        for one in losses:
            print(one.place)  # shown when it fails
            result = one.running.wait(60).result
            assert time.monotonic() - started < 60
            one.come_back()
            one.scene.has_failed(result, LOSSES[one.place][1])
            one.scene.is_finished_by_repeating()


class _Loss:
    """A flush whose server is gone, or frozen, from a place on."""

    def __init__(self, stack: ExitStack, scene: Scene, place: str) -> None:
        self.scene, self.place = scene, place
        self._proxy = stack.enter_context(Proxy(scene.server.port))
        self._frozen = ExitStack()
        scene.options["url"] = self._proxy.url
        command, occurrence = PLACES[place]
        how = self._proxy.cut if LOSSES[place][0] == "gone" else self._proxy.stall
        self._fault = how(match=beginning(command), occurrence=occurrence)
        threading.Thread(target=self._lose, daemon=True).start()
        self.running = stack.enter_context(scene.start())

    def _lose(self) -> None:
        self._fault.wait(60)
        if LOSSES[self.place][0] == "frozen":
            self._frozen.enter_context(self.scene.server.paused())
        else:
            self._proxy.refuse()
            self._proxy.drop()

    def come_back(self) -> None:
        assert self._fault.fired
        if LOSSES[self.place][0] == "frozen":
            self._frozen.close()
        else:
            self._proxy.accept()


@pytest.mark.parametrize("place", ["when counting", "in the midst of copies", "in the midst of removals", "in a hash"])
def test_a_server_that_does_not_answer_is_waited_for_as_long_as_allowed(scene: Scene, proxy: Proxy, place: str) -> None:
    command, occurrence = PLACES[place]
    fault = proxy.stall(match=beginning(command), occurrence=occurrence)
    started = time.monotonic()

    result = scene.flush(url=proxy.url, timeout=1)

    assert fault.fired
    assert 1 < time.monotonic() - started < 15
    scene.has_finished(result)


# -- disks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 8, 64, 512, 1024])
def test_a_full_disk_ends_the_flush_before_anything_unsaved_is_removed(
    scene: Scene, tmp_path: Path, blocks: int
) -> None:
    """No file may grow over so many blocks of 512 bytes: neither the parts nor the journal nor the manifest."""
    limited = tmp_path / "python"
    # what the module prints must not go to a file, which would be limited as well
    limited.write_text(f'#!/bin/sh\n(ulimit -f {blocks} && exec {shlex.quote(sys.executable)} "$@") | cat\n')
    limited.chmod(0o755)

    result = scene.flush(python=limited)

    scene.has_failed(result, r"cannot be written \((File too large|No space left on device)\).*free space")
    assert 0 <= scene.removed < len(scene.before) - 5
    scene.is_finished_by_repeating()


@pytest.mark.parametrize("place", ["below a file", "where nobody may write"])
def test_a_backup_folder_that_cannot_be_made_is_refused(scene: Scene, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "backups") if place == "below a file" else "/proc/backups"
    for check in (True, False):
        result = scene.flush(check=check, backup_dir=folder)
        scene.is_refused(result, re.escape(folder) + r".*cannot be written.*name a folder")


def test_a_missing_backup_folder_is_made_for_its_owner_only(scene: Scene, tmp_path: Path) -> None:
    scene.options["backup_dir"] = str(tmp_path / "a" / "b")
    scene.has_finished(scene.flush())
    (run,) = scene.runs
    modes = {path.name: path.stat().st_mode & 0o777 for path in (run, *run.iterdir())}
    assert {mode for name, mode in modes.items() if name != run.name} == {0o600}
    assert modes[run.name] == run.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("tail", ["half a member", "zeros"])
def test_what_a_crash_of_the_machine_has_torn_is_left_out(scene: Scene, tail: str) -> None:
    with scene.start(**SLOWLY) as running:
        scene.wait_for('"part":1')
        running.kill_tree()
    (run,) = scene.runs
    part = run / "part-0001.resp.gz"
    with (run / "journal.jsonl").open("a") as journal, part.open("ab") as backup:
        journal.write('{"part":1,"mem')
        backup.write(part.read_bytes()[:100] if tail == "half a member" else bytes(4096))
    # the second attempt is killed where its journal is needed most
    quarantined = scene.journal().count("quarantine")
    with scene.start() as running:
        wait_until(lambda: scene.journal().count("quarantine") > quarantined, 30, "a big key", interval=0.0002)
        running.kill_tree()
    scene.nothing_is_lost()
    result = scene.is_finished_by_repeating()
    scene.cache.server.reset()
    assert not restore(scene.server, result).get("failed")
    assert loss.lost(_cached(scene.before), scene.cache, [], scene.scratch) == []


# -- servers that refuse ---------------------------------------------------------------------------------------------


def test_a_full_server_is_flushed_and_not_restored_into(scene: Scene) -> None:
    with scene.server.admin() as admin:
        admin.config_set("maxmemory", 1_500_000)
        admin.config_set("maxmemory-policy", "noeviction")
    result = scene.flush()
    scene.has_finished(result)

    # as full as before, of something else
    with scene.server.admin() as admin:
        admin.config_set("maxmemory", 0)
        admin.setrange("other", 4_000_000, b"x")
        admin.config_set("maxmemory", int(admin.info("memory")["used_memory"]) + 500_000)
    scene.server.reset_stats()
    refused = restore(scene.server, result)
    says(refused, r"bytes left below maxmemory.*raise maxmemory")
    assert not refused["report"].get("headline")
    assert scene.server.write_commands_called() == []


def test_a_primary_that_becomes_a_replica_ends_the_flush(
    fresh_redis: Callable[..., RedisServer], scratch: RedisServer, tmp_path: Path
) -> None:
    scene = Scene(fresh_redis(), scratch, tmp_path)
    with scene.start(**SLOWLY) as running, scene.server.admin() as admin:
        scene.wait_for('"part":1')
        # nobody is there: it keeps its data
        admin.replicaof("127.0.0.1", 1)
        result = running.wait(60).result
        scene.has_failed(result, "READONLY.*use the URL of its primary")
        admin.replicaof("NO", "ONE")
    scene.is_finished_by_repeating()


def test_a_server_that_cannot_save_is_left_alone(
    fresh_redis: Callable[..., RedisServer], scratch: RedisServer, tmp_path: Path
) -> None:
    server = fresh_redis(save="3600 1", dbfilename="taken")
    scene = Scene(server, scratch, tmp_path)
    (server.folder / "taken" / "by").mkdir(parents=True)
    with server.admin() as admin:
        admin.bgsave()
        wait_until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err", 30, "a failed save")
    scene.is_refused(scene.flush(), "MISCONF.*repair its persistence")


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_primary_without_its_replicas_is_left_alone(
    fresh_redis: Callable[..., RedisServer], scratch: RedisServer, tmp_path: Path, when: str
) -> None:
    scene = Scene(fresh_redis(), scratch, tmp_path)
    with scene.server.admin() as admin:
        if when == "before":
            admin.config_set("min-replicas-to-write", 1)
        with scene.start(**SLOWLY) as running:
            if when == "meanwhile":
                scene.wait_for('"part":1')
                admin.config_set("min-replicas-to-write", 1)
            result = running.wait(60).result
        scene.has_failed(result, "NOREPLICAS.*min-replicas-to-write")
        assert (scene.removed == 0) == (when == "before")
        admin.config_set("min-replicas-to-write", 0)
    scene.is_finished_by_repeating()


def test_scripts_that_are_flushed_meanwhile_are_loaded_again(
    any_redis: RedisServer, scratch: RedisServer, tmp_path: Path
) -> None:
    with any_redis.admin() as admin:
        admin.mset({f"market:data:{number}": b"x" * 100 for number in range(200)})
        with start_module("redis_flush", flush_args(any_redis, tmp_path, rate_limit=100)) as running:
            for _time in range(5):
                wait_until(lambda: b"EVALSHA" in b"".join(_commands(admin)), 30, "a removal")
                admin.script_flush()
                admin.config_resetstat()
            result = running.wait(60).result
        assert not result.get("failed"), result["msg"]
        assert (result["removed"], result["remaining"], result["counts"]["changed"]) == (200, 0, 0)


@pytest.mark.parametrize("keeps", [True, False], ids=["with its data", "without its data"])
def test_a_server_that_restarts_ends_the_flush(
    fresh_redis: Callable[..., RedisServer], scratch: RedisServer, tmp_path: Path, keeps: bool
) -> None:
    persistence = {"appendonly": True, "appendfsync": "always"} if keeps else {}
    scene = Scene(fresh_redis(**persistence), scratch, tmp_path)
    if keeps:
        # commands that are replayed give consumers other times; the base of the file keeps them
        with scene.server.admin() as admin:
            admin.bgrewriteaof()
            wait_until(lambda: not admin.info("persistence")["aof_rewrite_in_progress"], 30, "the new base file")
    with scene.start(**SLOWLY) as running:
        scene.wait_for('"part":1')
        scene.server.kill()
        scene.server.start()
        result = running.wait(60).result
    says(result, r"was restarted or replaced.*run the same command again")
    if keeps:
        scene.nothing_is_lost()
        scene.is_finished_by_repeating()
    else:
        kept = loss.saved(scene.runs, scene.scratch)
        assert len(kept) >= result["removed"] > 0
        assert kept.items() <= scene.before.items()
        again = scene.flush()
        assert (again["removed"], again["remaining"], again["resumed"]) == (0, 0, True)


# -- rights and passwords --------------------------------------------------------------------------------------------

RIGHTS = ("dump", "evalsha", "unlink", "renamenx", "hscan", "eval")


@pytest.mark.parametrize("asked", [True, False], ids=["foreseen", "not foreseen"])
@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_right_is_named(scene: Scene, right: str, asked: bool) -> None:
    """Where the user may ask for its rights, nothing is removed before all are there (see test_redis_acl.py)."""
    with scene.server.admin() as admin:
        rules = ["+@all", f"-{right}", *([] if asked else ["-acl"])]
        admin.execute_command(
            "ACL SETUSER", "flusher", "on", ">secret", "~market:data:*", "~market_intel.runbooks:*", *rules
        )

    result = scene.flush(username="flusher", password="secret")

    if result.get("failed"):
        scene.has_failed(result, f"(?i){right.replace('|', '.?.?')}")
        assert re.search("ACL", result["msg"])
        if asked:
            assert scene.removed == 0
    else:
        scene.has_finished(result)
    with scene.server.admin() as admin:
        admin.execute_command("ACL SETUSER", "flusher", f"+{right}")
    if result.get("failed"):
        scene.is_finished_by_repeating(username="flusher", password="secret")


def test_keys_outside_of_the_user_s_rights_are_refused(scene: Scene) -> None:
    with scene.server.admin() as admin:
        admin.execute_command("ACL SETUSER", "flusher", "on", ">secret", "~quotes:*", "+@all")
    scene.is_refused(scene.flush(username="flusher", password="secret"), "NOPERM|lacks the rights .*'market:data:'")


LOGINS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "wrong password": ({"password": "hunter22"}, {}),
    "wrong password in the environment": ({}, {"REDISCLI_AUTH": "hunter22"}),
    "no password": ({}, {}),
    "unknown user": ({"username": "nobody", "password": "hunter22"}, {}),
}


@pytest.mark.parametrize("login", LOGINS)
def test_a_refused_login_is_one_sentence_without_the_password(
    fresh_redis: Callable[..., RedisServer], scratch: RedisServer, tmp_path: Path, login: str
) -> None:
    options, env = LOGINS[login]
    scene = Scene(fresh_redis(requirepass="correct-horse"), scratch, tmp_path)
    with scene.start(env=env, **options) as running:
        outcome = running.wait(60)
        said = running.stdout + running.stderr
    scene.is_refused(outcome.result, r"(refused the login|NOAUTH).*check username and password")
    assert "hunter22" not in said


def test_the_password_is_nowhere(fresh_redis: Callable[..., RedisServer], scratch: RedisServer, tmp_path: Path) -> None:
    scene = Scene(fresh_redis(requirepass="correct-horse"), scratch, tmp_path)
    with scene.start(password="correct-horse", **SLOWLY) as running:
        scene.wait_for('"part":1')
        command_lines = [process.argv for process in running.processes()]
        running.signal(15)
        outcome = running.wait(60)
        said = running.stdout + running.stderr
    assert outcome.result["state"] == "interrupted"
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert "correct-horse" not in f"{said}{command_lines}{files}"
    scene.is_finished_by_repeating(password="correct-horse")


# -- two at once -----------------------------------------------------------------------------------------------------


def test_the_same_flush_at_the_same_time_is_refused(scene: Scene) -> None:
    with scene.start(**MORE_SLOWLY) as first:
        scene.wait_for('"part":1')
        second = scene.flush()
        (run,) = scene.runs
        says(second, f"{run.name} does the same at this moment.*wait")
        assert not second["changed"]
        result = first.wait(60).result
    scene.has_finished(result)


def test_a_flush_from_another_machine_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Another backup folder is as good as another machine."""
    with scene.start(**MORE_SLOWLY) as first:
        scene.wait_for('"part":1')
        second = scene.flush(backup_dir=str(tmp_path / "elsewhere"))
        (run,) = scene.runs
        says(second, f"{run.name} flushes this database at this moment.*wait")
        assert not second["changed"]
        result = first.wait(60).result
    scene.has_finished(result)
    # what was refused has not begun: there is nothing to continue
    assert not scene.flush(backup_dir=str(tmp_path / "elsewhere"))["resumed"]


def test_of_two_that_begin_together_one_is_refused(scene: Scene) -> None:
    with scene.start(**MORE_SLOWLY) as one, scene.start(**MORE_SLOWLY) as other:
        results = [one.wait(60).result, other.wait(60).result]
    failed = [result for result in results if result.get("failed")]
    assert len(failed) == 1
    assert not loss.not_one_sentence(failed[0])
    scene.nothing_is_lost()
    assert scene.cache.left() == []
    assert not scene.flush()["resumed"]


def test_without_rights_on_the_lock_the_same_command_is_still_refused(scene: Scene) -> None:
    login = {"username": "flusher", "password": "secret"}
    with scene.server.admin() as admin:
        admin.execute_command("ACL SETUSER", "flusher", "on", ">secret", "~market:data:*", "+@all")
    planned = run_module("redis_flush", {**scene.options, **login}, check=True)
    assert any("The lock key cannot be used" in notice for notice in planned["notices"])
    with scene.start(**login, **MORE_SLOWLY) as first:
        scene.wait_for('"part":1')
        second = scene.flush(**login)
        says(second, "does the same at this moment")
        result = first.wait(60).result
    scene.has_finished(result)
    assert any("The lock key cannot be used" in notice for notice in result["notices"])


def test_the_lock_of_a_dead_flush_expires(scene: Scene, tmp_path: Path) -> None:
    with scene.start(**SLOWLY) as running:
        scene.wait_for('"part":1')
        running.kill_tree()
    (run,) = scene.runs
    refused = scene.flush(backup_dir=str(tmp_path / "elsewhere"))
    scene.has_failed(refused, f"{run.name} flushes this database")
    with scene.server.admin() as admin:
        (lock,) = admin.scan_iter(match=b"market_intel.runbooks:*")
        assert 0 < admin.pttl(lock) <= 60_000
        admin.pexpire(lock, 1)
        wait_until(lambda: not admin.exists(lock), 5, "the end of the lock")
    elsewhere = scene.flush(backup_dir=str(tmp_path / "elsewhere"))
    assert not elsewhere.get("failed"), elsewhere["msg"]
    assert elsewhere["remaining"] == 0
    runs = [*scene.runs, *loss.runs_in(tmp_path / "elsewhere")]
    assert loss.lost(scene.before, scene.cache, runs, scene.scratch) == []


def test_a_dead_flush_is_continued_at_once(scene: Scene) -> None:
    with scene.start(**SLOWLY) as running:
        scene.wait_for('"part":1')
        running.kill_tree()
    scene.is_finished_by_repeating()

    again = scene.flush()
    assert not again.get("failed"), again["msg"]
    assert (again["changed"], again["resumed"]) == (False, False)


OTHER_RUN = "20261123t101500z-flush-redis-7f3a"


def test_the_lock_is_kept_while_the_flush_works_and_its_loss_ends_it(
    scratch: RedisServer, fresh_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    keeping = Scene(fresh_redis(), scratch, tmp_path / "keeping")
    losing = Scene(fresh_redis(), scratch, tmp_path / "losing")
    lock = b"market_intel.runbooks:flush-redis:lock"
    with keeping.start(rate_limit=7) as kept, losing.start(rate_limit=7) as lost:
        losing.wait_for('"part":1')
        with losing.server.admin() as admin:
            admin.set(lock, OTHER_RUN)
        with keeping.server.admin() as admin:
            left = [admin.pttl(lock)]

            def renewed() -> bool:
                # Only against the moment before: the first look may have come right after a renewal.
                left.append(admin.pttl(lock))
                return left[-1] > left[-2]

            wait_until(renewed, 30, "a renewal of the lock", interval=0.2)
        kept.signal(15)
        result = lost.wait(60).result
        losing.has_failed(result, f"{OTHER_RUN} flushes this database")
        kept.wait(60)
    with losing.server.admin() as admin:
        assert admin.get(lock) == OTHER_RUN.encode()
        admin.delete(lock)
    losing.is_finished_by_repeating()
    keeping.is_finished_by_repeating()


# -- as an operator sees it ------------------------------------------------------------------------------------------


def test_a_playbook_says_it_in_one_sentence_and_reports_it(
    fresh_redis: Callable[..., RedisServer], scratch: RedisServer, tmp_path: Path
) -> None:
    scene = Scene(fresh_redis(requirepass="correct-horse"), scratch, tmp_path)
    variables = {
        **{f"flush_redis_{name}": value for name, value in scene.options.items()},
        "flush_redis_password": "hunter22",
        "flush_redis_reports_dir": str(tmp_path / "reports"),
        "flush_redis_skip_prompt": True,
    }
    done = run_playbook("flush_redis", variables, args=["-vvv"])
    assert done.rc == 2
    assert "refused the login" in done.failures[-1].msg
    assert "Traceback" not in done.output
    assert "hunter22" not in done.output.replace(json.dumps(variables), "")
    scene.nothing_is_lost()


def _state(run: Path) -> str:
    try:
        return str(json.loads((run / "manifest.json").read_text()).get("state"))
    except FileNotFoundError:
        return ""


def _cached(snapshot: Snapshot) -> Snapshot:
    return {name: state for name, state in snapshot.items() if name.startswith(b"market:data:")}


def _commands(admin: Any) -> list[bytes]:
    return [name.upper().encode() for name in admin.info("commandstats")]
