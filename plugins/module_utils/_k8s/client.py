# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login at one Kubernetes API server. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
import sys
import typing as t
from dataclasses import dataclass, field

from .._deps_kubernetes import KUBERNETES, kubernetes_client, kubernetes_config, urllib3_exceptions
from .._errors import InvalidInput, RunbookError, phrase

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


class ApiUnavailable(RunbookError):
    """The API server cannot be reached, or does not answer."""


class ApiRefused(RunbookError):
    """The API server answered a request with an error; ``status`` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


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

    ``client`` is the ApiClient, ``server`` the API server's address and ``name`` what people call it.
    """

    def __init__(self, settings: ApiSettings, user_agent: str) -> None:
        """Read the login; raise InvalidInput where there is none. The API server is not asked yet."""
        if KUBERNETES.error:
            raise InvalidInput(
                f"The Python library {KUBERNETES.requirement} is missing in {sys.executable}; install it there "
                "(pip install kubernetes)."
            )
        self._timeouts = (settings.connect_timeout, settings.timeout)
        self.client = kubernetes_client.ApiClient(_configuration(settings))
        self.client.user_agent = user_agent
        self.server: str = self.client.configuration.host
        self.name = f"{self.server} (context {settings.context})" if settings.context else self.server
        self.core = kubernetes_client.CoreV1Api(self.client)

    def ask(self, what: str, function: t.Callable[..., t.Any], *arguments: t.Any, **options: t.Any) -> t.Any:
        """Call a function of the client; raise ApiUnavailable, or ApiRefused with what was wanted (``to <what>``)."""
        try:
            return function(*arguments, _request_timeout=self._timeouts, **options)
        except kubernetes_client.ApiException as exc:
            # What TLS says comes as an answer without a status.
            raise (self._refused(what, exc) if exc.status else self._unavailable(exc)) from exc
        except (urllib3_exceptions.HTTPError, OSError) as exc:
            raise self._unavailable(exc) from exc

    def missing_rights(self, rights: t.Sequence[Right]) -> list[Right]:
        """Return those of the rights that this login has not, as the API server says."""
        reviews = kubernetes_client.AuthorizationV1Api(self.client)
        return [
            right
            for right in rights
            if not self.ask(
                "review its own rights", reviews.create_self_subject_access_review, _review(right)
            ).status.allowed
        ]

    def _refused(self, what: str, cause: t.Any) -> ApiRefused:
        try:
            said = str(json.loads(cause.body)["message"])
        except (TypeError, ValueError, KeyError):
            said = str(cause.reason)
        if cause.status == 401:
            message = (
                f"The API server {self.name} does not accept the login (401 {said}), which may have expired; renew it "
                "(kubeconfig or api_key), then run the same command again."
            )
        elif cause.status == 403:
            message = f"The API server {self.name} does not let this login {what} ({said}); grant that right."
        else:
            message = f"The API server {self.name} refused to {what} ({cause.status}: {phrase(said)})."
        return ApiRefused(message, int(cause.status))

    def _unavailable(self, cause: BaseException) -> ApiUnavailable:
        reason = " ".join(str(getattr(cause, "reason", None) or cause).split()).removeprefix("SSLError ")
        # urllib3 begins with the address of an object.
        reason = reason.rpartition("object at 0x")[2].partition(">: ")[2] or reason
        if "certificate verify failed" in reason or "CERTIFICATE_VERIFY_FAILED" in reason:
            advice = "name the authority that issued its certificate in ca_cert"
        else:
            advice = "check its address and the network"
        return ApiUnavailable(f"The API server {self.name} cannot be reached ({phrase(reason)}); {advice}.")


def _review(right: Right) -> dict[str, t.Any]:
    resource, _slash, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {"spec": {"resourceAttributes": attributes}}


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
