# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write each task's result and the final counters as JSON lines into the file named by SUPPORT_RECORD."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record_results
type: aggregate
short_description: Record results for tests
description: Writes what other callbacks are shown, one JSON object a line.
"""


class CallbackModule(CallbackBase):
    """See the module's docstring."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record_results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        self._task("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._task("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._task("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._task("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in stats.processed}
        self._write({"stats": hosts, "custom_stats": stats.custom})

    def _task(self, status: str, result: Any) -> None:
        # ansible-core 2.17 and 2.18 have only the underscored names
        task = getattr(result, "task", None) or result._task
        host = getattr(result, "host", None) or result._host
        values = getattr(result, "result", None)
        self._write(
            {
                "status": status,
                "host": host.get_name(),
                "task": task.get_name(),
                "action": task.action,
                "result": result._result if values is None else values,
            }
        )

    def _write(self, record: dict[str, Any]) -> None:
        with open(os.environ["SUPPORT_RECORD"], "a", encoding="utf-8") as handle:
            handle.write(json.dumps(record, default=str) + "\n")
