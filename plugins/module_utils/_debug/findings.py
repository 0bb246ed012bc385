# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a pod, the most likely cause first. PRIVATE to the collection.

Each rule looks at one kind of trouble. Their order is that of causes: what keeps a container from starting comes before
what a container that does not run cannot do.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable, Iterator

from .._k8s.client import Object
from .._k8s.objects import container_named, containers, is_ready, selects
from . import inside
from .facts import Facts, references
from .finding import CRITICAL, INFO, SEVERITIES, WARNING, Finding
from .moments import ago, moment, span
from .quantity import quantity
from .statuses import (
    ENDED_PHASES,
    NOT_STARTED,
    WRONG_CONFIG,
    WRONG_IMAGE,
    container_statuses,
    is_running,
    last_end,
    waiting,
)

_IMAGE = (*WRONG_IMAGE, "RegistryUnavailable")
_RUN = ("RunContainerError", *NOT_STARTED)
_RECENT = 3600.0
_SHORT_LIFE = 120.0
# An init container that takes longer is stuck rather than slow.
_INIT_SECONDS = 60.0
_CODES = {
    1: "an error of the program",
    2: "wrong use of the program or of the shell",
    126: "the command is not executable",
    127: "the command is not found",
    134: "SIGABRT, the program gave up (assertion, abort)",
    135: "SIGBUS",
    136: "SIGFPE",
    137: "SIGKILL, killed from outside (out of memory, or it did not end in time)",
    139: "SIGSEGV, a memory fault",
    141: "SIGPIPE",
    143: "SIGTERM, it was asked to end",
}
_DNS_WORDS = re.compile(
    r"no such host|temporary failure in name resolution|name or service not known|could not resolve host|"
    r"server misbehaving|EAI_AGAIN|getaddrinfo|nodename nor servname|lookup \S+ on \S+: ",
    re.IGNORECASE,
)
_ERROR_WORDS = re.compile(
    r"\b(?:error|fatal|panic|exception|traceback|refused|denied|cannot|failed|unknown|invalid|no such|"
    r"not (?:defined|found))\b",
    re.IGNORECASE,
)
# Of the kubelet, and of the node problem detector; others are good if they are true.
_BAD_CONDITIONS = (
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
    "NetworkUnavailable",
    "KernelDeadlock",
    "ReadonlyFilesystem",
)
_CERTIFICATE_DAYS = 14
# What only events tell of a pod that is pending: their reasons, what that means, and the next step.
_HINDRANCES = {
    "sandbox": (
        ("FailedCreatePodSandBox",),
        "the node cannot make the pod's network or sandbox",
        "look at the node's container runtime and network plugin",
    ),
    "mount": (
        ("FailedMount", "FailedAttachVolume"),
        "a volume cannot be mounted",
        "look at the claim, the Secret or the ConfigMap that the message names",
    ),
}


Rule = Callable[[Facts, inside.Sections], Iterator[Finding]]


def find(facts: Facts, sections: inside.Sections, tried: str = "") -> list[Finding]:
    """Return what is wrong, by severity and then by the order of causes; never an empty list.

    ``tried`` is the state of the look from inside, if there was one.
    """
    found = [finding for rule in _RULES for finding in rule(facts, sections)]
    found.sort(key=lambda each: SEVERITIES.index(each.severity))
    if not any(each.severity != INFO for each in found):
        found.insert(0, _nothing(facts, sections, tried))
    return found


_AFTER = {
    "": "look from inside (debug_pod_mode=auto)",
    "planned": "run it without --check to look from inside",
    "live": "open the shell by one of the lines below",
    "none": "mend what kept it from being looked at from inside, which is named under Degraded",
}


def _nothing(facts: Facts, sections: inside.Sections, tried: str) -> Finding:
    looked = "the API server and from inside" if sections else "the API server"
    parts = len(facts.unknown)
    unknown = f"; {'one part' if parts == 1 else f'{parts} parts'} could not be read" if parts else ""
    phase = facts.pod["status"].get("phase")
    evidence = f"phase {phase}, {'ready' if is_ready(facts.pod) else 'not ready'}"
    step = "look at what calls it, and at what it calls" if sections else _AFTER.get(tried, _AFTER[""])
    if is_ready(facts.pod) or phase == "Succeeded":
        return Finding("healthy", INFO, f"nothing suspicious is seen by {looked}{unknown}", evidence, step)
    waits = [
        f"{name} waits: {waiting(status)['reason']}"
        for name, status, _init in _states(facts)
        if waiting(status).get("reason")
    ]
    conditions = [
        f"{each['type']}: {each.get('message') or each.get('reason') or 'False'}"
        for each in facts.pod["status"].get("conditions") or []
        if each["status"] == "False"
    ]
    return Finding(
        "not_ready",
        WARNING,
        f"the pod is not ready, and no rule knows why{unknown}",
        _short("; ".join([evidence, *waits, *conditions])),
        "read its events and conditions below, and look again in a minute if it was just made",
    )


def exit_words(code: int) -> str:
    """Return what an exit code means."""
    return _CODES.get(code) or (f"signal {code - 128}" if 128 < code < 160 else "an error of the program")


def _states(facts: Facts) -> Iterator[tuple[str, Object, bool]]:
    """Yield each container's name and status, and whether it is an init container."""
    all_init = facts.pod["spec"].get("initContainers") or []
    # One that is always restarted is a sidecar, and runs beside the others.
    init = {each["name"] for each in all_init if each.get("restartPolicy") != "Always"}
    for each in container_statuses(facts.pod):
        yield each["name"], each, each["name"] in init


def _events(facts: Facts, *reasons: str) -> list[Object]:
    uid = facts.pod["metadata"]["uid"]
    found = [each for each in facts.events or [] if each.get("reason") in reasons]
    return [each for each in found if (each.get("involvedObject") or {}).get("uid") == uid]


def _said(events: list[Object]) -> str:
    return _short(events[-1].get("message", "")) if events else ""


def _short(text: str, limit: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _last_words(facts: Facts, container: str) -> str:
    """Return the line of a log that says most about an end: the last that looks like an error, or the last."""
    text = facts.logs.get((container, True)) or facts.logs.get((container, False)) or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()][-20:]
    bad = [line for line in lines if _ERROR_WORDS.search(line)]
    return _short((bad or lines)[-1], 200) if lines else ""


# What keeps the pod from being there.


def _ended(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    status = facts.pod.get("status") or {}
    deleted = moment(facts.pod["metadata"].get("deletionTimestamp"))
    if status.get("reason") == "Evicted":
        yield Finding(
            "evicted",
            CRITICAL,
            "the pod was evicted from its node",
            _short(status.get("message", "")),
            "give it requests that fit what it uses, and look at the node's disk and memory",
        )
    elif deleted:
        late = (facts.now - deleted).total_seconds()
        yield Finding(
            "terminating",
            CRITICAL if late > 60 else WARNING,
            "the pod is being deleted" + (f", and should have ended {span(late)} ago" if late > 60 else ""),
            f"finalizers: {', '.join(facts.pod['metadata'].get('finalizers') or []) or 'none'}",
            "look whether its node is alive, and which finalizer waits",
        )
    elif status.get("phase") == "Failed":
        yield Finding(
            "failed",
            CRITICAL,
            "the pod has failed, and is not started again",
            _short(f"{status.get('reason', '')} {status.get('message', '')}") or _code_of(facts),
            "look at the last lines of its log",
        )


def _code_of(facts: Facts) -> str:
    ends = [(name, last_end(status)) for name, status, _init in _states(facts)]
    return "; ".join(f"{name}: exit code {end['exitCode']}" for name, end in ends if end.get("exitCode"))


def _unschedulable(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    for each in (facts.pod.get("status") or {}).get("conditions") or []:
        if each["type"] == "PodScheduled" and each["status"] == "False":
            yield Finding(
                "unschedulable",
                CRITICAL,
                "no node takes the pod",
                _short(each.get("message") or each.get("reason") or ""),
                "compare its requests, node selector, affinity and tolerations with the nodes (kubectl describe nodes)",
            )


def _image(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    for name, status, _init in _states(facts):
        reason = waiting(status).get("reason")
        if reason in _IMAGE:
            pulls = _events(facts, "Failed")
            said = next((each["message"] for each in reversed(pulls) if "pull" in each.get("message", "")), "")
            yield Finding(
                "image_pull",
                CRITICAL,
                f"the image of container {name} cannot be pulled: {container_named(facts.pod, name).get('image', '')}",
                _short(said or waiting(status).get("message") or reason),
                "check the name and tag, the pull secret, and whether the node reaches the registry",
            )


def _config(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    wanted = references(facts.pod)
    for kind, single in (("configmaps", "ConfigMap"), ("secrets", "Secret")):
        present = getattr(facts, kind)
        for name in sorted(wanted[kind] - present) if present is not None else ():
            yield Finding(
                "missing_reference",
                CRITICAL,
                f"the {single} {name} that the pod needs does not exist",
                f"namespace {facts.namespace} has none of that name",
                f"create the {single}, or correct the name in the pod's template; the pod then starts by itself",
            )
    for name, status, _init in _states(facts):
        waits = waiting(status)
        if waits.get("reason") in WRONG_CONFIG:
            yield Finding(
                "container_config",
                CRITICAL,
                f"container {name} cannot be created",
                _short(f"{waits['reason']}: {waits.get('message', '')}"),
                "correct what the message names: a Secret, a ConfigMap, a key in it, or the security context",
            )
        ended = last_end(status)
        if waits.get("reason") in _RUN or (ended.get("reason") in _RUN and not is_running(status)):
            yield Finding(
                "container_start",
                CRITICAL,
                f"container {name} cannot be started",
                _short(waits.get("message") or ended.get("message") or waits.get("reason") or ""),
                "correct its command or the image: what is to run is not there, or may not be run",
            )
    if (facts.pod.get("status") or {}).get("phase") == "Pending":
        for kind, (reasons, what, step) in _HINDRANCES.items():
            events = _events(facts, *reasons)
            if events:
                yield Finding(kind, CRITICAL, what, _said(events), step)


def _claims(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    have = {each["metadata"]["name"]: (each.get("status") or {}).get("phase") for each in facts.claims or []}
    for volume in facts.pod["spec"].get("volumes") or []:
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name and facts.claims is not None and have.get(name) != "Bound":
            yield Finding(
                "claim",
                CRITICAL,
                f"the volume claim {name} is {(have.get(name) or 'missing').lower()}",
                f"volume {volume['name']}",
                f"look at its events (kubectl describe pvc {name} -n {facts.namespace})",
            )


# What ends containers.


def _oom(facts: Facts, sections: inside.Sections) -> Iterator[Finding]:
    for name, status, _init in _states(facts):
        end = last_end(status)
        if end.get("reason") != "OOMKilled":
            continue
        limit = ((container_named(facts.pod, name).get("resources") or {}).get("limits") or {}).get("memory")
        finished = moment(end.get("finishedAt"))
        over = is_running(status) and finished and (facts.now - finished).total_seconds() > _RECENT
        yield Finding(
            "oom_killed",
            WARNING if over else CRITICAL,
            f"container {name} was killed because it wanted more memory than it may have",
            f"OOMKilled {ago(finished, facts.now) if finished else ''}, exit code {end.get('exitCode')}, "
            f"{status.get('restartCount', 0)} restarts, limit {limit or 'that of its node'}",
            "raise its memory limit, or find what takes the memory (compare the usage before the end)",
        )
    kills = inside.cgroup(sections).oom_kills
    if kills:
        yield Finding(
            "oom_killed_process",
            WARNING,
            f"the kernel has killed {kills} processes of the container for want of memory",
            f"memory.events: oom_kill {kills}",
            "raise its memory limit, or find what takes the memory",
        )


def _init(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    for name, status, is_init in _states(facts):
        if not is_init:
            continue
        state = status.get("state") or {}
        started = moment((state.get("running") or {}).get("startedAt"))
        long_since = started and (facts.now - started).total_seconds() > _INIT_SECONDS
        end = last_end(status)
        backs_off = waiting(status).get("reason") == "CrashLoopBackOff"
        failing = backs_off or (end.get("exitCode") and ("terminated" not in state or status.get("restartCount", 0)))
        words = _last_words(facts, name)
        if failing and end.get("reason") != "OOMKilled":
            code = end.get("exitCode", 0)
            yield Finding(
                "init_failing",
                CRITICAL,
                f"init container {name} fails again and again, and no other container starts before it has succeeded",
                f"exit code {code} ({exit_words(code)}), {status.get('restartCount', 0)} restarts"
                + (f"; it said: {words}" if words else ""),
                f"read its log (kubectl logs {facts.chosen.name} -c {name} -n {facts.namespace})",
            )
        elif long_since and started:
            yield Finding(
                "init_stuck",
                CRITICAL,
                f"init container {name} has been running for {span((facts.now - started).total_seconds())}, and no "
                "other container starts before it has ended",
                f"it said last: {words}" if words else "its log is empty",
                "find what it waits for: a service, a migration, a lock",
            )
        elif started:
            yield Finding(
                "init_running",
                WARNING,
                f"init container {name} is still running, and no other container starts before it has ended",
                f"since {span((facts.now - started).total_seconds())}" + (f"; it said last: {words}" if words else ""),
                "wait for its end, or find what it waits for",
            )


def _crash(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    for name, status, is_init in _states(facts):
        end = last_end(status)
        finished = moment(end.get("finishedAt"))
        if is_init or end.get("reason") in ("OOMKilled", *_RUN) or not finished:
            continue
        started = moment(end.get("startedAt"))
        short = started is not None and (finished - started).total_seconds() < _SHORT_LIFE
        restarts, recent = status.get("restartCount", 0), (facts.now - finished).total_seconds() < _RECENT
        # Between two runs it waits in one of several states, or has just been started again.
        looping = waiting(status).get("reason") == "CrashLoopBackOff" or (
            bool(restarts) and ("terminated" in (status.get("state") or {}) or (restarts > 2 and recent and short))
        )
        code = end.get("exitCode", 0)
        policy = facts.pod["spec"].get("restartPolicy", "Always")
        if (facts.pod.get("status") or {}).get("phase") == "Succeeded" or (not code and policy != "Always"):
            continue
        if code and not restarts and "terminated" in (status.get("state") or {}):
            words = _last_words(facts, name)
            yield Finding(
                "ended",
                CRITICAL,
                f"container {name} has ended and is not started again: exit code {code}, {exit_words(code)}",
                f"it ended {ago(finished, facts.now)}" + (f"; it said: {words}" if words else ""),
                "read its log, and what changed before it",
            )
            continue
        if not looping and not (recent and restarts):
            continue
        killed = [each for each in _events(facts, "Unhealthy") if "iveness" in each.get("message", "")]
        if killed and _events(facts, "Killing"):
            yield Finding(
                "liveness",
                CRITICAL,
                f"container {name} is restarted because its liveness probe fails",
                _said(killed),
                "compare the probe's timeout and delay with how long the program takes, and look why it is silent",
            )
            continue
        fate = "ends again and again" if looping else "was restarted"
        why = f": exit code {code}, {exit_words(code)}" if code else " though nothing failed (exit code 0)"
        lived = f" after {span((finished - started).total_seconds())}" if started else ""
        words = _last_words(facts, name)
        yield Finding(
            "crash_loop" if looping else "restarted",
            CRITICAL if looping else WARNING,
            f"container {name} {fate}{why}",
            f"it ended{lived}, {ago(finished, facts.now)}; {restarts} restarts"
            + (f"; it said: {words}" if words else ""),
            "read the log of its last run, and what changed before it"
            if code
            else "a container of this kind of workload has to keep running: correct its command",
        )


# What a running container cannot do.


def _certificates(facts: Facts, sections: inside.Sections) -> Iterator[Finding]:
    seen = [(f"of the Secret {each.secret}", each.certificate) for each in facts.served]
    seen += [(f"of {name}", leaf) for name, leaf, _verdict in inside.handshakes(sections) if leaf]
    for where, certificate in seen:
        days = inside.expiry(certificate, facts.now)
        if days >= _CERTIFICATE_DAYS:
            continue
        yield Finding(
            "certificate_expired" if days < 0 else "certificate_expires",
            CRITICAL if days < 0 else WARNING,
            f"the certificate {where} {'expired' if days < 0 else 'expires in'} {span(abs(days) * 86400)}"
            + (" ago" if days < 0 else ""),
            f"{certificate.subject}, valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC",
            "rotate it (ansible-playbook market_intel.runbooks.rotate_certs)",
        )


def _of_no_cluster(facts: Facts, outcome: inside.Outcome) -> bool:
    """Tell whether a name of the cluster is unknown to a pod that asks name servers outside of it, as it should be."""
    spec = facts.pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    inside_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.get("hostNetwork"))
    return not inside_cluster and outcome.name.startswith("kubernetes.default") and inside.NO_SUCH_NAME in outcome.says


def _dns(facts: Facts, sections: inside.Sections) -> Iterator[Finding]:
    looked_up = [each for each in inside.names(sections) if not _of_no_cluster(facts, each)]
    failed = [each for each in looked_up if each.ok is False]
    spec = facts.pod["spec"]
    servers = ", ".join((spec.get("dnsConfig") or {}).get("nameservers") or [])
    own = f"the pod has name servers of its own ({servers})" if spec.get("dnsPolicy") == "None" else ""
    step = "look at the pod's dnsPolicy and dnsConfig, at NetworkPolicies for port 53, and at the cluster's DNS pods"
    if failed and len(failed) == len([each for each in looked_up if each.ok is not None]):
        yield Finding(
            "dns",
            CRITICAL,
            "no name can be resolved in the pod",
            "; ".join(filter(None, [f"{failed[0].name}: {failed[0].says}", own])),
            step,
        )
    elif failed:
        for each in failed:
            yield Finding("dns_name", WARNING, f"the name {each.name} cannot be resolved in the pod", each.says, step)
    elif not looked_up:
        lines = [line for text in facts.logs.values() for line in text.splitlines() if _DNS_WORDS.search(line)]
        if lines:
            evidence = _short("; ".join(filter(None, [lines[-1], own])))
            severity = CRITICAL if own else WARNING
            yield Finding("dns", severity, "names cannot be resolved in the pod, as its log says", evidence, step)
        elif own:
            yield Finding("dns_config", WARNING, own, "dnsPolicy None", step)
    slow = [each for each in looked_up if each.ok and (each.milliseconds or 0) > 100]
    for each in slow:
        yield Finding(
            "dns_slow",
            WARNING,
            f"the name {each.name} takes {each.milliseconds:.0f} ms to be resolved",
            each.says,
            step,
        )


def _dependencies(_facts: Facts, sections: inside.Sections) -> Iterator[Finding]:
    unresolved = {each.name for each in inside.names(sections) if each.ok is False}
    for each in inside.ports(sections):
        if each.ok is False and each.name.rpartition(":")[0] not in unresolved:
            yield Finding(
                "dependency",
                CRITICAL,
                f"{each.name} takes no connection from this pod",
                each.says,
                "look whether it runs, whether its service has endpoints, and which NetworkPolicies are between",
            )


def _readiness(facts: Facts, sections: inside.Sections) -> Iterator[Finding]:
    if (facts.pod.get("status") or {}).get("phase") != "Running" or is_ready(facts.pod):
        return
    unhealthy = _events(facts, "Unhealthy", "ProbeError")
    for name, status, is_init in _states(facts):
        if is_init or status.get("ready") or not is_running(status):
            continue
        probe = container_named(facts.pod, name).get("readinessProbe") or {}
        port = (probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc") or {}).get("port")
        listening = inside.listening_ports(sections)
        hint = (
            f"; nothing listens on port {port}" if listening and isinstance(port, int) and port not in listening else ""
        )
        starting = not status.get("started", True)
        kind = "startup" if starting and container_named(facts.pod, name).get("startupProbe") else "readiness"
        relevant = [each for each in unhealthy if kind in each.get("message", "").lower()]
        yield Finding(
            "readiness",
            CRITICAL,
            f"container {name} is running but not ready: its {kind} probe fails, so that no service sends it anything",
            (_said(relevant or unhealthy) or f"probe: {_probe_words(probe)}") + hint,
            "call what the probe calls from inside, and look what the program waits for",
        )


def _probe_words(probe: t.Mapping[str, t.Any]) -> str:
    for kind, each in probe.items():
        if isinstance(each, dict):
            place = (
                f"{each.get('path', '')} port {each['port']}" if "port" in each else " ".join(each.get("command") or [])
            )
            return f"{kind} {place}".strip()
    return "none"


def matches(selector: t.Mapping[str, t.Any], labels: t.Mapping[str, str]) -> bool:
    """Tell whether a label selector takes a pod with these labels; that of a service is its pairs alone."""
    whole = "matchLabels" in selector or "matchExpressions" in selector
    return selects(dict(selector) if whole else {"matchLabels": selector}, labels)


def services_of(facts: Facts) -> list[tuple[Object, bool]]:
    """Return the services that select the pod and, as far as their selectors are close, those that should."""
    labels = facts.pod["metadata"].get("labels") or {}
    names, found = _names_around(facts), []
    for service in facts.services or []:
        selector = service["spec"].get("selector") or {}
        if not selector:
            continue
        if matches(selector, labels):
            found.append((service, True))
        elif (
            facts.pods is not None
            and not any(matches(selector, pod["metadata"].get("labels") or {}) for pod in facts.pods)
            and (
                service["metadata"]["name"] in names or any(labels.get(key) == value for key, value in selector.items())
            )
        ):
            found.append((service, False))
    return found


def _names_around(facts: Facts) -> set[str]:
    labels = facts.pod["metadata"].get("labels") or {}
    return {facts.chosen.name, *labels.values(), *(each["metadata"]["name"] for each in facts.owners)}


def _services(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    labels = facts.pod["metadata"].get("labels") or {}
    declared = [port for each in containers(facts.pod) for port in each.get("ports") or []]
    ports, named = {port["containerPort"] for port in declared}, {port.get("name") for port in declared}
    for service, selected in services_of(facts):
        name = service["metadata"]["name"]
        if not selected:
            selector = service["spec"]["selector"]
            wrong = ", ".join(
                f"{key}={value} (this pod has {labels.get(key, 'no such label')})"
                for key, value in sorted(selector.items())
                if labels.get(key) != value
            )
            # One that only shares a label may belong to a workload without replicas.
            own = name in _names_around(facts)
            yield Finding(
                "service_selector",
                CRITICAL if own else WARNING,
                f"the service {name} selects no pod at all; it looks as if it were meant for this one",
                f"its selector asks for {wrong}",
                "correct the selector of the service, or the labels in the pod's template",
            )
            continue
        for port in service["spec"].get("ports") or []:
            target = port.get("targetPort", port["port"])
            if isinstance(target, str) and target not in named:
                yield Finding(
                    "service_port",
                    CRITICAL,
                    f"the service {name} sends to the port {target!r}, which no container of the pod names",
                    f"the pod names {', '.join(sorted(filter(None, named))) or 'none'}",
                    "correct targetPort of the service, or the name of the container's port",
                )
            elif isinstance(target, int) and ports and target not in ports:
                yield Finding(
                    "service_port",
                    WARNING,
                    f"the service {name} sends to port {target}, which no container of the pod declares",
                    f"declared are {', '.join(map(str, sorted(ports)))}",
                    "check that something listens there, or correct targetPort of the service",
                )


def policies_of(facts: Facts) -> list[Object]:
    labels = facts.pod["metadata"].get("labels") or {}
    return [each for each in facts.policies or [] if matches(each["spec"].get("podSelector") or {}, labels)]


def _policies(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    for kind, words in (("Ingress", "nothing may connect to the pod"), ("Egress", "the pod may connect to nothing")):
        ours = [each for each in policies_of(facts) if kind in (each["spec"].get("policyTypes") or ["Ingress"])]
        if not ours:
            continue
        names = ", ".join(each["metadata"]["name"] for each in ours)
        rules = [rule for each in ours for rule in each["spec"].get(kind.lower()) or []]
        if not rules:
            yield Finding(
                "network_policy",
                WARNING,
                f"by NetworkPolicy {names}, {words}",
                f"{kind} without a rule",
                "allow what is needed, if the cluster's network enforces policies",
            )
        else:
            yield Finding(
                "network_policy",
                INFO,
                f"NetworkPolicy {names} limits {kind.lower()} to {len(rules)} rules",
                "; ".join(_rule_words(rule) for rule in rules[:5]),
                "check that its peers are among them, if the cluster's network enforces policies",
            )


def _rule_words(rule: t.Mapping[str, t.Any]) -> str:
    ports = ", ".join(str(each.get("port", "any")) for each in rule.get("ports") or []) or "any"
    peers = len(rule.get("from") or rule.get("to") or [])
    return f"port {ports} from {peers or 'all'} peers"


def _sockets(_facts: Facts, sections: inside.Sections) -> Iterator[Finding]:
    counts = inside.states(sections)
    if counts["CLOSE-WAIT"] > 20:
        yield Finding(
            "close_wait",
            WARNING,
            f"{counts['CLOSE-WAIT']} connections wait for the program to close them",
            "CLOSE-WAIT",
            "the program does not close connections that its peers have ended: look for a leak in its client",
        )
    if counts["SYN-SENT"] > 2:
        peers = [each["peer"] for each in inside.connections(sections) if each["state"] == "SYN-SENT"]
        yield Finding(
            "syn_sent",
            WARNING,
            f"{counts['SYN-SENT']} connections get no answer",
            ", ".join(dict.fromkeys(peers))[:200],
            "look whether the peers are alive, and which NetworkPolicies are between",
        )


# What it stands on.


def _node(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    if facts.node is None:
        return
    name, status = facts.node["metadata"]["name"], facts.node.get("status") or {}
    for each in status.get("conditions") or []:
        if each["type"] == "Ready" and each["status"] != "True":
            yield Finding(
                "node_not_ready",
                CRITICAL,
                f"its node {name} is not ready",
                _short(each.get("message", "")),
                "look at the node's kubelet; the pod is moved only after its tolerations have run out",
            )
        elif each["type"] in _BAD_CONDITIONS and each["status"] == "True":
            yield Finding(
                "node_pressure",
                WARNING,
                f"its node {name} has {each['type']}",
                _short(each.get("message", "")),
                "free what the node lacks, before the kubelet evicts pods",
            )
    if facts.node["spec"].get("unschedulable"):
        yield Finding(
            "cordoned",
            WARNING,
            f"its node {name} is cordoned: what is deleted there comes back on another node",
            "spec.unschedulable",
            f"ask who maintains it; kubectl uncordon {name} lets pods in again",
        )


def _resources(facts: Facts, sections: inside.Sections) -> Iterator[Finding]:
    usage = {each["name"]: each["usage"] for each in (facts.metrics or {}).get("containers") or []}
    for container in facts.pod["spec"]["containers"]:
        limits = (container.get("resources") or {}).get("limits") or {}
        used = quantity(usage.get(container["name"], {}).get("memory"))
        limit = quantity(limits.get("memory"))
        if used and limit and used / limit > 0.9:
            yield Finding(
                "memory_near_limit",
                WARNING,
                f"container {container['name']} uses {used / limit:.0%} of the memory it may have",
                f"{used / 2**20:.0f} of {limit / 2**20:.0f} MiB",
                "raise the limit before the kernel kills it",
            )
    figures = inside.cgroup(sections)
    if figures.memory and figures.memory_limit and figures.memory / figures.memory_limit > 0.9:
        yield Finding(
            "memory_near_limit",
            WARNING,
            f"the container uses {figures.memory / figures.memory_limit:.0%} of the memory it may have",
            f"{figures.memory / 2**20:.0f} of {figures.memory_limit / 2**20:.0f} MiB (its cgroup)",
            "raise the limit before the kernel kills it",
        )
    if figures.throttled and figures.throttled > 0.25:
        yield Finding(
            "throttled",
            WARNING,
            f"the container had to wait for its CPU limit in {figures.throttled:.0%} of all periods",
            "cpu.stat: nr_throttled / nr_periods",
            "raise or remove its CPU limit",
        )
    for value, what in (
        (figures.memory_pressure, "memory"),
        (figures.cpu_pressure, "the CPU"),
        (figures.io_pressure, "disks"),
    ):
        if value and value > 10:
            yield Finding(
                "pressure",
                WARNING,
                f"its processes wait for {what} {value:.0f} % of the time",
                "average of the last minute",
                "give it more, or move it to a node that has more",
            )
    files = inside.open_files(sections)
    if files and files[0] > 0.8 * files[1]:
        yield Finding(
            "open_files",
            WARNING,
            f"the process has {files[0]} of {files[1]} files open",
            "/proc/PID/fd and limits",
            "look for connections or files that are never closed",
        )


def _digests(pod: Object) -> set[tuple[str, str]]:
    return {(each["name"], each["imageID"]) for each in container_statuses(pod) if each.get("imageID")}


def _kind_of_pod(facts: Facts, _sections: inside.Sections) -> Iterator[Finding]:
    if "kubernetes.io/config.mirror" in (facts.pod["metadata"].get("annotations") or {}):
        yield Finding(
            "static_pod",
            INFO,
            "it is a static pod: the kubelet of its node runs it from a file, and deleting it here changes nothing",
            f"node {facts.pod['spec'].get('nodeName')}",
            "change it in the folder of static pods on its node",
        )
    drifted = [each["metadata"]["name"] for each in facts.siblings or [] if _digests(each) - _digests(facts.pod)]
    if drifted and _digests(facts.pod):
        yield Finding(
            "image_drift",
            WARNING,
            f"{len(drifted)} of its {len(facts.siblings or [])} siblings run another image",
            ", ".join(sorted(drifted)[:5]),
            "wait for the end of a rollout, or pin the image by its digest",
        )
    alive = [each for each in facts.siblings or [] if each["status"].get("phase") not in ENDED_PHASES]
    bad = [each["metadata"]["name"] for each in alive if not is_ready(each)]
    if bad:
        ready = is_ready(facts.pod)
        yield Finding(
            "siblings",
            WARNING if ready else INFO,
            f"{len(bad)} of its {len(facts.siblings or [])} siblings are not ready{'' if ready else ' either'}",
            ", ".join(sorted(bad)[:5]),
            "trouble of all replicas comes from what they share: image, configuration, dependencies",
        )


_RULES: tuple[Rule, ...] = (
    _ended,
    _unschedulable,
    _image,
    _claims,
    _config,
    _oom,
    _init,
    _crash,
    _dns,
    _dependencies,
    _certificates,
    _readiness,
    _services,
    _policies,
    _node,
    _resources,
    _sockets,
    _kind_of_pod,
)
