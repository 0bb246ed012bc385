# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The older versions of ansible-core that meta/runtime.yml promises; the oldest one with the oldest libraries."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.compat.version import LooseVersion

from support.ansible import run_playbook
from support.servers import RedisServer
from tools.tree import ROOT

VERSIONS = {
    "2.17": [
        *("ansible-core==2.17.*", "redis==5.0.1", "hiredis==2.3.2"),
        *("kubernetes==24.2.0", "cryptography==42.0.0", "hvac==2.1.0"),
    ],
    "2.18": ["ansible-core==2.18.*", "redis", "hiredis", "kubernetes", "cryptography", "hvac"],
}
# What the unit tests import beyond that, in the versions of the development environment.
TOOLS = ("pytest", "jsonschema", "markdown-it-py", "cryptography-vectors")
KEYS = 500


@pytest.fixture(scope="module", params=sorted(VERSIONS))
def core(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The bin folder of an environment with that version, made once and kept under .cache."""
    pinned = (ROOT / "requirements-dev.txt").read_text().split()
    wanted = VERSIONS[request.param] + [pin for pin in pinned if pin.startswith(tuple(f"{tool}==" for tool in TOOLS))]
    known_by = hashlib.sha256(f"{sys.version} {wanted}".encode()).hexdigest()[:8]
    home = ROOT / ".cache" / f"core-{request.param}-{known_by}"
    if not (home / ".complete").exists():
        run([sys.executable, "-m", "venv", "--clear", str(home)])
        run([str(home / "bin" / "python"), "-m", "pip", "install", "-q", *wanted])
        (home / ".complete").touch()
    return home / "bin"


def run(command: list[str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment()
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}


def test_the_oldest_promised_version_is_the_oldest_tested_one() -> None:
    promised = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"]
    assert promised == f">={min(VERSIONS, key=LooseVersion)}.0"


def test_unit_tests_pass(core: Path) -> None:
    output = run([str(core / "python"), "-m", "pytest", "-q", "tests/unit"])
    assert " passed" in output.splitlines()[-1]
    assert "skipped" not in output.splitlines()[-1]


def test_flush_twice(core: Path, redis70: RedisServer, tmp_path: Path) -> None:
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
        client.set("neighbour", "stays")
    options = {
        "flush_redis_url": redis70.url,
        "flush_redis_names": ["market-data"],
        "flush_redis_backup_dir": str(tmp_path / "backups"),
        "flush_redis_reports_dir": str(tmp_path / "reports"),
        "flush_redis_force": True,
        "flush_redis_accept_ephemeral_storage": True,
        "flush_redis_recovery_timeout": 0,
    }
    first = run_playbook("flush_redis", options, cwd=tmp_path, bin_dir=core)
    assert first.rc == 0, first.output
    assert first.changed == 1
    with redis70.client() as client:
        assert client.keys() == [b"neighbour"]
    second = run_playbook("flush_redis", options, cwd=tmp_path, bin_dir=core)
    assert second.rc == 0, second.output
    assert second.changed == 0
