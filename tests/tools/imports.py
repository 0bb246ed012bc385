# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file imports, itself or by something of ours that it imports."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from .tree import ROOT

COLLECTION = "ansible_collections.market_intel.runbooks"


def packages(path: Path) -> set[str]:
    """Return the packages of others that are imported, those of Python's library too."""
    found: set[str] = set()
    seen, waiting = {path}, [path]
    while waiting:
        for name in _imported(waiting.pop()):
            ours = {file for file in _files(name) if file.is_file()}
            if not ours and not _is_ours(name):
                found.add(name.partition(".")[0])
            waiting += ours - seen
            seen |= ours
    return found


@functools.cache
def _imported(path: Path) -> frozenset[str]:
    """Return the full names that a file imports; what it takes out of a module may be a module."""
    return frozenset(_names(ast.parse(path.read_bytes()), path))


def _names(tree: ast.AST, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = ".".join((COLLECTION, *path.relative_to(ROOT).parts[: -node.level])) if node.level else ""
            module = ".".join(part for part in (package, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _files(name: str) -> Iterator[Path]:
    """Yield where the module may be: in the collection, or beside the tests."""
    folder = ROOT if name.startswith(f"{COLLECTION}.") else ROOT / "tests"
    parts = name.removeprefix(f"{COLLECTION}.").split(".")
    yield folder.joinpath(*parts).with_suffix(".py")
    yield folder.joinpath(*parts, "__init__.py")


def _is_ours(name: str) -> bool:
    """Tell whether a name is in a module or a package of ours."""
    top = name.partition(".")[0]
    return name.startswith("ansible_collections") or (ROOT / "tests" / top).is_dir()
