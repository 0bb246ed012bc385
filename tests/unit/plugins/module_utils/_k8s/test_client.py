# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of an API server that pass by themselves, and how often they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils import _wait
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import (
    ApiError,
    ApiLogin,
    ApiSettings,
    ApiUnavailable,
    ApiUnwell,
)
from support.answers import Answers

FOUND = (200, {"kind": "Secret"})


@pytest.fixture
def server() -> Iterator[Answers]:
    with Answers() as server:
        yield server


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(_wait.time, "sleep", seconds.append)
    return seconds


def login(server: Answers, **settings: float) -> ApiLogin:
    return ApiLogin(ApiSettings(host=server.url, api_key="x", **settings), "test")  # type: ignore[arg-type]


PASSING = [429, 500, 502, 503, 504, "reset", "half"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_asked_for_again(server: Answers, pauses: list[float], fault: int | str, method: str) -> None:
    server.say(fault, fault, FOUND)
    assert login(server).request("get it", method, "/it", body={}) == FOUND[1]
    assert [each[0] for each in server.requests] == [method] * 3 and pauses == [0.25, 0.5]


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_is_said_after_some_tries(server: Answers, pauses: list[float], fault: int | str) -> None:
    server.say(*[fault] * 20)
    with pytest.raises(ApiUnavailable) as failure:
        login(server).get("read it", "/it")
    assert len(server.requests) == 6 and sum(pauses) < 10
    # Those that wait for something else go on; those that look at the status see it.
    assert isinstance(failure.value, ApiUnwell) is isinstance(fault, int)
    if isinstance(failure.value, ApiUnwell):
        assert failure.value.status == fault and f"is not able to read it at this moment ({fault}: " in str(
            failure.value
        )
    assert str(failure.value).endswith(".")


@pytest.mark.parametrize("fault", PASSING)
def test_what_would_be_done_twice_is_not_sent_again(server: Answers, pauses: list[float], fault: int | str) -> None:
    server.say(fault, FOUND)
    if fault == 429:
        assert login(server).request("create it", "POST", "/it", body={}) == FOUND[1]
        return
    with pytest.raises(ApiUnavailable):
        login(server).request("create it", "POST", "/it", body={})
    assert len(server.requests) == 1 and pauses == []


def test_what_creates_a_name_is_sent_again_where_the_caller_says_so(server: Answers, pauses: list[float]) -> None:
    server.say("reset", FOUND)
    assert login(server).request("create it", "POST", "/it", body={}, repeatable=True) == FOUND[1]
    assert pauses == [0.25]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_what_does_not_pass_by_itself_is_said_at_once(server: Answers, pauses: list[float], status: int) -> None:
    server.say(status)
    with pytest.raises(ApiError) as failure:
        login(server).get("read it", "/it")
    assert failure.value.status == status and not isinstance(failure.value, ApiUnavailable) and pauses == []


@pytest.mark.parametrize(
    ("given", "seconds"), [("3", 3.0), ("900", 30.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", 0.25)]
)
def test_the_server_says_when(server: Answers, pauses: list[float], given: str, seconds: float) -> None:
    server.say((503, {"message": "busy"}, {"Retry-After": given}), FOUND)
    login(server).get("read it", "/it")
    assert pauses == [seconds]


def test_an_answer_of_something_else_is_none(server: Answers, pauses: list[float]) -> None:
    server.say("nothing")
    with pytest.raises(ApiUnavailable, match="something else than JSON was the answer"):
        login(server).get("read it", "/it")
    assert pauses == []


def test_a_log_of_a_node_that_does_not_answer_is_asked_for_once(server: Answers, pauses: list[float]) -> None:
    server.say(500)
    with pytest.raises(ApiError):
        login(server).text("read the log", "/log")
    assert pauses == []


def test_nobody_waits_for_a_server_that_was_never_there(server: Answers, pauses: list[float]) -> None:
    known, unknown = login(server), login(server)
    server.say(FOUND)
    known.get("read it", "/it")
    server.stop()
    with pytest.raises(ApiUnavailable, match="cannot be reached"):
        unknown.get("read it", "/it")
    assert pauses == []
    # One that has answered before is away for a moment.
    with pytest.raises(ApiUnavailable, match="cannot be reached"):
        known.get("read it", "/it")
    assert len(pauses) == 5


def test_what_hangs_is_asked_again_within_a_bound(server: Answers, pauses: list[float]) -> None:
    server.say("hang", FOUND)
    assert login(server, timeout=0.2).get("read it", "/it") == FOUND[1]
    assert pauses == [0.25]


def test_a_server_that_has_never_answered_is_asked_once_more(server: Answers, pauses: list[float]) -> None:
    server.say("hang", "hang", FOUND)
    with pytest.raises(ApiUnavailable, match="cannot be reached"):
        login(server, timeout=0.2).get("read it", "/it")
    assert pauses == [0.25]
