# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a certificate says of itself is lost silently, whoever issues the next one."""

from __future__ import annotations

import datetime
import ipaddress
import json
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import Certificate, parse_chain
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.attributes import attributes
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry, read_catalogue
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.gate import (
    GateSettings,
    Material,
    advice,
    lost,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers import vault
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.cert_manager import (
    CertManager,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.vault_role import (
    foreseen,
    other_sans,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.target import Target

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc)
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
HOST = "web.example.com"
DEVICE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.840.99999.7"), b"\x04\x03abc")
USAGES = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)


def usage(*words: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{**USAGES, **dict.fromkeys(words, True)})


def purposes(*oids: x509.ObjectIdentifier) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(oids)


USUAL = (usage("digital_signature", "key_agreement"), purposes(SERVER, CLIENT))


def utf8(text: str) -> bytes:
    return bytes((0x0C, len(text.encode()))) + text.encode()


def name(*parts: tuple[Any, str]) -> x509.Name:
    # A common name that is too long is one that others make.
    return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in parts])


def leaf(
    *names: x509.GeneralName,
    subject: x509.Name | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
    key: Any = EC,
    days: float = 90,
) -> Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name((NameOID.COMMON_NAME, HOST)) if subject is None else subject)
        .issuer_name(name((NameOID.COMMON_NAME, "issuing")))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + (days - 1) * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST), *names]), critical=False)
    )
    given = {type(each) for each in extensions}
    for each in (*extensions, *(usual for usual in USUAL if type(usual) not in given)):
        builder = builder.add_extension(each, critical=False)
    signed = builder.sign(EC, hashes.SHA256())
    (parsed,) = parse_chain(signed.public_bytes(Encoding.PEM))
    return parsed


OPEN_ROLE: dict[str, Any] = {
    "allow_any_name": True,
    "allow_ip_sans": True,
    "allowed_uri_sans": ["*"],
    "allowed_other_sans": ["*"],
    "allowed_serial_numbers": ["*"],
    "allowed_user_ids": ["*"],
    "allow_wildcard_certificates": True,
    "key_type": "any",
    "require_cn": False,
    "server_flag": True,
    "client_flag": True,
    "key_usage": ["DigitalSignature", "KeyAgreement", "KeyEncipherment"],
    "policy_identifiers": ["1.2.3.4"],
    "organization": ["Example"],
    "country": ["DE"],
}
OPEN_SPEC: dict[str, Any] = {
    "commonName": HOST,
    "dnsNames": [HOST],
    "ipAddresses": ["10.0.0.1", "2001:DB8::1"],
    "uris": ["spiffe://example.com/web"],
    "emailAddresses": ["ops@example.com"],
    "otherNames": [{"oid": UPN.dotted_string, "utf8Value": "web@corp.example"}],
    "subject": {"organizations": ["Example"], "countries": ["DE"], "serialNumber": "17"},
    "usages": ["digital signature", "key agreement", "server auth", "client auth"],
    "privateKey": {"algorithm": "ECDSA"},
}
STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])
POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)])
DISTRIBUTION = x509.CRLDistributionPoints(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example.com/1")], None, None, None)]
)
INFORMATION = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example.com")
        )
    ]
)


AUTHORITY_KEY = x509.AuthorityKeyIdentifier.from_issuer_public_key(EC.public_key())


def extended(extension: x509.ExtensionType) -> dict[str, Any]:
    return {"extensions": [extension]}


def with_subject(*parts: tuple[Any, str]) -> dict[str, Any]:
    return {"subject": name((NameOID.COMMON_NAME, HOST), *parts)}


# Of each attribute: the words for it, what a role and a spec have to be without so that it is lost, and whether an open
# role and an open spec keep it.
TABLE: list[tuple[str, list[Any], dict[str, Any], str, bool, bool]] = [
    ("dns", [x509.DNSName("*.example.com")], {}, "DNS:*.example.com", True, False),
    ("ip", [x509.IPAddress(ipaddress.ip_address("10.0.0.1"))], {}, "IP:10.0.0.1", True, True),
    ("ip6", [x509.IPAddress(ipaddress.ip_address("2001:db8::1"))], {}, "IP:2001:db8::1", True, True),
    ("uri", [x509.UniformResourceIdentifier("spiffe://example.com/web")], {}, "URI:spiffe", True, True),
    ("mail", [x509.RFC822Name("ops@example.com")], {}, "email:ops@example.com", True, True),
    ("upn", [x509.OtherName(UPN, utf8("web@corp.example"))], {}, f"otherName:{UPN.dotted_string}", True, True),
    ("otherName of another type", [x509.OtherName(UPN, b"\x16\x03abc")], {}, "DER:1603616263", False, False),
    ("directory name", [x509.DirectoryName(name((NameOID.COMMON_NAME, "a b")))], {}, "dirName:CN=a b", False, False),
    ("registered id", [x509.RegisteredID(x509.ObjectIdentifier("1.2.3.9"))], {}, "RID:1.2.3.9", False, False),
    ("organisation", [], with_subject((NameOID.ORGANIZATION_NAME, "Example")), "O=Example", True, True),
    ("comma", [], with_subject((NameOID.ORGANIZATION_NAME, "Else, Inc")), r"O=Else\, Inc", False, False),
    ("country", [], with_subject((NameOID.COUNTRY_NAME, "DE")), "C=DE", True, True),
    ("unit", [], with_subject((NameOID.ORGANIZATIONAL_UNIT_NAME, "ops")), "OU=ops", False, False),
    ("serial number", [], with_subject((NameOID.SERIAL_NUMBER, "17")), "17", True, True),
    ("user id", [], with_subject((NameOID.USER_ID, "web")), "UID=web", True, False),
    ("domain component", [], with_subject((NameOID.DOMAIN_COMPONENT, "corp")), "DC=corp", False, False),
    ("server", [], extended(purposes(SERVER)), "serverAuth", True, True),
    ("mail usage", [], extended(purposes(ExtendedKeyUsageOID.EMAIL_PROTECTION)), "emailProtection", False, False),
    ("own purpose", [], extended(purposes(x509.ObjectIdentifier("1.2.3.7"))), "1.2.3.7", False, False),
    ("signature", [], extended(usage("digital_signature")), "digital_signature", True, True),
    ("commitment", [], extended(usage("content_commitment")), "content_commitment", False, False),
    ("encipher only", [], extended(usage("key_agreement", "encipher_only")), "encipher_only", False, False),
    ("must staple", [], extended(STAPLE), "TLSFeature", False, False),
    ("extension of its own", [], extended(DEVICE), "1.2.840.99999.7", False, False),
    ("policy", [], extended(POLICY), "certificatePolicies", True, True),
    ("revocation list", [], extended(DISTRIBUTION), "cRLDistributionPoints", True, True),
    ("responder", [], extended(INFORMATION), "authorityInfoAccess", True, True),
    ("key of the authority", [], extended(AUTHORITY_KEY), "authorityKeyIdentifier", True, True),
]  # fmt: skip
EACH = [pytest.param(*row[1:], id=row[0]) for row in TABLE]


@pytest.mark.parametrize(("names", "about", "words", "by_vault", "by_spec"), EACH)
def test_what_is_lost_is_refused_by_the_gate_and_by_name(
    names: Any, about: dict[str, Any], words: str, by_vault: bool, by_spec: bool
) -> None:
    old, plain = leaf(*names, **about), leaf(extensions=_nothing(about))
    found = lost(attributes(plain), old, GateSettings())
    assert len(found) == 1 and words in str(found[0])
    assert lost(attributes(leaf(*names, **about)), old, GateSettings()) == []
    # What the advice names lets it through, and nothing else is advised.
    repair, _or, allow = advice(found, "repair").partition(", or accept that with ")
    option, _equals, value = allow.partition("=")
    if allow:
        assert lost(attributes(plain), old, GateSettings(**{option[2:-1]: tuple(json.loads(value))})) == []
    else:
        assert found[0].rule in ("lost identity", "wrong usage") and repair == "repair"


def _nothing(about: dict[str, Any]) -> list[Any]:
    """Return other usages in the place of those that are to be lost, since none at all allow everything."""
    (present,) = about.get("extensions") or [None]
    other = {
        x509.KeyUsage: usage("data_encipherment", "key_agreement"),
        x509.ExtendedKeyUsage: purposes(ExtendedKeyUsageOID.OCSP_SIGNING),
    }
    return [other[type(present)]] if type(present) in other else []


@pytest.mark.parametrize(("names", "about", "words", "by_vault", "by_spec"), EACH)
def test_the_plan_knows_what_a_role_of_vault_would_lose(
    names: Any, about: dict[str, Any], words: str, by_vault: bool, by_spec: bool
) -> None:
    problems = by_role(leaf(*names, **about), OPEN_ROLE)
    assert bool(problems) is not by_vault, problems
    assert all(words in each for each in problems)


@pytest.mark.parametrize(("names", "about", "words", "by_vault", "by_spec"), EACH)
def test_the_plan_knows_what_a_certificate_of_cert_manager_would_lose(
    names: Any, about: dict[str, Any], words: str, by_vault: bool, by_spec: bool
) -> None:
    problems = by_certificate(leaf(*names, **about), OPEN_SPEC)
    assert bool(problems) is not by_spec, problems
    assert all(words in each for each in problems)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"privateKey": {"algorithm": "RSA"}}, "weaker key: its key is RSA 2048, the present one is EC 256"),
        ({"duration": "240h30m"}, "shorter life: it lives 10 days, 0:30:00, the present one 90 days"),
        ({"commonName": "other.example.com"}, "lost identity: its common name is other.example.com"),
        ({"literalSubject": f"CN={HOST},O=Example"}, ""),
        ({"literalSubject": "CN=else"}, "lost identity: its common name is else"),
        ({"usages": ["digital signature", "key agreement"]}, ""),
        ({"usages": [*OPEN_SPEC["usages"], "microsoft sgc", "netscape sgc"]}, ""),
        ({"isCA": True}, "wrong usage: it is an authority's certificate"),
        ({"literalSubject": f"SERIALNUMBER=17,CN={HOST}"}, ""),
        # What is not understood is no claim.
        ({"literalSubject": f"unknown=x,CN={HOST}"}, ""),
    ],
)
def test_what_the_spec_of_a_certificate_would_make_is_compared(change: dict[str, Any], said: str) -> None:
    problems = by_certificate(leaf(), {**OPEN_SPEC, **change})
    assert bool(problems) is bool(said) and all(said in each for each in problems), problems


def target(old: Certificate, **more: Any) -> Target:
    material, entry = Material((old,), "key"), Entry("web", "web-tls", common_name=more.pop("common_name", ""))
    return Target(entry, "any", {}, material, material, more.get("certificate"))


class Nothing:
    skew = 0.0


def by_role(old: Certificate, role: dict[str, Any], *, ttl: str = "8760h", **more: Any) -> list[str]:
    nothing: Any = Nothing()
    places = vault.VaultPlaces(ttl=ttl)
    issuer = vault.VaultIssuer(nothing, nothing, "shop", places, more.pop("gate", GateSettings()), "")
    return [*issuer._examine(target(old, **more), vault.Examination(), role, ()).problems]


def by_certificate(old: Certificate, spec: dict[str, Any], issuer: dict[str, Any] | None = None) -> list[str]:
    nothing: Any = Nothing()
    found = {"metadata": {"name": "web"}, "spec": spec}
    manager = CertManager(nothing, "shop", GateSettings(), 60)
    return manager._foreseen_losses(target(old, certificate=found), spec, issuer)


@pytest.mark.parametrize(
    ("extension", "issuer", "is_kept"),
    [
        (POLICY, {"ca": {"secretName": "ca"}}, False),
        (DISTRIBUTION, {"ca": {"secretName": "ca"}}, False),
        (DISTRIBUTION, {"ca": {"secretName": "ca", "crlDistributionPoints": ["http://crl"]}}, True),
        (DISTRIBUTION, {"selfSigned": {"crlDistributionPoints": ["http://crl"]}}, True),
        (INFORMATION, {"ca": {"secretName": "ca", "crlDistributionPoints": ["http://crl"]}}, False),
        (INFORMATION, {"ca": {"secretName": "ca", "ocspServers": ["http://ocsp"]}}, True),
        (INFORMATION, {"ca": {"secretName": "ca", "issuingCertificateURLs": ["http://ca"]}}, True),
        (INFORMATION, {"selfSigned": {}}, False),
        (AUTHORITY_KEY, {"ca": {"secretName": "ca"}}, True),
        (AUTHORITY_KEY, {"selfSigned": {}}, False),
    ],
)
def test_what_an_issuer_adds_by_its_spec(extension: Any, issuer: dict[str, Any], is_kept: bool) -> None:
    problems = by_certificate(leaf(extensions=[extension]), OPEN_SPEC, issuer)
    assert bool(problems) is not is_kept, problems
    assert all("lost extension" in each for each in problems)


def test_an_issuer_of_cert_manager_itself_makes_no_name_of_the_common_name() -> None:
    spec = {**OPEN_SPEC, "dnsNames": ["other.example.com"]}
    assert by_certificate(leaf(), spec) == [], "some issuers do"
    (problem,) = by_certificate(leaf(), spec, {"ca": {"secretName": "ca"}})
    assert f"lost name: it lacks DNS:{HOST}" in problem


UPN_NAME = x509.OtherName(UPN, utf8("web@corp.example"))


@pytest.mark.parametrize(
    ("old", "role", "said"),
    [
        (leaf(), {"key_type": "rsa"}, "its key_type is rsa, and the key is EC"),
        (leaf(key=RSA), {"key_type": "rsa", "key_bits": 4096}, "its key_bits are 4096, and the key has 2048"),
        (leaf(key=ed448.Ed448PrivateKey.generate()), {}, "no requests with a key of the kind Ed448"),
        (leaf(), {"allow_any_name": False, "allowed_domains": ["example.com"]}, f"do not allow {HOST}"),
        (leaf(), {"allow_any_name": False, "allowed_domains": ["le.com"], "allow_subdomains": True}, "allowed_domains"),
        (leaf(x509.DNSName("*.example.com")), {"allow_wildcard_certificates": False}, "do not allow *.example.com"),
        (leaf(x509.DNSName("a_b")), {"enforce_hostnames": True}, "do not allow a_b"),
        (leaf(x509.IPAddress(ipaddress.ip_address("10.0.0.1"))), {"allow_ip_sans": False}, "allow_ip_sans"),
        (
            leaf(x509.IPAddress(ipaddress.ip_address("10.0.0.1"))),
            {"allowed_ip_sans_cidr": ["192.168.0.0/16"]},
            "allowed_ip_sans_cidr does not allow 10.0.0.1",
        ),
        (leaf(x509.UniformResourceIdentifier("spiffe://a/b")), {"allowed_uri_sans": []}, "allowed_uri_sans"),
        (leaf(UPN_NAME), {"allowed_other_sans": []}, f"allowed_other_sans does not allow {UPN.dotted_string};UTF8:web"),
        (leaf(UPN_NAME), {"allowed_other_sans": [f"{UPN.dotted_string};UTF8:*@else"]}, "allowed_other_sans"),
        (leaf(**with_subject((NameOID.SERIAL_NUMBER, "17"))), {"allowed_serial_numbers": []}, "allow 17"),
        (leaf(**with_subject((NameOID.USER_ID, "web"))), {"allowed_user_ids": ["db"]}, "allow web"),
        (leaf(subject=name()), {"require_cn": True}, "require_cn demands a common name"),
        (leaf(days=365), {"max_ttl": 86400}, "shorter life"),
        (leaf(), {"not_after": "9999-12-31T23:59:59Z"}, "its not_after is set"),
    ],
)  # fmt: skip
def test_what_a_role_does_not_let_through_is_refused_in_the_plan(old: Certificate, role: Any, said: str) -> None:
    (problem,) = by_role(old, {**OPEN_ROLE, **role})
    assert said in problem and problem.endswith(".")


@pytest.mark.parametrize(
    ("old", "role"),
    [
        (leaf(), {"allow_any_name": False, "allowed_domains": ["example.com"], "allow_subdomains": True}),
        (leaf(), {"allow_any_name": False, "allowed_domains": [HOST], "allow_bare_domains": True}),
        (leaf(), {"allow_any_name": False, "allowed_domains": ["*.example.*"], "allow_glob_domains": True}),
        (leaf(), {"allow_any_name": False, "allowed_domains": ["{{identity}}"], "allowed_domains_template": True}),
        (leaf(UPN_NAME), {"allowed_other_sans": [f"{UPN.dotted_string};UTF-8:web@*"]}),
        (leaf(), {"key_type": "ec", "key_bits": 256}),
        (leaf(key=ed25519.Ed25519PrivateKey.generate()), {"key_type": "ed25519"}),
        (leaf(subject=name()), {}),
        (leaf(days=365), {"max_ttl": 365 * 86400}),
    ],
)
def test_what_a_role_allows_is_planned(old: Certificate, role: Any) -> None:
    assert by_role(old, {**OPEN_ROLE, **role}) == []


def test_the_life_that_is_asked_for_has_to_be_long_enough_or_accepted() -> None:
    (problem,) = by_role(leaf(days=90), OPEN_ROLE, ttl="24h")
    assert "shorter life: it lives 1 day" in problem and "O(max_lifetime_loss)=0.99" in problem
    assert by_role(leaf(days=90), OPEN_ROLE, ttl="24h", gate=GateSettings(max_lifetime_loss=0.99)) == []


OTHER_POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.5"), None)])
CONSTRAINTS = x509.NameConstraints([x509.DNSName("example.com")], None)
OTHER_CONSTRAINTS = x509.NameConstraints([x509.DNSName("example.org")], None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (POLICY, OTHER_POLICY),
        (CONSTRAINTS, OTHER_CONSTRAINTS),
        (x509.MSCertificateTemplate(UPN, 1, 2), x509.MSCertificateTemplate(UPN, 1, 3)),
        (x509.InhibitAnyPolicy(1), x509.InhibitAnyPolicy(2)),
        (STAPLE, x509.TLSFeature([x509.TLSFeatureType.status_request_v2])),
    ],
)
def test_another_value_of_an_extension_is_a_loss(old: x509.ExtensionType, new: x509.ExtensionType) -> None:
    (found,) = lost(attributes(leaf(extensions=[new])), leaf(extensions=[old]), GateSettings())
    assert "has another value" in str(found)
    assert lost(attributes(leaf(extensions=[old])), leaf(extensions=[old]), GateSettings()) == []


def test_what_moves_with_the_dates_is_no_loss() -> None:
    # By its bytes, since only newer versions of the library can make it: a sequence with the time of its beginning.
    dates = [b"\x30\x11\x80\x0f%b" % day for day in (b"20260101000000Z", b"20260201000000Z")]
    periods = [x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.16"), date) for date in dates]
    assert lost(attributes(leaf(extensions=periods[:1])), leaf(extensions=periods[1:]), GateSettings()) == []


@pytest.mark.parametrize(
    ("policies", "is_kept"),
    [
        (["1.2.3.4"], True),
        (["1.2.3.9", "1.2.3.4"], True),
        (['[{"oid": "1.2.3.4", "cps": "https://example.com"}]'], True),
        (['{"oid": "1.2.3.4"}'], True),
        (["1.2.3.5"], False),
        ([], False),
    ],
)
def test_the_policies_of_a_role_are_compared(policies: list[str], is_kept: bool) -> None:
    problems = by_role(leaf(extensions=[POLICY]), {**OPEN_ROLE, "policy_identifiers": policies})
    assert bool(problems) is not is_kept
    assert all("certificatePolicies" in each for each in problems)


LONG = f"{'a' * 60}.example.com"


@pytest.mark.parametrize(
    ("subject", "wanted", "common_name"),
    [
        (name(), "", ""),
        (name((NameOID.COMMON_NAME, LONG)), "", LONG),
        (name((NameOID.COMMON_NAME, HOST), (NameOID.ORGANIZATION_NAME, "Example")), "", HOST),
        (name((NameOID.COMMON_NAME, HOST)), "other.example.com", "other.example.com"),
        (name(), "new.example.com", "new.example.com"),
    ],
    ids=["empty", "too long", "with an organisation", "another", "a first one"],
)
def test_the_subject_stays_as_it_is_unless_another_common_name_is_asked_for(
    subject: x509.Name, wanted: str, common_name: str
) -> None:
    old = leaf(UPN_NAME, subject=subject)
    asked = vault._common_name(target(old, common_name=wanted))
    request = x509.load_pem_x509_csr(vault._signing_request(EC, old, asked).encode())
    found = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [each.value for each in found] == ([common_name] if common_name else [])
    if not wanted:
        assert request.subject == subject
    # The other name is asked for beside the request, or it would be there twice.
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [each.value for each in names] == [HOST]
    assert other_sans(old) == [f"{UPN.dotted_string};UTF8:web@corp.example"]
    settings = GateSettings(common_name=wanted)
    assert lost(foreseen(OPEN_ROLE, old, asked), old, settings) == []


def test_a_common_name_that_nobody_asked_for_is_refused() -> None:
    (found,) = lost(attributes(leaf()), leaf(subject=name()), GateSettings())
    assert str(found) == f"lost identity: its common name is {HOST}, not empty"
    assert lost(attributes(leaf()), leaf(subject=name()), GateSettings(common_name=HOST)) == []


@pytest.mark.parametrize("text", ["a" * 65, LONG])
def test_a_common_name_of_the_catalogue_that_no_certificate_can_have_is_refused(text: str) -> None:
    entry = {"name": "web", "secret_name": "web-tls", "common_name": "a" * 64}
    assert read_catalogue([entry])[0].common_name == "a" * 64
    with pytest.raises(InvalidInput, match=f"has {len(text)} characters; allowed are 64"):
        read_catalogue([{**entry, "common_name": text}])


def test_a_present_key_that_nobody_can_make_again_is_refused_in_the_plan() -> None:
    (problem,) = by_role(leaf(key=ec.generate_private_key(ec.SECP224R1())), OPEN_ROLE)
    assert "A key like the present one (EC 224) cannot be made" in problem
