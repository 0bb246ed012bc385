# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that lack one command: what the guide says of each, and nothing of a value in what is shown."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import commands as tables
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import report
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import CachePattern
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import RedisSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.names import is_internal
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.plan import FlushRequest
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.restore import (
    RestoreRequest,
    RestoreResult,
    run_restore,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.run_flush import (
    FlushOptions,
    FlushResult,
    run_flush,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.stats import run_stats
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import Progress, Stop, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now
from support import canary, loss
from support.members import quiet_port
from support.processes import die_with_parent, wait_until
from support.servers import RedisServer, binaries
from tools.tree import ROOT

GUIDE = (ROOT / "docs" / "guide_redis_acl.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (`[A-Z`, ]+`) \| ([a-z ]+) \| ([a-z ]+) \| ([a-z ]+) \|", re.MULTILINE)
OUTCOMES = {
    name: dict(zip(("flush", "restore", "stats"), outcomes))
    for names, *outcomes in ROW.findall(GUIDE)
    for name in re.findall("[A-Z]+", names)
}
# Before, there is nothing to rename.
NEWER = {"HPEXPIRETIME": "redis-8.0", "HPEXPIREAT": "redis-8.0"}
CACHE = CachePattern("market:data:*")
NEEDED = {
    name.split()[0]
    for needs in (
        tables.flush_needs(backup=True, expire=True, clustered=True),
        tables.restore_needs(overwrite=True, big_keys=True, fields_expire=True),
        tables.LOCK_NEEDS,
    )
    for name in needs
}


def flavour_for(commands: str) -> str:
    return next((NEWER[command] for command in commands.split() if command in NEWER), "redis-7.0")


@dataclass
class Place:
    """A server that lacks a command, and a run's folder."""

    settings: RedisSettings
    folder: Path
    client: redis.Redis

    def keys(self) -> set[bytes]:
        return set(self.client.execute_command("KEYS", "*"))


@contextmanager
def server_without(
    commands: str, data: Path | None, folder: Path, new_name: str = "hidden-{}", **config: str
) -> Iterator[Place]:
    """Run a server on a socket with keys of a file: what starts other servers needs the commands that are missing."""
    place = Path(tempfile.mkdtemp(prefix="without-"))
    if data:
        shutil.copy(data, place / "dump.rdb")
    socket = place / "s"
    directives = {"port": "0", "unixsocket": str(socket), "dir": str(place), "save": '""', **config}
    lines = [f"{name} {value}" for name, value in directives.items()]
    lines += [f'rename-command {command} "{new_name.format(command)}"' for command in commands.split()]
    (place / "conf").write_text("\n".join([*lines, ""]))
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries(flavour_for(commands))["server"], str(place / "conf")],
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),
        )
    client = redis.Redis(unix_socket_path=str(socket), protocol=2, retry=Retry(NoBackoff(), 0))

    def ready() -> bool:
        try:
            return bool(client.execute_command("LASTSAVE"))
        except redis.ConnectionError:
            assert process.poll() is None, (place / "log").read_text()
            return False

    try:
        wait_until(ready, 20, "the server", 0.01)
        yield Place(RedisSettings(f"unix://{socket}?db=0"), folder, client)
    finally:
        client.close()
        process.kill()
        process.wait()
        shutil.rmtree(place)


@dataclass
class Outcome:
    """What a run has shown, in its result and in its part of the report."""

    failed: str
    shown: str
    removed: int = 0

    @property
    def word(self) -> str:
        return "is refused" if self.failed else "goes on"


def flush(place: Place, *, check: bool = False, **request: Any) -> Outcome:
    asked = FlushRequest((CACHE,), big_key_bytes=1024, max_share=1.0, **request)
    options = FlushOptions(place.settings, place.folder, new_run_id("flush_redis"), 0, True, check_mode=check)
    try:
        reached: FlushResult | None = run_flush(options, asked, Stop(), Progress(None))
        failure = None
    except RunbookError as exc:
        failure = exc
        reached = exc.reached if isinstance(exc.reached, FlushResult) else None
    told = report.flush_report(place.settings, asked, options.run_id, utc_now(), check, reached, failure)
    return replace(outcome(failure, reached, told), removed=reached.removed if reached else 0)


def restore(place: Place, path: Path) -> Outcome:
    asked = RestoreRequest(path, overwrite=True)
    failure = None
    try:
        reached = run_restore(place.settings, asked, Stop(), Progress(None))
    except RunbookError as exc:
        failure = exc
        reached = exc.reached if isinstance(exc.reached, RestoreResult) else RestoreResult()
    return outcome(failure, reached, report.restore_report(asked, "run", utc_now(), reached, failure))


def stats(place: Place) -> Outcome:
    try:
        return outcome(None, run_stats(place.settings, [CACHE], Stop(), Progress(None), interval=0.01))
    except RunbookError as exc:
        return outcome(exc)


def outcome(failure: RunbookError | None, *shown: Any) -> Outcome:
    texts = [str(failure or ""), *(str(each.to_plain()) for each in shown if each is not None)]
    return Outcome(str(failure or ""), "\n".join(texts))


@dataclass
class Prepared:
    """The keys of a server, big ones of each type among them, and their backup."""

    data: Path
    backup: Path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """Return what makes the keys and the backup for a server that lacks commands, on a server of its version."""

    @functools.cache
    def of(flavour: str) -> Prepared:
        folder = tmp_path_factory.mktemp(flavour)
        with RedisServer(flavour) as server, server.admin() as admin:
            canary.plant(admin, b"market:data:")
            if flavour != "redis-7.0":
                admin.execute_command(
                    "HPEXPIRE", "market:data:canary:long:hash", 10**9, "FIELDS", 1, f"{canary.WORD}-7"
                )
            admin.save()
            data = Path(shutil.copy(server.folder / "dump.rdb", folder))
            settings = RedisSettings(server.url)
            assert not flush(Place(settings, folder, admin)).failed
        return Prepared(data, next((folder / "redis").glob("*/manifest.json")).parent)

    return lambda commands: of(flavour_for(commands))


def test_the_guide_says_what_happens_without_each_command() -> None:
    assert OUTCOMES.keys() >= NEEDED
    assert {"CONFIG", "DEBUG", "CLIENT", "CLUSTER", "ACL"} <= OUTCOMES.keys()
    assert {word for outcomes in OUTCOMES.values() for word in outcomes.values()} == {"goes on", "is refused"}


@pytest.mark.parametrize("command", sorted(OUTCOMES))
def test_a_server_without_a_command(command: str, prepared: Callable[[str], Prepared], tmp_path: Path) -> None:
    made = prepared(command)
    with server_without(command, made.data, tmp_path) as place:
        before = place.keys()
        planned = flush(place, check=True)
        looked, flushed = stats(place), flush(place)
        after = place.keys()
        restored = restore(place, made.backup)
        shown = {"flush": flushed, "restore": restored, "stats": looked}
        assert {name: each.word for name, each in shown.items()} == OUTCOMES[command], shown
        assert bool(planned.failed) == bool(flushed.failed)
        if flushed.failed:
            assert after == before
        for each in (planned, *shown.values()):
            if each.failed:
                assert not loss.not_one_sentence({"failed": True, "msg": each.failed})
                assert command in each.failed
        if command in NEEDED - {"CLUSTER", "ASKING"}:
            assert command in planned.shown
        if command == "RESTORE":
            assert "market_intel.runbooks.restore_redis" not in flushed.shown
        assert not canary.seen(planned.shown, *(each.shown for each in shown.values()), tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        *("EVALSHA", "UNLINK", "DUMP", "GETRANGE", "XINFO", "RESTORE", "HSET", "XADD", "RENAME"),
        *("PERSIST", "PEXPIREAT", "HPEXPIRETIME", "HPEXPIREAT"),
    ],
)
def test_a_server_that_does_not_say_what_it_lacks(
    command: str, prepared: Callable[[str], Prepared], tmp_path: Path
) -> None:
    made = prepared(command)
    with server_without(f"{command} COMMAND ACL", made.data, tmp_path, "") as place:
        before = place.keys()
        planned, flushed = flush(place, check=True), flush(place)
        assert "COMMAND INFO is refused" in planned.shown
        if flushed.failed:
            assert command in flushed.failed
        assert len(before - place.keys()) == flushed.removed
        restored = restore(place, made.backup)
        for each in (flushed, restored):
            assert not each.failed or not loss.not_one_sentence({"failed": True, "msg": each.failed})
        # What is there again stays there, but for a key of our own.
        there = {name for name in set(place.keys()) if not is_internal(name)}
        assert not [name for name in there if place.client.execute_command("PTTL", name) != -1]
        assert not canary.seen(planned.shown, flushed.shown, restored.shown, tmp_path)


def test_a_node_of_a_cluster_without_its_commands(tmp_path: Path) -> None:
    port = quiet_port()
    config = {"cluster-enabled": "yes", "port": str(port), "cluster-port": str(quiet_port())}
    with server_without("CLUSTER", None, tmp_path, **config) as place:
        refused = flush(replace(place, settings=RedisSettings(f"redis://127.0.0.1:{port}")))
        assert "CLUSTER SLOTS (UNKNOWN)" in refused.failed


def test_a_renamed_auth_does_not_show_the_password(tmp_path: Path) -> None:
    """The server's own error repeats what it was given."""
    with server_without("AUTH", None, tmp_path) as place:
        login = replace(place.settings, username="nobody", password=canary.WORD)
        refused = flush(replace(place, settings=login))
        assert "refused the login" in refused.failed
        assert not canary.seen(refused.shown, tmp_path)
