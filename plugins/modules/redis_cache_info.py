#!/usr/bin/python
# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: redis_cache_info
short_description: Show what the caches of a Redis or Valkey server hold, and how the server fares
version_added: 1.0.0
description:
  - Counts the keys of each cache exactly, and estimates memory, types, expiries and the largest keys from a sample.
  - Without O(names) and O(patterns), all caches of the catalogue are looked at.
  - Reads only. The reads of the sample count as hits in the server's statistics; the hit ratio is taken before them.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_redis
  - market_intel.runbooks._redis
  - market_intel.runbooks._redis.caches
  - market_intel.runbooks._progress
options:
  interval:
    description: Over how many seconds the hit ratio is taken.
    type: float
    default: 1.0
  sample:
    description: About how many keys of a cache are looked at in detail, spread over all of it; V(0) looks at all.
    type: int
    default: 20000
  largest:
    description: How many of the largest keys of the sample are returned for each cache.
    type: int
    default: 10
  rate_limit:
    description: The most keys that are looked at in a second; V(0) sets no cap.
    type: int
    default: 0
  max_latency_ms:
    description: Back off when the server takes longer than this to answer a PING, in milliseconds; V(0) does not look.
    type: float
    default: 20.0
  run_id:
    description: The id of this run, such as V(20261123t101500z-redis-stats-7f3a). Without it, one is made.
    type: str
    default: ''
seealso:
  - module: market_intel.runbooks.redis_flush
"""

EXAMPLES = r"""
- name: Look at the market data cache
  market_intel.runbooks.redis_cache_info:
    url: redis://redis.example.com:6379/0
    caches:
      - name: market-data
        pattern: market:data:*
"""

RETURN = r"""
server:
  description: The server and its process, as it describes itself.
  returned: always
  type: dict
  sample: {name: redis, version: 7.0.15, role: primary, database: 0}
topology:
  description: What was found, V(standalone), V(sentinel) or V(cluster).
  returned: always
  type: str
  sample: standalone
health:
  description:
    - Memory, evictions, replicas and response time of the server. A figure that it does not report is null.
    - In a cluster these are sums, or the worst node's figure, and V(nodes) has those of each primary.
  returned: always
  type: dict
  sample: {database_keys: 1000000, used_memory: 300000000, response_time_ms: 0.08}
traffic:
  description:
    - Hits and misses of the whole server over O(interval), and in V(nodes) of each primary.
    - The ratio is null without any traffic.
  returned: always
  type: dict
  sample: {seconds: 1.0, hits: 700, misses: 30, hit_ratio: 0.9589}
distinct_keys:
  description: How many keys are in any of the caches. One that is in several of them counts once.
  returned: always
  type: int
  sample: 200000
caches:
  description:
    - Figures of each cache.
    - How many keys a cache has is its C(keys), in a template C(cache['keys']), since C(cache.keys) is a method.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of the cache.
      type: str
      sample: market-data
    pattern:
      description: Its pattern.
      type: str
      sample: market:data:*
    sampled:
      description: Number of keys that the other figures come from.
      type: int
      sample: 20000
    memory_bytes:
      description: Estimated memory, in bytes.
      type: int
      sample: 56000000
    types:
      description: Number of sampled keys of each type.
      type: dict
      sample: {string: 20000}
    expiry:
      description: Number of sampled keys by the time that they have left.
      type: dict
      sample: {never: 10000, up to 1 h: 10000}
    largest:
      description: The largest keys of the sample, with their memory in bytes.
      type: list
      elements: dict
      sample: [{name: 'market:data:17', bytes: 320}]
report:
  description: A part of the report, for O(market_intel.runbooks.runbook_report#module:steps); also on failure.
  returned: always
  type: dict
  sample: {runbook: redis_stats, state: done}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.catalogue import select_caches
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.options import (
    LIBRARIES,
    caches_argument_spec,
    redis_argument_spec,
    redis_settings,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.report import stats_report
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.stats import run_stats
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import check_run_id, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._run_options import (
    progress_argument_spec,
    stop_and_progress,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import utc_now

FIGURES = {
    "interval": {"type": "float", "default": 1.0},
    "sample": {"type": "int", "default": 20000},
    "largest": {"type": "int", "default": 10},
    "rate_limit": {"type": "int", "default": 0},
    "max_latency_ms": {"type": "float", "default": 20.0},
}


def body(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    settings = redis_settings(params)
    stop, progress = stop_and_progress(params)
    caches = select_caches(params["caches"], params["names"], params["patterns"], environment=None, all_by_default=True)
    run_id, started = check_run_id(params["run_id"] or new_run_id("redis_stats")), utc_now()
    try:
        result = run_stats(settings, caches, stop, progress, **{name: params[name] for name in FIGURES})
    except RunbookError as exc:
        exc.report = stats_report(settings, run_id, started, None, exc)
        raise
    return {**result.to_plain(), "report": stats_report(settings, run_id, started, result).to_plain()}


def main() -> None:
    spec = ArgumentSpec({**FIGURES, "run_id": {"type": "str", "default": ""}})
    for part in (redis_argument_spec(), caches_argument_spec(), progress_argument_spec()):
        spec = spec.merge(part)
    run_module(spec, body, LIBRARIES)


if __name__ == "__main__":
    main()
