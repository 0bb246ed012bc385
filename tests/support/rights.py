# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that the pages name, which prepare_cluster applies: `rights("debug-report")`."""

from __future__ import annotations

from typing import Any

import yaml

from .roles import ROLES

FILES = ROLES / "prepare_cluster" / "files"


def rights(name: str) -> list[dict[str, Any]]:
    """Return the objects in a file of rights."""
    content = yaml.safe_load((FILES / f"{name}.yml").read_text(encoding="utf-8"))
    return content["items"] if content["kind"] == "List" else [content]
