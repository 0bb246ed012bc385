# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be seen outside of a server and of a backup: it is planted as value, field, member and score.

`canary.plant(client, b"market:data:"); ...; assert not canary.seen(result, folder)`
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

WORD = "kanarienvogel"
SCORE = 424242.125
# More than what a test may set as the size from which a key is big.
_MANY = 300


def plant(client: redis.Redis, prefix: bytes) -> int:
    """Make a short key and a long one of each type whose content is the canary; return how many."""
    items = [f"{WORD}-{number}" for number in range(_MANY)]
    for size, number in ((b"short", 1), (b"long", _MANY)):
        name = prefix + b"canary:" + size + b":"
        client.set(name + b"string", WORD * number)
        client.rpush(name + b"list", *items[:number])
        client.sadd(name + b"set", *items[:number])
        client.zadd(name + b"zset", dict.fromkeys(items[:number], SCORE))
        client.hset(name + b"hash", mapping={item: item for item in items[:number]})
        for item in items[:number]:
            client.xadd(name + b"stream", {item: item})
        client.xgroup_create(name + b"stream", WORD, id="0")
        client.xreadgroup(WORD, WORD, {name + b"stream": ">"}, count=number)
    return 12


def seen(*places: Any) -> list[str]:
    """Return where the canary is: in what is shown, or in a file of a folder that is no part of a backup."""
    return [found for place in places for found in _seen(place)]


def _seen(place: Any) -> Iterator[str]:
    if not isinstance(place, Path):
        text = str(place)
        if WORD in text.lower() or str(SCORE) in text:
            yield text
        return
    for path in place.rglob("*"):
        if path.is_file() and not path.name.startswith("part-"):
            content = path.read_bytes().lower()
            if any(form in content for form in (WORD.encode(), WORD.encode().hex().encode(), str(SCORE).encode())):
                yield str(path)
