# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The diagnosis of pods while they are inspected from inside. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence

from .._k8s.client import ApiLogin
from .session import DebugRequest, Session
from .target import Chosen, Target

if t.TYPE_CHECKING:
    from .diagnosis import Diagnosis
    from .observed import Facts

# The rules take as long to import as a collector takes to start; so they are imported while it does.


class Diagnoser:
    """Reads what the API server knows while the collectors work, and judges it when they have ended."""

    def __init__(self, login: ApiLogin, request: DebugRequest, targets: Sequence[Target], tail_lines: int) -> None:
        self._login = login
        self._targets = targets
        self._options = (request.namespace, request.collection.collect, tail_lines)
        self._known: dict[str, Facts] = {}

    def read(self, pods: Sequence[Chosen]) -> None:
        """Read what is known of the pods at this moment."""
        from .diagnosis import DiagnosisRequest, read_ahead

        self._known = read_ahead(self._login, DiagnosisRequest(*self._options), pods)

    def judge(self, sessions: Sequence[Session]) -> list[Diagnosis]:
        """Return the diagnosis of each target, with what the sessions have collected."""
        from .diagnosis import DiagnosisRequest, diagnose_all

        return diagnose_all(self._login, DiagnosisRequest(*self._options, sessions, self._known), self._targets)
