# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects that prepare_cluster makes and removes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prepared_objects
short_description: The objects that the runbooks need in a cluster
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Returns what the role P(market_intel.runbooks.prepare_cluster#role) makes and removes. It is meant for that role.
options:
  _input:
    description: The options of the role.
    type: dict
    required: true
  namespaces:
    description: The namespaces of the cluster.
    type: list
    elements: dict
    required: true
  check_mode:
    description: Whether nothing is made.
    type: bool
    required: true
positional: namespaces, check_mode
"""

EXAMPLES = r"""
- name: Show what would be made
  ansible.builtin.debug:
    msg: "{{ __run.options | market_intel.runbooks.prepared_objects(namespaces.resources, true) }}"
"""

RETURN = r"""
_value:
  description:
    - The objects by what is to be done, C(make), C(later) (what a dry run cannot try), and C(remove).
  type: dict
"""

import typing as t

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._prepare import plan


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"prepared_objects": plan}
