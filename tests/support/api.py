# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server as tests talk to it: one connection instead of a process of kubectl for each request.

```python
api = Api(lab.state / "kubeconfig")
api.apply({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "settings"}}, namespace="shop")
api.get("pods", namespace="shop", selector="app=web")["items"]
```
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_PATCHES = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_TIMEOUT = 30.0


class ApiFailure(RuntimeError):
    """An answer that is no success; `status` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass(frozen=True)
class _Resource:
    base: str
    plural: str
    namespaced: bool


class Api:
    """The API server of a kubeconfig with a client certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
            pair.write(_decoded(user["client-certificate-data"]) + "\n" + _decoded(user["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
        # A kept connection may have been closed by a restart; reading again does no harm.
        retries = urllib3.Retry(total=3, backoff_factor=0.2, allowed_methods=["GET"], raise_on_status=False)
        self._pool = urllib3.PoolManager(ssl_context=context, retries=retries, timeout=_TIMEOUT, maxsize=8)
        self._server = cluster["server"]
        self._resources: dict[str, _Resource] = {}

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json", accept: str = ""
    ) -> dict[str, Any]:
        """Send a request and return the object that answers it; raise `ApiFailure`."""
        reply = self._pool.request(
            method,
            f"{self._server}{path}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content_type, "Accept": accept or "application/json", "User-Agent": "tests"},
        )
        content = json.loads(reply.data or b"{}")
        if reply.status >= 300:
            raise ApiFailure(reply.status, content.get("message", reply.reason))
        return dict(content)

    def path(self, kind: str, namespace: str = "", name: str = "") -> str:
        """Return the path of a resource, which may be named as kubectl names it: `pod`, `pods`, `deployment`."""
        if kind.lower() not in self._resources:
            self._discover()
        if kind.lower() not in self._resources:
            raise ApiFailure(404, f"there is no resource {kind!r}")
        found = self._resources[kind.lower()]
        place = f"/namespaces/{namespace}" if found.namespaced and namespace else ""
        return f"{found.base}{place}/{found.plural}" + (f"/{name}" if name else "")

    def _discover(self) -> None:
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, accept=_DISCOVERY)["items"]:
                group_name = group["metadata"].get("name", "")
                # The first version is the preferred one, and the first group that has a name keeps it.
                for each in group["versions"][0]["resources"]:
                    base = "/".join(filter(None, (root, group_name, group["versions"][0]["version"])))
                    found = _Resource(base, each["resource"], each["scope"] == "Namespaced")
                    kind = each["responseKind"]["kind"]
                    for name in (each["resource"], each["singularResource"], kind, *each.get("shortNames", [])):
                        self._resources.setdefault(name.lower(), found)

    def get(self, kind: str, name: str = "", *, namespace: str = "", selector: str = "") -> dict[str, Any]:
        """Return an object, or a list of them."""
        query = f"?labelSelector={selector}" if selector else ""
        return self.request("GET", self.path(kind, namespace, name) + query)

    def apply(self, content: Mapping[str, Any], *, namespace: str = "") -> dict[str, Any]:
        """Apply an object on the server's side, whoever has changed it before; a List is applied one by one."""
        if content["kind"] == "List":
            for each in content["items"]:
                self.apply(each, namespace=namespace)
            return {}
        path = self.path(content["kind"], namespace, content["metadata"]["name"])
        return self.request(
            "PATCH", f"{path}?fieldManager=tests&force=true", dict(content), content_type=_PATCHES["apply"]
        )

    def create(self, content: Mapping[str, Any], *, namespace: str = "") -> dict[str, Any]:
        return self.request("POST", self.path(content["kind"], namespace), dict(content))

    def patch(
        self, kind: str, name: str, content: Any, *, namespace: str = "", how: str = "strategic", subresource: str = ""
    ) -> dict[str, Any]:
        """Patch an object: `how` is merge, strategic or json."""
        path = "/".join(filter(None, (self.path(kind, namespace, name), subresource)))
        return self.request("PATCH", path, content, content_type=_PATCHES[how])

    def delete(self, kind: str, *names: str, namespace: str = "", grace: int | None = None) -> None:
        """Have objects removed, and do not wait for that; what is not there is fine. Without names, all of them."""
        options = {"propagationPolicy": "Background", **({} if grace is None else {"gracePeriodSeconds": grace})}
        for name in names or ("",):
            try:
                self.request("DELETE", self.path(kind, namespace, name), options)
            except ApiFailure as failure:
                if failure.status != 404:
                    raise

    def token(self, account: str, *, namespace: str) -> str:
        """Return a token of a ServiceAccount."""
        path = self.path("serviceaccount", namespace, account)
        return str(self.request("POST", f"{path}/token", {"spec": {}})["status"]["token"])


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
