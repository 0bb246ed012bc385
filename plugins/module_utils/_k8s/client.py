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
import sys
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

from .._deps_kubernetes import KUBERNETES, kubernetes_client, kubernetes_config, urllib3, urllib3_exceptions
from .._errors import InvalidInput, RunbookError, phrase

Object = dict[str, t.Any]

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE = 500
# What is asked by creating something that is never stored, and takes no dry run.
_REVIEWS = "/apis/authorization.k8s.io/"
_MOST_RETRIES = 5
_LONGEST_RETRY_SECONDS = 30.0

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


class ApiUnavailable(RunbookError):
    """The API server cannot be reached, or does not answer."""


class ApiRefused(RunbookError):
    """The API server answered a request with an error; ``status`` is that of HTTP, ``said`` its own words."""

    def __init__(self, message: str, status: int, said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.said = said


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
    its last answer told.
    """

    def __init__(self, settings: ApiSettings, user_agent: str, *, dry_run: bool = False) -> None:
        """Read the login; raise InvalidInput where there is none. The API server is not asked yet."""
        if KUBERNETES.error:
            raise InvalidInput(
                f"The Python library {KUBERNETES.requirement} is missing in {sys.executable}; install it there "
                "(pip install kubernetes)."
            )
        self._timeout = urllib3.Timeout(connect=settings.connect_timeout, read=settings.timeout)
        self.client = kubernetes_client.ApiClient(_configuration(settings))
        self.client.user_agent = user_agent
        self.dry_run = dry_run
        self.skew = 0.0
        self.server: str = self.client.configuration.host
        self.context = settings.context or ""
        self.kubeconfig = settings.kubeconfig or ""
        self.name = f"{self.server} (context {self.context})" if self.context else self.server

    def now(self) -> datetime:
        """Return the time of the API server, which is that of all that it tells, and which all agree on."""
        return datetime.now(timezone.utc) + timedelta(seconds=self.skew)

    def get(self, what: str, path: str, *, accept: str = JSON, **query: str) -> Object:
        return self.request(what, "GET", path, query=query, accept=accept)

    def find(self, what: str, path: str) -> Object | None:
        """Return an object, or None if there is none."""
        try:
            return self.get(what, path)
        except ApiRefused as exc:
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
            except ApiRefused as exc:
                if exc.status != 410 or "continue" not in options:
                    raise
                del options["continue"]
                continue
            names = [(each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in page["items"]]
            yield [each for each, name in zip(page["items"], names) if name not in seen]
            seen.update(names)
            following = page["metadata"].get("continue")
            if not following:
                return
            options["continue"] = following

    def items(self, what: str, path: str, *, accept: str = JSON, **query: str) -> list[Object]:
        return [each for page in self.pages(what, path, accept=accept, **query) for each in page]

    def text(self, what: str, path: str, **query: str) -> str:
        """Return an answer that is no object, such as a log; what is not UTF-8 is replaced."""
        return self._send(what, "GET", path, query=query, accept="*/*").decode(errors="replace")

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
    ) -> Object:
        """Return the answer; raise ApiUnavailable, or ApiRefused with what was wanted (``to <what>``).

        An API server that is too busy (429) is asked again when it says, which is safe: it has done nothing.
        """
        answer = self._send(what, method, path, query=query, body=body, content_type=content_type, accept=accept)
        return t.cast(Object, json.loads(answer)) if answer else {}

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
        for attempt in range(_MOST_RETRIES + 1):
            try:
                answer = self.client.rest_client.pool_manager.request(
                    method, url, body=body, headers=headers, timeout=self._timeout, retries=False
                )
            except (urllib3_exceptions.HTTPError, OSError) as exc:
                raise self._unavailable(exc) from exc
            if answer.status != 429 or attempt == _MOST_RETRIES:
                break
            time.sleep(_retry_after(answer.headers.get("Retry-After"), attempt))
        self._read_clock(answer.headers.get("Date"))
        if answer.status >= 300:
            raise self._refused(what, answer.status, answer.data, answer.reason)
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
        try:
            self.skew = (parsedate_to_datetime(date or "") - datetime.now(timezone.utc)).total_seconds()
        except (TypeError, ValueError):
            return

    def _refused(self, what: str, status: int, body: bytes, reason: str | None) -> ApiRefused:
        try:
            said = str(json.loads(body)["message"])
        except (TypeError, ValueError, KeyError):
            said = str(reason)
        if status == 401:
            message = (
                f"The API server {self.name} does not accept the login (401 {said}), which may have expired; renew it "
                "(kubeconfig or api_key), then run the same command again."
            )
        elif status == 403:
            message = f"The API server {self.name} does not let this login {what} ({said}); grant that right."
        else:
            message = f"The API server {self.name} refused to {what} ({status}: {phrase(said)})."
        return ApiRefused(message, status, said)

    def _unavailable(self, cause: BaseException) -> ApiUnavailable:
        reason = " ".join(str(getattr(cause, "reason", None) or cause).split()).removeprefix("SSLError ")
        # urllib3 begins with the address of an object.
        reason = reason.rpartition("object at 0x")[2].partition(">: ")[2] or reason
        if "certificate verify failed" in reason or "CERTIFICATE_VERIFY_FAILED" in reason:
            advice = "name the authority that issued its certificate in ca_cert"
        else:
            advice = "check its address and the network"
        return ApiUnavailable(f"The API server {self.name} cannot be reached ({phrase(reason)}); {advice}.")


def _retry_after(seconds: str | None, attempt: int) -> float:
    wanted = float(seconds) if seconds and seconds.isdigit() else 0.5 * 2**attempt
    return min(wanted, _LONGEST_RETRY_SECONDS)


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
            raise InvalidInput(f"{option} of the API server names {path}, which cannot be read.")
    # Each of our own waits is bounded and says what it waits for.
    configuration.retries = False
    return configuration


def _load(settings: ApiSettings, configuration: t.Any) -> None:
    named = settings.kubeconfig or os.environ.get("KUBECONFIG", "")
    default = os.path.expanduser("~/.kube/config")
    if not named and not os.path.exists(default) and _IN_CLUSTER in os.environ:
        try:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        except kubernetes_config.ConfigException as exc:
            raise InvalidInput(f"The ServiceAccount of this pod cannot be used ({exc}); name a kubeconfig.") from exc
        return
    paths = [_absolute(path) for path in (named or default).split(os.pathsep) if path]
    if not any(os.access(path, os.R_OK) for path in paths):
        raise InvalidInput(
            f"The kubeconfig {os.pathsep.join(paths)} cannot be read; name one in kubeconfig or in the environment "
            "variable KUBECONFIG."
        )
    try:
        kubernetes_config.load_kube_config(
            config_file=os.pathsep.join(paths),
            context=settings.context,
            client_configuration=configuration,
            persist_config=False,
        )
    # A file that is no YAML, or a field of another type than it should have, raises what the parser raises.
    except Exception as exc:
        reason = " ".join(str(exc).split()).removeprefix("Invalid kube-config file. ").rstrip(".")
        raise InvalidInput(
            f"The kubeconfig {os.pathsep.join(paths)} cannot be used"
            f"{f' with the context {settings.context}' if settings.context else ''} ({reason}); name a context that "
            "it has (kubectl config get-contexts), or another kubeconfig."
        ) from exc


def _absolute(path: str) -> str:
    expanded = os.path.expanduser(path)
    if not os.path.isabs(expanded):
        raise InvalidInput(
            f"The kubeconfig {path!r} is a relative path; allowed is an absolute one, or one that begins with ~."
        )
    return expanded
