# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we write for a person reaches them, and leaves stdout to whoever reads it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

# What the buffer of a pipe does not hold is written while the run goes on.
LONG = "x" * 90_000
HOSTS = ("a", "b", "c")
TASKS = """
- hosts: all
  gather_facts: false
  connection: local
  strategy: "{strategy}"
  tasks:
    - name: Say something long
      ansible.builtin.debug:
        msg: {long}
    - name: Write the report
      market_intel.runbooks.runbook_report:
        runbook: redis_stats
        steps: [{{report: {{state: unchanged, headline: 2 caches, summary: ["{summary}"]}}}}]
        directory: "{folder}"
        show: true
    - name: Say something else
      ansible.builtin.debug:
        msg: the end
"""


def command(folder: Path, *options: str, strategy: str = "linear") -> str:
    text = TASKS.format(strategy=strategy, long=LONG, summary="y" * 400, folder=folder / "reports")
    (folder / "playbook.yml").write_text(text, encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return shlex.join([program, "-i", ",".join(HOSTS) + ",", *options, str(folder / "playbook.yml")])


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(folder), "ANSIBLE_NOCOLOR": "1", **variables}
    # A run that hangs is ended here, and fails the test.
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def shown(text: str) -> list[str]:
    """Return the hosts whose summaries are whole in a text, as often as they are."""
    lines = text.splitlines()
    whole = [number for number, line in enumerate(lines) if line.startswith("DONE: Redis statistics on ")]
    assert all(lines[number + 1] == "y" * 400 and lines[number + 2].startswith("report: ") for number in whole)
    return sorted(lines[number].split()[4] for number in whole)


@pytest.mark.parametrize("sink", ["file", "pipe"])
@pytest.mark.parametrize(
    ("options", "strategy"), [((), "linear"), (("-f", "1"), "linear"), ((), "free"), ((), "host_pinned")]
)
def test_every_summary_is_shown_once(sink: str, options: tuple[str, ...], strategy: str, tmp_path: Path) -> None:
    line = command(tmp_path, *options, strategy=strategy)
    where = "2> shown" if sink == "file" else "2> >(cat > shown)"
    # A substituted process is waited for by a shell that asks for it.
    done = shell(f"{line} {where}; rc=$?; wait; exit $rc", tmp_path)
    assert done.returncode == 0, done.stdout[-2000:]
    assert shown((tmp_path / "shown").read_text()) == list(HOSTS)
    assert "Redis statistics" not in done.stdout


@pytest.mark.parametrize("options", [(), ("--check",)])
@pytest.mark.parametrize("pipe", ["| head -3", "2>&1 | head -3", "2>&1 >/dev/null | head -1"])
def test_a_run_ends_although_its_reader_has_gone(pipe: str, options: tuple[str, ...], tmp_path: Path) -> None:
    done = shell(f"{command(tmp_path, *options)} {pipe}; echo ended", tmp_path)
    assert done.stdout.endswith("ended\n")


@pytest.mark.parametrize("callback", ["ansible.posix.json", "ansible.posix.jsonl"])
def test_stdout_stays_json_where_a_callback_makes_it(callback: str, tmp_path: Path) -> None:
    done = shell(command(tmp_path), tmp_path, ANSIBLE_STDOUT_CALLBACK=callback)
    assert done.returncode == 0, done.stderr
    documents = [done.stdout] if callback.endswith("json") else done.stdout.splitlines()
    assert all(isinstance(json.loads(text), dict) for text in documents if text.strip())
    assert shown(done.stderr) == list(HOSTS)
