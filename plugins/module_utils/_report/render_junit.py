# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""JUnit XML, which every CI shows as tests."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from .text import visible

FAILED, ERROR, SKIPPED = "failure", "error", "skipped"


class Case(t.NamedTuple):
    """A test; ``outcome`` is empty if it passed, else one of the three above."""

    group: str
    name: str
    outcome: str = ""
    message: str = ""


def render(suite: str, cases: Sequence[Case], moment: datetime) -> str:
    """Return a document with one suite."""
    numbers = {outcome: sum(case.outcome == outcome for case in cases) for outcome in (FAILED, ERROR, SKIPPED)}
    counts = f'tests="{len(cases)}" failures="{numbers[FAILED]}" errors="{numbers[ERROR]}" skipped="{numbers[SKIPPED]}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites {counts}>",
        f'<testsuite name={_quoted(suite)} {counts} timestamp="{moment:%Y-%m-%dT%H:%M:%S}" time="0">',
        *map(_case, cases),
        "</testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _case(case: Case) -> str:
    head = f'<testcase classname={_quoted(case.group)} name={_quoted(case.name)} time="0"'
    if not case.outcome:
        return f"{head}/>"
    return f"{head}><{case.outcome} message={_quoted(case.message)}>{_text(case.message)}</{case.outcome}></testcase>"


def _quoted(text: str) -> str:
    return quoteattr(_legal(text))


def _text(text: str) -> str:
    return escape(_legal(text))


def _legal(text: str) -> str:
    """XML has no way to write two of the characters that are not invisible."""
    return visible(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
