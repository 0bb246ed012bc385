# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a check looks at, what it finds, and how that is counted. PRIVATE to the collection."""

from __future__ import annotations

import functools
import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..._errors import InvalidInput
from ..._severity import LEVELS, OK, rank
from ..._time import rfc3339
from ..certificate import Certificate
from ..der import Outline
from .severity import Finding, Life, Limits, Mute, Override, Renewal

SECRET, CONFIGMAP, CERTIFICATE, VAULT, ENDPOINT = "secret", "configmap", "certificate", "vault", "endpoint"
INGRESS, GATEWAY, WEBHOOK = "ingress", "gateway", "webhook"
# An authority that was met in chains, and is stored nowhere by itself.
MET = "authority"
# What was found besides certificates: a part of the scope that could not be read, and a mute that has ended.
SCOPE, MUTE = "scope", "mute"
LEAF, INTERMEDIATE, AUTHORITY = "leaf", "intermediate", "authority"
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Endpoint:
    """A TLS server to dial.

    ``secret`` (``namespace/name``) is what it should serve, if that is known; ``ca_cert`` is the file with the
    authorities that its clients trust.
    """

    address: str
    port: int
    server_name: str = ""
    secret: str = ""
    ca_cert: str = ""

    @property
    def client_name(self) -> str:
        """The name that clients expect in its certificate."""
        return self.server_name or self.address

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
        unknown = sorted(set(fields) - {"server_name", "secret", "ca_cert"})
        if not host or not port.isdigit() or not 0 < int(port) < 65536 or re.search(r"[\s/@]", host) or unknown:
            raise InvalidInput(
                f"{option} is {str(data)[:100]!r}; allowed are host:port, and a mapping of address (host:port), "
                "server_name, secret (namespace/name) and ca_cert (a file)."
            )
        secret = str(fields.get("secret") or "")
        if secret and secret.count("/") != 1:
            raise InvalidInput(f"{option}.secret is {secret[:100]!r}; allowed is namespace/name.")
        texts = {name: str(fields.get(name) or "") for name in ("server_name", "ca_cert")}
        return cls(host, int(port), secret=secret, **texts)


@dataclass(frozen=True)
class Request:
    """What is to be looked at, and by which limits; no namespaces mean all."""

    namespaces: tuple[str, ...] = ()
    secrets: bool = True
    other_secrets: bool = True
    keystores: bool = False
    certificates: bool = True
    configmaps: bool = False
    consumers: bool = True
    unused: bool = False
    endpoints: tuple[Endpoint, ...] = ()
    endpoint_ca_cert: str = ""
    vault: str = ""
    limits: Limits = field(default_factory=Limits)
    overrides: tuple[Override, ...] = ()
    mutes: tuple[Mute, ...] = ()

    def __post_init__(self) -> None:
        for namespace in self.namespaces:
            if not _NAMESPACE.fullmatch(namespace):
                raise InvalidInput(
                    f"O(namespaces) holds {namespace[:80]!r}, which is not a name of a namespace; allowed are "
                    "lower-case letters, digits and hyphens."
                )

    @property
    def kubernetes(self) -> bool:
        return self.secrets or self.certificates or self.configmaps

    def scope(self) -> dict[str, t.Any]:
        """Return what has to be the same for two runs to be compared."""
        return {
            "namespaces": sorted(self.namespaces),
            "secrets": self.secrets,
            "other_secrets": self.other_secrets,
            "keystores": self.keystores,
            "certificates": self.certificates,
            "configmaps": self.configmaps,
            "consumers": self.consumers,
            "endpoints": sorted(endpoint.name for endpoint in self.endpoints),
            "vault": self.vault,
        }


@dataclass
class Chain:
    """The certificates of one text in their order, with what is wrong in them whatever the time is.

    ``certificate`` is the one that is meant, ``path`` leads from it upwards as far as it could be verified, and
    ``anchors`` are the authorities beside it, in ``anchors_in``. ``numbers`` are the places in the text by fingerprint;
    ``unread`` is what can be told of those that cannot be read. ``key_matches`` is None where there was no key.
    """

    members: tuple[Certificate, ...]
    certificate: Certificate
    path: tuple[Certificate, ...]
    anchors: tuple[Certificate, ...] = ()
    anchors_in: str = "ca.crt"
    numbers: Mapping[str, int] = field(default_factory=dict)
    key_matches: bool | None = None
    findings: tuple[Finding, ...] = ()
    unread: tuple[tuple[str, Outline | None], ...] = ()
    _plain: dict[str, t.Any] | None = None

    def place(self, member: Certificate) -> str:
        """Say where one of its certificates or anchors is."""
        number = self.numbers.get(member.fingerprint)
        where = f"certificate {number} of its chain" if number else f"{self.anchors_in} beside it"
        return f"{where} ({member.subject})"

    def to_plain(self) -> dict[str, t.Any]:
        """Return what does not depend on where it is, made once for all those places."""
        if self._plain is None:
            meant = self.certificate
            self._plain = {
                "fingerprint": meant.fingerprint,
                "subject": meant.subject,
                "issuer": meant.issuer,
                "serial": meant.serial,
                "names": list(meant.names),
                "public_key": meant.key,
                "signature_hash": meant.signature_hash,
                "chain_length": len(self.members),
                "not_before": rfc3339(meant.not_before),
                "not_after": rfc3339(meant.not_after),
                "lifetime_seconds": meant.lifetime,
            }
        return self._plain


@dataclass
class Entry:
    """One place where a certificate is, or something that could not be read.

    ``key_matches`` and ``used`` are None where that was not looked at; ``copies`` counts the places with the same
    certificate; ``stored`` is the fingerprint that an endpoint should serve, and ``accepted`` tells that a
    client accepts what it does, which trusts the keys with the digests ``trusted``, None where these are not known;
    ``bundle`` is the key of the text in which it is one authority beside others; ``writers`` are who wrote which part
    of it last, as the API server says; ``severity`` is that of the worst finding, once it was judged.
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
    accepted: bool = False
    trusted: frozenset[str] | None = None
    bundle: str = ""
    writers: tuple[tuple[str, str], ...] = ()
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
        return self.chain.certificate.fingerprint if self.chain else ""

    @property
    def reasons(self) -> list[str]:
        """What is wrong, the worst first."""
        if len(self.findings) < 2:
            return [finding.text for finding in self.findings]
        found = sorted(self.findings, key=lambda finding: -rank(finding.severity))
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
            "muted": {"until": rfc3339(mute.until), "reason": mute.reason} if mute else None,
            **(self.chain.to_plain() if self.chain else _without_chain(life)),
            "remaining_seconds": round((life.end - now).total_seconds()) if life else None,
            "manager": self.manager,
            "ready": renewal.ready if renewal else None,
            "renewal_time": rfc3339(renewal.renewal_time) if renewal and renewal.renewal_time else None,
            "last_failure": rfc3339(renewal.last_failure) if renewal and renewal.last_failure else None,
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
        "not_before": rfc3339(life.start) if life else None,
        "not_after": rfc3339(life.end) if life else None,
        "lifetime_seconds": life.seconds if life else None,
    }


@dataclass(frozen=True)
class Inventory:
    """The entries, the worst first; ``skew`` is how many seconds the API server's clock is ahead of this one.

    ``left_out`` counts by kind what holds certificates and was not read, because nobody asked for it.
    """

    request: Request
    now: datetime
    entries: tuple[Entry, ...]
    skew: float = 0.0
    left_out: Mapping[str, int] = field(default_factory=dict)

    @functools.cached_property
    def rows(self) -> list[dict[str, t.Any]]:
        """All that is kept of the entries, made once for all files."""
        return [entry.to_plain(self.now) for entry in self.entries]

    @functools.cached_property
    def counts(self) -> dict[str, int]:
        """Entries by severity without the muted ones, which are counted apart."""
        counted = dict.fromkeys((*LEVELS, "muted"), 0)
        for entry in self.entries:
            counted["muted" if entry.muted else entry.severity] += 1
        return {**counted, "total": len(self.entries)}

    @property
    def severity(self) -> str:
        # The worst are first, and the muted ones last.
        return next((entry.severity for entry in self.entries if not entry.muted), OK)

    def at_least(self, severity: str) -> list[Entry]:
        """Return those that are as bad or worse, and not muted."""
        return [entry for entry in self.entries if not entry.muted and rank(entry.severity) >= rank(severity)]

    @property
    def unread(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.source == SCOPE]
