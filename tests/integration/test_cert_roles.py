# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that the guide to certificates names are enough, and one that is missing stops the plan by its name."""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.place import NAMESPACE
from support.ansible import run_module, run_playbook
from support.audit import kubernetes_writes
from support.certs import LEASE, arguments, platform, stored, variables
from support.lab import Lab
from tools.tree import ROOT

from . import loss

pytestmark = pytest.mark.lab
PAGE = (ROOT / "docs" / "guide_certificates.md").read_text(encoding="utf-8")
ROLE, CLUSTER_ROLE = next(
    documents
    for documents in map(list, map(yaml.safe_load_all, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)))
    if documents[0].get("kind") == "Role"
)
(POLICY,) = re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL)
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
        self.kubeconfig = str(self._place.login(folder, NAME, ROLE))
        self.grant()
        subject = f"--serviceaccount={NAMESPACE}:{NAME}"
        self._place.kubectl("create", "clusterrolebinding", NAME, f"--clusterrole={NAME}", subject)

    def grant(self, kind: str = "", number: int = 0, verb: str = "") -> None:
        """Give it all rights, or all but one verb of one rule."""
        names = {"Role": f"{NAME}-{ROLE['metadata']['name']}", "ClusterRole": NAME}
        objects = []
        for document in (ROLE, CLUSTER_ROLE):
            rules = copy.deepcopy(document["rules"])
            if document["kind"] == kind:
                rules[number]["verbs"].remove(verb)
            about = {"name": names[document["kind"]]}
            objects.append({**document, "metadata": about, "rules": [rule for rule in rules if rule["verbs"]]})
        self._place.apply({"apiVersion": "v1", "kind": "List", "items": objects})

    def vault_token(self, policy: str = POLICY) -> str:
        assert self._lab.ask_vault(f"sys/policies/acl/{NAME}", self._root, policy=policy)[0] == 204
        made = self._lab.ask_vault("auth/token/create", self._root, policies=[NAME], ttl="30m")[1]
        return str(made["auth"]["client_token"])

    def remove(self) -> None:
        self._place.kubectl("delete", "clusterrolebinding,clusterrole", NAME, "--ignore-not-found")
        made = f"{NAME}-{ROLE['metadata']['name']}"
        self._place.kubectl("delete", "rolebinding,role", made, "-n", NAMESPACE, "--ignore-not-found")
        self._place.kubectl("delete", "serviceaccount", NAME, "-n", NAMESPACE, "--ignore-not-found")
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
    account.grant(document["kind"], number, verb)
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


def test_what_a_role_of_vault_says_is_not_verified_where_it_cannot_be_read(
    lab: Lab, account: Account, tmp_path: Path
) -> None:
    account.grant()
    role = "pki_int/roles/market-intel"
    planned = plan(lab, account, tmp_path, account.vault_token(policy({role: "read"})))
    assert any("the limits of the role market-intel" in each for each in planned["not_verified"])
    complete = plan(lab, account, tmp_path, account.vault_token())
    assert (complete["not_verified"], complete["due"]) == ([], ["api-gateway", "core-engine"])


def policy(without: dict[str, str]) -> str:
    """Return the policy of the page without some capabilities, by their paths."""
    rules = {
        path: {"capabilities": [word for word in words if without.get(path) != word]}
        for path, words in CAPABILITIES.items()
    }
    return json.dumps({"path": {path: rule for path, rule in rules.items() if rule["capabilities"]}})
