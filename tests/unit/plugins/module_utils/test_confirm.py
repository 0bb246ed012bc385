# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils import _confirm
from ansible_collections.market_intel.runbooks.plugins.module_utils._confirm import (
    check_confirmation,
    is_production,
    make_confirmation,
    plan_content,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug import sessions
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation import plan as rotation

CONTENT = plan_content("https://api.example.com", ["web"], {"force": True})


@pytest.mark.parametrize(
    "name",
    [
        *("production", "Production", "PROD", "production ", " prod-eu", "prod\n", "live", "LIVE ", "productive"),
        *("PROD-EU", "live-eu", "Live_1", "live2", '"production"', "'prod'", "[production]", "\tprod\r\n"),
        *("\u00a0production\u3000", "\ufeffproduction", "\u200bLive", "\uff50\uff52\uff4f\uff44", "\x00prod"),
        "pro\u00adduction",
    ],
    ids=ascii,
)
def test_these_are_production(name: str) -> None:
    assert is_production(name)


@pytest.mark.parametrize(
    "name",
    ["", "  ", "staging", "preprod", "pre-prod", "nonprod", "non-production", "lively", "delivery", "test"],
)
def test_these_are_not(name: str) -> None:
    assert not is_production(name)


def test_the_hash_of_the_plan_confirms_it() -> None:
    check_confirmation(make_confirmation(CONTENT, 3), CONTENT, 3, "3 certificates")
    check_confirmation(make_confirmation(CONTENT, 10), CONTENT, 12, "12 keys", growth=1.2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "must be confirmed"),
        ("yes", "has not the form"),
        ("0123456789abcdef-3-20261123T101500Z", "for another plan"),
        ("0123456789abcdef-3-20269923T101500Z", "has not the form"),
        (make_confirmation(plan_content("another"), 3), "for another plan"),
        (make_confirmation(CONTENT, 2), "has grown since it was confirmed"),
    ],
    ids=["none", "no hash", "made up", "no time", "of another plan", "of less"],
)
def test_anything_else_is_refused_with_the_hash_that_would_do(given: str, words: str) -> None:
    with pytest.raises((Refused, InvalidInput), match=words) as caught:
        check_confirmation(given, CONTENT, 3, "3 certificates are due")
    offered = str(caught.value).rpartition("O(confirm)=")[2].rstrip(".")
    check_confirmation(offered, CONTENT, 3, "3 certificates are due")


def test_it_is_valid_for_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    given, now = make_confirmation(CONTENT, 3), utc_now()
    monkeypatch.setattr(_confirm, "utc_now", lambda: now + timedelta(minutes=29))
    check_confirmation(given, CONTENT, 3, "3")
    for moment in (now + timedelta(minutes=31), now - timedelta(minutes=2)):
        monkeypatch.setattr(_confirm, "utc_now", lambda moment=moment: moment)
        with pytest.raises(Refused, match="valid for 0:30:00"):
            check_confirmation(given, CONTENT, 3, "3")


def of_debugging(login: Any) -> dict[str, Any]:
    collection = SimpleNamespace(interactive=False, capture=None, copy_command=())
    names = dict.fromkeys(("namespace", "mode", "image", "container", "node_namespace"), "x")
    request: Any = SimpleNamespace(**names, privileged=True, ttl=60, collection=collection, copy_command=())
    return sessions.confirmation(login, request, [], [])


def of_rotating(login: Any) -> dict[str, Any]:
    context: Any = SimpleNamespace(login=login, restart="auto", allow_downtime=False)
    request: Any = SimpleNamespace(namespace="shop", method="auto", gate="")
    plan: Any = SimpleNamespace(rolling_back=False, due=[])
    return rotation.confirmation(context, request, plan, force=False)


@pytest.mark.parametrize("plan", [of_debugging, of_rotating])
def test_a_plan_for_another_cluster_behind_the_same_address_is_another_plan(
    plan: Callable[[Any], dict[str, Any]],
) -> None:
    """As at the end of a tunnel, where one cluster is now, and another one later."""
    here, there = (plan(SimpleNamespace(server="https://localhost:6443", cluster=uid)) for uid in ("uid-a", "uid-b"))
    assert here["confirmation"]["content"] != there["confirmation"]["content"]
    with pytest.raises(Refused, match="for another plan"):
        check_confirmation(here["confirm"], there["confirmation"]["content"], 0, "x")
