# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that never outlive the test run."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .spent import waiting

_TESTS = Path(__file__).resolve().parents[1]
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> Callable[[], None]:
    """Return a `preexec_fn` that has the kernel kill the child when the thread that starts it ends.

    Start such a child from the main thread: the kernel watches the starting thread, not the process.
    """
    parent = os.getpid()

    def preexec() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)

    return preexec


def wait_until(condition: Callable[[], bool], timeout: float, what: str, interval: float = 0.01) -> None:
    """Wait until `condition` holds, or raise `TimeoutError` that names `what` was waited for."""
    deadline = time.monotonic() + timeout
    with waiting():
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout:g} s for {what}")
            time.sleep(interval)


class LoggingChild:
    """`python -m MODULE` of the harness: it gets `options` as JSON, with its `log` in them, and works until ended."""

    def __init__(self, module: str, options: Mapping[str, Any]) -> None:
        handle, name = tempfile.mkstemp(prefix=f"{module.rpartition('.')[2]}-")
        os.close(handle)
        self.log = Path(name)
        self._module = module
        self._options = {**options, "log": name}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, begun: Callable[[], bool], what: str) -> None:
        """Start it and wait until it has `begun` to do `what`; if it does not, nothing of it is left."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module],
            cwd=_TESTS,
            stdin=subprocess.PIPE,
            stderr=self._errors,
            preexec_fn=die_with_parent(),
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(self._options).encode())
        self._process.stdin.close()
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            wait_until(lambda: begun() or not self.running, 60, what)
            self.check()
            stack.pop_all()

    @property
    def running(self) -> bool:
        """Whether it still works."""
        return self._process is not None and self._process.poll() is None

    def check(self) -> None:
        """Raise `RuntimeError` with what it said if it has ended by itself."""
        if not self.running:
            self._fail()

    def end(self) -> None:
        """Have it finish what it is at; a second time does nothing."""
        assert self._process is not None
        if self.running:
            self._process.terminate()
        if self._process.wait(60):
            self._fail()

    def close(self) -> None:
        """Kill it, and remove its log."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._errors.close()
        self.log.unlink(missing_ok=True)

    def _fail(self) -> None:
        self._errors.seek(0)
        raise RuntimeError(f"{self._module} ended early:\n{self._errors.read().decode(errors='replace')}")
