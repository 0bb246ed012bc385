# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redis in the pods of a Kubernetes, reached by port-forward through the API server. PRIVATE to the collection."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import socket
import typing as t
from dataclasses import dataclass, replace

from .._errors import InvalidInput, Refused, RunbookError
from .._guard.guard import notes
from .._k8s.client import ApiError, ApiLogin, ApiSettings, ApiUnavailable, Right
from .._k8s.pods import NoPod, PodSelection, find_pod, running_pods
from .._k8s.portforward import PortForwardFailed, connect_to_pod
from .connection import Address, Connection, LoginRefused, RedisSettings, RedisUnavailable, ServerInfo
from .topology import Endpoint

_MOST_THREADS = 8

T = t.TypeVar("T")


@dataclass(frozen=True)
class PasswordSecret:
    """A Secret of the namespace with the password; without ``key``, ``password`` or the only key that it has."""

    name: str
    key: str = ""


class PodNetwork:
    """The way to the pods of one namespace; ``login`` and each connection are made when they are needed."""

    def __init__(
        self, api: ApiSettings, pods: PodSelection, secret: PasswordSecret | None, option: t.Mapping[str, t.Any]
    ) -> None:
        """``option`` is what the operator gave, without what is secret."""
        self.option = option
        self._api = api
        self._pods = pods
        self._secret = secret
        self._login: ApiLogin | None = None

    def __str__(self) -> str:
        return f"{self._pods} at {self._reached.server}"

    @property
    def target(self) -> str:
        return f"{self._pods.namespace}/{self._pods.service or self._pods.selector}"

    def guard_notes(self, namespace: str) -> list[str]:
        return notes(self._reached, namespace, [self.target])

    def prepare(self, settings: RedisSettings, name: str) -> RedisSettings:
        """Log in, check the rights, and take the password from its Secret if there is none yet."""
        settings.endpoint()
        self._login = ApiLogin(self._api, name)
        where, secret = self._pods.namespace, self._secret
        rights = [
            *self._pods.rights(),
            Right("get", "pods/portforward", where),
            # Demanded beside the other from Kubernetes 1.35 on.
            Right("create", "pods/portforward", where),
        ]
        if secret:
            rights.append(Right("get", "secrets", where, secret.name))
        missing = _as_redis_error(lambda: self._reached.missing_rights(rights))
        if missing:
            raise Refused(
                f"This login at {self._login.name} may not {', '.join(map(str, missing))} in the namespace {where}; "
                "grant it that (docs/guide_redis_kubernetes.md has the complete Role), or use another login."
            )
        if secret and settings.password is None:
            return replace(settings, password=_as_redis_error(lambda: self._password(secret)))
        return settings

    def addresses(self) -> list[Address]:
        """Return the pods that are meant and run, by name; raise RedisUnavailable if there is none."""
        return [(pod.name, pod.port) for pod in _as_redis_error(lambda: running_pods(self._reached, self._pods))]

    def open(self, address: Address, timeout: float) -> socket.socket:
        """Return a connection to a port of a pod, which is named by name, address or host name."""
        host, port = address
        where = self._pods.namespace

        def connect() -> socket.socket:
            pod = find_pod(self._reached, where, host)
            return connect_to_pod(self._reached.client, where, pod, port, timeout)

        return _as_redis_error(connect)

    def primary(self, settings: RedisSettings, name: str) -> PodPrimary:
        return PodPrimary(settings, name)

    @property
    def _reached(self) -> ApiLogin:
        return t.cast(ApiLogin, self._login)

    def _password(self, secret: PasswordSecret) -> str:
        where = self._pods.namespace
        what = f"get the secret {secret.name} in {where}"
        stored = self._reached.find(what, f"/api/v1/namespaces/{where}/secrets/{secret.name}")
        if stored is None:
            raise InvalidInput(f"There is no secret {secret.name} in the namespace {where}; name another.")
        found = stored.get("data") or {}
        key = secret.key or ("password" if "password" in found or len(found) != 1 else next(iter(found)))
        if key not in found:
            raise InvalidInput(
                f"The secret {secret.name} in the namespace {where} has no key {key!r}; name one of "
                f"{', '.join(sorted(found)) or 'another secret'} in O(kubernetes.password_secret_key)."
            )
        try:
            return base64.b64decode(found[key]).decode()
        except ValueError:
            raise InvalidInput(f"The key {key} of the secret {secret.name} holds no text.") from None


class PodPrimary(Endpoint):
    """The one primary among the pods that are meant."""

    def __init__(self, settings: RedisSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._found = False

    def locate(self) -> RedisSettings:
        """Ask each pod for its role; raise if not exactly one says that it is the primary."""
        places = [self._settings.at(address) for address in self._settings.seeds()]
        with concurrent.futures.ThreadPoolExecutor(_MOST_THREADS) as pool:
            answers = list(pool.map(self._ask, places))
        primaries = [
            place
            for place, answer in zip(places, answers)
            if isinstance(answer, ServerInfo) and answer.role == "primary"
        ]
        if len(primaries) != 1:
            raise self._not_one(places, answers, len(primaries))
        self._found = True
        return primaries[0]

    def check_ready(self, connection: Connection) -> None:
        if connection.server.role != "primary":
            raise RedisUnavailable(f"Redis at {connection.server.url} is a {connection.server.role} now.")

    def is_restart(self, before: ServerInfo, after: ServerInfo) -> bool:
        """A pod of a StatefulSet comes back under its name, with its volume."""
        return before.url == after.url

    def _ask(self, place: RedisSettings) -> ServerInfo | RunbookError:
        try:
            with contextlib.closing(Connection(place.impatient(), self._name)) as connection:
                return connection.server
        except RunbookError as exc:
            return exc

    def _not_one(
        self, places: t.Sequence[RedisSettings], answers: t.Sequence[ServerInfo | RunbookError], primaries: int
    ) -> RunbookError:
        servers = [answer for answer in answers if isinstance(answer, ServerInfo)]
        failures = {place.display_url: answer for place, answer in zip(places, answers) if answer not in servers}
        refusals = [failure for failure in failures.values() if isinstance(failure, LoginRefused)]
        whose = f"of the pods behind {self._settings.network}"
        if refusals and not primaries:
            return refusals[0]
        if primaries:
            names = ", ".join(server.url for server in servers if server.role == "primary")
            sentence = (
                f"{primaries} {whose} are primaries ({names}); choose the one that is meant by a narrower selector, "
                "or set O(topology)=cluster if they are the nodes of a cluster."
            )
        elif servers:
            replicas = ", ".join(f"{server.url} is a replica of {server.primary or 'nobody'}" for server in servers)
            silent = f", and no answer came from {', '.join(failures)}" if failures else ""
            sentence = f"None {whose} is a primary ({replicas}{silent}); choose pods with the primary among them."
        else:
            # Each of them says what it could be; here it is one for all.
            url, failure = next(iter(failures.items()))
            sentence = (
                f"None {whose} answers as Redis ({url}: {str(failure).partition('; ')[0].rstrip('.')}); "
                "check the selector, the port, and whether it speaks TLS."
            )
        return RedisUnavailable(sentence) if self._found or not servers else InvalidInput(sentence)


def _as_redis_error(work: t.Callable[[], T]) -> T:
    """Do what needs the API server; what may pass with time is an error of which Redis can recover."""
    try:
        return work()
    except (ApiUnavailable, ApiError, NoPod, PortForwardFailed) as exc:
        raise RedisUnavailable(str(exc)) from exc
