# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the report of a run in the controller's process: it needs nothing of the host, and a module costs a second."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from dataclasses import asdict, replace

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, RunbookError, render
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.merge import (
    Run,
    merge,
    read_durations,
    read_failure,
    read_steps,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import STATES, Operator, Report
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.read import RUNBOOK, RUNBOOKS, read_cluster
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.store import FORMATS, Written, write
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.wording import summary_lines
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._roles import load_role
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._screen import show

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "runbook": {"type": "str", "required": True},
    "steps": {"type": "list", "elements": "raw", "required": True},
    "failure": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["", *STATES], "default": ""},
    "cluster": {"type": "dict", "options": {name: {"type": "str"} for name in ("context", "server", "uid", "note")}},
    "run_id": {"type": "str", "default": ""},
    "directory": {"type": "path", "default": ""},
    "formats": {"type": "list", "elements": "str", "choices": list(FORMATS), "default": list(FORMATS)},
    "keep": {"type": "int", "default": 0},
    "show": {"type": "bool", "default": False},
    "publish": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Joins the reports of the steps of a run, writes the result, and prints the summary where `show` says so."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=ARGUMENTS)
        try:
            report = self._report(options, task_vars or {})
            written = self._write(report, options)
        except RunbookError as exc:
            run = (task_vars or {}).get("__run") or {}
            names = load_role(run["role"], run["entry_point"]).variables("runbook_report") if run.get("role") else {}
            # Ansible would add what its cause says, which is the same in the words of options.
            raise AnsibleActionFail(render(str(exc), ARGUMENTS, names)) from None
        lines = summary_lines(report, written.best if written else "")
        if options["show"]:
            show("\n".join(lines))
        unfulfilled = report.state == "failed" and not options["failure"] and not options["state"]
        stats = {
            "state": report.state,
            "run_id": report.run_id,
            "report": written.json if written else "",
            "summary": lines,
            "cluster": {name: text for name, text in asdict(report.cluster).items() if text},
            **_stats([*options["steps"], options["failure"]], check=self._task.check_mode),
        }
        if options["publish"]:
            # What set_stats returns, which is a task of its own.
            data = {report.runbook: {report.host: stats}}
            result["ansible_stats"] = {"data": data, "aggregate": True, "per_host": False}
        return {
            **result,
            "changed": False,
            "state": report.state,
            "paths": {kind: getattr(written, kind) for kind in (*FORMATS, "index")} if written else {},
            "summary": lines,
            "unfulfilled": report.summary[0] if unfulfilled and report.summary else "",
            "stats": stats,
            "removed": list(written.removed) if written else [],
        }

    def _write(self, report: Report, options: Mapping[str, t.Any]) -> Written | None:
        """Write the report; without a directory, it is only shown."""
        if not options["directory"]:
            return None
        try:
            return write(report, options["directory"], options["formats"], options["keep"])
        except RunbookError:
            # What was done, and how it is undone, must be known even so.
            if options["show"]:
                show("\n".join(summary_lines(report, "")))
            raise

    def _report(self, options: Mapping[str, t.Any], task_vars: Mapping[str, t.Any]) -> Report:
        if not RUNBOOK.fullmatch(options["runbook"] or ""):
            raise InvalidInput(f"runbook is {options['runbook']!r}; allowed are {RUNBOOKS}.")
        host = str(task_vars.get("inventory_hostname") or "localhost")
        run = Run(
            runbook=options["runbook"],
            host=host,
            mode="check" if self._task.check_mode else "run",
            finished=utc_now(),
            operator=Operator(
                awx_job_id=str(task_vars.get("awx_job_id") or task_vars.get("tower_job_id") or ""),
                user=str(task_vars.get("awx_user_name") or os.environ.get("USER") or ""),
            ),
            cluster=read_cluster(options["cluster"]),
            run_id=options["run_id"],
        )
        report = merge(run, read_steps(options["steps"]), read_failure(options["failure"]), options["state"])
        durations = read_durations([*options["steps"], options["failure"]])
        if durations:
            report = replace(report, details={**report.details, "time_per_step": durations})
        if report.undo and report.undo.command:
            # The command names the server; in an inventory with several hosts, only this one is to run it.
            command = f"{report.undo.command} -e runbooks_hosts={host}"
            report = replace(report, undo=replace(report.undo, command=command))
        return report


def _stats(results: t.Iterable[t.Any], *, check: bool) -> dict[str, t.Any]:
    """What the steps give to set_stats; a later one knows better.

    A check also gives the hash of its plan, so that a workflow can run what was approved after it. A run does not: that
    would confirm the same once more.
    """
    found: dict[str, t.Any] = {}
    for result in results:
        if isinstance(result, Mapping) and not result.get("skipped"):
            found.update(result.get("stats") or {})
            plan = result.get("plan")
            confirm = result.get("confirm") or (plan.get("confirm") if isinstance(plan, Mapping) else None)
            found.update({"confirm": str(confirm)} if check and confirm else {})
    return found
