# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a backup holds, in the order in which it is put back. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from .._run import read_journal
from . import backup
from .backup import BIG, FIRST, LAST, Member


@dataclass(frozen=True)
class Batch:
    """One member, or all members of one big key, with the positions of records that stand for no deleted key."""

    path: Path
    members: tuple[Member, ...]
    void: frozenset[int]

    @property
    def big(self) -> bool:
        return bool(self.members[0].flags & BIG)

    @property
    def memory(self) -> int:
        """About how many bytes its keys took, 0 if the backup does not tell."""
        return self.members[-1].memory


def read_batches(path: Path, parts: t.Sequence[t.Mapping[str, t.Any]], *, complete: bool) -> list[Batch]:
    """Return all batches, the last written first; ``parts`` of the manifest must be there as they were put on record.

    Those of a run that has ended are ``complete``: another one is of another backup. Raises BackupDamaged.
    """
    recorded = {part["file"]: part for part in parts}
    void = {(entry["part"], entry["member"]): entry["void"] for entry in read_journal(path) if entry.get("void")}
    batches: list[Batch] = []
    missing = [name for name in recorded if not (path / name).exists()]
    if missing:
        raise backup.BackupDamaged(
            f"The backup {path} lacks {', '.join(missing)}; use another backup, or a copy of this one."
        )
    for part in sorted(path.glob("part-*.resp.gz")):
        number = backup.number_of(part)
        group: list[Member] = []
        whole = list(backup.members(part))
        if complete and part.name not in recorded:
            raise backup.damaged(path, f"({part.name} is none of the files in manifest.json)")
        if part.name in recorded:
            if len(whole) != recorded[part.name]["members"]:
                raise backup.BackupDamaged(
                    f"The backup {part} is not whole; use another backup, or a copy of this one."
                )
            backup.check_part(part, recorded[part.name]["sha256"])
        for index, member in enumerate(whole):
            if not member.flags & BIG:
                batches.append(Batch(part, (member,), frozenset(void.get((number, index), ()))))
                continue
            group = [member] if member.flags & FIRST else [*group, member]
            if member.flags & LAST:
                batches.append(Batch(part, tuple(group), frozenset()))
    return batches[::-1]
