# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A report read from plain data; each mistake is one sentence that names the place. PRIVATE to the collection."""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from .._errors import InvalidInput
from .._run import RUN_ID, run_began
from .._severity import LEVELS, OK, ORDER
from .._time import parse_time, utc_now
from .model import (
    MODES,
    RESULTS,
    SCHEMA_VERSION,
    STATES,
    Action,
    Backup,
    Cluster,
    Event,
    Figure,
    Finding,
    Operator,
    Plain,
    Plan,
    Proof,
    Report,
    Series,
    StepReport,
    Undo,
)
from .text import Scalar, encodable, hide_secrets, is_secret_key, visible

RUNBOOK = re.compile(r"[a-z][a-z0-9_]{0,62}")
RUNBOOKS = "lower-case letters, digits and underscores, as in flush_redis"
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_TITLES = {
    "flush_redis": "Flush Redis caches",
    "restore_redis": "Restore Redis keys",
    "redis_stats": "Redis statistics",
    "rotate_certs": "Rotate certificates",
    "check_certs": "Check certificates",
    "rollback_certs": "Roll back certificates",
    "debug_pod": "Debug pods",
    "list_debug_pods": "List debug sessions",
    "cleanup_debug_pods": "Clean up debug sessions",
    "respond_to_alert": "Respond to an alert",
    "assess_alerts": "Assess alerts",
    "prepare_cluster": "Prepare the cluster",
}


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
        moment = parse_time(value)
        if moment is None:
            raise InvalidInput(
                f'{self._at(key)} is "{visible(value)[:80]}"; give an RFC 3339 time such as 2026-11-23T10:15:00Z.'
            )
        return moment

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
    return Plan(
        summary=read.texts("summary"),
        figures=read.mapping("figures"),
        hash=read.text("hash"),
        sample=read.texts("sample"),
        not_verified=read.texts("not_verified"),
    )


def _action(data: Plain, where: str) -> Action:
    read = _Fields(data, where, Action)
    return Action(read.text("what", None), read.flag("changed"), read.text("detail"), read.moment("at", None))


def _proof(data: Plain, where: str) -> Proof:
    read = _Fields(data, where, Proof)
    return Proof(read.text("claim", None), read.choice("result", RESULTS), read.text("evidence"))


def _cluster(data: Plain, where: str) -> Cluster:
    read = _Fields(data, where, Cluster)
    return Cluster(read.text("context"), read.text("server"), read.text("uid"), read.text("note"))


def _finding(data: Plain, where: str) -> Finding:
    read = _Fields(data, where, Finding)
    return Finding(
        severity=read.choice("severity", ORDER),
        what=read.text("what", None),
        where=read.text("where"),
        evidence=read.text("evidence"),
        next_step=read.text("next_step"),
    )


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
    severity = read.choice("severity", LEVELS) if read.text("severity") else OK
    return Event(name, start, end, severity, read.text("note"))


def _parts(read: _Fields) -> dict[str, t.Any]:
    """What a step and a whole report have in common."""
    return {
        "headline": read.text("headline"),
        "severity": read.choice("severity", LEVELS) if read.text("severity") else "",
        "asked": read.mapping("asked"),
        "plan": read.part("plan", _plan),
        "findings": read.parts("findings", _finding),
        "actions": read.parts("actions", _action),
        "proofs": read.parts("proofs", _proof),
        "degraded": read.texts("degraded"),
        "undo": read.part("undo", _undo),
        "backup": read.part("backup", _backup),
        "figures": read.parts("figures", _figure),
        "series": read.parts("series", _series),
        "timeline": read.parts("timeline", _event),
        "details": read.mapping("details"),
        "summary": read.texts("summary"),
    }


def _run_id(read: _Fields) -> str:
    return read.matching("run_id", RUN_ID, "ids of the form 20261123t101500z-flush-redis-7f3a")


def _runbook(read: _Fields) -> str:
    return read.matching("runbook", RUNBOOK, RUNBOOKS)


def read_step(data: Plain, where: str = "report") -> StepReport:
    """What a step said, from plain data; raises InvalidInput with one sentence about the first mistake."""
    read = _Fields(data, where, StepReport)
    return StepReport(
        run_id=_run_id(read) if read.text("run_id") else "",
        runbook=_runbook(read) if read.text("runbook") else "",
        title=read.text("title"),
        state=read.choice("state", STATES) if read.text("state") else "",
        started=read.moment("started", None),
        **_parts(read),
    )


def read_report(data: Plain, now: datetime | None = None) -> Report:
    """A report from plain data; raises InvalidInput with one sentence about the first mistake."""
    read = _Fields(data, "report", Report)
    version = read.text("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise InvalidInput(f'report.schema_version is "{visible(version)[:80]}"; this version writes {SCHEMA_VERSION}.')
    run_id, runbook = _run_id(read), _runbook(read)
    finished = read.moment("finished", None) or now or utc_now()
    return Report(
        schema_version=version,
        run_id=run_id,
        runbook=runbook,
        title=read.text("title", title_of(runbook)),
        host=read.text("host", None),
        mode=read.choice("mode", MODES),
        state=read.choice("state", STATES),
        started=read.moment("started", None) or run_began(run_id) or finished,
        finished=finished,
        operator=read.part("operator", _operator) or Operator(),
        cluster=read.part("cluster", _cluster) or Cluster(),
        **_parts(read),
    )


def read_cluster(data: Plain) -> Cluster:
    return _cluster(data or {}, "cluster")


def title_of(runbook: str) -> str:
    return _TITLES.get(runbook, runbook.replace("_", " ").capitalize())
