# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup's files: what is written can be read, what is torn is cut, what is damaged is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.backup import (
    BIG,
    FIRST,
    LAST,
    BackupDamaged,
    PartWriter,
    Record,
    cut_torn_tail,
    describe_part,
    members,
    parse_commands,
    read_member,
    restore_command,
)

PAYLOAD = b"\x00\x04data" + (10).to_bytes(2, "little") + b"12345678"


def write_part(path: Path, bodies: list[bytes]) -> dict[str, object]:
    part = PartWriter(path)
    for body in bodies:
        part.append(body, 1)
    return part.close()


def test_a_part_is_one_stream_for_stock_tools(tmp_path: Path) -> None:
    bodies = [restore_command(Record(b"key %d\r\n" % index, PAYLOAD * index, index)) for index in range(100)]
    described = write_part(tmp_path / "part", bodies)
    assert gzip.decompress((tmp_path / "part").read_bytes()) == b"".join(bodies)
    assert described == describe_part(tmp_path / "part")
    assert described["records"] == 100
    for member, body in zip(members(tmp_path / "part"), bodies):
        assert read_member(tmp_path / "part", member) == body
    command = parse_commands(bodies[7])[0]
    assert command == [b"RESTORE", b"key 7\r\n", b"7", PAYLOAD * 7, b"ABSTTL", b"REPLACE"]


@pytest.mark.parametrize("compressible", [True, False])
def test_what_does_not_compress_is_stored(tmp_path: Path, compressible: bool) -> None:
    import random

    chooser = random.Random(1)
    bodies = [b"a" * 10_000 if compressible else chooser.randbytes(10_000) for _index in range(10)]
    described = write_part(tmp_path / "part", bodies)
    assert isinstance(described["bytes"], int)
    assert (described["bytes"] < 10_000) == compressible
    assert gzip.decompress((tmp_path / "part").read_bytes()) == b"".join(bodies)


@pytest.mark.parametrize("lost", range(1, 120, 7))
def test_a_torn_tail_is_cut_behind_the_last_whole_batch(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "part"
    write_part(path, [b"first" * 10, b"second" * 10, b"third" * 20])
    whole = list(members(path))
    path.write_bytes(path.read_bytes()[:-lost])
    expected = [member for member in whole if member.offset + member.length <= path.stat().st_size]
    assert list(members(path)) == expected
    cut_torn_tail(path)
    assert path.stat().st_size == sum(member.length for member in expected)
    gzip.decompress(path.read_bytes())


def test_a_big_key_without_its_end_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "part"
    part = PartWriter(path)
    part.append(b"small", 1)
    end = part.bytes
    part.append(b"big 1", 0, BIG | FIRST, sync=False)
    part.append(b"big 2", 0, BIG, sync=False)
    part.close()
    cut_torn_tail(path)
    assert path.stat().st_size == end


def test_a_big_key_with_its_end_stays(tmp_path: Path) -> None:
    path = tmp_path / "part"
    part = PartWriter(path)
    part.append(b"big 1", 0, BIG | FIRST, sync=False)
    part.append(b"", 1, BIG | LAST)
    part.close()
    size = path.stat().st_size
    cut_torn_tail(path)
    assert path.stat().st_size == size


def test_rewinding_removes_what_was_appended_since(tmp_path: Path) -> None:
    part = PartWriter(tmp_path / "part")
    part.append(b"kept", 1)
    mark = part.mark()
    part.append(b"dropped", 1)
    part.rewind(mark)
    part.append(b"next", 1)
    described = part.close()
    assert gzip.decompress((tmp_path / "part").read_bytes()) == b"keptnext"
    assert described == describe_part(tmp_path / "part")


@pytest.mark.parametrize("position", [0, 14, 40, -1])
def test_damage_is_named(tmp_path: Path, position: int) -> None:
    path = tmp_path / "part"
    write_part(path, [b"body" * 100])
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BackupDamaged, match="damaged at byte 0"):
        for member in [*members(path)] or pytest.fail("the damaged member was passed over"):
            read_member(path, member)


def test_a_part_is_never_overwritten(tmp_path: Path) -> None:
    write_part(tmp_path / "part", [b"body"])
    with pytest.raises(FileExistsError):
        PartWriter(tmp_path / "part")
