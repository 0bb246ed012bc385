# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""Where reports are: one folder for each run, in it one report for each host and an index over them.

Several hosts of a play write into the same folder at the same time. The index is rebuilt from the JSON files while a
lock on the folder is held, so the last one to write has seen all the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import typing as t
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._errors import InvalidInput, RunbookError
from .._run import absolute_directory, make_private_directory, sync_directory
from . import index, render_html, render_json, render_markdown
from .files import INDEX, INVENTORY, PARTIAL, SUFFIXES, file_name, replace_file
from .index import Index
from .model import Report
from .read import read_report

FORMATS = tuple(SUFFIXES)
_LOCK = ".lock"
_INDEX_RENDERERS: dict[str, t.Callable[[Index], str]] = {
    "json": render_json.render,
    "markdown": render_markdown.render_index,
    "html": render_html.render_index,
}


@dataclass(frozen=True)
class Written:
    """The paths of what was written; those of formats that were not asked for are empty."""

    json: str
    markdown: str
    html: str
    index: str
    removed: tuple[str, ...]

    @property
    def best(self) -> str:
        """The one to show to a person."""
        return self.html or self.markdown or self.json


def write(report: Report, directory: str, formats: Sequence[str] = FORMATS, keep: int = 0) -> Written:
    """Write the report of one host and the index of its run; JSON is always written, as the index is made from it."""
    base = absolute_directory(directory, "O(directory)")
    if keep < 0:
        raise InvalidInput(f"O(keep) is {keep}; allowed are 0, which keeps all runs, and the number of runs to keep.")
    folder = base / report.run_id
    name = file_name(report.host)
    wanted = {"json", *formats}
    best_index = INDEX + next(SUFFIXES[kind] for kind in ("html", "markdown", "json") if kind in wanted)
    try:
        make_private_directory(base)
        with _locked(folder):
            content = {
                "json": render_json.render(report),
                "markdown": render_markdown.render(report, name + ".json", INDEX + ".md"),
                "html": render_html.render(report, name + ".json", INDEX + ".html"),
            }
            for kind, suffix in SUFFIXES.items():
                if kind in wanted:
                    replace_file(folder / (name + suffix), content[kind])
                else:  # of an earlier writing of this run: it would tell the past
                    (folder / (name + suffix)).unlink(missing_ok=True)
            _write_index(folder, wanted)
            sync_directory(folder)
            sync_directory(base)
        _point_latest(base, report)
        removed = _retain(base, report, keep) if keep else []
    except OSError as exc:
        raise RunbookError(
            f"The report cannot be written to {folder} ({exc.strerror}); name a directory in which this user may write."
        ) from exc
    paths = {kind: str(folder / (name + suffix)) if kind in wanted else "" for kind, suffix in SUFFIXES.items()}
    return Written(index=str(folder / best_index), removed=tuple(removed), **paths)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if it does not exist; a retention may remove it while we wait."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if folder.is_symlink():
            raise InvalidInput(f"{folder} is a symbolic link; a run's folder must be a folder: remove the link.")
        try:
            descriptor = _open_lock(folder)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_current(descriptor, folder):
                yield
                return
        finally:
            os.close(descriptor)


def _open_lock(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _is_current(descriptor: int, folder: Path) -> bool:
    held = os.fstat(descriptor)
    try:
        found = os.stat(folder / _LOCK)
        return (held.st_dev, held.st_ino) == (found.st_dev, found.st_ino)
    except FileNotFoundError:
        return False


def _write_index(folder: Path, wanted: t.Collection[str]) -> None:
    reports: dict[str, Report] = {}
    unreadable = []
    names = set(os.listdir(folder))
    for path in sorted(folder.glob("*.json")):
        if path.name == INDEX + ".json" or path.name.endswith(INVENTORY["json"]):
            continue
        try:
            reports[path.stem] = read_report(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, OSError, RunbookError):
            unreadable.append(path.name)
    result = index.build(reports, unreadable, names)
    for kind, render in _INDEX_RENDERERS.items():
        path = folder / (INDEX + SUFFIXES[kind])
        # Hosts may differ in their formats: an index that exists is kept up to date.
        if kind in wanted or path.name in names:
            replace_file(path, render(result))


def _point_latest(base: Path, report: Report) -> None:
    """A stable way to the newest report of a runbook; some file systems have no symbolic links."""
    link = base / f"latest-{report.runbook}"
    temporary = base / f".latest-{report.runbook}.{os.getpid()}{PARTIAL}"
    with contextlib.suppress(OSError):
        if link.exists() and not link.is_symlink():
            return
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        temporary.symlink_to(report.run_id)
        os.replace(temporary, link)


def _retain(base: Path, report: Report, keep: int) -> list[str]:
    """Remove the oldest run folders of the same runbook and mode: dry runs never push out the report of a real one."""
    runs = []
    for path in base.glob(f"*/{INDEX}.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(path.read_text(encoding="utf-8"))
            same = (found["run_id"], found["runbook"], found["mode"]) == (path.parent.name, report.runbook, report.mode)
            if same and not path.parent.is_symlink():
                runs.append((str(found["started"]), path.parent.name))
    doomed = sorted(runs, reverse=True)[keep:]
    return [name for _started, name in doomed if name != report.run_id and _remove(base / name)]


def _remove(folder: Path) -> bool:
    """Remove a run's folder, unless somebody writes into it now or keeps something else in it."""
    try:
        descriptor = _open_lock(folder)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another one may have removed the folder before, and a run made it anew: this lock would not hold that run off.
        if not _is_current(descriptor, folder):
            return False
        paths = list(folder.iterdir())
        ours = {path.stem + suffix for path in paths if path.suffix == ".json" for suffix in SUFFIXES.values()}
        if not all(
            stat.S_ISREG(path.lstat().st_mode)
            and (path.name in ours or path.name == _LOCK or path.name.endswith((PARTIAL, *INVENTORY.values())))
            for path in paths
        ):
            return False
        # The lock goes last: whoever waits for it then sees that it is gone.
        for path in sorted(paths, key=lambda path: path.name == _LOCK):
            path.unlink()
        folder.rmdir()
    except OSError:  # the report is written: tidying up must not fail the run
        return False
    finally:
        os.close(descriptor)
    return True
