# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a Secret belongs to, on objects as their tools make them; those tools do not run here."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import (
    Entry,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.ownership import (
    Ownership,
    find_owners,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.plan import method_of


class Cluster:
    """What the API server would answer: objects by their kinds' plural; None is forbidden, absent is not installed."""

    def __init__(self, **found: list[dict[str, Any]] | None) -> None:
        self._found = found
        self.asked: list[str] = []

    def get(self, _what: str, path: str) -> dict[str, Any]:
        group = path.removeprefix("/apis/")
        known = {"argoproj.io": "applications", "kustomize.toolkit.fluxcd.io": "kustomizations"}
        if known.get(group, "helmreleases") not in self._found:
            raise ApiError("no such group", 404)
        return {"preferredVersion": {"groupVersion": f"{group}/v1"}}

    def items(self, _what: str, path: str, *, accept: str = "", **query: str) -> list[dict[str, Any]]:
        plural = path.rpartition("/")[2]
        self.asked.append(f"{path}?{'&'.join(query.values())}")
        found = self._found.get(plural, [])
        if found is None:
            raise ApiError("forbidden", 403)
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        release = query.get("labelSelector", "").rpartition("name=")[2]
        return [each for each in found if each["metadata"]["name"] == name or each.get("release") == (release or None)]


def owners(found: dict[str, Any], certificates: Any, **cluster: Any) -> Ownership:
    login: Any = Cluster(**cluster)
    return find_owners(login, found, certificates)


def secret(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-tls", "namespace": "here", **metadata}}


def certificate(name: str, secret_name: str = "web-tls") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"secretName": secret_name}}


def owned_by(kind: str, version: str = "external-secrets.io/v1") -> list[dict[str, str]]:
    return [{"apiVersion": version, "kind": kind, "name": "web", "uid": "1"}]


@pytest.mark.parametrize(
    ("metadata", "owner", "advice"),
    [
        ({"ownerReferences": owned_by("ExternalSecret")}, "the ExternalSecret web", "force-sync"),
        ({"ownerReferences": owned_by("SealedSecret", "bitnami.com/v1alpha1")}, "the SealedSecret web", "seal"),
        (
            {
                "ownerReferences": owned_by("VaultPKISecret", "secrets.hashicorp.com/v1beta1"),
                "labels": {"app.kubernetes.io/managed-by": "hashicorp-vso"},
            },
            "the VaultPKISecret web",
            "Vault Secrets Operator",
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "hashicorp-vso"}}, "the Vault Secrets Operator", "renew"),
        (
            {
                "annotations": {"argocd.argoproj.io/tracking-id": "shop"},
                "labels": {"argocd.argoproj.io/instance": "shop"},
            },
            "the Argo CD application shop",
            "Git",
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "the Flux kustomization shop", "Git"),
        ({"ownerReferences": owned_by("Widget", "example.com/v1")}, "the Widget web", "change the Widget"),
        # Without an owner's reference, as by the policies Orphan and Merge.
        (
            {"labels": {"reconcile.external-secrets.io/managed": "true"}},
            "the External Secrets Operator",
            "force-sync",
        ),
        ({"labels": {"secrets-store.csi.k8s.io/managed": "true"}}, "the Secrets Store CSI driver", "its store"),
        (
            {"annotations": {"replicator.v1.mittwald.de/replicate-from": "certs/web"}},
            "the replicated Secret certs/web",
            "rotate that one",
        ),
        ({"annotations": {"kubed.appscode.com/origin": "{}"}}, "the Config Syncer", "that it copies"),
        ({"labels": {"kapp.k14s.io/app": "17"}}, "kapp", "Git"),
        ({"annotations": {"configmanagement.gke.io/managed": "enabled"}}, "Config Sync", "Git"),
        ({"annotations": {"objectset.rio.cattle.io/id": "shop"}}, "Fleet", "Git"),
        (
            {
                "managedFields": [
                    {
                        "manager": "externalsecrets.external-secrets.io/web",
                        "operation": "Apply",
                        "fieldsV1": {"f:data": {"f:tls.crt": {}}},
                    }
                ]
            },
            "the ExternalSecret web",
            "force-sync",
        ),
    ],
)
def test_a_foreign_owner_is_refused_by_name_with_the_next_step(metadata: Any, owner: str, advice: str) -> None:
    found = owners(secret(**metadata), [])
    assert found.names == [owner]
    with pytest.raises(Refused, match=owner) as refusal:
        method_of(Entry("web", "web-tls", vault=True), found, "auto", True)
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    "metadata",
    [{"annotations": {"configmanagement.gke.io/managed": "disabled"}}, {"labels": {"x": "y"}}, {}],
)
def test_what_marks_nobody(metadata: Any) -> None:
    assert owners(secret(**metadata), []).names == []


ARGO = "argocd.argoproj.io/tracking-id"
TRACKED = "shop:/Secret:here/web-tls"
INSTANCE = {"labels": {"app.kubernetes.io/instance": "shop"}}
HELM = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop"}
ANNOTATED = {"annotations": {"meta.helm.sh/release-name": "shop"}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux"}}
FLUX_HELM = {"labels": {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "flux"}}
RELEASE = [{"metadata": {"name": "sh.helm.release.v1.shop.v3"}, "release": "shop"}]


def named(*secrets: str, **status: Any) -> list[dict[str, Any]]:
    resources = [{"kind": "Secret", "namespace": "here", "name": name} for name in secrets]
    return [{"metadata": {"name": "shop"}, "status": {**({"resources": resources} if secrets else {}), **status}}]


def inventory(*ids: str) -> list[dict[str, Any]]:
    return named(inventory={"entries": [{"id": each} for each in ids]})


def written_by(manager: str, operation: str = "Update") -> dict[str, Any]:
    field = {"f:data": {"f:tls.crt": {}}}
    return {"managedFields": [{"manager": manager, "operation": operation, "fieldsV1": field}]}


@pytest.mark.parametrize(
    ("metadata", "cluster", "names", "unknown"),
    [
        # The default mark of Argo CD is one that every chart sets.
        (INSTANCE, {}, [], 0),
        (INSTANCE, {"applications": []}, [], 0),
        (INSTANCE, {"applications": named("web-tls", "other")}, ["the Argo CD application shop"], 0),
        (INSTANCE, {"applications": named()}, ["the Argo CD application shop"], 0),
        (INSTANCE, {"applications": named("other")}, [], 0),
        (INSTANCE, {"applications": None}, [], 1),
        # Its own marks count from another cluster, too, but not on a copy.
        ({"annotations": {ARGO: TRACKED}}, {}, ["the Argo CD application shop"], 0),
        ({"annotations": {ARGO: TRACKED}}, {"applications": None}, ["the Argo CD application shop"], 0),
        ({"annotations": {ARGO: TRACKED}}, {"applications": []}, [], 0),
        ({"annotations": {ARGO: "shop:/Secret:here/original-tls"}}, {"applications": named("web-tls")}, [], 0),
        ({"annotations": {ARGO: TRACKED}, **INSTANCE}, {"applications": named()}, ["the Argo CD application shop"], 0),
        (ANNOTATED, {"secrets": RELEASE}, ["the Helm release shop"], 0),
        (ANNOTATED, {"secrets": [], "configmaps": RELEASE}, ["the Helm release shop"], 0),
        (ANNOTATED, {"secrets": None}, ["the Helm release shop"], 0),
        (ANNOTATED, {"secrets": [], "configmaps": []}, [], 0),
        # Without the annotations, as of helm template or Helm 2.
        ({"labels": HELM}, {"secrets": RELEASE}, ["the Helm release shop"], 0),
        ({"labels": HELM}, {"secrets": [], "configmaps": []}, [], 0),
        ({"labels": HELM}, {"secrets": None}, [], 1),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, {"secrets": RELEASE}, [], 1),
        (FLUX, {}, ["the Flux kustomization shop"], 0),
        (FLUX, {"kustomizations": []}, [], 0),
        (FLUX, {"kustomizations": None}, ["the Flux kustomization shop"], 0),
        (FLUX, {"kustomizations": inventory("here_web-tls__Secret")}, ["the Flux kustomization shop"], 0),
        (FLUX, {"kustomizations": inventory("here_other__Secret")}, [], 0),
        (FLUX_HELM, {"helmreleases": named()}, ["the Flux Helm release shop"], 0),
        (FLUX_HELM, {"helmreleases": []}, [], 0),
        # By who has written the certificate, whatever marks there are.
        (written_by("argocd-controller"), {}, ["Argo CD"], 0),
        (written_by("kustomize-controller", "Apply"), {}, ["Flux"], 0),
        (written_by("helm"), {}, ["Helm"], 0),
        (written_by("cert-manager-certificates-issuing", "Apply"), {}, [], 0),
        (
            {**written_by("kustomize-controller"), **FLUX},
            {"kustomizations": named()},
            ["the Flux kustomization shop"],
            0,
        ),
    ],
)
def test_the_owner_is_who_is_in_the_cluster(metadata: Any, cluster: Any, names: list[str], unknown: int) -> None:
    found = owners(secret(**metadata), [], **cluster)
    assert (found.names, len(found.unknown)) == (names, unknown)
    assert all("web-tls, which takes the right to list " in each for each in found.unknown)


def test_a_secret_without_marks_costs_no_request() -> None:
    cluster: Any = Cluster()
    find_owners(cluster, secret(labels={"app": "web"}), [])
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (written_by("kubectl-client-side-apply"), True),
        (written_by("kubectl", "Apply"), True),
        (written_by("kubectl"), False),
        ({"labels": {"app.kubernetes.io/managed-by": "kustomize-v5.4.2"}}, True),
        ({}, False),
    ],
)
def test_who_applies_a_file_again_is_a_notice(metadata: Any, told: bool) -> None:
    found = owners(secret(**metadata), [])
    assert found.names == [] and bool(found.notices) is told


def test_cert_manager_owns_what_one_of_its_certificates_writes() -> None:
    copied = secret(annotations={"cert-manager.io/certificate-name": "shop"})
    for found in (
        owners(secret(), [certificate("shop"), certificate("else", "else-tls")]),
        owners(secret(ownerReferences=owned_by("Certificate", "cert-manager.io/v1")), [certificate("shop")]),
    ):
        assert len(found.certificates) == 1
        assert method_of(Entry("web", "web-tls"), found, "auto", False) == "cert-manager"
    assert owners(copied, [certificate("shop", "shop-tls")]).certificates == ()


@pytest.mark.parametrize(
    ("metadata", "certificates"),
    [({}, ["one", "two"]), ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, ["one"])],
)
def test_two_owners_stop(metadata: Any, certificates: list[str]) -> None:
    found = owners(secret(**metadata), [certificate(name) for name in certificates])
    with pytest.raises(Refused, match="several owners"):
        method_of(Entry("web", "web-tls"), found, "auto", True)


@pytest.mark.parametrize(
    ("entry", "certificates", "method", "said"),
    [
        ({}, ["shop"], "vault", "belongs to the Certificate shop"),
        ({"vault": True}, ["shop"], "auto", "belongs to the Certificate shop"),
        ({}, [], "cert-manager", "No Certificate of cert-manager"),
        ({"cert_manager": True}, [], "auto", "No Certificate of cert-manager"),
        ({}, [], "auto", "Nothing says what issues web"),
    ],
)
def test_a_method_that_contradicts_the_owner_is_refused(
    entry: Any, certificates: list[str], method: str, said: str
) -> None:
    found = owners(secret(), [certificate(name) for name in certificates])
    with pytest.raises(InvalidInput, match=said):
        method_of(Entry("web", "web-tls", **entry), found, method, True)


def test_a_certificate_of_vault_needs_a_login_there() -> None:
    found = owners(secret(), [])
    assert method_of(Entry("web", "web-tls", vault=True), found, "auto", True) == "vault"
    with pytest.raises(InvalidInput, match="no login"):
        method_of(Entry("web", "web-tls", vault=True), found, "auto", False)


@pytest.mark.parametrize("what", [HELM, INSTANCE["labels"], FLUX["labels"]])
def test_what_a_certificate_has_put_on_its_secret_says_nothing_of_it(what: dict[str, str]) -> None:
    labels = {**what, "controller.cert-manager.io/fao": "true"}
    own = certificate("web")
    own["spec"]["secretTemplate"] = {"labels": what}
    cluster: dict[str, Any] = {"secrets": RELEASE, "applications": named(), "kustomizations": named()}
    assert owners(secret(labels=labels), [own], **cluster).names == ["the Certificate web"]
    assert len(owners(secret(labels=labels), [certificate("web")], **cluster).names) > 1, (
        "somebody else has put it there"
    )
    own["spec"]["secretTemplate"] = {"labels": dict.fromkeys(what, "else")}
    assert len(owners(secret(labels=labels), [own], **cluster).names) > 1
