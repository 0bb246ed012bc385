# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cryptography_vectors
import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiRefused
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import read_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls import inventory_files as files
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.inventory import (
    ENDPOINT,
    Endpoint,
    Entry,
    Inventory,
    Request,
    compare_served,
    judge,
    read_chain,
    read_cluster,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.inventory_files import Difference
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.inventory_report import check_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.severity import Mute, Override
from support.issued import encoded, issue, secret
from support.report import assert_valid

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
RUN = "20261123t120000z-check-certs-7f3a"
SCHEMA = json.loads((Path(__file__).resolve().parents[4] / "docs" / "certificates.schema.json").read_text())
CA = issue("authority", ca=True, days=3650, now=NOW)


class FakeLogin:
    """An API server: lists by path, where None is refused; paths that are not there are empty."""

    name = server = "https://api.example.com"
    skew = 0.0

    def __init__(self, lists: dict[str, list[dict[str, Any]] | int] | None = None) -> None:
        self.lists = lists or {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def pages(self, what: str, path: str, **query: str) -> Iterator[list[dict[str, Any]]]:
        self.asked.append((path, query))
        found = self.lists.get(path, [])
        if isinstance(found, int):
            raise ApiRefused(f"The API server {self.name} does not let this login {what} (no. Really).", found)
        yield found

    def get(self, _what: str, path: str, **_query: str) -> dict[str, Any]:
        if self.lists.get(path) == 404:
            raise ApiRefused("not found", 404)
        return {}


def look(request: Request | None = None, **lists: Any) -> Inventory:
    """Judge Secrets, Certificates, ... of the whole cluster."""
    paths = {
        "secrets": "/api/v1/secrets",
        "configmaps": "/api/v1/configmaps",
        "pods": "/api/v1/pods",
        "ingresses": "/apis/networking.k8s.io/v1/ingresses",
        "certificates": "/apis/cert-manager.io/v1/certificates",
    }
    login = FakeLogin({paths.get(name, name): found for name, found in lists.items()})
    request = request or Request()
    return judge(request, read_cluster(login, request), NOW)  # type: ignore[arg-type]


def the(inventory: Inventory, name: str) -> Entry:
    (entry,) = (entry for entry in inventory.entries if entry.name == name)
    return entry


def codes(inventory: Inventory, name: str) -> set[str]:
    return {finding.code for finding in the(inventory, name).findings}


def order(namespace: str, name: str, target: str, **status: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "up to date"}
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"secretName": target},
        "status": {"conditions": [ready], "revision": 3, **status},
    }


def stamp(**ahead: float) -> str:
    return (NOW + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_one_list_for_each_kind_in_the_whole_cluster() -> None:
    login = FakeLogin()
    read_cluster(login, Request(configmaps=True, unused=True))  # type: ignore[arg-type]
    assert login.asked == [
        ("/api/v1/secrets", {"fieldSelector": "type=kubernetes.io/tls"}),
        ("/apis/cert-manager.io/v1/certificates", {}),
        ("/api/v1/configmaps", {}),
        ("/api/v1/pods", {}),
        ("/apis/networking.k8s.io/v1/ingresses", {}),
    ]


def test_what_is_in_order() -> None:
    inventory = look(secrets=[secret("shop", "web", issue("web", signer=CA, days=365, now=NOW), ca_crt=CA.pem)])
    entry = the(inventory, "web")
    assert (entry.severity, entry.reasons, entry.key_matches) == ("ok", [], True)
    assert inventory.counts == {"ok": 1, "warning": 0, "unknown": 0, "critical": 0, "muted": 0, "total": 1}


def test_dates_of_one_that_nobody_renews() -> None:
    inventory = look(
        secrets=[
            secret("shop", "expired", issue("a", days=90, age=91, now=NOW)),
            secret("shop", "soon", issue("b", days=365, age=340, now=NOW)),
            secret("shop", "short-lived", issue("c", days=1, age=0.1, now=NOW)),
        ]
    )
    assert [(entry.name, entry.severity) for entry in inventory.entries] == [
        ("expired", "critical"),
        ("soon", "warning"),
        ("short-lived", "ok"),
    ]
    assert inventory.severity == "critical"


def test_one_that_cert_manager_renews_is_judged_by_its_renewal() -> None:
    soon = issue("web", days=90, age=80, now=NOW)
    inventory = look(
        secrets=[secret("shop", name, soon) for name in ("late", "fine", "failing")],
        certificates=[
            order("shop", "late-cert", "late", renewalTime=stamp(days=-20)),
            order("shop", "fine-cert", "fine", renewalTime=stamp(hours=1)),
            order("shop", "failing-cert", "failing", renewalTime=stamp(hours=1), lastFailureTime=stamp(hours=-2)),
        ],
    )
    assert "renewal-overdue" in codes(inventory, "late")
    assert (the(inventory, "fine").severity, the(inventory, "fine").manager) == ("ok", "fine-cert")
    assert codes(inventory, "failing") == {"renewal-failing", "expires-soon"}
    assert the(inventory, "failing").severity == "critical", "in the last sixth of its life"
    assert the(inventory, "failing").revision == 3


def test_a_certificate_without_a_secret_is_an_entry_of_its_own() -> None:
    failed = {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "no Secret. Issuing."}
    inventory = look(
        certificates=[
            order("shop", "never-issued", "web", conditions=[failed]),
            order("shop", "opaque", "other", notBefore=stamp(days=-60), notAfter=stamp(days=30)),
            {"metadata": {"namespace": "shop", "name": "just-made"}, "spec": {"secretName": "new"}},
        ]
    )
    assert the(inventory, "never-issued").reasons == [
        "cert-manager says it is not ready (DoesNotExist: no Secret: Issuing)"
    ]
    assert the(inventory, "opaque").severity == "ok"
    assert the(inventory, "just-made").severity == "warning"


def test_a_secret_whose_certificate_is_gone_is_renewed_by_nobody() -> None:
    left = secret("shop", "web", issue("web", days=90, age=70, now=NOW))
    left["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "gone"}
    entry = the(look(secrets=[left]), "web")
    assert (entry.manager, entry.severity) == ("", "warning")
    assert "the Certificate gone that renewed it is gone" in entry.reasons
    left["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "unreadable"}
    entry = the(look(secrets=[left], certificates=403), "web")
    assert entry.manager == "unreadable", "which cannot be told where Certificates cannot be listed"


def test_two_certificates_for_one_secret() -> None:
    inventory = look(
        secrets=[secret("shop", "web", issue("web", now=NOW))],
        certificates=[order("shop", "one", "web"), order("shop", "two", "web")],
    )
    assert codes(inventory, "web") == {"two-owners"}


def test_keys_that_do_not_fit_or_cannot_be_read() -> None:
    leaf, other = issue("web", days=365, now=NOW), issue("other", now=NOW)
    inventory = look(
        secrets=[
            secret("shop", "other-key", leaf, key=other.key_pem),
            secret("shop", "no-key", leaf, key=""),
            secret("shop", "broken-key", leaf, key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ]
    )
    assert (the(inventory, "other-key").severity, codes(inventory, "other-key")) == ("critical", {"key-mismatch"})
    assert (the(inventory, "no-key").severity, codes(inventory, "no-key")) == ("warning", {"key-missing"})
    assert (the(inventory, "broken-key").severity, codes(inventory, "broken-key")) == ("unknown", {"key-unreadable"})


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_cannot_be_parsed_is_unknown(text: str) -> None:
    broken = secret("shop", "web", issue("web", now=NOW))
    broken["data"]["tls.crt"] = encoded(text)
    inventory = look(secrets=[broken])
    assert (the(inventory, "web").severity, codes(inventory, "web")) == ("unknown", {"unparsable"})


def test_data_that_are_no_base64_are_unknown() -> None:
    broken = secret("shop", "web", issue("web", now=NOW))
    broken["data"]["tls.crt"] = "a"
    assert the(look(secrets=[broken]), "web").severity == "unknown"
    empty = {"metadata": {"namespace": "shop", "name": "web"}}
    assert the(look(secrets=[empty]), "web").severity == "unknown"


def test_weak_keys() -> None:
    weak = issue("web", days=365, key=rsa.generate_private_key(65537, 1024), now=NOW)
    entry = the(look(secrets=[secret("shop", "web", weak)]), "web")
    assert entry.severity == "warning"
    assert "RSA 1024, at least 2048 bits" in entry.reasons[0]


def test_chains() -> None:
    middle = issue("middle", signer=CA, ca=True, days=1000, now=NOW)
    old = issue("old middle", signer=CA, ca=True, days=100, age=95, now=NOW)
    leaf, under_old = issue("web", signer=middle, days=365, now=NOW), issue("web", signer=old, days=365, now=NOW)
    inventory = look(
        secrets=[
            secret("shop", "right", leaf, middle, CA),
            secret("shop", "order", leaf, CA, middle),
            secret("shop", "foreign", leaf, old),
            secret("shop", "ending", under_old, old),
            secret("shop", "other-ca", leaf, middle, ca_crt=issue("x", ca=True, now=NOW).pem),
        ]
    )
    assert codes(inventory, "right") == set()
    assert "wrong order after certificate 1" in the(inventory, "order").reasons[0]
    assert "certificate 2 of its chain (CN=old middle) has not signed" in " ".join(the(inventory, "foreign").reasons)
    assert the(inventory, "ending").severity == "critical"
    assert "certificate 2 of its chain" in the(inventory, "ending").reasons[0]
    assert codes(inventory, "other-ca") == {"authority-other"}


def test_an_authority_that_ends_before_its_leaves() -> None:
    short = issue("short authority", ca=True, days=400, age=100, now=NOW)
    leaf = issue("web", signer=short, days=360, now=NOW)
    inventory = look(secrets=[secret("pki", "ca", short), secret("shop", "web", leaf)])
    assert (the(inventory, "ca").kind, the(inventory, "ca").severity) == ("authority", "critical")
    assert "shop/web" in the(inventory, "ca").reasons[0]
    assert the(inventory, "web").severity == "ok"


def test_a_server_that_signed_itself_is_no_authority() -> None:
    """`openssl req -x509` makes every certificate one that may sign."""
    inventory = look(secrets=[secret("shop", "web", issue("web", days=365, age=200, now=NOW))])
    assert (the(inventory, "web").kind, the(inventory, "web").severity) == ("leaf", "ok")


def test_bundles_in_configmaps() -> None:
    gone, fine = issue("gone", ca=True, days=100, age=101, now=NOW), issue("fine", ca=True, days=4000, now=NOW)
    maps = [
        {"metadata": {"namespace": "shop", "name": "mixed"}, "data": {"ca.pem": fine.pem + gone.pem, "x": "y"}},
        {"metadata": {"namespace": "shop", "name": "dead"}, "data": {"ca.pem": gone.pem}},
        {
            "metadata": {"namespace": "shop", "name": "broken"},
            "data": {"a": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
        },
        {"metadata": {"namespace": "shop", "name": "empty"}},
    ]
    inventory = look(Request(configmaps=True), configmaps=maps)
    found = {entry.identity: entry.severity for entry in inventory.entries}
    assert found == {
        "configmap:shop/mixed:ca.pem[0]": "ok",
        "configmap:shop/mixed:ca.pem[1]": "warning",
        "configmap:shop/dead:ca.pem[0]": "critical",
        "configmap:shop/broken:a[0]": "unknown",
    }


def test_copies_and_what_nobody_mentions() -> None:
    leaf = issue("web", days=365, now=NOW)
    pod = {
        "metadata": {"namespace": "shop"},
        "spec": {
            "volumes": [
                {"secret": {"secretName": "by-volume"}},
                {"projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "x"}}]}},
                {"emptyDir": {}},
            ],
            "containers": [
                {
                    "env": [
                        {"name": "A", "value": "b"},
                        {"valueFrom": {"secretKeyRef": {"name": "by-env", "key": "x"}}},
                    ],
                    "envFrom": [{"secretRef": {"name": "by-env-from"}}],
                }
            ],
        },
    }
    ingress = {"metadata": {"namespace": "shop"}, "spec": {"tls": [{"secretName": "by-ingress"}, {"hosts": ["a"]}]}}
    used = ("by-volume", "projected", "by-env", "by-env-from", "by-ingress")
    secrets = [secret("shop", name, leaf) for name in (*used, "unused")] + [secret("other", "by-volume-not", leaf)]
    inventory = look(Request(unused=True), secrets=secrets, pods=[pod], ingresses=[ingress])
    assert {entry.name for entry in inventory.entries if entry.used} == set(used)
    assert {entry.copies for entry in inventory.entries} == {7}
    unreadable = look(Request(unused=True), secrets=secrets, pods=403, ingresses=[ingress])
    assert {entry.used for entry in unreadable.entries} == {None}
    assert unreadable.severity == "unknown"


def test_a_scope_that_is_denied_is_unknown() -> None:
    leaf = secret("a", "web", issue("web", days=365, now=NOW))
    request = Request(namespaces=("a", "b"))
    inventory = look(request, **{"/api/v1/namespaces/a/secrets": [leaf], "/api/v1/namespaces/b/secrets": 403})
    assert inventory.counts["unknown"] == 1
    (unread,) = inventory.unread
    assert unread.place == "b/secrets"
    assert unread.reasons == [
        "The API server https://api.example.com does not let this login list secrets in the namespace b (no: Really)"
    ]
    everywhere = look(secrets=403)
    assert everywhere.unread[0].reasons[0].endswith("(or name the namespaces that it may read)")


def test_without_cert_manager_nothing_is_missing() -> None:
    leaf = secret("a", "web", issue("web", days=365, now=NOW))
    assert look(secrets=[leaf], certificates=404).severity == "ok"


def test_a_login_that_has_expired_fails() -> None:
    with pytest.raises(ApiRefused):
        look(secrets=401)


def test_an_empty_scope_is_unknown() -> None:
    inventory = look()
    assert (inventory.severity, inventory.counts["unknown"]) == ("unknown", 1)


def test_a_namespace_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(InvalidInput, match="There is no namespace shpo in"):
        look(Request(namespaces=("shpo",)), **{"/api/v1/namespaces/shpo": 404})
    with pytest.raises(InvalidInput, match="lower-case"):
        Request(namespaces=("../x",))


def test_mutes_and_other_limits() -> None:
    soon = issue("web", days=365, age=355, now=NOW)
    mutes = tuple(
        Mute.parse({"match": match, "until": until, "reason": "known"}, "m")
        for match, until in (("shop/*", "2026-12-31"), ("other/*", "2026-11-01"))
    )
    overrides = (Override.parse({"match": "late/*", "warning": "2d", "critical": "1d"}, "o"),)
    secrets = [secret(namespace, "web", soon) for namespace in ("shop", "other", "late")]
    inventory = look(Request(mutes=mutes, overrides=overrides), secrets=secrets)
    by_place = {entry.place: entry for entry in inventory.entries}
    assert by_place["shop/web"].muted is not None
    assert by_place["shop/web"].severity == "warning", "what it would be stays to be seen"
    assert by_place["other/web"].muted is None
    assert by_place["late/web"].severity == "ok"
    assert by_place["other/*"].reasons == ["this mute ended at 2026-11-02T00:00:00Z (known); renew or remove it"]
    assert inventory.counts == {"ok": 1, "warning": 2, "unknown": 0, "critical": 0, "muted": 1, "total": 4}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("shop.example.com:443", Endpoint("shop.example.com", 443)),
        ("[::1]:8443", Endpoint("::1", 8443)),
        ({"address": "10.0.0.1:443", "server_name": "a", "secret": "b/c"}, Endpoint("10.0.0.1", 443, "a", "b/c")),
    ],
)
def test_endpoints(data: Any, expected: Endpoint) -> None:
    assert Endpoint.parse(data, "endpoints[0]") == expected


@pytest.mark.parametrize(
    "data", ["a", ":443", "a:0", "a:70000", "a b:1", "https://a:443", {}, {"address": "a:1", "x": 1}, None]
)
def test_an_endpoint_in_another_form(data: Any) -> None:
    with pytest.raises(InvalidInput, match=r"endpoints\[3\] is .*host:port"):
        Endpoint.parse(data, "endpoints[3]")


def test_what_is_served_against_what_is_stored() -> None:
    old, new = issue("web", days=365, age=10, now=NOW), issue("web", days=365, now=NOW)
    stored = read_cluster(FakeLogin({"/api/v1/secrets": [secret("shop", "web", new)]}), Request())  # type: ignore[arg-type]

    def served(name: str, shown: Any) -> Entry:
        return Entry(ENDPOINT, "", name, chain=read_chain(shown.pem.encode()))

    entries = [served("a:1", new), served("b:1", old), served("c:1", old), served("d:1", issue("other", now=NOW))]
    compare_served(entries, stored, {"c:1": "shop/web", "d:1": "shop/gone"})
    assert [{finding.code for finding in entry.findings} for entry in entries] == [
        set(),
        {"served-differs"},
        {"served-differs"},
        {"stored-unknown"},
    ]
    assert entries[0].stored == entries[0].fingerprint


def inventory_of(*secrets: dict[str, Any], **request: Any) -> Inventory:
    return look(Request(**request), secrets=list(secrets))


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
        with pytest.raises(InvalidInput, match="is no inventory of certificates"):
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
        certificates=[order("shop", "c", "web", renewalTime=stamp(days=1)), order("shop", "d", "none")],
    )
    paths = files.write(inventory, Difference(), "eu", RUN, str(tmp_path), files.OUTPUTS)
    content = json.loads(Path(paths["json"]).read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(content)
    report = check_report(RUN, NOW, "eu", inventory, Difference(), paths)
    for text in [*(Path(path).read_text() for path in paths.values()), json.dumps(report)]:
        assert "PRIVATE KEY" not in text
        for line in leaf.key_pem.splitlines()[1:-1]:
            assert line not in text


def test_the_report_follows_its_schema_and_shows_what_comes_next() -> None:
    secrets = [secret("shop", f"web-{days}", issue("x", days=365, age=365 - days, now=NOW)) for days in range(-3, 40)]
    secrets.append(secret("shop", "far", issue("x", days=36500, now=NOW)))
    inventory = inventory_of(*secrets)
    report = check_report(RUN, NOW, "eu", inventory, Difference(), {})
    written = read_report({**report, "host": "eu", "mode": "run"}).to_plain()
    assert_valid(json.loads(json.dumps(written)))
    names = [event["name"] for event in report["timeline"]]
    assert names[0] == "shop/web--3", "the first to end"
    assert "shop/far" not in names
    assert {event["severity"] for event in report["timeline"]} == {"critical", "warning", "ok"}
    assert all(event["end"] >= event["start"] for event in report["timeline"])
    assert report["proofs"][1]["result"] == "failed"


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


def vectors() -> list[Path]:
    folder = Path(cryptography_vectors.__file__).parent
    return [path for path in sorted(folder.rglob("*")) if path.suffix in (".pem", ".der", ".crt", ".cer")]


def test_every_certificate_of_cryptographys_own_tests_is_read_or_unknown() -> None:
    read, unknown = 0, 0
    secrets = []
    for number, path in enumerate(vectors()):
        content = path.read_bytes()
        if path.suffix == ".der" and b"-----BEGIN" not in content:
            body = base64.encodebytes(content)
            content = b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
        text = base64.b64encode(content).decode()
        secrets.append(
            {
                "metadata": {"namespace": "vectors", "name": f"{number}-{path.name}"},
                "data": {"tls.crt": text, "tls.key": text},
            }
        )
    assert len(secrets) > 500
    inventory = look(secrets=secrets)
    for entry in inventory.entries:
        plain = entry.to_plain(NOW)
        json.dumps(plain)
        if entry.chain:
            read += 1
        else:
            unknown += 1
            assert plain["severity"] == "unknown"
            assert plain["reasons"]
    assert read > 100
    assert unknown > 100
    for output in files.OUTPUTS:
        assert files._RENDERERS[output](inventory, "eu")
    check_report(RUN, NOW, "eu", inventory, Difference(), {})
