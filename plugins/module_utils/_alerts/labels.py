# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an alert may be called, and what its labels may hold, wherever they come from. PRIVATE to the collection.

In step with extensions/eda/plugins/event_filter/safe_alert.py, which cannot import this.
"""

from __future__ import annotations

import re
import typing as t

from .._errors import Refused

MOST_LABELS = 64
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,127}")
VALUE = re.compile(r"[A-Za-z0-9._:/@-]{0,253}")
_ALLOWED = "letters, digits and . _ : / @ -, at most 253 of them"


def check_text(value: t.Any, what: str) -> str:
    """Return a text that is safe anywhere; raise Refused that says what it is."""
    if not isinstance(value, str) or not VALUE.fullmatch(value):
        raise Refused(f"{what} is {_shown(value)}; allowed are {_ALLOWED}, since it may be what a user has typed.")
    return value


def check_labels(labels: t.Any, what: str) -> dict[str, str]:
    """Return labels that are safe anywhere; raise Refused that names the one that is not."""
    if not isinstance(labels, t.Mapping) or len(labels) > MOST_LABELS:
        raise Refused(f"{what} is {_shown(labels)}; allowed is a mapping of at most {MOST_LABELS} labels to texts.")
    found = {}
    for name, value in labels.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Refused(f"{what} has a label {_shown(name)}; allowed are letters, digits and underscores.")
        found[name] = check_text(value, f"{what}.{name}")
    return found


def _shown(value: t.Any) -> str:
    """Return what a terminal and a report can bear of a value."""
    return ascii(value)[:60]
