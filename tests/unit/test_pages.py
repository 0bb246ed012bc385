# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages name is there: variables, tests, files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted((ROOT / "roles").iterdir())
PAGES = [ROOT / "README.md", *(role / "README.md" for role in ROLES), *sorted((ROOT / "docs").glob("*.md"))]


def load(role: Path, name: str) -> Any:
    return yaml.safe_load((role / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_exist(page: Path) -> None:
    names = "|".join(role.name for role in ROLES)
    named = set(re.findall(rf"(?<![\w./])(?:{names})_[a-z_]+(?![\w.*])", page.read_text(encoding="utf-8")))
    known = {variable for role in ROLES for variable in load(role, "defaults/main.yml")}
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_every_guarantee_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith("| ") and not row.startswith(("| ---", "| Promise"))]
    assert rows
    for row in rows:
        proofs = re.findall(r"`([^`]+)`", row.split(" | ")[-1])
        assert proofs, row
        for proof in proofs:
            file, _colons, name = proof.partition("::")
            if proof.startswith("make "):
                assert f"\n{proof.split()[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
                continue
            path = ROOT / file if file.startswith("molecule/") else ROOT / "tests" / file
            assert path.exists(), proof
            assert not name or f"\ndef {name}(" in path.read_text(encoding="utf-8"), proof


def test_the_surveys_ask_for_variables_that_exist() -> None:
    guide = (ROOT / "docs" / "guide_awx.md").read_text(encoding="utf-8")
    options = {}
    for role in ROLES:
        for spec in load(role, "meta/argument_specs.yml")["argument_specs"].values():
            options.update(spec["options"])
    surveys = [json.loads(block) for block in re.findall(r"```json\n(.+?)```", guide, re.DOTALL)]
    assert len(surveys) == len(ROLES)
    for survey in surveys:
        for question in survey["spec"]:
            option = options.get(question["variable"])
            assert option or question["variable"] == "runbooks_hosts"
            assert question.get("choices") == (option or {}).get("choices"), question["variable"]
