# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private real servers: `with RedisServer("redis-7.0") as server: server.client().ping()`."""

from __future__ import annotations

import functools
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Union

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tools.servers_install import find_servers

from .processes import die_with_parent, wait_until
from .tls import make_certificates

FLAVOURS = ("redis-7.0", "redis-6.2", "redis-8.0", "valkey-8.1", "valkey-9.1")

ConfigValue = Union[str, int, bool, Sequence[str]]

_START_SECONDS = 30.0
_ADMIN = "harness"


@functools.cache
def binaries(flavour: str) -> Mapping[str, str]:
    """Return the paths of `server` and `cli` of a flavour."""
    return find_servers((flavour,))[flavour]


def free_port() -> int:
    """Return a TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerClients:
    """What tests ask of a server, whoever runs it and wherever that is."""

    flavour: str
    host: str
    port: int
    _password: str | None = None
    _has_admin = False
    _admin_password = ""

    @property
    def url(self) -> str:
        """Its address over TCP, database 0, without a password."""
        return f"redis://{self.host}:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """Return a client as the default user: bytes in, bytes out, nothing is ever retried."""
        settings: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "password": self._password,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": 60,
        }
        return redis.Redis(**{**settings, **options})

    def admin(self, **options: Any) -> redis.Redis:
        """Return a client as the harness's own user, which may do everything."""
        if not self._has_admin:
            return self.client(**options)
        return self.client(username=_ADMIN, password=self._admin_password, **options)

    # -- what it was asked -----------------------------------------------------------------------------------------

    def reset_stats(self) -> None:
        """Forget which commands were called."""
        with self.admin() as admin:
            admin.execute_command("CONFIG RESETSTAT")

    def commandstats(self) -> dict[str, int]:
        """Return how often each command was asked for since the last reset, calls that it rejected included.

        Commands called by scripts count under their own names, subcommands as `config|get`.
        """
        with self.admin() as admin:
            stats = admin.info("commandstats")
        return {
            name.removeprefix("cmdstat_"): int(figures["calls"]) + int(figures.get("rejected_calls", 0))
            for name, figures in stats.items()
        }

    def write_commands_called(self) -> list[str]:
        """Return the names in `commandstats` that are of category @write, sorted."""
        names = sorted(self.commandstats())
        with self.admin() as admin:
            # redis-py's own parser of this reply drops the categories
            admin.response_callbacks.pop("COMMAND INFO", None)
            replies = admin.execute_command("COMMAND INFO", *names)
        return [name for name, reply in zip(names, replies) if reply and b"@write" in reply[6]]


class RedisServer(ServerClients):
    """One private server on a free loopback port and on a unix socket, without persistence.

    With `tls` it also listens for TLS on `tls_port` (only Debian's builds can); clients may show a certificate, and
    have to with `tls_auth_clients="yes"`.

    `config` are directives with underscores for dashes; a list gives several lines, a string is written as it is
    (`save='""'`). `users` are ACL lines without the word `user`. `replicaof` is another `RedisServer`.
    `client()` speaks as the default user, `admin()` as a user of the harness that every ACL setting leaves alone
    (with `aclfile` there is no such user: the file's own default user has to be allowed everything).
    """

    def __init__(
        self,
        flavour: str = "redis-7.0",
        *,
        users: Sequence[str] = (),
        replicaof: RedisServer | None = None,
        tls: bool = False,
        **config: ConfigValue,
    ) -> None:
        self.flavour = flavour
        self.host = "127.0.0.1"
        self.port = self.tls_port = 0
        self.cli = binaries(flavour)["cli"]
        self.folder = Path(tempfile.mkdtemp(prefix="rs-"))
        self.socket_path = str(self.folder / "s")
        self._binary = binaries(flavour)["server"]
        self._process: subprocess.Popen[bytes] | None = None
        self._admin_password = secrets.token_hex(16)
        self._has_admin = "aclfile" not in config
        self._password = str(config["requirepass"]) if "requirepass" in config else None
        self._config: dict[str, ConfigValue] = {
            "bind": self.host,
            "unixsocket": self.socket_path,
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": '""',
            "appendonly": False,
            "repl_diskless_sync": True,  # else a replica's first copy leaves a dump file behind
            "repl_diskless_sync_delay": 0,
        }
        if flavour != "redis-6.2":  # there DEBUG is always allowed
            self._config["enable_debug_command"] = "local"
        lines = list(users)
        if self._has_admin:
            lines.append(f"{_ADMIN} on >{self._admin_password} ~* &* +@all")
        if lines:
            self._config["user"] = lines
        if replicaof is not None:
            self._config["replicaof"] = f"{replicaof.host} {replicaof.port}"
            if replicaof._password:
                self._config["masterauth"] = replicaof._password
        self.certificates = make_certificates(self.folder) if tls else None
        if self.certificates:
            self._config.update(
                tls_ca_cert_file=str(self.certificates.ca_cert),
                tls_cert_file=str(self.certificates.server_cert),
                tls_key_file=str(self.certificates.server_key),
                tls_auth_clients="optional",
            )
        self._config.update(config)
        self._baseline: dict[bytes, bytes] = {}
        self._acl: list[bytes] = []

    def __enter__(self) -> RedisServer:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> RedisServer:
        """Start it (again, on the same port, after `stop` or `kill`) and wait until it answers."""
        fixed = self.port or self._config.get("port")
        for _attempt in range(5):
            self.port = int(str(fixed)) if fixed else free_port()
            self.tls_port = self.tls_port or free_port() if self.certificates else 0
            try:
                self._start_once()
                break
            except PortTaken:
                self.tls_port = 0
                if fixed:
                    raise
        else:
            raise RuntimeError("no free port was found in five attempts")
        self._baseline, self._acl = self._read_config(), self._read_acl()
        self.reset_stats()
        return self

    def stop(self) -> None:
        """End it in an orderly way; its data is gone unless the test configured persistence."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it and remove its folder."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @functools.cached_property
    def version(self) -> str:
        """Its product and its exact version, as it says itself."""
        with self.admin() as admin:
            about = admin.info("server")
        return f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {about['redis_version']}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise RuntimeError("the server is not started")
        return self._process.pid

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Freeze the server: it keeps its connections and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def reset(self) -> None:
        """Back to the state right after the start: no keys, scripts, other clients, users, settings or counters.

        Its role is left alone: a test that changes who replicates whom takes servers of its own.
        """
        if not self.running:
            self.start()
            return
        with self.admin() as admin:
            admin.execute_command("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
            if self._read_acl() != self._acl:
                self._restore_acl(admin)
            for name, value in self._read_config().items():
                if self._baseline[name] != value:
                    admin.execute_command("CONFIG SET", name, self._baseline[name])
            admin.execute_command("FLUSHALL", "SYNC")
            admin.execute_command("SCRIPT FLUSH")
        self.reset_stats()

    # -- reaching it -----------------------------------------------------------------------------------------------

    @property
    def tls_url(self) -> str:
        """Its address over TLS, database 0; `certificates` has the files."""
        return f"rediss://{self.host}:{self.tls_port}/0"

    @property
    def unix_url(self) -> str:
        """Its address over the unix socket, database 0."""
        return f"unix://{self.socket_path}?db=0"

    def log(self) -> str:
        """Return what the server logged."""
        return (self.folder / "log").read_text(errors="replace")

    # -- inside ----------------------------------------------------------------------------------------------------

    def _start_once(self) -> None:
        config = self.folder / "conf"
        config.write_text("".join(f"{line}\n" for line in self._config_lines()))
        config.chmod(0o600)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.admin(socket_timeout=2) as admin:
                    admin.ping()
                    if admin.info("server")["process_id"] == self._process.pid:
                        return
            except redis.RedisError as error:
                last: object = error
            else:
                last = "another server answers on its port"
            if self._process.poll() is not None:
                if "in use" in self.log():
                    raise PortTaken(str(self.port))
                raise RuntimeError(f"{self.flavour} did not start:\n{self.log()[-2000:]}")
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"{self.flavour} did not answer in {_START_SECONDS:g} s: {last}")
            time.sleep(0.01)

    def _config_lines(self) -> Iterator[str]:
        ports = {"port": self.port, "tls_port": self.tls_port} if self.certificates else {"port": self.port}
        for name, value in {**self._config, **ports}.items():
            values = [value] if isinstance(value, (str, int)) else list(value)
            for item in values:
                text = {True: "yes", False: "no"}[item] if isinstance(item, bool) else str(item)
                yield f"{name.replace('_', '-')} {text}"

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_config(self) -> dict[bytes, bytes]:
        with self.admin() as admin:
            admin.response_callbacks.pop("CONFIG GET", None)
            flat = admin.execute_command("CONFIG GET", "*")
        return dict(zip(flat[::2], flat[1::2]))

    def _read_acl(self) -> list[bytes]:
        with self.admin() as admin:
            admin.response_callbacks.pop("ACL LIST", None)
            return list(admin.execute_command("ACL LIST"))

    def _restore_acl(self, admin: redis.Redis) -> None:
        wanted = {line.split(b" ")[1]: line.split(b" ")[2:] for line in self._acl}
        for line in self._read_acl():
            name = line.split(b" ")[1]
            if name not in wanted:
                admin.execute_command("ACL DELUSER", name)
        for name, rules in wanted.items():
            if name != _ADMIN.encode():
                admin.execute_command("ACL SETUSER", name, "reset", *rules)


class PortTaken(RuntimeError):
    """Somebody else took the port between choosing it and starting the server."""


def wait_for_replica(replica: RedisServer, timeout: float = 20.0) -> None:
    """Wait until the replica has its primary's data and follows it."""

    def up() -> bool:
        with replica.admin() as admin:
            return bool(admin.info("replication").get("master_link_status") == "up")

    wait_until(up, timeout, "the replica's link to its primary")
