# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flushes that are killed at random moments while an application keeps writing, and what is left of the data.

```python
with Arena() as arena:
    outcome = arena.play(case(seed=7))
    assert not outcome.problems
```

One case: fill the cache, start an application that changes keys and logs what was acknowledged, start a flush, end it
in the case's way at the case's moment, and compare. Then the same command again, with the application or without it,
and in the end every value that was ever acknowledged has to come back from the backup, by stock tools and by ours.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration import loss

from support.ansible import Running, RunningModule, RunningPlaybook, run_module, start_module, start_playbook
from support.dataset import Difference, Snapshot, diff
from support.proxy import Proxy
from support.servers import RedisServer
from support.writer import Writer

_RATE = 1500  # keys per second: slow enough to be hit in the middle
_SLOW_RATE = 250  # where the module has to notice by itself that it is not wanted any more
_WRITES = 400  # per second
_LATEST = 0.8  # share of the whole at which a run is killed at last
_NOTICES_WITHIN = 1.0
_STOPS_WITHIN = 5.0
_ENDS_WITHIN = 60.0

# What is ended, and how: fourteen of twenty end the module alone, since a playbook takes much longer.
WAYS = (
    *("module killed", "tree killed", "module killed", "controller killed", "module killed", "module terminated"),
    *("module killed", "group interrupted", "module killed", "module interrupted", "module killed", "tree killed"),
    *("module killed", "controller killed", "module killed", "module terminated", "module killed"),
    *("group interrupted", "module killed", "module killed"),
)
# The kill comes when this is seen on disk or on the wire, or a little after.
MOMENTS = (
    *("saving", "in a big key", "at a removal", "any", "removing", "verifying", "at the renaming of a big key"),
    *("at a removal", "at the removal of a big key", "saving", "counting"),
)
_REQUESTS = {
    "at a removal": (b"*6\r\n$7\r\nEVALSHA\r\n", 150),
    "at the renaming of a big key": (b"*3\r\n$8\r\nRENAMENX\r\n", 8),
    "at the removal of a big key": (b"*2\r\n$6\r\nUNLINK\r\n", 8),
}


@dataclass(frozen=True)
class Case:
    """What is done to a flush, all of it chosen by the seed."""

    seed: int
    way: str
    moment: str
    writes_meanwhile: bool
    """Whether the application writes on while the command is repeated."""
    kills: int
    """How often the flush is ended before it may finish; the later ones are SIGKILLs of the module."""
    playbook_repeats: bool
    """Whether the playbook is repeated; else the module is, with the same options."""

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.way} while {self.moment}" + ", twice" * (self.kills > 1)


def case(seed: int) -> Case:
    """Return the case of a seed, which does not depend on how many there are."""
    way, moment, turn = WAYS[seed % len(WAYS)], MOMENTS[seed % len(MOMENTS)], seed // len(WAYS)
    if way == "group interrupted" and turn % 2:
        way = "group terminated"
    by_playbook = not way.startswith("module")
    if by_playbook and moment == "verifying":
        moment = "removing"  # the module would hear of it too late
    return Case(
        seed,
        way,
        moment,
        writes_meanwhile=seed % 3 == 0,
        kills=2 if seed % 4 == 0 else 1,
        playbook_repeats=by_playbook and seed % len(WAYS) < 4,
    )


@dataclass
class Outcome:
    """What came of a case: where the kills landed, and what should not be."""

    case: Case
    landed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    stopped_after: float = 0.0
    writes: int = 0
    keys: int = 0
    seconds: float = 0.0

    @property
    def interrupted(self) -> bool:
        """Whether the first kill hit a flush that had begun and was not done."""
        return self.landed[:1] not in (["before the run"], ["after the run"])


class Arena:
    """The servers of all cases; a context manager."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Arena:
        with ExitStack() as stack:
            self._server = stack.enter_context(RedisServer())
            self._proxy = stack.enter_context(Proxy(self._server.port))
            self._scratch = stack.enter_context(RedisServer())
            self._folder = Path(tempfile.mkdtemp(prefix="kills-"))
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._cache = loss.Cache(self._server)
            self._cache.fill()
            self._uninterrupted = self._measure()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def play(self, what: Case) -> Outcome:
        """Play a case from the empty server to the last comparison."""
        started = time.monotonic()
        outcome = Outcome(what)
        backups = self._folder / f"seed-{what.seed}"
        self._server.reset()
        _Play(self, outcome, backups, self._cache.fill()).run()
        outcome.seconds = round(time.monotonic() - started, 1)
        if not outcome.problems:
            shutil.rmtree(backups)
        return outcome

    def _measure(self) -> _Progress:
        """Return how far an uninterrupted flush gets, and how long it takes."""
        backups = self._folder / "uninterrupted"
        result = run_module("redis_flush", arguments(self._proxy.url, backups))
        if result.get("failed"):
            raise RuntimeError(f"even without a kill the flush fails: {result['msg']}")
        (run,) = loss.runs_in(backups)
        return _Progress(sum(result["phases"].values()), _entries(run), result["backup"]["bytes"])


@dataclass(frozen=True)
class _Progress:
    seconds: float
    journal: list[dict[str, Any]]
    saved_bytes: int


def arguments(url: str, backups: Path) -> dict[str, Any]:
    """Return the arguments of the module."""
    return {
        "url": url,
        "patterns": [loss.PATTERN.decode()],
        "backup_dir": str(backups),
        "accept_ephemeral_storage": True,
        "max_share": 1.0,
        "big_key_bytes": loss.BIG_KEY_BYTES,
        "rate_limit": _RATE,
    }


class _Play:
    """One case under way."""

    def __init__(self, arena: Arena, outcome: Outcome, backups: Path, before: Snapshot) -> None:
        self._server, self._scratch, self._cache = arena._server, arena._scratch, arena._cache
        self._proxy, self._arguments = arena._proxy, arguments(arena._proxy.url, backups)
        self._uninterrupted = arena._uninterrupted
        self._outcome, self._case, self._backups = outcome, outcome.case, backups
        self._chooser = random.Random(outcome.case.seed)
        self._expected = before
        self._run_id = ""
        self._first_repeat = True

    def run(self) -> None:
        for number in range(self._case.kills):
            way = self._case.way if number == 0 else "module killed"
            moment = self._case.moment if number == 0 else self._chooser.choice(MOMENTS)
            with self._application(number) as writer:
                self._interrupt(way, moment)
                self._stop(writer)
            self._compare(f"after kill {number + 1}", held=True)
        if self._case.writes_meanwhile:
            with self._application(9) as writer:
                self._repeat()
                self._stop(writer)
        self._finish()

    # -- steps -----------------------------------------------------------------------------------------------------

    def _interrupt(self, way: str, moment: str) -> None:
        target, how = way.split(" ", 1)
        slowly = {"rate_limit": _SLOW_RATE} if target != "module" else {}
        with self._start(playbook=target != "module", **slowly) as running:
            self._wait_for(moment, running)
            killed_at = time.monotonic()
            _END[target, how](running)
            self._proxy.clear()
            self._see_it_end(running, killed_at)
            self._outcome.landed.append(self._where())
            if isinstance(running, RunningModule) and how != "killed":
                self._check_message(running)
            late = self._outcome.stopped_after > _NOTICES_WITHIN
            if target == "controller" and late and self._outcome.landed[-1] == "after the run":
                self._problem("the module went on to its end without ansible-playbook")
        self._note_run()

    def _repeat(self) -> dict[str, Any]:
        """Repeat the command until its end: in the playbook if it was one, the module's result is the same."""
        if self._case.playbook_repeats and self._first_repeat:
            with self._start(playbook=True) as running:
                assert isinstance(running, RunningPlaybook)
                done = running.wait(_ENDS_WITHIN)
            if done.rc:
                self._problem(f"the repeated playbook failed: {done.output[-2000:]}")
            results = [task.result for task in done.by_action("redis_flush")]
            result = results[-1] if results else {"failed": True, "msg": done.output}
        else:
            result = run_module("redis_flush", self._arguments, timeout=_ENDS_WITHIN)
        if result.get("failed"):
            self._problem(f"the repeated command failed: {result['msg']}")
        elif self._run_id and (result["run_id"] != self._run_id or not result["resumed"]):
            self._problem(f"the repeated command did not continue {self._run_id}: {result['run_id']}")
        self._first_repeat, self._run_id = False, ""
        return result

    def _finish(self) -> None:
        """Repeat the command without the application: nothing is left, and everything comes back from the backup."""
        result = self._repeat()
        if result.get("remaining", 0):
            self._problem(f"{result['remaining']} keys match after the last command")
        if left := self._cache.left():
            self._problem(f"{len(left)} keys are left: {left[:5]}")
        self._compare("with stock tools", held=False)
        cached = {name: state for name, state in self._expected.items() if name.startswith(b"market:data:")}
        self._outcome.keys = len(cached)
        with self._scratch.admin() as admin:
            admin.flushall()
        # newest first, because a restore leaves alone what exists
        for run in reversed(loss.runs_in(self._backups)):
            restored = run_module("redis_restore", {"url": self._scratch.url, "path": str(run)})
            if restored.get("failed"):
                self._problem(f"redis_restore of {run.name} failed: {restored['msg']}")
        self._differences("with redis_restore", diff(cached, loss.Cache(self._scratch).now()))

    # -- parts of steps --------------------------------------------------------------------------------------------

    def _application(self, number: int) -> Writer:
        # a key in quarantine has a name that no application knows: let it make keys of its own then
        own = 1.0 if any(loss.QUARANTINE in name for name in self._cache.left()) else 0.1
        return Writer(self._server, loss.LIVE, rate=_WRITES, seed=self._case.seed * 10 + number, create_share=own)

    def _start(self, *, playbook: bool, **changes: Any) -> Running:
        options = {**self._arguments, **changes}
        if not playbook:
            return start_module("redis_flush", options)
        variables = {
            **{f"flush_redis_{name}": value for name, value in options.items()},
            "flush_redis_reports_dir": str(self._backups / "reports"),
            "flush_redis_force": True,
            "flush_redis_recovery_timeout": 0,
        }
        return start_playbook("flush_redis", variables)

    def _wait_for(self, moment: str, running: Running) -> None:
        """Wait until the moment, or until the run is over."""
        there, delay = self._moment(moment)
        deadline = time.monotonic() + _ENDS_WITHIN
        while not there():
            if running.popen.poll() is not None:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._case}: the moment did not come")
            time.sleep(0.0002)
        time.sleep(delay)

    def _moment(self, moment: str) -> tuple[Callable[[], bool], float]:
        """Return what to wait for, and for how long to wait then."""
        chooser, whole = self._chooser, self._uninterrupted
        if moment == "counting":
            return self._connected, chooser.uniform(0, 0.05)
        if moment == "any":
            return self._begun, chooser.uniform(0, whole.seconds)
        if moment == "verifying":
            return self._saved_all, chooser.uniform(0, 0.01)
        if moment in _REQUESTS:
            # the server carries it out, the module never hears of it
            request, most = _REQUESTS[moment]
            fault = self._proxy.cut(match=request, occurrence=chooser.randint(1, most), reply="lost")
            return lambda: fault.fired, 0.0
        if moment == "saving":
            size = self._saved_bytes() + chooser.uniform(0, _LATEST) * whole.saved_bytes
            return lambda: self._saved_bytes() > size, chooser.choice((0, chooser.uniform(0, 0.003)))
        # a key that is read in chunks takes longer than the removal of a flight
        word, longest = ("quarantine", 0.004) if moment == "in a big key" else ("member", 0.003)
        count = self._count(word) + chooser.randint(1, int(_LATEST * sum(word in entry for entry in whole.journal)))
        return lambda: self._count(word) >= count, chooser.uniform(0, longest)

    def _count(self, word: str) -> int:
        runs = loss.runs_in(self._backups)
        return sum(word in entry for entry in _entries(runs[-1])) if runs else 0

    def _saved_bytes(self) -> int:
        return sum(part.stat().st_size for part in loss.parts(loss.runs_in(self._backups)))

    def _connected(self) -> bool:
        with self._server.admin() as admin:
            return any(client["name"].endswith("flush-redis", 0, -5) for client in admin.client_list())

    def _begun(self) -> bool:
        return bool(loss.runs_in(self._backups))

    def _saved_all(self) -> bool:
        runs = loss.runs_in(self._backups)
        manifest = _manifest(runs[-1]) if runs else {}
        # each attempt closes the part that it wrote
        return bool(runs) and len(manifest.get("parts", [])) == len(loss.parts(runs[-1:])) > 0

    def _see_it_end(self, running: Running, killed_at: float) -> None:
        try:
            running.wait_gone(_ENDS_WITHIN)
        except TimeoutError:
            self._problem(f"still running {_ENDS_WITHIN:g} s after it was to end")
            running.kill_tree()
        self._outcome.stopped_after = max(self._outcome.stopped_after, time.monotonic() - killed_at)
        if self._outcome.stopped_after > _STOPS_WITHIN:
            self._problem(f"it ran on for {self._outcome.stopped_after:.1f} s after it was to end")

    def _where(self) -> str:
        """Say from what is on disk where the run was when it ended."""
        runs = loss.runs_in(self._backups)
        if not runs:
            return "before the run"
        run = runs[-1]
        manifest, entries = _manifest(run), _entries(run)
        if manifest.get("state") == "done":
            return "after the run"
        if manifest.get("state") == "interrupted":
            return "at a safe point"
        released = {entry["released"] for entry in entries if "released" in entry}
        if any(entry["quarantine"] not in released for entry in entries if "quarantine" in entry):
            return "in a big key"
        if self._saved_all():
            return "verifying"
        parts = loss.parts([run])
        written = parts[-1].read_bytes() if parts else b""
        whole = list(loss.members(written))
        if (whole[-1][0] if whole else 0) < len(written):
            return "in a torn record"
        settled = {entry["member"] for entry in entries if entry.get("part") == len(parts)}
        if whole and len(whole) - 1 not in settled and b"\r\nRESTORE\r\n" in whole[-1][1][:40]:
            return "between save and removal"
        return "between flights"

    def _check_message(self, running: RunningModule) -> None:
        result = running.wait(1).result
        if self._outcome.landed[-1] == "after the run":
            return
        if problem := loss.not_one_sentence(result):
            self._problem(problem)
        if result.get("state") != "interrupted":
            self._problem(f"it ended with the state {result.get('state')}")

    def _note_run(self) -> None:
        """Remember the unfinished run, which every repetition has to continue."""
        runs = loss.runs_in(self._backups)
        if self._run_id and runs[-1].name != self._run_id:
            self._problem(f"{runs[-1].name} was begun while {self._run_id} is unfinished")
        unfinished = [run.name for run in runs if _manifest(run).get("state", "done") != "done"]
        self._run_id = unfinished[-1] if unfinished else ""

    def _stop(self, writer: Writer) -> None:
        log = writer.stop()
        if log.uncertain:
            self._problem(f"the application itself was cut off: {sorted(log.uncertain)[:3]}")
        self._outcome.writes += log.writes
        with self._scratch.admin() as admin:
            admin.flushall()
            self._expected = log.expected(self._expected, admin)

    def _compare(self, when: str, *, held: bool) -> None:
        runs = loss.runs_in(self._backups)
        self._differences(when, loss.lost(self._expected, self._cache, runs, self._scratch, held=held))

    def _differences(self, when: str, found: list[Difference]) -> None:
        if found:
            shown = "; ".join(f"{one.key[:60]!r} {one.what}: {one.before} -> {one.after}"[:400] for one in found[:5])
            self._problem(f"{when}, {len(found)} keys differ: {shown}")

    def _problem(self, text: str) -> None:
        self._outcome.problems.append(text)


_END: dict[tuple[str, str], Callable[[Any], None]] = {
    ("module", "killed"): lambda running: running.signal(signal.SIGKILL),
    ("module", "terminated"): lambda running: running.signal(signal.SIGTERM),
    ("module", "interrupted"): lambda running: running.signal(signal.SIGINT),
    ("controller", "killed"): lambda running: running.kill_controller(),
    ("tree", "killed"): lambda running: running.kill_tree(),
    ("group", "interrupted"): lambda running: running.interrupt(),
    ("group", "terminated"): lambda running: os.killpg(running.pid, signal.SIGTERM),
}


def _manifest(run: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((run / "manifest.json").read_text()))
    except FileNotFoundError:
        return {}


def _entries(run: Path) -> list[dict[str, Any]]:
    try:
        lines = (run / "journal.jsonl").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]
