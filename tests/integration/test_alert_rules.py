# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example rules and the example configuration, as the tools of Prometheus and Alertmanager see them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.place import CACHE
from support.documented import PAGES, blocks
from support.lab import Lab
from tools.tree import ROOT

pytestmark = pytest.mark.lab
EXAMPLES = ROOT / "docs" / "examples"
# Ten minutes, a sample each ten seconds.
STEPS = 60


def tool(lab: Lab, name: str, *arguments: str) -> str:
    tree = CACHE / json.loads((lab.state / "plan.json").read_text())["debian"]
    libraries = ":".join(str(tree / each) for each in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
    done = subprocess.run(
        [str(tree / "usr" / "bin" / name), *arguments],
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def series(metric: str, step: float, **labels: str) -> dict[str, str]:
    """Return a series of the namespace shop that grows by so much with each sample."""
    shown = ",".join(f'{name}="{text}"' for name, text in {"namespace": "shop", **labels}.items())
    return {"series": f"{metric}{{{shown}}}", "values": f"0+{step:g}x{STEPS}"}


def requests(service: str, code: str, step: float) -> dict[str, str]:
    return series("http_requests_total", step, service=service, code=code, path="/quote")


def durations(service: str, fast: float, slow: float) -> list[dict[str, str]]:
    """Return a histogram with so many requests below half a second, and so many above, with each sample."""
    steps = {"0.25": fast, "0.5": fast, "1": fast + slow, "+Inf": fast + slow}
    return [
        series("http_request_duration_seconds_bucket", step, service=service, le=bound) for bound, step in steps.items()
    ]


def alert(name: str, severity: str, runbook: str, **labels: str) -> tuple[str, dict[str, str]]:
    return name, {"severity": severity, "runbook": runbook, "runbook_auto": "true", "namespace": "shop", **labels}


GATEWAY, ENGINE = {"service": "api-gateway"}, {"service": "core-engine"}
FIRING: dict[str, tuple[list[dict[str, str]], list[tuple[str, dict[str, str]]]]] = {
    "nothing": (
        [requests("api-gateway", "200", 100), requests("core-engine", "200", 100), *durations("api-gateway", 100, 0)],
        [],
    ),
    "no requests": ([requests("api-gateway", "200", 0), requests("api-gateway", "500", 0)], []),
    "errors at the gateway": (
        [requests("api-gateway", "200", 95), requests("api-gateway", "502", 5)],
        [
            alert("APIGatewayHighErrorRate", "critical", "rotate_certs", **GATEWAY),
            alert("SystemSLOBreached", "critical", "debug_pod"),
        ],
    ),
    "errors of the engine": (
        [requests("core-engine", "500", 5), requests("core-engine", "200", 95), requests("api-gateway", "200", 100)],
        [
            alert("CoreEngineHighErrorRate", "critical", "rotate_certs", **ENGINE),
            alert("SystemSLOBreached", "critical", "debug_pod"),
        ],
    ),
    "few errors of all": (
        [requests("api-gateway", "500", 0.2), requests("api-gateway", "200", 100)],
        [alert("SystemSLOBreached", "critical", "debug_pod")],
    ),
    "a slow gateway": (
        durations("api-gateway", 90, 10),
        [alert("APIGatewayHighLatency", "warning", "flush_redis", **GATEWAY)],
    ),
    "a slow engine": (
        durations("core-engine", 90, 10),
        [alert("CoreEngineHighLatency", "warning", "flush_redis", **ENGINE)],
    ),
    "an open breaker": (
        [
            {
                "series": 'circuit_breaker_state{namespace="shop",service="api-gateway",target="redis"}',
                "values": f"2x{STEPS}",
            }
        ],
        [alert("CircuitBreakerOpen", "warning", "debug_pod", **GATEWAY, target="redis")],
    ),
}
NAMES = (
    *("APIGatewayHighErrorRate", "CoreEngineHighErrorRate", "APIGatewayHighLatency", "CoreEngineHighLatency"),
    *("SystemSLOBreached", "CircuitBreakerOpen"),
)


def test_each_alert_fires_by_what_it_is_about_and_by_nothing_else(lab: Lab, tmp_path: Path) -> None:
    tests: list[dict[str, Any]] = [
        {
            "interval": "10s",
            "name": case,
            "input_series": given,
            "alert_rule_test": [
                {
                    "eval_time": "9m",
                    "alertname": name,
                    "exp_alerts": [{"exp_labels": labels} for fired, labels in firing if fired == name],
                }
                for name in NAMES
            ],
        }
        for case, (given, firing) in FIRING.items()
    ]
    rules = tmp_path / "rules.yml"
    # What is said of an alert is for people, and compared nowhere.
    kept = [
        line
        for line in (EXAMPLES / "prometheus-rules.yml").read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith(("annotations:", "summary:", "runbook_url:"))
    ]
    rules.write_text("\n".join(kept))
    test = tmp_path / "test.yml"
    test.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "10s", "tests": tests}))
    assert "SUCCESS" in tool(lab, "promtool", "test", "rules", str(test))


def test_the_examples_are_taken_as_they_are(lab: Lab, tmp_path: Path) -> None:
    assert "17 rules found" in tool(lab, "promtool", "check", "rules", str(EXAMPLES / "prometheus-rules.yml"))
    assert "SUCCESS" in tool(lab, "amtool", "check-config", str(EXAMPLES / "alertmanager.yml"))
    shown = [block.text for page in PAGES for block in blocks(page) if block.text.startswith("groups:")]
    assert shown
    for number, text in enumerate(shown):
        (tmp_path / f"{number}.yml").write_text(text)
        assert "SUCCESS" in tool(lab, "promtool", "check", "rules", str(tmp_path / f"{number}.yml"))
