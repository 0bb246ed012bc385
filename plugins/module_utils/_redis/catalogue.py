# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of caches: which patterns a name stands for. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InvalidInput, Refused
from .names import escape_glob


@dataclass(frozen=True)
class CachePattern:
    """One pattern. ``name`` is the cache's name in the catalogue, empty for a custom pattern."""

    pattern: str
    name: str = ""
    backup: bool = True


def select_caches(
    catalogue: t.Sequence[t.Mapping[str, t.Any]],
    names: t.Sequence[str],
    patterns: t.Sequence[str],
    *,
    backup: bool = True,
    environment: str | None = "",
    all_by_default: bool = False,
) -> tuple[CachePattern, ...]:
    """Return the patterns of the named caches, and the custom ones; each pattern once.

    Caches that are for other environments are refused; None stands for a run that only looks, which is never refused.
    ``all_by_default`` takes the whole catalogue if nothing is named; without it, that is an error.
    """
    caches = {entry["name"]: entry for entry in catalogue}
    known = ", ".join(sorted(caches)) or "none, the catalogue is empty"
    for name in names:
        if name not in caches:
            raise InvalidInput(f"The cache {name!r} is not in the catalogue; known are: {known}.")
    if not names and not patterns and not all_by_default:
        raise InvalidInput(f"Nothing is named to flush: name a cache (known are: {known}) or give a pattern.")
    chosen = names or ([] if patterns else list(caches))
    entries = [_from_catalogue(caches[name], backup, environment) for name in chosen]
    entries += [CachePattern(pattern, "", backup) for pattern in patterns]
    return tuple({entry.pattern: entry for entry in reversed(entries)}.values())[::-1]


def _from_catalogue(entry: t.Mapping[str, t.Any], backup: bool, environment: str | None) -> CachePattern:
    name, pattern, prefix = entry["name"], entry.get("pattern"), entry.get("prefix")
    if bool(pattern) == bool(prefix):
        raise InvalidInput(f"The cache {name!r} needs either a pattern or a prefix in the catalogue, and not both.")
    allowed = entry.get("environments") or []
    if allowed and environment is not None and environment not in allowed:
        raise Refused(
            f"The cache {name!r} is for the environments {', '.join(allowed)} only, this is "
            f"{environment or 'none of them'}; "
            "run it there, or correct the catalogue."
        )
    return CachePattern(pattern or escape_glob(prefix or "") + "*", name, backup and entry.get("backup", True))
