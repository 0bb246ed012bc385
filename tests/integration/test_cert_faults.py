# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong while certificates are rotated is said in one sentence, and survived; no workload is restarted."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import loss
from support.ansible import run_module
from support.audit import kubernetes_writes
from support.certs import PASSWORD, arguments, read_kv, revision, secret_data, signatures, write_kv
from support.faults import HttpFaults
from support.handshakes import issue, stored_fingerprint
from support.lab import Lab
from support.pods import Namespace, kubeconfig
from support.processes import wait_until
from support.tls import make_certificates

pytestmark = pytest.mark.lab
# Another one in each process, as the audit log of a lab that is used again knows them all.
RUN = f"20261123t101500z-rotate-certs-{uuid.uuid4().hex[:8]}-{{:04x}}"
ISSUER = {"apiVersion": "cert-manager.io/v1", "kind": "Issuer"}
LEASE = "runbooks-rotate-certs"


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    """Return a namespace with a certificate by cert-manager (shop) and one that Vault has to issue (web)."""
    with Namespace(lab) as namespace:
        issue(namespace, "shop")
        yield namespace


@pytest.fixture
def web(lab: Lab, namespace: Namespace, tmp_path: Path) -> Iterator[str]:
    """Return the fingerprint of a certificate that is in Vault and in a Secret."""
    issued = secret_data(lab, "core-engine-tls", "market-intel-brain")
    data = {key: base64.b64encode(value).decode() for key, value in issued.items()}
    _make_tls(namespace, data)
    path = f"certs/{namespace.name}/web"
    text = {"certificate": issued["tls.crt"].decode(), "private_key": issued["tls.key"].decode(), "owner": "team web"}
    write_kv(lab, path, text)
    yield stored_fingerprint(lab, namespace.name, "web-tls")
    namespace.delete("secret", "web-tls")


class Rotation:
    """A run whose steps a test calls one by one."""

    number = 0

    def __init__(self, lab: Lab, namespace: Namespace, folder: Path, name: str, **others: Any) -> None:
        Rotation.number += 1
        self.run_id = RUN.format(Rotation.number)
        entry = {"name": name, "secret_name": f"{name}-tls", "vault": name == "web"}
        vault = {"kv_prefix": f"certs/{namespace.name}", **others.pop("vault", {})}
        given = {"certificates": [entry], "run_id": self.run_id, "timeout": 20, **others}
        # Everything was issued before that.
        given["issued_before"] = "2099-01-01T00:00:00Z"
        self._args = arguments(lab, folder, namespace.name, vault=vault, **given)

    def call(self, module: str, *, check: bool = False, **others: Any) -> dict[str, Any]:
        args = {**self._args, **others}
        if module == "cert_restore":
            args = {key: value for key, value in args.items() if key != "issued_before"}
        return run_module(module, args, check=check)

    def plan(self, **others: Any) -> dict[str, Any]:
        return self.call("cert_rotate", check=True, **others)

    def back_up(self) -> None:
        saved = self.call("cert_backup")
        assert not saved.get("failed"), saved["msg"]

    def rotate(self, **others: Any) -> dict[str, Any]:
        return self.call("cert_rotate", **others)


def sentence(result: dict[str, Any]) -> str:
    assert result.get("failed") and loss.not_one_sentence(result) == ""
    return str(result["msg"])


# -- cert-manager ----------------------------------------------------------------------------------------------------


def test_an_issuer_that_is_not_ready_stops_the_plan(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    namespace.apply({**ISSUER, "metadata": {"name": "broken"}, "spec": {"ca": {"secretName": "none"}}})
    _point_to(namespace, "broken")
    try:
        said = sentence(Rotation(lab, namespace, tmp_path, "shop").plan())
        assert "The issuer broken of the Certificate shop cannot issue" in said and "none" in said
    finally:
        _point_to(namespace, "lab-ca", kind="ClusterIssuer")


def test_a_request_that_is_denied_ends_the_run_at_once(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    run = Rotation(lab, namespace, tmp_path, "shop", timeout=300)
    before = stored_fingerprint(lab, namespace.name, "shop-tls")
    _point_to(namespace, "nobody", kind="Approval", group="example.com")
    began = time.monotonic()
    try:
        run.back_up()
        with _denying(lab, namespace):
            said = sentence(run.rotate())
        # With an issuer that signs, cert-manager may begin again.
        assert stored_fingerprint(lab, namespace.name, "shop-tls") == before
    finally:
        _point_to(namespace, "lab-ca", kind="ClusterIssuer")
    # Of the request, or of the Certificate where cert-manager has begun again by then.
    assert "not in this test" in said and time.monotonic() - began < 150


def test_without_cert_manager_the_request_is_withdrawn(breakable_lab: Lab, tmp_path: Path) -> None:
    with Namespace(breakable_lab) as namespace:
        issue(namespace, "shop")
        _wait_settled(breakable_lab, namespace)
        before = revision(breakable_lab, "shop", namespace.name)
        run = Rotation(breakable_lab, namespace, tmp_path, "shop", timeout=4)
        run.back_up()
        with breakable_lab.paused("cert-manager"):
            said = sentence(run.rotate())
        assert "is cert-manager running?" in said and "withdrawn" in said
        # What is issued afterwards shows that cert-manager works again and has seen the withdrawal.
        issue(namespace, "later")
        assert revision(breakable_lab, "shop", namespace.name) == before


def test_a_conflict_with_another_writer_is_tried_again(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    _wait_settled(lab, namespace)
    before = revision(lab, "shop", namespace.name)
    with _api_faults(lab, namespace, tmp_path) as (faults, login):
        conflict = faults.answer(409, method="PUT", path="/status", times=1)
        busy = faults.answer(429, path="/secrets/", times=2, headers={"Retry-After": "1"})
        run = Rotation(lab, namespace, tmp_path, "shop", kubeconfig=login)
        run.back_up()
        done = run.rotate()
    assert (done.get("msg"), conflict.struck, busy.struck) == (None, 1, 2)
    assert revision(lab, "shop", namespace.name) == before + 1


# -- Vault -----------------------------------------------------------------------------------------------------------


def test_vault_that_is_sealed_after_it_has_signed_signs_nothing_twice(
    lab: Lab, namespace: Namespace, web: str, tmp_path: Path
) -> None:
    with HttpFaults(lab.variables()["VAULT_ADDR"]) as faults:
        run = Rotation(lab, namespace, tmp_path, "web", vault={"url": faults.url})
        run.back_up()
        sealed = faults.answer(503, method="POST", path="/v1/kv/data/", times=1, message="Vault is sealed")
        assert "is sealed" in sentence(run.rotate())
        assert sealed.struck == 1 and stored_fingerprint(lab, namespace.name, "web-tls") == web
        done = run.rotate()
    assert not done.get("failed"), done["msg"]
    assert signatures(lab, tmp_path) == 1
    _version, data = read_kv(lab, f"certs/{namespace.name}/web")
    assert data["owner"] == "team web"
    assert data["private_key"].encode() == secret_data(lab, "web-tls", namespace.name)["tls.key"]
    assert stored_fingerprint(lab, namespace.name, "web-tls") == done["rotated"][0]["fingerprint"] != web


def test_an_entry_that_somebody_else_has_written_is_left_alone(
    lab: Lab, namespace: Namespace, web: str, tmp_path: Path
) -> None:
    run = Rotation(lab, namespace, tmp_path, "web")
    run.back_up()
    path = f"certs/{namespace.name}/web"
    _version, data = read_kv(lab, path)
    write_kv(lab, path, {**data, "owner": "another team"})
    said = sentence(run.rotate())
    assert "Somebody else has written" in said and stored_fingerprint(lab, namespace.name, "web-tls") == web
    assert read_kv(lab, path)[1]["owner"] == "another team"


def test_a_secret_that_is_written_at_the_same_time(lab: Lab, namespace: Namespace, web: str, tmp_path: Path) -> None:
    with _api_faults(lab, namespace, tmp_path) as (faults, login):
        conflict = faults.answer(409, method="PATCH", path="/secrets/web-tls", times=1)
        lost = faults.cut(method="PATCH", path="/secrets/web-tls", times=1)
        run = Rotation(lab, namespace, tmp_path, "web", kubeconfig=login)
        run.back_up()
        # The answer to the second try is lost, so that the third one conflicts with what is there already.
        done = run.rotate()
    assert (conflict.struck, lost.struck) == (1, 1)
    assert not done.get("failed"), done["msg"]
    assert stored_fingerprint(lab, namespace.name, "web-tls") == done["rotated"][0]["fingerprint"] != web


def test_a_worse_certificate_is_never_written(lab: Lab, namespace: Namespace, web: str, tmp_path: Path) -> None:
    run = Rotation(lab, namespace, tmp_path, "web", vault={"ttl": "24h"})
    run.back_up()
    before = read_kv(lab, f"certs/{namespace.name}/web")
    said = sentence(run.rotate())
    assert "not good enough (shorter life" in said
    assert stored_fingerprint(lab, namespace.name, "web-tls") == web
    assert read_kv(lab, f"certs/{namespace.name}/web") == before


def test_a_token_that_expires_too_early_stops_the_plan(
    lab: Lab, namespace: Namespace, web: str, tmp_path: Path
) -> None:
    keys = json.loads((lab.state / "vault-keys.json").read_text())
    made = lab.ask_vault(
        "auth/token/create", keys["root_token"], policies=["runbooks"], explicit_max_ttl="30s", ttl="30s"
    )[1]
    run = Rotation(lab, namespace, tmp_path, "web", vault={"token": made["auth"]["client_token"]}, timeout=300)
    assert "The token expires in" in sentence(run.plan())


# -- the cluster -----------------------------------------------------------------------------------------------------


def test_stock_tools_restore_the_backup(lab: Lab, namespace: Namespace, web: str, tmp_path: Path) -> None:
    run = Rotation(lab, namespace, tmp_path, "web")
    run.back_up()
    before = secret_data(lab, "web-tls", namespace.name)
    assert not run.rotate().get("failed")
    folder = tmp_path / "backups" / "certs" / run.run_id
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in folder.iterdir())
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    command = [str(Path(sys.executable).parent / "ansible-vault"), "view", "--vault-password-file", str(password)]
    plain = subprocess.check_output([*command, str(folder / "web.secret.json.vault")], text=True)
    namespace.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", content=plain)
    assert secret_data(lab, "web-tls", namespace.name) == before
    assert "last-applied" not in json.dumps(lab.get("secret", "web-tls", "-n", namespace.name)["metadata"])


def test_a_missing_right_is_named_before_anything_is_touched(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["secrets", "pods"], "verbs": ["get", "list"]},
        {
            "apiGroups": ["cert-manager.io"],
            "resources": ["certificates", "certificaterequests"],
            "verbs": ["get", "list"],
        },
    ]
    login = namespace.login(
        tmp_path,
        "reader",
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "read"},
            "rules": rules,
        },
    )
    run = Rotation(lab, namespace, tmp_path, "shop", kubeconfig=str(login), lease=LEASE)
    refused = run.plan()
    assert "may not update certificates/status.cert-manager.io shop" in sentence(refused)
    for right in (
        "get leases.coordination.k8s.io",
        "update secrets shop-tls",
        "patch deployments.apps",
        "get pods/portforward",
    ):
        assert any(missing.startswith(right) for missing in refused["missing_rights"]), right
    assert kubernetes_writes(lab.state / "audit" / "kubernetes.log", run.run_id) == []


def test_a_lease_of_another_run_is_respected_until_it_expires(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    common = {"kubeconfig": str(lab.state / "kubeconfig"), "namespace": namespace.name, "lease": "single"}
    mine, other = RUN.format(0xAAAA), RUN.format(0xBBBB)
    assert run_module("run_lease", {**common, "run_id": mine, "duration": 12})["holder"] == mine
    assert run_module("run_lease", {**common, "run_id": mine, "duration": 12})["changed"] is False
    assert mine in sentence(run_module("run_lease", {**common, "run_id": other}))
    checked = run_module("run_lease", {**common, "run_id": other}, check=True)
    assert checked["holder"] == mine
    wait_until(lambda: not run_module("run_lease", {**common, "run_id": other}).get("failed"), 40, "the lease's end")
    # Who has lost it cannot give it back.
    run_module("run_lease", {**common, "run_id": mine, "state": "absent"})
    assert lab.get("lease", "single", "-n", namespace.name)["spec"]["holderIdentity"] == other
    run_module("run_lease", {**common, "run_id": other, "state": "absent"})
    assert run_module("run_lease", {**common, "run_id": mine}, check=True)["holder"] == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": ["nope"]}, "There is no certificate 'nope' in the catalogue; known are shop"),
        ({"method": "vault"}, "belongs to the Certificate shop"),
        ({"kubeconfig": "/nowhere/config"}, "/nowhere/config cannot be read"),
        ({"issued_before": "yesterday"}, "RFC 3339"),
        ({"min_remaining": "30"}, "a time with its unit"),
        ({"namespace": "no-such-namespace"}, "There is no namespace no-such-namespace"),
        ({"backup_password": ""}, "there is no password to encrypt it"),
        ({"accept_ephemeral_storage": False}, "in a temporary folder"),
        ({"backup_dir": "backups"}, "relative path"),
    ],
)
def test_bad_input_gets_one_sentence_and_nothing_is_touched(
    change: dict[str, Any], said: str, lab: Lab, namespace: Namespace, tmp_path: Path
) -> None:
    run = Rotation(lab, namespace, tmp_path, "shop")
    assert said in sentence(run.plan(**change))
    assert said in sentence(run.call("cert_backup", **change))
    assert not (tmp_path / "backups").exists()
    assert kubernetes_writes(lab.state / "audit" / "kubernetes.log", run.run_id) == []


def test_an_unknown_run_and_a_wrong_password_are_said(lab: Lab, namespace: Namespace, web: str, tmp_path: Path) -> None:
    run = Rotation(lab, namespace, tmp_path, "web")
    assert "There is no run" in sentence(run.call("cert_restore", run_id=RUN.format(0xDDDD)))
    run.back_up()
    assert not run.rotate().get("failed")
    after = stored_fingerprint(lab, namespace.name, "web-tls")
    assert "The password does not open" in sentence(run.call("cert_restore", backup_password="wrong"))
    assert stored_fingerprint(lab, namespace.name, "web-tls") == after
    assert run.call("cert_restore")["changed"] and not run.call("cert_restore")["changed"]
    assert stored_fingerprint(lab, namespace.name, "web-tls") == web


def test_an_authority_and_an_immutable_secret_are_refused(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    pair = {"tls.crt": "ca.crt", "tls.key": "ca.key"}
    data = {key: base64.b64encode((lab.state / "pki" / name).read_bytes()).decode() for key, name in pair.items()}
    _make_tls(namespace, data)
    try:
        assert "holds an authority" in sentence(Rotation(lab, namespace, tmp_path, "web").plan())
        namespace.patch("secret", "web-tls", {"immutable": True})
        assert "is immutable" in sentence(Rotation(lab, namespace, tmp_path, "web").plan())
    finally:
        namespace.delete("secret", "web-tls")


def _make_tls(namespace: Namespace, data: dict[str, str]) -> None:
    about = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web-tls"}, "type": "kubernetes.io/tls"}
    namespace.lab.api.create({**about, "data": data}, namespace=namespace.name)


# -- faults ----------------------------------------------------------------------------------------------------------


def _point_to(namespace: Namespace, name: str, kind: str = "Issuer", group: str = "cert-manager.io") -> None:
    reference = {"spec": {"issuerRef": {"name": name, "kind": kind, "group": group}}}
    namespace.patch("certificate", "shop", reference, how="merge")


def _wait_settled(lab: Lab, namespace: Namespace) -> None:
    """Wait until cert-manager has nothing to do about the certificate."""

    def settled() -> bool:
        status = lab.get("certificate", "shop", "-n", namespace.name)["status"]
        conditions = {each["type"]: each["status"] for each in status["conditions"]}
        return conditions.get("Ready") == "True" and conditions.get("Issuing") != "True"

    namespace.delete("certificaterequests")
    wait_until(settled, 60, "the certificate")
    time.sleep(2)
    wait_until(settled, 60, "the certificate")


@contextlib.contextmanager
def _denying(lab: Lab, namespace: Namespace) -> Iterator[None]:
    """Deny each request for a certificate of an issuer that nobody knows, as a policy would."""
    condition = {"type": "Denied", "status": "True", "reason": "Policy", "message": "not in this test"}
    patch = {"status": {"conditions": [condition]}}
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.3):
            for request in lab.get("certificaterequests", "-n", namespace.name)["items"]:
                conditions = [each["type"] for each in request.get("status", {}).get("conditions", [])]
                if request["spec"]["issuerRef"]["name"] == "nobody" and "Denied" not in conditions:
                    name = request["metadata"]["name"]
                    namespace.patch("certificaterequest", name, patch, how="merge", subresource="status")

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _api_faults(lab: Lab, namespace: Namespace, folder: Path) -> Iterator[tuple[HttpFaults, str]]:
    """Put a proxy in front of the API server; yield it, and the kubeconfig that leads through it."""
    cluster = yaml.safe_load((lab.state / "kubeconfig").read_text())["clusters"][0]["cluster"]
    authority = folder / "upstream.pem"
    authority.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    account, made = "through-proxy", make_certificates(folder)
    namespace.login(folder, account)
    binding = f"{namespace.name}-{account}"
    namespace.bind_cluster_role(binding, "cluster-admin", account)
    try:
        with HttpFaults(cluster["server"], ca_cert=authority, certificates=made) as faults:
            token = lab.api.token(account, namespace=namespace.name)
            path = kubeconfig(lab, folder / "through-proxy.kubeconfig", token=token, server=faults.url)
            content = yaml.safe_load(path.read_text())
            data = base64.b64encode(made.ca_cert.read_bytes()).decode()
            content["clusters"][0]["cluster"]["certificate-authority-data"] = data
            path.write_text(yaml.safe_dump(content))
            yield faults, str(path)
    finally:
        namespace.delete("clusterrolebinding", binding)
