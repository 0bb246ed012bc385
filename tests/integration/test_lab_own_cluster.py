# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that somebody brings along instead of the lab; here the lab itself is that cluster."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab.place import CACHE, NAMESPACE
from support.ansible import run_module
from support.lab import Lab
from tools.tree import ROOT


class OwnCluster:
    """`python -m lab` as somebody runs it who has a cluster."""

    def __init__(self, folder: Path, **variables: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**kept, "PYTHONPATH": str(ROOT / "tests"), "PATH": path, **variables}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lab", *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a kubeconfig that leads nowhere."""
    contexts = [{"name": name, "context": {"cluster": "one", "user": "me"}} for name in ("kind-test", "shop-prod")]
    clusters = [{"name": "one", "cluster": {"server": "https://127.0.0.1:1"}}]
    content = {"apiVersion": "v1", "kind": "Config", "contexts": contexts, "clusters": clusters, "users": []}
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    return tmp_path / "config"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"LAB_CONTEXT": "kind-test"}, "belong together"),
        ({"LAB_KUBECONFIG": "config"}, "belong together"),
        ({"LAB_KUBECONFIG": "config", "LAB_CONTEXT": "shop-prod"}, "looks like production"),
        ({"LAB_KUBECONFIG": "config", "LAB_CONTEXT": "other"}, "it has kind-test, shop-prod"),
        ({"LAB_KUBECONFIG": "nothing", "LAB_CONTEXT": "kind-test"}, "no kubeconfig"),
    ],
)
@pytest.mark.parametrize("command", ["up", "down", "env"])
def test_a_cluster_has_to_be_named_and_to_be_for_tests(
    config: Path, variables: dict[str, str], words: str, command: str
) -> None:
    if "LAB_KUBECONFIG" in variables:
        variables = {**variables, "LAB_KUBECONFIG": str(config.with_name(variables["LAB_KUBECONFIG"]))}
    done = OwnCluster(config.parent, **variables).run(command)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.lab
def test_redis_runs_in_a_cluster_of_ones_own(lab: Lab, tmp_path: Path) -> None:
    content = yaml.safe_load((lab.state / "kubeconfig").read_text())
    content["contexts"][0]["name"] = content["current-context"] = "kind-test"
    config = tmp_path / "config"
    config.write_text(yaml.safe_dump(content))
    program = CACHE / json.loads((lab.state / "plan.json").read_text())["lab"]
    (tmp_path / "kubectl").write_text(f'#!/bin/sh\nexec {shlex.quote(str(program))} kubectl "$@"\n')
    (tmp_path / "kubectl").chmod(0o755)
    variables = {"LAB_KUBECONFIG": str(config), "LAB_CONTEXT": "kind-test", "LAB_REDIS_IMAGE": "localhost/redis:7.0"}

    taken = OwnCluster(tmp_path, **variables).run("up")
    assert taken.returncode == 1
    assert f"{NAMESPACE} is there already" in taken.stderr

    for number in range(2):
        folder = lab.state / "volumes" / f"own-{number}"
        folder.mkdir()
        folder.chmod(0o777)
        path = {"path": f"/run/lab/volumes/own-{number}"}
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": path}
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"own-{number}"}, "spec": spec}
        lab.run("kubectl", "apply", "-f", "-", content=json.dumps(volume))
    own = OwnCluster(tmp_path, **variables, LAB_NAMESPACE="own-cluster")
    try:
        for _time in range(2):
            done = own.run("up")
            assert done.returncode == 0, done.stderr
        assert "redis-primary-0" in own.run("status").stdout
        where = {"namespace": "own-cluster", "service": "redis", "password_secret": "redis"}
        option = {**where, "kubeconfig": str(config), "context": "kind-test"}
        found = run_module("redis_cache_info", {"kubernetes": option, "patterns": ["market:data:*"]})
        assert found["server"]["role"] == "primary", found
        assert f"export KUBECONFIG={config}" in own.run("env").stdout
    finally:
        ended = own.run("down")
        lab.run("kubectl", "delete", "persistentvolume", "own-0", "own-1")
    assert ended.returncode == 0, ended.stderr
    assert lab.run("kubectl", "get", "namespace", "own-cluster", "--ignore-not-found") == ""
    assert own.run("down").returncode == 0
