# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A check of certificates against an API server that is a dict of objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.cluster import read_cluster
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.judge import judge
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Entry, Inventory, Request
from support.issued import issue

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
RUN = "20261123t120000z-check-certs-7f3a"
CA = issue("authority", ca=True, days=3650, now=NOW)


class FakeLogin:
    """An API server: lists by path, where None is refused; paths that are not there are empty."""

    name = server = "https://api.example.com"
    skew = 0.0

    def __init__(self, lists: dict[str, list[dict[str, Any]] | int] | None = None) -> None:
        self.lists = lists or {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def pages(self, what: str, path: str, **query: str) -> Iterator[list[dict[str, Any]]]:
        self.asked.append((path, query))
        found = self.lists.get(path, [])
        if isinstance(found, int):
            raise ApiError(f"The API server {self.name} does not let this login {what} (no. Really).", found)
        yield found

    def get(self, _what: str, path: str, **_query: str) -> dict[str, Any]:
        if self.lists.get(path) == 404:
            raise ApiError("not found", 404)
        return {}


def look(request: Request | None = None, **lists: Any) -> Inventory:
    """Judge Secrets, Certificates, ... of the whole cluster."""
    paths = {
        "secrets": "/api/v1/secrets",
        "configmaps": "/api/v1/configmaps",
        "pods": "/api/v1/pods",
        "ingresses": "/apis/networking.k8s.io/v1/ingresses",
        "certificates": "/apis/cert-manager.io/v1/certificates",
        "gateways": "/apis/gateway.networking.k8s.io/v1/gateways",
        "validating": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        "mutating": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        "grants": "/apis/gateway.networking.k8s.io/v1beta1/referencegrants",
        "definitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "apiservices": "/apis/apiregistration.k8s.io/v1/apiservices",
    }
    login = FakeLogin({paths.get(name, name): found for name, found in lists.items()})
    request = request or Request()
    content = read_cluster(login, request)  # type: ignore[arg-type]
    return judge(request, content.entries, NOW, left_out=content.left_out)


def the(inventory: Inventory, name: str) -> Entry:
    (entry,) = (entry for entry in inventory.entries if entry.name == name)
    return entry


def codes(inventory: Inventory, name: str) -> set[str]:
    return {finding.code for finding in the(inventory, name).findings}


def certificate(namespace: str, name: str, target: str, **status: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "up to date"}
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"secretName": target},
        "status": {"conditions": [ready], "revision": 3, **status},
    }


def stamp(**ahead: float) -> str:
    return (NOW + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def inventory_of(*secrets: dict[str, Any], **request: Any) -> Inventory:
    return look(Request(**request), secrets=list(secrets))
