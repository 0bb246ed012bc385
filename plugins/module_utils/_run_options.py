# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option by which a module tells of its progress; in step with doc_fragments/_progress.py. PRIVATE."""

from __future__ import annotations

import typing as t

from ._module import ArgumentSpec
from ._run import Progress, Stop


def progress_argument_spec() -> ArgumentSpec:
    """The option by which the action plugin hears of a module's progress, and the module of the plugin's end.

    By ``names`` a module hears which variable of a role stands behind an option, for its sentences, and by the file
    ``guard`` why the guard stops it. ``cluster`` is the uid of the cluster that the run is about.
    """
    return ArgumentSpec(
        {
            "progress": {
                "type": "dict",
                "options": {
                    "path": {"type": "path"},
                    "controllers": {"type": "list", "elements": "int"},
                    "names": {"type": "dict"},
                    "guard": {"type": "path"},
                    "cluster": {"type": "str"},
                },
            }
        }
    )


def stop_and_progress(params: t.Mapping[str, t.Any]) -> tuple[Stop, Progress]:
    """Return the module's stop request, with its signal handlers installed, and its progress."""
    progress = params["progress"] or {}
    stop = Stop(progress.get("controllers") or (), progress.get("guard"))
    stop.install()
    return stop, Progress(progress.get("path"))


def controller(params: t.Mapping[str, t.Any]) -> int:
    """Return the process id of ansible-playbook, 0 where nobody told it."""
    controllers = (params["progress"] or {}).get("controllers") or [0]
    return int(controllers[-1])


def cluster_uid(params: t.Mapping[str, t.Any]) -> str:
    """Return the uid of the cluster that the run is about, empty where nobody told it."""
    return str((params.get("progress") or {}).get("cluster") or "")
