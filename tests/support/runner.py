# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them: by ansible-runner, in the execution environment, from a private data directory of their own.

`Jobs(bin_dir, collections, folder, inventory).run("flush_redis", answers).artifacts["flush_redis"]`
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .ansible import ROOT, Running
from .spent import started

PROJECT = ROOT / "extensions" / "awx" / "project"


@dataclass(frozen=True)
class Outcome:
    """What a job left: its status as AWX shows it, its output, and what set_stats gave to the next node."""

    status: str
    rc: int
    output: str
    artifacts: dict[str, Any]


class Job:
    """A job that runs; a context manager that leaves no process behind."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.running = running
        self._folder = folder

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.running.close()

    def cancel(self) -> None:
        """End it as the button in AWX does."""
        os.kill(self.running.pid, signal.SIGTERM)

    def wait(self) -> Outcome:
        """Wait for its end, that of orphaned modules included."""
        self.running.wait_rc(120)
        self.running.wait_gone()
        artifacts: dict[str, Any] = {}
        for path in (self._folder / "job_events").glob("*.json"):
            artifacts.update(json.loads(path.read_text())["event_data"].get("artifact_data") or {})
        status, rc, output = ((self._folder / name).read_text() for name in ("status", "rc", "stdout"))
        return Outcome(status, int(rc), output, artifacts)


class Jobs:
    """Launches job templates with one inventory."""

    def __init__(self, bin_dir: Path, collections: Path, folder: Path, inventory: Mapping[str, Any]) -> None:
        self._bin_dir, self._collections, self._folder, self._inventory = bin_dir, collections, folder, inventory
        self._number = 0

    def start(self, template: str, answers: Mapping[str, Any], *, check: bool = False) -> Job:
        """Launch a playbook of the project; the answers of its survey are given as JSON."""
        self._number += 1
        place = Path(tempfile.mkdtemp(prefix="job-", dir=self._folder))
        shutil.copytree(PROJECT, place / "project")
        for folder, name, content in (
            ("inventory", "hosts.yml", yaml.safe_dump(dict(self._inventory))),
            ("env", "extravars", json.dumps({"awx_job_id": self._number, "awx_user_name": "k.meyer", **answers})),
            ("env", "cmdline", "--check" if check else ""),
            ("env", "settings", json.dumps({"pexpect_timeout": 1, "idle_timeout": 300})),
        ):
            (place / folder).mkdir(exist_ok=True)
            (place / folder / name).write_text(content)
        (place / "ansible.cfg").touch()
        started("playbooks")
        env = {
            "PATH": f"{self._bin_dir}:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
        }
        command = [str(self._bin_dir / "ansible-runner"), "run", str(place), "-p", f"{template}.yml", "--ident", "job"]
        return Job(Running(command, cwd=place, env=env, limits=None), place / "artifacts" / "job")

    def run(self, template: str, answers: Mapping[str, Any], *, check: bool = False) -> Outcome:
        """Launch a playbook of the project and wait for its end."""
        with self.start(template, answers, check=check) as job:
            return job.wait()
