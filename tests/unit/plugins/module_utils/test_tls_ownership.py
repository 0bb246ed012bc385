# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a Secret belongs to, on objects as their tools make them; those tools do not run here."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.catalogue import (
    Entry,
    choose,
    read_catalogue,
    read_moment,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.ownership import owners
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.plan import _method


def secret(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web-tls", **metadata}}


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
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "the Helm release shop", "upgrade"),
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
    ],
)
def test_a_foreign_owner_is_refused_by_name_with_the_next_step(metadata: Any, owner: str, advice: str) -> None:
    found = owners(secret(**metadata), [])
    assert found.names == [owner]
    with pytest.raises(Refused, match=owner) as refusal:
        _method(Entry("web", "web-tls", vault=True), found, "auto", True)
    assert advice in str(refusal.value)


def test_cert_manager_owns_what_one_of_its_certificates_writes() -> None:
    copied = secret(annotations={"cert-manager.io/certificate-name": "shop"})
    for found in (
        owners(secret(), [certificate("shop"), certificate("else", "else-tls")]),
        owners(secret(ownerReferences=owned_by("Certificate", "cert-manager.io/v1")), [certificate("shop")]),
    ):
        assert len(found.certificates) == 1
        assert _method(Entry("web", "web-tls"), found, "auto", False) == "cert-manager"
    assert owners(copied, [certificate("shop", "shop-tls")]).certificates == ()


@pytest.mark.parametrize(
    ("metadata", "certificates"),
    [({}, ["one", "two"]), ({"annotations": {"meta.helm.sh/release-name": "shop"}}, ["one"])],
)
def test_two_owners_stop(metadata: Any, certificates: list[str]) -> None:
    found = owners(secret(**metadata), [certificate(name) for name in certificates])
    with pytest.raises(Refused, match="several owners"):
        _method(Entry("web", "web-tls"), found, "auto", True)


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
        _method(Entry("web", "web-tls", **entry), found, method, True)


def test_a_certificate_of_vault_needs_a_login_there() -> None:
    found = owners(secret(), [])
    assert _method(Entry("web", "web-tls", vault=True), found, "auto", True) == "vault"
    with pytest.raises(InvalidInput, match="no login"):
        _method(Entry("web", "web-tls", vault=True), found, "auto", False)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "not a list of mappings"),
        ("api-gateway", "not a list of mappings"),
        (["api-gateway"], "no mapping"),
        ([{"name": "web"}], "secret_name"),
        ([{"name": "Web", "secret_name": "web-tls"}], "lower-case letters"),
        ([{"name": "web; touch /tmp/x", "secret_name": "web-tls"}], "lower-case letters"),
        ([{"name": "web", "secret_name": "web-tls", "secrets": 1}], "unknown key 'secrets'"),
        ([{"name": "web", "secret_name": "web-tls", "vault": "perhaps"}], "true and false"),
        ([{"name": "web", "secret_name": "web-tls", "ports": [70000]}], "1 to 65535"),
        ([{"name": "web", "secret_name": "web-tls", "vault": True, "cert_manager": "yes"}], "both"),
        ([{"name": "web", "secret_name": "a"}, {"name": "web", "secret_name": "b"}], "twice"),
    ],
)
def test_a_mistake_in_the_catalogue_gets_one_sentence(data: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_catalogue(data)


def test_an_unknown_name_lists_those_that_are_known() -> None:
    entries = read_catalogue([{"name": "web", "secret_name": "web-tls"}, {"name": "shop", "secret_name": "shop-tls"}])
    assert choose(entries, []) == entries
    assert [entry.name for entry in choose(entries, ["shop"])] == ["shop"]
    with pytest.raises(InvalidInput, match="'wob' in the catalogue; known are web, shop"):
        choose(entries, ["wob"])


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23", "2026-11-23T10:15:00", "2026-13-23T10:15:00Z"])
def test_a_time_in_another_format_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="RFC 3339"):
        read_moment(text, "issued_before")


def test_a_time_has_a_zone() -> None:
    assert read_moment("2026-11-23T10:15:00+02:00", "issued_before") == read_moment("2026-11-23t08:15:00.5z", "x")
    assert read_moment("", "issued_before") is None
