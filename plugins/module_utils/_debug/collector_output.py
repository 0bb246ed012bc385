# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collector's sections mean: connections, names, processes, limits. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .._errors import RunbookError
from .._tls.certificate import Certificate, parse_chain

Sections = Mapping[str, Sequence[str]]

# What a tool's exit code says when it is not there, when it took too long, and when it did not even end then.
MISSING, TOO_LONG, KILLED = 127, 124, 137
NO_SUCH_NAME = "NXDOMAIN"
NO_ANSWER, TOO_LATE = "no name server answers", "no answer within 6 s"
_NO_LIMIT = 1 << 60
_STARVED = 0.5
_PROCESS = re.compile(r"\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s(.*)")
_USERS = re.compile(r'\(\("([^"]*)",pid=(\d+)')
_PING = re.compile(r"(\d+) (?:packets )?received.*?([\d.]+)% packet loss")
_ROUND_TRIP = re.compile(r"= [\d.]+/([\d.]+)/")


@dataclass(frozen=True)
class Outcome:
    """How one probe of something ended; ``milliseconds`` is None where it is not known."""

    name: str
    ok: bool | None
    says: str
    milliseconds: float | None = None


def exit_code(lines: Sequence[str]) -> int | None:
    """Return the exit code that the last line tells, None if the probe did not come to its end."""
    last = lines[-1] if lines else ""
    return int(last[1:]) if re.fullmatch(r"=\d+", last) else None


def words(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if not re.fullmatch(r"=\d+", line)]


def _by_prefix(sections: Sections, prefix: str) -> Iterator[tuple[str, Sequence[str]]]:
    return ((name[len(prefix) :], lines) for name, lines in sections.items() if name.startswith(prefix))


def connections(sections: Sections) -> list[dict[str, t.Any]]:
    """Return the TCP sockets of the pod's network, listeners first."""
    found = []
    for line in words(sections.get("sockets", ())):
        fields = line.split(None, 5)
        if len(fields) < 5 or not fields[1].isdigit():
            continue
        owner = _USERS.search(fields[5] if len(fields) > 5 else "")
        found.append(
            {
                "state": fields[0],
                "local": fields[3],
                "peer": fields[4],
                "receive_queue": int(fields[1]),
                "send_queue": int(fields[2]),
                "process": f"{owner[1]} ({owner[2]})" if owner else "",
            }
        )
    return sorted(found, key=lambda each: (each["state"] != "LISTEN", each["state"], each["local"]))


def listeners(sections: Sections) -> dict[int, set[str]]:
    """Return the TCP ports that are listened on, each with its addresses."""
    found: dict[int, set[str]] = {}
    for each in connections(sections):
        address, _colon, port = each["local"].rpartition(":")
        if each["state"] == "LISTEN" and port.isdigit():
            found.setdefault(int(port), set()).add(address)
    return found


def states(sections: Sections) -> Counter[str]:
    return Counter(each["state"] for each in connections(sections))


def processes(sections: Sections) -> list[dict[str, t.Any]]:
    """Return the processes that are seen, without the collector's own."""
    rows = []
    for line in words(sections.get("processes", ())):
        found = _PROCESS.fullmatch(line)
        if found:
            pid, parent, user, state, threads, rss, seconds, command = found.groups()
            rows.append((int(pid), int(parent), user, state, int(threads), int(rss), int(seconds), command))
    begin = " ".join(sections.get("begin", ())).split()
    own = {int(begin[0])} if begin and begin[0].isdigit() else set()
    # Its parent, unless the whole container is a part of the pod's first process.
    own |= {row[1] for row in rows if row[0] in own and row[7].startswith("timeout ")}
    own |= {row[0] for row in rows if row[0] in own or row[7].startswith("timeout -k 5 ")}
    while True:
        more = {row[0] for row in rows if row[1] in own} - own
        if not more:
            break
        own |= more
    return [
        {
            "pid": pid,
            "parent": parent,
            "user": user,
            "state": state,
            "threads": threads,
            "rss_bytes": rss * 1024,
            "running_seconds": seconds,
            "command": command[:300],
        }
        for pid, parent, user, state, threads, rss, seconds, command in rows
        if pid not in own
    ]


def names(sections: Sections) -> list[Outcome]:
    """Return how the names of the pod's dependencies resolve, as the pod asks."""
    found = []
    for name, lines in _by_prefix(sections, "dns:"):
        text, code = "\n".join(lines), exit_code(lines)
        status = re.search(r"status: (\w+)", text)
        took = re.search(r"Query time: (\d+) msec", text)
        answers = [line.split()[-1] for line in lines if re.search(r"\sIN\s+(A|AAAA)\s", line)]
        milliseconds = float(took[1]) if took else None
        if code == MISSING:
            found.append(Outcome(name, None, "the image has no dig"))
        elif answers:
            found.append(Outcome(name, True, ", ".join(answers), milliseconds))
        elif status and status[1] == "NOERROR":
            found.append(Outcome(name, None, "the name has no address", milliseconds))
        elif status and status[1] == NO_SUCH_NAME:
            found.append(Outcome(name, False, f"there is no such name ({NO_SUCH_NAME})", milliseconds))
        elif status:
            found.append(Outcome(name, False, f"the name server answers {status[1]}", milliseconds))
        else:
            # Where our own time ran out, nothing is known of the name servers.
            found.append(Outcome(name, None if code in (TOO_LONG, KILLED, None) else False, NO_ANSWER))
    return found


def ports(sections: Sections) -> list[Outcome]:
    """Return whether the pod's dependencies take a connection."""
    found = []
    for name, lines in _by_prefix(sections, "tcp:"):
        code = exit_code(lines)
        message = " ".join(words(lines))
        if code == 0:
            found.append(Outcome(name, True, "connected"))
        elif code == MISSING:
            found.append(Outcome(name, None, "the image has no socat"))
        elif code == TOO_LONG or code is None:
            found.append(Outcome(name, False, TOO_LATE))
        else:
            found.append(Outcome(name, False, message.rpartition(": ")[2] or f"exit code {code}"))
    return found


def pings(sections: Sections) -> list[Outcome]:
    found = []
    for name, lines in _by_prefix(sections, "ping:"):
        text = "\n".join(lines)
        counted, trip = _PING.search(text), _ROUND_TRIP.search(text)
        if counted:
            lost = float(counted[2])
            milliseconds = float(trip[1]) if trip else None
            found.append(Outcome(name, lost < 100, f"{lost:g} % lost", milliseconds))
        else:
            found.append(Outcome(name, None, (words(lines) or ["no answer"])[-1][:200]))
    return found


def handshakes(sections: Sections) -> list[tuple[str, Certificate | None, str]]:
    """Return the leaf that each TLS dependency shows, or why there is none."""
    found: list[tuple[str, Certificate | None, str]] = []
    for name, lines in _by_prefix(sections, "tls:"):
        text = "\n".join(lines)
        verdict = re.search(r"Verif(?:ication|y return code): (.+)", text)
        try:
            found.append((name, parse_chain(text.encode())[0], verdict[1] if verdict else ""))
        except RunbookError:
            messages = [line for line in words(lines) if "error" in line.lower()]
            found.append((name, None, (messages or ["it shows no certificate"])[0][:200]))
    return found


def disks(sections: Sections) -> list[tuple[str, int, int]]:
    """Return the file systems of the process: where they are mounted, and how many of how many KiB are used."""
    found = []
    for line in words(sections.get("disk", ())):
        fields = line.split(None, 5)
        if len(fields) == 6 and all(each.isdigit() for each in fields[1:4]):
            path = re.sub(r"^/proc/\d+/root", "", fields[5]) or "/"
            found.append((path, int(fields[2]), int(fields[2]) + int(fields[3])))
    return list(dict.fromkeys(found))


def open_files(sections: Sections) -> tuple[int, int] | None:
    """Return how many files the process has open, and how many it may."""
    rows = [line for line in words(sections.get("files", ())) if " -> " in line]
    limit = next((line.split() for line in sections.get("limits", ()) if line.startswith("Max open files")), [])
    if not rows or len(limit) < 4 or not limit[3].isdigit():
        return None
    return len(rows), int(limit[3])


@dataclass(frozen=True)
class Cgroup:
    """Figures of the container's cgroup, of version 1 or 2; None is not known, or no limit. Bytes and shares.

    ``memory`` is without what the kernel keeps of files, and gives back when it is needed.
    """

    memory: int | None = None
    memory_limit: int | None = None
    oom_kills: int | None = None
    throttled: float | None = None
    processes: int | None = None
    processes_limit: int | None = None
    memory_pressure: float | None = None
    cpu_pressure: float | None = None
    io_pressure: float | None = None


def cgroup(sections: Sections) -> Cgroup:
    values: dict[str, list[str]] = {}
    for line in words(sections.get("cgroup", ())):
        name, colon, value = line.partition(":")
        if colon:
            values.setdefault(name, []).append(value)

    def number(*files: str) -> int | None:
        found = next((values[name][0] for name in files if name in values), "")
        return int(found) if found.isdigit() and int(found) < _NO_LIMIT else None

    def field(file: str, key: str) -> int | None:
        found = [line.split() for line in values.get(file, ())]
        return next((int(each[1]) for each in found if len(each) == 2 and each[0] == key and each[1].isdigit()), None)

    def pressure(file: str) -> float | None:
        some = next((line for line in values.get(file, ()) if line.startswith("some")), "")
        average = re.search(r"avg60=([\d.]+)", some)
        return float(average[1]) if average else None

    used = number("memory.current", "memory/memory.usage_in_bytes")
    # Of version 1, the sums are those of the container.
    file, total = ("memory.stat", "") if "memory.stat" in values else ("memory/memory.stat", "total_")
    cached = sum(field(file, f"{total}{each}") or 0 for each in ("active_file", "inactive_file"))
    stat = "cpu.stat" if "cpu.stat" in values else "cpu/cpu.stat"
    periods, throttled = field(stat, "nr_periods"), field(stat, "nr_throttled")
    return Cgroup(
        memory=None if used is None else max(0, used - cached),
        memory_limit=number("memory.max", "memory/memory.limit_in_bytes"),
        oom_kills=field("memory.events" if "memory.events" in values else "memory/memory.oom_control", "oom_kill"),
        throttled=throttled / periods if periods and throttled is not None else None,
        processes=number("pids.current", "pids/pids.current"),
        processes_limit=number("pids.max", "pids/pids.max"),
        memory_pressure=pressure("memory.pressure"),
        cpu_pressure=pressure("cpu.pressure"),
        io_pressure=pressure("io.pressure"),
    )


def growth(sections: Sections) -> tuple[float, int] | None:
    """Return by how many bytes a second the memory grew while the collector looked, and for how many seconds."""
    rows = [
        [int(field) for field in line.split()] for line in sections.get("growth", ()) if re.fullmatch(r"\d+ \d+", line)
    ]
    if len(rows) < 2 or rows[-1][0] <= rows[0][0]:
        return None
    seconds = rows[-1][0] - rows[0][0]
    return (rows[-1][1] - rows[0][1]) / seconds, seconds


def is_starved(sections: Sections) -> bool:
    """Tell whether the container waits for its CPU so often that our own probes are late, too."""
    return (cgroup(sections).throttled or 0) > _STARVED


def is_cut(sections: Sections) -> bool:
    """Tell whether the collector began, and did not get to its end."""
    return "begin" in sections and "end" not in sections


def missing_tools(sections: Sections) -> list[str]:
    """Return the sections whose tool the image lacks."""
    return sorted(name for name, lines in sections.items() if exit_code(lines) == MISSING)


def expiry(certificate: Certificate, now: datetime) -> float:
    """Return the days until a certificate expires, negative afterwards."""
    return certificate.remaining(now) / 86400
