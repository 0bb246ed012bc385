# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first line of a report says of what was not proven."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.probe import (
    PROVEN,
    STALE,
    UNVERIFIED,
    Expected,
    Probe,
    ProbeResult,
    Seen,
    _Target,
)


def result(*found: tuple[str, str], names: tuple[str, ...] = ("web",), selected: bool = False) -> ProbeResult:
    """What was seen at an address of each certificate."""
    seen = tuple(Seen(_Target(Expected(name, name, "0" * 64)), Probe(state, "why"), 0.0) for name, state in found)
    return ProbeResult(seen, (), selected, names)


@pytest.mark.parametrize(
    ("found", "headline"),
    [
        (result(("web", PROVEN)), ""),
        (result(("web", PROVEN), ("web", UNVERIFIED)), ""),
        (result(), "nothing was proven by a handshake, as no pod and no endpoint serves it"),
        (
            result(("web", UNVERIFIED), ("web", STALE)),
            "nothing was proven by a handshake, as none of 2 pods and endpoints showed it",
        ),
        (result(("web", PROVEN), names=("web", "api", "db")), "nothing was proven by a handshake for api, db"),
        (
            result(("web", PROVEN), ("api", UNVERIFIED), names=("web", "api")),
            "nothing was proven by a handshake for api",
        ),
        (result(("web", PROVEN), names=("web", "api"), selected=True), ""),
    ],
)
def test_what_was_not_proven_is_in_the_first_line(found: ProbeResult, headline: str) -> None:
    assert found.to_report().headline == headline
