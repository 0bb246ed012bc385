# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules share: states of containers, events, last words of a log, exit codes. PRIVATE to the collection."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from datetime import datetime

from ..._k8s.client import Object
from ..._k8s.objects import containers
from ..._time import parse_time
from ..causes import Told, told_by
from ..collector_output import Sections
from ..dependencies import service_of
from ..finding import Finding
from ..logs import WARN, Log, last_words, level_of, looks_bad
from ..observed import Facts
from ..statuses import NOT_STARTED, container_statuses, last_end

CANNOT_RUN = ("RunContainerError", *NOT_STARTED)
_CODES = {
    1: "an error of the program",
    126: "the command is not executable",
    127: "the command is not found",
    134: "SIGABRT, the program gave up (assertion, abort)",
    135: "SIGBUS",
    136: "SIGFPE",
    137: "SIGKILL, killed from outside",
    139: "SIGSEGV, a memory fault",
    141: "SIGPIPE",
    143: "SIGTERM, it was asked to end",
}
# Yields what it finds, from what the API server knows and from what was collected inside the pod.
Rule = Callable[[Facts, Sections], Iterator[Finding]]


def exit_words(code: int) -> str:
    """Return what an exit code means."""
    return _CODES.get(code) or (f"signal {code - 128}" if 128 < code < 160 else "an error of the program")


def container_states(facts: Facts) -> Iterator[tuple[str, Object, bool]]:
    """Yield each container's name and status, and whether it is an init container."""
    all_init = facts.pod["spec"].get("initContainers") or []
    # One that is always restarted is a sidecar, and runs beside the others.
    init = {each["name"] for each in all_init if each.get("restartPolicy") != "Always"}
    for each in container_statuses(facts.pod):
        yield each["name"], each, each["name"] in init


def event_time(event: Object) -> datetime | None:
    """Return when an event was seen last."""
    series = event.get("series") or {}
    candidates = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next(filter(None, map(parse_time, candidates)), parse_time(event["metadata"].get("creationTimestamp")))


def event_count(event: Object) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def events_about(facts: Facts, uid: str, *reasons: str) -> list[Object]:
    """Return the events of an object for one of the reasons, the latest last."""
    found = [each for each in facts.events or [] if not reasons or each.get("reason") in reasons]
    ours = [each for each in found if (each.get("involvedObject") or {}).get("uid") == uid]
    return sorted(ours, key=lambda each: when.timestamp() if (when := event_time(each)) else 0.0)


def events_of(facts: Facts, *reasons: str, container: str = "") -> list[Object]:
    """Return the events of the pod, or of one container of it, the latest last."""
    found = events_about(facts, facts.pod["metadata"]["uid"], *reasons)
    return [each for each in found if not container or _is_about(facts, each, container)]


def _is_about(facts: Facts, event: Object, container: str) -> bool:
    """Tell whether an event is about a container: it says so by its field, or in words, or there is no other."""
    path = (event.get("involvedObject") or {}).get("fieldPath") or ""
    if path:
        return bool(path.endswith(f"{{{container}}}"))
    named = re.search(r"[Cc]ontainer \"?([a-z0-9-]+)", str(event.get("message") or ""))
    if named and any(each["name"] == named[1] for each in containers(facts.pod)):
        return named[1] == container
    return len(containers(facts.pod)) == 1


def last_message(events: list[Object]) -> str:
    return shorten(events[-1].get("message", "")) if events else ""


def condition(owner: Object, kind: str) -> Object:
    """Return the condition of a type, nothing if there is none."""
    conditions = (owner.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), {})


def shorten(text: str, limit: int = 300) -> str:
    """Return a text in one line; of a long one the beginning and the end, where messages have their cause."""
    text = " ".join(text.split())
    end = limit // 2
    return text if len(text) <= limit else f"{text[: limit - end - 1]}…{text[-end:]}"


def log_of_end(facts: Facts, status: Object) -> Log | None:
    """Return the log of the run that has ended last, None if it was not read."""
    name, state = status["name"], status.get("state") or {}
    if "terminated" in state:
        return facts.logs.get((name, False))
    before = facts.logs.get((name, True))
    if "running" in state or (before and before.lines):
        return before
    # While it waits, there is only one run that has ended, and the kubelet may have either log of it.
    return facts.logs.get((name, False)) or before


def words_of_end(facts: Facts, status: Object) -> str:
    """Return what a container said of its end, in its log or in its termination message; empty if nothing."""
    log, message = log_of_end(facts, status), (last_end(status).get("message") or "").strip()
    return (log.words if log else "") or (last_words(message.split("\n")) if message else "")


def as_evidence(words: str, log: Log | None) -> str:
    """Return what a program said, or that it said nothing, to be appended to other evidence."""
    if words:
        return f"; it said: {shorten(words, 240)}"
    return "; its log is empty" if log and not log.lines else ""


_PLACE = re.compile(r"host:? ?[\"'=]?([\w.-]+)[\"']?,? port:? ?[\"'=]?(\d{1,5})", re.IGNORECASE)
# As PostgreSQL's clients ask in two lines.
_PLACE_OF_TWO = re.compile(r"host \"([^\"]+)\"[^\"]{0,60}?accepting\s+TCP/IP connections on port (\d{1,5})")
_OF_WARNINGS = ("unknown_name", "refused", "authentication", "disk_full", "file_missing", "setting_missing", "tls")
# A cause is told among so many of the last lines.
_LAST_LINES = 20


def told_at_end(facts: Facts, status: Object, words: str) -> tuple[Told | None, str]:
    """Return the cause of an end, and the line that tells it, which may be one before the last words."""
    log = log_of_end(facts, status)
    last = log.tail[-_LAST_LINES:] if log else ()
    cause, line = told_by(words) if words else None, ""
    if cause is None:
        # What others tell after it may come from it.
        bad = [each for each in last if looks_bad(each)]
        rest = [each for each in last if each not in bad and not level_of(each)]
        line, cause = next(((each, one) for each in (*bad, *rest) if (one := told_by(each))), ("", None))
        if cause is None:
            # Many a program only warns of what it cannot do without.
            warnings = [each for each in last if level_of(each) == WARN]
            told = ((each, one) for each in reversed(warnings) if (one := told_by(each)) and one.kind in _OF_WARNINGS)
            line, cause = next(told, ("", None))
    place = next(filter(None, map(_PLACE.search, reversed(last))), None) or _PLACE_OF_TWO.search(" ".join(last))
    if cause and cause.kind == "refused" and ":" not in cause.peer and place:
        cause = told_by(f"connect to {place[1]}:{place[2]} refused")
        line = line or place[0]
    return cause, line


def told(words: str) -> Told | None:
    return told_by(words) if words else None


_CLOSE = 0.6


def asks_cluster(facts: Facts) -> bool:
    """Tell whether the pod asks the name servers of the cluster."""
    spec = facts.pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    return policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))


def why_unknown(facts: Facts, name: str) -> tuple[str, str]:
    """Return why a name is unknown to the pod, as far as the API server knows, and what to do; both may be empty."""
    place = service_of(name, facts.namespace)
    if place is None:
        return "", ""
    services = {each["metadata"]["name"]: each for each in facts.services or []}
    there = services.get(place[1]) if place[0] == facts.namespace else facts.others.get(place)
    outside = (there or {}).get("spec", {}).get("externalName")
    if outside:
        return (
            f"the Service {place[1]} is another name of {outside} (ExternalName)",
            f"correct externalName of the Service {place[1]}, if {outside} is no name that the cluster's DNS knows",
        )
    if (there or "." in name) and not asks_cluster(facts):
        policy = facts.pod["spec"].get("dnsPolicy") or "ClusterFirst"
        asked = "has name servers of its own" if policy == "None" else "asks the name servers of its node"
        network = " and hostNetwork" if facts.pod["spec"].get("hostNetwork") else ""
        return (
            f"the pod {asked} (dnsPolicy {policy}{network}), which know no Service",
            f"set dnsPolicy to ClusterFirst{'WithHostNet' if network else ''}",
        )
    spaces = facts.namesakes.get(place[1], [])
    if not there and spaces:
        return (
            f"a Service of that name is in the namespace {' and in '.join(spaces[:_MOST_SPACES])}",
            f"call it by {place[1]}.{spaces[0]}, if that is meant",
        )
    close = _closest_service(place[1], list(services))
    return "", f"correct the name to {close} if that Service is meant" if close else ""


_MOST_SPACES = 3


def _closest_service(name: str, services: list[str]) -> str:
    if name in services:
        return ""
    if close := difflib.get_close_matches(name, services, 1, _CLOSE):
        return close[0]
    # Names of one thing often begin alike.
    begin = name.partition("-")[0]
    alike = [each for each in services if each.partition("-")[0] == begin]
    return alike[0] if len(alike) == 1 else ""


def told_of_name(facts: Facts, cause: Told) -> tuple[str, str]:
    """Return what an unknown name is about, to go on after that it cannot be resolved, and what to do."""
    why, step = why_unknown(facts, cause.peer) if cause.peer else ("", "")
    return (f"; {why}" if why else ""), (f"{step}; else {cause.step}" if step else cause.step)
