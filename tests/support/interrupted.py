# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flushes that are killed at chosen moments while an application keeps writing, and what is left of the data.

```python
with Arena() as arena:
    outcome = arena.play(case(seed=7))
    assert not outcome.problems
```

One case: fill the cache, start an application that changes keys and logs what was acknowledged, start a flush, end it
in the case's way at the case's moment, and compare; some are ended a second time when they are repeated. Then the same
command again, with the application or without it, and in the end every value that was ever acknowledged has to come
back from the backup, by stock tools and by ours.

A proxy holds the flush at its moment, so that it cannot get past that before it is ended.
"""

from __future__ import annotations

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
from typing import Any, NamedTuple

from . import loss
from .ansible import Running, RunningModule, RunningPlaybook, run_module, start_module, start_playbook
from .dataset import Difference, Snapshot, diff
from .processes import wait_until
from .proxy import Gate, Proxy
from .servers import RedisServer
from .writer import Writer

_RATE = 1500  # keys per second: slow enough to be hit in the middle
_SLOW_RATE = 250  # where the module has to notice by itself that it is not wanted any more
_WRITES = 400  # per second
_LATEST = 0.8  # share of the whole at which a run is killed at last
_NOTICES_WITHIN = 1.0
_STOPS_WITHIN = 5.0
_ENDS_WITHIN = 60.0

WAYS = (
    *("module killed", "tree killed", "controller killed"),
    *("module terminated", "module interrupted", "group terminated", "group interrupted"),
)
"""What is ended, and how: SIGKILL, SIGTERM or SIGINT. The tree is all of a playbook's run, the controller is
`ansible-playbook` alone, and the group is what Ctrl-C ends."""
MOMENTS = (
    *("counting", "saving", "at a removal", "removing", "verifying"),
    *("in a big key", "at the renaming of a big key", "at the removal of a big key"),
)
"""`at` a request: the server carries it out, and the module never hears of it."""
ANY_TIME = "at any time"

# SIGKILL at each moment, and each other way at several moments: a module that is told to stop does so at its next safe
# point, and one whose controller is gone too.
CASES = (
    (("module killed", "counting"), ("module killed", "at a removal")),
    (("module killed", "saving"), ("module killed", "in a big key")),
    (("module killed", "removing"), ("module killed", "at the renaming of a big key")),
    (("module killed", "at the removal of a big key"), ("module killed", "verifying")),
    (("module terminated", "in a big key"), ("module interrupted", "removing")),
    (("module interrupted", "in a big key"), ("module terminated", "verifying")),
    (("tree killed", "saving"),),
    (("controller killed", "in a big key"),),
    (("group interrupted", "removing"),),
    (("group terminated", "saving"),),
)
_REQUESTS = {
    # A call for ten keys, which are a batch at this rate.
    "at a removal": (b"*34\r\n$7\r\nEVALSHA\r\n", 15),
    "at the renaming of a big key": (b"*3\r\n$8\r\nRENAMENX\r\n", 8),
    "at the removal of a big key": (b"*2\r\n$6\r\nUNLINK\r\n", 8),
}


class End(NamedTuple):
    """In which way a flush is ended, and when."""

    way: str
    moment: str

    def __str__(self) -> str:
        return f"{self.way} {self.moment}"


@dataclass(frozen=True)
class Case:
    """What is done to a flush, all of it chosen by the seed."""

    seed: int
    ends: tuple[End, ...]
    """It is ended as often before it may finish."""
    writes_meanwhile: bool
    """Whether the application writes on while the command is repeated."""
    playbook_repeats: bool
    """Whether the playbook is repeated; else the module is, with the same options."""

    def __str__(self) -> str:
        return f"seed {self.seed}: {', then '.join(map(str, self.ends))}"


def case(seed: int) -> Case:
    """Return the case of a seed: first `CASES`, then what chance makes of ways and moments."""
    chooser = random.Random(seed)
    if seed < len(CASES):
        ends = tuple(End(*end) for end in CASES[seed])
    else:
        # a playbook takes much longer, so that most of them end the module alone
        way = chooser.choice(WAYS if seed % 3 == 0 else ("module killed", "module terminated", "module interrupted"))
        ends = (End(way, chooser.choice((*MOMENTS, ANY_TIME))),)
        if seed % 4 == 0:
            ends += (End("module killed", chooser.choice((*MOMENTS, ANY_TIME))),)
    by_playbook = not ends[0].way.startswith("module")
    return Case(seed, ends, writes_meanwhile=seed % 3 == 0, playbook_repeats=by_playbook and seed % 2 == 0)


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
    def hit(self) -> bool:
        """Whether each end came while the flush was at work: one that counts has written nothing yet."""
        return all(
            place != "after the run" and (place != "before the run" or end.moment == "counting")
            for place, end in zip(self.landed, self.case.ends, strict=True)
        )


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
        return _Progress(sum(result["phases"].values()), loss.journal(run), result["backup"]["bytes"])


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
        for number, end in enumerate(self._case.ends):
            with self._application(number) as writer:
                self._interrupt(end, again=number > 0)
                self._stop(writer)
            self._compare(f"after end {number + 1}", held=True)
        if self._case.writes_meanwhile:
            with self._application(9) as writer:
                self._repeat()
                self._stop(writer)
        self._finish()

    # -- steps -----------------------------------------------------------------------------------------------------

    def _interrupt(self, end: End, *, again: bool) -> None:
        target, how = end.way.split(" ", 1)
        slowly = {"rate_limit": _SLOW_RATE} if target != "module" else {}
        reached, delay = self._arm(end.moment, again)
        with self._start(playbook=target != "module", **slowly) as running:
            wait_until(
                lambda: reached() or running.popen.poll() is not None,
                _ENDS_WITHIN,
                f"the moment of {self._case}",
                0.0005,
            )
            if delay:
                self._proxy.clear()
                time.sleep(delay)
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
            "flush_redis_skip_prompt": True,
            "flush_redis_recovery_timeout": 0,
        }
        return start_playbook("flush_redis", variables)

    def _arm(self, moment: str, again: bool) -> tuple[Callable[[], bool], float]:
        """Have the proxy hold or cut the flush at a moment; return what tells that it is there, and how long to wait.

        A flush that is repeated has less to do: what is counted comes early then.
        """
        chooser = self._chooser
        if moment in _REQUESTS:
            # the server carries it out, the module never hears of it
            request, most = _REQUESTS[moment]
            fault = self._proxy.cut(match=request, occurrence=1 if again else chooser.randint(1, most), reply="lost")
            return lambda: fault.fired, 0.0
        share = 0.0 if again else chooser.uniform(0, _LATEST)
        there, longest = self._moment(moment, share)
        self._proxy.gate = gate = Gate(there)
        return lambda: gate.reached, chooser.uniform(0, longest)

    def _moment(self, moment: str, share: float) -> tuple[Callable[[bytes], bool], float]:
        """Return what tells of the moment before a request, and how long the flush may go on then at most."""
        if moment == "counting":
            return lambda request: b"\r\nSCAN\r\n" in request, 0.0
        if moment == "verifying":
            known = len(self._parts())
            return lambda _request: len(self._parts()) > known and loss.all_closed(self._runs()[-1]), 0.0
        if moment == ANY_TIME:
            return lambda _request: bool(self._runs()), self._uninterrupted.seconds
        if moment == "saving":
            size = self._saved_bytes() + share * self._uninterrupted.saved_bytes
            return lambda _request: self._saved_bytes() > size, 0.003
        # a key that is read in chunks takes longer than the removal of a batch
        word, longest = ("quarantine", 0.004) if moment == "in a big key" else ("member", 0.003)
        count = self._count(word) + 1 + int(share * sum(word in entry for entry in self._uninterrupted.journal))
        return lambda _request: self._count(word) >= count, longest

    def _runs(self) -> list[Path]:
        return loss.runs_in(self._backups)

    def _parts(self) -> list[Path]:
        return loss.parts(self._runs())

    def _count(self, word: str) -> int:
        return sum(word in entry for run in self._runs() for entry in loss.journal(run))

    def _saved_bytes(self) -> int:
        return sum(part.stat().st_size for part in self._parts())

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
        runs = self._runs()
        if not runs:
            return "before the run"
        run = runs[-1]
        state = loss.manifest(run).get("state")
        if state == "done":
            return "after the run"
        if state == "interrupted":
            return "at a safe point"
        if loss.quarantined(run):
            return "in a big key"
        if loss.all_closed(run):
            return "verifying"
        parts = loss.parts([run])
        written = parts[-1].read_bytes() if parts else b""
        whole = list(loss.members(written))
        if (whole[-1][0] if whole else 0) < len(written):
            return "in a torn record"
        settled = {entry["member"] for entry in loss.journal(run) if entry.get("part") == len(parts)}
        if whole and len(whole) - 1 not in settled and b"\r\nRESTORE\r\n" in whole[-1][1][:40]:
            return "between save and removal"
        return "between batches"

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
        unfinished = [run.name for run in runs if loss.manifest(run).get("state", "done") != "done"]
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
