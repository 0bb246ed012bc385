# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates a Secret, a ConfigMap or a bundle holds, and whether its keys fit. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from ..._k8s.client import Object
from ..._severity import CRITICAL, UNKNOWN, WARNING
from ..certificate import Unparsable
from .chain import KEY_LABEL, Reader, check_chain, decoded, read_bundle
from .flaws import serial_flaws
from .keystores import KUBECONFIG, Stored, read_keystore, recognise
from .model import CONFIGMAP, SECRET, Chain, Entry
from .severity import Finding, Life

TLS_TYPE = "kubernetes.io/tls"
# Releases of Helm are large, and tokens hold the authority of the cluster; in neither is a certificate of anybody.
UNREAD_TYPES = ("helm.sh/release.v1", "kubernetes.io/service-account-token")
_OWNER = "cert-manager.io/certificate-name"
_PAIR = ("tls.crt", "tls.key", "ca.crt")
_PUBLIC = re.compile(r"\.(?:crt|cer|cert)$")
# Texts of other kinds, in which certificates stand in whatever form that kind asks for.
_DOCUMENT = re.compile(
    r"(?:\.(?:cfg|conf|config|env|hcl|html?|ini|js|json|md|ovpn|properties|py|rb|sh|sql|tf|tfvars|toml|xml|ya?ml))$"
)
_OF_DOCUMENT = (b"{", b"[", b"<")
_EMBEDDED = re.compile(rb"-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----(.*?)-----END \1-----", re.DOTALL)
_AROUND_LINES = re.compile(rb"(?:\\r)?\\n|[\s\"',\\]")
_NAMED_LIKE_ONE = re.compile(r"\.(?:crt|cer|cert|pem)$")
UNREADABLE = "unreadable certificate file"
_KEY_MARK, _CERTIFICATE_MARK = f"{KEY_LABEL}-----".encode(), b"CERTIFICATE-----"


class SecretReader:
    """Makes entries of what Secrets hold, and counts by kind what it leaves out."""

    def __init__(self, *, others: bool, keystores: bool) -> None:
        self._reader = Reader()
        self._others = others
        self._keystores = keystores
        self.left_out: Counter[str] = Counter()

    def entries(self, secret: Object) -> Iterator[Entry]:
        """Yield the entries of a Secret; its data are dropped."""
        about, data = secret["metadata"], secret.pop("data", None) or {}
        pair = None
        if secret.get("type", TLS_TYPE) == TLS_TYPE or "tls.crt" in data:
            pair = Entry(SECRET, about["namespace"], about["name"], "tls.crt")
            pair.manager = (about.get("annotations") or {}).get(_OWNER, "")
            self._read_pair(pair, data)
            yield pair
            if pair.chain is None:
                # With a chain, they are judged with that.
                for content in _contents({key: data[key] for key in ("ca.crt",) if data.get(key)}).values():
                    yield from bundle_entries(SECRET, about, "ca.crt", content)
        if self._others:
            rest = {key: text for key, text in data.items() if not (pair and key in _PAIR)}
            for entry in self._rest(about, rest) if rest else ():
                # Copies in other forms are what cert-manager, for one, writes beside the pair.
                if not (pair and entry.fingerprint and entry.fingerprint in _fingerprints(pair)):
                    yield entry

    def _read_pair(self, entry: Entry, data: Mapping[str, str]) -> None:
        key, digest, problem = data.get("tls.key", ""), "", None
        try:
            digest = self._reader.key(key) if key else ""
        except Unparsable as exc:
            text = f"whether its private key belongs to it was not verified: {exc}"
            problem = Finding(UNKNOWN, "key-unreadable", text)
        form = self._form(key) if key else ""
        if form:
            text = f"its private key {form}: servers refuse it or pass over it"
            entry.findings.append(Finding(CRITICAL, "pem-form", text))
        anchors = data.get("ca.crt", "")
        if anchors:
            anchors = self._check_anchors(entry, anchors)
        try:
            entry.chain = self._reader.chain(data.get("tls.crt", ""), digest, anchors)
        except Unparsable as exc:
            _say_unparsable(entry, exc)
        else:
            entry.findings += entry.chain.findings
            entry.key_matches = entry.chain.key_matches
            entry.findings += _without_root(entry.chain)
        if problem:
            entry.findings.append(problem)
        elif not key:
            entry.findings.append(Finding(WARNING, "key-missing", "there is no private key beside it"))

    def _form(self, text: str) -> str:
        """Return what is wrong with the form of a block, also where the library reads it, or does not."""
        try:
            return next((part.form for part in self._reader.parts(text) if part.form), "")
        except Unparsable:
            return ""

    def _check_anchors(self, entry: Entry, text: str) -> str:
        """Return ca.crt as far as it can be read; what cannot becomes a finding."""
        try:
            parts = self._reader.parts(text)
        except Unparsable as exc:
            entry.findings.append(Finding(UNKNOWN, "authority-unparsable", f"ca.crt beside it: {exc}"))
            return ""
        for part in parts:
            if part.problem:
                entry.findings.append(Finding(UNKNOWN, "authority-unparsable", f"ca.crt beside it: {part.problem}"))
            elif part.form:
                sentence = f"a certificate in ca.crt beside it {part.form}: clients refuse it or pass over it"
                entry.findings.append(Finding(CRITICAL, "pem-form", sentence))
        if any(part.label.endswith(KEY_LABEL) for part in parts):
            sentence = "there is a private key in ca.crt, where everybody expects public data: replace that key"
            entry.findings.append(Finding(WARNING, "private-key-inside", sentence))
        if not any(part.certificate or part.problem for part in parts):
            sentence = "ca.crt beside it: there is no PEM certificate in it"
            entry.findings.append(Finding(UNKNOWN, "authority-unparsable", sentence))
        return text if any(part.certificate for part in parts) else ""

    def _rest(self, about: Object, data: Mapping[str, str]) -> Iterator[Entry]:
        contents = _contents(data)
        keys = {key: self._digest(data[key]) for key, content in contents.items() if _KEY_MARK in content}
        for key, content in contents.items():
            if _is_pem(key, content):
                yield from self._pem(about, key, data[key], content, keys)
            else:
                yield from self._no_pem(SECRET, about, key, content, contents)

    def _no_pem(
        self, source: str, about: Object, key: str, content: bytes, contents: Mapping[str, bytes]
    ) -> Iterator[Entry]:
        if _has_certificates(content):
            yield from _document_entries(source, about, key, content)
        else:
            yield from self._other(source, about, key, content, contents)

    def _other(
        self, source: str, about: Object, key: str, content: bytes, contents: Mapping[str, bytes]
    ) -> Iterator[Entry]:
        kind = recognise(content)
        if not kind and content.strip() and _NAMED_LIKE_ONE.search(key.lower()) and b"-----BEGIN" not in content:
            kind = UNREADABLE
        if kind and (kind in (KUBECONFIG, UNREADABLE) or not self._keystores):
            self.left_out[kind] += 1
        elif kind:
            yield from _keystore(source, about, key, kind, content, contents)

    def of_configmap(self, configmap: Object) -> Iterator[Entry]:
        """Yield the entries of a ConfigMap; its data are dropped."""
        about = configmap["metadata"]
        contents = {key: text.encode() for key, text in (configmap.pop("data", None) or {}).items()}
        contents |= _contents(configmap.pop("binaryData", None) or {})
        for key, content in contents.items():
            if _is_pem(key, content):
                yield from bundle_entries(CONFIGMAP, about, key, content)
            else:
                yield from self._no_pem(CONFIGMAP, about, key, content, contents)

    def _digest(self, text: str) -> str | Unparsable:
        try:
            return self._reader.key(text)
        except Unparsable as exc:
            return exc

    def _pem(
        self, about: Object, key: str, text: str, content: bytes, keys: Mapping[str, str | Unparsable]
    ) -> Iterator[Entry]:
        entry = Entry(SECRET, about["namespace"], about["name"], key)
        public = bool(_PUBLIC.search(key.lower()))
        digests = {digest for digest in keys.values() if isinstance(digest, str)}
        sibling = next((keys[name] for name in _siblings(key) if name in keys), "")
        try:
            members = [part.certificate for part in self._reader.parts(text) if part.certificate]
            mine = next((each.key_digest for each in members if each.key_digest in digests), "")
            if members and not mine and all(each.is_ca for each in members):
                yield from bundle_entries(SECRET, about, key, content)
                return
            digest = mine or (sibling if isinstance(sibling, str) else "")
            entry.chain = self._reader.chain(text, digest, public=public)
            entry.findings += entry.chain.findings
            entry.key_matches = entry.chain.key_matches
        except Unparsable as exc:
            # A request for a certificate is none.
            if str(exc).startswith("there is no PEM certificate"):
                return
            _say_unparsable(entry, exc)
        if isinstance(sibling, Unparsable):
            sentence = f"whether its private key belongs to it was not verified: {sibling}"
            entry.findings.append(Finding(UNKNOWN, "key-unreadable", sentence))
        yield entry


def _contents(data: Mapping[str, str]) -> dict[str, bytes]:
    found = {}
    for key, text in data.items():
        with contextlib.suppress(Unparsable):
            found[key] = decoded(text)
    return found


def _has_certificates(content: bytes) -> bool:
    return b"-----BEGIN" in content and _CERTIFICATE_MARK in content


def _is_pem(key: str, content: bytes) -> bool:
    """Tell whether a text is nothing but PEM: certificates may stand inside one of another kind, too."""
    is_document = _DOCUMENT.search(key.lower()) or content.lstrip()[:1] in _OF_DOCUMENT
    return _has_certificates(content) and not is_document


def _document_entries(source: str, about: Object, key: str, content: bytes) -> Iterator[Entry]:
    """Yield an entry for each certificate in a text of another kind, which says how it is written there."""
    blocks = [
        b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, _AROUND_LINES.sub(b"", body), label)
        for label, body in _EMBEDDED.findall(content)
    ]
    entries = list(bundle_entries(source, about, key, b"".join(blocks)))
    for entry in entries:
        # Only authorities stand there beside each other for the same purpose.
        if entry.chain and not entry.chain.certificate.is_ca:
            entry.bundle = ""
    if not entries:
        finding = Finding(UNKNOWN, "unparsable", "there is no whole certificate in it")
        entries = [Entry(source, about["namespace"], about["name"], key, findings=[finding])]
    yield from entries


def _without_root(chain: Chain) -> Iterator[Finding]:
    known = {anchor.fingerprint for anchor in chain.anchors}
    last = chain.path[-1]
    if any(each.fingerprint in known for each in chain.path) and not last.is_root:
        text = (
            f"its chain ends with {chain.place(last)}, which is not a root: clients of OpenSSL refuse a partial chain"
        )
        yield Finding(WARNING, "partial-chain", text)


def _fingerprints(pair: Entry) -> set[str]:
    if pair.chain is None:
        return set()
    return {each.fingerprint for each in (pair.chain.certificate, *pair.chain.anchors)}


def _siblings(key: str) -> tuple[str, ...]:
    """Return the names under which the private key of a certificate is usually kept beside it."""
    stem = key.rpartition(".")[0] or key
    return (f"{stem}.key", f"{stem}-key.pem", f"{stem}.key.pem", *(("key.pem",) if key == "cert.pem" else ()))


def _keystore(
    source: str, about: Object, key: str, kind: str, content: bytes, contents: Mapping[str, bytes]
) -> Iterator[Entry]:
    stem = key.rpartition(".")[0]
    names = (f"{stem}.password", f"{stem}-password", f"{key}.password", "password", "keystore-password")
    passwords = [contents[name].strip() for name in names if name in contents]
    try:
        for stored in read_keystore(kind, content, passwords):
            yield _stored_entry(source, about, key, stored)
    except Unparsable as exc:
        yield Entry(source, about["namespace"], about["name"], key, findings=[Finding(UNKNOWN, "unparsable", str(exc))])


def _stored_entry(source: str, about: Object, key: str, stored: Stored) -> Entry:
    entry = Entry(source, about["namespace"], about["name"], f"{key}[{stored.alias}]" if stored.alias else key)
    entry.bundle = key if stored.trusted else ""
    entry.chain = check_chain(stored.members)
    entry.findings += entry.chain.findings
    return entry


def bundle_entries(source: str, about: Object, key: str, content: bytes) -> Iterator[Entry]:
    """Yield an entry for each certificate of a text that holds authorities, one beside the other."""
    chains, findings = read_bundle(content)
    for number, chain in enumerate(chains):
        entry = Entry(source, about.get("namespace", ""), about["name"], f"{key}[{number}]", bundle=key)
        if isinstance(chain, Chain):
            entry.chain = chain
            entry.findings += chain.findings
        else:
            _say_unparsable(entry, chain)
        # What is wrong with the text is told once.
        entry.findings += findings if not number else ()
        yield entry


def _say_unparsable(entry: Entry, error: Unparsable) -> None:
    """Say why a certificate cannot be read, and what can be told of it all the same."""
    entry.findings.append(Finding(UNKNOWN, "unparsable", str(error)))
    if error.outline:
        entry.life = Life(error.outline.not_before, error.outline.not_after)
        entry.findings += serial_flaws(error.outline.serial)
