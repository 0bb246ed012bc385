# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an alert may hold, what it leads to, and what follows from what is seen."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts import assessment as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts import evidence
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.login import HttpLogin, HttpSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.mapping import read_map
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, Refused, RunbookError
from support.alert_servers import HOSTILE, AlertServers, alert

LABELS = {"alertname": "APIGatewayHighLatency", "namespace": "shop", "service": "gateway"}
FIRING = 'ALERTS{alertname="APIGatewayHighLatency",alertstate="firing",namespace="shop",service="gateway"}'
RATIO = {"name": "misses", "query": 'misses{namespace="$namespace"}', "comparison": ">", "threshold": 0.5}
ENTRY: dict[str, Any] = {
    "runbook": "flush_redis",
    "target": "$namespace/redis",
    "variables": {"flush_redis_names": ["$service-cache"], "flush_redis_max_keys": 1000},
    "labels": ["namespace", "service"],
    "severity": "critical",
    "mode": "auto",
    "diagnose": ["deployment/$service"],
    "evidence": [RATIO],
    "recovery": {"query": 'p99{namespace="$namespace"}', "comparison": "<", "threshold": 0.5},
}


@pytest.fixture
def servers() -> Iterator[AlertServers]:
    with AlertServers() as servers:
        servers.alerts = [alert(**LABELS)]
        servers.samples[FIRING] = [(LABELS, 1)]
        servers.samples['misses{namespace="shop"}'] = [({}, 0.9)]
        yield servers


def assess(servers: AlertServers, entry: Mapping[str, Any] | None = None, **more: Any) -> subject.Assessment:
    url = more.pop("url", servers.url)
    labels = more.pop("labels", {name: text for name, text in LABELS.items() if name != "alertname"})
    sources = evidence.Sources(login(more.pop("prometheus", url), "Prometheus"), no_cluster, more.pop("redis", None))
    ref = subject.read_alert(more.pop("name", "APIGatewayHighLatency"), labels, more.pop("fingerprint", ""))
    entries = read_map({"APIGatewayHighLatency": {**ENTRY, **(entry or {})}}, "O(map)")
    return subject.assess(
        ref, entries, login(url, "Alertmanager"), sources, subject.Limits(**{"seconds": 20.0, **more})
    )


def login(url: str, system: str) -> HttpLogin:
    return HttpLogin(HttpSettings(url), system, "market_intel.runbooks/run-1")


def no_cluster() -> Any:
    raise RunbookError("The API server cannot be reached.")


def test_evidence_leads_to_the_runbook(servers: AlertServers) -> None:
    found = assess(servers)
    assert (found.firing, found.verdict, found.act) == (True, "supported", True)
    assert found.reason == "misses: that speaks for flush_redis"
    assert found.variables == {"flush_redis_names": ["gateway-cache"], "flush_redis_max_keys": 1000}
    assert found.target == "shop/redis"
    assert found.to_plain()["deadline"] == "2026-11-23T10:20:00Z"
    assert found.to_plain()["recovery"]["query"] == 'p99{namespace="shop"}'
    assert [each.line for each in found.evidence] == ["misses: yes (0.9, > 0.5)"]


def test_the_proposal_is_a_command_for_one_cluster(servers: AlertServers) -> None:
    found = assess(servers, host="eu-1")
    assert shlex.split(found.command) == [
        "ansible-playbook",
        "market_intel.runbooks.flush_redis",
        "-e",
        '{"flush_redis_names": ["gateway-cache"], "flush_redis_max_keys": 1000}',
        "-e",
        "runbooks_hosts=eu-1",
    ]


def test_without_evidence_a_diagnosis_is_proposed(servers: AlertServers) -> None:
    servers.samples['misses{namespace="shop"}'] = [({}, 0.1)]
    found = assess(servers)
    assert (found.verdict, found.runbook, found.act) == ("unsupported", "debug_pod", False)
    assert found.variables == {"debug_pod_namespace": "shop", "debug_pod_targets": ["deployment/gateway"]}
    assert found.reason == "nothing speaks for flush_redis; a diagnosis may tell more"


def test_evidence_that_is_unknown_is_no_evidence(servers: AlertServers) -> None:
    servers.samples['misses{namespace="shop"}'] = []
    found = assess(servers)
    assert (found.verdict, found.runbook, found.act, found.escalate) == ("unknown", "debug_pod", False, True)


def test_one_that_is_unknown_does_not_hide_one_that_speaks_for_it(servers: AlertServers) -> None:
    checks = [{"check": "redis"}, {"check": "pods", "options": {"targets": ["deployment/$service"]}}, RATIO]
    found = assess(servers, {"evidence": checks})
    assert found.verdict == "supported"
    assert [each.line for each in found.evidence] == [
        "redis: unknown (no Redis server is named)",
        "pods: unknown (The API server cannot be reached)",
        "misses: yes (0.9, > 0.5)",
    ]


@pytest.mark.parametrize(
    ("health", "traffic", "supports", "seen"),
    [
        ({"used_memory": 95, "maxmemory": 100}, {"hit_ratio": 0.9}, True, "share of memory used 0.95"),
        ({"used_memory": 5, "maxmemory": 100}, {"hit_ratio": 0.2}, True, "hit ratio 0.2"),
        (
            {"used_memory": 5, "maxmemory": 100},
            {"hit_ratio": 0.9},
            False,
            "share of memory used 0.05, hit ratio 0.9",
        ),
        ({"used_memory": 5, "maxmemory": 0}, {"hit_ratio": None}, None, "the server tells nothing of it"),
    ],
)
def test_a_server_of_redis_speaks_for_a_flush(
    servers: AlertServers, health: dict[str, Any], traffic: dict[str, Any], supports: bool | None, seen: str
) -> None:
    found = assess(servers, {"evidence": [{"check": "redis"}]}, redis=lambda: (health, traffic))
    assert (found.evidence[0].supports, found.evidence[0].seen) == (supports, seen)


def test_an_alert_that_has_ended_leads_to_nothing(servers: AlertServers) -> None:
    servers.alerts, servers.samples[FIRING] = [], []
    found = assess(servers)
    assert (found.firing, found.verdict, found.act, found.escalate) == (False, "not_firing", False, False)


def test_alerts_of_other_places_do_not_count(servers: AlertServers) -> None:
    servers.alerts = [alert(**{**LABELS, "namespace": "bank"})]
    assert assess(servers).verdict == "unknown"


@pytest.mark.parametrize("lacks", ["Alertmanager", "Prometheus"])
def test_what_only_one_of_them_knows_is_not_known(servers: AlertServers, lacks: str) -> None:
    if lacks == "Alertmanager":
        servers.alerts = []
    else:
        servers.samples[FIRING] = []
    found = assess(servers)
    assert (found.firing, found.verdict, found.act) == (None, "unknown", False)
    assert f"and {lacks} knows nothing of it" in found.reason


@pytest.mark.parametrize("path", ["/api/v1/query", "/api/v2/alerts"])
@pytest.mark.parametrize("answer", [(200, "<html>"), (200, "{}"), (500, ""), (200, "null")])
def test_garbage_is_no_permission(servers: AlertServers, path: str, answer: tuple[int, str]) -> None:
    servers.raw[path] = answer
    found = assess(servers)
    assert (found.firing, found.act, found.escalate) == (None, False, True)


@pytest.mark.parametrize("what", ["url", "prometheus"])
def test_a_system_that_is_down_is_no_permission(servers: AlertServers, what: str) -> None:
    found = assess(servers, **{what: "http://127.0.0.1:1"})
    assert (found.firing, found.act, found.escalate) == (None, False, True)


def test_slow_answers_are_not_waited_for(servers: AlertServers) -> None:
    answered = threading.Event()

    def late() -> tuple[int, str]:
        answered.wait(30)
        return 200, "{}"

    servers.raw["/api/v1/query"] = late
    found = assess(servers, seconds=0.3)
    answered.set()
    assert found.reason == "whether the alert fires is not known (Prometheus: no answer within 0.3 s)"
    assert [each.seen for each in found.evidence] == ["no answer within 0.3 s"]


@pytest.mark.parametrize(
    ("entry", "more", "why_not"),
    [
        ({"mode": "suggest"}, {}, "the mode of its entry is suggest"),
        ({}, {"suggest_only": True}, "this run only suggests"),
        ({}, {"production": True}, "its entry does not say production: true"),
        ({"production": True}, {"production": True}, ""),
    ],
)
def test_a_runbook_follows_only_where_its_entry_says_so(
    servers: AlertServers, entry: dict[str, Any], more: dict[str, Any], why_not: str
) -> None:
    found = assess(servers, entry, **more)
    assert (found.why_not, found.act) == (why_not, not why_not)


def test_what_somebody_has_silenced_is_left_to_them(servers: AlertServers) -> None:
    servers.alerts[0]["status"]["state"] = "suppressed"
    assert assess(servers).why_not == "somebody has silenced it, or another alert inhibits it"


def test_an_alert_of_no_entry_leads_to_a_diagnosis(servers: AlertServers) -> None:
    labels = {"alertname": "Other", "namespace": "shop"}
    servers.alerts = [alert(**labels)]
    servers.samples['ALERTS{alertname="Other",alertstate="firing",namespace="shop"}'] = [(labels, 1)]
    found = assess(servers, name="Other", labels={"namespace": "shop"})
    assert (found.verdict, found.runbook, found.act) == ("unmapped", "debug_pod", False)


def test_an_alert_without_a_label_that_is_needed_is_unknown(servers: AlertServers) -> None:
    servers.samples['ALERTS{alertname="APIGatewayHighLatency",alertstate="firing",namespace="shop"}'] = [(LABELS, 1)]
    found = assess(servers, labels={"namespace": "shop"})
    assert found.reason == "the alert has no label service, which its entry of the map needs"
    assert found.act is False


def test_a_runbook_that_only_reads_needs_no_evidence(servers: AlertServers) -> None:
    given = {"runbook": "debug_pod", "variables": {"debug_pod_targets": ["deployment/$service"]}, "evidence": []}
    found = assess(servers, given)
    assert (found.verdict, found.act, found.variables) == (
        "supported",
        True,
        {"debug_pod_targets": ["deployment/gateway"]},
    )


def test_a_playbook_of_somebody_elses_is_proposed_by_its_name(servers: AlertServers) -> None:
    found = assess(servers, {"runbook": "acme.shop.restart", "variables": {"shop": "$service"}})
    assert found.command == """ansible-playbook acme.shop.restart -e '{"shop": "gateway"}'"""


def test_the_report_has_the_decision_and_the_way_to_it(servers: AlertServers) -> None:
    report = subject.assessment_report("run-1", assess(servers)).to_plain()
    assert report["asked"] == {"alert": "APIGatewayHighLatency", "labels": LABELS, "fingerprint": ""}
    assert [each["severity"] for each in report["findings"]] == ["critical", "critical"]
    assert report["details"]["decision"]["verdict"] == "supported"
    assert [each["name"] for each in report["timeline"]] == [
        "APIGatewayHighLatency begins to fire",
        "assessed: supported",
    ]
    assert report["summary"][-1].startswith("proposal: ansible-playbook market_intel.runbooks.flush_redis")


def test_all_alerts_that_fire_are_assessed_and_what_is_unsafe_is_refused(servers: AlertServers) -> None:
    servers.alerts += [alert(alertname="Other\x1b[2J"), alert(**{**LABELS, "service": HOSTILE[0]})]
    entries = read_map({"APIGatewayHighLatency": ENTRY}, "O(map)")
    sources = evidence.Sources(login(servers.url, "Prometheus"), no_cluster)
    found = subject.assess_all(entries, login(servers.url, "Alertmanager"), sources, subject.Limits(20.0))
    assert [each.verdict for each in found.assessments] == ["supported"]
    assert found.unmapped == ("Other\\x1b[2J",)
    assert len(found.refused) == 1 and "O(labels).service is" in found.refused[0]
    report = subject.overview_report("run-1", found)
    assert (report.headline, report.severity, len(report.degraded)) == ("1 alert of the map fires", "critical", 1)


@pytest.mark.parametrize("value", [*HOSTILE, 5, None, ["a"]], ids=lambda value: ascii(value)[:20])
def test_unsafe_labels_are_refused_and_hardly_shown(value: Any) -> None:
    for given in ((value, {}, ""), ("X", {"namespace": value}, ""), ("X", {}, value)):
        if given[0] is None or given[2] is None:
            continue
        with pytest.raises(
            Refused, match=r"^O\((name|labels|fingerprint)\)(\.namespace)? is .*; allowed are"
        ) as caught:
            subject.read_alert(*given)
        assert len(str(caught.value)) < 250
        assert str(caught.value).isascii() and str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "labels", "sentence"),
    [
        ("X", {"a b": "c"}, "O(labels) has a label 'a b'; allowed are letters, digits and underscores"),
        ("X", {f"l{number}": "" for number in range(65)}, "O(labels) is {"),
        ("X", "a=b", "O(labels) is 'a=b'; allowed is a mapping of at most 64 labels to texts"),
        ("X", {"alertname": "Y"}, "O(name) is 'X', and O(labels) has the alertname 'Y'; name one alert"),
        ("", {"namespace": "shop"}, "O(name) is '', and O(labels) has the alertname ''; name one alert"),
    ],
)
def test_what_is_no_alert_is_refused(name: str, labels: Any, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        subject.read_alert(name, labels, "")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"runbook": "rm -rf"},
            "O(map).X.runbook is 'rm -rf'; allowed are flush_redis, rotate_certs, debug_pod, and a",
        ),
        ({"severity": "page"}, "O(map).X.severity is 'page'; allowed are critical, warning"),
        ({"mode": "yes"}, "O(map).X.mode is 'yes'; allowed are suggest, auto"),
        ({"modes": "auto"}, "O(map).X has 'modes', which is not known; correct its name"),
        ({"variables": {"rotate_certs_force": True}}, "O(map).X.variables has 'rotate_certs_force'; allowed are the"),
        ({"variables": []}, "O(map).X.variables is not a mapping"),
        ({"labels": ["namespace"]}, "O(map).X uses $service, which is not among its labels (alertname, namespace)"),
        ({"evidence": []}, "O(map).X.evidence is empty; say what speaks for flush_redis, since an alert alone does"),
        ({"evidence": [{"check": "magic"}]}, "O(map).X.evidence[0].check is 'magic'; allowed are certificates, redis"),
        ({"evidence": [{"query": "up"}]}, "O(map).X.evidence[0].comparison is missing; allowed are >, >=, <"),
        ({"evidence": [{"query": "up", "comparison": "~"}]}, "O(map).X.evidence[0].comparison is '~'; allowed are"),
        ({"evidence": [{"comparison": ">"}]}, "O(map).X.evidence[0].query is empty; give an expression of PromQL"),
        ({"evidence": {}}, "O(map).X.evidence is not a list"),
        ({"recovery": None}, "O(map).X.recovery is missing; in the mode auto, say what holds when it has helped"),
        ({"recovery": {"query": "up"}}, "O(map).X.recovery needs a comparison, at least one of samples"),
        ({"respond_within": "soon"}, "O(map).X.respond_within is 'soon'; allowed is a number"),
    ],
)
def test_a_wrong_entry_is_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_map({"X": {**ENTRY, **change}}, "O(map)")
    assert str(caught.value).startswith(sentence)


def test_what_is_no_name_of_an_alert_is_no_entry() -> None:
    with pytest.raises(InvalidInput, match="is no name of an alert; allowed are letters, digits and underscores"):
        read_map({"a b": ENTRY}, "O(map)")
