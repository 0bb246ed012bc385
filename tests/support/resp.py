# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second opinion on backups: its own reader of gzip members of RESP commands, and stock `redis-cli --pipe`.

`records(files)[b"market:data:1"].payload`, `replay(files, server).errors == 0`.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

if TYPE_CHECKING:
    from .servers import RedisServer

_REPLAY_SECONDS = 300


class Damaged(ValueError):
    """A file is not whole members of whole commands."""


class Record(NamedTuple):
    """One RESTORE command: its payload, its absolute expiry in ms (0: none) and its further words."""

    payload: bytes
    expire_at: int
    options: tuple[bytes, ...]


def commands(paths: Iterable[Path]) -> Iterator[list[bytes]]:
    """Return every command in the files, in order."""
    for path in paths:
        with gzip.open(path) as stream:
            try:
                yield from _commands(cast(BinaryIO, stream))
            except (EOFError, gzip.BadGzipFile, Damaged) as error:
                raise Damaged(f"{path.name}: {error}") from None


def records(paths: Iterable[Path]) -> dict[bytes, Record]:
    """Return the last RESTORE of each key; any other command is an error."""
    found = {}
    for words in commands(paths):
        if words[0].upper() != b"RESTORE" or len(words) < 4:
            raise Damaged(f"not a RESTORE: {words[0]!r} with {len(words) - 1} arguments")
        found[words[1]] = Record(words[3], int(words[2]), tuple(word.upper() for word in words[4:]))
    return found


@dataclass(frozen=True)
class Replay:
    """What `redis-cli --pipe` counted, and how often it said what."""

    replies: int
    errors: int
    said: Counter[str]


def replay(paths: Iterable[Path], server: RedisServer) -> Replay:
    """Do what the manual restore says: `zcat files | redis-cli --pipe`."""
    login = server.admin().get_connection_kwargs()
    command = [server.cli, "-h", server.host, "-p", str(server.port), "--pipe"]
    environment = dict(os.environ)
    if login.get("username"):
        command[1:1] = ["--user", login["username"]]
    if login.get("password"):
        environment["REDISCLI_AUTH"] = login["password"]
    with subprocess.Popen(["zcat", *map(str, paths)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as zcat:
        done = subprocess.run(
            command,
            stdin=zcat.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=_REPLAY_SECONDS,
            check=False,
        )
        assert zcat.stdout is not None and zcat.stderr is not None
        zcat.stdout.close()
        problem = zcat.stderr.read().decode(errors="replace")
    if zcat.returncode:
        raise Damaged(problem)
    output = done.stdout.decode(errors="replace")
    counts = re.search(r"errors: (\d+), replies: (\d+)", output)
    if not counts:
        raise RuntimeError(f"redis-cli did not finish:\n{output}")
    return Replay(int(counts[2]), int(counts[1]), Counter(output.splitlines()))


def _commands(stream: BinaryIO) -> Iterator[list[bytes]]:
    while head := stream.readline():
        yield [_word(stream) for _index in range(_number(head, b"*"))]


def _word(stream: BinaryIO) -> bytes:
    length = _number(stream.readline(), b"$")
    word = stream.read(length + 2)
    if len(word) != length + 2 or word[-2:] != b"\r\n":
        raise Damaged("a word is cut short")
    return word[:-2]


def _number(line: bytes, mark: bytes) -> int:
    if not re.fullmatch(re.escape(mark) + rb"\d+\r\n", line):
        raise Damaged(f"expected {mark.decode()}<number>, found {line[:40]!r}")
    return int(line[1:])
