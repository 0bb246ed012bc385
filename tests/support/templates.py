# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text as Ansible has it of a command line or an inventory: it is evaluated."""

from __future__ import annotations

try:
    from ansible.template import trust_as_template as evaluated
except ImportError:  # ansible-core < 2.19 evaluates all text

    def evaluated(text: str) -> str:
        """Return the text, which is evaluated as it is."""
        return text


__all__ = ["evaluated"]
