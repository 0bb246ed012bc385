# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a module tells of its progress. PRIVATE to the collection; in step with module_utils/_run_options.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  progress:
    description: Set by the action plugin that prints it; not for playbooks.
    type: dict
    suboptions:
      path:
        description: File to which progress is appended as JSON lines.
        type: path
      controllers:
        description: Process ids whose end stops the run.
        type: list
        elements: int
      names:
        description: The variables behind the options, by which sentences name them.
        type: dict
      guard:
        description: File that says why the guard stops the run, and is empty until it does.
        type: path
      cluster:
        description: The uid of the cluster that the run is about.
        type: str
"""
