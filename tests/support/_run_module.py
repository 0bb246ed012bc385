# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one module of this checkout as Ansible would on a host: JSON arguments on stdin, JSON result on stdout.

Started with `python -I _run_module.py COLLECTIONS_PATH FQCN PEAK_FILE` (isolated: this folder must not be on
sys.path). PEAK_FILE receives the peak resident size in bytes.
"""

from __future__ import annotations

import atexit
import runpy
import sys
import types
from pathlib import Path


def _record_peak(target: Path) -> None:
    # not ru_maxrss: that one begins with the size of the process that forked
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    target.write_text(str(int(peak) * 1024), encoding="ascii")


def main() -> None:
    """Run the module named on the command line."""
    collections_path, fqcn, peak_file = sys.argv[1:]
    namespace, collection, name = fqcn.split(".")
    # An installed "ansible" package brings a regular package of this name, which would hide ours.
    package = types.ModuleType("ansible_collections")
    package.__path__ = [f"{collections_path}/ansible_collections"]
    sys.modules["ansible_collections"] = package
    atexit.register(_record_peak, Path(peak_file))
    sys.argv = [name]
    runpy.run_module(f"ansible_collections.{namespace}.{collection}.plugins.modules.{name}", run_name="__main__")


main()
