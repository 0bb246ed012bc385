# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the certificates of a lab look like from outside, and how its runbooks are told where they are."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiLogin, ApiSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import parse_time
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry, RotateRequest
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.gate import GateSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.vault import VaultPlaces
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.threshold import Threshold
from ansible_collections.market_intel.runbooks.plugins.module_utils._vault.client import VaultLogin, VaultSettings
from lab.place import NAMESPACE

from .audit import vault_requests
from .handshakes import stored_fingerprint
from .lab import Lab
from .operator import Operator
from .pods import Namespace

# Everything was issued before that.
ALWAYS_DUE = "2099-01-01T00:00:00Z"
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


def owner(folder: Path) -> str:
    """Return what tells a test's own requests from all others in Vault's audit log."""
    return hashlib.sha256(str(folder).encode()).hexdigest()[:12]


def vault_login(lab: Lab, folder: Path) -> dict[str, str]:
    """Return a login of the least privilege at Vault whose requests are those of a test, by its folder."""
    about = json.dumps({"owner": owner(folder)})
    made = lab.ask_vault("auth/approle/role/runbooks/secret-id", _vault_root(lab), metadata=about)[1]
    role_id = lab.variables()["VAULT_ROLE_ID"]
    return {"auth_method": "approle", "role_id": role_id, "secret_id": made["data"]["secret_id"]}


def _vault_root(lab: Lab) -> str:
    return str(json.loads((lab.state / "vault-keys.json").read_text())["root_token"])


def variables(lab: Lab, folder: Path, **others: Any) -> dict[str, Any]:
    """Return the role's variables for the platform, with a login at Vault that is the test's own."""
    return {
        "rotate_certs_kubeconfig": str(lab.state / "kubeconfig"),
        "rotate_certs_skip_prompt": True,
        "rotate_certs_vault_url": lab.variables()["VAULT_ADDR"],
        "rotate_certs_vault_login": vault_login(lab, folder),
        "rotate_certs_backup_password": PASSWORD,
        "rotate_certs_backup_dir": str(folder / "backups"),
        "rotate_certs_reports_dir": str(folder / "reports"),
        "rotate_certs_accept_ephemeral_storage": True,
        **others,
    }


def vault_token(lab: Lab, folder: Path) -> str:
    login = vault_login(lab, folder)
    status, answer = lab.ask_vault("auth/approle/login", role_id=login["role_id"], secret_id=login["secret_id"])
    assert status == 200, answer
    return str(answer["auth"]["client_token"])


def arguments(lab: Lab, folder: Path, namespace: str = NAMESPACE, **others: Any) -> dict[str, Any]:
    """Return the options of one of the modules."""
    vault = {"url": lab.variables()["VAULT_ADDR"], "token": vault_token(lab, folder)}
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


def lab_operator(namespace: Namespace, folder: Path, entry: Entry, role: str = "", **gate: Any) -> Operator:
    """Return an operator whose catalogue has one certificate, which is always due."""
    lab = namespace.lab

    def connect(run_id: str, *, dry_run: bool) -> tuple[ApiLogin, VaultLogin]:
        settings = ApiSettings(kubeconfig=str(lab.state / "kubeconfig"))
        login = ApiLogin(settings, f"market_intel.runbooks/{run_id}", dry_run=dry_run)
        return login, VaultLogin(VaultSettings(lab.variables()["VAULT_ADDR"], _vault_root(lab)), run_id)

    settings = GateSettings(**gate)
    request = RotateRequest(namespace.name, (entry,), (), "auto", Threshold(0.0), parse_time(ALWAYS_DUE), settings)
    return Operator(connect, request, folder, VaultPlaces(pki_role=role, kv_prefix=f"certs/{namespace.name}"))


def stored(lab: Lab, namespace: str = NAMESPACE) -> dict[str, str]:
    """Return the fingerprints in the platform's Secrets, by the names of the certificates."""
    return {each["name"]: stored_fingerprint(lab, namespace, str(each["secret_name"])) for each in CATALOGUE}


def read_kv(lab: Lab, path: str) -> tuple[int, dict[str, str]]:
    """Return version and data of an entry in Vault's KV."""
    status, answer = lab.ask_vault(f"kv/data/{path}", _vault_root(lab), method="GET")
    assert status == 200, answer
    return answer["data"]["metadata"]["version"], answer["data"]["data"]


def write_kv(lab: Lab, path: str, data: dict[str, str]) -> None:
    status, answer = lab.ask_vault(f"kv/data/{path}", _vault_root(lab), data=data)
    assert status == 200, answer


def signatures(lab: Lab, folder: Path) -> int:
    """Return how many certificates Vault was asked to sign with the login of a test."""
    requests = vault_requests(lab.state / "audit" / "vault.log", owner(folder))
    return sum(request["path"] == "pki_int/sign/market-intel" for request in requests)


def revision(lab: Lab, name: str, namespace: str = NAMESPACE) -> int:
    return int(lab.get("certificate", name, "-n", namespace)["status"]["revision"])


def generations(lab: Lab, *names: str) -> dict[str, int]:
    return {name: lab.get("deployment", name, "-n", NAMESPACE)["metadata"]["generation"] for name in names}


def secret_data(lab: Lab, name: str, namespace: str = NAMESPACE) -> dict[str, bytes]:
    data = lab.get("secret", name, "-n", namespace)["data"]
    return {key: base64.b64decode(value) for key, value in data.items()}
