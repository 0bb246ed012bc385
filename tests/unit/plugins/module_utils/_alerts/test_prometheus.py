# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from an answer of Prometheus, and from what nothing follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts import prometheus as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.login import (
    HttpLogin,
    HttpSettings,
    HttpUnavailable,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from support.alert_servers import AlertServers


@pytest.fixture
def servers() -> Iterator[AlertServers]:
    with AlertServers() as servers:
        servers.samples["up"] = [({"job": "a"}, 1), ({"job": "b"}, 0)]
        yield servers


def ask(servers: AlertServers, query: str = "up", **more: Any) -> subject.Answer:
    login = HttpLogin(HttpSettings(servers.url), "Prometheus", "market_intel.runbooks/run-1")
    return subject.ask(login, subject.check_query(subject.Query(query, **more), "O(queries[0])"))


@pytest.mark.parametrize(
    ("comparison", "threshold", "holds", "value"),
    [
        ("", 0.0, None, 1.0),
        (">", 0.5, True, 1.0),
        (">=", 1.0, True, 1.0),
        (">", 1.0, False, 1.0),
        ("<", 0.5, True, 0.0),
        ("<=", -1.0, False, 0.0),
        ("==", 0.0, True, 1.0),
        ("!=", 0.0, True, 1.0),
    ],
)
def test_any_sample_decides(
    servers: AlertServers, comparison: str, threshold: float, holds: bool | None, value: float
) -> None:
    answer = ask(servers, comparison=comparison, threshold=threshold)
    assert (answer.status, answer.holds, answer.value) == ("complete", holds, value)


def test_no_sample_is_unknown(servers: AlertServers) -> None:
    answer = ask(servers, "nothing", comparison="<", threshold=1.0, name="errors")
    assert (answer.status, answer.holds, answer.evidence) == ("empty", None, "errors: unknown (no sample matches)")


def test_old_samples_are_unknown(servers: AlertServers) -> None:
    servers.ages["up"] = 300.0
    answer = ask(servers, comparison=">", threshold=0.5)
    assert (answer.status, answer.holds) == ("stale", None)
    assert answer.why == "the newest sample is 5 min old, allowed are 2 min"
    assert ask(servers, comparison=">", threshold=0.5, max_age=400.0).holds is True


def test_the_age_is_that_of_what_an_expression_is_based_on(servers: AlertServers) -> None:
    servers.samples["sum(up)"] = [({}, 1)]
    servers.ages["up"] = 300.0
    assert ask(servers, "sum(up)").status == "complete"
    assert ask(servers, "sum(up)", based_on="up").status == "stale"
    assert ask(servers, "sum(up)", based_on="gone").why == "gone has no sample"


def test_the_age_is_by_the_clock_of_the_server(servers: AlertServers) -> None:
    servers.ahead = -3600.0
    assert ask(servers).status == "complete"


def test_warnings_make_an_answer_a_part_of_one(servers: AlertServers) -> None:
    servers.warnings = ["a store did not answer"]
    answer = ask(servers, comparison=">", threshold=0.5)
    assert (answer.status, answer.holds) == ("partial", None)
    assert answer.evidence == "up: unknown (Prometheus warns: a store did not answer)"


def test_remarks_are_no_warnings(servers: AlertServers) -> None:
    """Prometheus 2.48 to 2.53 has them among the warnings."""
    servers.warnings = ["PromQL info: metric might not be a counter"]
    assert ask(servers).status == "complete"


@pytest.mark.parametrize(
    ("values", "holds", "value"),
    [
        (["NaN"], None, None),
        (["NaN", "0.9"], True, 0.9),
        (["NaN", "0.1"], None, 0.1),
        (["+Inf"], True, None),
        (["-Inf"], False, None),
    ],
)
def test_what_is_no_number_is_below_and_above_nothing(
    servers: AlertServers, values: list[str], holds: bool | None, value: float | None
) -> None:
    servers.samples["up"] = [({"at": str(at)}, text) for at, text in enumerate(values)]
    answer = ask(servers, comparison=">", threshold=0.5)
    assert (answer.holds, answer.value) == (holds, value)
    json.dumps(answer.to_plain(), allow_nan=False)


# As they are today, with what 2.42 has not: infos, and native histograms.
TODAY = {
    "status": "success",
    "infos": ["PromQL info: metric might not be a counter"],
    "data": {"resultType": "vector", "result": [{"metric": {"job": "a"}, "histogram": [1.5, {"count": "3"}]}]},
}
SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1.5, "2"]}}
MATRIX = {"status": "success", "data": {"resultType": "matrix", "result": []}}


def test_answers_of_prometheus_3_are_read(servers: AlertServers) -> None:
    servers.raw["/api/v1/query"] = (200, json.dumps(TODAY))
    assert ask(servers, "sum(x)", comparison=">", threshold=0.5).holds is None


def test_a_scalar_is_a_sample(servers: AlertServers) -> None:
    servers.raw["/api/v1/query"] = (200, json.dumps(SCALAR))
    assert ask(servers, "scalar(up)", comparison=">", threshold=0.5).evidence == "scalar(up): 2, > 0.5"


@pytest.mark.parametrize(
    "content",
    ["null", "[]", '"x"', "{}", '{"status": "error"}', '{"status": "success", "data": {}}'],
)
def test_another_form_is_no_answer(servers: AlertServers, content: str) -> None:
    servers.raw["/api/v1/query"] = (200, content)
    with pytest.raises(HttpUnavailable, match=r"answers in a form that it does not have; check that O\(url\) is its"):
        ask(servers)


def test_a_query_that_is_not_understood_is_one_sentence(servers: AlertServers) -> None:
    with pytest.raises(InvalidInput, match=r"does not understand the query 'sum\(up' \(parse error: unclosed left"):
        ask(servers, "sum(up")
    servers.raw["/api/v1/query"] = (200, json.dumps(MATRIX))
    with pytest.raises(InvalidInput, match=r"'up\[5m\]' gives a matrix; allowed are a vector and a scalar"):
        ask(servers, "up[5m]")


@pytest.mark.parametrize(
    ("query", "more", "sentence"),
    [
        (" ", {}, r"O\(queries\[0\]\) is empty; give an expression of PromQL"),
        ("up", {"based_on": "sum(up)"}, r"is based on 'sum\(up\)'; allowed is a selector alone"),
        ("up", {"max_age": 0.0}, "has the max_age 0; allowed is more than 0 s"),
    ],
)
def test_a_wrong_query_is_one_sentence(query: str, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        subject.check_query(subject.Query(query, **more), "O(queries[0])")


@pytest.mark.parametrize(
    ("query", "selector"),
    [
        ("up", "up"),
        ('a:b:rate5m{job="x}",pod=~\'y"\'}', 'a:b:rate5m{job="x}",pod=~\'y"\'}'),
        ("up{} > 1", ""),
        ("rate(up[5m])", ""),
        ("up or vector(0)", ""),
    ],
)
def test_a_selector_alone_is_recognised(query: str, selector: str) -> None:
    assert subject.Query(query).selector == selector


def test_a_label_cannot_break_out_of_its_selector() -> None:
    value = 'x"} or up{job="\\\n'
    assert subject.selector("ALERTS", {"b": "1", "a": value}) == 'ALERTS{a="x\\"} or up{job=\\"\\\\\\n",b="1"}'
