# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an execution environment consists of, as ansible-builder puts it together, and the same without a container.

`contents(ROOT / "execution-environment.yml", collections, tmp_path).python` are the lines that pip gets in the image.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from .environments import environment
from .packaging import command


@dataclass(frozen=True)
class Contents:
    """The packages of an image: those of Python, those of the system, and the steps that build it."""

    python: tuple[str, ...]
    system: tuple[str, ...]
    steps: str

    def environment(self, name: str) -> Path:
        """Return the bin folder of an environment with the same Python packages, made once."""
        return environment(name, self.python, (3, 12), (3, 14))


def contents(definition: Path, collections: Path, folder: Path) -> Contents:
    """Return what a definition brings, with these collections in the place of what Galaxy would install.

    The build reads the collections in the image with a script of its context; here the script reads them outside.
    """
    place = ("--context", str(folder / "context"), "--output-filename", "Containerfile")
    command(folder, "ansible-builder", "create", "--file", str(definition), *place)
    build = folder / "context" / "_build"
    steps = (folder / "context" / "Containerfile").read_text(encoding="utf-8")
    (introspect,) = re.findall(r"^RUN \$PYCMD /output/scripts/introspect\.py (.+)$", steps, re.MULTILINE)
    options = [option.replace("/tmp/src/", f"{folder}/all-") for option in shlex.split(introspect)]
    options.insert(1, str(collections))
    command(folder, "python", str(build / "scripts" / "introspect.py"), *options, cwd=build)
    (core_and_runner,) = re.findall(r'^ARG ANSIBLE_INSTALL_REFS="(.+)"$', steps, re.MULTILINE)
    python = [*core_and_runner.split(), *_lines(folder / "all-requirements.txt")]
    return Contents(tuple(python), tuple(_lines(folder / "all-bindep.txt")), steps)


def _lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]
