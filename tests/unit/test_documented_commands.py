# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each command of the pages is one that its program takes, and each has a test that runs it for real."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.cli.doc import DocCLI
from ansible.cli.galaxy import GalaxyCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.cli.vault import VaultCLI

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._inputs import Reader
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.command_line import read
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.config import read_config
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._ops.verbs import VERBS
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._roles import COMMON_LOGIN
from support.documented import (
    PAGES,
    Command,
    blocks,
    commands,
    inline_commands,
    playbook,
    shape,
    variables,
)
from support.proofs import HERE, PROOFS
from support.roles import DOCUMENTED, common_variables, entry_points
from tools.tree import ROOT

pytestmark = pytest.mark.one_core

READER = Reader("/home/ops")
COMMON = common_variables()
ANSIBLE: dict[str, Any] = {"ansible-doc": DocCLI, "ansible-galaxy": GalaxyCLI, "ansible-vault": VaultCLI}
DATA = ("acl", "console", "cron", "ini", "json", "rights", "sh", "text", "yaml", "")
"""The languages of blocks. Another one may hold commands that nobody looks at."""


def options_of(name: str) -> Mapping[str, Any]:
    """Return the documented variables of a playbook."""
    (play,) = yaml.safe_load((ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8"))
    if name == "configure_awx":
        text = (ROOT / "playbooks" / "vars" / "configure_awx.yml").read_text(encoding="utf-8")
        found: Mapping[str, Any] = yaml.safe_load(text.replace("!unsafe ", ""))["__awx_options"]
        return found
    included = play["tasks"][0]["ansible.builtin.include_role"]
    role: Mapping[str, Any] = entry_points(included["name"].rpartition(".")[2])[included["tasks_from"]]["options"]
    return role


def common_option(name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a variable that all runbooks have in common may be: the same as that of a role."""
    assert name in COMMON, f"there is no variable {name}"
    end = name.removeprefix("runbooks_")
    same = [option for each, option in options.items() if each.endswith(f"_{end}")]
    return same[0] if same else COMMON_LOGIN.get(end, {"type": "raw"})


def check_value(name: str, value: Any, options: Mapping[str, Any]) -> None:
    """Read a value as the runbooks do, which refuse what is not of the documented type."""
    option = options[name] if name in options else common_option(name, options)
    READER.read(value, option, name)


def check_playbook(command: Command) -> None:
    parse(PlaybookCLI, command)
    options = options_of(playbook(command.words))
    for name, value in variables(command.words):
        check_value(name, value, options)


def parse(program: Any, command: Command) -> None:
    cli = program(list(command.words))
    cli.init_parser()
    cli.parser.parse_args(list(command.words[1:]))


def check_ops(command: Command) -> None:
    words = [word.strip("[]") for word in command.words[1:] if word not in ("--help", "--version")]
    if words and words != ["VERB"]:
        read(words)


def check_make(command: Command) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in command.words[1:]:
        name, given, _value = word.partition("=")
        if given:
            assert re.search(rf"\$[({{]+(?:[a-z]+ )*{name}\b|^{name}\b *\?=", text, re.MULTILINE), name
        else:
            assert f"\n{word}:" in text, word


def check_builder(command: Command) -> None:
    # Environments with another ansible-core do not have it.
    from ansible_builder.cli import parse_args

    given = parse_args(list(command.words[1:]))
    assert (ROOT / given.filename).is_file()


def check_rulebook(command: Command) -> None:
    (rulebook,) = [word for word in command.words if word.startswith("market_intel.runbooks.")]
    assert (ROOT / "extensions" / "eda" / "rulebooks" / f"{rulebook.rpartition('.')[2]}.yml").is_file()


def check_pip(command: Command) -> None:
    """What is installed by hand is what the collection asks for."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [*command.words[4:]] == [line for line in lines if line and line[0] != "#"]


CHECKS: dict[str, Callable[[Command], None]] = {
    "ansible-playbook": check_playbook,
    "ops": check_ops,
    "ops-cli": check_ops,
    "make": check_make,
    "ansible-builder": check_builder,
    "ansible-rulebook": check_rulebook,
    "python3": check_pip,
    **{name: lambda command: parse(ANSIBLE[command.program], command) for name in ANSIBLE},
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_one_that_its_program_takes(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for command in (each for each in (*commands(), *inline_commands()) if each.page == page):
        try:
            CHECKS.get(command.program, lambda _command: None)(command)
        # A parser of Ansible ends the process.
        except (Exception, SystemExit) as exc:
            wrong.append(f"{command.place}: {exc} {capsys.readouterr().err[-200:]}")
    assert wrong == []


def test_every_command_is_run_by_a_test() -> None:
    # What is in the running text has been run with its like, but for ops, whose pages have nothing else.
    shown = [*commands(), *(each for each in inline_commands() if each.program == "ops")]
    shapes = {shape(command): command.place for command in shown}
    assert {each: place for each, place in shapes.items() if each not in PROOFS} == {}
    assert set(PROOFS) - set(shapes) == set()


def test_the_tests_that_run_commands_are_there() -> None:
    for each, proof in PROOFS.items():
        file, _colons, name = proof.partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert not name or f"\ndef {name}(" in text, proof
        # What a command gives is given there, too, by its name with or without the role; ours take it from the page.
        for variable in each.split()[1:] if file != HERE else ():
            role = next((role for role in (*DOCUMENTED, "runbooks") if variable.startswith(role)), "")
            if not role:
                continue
            assert variable.removeprefix(f"{role}_") in text, (each, variable, proof)


def test_every_block_says_what_it_holds() -> None:
    unknown = [(block.page.name, block.line, block.language) for page in PAGES for block in blocks(page)]
    assert [each for each in unknown if each[2] not in DATA] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_in_files_have_their_documented_types(page: Path) -> None:
    for block in blocks(page):
        given = yaml.safe_load(block.text) if block.language == "yaml" else None
        for name, value in given.items() if isinstance(given, dict) else ():
            role = next(
                (role for role in (*DOCUMENTED, "configure_awx", "runbooks") if name.startswith(f"{role}_")), ""
            )
            if role == "configure_awx":
                check_value(name, value, options_of(role))
            elif role:
                known = {
                    key: option
                    for each in DOCUMENTED
                    for entry in entry_points(each).values()
                    for key, option in entry["options"].items()
                    if each == role or role == "runbooks"
                }
                check_value(name, value, known)


def test_surveys_ask_for_variables_that_there_are() -> None:
    known = {
        name: option
        for role in DOCUMENTED
        for spec in entry_points(role).values()
        for name, option in spec["options"].items()
    }
    surveys = [json.loads(block.text) for page in PAGES for block in blocks(page) if block.language == "json"]
    asked = [question for survey in surveys for question in survey["spec"]]
    assert asked
    for question in asked:
        option = known.get(question["variable"]) or common_option(question["variable"], {})
        assert question.get("choices", option.get("choices")) == option.get("choices"), question["variable"]
        READER.read(question["default"], option, question["variable"])


def test_the_configuration_of_ops_is_one(tmp_path: Path) -> None:
    (text,) = [block.text for block in blocks(ROOT / "docs" / "guide_ops.md") if block.text.startswith("# config.yaml")]
    for name, content in re.findall(r"^# (\w+\.yaml)\n(.*?)(?=^# \w+\.yaml|\Z)", text, re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(content)
    found = read_config(str(tmp_path)).variables
    assert found["runbooks_namespace"] == "market-intel-brain"
    assert [each["name"] for each in found["flush_redis_caches"]] == ["market-data"]


OLD = (
    "ops-cli cert list",
    "ops-cli cert rotate api-gateway --method cert-manager",
    "ops-cli cert validate api-gateway",
    "ops-cli redis list",
    "ops-cli redis flush market-data --force",
    "ops-cli redis stats",
    "ops-cli debug create api-gateway-12345",
    "ops-cli debug interactive api-gateway-12345",
    "ops-cli debug cleanup",
    *(f"rotate-certs.sh {words}" for words in ("list", "rotate NAME", "check")),
    *(f"flush-redis.sh {words}" for words in ("list", "flush NAME", "stats")),
    *(f"debug-pod.sh {words}" for words in ("list", "create POD", "interactive POD", "cleanup")),
)
"""The commands that people had before."""


def test_every_command_that_people_had_has_its_row() -> None:
    text = (ROOT / "docs" / "guide_migration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `ops ([^`]+)` \| `(\w+)` \|$", text, re.MULTILINE)
    assert [old for old, _now, _playbook in rows] == [*OLD]
    for old, now, runs in rows:
        assert read(now.split()).verb.playbook == runs
        # By a link of the old name, what was typed before is typed on.
        assert not old.startswith("ops-cli ") or old == f"ops-cli {now}"


def test_every_verb_of_ops_is_on_its_page() -> None:
    page = ROOT / "docs" / "guide_ops.md"
    shown = {shape(each).removeprefix("ops ") for each in (*commands(), *inline_commands()) if each.page == page}
    assert {verb.name for verb in VERBS} - {"completion"} <= shown
