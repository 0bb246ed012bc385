# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a flush would do, and the guards that may refuse it. PRIVATE to the collection."""

from __future__ import annotations

import functools
import hashlib
import re
import typing as t
from collections import Counter
from dataclasses import asdict, dataclass, field, fields

from .._confirm import check_confirmation, is_production, make_confirmation, plan_content
from .._errors import InvalidInput, Refused, RunbookError
from .._report.text import plural
from .catalogue import CachePattern, Matcher
from .connection import (
    Connection,
    ServerInfo,
    first_error,
    is_redirect,
    no_replicas,
    pack,
    refused,
)
from .deployment import Deployment, Tally
from .names import literal_prefix, printable, to_bytes
from .scan import Page, scan, sizes_of
from .session import Session
from .throttle import Pace

SENSITIVE_WORDS = (
    *("session", "sess", "auth", "token", "jwt", "oauth", "rate", "limit", "lock", "mutex", "leader"),
    *("queue", "bull", "celery", "job", "sidekiq", "resque"),
)
_MIN_PREFIX = 3
_SHARE_GUARD_FROM = 1000
_SAMPLE_NAMES = 10
_OVERLAPS = 10
_SIZED_PER_PAGE = 4
_SIZED_AT_LEAST = 200
_SIZED_SHARE = 1 / 200
_CONFIRM_GROWTH = 1.2


@dataclass(frozen=True)
class FlushRequest:
    """What the operator asked for; see the options of the module redis_flush for their meaning.

    ``saved`` are other caches of the catalogue, whose keys are backed up where a pattern that asks for no backup
    matches them as well.
    """

    patterns: tuple[CachePattern, ...]
    saved: tuple[CachePattern, ...] = ()
    mode: str = "delete"
    expire_window: int = 300
    batch_size: int = 700
    rate_limit: int = 0
    max_latency_ms: float = 0.0
    max_replica_lag_bytes: int = 64 * 1024 * 1024
    big_key_bytes: int = 1024 * 1024
    max_keys: int = 1_000_000
    max_share: float = 0.5
    allow_broad: bool = False
    allow_sensitive: tuple[str, ...] = ()
    environment: str = ""
    confirm: str = ""
    expected_run_id: str = ""
    recovery_timeout: float = 0.0

    @property
    def globs(self) -> list[bytes]:
        return [to_bytes(entry.pattern) for entry in self.patterns]

    @functools.cached_property
    def matcher(self) -> Matcher:
        return Matcher(self.patterns)

    @property
    def makes_backup(self) -> bool:
        return bool(self.saved) or any(entry.backup for entry in self.patterns)

    @functools.cached_property
    def _savers(self) -> Matcher | None:
        return Matcher(self.saved, found=False) if self.saved else None

    def saver(self, key: bytes, pattern: int) -> int | None:
        """Return the cache for which a key of a pattern is backed up, by its place in patterns and saved; or None."""
        if self.patterns[pattern].backup:
            return pattern
        found = self._savers.matches(key) if self._savers else []
        return len(self.patterns) + found[0] if found else None

    def fingerprint(self, server: ServerInfo) -> str:
        """Identify "the same command": the same patterns, mode and database of the same "
        "server, wherever it restarts."""
        return plan_content(server.url, server.database, self._what())

    @property
    def command(self) -> str:
        """Identify what is to be done, wherever: together with the database it is the same command."""
        return plan_content(self._what())

    def confirmed(self, server: ServerInfo) -> str:
        """Identify what an operator confirms: the server process as well, and the guards."""
        return plan_content(server.identity, self._what(), self.max_keys, self.max_share, self.allow_broad)

    def _what(self) -> list[t.Any]:
        what = [sorted((entry.pattern, entry.backup) for entry in self.patterns), self.mode, self.expire_window]
        return [*what, *([sorted(entry.pattern for entry in self.saved)] if self.saved else [])]


def database_hash(server: ServerInfo) -> str:
    """Identify the database of a server, wherever it restarts."""
    return hashlib.sha256(f"{server.url} {server.database}".encode()).hexdigest()[:16]


@dataclass
class PatternPlan:
    """What one pattern matches; a key that matches several counts for the first of them, or the first with a backup.

    ``to_change`` leaves out keys that are as they should be (mode expire).
    """

    pattern: str
    name: str
    backup: bool
    matched: int = 0
    to_change: int = 0

    @property
    def title(self) -> str:
        return CachePattern(self.pattern, self.name).title


@dataclass
class FlushPlan:
    """What a flush would do; the same in check mode and for real. Sizes are bytes, times seconds.

    ``continues`` is the id of an unfinished run of the same command, which would be finished. ``missing_commands`` are
    those that the server lacks and that a flush can do without.
    """

    server: ServerInfo
    topology: str
    nodes: list[dict[str, t.Any]]
    mode: str
    patterns: list[PatternPlan]
    database_keys: int
    sample: list[str]
    estimated_bytes: int
    estimated_seconds: float
    confirm: str
    big_keys: int = 0
    continues: str = ""
    not_verified: list[str] = field(default_factory=list)
    missing_commands: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def matched(self) -> int:
        return sum(entry.matched for entry in self.patterns)

    @property
    def to_change(self) -> int:
        return sum(entry.to_change for entry in self.patterns)

    def as_result(self) -> dict[str, t.Any]:
        return {**asdict(self), "matched": self.matched, "to_change": self.to_change}


def needs_expiry(ttl: t.Any, window_ms: int) -> bool:
    """Tell whether a key with this PTTL reply lives longer than the window (-1: for ever; -2: it is gone)."""
    return bool(ttl == -1 or ttl > window_ms)


def pending_keys(connection: Connection, keys: list[bytes], request: FlushRequest) -> list[bytes]:
    """Return those keys that are not yet as the request wants them."""
    if request.mode == "delete" or not keys:
        return keys
    ttls = connection.pipeline([pack(b"PTTL", key) for key in keys])
    if first_error(ttls) is not None:
        # A key on its way between two nodes of a cluster: who touches it will see.
        ttls = [-1 if is_redirect(ttl) else ttl for ttl in ttls]
        if first_error(ttls) is not None:
            raise refused("PTTL", first_error(ttls))
    return [key for key, ttl in zip(keys, ttls) if needs_expiry(ttl, request.expire_window * 1000)]


@dataclass
class NodeCount:
    """What the patterns match on one node.

    ``overlaps`` counts keys that are saved for one pattern and match another that asks for no backup, by their indexes.
    """

    database_keys: int
    patterns: list[PatternPlan]
    sample: list[str] = field(default_factory=list)
    sized: int = 0
    sized_bytes: int = 0
    big_keys: int = 0
    overlaps: Counter[tuple[int, int]] = field(default_factory=Counter)


def count_matches(
    deployment: Deployment,
    session: Session,
    request: FlushRequest,
    pace: Pace,
    on_progress: t.Callable[[int], None],
) -> NodeCount:
    """Count what the patterns match on one node, in a full pass that writes nothing."""
    counts = NodeCount(
        session.data.execute(b"DBSIZE"),
        [PatternPlan(entry.pattern, entry.name, entry.backup) for entry in request.patterns],
    )
    if not deployment.serves(session, *request.globs):
        return counts
    found = 0
    for page in scan(session.scan, request.matcher, pace.scan_count):
        for index, number in Counter(page.patterns).items():
            counts.patterns[index].matched += number
        for index, number in _pending_patterns(session.data, page, request).items():
            counts.patterns[index].to_change += number
        counts.overlaps.update(_overlaps(request, page))
        counts.sample.extend(printable(key) for key in page.keys[: max(_SAMPLE_NAMES - len(counts.sample), 0)])
        found += len(page.keys)
        if counts.sized < max(_SIZED_AT_LEAST, found * _SIZED_SHARE):
            _note_sizes(counts, sizes_of(session.data, page.keys[:_SIZED_PER_PAGE]), request)
        pace.pace(0)
        on_progress(found)
    return counts


def _pending_patterns(connection: Connection, page: Page, request: FlushRequest) -> Counter[int]:
    """Count by patterns the keys of a page that are not yet as the request wants them."""
    if request.mode == "delete":
        return Counter(page.patterns)
    pending = set(pending_keys(connection, page.keys, request))
    return Counter(index for key, index in zip(page.keys, page.patterns) if key in pending)


def _overlaps(request: FlushRequest, page: Page) -> t.Iterator[tuple[int, int]]:
    if request.makes_backup and not all(entry.backup for entry in request.patterns):
        for key, index in zip(page.keys, page.patterns):
            other = request.matcher.matches(key)[-1]
            saver = request.saver(key, index)
            if saver is not None and not request.patterns[other].backup:
                yield saver, other


def _note_sizes(counts: NodeCount, sizes: list[int], request: FlushRequest) -> None:
    counts.sized += len(sizes)
    counts.sized_bytes += sum(sizes)
    counts.big_keys += sum(size >= request.big_key_bytes for size in sizes)


def make_plan(deployment: Deployment, request: FlushRequest, counts: t.Mapping[str, NodeCount]) -> FlushPlan:
    """Make the plan of what was counted on each node (by its URL)."""
    nodes = list(counts.values())
    patterns = [
        PatternPlan(
            entry.pattern,
            entry.name,
            entry.backup,
            sum(node.patterns[index].matched for node in nodes),
            sum(node.patterns[index].to_change for node in nodes),
        )
        for index, entry in enumerate(request.patterns)
    ]
    matched = sum(entry.matched for entry in patterns)
    sized, sized_bytes = sum(node.sized for node in nodes), sum(node.sized_bytes for node in nodes)
    server = deployment.server
    return FlushPlan(
        server=server,
        topology=deployment.topology,
        nodes=[
            {
                "url": url,
                "database_keys": node.database_keys,
                "matched": sum(entry.matched for entry in node.patterns),
                "to_change": sum(entry.to_change for entry in node.patterns),
            }
            for url, node in counts.items()
        ],
        mode=request.mode,
        patterns=patterns,
        database_keys=sum(node.database_keys for node in nodes),
        sample=[name for node in nodes for name in node.sample][:_SAMPLE_NAMES],
        estimated_bytes=sized_bytes * matched // sized if sized else 0,
        estimated_seconds=round(matched / request.rate_limit if request.rate_limit else matched / 50_000, 1),
        confirm=make_confirmation(request.confirmed(server), matched),
        big_keys=sum(node.big_keys for node in nodes),
        notices=list(_overlap_notices(request, nodes)),
    )


def _overlap_notices(request: FlushRequest, nodes: t.Iterable[NodeCount]) -> t.Iterator[str]:
    overlaps: Counter[tuple[int, int]] = sum((node.overlaps for node in nodes), Counter())
    caches = [*request.patterns, *request.saved]
    for (index, other), number in overlaps.most_common(_OVERLAPS):
        yield (
            f"{plural(number, 'key')} of {request.patterns[other].title}, which asks for no backup, "
            f"{'matches' if number == 1 else 'match'} {caches[index].title} as well: "
            f"{'it is' if number == 1 else 'they are'} backed up."
        )
    if len(overlaps) > _OVERLAPS:
        yield f"So are keys of {len(overlaps) - _OVERLAPS} more pairs of patterns."


_RANGES: dict[str, tuple[float, float]] = {
    "expire_window": (1, 31_536_000),
    "batch_size": (10, 10_000),
    "rate_limit": (0, 10_000_000),
    "max_latency_ms": (0, 60_000),
    "max_replica_lag_bytes": (0, 2**40),
    "big_key_bytes": (1024, 2**29),
    "max_keys": (0, 10**12),
    "max_share": (0, 1),
    "recovery_timeout": (0, 86_400),
}


def check_request(request: FlushRequest) -> None:
    """Refuse values out of range and patterns that are too broad or name no cache, before the "
    "server is asked anything."""
    for name, (least, most) in _RANGES.items():
        value = getattr(request, name)
        if not least <= value <= most:
            raise InvalidInput(f"O({name}) is {value:g}; allowed is {least:g} to {most:g}.")
    if not request.patterns:
        raise InvalidInput("There is nothing to flush: name a cache of the catalogue in O(names), or give O(patterns).")
    for entry in request.patterns:
        prefix = literal_prefix(entry.pattern)
        if len(prefix) < _MIN_PREFIX and not request.allow_broad:
            raise Refused(
                f"The pattern {entry.pattern!r} is too broad: it begins with {len(prefix)} literal characters, "
                f"at least {_MIN_PREFIX} are demanded; narrow it, or set "
                f"O(allow_broad)=true after a look at the plan."
            )
        segments = re.split(r"[^a-z]+", entry.pattern.lower())
        for word in SENSITIVE_WORDS:
            if {word, word + "s"} & set(segments) and word not in request.allow_sensitive:
                raise Refused(
                    f"The pattern {entry.pattern!r} names {word!r}, which is usually no cache: "
                    f"flushing it may log users out, "
                    f"lift limits or lose jobs; if that is wanted, add {word!r} to O(allow_sensitive)."
                )


def made_plan(made: t.Mapping[str, t.Any] | None, request: FlushRequest, server: ServerInfo) -> FlushPlan | None:
    """Return a plan that was made of this request for this server process a moment ago; None if it is another one."""
    try:
        values = {entry.name: made[entry.name] for entry in fields(FlushPlan)} if made else {}
        patterns = [PatternPlan(**entry) for entry in values["patterns"]]
        # What an operator has to know is found out again.
        plan = FlushPlan(**{**values, "server": server, "patterns": patterns, "notices": [], "continues": ""})
        check_confirmation(plan.confirm, request.confirmed(server), plan.matched, "")
    except (KeyError, TypeError, RunbookError):
        return None
    return plan


class Allowance:
    """How many keys a flush may touch: the guards of its plan hold while it works, as keys are written meanwhile.

    Several nodes may ask at once; each counts what its pass touches.
    """

    def __init__(self, request: FlushRequest, plan: FlushPlan) -> None:
        limits = [(request.max_keys, f"O(max_keys) is {request.max_keys}")]
        if request.max_share < 1 and not request.allow_broad:
            share = max(int(request.max_share * plan.database_keys), _SHARE_GUARD_FROM)
            limits.append((share, f"O(max_share) is {request.max_share:.0%} of {plan.database_keys} keys"))
        if is_production(request.environment):
            growth = int(_CONFIRM_GROWTH * plan.matched)
            limits.append((growth, f"{plan.matched} were planned, allowed is {_CONFIRM_GROWTH:g} times as many"))
        self._most, self._reason = min(limits)
        self._touched = Tally(self._check)

    def check(self, node: object, touched: int) -> None:
        """Note what a pass touches on a node; raise Refused if that is too much, with all other nodes."""
        self._touched.set(node, touched)

    def _check(self, touched: int) -> None:
        if touched > self._most:
            raise Refused(
                f"More keys match than the plan allows ({self._reason}), as keys are written meanwhile; "
                "look at the plan again, then repeat the command."
            )


def check_role(deployment: Deployment) -> None:
    for session in deployment.sessions:
        server = session.server
        if server.role != "primary":
            raise Refused(
                f"Redis at {server.url} is a {server.role}; keys can only be changed on a primary: "
                + (f"use its primary, {server.primary}." if server.primary else "use the URL of its primary.")
            )


def check_writes(deployment: Deployment) -> None:
    """Refuse servers that would take no write, as far as that can be told without one."""
    for session in deployment.sessions:
        if session.data.lacks_replicas:
            raise no_replicas(session.server.url)


def check_server(request: FlushRequest, deployment: Deployment) -> None:
    check_role(deployment)
    run_ids = [session.server.run_id for session in deployment.sessions]
    if request.expected_run_id and request.expected_run_id not in run_ids:
        raise Refused(
            f"Redis at {deployment.server.url} has the run id {' and '.join(run_ids)}, expected was "
            f"{request.expected_run_id}; check that the URL names the right server, which was not restarted since."
        )


def check_plan(request: FlushRequest, plan: FlushPlan, *, confirm_needed: bool) -> None:
    """Refuse a plan that is larger than allowed or, in production, was not confirmed."""
    if plan.matched > request.max_keys:
        raise Refused(
            f"{plan.matched} keys match, allowed are {request.max_keys}; "
            "narrow the pattern, or raise O(max_keys) after a look at the plan."
        )
    share = plan.matched / plan.database_keys if plan.database_keys else 0.0
    if plan.matched > _SHARE_GUARD_FROM and share > request.max_share and not request.allow_broad:
        raise Refused(
            f"{plan.matched} of {plan.database_keys} keys match ({share:.0%} of the database), allowed are "
            f"{request.max_share:.0%} ; narrow the pattern, raise O(max_share), or set "
            f"O(allow_broad)=true."
        )
    if confirm_needed and is_production(request.environment) and plan.to_change:
        check_confirmation(
            request.confirm,
            request.confirmed(plan.server),
            plan.matched,
            f"{plan.matched} keys match",
            growth=_CONFIRM_GROWTH,
        )


def confirmation(request: FlushRequest, plan: FlushPlan) -> dict[str, t.Any]:
    """Return what the module runbook_confirm takes."""
    return {
        "content": request.confirmed(plan.server),
        "count": plan.matched if plan.to_change else 0,
        "what": f"{plan.matched} keys match",
        "growth": _CONFIRM_GROWTH,
        "lines": [
            f"{plan.server.url} ({plan.server.name} {plan.server.version})",
            f"primary: {', '.join(node['url'] for node in plan.nodes)}",
        ],
    }
