# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who writes a Secret: whatever a runbook writes there, another owner takes back. PRIVATE to the collection.

A mark on a Secret is a claim. What it names is looked for in the cluster, as far as this login may.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ..._k8s.client import METADATA_LIST, ApiError, ApiLogin, Object

_MANAGED_BY, _INSTANCE = "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"
_IN_GIT, _HELM_RELEASE = "change it in Git", "change its values and upgrade it"
_ARGO_CD, _FLUX, _FLUX_HELM, _HELM = (
    "the Argo CD application",
    "the Flux kustomization",
    "the Flux Helm release",
    "the Helm release",
)
# Other tools that mark what is theirs, and what to do instead of writing there.
_MARKS = {
    "reflector.v1.k8s.emberstack.com/reflects": ("the reflected Secret", "rotate that one"),
    "replicator.v1.mittwald.de/replicate-from": ("the replicated Secret", "rotate that one"),
    "service.beta.openshift.io/originating-service-name": ("the service CA for", "delete the Secret, it is made anew"),
}
# Those whose marks name nothing.
_TOOLS = {
    "reconcile.external-secrets.io/managed": (
        "the External Secrets Operator",
        "rotate it in its store, then annotate the ExternalSecret with force-sync=$(date +%s)",
    ),
    "secrets-store.csi.k8s.io/managed": ("the Secrets Store CSI driver", "rotate it in its store"),
    "kubed.appscode.com/origin": ("the Config Syncer", "rotate the Secret that it copies"),
    "kapp.k14s.io/app": ("kapp", _IN_GIT),
    "configmanagement.gke.io/managed": ("Config Sync", _IN_GIT),
    "objectset.rio.cattle.io/id": ("Fleet", _IN_GIT),
}
_KINDS = {
    "ExternalSecret": "rotate it in its store, then annotate the ExternalSecret with force-sync=$(date +%s)",
    "SealedSecret": "seal a new one",
    "VaultPKISecret": "let the Vault Secrets Operator renew it (its expiryOffset)",
    "VaultStaticSecret": "rotate it in Vault; the Vault Secrets Operator brings it here",
    "VaultDynamicSecret": "let the Vault Secrets Operator renew it",
}
# By the names under which they write, whatever marks there are.
_MANAGERS = {
    "argocd-controller": ("Argo CD", _IN_GIT),
    "kustomize-controller": ("Flux", _IN_GIT),
    "helm-controller": ("Flux", _IN_GIT),
    "helm": ("Helm", _HELM_RELEASE),
}
_OF_EXTERNAL_SECRETS = "externalsecrets.external-secrets.io/"
_APPLIED_BY_HAND = {("kubectl-client-side-apply", "Update"), ("kubectl", "Apply")}
_ARGO_PLACE = ("argoproj.io", "applications")
_FLUX_PLACE = ("kustomize.toolkit.fluxcd.io", "kustomizations")
_FLUX_HELM_PLACE = ("helm.toolkit.fluxcd.io", "helmreleases")


@dataclass(frozen=True)
class Claim:
    """Who, by a mark, owns a Secret, and what in the cluster would show it.

    ``place`` are group and plural of what is named, empty for a release of Helm, which is in Secrets. A mark that is
    not ``certain`` is one that others set as well: it counts only where what it names is found.
    """

    who: str
    name: str
    advice: str
    place: tuple[str, str] = ("", "")
    namespace: str = ""
    certain: bool = True


@dataclass(frozen=True)
class Ownership:
    """``certificates`` are those of cert-manager that write the Secret; ``foreign`` are others, each with advice.

    ``claims`` are to be verified; ``unknown`` are those that could not be, and ``notices`` who else may write it.
    """

    certificates: tuple[Object, ...] = ()
    foreign: tuple[tuple[str, str], ...] = ()
    claims: tuple[Claim, ...] = ()
    unknown: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All owners, as people call them."""
        own = [f"the Certificate {each['metadata']['name']}" for each in self.certificates]
        return own + [name for name, _advice in self.foreign]


def find_owners(login: ApiLogin, secret: Object, certificates: t.Iterable[Object]) -> Ownership:
    """Return who writes a Secret, by what is in the cluster; ``certificates`` are all Certificates of its namespace."""
    claimed = claimed_owners(secret, certificates)
    return _verified(login, secret, claimed) if claimed.claims else claimed


def claimed_owners(secret: Object, certificates: t.Iterable[Object]) -> Ownership:
    """Return who writes a Secret, by what is in it alone."""
    metadata = secret["metadata"]
    # Not by the annotation cert-manager.io/certificate-name, which a copy of a Secret has as well.
    own = [each for each in certificates if each["spec"].get("secretName") == metadata["name"]]
    metadata = _without_templates(metadata, own)
    return Ownership(
        certificates=tuple(own),
        foreign=tuple(_foreign(metadata)),
        claims=tuple(dict.fromkeys(_claims(metadata))),
        notices=() if own else tuple(_applied(metadata)),
    )


def _without_templates(metadata: Object, certificates: t.Sequence[Object]) -> Object:
    """Return metadata without what Certificates have cert-manager put there, which says nothing of the Secret."""
    found = dict(metadata)
    for certificate in certificates:
        template = certificate["spec"].get("secretTemplate") or {}
        for what in ("labels", "annotations"):
            given = template.get(what) or {}
            present = found.get(what) or {}
            found[what] = {key: value for key, value in present.items() if given.get(key) != value}
    return found


def _foreign(metadata: Object) -> t.Iterator[tuple[str, str]]:
    references = metadata.get("ownerReferences") or []
    for reference in references:
        kind, name = reference["kind"], reference["name"]
        if kind == "Certificate" and reference["apiVersion"].startswith("cert-manager.io/"):
            continue
        yield f"the {kind} {name}", _KINDS.get(kind, f"change the {kind}")
    labels, annotations = _labels(metadata), _annotations(metadata)
    if labels.get(_MANAGED_BY) == "hashicorp-vso" and not references:
        yield "the Vault Secrets Operator", "let it renew the certificate"
    for mark, (who, advice) in _MARKS.items():
        value = annotations.get(mark, labels.get(mark, ""))
        if value:
            yield f"{who} {value}", advice
    for mark, (who, advice) in _TOOLS.items():
        if not references and annotations.get(mark, labels.get(mark, "")) not in ("", "false", "disabled"):
            yield who, advice


def _claims(metadata: Object) -> t.Iterator[Claim]:
    labels, annotations = _labels(metadata), _annotations(metadata)
    application = annotations.get("argocd.argoproj.io/tracking-id", "")
    name, _colon, tracked = application.partition(":")
    # One of another object came here with a copy of it.
    if name and (not tracked or tracked.endswith(f"/Secret:{metadata.get('namespace', '')}/{metadata['name']}")):
        yield Claim(_ARGO_CD, name, _IN_GIT, _ARGO_PLACE)
    for label, certain in (("argocd.argoproj.io/instance", True), (_INSTANCE, False)):
        if labels.get(label) and labels[label] != name:
            yield Claim(_ARGO_CD, labels[label], _IN_GIT, _ARGO_PLACE, certain=certain)
    for prefix, who, place in (
        ("kustomize.toolkit.fluxcd.io", _FLUX, _FLUX_PLACE),
        ("helm.toolkit.fluxcd.io", _FLUX_HELM, _FLUX_HELM_PLACE),
    ):
        if labels.get(f"{prefix}/name"):
            yield Claim(who, labels[f"{prefix}/name"], _IN_GIT, place, labels.get(f"{prefix}/namespace", ""))
    release = annotations.get("meta.helm.sh/release-name", "")
    if release:
        yield Claim(_HELM, release, _HELM_RELEASE, namespace=annotations.get("meta.helm.sh/release-namespace", ""))
    elif labels.get(_MANAGED_BY) == "Helm":
        release = labels.get(_INSTANCE) or labels.get("release") or ""
        yield Claim(_HELM, release, _HELM_RELEASE, certain=False)
    managers = dict.fromkeys(each.get("manager", "") for each in _writers(metadata))
    for manager, (who, advice) in _MANAGERS.items():
        if manager in managers:
            yield Claim(who, "", advice)
    for manager in managers:
        if manager.startswith(_OF_EXTERNAL_SECRETS):
            name = manager.removeprefix(_OF_EXTERNAL_SECRETS)
            yield Claim(f"the ExternalSecret {name}".rstrip(), "", _KINDS["ExternalSecret"])


def _applied(metadata: Object) -> t.Iterator[str]:
    writers = {(each.get("manager"), each.get("operation")) for each in _writers(metadata)}
    if writers & _APPLIED_BY_HAND or _labels(metadata).get(_MANAGED_BY, "").startswith("kustomize"):
        yield (
            f"the secret {metadata['name']} was applied from a file (kubectl or Kustomize): whoever applies that again "
            "puts the present certificate back"
        )


def _writers(metadata: Object) -> t.Iterator[Object]:
    """Yield who has written the certificate in a Secret, by the record that the API server keeps of its fields."""
    for each in metadata.get("managedFields") or []:
        if "f:tls.crt" in ((each.get("fieldsV1") or {}).get("f:data") or {}):
            yield each


def _verified(login: ApiLogin, secret: Object, claimed: Ownership) -> Ownership:
    foreign, unknown = list(claimed.foreign), []
    for claim in claimed.claims:
        owns = _owns(login, secret["metadata"], claim)
        if owns or (owns is None and claim.certain):
            foreign.append((f"{claim.who} {claim.name}".rstrip(), claim.advice))
        elif owns is None:
            right = ".".join(reversed(claim.place)).strip(".") or "secrets"
            unknown.append(
                f"whether {claim.who} {claim.name or 'of its label'} owns the secret {secret['metadata']['name']}, "
                f"which takes the right to list {right}"
            )
    # A tool that is known by its name needs not be told again by the name under which it writes.
    named = [who for who, _advice in foreign if who not in {each[0] for each in _MANAGERS.values()}]
    kept = [each for each in foreign if each[0] in named or not any(each[0] in who for who in named)]
    return replace(claimed, foreign=tuple(dict.fromkeys(kept)), unknown=tuple(unknown))


def _owns(login: ApiLogin, metadata: Object, claim: Claim) -> bool | None:
    """Tell whether what a mark names is there and has the Secret; None where this cannot be known."""
    if not claim.name:
        return None
    group, plural = claim.place
    try:
        if not group:
            return _has_release(login, claim, metadata.get("namespace", ""))
        version = login.get(f"look for {group}", f"/apis/{group}")["preferredVersion"]["groupVersion"]
    except ApiError as exc:
        # A tool may be at work from another cluster; a mark that others set as well says nothing then.
        return None if claim.certain or exc.status != 404 else False
    try:
        place = f"namespaces/{claim.namespace}/" if claim.namespace else ""
        path = f"/apis/{version}/{place}{plural}"
        # The application's own namespace may stand before its name.
        short = claim.name.rpartition("_")[2]
        found = login.items(f"list {plural}", path, fieldSelector=f"metadata.name={short}")
    except ApiError:
        return None
    return any(_lists(each, metadata) for each in found)


def _has_release(login: ApiLogin, claim: Claim, namespace: str) -> bool | None:
    where = claim.namespace or namespace
    for plural in ("secrets", "configmaps"):
        path, selector = f"/api/v1/namespaces/{where}/{plural}", f"owner=helm,name={claim.name}"
        try:
            if login.items(f"list {plural} in {where}", path, accept=METADATA_LIST, labelSelector=selector):
                return True
        except ApiError as exc:
            if exc.status != 403:
                raise
            return None
    return False


def _lists(found: Object, metadata: Object) -> bool:
    """Tell whether an application or a kustomization has a Secret among its objects, as far as it lists them."""
    status, namespace, name = found.get("status") or {}, metadata.get("namespace", ""), metadata["name"]
    resources = [
        (each.get("kind"), each.get("namespace", namespace), each.get("name")) for each in status.get("resources") or []
    ]
    entries = [each.get("id") for each in (status.get("inventory") or {}).get("entries") or []]
    if resources:
        return ("Secret", namespace, name) in resources
    return not entries or f"{namespace}_{name}__Secret" in entries


def _labels(metadata: Object) -> Object:
    return metadata.get("labels") or {}


def _annotations(metadata: Object) -> Object:
    return metadata.get("annotations") or {}
