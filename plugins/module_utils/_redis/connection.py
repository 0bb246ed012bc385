# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One authenticated connection to one Redis or Valkey server. PRIVATE to the collection.

redis-py opens the socket (TCP, TLS, unix), authenticates and selects the database. The bulk of the work then goes
over that socket directly, as pre-packed commands whose replies hiredis parses: measured three to four times as fast
as redis-py's pipeline, and nothing is retried or decoded behind our back.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
import typing as t
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from .._deps import hiredis, redis_backoff, redis_connection, redis_exceptions, redis_retry
from .._errors import InvalidInput, RunbookError, phrase

Reply = t.Any
RECEIVE_BYTES = 1 << 18


class RedisUnavailable(RunbookError):
    """The server cannot be reached, or refuses to talk to us."""


class LoginRefused(RedisUnavailable):
    """The server does not accept user and password."""


class ConnectionLost(RedisUnavailable):
    """An established connection broke; commands without a reply have an unknown outcome."""


class CommandRefused(RunbookError):
    """The server answered a command with an error reply."""

    def __init__(self, message: str, code: str, **result: t.Any) -> None:
        super().__init__(message, **result)
        self.code = code


_ADVICE = {
    "NOPERM": "grant the command and the keys in the user's ACL (docs/guide_redis_acl.md has the complete line), "
    "or use another user",
    "NOAUTH": "check username and password (options username and password, or the environment variable REDISCLI_AUTH)",
    "READONLY": "this server is a replica: use the URL of its primary",
    "NOREPLICAS": "the primary has fewer replicas in sync than min-replicas-to-write: wait for "
    "them, then run the command again",
    "MISCONF": "the server refuses writes because its last save failed: repair its persistence first",
    "LOADING": "the server is loading its data: wait until it has finished",
    "MASTERDOWN": "the replica has no link to its primary: use the URL of the primary",
    "OOM": "the server is at maxmemory: raise maxmemory or free memory first",
    "BUSY": "a script blocks the server: wait for it, or end it with SCRIPT KILL",
    "CLUSTERDOWN": "the cluster is not in state ok: repair it first",
    "MOVED": "the server is a node of a cluster that does not own this key",
    "ASK": "the key is being moved to another node of the cluster",
    "TRYAGAIN": "the key is being moved to another node of the cluster",
}

# What a server answers while its cluster or its replication changes hands; it passes.
PASSING = frozenset({"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"})
REDIRECTS = ("MOVED", "ASK", "TRYAGAIN")
ASKING = b"*1\r\n$6\r\nASKING\r\n"
Address = tuple[str, int]


# What a command inside a script is refused with has no code of its own.
_SCRIPT_MAY_NOT = "user executing the script can't"


class Network(t.Protocol):
    """A way to servers that cannot be reached by TCP from here."""

    @property
    def option(self) -> t.Mapping[str, t.Any]:
        """What the operator gave for it, without what is secret."""

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
        if "@" in self.url:
            raise InvalidInput(
                "The URL holds a user name or password; credentials are not allowed in a URL, which ends up in logs: "
                "use the options username and password, or the environment variable REDISCLI_AUTH."
            )
        for name in ("connect_timeout", "timeout"):
            if getattr(self, name) <= 0:
                raise InvalidInput(f"flush_redis_{name} is {getattr(self, name):g}; allowed are seconds above 0.")
        parts = urlsplit(self.url)
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise InvalidInput(
                f"The URL {self.display_url!r} has no scheme that is known; allowed are redis://, rediss:// and unix://."
            )
        database = parts.path.strip("/") if parts.scheme != "unix" else ""
        for name, value in (pair.partition("=")[::2] for pair in parts.query.split("&") if pair):
            if name != "db":
                raise InvalidInput(f"The URL {self.display_url!r} has the parameter {name!r}; only db is allowed.")
            database = value
        if not (database or "0").isdigit():
            raise InvalidInput(
                f"The URL {self.display_url!r} names the database {database!r}; allowed is a number from 0."
            )
        if parts.scheme == "unix":
            if self.network:
                raise InvalidInput(
                    f"The URL {self.display_url!r} is that of a socket, which is not reached through a Kubernetes; "
                    "allowed are redis:// and rediss://."
                )
            if not parts.path:
                raise InvalidInput(
                    "A unix:// URL needs the path of the socket, as in unix:///run/redis/redis.sock?db=0."
                )
            return parts.scheme, {"path": unquote(parts.path)}, int(database or 0)
        try:
            port = parts.port or 6379
        except ValueError:
            raise InvalidInput(f"The URL {self.display_url!r} has no valid port; allowed is 1 to 65535.") from None
        return parts.scheme, {"host": parts.hostname or "localhost", "port": port}, int(database or 0)

    def seeds(self) -> list[Address]:
        """Return the addresses to begin with: that of the URL, and ``nodes``; raise InvalidInput if one is none."""
        _scheme, address, _database = self.endpoint()
        if self.network:
            first = self.network.addresses()
        else:
            first = [(address["host"], address["port"])] if "host" in address else []
        return first + [parse_address(node, "flush_redis_nodes") for node in self.nodes]

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

    def impatient(self) -> RedisSettings:
        """Return the settings for a server that may be none: a reply has to come as soon as a connection."""
        return replace(self, timeout=min(self.timeout, self.connect_timeout))

    def sentinel_at(self, address: Address) -> RedisSettings:
        """Return the settings for one Sentinel, which has users and passwords of its own."""
        return replace(self.at(address, database=0), username=self.sentinel_username, password=self.sentinel_password)

    def reached_at(self, address: Address) -> Address:
        """Return where a server that was named to us is reached from here."""
        host, port = address
        for name, result in ((f"{host}:{port}", None), (host, port)):
            if name in self.address_map:
                return parse_address(self.address_map[name], "flush_redis_address_map", default_port=result)
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
        """The URL without credentials."""
        scheme, separator, rest = self.url.partition("://")
        return scheme + separator + rest.rpartition("@")[2]


def parse_address(text: str, option: str, *, default_port: int | None = None) -> Address:
    """Parse ``host:port``, or raise InvalidInput."""
    if "@" in text:
        raise InvalidInput(
            f"{option} has an address with an @; allowed is host:port, and credentials only in the options for them."
        )
    parts = urlsplit(f"//{text}")
    try:
        port = parts.port or default_port
    except ValueError:
        port = None
    if not parts.hostname or not port or parts.path:
        raise InvalidInput(f"{option} has the address {text!r}; allowed is host:port, as in redis-1.example.com:6379.")
    return parts.hostname, port


def url_of(scheme: str, address: Address, database: int) -> str:
    host, port = address
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/{database}"


@dataclass(frozen=True)
class ServerInfo:
    """What a server says of itself when we connect. ``primary`` is the address of a replica's primary."""

    name: str
    version: str
    redis_version: tuple[int, ...]
    run_id: str
    role: str
    mode: str
    database: int
    url: str
    primary: str = ""

    @property
    def identity(self) -> str:
        return f"{self.run_id}/{self.database}"

    @property
    def has_expiretime(self) -> bool:
        """PEXPIRETIME, PEXPIRE LT and ACL DRYRUN came with Redis 7.0."""
        return self.redis_version >= (7, 0)


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


def refused(command: str, reply: Reply) -> CommandRefused:
    """Turn an error reply into the one sentence that an operator needs."""
    # Some replies go on for several sentences.
    text = str(reply).split(". ", 1)[0]
    code = "NOPERM" if _SCRIPT_MAY_NOT in text else text.split(" ", 1)[0].rstrip(",")
    advice = _ADVICE.get(code, "see the server's log")
    return CommandRefused(f"Redis refused {command}: {text.rstrip('.')}; {advice}.", code)


def checked(words: t.Sequence[bytes], reply: Reply, *, optional: bool = False) -> Reply:
    """Return the reply to a command; raise CommandRefused if it is an error, or return None for it if ``optional``."""
    if not is_error(reply):
        return reply
    if optional:
        return None
    raise refused(words[0].decode(), reply)


def connection_lost(url: str, cause: str) -> ConnectionLost:
    return ConnectionLost(
        f"The connection to {url} broke ({phrase(cause)}); "
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
        except CommandRefused as exc:
            self.close()
            if exc.code != "NOAUTH":
                raise
            raise _login_refused(settings, exc) from None
        self._established = True

    def _introduce(self) -> ServerInfo:
        info = self.info("server")
        info.update(self.info("replication"))
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
        """Run one command; raise CommandRefused on an error reply, or return None for it if ``optional``."""
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
        "demands a client certificate; name it in flush_redis_client_cert and flush_redis_client_key",
    ),
    ("alert certificate expired", "refused the client certificate, which has expired; name a newer one"),
    ("alert unknown ca", "refused the client certificate, whose authority it does not know; name one that it trusts"),
    ("alert bad certificate", "refused the client certificate; name one that it trusts"),
    (
        "key values mismatch",
        "was not asked, because flush_redis_client_key is not the key of flush_redis_client_cert; name the right one",
    ),
    ("alert protocol version", "speaks no version of TLS that is allowed here; lower flush_redis_tls_min_version"),
    ("unsupported protocol", "speaks no version of TLS that is allowed here; lower flush_redis_tls_min_version"),
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
            advice = "use a URL with a name that it has, or set flush_redis_check_hostname=false"
        else:
            advice = "name the authority that issued it in flush_redis_ca_cert"
        return f"The certificate of {url} is not accepted ({phrase(cause.verify_message)}); {advice}."
    text = str(cause).lower().replace("_", " ")
    for words, meaning in _TLS_ALERTS:
        if words in text:
            return f"Redis at {url} {meaning}."
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return (
            f"Redis at {url} ended the TLS connection without a word; as a rule it demands a client certificate or "
            "does not accept this one: check flush_redis_client_cert and flush_redis_client_key."
        )
    return f"TLS with {url} failed ({cause.reason or cause}); check the TLS options."


def _login_refused(settings: RedisSettings, cause: BaseException) -> LoginRefused:
    reason = str(cause).partition("; ")[0]
    return LoginRefused(
        f"Redis at {settings.display_url} refused the login ({reason}); check username and password "
        "(options username and password, or the environment variable REDISCLI_AUTH), or those of the Sentinels "
        "(flush_redis_sentinel_username, flush_redis_sentinel_password) if it is one."
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
    scheme, address, database = settings.endpoint()
    arguments: dict[str, t.Any] = {
        **address,
        "db": database,
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
        raise _login_refused(settings, exc) from exc
    except (redis_exceptions.ConnectionError, redis_exceptions.TimeoutError, OSError) as exc:
        if refusal := _tls_refusal(settings.display_url, exc):
            raise RedisUnavailable(refusal) from exc
        raise RedisUnavailable(
            f"Redis at {settings.display_url} cannot be reached ({phrase(exc)}); check the URL"
            f"{' (is it the TLS port?)' if scheme == 'rediss' else ''}, the network and the TLS options."
        ) from exc
    except redis_exceptions.RedisError as exc:
        if "AUTH" in str(exc) or "WRONGPASS" in str(exc):
            raise _login_refused(settings, exc) from exc
        raise RedisUnavailable(
            f"Redis at {settings.display_url} refused the connection ({exc}); check the URL."
        ) from exc
    return connection
