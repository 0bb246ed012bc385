#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_prompt
short_description: Ask whoever sits at the terminal
version_added: 1.0.0
description:
  - It asks once for all hosts of a play, and waits for a line. Ctrl-C is the answer C(no).
  - Where there is no terminal, nobody is waited for, and there is no answer.
  - The action plugin of the same name does it, in the controller's process.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
options:
  question:
    description: What to show. A colon is put behind it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Ask
  market_intel.runbooks.runbook_prompt:
    question: Type yes to go on
  register: asked
"""

RETURN = r"""
answer:
  description: What was typed; C(no) after Ctrl-C, empty without a terminal.
  returned: success
  type: str
  sample: "yes"
"""

# The action plugin of the same name does it, in the process that has the terminal.
