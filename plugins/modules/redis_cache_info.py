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
  - Reads only. The reads of the sample count as hits in the server's statistics; the hit ratio is taken before them.
author:
  - Market Intel Brain (@market-intel-brain)
extends_documentation_fragment:
  - market_intel.runbooks._attributes
  - market_intel.runbooks._attributes.info_module
  - market_intel.runbooks._attributes.actiongroup_redis
  - market_intel.runbooks._redis
  - market_intel.runbooks._redis.progress
options:
  patterns:
    description: The caches to look at. Without any, only the server's health is returned.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: A glob pattern as of the SCAN command, such as V(market:data:*).
        type: str
        required: true
      name:
        description: The name of the cache, for the result.
        type: str
        default: ''
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
seealso:
  - module: market_intel.runbooks.redis_flush
"""

EXAMPLES = r"""
- name: Look at the market data cache
  market_intel.runbooks.redis_cache_info:
    url: redis://redis.example.com:6379/0
    patterns:
      - name: market-data
        pattern: market:data:*
"""

RETURN = r"""
server:
  description: The server and its process, as it describes itself.
  returned: always
  type: dict
  sample: {name: redis, version: 7.0.15, role: primary, database: 0}
health:
  description: Memory, evictions, replicas and response time of the server. A figure that it does not report is null.
  returned: always
  type: dict
  sample: {database_keys: 1000000, used_memory: 300000000, response_time_ms: 0.08}
traffic:
  description: Hits and misses of the whole server over O(interval). The ratio is null without any traffic.
  returned: always
  type: dict
  sample: {seconds: 1.0, hits: 700, misses: 30, hit_ratio: 0.9589}
caches:
  description: Figures of each cache.
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
    keys:
      description: Number of keys, exactly.
      type: int
      sample: 200000
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.options import (
    LIBRARIES,
    progress_argument_spec,
    redis_argument_spec,
    redis_settings,
    stop_and_progress,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.plan import CachePattern
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.stats import run_stats

FIGURE_OPTIONS = {
    "interval": {"type": "float", "default": 1.0},
    "sample": {"type": "int", "default": 20000},
    "largest": {"type": "int", "default": 10},
    "rate_limit": {"type": "int", "default": 0},
    "max_latency_ms": {"type": "float", "default": 20.0},
}

OPTIONS = {
    "patterns": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"pattern": {"type": "str", "required": True}, "name": {"type": "str", "default": ""}},
    },
}


def body(module: AnsibleModule) -> dict:
    stop, progress = stop_and_progress(module.params)
    caches = [CachePattern(**entry) for entry in module.params["patterns"]]
    figures = {name: module.params[name] for name in FIGURE_OPTIONS}
    return run_stats(redis_settings(module.params), caches, stop, progress, **figures)


def main() -> None:
    spec = ArgumentSpec({**FIGURE_OPTIONS, **OPTIONS}).merge(redis_argument_spec()).merge(progress_argument_spec())
    run_module(spec, body, LIBRARIES)


if __name__ == "__main__":
    main()
