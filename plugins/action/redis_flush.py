# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints what a module reports of its progress, while the module runs."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

_FIRST_LINE_AFTER = 2.0
_SECONDS_BETWEEN_LINES = 2.0
_POLL_SECONDS = 0.25


class ActionModule(ActionBase):
    """Runs the module of the same name with a file for its progress, and tells it whose end it must not outlive."""

    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        host = (task_vars or {}).get("inventory_hostname", "localhost")
        descriptor, path = tempfile.mkstemp(prefix="runbooks-progress-")
        os.close(descriptor)
        done = threading.Event()
        printer = threading.Thread(target=_print_lines, args=(path, host, done), daemon=True)
        printer.start()
        try:
            # This process is a fork of ansible-playbook: the module is to end with either of them.
            arguments = {**self._task.args, "progress": {"path": path, "controllers": [os.getpid(), os.getppid()]}}
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        finally:
            done.set()
            printer.join()
            os.unlink(path)
        return result


def _print_lines(path: str, host: str, done: threading.Event) -> None:
    shown = 0.0
    with open(path, encoding="utf-8") as file:
        previous: dict[str, t.Any] | None = None
        while not done.wait(_POLL_SECONDS):
            latest = None
            for line in file:
                latest = json.loads(line) if line.endswith("\n") else latest
            if latest and latest["elapsed"] >= max(shown + _SECONDS_BETWEEN_LINES, _FIRST_LINE_AFTER):
                display.display(f"[{host}] {progress_line(latest, previous)}")
                shown, previous = latest["elapsed"], latest


def progress_line(latest: dict[str, t.Any], previous: dict[str, t.Any] | None) -> str:
    """Say what was done, of how much, how fast, and how long it will take."""
    done, total, unit = latest["done"], latest["total"], latest["unit"]
    if previous is None or previous["phase"] != latest["phase"]:
        previous = {"done": 0, "elapsed": 0.0}
    seconds = latest["elapsed"] - previous["elapsed"]
    rate = (done - previous["done"]) / seconds if seconds > 0 else 0.0
    line = f"{latest['phase']}: {done:,} {unit}"
    if total:
        line += f" of {total:,} ({min(done / total, 1):.0%})"
    line += f", {rate:,.0f}/s"
    if total and rate > 0:
        line += f", {max(total - done, 0) / rate:,.0f} s left"
    return line
