# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test sanity on a copy of the tracked files; arguments are handed on (a test's or a file's name).

ansible-test resolves links, so the linked checkout does not do. Its environments are kept under .cache between runs.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

from tree import ROOT, export

HOME = ROOT / ".cache" / "sanity-home"

# ansible-test downloads this file if it is not there, from a host that many networks do not reach.
GET_PIP = """\
import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
wanted = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "-q", "--no-compile", *wanted]))
"""


def pip_versions() -> list[str]:
    """Return the versions of pip that this ansible-test may ask for."""
    files = importlib.metadata.files("ansible-core") or []
    (source,) = (file for file in files if file.match("ansible_test/_internal/python_requirements.py"))
    return re.findall(r"\bpip='([0-9.]+)'", source.read_text())


def pip_settings() -> str:
    """Return the caller's pip settings (index, certificates): ansible-test hands on neither home nor environment."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    # What the environment says comes first in the list and wins over the files.
    pairs = [line.partition("=") for line in reversed(listed.stdout.splitlines())]
    settings = {name.rpartition(".")[2]: ast.literal_eval(value) for name, sign, value in pairs if sign}
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def main(arguments: list[str]) -> int:
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in pip_versions():
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    settings = HOME / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(pip_settings())
    copy = export(ROOT / ".cache" / "sanity", keep="tests/output")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-test")), "sanity", "--venv", "--python", version,
            # Both need programs that are not Python packages.
            "--skip-test", "pslint", "--skip-test", "shellcheck",
            "--color", "no", *arguments,
        ],
        cwd=copy,
        # Without the root it would find this checkout's git above the copy, where the copy is ignored.
        env=environment | {"HOME": str(HOME), "ANSIBLE_TEST_CONTENT_ROOT": str(copy)},
        check=False,
    ).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
