# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates outside of a cluster: those that servers show, and those in Vault. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from .._addresses import is_address
from .._errors import RunbookError, phrase
from .certificate import Unparsable, key_digest
from .handshake import HandshakeFailed, dial
from .inventory import ENDPOINT, SCOPE, VAULT, Endpoint, Entry, check_chain, read_chain
from .severity import CRITICAL, UNKNOWN, Finding

if t.TYPE_CHECKING:
    from .._vault.client import VaultLogin

_AT_ONCE = 16


def read_endpoints(endpoints: Sequence[Endpoint], timeout: float) -> list[Entry]:
    """Dial the servers, several at once; one that shows nothing is an entry that says so."""
    if not endpoints:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(endpoints))) as pool:
        return list(pool.map(lambda endpoint: _endpoint(endpoint, timeout), endpoints))


def _endpoint(endpoint: Endpoint, timeout: float) -> Entry:
    entry = Entry(ENDPOINT, "", endpoint.name, endpoint.server_name)
    name = endpoint.server_name or ("" if is_address(endpoint.address) else endpoint.address)
    try:
        entry.chain = check_chain(dial(endpoint.address, endpoint.port, name, timeout).chain)
        entry.findings += entry.chain.findings
    except (HandshakeFailed, Unparsable) as exc:
        entry.findings.append(Finding(UNKNOWN, "not-served", f"it shows no certificate: {phrase(exc)}"))
    return entry


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
        yield _unread(mount, prefix, phrase(exc))
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


def _kv_entry(login: VaultLogin, mount: str, path: str) -> Iterator[Entry]:
    entry = Entry(VAULT, mount, path)
    try:
        data = dict(login.read_kv(mount, path).data)
    except RunbookError as exc:
        entry.findings.append(Finding(UNKNOWN, "denied", phrase(exc)))
        yield entry
        return
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    # One text with the leaf and its chain goes before the chain alone.
    names = [name for name, text in texts.items() if "-----BEGIN CERT" in text]
    names.sort(key=lambda name: ("ca" in name.lower().split("_") or "chain" in name.lower(), name))
    key = next((text for text in texts.values() if "PRIVATE KEY-----" in text), "")
    if not names:
        return
    entry.key = names[0]
    try:
        entry.chain = read_chain(texts[names[0]].encode())
        entry.findings += entry.chain.findings
        if key:
            entry.key_matches = key_digest(key.encode()) == entry.chain.first.key_digest
    except Unparsable as exc:
        entry.findings.append(Finding(UNKNOWN, "unparsable", str(exc)))
    if entry.key_matches is False:
        entry.findings.append(Finding(CRITICAL, "key-mismatch", "its private key belongs to another certificate"))
    yield entry
