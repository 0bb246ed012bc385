# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificate of a text is meant, and where its chain leads, whatever the time is. PRIVATE to the collection."""

from __future__ import annotations

import base64
import binascii
import hashlib
import typing as t
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from ..._deps_tls import x509
from ..._severity import CRITICAL, UNKNOWN, WARNING
from ..certificate import LABELS, PLAIN_LABEL, Certificate, Part, Unparsable, key_digest, oid_name, read_pem, same_name
from .constraints import broken_constraints
from .flaws import flaws, has_host_names, serves
from .model import Chain
from .severity import Finding

# Blocks that belong beside a certificate, and that servers read there.
_EXPECTED = ("DH PARAMETERS", "EC PARAMETERS")
_CONTAINERS = ("PKCS7", "CMS")
KEY_LABEL = "PRIVATE KEY"
_DEEPEST = 20
_MOST_PATHS = 64
_SERVER = "serverAuth"

_T = t.TypeVar("_T")


class Reader:
    """Reads each distinct text once: the same certificate is in many Secrets. Texts are in base64."""

    def __init__(self) -> None:
        self._read: dict[Hashable, t.Any] = {}

    def chain(self, text: str, key: str = "", anchors: str = "", *, public: bool = True) -> Chain:
        """Return the chain of a text; ``key`` and ``anchors`` are as for read_chain. Raises Unparsable."""
        return self._once(
            ("chain", _mark(text), key, _mark(anchors), public),
            lambda: read_chain(decoded(text), key, self.parts(anchors) if anchors else (), public=public),
        )

    def parts(self, text: str) -> tuple[Part, ...]:
        """Return the blocks of a text; raise Unparsable."""
        return self._once(("parts", _mark(text)), lambda: read_pem(decoded(text)))

    def key(self, text: str) -> str:
        """Return the digest of the public half of a private key; raise Unparsable."""
        return self._once(("key", _mark(text)), lambda: key_digest(decoded(text)))

    def _once(self, key: Hashable, read: Callable[[], _T]) -> _T:
        if key not in self._read:
            try:
                self._read[key] = read()
            except Unparsable as exc:
                self._read[key] = exc
        found = self._read[key]
        if isinstance(found, Unparsable):
            raise found
        return t.cast("_T", found)


def _mark(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def decoded(text: str) -> bytes:
    """Return what a Secret holds as base64; raise Unparsable."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        raise Unparsable("it is not in base64") from None


def read_chain(
    pem: bytes, key: str = "", anchors: Sequence[Part] = (), *, anchors_in: str = "ca.crt", public: bool = True
) -> Chain:
    """Return the chain of a PEM text; raise Unparsable if no certificate of it can be read.

    ``key`` is the digest of the private key beside it, which tells the leaf; ``anchors`` are the authorities beside it,
    in ``anchors_in``. In a ``public`` text, a private key is a mistake.
    """
    parts = read_pem(pem)
    if not any(part.certificate for part in parts):
        unread = [part for part in parts if part.problem]
        error = Unparsable(unread[0].problem if unread else "there is no PEM certificate in it")
        error.outline = next((part.outline for part in unread if part.outline), None)
        raise error
    numbers: dict[str, int] = {}
    for number, part in _numbered(parts):
        if part.certificate:
            numbers.setdefault(part.certificate.fingerprint, number)
    chain = check_chain(
        [part.certificate for part in parts if part.certificate],
        key,
        [part.certificate for part in anchors if part.certificate],
        anchors_in=anchors_in,
        numbers=numbers,
        complete=not any(part.problem for part in (*parts, *anchors) if _is_certificate(part)),
    )
    chain.findings = (*_problems(parts, public), *chain.findings)
    chain.unread = tuple((_named(number), part.outline) for number, part in _numbered(parts) if part.outline)
    return chain


def read_bundle(pem: bytes) -> tuple[list[Chain | Unparsable], tuple[Finding, ...]]:
    """Return each certificate of a text that holds authorities, one beside the other, and what else is wrong in it.

    Nothing tells which of them somebody uses, so that what only strict clients refuse is left out.
    """
    parts = read_pem(pem)
    found: list[Chain | Unparsable] = []
    for _number, part in _numbered(parts):
        if part.certificate:
            chain = check_chain([part.certificate])
            chain.findings = tuple(finding for finding in chain.findings if finding.code != "strict")
            found.append(chain)
        elif part.problem:
            error = Unparsable(part.problem)
            error.outline = part.outline
            found.append(error)
    return found, tuple(finding for finding in _problems(parts, True) if finding.code != "unparsable")


def _numbered(parts: Sequence[Part]) -> Iterator[tuple[int, Part]]:
    """Return the certificates among the blocks with their numbers, those that cannot be read as well."""
    return enumerate((part for part in parts if _is_certificate(part)), 1)


def _is_certificate(part: Part) -> bool:
    return part.label in LABELS


def _named(number: int) -> str:
    return f"certificate {number}"


def _problems(parts: Sequence[Part], public: bool) -> Iterator[Finding]:
    for number, part in _numbered(parts):
        if part.problem:
            broken = part.problem.removeprefix("the certificate ")
            text = f"{_named(number)} {broken}" if broken != part.problem else f"{_named(number)}: {broken}"
            yield Finding(UNKNOWN, "unparsable", text)
        elif part.label != PLAIN_LABEL:
            text = f"{_named(number)} is written as {part.label}, which OpenSSL reads, but others pass over or refuse"
            yield Finding(WARNING, "pem-label", text)
        if part.form:
            yield Finding(CRITICAL, "pem-form", f"{_named(number)} {part.form}: servers refuse it or pass over it")
    for label in dict.fromkeys(part.label for part in parts if not _is_certificate(part)):
        if label.endswith(KEY_LABEL):
            if public:
                text = "there is a private key in it, where everybody expects public data: replace that key"
                yield Finding(WARNING, "private-key-inside", text)
            continue
        problem = next((part.problem for part in parts if part.label == label and part.problem), "")
        if problem:
            yield Finding(UNKNOWN, "unparsable", f"{problem}, so that it was not read")
        elif label in _CONTAINERS:
            yield Finding(UNKNOWN, "not-read", f"what its block {label} holds was not read")
        elif label not in _EXPECTED:
            yield Finding(WARNING, "foreign-block", f"there is a block {label} in it, which is not a certificate")


def check_chain(
    members: Sequence[Certificate],
    key: str = "",
    anchors: Sequence[Certificate] = (),
    *,
    anchors_in: str = "ca.crt",
    numbers: Mapping[str, int] | None = None,
    complete: bool = True,
    served: bool = False,
) -> Chain:
    """Return the chain of the certificates of a text with what is wrong in it whatever the time is.

    ``numbers`` are their places in the text by fingerprint, ``complete`` tells whether all of the text and of its
    anchors could be read, and ``served`` that a server has shown it, so that the first one is meant.
    """
    certificate, fits = (members[0], None) if served else _meant(members, key)
    path, unverified = _path(certificate, members, anchors)
    if numbers is None:
        numbers = {member.fingerprint: number for number, member in reversed(list(enumerate(members, 1)))}
    chain = Chain(tuple(members), certificate, path, tuple(anchors), anchors_in, numbers, key_matches=fits)
    if not complete and not unverified and not _ends(path, anchors):
        unverified = "not all of its certificates can be read"
    chain.findings = (
        *_leaf_findings(chain, key, complete),
        *flaws(certificate),
        *(_order(members, path) if complete and members[0] is certificate else ()),
        *_along(chain),
        *(_broken(chain) or _anchored(chain, unverified)),
    )
    return chain


def _ends(path: Sequence[Certificate], anchors: Sequence[Certificate]) -> bool:
    """Tell whether a path leads as far as it can: to an authority beside it or, where there is none, to a root."""
    known = {anchor.fingerprint for anchor in anchors}
    return any(each.fingerprint in known for each in path) if anchors else path[-1].is_root


def _broken(chain: Chain) -> tuple[Finding, ...]:
    """Say where a path ends because a signature is not by the key that the certificate names."""
    last = chain.path[-1]
    if last.is_root or any(last.fingerprint == anchor.fingerprint for anchor in chain.anchors):
        return ()
    for issuer in (*chain.members, *chain.anchors):
        wanted, own = last.extension(x509.AuthorityKeyIdentifier), issuer.extension(x509.SubjectKeyIdentifier)
        named = wanted and own and wanted.value.key_identifier == own.value.digest
        named = named and issuer not in chain.path and same_name(last.issuer, issuer.subject)
        if named and last.verify_issuer(issuer) is False:
            whose = "its signature" if last is chain.certificate else f"the signature of {chain.place(last)}"
            text = f"{whose} is not by the key of {issuer.title}, which it names: clients refuse it"
            return (Finding(CRITICAL, "signature", text),)
    return ()


def _anchored(chain: Chain, unverified: str) -> Iterator[Finding]:
    if unverified:
        yield Finding(UNKNOWN, "unverified", f"its chain was not verified: {unverified}")
    elif chain.anchors and not _ends(chain.path, chain.anchors):
        text = f"{chain.anchors_in} beside it does not hold the authority that has signed its chain"
        yield Finding(WARNING, "authority-other", text)


def _meant(members: Sequence[Certificate], key: str) -> tuple[Certificate, bool | None]:
    """Return the certificate of the key or, failing that, the first non-authority; and whether the key fits."""
    first = next((each for each in members if not each.is_ca), members[0])
    if members[0].is_ca and not _signs_any(members[0], members):
        first = members[0]
    if not key:
        return first, None
    mine = next((each for each in members if each.key_digest == key), None)
    # A key of an authority above the leaf is not the leaf's.
    return (first, False) if mine is None or (mine.is_ca and not first.is_ca) else (mine, True)


def _signs_any(authority: Certificate, members: Sequence[Certificate]) -> bool:
    return any(each.verify_issuer(authority) is not False for each in members if each is not authority)


def _leaf_findings(chain: Chain, key: str, complete: bool) -> Iterator[Finding]:
    unknown = next((each for each in chain.members if any("public key" in text for text in each.unread)), None)
    if key and not chain.key_matches:
        if unknown or not complete:
            what = f"the public key of {unknown.subject} cannot be read" if unknown else "not every certificate can be"
            text = f"whether its private key belongs to it was not verified: {what}{'' if unknown else ' read'}"
            yield Finding(UNKNOWN, "key-unverified", text)
        else:
            owner = next((each for each in chain.members if each.key_digest == key), None)
            of = f"{chain.place(owner)}, not to its leaf" if owner else "another certificate"
            yield Finding(CRITICAL, "key-mismatch", f"its private key belongs to {of}")
    number = chain.numbers[chain.certificate.fingerprint]
    # Where the key fits nothing that can be read, the leaf may be what cannot be.
    if number > 1 and (complete or chain.key_matches):
        text = f"its leaf ({chain.certificate.subject}) is {_named(number)}, not the first: servers refuse to load it"
        yield Finding(CRITICAL, "leaf-not-first", text)


def _path(
    certificate: Certificate, members: Sequence[Certificate], anchors: Sequence[Certificate]
) -> tuple[tuple[Certificate, ...], str]:
    """Return the best path upwards from a certificate, and why one could not be verified, or nothing.

    The best one leads to an authority beside it, then to a root, then anywhere; of several, the one that lasts longest.
    """
    known = {anchor.fingerprint for anchor in anchors}
    pool = {each.fingerprint: each for each in (*anchors, *members)}
    best: tuple[tuple[t.Any, ...], tuple[Certificate, ...]] | None = None
    unverified = ""
    waiting: list[tuple[Certificate, ...]] = [(certificate,)]
    tried = 0
    while waiting and tried < _MOST_PATHS:
        path, tried = waiting.pop(), tried + 1
        last = path[-1]
        further: list[tuple[Certificate, ...]] = []
        if len(path) == _DEEPEST:
            unverified = unverified or f"it is longer than {_DEEPEST} certificates"
        elif not (len(path) > 1 and last.is_root):
            for issuer in pool.values():
                if issuer in path:
                    continue
                signed = last.verify_issuer(issuer)
                if signed is None:
                    unverified = unverified or _why_unverified(last, issuer)
                elif signed:
                    further.append((*path, issuer))
        waiting += [each for each in further if _is_meant(last, each[-1])] or further
        if not further:
            trusted = any(each.fingerprint in known for each in path)
            score = (trusted, last.is_root, min(each.not_after for each in path))
            if best is None or score > best[0]:
                best = (score, path)
    if waiting:
        unverified = unverified or "there are too many ways upwards"
    found = best[1] if best else (certificate,)
    return found, "" if _ends(found, anchors) else unverified


def _why_unverified(certificate: Certificate, issuer: Certificate) -> str:
    algorithm = oid_name(certificate.loaded.signature_algorithm_oid)
    return f"the signature of {issuer.subject or 'its issuer'} ({algorithm}, key {issuer.key}) is not supported here"


def _identifiers_agree(certificate: Certificate, issuer: Certificate) -> bool:
    """Tell whether the identifiers of the keys agree, without which clients look for another issuer."""
    wanted, own = certificate.extension(x509.AuthorityKeyIdentifier), issuer.extension(x509.SubjectKeyIdentifier)
    if wanted is None or own is None or wanted.value.key_identifier is None:
        return True
    return bool(wanted.value.key_identifier == own.value.digest)


def _is_meant(certificate: Certificate, issuer: Certificate) -> bool:
    return _identifiers_agree(certificate, issuer) and _is_named_issuer(certificate, issuer)


def _is_named_issuer(certificate: Certificate, issuer: Certificate) -> bool:
    """Tell whether what a certificate says of its issuer's certificate, besides the key, is true of it."""
    found = certificate.extension(x509.AuthorityKeyIdentifier)
    if found is None:
        return True
    names = [each.value for each in found.value.authority_cert_issuer or () if isinstance(each, x509.DirectoryName)]
    serial = found.value.authority_cert_serial_number
    if serial is not None and serial != int(issuer.serial, 16):
        return False
    return not names or same_name(names[0].rfc4514_string(), issuer.issuer)


def _order(members: Sequence[Certificate], path: Sequence[Certificate]) -> Iterator[Finding]:
    seen: set[str] = set()
    for number, member in enumerate(members, 1):
        if member.fingerprint in seen:
            yield Finding(WARNING, "chain-order", f"{_named(number)} of its chain ({member.subject}) is there twice")
            return
        seen.add(member.fingerprint)
    for number, (one, following) in enumerate(zip(members, members[1:]), 1):
        signed = one.verify_issuer(following)
        if signed:
            continue
        if signed is None:
            return
        if not one.self_issued and following in path and any(one.is_issued_by(other) for other in members):
            yield Finding(WARNING, "chain-order", f"its chain is in the wrong order after {_named(number)}")
        else:
            text = f"{_named(number + 1)} of its chain ({following.subject}) has not signed the one before it"
            yield Finding(WARNING, "chain-order", text)
        return


def _policies(issuer: Certificate, below: Sequence[Certificate], where: str) -> Iterator[Finding]:
    """Say that an authority demands a policy of those below it, which no client of OpenSSL looks for by itself."""
    demanded = issuer.extension(x509.PolicyConstraints)
    within = demanded.value.require_explicit_policy if demanded else None
    if within is None or within > len(below):
        return
    if all(each.extension(x509.CertificatePolicies) for each in below):
        text = f"{where} demands a policy, and whether those below it have the same was not verified"
        yield Finding(UNKNOWN, "unverified", text)
    else:
        yield Finding(
            CRITICAL, "policy", f"{where} demands a policy, and there is none: clients written in Go refuse it"
        )


def _along(chain: Chain) -> Iterator[Finding]:
    """Yield what makes clients refuse the chain above the certificate."""
    path, below = chain.path, 0
    leaf = path[0]
    for depth, issuer in enumerate(path[1:], 1):
        where = chain.place(issuer)
        is_last_root = depth == len(path) - 1 and issuer.is_root
        if not issuer.is_ca and not issuer.extensions_unread:
            old = issuer.loaded.version.name == "v1" and is_last_root
            text = f"{where} has signed it, but is not an authority" + (" by itself (version 1)" if old else "")
            refused = "strict clients, such as Python since 3.13, refuse it" if old else "clients refuse it"
            yield Finding(WARNING if old else CRITICAL, "no-authority", f"{text}: {refused}")
        elif issuer.extension(x509.KeyUsage) and "key_cert_sign" not in issuer.key_usage:
            yield Finding(CRITICAL, "no-authority", f"{where} may not sign by its key usage: clients refuse it")
        if path[depth - 1].loaded.issuer.public_bytes() != issuer.loaded.subject.public_bytes():
            text = f"{where} has signed it, but its name is written otherwise there: clients written in Go refuse it"
            yield Finding(CRITICAL, "issuer-name", text)
        below_it = path[depth - 1]
        if not _identifiers_agree(below_it, issuer):
            text = f"{where} has signed it, but with another key identifier than it names: clients of OpenSSL refuse it"
            yield Finding(CRITICAL, "key-identifier", text)
        elif not _is_named_issuer(below_it, issuer):
            text = (
                f"{where} has signed it, but another name or serial number of its authority's certificate stands in "
                "it: clients of OpenSSL refuse it"
            )
            yield Finding(CRITICAL, "key-identifier", text)
        if below_it.self_issued and _identifiers_agree(below_it, below_it):
            text = (
                f"{where} has signed it and has the same name, but nothing in it names that key: clients of OpenSSL "
                "take it for a root"
            )
            yield Finding(CRITICAL, "key-identifier", text)
        constraints = issuer.extension(x509.BasicConstraints)
        length = constraints.value.path_length if constraints else None
        if length is not None and below > length:
            text = f"{where} allows {length} authorities below it, and there are {below}: clients refuse it"
            yield Finding(CRITICAL, "path-length", text)
        elif length is not None and depth - 1 > length:
            text = (
                f"{where} allows {length} authorities below it, and there are {depth - 1} with those that have signed "
                "for themselves, which clients written in Go count: they refuse it"
            )
            yield Finding(CRITICAL, "path-length", text)
        uses = set(issuer.extended_key_usage)
        if uses and _SERVER not in uses and serves(leaf) and (leaf.extended_key_usage or has_host_names(leaf)):
            of_server = "" if leaf.extended_key_usage else " as a server's"
            text = f"{where} may not sign for servers ({', '.join(issuer.extended_key_usage)}): clients refuse it"
            yield Finding(WARNING if of_server else CRITICAL, "no-authority", f"{text}{of_server}")
        yield from _policies(issuer, path[:depth], where)
        yield from broken_constraints(issuer, path[:depth], where)
        for finding in flaws(issuer, signs=True):
            if finding.severity != WARNING:
                yield finding._replace(text=f"{where}: {finding.text}")
        below += not issuer.self_issued
