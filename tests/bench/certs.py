# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of certificates with 5,000 TLS Secrets in a lab: 200 distinct certificates in 20 namespaces.

```python
with Filled(kubeconfig) as filled:
    run_module("cert_info", {"kubeconfig": kubeconfig, "namespaces": filled.namespaces})
```

By hand: `python tests/bench/certs.py fill KUBECONFIG`, and `empty`.
"""

from __future__ import annotations

import base64
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from runs import empty_play, play, ratio, succeeds, timed  # noqa: E402

from support.ansible import run_module, run_playbook, start_module  # noqa: E402
from support.lab import Lab  # noqa: E402
from support.pods import Namespace  # noqa: E402
from support.processes import wait_until  # noqa: E402

ROUNDS = 3
ROTATED = 50
SECRETS, DISTINCT, NAMESPACES = 5_000, 200, 20


class Filled:
    """Namespaces full of TLS Secrets; a context manager that removes them."""

    def __init__(self, kubeconfig: str, secrets: int = SECRETS) -> None:
        # The collection is found by its full name only from here on.
        _AnsibleCollectionFinder(paths=[str(ROOT / ".ansible" / "collections")])._install()
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


def measure(note: Callable[..., None], lab: Lab, folder: Path) -> None:
    """Compare the check of 5,000 Secrets with what people use today; `note` takes name, value, unit and goal."""
    config = str(lab.state / "kubeconfig")
    reports = str(folder / "certs")
    options = {"kubeconfig": config, "cluster": "bench", "directory": reports, "outputs": OUTPUTS}
    variables = {"rotate_certs_kubeconfig": config, "rotate_certs_reports_dir": reports}
    with Filled(config) as filled:
        modules, peaks, playbooks, empty, lists = [], [], [], [], []
        for _round in range(ROUNDS):
            started = time.monotonic()
            with start_module("cert_info", options) as module:
                outcome = module.wait()
            modules.append(time.monotonic() - started)
            peaks.append(outcome.peak_rss or 0)
            assert outcome.result["counts"]["total"] >= SECRETS, outcome
            lists.append(timed(lambda: lab.run("kubectl", "get", "secrets", "-A", *_TLS, "-o", "json")))
            playbooks.append(timed(lambda: succeeds(run_playbook("check_certs", variables))))
            empty.append(timed(lambda: empty_play(folder)))
        requests = _lists(lab, outcome.result["run_id"])
        module, playbook = statistics.median(modules), statistics.median(playbooks)
        note(f"cert_info on {SECRETS:,} TLS Secrets, all files, the whole module", module, "s", "below 2")
        note("peak memory of it", max(peaks) / 1e6, "MB", "below 120")
        note("lists of Secrets that it asked for", requests, "pages", "one a page of 500")
        note("check_certs, the whole playbook", playbook, "s", "below 4")
        note("a playbook with one debug task", statistics.median(empty), "s", "0.6 where goals were set")
        note(
            "kubectl get secrets -A -o json, nothing parsed", statistics.median(lists), "s", "2.4 where goals were set"
        )
        note("cert_info / kubectl get", ratio(modules, lists), "x", "below 0.8")
        note("check_certs / kubectl get", ratio(playbooks, lists), "x", "below 1.6")
        shell = timed(lambda: subprocess.run(_SHELL, shell=True, env=_with(lab), check=True)) * NAMESPACES
        note(f"openssl in a shell loop, {SECRETS // NAMESPACES} Secrets times {NAMESPACES}", shell, "s")
        note("shell loop / check_certs", shell / playbook, "x")
        loop = timed(lambda: succeeds(play(folder, _LOOP.format(config=config, namespace=filled.namespaces[0]))))
        loop = (loop - statistics.median(empty)) / _SAMPLE * SECRETS
        note(f"k8s_info and x509_certificate_info in a loop, {_SAMPLE} Secrets extrapolated", loop, "s")
        note("that loop / check_certs", loop / playbook, "x")
        names = ", ".join(filled.namespaces)
        through = timed(lambda: succeeds(play(folder, _FILTER.format(config=config, namespaces=names))))
        note("k8s_info and the filter x509_certificate_info, dates only", through, "s", "6.0 where goals were set")
        note("that filter / check_certs", through / playbook, "x", "above 1")


def measure_rotation(note: Callable[..., None], lab: Lab, folder: Path) -> None:
    """Compare a rotation of 50 certificates with cert-manager's own time, and time the plan for one."""
    names = [f"web-{number:02d}" for number in range(ROTATED)]
    with Namespace(lab) as namespace:
        for name in names:
            namespace.order_certificate(name, f"{name}.example.com")
        _settle(lab, namespace.name, dict.fromkeys(names, 0))
        catalogue = [{"name": name, "secret_name": f"{name}-tls"} for name in names]
        options = {
            "kubeconfig": str(lab.state / "kubeconfig"),
            "namespace": namespace.name,
            "certificates": catalogue,
            "backup_password": "bench",
            "accept_ephemeral_storage": True,
        }
        own, ours = [], []
        for number in range(ROUNDS):
            before = _revisions(lab, namespace.name)
            own.append(timed(partial(_trigger, lab, namespace.name, before)))
            _settle(lab, namespace.name, before)
            # Each round leaves its run unfinished, with its Lease.
            run = {**options, "run_id": f"20261123t101500z-bench-{number:04x}", "lease": f"bench-{number}"}
            run.update(issued_before="2099-01-01T00:00:00Z", backup_dir=str(folder / f"backups-{number}"))
            backup = run_module("cert_backup", run)
            assert not backup.get("failed"), backup["msg"]
            before = _revisions(lab, namespace.name)
            started = time.monotonic()
            result = run_module("cert_rotate", run)
            ours.append(time.monotonic() - started)
            assert len(result.get("rotated", ())) == ROTATED, result.get("msg")
            _settle(lab, namespace.name, before)
        variables = {
            "rotate_certs_kubeconfig": options["kubeconfig"],
            "rotate_certs_namespace": namespace.name,
            "rotate_certs_certificates": catalogue[:1],
            "rotate_certs_backup_dir": str(folder / "backups"),
            "rotate_certs_backup_password": "bench",
            "rotate_certs_accept_ephemeral_storage": True,
            "rotate_certs_reports_dir": str(folder / "reports"),
            "rotate_certs_force": True,
        }
        plan = statistics.median(
            timed(lambda: succeeds(run_playbook("rotate_certs", variables, check=True))) for _round in range(ROUNDS)
        )
    note(f"cert-manager alone, {ROTATED} certificates triggered at once", statistics.median(own), "s")
    note(f"cert_rotate, {ROTATED} certificates, the whole module", statistics.median(ours), "s")
    ratio = statistics.median(one / other for one, other in zip(ours, own, strict=True))
    note("cert_rotate / cert-manager alone", ratio, "x", "at most 1.5")
    note("the playbook's plan for one certificate", plan, "s", "below 5")


def _revisions(lab: Lab, namespace: str) -> dict[str, int]:
    found = lab.get("certificates", "-n", namespace)["items"]
    return {each["metadata"]["name"]: each["status"].get("revision", 0) for each in found if "status" in each}


def _trigger(lab: Lab, namespace: str, before: dict[str, int]) -> None:
    """Have all renewed by hand, and wait until cert-manager has written the last one down."""
    _AnsibleCollectionFinder(paths=[str(ROOT / ".ansible" / "collections")])._install()
    from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import (
        ApiError,
        ApiLogin,
        ApiSettings,
    )

    login = ApiLogin(ApiSettings(kubeconfig=str(lab.state / "kubeconfig")), "bench")
    base = f"/apis/cert-manager.io/v1/namespaces/{namespace}/certificates"
    condition = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "by a bench"}
    condition["lastTransitionTime"] = "2026-11-23T10:15:00Z"
    for name in before:
        while True:
            found = login.get("get", f"{base}/{name}")
            found["status"]["conditions"].append(condition)
            try:
                login.request("trigger", "PUT", f"{base}/{name}/status", body=found)
                break
            except ApiError as exc:
                if exc.status != 409:
                    raise

    def done() -> bool:
        found = {each["metadata"]["name"]: each["status"] for each in login.items("list", base)}
        return all(found[name].get("revision", 0) > revision for name, revision in before.items())

    wait_until(done, 300, "all renewals", 0.2)


def _settle(lab: Lab, namespace: str, before: dict[str, int]) -> None:
    """Wait until all have a revision above those, and nothing is being issued; then for its last writes."""

    def settled() -> bool:
        found = lab.get("certificates", "-n", namespace)["items"]
        return len(found) == len(before) and all(_is_settled(each, before) for each in found)

    wait_until(settled, 300, "cert-manager", 1.0)
    time.sleep(2)


def _is_settled(found: dict[str, Any], before: dict[str, int]) -> bool:
    status = found.get("status", {})
    conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
    risen = status.get("revision", 0) > before[found["metadata"]["name"]]
    return risen and conditions.get("Ready") == "True" and conditions.get("Issuing") != "True"


OUTPUTS = ["csv", "junit", "prometheus", "nagios"]
_SAMPLE = 20
_TLS = ("--field-selector", "type=kubernetes.io/tls")
_SHELL = """kubectl get secrets -n bench-certs-00 -o go-template='{{range .items}}{{index .data "tls.crt"}} {{end}}' |
tr ' ' '\\n' | while read -r text; do echo "$text" | base64 -d | openssl x509 -noout -enddate; done > /dev/null"""
_LOOP = """- kubernetes.core.k8s_info:
    kubeconfig: {config}
    kind: Secret
    namespace: {namespace}
    field_selectors: [type=kubernetes.io/tls]
  register: found
- community.crypto.x509_certificate_info:
    content: "{{{{ item.data['tls.crt'] | b64decode }}}}"
  loop: "{{{{ found.resources[:20] }}}}"
  loop_control: {{label: "{{{{ item.metadata.name }}}}"}}
  no_log: true"""
_FILTER = """- kubernetes.core.k8s_info:
    kubeconfig: {config}
    kind: Secret
    field_selectors: [type=kubernetes.io/tls]
  register: found
  no_log: true
- ansible.builtin.set_fact:
    ends: >-
      {{% set ends = [] %}}{{% for item in found.resources %}}
      {{{{ ends.append((item.data['tls.crt'] | b64decode | community.crypto.x509_certificate_info).not_after) }}}}
      {{% endfor %}}{{{{ ends | sort | first }}}}
  no_log: true"""


def _with(lab: Lab) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(lab.state / "kubeconfig")}


def _lists(lab: Lab, run_id: str) -> int:
    lines = (lab.state / "audit" / "kubernetes.log").read_text().splitlines()
    return sum(1 for line in lines if run_id in line and "/secrets?" in line and "ResponseComplete" in line)


if __name__ == "__main__":
    todo = Filled(sys.argv[2])
    if sys.argv[1] == "fill":
        todo.__enter__()
    else:
        todo.remove()
