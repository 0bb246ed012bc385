# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run shows to people: its plan, its progress, its summary and why it failed, and not the list of its tasks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compact
type: stdout
short_description: Show the plan and the result, not the tasks
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Shows what tasks of M(ansible.builtin.debug) say, which is the plan of a runbook, its differences, and the errors
    that the summary of the run does not tell. Progress and summary come from the runbooks themselves.
  - The command C(ops) uses it.
"""

import json
import typing as t
from collections.abc import Iterator, Mapping

from ansible.plugins.callback import CallbackBase

_SAYING = ("debug", "ansible.builtin.debug")
_CONFIRMING = "market_intel.runbooks.runbook_confirm"
_SELF = "localhost"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "market_intel.runbooks.compact"

    def __init__(self) -> None:
        super().__init__()
        self._errors: dict[str, str] = {}
        self._held: dict[str, list[str]] = {}

    def v2_runner_on_ok(self, result: t.Any) -> None:
        host, action, content = parts(result)
        self._handle_warnings(content)
        if action in _SAYING:
            self._held.setdefault(host, []).extend(lines(content.get("msg")))
            return
        # The question for a plan shows it, too.
        if action == _CONFIRMING and content.get("ask"):
            self._held.pop(host, None)
        self._tell(host)

    def _tell(self, host: str) -> None:
        for line in self._held.pop(host, []):
            self._display.display(_named(host, line))

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        host, _action, content = parts(result)
        self._handle_warnings(content)
        self._tell(host)
        if not ignore_errors:
            self._errors[host] = message(content)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self.v2_runner_on_failed(result)

    def v2_on_file_diff(self, result: t.Any) -> None:
        content = parts(result)[2]
        if content.get("diff"):
            text = self._get_diff(content["diff"])
            if text:
                self._display.display(text)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._display.display("No host matched.", color="red", stderr=True)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        for host in sorted(self._held):
            self._tell(host)
        told = _plain(" ".join(summaries(stats.custom.get("_run") or {})))
        for host in sorted({*stats.failures, *stats.dark}):
            text = self._errors.get(host, "")
            # The summary of the run has said it, unless it failed before or after that.
            if text and _plain(text) not in told:
                self._display.display(_named(host, f"failed: {text}"), color="red", stderr=True)


def parts(result: t.Any) -> tuple[str, str, Mapping[str, t.Any]]:
    """Return the host, the action and the content of a result."""
    # ansible-core 2.17 and 2.18 have only the underscored names.
    content = getattr(result, "result", None)
    task = getattr(result, "task", None) or result._task
    host = getattr(result, "host", None) or result._host
    return host.get_name(), task.action, result._result if content is None else content


def message(content: Mapping[str, t.Any]) -> str:
    return str(content.get("msg") or content.get("module_stderr") or "it failed without a message").strip()


def lines(said: t.Any) -> list[str]:
    if isinstance(said, list):
        return [str(each) for each in said]
    return (said if isinstance(said, str) else json.dumps(said)).splitlines()


def summaries(runs: Mapping[str, Mapping[str, t.Any]]) -> Iterator[str]:
    """Yield the lines with which the runs of all hosts have ended."""
    for hosts in runs.values():
        for stats in hosts.values() if isinstance(hosts, Mapping) else ():
            yield from stats.get("summary") or () if isinstance(stats, Mapping) else ()


def _named(host: str, line: str) -> str:
    return line if host == _SELF else f"[{host}] {line}"


def _plain(text: str) -> str:
    """A text in one line, as summaries have it."""
    return " ".join(text.split())
