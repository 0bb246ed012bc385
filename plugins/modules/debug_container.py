#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: debug_container
short_description: Look at pods from inside, and leave nothing that runs for ever
version_added: 1.0.0
description:
  - Adds an ephemeral container to a pod, in the network of the pod and beside the processes of one of its containers.
    Its command collects and ends by itself; what it prints is read from its log, so that no right to execute anything
    is needed, and the end of this module or of its machine ends nothing too late.
  - Its security context is computed from the pod. The most useful one that the API server takes in a dry run is used,
    and if the kubelet cannot start it, the next one.
  - O(mode=copy) and O(mode=node) make a Job, whose end is enforced by the process, the kubelet and the
    controller of Jobs.
  - Where no mode is possible, RV(sessions[].degraded) says why, and the module does not fail.
  - O(state=absent) ends and removes what has expired or lost its pod, in all namespaces or some. A Job is ours if its
    annotation C(market-intel.runbooks/run-id) is the id of a run, whatever its labels are.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.actiongroup_k8s
  - market_intel.runbooks._k8s
  - market_intel.runbooks._progress
attributes:
  check_mode:
    support: full
    details:
      - The API server only tries what would be made (C(dryRun=All)); the profile that would be used is returned.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A session that is live, and a collection younger than O(reuse_age), are used again.
options:
  state:
    description: V(present) looks at O(targets), V(absent) cleans up.
    type: str
    choices: [present, absent]
    default: present
  namespace:
    description: The namespace of the pods. Required for O(state=present).
    type: str
    default: ''
  namespaces:
    description: Where to clean up with O(state=absent). Without any, everywhere.
    type: list
    elements: str
    default: []
  runs:
    description:
      - The runs whose sessions are cleaned up with O(state=absent), by their ids. Without any, those of all runs.
    type: list
    elements: str
    default: []
  everybody:
    description: With O(state=absent) and O(force), end the live sessions of everybody.
    type: bool
    default: false
  targets:
    description:
      - What to look at, as the option of M(market_intel.runbooks.pod_diagnosis_info). Required for O(state=present).
      - Targets that are one pod have one container. Of V(all) and of nodes, nothing is inspected from inside.
    type: list
    elements: str
    default: []
  container:
    description: The container to look at. Without it, one that is not ready, or the pod's default one.
    type: str
    default: ''
  mode:
    description:
      - V(auto) and V(ephemeral) add an ephemeral container, V(copy) runs a copy of the pod, V(node) looks from the
        pod's node, and V(report) does nothing.
    type: str
    choices: [auto, report, ephemeral, copy, node]
    default: auto
  image:
    description: The image of the session's container. It needs a POSIX shell; what other tools it lacks is reported.
    type: str
    default: docker.io/nicolaka/netshoot:v0.13
  image_pull_policy:
    description: When the image is pulled.
    type: str
    choices: [Always, IfNotPresent, Never]
    default: IfNotPresent
  ttl:
    description: After how many seconds everything has ended, whoever is still there.
    type: int
    default: 3600
  collect:
    description:
      - What to collect from inside, V(network), V(system) or both; V(kubernetes) and V(logs) are for O(diagnose).
    type: list
    elements: str
    default: [network, system, kubernetes, logs]
  dependencies:
    description:
      - What the pod talks to, as V(HOST:PORT) or V(HOST:PORT:tls). Without any, what its variables and arguments name.
    type: list
    elements: str
    default: []
  capture:
    description:
      - Capture packets while collecting. What they hold cannot be redacted, so that only 128 bytes of each are kept.
    type: dict
    suboptions:
      seconds:
        description: How long, counted from when tcpdump listens, at most 600; 0 captures nothing.
        type: int
        default: 0
      filter:
        description: What to capture, in the language of pcap-filter(7), as in V(tcp port 6379).
        type: str
        default: ''
      interface:
        description: The interface.
        type: str
        default: any
      max_bytes:
        description: How much at most, up to 4194304 bytes.
        type: int
        default: 1048576
  directory:
    description: Absolute path of the folder for captured packets. Required with O(capture).
    type: path
  interactive:
    description: Leave a shell there until O(ttl) is over instead of collecting, and return the lines that lead to it.
    type: bool
    default: false
  privileged:
    description: Try a privileged container first. Needed to enter a pod's network from its node.
    type: bool
    default: false
  reuse_age:
    description: How many seconds a collection is young enough to be used again.
    type: int
    default: 300
  max_ephemeral:
    description: How many ephemeral containers a pod may have, since they cannot be removed.
    type: int
    default: 10
  force:
    description:
      - Use nothing again; with O(state=absent), end also what is live, of O(runs) or, with O(everybody), of everybody.
    type: bool
    default: false
  timeout:
    description: How many seconds to wait for the session's container, beyond the time of O(capture).
    type: float
    default: 60.0
  node_namespace:
    description: The namespace for Jobs of O(mode=node). It has to allow privileged pods.
    type: str
    default: sre-debug
  copy_command:
    description:
      - With O(mode=copy), run this command in the container's own image instead of collecting. If it ends soon, its
        last 1,000 lines and its exit code are returned.
    type: list
    elements: str
    default: []
  diagnose:
    description:
      - Say what is wrong with the targets as well, as M(market_intel.runbooks.pod_diagnosis_info) does, with what was
        seen from inside. What that takes is read while the collectors work.
    type: bool
    default: false
  tail_lines:
    description: With O(diagnose), how many of the last lines of each log are shown.
    type: int
    default: 200
  run_id:
    description: The id of this run, such as V(20261123t101500z-debug-pod-7f3a). Without it, one is made.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.pod_diagnosis_info
"""

EXAMPLES = r"""
- name: Look at a pod from inside
  market_intel.runbooks.debug_container:
    namespace: market-intel-brain
    targets: [deployment/core-engine]

- name: Say what is wrong, with what is seen there
  market_intel.runbooks.debug_container:
    namespace: market-intel-brain
    targets: [deployment/core-engine]
    diagnose: true

- name: Remove what has expired
  market_intel.runbooks.debug_container:
    state: absent
"""

RETURN = r"""
run_id:
  description: The id of the run.
  returned: always
  type: str
  sample: 20261123t101500z-debug-pod-7f3a
sessions:
  description: One for each target.
  returned: O(state=present)
  type: list
  elements: dict
  contains:
    asked:
      description: The target.
      type: str
      sample: deployment/core-engine
    pod:
      description: The pod that was chosen.
      type: str
      sample: core-engine-6d5c6f5c5c-2xk8p
    same_as:
      description: The earlier target that is the same pod, whose session this is; empty if there is none.
      type: str
      sample: ''
    container:
      description: The container that is looked at.
      type: str
      sample: service
    mode:
      description: The way that was taken, V(report) if none was open.
      type: str
      sample: ephemeral
    state:
      description:
        - V(planned), V(collected), V(partial), V(live) (a shell waits there) or V(none).
      type: str
      sample: collected
    profile:
      description: The security context that was used.
      type: str
      sample: netadmin
    rejected:
      description: Those that were not taken, and why.
      type: list
      elements: dict
      sample: [{profile: netadmin, reason: violates PodSecurity "baseline:latest"}]
    name:
      description: The ephemeral container or the Job.
      type: str
      sample: 20261123t101500z-debug-pod-7f3a-1
    expires_at:
      description: When it ends by itself at the latest.
      type: str
      sample: "2026-11-23T11:15:00Z"
    commands:
      description: The lines that bring a shell, or with O(copy_command) what it prints and a shell beside it.
      type: list
      elements: str
      sample: [kubectl attach -n shop -it web-6d5c6f5c5c-2xk8p -c 20261123t101500z-debug-pod-7f3a-1]
    capture:
      description: The file with the captured packets, and for how many seconds was listened.
      type: dict
      sample: {path: /srv/runbooks/reports/x.pcap, bytes: 1234, packets: 10, sha256: 6f1e, seconds: 5.0}
    exit_code:
      description: How the command of O(copy_command) ended, if it did; its output is in RV(sessions[].sections).
      type: int
      sample: 0
    sections:
      description: What was collected, line by line, without secrets.
      type: dict
      sample: {routes: [default via 10.244.0.1 dev eth0]}
    degraded:
      description: What could not be done, and why.
      type: list
      elements: str
      sample: []
confirm:
  description: The hash of the plan, for O(market_intel.runbooks.runbook_confirm#module:confirm).
  returned: in check mode with O(state=present)
  type: str
  sample: 1f0c3a9b7d2e4f60-1-20261123T101500Z
confirmation:
  description: What O(market_intel.runbooks.runbook_confirm#module:plan) takes.
  returned: in check mode with O(state=present)
  type: dict
  contains:
    content:
      description: Identifies the plan. It differs where the target, the selection or an option differs.
      type: str
      sample: 5d0c1f0c3a9b7d2e
    count:
      description: How much is to be changed.
      type: int
      sample: 1
    growth:
      description: How many times as much that may be when the plan is carried out.
      type: float
      sample: 1.0
    what:
      description: The plan in a few words, for the question and the refusal.
      type: str
      sample: '1 of 1 targets in market-intel-brain, copy'
    lines:
      description: The plan for people, line by line.
      type: list
      elements: str
      sample: ['deployment/core-engine: copy, profile netadmin']
unopened:
  description: Why a shell could not be opened, of those targets of which that is so.
  returned: O(state=present)
  type: list
  elements: str
  sample: []
severity:
  description: The worst of what RV(diagnoses) say, V(ok), V(warning) or V(critical).
  returned: with O(diagnose)
  type: str
  sample: critical
diagnoses:
  description: What RV(market_intel.runbooks.pod_diagnosis_info#module:diagnoses) has, for each target.
  returned: with O(diagnose)
  type: list
  elements: dict
  sample: []
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: debug_pod, state: refused}
stats:
  description:
    - What O(market_intel.runbooks.runbook_report#module:steps) publishes of it; the lines that bring a shell, or what
      a clean-up has counted.
  returned: always
  type: dict
  sample: {found: 1, live: 0, removed: 1, leaked: 1}
found:
  description: What there is of ours, and what became of each.
  returned: O(state=absent)
  type: list
  elements: dict
  sample:
    - kind: job
      namespace: sre-debug
      name: 20261123t101500z-debug-pod-7f3a-1
      target: market-intel-brain/core-engine-6d5c6f5c5c-2xk8p
      run_id: 20261123t101500z-debug-pod-7f3a
      state: expired
      outcome: removed
      why: it has expired
notices:
  description: What could not be looked at, with O(state=absent).
  returned: O(state=absent)
  type: list
  elements: str
  sample: []
"""

import typing as t
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.cleanup import clean_up
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.inspection import Diagnoser
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.options import (
    cleanup_request,
    debug_argument_spec,
    debug_request,
    read_tail_lines,
    read_targets,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import (
    cleanup_report,
    diagnosis_report,
    failed_report,
    inspection_report,
    sessions_report,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.sessions import (
    confirmation,
    start_sessions,
    unopened,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.options import (
    login_argument_spec,
    login_options,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import api_login
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import (
    progress_argument_spec,
    stop_and_progress,
)


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    run_id = check_run_id(params["run_id"] or new_run_id("debug_pod"))
    names = ("namespace", "targets", "mode") if params["state"] == "present" else ("namespaces", "runs")
    asked = {name: params[name] for name in names}
    stop, _progress = stop_and_progress(params)
    try:
        if params["state"] == "absent":
            wanted = cleanup_request(params)
            login = api_login(params, run_id, dry_run=module.check_mode)
            cleanup = clean_up(login, wanted, stop.check, dry_run=module.check_mode)
            report = cleanup_report(run_id, wanted, cleanup, check_mode=module.check_mode)
            return {"run_id": run_id, **cleanup.to_plain(), "report": report.to_plain()}
        request, targets = debug_request(params, run_id), read_targets(params["targets"])
        login = api_login(params, run_id, dry_run=module.check_mode)
        diagnoser = Diagnoser(login, request, targets, read_tail_lines(params["tail_lines"]))
        meanwhile = diagnoser.read if params["diagnose"] else None
        sessions = start_sessions(login, request, targets, stop.check, meanwhile, dry_run=module.check_mode)
    except RunbookError as exc:
        exc.run_id, exc.report = run_id, failed_report(run_id, asked, exc)
        raise
    report = sessions_report(run_id, asked, sessions, check_mode=module.check_mode, login=login_options(params))
    shells = [each.commands for each in sessions if each.commands]
    result: dict[str, t.Any] = {
        "changed": any(each.changed for each in sessions),
        "run_id": run_id,
        "sessions": [each.to_plain() for each in sessions],
        "unopened": unopened(request, sessions),
        **(confirmation(login, request, targets, sessions) if module.check_mode else {}),
        "stats": {"shells": shells} if shells else {},
    }
    if params["diagnose"]:
        try:
            diagnoses = diagnoser.judge(sessions)
        except RunbookError as exc:
            exc.run_id, exc.report = run_id, replace(report, state=exc.state, summary=(str(exc),))
            raise
        report = inspection_report(report, diagnosis_report(run_id, asked, diagnoses))
        result |= {"severity": report.severity, "diagnoses": [each.to_plain() for each in diagnoses]}
        result["stats"] |= {"severity": report.severity}
    return {**result, "report": report.to_plain()}


def main() -> None:
    spec = debug_argument_spec().merge(login_argument_spec()).merge(progress_argument_spec())
    run_module(spec, body, (KUBERNETES,))


if __name__ == "__main__":
    main()
