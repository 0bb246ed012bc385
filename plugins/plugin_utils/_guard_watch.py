# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hears, while a module works, of people who stop the runbooks. PRIVATE to the collection."""

from __future__ import annotations

import os
import threading
import typing as t
from pathlib import Path

from ..module_utils._errors import RunbookError

_SECONDS_BETWEEN = 3.0


class GuardWatch:
    """Reads every three seconds what people have said, and tells the module by a file; a context manager.

    A module that is faster never costs a request: its run has asked the guard before. An API server that does not
    answer stops nobody.
    """

    def __init__(self, guard: t.Mapping[str, t.Any], path: str) -> None:
        """``guard`` has the ``namespace`` and the ``login``; nothing is watched without it. ``path`` is the file."""
        self._guard, self._path = guard, path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="guard", daemon=True)

    def __enter__(self) -> GuardWatch:
        if self._guard:
            self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        if self._guard:
            self._thread.join()
        Path(self._path).unlink(missing_ok=True)

    def _run(self) -> None:
        if self._over.wait(_SECONDS_BETWEEN):
            return
        # Only here, because their library takes half a second to import.
        from ..module_utils._guard.store import Store
        from ._cluster import api_login

        login = api_login(self._guard["login"], "market_intel.runbooks/guard")
        store = Store(login, self._guard["namespace"])
        while True:
            try:
                reason = store.control().against(login.now())[1]
            except RunbookError:
                reason = ""
            if reason:
                partial = f"{self._path}.partial"
                Path(partial).write_text(reason, encoding="utf-8")
                os.replace(partial, self._path)
            if reason or self._over.wait(_SECONDS_BETWEEN):
                return
