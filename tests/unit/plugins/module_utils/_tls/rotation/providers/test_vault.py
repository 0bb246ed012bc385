# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be known of Vault's issuers before anything is signed, and whose certificate goes beside what they sign."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import parse_chain
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.gate import GateSettings, Material
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.vault import (
    VaultIssuer,
    VaultPlaces,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.target import Target
from ansible_collections.market_intel.runbooks.plugins.module_utils._vault.client import KvEntry, Signed
from support.issued import Issued, issue

WEB = "web.example.com"
ROOT = issue("root", ca=True, days=3650)
MIDDLE = issue("middle", signer=ROOT, ca=True, days=2000)
SOON = issue("soon", signer=ROOT, ca=True, days=60)
OTHER_ROOT = issue("other root", ca=True, days=3650)
OTHER = issue("other", signer=OTHER_ROOT, ca=True, days=2000)
ROLE: dict[str, Any] = {
    "allow_any_name": True,
    "key_type": "any",
    "server_flag": True,
    "client_flag": True,
    "key_usage": ["DigitalSignature", "KeyAgreement", "KeyEncipherment"],
    "require_cn": False,
}


class Login:
    skew = 0.0


class FakeVault:
    """A Vault with issuers by their names, each with those above it."""

    url = "https://vault.example.com"

    def __init__(self, role: dict[str, Any], issuers: dict[str, tuple[Issued, ...]], **settings: Any) -> None:
        self._role, self._issuers, self._settings = role, issuers, settings

    def role(self, _mount: str, _name: str) -> dict[str, Any]:
        return self._role

    def health(self) -> dict[str, Any]:
        return {}

    def kv_version(self, _mount: str) -> str:
        return "2"

    def missing_capabilities(self, _wanted: Any) -> list[str]:
        return []

    def read_kv(self, _mount: str, _path: str) -> KvEntry:
        return KvEntry()

    def own_token(self) -> dict[str, Any]:
        return {}

    def issuing_chain(self, mount: str) -> str:
        return self.issuer_chain(mount, "default")

    def issuer_chain(self, _mount: str, name: str) -> str:
        return "".join(each.pem for each in self._issuers.get(name, ()))

    def issuer(self, _mount: str, _name: str) -> dict[str, Any]:
        return {"leaf_not_after_behavior": self._settings.get("behaviour", "")}

    def most_seconds(self, _mount: str) -> int:
        return int(self._settings.get("most", 0))


def material(leaf: Issued, *authorities: Issued) -> Material:
    return Material(
        parse_chain(leaf.pem.encode()), "key", tuple(parse_chain(each.pem.encode())[0] for each in authorities)
    )


def examined(vault: FakeVault, old: Material, ttl: str = "8760h") -> tuple[str, str, str]:
    """Return problems, notices and what is not known, each as one text."""
    login: Any = Login()
    given: Any = vault
    issuer = VaultIssuer(login, given, "shop", VaultPlaces(ttl=ttl), GateSettings(), "")
    target = Target(Entry("web", "web-tls"), "vault", {}, old, old)
    found = issuer.examine([target], 60)["web"]
    return "; ".join(found.problems), "; ".join(found.notices), "; ".join(found.not_verified)


OLD = material(issue(WEB, signer=MIDDLE, days=365), ROOT)


def test_an_issuer_that_is_in_order() -> None:
    assert examined(FakeVault(ROLE, {"default": (MIDDLE, ROOT)}), OLD) == ("", "", "")


def test_the_life_that_a_mount_gives_is_that_of_a_role_without_one() -> None:
    issuers = {"default": (MIDDLE, ROOT)}
    problems, notices, _unknown = examined(FakeVault(ROLE, issuers, most=32 * 86400), OLD)
    assert "shorter life: it lives 32 days" in problems
    assert "Vault cuts the life of 8760h to 32 days" in notices
    assert examined(FakeVault({**ROLE, "max_ttl": 31536000}, issuers, most=86400), OLD)[0] == "", (
        "a role's own goes first"
    )


@pytest.mark.parametrize(
    ("behaviour", "refused", "noticed"),
    [
        ("err", "before a certificate of 8760h, which Vault refuses (leaf_not_after_behavior); ask for less", ""),
        ("truncate", "shorter life", "which Vault cuts (leaf_not_after_behavior)"),
        ("", "shorter life", "which Vault refuses or cuts (leaf_not_after_behavior)"),
    ],
)
def test_an_issuer_that_ends_before_the_certificate(behaviour: str, refused: str, noticed: str) -> None:
    problems, notices, _unknown = examined(FakeVault(ROLE, {"default": (SOON, ROOT)}, behaviour=behaviour), OLD)
    assert refused in problems
    assert noticed in notices


def test_the_issuer_that_a_role_names() -> None:
    role = {**ROLE, "issuer_ref": "partner"}
    both = {"default": (MIDDLE, ROOT), "partner": (OTHER, OTHER_ROOT)}
    assert "untrusted issuer: CN=other leads to none of the authorities" in examined(FakeVault(role, both), OLD)[0]
    assert examined(FakeVault(role, {"default": (OTHER, OTHER_ROOT), "partner": (MIDDLE, ROOT)}), OLD) == ("", "", "")
    problems, _notices, unknown = examined(FakeVault(role, {"default": (MIDDLE, ROOT)}), OLD)
    assert (problems, unknown) == ("", "the chain of the issuer partner in pki_int, which the role names")


@pytest.mark.parametrize("role", [{**ROLE, "issuer_ref": "partner"}, ROLE])
def test_the_authorities_beside_it_are_those_of_who_has_signed_it(role: dict[str, Any]) -> None:
    signer = OTHER if "issuer_ref" in role else MIDDLE
    vault: Any = FakeVault(role, {"default": (MIDDLE, ROOT), "partner": (OTHER, OTHER_ROOT)})
    login: Any = Login()
    settings = GateSettings(allow_issuer_change=True)
    issuer = VaultIssuer(login, vault, "shop", VaultPlaces(), settings, "")
    signed = Signed(issue(WEB, signer=signer).pem, (signer.pem,), datetime.now(timezone.utc), ())
    found = issuer._authorities(Target(Entry("web", "web-tls"), "vault", {}, OLD, OLD), signed)
    names = [each.subject for each in parse_chain(found.encode())]
    assert names == (["CN=other", "CN=other root"] if signer is OTHER else ["CN=middle", "CN=root"])
