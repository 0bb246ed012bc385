# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of a host as a task of a play has them, or would have them otherwise. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

Plain = dict[str, t.Any]


def variables_of(host: str, task: t.Any, task_vars: Plain, without: t.Collection[str] = ()) -> Plain:
    """Return what the variables of a task would be on a host, ``without`` some of the extra variables.

    Ansible's hostvars know neither those of the play nor those of the task.
    """
    hostvars = task_vars["hostvars"]
    manager = hostvars._variable_manager
    given = manager._extra_vars
    # This process is a fork that ends with its task.
    manager._extra_vars = {name: value for name, value in given.items() if name not in without}
    try:
        found = manager.get_vars(
            play=_play_of(task), host=hostvars._inventory.get_host(host), task=task, include_hostvars=False
        )
    finally:
        manager._extra_vars = given
    return dict(found)


def without_blank(names: t.Iterable[str], extra_vars: Plain, host: str, task: t.Any, task_vars: Plain) -> Plain:
    """Return the variables of a task, where an extra variable of these names that says nothing hides no other value."""
    blank = [name for name in names if name in extra_vars and _is_blank(extra_vars[name])]
    if not blank:
        return task_vars
    found = variables_of(host, task, task_vars, blank)
    kept = {name: value for name, value in task_vars.items() if name not in blank}
    return {**kept, **{name: found[name] for name in blank if name in found}}


def _play_of(task: t.Any) -> t.Any:
    parent = task._parent
    while not hasattr(parent, "_play"):
        parent = parent._parent
    return parent._play


def _is_blank(value: t.Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
