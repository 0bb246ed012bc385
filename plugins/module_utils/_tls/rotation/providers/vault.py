# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that Vault or OpenBao signs, and that are kept in its KV version 2. PRIVATE to the collection.

The key is made here and never leaves but for the Secret and KV. Each step is on disk before the next one begins: a
process that is killed signs nothing twice, because the next one takes up the signed certificate.
"""

from __future__ import annotations

import base64
import contextlib
import typing as t
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ...._deps_tls import ec, ed448, ed25519, hashes, rsa, serialization, x509
from ...._errors import Interrupted, InvalidInput, RunbookError
from ...._k8s.client import ApiLogin, Object, Right
from ...._run import write_private
from ...._time import rfc3339, utc_now
from ...._vault.client import KvConflict, KvEntry, Signed, VaultLogin, VaultUnavailable
from ...certificate import Certificate, Unparsable, key_digest, parse_chain
from ...threshold import Threshold
from ..encryption import decrypt, encrypt
from ..gate import GateRefused, GateSettings, Material, advice, anchored, lost, read_material, shorter_life, trust
from ..target import (
    AUTHORITIES,
    BACKED_UP,
    CERTIFICATE,
    CHANGED,
    ISSUED_AT,
    ISSUED_FOR,
    KEY,
    REQUESTED,
    RESTORED,
    ROTATED,
    RUN_ID,
    SIGNED,
    STORED,
    CertRun,
    Target,
    read_secret,
    secret_path,
    with_current,
)
from . import Check, Examination, Report, Saved
from .vault_role import foreseen, other_sans, refusals
from .writing import gate_of, pass_gate, patch_secret, put_back

_CURVES = {256: "SECP256R1", 384: "SECP384R1", 521: "SECP521R1"}
_KEY_MARK = "PRIVATE KEY-----"
_NEW_FIELDS = ("certificate", "private_key", "issuing_ca")
# The names are given twice, in the request and beside it, as a role takes either; it says so of those it ignores.
_EXPECTED = "field was provided but the role is set with"
# Between what Vault and the API server think the time is.
_MOST_SKEW_SECONDS = 300.0
# A certificate begins so much before it was signed.
_BACKDATED_SECONDS = 30.0
_DEFAULT_ISSUER = "default"
# What an issuer does about a certificate that would end after it.
_AFTER_ISSUER = {"truncate": "cuts", "permit": "signs all the same"}
_EARLIER = "whether Vault had signed a certificate before the process was stopped is not known: look into its audit log"
# Each is read, to find one by its key.
_MOST_LISTED = 500


@dataclass(frozen=True)
class VaultPlaces:
    """Where in Vault certificates are signed and kept; ``ttl`` is a time such as 8760h."""

    pki_mount: str = "pki_int"
    pki_role: str = "market-intel"
    kv_mount: str = "kv"
    kv_prefix: str = "certs"
    ttl: str = "8760h"

    def kv_path(self, name: str) -> str:
        return f"{self.kv_prefix}/{name}" if self.kv_prefix else name


class VaultIssuer:
    """Certificates of one namespace; ``password`` seals keys that are on disk for a moment, empty leaves them open."""

    def __init__(
        self,
        login: ApiLogin,
        vault: VaultLogin,
        namespace: str,
        places: VaultPlaces,
        gate: GateSettings,
        password: str,
    ) -> None:
        self._login = login
        self._vault = vault
        self._namespace = namespace
        self._places = places
        self._gate = gate
        self._password = password

    def rights(self, target: Target) -> list[Right]:
        name, where = target.entry.secret_name, self._namespace
        return [Right(verb, "secrets", where, name) for verb in ("get", "patch", "update")]

    def examine(self, targets: t.Sequence[Target], seconds: float) -> dict[str, Examination]:
        mount = self._places.pki_mount
        role = self._vault.role(mount, self._places.pki_role)
        if role is not None and not role.get("max_ttl"):
            role = {**role, "max_ttl": self._vault.most_seconds(mount)}
        chain = self._issuing_chain((role or {}).get("issuer_ref") or _DEFAULT_ISSUER)
        general = self._examine_vault(targets, seconds, role, chain)
        return {target.name: self._examine(target, general, role, chain) for target in targets}

    def _examine_vault(
        self, targets: t.Sequence[Target], seconds: float, role: Object | None, chain: t.Sequence[Certificate]
    ) -> Examination:
        places, notices, unknown, problems = self._places, [], [], []
        health = self._vault.health()
        if "server_time_utc" in health:
            skew = health["server_time_utc"] - utc_now().timestamp() - self._login.skew
            if abs(skew) > _MOST_SKEW_SECONDS:
                problems.append(
                    f"The clocks of Vault and of the API server are {abs(skew):.0f} s apart; set them right first."
                )
        if self._vault.kv_version(places.kv_mount) == "1":
            problems.append(
                f"{places.kv_mount} at Vault is a KV of version 1, which has no check-and-set; name one of version 2."
            )
        missing = self._vault.missing_capabilities({f"{places.pki_mount}/sign/{places.pki_role}": ("update",)})
        paths = [f"{places.kv_mount}/data/{places.kv_path(target.name)}" for target in targets]
        missing += self._vault.missing_capabilities(dict.fromkeys(paths, ("read",)))
        if not missing:
            present = [self._vault.read_kv(places.kv_mount, places.kv_path(target.name)) for target in targets]
            verbs = ["update" if entry.version else "create" for entry in present]
            missing += self._vault.missing_capabilities({path: (verb,) for path, verb in zip(paths, verbs)})
        if missing:
            problems.append(
                f"The token may not {', '.join(missing)} at Vault {self._vault.url}; grant it that in one of its "
                "policies."
            )
        problems += self._token_problems(seconds)
        if role is None:
            unknown.append(
                f"the limits of the role {places.pki_role} in {places.pki_mount}, which the token may not read"
            )
        else:
            if role.get("generate_lease"):
                problems.append(
                    f"The role {places.pki_role} in {places.pki_mount} has generate_lease, which revokes a certificate "
                    "with the token that asked for it; set it to false."
                )
            most = role.get("max_ttl") or 0
            if 0 < most < self._asked_seconds:
                notices.append(
                    f"Vault cuts the life of {places.ttl} to {timedelta(seconds=most)}, the most by its role or mount"
                )
        issuer = (role or {}).get("issuer_ref") or _DEFAULT_ISSUER
        if chain or issuer == _DEFAULT_ISSUER:
            problems += self._chain_problems(chain)
        else:
            unknown.append(f"the chain of the issuer {issuer} in {places.pki_mount}, which the role names")
        asked = min(each for each in (self._asked_seconds, (role or {}).get("max_ttl") or 0) if each)
        if chain and 0 < chain[0].remaining(utc_now()) < asked:
            does = self._vault.issuer(places.pki_mount, issuer).get("leaf_not_after_behavior", "")
            text = (
                f"{chain[0].title}, which issues at {places.pki_mount}, expires on {rfc3339(chain[0].not_after)}, "
                f"before a certificate of {places.ttl}, which Vault"
            )
            if does == "err":
                problems.append(f"{text} refuses (leaf_not_after_behavior); ask for less in O(vault.ttl).")
            else:
                notices.append(f"{text} {_AFTER_ISSUER.get(does, 'refuses or cuts')} (leaf_not_after_behavior)")
        return Examination(tuple(problems), tuple(notices), tuple(unknown))

    def _token_problems(self, seconds: float) -> list[str]:
        token = self._vault.own_token()
        left = int(token.get("ttl") or 0)
        if left and left < seconds and token.get("renewable"):
            left = self._vault.renew_token(int(seconds))
        if left and left < seconds:
            return [
                f"The token expires in {left} s, and the run may take {seconds:.0f} s; log in with one that lives that "
                "long."
            ]
        if token.get("num_uses"):
            return [f"The token may be used {token['num_uses']} times only; log in with one that has no such limit."]
        return []

    @property
    def _asked_seconds(self) -> float:
        return Threshold.parse(self._places.ttl, "vault.ttl").seconds(0)

    def _issuing_chain(self, issuer: str) -> tuple[Certificate, ...]:
        return _certificates(self._chain_of(issuer))

    def _chain_of(self, issuer: str) -> str:
        mount = self._places.pki_mount
        if issuer == _DEFAULT_ISSUER:
            return self._vault.issuing_chain(mount)
        return self._vault.issuer_chain(mount, issuer)

    def _chain_problems(self, chain: t.Sequence[Certificate]) -> list[str]:
        if not chain:
            return [f"The mount {self._places.pki_mount} of Vault has no issuer that can be read; configure one."]
        now = utc_now()
        return [
            f"{each.title}, which issues at {self._places.pki_mount}, has expired on {rfc3339(each.not_after)}; "
            "replace it first."
            for each in chain
            if each.remaining(now) <= 0
        ]

    def _examine(
        self, target: Target, general: Examination, role: Object | None, chain: t.Sequence[Certificate]
    ) -> Examination:
        notices, problems = list(general.notices), list(general.problems)
        further = set(target.secret.get("data") or {}) - {CERTIFICATE, KEY, AUTHORITIES}
        if further:
            notices.append(
                f"{target.name}: {', '.join(sorted(further))} in the secret stay as they are, whatever they hold"
            )
        problem = _key_problem(target.old.leaf)
        if problem:
            problems.append(problem)
        elif role is not None:
            problems += self._role_problems(target, role, chain)
        return Examination(tuple(problems), tuple(notices), general.not_verified)

    def _role_problems(self, target: Target, role: Object, chain: t.Sequence[Certificate]) -> t.Iterator[str]:
        """Say what the role would not sign, or would make of it that the gate refuses."""
        leaf, common_name = target.old.leaf, _common_name(target)
        what = f"the role {self._places.pki_role} in {self._places.pki_mount}"
        reasons = refusals(role, leaf, common_name, _key_of(leaf))
        if reasons:
            yield (
                f"Vault would not sign {target.name}, as {what} forbids it ({'; '.join(reasons)}); change the role, or "
                "name another in O(vault.pki_role)."
            )
            return
        settings = gate_of(target, self._gate)
        seconds, now = min(each for each in (self._asked_seconds, role.get("max_ttl") or 0) if each), utc_now()
        if chain:
            seconds = min(seconds, chain[0].remaining(now))
        found = [
            *lost(foreseen(role, leaf, common_name), leaf, settings),
            *shorter_life(seconds + _BACKDATED_SECONDS, leaf, settings),
            *(trust(chain, chain[0].subject, target.old, settings) if chain else ()),
            *anchored(chain, now + timedelta(seconds=seconds), target.old.authorities, target.old, now),
        ]
        if found:
            yield (
                f"A new certificate of {target.name} by {what} would be worse than the present one "
                f"({'; '.join(map(str, found))}); {advice(found, 'change the role or O(vault.ttl)')}."
            )

    def backup(self, target: Target) -> dict[str, Object]:
        mount, path = self._places.kv_mount, self._places.kv_path(target.name)
        entry = self._vault.read_kv(mount, path)
        return {"kv": {"mount": mount, "path": path, "version": entry.version, "data": dict(entry.data)}}

    def dry_run(self, target: Target) -> None:
        patch_secret(self._login, self._namespace, target, {}, {RUN_ID: "dry-run"})

    # -- rotate ------------------------------------------------------------------------------------------------------

    def rotate(self, targets: t.Sequence[Target], run: CertRun, check: Check, report: Report) -> None:
        for number, target in enumerate(targets):
            if run.phase(target.name) != ROTATED:
                self._rotate(target, run, check)
            report(number + 1, len(targets))

    def _rotate(self, target: Target, run: CertRun, check: Check) -> None:
        check()
        name = target.name
        try:
            key, is_new = self._key(target, run)
            check()
            if run.phase(name) == REQUESTED:
                self._sign(target, run, key, is_new)
        except Interrupted:
            raise
        except Exception:
            # The next command begins anew with it.
            if run.phase(name) not in CHANGED:
                self._forget(run, name)
            raise
        check()
        record = run.certificates[name]
        pem = _pem(key)
        new = read_material(record["signed"].encode(), pem, record["authorities"].encode())
        failure = pass_gate(name, new, target.old, self._login.skew, gate_of(target, self._gate))
        if failure:
            self._forget(run, name)
            raise GateRefused(_unused(failure, new.leaf), failure.reached)
        if run.phase(name) == SIGNED:
            try:
                version = self._store(target, record, pem.decode())
            except KvConflict as exc:
                # What was signed for the entry that was backed up is of no use for another one.
                self._forget(run, name)
                raise RunbookError(_unused(exc, new.leaf)) from exc
            run.update(name, phase=STORED, kv_version=version)
        check()
        self._write_secret(target, run, record, pem)
        run.update(name, phase=ROTATED, new=new.leaf.fingerprint, not_after=rfc3339(new.leaf.not_after))
        self._key_path(run, name).unlink(missing_ok=True)

    def _forget(self, run: CertRun, name: str) -> None:
        run.update(name, phase=BACKED_UP, signed="")
        self._key_path(run, name).unlink(missing_ok=True)

    def _key(self, target: Target, run: CertRun) -> tuple[t.Any, bool]:
        """Return the new key, which is on disk before it is used, and whether it was made now."""
        path = self._key_path(run, target.name)
        if run.phase(target.name) in (REQUESTED, SIGNED, STORED) and path.exists():
            content = path.read_bytes()
            plain = decrypt(content, self._password, str(path)) if self._password else content
            return serialization.load_pem_private_key(plain, password=None), False
        key = _new_key_like(target.old.leaf)
        content = _pem(key)
        write_private(path, encrypt(content, self._password) if self._password else content)
        run.update(target.name, phase=REQUESTED)
        return key, True

    def _key_path(self, run: CertRun, name: str) -> Path:
        return run.path / f"{name}.key{'.vault' if self._password else ''}"

    def _sign(self, target: Target, run: CertRun, key: t.Any, is_new: bool) -> None:
        leaf, common_name = target.old.leaf, _common_name(target)
        request = {
            "csr": _signing_request(key, leaf, common_name),
            **({"common_name": common_name} if common_name else {}),
            # The names are complete as they are.
            "exclude_cn_from_sans": True,
            # A role takes the names of the request or these; they are the same.
            "alt_names": ",".join((*leaf.dns_names, *leaf.emails)),
            "ip_sans": ",".join(leaf.ip_addresses),
            # A comma may be a part of one.
            "uri_sans": list(leaf.uris),
            # Taken from both, they would be there twice.
            "other_sans": other_sans(leaf),
            "ttl": self._places.ttl,
            "remove_roots_from_chain": True,
        }
        # A process that was killed may have had it signed already.
        signed, looked = (None, True) if is_new else self._find_signed(key)
        earlier = [] if looked or signed else [_EARLIER]
        if signed is None:
            try:
                signed = self._vault.sign(self._places.pki_mount, self._places.pki_role, request)
            except VaultUnavailable as exc:
                signed = self._signed_unseen(target, key, exc)
        run.update(
            target.name,
            phase=SIGNED,
            signed=_chain_text(signed),
            authorities=self._authorities(target, signed),
            warnings=[*earlier, *(each for each in signed.warnings if _EXPECTED not in each), *self._cut(signed)],
            signed_at=rfc3339(self._login.now()),
        )

    def _signed_unseen(self, target: Target, key: t.Any, lost: VaultUnavailable) -> Signed:
        """Return what Vault has signed although its answer was lost; raise RunbookError if that cannot be had."""
        if not lost.may_be_done:
            raise lost
        asked = rfc3339(self._login.now())
        found, looked = None, False
        with contextlib.suppress(RunbookError):
            found, looked = self._find_signed(key)
        if found:
            return found
        if looked:
            # Nothing was signed.
            raise lost
        mount, role = self._places.pki_mount, self._places.pki_role
        raise RunbookError(
            f"Whether Vault has signed a certificate for {target.name} is not known, as its answer to "
            f"{mount}/sign/{role} at {asked} was lost and {mount}/certs cannot be searched or does not keep it; look "
            "for the serial number in its audit log and revoke it, then run the same command again."
        ) from lost

    def _find_signed(self, key: t.Any) -> tuple[Signed | None, bool]:
        """Return what Vault has signed for a key, and whether all that it has signed could be looked at."""
        mount, digest = self._places.pki_mount, key_digest(_pem(key))
        serials = self._vault.serials(mount)
        if serials is None or len(serials) > _MOST_LISTED:
            return None, False
        role = self._vault.role(mount, self._places.pki_role)
        if role is None or role.get("no_store"):
            # What such a role signs is in no list.
            return None, False
        for serial in serials:
            for each in _certificates(self._vault.certificate(mount, serial)):
                if each.key_digest == digest:
                    warning = "the answer to the request was lost: what Vault had signed was found by its key"
                    chain = (self._vault.issuing_chain(mount),)
                    return Signed(each.pem, chain, each.not_after, (warning,)), True
        return None, True

    def _authorities(self, target: Target, signed: Signed) -> str:
        """Return what the Secret's ca.crt is to hold: the same as before, unless another issuer is allowed."""
        if target.old.authorities and not self._gate.allow_issuer_change:
            return "".join(each.pem for each in target.old.authorities)
        found = self._vault.issuing_chain(self._places.pki_mount)
        if _has_issued(found, signed):
            return found
        # A role may name another issuer than the default one.
        role = self._vault.role(self._places.pki_mount, self._places.pki_role) or {}
        own = self._chain_of(role.get("issuer_ref") or _DEFAULT_ISSUER)
        return own if _has_issued(own, signed) else "\n".join(signed.chain)

    def _cut(self, signed: Signed) -> list[str]:
        wanted = Threshold.parse(self._places.ttl, "vault.ttl").seconds(0)
        got = (signed.expiration - utc_now()).total_seconds()
        if got > wanted * 0.99:
            return []
        return [f"asked for {self._places.ttl}, got {timedelta(seconds=round(got))}"]

    def _store(self, target: Target, record: Object, key: str) -> int:
        """Write the certificate to KV, beside what else is there, unless an earlier process has done so."""
        before = record["kv"]
        present = self._vault.read_kv(before["mount"], before["path"])
        if record["signed"].strip() in (str(value).strip() for value in present.data.values()):
            return present.version
        data = _merged(present, target.old, record, key)
        return self._vault.write_kv(before["mount"], before["path"], data, before["version"])

    def _write_secret(self, target: Target, run: CertRun, record: Object, key: bytes) -> None:
        name = target.entry.secret_name
        present = self._login.get(f"get the secret {name}", secret_path(self._namespace, name))
        current = with_current(target, present)
        leaf = parse_chain(record["signed"].encode())[0]
        if current.current.leaf.fingerprint == leaf.fingerprint:
            return
        if current.current.leaf.fingerprint != target.old.leaf.fingerprint:
            raise RunbookError(
                f"Somebody else has put another certificate into the secret {name} meanwhile; find out who, then run "
                "the same command again."
            )
        if [each.fingerprint for each in current.current.authorities] != [
            each.fingerprint for each in target.old.authorities
        ]:
            raise RunbookError(
                f"Somebody else has put other authorities into {AUTHORITIES} of the secret {name} meanwhile; find out "
                "who, then run the same command again."
            )
        data = {CERTIFICATE: _base64(record["signed"].encode()), KEY: _base64(key)}
        if (present.get("data") or {}).get(AUTHORITIES):
            data[AUTHORITIES] = _base64(record["authorities"].encode())
        annotations = {ISSUED_AT: record["signed_at"], ISSUED_FOR: leaf.fingerprint, RUN_ID: run.run_id}
        patch_secret(self._login, self._namespace, current, data, annotations)
        written = self._login.get(f"get the secret {name}", secret_path(self._namespace, name))
        if read_secret(written).leaf.fingerprint != leaf.fingerprint:
            raise RunbookError(
                f"The secret {name} does not hold what was written; something else writes it: find out what."
            )

    # -- restore -----------------------------------------------------------------------------------------------------

    def why_not_restore(self, target: Target, backup: t.Mapping[str, Object], record: Object) -> str:
        if self._vault.is_revoked(self._places.pki_mount, target.old.leaf.serial):
            return "it has been revoked; roll forward instead: rotate again"
        before = backup["kv"]
        present = self._vault.read_kv(before["mount"], before["path"])
        written = record.get("kv_version")
        if before["version"] and present.data != before["data"] and written and present.version != written:
            return (
                f"somebody else has written {before['mount']}/{before['path']} since the rotation (version "
                f"{present.version} instead of {written}); find out who did it before you roll back"
            )
        return ""

    def restore(self, targets: t.Sequence[Target], saved: Saved, run: CertRun, check: Check) -> None:
        for target in targets:
            check()
            self._restore_kv(saved[target.name]["kv"])
            check()
            put_back(self._login, self._namespace, target, saved[target.name]["secret"])
            self._key_path(run, target.name).unlink(missing_ok=True)
            run.update(target.name, phase=RESTORED)

    def _restore_kv(self, before: Object) -> None:
        """Write the old entry as a new version; one that was not there before stays, as it harms nobody."""
        present = self._vault.read_kv(before["mount"], before["path"])
        if before["version"] and present.data != before["data"]:
            self._vault.write_kv(before["mount"], before["path"], before["data"], present.version)


def _unused(why: RunbookError, leaf: Certificate) -> str:
    return (
        f"{str(why).rstrip('.')}; what Vault has signed, with the serial number {leaf.serial}, is used by nobody: "
        "revoke it."
    )


def _common_name(target: Target) -> str:
    return target.entry.common_name or target.old.leaf.common_name


def _key_of(leaf: Certificate) -> tuple[str, int]:
    """Return kind and bits of a new key like that of the present certificate."""
    return leaf.key_type, max(2048, leaf.key_bits) if leaf.key_type == "RSA" else leaf.key_bits


def _key_problem(leaf: Certificate) -> str:
    if leaf.key_type in ("RSA", "Ed25519", "Ed448") or (leaf.key_type == "EC" and leaf.key_bits in _CURVES):
        return ""
    return f"A key like the present one ({leaf.key}) cannot be made; allowed are RSA, EC, Ed25519 and Ed448."


def _new_key_like(leaf: Certificate) -> t.Any:
    """Return a private key of the kind and size that the present certificate has."""
    kind, bits = _key_of(leaf)
    problem = _key_problem(leaf)
    if problem:
        raise InvalidInput(problem)
    if kind == "RSA":
        return rsa.generate_private_key(65537, bits)
    if kind == "EC":
        return ec.generate_private_key(getattr(ec, _CURVES[bits])())
    return (ed25519.Ed25519PrivateKey if kind == "Ed25519" else ed448.Ed448PrivateKey).generate()


def _signing_request(key: t.Any, leaf: Certificate, common_name: str) -> str:
    """Return a request that keeps the subject and the names of the present certificate."""
    subject = leaf.loaded.subject
    if common_name != leaf.common_name:
        others = [each for each in subject if each.oid != x509.NameOID.COMMON_NAME]
        subject = x509.Name([*others, x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    present = leaf.extension(x509.SubjectAlternativeName)
    names = [each for each in (present.value if present else ()) if not isinstance(each, x509.OtherName)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    own_hash = None if leaf.key_type in ("Ed25519", "Ed448") else hashes.SHA256()
    return str(builder.sign(key, own_hash).public_bytes(serialization.Encoding.PEM).decode())


def _has_issued(authorities: str, signed: Signed) -> bool:
    leaf = _certificates(signed.certificate)
    return bool(leaf) and any(leaf[0].is_issued_by(each) for each in _certificates(authorities))


def _chain_text(signed: Signed) -> str:
    """The leaf and what is above it, without a root that anybody who trusts it has anyway."""
    members = parse_chain("\n".join((signed.certificate, *signed.chain)).encode())
    return "".join(each.pem for number, each in enumerate(members) if number == 0 or not each.self_issued)


def _merged(present: KvEntry, old: Material, record: Object, key: str) -> Object:
    """Return the entry with the old certificate and its key replaced wherever they are, under whatever names."""
    data, found = dict(present.data), False
    chain: str = record["signed"]
    leaf = parse_chain(chain.encode())[0].pem
    for name, value in present.data.items():
        shown = _certificates(str(value))
        has_key = _KEY_MARK in str(value) and _digest_of(str(value)) == old.key_digest
        if shown and shown[0].fingerprint == old.leaf.fingerprint:
            found = True
            data[name] = (leaf if len(shown) == 1 else chain) + (key if has_key else "")
        elif has_key:
            data[name] = key
    if found:
        return data
    return {**data, **dict(zip(_NEW_FIELDS, (chain, key, record["authorities"])))}


def _certificates(text: str) -> tuple[Certificate, ...]:
    try:
        return parse_chain(text.encode())
    except Unparsable:
        return ()


def _digest_of(text: str) -> str:
    try:
        return key_digest(text[text.index("-----BEGIN", max(0, text.index(_KEY_MARK) - 40)) :].encode())
    except (Unparsable, ValueError):
        return ""


def _pem(key: t.Any) -> bytes:
    return bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
