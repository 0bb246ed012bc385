# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who writes a Secret: whatever a runbook writes there, another owner takes back. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._k8s.client import Object

# Annotations and labels by which tools know what is theirs, and what to do instead of writing there.
_MARKS = {
    "meta.helm.sh/release-name": ("the Helm release", "change its values and upgrade it"),
    "argocd.argoproj.io/tracking-id": ("the Argo CD application", "change it in Git"),
    "argocd.argoproj.io/instance": ("the Argo CD application", "change it in Git"),
    "kustomize.toolkit.fluxcd.io/name": ("the Flux kustomization", "change it in Git"),
    "helm.toolkit.fluxcd.io/name": ("the Flux Helm release", "change it in Git"),
    "reflector.v1.k8s.emberstack.com/reflects": ("the reflected Secret", "rotate that one"),
    "service.beta.openshift.io/originating-service-name": ("the service CA for", "delete the Secret, it is made anew"),
}
_KINDS = {
    "ExternalSecret": "rotate it in its store, then annotate the ExternalSecret with force-sync=$(date +%s)",
    "SealedSecret": "seal a new one",
    "VaultPKISecret": "let the Vault Secrets Operator renew it (its expiryOffset)",
    "VaultStaticSecret": "rotate it in Vault; the Vault Secrets Operator brings it here",
    "VaultDynamicSecret": "let the Vault Secrets Operator renew it",
}


@dataclass(frozen=True)
class Ownership:
    """``certificates`` are those of cert-manager that write the Secret; ``foreign`` are others, each with advice."""

    certificates: tuple[Object, ...]
    foreign: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """All owners, as people call them."""
        own = [f"the Certificate {each['metadata']['name']}" for each in self.certificates]
        return own + [name for name, _advice in self.foreign]


def owners(secret: Object, certificates: t.Iterable[Object]) -> Ownership:
    """Return who writes a Secret; ``certificates`` are all Certificates of its namespace."""
    metadata = secret["metadata"]
    # Not by the annotation cert-manager.io/certificate-name, which a copy of a Secret has as well.
    own = [each for each in certificates if each["spec"].get("secretName") == metadata["name"]]
    return Ownership(tuple(own), tuple(_foreign(metadata)))


def _foreign(metadata: Object) -> t.Iterator[tuple[str, str]]:
    for reference in metadata.get("ownerReferences", []):
        kind, name = reference["kind"], reference["name"]
        if kind == "Certificate" and reference["apiVersion"].startswith("cert-manager.io/"):
            continue
        yield f"the {kind} {name}", _KINDS.get(kind, f"change the {kind}")
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    if labels.get("app.kubernetes.io/managed-by") == "hashicorp-vso" and not metadata.get("ownerReferences"):
        yield "the Vault Secrets Operator", "let it renew the certificate"
    # Argo CD marks one object with both of its marks.
    found = {_MARKS[mark]: value for each in (labels, annotations) for mark, value in each.items() if mark in _MARKS}
    for (who, advice), value in found.items():
        yield f"{who} {value}", advice
