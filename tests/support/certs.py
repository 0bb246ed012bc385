# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the certificates of a lab look like from outside, and how its runbooks are told where they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from lab.place import NAMESPACE

from .audit import vault_requests
from .handshakes import stored_fingerprint
from .lab import Lab
from .pods import Namespace

PASSWORD = "backups are sealed with this"
LEASE = "runbooks-rotate-certs"
CATALOGUE = [
    {"name": "api-gateway", "secret_name": "api-gateway-tls", "cert_manager": True, "vault": False, "backup": True},
    {"name": "core-engine", "secret_name": "core-engine-tls", "cert_manager": False, "vault": True, "backup": True},
]


def platform(lab: Lab) -> Namespace:
    """Return the platform's own namespace, which stays."""
    namespace = Namespace(lab)
    namespace.name = NAMESPACE
    return namespace


def variables(lab: Lab, folder: Path, **others: Any) -> dict[str, Any]:
    """Return the role's variables for the platform, with the login of the least privilege at Vault."""
    found = lab.variables()
    login = {"auth_method": "approle", "role_id": found["VAULT_ROLE_ID"], "secret_id": found["VAULT_SECRET_ID"]}
    return {
        "rotate_certs_kubeconfig": str(lab.state / "kubeconfig"),
        "rotate_certs_vault_url": found["VAULT_ADDR"],
        "rotate_certs_vault_login": login,
        "rotate_certs_backup_password": PASSWORD,
        "rotate_certs_backup_dir": str(folder / "backups"),
        "rotate_certs_reports_dir": str(folder / "reports"),
        "rotate_certs_accept_ephemeral_storage": True,
        **others,
    }


def vault_token(lab: Lab) -> str:
    status, answer = lab.vault_login()
    assert status == 200
    return str(answer["auth"]["client_token"])


def arguments(lab: Lab, folder: Path, namespace: str = NAMESPACE, **others: Any) -> dict[str, Any]:
    """Return the options of one of the modules."""
    vault = {"url": lab.variables()["VAULT_ADDR"], "token": vault_token(lab)}
    return {
        "kubeconfig": str(lab.state / "kubeconfig"),
        "namespace": namespace,
        "certificates": CATALOGUE,
        "backup_dir": str(folder / "backups"),
        "backup_password": PASSWORD,
        "accept_ephemeral_storage": True,
        "vault": {**vault, **others.pop("vault", {})},
        "timeout": 60,
        **others,
    }


def stored(lab: Lab, namespace: str = NAMESPACE) -> dict[str, str]:
    """Return the fingerprints in the platform's Secrets, by the names of the certificates."""
    return {each["name"]: stored_fingerprint(lab, namespace, str(each["secret_name"])) for each in CATALOGUE}


def read_kv(lab: Lab, path: str) -> tuple[int, dict[str, str]]:
    """Return version and data of an entry in Vault's KV."""
    keys = json.loads((lab.state / "vault-keys.json").read_text())
    status, answer = lab.ask_vault(f"kv/data/{path}", keys["root_token"], method="GET")
    assert status == 200, answer
    return answer["data"]["metadata"]["version"], answer["data"]["data"]


def write_kv(lab: Lab, path: str, data: dict[str, str]) -> None:
    keys = json.loads((lab.state / "vault-keys.json").read_text())
    status, answer = lab.ask_vault(f"kv/data/{path}", keys["root_token"], data=data)
    assert status == 200, answer


def signatures(lab: Lab) -> int:
    """Return how many certificates Vault was asked to sign by the runbooks."""
    return sum(
        1
        for request in vault_requests(lab.state / "audit" / "vault.log")
        if request["path"] == "pki_int/sign/market-intel"
    )


def revision(lab: Lab, name: str, namespace: str = NAMESPACE) -> int:
    return int(lab.get("certificate", name, "-n", namespace)["status"]["revision"])


def generations(lab: Lab, *names: str) -> dict[str, int]:
    return {name: lab.get("deployment", name, "-n", NAMESPACE)["metadata"]["generation"] for name in names}


def secret_data(lab: Lab, name: str, namespace: str = NAMESPACE) -> dict[str, bytes]:
    data = lab.get("secret", name, "-n", namespace)["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}
