# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes of the modules. PRIVATE to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in
        diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation
        indicates no change.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module does not modify state.
  diff_mode:
    support: N/A
    details:
      - This module does not modify state.
  idempotent:
    support: full
    details:
      - This module does not modify state.
"""

    ACTIONGROUP_REDIS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/market_intel.runbooks.redis) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - market_intel.runbooks.redis
"""

    ACTIONGROUP_K8S = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/market_intel.runbooks.k8s) in C(module_defaults) to set the login options once.
    support: full
    membership:
      - market_intel.runbooks.k8s
"""

    ACTIONGROUP_ALERTS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/market_intel.runbooks.alerts) in C(module_defaults) to set the login options once.
    support: full
    membership:
      - market_intel.runbooks.alerts
"""
