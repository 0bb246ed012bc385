# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab of this checkout keeps what, outside its namespaces and inside them."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

STATE = Path(os.environ.get("LAB_STATE") or ROOT / ".cache" / "lab")
"""What a running lab has; `down` removes it. Each folder is a lab of its own."""
CACHE = Path(os.environ.get("LAB_CACHE") or Path.home() / ".cache" / "market-intel-lab")
"""What is built once for all checkouts: programs, packages and images, by the hash of what they are made of."""
CGROUP = f"lab-{hashlib.sha256(str(STATE).encode()).hexdigest()[:8]}"
"""Below it are all processes of the lab's pods; the only thing of a lab that its namespaces do not hold."""

INSIDE = Path("/run/lab")
"""STATE as the lab's own processes see it: short enough for the paths of sockets."""
PROGRAMS = Path("/run/lab-programs")
"""CACHE as the lab's own processes see it."""

NODE = "lab"
NAMESPACE = "market-intel-brain"
"""Where the platform in small runs."""
BRIDGE = "lab0"
BRIDGE_ADDRESS = "10.244.0.1"
POD_NETWORK = "10.244.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
# Each lab has a network of its own, so that no two of them can want the same port.
API, VAULT, PROMETHEUS, ALERTMANAGER = 6443, 8200, 9090, 9093
RELAYED = {"api": API, "vault": VAULT, "prometheus": PROMETHEUS, "alertmanager": ALERTMANAGER}
"""What is reached from outside, each on a port of loopback that `up` chooses."""


def say(text: str) -> None:
    """Tell on the error output what is under way."""
    print(f"  {text}", file=sys.stderr, flush=True)


class LabError(Exception):
    """One sentence for whoever has called: what is wrong, and what to do."""
