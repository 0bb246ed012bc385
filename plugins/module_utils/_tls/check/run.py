# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of certificates from its request to its files. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..._errors import RunbookError
from ..._k8s.client import ApiLogin
from ..._run import absolute_directory
from ..._severity import CRITICAL, UNKNOWN, WARNING
from .cluster import read_cluster
from .files import Difference, compare, render_nagios_line, sentence, write
from .judge import compare_served, judge
from .model import Entry, Inventory, Request
from .sources import read_authorities, read_endpoints, read_vault, verify_endpoints

if t.TYPE_CHECKING:
    from ..._vault.client import VaultLogin

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


@dataclass(frozen=True)
class CheckResult:
    """What was found, what differs from the run before, and the files of it; as far as it came in an error."""

    run_id: str
    cluster: str
    inventory: Inventory | None = None
    difference: Difference = field(default_factory=Difference)
    paths: Mapping[str, str] = field(default_factory=dict)

    def to_plain(self) -> dict[str, t.Any]:
        inventory = self.inventory
        counts: Mapping[str, int] = inventory.counts if inventory else {}
        severity = inventory.severity if inventory else UNKNOWN
        plain = {
            "changed": False,
            "run_id": self.run_id,
            "stats": {"severity": severity, "counts": counts, "files": self.paths},
        }
        if inventory is None:
            return plain
        worst = inventory.at_least(WARNING)
        return {
            **plain,
            "severity": severity,
            "counts": counts,
            "worst": [entry.to_plain(inventory.now) for entry in worst[:MOST_WORST]],
            "unread": [{"where": entry.place, "reason": "; ".join(entry.reasons)} for entry in inventory.unread],
            "left_out": dict(inventory.left_out),
            "difference": self.difference.to_plain(MOST_WORST),
            "verdicts": {
                level: sentence(inventory, self.cluster, level) if inventory.at_least(level) else ""
                for level in (WARNING, UNKNOWN, CRITICAL)
            },
            "nagios": render_nagios_line(inventory, self.cluster),
            "paths": self.paths,
        }


def run_check(
    request: Request, sources: Sources, output: Output, cluster: str, run_id: str, started: datetime
) -> CheckResult:
    """Read, judge, compare and write; an error carries the CheckResult as far as it got."""
    result = CheckResult(run_id, cluster)
    try:
        for option in ("directory", "previous"):
            if getattr(output, option):
                absolute_directory(getattr(output, option), f"O({option})")
        authorities = _authorities(request)
        entries: list[Entry] = []
        left_out: Mapping[str, int] = {}
        skew = 0.0
        if request.kubernetes:
            login = sources.cluster()
            cluster = cluster or login.server
            content = read_cluster(login, request)
            entries, left_out, skew = content.entries, content.left_out, login.skew
        cluster = cluster or "endpoints"
        served = read_endpoints(request.endpoints, sources.endpoint_timeout)
        stored = compare_served(request.endpoints, served, entries)
        verify_endpoints(request.endpoints, served, stored, authorities, sources.endpoint_timeout)
        entries += served
        if sources.vault:
            entries += read_vault(sources.vault(), *sources.vault_place)
        inventory = judge(request, entries, started, skew, left_out)
        result = replace(result, cluster=cluster, inventory=inventory)
        result = replace(result, difference=compare(inventory, cluster, output.directory, output.previous))
        if output.directory:
            paths = write(inventory, result.difference, cluster, run_id, output.directory, output.outputs)
            result = replace(result, paths=paths)
    except RunbookError as exc:
        exc.reached = result
        raise
    return result


def _authorities(request: Request) -> dict[str, str]:
    """Return the authorities that clients of endpoints trust by the path of their file, those for all by ``""``."""
    found = {
        endpoint.ca_cert: read_authorities(endpoint.ca_cert, f"O(endpoints[{number}].ca_cert)")
        for number, endpoint in enumerate(request.endpoints)
        if endpoint.ca_cert
    }
    if request.endpoint_ca_cert:
        found[""] = read_authorities(request.endpoint_ca_cert, "O(endpoint_ca_cert)")
    return found
