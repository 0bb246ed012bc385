# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the cluster once its programs run: images, issuers, Vault's mounts, and the platform in small."""

from __future__ import annotations

import base64
import json
import secrets
import string
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from .parts import Tools
from .place import API, HERE, INSIDE, NAMESPACE, PROGRAMS, VAULT

# Without a look at the schemas, which the API server would have to put together first, whoever has written it since.
_AS_IT_IS = ("--server-side", "--validate=false", "--force-conflicts")
_MANIFESTS = {path.name: path.read_text() for path in sorted((HERE / "manifests").glob("*.yaml"))}

Step = tuple[str, Callable[[], None], tuple[str, ...]]


def steps(tools: Tools, images: Sequence[tuple[str, str]], crds: str) -> list[Step]:
    """Return what has to be done once, each with what it needs; `images` and `crds` are paths below PROGRAMS."""

    def apply(name: str, **values: str) -> None:
        apply_content(string.Template(_MANIFESTS[name]).substitute(values))

    def apply_content(content: str) -> None:
        tools.kubectl("apply", *_AS_IT_IS, "-f", "-", content=content)

    def import_images() -> None:
        for _name, archive in images:
            tools.ctr("images", "import", "--no-unpack", str(PROGRAMS / archive))

    def apply_crds() -> None:
        tools.kubectl("apply", *_AS_IT_IS, "-f", str(PROGRAMS / crds))
        tools.kubectl("wait", "--for=condition=Established", "-f", str(PROGRAMS / crds), "--timeout=30s")

    def apply_redis() -> None:
        for name in ("redis-primary", "redis-replica"):
            folder = INSIDE / "volumes" / name
            folder.mkdir(parents=True, exist_ok=True)
            # A volume on the node belongs to nobody in particular.
            folder.chmod(0o777)
        apply("namespaces.yaml")
        _apply_secret(tools, NAMESPACE, "redis", {"password": secrets.token_urlsafe(18)}, keep=True)
        content = string.Template(_MANIFESTS["redis.yaml"]).substitute(volumes=str(INSIDE / "volumes"))
        volumes = [each for each in yaml.safe_load(content)["items"] if each["kind"].startswith("PersistentVolume")]
        apply_content(json.dumps({"apiVersion": "v1", "kind": "List", "items": volumes}))
        # The scheduler may miss that a claim is bound while it looks at its pod, and then looks again after minutes.
        claims = [f"pvc/{each['metadata']['name']}" for each in volumes if each["kind"] == "PersistentVolumeClaim"]
        tools.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", *claims, "-n", NAMESPACE, "--timeout=60s")
        apply_content(content)

    def apply_issuers() -> None:
        login = json.loads((INSIDE / "vault-roles.json").read_text())["cert-manager"]
        _apply_secret(tools, "cert-manager", "vault-approle", {"secretId": login["secret_id"]})
        apply("issuers.yaml", vault_role_id=login["role_id"], vault_address=f"http://127.0.0.1:{VAULT}")
        tools.kubectl("wait", "--for=condition=Ready", "clusterissuer", "--all", "--timeout=60s")

    def apply_core_engine() -> None:
        _issue_with_vault(tools, "core-engine")
        apply("core-engine.yaml")

    def apply_api_gateway() -> None:
        apply("api-gateway.yaml")
        apply("consumers.yaml")

    def wait_for_platform() -> None:
        stateful = [f"statefulset/{name}" for name in ("redis-primary", "redis-replica")]
        services = [f"deployment/{name}" for name in ("core-engine", "api-gateway", "report-api", "stream-api")]
        for kind in (*stateful, *services):
            tools.kubectl("rollout", "status", kind, "-n", NAMESPACE, "--timeout=90s")

    return [
        ("images", import_images, ("containerd",)),
        ("redis", apply_redis, ("kube-apiserver",)),
        ("crds", apply_crds, ("kube-apiserver",)),
        ("issuers", apply_issuers, ("crds", "redis", "cert-manager", "vault")),
        ("core-engine", apply_core_engine, ("redis", "vault")),
        ("api-gateway", apply_api_gateway, ("issuers",)),
        ("platform", wait_for_platform, ("core-engine", "api-gateway", "kubelet", "kube-proxy", "coredns", "images")),
    ]


def fill_vault() -> None:
    """Give a Vault that has just started its mounts, roles, logins, policies and audit log."""
    root = json.loads((INSIDE / "vault-keys.json").read_text())["root_token"]

    def put(path: str, **data: Any) -> dict[str, Any]:
        return _vault("POST", path, root, data)

    put("sys/audit/file", type="file", options={"file_path": str(INSIDE / "audit" / "vault.log")})
    for mount in ("pki", "pki_int"):
        put(f"sys/mounts/{mount}", type="pki", config={"max_lease_ttl": "87600h"})
    put("sys/mounts/kv", type="kv", options={"version": "2"})
    put("pki/root/generate/internal", common_name="lab root", ttl="87600h", key_type="ec", key_bits=256)
    request = put("pki_int/intermediate/generate/internal", common_name="lab issuing", key_type="ec", key_bits=256)
    signed = put("pki/root/sign-intermediate", csr=request["csr"], common_name="lab issuing", ttl="43800h")
    chain = "\n".join([signed["certificate"], signed["issuing_ca"]])
    put("pki_int/intermediate/set-signed", certificate=chain)
    # A role with any type of key signs requests only; it cannot be asked for a key.
    put("pki_int/roles/market-intel", allow_any_name=True, enforce_hostnames=False, key_type="any", max_ttl="8760h")
    for name, rules in _POLICIES.items():
        put(f"sys/policies/acl/{name}", policy=json.dumps({"path": rules}))
    put("sys/auth/approle", type="approle")
    put("sys/auth/kubernetes", type="kubernetes")
    put(
        "auth/kubernetes/config",
        kubernetes_host=f"https://127.0.0.1:{API}",
        kubernetes_ca_cert=(INSIDE / "pki" / "ca.crt").read_text(),
        disable_local_ca_jwt=True,
    )
    put(
        "auth/kubernetes/role/runbooks",
        bound_service_account_names=["runbooks"],
        bound_service_account_namespaces=[NAMESPACE],
        token_policies=["runbooks"],
        ttl="30m",
    )
    logins = {}
    for name in _POLICIES:
        put(f"auth/approle/role/{name}", token_policies=[name], token_ttl="30m", token_max_ttl="4h")
        role = _vault("GET", f"auth/approle/role/{name}/role-id", root)
        logins[name] = {
            "role_id": role["role_id"],
            "secret_id": put(f"auth/approle/role/{name}/secret-id")["secret_id"],
        }
    path = INSIDE / "vault-roles.json"
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(logins))
    # Others read it at any moment, and never a part of it.
    part.rename(path)


_POLICIES: dict[str, dict[str, Any]] = {
    "runbooks": {
        "pki_int/sign/market-intel": {"capabilities": ["create", "update"]},
        "pki_int/roles/market-intel": {"capabilities": ["read"]},
        "kv/data/certs/*": {"capabilities": ["create", "read", "update"]},
        "kv/metadata/certs/*": {"capabilities": ["read", "list"]},
    },
    "cert-manager": {"pki_int/sign/market-intel": {"capabilities": ["create", "update"]}},
}


def _vault(method: str, path: str, token: str, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{VAULT}/v1/{path}",
        method=method,
        data=json.dumps(data).encode() if data is not None else None,
        headers={"X-Vault-Token": token},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            content = reply.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"Vault refused {path}: {error.read().decode()[:500]}") from error
    return (json.loads(content).get("data") or {}) if content else {}


def _issue_with_vault(tools: Tools, name: str) -> None:
    """Have Vault sign a certificate, and keep it in Vault and in the Secret that the service mounts."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [f"{name}.{NAMESPACE}.svc.cluster.local", f"{name}.{NAMESPACE}.svc", f"{name}.{NAMESPACE}", name]
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
    root = json.loads((INSIDE / "vault-keys.json").read_text())["root_token"]
    wanted = {"csr": request, "common_name": names[0], "alt_names": ",".join(names[1:]), "ttl": "720h"}
    signed = _vault("POST", "pki_int/sign/market-intel", root, wanted)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    chain = "\n".join([signed["certificate"], *signed["ca_chain"]]) + "\n"
    authority = signed["ca_chain"][-1] + "\n"
    stored = {"certificate": chain, "private_key": pem, "issuing_ca": authority}
    _vault("POST", f"kv/data/certs/{name}", root, {"data": stored})
    content = {"tls.crt": chain, "tls.key": pem, "ca.crt": authority}
    _apply_secret(tools, NAMESPACE, f"{name}-tls", content, kind="kubernetes.io/tls")


def _apply_secret(
    tools: Tools,
    namespace: str,
    name: str,
    content: Mapping[str, str],
    *,
    kind: str = "Opaque",
    keep: bool = False,
) -> None:
    """Write a Secret; with `keep`, leave one that is there as it is."""
    if keep and tools.kubectl("get", "secret", name, "-n", namespace, "--ignore-not-found", "-o", "name"):
        return
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in content.items()},
    }
    tools.kubectl("apply", *_AS_IT_IS, "-f", "-", content=json.dumps(secret))
