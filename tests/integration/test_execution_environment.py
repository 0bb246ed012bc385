# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environments: ansible-builder takes their files, and a runbook runs with the packages they bring."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from support.ansible import run_playbook
from support.environments import run
from support.execution_environment import Contents, contents
from support.flush import role_variables
from support.servers import RedisServer
from tools.tree import ROOT

EXECUTION, DECISION = "execution-environment.yml", "decision-environment.yml"
KEYS = 20


@pytest.fixture
def cache(redis70: RedisServer) -> RedisServer:
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
    return redis70


def image(name: str, collections: Path, folder: Path) -> Contents:
    return contents(ROOT / name, collections, folder)


def test_a_runbook_runs_with_what_the_execution_environment_brings(
    collections: Path, cache: RedisServer, tmp_path: Path
) -> None:
    bin_dir = image(EXECUTION, collections, tmp_path).environment("execution-environment")
    settings = tmp_path / "ansible.cfg"
    settings.touch()
    env = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_CONFIG": str(settings)}
    done = run_playbook(
        "market_intel.runbooks.flush_redis", role_variables(cache.url, tmp_path), cwd=tmp_path, bin_dir=bin_dir, env=env
    )
    assert done.rc == 0, done.output
    assert cache.client().dbsize() == 0
    # What the other runbooks import.
    run([str(bin_dir / "python"), "-c", "import ansible_runner, cryptography, hiredis, hvac, kubernetes, redis"])


@pytest.mark.parametrize("name", [EXECUTION, DECISION])
def test_an_image_has_what_the_collections_ask_for_and_no_more(name: str, collections: Path, tmp_path: Path) -> None:
    found = image(name, collections, tmp_path)
    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert set(wanted) <= set(found.python)
    assert not [line for line in found.python if line.startswith(("boto", "azure"))]
    assert [line for line in found.system if not line.endswith("[platform:rpm]")] == []
    assert ("ansible-rulebook==1.3.2" in found.python, any("openjdk" in line for line in found.system)) == (
        (name == DECISION,) * 2
    )


def test_both_have_the_same_ansible_and_the_one_that_was_tested() -> None:
    definitions = [yaml.safe_load((ROOT / name).read_text()) for name in (EXECUTION, DECISION)]
    first, second = ({**each["dependencies"], "images": each["images"]} for each in definitions)
    assert {key: value for key, value in second.items() if key not in ("python", "system")} == first
    tested = (ROOT / "requirements-ansible.txt").read_text()
    assert first["ansible_core"]["package_pip"].replace("==", " ") in tested
