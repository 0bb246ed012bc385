# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One authenticated connection to one Redis or Valkey server. PRIVATE to the collection.

redis-py opens the socket (TCP, TLS, unix), authenticates and selects the database. The bulk of the work then goes
over that socket directly, as pre-packed commands whose replies hiredis parses: measured three to four times as fast
as redis-py's pipeline, and nothing is retried or decoded behind our back.
"""

from __future__ import annotations

import math
import os
import re
import socket
import ssl
import time
import typing as t
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from .._deps_redis import hiredis, redis_backoff, redis_connection, redis_exceptions, redis_retry
from .._errors import InvalidInput, RunbookError, as_clause

Reply = t.Any
# That of the role.
USUAL_URL = "redis://localhost:6379/0"
RECEIVE_BYTES = 1 << 18


class RedisUnavailable(RunbookError):
    """The server cannot be reached, or refuses to talk to us."""


class LoginRefused(RedisUnavailable):
    """The server does not accept user and password."""


class ConnectionLost(RedisUnavailable):
    """An established connection broke; commands without a reply have an unknown outcome."""


class CommandError(RunbookError):
    """The server answered a command with an error reply."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


# What an operator can do about an error, by its code. A server's own words may repeat what a command was given, which
# are keys, values and passwords: none of them is ever shown.
_ADVICE = {
    "NOPERM": "grant the command and the keys in the user's ACL (docs/guide_redis_acl.md has the complete line), "
    "or use another user",
    "NOAUTH": "check O(username) and O(password), or the environment variable REDISCLI_AUTH",
    "READONLY": "this server is a replica: use the URL of its primary",
    "NOREPLICAS": "the primary has fewer replicas in sync than min-replicas-to-write: wait for "
    "them, then run the command again",
    "MISCONF": "the server refuses writes because its last save failed: repair its persistence first",
    "LOADING": "the server is loading its data: wait until it has finished",
    "MASTERDOWN": "the replica has no link to its primary: use the URL of the primary",
    "OOM": "the server is at maxmemory: raise maxmemory or free memory first",
    "BUSY": "a script blocks the server: wait for it, or end it with SCRIPT KILL",
    "BUSYKEY": "the key exists",
    "NOKEY": "the key does not exist",
    "WRONGTYPE": "the key is of another type by now: run the same command again",
    "CLUSTERDOWN": "the cluster is not in state ok: repair it first",
    "CROSSSLOT": "the keys of one command are in several slots of the cluster",
    "MOVED": "the server is a node of a cluster that does not own this key",
    "ASK": "the key is being moved to another node of the cluster",
    "TRYAGAIN": "the key is being moved to another node of the cluster",
    "NOSCRIPT": "somebody has flushed the server's scripts: run the same command again",
    "EXECABORT": "a command of the transaction was refused",
    "UNKNOWN": "the server has no such command: it is renamed or disabled there, or the server is too old "
    "(docs/guide_redis_acl.md says what is needed)",
    "NODB": "the server has no such database",
    "FORMAT": "the payload is damaged, or comes from a newer server",
    "TOO_LONG": "the value is longer than the server's proto-max-bulk-len",
    "DENIED": "the server is in protected mode: it wants a password, or clients on its own machine only",
    "MAXCLIENTS": "the server has as many clients as maxclients allows: wait, or raise it",
}
_NO_ADVICE = "run it by hand with redis-cli to see what the server says"
# Errors that have no code of their own, by a part of their words.
_CODES = {
    "user executing the script can't": "NOPERM",
    "unknown command": "UNKNOWN",
    "unknown subcommand": "UNKNOWN",
    "unknown redis command": "UNKNOWN",
    "select is not allowed in cluster mode": "NODB",
    "db index is out of range": "NODB",
    "invalid db index": "NODB",
    "payload version or checksum": "FORMAT",
    "bad data format": "FORMAT",
    "invalid bulk length": "TOO_LONG",
    "max number of clients": "MAXCLIENTS",
    "no such key": "NOKEY",
}
# Before Redis 7.0 the error of a script holds that of its command.
_IN_SCRIPT = re.compile(r"^ERR Error running script .*?: -([A-Z]+) ")

# What a server answers while its cluster or its replication changes hands; it passes.
PASSING = frozenset({"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"})
REDIRECTS = ("MOVED", "ASK", "TRYAGAIN")
ASKING = b"*1\r\n$6\r\nASKING\r\n"
Address = tuple[str, int]


class Network(t.Protocol):
    """A way to servers that cannot be reached by TCP from here."""

    @property
    def option(self) -> t.Mapping[str, t.Any]:
        """What the operator gave for it, without what is secret."""

    @property
    def target(self) -> str:
        """What the guard calls the servers."""

    def guard_notes(self, namespace: str) -> list[str]:
        """Return what the guard in a namespace says of the servers; nothing where it cannot be read."""

    def prepare(self, settings: RedisSettings, name: str) -> RedisSettings:
        """Log in under a name and complete the settings; raise one sentence where that is not possible."""

    def addresses(self) -> list[Address]:
        """Return the servers to begin with; raise RedisUnavailable if there is none."""

    def open(self, address: Address, timeout: float) -> socket.socket:
        """Return a connection to a server within ``timeout`` seconds; raise RedisUnavailable."""

    def primary(self, settings: RedisSettings, name: str) -> t.Any:
        """Return the Endpoint (topology.py) of the one primary that is no node of a cluster."""


@dataclass(frozen=True)
class RedisSettings:
    """Where a server is and how to log in.

    ``url`` is ``redis://host:port/db``, ``rediss://host:port/db`` (TLS) or ``unix:///path?db=n``. Timeouts are seconds.
    With ``topology`` sentinel or cluster, the URL and ``nodes`` are Sentinels, or nodes of the cluster, and
    ``address_map`` says under which address those that they name are reached from here.

    With a ``network``, that says which servers there are, and the URL only the scheme, the database, the name that
    their certificates have to hold, and the port if nothing else does.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    validate_certs: bool = True
    check_hostname: bool = True
    tls_min_version: str = "TLSv1.2"
    connect_timeout: float = 5.0
    timeout: float = 30.0
    topology: str = "auto"
    nodes: tuple[str, ...] = ()
    sentinel_service: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    address_map: t.Mapping[str, str] = field(default_factory=dict)
    network: Network | None = None
    tls_name: str = ""

    def endpoint(self) -> tuple[str, dict[str, t.Any], int]:
        """Return scheme, connection arguments and database number, or raise InvalidInput."""
        for name in ("connect_timeout", "timeout"):
            if getattr(self, name) <= 0:
                raise InvalidInput(f"O({name}) is {getattr(self, name):g}; allowed are seconds above 0.")
        scheme, address, database = parse_url(self.url)
        if scheme == "unix" and self.network:
            raise InvalidInput(
                "O(url) is that of a socket, which is not reached through a Kubernetes; "
                "allowed are redis:// and rediss://."
            )
        return scheme, address, database

    def seeds(self) -> list[Address]:
        """Return the addresses to begin with: that of the URL, and ``nodes``; raise InvalidInput if one is none."""
        _scheme, address, _database = self.endpoint()
        if self.network:
            first = self.network.addresses()
        else:
            first = [(address["host"], address["port"])] if "host" in address else []
        return first + [parse_address(node, "O(nodes)") for node in self.nodes]

    def check_addresses(self) -> None:
        """Refuse what is no address, used or not: the command that undoes a run names all of them."""
        for node in self.nodes:
            parse_address(node, "O(nodes)")
        for name, place in self.address_map.items():
            if not _is_host(name) and not _is_host(re.sub(r":[0-9]+$", "", name)):
                raise InvalidInput(
                    "O(address_map) has a name with more than host and port; allowed is host or host:port."
                )
            parse_address(place, "O(address_map)", default_port=6379)

    def at(self, address: Address, *, database: int | None = None) -> RedisSettings:
        """Return the settings for one server that was found."""
        scheme, here, own = self.endpoint()
        return replace(
            self,
            tls_name=(self.tls_name or here["host"]) if self.network else "",
            url=url_of("rediss" if scheme == "rediss" else "redis", address, own if database is None else database),
            topology="standalone",
            nodes=(),
            sentinel_service="",
        )

    def impatient(self, seconds: float = math.inf) -> RedisSettings:
        """Return the settings for a server that may be none: a reply has to come as soon as a connection."""
        soon = min(self.connect_timeout, seconds)
        return replace(self, connect_timeout=soon, timeout=min(self.timeout, soon))

    def sentinel_at(self, address: Address) -> RedisSettings:
        """Return the settings for one Sentinel, which has users and passwords of its own."""
        return replace(self.at(address, database=0), username=self.sentinel_username, password=self.sentinel_password)

    def reached_at(self, address: Address) -> Address:
        """Return where a server that was named to us is reached from here."""
        host, port = address
        for name, result in ((f"{host}:{port}", None), (host, port)):
            if name in self.address_map:
                return parse_address(self.address_map[name], "O(address_map)", default_port=result)
        return address

    @property
    def normal_url(self) -> str:
        """The one URL for a database, with port and database number."""
        scheme, address, database = self.endpoint()
        if scheme == "unix":
            return f"unix://{address['path']}?db={database}"
        return url_of(scheme, (address["host"], address["port"]), database)

    @property
    def display_url(self) -> str:
        """The URL, or what stands for one that is not allowed: that may hold a password anywhere."""
        try:
            parse_url(self.url)
        except InvalidInput:
            return "(not shown: not allowed)"
        return self.url


def parse_url(url: str) -> tuple[str, dict[str, t.Any], int]:
    """Return scheme, connection arguments and database number of a URL; raise InvalidInput, which does not repeat it.

    Whatever is no documented part of a URL may be a password, in its parameters as in a place where nobody expects it.
    """
    if "@" in url:
        raise InvalidInput(
            "O(url) holds a user name or password; credentials are not allowed in a URL, which ends up in logs: "
            "use O(username) and O(password), or the environment variable REDISCLI_AUTH."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _not_allowed("no valid host and port (1 to 65535)") from None
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise _not_allowed("no scheme that is known")
    over_tcp = parts.scheme != "unix"
    name, _equals, value = parts.query.partition("=")
    if parts.fragment or (parts.query and name != "db") or "&" in value:
        raise _not_allowed("other parameters than db, or a fragment")
    database = value or (parts.path.strip("/") if over_tcp else "") or "0"
    if not _NUMBER.fullmatch(database):
        raise _not_allowed("no number as its database")
    if over_tcp and value and parts.path.strip("/") not in ("", value):
        raise _not_allowed("two databases, one in its path and one as db")
    if not over_tcp:
        if parts.netloc or not parts.path:
            raise InvalidInput("A unix:// URL needs the path of the socket, as in unix:///run/redis/redis.sock?db=0.")
        return parts.scheme, {"path": unquote(parts.path)}, int(database)
    if port == 0 or not _is_host(parts.hostname or ""):
        raise _not_allowed("no valid host and port (1 to 65535)")
    return parts.scheme, {"host": parts.hostname or "localhost", "port": port or 6379}, int(database)


_NUMBER = re.compile(r"[0-9]{1,9}")
_HOST = re.compile(r"[\w.-]*")
# With the zone of a link-local one.
_IPV6 = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*(%[\w.-]+)?", re.IGNORECASE)


def _is_host(text: str) -> bool:
    return bool(_HOST.fullmatch(text) or _IPV6.fullmatch(text))


def _not_allowed(what: str) -> InvalidInput:
    return InvalidInput(
        f"O(url), which is not shown because it may hold a password, has {what}; allowed are redis://HOST:PORT/DB, "
        "rediss://HOST:PORT/DB and unix:///PATH?db=DB, with passwords in O(password) or the environment variable "
        "REDISCLI_AUTH."
    )


def parse_address(text: str, option: str, *, default_port: int | None = None) -> Address:
    """Parse ``host:port``, or raise InvalidInput."""
    if "@" in text:
        raise InvalidInput(
            f"{option} has an address with an @; allowed is host:port, and credentials only in the options for them."
        )
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port or default_port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname or not port or not _is_host(parts.hostname) or parts.netloc != text:
        # What is no address may hold a password.
        plain = _is_host(re.sub(r":[0-9]*$", "", text))
        shown = f"the address {text!r}" if plain else "an address with more than host and port"
        raise InvalidInput(f"{option} has {shown}; allowed is host:port, as in redis-1.example.com:6379.")
    return parts.hostname, port


def url_of(scheme: str, address: Address, database: int) -> str:
    host, port = address
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/{database}"


@dataclass(frozen=True)
class ServerInfo:
    """What a server says of itself when we connect. ``primary`` is the address of a replica's primary.

    ``members`` name the nodes of a cluster, or the Sentinels of a service, as they do for ever: whoever of them was
    asked first.
    """

    name: str
    version: str
    redis_version: tuple[int, ...]
    run_id: str
    role: str
    mode: str
    database: int
    url: str
    primary: str = ""
    members: tuple[str, ...] = ()

    def is_server_of(self, saved: t.Mapping[str, t.Any]) -> bool:
        """Tell whether a server on record (its fields) is known to be this one: by a process or a member."""
        processes = set(str(saved.get("run_id") or "").split("+")) & set(self.run_id.split("+")) - {""}
        return bool(processes or set(saved.get("members") or ()) & set(self.members))

    def is_database_of(self, saved: t.Mapping[str, t.Any]) -> bool:
        """Tell whether this is the database on record: at the same URL, or of the same server."""
        same_place = saved.get("url") == self.url or self.is_server_of(saved)
        return saved.get("database") == self.database and same_place

    @property
    def identity(self) -> str:
        return f"{self.run_id}/{self.database}"

    @property
    def has_expiretime(self) -> bool:
        """PEXPIRETIME, PEXPIRE LT and ACL DRYRUN came with Redis 7.0."""
        return self.redis_version >= (7, 0)

    @property
    def has_field_expiry(self) -> bool:
        """Fields of a hash can expire since Redis 7.4 and Valkey 9.0."""
        return self.is_since((7, 4), (9, 0))

    def is_since(self, redis: tuple[int, ...], valkey: tuple[int, ...] = ()) -> bool:
        """Tell whether its version is at least this one of Redis or, if given, that one of Valkey.

        Valkey calls itself Redis 7.2.4 whatever its own version is.
        """
        if valkey and self.name == "valkey":
            return tuple(int(part) for part in self.version.split(".") if part.isdigit()) >= valkey
        return self.redis_version >= redis


def pack(*args: bytes) -> bytes:
    """Pack one command in RESP."""
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args)


def parse_info(text: bytes) -> dict[str, str]:
    """Parse the reply of INFO."""
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def parse_replicas(replication: t.Mapping[str, str]) -> list[dict[str, str]]:
    """Return what a primary's INFO replication says of each replica: ip, port, state, offset and lag."""
    lines = [value for name, value in replication.items() if name.startswith("slave") and name[5:].isdigit()]
    return [dict(pair.split("=", 1) for pair in line.split(",") if "=" in pair) for line in lines]


def replica_offsets(replication: t.Mapping[str, str]) -> list[int]:
    """Return up to where each connected replica has what the primary has written (INFO replication)."""
    return [int(replica["offset"]) for replica in parse_replicas(replication) if "offset" in replica]


def is_error(reply: Reply) -> bool:
    return isinstance(reply, hiredis.ReplyError)


def is_redirect(reply: Reply) -> bool:
    """Tell whether a node of a cluster does not serve the key of a command (any more, yet, or at this moment)."""
    return is_error(reply) and str(reply).startswith(REDIRECTS)


def first_error(replies: t.Sequence[Reply]) -> Reply | None:
    """Return the first error among replies, or None; without a step in Python for each reply."""
    if hiredis.ReplyError not in set(map(type, replies)):
        return None
    return next(filter(is_error, replies))


_CONTAINERS = (b"ACL", b"CLIENT", b"CLUSTER", b"COMMAND", b"MEMORY", b"SCRIPT", b"SENTINEL", b"XGROUP", b"XINFO")


def error_code(reply: Reply) -> str:
    """Return the code of an error reply: the server's own, one of ours for what has none, or ERR."""
    text = str(reply)
    own = text.split(" ", 1)[0].rstrip(",")
    if own in _ADVICE:
        return own
    lower = text.lower()
    found = next((code for part, code in _CODES.items() if part in lower), "")
    in_script = _IN_SCRIPT.match(text)
    return found or (in_script[1] if in_script and in_script[1] in _ADVICE else "ERR")


def refused(command: str, reply: Reply) -> CommandError:
    """Turn an error reply into the one sentence that an operator needs, without a word of the server's."""
    code = error_code(reply)
    return CommandError(f"Redis refused {command} ({code}); {_ADVICE.get(code, _NO_ADVICE)}.", code)


def no_replicas(url: str) -> CommandError:
    """Return the sentence for a primary that would refuse every write for lack of replicas."""
    return CommandError(f"Redis at {url} takes no writes now (NOREPLICAS); {_ADVICE['NOREPLICAS']}.", "NOREPLICAS")


def checked(words: t.Sequence[bytes], reply: Reply, *, optional: bool = False) -> Reply:
    """Return the reply to a command; raise CommandError if it is an error, or return None for it if ``optional``."""
    if not is_error(reply):
        return reply
    if optional:
        return None
    # Only of these is the second word no key or value.
    name = words[:2] if words[0] in _CONTAINERS else words[:1]
    raise refused(b" ".join(name).decode(), reply)


def connection_lost(url: str, cause: str) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to {url} broke ({as_clause(cause)}); "
        "check the network and the server, then run the same command again: it continues where it stopped."
    )


class Connection:
    """A connection with raw pipelining: ``send`` any number of packed commands, then ``receive`` as many replies."""

    def __init__(self, settings: RedisSettings, name: str = "runbooks") -> None:
        self._settings = settings
        self._connection = _open(settings)
        self._socket: socket.socket = self._connection._sock
        self._reader = hiredis.Reader()
        self._established = False
        self.execute(b"CLIENT", b"SETNAME", name.encode(), optional=True)
        try:
            self.server = self._introduce()
            self._select(self.server)
        except RunbookError as exc:
            self.close()
            if not isinstance(exc, CommandError) or exc.code != "NOAUTH":
                raise
            raise _login_refused(settings, "it demands one") from None
        self._established = True

    def _select(self, server: ServerInfo) -> None:
        """Choose the database; a Sentinel has none."""
        if not server.database or server.mode == "sentinel":
            return
        reply = self.pipeline([pack(b"SELECT", b"%d" % server.database)])[0]
        if is_error(reply) and error_code(reply) == "NODB":
            in_cluster = (
                "; a cluster has only database 0, unless it is one of Valkey 9 with cluster-databases"
                if server.mode == "cluster"
                else ""
            )
            raise InvalidInput(
                f"O(url) names the database {server.database}, which {self._settings.display_url} does not "
                f"have{in_cluster}: name one that it has."
            )
        checked((b"SELECT",), reply)

    def _introduce(self) -> ServerInfo:
        info = self.info("server")
        info.update(self.info("replication"))
        # Says only a primary that demands some of them in sync before it takes a write.
        self.lacks_replicas = info.get("min_slaves_good_slaves") == "0"
        # A replica that is promoted keeps the replication id of its primary as its second one.
        self.lineage = {value for key, value in info.items() if key in ("master_replid", "master_replid2")} - {"0" * 40}
        name = info.get("server_name", "redis")
        version = info.get(f"{name}_version", info.get("redis_version", "0"))
        return ServerInfo(
            name=name,
            version=version,
            redis_version=tuple(int(part) for part in info.get("redis_version", "0").split(".") if part.isdigit()),
            run_id=info.get("run_id", ""),
            role={"master": "primary", "slave": "replica"}.get(info.get("role", ""), "unknown"),
            mode=info.get("redis_mode", info.get("server_mode", "standalone")),
            database=self._settings.endpoint()[2],
            url=self._settings.normal_url,
            primary=f"{info['master_host']}:{info['master_port']}" if "master_host" in info else "",
        )

    def send(self, *blobs: bytes) -> None:
        try:
            self._socket.sendall(b"".join(blobs))
        except OSError as exc:
            raise self._lost(exc) from exc

    def receive(self, count: int) -> list[Reply]:
        """Return the next ``count`` replies; error replies are returned as values (see ``is_error``)."""
        gets, feed, recv = self._reader.gets, self._reader.feed, self._socket.recv
        # As one array, hiredis parses all replies without a step in Python for each of them.
        as_array = count > 1 and not self._reader.has_data()
        if as_array:
            feed(b"*%d\r\n" % count)
        replies: list[Reply] = []
        try:
            while len(replies) < count:
                reply = gets()
                if reply is False:
                    data = recv(RECEIVE_BYTES)
                    if not data:
                        raise ConnectionError("the server closed the connection")
                    feed(data)
                elif as_array:
                    return t.cast("list[Reply]", reply)
                else:
                    replies.append(reply)
        except (OSError, hiredis.ProtocolError) as exc:
            raise self._lost(exc) from exc
        return replies

    def pipeline(self, commands: t.Sequence[bytes]) -> list[Reply]:
        """Send packed commands and return their replies."""
        self.send(*commands)
        return self.receive(len(commands))

    def execute(self, *args: bytes, optional: bool = False) -> Reply:
        """Run one command; raise CommandError on an error reply, or return None for it if ``optional``."""
        return checked(args, self.pipeline([pack(*args)])[0], optional=optional)

    def info(self, section: str) -> dict[str, str]:
        return parse_info(self.execute(b"INFO", section.encode()))

    def response_time(self) -> float:
        """Seconds that the server needs to answer a PING: what its other clients wait for as well."""
        started = time.perf_counter()
        self.execute(b"PING")
        return time.perf_counter() - started

    def close(self) -> None:
        self._connection.disconnect()

    def _lost(self, cause: BaseException) -> RedisUnavailable:
        # With TLS 1.3 a server says only after the handshake what it thinks of the client's certificate.
        if not self._established and (refusal := _tls_refusal(self._settings.display_url, cause)):
            return RedisUnavailable(refusal)
        what = f"no reply within {self._settings.timeout:g} s" if isinstance(cause, TimeoutError) else str(cause)
        return connection_lost(self._settings.display_url, what)


def _check_files(settings: RedisSettings) -> None:
    for name in ("ca_cert", "client_cert", "client_key"):
        path = getattr(settings, name)
        if path and not os.access(path, os.R_OK):
            raise InvalidInput(
                f"flush_redis_{name} names {path}, which cannot be read; allowed is the absolute path of a PEM file "
                "on the machine where the runbook runs."
            )


# What OpenSSL says when the other side refuses, in part (SSL_R_* in ssl/ssl_err.c).
_TLS_ALERTS = (
    (
        "certificate required",
        "demands a client certificate; name it in O(client_cert) and O(client_key)",
    ),
    ("alert certificate expired", "refused the client certificate, which has expired; name a newer one"),
    ("alert unknown ca", "refused the client certificate, whose authority it does not know; name one that it trusts"),
    ("alert bad certificate", "refused the client certificate; name one that it trusts"),
    (
        "key values mismatch",
        "was not asked, because O(client_key) is not the key of O(client_cert); name the right one",
    ),
    ("alert protocol version", "speaks no version of TLS that is allowed here; lower O(tls_min_version)"),
    ("unsupported protocol", "speaks no version of TLS that is allowed here; lower O(tls_min_version)"),
    (
        "wrong version number",
        "does not speak TLS on this port; name its TLS port, or use redis:// instead of rediss://",
    ),
)


def _tls_refusal(url: str, cause: BaseException | None) -> str:
    """Return the sentence for a failure of TLS, or nothing if it is no such failure."""
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        if "mismatch" in cause.verify_message or "not valid for" in cause.verify_message:
            advice = (
                "use a URL with a name that it has; for a server that a cluster or Sentinels name by another address, "
                "map that to a name that it has in O(address_map); or set O(check_hostname)=false"
            )
        else:
            advice = "name the authority that issued it in O(ca_cert)"
        return f"The certificate of {url} is not accepted ({as_clause(cause.verify_message)}); {advice}."
    text = str(cause).lower().replace("_", " ")
    for words, meaning in _TLS_ALERTS:
        if words in text:
            return f"Redis at {url} {meaning}."
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return (
            f"Redis at {url} ended the TLS connection without a word; as a rule it demands a client certificate or "
            "does not accept this one: check O(client_cert) and O(client_key)."
        )
    return f"TLS with {url} failed ({cause.reason or cause}); check the TLS options."


def _login_refused(settings: RedisSettings, reason: str) -> LoginRefused:
    return LoginRefused(
        f"Redis at {settings.display_url} refused the login ({reason}); check username and password "
        "(O(username) and O(password), or the environment variable REDISCLI_AUTH), or those of the Sentinels "
        "(O(sentinel_username), O(sentinel_password)) if it is one."
    )


_TLS_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def _tunnelled(kind: type, network: Network, address: Address, timeout: float, read_timeout: float) -> type:
    """Return a class of redis-py's connections that get their socket from a network, below TLS if they speak that."""

    def connect(_self: t.Any) -> socket.socket:
        opened = network.open(address, timeout)
        opened.settimeout(read_timeout)
        return opened

    # SSLConnection wraps what the next class returns.
    below = type("TunnelledConnection", (redis_connection.Connection,), {"_connect": connect})
    return below if kind is redis_connection.Connection else type("TunnelledTLSConnection", (kind, below), {})


def _open(settings: RedisSettings) -> t.Any:
    scheme, address, _database = settings.endpoint()
    arguments: dict[str, t.Any] = {
        **address,
        "username": settings.username or None,
        "password": settings.password or None,
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": settings.timeout,
        "retry": redis_retry.Retry(redis_backoff.NoBackoff(), 0),
    }
    kind = redis_connection.UnixDomainSocketConnection
    if scheme != "unix":
        kind = redis_connection.Connection
        arguments.update(socket_connect_timeout=settings.connect_timeout, socket_keepalive=True)
    if scheme == "rediss":
        _check_files(settings)
        kind = redis_connection.SSLConnection
        arguments.update(
            ssl_ca_certs=settings.ca_cert,
            ssl_certfile=settings.client_cert,
            ssl_keyfile=settings.client_key,
            ssl_cert_reqs="required" if settings.validate_certs else "none",
            ssl_check_hostname=settings.validate_certs and settings.check_hostname,
            ssl_min_version=_TLS_VERSIONS[settings.tls_min_version],
        )
    if settings.network:
        place = (address["host"], address["port"])
        kind = _tunnelled(kind, settings.network, place, settings.connect_timeout, settings.timeout)
        arguments["host"] = settings.tls_name
    connection = kind(**arguments)
    try:
        connection.connect()
    except redis_exceptions.AuthenticationError as exc:
        no_password = "without any password" in str(exc)
        reason = "it has no password for the user default" if no_password else "user and password do not match"
        raise _login_refused(settings, reason) from None
    except (redis_exceptions.ConnectionError, redis_exceptions.TimeoutError, OSError) as exc:
        if refusal := _tls_refusal(settings.display_url, exc):
            raise RedisUnavailable(refusal) from exc
        if (code := error_code(exc)) in _ADVICE:
            raise RedisUnavailable(f"Redis at {settings.display_url} refuses us ({code}); {_ADVICE[code]}.") from exc
        usual = ", which is tried where O(url) is not given," if settings.display_url == USUAL_URL else ""
        raise RedisUnavailable(
            f"Redis at {settings.display_url}{usual} cannot be reached ({as_clause(exc)}); check the URL"
            # With TLS 1.3, a server may close the connection before its refusal of a client certificate is read.
            f"{' (is it the TLS port? does it want a client certificate?)' if scheme == 'rediss' else ''}, the network "
            "and the TLS options."
        ) from exc
    except redis_exceptions.RedisError as exc:
        # What the server says may repeat the password.
        raise _login_refused(settings, _ADVICE.get(error_code(exc), "for a reason of its own")) from None
    return connection
