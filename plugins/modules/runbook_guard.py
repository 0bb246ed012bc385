#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_guard
short_description: Ask whether a runbook may act on a target now, and be the only one that does
version_added: 1.0.0
description:
  - Decides by rules that are the same for people, AWX and alerts, and keeps in the cluster what has been done, so that
    an automation that is wrong cannot do harm twice.
  - People stop all runbooks by C(stop) in the ConfigMap C(runbooks-control) in O(namespace), and say by C(reason) why.
    Each line of its C(maintenance) is a time in which nothing is done, as C(START/END REASON) in RFC 3339. What cannot
    be understood stops everything.
  - Decisions and runs are in the ConfigMap C(runbooks-guard). The run that acts holds a Lease of the target, which
    expires by itself, and at once for runs on the same machine if the ansible-playbook behind it is dead.
  - A refusal is no failure, except of what is O(by_hand). It is RV(allowed), with RV(rule) and RV(reason).
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
      - Nothing is written. The decision is the one that would be made.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Decisions are bookkeeping and never count as a change. A run that asks again is judged again by what people have
        said since, is not counted again, and holds its Lease for longer. So each step of it can ask before it begins.
options:
  state:
    description: V(present) asks, V(absent) tells how the run ended, and gives the target back.
    type: str
    choices: [present, absent]
    default: present
  namespace:
    description: The namespace in which the guard keeps what it knows.
    type: str
    required: true
  run_id:
    description: The id of this run, such as V(20261123t101500z-respond-to-alert-7f3a). Without it, one is made.
    type: str
    default: ''
  runbook:
    description: What is to be done, such as V(flush_redis).
    type: str
    required: true
  targets:
    description:
      - What it is to be done to, such as V(market-intel-brain/redis). Equal texts are the same target.
      - A run may act on all of them, or on none.
    type: list
    elements: str
    required: true
  by_hand:
    description:
      - Whether a person has started the run. It obeys those who stop the runbooks, times of maintenance, runs that are
        under way, and the cooldown that runs before it have asked for; what limits automation does not limit it.
      - A refusal fails then, as does a guard that cannot be asked.
    type: bool
    default: false
  target_namespace:
    description: The namespace of the target. Without it, O(namespace).
    type: str
    default: ''
  namespaces:
    description: The namespaces in which anything may be done. None of them, and nothing may be, except O(by_hand).
    type: list
    elements: str
    default: []
  duration:
    description: After how many seconds the run has ended, or asks again.
    type: int
    default: 600
  deadline:
    description: Until when a run may begin (RFC 3339). Later, a person has to look.
    type: str
    default: ''
  cooldown:
    description: How long a target is left alone after a run, in seconds, at most seven days.
    type: float
    default: 1800.0
  window:
    description: In which time runs and targets are counted, in seconds, at most seven days.
    type: float
    default: 3600.0
  max_runs:
    description: How often this runbook may act on one target in O(window), before a person has to look. V(0) for any.
    type: int
    default: 2
  max_targets:
    description: On how many targets this runbook may act in O(window). V(0) for any number.
    type: int
    default: 3
  max_percent:
    description: On how many of the O(total) targets this runbook may act in O(window), in percent. V(0) for all.
    type: float
    default: 0.0
  total:
    description: How many such targets there are. Needed for O(max_percent).
    type: int
    default: 0
  requester:
    description: Who has started the run, for the record.
    type: str
    default: ''
  outcome:
    description: How the run ended, for the record, with O(state=absent).
    type: str
    default: done
seealso:
  - module: market_intel.runbooks.run_lease
"""

EXAMPLES = r"""
- name: Ask whether the cache may be flushed
  market_intel.runbooks.runbook_guard:
    namespace: runbooks
    runbook: flush_redis
    targets: [market-intel-brain/redis]
    target_namespace: market-intel-brain
    namespaces: [market-intel-brain]
    run_id: 20261123t101500z-respond-to-alert-7f3a
  register: guard

- name: Tell how it ended
  market_intel.runbooks.runbook_guard:
    state: absent
    namespace: runbooks
    runbook: flush_redis
    targets: [market-intel-brain/redis]
    run_id: 20261123t101500z-respond-to-alert-7f3a
  when: guard.allowed
"""

RETURN = r"""
allowed:
  description: Whether the run may act.
  returned: with O(state=present)
  type: bool
  sample: true
rule:
  description: >-
    V(allowed), or the rule that refuses, V(stopped), V(maintenance), V(namespace), V(late), V(busy), V(cooldown),
    V(rate), V(targets) or V(share).
  returned: with O(state=present)
  type: str
  sample: cooldown
reason:
  description: The same in words.
  returned: with O(state=present)
  type: str
  sample: 'the run 20261123t101500z-respond-to-alert-7f3a was there; another may begin in 12 min'
at:
  description: When it was decided.
  returned: with O(state=present)
  type: str
  sample: '2026-11-23T10:15:00Z'
targets:
  description: What was asked for.
  returned: with O(state=present)
  type: list
  elements: str
  sample: [market-intel-brain/redis]
hand_over:
  description: Whether a person has to look now.
  returned: with O(state=present)
  type: bool
  sample: false
lease:
  description: The Lease of the target; of several, that of the first that is refused, or else of the last.
  returned: with O(state=present)
  type: str
  sample: runbook-target-0123456789abcdef
taken_over:
  description: The run whose Lease had expired and was taken over; empty if there was none.
  returned: with O(state=present)
  type: str
  sample: ''
left:
  description: Runs on this target that have never said how they ended.
  returned: with O(state=present)
  type: list
  elements: dict
  sample: []
released:
  description: Whether the target was this run's until now.
  returned: with O(state=absent)
  type: bool
  sample: true
run_id:
  description: The id of this run.
  returned: success
  type: str
  sample: 20261123t101500z-respond-to-alert-7f3a
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps).
  returned: with O(state=present)
  type: dict
  sample: {run_id: 20261123t101500z-respond-to-alert-7f3a}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import (
    InvalidInput,
    Refused,
    RunbookError,
    as_clause,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._guard.guard import (
    Outcome,
    decisive,
    enter_all,
    guard_report,
    judge,
    leave,
    refusal,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._guard.options import read_policy, read_requests
from ansible_collections.market_intel.runbooks.plugins.module_utils._guard.policy import Policy
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiLogin
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.lease import process_of
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.options import login_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import api_login
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import (
    controller,
    progress_argument_spec,
)

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "namespace": {"type": "str", "required": True},
    "run_id": {"type": "str", "default": ""},
    "runbook": {"type": "str", "required": True},
    "targets": {"type": "list", "elements": "str", "required": True},
    "by_hand": {"type": "bool", "default": False},
    "target_namespace": {"type": "str", "default": ""},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "duration": {"type": "int", "default": 600},
    "deadline": {"type": "str", "default": ""},
    "cooldown": {"type": "float", "default": 1800.0},
    "window": {"type": "float", "default": 3600.0},
    "max_runs": {"type": "int", "default": 2},
    "max_targets": {"type": "int", "default": 3},
    "max_percent": {"type": "float", "default": 0.0},
    "total": {"type": "int", "default": 0},
    "requester": {"type": "str", "default": ""},
    "outcome": {"type": "str", "default": "done"},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    run_id = check_run_id(params["run_id"] or new_run_id("runbook_guard"))
    place, targets = params["namespace"], list(dict.fromkeys(params["targets"]))
    if not place or not all(targets) or not targets or params["duration"] < 1:
        raise InvalidInput("O(namespace) or O(targets) is empty, or O(duration) below 1 s; give all of them.")
    policy = read_policy(params)
    login = api_login(params, run_id, dry_run=module.check_mode)
    if params["state"] == "absent":
        released = [not module.check_mode and leave(login, place, run_id, each, params["outcome"]) for each in targets]
        return {"changed": False, "run_id": run_id, "released": all(released)}
    outcomes = _ask(module, login, policy, run_id, targets)
    outcome, report = decisive(outcomes), guard_report(outcomes, place, check_mode=module.check_mode)
    if params["by_hand"] and not outcome.decision.allowed:
        refused = refusal(outcome, place)
        refused.run_id, refused.report = run_id, report
        raise refused
    return {"changed": False, "run_id": run_id, "targets": targets, **outcome.to_plain(), "report": report.to_plain()}


def _ask(
    module: AnsibleModule, login: ApiLogin, policy: Policy, run_id: str, targets: t.Sequence[str]
) -> list[Outcome]:
    params, place = module.params, module.params["namespace"]
    requests = read_requests(params, run_id, targets, login.now())
    try:
        if module.check_mode:
            return [judge(login, place, policy, request) for request in requests]
        return enter_all(login, place, policy, requests, params["duration"], process_of(controller(params)))
    except RunbookError as exc:
        if not params["by_hand"]:
            raise
        raise Refused(
            f"The guard in the namespace {place} cannot be asked ({as_clause(exc)}); give this login its rights, or "
            "set O(by_hand)=false."
        ) from exc


def main() -> None:
    spec = ArgumentSpec(OPTIONS).merge(login_argument_spec()).merge(progress_argument_spec())
    run_module(spec, body, (KUBERNETES,))


if __name__ == "__main__":
    main()
