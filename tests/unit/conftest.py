# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the tests of what knows nothing of Ansible be left out."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.market_intel.runbooks"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--with-ansible", action="store_true", help="only files that import Ansible, by others too")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    left_out = (
        config.getoption("with_ansible", False) and collection_path.is_file() and not _imports_ansible(collection_path)
    )
    return True if left_out else None


def _imports_ansible(path: Path) -> bool:
    """Return whether a file imports Ansible, itself or by something of ours that it imports."""
    seen, waiting = {path}, [path]
    while waiting:
        for name in _imported(waiting.pop()):
            if name.partition(".")[0] == "ansible":
                return True
            found = {file for file in _files(name) if file.is_file()} - seen
            seen |= found
            waiting += found
    return False


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
