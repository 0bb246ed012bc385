#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_start
short_description: Read a role's variables, and say which cluster and environment a run is about
version_added: 1.0.0
description:
  - Refuses templates in extra variables, converts each variable of an entry point by the type that the role
    documents, and
    makes relative paths absolute, which belong to the folder in which C(ansible-playbook) was started.
  - Refuses a host other than C(localhost) that names no cluster, and hosts of one play that reach the same part of
    the same
    cluster, unless C(runbooks_same_cluster) is true.
  - It never fails for what is wrong. It returns the sentence, since its task needs C(no_log).
  - The action plugin of the same name does all of it, in the controller's process.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
options:
  role:
    description: The short name of a role of this collection.
    type: str
    required: true
  entry_point:
    description: Its entry point.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read the variables
  market_intel.runbooks.runbook_start:
    role: rotate_certs
    entry_point: check
  no_log: true
  register: run
"""

RETURN = r"""
refused:
  description: Why the run must not go on; empty if it may.
  returned: always
  type: str
  sample: ''
options:
  description: The variables without the role's prefix; null where nothing is given and there is no default.
  returned: if it may go on
  type: dict
  sample: {names: [api-gateway], force: false}
emptied:
  description: The lists among them that somebody has given, with nothing in them.
  returned: if it may go on
  type: list
  elements: str
  sample: []
login:
  description: The options of a login at Kubernetes, as modules call them.
  returned: if it may go on
  type: dict
  sample: {context: cache-eu-1}
vault:
  description: The option C(vault) of modules, and in C(vault_login) how to log in there.
  returned: if it may go on
  type: dict
  sample: {url: 'https://vault.example.com'}
production:
  description: Whether the environment is production.
  returned: if it may go on
  type: bool
  sample: true
cluster:
  description:
    - Context, server and uid of the cluster; C(note) says why there is no uid.
    - Empty for a run without Kubernetes.
  returned: if it may go on
  type: dict
  sample: {context: cache-eu-1, server: 'https://10.0.0.1:6443', uid: 3b1f0c52-0000-0000-0000-000000000000}
folder:
  description: The folder in which C(ansible-playbook) was started; empty if it is gone.
  returned: if it may go on
  type: str
  sample: /home/ops
"""

# The action plugin of the same name does it: a module knows neither the caller nor what others of the play are.
