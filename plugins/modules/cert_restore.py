#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_restore
short_description: Put back certificates that a run has rotated
version_added: 1.0.0
description:
  - Puts back what M(market_intel.runbooks.cert_backup) has saved, wherever the run has put another certificate.
  - For cert-manager, the CertificateRequest of the present revision is deleted first. Otherwise it would issue again at
    once, because the key is not the one that it knows. Vault's KV gets the old entry as a new version.
  - O(run_id) names the run to undo. The rollback works under its id, so that the same command continues it.
  - It is refused, with the reason and before anything is touched, if an old certificate has expired or was revoked, if
    its renewal time has passed, or if somebody has put a later one in its place.
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
attributes:
  check_mode:
    support: full
    details:
      - Everything that could refuse it is looked at.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  skip_unrestorable:
    description:
      - Whether a certificate that cannot come back is named and left, instead of keeping all others from it.
      - If none can, the run is given up, so that no later command continues it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Roll back
  market_intel.runbooks.cert_restore:
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
restored:
  description: The names of those that are as they were before the run, now or since an interrupted rollback.
  returned: success
  type: list
  elements: str
  sample: [api-gateway]
secrets:
  description: What M(market_intel.runbooks.rollout_restart) has to be told.
  returned: success
  type: list
  elements: dict
  sample: [{name: api-gateway-tls, fingerprint: 5d0c}]
expected:
  description: What M(market_intel.runbooks.cert_probe) has to be told.
  returned: success
  type: list
  elements: dict
  sample: [{name: api-gateway, secret_name: api-gateway-tls, fingerprint: 5d0c}]
notices:
  description: What an operator should know.
  returned: success
  type: list
  elements: str
  sample: []
timeline:
  description: What was done when, in the fields of a report's actions.
  returned: success
  type: list
  elements: dict
  sample: [{what: api-gateway is as it was before the run, changed: true, detail: '', at: '2026-11-23T10:15:04Z'}]
problems:
  description: Every reason for which it was refused.
  returned: on failure
  type: list
  elements: str
  sample: []
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: rollback_certs, state: done}
run_id:
  description: The id of the run that was undone.
  returned: always
  type: str
  sample: 20261123t101500z-rotate-certs-7f3a
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_tls import CRYPTOGRAPHY
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import read_catalogue
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.options import (
    certificate_run,
    run_options,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.report import Asked
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.rotate import roll_back

OPTIONS = {"skip_unrestorable": {"type": "bool", "default": False}}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    asked = Asked(params, params["run_id"], utc_now())
    try:
        if not params["run_id"]:
            raise InvalidInput("O(run_id) is empty; name the run to undo, as the report of a rotation does.")
        entries = read_catalogue(params["certificates"])
        with certificate_run(params, check_mode=module.check_mode, reads=True) as (context, run):
            restored = roll_back(
                context, entries, run.check, run.progress, skip_unrestorable=params["skip_unrestorable"]
            )
    except RunbookError as exc:
        exc.report = asked.rollback_report(None, module.check_mode, exc)
        raise
    return {**restored.to_plain(), "report": asked.rollback_report(restored, module.check_mode).to_plain()}


def main() -> None:
    run_module(ArgumentSpec(OPTIONS).merge(run_options()), body, (KUBERNETES, CRYPTOGRAPHY))


if __name__ == "__main__":
    main()
