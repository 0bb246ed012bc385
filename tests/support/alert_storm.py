# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many alerts at once, and responses that are killed: what the guard has let through, and what is left of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from ansible_collections.market_intel.runbooks.plugins.module_utils._guard.guard import enter
from ansible_collections.market_intel.runbooks.plugins.module_utils._guard.policy import Policy, Request
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiLogin, ApiSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import parse_time, utc_now

from .alert_scene import Scene
from .ansible import start_playbook
from .lab import Lab
from .pods import Namespace
from .processes import wait_until

ALERTS, TARGETS, ALLOWED, AT_ONCE = 500, 50, 5, 16
_MOST_BYTES = 256_000


def play(lab: Lab, namespace: str, seed: int) -> list[str]:
    """Have all alerts ask the guard, as many at once as a rulebook runs, and return the rules that decided."""
    policy = Policy((namespace,), cooldown=600, window=3600, max_runs=2, max_targets=ALLOWED)
    settings = ApiSettings(kubeconfig=str(lab.state / "kubeconfig"))
    numbers = list(range(ALERTS))
    random.Random(seed).shuffle(numbers)

    def ask(number: int) -> str:
        login = ApiLogin(settings, f"market_intel.runbooks/storm-{number}")
        until = utc_now() + timedelta(seconds=600)
        request = Request(f"run-{number}", "flush_redis", f"shop/{number % TARGETS}", namespace, until)
        return enter(login, namespace, policy, request, 600, "").decision.rule

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, numbers))


def problems(place: Namespace, rules: Sequence[str]) -> list[str]:
    """Return what is wrong after a storm."""
    data = place.lab.get("configmap", "runbooks-guard", "-n", place.name)["data"]
    runs, decisions = json.loads(data["runs"]), json.loads(data["decisions"])
    recorded = sum(each.get("times", 1) for each in decisions)
    size = sum(map(len, data.values()))
    found = []
    if rules.count("allowed") != ALLOWED or len(runs) != ALLOWED:
        found.append(f"{rules.count('allowed')} runs were allowed and {len(runs)} recorded, not {ALLOWED}")
    if recorded != len(rules):
        found.append(f"{recorded} of {len(rules)} decisions are on record")
    if size > _MOST_BYTES:
        found.append(f"the record has {size} bytes")
    return found


MOMENTS: dict[str, Callable[[Scene], bool]] = {
    "before it asks": lambda scene: True,
    "while it assesses": lambda scene: bool(scene.servers.requests),
    "once it may act": lambda scene: bool(scene.kept("runs")),
    "once it has silenced": lambda scene: bool(scene.servers.silences),
    "while it proves recovery": lambda scene: any("p99" in str(each) for each in scene.servers.requests),
}


def kill(scene: Scene, moment: str, seconds: float) -> tuple[bool, list[str]]:
    """Kill a response so many seconds after a moment, with all of its processes.

    Return whether it was still at work, and what is wrong afterwards.
    """
    with start_playbook("respond_to_alert", scene.variables(), cwd=scene.folder) as running:
        wait_until(lambda: MOMENTS[moment](scene) or running.popen.poll() is not None, 300, moment, interval=0.05)
        time.sleep(seconds)
        hit = running.popen.poll() is None
        running.kill_tree()
    found = []
    for silence in scene.servers.silences.values():
        ends_at = parse_time(silence["endsAt"])
        if ends_at is None or ends_at > utc_now() + timedelta(hours=1):
            found.append(f"a silence ends at {silence['endsAt']}")
    lost = [each["run_id"] for each in scene.kept("runs") if not each.get("finished")]
    scene.client.set("market:data:again", "x")
    result = scene.respond(alert_response_cooldown=0)
    if result.rc != 0 or scene.keys:
        found.append(f"the next run ended with {result.rc} and left {scene.keys} keys: {result.output[-300:]}")
    report = json.dumps(scene.report(result))
    found += [f"the next run says nothing of {run_id}" for run_id in lost if run_id not in report]
    return hit, found
