# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which runbook an alert leads to, as data that people write. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._errors import InvalidInput
from .labels import NAME
from .prometheus import COMPARISONS, DEFAULT_MAX_AGE, Query, check_query

# What only reads, and may follow on any alert.
DIAGNOSIS = "debug_pod"
OURS = ("flush_redis", "rotate_certs", DIAGNOSIS)
MODES = ("suggest", "auto")
RESPOND_WITHIN = {"critical": 300.0, "warning": 1800.0}
CHECKS = ("certificates", "redis", "pods")

_PLAYBOOK = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*){2,}")
_PLACE = re.compile(r"\$([a-zA-Z_][a-zA-Z0-9_]*)")
_VARIABLE = re.compile(r"[a-z_][a-zA-Z0-9_]*")
_ENTRY = {
    "runbook",
    "target",
    "variables",
    "labels",
    "severity",
    "respond_within",
    "mode",
    "production",
    "diagnose",
    "evidence",
    "recovery",
}
_GATE = {"name", "query", "comparison", "threshold", "based_on", "max_age", "check", "options"}
_RECOVERY = {"query", "comparison", "threshold", "based_on", "max_age", "samples", "interval"}

Plain = dict[str, t.Any]


@dataclass(frozen=True)
class Gate:
    """Something that speaks for a runbook if it is so: a query whose comparison holds, or a check of ours."""

    name: str
    query: Query | None = None
    check: str = ""
    options: Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recovery:
    """What holds when the service has recovered, and how often in a row it has to."""

    query: Query
    samples: int = 3
    interval: float = 10.0


@dataclass(frozen=True)
class Entry:
    """What an alert leads to. Texts may hold ``$LABEL`` of the labels that are allowed.

    ``diagnose`` are the targets of a diagnosis where nothing speaks for the runbook.
    """

    alert: str
    runbook: str
    target: str
    variables: Mapping[str, t.Any]
    labels: tuple[str, ...]
    severity: str
    respond_within: float
    mode: str
    production: bool
    diagnose: tuple[str, ...]
    evidence: tuple[Gate, ...]
    recovery: Recovery | None

    @property
    def is_ours(self) -> bool:
        return self.runbook in OURS


def read_map(given: Mapping[str, t.Any], option: str) -> dict[str, Entry]:
    """Return the entries by alert; raise InvalidInput that names the part that is wrong."""
    return {str(name): _entry(str(name), value, f"{option}.{name}") for name, value in given.items()}


def _entry(alert: str, given: t.Any, option: str) -> Entry:
    if not NAME.fullmatch(alert):
        raise InvalidInput(f"{option} is no name of an alert; allowed are letters, digits and underscores.")
    fields = _fields(given, _ENTRY, option)
    runbook = str(fields.get("runbook", ""))
    if runbook not in OURS and not _PLAYBOOK.fullmatch(runbook):
        raise InvalidInput(
            f"{option}.runbook is {runbook[:80]!r}; allowed are {', '.join(OURS)}, and a playbook by its full name, "
            "such as acme.shop.restart."
        )
    severity = str(fields.get("severity", "warning"))
    if severity not in RESPOND_WITHIN:
        raise InvalidInput(f"{option}.severity is {severity[:80]!r}; allowed are {', '.join(RESPOND_WITHIN)}.")
    mode = str(fields.get("mode", MODES[0]))
    if mode not in MODES:
        raise InvalidInput(f"{option}.mode is {mode[:80]!r}; allowed are {', '.join(MODES)}.")
    labels = ("alertname", *map(str, _list(fields.get("labels", ["namespace"]), f"{option}.labels")))
    variables = _variables(fields.get("variables", {}), runbook, f"{option}.variables")
    evidence = [
        _gate(each, f"{option}.evidence[{at}]")
        for at, each in enumerate(_list(fields.get("evidence", []), f"{option}.evidence"))
    ]
    if not evidence and runbook != DIAGNOSIS:
        raise InvalidInput(
            f"{option}.evidence is empty; say what speaks for {runbook}, since an alert alone does not, or take "
            f"{DIAGNOSIS}, which only reads."
        )
    entry = Entry(
        alert=alert,
        runbook=runbook,
        target=str(fields.get("target", "$namespace")),
        variables=variables,
        labels=labels,
        severity=severity,
        respond_within=_number(fields.get("respond_within", RESPOND_WITHIN[severity]), f"{option}.respond_within"),
        mode=mode,
        production=fields.get("production", False) is True,
        diagnose=tuple(map(str, _list(fields.get("diagnose", []), f"{option}.diagnose"))),
        evidence=tuple(evidence),
        recovery=_recovery(fields.get("recovery"), f"{option}.recovery"),
    )
    if mode == "auto" and not entry.recovery and runbook != DIAGNOSIS:
        raise InvalidInput(f"{option}.recovery is missing; in the mode auto, say what holds when it has helped.")
    unknown = _places([entry.target, entry.variables, *(fields.get(each) for each in _TEMPLATES)]) - set(labels)
    if unknown:
        raise InvalidInput(
            f"{option} uses ${min(unknown)}, which is not among its labels ({', '.join(labels)}); add it there."
        )
    return entry


def _gate(given: t.Any, option: str) -> Gate:
    fields = _fields(given, _GATE, option)
    check = str(fields.get("check", ""))
    if check:
        if check not in CHECKS or "query" in fields:
            raise InvalidInput(f"{option}.check is {check[:80]!r}; allowed are {', '.join(CHECKS)}, without a query.")
        options = fields.get("options", {})
        return Gate(str(fields.get("name") or check), check=check, options=_fields(options, None, f"{option}.options"))
    query = _query(fields, option)
    if not query.comparison:
        raise InvalidInput(f"{option}.comparison is missing; allowed are {', '.join(COMPARISONS)}.")
    return Gate(query.name or query.query, query)


def _recovery(given: t.Any, option: str) -> Recovery | None:
    if given is None:
        return None
    fields = _fields(given, _RECOVERY, option)
    query = _query(fields, option)
    samples, interval = (_number(fields.get(name, usual), f"{option}.{name}") for name, usual in _USUAL)
    if not query.comparison or samples < 1 or interval <= 0:
        raise InvalidInput(f"{option} needs a comparison, at least one of samples, and an interval above 0 s.")
    return Recovery(query, int(samples), interval)


_TEMPLATES = ("diagnose", "evidence", "recovery")
_USUAL = (("samples", 3), ("interval", 10))


def _query(fields: Mapping[str, t.Any], option: str) -> Query:
    comparison = str(fields.get("comparison", ""))
    if comparison and comparison not in COMPARISONS:
        raise InvalidInput(f"{option}.comparison is {comparison[:20]!r}; allowed are {', '.join(COMPARISONS)}.")
    query = Query(
        query=str(fields.get("query", "")),
        name=str(fields.get("name", "")),
        comparison=comparison,
        threshold=_number(fields.get("threshold", 0), f"{option}.threshold"),
        based_on=str(fields.get("based_on", "")),
        max_age=_number(fields.get("max_age", DEFAULT_MAX_AGE), f"{option}.max_age"),
    )
    return check_query(query, f"{option}.query")


def _variables(given: t.Any, runbook: str, option: str) -> Plain:
    fields = _fields(given, None, option)
    for name in fields:
        if not _VARIABLE.fullmatch(name) or (runbook in OURS and not name.startswith(f"{runbook}_")):
            raise InvalidInput(f"{option} has {name[:80]!r}; allowed are the variables of {runbook}.")
    return fields


def _fields(given: t.Any, known: t.Container[str] | None, option: str) -> Plain:
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{option} is not a mapping; see the map in the documentation of alert_response.")
    for name in given:
        if known is not None and name not in known:
            raise InvalidInput(f"{option} has {str(name)[:80]!r}, which is not known; correct its name.")
    return {str(name): value for name, value in given.items()}


def _list(given: t.Any, option: str) -> Sequence[t.Any]:
    if not isinstance(given, (list, tuple)):
        raise InvalidInput(f"{option} is not a list.")
    return given


def _number(given: t.Any, option: str) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise InvalidInput(f"{option} is {str(given)[:80]!r}; allowed is a number.") from None


def _places(value: t.Any) -> set[str]:
    if isinstance(value, str):
        return set(_PLACE.findall(value))
    if isinstance(value, Mapping):
        return set().union(*map(_places, value.values()))
    return set().union(*map(_places, value)) if isinstance(value, (list, tuple)) else set()


def fill(value: t.Any, labels: Mapping[str, str]) -> t.Any:
    """Return a value with its labels in their places; raise KeyError for one that the alert does not have."""
    if isinstance(value, str):
        return _PLACE.sub(lambda place: labels[place[1]], value)
    if isinstance(value, Mapping):
        return {name: fill(each, labels) for name, each in value.items()}
    return [fill(each, labels) for each in value] if isinstance(value, (list, tuple)) else value


def filled(query: Query, labels: Mapping[str, str]) -> Query:
    return Query(
        fill(query.query, labels),
        query.name,
        query.comparison,
        query.threshold,
        fill(query.based_on, labels),
        query.max_age,
    )
