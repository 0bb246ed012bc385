# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""JSON that a person can read in a terminal and a program can trust."""

from __future__ import annotations

import json
import re
import typing as t
from collections.abc import Mapping

from .index import Index
from .model import Report
from .text import INVISIBLE

# Strings hold no raw newline, so only a list of two numbers can look like this.
_PAIR = re.compile(r"\[\n\s+([-+.\deE]+),\n\s+([-+.\deE]+|null)\n\s+\]")


def dump(plain: Mapping[str, t.Any]) -> str:
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    text = _PAIR.sub(r"[\1, \2]", text)
    # Names stay readable, but nothing in the file moves the terminal that shows it.
    return INVISIBLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\n":
        return char
    return f"\\u{ord(char):04x}" if char == "\x7f" else json.dumps(char)[1:-1]


def render(report: Report | Index) -> str:
    return dump(report.to_plain()) + "\n"
