# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What running containers complain of in their logs. PRIVATE to the collection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from ..._k8s.client import Object
from ..._k8s.objects import is_ready
from ..._severity import INFO, WARNING
from ..._time import ago, clock, parse_time
from ..causes import WORDS, Told, place_of, told_by
from ..collector_output import Sections
from ..finding import Finding
from ..logs import Group, Log
from ..observed import Facts
from ..statuses import is_running
from .common import container_states, shorten
from .peers import why_silent

# Names that cannot be resolved are judged with what was looked up from inside.
_ELSEWHERE = ("unknown_name",)
_MOST_FINDINGS, _MOST_TRENDS, _MOST_EXAMPLES = 5, 3, 3
# What a program complains of in its first minute, and then no more, was a start beside others.
_START_SECONDS, _CALM_SECONDS = 60.0, 120.0
_RECENT = 600.0
# Errors that begin within so many seconds are of one series.
_SERIES_SECONDS = 120.0
# The clock of a program is told where it differs by more.
_OWN_CLOCK_SECONDS = 120.0
_SHARE_TIMES, _LEAST_SHARE = 5.0, 0.05
# Answers of a server are trouble from so many on, or from this share of its lines.
_LEAST_ANSWERS, _SHARE_OF_ANSWERS = 5, 0.05


def complaints(facts: Facts, name: str) -> list[tuple[Group, Told | None]]:
    """Return what the log of a container has of errors, and which cause each tells, the most telling first."""
    log = facts.logs.get((name, False)) or Log()
    found = [(each, _cause(each)) for each in log.groups if each.bad and _counts(each, log)]
    # What a program answers comes from what it says itself of its trouble.
    found.sort(key=lambda pair: (pair[1] is None, pair[0].level != "fatal", pair[0].access, -pair[0].count))
    return sorted(found, key=lambda pair: not _begins(pair, found))


def _begins(pair: tuple[Group, Told | None], all_pairs: list[tuple[Group, Told | None]]) -> bool:
    """Tell whether a complaint is the first of a series: what others complain of soon after may come from it."""
    (group, cause), leader = pair, all_pairs[0][0]
    first = min(each.place for each, _told in all_pairs)
    if not cause or group.access or leader.level == "fatal" or group.place != first:
        return False
    begin, then = (group.own_first, leader.own_first) if leader.own_first else (group.first, leader.first)
    return begin is not None and then is not None and (then - begin).total_seconds() < _SERIES_SECONDS


def _cause(group: Group) -> Told | None:
    """Return what a group tells; an access log tells what the program itself answers."""
    answered = next(filter(None, (each.search(group.example) for each in _ANSWERED)), None)
    told = told_by(group.example) if not answered or not group.access else None
    if not answered or (told and told.kind not in _OF_STATUS):
        return told
    status = answered["status"]
    if not any(re.fullmatch(statuses, status) for statuses, _step in _STEPS_OF_ANSWERS):
        return told
    step = next(step for statuses, step in _STEPS_OF_ANSWERS if re.fullmatch(statuses, status))
    return Told(f"answers_{status}", f"answers requests with status {status}", step)


# Lines of requests that a program has answered: what was asked for, and the status.
_ANSWERED = (
    re.compile(r"HTTP/\d(?:\.\d)?\\?\"\s+(?P<status>\d{3})\b"),
    re.compile(
        r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD) /\S*[^\n]{0,60}?\b(?:status|code)\W{1,3}(?P<status>\d{3})\b",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?=.*\"method\")(?=.*\"(?:path|uri|endpoint|route)\"\s*:\s*\"/).*\"status(?:_?code)?\"\s*:\s*\"?(?P<status>\d{3})\b",
        re.IGNORECASE,
    ),
)
# Causes that may be found at the Service of the other side.
OF_PEERS = ("refused", "timeout", "connection_lost", "peer_failing", "waits")
# Causes that a status alone tells, of whichever side.
_OF_STATUS = ("rate_limited", "authentication", "forbidden", "peer_failing")
_STEPS_OF_ANSWERS = (
    ("40[13]", "find out which credentials or rights its callers lack, and since when"),
    ("429", "find out which caller asks so often, or raise the limit of the program"),
    (r"5\d\d", "read what stands around it in the log, and look at what the program itself calls"),
)


def _counts(group: Group, log: Log) -> bool:
    return (
        bool(group.level)
        or not group.access
        or group.count >= max(_LEAST_ANSWERS, min(_SHARE_OF_ANSWERS * log.lines, 100))
    )


def recent_cause(facts: Facts, name: str) -> tuple[Told, Group] | None:
    """Return the cause that the log of a container tells, if it did so lately."""
    for group, cause in complaints(facts, name):
        if cause and (group.last is None or (facts.now - group.last).total_seconds() < _RECENT):
            return cause, group
    log = facts.logs.get((name, False)) or Log()
    if log.waits and (log.until is None or (facts.now - log.until).total_seconds() < _RECENT):
        return told_of_wait(log), Group("", 1, log.until, log.until, log.waits)
    return None


def told_of_wait(log: Log) -> Told:
    """Return what a log whose last lines only wait tells as its cause."""
    peer = place_of(log.waits)
    return Told(
        "waits",
        f"waits for {peer}" if peer else f"waits: {shorten(log.waits, 120)}",
        "check whether what it waits for runs and can be reached from this pod (its name, its Service, "
        "NetworkPolicies)",
        peer,
    )


def waits(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Programs whose last lines tell only what they wait for."""
    for name, status, is_init in container_states(facts):
        log = facts.logs.get((name, False)) or Log()
        if is_init or not is_running(status) or not log.waits:
            continue
        cause = told_of_wait(log)
        silent = why_silent(facts, name, cause.peer)
        yield Finding(
            "log_waits",
            WARNING,
            f"container {name} {cause.what}, as the last lines of its log say"
            + (f"; it calls {silent[0]}" if silent else ""),
            shorten(log.waits) + (f"; {silent[1]}" if silent else ""),
            silent[2] if silent else cause.step,
        )


def errors(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Errors whose lines tell their cause."""
    return _errors(facts, caused=True)


def other_errors(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    return _errors(facts, caused=False)


def _errors(facts: Facts, *, caused: bool) -> Iterator[Finding]:
    for name, status, is_init in container_states(facts):
        if is_init or not is_running(status):
            continue
        seen: dict[str, list[Group]] = {}
        causes: dict[str, Told | None] = {}
        for group, cause in complaints(facts, name):
            kind = cause.kind if cause else group.example
            if kind not in _ELSEWHERE and (cause is not None) is caused:
                seen.setdefault(kind, []).append(group)
                known = causes.get(kind)
                if known is None or (cause and cause.peer and not known.peer):
                    causes[kind] = cause
        log = facts.logs.get((name, False)) or Log()
        for kind, groups in list(seen.items())[:_MOST_FINDINGS]:
            yield _complaint(facts, name, status, log, groups, causes[kind])


def _complaint(facts: Facts, name: str, status: Object, log: Log, groups: list[Group], cause: Told | None) -> Finding:
    count, example = sum(each.count for each in groups), groups[0].example
    firsts = [each.first for each in groups if each.first]
    lasts = [each.last for each in groups if each.last]
    times = "once" if count == 1 else f"{count:,} times"
    errors = "an error" if count == 1 else f"errors ({times})"
    what = f"container {name} logs {errors}: {shorten(message_of(example), 160)}"
    if cause:
        what = f"container {name} {cause.what}, as its log says {times}"
    if groups[0].shared and groups[0].count == count:
        what += f", all of them with {' and '.join(groups[0].shared[:2])}"
    elif cause and cause.kind == "timeout" and log.trends:
        what += f", while {log.trends[0]}"
    when = ""
    if firsts and lasts:
        when = (
            f"; {ago(lasts[0], facts.now)}"
            if count == 1
            else (f"; first {ago(min(firsts), facts.now)}, last {ago(max(lasts), facts.now)}")
        )
    over = is_ready(facts.pod) and bool(lasts) and _of_its_start(status, log, max(lasts), facts.now)
    read = f"; {'all' if log.whole else 'the last'} {log.lines:,} lines were read"
    since = f", since {clock(log.since)}" if log.since and not log.whole else ""
    step = cause.step if cause else "read what stands around it in the log, and what changed before the first of them"
    if log.changes and any(each.example == log.first_bad for each in groups):
        step = f"look first at what changed just before: {shorten(' | '.join(log.changes), 240)}; then {step}"
    others = "".join(f"; also: {shorten(each.example, 160)}" for each in groups[1:_MOST_EXAMPLES])
    silent = why_silent(facts, name, cause.peer) if cause and cause.kind in OF_PEERS else None
    if silent:
        what, step = f"{what}; it calls {silent[0]}", silent[2]
        others += f"; {silent[1]}"
    around = others + _own_clock(groups) + _course(log)
    if log.first_bad and count > 1 and all(each.example != log.first_bad for each in groups):
        around += f"; the first error of all: {shorten(log.first_bad, 160)}"
    return Finding(
        f"log_{cause.kind}" if cause else "log_errors",
        INFO if over else WARNING,
        what,
        f"{shorten(example)}{when}{'; only while it started' if over else ''}{around}{read}{since}",
        step,
    )


def message_of(example: str) -> str:
    """Return what a line in JSON says in words, another line as it is."""
    parts = list(dict.fromkeys(each[1] for each in WORDS.finditer(example))) if example.startswith("{") else []
    return ": ".join(parts) or example


def _own_clock(groups: list[Group]) -> str:
    """Return from when to when errors were, as the program says it, where the runtime saw other times."""
    firsts = [each.own_first for each in groups if each.own_first]
    lasts = [each.own_last for each in groups if each.own_last]
    seen = [each.first for each in groups if each.first]
    if not firsts or not lasts or not seen:
        return ""
    begin, end = min(firsts), max(lasts)
    if abs((min(seen) - begin).total_seconds()) < _OWN_CLOCK_SECONDS:
        return ""
    when = f"{begin:%Y-%m-%d %H:%M:%S}"
    return f"; by its own clock {f'at {when}' if begin == end else f'from {when} to {end:%Y-%m-%d %H:%M:%S}'}"


def _course(log: Log) -> str:
    """Return how the share of errors and the figures of the log have changed."""
    begin, end = log.shares
    parts = []
    if end >= _LEAST_SHARE and end >= _SHARE_TIMES * begin:
        parts.append(f"errors are {begin:.1%} of its first lines and {end:.1%} of its last")
    parts += map(str, log.trends[:_MOST_TRENDS])
    return "".join(f"; {each}" for each in parts)


def _of_its_start(status: Object, log: Log, last: datetime, now: datetime) -> bool:
    """Tell whether it complained while it started only; one that is silent since then need not be well."""
    started = parse_time((status["state"]["running"] or {}).get("startedAt"))
    calm = log.until is not None and (log.until - last).total_seconds() > _START_SECONDS
    return (calm or log.recovered) and (
        started is not None
        and (last - started).total_seconds() < _START_SECONDS
        and (now - last).total_seconds() > _CALM_SECONDS
    )


def more_warnings(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, status, is_init in container_states(facts):
        log = facts.logs.get((name, False)) or Log()
        warnings = [each for each in log.groups if not each.bad]
        if is_init or not is_running(status) or not log.rise or not warnings:
            continue
        yield Finding(
            "log_warnings",
            WARNING,
            f"container {name} warns more often since: {shorten(message_of(log.rise), 160)}"
            + (f"; {log.trends[0]}" if log.trends else ""),
            f"{sum(each.count for each in warnings):,} warnings; most of them: {shorten(warnings[0].example)}"
            + _course(log),
            "find out what changed at that time, such as its configuration, and undo it if the warnings tell of it",
        )


def slow(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Calls that take long, as lines without trouble tell."""
    for name, status, is_init in container_states(facts):
        log = facts.logs.get((name, False)) or Log()
        if is_init or not is_running(status) or not log.slow:
            continue
        first = log.slow[0]
        others = "".join(f"; also {each.seconds:.1f} s: {shorten(message_of(each.what), 120)}" for each in log.slow[1:])
        yield Finding(
            "log_slow",
            # Some requests are meant to take long, and nobody but the program knows which.
            WARNING if first.of_others else INFO,
            f"container {name} is slow: a call that its log tells of takes {first.seconds:.1f} s "
            f"({shorten(message_of(first.what), 120)})",
            f"half of {first.times:,} such lines tell so much or more{others}",
            "find out why this call takes so long at the side that answers it (its load, slow queries, locks), before "
            "the pods are scaled",
        )
