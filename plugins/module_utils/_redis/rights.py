# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a server has the commands of a run, and its user the rights to them, asked without running one. PRIVATE."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._errors import Refused
from .commands import KEY, QUARANTINED, Need
from .connection import Connection, is_error, pack
from .names import QUARANTINE_MARK, printable

# How many of the missing rights a sentence names.
_NAMED = 50


@dataclass
class Findings:
    """What could not be found out, as lines for people, and the optional commands that the server lacks."""

    not_verified: list[str] = field(default_factory=list)
    missing: dict[str, Need] = field(default_factory=dict)


def check_commands(connection: Connection, needs: t.Mapping[str, Need], keys: t.Sequence[bytes]) -> Findings:
    """Raise Refused with all that the server lacks, then with all that this user may not do; return what is left.

    Keys may be examples (``names.example_keys``): ACL key patterns match them as what they stand for.
    """
    server = connection.server
    needs = {name: need for name, need in needs.items() if server.is_since(need.since, need.since_valkey)}
    findings = Findings()
    missing = _missing(connection, needs)
    if missing is None:
        findings.not_verified.append("whether the server has all commands (COMMAND INFO is refused)")
    elif required := {name: need for name, need in missing.items() if not need.optional}:
        raise Refused(
            f"Redis at {connection.server.url} has no {_in_words(required)}; what is renamed or disabled has to be "
            "enabled first (docs/guide_redis_acl.md has a table of the commands)."
        )
    findings.missing = missing or {}
    findings.not_verified += _check_rights(connection, needs, keys)
    return findings


def _in_words(missing: t.Mapping[str, Need]) -> str:
    return ", no ".join(f"{name} (without it {need.without})" for name, need in missing.items())


def describe_missing(url: str, missing: t.Mapping[str, Need]) -> list[str]:
    """Return a line for each optional command that a server lacks."""
    return [f"Redis at {url} has no {name}, renamed or disabled: {need.without}." for name, need in missing.items()]


def _missing(connection: Connection, needs: t.Mapping[str, Need]) -> dict[str, Need] | None:
    """Return what the server does not have; None if it does not say."""
    # Redis before 7.0 knows nothing of subcommands.
    subcommands = connection.server.has_expiretime
    names = [name.replace(" ", "|") if subcommands else name.split()[0] for name in needs]
    found = connection.pipeline([pack(b"COMMAND", b"INFO", *[name.lower().encode() for name in names])])[0]
    if is_error(found) or len(found) != len(names):
        return None
    return {name: need for (name, need), about in zip(needs.items(), found) if not about}


def _check_rights(connection: Connection, needs: t.Mapping[str, Need], keys: t.Sequence[bytes]) -> list[str]:
    """ACL DRYRUN came with Redis 7.0 and needs the right to run it."""
    needs = {name: need for name, need in needs.items() if not need.optional}
    user = connection.pipeline([pack(b"ACL", b"WHOAMI")])[0]
    if is_error(user):
        return [_rights_in_words(needs)]
    refused, unknown = [], set()
    for key in keys:
        names = {KEY: key, QUARANTINED: key + QUARANTINE_MARK}
        asked = [
            pack(b"ACL", b"DRYRUN", user, *(names.get(word, word) for word in need.words)) for need in needs.values()
        ]
        for name, reply in zip(needs, connection.pipeline(asked)):
            if is_error(reply):
                unknown.add(name)
            elif reply != b"OK":
                refused.append(f"{name} on {printable(key)!r}")
    if refused:
        more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        raise Refused(
            f"The user {printable(user)!r} lacks the rights {', '.join(refused[:_NAMED])}{more} "
            f"at {connection.server.url}; "
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
