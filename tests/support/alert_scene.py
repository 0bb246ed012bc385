# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alert that fires because of a cache, with a real cluster and a real Redis, and the runbook that helps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.market_intel.runbooks.plugins.module_utils._time import rfc3339, utc_now

from .alert_servers import HOOK, AlertServers, alert
from .ansible import Result, run_playbook
from .lab import Lab
from .pods import Namespace
from .report import assert_valid
from .servers import RedisServer

ALERT = "APIGatewayHighLatency"
FROM_ALERTS = ("alert_response_name", "alert_response_labels")
"""Variables that an event brings."""


class Scene:
    """An alert that fires while the cache of a Redis holds keys, and what the runbook may do about it.

    A test may say by `is_well` when the alert ends instead.
    """

    def __init__(self, lab: Lab, place: Namespace, servers: AlertServers, redis: RedisServer, folder: Path) -> None:
        self.lab, self.place, self.servers, self.redis, self.folder = lab, place, servers, redis, folder
        self.labels = {"alertname": ALERT, "namespace": place.name, "service": "gateway"}
        self.client = redis.client()
        self.client.mset({f"market:data:{number}": "x" for number in range(20)})
        self.is_well: Callable[[], bool] = lambda: not self.keys
        servers.alerts = [alert(rfc3339(utc_now()), **self.labels)]
        servers.samples[f'misses{{namespace="{place.name}"}}'] = [({}, 0.9)]
        servers.samples[f'p99{{namespace="{place.name}"}}'] = lambda: [({}, 0.1 if self.is_well() else 0.9)]
        firing = f'ALERTS{{alertname="{ALERT}",alertstate="firing",namespace="{place.name}",service="gateway"}}'
        servers.samples[firing] = lambda: [] if self.is_well() else [(self.labels, 1)]
        self.entry: dict[str, Any] = {
            "runbook": "flush_redis",
            "mode": "auto",
            "severity": "critical",
            "labels": ["namespace", "service"],
            "target": "$namespace/redis",
            "variables": {"flush_redis_patterns": ["market:data:*"], "flush_redis_max_share": 1},
            "diagnose": ["web"],
            "evidence": [
                {"name": "misses", "query": 'misses{namespace="$namespace"}', "comparison": ">", "threshold": 0.5}
            ],
            "recovery": {
                "query": 'p99{namespace="$namespace"}',
                "comparison": "<",
                "threshold": 0.5,
                "samples": 2,
                "interval": 0.2,
            },
        }

    @property
    def keys(self) -> int:
        return int(self.client.dbsize())

    def variables(self, **more: Any) -> dict[str, Any]:
        return {
            "runbooks_kubeconfig": str(self.lab.state / "kubeconfig"),
            "runbooks_namespace": self.place.name,
            "runbooks_reports_dir": str(self.folder / "reports"),
            "runbooks_backup_dir": str(self.folder / "backups"),
            "flush_redis_accept_ephemeral_storage": True,
            "flush_redis_url": f"redis://{self.redis.host}:{self.redis.port}/0",
            "alert_response_prometheus": {"url": self.servers.url},
            "alert_response_alertmanager": {"url": self.servers.url},
            "alert_response_map": {ALERT: self.entry},
            "alert_response_name": ALERT,
            "alert_response_labels": {name: text for name, text in self.labels.items() if name != "alertname"},
            "alert_response_notify": {"url": f"{self.servers.url}{HOOK}"},
            **more,
        }

    def respond(self, *, check: bool = False, env: Mapping[str, str] | None = None, **more: Any) -> Result:
        return run_playbook("respond_to_alert", self.variables(**more), check=check, cwd=self.folder, env=env)

    def say(self, **data: str) -> None:
        """Have a person tell the guard something."""
        control = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "runbooks-control"}}
        self.place.apply({**control, "data": data})

    def report(self, result: Result) -> dict[str, Any]:
        found = json.loads(Path(result.by_action("runbook_report")[-1].result["paths"]["json"]).read_text())
        assert_valid(found)
        return dict(found)

    def kept(self, what: str) -> list[dict[str, Any]]:
        if self.place.gone("configmap", "runbooks-guard"):
            return []
        return list(json.loads(self.lab.get("configmap", "runbooks-guard", "-n", self.place.name)["data"][what]))
