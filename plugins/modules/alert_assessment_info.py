#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_assessment_info
short_description: Say what speaks for the runbook of an alert
version_added: 1.0.0
description:
  - Asks Alertmanager and Prometheus whether an alert fires, and gathers what speaks for the runbook that it is mapped
    to, all of it side by side in O(evidence_timeout).
  - Where nobody answers, or with half an answer, the verdict is V(unknown). Where nothing speaks for the mapped
    runbook, a diagnosis is proposed instead.
  - Reads only.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_k8s
  - market_intel.runbooks._k8s
  - market_intel.runbooks._alerts.prometheus
  - market_intel.runbooks._alerts.alertmanager
  - market_intel.runbooks._progress
options:
  name:
    description: The name of the alert. Without it, all alerts of the map that fire are assessed.
    type: str
    default: ''
  labels:
    description: "Its labels. Each value may have letters, digits and C(. _ : / @ -), at most 253 of them."
    type: dict
    default: {}
  fingerprint:
    description: What tells it from others with the same labels.
    type: str
    default: ''
  map:
    description:
      - What alerts lead to, by their names. Its entries are described in the documentation of the role
        C(alert_response).
    type: dict
    required: true
  redis:
    description:
      - The server whose memory and hit ratio are looked at, by the options of
        M(market_intel.runbooks.redis_cache_info).
    type: dict
    default: {}
  evidence_timeout:
    description: How long all questions may take together, in seconds.
    type: float
    default: 5.0
  production:
    description: Whether this is production, where only entries act that say C(production=true).
    type: bool
    default: false
  suggest_only:
    description: Whether runbooks are only proposed, whatever their entries say.
    type: bool
    default: false
  inventory_host:
    description: The host of the inventory, for the commands that are proposed.
    type: str
    default: ''
  run_id:
    description: The id of this run. Without it, one is made.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.prometheus_query_info
  - module: market_intel.runbooks.alert_recovery_info
"""

EXAMPLES = r"""
- name: Assess an alert
  market_intel.runbooks.alert_assessment_info:
    name: APIGatewayHighLatency
    labels:
      namespace: market-intel-brain
    prometheus:
      url: https://prometheus.example.com
    alertmanager:
      url: https://alertmanager.example.com
    map:
      APIGatewayHighLatency:
        runbook: debug_pod
        variables:
          debug_pod_targets: [deployment/api-gateway]
  register: assessed
"""

RETURN = r"""
run_id:
  description: The id of this run.
  returned: success
  type: str
  sample: 20261123t101500z-respond-to-alert-7f3a
assessments:
  description: What is known of each alert.
  returned: success
  type: list
  elements: dict
  contains:
    alert:
      description: The name of the alert.
      type: str
      sample: APIGatewayHighLatency
    firing:
      description: Whether it fires; null if that is not known.
      type: bool
      sample: true
    verdict:
      description: V(supported), V(unsupported), V(unknown), V(not_firing) or V(unmapped).
      type: str
      sample: supported
    reason:
      description: The same in words.
      type: str
      sample: 'hit ratio: that speaks for flush_redis'
    evidence:
      description: What was looked at, whether it speaks for the mapped runbook, and what was seen.
      type: list
      elements: dict
      sample: [{name: redis, supports: true, seen: hit ratio 0.2, value: null}]
    runbook:
      description: What is proposed.
      type: str
      sample: flush_redis
    variables:
      description: Its variables.
      type: dict
      sample: {flush_redis_names: [market-data]}
    argv:
      description: The proposal as the words of a command.
      type: list
      elements: str
      sample: [ansible-playbook, market_intel.runbooks.flush_redis]
    command:
      description: The same as a line to paste.
      type: str
      sample: ansible-playbook market_intel.runbooks.flush_redis
    act:
      description: Whether it may follow without a person, as far as its entry says.
      type: bool
      sample: false
    why_not:
      description: Why it may not.
      type: str
      sample: the mode of its entry is suggest
    deadline:
      description: Until when somebody has to have responded.
      type: str
      sample: '2026-11-23T10:20:00Z'
    recovery:
      description: What M(market_intel.runbooks.alert_recovery_info) takes to prove recovery.
      type: dict
      sample: {}
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps).
  returned: success
  type: dict
  sample: {run_id: 20261123t101500z-respond-to-alert-7f3a}
"""

import typing as t
from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.assessment import (
    Limits,
    Overview,
    assess,
    assess_all,
    assessment_report,
    overview_report,
    read_alert,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.evidence import Sources
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.mapping import read_map
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.options import (
    http_login,
    systems_argument_spec,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.redis_server import redis_figures
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.options import login_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import api_login
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import (
    progress_argument_spec,
    stop_and_progress,
)

OPTIONS = {
    "name": {"type": "str", "default": ""},
    "labels": {"type": "dict", "default": {}},
    "fingerprint": {"type": "str", "default": ""},
    "map": {"type": "dict", "required": True},
    "redis": {"type": "dict", "default": {}},
    "evidence_timeout": {"type": "float", "default": 5.0},
    "production": {"type": "bool", "default": False},
    "suggest_only": {"type": "bool", "default": False},
    "inventory_host": {"type": "str", "default": ""},
    "run_id": {"type": "str", "default": ""},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    stop, _progress = stop_and_progress(params)
    run_id = check_run_id(params["run_id"] or new_run_id("respond_to_alert" if params["name"] else "assess_alerts"))
    seconds = params["evidence_timeout"]
    if not seconds > 0:
        raise InvalidInput(f"O(evidence_timeout) is {seconds:g}; allowed is more than 0 s.")
    entries = read_map(params["map"], "O(map)")
    login = {
        name: http_login(params[name], name.title(), run_id, f"{name}.") for name in ("prometheus", "alertmanager")
    }
    sources = Sources(
        prometheus=login["prometheus"],
        cluster=lambda: api_login(params, run_id),
        redis=redis_figures(params["redis"], stop) if params["redis"] else None,
    )
    limits = Limits(seconds, params["production"], params["suggest_only"], params["inventory_host"])
    if params["name"] or params["labels"]:
        alert = read_alert(params["name"], params["labels"], params["fingerprint"])
        found = assess(alert, entries, login["alertmanager"], sources, limits)
        report = assessment_report(run_id, found)
        overview = Overview((found,))
    else:
        overview = assess_all(entries, login["alertmanager"], sources, replace(limits, suggest_only=True))
        report = overview_report(run_id, overview)
    return {
        "changed": False,
        "run_id": run_id,
        "assessments": [each.to_plain() for each in overview.assessments],
        "report": report.to_plain(),
    }


def main() -> None:
    spec = ArgumentSpec(OPTIONS).merge(systems_argument_spec())
    run_module(spec.merge(login_argument_spec()).merge(progress_argument_spec()), body, (KUBERNETES,))


if __name__ == "__main__":
    main()
