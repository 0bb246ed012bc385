# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collector's sections mean."""

from __future__ import annotations

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug import collector_output

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


def sections(**texts: str) -> dict[str, list[str]]:
    return {name.replace("__", ":"): text.splitlines() for name, text in texts.items()}


def test_figures_of_cgroup_version_two() -> None:
    figures = collector_output.cgroup(sections(cgroup=CGROUP_2))
    assert (figures.memory, figures.memory_limit, figures.oom_kills) == (95_000_000, 100_000_000, 2)
    assert (figures.throttled, figures.processes, figures.processes_limit) == (0.3, 7, None)
    assert (figures.memory_pressure, figures.cpu_pressure, figures.io_pressure) == (12.5, 40.1, 0.0)


def test_figures_of_cgroup_version_one() -> None:
    figures = collector_output.cgroup(sections(cgroup=CGROUP_1))
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
    assert [(each.name, each.ok) for each in collector_output.names(found)] == [
        ("a", True),
        ("b", False),
        ("c", False),
        ("d", None),
    ]
    assert collector_output.names(found)[0].milliseconds == 120
    assert [(each.ok, each.says) for each in collector_output.ports(found)] == [
        (True, "connected"),
        (False, "Connection refused"),
        (False, "no answer within 6 s"),
    ]
    assert collector_output.listeners(found) == {8443: {"*"}}
    assert collector_output.connections(found)[0]["process"] == "service (1)"
    assert collector_output.missing_tools(found) == ["dns:d"]
