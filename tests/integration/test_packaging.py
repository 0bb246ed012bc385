# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Galaxy would receive: built from the tracked files, imported, installed elsewhere and run from there by name."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import yaml

from support.ansible import Result, run_playbook
from support.packaging import command
from support.servers import RedisServer
from tools.tree import ROOT, tracked

PACKED = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "LICENSES",
    "MANIFEST.json",
    "README.md",
    "REUSE.toml",
    "bin",
    "changelogs",
    "decision-environment.yml",
    "docs",
    "execution-environment.yml",
    "extensions",
    "inventory",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "requirements.yml",
    "roles",
}
KEYS = 20


@pytest.fixture
def cache(redis70: RedisServer) -> RedisServer:
    """A server with a cache and a neighbour."""
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
        client.set("neighbour", "stays")
    return redis70


def flush(installed: Path, cwd: Path, server: RedisServer, *more: str, check: bool = False) -> Result:
    """Run the installed playbook by its name from a folder that has nothing to do with it, without any settings."""
    settings = cwd / "ansible.cfg"
    settings.touch()
    return run_playbook(
        "market_intel.runbooks.flush_redis",
        [
            f"flush_redis_url={server.url}",
            "flush_redis_names=market-data",
            "flush_redis_skip_prompt=true",
            f"flush_redis_reports_dir={cwd / 'reports'}",
            *more,
        ],
        check=check,
        cwd=cwd,
        env={
            "ANSIBLE_COLLECTIONS_PATH": str(installed),
            "ANSIBLE_CONFIG": str(settings),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_artefact_holds_only_what_users_need(artefact: Path) -> None:
    with tarfile.open(artefact) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    assert {name.split("/")[0] for name in names} <= PACKED
    assert {"plugins/modules/redis_flush.py", "playbooks/flush_redis.yml", "meta/runtime.yml"} <= set(names)
    assert set(names) - {"MANIFEST.json", "FILES.json"} <= set(tracked())


def test_artefact_passes_the_importer_of_galaxy(artefact: Path, tmp_path: Path) -> None:
    settings = tmp_path / "galaxy-importer.cfg"
    settings.write_text(
        "[galaxy-importer]\n"
        "run_ansible_test = False\n"
        "run_ansible_lint = True\n"
        "offline_ansible_lint = True\n"
        "require_v1_or_greater = True\n"
        "check_required_tags = True\n"
        f"ansible_local_tmp = {tmp_path / 'ansible'}\n"
    )
    output = command(
        tmp_path, "python", "-m", "galaxy_importer.main", str(artefact), GALAXY_IMPORTER_CONFIG=str(settings)
    )
    complaints = [line for line in output.splitlines() if line.startswith(("ERROR", "WARNING", "CRITICAL"))]
    assert complaints == []
    assert "Collection loading complete" in output


def test_check_mode_runs_from_the_installed_artefact(installed: Path, cache: RedisServer, tmp_path: Path) -> None:
    options = [f"flush_redis_backup_dir={tmp_path / 'backups'}", "flush_redis_accept_ephemeral_storage=true"]
    result = flush(installed, tmp_path, cache, *options, check=True)
    assert result.rc == 0, result.output
    assert result.one("redis_flush").result["plan"]["matched"] == KEYS
    assert cache.client().dbsize() == KEYS + 1


def test_relative_backup_folder_belongs_to_the_caller(installed: Path, cache: RedisServer, tmp_path: Path) -> None:
    before = files(installed)
    result = flush(
        installed, tmp_path, cache, "flush_redis_backup_dir=my/backups", "flush_redis_accept_ephemeral_storage=true"
    )
    assert result.rc == 0, result.output
    assert cache.client().keys() == [b"neighbour"]
    assert any(name.endswith(".gz") for name in files(tmp_path / "my" / "backups"))
    assert files(installed) == before


def test_mistyped_host_is_not_a_green_run(installed: Path, cache: RedisServer, tmp_path: Path) -> None:
    result = flush(installed, tmp_path, cache, f"flush_redis_backup_dir={tmp_path / 'backups'}", "runbooks_hosts=nope")
    assert result.rc != 0
    assert "nope" in result.output
    assert cache.client().dbsize() == KEYS + 1


def test_the_command_runs_through_a_link_to_the_installed_collection(
    installed: Path, cache: RedisServer, tmp_path: Path
) -> None:
    link = tmp_path / "ops"
    link.symlink_to(installed / "ansible_collections" / "market_intel" / "runbooks" / "bin" / "ops")
    words = [
        "redis",
        "list",
        "-e",
        f"flush_redis_url={cache.url}",
        "-e",
        f"runbooks_reports_dir={tmp_path / 'reports'}",
    ]
    output = command(tmp_path, str(link), *words, ANSIBLE_HOME=str(tmp_path), PYTHONDONTWRITEBYTECODE="1")
    assert f"market-data: {KEYS} keys" in output


def test_runtime_dependencies_are_said_once() -> None:
    def requirements(name: str) -> list[str]:
        lines = (ROOT / name).read_text().splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    assert requirements("meta/ee-requirements.txt") == requirements("requirements.txt")
    wanted = {
        entry["name"]: entry["version"]
        for entry in yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    }
    assert wanted == yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]


def test_action_group_has_every_redis_module() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert groups["redis"] == sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("redis_*.py"))
