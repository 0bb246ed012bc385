# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable of the role debug_pod as text, as command lines and surveys give it, and what wrong text brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.ansible import Result, run_playbook
from support.roles import variables

PREFIX = "debug_pod_"
# Nobody answers there, so that the modules get their options and fail.
NOWHERE = "https://127.0.0.1:1"

# variable: (text, module and option, what the module gets)
INSIDE: dict[str, tuple[str, Any]] = {
    "api_host": (NOWHERE, NOWHERE),
    "validate_certs": ("no", False),
    "namespace": ("shop", "shop"),
    "targets": ("app in (a, b); deployment/web", ["app in (a, b)", "deployment/web"]),
    "container": ("main", "main"),
    "mode": ("copy", "copy"),
    "collect": ("network, logs", ["network", "logs"]),
    "dependencies": ("a:80,b:443:tls", ["a:80", "b:443:tls"]),
    "capture": (
        '{"seconds": 3, "filter": "tcp"}',
        {"seconds": 3, "filter": "tcp", "interface": "any", "max_bytes": 1048576},
    ),
    "image": ("registry.example.com/debug:1", "registry.example.com/debug:1"),
    "image_pull_policy": ("Always", "Always"),
    "ttl": ("60", 60),
    "timeout": ("7.5", 7.5),
    "interactive": ("yes", True),
    "privileged": ("True", True),
    "reuse_age": ("0", 0),
    "max_ephemeral": ("3", 3),
    "new_session": ("on", True),
    "copy_command": ("sleep 60", ["sleep", "60"]),
    "node_namespace": ("debug", "debug"),
    "run_id": ("20261123t101500z-debug-pod-7f3a", "20261123t101500z-debug-pod-7f3a"),
}
# They are looked at by other tests, depend on files, are secret, or belong to another module.
ELSEWHERE = {
    "kubeconfig", "context", "api_key", "ca_cert", "client_cert", "client_key", "tail_lines", "reports_dir",
    "reports_keep", "namespaces", "runs", "force", "everybody", "environment", "confirm", "skip_prompt",
}  # fmt: skip


def run(playbook: str, folder: Path, values: dict[str, str]) -> Result:
    texts = {"api_host": NOWHERE, "skip_prompt": "yes", "reports_dir": "reports", **values}
    return run_playbook(playbook, [f"{PREFIX}{name}='{text}'" for name, text in texts.items()], cwd=folder)


def options(result: Result, module: str) -> dict[str, Any]:
    return dict(result.by_action(module)[0].result["invocation"]["module_args"])


def test_every_variable_is_looked_at() -> None:
    assert {name.removeprefix(PREFIX) for name in variables("debug_pod")} == set(INSIDE) | ELSEWHERE


def test_every_variable_may_be_text(tmp_path: Path) -> None:
    result = run("debug_pod", tmp_path, {name: text for name, (text, _value) in INSIDE.items()})
    given = options(result, "debug_container")
    called = {"api_host": "host", "new_session": "force"}
    assert {name: given[called.get(name, name)] for name in INSIDE} == {
        name: value for name, (_text, value) in INSIDE.items()
    }
    assert given["directory"] == f"{tmp_path}/reports/captures"
    assert "cannot be reached" in result.failures[0].msg


def test_a_report_alone_calls_one_module_and_writes_what_was_reached(tmp_path: Path) -> None:
    result = run("debug_pod", tmp_path, {"mode": "report", "targets": "web", "tail_lines": "5", "reports_keep": "2"})
    assert options(result, "pod_diagnosis_info")["tail_lines"] == 5
    assert all(each.status == "skipped" for each in result.by_action("debug_container"))
    assert list((tmp_path / "reports").glob("*/localhost.html"))


def test_where_to_clean_up_may_be_text(tmp_path: Path) -> None:
    for playbook in ("list_debug_pods", "cleanup_debug_pods"):
        runs = [f"20261123t101500z-debug-pod-000{number}" for number in (1, 2)]
        result = run(playbook, tmp_path, {"namespaces": "shop, debug", "runs": ", ".join(runs)})
        given = options(result, "debug_container")
        assert (given["namespaces"], given["runs"], given["state"]) == (["shop", "debug"], runs, "absent")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mode": "everything"}, "everything"),
        ({"ttl": "soon"}, "soon"),
        ({"targets": ""}, "debug_pod_targets is empty"),
        ({"targets": "x; $(reboot)"}, "debug_pod_targets has '$(reboot)', which is not a valid target"),
        ({"capture": '{"seconds": 9999}'}, "debug_pod_capture.seconds is 9999"),
        ({"kubeconfig": "nowhere", "api_host": ""}, "/nowhere cannot be read"),
        ({"run_id": "mine"}, "debug_pod_run_id is 'mine', which is not valid"),
    ],
    ids=str,
)
def test_wrong_text_gets_one_sentence(values: dict[str, str], words: str, tmp_path: Path) -> None:
    result = run("debug_pod", tmp_path, {"targets": "web", **values})
    assert result.rc != 0
    assert words in result.output
    assert "Traceback" not in result.output
