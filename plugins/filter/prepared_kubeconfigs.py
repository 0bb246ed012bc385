# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kubeconfigs that prepare_cluster writes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prepared_kubeconfigs
short_description: Kubeconfigs with the tokens of ServiceAccounts
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Returns a kubeconfig for each Secret with a token. It is meant for the role
    P(market_intel.runbooks.prepare_cluster#role). The result holds the tokens.
options:
  _input:
    description: The Secrets.
    type: list
    elements: dict
    required: true
  run:
    description: What M(market_intel.runbooks.runbook_start) has returned.
    type: dict
    required: true
positional: run
"""

EXAMPLES = r"""
- name: Write kubeconfigs
  ansible.builtin.copy:
    content: "{{ item.content }}"
    dest: "/etc/runbooks/{{ item.name }}.kubeconfig"
    mode: "0600"
  loop: "{{ secrets.resources | market_intel.runbooks.prepared_kubeconfigs(__run) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The kubeconfigs, with their C(name) and C(content).
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._prepare import kubeconfigs


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"prepared_kubeconfigs": prepared_kubeconfigs}


def prepared_kubeconfigs(secrets: t.Sequence[dict[str, t.Any]], run: t.Mapping[str, t.Any]) -> list[dict[str, str]]:
    return kubeconfigs(secrets, run["cluster"]["server"], validate_certs=run["options"]["validate_certs"])
