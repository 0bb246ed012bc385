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
  - Writes what a runbook was asked, planned, did and proved, how to undo it and where the backup is, as JSON, as
    Markdown and as one HTML page that needs nothing else.
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
  report:
    description:
      - The report, with the fields of C(docs/report.schema.json) in this collection.
      - Needed are C(run_id), C(runbook), C(host) and C(state) (one of V(planned), V(unchanged), V(done),
        V(interrupted), V(refused), V(rolled_back), V(failed)).
      - Optional are C(schema_version), C(title), C(mode) (V(check) or V(run), by default that of the task), C(started)
        (by default the time in the run ID), C(finished) (by default now), C(operator), C(asked), C(plan), C(actions),
        C(proofs), C(degraded), C(undo), C(backup), C(figures), C(series), C(timeline), C(details) and C(summary).
      - Unknown fields are refused.
    type: dict
    required: true
  show:
    description: Print the summary on the screen, each line as it is. Callbacks would fold or escape the long ones.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write the report of a flush
  market_intel.runbooks.runbook_report:
    directory: /srv/reports
    keep: 50
    report:
      run_id: 20261123t101500z-flush-redis-7f3a
      runbook: flush_redis
      host: cache-eu-1
      state: done
      asked:
        names:
          - market-data
        mode: delete
      actions:
        - what: Delete the keys of market-data
          changed: true
          detail: 200,000 keys in 1.6 s
      proofs:
        - claim: No key matches market:data:*
          result: proven
          evidence: A full pass over 800,000 keys found none.
      undo:
        command: >-
          ansible-playbook market_intel.runbooks.restore_redis -e flush_redis_run=20261123t101500z-flush-redis-7f3a
      figures:
        - name: Keys in the database
          before: 1000000
          after: 800000
          unit: keys
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
removed:
  description: The run IDs of older runs whose reports were removed because of O(keep).
  returned: success
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.model import read_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.store import FORMATS, write
from ansible_collections.market_intel.runbooks.plugins.module_utils._report.wording import summary_lines

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def write_report(module: AnsibleModule) -> dict[str, t.Any]:
    mode = "check" if module.check_mode else "run"
    report = read_report({"mode": mode, **module.params["report"]})
    written = write(report, module.params["directory"], module.params["formats"], module.params["keep"])
    return {
        "changed": False,
        "state": report.state,
        "paths": {kind: getattr(written, kind) for kind in (*FORMATS, "index")},
        "summary": summary_lines(report, written.best),
        "removed": list(written.removed),
    }


def main() -> t.NoReturn:
    spec = ArgumentSpec(
        {
            "report": {"type": "dict", "required": True},
            "show": {"type": "bool", "default": False},
            "directory": {"type": "path", "required": True},
            "formats": {"type": "list", "elements": "str", "choices": list(FORMATS), "default": list(FORMATS)},
            "keep": {"type": "int", "default": 0},
        }
    )
    run_module(spec, write_report)


if __name__ == "__main__":
    main()
