# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every linter, all of them even if one complains; what passes says one line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tree import ROOT, export

BIN = Path(sys.executable).parent
HOME = ROOT / ".cache" / "home"
DOCS = ROOT / ".cache" / "docs" / "ansible_collections" / "market_intel" / "runbooks"
LINTERS = {
    "ruff": ["ruff", "check", "--output-format", "concise", "."],
    "format": ["ruff", "format", "--check", "--output-format", "concise", "."],
    "yamllint": ["yamllint", "."],
    "ansible-lint": ["ansible-lint", "-q", "--nocolor"],
    "changelog": ["antsibull-changelog", "lint"],
    "licences": ["reuse", "lint", "--lines"],
    "plugin docs": ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", str(DOCS)],
}


def main() -> int:
    failed = 0
    HOME.mkdir(parents=True, exist_ok=True)
    without_dependencies()
    for name, command in LINTERS.items():
        started = time.monotonic()
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=ROOT,
            # antsibull leaves a log file at home.
            env=os.environ | {"HOME": str(HOME)},
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        failed += report(name, done.returncode == 0, time.monotonic() - started, done.stdout)
    return 1 if failed else 0


def without_dependencies() -> None:
    """Lay a copy for the documentation linter, which otherwise wants the collections we depend on."""
    manifest = export(ROOT / ".cache" / "docs") / "galaxy.yml"
    content = yaml.safe_load(manifest.read_text())
    manifest.write_text(yaml.safe_dump(content | {"dependencies": {}}))


def report(name: str, good: bool, seconds: float, output: str) -> bool:
    print(f"  {name:14} {'ok' if good else 'FAILED':7} {seconds:5.1f} s", flush=True)
    if not good:
        print(output, flush=True)
    return not good


if __name__ == "__main__":
    sys.exit(main())
