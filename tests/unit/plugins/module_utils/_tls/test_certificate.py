# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read of certificates, and of what can only be read in part."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import (
    Unparsable,
    key_digest,
    parse_chain,
    parse_der,
    read_pem,
)
from support.forge import NOW, SAN, block, common_name, forge, oid, sequence, tlv

ROOT = forge("root", ca=True, days=3650)
WEB = forge("web.example.com", signer=ROOT)
UNKNOWN_KEY = sequence(sequence(oid("2b0601040182371501")), tlv(0x03, b"\x00" + b"\x01" * 32))
UNKNOWN_ALGORITHM = sequence(oid("2b0601040182371502"))


def broken(days: float = 365) -> bytes:
    """A certificate whose serial number has a zero too many, which the library refuses as a whole."""
    return forge("web.example.com", signer=ROOT, days=days, serial=tlv(2, b"\0\0\5")).der


def test_the_blocks_of_a_text() -> None:
    trusted = block("TRUSTED CERTIFICATE", WEB.der + sequence(sequence(oid("2b06010505070301"))))
    text = f"hello\n{WEB.pem}{trusted}{WEB.key_pem}{block('CERTIFICATE', broken())}{WEB.pem[:99]}"
    parts = read_pem(text.replace("\n", "\r\n").encode())
    assert [part.label for part in parts] == [
        "CERTIFICATE",
        "TRUSTED CERTIFICATE",
        "PRIVATE KEY",
        "CERTIFICATE",
        "CERTIFICATE",
    ]
    first, second, key, unreadable, cut = parts
    assert first.certificate is not None
    assert first.certificate == second.certificate == parse_der(WEB.der)
    assert (key.certificate, key.problem) == (None, "")
    assert unreadable.problem.startswith("the certificate cannot be read (")
    assert unreadable.outline is not None
    assert (unreadable.outline.serial, unreadable.outline.not_after) == (5, NOW + timedelta(days=355))
    assert (cut.problem, cut.outline) == ("the block CERTIFICATE has no end", None)


def test_a_chain_is_read_as_a_whole_or_not_at_all() -> None:
    assert [each.subject for each in parse_chain((WEB.pem + ROOT.pem).encode())] == ["CN=web.example.com", "CN=root"]
    for text, words in (
        ("", "there is no PEM certificate in it"),
        (WEB.key_pem, "there is no PEM certificate in it"),
        (WEB.pem + block("CERTIFICATE", broken()), "cannot be read"),
        (WEB.pem + ROOT.pem[:99], "has no end"),
        (forge("x", public_key=UNKNOWN_KEY).pem, "its public key cannot be read"),
        (forge("x", twice=SAN).pem, "its extensions cannot be read"),
    ):
        with pytest.raises(Unparsable, match=words):
            parse_chain(text.encode())


def test_the_rest_of_what_can_only_be_read_in_part() -> None:
    found = parse_der(forge("x", twice=SAN).der)
    assert (found.subject, found.dns_names, found.extensions_unread) == ("CN=x", (), True)
    found = parse_der(forge("x", public_key=UNKNOWN_KEY).der)
    # Releases of the library before 43 do not tell the algorithm of a key that they cannot read.
    known = "1.3.6.1.4.1.311.21.1" if hasattr(x509.Certificate, "public_key_algorithm_oid") else "unknown"
    assert (found.key_type, found.key_bits, found.dns_names) == (known, 0, ("x",))
    assert len(found.key_digest) == 64


def test_who_has_signed_it() -> None:
    root, other = parse_der(ROOT.der), parse_der(forge("root", ca=True, key="ec SECP256R1 other").der)
    assert parse_der(WEB.der).verify_issuer(root) is True
    assert parse_der(WEB.der).verify_issuer(other) is False, "the same name, another key"
    assert parse_der(WEB.der).verify_issuer(parse_der(WEB.der)) is False
    unknown = forge("x", signer=ROOT, inner=UNKNOWN_ALGORITHM, outer=UNKNOWN_ALGORITHM)
    assert parse_der(unknown.der).verify_issuer(root) is None, "which nobody can tell here"
    assert not parse_der(unknown.der).is_issued_by(root)


@pytest.mark.parametrize("kind", ["rsa 2048", "ec SECP384R1", "ed25519", "ed448", "dsa"])
def test_signatures_of_all_kinds(kind: str) -> None:
    root = forge("root", ca=True, key=kind)
    leaf = forge("x", signer=root)
    assert parse_der(leaf.der).verify_issuer(parse_der(root.der)) is True
    assert parse_der(leaf.broken_signature().der).verify_issuer(parse_der(root.der)) is False


@pytest.mark.parametrize("issuer", [common_name("root", 0x13), common_name("ROOT")])
def test_names_are_compared_as_openssl_does(issuer: bytes) -> None:
    assert parse_der(forge("x", signer=ROOT, issuer=issuer).der).verify_issuer(parse_der(ROOT.der)) is True


def test_private_keys_say_why_they_cannot_be_read() -> None:
    assert key_digest(WEB.key_pem.encode()) == parse_der(WEB.der).key_digest
    with pytest.raises(Unparsable, match="the private key is encrypted with a passphrase"):
        key_digest(WEB.encrypted_key_pem.encode())
    with pytest.raises(Unparsable, match="the private key cannot be read"):
        key_digest(block("PRIVATE KEY", b"abc").encode())


def test_it_is_written_as_the_library_does() -> None:
    loaded = x509.load_der_x509_certificate(WEB.der)
    assert parse_der(WEB.der).pem == loaded.public_bytes(Encoding.PEM).decode()
