# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Alerts and silences of an Alertmanager, by version 2 of its API. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from .._errors import InvalidInput, RunbookError
from .._time import parse_time, rfc3339, rfc3339_exact, span
from .login import HttpError, HttpLogin, HttpUnavailable

Plain = dict[str, t.Any]

# How long after its start an Alertmanager may not have heard of alerts that fire: Prometheus sends them again by then.
SETTLED_AFTER = 180.0
# How exactly the time of a server is known, which it tells in whole seconds.
_CLOCK = timedelta(seconds=2)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, order=True)
class Matcher:
    """What a label has to be, in the words of Alertmanager."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def to_plain(self) -> Plain:
        return {"name": self.name, "value": self.value, "isRegex": self.is_regex, "isEqual": self.is_equal}

    def __str__(self) -> str:
        sign = ("=~" if self.is_regex else "=") if self.is_equal else ("!~" if self.is_regex else "!=")
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{sign}"{escaped}"'


@dataclass(frozen=True)
class Alert:
    """An alert that fires; ``state`` is active, suppressed or unprocessed."""

    labels: t.Mapping[str, str]
    annotations: t.Mapping[str, str]
    fingerprint: str
    state: str
    starts_at: datetime | None
    silenced_by: tuple[str, ...]
    inhibited_by: tuple[str, ...]

    def to_plain(self) -> Plain:
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "fingerprint": self.fingerprint,
            "state": self.state,
            "starts_at": rfc3339(self.starts_at) if self.starts_at else "",
            "silenced_by": list(self.silenced_by),
            "inhibited_by": list(self.inhibited_by),
        }


@dataclass(frozen=True)
class Alerts:
    """The alerts that match; without any, ``unknown`` says why nothing follows from that, if so."""

    alerts: tuple[Alert, ...]
    unknown: str = ""

    def to_plain(self) -> Plain:
        return {"alerts": [each.to_plain() for each in self.alerts], "unknown": self.unknown}


@dataclass(frozen=True)
class Silence:
    """A silence; ``state`` is active, pending or expired."""

    id: str
    matchers: tuple[Matcher, ...]
    state: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str

    def to_plain(self) -> Plain:
        return {
            "id": self.id,
            "matchers": [str(each) for each in self.matchers],
            "state": self.state,
            "starts_at": rfc3339(self.starts_at),
            "ends_at": rfc3339(self.ends_at),
            "created_by": self.created_by,
            "comment": self.comment,
        }


@dataclass(frozen=True)
class SilencePlan:
    """What has to be done: ``change`` is none, create, extend or expire; ``found`` is what is there."""

    change: str
    found: Silence | None
    wanted: Plain | None = None


def read_matchers(entries: t.Sequence[t.Mapping[str, t.Any]], option: str) -> tuple[Matcher, ...]:
    """Return matchers in one order; raise InvalidInput that names the option."""
    found = []
    for number, entry in enumerate(entries):
        if not _LABEL.fullmatch(entry["name"]):
            raise InvalidInput(
                f"{option}[{number}] has the name {entry['name'][:80]!r}; allowed is the name of a label, such as "
                "namespace."
            )
        found.append(Matcher(entry["name"], entry["value"], entry["is_regex"], entry["is_equal"]))
    return tuple(sorted(set(found)))


def refuse_broad(matchers: t.Sequence[Matcher]) -> None:
    """Raise InvalidInput for a silence that would hide an alert wherever it fires."""
    exact = {each.name for each in matchers if each.is_equal and not each.is_regex and each.value}
    if "alertname" not in exact or len(exact) < 2:
        raise InvalidInput(
            "O(matchers) would silence more than one alert in one place; name alertname and at least one more label, "
            "such as namespace, by their exact values."
        )


def find_alerts(login: HttpLogin, matchers: t.Sequence[Matcher]) -> Alerts:
    """Return the alerts that match, silenced and inhibited ones too."""
    alerts = _read(login, lambda: _alerts(login, matchers))
    return Alerts(alerts, "" if alerts else _why_unknown(login))


def _alerts(login: HttpLogin, matchers: t.Sequence[Matcher]) -> tuple[Alert, ...]:
    wanted = [("filter", str(each)) for each in matchers]
    return tuple(_alert(each) for each in _listed(login.get("list alerts", "/api/v2/alerts", wanted)))


def _listed(found: t.Any) -> list[Plain]:
    """Return a list; an object without anything in it would say that there is nothing."""
    if not isinstance(found, list):
        raise TypeError(type(found))
    return found


def _alert(found: Plain) -> Alert:
    status = found["status"]
    return Alert(
        labels={str(name): str(text) for name, text in found["labels"].items()},
        annotations={str(name): str(text) for name, text in found["annotations"].items()},
        fingerprint=str(found["fingerprint"]),
        state=str(status["state"]),
        starts_at=parse_time(found["startsAt"]),
        silenced_by=tuple(map(str, status["silencedBy"] or ())),
        inhibited_by=tuple(map(str, status["inhibitedBy"] or ())),
    )


def _why_unknown(login: HttpLogin) -> str:
    """Say why an Alertmanager without an alert may not have heard of it yet; empty where it has."""
    started, cluster = _read(login, lambda: _status(login))
    if cluster not in ("ready", "disabled"):
        return f"the Alertmanager's cluster is {cluster}, so that it may not know all alerts"
    age = (login.now() - started).total_seconds()
    if age < SETTLED_AFTER:
        return f"the Alertmanager started {span(age)} ago, and may not have heard of alerts since"
    return ""


def _status(login: HttpLogin) -> tuple[datetime, str]:
    found = login.get("show its status", "/api/v2/status")
    started = parse_time(found["uptime"])
    if started is None:
        raise ValueError(found["uptime"])
    return started, str(found["cluster"]["status"])


def find_silence(login: HttpLogin, matchers: t.Sequence[Matcher], created_by: str) -> Silence | None:
    """Return the silence of this creator with exactly these matchers that ends last, if one has not expired."""
    wanted = [("filter", str(each)) for each in matchers if each.is_equal and not each.is_regex]
    found = _read(login, lambda: _silences(login, wanted))
    same = [each for each in found if each.matchers == tuple(matchers) and each.created_by == created_by]
    return max((each for each in same if each.state != "expired"), key=lambda each: each.ends_at, default=None)


def get_silence(login: HttpLogin, silence_id: str) -> Silence | None:
    """Return a silence by its id, None if there is none."""
    try:
        return _read(login, lambda: _silence(login.get("read a silence", _path(silence_id))))
    except HttpError as exc:
        # An id of another form is not found, either.
        if exc.status in (404, 422):
            return None
        raise


def _path(silence_id: str) -> str:
    return f"/api/v2/silence/{quote(silence_id, safe='')}"


def _silences(login: HttpLogin, wanted: t.Sequence[tuple[str, str]]) -> list[Silence]:
    return [_silence(each) for each in _listed(login.get("list silences", "/api/v2/silences", wanted))]


def _silence(found: Plain) -> Silence:
    starts_at, ends_at = parse_time(found["startsAt"]), parse_time(found["endsAt"])
    if starts_at is None or ends_at is None:
        raise ValueError(found["startsAt"])
    matchers = [
        # Before 0.22, there was no negation.
        Matcher(str(each["name"]), str(each["value"]), bool(each["isRegex"]), bool(each.get("isEqual", True)))
        # Of a silence without any, 0.32 says null.
        for each in found["matchers"] or ()
    ]
    return Silence(
        id=str(found["id"]),
        matchers=tuple(sorted(matchers)),
        state=str(found["status"]["state"]),
        starts_at=starts_at,
        ends_at=ends_at,
        created_by=str(found["createdBy"]),
        comment=str(found["comment"]),
    )


def plan_silence(
    login: HttpLogin, matchers: t.Sequence[Matcher], created_by: str, comment: str, seconds: float
) -> SilencePlan:
    """Return what has to be done so that a silence lasts so long from now on; one that lasts half as long is kept."""
    refuse_broad(matchers)
    if not created_by or not comment:
        raise InvalidInput(
            "O(created_by) or O(comment) is empty, which Alertmanager does not take; say who silences the alert, and "
            "why."
        )
    if not seconds > 0:
        raise InvalidInput(f"O(duration) is {seconds:g}; allowed is more than 0 s.")
    found = find_silence(login, matchers, created_by)
    now = login.now()
    if found and found.starts_at <= now + _CLOCK and found.ends_at >= now + timedelta(seconds=seconds / 2):
        return SilencePlan("none", found)
    wanted: Plain = {
        "matchers": [each.to_plain() for each in matchers],
        "startsAt": rfc3339_exact(now),
        "endsAt": rfc3339_exact(now + timedelta(seconds=seconds)),
        "createdBy": created_by,
        "comment": comment,
    }
    # One that is extended keeps its id, if it has begun.
    if found:
        wanted.update(id=found.id, startsAt=rfc3339_exact(min(found.starts_at, now)))
    return SilencePlan("extend" if found else "create", found, wanted)


def plan_expiry(login: HttpLogin, silence_id: str, matchers: t.Sequence[Matcher], created_by: str) -> SilencePlan:
    """Return what has to be done so that a silence is over, which is named by its id or by what it is."""
    if not silence_id and not (matchers and created_by):
        raise InvalidInput("O(id) is empty; name the silence, or give O(matchers) and O(created_by).")
    found = get_silence(login, silence_id) if silence_id else find_silence(login, matchers, created_by)
    return SilencePlan("expire" if found and found.state != "expired" else "none", found)


def apply(login: HttpLogin, plan: SilencePlan) -> Silence | None:
    """Carry out a plan, and return the silence as Alertmanager has it then; raise RunbookError where it has not."""
    if plan.change == "none":
        return plan.found
    if plan.change == "expire":
        found = t.cast(Silence, plan.found)
        login.request("expire a silence", "DELETE", _path(found.id))
        return _proven(login, found.id, ("expired",))
    answer = login.request("write a silence", "POST", "/api/v2/silences", body=plan.wanted)
    return _proven(login, _read(login, lambda: str(answer["silenceID"])), ("active", "pending"))


def _proven(login: HttpLogin, silence_id: str, states: t.Container[str]) -> Silence:
    found = get_silence(login, silence_id)
    if found is None or found.state not in states:
        raise RunbookError(
            f"Alertmanager at {login.url} took the request, but the silence {silence_id} is "
            f"{found.state if found else 'not there'}; look at its silences."
        )
    return found


T = t.TypeVar("T")


def _read(login: HttpLogin, read: t.Callable[[], T]) -> T:
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise HttpUnavailable(
            f"Alertmanager at {login.url} answers in a form that it does not have; check that "
            f"{login.settings.mark('url')} is its address."
        ) from exc
