# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages name is there: variables and tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.roles import DOCUMENTED, ROLES, common_variables, variables

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *(ROLES / role / "README.md" for role in DOCUMENTED),
    *sorted((ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_exist(page: Path) -> None:
    names = "|".join(DOCUMENTED)
    named = set(re.findall(rf"(?<![\w./])(?:{names})_[a-z_]+(?![\w.*])", page.read_text(encoding="utf-8")))
    known = {variable for role in DOCUMENTED for variable in variables(role)}
    assert named <= known


def test_the_page_of_common_variables_has_all_of_them_and_no_other() -> None:
    rows = [
        line for line in (ROOT / "docs" / "variables.md").read_text(encoding="utf-8").splitlines() if line[:1] == "|"
    ]
    assert {name for row in rows for name in re.findall(r"`(runbooks_[a-z_]+)`", row)} == common_variables()


@pytest.mark.parametrize("name", ["guarantees.md", "security.md"])
def test_every_promise_names_a_test_that_exists(name: str) -> None:
    tables = re.findall(
        r"^\| Promise \| How \| Proof \|\n\| --- \| --- \| --- \|\n((?:\|.*\n)+)",
        (ROOT / "docs" / name).read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    rows = [row for table in tables for row in table.splitlines()]
    assert len(tables) > 3
    for row in rows:
        proofs = re.findall(r"`([^`]+)`", row.split(" | ")[-1])
        assert proofs, row
        for proof in proofs:
            file, _colons, test = proof.partition("::")
            if proof.startswith("make "):
                assert f"\n{proof.split()[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
                continue
            path = ROOT / file if file.startswith("molecule/") else ROOT / "tests" / file
            assert path.exists(), proof
            assert not test or f"\ndef {test}(" in path.read_text(encoding="utf-8"), proof


def test_pictures_are_small_and_shown() -> None:
    """They are a part of what is installed."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = sorted((ROOT / "docs" / "pictures").iterdir())
    assert [path.name for path in pictures] == ["ops.svg", "report.png"]
    for path in pictures:
        assert path.stat().st_size < 150_000
        assert f"(docs/pictures/{path.name})" in readme
