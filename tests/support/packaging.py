# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as its users get it: built from the tracked files, and installed with what it depends on."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

from tools.tree import ROOT, export

BIN = Path(sys.executable).parent


def command(home: Path, program: str, *arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Run one of the tools of this environment with nobody's configuration, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"HOME": str(home), "PATH": f"{BIN}:{environment['PATH']}", "NO_COLOR": "1", **variables}
    done = subprocess.run(
        [str(BIN / program), *arguments],
        cwd=cwd or home,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(folder: Path) -> Path:
    """Return the artefact, built from a copy of the tracked files."""
    output = command(folder, "ansible-galaxy", "collection", "build", "--output-path", str(folder), cwd=export(folder))
    (built,) = folder.glob("*.tar.gz")
    assert built.name in output
    return built


def install(artefact: Path, folder: Path) -> Path:
    """Return an otherwise empty collections folder with the artefact in it."""
    options = ("-p", str(folder), "--no-deps", "--offline")
    command(folder, "ansible-galaxy", "collection", "install", str(artefact), *options)
    return folder


def link_dependencies(folder: Path) -> Path:
    """Put what the collection depends on beside it: the collections of this environment, as Galaxy would give them."""
    for name in yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]:
        link = folder / "ansible_collections" / name.replace(".", "/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path(sysconfig.get_paths()["purelib"], "ansible_collections", *name.split(".")))
    return folder
