# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the collection's playbooks and modules as real processes, and end them in every way operators do.

`run_playbook("flush_redis", {"flush_redis_names": ["market-data"]}, check=True).rc`
`run_module("redis_flush", {"url": server.url, "patterns": ["market:data:*"]})["changed"]`

Every process gets a small clean environment, an own HOME inside `cwd` and an own session. Nothing outlives
`close()`: processes are found by a mark in their environment, orphans of a killed ansible-playbook included.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union

from .processes import die_with_parent, wait_until
from .spent import started

COLLECTION = "market_intel.runbooks"
ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS_PATH = ROOT / ".ansible" / "collections"

ExtraVars = Union[Mapping[str, Any], Sequence[str]]

_HERE = Path(__file__).resolve().parent
_KEPT = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Process:
    """A living process of a run."""

    pid: int
    ppid: int
    argv: tuple[str, ...]
    module: str


@dataclass(frozen=True)
class TaskResult:
    """The result of one task on one host; `status` is ok, failed, ignored, skipped or unreachable."""

    host: str
    task: str
    action: str
    status: str
    result: dict[str, Any]

    @property
    def changed(self) -> bool:
        """Whether the task reported a change."""
        return bool(self.result.get("changed"))

    @property
    def msg(self) -> str:
        """The task's message."""
        return str(self.result.get("msg", ""))


@dataclass(frozen=True)
class Result:
    """What a run of ansible-playbook left."""

    rc: int
    stdout: str
    stderr: str
    tasks: list[TaskResult] = field(default_factory=list)
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    custom_stats: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """All that an operator sees."""
        return self.stdout + self.stderr

    @property
    def changed(self) -> int:
        """Changed tasks in the recap, over all hosts."""
        return sum(counters["changed"] for counters in self.stats.values())

    @property
    def failures(self) -> list[TaskResult]:
        """The tasks that failed or could not reach their host, and were not ignored."""
        return [task for task in self.tasks if task.status in ("failed", "unreachable")]

    def by_action(self, name: str) -> list[TaskResult]:
        """Return the results of a module, named with or without the collection, that were not skipped."""
        return [task for task in self.tasks if task.action.split(".")[-1] == name and task.status != "skipped"]

    def one(self, name: str) -> TaskResult:
        """Return the result of a module that ran exactly once."""
        found = self.by_action(name)
        if len(found) != 1:
            raise AssertionError(f"{name} ran {len(found)} times, not once:\n{self.output}")
        return found[0]


@dataclass(frozen=True)
class ModuleOutcome:
    """What a module process left; `result` is empty if it printed none (killed)."""

    rc: int
    result: dict[str, Any]
    stderr: str
    peak_rss: int | None


class Running:
    """A process tree under the test's control; a context manager that leaves nothing behind."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        limits: Mapping[int, int] | None,
        stdin: bytes = b"",
        terminal: bool = False,
    ) -> None:
        self._mark = uuid.uuid4().hex
        self._own = Path(tempfile.mkdtemp(prefix="run-"))
        self.cwd = cwd or self._own
        self._stdout, self._stderr = self._own / "stdout", self._own / "stderr"
        self.record, self.peak = self._own / "record", self._own / "peak"
        self.record.touch()
        (self._own / "stdin").write_bytes(stdin)
        home = self.cwd / ".home"
        home.mkdir(exist_ok=True)
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment.update(
            HOME=str(home),
            PWD=str(self.cwd),
            LC_ALL="C.UTF-8",
            ANSIBLE_HOME=str(home / ".ansible"),
            ANSIBLE_REMOTE_TEMP=str(home / ".ansible" / "tmp"),  # its default looks for the user, not for HOME
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS_PATH),
            ANSIBLE_NOCOLOR="1",
            # From ansible-core 2.21 on, results say what a module was given only where that is asked for.
            ANSIBLE_INJECT_INVOCATION="True",
            SUPPORT_MARK=self._mark,
        )
        if terminal:
            environment["TERM"] = "xterm"
        environment.update(env or {})
        command = [text.replace("{peak}", str(self.peak)) for text in argv]
        self._keyboard, screen = os.openpty() if terminal else (None, None)
        with (
            open(self._own / "stdin" if screen is None else screen, "rb", buffering=0) as source,
            self._stdout.open("wb") as stdout,
            self._stderr.open("wb") as stderr,
        ):
            self.popen = subprocess.Popen(
                command,
                cwd=self.cwd,
                env={**environment, **self._recording()},
                stdin=source,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=_limited(limits or {}, terminal=terminal),
            )

    def _recording(self) -> dict[str, str]:
        return {}

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The first process: ansible-playbook itself, or the module."""
        return self.popen.pid

    @property
    def stdout(self) -> str:
        """The output so far."""
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        """The error output so far."""
        return self._stderr.read_text(errors="replace")

    def processes(self) -> list[Process]:
        """Return the run's living processes, orphans too."""
        self.popen.poll()
        found = (_read_process(int(entry), self._mark) for entry in os.listdir("/proc") if entry.isdigit())
        return [process for process in found if process]

    def answer(self, text: str) -> None:
        """Wait for a prompt, and type an answer."""
        os.write(self.wait_for_prompt(), f"{text}\r".encode())

    def wait_for_prompt(self, timeout: float = 60.0) -> int:
        """Wait until the run reads keys from its terminal, as a prompt of Ansible does, and return the keyboard."""
        keyboard = self._keyboard
        assert keyboard is not None, "the run has no terminal"
        seen = 0

        def reads() -> bool:
            nonlocal seen
            mode = termios.tcgetattr(keyboard)[3]
            seen = seen + 1 if mode & termios.ECHO and not mode & termios.ICANON else 0
            # What is typed before is thrown away, until just after the mode has changed.
            return seen > 3

        wait_until(reads, timeout, "a prompt")
        return keyboard

    def interrupt(self) -> None:
        """Send SIGINT to the process group, as Ctrl-C and a cancel in AWX do."""
        os.killpg(self.popen.pid, signal.SIGINT)

    def kill_tree(self) -> None:
        """SIGKILL every process of the run at once."""
        # again until none is left: one of them may be starting another right now
        while processes := self.processes():
            for process in processes:
                _kill(process.pid, signal.SIGKILL)

    def wait_gone(self, timeout: float = 60.0) -> None:
        """Wait until no process of the run is left: an orphaned module may work on for a while."""
        wait_until(lambda: not self.processes(), timeout, f"the end of {self.popen.args!r}")

    def wait_rc(self, timeout: float) -> int:
        """Wait for the first process; kill everything and raise if it takes longer."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_tree()
            raise TimeoutError(f"not finished in {timeout:g} s:\n{self.stdout}\n{self.stderr}") from None

    def close(self) -> None:
        """End what still runs and remove the temporary files."""
        self.kill_tree()
        self.popen.wait()
        if self._keyboard is not None:
            os.close(self._keyboard)
            self._keyboard = None
        shutil.rmtree(self._own, ignore_errors=True)


class RunningPlaybook(Running):
    """A run of ansible-playbook."""

    def __enter__(self) -> RunningPlaybook:
        return self

    def _recording(self) -> dict[str, str]:
        return {
            "ANSIBLE_CALLBACK_PLUGINS": str(_HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "record_results",
            "SUPPORT_RECORD": str(self.record),
        }

    def module_pid(self, name: str, timeout: float = 180.0) -> int:
        """Wait for the process of a module, e.g. `redis_flush`, and return its id."""
        found: list[int] = []

        def there() -> bool:
            # ours are pipelined and have their name in their environment only; the shell that starts another one has
            # the same text inside a longer argument
            ends = f"AnsiballZ_{name}.py"
            found.extend(
                p.pid
                for p in self.processes()
                if p.module == name or any(word.endswith(ends) and " " not in word for word in p.argv)
            )
            if not found and self.popen.poll() is not None:
                raise AssertionError(f"the run ended without a process of {name}:\n{self.stdout}\n{self.stderr}")
            return bool(found)

        wait_until(there, timeout, f"a process of the module {name}", interval=0.005)
        return found[0]

    def kill_controller(self) -> None:
        """SIGKILL ansible-playbook alone: its workers and the module become orphans."""
        _kill(self.pid, signal.SIGKILL)
        self.popen.wait()

    def kill_module(self, name: str, how: int = signal.SIGKILL, timeout: float = 60.0) -> None:
        """Signal the module alone, once it is there."""
        _kill(self.module_pid(name, timeout), how)

    def wait(self, timeout: float = 300.0) -> Result:
        """Wait for ansible-playbook and return what it left."""
        rc = self.wait_rc(timeout)
        tasks, stats, custom = [], {}, {}
        for line in self.record.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if "stats" in record:
                stats, custom = record["stats"], record["custom_stats"]
            else:
                tasks.append(TaskResult(**record))
        return Result(rc, self.stdout, self.stderr, tasks, stats, custom)


class RunningModule(Running):
    """A module that runs without ansible-playbook."""

    def __enter__(self) -> RunningModule:
        return self

    def signal(self, how: int) -> None:
        """Send it a signal."""
        _kill(self.pid, how)

    def wait(self, timeout: float = 300.0) -> ModuleOutcome:
        """Wait for its end and return what it left."""
        rc = self.wait_rc(timeout)
        # a module may have printed nothing (killed), but never anything else than one JSON object
        result = json.loads(self.stdout) if self.stdout.strip() else {}
        peak = int(self.peak.read_text()) if self.peak.exists() else None
        return ModuleOutcome(rc, result, self.stderr, peak)


def start_playbook(
    playbook: str | Path,
    extra_vars: ExtraVars = (),
    *,
    check: bool = False,
    diff: bool = False,
    args: Sequence[str] = (),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    limits: Mapping[int, int] | None = None,
    bin_dir: Path | None = None,
    terminal: bool = False,
) -> RunningPlaybook:
    """Start a playbook: a path, a full name, or the short name of one of ours.

    `extra_vars` is a mapping (one JSON `-e`) or a list of texts, each given as its own `-e`. `limits` are
    `resource.RLIMIT_*` of the whole run. `bin_dir` names another environment's commands. The caller's working
    folder is `cwd`, a new temporary one if none is given. With `terminal`, the run has one, see `Running.answer`.
    """
    name = str(playbook)
    if "." not in name and "/" not in name:
        name = f"{COLLECTION}.{name}"
    given = [json.dumps(extra_vars)] if isinstance(extra_vars, Mapping) else list(extra_vars)
    command = [str((bin_dir or Path(sys.executable).parent) / "ansible-playbook"), name, *args]
    command += [word for text in given for word in ("-e", text)]
    command += ["--check"] * check + ["--diff"] * diff
    started("playbooks")
    return RunningPlaybook(command, cwd=cwd, env=env, limits=limits, terminal=terminal)


def run_playbook(playbook: str | Path, extra_vars: ExtraVars = (), *, timeout: float = 300.0, **options: Any) -> Result:
    """Run a playbook to its end; options as in `start_playbook`."""
    with start_playbook(playbook, extra_vars, **options) as running:
        return running.wait(timeout)


def start_module(
    name: str,
    args: Mapping[str, Any],
    *,
    check: bool = False,
    diff: bool = False,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    limits: Mapping[int, int] | None = None,
    python: Path | None = None,
) -> RunningModule:
    """Start one of our modules without ansible-playbook; options as in `start_playbook`."""
    parameters = {**args, "_ansible_check_mode": check, "_ansible_diff": diff}
    started("modules")
    launcher, fqcn = str(_HERE / "_run_module.py"), f"{COLLECTION}.{name}"
    return RunningModule(
        [str(python or sys.executable), "-I", launcher, str(COLLECTIONS_PATH), fqcn, "{peak}"],
        cwd=cwd,
        env=env,
        limits=limits,
        stdin=json.dumps({"ANSIBLE_MODULE_ARGS": parameters}).encode(),
    )


def run_module(name: str, args: Mapping[str, Any], *, timeout: float = 300.0, **options: Any) -> dict[str, Any]:
    """Run one of our modules to its end and return its result; options as in `start_module`."""
    with start_module(name, args, **options) as running:
        outcome = running.wait(timeout)
    if not outcome.result:
        raise AssertionError(f"{name} ended with {outcome.rc} and no result:\n{outcome.stderr}")
    return outcome.result


def _limited(limits: Mapping[int, int], *, terminal: bool = False) -> Callable[[], None]:
    before = die_with_parent()

    def preexec() -> None:
        before()
        if terminal:
            # The new session has none yet; its own is what the standard input is.
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for what, value in limits.items():
            resource.setrlimit(what, (value, value))

    return preexec


def _read_process(pid: int, mark: str) -> Process | None:
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
        if f"SUPPORT_MARK={mark}".encode() not in environ:
            return None
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    if stat[0] == "Z":
        return None
    module = environ.partition(b"RUNBOOKS_MODULE=")[2].partition(b"\0")[0].decode()
    return Process(pid, int(stat[1]), tuple(argv[:-1]), module)


def _kill(pid: int, how: int) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass
