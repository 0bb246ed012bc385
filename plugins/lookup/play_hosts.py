# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a play, or the sentence why there are none."""

from __future__ import annotations

DOCUMENTATION = r"""
name: play_hosts
short_description: The hosts of a runbook's play
version_added: 1.0.0
author:
  - Market Intel Brain (@market-intel-brain)
description:
  - Returns the pattern for C(hosts) of a play, which is the variable C(runbooks_hosts), else the group C(clusters),
    else
    C(localhost).
  - Fails where Ansible would end green without having done anything, which is where a host is mistyped, or the
    inventory
    is missing or empty.
  - It is the first thing of a play that is evaluated. So it refuses templates in the extra variables of this
    collection, before anything evaluates them; they may come from the labels of an alert or from a survey.
options:
  _terms:
    description: None are taken.
"""

EXAMPLES = r"""
- name: Check certificates
  hosts: "{{ lookup('market_intel.runbooks.play_hosts') }}"
  gather_facts: false
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.inventory.manager import split_host_pattern
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Refused, RunbookError
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._extra_vars import checked_extra_vars

_GROUP = "clusters"
# What Ansible reads where nobody names an inventory.
_NO_INVENTORY = ["/etc/ansible/hosts"]


class LookupModule(LookupBase):
    def run(self, terms: t.Sequence[t.Any], variables: t.Any = None, **_options: t.Any) -> list[str]:
        try:
            checked_extra_vars()
            return [self._pattern(variables or {})]
        except RunbookError as exc:
            raise AnsibleError(str(exc)) from exc

    def _pattern(self, variables: t.Mapping[str, t.Any]) -> str:
        groups = variables.get("groups") or {}
        if not groups.get("all") and list(variables.get("ansible_inventory_sources") or []) != _NO_INVENTORY:
            raise Refused("The inventory is missing or empty; name one with -i, or correct its path.")
        names = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        pattern = _as_pattern(self._templar.template(variables.get("runbooks_hosts")))
        for part in split_host_pattern(pattern) if pattern else ():
            # Such a part only takes hosts away.
            if not part.startswith(("!", "&")) and not names.run([part], variables=variables):
                raise Refused(
                    f"No host of the inventory is called {part}; correct runbooks_hosts (-l of ops), or the inventory "
                    "(-i)."
                )
        if not pattern:
            if _GROUP in groups and not groups[_GROUP]:
                raise Refused(f"The group {_GROUP} of the inventory has no hosts; add one, or set runbooks_hosts.")
            pattern = _GROUP if _GROUP in groups else "localhost"
        limit = str(variables.get("ansible_limit") or "")
        # What is in a file behind "@" is Ansible's to read.
        if limit and "@" not in limit:
            within = set(names.run([limit], variables=variables))
            if not within & set(names.run([pattern], variables=variables)):
                raise Refused(
                    f"None of the hosts of {pattern}, for which the play is, is in --limit {limit}; correct the limit, "
                    "or runbooks_hosts."
                )
        return pattern


def _as_pattern(value: t.Any) -> str:
    """Return the one line that a play takes of a text in several, as a survey gives it, or of a list."""
    parts = value if isinstance(value, (list, tuple)) else str("" if value is None else value).splitlines()
    return ",".join(str(part).strip().strip(",") for part in parts if str(part).strip())
