#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plain_extra_vars
short_description: Refuse templates in extra variables before anything evaluates them
version_added: 1.0.0
description:
  - Fails if an extra variable whose name begins with one of O(prefixes) holds a template. Extra variables may come
    from the labels of an alert, and Ansible evaluates templates in them, even while it validates the arguments of a
    role.
  - To be the first task of a play, before a role is included. It never evaluates a variable itself.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
options:
  prefixes:
    description: What the names of the variables begin with.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Take no templates from alerts
  market_intel.runbooks.plain_extra_vars:
    prefixes: [debug_pod_, runbooks_]
"""

RETURN = r"""
"""

# The action plugin of the same name does it: a module only sees what has been evaluated.
