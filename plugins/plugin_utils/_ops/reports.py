# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports of runs on this machine, and the commands that undo them. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
import shlex
import typing as t
from pathlib import Path

from .command_line import COLLECTION
from .errors import OpsError

LATEST = "latest"
INDEX = "index.json"
# Other folders may have an index, too.
_RUN = re.compile(r"[0-9]{8}t[0-9]{6}z-")


def run_folders(reports: Path) -> list[Path]:
    """Return the folders of all runs, the newest first; their ids begin with the time."""
    found = [path.parent for path in reports.glob(f"*/{INDEX}") if not path.parent.is_symlink()]
    return sorted((path for path in found if _RUN.match(path.name)), key=lambda path: path.name, reverse=True)


def read_index(reports: Path, run: str) -> tuple[Path, dict[str, t.Any]]:
    """Return the folder and the index of a run; raise OpsError."""
    folders = run_folders(reports)
    if run == LATEST and folders:
        run = folders[0].name
    if run not in [folder.name for folder in folders]:
        raise OpsError(f"There is no report of the run {run} in {reports}; ops report lists those that there are.")
    return reports / run, read_json(reports / run / INDEX)


def read_undoable(reports: Path, run: str) -> dict[str, t.Any]:
    """Return the index of a run; of `latest`, that of the latest run that says how it is undone, if there is one."""
    if run == LATEST:
        for folder in run_folders(reports):
            index = _read_readable(folder)
            if any(host.get("undo") for host in index.get("hosts") or ()):
                return index
    return read_index(reports, run)[1]


def read_json(path: Path) -> dict[str, t.Any]:
    """Return the mapping that a file holds; raise OpsError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise OpsError(f"{path} cannot be read ({exc}); run the runbook again.") from exc
    if not isinstance(content, dict):
        raise OpsError(f"{path} is not a report; run the runbook again.")
    return content


def _read_readable(folder: Path) -> dict[str, t.Any]:
    """Return the index of a run; one that is broken does not hide the others."""
    try:
        return read_json(folder / INDEX)
    except OpsError:
        return {}


def undo_commands(index: t.Mapping[str, t.Any]) -> list[list[str]]:
    """Return the words of the command that undoes a run on each of its hosts, without ansible-playbook itself."""
    commands = [shlex.split(host["undo"]) for host in index["hosts"] if host.get("undo")]
    for words in commands:
        if words[0] != "ansible-playbook" or not "".join(words[1:2]).startswith(f"{COLLECTION}."):
            raise OpsError(f"The command that undoes {index['run_id']} runs no playbook of {COLLECTION}: look at it.")
    if not commands:
        raise OpsError(f"The run {index['run_id']} has left nothing to undo, or its report names no command.")
    return [words[1:] for words in commands]


def rows_of(reports: Path) -> list[dict[str, str]]:
    """Return what is told of each run in a list."""
    return [_row(folder.name, _read_readable(folder)) for folder in run_folders(reports)]


def _row(run: str, index: t.Mapping[str, t.Any]) -> dict[str, str]:
    if not index.get("hosts"):
        return {"run": run, "what": "", "state": "unreadable", "worst": "", "hosts": ""}
    hosts = [str(host["host"]) for host in index["hosts"]]
    return {
        "run": str(index["run_id"]),
        "what": str(index["title"]),
        "state": f"{index['state']}{' (check)' if index['mode'] == 'check' else ''}",
        "worst": str(index.get("severity") or ""),
        "hosts": ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if hosts[3:] else ""),
    }
