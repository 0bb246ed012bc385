# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of certificates from its request to its files. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .._errors import RunbookError
from .._k8s.client import ApiLogin
from .._run import absolute_directory
from .inventory import SECRET, Entry, Inventory, Request, compare_served, judge, read_cluster
from .inventory_files import Difference, compare, render_nagios_line, sentence, write
from .inventory_report import check_report
from .inventory_sources import read_endpoints, read_vault
from .severity import CRITICAL, UNKNOWN, WARNING

if t.TYPE_CHECKING:
    from .._vault.client import VaultLogin

# More are in the files; what goes through Ansible is read line by line, and kept for each host.
MOST_WORST = 200


@dataclass(frozen=True)
class Output:
    """Where the inventory goes; without a directory no file is written."""

    directory: str = ""
    outputs: Sequence[str] = ()
    previous: str = ""


@dataclass(frozen=True)
class Sources:
    """How to reach what is read; a login is made only where something is asked for behind it."""

    cluster: Callable[[], ApiLogin]
    vault: Callable[[], VaultLogin] | None = None
    vault_place: tuple[str, str] = ("", "")
    endpoint_timeout: float = 5.0


def run_check(
    request: Request, sources: Sources, output: Output, cluster: str, run_id: str, started: datetime
) -> dict[str, t.Any]:
    """Read, judge, compare and write; return the result of the module, which an error carries as far as it got."""
    inventory = None
    try:
        for option in ("directory", "previous"):
            if getattr(output, option):
                absolute_directory(getattr(output, option), option)
        entries: list[Entry] = []
        skew = 0.0
        if request.kubernetes:
            login = sources.cluster()
            cluster = cluster or login.server
            entries += read_cluster(login, request)
            skew = login.skew
        cluster = cluster or "endpoints"
        served = read_endpoints(request.endpoints, sources.endpoint_timeout)
        wanted = {endpoint.name: endpoint.secret for endpoint in request.endpoints}
        compare_served(served, [entry for entry in entries if entry.source == SECRET], wanted)
        entries += served
        if sources.vault:
            entries += read_vault(sources.vault(), *sources.vault_place)
        inventory = judge(request, entries, started, skew)
        difference = compare(inventory, cluster, output.directory, output.previous)
        paths = (
            write(inventory, difference, cluster, run_id, output.directory, output.outputs) if output.directory else {}
        )
    except RunbookError as exc:
        exc.result["report"] = check_report(run_id, started, cluster, inventory, failure=exc)
        raise
    return _result(inventory, difference, paths, cluster, run_id, started)


def _result(
    inventory: Inventory,
    difference: Difference,
    paths: dict[str, str],
    cluster: str,
    run_id: str,
    started: datetime,
) -> dict[str, t.Any]:
    worst = inventory.at_least(WARNING)
    return {
        "changed": False,
        "run_id": run_id,
        "severity": inventory.severity,
        "counts": inventory.counts,
        "worst": [entry.to_plain(inventory.now) for entry in worst[:MOST_WORST]],
        "unread": [{"where": entry.place, "reason": "; ".join(entry.reasons)} for entry in inventory.unread],
        "difference": difference.to_plain(MOST_WORST),
        "verdicts": {
            severity: sentence(inventory, cluster, severity) if inventory.at_least(severity) else ""
            for severity in (WARNING, UNKNOWN, CRITICAL)
        },
        "nagios": render_nagios_line(inventory, cluster),
        "paths": paths,
        "report": check_report(run_id, started, cluster, inventory, difference, paths),
    }
