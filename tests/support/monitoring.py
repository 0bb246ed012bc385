# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus and an Alertmanager of a test's own, with the example rules and the example configuration.

Their spans are shortened, so that nobody waits for minutes: five become twenty seconds, and one becomes ten.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from lab.place import CACHE
from tools.tree import ROOT

from .lab import Lab
from .members import quiet_port
from .processes import die_with_parent, wait_until

EXAMPLES = ROOT / "docs" / "examples"
# Debian's Alertmanager looks for its templates below /usr/share, which is another one for it.
_ENTER = 'mount -t tmpfs lab /usr/share && ln -s "$0/usr/share/prometheus" /usr/share/prometheus && exec "$@"'
_SHORTER = {r"\[5m\]": "[20s]", r"\[1m\]": "[10s]", r"for: (?:1m|30s)": "for: 2s"}


class Monitoring:
    """A context manager; `metrics` returns what is scraped each second, in the text format of Prometheus.

    `webhook` are the URL of a webhook, the path of its token and that of its authority.
    """

    def __init__(
        self, lab: Lab, folder: Path, namespace: str, metrics: Callable[[], str], webhook: tuple[str, Path, Path]
    ) -> None:
        self._tree = CACHE / json.loads((lab.state / "plan.json").read_text())["debian"]
        self._folder, self._namespace, self._metrics, self._webhook = folder, namespace, metrics, webhook
        self._stack = ExitStack()
        ports = quiet_port(), quiet_port()
        self.prometheus, self.alertmanager = (f"http://127.0.0.1:{port}" for port in ports)

    def __enter__(self) -> Monitoring:
        try:
            self._folder.mkdir()
            self._write(self._serve())
            self._start("prometheus", self.prometheus, "storage.tsdb.path")
            self._start("prometheus-alertmanager", self.alertmanager, "storage.path", "--cluster.listen-address=")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def ask(self, query: str) -> list[Any]:
        """Return what Prometheus has of a query."""
        request = urllib.request.Request(f"{self.prometheus}/api/v1/query?query={urllib.request.quote(query)}")
        with urllib.request.urlopen(request, timeout=30) as reply:
            return list(json.load(reply)["data"]["result"])

    def _serve(self) -> int:
        metrics = self._metrics

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = metrics().encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        return server.server_port

    def _write(self, port: int) -> None:
        rules = (EXAMPLES / "prometheus-rules.yml").read_text(encoding="utf-8")
        for span, shorter in _SHORTER.items():
            rules = re.sub(span, shorter, rules)
        (self._folder / "rules.yml").write_text(rules)
        target = {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": self._namespace}}
        prometheus = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(self._folder / "rules.yml")],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [self.alertmanager.removeprefix("http://")]}]}]
            },
            "scrape_configs": [{"job_name": "services", "static_configs": [target]}],
        }
        alertmanager = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text(encoding="utf-8"))
        alertmanager["route"].update(group_wait="1s", group_interval="5s")
        url, token, authority = self._webhook
        (receiver,) = [each for each in alertmanager["receivers"] if each["name"] == "runbooks"]
        receiver["webhook_configs"][0]["url"] = url
        receiver["webhook_configs"][0]["http_config"] = {
            "authorization": {"credentials_file": str(token)},
            "tls_config": {"ca_file": str(authority)},
        }
        for name, content in (("prometheus", prometheus), ("prometheus-alertmanager", alertmanager)):
            (self._folder / f"{name}.yml").write_text(yaml.safe_dump(content))

    def _start(self, name: str, url: str, storage: str, *more: str) -> None:
        libraries = ":".join(str(self._tree / each) for each in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "sh", "-c", _ENTER, str(self._tree)),
                str(self._tree / "usr" / "bin" / name),
                f"--config.file={self._folder / name}.yml",
                f"--{storage}={self._folder / name}-data",
                f"--web.listen-address={url.removeprefix('http://')}",
                "--log.level=warn",
                *more,
            ],
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
            stdout=(self._folder / f"{name}.log").open("wb"),
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        wait_until(lambda: _ready(url), 60, f"{name} to be ready")


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
