# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a pod, the most likely cause first. PRIVATE to the collection.

Each rule is a function that looks at one kind of trouble and yields it with its evidence.
"""

from __future__ import annotations

from ..._k8s.objects import is_ready
from ..._severity import INFO, WARNING, rank
from ..._time import ago, parse_time
from ..collector_output import Sections
from ..finding import Finding
from ..observed import Facts
from ..statuses import is_running, waiting
from . import (
    changes,
    containers,
    logs,
    network,
    node,
    owners,
    peers,
    podless,
    probes,
    references,
    scheduling,
    siblings,
    startup,
)
from .common import Rule, container_states, shorten


def find(facts: Facts, sections: Sections, tried: str = "") -> list[Finding]:
    """Return what is wrong, by severity and then by the order of causes; never an empty list.

    ``tried`` is the state of the inspection from inside, if there was one.
    """
    found = [finding for rule in RULES for finding in rule(facts, sections)]
    kinds = {each.kind for each in found}
    found = [each for each in found if not kinds & _EXPLAINED_BY.get(each.kind, set())]
    found.sort(key=lambda each: (-rank(each.severity), each.severity == INFO and each.kind not in _ANSWERS))
    if not any(each.severity != INFO or each.kind in _ANSWERS for each in found):
        found.insert(0, _nothing(facts, sections, tried))
    return found


def find_without_pod(facts: Facts) -> list[Finding]:
    """Return why a workload has no pod, never an empty list; ``owners`` are what is known of it."""
    found = [finding for rule in RULES_OF_OWNERS for finding in rule(facts, {})]
    found = found or list(owners.last_warning(facts, {}))
    found.sort(key=lambda each: -rank(each.severity))
    if not any(each.severity != INFO or each.kind in podless.ANSWERS for each in found):
        owner = facts.owners[-1]
        name = f"{owner['kind'].lower()} {owner['metadata']['name']}"
        wanted = owner["spec"].get("replicas")
        found.insert(
            0,
            Finding(
                "no_pod",
                WARNING,
                f"{facts.chosen.asked} has no pod, and nothing tells why",
                f"{wanted} are wanted" if wanted is not None else "",
                f"look at its events and conditions (kubectl describe {name} -n {facts.namespace})",
            ),
        )
    return found


# What says only that something is wrong is dropped where the cause is known.
_EXPLAINED_BY = {
    "failed": {
        "ended",
        "oom_killed",
        "lost",
        "container_start",
        "disrupted",
        "post_start",
        "startup_probe",
        "liveness",
    },
    "terminating": {"disrupted"},
}

# What is only good to know, and yet answers what was asked.
_ANSWERS = ("job_progress", "statefulset_service", "log_slow", "old_revision")
# So long, a start is no reason to look for more.
_YOUNG_SECONDS = 30.0
_AFTER = {
    "": "inspect it from inside (debug_pod_mode=auto)",
    "planned": "run it without --check to inspect it from inside",
    "live": "open the shell by one of the lines below",
    "none": "fix what prevented the inspection, which is named under Degraded",
}


def _nothing(facts: Facts, sections: Sections, tried: str) -> Finding:
    looked = "the API server and from inside" if sections else "the API server"
    parts = len(facts.unknown)
    unknown = f"; {'one part' if parts == 1 else f'{parts} parts'} could not be read" if parts else ""
    phase = facts.pod["status"].get("phase")
    evidence = f"phase {phase}, {'ready' if is_ready(facts.pod) else 'not ready'}"
    silent = [
        name
        for name, status, _init in container_states(facts)
        if is_running(status) and (log := facts.logs.get((name, False))) and not log.lines
    ]
    evidence += f"; the log of {', '.join(silent)} is empty, or has just been rotated" if silent else ""
    step = "look at what calls it, and at what it calls" if sections else _AFTER.get(tried, _AFTER[""])
    if is_ready(facts.pod) or phase == "Succeeded":
        return Finding("healthy", INFO, f"nothing suspicious is seen by {looked}{unknown}", evidence, step)
    waits = [
        f"{name} waits: {waiting(status)['reason']}"
        for name, status, _init in container_states(facts)
        if waiting(status).get("reason")
    ]
    conditions = [
        f"{each['type']}: {each.get('message') or each.get('reason') or 'False'}"
        for each in facts.pod["status"].get("conditions") or []
        if each["status"] == "False"
    ]
    status = facts.pod["status"]
    told = " ".join(str(status[each]) for each in ("reason", "message") if status.get(each))
    made = parse_time(facts.pod["metadata"].get("creationTimestamp"))
    young = made is not None and (facts.now - made).total_seconds() < _YOUNG_SECONDS
    what = (
        f"was made {ago(made, facts.now)}, and is not ready yet"
        if made and young
        else "is not ready, and no rule knows why"
    )
    return Finding(
        "not_ready",
        WARNING,
        f"the pod {what}{unknown}",
        shorten("; ".join(filter(None, [evidence, told, *waits, *conditions]))),
        "read its events and conditions below, and look again in a minute if it was just made",
    )


# In the order of causes: what keeps a container from starting comes before what one that does not run cannot do.
RULES: tuple[Rule, ...] = (
    startup.evicted,
    startup.disrupted,
    node.not_ready,
    node.missing,
    owners.revision,
    startup.terminating,
    startup.failed,
    scheduling.claims,
    scheduling.unschedulable,
    startup.image_pull,
    references.missing_references,
    startup.container_config,
    startup.container_start,
    startup.sandbox,
    startup.mount,
    startup.making,
    containers.oom_killed,
    containers.lost,
    containers.oom_killed_process,
    startup.init_failing,
    startup.init_stuck,
    startup.init_running,
    containers.ended,
    containers.outlived,
    probes.killed,
    probes.sidecar_starting,
    owners.job,
    owners.refused,
    owners.rollout,
    network.dns,
    network.dns_in_log,
    peers.called_by_node,
    network.dns_slow,
    peers.called,
    peers.dependencies,
    network.certificates,
    probes.readiness,
    probes.readiness_gates,
    references.stale_environment,
    containers.disks,
    logs.errors,
    probes.liveness_failing,
    logs.more_warnings,
    logs.other_errors,
    logs.waits,
    logs.slow,
    owners.ordinals,
    owners.autoscaler,
    owners.governing_service,
    owners.job_progress,
    podless.cronjob,
    network.service_selectors,
    network.service_ports,
    peers.ingresses,
    peers.routes,
    network.policies_that_isolate,
    network.policies_that_limit,
    network.policies_of_nobody,
    node.pressure,
    node.cordoned,
    containers.memory_grows,
    containers.memory_near_limit,
    containers.memory_near_cgroup_limit,
    containers.throttled,
    containers.starved,
    containers.cpu_near_limit,
    containers.zombies,
    containers.pressure,
    containers.open_files,
    network.close_wait,
    network.syn_sent,
    owners.disruptions,
    changes.last_revision,
    siblings.static_pod,
    siblings.image_drift,
    siblings.not_ready,
)
# Those that need no pod.
RULES_OF_OWNERS: tuple[Rule, ...] = (
    owners.job,
    owners.refused,
    owners.scaled_to_zero,
    owners.daemonset,
    owners.rollout,
    owners.autoscaler,
    podless.old_replicaset,
    podless.job_done,
    podless.cronjob,
    podless.service,
    podless.ingress,
    podless.claim,
    podless.node,
)
