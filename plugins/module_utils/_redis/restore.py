# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting a backup back. PRIVATE to the collection.

A key may stand in a backup more than once (it was deleted, written again, and deleted again); its last record counts.
So the backup is read from its end. A key that exists hides its earlier records, and so does a record that has expired
or, where keys are overwritten, one that was seen before.
"""

from __future__ import annotations

import re
import secrets
import time
import typing as t
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from .._errors import Interrupted, InvalidInput, Refused, RunbookError
from .._run import Progress, Stop, is_held, read_journal, read_manifest
from . import backup
from .backup import BIG, FIRST, LAST, Member
from .bigkey import QUARANTINED, pending_quarantines, quarantine_name
from .commands import KeyCommands, server_time
from .connection import (
    CommandRefused,
    Connection,
    RedisSettings,
    ServerInfo,
    first_error,
    is_error,
    is_redirect,
    pack,
    refused,
)
from .deployment import Deployment
from .names import INTERNAL_PREFIX, printable, to_bytes
from .plan import check_rights, check_role
from .session import Session

_SAMPLE_NAMES = 10
_EXISTS_KEYS = 100
_PROBE_LIFE_MS = 10_000
_SCRATCH = INTERNAL_PREFIX + b"restore-redis:probe"
_RIGHTS: dict[str, list[bytes]] = {
    "EXISTS": [b"EXISTS", b""],
    "RESTORE": [b"RESTORE", b"", b"0", b"x"],
}
_RIGHTS_OVERWRITE: dict[str, list[bytes]] = {
    "DUMP": [b"DUMP", b""],
    "PEXPIRETIME": [b"PEXPIRETIME", b""],
    "SCRIPT LOAD": [b"SCRIPT", b"LOAD", b"x"],
}
_RIGHTS_BIG: dict[str, list[bytes]] = {
    "UNLINK": [b"UNLINK", b""],
    "RENAME": [b"RENAME", QUARANTINED, b""],
    "RENAMENX": [b"RENAMENX", QUARANTINED, b""],
    "PEXPIREAT": [b"PEXPIREAT", b"", b"1"],
    "PERSIST": [b"PERSIST", b""],
    "APPEND": [b"APPEND", b"", b"x"],
    "RPUSH": [b"RPUSH", b"", b"x"],
    "SADD": [b"SADD", b"", b"x"],
    "ZADD": [b"ZADD", b"", b"1", b"x"],
    "HSET": [b"HSET", b"", b"x", b"x"],
    "XADD": [b"XADD", b"", b"*", b"x", b"x"],
    "XSETID": [b"XSETID", b"", b"1-1"],
    "XGROUP CREATE": [b"XGROUP", b"CREATE", b"", b"x", b"$"],
    "XGROUP CREATECONSUMER": [b"XGROUP", b"CREATECONSUMER", b"", b"x", b"x"],
    "XCLAIM": [b"XCLAIM", b"", b"x", b"x", b"0", b"1-1"],
}


@dataclass(frozen=True)
class RestoreRequest:
    """What to put back; see the options of the module redis_restore for their meaning."""

    path: Path
    patterns: tuple[str, ...] = ()
    overwrite: bool = False
    expiry: str = "absolute"
    check_mode: bool = False


@dataclass
class RestorePlan:
    """What a restore would do; the same in check mode and for real."""

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


@dataclass(frozen=True)
class _Batch:
    """One member, or all members of one big key, with the positions of records that stand for no deleted key."""

    path: Path
    members: tuple[Member, ...]
    void: frozenset[int]

    @property
    def big(self) -> bool:
        return bool(self.members[0].flags & BIG)


class _Entry(t.NamedTuple):
    """A key to restore: with ``payload``, or a big key with none. ``expires_at`` is Unix milliseconds, 0 for never."""

    key: bytes
    expires_at: int
    payload: bytes
    size: int = 0


def run_restore(settings: RedisSettings, request: RestoreRequest, stop: Stop, progress: Progress) -> dict[str, t.Any]:
    """Put back what a backup holds, or only plan it in check mode; return the same fields in both."""
    manifest = _read_manifest(request.path)
    if request.expiry not in ("absolute", "remaining", "persist"):
        raise InvalidInput(f"The expiry {request.expiry!r} is not known; allowed are absolute, remaining and persist.")
    deployment = Deployment(settings, "runbooks-restore-redis", stop.check)
    restore: _Restore | None = None
    try:
        check_role(deployment)
        path, manifest = _of_this_server(request.path, manifest, deployment.server)
        batches = _batches(path, {part["file"]: part["members"] for part in manifest["parts"]})
        restore = _Restore(deployment, request, path, manifest, stop, progress)
        started = time.monotonic()
        plan = restore.plan(batches)
        planned = time.monotonic()
        result: dict[str, t.Any] = {
            "changed": plan.to_restore > 0,
            "plan": asdict(plan),
            "restored": 0,
            "notices": [],
            "phases": {"plan": round(planned - started, 3), "restore": 0.0},
        }
        if not request.check_mode and plan.to_restore:
            restore.apply(batches, plan)
            result["restored"] = restore.restored
            result["notices"] = restore.confirm()
            result["phases"]["restore"] = round(time.monotonic() - planned, 3)
            result["changed"] = restore.restored > 0
        return result
    except RunbookError as exc:
        if restore is not None:
            exc.result.update(changed=restore.restored > 0, restored=restore.restored)
        if isinstance(exc, Interrupted) and not str(exc).endswith("."):
            raise Interrupted(f"The restore was {exc}; run the same command again.", **exc.result) from exc
        raise
    finally:
        deployment.close()


def _read_manifest(path: Path) -> dict[str, t.Any]:
    manifest = read_manifest(path)
    if not str(manifest.get("format", "")).startswith("market_intel.runbooks/redis-backup/"):
        raise InvalidInput(
            f"{path} holds no backup of flush_redis (no manifest.json of one); name the folder of its run."
        )
    if is_held(path):
        raise Refused(f"The run {path.name} is under way at this moment; wait until it has finished.")
    return manifest


def _of_this_server(path: Path, manifest: dict[str, t.Any], server: ServerInfo) -> tuple[Path, dict[str, t.Any]]:
    """Where several hosts of a play have shared a run id, return the folder of this server's database."""
    for other in [path, *sorted(path.parent.glob(path.name + "-*"))]:
        found = read_manifest(other)
        saved = found.get("server") or {}
        if (saved.get("url"), saved.get("database")) == (server.url, server.database):
            return other, found
    return path, manifest


def _batches(path: Path, recorded: t.Mapping[str, int]) -> list[_Batch]:
    """Return all batches, the last written first; ``recorded`` parts must be there with all their members."""
    void = {(entry["part"], entry["member"]): entry["void"] for entry in read_journal(path) if entry.get("void")}
    batches: list[_Batch] = []
    missing = [name for name in recorded if not (path / name).exists()]
    if missing:
        raise backup.BackupDamaged(
            f"The backup {path} lacks {', '.join(missing)}; use another backup, or a copy of this one."
        )
    for part in sorted(path.glob("part-*.resp.gz")):
        number = backup.number_of(part)
        group: list[Member] = []
        whole = list(backup.members(part))
        if len(whole) != recorded.get(part.name, len(whole)):
            raise backup.BackupDamaged(f"The backup {part} is not whole; use another backup, or a copy of this one.")
        for index, member in enumerate(whole):
            if not member.flags & BIG:
                batches.append(_Batch(part, (member,), frozenset(void.get((number, index), ()))))
                continue
            group = [member] if member.flags & FIRST else [*group, member]
            if member.flags & LAST:
                batches.append(_Batch(part, tuple(group), frozenset()))
    return batches[::-1]


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
        self._filters = [_compiled(pattern) for pattern in request.patterns]
        self._key_commands: dict[Connection, KeyCommands] = {}
        self._sent: list[tuple[Connection, list[_Entry]]] = []
        self._now = server_time(deployment.sessions[0].data)
        self._hidden: set[bytes] = set()
        self.restored = 0
        self._replicas = {session: session.replicas() for session in deployment.sessions}
        self._shift = self._now - _unix_ms(manifest) if request.expiry == "remaining" else 0

    def plan(self, batches: list[_Batch]) -> RestorePlan:
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
        )
        for session in deployment.sessions:
            self._check_version(session.data, plan, batches)
        key = next((entry.key for batch in batches for entry in self._entries(batch)), None)
        if key is not None:
            needed = {
                **_RIGHTS,
                **(_RIGHTS_OVERWRITE if self._request.overwrite else {}),
                **(_RIGHTS_BIG if any(batch.big for batch in batches) else {}),
            }
            plan.not_verified += check_rights(deployment.session_of(key).data, needed, [key])
        self._hidden.clear()
        pending = [name for name in pending_quarantines(self._path) if deployment.execute(name, b"EXISTS", name)]
        plan.to_restore += len(pending)
        for batch in batches:
            self._stop.check()
            entries = self._entries(batch)
            live = [entry for entry in entries if not self._is_expired(entry)]
            plan.records += len(entries)
            plan.expired += len(entries) - len(live)
            for connection, part in self._by_owner(live):
                existing, to_restore = self._compare(connection, part)
                plan.existing += existing
                plan.to_restore += to_restore
            plan.sample.extend(printable(entry.key) for entry in live[: _SAMPLE_NAMES - len(plan.sample)])
            plan.payload_bytes += sum(entry.size for entry in live)
            self._progress.report("comparing", plan.records, None)
        _check_memory(deployment, plan)
        return plan

    def apply(self, batches: list[_Batch], plan: RestorePlan) -> None:
        """Put the keys back; ``restored`` counts them."""
        self._hidden.clear()
        self._probe(batches)
        self._hidden.clear()
        self._put_quarantined_back()
        for batch in batches:
            self._stop.check()
            entries = [entry for entry in self._entries(batch) if not self._is_expired(entry)]
            if batch.big or self._request.overwrite:
                self._settle()
            if batch.big:
                self._restore_big(batch, entries)
                continue
            parts = self._by_owner(entries)
            if self._request.overwrite:
                parts = [(connection, self._different(connection, part)) for connection, part in parts]
            # The next batch is on its way while the servers work on this one.
            for connection, part in parts:
                connection.send(*map(self._restore_command, part))
            self._settle()
            self._sent = parts
            self._progress.report("restoring", self.restored, plan.to_restore)
        self._settle()
        self._progress.report("restoring", self.restored, plan.to_restore, force=True)

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

    def _by_owner(self, entries: list[_Entry]) -> list[tuple[Connection, list[_Entry]]]:
        """Split entries by the primaries that own their keys."""
        if not self._deployment.clustered:
            return [(self._deployment.sessions[0].data, entries)]
        parts: dict[Session, list[_Entry]] = {}
        for entry in entries:
            parts.setdefault(self._deployment.session_of(entry.key), []).append(entry)
        return [(session.data, part) for session, part in parts.items()]

    def _settle(self) -> None:
        """Read what became of the batch that was sent; in a cluster, follow keys that are on their way."""
        for connection, entries in self._sent:
            replies = connection.receive(len(entries))
            ok = replies.count(b"OK")
            self.restored += ok
            if ok == len(replies):
                continue
            for entry, reply in zip(entries, replies):
                if is_redirect(reply):
                    self._restore_routed(entry)
                elif _is_failure(reply):
                    raise refused("RESTORE", reply)
        self._sent = []

    def _restore_routed(self, entry: _Entry) -> None:
        words = backup.parse_commands(self._restore_command(entry))[0]
        try:
            self._deployment.execute(entry.key, *words)
        except CommandRefused as exc:
            if exc.code != "BUSYKEY":
                raise
        else:
            self.restored += 1

    def _put_quarantined_back(self) -> None:
        """Give big keys that an unfinished run had renamed away their names again, where nobody has taken them."""
        for name, key in pending_quarantines(self._path).items():
            if self._deployment.execute(name, b"RENAMENX", name, key, optional=True):
                self.restored += 1

    # -- one batch ---------------------------------------------------------------------------------------------------

    def _entries(self, batch: _Batch) -> list[_Entry]:
        """Return what a batch holds that is wanted, the last record first, and note which keys it hides."""
        if batch.big:
            entries = [self._big_entry(batch)]
        else:
            entries = [
                _Entry(command[1], self._expires_at(int(command[2])), command[3], len(command[3]))
                for index, command in enumerate(backup.parse_commands(backup.read_member(batch.path, batch.members[0])))
                if index not in batch.void
            ]
        entries.reverse()
        if self._filters:
            entries = [entry for entry in entries if any(glob.fullmatch(entry.key) for glob in self._filters)]
        if self._hidden:
            entries = [entry for entry in entries if entry.key not in self._hidden]
        if self._request.overwrite:
            entries = list({entry.key: entry for entry in reversed(entries)}.values())
            self._hidden.update(entry.key for entry in entries)
        else:
            self._hidden.update(entry.key for entry in entries if self._is_expired(entry))
        return entries

    def _big_entry(self, batch: _Batch) -> _Entry:
        key = backup.parse_commands(backup.read_member(batch.path, batch.members[0]))[0][1]
        ending = backup.parse_commands(backup.read_member(batch.path, batch.members[-1]))
        size = sum(member.length for member in batch.members)
        return _Entry(key, self._expires_at(int(ending[0][2]) if ending else 0), b"", size)

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

    def _restore_big(self, batch: _Batch, entries: list[_Entry]) -> None:
        """Build a big key under a name of its own, then rename it, so that nobody sees a part of it."""
        for entry in entries:
            connection = self._deployment.session_of(entry.key).data
            if not self._request.overwrite and connection.execute(b"EXISTS", entry.key):
                continue
            # Two restores at once must not build under the same name.
            name = quarantine_name(entry.key, f"restore-{secrets.token_hex(8)}")
            # The last member holds only the expiry, which is set once the key is whole.
            for member in batch.members[:-1]:
                commands = backup.parse_commands(backup.read_member(batch.path, member))
                self._check_replies(connection.pipeline([_renamed(command, name) for command in commands]))
                self._stop.check()
            expiry = [b"PEXPIREAT", name, b"%d" % entry.expires_at] if entry.expires_at else [b"PERSIST", name]
            rename = b"RENAME" if self._request.overwrite else b"RENAMENX"
            _expiry, renamed = connection.pipeline([pack(*expiry), pack(rename, name, entry.key)])
            if is_error(renamed):
                # Its time, or that of all its fields, is over by now.
                if "no such key" not in str(renamed):
                    raise refused("RENAME", renamed)
            elif renamed in (b"OK", 1):
                self.restored += 1
            else:
                connection.execute(b"UNLINK", name)

    @staticmethod
    def _check_replies(replies: list[t.Any]) -> None:
        error = first_error(replies)
        if error is not None:
            raise refused("a command that builds a big key", error)

    # -- comparing ---------------------------------------------------------------------------------------------------

    def _compare(self, connection: Connection, entries: list[_Entry]) -> tuple[int, int]:
        """Return how many of the keys exist, and how many are to be restored."""
        keys = [entry.key for entry in entries]
        chunks = [keys[start : start + _EXISTS_KEYS] for start in range(0, len(keys), _EXISTS_KEYS)]
        if self._deployment.clustered:
            # Keys of one command must be in one slot there.
            chunks = [[key] for key in keys]
        replies = connection.pipeline([pack(b"EXISTS", *chunk) for chunk in chunks])
        if first_error(replies) is not None:
            replies = [
                self._deployment.execute(chunk[0], b"EXISTS", *chunk) if is_redirect(reply) else reply
                for chunk, reply in zip(chunks, replies)
            ]
            error = first_error(replies)
            if error is not None:
                raise refused("EXISTS", error)
        existing = sum(replies)
        return existing, len(self._different(connection, entries)) if self._request.overwrite else len(
            entries
        ) - existing

    def _different(self, connection: Connection, entries: list[_Entry]) -> list[_Entry]:
        """Return the entries whose key is missing or is not as it was saved; a big key always counts as different."""
        commands = self._commands(connection)
        connection.send(commands.copy([entry.key for entry in entries]))
        replies = connection.receive(len(entries) * commands.replies_per_copy)
        # A key on its way between nodes counts as different.
        replies = [None if is_redirect(reply) else reply for reply in replies]
        records, _expiries = commands.copies([entry.key for entry in entries], replies)
        present = {record.key: record for record in records}
        return [entry for entry in entries if not _same(present.get(entry.key), entry)]

    def _commands(self, connection: Connection) -> KeyCommands:
        if connection not in self._key_commands:
            self._key_commands[connection] = KeyCommands(connection)
        return self._key_commands[connection]

    # -- versions ----------------------------------------------------------------------------------------------------

    def _check_version(self, connection: Connection, plan: RestorePlan, batches: list[_Batch]) -> None:
        saved = self._manifest.get("rdb_version") or _first_rdb_version(batches)
        own = _known_rdb_version(connection) or _sampled_rdb_version(connection)
        if not saved:
            return
        if own is None:
            plan.not_verified.append(f"whether {connection.server.url} reads the backup's format")
        elif saved > own or (own >= _VALKEY_RDB > saved > _LAST_COMMON_RDB):
            server = connection.server
            raise Refused(
                f"The backup has RDB version {saved}, which {server.name} {server.version} (RDB "
                f"version {own}) does not read; "
                f"restore to a server like the one it comes from ({self._manifest['server']['name']} "
                f"{self._manifest['server']['version']}) or newer of the same family."
            )

    def _probe(self, batches: list[_Batch]) -> None:
        """Restore one record under a name of our own for some seconds: shows what a version check cannot foresee."""
        for entry in (entry for batch in batches if not batch.big for entry in self._entries(batch)):
            moment = b"%d" % (self._now + _PROBE_LIFE_MS)
            try:
                self._deployment.execute(_SCRATCH, b"RESTORE", _SCRATCH, moment, entry.payload, b"ABSTTL", b"REPLACE")
            except CommandRefused as exc:
                if exc.code != "NOPERM":
                    raise
            self._deployment.execute(_SCRATCH, b"UNLINK", _SCRATCH, optional=True)
            return


_VALKEY_RDB = 80
_LAST_COMMON_RDB = 11
# First version of each family with an RDB version (src/rdb.h of their tags).
_RDB_VERSIONS = {
    "redis": [((5, 0), 9), ((7, 0), 10), ((7, 2), 11), ((7, 4), 12), ((8, 6), 13), ((8, 8), 14), ((8, 10), 15)],
    "valkey": [((7, 2), 11), ((9, 0), _VALKEY_RDB)],
}
_NEWEST_KNOWN = {"redis": (8, 10), "valkey": (9, 1)}


def _known_rdb_version(connection: Connection) -> int | None:
    server = connection.server
    version = tuple(int(part) for part in server.version.split(".")[:2] if part.isdigit())
    if version > _NEWEST_KNOWN.get(server.name, ()):
        return None
    return next((rdb for first, rdb in reversed(_RDB_VERSIONS[server.name]) if version >= first), None)


def _sampled_rdb_version(connection: Connection) -> int | None:
    """Ask the server for the RDB version of a small key that it has."""
    for _attempt in range(5):
        key = connection.execute(b"RANDOMKEY", optional=True)
        if key is None:
            return None
        size = connection.execute(b"MEMORY", b"USAGE", key, optional=True)
        payload = connection.execute(b"DUMP", key, optional=True) if size and size < 65536 else None
        if payload:
            return backup.rdb_version(payload)
    return None


def _first_rdb_version(batches: list[_Batch]) -> int:
    for batch in batches:
        if not batch.big:
            return backup.rdb_version(backup.parse_commands(backup.read_member(batch.path, batch.members[0]))[0][3])
    return 0


def _check_memory(deployment: Deployment, plan: RestorePlan) -> None:
    left = 0
    for session in deployment.sessions:
        memory = session.data.info("memory")
        limit, used = int(memory.get("maxmemory", 0)), int(memory.get("used_memory", 0))
        if not limit or memory.get("maxmemory_policy") != "noeviction":
            return
        left += max(limit - used, 0)
    if plan.payload_bytes > left:
        raise Refused(
            f"The server has {left} bytes left below maxmemory, the restore needs at least {plan.payload_bytes}; "
            "raise maxmemory, or restore a part with patterns."
        )


def _is_failure(reply: t.Any) -> bool:
    """Tell whether a reply to RESTORE is neither OK nor says that the key exists."""
    return is_error(reply) and not str(reply).startswith("BUSYKEY")


def _same(record: backup.Record | None, entry: _Entry) -> bool:
    return record is not None and record.payload == entry.payload and abs(record.expires_at - entry.expires_at) <= 1


def _renamed(command: list[bytes], name: bytes) -> bytes:
    """Pack a command of a big key's backup with another key."""
    position = 2 if command[0] == b"XGROUP" else 1
    return pack(*command[:position], name, *command[position + 1 :])


def _unix_ms(manifest: dict[str, t.Any]) -> int:
    moment = datetime.strptime(manifest["started"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1000)


def _compiled(pattern: str) -> re.Pattern[bytes]:
    try:
        return re.compile(_glob_to_regex(pattern), re.DOTALL)
    except re.error as exc:
        raise InvalidInput(
            f"The pattern {pattern!r} cannot be read ({exc}); allowed is a glob with *, ?, [ab] and [a-z]."
        ) from exc


def _glob_to_regex(pattern: str) -> bytes:
    """Translate a Redis glob into a regular expression on bytes."""
    source = to_bytes(pattern)
    result = bytearray()
    position = 0
    while position < len(source):
        character = source[position : position + 1]
        position += 1
        if character == b"*":
            result += b".*"
        elif character == b"?":
            result += b"."
        elif character == b"[" and (end := source.find(b"]", position)) > 0:
            inner = source[position:end]
            result += b"[" + (b"^" + inner[1:] if inner.startswith(b"^") else inner).replace(b"\\", b"\\\\") + b"]"
            position = end + 1
        else:
            if character == b"\\" and position < len(source):
                character = source[position : position + 1]
                position += 1
            result += re.escape(character)
    return bytes(result)
