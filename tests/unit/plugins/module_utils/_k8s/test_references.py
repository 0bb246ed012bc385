# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every place of a pod's spec that names a Secret or a ConfigMap."""

from __future__ import annotations

from typing import Any

from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.references import (
    Reference,
    ingress_secrets,
    references,
)

SPEC: dict[str, Any] = {
    "volumes": [
        {"name": "tls", "secret": {"secretName": "web-tls", "items": [{"key": "tls.crt", "path": "a/cert"}]}},
        {"name": "settings", "configMap": {"name": "web", "optional": True}},
        {"name": "all", "projected": {"sources": [{"secret": {"name": "one"}}, {"configMap": {"name": "two"}}, {}]}},
        {"name": "store", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "login"}}},
        {"name": "scratch", "emptyDir": {}},
    ],
    "initContainers": [{"name": "first", "envFrom": [{"configMapRef": {"name": "base"}}]}],
    "containers": [
        {
            "name": "main",
            "env": [
                {"name": "PLAIN", "value": "x"},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api", "optional": True}}},
                {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "modes", "key": "mode"}}},
            ],
            "envFrom": [{"secretRef": {"name": "all-keys"}}],
        }
    ],
    "ephemeralContainers": [{"name": "debug", "envFrom": [{"secretRef": {"name": "later"}}]}],
}


def test_every_place_is_found_once() -> None:
    assert list(references(SPEC)) == [
        Reference("Secret", "web-tls", "volume", volume="tls", keys={"a/cert": "tls.crt"}),
        Reference("ConfigMap", "web", "volume", volume="settings", optional=True),
        Reference("Secret", "one", "projected", volume="all"),
        Reference("ConfigMap", "two", "projected", volume="all"),
        Reference("Secret", "login", "csi", volume="store"),
        Reference("ConfigMap", "base", "envfrom", container="first"),
        Reference("Secret", "keys", "env", container="main", keys={"api": "api"}, optional=True),
        Reference("ConfigMap", "modes", "env", container="main", keys={"mode": "mode"}),
        Reference("Secret", "all-keys", "envfrom", container="main"),
        Reference("Secret", "later", "envfrom", container="debug"),
    ]
    assert "later" not in [each.name for each in references(SPEC, ephemeral=False)]
    assert not list(references({}))


def test_an_ingress_names_each_secret_once() -> None:
    rules = [{"secretName": "a"}, {"hosts": ["without"]}, {"secretName": "b"}, {"secretName": "a"}]
    assert ingress_secrets({"spec": {"tls": rules}}) == ["a", "b"]
    assert ingress_secrets({"spec": {}}) == []
