# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks whoever sits at the terminal, once for all hosts of a play."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import typing as t

from ansible.errors import AnsiblePromptInterrupt, AnsiblePromptNoninteractive
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

_PR_SET_PDEATHSIG = 1


class ActionModule(ActionBase):
    """As M(ansible.builtin.pause) asks, but Ctrl-C is an answer, and nothing waits on when the terminal is gone."""

    BYPASS_HOST_LOOP = True
    _VALID_ARGS = frozenset(("question",))
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        result.update(changed=False, answer="")
        _end_with_parent()
        try:
            typed = Display().prompt_until(f"{self._task.args['question']}:")
        except AnsiblePromptInterrupt:
            result["answer"] = "no"
        except AnsiblePromptNoninteractive:
            pass
        else:
            result["answer"] = to_text(typed, errors="surrogate_or_replace")
        return result


def _end_with_parent() -> None:
    """Have this process end when ansible-playbook does: it would wait for the answer for ever."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
