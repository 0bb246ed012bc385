#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alertmanager_silence
short_description: Silence an alert of an Alertmanager for a while, or end that
version_added: 1.0.0
description:
  - Makes sure that a silence with exactly these matchers lasts for a while, by version 2 of the API.
  - A silence of the same creator with the same matchers is found again. It is extended if less than half of O(duration)
    is left of it.
  - To silence, O(matchers) have to name C(alertname) and at least one more label by their exact values.
  - It ends by itself, whatever becomes of who has made it. Times are those of the Alertmanager's clock.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.actiongroup_alerts
  - market_intel.runbooks._alerts
  - market_intel.runbooks._alerts.matchers
  - market_intel.runbooks._progress
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description: V(present) silences, V(absent) expires the silence.
    type: str
    choices: [present, absent]
    default: present
  id:
    description: The id of the silence to expire. Without it, the one with O(matchers) by O(created_by).
    type: str
    default: ''
  duration:
    description: How long it lasts from now on, in seconds.
    type: float
    default: 3600.0
  created_by:
    description: Who silences. Needed to silence.
    type: str
    default: ''
  comment:
    description: Why. Needed to silence.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.alertmanager_alert_info
"""

EXAMPLES = r"""
- name: Silence an alert for half an hour
  market_intel.runbooks.alertmanager_silence:
    url: https://alertmanager.example.com
    matchers:
      - name: alertname
        value: APIGatewayHighLatency
      - name: namespace
        value: market-intel-brain
    created_by: sre-runbook/20261123t101500z-respond-to-alert-7f3a
    comment: The market data cache is being flushed.
    duration: 1800
  register: silenced

- name: End it
  market_intel.runbooks.alertmanager_silence:
    url: https://alertmanager.example.com
    id: "{{ silenced.silence.id }}"
    state: absent
"""

RETURN = r"""
change:
  description: What was done, or would be, V(none), V(create), V(extend) or V(expire).
  returned: success
  type: str
  sample: create
silence:
  description: The silence as it is now; in check mode, as it was. Empty if there is none.
  returned: success
  type: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: 2f6b1a3e-8b1c-4f0e-9b7a-1c2d3e4f5a6b
    matchers:
      description: Its matchers, as amtool writes them.
      type: list
      elements: str
      sample: ['alertname="APIGatewayHighLatency"', 'namespace="market-intel-brain"']
    state:
      description: V(active), V(pending) or V(expired).
      type: str
      sample: active
    starts_at:
      description: When it begins.
      type: str
      sample: '2026-11-23T10:15:00Z'
    ends_at:
      description: When it ends by itself.
      type: str
      sample: '2026-11-23T10:45:00Z'
    created_by:
      description: Who has made it.
      type: str
      sample: sre-runbook/20261123t101500z-respond-to-alert-7f3a
    comment:
      description: Why.
      type: str
      sample: The market data cache is being flushed.
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.alertmanager import (
    apply,
    plan_expiry,
    plan_silence,
    read_matchers,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.options import (
    http_argument_spec,
    http_login,
    matchers_argument_spec,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import progress_argument_spec

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "id": {"type": "str", "default": ""},
    "duration": {"type": "float", "default": 3600.0},
    "created_by": {"type": "str", "default": ""},
    "comment": {"type": "str", "default": ""},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    login = http_login(params, "Alertmanager", new_run_id("alertmanager_silence"))
    matchers = read_matchers(params["matchers"], "O(matchers)")
    if params["state"] == "present":
        plan = plan_silence(login, matchers, params["created_by"], params["comment"], params["duration"])
    else:
        plan = plan_expiry(login, params["id"], matchers, params["created_by"])
    silence = plan.found if module.check_mode else apply(login, plan)
    return {
        "changed": plan.change != "none",
        "change": plan.change,
        "silence": silence.to_plain() if silence else {},
    }


def main() -> None:
    spec = ArgumentSpec(OPTIONS).merge(matchers_argument_spec()).merge(http_argument_spec())
    run_module(spec.merge(progress_argument_spec()), body)


if __name__ == "__main__":
    main()
