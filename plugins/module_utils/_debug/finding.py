# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One thing that is wrong with a pod, or good to know. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """``what`` is a sentence without its period, ``evidence`` where it is seen, ``next_step`` what to do."""

    kind: str
    severity: str
    what: str
    evidence: str
    next_step: str

    def to_plain(self) -> dict[str, str]:
        return {
            "severity": self.severity,
            "what": self.what,
            "evidence": self.evidence,
            "next_step": self.next_step,
            "kind": self.kind,
        }
