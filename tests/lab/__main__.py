# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the lab up and down, and say how it is: `python -m lab check|build|up|down|status|env|kubectl ...`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from . import debian, images, own_cluster
from .build import build_programs
from .place import CACHE, CGROUP, RELAYED, ROOT, STATE, LabError, say

_HOST_PACKAGES = (
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libseccomp2",
    "libxtables12",
    "prometheus",
    "prometheus-alertmanager",
    "runc",
)
_NAMESPACES = ("--pid", "--mount", "--net", "--ipc", "--uts")
_WITHOUT = (
    "without it, make integration tests what needs no cluster, and make lab-up runs its Redis in a test cluster of "
    "your own, named by LAB_KUBECONFIG and LAB_CONTEXT"
)
_UP_SECONDS = 180.0
_DOWN_SECONDS = 20.0


def main(arguments: list[str]) -> int:
    command, *rest = arguments or ["help"]
    # In a cluster that is named, nothing has to be built.
    commands = {"check": check_machine, "build": build, "up": up, "down": down, "status": status, "env": env}
    if own_cluster.wanted():
        own = (own_cluster.up, own_cluster.down, own_cluster.status, own_cluster.env)
        commands = {function.__name__: function for function in own}
    try:
        if command == "kubectl":
            own_cluster.kubectl(rest) if own_cluster.wanted() else kubectl(rest)
        if command not in commands or rest:
            print(f"usage: lab {' | '.join(commands)} | kubectl ...", file=sys.stderr)
            return 2
        commands[command]()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> dict[str, Any]:
    """Build what the lab is made of, if that has not been done, and return where it is in the cache."""
    check_machine()
    try:
        programs = build_programs()
    except KeyboardInterrupt:
        raise LabError(
            "The build was interrupted; what it has fetched and compiled is kept, and the next one goes on from there."
        ) from None
    tree = debian.unpacked("lab", _HOST_PACKAGES, CACHE, closure=False)
    built = images.build_images(CACHE, service=programs.service)
    return {
        "lab": _below_cache(programs.lab),
        "crds": _below_cache(programs.crds),
        "debian": _below_cache(tree),
        "images": [[image.name, _below_cache(image.archive)] for image in built],
        "cgroup": CGROUP,
    }


def up() -> None:
    """Bring the lab up, or find it up, and wait until all of it is ready."""
    started = time.monotonic()
    with _control():
        if _supervisor() is None:
            plan = build()
            _remove_leftovers()
            started = time.monotonic()
            say("starting the lab")
            _start(plan)
        _wait_until_ready()
    say(f'the lab is up ({time.monotonic() - started:.0f} s); eval "$(make -s lab-env)" lets kubectl and vault find it')


def down() -> None:
    """End the lab and remove all that is left of it; fine if there is none."""
    with _control():
        supervisor = _supervisor()
        if supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGKILL)
        _remove_leftovers()
    say("the lab is down")


def status() -> None:
    """Say of each part how it is."""
    if _supervisor() is None:
        print("the lab is down")
        return
    for name, about in _status().items():
        restarts = f", {about['restarts']} restarts" if about.get("restarts") else ""
        ready = f" after {about['seconds']} s" if about["state"] == "ready" else ""
        print(f"{name:24} {about['state']}{ready}{restarts} {about.get('reason') or ''}".rstrip())


def env() -> None:
    """Print the variables with which programs find the lab, for `eval`."""
    for name, value in variables().items():
        print(f"export {name}={shlex.quote(value)}")


def variables(state: Path = STATE) -> dict[str, str]:
    """Return the variables with which programs find a lab; raise LabError if it is not up."""
    if _supervisor(state) is None or not (state / "vault-roles.json").exists():
        raise LabError("The lab is not up; run make lab-up first.")
    ports: dict[str, int] = json.loads((state / "ports.json").read_text())
    login = json.loads((state / "vault-roles.json").read_text())["runbooks"]
    return {
        "KUBECONFIG": str(state / "kubeconfig"),
        "VAULT_ADDR": f"http://127.0.0.1:{ports['vault']}",
        "VAULT_ROLE_ID": login["role_id"],
        "VAULT_SECRET_ID": login["secret_id"],
        "PROMETHEUS_URL": f"http://127.0.0.1:{ports['prometheus']}",
        "ALERTMANAGER_URL": f"http://127.0.0.1:{ports['alertmanager']}",
    }


def kubectl(arguments: list[str]) -> NoReturn:
    """Become the lab's own kubectl, so that whoever ends this process ends it."""
    found = variables()
    lab = CACHE / json.loads((STATE / "plan.json").read_text())["lab"]
    os.execve(lab, [str(lab), "kubectl", *arguments], {**os.environ, **found})


def check_machine() -> None:
    """Raise LabError if there can be no lab on this machine, for this user."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise LabError(
            f"The lab needs Linux on x86-64, this is {platform.system()} on {platform.machine()}; {_WITHOUT}."
        )
    if os.geteuid() != 0:
        raise LabError(f"The lab needs root, for network and mount namespaces; run it as root; {_WITHOUT}.")
    done = subprocess.run(["unshare", *_NAMESPACES, "--fork", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"This machine allows no new namespaces ({done.stderr.strip()}); {_WITHOUT}.")


def _start(plan: Mapping[str, Any]) -> None:
    STATE.mkdir(parents=True, mode=0o700)
    (STATE / "plan.json").write_text(json.dumps(plan))
    _make_control_groups()
    with contextlib.ExitStack() as stack:
        listeners = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in RELAYED}
        (STATE / "ports.json").write_text(json.dumps({name: each.getsockname()[1] for name, each in listeners.items()}))
        relays = [f"{name}={listener.fileno()}" for name, listener in listeners.items()]
        command = [
            "unshare", *_NAMESPACES, "--fork", "--mount-proc", "--kill-child",
            sys.executable, "-m", "lab.supervisor", str(STATE), str(CACHE), *relays,
        ]  # fmt: skip
        # The number is on record, as a whole, before there is anything to be ended.
        pid = shlex.quote(str(STATE / "supervisor.pid"))
        script = f'echo $$ > {pid}.part; mv {pid}.part {pid}; exec "$@"'
        with (STATE / "supervisor.log").open("wb") as log:
            started = subprocess.Popen(
                ["/bin/sh", "-c", script, "sh", *command],
                cwd=ROOT / "tests",
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                pass_fds=[listener.fileno() for listener in listeners.values()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not (STATE / "supervisor.pid").exists() and started.poll() is None:
            time.sleep(0.01)


def _wait_until_ready() -> None:
    deadline = time.monotonic() + _UP_SECONDS
    while True:
        if _supervisor() is None:
            log = (STATE / "supervisor.log").read_text(errors="replace").strip()
            raise LabError(f"The lab has ended by itself: {log[-800:]}")
        found = _status()
        waiting = {name: about for name, about in found.items() if about["state"] != "ready"}
        if found and not waiting:
            return
        if time.monotonic() > deadline:
            told = "; ".join(f"{name} {about['state']} {about.get('reason') or ''}" for name, about in waiting.items())
            raise LabError(
                f"The lab is not ready after {_UP_SECONDS:.0f} s ({told}); its logs are in {STATE / 'logs'}."
            )
        time.sleep(0.1)


def _status() -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads((STATE / "status.json").read_text()))
    except FileNotFoundError:
        return {}


def _supervisor(state: Path = STATE) -> int | None:
    """Return the number of the process whose end is the end of a lab, if it is alive."""
    try:
        pid = int((state / "supervisor.pid").read_text())
        command = _command(pid)
    except (OSError, ValueError):
        return None
    # The number of a process that is gone may have been given to another one.
    return pid if os.fsencode(state) in command and b"lab.supervisor" in command else None


def _command(pid: int) -> list[bytes]:
    """Return the command of a process, which is empty for a moment while it becomes another program."""
    for _look in range(20):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if command:
            break
        time.sleep(0.01)
    return command.split(b"\0")


def _make_control_groups() -> None:
    for folder in control_group_roots():
        (folder / CGROUP).mkdir(exist_ok=True)


def control_group_roots() -> list[Path]:
    """Return the folder of each hierarchy of control groups that can be written, or the only one of version 2."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return sorted({folder.resolve() for folder in root.iterdir() if (folder / "cgroup.procs").exists()})


def _remove_leftovers() -> None:
    """Wait until the last process of the lab is gone, and remove what it has left."""
    groups = [folder / CGROUP for folder in control_group_roots()]
    deadline = time.monotonic() + _DOWN_SECONDS
    while True:
        for group in groups:
            for folder, _folders, _files in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        shutil.rmtree(STATE, ignore_errors=True)
        if not STATE.exists() and not any(group.exists() for group in groups):
            return
        if time.monotonic() > deadline:
            raise LabError(f"Something of the lab is still in use; look at {STATE} and at /sys/fs/cgroup/*/{CGROUP}.")
        time.sleep(0.1)


@contextlib.contextmanager
def _control() -> Iterator[None]:
    """Let no other command bring the lab up or down meanwhile."""
    STATE.parent.mkdir(parents=True, exist_ok=True)
    # A folder can be locked as well, and leaves no file.
    folder = os.open(STATE.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _below_cache(path: Path) -> str:
    return str(path.relative_to(CACHE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
