# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Causes that can be told by the form of a line, and what to do about each. PRIVATE to the collection."""

from __future__ import annotations

import difflib
import re
import typing as t


class Cause(t.NamedTuple):
    """What lines of a form tell; ``what`` goes on after the name of a container, with the groups of ``pattern``."""

    kind: str
    pattern: re.Pattern[str]
    what: str
    step: str


def _cause(kind: str, pattern: str, what: str, step: str) -> Cause:
    return Cause(kind, re.compile(pattern, re.IGNORECASE), what, step)


def _answer(code: str, reason: str) -> str:
    """Return what matches the status of an answer, and no other number."""
    return (
        r"(?:http(?:/\d(?:\.\d)?)?|status(?:_?code)?|code|response|answer\w*|return\w*|got|error)\\?[\"']?[\s:=(]{1,3}"
        rf"(?:\w+[\s:=]{{1,3}})?{code}\b|\b{code}\b\W{{1,3}}(?:{reason})"
    )


# What a login that failed for another reason goes on with.
_NOT_REACHED = r"(?!.{0,60}(?:time.?out|timed out|refused|certificate|unavailable|unreachable|resolve))"

# From the most telling to the least.
CAUSES = (
    _cause(
        "rbac",
        r"is forbidden: User \\?\"(?P<user>[^\"\\]+)\\?\" cannot (?P<verb>\w+) resource "
        r"\\?\"(?P<resource>[^\"\\]+)\\?\""
        r"(?: in API group \\?\"(?P<group>[^\"\\]*)\\?\")?(?: in the namespace \\?\"(?P<space>[^\"\\]+)\\?\")?",
        "lacks a right: {user} may not {verb} {resource}{where}",
        "bind a Role with {verb} on {resource} to it (kubectl auth can-i {verb} {resource}{option} --as={user})",
    ),
    _cause(
        "disk_full",
        r"no space left on device|ENOSPC|disk quota exceeded|database or disk is full|errno 28",
        "cannot write: the disk is full",
        "free or enlarge the volume that it writes to (df from inside), or raise its limit for ephemeral storage",
    ),
    _cause(
        "clock",
        r"RequestTimeTooSkewed|clock skew|token used before issued|(?:is|was) not yet valid|issued in the future",
        "sees another time than its peer",
        "compare the clocks of the node and of the peer (date on both), and look at the node's time synchronisation",
    ),
    _cause(
        "out_of_memory",
        r"java\.lang\.OutOfMemoryError|heap out of memory|MemoryError|cannot allocate memory|std::bad_alloc|"
        r"runtime: out of memory",
        "has no more memory of its own",
        "compare the heap that the program gives itself with the memory limit of the container, and look for a leak",
    ),
    _cause(
        "pool_exhausted",
        r"pool (?:is |was )?(?:exhausted|full|timed? ?out)|exhausted.{0,40}\bpool|QueuePool limit|"
        r"(?:timeout|waiting|wait).{0,40}\bconnection from (?:the )?pool|too many connections|too many clients|"
        r"remaining connection slots|max number of clients|"
        r"(?:unable to|could not|cannot|failed to) (?:acquire|get|obtain) (?:a |new |jdbc )*connection|"
        r"connection (?:pool )?.{0,30}not available, request timed out|no (?:available|free) connections?",
        "has no free connection left in its pool",
        "find out who holds connections (slow queries, leaks), and compare the pool's size with the limit of the "
        "server",
    ),
    _cause(
        "open_files_log",
        r"too many open files|EMFILE",
        "has too many open files",
        "look for files or connections that are never closed, or raise the limit",
    ),
    _cause(
        "unknown_name",
        r"lookup (?P<name>[\w.-]+)(?: on \S+)?: no such host|ENOTFOUND (?P<name2>[\w.-]+)|"
        r"could not resolve host:? (?P<name3>[\w.-]+)|could not translate host name \\?\"(?P<name4>[\w.-]+)|"
        r"(?:failed to resolve|can(?:not|'t) resolve|unknown host|UnknownHostException):? ['\"]?(?P<name5>[\w.-]+)|"
        r"server can't find (?P<name8>[\w.-]+)\.?: (?:NXDOMAIN|SERVFAIL|REFUSED)|"
        r"EAI_AGAIN (?P<name6>[\w.-]+)|no such host|name or service not known|nodename nor servname|"
        r"temporary failure in name resolution|server misbehaving|"
        r"getaddrinfo(?: (?:ENOTFOUND|EAI_AGAIN) (?P<name7>[\w.-]+))?",
        "cannot resolve {name}",
        "correct the name where it is configured (environment, ConfigMap), or make the Service that it names; if other "
        "names fail too, look at the cluster's DNS",
    ),
    _cause(
        "authentication",
        rf"(?:auth(?:entication)?|login|logon) (?:failed|failure|error)\b{_NOT_REACHED}|WRONGPASS|"
        r"NOAUTH|access denied for user|invalid (?:api.?key|credentials|username|password|login|token)|"
        r"bad credentials|SASL authentication|" + _answer("401", "unauthorized"),
        "is refused by a peer for its credentials",
        "compare the Secret that it uses with what the peer expects; a Secret that has changed reaches variables only "
        "after a restart",
    ),
    _cause(
        "rate_limited",
        r"too many requests|rate.?limit(?:ed|ing)?\b(?! is | set)|quota exceeded|toomanyrequests|throttlingexception|"
        + _answer("429", "too many"),
        "is turned away for too many requests (429)",
        "lower the rate of its requests (retries, workers), or ask the peer for a higher limit",
    ),
    _cause(
        "tls",
        r"x509: [^\"]{0,120}|certificate (?:verify|validation|verification) failed|certificate (?:has )?expired|"
        r"unknown (?:certificate )?authority|"
        r"(?:tls|ssl).{0,30}handshake.{0,20}(?:fail|error|alert)|self.signed certificate|PKIX path building failed|"
        r"SSLHandshakeException",
        "cannot trust the certificate of a peer",
        "look at the certificate of the peer (openssl s_client -connect HOST:PORT) and at the CA that the program "
        "trusts",
    ),
    _cause(
        "refused",
        r"(?:dial tcp |\bconnect(?:ing|ion)?(?: to)? )[\"']?(?P<peer>[\w.-]+:\d{1,5})\b.{0,80}?"
        r"(?:refused|timed? ?out|no route|reset|unreachable|failed)|ECONNREFUSED (?P<peer2>[\w.-]+:\d{1,5})|"
        r"(?P<peer4>[\w.-]+:\d{1,5})(?:: |\W{1,3})(?:\w+: )?connection refused|"
        r"connection refused(?: to|:)?\W{0,3}(?:ECONNREFUSED\W{1,3})?(?P<peer3>[\w.-]+:\d{1,5})?|"
        r"ECONNREFUSED(?:\W{1,3}(?P<peer5>[\w.-]+:\d{1,5}))?|couldn't connect to server|"
        r"no route to host|network is unreachable",
        "cannot connect to {peer}",
        "check whether the peer runs and listens there, whether its Service has endpoints, and which NetworkPolicies "
        "are between",
    ),
    _cause(
        "connection_lost",
        r"connection reset by peer|ECONNRESET|broken pipe|EPIPE\b|unexpected EOF|server closed the connection",
        "loses its connection to a peer",
        "check whether the peer is restarted or overloaded, and whether a proxy between ends idle connections",
    ),
    _cause(
        "port_in_use",
        r"address already in use|EADDRINUSE|port is already allocated|bind: .{0,40}in use",
        "cannot listen: its port is taken",
        "give each container of the pod a port of its own; with host network, each pod of the node",
    ),
    _cause(
        "schema",
        r"relation \\?\"(?P<name>[^\"\\]+)\\?\" does not exist|no such table:? (?P<name2>\S+)|"
        r"table '(?P<name3>[^']+)' doesn't exist|unknown database '(?P<name4>[^']+)'|database "
        r"\\?\"(?P<name5>[^\"\\]+)\\?\" "
        r"does not exist|no such column|unknown column",
        "misses {name} in its database",
        "run the migration of the schema, or correct the name of the database",
    ),
    _cause(
        "query",
        r"query.{0,40}syntax error|syntax error at (?:or near|position|line)|error in your SQL syntax|SQLSyntaxError",
        "sends its database a query that is wrong",
        "correct the query that the message names, and look at what was deployed last",
    ),
    _cause(
        "constraint",
        r"duplicate key value|duplicate entry|violates .{0,30}constraint|unique constraint (?:failed|violat)|"
        r"constraint violation",
        "violates a constraint of its database",
        "look for what writes the same row twice, or for rows that lack what they refer to",
    ),
    _cause(
        "lock",
        r"deadlock (?:detected|found)|lock wait timeout|could not obtain lock|database is locked",
        "waits for a lock of its database",
        "find out which session holds the lock",
    ),
    _cause(
        "command_missing",
        r"(?:^|[\s/])(?:sh|bash|ash|dash|env)(?:: (?:line )?\d+)?: [\"'`]?(?P<name>[\w./+-]+)[\"'`]?: "
        r"(?:command not found|not found|No such file or directory)|exec: "
        r"[\"'](?P<name2>[^\"']+)[\"']: executable file not found",
        "starts {name}, and there is no such program in its image",
        "correct the command of the container{typo}, or put {name} into the image and its $PATH",
    ),
    _cause(
        "option",
        r"(?:unknown|unrecognized|invalid|illegal|no such|undefined|unsupported) (?:shorthand )?(?:flag|option)s?"
        r":? (?:-- )?[\"'`]?(?P<name>-{0,2}[\w-]{1,60})|unrecognized arguments?: (?P<name3>\S+)|"
        r"flag provided but not defined: (?P<name2>\S+)",
        "does not know the option {name}",
        "correct the arguments of the container (args, command), or take the version of the image that knows it",
    ),
    _cause(
        "module_missing",
        r"(?:ModuleNotFoundError|ImportError|cannot find module|Could not find or load main class|"
        r"ClassNotFoundException|"
        r"NoClassDefFoundError|error while loading shared libraries)[^\n]{0,160}",
        "lacks a part of its program",
        "rebuild the image with it: what the message names is not in there",
    ),
    _cause(
        "platform",
        r"exec format error",
        "is built for another processor",
        "take an image for the architecture of the node",
    ),
    _cause(
        "setting_missing",
        # Names of variables are in capitals; others are those of fields.
        r"variables? [\"'`]?(?P<name>(?-i:[A-Z][A-Z0-9_]{2,}))[\"'`]? (?:is |are |was )?(?:not set|required|missing|"
        r"undefined|unset|empty)|KeyError: '(?P<name2>(?-i:[A-Z][A-Z0-9_]{2,}))'|"
        r"missing (?:required )?(?:environment )?variable:? [\"'`]?(?P<name3>(?-i:[A-Z][A-Z0-9_]{2,}))|"
        r"(?P<name4>(?-i:[A-Z][A-Z0-9_]{2,})): (?:unbound variable|parameter not set)|"
        r"[\"'`]?(?P<name5>(?-i:[A-Z][A-Z0-9]*_[A-Z0-9_]+))[\"'`]? (?:is|must be|environment variable is) "
        r"(?:not set|required|missing|set)",
        "lacks the setting {name}",
        "set it in the environment of the container, a ConfigMap or a Secret",
    ),
    _cause(
        "read_only",
        r"read-only file system|EROFS",
        "cannot write: its file system is read-only",
        "mount an emptyDir where it writes, or let it write elsewhere",
    ),
    _cause(
        "database_right",
        r"permission denied for (?:table|relation|schema|database|sequence|function|view) (?P<name>\S+)|"
        r"command denied to user '(?P<name2>[^']+)'",
        "lacks a right in its database: {name}",
        "grant its user the right in the database",
    ),
    _cause(
        "file_permission",
        r"permission denied|EACCES|operation not permitted|EPERM\b",
        "is denied something by the system (permission)",
        "compare the user that it runs as with the owner of what it opens (runAsUser, fsGroup), and its capabilities",
    ),
    _cause(
        "file_missing",
        r"[\"' ](?P<name>/[\w./-]+)[\"']?: no such file or directory|"
        r"no such file or directory:? [\"'](?P<name2>[^\"']+)|(?:ENOENT|FileNotFoundException):? (?P<name3>/[\w./-]+)|"
        r"no such file or directory|ENOENT|FileNotFoundError|FileNotFoundException",
        "misses {file}",
        "mount the file that the message names (ConfigMap, Secret, volume), or correct its path",
    ),
    _cause(
        "forbidden",
        r"\bforbidden\b|access ?denied|not authorized|" + _answer("403", "forbidden"),
        "is forbidden what it asks for (403)",
        "find out which right its user, ServiceAccount or token lacks at the peer",
    ),
    _cause(
        "timeout",
        r"timed[ -]?out|deadline exceeded|ETIMEDOUT|Timeout(?:Error|Exception)\b|"
        r"(?:request|connection|connect|read|gateway|i/o) timeout|timeout (?:expired|exceeded|reached|waiting|after|"
        r"while)",
        "waits too long for a peer",
        "check whether the peer is slow or cannot be reached (its load, NetworkPolicies between), before the time-out "
        "is raised",
    ),
    _cause(
        "peer_failing",
        r"bad gateway|service unavailable|internal server error|"
        + _answer("50[0234]", "internal|bad gateway|service|gateway"),
        "gives or gets errors of a server (5xx)",
        "look at the log of the server that answers so",
    ),
)


class Told(t.NamedTuple):
    """A cause that a line tells: words that go on after the name of a container, and what to do.

    ``peer`` is the host and port that it names.
    """

    kind: str
    what: str
    step: str
    peer: str = ""


# Programs that commands of containers are usually meant to be.
_PROGRAMS = (
    *("bash", "sh", "wget", "curl", "python", "python3", "node", "npm", "java", "nginx", "redis-server", "gunicorn"),
    *("uvicorn", "celery", "sleep", "cat", "echo", "tail", "supervisord", "postgres", "mysqld", "kubectl", "openssl"),
    *("dotnet", "ruby", "bundle", "php", "php-fpm", "perl", "caddy", "envoy", "haproxy", "busybox", "make", "psql"),
)


def typo(name: str) -> str:
    """Return a question for the program that a name is probably meant to be, to go on after what to correct."""
    program = name.rpartition("/")[2]
    close = difflib.get_close_matches(program, _PROGRAMS, 1, 0.75) if program not in _PROGRAMS else []
    return f" (is {close[0]} meant?)" if close else ""


def told_by(text: str) -> Told | None:
    """Return the most telling cause of a text, None if it tells none."""
    for cause in CAUSES:
        if found := cause.pattern.search(text):
            groups = {name: value for name, value in found.groupdict().items() if value}
            name = next((value for key, value in groups.items() if key.startswith("name")), "")
            peer = next((value for key, value in groups.items() if key.startswith("peer")), "")
            space = groups.get("space", "")
            values = {
                "user": groups.get("user", ""),
                "verb": groups.get("verb", ""),
                "resource": groups.get("resource", "") + (f".{groups['group']}" if groups.get("group") else ""),
                "where": f" in the namespace {space}" if space else " in the whole cluster",
                "option": f" -n {space}" if space else " -A",
                "name": name or {"unknown_name": "a name", "schema": "something"}.get(cause.kind, "that it needs"),
                "peer": peer or "a peer",
                "typo": typo(name),
                "file": f"the file {name}" if name else "a file",
            }
            return Told(cause.kind, cause.what.format(**values), cause.step.format(**values), peer)
    return None
