# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How bad something is, in one order for all runbooks. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

# From the mildest to the worst. What is only good to know is no trouble; what is unknown is worse than what can wait.
OK, INFO, WARNING, UNKNOWN, CRITICAL = ORDER = ("ok", "info", "warning", "unknown", "critical")
# What a thing itself may be; only a remark about it is "info".
LEVELS = (OK, WARNING, UNKNOWN, CRITICAL)

rank = ORDER.index


def worst(severities: t.Iterable[str]) -> str:
    """Return the worst of them, ok if there is none."""
    return max(severities, key=rank, default=OK)
