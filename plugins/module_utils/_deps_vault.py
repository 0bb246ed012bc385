# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guarded imports of the Vault client. PRIVATE."""

from __future__ import annotations

from ._deps import guarded

HVAC, (hvac, hvac_adapters, requests) = guarded("hvac >= 2.1.0", "hvac", "hvac.adapters", "requests")
