# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab from outside: what is in it, that it mends itself, and that nothing of it is left."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from lab import __main__ as command
from lab.place import LabError
from support.processes import wait_until

pytestmark = pytest.mark.lab
TESTS = Path(__file__).resolve().parents[1]
NAMESPACE = "market-intel-brain"


class Lab:
    """A lab whose files are in a folder of the test's own, beside any other lab of this checkout."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._environment = {**os.environ, "LAB_STATE": str(state), "PYTHONPATH": str(TESTS)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lab", *arguments],
            env=self._environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, content: str = "") -> str:
        with self.start(*arguments) as process:
            output, errors = process.communicate(content)
        if process.returncode:
            raise RuntimeError(f"lab {' '.join(arguments)} ended with {process.returncode}: {errors}")
        return output

    def get(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self.run("kubectl", "get", *arguments, "-o", "json")))

    def variables(self) -> dict[str, str]:
        lines = self.run("env").splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines)

    def pid(self, part: str) -> int:
        """Return the number of a part's process, as it is known here."""
        found = [pid for pid, text in self.processes() if f"/lab {part} " in text or text.startswith(f"{part} ")]
        assert len(found) == 1, found
        return found[0]

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield number and command of each process in the lab's namespace of processes."""
        inner = _namespace(_children(int((self.state / "supervisor.pid").read_text()))[0])
        for pid in _pids():
            if _namespace(pid) == inner:
                yield pid, _command(pid)

    def leftovers(self) -> list[str]:
        """Return what there is of this lab on the machine."""
        name = os.fsencode(self.state)
        groups = [path for root in command._control_group_roots() for path in root.glob(f"{self._group()}*")]
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.state) in line]
        alive = [f"{pid} {_command(pid)}" for pid in _pids() if name in _raw_command(pid)]
        return [*map(str, groups), *mounts, *alive, *([str(self.state)] if self.state.exists() else [])]

    def _group(self) -> str:
        code = "from lab.place import CGROUP; print(CGROUP)"
        return subprocess.check_output([sys.executable, "-c", code], env=self._environment, text=True).strip()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    try:
        command._check_machine()
    except LabError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    lab = Lab(tmp_path_factory.mktemp("lab") / "state")
    lab.run("up")
    yield lab
    lab.run("down")


def test_all_of_the_platform_runs(lab: Lab) -> None:
    pods = lab.get("pods", "-n", NAMESPACE)["items"]
    assert {pod["metadata"]["labels"]["app"] for pod in pods} == {"api-gateway", "core-engine", "redis"}
    assert all(status["ready"] for pod in pods for status in pod["status"]["containerStatuses"])
    (node,) = lab.get("nodes")["items"]
    assert node["status"]["nodeInfo"]["kubeletVersion"].startswith("v1.34.")


def test_a_service_is_reached_by_its_name_and_uses_the_others(lab: Lab) -> None:
    lab.run("kubectl", "create", "namespace", "visitor")
    try:
        sleep = ["--restart=Never", "--image=localhost/debug:1", "--command", "--", "sleep", "300"]
        lab.run("kubectl", "run", "visitor", "-n", "visitor", *sleep)
        lab.run("kubectl", "wait", "-n", "visitor", "--for=condition=Ready", "pod/visitor", "--timeout=60s")
        url = f"https://api-gateway.{NAMESPACE}:8443/quote?symbol=LAB"
        asked = ["kubectl", "exec", "-n", "visitor", "visitor", "--", "curl", "-sSk", url]
        assert json.loads(lab.run(*asked))["source"] == "upstream"
        assert json.loads(lab.run(*asked))["source"] == "cache"
    finally:
        lab.run("kubectl", "delete", "pod", "visitor", "-n", "visitor", "--now")
        lab.run("kubectl", "delete", "namespace", "visitor")


def certificate(lab: Lab, secret: str) -> x509.Certificate:
    data = lab.get("secret", secret, "-n", NAMESPACE)["data"]
    return x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))


def test_certificates_come_from_cert_manager_and_from_vault(lab: Lab) -> None:
    issued = {name: certificate(lab, f"{name}-tls").issuer.rfc4514_string() for name in ("api-gateway", "core-engine")}
    assert issued == {"api-gateway": "CN=lab services", "core-engine": "CN=lab issuing"}
    issuers = lab.get("clusterissuers")["items"]
    assert {issuer["metadata"]["name"] for issuer in issuers} == {"lab-ca", "self-signed", "vault"}
    assert all(issuer["status"]["conditions"][0]["status"] == "True" for issuer in issuers)


def ask_vault(lab: Lab, path: str, token: str = "", **data: Any) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{lab.variables()['VAULT_ADDR']}/v1/{path}",
        data=json.dumps(data).encode(),
        headers={"X-Vault-Token": token, "User-Agent": "runbooks/a-run"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, json.loads(reply.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_login_for_runbooks_may_sign_and_no_more(lab: Lab) -> None:
    found = lab.variables()
    login = {"role_id": found["VAULT_ROLE_ID"], "secret_id": found["VAULT_SECRET_ID"]}
    _code, logged_in = ask_vault(lab, "auth/approle/login", **login)
    token = logged_in["auth"]["client_token"]
    # Who may sign is told that this is no request for a certificate; who may not, that it is forbidden.
    assert ask_vault(lab, "pki_int/sign/market-intel", token, csr="none", common_name="a")[0] == 400
    assert ask_vault(lab, "pki_int/issue/market-intel", token, common_name="a")[0] == 403
    assert ask_vault(lab, "kv/data/others", token, data={"a": "b"})[0] == 403
    audit = (lab.state / "audit" / "vault.log").read_text()
    assert '"path":"pki_int/issue/market-intel"' in audit
    assert token not in audit


def test_what_was_asked_of_the_api_server_is_on_record(lab: Lab) -> None:
    lab.run("kubectl", "--as=somebody", "auth", "whoami")
    lines = (lab.state / "audit" / "kubernetes.log").read_text().splitlines()
    events = [json.loads(line) for line in lines[-200:]]
    assert any(event.get("impersonatedUser", {}).get("username") == "somebody" for event in events)


def test_prometheus_sees_the_services(lab: Lab) -> None:
    url = lab.variables()["PROMETHEUS_URL"] + "/api/v1/query?query=sum(up)by(job)"

    def all_are_up() -> bool:
        with urllib.request.urlopen(url) as reply:
            found = json.loads(reply.read())["data"]["result"]
        return {each["metric"]["job"]: each["value"][1] for each in found} == {"api-gateway": "2", "core-engine": "2"}

    wait_until(all_are_up, 30, "all pods to be scraped", 0.5)
    with urllib.request.urlopen(lab.variables()["ALERTMANAGER_URL"] + "/api/v2/status") as reply:
        assert reply.status == 200


@pytest.mark.parametrize("part", ["cert-manager", "kube-apiserver", "kube-scheduler", "containerd"])
def test_a_part_that_is_killed_comes_back(lab: Lab, part: str) -> None:
    before = lab.pid(part)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: f"{part} " in lab.run("status") and _is_ready(lab, part, 1), 60, f"{part}", 0.2)
    assert lab.pid(part) != before


def _is_ready(lab: Lab, part: str, restarts: int) -> bool:
    about = json.loads((lab.state / "status.json").read_text())[part]
    return bool(about["state"] == "ready" and about["restarts"] == restarts)


def test_a_vault_that_has_forgotten_everything_is_filled_again(lab: Lab) -> None:
    before = lab.variables()["VAULT_ROLE_ID"]
    os.kill(lab.pid("vault"), signal.SIGKILL)
    wait_until(lambda: lab.variables()["VAULT_ROLE_ID"] != before, 60, "new roles", 0.2)
    lab.run("up")
    found = lab.variables()
    login = {"role_id": found["VAULT_ROLE_ID"], "secret_id": found["VAULT_SECRET_ID"]}
    assert ask_vault(lab, "auth/approle/login", **login)[0] == 200
    lab.run("kubectl", "apply", "-n", NAMESPACE, "-f", "-", content=_BY_VAULT)
    lab.run("kubectl", "wait", "-n", NAMESPACE, "--for=condition=Ready", "certificate/by-vault", "--timeout=60s")
    lab.run("kubectl", "delete", "-n", NAMESPACE, "certificate/by-vault", "secret/by-vault")


_BY_VAULT = """
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: by-vault}
spec: {secretName: by-vault, commonName: by-vault, dnsNames: [by-vault], issuerRef: {kind: ClusterIssuer, name: vault}}
"""


def test_another_up_finds_the_lab(lab: Lab) -> None:
    supervisor = (lab.state / "supervisor.pid").read_text()
    lab.run("up")
    assert (lab.state / "supervisor.pid").read_text() == supervisor


def test_a_second_lab_is_another_one_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    other = Lab(tmp_path / "other")
    try:
        other.run("up")
        assert other.variables()["VAULT_ADDR"] != lab.variables()["VAULT_ADDR"]
        other.run("kubectl", "create", "namespace", "only-there")
        assert "only-there" not in lab.run("kubectl", "get", "namespaces")
        # One that is interrupted at any moment can be ended, and another one can begin in its place.
        chooser = random.Random(1)
        for _attempt in range(3):
            other.run("down")
            assert other.leftovers() == []
            with other.start("up") as process:
                time.sleep(chooser.uniform(0, 10))
                process.send_signal(chooser.choice([signal.SIGINT, signal.SIGKILL]))
    finally:
        other.run("down")
    assert other.leftovers() == []
    assert lab.get("pods", "-n", NAMESPACE)["items"]


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"needs root.*; run it as root"):
        command._check_machine()


def test_down_without_a_lab_is_fine(tmp_path: Path) -> None:
    nothing = Lab(tmp_path / "none")
    nothing.run("down")
    assert nothing.run("status") == "the lab is down\n"
    with pytest.raises(RuntimeError, match="The lab is not up; run make lab-up first"):
        nothing.run("env")


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _raw_command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _command(pid: int) -> str:
    return _raw_command(pid).replace(b"\0", b" ").decode(errors="replace")


def _children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""
