# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ends containers, and what those lack that run. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..._k8s.client import Object
from ..._k8s.objects import container_named
from ..._k8s.quantity import quantity
from ..._severity import CRITICAL, WARNING
from ..._time import ago, parse_time, span
from ..collector_output import Sections, cgroup, growth, is_cut, processes
from ..collector_output import disks as disks_of
from ..collector_output import open_files as open_files_of
from ..finding import Finding
from ..observed import Facts
from ..statuses import is_running, last_end
from .common import (
    as_evidence,
    container_states,
    event_time,
    events_of,
    exit_words,
    log_of_end,
    shorten,
    told_at_end,
    told_of_name,
    words_of_end,
)
from .ends import LOST, RECENT, End, ends, killer
from .logs import message_of
from .peers import why_silent

_KILLED, _FAULT, _NO_COMMAND, _NOT_EXECUTABLE, _ASKED = 137, 139, 127, 126, 143
# How the runtime tells of a container that ended with it.
_UNKNOWN, _UNKNOWN_CODE = "Unknown", 255
# Shares of a limit, of all periods, and of the time of the last minute in percent, from which on it is a finding.
# Seconds that are looked at least, the share of the limit by which memory grows in them, and seconds until its limit.
_LEAST_LOOK, _LEAST_GROWTH, _SOON = 2, 0.01, 1800.0
_CPU_LIMIT, _FULL_DISK, _OVERFULL_DISK, _MOST_ZOMBIES = 0.95, 0.95, 0.99, 10
# Cores within which a collector does not do its work in time beside a program that computes.
_LITTLE_CPU = 0.1
_NEAR_LIMIT, _MOST_THROTTLED, _MOST_FILES, _MOST_PRESSURE = 0.9, 0.25, 0.8, 10.0


def oom_killed(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for name, status, _init in container_states(facts):
        end = last_end(status)
        if end.get("reason") != "OOMKilled":
            continue
        limit = ((container_named(facts.pod, name).get("resources") or {}).get("limits") or {}).get("memory")
        finished = parse_time(end.get("finishedAt"))
        over = is_running(status) and finished and (facts.now - finished).total_seconds() > RECENT
        grown = _growth_of(facts, status)
        yield Finding(
            "oom_killed",
            WARNING if over else CRITICAL,
            f"container {name} exceeded its memory limit and was killed",
            f"OOMKilled {ago(finished, facts.now) if finished else ''}, exit code {end.get('exitCode')}, "
            f"{status.get('restartCount', 0)} restarts, limit {limit or 'that of its node'}{grown}",
            "find what it keeps without a bound (a leak, a cache), which its log tells of, before its limit is raised"
            if grown
            else "raise its memory limit, or find what takes the memory (compare the usage before the end)",
        )


def _growth_of(facts: Facts, status: Object) -> str:
    """Return the amounts that grew in the log of the run that has ended."""
    log = log_of_end(facts, status)
    grown = list(dict.fromkeys(map(str, (*log.growth, *log.trends)))) if log else []
    return f"; in its log {'; '.join(shorten(each, 120) for each in grown[:_MOST_GROWN])}" if grown else ""


_MOST_GROWN = 3
# An end and what the kubelet tells of it lie so near.
_NEAR_SECONDS = 120.0


def lost(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Containers of which the kubelet does not know how they ended."""
    for name, status, _init in container_states(facts):
        end = last_end(status)
        if end.get("reason") == LOST and not is_running(status) and not (facts.pod.get("status") or {}).get("reason"):
            yield Finding(
                "lost",
                CRITICAL,
                f"container {name} was lost with its node or its runtime, and nobody knows how it ended",
                shorten(end.get("message") or LOST),
                "look at the node at that time (restart, eviction, lack of memory or disk); delete the pod if its "
                "owner is to make another",
            )


def oom_killed_process(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    kills = cgroup(sections).oom_kills
    if kills:
        noun = "process" if kills == 1 else "processes"
        yield Finding(
            "oom_killed_process",
            WARNING,
            f"the kernel has killed {kills} {noun} of the container for exceeding its memory limit",
            f"memory.events: oom_kill {kills}",
            "raise its memory limit, or find what takes the memory",
        )


def ended(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Containers that have ended for good, or do so again and again, with no probe or hook that has killed them."""
    if (facts.pod.get("status") or {}).get("reason"):
        # The pod was ended as a whole, and the reason tells why.
        return
    for end in ends(facts):
        if killer(facts, end):
            continue
        words = words_of_end(facts, end.status)
        cause, line = told_at_end(facts, end.status, words)
        how = f"exit code {end.code}, {exit_words(end.code)}" if end.code else "exit code 0, though nothing failed"
        fate = "was restarted"
        if end.for_good or end.looping:
            fate = "has ended and is not started again" if end.for_good else "ends again and again"
        evidence = f"it ended{end.lived}, {ago(end.finished, facts.now)}; {end.restarts} restarts"
        evidence += as_evidence(words, log_of_end(facts, end.status))
        evidence += f"; before that: {shorten(line, 160)}" if line else ""
        evidence += _claims_of(facts, end.name) if cause and cause.kind == "disk_full" else ""
        evidence += _growth_of(facts, end.status) if end.code == _KILLED else ""
        why = f"it {cause.what}" if cause else shorten(message_of(words), 160)
        step = cause.step if cause else _step_of_end(end, not words and log_of_end(facts, end.status) is not None)
        if not cause and _ended_with_node(facts, end):
            why = "its node or the container runtime was restarted"
            step = "look at the node at that time (kubectl describe node, its uptime); the program need not be at fault"
        if cause and cause.kind == "unknown_name":
            unknown, step = told_of_name(facts, cause)
            why += unknown
        silent = why_silent(facts, end.name, cause.peer) if cause and cause.kind in ("refused", "timeout") else None
        if silent:
            why, step = f"{why}; it calls {silent[0]}", silent[2]
            evidence += f"; {silent[1]}"
        yield Finding(
            "ended" if end.for_good else "crash_loop" if end.looping else "restarted",
            CRITICAL if end.for_good or end.looping else WARNING,
            f"container {end.name} {fate}: {f'{why} ({how})' if why else how}",
            evidence + _why_killed(facts, end),
            step,
        )


def outlived(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """A Job whose program has ended well, and that does not complete because another container runs on."""
    if not any(each["kind"] == "Job" for each in facts.owners):
        return
    all_states = [(name, status) for name, status, is_init in container_states(facts) if not is_init]
    sidecars = {each["name"] for each in facts.pod["spec"].get("initContainers") or []}
    done = [(name, last_end(status)) for name, status in all_states if "terminated" in (status.get("state") or {})]
    left = [name for name, status in all_states if is_running(status) and name not in sidecars]
    times = [parse_time(end.get("finishedAt")) for _name, end in done]
    last = max(filter(None, times), default=None)
    if not left or last is None or any(end.get("exitCode") for _name, end in done):
        return
    late = (facts.now - last).total_seconds()
    if late > _OUTLIVED_SECONDS:
        yield Finding(
            "outlived",
            WARNING,
            f"container {done[0][0]} has ended well, and {', '.join(left)} runs on: the Job does not complete",
            f"it ended {ago(last, facts.now)}",
            f"make {left[0]} a sidecar (an init container with restartPolicy Always), which ends with the others, "
            f"or let "
            "it end when the work is done",
        )


_OUTLIVED_SECONDS = 20.0


def _claims_of(facts: Facts, name: str) -> str:
    """Return the claims that a container mounts, with their sizes."""
    mounted = {each["name"] for each in container_named(facts.pod, name).get("volumeMounts") or []}
    sizes = {
        each["metadata"]["name"]: ((each.get("status") or {}).get("capacity") or {}).get("storage")
        or ((each["spec"].get("resources") or {}).get("requests") or {}).get("storage", "no size")
        for each in facts.claims or []
    }
    names = [
        (volume.get("persistentVolumeClaim") or {}).get("claimName")
        for volume in facts.pod["spec"].get("volumes") or []
        if volume["name"] in mounted
    ]
    found = ", ".join(f"{each} ({sizes.get(each, 'missing')})" for each in names if each)
    return f"; its claims: {found}" if found else ""


def _step_of_end(end: End, silent: bool) -> str:
    if not end.code and silent:
        return (
            "a container of this kind of workload has to keep running, and this one says nothing: look at its command "
            "and arguments, or at the entrypoint of its image"
        )
    if not end.code:
        return "a container of this kind of workload has to keep running: correct its command"
    if end.code == _KILLED:
        return (
            "find out who killed it: its own processes, the kernel for memory of the node (kubectl describe node), "
            "or the kubelet because it did not end within terminationGracePeriodSeconds"
        )
    if end.code == _NO_COMMAND:
        return (
            "correct the command of the container or what its script calls: a program is not in the image or not in "
            "$PATH; "
            "a binary may be built for another libc (Alpine has musl)"
        )
    if end.code == _NOT_EXECUTABLE:
        return "make what its command or its script starts executable (chmod +x; of a ConfigMap: defaultMode 0755)"
    if end.code == _ASKED:
        return (
            "find out who asks it to end: the kubelet (its probes, its events), an operator, or what it runs below; a "
            "program may also end itself so"
        )
    if end.code == _FAULT:
        return "look at the log of that run, at native libraries and at the image's architecture: it is a memory fault"
    if silent:
        return (
            "its log tells nothing of why: look at its command, arguments and settings, and run it by hand in a copy "
            "of the pod (kubectl debug --copy-to with a shell as command)"
        )
    return "read the log of that run, and what changed before it"


def _ended_with_node(facts: Facts, end: End) -> bool:
    """Tell whether a container ended because its node or the runtime was restarted, as far as these tell."""
    if end.code == _UNKNOWN_CODE and last_end(end.status).get("reason") == _UNKNOWN:
        return True
    renewed = events_of(facts, "SandboxChanged")
    when = event_time(renewed[-1]) if renewed else None
    near = when is not None and abs((end.finished - when).total_seconds()) < _NEAR_SECONDS
    return near and end.code in (_KILLED, _ASKED, _UNKNOWN_CODE)


def _why_killed(facts: Facts, end: End) -> str:
    """Return what the node says of processes that its kernel has killed."""
    if end.code != _KILLED or not facts.node:
        return ""
    kills = [each for each in facts.events or [] if each.get("reason") in ("OOMKilling", "SystemOOM")]
    return f"; its node: {shorten(kills[-1].get('message', ''), 200)}" if kills else ""


def memory_near_limit(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    usage = {each["name"]: each["usage"] for each in (facts.metrics or {}).get("containers") or []}
    for container in facts.pod["spec"]["containers"]:
        limits = (container.get("resources") or {}).get("limits") or {}
        used = quantity(usage.get(container["name"], {}).get("memory"))
        limit = quantity(limits.get("memory"))
        if used and limit:
            yield from _near_limit(f"container {container['name']}", used, limit, "")


def memory_grows(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    """Memory that was growing while the collector looked, and will be at its limit soon."""
    figures, grown = cgroup(sections), growth(sections)
    if not figures.memory or not figures.memory_limit or not grown:
        return
    rate, seconds = grown
    left = figures.memory_limit - figures.memory
    if seconds < _LEAST_LOOK or rate * seconds < _LEAST_GROWTH * figures.memory_limit or left / rate > _SOON:
        return
    yield Finding(
        "memory_grows",
        WARNING,
        f"the memory of the container grows by {rate / 2**20:.1f} MiB a second, and is at its limit in "
        f"{span(left / rate)}",
        f"{figures.memory / 2**20:.0f} of {figures.memory_limit / 2**20:.0f} MiB, measured for {seconds} s (its "
        f"cgroup)",
        "find what takes the memory (a leak, a cache without a bound) before the kernel kills it",
    )


def memory_near_cgroup_limit(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    figures = cgroup(sections)
    if figures.memory and figures.memory_limit:
        yield from _near_limit("the container", figures.memory, figures.memory_limit, " (its cgroup)")


def _near_limit(what: str, used: float, limit: float, source: str) -> Iterator[Finding]:
    if used / limit > _NEAR_LIMIT:
        yield Finding(
            "memory_near_limit",
            WARNING,
            f"{what} uses {used / limit:.0%} of the memory it may have",
            f"{used / 2**20:.0f} of {limit / 2**20:.0f} MiB{source}",
            "raise the limit before the kernel kills it",
        )


def cpu_near_limit(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    usage = {each["name"]: each["usage"] for each in (facts.metrics or {}).get("containers") or []}
    for container in facts.pod["spec"]["containers"]:
        limit = quantity(((container.get("resources") or {}).get("limits") or {}).get("cpu"))
        used = quantity(usage.get(container["name"], {}).get("cpu"))
        if limit and used / limit > _CPU_LIMIT:
            yield Finding(
                "cpu_near_limit",
                WARNING,
                f"container {container['name']} uses {used / limit:.0%} of the CPU it may have",
                f"{used * 1000:.0f} of {limit * 1000:.0f} millicores, as metrics-server says",
                "raise or remove its CPU limit, or find what it computes",
            )


def disks(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    for path, used, size in disks_of(sections):
        if not size or used / size < _FULL_DISK:
            continue
        where = "the disk of its node, which holds / of the container," if path == "/" else f"the volume at {path}"
        yield Finding(
            "disk_full",
            CRITICAL if used / size > _OVERFULL_DISK else WARNING,
            f"{where} is {used / size:.0%} full",
            f"{used / 2**20:.1f} of {size / 2**20:.1f} GiB (df)",
            "free the disk of the node (images, logs)" if path == "/" else "free the volume, or enlarge its claim",
        )


def zombies(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    found = processes(sections)
    dead = [each for each in found if each["state"].startswith("Z")]
    if len(dead) <= _MOST_ZOMBIES:
        return
    parents = Counter(each["parent"] for each in dead)
    parent, number = parents.most_common(1)[0]
    command = next((each["command"] for each in found if each["pid"] == parent), "")
    yield Finding(
        "zombies",
        WARNING,
        f"{len(dead)} processes have ended and are not waited for (zombies)",
        f"{number} of them are children of process {parent}{f' ({shorten(command, 100)})' if command else ''}",
        "let the program wait for its children, or start it below an init (tini, shareProcessNamespace)",
    )


def throttled(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    share = cgroup(sections).throttled
    if share and share > _MOST_THROTTLED:
        yield Finding(
            "throttled",
            WARNING,
            f"the container had to wait for its CPU limit in {share:.0%} of all periods",
            "cpu.stat: nr_throttled / nr_periods",
            "raise or remove its CPU limit",
        )


def starved(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """A pod whose CPU limit is so low that the inspection beside it did not get to its end."""
    limits = [
        ((each.get("resources") or {}).get("limits") or {}).get("cpu") for each in facts.pod["spec"]["containers"]
    ]
    if not is_cut(sections) or not all(limits) or cgroup(sections).throttled:
        return
    total = sum(map(quantity, limits))
    if total <= _LITTLE_CPU:
        yield Finding(
            "throttled",
            WARNING,
            f"the pod is throttled: with {total * 1000:.0f} millicores, not even the inspection got to its end",
            f"CPU limits: {' + '.join(map(str, limits))}; the collector runs within them",
            "raise or remove its CPU limit, or find what it computes",
        )


def pressure(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    figures = cgroup(sections)
    for value, what in (
        (figures.memory_pressure, "memory"),
        (figures.cpu_pressure, "the CPU"),
        (figures.io_pressure, "disks"),
    ):
        if value and value > _MOST_PRESSURE:
            yield Finding(
                "pressure",
                WARNING,
                f"its processes wait for {what} {value:.0f} % of the time",
                "average of the last minute",
                "give it more, or move it to a node that has more",
            )


def open_files(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    files = open_files_of(sections)
    if files and files[0] > _MOST_FILES * files[1]:
        yield Finding(
            "open_files",
            WARNING,
            f"the process has {files[0]} of {files[1]} files open",
            "/proc/PID/fd and limits",
            "look for connections or files that are never closed",
        )
