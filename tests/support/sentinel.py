# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private primary, its replicas and the Sentinels that watch them; it survives the loss of any one.

```python
with SentinelSet() as cache:
    killed = cache.kill_primary()
    cache.revive(killed)
```
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .members import (
    HOST,
    REPLICATION,
    Members,
    empty,
    link_problem,
    online_replicas,
    passwords,
    quiet_port,
    replication,
    restore_settings,
    start_on_free_port,
    wait_until_fine,
)
from .processes import die_with_parent, wait_until
from .servers import ConfigValue, PortTaken, RedisServer, binaries


class SentinelSet(Members):
    """A primary and two replicas, and three Sentinels of the same flavour that watch them as `service`.

    `password` is that of the three servers, `sentinel_password` that of the Sentinels; with `sentinel_username` it is
    that user's, and their default user is off. `config` are further directives of the servers, as in `RedisServer`.
    `sentinels` are their addresses.
    """

    service = "cache"

    def __init__(
        self,
        flavour: str = "redis-7.0",
        *,
        password: str | None = None,
        sentinel_username: str | None = None,
        sentinel_password: str | None = None,
        down_after_ms: int = 700,
        failover_timeout_ms: int = 2000,
        users: Sequence[str] = (),
        **config: ConfigValue,
    ) -> None:
        if sentinel_username and not sentinel_password:
            raise ValueError("a user of the Sentinels needs a password")
        self.flavour = flavour
        self.password = password
        self.sentinel_username = sentinel_username
        self.sentinel_password = sentinel_password
        self.servers: list[RedisServer] = []
        self.sentinels: list[tuple[str, int]] = []
        self._users = users
        self._config = {**REPLICATION, **passwords(password), **config}
        self._times = (down_after_ms, failover_timeout_ms)
        self._processes: list[_Sentinel] = []
        self._stack = ExitStack()

    def __enter__(self) -> SentinelSet:
        try:
            for _number in range(3):
                server = start_on_free_port(self._server)
                self._stack.callback(server.close)
                self.servers.append(server)
            # a Sentinel that finds the replicas linked when it first looks need not look again
            wait_until_fine(self._links_problem, 30, "the replicas")
            for _number in range(3):
                sentinel = _Sentinel(
                    self.flavour, self._sentinel_lines(), self.sentinel_username, self.sentinel_password
                )
                self._stack.callback(sentinel.close)
                self._processes.append(sentinel.start())
                self.sentinels.append((HOST, sentinel.port))
            self.wait_healthy()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    # -- who is who ------------------------------------------------------------------------------------------------

    def primary(self, timeout: float = 30) -> RedisServer:
        """Return the server that all living Sentinels name and that says so itself; wait while there is none."""
        found: list[RedisServer] = []

        def agreed() -> bool:
            server = self._named()
            if server is not None and server.running and _role(server) == "master":
                found.append(server)
            return bool(found)

        wait_until(agreed, timeout, "a primary that the Sentinels agree on", 0.02)
        return found[0]

    def replicas(self) -> list[RedisServer]:
        """Return the two other servers, dead ones too."""
        primary = self.primary()
        return [server for server in self.servers if server is not primary]

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of the server that is the primary now, as the default user."""
        return self.primary().client(**options)

    def sentinel_client(self, index: int = 0) -> redis.Redis:
        """Return a client of a Sentinel."""
        return self._processes[index].client()

    def wait_healthy(self, timeout: float = 60) -> None:
        """Wait until two replicas follow one primary, and all Sentinels know that and one another."""
        wait_until_fine(lambda: self._links_problem() or self._sentinels_problem(), timeout, "a healthy Sentinel set")

    # -- breaking and repairing --------------------------------------------------------------------------------------

    def kill_primary(self) -> RedisServer:
        """End the primary with SIGKILL and return it."""
        primary = self.primary()
        primary.kill()
        return primary

    def revive(self, server: RedisServer, timeout: float = 60) -> None:
        """Start a dead server as a replica, once another one is the primary, and wait until it has its data."""
        if server.running:
            return
        if any(other.running for other in self.servers):
            primary = self.primary(timeout)
            server._config["replicaof"] = f"{primary.host} {primary.port}"
        else:
            # nobody is left to replicate from, nor for the Sentinels to promote
            named = self._named()
            if named is not None and named is not server:
                self.revive(named)
                self.revive(server)
                return
            server._config.pop("replicaof", None)
        server.start()
        if "replicaof" in server._config:
            wait_until_fine(lambda: link_problem(server), timeout, "the revived server")

    def fail_over(self, timeout: float = 60) -> RedisServer:
        """Have the Sentinels promote a replica and return it; the old primary lives on."""
        old = self.primary()

        def accepted() -> bool:
            with self._processes[0].client() as client:
                try:
                    return bool(client.execute_command("SENTINEL", "FAILOVER", self.service))
                except redis.ResponseError as error:
                    # one is under way, or no replica is known well enough yet
                    if not str(error).startswith(("INPROG", "NOGOODSLAVE")):
                        raise
                    return False

        wait_until(accepted, timeout, "the Sentinels to accept a failover", 0.1)
        wait_until(lambda: self.primary(timeout) is not old, timeout, "the end of the failover", 0.02)
        return self.primary()

    def kill_sentinel(self, index: int) -> None:
        """End a Sentinel with SIGKILL."""
        self._processes[index].kill()

    def revive_sentinel(self, index: int) -> None:
        """Start a Sentinel again, with what it knew."""
        self._processes[index].start()

    def reset(self) -> None:
        """All alive and healthy, no keys, settings and counters as at the start; who is the primary may differ."""
        for sentinel in self._processes:
            if not sentinel.running:
                sentinel.start()
        for server in self.servers:
            self.revive(server)
        self.wait_healthy()
        empty([self.primary()], replicas=2)
        for server in self.servers:
            restore_settings(server)
            server.reset_stats()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _members(self) -> Sequence[RedisServer]:
        return self.servers

    def _server(self) -> RedisServer:
        first = self.servers[0] if self.servers else None
        config: dict[str, Any] = {**self._config, "port": quiet_port()}
        return RedisServer(self.flavour, users=self._users, replicaof=first, **config)

    def _sentinel_lines(self) -> list[str]:
        down_after, failover_timeout = self._times
        lines = [
            f"sentinel monitor {self.service} {HOST} {self.servers[0].port} 2",
            f"sentinel down-after-milliseconds {self.service} {down_after}",
            f"sentinel failover-timeout {self.service} {failover_timeout}",
            f"sentinel parallel-syncs {self.service} 2",
        ]
        if self.password:
            lines.append(f"sentinel auth-pass {self.service} {self.password}")
        if self.sentinel_username:
            lines += [
                f"user {self.sentinel_username} on >{self.sentinel_password} ~* &* +@all",
                "user default off",
                f"sentinel sentinel-user {self.sentinel_username}",
            ]
        elif self.sentinel_password:
            lines.append(f"requirepass {self.sentinel_password}")
        if self.sentinel_password:
            lines.append(f"sentinel sentinel-pass {self.sentinel_password}")
        return lines

    def _named(self) -> RedisServer | None:
        answers = set()
        for sentinel in self._processes:
            if sentinel.running:
                try:
                    with sentinel.client() as client:
                        answers.add(int(client.execute_command(*_ADDRESS, self.service)[1]))
                except (redis.ConnectionError, redis.TimeoutError):
                    return None
        ports = {server.port: server for server in self.servers}
        return ports[answers.pop()] if len(answers) == 1 else None

    def _links_problem(self) -> str:
        dead = [server.port for server in self.servers if not server.running]
        if dead:
            return f"dead: {dead}"
        roles = {server.port: replication(server) for server in self.servers}
        primaries = [port for port, info in roles.items() if info["role"] == "master"]
        if len(primaries) != 1:
            return f"primaries: {primaries}"
        for port, info in roles.items():
            if port == primaries[0]:
                if online_replicas(info) != 2:
                    return f"the primary {port} has {online_replicas(info)} replicas online"
            elif info["master_link_status"] != "up" or info["master_port"] != primaries[0]:
                return f"the replica {port} is not linked to {primaries[0]}"
        return ""

    def _sentinels_problem(self) -> str:
        primary = next((server for server in self.servers if _role(server) == "master"), None)
        if primary is None:
            return "no primary"
        for sentinel in self._processes:
            if not sentinel.running:
                return f"the Sentinel {sentinel.port} is dead"
            with sentinel.client() as client:
                seen = _pairs(client.execute_command("SENTINEL", "MASTER", self.service))
                replicas = [_pairs(one) for one in client.execute_command("SENTINEL", "REPLICAS", self.service)]
                others = [_pairs(one) for one in client.execute_command("SENTINEL", "SENTINELS", self.service)]
            if (seen["port"], seen["flags"]) != (str(primary.port), "master"):
                return f"the Sentinel {sentinel.port} sees {seen['port']} as {seen['flags']}"
            known = sorted((int(one["port"]), one["flags"], one["master-link-status"]) for one in replicas)
            wanted = sorted((server.port, "slave", "ok") for server in self.servers if server is not primary)
            if known != wanted:
                return f"the Sentinel {sentinel.port} knows the replicas {known}"
            if [one["flags"] for one in others] != ["sentinel"] * 2:
                return f"the Sentinel {sentinel.port} knows the Sentinels {[one['flags'] for one in others]}"
        return ""


_ADDRESS = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME")


class _Sentinel:
    """A Sentinel's process; what it learns it keeps in its own configuration, over a restart too."""

    # It looks, tells and asks more often, and forgives a machine that stood still sooner. A ping period has two limits:
    # connections are made again after one, and if that were longer than what counts as down, each failover would cause
    # the next one; and what was heard of a replica more than five ago, once in a second, does not count as known.
    _SPEED = (
        *("ping-period", 300, "info-period", 300, "publish-period", 200, "ask-period", 200),
        *("tilt-period", 1000, "min-link-reconnect-period", 500),
    )

    def __init__(self, flavour: str, lines: list[str], username: str | None, password: str | None) -> None:
        self.port = 0
        self._binary = binaries(flavour)["server"]
        self._lines = lines
        self._login = (username, password)
        self._folder = Path(tempfile.mkdtemp(prefix="sentinel-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> _Sentinel:
        fixed = self.port
        for _attempt in range(5):
            if not fixed:
                self.port = quiet_port()
                head = [f"port {self.port}", f"bind {HOST}", f"dir {self._folder}"]
                (self._folder / "conf").write_text("".join(f"{line}\n" for line in head + self._lines))
            try:
                self._start_once()
            except PortTaken:
                if fixed:
                    raise
                continue
            with self.client() as client:
                client.execute_command("SENTINEL", "DEBUG", *self._SPEED)
            return self
        raise RuntimeError("no free port was found in five attempts")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def client(self) -> redis.Redis:
        username, password = self._login
        return redis.Redis(
            host=HOST,
            port=self.port,
            username=username,
            password=password,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=5,
        )

    def _start_once(self) -> None:
        log = self._folder / "log"
        with log.open("wb") as output:
            self._process = process = subprocess.Popen(
                [self._binary, str(self._folder / "conf"), "--sentinel"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),
            )

        def answers() -> bool:
            if process.poll() is not None:
                text = log.read_text(errors="replace")
                raise PortTaken(str(self.port)) if "in use" in text else RuntimeError(f"no Sentinel:\n{text[-2000:]}")
            try:
                with self.client() as client:
                    return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_until(answers, 30, "a Sentinel's first answer")


def _role(server: RedisServer) -> str:
    try:
        return str(replication(server)["role"])
    except (redis.ConnectionError, redis.TimeoutError):
        return ""


def _pairs(flat: list[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2])}
