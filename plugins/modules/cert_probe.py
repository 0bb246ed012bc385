#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cert_probe
short_description: Prove by a TLS handshake with every pod which certificate it serves
version_added: 1.0.0
description:
  - Finds who uses the Secrets of a namespace, and looks at the certificate that each of their pods serves, through the
    API server (C(pods/portforward)). Nothing has to be installed in the cluster.
  - Asks again until all serve the expected certificate, or the time is over.
  - What cannot be asked, or does not speak TLS, is V(unverified), which is never a success.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_k8s
  - market_intel.runbooks._k8s
  - market_intel.runbooks._k8s.run
  - market_intel.runbooks._progress
options:
  certificates:
    description: The certificates that are to be served.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the certificate, as the result has it.
        type: str
        required: true
      secret_name:
        description: The Secret that holds it.
        type: str
        required: true
      fingerprint:
        description: The SHA-256 of the certificate, of the leaf, in hexadecimal digits.
        type: str
        required: true
      ports:
        description:
          - The ports that serve it. Without any, those of the containers that use the Secret are asked, and one that
            serves the certificate of something else does not count.
        type: list
        elements: int
        default: []
      server_name:
        description: The host name to ask for (SNI). Without it, the first name of what the Secret holds.
        type: str
        default: ''
      endpoints:
        description: Addresses outside of pods that serve it as well, as in V(www.example.com:443).
        type: list
        elements: str
        default: []
  overrides:
    description: How workloads get a new content, as the option of M(market_intel.runbooks.rollout_restart).
    type: dict
    default: {}
  only:
    description:
      - The workloads to probe, as in V(deployment/api-gateway). Without any, all of them, and
        O(certificates[].endpoints).
    type: list
    elements: str
    default: []
  skip:
    description: Workloads to leave out.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - How long to wait until all serve the expected certificates, in seconds.
      - A changed Secret reaches the files of a running pod within about 90 seconds.
    type: float
    default: 180.0
  fail_on_stale:
    description: Whether the module fails if another certificate is served at the end.
    type: bool
    default: true
seealso:
  - module: market_intel.runbooks.rollout_restart
"""

EXAMPLES = r"""
- name: Prove that every pod serves the new certificate
  market_intel.runbooks.cert_probe:
    namespace: market-intel-brain
    certificates:
      - name: api-gateway
        secret_name: api-gateway-tls
        fingerprint: 6f1ed002ab5595859014ebf0951522d9f3b7c9bc8a4a7b9d6b1b0b0c0d0e0f10
        endpoints: [api.example.com:443]
"""

RETURN = r"""
report:
  description: A part of the report with what was proven, for O(market_intel.runbooks.runbook_report#module:steps).
  returned: always
  type: dict
  sample: {}
run_id:
  description: The id of the run.
  returned: always
  type: str
  sample: 20261123t101500z-rotate-certs-7f3a
probes:
  description: What was seen of each pod and of each address, also when the module fails.
  returned: always
  type: list
  elements: dict
  contains:
    certificate:
      description: The certificate that is to be served.
      type: str
      sample: api-gateway
    workload:
      description: What the pod belongs to; empty for an address.
      type: str
      sample: deployment/api-gateway
    pod:
      description: The pod; empty for an address, or if none is running.
      type: str
      sample: api-gateway-6d5c6f5c5c-2xk8p
    endpoint:
      description: The address; empty for a pod.
      type: str
      sample: ""
    port:
      description: The port that was decisive.
      type: int
      sample: 8443
    state:
      description:
        - V(proven) serves the expected certificate, V(stale) serves another one in its place, V(unverified) is not
          known.
      type: str
      sample: proven
    why:
      description: What was seen.
      type: str
      sample: it serves 6f1ed002ab559585, which is valid until 2027-02-21T10:15:00Z
    fingerprint:
      description: The SHA-256 of the certificate that is served.
      type: str
      sample: 6f1ed002ab5595859014ebf0951522d9f3b7c9bc8a4a7b9d6b1b0b0c0d0e0f10
    not_after:
      description: When it expires.
      type: str
      sample: "2027-02-21T10:15:00Z"
    chain:
      description: The subjects of the certificates that are served, the leaf first; before Python 3.10 only the leaf.
      type: list
      elements: str
      sample: [CN=api-gateway.market-intel-brain.svc.cluster.local]
    tls_version:
      description: The version of TLS that was agreed on.
      type: str
      sample: TLSv1.3
    seconds:
      description: When it was seen, from the beginning.
      type: float
      sample: 0.4
counts:
  description: How many of RV(probes) are in each state.
  returned: always
  type: dict
  sample: {proven: 4, stale: 0, unverified: 0}
proofs:
  description: One for each certificate and workload or address, in the fields of a report's proofs.
  returned: always
  type: list
  elements: dict
  sample:
    - claim: every pod of deployment/api-gateway serves api-gateway
      result: proven
      evidence: 2 of 2 pods
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
from ansible_collections.market_intel.runbooks.plugins.module_utils._deps_tls import CRYPTOGRAPHY
from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.run import cluster_run, run_argument_spec
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.probe import (
    ProbeRequest,
    ProbeResult,
    probe,
    read_expected,
)

OPTIONS = {
    "certificates": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "secret_name": {"type": "str", "required": True, "no_log": False},
            "fingerprint": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "int", "default": []},
            "server_name": {"type": "str", "default": ""},
            "endpoints": {"type": "list", "elements": "str", "default": []},
        },
    },
    "overrides": {"type": "dict", "default": {}},
    "only": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 180.0},
    "fail_on_stale": {"type": "bool", "default": True},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    request = ProbeRequest(
        certificates=tuple(read_expected(each) for each in params["certificates"]),
        only=tuple(params["only"]),
        skip=tuple(params["skip"]),
        **{name: params[name] for name in ("namespace", "overrides", "timeout", "fail_on_stale")},
    )
    try:
        with cluster_run(params, "rotate_certs", check_mode=module.check_mode) as run:
            result = probe(run.login, request, run.check, run.progress)
    except RunbookError as exc:
        if isinstance(exc.reached, ProbeResult):
            exc.report = exc.reached.to_report()
        raise
    return {**result.to_plain(), "run_id": run.run_id, "report": result.to_report().to_plain()}


def main() -> None:
    run_module(ArgumentSpec(OPTIONS).merge(run_argument_spec()), body, (KUBERNETES, CRYPTOGRAPHY))


if __name__ == "__main__":
    main()
