# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All certificates in a scope, read once and judged. PRIVATE to the collection.

Lists are read in pages and dropped page by page; of a private key, only whether it fits is kept.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from .._errors import InvalidInput, phrase
from .._k8s.client import ApiLogin, ApiRefused
from .certificate import Certificate, Unparsable, key_digest, moment_text, parse_chain
from .severity import (
    CRITICAL,
    OK,
    SEVERITIES,
    UNKNOWN,
    WARNING,
    Finding,
    Life,
    Limits,
    Mute,
    Override,
    Renewal,
    judge_authority,
    judge_managed,
    judge_renewal,
    judge_unmanaged,
    worst,
)

SECRET, CONFIGMAP, CERTIFICATE, VAULT, ENDPOINT = "secret", "configmap", "certificate", "vault", "endpoint"
# What was found besides certificates: a part of the scope that could not be read, and a mute that has ended.
SCOPE, MUTE = "scope", "mute"
LEAF, INTERMEDIATE, AUTHORITY = "leaf", "intermediate", "authority"

_CERT_MANAGER = "/apis/cert-manager.io/v1"
_OWNER = "cert-manager.io/certificate-name"
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_WEAK_HASHES = ("md2", "md4", "md5", "sha1")
_FEWEST_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}


@dataclass(frozen=True)
class Endpoint:
    """A TLS server to dial; ``secret`` (``namespace/name``) is what it should serve, if that is known."""

    address: str
    port: int
    server_name: str = ""
    secret: str = ""

    @property
    def name(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, data: t.Any, option: str) -> Endpoint:
        """Read ``host:port``, or a mapping with that as ``address``; raise InvalidInput."""
        fields = dict(data) if isinstance(data, Mapping) else {"address": data}
        host, _colon, port = str(fields.pop("address", "") or "").strip().rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        unknown = sorted(set(fields) - {"server_name", "secret"})
        if not host or not port.isdigit() or not 0 < int(port) < 65536 or re.search(r"[\s/@]", host) or unknown:
            raise InvalidInput(
                f"{option} is {str(data)[:100]!r}; allowed are host:port, and a mapping of address (host:port), "
                "server_name and secret (namespace/name)."
            )
        secret = str(fields.get("secret") or "")
        if secret and secret.count("/") != 1:
            raise InvalidInput(f"{option}.secret is {secret[:100]!r}; allowed is namespace/name.")
        return cls(host, int(port), str(fields.get("server_name") or ""), secret)


@dataclass(frozen=True)
class Request:
    """What is to be looked at, and by which limits; no namespaces mean all."""

    namespaces: tuple[str, ...] = ()
    secrets: bool = True
    certificates: bool = True
    configmaps: bool = False
    unused: bool = False
    endpoints: tuple[Endpoint, ...] = ()
    vault: str = ""
    limits: Limits = field(default_factory=Limits)
    overrides: tuple[Override, ...] = ()
    mutes: tuple[Mute, ...] = ()

    def __post_init__(self) -> None:
        for namespace in self.namespaces:
            if not _NAMESPACE.fullmatch(namespace):
                raise InvalidInput(
                    f"namespaces holds {namespace[:80]!r}, which is no name of a namespace; allowed are lower-case "
                    "letters, digits and hyphens."
                )

    @property
    def kubernetes(self) -> bool:
        return self.secrets or self.certificates or self.configmaps

    def scope(self) -> dict[str, t.Any]:
        """Return what has to be the same for two runs to be compared."""
        return {
            "namespaces": sorted(self.namespaces),
            "secrets": self.secrets,
            "certificates": self.certificates,
            "configmaps": self.configmaps,
            "endpoints": sorted(endpoint.name for endpoint in self.endpoints),
            "vault": self.vault,
        }


@dataclass
class Chain:
    """The certificates of one text, with what is wrong in themselves; the first is the one that is meant."""

    members: tuple[Certificate, ...]
    findings: tuple[Finding, ...] = ()
    _plain: dict[str, t.Any] | None = None

    @property
    def first(self) -> Certificate:
        return self.members[0]

    def to_plain(self) -> dict[str, t.Any]:
        """Return what does not depend on where it is, made once for all those places."""
        if self._plain is None:
            first = self.first
            self._plain = {
                "fingerprint": first.fingerprint,
                "subject": first.subject,
                "issuer": first.issuer,
                "serial": first.serial,
                "names": list(first.names),
                "public_key": first.key,
                "signature_hash": first.signature_hash,
                "chain_length": len(self.members),
                "not_before": moment_text(first.not_before),
                "not_after": moment_text(first.not_after),
                "lifetime_seconds": first.lifetime,
            }
        return self._plain


@dataclass
class Entry:
    """One place where a certificate is, or something that could not be read.

    ``key_matches`` and ``used`` are None where that was not looked at; ``copies`` counts the places with the same
    certificate; ``stored`` is the fingerprint that an endpoint should serve; ``severity`` is that of the
    worst finding, once it was judged.
    """

    source: str
    namespace: str
    name: str
    key: str = ""
    chain: Chain | None = None
    life: Life | None = None
    kind: str = LEAF
    manager: str = ""
    renewal: Renewal | None = None
    revision: int | None = None
    key_matches: bool | None = None
    used: bool | None = None
    copies: int = 1
    stored: str = ""
    findings: list[Finding] = field(default_factory=list)
    severity: str = OK
    muted: Mute | None = None

    @property
    def place(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def identity(self) -> str:
        """Tells it from all others of its cluster, in every run."""
        return f"{self.source}:{self.place}" + (f":{self.key}" if self.key else "")

    @property
    def fingerprint(self) -> str:
        return self.chain.first.fingerprint if self.chain else ""

    @property
    def reasons(self) -> list[str]:
        """What is wrong, the worst first."""
        if len(self.findings) < 2:
            return [finding.text for finding in self.findings]
        found = sorted(self.findings, key=lambda finding: -SEVERITIES.index(finding.severity))
        return [finding.text for finding in found]

    def to_plain(self, now: datetime) -> dict[str, t.Any]:
        """Return all that is kept of it, the same fields for each."""
        life, renewal, mute = self.life, self.renewal, self.muted
        return {
            "id": self.identity,
            "source": self.source,
            "namespace": self.namespace,
            "name": self.name,
            "key": self.key,
            "kind": self.kind if self.chain else "",
            "severity": self.severity,
            "reasons": self.reasons,
            "codes": sorted({finding.code for finding in self.findings}),
            "muted": {"until": moment_text(mute.until), "reason": mute.reason} if mute else None,
            **(self.chain.to_plain() if self.chain else _without_chain(life)),
            "remaining_seconds": round((life.end - now).total_seconds()) if life else None,
            "manager": self.manager,
            "ready": renewal.ready if renewal else None,
            "renewal_time": moment_text(renewal.renewal_time) if renewal and renewal.renewal_time else None,
            "last_failure": moment_text(renewal.last_failure) if renewal and renewal.last_failure else None,
            "revision": self.revision,
            "key_matches": self.key_matches,
            "stored_fingerprint": self.stored,
            "copies": self.copies,
            "used": self.used,
        }


def _without_chain(life: Life | None) -> dict[str, t.Any]:
    return {
        **dict.fromkeys(("fingerprint", "subject", "issuer", "serial"), ""),
        "names": [],
        **dict.fromkeys(("public_key", "signature_hash"), ""),
        "chain_length": 0,
        "not_before": moment_text(life.start) if life else None,
        "not_after": moment_text(life.end) if life else None,
        "lifetime_seconds": life.seconds if life else None,
    }


@dataclass(frozen=True)
class Inventory:
    """The entries, the worst first; ``skew`` is how many seconds the API server's clock is ahead of this one."""

    request: Request
    now: datetime
    entries: tuple[Entry, ...]
    skew: float = 0.0

    @functools.cached_property
    def rows(self) -> list[dict[str, t.Any]]:
        """All that is kept of the entries, made once for all files."""
        return [entry.to_plain(self.now) for entry in self.entries]

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """Entries by severity without the muted ones, which are counted apart."""
        counted = dict.fromkeys((*SEVERITIES, "muted"), 0)
        for entry in self.entries:
            counted["muted" if entry.muted else entry.severity] += 1
        return {**counted, "total": len(self.entries)}

    @property
    def severity(self) -> str:
        # The worst are first, and the muted ones last.
        return next((entry.severity for entry in self.entries if not entry.muted), OK)

    def at_least(self, severity: str) -> list[Entry]:
        """Return those that are as bad or worse, and not muted."""
        bad = SEVERITIES[SEVERITIES.index(severity) :]
        return [entry for entry in self.entries if not entry.muted and entry.severity in bad]

    @property
    def unread(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.source == SCOPE]


class Reader:
    """Parses each distinct text once: the same certificate is in many Secrets."""

    def __init__(self) -> None:
        self._chains: dict[bytes, Chain | Unparsable] = {}
        self._keys: dict[bytes, str | Unparsable] = {}

    def chain(self, text: str) -> Chain:
        """Return the chain of a Secret's ``tls.crt`` in base64; raise Unparsable."""
        mark = hashlib.sha256(text.encode()).digest()
        found = self._chains.get(mark)
        if found is None:
            found = self._chains[mark] = _caught(lambda: read_chain(_decoded(text)))
        if isinstance(found, Unparsable):
            raise found
        return found

    def key(self, text: str) -> str:
        """Return the digest of the public half of a Secret's ``tls.key`` in base64; raise Unparsable."""
        mark = hashlib.sha256(text.encode()).digest()
        found = self._keys.get(mark)
        if found is None:
            found = self._keys[mark] = _caught(lambda: key_digest(_decoded(text)))
        if isinstance(found, Unparsable):
            raise found
        return found


_T = t.TypeVar("_T")


def _caught(read: t.Callable[[], _T]) -> _T | Unparsable:
    try:
        return read()
    except Unparsable as exc:
        return exc


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        raise Unparsable("it is not in base64") from None


def read_chain(pem: bytes) -> Chain:
    """Return the chain of a PEM text; raise Unparsable."""
    return check_chain(parse_chain(pem))


def check_chain(members: Sequence[Certificate]) -> Chain:
    """Return a chain with what is wrong in it whatever the time is."""
    found = list(_weaknesses(members[0]))
    for number, (one, following) in enumerate(zip(members, members[1:]), 1):
        if not one.is_issued_by(following):
            if any(one.is_issued_by(other) for other in members if other is not one):
                text = f"its chain is in the wrong order after certificate {number}"
            else:
                text = f"certificate {number + 1} of its chain ({following.subject}) has not signed the one before it"
            found.append(Finding(WARNING, "chain-order", text))
            break
    return Chain(tuple(members), tuple(found))


def _weaknesses(certificate: Certificate) -> Iterator[Finding]:
    fewest = _FEWEST_BITS.get(certificate.key_type, 0)
    if certificate.key_bits < fewest:
        yield Finding(WARNING, "weak-crypto", f"its key is weak ({certificate.key}, at least {fewest} bits are needed)")
    # Nobody verifies the signature of a root: it is trusted by being there.
    if certificate.signature_hash in _WEAK_HASHES and not (certificate.self_issued and certificate.is_ca):
        text = f"it is signed with the broken hash {certificate.signature_hash.upper()}"
        yield Finding(WARNING, "weak-crypto", text)


def read_cluster(login: ApiLogin, request: Request) -> list[Entry]:
    """Read what is asked for of a cluster; what this login may not read is an entry that says so."""
    return _Cluster(login, request).read()


class _Cluster:
    def __init__(self, login: ApiLogin, request: Request) -> None:
        self._login = login
        self._request = request
        self._reader = Reader()
        self._unread: list[Entry] = []

    def read(self) -> list[Entry]:
        request = self._request
        entries: list[Entry] = []
        if request.secrets:
            entries += self._secrets()
        # Whether a Certificate is missing can only be told where all of them could be listed.
        known = len(self._unread)
        orders = list(self._list("certificates.cert-manager.io", _CERT_MANAGER)) if request.certificates else []
        complete = request.certificates and len(self._unread) == known
        entries += _with_orders(entries, orders, complete)
        if request.configmaps:
            entries += self._bundles()
        if request.unused:
            self._mark_used(entries)
        found = {entry.namespace for entry in [*entries, *self._unread]}
        for namespace in request.namespaces:
            if namespace not in found:
                self._check_exists(namespace)
        return [*entries, *self._unread]

    def _list(self, resource: str, api: str, **query: str) -> Iterator[dict[str, t.Any]]:
        """Yield the objects of a kind in the scope; what is refused becomes an entry."""
        plural = resource.partition(".")[0]
        for namespace in self._request.namespaces or ("",):
            where = f"in the namespace {namespace}" if namespace else "in all namespaces"
            path = f"{api}/namespaces/{namespace}/{plural}" if namespace else f"{api}/{plural}"
            try:
                for page in self._login.pages(f"list {resource} {where}", path, **query):
                    yield from page
            except ApiRefused as exc:
                if exc.status == 401:
                    raise
                # The kind itself is unknown there: cert-manager is not installed.
                if exc.status == 404 and api == _CERT_MANAGER:
                    return
                advice = "" if namespace else " (or name the namespaces that it may read)"
                finding = Finding(UNKNOWN, "denied", phrase(exc) + advice)
                self._unread.append(Entry(SCOPE, namespace, resource, findings=[finding]))

    def _check_exists(self, namespace: str) -> None:
        try:
            self._login.get("read the namespace", f"/api/v1/namespaces/{namespace}")
        except ApiRefused as exc:
            if exc.status == 404:
                raise InvalidInput(
                    f"There is no namespace {namespace} in {self._login.name}; name one that exists, or none for all."
                ) from exc

    def _secrets(self) -> Iterator[Entry]:
        for secret in self._list("secrets", "/api/v1", fieldSelector="type=kubernetes.io/tls"):
            about, data = secret["metadata"], secret.pop("data", None) or {}
            entry = Entry(SECRET, about["namespace"], about["name"], "tls.crt")
            entry.manager = (about.get("annotations") or {}).get(_OWNER, "")
            self._read_pair(entry, data.get("tls.crt", ""), data.pop("tls.key", ""))
            if data.get("ca.crt") and entry.chain:
                self._check_authority(entry, entry.chain, data["ca.crt"])
            yield entry

    def _read_pair(self, entry: Entry, certificate: str, key: str) -> None:
        try:
            entry.chain = self._reader.chain(certificate)
        except Unparsable as exc:
            entry.findings.append(Finding(UNKNOWN, "unparsable", str(exc)))
            return
        entry.findings += entry.chain.findings
        if not key:
            entry.findings.append(Finding(WARNING, "key-missing", "there is no private key beside it"))
            return
        try:
            entry.key_matches = self._reader.key(key) == entry.chain.first.key_digest
        except Unparsable as exc:
            entry.findings.append(Finding(UNKNOWN, "key-unreadable", str(exc)))
            return
        if not entry.key_matches:
            entry.findings.append(Finding(CRITICAL, "key-mismatch", "its private key belongs to another certificate"))

    def _check_authority(self, entry: Entry, chain: Chain, bundle: str) -> None:
        try:
            authorities = self._reader.chain(bundle).members
        except Unparsable as exc:
            entry.findings.append(Finding(UNKNOWN, "authority-unparsable", f"ca.crt beside it: {exc}"))
            return
        marks = {authority.fingerprint for authority in authorities}
        last = chain.members[-1]
        if last.fingerprint not in marks and not any(last.is_issued_by(authority) for authority in authorities):
            text = "ca.crt beside it does not hold the authority that has signed its chain"
            entry.findings.append(Finding(WARNING, "authority-other", text))

    def _bundles(self) -> Iterator[Entry]:
        for configmap in self._list("configmaps", "/api/v1"):
            about = configmap["metadata"]
            for key, text in (configmap.get("data") or {}).items():
                for number, block in enumerate(_BLOCK.findall(text) if "-----BEGIN CERT" in text else ()):
                    entry = Entry(CONFIGMAP, about["namespace"], about["name"], f"{key}[{number}]")
                    try:
                        entry.chain = self._reader.chain(base64.b64encode(block.encode()).decode())
                        entry.findings += entry.chain.findings
                    except Unparsable as exc:
                        entry.findings.append(Finding(UNKNOWN, "unparsable", str(exc)))
                    yield entry

    def _mark_used(self, entries: Sequence[Entry]) -> None:
        before = len(self._unread)
        used = {place for pod in self._list("pods", "/api/v1") for place in _of_pod(pod)}
        ingresses = self._list("ingresses.networking.k8s.io", "/apis/networking.k8s.io/v1")
        used.update(place for ingress in ingresses for place in _of_ingress(ingress))
        if len(self._unread) > before:
            return
        for entry in entries:
            if entry.source == SECRET:
                entry.used = entry.place in used


def _of_pod(pod: Mapping[str, t.Any]) -> Iterator[str]:
    """Yield the Secrets that a pod mentions."""
    spec, namespace = pod["spec"], pod["metadata"]["namespace"]
    names: list[str | None] = []
    for volume in spec.get("volumes") or ():
        names.append((volume.get("secret") or {}).get("secretName"))
        sources = (volume.get("projected") or {}).get("sources") or ()
        names += [(source.get("secret") or {}).get("name") for source in sources]
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        for variable in container.get("env") or ():
            names.append(((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name"))
        names += [(source.get("secretRef") or {}).get("name") for source in container.get("envFrom") or ()]
    return (f"{namespace}/{name}" for name in names if name)


def _of_ingress(ingress: Mapping[str, t.Any]) -> Iterator[str]:
    for each in ingress["spec"].get("tls") or ():
        if each.get("secretName"):
            yield f"{ingress['metadata']['namespace']}/{each['secretName']}"


def _with_orders(entries: Sequence[Entry], orders: Sequence[Mapping[str, t.Any]], complete: bool) -> list[Entry]:
    """Give the entries the state of the cert-manager Certificates that renew them; return entries of the others."""
    stored = {(entry.namespace, entry.name): entry for entry in entries}
    rest, renewed = [], set()
    for order in orders:
        about, status = order["metadata"], order.get("status") or {}
        place = (about["namespace"], order["spec"].get("secretName", ""))
        entry = stored.get(place)
        if entry is None:
            entry = Entry(CERTIFICATE, about["namespace"], about["name"])
            start, end = _moment(status.get("notBefore")), _moment(status.get("notAfter"))
            entry.life = Life(start, end) if start and end else None
            rest.append(entry)
        elif place in renewed:
            text = f"two Certificates write it, {entry.manager} and {about['name']}"
            entry.findings.append(Finding(CRITICAL, "two-owners", text))
        renewed.add(place)
        entry.manager, entry.renewal, entry.revision = about["name"], _renewal(status), status.get("revision")
    for entry in entries:
        if entry.manager and entry.renewal is None:
            if complete:
                text = f"the Certificate {entry.manager} that renewed it is gone"
                entry.findings.append(Finding(OK, "orphaned", text))
                entry.manager = ""
            else:
                entry.renewal = Renewal(ready=True)
    return rest


def _renewal(status: Mapping[str, t.Any]) -> Renewal:
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {"status": "Unknown", "reason": "has no condition Ready"}
    reason = ": ".join(filter(None, (ready.get("reason"), phrase(ready.get("message") or ""))))
    return Renewal(
        ready=ready["status"] == "True",
        reason=reason,
        renewal_time=_moment(status.get("renewalTime")),
        last_failure=_moment(status.get("lastFailureTime")),
    )


def _moment(text: t.Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")) if text else None
    except ValueError:
        return None


def judge(request: Request, entries: Iterable[Entry], now: datetime, skew: float = 0.0) -> Inventory:
    """Judge what was read by its dates, and all of it against each other."""
    found = list(entries)
    for entry in found:
        if entry.chain:
            entry.life = entry.life or Life(entry.chain.first.not_before, entry.chain.first.not_after)
    signed = _signed(found)
    copies: dict[str, int] = {}
    for entry in found:
        copies[entry.fingerprint] = copies.get(entry.fingerprint, 0) + 1
    bundles: dict[tuple[str, str, str], int] = {}
    for entry in found:
        if entry.source == CONFIGMAP and entry.life and entry.life.end > now:
            bundle = (entry.namespace, entry.name, entry.key.rpartition("[")[0])
            bundles[bundle] = bundles.get(bundle, 0) + 1
    for entry in found:
        limits = _limits(request, entry)
        if entry.chain:
            entry.copies = copies[entry.fingerprint]
            entry.kind = _kind(entry, signed)
        if entry.life:
            alive = bundles.get((entry.namespace, entry.name, entry.key.rpartition("[")[0]), 0)
            entry.findings += _judge_dates(entry, now, limits, signed.get(entry.fingerprint, []), alive)
        elif entry.renewal:
            entry.findings += judge_renewal(entry.renewal)
    if not found:
        finding = Finding(UNKNOWN, "empty", "nothing was found in the whole scope, so that nothing is known")
        found.append(Entry(SCOPE, "", "everything", findings=[finding]))
    for entry in found:
        entry.severity = worst(entry.findings)
    found += _muted(request.mutes, found, now)
    rank = {severity: -number for number, severity in enumerate(SEVERITIES)}
    far = datetime.max.replace(tzinfo=now.tzinfo)
    found.sort(
        key=lambda entry: (
            entry.muted is not None,
            rank[entry.severity],
            entry.life.end if entry.life else far,
            entry.identity,
        )
    )
    return Inventory(request, now, tuple(found), skew)


def _judge_dates(
    entry: Entry, now: datetime, limits: Limits, signed: Sequence[tuple[str, Life]], alive: int
) -> list[Finding]:
    life = t.cast(Life, entry.life)
    if entry.source == CONFIGMAP:
        found = judge_authority(life, now, limits, signed) if entry.kind != LEAF else judge_unmanaged(life, now, limits)
        # One that has expired does no harm in a bundle whose others are trusted.
        return [one._replace(severity=WARNING) if one.code == "expired" and alive else one for one in found]
    if entry.kind != LEAF:
        found = judge_authority(life, now, limits, signed)
        return found + (judge_renewal(entry.renewal) if entry.renewal else [])
    if entry.renewal:
        found = judge_managed(life, entry.renewal, now, limits)
    else:
        found = judge_unmanaged(life, now, limits)
    return [*found, *_judge_chain(entry, now, limits)]


def _judge_chain(entry: Entry, now: datetime, limits: Limits) -> Iterator[Finding]:
    for number, member in enumerate(entry.chain.members[1:] if entry.chain else (), 2):
        found = judge_unmanaged(Life(member.not_before, member.not_after), now, limits)
        # A root that is sent along is not looked at by anybody.
        for one in () if member.self_issued else found:
            yield one._replace(text=f"certificate {number} of its chain ({member.subject}): {one.text}")


def _limits(request: Request, entry: Entry) -> Limits:
    limits = request.limits
    for override in request.overrides:
        if override.covers(entry.place):
            limits = override.apply(limits)
    return limits


def _kind(entry: Entry, signed: Mapping[str, t.Any]) -> str:
    """A certificate that may sign but has names of servers and has signed nothing is a server's own, self-signed."""
    first = t.cast(Chain, entry.chain).first
    if not first.is_ca or (entry.source != CONFIGMAP and first.names and first.fingerprint not in signed):
        return LEAF
    return AUTHORITY if first.self_issued else INTERMEDIATE


def _signed(entries: Sequence[Entry]) -> dict[str, list[tuple[str, Life]]]:
    """Return by the fingerprint of each authority what it has signed, with the first place of each."""
    issued: dict[str, dict[str, Entry]] = {}
    authorities: dict[str, Certificate] = {}
    for entry in entries:
        if entry.chain:
            first = entry.chain.first
            issued.setdefault(first.issuer, {}).setdefault(first.fingerprint, entry)
            if first.is_ca:
                authorities[first.fingerprint] = first
    signed: dict[str, list[tuple[str, Life]]] = {}
    for fingerprint, authority in authorities.items():
        for other, entry in issued.get(authority.subject, {}).items():
            if other != fingerprint and entry.chain and entry.life and entry.chain.first.is_issued_by(authority):
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
            text = f"this mute ended at {moment_text(mute.until)} ({mute.reason}); renew or remove it"
            yield Entry(MUTE, "", mute.match, findings=[Finding(WARNING, "mute-ended", text)], severity=WARNING)


def compare_served(endpoints: Sequence[Entry], stored: Sequence[Entry], wanted: Mapping[str, str]) -> None:
    """Compare what endpoints serve with the Secret that ``wanted`` names, or with one for the same names."""
    by_place = {entry.place: entry for entry in stored if entry.source == SECRET and entry.chain}
    by_names: dict[tuple[str, ...], list[Entry]] = {}
    for entry in by_place.values():
        if entry.chain and entry.chain.first.names:
            by_names.setdefault(entry.chain.first.names, []).append(entry)
    for entry in endpoints:
        if not entry.chain:
            continue
        place = wanted.get(entry.name, "")
        if place and place not in by_place:
            text = f"the Secret {place} that it should serve was not read"
            entry.findings.append(Finding(UNKNOWN, "stored-unknown", text))
            continue
        candidates = [by_place[place]] if place else by_names.get(entry.chain.first.names, [])
        same = [other for other in candidates if other.fingerprint == entry.fingerprint]
        for other in same or candidates[:1]:
            entry.stored = other.fingerprint
            entry.manager, entry.renewal = other.manager, other.renewal
        if candidates and not same:
            text = f"it does not serve what the Secret {candidates[0].place} holds: restart or reload it"
            entry.findings.append(Finding(WARNING, "served-differs", text))
