# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of several private servers has in common, whether Sentinels watch it or it is a cluster.

Servers are without persistence: what one that is revived holds, it has from its primary. `revive` therefore waits until
another one has taken over, because a primary that comes back empty before that empties its replicas, too.
"""

from __future__ import annotations

import random
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import redis

from .processes import wait_until
from .servers import ConfigValue, PortTaken, RedisServer

HOST = "127.0.0.1"
REPLICATION: dict[str, ConfigValue] = {
    "repl_diskless_sync": True,
    "repl_diskless_sync_delay": 0,
    "repl_ping_replica_period": 1,
    "repl_timeout": 5,
    "repl_backlog_size": "16mb",
}
_ROLE_SETTINGS = (b"replicaof", b"slaveof")


def quiet_port() -> int:
    """Return a free TCP port below those that the kernel gives to outgoing connections.

    While a server is dead, its clients try its port again and again: within the kernel's range one of them would sooner
    or later be given that very port, be connected to itself, and keep the server from coming back.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    chooser = random.SystemRandom()
    while True:
        port = chooser.randrange(min(10_000, lowest // 2), lowest)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


class Members:
    """Several servers as one: what they were asked for altogether."""

    def _members(self) -> Sequence[RedisServer]:
        raise NotImplementedError

    def reset_stats(self) -> None:
        """Forget which commands were called."""
        for server in alive(self._members()):
            server.reset_stats()

    def commandstats(self) -> dict[str, int]:
        """Return how often each command was asked for, summed over the living servers, replicated writes included."""
        total: Counter[str] = Counter()
        for server in alive(self._members()):
            total.update(server.commandstats())
        return dict(total)

    def write_commands_called(self) -> list[str]:
        """Return the names of the write commands that any living server was asked for."""
        return sorted({name for server in alive(self._members()) for name in server.write_commands_called()})


def passwords(password: str | None) -> dict[str, ConfigValue]:
    return {"requirepass": password, "masterauth": password} if password else {}


def start_on_free_port(make: Callable[[], RedisServer]) -> RedisServer:
    for _attempt in range(5):
        server = make()
        try:
            return server.start()
        except PortTaken:
            server.close()
        except BaseException:
            server.close()
            raise
    raise RuntimeError("no free port was found in five attempts")


def wait_until_fine(problem: Callable[[], str], timeout: float, what: str) -> None:
    """Wait until nothing is wrong; what was wrong at last is in the error."""
    last = ""

    def fine() -> bool:
        nonlocal last
        try:
            last = problem()
        except redis.RedisError as error:
            last = f"{type(error).__name__}: {error}"
        return not last

    try:
        wait_until(fine, timeout, what, 0.05)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {last}") from None


def alive(servers: Iterable[RedisServer]) -> list[RedisServer]:
    return [server for server in servers if server.running]


def command(server: RedisServer, *words: Any) -> Any:
    # the name alone as first word: redis-py leaves such a reply as it is
    with server.admin(socket_timeout=10) as admin:
        return admin.execute_command(*words)


def replication(server: RedisServer) -> dict[str, Any]:
    with server.admin(socket_timeout=5) as admin:
        return dict(admin.info("replication"))


def link_problem(replica: RedisServer) -> str:
    return "" if replication(replica).get("master_link_status") == "up" else "it is not linked to its primary"


def online_replicas(info: dict[str, Any]) -> int:
    return sum(
        isinstance(one, dict) and one["state"] == "online"
        for name, one in info.items()
        if name.startswith("slave") and name[5:].isdigit()
    )


def empty(primaries: Iterable[RedisServer], replicas: int) -> None:
    for server in primaries:
        with server.admin() as admin:
            admin.execute_command("FLUSHALL", "SYNC")
            if replicas and admin.execute_command("WAIT", replicas, 20_000) < replicas:
                raise TimeoutError(f"the replicas of {server.port} did not confirm that they are empty")


def restore_settings(server: RedisServer) -> None:
    with server.admin() as admin:
        for name, value in server._read_config().items():
            if name not in _ROLE_SETTINGS and server._baseline[name] != value:
                admin.execute_command("CONFIG SET", name, server._baseline[name])
        if server._read_acl() != server._acl:
            server._restore_acl(admin)
