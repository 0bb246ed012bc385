# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventory works as it stands, with a private server in the place of each cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.place import NAMESPACE
from support.ansible import Result, run_playbook
from support.certs import variables
from support.lab import Lab
from support.servers import RedisServer
from tools.tree import ROOT

INVENTORY = ROOT / "inventory" / "example"
ENVIRONMENTS = {"cache-eu-1": "production", "cache-us-1": "production", "cache-staging-1": "staging"}
KEYS = 30


@pytest.fixture
def server(redis70: RedisServer) -> RedisServer:
    with redis70.client() as client:
        for prefix in ("market:data:", "quotes:", "page:", "backtest:", "order:"):
            client.mset({f"{prefix}{number}": "x" for number in range(KEYS)})
    return redis70


def run(playbook: str, server: RedisServer, folder: Path, *more: str, check: bool = True) -> Result:
    """Run on all clusters; what only exists in production (address, account, certificate, disk) is replaced."""
    here = [
        f"flush_redis_url={server.url}",
        "flush_redis_username=",
        "flush_redis_password=",
        "flush_redis_ca_cert=",
        f"runbooks_reports_dir={folder / 'reports'}",
        # Nothing is written there, and where the tests run it may be the disk of a container.
        "flush_redis_accept_ephemeral_storage=true",
    ]
    return run_playbook(playbook, [*here, *more], args=["-i", str(INVENTORY)], check=check, cwd=folder)


def test_it_parses_and_every_cluster_is_local(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [str(program), "-i", str(INVENTORY), "--list"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    variables = json.loads(done.stdout)["_meta"]["hostvars"]
    assert {host: values["runbooks_environment"] for host, values in variables.items()} == ENVIRONMENTS
    assert {values["ansible_connection"] for values in variables.values()} == {"local"}
    assert len({values["flush_redis_url"] for values in variables.values()}) == len(ENVIRONMENTS)


def test_every_cluster_is_planned_with_its_own_settings(server: RedisServer, tmp_path: Path) -> None:
    result = run("flush_redis", server, tmp_path, "flush_redis_names=market-data,quotes,rendered-pages")
    assert result.rc == 0, result.output
    runs = {task.host: task.result for task in result.by_action("redis_flush")}
    given = {host: run["invocation"]["module_args"] for host, run in runs.items()}
    assert {host: options["environment"] for host, options in given.items()} == ENVIRONMENTS
    for host, options in given.items():
        assert options["backup_dir"] == f"/srv/runbooks/backups/{host}"
        assert options["rate_limit"] == (20_000 if ENVIRONMENTS[host] == "production" else 0)
        plan = runs[host]["plan"]
        assert {entry["name"]: (entry["to_change"], entry["backup"]) for entry in plan["patterns"]} == {
            "market-data": (KEYS, True),
            "quotes": (KEYS, True),
            "rendered-pages": (KEYS, False),
        }
        assert (tmp_path / "reports" / runs[host]["run_id"] / f"{host}.json").is_file()


def test_production_is_not_flushed_without_a_confirmation(server: RedisServer, tmp_path: Path) -> None:
    result = run(
        "flush_redis", server, tmp_path, "flush_redis_names=market-data", "flush_redis_skip_prompt=yes",
        "runbooks_hosts=production", check=False,
    )  # fmt: skip
    assert result.rc != 0
    assert {task.host for task in result.failures} == {"cache-eu-1", "cache-us-1"}
    assert all("flush_redis_confirm=" in task.msg for task in result.failures)
    with server.client() as client:
        assert client.exists(*(f"market:data:{number}" for number in range(KEYS))) == KEYS


def test_a_cache_of_staging_is_refused_in_production(server: RedisServer, tmp_path: Path) -> None:
    result = run("flush_redis", server, tmp_path, "flush_redis_names=backtests")
    assert {task.host for task in result.failures} == {"cache-eu-1", "cache-us-1"}
    assert all("staging only" in task.msg for task in result.failures)
    assert [task.result["plan"]["to_change"] for task in result.by_action("redis_flush") if task.status == "ok"] == [
        KEYS
    ]


def test_statistics_show_the_whole_catalogue_everywhere(server: RedisServer, tmp_path: Path) -> None:
    result = run("redis_stats", server, tmp_path, "flush_redis_stats_interval=0.1")
    assert result.rc == 0, result.output
    for task in result.by_action("redis_cache_info"):
        assert {cache["name"]: cache["keys"] for cache in task.result["caches"]} == {
            "market-data": KEYS,
            "quotes": KEYS,
            "rendered-pages": KEYS,
            "backtests": KEYS,
        }


@pytest.mark.lab
def test_certificates_are_planned_in_every_cluster_and_checked(lab: Lab, tmp_path: Path) -> None:
    """The lab is the Kubernetes of each of them."""
    here = variables(lab, tmp_path, runbooks_context="lab", rotate_certs_force=True, runbooks_same_cluster=True)
    # The lab's own certificates live for a year, until a test has rotated them.
    here["rotate_certs_max_lifetime_loss"] = 1
    # The catalogue, the place of the backups and how long certificates live are the inventory's.
    del here["rotate_certs_backup_dir"]
    planned = run_playbook("rotate_certs", here, args=["-i", str(INVENTORY)], check=True, cwd=tmp_path)
    assert planned.rc == 0, planned.output
    plans = {task.host: task.result for task in planned.by_action("cert_rotate")}
    assert plans.keys() == ENVIRONMENTS.keys()
    for host, plan in plans.items():
        assert {each["name"]: each["method"] for each in plan["certificates"]} == {
            "api-gateway": "cert-manager",
            "core-engine": "vault",
        }
        given = plan["invocation"]["module_args"]
        assert (given["backup_dir"], given["vault"]["ttl"]) == (f"/srv/runbooks/backups/{host}", "2160h")
    # Other namespaces of the lab hold certificates that are to be found.
    here["rotate_certs_check_namespaces"] = [NAMESPACE]
    checked = run_playbook("check_certs", here, args=["-i", str(INVENTORY), "--limit", "staging"], cwd=tmp_path)
    assert checked.rc == 0, checked.output
