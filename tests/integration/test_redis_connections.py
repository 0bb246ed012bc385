# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to reach a server that the options promise, and no credential in what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import canary, dataset, loss
from support.ansible import run_module, run_playbook
from support.flush import flush, flush_args
from support.servers import RedisServer

SECRET = "correct horse battery"


def test_a_unix_socket_and_another_database(any_redis: RedisServer, tmp_path: Path) -> None:
    client = any_redis.client(db=3)
    client.set("market:data:1", "x")
    any_redis.client().set("market:data:1", "stays")

    done = flush(any_redis, tmp_path, url=f"unix://{any_redis.socket_path}?db=3")

    assert done["removed"] == 1
    assert done["plan"]["server"]["database"] == 3
    assert any_redis.client().get("market:data:1") == b"stays"


@pytest.mark.parametrize("source", ["option", "environment"])
def test_a_user_with_a_password(fresh_redis: Callable[..., RedisServer], tmp_path: Path, source: str) -> None:
    server = fresh_redis("redis-7.0", users=[f"operator on >{SECRET.replace(' ', '_')} ~* +@all"], requirepass="other")
    dataset.fill(server.admin(), 50)
    password = SECRET.replace(" ", "_")
    args: dict[str, Any] = flush_args(server, tmp_path, username="operator")
    env = {}
    if source == "option":
        args["password"] = password
    else:
        env["REDISCLI_AUTH"] = password

    done = run_module("redis_flush", args, env=env)

    assert done["removed"] == 50
    assert password not in str(done)


def test_no_password_and_no_value_is_anywhere_in_a_playbook_run(
    fresh_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    server = fresh_redis("redis-7.0", requirepass="swordfish77")
    dataset.fill(server.admin(), 50)
    canary.plant(server.admin(), dataset.PREFIX)
    variables = {
        "flush_redis_url": server.url,
        "flush_redis_password": "swordfish77",
        "flush_redis_names": "market-data",
        "flush_redis_skip_prompt": "true",
        "flush_redis_backup_dir": str(tmp_path / "backups"),
        "flush_redis_reports_dir": str(tmp_path / "reports"),
        "flush_redis_accept_ephemeral_storage": "true",
        "flush_redis_recovery_timeout": "0",
        "flush_redis_big_key_bytes": "1024",
    }
    done = run_playbook("flush_redis", variables, args=["-vvv"], cwd=tmp_path)
    refused = run_playbook("flush_redis", {**variables, "flush_redis_password": "wrongfish77"}, cwd=tmp_path)

    assert done.rc == 0, done.output
    assert server.admin().dbsize() == 0
    assert refused.rc == 2
    assert "refused the login" in refused.output
    assert not canary.seen(done.output, tmp_path)
    for secret in ("swordfish77", "wrongfish77"):
        assert secret not in done.output + refused.output
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("place", ["/0?password=", "/0?db=0&authPassword=", "/0#", "/0/"])
@pytest.mark.parametrize("module", ["redis_flush", "redis_cache_info", "redis_restore"])
def test_a_url_with_more_than_its_documented_parts_is_refused_and_not_shown(
    module: str, place: str, tmp_path: Path
) -> None:
    args = {"redis_flush": {"patterns": ["market:data:*"], "backup_dir": str(tmp_path)}, "redis_cache_info": {}}
    given = args.get(module, {"path": str(tmp_path)})
    refused = run_module(module, {"url": f"redis://127.0.0.1:1{place}swordfish77", **given})
    assert not loss.not_one_sentence(refused)
    assert "which is not shown because it may hold a password" in refused["msg"]
    assert "swordfish77" not in str(refused)


def test_what_is_in_the_key_of_the_lock_is_not_shown(any_redis: RedisServer, tmp_path: Path) -> None:
    with any_redis.admin() as admin:
        admin.set("market_intel.runbooks:flush-redis:lock", canary.WORD)
        dataset.fill(admin, 5)
    planned, refused = flush(any_redis, tmp_path, check=True), flush(any_redis, tmp_path)
    assert refused["failed"]
    assert not canary.seen(planned, refused, tmp_path)


def test_a_server_with_too_many_clients_is_said(redis70: RedisServer, tmp_path: Path) -> None:
    with redis70.admin() as admin, redis70.client() as other:
        admin.config_set("maxclients", 1)
        refused = flush(redis70, tmp_path)
        assert "refuses us (MAXCLIENTS); the server has as many clients as maxclients allows" in refused["msg"]
        admin.config_set("maxclients", 100)
        other.ping()
