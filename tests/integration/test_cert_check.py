# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of certificates in a real Kubernetes: what is found, what may not be read, what is left behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

from lab.place import NAMESPACE
from support.ansible import Result, run_module, run_playbook
from support.audit import kubernetes_writes
from support.issued import issue, secret
from support.lab import Lab
from support.pods import Namespace
from support.processes import wait_until
from support.rights import rights
from support.servers import free_port
from support.tls_server import TlsServer

pytestmark = pytest.mark.lab
AUDIT = "audit/kubernetes.log"
(ROLE,) = rights("certificate-check")


@pytest.fixture
def namespace(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as made:
        yield made


def options(lab: Lab, tmp_path: Path, **more: Any) -> dict[str, Any]:
    login = {"kubeconfig": str(lab.state / "kubeconfig"), "cluster": "lab", "directory": str(tmp_path / "reports")}
    return {**login, "outputs": ["csv", "junit", "prometheus", "nagios"], **more}


def check(lab: Lab, tmp_path: Path, namespace: Namespace, **more: Any) -> dict[str, Any]:
    result = run_module("cert_info", options(lab, tmp_path, namespaces=[namespace.name], **more))
    assert "failed" not in result, result.get("msg")
    return result


def entries(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    content = json.loads(Path(result["paths"]["json"]).read_text())
    return {entry["id"].split("/", 1)[-1]: entry for entry in content["certificates"]}


def put(namespace: Namespace, *secrets: dict[str, Any]) -> None:
    for each in secrets:
        namespace.apply(each)


def playbook(lab: Lab, tmp_path: Path, *texts: str, **more: Any) -> Result:
    given = [
        f"rotate_certs_kubeconfig={lab.state / 'kubeconfig'}",
        f"rotate_certs_reports_dir={tmp_path / 'reports'}",
        *texts,
    ]
    return run_playbook("check_certs", given, cwd=tmp_path, **more)


def test_each_kind_of_problem_is_found_and_nothing_is_written(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    name = namespace.name
    leaf, other = issue("web.example.com", days=365), issue("other")
    gone = issue("authority", ca=True, days=10, age=20)
    bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trust"}, "data": {"ca.pem": gone.pem}}
    broken = secret(name, "broken", leaf)
    broken["data"]["tls.crt"] = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----").decode()
    put(
        namespace,
        secret(name, "fine", leaf),
        secret(name, "expired", issue("old", days=30, age=31)),
        secret(name, "soon", issue("soon", days=365, age=350)),
        secret(name, "mismatch", leaf, key=other.key_pem),
        broken,
        bundle,
    )
    result = check(lab, tmp_path, namespace, configmaps=True)
    found = {place: (entry["severity"], entry["codes"]) for place, entry in entries(result).items()}
    assert found.pop("kube-root-ca.crt:ca.crt[0]")[0] == "ok"
    assert found == {
        "fine:tls.crt": ("ok", []),
        "expired:tls.crt": ("critical", ["expired"]),
        "soon:tls.crt": ("warning", ["expires-soon"]),
        "mismatch:tls.crt": ("critical", ["key-mismatch"]),
        "broken:tls.crt": ("unknown", ["unparsable"]),
        "trust:ca.pem[0]": ("critical", ["expired"]),
    }
    assert result["counts"] == {"ok": 2, "warning": 1, "unknown": 1, "critical": 3, "muted": 0, "total": 7}
    assert result["nagios"].startswith(
        "CERTIFICATES CRITICAL - 3 critical, 1 unknown, 1 warning of 7 certificates of lab"
    )
    assert kubernetes_writes(lab.state / AUDIT, result["run_id"]) == []
    texts = [path.read_text() for path in (tmp_path / "reports").rglob("*") if path.is_file()] + [json.dumps(result)]
    for key in (leaf, other):
        for line in key.key_pem.splitlines()[1:-1]:
            assert not [text for text in texts if line in text]


def test_a_renewal_that_fails_is_found_long_before_the_end(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    namespace.order_certificate("fine", "fine.example.com")
    spec = {
        "secretName": "failing-tls",
        "dnsNames": ["failing.example.com"],
        "issuerRef": {"kind": "ClusterIssuer", "name": "no-such-issuer"},
    }
    namespace.apply(
        {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "failing"}, "spec": spec}
    )
    wait_until(
        lambda: _ready(namespace, "fine") == "True" and _ready(namespace, "failing") == "False", 30, "cert-manager"
    )
    found = entries(check(lab, tmp_path, namespace))
    assert (found["fine-tls:tls.crt"]["severity"], found["fine-tls:tls.crt"]["manager"]) == ("ok", "fine")
    assert found["fine-tls:tls.crt"]["renewal_time"]
    assert (found["failing"]["source"], found["failing"]["severity"]) == ("certificate", "warning")
    assert found["failing"]["codes"] == ["not-ready"]


def _ready(namespace: Namespace, name: str) -> str:
    status = namespace.lab.get("certificate", name, "-n", namespace.name).get("status", {})
    return str({each["type"]: each["status"] for each in status.get("conditions", [])}.get("Ready"))


def test_what_may_not_be_read_is_unknown(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    put(namespace, secret(namespace.name, "fine", issue("web", days=365)))
    kubeconfig = str(namespace.login(tmp_path, "checker", ROLE))
    result = check(lab, tmp_path, namespace, kubeconfig=kubeconfig, configmaps=True, unused=True)
    assert result["severity"] == "ok", "the Role of the guide is enough for a namespace"
    request = {"namespaces": [namespace.name, NAMESPACE], "kubeconfig": kubeconfig}
    result = run_module("cert_info", options(lab, tmp_path, **request))
    assert result["severity"] == "unknown"
    # Where the right is there, the answer is that this cluster has no Gateways.
    assert {each["where"] for each in result["unread"]} == {
        f"{NAMESPACE}/secrets",
        f"{NAMESPACE}/certificates.cert-manager.io",
        f"{NAMESPACE}/ingresses.networking.k8s.io",
    }
    everywhere = run_module("cert_info", options(lab, tmp_path, kubeconfig=kubeconfig))
    # Secrets, Certificates, Ingresses, Gateways, both kinds of webhooks, APIServices and CustomResourceDefinitions.
    assert everywhere["counts"] == {"ok": 0, "warning": 0, "unknown": 8, "critical": 0, "muted": 0, "total": 8}


def test_secrets_of_other_types_and_what_is_left_out(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    gone = issue("gone.example.com", days=10, age=20)
    keystore = pkcs12.serialize_key_and_certificates(b"web", gone.key, gone.certificate, None, NoEncryption())
    put(namespace, secret(namespace.name, "fine", issue("web.example.com", days=365)))
    namespace.secret("pem", **{"server.pem": gone.pem, "server.key": gone.key_pem, "readme": "nothing"})
    data = {"web.p12": base64.b64encode(keystore).decode()}
    namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store"}, "data": data})
    result = check(lab, tmp_path, namespace)
    found = {place: entry["codes"] for place, entry in entries(result).items()}
    assert found == {"fine:tls.crt": [], "pem:server.pem": ["expired"]}
    assert result["left_out"] == {"PKCS#12 keystore": 1}
    result = check(lab, tmp_path, namespace, keystores=True)
    assert entries(result)["store:web.p12[web]"]["codes"] == ["expired"]
    assert result["left_out"] == {}
    assert entries(check(lab, tmp_path, namespace, other_secrets=False)).keys() == {"fine:tls.crt"}


def test_ingresses_and_what_they_serve(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    put(namespace, secret(namespace.name, "web", issue("web.example.com", days=365)))
    tls = [
        {"hosts": ["web.example.com", "api.example.com"], "secretName": "web"},
        {"hosts": ["b.example.com"], "secretName": "gone"},
    ]
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    spec = {"tls": tls, "defaultBackend": backend}
    namespace.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "front"}, "spec": spec}
    )
    result = check(lab, tmp_path, namespace)
    found = {place: (entry["severity"], entry["codes"]) for place, entry in entries(result).items()}
    assert found == {
        "web:tls.crt": ("critical", ["host-not-covered"]),
        f"front:{namespace.name}/gone": ("critical", ["secret-missing"]),
    }
    assert kubernetes_writes(lab.state / AUDIT, result["run_id"]) == []
    assert entries(check(lab, tmp_path, namespace, consumers=False))["web:tls.crt"]["severity"] == "ok"


def test_what_the_api_server_trusts_for_webhooks(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    gone = issue("authority", ca=True, days=10, age=20)
    bundle = base64.b64encode(gone.pem.encode()).decode()
    name = f"{namespace.name}.example.com"
    # It is for objects that nobody makes.
    rule = {"apiGroups": ["example.com"], "apiVersions": ["v1"], "resources": ["nothings"], "operations": ["CREATE"]}
    hook = {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": bundle},
        "rules": [rule],
    }
    about = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    lab.api.create({**about, "metadata": {"name": name}, "webhooks": [hook]})
    try:
        result = run_module("cert_info", options(lab, tmp_path))
    finally:
        lab.api.delete("validatingwebhookconfiguration", name)
    place = f"{name}:{name} caBundle[0]"
    assert (entries(result)[place]["severity"], entries(result)[place]["codes"]) == ("critical", ["expired"])


def test_what_others_do_to_a_secret_of_cert_manager(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    namespace.order_certificate("web", "web.example.com")
    wait_until(lambda: _ready(namespace, "web") == "True", 30, "cert-manager")
    assert entries(check(lab, tmp_path, namespace))["web-tls:tls.crt"]["codes"] == []
    data = namespace.lab.get("secret", "web-tls", "-n", namespace.name)["data"]
    # The same certificate, so that cert-manager has no reason to replace it.
    changed = base64.b64encode(base64.b64decode(data["tls.crt"]) + b"\n").decode()
    namespace.patch("secret", "web-tls", {"data": {"tls.crt": changed}}, how="merge")
    assert entries(check(lab, tmp_path, namespace))["web-tls:tls.crt"]["codes"] == ["changed-by-hand"]


def test_the_difference_to_the_run_before(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    name = namespace.name
    put(namespace, secret(name, "stays", issue("a", days=365)), secret(name, "goes", issue("b", days=365)))
    assert check(lab, tmp_path, namespace)["difference"]["run_id"] == ""
    put(namespace, secret(name, "stays", issue("a", days=365)), secret(name, "comes", issue("c", days=365)))
    namespace.delete("secret", "goes")
    found = check(lab, tmp_path, namespace)["difference"]
    assert found["new"] == [f"secret:{name}/comes:tls.crt"]
    assert found["renewed"] == [f"secret:{name}/stays:tls.crt"]
    assert found["disappeared"] == [f"secret:{name}/goes:tls.crt"]


def test_what_is_served_against_what_is_stored(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    old, new = issue("web.example.com", days=365, age=10), issue("web.example.com", days=365)
    put(namespace, secret(namespace.name, "web", new))
    closed = free_port()
    (tmp_path / "ca.pem").write_text(old.pem)
    with TlsServer(tmp_path, old) as server:
        addresses = [server.address, f"127.0.0.1:{closed}"]
        endpoints = [{"address": server.address, "server_name": "web.example.com"}, addresses[1]]
        result = check(lab, tmp_path, namespace, endpoints=endpoints, endpoint_ca_cert=str(tmp_path / "ca.pem"))
    found = {entry["name"]: entry for entry in entries(result).values()}
    assert found[addresses[0]]["codes"] == ["served-differs"]
    assert found[addresses[0]]["stored_fingerprint"] == found["web"]["fingerprint"]
    assert (found[addresses[1]]["severity"], found[addresses[1]]["codes"]) == ("unknown", ["not-served"])


def test_endpoints_alone_need_no_cluster(tmp_path: Path) -> None:
    root = issue("root", ca=True, days=3650)
    (tmp_path / "ca.pem").write_text(root.pem)
    with TlsServer(tmp_path, issue("web.example.com", signer=root, days=365)) as server:
        endpoint = {"address": server.address, "server_name": "web.example.com", "ca_cert": str(tmp_path / "ca.pem")}
        nothing = {"secrets": False, "certificates": False}
        result = run_module("cert_info", {**nothing, "endpoints": [endpoint]})
        by_address = run_module("cert_info", {**nothing, "endpoints": [server.address]})
    assert (result["severity"], result["counts"]["total"], result["paths"]) == ("ok", 1, {})
    (entry,) = by_address["worst"]
    assert entry["codes"] == ["host-not-covered", "not-trusted"]


@pytest.mark.parametrize(
    ("fail_on", "fails"), [("never", False), ("critical", False), ("unknown", False), ("warning", True)]
)
def test_a_run_fails_once_its_report_is_written(
    lab: Lab, tmp_path: Path, namespace: Namespace, fail_on: str, fails: bool
) -> None:
    put(namespace, secret(namespace.name, "soon", issue("soon", days=365, age=350)))
    texts = (f"rotate_certs_check_namespaces={namespace.name}", f"rotate_certs_check_fail_on={fail_on}")
    result = playbook(lab, tmp_path, *texts)
    assert (result.rc != 0) == fails, result.output
    assert result.changed == 0
    report = json.loads((tmp_path / "reports/latest-check_certs/localhost.json").read_text())
    assert report["timeline"][0]["severity"] == "warning"
    assert (report["state"], report["severity"]) == ("unchanged", "warning")
    assert report["findings"][0]["where"] == f"secret {namespace.name}/soon tls.crt"
    if fails:
        assert f"{namespace.name}/soon: it expires in 15 d" in result.failures[0].msg
        assert "localhost.html" in result.failures[0].msg
    for suffix in ("json", "csv", "xml", "prom", "nagios"):
        assert (
            tmp_path / f"reports/latest-check_certs/localhost.certificates.{suffix}"
        ).stat().st_mode & 0o777 == 0o600
    page = (tmp_path / "reports/latest-check_certs/localhost.html").read_text()
    assert '<svg class="chart timeline"' in page
    assert "PRIVATE KEY" not in result.output + page


def test_a_mute_lets_a_run_pass(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    put(namespace, secret(namespace.name, "gone", issue("gone", days=30, age=40)))
    mutes = json.dumps([{"match": f"{namespace.name}/gone", "until": "2999-01-01", "reason": "OPS-1"}])
    texts = (f"rotate_certs_check_namespaces={namespace.name}", f"rotate_certs_check_mutes={mutes}")
    # A text with blanks in it is given as a file or as JSON.
    variables = json.dumps(dict(text.split("=", 1) for text in texts))
    result = playbook(lab, tmp_path, variables)
    assert result.rc == 0, result.output
    assert result.custom_stats["_run"]["check_certs"]["localhost"]["counts"]["muted"] == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rotate_certs_check_warning=0.2", "warning is '0.2'; allowed are a time with its unit"),
        ("rotate_certs_check_namespaces=no-such-namespace", "There is no namespace no-such-namespace in"),
        ("rotate_certs_check_endpoints=shop", "endpoints[0] is 'shop'; allowed are host:port"),
        ("rotate_certs_check_previous=/no/such.json", "which is not an inventory of certificates"),
        ("rotate_certs_kubeconfig=/no/kubeconfig", "The kubeconfig /no/kubeconfig cannot be read"),
        ('rotate_certs_check_mutes=[{"match":"a/b","until":"soon","reason":"x"}]', "mutes[0].until is 'soon'"),
    ],
)
def test_a_mistake_gets_one_sentence_and_a_report(lab: Lab, tmp_path: Path, text: str, sentence: str) -> None:
    result = playbook(lab, tmp_path, text)
    assert result.rc != 0
    assert sentence in result.failures[-1].msg, result.output
    assert "Traceback" not in result.output
    report = json.loads((tmp_path / "reports/latest-check_certs/localhost.json").read_text())
    assert report["state"] == "refused"
    assert sentence in report["summary"][0]


def test_certificates_in_vault(lab: Lab, tmp_path: Path, namespace: Namespace) -> None:
    put(namespace, secret(namespace.name, "fine", issue("fine", days=365)))
    token = lab.vault_login()[1]["auth"]["client_token"]
    vault = {"url": lab.variables()["VAULT_ADDR"], "token": token}
    result = check(lab, tmp_path, namespace, vault=vault)
    # Other tests have entries of their own beside it.
    found = {entry["name"]: entry for entry in entries(result).values() if entry["source"] == "vault"}
    assert (found["certs/core-engine"]["key_matches"], found["certs/core-engine"]["kind"]) == (True, "leaf")
    result = check(lab, tmp_path, namespace, vault={**vault, "url": f"http://127.0.0.1:{free_port()}"})
    assert result["severity"] == "unknown"
    assert "cannot be reached" in result["unread"][0]["reason"]
    assert token not in json.dumps(result)
