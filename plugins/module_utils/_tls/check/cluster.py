# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates of a cluster, each distinct text parsed once. PRIVATE to the collection.

Lists are read in pages and dropped page by page; of a private key, only whether it fits is kept.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..._errors import InvalidInput, as_clause
from ..._k8s.client import ApiError, ApiLogin, Object
from ..._k8s.references import SECRET as SECRET_KIND
from ..._k8s.references import ingress_secrets, references
from ..._severity import CRITICAL, OK, UNKNOWN, WARNING
from ..._time import parse_time
from .consumers import GATEWAY_GROUP, Consumed, injected_from, is_granted, of_gateway, of_ingress, trusting
from .flaws import covers, serves, uses_tls
from .model import CERTIFICATE, GATEWAY, INGRESS, SCOPE, SECRET, Chain, Entry, Request
from .secrets import TLS_TYPE, UNREAD_TYPES, SecretReader
from .severity import Finding, Life, Renewal

_CORE = "/api/v1"
_CERT_MANAGER = "/apis/cert-manager.io/v1"
_NETWORKING = "/apis/networking.k8s.io/v1"
_GATEWAYS = f"/apis/{GATEWAY_GROUP}/v1"
_GRANTS = f"/apis/{GATEWAY_GROUP}/v1beta1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_REGISTRATION = "/apis/apiregistration.k8s.io/v1"
_EXTENSIONS = "/apis/apiextensions.k8s.io/v1"
# What a cluster need not have: there, the kind itself is not known.
_OPTIONAL = (_CERT_MANAGER, _GATEWAYS, _GRANTS)
# The controllers of cert-manager, by their former name too, and a rollback of ours.
_WRITERS = ("cert-manager", "controller", "market_intel.runbooks")
# What of a Secret cert-manager writes, as sentences call it.
_PARTS = {"tls.crt": "certificate", "tls.key": "private key", "ca.crt": "ca.crt"}
_WEBHOOKS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")


@dataclass(frozen=True)
class ClusterContent:
    """What was read of a cluster, and by kind how many certificates were left out."""

    entries: list[Entry]
    left_out: Mapping[str, int] = field(default_factory=dict)


def read_cluster(login: ApiLogin, request: Request) -> ClusterContent:
    """Read what is asked for of a cluster; what this login may not read is an entry that says so."""
    return _Cluster(login, request).read()


class _Cluster:
    def __init__(self, login: ApiLogin, request: Request) -> None:
        self._login = login
        self._request = request
        self._unread: list[Entry] = []
        self._secrets_of = SecretReader(others=request.other_secrets, keystores=request.keystores)
        # The Secrets that there are, with the entry of their pair if they have one.
        self._pairs: dict[tuple[str, str], Entry | None] = {}
        self._missing: dict[tuple[str, str], bool] = {}
        # The Secrets that Certificates have written, by those.
        self._renewed: dict[tuple[str, str], tuple[str, str]] = {}

    def read(self) -> ClusterContent:
        request = self._request
        entries: list[Entry] = []
        if request.secrets:
            entries += self._secrets()
        listed = request.secrets and not self._unread
        # Whether a Certificate is missing can only be told where all of them could be listed.
        known = len(self._unread)
        certificates = list(self._list("certificates.cert-manager.io", _CERT_MANAGER)) if request.certificates else []
        complete = request.certificates and len(self._unread) == known
        for each in certificates:
            about = each["metadata"]
            secret = (about["namespace"], each["spec"].get("secretName", ""))
            self._renewed[about["namespace"], about["name"]] = secret
        entries += _with_certificates(entries, certificates, complete, self._state_of if listed else None)
        if request.configmaps:
            entries += self._bundles()
        before = len(self._unread)
        ingresses: list[Object] = []
        if request.consumers or request.unused:
            ingresses = list(self._list("ingresses.networking.k8s.io", _NETWORKING))
        if request.unused:
            self._mark_used(entries, ingresses, len(self._unread) == before)
        if request.consumers:
            entries += self._consumers(ingresses, listed)
        found = {entry.namespace for entry in [*entries, *self._unread]}
        found |= {namespace for namespace, _name in self._pairs}
        for namespace in request.namespaces:
            if namespace not in found:
                self._check_exists(namespace)
        return ClusterContent([*entries, *self._unread], dict(self._secrets_of.left_out))

    def _list(self, resource: str, api: str, *, everywhere: bool = False, **query: str) -> Iterator[dict[str, t.Any]]:
        """Yield the objects of a kind in the scope, or of the cluster; what is refused becomes an entry."""
        plural = resource.partition(".")[0]
        for namespace in ("",) if everywhere else self._request.namespaces or ("",):
            where = f"in the namespace {namespace}" if namespace else "in all namespaces"
            where = "" if everywhere else f" {where}"
            path = f"{api}/namespaces/{namespace}/{plural}" if namespace else f"{api}/{plural}"
            try:
                for page in self._login.pages(f"list {resource}{where}", path, **query):
                    yield from page
            except ApiError as exc:
                if exc.status == 401:
                    raise
                if exc.status == 404 and api in _OPTIONAL:
                    return
                advice = "" if namespace or everywhere else " (or name the namespaces that it may read)"
                finding = Finding(UNKNOWN, "denied", as_clause(exc) + advice)
                self._unread.append(Entry(SCOPE, namespace, resource, findings=[finding]))

    def _check_exists(self, namespace: str) -> None:
        try:
            self._login.get("read the namespace", f"/api/v1/namespaces/{namespace}")
        except ApiError as exc:
            if exc.status == 404:
                raise InvalidInput(
                    f"There is no namespace {namespace} in {self._login.name}; name one that exists, or none for all."
                ) from exc

    def _secrets(self) -> Iterator[Entry]:
        if self._request.other_secrets:
            selector = ",".join(f"type!={kind}" for kind in UNREAD_TYPES)
        else:
            selector = f"type={TLS_TYPE}"
        for secret in self._list("secrets", _CORE, fieldSelector=selector):
            about = secret["metadata"]
            place = (about["namespace"], about["name"])
            self._pairs[place] = None
            writers = _writers(about)
            for entry in self._secrets_of.entries(secret):
                if entry.key == "tls.crt":
                    self._pairs[place] = entry
                    entry.writers = writers
                yield entry

    def _state_of(self, namespace: str, name: str) -> str:
        """Say what is wrong with a Secret that holds no pair; nothing for one that was made since they were listed."""
        if (namespace, name) in self._pairs:
            return "" if self._pairs[namespace, name] else "holds no tls.crt"
        if (namespace, name) not in self._missing:
            path = f"{_CORE}/namespaces/{namespace}/secrets"
            try:
                pages = self._login.pages(
                    f"list secrets in the namespace {namespace}", path, fieldSelector=f"metadata.name={name}"
                )
                self._missing[namespace, name] = not any(pages)
            except ApiError:
                self._missing[namespace, name] = False
        return "is missing" if self._missing[namespace, name] else ""

    def _bundles(self) -> Iterator[Entry]:
        for configmap in self._list("configmaps", _CORE):
            yield from self._secrets_of.of_configmap(configmap)

    def _mark_used(self, entries: Sequence[Entry], ingresses: Sequence[Object], complete: bool) -> None:
        before = len(self._unread)
        used: set[str] = set()
        for pod in self._list("pods", _CORE):
            named = (each.name for each in references(pod["spec"]) if each.kind == SECRET_KIND)
            used.update(f"{pod['metadata']['namespace']}/{name}" for name in named)
        for ingress in ingresses:
            used.update(f"{ingress['metadata']['namespace']}/{name}" for name in ingress_secrets(ingress))
        if complete and len(self._unread) == before:
            for entry in entries:
                if entry.source == SECRET:
                    entry.used = entry.place in used

    def _consumers(self, ingresses: Sequence[Object], listed: bool) -> Iterator[Entry]:
        """Judge what Ingresses and Gateways serve, and yield those whose Secret is missing, and bundles of the API."""
        for ingress in ingresses:
            for consumed in of_ingress(ingress):
                yield from self._consumed(INGRESS, ingress["metadata"], consumed, listed)
        yield from self._gateways(listed)
        # They are the cluster's own, and nothing of a namespace.
        if not self._request.namespaces:
            for plural in _WEBHOOKS:
                for configuration in self._list(f"{plural}.admissionregistration.k8s.io", _ADMISSION, everywhere=True):
                    yield from self._trusting(plural.removesuffix("s"), configuration)
            for service in self._list("apiservices.apiregistration.k8s.io", _REGISTRATION, everywhere=True):
                yield from self._trusting("apiservice", service)
            kinds = self._list("customresourcedefinitions.apiextensions.k8s.io", _EXTENSIONS, everywhere=True)
            for definition in kinds:
                yield from self._trusting("customresourcedefinition", definition)

    def _trusting(self, kind: str, configuration: Object) -> Iterator[Entry]:
        """Yield whom the API server trusts there; it has to be who has signed what cert-manager takes them from."""
        entries = list(trusting(kind, configuration))
        bundles: dict[str, list[Entry]] = {}
        for entry in entries:
            bundles.setdefault(entry.bundle, []).append(entry)
        place = injected_from(configuration, self._renewed)
        pair = self._pairs.get(place) if place else None
        for bundle, members in bundles.items():
            if bundle and place and pair and pair.chain and not _leads_to_one_of(pair.chain, members):
                text = (
                    f"it does not hold the authority of the Secret {'/'.join(place)}, from which cert-manager injects "
                    "it: the API server refuses a server with that certificate"
                )
                members[0].findings.append(Finding(CRITICAL, "bundle-other", text))
        yield from entries

    def _gateways(self, listed: bool) -> Iterator[Entry]:
        found = [
            (gateway["metadata"], consumed)
            for gateway in self._list(f"gateways.{GATEWAY_GROUP}", _GATEWAYS)
            for consumed in of_gateway(gateway)
        ]
        for about, consumed in found:
            yield from self._consumed(GATEWAY, about, consumed, listed)
        foreign = {
            (about["namespace"], about["name"], secret): consumed.hosts
            for about, consumed in found
            for secret in consumed.secrets
            if secret[0] != about["namespace"] and self._is_in_scope(secret[0])
            # Of one that is missing, that is all there is to say.
            if not listed or self._pairs.get(secret)
        }
        if not foreign:
            return
        known = len(self._unread)
        grants = list(self._list(f"referencegrants.{GATEWAY_GROUP}", _GRANTS))
        if len(self._unread) > known:
            return
        for (namespace, name, secret), hosts in foreign.items():
            if not is_granted(grants, namespace, secret):
                text = f"no ReferenceGrant in {secret[0]} lets it use the Secret {'/'.join(secret)}{_for(hosts)}"
                entry = Entry(GATEWAY, namespace, name, f"grant for {'/'.join(secret)}")
                entry.findings.append(Finding(CRITICAL, "not-granted", f"{text}: it is not served"))
                yield entry

    def _is_in_scope(self, namespace: str) -> bool:
        return not self._request.namespaces or namespace in self._request.namespaces

    def _consumed(self, source: str, about: Mapping[str, t.Any], consumed: Consumed, listed: bool) -> Iterator[Entry]:
        """Judge the Secrets of one listener; its hosts have to be covered by one of them."""
        who = f"{source.capitalize()} {about['namespace']}/{about['name']}"
        found = []
        for place in consumed.secrets:
            # One of another namespace than those that are looked at may be the one for the hosts.
            if not self._is_in_scope(place[0]):
                continue
            pair = self._pairs.get(place)
            if pair is not None:
                found.append(pair)
                continue
            state = self._state_of(*place) if listed else ""
            if state:
                text = f"the Secret {'/'.join(place)}, which it names{_for(consumed.hosts)}, {state}"
                entry = Entry(source, about["namespace"], about["name"], "/".join(place))
                entry.findings.append(Finding(CRITICAL, "secret-missing", text))
                yield entry
        readable = [pair for pair in found if pair.chain and not pair.chain.certificate.extensions_unread]
        if not readable or len(readable) < len(consumed.secrets):
            return
        for host in consumed.hosts:
            if not any(pair.chain and covers(pair.chain.certificate, host) for pair in readable):
                text = f"the {who} serves it for {host}, which is not one of its names: clients refuse it"
                readable[0].findings.append(Finding(CRITICAL, "host-not-covered", text))
        for pair in readable:
            certificate = t.cast(Chain, pair.chain).certificate
            if not serves(certificate):
                text = f"the {who} serves it, but its extended key usage is not for servers: clients refuse it"
                pair.findings.append(Finding(CRITICAL, "host-not-covered", text))
            elif certificate.is_ca and not uses_tls(certificate):
                text = f"the {who} serves it, but its key usage ({', '.join(certificate.key_usage)}) allows no TLS"
                pair.findings.append(Finding(CRITICAL, "key-usage", f"{text}: clients refuse it"))


def _leads_to_one_of(chain: Chain, members: Sequence[Entry]) -> bool:
    """Tell whether a chain leads to one of some authorities; what cannot be verified counts as yes."""
    authorities = [each.chain.certificate for each in members if each.chain]
    return len(authorities) < len(members) or any(
        below.fingerprint == authority.fingerprint or below.verify_issuer(authority) is not False
        for below in chain.path
        for authority in authorities
    )


def _for(hosts: Sequence[str]) -> str:
    return f" for {', '.join(hosts)}" if hosts else ""


def _writers(about: Mapping[str, t.Any]) -> tuple[tuple[str, str], ...]:
    """Return who has last written which part of a pair, as the API server keeps it."""
    return tuple(
        (key, str(each.get("manager", "")))
        for each in about.get("managedFields") or ()
        for key in _PARTS
        if f"f:{key}" in ((each.get("fieldsV1") or {}).get("f:data") or {})
    )


def _with_certificates(
    entries: Sequence[Entry],
    certificates: Sequence[Mapping[str, t.Any]],
    complete: bool,
    state_of: Callable[[str, str], str] | None,
) -> list[Entry]:
    """Give the entries the state of the cert-manager Certificates that renew them; return entries of the others.

    ``state_of`` says what is wrong with a Secret that is no entry; it is None where they could not be listed.
    """
    stored = {(entry.namespace, entry.name): entry for entry in entries if entry.key == "tls.crt"}
    rest, renewed = [], set()
    for certificate in certificates:
        about, status = certificate["metadata"], certificate.get("status") or {}
        unseen = list(_unseen(certificate))
        place = (about["namespace"], certificate["spec"].get("secretName", ""))
        renewal = _renewal(status)
        entry = stored.get(place)
        if entry is None:
            entry = Entry(CERTIFICATE, about["namespace"], about["name"])
            start, end = parse_time(status.get("notBefore")), parse_time(status.get("notAfter"))
            entry.life = Life(start, end) if start and end else None
            state = state_of(*place) if state_of and status.get("revision") is not None else ""
            if state:
                text = f"the Secret {'/'.join(place)} of this Certificate {state}"
                entry.findings.append(Finding(WARNING if renewal.issuing else CRITICAL, "secret-missing", text))
            rest.append(entry)
        elif place in renewed:
            text = f"two Certificates write it, {entry.manager} and {about['name']}"
            entry.findings.append(Finding(CRITICAL, "two-owners", text))
        else:
            entry.findings += _by_others(entry)
        entry.findings += unseen
        renewed.add(place)
        entry.manager, entry.renewal, entry.revision = about["name"], renewal, status.get("revision")
    for entry in stored.values():
        if entry.manager and entry.renewal is None:
            if complete:
                text = f"the Certificate {entry.manager} that renewed it is gone"
                entry.findings.append(Finding(OK, "orphaned", text))
                entry.manager = ""
            else:
                entry.renewal = Renewal(ready=True)
    return rest


def _by_others(entry: Entry) -> Iterator[Finding]:
    for key, what in _PARTS.items():
        writers = [name for part, name in entry.writers if part == key]
        others = [name for name in writers if not name.startswith(_WRITERS)]
        if others and len(others) == len(writers):
            text = f"its {what} was written by {', '.join(others)}, not by cert-manager, which renews it"
            yield Finding(WARNING, "changed-by-hand", text)
            return


def _unseen(certificate: Mapping[str, t.Any]) -> Iterator[Finding]:
    """Say that what cert-manager tells of a Certificate is about an earlier spec of it."""
    conditions = (certificate.get("status") or {}).get("conditions") or ()
    ready: Mapping[str, t.Any] = next((each for each in conditions if each["type"] == "Ready"), {})
    generation, seen = certificate["metadata"].get("generation"), ready.get("observedGeneration")
    if generation and seen and seen < generation:
        text = "cert-manager has not looked at its Certificate since that was changed: is it running?"
        yield Finding(WARNING, "not-observed", text)


def _renewal(status: Mapping[str, t.Any]) -> Renewal:
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {"status": "Unknown", "reason": "has no condition Ready"}
    reason = ": ".join(filter(None, (ready.get("reason"), as_clause(ready.get("message") or ""))))
    return Renewal(
        ready=ready["status"] == "True",
        issuing=(conditions.get("Issuing") or {}).get("status") == "True",
        reason=reason,
        renewal_time=parse_time(status.get("renewalTime")),
        last_failure=parse_time(status.get("lastFailureTime")),
    )
