# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an inventory, and its difference to the one before."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check import files
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.files import Difference
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Request
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.report import check_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.severity import Mute
from support.inventories import CA, NOW, RUN, certificate, inventory_of, look, stamp
from support.issued import issue, secret

SCHEMA = json.loads((Path(__file__).resolve().parents[6] / "docs" / "certificates.schema.json").read_text())


def test_the_difference_to_the_run_before(tmp_path: Path) -> None:
    one, two, three = (secret("shop", name, issue(name, now=NOW)) for name in ("one", "two", "three"))
    before = inventory_of(one, two)
    assert files.compare(before, "eu", str(tmp_path), "") == Difference()
    files.write(before, Difference(), "eu", RUN, str(tmp_path), [])
    now = inventory_of(secret("shop", "one", issue("one", now=NOW)), three)
    found = files.compare(now, "eu", str(tmp_path), "")
    assert (found.run_id, found.new, found.renewed, found.disappeared) == (
        RUN,
        ("secret:shop/three:tls.crt",),
        ("secret:shop/one:tls.crt",),
        ("secret:shop/two:tls.crt",),
    )
    assert found.counts["total"] == 2
    assert files.compare(now, "us", str(tmp_path), "") == Difference(), "of another cluster"
    other = inventory_of(one, configmaps=True)
    assert files.compare(other, "eu", str(tmp_path), "") == Difference(), "of another scope"
    assert files.compare(other, "eu", "", found.path).disappeared == ("secret:shop/two:tls.crt",)
    denied = look(secrets=403)
    assert files.compare(denied, "eu", str(tmp_path), "").disappeared == (), "what cannot be read has not disappeared"


def test_a_previous_file_that_is_none(tmp_path: Path) -> None:
    for content in ("", "{}", "[]", '{"certificates": [1]}'):
        path = tmp_path / "x.json"
        path.write_text(content)
        with pytest.raises(InvalidInput, match="is not an inventory of certificates"):
            files.compare(inventory_of(), "eu", "", str(path))


HOSTILE = [
    '=cmd|"/c calc"!A1',
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    '"',
    "a\nb",
    "a\\b",
    "<x>&",
    "|",
    "\x1b[2J",
    "\u202e",
    "\uff1d1",
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_files_are_safe_whatever_a_certificate_calls_itself(hostile: str, tmp_path: Path) -> None:
    leaf = issue("x", days=365, age=350, now=NOW)
    inventory = inventory_of(secret("shop", "web", leaf))
    entry = inventory.entries[0]
    assert entry.chain
    entry.chain.to_plain()["subject"] = hostile
    entry.name = hostile
    entry.findings.append(entry.findings[0]._replace(text=hostile))
    paths = files.write(inventory, Difference(), hostile, RUN, str(tmp_path), files.OUTPUTS)

    (row,) = csv.DictReader(io.StringIO(Path(paths["csv"]).read_bytes().decode(), newline=""))
    for text in row.values():
        assert not text.lstrip().startswith(("=", "+", "@")), row
        assert not text.lstrip().startswith("-") or text.lstrip("-").isdigit()
    tests = ET.parse(paths["junit"]).getroot().findall("testsuite/testcase")
    assert len(tests) == 1
    assert tests[0][0].tag == "failure"
    for line in Path(paths["prometheus"]).read_text().split("\n"):
        assert not line or line.startswith(("#", "market_intel_certificate")), line
        assert line.count('"') - line.count('\\"') == (0 if not line or line.startswith("#") else line.count('="')) * 2
    (nagios,) = Path(paths["nagios"]).read_text().splitlines()
    assert nagios.count("|") == 1
    assert json.loads(Path(paths["json"]).read_text())["certificates"][0]["subject"] == hostile
    for path in paths.values():
        assert "\x1b" not in Path(path).read_text()
        assert Path(path).stat().st_mode & 0o777 == 0o600


def test_the_inventory_follows_its_schema_and_holds_no_key(tmp_path: Path) -> None:
    leaf = issue("web", signer=CA, days=365, age=350, now=NOW)
    mute = Mute.parse({"match": "shop/muted", "until": "2026-12-31", "reason": "r"}, "m")
    request = Request(mutes=(mute,))
    inventory = look(
        request,
        secrets=[secret("shop", "web", leaf, CA), secret("shop", "muted", leaf), secret("shop", "x", leaf, key="")],
        certificates=[certificate("shop", "c", "web", renewalTime=stamp(days=1)), certificate("shop", "d", "none")],
    )
    paths = files.write(inventory, Difference(), "eu", RUN, str(tmp_path), files.OUTPUTS)
    content = json.loads(Path(paths["json"]).read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(content)
    report = check_report(RUN, NOW, inventory, Difference(), paths).to_plain()
    for text in [*(Path(path).read_text() for path in paths.values()), json.dumps(report)]:
        assert "PRIVATE KEY" not in text
        for line in leaf.key_pem.splitlines()[1:-1]:
            assert line not in text


def test_the_sentence_names_the_worst_once_each() -> None:
    same = issue("x", days=365, age=363, now=NOW)
    inventory = inventory_of(
        *(secret("shop", f"copy-{n}", same) for n in range(30)),
        *(secret("shop", f"soon-{n}", issue("y", days=365, age=340, now=NOW)) for n in range(9)),
    )
    text = files.sentence(inventory, "eu")
    assert text.startswith(
        "30 critical, 9 warning of 39 certificates of eu: shop/copy-0 and 29 places more: it expires"
    )
    assert text.endswith("; and 5 more")
    assert files.sentence(inventory_of(secret("a", "b", issue("x", days=365, now=NOW))), "eu") == (
        "1 certificates of eu are in order, the next expires in 365 d"
    )
