# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The map of the role, the example rules and the pages of the alerts are in step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.mapping import RESPOND_WITHIN, read_map

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "runbooks"
SHIPPED = yaml.safe_load((ROOT / "roles" / "alert_response" / "vars" / "main.yml").read_text(encoding="utf-8"))[
    "__alert_response_shipped"
]
GROUPS = yaml.safe_load((ROOT / "docs" / "examples" / "prometheus-rules.yml").read_text(encoding="utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Automation", "Response time"]
EACH = pytest.mark.parametrize("alert", sorted(SHIPPED))


def page(alert: str) -> str:
    return (PAGES / f"{alert.lower()}.md").read_text(encoding="utf-8")


def test_map_rules_and_pages_have_the_same_alerts() -> None:
    assert set(SHIPPED) == set(ALERTS)
    assert {f"{alert.lower()}.md" for alert in SHIPPED} == {path.name for path in PAGES.glob("*.md")}
    entries = read_map(SHIPPED, "alert_response_map")
    # An operator decides what may follow without one.
    assert {entry.mode for entry in entries.values()} == {"suggest"}


@EACH
def test_a_rule_says_what_its_entry_says(alert: str) -> None:
    entry, rule = read_map(SHIPPED, "map")[alert], ALERTS[alert]
    assert rule["labels"]["severity"] == entry.severity
    assert rule["labels"]["runbook"] == entry.runbook
    assert rule["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{alert.lower()}.md")
    assert entry.respond_within == RESPOND_WITHIN[entry.severity]
    assert entry.recovery is not None


@EACH
def test_what_is_asked_for_is_recorded(alert: str) -> None:
    queries: list[str] = [each.get("query", "") for each in SHIPPED[alert].get("evidence", [])]
    queries += [SHIPPED[alert]["recovery"]["query"], ALERTS[alert]["expr"]]
    used = {name for query in queries for name in re.findall(r"market_intel_brain:[a-z0-9_:]+", query)}
    assert used <= RECORDED
    # What is looked at to prove recovery must not remember the trouble for long.
    assert not re.search(r"rate5m|\[5m\]", SHIPPED[alert]["recovery"]["query"])


@EACH
def test_a_page_has_all_that_somebody_at_night_needs(alert: str) -> None:
    text = page(alert)
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    entry = read_map(SHIPPED, "map")[alert]
    assert f"The alert leads to `{entry.runbook}`." in text
    assert f"{entry.severity.capitalize()}: within {entry.respond_within / 60:.0f} minutes." in text
    assert f"-e alert_response_name={alert}" in text
    for word in ("--check", "Undo: ", "- AWX: ", "- EDA: ", "- Rights: ", "- Stop it: "):
        assert word in text
    for label in entry.labels[1:]:
        assert f'"{label}": "' in text


@EACH
def test_links_of_a_page_lead_somewhere(alert: str) -> None:
    links: list[Any] = re.findall(r"\]\(([^)#]+)(#[^)]*)?\)", page(alert))
    for target, anchor in links:
        path = PAGES / target
        assert path.exists(), target
        headings = [
            re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-")
            for each in re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        ]
        assert not anchor or anchor[1:] in headings, anchor


def test_the_night_page_has_a_row_for_each_alert() -> None:
    rows = re.findall(
        r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| (\d+) minutes \| `(\w+)` \|$",
        (ROOT / "docs" / "RUNBOOK.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert {row[0] for row in rows} == set(SHIPPED)
    for alert, name, minutes, runbook in rows:
        entry = read_map(SHIPPED, "map")[alert]
        assert (name, float(minutes) * 60, runbook) == (alert.lower(), entry.respond_within, entry.runbook)


def test_alertmanager_sends_where_the_rulebook_listens() -> None:
    sent = yaml.safe_load((ROOT / "docs" / "examples" / "alertmanager.yml").read_text(encoding="utf-8"))
    (route,) = [each for each in sent["route"]["routes"] if each["receiver"] == "runbooks"]
    assert route["matchers"] == ['runbook_auto="true"'] and route["continue"] is True
    assert all(rule["labels"]["runbook_auto"] == "true" for rule in ALERTS.values())
    (receiver,) = [each for each in sent["receivers"] if each["name"] == "runbooks"]
    assert receiver["webhook_configs"][0]["http_config"]["authorization"]["credentials_file"]
