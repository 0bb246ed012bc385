# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a rotation that write: back up, rotate, roll back, close. PRIVATE to the collection.

Each opens the folder of the run, takes up what an earlier process has done, and records what it does.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace
from functools import partial

from .._errors import Interrupted, InvalidInput, Refused, RunbookError
from .._k8s.client import Object
from .._run import Progress, RunFolder, apply_retention, rfc3339, start_time, unfinished_runs, utc_now
from .backup import back_up, check_password, read_backup
from .catalogue import AUTO, CERT_MANAGER, Entry, RotateRequest
from .ownership import owners
from .plan import Check, Context, RotationPlan, make_plan, plan_fields, refuse_missing_rights
from .providers import Provider
from .providers.cert_manager import CertManager
from .providers.vault import VaultIssuer
from .severity import Threshold
from .target import (
    RESTORED,
    ROTATED,
    SIGNED,
    STORED,
    CertRun,
    Target,
    read_secret,
    refuse_if_alive,
    secret_path,
)

Result = dict[str, t.Any]

_KIND = "certificates"
ROLLED_BACK = "rolled_back"
# What a process that was killed may have changed already.
_TOUCHED = (SIGNED, STORED, ROTATED)


def plan_rotation(context: Context, request: RotateRequest, *, force: bool) -> Result:
    """Say what a rotation would do, and have the API server try each first write; for a login that only tries."""
    plan = make_plan(context, request, force=force)
    if not plan.rolling_back:
        _try_writes(context, request, plan)
    state = "planned" if plan.due else "unchanged"
    return {"changed": bool(plan.due), "state": state, **plan_fields(plan), "rotated": [], "timeline": []}


def _try_writes(context: Context, request: RotateRequest, plan: RotationPlan) -> None:
    providers = context.providers(request)
    for target in plan.due:
        provider = providers[target.method]
        if target.name in plan.rotated:
            continue
        if isinstance(provider, CertManager):
            provider.try_trigger(target)
        elif isinstance(provider, VaultIssuer):
            provider.try_write(target)


def back_up_all(context: Context, request: RotateRequest, check: Check, *, force: bool) -> Result:
    """Save what is due into the folder of the run, which is made now; a run that continues has it already."""
    plan = make_plan(context, request, force=force, preflight=False)
    password = check_password(context.password, context.encrypted)
    result: Result = {
        "changed": False,
        "state": "unchanged",
        "run_id": plan.run_id,
        "backup_path": str(context.base / plan.run_id),
        "bytes": 0,
        "certificates": [target.name for target in plan.due],
    }
    if not plan.due:
        return result
    if context.login.dry_run:
        return {**result, "changed": not plan.continues, "state": "planned"}
    _give_up_others(context, plan)
    run = _begin(context, request, plan)
    result.update(run_id=run.run_id, backup_path=str(run.path))
    try:
        providers = context.providers(request)
        for target in plan.due:
            check()
            if not run.phase(target.name):
                further = providers[target.method].backup(target)
                result["bytes"] += back_up(run, target, further, password)
    finally:
        run.close()
    return {**result, "changed": result["bytes"] > 0, "state": "done"}


def _give_up_others(context: Context, plan: RotationPlan) -> None:
    """Put on record that failed runs of the same command, which changed nothing, are not continued any more."""
    for other in unfinished_runs(context.base, plan.fingerprint):
        if other.path.name != plan.run_id:
            folder = RunFolder.take(context.base, other.path.name)
            folder.save(state="abandoned")
            folder.close()


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


def rotate_all(context: Context, request: RotateRequest, check: Check, progress: Progress) -> Result:
    """Rotate what the run has backed up; what it has rotated already is left as it is."""
    run = _take(context)
    try:
        return _rotate_all(context, request, run, check, progress)
    finally:
        run.close()


def _rotate_all(context: Context, request: RotateRequest, run: CertRun, check: Check, progress: Progress) -> Result:
    targets = _targets_of(context, request, run)
    before = {name for name, record in run.certificates.items() if record.get("phase") == ROTATED}
    timeline: list[Result] = []
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
    rotated = [_rotated(context, request, run, target) for target in targets if run.phase(target.name) == ROTATED]
    for each in rotated:
        if each["name"] not in before:
            timeline.append(_entry(f"{each['name']} rotated", detail=f"{each['method']}, {each['new']['not_after']}"))
    fingerprints = {each["name"]: each["fingerprint"] for each in rotated}
    result = {
        "changed": bool(timeline),
        "run_id": run.run_id,
        "rotated": rotated,
        **_next_steps([(target, fingerprints[target.name]) for target in targets if target.name in fingerprints]),
        "timeline": timeline,
        "notices": [
            f"{name}: {warning}" for name, record in run.certificates.items() for warning in record.get("warnings", [])
        ],
    }
    if failure:
        run.folder.save(state="failed")
        touched = [name for name, record in run.certificates.items() if record.get("phase") in _TOUCHED]
        failure.result.update({**result, "touched": touched})
        raise failure
    run.folder.save(state="rotated")
    return {**result, "state": "done" if timeline else "unchanged"}


def _report(progress: Progress, done: int, total: int) -> None:
    progress.report("rotating", done, total, "certificates")


def _rotated(context: Context, request: RotateRequest, run: CertRun, target: Target) -> Result:
    where = secret_path(request.namespace, target.entry.secret_name)
    new = read_secret(context.login.get(f"get the secret {target.entry.secret_name}", where)).leaf
    old = run.old(target.name).leaf
    return {
        "name": target.name,
        "secret_name": target.entry.secret_name,
        "method": target.method,
        "old": old.to_plain(),
        "new": new.to_plain(),
        "fingerprint": new.fingerprint,
        "key_changed": new.key_digest != old.key_digest,
    }


def _next_steps(leaves: t.Sequence[tuple[Target, str]]) -> Result:
    """Return what rollout_restart and cert_probe have to be told: the Secrets and the fingerprints of their leaves."""
    return {
        "secrets": [{"name": target.entry.secret_name, "fingerprint": leaf} for target, leaf in leaves],
        "expected": [
            {
                "name": target.name,
                "secret_name": target.entry.secret_name,
                "fingerprint": leaf,
                "ports": list(target.entry.ports),
                "server_name": target.entry.server_name,
                "endpoints": list(target.entry.endpoints),
            }
            for target, leaf in leaves
        ],
    }


def roll_back(
    context: Context, entries: t.Sequence[Entry], check: Check, progress: Progress, *, what_can_be: bool
) -> Result:
    """Put back what a run has replaced. All reasons against it are looked for before the first one is touched.

    With ``what_can_be``, those that cannot come back are named and left, instead of keeping the others from it.
    """
    run = _take(context)
    try:
        return _roll_back(context, entries, run, check, progress, what_can_be)
    finally:
        run.close()


def _roll_back(
    context: Context, entries: t.Sequence[Entry], run: CertRun, check: Check, progress: Progress, what_can_be: bool
) -> Result:
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
    if reasons and not what_can_be:
        raise Refused(
            f"The run {run.run_id} cannot be rolled back ({'; '.join(reasons)}).", problems=reasons, run_id=run.run_id
        )
    if todo:
        refuse_missing_rights(context, context.namespace, todo, providers)
    timeline = [] if context.login.dry_run else _restore(run, todo, saved, providers, check, progress)
    if reasons and not todo and not context.login.dry_run:
        # Neither forth nor back: the next command begins anew.
        run.folder.save(state="abandoned")
    state = ("planned" if context.login.dry_run else "done") if todo else "unchanged"
    back = [target for target in targets if target in todo or run.phase(target.name) == RESTORED]
    return {
        "changed": bool(todo),
        "state": state,
        "run_id": run.run_id,
        "restored": [target.name for target in back],
        **_next_steps([(target, target.old.leaf.fingerprint) for target in back]),
        "timeline": timeline,
        "notices": [f"not put back: {reason}" for reason in reasons],
    }


def _restore(
    run: CertRun,
    todo: t.Sequence[Target],
    saved: t.Mapping[str, t.Mapping[str, Object]],
    providers: t.Mapping[str, Provider],
    check: Check,
    progress: Progress,
) -> list[Result]:
    timeline: list[Result] = []
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
    if current == old and (phase == RESTORED or phase not in _TOUCHED):
        return None
    if record.get("new") and current not in (record["new"], old):
        return f"the secret {target.entry.secret_name} holds a later certificate by now"
    if target.method not in providers:
        raise InvalidInput(
            f"{target.name} was issued by Vault, and there is no login at one; set rotate_certs_vault_url and a login."
        )
    saved[target.name] = read_backup(run, target.name, context.password)
    return _why_not(context, target) or providers[target.method].why_not_restore(target, saved[target.name], record)


def _why_not(context: Context, target: Target) -> str:
    now = context.login.now()
    if target.old.leaf.remaining(now) <= 0:
        return f"it has expired on {rfc3339(target.old.leaf.not_after)}; roll forward instead: rotate again"
    return ""


def close_run(context: Context, outcome: str, keep: int) -> Result:
    """Put on record how a run has ended, so that no later command continues it, and remove the oldest backups."""
    result: Result = {"run_id": context.run_id, "backup_path": str(context.base / context.run_id), "state": outcome}
    if context.login.dry_run:
        return {**result, "changed": False, "removed_backups": []}
    run = _take(context)
    try:
        run.folder.save(state=outcome, finished=rfc3339(utc_now()))
    finally:
        run.close()
    place = {"kind": _KIND, "server": context.login.server, "namespace": context.namespace}
    removed = apply_retention(context.base, keep, run.path, lambda manifest: place.items() <= manifest.items())
    return {**result, "changed": False, "removed_backups": removed}


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
        secret = context.login.get(
            f"get the secret {entry.secret_name}", secret_path(request.namespace, entry.secret_name)
        )
        owner = owners(secret, certificates)
        certificate = owner.certificates[0] if owner.certificates else None
        if record["method"] == CERT_MANAGER and certificate is None:
            raise RunbookError(
                f"The Certificate of the secret {entry.secret_name} is gone since the run began; bring it back first "
                f"(the backup has it: {run.path}/{name}.certificate.json)."
            )
        found.append(Target(entry, record["method"], secret, read_secret(secret), run.old(name), certificate, due=True))
    return found


def _entry(what: str, *, detail: str = "") -> Result:
    return {"what": what, "changed": True, "detail": detail, "at": rfc3339(utc_now())}
