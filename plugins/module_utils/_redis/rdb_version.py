# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server reads the format of a backup's payloads. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from .._errors import Refused
from . import backup
from .backup_batches import Batch
from .connection import Connection

_VALKEY_RDB = 80
_LAST_COMMON_RDB = 11
# First version of each family with an RDB version (src/rdb.h of their tags).
_RDB_VERSIONS = {
    "redis": [((5, 0), 9), ((7, 0), 10), ((7, 2), 11), ((7, 4), 12), ((8, 6), 13), ((8, 8), 14), ((8, 10), 15)],
    "valkey": [((7, 2), 11), ((9, 0), _VALKEY_RDB)],
}
_NEWEST_KNOWN = {"redis": (8, 10), "valkey": (9, 1)}


def check_rdb_version(connection: Connection, manifest: t.Mapping[str, t.Any], batches: list[Batch]) -> list[str]:
    """Refuse a server that does not read a backup's format; return what could not be verified."""
    saved = manifest.get("rdb_version") or _first_rdb_version(batches)
    own = _known_rdb_version(connection) or _sampled_rdb_version(connection)
    server = connection.server
    if not saved:
        return []
    if own is None:
        return [f"whether {server.url} reads the backup's format"]
    if saved > own or (own >= _VALKEY_RDB > saved > _LAST_COMMON_RDB):
        raise Refused(
            f"The backup has RDB version {saved}, which {server.name} {server.version} (RDB version {own}) does not "
            f"read; restore to a server like the one it comes from ({manifest['server']['name']} "
            f"{manifest['server']['version']}) or newer of the same family."
        )
    return []


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


def _first_rdb_version(batches: list[Batch]) -> int:
    for batch in batches:
        if not batch.big:
            return backup.rdb_version(backup.parse_commands(backup.read_member(batch.path, batch.members[0]))[0][3])
    return 0
