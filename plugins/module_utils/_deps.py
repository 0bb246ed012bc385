# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guarded imports of third-party libraries. PRIVATE to the collection.

Every third-party import of the collection stands in a file beside this one, one for each system, so that a missing
library becomes one sentence instead of a traceback, that ``ansible-test sanity --test import`` passes without them, and
that a module loads what it needs and nothing else: each of them takes a tenth to half of a second.
"""

from __future__ import annotations

import importlib
import traceback
import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """An optional third-party library and, if it could not be imported, the traceback."""

    requirement: str
    error: str | None


def guarded(requirement: str, *modules: str) -> tuple[Library, list[t.Any]]:
    """Import modules; return which library they are of, and the modules, or None for each if one is missing."""
    try:
        return Library(requirement, None), [importlib.import_module(name) for name in modules]
    except ImportError:
        return Library(requirement, traceback.format_exc()), [None for _name in modules]
