# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module is told of a guard. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Sequence
from datetime import datetime, timedelta

from .._errors import InvalidInput
from .._time import read_time
from .policy import Policy, Request
from .store import LONGEST


def read_requests(params: t.Mapping[str, t.Any], run_id: str, targets: Sequence[str], now: datetime) -> list[Request]:
    """Return what is asked for each target; raise InvalidInput."""
    return [
        Request(
            run_id=run_id,
            runbook=params["runbook"],
            target=target,
            namespace=params["target_namespace"] or params["namespace"],
            until=now + timedelta(seconds=params["duration"]),
            total=params["total"],
            deadline=read_time(params["deadline"], "O(deadline)") if params["deadline"] else None,
            requester=params["requester"],
        )
        for target in targets
    ]


def read_policy(params: t.Mapping[str, t.Any]) -> Policy:
    """Return how much may be done; raise InvalidInput."""
    for name in ("cooldown", "window"):
        if not 0 <= params[name] <= LONGEST.total_seconds():
            raise InvalidInput(f"O({name}) is {params[name]:g}; allowed are 0 to {LONGEST.total_seconds():g} s.")
    for name in ("max_runs", "max_targets", "total"):
        if params[name] < 0:
            raise InvalidInput(f"O({name}) is {params[name]}; allowed are 0 and more.")
    if not 0 <= params["max_percent"] <= 100 or (params["max_percent"] and not params["total"]):
        raise InvalidInput("O(max_percent) is not between 0 and 100, or given without O(total); give both, or neither.")
    if params["by_hand"]:
        return Policy((params["target_namespace"] or params["namespace"],), cooldown=None)
    return Policy(
        namespaces=tuple(params["namespaces"]),
        cooldown=params["cooldown"],
        window=params["window"],
        max_runs=params["max_runs"],
        max_targets=params["max_targets"],
        max_percent=params["max_percent"],
    )
