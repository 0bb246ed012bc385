# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of certificates: a file for each object, which kubectl applies as it is. PRIVATE to the collection.

Encrypted files are ansible-vault's: ``ansible-vault view F | kubectl apply --server-side --force-conflicts -f -``.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

from ..._errors import InvalidInput, RunbookError
from ..._k8s.client import Object
from ..._run import write_private
from .encryption import decrypt, encrypt
from .target import BACKED_UP, CertRun, Target, seen_of, storable_material

SECRET = "secret"
_KEPT = ("name", "namespace", "labels", "annotations")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def check_password(password: str, encrypted: bool) -> str:
    """Return the password, empty where backups are not to be encrypted; raise InvalidInput where it is missing."""
    if encrypted and not password:
        raise InvalidInput(
            "A backup holds private keys, and there is no password to encrypt it with; give one in "
            "O(backup_password), or accept plain files with O(backup_encrypt)=false."
        )
    return password if encrypted else ""


def back_up(run: CertRun, target: Target, further: t.Mapping[str, Object], password: str) -> int:
    """Save a Secret and what belongs to it, and return the bytes; what was read back has to be what was meant."""
    parts, size = [], 0
    for kind, found in {SECRET: target.secret, **further}.items():
        content = json.dumps(sanitised(found), indent=2, sort_keys=True).encode() + b"\n"
        path = run.path / f"{target.name}.{kind}.json{'.vault' if password else ''}"
        stored = encrypt(content, password) if password else content
        write_private(path, stored)
        if _read(path, password) != content:
            raise RunbookError(f"The backup {path} does not hold what was written; look at that disk before you go on.")
        parts.append({"file": path.name, "kind": kind, "sha256": hashlib.sha256(stored).hexdigest()})
        size += len(stored)
    # Where it is, but not what is in it.
    extra = {"kv": {key: value for key, value in further["kv"].items() if key != "data"}} if "kv" in further else {}
    run.update(
        target.name,
        phase=BACKED_UP,
        secret=target.entry.secret_name,
        method=target.method,
        encrypted=bool(password),
        parts=parts,
        old=storable_material(target.old),
        seen=seen_of(target),
        **extra,
    )
    return size


def read_backup(run: CertRun, name: str, password: str) -> dict[str, Object]:
    """Return the saved objects of a certificate by their kinds; raise InvalidInput for a wrong password or damage."""
    record = run.certificates[name]
    if record.get("encrypted") and not password:
        raise InvalidInput(f"The backup of {name} in {run.path} is encrypted; give its password in O(backup_password).")
    found = {}
    for part in record["parts"]:
        path = run.path / part["file"]
        try:
            stored = path.read_bytes()
        except OSError as exc:
            raise InvalidInput(f"The backup {path} cannot be read ({exc.strerror}); name another run.") from exc
        if hashlib.sha256(stored).hexdigest() != part["sha256"]:
            raise InvalidInput(f"The backup {path} is damaged (its SHA-256 is another one); name another run.")
        found[part["kind"]] = json.loads(_read(path, password if record.get("encrypted") else ""))
    return found


def sanitised(found: Object) -> Object:
    """Return an object without what the API server fills in, so that it can be applied; other data as they are."""
    if "metadata" not in found or "kind" not in found:
        return found
    metadata = {key: found["metadata"][key] for key in _KEPT if key in found["metadata"]}
    if _LAST_APPLIED in metadata.get("annotations", {}):
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key != _LAST_APPLIED}
    return {**found, "metadata": metadata}


def _read(path: Path, password: str) -> bytes:
    content = path.read_bytes()
    return decrypt(content, password, str(path)) if password else content
