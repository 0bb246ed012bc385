# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Web sockets to the API server, with the login of its client. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._deps_kubernetes import kubernetes_stream, websocket

_SUBPROTOCOL = "v4.channel.k8s.io"
# What a frame is, by RFC 6455.
CONTINUATION, BINARY, CLOSE, PING, PONG = 0x0, 0x2, 0x8, 0x9, 0xA


def open_websocket(client: t.Any, path: str, timeout: float) -> t.Any:
    """Return a web socket to a path with its query; ``client`` is a kubernetes ApiClient.

    ``timeout`` are the seconds for the connection and for each answer. Raises WebSocketException, whose
    ``status_code`` is that of HTTP if the API server refuses it, or OSError.
    """
    headers: dict[str, str] = {"sec-websocket-protocol": _SUBPROTOCOL}
    login = client.configuration.auth_settings().get("BearerToken")
    if login:
        headers["authorization"] = login["value"]
    # There is no other way to bound it; several threads may be here.
    websocket.setdefaulttimeout(timeout)
    url = f"{client.configuration.host.replace('http', 'ws', 1)}{path}"
    return kubernetes_stream.create_websocket(client.configuration, url, headers)
