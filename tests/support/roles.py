# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles document of themselves."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
DOCUMENTED = sorted(path.parents[1].name for path in ROLES.glob("*/meta/argument_specs.yml"))
"""The roles with variables; the frame has none."""


@cache
def entry_points(role: str) -> dict[str, Any]:
    """Return the documentation of a role's entry points."""
    content = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return dict(content["argument_specs"])


def variables(role: str) -> set[str]:
    """Return the names of all variables of a role."""
    return {name for spec in entry_points(role).values() for name in spec["options"]}


def common_variables() -> set[str]:
    """Return the names of the variables that all runbooks have in common, as roles, playbooks and plugins use them."""
    sources = [path for folder in ("roles", "playbooks", "plugins") for path in (ROLES.parent / folder).rglob("*")]
    texts = [path.read_text(encoding="utf-8") for path in sources if path.suffix in (".yml", ".py")]
    return {name for text in texts for name in re.findall(r"\brunbooks_[a-z_]*[a-z]\b", text)}
