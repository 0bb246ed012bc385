# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leaves the end of a run in a file, for the program that has started it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: result_file
type: aggregate
short_description: Write the result of a run to a file
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Writes one JSON object at the end of a run, with the keys C(runs), which has what M(ansible.builtin.set_stats) has
    published for the whole run, C(failed), which has the last error of each host that failed, and C(no_hosts), which
    says whether a play had no host.
  - The command C(ops) uses it.
requirements:
  - to be named in C(callbacks_enabled)
options:
  path:
    description: The file. Without one, nothing is written.
    type: path
    env:
      - name: RUNBOOKS_RESULT_FILE
"""

import json
import os
import typing as t

from ansible.plugins.callback import CallbackBase

from ansible_collections.market_intel.runbooks.plugins.callback.compact import message, parts


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "market_intel.runbooks.result_file"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._errors: dict[str, str] = {}
        self._no_hosts = False

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        host, _action, content = parts(result)
        if not ignore_errors:
            self._errors[host] = message(content)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self.v2_runner_on_failed(result)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._no_hosts = True

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        path = self.get_option("path")
        if not path:
            return
        failed = {host: self._errors.get(host, "") for host in sorted({*stats.failures, *stats.dark})}
        content = {"runs": stats.custom.get("_run") or {}, "failed": failed, "no_hosts": self._no_hosts}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, default=str)
