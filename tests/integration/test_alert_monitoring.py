# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From metrics through a real Prometheus, Alertmanager and ansible-rulebook to the runbook, for each of the alerts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from support.lab import Lab
from support.monitoring import Monitoring
from support.patients import pod
from support.pods import Namespace
from support.processes import wait_until
from support.rulebook import TOKEN, Rulebook
from support.servers import RedisServer

pytestmark = pytest.mark.lab
ALERTS = {
    "APIGatewayHighErrorRate": "rotate_certs",
    "CoreEngineHighErrorRate": "rotate_certs",
    "APIGatewayHighLatency": "flush_redis",
    "CoreEngineHighLatency": "flush_redis",
    "SystemSLOBreached": "debug_pod",
    "CircuitBreakerOpen": "debug_pod",
}
SERVICES = ("api-gateway", "core-engine")


class Services:
    """Two services that fail, are slow and have certificates that expire, until they are well."""

    def __init__(self, is_slow: Callable[[], bool]) -> None:
        self._is_slow = is_slow
        self._last = time.monotonic()
        self.failing = True
        self._counts: dict[str, float] = {}

    def metrics(self) -> str:
        now = time.monotonic()
        requests, self._last = 100 * (now - self._last), now
        slow = requests if self._is_slow() else 0.0
        lines = []
        for service in SERVICES:
            who = f'service="{service}"'
            for code, share in (("200", 0.9 if self.failing else 1.0), ("502", 0.1 if self.failing else 0.0)):
                lines.append(self._count(f'http_requests_total{{{who},code="{code}",path="/quote"}}', share * requests))
            fast = requests - slow
            for bound, number in (("0.25", fast), ("0.5", fast), ("1", requests), ("+Inf", requests)):
                lines.append(self._count(f'http_request_duration_seconds_bucket{{{who},le="{bound}"}}', number))
            lines.append(self._count(f'cache_requests_total{{{who},result="hit"}}', fast))
            lines.append(self._count(f'cache_requests_total{{{who},result="miss"}}', slow))
            lines.append(f"tls_certificate_not_after_seconds{{{who}}} {time.time() + 3600:.0f}")
            lines.append(f"tls_certificate_reload_errors_total{{{who}}} 0")
        lines.append(f'circuit_breaker_state{{service="api-gateway",target="redis"}} {2 if self.failing else 0}')
        return "\n".join(lines) + "\n"

    def _count(self, name: str, more: float) -> str:
        self._counts[name] = self._counts.get(name, 0.0) + more
        return f"{name} {self._counts[name]:.3f}"


def reports(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the reports of responses by their alerts, as far as they are written."""
    found = {}
    for path in sorted(folder.glob("*-respond-to-alert-*/localhost.json")):
        report = json.loads(path.read_text())
        found[report["asked"]["alert"]] = report
    return found


def test_each_alert_fires_and_is_assessed_and_what_may_act_heals(
    lab: Lab, redis70: RedisServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    client = redis70.client()
    client.mset({f"market:data:{number}": "x" for number in range(20)})
    services = Services(lambda: bool(client.dbsize()))
    shipped: dict[str, Any] = {
        "runbook": "flush_redis",
        "mode": "auto",
        "severity": "warning",
        "labels": ["namespace", "service"],
        "target": "$namespace/redis",
        "variables": {"flush_redis_patterns": ["market:data:*"], "flush_redis_max_share": 1},
        "evidence": [
            {
                "name": "share of lookups that the cache answers",
                "query": 'market_intel_brain:cache:hit_ratio:rate5m{namespace="$namespace",service="$service"}',
                "comparison": "<",
                "threshold": 0.5,
            }
        ],
        "recovery": {
            "query": 'market_intel_brain:api_gateway:latency_p99:rate1m{namespace="$namespace"}',
            "comparison": "<",
            "threshold": 0.5,
            "samples": 2,
            "interval": 2,
        },
    }
    with Namespace(lab) as place:
        place.apply(pod("web"))
        variables = {
            "runbooks_kubeconfig": str(lab.state / "kubeconfig"),
            "runbooks_namespace": place.name,
            "runbooks_reports_dir": str(tmp_path / "reports"),
            "runbooks_backup_dir": str(tmp_path / "backups"),
            "flush_redis_accept_ephemeral_storage": True,
            "flush_redis_url": f"redis://{redis70.host}:{redis70.port}/0",
            "alert_response_map": {"APIGatewayHighLatency": shipped},
            # A busy machine answers late, and what is late is unknown.
            "alert_response_evidence_timeout": 30,
        }
        rulebook = Rulebook(tmp_path / "eda", {})
        token = tmp_path / "token"
        token.write_text(TOKEN)
        webhook = (f"https://127.0.0.1:{rulebook.port}/alerts", token, rulebook.certificates.ca_cert)
        with Monitoring(lab, tmp_path / "monitoring", place.name, services.metrics, webhook) as monitoring:
            variables["alert_response_prometheus"] = {"url": monitoring.prometheus}
            variables["alert_response_alertmanager"] = {"url": monitoring.alertmanager}
            rulebook.write_inventory(variables)
            with rulebook:
                wait_until(
                    lambda: set(reports(tmp_path / "reports")) == set(ALERTS), 420, "a report of each alert", interval=1
                )
            found = reports(tmp_path / "reports")
    decisions = {alert: report["details"]["decision"] for alert, report in found.items()}
    assert {alert: each["mapped"] for alert, each in decisions.items()} == ALERTS
    assert {each["verdict"] for each in decisions.values()} <= {"supported", "unsupported", "not_firing"}
    assert decisions["APIGatewayHighErrorRate"]["command"].startswith(
        "ansible-playbook market_intel.runbooks.rotate_certs"
    )
    healed = found["APIGatewayHighLatency"]
    assert (healed["state"], client.dbsize()) == ("done", 0)
    assert {proof["claim"]: proof["result"] for proof in healed["proofs"]}["the alert no longer fires"] == "proven"
    fired = next(event for event in healed["timeline"] if event["name"].endswith("begins to fire"))
    acted = next(event for event in healed["timeline"] if event["name"].startswith("the guard allows"))
    seconds = (_moment(acted["start"]) - _moment(fired["start"])).total_seconds()
    record_property("tested with", f"from firing to action: {seconds:.1f} s")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
