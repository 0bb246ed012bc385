# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a check."""

from __future__ import annotations

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.files import Difference
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.report import check_report
from support.inventories import NOW, RUN, inventory_of
from support.issued import issue, secret


def test_the_report_shows_what_comes_next() -> None:
    secrets = [secret("shop", f"web-{days}", issue("x", days=365, age=365 - days, now=NOW)) for days in range(-3, 40)]
    secrets.append(secret("shop", "far", issue("x", days=36500, now=NOW)))
    inventory = inventory_of(*secrets)
    report = check_report(RUN, NOW, inventory, Difference(), {})
    names = [event.name for event in report.timeline]
    assert names[0] == "shop/web--3", "the first to end"
    assert "shop/far" not in names
    assert {event.severity for event in report.timeline} == {"critical", "warning", "ok"}
    assert all(event.end and event.end >= event.start for event in report.timeline)


def test_it_is_titled_by_what_was_found() -> None:
    twice = issue("x", days=365, age=368, now=NOW)
    ages = {"old": 340, "older": 350, "new": 10}
    secrets = [secret("shop", name, issue("x", days=365, age=age, now=NOW)) for name, age in ages.items()]
    inventory = inventory_of(secret("shop", "web", twice), secret("shop", "api", twice), *secrets)
    report = check_report(RUN, NOW, inventory)
    assert (report.state, report.severity) == ("unchanged", "critical")
    assert report.headline == "2 critical, 2 warnings, of 5 certificates"
    assert [finding.severity for finding in report.findings] == ["critical", "warning", "warning"]
    assert report.findings[0].where == "secret shop/api tls.crt and 1 other place"
    assert report.findings[0].evidence.startswith("expired on 2026-11-20")
    assert {proof.result for proof in report.proofs} == {"proven"}


def test_all_in_order_is_said_as_that() -> None:
    report = check_report(RUN, NOW, inventory_of(secret("shop", "web", issue("x", days=365, age=10, now=NOW))))
    assert (report.severity, report.headline, report.findings) == ("ok", "all of 1 certificate in order", ())
