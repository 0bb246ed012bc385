# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private sets of real servers that survive the loss of one: behind Sentinel, and as a cluster.

```python
with SentinelSet() as cache:
    killed = cache.kill_primary()
    cache.revive(killed)

with RedisCluster("valkey-9.1") as cluster:
    cluster.mset({b"market:data:1": b"x"})
    cluster.migrate(cluster.slot(b"market:data:1"), cluster.primaries()[2])
```

Servers are without persistence: what one that is revived holds, it has from its primary. `revive` therefore waits until
another one has taken over, because a primary that comes back empty before that empties its replicas, too.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import redis
import redis.cluster
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from . import dataset
from .processes import die_with_parent, wait_until
from .servers import ConfigValue, PortTaken, RedisServer, binaries
from .tls import Certificates, make_certificates

SLOTS = 16_384

_HOST = "127.0.0.1"
_REPLICATION: dict[str, ConfigValue] = {
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
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port


class _Members:
    """Several servers as one: what they were asked for altogether."""

    def _members(self) -> Sequence[RedisServer]:
        raise NotImplementedError

    def reset_stats(self) -> None:
        """Forget which commands were called."""
        for server in _alive(self._members()):
            server.reset_stats()

    def commandstats(self) -> dict[str, int]:
        """Return how often each command was asked for, summed over the living servers, replicated writes included."""
        total: Counter[str] = Counter()
        for server in _alive(self._members()):
            total.update(server.commandstats())
        return dict(total)

    def write_commands_called(self) -> list[str]:
        """Return the names of the write commands that any living server was asked for."""
        return sorted({name for server in _alive(self._members()) for name in server.write_commands_called()})


class SentinelSet(_Members):
    """A primary and two replicas of Redis 7.0, and three Sentinels that watch them as `service`.

    `password` is that of the three servers, `sentinel_password` that of the Sentinels; with `sentinel_username` it is
    that user's, and their default user is off. `config` are further directives of the servers, as in `RedisServer`.
    `sentinels` are their addresses.
    """

    service = "cache"

    def __init__(
        self,
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
        self.password = password
        self.sentinel_username = sentinel_username
        self.sentinel_password = sentinel_password
        self.servers: list[RedisServer] = []
        self.sentinels: list[tuple[str, int]] = []
        self._users = users
        self._config = {**_REPLICATION, **_passwords(password), **config}
        self._times = (down_after_ms, failover_timeout_ms)
        self._processes: list[_Sentinel] = []
        self._stack = ExitStack()

    def __enter__(self) -> SentinelSet:
        try:
            for _number in range(3):
                server = _started(self._server)
                self._stack.callback(server.close)
                self.servers.append(server)
            # a Sentinel that finds the replicas linked when it first looks need not look again
            _wait_for(self._links_problem, 30, "the replicas")
            for _number in range(3):
                sentinel = _Sentinel(self._sentinel_lines(), self.sentinel_username, self.sentinel_password)
                self._stack.callback(sentinel.close)
                self._processes.append(sentinel.start())
                self.sentinels.append((_HOST, sentinel.port))
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
        _wait_for(lambda: self._links_problem() or self._sentinels_problem(), timeout, "a healthy Sentinel set")

    # -- breaking and mending --------------------------------------------------------------------------------------

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
            _wait_for(lambda: _link_problem(server), timeout, "the revived server")

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
        _empty([self.primary()], replicas=2)
        for server in self.servers:
            _restore_settings(server)
            server.reset_stats()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _members(self) -> Sequence[RedisServer]:
        return self.servers

    def _server(self) -> RedisServer:
        first = self.servers[0] if self.servers else None
        config: dict[str, Any] = {**self._config, "port": quiet_port()}
        return RedisServer("redis-7.0", users=self._users, replicaof=first, **config)

    def _sentinel_lines(self) -> list[str]:
        down_after, failover_timeout = self._times
        lines = [
            f"sentinel monitor {self.service} {_HOST} {self.servers[0].port} 2",
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
        roles = {server.port: _replication(server) for server in self.servers}
        primaries = [port for port, info in roles.items() if info["role"] == "master"]
        if len(primaries) != 1:
            return f"primaries: {primaries}"
        for port, info in roles.items():
            if port == primaries[0]:
                if _online(info) != 2:
                    return f"the primary {port} has {_online(info)} replicas online"
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

    def __init__(self, lines: list[str], username: str | None, password: str | None) -> None:
        self.port = 0
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
                head = [f"port {self.port}", f"bind {_HOST}", f"dir {self._folder}"]
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
            host=_HOST,
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
                [binaries("redis-7.0")["server"], str(self._folder / "conf"), "--sentinel"],
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


class RedisCluster(_Members):
    """A cluster of `primaries` shards with all slots assigned; each shard has `replicas` further nodes.

    `nodes` are first the primaries of the start, then the replicas. With `tls` clients, bus and replication can or do
    speak TLS; the nodes listen for clients without it as well, and share `certificates`. With `announce_host` the nodes
    tell clients another host (`{number}` in it is the node's), be it a name that does not resolve or an address that
    nobody can reach; among themselves they use the real one. `config` are further directives, as in `RedisServer`.
    """

    def __init__(
        self,
        flavour: str = "redis-7.0",
        primaries: int = 3,
        replicas: int = 1,
        tls: bool = False,
        password: str | None = None,
        *,
        full_coverage: bool = True,
        announce_host: str | None = None,
        node_timeout_ms: int = 1500,
        users: Sequence[str] = (),
        **config: ConfigValue,
    ) -> None:
        self.flavour = flavour
        self.password = password
        self.nodes: list[RedisServer] = []
        self.certificates: Certificates | None = None
        self._shape = (primaries, replicas)
        self._shards: list[list[RedisServer]] = [[] for _shard in range(primaries)]
        self._ids: dict[bytes, RedisServer] = {}
        self._tls = tls
        self._users = users
        self._announce_host = announce_host
        self._config: dict[str, ConfigValue] = {
            **_REPLICATION,
            **_passwords(password),
            "cluster_enabled": True,
            "cluster_config_file": "nodes.conf",
            "cluster_node_timeout": node_timeout_ms,
            "cluster_require_full_coverage": full_coverage,
            "cluster_allow_replica_migration": False,
            "cluster_replica_validity_factor": 0,  # however long its primary is dead, the replica may take over
            **config,
        }
        self._stack = ExitStack()

    def __enter__(self) -> RedisCluster:
        try:
            if self._tls:
                folder = Path(tempfile.mkdtemp(prefix="cluster-"))
                self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
                self.certificates = make_certificates(folder)
            primaries, replicas = self._shape
            for number in range(primaries * (1 + replicas)):
                node = _started(partial(self._node, number))
                self._stack.callback(node.close)
                self.nodes.append(node)
                self._shards[number % primaries].append(node)
                self._ids[_command(node, "CLUSTER", "MYID")] = node
            self._join()
            self.wait_healthy()
            self.reset_stats()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    # -- who is who ------------------------------------------------------------------------------------------------

    @property
    def seeds(self) -> list[str]:
        """The addresses of all nodes as `host:port`, those for TLS if the cluster has it."""
        return [f"{node.host}:{node.tls_port if self._tls else node.port}" for node in self.nodes]

    @staticmethod
    def slot(key: bytes) -> int:
        """Return the slot of a key."""
        return int(key_slot(key))

    def primaries(self) -> list[RedisServer]:
        """Return the living primaries in the order of the shards; a shard that has lost its own has none."""
        found = []
        for shard in self._shards:
            claims = [(seen.epoch, node) for node in _alive(shard) if "master" in (seen := self._self(node)).flags]
            if claims:
                found.append(max(claims, key=lambda claim: claim[0])[1])
        return found

    def replicas(self) -> list[RedisServer]:
        """Return the living nodes that are no primaries, in the order of `nodes`."""
        primaries = self.primaries()
        return [node for node in _alive(self.nodes) if node not in primaries]

    def shard_of(self, node: RedisServer) -> list[RedisServer]:
        """Return the nodes of a node's shard, itself included."""
        return next(shard for shard in self._shards if node in shard)

    def owner(self, key: bytes) -> RedisServer:
        """Return the primary that owns the slot of a key."""
        return self._owner(self.slot(key))

    def node_id(self, node: RedisServer) -> str:
        """Return the name of a node within the cluster."""
        return next(name.decode() for name, known in self._ids.items() if known is node)

    def wait_healthy(self, timeout: float = 60) -> None:
        """Wait until all nodes live, agree on who owns the slots, see the cluster as ok, and replicas are linked."""
        _wait_for(self._problem, timeout, "a healthy cluster")

    # -- data ------------------------------------------------------------------------------------------------------

    def client(self, **options: Any) -> redis.cluster.RedisCluster:
        """Return a cluster client as the default user, without TLS: bytes in, bytes out."""
        known = {node.port for node in self.nodes}
        make: Any = redis.cluster.ClusterNode
        settings: dict[str, Any] = {
            "startup_nodes": [make(node.host, node.port) for node in _alive(self.nodes)],
            "password": self.password,
            "protocol": 2,
            "socket_timeout": 60,
            "address_remap": lambda address: (_HOST, address[1]) if address[1] in known else address,
        }
        return redis.cluster.RedisCluster(**{**settings, **options})

    def mset(self, items: Mapping[bytes, bytes]) -> None:
        """Set many strings quickly; no slot may be on the move."""
        owners = self._slot_table()
        per_node: dict[int, list[bytes]] = {}
        for key, value in items.items():
            command = b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(value), value)
            per_node.setdefault(owners[key_slot(key)], []).append(command)
        for number, commands in per_node.items():
            with self.nodes[number].admin() as admin:
                dataset._send_all(admin, iter(commands))

    def scan_all(self, match: bytes | None = None) -> Iterator[bytes]:
        """Yield the keys of all primaries; of a slot on the move some may come twice."""
        for node in self.primaries():
            with node.admin() as admin:
                yield from admin.scan_iter(match=match, count=1000)

    def dbsize(self) -> int:
        """Return the number of keys on all primaries."""
        return sum(int(_command(node, "DBSIZE")) for node in self.primaries())

    # -- breaking and mending --------------------------------------------------------------------------------------

    def kill(self, server: RedisServer) -> None:
        """End a node with SIGKILL."""
        server.kill()

    def revive(self, server: RedisServer, timeout: float = 60) -> None:
        """Start a dead node, not before another has taken over its slots, and wait until it has its data.

        If all nodes of its shard are dead it comes back at once, as what it was and empty.
        """
        if server.running:
            return
        others = [node for node in self.shard_of(server) if node is not server]
        if _alive(others):

            def taken_over() -> bool:
                return any("master" in self._self(node).flags for node in _alive(others))

            wait_until(taken_over, timeout, "another node to take over the shard", 0.02)
        server.start()
        _wait_for(lambda: self._revival_problem(server, others), timeout, "the revived node")

    def fail_over(self, shard_index: int, timeout: float = 60) -> RedisServer:
        """Have the first living replica of a shard take over in an orderly way, and return it."""
        shard = self._shards[shard_index]
        replica = next(node for node in _alive(shard) if "slave" in self._self(node).flags)
        _wait_for(lambda: _link_problem(replica), timeout, "the replica that takes over")
        asked = 0.0

        def promoted() -> bool:
            nonlocal asked
            if "master" in self._self(replica).flags:
                return True
            # a request that the primary did not answer in time is dropped without a word
            if time.monotonic() - asked > 6:
                asked = time.monotonic()
                _command(replica, "CLUSTER", "FAILOVER")
            return False

        wait_until(promoted, timeout, "the replica to take over", 0.02)
        return replica

    def begin_migration(self, slot: int, target: RedisServer) -> None:
        """Open the move of a slot: its owner sends clients on to the target for keys that it does not have."""
        source = self._owner(slot)
        if source is target:
            raise ValueError(f"the slot {slot} is on {target.port} already")
        _command(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.node_id(source))
        _command(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.node_id(target))

    def migrate_keys(self, slot: int, target: RedisServer, count: int) -> int:
        """Move up to `count` keys of an open slot to the target and its replicas; return how many there were."""
        source = self._owner(slot)
        with source.admin() as admin:
            names = admin.execute_command("CLUSTER", "GETKEYSINSLOT", slot, count)
            if not names:
                return 0
            port = target.tls_port if self._tls else target.port
            login = target.admin().get_connection_kwargs()
            to = ("MIGRATE", target.host, port, "", 0, 5000)
            auth = ("AUTH2", login["username"], login["password"])
            try:
                admin.execute_command(*to, *auth, "KEYS", *names)
            except redis.ResponseError as error:
                if "IOERR" not in str(error):
                    raise
                # after that a key may be on both sides
                admin.execute_command(*to, "REPLACE", *auth, "KEYS", *names)
        # the source has deleted them: if the target died now before its replicas know them, nobody would have them
        offset = _replication(target)["master_repl_offset"]
        followers = [node for node in _alive(self.shard_of(target)) if node is not target]
        _wait_for(lambda: _behind(followers, offset), 20, "the replicas of the target")
        return len(names)

    def finish_migration(self, slot: int, target: RedisServer) -> None:
        """Close the move of an empty slot: it belongs to the target now."""
        source = self._owner(slot)
        others = [node for node in self.primaries() if node not in (source, target)]
        for node in (target, source, *others):
            _command(node, "CLUSTER", "SETSLOT", slot, "NODE", self.node_id(target))

    def migrate(self, slot: int, target: RedisServer) -> int:
        """Move a slot with all its keys, and return how many these were."""
        self.begin_migration(slot, target)
        moved = 0
        while batch := self.migrate_keys(slot, target, 100):
            moved += batch
        self.finish_migration(slot, target)
        return moved

    def reset(self) -> None:
        """All alive and healthy, no keys, no slot on the move and each in the shard where it was at the start.

        Settings and counters are as at the start; which node of a shard is its primary may differ.
        """
        for node in self.nodes:
            self.revive(node)
        for node in self.primaries():
            for slot in self._self(node).moving:
                # keys of a slot that is not a node's own would outlive the move in there
                _empty([node], replicas=0)
                _command(node, "CLUSTER", "SETSLOT", slot, "STABLE")
        self.wait_healthy()
        primaries = self.primaries()
        _empty(primaries, replicas=self._shape[1])
        for index, slots in enumerate(self._start_slots()):
            for slot in sorted(set(slots) - self._self(primaries[index]).slots):
                self.migrate(slot, primaries[index])
        self.wait_healthy()
        for node in self.nodes:
            _restore_settings(node)
            node.reset_stats()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _members(self) -> Sequence[RedisServer]:
        return self.nodes

    def _node(self, number: int) -> RedisServer:
        config: dict[str, Any] = {**self._config, "port": quiet_port(), "cluster_port": quiet_port()}
        if self._announce_host:
            config["cluster_announce_hostname"] = self._announce_host.format(number=number)
            config["cluster_preferred_endpoint_type"] = "hostname"
        if self.certificates:
            config.update(
                tls_cluster=True,
                tls_replication=True,
                tls_ca_cert_file=str(self.certificates.ca_cert),
                tls_cert_file=str(self.certificates.server_cert),
                tls_key_file=str(self.certificates.server_key),
            )
        node = RedisServer(self.flavour, users=self._users, tls=self._tls, **config)
        if self.certificates:
            node.certificates = self.certificates
            node.tls_port = quiet_port()
        return node

    def _start_slots(self) -> list[range]:
        bounds = [SLOTS * number // len(self._shards) for number in range(len(self._shards) + 1)]
        return [range(*pair) for pair in zip(bounds, bounds[1:])]

    def _join(self) -> None:
        for node, slots in zip(self.nodes, self._start_slots()):
            _command(node, "CLUSTER", "ADDSLOTSRANGE", slots.start, slots.stop - 1)
        for number, node in enumerate(self.nodes):
            # two nodes of one epoch would quarrel first
            _command(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            # gossip alone would take seconds to make everybody known to everybody
            for other in self.nodes[:number]:
                port = other.tls_port if self._tls else other.port
                _command(node, "CLUSTER", "MEET", other.host, port, other._config["cluster_port"])
        _wait_for(self._meeting_problem, 30, "the nodes to meet")
        for shard in self._shards:
            for replica in shard[1:]:
                _command(replica, "CLUSTER", "REPLICATE", self.node_id(shard[0]))

    def _meeting_problem(self) -> str:
        for node in self.nodes:
            known = {seen.name for seen in _seen(node) if "handshake" not in seen.flags and seen.linked}
            if known != self._ids.keys():
                return f"{node.port} knows {len(known)} of {len(self.nodes)}"
        return ""

    def _problem(self) -> str:
        dead = [node.port for node in self.nodes if not node.running]
        if dead:
            return f"dead: {dead}"
        views = {node.port: _seen(node) for node in self.nodes}
        slots: dict[int, bytes] = {}
        for node in self.nodes:
            view = views[node.port]
            for seen in view:
                if not seen.linked or seen.flags & {"fail", "fail?", "handshake", "noaddr", "nofailover"}:
                    return f"{node.port} sees {seen.name.decode()} as {sorted(seen.flags)}, linked: {seen.linked}"
                if self._announce_host and not seen.host:
                    return f"{node.port} has not heard the host name of {seen.name.decode()}"
            if {seen.name for seen in view} != self._ids.keys():
                return f"{node.port} knows {len(view)} of {len(self.nodes)}"
            owners = {slot: seen.name for seen in view for slot in seen.slots}
            slots = slots or owners
            if owners != slots or len(slots) != SLOTS:
                return f"{node.port} sees other owners of slots, or not of all"
            if b"cluster_state:ok" not in _command(node, "CLUSTER", "INFO"):
                return f"{node.port} does not see the cluster as ok"
        return next(filter(None, map(self._shard_problem, self._shards)), "")

    def _shard_problem(self, shard: list[RedisServer]) -> str:
        infos = {node.port: _replication(node) for node in shard}
        primaries = [port for port, info in infos.items() if info["role"] == "master"]
        if len(primaries) != 1:
            return f"a shard with the primaries {primaries}"
        for port, info in infos.items():
            if port == primaries[0]:
                if _online(info) != len(shard) - 1:
                    return f"the primary {port} has {_online(info)} replicas online"
            elif info["master_link_status"] != "up":
                return f"the replica {port} is not linked"
        return ""

    def _revival_problem(self, server: RedisServer, others: list[RedisServer]) -> str:
        seen = self._self(server)
        if "slave" in seen.flags:
            return _link_problem(server)
        if not _alive(others):
            return "" if seen.slots else "it has no slots"
        # as long as it counts its slots as its own it has not heard of the new primary; without slots, it follows
        # of its own accord only a primary that has no slots but these
        if not seen.slots:
            leaders = [node for node in _alive(others) if "master" in self._self(node).flags]
            for leader in leaders[:1]:
                _command(server, "CLUSTER", "REPLICATE", self.node_id(leader))
        return "it is a primary"

    def _owner(self, slot: int) -> RedisServer:
        for node in self.primaries():
            if slot in self._self(node).slots:
                return node
        raise LookupError(f"no living primary owns the slot {slot}")

    def _slot_table(self) -> list[int]:
        table = [-1] * SLOTS
        for node in self.primaries():
            number = self.nodes.index(node)
            for slot in self._self(node).slots:
                table[slot] = number
        if -1 in table:
            raise LookupError(f"no living primary owns the slot {table.index(-1)}")
        return table

    def _self(self, node: RedisServer) -> _Seen:
        return next(seen for seen in _seen(node) if "myself" in seen.flags)


class _Seen(NamedTuple):
    """What a node says about a node; `moving` are slots that it moves away or takes in."""

    name: bytes
    host: str
    flags: set[str]
    epoch: int
    linked: bool
    slots: set[int]
    moving: set[int]


def _seen(node: RedisServer) -> list[_Seen]:
    found = []
    for line in _command(node, "CLUSTER", "NODES").decode().splitlines():
        name, address, flags, _primary, _ping, _pong, epoch, link, *slots = line.split()
        _ip, _comma, names = address.partition(",")
        owned: set[int] = set()
        moving: set[int] = set()
        for item in slots:
            if item.startswith("["):
                moving.add(int(item[1:].split("-")[0]))
            else:
                first, _dash, last = item.partition("-")
                owned.update(range(int(first), int(last or first) + 1))
        host = names.split(",")[0]
        found.append(
            _Seen(name.encode(), host, set(flags.split(",")), int(epoch), link == "connected", owned, moving),
        )
    return found


# -- of both -----------------------------------------------------------------------------------------------------------


def _passwords(password: str | None) -> dict[str, ConfigValue]:
    return {"requirepass": password, "masterauth": password} if password else {}


def _started(make: Callable[[], RedisServer]) -> RedisServer:
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


def _wait_for(problem: Callable[[], str], timeout: float, what: str) -> None:
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


def _alive(servers: Iterable[RedisServer]) -> list[RedisServer]:
    return [server for server in servers if server.running]


def _command(server: RedisServer, *words: Any) -> Any:
    # the name alone as first word: redis-py leaves such a reply as it is
    with server.admin(socket_timeout=10) as admin:
        return admin.execute_command(*words)


def _replication(server: RedisServer) -> dict[str, Any]:
    with server.admin(socket_timeout=5) as admin:
        return dict(admin.info("replication"))


def _role(server: RedisServer) -> str:
    try:
        return str(_replication(server)["role"])
    except (redis.ConnectionError, redis.TimeoutError):
        return ""


def _link_problem(replica: RedisServer) -> str:
    return "" if _replication(replica).get("master_link_status") == "up" else "it is not linked to its primary"


def _behind(replicas: Iterable[RedisServer], offset: int) -> str:
    behind = [node.port for node in replicas if _replication(node).get("slave_repl_offset", -1) < offset]
    return f"they have not got everything: {behind}" if behind else ""


def _online(info: dict[str, Any]) -> int:
    return sum(
        isinstance(one, dict) and one["state"] == "online"
        for name, one in info.items()
        if name.startswith("slave") and name[5:].isdigit()
    )


def _pairs(flat: list[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2])}


def _empty(primaries: Iterable[RedisServer], replicas: int) -> None:
    for server in primaries:
        with server.admin() as admin:
            admin.execute_command("FLUSHALL", "SYNC")
            if replicas and admin.execute_command("WAIT", replicas, 20_000) < replicas:
                raise TimeoutError(f"the replicas of {server.port} did not confirm that they are empty")


def _restore_settings(server: RedisServer) -> None:
    with server.admin() as admin:
        for name, value in server._read_config().items():
            if name not in _ROLE_SETTINGS and server._baseline[name] != value:
                admin.execute_command("CONFIG SET", name, server._baseline[name])
        if server._read_acl() != server._acl:
            server._restore_acl(admin)
