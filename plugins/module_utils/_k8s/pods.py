# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pods are meant, and the port of each. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import InvalidInput, RunbookError
from .client import ApiLogin, ApiRefused, Right


class NoPod(RunbookError):
    """No pod that is meant is running at this moment."""


@dataclass(frozen=True)
class PodSelection:
    """Running pods of a namespace: those that a label selector matches, or those behind a Service.

    ``port`` is a number, or the name of a port of ``container`` or, without it, of any container. Without ``port``, it
    is where the Service leads, and else ``default_port``.
    """

    namespace: str
    selector: str = ""
    service: str = ""
    port: str = ""
    container: str = ""
    default_port: int = 0

    def __str__(self) -> str:
        return f"{f'service {self.service}' if self.service else self.selector} in {self.namespace}"

    def rights(self) -> list[Right]:
        """Return what has to be allowed to find the pods."""
        pods = [Right("list", "pods", self.namespace)]
        return [*pods, Right("get", "services", self.namespace, self.service)] if self.service else pods


@dataclass(frozen=True)
class RunningPod:
    name: str
    port: int


def running_pods(login: ApiLogin, selection: PodSelection) -> list[RunningPod]:
    """Return the pods, ordered by name; raise NoPod, or InvalidInput where the selection cannot match any."""
    selector, port = selection.selector, selection.port
    if selection.service:
        selector, target = _behind(login, selection)
        port = port or target
    where = selection.namespace
    found = login.ask(f"list pods in {where}", login.core.list_namespaced_pod, where, label_selector=selector).items
    if not found:
        raise NoPod(
            f"No pod matches {selector} in the namespace {where} at {login.name}; look which labels there are "
            f"(kubectl get pods -n {where} --show-labels) and name others."
        )
    alive = [pod for pod in found if _state(pod) == "Running"]
    if not alive:
        states = ", ".join(sorted(f"{pod.metadata.name}: {_state(pod)}" for pod in found))
        raise NoPod(f"None of the pods {selector} in the namespace {where} is running ({states}); repair them first.")
    default = str(selection.default_port)
    pods = [RunningPod(pod.metadata.name, _port(pod, port or default, selection.container)) for pod in alive]
    return sorted(pods, key=lambda pod: pod.name)


def find_pod(login: ApiLogin, namespace: str, host: str) -> str:
    """Return the name of the pod that has an IP address or that a host name stands for; raise NoPod."""
    if not host.replace(".", "").isdigit() and ":" not in host:
        return host.partition(".")[0]
    found = login.ask(
        f"list pods in {namespace}",
        login.core.list_namespaced_pod,
        namespace,
        field_selector=f"status.podIP={host}",
    ).items
    names = [pod.metadata.name for pod in found if _state(pod) == "Running"]
    if not names:
        raise NoPod(f"No running pod in the namespace {namespace} has the address {host}; is it that of a service?")
    return str(names[0])


def _state(pod: t.Any) -> str:
    return "Terminating" if pod.metadata.deletion_timestamp else str(pod.status.phase)


def _behind(login: ApiLogin, selection: PodSelection) -> tuple[str, str]:
    """Return the label selector of a Service, and the port that it leads to."""
    name, where = selection.service, selection.namespace
    try:
        spec = login.ask(f"get the service {name} in {where}", login.core.read_namespaced_service, name, where).spec
    except ApiRefused as exc:
        if exc.status != 404:
            raise
        raise InvalidInput(
            f"There is no service {name} in the namespace {where} at {login.name}; name another (kubectl get services "
            f"-n {where}), or pods by a selector."
        ) from None
    if not spec.selector:
        raise InvalidInput(f"The service {name} in the namespace {where} selects no pods; name pods by a selector.")
    selector = ",".join(f"{label}={value}" for label, value in sorted(spec.selector.items()))
    ports = [port for port in spec.ports or [] if len(spec.ports) == 1 or port.port == selection.default_port]
    if not ports and not selection.port:
        known = ", ".join(f"{port.port}{f' ({port.name})' if port.name else ''}" for port in spec.ports or [])
        raise InvalidInput(
            f"The service {name} in the namespace {where} has the ports {known or 'none'}; name the port of the "
            "container in port, or the one of the service in the URL."
        )
    return selector, str(ports[0].target_port or ports[0].port) if ports else ""


def _port(pod: t.Any, port: str, container: str) -> int:
    containers = [found for found in pod.spec.containers if container in ("", found.name)]
    if not containers:
        names = ", ".join(found.name for found in pod.spec.containers)
        raise InvalidInput(f"The pod {pod.metadata.name} has no container {container}; it has {names}.")
    if port.isdigit():
        if not 0 < int(port) < 65536:
            raise InvalidInput(f"The port {port} is none; allowed is 1 to 65535, or the name of a container's port.")
        return int(port)
    named = {entry.name: entry.container_port for found in containers for entry in found.ports or []}
    if port not in named:
        known = ", ".join(sorted(name for name in named if name)) or "no port with a name"
        raise InvalidInput(f"The pod {pod.metadata.name} has no port {port!r}; it has {known}: name one, or a number.")
    return int(named[port])
