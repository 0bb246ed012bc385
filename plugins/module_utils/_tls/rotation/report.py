# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports of the runs on certificates, a part for each step. PRIVATE to the collection."""

from __future__ import annotations

import shlex
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ..._errors import Problems, RunbookError
from ..._k8s.consumers import TRUST
from ..._report.model import Backup, Event, Figure, Finding, Plan, Proof, StepReport, Undo
from ..._report.text import plural
from ..._run import new_run_id
from ..._severity import CRITICAL
from ..._time import rfc3339, utc_now
from ..certificate import Certificate
from .plan import FOLDER, Context, RotationPlan
from .providers.vault import VaultPlaces
from .rotate import Restored, Rotated, Rotation, SavedRun
from .target import Target

# The login's options that are not secret; the role's variables are named after them.
_LOGIN = ("kubeconfig", "context", "host", "ca_cert", "client_cert", "client_key")
_UNDO_NOTE = (
    "The old certificates have to be valid still. Give rotate_certs_backup_password, and a login at Vault where it is "
    "needed."
)
_RELOADS = {"restart": "is restarted", "hot": "reads it again by itself", "external": "is restarted by another tool"}


@dataclass(frozen=True)
class Asked:
    """A step of a rotation: what it was asked, under which id, and since when."""

    params: t.Mapping[str, t.Any]
    run_id: str
    started: datetime

    def plan_report(
        self, plan: RotationPlan | None, failure: RunbookError | None = None, *, confirm: str = ""
    ) -> StepReport:
        """Return what a report says of the plan, whose hash is ``confirm``, or of why there is none."""
        report = StepReport(
            run_id=plan.run_id if plan else self.run_id,
            runbook="rotate_certs",
            state=failure.state if failure else "planned" if plan and plan.due else "unchanged",
            started=self.started,
            asked=self._options(plan),
            findings=_problems(failure),
            summary=(str(failure),) if failure else (),
        )
        if plan is None or not plan.targets:
            return report
        continued = f", continued as {plan.run_id}" if plan.continues else ""
        restarts = [line for target in plan.due for line in _restarts(plan, target)]
        return replace(
            report,
            headline="" if plan.due else _next_due(plan),
            plan=Plan(
                summary=tuple(_planned(target) for target in plan.targets),
                figures={"certificates": len(plan.targets), "due": len(plan.due)},
                hash=confirm,
                sample=(*plan.notices, *restarts),
                not_verified=plan.not_verified,
            ),
            details={"certificates": [_present(target) for target in plan.targets]},
            summary=(f"{len(plan.due)} of {plural(len(plan.targets), 'certificate')} are due{continued}",),
        )

    def rotation_report(
        self, rotation: Rotation | None, undo: str = "", failure: RunbookError | None = None
    ) -> StepReport:
        """Return what a report says of what was rotated, and of why a part of it was not."""
        rotated = rotation.rotated if rotation else ()
        good = [each for each in rotated if not each.refused]
        done = (f"{plural(len(good), 'certificate')} rotated",) if good else ()
        return StepReport(
            run_id=rotation.run_id if rotation else self.run_id,
            runbook="rotate_certs",
            state=failure.state if failure else "done" if rotated else "unchanged",
            started=self.started,
            asked=self._options(None),
            actions=rotation.timeline if rotation else (),
            degraded=rotation.notices if rotation else (),
            undo=Undo(undo, _UNDO_NOTE) if rotated and undo else None,
            figures=tuple(_days_left(each.name, each.old, each.new) for each in rotated),
            timeline=tuple(event for each in rotated for event in _lives(each)),
            details={"rotated": [_comparison(each) for each in rotated]} if rotated else {},
            summary=(*([str(failure)] if failure else []), *done),
        )

    def rollback_report(
        self, restored: Restored | None, check_mode: bool, failure: RunbookError | None = None
    ) -> StepReport:
        """Return what a report says of what was put back; of a rollback by itself, it is beside that of the run."""
        backup = Backup(str(Path(self.params["backup_dir"]) / FOLDER / self.params["run_id"]))
        common = StepReport(
            run_id=new_run_id("rollback_certs"),
            runbook="rollback_certs",
            state=failure.state if failure else "",
            started=self.started,
            asked={"namespace": self.params["namespace"], "run": self.params["run_id"]},
            backup=backup,
            findings=_problems(failure),
            summary=(str(failure),) if failure else (),
        )
        if restored is None:
            return common
        verb = "to be put back" if check_mode else "put back"
        claim = "every certificate of the run is back"
        lines = tuple(f"{each.name}: back to {each.old.leaf.fingerprint[:16]}" for each in restored.back)
        return replace(
            common,
            state=restored.state,
            headline="every certificate is as it was before that run" if not restored.changed else "",
            plan=Plan(lines) if lines else None,
            actions=restored.timeline,
            proofs=(Proof(claim, "failed", "; ".join(restored.left)),) if restored.left else (),
            figures=() if check_mode else tuple(_days_back(each) for each in restored.back),
            details={"put_back": [target.name for target in restored.back]}
            if restored.changed and not check_mode
            else {},
            summary=(f"{plural(len(restored.back), 'certificate')} {verb}",) if restored.changed else (),
        )

    def _options(self, plan: RotationPlan | None) -> dict[str, t.Any]:
        issued_before = rfc3339(plan.issued_before) if plan and plan.issued_before else ""
        names = ("namespace", "names", "method", "min_remaining", "issued_before", "force", "restart")
        asked = {name: self.params[name] for name in names}
        return {
            **asked,
            "names": asked["names"] or "all that are due",
            "issued_before": issued_before or asked["issued_before"],
        }


def _problems(failure: RunbookError | None) -> tuple[Finding, ...]:
    """Return what stands against it, beside what its sentence tells."""
    problems = failure.reached.problems if failure and isinstance(failure.reached, Problems) else ()
    return tuple(Finding(CRITICAL, problem) for problem in problems if problem not in str(failure))


def backup_report(saved: SavedRun) -> StepReport:
    """Return what a report says of the backup; where nothing is due any more, there is none."""
    return StepReport(backup=Backup(str(saved.path), bytes=saved.bytes)) if saved.certificates else StepReport()


def _planned(target: Target) -> str:
    if not target.due:
        return f"{target.name}: stays, {target.why}"
    return f"{target.name}: to be rotated by {target.method} in the secret {target.entry.secret_name}, as {target.why}"


def _next_due(plan: RotationPlan) -> str:
    first = min(plan.targets, key=lambda target: target.current.leaf.not_after)
    return f"no certificate is due, the next expires on {rfc3339(first.current.leaf.not_after)}"


def _restarts(plan: RotationPlan, target: Target) -> t.Iterator[str]:
    for consumer in plan.consumers:
        if any(use.secret == target.entry.secret_name and use.way != TRUST for use in consumer.uses):
            reload = _RELOADS.get(consumer.reload, "is left alone")
            yield f"{target.name}: {consumer.kind} {consumer.name} {reload} ({consumer.why})"


def _present(target: Target) -> dict[str, t.Any]:
    leaf = target.current.leaf
    return {
        "name": target.name,
        "secret": target.entry.secret_name,
        "method": target.method,
        "key": leaf.key,
        "names": ", ".join(leaf.names),
        "expires": rfc3339(leaf.not_after),
        "fingerprint": leaf.fingerprint[:16],
    }


def _days_left(name: str, before: Certificate, after: Certificate) -> Figure:
    now = utc_now()
    days = [round(each.remaining(now) / 86400, 1) for each in (before, after)]
    return Figure(f"{name}: days left", days[0], days[1], "days")


def _days_back(target: Target) -> Figure:
    return _days_left(target.name, target.current.leaf, target.old.leaf)


def _lives(each: Rotated) -> t.Iterator[Event]:
    for which, certificate in (("old", each.old), ("new", each.new)):
        start, end = certificate.not_before, certificate.not_after
        yield Event(f"{each.name}, {which}", start, end, note=certificate.fingerprint[:16])


def _comparison(each: Rotated) -> dict[str, t.Any]:
    return {
        "name": each.name,
        "method": each.method,
        "old": each.old.fingerprint[:16],
        "new": each.new.fingerprint[:16],
        "key": f"{each.old.key} -> {each.new.key}, {'new' if each.key_changed else 'the same'}",
        "subject": _change(each.old.subject, each.new.subject),
        "names": _difference(each.old.names, each.new.names),
        "issuer": _change(each.old.issuer, each.new.issuer),
        "expires": f"{rfc3339(each.old.not_after)} -> {rfc3339(each.new.not_after)}",
    }


def rotation_diff(plan: RotationPlan) -> dict[str, t.Any]:
    """Show which certificate each Secret holds, and that a later one takes its place; never what is in a Secret."""
    before = [
        f"{target.entry.secret_name}: {leaf.fingerprint[:16]}, expires {rfc3339(leaf.not_after)}, {leaf.key}, "
        f"{', '.join(leaf.names)}"
        for target in plan.due
        for leaf in (target.current.leaf,)
    ]
    after = [
        f"{target.entry.secret_name}: a new certificate by {target.method} with the same names" for target in plan.due
    ]
    return {"before": "\n".join([*before, ""]), "after": "\n".join([*after, ""])}


def undo_command(context: Context, params: t.Mapping[str, t.Any]) -> str:
    """Return the command that undoes the run; passwords and tokens are left out of it."""
    options = {"rollback_run": context.run_id, "namespace": params["namespace"], "backup_dir": str(context.backup_dir)}
    options.update({"api_host" if name == "host" else name: params[name] for name in _LOGIN if params[name]})
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


def _difference(old: t.Sequence[str], new: t.Sequence[str]) -> str:
    added = [f"+{name}" for name in new if name not in old]
    removed = [f"-{name}" for name in old if name not in new]
    return ", ".join([*added, *removed]) or f"the same {len(new)}"


def _change(old: str, new: str) -> str:
    return "the same" if old == new else f"{old} -> {new}"
