# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ops in a cluster: certificates for people and for monitoring, and a shell that leaves nothing behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ansible import Running
from support.issued import issue, secret
from support.lab import Lab
from support.patients import DEBUG, container, pod
from support.pods import Namespace
from support.processes import wait_until
from tools.tree import ROOT

pytestmark = pytest.mark.lab
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    with Namespace(lab) as made:
        made.apply(
            secret(made.name, "fine-tls", issue("fine.example.com", days=365)),
            secret(made.name, "old-tls", issue("old.example.com", days=30, age=31)),
            pod("web", container()),
        )
        yield made


def start(place: Namespace, folder: Path, *words: str, terminal: bool = False) -> Running:
    """Run the command with the configuration of a folder, and with the lab's kubectl."""
    (folder / "config.yaml").write_text(
        f"namespace: {place.name}\nreports_dir: reports\ndebug_image: {DEBUG}\nrunbooks_kubeconfig: "
        f"{place.lab.state / 'kubeconfig'}\n"
    )
    (folder / "certs.yaml").write_text("certificates: [{name: fine, secret_name: fine-tls, cert_manager: true}]\n")
    kubectl = folder / "kubectl"
    # Its programs are below the home of whoever runs the tests.
    settings = f"HOME={os.environ['HOME']} LAB_STATE={place.lab.state} PYTHONPATH={ROOT / 'tests'}"
    kubectl.write_text(f'#!/bin/sh\n{settings} exec {sys.executable} -m lab kubectl "$@"\n')
    kubectl.chmod(0o755)
    environment = {"PATH": f"{folder}:{BIN}:{os.environ['PATH']}"}
    return Running([str(ROOT / "bin" / "ops"), *words], cwd=folder, env=environment, limits=None, terminal=terminal)


def ops(place: Namespace, folder: Path, *words: str) -> tuple[int, str]:
    with start(place, folder, *words) as running:
        return running.wait_rc(120), running.stdout


def test_certificates_are_listed_validated_and_monitored(namespace: Namespace, tmp_path: Path) -> None:
    status, listed = ops(namespace, tmp_path, "cert", "list")
    rows = [line.split() for line in listed.splitlines()]
    assert status == 0, listed
    assert [row[:2] for row in rows if row[1].endswith("-tls")] == [
        ["critical", f"{namespace.name}/old-tls"],
        ["ok", f"{namespace.name}/fine-tls"],
    ]
    assert ops(namespace, tmp_path, "cert", "validate", "fine")[0] == 0
    assert ops(namespace, tmp_path, "cert", "validate", "old-tls")[0] == 2
    status, line = ops(namespace, tmp_path, "cert", "check", "--nagios")
    assert (status, line.count("\n")) == (2, 1)
    assert line.startswith("CERTIFICATES CRITICAL - 1 critical of ") and "old-tls" in line


def test_a_shell_is_a_terminal_and_nothing_is_left_behind_it(namespace: Namespace, tmp_path: Path) -> None:
    namespace.wait_for("web")
    with start(namespace, tmp_path, "debug", "interactive", "web", "--ttl", "120", terminal=True) as running:
        keyboard = running._keyboard
        assert keyboard is not None
        # The container's shell shows no prompt before somebody types.
        wait_until(lambda: [each for each in running.processes() if "attach" in each.argv], 90, "kubectl attach", 0.1)
        typed = 0

        def answered() -> bool:
            nonlocal typed
            typed += 1
            os.write(keyboard, b"echo $((6 * 7)) beside; ls -d /proc/1\r" if typed % 10 == 1 else b"")
            return "42 beside" in running.stdout

        wait_until(answered, 60, "an answer of the shell", 0.1)
        os.write(keyboard, b"exit\r")
        assert running.wait_rc(90) == 0, running.stderr
    statuses = namespace.lab.get("pod", "web", "-n", namespace.name)["status"]["ephemeralContainerStatuses"]
    assert ["terminated" in each["state"] for each in statuses] == [True]


def test_a_session_whose_terminal_is_lost_is_ended(namespace: Namespace, tmp_path: Path) -> None:
    namespace.wait_for("web")
    before = len(_sessions(namespace))
    with start(namespace, tmp_path, "debug", "interactive", "web", "--ttl", "120", terminal=True) as running:
        wait_until(lambda: [each for each in running.processes() if "attach" in each.argv], 90, "kubectl attach", 0.1)
        running.popen.send_signal(1)
        assert running.wait_rc(90) == 0, running.stderr
    assert ["terminated" in state for state in _sessions(namespace)] == [True] * (before + 1)


def _sessions(place: Namespace) -> list[dict[str, object]]:
    status = place.lab.get("pod", "web", "-n", place.name)["status"]
    return [each["state"] for each in status.get("ephemeralContainerStatuses") or []]
