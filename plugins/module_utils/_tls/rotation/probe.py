# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificate each pod serves, and each address outside. PRIVATE to the collection.

Every pod is asked by itself: behind a Service, one that still serves an old certificate hides among the others.
"""

from __future__ import annotations

import base64
import binascii
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field

from ..._errors import InvalidInput, RunbookError
from ..._k8s import consumers as k8s
from ..._k8s.client import ApiError, ApiLogin, ApiUnavailable
from ..._k8s.consumers import Consumer, ServingPod
from ..._k8s.portforward import PortForwardFailed, connect_to_pod
from ..._k8s.rollout_status import wanted_pods
from ..._report.model import Proof, StepReport
from ..._run import Progress
from ..._time import rfc3339
from ..._wait import wait_until
from ..certificate import Certificate, Unparsable, parse_chain
from ..fingerprint import read_fingerprint
from ..handshake import Handshake, HandshakeFailed, SpeaksNoTls, dial, handshake

PROVEN, STALE, UNVERIFIED = "proven", "stale", "unverified"
# The result of a proof, in the words of the report.
_RESULTS = {PROVEN: "proven", STALE: "failed", UNVERIFIED: "unknown"}
# A pod is as good as the worst of its ports that speak for it.
_ORDER = (STALE, PROVEN, UNVERIFIED)
# Classes of consumers that serve what is in the Secret, or should.
_PROBED = (k8s.RESTART, k8s.HOT, k8s.EXTERNAL, k8s.OPERATOR)
_THREADS = 8
_ANSWER_SECONDS = 5.0
_MOST_TRIES = 2
_SHOWN_PODS = 5


@dataclass(frozen=True)
class Expected:
    """A certificate that is to be served; ``fingerprint`` is that of the leaf.

    Without ``ports``, those of the containers that use the Secret are asked. Without ``server_name``, the first name
    of what the Secret holds is asked for. ``endpoints`` are pairs of host and port.
    """

    name: str
    secret: str
    fingerprint: str
    ports: tuple[int, ...] = ()
    server_name: str = ""
    endpoints: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ProbeRequest:
    """``timeout`` is how many seconds all pods have to serve what is expected."""

    namespace: str
    certificates: tuple[Expected, ...]
    overrides: t.Mapping[str, str] = field(default_factory=dict)
    timeout: float = 180.0
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    fail_on_stale: bool = True


@dataclass(frozen=True)
class Probe:
    """What was seen of a pod or of an address; ``why`` is a part of a sentence.

    To ask again what is ``settled`` would show nothing else.
    """

    state: str
    why: str
    port: int = 0
    shown: Handshake | None = None
    settled: bool = True


@dataclass(frozen=True)
class _Target:
    expected: Expected
    consumer: Consumer | None = None
    pod: ServingPod | None = None
    endpoint: tuple[str, int] = ("", 0)

    @property
    def key(self) -> tuple[str, ...]:
        consumer = self.consumer.key if self.consumer else ""
        return self.expected.name, consumer, self.pod.uid if self.pod else "", *map(str, self.endpoint)

    @property
    def pod_name(self) -> str:
        return self.pod.name if self.pod else ""

    @property
    def where(self) -> str:
        return self.consumer.key if self.consumer else f"{self.endpoint[0]}:{self.endpoint[1]}"


@dataclass(frozen=True)
class Seen:
    """What was seen last of a pod or of an address, and how many seconds after the first question."""

    target: _Target
    found: Probe
    seconds: float

    def to_plain(self) -> dict[str, t.Any]:
        target, found, shown = self.target, self.found, self.found.shown
        return {
            "certificate": target.expected.name,
            "workload": target.consumer.key if target.consumer else "",
            "pod": target.pod_name,
            "endpoint": "" if target.consumer else target.where,
            "port": found.port,
            "state": found.state,
            "why": found.why,
            "fingerprint": shown.leaf.fingerprint if shown else "",
            "not_after": rfc3339(shown.leaf.not_after) if shown else "",
            "chain": [each.subject for each in shown.chain] if shown else [],
            "tls_version": shown.tls_version if shown else "",
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True)
class ProbeResult:
    """What all pods and addresses serve of ``certificates``; ``selected`` tells that only some workloads were named."""

    seen: tuple[Seen, ...]
    notices: tuple[str, ...]
    selected: bool = False
    certificates: tuple[str, ...] = ()

    @property
    def stale(self) -> list[Seen]:
        return [each for each in self.seen if each.found.state == STALE]

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """One for each certificate and workload or address."""
        return _proofs(self.seen)

    def to_plain(self) -> dict[str, t.Any]:
        states = [each.found.state for each in self.seen]
        return {
            "changed": False,
            "probes": [each.to_plain() for each in self.seen],
            "counts": {state: states.count(state) for state in (PROVEN, STALE, UNVERIFIED)},
            "proofs": [asdict(each) for each in self.proofs],
            "notices": list(self.notices),
        }

    def to_report(self) -> StepReport:
        return StepReport(headline=self._headline(), proofs=self.proofs, degraded=self.notices)

    def _headline(self) -> str:
        proven = {each.target.expected.name for each in self.seen if each.found.state == PROVEN}
        unproven = [name for name in self.certificates if name not in proven]
        if self.selected or (proven and not unproven):
            return ""
        if proven:
            return f"nothing was proven by a handshake for {', '.join(unproven)}"
        asked = (
            f"none of {len(self.seen)} pods and endpoints showed it"
            if self.seen
            else "no pod and no endpoint serves it"
        )
        return f"nothing was proven by a handshake, as {asked}"


def read_expected(given: t.Mapping[str, t.Any]) -> Expected:
    """Return a certificate as an option has it; raise InvalidInput."""
    return Expected(
        given["name"],
        given["secret_name"],
        read_fingerprint(given["fingerprint"], given["name"]),
        tuple(_read_port(port) for port in given["ports"]),
        given["server_name"],
        tuple(_read_endpoint(text) for text in given["endpoints"]),
    )


def _read_endpoint(text: str) -> tuple[str, int]:
    """Return host and port of an address; raise InvalidInput."""
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or "/" in host or not port.isdigit():
        raise InvalidInput(
            f"The endpoint {text!r} is not an address; allowed is a host and a port, as in www.example.com:443 or "
            "[::1]:443."
        )
    return host, _read_port(int(port))


def _read_port(port: int) -> int:
    if not 0 < port < 65536:
        raise InvalidInput(f"The port {port} is none; allowed is 1 to 65535.")
    return port


def probe(login: ApiLogin, request: ProbeRequest, check: t.Callable[[], None], progress: Progress) -> ProbeResult:
    """Ask until all serve what is expected or the time is over, and return what was seen last.

    ``check`` may raise to leave at a safe point. Raises RunbookError, with the ProbeResult, for what is stale.
    """
    secrets = dict.fromkeys(each.secret for each in request.certificates)
    consumers = k8s.find_consumers(login, request.namespace, secrets, request.overrides)
    chosen = k8s.select_consumers(consumers, request.only, request.skip)
    rounds = _Rounds(login, request, [each for each in consumers if each.key in chosen], check, progress)
    wait_until(rounds.ask, request.timeout, interval=0.5, max_interval=3.0, before_sleep=check)
    result = rounds.result()
    if result.stale and request.fail_on_stale:
        names = [
            f"{each.target.pod_name or each.target.where} with {each.found.shown.leaf.fingerprint[:16]}"
            for each in result.stale
            if each.found.shown
        ]
        more = f" and {len(names) - _SHOWN_PODS} more" if len(names) > _SHOWN_PODS else ""
        raise RunbookError(
            f"{len(names)} of {len(result.seen)} still {'serves' if len(names) == 1 else 'serve'} another "
            f"certificate than the expected one after {request.timeout:g} s ({', '.join(names[:_SHOWN_PODS])}{more}); "
            "restart them, or give them more time with timeout.",
            result,
        )
    return result


class _Rounds:
    """Asks all targets again and again; what is settled is not asked again."""

    def __init__(
        self,
        login: ApiLogin,
        request: ProbeRequest,
        consumers: t.Sequence[Consumer],
        check: t.Callable[[], None],
        progress: Progress,
    ) -> None:
        self._login, self._request, self._check, self._progress = login, request, check, progress
        self._consumers = [each for each in consumers if each.reload in _PROBED]
        self._stored = {each.secret: self._leaf(each.secret) for each in request.certificates}
        self._started = time.monotonic()
        self._seen: dict[tuple[str, ...], tuple[_Target, Probe, float]] = {}
        self._tries: dict[tuple[str, ...], int] = {}

    def ask(self) -> bool | None:
        """Return True when nothing is left to wait for."""
        try:
            targets = list(self._targets())
        except ApiUnavailable:
            if not self._seen:
                raise
            return None
        known = self._seen
        self._seen = {each.key: known[each.key] for each in targets if each.key in known}
        open_ = [each for each in targets if each.key not in known or not known[each.key][1].settled]
        with ThreadPoolExecutor(_THREADS) as executor:
            futures = {executor.submit(self._look, each): each for each in open_}
            try:
                for future in as_completed(futures):
                    target = futures[future]
                    self._seen[target.key] = (target, future.result(), time.monotonic() - self._started)
                    self._report(len(targets))
                    self._check()
            finally:
                executor.shutdown(wait=True, cancel_futures=True)
        return True if all(found.settled for _target, found, _seconds in self._seen.values()) else None

    def _report(self, total: int) -> None:
        proven = sum(1 for _target, found, _seconds in self._seen.values() if found.state == PROVEN)
        self._progress.report("proving", proven, total, "pods", force=proven == total)

    def _targets(self) -> t.Iterator[_Target]:
        pods = {each.key: k8s.pods_of(self._login, each) for each in self._consumers}
        for expected in self._request.certificates:
            for consumer in self._consumers:
                if expected.secret in consumer.served:
                    mine: list[ServingPod | None] = [*pods[consumer.key]]
                    for pod in mine or [None]:
                        yield _Target(expected, consumer, pod)
            # Any pod may answer there, also one that is not meant yet.
            if not self._request.only:
                for endpoint in expected.endpoints:
                    yield _Target(expected, endpoint=endpoint)

    def _look(self, target: _Target) -> Probe:
        if target.consumer is None:
            found = self._endpoint(target)
        elif target.pod is None:
            rolling = target.consumer.kind in k8s.ROLLING_KINDS
            none_wanted = rolling and wanted_pods(target.consumer.kind, target.consumer.found) == 0
            return Probe(UNVERIFIED, "none of its pods is running", settled=none_wanted)
        else:
            found = self._pod(target, target.consumer, target.pod)
        if found.settled or found.state == STALE or (target.pod and not target.pod.ready):
            return found
        self._tries[target.key] = self._tries.get(target.key, 0) + 1
        return found if self._tries[target.key] < _MOST_TRIES else Probe(UNVERIFIED, found.why, found.port)

    def _endpoint(self, target: _Target) -> Probe:
        host, port = target.endpoint
        try:
            shown = dial(host, port, self._server_name(target.expected) or host, _ANSWER_SECONDS)
        except (HandshakeFailed, Unparsable) as exc:
            return Probe(UNVERIFIED, str(exc), port, settled=False)
        return self._judge(target.expected, shown, port, named=True)

    def _pod(self, target: _Target, consumer: Consumer, pod: ServingPod) -> Probe:
        expected = target.expected
        ports = expected.ports or pod.ports_of(consumer.containers(expected.secret))
        if not ports:
            return Probe(UNVERIFIED, "its containers name no port: name the ones that serve in ports")
        found = [self._port(expected, pod.name, port) for port in ports]
        # Of those that say nothing, one that may still do so.
        return min(found, key=lambda each: (_ORDER.index(each.state), each.settled))

    def _port(self, expected: Expected, pod: str, port: int) -> Probe:
        try:
            link = connect_to_pod(self._login.client, self._request.namespace, pod, port, _ANSWER_SECONDS)
            shown = handshake(link, self._server_name(expected), _ANSWER_SECONDS)
        except PortForwardFailed as exc:
            denied = getattr(exc.__cause__, "status_code", None) in (401, 403)
            return Probe(UNVERIFIED, str(exc).rstrip("."), port, settled=denied)
        except (SpeaksNoTls, Unparsable) as exc:
            return Probe(UNVERIFIED, f"port {port}: {exc}", port)
        except HandshakeFailed as exc:
            return Probe(UNVERIFIED, f"port {port}: {exc}", port, settled=False)
        return self._judge(expected, shown, port, named=bool(expected.ports))

    def _judge(self, expected: Expected, shown: Handshake, port: int, *, named: bool) -> Probe:
        leaf, stored = shown.leaf, self._stored[expected.secret]
        until = f"{leaf.fingerprint[:16]}, which is valid until {rfc3339(leaf.not_after)}"
        if leaf.fingerprint == expected.fingerprint:
            return Probe(PROVEN, f"it serves {until}", port, shown)
        # A port that nobody has named may be that of another service in the pod, with a certificate of its own.
        if named or stored is None or _are_related(leaf, stored):
            return Probe(STALE, f"it serves {until}", port, shown, settled=False)
        return Probe(UNVERIFIED, f"port {port} serves the certificate of something else ({leaf.subject})", port, shown)

    def _server_name(self, expected: Expected) -> str:
        stored = self._stored[expected.secret]
        names = [name for name in (stored.dns_names if stored else ()) if not name.startswith("*")]
        return expected.server_name or (names[0] if names else "")

    def _leaf(self, secret: str) -> Certificate | None:
        """Return what a Secret holds; None if that cannot be seen."""
        where = self._request.namespace
        path = f"/api/v1/namespaces/{where}/secrets/{secret}"
        try:
            found = self._login.find(f"get the secret {secret} in {where}", path)
            data = ((found or {}).get("data") or {}).get("tls.crt") or ""
            return parse_chain(base64.b64decode(data))[0]
        except (Unparsable, binascii.Error):
            return None
        except ApiError as exc:
            if exc.status != 403:
                raise
            return None

    def result(self) -> ProbeResult:
        rows = [Seen(*row) for row in self._seen.values()]
        rows.sort(key=lambda row: (row.target.expected.name, row.target.where, row.target.pod_name))
        names = tuple(dict.fromkeys(each.name for each in self._request.certificates))
        return ProbeResult(tuple(rows), tuple(self._notices()), bool(self._request.only), names)

    def _notices(self) -> t.Iterator[str]:
        for each in self._request.certificates:
            stored = self._stored[each.secret]
            if stored is None:
                yield f"The Secret {each.secret} cannot be read, so that any other certificate counts as stale."
            elif stored.fingerprint != each.fingerprint:
                yield f"The Secret {each.secret} holds {stored.fingerprint[:16]}, not the expected certificate."
        for consumer in self._consumers:
            yield from consumer.problems


def _are_related(one: Certificate, other: Certificate) -> bool:
    return bool((one.subject and one.subject == other.subject) or set(one.names) & set(other.names))


def _proofs(rows: t.Sequence[Seen]) -> tuple[Proof, ...]:
    groups: dict[tuple[str, str], list[Seen]] = {}
    for row in rows:
        groups.setdefault((row.target.expected.name, row.target.where), []).append(row)
    proofs = []
    for (certificate, where), group in groups.items():
        states = [row.found.state for row in group]
        worst = next(state for state in (STALE, UNVERIFIED, PROVEN) if state in states)
        of_pods = group[0].target.consumer is not None
        reasons = [f"{row.target.pod_name or where}: {row.found.why}" for row in group if row.found.state == worst]
        evidence = f"{states.count(PROVEN)} of {len(states)} pods; {reasons[0]}" if of_pods else reasons[0]
        claim = f"every pod of {where} serves {certificate}" if of_pods else f"{where} serves {certificate}"
        proofs.append(Proof(claim, _RESULTS[worst], evidence))
    return tuple(proofs)
