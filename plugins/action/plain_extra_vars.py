# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses templates in extra variables before anything evaluates them."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

_OPENINGS = ("{{", "{%", "{#")


class ActionModule(ActionBase):
    """Reads the extra variables as they were given: those of a task are evaluated as soon as one is looked at."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        prefixes = tuple(self._task.args.get("prefixes") or ())
        if not prefixes:
            raise AnsibleActionFail("prefixes is missing; give what the names of the variables begin with.")
        for name, value in sorted(load_extra_vars(DataLoader()).items()):
            if name.startswith(prefixes) and _has_template(value):
                raise AnsibleActionFail(
                    f"The extra variable {name} holds a template; allowed is plain text, since it may come from an "
                    "alert: put templates into the inventory."
                )
        result["changed"] = False
        return result


def _has_template(value: t.Any) -> bool:
    if isinstance(value, str):
        # A value that is marked unsafe is never evaluated.
        # The header gives a template openings of its own.
        marked = value.startswith("#jinja2:") or any(each in value for each in _OPENINGS)
        return marked and not getattr(value, "__UNSAFE__", False)
    if isinstance(value, dict):
        return any(_has_template(each) for pair in value.items() for each in pair)
    return isinstance(value, (list, tuple)) and any(_has_template(each) for each in value)
