# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a container talks to, as its variables and arguments name it. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._addresses import is_address
from .._errors import InvalidInput
from .._k8s.client import Object
from .._k8s.references import CONFIGMAP, ENV, ENV_FROM, references

_TLS_PORTS = (443, 636, 853, 5671, 6443, 8443, 8883, 9443)
# Of NTP, SNMP, syslog, Jaeger and StatsD, which answer no connection.
_UDP_PORTS = (123, 161, 162, 514, 6831, 6832, 8125)
_MOST_DEPENDENCIES = 12
_MOST_CONFIGMAPS = 5
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\.?")
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^\s/@]*@)?([A-Za-z0-9][A-Za-z0-9._-]*)(?::(\d{1,5}))?", re.IGNORECASE)
_MORE = re.compile(r"(?:,[A-Za-z0-9][A-Za-z0-9._-]*:\d{1,5})+")
_PAIR = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]):(\d{2,5})")
# Names whose pairs are no host and port: api:2024 is an image, app:1000 a user.
_NO_PEER = re.compile(
    r"image|tag|version|build|release|user|run_?as|owner|group|uid|chown|label|statsd|syslog|udp", re.IGNORECASE
)
_SCHEMES = {
    "http": 80,
    "https": 443,
    "redis": 6379,
    "rediss": 6379,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mongodb": 27017,
    "amqp": 5672,
    "amqps": 5671,
    "nats": 4222,
    "kafka": 9092,
}
_TLS_SCHEMES = ("https", "rediss", "amqps", "ldaps", "wss")
_NO_TCP_SCHEMES = ("udp", "statsd", "syslog", "unix", "file")
# What kubelet puts into every container, and nobody has to be asked for.
_OWN = ("localhost", "127.0.0.1", "0.0.0.0")


@dataclass(frozen=True)
class Dependency:
    """A host and TCP port that the pod talks to; ``tls`` asks it for its certificate."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}{':tls' if self.tls else ''}"


def read_dependency(text: str) -> Dependency:
    """Return what ``host:port`` or ``host:port:tls`` means; raise InvalidInput."""
    host, _colon, rest = text.partition(":")
    port, _colon, tls = rest.partition(":")
    if not _HOST.fullmatch(host) or not port.isdigit() or not 0 < int(port) < 65536 or tls not in ("", "tls"):
        raise InvalidInput(f"O(dependencies) has {text[:80]!r}; allowed is HOST:PORT or HOST:PORT:tls.")
    return Dependency(host, int(port), bool(tls) or int(port) in _TLS_PORTS)


def dependencies_of(container: Mapping[str, t.Any], settings: Mapping[str, str] | None = None) -> list[Dependency]:
    """Return what a container names: URLs, HOST:PORT, lists of them, and pairs of _HOST and _PORT.

    ``settings`` are variables that it has from ConfigMaps.
    """
    plain = dict(settings or {})
    plain |= {each["name"]: each["value"] for each in container.get("env") or [] if each.get("value")}
    found: list[Dependency] = []

    def add(host: str, port: str | int, tls: bool) -> None:
        number = int(port)
        if number in _UDP_PORTS or not 0 < number < 65536 or host.lower() in _OWN:
            return
        if re.search("[A-Za-z]", host) or is_address(host):
            found.append(Dependency(host, number, tls or number in _TLS_PORTS))

    arguments = [*(container.get("command") or []), *(container.get("args") or [])]
    for name, text in [*plain.items(), *(("", each) for each in arguments)]:
        urls = list(_URL.finditer(text))
        for url in urls:
            scheme, host, port = url[1].lower(), url[2], url[3]
            if scheme in _NO_TCP_SCHEMES or not (port or scheme in _SCHEMES):
                continue
            add(host, port or _SCHEMES[scheme], scheme in _TLS_SCHEMES)
            if more := _MORE.match(text, url.end()):
                for piece in more[0][1:].split(","):
                    host, _colon, port = piece.partition(":")
                    add(host, port, scheme in _TLS_SCHEMES)
        option, _equals, value = text.rpartition("=")
        if not urls and not _NO_PEER.search(name or option):
            for piece in re.split(r"[,;\s]+", value):
                if pair := _PAIR.fullmatch(piece):
                    add(pair[1], pair[2], False)
    for name, value in plain.items():
        port = plain.get(f"{name[:-5]}_PORT", "") if name.endswith("_HOST") else ""
        if port.isdigit() and _HOST.fullmatch(value) and not _NO_PEER.search(name):
            add(value, port, False)
    return list(dict.fromkeys(found))[:_MOST_DEPENDENCIES]


def service_of(host: str, namespace: str) -> tuple[str, str] | None:
    """Return the namespace and name of the Service that a pod of a namespace means by a host, None for another host.

    A name without a dot may be that of a Service of its own namespace.
    """
    name, _dot, rest = host.rstrip(".").partition(".")
    for tail in (".svc.cluster.local", ".svc"):
        if rest.endswith(tail) and "." not in rest.removesuffix(tail):
            return rest.removesuffix(tail), name
    return (namespace, name) if rest in ("", namespace) and re.search("[A-Za-z]", name) else None


def settings_of(spec: Object, container: str, read: Callable[[str], Object | None]) -> dict[str, str]:
    """Return the variables that a container of a pod has from ConfigMaps; ``read`` returns one by its name."""
    named = [
        each
        for each in references(spec, ephemeral=False)
        if each.kind == CONFIGMAP and each.way in (ENV, ENV_FROM) and each.container == container
    ]
    data = {
        name: (read(name) or {}).get("data") or {}
        for name in list(dict.fromkeys(each.name for each in named))[:_MOST_CONFIGMAPS]
    }
    found: dict[str, str] = {}
    for each in named:
        values = data.get(each.name, {})
        found |= values if each.keys is None else {key: values[key] for key in each.keys if key in values}
    return found


def tls_ports_of(container: Mapping[str, t.Any]) -> list[int]:
    """Return the ports of a container that say of themselves that they speak TLS."""
    return [
        port["containerPort"]
        for port in container.get("ports") or []
        if port["containerPort"] in _TLS_PORTS or port.get("name", "").startswith(("https", "tls", "grpcs"))
    ]
