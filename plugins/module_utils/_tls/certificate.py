# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""X.509 certificates as plain values. PRIVATE to the collection."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import re
import typing as t
import warnings
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .._deps_tls import dsa, ec, ed448, ed25519, exceptions, rsa, serialization, x509
from .._errors import RunbookError, as_clause
from .._time import rfc3339
from .der import Outline, first_element, outline, utf8_text

# Also what was meant to begin a block; OpenSSL and Go pass over what is not exactly that.
_BEGIN = re.compile(rb"-{2,5} ?BEGIN ([^-\r\n]*)-{2,5}", re.IGNORECASE)
_HEADERS = re.compile(rb"\s*(?:[!-9;-~]+:[^\n]*\n)+\s*\n")
_EMPTY_LINE = re.compile(rb"[^\s][ \t\r]*\n[ \t\r]*\n\s*[^\s]")
_EMPTY_LAST_LINE = re.compile(rb"\n[ \t\r]*\n\Z")
_REST_OF_LINE = re.compile(rb"[ \t\r]*(?:\n|\Z)")
_MARK = b"\xef\xbb\xbf"
# OpenSSL alone reads the last two; behind a trusted one stand the uses that it is trusted for.
PLAIN_LABEL = "CERTIFICATE"
LABELS = (PLAIN_LABEL, "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
# Of these, the library tells nothing without the first.
_AGREEMENT, _AGREEMENT_USAGES = "key_agreement", ("encipher_only", "decipher_only")


class Unparsable(RunbookError):
    """What should be a certificate or a key is none that can be read; the message is a part of a sentence.

    ``outline`` is what can be told of it all the same.
    """

    outline: Outline | None = None


@dataclass(frozen=True)
class Certificate:
    """One certificate. Times are UTC, digests are SHA-256 in lower-case hex, names are as RFC 4514 writes them.

    ``other_names`` are those of kinds that clients of TLS do not look for, each with its kind.
    ``key_type`` is RSA, EC, DSA, Ed25519, Ed448, what the library calls it, or the OID of one that it does not know;
    ``signature_hash`` is empty where the algorithm has none of its own. ``unread`` says which parts could not be read,
    so that nothing may be concluded from their being empty. ``loaded`` and the ``extensions`` by their OID are the
    library's objects.
    """

    fingerprint: str
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
    extensions: t.Mapping[t.Any, t.Any] = field(repr=False, compare=False)
    unread: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()

    @property
    def lifetime(self) -> float:
        """Seconds from the first to the last moment of its validity."""
        return (self.not_after - self.not_before).total_seconds()

    @property
    def self_issued(self) -> bool:
        return same_name(self.subject, self.issuer)

    @property
    def names(self) -> tuple[str, ...]:
        """All subject alternative names, each with its kind, as in ``DNS:www.example.com``."""
        kinds = (("DNS", self.dns_names), ("IP", self.ip_addresses), ("URI", self.uris), ("email", self.emails))
        return (*(f"{kind}:{name}" for kind, names in kinds for name in names), *self.other_names)

    @property
    def title(self) -> str:
        """What sentences call it: its subject or, where that is empty, its serial number."""
        return self.subject or f"the certificate with the serial number {self.serial}"

    @property
    def signature_algorithm(self) -> str:
        return oid_name(self.loaded.signature_algorithm_oid)

    @property
    def is_root(self) -> bool:
        """Whether it is signed with its own key, as far as that can be verified."""
        return self.self_issued and self.verify_issuer(self) is not False

    @property
    def extensions_unread(self) -> bool:
        return any("extensions" in text for text in self.unread)

    @property
    def pem(self) -> str:
        return str(self.loaded.public_bytes(serialization.Encoding.PEM).decode())

    def extension(self, kind: t.Any) -> t.Any:
        """Return the library's object of an extension with its value, or None where there is none that can be read."""
        return self.extensions.get(kind.oid)

    def remaining(self, now: datetime) -> float:
        """Seconds until it expires, negative afterwards."""
        return (self.not_after - now).total_seconds()

    def is_issued_by(self, issuer: Certificate) -> bool:
        """Tell whether the key of ``issuer`` has signed it; what cannot be verified counts as not."""
        return bool(self.verify_issuer(issuer))

    def verify_issuer(self, issuer: Certificate) -> bool | None:
        """Tell whether the key of ``issuer`` has signed it, None if the library cannot verify such a signature."""
        if not same_name(self.issuer, issuer.subject):
            return False
        return _verify(_Signed(self.fingerprint, issuer.fingerprint, self.loaded, issuer.loaded))

    def to_plain(self) -> dict[str, t.Any]:
        """Return what a report says of it."""
        return {
            "fingerprint": self.fingerprint,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "names": list(self.names),
            "key": self.key,
            "not_before": rfc3339(self.not_before),
            "not_after": rfc3339(self.not_after),
        }

    @property
    def key(self) -> str:
        return f"{self.key_type} {self.key_bits}" if self.key_bits else self.key_type


class Part(t.NamedTuple):
    """One block of a PEM text: a certificate, one that cannot be read and why, or something else, by its label.

    ``form`` says what keeps others from reading it although we do; ``outline`` is what can be told of a certificate
    that cannot be read.
    """

    label: str
    certificate: Certificate | None = None
    problem: str = ""
    form: str = ""
    outline: Outline | None = None


def read_pem(pem: bytes) -> tuple[Part, ...]:
    """Return the blocks of a PEM text in their order, whatever they are."""
    begins = list(_BEGIN.finditer(pem))
    limits = [each.start() for each in begins[1:]] + [len(pem)]
    return tuple(_part(pem, begin, limit) for begin, limit in zip(begins, limits))


def _part(pem: bytes, begin: re.Match[bytes], limit: int) -> Part:
    written = begin.group(1).decode("ascii", "replace")
    label = written.strip().upper()
    if begin.group() != f"-----BEGIN {label}-----".encode():
        return Part(label, problem=f"the line that begins the block {label} is not written as one")
    end = f"-----END {label}-----".encode()
    at = pem.find(end, begin.end(), limit)
    if at < 0:
        return Part(label, problem=f"the block {label} has no end")
    body = pem[begin.end() : at]
    form = _form(pem, begin.start(), body, at + len(end))
    if label not in LABELS:
        return Part(label, form=form)
    headers = _HEADERS.match(body)
    body = body[headers.end() :] if headers else body
    try:
        return Part(label, _parse(label, b"".join(body.split())), form=form)
    except Unparsable as exc:
        with contextlib.suppress(ValueError):
            return Part(label, problem=str(exc), form=form, outline=outline(base64.b64decode(body)))
        return Part(label, problem=str(exc), form=form)


def _form(pem: bytes, start: int, body: bytes, end: int) -> str:
    if pem[:start] == _MARK:
        return "stands behind a byte order mark"
    if start and pem[start - 1 : start] != b"\n":
        return "does not begin at the start of a line"
    if b"\n" not in body or not _REST_OF_LINE.match(body):
        return "has something else in the line that begins it"
    if not body.endswith(b"\n"):
        return "does not end with a line of its own"
    if not _REST_OF_LINE.match(pem, end):
        return "has something else in the line that ends it"
    if _EMPTY_LAST_LINE.search(body):
        return "has an empty line before its end"
    # As many words as lines: the usual case, told without looking at each line.
    text = body.strip()
    if len(text.split()) == text.count(b"\n") + 1:
        return ""
    return "has an empty line inside" if b":" not in body and _EMPTY_LINE.search(body) else ""


def parse_chain(pem: bytes) -> tuple[Certificate, ...]:
    """Return the certificates of a PEM text in their order, each read as a whole, at least one; raise Unparsable."""
    parts = [part for part in read_pem(pem) if part.label in LABELS]
    if not parts:
        raise Unparsable("there is no PEM certificate in it")
    for part in parts:
        unread = part.certificate.unread if part.certificate else (part.problem,)
        if unread:
            raise Unparsable(unread[0])
    return tuple(part.certificate for part in parts if part.certificate)


@functools.lru_cache(maxsize=4096)
def _parse(label: str, body: bytes) -> Certificate:
    try:
        der = base64.b64decode(body, validate=True)
        if label != PLAIN_LABEL:
            der = first_element(der)
        # What the library deprecates of a certificate is the business of those who issued it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(x509.load_der_x509_certificate(der), der)
    # The library raises whatever its parts raise: ValueError, TypeError, UnsupportedAlgorithm, DuplicateExtension, ...
    except Exception as exc:
        raise Unparsable(f"the certificate cannot be read ({_reason(exc)})") from exc


def parse_der(der: bytes) -> Certificate:
    """Return a certificate as it goes over the wire; raise Unparsable."""
    return _parse(PLAIN_LABEL, base64.b64encode(der))


def _read(loaded: t.Any, der: bytes) -> Certificate:
    unread: list[str] = []
    try:
        extensions = {extension.oid: extension for extension in loaded.extensions}
    # A duplicate, or one in another form than its standard has.
    except Exception as exc:
        extensions = {}
        unread.append(f"its extensions cannot be read ({_reason(exc)})")
    try:
        public_key = loaded.public_key()
        key_type, key_bits, digest = *_key(public_key), _digest(public_key)
    except Exception as exc:
        found = outline(der)
        # Since cryptography 43.
        key_type, key_bits = getattr(getattr(loaded, "public_key_algorithm_oid", None), "dotted_string", "unknown"), 0
        digest = hashlib.sha256(found.public_key).hexdigest() if found else ""
        unread.append(f"its public key cannot be read ({_reason(exc)})")
    try:
        signature_hash = loaded.signature_hash_algorithm.name if loaded.signature_hash_algorithm else ""
    except Exception:
        signature_hash = ""
        unread.append(f"its signature algorithm {loaded.signature_algorithm_oid.dotted_string} is not known")
    names, constraints, usage, purposes = (
        extensions[kind.oid].value if kind.oid in extensions else None
        for kind in (x509.SubjectAlternativeName, x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
    )
    common_names = loaded.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)

    def of(kind: t.Any) -> tuple[str, ...]:
        return tuple(sorted(str(name) for name in names.get_values_for_type(kind))) if names else ()

    return Certificate(
        fingerprint=hashlib.sha256(der).hexdigest(),
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
        key_digest=digest,
        signature_hash=signature_hash,
        not_before=_utc(loaded.not_valid_before_utc),
        not_after=_utc(loaded.not_valid_after_utc),
        is_ca=bool(constraints and constraints.ca),
        key_usage=_key_usage(usage),
        extended_key_usage=tuple(sorted(oid_name(purpose) for purpose in purposes or ())),
        loaded=loaded,
        extensions=extensions,
        unread=tuple(unread),
        other_names=tuple(sorted(filter(None, map(_other_name, names or ())))),
    )


def _key_usage(usage: t.Any) -> tuple[str, ...]:
    if usage is None:
        return ()
    known = (*_USAGES, *(_AGREEMENT_USAGES if getattr(usage, _AGREEMENT) else ()))
    return tuple(name for name in known if getattr(usage, name))


def _other_name(name: t.Any) -> str:
    """Return a name of a kind that has no field of its own, as in ``otherName:OID;UTF8:text``; empty for the others."""
    if isinstance(name, x509.OtherName):
        text = utf8_text(name.value)
        value = f"DER:{name.value.hex()}" if text is None else f"UTF8:{text}"
        return f"otherName:{name.type_id.dotted_string};{value}"
    if isinstance(name, x509.DirectoryName):
        return f"dirName:{name.value.rfc4514_string()}"
    if isinstance(name, x509.RegisteredID):
        return f"RID:{name.value.dotted_string}"
    return ""


class _Signed:
    """A certificate and who may have signed it, told apart by their fingerprints."""

    __slots__ = ("_key", "certificate", "issuer")

    def __init__(self, fingerprint: str, issuer_fingerprint: str, certificate: t.Any, issuer: t.Any) -> None:
        self._key = (fingerprint, issuer_fingerprint)
        self.certificate = certificate
        self.issuer = issuer

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Signed) and self._key == other._key


@functools.lru_cache(maxsize=32768)
def _verify(signed: _Signed) -> bool | None:
    certificate, data = signed.certificate, (signed.certificate.signature, signed.certificate.tbs_certificate_bytes)
    try:
        key = signed.issuer.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(*data, certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*data, certificate.signature_algorithm_parameters)
        elif isinstance(key, dsa.DSAPublicKey):
            key.verify(*data, certificate.signature_hash_algorithm)
        else:
            key.verify(*data)
    except exceptions.InvalidSignature:
        return False
    # A key or an algorithm that the library does not know, or that do not go together.
    except Exception:
        return None
    return True


def same_name(one: str, other: str) -> bool:
    """Compare names as RFC 5280 does: however they are encoded, in upper or lower case, with more blanks or fewer."""
    return one == other or " ".join(one.lower().split()) == " ".join(other.lower().split())


def _reason(exc: Exception) -> str:
    return as_clause(" ".join(str(exc).split()) or type(exc).__name__)


def key_digest(pem: bytes) -> str:
    """Return the digest of the public half of a private key, to compare with ``Certificate.key_digest``.

    Raises Unparsable. The numbers of an RSA key are not proven to be primes, which takes 18 ms and adds nothing here.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        return _digest(key.public_key())
    # As above; a message about a key is not repeated, whatever it holds.
    except BaseException as exc:
        # Old releases of the library panic at broken keys, which is no Exception.
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        if b"ENCRYPTED" in pem:
            raise Unparsable("the private key is encrypted with a passphrase") from None
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


def oid_name(oid: t.Any) -> str:
    """Return the library's name of an OID, or the OID itself."""
    name = getattr(oid, "_name", "")
    return name if name and name != "Unknown OID" else str(oid.dotted_string)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
