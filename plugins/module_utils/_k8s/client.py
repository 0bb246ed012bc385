# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login at one Kubernetes API server. PRIVATE to the collection.

Objects are plain JSON: the typed models of the Python client cost half a second of imports, and thrice the time and
memory of a long list.
"""

from __future__ import annotations

import json
import os
import re
import sys
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from .._deps_kubernetes import KUBERNETES, kubernetes_client, kubernetes_config, urllib3, urllib3_exceptions
from .._errors import InvalidInput, RunbookError, as_clause, root_cause
from .._time import parse_http_date, utc_now
from .._wait import PASSING, Tries
from .kubeconfig import current_context, kubeconfig_paths, uses_service_account

Object = dict[str, t.Any]

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE = 500
# What is asked by creating something that is never stored, and takes no dry run.
_REVIEWS = "/apis/authorization.k8s.io/"
_MOST_CONNECTIONS = 64
# Done twice, these leave the same as done once; a PUT or PATCH with a resourceVersion is a conflict then.
_REPEATABLE = ("GET", "PUT", "PATCH", "DELETE")


class ApiUnavailable(RunbookError):
    """The API server cannot be reached, or does not answer; it may be back later."""


class ApiError(RunbookError):
    """The API server answered a request with an error; ``status`` is that of HTTP, ``server_message`` its message."""

    def __init__(self, message: str, status: int, server_message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.server_message = server_message


class ApiUnwell(ApiUnavailable, ApiError):
    """The API server answered each try with an error that passes by itself, such as a change of etcd's leader."""


@dataclass(frozen=True)
class ApiSettings:
    """How to log in, in the words of kubernetes.core; None means the option was not given.

    Without ``host``, the ``kubeconfig`` is used or, if there is none, the ServiceAccount of the pod that this runs in.
    Timeouts are seconds.
    """

    kubeconfig: str | None = None
    context: str | None = None
    host: str | None = None
    api_key: str | None = field(default=None, repr=False)
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    validate_certs: bool | None = None
    connect_timeout: float = 5.0
    timeout: float = 30.0
    prefix: str = ""

    def mark(self, name: str) -> str:
        """Return an option of the login as sentences name it; ``prefix`` leads to it where it is a part of another."""
        return f"O({self.prefix}{name})"


@dataclass(frozen=True)
class Right:
    """A verb on a resource; ``resource`` may name a subresource, as in ``pods/portforward``."""

    verb: str
    resource: str
    namespace: str
    name: str = ""
    group: str = ""

    def __str__(self) -> str:
        which = f" {self.name}" if self.name else ""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}{which}"


class ApiLogin:
    """A login at an API server; errors are sentences.

    ``client`` is the ApiClient, ``server`` the API server's address, ``kubeconfig`` and ``context`` what was given of
    them, and ``name`` what people call it. With ``dry_run``, each request that would change something is one that the
    API server only tries (``dryRun=All``). ``skew`` is how many seconds the API server's clock is ahead of this one, as
    its last answer told. ``cluster`` is the uid of the cluster, empty where nobody has asked for it: an address may
    lead to another one later, as that of a tunnel does.
    """

    cluster = ""

    def __init__(self, settings: ApiSettings, user_agent: str, *, dry_run: bool = False) -> None:
        """Read the login; raise InvalidInput where there is none. The API server is not asked yet."""
        if KUBERNETES.error:
            raise InvalidInput(
                f"The Python library {KUBERNETES.requirement} is missing in {sys.executable}; install it there "
                "(pip install kubernetes)."
            )
        self._settings = settings
        self._timeout = urllib3.Timeout(connect=settings.connect_timeout, read=settings.timeout)
        self.client = kubernetes_client.ApiClient(_configuration(settings))
        self.client.user_agent = user_agent
        self.dry_run = dry_run
        self.skew = 0.0
        self._has_answered = False
        self.server: str = self.client.configuration.host
        self.context = settings.context or ""
        self.kubeconfig = settings.kubeconfig or ""
        self.name = f"{self.server} (context {self.context})" if self.context else self.server

    def now(self) -> datetime:
        """Return the time of the API server, which is that of all that it tells, and which all agree on."""
        return utc_now() + timedelta(seconds=self.skew)

    def get(self, what: str, path: str, *, accept: str = JSON, **query: str) -> Object:
        return self.request(what, "GET", path, query=query, accept=accept)

    def find(self, what: str, path: str) -> Object | None:
        """Return an object, or None if there is none."""
        try:
            return self.get(what, path)
        except ApiError as exc:
            if exc.status != 404:
                raise
            return None

    def pages(self, what: str, path: str, *, accept: str = JSON, **query: str) -> t.Iterator[list[Object]]:
        """Yield the items of a list in pages of 500; one that has become too old begins anew."""
        seen: set[tuple[str, str]] = set()
        options = {"limit": str(PAGE), **query}
        while True:
            try:
                page = self.get(what, path, accept=accept, **options)
            except ApiError as exc:
                if exc.status != 410 or "continue" not in options:
                    raise
                del options["continue"]
                continue
            if "items" not in page:
                raise self._not_an_api_server("an object without items where a list was asked for")
            # A list of metadata without any has no items at all.
            found = page["items"] or []
            names = [(each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in found]
            yield [each for each, name in zip(found, names) if name not in seen]
            seen.update(names)
            following = page["metadata"].get("continue")
            if not following:
                return
            options["continue"] = following

    def items(self, what: str, path: str, *, accept: str = JSON, **query: str) -> list[Object]:
        return [each for page in self.pages(what, path, accept=accept, **query) for each in page]

    def text(self, what: str, path: str, **query: str) -> str:
        """Return an answer that is not an object, such as a log; what is not UTF-8 is replaced.

        It comes from the node. One that does not answer is not asked again.
        """
        return self._send(what, "GET", path, query=query, accept="*/*", repeatable=False).decode(errors="replace")

    def request(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: t.Mapping[str, str] | None = None,
        body: t.Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        repeatable: bool | None = None,
    ) -> Object:
        """Return the answer; raise ApiUnavailable, or ApiError with what was wanted (``to <what>``).

        A request is sent again, when the API server says or after a growing pause, if its answer is lost or an error
        that passes, and it is ``repeatable``: by its method, unless the caller says so. Too busy (429) always counts.
        """
        if repeatable is None:
            repeatable = method in _REPEATABLE or path.startswith(_REVIEWS)
        answer = self._send(
            what,
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            accept=accept,
            repeatable=repeatable,
        )
        if not answer:
            return {}
        try:
            found = json.loads(answer)
        except ValueError:
            raise self._not_an_api_server("something else than JSON") from None
        if not isinstance(found, dict) or not found.keys() & {"kind", "metadata"}:
            raise self._not_an_api_server("JSON that is no object of Kubernetes")
        return found

    def _send(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: t.Mapping[str, str] | None,
        body: t.Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        repeatable: bool,
    ) -> bytes:
        options = dict(query or {})
        if self.dry_run and method != "GET" and not path.startswith(_REVIEWS):
            options["dryRun"] = "All"
        url = self.server + path + (f"?{urlencode(options)}" if options else "")
        headers = {"User-Agent": self.client.user_agent, "Accept": accept}
        login = self.client.configuration.auth_settings().get("BearerToken")
        if login:
            headers["Authorization"] = login["value"]
        if body is not None:
            headers["Content-Type"] = content_type
            body = json.dumps(body).encode()
        tries = Tries()
        while True:
            try:
                answer = self.client.rest_client.pool_manager.request(
                    method, url, body=body, headers=headers, timeout=self._timeout, retries=False
                )
                _refuse_half(answer)
            except (urllib3_exceptions.HTTPError, OSError) as exc:
                there = tries.may_be_there(connected=_was_connected(exc), silent=_was_silent(exc))
                if tries.last or not repeatable or not (self._has_answered or there):
                    raise self._unavailable(exc) from exc
                tries.pause()
                continue
            self._has_answered = True
            if not tries.may_pass(answer.status, repeatable=repeatable):
                break
            tries.pause(answer.headers.get("Retry-After"))
        self._read_clock(answer.headers.get("Date"))
        # A proxy before the API server answers with a page, too, where that does not answer.
        if 300 <= answer.status < 400 or (answer.status < 500 and _is_page(answer)):
            raise self._not_an_api_server(_page_words(answer))
        if answer.status >= 300:
            raise self._error(what, answer.status, answer.data, answer.reason)
        return t.cast(bytes, answer.data)

    def missing_rights(self, rights: t.Sequence[Right]) -> list[Right]:
        """Return those of the rights that this login has not, as the API server says."""
        path = f"{_REVIEWS}v1/selfsubjectaccessreviews"
        return [
            right
            for right in rights
            if not self.request("review its own rights", "POST", path, body=_review(right))["status"]["allowed"]
        ]

    def _read_clock(self, date: str | None) -> None:
        now = parse_http_date(date)
        if now is not None:
            self.skew = (now - utc_now()).total_seconds()

    def _error(self, what: str, status: int, body: bytes, reason: str | None) -> ApiError:
        try:
            server_message = str(json.loads(body)["message"])
        except (TypeError, ValueError, KeyError):
            server_message = str(reason)
        if status == 401:
            message = (
                f"The API server {self.name} does not accept the login (401 {server_message}), which may have "
                f"expired; renew it ({self._settings.mark('kubeconfig')} or {self._settings.mark('api_key')}), then "
                "run the same command again."
            )
        elif status == 403:
            message = f"The API server {self.name} does not let this login {what} ({server_message}); grant that right."
        elif status in PASSING:
            message = (
                f"The API server {self.name} is not able to {what} at this moment ({status}: "
                f"{as_clause(server_message)}); check its health, then run the same command again."
            )
            return ApiUnwell(message, status, server_message)
        else:
            message = f"The API server {self.name} refused to {what} ({status}: {as_clause(server_message)})."
        return ApiError(message, status, server_message)

    def _not_an_api_server(self, answered: str) -> ApiUnavailable:
        where = f"{self._settings.mark('host')} or {self._settings.mark('kubeconfig')}"
        return ApiUnavailable(
            f"At {self.name}, {answered} was the answer, and not the API of Kubernetes; name the address of an API "
            f"server in {where} (a login page or another service may stand before it)."
        )

    def _unavailable(self, cause: BaseException) -> ApiUnavailable:
        reason = root_cause(cause)
        if "certificate verify failed" in reason or "CERTIFICATE_VERIFY_FAILED" in reason:
            advice = f"name the authority that issued its certificate in {self._settings.mark('ca_cert')}"
        else:
            advice = "check its address and the network"
        return ApiUnavailable(f"The API server {self.name} cannot be reached ({as_clause(reason)}); {advice}.")


def _was_connected(exc: BaseException) -> bool:
    """Tell whether a connection was lost, rather than never made: a wrong address does not become right."""
    never = (urllib3_exceptions.NewConnectionError, urllib3_exceptions.ConnectTimeoutError, urllib3_exceptions.SSLError)
    return not isinstance(exc, never) and not isinstance(getattr(exc, "reason", None), never)


def _was_silent(exc: BaseException) -> bool:
    silence = urllib3_exceptions.ReadTimeoutError
    return isinstance(exc, silence) or isinstance(getattr(exc, "reason", None), silence)


def _refuse_half(answer: t.Any) -> None:
    """Raise as for a lost connection if an answer is shorter than it should be; old releases of urllib3 do not."""
    length = answer.headers.get("Content-Length")
    if length and length.isdigit() and not answer.headers.get("Content-Encoding") and len(answer.data) < int(length):
        raise urllib3_exceptions.ProtocolError("the answer is not complete")


def _is_page(answer: t.Any) -> bool:
    return str(answer.headers.get("Content-Type") or "").lower().startswith("text/html")


def _page_words(answer: t.Any) -> str:
    """Return what a web page or a redirection is, as a part of a sentence."""
    place = str(answer.headers.get("Location") or "").partition("?")[0]
    if place and answer.status < 400:
        return f"a redirection to {place[:200]!r}"
    title = re.search(r"<title[^>]*>([^<]*)<", answer.data.decode(errors="replace"), re.IGNORECASE)
    words = as_clause(" ".join(title[1].split())[:80]) if title else ""
    return f"a web page ({answer.status}{f', titled {words!r}' if words else ''})"


def _review(right: Right) -> Object:
    resource, _slash, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }


def _configuration(settings: ApiSettings) -> t.Any:
    configuration = kubernetes_client.Configuration()
    if not settings.host:
        _load(settings, configuration)
    given = {
        "host": settings.host,
        "ssl_ca_cert": settings.ca_cert,
        "cert_file": settings.client_cert,
        "key_file": settings.client_key,
        "verify_ssl": settings.validate_certs,
    }
    for name, value in given.items():
        if value is not None:
            setattr(configuration, name, value)
    if settings.api_key:
        # The key's name depends on the version of the client.
        configuration.api_key = dict.fromkeys(("BearerToken", "authorization"), f"Bearer {settings.api_key}")
    for option in ("ca_cert", "client_cert", "client_key"):
        path = getattr(settings, option)
        if path and not os.access(path, os.R_OK):
            raise InvalidInput(f"{settings.mark(option)} names {path}, which cannot be read.")
    # As many as a diagnosis of several targets has under way; others would shake hands again each time.
    configuration.connection_pool_maxsize = _MOST_CONNECTIONS
    # Each of our own waits is bounded and says what it waits for.
    configuration.retries = False
    return configuration


def _load(settings: ApiSettings, configuration: t.Any) -> None:
    if uses_service_account(settings.kubeconfig, settings.context):
        try:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        except kubernetes_config.ConfigException as exc:
            raise InvalidInput(
                f"The ServiceAccount of this pod cannot be used ({exc}); name one in {settings.mark('kubeconfig')}."
            ) from exc
        return
    paths = [_absolute(path, settings) for path in kubeconfig_paths(settings.kubeconfig)]
    if not any(os.access(path, os.R_OK) for path in paths):
        raise InvalidInput(
            f"The kubeconfig {os.pathsep.join(paths)} cannot be read; name one in {settings.mark('kubeconfig')} or "
            "in the "
            "environment variable KUBECONFIG."
        )
    try:
        kubernetes_config.load_kube_config(
            config_file=os.pathsep.join(paths),
            context=settings.context or current_context(paths) or None,
            client_configuration=configuration,
            persist_config=False,
        )
    # A file that is not YAML, or a field of another type than it should have, raises what the parser raises.
    except Exception as exc:
        reason = " ".join(str(exc).split()).removeprefix("Invalid kube-config file. ").rstrip(".")
        raise InvalidInput(
            f"The kubeconfig {os.pathsep.join(paths)} cannot be used"
            f"{f' with the context {settings.context}' if settings.context else ''} ({reason}); name one that it has "
            "in "
            f"{settings.mark('context')} (kubectl config get-contexts), or another {settings.mark('kubeconfig')}."
        ) from exc


def _absolute(path: str, settings: ApiSettings) -> str:
    expanded = os.path.expanduser(path)
    if not os.path.isabs(expanded):
        raise InvalidInput(
            f"{settings.mark('kubeconfig')} is the relative path {path!r}; allowed is an absolute one, or one that "
            "begins with ~."
        )
    return expanded
