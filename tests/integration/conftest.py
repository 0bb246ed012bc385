# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers as fixtures: one process per flavour and test run, handed to each test in its first state."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lab.__main__ import check_machine
from lab.place import LabError
from support.lab import CheckoutLab, Lab
from support.servers import FLAVOURS, RedisServer
from support.topologies import RedisCluster, SentinelSet


@pytest.fixture(scope="session")
def _servers() -> Iterator[Callable[[str], RedisServer]]:
    with ExitStack() as stack:
        running: dict[str, RedisServer] = {}

        def get(flavour: str) -> RedisServer:
            if flavour not in running:
                running[flavour] = stack.enter_context(RedisServer(flavour))
            running[flavour].reset()
            return running[flavour]

        yield get


@pytest.fixture
def redis70(_servers: Callable[[str], RedisServer]) -> RedisServer:
    """Return an empty Redis 7.0."""
    return _servers("redis-7.0")


@pytest.fixture(params=FLAVOURS)
def any_redis(request: pytest.FixtureRequest, _servers: Callable[[str], RedisServer]) -> RedisServer:
    """Return an empty server; the test runs once on each flavour."""
    return _servers(request.param)


@pytest.fixture
def fresh_redis() -> Iterator[Callable[..., RedisServer]]:
    """Return a factory of servers of the test's own: `fresh_redis("redis-7.0", maxmemory="20mb")`."""
    with ExitStack() as stack:

        def start(flavour: str = "redis-7.0", **options: Any) -> RedisServer:
            return stack.enter_context(RedisServer(flavour, **options))

        yield start


@pytest.fixture(scope="module", params=["redis-7.0", "valkey-9.1"])
def any_cluster(request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
    """Return a cluster as the last test left it; a module's tests run once on each flavour."""
    with RedisCluster(request.param) as cluster:
        yield cluster


@pytest.fixture
def cluster(any_cluster: RedisCluster) -> RedisCluster:
    """Return an empty, healthy cluster."""
    any_cluster.reset()
    return any_cluster


@pytest.fixture(scope="module")
def any_sentinels() -> Iterator[SentinelSet]:
    """Return a primary, replicas and Sentinels as the last test left them."""
    with SentinelSet() as topology:
        yield topology


@pytest.fixture
def sentinels(any_sentinels: SentinelSet) -> SentinelSet:
    """Return an empty, healthy set."""
    any_sentinels.reset()
    return any_sentinels


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab that is up; where there can be none, say why, which is a failure in a CI.

    LAB_REUSE=1 takes the one of `make lab-up`, which saves its start in an edit-test loop.
    """
    if os.environ.get("LAB_REUSE") and CheckoutLab().is_up():
        yield CheckoutLab()
        return
    try:
        check_machine()
    except LabError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    lab = Lab(tmp_path_factory.mktemp("lab") / "state")
    lab.run("up")
    yield lab
    lab.run("down")
