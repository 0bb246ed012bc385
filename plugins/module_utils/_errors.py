# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one exception family of the engines. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass


class Plainable(t.Protocol):
    """What can be said in plain data."""

    def to_plain(self) -> dict[str, t.Any]: ...


_MARK = re.compile(r"O\(([a-z_]+)((?:\.[a-z_]+|\[\d+\])*)\)")


class RunbookError(Exception):
    """An error that an operator reads: one sentence with what was wrong, what is allowed, and what to do.

    ``reached`` is what the engine would have returned, as far as it came; a module adds the id of its run and its
    ``report``. ``state`` is how the run ended, in the words of the report.
    """

    state = "failed"

    def __init__(self, message: str, reached: Plainable | None = None) -> None:
        super().__init__(message)
        self.reached = reached
        self.report: Plainable | None = None
        self.run_id = ""

    @property
    def result(self) -> dict[str, t.Any]:
        """What a module's result has of it."""
        run_id = {"run_id": self.run_id} if self.run_id else {}
        reached = self.reached.to_plain() if self.reached else {}
        report = {"report": self.report.to_plain()} if self.report else {}
        return {**run_id, **reached, **report}


@dataclass(frozen=True)
class Problems:
    """Everything for which something was refused, where its sentence names only the first."""

    problems: tuple[str, ...] = ()
    missing_rights: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, t.Any]:
        rights = {"missing_rights": list(self.missing_rights)} if self.missing_rights else {}
        return {"problems": list(self.problems), **rights}


class InvalidInput(RunbookError):
    """An option has a value that is not allowed; nothing was touched."""

    state = "refused"


class Refused(RunbookError):
    """A guard stopped the run before anything was changed."""

    state = "refused"


class Interrupted(RunbookError):
    """A signal, or the end of the controlling process, stopped the run at a safe point."""

    state = "interrupted"


def as_clause(words: object) -> str:
    """Return what somebody else says, perhaps in several sentences, as a part of one of ours."""
    return str(words).rstrip(".").replace(". ", ": ")


def root_cause(exc: BaseException) -> str:
    """Return the message of the error that the HTTP libraries have wrapped, without what they put around it."""
    while True:
        below = getattr(exc, "reason", None) or exc.__cause__ or (exc.args[0] if exc.args else None)
        if not isinstance(below, BaseException):
            return " ".join(str(getattr(exc, "strerror", None) or exc).split())
        exc = below


def render(value: t.Any, options: t.Container[str], names: t.Mapping[str, str]) -> t.Any:
    """Return what is said with the names of options in it, which sentences mark as ``O(option)``.

    ``names`` are the variables that whoever reads it has set, by option. What is in no mark of one of the ``options``
    stays as it is, in mappings and lists, too.
    """

    def name(mark: re.Match[str]) -> str:
        option, part = mark[1], mark[2]
        if option not in options and option not in names:
            return mark[0]
        return names.get(option + part) or names.get(option, option) + part

    if isinstance(value, str):
        return _MARK.sub(name, value)
    if isinstance(value, t.Mapping):
        return {key: render(item, options, names) for key, item in value.items()}
    return [render(item, options, names) for item in value] if isinstance(value, (list, tuple)) else value
