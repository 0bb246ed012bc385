# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a log says: its lines of trouble grouped by shape, and the words that a program ended with. PRIVATE."""

from __future__ import annotations

import re
import typing as t
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate

from .._time import parse_time

FATAL, ERROR, WARN = "fatal", "error", "warning"
_LEVELS = {
    **dict.fromkeys(("fatal", "critical", "crit", "emerg", "emergency", "alert", "panic", "ftl", "f", "60"), FATAL),
    **dict.fromkeys(("error", "err", "eror", "severe", "fail", "e", "50"), ERROR),
    **dict.fromkeys(("warn", "warning", "wrn", "w", "40"), WARN),
    **dict.fromkeys(("info", "debug", "trace", "notice", "verbose", "i", "d", "30", "20", "10"), "info"),
    **dict.fromkeys(("inf", "dbg", "trc", "dbug", "trce"), "info"),
}
_WORDS = r"FATAL|CRITICAL|CRIT|EMERG|ALERT|PANIC|FTL|ERROR|ERR|SEVERE|WARN(?:ING)?|WRN|INFO?|DEBUG|DBG|TRACE|TRC|NOTICE"
# The one letter of "s" is that of MongoDB.
_FIELD = re.compile(
    r"(?:\"(?:level|severity|lvl|levelname|log\.level|loglevel|severity_?text|@l)\"\s*:\s*\"?|\"s\":\s*\"(?=[FEWID]\")|"
    r"(?<![\w-])(?:level|lvl|severity|loglevel)=\\?\"?)(\w+)",
    re.IGNORECASE,
)
# By klog, as a word in capitals or in brackets.
_PLAIN_LEVEL = rf"^([IWEF])\d{{4}} \d\d:\d\d|(?<![\w-])((?-i:{_WORDS}))(?![\w-])|[\[(<]({_WORDS})[\])>]|\t({_WORDS})\t"
_HAS_PLAIN_LEVEL = re.compile(_PLAIN_LEVEL, re.IGNORECASE)
_FIRST_WORD = re.compile(r"(?:error|fatal|severe|err|warn|warning)\b", re.IGNORECASE)
# And at the beginning of a line: of .NET, of npm, and of all others, where some words may be those of a sentence.
_LEVEL = re.compile(
    rf"{_PLAIN_LEVEL}|^(fail|crit|warn|info|dbug|trce): (?=[\w.<>`+]+\[\d+\])|"
    r"^(?:\[?npm\]? )?(FATAL|ERROR|ERR|SEVERE|WARN(?:ING)?|INFO|DEBUG|TRACE|NOTICE)(?:\[\w+\])?!?:? |"
    r"^(CRITICAL|CRIT|EMERG|ALERT|PANIC)(?:\[\w+\])?[!:] |\b(?-i:[A-Z][a-z]+(Warning)): ",
    re.IGNORECASE,
)
# Of PHP, whose server puts a level of its own before the lines of the program.
_PHP = re.compile(r"\bPHP (?:Fatal|Parse) error: |\bPHP (Warning|Notice|Deprecated): ")
# The first line of what .NET writes to a console; what it says stands in the next one.
_DOTNET = re.compile(r"(?:fail|crit|warn|info|dbug|trce): [\w.<>`+]+\[\d+\]$")
# Colours and other sequences of a terminal.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# Where a line says its level, it does so soon.
_HEAD = 240
# A line without one of these, in lower case, is none of trouble: most lines are never looked at one by one.
_HINTS = (
    *("err", "warn", "fatal", "panic", "crit", "severe", "emerg", "alert", "excep", "traceback", "fail", "fault"),
    *("refused", "denied", "forbid", "unauth", "timeout", "time-out", "time out", "timed out", "exceed", "exhaust"),
    *("too many", "no such", "not found", "cannot", "can't", "could not", "unable", "x509", "not known", "invalid"),
    *("killed", "no space", "sigsegv", "sigabrt", "caused by", "out of memory", "not defined", " down"),
    *("unreachable", "unhealthy", "no response", "not responding", "not permitted", "too low"),
    *('"level":40', '"level":50', '"level":60', "401", "403", "429", "500", "502", "503", "504"),
    *("ftl", "eror", "wrn", "giving up", "gave up", '"s":"e"', '"s":"f"', '"s":"w"'),
)
_KLOG = re.compile(rb"^[wef]\d{4} ", re.MULTILINE)
# What stands before and after a word of trouble that tells of none: none of it, a handler of it, its end.
_NONE_BEFORE = re.compile(
    r"(?:\b(?:no|zero|without|any)\s+(?:\w+\s+)?|recovered from (?:\w+ ){0,3}|\bon[ -]|level[ =]|\(Allocation |"
    r"(?P<zero>\b0\s+)(?:\w+\s+)?)$",
    re.IGNORECASE,
)
_NONE_AFTER = re.compile(
    r"[\"']?\s*[:=]\s*[\"']?(?:0(?![.\d])|<?(?:null|none|nil)\b>?|false\b|\[\]|\"\"|''|\{\})|"
    r"(?:[ _]\w+){0,4}[\"']?\s*[:=]\s*[\"']?0(?:\.0+)?%?(?![\w.])|[ _](?:count|rate|total)\W{1,3}0(?:\.0+)?%?(?![\w.])|"
    r"[ -](?:handl\w+|pages?|logs?|logging|templates?|report(?:s|ing|er)?|track\w*|boundar\w*|middleware|modes?)\b|"
    r"[ -]budget\b(?! (?:exhaust|exceed|burn))",
    re.IGNORECASE,
)
_PARTICIPLES = re.compile(r"failed|refused|denied|killed|panicked", re.IGNORECASE)
_BEFORE_WORD = 40
# Lines that are passed over whole: results of tests that passed, a trace of a shell, and what is usual: what browsers
# ask every server for, what a controller tries again, a recovery and clients of PostgreSQL, the start of Apache and of
# WordPress, a level that is set, and a check of a port that speaks no TLS.
_PASSED = re.compile(r"(?:ok \d+|PASS|--- PASS|\+{1,3}) ")
_USUAL = (
    *("/favicon.ico", "/robots.txt", "/apple-touch-icon", "the object has been modified", "invalid record length at"),
    *("canceling autovacuum task", "Could not reliably determine the server's fully qualified domain name"),
    *("WordPress not found in", "could not receive data from client", "unexpected EOF on client connection"),
)
_LEVEL_SET = re.compile(r"\blog[ _-]?level(?: is)?(?: set)?(?: to|:|=) ?[\"']?\w+[\"']?$", re.IGNORECASE)
_CHECK = re.compile(r"http: TLS handshake error from \S+: (?:EOF|.*connection reset by peer)")
# What a line without a level has that tells of an error.
_ERROR_WORDS = re.compile(
    r"\b(?:errors?|fatal|panic(?:ked)?|exception|traceback|refused|denied|cannot|can't|could not|failed|failure|"
    r"invalid|no such|forbidden|unauthorized|timed out|unable to|killed|exhausted|segmentation fault|"
    r"not (?:defined|found|responding|permitted)|(?:giving|gave) up|too low|no response|unreachable|unhealthy|"
    r"too many \w+|"
    r"(?:peer|server|node|link|host|upstream|backend|replica|primary|broker|database|service)s? "
    r"(?:is |are |went |has gone )?down)\b|"
    r"\w(?:Error|Exception)\b|\bnpm ERR!",
    re.IGNORECASE,
)
# A line of an access log, by its status.
_ACCESS = re.compile(r"(?:HTTP/\d(?:\.\d)?\\?\"\s+|\bstatus(?:_?code)?[\"']?\s*[:=]\s*\"?)(\d{3})\b", re.IGNORECASE)
_TROUBLE_STATUS = re.compile(r"40[13]|429|5\d\d")
# What goes on with the line before it.
_CONTINUED = re.compile(
    r"\s+(?:at|File|in|from)\s|\s{2,}\S|\t|goroutine \d|created by |\.\.\. \d+ more|\^|"
    r"(?:During handling of|The) (?:the )?above exception(?: was the direct cause|, another)"
)
_VARIABLE = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\S+|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b(?=[a-f]*\d)[0-9a-f]{7,64}\b|"
    r"0x[0-9a-f]+|\d+(?:\.\d+)*",
    re.IGNORECASE,
)
_MESSAGE = re.compile(
    r"\"(?:msg|message|log|event)\"\s*:\s*\"((?:[^\"\\]|\\.){1,2000})\"|\bmsg=\"((?:[^\"\\]|\\.){1,2000})\""
)
_OWN_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* ?")
# The kubelet's own words, where it has no log; they have no time.
_OF_KUBELET = re.compile(
    r"unable to retrieve container logs for |failed to (?:try resolving symlinks|open log file|get container status)|"
    r"rpc error: code = \w+ desc = .*(?:container|log)"
)
# A figure of a line in JSON or in pairs, and the names of those that tell of load.
_FIGURE = re.compile(r"\"?\b(\w+)\"?[:=]\s*\"?(\d{1,12}(?:\.\d{1,6})?)(?:ms|s|MB|MiB|%)?(?=[\s,}\";]|$)")
_NO_FIGURE = re.compile(
    r"^(?!.*(?:time|latency|duration|elapsed|wait|mem|heap|rss|cpu|usage|percent|rate|queue|lag|backlog|depth|"
    r"conn|pool|pause|retr|active|pending))|(?:^|_)(?:timestamp|time|id|seq|port|pid|max\w*|limit\w*|size)$",
    re.IGNORECASE,
)
_LONG = 2_000
_TAIL = 1_000
# An end is among so many lines.
_NEAR_END = 5_000
# An exception that was followed by so many lines and then an error was survived.
_SURVIVED = 50
_MOST_GROUPS = 40
# What changed before the first error is looked for in so many lines, and so many of them are shown.
_BEFORE, _MOST_CHANGES = 30, 3
# A figure of the lines is followed over so many parts of the log, in so many lines, of which each part has at least
# some; it rises or falls if it does so in most of them, and by so many times.
_STEPS, _SAMPLES, _LEAST_SAMPLES, _MOST_AGAINST, _TIMES = 10, 1_000, 3, 2, 3.0
_LEAST_LINES, _NOISE = 200, 0.02
# What begins an end: of Go, Rust, Python, Java, .NET and JavaScript.
_PANIC = re.compile(r"^(?:panic: |fatal error: |runtime: out of memory|Unhandled exception\. |SIGSEGV|SIGABRT)")
_FATAL_HINT = re.compile(r"fatal|crit|emerg|alert|panic|level\":60|^F\d{4} ", re.IGNORECASE)
_RUST = re.compile(r"^thread '.{0,80}' panicked at ")
_TRACEBACK = re.compile(r"^\s*Traceback \(most recent call last\)")
_CAUSED = re.compile(r"^\s*Caused by: ")
_EXCEPTION = re.compile(
    r"^(?:Exception in thread .{0,80}? )?(?:[\w$]+\.)*[A-Z]?\w*(?:Error|Exception|Panic|Fault)\b(?:\s\[\w+\])?(?:: |$)"
)
_HERALD = re.compile(r"^(?:node:|/\S+:\d+$|\s*\^+\s*$|exit status \d|npm (?:ERR!|error)|make: \*\*\*|Node\.js v\d)")


@dataclass(frozen=True)
class Group:
    """Lines of one shape; ``level`` is fatal, error, warning, or empty where the line says none.

    ``access`` tells that they are those of an access log, with a status of trouble. ``own_first`` and ``own_last`` are
    the times that the first and the last line name themselves; ``place`` is the number of the first line in the log.
    ``shared`` is what almost all of them name and most other lines do not, such as a path or a caller.
    """

    level: str
    count: int
    first: datetime | None
    last: datetime | None
    example: str
    access: bool = False
    own_first: datetime | None = None
    own_last: datetime | None = None
    place: int = 0
    shared: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        return self.level != WARN


class Trend(t.NamedTuple):
    """A figure of the lines, such as response_time_ms, and its usual values at the beginning and at the end."""

    name: str
    begin: float
    end: float

    def __str__(self) -> str:
        return f"{self.name} {'rises' if self.end > self.begin else 'falls'} from {self.begin:g} to {self.end:g}"


class Slow(t.NamedTuple):
    """A call that takes long, as lines without trouble tell: what they say, the usual seconds, and how often.

    ``of_others`` tells that it is one to another side, such as a database.
    """

    what: str
    seconds: float
    times: int
    of_others: bool


@dataclass(frozen=True)
class Log:
    """What was read of the log of a run: its last lines, and of all ``lines`` what tells of trouble.

    ``words`` are those that the program ended with, if it has ended. ``since`` is the time of the first line that was
    read; ``whole`` says whether the run begins there. ``rise`` tells when warnings became more, and after which line.
    ``first_bad`` is the first line of an error, and ``changes`` are those just before it that tell of a change.
    ``shares`` are the shares of lines of errors at the beginning and at the end, ``trends`` figures that rise or fall,
    ``growth`` amounts that its last lines tell and that only grow, ``slow`` calls that take long in its last lines.
    ``until`` is the time of the last line; ``recovered`` says whether a line after the last error tells of success.
    ``waits`` is the last line, if it and others before it tell of something that is waited for.
    """

    tail: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    words: str = ""
    lines: int = 0
    since: datetime | None = None
    whole: bool = True
    rise: str = ""
    first_bad: str = ""
    changes: tuple[str, ...] = ()
    shares: tuple[float, float] = (0.0, 0.0)
    trends: tuple[Trend, ...] = ()
    growth: tuple[Trend, ...] = ()
    slow: tuple[Slow, ...] = ()
    until: datetime | None = None
    recovered: bool = False
    waits: str = ""

    def mapped(self, change: Callable[[str], str]) -> Log:
        """Return it with all texts changed; the last lines are changed as one text."""
        return replace(
            self,
            tail=tuple(change("\n".join(self.tail)).split("\n")) if self.tail else (),
            groups=tuple(
                replace(each, example=change(each.example), shared=tuple(map(change, each.shared)))
                for each in self.groups
            ),
            words=change(self.words),
            rise=change(self.rise),
            first_bad=change(self.first_bad),
            changes=tuple(map(change, self.changes)),
            growth=tuple(each._replace(name=change(each.name)) for each in self.growth),
            slow=tuple(each._replace(what=change(each.what)) for each in self.slow),
            waits=change(self.waits),
        )


def level_of(line: str) -> str:
    """Return the level that a line says it has, empty if it says none."""
    if "PHP " in line and (of_php := _PHP.search(line, 0, _HEAD)):
        return WARN if of_php[1] else FATAL
    # In JSON, the level may stand behind the message.
    found = _FIELD.search(line) if line.startswith("{") else _FIELD.search(line, 0, _HEAD)
    found = found or _LEVEL.search(line, 0, _HEAD)
    return _LEVELS.get(found[found.lastindex or 0].lower(), "") if found else ""


def digest(text: str, *, stamped: bool = False, whole: bool = True) -> Log:
    """Return what a log says. If it is ``stamped``, each line begins with the time of the runtime."""
    text = without_escapes(text)
    rows = [row for row in map(_row if stamped else _bare_row, text.split("\n")) if row[1].strip()]
    if not rows:
        return Log(whole=whole)
    if any(_DOTNET.match(line) for _stamp, line in rows[:_MOST_BEFORE_DOTNET]):
        rows = _joined(rows)
    lines = [line for _stamp, line in rows]
    suspects = _suspects(lines)
    troubles = {index: level for index in suspects if (level := _trouble(lines[index])) is not None}
    _name_exceptions(lines, troubles)
    bad = [index for index, level in troubles.items() if level != WARN]
    return Log(
        tail=tuple(lines[-_TAIL:]),
        groups=_groups(rows, troubles),
        words=_last_words(lines, [index for index in suspects if index >= len(lines) - _NEAR_END]),
        lines=len(lines),
        since=parse_time(rows[0][0]),
        whole=whole,
        rise=_rise(lines, [index for index, level in troubles.items() if level == WARN]),
        first_bad=lines[bad[0]] if bad else "",
        changes=_changes(lines, bad[0]) if bad else (),
        shares=_shares(len(lines), bad),
        trends=_trends(lines) if troubles else (),
        growth=_growth(lines[-_RECENT_LINES:]),
        slow=_slow(lines[-_RECENT_LINES:]),
        until=parse_time(rows[-1][0]),
        recovered=bool(bad) and any(map(_RECOVERED.search, lines[bad[-1] + 1 :][:_RECENT_LINES])),
        waits=_waits(lines[-_LAST_WAITS:]),
    )


# What a program waits for that does not go on; for what comes from others, a healthy one waits, too.
_WAITING = re.compile(
    r"\bwaiting (?:for|on|until)\b(?!(?: [\w-]+){0,3}? (?:events?|messages?|connections?|requests?|jobs?|tasks?|work|"
    r"changes?|commands?|clients?|input|data|next|more|signals?|packets?|workers?|leases?|leaders?|election|interval|"
    r"sig\w+|shutdown|stop|exit|termination|timer|time|children|child|traffic|heartbeats?|"
    r"schedule|tick|trigger|updates?|orders|calls?)(?![\w:.-]))|\b(?:retrying|trying again) (?:in|after) \d|"
    r"\b(?:not (?:yet )?(?:ready|available|reachable)|unavailable)\b[^\n]{0,20}(?:wait|sleep|retry)",
    re.IGNORECASE,
)
_LAST_WAITS, _LEAST_WAITS = 50, 5


def _waits(lines: Sequence[str]) -> str:
    number = sum(1 for line in lines if _WAITING.search(line[:_LONG]))
    return lines[-1].strip() if number >= _LEAST_WAITS and _WAITING.search(lines[-1][:_LONG]) else ""


# If .NET writes a log, it does so within its first lines.
_MOST_BEFORE_DOTNET = 500


def _joined(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the rows with what .NET says in the same line as its level."""
    found: list[tuple[str, str]] = []
    for stamp, line in rows:
        if found and line.startswith("      ") and _DOTNET.match(found[-1][1]):
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            found.append((stamp, line))
    return found


def without_escapes(text: str) -> str:
    """Return a text without the colours and other sequences of a terminal."""
    return _ESCAPE.sub("", text) if "\x1b" in text else text


# What tells that a trouble of the start is over.
_RECOVERED = re.compile(
    r"(?<!not )(?<!not yet )\b(?:connected|connection (?:established|restored)|reconnected|recovered|listening|"
    r"now (?:available|ready|up)|is (?:available|ready|up)|ready to|startup complete|"
    r"finished with success|synchroni[sz]ed|(?:back|again) online|now online|joined the cluster)\b",
    re.IGNORECASE,
)


def _name_exceptions(lines: Sequence[str], troubles: dict[int, str]) -> None:
    """Let the line of an exception stand for the head of its trace."""
    for index in [each for each in troubles if _TRACEBACK.match(lines[each])]:
        end = _end_of_trace(lines, index)
        if end is not None:
            level = troubles.pop(index)
            troubles.setdefault(end, level)


def _end_of_trace(lines: Sequence[str], index: int) -> int | None:
    """Return the place of the last line of a trace of Python, which is the first that is not indented."""
    for place in range(index + 1, min(len(lines), index + _LONGEST_TRACE)):
        if lines[place].strip() and not lines[place].startswith((" ", "\t")):
            return place
    return None


_LONGEST_TRACE = 200
# Amounts and calls are followed in so many of the last lines.
_RECENT_LINES = 2_000
_AMOUNT = re.compile(
    r"memory|heap|\brss\b|cache|buffer|queue|backlog|pending|stored|\bitems?\b|entries|sessions?|connections?|objects",
    re.IGNORECASE,
)
_LAST_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?!.*\d)")
_LEAST_GROWTHS, _GROWN_TIMES, _MOST_GROWTHS = 4, 2.0, 3


def _growth(lines: Sequence[str]) -> tuple[Trend, ...]:
    """Return the amounts that lines of one shape tell, and that never fall but once in a while."""
    found: dict[str, list[float]] = {}
    for line in lines:
        if not line.startswith("{") and _AMOUNT.search(line) and (number := _LAST_NUMBER.search(line)):
            found.setdefault(_VARIABLE.sub("#", line)[:160], []).append(float(number[1]))
    grown = []
    for shape, values in found.items():
        falls = sum(1 for before, after in zip(values, values[1:]) if after < before)
        if len(values) >= _LEAST_GROWTHS and falls * 10 <= len(values) and values[-1] >= _GROWN_TIMES * values[0] > 0:
            grown.append(Trend(shape.strip("[]#:., "), values[0], values[-1]))
    grown.sort(key=lambda each: "memory" not in each.name.lower())
    return tuple(grown[:_MOST_GROWTHS])


# What a call is, how long it took, and what may take long without anybody waiting for it.
_CALL = (
    r"quer(?:y|ies)|database|\bdb\b|sql|procedure|request|call|response|render\w*|upstream|backend|transaction|\bapi\b"
)
_TOOK = re.compile(
    rf"(?:{_CALL})[^\n]{{0,80}}?(?:\bin|\btook|\bafter|\btime|\bduration|\blatency|\belapsed)[\"'=: ]{{1,4}}"
    r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>ms|milliseconds?|s|secs?|seconds?)\b|"
    r"slow (?:sql|quer)[^\n]{0,40}?(?P<number3>\d+(?:\.\d+)?) ?(?P<unit3>ms|s|secs?|seconds?)\b|"
    r"\b(?:response_time|duration|elapsed|latency|took|query_time)_(?P<unit2>ms|s|seconds)[\"']?\s?[:=]\s?\"?"
    r"(?P<number2>\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_MAY_TAKE_LONG = re.compile(
    r"watch|stream|websocket|long.?poll|subscri|batch|\bjobs?\b|backup|report|import|export|sync|reconcil|interval|"
    r"time.?out|timed|compact|checkpoint|snapshot|upload|download|migrat|retry|next|uptime|schedul|warm|start",
    re.IGNORECASE,
)
_SLOW_SECONDS, _LEAST_SLOW, _MOST_SLOW = 3.0, 5, 3
_OF_OTHERS = re.compile(r"quer|database|\bdb\b|sql|procedure|upstream|backend|call", re.IGNORECASE)


def _slow(lines: Sequence[str]) -> tuple[Slow, ...]:
    """Return the calls that usually take long, those to others first: their time is part of that of requests."""
    found: dict[str, tuple[str, list[float]]] = {}
    for line in lines:
        took = _TOOK.search(line[:_LONG])
        if not took or _MAY_TAKE_LONG.search(line[:_LONG]):
            continue
        unit = (took["unit"] or took["unit2"] or took["unit3"]).lower()
        seconds = float(took["number"] or took["number2"] or took["number3"]) * (0.001 if unit.startswith("m") else 1)
        found.setdefault(_shape(line), (line, []))[1].append(seconds)
    slow = [
        Slow(line.strip(), middle, len(values), _OF_OTHERS.search(line) is not None)
        for line, values in found.values()
        if len(values) >= _LEAST_SLOW and (middle := sorted(values)[len(values) // 2]) >= _SLOW_SECONDS
    ]
    slow.sort(key=lambda each: (not each.of_others, -each.times))
    return tuple(slow[:_MOST_SLOW])


def _changes(lines: Sequence[str], index: int) -> tuple[str, ...]:
    """Return the lines before a place that tell of a change: the first of them, and the last ones."""
    found = [line.strip() for line in lines[max(0, index - _BEFORE) : index] if _CHANGED.search(line)]
    return tuple(found[:1] + found[1:][1 - _MOST_CHANGES :])


def _shares(number: int, bad: Sequence[int]) -> tuple[float, float]:
    part = number // _STEPS
    if number < _LEAST_LINES:
        return 0.0, 0.0
    return sum(1 for each in bad if each < part) / part, sum(1 for each in bad if each >= number - part) / part


def _trends(lines: Sequence[str]) -> tuple[Trend, ...]:
    if len(lines) < _LEAST_LINES:
        return ()
    values: dict[str, list[list[float]]] = {}
    every = max(1, len(lines) // _SAMPLES)
    for index in range(0, len(lines), every):
        part = index * _STEPS // len(lines)
        for found in _FIGURE.finditer(lines[index][:_LONG]):
            if not _NO_FIGURE.search(found[1]):
                values.setdefault(found[1], [[] for _part in range(_STEPS)])[part].append(float(found[2]))
    trends = []
    for name, parts in values.items():
        if any(len(each) < _LEAST_SAMPLES for each in parts):
            continue
        middles = [sorted(each)[len(each) // 2] for each in parts]
        steps = [after - before for before, after in zip(middles, middles[1:])]
        begin, end = middles[0], middles[-1]
        low, high = sorted((begin, end))
        against = sum(1 for step in steps if step * (end - begin) < 0 and abs(step) > _NOISE * (high - low))
        if low >= 0 and high >= _TIMES * low and high > 1 and against <= _MOST_AGAINST:
            trends.append(Trend(name, begin, end))
    return tuple(trends)


def _bare_row(line: str) -> tuple[str, str]:
    return "", "" if _OF_KUBELET.match(line) else line


def _row(line: str) -> tuple[str, str]:
    stamp = _STAMP.match(line)
    # Without a time, it is the kubelet that speaks.
    return (stamp[0].strip(), line[stamp.end() :].rstrip("\r")) if stamp else _bare_row(line)


def _suspects(lines: Sequence[str]) -> list[int]:
    """Return the places of the lines that may be of trouble."""
    encoded = [line.encode(errors="replace") for line in lines]
    starts = list(accumulate((len(line) + 1 for line in encoded), initial=0))
    text = b"\n".join(encoded).lower()
    found = {bisect_right(starts, each.start()) - 1 for each in _KLOG.finditer(text)}
    for hint in _HINTS:
        word = hint.encode()
        place = text.find(word)
        while place >= 0:
            index = bisect_right(starts, place) - 1
            found.add(index)
            place = text.find(word, starts[index + 1])
    return sorted(found)


def _trouble(line: str) -> str | None:
    """Return the level of a line of trouble, None for any other."""
    if _CONTINUED.match(line):
        return None
    if _is_usual(line):
        return None
    level = level_of(line)
    if level in (FATAL, ERROR, WARN):
        # The first word of a sentence may be no level.
        return level if not _FIRST_WORD.match(line) or _has_level(line) or _tells(line) else None
    status = _ACCESS.search(line)
    if status:
        return "" if _TROUBLE_STATUS.fullmatch(status[1]) else None
    return "" if not level and _tells(line) else None


def _tells(line: str) -> bool:
    """Tell whether a line has a word of trouble that nothing around it takes back."""
    return any(not _is_none(line, found) for found in _ERROR_WORDS.finditer(line))


def _is_none(line: str, found: re.Match[str]) -> bool:
    if _NONE_AFTER.match(line, found.end()):
        return True
    before = _NONE_BEFORE.search(line[max(0, found.start() - _BEFORE_WORD) : found.start()])
    if before is None:
        return False
    # That of "job 0 failed" is a name.
    named = before["zero"] and _PARTICIPLES.fullmatch(found[0])
    return not (named and re.search(r"(?<=[a-z])(?<!with)(?<!and)\s+$", before.string[: before.start()]))


def _is_usual(line: str) -> bool:
    return (
        _PASSED.match(line) is not None
        or any(each in line for each in _USUAL)
        or ("handshake" in line and _CHECK.search(line) is not None)
        or ("evel" in line and _LEVEL_SET.search(line) is not None)
    )


def _has_level(line: str) -> bool:
    return _FIELD.search(line) is not None or _HAS_PLAIN_LEVEL.search(line, 0, _HEAD) is not None


def _own_time(line: str) -> datetime | None:
    found = _OWN_TIME.search(line, 0, _HEAD)
    return parse_time(f"{found[1]}T{found[2]}Z") if found else None


def looks_bad(line: str) -> bool:
    """Tell whether a line is one of an error."""
    return _trouble(line) not in (None, WARN)


def _shape(line: str) -> str:
    status = _ACCESS.search(line)
    if status:
        return f"status {status[1]}"
    message = _MESSAGE.search(line)
    return _VARIABLE.sub("#", (message[1] or message[2]) if message else line)[:160]


def _groups(rows: Sequence[tuple[str, str]], troubles: Mapping[int, str]) -> tuple[Group, ...]:
    found: dict[tuple[str, str], list[t.Any]] = {}
    for index, level in troubles.items():
        stamp, line = rows[index]
        key = (level, _shape(line))
        if key in found:
            found[key][0] += 1
            found[key][2] = stamp
            found[key][4] = line
            found[key][5].append(index)
        elif len(found) < 10 * _MOST_GROUPS:
            found[key] = [1, stamp, stamp, line, line, [index]]
    groups = [
        Group(
            level,
            count,
            parse_time(first),
            parse_time(last),
            example,
            not level and _ACCESS.search(example) is not None,
            _own_time(example),
            _own_time(last_line),
            places[0],
            _shared(rows, places) if level != WARN else (),
        )
        for (level, _shape), (count, first, last, example, last_line, places) in found.items()
    ]
    rank = {FATAL: 0, ERROR: 1, "": 1, WARN: 2}
    return tuple(sorted(groups, key=lambda each: (rank[each.level], -each.count))[:_MOST_GROUPS])


# What requests of one kind have in common: what is asked for, and who asks.
_REQUEST = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[^\s?\"]{1,100})")
_SHARING = re.compile(
    r"\"?\b(path|endpoint|route|uri|client_ip|remote_addr|remote_ip|client|caller|tenant|upstream|target|topic|"
    r"queue|table|"
    r"zone|shard)\"?[:=]\s*\"?([^\"\s,}]{1,80})"
)
_LEAST_SHARING, _ALMOST_ALL, _MOST_ELSEWHERE, _SHARED_SAMPLES = 3, 0.9, 0.5, 100


def _shared(rows: Sequence[tuple[str, str]], places: Sequence[int]) -> tuple[str, ...]:
    """Return what almost all lines of a group name, and what most lines of the log do not."""
    if len(places) < _LEAST_SHARING:
        return ()
    sample = places[:: max(1, len(places) // _SHARED_SAMPLES)]
    counts = Counter(name for place in sample for name in _named(rows[place][1]))
    common = [name for name, count in counts.items() if count >= _ALMOST_ALL * len(sample)]
    if not common:
        return ()
    others = rows[:: max(1, len(rows) // _SHARED_SAMPLES)]
    around = Counter(name for _stamp, line in others for name in _named(line))
    return tuple(each for each in common if around[each] <= _MOST_ELSEWHERE * len(others))


def _named(line: str) -> set[str]:
    head = line[:_LONG]
    found = {f"{name} {value}" for name, value in _SHARING.findall(head)}
    return found | {f"{method} {path}" for method, path in _REQUEST.findall(head)}


# Warnings have become more if a part of the lines has so many, and so many times the share of before.
_PARTS, _RISE_LEAST, _RISE_TIMES, _RISE_FLOOR = 20, 5, 3.0, 0.01
_CHANGED = re.compile(
    r"reload|config\w*(?: \w+)? (?:change|update|mismatch)|deployed|switched|upgraded|rotated|failover|\(was:? ",
    re.IGNORECASE,
)


def _rise(lines: Sequence[str], warnings: Sequence[int]) -> str:
    """Return the line since which warnings have become more, empty if they have not."""
    if len(lines) < 10 * _PARTS or len(warnings) < _RISE_LEAST:
        return ""
    size = len(lines) // _PARTS
    for start in range(size, len(lines) - size, size):
        before = sum(1 for each in warnings if each < start)
        share = (len(warnings) - before) / (len(lines) - start)
        if len(warnings) - before >= _RISE_LEAST and share >= _RISE_TIMES * max(before / start, _RISE_FLOOR):
            first = next(each for each in warnings if each >= start)
            near = lines[max(0, first - size) : first + 1]
            return next((line for line in reversed(near) if _CHANGED.search(line)), lines[first])
    return ""


def last_words(lines: Sequence[str]) -> str:
    """Return what a program said of its end: its fatal line or exception, else the last that looks like an error."""
    return _last_words(lines, _suspects(lines))


def _last_words(lines: Sequence[str], suspects: Sequence[int]) -> str:
    for index in reversed(suspects):
        line = lines[index]
        if _RUST.match(line):
            return " ".join(each.strip() for each in lines[index : index + 2])
        if _PANIC.match(line) or (_FATAL_HINT.search(line) and level_of(line) == FATAL):
            return line.strip()
    error = _error_words(lines)
    index, exception = _exception(lines, suspects)
    if exception and not _error_words(lines[index + _SURVIVED :]):
        return exception
    return error or lines[-1].strip()


def _exception(lines: Sequence[str], suspects: Sequence[int]) -> tuple[int, str]:
    for index in reversed(suspects):
        if _CAUSED.match(lines[index]) or _EXCEPTION.match(lines[index]):
            return index, lines[index].strip()
        if _TRACEBACK.match(lines[index]):
            end = _end_of_trace(lines, index)
            return index, lines[index if end is None else end].strip()
    return -1, ""


def _error_words(lines: Sequence[str]) -> str:
    recent = [line for line in lines[-200:] if not _CONTINUED.match(line) and not _HERALD.match(line)]
    for line in reversed(recent):
        if level_of(line) in (ERROR, FATAL):
            return line.strip()
    for line in reversed(recent[-20:]):
        if _tells(line) and level_of(line) != "info":
            return line.strip()
    return ""
