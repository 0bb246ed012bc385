# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The survey of a job template in AWX, made of what a runbook documents of its variables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_survey
short_description: The survey of a runbook's job template
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Returns what the option C(survey_spec) of C(awx.awx.job_template) takes. Types, choices and explanations are those
    of the role's C(argument_specs), so that a survey and its runbook do not drift apart.
  - The first question is always that for the clusters, C(runbooks_hosts).
  - Only a question with choices has a default. An answer beats the inventory, an empty one too, so ask for what is
    decided at the launch and leave to the inventory what belongs to a cluster.
options:
  _terms:
    description: The name of the playbook, such as V(flush_redis).
    required: true
  required:
    description: Variables that have to be answered, without the role's prefix.
    type: list
    elements: str
    default: []
  optional:
    description: Variables that may be left empty, without the role's prefix.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Create the job template
  awx.awx.job_template:
    name: Flush Redis caches
    playbook: flush_redis.yml
    survey_enabled: true
    survey_spec: "{{ lookup('market_intel.runbooks.awx_survey', 'flush_redis', optional=['names', 'mode']) }}"
"""

RETURN = r"""
_raw:
  description: One survey for each playbook, with V(name), V(description) and V(spec).
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._survey import survey


class LookupModule(LookupBase):
    def run(self, terms: t.Sequence[t.Any], variables: t.Any = None, **options: t.Any) -> list[dict[str, t.Any]]:
        self.set_options(var_options=variables, direct=options)
        questions = (self.get_option("required"), self.get_option("optional"))
        try:
            return [survey(str(playbook), *questions) for playbook in terms]
        except RunbookError as exc:
            raise AnsibleError(str(exc)) from exc
