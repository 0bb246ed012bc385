# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pods are meant, and the port of each. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import InvalidInput, RunbookError
from .client import ApiLogin, Object, Right


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
    found = login.items(f"list pods in {where}", _pods(where), labelSelector=selector)
    if not found:
        raise NoPod(
            f"No pod matches {selector} in the namespace {where} at {login.name}; list the labels in use "
            f"(kubectl get pods -n {where} --show-labels) and name others."
        )
    alive = [pod for pod in found if _state(pod) == "Running"]
    if not alive:
        states = ", ".join(sorted(f"{pod['metadata']['name']}: {_state(pod)}" for pod in found))
        raise NoPod(f"None of the pods {selector} in the namespace {where} is running ({states}); repair them first.")
    default = str(selection.default_port)
    pods = [RunningPod(pod["metadata"]["name"], _port(pod, port or default, selection.container)) for pod in alive]
    return sorted(pods, key=lambda pod: pod.name)


def find_pod(login: ApiLogin, namespace: str, host: str) -> str:
    """Return the name of the pod that has an IP address or that a host name stands for; raise NoPod."""
    if not host.replace(".", "").isdigit() and ":" not in host:
        return host.partition(".")[0]
    found = login.items(f"list pods in {namespace}", _pods(namespace), fieldSelector=f"status.podIP={host}")
    names = [pod["metadata"]["name"] for pod in found if _state(pod) == "Running"]
    if not names:
        raise NoPod(f"No running pod in the namespace {namespace} has the address {host}; is it that of a service?")
    return str(names[0])


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def _state(pod: Object) -> str:
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else str(pod["status"].get("phase"))


def _behind(login: ApiLogin, selection: PodSelection) -> tuple[str, str]:
    """Return the label selector of a Service, and the port that it leads to."""
    name, where = selection.service, selection.namespace
    found = login.find(f"get the service {name} in {where}", f"/api/v1/namespaces/{where}/services/{name}")
    if found is None:
        raise InvalidInput(
            f"There is no service {name} in the namespace {where} at {login.name}; name another (kubectl get services "
            f"-n {where}), or pods by a selector."
        )
    spec = found["spec"]
    if not spec.get("selector"):
        raise InvalidInput(f"The service {name} in the namespace {where} selects no pods; name pods by a selector.")
    selector = ",".join(f"{label}={value}" for label, value in sorted(spec["selector"].items()))
    all_ports = spec.get("ports") or []
    ports = [port for port in all_ports if len(all_ports) == 1 or port["port"] == selection.default_port]
    if not ports and not selection.port:
        known = ", ".join(f"{port['port']} ({port.get('name', 'no name')})" for port in all_ports)
        raise InvalidInput(
            f"The service {name} in the namespace {where} has the ports {known or 'none'}; name the port of the "
            "container in port, or the one of the service in the URL."
        )
    return selector, str(ports[0].get("targetPort") or ports[0]["port"]) if ports else ""


def _port(pod: Object, port: str, container: str) -> int:
    name = pod["metadata"]["name"]
    containers = [found for found in pod["spec"]["containers"] if container in ("", found["name"])]
    if not containers:
        names = ", ".join(found["name"] for found in pod["spec"]["containers"])
        raise InvalidInput(f"The pod {name} has no container {container}; it has {names}.")
    if port.isdigit():
        if not 0 < int(port) < 65536:
            raise InvalidInput(f"The port {port} is none; allowed is 1 to 65535, or the name of a container's port.")
        return int(port)
    entries = [entry for found in containers for entry in found.get("ports", [])]
    named = {entry["name"]: entry["containerPort"] for entry in entries if entry.get("name")}
    if port not in named:
        known = ", ".join(sorted(named)) or "no port with a name"
        raise InvalidInput(f"The pod {name} has no port {port!r}; it has {known}: name one, or a number.")
    return int(named[port])
