# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the certificates of a cluster are read: pages, rights, keys, chains, owners."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check import files
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.cluster import read_cluster
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.files import Difference
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Request
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.report import check_report
from support.inventories import CA, NOW, RUN, FakeLogin, certificate, codes, look, stamp, the
from support.issued import encoded, issue, secret


def test_one_list_for_each_kind_in_the_whole_cluster() -> None:
    login = FakeLogin()
    read_cluster(login, Request(configmaps=True, unused=True))  # type: ignore[arg-type]
    assert login.asked == [
        (
            "/api/v1/secrets",
            {"fieldSelector": "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token"},
        ),
        ("/apis/cert-manager.io/v1/certificates", {}),
        ("/api/v1/configmaps", {}),
        ("/apis/networking.k8s.io/v1/ingresses", {}),
        ("/api/v1/pods", {}),
        ("/apis/gateway.networking.k8s.io/v1/gateways", {}),
        ("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", {}),
        ("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", {}),
        ("/apis/apiregistration.k8s.io/v1/apiservices", {}),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {}),
    ]


def test_a_certificate_without_a_secret_is_an_entry_of_its_own() -> None:
    failed = {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "no Secret. Issuing."}
    ready, issuing = {"type": "Ready", "status": "True"}, {"type": "Issuing", "status": "True"}
    lives = {"notBefore": stamp(days=-60), "notAfter": stamp(days=30)}
    inventory = look(
        certificates=[
            certificate("shop", "never-issued", "web", conditions=[failed], revision=None),
            certificate("shop", "lost", "other", **lives),
            certificate("shop", "issuing", "gone", conditions=[ready, issuing], **lives),
            {"metadata": {"namespace": "shop", "name": "just-made"}, "spec": {"secretName": "new"}},
        ]
    )
    never = the(inventory, "never-issued")
    assert never.reasons == ["cert-manager says it is not ready (DoesNotExist: no Secret: Issuing)"]
    assert the(inventory, "lost").severity == "critical"
    assert the(inventory, "lost").reasons == ["the Secret shop/other of this Certificate is missing"]
    assert the(inventory, "issuing").severity == "warning", "cert-manager is making it anew"
    assert the(inventory, "just-made").severity == "warning"
    unread = look(secrets=403, certificates=[certificate("shop", "lost", "other", **lives)])
    assert the(unread, "lost").severity == "ok", "which cannot be told where Secrets cannot be listed"


def test_a_secret_whose_certificate_is_gone_is_renewed_by_nobody() -> None:
    left = secret("shop", "web", issue("web", days=90, age=70, now=NOW))
    left["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "gone"}
    entry = the(look(secrets=[left]), "web")
    assert (entry.manager, entry.severity) == ("", "warning")
    assert "the Certificate gone that renewed it is gone" in entry.reasons
    left["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "unreadable"}
    entry = the(look(secrets=[left], certificates=403), "web")
    assert entry.manager == "unreadable", "which cannot be told where Certificates cannot be listed"


def test_two_certificates_for_one_secret() -> None:
    inventory = look(
        secrets=[secret("shop", "web", issue("web", now=NOW))],
        certificates=[certificate("shop", "one", "web"), certificate("shop", "two", "web")],
    )
    assert codes(inventory, "web") == {"two-owners"}


def test_keys_that_do_not_fit_or_cannot_be_read() -> None:
    leaf, other = issue("web", days=365, now=NOW), issue("other", now=NOW)
    inventory = look(
        secrets=[
            secret("shop", "other-key", leaf, key=other.key_pem),
            secret("shop", "no-key", leaf, key=""),
            secret("shop", "broken-key", leaf, key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ]
    )
    assert (the(inventory, "other-key").severity, codes(inventory, "other-key")) == ("critical", {"key-mismatch"})
    assert (the(inventory, "no-key").severity, codes(inventory, "no-key")) == ("warning", {"key-missing"})
    assert (the(inventory, "broken-key").severity, codes(inventory, "broken-key")) == ("unknown", {"key-unreadable"})


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_cannot_be_parsed_is_unknown(text: str) -> None:
    broken = secret("shop", "web", issue("web", now=NOW))
    broken["data"]["tls.crt"] = encoded(text)
    inventory = look(secrets=[broken])
    assert (the(inventory, "web").severity, codes(inventory, "web")) == ("unknown", {"unparsable"})


def test_data_that_are_no_base64_are_unknown() -> None:
    broken = secret("shop", "web", issue("web", now=NOW))
    broken["data"]["tls.crt"] = "a"
    assert the(look(secrets=[broken]), "web").severity == "unknown"
    empty = {"metadata": {"namespace": "shop", "name": "web"}}
    assert the(look(secrets=[empty]), "web").severity == "unknown"


def test_weak_keys() -> None:
    weak = issue("web", days=365, key=rsa.generate_private_key(65537, 1024), now=NOW)
    entry = the(look(secrets=[secret("shop", "web", weak)]), "web")
    assert entry.severity == "critical"
    assert "RSA 1024, at least 2048 bits" in entry.reasons[0]


def test_chains() -> None:
    middle = issue("middle", signer=CA, ca=True, days=1000, now=NOW)
    old = issue("old middle", signer=CA, ca=True, days=100, age=95, now=NOW)
    leaf, under_old = issue("web", signer=middle, days=365, now=NOW), issue("web", signer=old, days=365, now=NOW)
    inventory = look(
        secrets=[
            secret("shop", "right", leaf, middle, CA),
            secret("shop", "order", leaf, CA, middle),
            secret("shop", "foreign", leaf, old),
            secret("shop", "ending", under_old, old),
            secret("shop", "other-ca", leaf, middle, ca_crt=issue("x", ca=True, now=NOW).pem),
        ]
    )
    assert codes(inventory, "right") == set()
    assert "wrong order after certificate 1" in the(inventory, "order").reasons[0]
    assert "certificate 2 of its chain (CN=old middle) has not signed" in " ".join(the(inventory, "foreign").reasons)
    assert the(inventory, "ending").severity == "critical"
    assert "certificate 2 of its chain" in the(inventory, "ending").reasons[0]
    assert codes(inventory, "other-ca") == {"authority-other"}


def test_copies_and_what_nobody_mentions() -> None:
    leaf = issue("web", days=365, now=NOW)
    pod = {
        "metadata": {"namespace": "shop"},
        "spec": {
            "volumes": [
                {"name": "a", "secret": {"secretName": "by-volume"}},
                {
                    "name": "b",
                    "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "x"}}]},
                },
                {"name": "c", "emptyDir": {}},
            ],
            "containers": [
                {
                    "name": "main",
                    "env": [
                        {"name": "A", "value": "b"},
                        {"valueFrom": {"secretKeyRef": {"name": "by-env", "key": "x"}}},
                    ],
                    "envFrom": [{"secretRef": {"name": "by-env-from"}}],
                }
            ],
        },
    }
    ingress = {
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"tls": [{"secretName": "by-ingress"}, {"hosts": ["a"]}]},
    }
    used = ("by-volume", "projected", "by-env", "by-env-from", "by-ingress")
    secrets = [secret("shop", name, leaf) for name in (*used, "unused")] + [secret("other", "by-volume-not", leaf)]
    inventory = look(Request(unused=True), secrets=secrets, pods=[pod], ingresses=[ingress])
    assert {entry.name for entry in inventory.entries if entry.used} == set(used)
    assert {entry.copies for entry in inventory.entries} == {7}
    unreadable = look(Request(unused=True), secrets=secrets, pods=403, ingresses=[ingress])
    assert {entry.used for entry in unreadable.entries} == {None}
    assert unreadable.severity == "unknown"


def test_a_scope_that_is_denied_is_unknown() -> None:
    leaf = secret("a", "web", issue("web", days=365, now=NOW))
    request = Request(namespaces=("a", "b"))
    inventory = look(request, **{"/api/v1/namespaces/a/secrets": [leaf], "/api/v1/namespaces/b/secrets": 403})
    assert inventory.counts["unknown"] == 1
    (unread,) = inventory.unread
    assert unread.place == "b/secrets"
    assert unread.reasons == [
        "The API server https://api.example.com does not let this login list secrets in the namespace b (no: Really)"
    ]
    everywhere = look(secrets=403)
    assert everywhere.unread[0].reasons[0].endswith("(or name the namespaces that it may read)")


def test_without_cert_manager_nothing_is_missing() -> None:
    leaf = secret("a", "web", issue("web", days=365, now=NOW))
    assert look(secrets=[leaf], certificates=404).severity == "ok"


def test_a_login_that_has_expired_fails() -> None:
    with pytest.raises(ApiError):
        look(secrets=401)


def test_a_namespace_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(InvalidInput, match="There is no namespace shpo in"):
        look(Request(namespaces=("shpo",)), **{"/api/v1/namespaces/shpo": 404})
    with pytest.raises(InvalidInput, match="lower-case"):
        Request(namespaces=("../x",))


def vectors() -> list[Path]:
    folder = Path(cryptography_vectors.__file__).parent
    return [path for path in sorted(folder.rglob("*")) if path.suffix in (".pem", ".der", ".crt", ".cer")]


def test_every_certificate_of_cryptographys_own_tests_is_read_or_unknown() -> None:
    read, unknown = 0, 0
    secrets = []
    for number, path in enumerate(vectors()):
        content = path.read_bytes()
        if path.suffix == ".der" and b"-----BEGIN" not in content:
            body = base64.encodebytes(content)
            content = b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
        text = base64.b64encode(content).decode()
        secrets.append(
            {
                "metadata": {"namespace": "vectors", "name": f"{number}-{path.name}"},
                "data": {"tls.crt": text, "tls.key": text},
            }
        )
    assert len(secrets) > 500
    inventory = look(secrets=secrets)
    for entry in inventory.entries:
        plain = entry.to_plain(NOW)
        json.dumps(plain)
        if entry.chain:
            read += 1
        else:
            unknown += 1
            assert "unknown" in {finding.severity for finding in entry.findings}
            assert plain["severity"] in ("unknown", "critical"), "its dates can be told all the same"
    assert read > 100
    assert unknown > 100
    for output in files.OUTPUTS:
        assert files._RENDERERS[output](inventory, "eu")
    check_report(RUN, NOW, inventory, Difference(), {})
