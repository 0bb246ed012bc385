# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long runs of playbooks and commands take."""

from __future__ import annotations

import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.ansible import Result, run_playbook


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def succeeds(result: Result) -> None:
    assert result.rc == 0, result.output


def play(folder: Path, tasks: str) -> Result:
    """Run a play with some tasks, as YAML."""
    head = "- hosts: localhost\n  gather_facts: false\n  connection: local\n  vars:\n"
    head += '    ansible_python_interpreter: "{{ ansible_playbook_python }}"\n  tasks:\n'
    path = folder / "bench.yml"
    path.write_text(head + textwrap.indent(tasks, "    ") + "\n")
    return run_playbook(path)


def empty_play(folder: Path) -> None:
    """Run what takes no time but Ansible's own."""
    succeeds(play(folder, "- ansible.builtin.debug:"))


def started_play(folder: Path) -> None:
    """Run what takes no time but Ansible's own and that of the start of one module, which then finds nothing to do."""
    off = "\n".join(f"    {name}: false" for name in ("secrets", "certificates", "configmaps", "consumers", "unused"))
    succeeds(play(folder, f"- ansible.builtin.debug:\n- market_intel.runbooks.cert_info:\n{off}"))


def ratio(seconds: Sequence[float], others: Sequence[float]) -> float:
    """Return how many times as long something takes as what was measured right beside it."""
    return statistics.median(one / other for one, other in zip(seconds, others, strict=True))
