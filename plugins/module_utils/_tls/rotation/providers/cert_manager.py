# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that cert-manager issues. PRIVATE to the collection.

The API of a renewal is the condition Issuing in the status of a Certificate (what ``cmctl renew`` sets). Ready says
nothing: it stays True all along. A renewal is over when the revision has risen and the leaf is another one.
"""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import replace
from datetime import datetime, timedelta

from ...._errors import RunbookError, as_clause
from ...._k8s.client import ApiError, ApiLogin, ApiUnavailable, Object, Right
from ...._time import parse_time, read_time, rfc3339, utc_now
from ...._wait import pause, wait_until
from ..gate import GateSettings, Material, Violation, advice, anchored, lost, shorter_life, weaker_key
from ..target import REFUSED, RESTORED, ROTATED, CertRun, Target, issued_spec, read_secret, secret_path
from . import Check, Examination, Report, Saved
from .certificate_spec import foreseen, key, lifetime, literal_subject
from .writing import gate_of, pass_gate, put_back

GROUP = "cert-manager.io"
REVISION = "cert-manager.io/certificate-revision"
NAME = "cert-manager.io/certificate-name"
_REASON = "ManuallyTriggered"
_KINDS = {"certificates": "Certificate", "certificaterequests": "CertificateRequest"}
# A trigger while another renewal is being written down is absorbed; then it is set again.
_MOST_TRIGGERS = 3
_ABSORBED_SECONDS = 5.0
_SETTLE_SECONDS = 5.0
_CONFLICT = 409


class IssuanceFailed(RunbookError):
    """cert-manager could not issue a certificate, or did not in time."""


class CertManager:
    """The Certificates of one namespace; ``timeout`` is how many seconds all renewals together may take."""

    def __init__(self, login: ApiLogin, namespace: str, gate: GateSettings, timeout: float) -> None:
        self._login = login
        self._namespace = namespace
        self._gate = gate
        self._timeout = timeout
        self._base = f"/apis/{GROUP}/v1/namespaces/{namespace}"

    def certificates(self) -> list[Object]:
        """Return all Certificates of the namespace; none where cert-manager is not installed."""
        return self._all("certificates")

    def issued_at(self, certificate: Object, requests: t.Iterable[Object]) -> datetime | None:
        """Return when the present revision was asked for, which backdating does not change; None if that is gone."""
        request = _request_of(certificate, requests, _revision(certificate))
        return parse_time(request["metadata"]["creationTimestamp"]) if request else None

    def requests(self) -> list[Object]:
        return self._all("certificaterequests")

    def rights(self, target: Target) -> list[Right]:
        issuer = _certificate(target)["spec"]["issuerRef"]
        kind, group = issuer.get("kind", "Issuer"), issuer.get("group", GROUP)
        name, where = _certificate(target)["metadata"]["name"], self._namespace
        found = [
            Right("list", "certificates", where, group=GROUP),
            Right("get", "certificates", where, name, GROUP),
            Right("update", "certificates/status", where, name, GROUP),
            Right("list", "certificaterequests", where, group=GROUP),
            Right("delete", "certificaterequests", where, group=GROUP),
            Right("get", "secrets", where, target.entry.secret_name),
            Right("update", "secrets", where, target.entry.secret_name),
        ]
        if group == GROUP:
            scope = "" if kind == "ClusterIssuer" else where
            found.append(Right("get", f"{kind.lower()}s", scope, issuer["name"], GROUP))
        return found

    def examine(self, targets: t.Sequence[Target], seconds: float) -> dict[str, Examination]:
        return {target.name: self._examine(target) for target in targets}

    def _examine(self, target: Target) -> Examination:
        certificate = _certificate(target)
        spec, name = certificate["spec"], certificate["metadata"]["name"]
        problems, notices, unknown = [], [], []
        issuer = spec["issuerRef"]
        if issuer.get("group", GROUP) != GROUP:
            unknown.append(f"whether the issuer {issuer['name']} ({issuer['group']}) of {name} can issue")
        else:
            found = self._issuer(issuer)
            reason = _why_not_ready(found)
            if reason:
                problems.append(f"The issuer {issuer['name']} of the Certificate {name} cannot issue: {reason}.")
            if _adds_nothing(found):
                problems += self._foreseen_losses(target, spec, (found or {})["spec"])
            else:
                worse = self._foreseen_losses(target, spec)
                unknown += [f"what the issuer {issuer['name']} adds: {each}" for each in worse]
        problems += _key_problems(target, spec)
        by = _other_issuer(target)
        if by:
            unknown.append(
                f"whether the issuer {issuer['name']} leads to the present authorities, as {by} has issued the present "
                "certificate"
            )
        else:
            problems += self._authority_problems(target, spec)
        if spec.get("literalSubject") and literal_subject(spec) is None:
            unknown.append(f"whether the literal subject of the Certificate {name} is the present one")
        if self._renewed_at_once(certificate):
            notices.append(
                f"{target.name}: it cannot be rolled back, as the renewal time of the present one has passed"
            )
        if (spec.get("privateKey") or {}).get("rotationPolicy", "Always") == "Always":
            notices.append(f"{target.name}: the private key will change; whoever pins it has to be told")
            if key(spec)[0] != target.current.leaf.key_type:
                notices.append(
                    f"{target.name}: its key will be {_named(key(spec))}, and is {target.current.leaf.key} now"
                )
        if (spec.get("renewal") or {}).get("windows"):
            notices.append(
                f"{target.name}: the Certificate {name} has renewal windows, which this run does not wait for"
            )
        if spec.get("keystores") or spec.get("additionalOutputFormats"):
            notices.append(f"{target.name}: the Secret has keystores or further formats, which cert-manager renews too")
        failed = certificate.get("status", {}).get("lastFailureTime")
        if failed:
            notices.append(f"{target.name}: the last issuance of the Certificate {name} has failed on {failed}")
        return Examination(tuple(problems), tuple(notices), tuple(unknown))

    def _authority_problems(self, target: Target, spec: Object) -> list[str]:
        """Say that the authority of the present certificate would end before a new one does."""
        now, old = self._login.now(), target.old
        end = now + timedelta(seconds=lifetime(spec))
        return [
            f"A new certificate of {target.name} would not be trusted for as long as it lives ({each}); renew that "
            "authority first, or ask for a shorter duration in the Certificate."
            for each in anchored(old.chain, end, old.authorities, old, now)
        ]

    def _foreseen_losses(self, target: Target, spec: Object, issuer: Object | None = None) -> list[str]:
        """Say what the gate would refuse of a certificate that has all that its Certificate asks for, and no more.

        ``issuer`` is the spec of one that adds only what that says.
        """
        leaf, settings = target.old.leaf, gate_of(target, self._gate)
        found = [
            *lost(foreseen(spec, leaf, issuer), leaf, settings),
            *([Violation("wrong usage", "it is an authority's certificate")] if spec.get("isCA") else ()),
            *shorter_life(lifetime(spec), leaf, settings),
            *weaker_key(*key(spec), leaf),
        ]
        if not found:
            return []
        name = _certificate(target)["metadata"]["name"]
        return [
            f"A new certificate of {target.name} by the Certificate {name} would be worse than the present one "
            f"({'; '.join(map(str, found))}); {advice(found, 'add it to the Certificate')}."
        ]

    def _issuer(self, issuer: Object) -> Object | None:
        kind = issuer.get("kind", "Issuer")
        plural = f"{kind.lower()}s"
        base = f"/apis/{GROUP}/v1" if kind == "ClusterIssuer" else self._base
        return self._login.find(f"get the {kind} {issuer['name']}", f"{base}/{plural}/{issuer['name']}")

    def backup(self, target: Target) -> dict[str, Object]:
        certificate = _certificate(target)
        saved = {"certificate": certificate}
        request = _request_of(certificate, self.requests(), _revision(certificate))
        if request:
            saved["certificaterequest"] = request
        issuer = certificate["spec"]["issuerRef"]
        found = self._issuer(issuer) if issuer.get("group", GROUP) == GROUP else None
        if found:
            saved["issuer"] = found
        return saved

    def dry_run(self, target: Target) -> None:
        self._trigger(dict(_certificate(target)), _Renewal(target))

    # -- rotate ------------------------------------------------------------------------------------------------------

    def rotate(self, targets: t.Sequence[Target], run: CertRun, check: Check, report: Report) -> None:
        self._judge_refused(targets, run)
        waiting = {
            target.name: _Renewal(target, run.refused(target.name))
            for target in targets
            if run.phase(target.name) != ROTATED
        }
        total = len(waiting)
        failures: list[RunbookError] = []
        # On record before the first request, so that whoever continues knows that it may have been sent.
        run.update_all(list(waiting), triggered=True)

        def poll() -> bool | None:
            check()
            try:
                found = list(self._poll(list(waiting.values())))
            except ApiUnavailable:
                # It may be back before the time is over.
                return None
            for name, outcome in found:
                if outcome is None:
                    continue
                del waiting[name]
                if isinstance(outcome, RunbookError):
                    failures.append(outcome)
                    run.update(name, triggered=False)
                    continue
                after = rfc3339(outcome.leaf.not_after)
                run.update(name, phase=ROTATED, new=outcome.leaf.fingerprint, not_after=after)
            report(total - len(waiting), total)
            return None if waiting else True

        try:
            done = wait_until(poll, self._timeout, interval=0.1, max_interval=1.0, before_sleep=check)
        except ApiError:
            # Nothing is to be issued unseen after the run has failed.
            self._give_up(waiting.values(), run)
            raise
        if done is None:
            failures += [self._too_late(renewal, run) for renewal in waiting.values()]
        # A worse certificate is in use by now, so that it has to be said first.
        failures = [*self._gate_failures(targets, run), *failures]
        if failures:
            raise failures[0]

    def _judge_refused(self, targets: t.Sequence[Target], run: CertRun) -> None:
        """Take what was refused in an earlier process after all, if it is allowed by now; else it is issued again."""
        for target in targets:
            if run.refused(target.name) == target.current.leaf.fingerprint and self._is_good(target, target.current):
                run.update(target.name, phase=ROTATED)

    def _is_good(self, target: Target, new: Material) -> bool:
        settings = gate_of(target, self._gate)
        return pass_gate(target.name, new, target.old, self._login.skew, settings) is None

    def _gate_failures(self, targets: t.Sequence[Target], run: CertRun) -> t.Iterator[RunbookError]:
        for target in targets:
            if run.phase(target.name) == ROTATED:
                name = target.entry.secret_name
                secret = self._login.get(f"get the secret {name}", secret_path(self._namespace, name))
                settings = gate_of(target, self._gate)
                failure = pass_gate(target.name, read_secret(secret), target.old, self._login.skew, settings)
                if failure:
                    run.update(target.name, phase=REFUSED)
                    yield failure

    def _give_up(self, renewals: t.Iterable[_Renewal], run: CertRun) -> None:
        for renewal in renewals:
            with contextlib.suppress(RunbookError):
                self._withdraw(renewal, run)

    def _withdraw(self, renewal: _Renewal, run: CertRun) -> bool:
        """Take a trigger back that nobody has taken up; return whether that was so."""
        certificate = self._certificate(_certificate(renewal.target)["metadata"]["name"])
        pending = _request_of(certificate, self.requests(), _revision(certificate) + 1)
        issuing = _condition(certificate, "Issuing") or {}
        if pending or issuing.get("reason") != _REASON or issuing.get("status") != "True":
            return False
        self._put_condition(certificate, None)
        run.update(renewal.target.name, triggered=False)
        return True

    def _poll(self, renewals: t.Sequence[_Renewal]) -> t.Iterator[tuple[str, t.Any]]:
        """Look at all of them with one request per kind; trigger those that have to be."""
        certificates = {each["metadata"]["name"]: each for each in self.certificates()}
        requests: list[Object] | None = None
        for renewal in renewals:
            name = _certificate(renewal.target)["metadata"]["name"]
            certificate = certificates.get(name)
            if certificate is None:
                yield (
                    renewal.target.name,
                    IssuanceFailed(f"The Certificate {name} is gone; bring it back first."),
                )
                continue
            if renewal.triggered_at and _revision(certificate) <= renewal.revision:
                requests = self.requests() if requests is None else requests
                reason = renewal.failure(certificate, requests)
                if reason:
                    yield renewal.target.name, IssuanceFailed(self._chain_of_conditions(certificate, requests, reason))
                    continue
            if _issuing(certificate):
                # One that is at work already is adopted.
                renewal.adopt(certificate)
                continue
            yield renewal.target.name, self._settled(certificate, renewal)

    def _settled(self, certificate: Object, renewal: _Renewal) -> t.Any:
        """Return what is in the Secret if it is new and all is written down, None if that is to come."""
        where = secret_path(self._namespace, renewal.target.entry.secret_name)
        material = read_secret(self._login.get(f"get the secret {renewal.target.entry.secret_name}", where))
        if material.leaf.fingerprint in (renewal.target.old.leaf.fingerprint, renewal.refused):
            if renewal.may_trigger():
                self._trigger(certificate, renewal)
            return None
        ready = _condition(certificate, "Ready") or {}
        complete = (
            certificate["status"].get("notAfter") == rfc3339(material.leaf.not_after)
            and ready.get("status") == "True"
            and ready.get("observedGeneration", 0) >= certificate["metadata"].get("generation", 0)
        )
        return material if complete else None

    def _trigger(self, certificate: Object, renewal: _Renewal) -> None:
        """Set Issuing with a PUT: a patch would replace all conditions, and its right is in none of the usual roles."""
        now = self._login.now()
        condition = {
            "type": "Issuing",
            "status": "True",
            "reason": _REASON,
            "message": "Certificate re-issuance manually triggered",
            "lastTransitionTime": rfc3339(now),
            "observedGeneration": certificate["metadata"].get("generation", 0),
        }
        renewal.triggering(certificate, now)
        self._put_condition(certificate, condition)

    def _put_condition(self, certificate: Object, condition: Object | None) -> None:
        status = certificate.setdefault("status", {})
        others = [each for each in status.get("conditions", []) if each["type"] != "Issuing"]
        status["conditions"] = [*others, *([condition] if condition else [])]
        name = certificate["metadata"]["name"]
        try:
            self._login.request(
                f"update the status of the certificate {name}",
                "PUT",
                f"{self._base}/certificates/{name}/status",
                body=certificate,
            )
        except ApiError as exc:
            # Somebody else wrote meanwhile: the next look decides anew.
            if exc.status != _CONFLICT:
                raise

    def _too_late(self, renewal: _Renewal, run: CertRun) -> RunbookError:
        reason = f"not issued within {self._timeout:.0f} s"
        if self._withdraw(renewal, run):
            reason += ", as nobody has taken it up (is cert-manager running?); the request was withdrawn"
        else:
            reason += ", and may be issued later all the same"
        certificate = self._certificate(_certificate(renewal.target)["metadata"]["name"])
        return IssuanceFailed(self._chain_of_conditions(certificate, self.requests(), reason))

    def _chain_of_conditions(self, certificate: Object, requests: t.Sequence[Object], reason: str) -> str:
        name = certificate["metadata"]["name"]
        parts = [f"Certificate {name}: {as_clause(_condition_text(certificate, 'Issuing', 'Ready'))}"]
        request = _request_of(certificate, requests, _revision(certificate) + 1)
        if request:
            about = request["metadata"]["name"]
            conditions = _condition_text(request, "Denied", "InvalidRequest", "Ready")
            parts.append(f"CertificateRequest {about}: {as_clause(conditions)}")
            parts += self._order(about)
        issuer = certificate["spec"]["issuerRef"]
        if issuer.get("group", GROUP) == GROUP:
            why = _why_not_ready(self._issuer(issuer))
            parts.append(f"{issuer.get('kind', 'Issuer')} {issuer['name']}: {why or 'Ready'}")
        return (
            f"The Certificate {name} was {reason} ({'; '.join(parts)}); the Secret is as it was: repair what is named, "
            "then run the same command again."
        )

    def _order(self, request: str) -> list[str]:
        """Return what an ACME order and its challenges say, where there are any."""
        base = f"/apis/acme.{GROUP}/v1/namespaces/{self._namespace}"
        found = []
        for kind in ("orders", "challenges"):
            try:
                objects = self._all(kind, base)
            except ApiError:
                # Its words are of use, and not worth a right of their own.
                continue
            for each in objects:
                owned = {reference["name"] for reference in each["metadata"].get("ownerReferences", [])}
                status = each.get("status", {})
                if any(owner.startswith(request) for owner in owned):
                    state = as_clause(status.get("reason") or status.get("state") or "pending")
                    found.append(f"{each['kind']} {each['metadata']['name']}: {state}")
        return found

    # -- restore -----------------------------------------------------------------------------------------------------

    def why_not_restore(self, target: Target, backup: t.Mapping[str, Object], record: Object) -> str:
        before, present = backup["certificate"], _certificate(target)
        if issued_spec(before["spec"]) != issued_spec(present["spec"]):
            return "its Certificate has been changed since, so that cert-manager would issue again at once"
        return self._renewed_at_once(before)

    def _renewed_at_once(self, certificate: Object) -> str:
        renewal = certificate.get("status", {}).get("renewalTime")
        now = self._login.now()
        if renewal and read_time(renewal, "renewalTime") <= now:
            return (
                f"cert-manager would renew it at once, as its renewal time {renewal} has passed; roll forward instead: "
                "rotate again, once what is wrong with the new one is repaired"
            )
        return ""

    def restore(self, targets: t.Sequence[Target], saved: Saved, run: CertRun, check: Check) -> None:
        for target in targets:
            check()
            self._restore(target, saved[target.name], check)
        # What cert-manager would do about it, it does at once.
        pause(_SETTLE_SECONDS, check)
        for target in targets:
            name = _certificate(target)["metadata"]["name"]
            secret = self._login.get(
                f"get the secret {target.entry.secret_name}", secret_path(self._namespace, target.entry.secret_name)
            )
            replaced = read_secret(secret).leaf.fingerprint != target.old.leaf.fingerprint
            if replaced or _issuing(self._certificate(name)):
                # The next run begins with what is there now.
                run.folder.save(state="abandoned")
                raise RunbookError(
                    f"cert-manager has replaced the restored certificate of {name}; look why (kubectl describe "
                    f"certificate {name} -n {self._namespace}), then rotate again."
                )
            run.update(target.name, phase=RESTORED)

    def _restore(self, target: Target, backup: t.Mapping[str, Object], check: Check) -> None:
        """Delete the request of the present revision, or cert-manager re-issues at once: its key is not the old one."""
        name = _certificate(target)["metadata"]["name"]

        def quiet() -> Object | None:
            check()
            try:
                certificate = self._certificate(name)
            except ApiUnavailable:
                return None
            return None if _issuing(certificate) else certificate

        certificate = wait_until(quiet, self._timeout)
        if certificate is None:
            raise RunbookError(
                f"The Certificate {name} is being issued for more than {self._timeout:.0f} s, so that the old one "
                "would not stay; end that (kubectl describe certificate), then run the same command again."
            )
        request = _request_of(certificate, self.requests(), _revision(certificate))
        if request:
            path = f"{self._base}/certificaterequests/{request['metadata']['name']}"
            self._delete(f"delete the certificate request {request['metadata']['name']}", path)
        # What was being issued until now is to be replaced as well.
        name = target.entry.secret_name
        present = self._login.find(f"get the secret {name}", secret_path(self._namespace, name))
        put_back(self._login, self._namespace, replace(target, secret=present or {}), backup["secret"])

    def _certificate(self, name: str) -> Object:
        return self._login.get(f"get the certificate {name}", f"{self._base}/certificates/{name}")

    def _delete(self, what: str, path: str) -> None:
        try:
            self._login.request(what, "DELETE", path)
        except ApiError as exc:
            if exc.status != 404:
                raise

    def _all(self, plural: str, base: str = "") -> list[Object]:
        """Return all objects of a kind, each with the kind that a list leaves out."""
        about = {"apiVersion": f"{GROUP}/v1", "kind": _KINDS.get(plural, plural[:-1].capitalize())}
        try:
            found = self._login.items(f"list {plural} in {self._namespace}", f"{base or self._base}/{plural}")
            return [{**about, **each} for each in found]
        except ApiError as exc:
            # The kind is not installed.
            if exc.status != 404:
                raise
            return []


class _Renewal:
    """What this process has seen and done of one renewal."""

    def __init__(self, target: Target, refused: str = "") -> None:
        """``refused`` is the fingerprint of what the gate has refused before, which is to be replaced as well."""
        self.target = target
        self.refused = refused
        self.triggers = 0
        self.triggered_at: datetime | None = None
        self.revision = _revision(_certificate(target))
        self._absorbed_at: datetime | None = None

    def adopt(self, certificate: Object) -> None:
        condition = _condition(certificate, "Issuing")
        if self.triggered_at is None and condition:
            self.triggered_at = parse_time(condition["lastTransitionTime"])

    def triggering(self, certificate: Object, now: datetime) -> None:
        self.triggers += 1
        self.triggered_at = now
        self.revision = _revision(certificate)
        self._absorbed_at = now + timedelta(seconds=_ABSORBED_SECONDS)

    def may_trigger(self) -> bool:
        if self._absorbed_at is None:
            return True
        return self.triggers < _MOST_TRIGGERS and utc_now() > self._absorbed_at

    def failure(self, certificate: Object, requests: t.Iterable[Object]) -> str:
        """Return why it will not be issued, empty if it may."""
        if self.triggered_at is None:
            return ""
        # Times in Kubernetes have no fractions.
        since = self.triggered_at.replace(microsecond=0)
        request = _request_of(certificate, requests, _revision(certificate) + 1)
        if request and read_time(request["metadata"]["creationTimestamp"], "creationTimestamp") >= since:
            for kind, words in (("Denied", "denied"), ("InvalidRequest", "refused as an invalid request")):
                if (_condition(request, kind) or {}).get("status") == "True":
                    return words
            if (_condition(request, "Ready") or {}).get("reason") in ("Failed", "Denied"):
                return "refused by its issuer"
        failed = certificate.get("status", {}).get("lastFailureTime")
        if failed and not _issuing(certificate) and read_time(failed, "lastFailureTime") >= since:
            return "refused by its issuer"
        return ""


def _certificate(target: Target) -> Object:
    return t.cast(Object, target.certificate)


def _why_not_ready(issuer: Object | None) -> str:
    if issuer is None:
        return "there is none of that name"
    ready = _condition(issuer, "Ready")
    if ready and ready["status"] == "True":
        return ""
    return as_clause((ready or {}).get("message") or "it is not Ready")


def _named(kind: tuple[str, int]) -> str:
    return f"{kind[0]} {kind[1] or ''}".rstrip()


def _key_problems(target: Target, spec: Object) -> list[str]:
    """Say that cert-manager would wait for ever for another key, which it is not to make."""
    leaf, name = target.current.leaf, _certificate(target)["metadata"]["name"]
    policy = (spec.get("privateKey") or {}).get("rotationPolicy")
    if policy != "Never" or key(spec) == (leaf.key_type, leaf.key_bits):
        return []
    return [
        f"The Certificate {name} keeps its private key (rotationPolicy Never), which is {leaf.key}, and asks for "
        f"{_named(key(spec))}, so that cert-manager would issue nothing; set the policy to Always, or algorithm and "
        "size to those of the key."
    ]


def _other_issuer(target: Target) -> str:
    """Return who has issued the present certificate, as its Secret tells; empty if it is the issuer of today."""
    annotations = (target.secret.get("metadata") or {}).get("annotations") or {}
    issuer = _certificate(target)["spec"]["issuerRef"]
    told = [annotations.get(f"{GROUP}/issuer-{part}", "") for part in ("kind", "name")]
    return "" if not told[1] or told == [issuer.get("kind", "Issuer"), issuer["name"]] else " ".join(filter(None, told))


def _adds_nothing(issuer: Object | None) -> bool:
    """Tell whether an issuer signs what it is asked for, and adds no names or usages of its own."""
    spec = (issuer or {}).get("spec") or {}
    return "ca" in spec or "selfSigned" in spec


def _condition(found: Object, kind: str) -> Object | None:
    conditions = found.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), None)


def _issuing(certificate: Object) -> bool:
    return (_condition(certificate, "Issuing") or {}).get("status") == "True"


def _condition_text(found: Object, *kinds: str) -> str:
    for kind in kinds:
        condition = _condition(found, kind)
        if condition:
            return f"{kind}={condition['status']} {condition.get('reason', '')} {condition.get('message', '')}".strip()
    return "no condition yet"


def _revision(certificate: Object) -> int:
    return int(certificate.get("status", {}).get("revision") or 0)


def _request_of(certificate: Object, requests: t.Iterable[Object], revision: int) -> Object | None:
    name = certificate["metadata"]["name"]
    for each in requests:
        annotations = each["metadata"].get("annotations", {})
        if annotations.get(NAME) == name and annotations.get(REVISION) == str(revision):
            return each
    return None
