# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cert-manager asks an issuer for, by the spec of a Certificate. PRIVATE to the collection."""

from __future__ import annotations

import ipaddress
import typing as t

from ...._deps_tls import x509
from ...certificate import Certificate, oid_name
from ..attributes import (
    AUTHORITY_KEY,
    INFORMATION,
    OF_AUTHORITY,
    REVOCATION_LISTS,
    Attributes,
    attributes,
    subject_parts,
)

Spec = t.Mapping[str, t.Any]

_NAMES = {"dnsNames": "DNS", "uris": "URI", "emailAddresses": "email"}
_SUBJECT = {
    "organizations": "2.5.4.10",
    "countries": "2.5.4.6",
    "organizationalUnits": "2.5.4.11",
    "localities": "2.5.4.7",
    "provinces": "2.5.4.8",
    "streetAddresses": "2.5.4.9",
    "postalCodes": "2.5.4.17",
}
_SERIAL_NUMBER = "2.5.4.5"
_DEFAULT_USAGES = ("digital signature", "key encipherment")
_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
_PURPOSES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}
# What an issuer that signs by itself adds, by the fields of its spec.
_ADDED = {INFORMATION: ("ocspServers", "issuingCertificateURLs"), REVOCATION_LISTS: ("crlDistributionPoints",)}
# By default, as cert-manager's own: 90 days.
_DEFAULT_SECONDS = 7776000.0
_DEFAULT_BITS = {"RSA": 2048, "EC": 256}
_SPANS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def foreseen(spec: Spec, leaf: Certificate, issuer: Spec | None = None) -> Attributes:
    """Return what an issuer makes for a Certificate in the place of a present one.

    ``issuer`` is the spec of one that adds nothing but what that says; any other one may add names and extensions.
    """
    old = attributes(leaf)
    usages = spec.get("usages") or _DEFAULT_USAGES
    subject = literal_subject(spec)
    if subject is None and spec.get("literalSubject"):
        # Nothing is said of what is not understood here.
        parts, common_name = old.subject, old.common_name
    elif subject is None:
        parts, common_name = _subject(spec, leaf), str(spec.get("commonName") or "")
    else:
        parts, common_name = subject_parts(subject), _common_name(subject)
    return Attributes(
        names=_names(spec, leaf, by_name=issuer is None),
        subject=parts,
        common_name=common_name,
        key_type=key(spec)[0],
        key_usage=tuple(_USAGES[each] for each in usages if each in _USAGES),
        extended_key_usage=tuple(
            sorted({oid_name(x509.ObjectIdentifier(_PURPOSES[each])) for each in usages if each in _PURPOSES})
        ),
        extensions={oid: values for oid, values in old.extensions.items() if oid in _kept(issuer)},
    )


def _kept(issuer: Spec | None) -> t.Collection[str]:
    """Return the extensions that an authority adds, as far as they are known."""
    if issuer is None:
        return OF_AUTHORITY
    own = issuer.get("ca") or issuer.get("selfSigned") or {}
    found = [oid for oid, options in _ADDED.items() if any(own.get(option) for option in options)]
    return [*found, AUTHORITY_KEY] if "ca" in issuer else found


def key(spec: Spec) -> tuple[str, int]:
    """Return kind and bits of the key that is made, if another one is."""
    wanted = spec.get("privateKey") or {}
    kind = str(wanted.get("algorithm") or "RSA").replace("ECDSA", "EC")
    return kind, int(wanted.get("size") or _DEFAULT_BITS.get(kind, 0))


def lifetime(spec: Spec) -> float:
    """Return the seconds that are asked for."""
    found, number = 0.0, ""
    for character in str(spec.get("duration") or ""):
        if character in _SPANS and number:
            found, number = found + float(number) * _SPANS[character], ""
        else:
            number += character
    return found or _DEFAULT_SECONDS


def _names(spec: Spec, leaf: Certificate, *, by_name: bool) -> tuple[str, ...]:
    found = [f"{kind}:{name}" for field, kind in _NAMES.items() for name in spec.get(field) or ()]
    found += [f"IP:{ipaddress.ip_address(each)}" for each in spec.get("ipAddresses") or ()]
    found += [f"otherName:{each['oid']};UTF8:{each['utf8Value']}" for each in spec.get("otherNames") or ()]
    # Some issuers make a name of the common name.
    if by_name and leaf.common_name and leaf.common_name == spec.get("commonName"):
        found.append(f"DNS:{leaf.common_name}")
    return tuple(found)


def _subject(spec: Spec, leaf: Certificate) -> tuple[str, ...]:
    """Return those parts of the present subject that the fields have, too."""
    wanted = spec.get("subject") or {}
    values = {(oid, str(value)) for field, oid in _SUBJECT.items() for value in wanted.get(field) or ()}
    values.add((_SERIAL_NUMBER, str(wanted.get("serialNumber") or "")))
    return tuple(
        part.rfc4514_string()
        for part in leaf.loaded.subject
        if part.oid != x509.NameOID.COMMON_NAME and (part.oid.dotted_string, part.value) in values
    )


def literal_subject(spec: Spec) -> t.Any:
    """Return the literal subject, None without one, or where it is in a form that is not known here."""
    if not spec.get("literalSubject"):
        return None
    try:
        return x509.Name.from_rfc4514_string(spec["literalSubject"], _literal_parts())
    except ValueError:
        return None


def _literal_parts() -> dict[str, t.Any]:
    """Return what may stand in a literal subject beside what the library knows."""
    return dict.fromkeys(("SERIALNUMBER", "serialNumber"), x509.NameOID.SERIAL_NUMBER)


def _common_name(subject: t.Any) -> str:
    found = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""
