# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a certificate says of whom it is for and what for, and what of it a new one would lose. PRIVATE.

One comparison for both sides: the plan compares with what an issuer would make, the gate with what it has made.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ..._deps_tls import x509
from ..certificate import Certificate, oid_name

LOST_NAME, LOST_IDENTITY, WRONG_USAGE, LOST_EXTENSION = "lost name", "lost identity", "wrong usage", "lost extension"
# Each certificate has them of its own, or its log gives them; the second ones are compared part by part.
_OWN = ("2.5.29.14", "1.3.6.1.4.1.11129.2.4.2", "1.3.6.1.4.1.11129.2.4.3")
_IN_PARTS = ("2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37")
POLICIES, INFORMATION, REVOCATION_LISTS = "2.5.29.32", "1.3.6.1.5.5.7.1.1", "2.5.29.31"
AUTHORITY_KEY = "2.5.29.35"
# What the authority adds by its own settings, whatever it was asked for; strict clients refuse what lacks the first.
OF_AUTHORITY = (AUTHORITY_KEY, INFORMATION, REVOCATION_LISTS, "2.5.29.46", "2.5.29.18", POLICIES)
# How long the key may be used, which moves with the dates.
_PERIOD = "2.5.29.16"


@dataclass(frozen=True)
class Allowed:
    """What a new certificate may lack; extensions by their names or OIDs. ``common_name`` replaces the present one."""

    names: t.Collection[str] = ()
    extensions: t.Collection[str] = ()
    common_name: str = ""


@dataclass(frozen=True)
class Attributes:
    """``subject`` are its parts as in ``O=Example``; ``extensions`` are their values by OID, as far as they matter.

    Without usages, a certificate may be used for everything, of which those of TLS have to stay.
    """

    names: tuple[str, ...]
    subject: tuple[str, ...]
    common_name: str
    key_type: str
    key_usage: tuple[str, ...] = ()
    extended_key_usage: tuple[str, ...] = ()
    extensions: t.Mapping[str, frozenset[t.Any]] = field(default_factory=dict)


class Loss(t.NamedTuple):
    """``allow`` is the option that lets it through; empty if nothing does."""

    rule: str
    sentence: str
    allow: str = ""


def attributes(certificate: Certificate) -> Attributes:
    return Attributes(
        names=certificate.names,
        subject=subject_parts(certificate.loaded.subject),
        common_name=certificate.common_name,
        key_type=certificate.key_type,
        key_usage=certificate.key_usage,
        extended_key_usage=certificate.extended_key_usage,
        extensions={
            oid.dotted_string: _values(extension.value)
            for oid, extension in certificate.extensions.items()
            if oid.dotted_string not in (*_OWN, *_IN_PARTS)
        },
    )


def subject_parts(name: t.Any) -> tuple[str, ...]:
    """Return each attribute of a name, but for the common name, as RFC 4514 writes it."""
    return tuple(each.rfc4514_string() for each in name if each.oid != x509.NameOID.COMMON_NAME)


def losses(new: Attributes, old: Attributes, allowed: Allowed) -> list[Loss]:
    """Return what the new certificate lacks of the old one, or has otherwise."""
    return [
        *_names(new, old, allowed),
        *_identity(new, old, allowed),
        *_usages(new, old),
        *_extensions(new, old, allowed),
    ]


def _names(new: Attributes, old: Attributes, allowed: Allowed) -> t.Iterator[Loss]:
    lost = [name for name in old.names if name not in new.names and name not in allowed.names]
    if lost:
        every = ", ".join(f'"{name}"' for name in lost)
        yield Loss(LOST_NAME, f"it lacks {', '.join(lost)}", f"O(allow_names_removed)=[{every}]")


def _identity(new: Attributes, old: Attributes, allowed: Allowed) -> t.Iterator[Loss]:
    wanted = allowed.common_name or old.common_name
    if new.common_name != wanted:
        yield Loss(
            LOST_IDENTITY,
            f"its common name is {new.common_name or 'empty'}, not {wanted or 'empty'}",
            f"common_name: {new.common_name} in O(certificates)" if new.common_name else "",
        )
    missing = [part for part in old.subject if part not in new.subject]
    if missing:
        yield Loss(LOST_IDENTITY, f"its subject lacks {', '.join(missing)}")


def _usages(new: Attributes, old: Attributes) -> t.Iterator[Loss]:
    for what, of_new, of_old, of_tls in (
        ("key usage", new.key_usage, old.key_usage, ("digital_signature",)),
        ("extended key usage", new.extended_key_usage, old.extended_key_usage, ("serverAuth", "clientAuth")),
    ):
        # Encrypting a key is what RSA does; other keys have no such usage.
        needed = set(of_old or of_tls) - ({"key_encipherment"} if new.key_type != "RSA" else set())
        lacking = needed - set(of_new)
        if of_new and lacking:
            yield Loss(WRONG_USAGE, f"its {what} lacks {', '.join(sorted(lacking))}")


def _extensions(new: Attributes, old: Attributes, allowed: Allowed) -> t.Iterator[Loss]:
    for oid, values in old.extensions.items():
        name = oid_name(x509.ObjectIdentifier(oid))
        if oid in allowed.extensions or name in allowed.extensions:
            continue
        allow = f'O(allow_extensions_removed)=["{name}"]'
        if oid not in new.extensions:
            yield Loss(LOST_EXTENSION, f"it lacks the extension {name}", allow)
        elif not values <= new.extensions[oid]:
            yield Loss(LOST_EXTENSION, f"its extension {name} has another value", allow)


def _values(extension: t.Any) -> frozenset[t.Any]:
    """Return what of an extension has to stay; nothing of those whose value the authority chooses, or the time."""
    if isinstance(extension, x509.TLSFeature):
        return frozenset(feature.value for feature in extension)
    if isinstance(extension, x509.CertificatePolicies):
        return frozenset(each.policy_identifier.dotted_string for each in extension)
    if extension.oid.dotted_string in (*OF_AUTHORITY, _PERIOD):
        return frozenset()
    if isinstance(extension, x509.UnrecognizedExtension):
        return frozenset((extension.value,))
    return frozenset((extension.public_bytes(),))
