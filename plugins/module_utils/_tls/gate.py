# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a new certificate has to be before a service gets it: no less than the present one. PRIVATE to the collection.

The API server checks nothing of this for a Secret of type kubernetes.io/tls, only that both keys exist.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._errors import RunbookError
from .certificate import Certificate, Unparsable, key_digest, moment_text, parse_chain

_WEAK_HASHES = ("md5", "sha1")
# Bits of symmetric strength, after NIST SP 800-57 part 1, table 2.
_RSA_STRENGTH = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
_NAMED_STRENGTH = {"Ed25519": 128, "Ed448": 224}
_IDENTITY = ("O=", "OU=")


class GateRefused(RunbookError):
    """A new certificate is worse than the present one."""


@dataclass(frozen=True)
class Material:
    """What a Secret holds: the certificates in their order, the leaf first, and the private key's digest."""

    chain: tuple[Certificate, ...]
    key_digest: str
    authorities: tuple[Certificate, ...] = ()

    @property
    def leaf(self) -> Certificate:
        return self.chain[0]


@dataclass(frozen=True)
class GateSettings:
    """What is let through although it is worse. Shares are of the present lifetime."""

    allow_names_removed: tuple[str, ...] = ()
    allow_issuer_change: bool = False
    max_lifetime_loss: float = 0.2


@dataclass(frozen=True)
class Violation:
    """``rule`` is the word by which reports and tests name it."""

    rule: str
    sentence: str


def read_material(certificate: bytes, key: bytes, authorities: bytes = b"") -> Material:
    """Return what PEM texts hold; raise Unparsable. Authorities that cannot be read count as none."""
    try:
        trusted = parse_chain(authorities) if authorities else ()
    except Unparsable:
        trusted = ()
    return Material(parse_chain(certificate), key_digest(key), trusted)


def violations(new: Material, old: Material, now: datetime, settings: GateSettings) -> list[Violation]:
    """Return why the new material must not replace the old; nothing if it may. ``now`` is the earliest clock's time."""
    return [
        *_key(new),
        *_chain(new, now),
        *_trust(new, old, settings),
        *_names(new.leaf, old.leaf, settings),
        *_purposes(new.leaf, old.leaf),
        *_strength(new.leaf, old.leaf),
        *_validity(new.leaf, old.leaf, now, settings),
    ]


def _key(new: Material) -> t.Iterator[Violation]:
    if new.key_digest != new.leaf.key_digest:
        yield Violation("wrong key", "the private key is not the one of the certificate")


def _chain(new: Material, now: datetime) -> t.Iterator[Violation]:
    for below, above in zip(new.chain, new.chain[1:]):
        if not below.is_issued_by(above):
            yield Violation("broken chain", f"{below.subject} is not signed by {above.subject}, which follows it")
    for member in new.chain[1:]:
        if member.remaining(now) <= 0:
            yield Violation(
                "expired chain", f"{member.subject} in the chain has expired on {moment_text(member.not_after)}"
            )
        if not member.is_ca:
            yield Violation("broken chain", f"{member.subject} in the chain is no authority")
        if member.remaining(now) > 0 and member.not_after < new.leaf.not_after:
            yield Violation(
                "expired chain",
                f"{member.subject} in the chain expires on {moment_text(member.not_after)}, before the certificate",
            )


def _trust(new: Material, old: Material, settings: GateSettings) -> t.Iterator[Violation]:
    if settings.allow_issuer_change:
        return
    anchors = old.authorities or tuple(each for each in old.chain[1:] if each.is_ca)
    if anchors:
        known = {anchor.fingerprint for anchor in anchors}
        if not any(
            member.fingerprint in known or any(member.is_issued_by(anchor) for anchor in anchors)
            for member in new.chain
        ):
            yield Violation(
                "untrusted issuer",
                f"{new.leaf.issuer} leads to none of the authorities that come with the present one",
            )
    elif new.leaf.issuer != old.leaf.issuer:
        yield Violation("untrusted issuer", f"it is issued by {new.leaf.issuer}, the present one by {old.leaf.issuer}")


def _names(new: Certificate, old: Certificate, settings: GateSettings) -> t.Iterator[Violation]:
    lost = [name for name in old.names if name not in new.names and name not in settings.allow_names_removed]
    if lost:
        yield Violation("lost name", f"it lacks {', '.join(lost)}")
    if old.common_name and new.common_name != old.common_name:
        yield Violation("lost identity", f"its common name is {new.common_name or 'empty'}, not {old.common_name}")
    identity = [part for part in old.subject.split(",") if part.startswith(_IDENTITY)]
    missing = [part for part in identity if part not in new.subject.split(",")]
    if missing:
        yield Violation("lost identity", f"its subject lacks {', '.join(missing)}")


def _purposes(new: Certificate, old: Certificate) -> t.Iterator[Violation]:
    # A certificate without the extension may be used for everything.
    for what, of_new, of_old in (
        ("key usage", new.key_usage, old.key_usage),
        ("extended key usage", new.extended_key_usage, old.extended_key_usage),
    ):
        # Encrypting a key is what RSA does; other keys have no such usage.
        needed = set(of_old) - ({"key_encipherment"} if new.key_type != "RSA" else set())
        if of_new and (needed - set(of_new) or not of_old):
            lacking = ", ".join(sorted(needed - set(of_new))) or f"all but {', '.join(of_new)}"
            yield Violation("wrong usage", f"its {what} lacks {lacking}")
    if new.is_ca:
        yield Violation("wrong usage", "it is an authority's certificate")


def _strength(new: Certificate, old: Certificate) -> t.Iterator[Violation]:
    if strength(new) < strength(old):
        yield Violation("weaker key", f"its key is {new.key}, the present one is {old.key}")
    if new.signature_hash in _WEAK_HASHES:
        yield Violation("weak signature", f"it is signed with {new.signature_hash.upper()}")


def _validity(new: Certificate, old: Certificate, now: datetime, settings: GateSettings) -> t.Iterator[Violation]:
    if new.fingerprint == old.fingerprint:
        yield Violation("same certificate", "it is the present one")
    if new.not_before > now:
        yield Violation("not yet valid", f"it is valid from {moment_text(new.not_before)} on")
    if new.remaining(now) <= 0:
        yield Violation("expired", f"it has expired on {moment_text(new.not_after)}")
    if new.lifetime < old.lifetime * (1 - settings.max_lifetime_loss):
        lives = [str(timedelta(seconds=round(each.lifetime))) for each in (new, old)]
        yield Violation("shorter life", f"it lives {lives[0]}, the present one {lives[1]}")


def strength(certificate: Certificate) -> int:
    """Return the bits of security of the certificate's key, 0 for one that is not known."""
    if certificate.key_type in ("RSA", "DSA"):
        return next((bits for size, bits in _RSA_STRENGTH if certificate.key_bits >= size), 0)
    if certificate.key_type == "EC":
        return certificate.key_bits // 2
    return _NAMED_STRENGTH.get(certificate.key_type, 0)
