# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other clients feel: a separate process that asks the server something every 0.3 ms.

```python
with LatencyProbe(server) as probe:
    quiet = probe.measure(1.0)
    start = probe.now()
    ...  # the load
    busy = probe.since(start)
assert busy.max_ms <= 25 and busy.p99_ms <= 5
```

The percentiles are over requests, one at a time: a stall of the server is one slow request.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .processes import die_with_parent, wait_until

if TYPE_CHECKING:
    from .servers import RedisServer

_TESTS = Path(__file__).resolve().parents[1]
_SAMPLE = struct.Struct("<qq")  # sent at, answered after, in ns
_WRITE_EVERY_NS = 20_000_000


@dataclass(frozen=True)
class Latency:
    """Response times in ms over the requests of a window."""

    requests: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class LatencyProbe:
    """Asks `command` (PING if none is given) every `interval_ms`, over TCP; a context manager."""

    def __init__(self, server: RedisServer, *command: bytes, interval_ms: float = 0.3) -> None:
        handle, name = tempfile.mkstemp(prefix="probe-")
        os.close(handle)
        self._samples = Path(name)
        self._process: subprocess.Popen[bytes] | None = None
        known = server.admin().get_connection_kwargs()
        login = [known["username"], known["password"]] if known.get("username") else []
        self._options = {
            "samples": name,
            "address": [server.host, server.port],
            "login": login,
            "command": [word.hex() for word in command or (b"PING",)],
            "interval": interval_ms / 1000,
        }

    def __enter__(self) -> LatencyProbe:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.probe"], cwd=_TESTS, stdin=subprocess.PIPE, preexec_fn=die_with_parent()
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(self._options).encode())
        self._process.stdin.close()
        self._wait_beyond(time.monotonic_ns())
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._samples.unlink(missing_ok=True)

    def now(self) -> int:
        """Return the beginning of a window."""
        return time.monotonic_ns()

    def since(self, start: int, end: int | None = None) -> Latency:
        """Return the latency of the requests that were sent between two moments, the second by default now."""
        end = time.monotonic_ns() if end is None else end
        self._wait_beyond(end)
        times = sorted(took for sent, took in self._read() if start <= sent <= end)
        if not times:
            raise ValueError("no request was sent in this window")
        p50, p99 = (times[min(int(len(times) * share), len(times) - 1)] / 1e6 for share in (0.5, 0.99))
        return Latency(len(times), p50, p99, times[-1] / 1e6)

    def measure(self, seconds: float) -> Latency:
        """Wait that long and return the latency meanwhile."""
        start = self.now()
        time.sleep(seconds)
        return self.since(start)

    def _read(self) -> list[tuple[int, int]]:
        data = self._samples.read_bytes()
        return list(_SAMPLE.iter_unpack(data[: len(data) // _SAMPLE.size * _SAMPLE.size]))

    def _wait_beyond(self, moment: int) -> None:
        """Wait for a request that was sent later, so that all before it are answered and written down."""

        def there() -> bool:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError("the probe ended: did its server?")
            samples = self._read()
            return bool(samples) and samples[-1][0] > moment

        wait_until(there, 120, "the latency probe")


def main() -> None:
    """Ask until killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    with contextlib.suppress(PermissionError):
        # other clients are on other machines: do not measure the wait for a processor that the load is using
        os.nice(-10)
    options = json.load(sys.stdin)
    connection = socket.create_connection(options["address"])
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options["login"]:
        connection.sendall(_packed([b"AUTH", *(word.encode() for word in options["login"])]))
        if connection.recv(1000) != b"+OK\r\n":
            raise PermissionError("the server refused the probe's login")
    request, interval = _packed([bytes.fromhex(word) for word in options["command"]]), options["interval"]
    with open(options["samples"], "ab") as out:
        written = 0
        while True:
            time.sleep(interval)
            sent = time.monotonic_ns()
            connection.sendall(request)
            if not connection.recv(1 << 16):
                raise ConnectionError("the server closed the probe's connection")
            took = time.monotonic_ns() - sent
            out.write(_SAMPLE.pack(sent, took))
            if sent - written > _WRITE_EVERY_NS:
                out.flush()
                written = sent


def _packed(words: list[bytes]) -> bytes:
    return b"*%d\r\n%s" % (len(words), b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))


if __name__ == "__main__":
    main()
