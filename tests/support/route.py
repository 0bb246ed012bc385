# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way from loopback to a pod or a Service of a lab that does not lead through its API server.

```python
with Route(lab, "10.96.0.20", 6379) as route:
    redis.Redis(port=route.port)
```
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .processes import LoggingChild

if TYPE_CHECKING:
    from .lab import Lab

_PIECE = 1 << 18
_CONNECT_SECONDS = 5


class Route:
    """A process of its own that forwards a free port of loopback; a context manager."""

    def __init__(self, lab: Lab, host: str, port: int, inside: str = "core-engine") -> None:
        """Go through the pod one of whose processes has the word `inside` in its command: only pods see Services."""
        options = {"pid": lab.pod_pid(inside), "host": host, "port": port}
        self._child = LoggingChild("support.route", options)
        self.port = 0

    def __enter__(self) -> Route:
        self._child.start(lambda: bool(self._child.log.read_text()), "the route")
        self.port = int(self._child.log.read_text())
        return self

    def __exit__(self, *_exc: object) -> None:
        self._child.close()


async def _forward(listener: socket.socket, host: str, port: int) -> None:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError):
            writer.close()
            return
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    server = await asyncio.start_server(serve, sock=listener)
    await server.serve_forever()


def main() -> None:
    """Listen here, then move to where the address is."""
    options = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    listener = socket.create_server(("127.0.0.1", 0))
    namespace = os.open(f"/proc/{options['pid']}/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "setns")
    Path(options["log"]).write_text(str(listener.getsockname()[1]))
    asyncio.run(_forward(listener, options["host"], options["port"]))


if __name__ == "__main__":
    main()
