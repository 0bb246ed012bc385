# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the lab, as OCI archives of one layer each, made of Debian packages and of nothing from a registry.

```
python -m lab.images CACHE SERVICE_BINARY      # builds what is missing; prints names, sizes and seconds
ctr images import --no-unpack ARCHIVE
```

The same inputs give the same bytes. Everything in an image belongs to root unless it is said below, and no file in it
has a set-user-id bit. No maintainer script has run: users, alternatives and the bundle of authorities are made here.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import platform
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any

from .debian import MERGED, unpacked
from .place import LabError

DEBUG_PACKAGES = (
    "bash",
    "bind9-dnsutils",
    "ca-certificates",
    "coreutils",
    "curl",
    "dash",
    "findutils",
    "grep",
    "hostname",
    "iproute2",
    "iputils-ping",
    "mawk",
    "net-tools",
    "netbase",
    "openssl",
    "procps",
    "redis-tools",
    "sed",
    "socat",
    "tcpdump",
    "traceroute",
    "util-linux",
)
"""What the debug image is made of; containers/debug/Containerfile installs the same."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"

# The trap ends PID 1 at once (the kernel ends its sleep), and wait reaps whatever was left to it.
_PAUSE = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait; done"

# Nobody reads manuals in a pod, and the native snapshotter copies every file for every container.
_STRIPPED = (
    "etc/apt",
    "etc/cron*",
    "etc/init.d",
    "etc/logrotate.d",
    "etc/rc?.d",
    "usr/lib/*/gconv",
    "usr/lib/systemd",
    "usr/lib/udev",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/ca-certificates",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/gdb",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/menu",
    "usr/share/perl5",
    "usr/share/pixmaps",
    "usr/share/zsh",
)

# What update-alternatives would have linked.
_DEBUG_LINKS = {
    "usr/bin/awk": "mawk",
    "usr/bin/lft": "lft.db",
    "usr/bin/nawk": "mawk",
    "usr/bin/pager": "more",
    "usr/bin/traceproto": "traceproto.db",
    "usr/bin/traceroute": "traceroute.db",
    "usr/bin/traceroute6": "traceroute6.db",
    "usr/bin/which": "which.debianutils",
    "usr/sbin/tcptraceroute": "tcptraceroute.db",
}


@dataclass(frozen=True)
class Image:
    """An image that is on the disk: its full name with the tag, and the OCI archive to import it from."""

    name: str
    archive: Path


@dataclass(frozen=True)
class Definition:
    """What an image is made of; `users` are (name, uid) besides root and nobody, `folders` are (path, owner, mode)."""

    name: str
    packages: tuple[str, ...] = ()
    closure: bool = True
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = "0:0"
    users: tuple[tuple[str, int], ...] = ()
    folders: tuple[tuple[str, int, int], ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    volumes: tuple[str, ...] = ()
    applets: bool = False
    service: bool = False


DEFINITIONS = (
    Definition(
        "localhost/pause:1",
        packages=("busybox-static",),
        closure=False,
        entrypoint=("/usr/bin/busybox", "sh", "-c", _PAUSE),
        links={"usr/bin/sh": "busybox", "usr/bin/sleep": "busybox"},
        user="65535:65535",
    ),
    Definition(
        "localhost/busybox:1",
        packages=("busybox-static",),
        closure=False,
        command=("sh",),
        applets=True,
    ),
    Definition(
        "localhost/service:1",
        entrypoint=("/service",),
        user="65532:65532",
        users=(("service", 65532),),
        service=True,
    ),
    Definition(
        "localhost/redis:7.0",
        # dash is for probes and lifecycle hooks that are shell commands.
        packages=("redis-server", "redis-tools", "dash"),
        entrypoint=("redis-server",),
        # As in the image that people know: without it nobody but the pod itself could connect.
        command=("--protected-mode", "no"),
        user="999:999",
        users=(("redis", 999),),
        folders=(("data", 999, 0o755),),
        workdir="/data",
        volumes=("/data",),
    ),
    Definition(
        "localhost/debug:1",
        packages=DEBUG_PACKAGES,
        entrypoint=("/bin/bash",),
        # tcpdump, when root starts it, becomes this user.
        users=(("tcpdump", 102),),
        links=_DEBUG_LINKS,
    ),
)


def build_images(cache: Path, *, service: Path) -> list[Image]:
    """Return all images of the lab; those that are not in `cache/images` yet are built first (about a minute).

    `service` is the static binary that localhost/service:1 runs. An archive is named after a hash of everything that
    goes into it and never changes. Raises LabError.
    """
    return list(_images(cache, service))


def _images(cache: Path, service: Path) -> Iterator[Image]:
    home = cache.resolve() / "images"
    home.mkdir(parents=True, exist_ok=True)
    with _lock(home):
        for definition in DEFINITIONS:
            yield build_image(definition, cache, service)


def build_image(definition: Definition, cache: Path, service: Path) -> Image:
    """Return one image, built if it is not there; nobody else may build the same one. Raises LabError."""
    short = definition.name.partition("/")[2].replace(":", "-")
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(f"{platform.machine()} {definition}".encode())
    tree = None
    if definition.packages:
        tree = unpacked(short, definition.packages, cache, closure=definition.closure)
        digest.update((tree / ".complete").read_bytes())
    if definition.service:
        if not service.is_file():
            raise LabError(f"There is no {service} to make {definition.name} of.")
        with service.open("rb") as binary:
            digest.update(hashlib.file_digest(binary, "sha256").digest())
    archive = cache.resolve() / "images" / f"{short}-{digest.hexdigest()[:16]}.tar"
    if not archive.exists():
        print(f"  building the image {definition.name}", file=sys.stderr, flush=True)
        archive.parent.mkdir(parents=True, exist_ok=True)
        _write(definition, _layer(definition, tree, service), archive)
    return Image(definition.name, archive)


class _Layer:
    """The files of an image by their paths; what is added first stays."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[tarfile.TarInfo, bytes | Path]] = {}

    def folder(self, path: str, owner: int = 0, mode: int = 0o755) -> None:
        self._add(path, tarfile.DIRTYPE, mode, owner=owner)

    def link(self, path: str, target: str) -> None:
        self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def file(self, path: str, content: bytes | Path, mode: int = 0o644) -> None:
        self._add(path, tarfile.REGTYPE, mode, content=content)

    def tree(self, root: Path, without: Sequence[str]) -> None:
        """Add everything below a folder; without what has one of these paths, where * stands for anything."""
        for parent, folders, files in os.walk(root):
            where = Path(parent).relative_to(root)
            for name in (*folders, *files):
                path, source = str(where / name), Path(parent, name)
                mode = source.lstat().st_mode
                if any(fnmatch(path, pattern) for pattern in without):
                    folders[:] = [folder for folder in folders if folder != name]
                elif stat.S_ISLNK(mode):
                    self.link(path, os.readlink(source))
                elif stat.S_ISDIR(mode):
                    self.folder(path, mode=mode & 0o1777)
                elif stat.S_ISREG(mode):
                    self.file(path, source, mode & 0o1777)

    def write(self, target: IO[bytes]) -> None:
        """Write the tar; which differs only if the files do."""
        with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            # Sorted by their parts: a folder comes before what is in it.
            for path in sorted(self._entries, key=lambda path: path.split("/")):
                entry, content = self._entries[path]
                with contextlib.ExitStack() as stack:
                    data: IO[bytes] | None = None
                    if entry.isreg():
                        data = stack.enter_context(_opened(content))
                    tar.addfile(entry, data)

    def _add(
        self, path: str, kind: bytes, mode: int, owner: int = 0, target: str = "", content: bytes | Path = b""
    ) -> None:
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.linkname = kind, mode, target
        entry.uid = entry.gid = owner
        entry.mtime = 0
        entry.size = content.stat().st_size if isinstance(content, Path) else len(content)
        self._entries.setdefault(path, (entry, content))


def _layer(definition: Definition, tree: Path | None, service: Path) -> _Layer:
    layer = _Layer()
    for path, owner, mode in (*definition.folders, ("tmp", 0, 0o1777), ("var/tmp", 0, 0o1777), ("root", 0, 0o700)):
        layer.folder(path, owner, mode)
    for path in ("dev", "etc", "home", "proc", "run", "sys", "usr", "var", *(f"usr/{name}" for name in MERGED)):
        layer.folder(path)
    for path in MERGED:
        layer.link(path, f"usr/{path}")
    layer.link("var/run", "/run")
    for path, text in _accounts(definition).items():
        layer.file(path, text.encode())
    for path, target in definition.links.items():
        layer.link(path, target)
    if tree:
        layer.tree(tree, (*_STRIPPED, ".complete"))
        authorities = sorted((tree / "usr" / "share" / "ca-certificates").rglob("*.crt"))
        if authorities:
            layer.folder("etc/ssl/certs")
            layer.file(BUNDLE, b"".join(authority.read_bytes().strip() + b"\n" for authority in authorities))
    if tree and definition.applets:
        for path in _applets(tree / "usr" / "bin" / "busybox"):
            layer.link(path, "/usr/bin/busybox")
    if definition.service:
        layer.file("service", service.resolve(), 0o755)
    return layer


def _accounts(definition: Definition) -> dict[str, str]:
    shell = "/bin/bash" if "bash" in definition.packages else "/bin/sh"
    users = [("root", 0, "/root", shell)]
    users += [(name, uid, "/", "/usr/sbin/nologin") for name, uid in definition.users]
    users += [("nobody", 65534, "/nonexistent", "/usr/sbin/nologin")]
    return {
        "etc/passwd": "".join(f"{name}:x:{uid}:{uid}:{name}:{home}:{shell}\n" for name, uid, home, shell in users),
        "etc/group": "".join(f"{name}:x:{uid}:\n" for name, uid, *_more in users),
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }


def _applets(busybox: Path) -> list[str]:
    done = subprocess.run([str(busybox), "--list-full"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{busybox} does not run here: {done.stderr.strip()[-200:]}")
    applets = (Path(line) for line in done.stdout.split())
    return sorted({f"usr/{path.parent.name}/{path.name}" for path in applets if path.name != "busybox"})


def _opened(content: bytes | Path) -> IO[bytes]:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


class _Hashing:
    """A file that is only written to, and the hash and length of what was written."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._target.write(data)

    def flush(self) -> None:
        self._target.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _write(definition: Definition, layer: _Layer, archive: Path) -> None:
    part, blob = archive.with_suffix(".part"), archive.with_suffix(".layer")
    try:
        with blob.open("wb") as file:
            packed = _Hashing(file)
            with gzip.GzipFile("", "wb", 1, packed, mtime=0) as compressed:
                plain = _Hashing(compressed)  # type: ignore[arg-type]
                layer.write(plain)  # type: ignore[arg-type]
        config = _json(_config(definition, plain.digest))
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _descriptor("config.v1+json", config),
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                        "digest": packed.digest,
                        "size": packed.size,
                    }
                ],
            }
        )
        index = _descriptor("manifest.v1+json", manifest)
        index["platform"] = {"architecture": _architecture(), "os": "linux"}
        index["annotations"] = {
            # The first for containerd, the second for everybody else.
            "io.containerd.image.name": definition.name,
            "org.opencontainers.image.ref.name": definition.name.rpartition(":")[2],
        }
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
            _put(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            media = "application/vnd.oci.image.index.v1+json"
            _put(tar, "index.json", _json({"schemaVersion": 2, "mediaType": media, "manifests": [index]}))
            for data in (manifest, config):
                _put(tar, f"blobs/sha256/{hashlib.sha256(data).hexdigest()}", data)
            _put(tar, f"blobs/sha256/{packed.digest.partition(':')[2]}", blob)
        part.rename(archive)
    finally:
        part.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)


def _config(definition: Definition, layer: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "User": definition.user,
        "Env": [f"PATH={PATH}", "LANG=C.UTF-8"],
        "Entrypoint": list(definition.entrypoint) or None,
        "Cmd": list(definition.command) or None,
        "Volumes": {volume: {} for volume in definition.volumes} or None,
        "WorkingDir": definition.workdir,
    }
    return {
        "created": "1970-01-01T00:00:00Z",
        "architecture": _architecture(),
        "os": "linux",
        "config": {name: value for name, value in config.items() if value is not None},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    }


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(data)}


def _put(tar: tarfile.TarFile, path: str, content: bytes | Path) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = content.stat().st_size if isinstance(content, Path) else len(content)
    with _opened(content) as data:
        tar.addfile(entry, data)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: python -m lab.images CACHE SERVICE_BINARY", file=sys.stderr)
        return 2
    try:
        begun = time.monotonic()
        for image in _images(Path(sys.argv[1]), Path(sys.argv[2])):
            now = time.monotonic()
            size = image.archive.stat().st_size / 1e6
            print(f"{image.name:24} {size:6.1f} MB {now - begun:6.1f} s  {image.archive}", flush=True)
            begun = now
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
