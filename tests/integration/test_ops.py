# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ops as people type it: what they see, what it asks, how it ends, and how it is undone."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from support.ansible import Running
from support.servers import RedisServer
from tools.tree import ROOT

OPS = ROOT / "bin" / "ops"
BIN = Path(sys.executable).parent
KEYS = 20
MOST_SECONDS = 0.3
"""Beside what ansible-playbook itself takes."""


@pytest.fixture
def cache(redis70: RedisServer, tmp_path: Path) -> RedisServer:
    """Return a server with a cache and a neighbour, which the files of a folder name."""
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
        client.mset({f"neighbour:{number}": "stays" for number in range(KEYS)})
    (tmp_path / "config.yaml").write_text("backup_dir: ./backups\nreports_dir: ./reports\nscripts_dir: ./scripts\n")
    (tmp_path / "redis.yaml").write_text(
        f"redis_caches: [{{name: market-data, pattern: 'market:data:*'}}]\n"
        f"flush_redis_url: {redis70.url}\n"
        "flush_redis_accept_ephemeral_storage: true\n"
        "flush_redis_recovery_timeout: 0\n"
    )
    return redis70


def start(folder: Path, *words: str, terminal: bool = False) -> Running:
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}"}
    return Running([str(OPS), *words], cwd=folder, env=environment, limits=None, terminal=terminal)


def ops(folder: Path, *words: str) -> tuple[int, str, str]:
    """Run the command, and return its exit status and what it has written to both outputs."""
    with start(folder, *words) as running:
        status = running.wait_rc(120)
        return status, running.stdout, running.stderr


def test_a_flush_is_looked_at_answered_reported_and_undone(cache: RedisServer, tmp_path: Path) -> None:
    status, plan, said = ops(tmp_path, "redis", "flush", "market-data", "--check")
    assert status == 0, said
    assert "PLANNED: Flush Redis caches on localhost" in said
    assert "ops: redis.yaml" not in said and "ops: config.yaml: scripts_dir is ignored" in said
    assert "TASK" not in plan and "PLAY" not in plan
    assert cache.client().dbsize() == 2 * KEYS

    with start(tmp_path, "redis", "flush", "market-data", terminal=True) as running:
        running.answer("yes")
        assert running.wait_rc(120) == 0, running.stderr
        assert "Type yes to go on" in running.stdout
        assert "DONE: Flush Redis caches on localhost" in running.stderr
    assert cache.client().dbsize() == KEYS
    assert (tmp_path / "backups" / "redis").is_dir()

    status, listed, _said = ops(tmp_path, "report", "--json")
    states = [row["state"] for row in json.loads(listed)]
    assert (status, states) == (0, ["done", "planned (check)"])
    run = json.loads(listed)[0]["run"]
    assert "market-data" in ops(tmp_path, "report", run)[1]

    status, undone, said = ops(tmp_path, "undo", run, "--json")
    assert status == 0, said
    assert json.loads(undone)[0]["runs"]["restore_redis"]["localhost"]["state"] == "done"
    assert cache.client().dbsize() == 2 * KEYS


def test_a_host_that_is_not_there_and_a_refusal_fail_with_one_sentence(cache: RedisServer, tmp_path: Path) -> None:
    status, _out, said = ops(tmp_path, "redis", "list", "--limit", "cache-eu-9")
    assert status not in (0, 2)
    assert "No host of the inventory is called cache-eu-9; correct runbooks_hosts (-l of ops)" in said
    status, _out, said = ops(
        tmp_path, "redis", "flush", "market-data", "--yes", "-e", "runbooks_environment=production"
    )
    assert status == 2
    assert said.count("flush_redis_confirm") >= 1 and "Traceback" not in said
    assert cache.client().dbsize() == 2 * KEYS


def test_an_inventory_counts_before_the_configuration(cache: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "clusters: {hosts: {cache-eu-1: {flush_redis_caches: [{name: all, pattern: '*:*'}]}}}\n"
    )
    status, out, said = ops(tmp_path, "redis", "stats", "-i", "hosts.yml", "--json")
    assert status == 0, said
    (host,) = json.loads(out)["runs"]["redis_stats"]
    assert host == "cache-eu-1"
    assert any(f"all: {2 * KEYS} keys" in line for line in json.loads(out)["runs"]["redis_stats"][host]["summary"])
    assert cache.client().dbsize() == 2 * KEYS


def test_a_shell_completes_words(cache: RedisServer, tmp_path: Path) -> None:
    assert cache.running
    script = (
        'source <("$0" completion bash); COMP_WORDS=("$0" redis flush ""); COMP_CWORD=3; _ops; echo "${COMPREPLY[*]}"'
    )
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script, str(OPS)], cwd=tmp_path, env=environment, check=True, text=True, stdout=subprocess.PIPE
    )
    assert done.stdout == "market-data\n"


def test_it_costs_nothing_that_one_waits_for(tmp_path: Path) -> None:
    """What runs before ansible-playbook only computes, so that its processor time is how long one waits."""
    for name, script in {"ansible-playbook": "", "python3": f'exec {sys.executable} "$@"\n'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "redis.yaml").write_text("redis_caches: [{name: market-data, pattern: 'market:data:*'}]\n")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    spent = []
    for _turn in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([str(OPS), "redis", "flush", "market-data"], cwd=tmp_path, env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < MOST_SECONDS, spent
