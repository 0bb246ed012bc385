# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Prometheus answers to a query, and whether that is enough to say anything. PRIVATE to the collection."""

from __future__ import annotations

import math
import operator
import re
import typing as t
from dataclasses import dataclass, field

from .._errors import InvalidInput
from .._report.text import count
from .._time import span
from .login import HttpError, HttpLogin, HttpUnavailable

COMPLETE, EMPTY, STALE, PARTIAL = STATUSES = ("complete", "empty", "stale", "partial")
COMPARISONS: dict[str, t.Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
DEFAULT_MAX_AGE = 120.0

_SELECTOR = re.compile(r"""[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\})?""")
# Before they had a list of their own, remarks stood among the warnings.
_REMARK = "PromQL info:"


@dataclass(frozen=True)
class Query:
    """A query, and what its value is compared with; without a comparison, it only shows.

    The newest sample of ``based_on``, a selector, may be ``max_age`` seconds old: an answer itself bears the time at
    which it was computed, whatever it was computed from.
    """

    query: str
    name: str = ""
    comparison: str = ""
    threshold: float = 0.0
    based_on: str = ""
    max_age: float = DEFAULT_MAX_AGE

    @property
    def selector(self) -> str:
        """Return the selector whose samples have to be fresh, empty where there is none."""
        return self.based_on or (self.query.strip() if _SELECTOR.fullmatch(self.query.strip()) else "")


@dataclass(frozen=True)
class Sample:
    labels: t.Mapping[str, str]
    value: float

    def to_plain(self) -> dict[str, t.Any]:
        return {"labels": dict(self.labels), "value": self.value if math.isfinite(self.value) else None}


@dataclass(frozen=True)
class Answer:
    """What a query has given; ``status`` says whether anything follows from it, and ``why`` says why not.

    ``holds`` is whether the comparison holds for any sample, and None where that is not known, or nothing is compared.
    """

    query: Query
    status: str
    samples: tuple[Sample, ...] = ()
    why: str = ""

    @property
    def holds(self) -> bool | None:
        if self.status != COMPLETE or not self.query.comparison:
            return None
        compare = COMPARISONS[self.query.comparison]
        numbers = [each.value for each in self.samples if not math.isnan(each.value)]
        if any(compare(value, self.query.threshold) for value in numbers):
            return True
        # Any of those that are none might have been above.
        return False if len(numbers) == len(self.samples) else None

    @property
    def value(self) -> float | None:
        """Return the value that decides: the one that is farthest on the side that is compared for."""
        numbers = [each.value for each in self.samples if math.isfinite(each.value)]
        if not numbers or self.status != COMPLETE:
            return None
        return min(numbers) if self.query.comparison.startswith("<") else max(numbers)

    @property
    def evidence(self) -> str:
        """Return one line for a person."""
        name = self.query.name or self.query.query
        if self.status != COMPLETE:
            return f"{name}: unknown ({self.why})"
        value = self.value
        words = "not a number" if value is None else count(value)
        if self.query.comparison:
            sign = {True: "", False: "not ", None: "perhaps "}[self.holds]
            words += f", {sign}{self.query.comparison} {count(self.query.threshold)}"
        return f"{name}: {words}"

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "name": self.query.name or self.query.query,
            "query": self.query.query,
            "status": self.status,
            "why": self.why,
            "holds": self.holds,
            "value": self.value,
            "samples": [each.to_plain() for each in self.samples],
            "evidence": self.evidence,
        }


@dataclass(frozen=True)
class _Result:
    kind: str
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = field(default=())


def check_query(query: Query, option: str) -> Query:
    """Return the query; raise InvalidInput that names its option."""
    if not query.query.strip():
        raise InvalidInput(f"{option} is empty; give an expression of PromQL.")
    if query.based_on and not _SELECTOR.fullmatch(query.based_on.strip()):
        raise InvalidInput(
            f'{option} is based on {query.based_on!r}; allowed is a selector alone, such as up{{job="api"}}.'
        )
    if not query.max_age > 0:
        raise InvalidInput(f"{option} has the max_age {query.max_age:g}; allowed is more than 0 s.")
    return query


def ask(login: HttpLogin, query: Query) -> Answer:
    """Return what a query gives; raise InvalidInput for one that Prometheus does not understand.

    No samples, old ones, and an answer that bears warnings are no proof of anything.
    """
    found = _instant(login, query.query)
    if found.warnings:
        return Answer(query, PARTIAL, found.samples, f"Prometheus warns: {'; '.join(found.warnings)}")
    if found.kind not in ("vector", "scalar"):
        raise InvalidInput(f"The query {query.query!r} gives a {found.kind}; allowed are a vector and a scalar.")
    if not found.samples:
        return Answer(query, EMPTY, (), "no sample matches")
    if query.selector:
        stamps = [each.value for each in _instant(login, f"timestamp({query.selector})").samples]
        if not stamps:
            return Answer(query, STALE, found.samples, f"{query.selector} has no sample")
        age = login.now().timestamp() - max(stamps)
        if age > query.max_age:
            why = f"the newest sample is {span(age)} old, allowed are {span(query.max_age)}"
            return Answer(query, STALE, found.samples, why)
    return Answer(query, COMPLETE, found.samples)


def _instant(login: HttpLogin, expression: str) -> _Result:
    wanted = [("query", expression), ("timeout", f"{max(login.settings.timeout, 1):.0f}s")]
    try:
        content = login.get("run a query", "/api/v1/query", wanted)
    except HttpError as exc:
        if exc.status in (400, 422):
            raise InvalidInput(
                f"Prometheus at {login.url} does not understand the query {expression!r} ({exc.server_message}); "
                "correct it."
            ) from exc
        raise
    try:
        return _read(content)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise HttpUnavailable(
            f"Prometheus at {login.url} answers in a form that it does not have; check that "
            f"{login.settings.mark('url')} is its address."
        ) from exc


def _read(content: t.Any) -> _Result:
    if content["status"] != "success":
        raise ValueError(content["status"])
    data = content["data"]
    kind, result = str(data["resultType"]), data["result"]
    warnings = tuple(str(each) for each in content.get("warnings") or () if not str(each).startswith(_REMARK))
    if kind == "scalar":
        return _Result(kind, (Sample({}, float(result[1])),), warnings)
    if kind != "vector":
        return _Result(kind, (), warnings)
    # A native histogram has no value.
    values = [(each["metric"], each["value"][1] if "value" in each else "NaN") for each in result]
    samples = [
        Sample({str(name): str(text) for name, text in metric.items()}, float(value)) for metric, value in values
    ]
    return _Result(kind, tuple(samples), warnings)


def quote(value: str) -> str:
    """Return a text as PromQL has it, whatever is in it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def selector(metric: str, labels: t.Mapping[str, str]) -> str:
    """Return a selector of exactly these labels."""
    return f"{metric}{{{','.join(f'{name}={quote(value)}' for name, value in sorted(labels.items()))}}}"
