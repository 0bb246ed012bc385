# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs: what is allowed, and no word of what is not; errors of servers: their code, and no word of theirs."""

from __future__ import annotations

import re
from typing import Any

import hiredis
import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import connection
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import (
    RedisSettings,
    RedisUnavailable,
    ServerInfo,
    error_code,
    parse_address,
    parse_url,
    refused,
)

SECRET = "swordfish77"
# Before Redis 7.0.
IN_SCRIPT = "ERR Error running script (call to f_1): @user_script:3: "


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://cache.example.com:6380/5", ("redis", {"host": "cache.example.com", "port": 6380}, 5)),
        ("rediss://cache_1", ("rediss", {"host": "cache_1", "port": 6379}, 0)),
        ("redis://[::1]:6379/", ("redis", {"host": "::1", "port": 6379}, 0)),
        ("redis://10.0.0.1?db=3", ("redis", {"host": "10.0.0.1", "port": 6379}, 3)),
        ("redis://[fe80::1%eth0]:6379/1", ("redis", {"host": "fe80::1%eth0", "port": 6379}, 1)),
        ("redis://10.0.0.1/3?db=3", ("redis", {"host": "10.0.0.1", "port": 6379}, 3)),
        ("redis:///2", ("redis", {"host": "localhost", "port": 6379}, 2)),
        ("unix:///run/redis%20a.sock?db=7", ("unix", {"path": "/run/redis a.sock"}, 7)),
    ],
)
def test_the_documented_parts_of_a_url(url: str, found: Any) -> None:
    assert parse_url(url) == found
    assert RedisSettings(url).display_url == url


@pytest.mark.parametrize(
    "url",
    [
        f"redis://host/0?password={SECRET}",
        f"redis://host/0?db=1&authPassword={SECRET}",
        f"redis://host/0?{SECRET}",
        f"redis://host/0#{SECRET}",
        f"redis://host:6379/0/{SECRET}",
        f"redis://host:{SECRET}/0",
        f"redis://host;password={SECRET}:6379",
        f"redis://[{SECRET}/0",
        f"redis://:{SECRET}@host:6379/0",
        f"unix:///run/redis.sock?password={SECRET}",
        f"unix://{SECRET}/redis.sock",
        f"http://host/{SECRET}",
        f"{SECRET}://host",
        f"host:6379,password={SECRET},ssl=True",
        f"redis://host/0?db={SECRET}",
        f"redis://user%3A{SECRET}%40host:6379/0",
        f"redis://%3A{SECRET}%40host",
        f"redis://user:{SECRET}:host:6379",
        "redis://host:0/0",
        "redis://host:6379/0?db=5",
    ],
)
def test_anything_else_is_refused_and_not_repeated(url: str) -> None:
    settings = RedisSettings(url)
    with pytest.raises(InvalidInput) as refusal:
        settings.endpoint()
    for shown in (str(refusal.value), settings.display_url):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"host:1?password={SECRET}",
        f"host:1/{SECRET}",
        f"a@{SECRET}:1",
        f"host:1#{SECRET}",
        f"host:{SECRET}",
        f"%3A{SECRET}%40host:1",
    ],
)
def test_an_address_with_more_than_host_and_port_is_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_address(text, "O(nodes)")
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("text", [f"user:{SECRET}@host:1", f"redis://:{SECRET}@host", f"host:1?password={SECRET}"])
@pytest.mark.parametrize("where", ["node", "name", "place"])
def test_addresses_are_looked_at_before_one_is_used(where: str, text: str) -> None:
    known = {"10.0.0.1:6379": "bastion:7001", "redis-1": "bastion", "::1:6379": "[::1]:7001", "fd00::1": "bastion:7002"}
    RedisSettings("redis://host", nodes=("[::1]:6379", "redis-1:6379"), address_map=known).check_addresses()
    nodes = (text,) if where == "node" else ()
    places = {"name": {text: "bastion:1"}, "place": {"redis-1:1": text}}.get(where, {})
    with pytest.raises(InvalidInput) as refusal:
        RedisSettings("redis://host", topology="standalone", nodes=nodes, address_map=places).check_addresses()
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("NOPERM this user has no permissions to run the 'dump' command", "NOPERM"),
        ("ERR The user executing the script can't run this command or subcommand script: f_1", "NOPERM"),
        (f"ERR unknown command 'EVALSHA', with args beginning with: '{SECRET}' ", "UNKNOWN"),
        (f"ERR unknown command `EVALSHA`, with args beginning with: `{SECRET}`, ", "UNKNOWN"),
        (f"ERR unknown subcommand '{SECRET}'. Try MEMORY HELP.", "UNKNOWN"),
        (f"{IN_SCRIPT}@user_script: 3: Unknown Redis command called from Lua script", "UNKNOWN"),
        (f"{IN_SCRIPT}-READONLY You can't write against a read only replica.", "READONLY"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
        ("MOVED 866 10.0.0.1:6379", "MOVED"),
        ("ERR DB index is out of range", "NODB"),
        ("ERR SELECT is not allowed in cluster mode", "NODB"),
        ("ERR DUMP payload version or checksum are wrong", "FORMAT"),
        ("ERR max number of clients reached", "MAXCLIENTS"),
        (f"{SECRET.upper()} of a module", "ERR"),
        (f"ERR {SECRET}", "ERR"),
    ],
)
def test_an_error_keeps_its_code_and_none_of_its_words(reply: str, code: str) -> None:
    error = hiredis.ReplyError(reply)
    assert error_code(error) == code
    sentence = str(refused("EVALSHA", error))
    assert f"EVALSHA ({code})" in sentence
    assert SECRET not in sentence.lower()


@pytest.mark.parametrize(
    ("saved", "same"),
    [
        ({"url": "redis://cache:6379/0"}, True),
        ({"url": "redis://10.0.0.1:6379/0", "run_id": "gone+b2"}, True),
        ({"url": "redis://node-3:6379/0", "run_id": "gone", "members": ["n7", "n2"]}, True),
        ({"url": "redis://node-3:6379/0", "run_id": "", "members": []}, False),
        ({"url": "redis://cache:6379/0", "run_id": "a1", "members": ["n1"], "database": 1}, False),
    ],
    ids=["url", "a process that is left", "a node that is left", "another", "another database"],
)
def test_a_deployment_is_known_again(saved: dict[str, Any], same: bool) -> None:
    server = ServerInfo(
        "redis", "7.0", (7, 0), "a1+b2", "primary", "cluster", 0, "redis://cache:6379/0", members=("n1", "n2")
    )
    assert server.is_database_of({"database": 0, **saved}) is same


def test_of_the_usual_address_it_is_said_that_nobody_may_have_given_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for usual, words in (
        ("redis://127.0.0.1:1/0", ", which is tried where O(url) is not given, cannot"),
        ("", " cannot"),
    ):
        monkeypatch.setattr(connection, "USUAL_URL", usual)
        with pytest.raises(RedisUnavailable, match=re.escape(f"Redis at redis://127.0.0.1:1/0{words} be reached (")):
            connection._open(RedisSettings("redis://127.0.0.1:1/0"))
