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
      - The API server tries each first write (C(dryRun=All)); nothing is issued or signed.
  diff_mode:
    support: full
    details:
      - Fingerprints, names and dates, never what is in a Secret.
  idempotent:
    support: full
    details:
      - What is not due, or was rotated by this run, stays as it is. With O(force), each new run rotates.
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
  description: Whether that run was about to go back.
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
  description: What M(market_intel.runbooks.rollout_restart) has to be told. In check mode, with fingerprints of zeros.
  returned: success
  type: list
  elements: dict
  sample: [{name: api-gateway-tls, fingerprint: 5d0c}]
expected:
  description: What M(market_intel.runbooks.cert_probe) has to be told.
  returned: success, unless in check mode
  type: list
  elements: dict
  sample: [{name: api-gateway, secret_name: api-gateway-tls, fingerprint: 5d0c}]
touched:
  description: The names of those that have to be put back.
  returned: on failure, unless in check mode
  type: list
  elements: str
  sample: []
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
undo:
  description: The command that undoes the run.
  returned: success
  type: str
  sample: ansible-playbook market_intel.runbooks.rollback_certs -e rotate_certs_rollback_run=...
parts:
  description: What a report says of the certificates that were rotated.
  returned: unless in check mode
  type: dict
  sample: {actions: [], figures: []}
report:
  description: The fields for O(market_intel.runbooks.runbook_report#module:report), also when the run fails.
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
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import new_run_id, utc_now
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.options import (
    RUNBOOK,
    certificate_run,
    request_options,
    rotate_request,
    run_options,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.report import (
    rotated_parts,
    rotation_diff,
    rotation_report,
    undo_command,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotate import plan_rotation, rotate_all


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    params["run_id"] = params["run_id"] or new_run_id(RUNBOOK)
    started = utc_now()
    try:
        request = rotate_request(params)
        with certificate_run(params, check_mode=module.check_mode) as (context, run):
            if module.check_mode:
                result = plan_rotation(context, request, force=params["force"])
            else:
                result = rotate_all(context, request, run.check, run.progress)
            result["undo"] = undo_command(context, params)
    except RunbookError as exc:
        exc.result["report"] = rotation_report(params, params["run_id"], started, exc.result, exc)
        exc.result["parts"] = rotated_parts(exc.result)
        raise
    if module.check_mode:
        if module._diff:
            result["diff"] = rotation_diff(result)
        return {**result, "report": rotation_report(params, params["run_id"], started, result)}
    return {**result, "parts": rotated_parts(result)}


def main() -> None:
    run_module(run_options().merge(request_options()), body, (KUBERNETES, CRYPTOGRAPHY))


if __name__ == "__main__":
    main()
