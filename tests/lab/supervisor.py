# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of the lab's namespaces: brings everything up, and starts again what ends.

Processes, mounts, network and host name are in namespaces of their own, so that all of it is gone with this process,
however that ends; what is left are the files in STATE and the control groups below CGROUP.

Called by `lab.__main__` as `python -m lab.supervisor STATE CACHE RELAY...`, in the new namespaces, with a listening
socket for each RELAY (NAME=DESCRIPTOR) and with `plan.json` in STATE, which names what to run, relative to CACHE.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from . import contents
from .parts import Part, Tools, parts, write_configuration
from .place import BRIDGE, BRIDGE_ADDRESS, INSIDE, PROGRAMS, RELAYED

_POLL = 0.1
_RESTART_PAUSE = 1.0
_READY_SECONDS = 120.0


class Supervisor:
    """Starts parts and steps as soon as what they need is ready, and keeps `status.json` up to date."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._ready: dict[str, threading.Event] = {}
        self._status: dict[str, dict[str, object]] = {}
        self._steps: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {}
        self._mutex = threading.Lock()

    def add(self, name: str, run: Callable[[], None], needs: tuple[str, ...]) -> None:
        """Run something in a thread of its own, once all that it needs is ready."""
        self._ready.setdefault(name, threading.Event())
        for need in needs:
            self._ready.setdefault(need, threading.Event())
        self._note(name, state="waiting", restarts=0)

        def wait_and_run() -> None:
            for need in needs:
                self._ready[need].wait()
            run()

        threading.Thread(target=wait_and_run, name=name, daemon=True).start()

    def add_part(self, part: Part) -> None:
        self.add(part.name, lambda: self._keep_running(part), part.needs)

    def add_step(self, name: str, work: Callable[[], None], needs: tuple[str, ...]) -> None:
        """Do some work, again and again until it succeeds; and once more when something that it needs has forgotten."""
        self._steps[name] = work, needs
        self.add(name, lambda: self._repeat(name, work), needs)

    def _repeat_what_needs(self, name: str) -> None:
        for step, (work, needs) in self._steps.items():
            if name in needs:
                self._note(step, state="waiting")
                threading.Thread(target=self._repeat, args=(step, work), name=step, daemon=True).start()

    def _repeat(self, name: str, work: Callable[[], None]) -> None:
        while True:
            self._note(name, state="working")
            try:
                work()
                break
            except Exception as error:
                traceback.print_exc()
                self._note(name, state="failed", reason=str(error))
                time.sleep(_RESTART_PAUSE)
        self._note(name, state="ready", reason="")
        self._ready[name].set()

    def _keep_running(self, part: Part) -> None:
        restarts = 0
        while True:
            with open(INSIDE / "logs" / f"{part.name}.log", "ab") as log:
                process = subprocess.Popen(
                    part.command,
                    env=self._tools.environment,
                    cwd=INSIDE,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            self._note(part.name, state="starting", restarts=restarts, pid=process.pid)
            self._wait_until_ready(part, process)
            if restarts and part.forgets and process.poll() is None:
                self._repeat_what_needs(part.name)
            code = process.wait()
            restarts += 1
            self._note(part.name, state="ended", reason=f"it ended with {code}; see logs/{part.name}.log")
            time.sleep(_RESTART_PAUSE)

    def _wait_until_ready(self, part: Part, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while process.poll() is None:
            try:
                if part.is_ready():
                    part.prepare()
                    self._note(part.name, state="ready", reason="")
                    self._ready[part.name].set()
                    return
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                self._note(part.name, reason=str(error))
            if time.monotonic() > deadline:
                process.kill()
                return
            time.sleep(_POLL)

    def _note(self, name: str, **about: object) -> None:
        with self._mutex:
            known = self._status.setdefault(name, {})
            if known | about == known:
                return
            known.update(about)
            if about.get("state") == "ready":
                known["seconds"] = round(time.monotonic() - _STARTED, 1)
            part = INSIDE / "status.json.part"
            part.write_text(json.dumps(self._status, indent=2))
            part.rename(INSIDE / "status.json")


_STARTED = time.monotonic()


def main(arguments: list[str]) -> int:
    state, cache, *relays = arguments
    _become_init()
    _enter(Path(state), Path(cache))
    plan = json.loads((INSIDE / "plan.json").read_text())
    tools = Tools(PROGRAMS / plan["lab"], PROGRAMS / plan["debian"])
    _connect_network(tools)
    _lay_links(tools.debian)
    for folder in ("logs", "audit", "static-pods"):
        (INSIDE / folder).mkdir()
    authority = write_configuration(tools, plan["cgroup"])
    _use_own_names()
    ports = json.loads((INSIDE / "ports.json").read_text())
    _write(INSIDE / "kubeconfig", authority.kubeconfig("admin", f"https://127.0.0.1:{ports['api']}"))
    supervisor = Supervisor(tools)
    for part in parts(tools, contents.fill_vault):
        supervisor.add_part(part)
    for name, work, needs in contents.steps(tools, plan["images"], plan["crds"]):
        supervisor.add_step(name, work, needs)
    descriptors = dict(relay.split("=") for relay in relays)
    targets = [f"{descriptors[name]}=127.0.0.1:{port}" for name, port in RELAYED.items()]
    subprocess.run(
        [str(tools.lab), "relay", *targets], pass_fds=[int(number) for number in descriptors.values()], check=False
    )
    return 1


def _write(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)


def _become_init() -> None:
    """Leave the work to a child: the first process of a namespace has to collect those that nobody waits for."""
    worker = os.fork()
    if worker == 0:
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        ended, _status = os.wait()
        if ended == worker:
            os._exit(1)


def _enter(state: Path, cache: Path) -> None:
    """Mount what is ours at the same short places in every lab, and hide where programs would leave something."""
    places = {os.open(state, os.O_PATH): INSIDE, os.open(cache, os.O_PATH): PROGRAMS}
    for folder in ("/run", "/usr/share", "/var"):
        _run("mount", "-t", "tmpfs", "lab", folder)
    for descriptor, place in places.items():
        place.mkdir()
        _run("mount", "--bind", f"/proc/self/fd/{descriptor}", str(place), pass_fds=[descriptor])
    for folder in ("lib/cni", "lib/kubelet", "log/pods", "log/containers", "tmp", "run"):
        Path("/var", folder).mkdir(parents=True)
    # What pods write belongs on the disk.
    volumes = INSIDE / "kubelet"
    volumes.mkdir()
    _run("mount", "--bind", str(volumes), "/var/lib/kubelet")
    _run("mount", "--make-rshared", "/var/lib/kubelet")
    os.chdir(INSIDE)


def _lay_links(debian: Path) -> None:
    """Make what the scripts of Debian's packages would have made."""
    (INSIDE / "bin").mkdir()
    for name in ("iptables", "ip6tables"):
        for end in ("", "-save", "-restore"):
            (INSIDE / "bin" / f"{name}{end}").symlink_to(debian / "usr" / "sbin" / "xtables-legacy-multi")
    # Alertmanager looks for its templates there.
    Path("/usr/share/prometheus").symlink_to(debian / "usr" / "share" / "prometheus")


def _use_own_names() -> None:
    """Have names resolved by the cluster's DNS."""
    own, found = INSIDE / "conf" / "resolv.conf", Path(os.path.realpath("/etc/resolv.conf"))
    if found.exists():
        _run("mount", "--bind", str(own), str(found))
    else:
        # A link into a folder that is hidden here.
        found.parent.mkdir(parents=True, exist_ok=True)
        found.symlink_to(own)


def _connect_network(tools: Tools) -> None:
    busybox = str(tools.debian / "bin" / "busybox")
    for command in (
        ("link", "set", "lo", "up"),
        ("link", "add", BRIDGE, "type", "bridge"),
        ("addr", "add", f"{BRIDGE_ADDRESS}/24", "dev", BRIDGE),
        ("link", "set", BRIDGE, "up"),
    ):
        _run(busybox, "ip", *command)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _run(*command: str, pass_fds: list[int] | None = None) -> None:
    subprocess.run(command, check=True, pass_fds=pass_fds or [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
