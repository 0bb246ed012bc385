# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all runbooks have in common: templates, folders, the gate for production, secrets."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible import run_playbook, start_playbook
from support.api_server import ApiServer, write_kubeconfig
from support.flush import role_variables
from support.processes import wait_until
from support.servers import RedisServer
from tools.tree import ROOT

PLAYBOOKS = {
    path.stem: {"debug": "debug_pod_", "certs": "rotate_certs_", "awx": "configure_awx_"}.get(
        "debug" if "debug" in path.stem else path.stem.rpartition("_")[2], "flush_redis_"
    )
    for path in sorted((ROOT / "playbooks").glob("*.yml"))
}
SECRET = "open-sesame-94"
KEYS = 20


@pytest.fixture
def server(redis70: RedisServer) -> RedisServer:
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
    return redis70


def keys(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.dbsize())


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_no_playbook_evaluates_an_extra_variable(playbook: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    variable = f"{PLAYBOOKS[playbook]}run_id" if "_debug_pods" not in playbook else "debug_pod_namespaces"
    template = f'{{{{ lookup("pipe", "touch {canary}") }}}}'
    result = run_playbook(playbook, {variable: template}, cwd=tmp_path)
    assert result.rc != 0
    assert f"The extra variable {variable} holds a template" in result.output
    assert not canary.exists()


def test_a_play_of_ones_own_evaluates_none_either(tmp_path: Path) -> None:
    canary, playbook = tmp_path / "canary", tmp_path / "play.yml"
    role = {"name": "market_intel.runbooks.flush_redis", "tasks_from": "stats", "rolespec_validate": False}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [{"include_role": role}]}]))
    result = run_playbook(playbook, {"flush_redis_names": f'{{{{ lookup("pipe", "touch {canary}") }}}}'}, cwd=tmp_path)
    assert "The extra variable flush_redis_names holds a template" in result.failures[-1].msg
    assert not canary.exists()


def test_a_second_run_in_a_play_reports_nothing_of_the_first(server: RedisServer, tmp_path: Path) -> None:
    """What a task has registered outlives the role, and a run that fails early does not register all of it anew."""
    role = {"name": "market_intel.runbooks.flush_redis", "rolespec_validate": False}
    tasks = [
        {"include_role": role},
        {"include_role": role, "vars": {"flush_redis_url": "redis://127.0.0.1:1/0"}},
    ]
    playbook = tmp_path / "play.yml"
    play = {"hosts": "localhost", "gather_facts": False, "vars": role_variables(server.url, tmp_path), "tasks": tasks}
    playbook.write_text(json.dumps([play]))
    result = run_playbook(playbook, {}, cwd=tmp_path)
    assert result.rc != 0
    assert keys(server) == 0
    written = [json.loads(path.read_text()) for path in (tmp_path / "reports").glob("*z-*/localhost.json")]
    first, second = sorted(written, key=lambda report: str(report["state"]))
    assert (first["state"], second["state"]) == ("done", "failed")
    assert first["actions"]
    assert second["actions"] == []


def test_relative_folders_belong_to_the_callers_folder_whatever_pwd_says(server: RedisServer, tmp_path: Path) -> None:
    given = role_variables(server.url, tmp_path, reports_dir="mine", backup_dir="saved")
    for folder in (str(tmp_path / "elsewhere"), ""):
        result = run_playbook("flush_redis", given, check=True, cwd=tmp_path, env={"PWD": folder})
        assert result.rc == 0, result.output
    assert len(list((tmp_path / "mine").glob("*z-*/localhost.json"))) == 2
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["reports_keep", "backup_keep"])
def test_how_much_to_keep_is_refused_before_anything_is_touched(name: str, server: RedisServer, tmp_path: Path) -> None:
    refused = run_playbook("flush_redis", role_variables(server.url, tmp_path, **{name: "-1"}), cwd=tmp_path)
    assert refused.failures[-1].msg.startswith(f"flush_redis_{name} is -1; allowed ")
    assert keys(server) == KEYS


def test_a_folder_for_reports_that_nobody_may_write_is_refused_before_anything_is_touched(
    kubeconfig: tuple[str, ApiServer], tmp_path: Path
) -> None:
    given = {"runbooks_kubeconfig": kubeconfig[0], "debug_pod_targets": "web", "runbooks_reports_dir": "/proc/reports"}
    refused = run_playbook("debug_pod", given, cwd=tmp_path)
    assert "name a folder in which this user may write" in refused.failures[-1].msg
    assert kubeconfig[1].requests == []


def test_an_empty_folder_for_reports_means_the_default(server: RedisServer, tmp_path: Path) -> None:
    given = {**role_variables(server.url, tmp_path), "flush_redis_reports_dir": ""}
    assert run_playbook("flush_redis", given, check=True, cwd=tmp_path).rc == 0
    assert len(list((tmp_path / ".home" / "runbooks" / "reports").glob("*z-*/localhost.json"))) == 1


def test_however_production_is_spelled_the_plan_is_to_be_confirmed(server: RedisServer, tmp_path: Path) -> None:
    given = {**role_variables(server.url, tmp_path), "runbooks_environment": " PROD-eu\n"}
    refused = run_playbook("flush_redis", given, cwd=tmp_path)
    assert refused.rc == 2
    assert keys(server) == KEYS
    advice = refused.failures[-1].msg.rpartition("flush_redis_confirm=")[2].rstrip(".")
    done = run_playbook("flush_redis", {**given, "flush_redis_confirm": advice}, cwd=tmp_path)
    assert done.rc == 0, done.output
    assert keys(server) == 0


@pytest.mark.parametrize("nothing", ["", None], ids=repr)
def test_an_unset_variable_of_a_shell_does_not_hide_production(
    nothing: Any, server: RedisServer, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"localhost": {"runbooks_environment": "production"}}}}))
    given = {**role_variables(server.url, tmp_path, environment=nothing), "runbooks_environment": nothing}
    refused = run_playbook("flush_redis", given, args=["-i", str(inventory)], cwd=tmp_path)
    assert "This is production, where the plan must be confirmed" in refused.failures[-1].msg
    assert keys(server) == KEYS


@pytest.mark.parametrize("environment", [5, ["production"], {"name": "staging"}, True], ids=repr)
def test_an_environment_of_another_type_is_refused(environment: Any, server: RedisServer, tmp_path: Path) -> None:
    given = {**role_variables(server.url, tmp_path), "flush_redis_environment": environment}
    refused = run_playbook("flush_redis", given, cwd=tmp_path)
    assert "flush_redis_environment is " in refused.failures[-1].msg
    assert keys(server) == KEYS


def test_outside_of_production_it_asks_and_without_a_terminal_it_says_how_to_go_on(
    server: RedisServer, tmp_path: Path
) -> None:
    given = role_variables(server.url, tmp_path, skip_prompt="")
    refused = run_playbook("flush_redis", given, cwd=tmp_path)
    assert "set flush_redis_skip_prompt=true where nobody can answer" in refused.failures[-1].msg
    in_awx = run_playbook("flush_redis", {**given, "awx_job_id": 7}, cwd=tmp_path)
    assert "nobody can answer in AWX" in in_awx.failures[-1].msg
    assert keys(server) == KEYS


@pytest.mark.parametrize(("answer", "left"), [("yes", 0), ("no", KEYS), ("", KEYS), ("\x03", KEYS)], ids=ascii)
def test_what_is_typed_at_the_terminal_decides(answer: str, left: int, server: RedisServer, tmp_path: Path) -> None:
    given = role_variables(server.url, tmp_path, skip_prompt="")
    with start_playbook("flush_redis", given, cwd=tmp_path, terminal=True) as running:
        running.answer(answer)
        result = running.wait()
    assert f"{KEYS} of {KEYS} keys are to be deleted" in result.stdout.partition("Type yes to go on")[0]
    assert keys(server) == left
    assert (result.rc == 0) == (left == 0), result.output
    assert left == 0 or "answer yes at the prompt" in result.failures[-1].msg
    stopped = "the operator stopped it, and nothing was changed"
    ended = {"yes": "everything that was planned was done", "no": stopped, "\x03": stopped}
    assert ended.get(answer, "nobody confirmed the plan, and nothing was changed") in result.stderr


def test_nothing_waits_for_an_answer_that_cannot_come_any_more(server: RedisServer, tmp_path: Path) -> None:
    """As when the terminal is closed; a hangup itself is ignored below nohup."""
    given = role_variables(server.url, tmp_path, skip_prompt="")
    with start_playbook("flush_redis", given, cwd=tmp_path, terminal=True) as running:
        running.wait_for_prompt()
        running.popen.kill()
        wait_until(lambda: running.processes() == [], 30, "its processes to end")
    assert keys(server) == KEYS


def test_an_answer_is_for_one_plan_only(server: RedisServer, tmp_path: Path) -> None:
    """The first host has nothing to do after the first plan; the others are about the second host."""
    with server.client() as client:
        client.mset({f"{prefix}:{number}": "x" for prefix in ("pages", "quotes") for number in range(KEYS)})
    patterns = {"a": {"first": "market:data:*"}, "b": {"second": "pages:*", "third": "quotes:*"}}
    inventory, playbook = tmp_path / "hosts.yml", tmp_path / "play.yml"
    common = {**role_variables(server.url, tmp_path, skip_prompt=""), "ansible_connection": "local"}
    del common["flush_redis_names"]
    inventory.write_text(json.dumps({"all": {"hosts": patterns, "vars": common}}))
    role = {"name": "market_intel.runbooks.flush_redis", "rolespec_validate": False}
    tasks = [
        {"include_role": role, "vars": {"flush_redis_patterns": f"{{{{ {which} | default('nothing:*') }}}}"}}
        for which in ("first", "second", "third")
    ]
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "vars": python, "tasks": tasks}]))
    with start_playbook(playbook, {}, args=["-i", str(inventory)], cwd=tmp_path, terminal=True) as running:
        for answer in ("yes", "yes", "no"):
            running.answer(answer)
        result = running.wait()
    assert [task.host for task in result.failures if "was not confirmed" in task.msg][:1] == ["b"], result.output
    with server.client() as client:
        assert sorted(each[:2] for each in client.scan_iter("*")) == [b"qu"] * KEYS


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[tuple[str, ApiServer]]:
    with ApiServer("uid") as server:
        yield str(write_kubeconfig(tmp_path / "config", {"here": server.url}, current="here")), server


def test_a_wrong_namespace_names_the_variable(kubeconfig: tuple[str, ApiServer], tmp_path: Path) -> None:
    given = {"rotate_certs_check_namespaces": "shop,Not_One", "runbooks_kubeconfig": kubeconfig[0]}
    refused = run_playbook("check_certs", given, cwd=tmp_path)
    assert refused.failures[-1].msg.startswith("rotate_certs_check_namespaces holds 'Not_One'")


@pytest.mark.parametrize("lost", ["", " ", ",", "[]"], ids=repr)
def test_a_lost_list_of_names_is_not_all_of_them(lost: str, kubeconfig: tuple[str, ApiServer], tmp_path: Path) -> None:
    given = {"rotate_certs_names": lost, "rotate_certs_force": True, "runbooks_kubeconfig": kubeconfig[0]}
    refused = run_playbook("rotate_certs", given, cwd=tmp_path)
    assert "rotate_certs_names is given and empty" in refused.failures[-1].msg
    assert {path for _verb, path, _agent in kubeconfig[1].requests} == {"/api/v1/namespaces/kube-system"}


@pytest.fixture(params=["as oneself", "become"])
def becoming(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Return the variables with which modules run, directly or by another program, which takes them from its input."""
    if request.param == "as oneself":
        return {}
    # Sudo needs its own configuration on the machine; what it does with a command and its input is this.
    program = tmp_path / "sudo"
    program.write_text("""#!/bin/sh\nwhile [ "$1" != -u ]; do shift; done; shift 2\nexec "$@"\n""")
    program.chmod(0o700)
    return {"ansible_become": True, "ansible_become_method": "sudo", "ansible_become_exe": str(program)}


@pytest.mark.parametrize(
    ("variables", "environment"),
    [
        ({"ansible_become": True, "ansible_become_method": "su"}, {"ANSIBLE_BECOME_ALLOW_SAME_USER": "True"}),
        ({}, {"ANSIBLE_KEEP_REMOTE_FILES": "True"}),
    ],
    ids=["su", "kept files"],
)
def test_arguments_that_would_be_in_a_file_are_refused(
    variables: dict[str, Any], environment: dict[str, str], server: RedisServer, tmp_path: Path
) -> None:
    given = {**role_variables(server.url, tmp_path), "flush_redis_password": SECRET, **variables}
    refused = run_playbook("flush_redis", given, cwd=tmp_path, env=environment)
    assert "would be written to a file" in refused.failures[-1].msg
    assert [path for path in (tmp_path / ".home").rglob("*") if path.is_file() and SECRET in path.read_text()] == []
    assert keys(server) == KEYS


def test_no_secret_is_on_disk_when_everything_is_killed(becoming: dict[str, Any], tmp_path: Path) -> None:
    """The API server takes the connection and never answers, so that the module is at work when it is killed."""
    # Ansible puts a socket into it, whose path may not be long.
    with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder)
        port = silent.getsockname()[1]
        config = write_kubeconfig(tmp_path / "config", {"here": f"http://127.0.0.1:{port}"}, current="here")
        config.rename(tmp_path / "kubeconfig")
        given = {
            "runbooks_kubeconfig": str(tmp_path / "kubeconfig"),
            "runbooks_vault_token": SECRET,
            "runbooks_vault_url": "http://127.0.0.1:1",
            "rotate_certs_backup_password": SECRET,
            "rotate_certs_accept_ephemeral_storage": True,
            "rotate_certs_backup_dir": str(tmp_path / "backups"),
            **becoming,
        }
        settings = {"TMPDIR": str(temporary), "ANSIBLE_BECOME_ALLOW_SAME_USER": "True"}
        with start_playbook("rotate_certs", given, cwd=tmp_path, env=settings) as running:
            module = running.module_pid("cert_rotate")
            os.kill(module, signal.SIGSTOP)
            files = [path for place in (tmp_path / ".home", temporary) for path in place.rglob("*") if path.is_file()]
            running.kill_tree()
        left = [path for place in (tmp_path / ".home", temporary) for path in place.rglob("*") if path.is_file()]
        contents = [path.read_bytes() for path in left]
    # While it ran there were files, one of them that for its progress.
    assert any(path.name.startswith("runbooks-progress-") for path in files)
    assert left
    assert [path for path, content in zip(left, contents) if SECRET.encode() in content] == []
