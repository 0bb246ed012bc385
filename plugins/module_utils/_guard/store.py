# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guard keeps in the cluster, and what people have said there. PRIVATE to the collection.

People write the ConfigMap ``runbooks-control``, the guard ``runbooks-guard``. Each write of it carries the
resourceVersion of what was read, so that no run is forgotten by another that begins at the same moment.
"""

from __future__ import annotations

import json
import random
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._errors import RunbookError
from .._k8s.client import ApiError, ApiLogin, Object
from .._time import parse_time
from .._wait import pause, wait_until
from .policy import Control, Entry, Run, Window, plain

CONTROL = "runbooks-control"
STATE = "runbooks-guard"
MOST_RUNS = 500
MOST_DECISIONS = 200
LONGEST = timedelta(days=7)
_CONFLICT = 409
_PATIENCE = 90.0
_SPREAD = 0.5
_OFF = ("", "false", "no", "off", "0")


@dataclass(frozen=True)
class State:
    runs: tuple[Run, ...] = ()
    decisions: tuple[Entry, ...] = ()


class Store:
    """The two ConfigMaps in a namespace."""

    def __init__(self, login: ApiLogin, namespace: str) -> None:
        self._login = login
        self._namespace = namespace
        self._collection = f"/api/v1/namespaces/{namespace}/configmaps"

    def control(self) -> Control:
        """Return what people have said; what cannot be understood stops everything."""
        found = self._login.find(f"get the ConfigMap {CONTROL}", f"{self._collection}/{CONTROL}")
        data = (found or {}).get("data") or {}
        stop = str(data.get("stop", "")).strip()
        reason = str(data.get("reason", "")).strip() or f"stop is {stop!r} in {self._namespace}/{CONTROL}"
        windows, wrong = _windows(str(data.get("maintenance", "")))
        if wrong:
            line = f"the line {wrong!r} of maintenance in {self._namespace}/{CONTROL} is no window START/END"
            return Control(stop=line, maintenance=windows)
        return Control("" if stop.casefold() in _OFF else reason, windows)

    def read(self) -> State:
        return self._parse(self._find())

    def update(self, change: t.Callable[[State, Control], State]) -> State:
        """Write what ``change`` makes of the state and of what people say at that moment; return it."""

        def attempt() -> State | None:
            # The less comes between the reading and the writing, the fewer meet in between.
            control, found = self.control(), self._find()
            state = _pruned(change(self._parse(found), control), self._login.now() - LONGEST)
            try:
                self._write(found, state)
            except ApiError as exc:
                if exc.status != _CONFLICT:
                    raise
                return None
            return state

        def spread() -> None:
            # Those that have met are not to meet again at the next attempt.
            pause(random.uniform(0.0, _SPREAD), lambda: None)

        written = wait_until(attempt, _PATIENCE, interval=0.01, max_interval=0.5, before_sleep=spread)
        if written is None:
            raise RunbookError(
                f"The ConfigMap {self._namespace}/{STATE} is being written by others all the time; run the same "
                "command again."
            )
        return written

    def _find(self) -> Object | None:
        return self._login.find(f"get the ConfigMap {STATE}", f"{self._collection}/{STATE}")

    def _parse(self, found: Object | None) -> State:
        data = (found or {}).get("data") or {}
        try:
            runs = [_read(Run, each) for each in json.loads(data.get("runs", "[]"))]
            return State(tuple(runs), tuple(_read(Entry, each) for each in json.loads(data.get("decisions", "[]"))))
        except (AttributeError, TypeError, ValueError) as exc:
            raise RunbookError(
                f"The ConfigMap {self._namespace}/{STATE} holds what the guard has not written ({exc}); look at it, "
                "and delete it if nothing is at work, which begins the counts anew."
            ) from exc

    def _write(self, found: Object | None, state: State) -> None:
        metadata: Object = {"name": STATE, "namespace": self._namespace}
        metadata["labels"] = {"app.kubernetes.io/managed-by": "market_intel.runbooks"}
        if found:
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
        data = {
            "runs": json.dumps([plain(each) for each in state.runs], indent=1),
            "decisions": json.dumps([plain(each) for each in state.decisions], indent=1),
        }
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        method, path = ("PUT", f"{self._collection}/{STATE}") if found else ("POST", self._collection)
        self._login.request(f"write the ConfigMap {STATE}", method, path, body=body)


def _windows(text: str) -> tuple[tuple[Window, ...], str]:
    """Return the windows of lines START/END REASON, and the first line that is none."""
    found: list[Window] = []
    for line in text.splitlines():
        words, _space, reason = line.strip().partition(" ")
        if not words or words.startswith("#"):
            continue
        start, end = map(parse_time, words.partition("/")[::2])
        if start is None or end is None or start >= end:
            return tuple(found), line[:80]
        found.append(Window(start, end, reason.strip()))
    return tuple(found), ""


T = t.TypeVar("T", Run, Entry)
_TIMES = ("started", "until", "finished", "first", "last")


def _read(kind: t.Callable[..., T], content: t.Mapping[str, t.Any]) -> T:
    values = {name: _time(value) if name in _TIMES else value for name, value in content.items()}
    return kind(**values)


def _time(text: t.Any) -> datetime:
    moment = parse_time(text)
    if moment is None:
        raise ValueError(f"{text!r} is not a time")
    return moment


def _pruned(state: State, oldest: datetime) -> State:
    runs = [each for each in state.runs if each.ended > oldest]
    return State(tuple(runs[-MOST_RUNS:]), state.decisions[-MOST_DECISIONS:])
