# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each sentence that the page for troubleshooting explains is one that the runbooks say, word for word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tools.tree import ROOT

DIFFERS = "…"
QUOTED = re.findall(
    r"^(?:- |  and )`([^`]+)`", (ROOT / "docs" / "guide_troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE
)
# Less would be found in any sentence.
FEWEST_LETTERS = 12


@cache
def sentences() -> tuple[str, ...]:
    """Return all texts of the plugins, with one sign for each value in them."""
    found = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Constant, ast.JoinedStr)):
                found.append("".join(parts(node)))
    return tuple(found)


def parts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        for each in node.values:
            yield from parts(each) if isinstance(each, ast.Constant) else DIFFERS
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_the_page_has_sentences() -> None:
    assert len(QUOTED) == len(set(QUOTED)) > 50


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_quoted_sentence_is_said(quoted: str) -> None:
    fixed = [part for part in quoted.split(DIFFERS) if part]
    assert sum(map(len, fixed)) >= FEWEST_LETTERS
    words = re.compile(".*".join(re.escape(part) for part in fixed), re.DOTALL)
    assert any(words.search(text) for text in sentences())
