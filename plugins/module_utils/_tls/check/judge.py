# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Judges what a check has read, each by its dates and all of it against each other. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from ..._report.text import plural
from ..._severity import CRITICAL, OK, UNKNOWN, WARNING, rank, worst
from ..._time import rfc3339
from ..certificate import Certificate
from .flaws import covers, flaws, uses_tls
from .model import AUTHORITY, INTERMEDIATE, LEAF, MET, MUTE, SCOPE, SECRET, Chain, Endpoint, Entry, Inventory, Request
from .severity import Finding, Life, Limits, Mute, judge_authority, judge_managed, judge_renewal, judge_unmanaged


def judge(
    request: Request,
    entries: Iterable[Entry],
    now: datetime,
    skew: float = 0.0,
    left_out: Mapping[str, int] | None = None,
) -> Inventory:
    """Judge what was read by its dates, and all of it against each other."""
    found = list(entries)
    met = _met(found, now)
    found += [authority.entry for authority in met.values()]
    for entry in found:
        if entry.chain:
            entry.life = entry.life or Life(entry.chain.certificate.not_before, entry.chain.certificate.not_after)
    signed = _signed(found)
    copies: dict[str, int] = {}
    for entry in found:
        copies[entry.fingerprint] = copies.get(entry.fingerprint, 0) + 1
    bundles = {_bundle(entry) for entry in found if entry.bundle and entry.life and entry.life.end > now}
    for entry in found:
        limits = _limits(request, entry)
        if entry.chain:
            entry.copies = copies[entry.fingerprint]
            entry.kind = _kind(entry, signed)
        if entry.life:
            entry.findings += _judge_dates(entry, now, limits, signed.get(entry.fingerprint, []))
            # One that has expired does no harm beside others that are trusted.
            if entry.bundle and _bundle(entry) in bundles:
                entry.findings = [_milder(each) if each.code == "expired" else each for each in entry.findings]
        elif entry.renewal:
            entry.findings += judge_renewal(entry.renewal)
    for authority in met.values():
        authority.conclude()
    _say_incomplete(found)
    if not found:
        finding = Finding(UNKNOWN, "empty", "nothing was found in the whole scope, so that nothing is known")
        found.append(Entry(SCOPE, "", "everything", findings=[finding]))
    for entry in found:
        entry.severity = worst(finding.severity for finding in entry.findings)
    found += _muted(request.mutes, found, now)
    far = datetime.max.replace(tzinfo=now.tzinfo)
    found.sort(
        key=lambda entry: (
            entry.muted is not None,
            -rank(entry.severity),
            entry.life.end if entry.life else far,
            entry.identity,
        )
    )
    return Inventory(request, now, tuple(found), skew, left_out or {})


def _bundle(entry: Entry) -> tuple[str, str, str, str]:
    return entry.source, entry.namespace, entry.name, entry.bundle


def _milder(finding: Finding) -> Finding:
    return finding._replace(severity=WARNING) if finding.severity == CRITICAL else finding


class _Met:
    """An authority that was met in chains, or beside them, and is stored nowhere by itself."""

    def __init__(self, authority: Certificate, first: Entry) -> None:
        chain = Chain((authority,), authority, (authority,))
        self.entry = Entry(MET, "", authority.subject, authority.fingerprint[:16], chain)
        self.entry.findings += flaws(authority, signs=True)
        self.needed = False
        self._first = first
        self._places: set[str] = set()

    def add(self, entry: Entry, needed: bool) -> None:
        self.needed = self.needed or needed
        self._places.add(entry.identity)

    def conclude(self) -> None:
        """Add to what was found where that is; it is no harm to anybody where no chain leads to it."""
        others = len(self._places) - 1
        more = f" and {plural(others, 'other place')}" if others else ""
        where = f"(met in {self._first.source} {self._first.place}{more})"
        found = [each._replace(text=f"{each.text} {where}") for each in self.entry.findings]
        self.entry.findings = found if self.needed else [_milder(each) for each in found]


def _needed(entry: Entry, now: datetime) -> set[str]:
    """Return the fingerprints of those above a certificate without which clients would refuse it."""
    path = entry.chain.path[1:] if entry.chain else ()
    if not entry.accepted:
        return {each.fingerprint for each in path}
    found: set[str] = set()
    for member in path if entry.trusted is not None else ():
        # A client that accepts it all the same has another way from here on.
        if member.key_digest in (entry.trusted or ()) or not member.not_before <= now < member.not_after:
            break
        found.add(member.fingerprint)
    return found


def _met(entries: Sequence[Entry], now: datetime) -> dict[str, _Met]:
    """Return by fingerprint the authorities of all chains that are no entries by themselves.

    That of a bundle says nothing of who uses it.
    """
    own = {entry.fingerprint for entry in entries if not entry.bundle}
    met: dict[str, _Met] = {}
    for entry in entries:
        chain = entry.chain
        if chain is None or entry.bundle:
            continue
        above = _needed(entry, now)
        for member in (*chain.path[1:], *chain.members, *chain.anchors):
            mark = member.fingerprint
            if mark not in own and (mark in above or member.is_ca):
                if mark not in met:
                    met[mark] = _Met(member, entry)
                met[mark].add(entry, mark in above)
    return met


def _judge_dates(entry: Entry, now: datetime, limits: Limits, signed: Sequence[tuple[str, Life]]) -> list[Finding]:
    life = t.cast(Life, entry.life)
    if entry.kind != LEAF:
        found = judge_authority(life, now, limits, signed)
        return found + (judge_renewal(entry.renewal) if entry.renewal else [])
    if entry.renewal:
        found = judge_managed(life, entry.renewal, now, limits)
    else:
        found = judge_unmanaged(life, now, limits)
    return [*found, *(_judge_chain(entry.chain, now, limits, _needed(entry, now)) if entry.chain else ())]


def _judge_chain(chain: Chain, now: datetime, limits: Limits, needed: Collection[str]) -> Iterator[Finding]:
    """Yield what the dates of the others in a chain mean for its leaf; those that are not needed do less harm."""
    above = {each.fingerprint for each in chain.path}
    for member in chain.path[1:]:
        for one in judge_unmanaged(Life(member.not_before, member.not_after), now, limits):
            # The early warning about a root is given once, at the root itself.
            if one.severity == CRITICAL or not member.self_issued:
                found = one if member.fingerprint in needed else _milder(one)
                yield found._replace(text=f"{chain.place(member)}: {one.text}")
    for member in (*chain.members, *chain.anchors):
        if member.fingerprint not in above and member.not_after <= now:
            above.add(member.fingerprint)
            text = f"{chain.place(member)} has expired, and no chain here needs it: remove it"
            yield Finding(WARNING, "expired-unneeded", text)
    for where, outline in chain.unread:
        for one in judge_unmanaged(Life(outline.not_before, outline.not_after), now, limits) if outline else ():
            yield one._replace(text=f"{where}, which cannot be read otherwise: {one.text}")


def _say_incomplete(entries: Sequence[Entry]) -> None:
    """Say of chains that a server would send that they lack an intermediate, which was met somewhere else."""
    known: dict[str, dict[str, Certificate]] = {}
    for entry in entries:
        for each in (*entry.chain.members, *entry.chain.anchors) if entry.chain else ():
            if each.is_ca and not each.self_issued:
                known.setdefault(each.subject, {})[each.fingerprint] = each
    for entry in entries:
        chain = entry.chain
        if entry.source != SECRET or entry.kind != LEAF or chain is None or chain.anchors:
            continue
        last = chain.path[-1]
        missing = next((each for each in known.get(last.issuer, {}).values() if last.is_issued_by(each)), None)
        if missing and not last.self_issued:
            whose = "it" if last is chain.certificate else chain.place(last)
            text = f"its chain lacks {missing.title}, which has signed {whose} and is not a root"
            entry.findings.append(Finding(WARNING, "chain-incomplete", text))


def _limits(request: Request, entry: Entry) -> Limits:
    limits = request.limits
    for override in request.overrides:
        if override.covers(entry.place):
            limits = override.apply(limits)
    return limits


def _kind(entry: Entry, signed: Mapping[str, t.Any]) -> str:
    """A certificate that may sign but has names of servers and has signed nothing is a server's own, self-signed."""
    first = t.cast(Chain, entry.chain).certificate
    if entry.source != MET and not entry.bundle and first.names and uses_tls(first) and first.fingerprint not in signed:
        return LEAF
    if not first.is_ca and entry.source != MET:
        return LEAF
    return AUTHORITY if first.self_issued else INTERMEDIATE


def _signed(entries: Sequence[Entry]) -> dict[str, list[tuple[str, Life]]]:
    """Return by the fingerprint of each authority what it has signed, with the first place of each."""
    issued: dict[str, dict[str, Entry]] = {}
    authorities: dict[str, Certificate] = {}
    for entry in entries:
        if entry.chain:
            first = entry.chain.certificate
            issued.setdefault(first.issuer, {}).setdefault(first.fingerprint, entry)
            if first.is_ca or entry.source == MET:
                authorities[first.fingerprint] = first
    signed: dict[str, list[tuple[str, Life]]] = {}
    for fingerprint, authority in authorities.items():
        for other, entry in issued.get(authority.subject, {}).items():
            if other != fingerprint and entry.chain and entry.life and entry.chain.certificate.is_issued_by(authority):
                signed.setdefault(fingerprint, []).append((entry.place, entry.life))
    return signed


def _muted(mutes: Sequence[Mute], entries: Sequence[Entry], now: datetime) -> Iterator[Entry]:
    """Mute what is meant by a mute; yield an entry for each mute that has ended."""
    alive = [mute for mute in mutes if mute.until > now]
    for entry in entries if alive else ():
        if entry.severity != OK:
            entry.muted = next((mute for mute in alive if mute.covers(entry.place, entry.fingerprint)), None)
    for mute in mutes:
        if mute.until <= now:
            text = f"this mute ended at {rfc3339(mute.until)} ({mute.reason}); renew or remove it"
            yield Entry(MUTE, "", mute.match, findings=[Finding(WARNING, "mute-ended", text)], severity=WARNING)


def compare_served(
    endpoints: Sequence[Endpoint], served: Sequence[Entry], stored: Sequence[Entry]
) -> list[Entry | None]:
    """Compare what endpoints serve with the Secrets that they name, or with those for the same names; return these."""
    by_place: dict[str, list[Entry]] = {}
    by_names: dict[tuple[str, ...], list[Entry]] = {}
    for entry in stored:
        if entry.source == SECRET and entry.chain and not entry.bundle:
            is_pair = entry.key == "tls.crt"
            there = by_place.setdefault(entry.place, [])
            there.insert(0 if is_pair else len(there), entry)
            if is_pair and entry.chain.certificate.names:
                by_names.setdefault(entry.chain.certificate.names, []).append(entry)
    return [_compare(endpoint, entry, by_place, by_names) for endpoint, entry in zip(endpoints, served)]


def _compare(
    endpoint: Endpoint,
    entry: Entry,
    by_place: Mapping[str, Sequence[Entry]],
    by_names: Mapping[tuple[str, ...], list[Entry]],
) -> Entry | None:
    place = endpoint.secret
    if place and place not in by_place:
        text = f"in the Secret {place} that it should serve, no certificate was read"
        entry.findings.append(Finding(UNKNOWN, "stored-unknown", text))
        return None
    if not entry.chain:
        return by_place[place][0] if place else None
    candidates = by_place[place] if place else by_names.get(entry.chain.certificate.names, [])
    same = [other for other in candidates if other.fingerprint == entry.fingerprint]
    found = next(iter([*same, *candidates]), None)
    if found is None:
        return None
    entry.stored, entry.manager, entry.renewal = found.fingerprint, found.manager, found.renewal
    if not same:
        text = f"it does not serve what the Secret {found.place} holds: restart or reload it"
        entry.findings.append(Finding(WARNING, "served-differs", text))
        if (
            found.chain
            and not found.chain.certificate.extensions_unread
            and not covers(found.chain.certificate, endpoint.client_name)
        ):
            text = f"what the Secret {found.place} holds is not for {endpoint.client_name}: clients would refuse it"
            entry.findings.append(Finding(CRITICAL, "host-not-covered", text))
    return found
