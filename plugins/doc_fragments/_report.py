# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at any time.

from __future__ import annotations


class ModuleDocFragment:
    # Where a report is written, and what of it.
    DOCUMENTATION = r"""
options:
  directory:
    description:
      - Folder below which each run has a folder of its own, named by its run ID. It is created if it does not exist.
      - Must be an absolute path, or one that begins with V(~). Without it, nothing is written, and only shown.
    type: path
    default: ""
  formats:
    description:
      - What to write beside the JSON report, which is always written because the index over the hosts is made from it.
    type: list
    elements: str
    choices:
      - json
      - markdown
      - html
    default:
      - json
      - markdown
      - html
  keep:
    description:
      - How many runs of this runbook to keep in O(directory). Older ones are removed after the report is written.
      - Check runs and real runs are counted separately, so that dry runs never push out the report of a real run.
      - The current run is never removed, nor is a folder in which there is anything else than reports.
      - V(0) keeps all.
    type: int
    default: 0
"""
