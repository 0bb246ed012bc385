# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments of the tests' own: `environment("core-2.17", ["ansible-core==2.17.14"], (3, 10), (3, 12))`.

The newest fitting Python of the machine is taken; where there is none, one of Debian, which is only unpacked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.debian import own_loader, unpacked
from tools.pythons import newest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"

DEBIAN = {(3, 13): "trixie", (3, 11): "bookworm"}
"""The releases of Debian by the Python they have."""


def environment(name: str, requirements: Sequence[str], lowest: tuple[int, int], highest: tuple[int, int]) -> Path:
    """Return the bin folder of an environment with these requirements, made once and kept under .cache.

    Its Python is between the two versions, both included. Raises DebianMissing where the machine has none and Debian's
    cannot be had.
    """
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        python = newest(lowest, highest) or _debian_python(lowest, highest)
        known_by = hashlib.sha256(f"{python} {sorted(requirements)}".encode()).hexdigest()[:8]
        home = CACHE / f"{name}-{known_by}"
        if not (home / ".complete").exists():
            # With the pip of this environment: Debian keeps what puts one into another in a package of its own.
            run([str(python), "-m", "venv", "--clear", "--without-pip", str(home)])
            pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
            run([*pip, "install", "-q", "--no-compile", *requirements])
            (home / ".complete").touch()
    return home / "bin"


def run(command: Sequence[str]) -> str:
    """Run a command in the checkout, without this run's own settings of pytest and Python, and return its output."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    done = subprocess.run(
        command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=settings
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _debian_python(lowest: tuple[int, int], highest: tuple[int, int]) -> Path:
    """Return a script that is Debian's Python; it stands in a prefix of its own, as environments expect of one."""
    version = next(version for version in DEBIAN if lowest <= version <= highest)
    name = "python{}.{}".format(*version)
    tree = unpacked(name, [name], CACHE, closure=True, suite=DEBIAN[version])
    prefix = CACHE / "pythons" / tree.name
    script = prefix / "bin" / name
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        (prefix / "lib").unlink(missing_ok=True)
        (prefix / "lib").symlink_to(tree / "usr" / "lib")
        part = script.with_name(f"{name}.part")
        part.write_text(own_loader(tree, f"usr/bin/{name}"))
        part.chmod(0o755)
        part.rename(script)
    return script
