# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of the tests' own, beside any other lab of this checkout.

```python
lab = Lab(tmp_path / "state")
lab.run("up")
lab.get("pods", "-n", "market-intel-brain")["items"]
lab.run("down")
assert lab.leftovers() == []
```
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import __main__ as command

NAMESPACE = "market-intel-brain"
_TESTS = Path(__file__).resolve().parents[1]


class Lab:
    """A lab whose files are in a folder of the test's own, beside any other lab of this checkout."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._environment = {**os.environ, "LAB_STATE": str(state), "PYTHONPATH": str(_TESTS)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lab", *arguments],
            env=self._environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, content: str = "") -> str:
        with self.start(*arguments) as process:
            output, errors = process.communicate(content)
        if process.returncode:
            raise RuntimeError(f"lab {' '.join(arguments)} ended with {process.returncode}: {errors}")
        return output

    def get(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self.run("kubectl", "get", *arguments, "-o", "json")))

    def variables(self) -> dict[str, str]:
        lines = self.run("env").splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines)

    def pid(self, part: str) -> int:
        """Return the number of a part's process, as it is known here."""
        found = [pid for pid, text in self.processes() if f"/lab {part} " in text or text.startswith(f"{part} ")]
        assert len(found) == 1, found
        return found[0]

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield number and command of each process in the lab's namespace of processes."""
        inner = _namespace(_children(int((self.state / "supervisor.pid").read_text()))[0])
        for pid in _pids():
            if _namespace(pid) == inner:
                yield pid, _command(pid)

    def leftovers(self) -> list[str]:
        """Return what there is of this lab on the machine."""
        name = os.fsencode(self.state)
        groups = [path for root in command.control_group_roots() for path in root.glob(f"{self._group()}*")]
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.state) in line]
        supervised = {_namespace(pid) for pid in _pids() if b"lab.supervisor" in _raw_command(pid)}
        alive = [
            f"{pid} {_command(pid)}"
            for pid in _pids()
            # Inside, a lab does not know the folder that it has outside.
            if name in _raw_command(pid) or (b"/run/lab" in _raw_command(pid) and _namespace(pid) not in supervised)
        ]
        files = self.state.parent.glob(f"{self.state.name}*")
        return [*map(str, [*groups, *files]), *mounts, *alive]

    def _group(self) -> str:
        code = "from lab.place import CGROUP; print(CGROUP)"
        return subprocess.check_output([sys.executable, "-c", code], env=self._environment, text=True).strip()


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _raw_command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _command(pid: int) -> str:
    return _raw_command(pid).replace(b"\0", b" ").decode(errors="replace")


def _children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""
