# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy and the AppRole that prepare_cluster writes to Vault."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prepared_in_vault
short_description: What the runbooks need in Vault
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Returns what the role P(market_intel.runbooks.prepare_cluster#role) writes to Vault. It is meant for that role.
options:
  _input:
    description: The options of the role.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be written
  ansible.builtin.debug:
    msg: "{{ __run.options | market_intel.runbooks.prepared_in_vault }}"
"""

RETURN = r"""
_value:
  description: The paths, each with the C(data) to write.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._prepare import in_vault


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"prepared_in_vault": in_vault}
