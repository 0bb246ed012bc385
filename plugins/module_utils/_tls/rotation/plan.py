# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rotation would do, and everything that can be known to stop it, without touching anything. PRIVATE."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ..._confirm import make_confirmation, plan_content
from ..._errors import InvalidInput, Problems, Refused
from ..._guard.guard import notes
from ..._k8s import consumers as k8s_consumers
from ..._k8s import rollout
from ..._k8s.admission import admission_reasons
from ..._k8s.client import ApiError, ApiLogin, Object, Right
from ..._k8s.consumers import Consumer
from ..._k8s.lease import LeaseName, holder
from ..._k8s.objects import require_namespace
from ..._run import is_held, run_began, unfinished_runs
from ..._time import clock, parse_time, rfc3339, span, utc_now
from ..._vault.client import VaultLogin
from ..certificate import Certificate
from .backup import check_password
from .catalogue import AUTO, CERT_MANAGER, VAULT, Entry, RotateRequest
from .gate import Material
from .ownership import Ownership, find_owners
from .providers import Examination, Provider
from .providers.cert_manager import GROUP, CertManager
from .providers.vault import VaultIssuer, VaultPlaces
from .target import (
    CERTIFICATE,
    CHANGED,
    ISSUED_AT,
    ISSUED_FOR,
    ROTATED,
    Target,
    read_secret,
    refuse_if_alive,
    secret_path,
    seen_of,
    stored_material,
)

FOLDER = "certs"

_FRESH_SECONDS = 86400.0
# For how long a login at Vault is needed after the issuance: a rollback uses it as well.
_LATER_STEPS_SECONDS = 900.0
# All of those that are missing are in the report.
_NAMED_RIGHTS = 5

Check = t.Callable[[], None]


@dataclass(frozen=True)
class Context:
    """Where certificates are, and how the run works; times are seconds.

    ``password`` is empty where backups are plain files. ``controller`` is the process id of ansible-playbook.
    ``guard_namespace`` is where a guard is that the run does not ask, empty for none.
    """

    login: ApiLogin
    vault: VaultLogin | None
    places: VaultPlaces
    backup_dir: Path
    password: str = field(repr=False)
    encrypted: bool = True
    timeout: float = 300.0
    restart: str = "auto"
    allow_downtime: bool = False
    overrides: t.Mapping[str, str] = field(default_factory=dict)
    canary: str = "none"
    namespace: str = ""
    lease: str = ""
    run_id: str = ""
    controller: int = 0
    guard_namespace: str = ""

    @property
    def base(self) -> Path:
        return self.backup_dir / FOLDER

    def providers(self, request: RotateRequest) -> dict[str, Provider]:
        """Return what can issue here; without a login at Vault, cert-manager alone."""
        found: dict[str, Provider] = {
            CERT_MANAGER: CertManager(self.login, request.namespace, request.gate, self.timeout)
        }
        if self.vault:
            found[VAULT] = VaultIssuer(
                self.login, self.vault, request.namespace, self.places, request.gate, self.password
            )
        return found

    @property
    def lease_name(self) -> LeaseName | None:
        return LeaseName(self.namespace, self.lease) if self.lease else None


@dataclass(frozen=True)
class RotationPlan:
    """Everything of one run; ``targets`` are all that were looked at, ``due`` those that it is for.

    ``begun`` and ``rotated`` are the names of those that an interrupted run has saved, and has rotated; ``canary`` is
    the workload that is restarted first, empty if that does not matter.
    """

    run_id: str
    continues: bool
    rolling_back: bool
    issued_before: datetime | None
    targets: tuple[Target, ...]
    consumers: tuple[Consumer, ...]
    notices: tuple[str, ...]
    not_verified: tuple[str, ...]
    fingerprint: str
    namespace: str = ""
    canary: str = ""
    rotated: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()

    @property
    def due(self) -> list[Target]:
        return [target for target in self.targets if target.due]

    @property
    def guard_targets(self) -> list[str]:
        """What the guard calls the certificates that are due."""
        return [f"{self.namespace}/{target.entry.secret_name}" for target in self.due]

    def to_plain(self) -> dict[str, t.Any]:
        """Return the plan as a module's result has it."""
        return {
            "changed": bool(self.due),
            "state": "planned" if self.due else "unchanged",
            "run_id": self.run_id,
            "continues": self.run_id if self.continues else "",
            "rolling_back": self.rolling_back,
            "canary": self.canary,
            "issued_before": rfc3339(self.issued_before) if self.issued_before else "",
            "due": [target.name for target in self.due],
            "seen": {target.name: seen_of(target) for target in self.due},
            "guard_targets": self.guard_targets,
            "certificates": [
                {
                    "name": target.name,
                    "secret_name": target.entry.secret_name,
                    "method": target.method,
                    "due": target.due,
                    "why": target.why,
                    "present": target.current.leaf.to_plain(),
                    "consumers": [
                        {**consumer.to_plain(), "key": consumer.key}
                        for consumer in self.consumers
                        if any(use.secret == target.entry.secret_name for use in consumer.uses)
                    ],
                }
                for target in self.targets
            ],
            "rotated": [],
            "timeline": [],
            "notices": list(self.notices),
            "not_verified": list(self.not_verified),
        }


def request_fingerprint(login: ApiLogin, request: RotateRequest, force: bool) -> str:
    """Return what the same command has in common with an unfinished run of it."""
    same = {
        "server": login.server,
        "namespace": request.namespace,
        "names": sorted(request.named),
        "method": request.method,
        "force": force,
        "issued_before": "" if force or not request.issued_before else rfc3339(request.issued_before),
    }
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def began(run_id: str) -> datetime:
    """Return when a run began, which its id tells; raise InvalidInput for an id whose time is none."""
    found = run_began(run_id)
    if found is None:
        raise InvalidInput(f"The run id {run_id} does not begin with a time; leave O(run_id) empty to have one made.")
    return found


def unfinished(context: Context, fingerprint: str) -> dict[str, t.Any]:
    """Return the manifest of the run that the same command has begun; raise Refused while that is at work."""
    for run in unfinished_runs(context.base, fingerprint):
        if is_held(run.path):
            raise Refused(f"The run {run.path.name} does the same at this moment; wait until it has finished.")
        refuse_if_alive(run.manifest, context.controller)
        if _is_continued(run.manifest):
            return run.manifest
    return {}


def _is_continued(manifest: t.Mapping[str, t.Any]) -> bool:
    """Tell whether a run is continued; one that has changed nothing is begun anew if it failed or is a day old."""
    records = manifest.get("certificates", {}).values()
    if any(record.get("phase") in CHANGED or record.get("triggered") for record in records):
        return True
    age = (utc_now() - began(manifest["run_id"])).total_seconds()
    return manifest.get("state") != "failed" and age < _FRESH_SECONDS


def make_plan(context: Context, request: RotateRequest, *, force: bool, preflight: bool = True) -> RotationPlan:
    """Return the plan; raise InvalidInput or Refused where it must not be carried out.

    ``preflight`` asks for all rights and looks at issuers, consumers and the lease as well.
    """
    fingerprint = request_fingerprint(context.login, request, force)
    manifest = unfinished(context, fingerprint)
    run_id = manifest.get("run_id") or context.run_id
    issued_before = request.issued_before
    if force:
        issued_before = began(run_id)
    begun = manifest.get("certificates", {})
    targets = _read_targets(context, request, issued_before, begun)
    rolling_back = manifest.get("state") == "rolling_back"
    plan = RotationPlan(
        run_id=run_id,
        continues=bool(manifest),
        rolling_back=rolling_back,
        issued_before=issued_before,
        targets=targets,
        consumers=(),
        notices=_lifecycle_notices(targets, rolling_back=run_id if rolling_back else ""),
        not_verified=tuple(text for target in targets if target.due for text in target.owner.unknown),
        fingerprint=fingerprint,
        namespace=request.namespace,
        rotated=frozenset(name for name, record in begun.items() if record.get("phase") == ROTATED),
        begun=frozenset(begun),
    )
    if not preflight or not plan.due or plan.rolling_back:
        return plan
    check_password(context.password, context.encrypted)
    return _preflight(context, request, plan)


def _read_targets(
    context: Context, request: RotateRequest, issued_before: datetime | None, begun: t.Mapping[str, t.Any]
) -> tuple[Target, ...]:
    manager = CertManager(context.login, request.namespace, request.gate, context.timeout)
    certificates = _certificates(manager)
    requests = manager.requests() if certificates else []
    now = context.login.now()
    found = []
    for entry in request.entries:
        secret = _secret(context.login, request.namespace, entry)
        current = read_secret(secret)
        owner = find_owners(context.login, secret, certificates)
        method = method_of(entry, owner, request.method, bool(context.vault))
        certificate = owner.certificates[0] if owner.certificates else None
        asked = manager.issued_at(certificate, requests) if certificate else None
        issued_at = asked or _recorded(secret, current.leaf) or current.leaf.not_before
        record = begun.get(entry.name)
        old = stored_material(record["old"]) if record and record.get("old") else current
        due, why = _due(current, now, request, issued_before, issued_at)
        if record and record.get("phase"):
            due, why = True, "an interrupted run has begun with it"
        target = Target(entry, method, secret, current, old, certificate, owner, issued_at, due, why)
        if due:
            _refuse_unfit(entry, secret, current)
        found.append(target)
    return tuple(found)


def _certificates(manager: CertManager) -> list[Object]:
    try:
        return manager.certificates()
    except ApiError as exc:
        if exc.status != 403:
            raise
        # Without reading them nobody can say that cert-manager does not own the Secret.
        raise Refused(f"{str(exc).rstrip('.')}: who owns the Secrets cannot be known without it.") from exc


def _secret(login: ApiLogin, namespace: str, entry: Entry) -> Object:
    found = login.find(f"get the secret {entry.secret_name} in {namespace}", secret_path(namespace, entry.secret_name))
    if found is None:
        require_namespace(login, namespace)
        raise InvalidInput(
            f"There is no secret {entry.secret_name} in the namespace {namespace} at {login.name}, which the "
            f"certificate {entry.name} belongs in; correct its secret_name in O(certificates), or have it "
            "issued first."
        )
    return found


def method_of(entry: Entry, owner: Ownership, asked: str, with_vault: bool) -> str:
    """Return what issues a certificate, as its owner says; raise Refused or InvalidInput where that is not one."""
    names = owner.names
    secret = entry.secret_name
    if len(owner.certificates) > 1 or (owner.certificates and owner.foreign):
        raise Refused(
            f"The secret {secret} has several owners ({', '.join(names)}), which overwrite each other; leave it to one."
        )
    if owner.foreign:
        name, advice = owner.foreign[0]
        raise Refused(f"The secret {secret} belongs to {name}, which would undo a rotation here; {advice}.")
    own = CERT_MANAGER if owner.certificates else ""
    wanted = asked if asked != AUTO else CERT_MANAGER if entry.cert_manager else VAULT if entry.vault else ""
    if own and wanted == VAULT:
        raise InvalidInput(
            f"The secret {secret} belongs to {names[0]}, so that the method vault would be undone; use cert-manager or "
            "auto for it."
        )
    if not own and wanted == CERT_MANAGER:
        raise InvalidInput(
            f"No Certificate of cert-manager writes the secret {secret}, so that the method cert-manager cannot renew "
            "it; use vault, or make a Certificate."
        )
    if not own and wanted != VAULT:
        raise InvalidInput(
            f"Nothing says what issues {entry.name}: no Certificate writes the secret {secret}, and the catalogue has "
            "no vault: true; set it, or make a Certificate."
        )
    if not own and not with_vault:
        raise InvalidInput(
            f"{entry.name} is issued by Vault, and there is no login at one; set O(vault.url) and a login."
        )
    return own or VAULT


def _recorded(secret: Object, leaf: Certificate) -> datetime | None:
    """Return when a run of ours had it issued; its own first moment may be backdated."""
    annotations = secret["metadata"].get("annotations", {})
    if annotations.get(ISSUED_FOR) != leaf.fingerprint or ISSUED_AT not in annotations:
        return None
    return parse_time(annotations[ISSUED_AT])


def _due(
    current: Material,
    now: datetime,
    request: RotateRequest,
    issued_before: datetime | None,
    issued_at: datetime,
) -> tuple[bool, str]:
    leaf = current.leaf
    if issued_before is not None and issued_at < issued_before:
        return True, f"it was issued on {rfc3339(issued_at)}, before {rfc3339(issued_before)}"
    left, needed = leaf.remaining(now), request.min_remaining.seconds(leaf.lifetime)
    if needed >= leaf.lifetime:
        raise InvalidInput(
            f"O(min_remaining) is {span(needed, 1)}, and {leaf.title} lives {span(leaf.lifetime, 1)}, so that each run "
            "would rotate it; give less, or a share such as 30%."
        )
    if left < needed:
        words = f"{span(left, 1)} are left, and less than {span(needed, 1)} make it due"
        return True, words if left > 0 else f"it expired {span(-left)} ago"
    return False, f"{span(left, 1)} are left, {span(needed, 1)} are needed"


def _refuse_unfit(entry: Entry, secret: Object, current: Material) -> None:
    if secret.get("immutable"):
        raise Refused(
            f"The secret {entry.secret_name} is immutable, and pods keep what they have even of a new one of that "
            "name; make a secret with another name and have its users refer to it."
        )
    behind = next((each for each in current.chain[1:] if each.key_digest == current.key_digest), None)
    if behind and current.key_digest != current.leaf.key_digest:
        raise Refused(
            f"The secret {entry.secret_name} has another certificate ({current.leaf.title}) before the one of its key "
            f"({behind.title}), so that servers refuse to load it; put that one first in {CERTIFICATE}."
        )
    if current.leaf.is_ca:
        raise Refused(
            f"The secret {entry.secret_name} holds an authority ({current.leaf.title}), whose certificates would all "
            "become invalid; that takes a rollover with two authorities side by side, which this runbook is not for."
        )
    if not entry.backup:
        raise Refused(
            f"The certificate {entry.name} has backup: false, and nothing is rotated without a backup; set it to true."
        )


def _lifecycle_notices(targets: t.Sequence[Target], rolling_back: str) -> tuple[str, ...]:
    now = utc_now()
    first = f"the rollback of the run {rolling_back} was not finished: it is finished first, then planned anew"
    return (*([first] if rolling_back else []), *_expired(targets, now))


def _expired(targets: t.Sequence[Target], now: datetime) -> t.Iterator[str]:
    yield from (
        f"{target.name}: the present certificate has expired on {rfc3339(target.old.leaf.not_after)}, so that there is "
        "no rollback to it"
        for target in targets
        if target.due and target.old.leaf.remaining(now) <= 0
    )


def _preflight(context: Context, request: RotateRequest, plan: RotationPlan) -> RotationPlan:
    login, namespace, due = context.login, request.namespace, plan.due
    providers = context.providers(request)
    refuse_missing_rights(context, namespace, due, providers)
    seen: dict[str, Examination] = {}
    for method, provider in providers.items():
        mine = [target for target in due if target.method == method and target.name not in plan.rotated]
        if mine:
            seen.update(provider.examine(mine, context.timeout + _LATER_STEPS_SECONDS))
    consumers = k8s_consumers.find_consumers(
        login, namespace, [target.entry.secret_name for target in due], context.overrides
    )
    problems = [problem for each in seen.values() for problem in each.problems]
    unseen: list[str] = []
    if not plan.continues:
        # A restart that is under way is what an interrupted run has begun.
        problems += _restart_problems(context, namespace, consumers)
        reasons, unseen = _admission(context, namespace, consumers)
        problems += reasons
    if problems:
        unique = list(dict.fromkeys(problems))
        more = f" ({len(unique) - 1} more in the report)" if len(unique) > 1 else ""
        raise Refused(unique[0].rstrip(".") + more + ".", Problems(tuple(unique)))
    notices = [notice for target in due for notice in target.owner.notices]
    notices += [notice for each in seen.values() for notice in each.notices]
    held = holder(login, context.lease_name) if context.lease_name else None
    if held and not held.expired and held.run_id != plan.run_id:
        notices.append(
            f"The run {held.run_id} is at work in the namespace {namespace} (it holds the lease {context.lease} until "
            f"{clock(held.until)})"
        )
    if context.guard_namespace:
        notices += notes(login, context.guard_namespace, plan.guard_targets)
    notices += [problem for consumer in consumers for problem in consumer.problems]
    notices += [
        f"{consumer.key} is not restarted ({consumer.why}): a process of it that reads the Secret once serves the old "
        "certificate, so that the proof fails and the run goes back"
        for consumer in consumers
        if consumer.reload == k8s_consumers.HOT and consumer.served and context.restart == "auto"
    ]
    unknown = [*plan.not_verified]
    unknown += [f"{name}: {what}" for name, each in seen.items() for what in each.not_verified]
    unknown += [*_authorities(context, namespace, due), *unseen]
    return replace(
        plan,
        consumers=tuple(consumers),
        canary=_canary(context, consumers),
        notices=(*plan.notices, *dict.fromkeys(notices)),
        not_verified=tuple(dict.fromkeys(unknown)),
    )


def needed_rights(
    context: Context, namespace: str, targets: t.Sequence[Target], providers: t.Mapping[str, Provider]
) -> list[Right]:
    """Return every right that any later step needs."""
    found = [right for target in targets for right in providers[target.method].rights(target)]
    found += k8s_consumers.rights(namespace)
    if context.restart != "never":
        found += rollout.rights(namespace)
    found += [Right(verb, "pods/portforward", namespace) for verb in ("get", "create")]
    lease = context.lease_name
    return list(dict.fromkeys([*found, *(lease.rights() if lease else [])]))


def refuse_missing_rights(
    context: Context, namespace: str, targets: t.Sequence[Target], providers: t.Mapping[str, Provider]
) -> None:
    missing = context.login.missing_rights(needed_rights(context, namespace, targets, providers))
    if missing:
        more = f" and {len(missing) - _NAMED_RIGHTS} more" if len(missing) > _NAMED_RIGHTS else ""
        named = ", ".join(str(right) for right in missing[:_NAMED_RIGHTS]) + more
        raise Refused(
            f"This login at {context.login.name} may not {named} in the namespace {namespace}; "
            "grant it that (docs/guide_certificates.md has the complete Role), or use another login.",
            Problems(
                problems=tuple(f"missing right: {right}" for right in missing),
                missing_rights=tuple(str(right) for right in missing),
            ),
        )


def _authorities(context: Context, namespace: str, targets: t.Sequence[Target]) -> list[str]:
    """Refuse a Secret that an Issuer signs with, whatever its certificate says of itself; return what is not known."""
    try:
        issuers = context.login.items(
            f"list issuers in {namespace}", f"/apis/{GROUP}/v1/namespaces/{namespace}/issuers"
        )
    except ApiError as exc:
        if exc.status == 403:
            return [
                f"whether an Issuer in {namespace} signs with one of the Secrets, which takes the right to list issuers"
            ]
        if exc.status != 404:
            raise
        return []
    signing = {(each["spec"].get("ca") or {}).get("secretName"): each["metadata"]["name"] for each in issuers}
    for target in targets:
        if target.entry.secret_name in signing:
            raise Refused(
                f"The issuer {signing[target.entry.secret_name]} signs with the secret {target.entry.secret_name}, "
                "which is an authority's; this runbook is not for those."
            )
    return []


def _restart_problems(context: Context, namespace: str, consumers: t.Sequence[Consumer]) -> list[str]:
    """Return why some consumers cannot be restarted by the run, or not without downtime."""
    if context.restart == "never":
        return []
    problems = [
        f"{consumer.key} has to be restarted for a new certificate, and not by this run ({consumer.why}); accept that "
        f'it serves the old one with O(overrides)={{"{consumer.key}": "none"}}, and restart it yourself.'
        for consumer in consumers
        if consumer.reload == k8s_consumers.OPERATOR and consumer.served
    ]
    problems += [
        f"The rollout of {consumer.key} is paused, so that a restart would not begin; resume it first (kubectl rollout "
        f"resume {consumer.key} -n {namespace})."
        for consumer in consumers
        if consumer.reload == k8s_consumers.RESTART and consumer.found["spec"].get("paused")
    ]
    partitions = {each.key: k8s_consumers.partition_of(each.kind, each.found) for each in consumers}
    problems += [
        f"{consumer.key} has the partition {partitions[consumer.key]}, so that its pods below that number would keep "
        "the old certificate, and the proof would fail; set it to 0 first."
        for consumer in consumers
        if consumer.reload == k8s_consumers.RESTART and partitions[consumer.key]
    ]
    if context.allow_downtime:
        return problems
    budgets = k8s_consumers.disruption_budgets(context.login, namespace)
    reasons = [reason for consumer in consumers for reason in k8s_consumers.downtime_reasons(consumer, budgets)]
    return problems + [
        f"A restart would not be without downtime: {reason.rstrip('.')}; repair that, or accept it with "
        "O(allow_downtime)=true."
        for reason in reasons
    ]


def _admission(context: Context, namespace: str, consumers: t.Sequence[Consumer]) -> tuple[t.Sequence[str], list[str]]:
    """Return why a restart would not get its pods, and what could not be seen."""
    restarted = [each for each in consumers if each.reload == k8s_consumers.RESTART]
    if context.restart == "never" or not restarted:
        return (), []
    return admission_reasons(context.login, namespace, restarted)


def _canary(context: Context, consumers: t.Sequence[Consumer]) -> str:
    """Return the workload to restart first; one that uses none of the Secrets of this run does not matter."""
    restarted = [consumer.key for consumer in consumers if consumer.reload == k8s_consumers.RESTART]
    if context.restart != "auto" or context.canary in ("", "none"):
        return ""
    if context.canary == "auto":
        return restarted[0] if len(restarted) > 1 else ""
    wanted = context.canary.lower()
    if wanted in restarted:
        return wanted
    if not k8s_consumers.exists(context.login, context.namespace, wanted):
        raise InvalidInput(
            f"O(canary) is {context.canary}, which is not a workload in the namespace {context.namespace}; name one as "
            f"in {restarted[0] if restarted else 'deployment/api-gateway'}, or auto, or none."
        )
    return ""


def confirmation(context: Context, request: RotateRequest, plan: RotationPlan, *, force: bool) -> dict[str, t.Any]:
    """Return the hash of the plan, and what the module runbook_confirm takes; a rollback needs no confirmation."""
    count = 0 if plan.rolling_back else len(plan.due)
    content = plan_content(
        [context.login.server, context.login.cluster],
        request.namespace,
        [(target.name, target.method) for target in plan.due],
        [force, context.restart, context.allow_downtime, request.method, str(request.gate)],
    )
    what = f"{count} certificates are due in {request.namespace}: {', '.join(target.name for target in plan.due)}"
    return {
        "confirm": make_confirmation(content, count),
        "confirmation": {"content": content, "count": count, "what": what, "growth": 1.0, "lines": []},
    }
