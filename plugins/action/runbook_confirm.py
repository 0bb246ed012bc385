# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides whether a plan may be carried out, and whether somebody has to be asked."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.market_intel.runbooks.plugins.module_utils._confirm import check_answer, check_confirmation
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Refused, RunbookError, render


class ActionModule(ActionBase):
    """In production a plan's hash is demanded, elsewhere an answer at a terminal."""

    _VALID_ARGS = frozenset(("plan", "answer", "confirm", "production", "skip_prompt", "unattended"))
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        result.update(changed=False, ask=False, question=[])
        plan = self._task.args["plan"]
        if self._task.check_mode or not plan["count"] or self._says("unattended"):
            return result
        try:
            if "answer" in self._task.args:
                check_answer(str(self._task.args["answer"] or ""), plan["what"])
            elif self._says("production"):
                check_confirmation(
                    self._task.args.get("confirm") or "",
                    plan["content"],
                    plan["count"],
                    plan["what"],
                    growth=plan.get("growth", 1.0),
                )
            elif not self._says("skip_prompt"):
                # There it looks like a terminal, and nobody sits at it.
                if {"awx_job_id", "tower_job_id"} & (task_vars or {}).keys():
                    raise Refused(
                        f"The plan was not confirmed ({plan['what']}), and nobody can answer in AWX; set "
                        "O(skip_prompt)=true in the job's template."
                    )
                result.update(ask=True, question=plan["lines"])
        except RunbookError as exc:
            role = ((task_vars or {}).get("__run") or {}).get("role")
            names = {name: f"{role}_{name}" for name in ("confirm", "skip_prompt")} if role else {}
            result.update(
                exc.result, failed=True, state=exc.state, msg=render(str(exc), ("confirm", "skip_prompt"), names)
            )
        return result

    def _says(self, name: str) -> bool:
        return bool(boolean(self._task.args.get(name, False)))
