# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Putting a backup back. PRIVATE to the collection.

A key may stand in a backup more than once (it changed between two attempts to delete it); only its last record is what
was deleted. Reading from the end, and never replacing a key that exists, restores exactly that one. To overwrite
keys that exist, the backup is read from its beginning instead, so that the last record wins.
"""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from .._errors import InvalidInput, Refused
from .._run import Progress, Stop, read_journal, read_manifest
from . import backup
from .backup import BIG, FIRST, LAST, Member
from .commands import KeyCommands
from .connection import Connection, RedisSettings, ServerInfo, first_error, is_error, pack, refused
from .names import INTERNAL_PREFIX, QUARANTINE_MARK, printable, to_bytes
from .plan import check_rights, check_role
from .session import Session

_SAMPLE_NAMES = 10
_EXISTS_KEYS = 100
_PROBE_LIFE_MS = 10_000
_SCRATCH = INTERNAL_PREFIX + b"restore-redis:probe"
_RIGHTS: dict[str, list[bytes]] = {
    "EXISTS": [b"EXISTS", b""],
    "RESTORE": [b"RESTORE", b"", b"0", b"x"],
    "RENAMENX": [b"RENAMENX", b"", b"x"],
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
    batches = _batches(request.path, {part["file"]: part["members"] for part in manifest["parts"]})
    if not request.overwrite:
        batches.reverse()
    session = Session(settings, "runbooks-restore-redis", stop.check)
    try:
        check_role(session.server)
        restore = _Restore(session, request, manifest, stop, progress)
        started = time.monotonic()
        plan = restore.plan(batches)
        planned = time.monotonic()
        result: dict[str, t.Any] = {
            "changed": plan.to_restore > 0,
            "plan": asdict(plan),
            "restored": 0,
            "phases": {"plan": round(planned - started, 3)},
        }
        if not request.check_mode and plan.to_restore:
            result["restored"] = restore.apply(batches, plan)
            result["phases"]["restore"] = round(time.monotonic() - planned, 3)
            result["changed"] = result["restored"] > 0
        return result
    finally:
        session.close()


def _read_manifest(path: Path) -> dict[str, t.Any]:
    manifest = read_manifest(path)
    if not str(manifest.get("format", "")).startswith("market_intel.runbooks/redis-backup/"):
        raise InvalidInput(
            f"{path} holds no backup of flush_redis (no manifest.json of one); name the folder of its run."
        )
    if manifest.get("state") == "running":
        raise Refused(f"The run {path.name} has not finished; run the flush again to finish it, then restore.")
    return manifest


def _batches(path: Path, recorded: t.Mapping[str, int]) -> list[_Batch]:
    """Return all batches in the order in which they were written; ``recorded`` parts must have all their members."""
    void = {(entry["part"], entry["member"]): entry["void"] for entry in read_journal(path) if entry.get("void")}
    batches: list[_Batch] = []
    for number, part in enumerate(sorted(path.glob("part-*.resp.gz")), start=1):
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
    return batches


class _Restore:
    def __init__(
        self, session: Session, request: RestoreRequest, manifest: dict[str, t.Any], stop: Stop, progress: Progress
    ) -> None:
        self._session = session
        self._request = request
        self._manifest = manifest
        self._stop = stop
        self._progress = progress
        self._filters = [re.compile(_glob_to_regex(pattern), re.DOTALL) for pattern in request.patterns]
        self._key_commands: KeyCommands | None = None
        self._now = int(time.time() * 1000)
        self._shift = self._now - _unix_ms(manifest) if request.expiry == "remaining" else 0

    def plan(self, batches: list[_Batch]) -> RestorePlan:
        """Count what is missing in a pass that writes nothing, after a look at versions and rights."""
        connection = self._session.data
        plan = RestorePlan(
            server=connection.server,
            backup={
                "path": str(self._request.path),
                "run_id": self._manifest["run_id"],
                "server": self._manifest["server"],
            },
        )
        self._check_version(connection, plan, batches)
        plan.not_verified += [f"right to run {name}" for name in check_rights(connection, _RIGHTS, [""])]
        for batch in batches:
            self._stop.check()
            live = []
            for entry in self._entries(batch):
                plan.records += 1
                if self._is_expired(entry):
                    plan.expired += 1
                else:
                    live.append(entry)
            existing, to_restore = self._compare(connection, live)
            plan.existing += existing
            plan.to_restore += to_restore
            plan.sample.extend(printable(entry.key) for entry in live[: _SAMPLE_NAMES - len(plan.sample)])
            plan.payload_bytes += sum(entry.size for entry in live)
            self._progress.report("comparing", plan.records, None)
        _check_memory(connection, plan)
        return plan

    def apply(self, batches: list[_Batch], plan: RestorePlan) -> int:
        connection = self._session.data
        self._probe(connection, batches)
        restored = 0
        pending = 0
        failure: t.Any = None

        def settle() -> None:
            nonlocal restored, failure, pending
            replies, pending = connection.receive(pending), 0
            ok = replies.count(b"OK")
            restored += ok
            if ok < len(replies):
                failure = failure or next(filter(_is_failure, replies), None)

        for batch in batches:
            self._stop.check()
            if batch.big:
                settle()
                restored += self._restore_big(connection, batch)
            else:
                # The next batch is on its way while the server works on this one.
                entries = [entry for entry in self._entries(batch) if not self._is_expired(entry)]
                if self._request.overwrite:
                    settle()
                    entries = self._different(connection, entries)
                blobs = [self._restore_command(entry) for entry in entries]
                connection.send(*blobs)
                settle()
                pending = len(blobs)
            if failure is not None:
                break
            self._progress.report("restoring", restored, plan.to_restore)
        settle()
        if failure is not None:
            error = refused("RESTORE", failure)
            error.result.update(restored=restored, changed=restored > 0)
            raise error
        self._progress.report("restoring", restored, plan.to_restore, force=True)
        return restored

    # -- one batch ---------------------------------------------------------------------------------------------------

    def _entries(self, batch: _Batch) -> list[_Entry]:
        """Return what a batch holds that is wanted, in the order in which it is to be restored."""
        if batch.big:
            entries = [self._big_entry(batch)]
        else:
            entries = [
                _Entry(command[1], self._expires_at(int(command[2])), command[3], len(command[3]))
                for index, command in enumerate(backup.parse_commands(backup.read_member(batch.path, batch.members[0])))
                if index not in batch.void
            ]
        if self._filters:
            entries = [entry for entry in entries if any(glob.fullmatch(entry.key) for glob in self._filters)]
        return entries if self._request.overwrite else entries[::-1]

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

    def _restore_big(self, connection: Connection, batch: _Batch) -> int:
        """Build a big key under a name of its own, then rename it, so that nobody sees a part of it."""
        for entry in self._entries(batch):
            if self._is_expired(entry) or (not self._request.overwrite and connection.execute(b"EXISTS", entry.key)):
                continue
            name = entry.key + QUARANTINE_MARK + b"restore"
            # The last member holds only the expiry, which is set once the key is whole.
            for member in batch.members[:-1]:
                commands = backup.parse_commands(backup.read_member(batch.path, member))
                self._check_replies(connection.pipeline([_renamed(command, name) for command in commands]))
                self._stop.check()
            expiry = [b"PEXPIREAT", name, b"%d" % entry.expires_at] if entry.expires_at else [b"PERSIST", name]
            rename = b"RENAME" if self._request.overwrite else b"RENAMENX"
            replies = connection.pipeline([pack(*expiry), pack(rename, name, entry.key)])
            self._check_replies(replies)
            if replies[1] in (b"OK", 1):
                return 1
            connection.execute(b"UNLINK", name)
        return 0

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
        replies = connection.pipeline([pack(b"EXISTS", *chunk) for chunk in chunks])
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
        blob, count = commands.copy([entry.key for entry in entries])
        connection.send(blob)
        records, _expiries = commands.copies([entry.key for entry in entries], connection.receive(count))
        present = {record.key: record for record in records}
        return [entry for entry in entries if not _same(present.get(entry.key), entry)]

    def _commands(self, connection: Connection) -> KeyCommands:
        if self._key_commands is None:
            self._key_commands = KeyCommands(connection)
        return self._key_commands

    # -- versions ----------------------------------------------------------------------------------------------------

    def _check_version(self, connection: Connection, plan: RestorePlan, batches: list[_Batch]) -> None:
        saved = self._manifest.get("rdb_version") or _first_rdb_version(batches)
        own = _known_rdb_version(connection) or _sampled_rdb_version(connection)
        if not saved:
            return
        if own is None:
            plan.not_verified.append("whether this server reads the backup's format")
        elif saved > own or (own >= _VALKEY_RDB > saved > _LAST_COMMON_RDB):
            server = connection.server
            raise Refused(
                f"The backup has RDB version {saved}, which {server.name} {server.version} (RDB "
                f"version {own}) does not read; "
                f"restore to a server like the one it comes from ({self._manifest['server']['name']} "
                f"{self._manifest['server']['version']}) or newer of the same family."
            )

    def _probe(self, connection: Connection, batches: list[_Batch]) -> None:
        """Restore one record under a name of our own for some seconds: what a version check "
        "cannot foresee shows here."""
        for entry in (entry for batch in batches if not batch.big for entry in self._entries(batch)):
            moment = b"%d" % (self._now + _PROBE_LIFE_MS)
            reply = connection.pipeline([pack(b"RESTORE", _SCRATCH, moment, entry.payload, b"ABSTTL", b"REPLACE")])[0]
            if is_error(reply) and not str(reply).startswith("NOPERM"):
                raise refused("RESTORE of a trial record", reply)
            connection.execute(b"UNLINK", _SCRATCH, optional=True)
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


def _check_memory(connection: Connection, plan: RestorePlan) -> None:
    memory = connection.info("memory")
    limit, used = int(memory.get("maxmemory", 0)), int(memory.get("used_memory", 0))
    if limit and memory.get("maxmemory_policy") == "noeviction" and used + plan.payload_bytes > limit:
        raise Refused(
            f"The server has {limit - used} bytes left below maxmemory, the restore needs at "
            f"least {plan.payload_bytes}; "
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
