# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception family of the engines. PRIVATE to the collection."""

from __future__ import annotations

import typing as t


class RunbookError(Exception):
    """An error that an operator reads: one sentence with what was wrong, what is allowed, and what to do.

    ``result`` carries what was reached before the error, and becomes part of the module's result;
    ``state`` is how the run ended, in the words of the report.
    """

    state = "failed"

    def __init__(self, message: str, **result: t.Any) -> None:
        super().__init__(message)
        self.result: dict[str, t.Any] = result


class InvalidInput(RunbookError):
    """An option has a value that is not allowed; nothing was touched."""

    state = "refused"


class Refused(RunbookError):
    """A guard stopped the run before anything was changed."""

    state = "refused"


class Interrupted(RunbookError):
    """A signal, or the end of the controlling process, stopped the run at a safe point."""

    state = "interrupted"


def phrase(words: object) -> str:
    """Return what somebody else says, perhaps in several sentences, as a part of one of ours."""
    return str(words).rstrip(".").replace(". ", ": ")
