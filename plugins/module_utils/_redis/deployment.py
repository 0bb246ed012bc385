# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Redis as its operator sees it: one server, one behind Sentinels, or a cluster of several. PRIVATE."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import typing as t
from dataclasses import replace

from .._errors import Interrupted, InvalidInput, RunbookError
from .._wait import pause, wait_until
from .connection import (
    ASKING,
    PASSING,
    CommandError,
    Connection,
    LoginRefused,
    RedisSettings,
    RedisUnavailable,
    Reply,
    ServerInfo,
    checked,
    is_error,
    is_redirect,
    pack,
    refused,
)
from .session import FAILOVER_SECONDS, RECONNECT_SECONDS, Session
from .topology import (
    CLUSTER,
    SENTINEL,
    SLOTS,
    STANDALONE,
    ClusterMap,
    ClusterReplica,
    ClusterShard,
    Endpoint,
    FixedServer,
    SentinelPrimary,
    importing_slots,
    no_owner,
    pattern_slot,
    replica_addresses,
    slot_of,
)

_MOST_THREADS = 16
_REDIRECTS = 20
_REDIRECT_PAUSE = 0.1

T = t.TypeVar("T")


class Abandoned(Interrupted):
    """Another node has failed, so that the work on this one stops at a safe point."""


class Deployment:
    """The primaries of one Redis, with a session for each.

    ``server`` stands for all of them: in a cluster and behind Sentinels its ``url`` is the one that was asked for,
    which does not change with a failover. ``topology`` is what was found.
    """

    def __init__(self, settings: RedisSettings, name: str, check_stop: t.Callable[[], None] = lambda: None) -> None:
        """Find out what it is and connect; raise RedisUnavailable, InvalidInput or Refused with one sentence."""
        if settings.network:
            settings = settings.network.prepare(settings, name)
        self.settings = settings
        self._name = name
        self._check_stop = check_stop
        self._abandoned = threading.Event()
        self._mutex = threading.Lock()
        self._routed: dict[str, Connection] = {}
        self._map: ClusterMap | None = None
        self.sessions: list[Session] = []
        self.topology = settings.topology
        if self.topology == "auto":
            self.topology = SENTINEL if settings.sentinel_service else self._ask_for_topology()
        if self.topology == CLUSTER:
            self._map = ClusterMap(settings, name)
            self.sessions = self._clustered_sessions(self._map)
        else:
            self.sessions = [Session(self._only_endpoint(), name, self.check)]
        first = self.sessions[0].server
        if self.topology == STANDALONE:
            self._refuse_other_modes(first)
        url = settings.normal_url
        members: set[str] = set()
        if isinstance(found := self.sessions[0].endpoint, SentinelPrimary):
            url += f" (Sentinel service {found.service})"
            members = found.members
        elif self.clustered:
            members = {node for session in self.sessions for node in _clustered(session).shard.members}
        if settings.network:
            url += f" ({settings.network})"
        run_id = "+".join(sorted(session.server.run_id for session in self.sessions))
        self.server: ServerInfo = replace(first, url=url, run_id=run_id, members=tuple(sorted(members)))

    @property
    def clustered(self) -> bool:
        return self._map is not None

    @property
    def reconnects(self) -> int:
        return sum(session.reconnects for session in self.sessions)

    @property
    def failovers(self) -> int:
        return sum(session.failovers for session in self.sessions)

    def _only_endpoint(self) -> Endpoint:
        if self.topology == SENTINEL:
            return SentinelPrimary(self.settings, self._name)
        if self.settings.network:
            return t.cast(Endpoint, self.settings.network.primary(self.settings, self._name))
        return FixedServer(self.settings)

    def check(self) -> None:
        """Raise Interrupted if a stop was requested, or Abandoned if another node has failed."""
        self._check_stop()
        if self._abandoned.is_set():
            raise Abandoned("stopped because another node failed")

    def close(self) -> None:
        for session in self.sessions:
            session.close()
        for connection in self._routed.values():
            with contextlib.suppress(OSError):
                connection.close()

    # -- all nodes at once -------------------------------------------------------------------------------------------

    def each(self, work: t.Callable[[Session], T], sessions: t.Sequence[Session] | None = None) -> list[T]:
        """Do the work for every primary, in parallel; if it fails for one, stop the others and raise that error."""
        sessions = self.sessions if sessions is None else sessions
        if len(sessions) == 1:
            return [work(sessions[0])]
        with concurrent.futures.ThreadPoolExecutor(min(len(sessions), _MOST_THREADS) or 1) as pool:
            futures = [pool.submit(work, session) for session in sessions]
            concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            if any(future.done() and future.exception() for future in futures):
                self._abandoned.set()
        self._abandoned.clear()
        errors = [error for future in futures if (error := future.exception())]
        # What a user asked for comes before what a node had, and both before what followed from it.
        errors.sort(key=lambda error: (isinstance(error, Abandoned), not isinstance(error, Interrupted)))
        if errors:
            raise errors[0]
        return [future.result() for future in futures]

    # -- the cluster -------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look at the cluster again: which primaries there are, and which slots they own."""
        if self._map is not None:
            self.sessions = self._clustered_sessions(self._map)

    @property
    def epoch(self) -> int:
        """A number that grows whenever a slot or a shard changes hands; 0 without a cluster."""
        return self._map.epoch if self._map else 0

    def slots_of(self, session: Session) -> frozenset[int] | None:
        """Return the slots that a node owned when the cluster was last looked at; None without a cluster."""
        return _clustered(session).shard.slots if self.clustered else None

    def serves(self, session: Session, *patterns: bytes) -> bool:
        """Tell whether a node may hold keys that match a pattern: all may, unless hash tags name the slots."""
        if self._map is None:
            return True
        slots = set(map(pattern_slot, patterns))
        own = _clustered(session).shard.slots
        return None in slots or bool(slots & own) or not slots.isdisjoint(importing_slots(session.data))

    def session_of(self, key: bytes) -> Session:
        """Return the session of the primary that owns a key."""
        if self._map is None:
            return self.sessions[0]
        slot = slot_of(key)
        for _attempt in range(2):
            for session in self.sessions:
                if slot in _clustered(session).shard.slots:
                    return session
            self.refresh()
        raise no_owner(slot)

    def execute(self, key: bytes, *words: bytes, optional: bool = False, patient: bool = True) -> Reply:
        """Run one command on the owner of a key, wherever a cluster has moved it; raise as Connection.execute does.

        ``patient`` waits for lost connections and failovers. May be called by several threads: its connections are
        none of the sessions'.
        """
        last: list[RunbookError] = []
        can_fail_over = self.sessions[0].endpoint.can_fail_over

        def attempt() -> tuple[Reply] | None:
            try:
                reply = self._on_owner(key, words)
            except RedisUnavailable as exc:
                last[:] = [exc]
                return None
            if is_error(reply) and can_fail_over and (refusal := refused(words[0].decode(), reply)).code in PASSING:
                last[:] = [refusal]
                return None
            return (reply,)

        with self._mutex:
            limit = FAILOVER_SECONDS if can_fail_over else RECONNECT_SECONDS
            found = wait_until(attempt, limit if patient else 0.0, max_interval=1.0, before_sleep=self.check)
        if found is None:
            raise last[0]
        return checked(words, found[0], optional=optional)

    def _on_owner(self, key: bytes, words: t.Sequence[bytes]) -> Reply:
        reply: Reply = None
        for _attempt in range(_REDIRECTS):
            connection = self._connection_to_owner(key)
            try:
                reply = connection.pipeline([pack(*words)])[0]
            except RedisUnavailable:
                self._routed = {place: other for place, other in self._routed.items() if other is not connection}
                connection.close()
                if self._map is not None:
                    self._map.refresh()
                raise
            if is_redirect(reply) and self._map is not None:
                reply = self._follow(reply, words)
            if not is_redirect(reply):
                break
            pause(_REDIRECT_PAUSE, self.check)
        return reply

    def _connection_to_owner(self, key: bytes) -> Connection:
        if self._map is None:
            session = self.sessions[0]
            # While the connection is to the primary that we know, nobody has to be asked where that is.
            if session.server.run_id not in self._routed:
                self._routed[session.server.run_id] = Connection(session.endpoint.locate(), self._name)
            return self._routed[session.server.run_id]
        place = self.settings.at(self._map.owner(slot_of(key)).address)
        if place.url not in self._routed:
            self._routed[place.url] = Connection(place, self._name)
        return self._routed[place.url]

    def _follow(self, redirect: Reply, words: t.Sequence[bytes]) -> Reply:
        """Ask the node to which a key is being moved, or look at the cluster again; return the last reply."""
        code, _slot, place = [*str(redirect).split(" "), "", ""][:3]
        if code == "ASK":
            host, _colon, port = place.rpartition(":")
            address = self.settings.reached_at((host or self.settings.seeds()[0][0], int(port)))
            with contextlib.closing(Connection(self.settings.at(address), self._name)) as target:
                return target.pipeline([ASKING, pack(*words)])[1]
        if code == "MOVED" and self._map is not None:
            self._map.refresh()
        return redirect

    # -- replicas ----------------------------------------------------------------------------------------------------

    def reading_sessions(self) -> tuple[list[Session], list[str]]:
        """Return sessions for passes that only read, on a replica of each primary, and notices for people."""
        sessions, notices = [], []
        for session in self.sessions:
            replication = session.data.info("replication")
            for address in replica_addresses(self.settings, replication):
                place = self.settings.at(address)
                endpoint = (
                    ClusterReplica(place, shard=_clustered(session).shard) if self.clustered else FixedServer(place)
                )
                try:
                    sessions.append(Session(endpoint, self._name, self.check))
                    break
                except (RedisUnavailable, CommandError) as exc:
                    notices.append(f"A replica could not be read: {exc}")
            else:
                notices.append(f"{session.server.url} has no replica that could be read: it was counted itself.")
                sessions.append(session)
        return sessions, notices

    # -- finding out -------------------------------------------------------------------------------------------------

    def _ask_for_topology(self) -> str:
        failure: RedisUnavailable | None = None
        for place in [self.settings.at(address, database=0) for address in self.settings.seeds()] or [self.settings]:
            try:
                return self._ask_server_or_sentinel(place.impatient() if self.settings.network else place)
            except RedisUnavailable as exc:
                failure = failure or exc
        if self.settings.network and not isinstance(failure, LoginRefused):
            # Whoever looks for the primary says what is wrong with all of them.
            return STANDALONE
        raise t.cast(RedisUnavailable, failure)

    def _ask_server_or_sentinel(self, place: RedisSettings) -> str:
        try:
            return self._topology_of(place)
        except LoginRefused:
            # Sentinels have users and passwords of their own.
            own = replace(place, username=self.settings.sentinel_username, password=self.settings.sentinel_password)
            with contextlib.suppress(RedisUnavailable, CommandError):
                if self._topology_of(own) == SENTINEL:
                    return SENTINEL
            raise

    def _topology_of(self, place: RedisSettings) -> str:
        with contextlib.closing(Connection(place, self._name)) as connection:
            mode = connection.server.mode
            return mode if mode in (SENTINEL, CLUSTER) else STANDALONE

    def _refuse_other_modes(self, server: ServerInfo) -> None:
        if server.mode in (SENTINEL, CLUSTER):
            self.close()
            raise InvalidInput(
                f"{server.url} is a {'Sentinel' if server.mode == SENTINEL else 'node of a cluster'}, "
                f"O(topology) says standalone; set it to {server.mode} or auto."
            )

    def _clustered_sessions(self, cluster: ClusterMap) -> list[Session]:
        shards = cluster.refresh()
        known: dict[str, Session] = {}
        for session in self.sessions:
            endpoint = _clustered(session)
            shard = endpoint.find(shards)
            if shard is None or shard.node in known:
                session.close()
            else:
                endpoint.shard = shard
                known[shard.node] = session
        sessions = []
        for shard in sorted(shards, key=lambda shard: min(shard.slots, default=SLOTS)):
            if shard.node in known:
                sessions.append(known[shard.node])
                continue
            try:
                endpoint = ClusterShard(self.settings, cluster, shard)
                place = self.settings.at(shard.address)
                sessions.append(Session(endpoint, self._name, self.check, place=place))
            except RedisUnavailable:
                if shard.slots:
                    raise
        return sessions


class Tally:
    """A number for each node, added up for whoever watches; several threads may set theirs."""

    def __init__(self, on_change: t.Callable[[int], None]) -> None:
        self._mutex = threading.Lock()
        self._numbers: dict[object, int] = {}
        self._on_change = on_change

    def set(self, node: object, number: int) -> None:
        with self._mutex:
            self._numbers[node] = number
            self._on_change(sum(self._numbers.values()))


def _clustered(session: Session) -> ClusterShard:
    return t.cast(ClusterShard, session.endpoint)
