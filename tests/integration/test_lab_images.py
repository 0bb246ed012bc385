# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the lab: what is in the archives, and whether their programs run although no script set them up."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.debian import DebianMissing, unpacked
from lab.images import BUNDLE, DEBUG_PACKAGES, DEFINITIONS, Image, build_image, build_images
from lab.place import CACHE, ROOT, LabError
from support.processes import wait_until

NAMES = tuple(definition.name for definition in DEFINITIONS)

debian_only = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb") and os.geteuid() == 0),
    reason="the lab's images are made of Debian's packages and tried by chroot: needs root on a Debian with apt-get",
)


@pytest.fixture(scope="module")
def busybox() -> Path:
    """Any static binary, in place of the lab's service."""
    return unpacked("busybox-1", ["busybox-static"], CACHE, closure=False) / "usr" / "bin" / "busybox"


@pytest.fixture(scope="module")
def images(busybox: Path) -> dict[str, Image]:
    return {image.name: image for image in build_images(CACHE, service=busybox)}


@pytest.fixture(scope="module")
def rootfs(images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives an image's files as a folder."""
    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("rootfs")
            made[name].chmod(0o755)
            with layer(images[name]) as tar:
                # Debian 12's own Python knows no filters, and trusts.
                tar.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
                tar.extractall(made[name], numeric_owner=True)
            # A container always has one; busybox gives it to what runs in the background.
            (made[name] / "dev" / "null").touch()
        return made[name]

    return of


def blobs(image: Image) -> dict[str, bytes]:
    with tarfile.open(image.archive) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def config_of(image: Image) -> dict[str, Any]:
    content = blobs(image)
    return json.loads(blob(content, manifest_of(content)["config"]))


def manifest_of(content: dict[str, bytes]) -> dict[str, Any]:
    (only,) = json.loads(content["index.json"])["manifests"]
    return json.loads(blob(content, only))


def blob(content: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """Return what a descriptor points to, which has to be what it says."""
    algorithm, _colon, digest = descriptor["digest"].partition(":")
    data = content[f"blobs/{algorithm}/{digest}"]
    assert (algorithm, hashlib.sha256(data).hexdigest(), len(data)) == ("sha256", digest, descriptor["size"])
    return data


@contextlib.contextmanager
def layer(image: Image) -> Iterator[tarfile.TarFile]:
    content = blobs(image)
    (only,) = manifest_of(content)["layers"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(content, only)))) as tar:
        yield tar


def chroot(root: Path, *command: str, user: str = "0:0", returns: int = 0) -> str:
    """Return what a command in the image says; it has to end with that status."""
    done = subprocess.run(
        ["chroot", f"--userspec={user}", str(root), *command],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == returns, done.stdout
    return done.stdout


def children(pid: int) -> dict[int, str]:
    """Return the children of a process and their states, as in Z for one that nobody has waited for."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child): Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in found}


# -- archives --------------------------------------------------------------------------------------------------------


@debian_only
@pytest.mark.parametrize("name", NAMES)
def test_an_archive_is_an_oci_layout_that_names_the_image(images: dict[str, Image], name: str) -> None:
    content = blobs(images[name])
    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (only,) = json.loads(content["index.json"])["manifests"]
    assert only["annotations"]["io.containerd.image.name"] == name
    manifest = manifest_of(content)
    config = json.loads(blob(content, manifest["config"]))
    plain = [gzip.decompress(blob(content, layer)) for layer in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in plain]
    assert len(content) == 5


@debian_only
@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_a_layer_says_nothing_about_who_built_it_and_when(images: dict[str, Image], name: str) -> None:
    with layer(images[name]) as tar:
        entries = tar.getmembers()
    paths = [entry.name.split("/") for entry in entries]
    assert paths == sorted(paths)
    assert len({entry.name for entry in entries}) == len(entries)
    assert {entry.mtime for entry in entries} == {0}
    assert {entry.name: entry.uid for entry in entries if entry.uid or entry.gid} == (
        {"data": 999} if name == "localhost/redis:7.0" else {}
    )
    assert not [entry.name for entry in entries if entry.mode & 0o6000]
    assert {entry.name: entry.mode for entry in entries if entry.name in ("tmp", "root")} == {
        "root": 0o700,
        "tmp": 0o1777,
    }


@debian_only
@pytest.mark.parametrize("name", ["localhost/busybox:1", "localhost/service:1"])
def test_two_builds_of_an_image_are_the_same_bytes(tmp_path: Path, busybox: Path, name: str) -> None:
    (definition,) = [definition for definition in DEFINITIONS if definition.name == name]
    built = []
    for folder in ("one", "two"):
        cache = tmp_path / folder
        shutil.copytree(busybox.parents[2], cache / "debian" / busybox.parents[2].name, symlinks=True)
        for path in cache.rglob("*"):
            os.utime(path, (len(built), len(built)), follow_symlinks=False)
        built.append(build_image(definition, cache, busybox).archive)
    one, two = built
    assert one != two
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in one.parent.iterdir()) == [one.name]


@debian_only
def test_an_image_is_built_once_for_the_same_service_and_anew_for_another(tmp_path: Path) -> None:
    (definition,) = [definition for definition in DEFINITIONS if definition.service]
    service = tmp_path / "service"
    service.write_bytes(b"one")
    first = build_image(definition, tmp_path, service)
    written = first.archive.stat().st_mtime_ns
    assert build_image(definition, tmp_path, service) == first
    assert first.archive.stat().st_mtime_ns == written
    service.write_bytes(b"two")
    assert build_image(definition, tmp_path, service).archive != first.archive


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    (definition,) = [definition for definition in DEFINITIONS if definition.service]
    with pytest.raises(LabError, match=r"no .*/absent to make localhost/service:1 of"):
        build_image(definition, tmp_path, tmp_path / "absent")


# -- programs --------------------------------------------------------------------------------------------------------


@debian_only
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("dig -v", "DiG 9"),
        ("nslookup -version", "nslookup 9"),
        ("tcpdump --version", "libpcap version"),
        ("curl --version", "OpenSSL/3"),
        ("openssl version", "OpenSSL 3"),
        ("ss -V", "iproute2"),
        ("ip -V", "iproute2"),
        ("traceroute --version", "Modern traceroute"),
        ("ping -V", "iputils"),
        ("netstat --version", "net-tools"),
        ("redis-cli --version", "redis-cli 7.0"),
        ("socat -V", "socat version"),
        ("free --version", "procps"),
        ("nsenter --version", "util-linux"),
        ("hostname --version", "hostname"),
        ("which awk", "/usr/bin/awk"),
        ("cat /etc/os-release", "bookworm"),
    ],
)
def test_a_program_of_the_debug_image_runs(rootfs: Callable[[str], Path], command: str, said: str) -> None:
    assert said in chroot(rootfs("localhost/debug:1"), *command.split())


@debian_only
@pytest.mark.parametrize("name", ["localhost/debug:1", "localhost/redis:7.0"])
def test_every_program_finds_its_libraries(rootfs: Callable[[str], Path], name: str) -> None:
    listed = chroot(
        rootfs(name),
        "sh",
        "-c",
        "for program in /usr/bin/* /usr/sbin/*; do"
        ' for loader in /lib*/ld-linux-*.so.*; do "$loader" --list "$program" 2>&1; done; done; true',
    )
    assert "libc.so.6 => " in listed
    assert [line for line in listed.splitlines() if "not found" in line] == []


@debian_only
@pytest.mark.parametrize("name", NAMES)
def test_no_link_of_an_image_leads_nowhere(rootfs: Callable[[str], Path], name: str) -> None:
    root = rootfs(name)
    broken = []
    for path in (*root.glob("usr/bin/*"), *root.glob("usr/sbin/*"), *root.glob("*")):
        target = path
        while target.is_symlink():
            link = os.readlink(target)
            target = root / link.lstrip("/") if link.startswith("/") else target.parent / link
        if not target.exists():
            broken.append(path.name)
    assert broken == []


@debian_only
def test_the_debug_image_trusts_the_authorities_that_debian_trusts(rootfs: Callable[[str], Path]) -> None:
    root = rootfs("localhost/debug:1")
    assert (root / BUNDLE).read_text().count("BEGIN CERTIFICATE") > 100
    said = chroot(root, "bash", "-c", f"openssl x509 -in /{BUNDLE} -out /tmp/one.pem && openssl verify /tmp/one.pem")
    assert said == "/tmp/one.pem: OK\n"


@debian_only
def test_pipes_of_the_usual_filters_work_in_the_debug_image(rootfs: Callable[[str], Path]) -> None:
    script = "printf '%s\\n' a=1 b=2 | grep b | sed s/b/c/ | awk -F= '{print $1, $2}'; id -un; find /tmp -maxdepth 0"
    assert chroot(rootfs("localhost/debug:1"), "/bin/bash", "-c", script) == "c 2\nroot\n/tmp\n"


@debian_only
def test_redis_serves_as_its_own_user(rootfs: Callable[[str], Path], images: dict[str, Image]) -> None:
    root = rootfs("localhost/redis:7.0")
    assert "v=7.0" in chroot(root, "redis-server", "--version")
    config = config_of(images["localhost/redis:7.0"])["config"]
    assert (config["User"], config["WorkingDir"], config["Volumes"]) == ("999:999", "/data", {"/data": {}})
    inside = ["chroot", f"--userspec={config['User']}", str(root)]
    command = ["sh", "-c", 'cd /data && exec "$@"', "sh", *config["Entrypoint"], *config["Cmd"]]
    with subprocess.Popen([*inside, *command, "--port", "0", "--unixsocket", "/tmp/socket"]) as server:
        try:
            wait_until((root / "tmp" / "socket").exists, 10, "the server's socket")
            for words, said in (("set a 1", "OK"), ("config get protected-mode", "protected-mode\nno"), ("save", "OK")):
                assert (
                    chroot(root, "redis-cli", "-s", "/tmp/socket", *words.split(), user=config["User"]).strip() == said
                )
        finally:
            server.terminate()
    assert (root / "data" / "dump.rdb").stat().st_uid == 999


@debian_only
def test_busybox_has_its_applets(rootfs: Callable[[str], Path]) -> None:
    said = chroot(rootfs("localhost/busybox:1"), "sh", "-c", "ls /bin/wget /sbin/ip; echo 1 | awk '{print $1 + 1}'")
    assert said == "/bin/wget\n/sbin/ip\n2\n"


@debian_only
def test_the_service_runs_as_its_own_user(rootfs: Callable[[str], Path], images: dict[str, Image]) -> None:
    config = config_of(images["localhost/service:1"])["config"]
    assert (config["Entrypoint"], config["User"]) == (["/service"], "65532:65532")
    # So says busybox, which goes by the name it is called by.
    said = chroot(rootfs("localhost/service:1"), "/service", user=config["User"], returns=127)
    assert said == "service: applet not found\n"


@debian_only
def test_the_sandbox_reaps_what_is_left_to_it_and_ends_at_once(
    rootfs: Callable[[str], Path], images: dict[str, Image]
) -> None:
    root = rootfs("localhost/pause:1")
    config = config_of(images["localhost/pause:1"])["config"]
    inside = ["chroot", f"--userspec={config['User']}", str(root)]
    with subprocess.Popen(["unshare", "--pid", "--fork", *inside, *config["Entrypoint"]]) as sandbox:
        try:
            wait_until(lambda: len(children(sandbox.pid)) == 1, 10, "the sandbox")
            (init,) = children(sandbox.pid)
            wait_until(lambda: len(children(init)) == 1, 10, "its sleep")
            # Each leaves a process behind that ends after it.
            for _number in range(3):
                orphan = ["/bin/sh", "-c", "sleep 0.3 & exit 0"]
                subprocess.run(["nsenter", f"--pid=/proc/{init}/ns/pid", *inside, *orphan], check=True)
            assert len(children(init)) > 1
            wait_until(lambda: list(children(init).values()) == ["S"], 10, "the dead to be reaped")
            begun = time.monotonic()
            os.kill(init, signal.SIGTERM)
            assert sandbox.wait(10) == 0
            assert time.monotonic() - begun < 1
        finally:
            # It survives its parent, and everything else in there ends with it.
            for pid in children(sandbox.pid) if sandbox.poll() is None else ():
                os.kill(pid, signal.SIGKILL)
            sandbox.kill()


# -- packages --------------------------------------------------------------------------------------------------------


@debian_only
def test_a_package_that_does_not_exist_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "debian").mkdir()
    # The package lists of the others: this test is not about fetching them.
    shutil.copytree(CACHE / "debian" / "apt", tmp_path / "debian" / "apt")
    with pytest.raises(DebianMissing, match=r"apt-get .*no-such-package") as caught:
        unpacked("wrong", ["no-such-package"], tmp_path, closure=True)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in (tmp_path / "debian").iterdir()) == [".lock", "apt"]


def test_without_apt_the_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DebianMissing, match=r"come from Debian, and this machine has no apt-get\.$"):
        unpacked("any", ["bash"], tmp_path, closure=False)


@debian_only
def test_unpacked_folders_are_merged_complete_and_made_once(busybox: Path) -> None:
    home = busybox.parents[2]
    assert {path.name: os.readlink(path) for path in home.iterdir() if path.is_symlink()} == {
        "bin": "usr/bin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
        "sbin": "usr/sbin",
    }
    assert re.fullmatch(r"busybox-static_\S+\.deb\n", (home / ".complete").read_text())
    written = (home / ".complete").stat().st_mtime_ns
    assert unpacked("busybox-1", ["busybox-static"], CACHE, closure=False) == home
    assert (home / ".complete").stat().st_mtime_ns == written


# -- for a registry --------------------------------------------------------------------------------------------------


def test_the_containerfile_installs_what_the_debug_image_of_the_lab_has() -> None:
    text = (ROOT / "containers" / "debug" / "Containerfile").read_text()
    (installed,) = re.findall(r"--no-install-recommends \\\n((?: +[a-z0-9.+-]+ \\\n)+)", text)
    assert tuple(word for word in installed.split() if word != "\\") == DEBUG_PACKAGES
