# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runs on certificates say of themselves, in the fields of the report model. PRIVATE to the collection."""

from __future__ import annotations

import shlex
import typing as t
from datetime import datetime, timezone
from pathlib import Path

from .._errors import RunbookError
from .._k8s.consumers import TRUST
from .._run import new_run_id, rfc3339, utc_now
from .plan import FOLDER, Context
from .providers.vault import VaultPlaces

Fields = dict[str, t.Any]

# The login's options that are no secrets; the role's variables are named after them.
_LOGIN = ("kubeconfig", "context", "host", "ca_cert", "client_cert", "client_key")


def rotation_report(
    params: t.Mapping[str, t.Any],
    run_id: str,
    started: datetime,
    result: t.Mapping[str, t.Any],
    failure: RunbookError | None = None,
) -> Fields:
    """Return the report of a rotation as far as this step has come; the role adds what later steps do."""
    state = failure.state if failure else "unchanged" if not result.get("due", True) else "planned"
    report: Fields = {
        "run_id": result.get("run_id") or run_id,
        "runbook": "rotate_certs",
        "state": state,
        "started": rfc3339(started),
        "finished": rfc3339(utc_now()),
        "asked": {
            "namespace": params["namespace"],
            "names": params["names"] or "all that are due",
            "method": params["method"],
            "min_remaining": params["min_remaining"],
            "issued_before": result.get("issued_before") or params["issued_before"],
            "force": params["force"],
            "restart": params["restart"],
        },
        "summary": [str(failure)] if failure else [],
        "degraded": [
            *(f"not verified: {what}" for what in result.get("not_verified", [])),
            *(problem for problem in result.get("problems", []) if not failure or problem not in str(failure)),
        ],
    }
    certificates = result.get("certificates") or []
    if certificates:
        due = [each for each in certificates if each["due"]]
        report["plan"] = {
            "summary": [_planned(each) for each in certificates],
            "figures": {"certificates": len(certificates), "due": len(due)},
            "sample": [*result.get("notices", []), *(line for each in due for line in _restarts(each))],
        }
        report["details"] = {
            "certificates": [
                {
                    "name": each["name"],
                    "secret": each["secret_name"],
                    "method": each["method"],
                    "key": each["present"]["key"],
                    "names": ", ".join(each["present"]["names"]),
                    "expires": each["present"]["not_after"],
                    "fingerprint": each["present"]["fingerprint"][:16],
                }
                for each in certificates
            ]
        }
        if not failure:
            continued = f", continued as {result['continues']}" if result.get("continues") else ""
            report["summary"] += [f"{len(due)} of {len(certificates)} certificates are due{continued}"]
    return report


def _planned(each: t.Mapping[str, t.Any]) -> str:
    if not each["due"]:
        return f"{each['name']}: stays, {each['why']}"
    return f"{each['name']}: to be rotated by {each['method']} in the secret {each['secret_name']}, as {each['why']}"


def _restarts(each: t.Mapping[str, t.Any]) -> list[str]:
    words = {"restart": "is restarted", "hot": "reads it again by itself", "external": "is restarted by another tool"}
    return [
        f"{each['name']}: {consumer['kind']} {consumer['name']} {words.get(consumer['reload'], 'is left alone')}"
        f" ({consumer['why']})"
        for consumer in each["consumers"]
        if any(use["secret"] == each["secret_name"] and use["way"] != TRUST for use in consumer["uses"])
    ]


def rotated_parts(result: t.Mapping[str, t.Any]) -> Fields:
    """Return what a report says of the certificates that a run has rotated."""
    now = datetime.now(timezone.utc)
    rotated = result.get("rotated") or []
    return {
        "actions": list(result.get("timeline") or []),
        "degraded": list(result.get("notices") or []),
        "figures": [
            {
                "name": f"{each['name']}: days left",
                "before": _days(each["old"]["not_after"], now),
                "after": _days(each["new"]["not_after"], now),
                "unit": "days",
            }
            for each in rotated
        ],
        "timeline": [
            {
                "name": f"{each['name']}, {which}",
                "start": each[which]["not_before"],
                "end": each[which]["not_after"],
                "note": each[which]["fingerprint"][:16],
            }
            for each in rotated
            for which in ("old", "new")
        ],
        "rotated": [
            {
                "name": each["name"],
                "method": each["method"],
                "old": each["old"]["fingerprint"][:16],
                "new": each["new"]["fingerprint"][:16],
                "key": f"{each['old']['key']} -> {each['new']['key']}, {'new' if each['key_changed'] else 'the same'}",
                "names": _difference(each["old"]["names"], each["new"]["names"]),
                "issuer": _change(each["old"]["issuer"], each["new"]["issuer"]),
                "expires": f"{each['old']['not_after']} -> {each['new']['not_after']}",
            }
            for each in rotated
        ],
    }


def rotation_diff(result: t.Mapping[str, t.Any]) -> Fields:
    """Show which certificate each Secret holds, and that a later one takes its place; never what is in a Secret."""
    due = [each for each in result["certificates"] if each["due"]]
    before = [
        f"{each['secret_name']}: {each['present']['fingerprint'][:16]}, expires {each['present']['not_after']}, "
        f"{each['present']['key']}, {', '.join(each['present']['names'])}"
        for each in due
    ]
    after = [f"{each['secret_name']}: a new certificate by {each['method']} with the same names" for each in due]
    return {"before": "\n".join([*before, ""]), "after": "\n".join([*after, ""])}


def undo_command(context: Context, params: t.Mapping[str, t.Any]) -> str:
    """Return the command that undoes the run; passwords and tokens are left out of it."""
    options = {"rollback_run": context.run_id, "namespace": params["namespace"], "backup_dir": str(context.backup_dir)}
    options.update({name: params[name] for name in _LOGIN if params[name]})
    if params["validate_certs"] is False:
        options["validate_certs"] = "false"
    if not context.encrypted:
        options["backup_encrypt"] = "false"
    if context.vault:
        usual = VaultPlaces()
        options["vault_url"] = context.vault.url
        given = {name: getattr(context.places, name) for name in ("pki_mount", "kv_mount", "kv_prefix")}
        options.update({f"vault_{name}": value for name, value in given.items() if value != getattr(usual, name)})
    words = ["ansible-playbook", "market_intel.runbooks.rollback_certs"]
    for name, value in options.items():
        words += ["-e", shlex.quote(f"rotate_certs_{name}={value}")]
    return " ".join(words)


def rollback_report(
    params: t.Mapping[str, t.Any],
    started: datetime,
    check_mode: bool,
    result: t.Mapping[str, t.Any],
    failure: RunbookError | None = None,
) -> Fields:
    """Return the report of a rollback as far as this step has come."""
    restored = result.get("restored") or []
    state = failure.state if failure else result["state"]
    verb = "are to be put back" if check_mode else "were put back"
    return {
        # A report of its own, beside that of the run that it undoes.
        "run_id": new_run_id("rollback_certs"),
        "runbook": "rollback_certs",
        "state": state,
        "started": rfc3339(started),
        "finished": rfc3339(utc_now()),
        "asked": {"namespace": params["namespace"], "run": params["run_id"]},
        "backup": {"path": str(Path(params["backup_dir"]) / FOLDER / params["run_id"])},
        "summary": [str(failure)] if failure else [f"{len(restored)} certificates {verb}"],
        "actions": list(result.get("timeline") or []),
        "plan": {
            "summary": [f"{each['name']}: back to {each['fingerprint'][:16]}" for each in result.get("expected", [])]
        },
    }


def _days(text: str, now: datetime) -> float:
    return round((datetime.fromisoformat(text.replace("Z", "+00:00")) - now).total_seconds() / 86400, 1)


def _difference(old: t.Sequence[str], new: t.Sequence[str]) -> str:
    added = [f"+{name}" for name in new if name not in old]
    removed = [f"-{name}" for name in old if name not in new]
    return ", ".join([*added, *removed]) or f"the same {len(new)}"


def _change(old: str, new: str) -> str:
    return "the same" if old == new else f"{old} -> {new}"
