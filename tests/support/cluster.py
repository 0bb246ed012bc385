# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private cluster of real servers; it survives the loss of a primary.

```python
with RedisCluster("valkey-9.1") as cluster:
    cluster.mset({b"market:data:1": b"x"})
    cluster.migrate(cluster.slot(b"market:data:1"), cluster.primaries()[2])
```
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import redis
import redis.cluster
from redis.crc import key_slot

from . import dataset
from .members import (
    HOST,
    REPLICATION,
    Members,
    alive,
    command,
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
from .processes import wait_until
from .servers import ConfigValue, RedisServer
from .tls import Certificates, make_certificates

SLOTS = 16_384


class RedisCluster(Members):
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
            **REPLICATION,
            **passwords(password),
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
                node = start_on_free_port(partial(self._node, number))
                self._stack.callback(node.close)
                self.nodes.append(node)
                self._shards[number % primaries].append(node)
                self._ids[command(node, "CLUSTER", "MYID")] = node
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
            claims = [(seen.epoch, node) for node in alive(shard) if "master" in (seen := self._self(node)).flags]
            if claims:
                found.append(max(claims, key=lambda claim: claim[0])[1])
        return found

    def replicas(self) -> list[RedisServer]:
        """Return the living nodes that are no primaries, in the order of `nodes`."""
        primaries = self.primaries()
        return [node for node in alive(self.nodes) if node not in primaries]

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
        wait_until_fine(self._problem, timeout, "a healthy cluster")

    # -- data ------------------------------------------------------------------------------------------------------

    def client(self, **options: Any) -> redis.cluster.RedisCluster:
        """Return a cluster client as the default user, without TLS: bytes in, bytes out."""
        known = {node.port for node in self.nodes}
        make: Any = redis.cluster.ClusterNode
        settings: dict[str, Any] = {
            "startup_nodes": [make(node.host, node.port) for node in alive(self.nodes)],
            "password": self.password,
            "protocol": 2,
            "socket_timeout": 60,
            "address_remap": lambda address: (HOST, address[1]) if address[1] in known else address,
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
        return sum(int(command(node, "DBSIZE")) for node in self.primaries())

    # -- breaking and repairing --------------------------------------------------------------------------------------

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
        if alive(others):

            def taken_over() -> bool:
                return any("master" in self._self(node).flags for node in alive(others))

            wait_until(taken_over, timeout, "another node to take over the shard", 0.02)
        server.start()
        wait_until_fine(lambda: self._revival_problem(server, others), timeout, "the revived node")

    def fail_over(self, shard_index: int, timeout: float = 60) -> RedisServer:
        """Have the first living replica of a shard take over in an orderly way, and return it."""
        shard = self._shards[shard_index]
        replica = next(node for node in alive(shard) if "slave" in self._self(node).flags)
        wait_until_fine(lambda: link_problem(replica), timeout, "the replica that takes over")
        asked = 0.0

        def promoted() -> bool:
            nonlocal asked
            if "master" in self._self(replica).flags:
                return True
            # a request that the primary did not answer in time is dropped without a word
            if time.monotonic() - asked > 6:
                asked = time.monotonic()
                command(replica, "CLUSTER", "FAILOVER")
            return False

        wait_until(promoted, timeout, "the replica to take over", 0.02)
        return replica

    def begin_migration(self, slot: int, target: RedisServer) -> None:
        """Open the move of a slot: its owner sends clients on to the target for keys that it does not have."""
        source = self._owner(slot)
        if source is target:
            raise ValueError(f"the slot {slot} is on {target.port} already")
        command(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.node_id(source))
        command(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.node_id(target))

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
        offset = replication(target)["master_repl_offset"]
        followers = [node for node in alive(self.shard_of(target)) if node is not target]
        wait_until_fine(lambda: _behind(followers, offset), 20, "the replicas of the target")
        return len(names)

    def finish_migration(self, slot: int, target: RedisServer) -> None:
        """Close the move of an empty slot: it belongs to the target now."""
        source = self._owner(slot)
        others = [node for node in self.primaries() if node not in (source, target)]
        for node in (target, source, *others):
            command(node, "CLUSTER", "SETSLOT", slot, "NODE", self.node_id(target))

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
                empty([node], replicas=0)
                command(node, "CLUSTER", "SETSLOT", slot, "STABLE")
        self.wait_healthy()
        primaries = self.primaries()
        empty(primaries, replicas=self._shape[1])
        for index, slots in enumerate(self._start_slots()):
            for slot in sorted(set(slots) - self._self(primaries[index]).slots):
                self.migrate(slot, primaries[index])
        self.wait_healthy()
        for node in self.nodes:
            restore_settings(node)
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
            command(node, "CLUSTER", "ADDSLOTSRANGE", slots.start, slots.stop - 1)
        for number, node in enumerate(self.nodes):
            # two nodes of one epoch would quarrel first
            command(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            # gossip alone would take seconds to make everybody known to everybody
            for other in self.nodes[:number]:
                port = other.tls_port if self._tls else other.port
                command(node, "CLUSTER", "MEET", other.host, port, other._config["cluster_port"])
        wait_until_fine(self._meeting_problem, 30, "the nodes to meet")
        for shard in self._shards:
            for replica in shard[1:]:
                command(replica, "CLUSTER", "REPLICATE", self.node_id(shard[0]))

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
            if b"cluster_state:ok" not in command(node, "CLUSTER", "INFO"):
                return f"{node.port} does not see the cluster as ok"
        return next(filter(None, map(self._shard_problem, self._shards)), "")

    def _shard_problem(self, shard: list[RedisServer]) -> str:
        infos = {node.port: replication(node) for node in shard}
        primaries = [port for port, info in infos.items() if info["role"] == "master"]
        if len(primaries) != 1:
            return f"a shard with the primaries {primaries}"
        for port, info in infos.items():
            if port == primaries[0]:
                if online_replicas(info) != len(shard) - 1:
                    return f"the primary {port} has {online_replicas(info)} replicas online"
            elif info["master_link_status"] != "up":
                return f"the replica {port} is not linked"
        return ""

    def _revival_problem(self, server: RedisServer, others: list[RedisServer]) -> str:
        seen = self._self(server)
        if "slave" in seen.flags:
            return link_problem(server)
        if not alive(others):
            return "" if seen.slots else "it has no slots"
        # as long as it counts its slots as its own it has not heard of the new primary; without slots, it follows
        # of its own accord only a primary that has no slots but these
        if not seen.slots:
            leaders = [node for node in alive(others) if "master" in self._self(node).flags]
            for leader in leaders[:1]:
                command(server, "CLUSTER", "REPLICATE", self.node_id(leader))
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
    for line in command(node, "CLUSTER", "NODES").decode().splitlines():
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


def _behind(replicas: Iterable[RedisServer], offset: int) -> str:
    behind = [node.port for node in replicas if replication(node).get("slave_repl_offset", -1) < offset]
    return f"they have not got everything: {behind}" if behind else ""
