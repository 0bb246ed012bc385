# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine on which people type what the pages say, to the letter, while its servers are those of a test."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.tree import ROOT

from .ansible import Running

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Done:
    """How a line has ended."""

    status: int
    stdout: str
    output: str


@dataclass
class Bastion:
    """A folder in which lines are typed.

    Each run of ansible-playbook is given `variables` behind its own, so that they count: what only exists where the
    pages come from, such as addresses. A password is never asked for.
    """

    folder: Path
    variables: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    inventory: Path = ROOT / "inventory" / "example"

    def __post_init__(self) -> None:
        self.bin.mkdir(parents=True)
        self.home.mkdir()
        (self.folder / "here.json").write_text(json.dumps(self.variables))
        (self.folder / "password").write_text("pages are typed here")
        (self.folder / "inventory").symlink_to(self.inventory)
        self.program("python3", f'exec {sys.executable} "$@"')
        vault = f"--vault-password-file {self.folder}/password"
        self.program(
            "ansible-playbook",
            'for word; do shift; case $word in --ask-vault-pass) ;; *) set -- "$@" "$word" ;; esac; done',
            f'exec {BIN}/ansible-playbook "$@" {vault} -e @{self.folder}/here.json',
        )

    @property
    def home(self) -> Path:
        return self.folder / ".home"

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def program(self, name: str, *lines: str) -> None:
        """Put a program before all others of its name."""
        path = self.bin / name
        path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        path.chmod(0o755)

    def type(self, line: str) -> Done:
        """Run a line in a shell, to its end."""
        environment = {"PATH": f"{self.home}/.local/bin:{self.bin}:{BIN}:{os.environ['PATH']}", **self.environment}
        with Running(["bash", "-o", "pipefail", "-c", line], cwd=self.folder, env=environment, limits=None) as running:
            status = running.wait_rc(120)
            return Done(status, running.stdout, running.stdout + running.stderr)
