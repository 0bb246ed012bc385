# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the log of a running pod and nowhere else: the first finding of each case, and its next step."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.logs import Log

from .objects import container, facts, findings, log, looping, peer, pod, running, service

CALM = [f"INFO request {number} done in {number % 30} ms" for number in range(2_000)]
FORBIDDEN = (
    "E1123 10:15:00.000000 1 reflector.go:147] failed to list *v1.Pod: pods is forbidden: User "
    '"system:serviceaccount:shop:web" '
    'cannot list resource "pods" in API group "" in the namespace "shop"'
)

CASES = {
    "one error, then calm": (
        log("ERROR payment gateway rejected order 4711: currency XXX", *CALM),
        *("log_errors", "warning", "payment gateway rejected order 4711", "changed before the first"),
    ),
    "a burst hours ago": (
        log(
            *(f"ERROR cannot write order {number}: connection refused to db:5432" for number in range(40)),
            *CALM,
            every=5,
        ),
        *("log_refused", "warning", "40 times", "whether its Service has endpoints"),
    ),
    "errors every few lines": (
        log(
            *(
                line
                for n in range(200)
                for line in (CALM[n], CALM[n + 1], f"ERROR QueuePool limit of size 5 reached {n}")
            )
        ),
        *("log_pool_exhausted", "warning", "200 times", "pool's size"),
    ),
    "more warnings since a change": (
        log(*CALM[:500], "INFO configuration reloaded", *(["INFO done", "WARN slow answer of pricing"] * 100)),
        *("log_warnings", "warning", "configuration reloaded", "what changed"),
    ),
    "a right that is missing": (
        log(*CALM, FORBIDDEN),
        *("log_rbac", "warning", "system:serviceaccount:shop:web may not list pods in the namespace shop", "--as="),
    ),
    "answers with 403": (
        log(*CALM[:50], *(f'10.0.0.1 - - [x] "GET /api/{n} HTTP/1.1" 403 {n}' for n in range(30))),
        *(
            "log_answers_403",
            "warning",
            "answers requests with status 403, as its log says 30 times",
            "its callers lack",
        ),
    ),
    "answers with 429": (
        log(*(f'level=error msg="call failed" status=429 try={n}' for n in range(30))),
        *("log_rate_limited", "warning", "too many requests", "rate"),
    ),
    "an unknown name": (
        log(*CALM, "ERROR dial tcp: lookup db.example.invalid on 10.96.0.10:53: no such host"),
        *("dns", "warning", "db.example.invalid", "correct the name where it is configured"),
    ),
    "a limit of its own": (
        log(
            *(
                f'{{"level":"info","method":"PUT","path":"/in","client_ip":"10.0.9.{n % 9}","status":200}}'
                for n in range(90)
            ),
            *['{"level":"error","method":"PUT","path":"/in","client_ip":"10.0.7.7","status":429,"msg":"over quota"}']
            * 9,
        ),
        *("log_answers_429", "warning", "all of them with client_ip 10.0.7.7", "which caller"),
    ),
    "answers of all kinds beside the cause": (
        log(
            *(f"INFO api - GET /users - Status: {(200, 404, 503)[n % 3]} - {n} ms" for n in range(300)),
            "ERROR store: FATAL: sorry, too many clients already",
        ),
        *("log_pool_exhausted", "warning", "no free connection left", "who holds connections"),
    ),
    "the first of a series": (
        log(
            *CALM[:400],
            "ERROR sessions: connection refused: session-store:6379",
            *["ERROR users: sessions answered 503 Service Unavailable"] * 9,
            *CALM[:400],
            every=0,
        ),
        *("log_refused", "warning", "cannot connect to session-store:6379", "runs and listens"),
    ),
    "a call that takes long": (
        log(*["INFO asked stock", "INFO stock query took 6.5 s", "INFO page done in 6.7 s"] * 20),
        *("log_slow", "warning", "takes 6.5 s (INFO stock query took 6.5 s)", "slow queries"),
    ),
    "a request that takes long": (
        log(*["INFO answered", "INFO page rendered in 6.7 s"] * 20),
        *("log_slow", "info", "takes 6.7 s (INFO page rendered in 6.7 s)", "before the pods are scaled"),
    ),
    "a time-out beside a figure that rises": (
        log(
            *(f'{{"level":"info","latency_ms":{40 + n}}}' for n in range(600)),
            *(f'{{"level":"error","latency_ms":{900 + n},"msg":"request to backend timed out"}}' for n in range(60)),
        ),
        *(
            "log_timeout",
            "warning",
            "waits too long for its backend, as its log says 60 times, while latency_ms",
            "slow",
        ),
    ),
    "an error of its own code": (
        log(*CALM, *['{"level":"error","msg":"cannot price","error":"TypeError: \'NoneType\' has no size"}'] * 4),
        *("log_own_code", "warning", "fails in its own code: TypeError: 'NoneType' has no size", "developers"),
    ),
    "what it waits for": (
        log(*CALM[:50], *["waiting for postgres:5432"] * 40),
        *("log_waits", "warning", "waits for postgres:5432", "whether what it waits for runs"),
    ),
    "an error of .NET": (
        log(*CALM[:50], "fail: Shop.Store[20004]", "      An error occurred using the connection to database 'shop'."),
        *("log_errors", "warning", "An error occurred using the connection to database 'shop'", "log"),
    ),
    "time-outs": (
        log(*CALM, "ERROR GET http://pricing:8080/p: context deadline exceeded"),
        *("log_timeout", "warning", "once", "slow"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_only_the_log_tells_is_a_finding(name: str) -> None:
    read, kind, severity, what, step = CASES[name]
    first = findings(facts(pod(running(since=20_000)), logs={"main": read}))[0]
    assert (first.kind, first.severity) == (kind, severity), first
    assert what in f"{first.what}; {first.evidence}"
    assert step in first.next_step


def test_a_group_has_its_times_an_example_and_what_was_read() -> None:
    read = log(*(f"ERROR order {number} failed" for number in range(40)), *CALM, every=5)
    first = findings(facts(pod(running(since=20_000)), logs={"main": read}))[0]
    assert first.what == "container main logs errors (40 times): ERROR order 0 failed"
    assert "first 3 h ago" in first.evidence
    assert "last 3 h ago" in first.evidence
    assert "all 2,040 lines were read" in first.evidence


def test_the_looks_agree_and_the_finding_of_the_log_stays() -> None:
    read = log(*CALM, "ERROR getaddrinfo ENOTFOUND db.example.invalid")
    inside = {
        "dns:kubernetes.default.svc": ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\nx 5 IN A 10.96.0.1\n=0"
    }
    first = findings(facts(logs={"main": read}), inside)[0]
    assert first.kind == "dns"
    assert "db.example.invalid" in first.what
    assert "other names are resolved from inside" in first.evidence


def test_what_a_start_complained_of_is_no_warning() -> None:
    read = log("ERROR dial tcp db:5432: connect: connection refused", *CALM, every=1)
    found = findings(facts(pod(running(since=2_010)), logs={"main": read}))
    assert [each.severity for each in found] == ["info", "info"]
    assert found[1].kind == "log_refused"


def test_what_a_program_waits_for_is_why_it_is_not_ready() -> None:
    read = log(*["waiting for orders:8080"] * 40)
    probed = {"containers": [container(readinessProbe={"exec": {"command": ["/ready"]}})]}
    states = peer("orders-0", ready=False, app="orders")
    first = findings(
        facts(
            pod(running(ready=False), spec=probed),
            logs={"main": read},
            services=[service("orders", None, 8080)],
            pods=[pod(), states],
        )
    )[0]
    assert (
        "its readiness probe fails, and it waits for orders:8080; it calls the Service orders, of whose" in first.what
    )
    assert "debug_pod_targets=orders-0" in first.next_step


def test_an_empty_log_is_said_to_be_one() -> None:
    assert "the log of main is empty" in findings(facts(logs={"main": Log()}))[0].evidence


def test_secrets_of_a_group_do_not_come_through() -> None:
    read = log("ERROR login failed password=S3cr3t " + "x" * 400, *CALM)
    assert "S3cr3t" not in str(findings(facts(logs={"main": read})))


def test_the_service_that_a_log_names_is_followed() -> None:
    read = log("INFO waiting", *["stock-db:5432 - no response"] * 4)
    states = peer("stock-db-0", ready=False, app="stock-db")
    states["status"]["containerStatuses"] = [looping(1)]
    found = findings(
        facts(logs={"main": read}, services=[service("stock-db", None, 5432)], pods=[pod(), states]),
    )[0]
    assert (
        "the Service stock-db, of whose pods (1) none is ready: CrashLoopBackOff, exit code 1, 4 restarts" in found.what
    )
    assert "debug_pod_targets=stock-db-0" in found.next_step


def test_a_service_of_a_like_name_is_proposed() -> None:
    read = log("ERROR dial tcp: lookup stock-postgres on 10.96.0.10:53: no such host")
    found = findings(facts(logs={"main": read}, services=[service("stock-db", None, 5432)], pods=[pod()]))[0]
    assert found.next_step.startswith("correct the name to stock-db if that Service is meant")
