# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable of the role as text, which is how command lines and surveys give it, and what wrong text brings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible import Result, run_playbook
from support.roles import variables
from support.servers import RedisServer

PREFIX = "flush_redis_"
FLUSH_ID = "20261123t101500z-flush-redis-7f3a"
PASSWORD = "open-sesame-94"
CACHES = [{"name": "market-data", "prefix": "market:data:"}, {"name": "quotes", "pattern": "quotes:*"}]
KEYS = 20

# variable: (text, what the module gets)
CONNECTION = {
    "username": ("ops", "ops"),
    "validate_certs": ("yes", True),
    "check_hostname": ("no", False),
    "tls_min_version": ("TLSv1.3", "TLSv1.3"),
    "connect_timeout": ("2.5", 2.5),
    "timeout": ("12", 12.0),
    "topology": ("standalone", "standalone"),
    "nodes": ("spare-1:6379,spare-2:6379", ["spare-1:6379", "spare-2:6379"]),
    "sentinel_username": ("watcher", "watcher"),
    "address_map": ('{"10.0.0.1:6379":"127.0.0.1:6379"}', {"10.0.0.1:6379": "127.0.0.1:6379"}),
}
FLUSH = {
    "names": ("market-data,quotes", ["market-data", "quotes"]),
    "patterns": ("market:session:*,old:*", ["market:session:*", "old:*"]),
    "mode": ("expire", "expire"),
    "expire_window": ("600", 600),
    "backup": ("on", True),
    "backup_keep": ("3", 3),
    "accept_ephemeral_storage": ("true", True),
    "read_from": ("replica", "replica"),
    "batch_size": ("500", 500),
    "rate_limit": ("100000", 100_000),
    "max_latency_ms": ("7.5", 7.5),
    "max_replica_lag_bytes": ("1000000", 1_000_000),
    "big_key_bytes": ("2048", 2048),
    "max_keys": ("5000", 5000),
    "max_share": ("0.99", 0.99),
    "allow_broad": ("yes", True),
    "allow_sensitive": ("session,token", ["session", "token"]),
    "environment": ("production", "production"),
    "recovery_timeout": ("0.5", 0.5),
    "run_id": (FLUSH_ID, FLUSH_ID),
}
STATS = {
    "validate_certs": ("no", False),
    "names": ("quotes", ["quotes"]),
    "patterns": ("market:data:1*", ["market:data:1*"]),
    "rate_limit": ("50000", 50_000),
    "max_latency_ms": ("8", 8.0),
    "stats_interval": ("0.2", 0.2),
    "stats_sample": ("7", 7),
    "stats_largest": ("2", 2),
}
RESTORE = {
    "restore_patterns": ("market:data:*,quotes:1", ["market:data:*", "quotes:1"]),
    "restore_overwrite": ("True", True),
    "restore_expiry": ("persist", "persist"),
    "restore_allow_eviction": ("yes", True),
}
# Their text depends on the test's own server and folders, or they are no option of a module.
ELSEWHERE = {
    "url", "password", "ca_cert", "client_cert", "client_key", "caches", "backup_dir", "reports_dir", "reports_keep",
    "expected_run_id", "confirm", "skip_prompt", "kubernetes", "restore_run", "sentinel_service", "sentinel_password",
    "guard_namespace", "obey_guard",
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server that wants a certificate, a user and a password."""
    users = ["default off", f"ops on >{PASSWORD} ~* &* +@all"]
    with RedisServer(tls=True, users=users, tls_auth_clients="yes") as running:
        yield running


@pytest.fixture
def filled(server: RedisServer) -> RedisServer:
    with server.admin() as client:
        client.flushall()
        for prefix in ("market:data:", "quotes:", "market:session:", "neighbour:"):
            client.mset({f"{prefix}{number}": "x" for number in range(KEYS)})
    return server


def texts(server: RedisServer, **more: str) -> list[str]:
    """Return -e arguments that reach the server, each value as text."""
    certificates = server.certificates
    assert certificates
    values = {
        "url": server.tls_url,
        "password": PASSWORD,
        "ca_cert": str(certificates.ca_cert),
        "client_cert": str(certificates.client_cert),
        "client_key": str(certificates.client_key),
        "caches": json.dumps(CACHES, separators=(",", ":")),
        "reports_dir": "my/reports",
        "reports_keep": "4",
        **{name: text for name, (text, _value) in CONNECTION.items()},
        **more,
    }
    return [f"{PREFIX}{name}={text}" for name, text in values.items()]


def given(result: Result, module: str) -> dict[str, Any]:
    """Return the options that a module ran with, after its own conversion."""
    return result.by_action(module)[-1].result["invocation"]["module_args"]


def check_given(result: Result, module: str, table: dict[str, tuple[str, Any]], infix: str = "") -> None:
    options = given(result, module)
    wanted = {name.removeprefix(infix): value for name, (_text, value) in (CONNECTION | table).items()}
    found = {name: options[name] for name in wanted}
    assert found == wanted
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in wanted.items()}


def ttls(server: RedisServer, pattern: str) -> list[int]:
    with server.admin() as client:
        return [client.pttl(key) for key in client.scan_iter(match=pattern)]


def test_the_tables_hold_every_variable_of_the_role() -> None:
    tables = [*CONNECTION, *FLUSH, *STATS, *RESTORE, *ELSEWHERE]
    assert {PREFIX + name for name in tables} == variables("flush_redis")


def test_every_variable_may_be_text(filled: RedisServer, tmp_path: Path) -> None:
    with filled.admin() as client:
        process = client.info("server")["run_id"]
    wanted = {name: text for name, (text, _value) in FLUSH.items()}
    flush = texts(filled, **wanted, backup_dir="my/backups", expected_run_id=process, skip_prompt="no")

    planned = run_playbook("flush_redis", flush, check=True, cwd=tmp_path)
    assert planned.rc == 0, planned.output
    check_given(planned, "redis_flush", FLUSH)
    assert given(planned, "redis_flush")["expected_run_id"] == process
    plan = planned.one("redis_flush").result["plan"]
    assert f"flush_redis_confirm={plan['confirm']}" in planned.output
    assert {entry["pattern"]: entry["matched"] for entry in plan["patterns"]} == {
        "market:data:*": KEYS,
        "quotes:*": KEYS,
        "market:session:*": KEYS,
        "old:*": 0,
    }

    done = run_playbook("flush_redis", [*flush, f"flush_redis_confirm={plan['confirm']}"], cwd=tmp_path)
    assert done.rc == 0, done.output
    check_given(done, "redis_flush", FLUSH)
    # Relative folders are the caller's.
    assert (tmp_path / "my" / "backups" / "redis" / FLUSH_ID / "manifest.json").is_file()
    assert (tmp_path / "my" / "reports" / FLUSH_ID / "localhost.json").is_file()
    expiring = [
        life for prefix in ("market:data:", "quotes:", "market:session:") for life in ttls(filled, prefix + "*")
    ]
    assert all(0 <= life <= 600_000 for life in expiring)
    assert ttls(filled, "neighbour:*") == [-1] * KEYS

    looked = run_playbook(
        "redis_stats", texts(filled, **{name: text for name, (text, _value) in STATS.items()}), cwd=tmp_path
    )
    assert looked.rc == 0, looked.output
    check_given(looked, "redis_cache_info", STATS, "stats_")
    figures = looked.one("redis_cache_info").result["caches"]
    assert [entry["pattern"] for entry in figures] == ["quotes:*", "market:data:1*"]
    assert [len(entry["largest"]) for entry in figures] == [2, 2]

    restore = {name: text for name, (text, _value) in RESTORE.items()}
    restored = run_playbook(
        "restore_redis", texts(filled, **restore, backup_dir="my/backups", restore_run=FLUSH_ID), cwd=tmp_path
    )
    assert restored.rc == 0, restored.output
    check_given(restored, "redis_restore", RESTORE, "restore_")
    assert ttls(filled, "market:data:*") == [-1] * KEYS
    assert sorted(ttls(filled, "quotes:*"))[0] == -1
    assert sorted(ttls(filled, "quotes:*"))[1] >= 0

    for result in (planned, done, looked, restored):
        assert PASSWORD not in result.output
        assert PASSWORD not in json.dumps([task.result for task in result.tasks])
    assert not any(PASSWORD in path.read_text() for path in (tmp_path / "my").rglob("*.json"))


def test_to_skip_the_prompt_and_the_backup_may_be_text(filled: RedisServer, tmp_path: Path) -> None:
    wanted = {"names": "quotes", "patterns": "", "backup": "no", "backup_dir": "my/backups", "recovery_timeout": "0"}
    asked = run_playbook("flush_redis", texts(filled, **wanted, skip_prompt="false"), cwd=tmp_path)
    assert asked.rc != 0
    assert f"The plan was not confirmed ({KEYS} keys match)" in asked.output
    assert len(ttls(filled, "quotes:*")) == KEYS

    forced = run_playbook("flush_redis", texts(filled, **wanted, skip_prompt="1"), cwd=tmp_path)
    assert forced.rc == 0, forced.output
    assert given(forced, "redis_flush")["backup"] is False
    assert ttls(filled, "quotes:*") == []
    assert "NO BACKUP" in forced.output
    assert not list((tmp_path / "my" / "backups").rglob("part-*"))


def test_a_run_to_restore_is_named_by_its_id_or_by_a_path(redis70: RedisServer, tmp_path: Path) -> None:
    """Relative paths are the caller's; a run's id is looked up in the backup folder."""
    common = [
        f"flush_redis_url={redis70.url}",
        "flush_redis_reports_dir=reports",
        "flush_redis_recovery_timeout=0",
        "flush_redis_accept_ephemeral_storage=true",
    ]
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
    flushed = run_playbook(
        "flush_redis",
        [*common, "flush_redis_names=market-data", "flush_redis_skip_prompt=yes", "flush_redis_backup_dir=~/saved"],
        cwd=tmp_path,
    )
    assert flushed.rc == 0, flushed.output
    folder = Path(flushed.by_action("redis_flush")[-1].result["backup"]["path"])
    home = tmp_path / ".home" / "saved"
    assert folder.parent == home / "redis"
    ways = {
        "by-id": folder.name,
        "by-relative-path": f".home/saved/redis/{folder.name}",
        "by-absolute-path": str(folder),
        "by-home": f"~/saved/redis/{folder.name}",
    }
    inventory = write_inventory(
        tmp_path,
        {name: {"flush_redis_restore_run": way} for name, way in ways.items()},
        flush_redis_backup_dir="~/saved",
    )
    result = run_playbook("restore_redis", common, args=["-i", str(inventory)], check=True, cwd=tmp_path)
    assert result.rc == 0, result.output
    assert {
        task.host: task.result["plan"]["to_restore"] for task in result.by_action("redis_restore")
    } == dict.fromkeys(ways, KEYS)


# host: (variables, what its sentence has to name)
WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no-number": ({"batch_size": "abc", "password": PASSWORD}, "flush_redis_batch_size"),
    "out-of-range": ({"batch_size": "0"}, "flush_redis_batch_size is 0; allowed is 10 to 10000"),
    "no-share": ({"max_share": "7"}, "allowed is 0 to 1"),
    "no-boolean": ({"skip_prompt": "maybe"}, "flush_redis_skip_prompt"),
    "no-mode": ({"mode": "drop"}, "allowed are delete, expire"),
    "no-timeout": ({"timeout": "-3"}, "seconds above 0"),
    "less-than-none": ({"backup_keep": "-1"}, "allowed is 0 (keeps all) or more"),
    "backups-nowhere": ({"backup_dir": "/proc/backups"}, "name a folder in which this user may write"),
    "reports-nowhere": ({"reports_dir": "/proc/reports"}, "name a folder in which this user may write"),
    "no-keep": ({"reports_keep": "few"}, "flush_redis_reports_keep"),
    "unknown-cache": ({"names": "quotes"}, "known are: market-data"),
    "nothing-named": (
        {"names": ""},
        "name a cache in flush_redis_names (known are: market-data) or give flush_redis_patterns",
    ),
    "half-a-cache": ({"caches": '[{"name":"market-data"}]'}, "needs either a pattern or a prefix"),
    "too-broad": ({"patterns": "*"}, "too broad"),
    "sensitive": ({"patterns": "session:*"}, "flush_redis_allow_sensitive"),
    "no-scheme": ({"url": "http://localhost"}, "allowed are redis://HOST:PORT/DB, rediss://HOST:PORT/DB and unix://"),
    "password-in-url": ({"url": f"redis://ops:{PASSWORD}@localhost/0"}, "in a URL"),
    "no-database": ({"url": "redis://localhost/first"}, "has no number as its database; allowed are redis://HOST"),
    "nobody-there": ({"url": "redis://127.0.0.1:1/0"}, "cannot be reached"),
    "no-run-id": ({"run_id": "Monday"}, "20261123t101500z-flush-redis-7f3a"),
    "half-a-certificate": ({"client_cert": "/etc/client.pem"}, "client_key"),
    "another-server": ({"expected_run_id": "abc"}, "expected was abc"),
}


def test_wrong_text_gets_one_sentence_before_anything_is_touched(redis70: RedisServer, tmp_path: Path) -> None:
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
    redis70.reset_stats()
    hosts = {host: {PREFIX + name: text for name, text in values.items()} for host, (values, _part) in WRONG.items()}
    inventory = write_inventory(
        tmp_path,
        hosts,
        flush_redis_url=redis70.url,
        flush_redis_names="market-data",
        flush_redis_skip_prompt="true",
        flush_redis_backup_dir="backups",
        flush_redis_reports_dir="reports",
        flush_redis_accept_ephemeral_storage="true",
    )
    result = run_playbook("flush_redis", args=["-i", str(inventory), "--forks", "8", "-vvv"], cwd=tmp_path)
    assert result.rc == 2
    assert {task.host for task in result.failures} == set(WRONG)
    for task in result.failures:
        sentence = task.msg
        assert WRONG[task.host][1] in sentence
        assert "\n" not in sentence, task.host
    assert "Traceback" not in result.output
    assert PASSWORD not in result.output
    assert redis70.write_commands_called() == []
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("playbook", ["flush_redis", "redis_stats", "restore_redis"])
@pytest.mark.parametrize("settings", ["the checkout's settings", "nobody's settings"])
def test_a_mistyped_host_is_not_a_green_run(playbook: str, settings: str, tmp_path: Path) -> None:
    result = run_playbook(playbook, ["runbooks_hosts=cache-eu-2"], cwd=tmp_path, env=configuration(settings, tmp_path))
    assert result.rc != 0
    assert "cache-eu-2" in result.output
    assert result.tasks == []


def test_a_limit_that_leaves_no_host_of_the_play_is_not_a_green_run(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"clusters": {"hosts": {"cache-eu-1": {}}}, "others": {"hosts": {"web-1": {}}}}))
    result = run_playbook("redis_stats", args=["-i", str(inventory), "--limit", "web-1"], cwd=tmp_path)
    assert result.rc != 0
    assert "None of the hosts of clusters, for which the play is, is in --limit web-1" in result.output
    assert result.tasks == []


@pytest.mark.parametrize("settings", ["the checkout's settings", "nobody's settings"])
def test_a_missing_inventory_is_not_a_green_run(
    settings: str, fresh_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    server = fresh_redis()
    with server.client() as client:
        client.set("market:data:1", "x")
    result = run_playbook(
        "flush_redis",
        [f"flush_redis_url={server.url}", "flush_redis_names=market-data", "flush_redis_skip_prompt=true"],
        args=["-i", "no-such-inventory.yml"],
        cwd=tmp_path,
        env=configuration(settings, tmp_path),
    )
    assert result.rc != 0
    assert result.tasks == []
    with server.client() as client:
        assert client.dbsize() == 1


def configuration(settings: str, folder: Path) -> dict[str, str]:
    if settings == "the checkout's settings":
        return {}
    empty = folder / "ansible.cfg"
    empty.touch()
    return {"ANSIBLE_CONFIG": str(empty)}


def write_inventory(folder: Path, hosts: dict[str, dict[str, str]], **common: str) -> Path:
    path = folder / "inventory.yml"
    path.write_text(json.dumps({"clusters": {"hosts": hosts, "vars": common}}))
    return path
