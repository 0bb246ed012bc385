# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""The one line that Nagios and its relatives read: a state, words, and figures."""

from __future__ import annotations

from collections.abc import Mapping

from .text import visible

# The exit status of a plugin that prints the line.
STATUS = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
_LONGEST = 1000


def render(service: str, severity: str, text: str, figures: Mapping[str, tuple[float, str]]) -> str:
    """Return the line; figures are a value and its unit (s, B, % or nothing) by a name."""
    words = visible(f"{service} {severity.upper()} - {text}").replace("|", "/")
    words = words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
    performance = " ".join(f"{_name(name)}={value:.15g}{unit}" for name, (value, unit) in figures.items())
    return f"{words} | {performance}" if performance else words


def _name(name: str) -> str:
    """A name with a blank is put between quotes; neither an equals sign nor a quote may be in it."""
    plain = visible(name).replace("'", "_").replace("=", "_").replace("|", "_")
    return f"'{plain}'" if " " in plain else plain
