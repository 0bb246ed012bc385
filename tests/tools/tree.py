# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy what git knows of this checkout, and nothing that lies about: what a release would be made from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def export(collections: Path, keep: str = "") -> Path:
    """Lay a fresh copy under collections/ansible_collections/market_intel/runbooks and return that folder.

    keep is a folder inside the copy that outlives the refresh, such as one that holds environments.
    """
    target = collections / "ansible_collections" / "market_intel" / "runbooks"
    aside = collections / "kept"
    if keep and (target / keep).is_dir():
        (target / keep).rename(aside)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if aside.is_dir():
        (target / keep).parent.mkdir(parents=True, exist_ok=True)
        aside.rename(target / keep)
    for name in tracked():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    return target


def tracked() -> list[str]:
    """Return the files that are tracked, or new and not ignored, and still there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file())
