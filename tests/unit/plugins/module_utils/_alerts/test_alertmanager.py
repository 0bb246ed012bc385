# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an Alertmanager knows of alerts, and silences that are found again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts import alertmanager as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.login import (
    HttpLogin,
    HttpSettings,
    HttpUnavailable,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import rfc3339_exact
from support.alert_servers import AlertServers, alert

LABELS = {"alertname": "APIGatewayHighLatency", "namespace": "market-intel-brain"}
MATCHERS = tuple(subject.Matcher(name, value) for name, value in LABELS.items())
CREATOR = "sre-runbook/run-1"


@pytest.fixture
def servers() -> Iterator[AlertServers]:
    with AlertServers() as servers:
        yield servers


@pytest.fixture
def login(servers: AlertServers) -> HttpLogin:
    return HttpLogin(HttpSettings(servers.url), "Alertmanager", "market_intel.runbooks/run-1")


def silence(login: HttpLogin, seconds: float = 600.0, matchers: Any = MATCHERS) -> tuple[str, subject.Silence]:
    plan = subject.plan_silence(login, matchers, CREATOR, "a flush is under way", seconds)
    found = subject.apply(login, plan)
    assert found is not None
    return plan.change, found


def test_alerts_are_found_by_their_labels(servers: AlertServers, login: HttpLogin) -> None:
    servers.alerts = [alert(**LABELS), alert(alertname="Other", namespace='"}')]
    found = subject.find_alerts(login, MATCHERS)
    assert [each.labels for each in found.alerts] == [LABELS]
    assert found.unknown == ""
    assert found.to_plain()["alerts"][0] == {
        "labels": LABELS,
        "annotations": {"summary": "something is wrong"},
        "fingerprint": servers.alerts[0]["fingerprint"],
        "state": "active",
        "starts_at": "2026-11-23T10:15:00Z",
        "silenced_by": [],
        "inhibited_by": [],
    }
    other = subject.find_alerts(login, [subject.Matcher("namespace", '"}')])
    assert [each.labels["alertname"] for each in other.alerts] == ["Other"]


def test_no_alert_is_good_news_of_a_server_that_knows(login: HttpLogin) -> None:
    assert subject.find_alerts(login, MATCHERS) == subject.Alerts(())


def test_no_alert_is_no_news_after_a_start(servers: AlertServers, login: HttpLogin) -> None:
    servers.started = rfc3339_exact(login.now() - timedelta(seconds=30))
    unknown = subject.find_alerts(login, MATCHERS).unknown
    assert re.fullmatch(r"the Alertmanager started \d+ s ago, and may not have heard of alerts since", unknown)
    servers.alerts = [alert(**LABELS)]
    assert subject.find_alerts(login, MATCHERS).unknown == ""


def test_no_alert_is_no_news_while_a_cluster_settles(servers: AlertServers, login: HttpLogin) -> None:
    servers.cluster = "settling"
    assert "cluster is settling, so that it may not know all" in subject.find_alerts(login, MATCHERS).unknown


# What 0.34 answers and 0.25 does not: mutedBy of an alert, which is empty in lists; annotations of a silence, and none
# of its matchers.
ALERT_TODAY = {
    "annotations": {"runbook_url": "https://example.com"},
    "endsAt": "2026-11-23T10:20:00.123Z",
    "fingerprint": "1f6e3bd8a3f5c1d2",
    "receivers": [{"name": "people"}, {"name": "runbooks"}],
    "startsAt": "2026-11-23T10:15:00.123Z",
    "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
    "updatedAt": "2026-11-23T10:16:00.123Z",
    "generatorURL": "http://prometheus/graph",
    "labels": LABELS,
}
SILENCE_TODAY = {
    "id": "8a4c1a1e-6f0e-4a57-9a0c-0f6d5b0c8d11",
    "status": {"state": "active"},
    "updatedAt": "2026-11-23T10:16:00.123Z",
    "annotations": None,
    "comment": "by hand",
    "createdBy": "somebody",
    "endsAt": "2099-11-23T10:20:00.123Z",
    "startsAt": "2026-11-23T10:15:00.123Z",
    "matchers": None,
}


def test_answers_of_alertmanager_today_are_read(servers: AlertServers, login: HttpLogin) -> None:
    servers.alerts = [ALERT_TODAY]
    assert [each.state for each in subject.find_alerts(login, MATCHERS).alerts] == ["active"]
    servers.silences[str(SILENCE_TODAY["id"])] = SILENCE_TODAY
    _change, made = silence(login)
    servers.silences[made.id]["annotations"] = {"ticket": "1"}
    assert silence(login)[0] == "none"


@pytest.mark.parametrize("content", ["null", "{}", '[{"labels": {}}]', '["x"]', '"v1 is gone"'])
def test_another_form_is_no_answer(servers: AlertServers, login: HttpLogin, content: str) -> None:
    servers.raw["/api/v2/alerts"] = (200, content)
    with pytest.raises(HttpUnavailable, match=r"Alertmanager at .* answers in a form that it does not have; check"):
        subject.find_alerts(login, MATCHERS)


def test_a_silence_is_made_once(servers: AlertServers, login: HttpLogin) -> None:
    change, made = silence(login)
    assert (change, made.state, made.created_by) == ("create", "active", CREATOR)
    assert made.ends_at - made.starts_at == timedelta(seconds=600)
    assert [str(each) for each in made.matchers] == [
        'alertname="APIGatewayHighLatency"',
        'namespace="market-intel-brain"',
    ]
    assert silence(login) == ("none", made)
    assert len(servers.silences) == 1


def test_a_silence_that_ends_soon_is_extended(servers: AlertServers, login: HttpLogin) -> None:
    made = silence(login, 100)[1]
    change, found = silence(login, 600)
    assert (change, found.id) == ("extend", made.id)
    assert found.ends_at - made.ends_at > timedelta(seconds=400)


def test_silences_of_others_stay(servers: AlertServers, login: HttpLogin) -> None:
    made = silence(login)[1]
    servers.silences[made.id]["createdBy"] = "somebody"
    other = silence(login)[1]
    assert other.id != made.id
    more = (*MATCHERS, subject.Matcher("pod", "a"))
    assert silence(login, matchers=tuple(sorted(more)))[0] == "create"


def test_a_silence_is_by_the_clock_of_the_server(servers: AlertServers, login: HttpLogin) -> None:
    servers.ahead = 7200.0
    change, made = silence(login)
    assert (change, made.state) == ("create", "active")


def test_a_silence_ends_by_its_id_and_by_what_it_is(servers: AlertServers, login: HttpLogin) -> None:
    for silence_id in (True, False):
        made = silence(login)[1]
        plan = subject.plan_expiry(login, made.id if silence_id else "", MATCHERS, CREATOR)
        assert plan.change == "expire"
        ended = subject.apply(login, plan)
        assert ended is not None and ended.state == "expired"
        assert subject.plan_expiry(login, made.id, (), "").change == "none"
    assert subject.plan_expiry(login, "gone/..", (), "") == subject.SilencePlan("none", None)
    assert servers.requests[-1][1] == "/api/v2/silence/gone%2F.."


def test_a_plan_changes_nothing(servers: AlertServers, login: HttpLogin) -> None:
    subject.plan_silence(login, MATCHERS, CREATOR, "why", 600)
    subject.plan_expiry(login, "", MATCHERS, CREATOR)
    assert servers.writes == []


def test_a_silence_that_is_not_there_afterwards_is_no_silence(servers: AlertServers, login: HttpLogin) -> None:
    plan = subject.plan_silence(login, MATCHERS, CREATOR, "why", 600)
    servers.raw["/api/v2/silences"] = (200, json.dumps({"silenceID": "lost"}))
    with pytest.raises(RunbookError, match="took the request, but the silence lost is not there; look at its silences"):
        subject.apply(login, plan)


@pytest.mark.parametrize(
    "matchers",
    [
        [subject.Matcher("alertname", "X")],
        [subject.Matcher("namespace", "a"), subject.Matcher("pod", "b")],
        [subject.Matcher("alertname", "X"), subject.Matcher("namespace", ".+", is_regex=True)],
        [subject.Matcher("alertname", "X"), subject.Matcher("namespace", "a", is_equal=False)],
        [subject.Matcher("alertname", "X"), subject.Matcher("namespace", "")],
    ],
    ids=str,
)
def test_a_broad_silence_is_refused(login: HttpLogin, matchers: list[subject.Matcher]) -> None:
    with pytest.raises(InvalidInput, match="would silence more than one alert in one place; name alertname and at"):
        silence(login, matchers=tuple(matchers))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"created_by": ""}, r"O\(created_by\) or O\(comment\) is empty"),
        ({"comment": ""}, r"O\(created_by\) or O\(comment\) is empty"),
        ({"seconds": 0}, r"O\(duration\) is 0; allowed is more than 0 s"),
    ],
)
def test_what_is_missing_is_one_sentence(login: HttpLogin, more: dict[str, Any], sentence: str) -> None:
    given = {"created_by": CREATOR, "comment": "why", "seconds": 1.0, **more}
    with pytest.raises(InvalidInput, match=sentence):
        subject.plan_silence(login, MATCHERS, **given)


def test_a_name_that_is_none_of_a_label_is_refused() -> None:
    entry = {"name": 'a"b', "value": "x", "is_regex": False, "is_equal": True}
    with pytest.raises(InvalidInput, match=r"O\(matchers\)\[0\] has the name 'a\"b'; allowed is the name of a label"):
        subject.read_matchers([entry], "O(matchers)")
    with pytest.raises(InvalidInput, match=r"O\(id\) is empty; name the silence, or give O\(matchers\)"):
        subject.plan_expiry(HttpLogin(HttpSettings("http://a"), "Alertmanager", "x"), "", (), CREATOR)


@pytest.mark.parametrize(
    ("matcher", "text"),
    [
        (subject.Matcher("a", 'x"\\\n'), 'a="x\\"\\\\\\n"'),
        (subject.Matcher("a", "x.*", is_regex=True), 'a=~"x.*"'),
        (subject.Matcher("a", "x", is_equal=False), 'a!="x"'),
        (subject.Matcher("a", "x", is_regex=True, is_equal=False), 'a!~"x"'),
    ],
)
def test_a_matcher_is_written_as_amtool_writes_it(matcher: subject.Matcher, text: str) -> None:
    assert str(matcher) == text
