# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine; as a program it prints the newest one that the development environment can use.

It runs before there is an environment: with any Python 3 and nothing but the standard library.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

DEVELOPMENT = ((3, 11), (3, 14))
"""The oldest and the newest Python that requirements-ansible.txt has an ansible for."""

# A virtual environment is not the machine, and pip comes with ensurepip, which Debian keeps in a package of its own.
_CHECK = """
import sys, {modules}
if sys.prefix == sys.base_prefix and sys.version_info.releaselevel == "final":
    print(*sys.version_info[:2], sys.executable)
"""


def newest(lowest: tuple[int, int], highest: tuple[int, int], modules: tuple[str, ...] = ()) -> Path | None:
    """Return the newest Python between two versions, both included, that can make a venv and has these modules."""
    for minor in range(highest[1], lowest[1] - 1, -1):
        for candidate in _candidates(f"3.{minor}"):
            words = _say_version(candidate, ("venv", *modules))
            if words[:2] == ["3", str(minor)]:
                return Path(words[2])
    return None


def _candidates(version: str) -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        # Where pyenv has not chosen a version, its own command of that name only says so.
        if folder:
            yield Path(folder, f"python{version}")
    for root in filter(None, [os.environ.get("PYENV_ROOT"), os.path.expanduser("~/.pyenv")]):
        yield from Path(root).glob(f"versions/{version}.*/bin/python{version}")


def _say_version(python: Path, modules: tuple[str, ...]) -> list[str]:
    command = [str(python), "-I", "-c", _CHECK.format(modules=", ".join(modules))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return []
    return done.stdout.strip().split(" ", 2)


if __name__ == "__main__":
    print(newest(*DEVELOPMENT, modules=("ensurepip",)) or "")
