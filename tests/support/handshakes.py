# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of TLS in the pods of a lab, and a client of theirs that connects all the time.

```python
namespace.apply(tls_deployment("web", "web-tls", reload="start"), tls_service("web"))
with Handshakes(namespace, service_address(lab, namespace.name, "web")) as handshakes:
    ...
assert handshakes.failures == []
assert handshakes.latest() == new_fingerprint
```
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from .lab import Lab
from .pods import Namespace
from .processes import wait_until
from .route import Route

SERVICE_IMAGE = "localhost/service:1"
_CLIENT_IMAGE = "localhost/busybox:1"
PORT = 8443
_METRICS_PORT = 9090


class Handshakes:
    """A client in a pod of its own, which no restart of others touches; a context manager.

    Each connection is a new one. With `ca_cert` (PEM), the server's certificate is verified, and its name if
    `server_name` is given. `seen` are pairs of time and fingerprint, `failures` say what went wrong and when.
    """

    def __init__(
        self, namespace: Namespace, host: str, port: int = PORT, *, server_name: str = "", ca_cert: str = ""
    ) -> None:
        self._namespace = namespace
        self._pod = f"client-{uuid.uuid4().hex[:8]}"
        self._place = (host, port)
        self._server_name = server_name
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = bool(ca_cert and server_name)
        self._context.verify_mode = ssl.CERT_REQUIRED if ca_cert else ssl.CERT_NONE
        if ca_cert:
            self._context.load_verify_locations(cadata=ca_cert)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name=self._pod, daemon=True)
        self._stack = contextlib.ExitStack()
        self._port = 0
        self.seen: list[tuple[float, str]] = []
        self.failures: list[str] = []

    def __enter__(self) -> Handshakes:
        lab = self._namespace.lab
        # The name is in the command, so that its process is found.
        script = f"sleep 86400; : {self._pod}"
        container = {"name": "client", "image": _CLIENT_IMAGE, "command": ["sh", "-c", script]}
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
        about = {"name": self._pod}
        self._namespace.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
        with contextlib.ExitStack() as stack:
            stack.callback(self._remove)
            self._namespace.wait_for(self._pod)
            self._port = stack.enter_context(Route(lab, *self._place, inside=self._pod)).port
            self._thread.start()
            stack.callback(self._stop)
            wait_until(lambda: bool(self.seen or self.failures), 30, "a first handshake")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def fingerprints(self) -> list[str]:
        """Return the different certificates that were seen, in the order of their first appearance."""
        return list(dict.fromkeys(fingerprint for _time, fingerprint in list(self.seen)))

    def latest(self, number: int = 20) -> set[str]:
        """Return what the next so many connections show."""
        begin = len(self.seen)
        wait_until(lambda: len(self.seen) >= begin + number, 60, f"{number} handshakes")
        return {fingerprint for _time, fingerprint in self.seen[begin:]}

    def _work(self) -> None:
        while not self._over.wait(0.02):
            try:
                self.seen.append((time.time(), self._connect()))
            except OSError as error:
                self.failures.append(f"{time.time():.3f} {type(error).__name__}: {error}")

    def _connect(self) -> str:
        with (
            socket.create_connection(("127.0.0.1", self._port), 10) as connection,
            self._context.wrap_socket(connection, server_hostname=self._server_name or None) as secured,
        ):
            return hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()

    def _stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _remove(self) -> None:
        self._namespace.delete("pod", self._pod, grace=0)


def service_address(lab: Lab, namespace: str, name: str) -> str:
    return str(lab.get("service", name, "-n", namespace)["spec"]["clusterIP"])


def tls_deployment(
    name: str,
    secret: str,
    *,
    reload: str = "start",
    replicas: int = 2,
    annotations: Mapping[str, str] | None = None,
    kind: str = "Deployment",
) -> dict[str, Any]:
    """Return a workload that serves a Secret on port 8443; `reload` is hot (it reads it again) or start."""
    container = {
        "name": "service",
        "image": SERVICE_IMAGE,
        "args": [f"-name={name}", f"-reload={reload}"],
        "ports": [{"name": "https", "containerPort": PORT}, {"name": "metrics", "containerPort": _METRICS_PORT}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 20,
        "containers": [container],
        "volumes": [{"name": "tls", "secret": {"secretName": secret, "defaultMode": 0o444}}],
    }
    return workload(name, pod, replicas=replicas, annotations=annotations, kind=kind)


def workload(
    name: str,
    pod: Mapping[str, Any],
    *,
    replicas: int = 1,
    annotations: Mapping[str, str] | None = None,
    kind: str = "Deployment",
) -> dict[str, Any]:
    """Return a workload with pods of this spec, which have the label app."""
    labels = {"app": name}
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if kind == "StatefulSet":
        spec["serviceName"] = name
    about = {"name": name, "annotations": dict(annotations or {})}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": about, "spec": spec}


def tls_service(name: str, port: int = PORT) -> dict[str, Any]:
    """Return a Service in front of the workload of the same name."""
    spec = {"selector": {"app": name}, "ports": [{"name": "https", "port": port, "targetPort": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def stored_pem(lab: Lab, namespace: str, secret: str, key: str = "tls.crt") -> str:
    data = lab.get("secret", secret, "-n", namespace)["data"][key]
    return base64.b64decode(data).decode()


def stored_fingerprint(lab: Lab, namespace: str, secret: str) -> str:
    """Return the SHA-256 of the leaf that a Secret holds."""
    leaf = stored_pem(lab, namespace, secret).partition("-----END CERTIFICATE-----")
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf[0] + leaf[1])).hexdigest()


def issue(namespace: Namespace, name: str, *dns_names: str) -> str:
    """Have a certificate issued into the Secret `<name>-tls`, and return its fingerprint."""
    namespace.order_certificate(name, *(dns_names or (f"{name}.{namespace.name}.svc",)))
    namespace.wait_ready("certificate", name)
    return stored_fingerprint(namespace.lab, namespace.name, f"{name}-tls")


def issue_again(namespace: Namespace, name: str) -> str:
    """Have another certificate issued into the Secret, as a renewal does, and return its fingerprint."""
    secret = f"{name}-tls"
    before = stored_fingerprint(namespace.lab, namespace.name, secret)
    condition = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "by a test"}
    patch = [{"op": "add", "path": "/status/conditions/-", "value": condition}]
    namespace.patch("certificate", name, patch, how="json", subresource="status")
    found = before

    def is_new() -> bool:
        nonlocal found
        found = stored_fingerprint(namespace.lab, namespace.name, secret)
        return found != before

    wait_until(is_new, 60, f"another certificate in {secret}", 0.2)
    return found


def wait_rolled_out(namespace: Namespace, *names: str, timeout: int = 120) -> None:
    for name in names:
        namespace.kubectl("rollout", "status", name, "-n", namespace.name, f"--timeout={timeout}s")
