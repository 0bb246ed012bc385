# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.chain import read_chain
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.cluster import read_cluster
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.judge import compare_served
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import (
    ENDPOINT,
    Endpoint,
    Entry,
    Request,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.severity import Mute, Override
from support.inventories import CA, NOW, FakeLogin, certificate, codes, look, stamp, the
from support.issued import Issued, issue, secret


def test_what_is_in_order() -> None:
    inventory = look(secrets=[secret("shop", "web", issue("web", signer=CA, days=365, now=NOW), ca_crt=CA.pem)])
    entry = the(inventory, "web")
    assert (entry.severity, entry.reasons, entry.key_matches) == ("ok", [], True)
    authority = the(inventory, "CN=authority")
    assert (authority.source, authority.kind, authority.severity) == ("authority", "authority", "ok")
    assert inventory.counts == {"ok": 2, "warning": 0, "unknown": 0, "critical": 0, "muted": 0, "total": 2}


def test_an_intermediate_that_is_somewhere_else() -> None:
    middle = issue("middle", signer=CA, ca=True, days=2000, now=NOW)
    leaf = issue("web", signer=middle, days=365, now=NOW)
    text = "its chain lacks CN=middle, which has signed it and is not a root"

    def reasons(*others: Issued, name: str = "web") -> list[str]:
        """Judge the leaf alone, beside others with their chain, or one of them."""
        secrets = [secret("shop", "web", leaf), *([secret("shop", "other", *others)] if others else [])]
        return the(look(secrets=secrets), name).reasons

    assert reasons(leaf, middle) == [text]
    assert reasons(leaf, middle, name="other") == []
    assert reasons(middle) == [text], "the Secret of an Issuer"
    assert reasons() == [], "it may be signed by a root"
    assert reasons(CA) == []
    assert reasons(issue("api", signer=CA, days=365, now=NOW), name="other") == []


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
            certificate("shop", "late-cert", "late", renewalTime=stamp(days=-20)),
            certificate("shop", "fine-cert", "fine", renewalTime=stamp(hours=1)),
            certificate("shop", "failing-cert", "failing", renewalTime=stamp(hours=1), lastFailureTime=stamp(hours=-2)),
        ],
    )
    assert "renewal-overdue" in codes(inventory, "late")
    assert (the(inventory, "fine").severity, the(inventory, "fine").manager) == ("ok", "fine-cert")
    assert codes(inventory, "failing") == {"renewal-failing", "expires-soon"}
    assert the(inventory, "failing").severity == "critical", "in the last sixth of its life"
    assert the(inventory, "failing").revision == 3


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


def test_an_empty_scope_is_unknown() -> None:
    inventory = look()
    assert (inventory.severity, inventory.counts["unknown"]) == ("unknown", 1)


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


def test_what_is_served_against_what_is_stored() -> None:
    old, new = issue("web", days=365, age=10, now=NOW), issue("web", days=365, now=NOW)
    login = FakeLogin({"/api/v1/secrets": [secret("shop", "web", new)]})
    stored = read_cluster(login, Request()).entries  # type: ignore[arg-type]

    def served(name: str, shown: Any) -> Entry:
        return Entry(ENDPOINT, "", name, chain=read_chain(shown.pem.encode()))

    entries = [served("a:1", new), served("b:1", old), served("c:1", old), served("d:1", issue("other", now=NOW))]
    endpoints = [
        Endpoint("a", 1),
        Endpoint("b", 1),
        Endpoint("c", 1, server_name="other", secret="shop/web"),
        Endpoint("d", 1, secret="shop/gone"),
    ]
    assert [each and each.place for each in compare_served(endpoints, entries, stored)] == ["shop/web"] * 3 + [None]
    assert [{finding.code for finding in entry.findings} for entry in entries] == [
        set(),
        {"served-differs", "host-not-covered"},
        {"served-differs", "host-not-covered"},
        {"stored-unknown"},
    ]
    assert entries[0].stored == entries[0].fingerprint
