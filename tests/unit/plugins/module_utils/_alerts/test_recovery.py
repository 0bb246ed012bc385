# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a service has recovered, and when it has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts import recovery as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.login import HttpLogin, HttpSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.prometheus import Query
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Interrupted, InvalidInput
from support.alert_servers import AlertServers

ALERT = {"alertname": "X", "namespace": "shop"}
FIRING = 'ALERTS{alertname="X",alertstate="firing",namespace="shop"}'
REQUEST = subject.RecoveryRequest(Query("p99", "p99", "<", 0.5), ALERT, samples=3, interval=0.01, timeout=20)


@pytest.fixture
def servers() -> Iterator[AlertServers]:
    with AlertServers() as servers:
        servers.samples["p99"] = [({}, 0.2)]
        yield servers


def watch(servers: AlertServers, check: Any = lambda: None, **more: Any) -> subject.Recovery:
    login = HttpLogin(HttpSettings(servers.url), "Prometheus", "market_intel.runbooks/run-1")
    request = subject.RecoveryRequest(**{**REQUEST.__dict__, **more})
    return subject.watch(login, subject.check_request(request), check)


def test_several_samples_in_a_row_prove_it(servers: AlertServers) -> None:
    values = iter([0.9, 0.2, 0.9, 0.3, 0.2, 0.1])

    def step() -> None:
        servers.samples["p99"] = [({}, next(values))]

    step()
    found = watch(servers, step)
    assert (found.recovered, found.in_a_row, found.alert) == (True, 3, "gone")
    assert [value for _seconds, value in found.points] == [0.9, 0.2, 0.9, 0.3, 0.2, 0.1]
    report = subject.recovery_report("run-1", REQUEST, found)
    assert [each.result for each in report.proofs] == ["proven", "proven"]
    assert [each.name for each in report.series] == ["p99"]


@pytest.mark.parametrize(
    ("samples", "alert", "state", "results"),
    [
        ([({}, 0.9)], [], "gone", ["failed", "proven"]),
        ([({}, 0.2)], [(ALERT, 1)], "firing", ["failed", "failed"]),
        ([], [], "gone", ["failed", "proven"]),
    ],
    ids=["the figure", "the alert", "no figure"],
)
def test_what_is_not_seen_is_not_proven(
    servers: AlertServers, samples: Any, alert: Any, state: str, results: list[str]
) -> None:
    servers.samples["p99"], servers.samples[FIRING] = samples, alert
    found = watch(servers, timeout=0.05)
    assert (found.recovered, found.alert) == (False, state)
    report = subject.recovery_report("run-1", REQUEST, found)
    assert [each.result for each in report.proofs] == results
    assert report.state == "failed"


def test_an_answer_that_does_not_come_holds_nothing(servers: AlertServers) -> None:
    servers.raw["/api/v1/query"] = (500, "")
    found = watch(servers, timeout=0.05)
    assert (found.recovered, found.in_a_row, found.alert) == (False, 0, "unknown")
    assert found.last.startswith("unknown (Prometheus at")


def test_a_request_to_stop_is_heard(servers: AlertServers) -> None:
    def stop() -> None:
        raise Interrupted("stopped by SIGTERM")

    with pytest.raises(Interrupted):
        watch(servers, stop)


@pytest.mark.parametrize("more", [{"samples": 0}, {"interval": 0}, {"timeout": 0}, {"query": Query("p99")}])
def test_a_wrong_option_is_one_sentence(servers: AlertServers, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        watch(servers, **more)
