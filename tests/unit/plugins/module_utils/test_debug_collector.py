# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector's command, what it is told, and what its words mean; figures of cgroup v2 and pressure are fixtures."""

from __future__ import annotations

import base64
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug import inside, pcap
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.collector import (
    SCRIPT,
    Collection,
    Dependency,
    dependencies_of,
    parse,
    read_capture,
    read_dependency,
)

CGROUP_2 = """memory.current:95000000
memory.max:100000000
memory.events:oom 3
memory.events:oom_kill 2
memory.pressure:some avg10=0.00 avg60=12.50 avg300=1.00 total=1
memory.pressure:full avg10=0.00 avg60=3.00 avg300=1.00 total=1
cpu.pressure:some avg10=0.00 avg60=40.10 avg300=1.00 total=1
io.pressure:some avg10=0.00 avg60=0.00 avg300=0.00 total=0
cpu.stat:nr_periods 100
cpu.stat:nr_throttled 30
pids.max:max
pids.current:7
=0"""
CGROUP_1 = """memory/memory.usage_in_bytes:5000
memory/memory.limit_in_bytes:9223372036854771712
cpu/cpu.stat:nr_periods 10
cpu/cpu.stat:nr_throttled 0"""


def test_the_script_runs_in_a_posix_shell_and_ends(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "COLLECT": "system", "NAMES": "", "DEPENDENCIES": ""}
    done = subprocess.run(
        ["dash", "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    sections = parse(done.stdout)
    assert sections["end"] == ["done"]
    assert inside.processes(sections)
    # The collector's own processes are nobody's business.
    assert not any("awk -v s=" in each["command"] for each in inside.processes(sections))


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


def test_a_request_is_told_from_others() -> None:
    one = Collection(collect=["network", "system"])
    assert one.digest("a") == Collection(collect=["system", "network"]).digest("a")
    assert len({one.digest("a"), one.digest("b"), Collection(interactive=True).digest("a")}) == 3


def sections(**texts: str) -> dict[str, list[str]]:
    return {name.replace("__", ":"): text.splitlines() for name, text in texts.items()}


def test_figures_of_cgroup_version_two() -> None:
    figures = inside.cgroup(sections(cgroup=CGROUP_2))
    assert (figures.memory, figures.memory_limit, figures.oom_kills) == (95_000_000, 100_000_000, 2)
    assert (figures.throttled, figures.processes, figures.processes_limit) == (0.3, 7, None)
    assert (figures.memory_pressure, figures.cpu_pressure, figures.io_pressure) == (12.5, 40.1, 0.0)


def test_figures_of_cgroup_version_one() -> None:
    figures = inside.cgroup(sections(cgroup=CGROUP_1))
    assert (figures.memory, figures.memory_limit, figures.throttled) == (5000, None, 0.0)


def test_names_connections_and_ports() -> None:
    found = {
        "dns:a": [
            ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1",
            "a. 5 IN A 10.0.0.1",
            ";; Query time: 120 msec",
            "=0",
        ],
        "dns:b": [";; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 1", "=0"],
        "dns:c": [";; connection timed out; no servers could be reached", "=9"],
        "dns:d": ["timeout: failed to run command 'dig'", "=127"],
        "tcp:a:80": ["=0"],
        "tcp:b:80": ["2026/11/23 socat[1] E connect(5, AF=2 10.0.0.2:80, 16): Connection refused", "=1"],
        "tcp:c:80": ["=124"],
        "sockets": [
            'LISTEN 0 4096 *:8443 *:* users:(("service",pid=1,fd=7))',
            "CLOSE-WAIT 1 0 10.0.0.1:1 10.0.0.2:2",
            "=0",
        ],
    }
    assert [(each.name, each.ok) for each in inside.names(found)] == [
        ("a", True),
        ("b", False),
        ("c", False),
        ("d", None),
    ]
    assert inside.names(found)[0].milliseconds == 120
    assert [(each.ok, each.says) for each in inside.ports(found)] == [
        (True, "connected"),
        (False, "Connection refused"),
        (False, "no answer within 6 s"),
    ]
    assert inside.listening_ports(found) == {8443}
    assert inside.connections(found)[0]["process"] == "service (1)"
    assert inside.missing_tools(found) == ["dns:d"]


def packet(content: bytes) -> bytes:
    return struct.pack("<IIII", 1, 2, len(content), len(content)) + content


def test_a_capture_that_was_cut_keeps_whole_packets_only(tmp_path: Path) -> None:
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 1)
    whole = header + packet(b"one") + packet(b"two")
    lines = base64.encodebytes(whole + packet(b"three")[:-2]).decode().splitlines()
    saved = pcap.save(tmp_path, "x.pcap", lines)
    assert (tmp_path / "x.pcap").read_bytes() == whole
    assert (saved["packets"], saved["bytes"]) == (2, len(whole))
    assert pcap.save(tmp_path, "y.pcap", ["bm8gcGNhcA=="]) == {}
    assert not (tmp_path / "y.pcap").exists()


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
