# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hears, while a module works, of people who stop the runbooks. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import typing as t
from pathlib import Path

from ..module_utils._errors import RunbookError

_SECONDS_BETWEEN = 3.0
_LONGEST_GOODBYE = 1.0


class GuardWatch:
    """Reads every three seconds what people have said, and tells the module by a file; a context manager.

    A module that is faster never costs a request: its run has asked the guard before. An API server that does not
    answer stops nobody.
    """

    def __init__(self, guard: t.Mapping[str, t.Any]) -> None:
        """``guard`` has the ``namespace`` and the ``login``; without it, nothing is watched."""
        self._guard = guard
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)
        self.path = ""
        """The file, which is empty until the module is to stop, and says why then; no file where nothing is watched."""

    def __enter__(self) -> GuardWatch:
        if self._guard:
            descriptor, self.path = tempfile.mkstemp(prefix="runbooks-guard-")
            os.close(descriptor)
            self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        if self._guard:
            self._thread.join(_LONGEST_GOODBYE)
            os.unlink(self.path)

    def _run(self) -> None:
        if self._over.wait(_SECONDS_BETWEEN):
            return
        # Only here, because their library takes half a second to import.
        from ..module_utils._guard.store import Store
        from ._cluster import api_login

        login = api_login(self._guard["login"], "market_intel.runbooks/guard")
        store = Store(login, self._guard["namespace"])
        reason = ""
        while not reason:
            with contextlib.suppress(RunbookError):
                reason = store.control().against(login.now())[1]
            if reason and not self._over.is_set():
                Path(self.path).write_text(reason, encoding="utf-8")
            if self._over.wait(_SECONDS_BETWEEN):
                return
