#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_backup
short_description: Save certificates, their keys and what belongs to them before they are rotated
version_added: 1.0.0
description:
  - Saves the Secret of each certificate that is due with all of its keys, its Certificate, CertificateRequest and
    issuer of cert-manager, and its entry in Vault, each in a file of its own that C(kubectl apply) takes as it is.
  - The files are encrypted in the format of C(ansible-vault), and are read back before the module ends.
  - The folder is the state of the run as well. M(market_intel.runbooks.cert_rotate) rotates nothing that is not in it,
    and O(state) says how the run has ended.
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
      - Nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - What the run has saved already stays as it is.
options:
  state:
    description:
      - V(present) saves what is due.
      - V(done) and V(rolled_back) put on record how the run has ended, so that no later command continues it, and give
        O(lease) back.
    type: str
    choices: [present, done, rolled_back]
    default: present
  keep:
    description: How many finished runs to keep, the current one included. V(0) keeps all.
    type: int
    default: 0
  seen:
    description:
      - What the plan has seen of each certificate, as RV(market_intel.runbooks.cert_rotate#module:seen) says.
      - What somebody else has changed since is refused. Without it, nothing is compared.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Save what is due
  market_intel.runbooks.cert_backup:
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
backup_path:
  description: The folder of the run.
  returned: success
  type: str
  sample: /srv/runbooks/backups/certs/20261123t101500z-rotate-certs-7f3a
certificates:
  description: The names of those that are saved.
  returned: when O(state=present)
  type: list
  elements: str
  sample: [api-gateway]
bytes:
  description: How many bytes were written now.
  returned: when O(state=present)
  type: int
  sample: 18211
removed_backups:
  description: The ids of runs whose backups were removed by O(keep).
  returned: unless O(state=present)
  type: list
  elements: str
  sample: []
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps).
  returned: when O(state=present)
  type: dict
  sample: {backup: {path: /srv/runbooks/backups/certs/20261123t101500z-rotate-certs-7f3a, bytes: 18211}}
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
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.options import (
    certificate_run,
    request_options,
    rotate_request,
    run_options,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.report import backup_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.rotate import back_up_all, close_run

OPTIONS = {
    "state": {"type": "str", "choices": ["present", "done", "rolled_back"], "default": "present"},
    "keep": {"type": "int", "default": 0},
    "seen": {"type": "dict", "default": {}},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    with certificate_run(params, check_mode=module.check_mode) as (context, run):
        if params["state"] != "present":
            return {
                "changed": False,
                "state": params["state"],
                "run_id": context.run_id,
                "backup_path": str(context.base / context.run_id),
                "removed_backups": close_run(context, params["state"], params["keep"]),
            }
        saved = back_up_all(context, rotate_request(params), run.check, force=params["force"], seen=params["seen"])
    return {**saved.to_plain(), "report": backup_report(saved).to_plain()}


def main() -> None:
    spec = ArgumentSpec(OPTIONS).merge(run_options()).merge(request_options())
    run_module(spec, body, (KUBERNETES, CRYPTOGRAPHY))


if __name__ == "__main__":
    main()
