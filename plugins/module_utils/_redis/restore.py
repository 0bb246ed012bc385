# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting a backup back. PRIVATE to the collection.

A key may stand in a backup more than once (it was deleted, written again, and deleted again); its last record counts.
So the backup is read from its end. A key that exists hides its earlier records, and so does a record that has expired
or, where keys are overwritten, one that was seen before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import time
import typing as t
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .._errors import Interrupted, InvalidInput, Refused, RunbookError
from .._report.text import plural
from .._run import JOURNAL, LOCK, MANIFEST, Progress, Stop, exclusive, is_held, read_manifest
from .._time import read_time
from . import backup
from .backup_batches import Batch, read_batches
from .bigkey import pending_quarantines, quarantine_name
from .catalogue import CachePattern, Matcher
from .commands import KeyCommands, Need, restore_needs, server_time
from .connection import (
    CommandError,
    Connection,
    RedisSettings,
    RedisUnavailable,
    Reply,
    ServerInfo,
    checked,
    first_error,
    is_error,
    is_redirect,
    pack,
    parse_info,
    refused,
)
from .deployment import Deployment
from .memory import (
    BUFFER_BYTES,
    COMPRESSED,
    RECORD_BYTES,
    Room,
    evicted_keys,
    is_tabled,
    room_of,
    uncompressed_bytes,
    with_tables,
)
from .names import INTERNAL_PREFIX, glob_regex, printable
from .plan import check_role, check_writes
from .rdb_version import check_rdb_version
from .rights import check_commands
from .session import Session
from .topology import replica_addresses

_MANIFEST_FIELDS = {"run_id": str, "server": dict, "parts": list, "patterns": list, "started": str}
_SAMPLE_NAMES = 10
_EXISTS_KEYS = 100
_PROBE_LIFE_MS = 10_000
# How long a part of a big key outlives a restore that is killed.
_BUILDING_LIFE_MS = 300_000
# How long a replica may take that is asked for its memory.
_REPLICA_SECONDS = 2.0
_STATS = pack(b"INFO", b"stats")
# Types of a hash whose fields may expire (src/rdb.h of Redis 7.4 and Valkey 9.0).
_FIELDS_EXPIRE = frozenset({22, 23, 24, 25})
_MEMORY_SAMPLE_BATCHES = 20
_MEMORY_SAMPLE_RECORDS = 5
_MEMORY_SAMPLE_BYTES = 64 * 1024
_ANY = CachePattern("*")
_SCRATCH = INTERNAL_PREFIX + b"restore-redis:probe"


@dataclass(frozen=True)
class RestoreRequest:
    """What to put back; see the options of the module redis_restore for their meaning."""

    path: Path
    patterns: tuple[str, ...] = ()
    overwrite: bool = False
    expiry: str = "absolute"
    allow_eviction: bool = False
    check_mode: bool = False


@dataclass
class RestorePlan:
    """What a restore would do; the same in check mode and for real. Sizes are bytes.

    ``memory_bytes`` is about what the restore takes in the servers, ``memory_left`` what these have below maxmemory
    (None without a limit), and ``memory_unlimited`` tells that one of them has none. ``leftovers`` are parts of big
    keys that a restore has left which was killed. ``elsewhere`` says so if the backup is of another database or server.
    """

    server: ServerInfo
    topology: str
    backup: dict[str, t.Any]
    records: int = 0
    to_restore: int = 0
    existing: int = 0
    expired: int = 0
    payload_bytes: int = 0
    sample: list[str] = field(default_factory=list)
    not_verified: list[str] = field(default_factory=list)
    memory_bytes: int = 0
    memory_left: int | None = None
    memory_unlimited: bool = False
    leftovers: int = 0
    elsewhere: str = ""
    notices: list[str] = field(default_factory=list)

    @property
    def has_work(self) -> bool:
        return bool(self.to_restore or self.leftovers)


class _Entry(t.NamedTuple):
    """A key to restore: with ``payload``, or a big key with none. ``expires_at`` is Unix milliseconds, 0 for never.

    ``size`` is its bytes in the backup. ``hash_with_expiries`` is known of big keys here, of others by their payload.
    ``newer_stream`` is a big stream with counters that came with Redis 7.0, ``big_with_table`` a big hash or sorted set
    that has a table of its own.
    """

    key: bytes
    expires_at: int
    payload: bytes
    size: int
    hash_with_expiries: bool = False
    newer_stream: bool = False
    big_with_table: bool = False

    @property
    def tabled(self) -> bool:
        return is_tabled(self.payload) if self.payload else self.big_with_table

    @property
    def fields_expire(self) -> bool:
        return self.payload[0] in _FIELDS_EXPIRE if self.payload else self.hash_with_expiries


@dataclass
class RestoreResult:
    """What a restore would do, or did; in an error as far as it came. Times are seconds.

    ``missing`` is how many keys of the backup are not there at the end, None where nobody has counted. ``evicted`` is
    how many keys the servers have evicted meanwhile, whosever they were.
    """

    changed: bool = False
    plan: RestorePlan | None = None
    restored: int = 0
    missing: int | None = None
    evicted: int = 0
    notices: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=lambda: {"plan": 0.0, "restore": 0.0, "verify": 0.0})

    def to_plain(self) -> dict[str, t.Any]:
        return asdict(self)


def run_restore(settings: RedisSettings, request: RestoreRequest, stop: Stop, progress: Progress) -> RestoreResult:
    """Put back what a backup holds, or only plan it in check mode; return the same fields in both.

    Raises RunbookError with the RestoreResult that was reached.
    """
    manifest = _read_manifest(request.path)
    if request.expiry not in ("absolute", "remaining", "persist"):
        raise InvalidInput(
            f"O(expiry) is {request.expiry!r}, which is not known; allowed are absolute, remaining and persist."
        )
    deployment = Deployment(settings, "runbooks-restore-redis", stop.check)
    restore: _Restore | None = None
    result = RestoreResult()
    try:
        check_role(deployment)
        check_writes(deployment)
        path, manifest = _of_this_server(request.path, manifest, deployment.server)
        started = time.monotonic()
        batches = read_batches(path, manifest["parts"], complete=manifest.get("state") == "done")
        restore = _Restore(deployment, request, path, manifest, stop, progress)
        plan = result.plan = restore.plan(batches)
        restore.check_memory(plan)
        planned = time.monotonic()
        result.changed = plan.has_work
        result.notices = plan.notices
        result.phases["plan"] = round(planned - started, 3)
        if not request.check_mode and plan.has_work:
            _apply(restore, batches, result)
        return result
    except RunbookError as exc:
        if restore is not None:
            result.restored, result.evicted = restore.restored, restore.evicted
            result.changed = restore.changed
        if isinstance(exc, Interrupted) and not str(exc).endswith("."):
            raise Interrupted(f"The restore was {exc}; run the same command again.", result) from exc
        exc.reached = result
        raise
    finally:
        deployment.close()


def _apply(restore: _Restore, batches: list[Batch], result: RestoreResult) -> None:
    """Restore, and prove that everything is there."""
    plan = t.cast(RestorePlan, result.plan)
    began = time.monotonic()
    with restore.exclusive():
        restore.apply(batches, plan)
        result.notices = [*plan.notices, *restore.confirm()]
        result.restored, result.changed = restore.restored, restore.changed
        restored = time.monotonic()
        result.phases["restore"] = round(restored - began, 3)
        result.missing = restore.count_missing(batches)
        result.evicted = restore.evicted
        result.phases["verify"] = round(time.monotonic() - restored, 3)
    if result.missing:
        cause = f"the server has evicted {result.evicted} keys" if result.evicted else "it has evicted none"
        raise RunbookError(
            f"{result.missing} keys of the backup are not there at the end, although {result.restored} were restored "
            f"({cause} meanwhile, and clients may have removed some); "
            f"{'raise maxmemory, then ' if result.evicted else ''}run the same command again: it restores what is "
            "missing."
        )
    if restore.faded:
        result.notices.append(
            f"{plural(restore.faded, 'key')} of the backup not there at the end: the time of all fields is over."
        )
    if result.evicted:
        result.notices.append(
            f"The server has evicted {result.evicted} keys during the restore; those of the backup are all there."
        )


def _read_manifest(path: Path) -> dict[str, t.Any]:
    manifest = read_manifest(path)
    if not manifest:
        with backup.reading(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (path / MANIFEST).read_bytes()
            raise backup.damaged(path, "(its manifest.json is not whole)")
    known, _slash, version = str(manifest.get("format", "")).rpartition("/")
    if known != "market_intel.runbooks/redis-backup":
        raise InvalidInput(
            f"{path} holds no backup of flush_redis (no manifest.json of one); name the folder of its run in O(path)."
        )
    if version != "1":
        raise InvalidInput(
            f"{path} was written by a newer version of the collection (format {version}); restore it with that one."
        )
    if wrong := [name for name, kind in _MANIFEST_FIELDS.items() if not isinstance(manifest.get(name), kind)]:
        raise backup.damaged(path, f"(its manifest.json lacks {', '.join(wrong)})")
    for name, needed in (("parts", {"file", "members", "sha256"}), ("patterns", {"pattern"})):
        if not all(isinstance(entry, dict) and entry.keys() >= needed for entry in manifest[name]):
            raise backup.damaged(path, f"(its manifest.json has {name} without {', '.join(sorted(needed))})")
    if is_held(path):
        raise Refused(
            f"A flush or another restore works with the run {path.name} at this moment; wait until it has finished."
        )
    return manifest


def _of_this_server(path: Path, manifest: dict[str, t.Any], server: ServerInfo) -> tuple[Path, dict[str, t.Any]]:
    """Where several hosts of a play have shared a run id, return the folder of this server's database."""
    for other in [path, *sorted(path.parent.glob(path.name + "-*"))]:
        found = read_manifest(other)
        saved = found.get("server") or {}
        if (saved.get("url"), saved.get("database")) == (server.url, server.database):
            return other, manifest if other == path else _read_manifest(other)
    return path, manifest


def _elsewhere(saved: t.Mapping[str, t.Any], server: ServerInfo) -> str:
    """Say so if a backup is of another database than ``server`` or, as far as can be seen, of another server."""
    same_place = _without_database(str(saved.get("url"))) == _without_database(server.url)
    same_server = same_place or server.is_server_of(saved)
    if saved.get("database") == server.database and same_server:
        return ""
    # After a restart, a server that is reached at another address cannot be told from another one.
    what = "database" if same_server else "server, as far as its address and its process tell"
    return (
        f"the backup is of another {what}: database {saved.get('database')} of {saved.get('name')} "
        f"{saved.get('version')} ({saved.get('url')})"
    )


def _without_database(url: str) -> str:
    return re.sub(r"(/|\?db=)\d+(?= |$)", "", url, count=1)


class _Restore:
    def __init__(
        self,
        deployment: Deployment,
        request: RestoreRequest,
        path: Path,
        manifest: dict[str, t.Any],
        stop: Stop,
        progress: Progress,
    ) -> None:
        self._deployment = deployment
        self._request = request
        self._manifest = manifest
        self._stop = stop
        self._progress = progress
        self._path = path
        self._filters = [glob_regex(pattern) for pattern in request.patterns]
        self._key_commands: dict[Connection, KeyCommands] = {}
        self._sent: deque[tuple[Connection, list[_Entry]]] = deque()
        self._now = server_time(deployment.sessions[0].data)
        self._asked_at = time.monotonic()
        self._hidden: set[bytes] = set()
        self._big_entries: dict[Batch, _Entry] = {}
        self._weights: dict[Batch, int] = {}
        self._memory_per_byte = 1.0
        self._needed: Counter[Connection] = Counter()
        self._largest = 0
        # The same command finds what it has left when it was killed; another machine builds under other names.
        self._token = hashlib.sha256(f"{platform.node()}:{os.path.realpath(path)}".encode()).hexdigest()[:16]
        self._leftovers: list[bytes] = []
        self._quarantined: dict[bytes, bytes] = {}
        self._evicted: dict[Connection, tuple[int, int]] = {}
        self._removed_leftovers = False
        self.restored = 0
        self.faded = 0
        self._replicas = {session: session.replicas() for session in deployment.sessions}
        self._shift = self._now - _unix_ms(manifest) if request.expiry == "remaining" else 0

    def plan(self, batches: list[Batch]) -> RestorePlan:
        """Count what is missing in a pass that writes nothing, after a look at versions and rights."""
        deployment = self._deployment
        plan = RestorePlan(
            server=deployment.server,
            topology=deployment.topology,
            backup={
                "path": str(self._path),
                "run_id": self._manifest["run_id"],
                "server": self._manifest["server"],
            },
            elsewhere=_elsewhere(self._manifest["server"], deployment.server),
        )
        for session in deployment.sessions:
            plan.not_verified += check_rdb_version(session.data, self._manifest, batches)
            saves = session.data.info("persistence")
            if "err" in (saves.get("rdb_last_bgsave_status"), saves.get("aof_last_write_status")):
                plan.not_verified.append(
                    f"whether {session.server.url} takes writes: its last save failed, for which servers refuse them "
                    "as a rule (MISCONF)"
                )
        needs = self._needs(batches)
        self._check_rights(needs, self._example_keys(batches), plan)
        self._estimate_unknown_memory(batches, plan)
        self._hidden.clear()
        if not (self._path / JOURNAL).is_file():
            plan.notices.append(
                f"The backup lacks its {JOURNAL}: keys that had changed or vanished when the flush came to remove them "
                "cannot be told from the others, and are put back as well."
            )
        self._find_quarantined(plan)
        hashes = 0
        for batch in batches:
            self._stop.check()
            entries = self._entries(batch)
            live = [entry for entry in entries if not self._is_expired(entry)]
            plan.records += len(entries)
            plan.expired += len(entries) - len(live)
            for connection, part in self._by_owner(live):
                existing, to_restore, memory = self._compare(connection, batch, part)
                plan.existing += existing
                plan.to_restore += to_restore
                if to_restore:
                    self._needed[connection] += round(memory)
                    self._largest = max(self._largest, *(len(entry.payload) for entry in part))
            plan.sample.extend(printable(entry.key) for entry in live[: _SAMPLE_NAMES - len(plan.sample)])
            plan.payload_bytes += sum(entry.size for entry in live)
            hashes += sum(entry.fields_expire for entry in live) if self._request.expiry != "absolute" else 0
            self._progress.report("comparing", plan.records, None)
        if hashes:
            plan.notices.append(
                f"{plural(hashes, 'key')} with fields that expire: fields keep the moments that they had, whatever "
                "O(expiry) is, and those whose time is over do not come back."
            )
        for connection in self._needed:
            self._needed[connection] += BUFFER_BYTES + 2 * self._largest
        plan.memory_bytes = sum(self._needed.values())
        self._leftovers = [name for name in self._names_in_work() if deployment.execute(name, b"EXISTS", name)]
        plan.leftovers = len(self._leftovers)
        return plan

    def _check_rights(self, needs: t.Mapping[str, Need], keys: list[bytes], plan: RestorePlan) -> None:
        by_owner: dict[Connection, list[bytes]] = {}
        for key in keys:
            by_owner.setdefault(self._deployment.session_of(key).data, []).append(key)
        lines = [line for owner, own in by_owner.items() for line in check_commands(owner, needs, own).not_verified]
        plan.not_verified += dict.fromkeys(lines)

    def _example_keys(self, batches: list[Batch]) -> list[bytes]:
        """Return a key of each pattern that was flushed, as far as the backup has one, since rights are by patterns."""
        matcher = Matcher([CachePattern(entry["pattern"]) for entry in self._manifest["patterns"]] or [_ANY])
        found: dict[int, bytes] = {}
        for batch in batches:
            self._stop.check()
            for entry in self._entries(batch):
                for index in matcher.matches(entry.key) or [0]:
                    found.setdefault(index, entry.key)
            if len(found) >= len(self._manifest["patterns"]):
                break
        self._hidden.clear()
        return list(dict.fromkeys(found.values()))

    def _needs(self, batches: list[Batch]) -> dict[str, Need]:
        """Return the commands that are needed for what is wanted of the backup."""
        big = [entry for batch in batches if batch.big for entry in self._entries(batch)]
        self._hidden.clear()
        server = self._deployment.server
        fields_expire = any(entry.hash_with_expiries for entry in big)
        for there, known, what, since in (
            (any(entry.newer_stream for entry in big), server.is_since((7, 0)), "streams with counters", "Redis 7.0"),
            (fields_expire, server.has_field_expiry, "hashes with fields that expire", "Redis 7.4 or Valkey 9.0"),
        ):
            if there and not known:
                raise Refused(
                    f"The backup has big {what}, which {server.name} {server.version} does not know; restore to "
                    f"{since} or newer, or leave them out with O(patterns)."
                )
        return restore_needs(overwrite=self._request.overwrite, big_keys=bool(big), fields_expire=fields_expire)

    def check_memory(self, plan: RestorePlan) -> None:
        """Refuse a restore for which a server would have to evict keys, or that would not fit; note what is left."""
        for session in self._deployment.sessions:
            room, needed = room_of(session.data), self._needed[session.data]
            if not room.known:
                plan.not_verified.append(f"whether {session.server.url} has the memory (it does not tell)")
            if needed:
                self._note_replicas(plan, session, needed)
            if room.left is None:
                plan.memory_unlimited = plan.memory_unlimited or (room.known and needed > 0)
                continue
            plan.memory_left = (plan.memory_left or 0) + room.left
            if needed > room.left:
                self._refuse_or_note(plan, session.server.url, needed, room)

    def _note_replicas(self, plan: RestorePlan, session: Session, needed: int) -> None:
        """Note replicas that have less memory than their primary: it is theirs to evict for after a failover."""
        settings = self._deployment.settings
        for address in replica_addresses(settings, session.data.info("replication")):
            place = settings.at(address).impatient(_REPLICA_SECONDS)
            try:
                with contextlib.closing(Connection(place, "runbooks-restore-redis")) as replica:
                    room = room_of(replica)
            except (RedisUnavailable, CommandError):
                plan.not_verified.append(f"whether the replica {place.url} has the memory (it cannot be asked)")
                continue
            if room.left is not None and needed > room.left:
                plan.notices.append(
                    f"The replica {place.url} has {room.left} bytes left below its maxmemory for about {needed} bytes: "
                    f"once it is the primary, or before with replica-ignore-maxmemory no, it would {room.consequence}."
                )

    def _refuse_or_note(self, plan: RestorePlan, url: str, needed: int, room: Room) -> None:
        what = (
            f"The restore takes about {needed} bytes of memory, {url} has {room.left} bytes left below maxmemory and "
            f"would {room.consequence} (maxmemory-policy {room.policy})"
        )
        if not self._request.allow_eviction:
            raise Refused(
                f"{what}; raise maxmemory, restore a part with O(patterns), or accept that with O(allow_eviction)=true."
            )
        plan.notices.append(f"{what}, which O(allow_eviction)=true accepts.")

    @contextlib.contextmanager
    def exclusive(self) -> t.Iterator[None]:
        """Keep flushes and other restores of the same folder away: they would build big keys under the same names."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self._path / LOCK, f"A flush or another restore with {self._path.name}"))
            except OSError:
                # A copy that cannot be written, as on a read-only disk, is kept apart by names that nobody else has.
                self._token = secrets.token_hex(8)
            yield

    @property
    def changed(self) -> bool:
        return self.restored > 0 or self._removed_leftovers

    @property
    def evicted(self) -> int:
        """How many keys the servers have evicted since the restore began."""
        # Somebody may have set the counters to 0 meanwhile.
        return sum(max(now - before, 0) for before, now in self._evicted.values())

    def apply(self, batches: list[Batch], plan: RestorePlan) -> None:
        """Put the keys back; ``restored`` counts them."""
        for session in self._deployment.sessions:
            evicted = evicted_keys(session.data.info("stats"))
            self._evicted[session.data] = evicted, evicted
        for name in self._leftovers:
            self._deployment.execute(name, b"UNLINK", name)
            self._removed_leftovers = True
        if not plan.to_restore:
            return
        self._hidden.clear()
        self._probe(batches)
        self._hidden.clear()
        self._put_quarantined_back()
        try:
            for batch in batches:
                self._stop.check()
                self._restore_batch(batch)
                self._progress.report("restoring", self.restored, plan.to_restore)
        except Interrupted:
            self._settle()
            raise
        except (backup.BackupDamaged, backup.BackupUnreadable):
            # Since the plan was made; what is on its way counts, too.
            with contextlib.suppress(RunbookError):
                self._settle()
            raise
        self._settle()
        self._progress.report("restoring", self.restored, plan.to_restore, force=True)

    def _restore_batch(self, batch: Batch) -> None:
        entries = [entry for entry in self._entries(batch) if not self._is_expired(entry)]
        if batch.big or self._request.overwrite:
            self._settle()
        if batch.big:
            self._restore_big(batch, entries)
            return
        parts = self._by_owner(entries)
        if self._request.overwrite:
            parts = [(connection, self._different(connection, part)) for connection, part in parts]
        for connection, part in parts:
            connection.send(*map(self._restore_command, part), _STATS)
        self._sent.extend(parts)
        # This batch is on its way while the servers work on the one before.
        self._settle(leave=len(parts))

    def confirm(self) -> list[str]:
        """See that the replicas have the keys, so that a failover takes none back; return notices for people."""
        sessions = list(self._replicas)
        confirmed = self._deployment.each(lambda session: session.confirm(self._replicas[session]), sessions)
        if any(session.failovers for session in sessions):
            raise RunbookError(
                "Another primary has taken over during the restore, which may lack the last keys; "
                "run the same command again: it restores what is missing."
            )
        return [
            f"The replicas of {session.server.url} have not confirmed the last keys, or nobody could be asked whether "
            "it is the primary still; after a failover they may be missing: run the same command again then."
            for session, known in zip(sessions, confirmed)
            if not known
        ]

    def count_missing(self, batches: list[Batch]) -> int:
        """Count in a full pass the keys of the backup that have not expired and are not there."""
        self._hidden.clear()
        self._now = self._server_time()
        self._asked_at = time.monotonic()
        checked_records = 0
        absent: dict[bytes, _Entry] = {}
        for batch in batches:
            self._stop.check()
            entries = [entry for entry in self._entries(batch) if not self._is_expired(entry)]
            for connection, part in self._by_owner(entries):
                absent.update((entry.key, entry) for entry in self._absent(connection, part))
            checked_records += len(entries)
            self._progress.report("verifying", checked_records, None)
        for session in self._deployment.sessions:
            self._note_evictions(session.data, session.data.info("stats"))
        now = self._server_time()
        missing = [entry for entry in absent.values() if not 0 < entry.expires_at <= now]
        # All of its fields may have expired, which is to be told from an eviction only where there was none.
        self.faded = sum(entry.fields_expire for entry in missing) if not self.evicted else 0
        return len(missing) - self.faded

    def _server_time(self) -> int:
        """Return the server's time in Unix milliseconds."""
        return self._now + int((time.monotonic() - self._asked_at) * 1000)

    def _note_evictions(self, connection: Connection, stats: t.Mapping[str, str]) -> None:
        evicted = evicted_keys(stats)
        before, _now = self._evicted.get(connection, (evicted, evicted))
        self._evicted[connection] = before, evicted

    @property
    def _must_stop(self) -> bool:
        return self.evicted > 0 and not self._request.allow_eviction

    def _stop_at_evictions(self) -> None:
        if self._must_stop:
            raise RunbookError(
                f"The server began to evict keys, {self.evicted} by now, so that the restore was stopped after "
                f"{self.restored} keys; raise maxmemory and run the same command again, or accept that with "
                "O(allow_eviction)=true."
            )

    def _by_owner(self, entries: list[_Entry]) -> list[tuple[Connection, list[_Entry]]]:
        """Split entries by the primaries that own their keys."""
        if not self._deployment.clustered:
            return [(self._deployment.sessions[0].data, entries)]
        parts: dict[Session, list[_Entry]] = {}
        for entry in entries:
            parts.setdefault(self._deployment.session_of(entry.key), []).append(entry)
        return [(session.data, part) for session, part in parts.items()]

    def _settle(self, leave: int = 0) -> None:
        """Read what became of what was sent but for the last ``leave`` parts; in a cluster, follow keys that move."""
        failure: Reply | None = None
        # Whoever stops says what was done of all that was sent.
        while len(self._sent) > (0 if failure or self._must_stop else leave):
            connection, entries = self._sent.popleft()
            *replies, stats = connection.receive(len(entries) + 1)
            self._note_evictions(connection, parse_info(checked((b"INFO",), stats)))
            ok = replies.count(b"OK")
            self.restored += ok
            if ok == len(replies):
                continue
            for entry, reply in zip(entries, replies):
                if is_redirect(reply):
                    self._restore_routed(entry)
                elif _is_failure(reply):
                    failure = failure or reply
        if failure:
            raise refused("RESTORE", failure)
        self._stop_at_evictions()

    def _restore_routed(self, entry: _Entry) -> None:
        words = backup.parse_commands(self._restore_command(entry))[0]
        try:
            self._deployment.execute(entry.key, *words)
        except CommandError as exc:
            if exc.code != "BUSYKEY":
                raise
        else:
            self.restored += 1

    def _find_quarantined(self, plan: RestorePlan) -> None:
        """Find big keys that an unfinished run has renamed away; those whose names somebody has taken stay there."""
        for name, key in pending_quarantines(self._path).items():
            if not self._is_wanted(key) or not self._deployment.execute(name, b"EXISTS", name):
                continue
            if self._deployment.execute(key, b"EXISTS", key):
                plan.notices.append(
                    f"The flush has renamed {printable(key)!r} away and did not finish, and the key was written again: "
                    "its older value stays apart until the command of the flush is repeated."
                )
            else:
                self._quarantined[name] = key
        plan.to_restore += len(self._quarantined)

    def _put_quarantined_back(self) -> None:
        """Give big keys that an unfinished run had renamed away their names again, where nobody has taken them."""
        for name, key in self._quarantined.items():
            try:
                if self._deployment.execute(name, b"RENAMENX", name, key):
                    self.restored += 1
            except CommandError as exc:
                if exc.code != "NOKEY":
                    raise

    # -- one batch ---------------------------------------------------------------------------------------------------

    def _entries(self, batch: Batch) -> list[_Entry]:
        """Return what a batch holds that is wanted, the last record first, and note which keys it hides."""
        if batch.big:
            entries = [self._big_entry(batch)]
        else:
            entries = [
                _Entry(command[1], self._expires_at(int(command[2])), command[3], len(command[3]))
                for index, command in enumerate(backup.parse_commands(backup.read_member(batch.path, batch.members[0])))
                if index not in batch.void
            ]
            if batch not in self._weights:
                self._weights[batch] = sum(map(_weight, entries))
        entries.reverse()
        if self._filters:
            entries = [entry for entry in entries if self._is_wanted(entry.key)]
        if self._hidden:
            entries = [entry for entry in entries if entry.key not in self._hidden]
        if self._request.overwrite:
            entries = list({entry.key: entry for entry in reversed(entries)}.values())
            self._hidden.update(entry.key for entry in entries)
        else:
            self._hidden.update(entry.key for entry in entries if self._is_expired(entry))
        return entries

    def _is_wanted(self, key: bytes) -> bool:
        return not self._filters or any(glob.fullmatch(key) for glob in self._filters)

    def _big_entry(self, batch: Batch) -> _Entry:
        """Read all of a big key, which shows damage before anything is written; return what is to be known of it."""
        if batch not in self._big_entries:
            size = 0
            key, expires_at, found = b"", 0, set()
            for member in batch.members:
                self._stop.check()
                body = backup.read_member(batch.path, member)
                size += len(body)
                commands = backup.parse_commands(body)
                key = key or commands[0][1]
                if member is batch.members[-1]:
                    expires_at = int(commands[0][2]) if commands else 0
                found |= {command[0] for command in commands}
                found |= {word for command in commands if command[0] == b"XSETID" for word in command[3:4]}
            self._big_entries[batch] = _Entry(
                key,
                self._expires_at(expires_at),
                b"",
                size,
                hash_with_expiries=b"HPEXPIREAT" in found,
                newer_stream=b"ENTRIESADDED" in found,
                big_with_table=not found.isdisjoint({b"ZADD", b"HSET"}),
            )
        return self._big_entries[batch]

    def _expires_at(self, saved: int) -> int:
        return 0 if not saved or self._request.expiry == "persist" else saved + self._shift

    def _is_expired(self, entry: _Entry) -> bool:
        return 0 < entry.expires_at <= self._now

    def _restore_command(self, entry: _Entry) -> bytes:
        moment = b"%d" % entry.expires_at
        return b"*%d\r\n$7\r\nRESTORE\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$6\r\nABSTTL\r\n%b" % (
            5 + self._request.overwrite,
            len(entry.key),
            entry.key,
            len(moment),
            moment,
            len(entry.payload),
            entry.payload,
            b"$7\r\nREPLACE\r\n" if self._request.overwrite else b"",
        )

    def _restore_big(self, batch: Batch, entries: list[_Entry]) -> None:
        """Build a big key under a name of its own, then rename it, so that nobody sees a part of it."""
        for entry in entries:
            connection = self._deployment.session_of(entry.key).data
            if not self._request.overwrite and connection.execute(b"EXISTS", entry.key):
                continue
            name = self._name_in_work(entry.key)
            try:
                self._build(connection, batch, entry, name)
                self._finish_big(connection, entry, name)
            except RedisUnavailable:
                # The part expires, or the next run removes it.
                raise
            except (RunbookError, OSError):
                connection.execute(b"UNLINK", name, optional=True)
                raise

    def _names_in_work(self) -> t.Iterator[bytes]:
        return (self._name_in_work(entry.key) for entry in self._big_entries.values())

    def _name_in_work(self, key: bytes) -> bytes:
        return quarantine_name(key, f"restore-{self._token}")

    def _build(self, connection: Connection, batch: Batch, entry: _Entry, name: bytes) -> None:
        """Run the commands that build a big key; what is there of it at any moment expires by itself."""
        there = False
        if not entry.expires_at:
            # What is refused only at the end would leave the whole key with the life of its parts.
            connection.execute(b"PERSIST", name)
        # The last member holds only the expiry, which is set once the key is whole.
        for member in batch.members[:-1]:
            commands = backup.parse_commands(backup.read_member(batch.path, member))
            life = [b"PEXPIREAT", name, b"%d" % (self._server_time() + _BUILDING_LIFE_MS)]
            steps = [life, *(_renamed(command, name) for command in commands), life]
            *replies, stats = connection.pipeline([*(pack(*step) for step in steps), _STATS])
            for step, reply in zip(steps, replies):
                checked(step, reply)
            if there and not replies[0]:
                raise RunbookError(
                    f"A part of a big key vanished while it was built at {connection.server.url} (evicted, or removed "
                    "by somebody else); run the same command again: it restores what is missing."
                )
            # Without a key, all fields that it had so far have expired.
            there = bool(replies[-1])
            self._note_evictions(connection, parse_info(checked((b"INFO",), stats)))
            self._stop_at_evictions()
            self._stop.check()

    def _finish_big(self, connection: Connection, entry: _Entry, name: bytes) -> None:
        expiry = [b"PEXPIREAT", name, b"%d" % entry.expires_at] if entry.expires_at else [b"PERSIST", name]
        rename = b"RENAME" if self._request.overwrite else b"RENAMENX"
        changed, renamed = connection.pipeline([pack(*expiry), pack(rename, name, entry.key)])
        checked(expiry, changed)
        if is_error(renamed):
            # Its time, or that of all its fields, is over by now.
            if "no such key" not in str(renamed):
                raise refused("RENAME", renamed)
        elif renamed in (b"OK", 1):
            self.restored += 1
        else:
            connection.execute(b"UNLINK", name)

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _compare(self, connection: Connection, batch: Batch, entries: list[_Entry]) -> tuple[int, int, float]:
        """Return how many of the keys exist, how many are to be restored, and about what memory these take more."""
        if not self._request.overwrite:
            absent = list(self._absent(connection, entries))
            return len(entries) - len(absent), len(absent), sum(self._memory(batch, entry) for entry in absent)
        existing = sum(number for _chunk, number in self._existing(connection, entries))
        present = self._present(connection, entries)
        different = [entry for entry in entries if not _same(present.get(entry.key), entry)]
        growths = (self._memory(batch, entry) * _growth(present.get(entry.key), entry) for entry in different)
        return existing, len(different), sum(growths)

    def _memory(self, batch: Batch, entry: _Entry) -> float:
        """Return about what memory a key takes: its share of what all keys of its batch took."""
        if batch.big:
            memory: float = batch.memory or _weight(entry) * self._memory_per_byte
        else:
            per_byte = batch.memory / self._weights[batch] if batch.memory else self._memory_per_byte
            memory = _weight(entry) * per_byte
        return with_tables(memory, expires=bool(entry.expires_at), tabled=entry.tabled)

    def _existing(
        self, connection: Connection, entries: list[_Entry], at_once: int = _EXISTS_KEYS
    ) -> t.Iterator[tuple[list[_Entry], int]]:
        """Yield chunks of the entries, and how many of their keys exist."""
        # Keys of one command must be in one slot of a cluster.
        step = 1 if self._deployment.clustered else at_once
        chunks = [entries[start : start + step] for start in range(0, len(entries), step)]
        replies = connection.pipeline([pack(b"EXISTS", *(entry.key for entry in chunk)) for chunk in chunks])
        if first_error(replies) is not None:
            replies = [
                self._deployment.execute(chunk[0].key, b"EXISTS", chunk[0].key) if is_redirect(reply) else reply
                for chunk, reply in zip(chunks, replies)
            ]
            error = first_error(replies)
            if error is not None:
                raise refused("EXISTS", error)
        yield from zip(chunks, replies)

    def _absent(self, connection: Connection, entries: list[_Entry]) -> t.Iterator[_Entry]:
        """Yield the entries whose key does not exist."""
        for chunk, number in self._existing(connection, entries):
            if not number:
                yield from chunk
            elif number < len(chunk):
                for alone, exists in self._existing(connection, chunk, at_once=1):
                    if not exists:
                        yield from alone

    def _different(self, connection: Connection, entries: list[_Entry]) -> list[_Entry]:
        """Return the entries whose key is missing or is not as it was saved; a big key always counts as different."""
        present = self._present(connection, entries)
        return [entry for entry in entries if not _same(present.get(entry.key), entry)]

    def _present(self, connection: Connection, entries: list[_Entry]) -> dict[bytes, backup.Record]:
        """Return the records of the keys that exist now; those on their way between nodes are left out."""
        keys = [entry.key for entry in entries]
        commands = self._commands(connection)
        connection.send(commands.copy(keys))
        replies = connection.receive(len(entries) * commands.replies_per_copy)
        records, _expiries = commands.copies(keys, [None if is_redirect(reply) else reply for reply in replies])
        return {record.key: record for record in records}

    def _commands(self, connection: Connection) -> KeyCommands:
        if connection not in self._key_commands:
            self._key_commands[connection] = KeyCommands(connection)
        return self._key_commands[connection]

    # -- memory ------------------------------------------------------------------------------------------------------

    def _estimate_unknown_memory(self, batches: list[Batch], plan: RestorePlan) -> None:
        """Where a backup does not tell what its keys took, try a sample of them; check mode cannot."""
        unknown = [batch for batch in batches if not batch.memory]
        if not unknown:
            return
        found = None if self._request.check_mode else self._sampled_memory_per_byte(unknown)
        if found is None:
            plan.not_verified.append("how much memory the keys take, which the backup does not tell")
        else:
            self._memory_per_byte = found

    def _sampled_memory_per_byte(self, batches: list[Batch]) -> float | None:
        """Restore some records under a name of our own, one at a time; return their bytes of memory for one of theirs.

        None if the server would not say, or has no memory for that.
        """
        lefts = [room.left for room in (room_of(session.data) for session in self._deployment.sessions)]
        largest = min([_MEMORY_SAMPLE_BYTES, *(left // 16 for left in lefts if left is not None)])
        small = [batch for batch in batches if not batch.big]
        memory = weights = 0
        for batch in small[:: max(len(small) // _MEMORY_SAMPLE_BATCHES, 1)]:
            self._hidden.clear()
            entries = [entry for entry in self._entries(batch) if len(entry.payload) <= largest]
            for entry in entries[:: max(len(entries) // _MEMORY_SAMPLE_RECORDS, 1)]:
                if not self._restore_scratch(entry.payload):
                    return None
                used = self._deployment.execute(_SCRATCH, b"MEMORY", b"USAGE", _SCRATCH, optional=True)
                if used is None:
                    return None
                memory += used - len(_SCRATCH) + len(entry.key)
                weights += _weight(entry)
        self._deployment.execute(_SCRATCH, b"UNLINK", _SCRATCH, optional=True)
        return memory / weights if weights else None

    def _restore_scratch(self, payload: bytes) -> bool:
        """Restore a payload under a name of our own for some seconds; return False if that is not allowed."""
        moment = b"%d" % (self._server_time() + _PROBE_LIFE_MS)
        try:
            self._deployment.execute(_SCRATCH, b"RESTORE", _SCRATCH, moment, payload, b"ABSTTL", b"REPLACE")
        except CommandError as exc:
            if exc.code not in ("NOPERM", "OOM"):
                raise
            return False
        return True

    def _probe(self, batches: list[Batch]) -> None:
        """Restore one record under a name of our own for some seconds: shows what a version check cannot foresee."""
        for entry in (entry for batch in batches if not batch.big for entry in self._entries(batch)):
            self._restore_scratch(entry.payload)
            self._deployment.execute(_SCRATCH, b"UNLINK", _SCRATCH, optional=True)
            return


def _weight(entry: _Entry) -> int:
    """Return the bytes of an entry to which its memory is in proportion."""
    size = uncompressed_bytes(entry.payload) if entry.payload[1:2] == COMPRESSED else entry.size
    return len(entry.key) + size + RECORD_BYTES


def _growth(present: backup.Record | None, entry: _Entry) -> float:
    """Return the share of an entry's memory that it takes beyond what it replaces; a big key stands beside that."""
    if present is None or not entry.payload:
        return 1.0
    return max(1 - (uncompressed_bytes(present.payload) + len(entry.key) + RECORD_BYTES) / _weight(entry), 0.0)


def _is_failure(reply: t.Any) -> bool:
    """Tell whether a reply to RESTORE is neither OK nor says that the key exists."""
    return is_error(reply) and not str(reply).startswith("BUSYKEY")


def _same(record: backup.Record | None, entry: _Entry) -> bool:
    return record is not None and record.payload == entry.payload and abs(record.expires_at - entry.expires_at) <= 1


def _renamed(command: list[bytes], name: bytes) -> list[bytes]:
    """Return a command of a big key's backup with another key."""
    position = 2 if command[0] == b"XGROUP" else 1
    return [*command[:position], name, *command[position + 1 :]]


def _unix_ms(manifest: dict[str, t.Any]) -> int:
    return int(read_time(manifest["started"], "started in the manifest").timestamp() * 1000)
