# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many TLS Secrets in a lab: 5,000 of 200 distinct certificates in 20 namespaces.

```python
with Filled(kubeconfig) as filled:
    run_module("cert_info", {"kubeconfig": kubeconfig, "namespaces": filled.namespaces})
```

By hand: `python tests/bench/certs.py fill KUBECONFIG`, and `empty`.
"""

from __future__ import annotations

import base64
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
SECRETS, DISTINCT, NAMESPACES = 5_000, 200, 20


class Filled:
    """Namespaces full of TLS Secrets; a context manager that removes them."""

    def __init__(self, kubeconfig: str, secrets: int = SECRETS) -> None:
        from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiLogin, ApiSettings

        self._login = ApiLogin(ApiSettings(kubeconfig=kubeconfig, timeout=120.0), "bench")
        self._count = secrets
        self.namespaces = [f"bench-certs-{number:02d}" for number in range(NAMESPACES)]

    def __enter__(self) -> Filled:
        for name in self.namespaces:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self._login.request("create a namespace", "POST", "/api/v1/namespaces", body=body)
        pairs = _pairs(DISTINCT)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: self._create(number, pairs[number % DISTINCT]), range(self._count)))
        return self

    def _create(self, number: int, data: dict[str, str]) -> None:
        namespace = self.namespaces[number % NAMESPACES]
        about = {"name": f"web-{number:04d}-tls", "labels": {"app": "web"}}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": about, "data": data}
        self._login.request("create a Secret", "POST", f"/api/v1/namespaces/{namespace}/secrets", body=body)

    def __exit__(self, *_exc: object) -> None:
        self.remove()

    def remove(self) -> None:
        for name in self.namespaces:
            if self._login.find("find a namespace", f"/api/v1/namespaces/{name}"):
                # At once, instead of one by one when the namespace goes.
                self._login.request("delete Secrets", "DELETE", f"/api/v1/namespaces/{name}/secrets")
                self._login.request("delete a namespace", "DELETE", f"/api/v1/namespaces/{name}")


def _pairs(count: int) -> list[dict[str, str]]:
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench authority")])
    now = datetime.now(timezone.utc)
    pairs = []
    for number in range(count):
        key = rsa.generate_private_key(65537, 2048)
        name = f"web-{number}.example.com"
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=5 + number))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), x509.DNSName(f"www.{name}")]), False)
            .sign(authority, hashes.SHA256())
        )
        content: dict[str, Any] = {
            "tls.crt": certificate.public_bytes(Encoding.PEM),
            "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        }
        pairs.append({name: base64.b64encode(value).decode() for name, value in content.items()})
    return pairs


if __name__ == "__main__":
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[str(ROOT / ".ansible" / "collections")])._install()
    todo = Filled(sys.argv[2])
    if sys.argv[1] == "fill":
        todo.__enter__()
    else:
        todo.remove()
