#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lease
short_description: Hold a Lease of the cluster for a run, or give it back
version_added: 1.0.0
description:
  - Makes a run the only one at work in a namespace. A Lease of another run that has not expired is refused with the
    name of that run.
  - The Lease expires by itself, and at once for runs on the same machine if the ansible-playbook behind it is dead.
  - The modules that take its name in O(lease) renew it while they work, and a run takes its own again.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.actiongroup_k8s
  - market_intel.runbooks._k8s
  - market_intel.runbooks._k8s.run
  - market_intel.runbooks._progress
attributes:
  check_mode:
    support: full
    details:
      - The Lease is not written; a held one is returned.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - A Lease is bookkeeping and never counts as a change.
options:
  state:
    description: V(present) holds the Lease, V(absent) gives it back, if it is still this run's.
    type: str
    choices: [present, absent]
    default: present
  duration:
    description: How many seconds the Lease is held without being renewed.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Be the only run
  market_intel.runbooks.run_lease:
    namespace: market-intel-brain
    lease: runbooks-rotate-certs
    run_id: 20261123t101500z-rotate-certs-7f3a
"""

RETURN = r"""
holder:
  description: The run that holds the Lease now, or would hold it; empty if none does.
  returned: success
  type: str
  sample: 20261123t101500z-rotate-certs-7f3a
taken_over:
  description: The run whose Lease had expired and was taken over; empty if there was none.
  returned: success
  type: str
  sample: ''
run_id:
  description: The id of this run.
  returned: success
  type: str
  sample: 20261123t101500z-rotate-certs-7f3a
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.lease import (
    LeaseName,
    acquire,
    holder,
    process_of,
    release,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import cluster_run, run_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import controller

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "duration": {"type": "int", "default": 120},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    if not params["lease"] or params["duration"] < 1:
        raise InvalidInput("O(lease) is empty or O(duration) below 1 s; give the Lease a name and at least a second.")
    lease = LeaseName(params["namespace"], params["lease"])
    # The step itself neither takes nor keeps it.
    with cluster_run({**params, "lease": ""}, "run_lease", check_mode=module.check_mode) as run:
        taken_over = ""
        if not module.check_mode and params["state"] == "present":
            before = acquire(run.login, lease, run.run_id, params["duration"], process_of(controller(params)))
            taken_over = before.run_id if before else ""
        elif not module.check_mode:
            release(run.login, lease, run.run_id)
        found = holder(run.login, lease)
        return {
            "changed": False,
            "holder": found.run_id if found and not found.expired else "",
            "taken_over": taken_over,
            "run_id": run.run_id,
        }


def main() -> None:
    run_module(ArgumentSpec(OPTIONS).merge(run_argument_spec()), body, (KUBERNETES,))


if __name__ == "__main__":
    main()
