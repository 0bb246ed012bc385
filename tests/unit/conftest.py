# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the tests of what knows nothing of Ansible be left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.imports import packages


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--with-ansible", action="store_true", help="only files that import Ansible, by others too")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    chosen = config.getoption("with_ansible", False) and collection_path.is_file()
    return True if chosen and "ansible" not in packages(collection_path) else None
