# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._severity import CRITICAL, OK, WARNING, worst
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import DAY, HOUR
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.severity import (
    Finding,
    Life,
    Limits,
    Mute,
    Override,
    Renewal,
    judge_authority,
    judge_managed,
    judge_unmanaged,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
YEAR = 365 * DAY
MINUTE = 60.0


def life(lifetime: float, remaining: float) -> Life:
    end = NOW + timedelta(seconds=remaining)
    return Life(end - timedelta(seconds=lifetime), end)


def worst_of(found: list[Finding]) -> str:
    return worst(finding.severity for finding in found)


def renewal(lifetime: float, remaining: float, **state: object) -> Renewal:
    """Renewal as cert-manager plans it, when a third of the lifetime is left."""
    end = NOW + timedelta(seconds=remaining)
    return Renewal(**{"ready": True, "renewal_time": end - timedelta(seconds=lifetime / 3), **state})  # type: ignore[arg-type]


# Lifetime, then how much is left just above and just below the limit of a warning, and the same of critical.
UNMANAGED = [
    ("1 h", HOUR, 20 * MINUTE, 6 * MINUTE),
    ("24 h", DAY, 8 * HOUR, 2.4 * HOUR),
    ("7 d", 7 * DAY, 7 * DAY / 3, 0.7 * DAY),
    ("47 d", 47 * DAY, 47 * DAY / 3, 4.7 * DAY),
    ("90 d", 90 * DAY, 30 * DAY, 7 * DAY),
    ("1 y", YEAR, 30 * DAY, 7 * DAY),
    ("10 y", 10 * YEAR, 30 * DAY, 7 * DAY),
]
# A renewal is late after a grace, and critical when half of the window for it is gone, or a week is left.
MANAGED = [
    ("1 h", HOUR, 20 * MINUTE - 5 * MINUTE, 10 * MINUTE),
    ("24 h", DAY, 8 * HOUR - 1 * HOUR, 4 * HOUR),
    ("7 d", 7 * DAY, 7 * DAY / 3 - 0.14 * DAY, 7 * DAY / 6),
    ("47 d", 47 * DAY, 47 * DAY / 3 - 0.94 * DAY, 47 * DAY / 6),
    ("90 d", 90 * DAY, 30 * DAY - 1.8 * DAY, 15 * DAY),
    ("1 y", YEAR, YEAR / 3 - 7.3 * DAY, YEAR / 6),
    ("10 y", 10 * YEAR, 10 * YEAR / 3 - 73 * DAY, 10 * YEAR / 6),
]


@pytest.mark.parametrize(("name", "lifetime", "warning", "critical"), UNMANAGED)
def test_one_that_nobody_renews(name: str, lifetime: float, warning: float, critical: float) -> None:
    step = lifetime / 1000
    for remaining, expected in (
        (lifetime, OK),
        (warning + step, OK),
        (warning - step, WARNING),
        (critical + step, WARNING),
        (critical - step, CRITICAL),
        (0, CRITICAL),
        (-step, CRITICAL),
    ):
        found = judge_unmanaged(life(lifetime, remaining), NOW, Limits())
        assert worst_of(found) == expected, f"{name} with {remaining / lifetime:.1%} left"


@pytest.mark.parametrize(("name", "lifetime", "warning", "critical"), MANAGED)
def test_one_that_is_renewed(name: str, lifetime: float, warning: float, critical: float) -> None:
    step = lifetime / 1000
    # One whose renewal is overdue is failing, so that a sixth of its lifetime is critical.
    critical = max(min(critical, 7 * DAY), lifetime / 6)
    for remaining, expected in (
        (lifetime, OK),
        (lifetime / 3 - step, OK),
        (warning + step, OK),
        (warning - step, WARNING if warning - step >= critical else CRITICAL),
        (critical + step, WARNING),
        (critical - step, CRITICAL),
        (-step, CRITICAL),
    ):
        found = judge_managed(life(lifetime, remaining), renewal(lifetime, remaining), NOW, Limits())
        assert worst_of(found) == expected, f"{name} with {remaining / lifetime:.1%} left: {found}"


def test_a_short_life_left_before_the_renewal_is_no_finding() -> None:
    """renewBefore of two hours on 90 days: the fixed 30 days of others would be a false alarm."""
    state = Renewal(ready=True, renewal_time=NOW + timedelta(hours=1))
    assert judge_managed(life(90 * DAY, 3 * HOUR), state, NOW, Limits()) == []


@pytest.mark.parametrize("state", [{"ready": False, "reason": "Failed: no issuer"}, {"last_failure": NOW}])
def test_a_failing_renewal_is_a_warning_and_critical_in_the_last_sixth(state: dict[str, object]) -> None:
    for share, expected in ((0.9, WARNING), (0.17, WARNING), (0.16, CRITICAL)):
        lifetime, remaining = 90 * DAY, 90 * DAY * share
        found = judge_managed(life(lifetime, remaining), renewal(lifetime, remaining, **state), NOW, Limits())
        assert worst_of(found) == expected, share


def test_one_that_is_not_valid_yet() -> None:
    found = judge_unmanaged(Life(NOW + timedelta(hours=3), NOW + timedelta(days=90)), NOW, Limits())
    assert [(one.severity, one.code) for one in found] == [(CRITICAL, "not-yet-valid")]
    assert "in 3 h" in found[0].text


@pytest.mark.parametrize(
    ("lifetime", "remaining", "expected"),
    [
        (10 * YEAR, 181 * DAY, OK),
        (10 * YEAR, 179 * DAY, WARNING),
        (10 * YEAR, 6 * DAY, CRITICAL),
        (90 * DAY, 46 * DAY, OK),
        (90 * DAY, 44 * DAY, WARNING),
        (DAY, 13 * HOUR, OK),
        (10 * YEAR, -1, CRITICAL),
    ],
)
def test_an_authority(lifetime: float, remaining: float, expected: str) -> None:
    assert worst_of(judge_authority(life(lifetime, remaining), NOW, Limits())) == expected


def test_an_authority_against_what_it_has_signed() -> None:
    leaf = ("shop/web", life(YEAR, 300 * DAY))
    assert worst_of(judge_authority(life(10 * YEAR, 2 * YEAR), NOW, Limits(), [leaf])) == OK
    soon = judge_authority(life(10 * YEAR, 350 * DAY), NOW, Limits(), [leaf])
    assert worst_of(soon) == WARNING, "one that is signed now would live longer"
    outlived = judge_authority(life(10 * YEAR, 200 * DAY), NOW, Limits(), [leaf])
    assert worst_of(outlived) == CRITICAL
    assert "shop/web" in " ".join(one.text for one in outlived)
    gone = ("shop/old", life(YEAR, -DAY))
    assert all(one.code != "outlived" for one in judge_authority(life(10 * YEAR, -2 * DAY), NOW, Limits(), [gone]))


def test_other_limits_for_what_matches() -> None:
    override = Override.parse({"match": "shop/*", "warning": "20d", "critical": "2%"}, "overrides[0]")
    limits = override.apply(Limits())
    assert worst_of(judge_unmanaged(life(YEAR, 25 * DAY), NOW, limits)) == OK
    assert worst_of(judge_unmanaged(life(YEAR, 7 * DAY), NOW, limits)) == CRITICAL
    assert worst_of(judge_unmanaged(life(50 * DAY, 19 * DAY), NOW, limits)) == WARNING
    assert worst_of(judge_managed(life(50 * DAY, 19 * DAY), renewal(50 * DAY, 19 * DAY), NOW, limits)) == WARNING
    for broken in ({"warning": "1d"}, {"match": "x"}, {"match": "x", "warning": "1"}):
        with pytest.raises(InvalidInput, match=r"overrides\[0\]"):
            Override.parse(broken, "overrides[0]")


def test_a_mute() -> None:
    mute = Mute.parse({"match": "shop/*", "until": "2026-12-31", "reason": "replaced in January"}, "mutes[0]")
    assert mute.until == datetime(2027, 1, 1, tzinfo=timezone.utc), "the whole day"
    assert mute.covers("shop/web", "ab" * 32)
    assert not mute.covers("other/web", "ab" * 32)
    digest = Mute.parse({"match": ":".join(["AB"] * 32), "until": "2026-12-31T00:00:00+01:00", "reason": "x"}, "m")
    assert digest.covers("other/web", "ab" * 32)
    assert digest.until == datetime(2026, 12, 30, 23, tzinfo=timezone.utc)


@pytest.mark.parametrize("missing", ["match", "until", "reason"])
def test_a_mute_needs_an_end_and_a_reason(missing: str) -> None:
    whole = {"match": "a/b", "until": "2026-12-31", "reason": "x"}
    with pytest.raises(InvalidInput, match=r"mutes\[2\] needs"):
        Mute.parse({**whole, missing: ""}, "mutes[2]")
