# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in the pods of a lab, and logins at its API server, for tests that share the lab.

```python
with Namespace(lab) as namespace:
    namespace.run_redis("cache-0", labels={"app": "cache"})
    with namespace.redis("cache-0") as server:
        server.client().set("key", "value")
```
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.place import NAMESPACE

from .api import ApiFailure
from .lab import Lab
from .processes import wait_until
from .route import Route
from .servers import ServerClients

IMAGE = "localhost/redis:7.0"
PORT = 6379


class PodServer(ServerClients):
    """A Redis in pods as its own tests see it; a context manager. Its address leads past the API server."""

    def __init__(self, lab: Lab, host: str, password: str | None = None, port: int = PORT) -> None:
        self.flavour = "redis-7.0"
        self.host = "127.0.0.1"
        self._route = Route(lab, host, port)
        self._password = password

    def __enter__(self) -> PodServer:
        self._route.__enter__()
        self.port = self._route.port
        return self

    def __exit__(self, *exc: object) -> None:
        self._route.__exit__(*exc)


class Namespace:
    """A namespace of one test; a context manager that removes it and its logins."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.name = f"test-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Namespace:
        self.lab.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})
        # Without it, a pod is refused.
        wait_until(lambda: not self.gone("serviceaccount", "default"), 60, "the default ServiceAccount of a namespace")
        return self

    def __exit__(self, *_exc: object) -> None:
        """Have it removed; its pods end at once, and nobody waits for the rest."""
        self.delete("pods", grace=1)
        self.lab.api.delete("namespace", self.name)

    def kubectl(self, *arguments: str, content: str = "") -> str:
        return self.lab.run("kubectl", *arguments, content=content)

    def apply(self, *objects: Mapping[str, Any]) -> None:
        for each in objects:
            self.lab.api.apply(each, namespace=self.name)

    def delete(self, kind: str, *names: str, grace: int | None = None) -> None:
        """Have objects of this namespace removed, without names all of a kind, and do not wait for that."""
        self.lab.api.delete(kind, *names, namespace=self.name, grace=grace)

    def gone(self, kind: str, name: str) -> bool:
        """Return whether there is no such object in this namespace."""
        try:
            self.lab.api.get(kind, name, namespace=self.name)
        except ApiFailure as failure:
            return failure.status == 404
        return False

    def patch(self, kind: str, name: str, content: Any, *, how: str = "strategic", subresource: str = "") -> None:
        """Patch an object of this namespace; `how` is merge, strategic or json."""
        self.lab.api.patch(kind, name, content, namespace=self.name, how=how, subresource=subresource)

    def label(self, **labels: str) -> None:
        """Set labels of the namespace itself, such as the level that Pod Security enforces."""
        self.lab.api.patch("namespace", self.name, {"metadata": {"labels": labels}}, how="merge")

    def secret(self, name: str, **values: str) -> None:
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values})

    def service(self, name: str, selector: Mapping[str, str], port: int, target: int | str) -> None:
        spec = {"selector": selector, "ports": [{"name": "redis", "port": port, "targetPort": target}]}
        self.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})

    def order_certificate(self, name: str, *dns_names: str) -> None:
        """Have cert-manager put a certificate of the lab's authority into the Secret `<name>-tls`."""
        issuer = {"kind": "ClusterIssuer", "name": "lab-ca"}
        spec = {"secretName": f"{name}-tls", "dnsNames": dns_names, "issuerRef": issuer}
        about = {"name": name}
        self.apply({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": about, "spec": spec})

    def start_redis(
        self,
        name: str,
        *arguments: str,
        labels: Mapping[str, str],
        port: int = PORT,
        secret: str = "",
        script: str = "",
    ) -> None:
        """Make a pod that runs Redis with more arguments, or a script; a Secret is seen as files below /secret."""
        container: dict[str, Any] = {
            "name": "redis",
            "image": IMAGE,
            "args": ["--save", "", "--protected-mode", "no", "--enable-debug-command", "yes", *arguments],
            "ports": [{"name": "redis", "containerPort": port}],
            "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
        }
        spec: dict[str, Any] = {"terminationGracePeriodSeconds": 1, "containers": [container]}
        if script:
            container.update(command=["sh", "-c", script], args=[])
        if secret:
            container["volumeMounts"] = [{"name": "secret", "mountPath": "/secret"}]
            spec["volumes"] = [{"name": "secret", "secret": {"secretName": secret, "defaultMode": 0o444}}]
        about = {"name": name, "labels": dict(labels)}
        self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})

    def wait_for(self, *pods: str) -> None:
        for pod in pods:
            self.wait_ready("pod", pod)

    def wait_ready(self, kind: str, name: str, timeout: float = 90) -> None:
        """Wait for the condition Ready of an object."""

        def ready() -> bool:
            conditions = self.lab.get(kind, name, "-n", self.name).get("status", {}).get("conditions", [])
            return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

        wait_until(ready, timeout, f"{kind} {name} to be ready", 0.1)

    def address(self, pod: str) -> str:
        return str(self.lab.get("pod", pod, "-n", self.name)["status"]["podIP"])

    def redis(self, pod: str, password: str | None = None, port: int = PORT) -> PodServer:
        return PodServer(self.lab, self.address(pod), password, port)

    def bind_cluster_role(self, name: str, role: str, account: str) -> None:
        """Give a ServiceAccount of this namespace a ClusterRole, in the whole cluster."""
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": account, "namespace": self.name}
        self.lab.api.apply(
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "subjects": [subject],
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            }
        )

    def login(self, folder: Path, account: str, *roles: Mapping[str, Any]) -> Path:
        """Return the kubeconfig of a ServiceAccount that has just these Roles."""
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
        for role in roles:
            name = f"{account}-{role['metadata']['name']}"
            subject = {"kind": "ServiceAccount", "name": account, "namespace": self.name}
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
            self.apply(
                {**role, "metadata": {"name": name}},
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "RoleBinding",
                    "metadata": {"name": name},
                    "subjects": [subject],
                    "roleRef": reference,
                },
            )
        token = self.lab.api.token(account, namespace=self.name)
        return kubeconfig(self.lab, folder / f"{account}.kubeconfig", token=token)


def kubeconfig(lab: Lab, path: Path, *, token: str = "", server: str = "") -> Path:
    """Write the lab's kubeconfig with another login or another address of the API server, and return its path."""
    content = yaml.safe_load((lab.state / "kubeconfig").read_text())
    if token:
        content["users"][0]["user"] = {"token": token}
    if server:
        content["clusters"][0]["cluster"]["server"] = server
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)
    return path


def api_port(lab: Lab) -> int:
    return int(json.loads((lab.state / "ports.json").read_text())["api"])


def password_of(lab: Lab, namespace: str, secret: str) -> str:
    data = lab.get("secret", secret, "-n", namespace)["data"]["password"]
    return base64.b64decode(data).decode()


def platform_redis(lab: Lab) -> PodServer:
    """Return the Redis of the platform, behind its Service."""
    host = lab.get("service", "redis", "-n", NAMESPACE)["spec"]["clusterIP"]
    return PodServer(lab, host, password_of(lab, NAMESPACE, "redis"))


def wait_for_primary(server: PodServer, replicas: int = 0) -> None:
    """Wait until a Redis answers through its route, with its replicas."""

    def up() -> bool:
        try:
            with server.admin(socket_timeout=2) as admin:
                found = admin.info("replication")
        except Exception:
            return False
        return found["role"] == "master" and found["connected_slaves"] >= replicas

    wait_until(up, 60, "the Redis of the pods", 0.2)
