# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much life has to be left: a time, or a share of the lifetime. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._errors import InvalidInput
from .._time import DAY, HOUR

_UNITS = {"s": 1.0, "m": 60.0, "h": HOUR, "d": DAY, "w": 7 * DAY}
_THRESHOLD = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw%])")


@dataclass(frozen=True)
class Threshold:
    """A time, or a share of the lifetime of the certificate that it is applied to."""

    amount: float
    is_share: bool = False

    @classmethod
    def parse(cls, text: str, option: str) -> Threshold:
        """Read ``30d``, ``12h``, ``90m``, ``2w``, ``45s`` or ``20%``; raise InvalidInput that names the option."""
        found = _THRESHOLD.fullmatch(str(text).strip())
        amount, unit = (float(found.group(1)), found.group(2)) if found else (0.0, "")
        if not unit or (unit == "%" and amount > 100):
            raise InvalidInput(
                f"{option} is {str(text)[:80]!r}; allowed are a time with its unit, such as 30d, 12h or 90m, and a "
                "share of the lifetime up to 100%, such as 20%."
            )
        return cls(amount / 100, True) if unit == "%" else cls(amount * _UNITS[unit])

    def seconds(self, lifetime: float) -> float:
        """Return what it means for a certificate that lives this many seconds."""
        return self.amount * lifetime if self.is_share else self.amount


def shortest(thresholds: t.Sequence[Threshold], lifetime: float) -> float:
    return min(threshold.seconds(lifetime) for threshold in thresholds)
