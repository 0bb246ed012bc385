# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of a checkout runs needs what "make runtime" installs, and nothing of the development tools."""

from __future__ import annotations

import sys

import pytest

from tools.imports import packages
from tools.tree import ROOT

# What requirements-ansible.txt brings, and what that needs itself.
INSTALLED = {"ansible", "cryptography", "hiredis", "hvac", "kubernetes", "redis", "urllib3", "yaml"}
RUN_BY_USERS = ("tests/demo/demo.py", "tests/lab/__main__.py", "tests/tools/servers_install.py")


@pytest.mark.parametrize("name", RUN_BY_USERS)
def test_it_imports_what_the_small_environment_has(name: str) -> None:
    assert packages(ROOT / name) - set(sys.stdlib_module_names) - INSTALLED == set()
