# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run make targets one after the other, all of them, and end with one line per stage and a count."""

from __future__ import annotations

import subprocess
import sys
import time


def main(stages: list[str]) -> int:
    lines, failed = [], 0
    for stage in stages:
        print(f"\n== {stage}", flush=True)
        started = time.monotonic()
        code = subprocess.run(["make", stage], check=False).returncode
        failed += code != 0
        lines.append(f"{stage:12} {'FAILED' if code else 'passed'} {time.monotonic() - started:7.1f} s")
        print(f"== {lines[-1]}", flush=True)
    print("\n" + "\n".join(lines))
    print(f"{len(stages) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
