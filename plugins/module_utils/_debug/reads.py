# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A login that makes each read once for all targets of a call. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from concurrent.futures import Future
from threading import Lock

from .._k8s.client import JSON, ApiError, ApiLogin, Object, Right

FORBIDDEN, NOT_FOUND = 403, 404
# How much of logs is read at the most by all targets together.
_LOG_BYTES = 24 << 20
T = t.TypeVar("T")

_PAIR = re.compile(r"[\w./-]+={1,2}[\w.-]*")


class SharedReads(ApiLogin):
    """What was read for one target is not asked for again by another one; ``targets`` is how many there may be.

    The first that asks makes the request, and the others wait for its answer, or its error. Of several targets, an
    object is taken from the list of its collection, and what labels select, too.
    """

    def __init__(self, login: ApiLogin, targets: int = 1) -> None:
        vars(self).update(vars(login))
        self.log_bytes = _LOG_BYTES // max(1, targets)
        self.several = targets > 1
        self._lock = Lock()
        self._answers: dict[t.Hashable, Future[t.Any]] = {}

    def _once(self, key: t.Hashable, ask: t.Callable[[], T]) -> T:
        with self._lock:
            answer = self._answers.get(key)
            mine = answer is None
            if answer is None:
                answer = self._answers[key] = Future()
        if mine:
            try:
                answer.set_result(ask())
            # Whoever waits gets the error, too.
            except BaseException as exc:
                answer.set_exception(exc)
        return t.cast(T, answer.result())

    def get(self, what: str, path: str, *, accept: str = JSON, **query: str) -> Object:
        key = (path, accept, *(f"{name}={value}" for name, value in sorted(query.items())))
        return self._once(key, lambda: super(SharedReads, self).get(what, path, accept=accept, **query))

    def missing_rights(self, rights: t.Sequence[Right]) -> list[Right]:
        def ask(right: Right) -> list[Right]:
            return self._once(right, lambda: super(SharedReads, self).missing_rights([right]))

        return [missing for right in rights for missing in ask(right)]

    def find(self, what: str, path: str) -> Object | None:
        collection, _slash, name = path.rpartition("/")
        if self.several and "/namespaces/" in collection:
            try:
                return next((each for each in self.items(what, collection) if each["metadata"]["name"] == name), None)
            except ApiError as exc:
                if exc.status == NOT_FOUND:
                    return None
                if exc.status != FORBIDDEN:
                    raise
        return super().find(what, path)

    def items(self, what: str, path: str, *, accept: str = JSON, **query: str) -> list[Object]:
        pairs = query.get("labelSelector", "").split(",")
        if not self.several or set(query) != {"labelSelector"} or not all(map(_PAIR.fullmatch, pairs)):
            return super().items(what, path, accept=accept, **query)
        wanted = dict(t.cast(tuple[str, str], tuple(re.split("=+", each, maxsplit=1))) for each in pairs)
        return [
            each
            for each in super().items(what, path, accept=accept)
            if wanted.items() <= (each["metadata"].get("labels") or {}).items()
        ]
