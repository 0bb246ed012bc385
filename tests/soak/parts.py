# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to be played."""

from __future__ import annotations

import functools
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from support import alert_storm, disturbed, interrupted
from support.alert_scene import Scene
from support.alert_servers import AlertServers
from support.ansible import start_module
from support.cluster import RedisCluster
from support.flush import flush_args
from support.lab import Lab
from support.pods import Namespace
from support.processes import wait_until
from support.sentinel import SentinelSet
from support.servers import RedisServer

from .campaign import Part, Played, Player

_LAB_UP_SECONDS = 12.0
_MEMORY_BYTES = 100_000_000
_GROWTH_BYTES = 10_000_000
_FEW, _MANY = 200_000, 10_000_000


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        yield Path(name)


@contextmanager
def _kills() -> Iterator[Player]:
    """Flushes that are ended at chosen moments while an application writes."""
    with interrupted.Arena() as arena:

        def play(seed: int) -> Played:
            outcome = arena.play(interrupted.case(seed))
            kinds = [f"ended: {end.way}" for end in outcome.case.ends] + [
                f"landed: {place}" for place in outcome.landed
            ]
            return Played(seed, str(outcome.case), outcome.hit, outcome.problems, outcome.writes, kinds=kinds)

        yield play


def _disturbed(arena: disturbed.Arena[Any], case: disturbed.Case) -> Played:
    outcome = arena.play(case)
    kinds = [f"{case.way}, {case.flavour}", f"moment: {case.moment}"]
    name = f"{case}, {case.flavour}"
    return Played(case.seed, name, outcome.during, outcome.problems, outcome.writes, kinds=kinds)


@contextmanager
def _sentinel() -> Iterator[Player]:
    """Flushes of a primary that dies or is deposed."""
    with _folder() as folder, SentinelSet() as topology, disturbed.SentinelArena(topology, folder) as arena:
        yield lambda seed: _disturbed(arena, disturbed.sentinel_case(seed))


@contextmanager
def _clusters(case_of: Callable[[int], disturbed.Case]) -> Iterator[Player]:
    """Flushes of clusters that change."""
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())

        @functools.cache
        def arena(flavour: str) -> disturbed.ClusterArena:
            topology = stack.enter_context(RedisCluster(flavour))
            entered = disturbed.ClusterArena(topology, folder / flavour)
            stack.enter_context(entered)
            return entered

        def play(seed: int) -> Played:
            case = case_of(seed)
            return _disturbed(arena(case.flavour), case)

        yield play


@contextmanager
def _lab_cycles() -> Iterator[Player]:
    """Labs that come up and go down; every fourth is interrupted while it comes up."""
    with _folder() as folder:
        lab = Lab(folder / "state")

        def play(seed: int) -> Played:
            chooser = random.Random(seed)
            hit, kinds = True, ["up and down"]
            try:
                if seed % 4 == 3:
                    moment, how = chooser.uniform(0, _LAB_UP_SECONDS), chooser.choice(_LAB_SIGNALS)
                    with lab.start("up") as process:
                        time.sleep(moment)
                        hit = process.poll() is None
                        process.send_signal(how)
                        process.communicate()
                    name, kinds = f"seed {seed}: {how.name} {moment:.1f} s after its start", [how.name]
                else:
                    started = time.monotonic()
                    lab.run("up")
                    name = f"seed {seed}: up after {time.monotonic() - started:.1f} s"
            finally:
                lab.run("down")
            left = [f"left behind: {one}" for one in lab.leftovers()]
            return Played(seed, name, hit, left, kinds=kinds)

        yield play


_LAB_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


@contextmanager
def _ten_million() -> Iterator[Player]:
    """A flush of many keys, which a server makes by itself, beside one of few."""
    with _folder() as folder, RedisServer() as server:

        def flush(keys: int) -> tuple[list[str], int, float]:
            shutil.rmtree(folder / "backups", ignore_errors=True)
            server.reset()
            with server.admin() as admin:
                admin.execute_command("DEBUG", "POPULATE", keys, "market:data", 8)
            with start_module("redis_flush", flush_args(server, folder, max_keys=keys)) as module:
                outcome = module.wait(3_600)
            result = outcome.result
            flushed = (result.get("removed"), result.get("remaining")) == (keys, 0)
            problem = f"of {keys:,} keys {result.get('removed')} were removed: {result.get('msg', '')}"
            return ([] if flushed else [problem]), outcome.peak_rss or 0, result.get("seconds", 0.0)

        def play(seed: int) -> Played:
            problems, few, _seconds = flush(_FEW)
            more, many, seconds = flush(_MANY)
            problems += more
            if not 0 < many <= _MEMORY_BYTES or many - few > _GROWTH_BYTES:
                problems.append(f"its memory is not flat: {few:,} bytes at {_FEW:,} keys, {many:,} at {_MANY:,}")
            memory = f"{few / 1e6:.0f} MB, then {many / 1e6:.0f} MB"
            return Played(seed, f"seed {seed}: {_MANY:,} keys in {seconds:.0f} s, {memory}", True, problems)

        yield play


@contextmanager
def _alerts() -> Iterator[tuple[Lab, Namespace]]:
    """A lab with a namespace for the guard."""
    with _folder() as folder:
        lab = Lab(folder / "state")
        try:
            lab.run("up")
            with Namespace(lab) as place:
                yield lab, place
        finally:
            lab.run("down")


@contextmanager
def _alert_storm() -> Iterator[Player]:
    """Requests of 500 alerts over 50 targets, from many bastions at once."""
    with _alerts() as (lab, place):

        def play(seed: int) -> Played:
            place.delete("configmap", "runbooks-guard")
            wait_until(lambda: place.gone("configmap", "runbooks-guard"), 30, "an empty record")
            started = time.monotonic()
            rules = alert_storm.play(lab, place.name, seed)
            problems = alert_storm.problems(place, rules)
            seconds = time.monotonic() - started
            kinds = [f"rule: {rule}" for rule in rules]
            return Played(seed, f"seed {seed}: {len(rules)} requests in {seconds:.0f} s", True, problems, kinds=kinds)

        yield play


@contextmanager
def _alert_kills() -> Iterator[Player]:
    """Responses to alerts that are killed at any moment."""
    with _alerts() as (lab, _place), RedisServer() as redis:

        def play(seed: int) -> Played:
            redis.reset()
            with _folder() as folder, Namespace(lab) as place, AlertServers() as servers:
                scene = Scene(lab, place, servers, redis, folder)
                moments = list(alert_storm.MOMENTS)
                moment = moments[seed % len(moments)]
                seconds = random.Random(seed).uniform(0, 1)
                hit, problems = alert_storm.kill(scene, moment, seconds)
                name = f"seed {seed}: killed {seconds:.2f} s after the moment {moment!r}"
                return Played(seed, name, hit, problems, kinds=[moment])

        yield play


PARTS = {
    part.name: part
    for part in (
        Part("kills", "flushes ended at chosen moments while an application writes", 200, _kills),
        Part("sentinel", "flushes while the primary is killed or deposed", 36, _sentinel),
        Part(
            *("cluster", "flushes while a primary is killed or all hand over, Redis 7.0 and Valkey 9.1", 36),
            lambda: _clusters(disturbed.cluster_case),
        ),
        Part(
            *("slots", "flushes while slots move to and fro, Redis 7.0 and Valkey 9.1", 16),
            lambda: _clusters(disturbed.slot_case),
        ),
        Part("lab-cycles", "labs up and down, every fourth interrupted: nothing is left", 40, _lab_cycles),
        Part("alert-storm", "500 requests for 50 targets at once: as many act as are allowed", 4, _alert_storm),
        Part("alert-kills", "responses to alerts killed at any moment: nothing is left for ever", 40, _alert_kills),
        Part("ten-million", "flushes of 10,000,000 keys with flat memory", 1, _ten_million),
    )
}
