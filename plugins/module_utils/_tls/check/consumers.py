# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who serves a certificate by name, and whom the API server trusts. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ..._k8s.client import Object
from ..._severity import UNKNOWN, WARNING
from ..certificate import Unparsable
from .chain import decoded
from .model import WEBHOOK, Entry
from .secrets import bundle_entries
from .severity import Finding


class Consumed(t.NamedTuple):
    """What one listener serves: Secrets of a namespace, one of which has to be for each of the hosts."""

    namespace: str
    secrets: tuple[str, ...]
    hosts: tuple[str, ...]


def of_ingress(ingress: Object) -> Iterator[Consumed]:
    """Yield what an Ingress serves; without a Secret, its controller serves one of its own."""
    for each in ingress["spec"].get("tls") or ():
        if each.get("secretName"):
            yield Consumed(ingress["metadata"]["namespace"], (each["secretName"],), tuple(each.get("hosts") or ()))


def of_gateway(gateway: Object) -> Iterator[Consumed]:
    """Yield what the listeners of a Gateway serve, by the namespace of the Secrets."""
    own = gateway["metadata"]["namespace"]
    for listener in gateway["spec"].get("listeners") or ():
        tls = listener.get("tls") or {}
        if tls.get("mode", "Terminate") != "Terminate":
            continue
        places: dict[str, list[str]] = {}
        for reference in tls.get("certificateRefs") or ():
            if (reference.get("group") or "") == "" and (reference.get("kind") or "Secret") == "Secret":
                places.setdefault(reference.get("namespace") or own, []).append(reference["name"])
        hosts = (listener["hostname"],) if listener.get("hostname") else ()
        for namespace, names in places.items():
            # With Secrets of several namespaces, any of them may be the one for the host.
            yield Consumed(namespace, tuple(names), hosts if len(places) == 1 else ())


def trusting(kind: str, configuration: Object) -> Iterator[Entry]:
    """Yield the authorities that the API server trusts for the servers of a webhook configuration or an APIService."""
    name = f"{kind}/{configuration['metadata']['name']}"
    if kind == "apiservice":
        spec = configuration["spec"]
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
