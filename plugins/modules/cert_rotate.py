#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_rotate
short_description: Have certificates of running services issued anew
version_added: 1.0.0
description:
  - Rotates what M(market_intel.runbooks.cert_backup) has saved under the same run ID. In check mode, it is the plan of
    the whole run, for which everything is looked at that can stop it later. Nothing is issued then.
  - cert-manager is told by the condition C(Issuing) of the Certificate, and is waited for until the Secret holds
    another certificate. Vault signs a request whose key is made here.
  - A new certificate has to be at least as good as the present one in its names, usages, key, issuer and life. What is
    worse fails the module, before it is written where Vault issues, and after it where cert-manager does.
  - An interrupted run is continued by the same command, under its own run id. It issues nothing twice.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.actiongroup_k8s
  - market_intel.runbooks._k8s
  - market_intel.runbooks._k8s.run
  - market_intel.runbooks._progress
  - market_intel.runbooks._vault
  - market_intel.runbooks._certificates
  - market_intel.runbooks._certificates.request
attributes:
  check_mode:
    support: full
    details:
      - The API server tries each first write and each restart (C(dryRun=All)); nothing is issued or signed.
  diff_mode:
    support: full
    details:
      - Fingerprints, names and dates, never what is in a Secret.
  idempotent:
    support: full
    details:
      - What is not due, or was rotated by this run, stays as it is. With O(force), each new run rotates.
options:
  guard_namespace:
    description:
      - The namespace of a guard (M(market_intel.runbooks.runbook_guard)) that this run does not ask. What it says of
        the certificates that are due is in RV(notices), in check mode. Empty means that it is not read.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Plan
  market_intel.runbooks.cert_rotate:
    namespace: market-intel-brain
    certificates:
      - name: api-gateway
        secret_name: api-gateway-tls
        cert_manager: true
    backup_dir: /srv/runbooks/backups
    backup_password: "{{ vault_backup_password }}"
    run_id: 20261123t101500z-rotate-certs-7f3a
  check_mode: true

- name: Rotate what was saved
  market_intel.runbooks.cert_rotate:
    namespace: market-intel-brain
    certificates:
      - name: api-gateway
        secret_name: api-gateway-tls
        cert_manager: true
    backup_dir: /srv/runbooks/backups
    backup_password: "{{ vault_backup_password }}"
    run_id: 20261123t101500z-rotate-certs-7f3a
"""

RETURN = r"""
certificates:
  description: Each certificate that was looked at, whether it is due and why, what it is now, and who uses it.
  returned: in check mode
  type: list
  elements: dict
  sample: [{name: api-gateway, secret_name: api-gateway-tls, method: cert-manager, due: true, why: 2.0 days are left}]
due:
  description: The names of those that are due.
  returned: in check mode
  type: list
  elements: str
  sample: [api-gateway]
seen:
  description:
    - What the plan has seen of each certificate that is due, for O(market_intel.runbooks.cert_backup#module:seen).
  returned: in check mode
  type: dict
  sample: {api-gateway: {fingerprint: 5d0c, issuer: ClusterIssuer lab-ca}}
continues:
  description: The id of the unfinished run that this one continues; empty if there is none.
  returned: in check mode
  type: str
  sample: ''
canary:
  description: The workload that is to be restarted and proven before the others; empty if there is none.
  returned: in check mode
  type: str
  sample: deployment/report-api
rolling_back:
  description: Whether that run was interrupted during its rollback.
  returned: in check mode
  type: bool
  sample: false
issued_before:
  description: The time before which a certificate has to be issued to be due, RFC 3339; empty if that does not matter.
  returned: in check mode
  type: str
  sample: '2026-11-23T10:15:00Z'
rotated:
  description: Each certificate that the run has rotated, now or before it was interrupted, as it was and as it is.
  returned: always
  type: list
  elements: dict
  sample: [{name: api-gateway, secret_name: api-gateway-tls, fingerprint: 5d0c, key_changed: true}]
secrets:
  description: What M(market_intel.runbooks.rollout_restart) has to be told.
  returned: success, unless in check mode
  type: list
  elements: dict
  sample: [{name: api-gateway-tls, fingerprint: 5d0c}]
guard_targets:
  description: What O(market_intel.runbooks.runbook_guard#module:targets) calls the certificates that are due.
  returned: in check mode
  type: list
  elements: str
  sample: [market-intel-brain/api-gateway-tls]
expected:
  description: What M(market_intel.runbooks.cert_probe) has to be told.
  returned: success, unless in check mode
  type: list
  elements: dict
  sample: [{name: api-gateway, secret_name: api-gateway-tls, fingerprint: 5d0c}]
timeline:
  description: What was done when, in the fields of a report's actions.
  returned: always
  type: list
  elements: dict
  sample: [{what: api-gateway rotated, changed: true, detail: cert-manager, at: '2026-11-23T10:15:04Z'}]
notices:
  description: What an operator should know.
  returned: success
  type: list
  elements: str
  sample: []
not_verified:
  description: What could not be looked at.
  returned: in check mode
  type: list
  elements: str
  sample: []
confirm:
  description: The hash of the plan, for O(market_intel.runbooks.runbook_confirm#module:confirm).
  returned: in check mode
  type: str
  sample: 1f0c3a9b7d2e4f60-2-20261123T101500Z
confirmation:
  description: What O(market_intel.runbooks.runbook_confirm#module:plan) takes.
  returned: in check mode
  type: dict
  contains:
    content:
      description: Identifies the plan. It differs where the target, the selection or an option differs.
      type: str
      sample: 5d0c1f0c3a9b7d2e
    count:
      description: How much is to be changed.
      type: int
      sample: 2
    growth:
      description: How many times as much that may be when the plan is carried out.
      type: float
      sample: 1.0
    what:
      description: The plan in a few words, for the question and the refusal.
      type: str
      sample: '2 certificates are due in market-intel-brain: api-gateway, core-engine'
    lines:
      description: The plan for people, line by line.
      type: list
      elements: str
      sample: ['api-gateway is rotated by cert-manager: 2.0 days are left']
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: rotate_certs, state: planned}
run_id:
  description: The id of the run. It is that of an unfinished run of the same command, if there is one.
  returned: always
  type: str
  sample: 20261123t101500z-rotate-certs-7f3a
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_tls import CRYPTOGRAPHY
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.options import (
    RUNBOOK,
    certificate_run,
    request_options,
    rotate_request,
    run_options,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.plan import confirmation
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.report import (
    Asked,
    rotation_diff,
    undo_command,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.rotate import (
    Rotation,
    plan_rotation,
    rotate_all,
)


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    params["run_id"] = params["run_id"] or new_run_id(RUNBOOK)
    asked = Asked(params, params["run_id"], utc_now())
    undo = ""
    try:
        request = rotate_request(params)
        with certificate_run(params, check_mode=module.check_mode) as (context, run):
            if module.check_mode:
                plan = plan_rotation(context, request, force=params["force"])
                gate = confirmation(context, request, plan, force=params["force"])
                report = asked.plan_report(plan, confirm=gate["confirm"])
                gate["confirmation"]["lines"] += report.plan_lines
                diff = {"diff": rotation_diff(plan)} if module._diff else {}
                return {**plan.to_plain(), **gate, **diff, "report": report.to_plain()}
            undo = undo_command(context, params)
            rotation = rotate_all(context, request, run.check, run.progress)
    except RunbookError as exc:
        if module.check_mode:
            exc.report = asked.plan_report(None, exc)
        else:
            reached = exc.reached if isinstance(exc.reached, Rotation) else None
            exc.report = asked.rotation_report(reached, undo, exc)
        raise
    report = asked.rotation_report(rotation, undo)
    return {**rotation.to_plain(), "state": report.state, "report": report.to_plain()}


def main() -> None:
    spec = ArgumentSpec({"guard_namespace": {"type": "str", "default": ""}})
    run_module(spec.merge(run_options()).merge(request_options()), body, (KUBERNETES, CRYPTOGRAPHY))


if __name__ == "__main__":
    main()
