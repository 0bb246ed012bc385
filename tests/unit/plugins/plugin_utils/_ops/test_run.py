# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in the foreground."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.errors import OpsError
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.run import run


def test_a_command_that_is_missing_is_named() -> None:
    with pytest.raises(OpsError, match="nowhere is not on the PATH") as caught:
        run(["nowhere"])
    assert caught.value.status == 69


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -KILL $$", 137)])
def test_it_ends_as_the_command_ends(script: str, status: int) -> None:
    assert run(["sh", "-c", script]) == status


def test_it_outlives_ctrl_c_and_passes_on_what_ends_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    signals = f"kill -INT {os.getpid()}; kill -TERM {os.getpid()}"
    assert run(["sh", "-c", f"trap 'kill $!; exit 5' TERM; sleep 60 & {signals}; wait"]) == 5
    assert signal.getsignal(signal.SIGTERM) == before
