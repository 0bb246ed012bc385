# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a diagnosis of a pod takes: the report, and that from inside against kubectl debug and kubectl logs."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runs import empty_play, ratio, succeeds, timed

from support.ansible import run_module, run_playbook
from support.audit import kubernetes_requests
from support.lab import Lab
from support.patients import DEBUG, container, pod, variables
from support.pods import Namespace
from support.processes import wait_until

ROUNDS = 3
TARGETS = 28
# What the collector does, as somebody would type it.
_BY_HAND = """
ip -s addr; ip route show table all; ip rule; ss -tanp; ss -uanp; ss -s; cat /etc/resolv.conf /etc/hosts
dig +search kubernetes.default.svc A
ps -ww -eo pid,ppid,user:20,stat,nlwp,rss,etimes,args
cat /proc/1/status /proc/1/limits; ls -l /proc/1/fd; cat /proc/1/mounts; df -Pk /proc/1/root
head -n 5 /proc/meminfo; cat /proc/loadavg
"""


def measure(note: Callable[..., None], lab: Lab, folder: Path) -> None:
    """Measure in a lab; `note` takes name, value, unit and goal."""
    with Namespace(lab) as place:
        names = [f"web-{number}" for number in range(TARGETS)]
        place.apply({"apiVersion": "v1", "kind": "List", "items": [pod(name, container()) for name in names]})
        place.wait_for(*names)
        given = variables(place, folder, "", debug_pod_reuse_age=0)
        options = {"kubeconfig": given["debug_pod_kubeconfig"], "namespace": place.name}
        reports, modules, all_modules, all_reports, ours, all_ours, theirs, empty = ([] for _list in range(8))
        for number in range(ROUNDS):
            one = {**given, "debug_pod_targets": names[number]}
            every = {**given, "debug_pod_targets": names}
            empty.append(timed(lambda: empty_play(folder)))
            reports.append(timed(lambda v=one: _play({**v, "debug_pod_mode": "report"})))  # type: ignore[misc]
            all_reports.append(timed(lambda v=every: _play({**v, "debug_pod_mode": "report"})))  # type: ignore[misc]
            theirs.append(timed(lambda n=number: _by_hand(lab, place.name, names[n + ROUNDS], f"by-hand-{n}")))  # type: ignore[misc]
            ours.append(timed(lambda v=one: _play(v)))  # type: ignore[misc]
            all_ours.append(timed(lambda v=every: _play(v)))  # type: ignore[misc]
            modules.append(timed(lambda t=names[number]: run_module("pod_diagnosis_info", {**options, "targets": [t]})))  # type: ignore[misc]
            all_modules.append(timed(lambda: run_module("pod_diagnosis_info", {**options, "targets": names})))
        result = run_module("pod_diagnosis_info", {**options, "targets": names[:1]})
        requests = kubernetes_requests(lab.state / "audit" / "kubernetes.log", result["run_id"])
    note("a playbook with one debug task", statistics.median(empty), "s", "0.6 where goals were set")
    note("debug_pod_mode=report, the whole playbook", statistics.median(reports), "s", "below 4")
    note("that / a playbook with one debug task", ratio(reports, empty), "x", "at most 3.2")
    note(f"debug_pod_mode=report, {TARGETS} pods, the whole playbook", statistics.median(all_reports), "s")
    note("that / a playbook with one debug task", ratio(all_reports, empty), "x", "at most 8")
    note("pod_diagnosis_info, one pod", statistics.median(modules), "s")
    note(f"pod_diagnosis_info, {TARGETS} pods", statistics.median(all_modules), "s")
    note("requests for one pod with one container", len(requests), "", "at most 27")
    note("debug_pod with an inspection from inside, the whole playbook", statistics.median(ours), "s")
    note("kubectl debug and kubectl logs with the same commands", statistics.median(theirs), "s")
    more = [one - other for one, other in zip(ours, theirs, strict=True)]
    note("what the playbook takes more", statistics.median(more), "s", "at most 3")
    note("that / a playbook with one debug task", ratio(more, empty), "x", "at most 4")
    note(f"debug_pod with inspections of {TARGETS} pods, the whole playbook", statistics.median(all_ours), "s")
    by_hand = ratio(all_ours, [one * TARGETS for one in theirs])
    note(f"that / {TARGETS} times kubectl debug and kubectl logs", by_hand, "x", "below 1")


def _by_hand(lab: Lab, namespace: str, name: str, debugger: str) -> None:
    there = ("-n", namespace)
    command = (
        "debug",
        name,
        *there,
        f"--image={DEBUG}",
        "--target=main",
        "--profile=netadmin",
        f"--container={debugger}",
    )
    lab.run("kubectl", *command, "--", "sh", "-c", _BY_HAND)

    def ended() -> bool:
        statuses = lab.get("pod", name, *there)["status"].get("ephemeralContainerStatuses") or []
        return any("terminated" in each["state"] for each in statuses if each["name"] == debugger)

    wait_until(ended, 60, "the ephemeral container", 0.2)
    assert lab.run("kubectl", "logs", name, *there, "-c", debugger)


def _play(given: dict[str, Any]) -> None:
    succeeds(run_playbook("debug_pod", given))
