# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From Alertmanager's webhook through ansible-rulebook to the runbook, and what must not come that far."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.alert_scene import ALERT, FROM_ALERTS, Scene
from support.alert_servers import AlertServers
from support.lab import Lab
from support.pods import Namespace
from support.processes import wait_until
from support.rulebook import SECRET, TOKEN, Rulebook
from support.servers import RedisServer

pytestmark = pytest.mark.lab


@pytest.fixture
def rulebook(lab: Lab, redis70: RedisServer, tmp_path: Path) -> Iterator[tuple[Rulebook, Scene]]:
    with Namespace(lab) as place, AlertServers() as servers:
        scene = Scene(lab, place, servers, redis70, tmp_path)
        given = {name: value for name, value in scene.variables().items() if name not in FROM_ALERTS}
        with Rulebook(tmp_path / "eda", given, signed=True) as rulebook:
            yield rulebook, scene


def payload(*labels: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what Alertmanager sends of alerts with such labels."""
    alerts = [
        {
            "status": "firing",
            "labels": each,
            "annotations": more,
            "startsAt": "2026-11-23T10:15:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus/graph",
            "fingerprint": "1f6e3bd8a3f5c1d2",
        }
        for each in labels
    ]
    return {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "runbooks", "alerts": alerts}


def test_an_alert_is_acted_on_once_and_nothing_of_it_is_evaluated(rulebook: tuple[Rulebook, Scene]) -> None:
    listening, scene = rulebook
    template = f"{{{{ lookup('pipe', 'touch {listening.canary}') }}}}"
    labels = {**scene.labels, "pod": template, template: "x", "size": "x" * 100_000}
    assert listening.send(payload(scene.labels), "wrong") == 401
    assert listening.send("no alerts") == 200
    # An allowed label that holds a template refuses the alert; what is not allowed is dropped.
    assert listening.send(payload({**scene.labels, "service": template})) == 200
    assert listening.send_signed(payload(scene.labels), "wrong") == 401
    assert listening.send_signed(payload(labels, labels, summary=template)) == 200
    wait_until(lambda: [each for each in scene.kept("runs") if each.get("finished")], 180, "a run that has ended")
    assert scene.keys == 0
    (run_kept,) = scene.kept("runs")
    assert (run_kept["runbook"], run_kept["outcome"]) == ("flush_redis", "done")
    assert scene.kept("decisions")[0]["requester"] == "eda"
    assert listening.said.count("an alert was refused: its label service holds what is not allowed") >= 1
    assert "PLAY [Respond to an alert]" in listening.said
    assert listening.said.count("PLAY [Respond to an alert]") <= 2
    assert not listening.canary.exists()
    assert TOKEN not in listening.said and SECRET not in listening.said
    assert ALERT in listening.said
