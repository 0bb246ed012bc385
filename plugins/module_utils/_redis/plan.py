# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a flush would do, and the guards that may refuse it. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone

from .._errors import InvalidInput, Refused
from .._run import utc_now
from . import bigkey
from .catalogue import CachePattern
from .connection import Connection, ServerInfo, first_error, is_error, is_redirect, pack, refused
from .deployment import Deployment
from .names import literal_prefix, printable, to_bytes
from .scan import scan
from .session import Session
from .throttle import Pace

SENSITIVE_WORDS = (
    *("session", "sess", "auth", "token", "jwt", "oauth", "rate", "limit", "lock", "mutex", "leader"),
    *("queue", "bull", "celery", "job", "sidekiq", "resque"),
)
_MIN_PREFIX = 3
_SHARE_GUARD_FROM = 1000
_SAMPLE_NAMES = 10
_SIZED_PER_PAGE = 4
_CONFIRM_VALID = timedelta(minutes=30)
_CONFIRM_GROWTH = 1.2
_CONFIRM_FORM = re.compile(r"([0-9a-f]{16})-([0-9]+)-([0-9]{8}T[0-9]{6}Z)")


@dataclass(frozen=True)
class FlushRequest:
    """What the operator asked for; see the options of the module redis_flush for their meaning."""

    patterns: tuple[CachePattern, ...]
    mode: str = "delete"
    expire_window: int = 300
    batch_size: int = 1000
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

    def fingerprint(self, server: ServerInfo) -> str:
        """Identify "the same command": the same patterns, mode and database of the same "
        "server, wherever it restarts."""
        return self._hash([server.url, server.database, self._what()])

    def plan_hash(self, server: ServerInfo, *carried: t.Any) -> str:
        return self._hash([server.identity, self._what(), self.max_keys, self.max_share, self.allow_broad, *carried])

    def _what(self) -> list[t.Any]:
        return [sorted((entry.pattern, entry.backup) for entry in self.patterns), self.mode, self.expire_window]

    @staticmethod
    def _hash(content: list[t.Any]) -> str:
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def database_hash(server: ServerInfo) -> str:
    """Identify the database of a server, wherever it restarts."""
    return hashlib.sha256(f"{server.url} {server.database}".encode()).hexdigest()[:16]


@dataclass
class PatternPlan:
    """What one pattern matches. ``to_change`` leaves out keys that are as they should be (mode expire)."""

    pattern: str
    name: str
    backup: bool
    matched: int = 0
    to_change: int = 0


@dataclass
class FlushPlan:
    """What a flush would do; the same in check mode and for real. Sizes are bytes, times seconds.

    ``continues`` is the id of an unfinished run of the same command, which would be finished.
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
    """What the patterns match on one node."""

    database_keys: int
    patterns: list[PatternPlan]
    sample: list[str] = field(default_factory=list)
    sized: int = 0
    sized_bytes: int = 0
    big_keys: int = 0


def count_matches(
    deployment: Deployment,
    session: Session,
    request: FlushRequest,
    pace: Pace,
    on_progress: t.Callable[[int], None],
) -> NodeCount:
    """Count what the patterns match on one node, in a full pass that writes nothing."""
    counts = NodeCount(session.data.execute(b"DBSIZE"), [])
    found = 0
    for entry in request.patterns:
        counted = PatternPlan(entry.pattern, entry.name, entry.backup)
        counts.patterns.append(counted)
        if not deployment.serves(session, to_bytes(entry.pattern)):
            continue
        for page in scan(session.scan, entry.pattern, pace.scan_count, sizes_per_page=_SIZED_PER_PAGE):
            counted.matched += len(page.keys)
            counted.to_change += len(pending_keys(session.data, page.keys, request))
            counts.sample.extend(printable(key) for key in page.keys[: max(_SAMPLE_NAMES - len(counts.sample), 0)])
            counts.sized += len(page.sizes)
            counts.sized_bytes += sum(page.sizes)
            counts.big_keys += sum(size >= request.big_key_bytes for size in page.sizes)
            found += len(page.keys)
            pace.pace(0)
            on_progress(found)
    return counts


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
    now = utc_now()
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
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
        confirm=f"{request.plan_hash(server, matched, stamp)}-{matched}-{stamp}",
        big_keys=sum(node.big_keys for node in nodes),
    )


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
            raise InvalidInput(f"flush_redis_{name} is {value:g}; allowed is {least:g} to {most:g}.")
    if not request.patterns:
        raise InvalidInput("There is nothing to flush: name a cache of the catalogue or give a pattern.")
    for entry in request.patterns:
        prefix = literal_prefix(entry.pattern)
        if len(prefix) < _MIN_PREFIX and not request.allow_broad:
            raise Refused(
                f"The pattern {entry.pattern!r} is too broad: it begins with {len(prefix)} literal characters, "
                f"at least {_MIN_PREFIX} are demanded; narrow it, or set "
                f"flush_redis_allow_broad=true after a look at the plan."
            )
        segments = re.split(r"[^a-z]+", entry.pattern.lower())
        for word in SENSITIVE_WORDS:
            if {word, word + "s"} & set(segments) and word not in request.allow_sensitive:
                raise Refused(
                    f"The pattern {entry.pattern!r} names {word!r}, which is usually no cache: "
                    f"flushing it may log users out, "
                    f"lift limits or lose jobs; if that is wanted, add {word!r} to flush_redis_allow_sensitive."
                )


def check_role(deployment: Deployment) -> None:
    for session in deployment.sessions:
        server = session.server
        if server.role != "primary":
            raise Refused(
                f"Redis at {server.url} is a {server.role}; keys can only be changed on a primary: "
                + (f"use its primary, {server.primary}." if server.primary else "use the URL of its primary.")
            )


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
            "narrow the pattern, or raise flush_redis_max_keys after a look at the plan."
        )
    share = plan.matched / plan.database_keys if plan.database_keys else 0.0
    if plan.matched > _SHARE_GUARD_FROM and share > request.max_share and not request.allow_broad:
        raise Refused(
            f"{plan.matched} of {plan.database_keys} keys match ({share:.0%} of the database), allowed are "
            f"{request.max_share:.0%} ; narrow the pattern, raise flush_redis_max_share, or set "
            f"flush_redis_allow_broad=true."
        )
    if confirm_needed and request.environment.casefold() == "production" and plan.to_change:
        _check_confirm(request, plan)


def _check_confirm(request: FlushRequest, plan: FlushPlan) -> None:
    advice = f"look at the plan, then run again with flush_redis_confirm={plan.confirm}"
    if not request.confirm:
        raise Refused(f"This is production, where the plan must be confirmed ({plan.matched} keys match); {advice}.")
    form = _CONFIRM_FORM.fullmatch(request.confirm)
    if not form:
        raise InvalidInput(f"The confirmation {request.confirm!r} has not the form of a plan's hash; {advice}.")
    digest, count, stamp = form[1], int(form[2]), form[3]
    if digest != request.plan_hash(plan.server, count, stamp):
        raise Refused(f"The confirmation is for another plan (server, database, patterns or options differ); {advice}.")
    age = utc_now() - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    if not timedelta(0) <= age <= _CONFIRM_VALID:
        raise Refused(f"The confirmation is {age} old, it is valid for {_CONFIRM_VALID}; {advice}.")
    if plan.matched > _CONFIRM_GROWTH * count:
        raise Refused(
            f"{plan.matched} keys match now, {count} did when the plan was confirmed (allowed is "
            f"{_CONFIRM_GROWTH:g} times as many); "
            f"{advice}."
        )


def check_rights(
    connection: Connection, commands: t.Mapping[str, t.Sequence[bytes]], keys: t.Sequence[bytes]
) -> list[str]:
    """Ask the server, without running them, whether this user may run the commands; return what it would not say.

    ``commands`` maps a command's name for people to its words, with an empty one for the key. A glob may stand for the
    keys that it matches: ACL key patterns match it as they match those. Raises Refused with every missing right.
    ACL DRYRUN came with Redis 7.0 and needs the right to run it. What is returned is one line for people, or none.
    """
    user = connection.pipeline([pack(b"ACL", b"WHOAMI")])[0]
    if is_error(user):
        return [_rights_in_words(commands)]
    missing, unknown = [], set()
    for key in keys:
        names = {b"": key, bigkey.QUARANTINED: bigkey.quarantine_name(key, "")}
        for name, words in commands.items():
            reply = connection.pipeline([pack(b"ACL", b"DRYRUN", user, *(names.get(word, word) for word in words))])[0]
            if is_error(reply):
                unknown.add(name)
            elif reply != b"OK":
                missing.append(f"{name} on {printable(key)!r}")
    if missing:
        raise Refused(
            f"The user {printable(user)!r} lacks the rights {', '.join(missing)} at {connection.server.url}; "
            "grant them in its ACL, or name another user (docs/guide_redis_acl.md has one for each purpose)."
        )
    return [_rights_in_words(unknown)] if unknown and not _may_do_everything(connection, user) else []


def _rights_in_words(commands: t.Iterable[str]) -> str:
    return f"the rights to {', '.join(sorted(commands))} (the server does not tell)"


def _may_do_everything(connection: Connection, user: bytes) -> bool:
    """Tell whether this is the default user with all rights, which is how most servers are run."""
    if user != b"default":
        return False
    about = connection.execute(b"ACL", b"GETUSER", user, optional=True) or []
    flags = dict(zip(about[::2], about[1::2])).get(b"flags", [])
    return b"allcommands" in flags and b"allkeys" in flags
