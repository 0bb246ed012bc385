# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else says, as a part of one sentence of ours."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import phrase


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (OSError("Error 32 while writing to socket. Broken pipe."), "Error 32 while writing to socket: Broken pipe"),
        ("Error 111 connecting to [::1]:1. Refused.", "Error 111 connecting to [::1]:1: Refused"),
        ("timed out", "timed out"),
        ("redis 7.0 at 10.0.0.1...", "redis 7.0 at 10.0.0.1"),
    ],
)
def test_several_sentences_become_one_phrase(words: object, expected: str) -> None:
    assert phrase(words) == expected
