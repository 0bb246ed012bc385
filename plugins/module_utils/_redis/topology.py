# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the primaries of a Redis are at this moment, as Sentinels or the nodes of a cluster say. PRIVATE."""

from __future__ import annotations

import binascii
import concurrent.futures
import contextlib
import socket
import threading
import typing as t
from dataclasses import dataclass

from .._errors import InvalidInput, Refused, RunbookError
from .connection import (
    Address,
    CommandError,
    Connection,
    LoginRefused,
    RedisSettings,
    RedisUnavailable,
    ServerInfo,
    parse_info,
    parse_replicas,
)

_LOGIN_CODES = ("NOAUTH", "WRONGPASS", "NOPERM")
STANDALONE = "standalone"
SENTINEL = "sentinel"
CLUSTER = "cluster"
SLOTS = 16384
_MOST_THREADS = 8
# How long the other Sentinels may take for an answer once one has given its own.
_OTHERS_SECONDS = 2.0
_GONE = frozenset({"fail", "fail?", "handshake", "noaddr"})


def slot_of(key: bytes) -> int:
    """Return the hash slot of a key: CRC16/XMODEM of its hash tag, if it has one that is not empty, else of all."""
    start = key.find(b"{")
    if start >= 0 and (end := key.find(b"}", start + 1)) > start + 1:
        key = key[start + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOTS


def pattern_slot(pattern: bytes) -> int | None:
    """Return the slot of all keys that a glob can match, if its hash tag is literal; None if they may be anywhere."""
    start = pattern.find(b"{")
    end = pattern.find(b"}", start + 1) if start >= 0 else -1
    if end <= start + 1 or any(char in pattern[:end] for char in b"*?[\\"):
        return None
    return slot_of(pattern)


class Endpoint:
    """Where one session connects to. ``can_fail_over``: whether another process may take this one's place."""

    can_fail_over = True

    def locate(self) -> RedisSettings:
        """Return how to reach the server now; raise RedisUnavailable if nobody says."""
        raise NotImplementedError

    def check_ready(self, connection: Connection) -> None:
        """Raise RedisUnavailable if the server at the other end cannot take writes yet."""

    def is_restart(self, before: ServerInfo, after: ServerInfo) -> bool:
        """Tell whether a process is known to have the data of the one before, though its replication began anew."""
        return False


@dataclass(frozen=True)
class FixedServer(Endpoint):
    """The server that the URL names, whatever it is."""

    settings: RedisSettings
    can_fail_over = False

    def locate(self) -> RedisSettings:
        return self.settings


@dataclass(frozen=True)
class ClusterReplica(FixedServer):
    """A replica in a cluster, which is read from."""

    shard: Shard | None = None

    def check_ready(self, connection: Connection) -> None:
        connection.execute(b"READONLY")


class _Answer(t.NamedTuple):
    """What one Sentinel says: where the primary is, and which other Sentinels there are, by their fields."""

    primary: Address
    others: list[dict[str, str]]


class SentinelPrimary(Endpoint):
    """The primary of a service, which its Sentinels know.

    ``members`` are names of the Sentinels that do not change with a restart, a failover, or whoever is asked first.
    """

    def __init__(self, settings: RedisSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._sentinels = settings.seeds()
        self.service = settings.sentinel_service
        self.members: set[str] = set()

    def locate(self) -> RedisSettings:
        """Ask one Sentinel, then the others that it sees as alive; raise RedisUnavailable unless they agree."""
        failure: RunbookError | None = None
        for address in list(self._sentinels):
            try:
                answer = self._ask(self._settings.sentinel_at(address))
            except (RedisUnavailable, CommandError, InvalidInput) as exc:
                failure = failure or exc
                # The next attempt begins with another one.
                self._sentinels.append(self._sentinels.pop(0))
                continue
            self._check_agreed({address: answer.primary, **self._ask_others(address, answer)})
            return self._settings.at(self._settings.reached_at(answer.primary))
        if failure is None:
            raise InvalidInput("There is no Sentinel to ask; name one in O(url), or several in O(nodes).")
        if isinstance(failure, InvalidInput):
            raise failure
        if isinstance(failure, LoginRefused) or (isinstance(failure, CommandError) and failure.code in _LOGIN_CODES):
            reason = str(failure).partition("; ")[0]
            raise LoginRefused(
                f"The Sentinels refuse the login ({reason}); check O(sentinel_username) and "
                "O(sentinel_password), or the environment variable REDIS_SENTINEL_PASSWORD."
            ) from failure
        raise RedisUnavailable(f"No Sentinel could be asked for the primary: {failure}") from failure

    def _ask_others(self, first: Address, answer: _Answer) -> dict[Address, Address]:
        """Return what the others say that answer soon; what they know of further ones is learnt, too.

        Those that the first one sees as dead are spared the time, unless it sees no majority: then it may be alone
        on its side of a network that is split, and nobody has told it of a failover.
        """
        down = self._learn(answer)
        if 2 * len(down) > len(answer.others):
            down.clear()
        others = [address for address in self._sentinels if address != first and address not in down]
        if not others:
            return {}

        def ask(address: Address) -> _Answer | None:
            try:
                return self._ask(self._settings.sentinel_at(address).impatient(_OTHERS_SECONDS))
            except RunbookError:
                return None

        with concurrent.futures.ThreadPoolExecutor(min(len(others), _MOST_THREADS)) as pool:
            answers = {address: found for address, found in zip(others, pool.map(ask, others)) if found}
        for found in answers.values():
            self._learn(found)
        return {address: found.primary for address, found in answers.items()}

    def _check_agreed(self, told: t.Mapping[Address, Address]) -> None:
        if len(set(told.values())) == 1:
            return
        claimed: list[tuple[set[object], list[Address]]] = []
        for sentinel, primary in told.items():
            places = _resolved(self._settings.reached_at(primary))
            known = next((claim for claim in claimed if claim[0] & places), None)
            if known is None:
                claimed.append((places, [sentinel]))
            else:
                known[0].update(places)
                known[1].append(sentinel)
        if len(claimed) > 1:
            claims = ", ".join(
                f"{_in_words(told[sentinels[0]])} is the primary for {' and '.join(map(_in_words, sentinels))}"
                for _places, sentinels in claimed
            )
            raise RedisUnavailable(
                f"The Sentinels disagree about {self.service} ({claims}); wait until the failover has ended, or have "
                "those that are wrong forget it (SENTINEL REMOVE), then run the same command again."
            )

    def check_ready(self, connection: Connection) -> None:
        if connection.server.role != "primary":
            raise RedisUnavailable(
                f"Sentinel names {connection.server.url} as the primary, which says that it is a "
                f"{connection.server.role}; wait until the failover has ended, then run the same command again."
            )

    def _ask(self, place: RedisSettings) -> _Answer:
        with contextlib.closing(Connection(place, self._name)) as connection:
            if connection.server.mode != SENTINEL:
                raise Refused(
                    f"{connection.server.url} is no Sentinel but a {connection.server.mode} server; name a Sentinel "
                    "(port 26379 as a rule), or leave O(topology) and O(sentinel_service) empty."
                )
            if not self.service:
                self.service = self._only_service(connection)
            service = self.service.encode()
            found = connection.execute(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service)
            if not found:
                raise InvalidInput(
                    f"The Sentinel at {connection.server.url} knows no service {self.service!r}; known are "
                    f"{', '.join(self._services(connection)) or 'none'}: set O(sentinel_service) to one of them."
                )
            others = connection.execute(b"SENTINEL", b"SENTINELS", service, optional=True) or []
            return _Answer((found[0].decode(), int(found[1])), list(map(_fields, others)))

    def _only_service(self, connection: Connection) -> str:
        services = self._services(connection)
        if len(services) != 1:
            raise InvalidInput(
                f"The Sentinel at {connection.server.url} watches {', '.join(services) or 'no service'}; "
                "set O(sentinel_service) to the one that is meant."
            )
        return services[0]

    @staticmethod
    def _services(connection: Connection) -> list[str]:
        entries = connection.execute(b"SENTINEL", b"MASTERS", optional=True) or []
        return sorted(_fields(entry)["name"] for entry in entries)

    def _learn(self, answer: _Answer) -> set[Address]:
        """Note the Sentinels that another one knows; return those that it sees as dead."""
        down = set()
        for about in answer.others:
            address = self._settings.reached_at((about["ip"], int(about["port"])))
            if address not in self._sentinels:
                self._sentinels.append(address)
            if {"s_down", "disconnected"} & set(about.get("flags", "").split(",")):
                down.add(address)
            if about.get("runid"):
                self.members.add(f"{self.service}@{about['runid']}")
        return down


@dataclass(frozen=True)
class Shard:
    """A primary of a cluster with its slots. ``members`` are the node ids of the primary and of its replicas."""

    node: str
    address: Address
    members: frozenset[str]
    slots: frozenset[int]


class ClusterMap:
    """The shards of a cluster, as one of its nodes sees them; may be asked by several threads."""

    def __init__(self, settings: RedisSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._known = settings.seeds()
        if not self._known:
            raise InvalidInput(
                f"{settings.normal_url} is the socket of one node of a cluster, whose other nodes are reached by TCP; "
                "name a node as host:port in O(url) or O(nodes)."
            )
        self._mutex = threading.Lock()
        self.shards: list[Shard] = []
        self.epoch = 0

    def refresh(self) -> list[Shard]:
        """Ask a node that answers and that sees the cluster as working; raise RedisUnavailable if there is none."""
        with self._mutex:
            failure: RedisUnavailable | CommandError | None = None
            for address in list(self._known):
                try:
                    connection = Connection(self._settings.at(address), self._name)
                    try:
                        self.shards = self._read(connection, address)
                        return self.shards
                    finally:
                        connection.close()
                except (RedisUnavailable, CommandError) as exc:
                    failure = failure or exc
                    self._known.append(self._known.pop(0))
            raise RedisUnavailable(f"No node of the cluster could be asked for its slots: {failure}") from failure

    def owner(self, slot: int) -> Shard:
        """Return the shard that has a slot; raise RedisUnavailable if there is none."""
        found = next((shard for shard in self.shards if slot in shard.slots), None)
        found = found or next((shard for shard in self.refresh() if slot in shard.slots), None)
        if found is None:
            raise no_owner(slot)
        return found

    def _read(self, connection: Connection, asked: Address) -> list[Shard]:
        if connection.server.mode != CLUSTER:
            raise InvalidInput(
                f"{connection.server.url} is no node of a cluster but a {connection.server.mode} server; "
                "set O(topology) to that, or to auto."
            )
        about = connection.execute(b"CLUSTER", b"INFO", optional=True)
        if about is not None and b"cluster_state:ok" not in about:
            raise RedisUnavailable(
                f"The cluster is down, as its node {connection.server.url} says; "
                "repair it, then run the same command again."
            )
        slots: dict[str, set[int]] = {}
        places: dict[str, tuple[Address, frozenset[str]]] = {}
        for first, last, *members in connection.execute(b"CLUSTER", b"SLOTS"):
            names = [member[2].decode() for member in members]
            addresses = [self._address((member[0] or b"").decode(), int(member[1]), asked) for member in members]
            slots.setdefault(names[0], set()).update(range(first, last + 1))
            places[names[0]] = addresses[0], frozenset(names)
            self._known += [address for address in addresses if address not in self._known]
        if about is not None:
            self.epoch = int(parse_info(about).get("cluster_current_epoch", 0))
        shards = [Shard(node, *places[node], frozenset(numbers)) for node, numbers in slots.items()]
        return shards + self._empty_shards(connection, asked, set(slots))

    def _empty_shards(self, connection: Connection, asked: Address, known: set[str]) -> list[Shard]:
        """Return the primaries without slots: their first ones may be on their way."""
        return [
            Shard(node.name, self._address(node.host, node.port, asked), frozenset([node.name]), frozenset())
            for node in _nodes(connection)
            if "master" in node.flags and node.name not in known and not _GONE & node.flags
        ]

    def _address(self, host: str, port: int, asked: Address) -> Address:
        """Return where a node is; one that does not know its own address is the one that was asked."""
        return (asked[0], port) if host in ("", "?") else self._settings.reached_at((host, port))


class _Node(t.NamedTuple):
    """A line of CLUSTER NODES. ``moves`` are the slots on their way, which only a node's own line has."""

    name: str
    host: str
    port: int
    flags: frozenset[str]
    moves: list[str]


def _nodes(connection: Connection) -> t.Iterator[_Node]:
    for line in (connection.execute(b"CLUSTER", b"NODES", optional=True) or b"").decode().splitlines():
        name, place, flags, _primary, _ping, _pong, _epoch, _link, *slots = line.split(" ")
        address, _at, more = place.partition("@")
        host, _colon, port = address.rpartition(":")
        announced = more.partition(",")[2].partition(",")[0]
        moves = [word[1:-1] for word in slots if word.startswith("[")]
        yield _Node(name, announced or host, int(port), frozenset(flags.split(",")), moves)


def importing_slots(connection: Connection) -> set[int]:
    """Return the slots that are on their way to a node; its keys of these answer only to ASKING."""
    own = next((node for node in _nodes(connection) if "myself" in node.flags), None)
    return {int(move.partition("-<-")[0]) for move in own.moves if "-<-" in move} if own else set()


class ClusterShard(Endpoint):
    """The primary of one shard, whichever of its nodes that is."""

    def __init__(self, settings: RedisSettings, cluster: ClusterMap, shard: Shard) -> None:
        self._settings = settings
        self._cluster = cluster
        self.shard = shard

    def locate(self) -> RedisSettings:
        self.shard = self.find(self._cluster.refresh()) or self.shard
        return self._settings.at(self.shard.address)

    def find(self, shards: t.Iterable[Shard]) -> Shard | None:
        """Return what has become of this shard: the same primary, or one that was its replica."""
        by_node = {shard.node: shard for shard in shards}
        family = [by_node[node] for node in (self.shard.node, *sorted(self.shard.members)) if node in by_node]
        # After a failover the old primary counts as one for a while still, without slots.
        found = next((shard for shard in family if shard.slots), family[0] if family else None)
        if found is None and self.shard.slots:
            # A replica that has come from elsewhere meanwhile.
            most = max(by_node.values(), key=lambda shard: len(shard.slots & self.shard.slots), default=None)
            found = most if most and 2 * len(most.slots & self.shard.slots) > len(self.shard.slots) else None
        return found

    def check_ready(self, connection: Connection) -> None:
        if connection.server.role != "primary":
            raise RedisUnavailable(
                f"The node {connection.server.url} is a {connection.server.role} now, and no primary has taken its "
                "slots yet; wait until the failover has ended, then run the same command again."
            )


def _resolved(address: Address) -> set[object]:
    """Return where a name leads, since one Sentinel may name an address and another one its name, which has several."""
    try:
        return {found[4][:2] for found in socket.getaddrinfo(*address, type=socket.SOCK_STREAM)}
    except OSError:
        return {address}


def _in_words(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def no_owner(slot: int) -> RedisUnavailable:
    return RedisUnavailable(f"No node of the cluster owns the slot {slot}; repair the cluster first.")


def replica_addresses(settings: RedisSettings, replication: t.Mapping[str, str]) -> list[Address]:
    """Return where the replicas are that a primary's INFO replication names and that are in sync."""
    return [
        settings.reached_at((replica["ip"], int(replica["port"])))
        for replica in parse_replicas(replication)
        if replica.get("state") == "online"
    ]


def _fields(entry: t.Sequence[bytes]) -> dict[str, str]:
    texts = [item.decode() for item in entry]
    return dict(zip(texts[::2], texts[1::2]))
