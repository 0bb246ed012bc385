# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No value of a secret option is in anything that a run prints, whatever becomes of the run.

Before ansible-core 2.22, what a module hands to warn() or deprecate() is printed as it is, under no_log too. So ours
hand over nothing there: what they have to say stands in their results, which are masked.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._module import ArgumentSpec
from support.ansible import COLLECTION, Result, run_playbook
from support.servers import RedisServer
from tools.tree import ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if "main()" in path.read_text())
WARN = {"warn", "warning", "deprecate", "deprecated"}
CANARY = "canary-6f1d"
NOWHERE = "127.0.0.1:1"
# What modules that ask for more take; nothing answers at these addresses.
GIVEN: dict[str, Any] = {
    "url": f"redis://{NOWHERE}",
    "vault.url": f"http://{NOWHERE}",
    "host": f"https://{NOWHERE}",
    "kubernetes.host": f"https://{NOWHERE}",
    "patterns": ["market:data:*"],
    "certificates": [{"name": "api", "secret_name": "api-tls", "cert_manager": False, "vault": True}],
    "timeout": 2,
}


class Captured(Exception):
    """Holds the spec of a module that has got as far as making its AnsibleModule."""


def spec_of(module: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def stop(spec: ArgumentSpec) -> None:
        raise Captured(spec.argument_spec)

    monkeypatch.setattr(ArgumentSpec, "create_module", stop)
    with pytest.raises(Captured) as caught:
        importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.modules.{module}").main()
    return dict(caught.value.args[0])


def secrets(spec: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, option in spec.items():
        yield from [before + name] if option.get("no_log") else secrets(option.get("options", {}), f"{before}{name}.")


def arguments(spec: dict[str, Any], folder: Path, before: str = "") -> dict[str, Any]:
    """Return arguments with a canary in each secret option."""
    found: dict[str, Any] = {}
    for name, option in spec.items():
        path = before + name
        if option.get("no_log"):
            found[name] = f"{CANARY}-{path}"
        elif option.get("required") and option["type"] == "list" and "options" in option:
            found[name] = [arguments(option["options"], folder, f"{path}.")]
        elif path in GIVEN and option["type"] != "bool":
            found[name] = GIVEN[path]
        elif any(secrets(option.get("options", {}))):
            found[name] = arguments(option["options"], folder, f"{path}.")
        elif option.get("required"):
            kind = option["type"]
            found[name] = {"path": str(folder / "nothing"), "list": ["x"], "dict": {}, "int": 1}.get(kind, "x")
    return found


def play(folder: Path, tasks: list[dict[str, Any]], **more: Any) -> Result:
    playbook = folder / "play.yml"
    each = [{"name": next(iter(task)), **task, "ignore_errors": True} for task in tasks]
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": each}]))
    done = run_playbook(playbook, args=["-vvv"], cwd=folder, **more)
    assert done.rc == 0, done.output
    return done


def test_nothing_of_ours_is_said_as_a_warning() -> None:
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                assert name not in WARN, f"{path}:{node.lineno}"


def test_no_secret_option_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = {module: spec_of(module, monkeypatch) for module in MODULES}
    keepers = {module: spec for module, spec in specs.items() if any(secrets(spec))}
    assert {"redis_flush", "cert_rotate", "cert_info", "debug_container"} <= keepers.keys()
    done = play(tmp_path, [{f"{COLLECTION}.{name}": arguments(spec, tmp_path)} for name, spec in keepers.items()])
    for module in keepers:
        task = done.one(module)
        assert task.status == "ignored"
        # They got as far as using what they were given.
        assert not re.search("parameters for|missing required|is of type", task.msg), f"{module}: {task.msg}"
        assert not task.result.get("warnings") and not task.result.get("deprecations")
    assert CANARY not in done.output + json.dumps([task.result for task in done.tasks])


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("redis_flush", {"url": f"redis://user:{CANARY}@{NOWHERE}", "patterns": ["market:data:*"], "backup_dir": "/x"}),
        ("redis_cache_info", {"url": f"rediss://:{CANARY}@{NOWHERE}", "patterns": ["market:data:*"]}),
    ],
)
def test_a_password_in_an_address_is_not_repeated(tmp_path: Path, module: str, options: dict[str, Any]) -> None:
    task = play(tmp_path, [{f"{COLLECTION}.{module}": options}]).one(module)
    assert "url holds a user name or password" in task.msg
    assert CANARY not in json.dumps({**task.result, "invocation": None})


def test_a_run_with_notices_says_nothing_of_its_passwords(
    fresh_redis: Callable[..., RedisServer], tmp_path: Path
) -> None:
    server = fresh_redis(requirepass=f"{CANARY}-password")
    with server.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(100)})
    options = {
        "url": server.url,
        "password": f"{CANARY}-password",
        "sentinel_password": f"{CANARY}-sentinel",
        "patterns": ["market:data:*"],
        "backup": False,
        "max_share": 1.0,
        "backup_dir": str(tmp_path / "backups"),
        "accept_ephemeral_storage": True,
    }
    done = play(tmp_path, [{f"{COLLECTION}.redis_flush": options, "diff": True}])
    task = done.one("redis_flush")
    result = task.result
    assert task.status == "ok", task.msg
    assert result["removed"] == 100
    assert "NO BACKUP" in " ".join(result["notices"])
    assert CANARY not in done.output + json.dumps(result)
