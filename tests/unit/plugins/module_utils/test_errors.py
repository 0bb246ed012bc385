# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else says, as a part of one sentence of ours."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import as_clause, root_cause


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
    assert as_clause(words) == expected


def test_the_error_below_all_wrappers_is_told() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    wrapped = RuntimeError("HTTPConnection(host='a'): Failed to establish a new connection: [Errno 111] ...")
    wrapped.__cause__ = refused
    retries = RuntimeError("Max retries exceeded")
    retries.reason = wrapped  # type: ignore[attr-defined]
    assert root_cause(OSError(retries)) == "Connection refused"
    assert root_cause(TimeoutError("timed out")) == "timed out"
    assert root_cause(ValueError()) == ""
