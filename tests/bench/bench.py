# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed, latency and memory of the flush against what people use today, measured in one run on one server.

`make bench` prints a table and writes .cache/bench/bench.json; `make bench T="speed memory"` runs some parts only.
Beside the clock stands what the server's processor did, as the server itself says (INFO cpu): what others pay.
Absolute figures depend on the machine, and on a virtual one on the hour: compare the ratios. What the machine can do is
measured with a plain loop that gives the same guarantee for each key and nothing else. On the machine on which the
goals were set, that loop removed 138,000 keys a second and `redis-cli --pipe` restored 600,000.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
# The parts use the collection by its full name.
_AnsibleCollectionFinder(paths=[str(ROOT / ".ansible" / "collections")])._install()

import certs as certificates  # noqa: E402
import debugging as looks  # noqa: E402
import diagnosis as cases  # noqa: E402
import empty_runs as empty  # noqa: E402

from lab.place import NAMESPACE  # noqa: E402
from support import dataset  # noqa: E402
from support.ansible import run_module, run_playbook, start_module  # noqa: E402
from support.cluster import RedisCluster  # noqa: E402
from support.flush import flush_args  # noqa: E402
from support.lab import CheckoutLab, Lab  # noqa: E402
from support.pods import password_of, platform_redis, wait_for_primary  # noqa: E402
from support.probe import LatencyProbe  # noqa: E402
from support.processes import wait_until  # noqa: E402
from support.servers import RedisServer, ServerClients, binaries, free_port  # noqa: E402

RESULTS = ROOT / ".cache" / "bench" / "bench.json"
KEYS = 1_000_000
MATCHING = 200_000
ROUNDS = 3


class Bench:
    """Collects figures; each is a name, a value and what it is compared with."""

    def __init__(self, server: ServerClients, folder: Path) -> None:
        self.server = server
        self.client = server.client()
        self.folder = folder
        self.figures: list[dict[str, Any]] = []

    def note(self, name: str, value: float, unit: str, goal: str = "") -> None:
        self.figures.append({"name": name, "value": round(value, 3), "unit": unit, "goal": goal})
        print(f"  {name:<72} {value:>12,.2f} {unit:<8} {goal}", flush=True)

    def fill(self, matching: int = MATCHING, total: int = KEYS) -> None:
        self.client.flushall()
        dataset.fill(self.client, matching)
        if total > matching:
            dataset.fill(self.client, total - matching, prefix=b"other:")

    def flush(self, **options: Any) -> tuple[dict[str, Any], float, int]:
        """Return result, seconds of the whole process, and its peak memory in bytes."""
        shutil.rmtree(self.folder / "backups", ignore_errors=True)
        args = flush_args(self.server, self.folder, max_keys=10_000_000, **options)
        started = time.monotonic()
        with start_module("redis_flush", args) as module:
            outcome = module.wait()
        seconds = time.monotonic() - started
        assert outcome.result.get("removed"), outcome
        return outcome.result, seconds, outcome.peak_rss or 0


_COMPARE_AND_UNLINK = b"""local d = redis.call('DUMP', KEYS[1]) if not d then return -1 end
if string.sub(d, -8) ~= ARGV[1] or redis.call('PEXPIRETIME', KEYS[1]) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('UNLINK', KEYS[1])"""


def plain_loop(server: RedisServer, pattern: bytes, path: Path) -> float:
    """Copy, save, sync and delete if unchanged, a thousand keys at a time, one step after the other; return seconds."""
    reader = hiredis.Reader()

    def pack(*words: bytes) -> bytes:
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)

    with socket.create_connection((server.host, server.port)) as connection, open(path, "wb") as file:

        def ask(commands: list[bytes]) -> list[Any]:
            connection.sendall(b"".join(commands))
            replies: list[Any] = []
            while len(replies) < len(commands):
                if (reply := reader.gets()) is False:
                    reader.feed(connection.recv(1 << 18))
                else:
                    replies.append(reply)
            return replies

        started = time.monotonic()
        digest = ask([pack(b"SCRIPT", b"LOAD", _COMPARE_AND_UNLINK)])[0]
        keys: list[bytes] = []
        cursor = None
        while cursor != b"0" or keys:
            while cursor != b"0" and len(keys) < 1000:
                cursor, page = ask([pack(b"SCAN", cursor or b"0", b"MATCH", pattern, b"COUNT", b"1000")])[0]
                keys += page
            batch, keys = keys[:1000], keys[1000:]
            replies = ask([pack(*words) for key in batch for words in ((b"DUMP", key), (b"PEXPIRETIME", key))])
            copies = [
                (key, dump, b"%d" % expiry)
                for key, dump, expiry in zip(batch, replies[::2], replies[1::2], strict=True)
                if dump is not None
            ]
            file.write(b"".join(pack(b"RESTORE", key, expiry, dump, b"ABSTTL") for key, dump, expiry in copies))
            file.flush()
            os.fdatasync(file.fileno())
            ask([pack(b"EVALSHA", digest, b"1", key, dump[-8:], expiry) for key, dump, expiry in copies])
        return time.monotonic() - started


def median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return statistics.median(measure() for _round in range(rounds))


@dataclass(frozen=True)
class Cost:
    """What a job took: seconds by the clock, and seconds of the server's processor."""

    seconds: float
    cpu: float


def server_cpu(bench: Bench) -> float:
    about = bench.client.info("cpu")
    return float(about["used_cpu_sys"] + about["used_cpu_user"])


def cost(bench: Bench, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> Cost:
    """Return what it costs to remove what matches, from a server that is filled anew, and after what prepares it."""
    bench.fill()
    prepare()
    cpu, started = server_cpu(bench), time.monotonic()
    work()
    found = Cost(time.monotonic() - started, server_cpu(bench) - cpu)
    assert bench.client.dbsize() == KEYS - MATCHING
    return found


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep processors busy with something else."""
    with contextlib.ExitStack() as stack:
        for _loop in range(loops):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield


def speed(bench: Bench) -> None:
    """The whole job, 200,000 of 1,000,000 keys: ours with a backup, the others without."""
    cli = f"{binaries('redis-7.0')['cli']} -p {bench.server.port}"
    for title, loops in (("quiet", 0), ("beside two busy loops", 2)):
        with busy(loops):
            compare(bench, title, cli)

    def one_by_one() -> None:
        for name in bench.client.scan_iter(match="market:data:*", count=1000):
            bench.client.unlink(name)

    alone = cost(bench, one_by_one)
    bench.note("redis-py scan_iter and unlink, one by one (no backup)", alone.seconds, "s")
    bench.note("the same, server's CPU", alone.cpu, "s")


def tls(bench: Bench) -> None:
    """The same through TLS."""
    with RedisServer("redis-7.0", tls=True) as server:
        assert server.certificates
        authority = str(server.certificates.ca_cert)
        cli = f"{binaries('redis-7.0')['cli']} --tls --cacert {authority} -p {server.tls_port}"
        inside = Bench(server, bench.folder)
        inside.figures = bench.figures
        compare(inside, "TLS", cli, url=server.tls_url, ca_cert=authority)


def compare(bench: Bench, title: str, cli: str, **options: Any) -> None:
    """What people use today, ours and a plain loop, in turn.

    Ours is given the plan that the run has made, as the runbook does; alone, the module counts the keys first.
    """
    pipe = f"{cli} --scan --pattern 'market:data:*' | xargs -n 500 {cli} unlink > /dev/null"
    shell, module, alone, rates, plain = [], [], [], [], []
    plan: dict[str, Any] = {}

    def make_plan() -> None:
        args = flush_args(bench.server, bench.folder, max_keys=10_000_000, **options)
        plan.update(run_module("redis_flush", args, check=True)["plan"])

    def ours() -> None:
        result, _seconds, _peak = bench.flush(plan=plan, **options)
        rates.append(result["removed"] / result["phases"]["flush"])

    def plainly() -> None:
        plain.append(MATCHING / plain_loop(bench.server, b"market:data:*", bench.folder / "plain.resp"))

    for _round in range(ROUNDS):
        shell.append(cost(bench, lambda: subprocess.run(pipe, shell=True, check=True)))
        module.append(cost(bench, ours, make_plan))
        alone.append(cost(bench, lambda: bench.flush(**options)))
        cost(bench, plainly)
    bench.note(f"redis-cli --scan | xargs -n 500 redis-cli unlink (no backup), {title}", *_medians(shell, "seconds"))
    bench.note(f"the same, server's CPU, {title}", *_medians(shell, "cpu"))
    for name, costs, goals in (
        ("redis_flush with a backup and the run's plan", module, ("at most 1", "at most 1.4")),
        ("redis_flush with a backup, which counts first", alone, ("", "")),
    ):
        bench.note(f"{name}, the whole module, {title}", *_medians(costs, "seconds"))
        bench.note(f"the same, server's CPU, {title}", *_medians(costs, "cpu"))
        seconds = statistics.median(one.seconds / other.seconds for one, other in zip(costs, shell, strict=True))
        cpu = statistics.median(one.cpu / other.cpu for one, other in zip(costs, shell, strict=True))
        bench.note(f"that / redis-cli | xargs, {title}", seconds, "x", goals[0])
        bench.note(f"that / redis-cli | xargs, server's CPU, {title}", cpu, "x", goals[1])
    bench.note(f"backed-up deletes in the engine, median, {title}", statistics.median(rates), "keys/s")
    bench.note(f"backed-up deletes in a plain loop, median, {title}", statistics.median(plain), "keys/s")
    ratio = statistics.median(ours / loop for ours, loop in zip(rates, plain, strict=True))
    bench.note(f"engine / plain loop (never through TLS), {title}", ratio, "x", "0.87, better 1.45")


def _medians(costs: list[Cost], what: str) -> tuple[float, str]:
    return statistics.median(getattr(each, what) for each in costs), "s"


def latency(bench: Bench) -> None:
    """What another client sees."""
    plain = []
    for _round in range(ROUNDS):
        bench.fill()
        with LatencyProbe(bench.server) as probe:
            start = probe.now()
            plain_loop(bench.server, b"market:data:*", bench.folder / "plain.resp")
            plain.append(probe.since(start).p99_ms)
    bench.note("p99 of another client, during a plain loop", min(plain), "ms", "1.5 where goals were set")
    for title, options in (("at full speed", {}), ("at 10,000 keys/s", {"rate_limit": 10_000})):
        quiet, busy, worst = [], [], []
        for _round in range(ROUNDS):
            bench.fill(40_000 if options else MATCHING, MATCHING * 5 if not options else MATCHING)
            with LatencyProbe(bench.server) as probe:
                quiet.append(probe.measure(2).p99_ms)
                start = probe.now()
                bench.flush(**options)
                during = probe.since(start)
            busy.append(during.p99_ms)
            worst.append(during.max_ms)
        goal = "at most 2" if not options else "at most 0.5"
        bench.note(f"p99 of another client, quiet ({title})", min(quiet), "ms")
        bench.note(f"p99 of another client, {title}", min(busy), "ms")
        bench.note(f"p99 added {title} (best of {ROUNDS})", min(busy) - min(quiet), "ms", goal)
        bench.note(f"worst response {title} (best of {ROUNDS})", min(worst), "ms")


def memory(bench: Bench) -> None:
    for matching in (200_000, 2_000_000):
        bench.fill(matching, matching)
        _result, _seconds, peak = bench.flush()
        bench.note(f"peak memory of the module at {matching:,} matching keys", peak / 1e6, "MB", "below 100")


def cluster(bench: Bench) -> None:
    """Three primaries on this machine against one server, alternating; both have the same keys."""
    single, several, p99 = [], [], []
    with RedisCluster(replicas=0) as topology:
        for _round in range(ROUNDS):
            bench.fill()
            result, _seconds, _peak = bench.flush()
            single.append(result["removed"] / result["phases"]["flush"])
            bench.client.flushall()
            topology.reset()
            pool = os.urandom(1 << 20)
            for prefix, count in ((b"market:data:", MATCHING), (b"other:", KEYS - MATCHING)):
                for start in range(0, count, 50_000):
                    values = {prefix + b"%d" % n: pool[n : n + 200] for n in range(start, start + 50_000)}
                    topology.mset(values)
            shutil.rmtree(bench.folder / "backups", ignore_errors=True)
            args = flush_args(topology.nodes[0], bench.folder, url=f"redis://{topology.seeds[0]}", max_keys=10_000_000)
            with LatencyProbe(topology.nodes[1]) as probe:
                began = probe.now()
                result = run_module("redis_flush", args)
                p99.append(probe.since(began).p99_ms)
            assert result["removed"] == MATCHING, result
            several.append(result["removed"] / result["phases"]["flush"])
    bench.note("backed-up deletes on three primaries, median", statistics.median(several), "keys/s")
    bench.note("backed-up deletes on one server, median", statistics.median(single), "keys/s")
    ratio = statistics.median(ours / one for ours, one in zip(several, single, strict=True))
    bench.note("three primaries / one server", ratio, "x", "at least 1.0")
    bench.note("p99 of another client of one primary, at full speed", min(p99), "ms", "see latency")


def pods(bench: Bench) -> None:
    """Redis in a pod of the lab: the collection's tunnel against `kubectl port-forward`, alternating."""
    lab = Lab(bench.folder / "lab")
    lab.run("up")
    try:
        password = password_of(lab, NAMESPACE, "redis")
        config = str(lab.state / "kubeconfig")
        option = {"namespace": NAMESPACE, "service": "redis", "password_secret": "redis", "kubeconfig": config}
        with platform_redis(lab) as server:
            wait_for_primary(server, replicas=1)
            inside = Bench(server, bench.folder)
            ours, theirs = [], []
            for _round in range(ROUNDS):
                inside.fill(MATCHING, MATCHING)
                result, _seconds, _peak = inside.flush(url=None, kubernetes=option)
                ours.append(MATCHING / result["phases"]["flush"])
                inside.fill(MATCHING, MATCHING)
                port = free_port()
                forward = ["kubectl", "port-forward", "-n", NAMESPACE, "service/redis", f"{port}:6379"]
                with lab.start(*forward) as process:
                    wait_until(lambda: process.stdout is not None and bool(process.stdout.readline()), 30, "kubectl")
                    url = f"redis://127.0.0.1:{port}"
                    result, _seconds, _peak = inside.flush(url=url, password=password)
                    theirs.append(MATCHING / result["phases"]["flush"])
                    process.terminate()
    finally:
        lab.run("down")
    bench.note(
        "backed-up deletes in a pod through the collection's tunnel, median",
        statistics.median(ours),
        "keys/s",
        "30,000",
    )
    bench.note("the same engine through kubectl port-forward, median", statistics.median(theirs), "keys/s")
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    bench.note("tunnel / kubectl port-forward", ratio, "x", "at least 0.8")


def certs(bench: Bench) -> None:
    """The check of certificates, in a lab."""
    _in_lab(bench, certificates.measure)


def rotation(bench: Bench) -> None:
    """The rotation of certificates, in a lab."""
    _in_lab(bench, certificates.measure_rotation)


def debugging(bench: Bench) -> None:
    """Looks at pods, in a lab."""
    _in_lab(bench, looks.measure)


def diagnosis(bench: Bench) -> None:
    """The score of diagnoses, in a lab."""
    _in_lab(bench, cases.measure)


def _in_lab(bench: Bench, measure: Callable[[Callable[..., None], Lab, Path], None]) -> None:
    """Measure in a lab; with LAB_REUSE=1 in the one that is up."""
    lab: Lab = CheckoutLab()
    if os.environ.get("LAB_REUSE") and lab.is_up():
        measure(bench.note, lab, bench.folder)
        return
    lab = Lab(bench.folder / "lab")
    lab.run("up")
    try:
        measure(bench.note, lab, bench.folder)
    finally:
        lab.run("down")


def restore(bench: Bench) -> None:
    bench.fill(MATCHING, MATCHING)
    flushed, _seconds, _peak = bench.flush()
    args = {"url": bench.server.url, "path": flushed["backup"]["path"]}
    rates = []
    for _round in range(ROUNDS):
        bench.client.flushall()
        result = run_module("redis_restore", args)
        assert bench.client.dbsize() == MATCHING
        rates.append(result["restored"] / result["phases"]["restore"])
    bench.note("restored keys in the engine, median", statistics.median(rates), "keys/s", "300,000")
    bench.note("restored keys in the engine, best", max(rates), "keys/s")
    bench.client.flushall()
    cli = f"{binaries('redis-7.0')['cli']} -p {bench.server.port}"
    started = time.monotonic()
    pipe = f"zcat {flushed['backup']['path']}/part-*.resp.gz | {cli} --pipe > /dev/null"
    subprocess.run(pipe, shell=True, check=True)
    stock = MATCHING / (time.monotonic() - started)
    bench.note("zcat | redis-cli --pipe of the same backup", stock, "keys/s", "600,000 where goals were set")
    bench.note("engine / redis-cli --pipe", statistics.median(rates) / stock, "x", "0.5")


def playbook(bench: Bench) -> None:
    bench.client.flushall()
    dataset.fill(bench.client, 1_000, prefix=b"other:")
    options = {
        "flush_redis_url": bench.server.url,
        "flush_redis_names": "market-data",
        "flush_redis_backup_dir": str(bench.folder),
        "flush_redis_reports_dir": str(bench.folder),
        "flush_redis_accept_ephemeral_storage": True,
    }

    def once() -> float:
        started = time.monotonic()
        result = run_playbook("flush_redis", options)
        assert (result.rc, result.changed) == (0, 0)
        return time.monotonic() - started

    bench.note("the whole playbook with nothing to do", median(once, 5), "s", "below 4")


def empty_runs(bench: Bench) -> None:
    """All playbooks with nothing to do, in a lab."""
    bench.client.flushall()
    _in_lab(bench, lambda note, lab, folder: empty.measure(note, bench.server.url, lab, folder))


_ALL = (
    speed,
    tls,
    latency,
    memory,
    restore,
    cluster,
    pods,
    certs,
    rotation,
    debugging,
    diagnosis,
    playbook,
    empty_runs,
)
PARTS = {part.__name__: part for part in _ALL}


def main() -> None:
    chosen = sys.argv[1:] or list(PARTS)
    with tempfile.TemporaryDirectory(dir=RESULTS.parents[1]) as folder, RedisServer("redis-7.0") as server:
        bench = Bench(server, Path(folder))
        version = bench.client.info("server")["redis_version"]
        print(f"Redis {version}, {KEYS:,} keys of 200 B, {MATCHING:,} of them match", flush=True)
        for name in chosen:
            print(f"{name}:", flush=True)
            PARTS[name](bench)
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps({"server": f"redis {version}", "figures": bench.figures}, indent=2) + "\n")
        print(f"figures: {RESULTS}")


if __name__ == "__main__":
    main()
