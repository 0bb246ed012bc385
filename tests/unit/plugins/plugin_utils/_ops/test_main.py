# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command of Ansible's that each verb of ops becomes, and what is made of a run, with a stand-in for Ansible."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops import main as ops
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops import run
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.main import main
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.verbs import COMMON, VERBS
from support.roles import ROLES, common_variables, entry_points

VERSION = yaml.safe_load((ROLES.parent / "galaxy.yml").read_text(encoding="utf-8"))["version"]
RUN = "20261123t101500z-debug-pod-7f3a"
COMMANDS = {
    "redis list": ("redis_stats", {}),
    "redis flush market-data quotes --pattern 'a:*' --pattern 'b:*'": (
        "flush_redis",
        {"flush_redis_names": ["market-data", "quotes"], "flush_redis_patterns": ["a:*", "b:*"]},
    ),
    "redis flush market-data --force": (
        "flush_redis",
        {"flush_redis_names": ["market-data"], "flush_redis_skip_prompt": True},
    ),
    "redis flush --yes one --check two": (
        "flush_redis",
        {"flush_redis_names": ["one", "two"], "flush_redis_skip_prompt": True},
    ),
    "redis flush x --yes --confirm 1f0c-1": (
        "flush_redis",
        {"flush_redis_names": ["x"], "flush_redis_skip_prompt": True, "runbooks_confirm": "1f0c-1"},
    ),
    "redis stats x -n shop": ("redis_stats", {"flush_redis_names": ["x"], "runbooks_namespace": "shop"}),
    f"redis restore {RUN} --pattern 'a:*'": (
        "restore_redis",
        {"flush_redis_restore_run": RUN, "flush_redis_restore_patterns": ["a:*"]},
    ),
    "cert list": ("check_certs", {"rotate_certs_check_fail_on": "never"}),
    "cert check -n shop -n web": ("check_certs", {"rotate_certs_check_namespaces": ["shop", "web"]}),
    "cert check --all-namespaces": ("check_certs", {"rotate_certs_check_namespaces": []}),
    "cert validate api-gateway": ("check_certs", {"rotate_certs_check_fail_on": "never"}),
    "cert rotate api-gateway --method cert-manager": (
        "rotate_certs",
        {"rotate_certs_names": ["api-gateway"], "rotate_certs_method": "cert-manager"},
    ),
    "cert rotate --force --yes": ("rotate_certs", {"rotate_certs_force": True, "rotate_certs_skip_prompt": True}),
    f"cert rollback {RUN} --context eu": (
        "rollback_certs",
        {"rotate_certs_rollback_run": RUN, "runbooks_context": "eu"},
    ),
    "debug create api-gateway-12345 app=web --mode report": (
        "debug_pod",
        {"debug_pod_targets": ["api-gateway-12345", "app=web"], "debug_pod_mode": "report"},
    ),
    "debug interactive api-gateway-12345 --ttl 600 --force": (
        "debug_pod",
        {
            "debug_pod_interactive": True,
            "debug_pod_targets": "api-gateway-12345",
            "debug_pod_ttl": "600",
            "debug_pod_new_session": True,
        },
    ),
    "prepare --runbook debug_pod --debug-mode node --absent": (
        "prepare_cluster",
        {
            "prepare_cluster_runbooks": ["debug_pod"],
            "prepare_cluster_debug_modes": ["node"],
            "prepare_cluster_state": "absent",
        },
    ),
    "debug list -n shop": ("list_debug_pods", {"debug_pod_namespaces": ["shop"]}),
    "debug cleanup --force -l eu-1 -l us-1": (
        "cleanup_debug_pods",
        {"debug_pod_force": True, "runbooks_hosts": ["eu-1", "us-1"]},
    ),
    "debug cleanup --force --run 20261123t101500z-debug-pod-7f3a": (
        "cleanup_debug_pods",
        {"debug_pod_force": True, "debug_pod_runs": ["20261123t101500z-debug-pod-7f3a"]},
    ),
    "alert assess": ("assess_alerts", {}),
    'alert respond CircuitBreakerOpen --labels \'{"namespace":"shop"}\'': (
        "respond_to_alert",
        {"alert_response_name": "CircuitBreakerOpen", "alert_response_labels": '{"namespace":"shop"}'},
    ),
}


@dataclass
class Ansible:
    """What stands in for the commands that ops runs: it notes what it is given, and leaves a prepared result."""

    status: int = 0
    result: dict[str, Any] = field(default_factory=dict)
    leaves_result: bool = True
    commands: list[list[str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    inventory: dict[str, Any] = field(default_factory=dict)

    def ends(self, status: int = 0, **result: Any) -> None:
        self.status, self.result = status, {"runs": {}, "failed": {}, "no_hosts": False, **result}

    def __call__(
        self, command: list[str], environment: dict[str, str] | None = None, output: Any = None, _errors: Any = None
    ) -> int:
        self.commands.append(command)
        print("TASKS", file=output)
        if environment is None:
            return 0
        self.environment = environment
        for word in command:
            if word.endswith("/config.json"):
                self.inventory = json.loads(Path(word).read_text())["all"]
        if self.leaves_result:
            Path(environment["RUNBOOKS_RESULT_FILE"]).write_text(json.dumps(self.result))
        return self.status

    @property
    def words(self) -> list[str]:
        """What ansible-playbook was given last."""
        return self.commands[-1][1:]

    @property
    def variables(self) -> dict[str, Any]:
        """What the first -e gives."""
        words = self.words
        return dict(json.loads(words[words.index("-e") + 1])) if "-e" in words else {}


@pytest.fixture(autouse=True)
def ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ansible:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ANSIBLE_INVENTORY", "ANSIBLE_CONFIG", "OPS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    stand_in = Ansible()
    stand_in.ends()
    for module in (run, ops):
        monkeypatch.setattr(module, "run", stand_in)
    return stand_in


@pytest.mark.parametrize("typed", COMMANDS)
def test_a_verb_runs_its_playbook_with_its_variables(typed: str, ansible: Ansible) -> None:
    ansible.ends(runs={"check_certs": {}})
    main(shlex.split(typed))
    playbook, variables = COMMANDS[typed]
    assert ansible.words[0] == f"market_intel.runbooks.{playbook}"
    assert ansible.variables == variables


def test_every_verb_of_a_playbook_is_in_that_table() -> None:
    assert {
        verb.name
        for verb in VERBS
        if verb.playbook and not any(f"{words} ".startswith(f"{verb.name} ") for words in COMMANDS)
    } == set()


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.playbook], ids=lambda verb: str(verb.name))
def test_a_verb_gives_variables_that_its_playbook_has(verb: Any) -> None:
    (play,) = yaml.safe_load((ROLES.parent / "playbooks" / f"{verb.playbook}.yml").read_text(encoding="utf-8"))
    included = play["tasks"][0]["ansible.builtin.include_role"]
    role, entry_point = included["name"].rpartition(".")[2], included["tasks_from"]
    options = entry_points(role)[entry_point]["options"]
    for each in (*verb.arguments, *COMMON):
        if each.variable:
            assert each.variable in options or each.variable in common_variables(), each.flag
            assert not each.metavar or list(each.choices) == (options.get(each.variable, {}).get("choices") or []), (
                each.flag
            )
    assert set(verb.fixed) <= set(options)


def test_what_ansible_knows_is_passed_on(ansible: Ansible) -> None:
    words = "-i one -i two --check --diff --vault-password-file p -e a=b -e @c -vv"
    main([*f"redis stats {words} -- --forks 3".split()])
    assert ansible.words[1:] == [*words.split(), "--forks", "3"]


def test_the_configuration_is_an_inventory_before_those_of_people(ansible: Ansible) -> None:
    Path("redis.yaml").write_text("redis_caches: [{name: quotes, pattern: 'quotes:*'}]")
    main(["redis", "list", "-i", "hosts.yml"])
    first, second = (ansible.words[place + 1] for place, word in enumerate(ansible.words) if word == "-i")
    assert first.endswith("/config.json") and second == "hosts.yml"
    assert ansible.inventory == {"vars": {"flush_redis_caches": [{"name": "quotes", "pattern": "quotes:*"}]}}
    assert not Path(first).exists()


def test_people_see_the_plan_and_the_result_and_with_v_what_ansible_shows(
    ansible: Ansible, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANSIBLE_STDOUT_CALLBACK", raising=False)
    main(["redis", "list"])
    assert ansible.environment["ANSIBLE_STDOUT_CALLBACK"] == "market_intel.runbooks.compact"
    main(["redis", "list", "-v"])
    assert "ANSIBLE_STDOUT_CALLBACK" not in ansible.environment


@pytest.mark.parametrize("status", [0, 2, 4, 99])
def test_the_exit_status_is_that_of_ansible(ansible: Ansible, status: int) -> None:
    ansible.ends(status)
    assert main(["redis", "list"]) == status


def test_no_host_is_an_error(ansible: Ansible) -> None:
    ansible.ends(0, no_hosts=True)
    assert main(["redis", "list"]) == 1


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            "redis drop",
            "There is no verb 'redis drop'; allowed are redis list, redis flush, redis stats, redis restore.",
        ),
        ("flush", "There is no verb 'flush'; allowed are redis list,"),
        ("redis restore", "The following arguments are required: RUN; ops redis restore --help shows"),
        ("cert rotate --method magic", "Argument --method: invalid choice: 'magic'"),
        ("redis flush --conf x", "Unrecognized arguments: --conf; ops"),
        ("report -- --forks 3", "ops report runs no playbook; leave out what stands behind --."),
        ("--", "There is no verb ''; allowed are redis list,"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(typed: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 64
    said = capsys.readouterr().err
    assert said.startswith(f"ops: {sentence}") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("redis flsh x", "Did you mean redis flush?"),
        ("redi flush x", "Did you mean redis flush?"),
        ("certs", "Did you mean cert?"),
        ("flush x", "Did you mean redis flush?"),
        ("list", "Did you mean redis list or cert list or debug list?"),
        ("reprot", "Did you mean report?"),
        ("redis flush --chekc", "Did you mean --check?"),
        ("undo x --jsno", "Did you mean --json?"),
        ("-i hosts redis list", "Options stand behind the verb."),
        ("redis drop", "redis restore."),
        ("quux", "completion."),
    ],
)
def test_what_was_meant_is_proposed(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 64
    assert capsys.readouterr().err.endswith(f" {meant}\n")


def test_it_says_which_version_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ops {VERSION} of market_intel.runbooks ({ROLES.parent.resolve()})\n"
    # As Galaxy installs it.
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "2.0.1"}}')
    monkeypatch.setattr(ops, "ROOT", tmp_path)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ops 2.0.1 of market_intel.runbooks ({tmp_path})\n"


def test_a_checkout_is_found_from_any_folder(
    ansible: Ansible, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where Ansible was told of it once, it is; else what is missing is said, and only where nothing ran."""
    monkeypatch.delenv("ANSIBLE_COLLECTIONS_PATH", raising=False)
    monkeypatch.setattr(run, "__file__", str(tmp_path / "checkout" / "plugins" / "x" / "y" / "run.py"))
    monkeypatch.setattr(run, "ROOT", tmp_path / "checkout")
    monkeypatch.setattr(ansible, "leaves_result", False)
    Path("ansible.cfg").write_text("[defaults]\ncollections_path = mine:/opt/theirs\n")
    ansible.ends(1)
    assert main(["redis", "list"]) == 1
    assert "ANSIBLE_COLLECTIONS_PATH" not in ansible.environment
    assert f"run make runtime in the checkout {tmp_path / 'checkout'}" in capsys.readouterr().err

    link = tmp_path / "checkout/.ansible/collections/ansible_collections/market_intel/runbooks"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../..")
    assert main(["redis", "list"]) == 1
    paths = [str(tmp_path / "checkout/.ansible/collections"), str(Path("mine").absolute()), "/opt/theirs"]
    assert ansible.environment["ANSIBLE_COLLECTIONS_PATH"] == ":".join(paths)
    assert "make runtime" not in capsys.readouterr().err


@pytest.mark.parametrize("typed", ["--help", "redis --help", "cert rotate --help", "completion --help"])
def test_help_names_the_verbs_and_options(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: Any = main(typed.split())
    except SystemExit as exc:
        status = exc.code
    assert status == 0
    said = capsys.readouterr().out
    named = [verb for verb in VERBS if typed == "--help" or verb.words[0] == typed.split()[0]]
    assert any(f"ops {verb.name}" in said for verb in named)
    assert max(map(len, said.splitlines())) <= 120


def test_the_result_is_json_and_the_rest_goes_to_the_error_output(
    ansible: Ansible, capfd: pytest.CaptureFixture[str]
) -> None:
    ansible.ends(2, runs={"flush_redis": {"eu-1": {"state": "refused"}}}, failed={"eu-1": "It is full."})
    assert main(["redis", "flush", "x", "--json"]) == 2
    out, err = capfd.readouterr()
    assert json.loads(out) == {
        "status": 2,
        "runs": {"flush_redis": {"eu-1": {"state": "refused"}}},
        "failed": {"eu-1": "It is full."},
        "no_hosts": False,
    }
    assert "TASKS" in err


def checked(folder: Path, host: str, line: str, *entries: dict[str, Any]) -> dict[str, Any]:
    """Return what a check publishes of a host, with its files."""
    paths = {"nagios": folder / f"{host}.nagios", "json": folder / f"{host}.json"}
    paths["nagios"].write_text(line + "\n")
    paths["json"].write_text(json.dumps({"certificates": list(entries)}))
    return {"files": {kind: str(path) for kind, path in paths.items()}}


def entry(name: str, severity: str = "ok", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": "shop",
        "severity": severity,
        "source": "secret",
        "not_after": "2027-01-01T00:00:00Z",
        "remaining_seconds": 100,
        "manager": "",
        "reasons": [],
        "muted": None,
        **more,
    }


OK = "CERTIFICATES OK - 3 certificates of eu-1 are in order | ok=3 critical=0"
BAD = "CERTIFICATES CRITICAL - 1 critical of 3 certificates of us-1: shop/web: it expired | ok=2 critical=1"
ODD = "CERTIFICATES UNKNOWN - 1 unknown of 3 certificates of us-1: shop/web: it cannot be read"


@pytest.mark.parametrize(
    ("lines", "failed", "said", "status"),
    [
        ({"eu-1": OK}, {}, OK, 0),
        ({"us-1": BAD}, {}, BAD, 2),
        ({"us-1": ODD}, {}, ODD, 3),
        (
            {"eu-1": OK, "us-1": BAD},
            {},
            "CERTIFICATES CRITICAL - 1 critical of 3 certificates of us-1: shop/web: it expired; "
            "3 certificates of eu-1 are in order | eu-1_ok=3 eu-1_critical=0 us-1_ok=2 us-1_critical=1",
            2,
        ),
        (
            {"eu-1": OK},
            {"us-1": "The API server | does not answer."},
            "CERTIFICATES UNKNOWN - 3 certificates of eu-1 are in order; us-1: The API server / does not answer. | "
            "eu-1_ok=3 eu-1_critical=0",
            3,
        ),
        ({}, {}, "CERTIFICATES UNKNOWN - the check did not run", 3),
    ],
)
def test_nagios_gets_one_line_and_its_status(
    ansible: Ansible,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    lines: dict[str, str],
    failed: dict[str, str],
    said: str,
    status: int,
) -> None:
    runs = {"check_certs": {host: checked(tmp_path, host, line) for host, line in lines.items()}}
    ansible.ends(2 if failed else 0, runs=runs, failed=failed)
    assert main(["cert", "check", "--nagios"]) == status
    assert capfd.readouterr().out == said + "\n"
    assert ansible.variables == {"rotate_certs_check_fail_on": "never"}


def test_a_list_has_the_worst_first(ansible: Ansible, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stats = checked(tmp_path, "eu-1", OK, entry("good"), entry("bad", "critical", reasons=["it expired", "no key"]))
    ansible.ends(runs={"check_certs": {"eu-1": stats}})
    assert main(["cert", "list"]) == 0
    assert [" ".join(line.split()) for line in capfd.readouterr().out.splitlines()[1:]] == [
        "SEVERITY WHERE KIND ENDS RENEWED BY WHY",
        "critical shop/bad secret 2027-01-01T00:00:00Z it expired; no key",
        "ok shop/good secret 2027-01-01T00:00:00Z",
    ]


@pytest.mark.parametrize(
    ("name", "entries", "status"),
    [
        ("api-gateway", [entry("api-gateway-tls"), entry("other", "critical")], 0),
        ("api-gateway", [entry("api-gateway-tls", "critical")], 2),
        (
            "api-gateway",
            [entry("api-gateway-tls", "critical", muted={"until": "x", "reason": "y"}), entry("api-gateway")],
            0,
        ),
        ("other", [entry("other", "warning")], 0),
        ("missing", [entry("other")], 2),
    ],
)
def test_a_certificate_is_validated_by_its_name_in_the_catalogue(
    ansible: Ansible, tmp_path: Path, name: str, entries: list[dict[str, Any]], status: int
) -> None:
    Path("certs.yaml").write_text("certificates: [{name: api-gateway, secret_name: api-gateway-tls}]")
    ansible.ends(runs={"check_certs": {"localhost": checked(tmp_path, "localhost", OK, *entries)}})
    assert main(["cert", "validate", name]) == status


def report(folder: Path, run: str, *hosts: tuple[str, str]) -> None:
    """Write the index of a run, as runbook_report does."""
    (folder / run).mkdir(parents=True)
    files = {"json": "h.json", "markdown": "h.md", "html": "h.html"}
    (folder / run / "h.md").write_text(f"# Report of {run}\n")
    index = {
        "run_id": run,
        "title": "Flush Redis caches",
        "mode": "run",
        "state": "done",
        "severity": "",
        "hosts": [{"host": host, "undo": undo, "files": files} for host, undo in hosts],
    }
    (folder / run / "index.json").write_text(json.dumps(index))


UNDO = "ansible-playbook market_intel.runbooks.restore_redis -e 'flush_redis_url=redis://a b' -e runbooks_hosts=eu-1"


def test_a_run_is_undone_by_its_own_command(ansible: Ansible, tmp_path: Path) -> None:
    report(tmp_path / "runbooks" / "reports", RUN, ("eu-1", UNDO))
    assert main(["undo", RUN, "-i", "inventory", "--check"]) == 0
    assert ansible.words == [*shlex.split(UNDO)[1:], "-i", "inventory", "--check"]


def test_the_latest_run_that_can_be_undone_is_undone(ansible: Ansible, tmp_path: Path) -> None:
    report(tmp_path / "runbooks" / "reports", RUN, ("eu-1", UNDO))
    # What an undo that was only looked at, or carried out, leaves behind.
    report(tmp_path / "runbooks" / "reports", "20261124t101500z-restore-redis-0001", ("eu-1", ""))
    assert main(["undo", "latest"]) == 0
    assert ansible.words == shlex.split(UNDO)[1:]


@pytest.mark.parametrize("broken", ["{", "[]", "{}", '{"hosts": null}'])
def test_a_broken_report_hides_no_other(
    broken: str, ansible: Ansible, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = tmp_path / "runbooks" / "reports"
    report(reports, RUN, ("eu-1", UNDO))
    for name in ("20261124t101500z-flush-redis-0001", "node_modules"):
        (reports / name).mkdir()
        (reports / name / "index.json").write_text(broken)
    assert main(["report"]) == 0
    _head, first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["20261124t101500z-flush-redis-0001", "unreadable"] and second.startswith(RUN)
    assert main(["undo", "latest"]) == 0
    assert ansible.words == shlex.split(UNDO)[1:]


@pytest.mark.parametrize("catalogue", ["[api-gateway]", "api-gateway", "5", "{api-gateway: {}}", "[{name: 5}]", "[[]]"])
def test_a_catalogue_that_is_wrong_is_told_by_the_run(
    catalogue: str, ansible: Ansible, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("certs.yaml").write_text(f"certificates: {catalogue}")
    ansible.ends(2, failed={"localhost": "rotate_certs_certificates[0] is not a mapping."})
    assert main(["cert", "validate", "api-gateway"]) == 2
    assert main(["complete", "--", "cert", "validate", ""]) == 0
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "rm -rf /", "ansible-playbook site.yml", "ansible-playbook"])
def test_nothing_but_a_playbook_of_ours_undoes_a_run(ansible: Ansible, tmp_path: Path, command: str) -> None:
    report(tmp_path / "runbooks" / "reports", RUN, ("eu-1", command))
    assert main(["undo", "latest"]) == 64
    assert ansible.commands == []


def test_reports_are_listed_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.yaml").write_text("reports_dir: ./kept")
    report(tmp_path / "work" / "kept", RUN, ("eu-1", ""))
    report(tmp_path / "work" / "kept", "20261124t101500z-flush-redis-0001", ("eu-1", ""), ("us-1", ""))
    assert main(["report"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["RUN", "20261124t101500z-flush-redis-0001", RUN]
    assert rows[1].endswith("eu-1, us-1")
    assert main(["report", RUN]) == 0
    assert capsys.readouterr().out == f"# Report of {RUN}\n"
    assert main(["report", "nothing"]) == 64


def shell(folder: Path, undo: str) -> dict[str, Any]:
    """Return what a run publishes that has left a shell."""
    (folder / "report.json").write_text(json.dumps({"undo": {"command": undo} if undo else None}))
    shells = [["kubectl attach -n shop -it web", "kubectl exec -n shop -it web -- sh"]]
    return {"localhost": {"shells": shells, "report": str(folder / "report.json")}}


def test_a_shell_is_opened_and_its_session_ended_behind_it(ansible: Ansible, tmp_path: Path) -> None:
    undo = f"ansible-playbook market_intel.runbooks.cleanup_debug_pods -e debug_pod_runs={RUN}"
    ansible.ends(runs={"debug_pod": shell(tmp_path, undo)})
    assert main(["debug", "interactive", "web"]) == 0
    assert ansible.commands[1:] == [["kubectl", "attach", "-n", "shop", "-it", "web"], undo.split()]


def test_a_shell_that_was_there_before_stays(ansible: Ansible, tmp_path: Path) -> None:
    ansible.ends(runs={"debug_pod": shell(tmp_path, "")})
    assert main(["debug", "interactive", "web"]) == 0
    assert ansible.commands[1:] == [["kubectl", "attach", "-n", "shop", "-it", "web"]]


def test_one_shell_is_opened_of_one_cluster(ansible: Ansible, tmp_path: Path) -> None:
    (one,) = shell(tmp_path, "").values()
    ansible.ends(runs={"debug_pod": {"eu-1": one, "us-1": one}})
    assert main(["debug", "interactive", "web"]) == 64
    assert len(ansible.commands) == 1


def test_an_installed_collection_is_found(ansible: Ansible, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "here" / "ansible_collections" / "market_intel" / "runbooks" / "run.py"
    monkeypatch.setattr(run, "__file__", str(place))
    monkeypatch.delenv("ANSIBLE_COLLECTIONS_PATH", raising=False)
    main(["redis", "list"])
    assert ansible.environment["ANSIBLE_COLLECTIONS_PATH"].split(":")[0] == str(tmp_path / "here")
