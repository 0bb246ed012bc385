# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules have in common."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec, run_module

SPEC = ArgumentSpec(
    {"container": {"type": "str"}, "fails": {"type": "bool"}, "progress": {"type": "dict"}, "run_id": {"type": "str"}}
)


def body(module: Any) -> dict[str, Any]:
    if module.params["fails"]:
        raise InvalidInput("O(container) is wrong; name another.")
    return {"changed": False, "degraded": ["web: name another in O(container)", "O(other) stays"]}


@pytest.mark.parametrize(
    ("fails", "key", "value"),
    [
        (True, "msg", "debug_pod_container is wrong; name another."),
        (False, "degraded", ["web: name another in debug_pod_container", "O(other) stays"]),
    ],
    ids=["failure", "success"],
)
def test_sentences_name_the_variable_of_the_role(
    fails: bool, key: str, value: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"fails": fails, "progress": {"names": {"container": "debug_pod_container"}}}
    assert run(body, given, monkeypatch, capsys)[key] == value


def test_an_error_of_our_own_is_said_and_is_no_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_module: Any) -> dict[str, Any]:
        raise ValueError("-----BEGIN PRIVATE KEY-----")

    # Libraries may set it.
    monkeypatch.setattr(sys, "tracebacklimit", 0, raising=False)
    result = run(broken, {"run_id": "run-1"}, monkeypatch, capsys)
    assert (result["failed"], result["state"], result["run_id"]) == (True, "failed", "run-1")
    assert result["msg"].startswith("An unexpected ValueError ended the module in broken (test_module.py, line ")
    assert "PRIVATE KEY" not in json.dumps({**result, "invocation": "", "exception": ""})


def run(
    work: Any, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    # ansible-core 2.17 has nothing public for it.
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit):
        run_module(SPEC, work)
    return dict(json.loads(capsys.readouterr().out))
