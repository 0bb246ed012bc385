# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates outside of a cluster: those that servers show, and those in Vault. PRIVATE to the collection."""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..._addresses import is_address
from ..._errors import InvalidInput, RunbookError, as_clause
from ..._severity import CRITICAL, UNKNOWN
from ..._time import utc_now
from ..certificate import Unparsable, key_digest, read_pem
from ..handshake import HandshakeFailed, NotTrusted, dial, system_authorities, verify
from .chain import check_chain, read_chain
from .flaws import covers
from .model import ENDPOINT, SCOPE, VAULT, Chain, Endpoint, Entry
from .severity import Finding

if t.TYPE_CHECKING:
    from ..._vault.client import VaultLogin

_AT_ONCE = 16
_NAMED = 3
# OpenSSL's X509_V_ERR_*: not yet valid, expired; self-signed; a root that is not trusted; an issuer that is not there.
_DATES = (9, 10)
_SELF_SIGNED, _ROOT_NOT_TRUSTED, _NO_ISSUER = 18, 19, (2, 20, 21)

_T = t.TypeVar("_T")
_R = t.TypeVar("_R")


def read_endpoints(endpoints: Sequence[Endpoint], timeout: float) -> list[Entry]:
    """Dial the servers, several at once; one that shows nothing is an entry that says so."""
    return _at_once(lambda endpoint: _endpoint(endpoint, timeout), endpoints)


def verify_endpoints(
    endpoints: Sequence[Endpoint],
    served: Sequence[Entry],
    stored: Sequence[Entry | None],
    authorities: Mapping[str, str],
    timeout: float,
) -> None:
    """Verify names and chains as a client would.

    It trusts the authorities of the endpoint's ``ca_cert`` or, without one, those beside what is ``stored``, then those
    that are given for all (``""``), then those of this system. ``authorities`` are PEM texts by the path of their file.
    """

    def one(arguments: tuple[Endpoint, Entry, Entry | None]) -> None:
        endpoint, entry, beside = arguments
        if entry.chain is None:
            return
        anchors = beside.chain.anchors if beside and beside.chain else ()
        if endpoint.ca_cert:
            trust, whom = authorities[endpoint.ca_cert], f"the authorities in {endpoint.ca_cert}"
        elif beside and anchors:
            trust, whom = "".join(each.pem for each in anchors), f"ca.crt of the Secret {beside.place}"
        elif "" in authorities:
            trust, whom = authorities[""], "the given authorities"
        else:
            trust, whom = "", "the authorities of this system"
        entry.findings += _name(endpoint, entry.chain)
        try:
            verify(endpoint.address, endpoint.port, _sni(endpoint), timeout, trust)
            entry.accepted, entry.trusted = True, _keys(trust)
        except NotTrusted as exc:
            entry.findings += _not_trusted(exc, entry.chain, whom)
        except HandshakeFailed as exc:
            text = f"whether clients trust it was not verified: {as_clause(exc)}"
            entry.findings.append(Finding(UNKNOWN, "not-verified", text))

    _at_once(one, list(zip(endpoints, served, stored)))


@functools.lru_cache(maxsize=64)
def _keys(authorities: str) -> frozenset[str] | None:
    """Return the digests of the keys that a client trusts, None where these are not known."""
    texts = [authorities] if authorities else system_authorities()
    found = {part.certificate.key_digest for text in texts for part in read_pem(text.encode()) if part.certificate}
    return frozenset(found) or None


def _at_once(work: Callable[[_T], _R], arguments: Sequence[_T]) -> list[_R]:
    if not arguments:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(arguments))) as pool:
        return list(pool.map(work, arguments))


def read_authorities(path: str, option: str) -> str:
    """Return the certificates of a file in PEM; raise InvalidInput that names the option."""
    file = Path(path).expanduser()
    if not file.is_absolute():
        raise InvalidInput(
            f"{option} is the relative path {path!r}; allowed is an absolute one, or one with ~ in front."
        )
    try:
        parts = read_pem(file.read_bytes())
    except OSError as exc:
        raise InvalidInput(f"{option} names {path}, which cannot be read ({exc.strerror}).") from exc
    found = [part.certificate.pem for part in parts if part.certificate]
    if not found:
        raise InvalidInput(f"{option} names {path}, which holds no PEM certificate; name a file with authorities.")
    return "".join(found)


def _sni(endpoint: Endpoint) -> str:
    return endpoint.server_name or ("" if is_address(endpoint.address) else endpoint.address)


def _endpoint(endpoint: Endpoint, timeout: float) -> Entry:
    entry = Entry(ENDPOINT, "", endpoint.name, endpoint.server_name)
    try:
        shown = dial(endpoint.address, endpoint.port, _sni(endpoint), timeout)
        entry.chain = check_chain(shown.chain, served=True)
        entry.findings += entry.chain.findings
    except (HandshakeFailed, Unparsable) as exc:
        entry.findings.append(Finding(UNKNOWN, "not-served", f"it shows no certificate: {as_clause(exc)}"))
    return entry


def _name(endpoint: Endpoint, chain: Chain) -> Iterator[Finding]:
    shown, name = chain.certificate, endpoint.client_name
    if not shown.extensions_unread and not covers(shown, name):
        names = f"for {_some(shown.names)}" if shown.names else "without names"
        text = f"it shows a certificate {names}, not for {name}: clients refuse it"
        yield Finding(CRITICAL, "host-not-covered", text)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _not_trusted(error: NotTrusted, chain: Chain, whom: str) -> Iterator[Finding]:
    # The dates of what it shows are judged by themselves.
    now = utc_now()
    if error.code not in _DATES or all(each.not_before <= now < each.not_after for each in chain.members):
        yield Finding(CRITICAL, "not-trusted", f"{_why(error, chain, whom)}: clients refuse it")


def _why(exc: NotTrusted, chain: Chain, whom: str) -> str:
    shown, last = chain.certificate, chain.path[-1]
    if exc.code == _SELF_SIGNED:
        return f"it is self-signed, and not among {whom}"
    if exc.code == _ROOT_NOT_TRUSTED:
        return f"its root ({last.subject}) is not among {whom}"
    if exc.code in _NO_ISSUER:
        which = "it" if last is shown else f"the last of its chain ({last.subject})"
        return f"{last.issuer}, which has signed {which}, is neither shown with it nor among {whom}"
    return f"it is not accepted ({as_clause(exc)}) by {whom}"


def read_vault(login: VaultLogin, mount: str, prefix: str) -> Iterator[Entry]:
    """Yield the entries of KV version 2 below a prefix that hold certificates, and what could not be read."""
    found = False
    try:
        for path in _paths(login, mount, prefix.strip("/")):
            for entry in _kv_entry(login, mount, path):
                found = True
                yield entry
    # Sealed, unreachable, or a folder that this token may not list.
    except RunbookError as exc:
        yield _unread(mount, prefix, as_clause(exc))
        return
    if not found:
        yield _unread(mount, prefix, "no certificate was found there", "empty")


def _unread(mount: str, prefix: str, text: str, code: str = "denied") -> Entry:
    return Entry(SCOPE, "", f"vault {mount}/{prefix}", findings=[Finding(UNKNOWN, code, text)])


def _paths(login: VaultLogin, mount: str, folder: str) -> Iterator[str]:
    names = login.list_kv(mount, folder)
    if names is None:
        raise RunbookError(f"Vault at {login.url} does not let this token list {mount}/metadata/{folder}.")
    for name in names:
        path = f"{folder}/{name}".strip("/")
        if name.endswith("/"):
            yield from _paths(login, mount, path)
        else:
            yield path


def _texts(value: t.Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts of an entry by their names; those inside of mappings and lists, too, as in ``tls.crt``."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, (Mapping, list)):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in pairs:
            yield from _texts(each, f"{name}.{key}" if name else str(key))


def _kv_entry(login: VaultLogin, mount: str, path: str) -> Iterator[Entry]:
    entry = Entry(VAULT, mount, path)
    try:
        texts = dict(_texts(login.read_kv(mount, path).data))
    except RunbookError as exc:
        entry.findings.append(Finding(UNKNOWN, "denied", as_clause(exc)))
        yield entry
        return
    # One text with the leaf and its chain goes before the chain alone.
    names = [name for name, text in texts.items() if "-----BEGIN CERT" in text]
    names.sort(key=lambda name: ("ca" in name.lower().split("_") or "chain" in name.lower(), name))
    if not names:
        return
    entry.key = names[0]
    digest = ""
    try:
        key = next((text for text in texts.values() if "PRIVATE KEY-----" in text), "")
        digest = key_digest(key.encode()) if key else ""
    except Unparsable as exc:
        text = f"whether its private key belongs to it was not verified: {exc}"
        entry.findings.append(Finding(UNKNOWN, "key-unreadable", text))
    beside = [part for name in names[1:] for part in read_pem(texts[name].encode())]
    try:
        entry.chain = read_chain(
            texts[names[0]].encode(), digest, beside, anchors_in=" and ".join(names[1:]), public=False
        )
        entry.findings += entry.chain.findings
        entry.key_matches = entry.chain.key_matches
    except Unparsable as exc:
        entry.findings.append(Finding(UNKNOWN, "unparsable", str(exc)))
    yield entry
