# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report with everything in it, and the schema that all reports follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
RUN_ID = "20261123t101500z-flush-redis-7f3a"


def example(**changes: Any) -> dict[str, Any]:
    """Return a full report of a flush, with the given fields instead of its own; None leaves a field out."""
    report = {
        "run_id": RUN_ID,
        "runbook": "flush_redis",
        "title": "Flush Redis caches",
        "host": "cache-eu-1",
        "mode": "run",
        "state": "done",
        "started": "2026-11-23T10:15:00Z",
        "finished": "2026-11-23T10:15:12.500Z",
        "operator": {"awx_job_id": "4711", "user": "k.meyer"},
        "cluster": {"context": "eu-1", "server": "https://api.eu-1.example.com:6443", "uid": "0b1c"},
        "asked": {"names": ["market-data"], "mode": "delete", "backup": True, "max_keys": 500000},
        "plan": {
            "summary": ["Delete 200,000 of 1,000,000 keys"],
            "figures": {"matching": 200000, "estimated_bytes": 61234567},
            "hash": "5f0c9f3e1b7a",
            "sample": ["market:data:EURUSD", "market:data:GBPUSD"],
            "not_verified": ["the right to UNLINK"],
        },
        "findings": [
            {
                "severity": "info",
                "what": "two keys are large",
                "where": "market-data",
                "evidence": "3 MiB and 5 MiB",
                "next_step": "split them",
            }
        ],
        "actions": [
            {"what": "Check the server", "at": "2026-11-23T10:15:00.200Z"},
            {"what": "Delete the keys", "changed": True, "detail": "200,000 keys", "at": "2026-11-23T10:15:02Z"},
        ],
        "proofs": [{"claim": "No key matches any more", "result": "proven", "evidence": "A full pass found none"}],
        "degraded": [],
        "undo": {"command": "ansible-playbook market_intel.runbooks.restore_redis", "note": "Newer keys stay"},
        "backup": {
            "path": "/srv/backups/1",
            "records": 200000,
            "bytes": 33445566,
            "sha256": "9f86d0",
            "format": "RESP",
        },
        "figures": [
            {"name": "Keys", "before": 1000000, "after": 800000, "unit": "keys"},
            {"name": "Memory", "before": 412345678, "after": 351111111, "unit": "bytes"},
            {"name": "Version", "before": "7.0.15", "after": "7.0.15"},
        ],
        "series": [
            {"name": "Matching keys", "unit": "keys", "points": [[0, 200000], [0.8, 90000], [1.7, 0]]},
            {"name": "Latency", "unit": "ms", "points": [[0, 0.4], [0.8, None], [1.7, 0.3]]},
        ],
        "timeline": [
            {
                "name": "Deleting",
                "start": "2026-11-23T10:15:02Z",
                "end": "2026-11-23T10:15:12Z",
                "severity": "ok",
                "note": "200,000 keys",
            },
            {"name": "One primary slow", "start": "2026-11-23T10:15:05Z", "severity": "warning"},
        ],
        "details": {
            "server": {"version": "7.0.15", "used_memory_bytes": 351111111},
            "caches": [{"name": "market-data", "keys": 200000}, {"name": "quotes", "keys": 12}],
            "expiry_histogram": {"< 1 h": 150000, "< 1 d": 50000},
        },
        "summary": ["200,000 keys were saved and deleted"],
    }
    report.update(changes)
    return {key: value for key, value in report.items() if value is not None}


def assert_valid(report: Any, definition: str = "") -> None:
    """Raise `jsonschema.ValidationError` unless `report` follows the schema, or the definition of that name in it."""
    schema = {"$schema": SCHEMA["$schema"], "$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator(schema if definition else SCHEMA).validate(report)
