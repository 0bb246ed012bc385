# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One command prepares a release, and the workflows do what the Makefile does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.packaging import command
from tools.tree import ROOT, export

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def release(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "tests" / "tools" / "release.py"
    return subprocess.run(
        [sys.executable, str(program), "--folder", str(folder), *arguments],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )


def test_one_command_sets_the_version_and_turns_the_fragments_into_the_changelog(tmp_path: Path) -> None:
    copy = export(tmp_path)
    (copy / "changelogs" / "fragments" / "new.yml").write_text("---\nbugfixes:\n  - The canary of the release sings.\n")
    before = release(copy, "--check", "7.8.9")
    assert before.returncode == 1
    assert "galaxy.yml has the version" in before.stdout
    assert "The changelog has no 7.8.9; run make release VERSION=7.8.9." in before.stdout
    assert "new.yml" in before.stdout

    done = release(copy, "7.8.9")
    assert done.returncode == 0, done.stdout
    assert release(copy, "--check", "7.8.9").returncode == 0
    assert yaml.safe_load((copy / "galaxy.yml").read_text())["version"] == "7.8.9"
    assert 'version: "==7.8.9"' in (copy / "README.md").read_text()
    assert "The canary of the release sings" in (copy / "CHANGELOG.md").read_text().partition("v1\\.0\\.0\n")[0]
    command(tmp_path, "antsibull-changelog", "lint", cwd=copy)


def test_a_version_that_is_not_one_is_refused() -> None:
    done = release(ROOT, "--check", "v1")
    assert done.returncode == 2
    assert "the version is 'v1'; allowed is one such as 1.1.0" in done.stdout


def steps(path: Path) -> list[dict[str, Any]]:
    content = yaml.safe_load(path.read_text())
    return [step for job in content["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.stem))
def test_a_workflow_calls_the_makefile_and_trusts_no_tag_of_others(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    ran = [step["run"] for step in steps(path) if "run" in step]
    called = [target for each in ran for target in re.findall(r"^make ([a-z-]+)", each, re.MULTILINE)]
    assert called
    assert set(called) <= targets
    for step in steps(path):
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", f"actions/none@{'0' * 40}"))
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
