# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is let through to a service and what is not, on certificates that are made here."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import Unparsable, parse_chain
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.gate import (
    GateSettings,
    Material,
    read_material,
    trust,
    violations,
)

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
KEYS = {"ec256": ec.generate_private_key(ec.SECP256R1()), "ec384": ec.generate_private_key(ec.SECP384R1())}
KEYS["rsa2048"] = rsa.generate_private_key(65537, 2048)
KEYS["rsa3072"] = rsa.generate_private_key(65537, 3072)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


class Authority:
    def __init__(self, name: str, *, days: tuple[float, float] = (-100, 3650), above: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        above = above or self
        self.certificate = _sign(self.name, self.key.public_key(), above, days, [], [], authority=True)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def _sign(
    subject: x509.Name,
    public_key: Any,
    issuer: Authority,
    days: tuple[float, float],
    names: Sequence[str],
    purposes: Sequence[Any],
    *,
    authority: bool = False,
    digest: Any = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + days[0] * DAY)
        .not_valid_after(NOW + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False)
    return builder.sign(issuer.key, digest or hashes.SHA256())


ROOT = Authority("root")
ISSUING = Authority("issuing", above=ROOT)
SAME_ROOT = Authority("issuing two", above=ROOT)
EXPIRED = Authority("expired", above=ROOT, days=(-100, -1))
SHORT = Authority("short", above=ROOT, days=(-100, 30))
STRANGER = Authority("stranger")
NAMESAKE = Authority("issuing", above=ROOT)
ENDED = Authority("root of the past", days=(-100, -1))
ENDING = Authority("root of these days", days=(-100, 60))
NAMES = ("web.example.com", "www.example.com")


def material(
    *,
    issuer: Authority = ISSUING,
    key: str = "ec256",
    stored_key: Any = None,
    names: Sequence[str] = NAMES,
    days: tuple[float, float] = (-1, 89),
    purposes: Sequence[Any] = (SERVER, CLIENT),
    common_name: str = "web.example.com",
    organisation: str = "Example",
    chain: Sequence[Authority] | None = None,
    trusted: Authority | None = ROOT,
    authority: bool = False,
    digest: Any = None,
) -> Material:
    subject = x509.Name(
        [
            *([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    public = KEYS[key].public_key()
    leaf = _sign(subject, public, issuer, days, names, purposes, authority=authority, digest=digest)
    above = b"".join(each.pem for each in ([issuer] if chain is None else chain))
    private = (stored_key or KEYS[key]).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return read_material(leaf.public_bytes(Encoding.PEM) + above, private, trusted.pem if trusted else b"")


OLD = material(days=(-60, 30))
(ISSUING_CERTIFICATE,), (NAMESAKE_CERTIFICATE,) = (parse_chain(each.pem) for each in (ISSUING, NAMESAKE))


def rules(new: Material, old: Material = OLD, **settings: Any) -> set[str]:
    return {violation.rule for violation in violations(new, old, NOW, GateSettings(**settings))}


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        ("wrong key", {"stored_key": OTHER_KEY}),
        ("lost name", {"names": NAMES[:1]}),
        ("weaker key", {"key": "rsa2048"}),
        ("expired chain", {"issuer": EXPIRED}),
        ("expired chain", {"issuer": SHORT}),
        ("wrong usage", {"purposes": (CLIENT,)}),
        ("wrong usage", {"authority": True}),
        ("shorter life", {"days": (-1, 60)}),
        ("broken chain", {"chain": [SAME_ROOT]}),
        ("untrusted issuer", {"issuer": STRANGER}),
        ("lost identity", {"common_name": "other.example.com"}),
        ("lost identity", {"organisation": ""}),
        ("not yet valid", {"days": (0.1, 90.1)}),
        ("expired", {"days": (-91, -1)}),
    ],
)
def test_a_worse_certificate_is_refused_by_name(rule: str, bad: dict[str, Any]) -> None:
    assert rules(material(**bad)) == {rule}


def test_without_usages_a_certificate_is_used_for_tls() -> None:
    old = material(days=(-60, 30), purposes=())
    assert rules(material(purposes=(SERVER, CLIENT)), old) == set()
    assert rules(material(purposes=(SERVER,)), old) == {"wrong usage"}


def test_the_present_certificate_is_none_to_rotate_to() -> None:
    assert rules(OLD) == {"same certificate"}


def test_no_key_is_weaker_than_one_that_is_not_known_to_be_stronger() -> None:
    strong = material(key="rsa3072")
    assert rules(material(key="ec256"), strong) == set()
    assert rules(material(key="ec256"), material(key="ec384")) == {"weaker key"}


@pytest.mark.parametrize(
    ("good", "settings"),
    [
        ({}, {}),
        ({"issuer": SAME_ROOT}, {}),
        ({"names": (*NAMES, "more.example.com")}, {}),
        ({"days": (-1, 80)}, {}),
        ({"key": "ec384"}, {}),
        ({"purposes": ()}, {}),
        ({"purposes": (SERVER, CLIENT, ExtendedKeyUsageOID.OCSP_SIGNING)}, {}),
        ({"names": NAMES[:1]}, {"allow_names_removed": ("DNS:www.example.com",)}),
        ({"issuer": STRANGER}, {"allow_issuer_change": True}),
        ({"days": (-1, 30)}, {"max_lifetime_loss": 0.9}),
    ],
)
def test_what_is_at_least_as_good_or_allowed_passes(good: dict[str, Any], settings: dict[str, Any]) -> None:
    assert rules(material(**good), **settings) == set()


def test_without_authorities_the_issuer_has_to_stay() -> None:
    old = material(days=(-60, 30), chain=[], trusted=None)
    assert rules(material(), old) == set()
    assert rules(material(issuer=SAME_ROOT), old) == {"untrusted issuer"}


def test_without_authorities_the_key_of_the_issuer_has_to_stay() -> None:
    old = material(days=(-60, 30), chain=[], trusted=None)
    assert rules(material(issuer=NAMESAKE), old) == {"untrusted issuer"}
    assert rules(material(issuer=NAMESAKE), old, allow_issuer_change=True) == set()
    (found,) = trust((NAMESAKE_CERTIFICATE,), old.leaf.issuer, old, GateSettings())
    assert str(found) == "untrusted issuer: it is issued by another key of CN=issuing than the present one"
    assert list(trust((ISSUING_CERTIFICATE,), old.leaf.issuer, old, GateSettings())) == []


def test_the_authority_has_to_live_as_long_as_the_certificate() -> None:
    """A root beside it is no part of the chain, and no less needed."""

    def by(root: Authority, **more: Any) -> Material:
        return material(issuer=root, chain=[], trusted=root, **more)

    assert rules(by(ENDED), by(ENDED, days=(-60, 30))) == {"expired chain"}
    assert rules(by(ENDING), by(ENDING, days=(-60, 30))) == {"expired chain"}
    assert rules(by(ENDING, days=(-1, 59)), by(ENDING, days=(-31, 29))) == set()
    assert rules(by(ENDING), by(ENDING, days=(-20, 70))) == set(), "as the present one has it"
    found = violations(by(ENDING), by(ENDING, days=(-60, 30)), NOW, GateSettings())
    words = "to which it leads, expires on 2027-01-22T12:00:00Z, before the certificate"
    assert str(found[0]) == f"expired chain: CN=root of these days, {words}"


def test_what_is_no_certificate_or_key_says_so_and_never_what_it_was() -> None:
    with pytest.raises(Unparsable, match="no PEM certificate"):
        read_material(b"nonsense", b"nonsense")
    with pytest.raises(Unparsable) as failure:
        read_material(ROOT.pem, b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    assert "c2VjcmV0" not in str(failure.value)


def test_a_signature_that_cannot_be_verified_is_not_said_to_be_wrong() -> None:
    # A signature by RSA in the name of an authority whose key is another one's kind.
    impostor = Authority("issuing")
    impostor.key = KEYS["rsa2048"]
    found = {str(each) for each in violations(material(issuer=impostor, chain=[ISSUING]), OLD, NOW, GateSettings())}
    assert {each.partition(":")[0] for each in found} == {"not verified"}
    assert all("could not be verified (its signature algorithm is sha256WithRSAEncryption)" in each for each in found)
