# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers show, as a client verifies it."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.cluster import read_cluster
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.judge import compare_served, judge
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import (
    Endpoint,
    Entry,
    Request,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.sources import (
    read_authorities,
    read_endpoints,
    read_vault,
    verify_endpoints,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._vault.client import KvEntry
from support.inventories import FakeLogin
from support.issued import issue, secret
from support.tls_server import TlsServer

ROOT = issue("root", ca=True, days=3650)
MIDDLE = issue("middle", signer=ROOT, ca=True, days=2000)
OTHER = issue("other root", ca=True, days=3650)
WEB = "web.example.com"


def seen(
    endpoint: Endpoint, *secrets: dict[str, Any], authorities: dict[str, str] | None = None
) -> tuple[str, list[str]]:
    """Return severity and reasons of one endpoint beside some Secrets."""
    login = FakeLogin({"/api/v1/secrets": copy.deepcopy(list(secrets))})
    stored = read_cluster(login, Request()).entries  # type: ignore[arg-type]
    served = read_endpoints([endpoint], 5)
    beside = compare_served([endpoint], served, stored)
    verify_endpoints([endpoint], served, beside, authorities or {}, 5)
    entries: list[Entry] = list(judge(Request(), served, datetime.now(timezone.utc)).entries)
    (entry,) = (entry for entry in entries if entry.source == "endpoint")
    return entry.severity, entry.reasons


def at(server: TlsServer, name: str = WEB, **more: str) -> Endpoint:
    return Endpoint("127.0.0.1", server.port, name, **more)


def test_what_a_client_accepts(tmp_path: Path) -> None:
    leaf = issue(WEB, signer=MIDDLE, days=365)
    with TlsServer(tmp_path, leaf, MIDDLE) as server:
        assert seen(at(server), authorities={"": ROOT.pem}) == ("ok", [])
        assert seen(at(server), authorities={"": MIDDLE.pem}) == ("ok", []), "whoever is trusted need not be a root"


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    with TlsServer(tmp_path, issue(WEB, signer=ROOT, days=365)) as server:
        severity, reasons = seen(at(server, "shop.example.com"), authorities={"": ROOT.pem})
        by_address = seen(at(server, ""), authorities={"": ROOT.pem})
    text = "it shows a certificate for DNS:web.example.com, not for {}: clients refuse it"
    assert (severity, reasons) == ("critical", [text.format("shop.example.com")])
    assert by_address == ("critical", [text.format("127.0.0.1")])


def test_one_that_signed_itself(tmp_path: Path) -> None:
    leaf = issue(WEB, days=365)
    with TlsServer(tmp_path, leaf) as server:
        by_system = seen(at(server))
        accepted = seen(at(server), authorities={"": leaf.pem})
    text = "it is self-signed, and not among the authorities of this system: clients refuse it"
    assert by_system == ("critical", [text])
    assert accepted == ("ok", []), "a client that was given it accepts it"


def test_a_missing_intermediate(tmp_path: Path) -> None:
    with TlsServer(tmp_path, issue(WEB, signer=MIDDLE, days=365)) as server:
        severity, reasons = seen(at(server), authorities={"": ROOT.pem})
    assert severity == "critical"
    assert reasons == [
        "CN=middle, which has signed it, is neither shown with it nor among the given authorities: clients refuse it"
    ]


def test_a_root_that_nobody_trusts(tmp_path: Path) -> None:
    with TlsServer(tmp_path, issue(WEB, signer=MIDDLE, days=365), MIDDLE, ROOT) as server:
        severity, reasons = seen(at(server), authorities={"": OTHER.pem})
    assert (severity, reasons) == (
        "critical",
        ["its root (CN=root) is not among the given authorities: clients refuse it"],
    )


def test_who_is_trusted(tmp_path: Path) -> None:
    leaf = issue(WEB, signer=MIDDLE, days=365)
    beside = secret("shop", "web", leaf, MIDDLE, ca_crt=ROOT.pem)
    wrong = secret("shop", "web", leaf, MIDDLE, ca_crt=OTHER.pem)
    with TlsServer(tmp_path, leaf, MIDDLE) as server:
        assert seen(at(server), beside)[0] == "ok", "ca.crt of the Secret for the same names"
        assert seen(at(server), beside, authorities={"": OTHER.pem}) == ("ok", []), "which is closer"
        refused = seen(at(server), wrong, authorities={"": ROOT.pem})
        own = seen(at(server, ca_cert="/own.pem"), wrong, authorities={"/own.pem": ROOT.pem})
    assert refused == (
        "critical",
        [
            "CN=root, which has signed the last of its chain (CN=middle), is neither shown with it nor among ca.crt of "
            "the Secret shop/web: clients refuse it"
        ],
    )
    assert own == ("ok", [])


def test_what_is_served_against_what_is_stored(tmp_path: Path) -> None:
    old, new = issue(WEB, signer=ROOT, days=365, age=10), issue("other", signer=ROOT, days=365)
    with TlsServer(tmp_path, old) as server:
        endpoint = at(server, secret="shop/web")
        severity, reasons = seen(endpoint, secret("shop", "web", new, ca_crt=ROOT.pem))
    assert severity == "critical"
    assert reasons == [
        "what the Secret shop/web holds is not for web.example.com: clients would refuse it",
        "it does not serve what the Secret shop/web holds: restart or reload it",
    ]


def test_what_is_served_against_a_secret_of_another_kind(tmp_path: Path) -> None:
    leaf, other = issue(WEB, signer=ROOT, days=365), issue(WEB, signer=ROOT, days=300)
    stored = secret("shop", "web", leaf)
    stored["type"] = "Opaque"
    data = stored.pop("data")

    def against(**names: str) -> tuple[str, list[str]]:
        given = {**stored, "data": {key.replace("_", "."): data[name] for key, name in names.items()}}
        return seen(at(server, secret="shop/web"), given, authorities={"": ROOT.pem})

    with TlsServer(tmp_path, leaf) as server:
        assert against(server_pem="tls.crt", server_key="tls.key") == ("ok", [])
        assert against(readme="tls.key") == (
            "unknown",
            ["in the Secret shop/web that it should serve, no certificate was read"],
        )
    with TlsServer(tmp_path, other) as server:
        assert against(server_pem="tls.crt")[1] == [
            "it does not serve what the Secret shop/web holds: restart or reload it"
        ]


def test_an_authority_that_is_trusted_but_has_expired(tmp_path: Path) -> None:
    gone = issue("gone", ca=True, days=30, age=40)
    with TlsServer(tmp_path, issue(WEB, signer=gone, days=365)) as server:
        severity, reasons = seen(at(server), authorities={"": gone.pem})
    assert (severity, reasons) == (
        "critical",
        ["it is not accepted (certificate has expired) by the given authorities: clients refuse it"],
    )


def test_a_root_that_is_sent_along_and_not_needed(tmp_path: Path) -> None:
    """Clients that trust its successor, of the same key, accept what leads to both."""
    successor = issue("renewed root", ca=True, days=3650)
    expired = issue("renewed root", ca=True, days=30, age=40, key=successor.key)
    with TlsServer(tmp_path, issue(WEB, signer=successor, days=365), expired) as server:
        severity, reasons = seen(at(server), authorities={"": successor.pem})
    assert (severity, reasons) == (
        "warning",
        ["certificate 2 of its chain (CN=renewed root): it expired 10 d ago"],
    )


def test_an_intermediate_that_has_expired(tmp_path: Path) -> None:
    gone = issue("gone", signer=ROOT, ca=True, days=30, age=40)
    with TlsServer(tmp_path, issue(WEB, signer=gone, days=365), gone) as server:
        severity, reasons = seen(at(server), authorities={"": ROOT.pem})
    assert (severity, reasons) == ("critical", ["certificate 2 of its chain (CN=gone): it expired 10 d ago"])


def test_an_intermediate_that_ends_within_hours(tmp_path: Path) -> None:
    soon = issue("soon", signer=ROOT, ca=True, days=30, age=29.95)
    with TlsServer(tmp_path, issue(WEB, signer=soon, days=1 / 24), soon) as server:
        severity, reasons = seen(at(server), authorities={"": ROOT.pem})
        trusted = seen(at(server), authorities={"": soon.pem})
    assert severity == "critical"
    assert reasons[0].startswith("certificate 2 of its chain (CN=soon): it expires in 72 min"), reasons
    assert trusted[0] == "warning", "a client that trusts its key needs no later one"


def test_another_way_to_what_is_trusted(tmp_path: Path) -> None:
    """A root whose key an older root has signed, too, until shortly."""
    new = issue("new root", ca=True, days=3650)
    crossed = issue("new root", signer=OTHER, ca=True, days=30, age=29.95, key=new.key)
    with TlsServer(tmp_path, issue(WEB, signer=new, days=365), crossed) as server:
        by_new = seen(at(server), authorities={"": new.pem})
        by_old = seen(at(server), authorities={"": OTHER.pem})
    assert (by_new[0], by_old[0]) == ("warning", "critical")


def test_an_authority_without_names_as_a_server(tmp_path: Path) -> None:
    own = issue(WEB, ca=True, days=3650)
    with TlsServer(tmp_path, own) as server:
        severity, reasons = seen(at(server), authorities={"": own.pem})
    assert severity == "critical"
    assert "it shows a certificate without names, not for web.example.com: clients refuse it" in reasons


def test_a_name_in_other_letters(tmp_path: Path) -> None:
    leaf = issue("xn--bcher-kva.example.com", signer=ROOT, days=365)
    with TlsServer(tmp_path, leaf) as server:
        assert seen(at(server, "bücher.example.com"), authorities={"": ROOT.pem}) == ("ok", [])


def test_dates_are_said_once(tmp_path: Path) -> None:
    with TlsServer(tmp_path, issue(WEB, signer=ROOT, days=30, age=31)) as server:
        severity, reasons = seen(at(server), authorities={"": ROOT.pem})
    assert (severity, reasons) == ("critical", ["it expired 24 h ago"])


def test_authorities_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(f"# ours\n{ROOT.pem}{OTHER.pem}")
    assert read_authorities(str(tmp_path / "ca.pem"), "O(x)") == ROOT.pem + OTHER.pem
    (tmp_path / "empty.pem").write_text("nothing")
    for path, words in (
        ("ca.pem", r"O\(x\) is the relative path 'ca.pem'; allowed is an absolute one"),
        (str(tmp_path / "none.pem"), "which cannot be read"),
        (str(tmp_path / "empty.pem"), "which holds no PEM certificate"),
    ):
        with pytest.raises(InvalidInput, match=words):
            read_authorities(path, "O(x)")


class Kv:
    """A KV of Vault with one entry."""

    url = "https://vault.example.com"

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def list_kv(self, _mount: str, _path: str) -> list[str]:
        return ["web"]

    def read_kv(self, _mount: str, _path: str) -> KvEntry:
        return KvEntry(1, self._data)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"certificate": issue(WEB, days=10, age=11).pem}, "certificate"),
        ({"tls": {"crt": issue(WEB, days=10, age=11).pem}, "ttl": 5}, "tls.crt"),
        ({"chain": [issue(WEB, days=10, age=11).pem]}, "chain.0"),
    ],
)
def test_certificates_anywhere_in_an_entry_of_vault(data: dict[str, Any], key: str) -> None:
    login: Any = Kv(data)
    (entry,) = judge(Request(), read_vault(login, "kv", "certs"), datetime.now(timezone.utc)).entries
    assert (entry.key, entry.severity) == (key, "critical")
