#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_confirm
short_description: Decide whether a plan may be carried out
version_added: 1.0.0
description:
  - In production, a plan needs its hash, which an operator has from the plan and which is valid for 30 minutes.
    Elsewhere it says whether somebody is to be asked.
  - The action plugin of the same name does it, in the controller's process.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
options:
  plan:
    description:
      - What is to be confirmed, as C(confirmation) in a plan of this collection has it.
      - C(content) identifies it, C(count) is how much is to be changed, C(growth) how many times as much that may be
        when it is carried out, C(what) and C(lines) are for people.
    type: dict
    required: true
  answer:
    description:
      - What somebody has answered to the question. With it, all but C(yes) is refused, and nothing else is decided.
    type: str
  confirm:
    description: The hash that an operator gave.
    type: str
  production:
    description: Whether this is production.
    type: bool
    default: false
  skip_prompt:
    description: Whether to go on without a question outside production.
    type: bool
    default: false
  unattended:
    description: Whether neither a hash nor an answer is needed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Demand the confirmation of the plan
  market_intel.runbooks.runbook_confirm:
    plan: "{{ plan.confirmation }}"
    confirm: "{{ flush_redis_confirm }}"
    production: true
"""

RETURN = r"""
ask:
  description: Whether somebody is to be asked.
  returned: success
  type: bool
  sample: false
question:
  description: What to show with the question.
  returned: success
  type: list
  elements: str
  sample: []
"""

# The action plugin of the same name does it, in the process that knows what the operator gave.
