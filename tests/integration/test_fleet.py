# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run over many clusters: each is worked on by itself, and one that fails does not hide the others.

A cluster is a database of one server here, which makes fifty of them cheap.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.ansible import Result, run_playbook
from support.servers import RedisServer, free_port

CLUSTERS = 50
RUN_ID = "20261123t101500z-fleet-f1ee"


@pytest.fixture
def server(fresh_redis: Callable[..., RedisServer]) -> RedisServer:
    server = fresh_redis(databases=CLUSTERS)
    for number in range(CLUSTERS):
        with server.client(db=number) as client:
            client.mset({"market:data:a": "x", "market:data:b": "x"})
    return server


def inventory(folder: Path, urls: list[str]) -> Path:
    hosts = {f"cluster-{number:02d}": {"flush_redis_url": url} for number, url in enumerate(urls)}
    shared = {
        "flush_redis_names": "market-data",
        "flush_redis_accept_ephemeral_storage": True,
        "flush_redis_recovery_timeout": 0,
        "flush_redis_skip_prompt": True,
        "flush_redis_stats_interval": 0.1,
        "runbooks_backup_dir": str(folder / "backups" / "{{ inventory_hostname }}"),
        "runbooks_reports_dir": str(folder / "reports"),
        "runbooks_run_id": RUN_ID,
    }
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"clusters": {"hosts": hosts, "vars": shared}}))
    return path


def databases(server: RedisServer) -> list[str]:
    return [f"redis://{server.host}:{server.port}/{number}" for number in range(CLUSTERS)]


def left(server: RedisServer) -> list[int]:
    """Return the databases that still have keys."""
    with server.client() as client:
        return sorted(int(name.removeprefix("db")) for name in client.info("keyspace"))


def run(playbook: str | Path, hosts: Path, forks: int, **more: Any) -> Result:
    return run_playbook(playbook, [], args=["-i", str(hosts), "--forks", str(forks)], cwd=hosts.parent, **more)


def test_one_cluster_that_fails_does_not_hide_the_others(server: RedisServer, tmp_path: Path) -> None:
    urls = databases(server)
    urls[7] = f"redis://127.0.0.1:{free_port()}/0"
    done = run("redis_stats", inventory(tmp_path, urls), forks=10)
    assert done.rc == 2
    assert {host for host, counters in done.stats.items() if counters["failures"]} == {"cluster-07"}
    index = json.loads((tmp_path / "reports" / RUN_ID / "index.json").read_text())
    states = {entry["host"]: entry["state"] for entry in index["hosts"]}
    assert len(states) == CLUSTERS
    assert [host for host, state in states.items() if state == "failed"] == ["cluster-07"]
    assert index["state"] == "failed"
    published = done.custom_stats["_run"]["redis_stats"]
    assert {host: entry["state"] for host, entry in published.items()} == states


PLAY = """\
- name: Flush caches, some clusters at a time
  hosts: clusters
  connection: local
  gather_facts: false
  serial: [1, 2, 100%]
  any_errors_fatal: true
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - name: Flush
      ansible.builtin.include_role:
        name: market_intel.runbooks.flush_redis
        rolespec_validate: false
"""


def test_a_failure_in_one_batch_keeps_the_next_ones_from_beginning(server: RedisServer, tmp_path: Path) -> None:
    urls = databases(server)[:5]
    urls[2] = f"redis://127.0.0.1:{free_port()}/0"
    hosts = inventory(tmp_path, urls)
    play = tmp_path / "play.yml"
    play.write_text(PLAY)
    done = run(play, hosts, forks=2)
    assert done.rc == 2
    index = json.loads((tmp_path / "reports" / RUN_ID / "index.json").read_text())
    states = {entry["host"]: entry["state"] for entry in index["hosts"]}
    # A batch stops at the step that fails in one of its clusters.
    assert (states, left(server)[:4]) == (
        {"cluster-00": "done", "cluster-01": "failed", "cluster-02": "failed"},
        [1, 2, 3, 4],
    )
