# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""Files of a run's folder: their names, and how they are replaced."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from pathlib import Path

INDEX = "index"
PARTIAL = ".partial"
SUFFIXES = {"json": ".json", "markdown": ".md", "html": ".html"}
# Whole lists that a runbook leaves beside its report, by the kinds of their files.
INVENTORY = {
    "json": ".certificates.json",
    "csv": ".certificates.csv",
    "junit": ".certificates.xml",
    "prometheus": ".certificates.prom",
    "nagios": ".certificates.nagios",
}


def file_name(host: str) -> str:
    """A base name that is legal everywhere; a changed one carries a digest, so that no two hosts share it."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", host)
    safe = re.sub(r"^[^A-Za-z0-9_]", "_", safe)[:80]
    if safe == host and host.lower() != INDEX:
        return host
    return f"{safe}-{hashlib.sha256(host.encode()).hexdigest()[:8]}"


def replace_file(path: Path, content: str) -> None:
    """Replace a file atomically and durably, readable by its owner only."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
