# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificates that an operator knows by name, and what one run is asked of them. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, fields
from datetime import datetime

from ..._errors import InvalidInput
from ..threshold import Threshold
from .gate import GateSettings

AUTO, CERT_MANAGER, VAULT = "auto", "cert-manager", "vault"
METHODS = (AUTO, CERT_MANAGER, VAULT)
_LONGEST_COMMON_NAME = 64
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class Entry:
    """One certificate of the catalogue.

    ``cert_manager`` and ``vault`` say what issues it where that is to be checked, or where nothing in the cluster
    tells. Without ``ports``, each port of its consumers is tried; ``endpoints`` are ``host:port`` that serve it too.
    """

    name: str
    secret_name: str
    cert_manager: bool = False
    vault: bool = False
    backup: bool = True
    common_name: str = ""
    ports: tuple[int, ...] = ()
    server_name: str = ""
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class RotateRequest:
    """What to rotate: the entries that are named, or all of them, as far as they are due."""

    namespace: str
    entries: tuple[Entry, ...]
    named: tuple[str, ...]
    method: str
    min_remaining: Threshold
    issued_before: datetime | None
    gate: GateSettings = field(default_factory=GateSettings)


def read_catalogue(data: t.Any) -> tuple[Entry, ...]:
    """Return the entries; raise InvalidInput with one sentence about the first mistake."""
    if not isinstance(data, (list, tuple)) or not data:
        raise InvalidInput("O(certificates) is not a list of mappings; give one with name and secret_name for each.")
    entries = tuple(_entry(item, f"O(certificates[{number}])") for number, item in enumerate(data))
    for what in ("name", "secret_name"):
        values = [getattr(entry, what) for entry in entries]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise InvalidInput(f"O(certificates) has the {what} {twice[0]} twice; each may stand there once.")
    return entries


def choose(entries: t.Sequence[Entry], names: t.Sequence[str]) -> tuple[Entry, ...]:
    """Return the entries that are named, all of them without a name; raise InvalidInput, which lists the known."""
    known = {entry.name: entry for entry in entries}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidInput(
            f"There is no certificate {unknown[0]!r} in the catalogue; known are {', '.join(known)}: name one of them, "
            "or add it to O(certificates)."
        )
    return tuple(known[name] for name in dict.fromkeys(names)) if names else tuple(entries)


def _entry(item: t.Any, where: str) -> Entry:
    if not isinstance(item, t.Mapping):
        raise InvalidInput(f"{where} is not a mapping; give one with name and secret_name.")
    known = [each.name for each in fields(Entry)]
    unknown = sorted(str(key) for key in item if key not in known)
    if unknown:
        raise InvalidInput(f"{where} has the unknown key {unknown[0]!r}; allowed are {', '.join(known)}.")
    for key in ("name", "secret_name"):
        if not _NAME.fullmatch(str(item.get(key) or "")):
            raise InvalidInput(
                f"{where} has the {key} {str(item.get(key) or '')[:80]!r}; allowed is the name of an object in "
                "Kubernetes: lower-case letters, digits, hyphens and dots."
            )
    entry = Entry(
        name=str(item["name"]),
        secret_name=str(item["secret_name"]),
        cert_manager=_flag(item, "cert_manager", where, False),
        vault=_flag(item, "vault", where, False),
        backup=_flag(item, "backup", where, True),
        common_name=str(item.get("common_name") or ""),
        ports=tuple(_port(port, where) for port in _list(item.get("ports"))),
        server_name=str(item.get("server_name") or ""),
        endpoints=tuple(_endpoint(str(each), where) for each in _list(item.get("endpoints"))),
    )
    if len(entry.common_name) > _LONGEST_COMMON_NAME:
        raise InvalidInput(
            f"{where}.common_name has {len(entry.common_name)} characters; allowed are {_LONGEST_COMMON_NAME}, or "
            "leave it out."
        )
    if entry.cert_manager and entry.vault:
        raise InvalidInput(
            f"The certificate {entry.name} has both cert_manager and vault; one of them issues it: set the other to "
            "false."
        )
    return entry


def _endpoint(text: str, where: str) -> str:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InvalidInput(f"{where}.endpoints has {text[:80]!r}; allowed is host:port, such as www.example.com:443.")
    return text


def _list(value: t.Any) -> list[t.Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _flag(item: t.Mapping[str, t.Any], key: str, where: str, default: bool) -> bool:
    value = str(item.get(key, default)).lower()
    if value not in ("true", "yes", "1", "false", "no", "0"):
        raise InvalidInput(f"{where}.{key} is {value[:80]!r}; allowed are true and false.")
    return value in ("true", "yes", "1")


def _port(port: t.Any, where: str) -> int:
    if not str(port).isdigit() or not 0 < int(port) < 65536:
        raise InvalidInput(f"{where}.ports has {str(port)[:80]!r}; allowed are numbers from 1 to 65535.")
    return int(port)
