# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who serves a certificate by name, and whom the API server trusts. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ..._k8s.client import Object
from ..._severity import UNKNOWN, WARNING
from ..certificate import Unparsable
from .chain import decoded
from .model import WEBHOOK, Entry
from .secrets import bundle_entries
from .severity import Finding

GATEWAY_GROUP = "gateway.networking.k8s.io"
_INJECT = "cert-manager.io/inject-ca-from"


class Consumed(t.NamedTuple):
    """What one listener serves: Secrets, each by namespace and name, one of which has to be for each of the hosts."""

    secrets: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...]


def of_ingress(ingress: Object) -> Iterator[Consumed]:
    """Yield what an Ingress serves; without a Secret, its controller serves one of its own."""
    namespace, spec = ingress["metadata"]["namespace"], ingress["spec"]
    named: list[str] = []
    of_all_hosts: list[tuple[str, str]] = []
    for each in spec.get("tls") or ():
        hosts = tuple(host for host in each.get("hosts") or () if host)
        named += hosts
        secret = (namespace, each.get("secretName") or "")
        if secret[1] and hosts:
            yield Consumed((secret,), hosts)
        elif secret[1]:
            of_all_hosts.append(secret)
    if of_all_hosts:
        # A Secret without hosts is for those of the rules that no other one is for.
        hosts = tuple(rule.get("host") or "" for rule in spec.get("rules") or ())
        yield Consumed(tuple(of_all_hosts), tuple(host for host in dict.fromkeys(hosts) if host and host not in named))


def of_gateway(gateway: Object) -> Iterator[Consumed]:
    """Yield what the listeners of a Gateway serve."""
    own = gateway["metadata"]["namespace"]
    for listener in gateway["spec"].get("listeners") or ():
        tls = listener.get("tls") or {}
        if tls.get("mode", "Terminate") != "Terminate":
            continue
        secrets = tuple(
            (reference.get("namespace") or own, reference["name"])
            for reference in tls.get("certificateRefs") or ()
            if (reference.get("group") or "") == "" and (reference.get("kind") or "Secret") == "Secret"
        )
        if secrets:
            yield Consumed(secrets, (listener["hostname"],) if listener.get("hostname") else ())


def is_granted(grants: Iterable[Object], gateway: str, secret: tuple[str, str]) -> bool:
    """Tell whether one of the ReferenceGrants lets Gateways of a namespace use a Secret of another one."""
    namespace, name = secret
    for grant in grants:
        spec = grant["spec"]
        if (
            grant["metadata"]["namespace"] == namespace
            and any(
                (each.get("kind"), each.get("namespace"), each.get("group")) == ("Gateway", gateway, GATEWAY_GROUP)
                for each in spec.get("from") or ()
            )
            and any(
                each.get("kind") == "Secret" and not each.get("group") and each.get("name") in (None, "", name)
                for each in spec.get("to") or ()
            )
        ):
            return True
    return False


def injected_from(configuration: Object, renewed: Mapping[tuple[str, str], tuple[str, str]]) -> tuple[str, str] | None:
    """Return namespace and name of the Secret from which cert-manager takes the authorities of a configuration.

    ``renewed`` are the Secrets of Certificates, both by namespace and name.
    """
    annotations = configuration["metadata"].get("annotations") or {}
    namespace, _slash, name = str(annotations.get(f"{_INJECT}-secret") or "").partition("/")
    if name:
        return namespace, name
    namespace, _slash, name = str(annotations.get(_INJECT) or "").partition("/")
    return renewed.get((namespace, name))


def trusting(kind: str, configuration: Object) -> Iterator[Entry]:
    """Yield the authorities that the API server trusts for the servers of webhooks and APIServices.

    Webhooks are in configurations of their own, and in CustomResourceDefinitions, whose versions they convert.
    """
    name = f"{kind}/{configuration['metadata']['name']}"
    spec = configuration.get("spec") or {}
    if kind == "customresourcedefinition":
        conversion = spec.get("conversion") or {}
        client = (conversion.get("webhook") or {}).get("clientConfig")
        clients = {"conversion": client} if client and conversion.get("strategy") == "Webhook" else {}
    elif kind == "apiservice":
        # It is served by the API server itself, or is not to be verified.
        clients = {"": spec} if spec.get("service") and not spec.get("insecureSkipTLSVerify") else {}
    else:
        clients = {each["name"]: each.get("clientConfig") or {} for each in configuration.get("webhooks") or ()}
    seen: set[str] = set()
    for webhook, client in clients.items():
        bundle = client.get("caBundle") or ""
        if bundle not in seen:
            seen.add(bundle)
            yield from _bundle(name, f"{webhook} caBundle".strip(), bundle, client)


def _bundle(name: str, key: str, bundle: str, client: Mapping[str, t.Any]) -> Iterator[Entry]:
    entry = Entry(WEBHOOK, "", name, key)
    if not bundle:
        if client.get("service"):
            text = "there is no caBundle, so that the API server trusts the authorities of its own system only"
            entry.findings.append(Finding(WARNING, "no-bundle", text))
            yield entry
        return
    try:
        found = list(bundle_entries(WEBHOOK, {"name": name}, key, decoded(bundle)))
    except Unparsable as exc:
        found = []
        entry.findings.append(Finding(UNKNOWN, "unparsable", f"its caBundle cannot be read: {exc}"))
    if not found and not entry.findings:
        entry.findings.append(Finding(UNKNOWN, "unparsable", "its caBundle holds no PEM certificate"))
    yield from found or [entry]
