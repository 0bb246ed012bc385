# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a rotation that write: back up, rotate, roll back, close. PRIVATE to the collection.

Each opens the folder of the run, takes up what an earlier process has done, and records what it does.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..._errors import Interrupted, InvalidInput, Problems, Refused, RunbookError
from ..._k8s.client import Object
from ..._k8s.lease import release
from ..._k8s.rollout import RestartRequest, try_restarts
from ..._report.model import Action
from ..._run import Progress, RunFolder, apply_retention, start_time, unfinished_runs
from ..._time import rfc3339, utc_now
from ..certificate import Certificate
from ..threshold import Threshold
from .backup import back_up, check_password, read_backup
from .catalogue import AUTO, CERT_MANAGER, Entry, RotateRequest
from .gate import GateSettings
from .ownership import Ownership, claimed_owners, find_owners
from .plan import Check, Context, RotationPlan, make_plan, method_of, refuse_missing_rights
from .providers import Provider
from .providers.cert_manager import CertManager
from .target import (
    CHANGED,
    REFUSED,
    RESTORED,
    ROTATED,
    CertRun,
    Target,
    digest_of,
    issued_spec,
    issuer_of,
    read_secret,
    refuse_changed,
    refuse_if_alive,
    secret_path,
    seen_of,
)

_KIND = "certificates"
DONE, ROLLED_BACK = "done", "rolled_back"


@dataclass(frozen=True)
class Installed:
    """What a Secret holds now: what is to be restarted for it, and what its users have to serve."""

    entry: Entry
    fingerprint: str


@dataclass(frozen=True)
class Rotated:
    """A certificate that a run has rotated, as it was and as it is; ``refused`` tells that the gate has refused it."""

    name: str
    secret_name: str
    method: str
    old: Certificate
    new: Certificate
    refused: bool = False

    @property
    def key_changed(self) -> bool:
        return self.new.key_digest != self.old.key_digest

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "name": self.name,
            "secret_name": self.secret_name,
            "method": self.method,
            "old": self.old.to_plain(),
            "new": self.new.to_plain(),
            "fingerprint": self.new.fingerprint,
            "key_changed": self.key_changed,
        }


@dataclass(frozen=True)
class SavedRun:
    """The folder of a run, and what of it was saved; ``bytes`` are those that were written now."""

    run_id: str
    path: Path
    state: str
    changed: bool = False
    bytes: int = 0
    certificates: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "changed": self.changed,
            "state": self.state,
            "run_id": self.run_id,
            "backup_path": str(self.path),
            "bytes": self.bytes,
            "certificates": list(self.certificates),
        }


@dataclass(frozen=True)
class Rotation:
    """What a run has rotated, now (``timeline``) or before it was interrupted; in an error as far as it came."""

    run_id: str
    rotated: tuple[Rotated, ...]
    installed: tuple[Installed, ...]
    timeline: tuple[Action, ...]
    notices: tuple[str, ...]

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "changed": bool(self.timeline),
            "run_id": self.run_id,
            "rotated": [each.to_plain() for each in self.rotated],
            **_next_steps(self.installed),
            "timeline": [each.to_plain() for each in self.timeline],
            "notices": list(self.notices),
        }


@dataclass(frozen=True)
class Restored:
    """What a rollback has put back, or would; ``left`` are those that stay, each with its reason."""

    run_id: str
    state: str
    changed: bool
    back: tuple[Target, ...]
    timeline: tuple[Action, ...]
    left: tuple[str, ...]

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "changed": self.changed,
            "state": self.state,
            "run_id": self.run_id,
            "restored": [target.name for target in self.back],
            **_next_steps([Installed(target.entry, target.old.leaf.fingerprint) for target in self.back]),
            "timeline": [each.to_plain() for each in self.timeline],
            "notices": [f"not put back: {reason}" for reason in self.left],
        }


def plan_rotation(context: Context, request: RotateRequest, *, force: bool) -> RotationPlan:
    """Say what a rotation would do, and have the API server try its writes and restarts; ``context`` only tries."""
    plan = make_plan(context, request, force=force)
    if plan.rolling_back:
        return plan
    _try_writes(context, request, plan)
    # Nobody knows the fingerprint of a certificate before it is issued.
    fingerprints = {target.entry.secret_name: "0" * 64 for target in plan.due}
    restarts = RestartRequest(request.namespace, fingerprints, context.overrides, context.restart)
    untried = try_restarts(context.login, plan.consumers, restarts)
    return replace(plan, not_verified=(*plan.not_verified, *untried))


def _try_writes(context: Context, request: RotateRequest, plan: RotationPlan) -> None:
    providers = context.providers(request)
    for target in plan.due:
        if target.name not in plan.rotated:
            providers[target.method].dry_run(target)


def back_up_all(
    context: Context,
    request: RotateRequest,
    check: Check,
    *,
    force: bool,
    seen: t.Mapping[str, t.Mapping[str, str]] | None = None,
) -> SavedRun:
    """Save what is due into the folder of the run, which is made now; a run that continues has it already.

    ``seen`` is what the plan has seen of each certificate that was due; what differs now is refused.
    """
    plan = make_plan(context, request, force=force, preflight=False)
    for target in plan.targets:
        if target.name in (seen or {}) and target.name not in plan.begun:
            refuse_changed(target, t.cast("dict[str, dict[str, str]]", seen)[target.name])
    password = check_password(context.password, context.encrypted)
    names = tuple(target.name for target in plan.due)
    saved = SavedRun(plan.run_id, context.base / plan.run_id, "unchanged", certificates=names)
    if not plan.due:
        return saved
    if context.login.dry_run:
        return replace(saved, changed=not plan.continues, state="planned")
    _give_up_others(context, plan)
    run = _begin(context, request, plan)
    size = 0
    try:
        providers = context.providers(request)
        for target in plan.due:
            check()
            if not run.phase(target.name):
                further = providers[target.method].backup(target)
                size += back_up(run, target, further, password)
    finally:
        run.close()
    return replace(saved, run_id=run.run_id, path=run.path, state="done", changed=size > 0, bytes=size)


def _give_up_others(context: Context, plan: RotationPlan) -> None:
    """Put on record that failed runs of the same command, which changed nothing, are not continued any more."""
    for other in unfinished_runs(context.base, plan.fingerprint):
        if other.path.name != plan.run_id:
            folder = RunFolder.take(context.base, other.path.name)
            run = CertRun(folder)
            run.end("abandoned")
            run.close()


def _begin(context: Context, request: RotateRequest, plan: RotationPlan) -> CertRun:
    controller = [context.controller, start_time(context.controller)]
    if plan.continues:
        folder = RunFolder.take(context.base, plan.run_id)
        folder.save(controller=controller)
        return CertRun(folder)
    manifest = {
        "kind": _KIND,
        "run_id": plan.run_id,
        "state": "begun",
        "fingerprint": plan.fingerprint,
        "server": context.login.server,
        "namespace": request.namespace,
        "created": rfc3339(utc_now()),
        "issued_before": rfc3339(plan.issued_before) if plan.issued_before else "",
        "controller": controller,
        "certificates": {},
    }
    folder = RunFolder.create(context.base, plan.run_id, manifest)
    # Hosts that share the id of a run have folders, and so runs, of their own.
    folder.save(run_id=folder.path.name)
    return CertRun(folder)


def rotate_all(context: Context, request: RotateRequest, check: Check, progress: Progress) -> Rotation:
    """Rotate what the run has backed up; what it has rotated already is left as it is."""
    run = _take(context)
    try:
        return _rotate_all(context, request, run, check, progress)
    finally:
        run.close()


def _rotate_all(context: Context, request: RotateRequest, run: CertRun, check: Check, progress: Progress) -> Rotation:
    targets = _targets_of(context, request, run)
    for target in targets:
        _refuse_not_ours(context, request, run, target)
    before = {name for name in run.certificates if run.phase(name) == ROTATED}
    for target in targets:
        if target.name not in before:
            # What is issued now is for the Certificate of now, which may have been repaired since the backup.
            run.certificates[target.name]["issued_by"] = seen_of(target)
    run.folder.save(state="rotating")
    failure: RunbookError | None = None
    for method, provider in context.providers(request).items():
        mine = [target for target in targets if target.method == method]
        if not mine:
            continue
        try:
            provider.rotate(mine, run, check, partial(_report, progress))
        except Interrupted:
            run.folder.save(state="interrupted")
            raise
        except RunbookError as exc:
            # What another issuer would do now would only have to be undone.
            failure = exc
            break
    rotated = [
        _rotated(context, request, run, target) for target in targets if run.phase(target.name) in (ROTATED, REFUSED)
    ]
    rotation = Rotation(
        run_id=run.run_id,
        rotated=tuple(rotated),
        installed=tuple(
            Installed(target.entry, each.new.fingerprint)
            for each in rotated
            for target in targets
            if target.name == each.name
        ),
        timeline=tuple(
            _entry(
                f"{each.name} {'issued anew, and refused' if each.refused else 'rotated'}",
                detail=f"{each.method}, {rfc3339(each.new.not_after)}",
            )
            for each in rotated
            if each.name not in before
        ),
        notices=tuple(
            f"{name}: {warning}" for name, record in run.certificates.items() for warning in record.get("warnings", [])
        ),
    )
    if failure:
        run.folder.save(state="failed")
        failure.reached = rotation
        raise failure
    run.folder.save(state="rotated")
    return rotation


def _refuse_not_ours(context: Context, request: RotateRequest, run: CertRun, target: Target) -> None:
    """Raise Refused where others have changed a certificate since its backup, and this run has done nothing yet."""
    record = run.certificates[target.name]
    if not target.secret:
        raise RunbookError(
            f"The secret {record['secret']} of {target.name} is gone since the run began; find out who has deleted it: "
            f"the backup in {run.path} has it."
        )
    if _is_touched(record):
        return
    try:
        owner = find_owners(context.login, target.secret, target.owner.certificates)
        method_of(target.entry, owner, request.method, bool(context.vault))
        if "seen" in record:
            refuse_changed(target, record["seen"])
    except (Refused, InvalidInput):
        run.drop(target.name)
        raise


def _is_touched(record: t.Mapping[str, t.Any]) -> bool:
    """Tell whether this run may have changed something for a certificate."""
    return record.get("phase") in (*CHANGED, RESTORED) or bool(record.get("triggered"))


def _report(progress: Progress, done: int, total: int) -> None:
    progress.report("rotating", done, total, "certificates")


def _rotated(context: Context, request: RotateRequest, run: CertRun, target: Target) -> Rotated:
    where = secret_path(request.namespace, target.entry.secret_name)
    new = read_secret(context.login.get(f"get the secret {target.entry.secret_name}", where)).leaf
    refused = run.phase(target.name) == REFUSED
    return Rotated(target.name, target.entry.secret_name, target.method, run.old(target.name).leaf, new, refused)


def _next_steps(installed: t.Sequence[Installed]) -> dict[str, t.Any]:
    """Return what rollout_restart and cert_probe have to be told: the Secrets and the fingerprints of their leaves."""
    return {
        "secrets": [{"name": each.entry.secret_name, "fingerprint": each.fingerprint} for each in installed],
        "expected": [
            {
                "name": each.entry.name,
                "secret_name": each.entry.secret_name,
                "fingerprint": each.fingerprint,
                "ports": list(each.entry.ports),
                "server_name": each.entry.server_name,
                "endpoints": list(each.entry.endpoints),
            }
            for each in installed
        ],
    }


def roll_back(
    context: Context, entries: t.Sequence[Entry], check: Check, progress: Progress, *, skip_unrestorable: bool
) -> Restored:
    """Put back what a run has replaced. All reasons against it are looked for before the first one is touched.

    With ``skip_unrestorable``, those that cannot come back are named and left, instead of keeping the others from it.
    """
    run = _take(context)
    try:
        return _roll_back(context, entries, run, check, progress, skip_unrestorable)
    finally:
        run.close()


def _roll_back(
    context: Context,
    entries: t.Sequence[Entry],
    run: CertRun,
    check: Check,
    progress: Progress,
    skip_unrestorable: bool,
) -> Restored:
    request = RotateRequest(context.namespace, tuple(entries), (), AUTO, Threshold(0.0), None)
    providers = context.providers(request)
    targets = _targets_of(context, request, run)
    todo: list[Target] = []
    reasons: list[str] = []
    saved: dict[str, dict[str, Object]] = {}
    for target in targets:
        reason = _to_restore(context, run, target, providers, saved)
        if reason:
            reasons.append(f"{target.name}: {reason}")
        elif reason is not None:
            todo.append(target)
    if reasons and not skip_unrestorable:
        raise Refused(f"The run {run.run_id} cannot be rolled back ({'; '.join(reasons)}).", Problems(tuple(reasons)))
    if todo:
        refuse_missing_rights(context, context.namespace, todo, providers)
    timeline = [] if context.login.dry_run else _restore(run, todo, saved, providers, check, progress)
    state = ("planned" if context.login.dry_run else "done") if todo else "unchanged"
    back = [target for target in targets if target in todo or run.phase(target.name) == RESTORED]
    if not back and not context.login.dry_run and not run.folder.is_final:
        # Neither forth nor back: the next command begins anew.
        run.end("abandoned")
    return Restored(run.run_id, state, bool(todo), tuple(back), tuple(timeline), tuple(reasons))


def _restore(
    run: CertRun,
    todo: t.Sequence[Target],
    saved: t.Mapping[str, t.Mapping[str, Object]],
    providers: t.Mapping[str, Provider],
    check: Check,
    progress: Progress,
) -> list[Action]:
    timeline: list[Action] = []
    if todo:
        run.folder.save(state="rolling_back")
    for method, provider in providers.items():
        mine = [target for target in todo if target.method == method]
        if mine:
            progress.report(f"rolling back with {method}", 0, len(mine), "certificates", force=True)
            provider.restore(mine, saved, run, check)
            timeline += [_entry(f"{target.name} is as it was before the run") for target in mine]
    return timeline


def _to_restore(
    context: Context,
    run: CertRun,
    target: Target,
    providers: t.Mapping[str, Provider],
    saved: dict[str, dict[str, Object]],
) -> str | None:
    """Return why a certificate cannot be put back, empty if it can, which needs its backup; None if it need not be."""
    current, old = target.current.leaf.fingerprint, target.old.leaf.fingerprint
    record, phase = run.certificates[target.name], run.phase(target.name)
    if not _is_touched(record) or (current == old and phase not in CHANGED):
        return None
    if record.get("new") and current not in (record["new"], old):
        return f"the secret {target.entry.secret_name} holds a later certificate by now"
    if target.method not in providers:
        raise InvalidInput(
            f"{target.name} was issued by Vault, and there is no login at one; set O(vault.url) and a login."
        )
    saved[target.name] = read_backup(run, target.name, context.password)
    return _why_not(context, target) or providers[target.method].why_not_restore(target, saved[target.name], record)


def _why_not(context: Context, target: Target) -> str:
    now = context.login.now()
    if target.old.leaf.remaining(now) <= 0:
        return f"it has expired on {rfc3339(target.old.leaf.not_after)}; roll forward instead: rotate again"
    return ""


def close_run(context: Context, outcome: str, keep: int) -> list[str]:
    """Put on record how a run has ended, so that no later command continues it, and give its Lease back.

    Returns the oldest backups, which were removed.
    """
    if context.login.dry_run:
        return []
    run = _take(context)
    try:
        if outcome == DONE:
            _refuse_replaced(context, run)
        run.end(outcome, finished=rfc3339(utc_now()))
    finally:
        run.close()
    if context.lease_name:
        # It expires by itself, and the run is over.
        with contextlib.suppress(RunbookError):
            release(context.login, context.lease_name, context.run_id)
    place = {"kind": _KIND, "server": context.login.server, "namespace": context.namespace}
    return apply_retention(context.base, keep, run.path, lambda manifest: place.items() <= manifest.items())


def _refuse_replaced(context: Context, run: CertRun) -> None:
    """Raise where a Secret does not hold any more what was rotated and proven, or will not for long."""
    rotated = {name: record for name, record in run.certificates.items() if record.get("phase") == ROTATED}
    manager = CertManager(context.login, context.namespace, GateSettings(), context.timeout)
    certificates = manager.certificates() if rotated else []
    for name, record in rotated.items():
        secret = context.login.find(
            f"get the secret {record['secret']}", secret_path(context.namespace, record["secret"])
        )
        held = read_secret(secret) if secret else None
        if secret is None or held is None or held.leaf.fingerprint != record["new"]:
            what = f"{held.leaf.fingerprint[:16]}, issued by {held.leaf.issuer}" if held else "nothing"
            raise RunbookError(
                f"The secret {record['secret']} of {name} holds {what}, and not what was rotated and proven "
                f"({record['new'][:16]}); find out who has changed it since."
            )
        if held.key_digest != held.leaf.key_digest:
            raise RunbookError(
                f"The secret {record['secret']} of {name} holds a private key that is not the one of what was rotated "
                "and proven; find out who has changed it since."
            )
        change = _new_owner(find_owners(context.login, secret, certificates), record)
        if change:
            raise RunbookError(
                f"Somebody else has changed {name} since it was rotated ({change}), so that what was proven may not "
                "stay; find out who and why."
            )


def _new_owner(owner: Ownership, record: t.Mapping[str, t.Any]) -> str:
    """Say who writes a Secret now, or what is issued there, if that is not what the backup has seen."""
    seen = record.get("issued_by") or record.get("seen") or {}
    method = record["method"]
    if len(owner.certificates) > 1 or owner.foreign:
        return f"{' and '.join(owner.names)} {'write' if len(owner.names) > 1 else 'writes'} it"
    if bool(owner.certificates) is not (method == CERT_MANAGER):
        return f"{CERT_MANAGER} issues it, not {method}" if owner.certificates else "its Certificate is gone"
    spec = owner.certificates[0]["spec"] if owner.certificates else {}
    if seen and issuer_of(spec) != seen["issuer"]:
        return f"its issuer is {issuer_of(spec) or 'none'}, not {seen['issuer'] or 'none'}"
    if "asked" in seen and digest_of(issued_spec(spec)) != seen["asked"]:
        return "the spec of its Certificate is another one"
    return ""


def _take(context: Context) -> CertRun:
    folder = RunFolder.take(context.base, context.run_id)
    try:
        if folder.manifest.get("server") != context.login.server:
            raise InvalidInput(
                f"The run {context.run_id} was made at {folder.manifest.get('server')}, and this login is at "
                f"{context.login.server}; choose the other context."
            )
        if folder.manifest.get("namespace") != context.namespace:
            raise InvalidInput(
                f"The run {context.run_id} was in the namespace {folder.manifest.get('namespace')}, not in "
                f"{context.namespace}; name that one."
            )
        refuse_if_alive(folder.manifest, context.controller)
        if not context.login.dry_run:
            folder.save(controller=[context.controller, start_time(context.controller)])
    except RunbookError:
        folder.close()
        raise
    return CertRun(folder)


def _targets_of(context: Context, request: RotateRequest, run: CertRun) -> list[Target]:
    """Return the certificates of a run as they are now."""
    entries = {entry.name: entry for entry in request.entries}
    manager = CertManager(context.login, request.namespace, request.gate, context.timeout)
    certificates = manager.certificates()
    found = []
    for name, record in run.certificates.items():
        entry = entries.get(name) or Entry(name, record["secret"])
        entry = replace(entry, secret_name=record["secret"])
        where = secret_path(request.namespace, entry.secret_name)
        secret = context.login.find(f"get the secret {entry.secret_name}", where)
        owner = claimed_owners(secret or {"metadata": {"name": entry.secret_name}}, certificates)
        certificate = owner.certificates[0] if owner.certificates else None
        if record["method"] == CERT_MANAGER and certificate is None:
            raise RunbookError(
                f"The Certificate of the secret {entry.secret_name} is gone since the run began; bring it back first "
                f"(the backup has it: {run.path}/{name}.certificate.json)."
            )
        current = run.old(name)
        # One that is gone or broken may be put back, whatever was in it.
        with contextlib.suppress(InvalidInput):
            current = read_secret(secret) if secret else current
        found.append(
            Target(entry, record["method"], secret or {}, current, run.old(name), certificate, owner, due=True)
        )
    return found


def _entry(what: str, *, detail: str = "") -> Action:
    return Action(what, changed=True, detail=detail, at=utc_now())
