#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_info
short_description: Find every certificate that will become a problem
version_added: 1.0.0
description:
  - Reads all TLS Secrets of a cluster or of some namespaces in pages of 500, and what else is asked for, and judges
    each certificate by its dates and by who renews it.
  - Tells private keys that do not fit, weak keys and broken hashes, names that no client accepts, chains that are in
    the wrong order or lead nowhere, authorities that end before what they have signed, Ingresses and Gateways whose
    certificate is for other hosts or is missing, and servers that show something else than what is stored, or what
    their clients refuse.
  - What clients refuse is V(critical); what only strict ones refuse, such as Python since 3.13, is a V(warning).
  - What this login may not read, and what cannot be parsed or verified, is V(unknown), never V(ok).
  - The whole inventory goes into files; through Ansible go the numbers and the worst entries. Of private keys nothing
    is kept but whether they fit.
  - Reads only. The files are bookkeeping, and are written in check mode as well.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_k8s
  - market_intel.runbooks._k8s
  - market_intel.runbooks._progress
options:
  cluster:
    description:
      - The name of the cluster in the files, their names and the metrics. Without it, the address of the API server.
    type: str
    default: ''
  namespaces:
    description:
      - The namespaces to look at; without any, all of them, which needs a ClusterRole.
      - A namespace that may not be read is V(unknown); one that does not exist is an error.
    type: list
    elements: str
    default: []
  secrets:
    description:
      - Whether Secrets are read. The right to list them is the right to read private
        keys; without it, O(certificates) and O(endpoints) still tell most of what there is to know.
    type: bool
    default: true
  other_secrets:
    description:
      - Whether certificates in PEM are looked for in Secrets of other types than C(kubernetes.io/tls), too, and in
        other keys than C(tls.crt), whatever these are called.
      - Releases of Helm and tokens of ServiceAccounts are never read.
    type: bool
    default: true
  keystores:
    description:
      - Whether JKS and PKCS#12 keystores and certificates in PKCS#7 and DER are read, too, which their bytes tell;
        without it, they are counted.
      - For a PKCS#12, no password, the empty one, and one that is beside it are tried (the keys C(NAME.password),
        C(NAME-password), C(password) and C(keystore-password), NAME with its ending and without).
    type: bool
    default: false
  certificates:
    description: Whether the Certificates of cert-manager are read, which say how the renewal goes.
    type: bool
    default: true
  configmaps:
    description: Whether certificates in ConfigMaps are read, where the bundles of authorities are.
    type: bool
    default: false
  consumers:
    description:
      - Whether Ingresses and Gateways are read, whose hosts have to be names of the certificate that they serve.
      - If no O(namespaces) are named, the C(caBundle) of webhooks, also of custom resources, and of
        APIServices as well.
      - Needs O(secrets).
    type: bool
    default: true
  unused:
    description:
      - Whether to tell for each Secret if a pod or an Ingress of its namespace mentions it, which lists both.
    type: bool
    default: false
  endpoints:
    description:
      - TLS servers to dial from here. What they show is judged, compared with what is stored, and verified as a client
        does that expects the C(server_name).
      - Each is V(host:port), or a mapping with C(address) (V(host:port)), C(server_name) (the name that is asked for,
        by default the host), C(secret) (V(namespace/name) of what it should show, by default one of the same names) and
        C(ca_cert) (a file with the authorities that its clients trust).
      - Without C(ca_cert), the authorities are those of C(ca.crt) in its Secret, or else of O(endpoint_ca_cert), or
        else those of this system.
    type: list
    elements: raw
    default: []
  endpoint_ca_cert:
    description: File with the authorities that clients of the O(endpoints) trust, if nothing closer to them says so.
    type: path
    default: ''
  endpoint_timeout:
    description: How long to wait for an endpoint, in seconds.
    type: float
    default: 5.0
  vault:
    description: Read the certificates in a KV version 2 of Vault or OpenBao, too.
    type: dict
    suboptions:
      url:
        description:
          - Its address. If it is not given, the environment variable E(VAULT_ADDR) is used.
        type: str
      token:
        description:
          - A token, as C(community.hashi_vault.vault_login) returns one. If it is not given, the environment variable
            E(VAULT_TOKEN) is used.
        type: str
      namespace:
        description:
          - Its namespace, if it has several. If it is not given, the environment variable E(VAULT_NAMESPACE) is used.
        type: str
      ca_cert:
        description:
          - File with the authorities that it is trusted for. If it is not given, the environment variable
            E(VAULT_CACERT) is used.
        type: path
      validate_certs:
        description: Whether its certificate is checked.
        type: bool
        default: true
      kv_mount:
        description: Where the KV version 2 is mounted.
        type: str
        default: kv
      kv_prefix:
        description: The folder in it; all entries below it are read.
        type: str
        default: certs
  warning:
    description:
      - How much life has to be left to a certificate that nobody renews, so that it is not a warning.
      - A time such as V(30d), V(12h) or V(90m), or a share of its lifetime such as V(20%). Without it, 30 days, but at
        most a third of the lifetime.
    type: str
    default: ''
  critical:
    description: The same for critical. Without it, 7 days, but at most a tenth of the lifetime.
    type: str
    default: ''
  renewal_grace:
    description:
      - How late a renewal by cert-manager may be. Without it, an hour or 2 % of the lifetime, whichever is longer, but
        at most a quarter of the time between renewal and expiry.
    type: str
    default: ''
  authority_warning:
    description: >-
      How much life has to be left to an authority, so that it is not a warning. Without it, 180 days, but at most half
      of its lifetime. An authority that has less left than the longest that it has signed had is a warning in any case.
    type: str
    default: ''
  overrides:
    description: Other thresholds for some certificates, whoever renews them; of several that match, the last one holds.
    type: list
    elements: dict
    default: []
    suboptions:
      match:
        description: A glob pattern of V(namespace/name).
        type: str
        required: true
      warning:
        description: As O(warning).
        type: str
      critical:
        description: As O(critical).
        type: str
  mutes:
    description:
      - What is known and does not count until a date. It stays in the files with its severity and the reason.
      - A mute that has ended is a warning of its own.
    type: list
    elements: dict
    default: []
    suboptions:
      match:
        description: A glob pattern of V(namespace/name), or the SHA-256 fingerprint of a certificate.
        type: str
        required: true
      until:
        description: A date such as V(2026-12-31), which is included, or a time such as V(2026-12-31T12:00:00Z).
        type: str
        required: true
      reason:
        description: Why it is known.
        type: str
        required: true
  directory:
    description:
      - Folder of the reports, as of M(market_intel.runbooks.runbook_report). The inventory goes into the folder of the
        run below it, as C(CLUSTER.certificates.json) and in the O(outputs). Must be absolute, or begin with V(~).
      - Without it, no file is written.
    type: path
    default: ''
  outputs:
    description:
      - What to write beside the JSON file. V(csv) is for spreadsheets, V(junit) (C(.xml)) for a CI, V(prometheus)
        (C(.prom)) for the textfile collector of the node exporter, V(nagios) is one line.
    type: list
    elements: str
    choices: [csv, junit, prometheus, nagios]
    default: []
  previous:
    description:
      - The JSON file of the run to compare with. Without it, the newest one in O(directory) of the same cluster and
        scope.
    type: path
    default: ''
  run_id:
    description: The id of this run, such as V(20261123t101500z-check-certs-7f3a). Without it, one is made.
    type: str
    default: ''
requirements:
  - cryptography >= 42.0.0 (Python library)
  - hvac >= 2.1.0 (Python library), if O(vault) is given
seealso:
  - module: market_intel.runbooks.runbook_report
"""

EXAMPLES = r"""
- name: Look at all certificates of the cluster
  market_intel.runbooks.cert_info:
    cluster: eu-1
    directory: /srv/runbooks/reports
    outputs: [csv, prometheus]
    endpoints:
      - shop.example.com:443
    mutes:
      - match: legacy/*
        until: 2026-12-31
        reason: switched off in January, OPS-4711
  register: certificates

- name: Fail where something is wrong
  ansible.builtin.assert:
    that: not certificates.verdicts.unknown
    fail_msg: "{{ certificates.verdicts.unknown }}"
"""

RETURN = r"""
run_id:
  description: The id of the run.
  returned: success
  type: str
  sample: 20261123t101500z-check-certs-7f3a
severity:
  description: The worst that was found and is not muted, V(ok), V(warning), V(unknown) or V(critical), in this order.
  returned: success
  type: str
  sample: warning
counts:
  description: Entries by severity, without those that are muted; these and all are counted apart.
  returned: success
  type: dict
  sample: {ok: 4990, warning: 7, unknown: 1, critical: 1, muted: 1, total: 5000}
worst:
  description: The worst entries, at most 200, with the fields of C(docs/certificates.schema.json).
  returned: success
  type: list
  elements: dict
  sample: [{id: 'secret:shop/web:tls.crt', severity: critical, reasons: [it expired 3 d ago]}]
unread:
  description: What could not be read.
  returned: success
  type: list
  elements: dict
  sample: [{where: kube-system/secrets, reason: the API server does not let this login list secrets}]
left_out:
  description: What holds certificates and was not read because nobody asked for it, by its kind.
  returned: success
  type: dict
  sample: {JKS keystore: 2, kubeconfig: 1}
difference:
  description: What has changed since a run before, with at most 200 of each kind; without one, all is empty.
  returned: success
  type: dict
  sample: {run_id: 20261122t101500z-check-certs-0a1b, renewed: ['secret:shop/web:tls.crt'], renewed_count: 1}
verdicts:
  description: One sentence for each of V(warning), V(unknown) and V(critical); empty if nothing is as bad as that.
  returned: success
  type: dict
  sample: {warning: '1 critical of 5,000 certificates of eu-1: shop/web: it expired 3 d ago', critical: ''}
nagios:
  description: The line for Nagios.
  returned: success
  type: str
  sample: CERTIFICATES OK - 5,000 certificates of eu-1 are in order | ok=5000 warning=0 critical=0
paths:
  description: The files that were written, by V(json) and the O(outputs).
  returned: success
  type: dict
  sample: {json: /srv/runbooks/reports/20261123t101500z-check-certs-7f3a/eu-1.certificates.json}
stats:
  description: What O(market_intel.runbooks.runbook_report#module:steps) publishes of it.
  returned: always
  type: dict
  sample: {severity: critical, counts: {critical: 1}, files: {}}
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: check_certs, state: unchanged}
"""

import typing as t

from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_kubernetes import KUBERNETES
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_tls import CRYPTOGRAPHY
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.options import login_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import api_login
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import progress_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.options import (
    inventory_argument_spec,
    inventory_request,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.report import check_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.check.run import (
    CheckResult,
    Output,
    Sources,
    run_check,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._vault.options import vault_login

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params, started = module.params, utc_now()
    run_id = check_run_id(params["run_id"] or new_run_id("check_certs"))
    vault = params["vault"]
    try:
        request = inventory_request(params)
        sources = Sources(
            cluster=lambda: api_login(params, run_id),
            vault=(lambda: vault_login(vault, f"market_intel.runbooks/{run_id}")) if vault else None,
            vault_place=(vault["kv_mount"], vault["kv_prefix"]) if vault else ("", ""),
            endpoint_timeout=params["endpoint_timeout"],
        )
        output = Output(params["directory"], params["outputs"], params["previous"])
        result = run_check(request, sources, output, params["cluster"], run_id, started)
    except RunbookError as exc:
        reached = exc.reached if isinstance(exc.reached, CheckResult) else CheckResult(run_id, params["cluster"])
        exc.reached = reached
        exc.report = check_report(run_id, started, reached.inventory, reached.difference, failure=exc)
        raise
    report = check_report(run_id, started, result.inventory, result.difference, result.paths)
    return {**result.to_plain(), "report": report.to_plain()}


def main() -> t.NoReturn:
    spec = login_argument_spec().merge(inventory_argument_spec()).merge(progress_argument_spec())
    run_module(spec, body, [KUBERNETES, CRYPTOGRAPHY])


if __name__ == "__main__":
    main()
