#!/usr/bin/python

# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_report
short_description: Write the report of a runbook and the index of its run
version_added: 1.0.0
description:
  - Joins the reports of the modules of a run, and writes what was requested, planned, did and proved, how to undo it
    and where the backup is, as JSON, as Markdown and as one HTML page that needs nothing else.
  - The files are C(DIRECTORY/RUN_ID/HOST.json), C(.md) and C(.html), with C(index.json), C(.md) and C(.html) over all
    hosts of the run beside them. C(DIRECTORY/latest-RUNBOOK) is a symbolic link to the run that was written last. Hosts
    of a play can write at the same time.
  - The files can be read by their owner only (mode V(0600) in folders of mode V(0700)), and are replaced atomically.
  - Texts are escaped for each format, and what looks like a secret is hidden. This is a last net only, so do not pass
    secrets.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._report
attributes:
  check_mode:
    support: full
    details:
      - The report is written in check mode as well, because it is bookkeeping. It then says that nothing was changed.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Writing a report never counts as a change.
options:
  runbook:
    description:
      - What the report is of, such as V(flush_redis), V(redis_stats), V(restore_redis), V(rotate_certs),
        V(rollback_certs), V(check_certs), V(debug_pod), V(list_debug_pods) or V(cleanup_debug_pods).
    type: str
    required: true
  steps:
    description:
      - The registered results of the modules of the run, in the order in which they ran. What was skipped, or has no
        C(report), is passed over, so that V(default({})) is good for a task that was not reached.
      - Each C(report) has some of the fields of C(docs/report.schema.json). Lists are joined in this order; a figure, a
        curve or a proof of the same name takes the place of the earlier one, C(details) are updated, C(plan) and
        C(asked) are taken from the first that has them, and C(summary), C(state), C(undo) and C(backup) from the last.
      - Each C(stats) becomes a part of RV(stats).
    type: list
    elements: raw
    required: true
  run_id:
    description: The id of the run, by default that of the first step that has one.
    type: str
    default: ""
  failure:
    description:
      - C(ansible_failed_result) of a run that failed. Its C(state) says how it ended, V(refused), V(interrupted) or
        V(failed); without one, a module that was killed counts as V(interrupted).
    type: dict
    default: {}
  state:
    description:
      - How the run ended, where the role knows better than its last step. V(rolled_back) becomes V(failed) where a
        proof has failed.
      - A run that is not a check and ends with V(planned) has not done what it was to do, and is reported as V(failed).
    type: str
    choices: ['', unchanged, planned, done, refused, interrupted, rolled_back, failed]
    default: ''
  cluster:
    description: The Kubernetes cluster, empty without one.
    type: dict
    default: {}
    suboptions:
      context:
        description: The context of the kubeconfig, if one was used.
        type: str
      server:
        description: The URL of the API server.
        type: str
      uid:
        description: The uid of the namespace C(kube-system).
        type: str
  show:
    description:
      - Print the summary, each line as it is, on stderr. Callbacks would fold or escape the long ones, and stdout may
        be JSON.
    type: bool
    default: false
  publish:
    description:
      - Publish RV(stats) for AWX and for later plays, as M(ansible.builtin.set_stats) does, under the name of the
        O(runbook) and of the host.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Flush
  market_intel.runbooks.redis_flush:
    url: redis://redis.example.com:6379/0
    patterns: ['market:data:*']
    backup_dir: /var/backups/runbooks
  register: flushed

- name: Write the report of the flush
  market_intel.runbooks.runbook_report:
    runbook: flush_redis
    steps: ["{{ flushed }}"]
    directory: /srv/reports
    keep: 50
    show: true
"""

RETURN = r"""
state:
  description: The state of the reported run.
  returned: success
  type: str
  sample: done
paths:
  description: The files that were written.
  returned: success
  type: dict
  contains:
    json:
      description: The report as JSON.
      returned: success
      type: str
      sample: /srv/reports/20261123t101500z-flush-redis-7f3a/cache-eu-1.json
    markdown:
      description: The report as Markdown, empty unless V(markdown) is in O(formats).
      returned: success
      type: str
      sample: /srv/reports/20261123t101500z-flush-redis-7f3a/cache-eu-1.md
    html:
      description: The report as HTML, empty unless V(html) is in O(formats).
      returned: success
      type: str
      sample: /srv/reports/20261123t101500z-flush-redis-7f3a/cache-eu-1.html
    index:
      description: The index over the hosts of the run, in the most readable of the O(formats).
      returned: success
      type: str
      sample: /srv/reports/20261123t101500z-flush-redis-7f3a/index.html
summary:
  description: The few lines that an operator should see at the end.
  returned: success
  type: list
  elements: str
  sample:
    - 'DONE: Flush Redis caches on cache-eu-1 (1.63 s): everything that was planned was done'
    - 'Keys in the database: 1,000,000 keys -> 800,000 keys'
    - 'proofs: 1 of 1 proven'
    - 'report: /srv/reports/20261123t101500z-flush-redis-7f3a/cache-eu-1.html'
unfulfilled:
  description: >-
    A sentence that says that the run has not done what it had planned although no step has failed, else empty. Fail
    with it.
  returned: success
  type: str
  sample: ''
stats:
  description:
    - A small summary, which O(publish) publishes, with what the steps give to it.
    - That of a check has C(confirm), the hash of the plan, for the node of a workflow that runs it after an approval.
  returned: success
  type: dict
  sample:
    state: done
    run_id: 20261123t101500z-flush-redis-7f3a
    report: /srv/reports/20261123t101500z-flush-redis-7f3a/cache-eu-1.json
removed:
  description: The run IDs of older runs whose reports were removed because of O(keep).
  returned: success
  type: list
  elements: str
  sample: []
"""

# The action plugin of the same name does all of it, in the process of ansible-playbook.
