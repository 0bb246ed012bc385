# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON over HTTP, as Prometheus and Alertmanager speak it, within a time that is kept. PRIVATE to the collection."""

from __future__ import annotations

import base64
import http.client
import json
import os
import queue
import ssl
import threading
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from .._errors import InvalidInput, RunbookError, as_clause, root_cause
from .._time import parse_http_date, utc_now

MAX_BYTES = 16 * 1024 * 1024

T = t.TypeVar("T")


class HttpUnavailable(RunbookError):
    """The server cannot be reached, does not answer in time, or answers with something else than JSON."""


class HttpError(RunbookError):
    """The server answered a request with an error; ``status`` is that of HTTP, ``server_message`` its message."""

    def __init__(self, message: str, status: int, server_message: str) -> None:
        super().__init__(message)
        self.status = status
        self.server_message = server_message


@dataclass(frozen=True)
class HttpSettings:
    """Where a server is and how to log in; ``timeout`` is how many seconds one request may take in all.

    ``prefix`` leads to the options where they are a part of another.
    """

    url: str
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    validate_certs: bool = True
    timeout: float = 10.0
    prefix: str = ""

    def mark(self, name: str) -> str:
        """Return an option as sentences name it."""
        return f"O({self.prefix}{name})"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a login would be sent on, and a page that asks for one is no answer."""

    def redirect_request(self, *_args: t.Any) -> None:
        return None


class HttpLogin:
    """A login at a server; errors are sentences that name it, such as ``Prometheus``.

    ``skew`` is how many seconds the server's clock is ahead of this one, as its last answer told.
    """

    def __init__(self, settings: HttpSettings, system: str, user_agent: str) -> None:
        """Read the login; raise InvalidInput where something is wrong. The server is not asked yet."""
        self.settings = settings
        self.system = system
        self.url = _base(settings)
        self.skew = 0.0
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if settings.token and settings.username:
            raise InvalidInput(
                f"{settings.mark('token')} and {settings.mark('username')} are both given; give one login."
            )
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token}"
        elif settings.username:
            pair = f"{settings.username}:{settings.password}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if self.url.startswith("https:"):
            handlers.append(urllib.request.HTTPSHandler(context=_context(settings)))
        self._opener = urllib.request.build_opener(*handlers)

    def now(self) -> datetime:
        """Return the time of the server."""
        return utc_now() + timedelta(seconds=self.skew)

    def get(self, what: str, path: str, query: t.Sequence[tuple[str, str]] = ()) -> t.Any:
        return self.request(what, "GET", path, query=query)

    def request(
        self, what: str, method: str, path: str, *, query: t.Sequence[tuple[str, str]] = (), body: t.Any = None
    ) -> t.Any:
        """Return the content of an answer; raise HttpUnavailable, or HttpError with what was wanted (``to <what>``)."""
        url = self.url + path + (f"?{urlencode(query)}" if query else "")
        headers = dict(self._headers)
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            status, date, content = within(self.settings.timeout, lambda: self._send(request))
        except TimeoutError as exc:
            raise HttpUnavailable(
                f"{self.system} at {self.url} has not answered within {self.settings.timeout:g} s; look at its load, "
                f"or raise {self.settings.mark('timeout')}."
            ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise self._unreachable(exc) from exc
        now = parse_http_date(date)
        if now is not None:
            self.skew = (now - utc_now()).total_seconds()
        if status >= 300:
            raise self._error(what, status, content)
        return self._read(content)

    def _send(self, request: urllib.request.Request) -> tuple[int, str | None, bytes]:
        try:
            reply = self._opener.open(request, timeout=self.settings.timeout)
        except urllib.error.HTTPError as exc:
            reply = exc
        with reply:
            content = reply.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise OSError(f"an answer of more than {MAX_BYTES // 1024 // 1024} MiB")
            return reply.status, reply.headers.get("Date"), content

    def _read(self, content: bytes) -> t.Any:
        if not content.strip():
            return None
        try:
            # What is neither a number nor a text in JSON would not survive the way to a report.
            return json.loads(content, parse_constant=_no_number)
        # A text of a million brackets is no answer, either.
        except (ValueError, RecursionError) as exc:
            raise HttpUnavailable(
                f"{self.system} at {self.url} answers with something else than JSON; check that "
                f"{self.settings.mark('url')} is its address, and not that of a login page."
            ) from exc

    def _error(self, what: str, status: int, content: bytes) -> HttpError:
        server_message = _message(content)
        words = f"{status}: {as_clause(server_message)}" if server_message else str(status)
        if status in (401, 403):
            advice = "check the token, the user or the client's certificate"
            message = f"{self.system} at {self.url} does not let this login {what} ({words}); {advice}."
        elif status < 400:
            message = (
                f"{self.system} at {self.url} sends the request elsewhere ({status}), which is not followed; give its "
                f"own address as {self.settings.mark('url')}."
            )
        else:
            message = f"{self.system} at {self.url} refused to {what} ({words})."
        return HttpError(message, status, server_message)

    def _unreachable(self, exc: BaseException) -> HttpUnavailable:
        reason = root_cause(exc) or type(exc).__name__
        if "CERTIFICATE_VERIFY_FAILED" in reason or "certificate verify failed" in reason:
            advice = f"name the authority that issued its certificate in {self.settings.mark('ca_cert')}"
        else:
            advice = "check its address and the network"
        return HttpUnavailable(f"{self.system} at {self.url} cannot be reached ({as_clause(reason)}); {advice}.")


def within(seconds: float, work: t.Callable[[], T]) -> T:
    """Return what ``work`` returns; raise TimeoutError after so many seconds, whatever it waits for.

    A time-out of a socket begins anew with each byte, and the resolver of names knows none.
    """
    outcome: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(1)

    def run() -> None:
        try:
            outcome.put((work(), None))
        except BaseException as exc:
            outcome.put((None, exc))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return t.cast(T, value)


def _base(settings: HttpSettings) -> str:
    parts = urlsplit(settings.url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidInput(
            f"{settings.mark('url')} has a login in it, or parameters, which logs would show; give the address alone, "
            f"and the login in {settings.mark('token')} or {settings.mark('username')}."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(
            f"{settings.mark('url')} is {settings.url!r}; allowed is an address such as https://HOST:PORT or "
            "https://HOST/PATH."
        )
    if not settings.timeout > 0:
        raise InvalidInput(f"{settings.mark('timeout')} is {settings.timeout:g}; allowed is more than 0 s.")
    return settings.url.rstrip("/")


def _context(settings: HttpSettings) -> ssl.SSLContext:
    for option in ("ca_cert", "client_cert", "client_key"):
        path = getattr(settings, option)
        if path and not os.access(path, os.R_OK):
            raise InvalidInput(f"{settings.mark(option)} names {path}, which cannot be read.")
    try:
        context = ssl.create_default_context(cafile=settings.ca_cert or None)
    except ssl.SSLError as exc:
        raise InvalidInput(
            f"{settings.mark('ca_cert')} names {settings.ca_cert}, which holds no certificate; name a file in PEM "
            "format."
        ) from exc
    if not settings.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert:
        try:
            context.load_cert_chain(settings.client_cert, settings.client_key or None, password="")
        except (ssl.SSLError, OSError, ValueError) as exc:
            raise InvalidInput(
                f"{settings.mark('client_cert')} and {settings.mark('client_key')} cannot be used "
                f"({as_clause(root_cause(exc))}); name a certificate and its own key in PEM format, without a password."
            ) from exc
    return context


def _no_number(word: str) -> t.NoReturn:
    raise ValueError(word)


def _message(content: bytes) -> str:
    """Return what the server says of its error, which is JSON at both systems, but plain text at proxies."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        found = found.get("error") or found.get("message")
    text = found if isinstance(found, str) else "" if b"<" in content[:64] else content.decode(errors="replace")
    return " ".join(text.split())[:300]
