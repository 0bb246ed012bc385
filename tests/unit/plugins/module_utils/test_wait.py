# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wait loop."""

from __future__ import annotations

import time

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Interrupted
from ansible_collections.market_intel.runbooks.plugins.module_utils._wait import wait_until


class TestWaitUntil:
    def test_it_returns_what_the_poll_found(self) -> None:
        found = iter([None, None, "here"])
        assert wait_until(lambda: next(found), 5, interval=0.001) == "here"

    def test_it_ends_in_time_and_asks_once_more_at_the_end(self) -> None:
        asked = []
        started = time.monotonic()
        assert wait_until(lambda: asked.append(1), 0.05, interval=0.01) is None
        assert time.monotonic() - started >= 0.05
        assert len(asked) >= 2

    def test_a_stop_request_leaves_the_loop(self) -> None:
        def stop() -> None:
            raise Interrupted("stopped")

        with pytest.raises(Interrupted):
            wait_until(lambda: None, 60, before_sleep=stop)
