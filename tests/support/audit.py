# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has changed, from the audit logs of Kubernetes and Vault: check mode has to leave nothing there.

Requests carry the run id in their User-Agent (Kubernetes), or are those of one token or of one login (Vault).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_READS = {"get", "list", "watch"}
# What is asked by creating something that is never stored.
_REVIEWS = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews", "tokenreviews"}
_TUNNELS = {"pods/portforward"}
_VAULT_BOOKKEEPING = ("auth/", "sys/capabilities")


def kubernetes_writes(log: Path, run_id: str) -> list[str]:
    """Return the requests of a run that could have changed something: verb and URI, whether they succeeded or not."""
    return [_request(event) for event in _of_run(log, run_id) if _may_change(event)]


def kubernetes_requests(log: Path, run_id: str) -> list[str]:
    """Return all requests of a run: verb and URI."""
    return [_request(event) for event in _of_run(log, run_id)]


def _of_run(log: Path, run_id: str) -> Iterator[dict[str, Any]]:
    events = (event for event in _events(log) if run_id in event.get("userAgent", ""))
    return (event for event in events if event["stage"] == "ResponseComplete")


def _request(event: dict[str, Any]) -> str:
    return f"{event['verb']} {event['requestURI']}"


def _may_change(event: dict[str, Any]) -> bool:
    about = event.get("objectRef") or {}
    resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
    if event["verb"] in _READS or resource in _REVIEWS or resource in _TUNNELS:
        return False
    return parse_qs(urlsplit(event["requestURI"]).query).get("dryRun") != ["All"]


def vault_writes(log: Path, accessor: str) -> list[str]:
    """Return what was asked with a token (its accessor as the log has it) beyond logins, reads and capabilities."""
    return _vault_changes(
        event["request"] for event in _vault_events(log) if (event.get("auth") or {}).get("accessor") == accessor
    )


def vault_writes_of(log: Path, owner: str) -> list[str]:
    """Return the same of all tokens of a login whose metadata name an owner."""
    return _vault_changes(vault_requests(log, owner))


def vault_requests(log: Path, owner: str) -> list[dict[str, Any]]:
    """Return all requests of the tokens of a login whose metadata name an owner."""
    return [
        event["request"]
        for event in _vault_events(log)
        if ((event.get("auth") or {}).get("metadata") or {}).get("owner") == owner
    ]


def _vault_events(log: Path) -> Iterator[dict[str, Any]]:
    return (event for event in _events(log) if event["type"] == "request")


def _vault_changes(requests: Iterable[dict[str, Any]]) -> list[str]:
    return [
        f"{request['operation']} {request['path']}"
        for request in requests
        if request["operation"] not in ("read", "list") and not request["path"].startswith(_VAULT_BOOKKEEPING)
    ]


def _events(log: Path) -> Iterator[dict[str, Any]]:
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            # The last line may not be whole yet.
            if line.endswith("\n"):
                yield json.loads(line)
