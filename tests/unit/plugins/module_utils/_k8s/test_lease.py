# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Lease that several runs want, at an API server that refuses what was read too long ago."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Refused, RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s import lease as subject
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiError
from ansible_collections.market_intel.runbooks.plugins.module_utils._time import rfc3339_micro
from ansible_collections.market_intel.runbooks.plugins.module_utils._wait import wait_until

NAME = subject.LeaseName("runbooks", "rotate-certs")
START = datetime(2026, 11, 23, 10, 15, tzinfo=timezone.utc)


class Server:
    """Keeps one Lease. ``before_write`` is called once, between what a run reads and what it writes."""

    def __init__(self, **spec: Any) -> None:
        self.time = START
        self.dry_run = False
        self.writes = 0
        self.before_write: Callable[[], None] | None = None
        self.found: dict[str, Any] | None = None
        if spec:
            self.put("PUT", {"metadata": {"annotations": {}}, "spec": spec})

    def now(self) -> datetime:
        return self.time

    def put(self, method: str, body: dict[str, Any]) -> None:
        version = str(int(self.found["metadata"]["resourceVersion"]) + 1 if self.found else 1)
        self.found = copy.deepcopy({**body, "metadata": {**body["metadata"], "resourceVersion": version}})
        self.writes += 1

    def find(self, what: str, path: str) -> dict[str, Any] | None:
        assert path == "/apis/coordination.k8s.io/v1/namespaces/runbooks/leases/rotate-certs"
        return copy.deepcopy(self.found)

    def request(self, what: str, method: str, path: str, *, body: dict[str, Any], repeatable: bool) -> None:
        if self.before_write:
            hook, self.before_write = self.before_write, None
            hook()
        read = body["metadata"].get("resourceVersion")
        if (self.found or {"metadata": {}})["metadata"].get("resourceVersion") != read:
            raise ApiError("the object has been modified", 409)
        assert (method, path) == (("PUT", NAME.path) if self.found else ("POST", NAME.collection))
        self.put(method, body)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.found is not None
        return dict(self.found["spec"])


def held_by(run_id: str, ago: float = 0.0, seconds: int = 120) -> Server:
    renewed = rfc3339_micro(START - timedelta(seconds=ago))
    spec = {"holderIdentity": run_id, "leaseDurationSeconds": seconds, "renewTime": renewed, "acquireTime": renewed}
    return Server(**spec, leaseTransitions=4)


def acquire(server: Any, run_id: str = "mine", **options: Any) -> subject.Holder | None:
    return subject.acquire(server, NAME, run_id, **options)


def test_a_free_lease_is_taken() -> None:
    server = Server()
    assert acquire(server, seconds=60) is None
    assert server.spec["holderIdentity"] == "mine"
    assert server.spec["leaseDurationSeconds"] == 60
    assert server.spec["renewTime"] == server.spec["acquireTime"] == "2026-11-23T10:15:00.000000Z"


def test_one_that_another_run_holds_is_refused_and_left_alone() -> None:
    server = held_by("other", ago=100)
    with pytest.raises(Refused, match=r"The run other is at work .* until 2026-11-23 10:15:20 UTC"):
        acquire(server)
    assert server.spec["holderIdentity"] == "other"


def test_an_own_one_is_renewed_and_stays_the_same_term() -> None:
    server = held_by("mine", ago=100)
    assert acquire(server) is None
    assert server.spec["leaseTransitions"] == 4
    assert server.spec["acquireTime"] == "2026-11-23T10:13:20.000000Z"
    assert server.spec["renewTime"] == "2026-11-23T10:15:00.000000Z"


@pytest.mark.parametrize("renewed", ["2026-11-23T10:12:00.000000Z", "", "never"], ids=["too long ago", "", "no time"])
def test_one_that_has_expired_is_taken_over(renewed: str) -> None:
    server = Server(holderIdentity="other", leaseDurationSeconds=120, renewTime=renewed, leaseTransitions=4)
    before = acquire(server)
    assert before is not None
    assert (before.run_id, before.expired) == ("other", True)
    assert (server.spec["holderIdentity"], server.spec["leaseTransitions"]) == ("mine", 5)


def test_nobody_waits_for_a_process_of_this_machine_that_is_dead() -> None:
    server = Server()
    alive = subject.process_of(os.getpid())
    acquire(server, "other", process=alive)
    with pytest.raises(Refused):
        acquire(server)
    assert server.found is not None
    # The same process id, but of a process that began at another time.
    server.found["metadata"]["annotations"] = dict.fromkeys(server.found["metadata"]["annotations"], f"{alive}0")
    assert acquire(server) is not None
    assert server.spec["holderIdentity"] == "mine"
    server.found["metadata"]["annotations"] = {"market-intel.runbooks/process": "another machine/1/1"}
    with pytest.raises(Refused):
        acquire(server, "third")


def test_of_two_runs_that_see_it_free_one_gets_it() -> None:
    server = Server()
    server.before_write = lambda: server.put("POST", held_by("other").found or {})
    with pytest.raises(Refused, match="The run other"):
        acquire(server)
    assert server.spec["holderIdentity"] == "other"


def test_what_others_write_all_the_time_is_given_up() -> None:
    server = Server()

    def again() -> None:
        server.put("PUT", {"metadata": {}, "spec": {}})
        server.before_write = again

    server.before_write = again
    with pytest.raises(RunbookError, match="written by others all the time"):
        acquire(server)


def test_only_its_holder_gives_it_back() -> None:
    server: Any = held_by("mine")
    assert not subject.release(server, NAME, "other")
    assert server.writes == 1, "it was only read"
    assert subject.release(server, NAME, "mine")
    assert subject.holder(server, NAME) is None
    assert not subject.release(server, NAME, "mine")
    assert acquire(server, "other") is None


def test_a_run_that_only_tries_writes_nothing() -> None:
    server: Any = Server()
    server.dry_run = True
    with subject.held_lease(server, NAME, "mine") as keeper:
        keeper.check()
    assert server.writes == 0
    with subject.held_lease(server, None, "mine"):
        pass


def test_a_run_that_has_lost_it_stops_at_the_next_safe_point() -> None:
    server: Any = Server()

    def lose() -> None:
        with subject.held_lease(server, NAME, "mine", seconds=1) as keeper:
            server.put("PUT", held_by("other", seconds=3600).found)

            def lost() -> bool | None:
                keeper.check()
                return None

            wait_until(lost, 30)

    with pytest.raises(Refused, match="The run other is at work"):
        lose()
    assert server.spec["holderIdentity"] == "other"
