# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed, latency and memory of the flush against what people use today, measured in one run on one server.

`make bench` prints a table and writes .cache/bench/bench.json; `make bench T="speed memory"` runs some parts only.
Absolute figures depend on the machine: compare the ratios.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support import dataset  # noqa: E402
from support.ansible import run_module, run_playbook, start_module  # noqa: E402
from support.flush import flush_args  # noqa: E402
from support.probe import LatencyProbe  # noqa: E402
from support.servers import RedisServer, binaries  # noqa: E402

RESULTS = ROOT / ".cache" / "bench" / "bench.json"
KEYS = 1_000_000
MATCHING = 200_000
ROUNDS = 3


class Bench:
    """Collects figures; each is a name, a value and what it is compared with."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
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


def median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return statistics.median(measure() for _round in range(rounds))


def speed(bench: Bench) -> None:
    """The whole job, 200,000 of 1,000,000 keys: ours with a backup, the others without."""

    def timed(work: Callable[[], object]) -> float:
        bench.fill()
        started = time.monotonic()
        work()
        seconds = time.monotonic() - started
        assert bench.client.dbsize() == KEYS - MATCHING
        return seconds

    cli = f"{binaries('redis-7.0')['cli']} -p {bench.server.port}"
    pipe = f"{cli} --scan --pattern 'market:data:*' | xargs -n 500 {cli} unlink > /dev/null"
    shell = median(lambda: timed(lambda: subprocess.run(pipe, shell=True, check=True)))
    bench.note("redis-cli --scan | xargs -n 500 redis-cli unlink (no backup)", shell, "s")

    def one_by_one() -> None:
        for name in bench.client.scan_iter(match="market:data:*", count=1000):
            bench.client.unlink(name)

    bench.note("redis-py scan_iter and unlink, one by one (no backup)", median(lambda: timed(one_by_one), 1), "s")
    rates = []

    def ours() -> None:
        result, _seconds, _peak = bench.flush()
        rates.append(result["removed"] / result["phases"]["flush"])

    module = median(lambda: timed(ours))
    bench.note("redis_flush with a backup, the whole module", module, "s")
    bench.note("redis_flush / redis-cli | xargs", module / shell, "x", "below 1")
    bench.note("backed-up deletes in the engine, median", statistics.median(rates), "keys/s", "120,000, better 200,000")
    bench.note("backed-up deletes in the engine, best", max(rates), "keys/s")


def latency(bench: Bench) -> None:
    """What another client sees."""
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
    bench.note("zcat | redis-cli --pipe of the same backup", MATCHING / (time.monotonic() - started), "keys/s")


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


PARTS = {part.__name__: part for part in (speed, latency, memory, restore, playbook)}


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
