# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of prepare_cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prepared_report
short_description: The report of what was prepared in a cluster
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Returns the result of a step for M(market_intel.runbooks.runbook_report). It is meant for the role
    P(market_intel.runbooks.prepare_cluster#role).
options:
  _input:
    description: The options of the role.
    type: dict
    required: true
  steps:
    description:
      - Lists of three, a verb, what it was done to, and the result of the task; what it was done to are objects or
        texts.
    type: list
    elements: list
    required: true
  how:
    description: When it began (C(started)), and whether nothing was changed (C(check_mode)).
    type: dict
    required: true
positional: steps, how
"""

EXAMPLES = r"""
- name: Write the report
  market_intel.runbooks.runbook_report:
    runbook: prepare_cluster
    steps:
      - "{{ __run.options | market_intel.runbooks.prepared_report([['make', objects, made]], how) }}"
  vars:
    how: {started: "2026-11-23T10:15:00Z", check_mode: false}
"""

RETURN = r"""
_value:
  description: What M(market_intel.runbooks.runbook_report) takes as one of its steps.
  type: dict
"""

import typing as t

from ansible_collections.market_intel.runbooks.plugins.module_utils._time import parse_time
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._prepare import Step, name_of, report


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"prepared_report": prepared_report}


def prepared_report(
    options: t.Mapping[str, t.Any], steps: t.Sequence[t.Sequence[t.Any]], how: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    read = [
        Step(verb, [each if isinstance(each, str) else name_of(each) for each in subjects], result)
        for verb, subjects, result in steps
    ]
    return {"report": report(options, read, parse_time(how["started"]), check_mode=how["check_mode"]).to_plain()}
