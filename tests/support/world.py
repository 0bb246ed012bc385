# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with cert-manager, a Vault and an operator in one process, for faults at each single call of a rotation.

```python
world = World()
world.faults = [Fault("GET", "secrets/shop-tls", "lost")]
outcome = operator(world, folder).command()
```

What is behind the calls behaves as the real ones do where a rotation depends on it: resource versions, a Certificate
that is issued anew when its request does not fit the key, check-and-set, pods that serve what they were started with.
Time passes only where somebody waits.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from urllib3.exceptions import ProtocolError

from ansible_collections.market_intel.runbooks.plugins.module_utils import _wait
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s import client as k8s_client
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import rfc3339
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.certificate import Certificate, parse_chain
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.handshake import Handshake
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation import probe as probing
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry, RotateRequest
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers import cert_manager, writing
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.vault import VaultPlaces
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.threshold import Threshold
from ansible_collections.market_intel.runbooks.plugins.module_utils._vault.client import VaultLogin, VaultSettings

from .operator import Operator

Object = dict[str, Any]
PLACE = "here"
START = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
_API = f"/api/v1/namespaces/{PLACE}"
_APPS = f"/apis/apps/v1/namespaces/{PLACE}"
_MANAGER = f"/apis/cert-manager.io/v1/namespaces/{PLACE}"
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{PLACE}"
_NAME = x509.NameOID.COMMON_NAME
_LEAVES: dict[str, Certificate] = {}
_AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(_NAME, text)])


def _signed(name: str, key: Any, start: datetime, *, ca: bool = False, days: int = 90) -> str:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("authority"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - timedelta(seconds=30))
        .not_valid_after(start + (3650 if ca else days) * DAY)
        .add_extension(x509.BasicConstraints(ca, None), True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False)
        builder = builder.add_extension(_USAGE, True)
    pem = builder.sign(_AUTHORITY_KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    (parsed,) = parse_chain(pem.encode())
    _LEAVES[parsed.fingerprint] = parsed
    return pem


AUTHORITY = _signed("authority", _AUTHORITY_KEY.public_key(), START - 100 * DAY, ca=True)
_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=True,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_KEYS = [ec.generate_private_key(ec.SECP256R1()) for _number in range(4)]


def fingerprint(pem: str) -> str:
    return parse_chain(pem.encode())[0].fingerprint


def _pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


@dataclass
class Fault:
    """What happens to calls of one kind: a status, or `reset` (not done), `lost` (done), `half` (of the answer)."""

    call: str
    what: int | str
    times: int = 10**9


@dataclass
class Answer:
    """What both of the libraries look at."""

    status: int
    data: bytes
    headers: dict[str, str]

    @property
    def status_code(self) -> int:
        return self.status

    @property
    def content(self) -> bytes:
        return self.data

    @property
    def reason(self) -> str:
        return "Error"

    def json(self) -> Any:
        return json.loads(self.data)


class Refusal(Exception):
    def __init__(self, status: int, message: str = "no") -> None:
        super().__init__(message)
        self.status = status


class Clock:
    """Passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds

    def now(self) -> datetime:
        return datetime.now(timezone.utc) + timedelta(seconds=self.passed)


class Killed(BaseException):
    """The process of an operator is no more."""


class World:
    """`calls` are the kinds of all that was asked, in their order; `before_call` is called with each of them.

    `stuck` are workloads whose pods serve what they did, whatever they are started for; `days` is how long what
    cert-manager issues lives, `may_list` whether the token sees what Vault has signed, and `keeps_signed` whether its
    role keeps that at all.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.before_call: Callable[[str], None] | None = None
        self.stuck: set[str] = set()
        self.days = 90
        self.may_list = True
        self.keeps_signed = True
        self.objects: dict[str, Object] = {}
        self.serves: dict[str, str] = {}
        self.signed: dict[str, str] = {}
        self.kv: tuple[int, Object] = (0, {})
        self.issued = 0
        self._version = 0
        born = START - 10 * DAY
        for name in ("shop", "web"):
            content = {
                "tls.crt": _signed(f"{name}.example.com", _KEYS[0].public_key(), born),
                "tls.key": _pem(_KEYS[0]),
                "ca.crt": AUTHORITY,
            }
            data = {key: base64.b64encode(text.encode()).decode() for key, text in content.items()}
            self._put(f"{_API}/secrets/{name}-tls", {"kind": "Secret", "type": "kubernetes.io/tls", "data": data})
            self._put(f"{_APPS}/deployments/{name}", self._deployment(name))
            self._put(f"{_API}/pods/{name}-1", self._pod(name))
            self._put(f"{_APPS}/replicasets/{name}-1", self._set(name))
            if name == "web":
                self.kv = (1, {"certificate": content["tls.crt"], "private_key": content["tls.key"]})
        self._put("/apis/cert-manager.io/v1/clusterissuers/ca", {"spec": {"ca": {}}, **_ready()})
        spec = {
            "secretName": "shop-tls",
            "issuerRef": {"name": "ca", "kind": "ClusterIssuer"},
            "commonName": "shop.example.com",
            "dnsNames": ["shop.example.com"],
            "privateKey": {"algorithm": "ECDSA"},
        }
        self._put(f"{_MANAGER}/certificates/shop", {"spec": spec, "status": {"revision": 1, **_ready()["status"]}})
        self._request(1, born)
        self._settle()

    # -- what a test looks at ----------------------------------------------------------------------------------------

    def change(self, kind: str, name: str, change: Callable[[Object], object]) -> None:
        """Have somebody else change an object."""
        (path,) = (path for path in self.objects if path.endswith(f"/{kind}/{name}"))
        found = copy.deepcopy(self.objects[path])
        change(found)
        self._put(path, found)
        self._settle()

    def delete(self, kind: str, name: str) -> None:
        (path,) = (path for path in self.objects if path.endswith(f"/{kind}/{name}"))
        del self.objects[path]
        self._settle()

    def replace_certificate(self, name: str) -> str:
        """Have somebody else put another certificate into a Secret, and return its fingerprint."""
        key = _KEYS[3]
        leaf = _signed(f"{name}.example.com", key.public_key(), self.clock.now())
        data = {"tls.crt": leaf, "tls.key": _pem(key)}
        encoded = {entry: base64.b64encode(text.encode()).decode() for entry, text in data.items()}
        self.change("secrets", f"{name}-tls", lambda found: found["data"].update(encoded))
        return fingerprint(leaf)

    def stored(self, name: str) -> str:
        data = self.objects[f"{_API}/secrets/{name}-tls"]["data"]
        return fingerprint(base64.b64decode(data["tls.crt"]).decode())

    def fingerprint_in_vault(self) -> str:
        return fingerprint(self.kv[1]["certificate"])

    def holder(self) -> str:
        """Return who holds the Lease at this moment, empty where it has expired."""
        for path, found in self.objects.items():
            if path.startswith(f"{_LEASES}/leases/"):
                spec = found["spec"]
                until = datetime.fromisoformat(spec["renewTime"]) + timedelta(seconds=spec["leaseDurationSeconds"])
                return str(spec["holderIdentity"]) if until > self.clock.now() else ""
        return ""

    # -- the API server ----------------------------------------------------------------------------------------------

    def request(self, method: str, url: str, *, body: bytes | None = None, **_others: Any) -> Answer:
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        dry = "dryRun" in query
        kind = f"{method} {_short(parts.path)}{' (dry run)' if dry else ''}"
        content = json.loads(body) if body else {}

        def work() -> Object:
            # Each write puts a new object in the place of the old one.
            before = dict(self.objects), self._version
            found = self._answer(method, parts.path, content)
            if dry:
                self.objects, self._version = before
            elif method != "GET":
                self._settle()
            return found

        return self._call(kind, work, ProtocolError("Connection reset by peer"))

    def _call(self, kind: str, work: Any, lost: Exception) -> Answer:
        self.calls.append(kind)
        if self.before_call:
            self.before_call(kind)
        fault = next((each for each in self.faults if each.call == kind and each.times > 0), None)
        what: int | str = 200
        if fault:
            fault.times -= 1
            what = fault.what
        if what == "reset":
            raise lost
        if isinstance(what, int) and what != 200:
            return _error(what, "by the test")
        try:
            data = json.dumps(work()).encode()
        except Refusal as exc:
            return _error(exc.status, str(exc))
        if what == "lost":
            raise lost
        return Answer(200, data[: len(data) // 2] if what == "half" else data, {"Content-Length": str(len(data))})

    def _answer(self, method: str, path: str, body: Object) -> Object:
        if path.startswith("/apis/authorization.k8s.io/"):
            return {"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}
        if method == "GET" and path.rpartition("/")[2] in _PLURALS:
            return {"items": [each for key, each in self.objects.items() if _parent(key) == path], "metadata": {}}
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise Refusal(409)
            return self._put(path, body)
        status = path.endswith("/status")
        found = self.objects.get(path.removesuffix("/status"))
        if found is None:
            raise Refusal(404)
        if method == "DELETE":
            return self.objects.pop(path)
        version = body.get("metadata", {}).get("resourceVersion")
        if method != "GET" and version not in (None, found["metadata"]["resourceVersion"]):
            raise Refusal(409)
        if method == "PUT":
            changed = {**found, "status": body["status"]} if status else body
            return self._put(path.removesuffix("/status"), changed)
        if method == "PATCH":
            return self._put(path, _merged(found, body))
        return found

    def _put(self, path: str, content: Object) -> Object:
        before = self.objects.get(path)
        if before and before == {**content, "metadata": {**before["metadata"], **content.get("metadata", {})}}:
            return before
        self._version += 1
        name = path.rpartition("/")[2]
        metadata = {"name": name, "namespace": PLACE, "uid": path, "generation": 1, **content.get("metadata", {})}
        self.objects[path] = copy.deepcopy({**content, "metadata": {**metadata, "resourceVersion": str(self._version)}})
        return self.objects[path]

    # -- who works behind it -----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._issue_what_is_due()
        if any(f"{_API}/secrets/{name}-tls" not in self.objects for name in ("shop", "web")):
            return
        for name in ("shop", "web"):
            found = self.objects[f"{_APPS}/deployments/{name}"]
            started_for = json.dumps(found["spec"]["template"]["metadata"].get("annotations", {}))
            if self.serves.get(f"{name} for") != started_for and name not in self.stuck:
                self.serves.update({f"{name} for": started_for, name: self.stored(name)})

    def _issue_what_is_due(self) -> None:
        """Issue as cert-manager does: because it was told to, or because the key is not that of its request."""
        path = f"{_MANAGER}/certificates/shop"
        certificate, secret = self.objects[path], self.objects.get(f"{_API}/secrets/shop-tls")
        status = certificate["status"]
        requests_ = [
            each for each in self.objects if each == f"{_MANAGER}/certificaterequests/shop-{status['revision']}"
        ]
        held = secret["data"]["tls.key"] if secret else ""
        is_wrong = any(self.objects[each]["spec"]["key"] != held for each in requests_) or not held
        told = any(each["type"] == "Issuing" and each["status"] == "True" for each in status["conditions"])
        if not (told or is_wrong):
            return
        self.issued += 1
        key = _KEYS[self.issued % len(_KEYS)]
        data = dict(secret["data"]) if secret else {"ca.crt": base64.b64encode(AUTHORITY.encode()).decode()}
        leaf = _signed("shop.example.com", key.public_key(), self.clock.now(), days=self.days)
        data["tls.crt"] = base64.b64encode(leaf.encode()).decode()
        data["tls.key"] = base64.b64encode(_pem(key).encode()).decode()
        about = {"metadata": secret["metadata"]} if secret else {}
        self._put(f"{_API}/secrets/shop-tls", {"kind": "Secret", "type": "kubernetes.io/tls", **about, "data": data})
        after = rfc3339(parse_chain(leaf.encode())[0].not_after)
        new = {"revision": status["revision"] + 1, "notAfter": after, **_ready()["status"]}
        self._put(path, {**certificate, "status": new})
        self._request(new["revision"], self.clock.now())

    def _request(self, revision: int, created: datetime) -> None:
        annotations = {cert_manager.NAME: "shop", cert_manager.REVISION: str(revision)}
        about = {"annotations": annotations, "creationTimestamp": rfc3339(created)}
        held = self.objects[f"{_API}/secrets/shop-tls"]["data"]["tls.key"]
        path = f"{_MANAGER}/certificaterequests/shop-{revision}"
        self._put(path, {"metadata": about, "spec": {"key": held}, **_ready()})

    def _deployment(self, name: str) -> Object:
        probe = {"tcpSocket": {"port": 8443}}
        mount = {"name": "tls", "mountPath": "/tls"}
        container = {"name": name, "volumeMounts": [mount], "readinessProbe": probe}
        volumes = [{"name": "tls", "secret": {"secretName": f"{name}-tls"}}]
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], "volumes": volumes}}
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), 2)
        spec = {"replicas": 2, "template": template, "selector": {"matchLabels": {"app": name}}}
        return {"spec": spec, "status": {"observedGeneration": 1, **counts}}

    def _set(self, name: str) -> Object:
        owners = [{"kind": "Deployment", "name": name, "uid": f"{_APPS}/deployments/{name}", "controller": True}]
        return {"metadata": {"ownerReferences": owners}, "spec": {"replicas": 2, "template": {}}, "status": {}}

    def _pod(self, name: str) -> Object:
        owners = [{"kind": "ReplicaSet", "name": f"{name}-1", "uid": f"{_APPS}/replicasets/{name}-1"}]
        container = {"name": name, "ports": [{"containerPort": 8443}]}
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "conditions": conditions}
        return {"metadata": {"ownerReferences": owners}, "spec": {"containers": [container]}, "status": status}

    def connect(self, _client: Any, _namespace: str, pod: str, _port: int, _timeout: float) -> Any:
        """Forward a port, as far as a rotation looks."""
        self._call("GET pods/portforward", dict, probing.PortForwardFailed("the port is not forwarded."))
        return pod.partition("-")[0]

    def shown(self, name: Any, _server_name: str, _timeout: float) -> Handshake:
        leaf = _LEAVES[self.serves[name]]
        return Handshake(leaf, (leaf,), "TLSv1.3")

    # -- Vault -------------------------------------------------------------------------------------------------------

    def vault(self, method: str, path: str, *, json: Object | None = None, **_others: Any) -> Answer:
        place = path.removeprefix("/v1/")
        kind = f"vault {method.upper()} {re.sub(r'cert/[0-9a-f-]+$', 'cert/SERIAL', place)}"
        return self._call(
            kind, lambda: self._vault(method.upper(), place, json or {}), requests.ConnectionError("reset")
        )

    def _vault(self, method: str, place: str, body: Object) -> Object:
        if place == "sys/health":
            return {"sealed": False, "initialized": True}
        if place == "sys/internal/ui/mounts/kv":
            return {"data": {"options": {"version": "2"}}}
        if place == "sys/capabilities-self":
            return {"data": {path: ["root"] for path in body["paths"]}}
        if place == "pki_int/roles/market-intel":
            usages = ["DigitalSignature", "KeyEncipherment"]
            limits = {"no_store": not self.keeps_signed}
            return {"data": {"allow_any_name": True, "key_type": "any", "key_usage": usages, **limits}}
        if place == "pki_int/cert/ca_chain":
            return {"data": {"ca_chain": AUTHORITY}}
        if place == "kv/data/certs/web":
            version, data = self.kv
            if method == "POST":
                if body["options"]["cas"] != version:
                    raise Refusal(400, "check-and-set parameter did not match the current version")
                self.kv = (version + 1, body["data"])
                return {"data": {"version": version + 1}}
            return {"data": {"data": data, "metadata": {"version": version}}}
        if place == "pki_int/sign/market-intel":
            request = x509.load_pem_x509_csr(body["csr"].encode())
            leaf = _signed("web.example.com", request.public_key(), self.clock.now())
            parsed = parse_chain(leaf.encode())[0]
            self.signed[parsed.serial] = leaf
            expiration = int(parsed.not_after.timestamp())
            return {"data": {"certificate": leaf, "ca_chain": [AUTHORITY], "expiration": expiration}}
        if place == "pki_int/certs":
            if not self.may_list:
                raise Refusal(403)
            return {"data": {"keys": list(self.signed) if self.keeps_signed else []}}
        if place.startswith("pki_int/cert/"):
            return {"data": {"certificate": self.signed.get(place.rpartition("/")[2].replace("-", ""), "")}}
        return {"data": {}}


_PLURALS = (
    *("deployments", "statefulsets", "daemonsets", "replicasets", "cronjobs", "jobs", "pods", "ingresses", "issuers"),
    *("certificates", "certificaterequests", "poddisruptionbudgets", "resourcequotas", "limitranges"),
)


def _short(path: str) -> str:
    """Return what is asked of a path: the plural and the name, or a review."""
    words = path.split("/")
    tail = words[words.index(PLACE) + 1 :] if PLACE in words else words[-2:]
    return "/".join(re.sub(r"^shop-\d+$", "shop-N", word) for word in tail)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _ready() -> Object:
    return {"status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}}


def _merged(found: Object, patch: Object) -> Object:
    merged = dict(found)
    for key, value in patch.items():
        merged[key] = _merged(merged.get(key) or {}, value) if isinstance(value, dict) else value
    return merged


def _error(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"message": message, "errors": [message]}).encode(), {})


def operator(world: World, folder: Path) -> Operator:
    """Return an operator whose catalogue has what is in the world."""
    entries = (Entry("shop", "shop-tls", cert_manager=True), Entry("web", "web-tls", vault=True))
    request = RotateRequest(PLACE, entries, (), "auto", Threshold(0.0), START)

    def connect(run_id: str, *, dry_run: bool) -> tuple[k8s_client.ApiLogin, VaultLogin]:
        login = k8s_client.ApiLogin(
            k8s_client.ApiSettings(host="https://cluster", api_key="x"), run_id, dry_run=dry_run
        )
        login.client.rest_client = SimpleNamespace(pool_manager=world)
        vault = VaultLogin(VaultSettings("http://vault", "token"), run_id)
        vault._client = SimpleNamespace(adapter=SimpleNamespace(request=world.vault))
        return login, vault

    return Operator(connect, request, folder, VaultPlaces(ttl="2160h"))


def install(monkeypatch: Any, world: World) -> None:
    """Have the engines live in the world: its time, its sockets."""
    # What a machine forgets when it stops is not looked at here.
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(_wait, "time", world.clock)
    monkeypatch.setattr(writing, "time", world.clock)
    monkeypatch.setattr(cert_manager, "utc_now", world.clock.now)
    monkeypatch.setattr(writing, "utc_now", world.clock.now)
    monkeypatch.setattr(k8s_client, "utc_now", world.clock.now)
    monkeypatch.setattr(probing, "connect_to_pod", world.connect)
    monkeypatch.setattr(probing, "handshake", world.shown)
