#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alert_recovery_info
short_description: Wait until a service has recovered, and prove it
version_added: 1.0.0
description:
  - Asks Prometheus until a comparison holds for O(samples) in a row and the alert fires no more, or until
    O(recovery_timeout).
  - What is not known holds nothing. A service that has not recovered is no failure of the module; RV(recovered) tells.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._alerts.prometheus
  - market_intel.runbooks._progress
options:
  query:
    description: An expression of PromQL over a short time, such as one minute; a longer one remembers the trouble.
    type: str
    required: true
  based_on:
    description: A selector, the newest sample of which may be O(max_age) old.
    type: str
    default: ''
  comparison:
    description: How the value is compared with O(threshold) when the service is well.
    type: str
    choices: ['>', '>=', '<', '<=', '==', '!=']
    required: true
  threshold:
    description: What the value is compared with.
    type: float
    default: 0.0
  max_age:
    description: How old that sample may be, in seconds.
    type: float
    default: 120.0
  labels:
    description: The labels of the alert, C(alertname) and others.
    type: dict
    required: true
  samples:
    description: How often in a row the comparison has to hold.
    type: int
    default: 3
  interval:
    description: How long to wait between samples, in seconds.
    type: float
    default: 10.0
  recovery_timeout:
    description: How long to wait in all, in seconds.
    type: float
    default: 300.0
  run_id:
    description: The id of this run. Without it, one is made.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.alert_assessment_info
"""

EXAMPLES = r"""
- name: Prove that the gateway is fast again
  market_intel.runbooks.alert_recovery_info:
    prometheus:
      url: https://prometheus.example.com
    query: market_intel_brain:api_gateway:latency_p99:rate1m
    comparison: '<'
    threshold: 0.5
    labels:
      alertname: APIGatewayHighLatency
      namespace: market-intel-brain
"""

RETURN = r"""
recovered:
  description: Whether the service has recovered.
  returned: success
  type: bool
  sample: true
seconds:
  description: After how many seconds the last sample was taken.
  returned: success
  type: float
  sample: 42.1
in_a_row:
  description: How many samples held in the end.
  returned: success
  type: int
  sample: 3
last:
  description: What the last sample said.
  returned: success
  type: str
  sample: 'p99: 0.2, < 0.5'
alert_state:
  description: What C(ALERTS) said of the alert, V(gone), V(firing) or V(unknown).
  returned: success
  type: str
  sample: gone
points:
  description: Seconds and value of each sample; a value that is not known is null.
  returned: success
  type: list
  elements: list
  sample: [[0.0, 0.9], [10.0, 0.2]]
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps).
  returned: success
  type: dict
  sample: {run_id: 20261123t101500z-respond-to-alert-7f3a}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.labels import check_labels
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.options import (
    http_login,
    systems_argument_spec,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.prometheus import (
    COMPARISONS,
    DEFAULT_MAX_AGE,
    Query,
    check_query,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.recovery import (
    RecoveryRequest,
    check_request,
    recovery_report,
    watch,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import (
    progress_argument_spec,
    stop_and_progress,
)

OPTIONS = {
    "query": {"type": "str", "required": True},
    "based_on": {"type": "str", "default": ""},
    "comparison": {"type": "str", "choices": list(COMPARISONS), "required": True},
    "threshold": {"type": "float", "default": 0.0},
    "max_age": {"type": "float", "default": DEFAULT_MAX_AGE},
    "labels": {"type": "dict", "required": True},
    "samples": {"type": "int", "default": 3},
    "interval": {"type": "float", "default": 10.0},
    "recovery_timeout": {"type": "float", "default": 300.0},
    "run_id": {"type": "str", "default": ""},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    stop, progress = stop_and_progress(params)
    run_id = check_run_id(params["run_id"] or new_run_id("respond_to_alert"))
    names = ("query", "comparison", "threshold", "based_on", "max_age")
    request = check_request(
        RecoveryRequest(
            query=check_query(Query(**{name: params[name] for name in names}), "O(query)"),
            alert=check_labels(params["labels"], "O(labels)"),
            samples=params["samples"],
            interval=params["interval"],
            timeout=params["recovery_timeout"],
        )
    )
    login = http_login(params["prometheus"], "Prometheus", run_id, "prometheus.")
    found = watch(
        login, request, stop.check, lambda done, total: progress.report("proving recovery", done, total, "samples")
    )
    report = recovery_report(run_id, request, found)
    return {"changed": False, "run_id": run_id, **found.to_plain(), "report": report.to_plain()}


def main() -> None:
    spec = ArgumentSpec(OPTIONS).merge(systems_argument_spec("prometheus"))
    run_module(spec.merge(progress_argument_spec()), body)


if __name__ == "__main__":
    main()
