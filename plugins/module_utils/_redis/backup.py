# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backup's files: gzip members of RESP commands that ``zcat | redis-cli --pipe`` reads. PRIVATE to the collection.

A part is a file of one attempt of a run. Each batch is one complete gzip member, so that what is on disk can be read
however the run ended; its length, number of keys, flags and the memory that its keys took stand in the member's extra
field (RFC 1952, 2.3.1.1), so that a part can be walked, cut behind its last whole member, and read from its end.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import struct
import typing as t
import zlib
from dataclasses import dataclass
from pathlib import Path

from .._deps_redis import hiredis
from .._errors import RunbookError
from .._run import sync_directory

_HEADER = struct.Struct("<4sIBBHBBHIIBQ")
_MAGIC = b"\x1f\x8b\x08\x04"
_EXTRA_LENGTH = 21
_EXTRA_LENGTH_WITHOUT_MEMORY = 13
_TRAILER = struct.Struct("<II")
_UNIX = 3

BIG = 1
FIRST = 2
LAST = 4


class BackupFailed(RunbookError):
    """The backup cannot be written; no key without a durable backup was touched."""


class BackupDamaged(RunbookError):
    """The backup cannot be read as it was written."""


class BackupUnreadable(RunbookError):
    """The files of the backup cannot be read, whatever they hold."""


class Record(t.NamedTuple):
    """A key as the server had it: DUMP payload, and expiry in Unix milliseconds (0: none)."""

    key: bytes
    payload: bytes
    expires_at: int


@dataclass(frozen=True)
class Member:
    """One gzip member. ``flags``: BIG for a part of one big key, with FIRST and LAST around its parts.

    ``memory`` is about how many bytes of the server's memory its keys took; for a big key it stands in its last
    member. 0 is unknown, as in parts of older versions.
    """

    offset: int
    length: int
    keys: int
    flags: int
    memory: int


def restore_command(record: Record) -> bytes:
    """Return the command that puts a record back; REPLACE, so that the last record of a key wins in stock tools."""
    expiry = b"%d" % record.expires_at
    return b"*6\r\n$7\r\nRESTORE\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$6\r\nABSTTL\r\n$7\r\nREPLACE\r\n" % (
        len(record.key),
        record.key,
        len(expiry),
        expiry,
        len(record.payload),
        record.payload,
    )


class PartWriter:
    """Appends members to a new part. What ``append`` and ``sync`` have returned for is durable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        sync_directory(path.parent)
        self._sha256 = hashlib.sha256()
        self._level = 1
        self.bytes = 0
        self.keys = 0
        self.members = 0
        self.memory = 0

    def append(self, body: bytes, keys: int, flags: int = 0, *, memory: int = 0, sync: bool = True) -> int:
        """Write a member and, if ``sync``, wait until the disk has it; return its number in this part.

        ``memory`` is about how many bytes the keys take in the server, 0 if nobody knows.
        """
        # Long strings are compressed inside their DUMP: where no half can be gained, storing is ten times as fast.
        level = 1 if self.members % 64 == 0 else self._level
        deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
        data = deflate.compress(body) + deflate.flush()
        self._level = 1 if level and 2 * len(data) < len(body) else 0
        length = _HEADER.size + len(data) + _TRAILER.size
        header = _HEADER.pack(
            *(_MAGIC, 0, 0, _UNIX, _EXTRA_LENGTH, ord("M"), ord("I"), _EXTRA_LENGTH - 4),
            *(length, keys, flags, memory),
        )
        mark = self.mark()
        self._write(header + data + _TRAILER.pack(zlib.crc32(body), len(body) & 0xFFFFFFFF))
        self.keys += keys
        self.members += 1
        self.memory += memory
        if sync:
            try:
                self.sync()
            except BackupFailed:
                self.rewind(mark)
                raise
        return self.members - 1

    def sync(self) -> None:
        try:
            os.fdatasync(self._file)
        except OSError as exc:
            raise self._failed(exc) from exc

    def mark(self) -> tuple[int, int, int, int, t.Any]:
        """Return a position for ``rewind``."""
        return self.bytes, self.keys, self.members, self.memory, self._sha256.copy()

    def rewind(self, mark: tuple[int, int, int, int, t.Any]) -> None:
        """Remove what was appended since ``mark``."""
        self.bytes, self.keys, self.members, self.memory, self._sha256 = mark
        os.ftruncate(self._file, self.bytes)
        os.lseek(self._file, self.bytes, os.SEEK_SET)

    def close(self) -> dict[str, t.Any]:
        """Close the part and describe it for the manifest."""
        os.fsync(self._file)
        os.close(self._file)
        return {
            "file": self.path.name,
            "bytes": self.bytes,
            "sha256": self._sha256.hexdigest(),
            "members": self.members,
            "records": self.keys,
            "memory_bytes": self.memory,
        }

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as exc:
            os.ftruncate(self._file, self.bytes)
            raise self._failed(exc) from exc
        self._sha256.update(data)
        self.bytes += len(data)

    def _failed(self, cause: OSError) -> BackupFailed:
        return BackupFailed(
            f"The backup {self.path} cannot be written ({cause.strerror}); no key was touched that it does not hold: "
            "free space on that disk or name another folder, then run the same command again."
        )


@contextlib.contextmanager
def reading(path: Path) -> t.Iterator[None]:
    """Say in one sentence that a file of a backup cannot be read."""
    try:
        yield
    except OSError as exc:
        raise BackupUnreadable(
            f"The backup {path} cannot be read ({exc.strerror}); see that its disk is there and that this user may "
            "read it, or use a copy, then run the same command again."
        ) from exc


def members(path: Path) -> t.Iterator[Member]:
    """Yield the whole members of a part in order; a torn one at its end is left out."""
    with reading(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        offset = 0
        while offset + _HEADER.size <= size:
            file.seek(offset)
            # Without the field for memory, a header is shorter than this one, but not with its data and trailer.
            magic, _mtime, _xfl, _os, extra, si1, si2, field, length, keys, flags, memory = _HEADER.unpack(
                file.read(_HEADER.size)
            )
            if (
                magic != _MAGIC
                or extra not in (_EXTRA_LENGTH, _EXTRA_LENGTH_WITHOUT_MEMORY)
                or (si1, si2, field) != (ord("M"), ord("I"), extra - 4)
                or length < _HEADER.size
            ):
                raise damaged(path, f"at byte {offset}")
            if offset + length > size:
                return
            yield Member(offset, length, keys, flags, memory if extra == _EXTRA_LENGTH else 0)
            offset += length


def read_member(path: Path, member: Member) -> bytes:
    """Return the commands of a member, or raise BackupDamaged if its checksum differs."""
    with reading(path), open(path, "rb") as file:
        file.seek(member.offset)
        data = file.read(member.length)
    try:
        return zlib.decompress(data, wbits=31)
    except zlib.error as exc:
        raise damaged(path, f"at byte {member.offset} ({exc})") from exc


def damaged(path: Path, where: str) -> BackupDamaged:
    return BackupDamaged(f"The backup {path} is damaged {where}; use another backup, or a copy of this one.")


def check_part(path: Path, sha256: str) -> None:
    """Raise BackupDamaged, with the place where it can be told, if a part is not what was put on record."""
    if describe_part(path)["sha256"] != sha256:
        for member in members(path):
            read_member(path, member)
        raise damaged(path, "(its checksum is not the one in manifest.json)")


def parse_commands(body: bytes) -> list[list[bytes]]:
    """Parse the commands of a member."""
    reader = hiredis.Reader()
    reader.feed(body)
    commands: list[list[bytes]] = []
    while (command := reader.gets()) is not False:
        commands.append(command)
    return commands


def cut_torn_tail(path: Path) -> None:
    """Cut a part of an interrupted run behind its last whole batch or whole big key."""
    end = readable = 0
    try:
        for member in members(path):
            readable = member.offset + member.length
            if not member.flags & BIG or member.flags & LAST:
                end = readable
    except BackupDamaged:
        # A machine that crashed may leave anything behind what was durable, but no member; damage before it does.
        if _has_member(path, readable):
            raise
    if end < path.stat().st_size:
        os.truncate(path, end)


def _has_member(path: Path, start: int) -> bool:
    beginnings = [
        _HEADER.pack(_MAGIC, 0, 0, _UNIX, extra, ord("M"), ord("I"), extra - 4, 0, 0, 0, 0)[:16]
        for extra in (_EXTRA_LENGTH, _EXTRA_LENGTH_WITHOUT_MEMORY)
    ]
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(beginning, start) >= 0 for beginning in beginnings)


def number_of(path: Path) -> int:
    """Return the number of a part, ``part-0001.resp.gz``."""
    return int(path.name.partition("-")[2].partition(".")[0])


def describe_part(path: Path) -> dict[str, t.Any]:
    """Describe a part that was not closed, as PartWriter.close does."""
    sha256 = hashlib.sha256()
    with reading(path), open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
    whole = list(members(path))
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256.hexdigest(),
        "members": len(whole),
        "records": sum(member.keys for member in whole),
        "memory_bytes": sum(member.memory for member in whole),
    }


def rdb_version(payload: bytes) -> int:
    """Return the RDB version of a DUMP payload: two bytes before its eight bytes of checksum."""
    return int.from_bytes(payload[-10:-8], "little")
