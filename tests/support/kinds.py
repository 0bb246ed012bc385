# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of report, made by the code that makes it in a run, of figures as a run brings them.

`python tests/tools/report_kinds.py FOLDER` writes all of them, to be looked at in a browser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug import cleanup
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import Diagnosis, judge
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.logs import digest
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.observed import Facts
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import (
    cleanup_report,
    diagnosis_report,
    failed_report,
    sessions_report,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.session import CleanupRequest, Session
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import Chosen
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import (
    Interrupted,
    Problems,
    Refused,
    RunbookError,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import CachePattern
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import RedisSettings, ServerInfo
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.flush import FlushCounts
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.plan import (
    FlushPlan,
    FlushRequest,
    PatternPlan,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.report import (
    flush_report,
    restore_report,
    stats_report,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.restore import (
    RestorePlan,
    RestoreRequest,
    RestoreResult,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.run_flush import FlushResult, SavedKeys
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.stats import CacheStats, StatsResult
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.merge import (
    Run,
    merge,
    read_failure,
    read_steps,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import (
    Action,
    Cluster,
    Figure,
    Operator,
    Proof,
    Report,
    StepReport,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.store import write
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.files import Difference
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.model import Mute
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.report import check_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import Entry
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.plan import RotationPlan
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.report import Asked, backup_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.rotate import (
    Installed,
    Restored,
    Rotated,
    Rotation,
    SavedRun,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.target import Target, read_secret

from .inventories import NOW, inventory_of
from .issued import issue, secret

HOST = "cluster-eu-1"
CLUSTER = Cluster("eu-1-admin", "https://api.eu-1.example.com:6443", "7d0cf2c1-9a8f-4c55-9d0e-0f7b6a1f2b11")
START = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)
UNDO = (
    "ansible-playbook market_intel.runbooks.rollback_certs "
    "-e rotate_certs_rollback_run=20261123t101500z-rotate-certs-7f3a -e rotate_certs_namespace=market-intel-brain "
    "-e rotate_certs_backup_dir=/srv/runbooks/backups -e rotate_certs_context=eu-1-admin"
)


def run_id(runbook: str) -> str:
    return f"20261123t101500z-{runbook.replace('_', '-')}-7f3a"


def report(
    runbook: str,
    *steps: StepReport,
    mode: str = "run",
    failure: RunbookError | Mapping[str, Any] | None = None,
    state: str = "",
    host: str = HOST,
    cluster: Cluster = CLUSTER,
    seconds: float = 42.5,
) -> Report:
    """Return what a run with these steps would report."""
    failed: Mapping[str, Any] = failure if isinstance(failure, Mapping) else {}
    if isinstance(failure, RunbookError):
        failed = {"msg": str(failure), "state": failure.state, **failure.result}
    about = Run(runbook, host, mode, START + timedelta(seconds=seconds), Operator("4711", "k.meyer"), cluster)
    said = read_steps({"report": step.to_plain()} for step in steps)
    return merge(about, [replace(step, started=START) for step in said], read_failure(failed), state)


# Redis


SERVER = ServerInfo("redis", "7.2.4", (7, 2, 4), "f2a1", "primary", "standalone", 0, "rediss://cache-eu-1:6379/0")
SETTINGS = RedisSettings("rediss://cache-eu-1:6379/0")
FLUSH = FlushRequest((CachePattern("market:data:*", "market-data"), CachePattern("quotes:*", "quotes")))
NO_CLUSTER = Cluster()


def health(keys: int, memory: int, response: float) -> dict[str, Any]:
    figures = {
        "database_keys": keys,
        "used_memory": memory,
        "evicted_keys": 0,
        "connected_clients": 87,
        "response_time_ms": response,
        "replica_lag_bytes": 1024,
    }
    return {**figures, "nodes": [{"url": SERVER.url, **figures}]}


def flush_plan(nodes: int = 1) -> FlushPlan:
    urls = [SERVER.url] if nodes == 1 else [f"redis://10.0.0.{number}:6379/0" for number in range(1, nodes + 1)]
    return FlushPlan(
        server=SERVER,
        topology="standalone" if nodes == 1 else "cluster",
        nodes=[
            {
                "url": url,
                "database_keys": 1_000_000 // nodes,
                "matched": 212_345 // nodes,
                "to_change": 212_345 // nodes,
            }
            for url in urls
        ],
        mode="delete",
        patterns=[
            PatternPlan("market:data:*", "market-data", True, 200_000, 200_000),
            PatternPlan("quotes:*", "quotes", True, 12_345, 12_345),
        ],
        database_keys=1_000_000,
        sample=["market:data:EURUSD:2026-11-23", "market:data:GBPUSD:2026-11-23", "quotes:AAPL"],
        estimated_bytes=61_234_567,
        estimated_seconds=4.2,
        confirm="1f0c3a9b7d2e4f60-212345-20261123T101500Z",
        not_verified=["the rights to EVALSHA, UNLINK (the server does not tell)"],
    )


def flushed(plan: FlushPlan, **changes: Any) -> FlushResult:
    result = FlushResult(
        run_id=run_id("flush_redis"),
        plan=plan,
        before=health(1_000_000, 412_345_678, 0.21),
        after=health(788_000, 351_111_111, 0.23),
        state="planned",
        changed=True,
        remaining=212_345,
        notices=plan.notices,
    )
    return replace(result, **changes)


def acted(plan: FlushPlan, removed: int, **changes: Any) -> FlushResult:
    parts = [{"file": "part-1.resp.gz", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]
    curve = [(second * 0.5, min(removed, removed * second // 8)) for second in range(10)]
    given = {
        "state": "done",
        "begun": True,
        "removed": removed,
        "counts": FlushCounts(removed=removed, gone=212_345 - removed),
        "backup": SavedKeys("/srv/runbooks/backups/redis/" + run_id("flush_redis"), parts, removed, 48_123_456),
        "curve": curve,
        "remaining": 12,
        "phases": {"flush": 4.1, "verify": 0.7},
        "nodes": [{"url": node["url"], "removed": removed // len(plan.nodes)} for node in plan.nodes],
    }
    return flushed(plan, **{**given, **changes})


def flush_step(
    result: FlushResult | None, failure: RunbookError | None = None, *, check: bool = False, **request: Any
) -> StepReport:
    asked = replace(FLUSH, **request)
    return flush_report(SETTINGS, asked, run_id("flush_redis"), START, check, result, failure)


def redis_kinds() -> Iterator[tuple[str, Report]]:
    plan = flush_plan()
    planned = flush_step(flushed(plan), check=True)
    more: dict[str, Any] = {"host": "cache-eu-1", "cluster": NO_CLUSTER, "seconds": 6.2}

    def of(*steps: StepReport, **options: Any) -> Report:
        return report("flush_redis", *steps, **{**more, **options})

    yield "flush-check", of(planned, mode="check")
    yield "flush-begun", of(planned, state="interrupted")
    recovery = {
        "state": "recovered",
        "seconds": 38.0,
        "url": SERVER.url,
        "nodes": [{}],
        "samples": [{"seconds": float(second), "hit_ratio": min(0.95, 0.1 + second / 45)} for second in range(40)],
    }
    yield "flush-done", of(planned, flush_step(acted(plan, 212_345, recovery=recovery)))
    cluster = flush_plan(3)
    slow = acted(cluster, 211_000, notices=["A failover took place: redis://10.0.0.2:6379/0 was replaced."])
    slow.counts.changed = 12
    yield "flush-needs-attention", of(planned, flush_step(slow))
    nothing = flushed(plan, state="unchanged", changed=False, remaining=0)
    nothing.plan = replace(plan, patterns=[replace(each, matched=0, to_change=0) for each in plan.patterns])
    yield "flush-unchanged", of(flush_step(nothing, check=True))
    gone = acted(plan, 0, changed=False, backup=SavedKeys(), remaining=0, after=health(1_000_000, 412_345_678, 0.21))
    yield "flush-nothing-left", of(planned, flush_step(gone))
    refused = Refused("This is production, where the plan must be confirmed (212345 keys match); look at the plan.")
    refused.report = flush_step(flushed(plan, state="refused", changed=False), refused, environment="production")
    yield "flush-refused", of(failure=refused)
    stopped = Interrupted("The flush was stopped after 90000 keys; run the same command again: it continues the run.")
    stopped.report = flush_step(acted(plan, 90_000, state="interrupted", remaining=None), stopped)
    yield "flush-interrupted", of(planned, failure=stopped)
    lost = RunbookError("Redis at rediss://cache-eu-1:6379/0 does not answer (Connection refused); start it.")
    lost.report = flush_step(acted(plan, 90_000, state="failed", remaining=None), lost)
    yield "flush-failed", of(planned, failure=lost)
    unsaved = replace(FLUSH, patterns=tuple(replace(entry, backup=False) for entry in FLUSH.patterns))
    without = acted(plan, 212_345, backup=SavedKeys())
    yield (
        "flush-without-backup",
        of(planned, flush_report(SETTINGS, unsaved, run_id("flush_redis"), START, False, without)),
    )
    early = RunbookError("Redis at rediss://cache-eu-1:6379/0 does not answer (Connection refused); start it.")
    early.report = flush_step(None, early)
    yield "flush-failed-early", of(failure=early)
    yield "flush-killed", of(planned, failure={"msg": "MODULE FAILURE", "module_stdout": "", "rc": 137})

    saved = Path("/srv/runbooks/backups/redis") / run_id("flush_redis")
    back = RestorePlan(
        SERVER, "standalone", {}, 212_345, 200_000, 12_000, 345, 48_123_456, ["market:data:EURUSD"], [], 71_234_567
    )
    for name, check, result, overwrite in (
        ("restore-check", True, RestoreResult(True, back), False),
        ("restore-done", False, RestoreResult(True, back, 200_000, 0), False),
        ("restore-overwritten", False, RestoreResult(True, back, 200_000, 0), True),
        ("restore-unchanged", False, RestoreResult(False, replace(back, to_restore=0, existing=212_000)), False),
    ):
        request = RestoreRequest(saved, overwrite=overwrite, check_mode=check)
        step = restore_report(request, run_id("restore_redis"), START, result)
        yield name, report("restore_redis", step, mode="check" if check else "run", **more)
    caches = [
        CacheStats("market-data", "market:data:*", 200_000, 20_000, 48_123_456, {"string": 190_000}, {"never": 10}),
        CacheStats("quotes", "quotes:*", 12_345, 12_345, 2_123_456, {"hash": 12_345}, {"up to 1 h": 12_345}),
    ]
    traffic = {"seconds": 1.0, "hits": 700, "misses": 30, "hit_ratio": 0.9589}
    stats = StatsResult(SERVER, "standalone", health(1_000_000, 412_345_678, 0.21), traffic, caches, 212_345)
    yield "stats", report("redis_stats", stats_report(SETTINGS, run_id("redis_stats"), START, stats), **more)
    early.report = stats_report(SETTINGS, run_id("redis_stats"), START, None, early)
    yield "stats-failed", report("redis_stats", failure=early, **more)


# Certificates


CA = issue("market-intel-brain CA", ca=True, days=3650, now=START)
SERVICES = ("api-gateway", "core-engine", "report-api")
ASKED = {
    "namespace": "market-intel-brain",
    "names": [],
    "method": "auto",
    "min_remaining": "30%",
    "issued_before": "",
    "force": False,
    "restart": "auto",
    "backup_dir": "/srv/runbooks/backups",
    "run_id": run_id("rotate_certs"),
}


def target(name: str, left: float) -> Target:
    leaf = issue(f"{name}.market-intel-brain.svc", signer=CA, days=90, age=90 - left)
    held = secret("market-intel-brain", f"{name}-tls", leaf, CA)
    material = read_secret(held)
    due = left < 27
    why = f"{left:.1f} days are left, " + ("and less than 27.0 days make it due" if due else "27.0 days are needed")
    return Target(Entry(name, f"{name}-tls"), "cert-manager", held, material, material, due=due, why=why)


def rotation_plan(*left: float) -> RotationPlan:
    targets = tuple(target(name, days) for name, days in zip(SERVICES, left))
    return RotationPlan(
        run_id=run_id("rotate_certs"),
        continues=False,
        rolling_back=False,
        issued_before=None,
        targets=targets,
        consumers=(),
        notices=(),
        not_verified=("whether an Issuer signs with one of the Secrets, which takes the right to list issuers",),
        fingerprint="",
    )


def rotation(plan: RotationPlan) -> Rotation:
    done = []
    for each in plan.due:
        new = issue(f"{each.name}.market-intel-brain.svc", signer=CA, days=90)
        leaf = read_secret(secret("market-intel-brain", each.entry.secret_name, new, CA)).leaf
        done.append(Rotated(each.name, each.entry.secret_name, each.method, each.old.leaf, leaf))
    return Rotation(
        run_id("rotate_certs"),
        tuple(done),
        tuple(Installed(Entry(each.name, each.secret_name), each.new.fingerprint) for each in done),
        tuple(Action(f"{each.name} rotated", True, each.method, START + timedelta(seconds=9)) for each in done),
        (),
    )


def restarted(*names: str, failed: str = "") -> StepReport:
    actions = []
    for number, name in enumerate(names):
        at = START + timedelta(seconds=12 + 6 * number)
        end = (
            ("failed", "ProgressDeadlineExceeded") if name == failed else ("finished", "all pods are new and available")
        )
        actions.append(Action(f"restart of deployment/{name} begun", True, at=at))
        actions.append(Action(f"restart of deployment/{name} {end[0]}", detail=end[1], at=at + timedelta(seconds=5)))
    rows = [
        {"kind": "Deployment", "name": name, "state": "failed" if name == failed else "restarted", "seconds": 5.2}
        for name in names
    ]
    good = sum(name != failed for name in names)
    figures = (Figure("workloads restarted", after=good, unit="workloads"),)
    return StepReport(actions=tuple(actions), figures=figures, details={"workloads": rows})


def proven(*names: str, result: str = "proven") -> StepReport:
    return StepReport(
        proofs=tuple(
            Proof(
                f"every pod of deployment/{name} serves {name}", result, f"2 of 2 pods; {name}-5c6d-x: it serves 9f86d0"
            )
            for name in names
        )
    )


def rotate_kinds() -> Iterator[tuple[str, Report]]:
    asked = Asked(ASKED, run_id("rotate_certs"), START)
    plan = rotation_plan(12.0, 20.0, 60.0)
    planned, names = asked.plan_report(plan), [each.name for each in plan.due]
    saved = SavedRun(plan.run_id, Path("/srv/runbooks/backups/certs") / plan.run_id, "done", True, 18_211, tuple(names))
    kept, done = backup_report(saved), rotation(plan)

    def of(*steps: StepReport, **options: Any) -> Report:
        return report("rotate_certs", *steps, **options)

    yield "rotate-check", of(planned, mode="check")
    acted_on = asked.rotation_report(done, UNDO)
    yield "rotate-done", of(planned, kept, acted_on, restarted(*names), proven(*names))
    unsure = replace(proven(names[0]), degraded=("The Secret core-engine-tls cannot be read.",))
    yield (
        "rotate-needs-attention",
        of(planned, kept, acted_on, restarted(*names), unsure, proven(names[1], result="unknown")),
    )
    yield "rotate-unchanged", of(asked.plan_report(rotation_plan(60.0, 70.0, 80.0)))
    yield "rotate-overtaken", of(planned, backup_report(replace(saved, certificates=())))
    rights = tuple(f"missing right: {verb} secrets in market-intel-brain" for verb in ("get", "patch", "create"))
    refused = Refused(
        "This login at eu-1-admin may not get secrets in the namespace market-intel-brain.", Problems(rights)
    )
    refused.report = asked.plan_report(None, refused)
    yield "rotate-refused", of(failure=refused)
    stuck = RunbookError(
        "The restart of deployment/core-engine in the namespace market-intel-brain failed (not ready)."
    )
    failing = restarted(*names, failed=names[1])
    stuck.report = failing
    put_back = Restored(
        run_id("rotate_certs"),
        "done",
        True,
        tuple(plan.due),
        tuple(Action(f"{name} is as it was before the run", True, at=START + timedelta(seconds=30)) for name in names),
        (),
    )
    back = asked.rollback_report(put_back, False)
    steps = (planned, kept, acted_on, failing)
    yield "rotate-rolled-back", of(*steps, back, restarted(*names), proven(*names), failure=stuck, state="rolled_back")
    left = replace(put_back, back=put_back.back[:1], left=(f"{names[1]}: the secret holds a later certificate by now",))
    yield "rotate-half-back", of(*steps, asked.rollback_report(left, False), failure=stuck, state="rolled_back")
    yield "rotate-failed", of(*steps, failure=stuck)
    stale = RunbookError(
        "1 of 4 still serves another certificate than the expected one after 180 s (core-engine-5c6d)."
    )
    stale.report = proven(names[1], result="failed")
    yield "rotate-stale", of(*steps, failure=stale)
    paused = Refused("The rollout of deployment/core-engine is paused, so that a restart would not begin; resume it.")
    yield "rotate-paused", of(planned, kept, acted_on, failure=paused)

    undoing = Asked(ASKED, run_id("rotate_certs"), START)
    yield (
        "rollback-check",
        report(
            "rollback_certs",
            undoing.rollback_report(replace(put_back, state="planned", timeline=()), True),
            mode="check",
        ),
    )
    yield (
        "rollback-done",
        report("rollback_certs", undoing.rollback_report(put_back, False), restarted(*names), proven(*names)),
    )
    nothing = Restored(run_id("rotate_certs"), "unchanged", False, (), (), ())
    yield "rollback-unchanged", report("rollback_certs", undoing.rollback_report(nothing, False))
    later = Refused("The run cannot be rolled back (core-engine: the secret holds a later certificate by now).")
    later.report = undoing.rollback_report(None, False, later)
    yield "rollback-refused", report("rollback_certs", failure=later)


def check_kinds() -> Iterator[tuple[str, Report]]:
    shared = issue("shop.example.com", days=365, age=368, now=NOW)
    secrets = [secret("shop", "web", shared), secret("shop", "api", shared), secret("mail", "smtp", shared)]
    for number in range(10):
        leaf = issue(f"app-{number}.example.com", days=365, age=358 + number % 6, now=NOW)
        secrets.append(secret("apps", f"app-{number}-tls", leaf))
    for number in range(3):
        secrets.append(secret("apps", f"soon-{number}", issue(f"soon-{number}", days=365, age=340, now=NOW)))

    # A reader takes what it has read out of the objects.
    def good() -> list[dict[str, Any]]:
        return [secret("shop", f"ok-{number}", issue(f"ok-{number}", days=365, age=9, now=NOW)) for number in range(20)]

    before = Difference("20261122t120000z-check-certs-1a2b", "/x", {"critical": 2, "warning": 5}, new=("secret:a/b",))
    paths = {kind: f"/srv/runbooks/reports/x/{HOST}.certificates.{kind}" for kind in ("json", "csv")}

    def of(*steps: StepReport, **options: Any) -> Report:
        return report("check_certs", *steps, seconds=2.4, **options)

    muted = Mute("apps/soon-1", NOW + timedelta(days=9), "is replaced next week")
    bad = inventory_of(*secrets, *good(), mutes=(muted,))
    yield "check-critical", of(check_report(run_id("check_certs"), START, bad, before, paths))
    warning = inventory_of(secret("shop", "soon", issue("soon", days=365, age=340, now=NOW)), *good())
    yield "check-warning", of(check_report(run_id("check_certs"), START, warning, None, paths))
    yield "check-ok", of(check_report(run_id("check_certs"), START, inventory_of(*good()), None, paths))
    unknown = replace(inventory_of(), skew=95.0)
    yield "check-unknown", of(check_report(run_id("check_certs"), START, unknown))
    failure = RunbookError("The API server https://api.eu-1.example.com:6443 does not answer (timed out); start it.")
    failure.report = check_report(run_id("check_certs"), START, None, failure=failure)
    yield "check-failed", of(failure=failure)


# Debugging


READY = [{"type": "Ready", "status": "True"}]


def diagnosed(name: str, *, status: Mapping[str, Any], session: Session | None = None, **facts: Any) -> Diagnosis:
    pod = {
        "metadata": {"name": name, "uid": "1", "labels": {"app": name}, "creationTimestamp": "2026-11-23T09:00:00Z"},
        "spec": {
            "nodeName": "node-3",
            "containers": [
                {
                    "name": "service",
                    "image": "registry.example.com/core-engine:1.42.0",
                    "resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi", "cpu": "100m"}},
                    "env": [{"name": "REDIS_URL", "value": "rediss://cache-eu-1:6379/0"}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8443}, "periodSeconds": 5},
                }
            ],
        },
        "status": {"phase": "Running", "podIP": "10.244.1.17", "qosClass": "Burstable", **status},
    }
    return judge(Facts("market-intel-brain", START, Chosen(name, pod, "it was named"), **facts), session)


def killed() -> dict[str, Any]:
    end = {
        "reason": "OOMKilled",
        "exitCode": 137,
        "startedAt": "2026-11-23T10:05:00Z",
        "finishedAt": "2026-11-23T10:13:00Z",
    }
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 2m40s restarting failed container"}}
    container = {
        "name": "service",
        "ready": False,
        "restartCount": 4,
        "state": waiting,
        "lastState": {"terminated": end},
    }
    return {"conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [container]}


def healthy() -> dict[str, Any]:
    running = {"running": {"startedAt": "2026-11-23T09:00:10Z"}}
    container = {"name": "service", "ready": True, "restartCount": 0, "state": running, "lastState": {}}
    return {"conditions": READY, "containerStatuses": [container]}


def looked(pod: str, **changes: Any) -> Session:
    session = Session(
        asked=f"deployment/{pod}",
        pod=f"{pod}-6d5c6f5c5c-2xk8p",
        uid="1",
        why="the least healthy of 2",
        container="service",
        mode="ephemeral",
        state="collected",
        kind="ephemeral container",
        name="20261123t101500z-debug-pod-7f3a-1",
        place="market-intel-brain",
        beside=True,
        profile="baseline",
        rejected=[("netadmin", 'violates PodSecurity "baseline:latest"')],
        changed=True,
        expires_at="2026-11-23T11:15:00Z",
        sections={"begin": ["10 1"], "routes": ["default via 10.244.0.1 dev eth0"]},
    )
    return replace(session, **changes)


def debug_kinds() -> Iterator[tuple[str, Report]]:
    asked = {"namespace": "market-intel-brain", "targets": ["deployment/core-engine"], "mode": "auto"}
    identity = run_id("debug_pod")

    def of(sessions: Sequence[Session], *diagnoses: Diagnosis, mode: str = "run", **options: Any) -> Report:
        steps = [sessions_report(identity, asked, sessions, check_mode=mode == "check")] if sessions else []
        steps.append(diagnosis_report(identity, asked, diagnoses))
        return report("debug_pod", *steps, mode=mode, **options)

    event = {
        "metadata": {"creationTimestamp": "2026-11-23T10:13:00Z"},
        "involvedObject": {"kind": "Pod", "name": "core-engine-6d5c6f5c5c-2xk8p"},
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off restarting failed container service in pod core-engine-6d5c6f5c5c-2xk8p",
        "count": 12,
        "lastTimestamp": "2026-11-23T10:14:00Z",
    }
    logs = {("service", True): digest("starting\nallocating 128 MiB for the order book\nKilled")}
    sick = {"status": killed(), "events": [event], "logs": logs, "unknown": ["the node: this login may not read it"]}
    pod = "core-engine-6d5c6f5c5c-2xk8p"
    yield "debug-report", of([], diagnosed(pod, **sick))
    session = looked("core-engine")
    yield "debug-critical", of([session], diagnosed(pod, session=session, **sick))
    live = looked("core-engine", state="live", commands=[f"kubectl attach -n market-intel-brain -it {pod} -c x"])
    yield "debug-interactive", of([live], diagnosed(pod, session=live, **sick))
    tried = looked("core-engine", state="planned", sections={})
    yield "debug-check", of([tried], diagnosed(pod, session=tried, **sick), mode="check")
    yield "debug-ok", of([], diagnosed("report-api-7b9f-abcde", status=healthy()))
    several = (
        diagnosed("report-api-7b9f-abcde", status=healthy()),
        diagnosed(pod, **sick),
        diagnosed("api-gateway-5c6d-x2x2x", status={"phase": "Pending", "conditions": []}),
    )
    yield "debug-several", of([], *several)
    absent = RunbookError("There is no deployment core-engin in the namespace market-intel-brain; correct the name.")
    absent.report = failed_report(identity, asked, absent)
    yield "debug-failed", report("debug_pod", failure=absent)

    def left(number: int, state: str, outcome: str, why: str) -> cleanup.Settled:
        name = f"20261123t08150{number}z-debug-pod-7f3a-1"
        found = cleanup.Leftover(
            "job" if number % 2 else "ephemeral container", "sre-debug", name, pod, name[:-2], state, "", 7200.0
        )
        return cleanup.Settled(found, outcome, why)

    everywhere = CleanupRequest()
    listed = cleanup.Cleanup(
        (
            left(0, "live", "stays", "it is in use until 2026-11-23T11:15:00Z, and then ends by itself"),
            left(1, "expired", "would be removed", "it has expired"),
            left(2, "orphaned", "would be ended", "its pod is gone"),
        ),
        ("pods in kube-system: this login may not list them",),
    )
    yield "debug-list", report("list_debug_pods", cleanup_report(identity, everywhere, listed, check_mode=True))
    yield (
        "debug-list-none",
        report("list_debug_pods", cleanup_report(identity, everywhere, cleanup.Cleanup((), ()), check_mode=True)),
    )
    ended = cleanup.Cleanup(
        (left(0, "live", "stays", "it is in use"), left(1, "expired", "removed", "it has expired")), ()
    )
    yield "debug-cleanup", report("cleanup_debug_pods", cleanup_report(identity, everywhere, ended, check_mode=False))
    jammed = cleanup.Cleanup((left(1, "expired", "failed", "the API server refuses to delete it"),), ())
    yield (
        "debug-cleanup-failed",
        report("cleanup_debug_pods", cleanup_report(identity, everywhere, jammed, check_mode=False)),
    )


def kinds() -> dict[str, Report]:
    """Return every kind of report by a name."""
    return {name: each for part in (redis_kinds, rotate_kinds, check_kinds, debug_kinds) for name, each in part()}


def write_all(folder: Path) -> None:
    """Write each kind into a folder of its own, and two runs over several hosts."""
    found = kinds()
    for name, each in found.items():
        write(each, str(folder / name))
    for number, name in enumerate(("flush-done", "flush-needs-attention", "flush-failed", "flush-unchanged"), 1):
        write(replace(found[name], host=f"cache-eu-{number}"), str(folder / "index-flush"))
    for number, name in enumerate(("check-critical", "check-warning", "check-ok", "check-failed"), 1):
        write(replace(found[name], host=f"cluster-eu-{number}"), str(folder / "index-check"))
