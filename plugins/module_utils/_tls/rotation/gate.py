# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a new certificate has to be before a service gets it: no less than the present one. PRIVATE to the collection.

The API server checks nothing of this for a Secret of type kubernetes.io/tls, only that both keys exist.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._deps_tls import x509
from ..._errors import RunbookError
from ..._time import rfc3339
from ..certificate import Certificate, Unparsable, key_digest, parse_chain
from .attributes import Allowed, Attributes, attributes, losses

_WEAK_HASHES = ("md5", "sha1")
# Bits of symmetric strength, after NIST SP 800-57 part 1, table 2.
_RSA_STRENGTH = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
_NAMED_STRENGTH = {"Ed25519": 128, "Ed448": 224}


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
    """What is let through although it is worse. Shares are of the present lifetime.

    ``common_name`` is the one that the new certificate is to have, empty for that of the present one.
    """

    allow_names_removed: tuple[str, ...] = ()
    allow_issuer_change: bool = False
    max_lifetime_loss: float = 0.2
    allow_extensions_removed: tuple[str, ...] = ()
    common_name: str = ""

    @property
    def allowed(self) -> Allowed:
        return Allowed(self.allow_names_removed, self.allow_extensions_removed, self.common_name)

    def least_lifetime(self, old: Certificate) -> float:
        """Return how many seconds a new certificate has to live at least."""
        return old.lifetime * (1 - self.max_lifetime_loss)


@dataclass(frozen=True)
class Violation:
    """``rule`` is the word by which reports and tests name it, ``allow`` the option that lets it through."""

    rule: str
    sentence: str
    allow: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.sentence}"


def advice(found: t.Sequence[Violation], repair: str) -> str:
    """Return what to do about violations: ``repair``, or allow them where each of them can be."""
    allows = list(dict.fromkeys(each.allow for each in found))
    return repair if "" in allows else f"{repair}, or accept that with {' and '.join(allows)}"


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
        *trust(new.chain, new.leaf.issuer, old, settings),
        *anchored(new.chain, new.leaf.not_after, new.authorities or old.authorities, old, now),
        *lost(attributes(new.leaf), old.leaf, settings),
        *_authority(new.leaf),
        *_strength(new.leaf, old.leaf),
        *_validity(new.leaf, old.leaf, now, settings),
    ]


def lost(new: Attributes, old: Certificate, settings: GateSettings) -> list[Violation]:
    """Return what a certificate with these attributes, made or only foreseen, would lack of the present one."""
    return [Violation(*each) for each in losses(new, attributes(old), settings.allowed)]


def _key(new: Material) -> t.Iterator[Violation]:
    if new.key_digest != new.leaf.key_digest:
        yield Violation("wrong key", "the private key is not the one of the certificate")


def _chain(new: Material, now: datetime) -> t.Iterator[Violation]:
    for below, above in zip(new.chain, new.chain[1:]):
        signed = below.verify_issuer(above)
        if signed is None:
            yield _unverifiable(f"that {below.title} is signed by {above.title}, which follows it,", below)
        elif not signed:
            yield Violation("broken chain", f"{below.title} is not signed by {above.title}, which follows it")
    for member in new.chain[1:]:
        if member.remaining(now) <= 0:
            yield Violation("expired chain", f"{member.title} in the chain has expired on {rfc3339(member.not_after)}")
        if not member.is_ca:
            yield Violation("broken chain", f"{member.title} in the chain is not an authority")
        if member.remaining(now) > 0 and member.not_after < new.leaf.not_after:
            yield Violation(
                "expired chain",
                f"{member.title} in the chain expires on {rfc3339(member.not_after)}, before the certificate",
            )


def _unverifiable(what: str, signed: Certificate) -> Violation:
    return Violation(
        "not verified", f"{what} could not be verified (its signature algorithm is {signed.signature_algorithm})"
    )


def trust(chain: t.Sequence[Certificate], issuer: str, old: Material, settings: GateSettings) -> t.Iterator[Violation]:
    """Say that a chain, with or without its leaf, leads to none of the present authorities."""
    if settings.allow_issuer_change:
        return
    allow = "O(allow_issuer_change)=true"
    anchors = old.authorities or tuple(each for each in old.chain[1:] if each.is_ca)
    if anchors:
        known = {anchor.fingerprint for anchor in anchors}
        verdicts = [
            member.fingerprint in known or member.verify_issuer(anchor) for member in chain for anchor in anchors
        ]
        if any(verdicts):
            return
        if None in verdicts:
            yield _unverifiable("that it leads to one of the authorities that come with the present one", chain[-1])
            return
        yield Violation(
            "untrusted issuer",
            f"{issuer} leads to none of the authorities that come with the present one",
            allow,
        )
    elif issuer != old.leaf.issuer:
        sentence = f"it is issued by {issuer}, the present one by {old.leaf.issuer}"
        yield Violation("untrusted issuer", sentence, allow)
    elif _is_other_key(chain[0], issuer, old.leaf):
        sentence = f"it is issued by another key of {issuer} than the present one"
        yield Violation("untrusted issuer", sentence, allow)


def _is_other_key(first: Certificate, issuer: str, old: Certificate) -> bool:
    """Tell whether the first of a chain, a leaf or its issuer, shows another key of the issuer than the present one."""
    wanted = _issuer_key(old)
    found = _own_key(first) if first.subject == issuer and first.is_ca else _issuer_key(first)
    return bool(wanted and found and wanted != found)


def _issuer_key(certificate: Certificate) -> bytes | None:
    found = certificate.extension(x509.AuthorityKeyIdentifier)
    return found.value.key_identifier if found else None


def _own_key(certificate: Certificate) -> bytes | None:
    found = certificate.extension(x509.SubjectKeyIdentifier)
    return found.value.digest if found else None


def anchored(
    chain: t.Sequence[Certificate], end: datetime, anchors: t.Sequence[Certificate], old: Material, now: datetime
) -> t.Iterator[Violation]:
    """Say that the authorities to which a chain leads are of no use for as long as its leaf is, which ends then."""
    found = _leads_to(chain, anchors)
    if not found:
        return
    longest = max(found, key=lambda anchor: anchor.not_after)
    expires = f"{longest.title}, to which it leads, {{}} on {rfc3339(longest.not_after)}"
    if longest.not_after <= now:
        yield Violation("expired chain", expires.format("has expired"))
    elif longest.not_after < end:
        before = [anchor.not_after for anchor in _leads_to(old.chain, old.authorities)]
        # Where the present one ends after its authority, too, that is known.
        if not before or max(before) >= old.leaf.not_after:
            yield Violation("expired chain", expires.format("expires") + ", before the certificate")


def _leads_to(chain: t.Sequence[Certificate], anchors: t.Sequence[Certificate]) -> list[Certificate]:
    return [
        anchor
        for anchor in anchors
        if any(member.fingerprint == anchor.fingerprint or member.is_issued_by(anchor) for member in chain)
    ]


def _authority(new: Certificate) -> t.Iterator[Violation]:
    if new.is_ca:
        yield Violation("wrong usage", "it is an authority's certificate")


def _strength(new: Certificate, old: Certificate) -> t.Iterator[Violation]:
    yield from weaker_key(new.key_type, new.key_bits, old)
    if new.signature_hash in _WEAK_HASHES:
        yield Violation("weak signature", f"it is signed with {new.signature_hash.upper()}")


def _validity(new: Certificate, old: Certificate, now: datetime, settings: GateSettings) -> t.Iterator[Violation]:
    if new.fingerprint == old.fingerprint:
        yield Violation("same certificate", "it is the present one")
    if new.not_before > now:
        yield Violation("not yet valid", f"it is valid from {rfc3339(new.not_before)} on")
    if new.remaining(now) <= 0:
        yield Violation("expired", f"it has expired on {rfc3339(new.not_after)}")
    yield from shorter_life(new.lifetime, old, settings)


def shorter_life(seconds: float, old: Certificate, settings: GateSettings) -> t.Iterator[Violation]:
    """Say that so long a life would be too short."""
    if seconds < settings.least_lifetime(old):
        lives = [str(timedelta(seconds=round(each))) for each in (seconds, old.lifetime)]
        share = math.ceil(100 * (1 - seconds / old.lifetime)) / 100
        yield Violation(
            "shorter life",
            f"it lives {lives[0]}, the present one {lives[1]}",
            f"O(max_lifetime_loss)={share:g}" if share <= 1 else "",
        )


def weaker_key(kind: str, bits: int, old: Certificate) -> t.Iterator[Violation]:
    """Say that a key of such a kind and size would be weaker than the present one."""
    if _strength_of(kind, bits) < _strength_of(old.key_type, old.key_bits):
        yield Violation("weaker key", f"its key is {kind} {bits or ''}".rstrip() + f", the present one is {old.key}")


def _strength_of(kind: str, size: int) -> int:
    """Return the bits of security of a key, 0 for one that is not known."""
    if kind in ("RSA", "DSA"):
        return next((bits for least, bits in _RSA_STRENGTH if size >= least), 0)
    return size // 2 if kind == "EC" else _NAMED_STRENGTH.get(kind, 0)
