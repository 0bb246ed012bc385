# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each playbook takes where there is nothing to do, in this checkout and, by turns, in another one.

`BENCH_BEFORE=/path/of/another/checkout make bench T=empty_runs`
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from runs import succeeds, timed

from support.ansible import ROOT, Result, run_playbook
from support.certs import PASSWORD
from support.handshakes import issue
from support.lab import Lab
from support.patients import pod
from support.pods import Namespace

ROUNDS = 5


def checkouts() -> dict[str, Path]:
    before = os.environ.get("BENCH_BEFORE")
    return {**({"before": Path(before)} if before else {}), "now": ROOT}


def measure(note: Callable[..., None], url: str, lab: Lab, folder: Path) -> None:
    """Measure in a lab; `note` takes name, value, unit and goal. The Redis at the URL has no key that matches."""
    with Namespace(lab) as place:
        place.apply(pod("web"))
        issue(place, "web")
        place.wait_for("web")
        runs = _runs(url, place, folder)
        for playbook, variables in runs.items():
            seconds: dict[str, list[float]] = {name: [] for name in checkouts()}
            for number in range(ROUNDS + 1):
                for name, checkout in checkouts().items():
                    took = timed(lambda c=checkout, p=playbook, v=variables: succeeds(_run(c, p, v, folder)))  # type: ignore[misc]
                    # The first one fills what is cached for the others.
                    seconds[name] += [took] if number else []
            for name, all_of_them in seconds.items():
                goal = "" if name == "before" else "below 4"
                note(f"{playbook} with nothing to do, {name}", statistics.median(all_of_them), "s", goal)


def _run(checkout: Path, playbook: str, variables: dict[str, Any], folder: Path) -> Result:
    collections = checkout / ".ansible" / "collections"
    place = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_CONFIG": str(checkout / "ansible.cfg")}
    return run_playbook(playbook, variables, cwd=folder, env=place)


def _runs(url: str, place: Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the variables of each playbook, after what brings it into a state in which nothing is to be done."""
    stores = {"backup_dir": str(folder / "backups"), "reports_dir": str(folder / "reports")}
    login = {"kubeconfig": str(place.lab.state / "kubeconfig")}
    caches = _of("flush_redis", url=url, names="market-data", accept_ephemeral_storage=True, max_share=1, **stores)
    # The older name of skip_prompt as well, for checkouts from before it.
    caches |= _of("flush_redis", skip_prompt=True, force=True, recovery_timeout=0)
    certs = _of("rotate_certs", **login, **stores, namespace=place.name, names=["web"], skip_prompt=True)
    certs |= _of("rotate_certs", backup_password=PASSWORD, accept_ephemeral_storage=True)
    certs |= _of("rotate_certs", certificates=[{"name": "web", "secret_name": "web-tls", "cert_manager": True}])
    debug = _of("debug_pod", **login, reports_dir=stores["reports_dir"], namespace=place.name, targets="web")

    rotated = run_playbook("rotate_certs", {**certs, "rotate_certs_force": True}, cwd=folder)
    succeeds(rotated)
    undo = {**certs, "rotate_certs_rollback_run": rotated.by_action("cert_backup")[0].result["run_id"]}
    succeeds(run_playbook("rollback_certs", undo, cwd=folder))
    return {
        "flush_redis": caches,
        "redis_stats": {**caches, "flush_redis_stats_interval": 0.1},
        "restore_redis": {**caches, "flush_redis_restore_run": _flushed(url, caches, folder)},
        "rotate_certs": certs,
        "rollback_certs": undo,
        "check_certs": {**certs, "rotate_certs_check_namespaces": place.name},
        "debug_pod": {**debug, "debug_pod_mode": "report"},
        "list_debug_pods": {**debug, "debug_pod_namespaces": place.name},
        "cleanup_debug_pods": {**debug, "debug_pod_namespaces": place.name},
    }


def _of(role: str, **values: Any) -> dict[str, Any]:
    return {f"{role}_{name}": value for name, value in values.items()}


def _flushed(url: str, given: dict[str, Any], folder: Path) -> str:
    """Flush a key that no other run is about and put it back, and return the id of the flush."""
    with redis.Redis.from_url(url) as client:
        client.set("restored:1", "x")
    flushed = run_playbook("flush_redis", {**given, "flush_redis_names": "", "flush_redis_patterns": "restored:*"})
    succeeds(flushed)
    run_id = str(flushed.by_action("redis_flush")[-1].result["run_id"])
    succeeds(run_playbook("restore_redis", {**given, "flush_redis_restore_run": run_id}, cwd=folder))
    return run_id
