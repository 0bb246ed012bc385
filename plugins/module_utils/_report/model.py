# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# PRIVATE to the collection. It can have breaking changes at any time.

"""What a report is: typed, from plain data and back, the same for every runbook.

Must be kept in sync with docs/report.schema.json.
"""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone

from .._errors import InvalidInput
from .._run import RUN_ID
from .text import Scalar, encodable, hide_secrets, is_secret_key, plural, visible

SCHEMA_VERSION = "1"
MODES = ("check", "run")
# From the best to the worst: a run over several hosts is as bad as its worst host.
STATES = ("unchanged", "planned", "done", "refused", "interrupted", "rolled_back", "failed")
RESULTS = ("proven", "failed", "unknown")
SEVERITIES = ("ok", "warning", "critical", "unknown")

_RUNBOOK = re.compile(r"[a-z][a-z0-9_]{0,62}")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|z|[-+]\d\d:\d\d)")
_TITLES = {
    "flush_redis": "Flush Redis caches",
    "restore_redis": "Restore Redis keys",
    "redis_stats": "Redis statistics",
    "rotate_certs": "Rotate certificates",
    "check_certs": "Check certificates",
    "rollback_certs": "Roll back certificates",
    "debug_pod": "Debug a pod",
}

Plain = t.Any  # what JSON can hold


@dataclass(frozen=True)
class Operator:
    awx_job_id: str = ""
    user: str = ""


@dataclass(frozen=True)
class Plan:
    summary: tuple[str, ...] = ()
    figures: Mapping[str, Plain] = field(default_factory=dict)
    hash: str = ""
    sample: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    what: str
    changed: bool = False
    detail: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Proof:
    claim: str
    result: str
    evidence: str = ""


@dataclass(frozen=True)
class Undo:
    command: str
    note: str = ""


@dataclass(frozen=True)
class Backup:
    path: str
    records: int | float | None = None
    bytes: int | float | None = None
    sha256: str = ""
    format: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figure:
    name: str
    before: Scalar = None
    after: Scalar = None
    unit: str = ""


@dataclass(frozen=True)
class Series:
    """Points are (seconds since the start, value); a value that could not be measured is None."""

    name: str
    unit: str = ""
    points: tuple[tuple[float, float | None], ...] = ()


@dataclass(frozen=True)
class Event:
    """Something on the timeline: a moment, or a span where it has an end."""

    name: str
    start: datetime
    end: datetime | None = None
    severity: str = "ok"
    note: str = ""


@dataclass(frozen=True)
class Report:
    schema_version: str
    run_id: str
    runbook: str
    title: str
    host: str
    mode: str
    state: str
    started: datetime
    finished: datetime
    operator: Operator
    asked: Mapping[str, Plain]
    plan: Plan | None
    actions: tuple[Action, ...]
    proofs: tuple[Proof, ...]
    degraded: tuple[str, ...]
    undo: Undo | None
    backup: Backup | None
    figures: tuple[Figure, ...]
    series: tuple[Series, ...]
    timeline: tuple[Event, ...]
    details: Mapping[str, Plain]
    summary: tuple[str, ...]

    def to_plain(self) -> dict[str, Plain]:
        return asdict(self, dict_factory=_plain_dict)

    @property
    def seconds(self) -> float:
        return (self.finished - self.started).total_seconds()

    @property
    def attention(self) -> list[str]:
        """Why a run that reached its end still needs a look."""
        found = []
        for result, words in (("failed", "failed"), ("unknown", "unknown")):
            number = sum(1 for proof in self.proofs if proof.result == result)
            # What a dry run did not do, it cannot have proven.
            if number and not (result == "unknown" and self.mode == "check"):
                found.append(f"{number} of {len(self.proofs)} proofs {words}")
        if self.degraded:
            found.append(plural(len(self.degraded), "degradation"))
        return found


def timestamp(moment: datetime) -> str:
    """RFC 3339 with the fraction of a second, which the duration of a short run needs."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _plain_dict(pairs: list[tuple[str, t.Any]]) -> dict[str, Plain]:
    return {key: timestamp(value) if isinstance(value, datetime) else value for key, value in pairs}


def _clean_text(text: str) -> str:
    return hide_secrets(encodable(text))


def _clean(value: Plain) -> Plain:
    """Free data made fit for JSON: no NaN, no lone surrogate, nothing that its name calls a secret."""
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {
            _clean_text(str(key)): "(hidden)" if is_secret_key(str(key)) and _tells(item) else _clean(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(item) for item in value]
    return _clean_text(str(value))


def _tells(value: Plain) -> bool:
    """A flag or an empty value under a secret's name says only whether there is one."""
    return not isinstance(value, bool) and value not in (None, "", [], {})


def _kind(value: Plain) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'the text "{visible(value)[:80]}"'
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, Sequence) else f"{value}"


_T = t.TypeVar("_T")


class _Fields:
    """Reads one mapping of the input; each mistake is one sentence that names the place."""

    def __init__(self, data: Plain, where: str, of: t.Any) -> None:
        if not isinstance(data, Mapping):
            raise InvalidInput(f"{where} must be a mapping, not {_kind(data)}.")
        known = [item.name for item in fields(of)]
        unknown = sorted(visible(str(key)) for key in data if key not in known)
        if unknown:
            raise InvalidInput(f"{where} has the unknown key {unknown[0]!r}; allowed are {', '.join(known)}.")
        self._data = data
        self._where = where

    def _get(self, key: str) -> Plain:
        return self._data.get(key)

    def _at(self, key: str) -> str:
        return f"{self._where}.{key}"

    def text(self, key: str, default: str | None = "") -> str:
        """A text; default None means that it must be there."""
        value = self._get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            if default is None:
                raise InvalidInput(f"{self._at(key)} is missing; give it as a text.")
            return default
        if not isinstance(value, str):
            raise InvalidInput(f"{self._at(key)} must be a text, not {_kind(value)}.")
        return _clean_text(value)

    def matching(self, key: str, pattern: re.Pattern[str], allowed: str) -> str:
        value = self.text(key, None)
        if not pattern.fullmatch(value):
            raise InvalidInput(f'{self._at(key)} is "{visible(value)[:80]}"; allowed are {allowed}.')
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value = self.text(key, None)
        if value not in choices:
            raise InvalidInput(f'{self._at(key)} is "{visible(value)[:80]}"; allowed are {", ".join(choices)}.')
        return value

    def flag(self, key: str) -> bool:
        value = self._get(key)
        if value is None or value == "":
            return False
        word = str(value).lower()
        if word not in ("true", "yes", "1", "false", "no", "0"):
            raise InvalidInput(f"{self._at(key)} must be true or false, not {_kind(value)}.")
        return word in ("true", "yes", "1")

    def number(self, key: str) -> int | float | None:
        value = self._get(key)
        return None if value is None or value == "" else _number(value, self._at(key))

    def scalar(self, key: str, unit: str) -> Scalar:
        """A figure; templating turns numbers into texts, and a unit tells that a number was meant."""
        value = _clean(self._get(key))
        if isinstance(value, (Mapping, list)):
            raise InvalidInput(f"{self._at(key)} must be one value, not {_kind(value)}.")
        if isinstance(value, str) and unit and _NUMBER.fullmatch(value):
            return _number(value, self._at(key))
        return t.cast(Scalar, value)

    def moment(self, key: str, default: datetime | None) -> datetime | None:
        value = self.text(key)
        if not value:
            return default
        try:
            date, time, fraction, zone = _TIME.fullmatch(value).groups()  # type: ignore[union-attr]
            zone = "+00:00" if zone in "Zz" else zone
            moment = datetime.fromisoformat(f"{date}T{time}.{(fraction or '0').ljust(6, '0')}{zone}")
            return moment.astimezone(timezone.utc)
        except (AttributeError, ValueError, OverflowError):
            raise InvalidInput(
                f'{self._at(key)} is "{visible(value)[:80]}"; give an RFC 3339 time such as 2026-11-23T10:15:00Z.'
            ) from None

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(
            item if isinstance(item, str) else _text_of(item, f"{self._at(key)}[{number}]")
            for number, item in enumerate(_clean(self._list(key)))
        )

    def mapping(self, key: str) -> dict[str, Plain]:
        value = self._get(key)
        if value is None or value == "":
            return {}
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{self._at(key)} must be a mapping, not {_kind(value)}.")
        return t.cast("dict[str, Plain]", _clean(value))

    def part(self, key: str, read: t.Callable[[Plain, str], _T]) -> _T | None:
        """A part that may be absent: nothing, an empty text and an empty mapping mean the same."""
        value = self._get(key)
        return None if value is None or value in ("", {}) else read(value, self._at(key))

    def parts(self, key: str, read: t.Callable[[Plain, str], _T]) -> tuple[_T, ...]:
        return tuple(read(item, f"{self._at(key)}[{number}]") for number, item in enumerate(self._list(key)))

    def _list(self, key: str) -> Sequence[Plain]:
        value = self._get(key)
        if value is None or value == "":
            return ()
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InvalidInput(f"{self._at(key)} must be a list, not {_kind(value)}.")
        return value


def _text_of(value: Plain, where: str) -> str:
    if isinstance(value, (int, float)):
        return str(value)
    raise InvalidInput(f"{where} must be a text, not {_kind(value)}.")


def _number(value: Plain, where: str) -> int | float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"{where} must be a number, not {_kind(value)}.")
    # Not measured rather than a number that JSON cannot hold.
    return value if math.isfinite(value) else None


def _operator(data: Plain, where: str) -> Operator:
    read = _Fields(data, where, Operator)
    return Operator(awx_job_id=read.text("awx_job_id"), user=read.text("user"))


def _plan(data: Plain, where: str) -> Plan:
    read = _Fields(data, where, Plan)
    return Plan(read.texts("summary"), read.mapping("figures"), read.text("hash"), read.texts("sample"))


def _action(data: Plain, where: str) -> Action:
    read = _Fields(data, where, Action)
    return Action(read.text("what", None), read.flag("changed"), read.text("detail"), read.moment("at", None))


def _proof(data: Plain, where: str) -> Proof:
    read = _Fields(data, where, Proof)
    return Proof(read.text("claim", None), read.choice("result", RESULTS), read.text("evidence"))


def _undo(data: Plain, where: str) -> Undo:
    read = _Fields(data, where, Undo)
    return Undo(read.text("command"), read.text("note"))


def _backup(data: Plain, where: str) -> Backup:
    read = _Fields(data, where, Backup)
    return Backup(
        path=read.text("path"),
        records=read.number("records"),
        bytes=read.number("bytes"),
        sha256=read.text("sha256"),
        format=read.text("format"),
        note=read.text("note"),
    )


def _figure(data: Plain, where: str) -> Figure:
    read = _Fields(data, where, Figure)
    unit = read.text("unit")
    return Figure(read.text("name", None), read.scalar("before", unit), read.scalar("after", unit), unit)


def _series(data: Plain, where: str) -> Series:
    read = _Fields(data, where, Series)
    return Series(read.text("name", None), read.text("unit"), read.parts("points", _point))


def _point(data: Plain, where: str) -> tuple[float, float | None]:
    if isinstance(data, str) or not isinstance(data, Sequence) or len(data) != 2:
        raise InvalidInput(f"{where} must be a pair [seconds, value], not {_kind(data)}.")
    seconds = _number(data[0], f"{where}[0]")
    if seconds is None:
        raise InvalidInput(f"{where}[0] must be a finite number of seconds.")
    return seconds, None if data[1] is None or data[1] == "" else _number(data[1], f"{where}[1]")


def _event(data: Plain, where: str) -> Event:
    read = _Fields(data, where, Event)
    name, start, end = read.text("name", None), read.moment("start", None), read.moment("end", None)
    if start is None:
        raise InvalidInput(f"{where}.start is missing; give an RFC 3339 time such as 2026-11-23T10:15:00Z.")
    if end is not None and end < start:
        raise InvalidInput(f"{where}.end is before its start; give a later time, or none for a moment.")
    severity = read.choice("severity", SEVERITIES) if read.text("severity") else SEVERITIES[0]
    return Event(name, start, end, severity, read.text("note"))


def _started(run_id: str, finished: datetime) -> datetime:
    """A run id begins with the time at which the run began."""
    try:
        return datetime.strptime(run_id.partition("z-")[0], "%Y%m%dt%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:  # digits that are no date
        return finished


def read_report(data: Plain, now: datetime | None = None) -> Report:
    """A report from plain data; raises InvalidInput with one sentence about the first mistake."""
    read = _Fields(data, "report", Report)
    version = read.text("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise InvalidInput(f'report.schema_version is "{visible(version)[:80]}"; this version writes {SCHEMA_VERSION}.')
    run_id = read.matching("run_id", RUN_ID, "ids of the form 20261123t101500z-flush-redis-7f3a")
    runbook = read.matching("runbook", _RUNBOOK, "lower-case letters, digits and underscores, as in flush_redis")
    finished = read.moment("finished", None) or now or datetime.now(timezone.utc)
    return Report(
        schema_version=version,
        run_id=run_id,
        runbook=runbook,
        title=read.text("title", _TITLES.get(runbook, runbook.replace("_", " ").capitalize())),
        host=read.text("host", None),
        mode=read.choice("mode", MODES),
        state=read.choice("state", STATES),
        started=read.moment("started", None) or _started(run_id, finished),
        finished=finished,
        operator=read.part("operator", _operator) or Operator(),
        asked=read.mapping("asked"),
        plan=read.part("plan", _plan),
        actions=read.parts("actions", _action),
        proofs=read.parts("proofs", _proof),
        degraded=read.texts("degraded"),
        undo=read.part("undo", _undo),
        backup=read.part("backup", _backup),
        figures=read.parts("figures", _figure),
        series=read.parts("series", _series),
        timeline=read.parts("timeline", _event),
        details=read.mapping("details"),
        summary=read.texts("summary"),
    )
