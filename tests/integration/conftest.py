# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers as fixtures: one process per flavour and test run, handed to each test in its first state."""

from __future__ import annotations

import functools
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from lab.__main__ import check_machine
from lab.place import LabError
from support.cluster import RedisCluster
from support.disturbed import CLUSTER_FLAVOURS
from support.lab import CheckoutLab, Lab
from support.packaging import build, install, link_dependencies
from support.sentinel import SentinelSet
from support.servers import FLAVOURS, RedisServer

_LABS = "TEST_LABS"
_GROUPS = {
    "platform": (
        "test_rotate_certs.py",
        "test_cert_roles.py",
        "test_inventory_example.py::test_certificates_are_planned_in_every_cluster_and_checked",
    ),
    "breaks": (
        "test_lab.py",
        "test_lab_faults.py",
        "test_lab_portforward.py",
        "test_cert_faults.py::test_without_cert_manager_the_request_is_withdrawn",
        "test_pod_diagnosis.py::test_a_cordoned_node_is_found",
    ),
    "sessions": ("test_diagnosis_cases.py", "test_debug_container.py"),
}
"""Tests that must not run beside each other, in their order: they rotate the platform's certificates, break the
breakable lab, or start a hundred pods at once while others wait for a container to start."""
_LONG = (
    *("platform", "breaks", "sessions"),
    *("test_flush_interrupted.py", "test_sentinel.py"),
    *("redis-7.0", "valkey-9.1", "test_core_versions.py"),
    "test_alert_monitoring.py",
)
"""Groups that take longest: what is begun last should not be what ends last."""

RecordProperty = Callable[[str, object], None]
TESTED_WITH = "tested with"
"""The name of a test's property: what it ran on, with exact versions."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix of versions: what the tests that passed ran on."""
    passed = terminalreporter.stats.get("passed", [])
    found = {value for report in passed for name, value in report.user_properties if name == TESTED_WITH}
    if found:
        terminalreporter.section(TESTED_WITH)
        for value in sorted(found):
            terminalreporter.line(value)


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


@pytest.fixture
def redis80(_servers: Callable[[str], RedisServer]) -> RedisServer:
    """Return an empty Redis 8.0."""
    return _servers("redis-8.0")


@pytest.fixture
def _recorded_server(
    _servers: Callable[[str], RedisServer], record_property: RecordProperty
) -> Callable[[str], RedisServer]:
    """Return what hands out the empty server of a flavour, and puts its version on record."""

    def get(flavour: str) -> RedisServer:
        server = _servers(flavour)
        record_property(TESTED_WITH, server.version)
        return server

    return get


@pytest.fixture(params=["redis-7.0", "redis-6.2", "valkey-9.1"])
def any_redis(request: pytest.FixtureRequest, _recorded_server: Callable[[str], RedisServer]) -> RedisServer:
    """Return an empty server; the test runs once on each flavour that differs most from the others."""
    return _recorded_server(request.param)


@pytest.fixture(params=FLAVOURS)
def every_redis(request: pytest.FixtureRequest, _recorded_server: Callable[[str], RedisServer]) -> RedisServer:
    """Return an empty server; the test runs once on every flavour."""
    return _recorded_server(request.param)


@pytest.fixture
def fresh_redis() -> Iterator[Callable[..., RedisServer]]:
    """Return a factory of servers of the test's own: `fresh_redis("redis-7.0", maxmemory="20mb")`."""
    with ExitStack() as stack:

        def start(flavour: str = "redis-7.0", **options: Any) -> RedisServer:
            return stack.enter_context(RedisServer(flavour, **options))

        yield start


@pytest.fixture(scope="module")
def _clusters() -> Iterator[Callable[[str], RedisCluster]]:
    with ExitStack() as stack:
        yield functools.cache(lambda flavour: stack.enter_context(RedisCluster(flavour)))


@pytest.fixture(params=CLUSTER_FLAVOURS)
def any_cluster(request: pytest.FixtureRequest, _clusters: Callable[[str], RedisCluster]) -> RedisCluster:
    """Return a cluster as the last test left it; the test runs once on each flavour."""
    return _clusters(request.param)


@pytest.fixture
def cluster(any_cluster: RedisCluster, record_property: RecordProperty) -> RedisCluster:
    """Return an empty, healthy cluster."""
    any_cluster.reset()
    record_property(TESTED_WITH, f"{any_cluster.nodes[0].version} as a cluster")
    return any_cluster


@pytest.fixture(scope="module", params=["redis-7.0"])
def any_sentinels(request: pytest.FixtureRequest) -> Iterator[SentinelSet]:
    """Return a primary, replicas and Sentinels as the last test left them; of Redis 7.0 if a test names no other."""
    with SentinelSet(request.param) as topology:
        yield topology


@pytest.fixture
def sentinels(any_sentinels: SentinelSet) -> SentinelSet:
    """Return an empty, healthy set."""
    any_sentinels.reset()
    return any_sentinels


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Return the lab that all workers share: a test keeps to a namespace of its own, or is in the group `platform`.

    LAB_REUSE=1 takes the one of `make lab-up`, which saves its start in an edit-test loop. Where there can be no lab,
    that is said, which is a failure in a CI.
    """
    if os.environ.get("LAB_REUSE") and CheckoutLab().is_up():
        return CheckoutLab()
    return _lab("shared")


@pytest.fixture(scope="session")
def breakable_lab() -> Lab:
    """Return another lab, for tests of the group `breaks`, which pause, kill or fill its parts."""
    return _lab("breakable")


def _lab(name: str) -> Lab:
    try:
        check_machine()
    except LabError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    lab = Lab(Path(os.environ[_LABS]) / name)
    # The first worker brings it up, and the others find it.
    lab.run("up")
    return lab


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what Galaxy would receive."""
    return build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="session")
def installed(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a collections folder with nothing but the collection in it."""
    return install(artefact, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def collections(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a collections folder with the collection and what it depends on, as Galaxy leaves it."""
    return link_dependencies(install(artefact, tmp_path_factory.mktemp("collections")))


def pytest_configure(config: pytest.Config) -> None:
    """Tell all workers where their labs are."""
    if not hasattr(config, "workerinput"):
        os.environ[_LABS] = tempfile.mkdtemp(prefix="labs-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the labs when the last worker is gone."""
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ.pop(_LABS))
        for state in folder.iterdir():
            Lab(state).run("down")
        folder.rmdir()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes longest begin first."""
    places = {group: place for place, group in enumerate(_LONG)}
    members = [member for group in _GROUPS.values() for member in group]

    def place(item: pytest.Item) -> tuple[int, int]:
        name = _name(item.nodeid)
        member = next((number for number, each in enumerate(members) if name.startswith(each)), len(members))
        return places.get(_group(item.nodeid), len(places)), member

    items.sort(key=place)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Give each group of tests to one worker."""
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _group
    return scheduler


def _group(test: str) -> str:
    """Return the group of a test by its name: a file, but for those that are named above."""
    name = _name(test)
    for group, members in _GROUPS.items():
        if name.startswith(members):
            return group
    # A cluster of each flavour is begun once.
    flavour = re.search(r"^test_cluster.*\[(redis-7\.0|valkey-9\.1)", name)
    return flavour[1] if flavour else name.partition("::")[0]


def _name(test: str) -> str:
    return test.rpartition("tests/integration/")[2]
