# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guarded imports of the Kubernetes client. PRIVATE."""

from __future__ import annotations

from ._deps import guarded

KUBERNETES, (kubernetes_client, kubernetes_config, kubernetes_stream, urllib3, urllib3_exceptions, websocket) = guarded(
    "kubernetes >= 24.2.0",
    "kubernetes.client",
    "kubernetes.config",
    "kubernetes.stream.ws_client",
    "urllib3",
    "urllib3.exceptions",
    "websocket",
)
