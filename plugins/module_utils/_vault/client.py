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
from .._errors import InvalidInput, RunbookError, as_clause, root_cause
from .._wait import BUSY, PASSING, Tries

Object = dict[str, t.Any]

_NOT_INITIALISED = 501
_REPEATABLE = ("GET", "LIST")
# States of a server beside being active, such as standby or sealed.
_HEALTH = (429, 472, 473, 501, 503)


class VaultUnavailable(RunbookError):
    """Vault cannot be reached, is sealed, is not initialised, or does not answer.

    ``may_be_done`` tells that what was asked for may have been done all the same.
    """

    def __init__(self, message: str, *, may_be_done: bool = False) -> None:
        super().__init__(message)
        self.may_be_done = may_be_done


class VaultError(RunbookError):
    """Vault answered a request with an error; ``status`` is that of HTTP, ``server_message`` its message."""

    def __init__(self, message: str, status: int, server_message: str) -> None:
        super().__init__(message)
        self.status = status
        self.server_message = server_message


class KvConflict(VaultError):
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
                f"O(vault.{'url' if not settings.url else 'token'}) is missing; give the address of Vault and a "
                "token, as "
                "community.hashi_vault.vault_login returns one."
            )
        parts = urlsplit(settings.url)
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise InvalidInput(
                "O(vault.url) has a login in it, or parameters, which logs would show; give a token instead."
            )
        self.url = settings.url.rstrip("/")
        self._has_answered = False
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
        status, content = self._send("ask for the health of", "GET", "sys/health", accept=_HEALTH)
        if content.get("sealed") or not content.get("initialized", True) or status in (_NOT_INITIALISED, 503):
            raise VaultUnavailable(self._sealed())
        return content

    def own_token(self) -> Object:
        """Return what Vault says of the token: its ttl in seconds (0: for ever), whether it is renewable."""
        return self._data("look up the token at", "GET", "auth/token/lookup-self")

    def renew_token(self, seconds: int) -> int:
        """Return the seconds that the token lives now."""
        _status, content = self._send(
            "renew the token at",
            "POST",
            "auth/token/renew-self",
            body={"increment": f"{seconds}s"},
            repeatable=True,
        )
        return int((content.get("auth") or {}).get("lease_duration", 0))

    def missing_capabilities(self, wanted: t.Mapping[str, t.Collection[str]]) -> list[str]:
        """Return what the token lacks, as in ``update pki_int/sign/web``; any one of a path's words is enough."""
        found = self._data(
            "ask for the capabilities of the token at",
            "POST",
            "sys/capabilities-self",
            body={"paths": list(wanted)},
            repeatable=True,
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
        except VaultError as exc:
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

    def issuer(self, mount: str, name: str) -> Object:
        """Return what is set for an issuer of PKI, such as leaf_not_after_behavior; nothing where it is not told."""
        return self._told("read the issuer", f"{mount}/issuer/{name}")

    def issuer_chain(self, mount: str, name: str) -> str:
        """Return the PEM texts of an issuer and those above it, empty where they are not told."""
        data = self._told("read the chain of an issuer of", f"{mount}/issuer/{name}/json")
        return "\n".join(data.get("ca_chain") or filter(None, [data.get("certificate")]))

    def most_seconds(self, mount: str) -> int:
        """Return the longest life that a mount gives without a role's own limit; 0 where that is not told."""
        data = self._told("look at the mount of", f"sys/internal/ui/mounts/{mount}")
        return int((data.get("config") or {}).get("max_lease_ttl") or 0)

    def _told(self, what: str, path: str) -> Object:
        try:
            return self._data(what, "GET", path)
        except VaultError as exc:
            if exc.status in (400, 403, 404, 405):
                return {}
            raise

    def is_revoked(self, mount: str, serial: str) -> bool | None:
        """Tell whether a certificate is revoked; None where Vault does not know it. ``serial`` is plain hex."""
        padded = serial.rjust(len(serial) + len(serial) % 2, "0")
        name = "-".join(padded[at : at + 2] for at in range(0, len(padded), 2))
        try:
            data = self._data("read a certificate of", "GET", f"{mount}/cert/{name}")
        except VaultError as exc:
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

    def serials(self, mount: str) -> list[str] | None:
        """Return the serial numbers of all certificates that a mount has signed; None where the token may not list."""
        try:
            _status, content = self._send("list the certificates of", "LIST", f"{mount}/certs", accept=(404,))
        except VaultError as exc:
            if exc.status in (400, 403, 405):
                return None
            raise
        return [str(serial) for serial in (content.get("data") or {}).get("keys", [])]

    def certificate(self, mount: str, serial: str) -> str:
        """Return the PEM text of a certificate that a mount has signed; nobody needs a right for that."""
        return str(self._data("read a certificate of", "GET", f"{mount}/cert/{serial}").get("certificate") or "")

    def read_kv(self, mount: str, path: str) -> KvEntry:
        """Return the newest version, whose data are empty where it was deleted."""
        status, content = self._send(f"read {path} of", "GET", f"{mount}/data/{path}", accept=(404,))
        data = content.get("data") or {}
        if status == 404 and not data:
            return KvEntry()
        return KvEntry(int(data["metadata"]["version"]), data.get("data") or {})

    def write_kv(self, mount: str, path: str, data: t.Mapping[str, t.Any], version: int) -> int:
        """Write an entry if ``version`` is still its newest one, and return the new one; raise KvConflict.

        Where the answer to the first try is lost, the conflict is with ourselves, which is told by what is there.
        """
        body = {"data": dict(data), "options": {"cas": version}}
        try:
            written = self._data(f"write {path} of", "POST", f"{mount}/data/{path}", body=body, repeatable=True)
            return int(written["version"])
        except VaultError as exc:
            if "check-and-set" not in exc.server_message:
                raise
            present = self.read_kv(mount, path)
            if (present.version, present.data) == (version + 1, dict(data)):
                return present.version
            raise KvConflict(
                f"Somebody else has written {mount}/{path} at Vault {self.url} since it was read (version {version}); "
                "find out who, then run the same command again.",
                exc.status,
                exc.server_message,
            ) from None

    def kv_version(self, mount: str) -> str:
        """Return the version of a KV secrets engine, empty where the token may not know."""
        try:
            data = self._data("look at the mount of", "GET", f"sys/internal/ui/mounts/{mount}")
        except VaultError as exc:
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
        except VaultError as exc:
            if exc.status == 403:
                return None
            raise
        return [str(name) for name in (content.get("data") or {}).get("keys", [])]

    def _data(
        self,
        what: str,
        method: str,
        path: str,
        body: t.Mapping[str, t.Any] | None = None,
        *,
        repeatable: bool | None = None,
    ) -> Object:
        answer = self._send(what, method, path, body=body, repeatable=repeatable)[1]
        return t.cast(Object, answer.get("data") or {})

    def _send(
        self,
        what: str,
        method: str,
        path: str,
        *,
        body: t.Mapping[str, t.Any] | None = None,
        accept: t.Collection[int] = (),
        repeatable: bool | None = None,
    ) -> tuple[int, Object]:
        """Return status and content; raise VaultUnavailable or VaultError.

        What is ``repeatable``, by its method unless the caller says so, is sent again, when Vault says or after a
        growing pause, if the answer is lost or an error that passes. Over a quota (429) nothing was done.
        """
        options = {"json": body} if body is not None else {}
        if repeatable is None:
            repeatable = method in _REPEATABLE
        tries = Tries()
        while True:
            try:
                answer = self._client.adapter.request(method.lower(), f"/v1/{path}", raise_exception=False, **options)
                content = _content(answer)
            except (requests.RequestException, OSError) as exc:
                there = tries.may_be_there(
                    connected=_was_connected(exc), silent=isinstance(exc, requests.exceptions.ReadTimeout)
                )
                if tries.last or not repeatable or not (self._has_answered or there):
                    raise self._unavailable(exc) from exc
                tries.pause()
                continue
            self._has_answered = True
            # A server in front of Vault has the same words for something else.
            told = answer.status_code in accept and (accept is not _HEALTH or "sealed" in content)
            passes = tries.may_pass(answer.status_code, repeatable=repeatable)
            if not passes or told or _is_sealed(content):
                break
            tries.pause(answer.headers.get("Retry-After"))
        if answer.status_code < 300 or told:
            return answer.status_code, content
        server_message = as_clause(
            "; ".join(" ".join(str(word).split()) for word in content.get("errors") or [answer.reason])
        )
        if answer.status_code == _NOT_INITIALISED or _is_sealed(content):
            raise VaultUnavailable(self._sealed())
        if answer.status_code in PASSING:
            raise VaultUnavailable(
                f"Vault at {self.url} is not able to {what.rpartition(' ')[0]} at this moment ({answer.status_code} "
                f"{path}: {server_message}); check its health, then run the same command again.",
                may_be_done=answer.status_code != BUSY,
            )
        if answer.status_code == 403:
            message = (
                f"Vault at {self.url} does not let this token {what.rpartition(' ')[0]} ({path}: {server_message}); "
                "grant that in one of its policies, or log in anew if it has expired."
            )
        else:
            message = f"Vault refused to {what} {self.url} ({answer.status_code} {path}: {server_message})."
        raise VaultError(message, answer.status_code, server_message)

    def _unavailable(self, cause: BaseException) -> VaultUnavailable:
        reason = as_clause(root_cause(cause))
        return VaultUnavailable(
            f"Vault at {self.url} cannot be reached ({reason}); check its address and the network.",
            may_be_done=_was_connected(cause),
        )

    def _sealed(self) -> str:
        return f"Vault at {self.url} is sealed or not initialised; unseal it, then run the same command again."


def _content(answer: t.Any) -> Object:
    """Return what an answer holds, nothing for an error that something before Vault gives; raise for half an answer."""
    try:
        return t.cast(Object, answer.json() if answer.content else {})
    except ValueError:
        if answer.status_code < 300:
            raise requests.ConnectionError("the answer is not complete, or not Vault's") from None
        return {}


def _is_sealed(content: Object) -> bool:
    return any("sealed" in str(each).lower() for each in content.get("errors") or ())


def _was_connected(exc: BaseException) -> bool:
    """Tell whether a connection was lost, rather than never made: a wrong address does not become right."""
    # The error of a connection that was never made has been wrapped together with its reason.
    never = isinstance(exc, requests.exceptions.SSLError) or hasattr(next(iter(exc.args), None), "reason")
    return not never
