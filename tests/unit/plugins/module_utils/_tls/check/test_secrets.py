# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates in Secrets of all types and forms."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, pkcs7, pkcs12

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.files import Difference
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Inventory, Request
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.report import check_report
from support.inventories import CA, NOW, RUN, look
from support.issued import Issued, issue, secret

LEAF = issue("web.example.com", signer=CA, days=365, now=NOW)
OTHER = issue("other.example.com", signer=CA, days=365, now=NOW)
GONE = issue("gone.example.com", signer=CA, days=30, age=40, now=NOW)
OLD_CA = issue("old authority", ca=True, days=30, age=40, now=NOW)


def opaque(kind: str = "Opaque", **data: str | bytes) -> dict[str, Any]:
    """A Secret; double underscores in names are dots."""
    content = {
        name.replace("__", "."): base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
        for name, value in data.items()
    }
    return {"metadata": {"namespace": "shop", "name": "web"}, "type": kind, "data": content}


def found(inventory: Inventory) -> dict[str, tuple[str, list[str]]]:
    return {
        entry.key: (entry.severity, sorted({finding.code for finding in entry.findings}))
        for entry in inventory.entries
        if entry.source == "secret"
    }


def test_pairs_of_other_types() -> None:
    inventory = look(secrets=[opaque(tls__crt=LEAF.pem, tls__key=LEAF.key_pem, ca__crt=CA.pem, config="x")])
    assert found(inventory) == {"tls.crt": ("ok", [])}
    inventory = look(secrets=[opaque(tls__crt=LEAF.pem, tls__key=OTHER.key_pem)])
    assert found(inventory) == {"tls.crt": ("critical", ["key-mismatch"])}


@pytest.mark.parametrize("leaf", ["", "hello", LEAF.pem[:200]])
def test_authorities_beside_what_cannot_be_read(leaf: str) -> None:
    inventory = look(secrets=[opaque("kubernetes.io/tls", tls__crt=leaf, tls__key=LEAF.key_pem, ca__crt=OLD_CA.pem)])
    assert found(inventory) == {"tls.crt": ("unknown", ["unparsable"]), "ca.crt[0]": ("critical", ["expired"])}


def test_certificates_under_any_name() -> None:
    inventory = look(
        secrets=[
            opaque(
                "example.com/anything",
                server__pem=LEAF.pem + CA.pem,
                server_key__pem=LEAF.key_pem,
                combined=OTHER.key_pem + OTHER.pem,
                gone__crt=GONE.pem,
                bundle=CA.pem + OLD_CA.pem,
                readme="no certificate here",
            )
        ]
    )
    assert found(inventory) == {
        "server.pem": ("ok", []),
        "combined": ("ok", []),
        "gone.crt": ("critical", ["expired"]),
        "bundle[0]": ("ok", []),
        "bundle[1]": ("warning", ["expired"]),
    }
    matches = {entry.key: entry.key_matches for entry in inventory.entries if entry.source == "secret"}
    assert matches["server.pem"] is True
    assert matches["combined"] is True
    assert matches["gone.crt"] is None, "none of the keys beside it has to be its own"


def test_the_key_of_the_same_name_is_its_own() -> None:
    inventory = look(secrets=[opaque(web__crt=LEAF.pem, web__key=OTHER.key_pem, db__crt=OTHER.pem)])
    assert found(inventory) == {"web.crt": ("critical", ["key-mismatch"]), "db.crt": ("ok", [])}


def test_a_key_among_public_data() -> None:
    inventory = look(secrets=[opaque(web__crt=LEAF.pem + LEAF.key_pem)])
    assert found(inventory) == {"web.crt": ("warning", ["private-key-inside"])}


def test_copies_beside_a_pair_are_one_certificate() -> None:
    der = LEAF.certificate.public_bytes(Encoding.DER)
    given = secret("shop", "web", LEAF, CA)
    given["data"] |= opaque(tls_combined__pem=LEAF.key_pem + LEAF.pem, tls__der=der)["data"]
    assert found(look(Request(keystores=True), secrets=[given])) == {"tls.crt": ("ok", [])}


def test_without_them_only_tls_secrets_are_listed() -> None:
    inventory = look(Request(other_secrets=False), secrets=[secret("shop", "web", LEAF, extra_pem=GONE.pem)])
    assert found(inventory) == {"tls.crt": ("ok", [])}
    report = check_report(RUN, NOW, inventory, Difference(), {})
    assert report.degraded == ("Secrets of other types than kubernetes.io/tls were not read",)


def jks(*entries: tuple[str, bool, list[Issued]]) -> bytes:
    """A keystore of Java, as `keytool -storetype JKS` writes it; the private keys are only octets."""
    content = bytes.fromhex("feedfeed00000002") + len(entries).to_bytes(4, "big")

    def text(value: str) -> bytes:
        return len(value).to_bytes(2, "big") + value.encode()

    def certificate(each: Issued) -> bytes:
        der = each.certificate.public_bytes(Encoding.DER)
        return text("X.509") + len(der).to_bytes(4, "big") + der

    for alias, trusted, chain in entries:
        content += (2 if trusted else 1).to_bytes(4, "big") + text(alias) + bytes(8)
        if not trusted:
            content += (5).to_bytes(4, "big") + b"\0" * 5 + len(chain).to_bytes(4, "big")
        content += b"".join(map(certificate, chain))
    return content + bytes(20)


def p12(leaf: Issued, *chain: Issued, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(
        b"web", leaf.key, leaf.certificate, [each.certificate for each in chain], encryption
    )


def trusted(*authorities: Issued) -> bytes:
    certificates = [pkcs12.PKCS12Certificate(each.certificate, b"") for each in authorities]
    # Releases of the library before 45 write no mark of Java.
    if not hasattr(pkcs12, "serialize_java_truststore"):
        return pkcs12.serialize_key_and_certificates(None, None, None, certificates, NoEncryption())
    return pkcs12.serialize_java_truststore(certificates, NoEncryption())


KEYSTORES = {
    "keystore__jks": jks(("web", False, [GONE, CA]), ("root", True, [CA])),
    "store": p12(LEAF, CA),
    "locked__p12": p12(OTHER, CA, password=b"secret"),
    "web__der": GONE.certificate.public_bytes(Encoding.DER),
    "kubeconfig": "users:\n- user:\n    client-certificate-data: AAAA\n",
}


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


DOCUMENTS = {
    "application.yml": lambda pem: f"tls:\n  cert: |\n{_indented(pem)}  mode: strict\n",
    "service-account": lambda pem: json.dumps({"cert": pem}),
    "app.properties": lambda pem: f"cert={pem}".replace("\n", "\\n\\\n"),
    ".env": lambda pem: f'CERT="{pem}"\n',
    "client.ovpn": lambda pem: f"client\n<cert>\n{pem}</cert>\n",
    "web.xml": lambda pem: f"<cert>{pem}</cert>",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_certificates_in_texts_of_other_kinds(name: str) -> None:
    given = DOCUMENTS[name](CA.pem + LEAF.pem + LEAF.key_pem)
    assert found(look(secrets=[opaque(**{name: given})])) == {f"{name}[0]": ("ok", []), f"{name}[1]": ("ok", [])}
    given = DOCUMENTS[name](CA.pem + GONE.pem)
    configmap = {"metadata": {"namespace": "shop", "name": "app"}, "data": {name: given}}
    inventory = look(Request(configmaps=True), configmaps=[configmap])
    assert {entry.key: entry.severity for entry in inventory.entries} == {f"{name}[0]": "ok", f"{name}[1]": "critical"}


def test_a_text_of_another_kind_that_breaks_off() -> None:
    given = DOCUMENTS["application.yml"](LEAF.pem[:200])
    assert found(look(secrets=[opaque(app__yml=given)])) == {"app.yml": ("unknown", ["unparsable"])}


def test_binary_data_of_configmaps() -> None:
    data = {"ca.pem": OLD_CA.pem.encode(), "trust.jks": jks(("root", True, [CA])), "x": bytes(range(256))}
    encoded = {name: base64.b64encode(content).decode() for name, content in data.items()}
    configmap = {"metadata": {"namespace": "shop", "name": "trust"}, "data": {}, "binaryData": encoded}
    inventory = look(Request(configmaps=True), configmaps=[configmap])
    assert {entry.key: entry.severity for entry in inventory.entries} == {"ca.pem[0]": "critical"}
    assert dict(inventory.left_out) == {"JKS keystore": 1}
    report = check_report(RUN, NOW, inventory, Difference(), {})
    assert report.degraded == ("in Secrets and ConfigMaps, 1 JKS keystore were not read",)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_bundles_of_pkcs7(encoding: Encoding) -> None:
    bag = pkcs7.serialize_certificates([CA.certificate, GONE.certificate], encoding)
    assert dict(look(secrets=[opaque(chain__p7b=bag)]).left_out) == {"PKCS#7 bundle": 1}
    inventory = look(Request(keystores=True), secrets=[opaque(chain__p7b=bag)])
    assert sorted(found(inventory).values()) == [("critical", ["expired"]), ("ok", [])]
    broken = look(Request(keystores=True), secrets=[opaque(chain__p7b=bag[:-60])])
    assert found(broken) == {"chain.p7b": ("unknown", ["unparsable"])}


def test_what_is_named_like_a_certificate_is_counted_if_it_is_none() -> None:
    twice = base64.b64encode(GONE.pem.encode())
    given = opaque(web__crt=twice, empty__pem="\n", dh__pem="-----BEGIN DH PARAMETERS-----\n", readme__txt="x")
    assert dict(look(secrets=[given]).left_out) == {"unreadable certificate file": 1}
    der = GONE.certificate.public_bytes(Encoding.DER) + b"\n"
    assert dict(look(secrets=[opaque(web__der=der)]).left_out) == {"DER certificate": 1}


def test_other_forms_are_counted_by_their_kind() -> None:
    inventory = look(secrets=[opaque(**KEYSTORES, tls__crt=LEAF.pem, tls__key=LEAF.key_pem)])
    assert found(inventory) == {"tls.crt": ("ok", [])}
    assert dict(inventory.left_out) == {
        "JKS keystore": 1,
        "PKCS#12 keystore": 2,
        "DER certificate": 1,
        "kubeconfig": 1,
    }
    report = check_report(RUN, NOW, inventory, Difference(), {})
    assert report.degraded == (
        "in Secrets, 1 JKS keystore and 2 PKCS#12 keystores and 1 DER certificate and 1 kubeconfig were not read",
    )


def test_other_forms_are_read_if_somebody_asks() -> None:
    inventory = look(Request(keystores=True), secrets=[opaque(**KEYSTORES)])
    assert found(inventory) == {
        "keystore.jks[web]": ("critical", ["expired"]),
        "keystore.jks[root]": ("ok", []),
        "store[web]": ("ok", []),
        "locked.p12": ("unknown", ["unparsable"]),
        "web.der": ("critical", ["expired"]),
    }
    assert dict(inventory.left_out) == {"kubeconfig": 1}


@pytest.mark.parametrize("name", ["locked.password", "locked-password", "locked.p12.password", "password"])
def test_the_password_beside_a_keystore(name: str) -> None:
    given = opaque(locked__p12=KEYSTORES["locked__p12"])
    given["data"][name] = base64.b64encode(b"secret\n").decode()
    assert found(look(Request(keystores=True), secrets=[given])) == {"locked.p12[web]": ("ok", [])}


def test_authorities_in_a_truststore() -> None:
    inventory = look(Request(keystores=True), secrets=[opaque(trust__p12=trusted(CA, OLD_CA))])
    assert sorted(severity for severity, _codes in found(inventory).values()) == ["ok", "warning"]
    assert {entry.kind for entry in inventory.entries if entry.source == "secret"} == {"authority"}


@pytest.mark.parametrize("cut", [12, 30, 200])
def test_a_keystore_that_breaks_off_is_unknown(cut: int) -> None:
    inventory = look(Request(keystores=True), secrets=[opaque(store=KEYSTORES["keystore__jks"][:cut])])
    assert found(inventory) == {"store": ("unknown", ["unparsable"])}


def test_binary_data_of_other_kinds_are_nothing() -> None:
    random = bytes(range(256))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(LEAF.key, hashes.SHA256())
    given = opaque(
        a=random, b=b"", c=b"\x30", d=request.public_bytes(Encoding.DER), e=request.public_bytes(Encoding.PEM)
    )
    inventory = look(Request(keystores=True), secrets=[given])
    assert (found(inventory), dict(inventory.left_out)) == ({}, {})
