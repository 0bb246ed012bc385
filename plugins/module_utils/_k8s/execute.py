# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command in a container, bounded in time. PRIVATE to the collection.

``kubernetes.stream`` waits without an end, and cannot read how a command ended that never began.
"""

from __future__ import annotations

import json
import time
import typing as t
from urllib.parse import urlencode

from .._deps_kubernetes import websocket
from .._errors import RunbookError, as_clause
from .client import ApiLogin
from .websockets import CLOSE, open_websocket

_OUT, _ERR, _STATUS = 1, 2, 3


class ExecuteFailed(RunbookError):
    """The command did not run, or did not succeed."""


def execute(login: ApiLogin, namespace: str, pod: str, container: str, command: t.Sequence[str], timeout: float) -> str:
    """Return what a command prints; raise ExecuteFailed if it fails, or takes longer than ``timeout`` seconds."""
    query = [("container", container), ("stdout", "1"), ("stderr", "1"), *(("command", each) for each in command)]
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
    what = f"A command in the container {container} of the pod {namespace}/{pod}"
    try:
        return _read(open_websocket(login.client, path, timeout), what, time.monotonic() + timeout)
    except (websocket.WebSocketException, OSError) as exc:
        if getattr(exc, "status_code", None) in (401, 403):
            raise ExecuteFailed(
                f"{what} is refused; grant the right to create and get pods/exec in that namespace."
            ) from exc
        raise ExecuteFailed(f"{what} failed ({as_clause(exc)}); look whether the pod is still running.") from exc


def _read(link: t.Any, what: str, deadline: float) -> str:
    output = bytearray()
    try:
        while time.monotonic() < deadline:
            code, frame = link.recv_data()
            if code == CLOSE or not frame:
                return output.decode(errors="replace")
            if frame[0] in (_OUT, _ERR):
                output += frame[1:]
            elif frame[0] == _STATUS:
                status = json.loads(frame[1:])
                if status.get("status") != "Success":
                    raise ExecuteFailed(f"{what} failed ({as_clause(status.get('message', ''))}).")
                return output.decode(errors="replace")
    finally:
        link.close()
    raise ExecuteFailed(f"{what} took too long; find out what delays it.")
