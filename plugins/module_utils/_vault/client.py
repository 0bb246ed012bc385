# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login at a Vault or OpenBao: what the certificates need of PKI and KV version 2. PRIVATE to the collection."""

from __future__ import annotations

import sys
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import urlsplit

from .._deps_vault import HVAC, hvac, hvac_adapters, requests
from .._errors import InvalidInput, RunbookError, phrase

Object = dict[str, t.Any]

_SEALED = (501, 503)


class VaultUnavailable(RunbookError):
    """Vault cannot be reached, is sealed, or is not initialised."""


class VaultRefused(RunbookError):
    """Vault answered a request with an error; ``status`` is that of HTTP, ``said`` its own words."""

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status = status
        self.said = said


class KvConflict(VaultRefused):
    """Somebody else has written the entry since it was read."""


@dataclass(frozen=True)
class VaultSettings:
    """Where Vault is, and a token that somebody has logged in for; ``timeout`` is seconds."""

    url: str
    token: str = field(repr=False)
    namespace: str = ""
    ca_cert: str = ""
    validate_certs: bool = True
    timeout: float = 30.0


@dataclass(frozen=True)
class KvEntry:
    """The newest version of an entry; version 0 means that there is none."""

    version: int = 0
    data: t.Mapping[str, t.Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Signed:
    """A certificate that Vault has signed, as PEM texts; ``warnings`` are what it has changed of the request."""

    certificate: str
    chain: tuple[str, ...]
    expiration: datetime
    warnings: tuple[str, ...]


class VaultLogin:
    """A login at Vault; errors are sentences."""

    def __init__(self, settings: VaultSettings, user_agent: str) -> None:
        """Prepare the login; raise InvalidInput where something is missing. Vault is not asked yet."""
        if HVAC.error:
            raise InvalidInput(
                f"The Python library {HVAC.requirement} is missing in {sys.executable}; install it there "
                "(pip install hvac)."
            )
        if not settings.url or not settings.token:
            raise InvalidInput(
                f"vault has no {'url' if not settings.url else 'token'}; give the address of Vault and a token, as "
                "community.hashi_vault.vault_login returns one."
            )
        if "@" in urlsplit(settings.url).netloc:
            raise InvalidInput("The url of vault has a login in it, which logs would show; give a token instead.")
        self.url = settings.url.rstrip("/")
        session = requests.Session()
        session.headers["User-Agent"] = user_agent
        session.verify = (settings.ca_cert or True) if settings.validate_certs else False
        self._client = hvac.Client(
            url=self.url,
            token=settings.token,
            namespace=settings.namespace or None,
            verify=session.verify,
            timeout=settings.timeout,
            adapter=hvac_adapters.RawAdapter,
            session=session,
        )

    def health(self) -> Object:
        """Return the state and the clock of the server; raise VaultUnavailable if it cannot work now."""
        status, content = self._send("ask for the health of", "GET", "sys/health", accept=(429, 472, 473, 501, 503))
        if content.get("sealed") or not content.get("initialized", True) or status in _SEALED:
            raise VaultUnavailable(self._sealed())
        return content

    def own_token(self) -> Object:
        """Return what Vault says of the token: its ttl in seconds (0: for ever), whether it is renewable."""
        return self._data("look up the token at", "GET", "auth/token/lookup-self")

    def renew_token(self, seconds: int) -> int:
        """Return the seconds that the token lives now."""
        _status, content = self._send(
            "renew the token at", "POST", "auth/token/renew-self", body={"increment": f"{seconds}s"}
        )
        return int((content.get("auth") or {}).get("lease_duration", 0))

    def missing_capabilities(self, wanted: t.Mapping[str, t.Collection[str]]) -> list[str]:
        """Return what the token lacks, as in ``update pki_int/sign/web``; any one of a path's words is enough."""
        found = self._data(
            "ask for the capabilities of the token at", "POST", "sys/capabilities-self", body={"paths": list(wanted)}
        )
        return [
            f"{'/'.join(words)} {path}"
            for path, words in wanted.items()
            if not {"root", *words} & set(found.get(path) or [])
        ]

    def role(self, mount: str, name: str) -> Object | None:
        """Return a role of PKI, or None where the token may not read it; raise InvalidInput if there is none."""
        try:
            return self._data(f"read the role {name} of", "GET", f"{mount}/roles/{name}")
        except VaultRefused as exc:
            if exc.status == 403:
                return None
            if exc.status == 404:
                raise InvalidInput(
                    f"Vault at {self.url} has no role {name} in {mount}; name another (vault list {mount}/roles)."
                ) from None
            raise

    def issuing_chain(self, mount: str) -> str:
        """Return the PEM texts of the default issuer and those above it; nobody needs a right for that."""
        _status, content = self._send("read the chain of", "GET", f"{mount}/cert/ca_chain")
        data = content.get("data") or {}
        return str(data.get("ca_chain") or data.get("certificate") or "")

    def is_revoked(self, mount: str, serial: str) -> bool | None:
        """Tell whether a certificate is revoked; None where Vault does not know it. ``serial`` is plain hex."""
        padded = serial.rjust(len(serial) + len(serial) % 2, "0")
        name = "-".join(padded[at : at + 2] for at in range(0, len(padded), 2))
        try:
            data = self._data("read a certificate of", "GET", f"{mount}/cert/{name}")
        except VaultRefused as exc:
            if exc.status in (400, 403, 404):
                return None
            raise
        return bool(data.get("revocation_time"))

    def sign(self, mount: str, role: str, request: t.Mapping[str, t.Any]) -> Signed:
        """Have a certificate signed; the private key stays here."""
        _status, content = self._send("sign a certificate at", "POST", f"{mount}/sign/{role}", body=request)
        data = content["data"]
        chain = data.get("ca_chain") or [data["issuing_ca"]]
        return Signed(
            data["certificate"],
            tuple(chain),
            datetime.fromtimestamp(data["expiration"], timezone.utc),
            tuple(content.get("warnings") or ()),
        )

    def read_kv(self, mount: str, path: str) -> KvEntry:
        """Return the newest version, whose data are empty where it was deleted."""
        status, content = self._send(f"read {path} of", "GET", f"{mount}/data/{path}", accept=(404,))
        data = content.get("data") or {}
        if status == 404 and not data:
            return KvEntry()
        return KvEntry(int(data["metadata"]["version"]), data.get("data") or {})

    def write_kv(self, mount: str, path: str, data: t.Mapping[str, t.Any], version: int) -> int:
        """Write an entry if ``version`` is still its newest one, and return the new one; raise KvConflict."""
        body = {"data": dict(data), "options": {"cas": version}}
        try:
            return int(self._data(f"write {path} of", "POST", f"{mount}/data/{path}", body=body)["version"])
        except VaultRefused as exc:
            if "check-and-set" not in exc.said:
                raise
            raise KvConflict(
                f"Somebody else has written {mount}/{path} at Vault {self.url} since it was read (version {version}); "
                "find out who, then run the same command again.",
                exc.status,
                exc.said,
            ) from None

    def kv_version(self, mount: str) -> str:
        """Return the version of a KV secrets engine, empty where the token may not know."""
        try:
            data = self._data("look at the mount of", "GET", f"sys/internal/ui/mounts/{mount}")
        except VaultRefused as exc:
            if exc.status in (400, 403, 404):
                return ""
            raise
        return str((data.get("options") or {}).get("version") or "1")

    def list_kv(self, mount: str, path: str) -> list[str] | None:
        """Return the names below a path, folders with a slash at their end; None where the token may not list."""
        try:
            _status, content = self._send(
                f"list {path} of", "LIST", f"{mount}/metadata/{path}".rstrip("/"), accept=(404,)
            )
        except VaultRefused as exc:
            if exc.status == 403:
                return None
            raise
        return [str(name) for name in (content.get("data") or {}).get("keys", [])]

    def _data(self, what: str, method: str, path: str, body: t.Mapping[str, t.Any] | None = None) -> Object:
        return t.cast(Object, self._send(what, method, path, body=body)[1].get("data") or {})

    def _send(
        self,
        what: str,
        method: str,
        path: str,
        *,
        body: t.Mapping[str, t.Any] | None = None,
        accept: t.Collection[int] = (),
    ) -> tuple[int, Object]:
        options = {"json": body} if body is not None else {}
        try:
            answer = self._client.adapter.request(method.lower(), f"/v1/{path}", raise_exception=False, **options)
        except (requests.RequestException, OSError) as exc:
            reason = str(getattr(exc, "args", [exc])[0])
            reason = reason.rpartition("object at 0x")[2].partition(">: ")[2].rstrip("')") or reason
            raise VaultUnavailable(
                f"Vault at {self.url} cannot be reached ({phrase(reason)}); check its address and the network."
            ) from exc
        try:
            content = answer.json() if answer.content else {}
        except ValueError:
            content = {}
        if answer.status_code < 300 or answer.status_code in accept:
            return answer.status_code, content
        said = phrase("; ".join(" ".join(str(word).split()) for word in content.get("errors") or [answer.reason]))
        if answer.status_code in _SEALED:
            raise VaultUnavailable(self._sealed())
        if answer.status_code == 403:
            message = (
                f"Vault at {self.url} does not let this token {what.rpartition(' ')[0]} ({path}: {said}); grant that "
                "in one of its policies, or log in anew if it has expired."
            )
        else:
            message = f"Vault refused to {what} {self.url} ({answer.status_code} {path}: {said})."
        raise VaultRefused(message, answer.status_code, said)

    def _sealed(self) -> str:
        return f"Vault at {self.url} is sealed or not initialised; unseal it, then run the same command again."
