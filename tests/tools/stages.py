# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the make targets that are the proof, all of them, and end with what each has taken and a count.

`stages.py` runs all, `stages.py lab` those from `lab` on, in the order of STAGES. Stages that compute run beside those
that mostly wait, and what measures milliseconds runs when all else is over. At last, a few tests that have failed are
played once more with nothing beside them: those that pass then are unsteady, which is a defect of theirs and is said at
the end. Each line of output has the name of its stage in front. `.cache/test/durations.json` keeps what was measured.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "test"
COMPUTING = ("lint", "types", "unit", "sanity")
PLAYBOOKS = ("molecule",)
LAB = ("lab",)
SERVERS = ("integration",)
ALONE = ("latency",)
STAGES = (*COMPUTING, *PLAYBOOKS, *LAB, *SERVERS, *ALONE)
NICE = {**dict.fromkeys(COMPUTING, 10), **dict.fromkeys(PLAYBOOKS, 5)}
"""What waits has to be served at once; what computes takes the rest."""
OF_TESTS = ("unit", "lab", "integration", "latency")
MOST_AGAIN = 10
"""If more tests of a stage fail, no machine that was busy for a moment is to blame."""
SLOWEST = 20
_SUMMARY = ("FAILED ", "ERROR ")
"""How lines begin in which pytest says at its end what failed, and why."""
_LAST_LINES = 5


class Stage:
    """One make target: its output goes to the screen line by line, in `passed` and `seconds` is how it ended."""

    running: list[subprocess.Popen[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name
        self.passed = False
        self.seconds = 0.0
        self.failures: list[str] = []
        self.unsteady: list[str] = []

    def run(self, *options: str) -> None:
        started = time.monotonic()
        say(self.name, "begins")
        self.failures = []
        process = subprocess.Popen(
            ["make", self.name, *options],
            cwd=ROOT,
            preexec_fn=lambda: os.nice(NICE.get(self.name, 0)),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.running.append(process)
        last: deque[str] = deque(maxlen=_LAST_LINES)
        with process:
            for line in process.stdout or ():
                say(self.name, line.rstrip("\n"))
                last.append(line.rstrip("\n"))
                if line.startswith(_SUMMARY):
                    self.failures.append(line.rstrip("\n"))
        self.passed = process.returncode == 0
        self.seconds += time.monotonic() - started
        self.failures = [] if self.passed else self.failures or [*last]
        say(self.name, f"{'passed' if self.passed else 'FAILED'} after {self.seconds:.0f} s")

    def play_again(self) -> None:
        """Play once more what has failed, if those are a few tests."""
        failed = sorted({line.split()[1] for line in self.failures if line.startswith(_SUMMARY)})
        if self.name in OF_TESTS and 0 < len(failed) <= MOST_AGAIN:
            self.run("FAILED=yes")
            self.unsteady = failed if self.passed else []


def say(name: str, text: str) -> None:
    print(f"{name:11} | {text}", flush=True)


def run_lanes(*lanes: Sequence[Stage]) -> None:
    """Run several sequences of stages side by side."""

    def work(lane: Sequence[Stage]) -> None:
        for stage in lane:
            stage.run()

    threads = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measured(stages: Sequence[Stage]) -> dict[str, dict[str, Any]]:
    """Return what the tests of these stages have spent, by their names."""
    found: dict[str, dict[str, Any]] = {}
    for stage in stages:
        path = CACHE / f"{stage.name}.json"
        if path.exists():
            found.update({test: {"stage": stage.name, **spent} for test, spent in json.loads(path.read_text()).items()})
    return found


def table(tests: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of the slowest tests, with what they spent their time on."""
    lines = [f"{'seconds':>8} {'waiting':>8} {'cpu':>6}  started"]
    slowest = sorted(tests, key=lambda test: -tests[test]["seconds"])[:SLOWEST]
    for test in slowest:
        spent = tests[test]
        kinds = [f"{int(spent[kind])} {kind}" for kind in ("playbooks", "modules", "commands") if spent.get(kind)]
        lines.append(
            f"{spent['seconds']:8.1f} {spent.get('waited', 0):8.1f} {spent.get('processor', 0):6.1f}  "
            f"{', '.join(kinds) or '-':28} {test.removeprefix('tests/')}"
        )
    return lines


def main(arguments: Sequence[str]) -> int:
    first = arguments[0] if arguments else STAGES[0]
    if first not in STAGES:
        print(f"error: there is no stage {first!r}; allowed are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    stages = {name: Stage(name) for name in STAGES[STAGES.index(first) :]}
    for name in stages:
        (CACHE / f"{name}.json").unlink(missing_ok=True)
    began = time.monotonic()
    try:
        for lanes in (((*COMPUTING, *PLAYBOOKS, *SERVERS), LAB), (ALONE,)):
            run_lanes(*([stages[name] for name in lane if name in stages] for lane in lanes))
        tests = measured([*stages.values()])
        for stage in stages.values():
            stage.play_again()
    except KeyboardInterrupt:
        for process in Stage.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
        for process in Stage.running:
            process.wait()
        print("\ninterrupted; make test FROM=<stage> goes on with a stage", file=sys.stderr)
        return 130
    seconds = time.monotonic() - began
    done = list(stages.values())
    CACHE.mkdir(parents=True, exist_ok=True)
    record = {
        "seconds": seconds,
        "stages": {stage.name: {"passed": stage.passed, "seconds": stage.seconds} for stage in done},
        "tests": tests,
    }
    (CACHE / "durations.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(f"\nThe {min(SLOWEST, len(tests))} slowest of {len(tests)} tests:")
    print("\n".join(table(tests)))
    print()
    for stage in done:
        print(f"{stage.name:12} {'passed' if stage.passed else 'FAILED'} {stage.seconds:7.1f} s")
    failed = [stage.name for stage in done if not stage.passed]
    print(f"{'in all':12}        {seconds:7.1f} s")
    if failed:
        print(
            f"failed: {', '.join(failed)}; make {failed[0]} runs it alone, make test FROM={failed[0]} goes on with it"
        )
    print(f"{len(done) - len(failed)} passed, {len(failed)} failed")
    for stage in done:
        for line in dict.fromkeys(stage.failures):
            print(f"{stage.name}: {line}")
        for test in stage.unsteady:
            print(f"{stage.name}: {test} failed first and passed when it was played alone; make it steady")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
