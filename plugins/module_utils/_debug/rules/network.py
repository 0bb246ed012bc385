# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, connections, certificates, services and policies of a pod. PRIVATE to the collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Sequence

from ..._k8s.client import Object
from ..._k8s.objects import containers, selects
from ..._severity import CRITICAL, INFO, WARNING
from ..._time import clock, span
from .. import collector_output
from ..causes import told_by
from ..collector_output import Outcome, Sections
from ..finding import Finding
from ..observed import Facts
from .common import asks_cluster, shorten, told_of_name

_DNS_STEP = "look at the pod's dnsPolicy and dnsConfig, at NetworkPolicies for port 53, and at the cluster's DNS pods"
_SLOW_MILLISECONDS = 100
_CERTIFICATE_DAYS = 14
# More than a few are a leak, or a peer that is gone.
_MOST_CLOSING, _MOST_TRYING = 20, 2


def certificates(facts: Facts, sections: Sections) -> Iterator[Finding]:
    seen = [(f"of the Secret {each.secret}", each.certificate) for each in facts.served]
    seen += [(f"of {name}", leaf) for name, leaf, _verdict in collector_output.handshakes(sections) if leaf]
    for where, certificate in seen:
        days = collector_output.expiry(certificate, facts.now)
        if days >= _CERTIFICATE_DAYS:
            continue
        yield Finding(
            "certificate_expired" if days < 0 else "certificate_expires",
            CRITICAL if days < 0 else WARNING,
            f"the certificate {where} {'expired' if days < 0 else 'expires in'} {span(abs(days) * 86400)}"
            + (" ago" if days < 0 else ""),
            f"{certificate.subject}, valid until {clock(certificate.not_after)}",
            "rotate it (ansible-playbook market_intel.runbooks.rotate_certs)",
        )


_REFUSED = "REFUSED"


def _of_no_cluster(facts: Facts, outcome: Outcome) -> bool:
    """Tell whether a name of the cluster is unknown to a pod that asks name servers outside of it, as it should be."""
    return (
        not asks_cluster(facts)
        and outcome.name.startswith("kubernetes.default")
        and any(word in outcome.says for word in (collector_output.NO_SUCH_NAME, _REFUSED))
    )


def _looked_up(facts: Facts, sections: Sections) -> list[Outcome]:
    return [each for each in collector_output.names(sections) if not _of_no_cluster(facts, each)]


def _own_servers(facts: Facts) -> str:
    """Return a sentence if the pod has name servers of its own, which need not know the names of the cluster."""
    spec = facts.pod["spec"]
    servers = ", ".join((spec.get("dnsConfig") or {}).get("nameservers") or [])
    return f"the pod has name servers of its own ({servers})" if spec.get("dnsPolicy") == "None" else ""


def dns(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """Names that were looked up: none can be resolved, or some cannot."""
    looked_up = _looked_up(facts, sections)
    failed = [each for each in looked_up if each.ok is False]
    if collector_output.is_starved(sections):
        failed = [each for each in failed if each.says != collector_output.NO_ANSWER]
    if failed and len(failed) == len([each for each in looked_up if each.ok is not None]):
        policy = policy_against_names(facts)
        yield Finding(
            "dns",
            CRITICAL,
            "no name can be resolved in the pod"
            + (f": by NetworkPolicy {policy} it may ask no name server" if policy else ""),
            "; ".join(filter(None, [f"{failed[0].name}: {failed[0].says}", _own_servers(facts)])),
            f"allow egress to port {_DNS_PORT} (UDP and TCP) in {policy}" if policy else _DNS_STEP,
        )
        return
    for each in failed:
        what = f"the name {each.name} cannot be resolved in the pod"
        # A server that is not asked for names of that domain refuses them, and others know them.
        yield Finding("dns_name", INFO if _REFUSED in each.says else WARNING, what, each.says, _DNS_STEP)


def dns_in_log(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """What logs and the specification tell of names, unless it was seen from inside that none is resolved."""
    looked_up = _looked_up(facts, sections)
    if looked_up and not any(each.ok for each in looked_up):
        return
    own = _own_servers(facts)
    for (name, _previous), log in facts.logs.items():
        told = [(group, cause) for group in log.groups if group.bad and (cause := told_by(group.example))]
        unknown = sorted(
            ((group, cause) for group, cause in told if cause.kind == "unknown_name"), key=lambda pair: not pair[1].peer
        )
        for group, cause in unknown[:1]:
            (why, step), policy = told_of_name(facts, cause), policy_against_names(facts)
            step = _DNS_STEP if own and not why else step
            others = "other names are resolved from inside" if looked_up else ""
            evidence = "; ".join(filter(None, [shorten(group.example), own, others]))
            what = f"container {name} {cause.what}: names cannot be resolved, as its log says{why}"
            if policy and not looked_up:
                what += f"; by NetworkPolicy {policy} it may ask no name server"
                step = f"allow egress to port {_DNS_PORT} (UDP and TCP) in {policy}"
            yield Finding("dns", CRITICAL if own else WARNING, what, evidence, step)
            return
    if own and not looked_up:
        yield Finding("dns_config", WARNING, own, "dnsPolicy None", _DNS_STEP)


_DNS_PORT = 53


def policy_against_names(facts: Facts) -> str:
    """Return the policies that let the pod ask no name server, empty if there are none."""
    for kind, names, rules in _policies_by_direction(facts):
        if kind == "Egress" and not any(_lets_ask(rule) for rule in rules):
            return names
    return ""


def _lets_ask(rule: t.Mapping[str, t.Any]) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        each.get("port") in (None, _DNS_PORT, "dns", "dns-tcp")
        or (isinstance(each.get("port"), int) and each["port"] <= _DNS_PORT <= each.get("endPort", 0))
        for each in ports
    )


def dns_slow(facts: Facts, sections: Sections) -> Iterator[Finding]:
    for each in _looked_up(facts, sections):
        if each.ok and (each.milliseconds or 0) > _SLOW_MILLISECONDS:
            yield Finding(
                "dns_slow",
                WARNING,
                f"the name {each.name} takes {each.milliseconds:.0f} ms to be resolved",
                each.says,
                _DNS_STEP,
            )


def matches(selector: t.Mapping[str, t.Any], labels: t.Mapping[str, str]) -> bool:
    """Tell whether a label selector takes a pod with these labels; that of a service is its pairs alone."""
    whole = "matchLabels" in selector or "matchExpressions" in selector
    return selects(dict(selector) if whole else {"matchLabels": selector}, labels)


def services_of(facts: Facts) -> list[tuple[Object, bool]]:
    """Return the services that select the pod and, as far as their selectors are close, those that should."""
    labels = facts.pod["metadata"].get("labels") or {}
    names, found = names_around(facts), []
    for service in facts.services or []:
        selector = service["spec"].get("selector") or {}
        if not selector:
            continue
        if matches(selector, labels):
            found.append((service, True))
        elif (
            facts.pods is not None
            and not any(matches(selector, pod["metadata"].get("labels") or {}) for pod in facts.pods)
            and not scaled_to_zero(facts, selector)
            and (service["metadata"]["name"] in names or _is_close(selector, labels))
        ):
            found.append((service, False))
    return found


# Labels that many workloads share.
_SHARED = (
    "part-of",
    "instance",
    "managed-by",
    "tier",
    "env",
    "environment",
    "team",
    "release",
    "stage",
    "version",
    "chart",
)


def _is_close(selector: t.Mapping[str, str], labels: t.Mapping[str, str]) -> bool:
    """Tell whether a selector has a pair of these labels that not every workload has."""
    return any(labels.get(key) == value and key.rpartition("/")[2] not in _SHARED for key, value in selector.items())


def scaled_to_zero(facts: Facts, selector: t.Mapping[str, str]) -> str:
    """Return the workload that a service is meant for and that is to have no pod; empty if there is none."""
    for each in facts.workloads or []:
        labels = ((each["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
        if each["spec"].get("replicas") == 0 and matches(selector, labels):
            return f"{each['kind'].lower()}/{each['metadata']['name']}"
    return ""


def names_around(facts: Facts) -> set[str]:
    labels = facts.pod["metadata"].get("labels") or {}
    return {facts.chosen.name, *labels.values(), *(each["metadata"]["name"] for each in facts.owners)}


def service_selectors(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    labels = facts.pod["metadata"].get("labels") or {}
    for service, selected in services_of(facts):
        if selected:
            continue
        name = service["metadata"]["name"]
        wrong = ", ".join(
            f"{key}={value} (this pod has {labels.get(key, 'no such label')})"
            for key, value in sorted(service["spec"]["selector"].items())
            if labels.get(key) != value
        )
        yield Finding(
            "service_selector",
            # One that only shares a label may belong to a workload without replicas.
            CRITICAL if name in names_around(facts) else WARNING,
            f"the service {name} selects no pod at all; it is probably meant for this one",
            f"its selector asks for {wrong}",
            "correct the selector of the service, or the labels in the pod's template",
        )


def service_ports(facts: Facts, sections: Sections) -> Iterator[Finding]:
    declared = [port for each in containers(facts.pod) for port in each.get("ports") or []]
    numbers = {port["name"]: port["containerPort"] for port in declared if port.get("name")}
    ports = {port["containerPort"] for port in declared}
    heard = collector_output.listeners(sections)
    yield from _other_protocols(facts, declared)
    for name, target, headless in _target_ports(facts):
        if isinstance(target, str) and target not in numbers:
            yield Finding(
                "service_port",
                CRITICAL,
                f"the service {name} sends to the port {target!r}, which no container of the pod names",
                f"the pod names {', '.join(sorted(numbers)) or 'none'}",
                "correct targetPort of the service, or the name of the container's port",
            )
            continue
        number = numbers[target] if isinstance(target, str) else target
        if heard and number not in heard:
            others = ", ".join(map(str, sorted(heard)))
            yield Finding(
                "service_port",
                WARNING if headless else CRITICAL,
                f"the service {name} sends to port {number}, on which nothing listens",
                f"listening in the pod: {others}",
                f"correct targetPort of the service: {others} listen",
            )
        elif heard and all(each.startswith("127.") or each == "[::1]" for each in heard[number]):
            addresses = ", ".join(sorted(heard[number]))
            yield Finding(
                "service_port",
                CRITICAL,
                f"the service {name} sends to port {number}, on which the program listens at {addresses} only",
                "ss -tln",
                f"let the program listen on all addresses (0.0.0.0 or ::) instead of {addresses}",
            )
        elif not heard and ports and number not in ports and not headless:
            yield Finding(
                "service_port",
                WARNING,
                f"the service {name} sends to port {number}, which no container of the pod declares",
                f"declared are {', '.join(map(str, sorted(ports)))}",
                "check that something listens there, or correct targetPort of the service",
            )


def _other_protocols(facts: Facts, declared: t.Sequence[Object]) -> Iterator[Finding]:
    """Ports that the pod declares for another protocol only than a Service sends by."""
    for service, selected in services_of(facts):
        for port in (service["spec"].get("ports") or []) if selected else ():
            wanted, target = port.get("protocol", "TCP"), port.get("targetPort", port["port"])
            known = {
                each.get("protocol", "TCP") for each in declared if target in (each["containerPort"], each.get("name"))
            }
            if known and wanted not in known:
                yield Finding(
                    "service_port",
                    WARNING,
                    f"the service {service['metadata']['name']} sends to port {target} by {wanted}, which the pod "
                    f"declares for {' and '.join(sorted(known))} only",
                    f"port {port['port']}, protocol {wanted}",
                    "correct protocol in the port of the service, or in the port of the container",
                )


def _target_ports(facts: Facts) -> Iterator[tuple[str, str | int, bool]]:
    """Yield the TCP ports that services of the pod send to, and whether a service is headless: its clients choose."""
    for service, selected in services_of(facts):
        for port in (service["spec"].get("ports") or []) if selected else ():
            if port.get("protocol", "TCP") == "TCP":
                headless = service["spec"].get("clusterIP") == "None"
                yield service["metadata"]["name"], port.get("targetPort", port["port"]), headless


def policies_of(facts: Facts) -> list[Object]:
    labels = facts.pod["metadata"].get("labels") or {}
    return [each for each in facts.policies or [] if matches(each["spec"].get("podSelector") or {}, labels)]


def selects_none(facts: Facts, kind: str, objects: Sequence[Object], field: str, so: str) -> Iterator[Finding]:
    """Objects with the name of this workload that select no pod at all."""
    labels = facts.pod["metadata"].get("labels") or {}
    for each in objects if facts.pods is not None and facts.chosen.name else ():
        name, selector = each["metadata"]["name"], each["spec"].get(field) or {}
        pods = [labels, *(pod["metadata"].get("labels") or {} for pod in facts.pods or [])]
        if name not in names_around(facts) or any(matches(selector, one) for one in pods):
            continue
        asked = ", ".join(f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items()))
        own = ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no label"
        yield Finding(
            "selects_none",
            WARNING,
            f"the {kind} {name} selects no pod, so that {so}; it is probably meant for this one",
            f"its {field} asks for {asked or 'other labels'}; this pod has {own}",
            f"correct {field} of the {kind}, or the labels in the pod's template",
        )


def policies_of_nobody(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    yield from selects_none(facts, "NetworkPolicy", facts.policies or [], "podSelector", "it limits nothing")


def policies_that_isolate(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    words = {
        "Ingress": "nothing may connect to the pod",
        "Egress": "the pod may connect to nothing, and ask no name server",
    }
    needed = {"Egress": f" (egress to port {_DNS_PORT}, UDP and TCP, for names, and to what it calls)"}
    for kind, names, rules in _policies_by_direction(facts):
        if not rules:
            yield Finding(
                "network_policy",
                WARNING,
                f"by NetworkPolicy {names}, {words[kind]}",
                f"{kind} without a rule",
                f"allow what is needed{needed.get(kind, '')} in {names}, if the cluster's network enforces policies",
            )


def policies_that_limit(facts: Facts, sections: Sections) -> Iterator[Finding]:
    # Where names are resolved from inside, the network does not enforce them.
    resolved = any(each.ok for each in collector_output.names(sections))
    for kind, names, rules in _policies_by_direction(facts):
        if kind == "Egress" and rules and not resolved and not any(_lets_ask(rule) for rule in rules):
            yield Finding(
                "network_policy",
                WARNING,
                f"by NetworkPolicy {names}, the pod may ask no name server",
                "; ".join(rule_words(rule) for rule in rules[:5]),
                f"allow egress to port {_DNS_PORT} (UDP and TCP) in {names}, if the network enforces policies",
            )
        elif rules:
            yield Finding(
                "network_policy",
                INFO,
                f"NetworkPolicy {names} limits {kind.lower()} to {len(rules)} rules",
                "; ".join(rule_words(rule) for rule in rules[:5]),
                "check that its peers are among them, if the cluster's network enforces policies",
            )


def _policies_by_direction(facts: Facts) -> Iterator[tuple[str, str, list[Object]]]:
    """Yield Ingress and Egress, as far as there are policies for them, with their names and all their rules."""
    for kind in ("Ingress", "Egress"):
        ours = [each for each in policies_of(facts) if kind in (each["spec"].get("policyTypes") or ["Ingress"])]
        if ours:
            rules = [rule for each in ours for rule in each["spec"].get(kind.lower()) or []]
            yield kind, ", ".join(each["metadata"]["name"] for each in ours), rules


def rule_words(rule: t.Mapping[str, t.Any]) -> str:
    ports = ", ".join(str(each.get("port", "any")) for each in rule.get("ports") or []) or "any"
    peers = len(rule.get("from") or rule.get("to") or [])
    return f"port {ports} from {peers or 'all'} peers"


def close_wait(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    number = collector_output.states(sections)["CLOSE-WAIT"]
    if number > _MOST_CLOSING:
        yield Finding(
            "close_wait",
            WARNING,
            f"{number} connections wait for the program to close them",
            "CLOSE-WAIT",
            "the program does not close connections that its peers have ended: look for a leak in its client",
        )


def syn_sent(_facts: Facts, sections: Sections) -> Iterator[Finding]:
    peers = [each["peer"] for each in collector_output.connections(sections) if each["state"] == "SYN-SENT"]
    if len(peers) > _MOST_TRYING:
        yield Finding(
            "syn_sent",
            WARNING,
            f"{len(peers)} connections get no answer",
            ", ".join(dict.fromkeys(peers))[:200],
            "check whether the peers are alive, and which NetworkPolicies are between",
        )
