# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a lab up and down 30 times, and interrupt it 10 times at seeded moments: how long, and what is left?"""

from __future__ import annotations

import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.lab import Lab

CYCLES = 30
INTERRUPTED = 10
SEED = 1


def main() -> int:
    ups, downs, left = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder) / "state")
        try:
            for number in range(CYCLES):
                ups.append(_seconds(lab, "up"))
                downs.append(_seconds(lab, "down"))
                left += lab.leftovers()
                print(f"  {number + 1} of {CYCLES}: up {ups[-1]:.1f} s, down {downs[-1]:.1f} s", flush=True)
            chooser = random.Random(SEED)
            for number in range(INTERRUPTED):
                moment, how = chooser.uniform(0, 12), chooser.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
                with lab.start("up") as process:
                    time.sleep(moment)
                    process.send_signal(how)
                lab.run("down")
                left += lab.leftovers()
                print(f"  {number + 1} of {INTERRUPTED}: {how.name} after {moment:.1f} s", flush=True)
        finally:
            lab.run("down")
    for name, seconds in (("up", ups), ("down", downs)):
        print(f"{name:5} median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s")
    print("left behind: " + ("; ".join(left) or "nothing"))
    return 1 if left else 0


def _seconds(lab: Lab, command: str) -> float:
    started = time.monotonic()
    lab.run(command)
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
