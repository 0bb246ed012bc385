# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace is prepared from nothing, each runbook works with exactly what was made, and all of it goes again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.ansible import Result, run_playbook
from support.api import ApiFailure
from support.certs import PASSWORD
from support.flush import role_variables
from support.issued import issue, secret
from support.lab import Lab
from support.patients import DEBUG, container, pod
from support.pods import Namespace

pytestmark = pytest.mark.lab
KEYS = 5
ACCOUNTS = {
    "runbooks-flush-redis",
    "runbooks-rotate-certs",
    "runbooks-check-certs",
    "runbooks-debug-pod",
    "runbooks-cleanup-debug-pods",
}


@dataclass
class Prepared:
    """A namespace of a test, and how its runbooks are told where they are."""

    place: Namespace
    folder: Path

    @property
    def nodes(self) -> str:
        return f"{self.place.name}-nodes"

    @property
    def vault_role(self) -> str:
        return f"prepared-{self.place.name}"

    @property
    def logins(self) -> Path:
        return self.folder / "logins" / "localhost" / self.place.name

    def kubeconfig(self, account: str) -> str:
        return str(self.logins / f"runbooks-{account}.kubeconfig")

    def prepare(self, *, check: bool = False, **more: Any) -> Result:
        root = json.loads((self.place.lab.state / "vault-keys.json").read_text())["root_token"]
        given = {
            "kubeconfig": str(self.place.lab.state / "kubeconfig"),
            "namespace": self.place.name,
            "node_namespace": self.nodes,
            "debug_modes": ["ephemeral", "node"],
            "certificates": [
                {"name": "web", "secret_name": "web-tls", "cert_manager": True},
                {"name": "core", "secret_name": "core-tls", "vault": True},
            ],
            "logins_dir": str(self.folder / "logins"),
            "reports_dir": str(self.folder / "reports"),
            "cron_image": "registry.example.com/runbooks:1",
            "vault": True,
            "vault_url": self.place.lab.variables()["VAULT_ADDR"],
            "vault_token": root,
            "vault_role": self.vault_role,
            **more,
        }
        variables = {f"prepare_cluster_{name}": value for name, value in given.items()}
        return run_playbook("prepare_cluster", variables, check=check, diff=check, cwd=self.folder)

    def policy(self) -> str | None:
        """Return the policy in Vault."""
        root = json.loads((self.place.lab.state / "vault-keys.json").read_text())["root_token"]
        status, answer = self.place.lab.ask_vault(f"sys/policies/acl/{self.vault_role}", root, method="GET")
        return answer["data"]["policy"] if status == 200 else None

    def there(self, kind: str, name: str = "") -> bool:
        """Return whether there is such an object of the whole cluster."""
        try:
            self.place.lab.api.get(kind, name)
        except ApiFailure as failure:
            return failure.status != 404
        return True


@pytest.fixture(scope="module")
def prepared(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    with Namespace(lab) as place:
        place.secret("redis", password="open-sesame")
        place.start_redis("cache-0", "--requirepass", "open-sesame", labels={"app": "cache"})
        place.service("redis", {"app": "cache"}, 6379, 6379)
        place.order_certificate("web", "web.example.com")
        place.apply(secret(place.name, "core-tls", issue("core")), pod("web", container()))
        place.wait_for("cache-0", "web")
        place.wait_ready("certificate", "web")
        made = Prepared(place, tmp_path_factory.mktemp("prepared"))
        yield made
        lab.api.delete("namespace", made.nodes)


@pytest.fixture
def ready(prepared: Prepared) -> Prepared:
    if not prepared.logins.exists():
        made = prepared.prepare()
        assert made.rc == 0, made.output
    return prepared


def test_nothing_is_made_by_a_check_all_of_it_once_and_nothing_twice(prepared: Prepared) -> None:
    planned = prepared.prepare(check=True)
    assert planned.rc == 0, planned.output
    assert "PLANNED: Prepare the cluster" in planned.output
    assert f"make Role {prepared.place.name}/debug-report" in planned.output
    assert prepared.place.gone("serviceaccount", "runbooks-debug-pod") and prepared.policy() is None
    assert not prepared.there("namespace", prepared.nodes) and not prepared.logins.exists()

    made = prepared.prepare()
    assert made.rc == 0 and made.changed > 0, made.output
    assert {path.stem for path in prepared.logins.glob("*.kubeconfig")} == ACCOUNTS
    assert {path.stat().st_mode & 0o777 for path in prepared.logins.iterdir()} == {0o600}
    assert "pki_int/sign/market-intel" in str(prepared.policy())
    tokens = [path.read_text().partition("token: ")[2].split()[0] for path in prepared.logins.glob("*.kubeconfig")]
    assert not [token for token in tokens if token in made.output or token in json.dumps(made.tasks, default=vars)]

    again = prepared.prepare()
    assert (again.rc, again.changed) == (0, 0), again.output


def test_a_flush_works_with_what_was_made(ready: Prepared, tmp_path: Path) -> None:
    with ready.place.redis("cache-0", password="open-sesame") as server:
        server.client().mset({f"market:data:{number}": "x" for number in range(KEYS)})
        login = {"service": "redis", "password_secret": "redis", "kubeconfig": ready.kubeconfig("flush-redis")}
        where = json.dumps({"namespace": ready.place.name, **login})
        done = run_playbook("flush_redis", role_variables("redis://:6379/0", tmp_path, kubernetes=where), cwd=tmp_path)
        assert done.rc == 0, done.output
        assert server.client().dbsize() == 0


def test_certificates_are_checked_and_rotated_with_what_was_made(ready: Prepared, tmp_path: Path) -> None:
    check = {
        "rotate_certs_kubeconfig": ready.kubeconfig("check-certs"),
        "rotate_certs_check_namespaces": [ready.place.name],
        "rotate_certs_reports_dir": str(tmp_path / "reports"),
    }
    checked = run_playbook("check_certs", check, cwd=tmp_path)
    stats = checked.custom_stats["_run"]["check_certs"]["localhost"]
    assert stats["counts"]["unknown"] == 0, checked.output

    rotate = {
        "rotate_certs_kubeconfig": ready.kubeconfig("rotate-certs"),
        "rotate_certs_namespace": ready.place.name,
        "rotate_certs_certificates": [
            {"name": "web", "secret_name": "web-tls", "cert_manager": True, "backup": True},
            {"name": "core", "secret_name": "core-tls", "vault": True, "backup": True},
        ],
        "rotate_certs_vault_url": ready.place.lab.variables()["VAULT_ADDR"],
        "rotate_certs_backup_password": PASSWORD,
        "rotate_certs_backup_dir": str(tmp_path / "backups"),
        "rotate_certs_reports_dir": str(tmp_path / "reports"),
        "rotate_certs_accept_ephemeral_storage": True,
        "rotate_certs_skip_prompt": True,
        "rotate_certs_force": True,
        # The present one of the Secret for Vault has signed itself.
        "rotate_certs_allow_issuer_change": True,
    }
    login = [json.dumps(rotate), f"@{ready.logins / 'vault.yml'}"]
    planned = run_playbook("rotate_certs", login, check=True, cwd=tmp_path)
    assert planned.rc == 0, planned.output
    assert "not verified" not in planned.output
    rotated = run_playbook("rotate_certs", [*login, "rotate_certs_names=web"], cwd=tmp_path)
    assert rotated.rc == 0, rotated.output
    assert rotated.custom_stats["_run"]["rotate_certs"]["localhost"]["state"] == "done"


@pytest.mark.parametrize("mode", ["ephemeral", "node"])
def test_pods_are_debugged_with_what_was_made(ready: Prepared, tmp_path: Path, mode: str) -> None:
    given = {
        "debug_pod_kubeconfig": ready.kubeconfig("debug-pod"),
        "debug_pod_namespace": ready.place.name,
        "debug_pod_node_namespace": ready.nodes,
        "debug_pod_targets": "web",
        "debug_pod_image": DEBUG,
        "debug_pod_mode": mode,
        "debug_pod_privileged": mode == "node",
        "debug_pod_skip_prompt": True,
        "debug_pod_reports_dir": str(tmp_path / "reports"),
    }
    done = run_playbook("debug_pod", given, cwd=tmp_path)
    assert done.rc == 0, done.output
    (session,) = done.by_action("debug_container")[-1].result["sessions"]
    assert (session["mode"], session["state"]) == (mode, "collected"), session
    assert "may not" not in done.output


def test_sessions_are_cleaned_up_with_what_was_made(ready: Prepared, tmp_path: Path) -> None:
    login = {"debug_pod_kubeconfig": ready.kubeconfig("cleanup-debug-pods")}
    done = run_playbook("cleanup_debug_pods", {**login, "debug_pod_namespaces": ready.nodes}, cwd=tmp_path)
    assert done.rc == 0, done.output
    assert done.one("debug_container").result["notices"] == []


def test_all_of_it_goes_again(ready: Prepared) -> None:
    less = ready.prepare(runbooks=["check_certs"], vault=False)
    assert less.rc == 0, less.output
    assert {path.stem for path in ready.logins.glob("*.kubeconfig")} == {"runbooks-check-certs"}
    assert ready.place.gone("role", "debug-report") and not ready.place.gone("role", "certificate-check")

    gone = ready.prepare(state="absent")
    assert gone.rc == 0, gone.output
    for kind in ("roles", "rolebindings", "cronjobs"):
        assert ready.place.lab.get(kind, "-n", ready.place.name)["items"] == []
    kept = ready.place.lab.get("secrets", "-n", ready.place.name)["items"]
    assert {each["metadata"]["name"] for each in kept} == {"redis", "web-tls", "core-tls"}
    assert not ready.there("clusterrole", f"debug-report-{ready.place.name}")
    assert not ready.there("namespace", ready.nodes)
    assert ready.policy() is None and not ready.logins.exists()
