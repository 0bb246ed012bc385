# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be done, in one sentence, with the exit status that says why. PRIVATE to the collection."""

from __future__ import annotations

# As in sysexits.h.
USAGE, UNAVAILABLE, CONFIG = 64, 69, 78


class OpsError(Exception):
    """Ends the command; ``status`` is its exit status."""

    def __init__(self, sentence: str, status: int = USAGE) -> None:
        super().__init__(sentence)
        self.status = status
