# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector's command, what it is told, and what its words mean; figures of cgroup v2 and pressure are fixtures."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug import collector_output, pcap
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.collector import (
    SCRIPT,
    Collection,
    parse,
    read_capture,
)
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.dependencies import (
    Dependency,
    dependencies_of,
    read_dependency,
    settings_of,
)


def test_the_script_runs_in_a_posix_shell_and_ends(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "COLLECT": "system", "NAMES": "", "DEPENDENCIES": ""}
    done = subprocess.run(
        ["dash", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    sections = parse(done.stdout)
    assert sections["end"] == ["done"]
    assert collector_output.processes(sections)
    # The collector's own processes are nobody's business; another one may be at work beside it.
    own = int(sections["begin"][0].split()[0])
    assert not any(own in (each["pid"], each["parent"]) for each in collector_output.processes(sections))


# Begins to listen late, and says when it is asked to end what a real one says.
SLOW = """#!/bin/sh
echo $$ >"$FOLDER/pid"
sleep 1.5
echo 'tcpdump: listening on any, link-type LINUX_SLL2, snapshot length 128 bytes' >&2
trap 'echo "7 packets captured" >&2; exit 0' TERM
printf packets
while :; do sleep 0.05; done
"""
FULL = """#!/bin/sh
echo 'tcpdump: listening on any' >&2
exec head -c 100000 /dev/zero
"""
BROKEN = """#!/bin/sh
echo 'tcpdump: any: You do not have permission to capture on that device' >&2
exit 1
"""


def _capture(folder: Path, tcpdump: str, seconds: int) -> dict[str, list[str]]:
    program = folder / "tcpdump"
    program.write_text(tcpdump)
    program.chmod(0o755)
    environment = {
        "PATH": f"{folder}:/usr/bin:/bin",
        "FOLDER": str(folder),
        "COLLECT": "system",
        "CAPTURE_SECONDS": str(seconds),
        "CAPTURE_BYTES": "1000",
        "CAPTURE_INTERFACE": "any",
    }
    done = subprocess.run(
        ["dash", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


def test_the_time_of_a_capture_counts_from_when_it_listens(tmp_path: Path) -> None:
    sections = _capture(tmp_path, SLOW, seconds=2)
    lasted = pcap.seconds(sections["capture_time"])
    assert lasted is not None and lasted >= 2
    assert sections["capture"][-1] == "7 packets captured"
    assert base64.b64decode("".join(sections["pcap"])) == b"packets"
    # Probes begin with it, so that their packets are in it.
    assert list(sections).index("capture_time") < list(sections).index("status")
    assert sections["end"] == ["done"]
    # Nothing of it goes on.
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_capture_that_is_full_does_not_last_until_its_time_is_over(tmp_path: Path) -> None:
    sections = _capture(tmp_path, FULL, seconds=600)
    lasted = pcap.seconds(sections["capture_time"])
    assert lasted is not None and lasted < 600
    assert len(base64.b64decode("".join(sections["pcap"]))) == 1000
    assert sections["end"] == ["done"]


def test_a_capture_that_is_not_possible_leaves_the_probes(tmp_path: Path) -> None:
    sections = _capture(tmp_path, BROKEN, seconds=30)
    assert "permission" in sections["capture"][0]
    assert sections["status"] and sections["end"] == ["done"]


def test_nothing_from_outside_is_a_part_of_the_script() -> None:
    collection = Collection(
        dependencies=[Dependency("db", 5432, False)], capture=read_capture({"seconds": 3, "filter": "tcp port 80"})
    )
    command = " ".join(collection.command(60))
    assert "5432" not in command
    assert "tcp port 80" not in command
    assert collection.variables()["DEPENDENCIES"] == "db:5432"
    # Kubernetes turns each pair back into one.
    assert "$" not in command.replace("$$", "")


@pytest.mark.parametrize("text", ["db", "db:0", "db:70000", "db:80:ssl", "-x:80", "a b:80", "$(id):80", "db:80;id"])
def test_what_is_no_dependency_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="allowed is HOST:PORT"):
        read_dependency(text)


def test_dependencies_are_found_in_variables_and_arguments() -> None:
    container = {
        "env": [
            {"name": "DATABASE_URL", "value": "postgres://u:p@db.shop:6000/x"},
            {"name": "API", "value": "https://api.example.com/v1"},
            {"name": "CACHE_HOST", "value": "cache"},
            {"name": "CACHE_PORT", "value": "6379"},
            {"name": "BROKER", "value": "kafka-0.kafka:9092"},
            {"name": "LISTEN", "value": "0.0.0.0:8080"},
            {"name": "TIME", "value": "10:30"},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}},
        ],
        "args": ["-redis=redis:6379", "--config=/etc/app.conf"],
    }
    assert [str(each) for each in dependencies_of(container)] == [
        "db.shop:6000",
        "api.example.com:443:tls",
        "kafka-0.kafka:9092",
        "redis:6379",
        "cache:6379",
    ]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("KAFKA_BROKERS", "k-0.kafka:9092,k-1.kafka:9092", ["k-0.kafka:9092", "k-1.kafka:9092"]),
        ("KAFKA", "PLAINTEXT://k0:9092,PLAINTEXT://k1:9092", ["k0:9092", "k1:9092"]),
        ("MONGO", "mongodb://u:p@m0:27017,m1:27018/x?replicaSet=r", ["m0:27017", "m1:27018"]),
        ("IMAGE_TAG", "api:2024", []),
        ("RUN_AS_USER", "app:1000", []),
        ("STATSD", "statsd:9125", []),
        ("METRICS", "statsd:8125", []),
        ("TRACES", "udp://jaeger:9999", []),
    ],
)
def test_what_answers_no_connection_is_no_dependency(name: str, value: str, found: list[str]) -> None:
    assert [str(each) for each in dependencies_of({"env": [{"name": name, "value": value}]})] == found


def test_values_of_configmaps_are_dependencies_and_those_of_secrets_are_not_read() -> None:
    container = {
        "name": "main",
        "envFrom": [{"configMapRef": {"name": "app"}}, {"secretRef": {"name": "key"}}],
        "env": [{"name": "CACHE", "valueFrom": {"configMapKeyRef": {"name": "more", "key": "cache"}}}],
    }
    maps = {"app": {"data": {"URL": "http://pricing:8080"}}, "more": {"data": {"cache": "redis:6379", "x": "y:80"}}}
    asked: list[str] = []

    def read(name: str) -> dict[str, dict[str, str]] | None:
        asked.append(name)
        return maps.get(name)

    settings = settings_of({"containers": [container]}, "main", read)
    assert sorted(map(str, dependencies_of(container, settings))) == ["pricing:8080", "redis:6379"]
    assert sorted(asked) == ["app", "more"]


def test_a_request_is_told_from_others() -> None:
    one = Collection(collect=["network", "system"])
    assert one.digest("a") == Collection(collect=["system", "network"]).digest("a")
    assert len({one.digest("a"), one.digest("b"), Collection(interactive=True).digest("a")}) == 3


@pytest.mark.parametrize(
    "option",
    [
        {"seconds": 601},
        {"seconds": -1},
        {"seconds": 5, "max_bytes": 1 << 30},
        {"seconds": 5, "filter": "-w /x"},
        {"seconds": 5, "interface": "-i"},
    ],
)
def test_a_capture_is_bounded(option: dict[str, object]) -> None:
    with pytest.raises(Exception, match="allowed"):
        read_capture(option)
