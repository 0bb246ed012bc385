#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_query_info
short_description: Run queries at a Prometheus, and say what follows from the answers
version_added: 1.0.0
description:
  - Runs instant queries at the HTTP API of a Prometheus, or of something that speaks it, such as Thanos or Mimir.
  - No sample, old samples and an answer with warnings are no proof of anything. Such a query has RV(queries[].status)
    other than V(complete), and its RV(queries[].holds) is null.
  - A query that Prometheus does not understand, and a Prometheus that cannot be reached, fail.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_alerts
  - market_intel.runbooks._alerts
  - market_intel.runbooks._progress
options:
  queries:
    description: What to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the value is. Without it, the query itself.
        type: str
        default: ''
      query:
        description:
          - An expression of PromQL whose value is a vector or a scalar.
          - Leave a comparison to O(queries[].comparison) and O(queries[].threshold). In the expression, it would give
            no sample where it does not hold, as if there was none.
        type: str
        required: true
      comparison:
        description: How the value is compared with O(queries[].threshold). Without it, it is not.
        type: str
        choices: ['', '>', '>=', '<', '<=', '==', '!=']
        default: ''
      threshold:
        description: What the value is compared with.
        type: float
        default: 0.0
      based_on:
        description:
          - A selector, the newest sample of which may be O(queries[].max_age) old. Without it, that is the query, if it
            is a selector alone, and else nothing.
        type: str
        default: ''
      max_age:
        description: How old that sample may be, in seconds.
        type: float
        default: 120.0
seealso:
  - module: market_intel.runbooks.alertmanager_alert_info
"""

EXAMPLES = r"""
- name: See whether too many requests fail
  market_intel.runbooks.prometheus_query_info:
    url: https://prometheus.example.com
    token: "{{ prometheus_token }}"
    queries:
      - name: share of failed requests
        query: sum(rate(http_requests_total{code=~"5.."}[1m])) / sum(rate(http_requests_total[1m]))
        based_on: http_requests_total
        comparison: '>'
        threshold: 0.01
  register: errors
"""

RETURN = r"""
queries:
  description: The answers, in the order of O(queries).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What the value is.
      type: str
      sample: share of failed requests
    query:
      description: The query.
      type: str
      sample: up
    status:
      description: V(complete), or why nothing follows from the answer, V(empty), V(stale), V(partial).
      type: str
      sample: complete
    why:
      description: The same in a sentence, empty for V(complete).
      type: str
      sample: ''
    holds:
      description: Whether the comparison holds for any sample; null if that is not known, or nothing is compared.
      type: bool
      sample: true
    value:
      description: The largest value, or the smallest if smaller ones are looked for; null if there is none.
      type: float
      sample: 0.03
    samples:
      description: All samples. A value that is no finite number is null.
      type: list
      elements: dict
      sample: [{labels: {job: api}, value: 0.03}]
    evidence:
      description: The same in one line.
      type: str
      sample: 'share of failed requests: 0.03, > 0.01'
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.options import (
    http_argument_spec,
    http_login,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._alerts.prometheus import (
    COMPARISONS,
    DEFAULT_MAX_AGE,
    Query,
    ask,
    check_query,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import progress_argument_spec

QUERY = {
    "name": {"type": "str", "default": ""},
    "query": {"type": "str", "required": True},
    "comparison": {"type": "str", "choices": ["", *COMPARISONS], "default": ""},
    "threshold": {"type": "float", "default": 0.0},
    "based_on": {"type": "str", "default": ""},
    "max_age": {"type": "float", "default": DEFAULT_MAX_AGE},
}
OPTIONS = {"queries": {"type": "list", "elements": "dict", "required": True, "options": QUERY}}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    login = http_login(params, "Prometheus", new_run_id("prometheus_query"))
    queries = [check_query(Query(**each), f"O(queries[{at}])") for at, each in enumerate(params["queries"])]
    return {"changed": False, "queries": [ask(login, each).to_plain() for each in queries]}


def main() -> None:
    run_module(ArgumentSpec(OPTIONS).merge(http_argument_spec()).merge(progress_argument_spec()), body)


if __name__ == "__main__":
    main()
