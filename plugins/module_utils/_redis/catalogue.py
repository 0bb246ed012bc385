# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of caches: which patterns a name stands for. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass, replace

from .._errors import InvalidInput, Refused
from .names import covering_glob, escape_glob, glob_regex, literal_prefix, to_bytes


@dataclass(frozen=True)
class CachePattern:
    """One pattern. ``name`` is the cache's name in the catalogue, empty for a custom pattern."""

    pattern: str
    name: str = ""
    backup: bool = True

    @property
    def title(self) -> str:
        """The pattern with its name, for people."""
        return f"{self.name} ({self.pattern})" if self.name else self.pattern


class Matcher:
    """Tells which patterns a key matches, in steps whose number does not grow with that of the patterns.

    ``glob`` is what a server is asked for: the pattern or, where there are several, one that covers all of them. A
    pattern is named by its index.
    """

    def __init__(self, patterns: t.Sequence[CachePattern], *, found: bool = True) -> None:
        """``found`` tells that keys come from a server that was asked for ``glob``."""
        globs = [entry.pattern for entry in patterns]
        self._several = len(globs) > 1 or not found
        self.glob = covering_glob(globs) if self._several else globs[0]
        # Who wants a backup comes first.
        order = sorted(range(len(globs)), key=lambda index: not patterns[index].backup)
        self._by_prefix: dict[bytes, list[tuple[int, re.Pattern[bytes] | None]]] = {}
        for index in order if self._several else ():
            prefix = literal_prefix(globs[index])
            expression = None if globs[index] == escape_glob(prefix) + "*" else glob_regex(globs[index])
            self._by_prefix.setdefault(to_bytes(prefix), []).append((index, expression))
        self._rank = {index: rank for rank, index in enumerate(order)}
        self._lengths = sorted(set(map(len, self._by_prefix)))

    def matches(self, key: bytes) -> list[int]:
        """Return the patterns that a key matches; first those with a backup."""
        if not self._several:
            return [0]
        found: list[int] = []
        for length in self._lengths:
            for index, expression in self._by_prefix.get(key[:length], ()):
                if expression is None or expression.fullmatch(key):
                    found.append(index)
        return sorted(found, key=self._rank.__getitem__) if len(found) > 1 else found

    def select(self, keys: list[bytes]) -> tuple[list[bytes], list[int]]:
        """Return those keys of a page that match, and the first pattern of each."""
        if not self._several:
            return keys, [0] * len(keys)
        pairs = [(key, found[0]) for key in keys if (found := self.matches(key))]
        return [key for key, _index in pairs], [index for _key, index in pairs]


def select_caches(
    catalogue: t.Sequence[t.Mapping[str, t.Any]],
    names: t.Sequence[str],
    patterns: t.Sequence[str],
    *,
    backup: bool = True,
    environment: str | None = "",
    all_by_default: bool = False,
) -> tuple[CachePattern, ...]:
    """Return the patterns of the named caches, and the custom ones; each once, with a backup if one asks for it.

    Caches that are for other environments are refused; None stands for a run that only looks, which is never refused.
    ``all_by_default`` takes the whole catalogue if nothing is named; without it, that is an error.
    """
    _refuse_ambiguous(catalogue)
    caches = {entry["name"]: entry for entry in catalogue}
    known = ", ".join(sorted(caches)) or "none, the catalogue is empty"
    for name in names:
        if name not in caches:
            raise InvalidInput(f"The cache {name!r} is not in the catalogue; known are: {known}; correct O(names).")
    if not names and not patterns and not all_by_default:
        raise InvalidInput(
            f"Nothing is named to flush: name a cache in O(names) (known are: {known}) or give O(patterns)."
        )
    chosen = dict.fromkeys(names or ([] if patterns else caches))
    entries = [_from_catalogue(caches[name], backup, environment) for name in chosen]
    entries += [CachePattern(pattern, "", backup) for pattern in patterns]
    together: dict[str, CachePattern] = {}
    for entry in entries:
        same = together.get(entry.pattern, entry)
        name = ", ".join(dict.fromkeys(filter(None, (same.name, entry.name))))
        together[entry.pattern] = replace(same, name=name, backup=same.backup or entry.backup)
    return tuple(together.values())


def caches_to_save(
    catalogue: t.Sequence[t.Mapping[str, t.Any]], patterns: t.Sequence[CachePattern]
) -> tuple[CachePattern, ...]:
    """Return the caches that want a backup and may have keys of patterns that ask for none, but are not to be flushed.

    Whoever flushes a cache without a backup need not know which others lie within it.
    """
    saved = {entry.pattern for entry in patterns if entry.backup}
    unsaved = [literal_prefix(entry.pattern) for entry in patterns if not entry.backup]
    found = []
    for entry in catalogue if unsaved else ():
        try:
            cache = _from_catalogue(entry, True, None)
        except InvalidInput:
            # Nobody has named it.
            continue
        prefix = literal_prefix(cache.pattern)
        within = any(prefix.startswith(other) or other.startswith(prefix) for other in unsaved)
        if cache.backup and within and cache.pattern not in saved:
            found.append(cache)
    return tuple(found)


def _refuse_ambiguous(catalogue: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """Refuse a catalogue in which two caches have one name: nobody could tell which of them is meant."""
    twice = [name for name, times in Counter(entry["name"] for entry in catalogue).items() if times > 1]
    if twice:
        meant = [str(entry.get("pattern") or entry.get("prefix")) for entry in catalogue if entry["name"] == twice[0]]
        raise InvalidInput(
            f"The cache {twice[0]!r} stands {len(meant)} times in the catalogue, for {' and for '.join(meant)}; "
            "allowed is each name once: rename or remove the others in O(caches)."
        )


def _from_catalogue(entry: t.Mapping[str, t.Any], backup: bool, environment: str | None) -> CachePattern:
    name, pattern, prefix = entry["name"], entry.get("pattern"), entry.get("prefix")
    if bool(pattern) == bool(prefix):
        raise InvalidInput(f"The cache {name!r} needs either a pattern or a prefix in O(caches), and not both.")
    allowed = entry.get("environments") or []
    if allowed and environment is not None and environment not in allowed:
        raise Refused(
            f"The cache {name!r} is for the environments {', '.join(allowed)} only, this is "
            f"{environment or 'none of them'}; "
            "run it there, or correct O(caches)."
        )
    return CachePattern(pattern or escape_glob(prefix or "") + "*", name, backup and entry.get("backup", True))
