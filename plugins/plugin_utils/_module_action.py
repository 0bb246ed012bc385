# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How all of our modules are run: without a trace of their arguments, with their progress on the screen. PRIVATE."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils._errors import Refused
from ._guard_watch import GuardWatch
from ._roles import load_role
from ._screen import show

_FIRST_LINE_AFTER = 2.0
_SECONDS_BETWEEN_LINES = 2.0
_POLL_SECONDS = 0.25
_OURS = "market_intel.runbooks."


class ModuleAction(ActionBase):
    """Runs the module of the task with a file for its progress, and tells it whose end it must not outlive.

    An option whose value is null is not given. The module gets its arguments by pipelining, never in a file, which
    would keep passwords after a kill. Its sentences name the variables of the role that it is run by.
    """

    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = variables.get("inventory_hostname", "localhost")
        try:
            refuse_argument_files(self)
        except Refused as exc:
            raise AnsibleActionFail(str(exc)) from exc
        # One that is run by pipelining has no name among the processes.
        self._task.environment = [*(self._task.environment or []), {"RUNBOOKS_MODULE": self._module()}]
        descriptor, path = tempfile.mkstemp(prefix="runbooks-progress-")
        os.close(descriptor)
        done = threading.Event()
        printer = threading.Thread(target=_print_lines, args=(path, host, done), daemon=True)
        printer.start()
        began = time.monotonic()
        try:
            arguments = {name: value for name, value in self._task.args.items() if value is not None}
            # This process is a fork of ansible-playbook: the module is to end with either of them.
            controllers = [os.getpid(), os.getppid()]
            cluster = ((variables.get("__run") or {}).get("cluster") or {}).get("uid", "")
            progress = {"path": path, "controllers": controllers, "names": self._names(variables), "cluster": cluster}
            with GuardWatch(self._guard(variables)) as watch:
                arguments["progress"] = {**progress, "guard": watch.path} if watch.path else progress
                result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        finally:
            done.set()
            printer.join()
            os.unlink(path)
        # For the report; the start of the module is a good part of it.
        seconds = round(time.monotonic() - began, 1)
        result["step"] = {"step": self._task.get_name().rpartition(" : ")[2], "seconds": seconds}
        return result

    def _guard(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the namespace and the login of the guard that the run obeys, where it changes something."""
        if self._task.check_mode:
            return {}
        if "__run_guard" in task_vars:
            return dict(self._templar.template(task_vars["__run_guard"]) or {})
        # A run by hand, which has asked by itself.
        asked = (task_vars.get("__run_asked") or {}).get("allowed")
        return dict(task_vars["__run"]["guard"]["ask"]) if asked else {}

    def _names(self, task_vars: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Return the variable for each option of the module, where a role of ours runs it."""
        run = task_vars.get("__run") or {}
        if not run.get("role") or not str(task_vars.get("ansible_role_name", "")).startswith(_OURS):
            return {}
        return load_role(run["role"], run["entry_point"]).variables(self._module())

    def _module(self) -> str:
        return str(self._task.action).rpartition(".")[2]


def refuse_argument_files(action: ActionBase) -> None:
    """Have modules get their arguments by pipelining; raise Refused where they would be written to a file even so."""
    action._connection.set_option("pipelining", True)
    if not action._is_pipelining_enabled("new"):
        raise Refused(
            "Arguments of modules may hold passwords, and would be written to a file here, which a kill leaves; use "
            "sudo and not su as become_method, and do not set ANSIBLE_KEEP_REMOTE_FILES."
        )


def _print_lines(path: str, host: str, done: threading.Event) -> None:
    shown = 0.0
    with open(path, encoding="utf-8") as file:
        previous: dict[str, t.Any] | None = None
        while not done.wait(_POLL_SECONDS):
            latest = None
            for line in file:
                latest = json.loads(line) if line.endswith("\n") else latest
            if latest and latest["elapsed"] >= max(shown + _SECONDS_BETWEEN_LINES, _FIRST_LINE_AFTER):
                show(f"[{host}] {progress_line(latest, previous)}")
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
