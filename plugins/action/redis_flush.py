# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the modules that are routed here by meta/runtime.yml."""

from __future__ import annotations

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._module_action import ModuleAction as ActionModule

__all__ = ["ActionModule"]
