# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from cert-manager's objects, on those that an ACME issuer would make; there is none to test with."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import parse_chain
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.gate import GateSettings, Material
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.cert_manager import (
    CertManager,
    IssuanceFailed,
    _Renewal,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.target import Target
from support.issued import Issued, issue

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

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

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


ROOT = issue("root", ca=True, days=3650)
READY = {"spec": {"ca": {"secretName": "ca"}}, "status": {"conditions": [condition("Ready", "True")]}}
SPEC: dict[str, Any] = {
    "secretName": "web-tls",
    "issuerRef": {"name": "ca"},
    "commonName": "web.example.com",
    "dnsNames": ["web.example.com"],
    "privateKey": {"algorithm": "ECDSA"},
}


def examined(spec: dict[str, Any] | None = None, *, root: Issued = ROOT, **annotations: str) -> tuple[str, str, str]:
    """Return problems, notices and what is not known of a leaf that ECDSA and a CA have made, each as one text."""
    material = Material(
        parse_chain(issue("web.example.com", signer=root, days=90).pem.encode()), "key", parse_chain(root.pem.encode())
    )
    about = {f"cert-manager.io/issuer-{name}": value for name, value in annotations.items()}
    secret = {"metadata": {"name": "web-tls", "annotations": about}}
    found = {"metadata": {"name": "web"}, "spec": {**SPEC, **(spec or {})}}
    cluster: Any = Cluster(issuer=READY)
    target = Target(Entry("web", "web-tls"), "cert-manager", secret, material, material, found)
    result = CertManager(cluster, "shop", GateSettings(), 60).examine([target], 60)["web"]
    return "; ".join(result.problems), "; ".join(result.notices), "; ".join(result.not_verified)


def test_what_is_in_order_is_no_problem() -> None:
    assert examined(kind="Issuer", name="ca") == (
        "",
        "web: the private key will change; whoever pins it has to be told",
        "",
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"algorithm": "ECDSA", "rotationPolicy": "Never"}, ""),
        ({"algorithm": "ECDSA", "size": 384, "rotationPolicy": "Never"}, "which is EC 256, and asks for EC 384"),
        ({"algorithm": "RSA", "size": 4096, "rotationPolicy": "Never"}, "which is EC 256, and asks for RSA 4096"),
        ({"algorithm": "ECDSA", "size": 384}, ""),
    ],
)
def test_a_key_that_is_kept_has_to_be_the_one_that_is_asked_for(key: dict[str, Any], said: str) -> None:
    problems = examined({"privateKey": key})[0]
    assert (said in problems) if said else not problems


def test_another_kind_of_key_is_noticed() -> None:
    notices = examined({"privateKey": {"algorithm": "RSA", "size": 3072}})[1]
    assert "web: its key will be RSA 3072, and is EC 256 now" in notices


def test_an_issuer_that_was_switched_before_the_plan_is_not_verified() -> None:
    problems, _notices, unknown = examined(kind="ClusterIssuer", name="public")
    text = "whether the issuer ca leads to the present authorities, as ClusterIssuer public has issued the present"
    assert not problems and text in unknown


def test_an_authority_that_ends_before_the_certificate_is_a_problem() -> None:
    problems = examined(root=issue("root", ca=True, days=100), spec={"duration": "8760h"})[0]
    assert "expired chain: CN=root, to which it leads, expires on" in problems
    assert problems.endswith("renew that authority first, or ask for a shorter duration in the Certificate.")
    assert examined(root=issue("root", ca=True, days=100))[0] == ""


def test_a_literal_subject_that_is_not_understood_is_not_verified() -> None:
    problems, _notices, unknown = examined({"literalSubject": "unknown=x,CN=else"})
    assert (problems, unknown) == ("", "whether the literal subject of the Certificate web is the present one")
