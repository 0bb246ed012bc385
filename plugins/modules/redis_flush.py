#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_flush
short_description: Empty caches of a Redis or Valkey server, with a backup of every key
version_added: 1.0.0
description:
  - Deletes the keys that match patterns, or shortens their lives, without stalling the server.
  - A key is only touched after its value and its expiry are safe on disk, and only if it is still exactly what
    was saved.
    Keys that are changed, expire or vanish meanwhile are counted and are never an error.
  - The backup is a folder of gzip files that C(zcat part-*.resp.gz | redis-cli --pipe) restores,
    and that M(market_intel.runbooks.redis_restore) restores with care for newer keys.
  - An interrupted run is continued by the same command, under its own run id.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.actiongroup_redis
  - market_intel.runbooks._redis
  - market_intel.runbooks._redis.caches
  - market_intel.runbooks._progress
attributes:
  check_mode:
    support: full
    details:
      - Counts the matching keys in a full pass and runs no command that writes.
  diff_mode:
    support: full
    details:
      - Shows counts and a bounded sample of key names, never values.
  idempotent:
    support: full
options:
  backup:
    description:
      - Whether keys are saved before they are touched. V(false) switches it off for all caches, V(true) leaves
        it to the catalogue.
    type: bool
    default: true
  mode:
    description:
      - V(delete) removes the keys.
      - V(expire) lets each of them expire at a random moment within O(expire_window), so that the database behind the
        cache is not asked for all of them at once. A life is never lengthened, and keys that end within the
        window are left alone.
        A key that is changed in place afterwards still expires; the backup holds what it was at the time of the flush.
    type: str
    choices: [delete, expire]
    default: delete
  expire_window:
    description: The longest life that O(mode=expire) leaves, in seconds.
    type: int
    default: 300
  backup_dir:
    description:
      - Absolute path of the folder for backups and journals. The run makes V(redis/<run id>) in it, readable by
        its owner only.
    type: path
    required: true
  backup_keep:
    description: How many backups of finished runs are kept in O(backup_dir), the newest ones; V(0) keeps all.
    type: int
    default: 0
  accept_ephemeral_storage:
    description:
      - Allow an O(backup_dir) that does not outlive the run, such as a temporary folder or the disk of
        a container.
    type: bool
    default: false
  read_from:
    description:
      - Where keys are counted in check mode. V(replica) spares the primary, which is then only asked for its health.
      - A primary without a replica in sync is counted itself, and the plan says so.
    type: str
    choices: [primary, replica]
    default: primary
  plan:
    description:
      - The plan (RV(plan)) that the same run has made in check mode at most 30 minutes ago, whose keys are not counted
        again. A plan of other options, or of another server process, is not used.
      - O(max_keys), O(max_share) and, in production, 1.2 times the planned number of keys hold while keys are
        flushed. The flush stops before a key that is beyond them.
    type: dict
  guard_namespace:
    description:
      - The namespace of a guard (M(market_intel.runbooks.runbook_guard)) that this run does not ask. What it says of
        the servers of O(kubernetes) is in RV(notices). Empty means that it is not read.
    type: str
    default: ''
  batch_size:
    description:
      - How many keys are under way at once, and how many keys the server looks at in one SCAN step (1000 at most).
      - Other clients wait for about as long as the server works on so many keys, 2 ms for V(700) short ones.
    type: int
    default: 700
  rate_limit:
    description: The most keys that are flushed in a second; V(0) sets no cap.
    type: int
    default: 0
  max_latency_ms:
    description:
      - Back off when the server takes longer than this to answer a PING, in milliseconds; V(0) does not look.
    type: float
    default: 20.0
  max_replica_lag_bytes:
    description:
      - Back off when a replica is further behind than this, in bytes; V(0) does not look. It is asked
        with O(max_latency_ms).
    type: int
    default: 67108864
  big_key_bytes:
    description:
      - Keys of this size in memory and above are renamed away and read in chunks, so that copying them does not
        block the server.
    type: int
    default: 1048576
  max_keys:
    description: Refuse to flush more keys than this.
    type: int
    default: 1000000
  max_share:
    description: Refuse to flush a larger share of the database than this (0 to 1), when more than 1000 keys match.
    type: float
    default: 0.5
  allow_broad:
    description:
      - Allow patterns with fewer than three literal characters at their beginning, and any share of the
        database.
    type: bool
    default: false
  allow_sensitive:
    description:
      - Words that a pattern may contain although they usually name something else than a cache, such as
        V(session), V(token) or V(queue).
    type: list
    elements: str
    default: []
  environment:
    description: The name of the environment. In V(production) the plan must be confirmed.
    type: str
    default: ''
  confirm:
    description:
      - The hash of the plan (RV(plan.confirm)) that an operator has looked at. It is valid for 30 minutes, for
        the same server
        process, database, patterns and options, while at most 1.2 times the planned number of keys match.
    type: str
    default: ''
  expected_run_id:
    description: Refuse any server process but the one with this C(run_id) (C(INFO server)).
    type: str
    default: ''
  recovery_timeout:
    description:
      - How long to watch the cache fill again after the flush, in seconds; V(0) does not watch. A
        timeout is reported, not failed.
      - Without any reads, with few, or where no key of the cache is written again, nothing is known, and the watch
        ends.
    type: float
    default: 0.0
  run_id:
    description: The id of this run, such as V(20261123t101500z-flush-redis-7f3a). Without it, one is made.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.redis_restore
  - module: market_intel.runbooks.redis_cache_info
"""

EXAMPLES = r"""
- name: Empty the market data cache
  market_intel.runbooks.redis_flush:
    url: redis://redis.example.com:6379/0
    caches:
      - name: market-data
        pattern: market:data:*
    names: [market-data]
    backup_dir: /var/backups/runbooks

- name: Let a cache expire within ten minutes, at 5000 keys per second
  market_intel.runbooks.redis_flush:
    url: rediss://redis.example.com:6379/0
    username: runbooks
    patterns: ['quotes:*']
    mode: expire
    expire_window: 600
    rate_limit: 5000
    backup_dir: /var/backups/runbooks
"""

RETURN = r"""
run_id:
  description: The id of the run; that of the continued run if RV(resumed).
  returned: always
  type: str
  sample: 20261123t101500z-flush-redis-7f3a
resumed:
  description: Whether an unfinished run was continued.
  returned: always
  type: bool
  sample: false
plan:
  description: What the run would do, or did.
  returned: always
  type: dict
  contains:
    server:
      description: The server and its process, as it describes itself.
      type: dict
      sample: {name: redis, version: 7.0.15, role: primary, database: 0}
    topology:
      description: What was found, V(standalone), V(sentinel) or V(cluster).
      type: str
      sample: standalone
    nodes:
      description: What was counted on each primary.
      type: list
      elements: dict
      sample: [{url: 'redis://10.0.0.1:6379/0', database_keys: 1000000, matched: 200000, to_change: 200000}]
    mode:
      description: As the option.
      type: str
      sample: delete
    patterns:
      description:
        - For each pattern the number of keys that match, and of those that are to be changed.
        - A key that matches several patterns counts once, for the first of them that asks for a backup or, without
          such a one, for the first.
      type: list
      elements: dict
      sample: [{pattern: 'market:data:*', name: market-data, backup: true, matched: 200000, to_change: 200000}]
    matched:
      description: Number of keys that match.
      type: int
      sample: 200000
    to_change:
      description: Number of keys that are to be changed.
      type: int
      sample: 200000
    database_keys:
      description: Number of keys in the database.
      type: int
      sample: 1000000
    sample:
      description: A few of the names.
      type: list
      elements: str
      sample: ['market:data:17']
    estimated_bytes:
      description: Estimated memory of the matching keys, in bytes.
      type: int
      sample: 56000000
    estimated_seconds:
      description: Estimated duration, in seconds.
      type: float
      sample: 4.0
    confirm:
      description: The hash for O(confirm).
      type: str
      sample: 1f0c3a9b7d2e4f60-200000-20261123T101500Z
    continues:
      description: The id of an unfinished run of the same command, which is continued.
      type: str
      sample: ""
    big_keys:
      description: Number of big keys among those that were looked at.
      type: int
      sample: 0
    not_verified:
      description: What could not be verified without writing.
      type: list
      elements: str
      sample: []
    missing_commands:
      description: Commands that the server lacks and that the flush can do without; its notices say what that means.
      type: list
      elements: str
      sample: [RESTORE]
    notices:
      description: What an operator should know before.
      type: list
      elements: str
      sample: []
removed:
  description: Number of keys that were deleted, or whose life was shortened.
  returned: always
  type: int
  sample: 200000
counts:
  description: What became of the keys.
  returned: always
  type: dict
  sample: {removed: 200000, changed: 0, gone: 12, big: 1}
remaining:
  description:
    - Number of keys that match and are to be changed at the end.
    - After a flush these are keys that were written since, or changed again and again.
  returned: always
  type: int
  sample: 0
backup:
  description: Where the backup is, with the checksum of each part.
  returned: always
  type: dict
  sample: {path: /var/backups/runbooks/redis/20261123t101500z-flush-redis-7f3a, records: 200000, bytes: 48000000}
before:
  description: Health of the server before the run, with V(nodes) for each primary; sums, or the worst node's figure.
  returned: always
  type: dict
  sample: {used_memory: 300000000}
after:
  description: Health of the server after the run; that before it if nothing was changed.
  returned: always
  type: dict
  sample: {used_memory: 240000000}
curve:
  description: Pairs of seconds and removed keys.
  returned: always
  type: list
  elements: list
  sample: [[0.0, 0], [1.5, 200000]]
recovery:
  description: How the cache filled again; null unless O(recovery_timeout) is greater than 0 and keys were removed.
  returned: always
  type: dict
  sample: {state: recovered, seconds: 12.0, target_hit_ratio: 0.9}
state:
  description: How the run ended, V(planned), V(unchanged), V(done), V(refused), V(interrupted) or V(failed).
  returned: always
  type: str
  sample: done
baseline:
  description: Hits and misses of the server's clients in the second before the flush; null if it is not watched.
  returned: always
  type: dict
  sample: {seconds: 1.0, hits: 700, misses: 30, hit_ratio: 0.9589}
notices:
  description: What an operator should know.
  returned: always
  type: list
  elements: str
  sample: []
nodes:
  description: What became of the keys on each primary, which is named as it was reached at the end.
  returned: always
  type: list
  elements: dict
  sample: [{url: 'redis://10.0.0.1:6379/0', removed: 200000, changed: 0, gone: 12, big: 1}]
settled:
  description:
    - Whether nothing was on its way at the end, as keys of slots that are moved, or deletions to replicas.
  returned: always
  type: bool
  sample: true
failovers:
  description: How often another process took the place of a primary meanwhile.
  returned: always
  type: int
  sample: 0
reconnects:
  description: How often the connection was lost and opened again.
  returned: always
  type: int
  sample: 0
back_offs:
  description: How often the run slowed down because the server or a replica was slow.
  returned: always
  type: int
  sample: 0
removed_backups:
  description: The ids of runs whose backups were removed by O(backup_keep).
  returned: always
  type: list
  elements: str
  sample: []
seconds:
  description: How long the run took.
  returned: always
  type: float
  sample: 4.2
phases:
  description: How long each phase took, in seconds.
  returned: always
  type: dict
  sample: {flush: 1.6, verify: 0.7}
confirmation:
  description: What O(market_intel.runbooks.runbook_confirm#module:plan) takes.
  returned: always
  type: dict
  contains:
    content:
      description: Identifies the plan. It differs where the target, the selection or an option differs.
      type: str
      sample: 5d0c1f0c3a9b7d2e
    count:
      description: How much is to be changed.
      type: int
      sample: 200000
    growth:
      description: How many times as much that may be when the plan is carried out.
      type: float
      sample: 1.2
    what:
      description: The plan in a few words, for the question and the refusal.
      type: str
      sample: '200000 keys match'
    lines:
      description: The plan for people, line by line.
      type: list
      elements: str
      sample: ['redis://cache.example.com:6379/0 (redis 7.0.15)']
guard_targets:
  description: >-
    What O(market_intel.runbooks.runbook_guard#module:targets) calls the servers of O(kubernetes), where there is
    something to do.
  returned: success
  type: list
  elements: str
  sample: [market-intel-brain/redis]
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: flush_redis, state: done}
"""

import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.options import (
    LIBRARIES,
    caches_argument_spec,
    flush_argument_spec,
    flush_request,
    redis_argument_spec,
    redis_settings,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.plan import confirmation
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.report import flush_diff, flush_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.run_flush import (
    FlushOptions,
    FlushResult,
    run_flush,
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
    "backup": {"type": "bool", "default": True},
    "backup_dir": {"type": "path", "required": True},
    "backup_keep": {"type": "int", "default": 0},
    "accept_ephemeral_storage": {"type": "bool", "default": False},
    "read_from": {"type": "str", "choices": ["primary", "replica"], "default": "primary"},
    "plan": {"type": "dict"},
    "guard_namespace": {"type": "str", "default": ""},
    "run_id": {"type": "str", "default": ""},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    settings = redis_settings(params)
    stop, progress = stop_and_progress(params)
    request = flush_request(params)
    options = FlushOptions(
        settings=settings,
        backup_dir=absolute_directory(params["backup_dir"], "O(backup_dir)"),
        backup_keep=params["backup_keep"],
        accept_ephemeral_storage=params["accept_ephemeral_storage"],
        read_from=params["read_from"],
        run_id=check_run_id(params["run_id"] or new_run_id("flush_redis")),
        check_mode=module.check_mode,
        plan=params["plan"],
        guard_namespace=params["guard_namespace"],
    )
    report = functools.partial(flush_report, settings, request, options.run_id, utc_now(), module.check_mode)
    try:
        flushed = run_flush(options, request, stop, progress)
    except RunbookError as exc:
        exc.report = report(exc.reached if isinstance(exc.reached, FlushResult) else None, exc)
        raise
    told = report(flushed)
    gate = confirmation(request, flushed.plan)
    gate["lines"] += told.plan_lines
    to_do = settings.network and (flushed.plan.to_change or flushed.plan.continues)
    targets = [settings.network.target] if settings.network and to_do else []
    result = {**flushed.to_plain(), "confirmation": gate, "guard_targets": targets, "report": told.to_plain()}
    if module._diff:
        result["diff"] = flush_diff(flushed.plan)
    return result


def main() -> None:
    spec = ArgumentSpec(OPTIONS)
    for part in (redis_argument_spec(), caches_argument_spec(), flush_argument_spec(), progress_argument_spec()):
        spec = spec.merge(part)
    run_module(spec, body, LIBRARIES)


if __name__ == "__main__":
    main()
