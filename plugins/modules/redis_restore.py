#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_restore
short_description: Put back what redis_flush has removed
version_added: 1.0.0
description:
  - Restores the keys of a backup that M(market_intel.runbooks.redis_flush) has made, with their values and expiries.
  - A key that exists is newer than the backup and is left alone, unless O(overwrite) says otherwise.
    Keys whose expiry has passed are counted and not restored.
  - All of the backup is read and its checksums are compared before anything is written, also in check mode.
  - What the keys took in memory is compared with what the server has left below C(maxmemory). Where it would evict
    other keys, or refuse some of these, the restore is refused unless O(allow_eviction=true).
  - At the end all keys are looked for again, and the module fails if some are missing.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.actiongroup_redis
  - market_intel.runbooks._redis
  - market_intel.runbooks._progress
attributes:
  check_mode:
    support: full
    details:
      - Compares the backup with the server in a full pass and runs no command that writes.
  diff_mode:
    support: full
    details:
      - Shows counts and a bounded sample of key names, never values.
  idempotent:
    support: partial
    details:
      - With O(overwrite=true), hashes and sets in hashtable encoding and big keys are restored again, because their
        serialised form depends on more than their content.
options:
  path:
    description: Absolute path of the folder of the flush, with its C(manifest.json).
    type: path
    required: true
  patterns:
    description: Restore only keys that match one of these glob patterns. Without any, all keys are restored.
    type: list
    elements: str
    default: []
  overwrite:
    description: Replace keys that exist with those of the backup.
    type: bool
    default: false
  expiry:
    description:
      - V(absolute) restores the moment at which a key expires.
      - V(remaining) gives it the life that it had left when the flush began.
      - V(persist) restores keys without an expiry.
      - Fields of hashes that expire keep the moments at which they do, whatever this is.
    type: str
    choices: [absolute, remaining, persist]
    default: absolute
  allow_eviction:
    description:
      - Restore although the server has not the memory for all keys, and go on although it evicts keys for them.
      - Keys of other applications are lost then, and keys that were restored may be evicted again.
    type: bool
    default: false
  run_id:
    description: The id of this run, such as V(20261123t101500z-restore-redis-7f3a). Without it, one is made.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.redis_flush
"""

EXAMPLES = r"""
- name: Put back what a flush has removed
  market_intel.runbooks.redis_restore:
    url: redis://redis.example.com:6379/0
    path: /var/backups/runbooks/redis/20261123t101500z-flush-redis-7f3a

- name: Put back one symbol only, with the life that it had left
  market_intel.runbooks.redis_restore:
    url: redis://redis.example.com:6379/0
    path: /var/backups/runbooks/redis/20261123t101500z-flush-redis-7f3a
    patterns:
      - market:data:AAPL:*
    expiry: remaining
"""

RETURN = r"""
plan:
  description: What the restore would do, or did.
  returned: always
  type: dict
  contains:
    server:
      description: The server and its process, as it describes itself.
      type: dict
      sample: {name: redis, version: 7.0.15, role: primary, database: 0}
    backup:
      description: The backup and the server that it comes from.
      type: dict
      sample: {path: /var/backups/runbooks/redis/20261123t101500z-flush-redis-7f3a}
    records:
      description: Number of records in the backup that are wanted. A key that was deleted twice has two.
      type: int
      sample: 200000
    to_restore:
      description: Number of records that are to be restored.
      type: int
      sample: 199000
    existing:
      description: Number of records whose key exists.
      type: int
      sample: 800
    expired:
      description: Number of records whose expiry has passed.
      type: int
      sample: 200
    payload_bytes:
      description: Size of the values that have not expired, as they are stored, in bytes.
      type: int
      sample: 45000000
    memory_bytes:
      description: About how much memory the restore takes, by what its keys took when they were saved, in bytes.
      type: int
      sample: 72000000
    memory_left:
      description: How much memory is left below C(maxmemory), in bytes; null without a limit.
      type: int
      sample: 900000000
    memory_unlimited:
      description: Whether a server has no C(maxmemory), so that nobody can tell whether the memory is there.
      type: bool
      sample: false
    leftovers:
      description: Number of parts of big keys that a restore has left which was killed. They are removed.
      type: int
      sample: 0
    elsewhere:
      description: Which database and server the backup is of, if it is not that of this restore.
      type: str
      sample: 'the backup is of another database: database 3 of redis 7.0.15 (redis://redis.example.com:6379/3)'
    sample:
      description: A few of the names.
      type: list
      elements: str
      sample: ['market:data:17']
    not_verified:
      description: What could not be verified without writing.
      type: list
      elements: str
      sample: []
    notices:
      description: What an operator should know beforehand.
      type: list
      elements: str
      sample: []
restored:
  description: Number of keys that were restored.
  returned: always
  type: int
  sample: 199000
missing:
  description: Number of keys of the backup that are not there at the end; null where nobody has looked.
  returned: always
  type: int
  sample: 0
evicted:
  description: Number of keys that the server has evicted during the restore, whosever they were.
  returned: always
  type: int
  sample: 0
notices:
  description: What an operator should know, such as replicas that have not confirmed what was restored.
  returned: always
  type: list
  elements: str
  sample: []
phases:
  description: How long each phase took, in seconds.
  returned: always
  type: dict
  sample: {plan: 0.4, restore: 0.6, verify: 0.3}
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: restore_redis, state: done}
"""

import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.options import (
    LIBRARIES,
    redis_argument_spec,
    redis_settings,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.report import restore_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.restore import (
    RestoreRequest,
    RestoreResult,
    run_restore,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import (
    absolute_directory,
    check_run_id,
    new_run_id,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import (
    progress_argument_spec,
    stop_and_progress,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now

OPTIONS = {
    "path": {"type": "path", "required": True},
    "patterns": {"type": "list", "elements": "str", "default": []},
    "overwrite": {"type": "bool", "default": False},
    "expiry": {"type": "str", "choices": ["absolute", "remaining", "persist"], "default": "absolute"},
    "allow_eviction": {"type": "bool", "default": False},
    "run_id": {"type": "str", "default": ""},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    settings = redis_settings(params)
    stop, progress = stop_and_progress(params)
    request = RestoreRequest(
        path=absolute_directory(params["path"], "O(path)"),
        patterns=tuple(params["patterns"]),
        overwrite=params["overwrite"],
        expiry=params["expiry"],
        allow_eviction=params["allow_eviction"],
        check_mode=module.check_mode,
    )
    report = functools.partial(
        restore_report, request, check_run_id(params["run_id"] or new_run_id("restore_redis")), utc_now()
    )
    try:
        restored = run_restore(settings, request, stop, progress)
    except RunbookError as exc:
        exc.report = report(exc.reached if isinstance(exc.reached, RestoreResult) else RestoreResult(), exc)
        raise
    result = {**restored.to_plain(), "report": report(restored).to_plain()}
    plan = restored.plan
    if module._diff and plan:
        names = plan.sample if plan.to_restore else []
        more = ["..."] if plan.to_restore > len(names) else []
        result["diff"] = {"before": "", "after": "".join(f"{name}\n" for name in [*names, *more])}
    return result


def main() -> None:
    run_module(ArgumentSpec(OPTIONS).merge(redis_argument_spec()).merge(progress_argument_spec()), body, LIBRARIES)


if __name__ == "__main__":
    main()
