#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_restart
short_description: Restart the workloads that have to see the new content of Secrets, in batches
version_added: 1.0.0
description:
  - Finds who uses the Secrets of a namespace, and restarts those that would not see their new content by themselves.
  - A workload is restarted once for all of its Secrets, by an annotation of its pods that names the certificates.
    A run that is repeated or continued therefore does not restart it again.
  - Nothing is restarted if a Secret holds another certificate than O(secrets[].fingerprint), as far as this login may
    read it.
  - Each rollout is waited for by the rules of C(kubectl rollout status). One that fails or does not end in time is
    the last one.
  - What mounts a whole Secret is restarted as well, unless the annotation C(market-intel.runbooks/reload) of the
    workload or O(overrides) say V(hot). A running container never sees a change through a variable or a C(subPath).
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
      - The API server only tries the changes (C(dryRun=All)), and nothing is waited for.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  secrets:
    description: The Secrets that have a new content.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the Secret.
        type: str
        required: true
      fingerprint:
        description: The SHA-256 of the certificate in it, of the leaf, in hexadecimal digits.
        type: str
        required: true
  overrides:
    description:
      - How workloads get a new content, whatever their annotations say; the keys are as V(deployment/api-gateway).
      - V(hot) reads it again by itself, V(restart) has to be restarted, V(external) is restarted by somebody else, and
        V(none) does not need it.
    type: dict
    default: {}
  mode:
    description:
      - V(auto) restarts what has to be, V(always) also what is V(hot), V(never) nothing.
    type: str
    choices: [auto, always, never]
    default: auto
  serial:
    description: How many workloads are restarted at once.
    type: int
    default: 1
  only:
    description: The workloads to restart, as in V(deployment/api-gateway). Without any, all of them.
    type: list
    elements: str
    default: []
  skip:
    description: Workloads to leave out.
    type: list
    elements: str
    default: []
  only_restarted:
    description:
      - Restart only workloads that were restarted for another certificate of these Secrets before, as a rollback does.
    type: bool
    default: false
  allow_downtime:
    description:
      - Whether a workload may be restarted that cannot be restarted without a moment in which nothing serves.
      - Otherwise nothing is restarted, and the module says why.
    type: bool
    default: true
  timeout:
    description: How long a rollout may take, in seconds.
    type: float
    default: 600.0
seealso:
  - module: market_intel.runbooks.cert_probe
"""

EXAMPLES = r"""
- name: Restart what does not read the new certificate by itself, beginning with one workload
  market_intel.runbooks.rollout_restart:
    namespace: market-intel-brain
    secrets:
      - name: api-gateway-tls
        fingerprint: 6f1ed002ab5595859014ebf0951522d9f3b7c9bc8a4a7b9d6b1b0b0c0d0e0f10
    only: [deployment/api-gateway]

- name: Restart the others, two at a time
  market_intel.runbooks.rollout_restart:
    namespace: market-intel-brain
    secrets:
      - name: api-gateway-tls
        fingerprint: 6f1ed002ab5595859014ebf0951522d9f3b7c9bc8a4a7b9d6b1b0b0c0d0e0f10
    skip: [deployment/api-gateway]
    serial: 2
"""

RETURN = r"""
report:
  description: A part of the report with what was restarted, for O(market_intel.runbooks.runbook_report#module:steps).
  returned: always
  type: dict
  sample: {}
run_id:
  description: The id of the run.
  returned: always
  type: str
  sample: 20261123t101500z-rotate-certs-7f3a
state:
  description: How the run ended, V(planned), V(unchanged), V(done), V(refused), V(interrupted) or V(failed).
  returned: always
  type: str
  sample: done
workloads:
  description: What uses the Secrets, and what became of it; also when the run fails.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of the object.
      type: str
      sample: Deployment
    name:
      description: The name of the object.
      type: str
      sample: api-gateway
    reload:
      description:
        - How it gets a new content, V(hot), V(restart), V(external), V(trust) (it needs only C(ca.crt)), V(none)
          (nothing runs that needs it) or V(operator) (it has to be restarted, but not by this module).
      type: str
      sample: restart
    state:
      description:
        - V(restarted), V(current) (its pods were started for these certificates before), V(skipped), V(failed),
          V(pending) (its restart has begun, and the run ended before it was finished), or as RV(workloads[].reload)
          if it is not to be restarted.
      type: str
      sample: restarted
    why:
      description: Why that is so.
      type: str
      sample: all pods are new and available
    seconds:
      description: How long the restart took.
      type: float
      sample: 6.3
    uses:
      description: Which Secrets it uses, in which way, in which containers.
      type: list
      elements: dict
      sample: [{secret: api-gateway-tls, way: volume, containers: [service]}]
    owner:
      description: The object that it belongs to, if there is one.
      type: str
      sample: ""
    problems:
      description: What an operator should fix.
      type: list
      elements: str
      sample: []
timeline:
  description: When each restart began and ended, in the fields of a report's actions.
  returned: always
  type: list
  elements: dict
  sample: [{what: restart of deployment/api-gateway begun, changed: true, detail: "", at: "2026-11-23T10:15:04Z"}]
notices:
  description: What an operator should know.
  returned: always
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.rollout import (
    MODES,
    RestartRequest,
    Restarts,
    restart,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import cluster_run, run_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.fingerprint import read_fingerprint

OPTIONS = {
    "secrets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "fingerprint": {"type": "str", "required": True},
        },
    },
    "overrides": {"type": "dict", "default": {}},
    "mode": {"type": "str", "choices": list(MODES), "default": "auto"},
    "serial": {"type": "int", "default": 1},
    "only": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "str", "default": []},
    "only_restarted": {"type": "bool", "default": False},
    "allow_downtime": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 600.0},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    if params["serial"] < 1:
        raise InvalidInput(f"serial is {params['serial']}; allowed is 1 or more: so many workloads at once.")
    request = RestartRequest(
        fingerprints={each["name"]: read_fingerprint(each["fingerprint"], each["name"]) for each in params["secrets"]},
        only=tuple(params["only"]),
        skip=tuple(params["skip"]),
        **{name: params[name] for name in ("namespace", "overrides", "mode", "serial", "timeout")},
        **{name: params[name] for name in ("only_restarted", "allow_downtime")},
    )
    try:
        with cluster_run(params, "rotate_certs", check_mode=module.check_mode) as run:
            result = restart(run.login, request, run.check, run.progress)
    except RunbookError as exc:
        if isinstance(exc.reached, Restarts):
            exc.report = exc.reached.to_report()
        raise
    state = ("planned" if module.check_mode else "done") if result.changed else "unchanged"
    return {**result.to_plain(), "state": state, "run_id": run.run_id, "report": result.to_report().to_plain()}


def main() -> None:
    run_module(ArgumentSpec(OPTIONS).merge(run_argument_spec()), body, (KUBERNETES,))


if __name__ == "__main__":
    main()
