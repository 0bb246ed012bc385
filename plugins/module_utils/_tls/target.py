# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One certificate as it is in the cluster, and how far a run has come with it. PRIVATE to the collection."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from .._errors import InvalidInput, Refused
from .._k8s.client import Object
from .._run import RunFolder, is_alive
from .catalogue import Entry
from .certificate import Unparsable, parse_chain
from .gate import Material, read_material

# What of a Secret holds the certificate, its key, and the authorities that it is to be trusted by.
CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"
ISSUED_AT = "market-intel.runbooks/issued-at"
ISSUED_FOR = "market-intel.runbooks/issued-for"
RUN_ID = "market-intel.runbooks/run-id"

# How far a run has come with one certificate, in this order.
BACKED_UP, REQUESTED, SIGNED, STORED, ROTATED, RESTORED = (
    "backed_up",
    "requested",
    "signed",
    "stored",
    "rotated",
    "restored",
)


@dataclass(frozen=True)
class Target:
    """``old`` is what the Secret held before the run, ``current`` what it holds now."""

    entry: Entry
    method: str
    secret: Object = field(repr=False)
    current: Material = field(repr=False)
    old: Material = field(repr=False)
    certificate: Object | None = field(default=None, repr=False)
    issued_at: datetime | None = None
    due: bool = False
    why: str = ""

    @property
    def name(self) -> str:
        return self.entry.name


def secret_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def read_secret(secret: Object) -> Material:
    """Return what a Secret holds; raise InvalidInput, which names it, where that is no certificate with its key."""
    name, data = secret["metadata"]["name"], secret.get("data") or {}
    missing = [key for key in (CERTIFICATE, KEY) if not data.get(key)]
    if missing:
        raise InvalidInput(f"The secret {name} has no {' and no '.join(missing)}; name one of type kubernetes.io/tls.")
    try:
        return read_material(*(base64.b64decode(data.get(key) or "") for key in (CERTIFICATE, KEY, AUTHORITIES)))
    except (Unparsable, ValueError) as exc:
        raise InvalidInput(f"The secret {name} cannot be used, as {exc}; repair it first.") from exc


class CertRun:
    """The folder of one run and, for each of its certificates, how far it has come."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def run_id(self) -> str:
        return self.folder.run_id

    @property
    def certificates(self) -> dict[str, Object]:
        return t.cast("dict[str, Object]", self.folder.manifest.setdefault("certificates", {}))

    def phase(self, name: str) -> str:
        return str(self.certificates.get(name, {}).get("phase", ""))

    def update(self, name: str, **changes: t.Any) -> None:
        """Put on record, durably, how far the run has come with a certificate."""
        self.certificates.setdefault(name, {}).update(changes)
        self.folder.save()
        self.folder.record(certificate=name, **{key: value for key, value in changes.items() if key == "phase"})

    def update_all(self, names: t.Sequence[str], **changes: t.Any) -> None:
        """Put the same on record for several certificates, at once."""
        for name in names:
            self.certificates[name].update(changes)
        self.folder.save()

    def old(self, name: str) -> Material:
        """Return what the Secret held when the run began, as far as it is no secret."""
        return stored_material(self.certificates[name]["old"])

    def close(self) -> None:
        self.folder.close()


def storable_material(material: Material) -> Object:
    """Return what a manifest keeps: no key, only its digest."""
    return {
        "fingerprint": material.leaf.fingerprint,
        "chain": "".join(each.pem for each in material.chain),
        "authorities": "".join(each.pem for each in material.authorities),
        "key_digest": material.key_digest,
    }


def stored_material(stored: Object) -> Material:
    authorities = stored["authorities"].encode()
    return Material(
        parse_chain(stored["chain"].encode()), stored["key_digest"], parse_chain(authorities) if authorities else ()
    )


def with_current(target: Target, secret: Object) -> Target:
    return replace(target, secret=secret, current=read_secret(secret))


def refuse_if_alive(manifest: t.Mapping[str, t.Any], controller: int) -> None:
    """Raise Refused while another ansible-playbook of this machine is at work on the run."""
    pid, started = manifest.get("controller") or (0, None)
    if pid and pid != controller and started and is_alive(pid, started):
        raise Refused(
            f"The run {manifest['run_id']} does the same at this moment (process {pid}); wait until it has finished."
        )
