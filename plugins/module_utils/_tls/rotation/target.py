# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One certificate as it is in the cluster, and how far a run has come with it. PRIVATE to the collection."""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ..._errors import InvalidInput, Refused
from ..._k8s.client import Object
from ..._run import RunFolder, is_alive
from ..certificate import Unparsable, parse_chain
from .catalogue import Entry
from .gate import Material, read_material
from .ownership import Ownership

# What of a Secret holds the certificate, its key, and the authorities that it is to be trusted by.
CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"
ISSUED_AT = "market-intel.runbooks/issued-at"
ISSUED_FOR = "market-intel.runbooks/issued-for"
RUN_ID = "market-intel.runbooks/run-id"

# Fields of a Certificate that say what becomes of what is issued, and when; the others say what that is.
_NOT_ISSUED = ("secretTemplate", "revisionHistoryLimit", "keystores", "additionalOutputFormats", "renewal")

# How far a run has come with one certificate, in this order; what was refused is in use already.
BACKED_UP, REQUESTED, SIGNED, STORED, REFUSED, ROTATED, RESTORED = (
    "backed_up",
    "requested",
    "signed",
    "stored",
    "refused",
    "rotated",
    "restored",
)
# What such a run may have left behind.
CHANGED = (SIGNED, STORED, REFUSED, ROTATED)


@dataclass(frozen=True)
class Target:
    """``old`` is what the Secret held before the run, ``current`` what it holds now."""

    entry: Entry
    method: str
    secret: Object = field(repr=False)
    current: Material = field(repr=False)
    old: Material = field(repr=False)
    certificate: Object | None = field(default=None, repr=False)
    owner: Ownership = field(default_factory=Ownership, repr=False)
    issued_at: datetime | None = None
    due: bool = False
    why: str = ""

    @property
    def name(self) -> str:
        return self.entry.name


def secret_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def read_secret(secret: Object) -> Material:
    """Return what a Secret holds; raise InvalidInput, which names it, where that is not a certificate with its key."""
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

    def refused(self, name: str) -> str:
        """Return the fingerprint of what was issued for a certificate and refused by the gate, empty without one."""
        return str(self.certificates[name]["new"]) if self.phase(name) == REFUSED else ""

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
        """Return what the Secret held when the run began, as far as it is not secret."""
        return stored_material(self.certificates[name]["old"])

    def drop(self, name: str) -> None:
        """Leave a certificate to a later run, which backs it up anew."""
        del self.certificates[name]
        self.folder.save(state="failed")

    def end(self, state: str, **changes: t.Any) -> None:
        """Put on record how the run has ended; a key that is of no use any more does not outlive it."""
        self.folder.save(state=state, **changes)
        for path in self.path.glob("*.key*"):
            path.unlink()

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


def seen_of(target: Target) -> dict[str, str]:
    """Return what a step has seen of a certificate, by which the next one knows that it is still so."""
    spec = (target.certificate or {}).get("spec") or {}
    return {
        "method": target.method,
        "fingerprint": target.current.leaf.fingerprint,
        "key": target.current.key_digest,
        "authorities": " ".join(each.fingerprint for each in target.current.authorities),
        "issued_by": target.current.leaf.issuer,
        "issuer": issuer_of(spec),
        "spec": digest_of(spec),
        "asked": digest_of(issued_spec(spec)),
    }


def issuer_of(spec: t.Mapping[str, t.Any]) -> str:
    issuer = spec.get("issuerRef") or {}
    return f"{issuer.get('kind', 'Issuer')} {issuer['name']}" if issuer else ""


def issued_spec(spec: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what of the spec of a Certificate has a new one issued if it is changed."""
    return {key: value for key, value in spec.items() if key not in _NOT_ISSUED}


def digest_of(spec: t.Mapping[str, t.Any]) -> str:
    """Return what tells a spec from another one, empty for none."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest() if spec else ""


def refuse_changed(target: Target, seen: t.Mapping[str, str]) -> None:
    """Raise Refused where somebody else has changed what an earlier step has seen; nothing of it has been judged."""
    # A run of an earlier release has seen less.
    now = {key: value for key, value in seen_of(target).items() if key in seen}
    changes = []
    if now["method"] != seen["method"]:
        changes.append(f"{now['method']} issues it, not {seen['method']}")
    if now["issuer"] != seen["issuer"]:
        changes.append(f"its issuer is {now['issuer'] or 'none'}, not {seen['issuer'] or 'none'}")
    elif now["spec"] != seen["spec"]:
        changes.append("the spec of its Certificate is another one")
    if now["fingerprint"] != seen["fingerprint"]:
        by = f", issued by {now['issued_by']} instead of {seen['issued_by']}" if _is_other_issuer(now, seen) else ""
        changes.append(f"the secret {target.entry.secret_name} holds another certificate{by}")
    else:
        for key, what in (("key", "another private key"), ("authorities", f"other authorities in {AUTHORITIES}")):
            if now.get(key, "") != seen.get(key, ""):
                changes.append(f"the secret {target.entry.secret_name} holds {what}")
    if changes:
        raise Refused(
            f"Somebody else has changed {target.name} since the plan was made ({'; '.join(changes)}), so that nothing "
            "was done with it; find out who and why, then run the same command again, which plans anew."
        )


def _is_other_issuer(now: t.Mapping[str, str], seen: t.Mapping[str, str]) -> bool:
    return now["issued_by"] != seen["issued_by"]


def with_current(target: Target, secret: Object) -> Target:
    return replace(target, secret=secret, current=read_secret(secret))


def refuse_if_alive(manifest: t.Mapping[str, t.Any], controller: int) -> None:
    """Raise Refused while another ansible-playbook of this machine is at work on the run."""
    pid, started = manifest.get("controller") or (0, None)
    if pid and pid != controller and started and is_alive(pid, started):
        raise Refused(
            f"The run {manifest['run_id']} does the same at this moment (process {pid}); wait until it has finished."
        )
