# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes and hooks of containers: whom they kill, and whom they keep from its work. PRIVATE to the collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ..._k8s.client import Object
from ..._k8s.objects import container_named, is_ready
from ..._k8s.quantity import quantity
from ..._severity import CRITICAL, WARNING
from ..._time import ago, parse_time
from ..causes import told_by
from ..collector_output import Sections, listeners
from ..finding import Finding
from ..observed import Facts
from ..statuses import is_running, waiting
from .common import (
    as_evidence,
    condition,
    container_states,
    event_count,
    event_time,
    events_of,
    last_message,
    shorten,
    told,
    words_of_end,
)
from .ends import HOOK, LIVENESS, STARTUP, End, ends, killer
from .logs import OF_PEERS, recent_cause
from .peers import why_silent

_CALL = "call what the probe calls from inside, and find out what the program waits for"
# A probe fails no more if no event has told so for so many seconds; of many events, a kubelet tells only one in five
# minutes.
_SILENT, _MANY_EVENTS, _MANY_SILENT = 60, 20, 330
# Hints that tell what is seen, and not why: what the log tells comes from there.
_SYMPTOMS = re.compile(
    r"^nothing listens on port \d+$|answers with an error$|^no answer within|NOT_SERVING|without an answer$"
)
# Cores with which a start takes many times as long.
_LITTLE_CPU = 0.1
_DEFAULT_PERIOD, _DEFAULT_FAILURES, _DEFAULT_TIMEOUT = 10, 3, 1
# How an answer of a probe is told, and what to do about it, if more than for any other; with the timeout, the path and
# the port of the probe, and the groups of the pattern.
_ANSWERS = (
    (r"statuscode: 404", "its path {path} does not exist", "correct the path of the probe"),
    (r"statuscode: 40[13]", "its path {path} asks for a login", "let the probe call a path that needs no login"),
    (
        r"statuscode: 400",
        "{path} answers that the request is wrong (400)",
        "correct the scheme of the probe (a server of HTTPS answers so to HTTP), its path or its headers (Host)",
    ),
    (
        r"statuscode: (?P<status>4\d\d)",
        "{path} answers with status {status}",
        "let the probe call a path that answers GET with 200, or find out in the log why it is {status}",
    ),
    (r"statuscode: 5\d\d", "{path} answers with an error", "look in the log why {path} answers with an error"),
    (
        r"does not implement the grpc health protocol|^(?!.* exec ).*code = Unimplemented",
        "its server has no health service of gRPC",
        "let the program register grpc.health.v1.Health, or use a probe of another kind",
    ),
    (
        r"responded with \\?\"?NOT_SERVING",
        "its health service of gRPC answers NOT_SERVING",
        "find out in the log why the program is not ready to serve (what it calls, what it loads)",
    ),
    (
        r"^(?!.* exec )[^\n]*(?:code = NotFound|unknown service)",
        "its health service of gRPC does not know the service {service}",
        "correct service of the probe, or let the program set the health of that service",
    ),
    (
        r"failed to connect service",
        "no gRPC server answers on port {port} within {timeout} s",
        "correct the port of the probe if the server listens on another one; else find why it is late, or raise "
        "timeoutSeconds",
    ),
    (
        r"exec: \\?\"(?P<program>[^\"\\]+)\\?\": permission denied",
        "its command {program} may not be executed",
        "make {program} executable (chmod +x; of a ConfigMap: defaultMode 0755)",
    ),
    (
        r"executable file not found|exec: [^\n]*no such file or directory|not found in \$PATH",
        "its command is not in the image",
        "correct the command of the probe: it is not in the image",
    ),
    (
        r"(?:sh|bash|ash|dash): (?:(?:line )?\d+: )?(?P<program>[\w./+-]+): (?:command )?not found",
        "its command calls {program}, which is not in the image",
        "take a program that is in the image, or put {program} into it",
    ),
    (
        r"(?P<file>/[\w./-]+)'?: No such file or directory",
        "the file {file} that its command looks for does not exist",
        "find out why the program does not make {file}, or correct its path in the command of the probe",
    ),
    (
        r"context deadline exceeded|Client\.Timeout|timed? ?out|i/o timeout",
        "no answer within {timeout} s",
        "raise timeoutSeconds (it is {timeout}), or find why the program answers late",
    ),
    (
        r"connection refused",
        "nothing listens on port {port}",
        "",
    ),
    (
        r"EOF$|connection reset by peer",
        "port {port} ends the connection without an answer",
        "correct the scheme of the probe (HTTP or HTTPS) and its port, or find in the log why the request is cut off",
    ),
    (r"no such host", "the host that it asks cannot be resolved", "leave host out of the probe: it then asks the pod"),
    (
        r"HTTP response to HTTPS client|malformed HTTP response|first record does not look like a TLS|"
        r"HTTP request to an HTTPS server",
        "it speaks another scheme",
        "correct the scheme of the probe (HTTP or HTTPS)",
    ),
)


def killed(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """Containers that the kubelet kills for a probe or a hook that fails."""
    for end in ends(facts):
        kind = killer(facts, end)
        if kind == HOOK:
            yield _killed_by_hook(facts, end)
        elif kind:
            yield _killed_by_probe(facts, sections, end, kind)


def _killed_by_hook(facts: Facts, end: End) -> Finding:
    waits, hook = waiting(end.status), last_message(events_of(facts, "FailedPostStartHook", container=end.name))
    # Between two runs, the kubelet tells of its patience only.
    message = waits.get("message") if waits.get("reason") == "PostStartHookError" else hook
    message = message or hook or waits.get("message") or ""
    return Finding(
        "post_start",
        CRITICAL,
        f"container {end.name} is killed and restarted because its postStart hook fails",
        f"{shorten(message) or 'FailedPostStartHook'}; {end.restarts} restarts",
        "correct the command of the hook (lifecycle.postStart), or run it before the program starts",
    )


def _killed_by_probe(facts: Facts, sections: Sections, end: End, kind: str) -> Finding:
    probe = container_named(facts.pod, end.name).get(f"{kind}Probe") or {}
    failures = _failures(facts, end.name, kind)
    hint, step = _hint(facts, sections, end.name, probe, last_message(failures))
    words = words_of_end(facts, end.status)
    cause = told(words)
    why = f": {hint}" if hint else ""
    if cause and (not hint or _SYMPTOMS.search(hint)):
        why, step = f"{why}, and it {cause.what}", step or cause.step
    if kind == STARTUP:
        window = probe.get("periodSeconds", _DEFAULT_PERIOD) * probe.get("failureThreshold", _DEFAULT_FAILURES)
        what = f"container {end.name} is killed and restarted because its startup probe fails for {window} s{why}"
        step = (
            step or f"give it more than {window} s to start (failureThreshold, periodSeconds), or find why it is slow"
        )
    else:
        what = f"container {end.name} is restarted because its liveness probe fails{why}"
        step = step or _step_of_liveness(facts, end, probe, last_message(failures))
    evidence = f"{last_message(failures)}; it ended{end.lived}, {ago(end.finished, facts.now)}, exit code {end.code}"
    limit = ((container_named(facts.pod, end.name).get("resources") or {}).get("limits") or {}).get("cpu")
    if limit and quantity(limit) <= _LITTLE_CPU:
        evidence += f"; CPU limit {limit}"
        step += f"; with a CPU limit of {limit}, it does little in that time"
    return Finding(
        kind if kind == LIVENESS else "startup_probe",
        CRITICAL,
        what,
        evidence + (as_evidence(words, None) if cause else ""),
        step,
    )


def _step_of_liveness(facts: Facts, end: End, probe: t.Mapping[str, t.Any], message: str) -> str:
    """Return what to do about a program that a probe has killed, and that had perhaps not come so far yet."""
    if "connection refused" in message and not container_named(facts.pod, end.name).get("startupProbe"):
        lived, delay = f" ({end.lived.strip()})" if end.lived else "", probe.get("initialDelaySeconds", 0)
        return (
            f"if it was still starting{lived}, give it a startupProbe, or more than initialDelaySeconds {delay}; else "
            "correct the port of the probe"
        )
    return "compare the probe's timeout and delay with how long the program takes, and find out why it is silent"


def _failures(facts: Facts, container: str, kind: str) -> list[Object]:
    found = events_of(facts, "Unhealthy", "ProbeError", "ProbeWarning", container=container)
    return [each for each in found if str(each.get("message") or "").lower().startswith(kind)]


def _port(container: Object, probe: t.Mapping[str, t.Any]) -> int | str | None:
    port = (probe.get("httpGet") or probe.get("tcpSocket") or probe.get("grpc") or {}).get("port")
    numbers = {each.get("name"): each["containerPort"] for each in container.get("ports") or []}
    return numbers.get(port, port) if isinstance(port, str) else port


def _hint(facts: Facts, sections: Sections, name: str, probe: t.Mapping[str, t.Any], message: str) -> tuple[str, str]:
    """Return what can be told of why a probe fails, as a part of evidence, and what to do; both may be empty."""
    container = container_named(facts.pod, name)
    port, heard = _port(container, probe), listeners(sections)
    host = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("host")
    if host and host != (facts.pod.get("status") or {}).get("podIP"):
        return (
            f"it asks the host {host}, and not the pod: for the kubelet, that is one that its node knows",
            "leave host out of the probe: it then asks the pod; a name of a site belongs into httpHeaders (Host)",
        )
    declared = sorted(each["containerPort"] for each in container.get("ports") or [])
    if isinstance(port, str):
        named = ", ".join(filter(None, (each.get("name") for each in container.get("ports") or []))) or "none"
        return (
            f"it asks the port {port!r}, which the container does not name (it names {named})",
            f"correct the port of the probe: the container names {named}",
        )
    if port and heard and port not in heard:
        others = ", ".join(map(str, sorted(heard)))
        return (
            f"nothing listens on port {port} (listening: {others})",
            f"correct the port of the probe: {others} listen",
        )
    if port and heard and all(each.startswith("127.") or each == "[::1]" for each in heard[port]):
        return (
            f"port {port} is listened on at {', '.join(sorted(heard[port]))} only",
            f"let the program listen on all addresses (0.0.0.0 or ::) instead of {', '.join(sorted(heard[port]))}",
        )
    if port and declared and port not in declared and not heard:
        others = ", ".join(map(str, declared))
        return (
            f"it asks port {port}, which the container does not declare (it declares {others})",
            f"correct the port of the probe: it asks {port}, the container declares {others}",
        )
    values = {
        "path": (probe.get("httpGet") or {}).get("path") or "/",
        "port": port or "that it asks",
        "timeout": probe.get("timeoutSeconds", _DEFAULT_TIMEOUT),
        "service": (probe.get("grpc") or {}).get("service") or "of no name",
    }
    for pattern, hint, step in _ANSWERS:
        if found := re.search(pattern, message):
            groups = {**values, **found.groupdict()}
            return hint.format(**groups), step.format(**groups)
    output = message.partition("failed: ")[2].strip()
    if probe.get("exec") and output:
        cause = told_by(output)
        return f"its command says: {shorten(output, 120)}", cause.step if cause else ""
    return "", ""


def liveness_failing(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """Liveness probes that fail now, before the kubelet acts on it."""
    gone = {end.name for end in ends(facts)}
    for name, status, is_init in container_states(facts):
        probe = container_named(facts.pod, name).get("livenessProbe") or {}
        failures = _failures(facts, name, LIVENESS)
        last = event_time(failures[-1]) if failures else None
        if is_init or name in gone or not probe or last is None or not is_running(status):
            continue
        period, number = probe.get("periodSeconds", _DEFAULT_PERIOD), sum(map(event_count, failures))
        silence = _MANY_SILENT if number >= _MANY_EVENTS else _SILENT
        if (facts.now - last).total_seconds() > max(4 * period, silence):
            continue
        limit = probe.get("failureThreshold", _DEFAULT_FAILURES)
        hint, step = _hint(facts, sections, name, probe, last_message(failures))
        yield Finding(
            "liveness_failing",
            WARNING,
            f"the liveness probe of container {name} has failed {number} times{f': {hint}' if hint else ''}; it is "
            f"restarted after {limit} in a row",
            _answer_of(last_message(failures), probe),
            step
            or "call what the probe calls from inside, and find out why it fails before the container is restarted",
        )


def readiness(facts: Facts, sections: Sections) -> Iterator[Finding]:
    if (facts.pod.get("status") or {}).get("phase") != "Running" or is_ready(facts.pod):
        return
    for name, status, is_init in container_states(facts):
        if is_init or status.get("ready") or not is_running(status):
            continue
        container = container_named(facts.pod, name)
        unstarted = not status.get("started", True) and container.get("startupProbe")
        kind = STARTUP if unstarted else "readiness"
        probe = container.get(f"{kind}Probe") or {}
        failures = _failures(facts, name, kind)
        hint, step = _hint(facts, sections, name, probe, last_message(failures))
        cause = recent_cause(facts, name) if not hint or _SYMPTOMS.search(hint) else None
        started, delay = (
            parse_time((status["state"]["running"] or {}).get("startedAt")),
            probe.get("initialDelaySeconds", 0),
        )
        if started and not failures and (facts.now - started).total_seconds() < delay:
            yield Finding(
                "readiness",
                WARNING,
                f"container {name} is not ready yet: its {kind} probe is asked first {delay} s after the start "
                "(initialDelaySeconds)",
                f"started {ago(started, facts.now)}",
                "wait, or lower initialDelaySeconds: a startupProbe waits only as long as it has to",
            )
            continue
        if not probe and not cause:
            yield Finding(
                "readiness",
                CRITICAL,
                f"container {name} is running but not ready, and no probe of its own keeps it from that",
                "it has no readiness probe",
                "look whether its node answers (kubectl get nodes), and again in a minute if it was just started",
            )
            continue
        silent = why_silent(facts, name, cause[0].peer) if cause and cause[0].kind in OF_PEERS else None
        yield Finding(
            "readiness",
            CRITICAL,
            f"container {name} is running but not ready: its {kind} probe fails"
            + (f": {hint}" if hint else "" if cause else ", so that no service sends it anything")
            + (f", and it {cause[0].what}" if cause else "")
            + (f"; it calls {silent[0]}" if silent else ""),
            _answer_of(last_message(failures), probe)
            + (f"; its log: {shorten(cause[1].example, 200)}" if cause else ""),
            silent[2] if silent else cause[0].step if cause else step or _CALL,
        )


def _answer_of(message: str, probe: Object) -> str:
    """Return what the kubelet says of a probe, and what the probe is where that is nothing."""
    return message if message and not message.endswith("failed:") else f"{message} probe: {_probe_words(probe)}".strip()


def sidecar_starting(facts: Facts, sections: Sections) -> Iterator[Finding]:
    """A sidecar whose startup probe does not succeed: no container behind it is started."""
    if (facts.pod.get("status") or {}).get("phase") != "Pending":
        return
    for name, status, is_init in container_states(facts):
        container = container_named(facts.pod, name)
        if is_init or not is_running(status) or status.get("started", True) or not container.get("startupProbe"):
            continue
        failures = _failures(facts, name, STARTUP)
        hint, step = _hint(facts, sections, name, container["startupProbe"], last_message(failures))
        yield Finding(
            "sidecar_starting",
            CRITICAL if failures else WARNING,
            f"sidecar {name} has not passed its startup probe{f' ({hint})' if hint else ''}, and no container behind "
            "it starts before it has",
            last_message(failures) or f"probe: {_probe_words(container['startupProbe'])}",
            step or _CALL,
        )


def readiness_gates(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    for gate in facts.pod["spec"].get("readinessGates") or []:
        found = condition(facts.pod, gate["conditionType"])
        if found.get("status") == "True" or (facts.pod.get("status") or {}).get("phase") != "Running":
            continue
        why = found.get("message") or found.get("reason") or ("it is False" if found else "nobody has set it yet")
        yield Finding(
            "readiness_gate",
            CRITICAL,
            f"the pod is not ready because its readiness gate {gate['conditionType']} is not met",
            shorten(why),
            f"look at the controller that sets the condition {gate['conditionType']}, such as that of a load balancer",
        )


def _probe_words(probe: t.Mapping[str, t.Any]) -> str:
    for kind, each in probe.items():
        if isinstance(each, dict):
            place = (
                f"{each.get('path', '')} port {each['port']}" if "port" in each else " ".join(each.get("command") or [])
            )
            return f"{kind} {place}".strip()
    return "none"
