# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients make of one certificate, whatever the time is. PRIVATE to the collection.

What clients refuse is critical; what only strict ones refuse, or what surprises, is a warning; what could not be read
is unknown. A strict client verifies as ``openssl verify -x509_strict`` does; Python does so since 3.13.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterator

from ..._deps_tls import ec, serialization, x509
from ..._severity import CRITICAL, UNKNOWN, WARNING
from ..certificate import Certificate, oid_name
from ..der import algorithms_agree
from .severity import Finding

_BROKEN_HASHES = ("md2", "md4", "md5", "sha1")
_FEWEST_BITS = {"RSA": 2048, "EC": 224}
# Clients written in Go take no more in a handshake.
_MOST_RSA_BITS = 8192
_USUAL_CURVES = ("secp224r1", "secp256r1", "secp384r1", "secp521r1")
_MOST_SERIAL_BITS = 159
_SERVER, _CLIENT, _ANY = "serverAuth", "clientAuth", "anyExtendedKeyUsage"
_TLS_USAGES = {"digital_signature", "key_encipherment", "key_agreement"}
# Those that OpenSSL handles; it refuses any other one that is marked critical.
_HANDLED = frozenset(
    (
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.30",
        "2.5.29.31",
        "2.5.29.32",
        "2.5.29.33",
        "2.5.29.36",
        "2.5.29.37",
        "2.5.29.54",
        "1.3.6.1.5.5.7.1.7",
        "1.3.6.1.5.5.7.1.8",
        "1.3.6.1.5.5.7.48.1.5",
        "2.16.840.1.113730.1.1",
    )
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


class _Role:
    """A certificate, told apart by its fingerprint alone, which is quicker than by all of its fields; and its part."""

    __slots__ = ("certificate", "signs")

    def __init__(self, certificate: Certificate, signs: bool) -> None:
        self.certificate = certificate
        self.signs = signs

    def __hash__(self) -> int:
        return hash((self.certificate.fingerprint, self.signs))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Role)
            and self.certificate.fingerprint == other.certificate.fingerprint
            and self.signs == other.signs
        )


def flaws(certificate: Certificate, *, signs: bool = False) -> tuple[Finding, ...]:
    """Return what is wrong with a certificate in itself; with ``signs``, as an authority, whatever it says of that."""
    return _of(_Role(certificate, signs))


@functools.lru_cache(maxsize=8192)
def _of(role: _Role) -> tuple[Finding, ...]:
    certificate = role.certificate
    found = [*_unread(certificate), *_refused(certificate), *_names(certificate)]
    if not role.signs and not certificate.is_ca and serves(certificate):
        found += _server(certificate)
    return (*found, *_strict(certificate))


def serves(certificate: Certificate) -> bool:
    """Tell whether it may be a server's: no extended key usage forbids that."""
    return not certificate.extended_key_usage or bool({_SERVER, _ANY} & set(certificate.extended_key_usage))


def covers(certificate: Certificate, host: str) -> bool:
    """Tell whether it is for a host name, a wildcard name or an address, as clients compare them."""
    address = _address(host.strip("[]"))
    if address:
        return address in certificate.ip_addresses
    wanted = host.lower()
    parent = wanted.partition(".")[2]
    own = {name.lower() for name in certificate.dns_names}
    return wanted in own or ("." in parent and f"*.{parent}" in own)


def _unread(certificate: Certificate) -> Iterator[Finding]:
    for text in certificate.unread:
        yield Finding(UNKNOWN, "unread", f"{text}, so that not all of it was verified")


def _refused(certificate: Certificate) -> Iterator[Finding]:
    loaded = certificate.loaded
    yield from serial_flaws(int(certificate.serial, 16))
    yield from _key(certificate)
    # Nobody verifies the signature of a root: it is trusted by being there.
    if certificate.signature_hash in _BROKEN_HASHES and not (certificate.self_issued and certificate.is_ca):
        text = f"it is signed with the broken hash {certificate.signature_hash.upper()}: clients refuse it"
        yield Finding(CRITICAL, "weak-crypto", text)
    if not algorithms_agree(loaded.public_bytes(serialization.Encoding.DER)):
        text = "the algorithm that is written in it is not the one of its signature: clients refuse it"
        yield Finding(CRITICAL, "signature-algorithm", text)
    for extension in certificate.extensions.values():
        if extension.critical and extension.oid.dotted_string not in _HANDLED:
            text = f"it has a critical extension that clients do not know ({oid_name(extension.oid)}): they refuse it"
            yield Finding(CRITICAL, "critical-extension", text)


def uses_tls(certificate: Certificate) -> bool:
    """Tell whether its key usage allows it to be used in a handshake; without one, everything is allowed."""
    return not certificate.key_usage or bool(set(certificate.key_usage) & _TLS_USAGES)


def _server(certificate: Certificate) -> Iterator[Finding]:
    if not uses_tls(certificate):
        text = f"its key usage ({', '.join(certificate.key_usage)}) allows no TLS: clients refuse it"
        yield Finding(CRITICAL, "key-usage", text)
    names = certificate.extension(x509.SubjectAlternativeName)
    if certificate.extensions_unread:
        return
    if names is None:
        text = "it has no subject alternative name: clients refuse it for every name, whatever its common name is"
        yield Finding(CRITICAL, "no-names", text)
    elif not list(names.value):
        yield Finding(CRITICAL, "no-names", "its subject alternative name is empty: clients refuse it for every name")


def serial_flaws(serial: int) -> Iterator[Finding]:
    """Yield what is wrong with a serial number, which can be told of a certificate that the library refuses, too."""
    if serial < 0:
        yield Finding(CRITICAL, "serial", "its serial number is negative: clients written in Go refuse it")
    elif serial == 0:
        yield Finding(WARNING, "serial", "its serial number is zero, which some clients refuse")
    elif serial.bit_length() > _MOST_SERIAL_BITS:
        yield Finding(WARNING, "serial", "its serial number is longer than 20 octets, which some clients refuse")


def _key(certificate: Certificate) -> Iterator[Finding]:
    kind, bits = certificate.key_type, certificate.key_bits
    if kind == "DSA":
        yield Finding(CRITICAL, "weak-crypto", f"its key is {certificate.key}: TLS clients refuse DSA")
    fewest = _FEWEST_BITS.get(kind, 0)
    if bits < fewest:
        text = f"its key is weak ({certificate.key}, at least {fewest} bits are needed): clients refuse it"
        yield Finding(CRITICAL, "weak-crypto", text)
    if kind == "RSA" and bits > _MOST_RSA_BITS:
        text = f"its key is {certificate.key}: clients written in Go take at most {_MOST_RSA_BITS} bits"
        yield Finding(CRITICAL, "key-size", text)
    if kind == "Ed448":
        yield Finding(CRITICAL, "key-type", "its key is Ed448, which browsers and clients written in Go refuse")
    if kind == "EC" and not certificate.unread:
        curve = certificate.loaded.public_key().curve
        if isinstance(curve, ec.EllipticCurve) and curve.name not in _USUAL_CURVES:
            text = f"the curve of its key is {curve.name}, which browsers and clients written in Go refuse"
            yield Finding(CRITICAL, "key-type", text)


def _names(certificate: Certificate) -> Iterator[Finding]:
    for name in certificate.dns_names:
        problem = _name_problem(name, certificate)
        if problem:
            text = f"its name {_visible(name)} {problem}: clients never accept it for that name"
            yield Finding(CRITICAL, "name", text)
    if "\0" in certificate.common_name:
        text = f"its common name {_visible(certificate.common_name)} holds a NUL, as forged ones do"
        yield Finding(CRITICAL, "name", text)


def _name_problem(name: str, certificate: Certificate) -> str:
    if "\0" in name:
        return "holds a NUL"
    if any(each.isspace() for each in name):
        return "holds a blank"
    address = _address(name)
    if address:
        return "" if address in certificate.ip_addresses else "is an address, but stands there as a DNS name"
    if name.endswith(".") and name != ".":
        return "ends with a dot"
    if not _HOST.fullmatch(name):
        if "*" in name:
            return "has a wildcard that is not its whole first label"
        return "is not a host name"
    if "." not in name.removeprefix("*.") and name.startswith("*."):
        return "is a wildcard for a whole top-level domain"
    if any(len(label) > 63 for label in name.split(".")) or len(name) > 253:
        return "is longer than a host name may be"
    return ""


def _address(name: str) -> str:
    """Return an address as certificates have it, or nothing for what is none, as most names show by their end."""
    if not (name[-1:].isdigit() or ":" in name):
        return ""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return ""


def _visible(text: str) -> str:
    shown = text.encode("unicode_escape").decode("ascii")
    return f'"{shown[:80]}"'


def _strict(certificate: Certificate) -> Iterator[Finding]:
    """Yield what the profile of RFC 5280 forbids, in the order of OpenSSL's own checks."""
    reasons = list(_against_profile(certificate))
    if reasons:
        text = f"strict clients, such as Python since 3.13, refuse it: {', '.join(reasons)}"
        yield Finding(WARNING, "strict", text)


def _against_profile(certificate: Certificate) -> Iterator[str]:
    loaded, authority = certificate.loaded, certificate.is_ca
    own = certificate.self_issued
    # RFC 5280 does not apply to a server that signs itself (RFC 6818, 2).
    if (own and not authority) or certificate.extensions_unread:
        return
    if loaded.version == x509.Version.v1:
        if certificate.extensions:
            yield "it has extensions, but is of version 1"
        return
    constraints = certificate.extension(x509.BasicConstraints)
    usage = certificate.extension(x509.KeyUsage)
    names = certificate.extension(x509.SubjectAlternativeName)
    signs = "key_cert_sign" in certificate.key_usage
    if constraints and constraints.value.path_length is not None and usage and not signs:
        yield "a path length without the key usage to sign certificates"
    if authority and not constraints.critical:
        yield "its basic constraints are not critical"
    if authority and not usage:
        yield "it is an authority without key usage"
    if not authority and usage and signs:
        yield "its key usage is to sign certificates, but it is not an authority"
    if not certificate.issuer:
        yield "its issuer is empty"
    if not certificate.subject and (authority or not names or "crl_sign" in certificate.key_usage):
        yield "its subject is empty"
    if not certificate.subject and names and not names.critical:
        yield "its subject is empty, and its subject alternative name is not critical"
    key_id = certificate.extension(x509.AuthorityKeyIdentifier)
    own_id = certificate.extension(x509.SubjectKeyIdentifier)
    if not own and (key_id is None or key_id.value.key_identifier is None):
        yield "the identifier of its authority's key is missing"
    if authority and own_id is None:
        yield "the identifier of its own key is missing"
