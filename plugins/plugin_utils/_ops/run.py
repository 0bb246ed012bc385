# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs ansible-playbook in the foreground, and reads what its run has left. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .command_line import COLLECTION
from .config import usual_collections
from .errors import UNAVAILABLE, OpsError

ROOT = Path(__file__).resolve().parents[3]
_INSTALLED = "ansible_collections"
# The folder for collections that "make runtime" makes in a checkout.
_OF_CHECKOUT = ".ansible/collections"
# Who types a host that is not there wants to know; each may be set otherwise.
_SETTINGS = {
    "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_NOCOWS": "true",
}


_NOT_FOUND = (
    "If Ansible does not find {collection}: run make runtime in the checkout {root}, or install the collection "
    "(ansible-galaxy collection install)."
)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ``runs`` has what each host has published, by playbook, ``failed`` its last error."""

    status: int
    runs: Mapping[str, Mapping[str, t.Any]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    no_hosts: bool = False

    def hosts(self, playbook: str) -> Mapping[str, t.Any]:
        return self.runs.get(playbook, {})


def run_playbook(
    command: Sequence[str], folder: Path, *, verbose: bool, output: t.Any = None, errors: t.Any = None
) -> Outcome:
    """Run a command of ansible-playbook to its end; ``output`` and ``errors`` are where its outputs go."""
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    status = run(command, {**_environment(verbose), "RUNBOOKS_RESULT_FILE": str(result)}, output, errors)
    if not result.exists():
        # So it ends where there is no such playbook.
        lost = "" if status != 1 or _collections() else _NOT_FOUND.format(collection=COLLECTION, root=ROOT)
        return Outcome(status, failed={"": lost} if lost else {})
    outcome = Outcome(status, **json.loads(result.read_text(encoding="utf-8")))
    # Ansible ends green where no host is left.
    return outcome if status or not outcome.no_hosts else Outcome(1, failed={"": "No host matched."}, no_hosts=True)


def _environment(verbose: bool) -> dict[str, str]:
    found = {**_SETTINGS, **os.environ}
    callbacks = [f"{COLLECTION}.result_file", *filter(None, [os.environ.get("ANSIBLE_CALLBACKS_ENABLED")])]
    found["ANSIBLE_CALLBACKS_ENABLED"] = ",".join(callbacks)
    if not verbose:
        found["ANSIBLE_STDOUT_CALLBACK"] = f"{COLLECTION}.compact"
    root = _collections()
    usual = usual_collections()
    if root and root not in [os.path.realpath(os.path.expanduser(path)) for path in usual]:
        found["ANSIBLE_COLLECTIONS_PATH"] = ":".join([root, *usual])
    return found


def _collections() -> str:
    """Return the folder for collections that this one is in; empty in a checkout that Ansible was not told of."""
    for parent in Path(__file__).resolve().parents:
        if parent.name == _INSTALLED:
            return str(parent.parent)
    link = ROOT / _OF_CHECKOUT / _INSTALLED / COLLECTION.replace(".", "/")
    return str(ROOT / _OF_CHECKOUT) if link.resolve() == ROOT else ""


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    output: t.Any = None,
    errors: t.Any = None,
) -> int:
    """Run a command in the foreground, which gets the signals of the terminal itself; return its exit status."""
    if not shutil.which(command[0]):
        raise OpsError(f"{command[0]} is not on the PATH; install it, or correct the PATH.", UNAVAILABLE)
    sys.stdout.flush()
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _frame: t.Any) -> None:
        if processes:
            processes[0].send_signal(number)
        else:
            early.append(number)

    # The terminal sends Ctrl-C to both; the others only this process may get.
    before: dict[int, t.Any] = {signal.SIGINT: signal.signal(signal.SIGINT, lambda _number, _frame: None)}
    for each in (signal.SIGTERM, signal.SIGHUP):
        before[each] = signal.signal(each, pass_on)
    try:
        with subprocess.Popen(command, env=environment, stdout=output, stderr=errors) as process:
            processes.append(process)
            for number in early:
                process.send_signal(number)
            status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - status if status < 0 else status
