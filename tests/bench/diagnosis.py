# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a diagnosis says the cause and the next step first, and what it asks of the API server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.audit import kubernetes_requests
from support.cases import WELL
from support.lab import Lab
from support.ward import Ward

TARGETS = 28


def measure(note: Callable[..., None], lab: Lab, _folder: Path) -> None:
    """Measure in a lab; `note` takes name, value, unit and goal."""
    with Ward(lab) as ward:
        ward.settle()
        found = ward.judge()
        one = ward.diagnose("deployment/well-web")
        several = ward.diagnose(*[each.case.asked for each in found.cases if not each.case.strict][:TARGETS])
    for each in found.missed:
        print(f"  {each}")
    number = len(found.cases)
    note(f"points of {number} faults", 100 * found.share, "%", "at least 95")
    note("faults whose cause and next step come first", sum(each.points == 2 for each in found.cases), f"of {number}")
    note(f"false alarms on {len(WELL)} healthy targets", len(found.false_alarms), "", "0")
    note("faults that are called well", len(found.false_all_clears), "", "0")
    note(f"the judgement of all {number + len(WELL)}", found.seconds, "s")
    log = lab.state / "audit" / "kubernetes.log"
    note("requests for one Deployment", len(kubernetes_requests(log, one["run_id"])), "")
    note(f"requests for {TARGETS} targets", len(kubernetes_requests(log, several["run_id"])), "")
