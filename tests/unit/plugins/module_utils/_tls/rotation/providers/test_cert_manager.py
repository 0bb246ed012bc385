# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from cert-manager's objects, on those that an ACME issuer would make; there is none to test with."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.gate import GateSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.cert_manager import (
    CertManager,
    IssuanceFailed,
    _Renewal,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.target import Target

BASE = "/apis/cert-manager.io/v1/namespaces/shop"
ACME = "/apis/acme.cert-manager.io/v1/namespaces/shop"


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-23T10:00:00Z",
    }


def certificate(*conditions: dict[str, str], **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "generation": 1},
        "spec": {"secretName": "web-tls", "issuerRef": {"name": "letsencrypt", "kind": "ClusterIssuer"}},
        "status": {"revision": 3, "conditions": list(conditions), **status},
    }


def request(*conditions: dict[str, str], revision: int = 4, created: str = "2026-11-23T10:00:01Z") -> dict[str, Any]:
    annotations = {"cert-manager.io/certificate-name": "web", "cert-manager.io/certificate-revision": str(revision)}
    about = {"name": f"web-{revision}", "creationTimestamp": created, "annotations": annotations}
    return {"metadata": about, "spec": {}, "status": {"conditions": list(conditions)}}


class Cluster:
    """What the API server would answer, by path."""

    dry_run = False
    skew = 0.0

    def __init__(self, **found: Any) -> None:
        self.found = found

    def items(self, _what: str, path: str) -> list[dict[str, Any]]:
        name = path.rpartition("/")[2]
        if name not in self.found:
            raise ApiError("no such kind", 404)
        return list(self.found[name])

    def find(self, _what: str, path: str) -> dict[str, Any] | None:
        return self.found.get("issuer")


def target(found: dict[str, Any]) -> Target:
    nothing: Any = None
    return Target(Entry("web", "web-tls"), "cert-manager", {}, nothing, nothing, found)


def triggered(found: dict[str, Any]) -> _Renewal:
    renewal = _Renewal(target(found))
    renewal.adopt({**found, "status": {**found["status"], "conditions": [condition("Issuing", "True")]}})
    return renewal


@pytest.mark.parametrize(
    ("found", "requests", "reason"),
    [
        (certificate(condition("Issuing", "True")), [], ""),
        (certificate(condition("Issuing", "True")), [request()], ""),
        (certificate(condition("Issuing", "True")), [request(condition("Denied", "True"))], "denied"),
        (certificate(), [request(condition("InvalidRequest", "True"))], "refused as an invalid request"),
        (certificate(), [request(condition("Ready", "False", "Failed"))], "refused by its issuer"),
        (certificate(), [request(condition("Ready", "False", "Pending"))], ""),
        # An attempt before this one says nothing of it.
        (certificate(), [request(condition("Denied", "True"), created="2026-11-23T09:00:00Z")], ""),
        (certificate(lastFailureTime="2026-11-23T09:00:00Z"), [], ""),
        (certificate(lastFailureTime="2026-11-23T10:00:00Z"), [], "refused by its issuer"),
        # cert-manager tries again by itself.
        (certificate(condition("Issuing", "True"), lastFailureTime="2026-11-23T10:00:00Z"), [], ""),
    ],
)
def test_why_a_certificate_will_not_be_issued(found: dict[str, Any], requests: list[Any], reason: str) -> None:
    assert triggered(found).failure(found, requests) == reason


def test_the_chain_of_conditions_leads_to_what_has_to_be_repaired() -> None:
    owner = [{"kind": "CertificateRequest", "name": "web-4"}]
    order = {"metadata": {"name": "web-4-1", "ownerReferences": owner}, "status": {"state": "pending"}}
    above = [{"kind": "Order", "name": "web-4-1"}]
    reason = "Waiting for HTTP-01 challenge propagation: wrong status code '404'"
    challenge = {"metadata": {"name": "web-4-1-9", "ownerReferences": above}, "status": {"reason": reason}}
    issuer = {"status": {"conditions": [condition("Ready", "True")]}}
    cluster: Any = Cluster(orders=[order], challenges=[challenge], issuer=issuer)
    found = certificate(condition("Issuing", "True", "ManuallyTriggered", "Certificate re-issuance manually triggered"))
    waiting = request(condition("Ready", "False", "Pending", "Waiting on certificate issuance from order shop/web-4-1"))
    said = CertManager(cluster, "shop", GateSettings(), 60)._chain_of_conditions(
        found, [waiting], "not issued within 60 s"
    )
    for part in (
        "Certificate web: Issuing=True ManuallyTriggered",
        "CertificateRequest web-4: Ready=False Pending",
        "Order web-4-1: pending",
        f"Challenge web-4-1-9: {reason}",
        "ClusterIssuer letsencrypt: Ready",
    ):
        assert part in said
    assert said.endswith(".") and ". " not in said[:-1]


def test_without_the_kinds_of_acme_nothing_is_said_of_them() -> None:
    cluster: Any = Cluster(issuer=None)
    found = certificate(condition("Issuing", "False", "Failed", "The request has failed: quota. Try later."))
    said = CertManager(cluster, "shop", GateSettings(), 60)._chain_of_conditions(found, [], "refused by its issuer")
    assert "ClusterIssuer letsencrypt: there is none of that name" in said and "Order" not in said
    assert "quota: Try later" in said


def test_a_certificate_that_is_gone_is_said() -> None:
    cluster: Any = Cluster(certificates=[])
    renewal = _Renewal(target(certificate()))
    ((name, failure),) = CertManager(cluster, "shop", GateSettings(), 60)._poll([renewal])
    assert name == "web" and isinstance(failure, IssuanceFailed) and isinstance(failure, RunbookError)
