# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who serves which certificate for which host, whom the API server trusts, and who wrote what cert-manager renews."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Inventory, Request
from support.inventories import CA, NOW, certificate, codes, look, the
from support.issued import issue, secret

LEAF = issue("web.example.com", signer=CA, days=365, now=NOW)
OTHER_CA = issue("other authority", ca=True, days=3650, now=NOW)
OLD_CA = issue("old authority", ca=True, days=30, age=40, now=NOW)


def web() -> dict[str, Any]:
    return secret("shop", "web-tls", LEAF, CA)


def ingress(*tls: dict[str, Any], name: str = "web") -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"tls": list(tls)}}


def gateway(*listeners: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"namespace": "edge", "name": "public"}, "spec": {"listeners": list(listeners)}}


def listener(hostname: str, *names: str, namespace: str = "shop", **tls: Any) -> dict[str, Any]:
    references = [{"name": name, "namespace": namespace} for name in names]
    return {"name": "https", "hostname": hostname, "tls": {"certificateRefs": references, **tls}}


def grant(*names: str, namespace: str = "shop", kind: str = "Gateway", whose: str = "edge") -> dict[str, Any]:
    """Lets Gateways of another namespace use some Secrets, or all."""
    return {
        "metadata": {"namespace": namespace, "name": "certificates"},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": whose}],
            "to": [{"group": "", "kind": "Secret", "name": name} for name in names]
            or [{"group": "", "kind": "Secret"}],
        },
    }


def test_hosts_that_are_covered() -> None:
    inventory = look(
        secrets=[web()],
        ingresses=[ingress({"hosts": ["web.example.com"], "secretName": "web-tls"}, {"hosts": ["other.example.com"]})],
        gateways=[gateway(listener("web.example.com", "web-tls"), {"name": "http"})],
        grants=[grant()],
    )
    assert inventory.severity == "ok"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (("web.example.com",), set()),
        (("web.example.com", "", "api.example.com"), set()),
        (("web.example.com", "shop.example.com"), {"shop.example.com"}),
        (("*.example.com",), {"*.example.com"}),
    ],
)
def test_a_secret_without_hosts_is_for_those_of_the_rules(rules: tuple[str, ...], expected: set[str]) -> None:
    given = ingress({"secretName": "web-tls"}, {"hosts": ["api.example.com"]}, {"hosts": [""], "secretName": "web-tls"})
    given["spec"]["rules"] = [{"host": host} if host else {} for host in rules]
    reasons = the(look(secrets=[web()], ingresses=[given]), "web-tls").reasons
    assert {reason.partition(" for ")[2].partition(",")[0] for reason in reasons} == expected


def test_one_of_the_secrets_without_hosts_is_enough() -> None:
    api = secret("shop", "api-tls", issue("api.example.com", signer=CA, days=365, now=NOW), CA)
    given = ingress({"secretName": "web-tls"}, {"secretName": "api-tls"})
    given["spec"]["rules"] = [{"host": "web.example.com"}, {"host": "api.example.com"}]
    assert look(secrets=[web(), api], ingresses=[given]).severity == "ok"


def test_a_host_in_other_letters() -> None:
    leaf = issue("xn--bcher-kva.example.com", signer=CA, days=365, now=NOW)
    given = ingress({"hosts": ["bücher.example.com"], "secretName": "web-tls"})
    assert look(secrets=[secret("shop", "web-tls", leaf, CA)], ingresses=[given]).severity == "ok"


def test_an_authority_that_is_served() -> None:
    own = issue("web.example.com", signer=CA, ca=True, days=365, now=NOW)
    given = ingress({"hosts": ["web.example.com"], "secretName": "web-tls"})
    inventory = look(secrets=[secret("shop", "web-tls", own, CA)], ingresses=[given])
    assert the(inventory, "web-tls").severity == "critical"


@pytest.mark.parametrize(
    ("grants", "is_granted"),
    [
        ([grant()], True),
        ([grant("other", "web-tls")], True),
        ([grant("other")], False),
        ([grant(namespace="edge")], False),
        ([grant(whose="shop")], False),
        ([grant(kind="HTTPRoute")], False),
        ([], False),
        (404, False),
    ],
)
def test_secrets_of_other_namespaces_have_to_be_granted(grants: Any, is_granted: bool) -> None:
    inventory = look(secrets=[web()], gateways=[gateway(listener("web.example.com", "web-tls"))], grants=grants)
    reasons = [reason for entry in inventory.entries if entry.source == "gateway" for reason in entry.reasons]
    text = "no ReferenceGrant in shop lets it use the Secret shop/web-tls for web.example.com: it is not served"
    assert reasons == ([] if is_granted else [text])


def test_grants_that_could_not_be_read() -> None:
    inventory = look(secrets=[web()], gateways=[gateway(listener("web.example.com", "web-tls"))], grants=403)
    assert [entry.name for entry in inventory.entries if entry.severity != "ok"] == [
        "referencegrants.gateway.networking.k8s.io"
    ]


def test_secrets_of_several_namespaces_for_one_host() -> None:
    own = secret("edge", "edge-tls", issue("edge.example.com", signer=CA, days=365, now=NOW), CA)
    one = listener("api.example.com", "web-tls")
    one["tls"]["certificateRefs"].append({"name": "edge-tls"})
    inventory = look(secrets=[web(), own], gateways=[gateway(one)], grants=[grant()])
    assert codes(inventory, "web-tls") == {"host-not-covered"}


def test_hosts_that_are_none_of_its_names() -> None:
    inventory = look(
        secrets=[web()],
        ingresses=[ingress({"hosts": ["web.example.com", "api.example.com"], "secretName": "web-tls"})],
        gateways=[gateway(listener("*.example.com", "web-tls"))],
        grants=[grant()],
    )
    assert the(inventory, "web-tls").severity == "critical"
    assert the(inventory, "web-tls").reasons == [
        "the Ingress shop/web serves it for api.example.com, which is not one of its names: clients refuse it",
        "the Gateway edge/public serves it for *.example.com, which is not one of its names: clients refuse it",
    ]


def test_one_of_several_certificates_is_enough() -> None:
    api = secret("shop", "api-tls", issue("api.example.com", signer=CA, days=365, now=NOW), CA)
    listeners = gateway(listener("api.example.com", "web-tls", "api-tls"))
    inventory = look(secrets=[web(), api], gateways=[listeners], grants=[grant()])
    assert inventory.severity == "ok"


def test_a_secret_that_is_missing() -> None:
    given = ingress({"hosts": ["a.example.com"], "secretName": "gone"}, {"secretName": "empty"})
    empty = {"metadata": {"namespace": "shop", "name": "empty"}, "type": "Opaque", "data": {"x": "eA=="}}
    inventory = look(
        secrets=[web(), empty], ingresses=[given], gateways=[gateway(listener("a", "lost", namespace="x"))]
    )
    missing = {entry.identity: entry.reasons for entry in inventory.entries if entry.severity == "critical"}
    assert missing == {
        "ingress:shop/web:shop/gone": ["the Secret shop/gone, which it names for a.example.com, is missing"],
        "ingress:shop/web:shop/empty": ["the Secret shop/empty, which it names, holds no tls.crt"],
        "gateway:edge/public:x/lost": ["the Secret x/lost, which it names for a, is missing"],
    }


def test_a_secret_that_was_made_meanwhile_is_not_missing() -> None:
    given = ingress({"hosts": ["web.example.com"], "secretName": "new"})
    inventory = look(
        secrets=[web()],
        ingresses=[given],
        certificates=[certificate("shop", "new", "new")],
        **{"/api/v1/namespaces/shop/secrets": [secret("shop", "new", LEAF)]},
    )
    assert inventory.severity == "ok"


def test_nothing_is_concluded_from_what_could_not_be_read() -> None:
    given = ingress({"hosts": ["a.example.com"], "secretName": "gone"})
    inventory = look(secrets=403, ingresses=[given])
    assert {entry.source for entry in inventory.entries} == {"scope"}
    kinds = ("ingresses", "gateways", "validating", "mutating", "apiservices", "definitions")
    inventory = look(secrets=[web()], **dict.fromkeys(kinds, 403))
    assert (inventory.severity, len(inventory.unread)) == ("unknown", 6)
    assert the(inventory, "web-tls").severity == "ok"
    inventory = look(secrets=[web()], gateways=404)
    assert inventory.severity == "ok", "a cluster need not have Gateways"


def test_other_namespaces_are_out_of_scope() -> None:
    paths = {
        "/api/v1/namespaces/edge/secrets": [],
        "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways": [gateway(listener("a", "web-tls"))],
    }
    inventory = look(Request(namespaces=("edge",)), **paths)
    assert [entry.source for entry in inventory.entries] == ["scope"], "in which nothing was found"


def test_tls_that_is_passed_through_needs_no_secret() -> None:
    passing = listener("a", "gone", mode="Passthrough")
    assert look(secrets=[web()], gateways=[gateway(passing)]).severity == "ok"


def webhook(*bundles: str | None, **client: Any) -> dict[str, Any]:
    hooks = []
    for number, bundle in enumerate(bundles):
        given = {
            "service": {"name": "hook"},
            **({"caBundle": base64.b64encode(bundle.encode()).decode()} if bundle else {}),
        }
        hooks.append({"name": f"hook-{number}.example.com", "clientConfig": {**given, **client}})
    return {"metadata": {"name": "policy"}, "webhooks": hooks}


def bundles(inventory: Inventory) -> dict[str, tuple[str, list[str]]]:
    return {entry.identity: (entry.severity, entry.reasons) for entry in inventory.entries if entry.source == "webhook"}


def test_bundles_of_webhooks_that_convert_versions() -> None:
    client = {"service": {"name": "hook"}, "caBundle": base64.b64encode(OLD_CA.pem.encode()).decode()}

    def definition(name: str, strategy: str) -> dict[str, Any]:
        return {
            "metadata": {"name": name},
            "spec": {"conversion": {"strategy": strategy, "webhook": {"clientConfig": client}}},
        }

    found = [
        definition("shops.example.com", "Webhook"),
        definition("old.example.com", "None"),
        {"metadata": {"name": "a"}},
    ]
    assert bundles(look(secrets=[web()], definitions=found)) == {
        "webhook:customresourcedefinition/shops.example.com:conversion caBundle[0]": (
            "critical",
            ["it expired 10 d ago"],
        )
    }


def test_bundles_of_webhooks_and_api_services() -> None:
    text = base64.b64encode(OLD_CA.pem.encode()).decode()
    service = {"metadata": {"name": "v1.metrics"}, "spec": {"service": {"name": "metrics"}, "caBundle": text}}
    local = {"metadata": {"name": "v1."}, "spec": {"groupPriorityMinimum": 1}}
    unverified = {"metadata": {"name": "v1.x"}, "spec": {"service": {"name": "x"}, "insecureSkipTLSVerify": True}}
    inventory = look(
        secrets=[web()],
        validating=[webhook(CA.pem, CA.pem, CA.pem + OLD_CA.pem)],
        mutating=[webhook(OLD_CA.pem), {"metadata": {"name": "empty"}}],
        apiservices=[service, local, unverified],
    )
    assert bundles(inventory) == {
        "webhook:validatingwebhookconfiguration/policy:hook-0.example.com caBundle[0]": ("ok", []),
        "webhook:validatingwebhookconfiguration/policy:hook-2.example.com caBundle[0]": ("ok", []),
        "webhook:validatingwebhookconfiguration/policy:hook-2.example.com caBundle[1]": (
            "warning",
            ["it expired 10 d ago"],
        ),
        "webhook:mutatingwebhookconfiguration/policy:hook-0.example.com caBundle[0]": (
            "critical",
            ["it expired 10 d ago"],
        ),
        "webhook:apiservice/v1.metrics:caBundle[0]": ("critical", ["it expired 10 d ago"]),
    }


@pytest.mark.parametrize("annotation", ["inject-ca-from", "inject-ca-from-secret"])
@pytest.mark.parametrize(
    ("bundle", "expected"),
    [(CA.pem, "ok"), (OTHER_CA.pem + CA.pem, "ok"), (OTHER_CA.pem, "critical"), (LEAF.pem, "ok")],
)
def test_a_bundle_has_to_be_that_of_what_it_is_injected_from(annotation: str, bundle: str, expected: str) -> None:
    given = webhook(bundle)
    place = "shop/web-tls" if annotation.endswith("secret") else "shop/web"
    given["metadata"]["annotations"] = {f"cert-manager.io/{annotation}": place}
    inventory = look(secrets=[web()], validating=[given], certificates=[certificate("shop", "web", "web-tls")])
    severity, reasons = bundles(inventory)[
        "webhook:validatingwebhookconfiguration/policy:hook-0.example.com caBundle[0]"
    ]
    text = "it does not hold the authority of the Secret shop/web-tls, from which cert-manager injects it"
    assert severity == expected
    assert any(text in reason for reason in reasons) is (expected == "critical")


def test_a_bundle_that_is_injected_from_what_is_not_known_is_judged_by_itself() -> None:
    given = webhook(OTHER_CA.pem)
    given["metadata"]["annotations"] = {"cert-manager.io/inject-ca-from": "shop/gone"}
    assert {severity for severity, _reasons in bundles(look(secrets=[web()], validating=[given])).values()} == {"ok"}


@pytest.mark.parametrize(
    ("bundle", "severity", "words"),
    [
        (None, "warning", "there is no caBundle"),
        ("hello", "unknown", "its caBundle holds no PEM certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "unknown", "cannot be read"),
    ],
)
def test_bundles_that_say_nothing(bundle: str | None, severity: str, words: str) -> None:
    ((found, reasons),) = bundles(look(secrets=[web()], validating=[webhook(bundle)])).values()
    assert found == severity
    assert words in reasons[0]


def test_webhooks_of_a_url_need_no_bundle() -> None:
    assert bundles(look(secrets=[web()], validating=[webhook(None, service=None, url="https://a")])) == {}


def written(*managers: str) -> dict[str, Any]:
    given = web()
    given["metadata"]["managedFields"] = [
        {"manager": "other", "fieldsV1": {"f:metadata": {}}},
        *({"manager": each, "fieldsV1": {"f:data": {"f:tls.crt": {}, "f:tls.key": {}}}} for each in managers),
    ]
    return given


@pytest.mark.parametrize(
    ("managers", "expected"),
    [
        (("cert-manager-certificates-issuing",), set()),
        (("cert-manager-certificates-issuing", "kubectl-edit"), set()),
        (("market_intel.runbooks",), set()),
        ((), set()),
        (("kubectl-edit",), {"changed-by-hand"}),
    ],
)
def test_who_wrote_what_cert_manager_renews(managers: tuple[str, ...], expected: set[str]) -> None:
    inventory = look(secrets=[written(*managers)], certificates=[certificate("shop", "web", "web-tls")])
    assert codes(inventory, "web-tls") == expected
    assert codes(look(secrets=[written(*managers)]), "web-tls") == set(), "nobody renews it"


@pytest.mark.parametrize(("key", "what"), [("tls.key", "private key"), ("ca.crt", "ca.crt")])
def test_who_wrote_a_part_of_it(key: str, what: str) -> None:
    given = written("cert-manager-certificates-issuing")
    by_cert_manager = given["metadata"]["managedFields"][-1]["fieldsV1"]["f:data"]
    by_cert_manager.pop(f"f:{key}", None)
    by_hand = {"manager": "kubectl-patch", "fieldsV1": {"f:data": {f"f:{key}": {}}}}
    given["metadata"]["managedFields"].append(by_hand)
    inventory = look(secrets=[given], certificates=[certificate("shop", "web", "web-tls")])
    text = f"its {what} was written by kubectl-patch, not by cert-manager, which renews it"
    assert the(inventory, "web-tls").reasons == [text]


@pytest.mark.parametrize(
    ("generation", "seen", "expected"), [(3, 3, set()), (3, 2, {"not-observed"}), (3, None, set())]
)
def test_a_certificate_that_nobody_has_looked_at_since_it_was_changed(
    generation: int, seen: int | None, expected: set[str]
) -> None:
    ready = {"type": "Ready", "status": "True", **({"observedGeneration": seen} if seen else {})}
    given = certificate("shop", "web", "web-tls", conditions=[ready])
    given["metadata"]["generation"] = generation
    assert codes(look(secrets=[web()], certificates=[given]), "web-tls") == expected


def test_it_names_who_wrote_it() -> None:
    inventory = look(secrets=[written("kubectl-edit")], certificates=[certificate("shop", "web", "web-tls")])
    assert the(inventory, "web-tls").reasons == [
        "its certificate was written by kubectl-edit, not by cert-manager, which renews it"
    ]
