# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of the tests' own, beside any other lab of this checkout.

```python
lab = Lab(tmp_path / "state")
lab.run("up")
lab.get("pods", "-n", "market-intel-brain")["items"]
lab.run("down")
assert lab.leftovers() == []
```
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import __main__ as command
from lab.place import STATE

from .api import Api
from .spent import started, waiting

_TESTS = Path(__file__).resolve().parents[1]
_GET = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
_GET.add_argument("kind")
_GET.add_argument("name", nargs="?", default="")
_GET.add_argument("-n", dest="namespace", default="")
_GET.add_argument("-A", dest="namespace", action="store_const", const="")
_GET.add_argument("-l", dest="selector", default="")


class Lab:
    """A lab whose files are in a folder of the test's own, beside any other lab of this checkout."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._environment = {**os.environ, "LAB_STATE": str(state), "PYTHONPATH": str(_TESTS)}
        self._api: tuple[int, Api] | None = None

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lab", *arguments],
            env=self._environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, content: str = "") -> str:
        started("commands")
        clock = waiting() if {"wait", "rollout"} & set(arguments) else contextlib.nullcontext()
        with clock, self.start(*arguments) as process:
            output, errors = process.communicate(content)
        if process.returncode:
            raise RuntimeError(f"lab {' '.join(arguments)} ended with {process.returncode}: {errors}")
        return output

    @property
    def api(self) -> Api:
        """Its API server, whose address and authority are others after another `up`."""
        kubeconfig = self.state / "kubeconfig"
        made = kubeconfig.stat().st_mtime_ns
        if self._api is None or self._api[0] != made:
            self._api = (made, Api(kubeconfig))
        return self._api[1]

    def get(self, *arguments: str) -> dict[str, Any]:
        """Return what `kubectl get ARGUMENTS -o json` prints: a kind, a name, -n, -A and -l are understood."""
        given = _GET.parse_args(arguments)
        return self.api.get(given.kind, given.name, namespace=given.namespace, selector=given.selector)

    def variables(self) -> dict[str, str]:
        return command.variables(self.state)

    def pid(self, part: str) -> int:
        """Return the number of a part's process, as it is known here."""
        found = [pid for pid, text in self.processes() if f"/lab {part} " in text or text.startswith(f"{part} ")]
        assert len(found) == 1, found
        return found[0]

    @contextlib.contextmanager
    def paused(self, part: str) -> Iterator[None]:
        """Stop a part, which neither answers nor ends meanwhile."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def sealed_vault(self) -> Iterator[None]:
        """Seal Vault, which answers with 503 meanwhile."""
        keys = json.loads((self.state / "vault-keys.json").read_text())
        assert self.ask_vault("sys/seal", keys["root_token"])[0] == 204
        try:
            yield
        finally:
            assert self.ask_vault("sys/unseal", key=keys["unseal_key"])[0] == 200

    def ask_vault(self, path: str, token: str = "", *, method: str = "POST", **data: Any) -> tuple[int, dict[str, Any]]:
        """Return the status and the content of Vault's answer, to a write unless another method is given."""
        address = f"{self.variables()['VAULT_ADDR']}/v1/{path}"
        body = json.dumps(data).encode() if data else None
        request = urllib.request.Request(address, body, {"X-Vault-Token": token}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def vault_login(self) -> tuple[int, dict[str, Any]]:
        """Log in as the runbooks do, and return what `ask_vault` does."""
        found = self.variables()
        login = {"role_id": found["VAULT_ROLE_ID"], "secret_id": found["VAULT_SECRET_ID"]}
        return self.ask_vault("auth/approle/login", **login)

    def pod_pid(self, word: str) -> int:
        """Return the number of a process in a pod, as it is known here; its command has a word in it."""
        group = self._group()
        pids = [pid for pid in _pids() if word in _command(pid)]
        return next(pid for pid in pids if group in Path(f"/proc/{pid}/cgroup").read_text())

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield number and command of each process in the lab's namespace of processes."""
        inner = _namespace(_children(int((self.state / "supervisor.pid").read_text()))[0])
        for pid in _pids():
            if _namespace(pid) == inner:
                yield pid, _command(pid)

    def leftovers(self) -> list[str]:
        """Return what there is of this lab on the machine."""
        name = os.fsencode(self.state)
        groups = [path for root in command.control_group_roots() for path in root.glob(f"{self._group()}*")]
        mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.state) in line]
        supervised = {_namespace(pid) for pid in _pids() if b"lab.supervisor" in _raw_command(pid)}
        alive = [
            f"{pid} {_command(pid)}"
            for pid in _pids()
            # Inside, a lab does not know the folder that it has outside.
            if name in _raw_command(pid) or (b"/run/lab" in _raw_command(pid) and _namespace(pid) not in supervised)
        ]
        files = self.state.parent.glob(f"{self.state.name}*")
        return [*map(str, [*groups, *files]), *mounts, *alive]

    def _group(self) -> str:
        code = "from lab.place import CGROUP; print(CGROUP)"
        return subprocess.check_output([sys.executable, "-c", code], env=self._environment, text=True).strip()


class CheckoutLab(Lab):
    """The lab that `make lab-up` brings up."""

    def __init__(self) -> None:
        super().__init__(STATE)

    def is_up(self) -> bool:
        return "is down" not in self.run("status")


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _raw_command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _command(pid: int) -> str:
    return _raw_command(pid).replace(b"\0", b" ").decode(errors="replace")


def _children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""
