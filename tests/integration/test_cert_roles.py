# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide to certificates names: rights that are enough, each of them checked, and the rollback by hand."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import loss
from support.ansible import run_module, run_playbook
from support.audit import kubernetes_writes
from support.certs import LEASE, PASSWORD, arguments, platform, revision, secret_data, stored, variables
from support.handshakes import issue, issue_again, stored_fingerprint
from support.lab import Lab
from support.pods import Namespace
from support.rights import FILES, rights
from tools.tree import ROOT

pytestmark = pytest.mark.lab
PAGE = (ROOT / "docs" / "guide_certificates.md").read_text(encoding="utf-8")
ROLE, CLUSTER_ROLE, MORE = rights("certificates")
BY_HAND = next(block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "certificaterequest" in block)
POLICY = (FILES / "vault-policy.hcl").read_text(encoding="utf-8")
CAPABILITIES = {path: json.loads(words) for path, words in re.findall(r'path "(.+?)" {\s+capabilities = (.+)', POLICY)}
NAME = "certificates-by-the-page"
# What is read before rights are asked for, in the words of the sentence about it.
READ_FIRST = {"get secrets": "get the secret", "list certificates.cert-manager.io": "list certificates"}
READ_FIRST["list certificaterequests.cert-manager.io"] = "list certificaterequests"
ONE_RIGHT = [
    pytest.param(document, number, verb, id=f"{verb}-{','.join(rule['resources'])}-{number}")
    for document in (ROLE, CLUSTER_ROLE)
    for number, rule in enumerate(document["rules"])
    for verb in rule["verbs"]
]


class Account:
    """A ServiceAccount that has the rights of the page, and a token for Vault that has its policy."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self._place = platform(lab)
        self._root = json.loads((lab.state / "vault-keys.json").read_text())["root_token"]
        self.kubeconfig = str(self._place.login(folder, NAME, ROLE, MORE))
        self.grant()
        self._place.bind_cluster_role(NAME, NAME, NAME)

    def grant(self, lacking: dict[str, Any] | None = None, number: int = 0, verb: str = "", more: bool = False) -> None:
        """Give it what is needed, but for one verb of a rule, and what is not needed if there is to be more."""
        objects = []
        for document in (ROLE, CLUSTER_ROLE, MORE):
            rules = copy.deepcopy(document["rules"])
            if document is lacking:
                rules[number]["verbs"].remove(verb)
            if document is MORE and not more:
                rules = []
            about = {"name": self._made(document)}
            objects.append({**document, "metadata": about, "rules": [rule for rule in rules if rule["verbs"]]})
        self._place.apply({"apiVersion": "v1", "kind": "List", "items": objects})

    def _made(self, document: dict[str, Any]) -> str:
        return NAME if document is CLUSTER_ROLE else f"{NAME}-{document['metadata']['name']}"

    def vault_token(self, policy: str = POLICY) -> str:
        assert self._lab.ask_vault(f"sys/policies/acl/{NAME}", self._root, policy=policy)[0] == 204
        made = self._lab.ask_vault("auth/token/create", self._root, policies=[NAME], ttl="30m")[1]
        return str(made["auth"]["client_token"])

    def remove(self) -> None:
        for kind in ("clusterrolebinding", "clusterrole", "serviceaccount"):
            self._place.delete(kind, NAME)
        for document in (ROLE, MORE):
            for kind in ("rolebinding", "role"):
                self._place.delete(kind, self._made(document))
        self._lab.ask_vault(f"sys/policies/acl/{NAME}", self._root, method="DELETE")


@pytest.fixture(scope="module")
def account(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    made = Account(lab, tmp_path_factory.mktemp("login"))
    try:
        yield made
    finally:
        made.remove()


def plan(lab: Lab, account: Account, folder: Path, token: str = "", **others: Any) -> dict[str, Any]:
    """Return the plan for both certificates of the platform, in check mode."""
    vault = {"vault": {"token": token}} if token else {}
    # Everything was issued before that.
    given = {"issued_before": "2099-01-01T00:00:00Z", "lease": LEASE, **vault, **others}
    return run_module("cert_rotate", arguments(lab, folder, kubeconfig=account.kubeconfig, **given), check=True)


def test_the_documented_rights_suffice(lab: Lab, account: Account, tmp_path: Path) -> None:
    account.grant()
    before = stored(lab)
    login = {"rotate_certs_kubeconfig": account.kubeconfig, "rotate_certs_vault_token": account.vault_token()}
    given = variables(lab, tmp_path, **login, rotate_certs_vault_login={})
    rotated = run_playbook("rotate_certs", {**given, "rotate_certs_force": True}, cwd=tmp_path)
    assert rotated.rc == 0, rotated.output
    assert all(fingerprint != before[name] for name, fingerprint in stored(lab).items())
    run_id = rotated.custom_stats["_run"]["rotate_certs"]["localhost"]["run_id"]
    undone = run_playbook("rollback_certs", {**given, "rotate_certs_rollback_run": run_id}, cwd=tmp_path)
    assert undone.rc == 0, undone.output
    assert stored(lab) == before


@pytest.mark.parametrize(("document", "number", "verb"), ONE_RIGHT)
def test_without_one_right_nothing_is_touched_and_it_is_named(
    document: dict[str, Any], number: int, verb: str, lab: Lab, account: Account, tmp_path: Path
) -> None:
    rule = document["rules"][number]
    # Others use this lab, too.
    run_id = f"20261123t101500z-{uuid.uuid4().hex}-0000"
    account.grant(document, number, verb)
    refused = plan(lab, account, tmp_path, run_id=run_id)
    assert refused.get("failed") and loss.not_one_sentence(refused) == ""
    group = f".{rule['apiGroups'][0]}" if rule["apiGroups"][0] else ""
    for resource in rule["resources"]:
        right = f"{verb} {resource}{group}"
        if READ_FIRST.get(right, right) not in refused["msg"]:
            named = {each for each in refused["missing_rights"] if each.startswith(right)}
            assert named and all(f"missing right: {each}" in refused["problems"] for each in named), refused["msg"]
    assert kubernetes_writes(lab.state / "audit" / "kubernetes.log", run_id) == []
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize(
    ("path", "capability"),
    [("pki_int/sign/market-intel", "update"), ("kv/data/certs/*", "read"), ("kv/data/certs/*", "update")],
)
def test_without_one_capability_in_vault_nothing_is_signed(
    path: str, capability: str, lab: Lab, account: Account, tmp_path: Path
) -> None:
    account.grant()
    refused = plan(lab, account, tmp_path, account.vault_token(policy({path: capability})))
    assert f"The token may not {capability} {path.replace('*', 'core-engine')}" in refused["msg"]
    assert not (tmp_path / "backups").exists()


def test_what_cannot_be_read_is_not_verified_and_does_not_stop_the_plan(
    lab: Lab, account: Account, tmp_path: Path
) -> None:
    account.grant()
    role = "pki_int/roles/market-intel"
    planned = plan(lab, account, tmp_path, account.vault_token(policy({role: "read"})))
    assert any("the limits of the role market-intel" in each for each in planned["not_verified"])
    assert any("issuers" in each for each in planned["not_verified"])
    account.grant(more=True)
    complete = plan(lab, account, tmp_path, account.vault_token())
    assert (complete["not_verified"], complete["due"]) == ([], ["api-gateway", "core-engine"])


def policy(without: dict[str, str]) -> str:
    """Return the policy of the page without some capabilities, by their paths."""
    rules = {
        path: {"capabilities": [word for word in words if without.get(path) != word]}
        for path, words in CAPABILITIES.items()
    }
    return json.dumps({"path": {path: rule for path, rule in rules.items() if rule["capabilities"]}})


def test_what_would_take_the_certificate_or_the_run_away_is_refused(lab: Lab, account: Account, tmp_path: Path) -> None:
    account.grant(more=True)
    root = json.loads((lab.state / "vault-keys.json").read_text())["root_token"]
    role = {"allow_any_name": True, "enforce_hostnames": False, "key_type": "any", "generate_lease": True}
    assert lab.ask_vault(f"pki_int/roles/{NAME}", root, **role)[0] == 200
    made = lab.ask_vault("auth/token/create", root, policies=["root"], ttl="30m", num_uses=9)[1]
    refused = plan(lab, account, tmp_path, vault={"token": root, "pki_role": NAME})
    limited = plan(lab, account, tmp_path, made["auth"]["client_token"])
    assert lab.ask_vault(f"pki_int/roles/{NAME}", root, method="DELETE")[0] == 204
    assert "has generate_lease, which revokes a certificate with the token that asked for it" in refused["msg"]
    assert "times only; log in with one that has no such limit" in limited["msg"]


def test_by_hand_cert_manager_does_not_undo_it(lab: Lab, tmp_path: Path) -> None:
    with Namespace(lab) as namespace:
        old = issue(namespace, "shop")
        before = secret_data(lab, "shop-tls", namespace.name)
        catalogue = [{"name": "shop", "secret_name": "shop-tls", "cert_manager": True}]
        given = arguments(lab, tmp_path, namespace.name, certificates=catalogue, issued_before="2099-01-01T00:00:00Z")
        folder = Path(run_module("cert_backup", given)["backup_path"])
        assert issue_again(namespace, "shop") != old
        namespace.wait_ready("certificate", "shop")
        find, show, delete, put_back = BY_HAND.replace("api-gateway", "shop").splitlines()
        here = Shell(lab, folder, namespace.name)
        present = here.run(find).strip()
        (request,) = [row[0] for row in map(str.split, here.run(show).splitlines()) if row[1:] == ["shop", present]]
        here.run(delete.replace("NAME", request))
        here.run(put_back)
        # cert-manager does at once what it would do.
        time.sleep(15)
        assert (secret_data(lab, "shop-tls", namespace.name), str(revision(lab, "shop", namespace.name))) == (
            before,
            present,
        )
        assert stored_fingerprint(lab, namespace.name, "shop-tls") == old


class Shell:
    """A shell in the folder of a backup that knows kubectl and the password."""

    def __init__(self, lab: Lab, folder: Path, namespace: str) -> None:
        password = folder.parent / "password"
        password.write_text(PASSWORD)
        self._folder, self._namespace = folder, namespace
        self._environment = {
            **os.environ,
            "LAB_STATE": str(lab.state),
            "PYTHONPATH": str(ROOT / "tests"),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def run(self, command: str) -> str:
        script = 'set -eo pipefail; kubectl() { python -m lab kubectl "$@"; }\n'
        script += command.replace("market-intel-brain", self._namespace)
        return subprocess.check_output(["bash", "-c", script], cwd=self._folder, env=self._environment, text=True)
