#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: alertmanager_alert_info
short_description: Show the alerts that an Alertmanager knows
version_added: 1.0.0
description:
  - Lists alerts by version 2 of the API, silenced and inhibited ones too.
  - No alert is not always good news. RV(unknown) says so if the Alertmanager has just started, or is not in step with
    the others of its cluster.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_alerts
  - market_intel.runbooks._alerts
  - market_intel.runbooks._alerts.matchers
  - market_intel.runbooks._progress
seealso:
  - module: market_intel.runbooks.alertmanager_silence
"""

EXAMPLES = r"""
- name: See what fires in a namespace
  market_intel.runbooks.alertmanager_alert_info:
    url: https://alertmanager.example.com
    matchers:
      - name: namespace
        value: market-intel-brain
  register: firing
"""

RETURN = r"""
alerts:
  description: The alerts that match.
  returned: success
  type: list
  elements: dict
  contains:
    labels:
      description: Its labels.
      type: dict
      sample: {alertname: APIGatewayHighLatency, namespace: market-intel-brain}
    annotations:
      description: Its annotations. They may hold what users have typed.
      type: dict
      sample: {summary: The gateway is slow.}
    fingerprint:
      description: What identifies its labels.
      type: str
      sample: 1f6e3bd8a3f5c1d2
    state:
      description: V(active), V(suppressed) or V(unprocessed).
      type: str
      sample: active
    starts_at:
      description: When it began to fire.
      type: str
      sample: '2026-11-23T10:15:00Z'
    silenced_by:
      description: The ids of silences.
      type: list
      elements: str
      sample: []
    inhibited_by:
      description: The fingerprints of alerts that inhibit it.
      type: list
      elements: str
      sample: []
unknown:
  description: Why nothing follows from an empty list; else empty.
  returned: success
  type: str
  sample: ''
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.alertmanager import (
    find_alerts,
    read_matchers,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.options import (
    http_argument_spec,
    http_login,
    matchers_argument_spec,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import progress_argument_spec


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    login = http_login(params, "Alertmanager", new_run_id("alertmanager_alert"))
    return {"changed": False, **find_alerts(login, read_matchers(params["matchers"], "O(matchers)")).to_plain()}


def main() -> None:
    run_module(matchers_argument_spec().merge(http_argument_spec()).merge(progress_argument_spec()), body)


if __name__ == "__main__":
    main()
