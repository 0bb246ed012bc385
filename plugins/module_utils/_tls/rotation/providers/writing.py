# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a Secret is written, and what is asked of a certificate before. PRIVATE to the collection."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta

from ...._errors import Problems, RunbookError
from ...._k8s.client import MERGE_PATCH, ApiError, ApiLogin, Object
from ...._time import utc_now
from ..gate import GateRefused, GateSettings, Material, advice, violations
from ..target import AUTHORITIES, CERTIFICATE, KEY, Target, secret_path

_CONFLICT = 409
_MOST_CONFLICTS = 5
_LONGEST_WAIT_SECONDS = 60.0
# What of a Secret is a certificate in one form or another; cert-manager writes the last ones.
_OF_CERTIFICATE = (
    *(CERTIFICATE, KEY, AUTHORITIES, "tls-combined.pem", "key.der"),
    *("keystore.jks", "truststore.jks", "keystore.p12", "truststore.p12"),
)
_MARKS = ("cert-manager.io/", "controller.cert-manager.io/", "market-intel.runbooks/")
# The API server tells its time in whole seconds.
_CLOCK_ERROR = timedelta(seconds=2)


def gate_of(target: Target, settings: GateSettings) -> GateSettings:
    """Return the settings for one certificate, whose catalogue entry may name another common name."""
    return replace(settings, common_name=target.entry.common_name)


def pass_gate(name: str, new: Material, old: Material, skew: float, settings: GateSettings) -> GateRefused | None:
    """Return the sentence why a certificate is not good enough, or None.

    It is judged by the clock of the cluster, ``skew`` seconds ahead of this one. One that is valid in a moment,
    because another clock issued it, is waited for.
    """
    early = (new.leaf.not_before - _now(skew)).total_seconds()
    if 0 < early <= _LONGEST_WAIT_SECONDS:
        time.sleep(early)
    found = violations(new, old, _now(skew) + _CLOCK_ERROR, settings)
    if not found:
        return None
    return GateRefused(
        f"The new certificate of {name} is not good enough ({'; '.join(map(str, found))}); "
        f"{advice(found, 'repair what issues it')}.",
        Problems(tuple(map(str, found))),
    )


def _now(skew: float) -> datetime:
    return utc_now() + timedelta(seconds=skew)


def patch_secret(login: ApiLogin, namespace: str, target: Target, data: Object, annotations: Object) -> Object:
    """Write keys of a Secret in one request, unless somebody else has changed its data since it was read."""
    name = target.entry.secret_name
    path = secret_path(namespace, name)
    known = target.secret
    for _attempt in range(_MOST_CONFLICTS):
        metadata = {"resourceVersion": known["metadata"]["resourceVersion"], "annotations": annotations}
        body = {"metadata": metadata, "data": data}
        try:
            return login.request(f"write the secret {name}", "PATCH", path, body=body, content_type=MERGE_PATCH)
        except ApiError as exc:
            if exc.status != _CONFLICT:
                raise
        known = login.get(f"get the secret {name}", path)
        if data and data.items() <= (known.get("data") or {}).items():
            # The answer to an earlier try was lost.
            return known
        if known.get("data") != target.secret.get("data"):
            raise RunbookError(
                f"Somebody else has written the secret {name} in {namespace} meanwhile; find out who, then run the "
                "same command again."
            )
    raise RunbookError(f"The secret {name} is being written by others all the time; run the same command again.")


def _leaf_of(secret: Object) -> str:
    return str((secret.get("data") or {}).get(CERTIFICATE, ""))


def _put_into(present: Object, saved: Object) -> Object:
    """Return a Secret with its certificate, and what goes with that, as it was saved; the rest is somebody else's."""
    parts = {
        what: {
            **{key: value for key, value in (now or {}).items() if not is_ours(key)},
            **{key: value for key, value in (before or {}).items() if is_ours(key)},
        }
        for what, is_ours, now, before in (
            ("data", _is_of_certificate, present.get("data"), saved.get("data")),
            *(
                (what, _is_mark, present["metadata"].get(what), saved["metadata"].get(what))
                for what in ("annotations", "labels")
            ),
        )
    }
    metadata = {key: value for key, value in present["metadata"].items() if key != "managedFields"}
    metadata |= {what: parts[what] for what in ("annotations", "labels")}
    return {**present, "metadata": metadata, "data": parts["data"]}


def _is_of_certificate(key: str) -> bool:
    return key in _OF_CERTIFICATE


def _is_mark(key: str) -> bool:
    return key.startswith(_MARKS)


def put_back(login: ApiLogin, namespace: str, target: Target, saved: Object) -> None:
    """Put a saved certificate back; nothing of the new one is left in its Secret, and one that is gone is made again.

    Raises RunbookError where somebody else has put another certificate there since it was read.
    """
    name = target.entry.secret_name
    path = secret_path(namespace, name)
    for _attempt in range(_MOST_CONFLICTS):
        present = login.find(f"get the secret {name}", path)
        if present is None:
            login.request(f"create the secret {name}", "POST", path.rpartition("/")[0], body=saved)
            return
        if all((present.get("data") or {}).get(key) == saved["data"].get(key) for key in (CERTIFICATE, KEY)):
            # It was never replaced, or is back already: what else is in it is somebody else's.
            return
        if _leaf_of(present) not in (_leaf_of(target.secret), _leaf_of(saved)):
            raise RunbookError(
                f"Somebody else has put another certificate into the secret {name} in {namespace} meanwhile; find out "
                "who, then run the same command again."
            )
        try:
            login.request(f"write the secret {name}", "PUT", path, body=_put_into(present, saved))
        except ApiError as exc:
            if exc.status != _CONFLICT:
                raise
            continue
        return
    raise RunbookError(f"The secret {name} is being written by others all the time; run the same command again.")
