# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What most tests of the flush do: flush and restore through the modules, with a backup in a temporary folder.

`flush(server, tmp_path)["removed"]` · `restore(server, flushed)["restored"]`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .ansible import run_module
from .servers import RedisServer

CACHE = "market:data:*"


def flush_args(server: RedisServer, folder: Path, **options: Any) -> dict[str, Any]:
    """Return module arguments for a flush of the cache, which is most of the database in a test."""
    return {
        "url": server.url,
        "patterns": [CACHE],
        "backup_dir": str(folder / "backups"),
        "accept_ephemeral_storage": True,
        "max_share": 1.0,
        **options,
    }


def flush(
    server: RedisServer, folder: Path, *, check: bool = False, diff: bool = False, **options: Any
) -> dict[str, Any]:
    return run_module("redis_flush", flush_args(server, folder, **options), check=check, diff=diff)


def restore(
    server: RedisServer, flushed: dict[str, Any], *, check: bool = False, diff: bool = False, **options: Any
) -> dict[str, Any]:
    args = {"url": server.url, "path": flushed["backup"]["path"], **options}
    return run_module("redis_restore", args, check=check, diff=diff)


def role_variables(url: str, folder: Path, **more: str) -> dict[str, str]:
    """Return variables, as text, for a playbook that flushes the cache of a test and asks nobody."""
    variables = {
        "url": url,
        "names": "market-data",
        "max_share": "1",
        "skip_prompt": "true",
        "accept_ephemeral_storage": "true",
        "recovery_timeout": "0",
        "backup_dir": str(folder),
        "reports_dir": str(folder / "reports"),
    }
    return {f"flush_redis_{name}": value for name, value in {**variables, **more}.items()}
