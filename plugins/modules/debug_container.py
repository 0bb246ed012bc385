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
  - Where no way into a pod is open, that is said in RV(sessions[].degraded), and is no failure.
  - O(state=absent) ends and removes what has expired or lost its pod, in all namespaces or some.
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
  targets:
    description:
      - What to look at, as the option of M(market_intel.runbooks.pod_diagnosis_info). Required for O(state=present).
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
    description: The image of the debug container. It needs a POSIX shell; what other tools it lacks is reported.
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
      - What to collect from inside, V(network), V(system) or both; V(kubernetes) and V(logs) mean nothing here.
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
        description: How long, at most 600; 0 captures nothing.
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
    description: Use nothing again; with O(state=absent), end also what is live.
    type: bool
    default: false
  timeout:
    description: How many seconds to wait for a debug container, beyond the time of O(capture).
    type: float
    default: 60.0
  node_namespace:
    description: The namespace for Jobs of O(mode=node). It has to allow privileged pods.
    type: str
    default: sre-debug
  copy_command:
    description: With O(mode=copy), run this command in the container's own image instead of collecting.
    type: list
    elements: str
    default: []
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
  register: inside

- name: Say what is wrong, with what was seen there
  market_intel.runbooks.pod_diagnosis_info:
    namespace: market-intel-brain
    targets: [deployment/core-engine]
    sessions: "{{ inside.sessions }}"

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
      description: The debug container or the Job.
      type: str
      sample: 20261123t101500z-debug-pod-7f3a-1
    expires_at:
      description: When it ends by itself at the latest.
      type: str
      sample: "2026-11-23T11:15:00Z"
    commands:
      description: The lines that bring a shell.
      type: list
      elements: str
      sample: [kubectl attach -n shop -it web-6d5c6f5c5c-2xk8p -c 20261123t101500z-debug-pod-7f3a-1]
    capture:
      description: The file with the captured packets.
      type: dict
      sample: {path: /srv/runbooks/reports/x.pcap, bytes: 1234, packets: 10, sha256: 6f1e}
    sections:
      description: What was collected, line by line, without secrets.
      type: dict
      sample: {routes: [default via 10.244.0.1 dev eth0]}
    degraded:
      description: What could not be done, and why.
      type: list
      elements: str
      sample: []
report:
  description: The fields for O(market_intel.runbooks.runbook_report#module:report).
  returned: on failure with O(state=present)
  type: dict
  sample: {runbook: debug_pod, state: refused}
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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.cleanup import clean_up
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.options import (
    debug_argument_spec,
    debug_request,
    read_targets,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import debug_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import check_name
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.visits import visit_all
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.options import login_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import api_login
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import (
    progress_argument_spec,
    stop_and_progress,
)


def body(module: AnsibleModule) -> dict:
    params = module.params
    run_id = check_run_id(params["run_id"] or new_run_id("debug_pod"))
    stop, _progress = stop_and_progress(params)
    try:
        request = debug_request(params, run_id) if params["state"] == "present" else None
        targets = read_targets(params["targets"]) if request else []
        for each in params["namespaces"]:
            check_name(each, "namespaces")
        login = api_login(params, run_id, dry_run=module.check_mode)
        if request is None:
            found, notices = clean_up(
                login, params["namespaces"], stop.check, everything=params["force"], dry_run=module.check_mode
            )
            gone = [each for each in found if each["outcome"] not in ("stays", "failed")]
            return {"changed": bool(gone), "run_id": run_id, "found": found, "notices": notices}
        sessions = visit_all(login, request, targets, stop.check, dry_run=module.check_mode)
    except RunbookError as exc:
        exc.result["run_id"] = run_id
        if params["state"] == "present":
            asked = {name: params[name] for name in ("namespace", "targets", "mode")}
            exc.result["report"] = debug_report(run_id, asked, failure=exc, check_mode=module.check_mode)
        raise
    return {
        "changed": any(each.changed for each in sessions),
        "run_id": run_id,
        "sessions": [each.to_plain() for each in sessions],
    }


def main() -> None:
    spec = debug_argument_spec().merge(login_argument_spec()).merge(progress_argument_spec())
    run_module(spec, body, (KUBERNETES,))


if __name__ == "__main__":
    main()
