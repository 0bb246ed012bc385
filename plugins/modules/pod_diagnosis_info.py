#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_diagnosis_info
short_description: Say what is wrong with pods, the most likely cause first
version_added: 1.0.0
description:
  - Reads a pod and what it stands on (owners, autoscalers and budgets, events, logs, node, services that it has and
    calls, endpoints, Ingresses, HTTPRoutes, network policies, volumes and their classes, what it refers to,
    certificates, siblings), judges it by rules, and returns findings with their evidence and the next step. A pod costs
    some 20 requests and at most 40, and two more for each container.
  - What several targets share, such as the services of the namespace, is read once.
  - Of a workload that has no pod, its owners and their events tell why; the same holds for a Service, an Ingress, a
    claim and a CronJob that lead to no pod.
  - Only rights to read are needed. What the login may not read is left out and named in RV(diagnoses[].degraded).
  - Of Secrets, only V(tls.crt) of those that the pod mounts is used, if the login may read them. Of ConfigMaps, the
    values that its containers have in variables are searched for addresses.
  - What looks like a secret in logs, events, variables and collected output is taken out and counted.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_k8s
  - market_intel.runbooks._k8s
  - market_intel.runbooks._progress
options:
  namespace:
    description: The namespace of the pods.
    type: str
    required: true
  targets:
    description:
      - What to look at. Each is the name of a pod, V(deployment/NAME), V(statefulset/NAME), V(daemonset/NAME),
        V(replicaset/NAME), V(job/NAME), V(cronjob/NAME), V(service/NAME), V(ingress/NAME), V(pvc/NAME), V(node/NAME),
        or a label selector such as V(app=web).
      - Of several pods, the least healthy one is taken; of a CronJob, one of its newest Job. A node is judged by itself
        and by the pods on it.
      - V(all) is every workload of the namespace. The 50 least healthy ones are looked at closely, and of those only
        the ones in trouble are returned, the worst first; the healthy ones are counted.
    type: list
    elements: str
    required: true
  collect:
    description:
      - What to read. V(kubernetes) is owners, events, the node, claims, references and certificates, V(network) is
        services and network policies, V(logs) is the logs of now and before, and V(system) is only for
        M(market_intel.runbooks.debug_container).
    type: list
    elements: str
    default: [network, system, kubernetes, logs]
  tail_lines:
    description:
      - How many of the last lines of each log are shown. Up to 20,000 lines and 2 MiB of each are read, of the run
        before too, and grouped by shape. Where few logs are read and the API server sends them in seconds, these are up
        to 200,000 lines and, of all together, 24 MiB.
    type: int
    default: 200
  asked:
    description: More of what was asked for, for the report.
    type: dict
    default: {}
  run_id:
    description: The id of this run, such as V(20261123t101500z-debug-pod-7f3a). Without it, one is made.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.debug_container
"""

EXAMPLES = r"""
- name: Ask what is wrong with the least healthy pod of a deployment
  market_intel.runbooks.pod_diagnosis_info:
    namespace: market-intel-brain
    targets: [deployment/core-engine]
  register: diagnosis

- name: Show it
  ansible.builtin.debug:
    msg: "{{ diagnosis.diagnoses[0].findings[0] }}"
"""

RETURN = r"""
run_id:
  description: The id of the run.
  returned: always
  type: str
  sample: 20261123t101500z-debug-pod-7f3a
severity:
  description: The worst of RV(diagnoses[].severity), V(ok), V(warning) or V(critical).
  returned: success
  type: str
  sample: critical
stats:
  description: What O(market_intel.runbooks.runbook_report#module:steps) publishes of it.
  returned: success
  type: dict
  sample: {severity: critical}
diagnoses:
  description: One for each target, and of V(all) for each workload in trouble.
  returned: success
  type: list
  elements: dict
  contains:
    asked:
      description: The target.
      type: str
      sample: deployment/core-engine
    pod:
      description: The pod that was chosen; empty if there is none.
      type: str
      sample: core-engine-6d5c6f5c5c-2xk8p
    why:
      description: Why this one.
      type: str
      sample: "the least healthy of 2: container service waits: CrashLoopBackOff (1 of 2 ready)"
    severity:
      description: That of its first finding, V(ok), V(warning) or V(critical).
      type: str
      sample: critical
    findings:
      description: What was found, the most likely cause first.
      type: list
      elements: dict
      sample:
        - severity: critical
          kind: oom_killed
          what: container service exceeded its memory limit and was killed
          evidence: OOMKilled 2 min ago, exit code 137, 4 restarts, limit 64Mi
          next_step: raise its memory limit, or find what takes the memory (compare the usage before the end)
    details:
      description: All parts of what was read, as tables.
      type: dict
      sample: {identity: {phase: Running}}
    timeline:
      description: What happened to the pod, in its order.
      type: list
      elements: dict
      sample: [{name: pod created, start: "2026-11-23T10:15:00Z", severity: ok, note: ""}]
    degraded:
      description: What could not be read, and why.
      type: list
      elements: str
      sample: ["the node: this login may not read it"]
    redacted:
      description: How many secrets of each kind were taken out.
      type: dict
      sample: {bearer tokens: 2}
    stands_for:
      description:
        - How many targets it is about. With V(all), the last one sums up those that are healthy, and those that are
          scaled to 0 or suspended.
      type: int
      sample: 1
    session:
      description: What M(market_intel.runbooks.debug_container) found inside the pod.
      type: dict
      sample: {mode: ephemeral, profile: netadmin}
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: debug_pod, state: unchanged}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.diagnosis import (
    DiagnosisRequest,
    diagnose_all,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.options import (
    read_collect,
    read_tail_lines,
    read_targets,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.report import diagnosis_report, failed_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.target import check_name
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_tls import CRYPTOGRAPHY
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.options import login_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import api_login
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import progress_argument_spec

OPTIONS = {
    "namespace": {"type": "str", "required": True},
    "targets": {"type": "list", "elements": "str", "required": True},
    "collect": {"type": "list", "elements": "str", "default": ["network", "system", "kubernetes", "logs"]},
    "tail_lines": {"type": "int", "default": 200},
    "asked": {"type": "dict", "default": {}},
    "run_id": {"type": "str", "default": ""},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    run_id = check_run_id(params["run_id"] or new_run_id("debug_pod"))
    asked = {"namespace": params["namespace"], "targets": params["targets"], **params["asked"]}
    try:
        check_name(params["namespace"], "O(namespace)")
        tail_lines = read_tail_lines(params["tail_lines"])
        request = DiagnosisRequest(params["namespace"], read_collect(params["collect"]), tail_lines)
        diagnoses = diagnose_all(api_login(params, run_id), request, read_targets(params["targets"]))
    except RunbookError as exc:
        exc.run_id, exc.report = run_id, failed_report(run_id, asked, exc)
        raise
    report = diagnosis_report(run_id, asked, diagnoses)
    return {
        "changed": False,
        "run_id": run_id,
        "severity": report.severity,
        "stats": {"severity": report.severity},
        "diagnoses": [each.to_plain() for each in diagnoses],
        "report": report.to_plain(),
    }


def main() -> None:
    spec = ArgumentSpec(OPTIONS).merge(login_argument_spec()).merge(progress_argument_spec())
    run_module(spec, body, (KUBERNETES, CRYPTOGRAPHY))


if __name__ == "__main__":
    main()
