# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each playbook takes where there is nothing to do, in this checkout and, by turns, in another one.

`BENCH_BEFORE=/path/of/another/checkout make bench T=empty_runs`

Beside each run stands a play with one debug task, or with that and the start of one module: the ratios are of these.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from runs import empty_play, ratio, started_play, succeeds, timed

from support.ansible import ROOT, Result, run_playbook
from support.certs import PASSWORD
from support.handshakes import issue
from support.lab import Lab
from support.patients import pod
from support.pods import Namespace

ROUNDS = 5
# How many times as long as which play a run may take.
GOALS: dict[str, tuple[Callable[[Path], None], str, float]] = {
    "rotate_certs": (started_play, "one debug task and one module start", 2.5),
    "rotate_certs --check": (started_play, "one debug task and one module start", 2.5),
    "debug_pod": (empty_play, "one debug task", 3.2),
}


def checkouts() -> dict[str, Path]:
    before = os.environ.get("BENCH_BEFORE")
    return {**({"before": Path(before)} if before else {}), "now": ROOT}


def measure(note: Callable[..., None], url: str, lab: Lab, folder: Path) -> None:
    """Measure in a lab; `note` takes name, value, unit and goal. The Redis at the URL has no key that matches."""
    with Namespace(lab) as place:
        place.apply(pod("web"))
        for name in checkouts():
            issue(place, f"web-{name}")
        place.wait_for("web")
        # Each with backups of its own, since an older checkout cannot read what a newer one has written.
        runs = {name: _runs(checkout, name, url, place, folder / name) for name, checkout in checkouts().items()}
        for command in runs["now"]:
            base, base_name, goal = GOALS.get(command, (None, "", 0.0))
            seconds: dict[str, list[float]] = {name: [] for name in ("base", *checkouts())}
            for number in range(ROUNDS + 1):
                for name, checkout in checkouts().items():
                    variables = runs[name][command]
                    took = timed(lambda c=checkout, p=command, v=variables: succeeds(_run(c, p, v, folder)))  # type: ignore[misc]
                    # The first one fills what is cached for the others.
                    seconds[name] += [took] if number else []
                if base and number:
                    seconds["base"].append(timed(lambda run=base: run(folder)))  # type: ignore[misc]
            what = f"{command} with nothing to do" if "--check" not in command else f"{command} of one certificate"
            for name in checkouts():
                limit = "" if name == "before" else "below 4"
                note(f"{what}, {name}", statistics.median(seconds[name]), "s", limit)
                if base:
                    limit = "" if name == "before" else f"at most {goal}"
                    note(
                        f"{command} / a play with {base_name}, {name}",
                        ratio(seconds[name], seconds["base"]),
                        "x",
                        limit,
                    )
            if base:
                note(f"a play with {base_name}", statistics.median(seconds["base"]), "s")


def _run(checkout: Path, command: str, variables: dict[str, Any], folder: Path) -> Result:
    playbook, _blank, check = command.partition(" ")
    collections = checkout / ".ansible" / "collections"
    place = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_CONFIG": str(checkout / "ansible.cfg")}
    return run_playbook(playbook, variables, check=bool(check), cwd=folder, env=place)


def _runs(checkout: Path, name: str, url: str, place: Namespace, folder: Path) -> dict[str, dict[str, Any]]:
    """Return the variables of each playbook, after what brings it into a state in which nothing is to be done."""
    folder.mkdir()
    stores = {"backup_dir": str(folder / "backups"), "reports_dir": str(folder / "reports")}
    login = {"kubeconfig": str(place.lab.state / "kubeconfig")}
    caches = _of("flush_redis", url=url, names="market-data", accept_ephemeral_storage=True, max_share=1, **stores)
    # The older name of skip_prompt as well, for checkouts from before it.
    caches |= _of("flush_redis", skip_prompt=True, force=True, recovery_timeout=0)
    certs = _of("rotate_certs", **login, **stores, namespace=place.name, names=[f"web-{name}"], skip_prompt=True)
    certs |= _of("rotate_certs", backup_password=PASSWORD, accept_ephemeral_storage=True)
    certificate = {"name": f"web-{name}", "secret_name": f"web-{name}-tls", "cert_manager": True}
    certs |= _of("rotate_certs", certificates=[certificate])
    debug = _of("debug_pod", **login, reports_dir=stores["reports_dir"], namespace=place.name, targets="web")

    def run(playbook: str, variables: dict[str, Any]) -> Result:
        result = _run(checkout, playbook, variables, folder)
        succeeds(result)
        return result

    rotated = run("rotate_certs", {**certs, "rotate_certs_force": True})
    undo = {**certs, "rotate_certs_rollback_run": rotated.by_action("cert_backup")[0].result["run_id"]}
    run("rollback_certs", undo)
    # A key that no other run is about.
    with redis.Redis.from_url(url) as client:
        client.set("restored:1", "x")
    flushed = run("flush_redis", {**caches, "flush_redis_names": "", "flush_redis_patterns": "restored:*"})
    restore = {**caches, "flush_redis_restore_run": str(flushed.by_action("redis_flush")[-1].result["run_id"])}
    run("restore_redis", restore)
    return {
        "flush_redis": caches,
        "redis_stats": {**caches, "flush_redis_stats_interval": 0.1},
        "restore_redis": restore,
        "rotate_certs": certs,
        "rotate_certs --check": {**certs, "rotate_certs_force": True},
        "rollback_certs": undo,
        "check_certs": {**certs, "rotate_certs_check_namespaces": place.name},
        "debug_pod": {**debug, "debug_pod_mode": "report"},
        "list_debug_pods": {**debug, "debug_pod_namespaces": place.name},
        "cleanup_debug_pods": {**debug, "debug_pod_namespaces": place.name},
    }


def _of(role: str, **values: Any) -> dict[str, Any]:
    return {f"{role}_{name}": value for name, value in values.items()}
