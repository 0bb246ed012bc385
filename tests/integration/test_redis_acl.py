# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that docs/guide_redis_acl.md names are enough, and each that is missing is noticed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import canary, dataset
from support.ansible import run_module
from support.cluster import RedisCluster
from support.sentinel import SentinelSet
from support.servers import FLAVOURS, RedisServer
from tools.tree import ROOT

GUIDE = (ROOT / "docs" / "guide_redis_acl.md").read_text(encoding="utf-8")
LINES = dict(re.findall(r"^user (runbooks-\w+) (.+)$", GUIDE, re.MULTILINE))
SENTINEL = LINES.pop("runbooks-sentinel").split()
IN_A_CLUSTER = re.findall(r"^```rights\n(.+)$", GUIDE, re.MULTILINE)[0].split()
FLUSH, STATS, RESTORE = "runbooks-flush", "runbooks-stats", "runbooks-restore"
# The rows of the guide's table of other versions, and what stands for each of them here.
VERSIONS = {
    "redis-6.2": "Redis 6.2",
    "redis-8.0": "Redis 7.4, Valkey 9.0 and newer",
    "valkey-8.1": "Redis 7.2, Valkey 8",
    "valkey-9.1": "Redis 7.4, Valkey 9.0 and newer",
}
ROWS = {
    row[0]: row[1:]
    for row in re.findall(r"^\| ([^|`]+) \| (.+?) \| (.+?) \| (.+?) \|$", GUIDE.replace("\\|", "/"), re.M)
}
PASSWORD = "CHANGE-ME"
# Another than the one that needs no SELECT.
DATABASE = 5
# What is missing without these is only a name in CLIENT LIST.
UNNOTICED = {"+client|setname"}


def rules(user: str, flavour: str = "redis-7.0") -> list[str]:
    """Return the rules of a user on a version, as the guide has them."""
    if flavour not in VERSIONS:
        return LINES[user].split()
    cell = ROWS[VERSIONS[flavour]][[FLUSH, STATS, RESTORE].index(user)].replace("/", "|")
    more, _without, less = (re.findall(r"\+[a-z|]+", part) for part in cell.partition("without"))
    return [word for word in LINES[user].split() if word not in less] + more


def commands(user: str) -> list[str]:
    return [word for word in rules(user) if word.startswith("+")]


def url(server: RedisServer) -> str:
    return server.url.removesuffix("0") + str(DATABASE)


def fill(server: RedisServer) -> None:
    """Make keys of every type, small ones and ones that count as big here, and neighbours."""
    with server.admin(db=DATABASE) as client:
        client.flushall()
        dataset.fill(client, 50)
        canary.plant(client, dataset.PREFIX)
        dataset.fill_all_types(client, dataset.PREFIX, 2 * len(dataset.kinds(client)))
        dataset.fill(client, 100, prefix=b"neighbour:")


def flush(server: RedisServer, folder: Path, **options: Any) -> dict[str, Any]:
    check = options.pop("check", False)
    args = {
        "url": url(server),
        "username": FLUSH,
        "password": PASSWORD,
        "patterns": ["market:data:*"],
        "backup_dir": str(folder),
        "accept_ephemeral_storage": True,
        "big_key_bytes": 1024,
        **options,
    }
    return run_module("redis_flush", args, check=check)


def restore(server: RedisServer, path: str, **options: Any) -> dict[str, Any]:
    check = options.pop("check", False)
    args = {"url": url(server), "username": RESTORE, "password": PASSWORD, "path": path, **options}
    return run_module("redis_restore", args, check=check)


def stats(server: RedisServer) -> dict[str, Any]:
    args = {"url": url(server), "username": STATS, "password": PASSWORD, "patterns": ["market:data:*"], "interval": 0.1}
    return run_module("redis_cache_info", args)


def keys(server: RedisServer) -> set[bytes]:
    with server.admin(db=DATABASE) as client:
        return set(client.scan_iter(count=1000))


def denied(server: RedisServer) -> list[Any]:
    with server.admin() as client:
        client.response_callbacks.pop("ACL LOG", None)
        return list(client.execute_command("ACL LOG"))


def complaints(result: dict[str, Any]) -> str:
    """Return what a run that went on says it could not do or verify."""
    report = result["report"]
    unknown = [f"not verified: {what}" for what in report.get("plan", {}).get("not_verified", [])]
    return "; ".join([*report.get("degraded", []), *unknown])


def succeeded(result: dict[str, Any]) -> bool:
    return not result.get("failed") and not complaints(result)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_documented_rights_are_enough(flavour: str, tmp_path: Path) -> None:
    users = [" ".join([user, *rules(user, flavour)]) for user in LINES]
    with RedisServer(flavour, users=users) as server:
        fill(server)
        before = keys(server)
        assert not stats(server).get("failed")
        planned = flush(server, tmp_path, check=True)
        assert planned["changed"], planned
        assert keys(server) == before
        shortened = flush(server, tmp_path, mode="expire", expire_window=31_536_000)
        assert shortened["removed"], shortened
        assert keys(server) == before
        flushed = flush(server, tmp_path)
        assert flushed["removed"] == planned["plan"]["matched"], flushed
        assert flushed["counts"]["big"] > 0
        assert {name.split(b":")[0] for name in keys(server)} == {b"neighbour"}
        path = flushed["backup"]["path"]
        assert restore(server, path, check=True)["changed"]
        restored = restore(server, path)
        assert restored["restored"] == flushed["removed"], restored
        assert keys(server) == before
        again = restore(server, path, overwrite=True)
        assert not again.get("failed"), again
        assert flush(server, tmp_path, backup=False, mode="expire", expire_window=60)["removed"]
        assert flush(server, tmp_path, backup=False)["removed"]
        assert denied(server) == [], [entry[7] for entry in denied(server)]
        for result in (planned, flushed, restored):
            assert not result["report"].get("degraded")
            assert not canary.seen(result)
            assert bool(result["report"]["plan"]["not_verified"]) == (flavour == "redis-6.2")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer("redis-7.0") as running:
        fill(running)
        yield running


@pytest.fixture(scope="module")
def backup(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A backup with big keys, whose keys are gone or have changed."""
    allow(server, FLUSH)
    fill(server)
    flushed = flush(server, tmp_path_factory.mktemp("backup"))
    assert flushed["counts"]["big"] > 0
    return str(flushed["backup"]["path"])


def ensure_filled(server: RedisServer) -> None:
    if b"market:data:0" not in keys(server):
        fill(server)


def allow(server: RedisServer, user: str, without: str = "") -> None:
    with server.admin() as client:
        client.execute_command("ACL SETUSER", user, "reset", *[word for word in rules(user) if word != without])


@pytest.mark.parametrize("right", commands(FLUSH))
def test_a_flush_without_one_right_stops_before_it_deletes_or_says_so(
    right: str, server: RedisServer, tmp_path: Path
) -> None:
    ensure_filled(server)
    before = keys(server)
    allow(server, FLUSH, without=right)
    result = flush(server, tmp_path, mode="expire" if right == "+pexpireat" else "delete")
    assert not canary.seen(result, tmp_path)
    if result.get("failed"):
        assert keys(server) == before
        assert named(right, result["msg"]), result["msg"]
    elif right not in UNNOTICED:
        assert named(right, complaints(result)) or "lock key" in complaints(result)
        assert keys(server) == {name for name in before if name.startswith(b"neighbour:")}


@pytest.mark.parametrize("right", commands(RESTORE))
def test_a_restore_without_one_right_stops_before_it_writes_or_says_so(
    right: str, server: RedisServer, backup: str
) -> None:
    with server.admin() as client:
        client.flushall()
    allow(server, RESTORE, without=right)
    # To replace keys demands the most rights.
    result = restore(server, backup, overwrite=True)
    assert not canary.seen(result)
    if result.get("failed"):
        assert keys(server) == set()
        assert named(right, result["msg"]), result["msg"]
    elif right not in UNNOTICED:
        assert named(right, complaints(result))


@pytest.mark.parametrize("right", commands(STATS))
def test_statistics_without_one_right_fail_with_its_name(right: str, server: RedisServer) -> None:
    ensure_filled(server)
    allow(server, STATS, without=right)
    result = stats(server)
    assert not canary.seen(result)
    if right not in UNNOTICED:
        assert result.get("failed"), result
        assert named(right, result["msg"]), result["msg"]


def test_a_flush_of_other_keys_is_refused(server: RedisServer, tmp_path: Path) -> None:
    fill(server)
    before = keys(server)
    allow(server, FLUSH)
    result = flush(server, tmp_path, patterns=["neighbour:*"])
    assert result["failed"]
    assert "docs/guide_redis_acl.md" in result["msg"]
    assert keys(server) == before


def test_rights_are_asked_for_by_keys_that_a_pattern_matches(server: RedisServer, tmp_path: Path) -> None:
    """ACL patterns are compared with keys, in which nothing is escaped and a class of characters is one of them."""
    rights = [word for word in LINES[FLUSH].split() if word != "~market:data:*"]
    with server.admin() as client:
        client.execute_command("ACL SETUSER", FLUSH, "reset", *rights, "~cache\\[1\\]:*", "~user:a:*", "~user:b:*")
    with server.admin(db=DATABASE) as client:
        client.mset(dict.fromkeys(["cache[1]:x", "user:a:x", "user:b:x"], "x"))
    caches = [{"name": "one", "prefix": "cache[1]:"}, {"name": "some", "pattern": "user:[ab]:*"}]
    done = flush(server, tmp_path, patterns=[], caches=caches, names=["one", "some"])
    assert done["removed"] == 3, done
    refused = flush(server, tmp_path, patterns=["user:[a-c]:*"])
    assert "DUMP on 'user:c:*'" in refused["msg"]


def test_keys_that_may_only_be_read_are_found_before_the_first_write(server: RedisServer, tmp_path: Path) -> None:
    """The first key of the backup is not the only one."""
    with server.admin(db=DATABASE) as client:
        client.flushall()
        client.mset({f"market:data:{number}": "x" for number in range(50)})
        client.mset({f"quotes:{number}": "x" for number in range(50)})
    admin = {"username": "harness", "password": server._admin_password}
    flushed = flush(server, tmp_path, patterns=["market:data:*", "quotes:*"], **admin)
    for readable in ("market:data", "quotes"):
        writable = "quotes" if readable == "market:data" else "market:data"
        rights = [word for word in LINES[RESTORE].split() if word != "~market:data:*"]
        with server.admin() as client:
            client.execute_command("ACL SETUSER", RESTORE, "reset", *rights, f"%R~{readable}:*", f"~{writable}:*")
        for check in (True, False):
            refused = restore(server, flushed["backup"]["path"], check=check)
            assert re.search(f"lacks the rights RESTORE on '{readable}:", refused["msg"])
        assert keys(server) == set()
        part = restore(server, flushed["backup"]["path"], patterns=[f"{writable}:*"])
        assert part["restored"] == 50
        with server.admin(db=DATABASE) as client:
            client.flushall()


def named(right: str, text: str) -> bool:
    """Tell whether a sentence names a command; a missing right to ask for rights is all of them not verified."""
    if right.startswith("+acl|"):
        return "not verified" in text
    return right.lstrip("+").replace("|", " ").upper() in text.replace("|", " ").upper()


@pytest.mark.parametrize("flavour", ["redis-7.0", "valkey-9.1"])
def test_the_documented_rights_are_enough_in_a_cluster(flavour: str, tmp_path: Path) -> None:
    users = [" ".join([user, *rules(user, flavour), *IN_A_CLUSTER]) for user in LINES]
    with RedisCluster(flavour, users=users) as cluster:
        cluster.mset({b"market:data:%d" % number: b"x" * 2000 for number in range(300)})
        # a slot that is half moved needs all of them
        name = b"market:data:1"
        target = next(node for node in cluster.primaries() if node is not cluster.owner(name))
        cluster.begin_migration(cluster.slot(name), target)
        cluster.migrate_keys(cluster.slot(name), target, 10)
        way = {"password": PASSWORD, "url": f"redis://{cluster.seeds[0]}"}
        login = {**way, "username": FLUSH, "patterns": ["market:data:*"], "backup_dir": str(tmp_path), "max_share": 1}
        login["accept_ephemeral_storage"] = True
        counted = run_module("redis_flush", {**login, "read_from": "replica"}, check=True)
        assert counted["plan"]["matched"] == 300
        assert not complaints(counted)
        flushed = run_module("redis_flush", login)
        assert (flushed.get("removed"), complaints(flushed)) == (300, "")
        looked = run_module("redis_cache_info", {**way, "username": STATS, "patterns": ["market:data:*"]})
        assert looked["caches"][0]["keys"] == 0
        restored = run_module("redis_restore", {**way, "username": RESTORE, "path": flushed["backup"]["path"]})
        assert restored.get("restored") == 300, restored
        assert all(denied(node) == [] for node in cluster.nodes)


@pytest.mark.parametrize("right", [right for right in IN_A_CLUSTER if right not in ("+readonly", "+cluster|info")])
def test_a_flush_of_a_cluster_without_one_right_stops_before_it_deletes(right: str, tmp_path: Path) -> None:
    others = [other for other in IN_A_CLUSTER if other != right]
    with RedisCluster(replicas=0, users=[" ".join([FLUSH, *rules(FLUSH), *others])]) as cluster:
        cluster.mset({b"market:data:%d" % number: b"x" for number in range(30)})
        args = {"url": f"redis://{cluster.seeds[0]}", "username": FLUSH, "password": PASSWORD, "max_share": 1}
        args |= {"patterns": ["market:data:*"], "backup_dir": str(tmp_path), "accept_ephemeral_storage": True}
        result = run_module("redis_flush", args)
        assert result["failed"]
        assert named(right, result["msg"]), result["msg"]
        assert cluster.dbsize() == 30


def test_the_documented_rights_at_sentinels_are_enough(tmp_path: Path) -> None:
    with SentinelSet() as topology:
        for index in range(3):
            with topology.sentinel_client(index) as client:
                client.execute_command("ACL SETUSER", "runbooks-sentinel", "reset", *SENTINEL)
        with topology.client() as client:
            client.mset({b"market:data:%d" % number: b"x" for number in range(30)})
        host, port = topology.sentinels[0]
        args = {"url": f"redis://{host}:{port}", "topology": "sentinel", "patterns": ["market:data:*"], "max_share": 1}
        args |= {"backup_dir": str(tmp_path), "accept_ephemeral_storage": True}
        args |= {"sentinel_username": "runbooks-sentinel", "sentinel_password": PASSWORD}
        assert run_module("redis_flush", args)["removed"] == 30
        for index in range(3):
            with topology.sentinel_client(index) as client:
                client.response_callbacks.pop("ACL LOG", None)
                assert client.execute_command("ACL LOG") == []
