# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dates as others write them, as we write them, and as people say them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils import _time
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput

MOMENT = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "later"),
    [
        ("2026-11-23T10:15:00Z", 0.0),
        (" 2026-11-23t11:15:00+01:00\n", 0.0),
        ("2026-11-23 10:15:00z", 0.0),
        ("2026-11-23T10:15:00.5Z", 0.5),
        ("2026-11-23T10:15:00.123456789Z", 0.123456),
    ],
    ids=["UTC", "another zone", "with a space", "a tenth", "nanoseconds"],
)
def test_a_time_is_read_however_it_is_written(text: str, later: float) -> None:
    assert _time.parse_time(text) == MOMENT + timedelta(seconds=later)
    assert _time.read_time(text, "x") == MOMENT + timedelta(seconds=later)


@pytest.mark.parametrize(
    "text",
    [None, "", "yesterday", "2026-11-23", "2026-11-23T10:15:00", "2026-13-23T10:15:00Z", "0001-01-01T00:00:00+01:00"],
)
def test_what_is_no_time_is_none_or_refused(text: str | None) -> None:
    assert _time.parse_time(text) is None
    with pytest.raises(InvalidInput, match=r"issued_before is .*RFC 3339"):
        _time.read_time(text, "issued_before")


def test_a_date_means_its_end() -> None:
    assert _time.read_end("2026-11-23", "until") == datetime(2026, 11, 24, tzinfo=timezone.utc)
    assert _time.read_end("2026-11-23T10:15:00Z", "until") == MOMENT


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01", "9999-12-31", "2026-12-31T12:00:00", "31.12.2026"])
def test_a_date_in_another_form(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"until is .* 2026-12-31T12:00:00Z\.$"):
        _time.read_end(text, "until")


def test_what_is_written_can_be_read_again() -> None:
    exact = MOMENT + timedelta(microseconds=1500)
    for write in (_time.rfc3339_micro, _time.rfc3339_exact):
        assert _time.parse_time(write(exact)) == exact
    assert _time.rfc3339(exact.astimezone(timezone(timedelta(hours=5)))) == "2026-11-23T10:15:00Z"
    assert _time.rfc3339_micro(MOMENT) == "2026-11-23T10:15:00.000000Z"
    assert _time.rfc3339_exact(MOMENT) == "2026-11-23T10:15:00Z"
    assert _time.parse_compact(_time.compact(MOMENT).upper()) == MOMENT
    assert _time.parse_compact("20261323t101500z") is None
    assert _time.clock(MOMENT) == "2026-11-23 10:15:00 UTC"


@pytest.mark.parametrize(
    ("text", "expected"), [("Mon, 23 Nov 2026 10:15:00 GMT", MOMENT), ("soon", None), (None, None)]
)
def test_the_date_of_an_answer(text: str | None, expected: datetime | None) -> None:
    assert _time.parse_http_date(text) == expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (172800, "2 d")],
)
def test_a_span_has_one_unit(seconds: float, words: str) -> None:
    assert _time.span(seconds) == words


def test_spans_that_are_close_can_be_told_apart() -> None:
    assert (_time.span(29.94 * _time.DAY, 1), _time.span(30 * _time.DAY, 1)) == ("29.9 d", "30.0 d")
