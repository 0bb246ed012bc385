# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepare a release in the checkout, or say what it lacks.

`release.py 1.1.0` sets the version everywhere and turns the fragments into the changelog; without a version, it takes
that of galaxy.yml. `release.py --check 1.1.0` changes nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

BIN = Path(sys.executable).parent
# Where the version stands, and in which line.
PLACES = {
    "galaxy.yml": r"^version: (\d+\.\d+\.\d+)$",
    "README.md": r'^    version: "==(\d+\.\d+\.\d+)"$',
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("version", nargs="?", help="such as 1.1.0; by default that of galaxy.yml")
    parser.add_argument("--check", action="store_true", help="only say what the release lacks")
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parents[2], help="the checkout")
    given = parser.parse_args(arguments)
    version = given.version or versions(given.folder)["galaxy.yml"]
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        parser.error(f"the version is {version!r}; allowed is one such as 1.1.0")
    if not given.check:
        prepare(given.folder, version)
    missing = lacks(given.folder, version)
    for each in missing:
        print(f"error: {each}", file=sys.stderr)
    if not missing:
        print(f"{version}: the version is the same everywhere, and the changelog is complete")
    return 1 if missing else 0


def prepare(folder: Path, version: str) -> None:
    """Set the version, and have the fragments in the changelog of this version instead of in files."""
    for name, line in PLACES.items():
        text = (folder / name).read_text(encoding="utf-8")
        changed = re.sub(line, lambda found: found[0].replace(found[1], version), text, flags=re.MULTILINE)
        (folder / name).write_text(changed, encoding="utf-8")
    # A version that has not been published yet takes in what came after its changelog was made.
    command = [str(BIN / "antsibull-changelog"), "release", "--update-existing", "--reload-plugins"]
    # It asks the ansible-doc of the path.
    subprocess.run(command, cwd=folder, env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}, check=True)


def lacks(folder: Path, version: str) -> list[str]:
    """Return what a release of this version lacks, one sentence each."""
    found = [
        f"{name} has the version {there}, not {version}; run make release VERSION={version}."
        for name, there in versions(folder).items()
        if there != version
    ]
    changelog = yaml.safe_load((folder / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))
    if version not in changelog["releases"]:
        found.append(f"The changelog has no {version}; run make release VERSION={version}.")
    left = sorted(path.name for path in (folder / "changelogs" / "fragments").glob("*.y*ml"))
    if left:
        found.append(f"The changelog lacks the fragments {', '.join(left)}; run make release VERSION={version}.")
    return found


def versions(folder: Path) -> dict[str, str]:
    """Return the version in each of the places."""
    found = {}
    for name, line in PLACES.items():
        (found[name],) = re.findall(line, (folder / name).read_text(encoding="utf-8"), re.MULTILINE)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
