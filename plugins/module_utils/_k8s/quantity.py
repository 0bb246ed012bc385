# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quantities as Kubernetes writes them. PRIVATE to the collection."""

from __future__ import annotations

import re

_QUANTITY = re.compile(r"([0-9.]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|)")
_SCALES = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {unit: 1024.0 ** (power + 1) for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}


def quantity(text: str | int | None) -> float:
    """Return bytes or cores, 0 for none or an unknown form."""
    found = _QUANTITY.fullmatch(str(text or ""))
    return float(found[1]) * {**_SCALES, **_BINARY}[found[2]] if found else 0.0
