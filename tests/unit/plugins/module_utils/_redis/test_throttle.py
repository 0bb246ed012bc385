# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The throttle adapts to what the server says, and shapes batches to the rate."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils import _wait
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis import throttle as subject


class Server:
    """A server whose response time and replicas the test sets."""

    def __init__(self) -> None:
        self.latency = 0.001
        self.lag = 0
        self.buffered = 0

    def response_time(self) -> float:
        return self.latency

    def info(self, section: str) -> dict[str, str]:
        if section == "memory":
            return {"mem_clients_slaves": str(self.buffered)}
        assert section == "replication"
        return {
            "master_repl_offset": "1000000",
            "slave0": f"ip=127.0.0.1,port=1,state=online,offset={1000000 - self.lag},lag=0",
        }


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (subject, _wait):
        monkeypatch.setattr(module, "time", clock)
    return clock


def make(server: Server, **options: float) -> subject.Pace:
    return subject.Throttle(**{"batch_size": 1_000, **options}).on(lambda: server)  # type: ignore[arg-type,return-value]


def test_the_rate_is_kept_over_time(clock: Clock) -> None:
    throttle = make(Server(), rate_limit=1_000)
    for _batch in range(20):
        throttle.pace(throttle.batch_size())
    spent = clock.now - 1_000.0
    assert 20 * throttle.batch_size() / 1_000 - 0.3 <= spent <= 20 * throttle.batch_size() / 1_000


def test_a_rate_makes_batches_and_pages_small() -> None:
    assert make(Server()).batch_size() == 1_000
    assert make(Server()).scan_count() == 1_000
    slow = make(Server(), rate_limit=10_000)
    assert slow.batch_size() == 25
    assert slow.scan_count() == 100


@pytest.mark.usefixtures("clock")
def test_it_backs_off_from_a_slow_server_and_comes_back(clock: Clock) -> None:
    server = Server()
    shared = subject.Throttle(batch_size=1_000, max_latency=0.01)
    throttle = shared.on(lambda: server)  # type: ignore[arg-type,return-value]
    server.latency = 0.05
    for _batch in range(3):
        clock.now += 0.1
        throttle.pace(1_000)
    assert shared.back_offs == 3
    assert throttle.batch_size() == 125
    before = clock.slept
    clock.now += 0.01
    throttle.pace(125)
    # A sixteenth of the speed by now: fifteen parts of pause to one of work.
    assert clock.slept - before == pytest.approx(0.15)
    server.latency = 0.001
    for _batch in range(20):
        clock.now += 0.1
        throttle.pace(1_000)
    assert throttle.batch_size() == 1_000


def test_it_backs_off_while_a_replica_is_behind(clock: Clock) -> None:
    server = Server()
    shared = subject.Throttle(batch_size=1_000, max_latency=0.01, max_replica_lag=1_000)
    throttle = shared.on(lambda: server)  # type: ignore[arg-type,return-value]
    server.lag = 2_000
    clock.now += 2
    throttle.pace(1_000)
    assert shared.back_offs == 1
    for _batch in range(10):
        clock.now += 0.06
        throttle.pace(10)
    assert throttle.batch_size() <= 20
    server.lag = 0
    for _batch in range(60):
        clock.now += 0.1
        throttle.pace(10)
    assert throttle.batch_size() == 1_000


def test_it_backs_off_while_output_buffers_of_replicas_are_full(clock: Clock) -> None:
    server = Server()
    throttle = make(server, max_latency=0.01, max_replica_lag=1_000)
    server.buffered = 2_000
    clock.now += 2
    throttle.pace(1_000)
    assert throttle.batch_size() == 500


def test_the_slowest_node_holds_back_all(clock: Clock) -> None:
    slow, fast = Server(), Server()
    shared = subject.Throttle(batch_size=1_000, max_latency=0.01, rate_limit=0)
    on_slow = shared.on(lambda: slow)  # type: ignore[arg-type,return-value]
    on_fast = shared.on(lambda: fast)  # type: ignore[arg-type,return-value]
    slow.latency = 0.05
    for _batch in range(2):
        clock.now += 0.1
        on_slow.pace(1_000)
        on_fast.pace(1_000)
    assert on_fast.batch_size() == on_slow.batch_size() == 250


def test_a_node_that_rests_holds_back_nobody(clock: Clock) -> None:
    slow, fast = Server(), Server()
    shared = subject.Throttle(batch_size=1_000, max_latency=0.01)

    def to_slow() -> Server:
        return slow

    def to_fast() -> Server:
        return fast

    slow.latency = 0.05
    with shared.on(to_slow) as pace:  # type: ignore[arg-type]
        for _batch in range(5):
            clock.now += 0.1
            pace.pace(1_000)
        assert shared.on(to_fast).batch_size() < 100  # type: ignore[arg-type]
    assert shared.on(to_fast).batch_size() == 1_000  # type: ignore[arg-type,return-value]


def test_all_nodes_share_one_rate(clock: Clock) -> None:
    shared = subject.Throttle(batch_size=1_000, rate_limit=1_000)
    nodes = [shared.on(Server) for _node in range(3)]  # type: ignore[arg-type]
    for _batch in range(20):
        for node in nodes:
            node.pace(100)
    assert clock.now - 1_000.0 == pytest.approx(6, abs=0.5)


def test_replica_lag() -> None:
    replication = {
        "master_repl_offset": "500",
        "slave0": "ip=a,offset=400",
        "slave1": "ip=b,offset=100",
        "slave_repl_offset": "1",
    }
    assert subject.replica_lag(replication) == 400
    assert subject.replica_lag({"master_repl_offset": "500"}) is None
