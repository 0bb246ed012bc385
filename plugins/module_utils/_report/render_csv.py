# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterable, Sequence

from .text import Scalar, visible

# With one of these at its beginning, a spreadsheet takes a text for a formula. Tabs and line breaks are spelled out.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def render(columns: Sequence[str], rows: Iterable[Sequence[Scalar]]) -> str:
    """Return a table with a line of column names, as RFC 4180 has it."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def _cell(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


# A column has few different texts, or is short.
@functools.lru_cache(maxsize=4096)
def _text(value: str) -> str:
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
