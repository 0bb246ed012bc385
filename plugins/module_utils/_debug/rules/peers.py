# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands between the pod and those that it calls, or that call it, as the API server knows it. PRIVATE."""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterator, Sequence

from ..._addresses import is_address
from ..._k8s.client import Object
from ..._k8s.objects import containers, is_ready, selects
from ..._severity import CRITICAL, WARNING
from .. import collector_output
from ..collector_output import Sections
from ..dependencies import Dependency, dependencies_of, service_of
from ..finding import Finding
from ..observed import Facts
from ..statuses import container_statuses, last_end, waiting
from ..target import backends
from .common import asks_cluster, why_unknown
from .network import matches, names_around, policies_of, rule_words, scaled_to_zero

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"


class _Call(t.NamedTuple):
    """A Service that a container calls."""

    container: str
    dependency: Dependency
    namespace: str
    service: str

    @property
    def place(self) -> str:
        return f"{self.dependency.host}:{self.dependency.port}"


def called(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """Services that the pod calls, as far as the API server knows why they cannot answer."""
    outcomes = {each.name: each.ok for each in collector_output.ports(sections)}
    for call in _calls(facts, sections):
        answers = outcomes.get(call.place)
        found = None if answers else _trouble(facts, call)
        if found:
            kind, what, evidence, step = found
            yield Finding(
                kind,
                CRITICAL if answers is False else WARNING,
                f"container {call.container} calls {what}",
                evidence,
                step,
            )


_ADDRESS = re.compile(r"([\w.-]+):(\d{1,5})")


def why_silent(facts: Facts, container: str, peer: str) -> tuple[str, str, str] | None:
    """Return why a peer that a log names cannot answer, as far as the API server knows: what, evidence, what to do."""
    found, host = _ADDRESS.fullmatch(peer), peer.partition(":")[0]
    named = _service_at(facts, host)
    place = (facts.namespace, named) if named else service_of(host, facts.namespace)
    if not place or facts.services is None or not (named or asks_cluster(facts)):
        return None
    service = _service(facts, *place)
    if service is None:
        # A name that has refused a connection is that of something else, or the words of the log are no name.
        return None
    ports = service["spec"].get("ports") or [{"port": 0}]
    number = int(found[2]) if found else ports[0]["port"]
    trouble = _trouble(facts, _Call(container, Dependency(place[1], number, False), *place))
    return trouble[1:] if trouble else None


def _service_at(facts: Facts, address: str) -> str:
    """Return the Service of this namespace that has an address, or one of whose pods has it; empty if there is none."""
    if not is_address(address):
        return ""
    for service in facts.services or []:
        spec = service["spec"]
        if address in (spec.get("clusterIPs") or [spec.get("clusterIP")]):
            return str(service["metadata"]["name"])
    labels = [
        pod["metadata"].get("labels") or {}
        for pod in facts.pods or []
        if (pod.get("status") or {}).get("podIP") == address
    ]
    for service in facts.services or []:
        selector = service["spec"].get("selector")
        if selector and any(matches(selector, each) for each in labels):
            return str(service["metadata"]["name"])
    return ""


def dependencies(facts: Facts, sections: Sections) -> Iterator[Finding]:
    unresolved = {each.name for each in collector_output.names(sections) if each.ok is False}
    # What the API server knows the trouble of is told by the rule above.
    known = {call.place for call in _calls(facts, sections) if _trouble(facts, call)}
    for each in collector_output.ports(sections):
        late = collector_output.is_starved(sections) and each.says == collector_output.TOO_LATE
        if each.ok is False and each.name.rpartition(":")[0] not in unresolved and each.name not in known and not late:
            yield Finding(
                "dependency",
                CRITICAL,
                f"{each.name} refuses connections from this pod",
                each.says,
                "check whether it runs, whether its service has endpoints, and which NetworkPolicies are between",
            )


def called_by_node(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """Services that the pod calls by their names, though it asks name servers that know no Service."""
    if asks_cluster(facts) or facts.services is None:
        return
    outcomes = {each.name: each.ok for each in collector_output.names(sections)}
    for container in facts.pod["spec"]["containers"]:
        for dependency in dependencies_of(container, facts.settings.get(container["name"])):
            place, ok = service_of(dependency.host, facts.namespace), outcomes.get(dependency.host)
            if place and place[0] == facts.namespace and _service(facts, *place) and not ok:
                why, step = why_unknown(facts, dependency.host)
                yield Finding(
                    "called_by_node",
                    CRITICAL if ok is False else WARNING,
                    f"container {container['name']} calls the Service {place[1]} by its name, and {why}",
                    f"{dependency.host}:{dependency.port}",
                    step,
                )
                return


def _calls(facts: Facts, sections: Sections) -> list[_Call]:
    if facts.services is None or not asks_cluster(facts):
        return []
    own = {name for each in facts.pod["spec"].get("hostAliases") or [] for name in each.get("hostnames") or []}
    # A name that is resolved without a Service is that of something else.
    own |= {each.name for each in collector_output.names(sections) if each.ok}
    found = []
    for container in facts.pod["spec"]["containers"]:
        for dependency in dependencies_of(container, facts.settings.get(container["name"])):
            place = service_of(dependency.host, facts.namespace)
            if place and (_service(facts, *place) or dependency.host not in own):
                found.append(_Call(container["name"], dependency, *place))
    return list({(each.namespace, each.service, each.dependency.port): each for each in found}.values())


def _service(facts: Facts, namespace: str, name: str) -> Object | None:
    if namespace != facts.namespace:
        return facts.others.get((namespace, name))
    return next((each for each in facts.services or [] if each["metadata"]["name"] == name), None)


def _trouble(facts: Facts, call: _Call) -> tuple[str, str, str, str] | None:
    """Return the kind of the trouble, what is called, the evidence and what to do; None if all seems well."""
    service, port = _service(facts, call.namespace, call.service), call.dependency.port
    here = call.namespace == facts.namespace
    if service is None:
        if not here and (call.namespace, call.service) not in facts.others:
            return None
        services = [each["metadata"]["name"] for each in facts.services or []] if here else []
        if here and (spaces := facts.namesakes.get(call.service)):
            return (
                "called_missing",
                f"{call.dependency.host}, and there is no Service {call.service} in the namespace {call.namespace}, "
                f"but "
                f"in {' and in '.join(spaces[:3])}",
                f"Services there: {', '.join(sorted(services)[:8]) or 'none known'}",
                f"call it by {call.service}.{spaces[0]}, if that is meant, or create the Service",
            )
        close = difflib.get_close_matches(call.service, services, 1, 0.7)
        return (
            "called_missing",
            f"{call.dependency.host}, and there is no Service {call.service} in the namespace {call.namespace}",
            f"closest name: {close[0]}"
            if close
            else f"Services there: {', '.join(sorted(services)[:8]) or 'none known'}",
            f"correct the name to {close[0]}, or create the Service"
            if close
            else "correct the name, or create the Service",
        )
    spec = service["spec"]
    offered = spec.get("ports") or []
    if spec.get("type") == "ExternalName" or any(
        each.get("protocol") == "UDP" for each in offered if each["port"] == port
    ):
        return None
    if port not in {each["port"] for each in offered} and spec.get("clusterIP") != "None":
        numbers = ", ".join(str(each["port"]) for each in offered)
        return (
            "called_port",
            f"port {port} of the Service {call.service}, which has {numbers} only",
            f"{call.dependency.host}:{port}",
            f"correct the port to {numbers}, or add {port} to the Service",
        )
    selector = spec.get("selector") or {}
    if not selector or facts.pods is None or not here:
        return None
    pods = [each for each in facts.pods if matches(selector, each["metadata"].get("labels") or {})]
    if not pods:
        return selects_nothing(facts, call.service, selector)
    if not any(is_ready(each) for each in pods) and not spec.get("publishNotReadyAddresses"):
        worst, state = pods[0]["metadata"]["name"], _state(pods[0])
        return (
            "called_not_ready",
            f"the Service {call.service}, of whose pods ({len(pods)}) none is ready{f': {state}' if state else ''}",
            ", ".join(each["metadata"]["name"] for each in pods[:5]),
            f"find out why {worst} is not ready (debug_pod_targets={worst})",
        )
    ports = _ports_of(service, port, pods[0])
    return _refused_by_policy(facts, call, pods, ports) or _kept_in_by_policy(facts, call, pods, ports)


def _ports_of(service: Object, port: int, pod: Object) -> tuple[int | str, ...]:
    """Return the port of a pod that a port of a Service leads to: by its number, and by its name if it has one."""
    spec = service["spec"]
    # To a headless Service, its clients choose the port of the pod.
    target = next((each.get("targetPort", port) for each in spec.get("ports") or [] if each["port"] == port), port)
    if spec.get("clusterIP") == "None":
        target = port
    declared = [each for one in containers(pod) for each in one.get("ports") or []]
    names = [each["name"] for each in declared if each.get("name") and each["containerPort"] == target]
    numbers = [each["containerPort"] for each in declared if each.get("name") == target]
    # A name whose number is not known may be any.
    return (target, *names, *numbers) if isinstance(target, int) or numbers else ()


def _state(pod: Object) -> str:
    """Return what keeps a pod from being ready: what its containers wait for, and how they have ended."""
    parts = []
    for status in container_statuses(pod):
        if not status.get("ready"):
            reason, end = waiting(status).get("reason"), last_end(status)
            parts += [reason] if reason else []
            parts += [f"exit code {end['exitCode']}"] if end.get("exitCode") else []
            parts += [f"{status['restartCount']} restarts"] if status.get("restartCount") else []
    return ", ".join(dict.fromkeys(parts))


def selects_nothing(facts: Facts, service: str, selector: t.Mapping[str, str]) -> tuple[str, str, str, str]:
    """Return why a Service has no pod: the kind of the trouble, which Service, the evidence and what to do."""
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
    if name := scaled_to_zero(facts, selector):
        return (
            "called_scaled_to_zero",
            f"the Service {service}, whose {name} is scaled to 0",
            f"its selector asks for {wanted}",
            f"kubectl scale {name} --replicas=1 -n {facts.namespace}, if it should run",
        )
    close: tuple[int, str, str] | None = None
    for pod in facts.pods or []:
        labels = pod["metadata"].get("labels") or {}
        wrong = [key for key, value in selector.items() if labels.get(key) != value]
        if len(wrong) < len(selector) and (close is None or len(wrong) < close[0]):
            pairs = ", ".join(f"{key}={labels[key]}" if key in labels else f"no label {key}" for key in sorted(wrong))
            close = (len(wrong), pod["metadata"]["name"], pairs)
    return (
        "called_selector",
        f"the Service {service}, which selects no pod: its selector asks for {wanted}",
        f"closest is the pod {close[1]}, which has {close[2]}" if close else "no pod has one of these labels",
        "correct the selector of the Service, or the labels in the template of its pods",
    )


def _refused_by_policy(
    facts: Facts, call: _Call, pods: Sequence[Object], ports: Sequence[int | str]
) -> tuple[str, str, str, str] | None:
    """Judge the policies of the other side, with the labels of this pod."""
    labels, other = facts.pod["metadata"].get("labels") or {}, pods[0]["metadata"].get("labels") or {}
    policies = [
        each
        for each in facts.policies or []
        if "Ingress" in (each["spec"].get("policyTypes") or ["Ingress"])
        and matches(each["spec"].get("podSelector") or {}, other)
    ]
    rules = [rule for each in policies for rule in each["spec"].get("ingress") or []]
    if not policies or any(_lets(facts, rule, "from", labels, ports) for rule in rules):
        return None
    if wrong := [rule for rule in rules if _lets(facts, rule, "from", labels, ())]:
        return _wrong_port(call, policies, wrong, ports, "let this pod in to")
    names = ", ".join(each["metadata"]["name"] for each in policies)
    asked = [
        ", ".join(f"{key}={value}" for key, value in sorted((peer["podSelector"].get("matchLabels") or {}).items()))
        for rule in rules
        for peer in rule.get("from") or []
        if "podSelector" in peer
    ]
    own = ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no label"
    return (
        "called_policy",
        f"the Service {call.service}, whose NetworkPolicy {names} does not let this pod in",
        f"allowed: {'; '.join(filter(None, asked)) or 'nothing'}; this pod has {own}",
        f"allow the labels of this pod in {names}, or give it those that are allowed, if the cluster's network "
        "enforces policies",
    )


def _kept_in_by_policy(
    facts: Facts, call: _Call, pods: Sequence[Object], ports: Sequence[int | str]
) -> tuple[str, str, str, str] | None:
    """Judge the policies of this side, with the labels of the other pod."""
    other = pods[0]["metadata"].get("labels") or {}
    policies = [each for each in policies_of(facts) if "Egress" in (each["spec"].get("policyTypes") or ["Ingress"])]
    rules = [rule for each in policies for rule in each["spec"].get("egress") or []]
    # That it may connect to nothing at all is told by a rule of its own.
    if not rules or any(_lets(facts, rule, "to", other, ports) for rule in rules):
        return None
    if wrong := [rule for rule in rules if _lets(facts, rule, "to", other, ()) and rule.get("to")]:
        return _wrong_port(call, policies, wrong, ports, "let this pod out to")
    names = ", ".join(each["metadata"]["name"] for each in policies)
    labels = ", ".join(f"{key}={value}" for key, value in sorted(other.items())) or "no label"
    return (
        "called_policy",
        f"the Service {call.service}, to which NetworkPolicy {names} does not let this pod out",
        f"port {ports[0]}, pods with {labels}; allowed: {'; '.join(rule_words(rule) for rule in rules[:5])}",
        f"allow egress to these pods and port {ports[0]} in {names}, if the cluster's network enforces policies",
    )


def _wrong_port(
    call: _Call, policies: Sequence[Object], rules: Sequence[Object], ports: Sequence[int | str], does: str
) -> tuple[str, str, str, str]:
    names = ", ".join(each["metadata"]["name"] for each in policies)
    allowed = ", ".join(str(each.get("port", "any")) for rule in rules for each in rule.get("ports") or [])
    return (
        "called_policy",
        f"the Service {call.service}, whose port {ports[0]} NetworkPolicy {names} does not {does}",
        f"allowed are the ports {allowed}; the Service leads to port {ports[0]} of its pods",
        f"allow port {ports[0]} in {names} (that of the pods, not that of the Service), if the cluster's network "
        f"enforces "
        "policies",
    )


def _lets(facts: Facts, rule: Object, side: str, labels: t.Mapping[str, str], ports: Sequence[int | str]) -> bool:
    """Tell whether a rule lets pods with these labels through, at one of these ports if there are some."""
    peers = rule.get(side)
    if peers and not any(_is_peer(facts, peer, labels) for peer in peers):
        return False
    allowed = [each for each in rule.get("ports") or [] if each.get("protocol", "TCP") == "TCP"]
    return not ports or not rule.get("ports") or any(_is_port(each, ports) for each in allowed)


def _is_port(allowed: Object, ports: Sequence[int | str]) -> bool:
    port, end = allowed.get("port"), allowed.get("endPort")
    numbers = [each for each in ports if isinstance(each, int)]
    return port is None or port in ports or bool(end and any(port <= each <= end for each in numbers))


def _is_peer(facts: Facts, peer: Object, labels: t.Mapping[str, str]) -> bool:
    # An address is not known to be another one.
    if "ipBlock" in peer:
        return True
    space = ((facts.space or {}).get("metadata") or {}).get("labels")
    if "namespaceSelector" in peer and space is not None and not selects(peer["namespaceSelector"], space):
        return False
    return "podSelector" not in peer or selects(peer["podSelector"], labels)


def ingresses(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Ingresses that lead to the pod, or were meant to."""
    services = {each["metadata"]["name"]: each for each in facts.services or []}
    labels = facts.pod["metadata"].get("labels") or {}
    ours = {
        name
        for name, each in services.items()
        if (each["spec"].get("selector") and matches(each["spec"]["selector"], labels))
    }
    for ingress in facts.ingresses or []:
        name, sent_to = ingress["metadata"]["name"], backends(ingress)
        around = ours | names_around(facts)
        if any(service in around for service, _port in sent_to) or (not sent_to and name in around):
            yield from ingress_trouble(facts, ingress)


def ingress_trouble(facts: Facts, ingress: Object) -> Iterator[Finding]:
    """What is wrong with an Ingress itself: its class, and the Services and ports that it names."""
    services = {each["metadata"]["name"]: each for each in facts.services or []}
    name, sent_to = ingress["metadata"]["name"], backends(ingress)
    if not sent_to:
        yield _ingress(name, "sends to nothing: it has no backend", "spec.rules", "name the Service in its rules")
    yield from _class_trouble(facts, ingress)
    yield from _certificate_trouble(facts, ingress)
    for service, port in sent_to:
        if service not in services:
            close = ", ".join(sorted(services)[:8]) or "none"
            step = f"correct the name of the backend; Services: {close}"
            yield _ingress(
                name, f"sends to the Service {service}, which does not exist", f"namespace {facts.namespace}", step
            )
            continue
        offered = services[service]["spec"].get("ports") or []
        known = {each["port"] for each in offered} | {each.get("name") for each in offered}
        if port is not None and port not in known:
            numbers = ", ".join(str(each["port"]) for each in offered)
            what = f"sends to port {port} of the Service {service}, which has {numbers} only"
            yield _ingress(name, what, f"backend {service}:{port}", f"correct the port of the backend to {numbers}")


def _ingress(name: str, what: str, evidence: str, step: str) -> Finding:
    return Finding("ingress", WARNING, f"the Ingress {name} {what}", evidence, step)


def _certificate_trouble(facts: Facts, ingress: Object) -> Iterator[Finding]:
    for each in ingress["spec"].get("tls") or []:
        secret = each.get("secretName")
        if secret and facts.secrets is not None and secret not in facts.secrets:
            yield _ingress(
                ingress["metadata"]["name"],
                f"names the Secret {secret}, which does not exist",
                f"certificate of {', '.join(each.get('hosts') or []) or 'all hosts'}",
                f"create the Secret {secret} (kubernetes.io/tls), or correct secretName; look at its Certificate if "
                f"cert-manager makes it",
            )


def routes(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """HTTPRoutes that lead to the pod, or were meant to, and the Gateways that they belong to."""
    services = {each["metadata"]["name"]: each for each in facts.services or []}
    labels = facts.pod["metadata"].get("labels") or {}
    around = names_around(facts) | {
        name
        for name, each in services.items()
        if each["spec"].get("selector") and matches(each["spec"]["selector"], labels)
    }
    for route in facts.routes or []:
        backends = [
            each
            for rule in route["spec"].get("rules") or []
            for each in rule.get("backendRefs") or []
            if each.get("kind", "Service") == "Service" and each.get("namespace", facts.namespace) == facts.namespace
        ]
        if not around & {route["metadata"]["name"], *(each["name"] for each in backends)}:
            continue
        name = route["metadata"]["name"]
        for each in backends:
            yield from _backend_trouble(name, each, services)
        for parent in route["spec"].get("parentRefs") or []:
            if parent.get("kind", "Gateway") == "Gateway":
                yield from _gateway_trouble(facts, route, parent)


def _route(name: str, what: str, evidence: str, step: str) -> Finding:
    return Finding("route", WARNING, f"the HTTPRoute {name} {what}", evidence, step)


def _backend_trouble(name: str, backend: Object, services: t.Mapping[str, Object]) -> Iterator[Finding]:
    service, port = backend["name"], backend.get("port")
    if service not in services:
        there = ", ".join(sorted(services)[:8]) or "none"
        what = f"sends to the Service {service}, which does not exist"
        yield _route(name, what, f"Services: {there}", f"correct the name of the backend; Services: {there}")
        return
    numbers = [each["port"] for each in services[service]["spec"].get("ports") or []]
    if port is not None and port not in numbers:
        offered = ", ".join(map(str, numbers)) or "none"
        what = f"sends to port {port} of the Service {service}, which has {offered} only"
        yield _route(name, what, f"backend {service}:{port}", f"correct the port of the backend to {offered}")


def _gateway_trouble(facts: Facts, route: Object, parent: Object) -> Iterator[Finding]:
    name, wanted = route["metadata"]["name"], parent["name"]
    space = parent.get("namespace", facts.namespace)
    gateways = {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in facts.gateways or []}
    if facts.gateways is None:
        return
    gateway = gateways.get((space, wanted))
    if gateway is None:
        there = ", ".join(f"{one}/{two}" for one, two in sorted(gateways)[:8]) or "none"
        what = f"belongs to the Gateway {space}/{wanted}, which does not exist"
        yield _route(name, what, f"Gateways: {there}", f"correct parentRefs; Gateways: {there}")
        return
    classes = {each["metadata"]["name"] for each in facts.gateway_classes or []}
    wanted_class = gateway["spec"].get("gatewayClassName", "")
    if facts.gateway_classes is not None and wanted_class not in classes:
        there = ", ".join(sorted(classes)) or "none"
        what = f"belongs to the Gateway {wanted}, whose class {wanted_class} does not exist"
        yield _route(name, what, f"GatewayClasses: {there}", f"correct gatewayClassName ({there})")
        return
    listeners = gateway["spec"].get("listeners") or []
    section = parent.get("sectionName")
    if section and section not in {each["name"] for each in listeners}:
        there = ", ".join(each["name"] for each in listeners) or "none"
        what = f"names the listener {section} of the Gateway {wanted}, which has {there} only"
        yield _route(name, what, f"parentRefs sectionName {section}", f"correct sectionName to {there}")
        return
    refused = [
        condition
        for each in (route.get("status") or {}).get("parents") or []
        if (each.get("parentRef") or {}).get("name") == wanted
        for condition in each.get("conditions") or []
        if condition.get("type") in ("Accepted", "ResolvedRefs") and condition.get("status") == "False"
    ]
    if refused:
        reason = refused[0].get("reason", "")
        what = f"is not accepted by the Gateway {wanted}: {reason}"
        yield _route(name, what, refused[0].get("message", ""), _STEPS_OF_ROUTES.get(reason, _LOOK_AT_ROUTE))
        return
    if space != facts.namespace and listeners and not any(_lets_namespace(facts, each) for each in listeners):
        what = f"is of another namespace than the Gateway {wanted} takes routes of"
        step = "let allowedRoutes of a listener take routes of this namespace (from: All, or Selector)"
        yield _route(name, what, f"Gateway {space}/{wanted}", step)
        return
    programmed = next(
        (
            each
            for each in (gateway.get("status") or {}).get("conditions") or []
            if each.get("type") in ("Accepted", "Programmed") and each.get("status") == "False"
        ),
        None,
    )
    if programmed:
        what = f"belongs to the Gateway {wanted}, which is not ready: {programmed.get('reason', '')}"
        yield _route(name, what, programmed.get("message", ""), f"look at the controller of the class {wanted_class}")


def _lets_namespace(facts: Facts, listener: Object) -> bool:
    allowed = ((listener.get("allowedRoutes") or {}).get("namespaces") or {}) or {"from": "Same"}
    if allowed.get("from", "Same") != "Selector":
        return bool(allowed.get("from") == "All")
    labels = ((facts.space or {}).get("metadata") or {}).get("labels")
    return labels is None or selects(allowed.get("selector") or {}, labels)


_LOOK_AT_ROUTE = "look at its conditions (kubectl describe httproute)"
_STEPS_OF_ROUTES = {
    "NotAllowedByListeners": "let allowedRoutes of a listener take routes of this namespace, or move the route",
    "NoMatchingListenerHostname": "give the route a host name that a listener has",
    "NoMatchingParent": "correct port and sectionName in parentRefs",
    "BackendNotFound": "correct the name of the backend",
    "RefNotPermitted": "make a ReferenceGrant in the namespace of the backend",
}


def _class_trouble(facts: Facts, ingress: Object) -> Iterator[Finding]:
    name = ingress["metadata"]["name"]
    wanted = ingress["spec"].get("ingressClassName")
    if facts.ingress_classes is None or (ingress["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION):
        return
    classes = {each["metadata"]["name"]: each for each in facts.ingress_classes}
    default = any(
        (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true" for each in classes.values()
    )
    there = ", ".join(sorted(classes)) or "none"
    if wanted and wanted not in classes:
        step = f"correct ingressClassName ({there}), or install the controller of {wanted}"
        yield _ingress(name, f"names the class {wanted}, which does not exist", f"ingress classes: {there}", step)
    elif not wanted and not default:
        step = f"set ingressClassName ({there})"
        yield _ingress(name, "names no class, and there is no default one", f"ingress classes: {there}", step)
