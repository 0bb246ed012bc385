# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages as folders: downloaded by apt and unpacked, never installed.

No maintainer script runs and nothing outside the cache folder changes, so that root is not needed either. What a
script would have made (users, alternatives, caches) is missing from the folders.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import platform
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from .place import LabError, say

MERGED = ("bin", "lib", "lib64", "sbin")
"""Top folders that are links into /usr."""

# Raised when an unpacked folder would look different for the same packages.
_LAYOUT = 1


class DebianMissing(LabError):
    """Packages could not be fetched or unpacked; the message is one sentence, with the last lines of what failed."""


def unpacked(name: str, packages: Sequence[str], cache: Path, *, closure: bool, suite: str = "") -> Path:
    """Return the folder `cache/debian/<name>-<hash>` with the packages unpacked; it is made once and then only read.

    With `closure` everything they depend on is in it too, down to the C library, and its programs run under chroot or
    with `own_loader`; recommended packages are left out. `suite` is a release of Debian, such as trixie, the machine's
    own sources by default. The file `.complete` in it lists the archives it was made of, one a line.
    Raises DebianMissing.
    """
    words = json.dumps([_LAYOUT, sorted(packages), closure, *([suite] if suite else [])])
    home = cache.resolve() / "debian" / f"{name}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"
    if not (home / ".complete").exists():
        with _lock(home.parent):
            if not (home / ".complete").exists():
                _build(name, packages, home, closure, suite)
    return home


def own_loader(tree: Path, program: str) -> str:
    """Return a script that runs a program of an unpacked closure with the loader and the libraries beside it.

    The program keeps the process id of the script, and takes the script's own path for the name it was started by.
    """
    (loader,) = tree.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*")
    words = [str(loader), "--library-path", str(loader.parent)]
    return f'#!/bin/sh\nexec {shlex.join(words)} --argv0 "$0" {shlex.quote(str(tree / program))} "$@"\n'


def _build(name: str, packages: Sequence[str], home: Path, closure: bool, suite: str) -> None:
    for program in ("apt-get", "dpkg-deb", "tar"):
        if not shutil.which(program):
            raise DebianMissing(f"The packages for {name} come from Debian, and this machine has no {program}.")
    part, archives = _fresh(home.with_name(f"{home.name}.part")), _fresh(home.with_name(f"{home.name}.debs"))
    try:
        apt = _Apt(home.parent / "apt")
        if suite and platform.freedesktop_os_release().get("VERSION_CODENAME") != suite:
            apt = apt.of_suite(suite)
        found = apt.download(name, packages, archives, closure)
        say(f"unpacking {len(found)} Debian packages for {name}")
        for folder in MERGED:
            # Before the first package, as on an installed Debian 12: many still ship /bin/x or /lib/x.
            (part / "usr" / folder).mkdir(parents=True)
            (part / folder).symlink_to(f"usr/{folder}")
        for archive in found:
            _unpack(archive, part)
        (part / ".complete").write_text("".join(f"{archive.name}\n" for archive in found))
        shutil.rmtree(home, ignore_errors=True)
        part.rename(home)
    finally:
        shutil.rmtree(archives, ignore_errors=True)
        shutil.rmtree(part, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> None:
    # dpkg-deb -x would replace the links of the merged folders by folders.
    tar = ["tar", "-x", "-f", "-", "-C", str(folder), "--keep-directory-symlink", "--preserve-permissions"]
    listing = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(listing, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as content:
        _run([*tar, "--no-same-owner"], stdin=content.stdout)
    if content.returncode:
        raise DebianMissing(f"dpkg-deb could not read {archive.name}.")


class _Apt:
    """apt with lists of its own in a folder, without any installed package; by default with the machine's sources."""

    def __init__(self, state: Path, sources: str = "") -> None:
        self._state = state
        self._lists = state / "lists"
        for folder in ("lists/partial", "cache"):
            (state / folder).mkdir(parents=True, exist_ok=True)
        (state / "status").touch()
        self._options = [
            "-o", f"Dir::State={state}",
            "-o", f"Dir::State::status={state / 'status'}",
            "-o", f"Dir::Cache={state / 'cache'}",
            "-o", "APT::Sandbox::User=",
            "-o", "Acquire::Languages=none",
            "-o", "Debug::NoLocking=true",
        ]  # fmt: skip
        if sources:
            (state / "debian.sources").write_text(sources)
            self._options += ["-o", f"Dir::Etc::sourcelist={state / 'debian.sources'}", "-o", "Dir::Etc::sourceparts=-"]

    def of_suite(self, suite: str) -> _Apt:
        """Return an apt for another release, from the machine's mirror.

        Its keys are in the newest keyring of the machine's own release, which the machine's keys vouch for; the
        installed one may be older than the other release.
        """
        keyring = self._state / "keyring"
        if not keyring.exists():
            (archive,) = self.download("its keys", ["debian-archive-keyring"], _fresh(self._state / "debs"), False)
            part = _fresh(self._state / "keyring.part")
            _run(["dpkg-deb", "-x", str(archive), str(part)])
            part.rename(keyring)
        # The mirror of security updates has another label.
        targets = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
        mirror = next(iter(self._run(*targets).split()), "http://deb.debian.org/debian")
        signed_by = keyring / "usr" / "share" / "keyrings" / "debian-archive-keyring.gpg"
        words = {"Types": "deb", "URIs": mirror, "Suites": suite, "Components": "main", "Signed-By": signed_by}
        sources = "".join(f"{name}: {value}\n" for name, value in words.items())
        return _Apt(self._state.with_name(f"apt-{suite}"), sources)

    def download(self, name: str, packages: Sequence[str], folder: Path, closure: bool) -> list[Path]:
        """Fetch into an empty folder and return the archives, sorted; lists that are too old are fetched anew."""
        if any(self._lists.glob("*Packages*")):
            # The mirror keeps no superseded archive, so lists that were complete yesterday may name what is gone.
            with contextlib.suppress(DebianMissing):
                return self._download(name, packages, folder, closure)
        failed = self._update()
        try:
            return self._download(name, packages, folder, closure)
        except DebianMissing as error:
            # One broken source among good ones is no reason to fail, but likely the reason of what failed after it.
            raise (failed or error) from None

    def _update(self) -> DebianMissing | None:
        say("fetching Debian's package lists")
        try:
            self._run("update")
        except DebianMissing as error:
            return error
        return None

    def _download(self, name: str, packages: Sequence[str], folder: Path, closure: bool) -> list[Path]:
        # The folders are merged already; without this package Perl and a program that merges would be fetched.
        install = ["install", "-y", "--no-install-recommends", *packages, "usr-is-merged"]
        count = len(packages)
        if closure:
            count = sum(line.startswith("'") for line in self._run("--print-uris", *install).splitlines())
        say(f"fetching {count} Debian packages for {name}")
        if closure:
            (folder / "partial").mkdir(exist_ok=True)
            self._run("--download-only", "-o", f"Dir::Cache::archives={folder}", *install)
        else:
            self._run("download", *packages, cwd=folder)
        found = sorted(folder.glob("*.deb"))
        if len(found) != count:
            raise DebianMissing(f"apt-get fetched {len(found)} instead of {count} packages for {name}.")
        return found

    def _run(self, *words: str, cwd: Path | None = None) -> str:
        return _run(["apt-get", "-qq", *self._options, *words], cwd)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    # One lock for all names, since they share the package lists.
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(command: list[str], cwd: Path | None = None, stdin: IO[bytes] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, stdin=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " / ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
        words = shlex.join([command[0], *[word for word in command[1:] if word[0] != "-" and "::" not in word][:2]])
        raise DebianMissing(f"{words} ... failed: {said[-800:]}")
    return done.stdout
