# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""X.509 certificates as plain values. PRIVATE to the collection."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import typing as t
import warnings
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .._deps_tls import dsa, ec, ed448, ed25519, rsa, serialization, x509
from .._errors import RunbookError, phrase

_BLOCK = re.compile(rb"-----BEGIN ((?:X509 )?CERTIFICATE)-----.+?-----END \1-----", re.DOTALL)
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


class Unparsable(RunbookError):
    """What should be a certificate or a key is none that can be read."""


@dataclass(frozen=True)
class Certificate:
    """One certificate. Times are UTC, digests are SHA-256 in lower-case hex, names are as RFC 4514 writes them.

    ``key_type`` is RSA, EC, DSA, Ed25519, Ed448 or what the library calls it; ``signature_hash`` is empty where the
    algorithm has none of its own. ``loaded`` is the library's object.
    """

    fingerprint: str
    pem: str = field(repr=False)
    subject: str
    common_name: str
    issuer: str
    serial: str
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    uris: tuple[str, ...]
    emails: tuple[str, ...]
    key_type: str
    key_bits: int
    key_digest: str
    signature_hash: str
    not_before: datetime
    not_after: datetime
    is_ca: bool
    key_usage: tuple[str, ...]
    extended_key_usage: tuple[str, ...]
    loaded: t.Any = field(repr=False, compare=False)

    @property
    def lifetime(self) -> float:
        """Seconds from the first to the last moment of its validity."""
        return (self.not_after - self.not_before).total_seconds()

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer

    @property
    def names(self) -> tuple[str, ...]:
        """All subject alternative names, each with its kind, as in ``DNS:www.example.com``."""
        kinds = (("DNS", self.dns_names), ("IP", self.ip_addresses), ("URI", self.uris), ("email", self.emails))
        return tuple(f"{kind}:{name}" for kind, names in kinds for name in names)

    def remaining(self, now: datetime) -> float:
        """Seconds until it expires, negative afterwards."""
        return (self.not_after - now).total_seconds()

    def is_issued_by(self, issuer: Certificate) -> bool:
        """Tell whether the key of ``issuer`` has signed it."""
        try:
            self.loaded.verify_directly_issued_by(issuer.loaded)
        # A wrong name, a wrong signature, or a key that the library cannot verify with.
        except Exception:
            return False
        return True

    def to_plain(self) -> dict[str, t.Any]:
        """Return what a report says of it."""
        return {
            "fingerprint": self.fingerprint,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "names": list(self.names),
            "key": self.key,
            "not_before": moment_text(self.not_before),
            "not_after": moment_text(self.not_after),
        }

    @property
    def key(self) -> str:
        return f"{self.key_type} {self.key_bits}" if self.key_bits else self.key_type


def moment_text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_chain(pem: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM text in their order, at least one; raise Unparsable."""
    blocks = [found.group() for found in _BLOCK.finditer(pem)]
    if not blocks:
        raise Unparsable("there is no PEM certificate in it")
    return tuple(_parse(block) for block in blocks)


@functools.lru_cache(maxsize=4096)
def _parse(block: bytes) -> Certificate:
    try:
        # What the library deprecates of a certificate is the business of those who issued it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(x509.load_pem_x509_certificate(block), block)
    # The library raises whatever its parts raise: ValueError, TypeError, UnsupportedAlgorithm, DuplicateExtension, ...
    except Exception as exc:
        reason = " ".join(str(exc).split()) or type(exc).__name__
        raise Unparsable(f"the certificate cannot be read ({phrase(reason)})") from exc


def parse_der(der: bytes) -> Certificate:
    """Return a certificate as it goes over the wire; raise Unparsable."""
    text = base64.encodebytes(der)
    return _parse(b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----")


def _read(loaded: t.Any, block: bytes) -> Certificate:
    extensions = {extension.oid: extension.value for extension in loaded.extensions}
    names = extensions.get(x509.SubjectAlternativeName.oid)
    constraints = extensions.get(x509.BasicConstraints.oid)
    usage = extensions.get(x509.KeyUsage.oid)
    purposes = extensions.get(x509.ExtendedKeyUsage.oid)
    public_key = loaded.public_key()
    key_type, key_bits = _key(public_key)
    common_names = loaded.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)

    def of(kind: t.Any) -> tuple[str, ...]:
        return tuple(sorted(str(name) for name in names.get_values_for_type(kind))) if names else ()

    return Certificate(
        fingerprint=hashlib.sha256(loaded.public_bytes(serialization.Encoding.DER)).hexdigest(),
        pem=block.decode("ascii", "replace") + "\n",
        subject=loaded.subject.rfc4514_string(),
        common_name=str(common_names[0].value) if common_names else "",
        issuer=loaded.issuer.rfc4514_string(),
        serial=f"{loaded.serial_number:x}",
        dns_names=of(x509.DNSName),
        ip_addresses=of(x509.IPAddress),
        uris=of(x509.UniformResourceIdentifier),
        emails=of(x509.RFC822Name),
        key_type=key_type,
        key_bits=key_bits,
        key_digest=_digest(public_key),
        signature_hash=loaded.signature_hash_algorithm.name if loaded.signature_hash_algorithm else "",
        not_before=_utc(loaded.not_valid_before_utc),
        not_after=_utc(loaded.not_valid_after_utc),
        is_ca=bool(constraints and constraints.ca),
        key_usage=tuple(name for name in _USAGES if usage and getattr(usage, name)),
        extended_key_usage=tuple(sorted(_purpose(purpose) for purpose in purposes or ())),
        loaded=loaded,
    )


def key_digest(pem: bytes) -> str:
    """Return the digest of the public half of a private key, to compare with ``Certificate.key_digest``.

    Raises Unparsable. The numbers of an RSA key are not proven to be primes, which takes 18 ms and adds nothing here.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        return _digest(key.public_key())
    # As above; a message about a key is not repeated, whatever it holds.
    except Exception as exc:
        raise Unparsable(f"the private key cannot be read ({type(exc).__name__})") from None


def _digest(public_key: t.Any) -> str:
    spki = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _key(public_key: t.Any) -> tuple[str, int]:
    if isinstance(public_key, rsa.RSAPublicKey):
        return "RSA", public_key.key_size
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return "EC", public_key.key_size
    if isinstance(public_key, dsa.DSAPublicKey):
        return "DSA", public_key.key_size
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return "Ed25519", 0
    if isinstance(public_key, ed448.Ed448PublicKey):
        return "Ed448", 0
    return type(public_key).__name__.removesuffix("PublicKey"), 0


def _purpose(oid: t.Any) -> str:
    name = getattr(oid, "_name", "")
    return name if name and name != "Unknown OID" else str(oid.dotted_string)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
