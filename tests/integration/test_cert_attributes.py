# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real issuers keep what a certificate says of itself, or the plan names what would be lost; the engine runs here."""

from __future__ import annotations

import base64
import ipaddress
import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import Certificate, parse_chain
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.attributes import attributes
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry
from support.certs import lab_operator, secret_data
from support.handshakes import issue, stored_fingerprint
from support.issued import Issued
from support.lab import Lab
from support.pods import Namespace
from support.processes import wait_until

pytestmark = pytest.mark.lab
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
ROLE = {
    "allow_any_name": True,
    "enforce_hostnames": False,
    "key_type": "any",
    "max_ttl": "8760h",
    "require_cn": False,
    "allowed_uri_sans": ["spiffe://*"],
    "allowed_other_sans": [f"{UPN.dotted_string};UTF8:*@corp.example"],
    "allowed_serial_numbers": ["*"],
    "organization": ["Example, Inc"],
    "ou": ["ops"],
    "policy_identifiers": ["1.2.3.4"],
}
NAMES = [
    x509.DNSName("web.example.com"),
    x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
    x509.UniformResourceIdentifier("spiffe://example.com/web"),
    x509.RFC822Name("ops@example.com"),
]
FULL = x509.Name(
    [x509.NameAttribute(NameOID.COMMON_NAME, "web.example.com"), x509.NameAttribute(NameOID.SERIAL_NUMBER, "17")]
)


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as namespace:
        yield namespace


class Vault:
    """A role of the test's own, and a certificate that it has signed in a Secret."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace, self._lab = namespace, namespace.lab
        self.token = json.loads((self._lab.state / "vault-keys.json").read_text())["root_token"]
        self.role = f"names-{uuid.uuid4().hex[:8]}"
        self.change()

    def change(self, **others: Any) -> None:
        assert self._lab.ask_vault(f"pki_int/roles/{self.role}", self.token, **{**ROLE, **others})[0] == 200

    def issue(self, subject: x509.Name, *names: x509.GeneralName, **others: Any) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        request = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
        wanted = {"csr": request, "ttl": "8760h", "exclude_cn_from_sans": True, **others}
        status, answer = self._lab.ask_vault(f"pki_int/sign/{self.role}", self.token, **wanted)
        assert status == 200, answer
        data, pem = answer["data"], key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        content = {"tls.crt": data["certificate"], "tls.key": pem.decode(), "ca.crt": data["ca_chain"][-1]}
        self._namespace.delete("secret", "web-tls")
        self._namespace.lab.api.create(_secret("web-tls", content), namespace=self._namespace.name)
        return self.held()

    def held(self) -> Certificate:
        return parse_chain(secret_data(self._lab, "web-tls", self._namespace.name)["tls.crt"])[0]

    def remove(self) -> None:
        self._lab.ask_vault(f"pki_int/roles/{self.role}", self.token, method="DELETE")


def _secret(name: str, content: dict[str, str], **metadata: Any) -> dict[str, Any]:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in content.items()}
    about = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, "type": "kubernetes.io/tls", "data": data}


@pytest.fixture(scope="module")
def vault(namespace: Namespace) -> Iterator[Vault]:
    made = Vault(namespace)
    yield made
    made.remove()


WEB = Entry("web", "web-tls", vault=True)


def test_a_leaf_of_vault_keeps_all_that_it_says(namespace: Namespace, vault: Vault, tmp_path: Path) -> None:
    upn = [f"{UPN.dotted_string};UTF8:web@corp.example"]
    old = vault.issue(FULL, *NAMES, other_sans=upn)
    assert any("web@corp.example" in name for name in old.names) and len(old.names) == 5
    run = lab_operator(namespace, tmp_path, WEB, vault.role)
    assert run.command() == "done", run.failure
    new = vault.held()
    assert new.fingerprint != old.fingerprint and attributes(new) == attributes(old)
    assert list(tmp_path.rglob("*.key*")) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"allowed_other_sans": []}, "its allowed_other_sans does not allow 1.3.6.1.4.1.311.20.2.3;UTF8:web@corp"),
        ({"organization": ["Else"]}, r"lost identity: its subject lacks O=Example\, Inc"),
        ({"policy_identifiers": []}, "lost extension: it lacks the extension certificatePolicies"),
        ({"client_flag": False}, "wrong usage: its extended key usage lacks clientAuth"),
        ({"key_type": "rsa", "key_bits": 2048}, "its key_type is rsa, and the key is EC"),
        ({"max_ttl": "24h"}, "shorter life: it lives 1 day"),
    ],
)
def test_what_a_role_would_lose_is_refused_in_the_plan(
    change: dict[str, Any], said: str, namespace: Namespace, vault: Vault, tmp_path: Path
) -> None:
    vault.change()
    old = vault.issue(FULL, *NAMES, other_sans=[f"{UPN.dotted_string};UTF8:web@corp.example"])
    vault.change(**change)
    try:
        run = lab_operator(namespace, tmp_path, WEB, vault.role)
        assert run.command() == "refused" and said in str(run.failure), run.failure
        assert vault.held() == old and list(tmp_path.iterdir()) == []
    finally:
        vault.change()


def test_what_the_plan_advises_works(namespace: Namespace, vault: Vault, tmp_path: Path) -> None:
    vault.issue(FULL, *NAMES)
    vault.change(max_ttl="24h", policy_identifiers=[])
    try:
        run = lab_operator(namespace, tmp_path, WEB, vault.role)
        assert run.command() == "refused"
        said = str(run.failure)
        assert 'O(allow_extensions_removed)=["certificatePolicies"] and O(max_lifetime_loss)=1' in said, said
        accepting = {"allow_extensions_removed": ("certificatePolicies",), "max_lifetime_loss": 1.0}
        run = lab_operator(namespace, tmp_path, WEB, vault.role, **accepting)
        assert run.command() == "done", run.failure
    finally:
        vault.change()


@pytest.mark.parametrize("common_name", ["", f"{'a' * 60}.example.com"], ids=["empty", "longer than others make one"])
def test_a_subject_stays_as_it_is(common_name: str, namespace: Namespace, vault: Vault, tmp_path: Path) -> None:
    vault.change(organization=[], ou=[])
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False) if common_name else None
    old = vault.issue(x509.Name([attribute] if attribute else []), x509.DNSName("web.example.com"))
    assert old.common_name == common_name
    try:
        run = lab_operator(namespace, tmp_path, WEB, vault.role)
        assert run.command() == "done", run.failure
        assert attributes(vault.held()) == attributes(old) and vault.held().names == ("DNS:web.example.com",)
        vault.change(organization=[], ou=[], require_cn=True)
        refused = lab_operator(namespace, tmp_path / "other", WEB, vault.role).command()
        assert refused == ("done" if common_name else "refused")
    finally:
        vault.change()


SHOP = Entry("shop", "shop-tls", cert_manager=True)


def test_what_a_certificate_of_cert_manager_would_lose_is_refused_in_the_plan(
    lab: Lab, namespace: Namespace, tmp_path: Path
) -> None:
    # As after a migration: the certificate came from somewhere else, and cert-manager took it over.
    authority = secret_data(lab, "lab-ca", "cert-manager")
    issuer = Issued(
        x509.load_pem_x509_certificate(authority["tls.crt"]), load_pem_private_key(authority["tls.key"], None)
    )
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.OtherName(UPN, b"\x0c\x10web@corp.example")
    leaf = _taken_over(issuer, key, x509.DNSName("moved.example.com"), name)
    marks = {"issuer-name": "lab-ca", "issuer-kind": "ClusterIssuer", "issuer-group": "cert-manager.io"}
    annotations = {f"cert-manager.io/{mark}": text for mark, text in {**marks, "certificate-name": "moved"}.items()}
    content = {"tls.crt": leaf.pem, "tls.key": leaf.key_pem, "ca.crt": issuer.pem}
    lab.api.create(_secret("moved-tls", content, annotations=annotations), namespace=namespace.name)
    _wait_until_cached(namespace, "moved-tls")
    reference = {"kind": "ClusterIssuer", "name": "lab-ca"}
    spec = {
        "secretName": "moved-tls",
        "dnsNames": ["moved.example.com"],
        "issuerRef": reference,
        "duration": "8760h",
        "privateKey": {"algorithm": "ECDSA", "size": 256},
    }
    about = {"name": "moved"}
    namespace.apply({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": about, "spec": spec})
    namespace.wait_ready("certificate", "moved")
    assert stored_fingerprint(lab, namespace.name, "moved-tls") == parse_chain(leaf.pem.encode())[0].fingerprint
    moved = Entry("moved", "moved-tls", cert_manager=True)
    lost = f'"otherName:{UPN.dotted_string};UTF8:web@corp.example"'
    run = lab_operator(namespace, tmp_path, moved)
    with pytest.raises(Refused, match="lost name: it lacks otherName") as refusal:
        run.plan()
    assert f"O(allow_names_removed)=[{lost}]" in str(refusal.value)
    # What it advises works, to the end.
    run = lab_operator(namespace, tmp_path, moved, allow_names_removed=(lost.strip('"'),))
    assert run.command() == "done", run.failure
    assert stored_fingerprint(lab, namespace.name, "moved-tls") != leaf.certificate.fingerprint(hashes.SHA256()).hex()


def _wait_until_cached(namespace: Namespace, secret: str) -> None:
    """Wait until cert-manager's cache holds the Secret: for a Certificate whose Secret is not in it, it issues anew.

    An issuer that is to sign with it first misses it, and then says that it is no authority.
    """
    spec = {"ca": {"secretName": secret}}
    namespace.apply({"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": secret}, "spec": spec})

    def cached() -> bool:
        status = namespace.lab.get("issuer", secret, "-n", namespace.name).get("status", {})
        return [each["reason"] for each in status.get("conditions", [])] == ["ErrInvalidKeyPair"]

    wait_until(cached, 60, f"cert-manager to see the Secret {secret}", 0.1)
    namespace.delete("issuer", secret)


def _taken_over(issuer: Issued, key: Any, *names: x509.GeneralName) -> Issued:
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
    )
    return Issued(builder.sign(issuer.key, hashes.SHA256()), key)


def test_an_issuer_that_is_switched_after_the_plan_is_refused(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    before = issue(namespace, "shop")
    run = lab_operator(namespace, tmp_path, SHOP)
    plan = run.plan()
    other = {"spec": {"issuerRef": {"name": "vault", "kind": "ClusterIssuer"}}}
    namespace.patch("certificate", "shop", other, how="merge")
    with pytest.raises(Refused, match="its issuer is ClusterIssuer vault, not ClusterIssuer lab-ca"):
        run.back_up(plan)
    assert list(tmp_path.iterdir()) == [] and plan.due[0].old.leaf.fingerprint == before
