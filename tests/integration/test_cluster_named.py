# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook acts on the cluster that its host names, or refuses; nobody is mapped to the current context."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.ansible import Result, run_playbook
from support.api_server import ApiServer, write_kubeconfig
from tools.tree import ROOT

EXAMPLE = ROOT / "inventory" / "example"
NOWHERE = "http://127.0.0.1:1"
IN_PODS = json.dumps({"service": "cache", "namespace": "market-intel-brain"})
# playbook: what it needs to get as far as the API server
PLAYBOOKS: dict[str, dict[str, Any]] = {
    "check_certs": {},
    "rotate_certs": {"rotate_certs_backup_password": "x", "rotate_certs_accept_ephemeral_storage": True},
    "rollback_certs": {"rotate_certs_rollback_run": "20261123t101500z-rotate-certs-7f3a"},
    "debug_pod": {"debug_pod_targets": "web"},
    "list_debug_pods": {},
    "cleanup_debug_pods": {},
    "flush_redis": {"flush_redis_names": "market-data", "flush_redis_kubernetes": IN_PODS},
    "redis_stats": {"flush_redis_kubernetes": IN_PODS},
    "restore_redis": {"flush_redis_kubernetes": IN_PODS, "flush_redis_restore_run": "/nowhere"},
}
# What only exists in production.
WITHOUT_REPORTS = ("list_debug_pods", "cleanup_debug_pods")
SECRETS = {
    "runbooks_vault_login": {},
    "rotate_certs_backup_password": "x",
    "flush_redis_username": "",
    "flush_redis_password": "",
    "flush_redis_ca_cert": "",
}


@pytest.fixture
def servers() -> Iterator[dict[str, ApiServer]]:
    with ApiServer("uid-eu") as eu, ApiServer("uid-staging") as staging:
        yield {"cache-eu-1": eu, "cache-staging-1": staging}


def run(playbook: str, folder: Path, inventory: Path | None, **more: Any) -> Result:
    given = {"runbooks_reports_dir": str(folder / "reports"), "runbooks_backup_dir": str(folder / "backups")}
    args = ["-i", str(inventory)] if inventory else []
    return run_playbook(
        playbook, {**SECRETS, **given, **PLAYBOOKS[playbook], **more}, args=args, cwd=folder, check=True
    )


def refusals(result: Result) -> dict[str, str]:
    return {task.host: task.msg for task in result.failures if task.task.endswith("Stop at a refusal")}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_example_inventory_leads_each_host_to_its_own_cluster(
    playbook: str, servers: dict[str, ApiServer], tmp_path: Path
) -> None:
    """One of the three is dead, and the current context is another one."""
    urls = {name: server.url for name, server in servers.items()}
    config = write_kubeconfig(tmp_path / "config", {**urls, "cache-us-1": NOWHERE}, current="cache-staging-1")
    result = run(playbook, tmp_path, EXAMPLE, runbooks_kubeconfig=str(config), runbooks_hosts="production")
    assert refusals(result) == {} and {*result.stats} == {"cache-eu-1", "cache-us-1"}, result.output
    assert ("GET", "/api/v1/namespaces/kube-system") in [each[:2] for each in servers["cache-eu-1"].requests]
    assert servers["cache-staging-1"].requests == []


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_host_that_names_no_cluster_is_refused(playbook: str, servers: dict[str, ApiServer], tmp_path: Path) -> None:
    urls = {name: server.url for name, server in servers.items()}
    config = write_kubeconfig(tmp_path / "config", urls, current="cache-staging-1")
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"clusters": {"hosts": {"cache-eu-1": None}}}))
    result = run(playbook, tmp_path, inventory, runbooks_kubeconfig=str(config))
    assert result.rc == 2
    (sentence,) = refusals(result).values()
    assert sentence.startswith("The host cache-eu-1 names no cluster, and the current context cache-staging-1 may be")
    role = "debug_pod" if "debug" in playbook else "rotate_certs" if "cert" in playbook else "flush_redis"
    assert f"set {role}_" in sentence
    assert [server.requests for server in servers.values()] == [[], []]
    told = [json.loads(path.read_text()) for path in (tmp_path / "reports").glob("[0-9]*/cache-eu-1.json")]
    # What only lists sessions has no reports.
    assert [report["state"] for report in told] == ["refused"] * (playbook not in WITHOUT_REPORTS)


def test_localhost_may_use_the_current_context_and_the_summary_names_it(
    servers: dict[str, ApiServer], tmp_path: Path
) -> None:
    server = servers["cache-eu-1"]
    config = write_kubeconfig(tmp_path / "config", {"here": server.url, "there": NOWHERE}, current="here")
    result = run("check_certs", tmp_path, None, runbooks_kubeconfig=str(config))
    assert refusals(result) == {}
    assert result.custom_stats["_run"]["check_certs"]["localhost"]["cluster"] == {
        "context": "here",
        "server": server.url,
        "uid": "uid-eu",
    }


def test_without_the_right_to_tell_them_apart_it_is_said(tmp_path: Path) -> None:
    with ApiServer() as server:
        config = write_kubeconfig(tmp_path / "config", {"here": server.url}, current="here")
        result = run("check_certs", tmp_path, None, runbooks_kubeconfig=str(config))
    cluster = result.custom_stats["_run"]["check_certs"]["localhost"]["cluster"]
    assert "uid" not in cluster
    assert "was not verified" in cluster["note"]


class Shared:
    """Hosts of which two reach one cluster, under two contexts and addresses; a third is another, a fourth is dead."""

    def __init__(self, servers: dict[str, ApiServer], folder: Path) -> None:
        self._folder, self._inventory = folder, folder / "hosts.yml"
        self.server = servers["cache-eu-1"]
        other = self.server.url.replace("127.0.0.1", "localhost")
        urls = {"a": self.server.url, "b": other, "c": servers["cache-staging-1"].url, "d": NOWHERE}
        self._config = write_kubeconfig(folder / "config", urls)
        hosts = {name: {"runbooks_context": name} for name in urls}
        self._inventory.write_text(json.dumps({"clusters": {"hosts": hosts, "vars": {"ansible_connection": "local"}}}))

    def run(self, *args: str, play: Mapping[str, Any] | None = None, **more: Any) -> Result:
        playbook = self._folder / "play.yml"
        role = {"name": "market_intel.runbooks.debug_pod", "rolespec_validate": False}
        tasks = [{"name": "Debug", "ansible.builtin.include_role": role}]
        playbook.write_text(json.dumps([{"hosts": "clusters", "gather_facts": False, **(play or {}), "tasks": tasks}]))
        given = {
            "runbooks_kubeconfig": str(self._config),
            "debug_pod_targets": "web",
            "debug_pod_reports_dir": str(self._folder / "reports"),
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            **more,
        }
        return run_playbook(playbook, given, args=["-i", str(self._inventory), *args], cwd=self._folder)


@pytest.fixture
def shared(servers: dict[str, ApiServer], tmp_path: Path) -> Shared:
    return Shared(servers, tmp_path)


@pytest.mark.parametrize("args", [[], ["--forks", "1"]], ids=str)
@pytest.mark.parametrize("play", [{}, {"serial": 1}, {"strategy": "free"}], ids=str)
def test_two_hosts_that_reach_the_same_part_of_a_cluster_are_both_refused(
    play: dict[str, Any], args: list[str], shared: Shared
) -> None:
    result = shared.run(*args, play=play)
    # A batch in which all have failed is the last one.
    assert set(refusals(result)) == ({"a"} if play.get("serial") else {"a", "b"})
    assert all("reach the same cluster" in sentence for sentence in refusals(result).values())
    assert {path for _verb, path, _agent in shared.server.requests} == {"/api/v1/namespaces/kube-system"}


def test_two_hosts_may_share_a_cluster_if_that_is_said(shared: Shared) -> None:
    assert refusals(shared.run(runbooks_same_cluster="yes")) == {}


def test_what_tells_two_hosts_apart_may_not_be_a_template(shared: Shared) -> None:
    assert "holds a template" in str(refusals(shared.run(debug_pod_namespace="{{ runbooks_context }}")))


def test_what_a_play_says_for_all_of_its_hosts_counts_for_each(servers: dict[str, ApiServer], tmp_path: Path) -> None:
    """Its environment names the kubeconfig, its variables the context; the last host is another machine."""
    urls = {name: server.url for name, server in servers.items()}
    config = write_kubeconfig(tmp_path / "config", urls, current="cache-staging-1")
    hosts = {"a": None, "b": None, "far": {"ansible_connection": "ssh", "runbooks_context": "cache-staging-1"}}
    inventory, playbook = tmp_path / "hosts.yml", tmp_path / "play.yml"
    inventory.write_text(json.dumps({"clusters": {"hosts": hosts}}))
    role = {"name": "market_intel.runbooks.debug_pod", "rolespec_validate": False}
    common = {"runbooks_context": "cache-eu-1", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play = {
        "hosts": "clusters",
        "gather_facts": False,
        "connection": "local",
        "environment": {"K8S_AUTH_KUBECONFIG": str(config)},
        "vars": common,
        "tasks": [{"include_role": role}],
    }
    playbook.write_text(json.dumps([play]))
    given = {"debug_pod_targets": "web", "debug_pod_reports_dir": str(tmp_path / "reports")}
    result = run_playbook(playbook, given, args=["-i", str(inventory)], cwd=tmp_path)
    told = refusals(result)
    assert set(told) == set(hosts), result.output
    assert "a and b reach the same cluster" in told["a"] and "b and a reach the same cluster" in told["b"]
    assert told["far"].startswith("The host far is reached by ssh, where a kubeconfig may lead to another cluster")
    assert servers["cache-staging-1"].requests == []

    done = run_playbook(playbook, given, args=["-i", str(inventory), "--limit", "a"], cwd=tmp_path)
    (module,) = [task.result for task in done.by_action("debug_container")]
    # What a person switches to meanwhile is nothing to the steps that follow.
    login = {name: module["invocation"]["module_args"][name] for name in ("kubeconfig", "context")}
    assert login == {"kubeconfig": str(config), "context": "cache-eu-1"}
    assert done.custom_stats["_run"]["debug_pod"]["a"]["cluster"]["server"] == servers["cache-eu-1"].url
