# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS and client certificates: what works, and one sentence for each way in which it does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import dataset, loss
from support.ansible import run_module, run_playbook
from support.cluster import RedisCluster
from support.flush import flush_args, role_variables
from support.servers import RedisServer
from support.tls import make_certificates


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer("redis-7.0", tls=True, tls_auth_clients="yes") as server:
        yield server


def tls(server: RedisServer, **options: Any) -> dict[str, Any]:
    certificates = server.certificates
    assert certificates
    return {
        "url": server.tls_url,
        "ca_cert": str(certificates.ca_cert),
        "client_cert": str(certificates.client_cert),
        "client_key": str(certificates.client_key),
        **options,
    }


def test_a_client_certificate_opens_the_door(server: RedisServer, tmp_path: Path) -> None:
    dataset.fill(server.admin(), 50)
    for options in ({}, {"tls_min_version": "TLSv1.3"}, {"check_hostname": False}, {"validate_certs": False}):
        args = flush_args(server, tmp_path, **tls(server, **options))
        assert run_module("redis_flush", args, check=True)["plan"]["matched"] == 50
    done = run_module("redis_flush", flush_args(server, tmp_path, **tls(server)))
    assert done["removed"] == 50
    assert f"flush_redis_client_cert={server.certificates.client_cert}" in done["report"]["undo"]["command"]
    restored = run_module("redis_restore", {**tls(server), "path": done["backup"]["path"]})
    assert restored["restored"] == 50


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda known: {"ca_cert": str(known.other_ca)}, "name the authority that issued it in ca_cert"),
        (lambda known: {"ca_cert": None}, "name the authority that issued it in ca_cert"),
        (lambda known: {"client_cert": None, "client_key": None}, "a client certificate"),
        (
            lambda known: {"client_cert": str(known.expired_cert), "client_key": str(known.expired_key)},
            "client certificate",
        ),
        (lambda known: {"client_cert": "/does/not/exist.pem"}, "/does/not/exist.pem"),
    ],
    ids=["another authority", "no authority", "no client certificate", "an expired one", "a missing file"],
)
def test_what_fails_is_said_in_one_sentence(
    server: RedisServer, tmp_path: Path, change: Callable[[Any], dict[str, Any]], words: str
) -> None:
    started = time.monotonic()
    args = flush_args(server, tmp_path, **tls(server, **change(server.certificates)))
    result = run_module("redis_flush", args)
    assert time.monotonic() - started < 10
    assert not loss.not_one_sentence(result)
    assert words in result["msg"]


def test_a_certificate_for_another_host_is_refused_unless_that_is_wanted(tmp_path: Path) -> None:
    other = make_certificates(tmp_path, ["redis.example.com"])
    files = {"tls_cert_file": str(other.server_cert), "tls_key_file": str(other.server_key)}
    with RedisServer("redis-7.0", tls=True, **files) as server:
        dataset.fill(server.admin(), 50)
        args = flush_args(server, tmp_path, url=server.tls_url, ca_cert=str(other.ca_cert))
        refused = run_module("redis_flush", args)
        assert not loss.not_one_sentence(refused)
        assert "check_hostname=false" in refused["msg"] and "address_map" in refused["msg"]
        assert run_module("redis_flush", {**args, "check_hostname": False})["removed"] == 50


def test_an_old_version_of_tls_is_refused(tmp_path: Path) -> None:
    with RedisServer("redis-7.0", tls=True, tls_protocols="TLSv1.2") as server:
        args = flush_args(server, tmp_path, url=server.tls_url, ca_cert=str(server.certificates.ca_cert))
        assert run_module("redis_flush", args)["changed"] is False
        refused = run_module("redis_flush", {**args, "tls_min_version": "TLSv1.3"})
        assert not loss.not_one_sentence(refused)
        assert "tls_min_version" in refused["msg"]


def test_a_port_without_tls_is_named(server: RedisServer, tmp_path: Path) -> None:
    refused = run_module(
        "redis_flush", flush_args(server, tmp_path, **tls(server, url=server.url.replace("redis:", "rediss:")))
    )
    assert not loss.not_one_sentence(refused)
    assert "is it the TLS port?" in refused["msg"]


def test_the_role_speaks_tls_with_a_cluster(tmp_path: Path) -> None:
    with RedisCluster(replicas=0, tls=True) as cluster:
        cluster.mset({b"market:data:%d" % number: b"x" for number in range(100)})
        authority = str(cluster.certificates.ca_cert)
        variables = role_variables(cluster.nodes[0].tls_url, tmp_path, ca_cert=authority)
        result = run_playbook("flush_redis", variables)
        assert (result.rc, result.changed) == (0, 1), result.output
        assert cluster.dbsize() == 0
