# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._report import render_json
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import STATES
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.read import read_report
from support.report import SCHEMA, assert_valid, example

NOON = "2026-11-23T12:00:00Z"
NEEDED = {"run_id": "20261123t101500z-flush-redis-7f3a", "runbook": "flush_redis", "host": "a", "mode": "run"}


def as_json(report: dict[str, Any]) -> Any:
    return json.loads(render_json.render(read_report(report)))


@pytest.mark.parametrize("mode", ["check", "run"])
@pytest.mark.parametrize("state", STATES)
def test_every_state_follows_the_schema(state: str, mode: str) -> None:
    assert_valid(as_json(example(state=state, mode=mode)))
    assert_valid(as_json({**NEEDED, "state": state, "mode": mode}))


def test_the_schema_refuses_what_the_model_does_not_write() -> None:
    report = as_json(example())
    for path in (
        [],
        ["plan"],
        ["actions", 0],
        ["proofs", 0],
        ["undo"],
        ["backup"],
        ["figures", 0],
        ["series", 0],
        ["timeline", 0],
        ["findings", 0],
        ["cluster"],
    ):
        broken = json.loads(json.dumps(report))
        part = broken
        for step in path:
            part = part[step]
        part["surprise"] = 1
        with pytest.raises(Exception, match="surprise"):
            assert_valid(broken)


def test_a_written_report_reads_back_the_same() -> None:
    report = read_report(example())
    assert read_report(json.loads(render_json.render(report))) == report


def test_what_is_given_is_what_is_written() -> None:
    given = example()
    written = as_json(given)
    for key in ("asked", "plan", "degraded", "undo", "details", "summary", "operator", "series"):
        assert written[key] == given[key]
    assert written["finished"] == "2026-11-23T10:15:12.500000Z"
    assert written["actions"][0] == {
        "what": "Check the server",
        "changed": False,
        "detail": "",
        "at": "2026-11-23T10:15:00.200000Z",
    }


def test_defaults() -> None:
    now = datetime(2026, 11, 23, 10, 16, tzinfo=timezone.utc)
    report = read_report({**NEEDED, "state": "done"}, now)
    assert report.started == datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc), "the time in the run id"
    assert report.finished == now
    assert report.title == "Flush Redis caches"
    assert (report.plan, report.undo, report.backup) == (None, None, None)


@pytest.mark.parametrize("nothing", [None, "", {}])
@pytest.mark.parametrize("part", ["plan", "undo", "backup", "operator"])
def test_an_empty_part_is_an_absent_part(part: str, nothing: Any) -> None:
    absent = as_json({**NEEDED, "state": "done", "finished": "2026-11-23T10:15:01Z"})
    assert as_json({**NEEDED, "state": "done", "finished": "2026-11-23T10:15:01Z", part: nothing}) == absent


def test_templating_may_have_made_texts_of_numbers_and_flags() -> None:
    report = read_report(
        example(
            backup={"path": "/b", "records": "200000", "bytes": "1.5e6"},
            actions=[{"what": "Delete", "changed": "True"}, {"what": "Look", "changed": "no"}],
            figures=[{"name": "Keys", "before": "12", "unit": "keys"}, {"name": "Version", "before": "7.0"}],
            series=[{"name": "Keys", "points": [["0.5", "3"]]}],
            operator={"awx_job_id": 4711},
        )
    )
    assert report.backup is not None
    assert (report.backup.records, report.backup.bytes) == (200000, 1500000.0)
    assert [action.changed for action in report.actions] == [True, False]
    assert [figure.before for figure in report.figures] == [12, "7.0"], "a unit tells a number from a version"
    assert report.series[0].points == ((0.5, 3),)
    assert report.operator.awx_job_id == "4711"


def test_what_is_no_number_is_unknown_and_never_breaks_the_json() -> None:
    report = as_json(
        example(
            figures=[{"name": "Ratio", "before": float("nan"), "after": float("inf"), "unit": "%"}],
            series=[{"name": "Ratio", "points": [[0, float("nan")], [1, ""], [2, None]]}],
            details={"deep": [{"value": float("-inf")}]},
        )
    )
    assert_valid(report)
    assert report["figures"][0]["before"] is None
    assert [value for _seconds, value in report["series"][0]["points"]] == [None, None, None]
    assert report["details"] == {"deep": [{"value": None}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T10:15:00Z", "2026-11-23T10:15:00Z"),
        ("2026-11-23t10:15:00z", "2026-11-23T10:15:00Z"),
        ("2026-11-23 11:15:00+01:00", "2026-11-23T10:15:00Z"),
        ("2026-11-23T10:15:00.123456789Z", "2026-11-23T10:15:00.123456Z"),
    ],
)
def test_times_become_utc(text: str, expected: str) -> None:
    assert as_json(example(started=text))["started"] == expected


@pytest.mark.parametrize(
    ("changes", "place", "help_text"),
    [
        ({"surprise": 1}, "report", "'surprise'; allowed are schema_version, run_id"),
        ({"run_id": None}, "report.run_id", "missing"),
        ({"run_id": "../../etc"}, "report.run_id", "20261123t101500z-flush-redis-7f3a"),
        ({"runbook": "Flush Redis"}, "report.runbook", "flush_redis"),
        ({"host": ""}, "report.host", "missing"),
        ({"mode": "dry"}, "report.mode", "check, run"),
        ({"state": "finished"}, "report.state", "unchanged, planned, done, refused, interrupted, rolled_back, failed"),
        ({"started": "yesterday"}, "report.started", "2026-11-23T10:15:00Z"),
        ({"started": "2026-11-23T10:15:00"}, "report.started", "RFC 3339"),
        ({"finished": "2026-13-40T10:15:00Z"}, "report.finished", "RFC 3339"),
        ({"schema_version": "2"}, "report.schema_version", "1"),
        ({"summary": "one"}, "report.summary", 'a list, not the text "one"'),
        ({"degraded": [["x"]]}, "report.degraded[0]", "a text"),
        ({"asked": ["x"]}, "report.asked", "a mapping"),
        ({"plan": {"steps": []}}, "report.plan", "'steps'; allowed are summary, figures, hash, sample"),
        ({"actions": [{"changed": True}]}, "report.actions[0].what", "missing"),
        ({"actions": [{"what": "x", "changed": "maybe"}]}, "report.actions[0].changed", "true or false"),
        ({"proofs": [{"claim": "x", "result": "ok"}]}, "report.proofs[0].result", "proven, failed, unknown"),
        ({"backup": {"path": "/b", "records": "many"}}, "report.backup.records", "a number"),
        ({"backup": {"path": "/b", "bytes": True}}, "report.backup.bytes", "a number"),
        ({"figures": [{"name": "x", "before": [1]}]}, "report.figures[0].before", "one value"),
        ({"timeline": [{"start": "2026-11-23T10:15:02Z"}]}, "report.timeline[0].name", "missing"),
        ({"timeline": [{"name": "x"}]}, "report.timeline[0].start", "missing"),
        (
            {"timeline": [{"name": "x", "start": NOON, "end": "2026-11-23T11:59:59Z"}]},
            "report.timeline[0].end",
            "before",
        ),
        ({"timeline": [{"name": "x", "start": NOON, "severity": "bad"}]}, "report.timeline[0].severity", "ok, warning"),
        ({"series": [{"name": "x", "points": [[1]]}]}, "report.series[0].points[0]", "[seconds, value]"),
        ({"series": [{"name": "x", "points": [["a", 1]]}]}, "report.series[0].points[0][0]", "a number"),
        ({"series": [{"name": "x", "points": [[float("inf"), 1]]}]}, "report.series[0].points[0][0]", "finite"),
    ],
)
def test_a_mistake_gets_one_sentence(changes: dict[str, Any], place: str, help_text: str) -> None:
    report = example()
    report.update(changes)
    with pytest.raises(InvalidInput) as caught:
        read_report(report)
    message = str(caught.value)
    assert message.startswith(f"{place} ")
    assert help_text in message
    assert message.endswith(".")
    assert "\n" not in message


def test_a_report_that_is_no_mapping_gets_one_sentence() -> None:
    with pytest.raises(InvalidInput, match="report must be a mapping, not a list"):
        read_report([])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot reach rediss://ops:hunter2@redis-0:6379/0", "hunter2"),
        ("cannot reach redis://:p%40ss:w@redis-0", "p%40ss:w"),
        ("ansible-playbook x -e flush_redis_password=hunter2", "hunter2"),
        ("ansible-playbook x -e 'flush_redis_password=\"hunter 2\"'", "hunter 2"),
        ("Authorization: Bearer abcdefghij0123456789", "abcdefghij0123456789"),
        ("token hvs.CAESIJ1234567890abcdefghij used", "hvs.CAESIJ1234567890abcdefghij"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----", "MHcCAQEE"),
        ("cut off: -----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN", "MIIEvQIBADAN"),
    ],
)
def test_a_secret_in_a_message_is_hidden_wherever_it_is(text: str, secret: str) -> None:
    report = as_json(
        example(
            summary=[text],
            degraded=[text],
            proofs=[{"claim": "x", "result": "unknown", "evidence": text}],
            actions=[{"what": text, "detail": text}],
            undo={"command": text, "note": text},
            asked={"url": text, text: 1},
            details={"deep": [{"deeper": [text]}]},
            figures=[{"name": text, "before": text}],
        )
    )
    assert secret not in json.dumps(report)


def test_a_reference_to_a_secret_stays() -> None:
    command = 'ansible-playbook x -e "flush_redis_password=$REDIS_PASSWORD" -e redis_url=redis://ops@redis-0:6379'
    assert as_json(example(undo={"command": command}))["undo"]["command"] == command


def test_a_value_that_its_key_calls_a_secret_is_hidden() -> None:
    asked = {
        "password": "hunter2",
        "flush_redis_password": ["hunter2"],
        "Client-Secret": {"value": "hunter2"},
        "vault_token": 12345,
        "password_given": True,
        "token": True,
        "api_key": "",
        "secret_name": "shop/web-tls",
        "tokens": 12,
    }
    written = as_json(example(asked=asked))["asked"]
    assert "hunter2" not in json.dumps(written)
    assert written["vault_token"] == "(hidden)"
    for key in ("password_given", "token", "api_key", "secret_name", "tokens"):
        assert written[key] == asked[key]


def test_the_file_cannot_move_the_terminal_that_shows_it() -> None:
    hostile = "\x1b[2J\x7f\x9b\u202ekey\u2028\udc80\U000e0041\n"
    text = render_json.render(read_report(example(summary=[hostile])))
    assert not set(text) & set("\x1b\x7f\x9b\u202e\u2028\udc80\U000e0041")
    assert json.loads(text)["summary"] == [hostile.replace("\udc80", "\\x80")]


def test_points_stay_on_one_line_each() -> None:
    text = render_json.render(read_report(example()))
    assert "[0.8, 90000]" in text
    assert "[0.8, null]" in text


def test_every_field_of_the_schema_is_described_by_the_model() -> None:
    assert set(as_json(example())) == set(SCHEMA["properties"])
