# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as tests need them: of any age, signed by whom they like.

```python
authority = issue("authority", ca=True)
leaf = issue("web.example.com", signer=authority, days=10)
secret("shop", "web-tls", leaf, authority)
```
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def issue(
    name: str,
    *,
    signer: Issued | None = None,
    days: float = 90,
    age: float = 0,
    ca: bool = False,
    key: Any = None,
    now: datetime | None = None,
) -> Issued:
    """Return a certificate that lives `days`, and began to live `age` days ago; without a signer, self-signed."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = (now or datetime.now(timezone.utc)) - timedelta(days=age)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca, None), True)
    )
    if ca:
        usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**usage), True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(own, False)
    if signer:
        of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
        builder = builder.add_extension(of_signer, False)
    return Issued(builder.sign(signer.key if signer else key, hashes.SHA256()), key)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(
    namespace: str, name: str, leaf: Issued, *chain: Issued, key: str | None = None, **data: str
) -> dict[str, Any]:
    """Return a TLS Secret; `data` are further entries, with underscores for dots."""
    content = {
        "tls.crt": leaf.pem + "".join(each.pem for each in chain),
        "tls.key": leaf.key_pem if key is None else key,
    }
    content.update({entry.replace("_", "."): text for entry, text in data.items()})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"namespace": namespace, "name": name},
        "data": {entry: encoded(text) for entry, text in content.items()},
    }
