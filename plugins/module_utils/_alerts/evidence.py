# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What speaks for a runbook: queries and checks of ours, side by side, within a time that is kept. PRIVATE."""

from __future__ import annotations

import threading
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._errors import InvalidInput, RunbookError, as_clause
from .._report.text import count
from .._severity import CRITICAL, UNKNOWN
from .._time import utc_now
from .._wait import wait_until
from .login import HttpLogin
from .mapping import Gate, fill, filled
from .prometheus import ask

if t.TYPE_CHECKING:
    from .._k8s.client import ApiLogin

_MOST_REASONS = 3

T = t.TypeVar("T")


@dataclass(frozen=True)
class Evidence:
    """Whether something speaks for a runbook, None where that is not known, and what was seen."""

    name: str
    supports: bool | None
    seen: str
    value: float | None = None

    @property
    def line(self) -> str:
        return f"{self.name}: {'unknown' if self.supports is None else 'yes' if self.supports else 'no'} ({self.seen})"

    def to_plain(self) -> dict[str, t.Any]:
        return {"name": self.name, "supports": self.supports, "seen": self.seen, "value": self.value}


@dataclass(frozen=True)
class Sources:
    """How to reach what is asked; a login is made only where something is asked for behind it.

    ``redis`` returns the health and the traffic of the server, and is None where no server is named.
    """

    prometheus: HttpLogin
    cluster: t.Callable[[], ApiLogin]
    redis: t.Callable[[], tuple[Mapping[str, t.Any], Mapping[str, t.Any]]] | None = None


def look(gate: Gate, labels: Mapping[str, str], sources: Sources) -> Evidence:
    return _CHECKS[gate.check](gate, labels, sources)


def not_seen(gate: Gate, error: BaseException) -> Evidence:
    """Return what is known where a look has failed: nothing."""
    why = as_clause(error) if isinstance(error, (RunbookError, TimeoutError)) else f"the check broke: {error!r}"
    return Evidence(gate.name, None, why)


def side_by_side(tasks: Sequence[t.Callable[[], T]], seconds: float) -> list[T | BaseException]:
    """Return what each task returns or raises, in their order; what has not come in time is a TimeoutError."""
    found: dict[int, T | BaseException] = {}

    def run(number: int) -> None:
        try:
            found[number] = tasks[number]()
        # Whatever breaks in one of them, the others are not to suffer.
        except BaseException as exc:
            found[number] = exc

    for number in range(len(tasks)):
        threading.Thread(target=run, args=(number,), daemon=True).start()
    wait_until(lambda: True if len(found) == len(tasks) else None, seconds, interval=0.01, max_interval=0.1)
    late = TimeoutError(f"no answer within {seconds:g} s")
    return [found.get(number, late) for number in range(len(tasks))]


def _query(gate: Gate, labels: Mapping[str, str], sources: Sources) -> Evidence:
    if gate.query is None:
        raise InvalidInput(f"{gate.name} has no query.")
    answer = ask(sources.prometheus, filled(gate.query, labels))
    return Evidence(gate.name, answer.holds, answer.evidence.partition(": ")[2] or answer.evidence, answer.value)


def _certificates(gate: Gate, labels: Mapping[str, str], sources: Sources) -> Evidence:
    """Look for certificates that have expired, expire soon, or are broken; those that clients meet, too."""
    # Only here, because its libraries take a third of a second to import.
    from .._tls.check.model import ENDPOINT, SECRET, Endpoint, Request
    from .._tls.check.run import Output, run_check
    from .._tls.check.run import Sources as CheckSources

    options = fill(gate.options, labels)
    endpoints = [Endpoint.parse(each, f"{gate.name}.endpoints") for each in options.get("endpoints", [])]
    request = Request(
        namespaces=(str(options.get("namespace", labels.get("namespace", ""))),),
        certificates=False,
        consumers=False,
        endpoints=tuple(endpoints),
    )
    result = run_check(request, CheckSources(sources.cluster, endpoint_timeout=2.0), Output(), "", "", utc_now())
    names = set(options.get("names", []))
    entries = [
        each
        for each in (result.inventory.entries if result.inventory else ())
        if each.source == ENDPOINT or not names or each.name in names or each.source != SECRET
    ]
    bad = [each for each in entries if each.severity == CRITICAL]
    unknown = [each for each in entries if each.severity == UNKNOWN]
    shown = bad or unknown
    if not shown and not [each for each in entries if each.chain]:
        return Evidence(gate.name, None, "no certificate was found")
    seen = "; ".join(f"{each.place}: {each.reasons[0]}" for each in shown[:_MOST_REASONS])
    return Evidence(gate.name, True if bad else None if unknown else False, seen or "none is critical")


def _redis(gate: Gate, labels: Mapping[str, str], sources: Sources) -> Evidence:
    """Look for memory that is nearly used up and a low hit ratio; any of them speaks for a flush."""
    if sources.redis is None:
        return Evidence(gate.name, None, "no Redis server is named")
    health, traffic = sources.redis()
    limits = [
        ("share of memory used", _share(health), float(gate.options.get("memory_share", 0.9)), True),
        ("hit ratio", traffic.get("hit_ratio"), float(gate.options.get("hit_ratio", 0.5)), False),
    ]
    known = [(name, float(value), limit, above) for name, value, limit, above in limits if value is not None]
    wrong = [each for each in known if (each[1] > each[2] if each[3] else each[1] < each[2])]
    seen = ", ".join(f"{name} {count(value)}" for name, value, _limit, _above in wrong or known)
    return Evidence(gate.name, bool(wrong) if known else None, seen or "the server tells nothing of it")


def _share(health: Mapping[str, t.Any]) -> float | None:
    used, most = health.get("used_memory"), health.get("maxmemory")
    return used / most if used is not None and most else None


def _pods(gate: Gate, labels: Mapping[str, str], sources: Sources) -> Evidence:
    """Look for what is critical in pods, as the API server tells it."""
    from .._debug.diagnosis import DiagnosisRequest, diagnose_all
    from .._debug.options import read_targets

    options = fill(gate.options, labels)
    namespace = str(options.get("namespace", labels.get("namespace", "")))
    targets = read_targets(options.get("targets", []))
    found = diagnose_all(sources.cluster(), DiagnosisRequest(namespace, ["kubernetes"]), targets)
    bad = [each for each in found if each.severity == CRITICAL]
    unknown = [each for each in found if each.severity == UNKNOWN or each.degraded]
    seen = "; ".join(f"{each.name}: {each.findings[0].what}" for each in (bad or unknown or found)[:_MOST_REASONS])
    return Evidence(gate.name, True if bad else None if unknown else False, seen)


_CHECKS: dict[str, t.Callable[[Gate, Mapping[str, str], Sources], Evidence]] = {
    "": _query,
    "certificates": _certificates,
    "redis": _redis,
    "pods": _pods,
}
