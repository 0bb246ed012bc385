# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What clients make of one certificate, whatever the time is. PRIVATE to the collection.

What clients refuse is critical; what only strict ones refuse, or what surprises, is a warning; what could not be read
is unknown. A strict client verifies as ``openssl verify -x509_strict`` does; Python does so since 3.13.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
import typing as t
from collections.abc import Iterator

from ..._deps_tls import ec, serialization, x509
from ..._severity import CRITICAL, UNKNOWN, WARNING
from ..certificate import Certificate, oid_name
from ..der import SEQUENCE, Algorithms, algorithms, bits
from .severity import Finding

_BROKEN_HASHES = ("md2", "md4", "md5", "sha1")
# Those for which there is a signature scheme in TLS.
_USUAL_HASHES = ("sha256", "sha384", "sha512")
_FEWEST_BITS = {"RSA": 2048, "EC": 224}
# Clients written in Go take no more in a handshake, and no larger exponent.
_MOST_RSA_BITS = 8192
_MOST_EXPONENT = (1 << 31) - 1
# A handshake is not possible with the last one, but it may sign.
_CURVES_OF_SERVERS = ("secp256r1", "secp384r1", "secp521r1")
_USUAL_CURVES = (*_CURVES_OF_SERVERS, "secp224r1")
_PSS_KEY, _EC_KEY = bytes.fromhex("2a864886f70d01010a"), bytes.fromhex("2a8648ce3d0201")
_MOST_SERIAL_BITS = 159
_SERVER, _CLIENT, _ANY = "serverAuth", "clientAuth", "2.5.29.37.0"
_NETSCAPE_TYPE, _NETSCAPE_SERVER = "2.16.840.1.113730.1.1", 0x40
# Such names are compared by those who know them (SPIFFE).
_WORKLOAD = "spiffe://"
_TLS_USAGES = {"digital_signature", "key_encipherment", "key_agreement"}
# Those that all clients handle; they refuse any other one that is marked critical.
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
    )
)
_UNKNOWN_TO_GO = frozenset(("1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8", "1.3.6.1.5.5.7.48.1.5", _NETSCAPE_TYPE))
# Clients accept a hyphen at its ends, too.
_LABEL = r"[a-z0-9_-]+"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_WILDCARD = re.compile(r"\*(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+", re.IGNORECASE)


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
    if not role.signs and not certificate.is_ca:
        found += [*_purpose(certificate), *_curve(certificate, _CURVES_OF_SERVERS)]
        if serves(certificate):
            found += _server(certificate)
    else:
        found += _curve(certificate, _USUAL_CURVES)
    return (*found, *_strict(certificate))


def serves(certificate: Certificate) -> bool:
    """Tell whether it may be a server's: no extended key usage forbids that."""
    return not certificate.extended_key_usage or _SERVER in certificate.extended_key_usage


def has_host_names(certificate: Certificate) -> bool:
    return bool(certificate.dns_names or certificate.ip_addresses)


def covers(certificate: Certificate, host: str) -> bool:
    """Tell whether it is for a host name, a wildcard name or an address, as clients compare them."""
    address = _address(host.strip("[]"))
    if address:
        return address in certificate.ip_addresses
    wanted = _ascii(host).lower()
    parent = wanted.partition(".")[2]
    own = {name.lower() for name in certificate.dns_names}
    # For OpenSSL, a wildcard stands for letters, digits and hyphens only, and beside such ones.
    return wanted in own or ("." in parent and "_" not in wanted and f"*.{parent}" in own)


def _ascii(host: str) -> str:
    """Return a host name as it is in certificates."""
    if not host.isascii():
        with contextlib.suppress(UnicodeError):
            return host.encode("idna").decode()
    return host


def _unread(certificate: Certificate) -> Iterator[Finding]:
    for text in certificate.unread:
        yield Finding(UNKNOWN, "unread", f"{text}, so that not all of it was verified")


def _refused(certificate: Certificate) -> Iterator[Finding]:
    found = algorithms(certificate.loaded.public_bytes(serialization.Encoding.DER))
    yield from serial_flaws(int(certificate.serial, 16))
    yield from _key(certificate)
    yield from _key_form(certificate, found)
    # Nobody verifies the signature of a root: it is trusted by being there.
    if not (certificate.self_issued and certificate.is_ca):
        yield from _signature(certificate)
    if not found.agree:
        text = "the algorithm that is written in it is not the one of its signature: clients refuse it"
        yield Finding(CRITICAL, "signature-algorithm", text)
    for extension in certificate.extensions.values():
        if extension.critical and extension.oid.dotted_string not in _HANDLED:
            who = "clients written in Go" if extension.oid.dotted_string in _UNKNOWN_TO_GO else "clients"
            text = f"it has a critical extension that {who} do not know ({oid_name(extension.oid)}): they refuse it"
            yield Finding(CRITICAL, "critical-extension", text)


def _signature(certificate: Certificate) -> Iterator[Finding]:
    used = certificate.signature_hash
    if used in _BROKEN_HASHES:
        yield Finding(CRITICAL, "weak-crypto", f"it is signed with the broken hash {used.upper()}: clients refuse it")
    elif used and used not in _USUAL_HASHES:
        text = f"it is signed with {used.upper()}, which browsers and clients written in Go refuse"
        yield Finding(CRITICAL, "signature-algorithm", text)
    elif used and not _has_usual_padding(certificate):
        text = "it is signed with unusual parameters of RSASSA-PSS, which browsers and clients written in Go refuse"
        yield Finding(CRITICAL, "signature-algorithm", text)


def _has_usual_padding(certificate: Certificate) -> bool:
    """Tell whether a signature of RSASSA-PSS has one hash for all, and a salt of its length; others are usual."""
    try:
        parameters = certificate.loaded.signature_algorithm_parameters
        salt = getattr(parameters, "_salt_length", None)
        if salt is None:
            return True
        used = certificate.loaded.signature_hash_algorithm
        return bool(salt == used.digest_size and parameters.mgf._algorithm.name == used.name)
    # What cannot be read of it is said where it is verified.
    except Exception:
        return True


def uses_tls(certificate: Certificate) -> bool:
    """Tell whether its key usage allows it to be used in a handshake; without one, everything is allowed."""
    return certificate.extension(x509.KeyUsage) is None or bool(set(certificate.key_usage) & _TLS_USAGES)


def _purpose(certificate: Certificate) -> Iterator[Finding]:
    uses = set(certificate.extended_key_usage)
    if not uses and certificate.extension(x509.ExtendedKeyUsage):
        # Newer versions of the library do not read it.
        yield Finding(UNKNOWN, "unverified", "its extended key usage is empty, and cannot be read by all clients")
    if not uses or uses & {_SERVER, _CLIENT}:
        return
    if _ANY in uses:
        text = "its extended key usage is anyExtendedKeyUsage without that of a server: clients of OpenSSL refuse it"
        yield Finding(CRITICAL, "extended-key-usage", text)
    elif has_host_names(certificate):
        text = f"its extended key usage ({', '.join(certificate.extended_key_usage)}) is not one for TLS"
        yield Finding(WARNING, "extended-key-usage", text)


def _key_usage(certificate: Certificate) -> Iterator[Finding]:
    used = f"its key usage ({', '.join(certificate.key_usage) or 'empty'})"
    if not uses_tls(certificate):
        yield Finding(CRITICAL, "key-usage", f"{used} allows no TLS: clients refuse it")
    elif certificate.extension(x509.KeyUsage) is None or "digital_signature" in certificate.key_usage:
        return
    elif certificate.key_type == "RSA":
        yield Finding(WARNING, "key-usage", f"{used} lacks digital_signature: browsers refuse it in TLS 1.3")
    else:
        text = (
            f"{used} lacks digital_signature, which is all that a key of the type {certificate.key_type} does in TLS: "
            "browsers refuse it, and clients of OpenSSL do so in TLS 1.2"
        )
        yield Finding(CRITICAL, "key-usage", text)


def _netscape_type(certificate: Certificate) -> int:
    """Return the bits of the extension that came before extended key usages; all of them without one."""
    found = certificate.extensions.get(x509.ObjectIdentifier(_NETSCAPE_TYPE))
    with contextlib.suppress(ValueError, IndexError):
        return bits(found.value.value) if found else 0xFF
    return 0


def _server(certificate: Certificate) -> Iterator[Finding]:
    yield from _key_usage(certificate)
    if has_host_names(certificate) and _netscape_type(certificate) & _NETSCAPE_SERVER == 0:
        text = "its Netscape certificate type is not that of a server: clients of OpenSSL refuse it"
        yield Finding(CRITICAL, "extended-key-usage", text)
    names = certificate.extension(x509.SubjectAlternativeName)
    if certificate.extensions_unread:
        return
    if names is None:
        text = "it has no subject alternative name: clients refuse it for every name, whatever its common name is"
        yield Finding(CRITICAL, "no-names", text)
    elif not list(names.value):
        yield Finding(CRITICAL, "no-names", "its subject alternative name is empty: clients refuse it for every name")
    elif not has_host_names(certificate) and not any(uri.startswith(_WORKLOAD) for uri in certificate.uris):
        # Without a usage, or with both, it may be that of a client, of which nobody expects one.
        severity = CRITICAL if set(certificate.extended_key_usage) & {_SERVER, _CLIENT} == {_SERVER} else WARNING
        text = (
            "none of its names is a DNS name or an address: browsers and clients written in Go refuse it as a server's "
            "for every name"
        )
        yield Finding(severity, "no-names", text)


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


def _key_form(certificate: Certificate, found: Algorithms) -> Iterator[Finding]:
    """Yield what the library does not tell of a key that it reads."""
    if found.key == _PSS_KEY:
        text = "its key is for RSASSA-PSS only, which browsers and clients written in Go refuse"
        yield Finding(CRITICAL, "key-type", text)
    if found.key == _EC_KEY and found.parameters == SEQUENCE:
        text = "its key spells out the parameters of its curve instead of naming it: clients refuse it"
        yield Finding(CRITICAL, "key-type", text)
    if certificate.key_type == "RSA" and certificate.loaded.public_key().public_numbers().e > _MOST_EXPONENT:
        text = "the exponent of its key has more than 31 bits: clients written in Go refuse it"
        yield Finding(CRITICAL, "key-size", text)


def _curve(certificate: Certificate, usual: t.Collection[str]) -> Iterator[Finding]:
    if certificate.key_type != "EC" or certificate.unread:
        return
    curve = certificate.loaded.public_key().curve
    if isinstance(curve, ec.EllipticCurve) and curve.name not in usual:
        who = "clients" if curve.name in _USUAL_CURVES else "browsers and clients written in Go"
        yield Finding(CRITICAL, "key-type", f"the curve of its key is {curve.name}, which {who} refuse")


def _names(certificate: Certificate) -> Iterator[Finding]:
    for name in certificate.dns_names:
        problem = _name_problem(name, certificate)
        if not problem and name.startswith("*.") and not _WILDCARD.fullmatch(name):
            text = f"its name {_visible(name)} has a wildcard beside what is not a host name: OpenSSL never accepts it"
            yield Finding(CRITICAL, "name", text)
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
