# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable of every role in every spelling in which command lines, files and AWX give it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput, Refused
from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.connection import USUAL_URL
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._inputs import SEPARATORS, Reader
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._roles import (
    FORMER,
    ROLES,
    Variables,
    load_role,
    refuse_unnamed_redis,
)
from support.templates import evaluated

HERE = "/home/ops"
NAMES = sorted(path.name for path in ROLES.iterdir() if (path / "meta" / "argument_specs.yml").exists())


def options() -> Iterator[tuple[str, str, str]]:
    for role in NAMES:
        content = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        for entry_point, spec in content["argument_specs"].items():
            for name in spec["options"]:
                yield role, entry_point, name


NOT_GIVEN = object()
OPTIONS = sorted({name: (role, entry_point, name) for role, entry_point, name in options()}.values())
EACH = pytest.mark.parametrize(("role", "entry_point", "name"), OPTIONS, ids=[each[2] for each in OPTIONS])


def read(role: str, entry_point: str, name: str, value: Any = NOT_GIVEN, *, folder: str = HERE, **more: Any) -> Any:
    """Return what a variable of a role means when it has a value, or none, as the action plugin reads it."""
    found = load_role(role, entry_point)
    raw = more if value is NOT_GIVEN else {**more, name: value}
    templar = Templar(loader=DataLoader(), variables=raw)
    return Variables(found, raw, templar, Reader(folder)).read(name)


def option_of(role: str, entry_point: str, name: str) -> Mapping[str, Any]:
    return load_role(role, entry_point).options[name]


def default_of(role: str, entry_point: str, name: str) -> Any:
    return read(role, entry_point, name)


@EACH
@pytest.mark.parametrize("nothing", [None, "", "  ", "\n"], ids=repr)
def test_null_and_blank_text_are_the_default(role: str, entry_point: str, name: str, nothing: Any) -> None:
    assert read(role, entry_point, name, nothing) == default_of(role, entry_point, name)


# type: (spelling, what it means)
SCALARS: dict[str, list[tuple[Any, Any]]] = {
    "int": [("12", 12), (" 12\n", 12), (12, 12), (12.0, 12), ("12.0", 12), ("-1", -1), ("007", 7)],
    "float": [("2.5", 2.5), (" 2.5\n", 2.5), (2, 2.0), ("1e3", 1000.0), (2.5, 2.5)],
    "bool": [
        *((text, True) for text in ("yes", "on", "true", "True", "1", " yes\n", "y", "t")),
        *((text, False) for text in ("no", "off", "false", "False", "0", "n", "f")),
        *[(True, True), (False, False), (1, True), (0, False)],
    ],
    "str": [("abc", "abc"), (" abc\n", "abc"), ("2026:10", "2026:10"), ("0644", "0644"), ("yes", "yes")],
    "path": [("/a/b", "/a/b"), ("~/b", "~/b"), ("b", f"{HERE}/b"), ("./b", f"{HERE}/./b"), (" b\n", f"{HERE}/b")],
}
# type: what is refused, with a part of the sentence
WRONG: dict[str, list[tuple[Any, str]]] = {
    "int": [("few", "allowed is a whole number"), ("2.5", "whole"), (True, "whole"), ([1], "whole"), ("nan", "whole")],
    "float": [("soon", "allowed is a number"), ("inf", "number"), (False, "number"), ({}, "number")],
    "bool": [("maybe", "allowed are true and false"), ("2", "true and false"), ([], "true and false")],
    "str": [
        (121570, "allowed is text"),
        (420, "put what was meant in quotes"),
        (True, "a truth value"),
        (1.5, "a number"),
        (datetime.date(2026, 1, 1), "a date"),
        (["a"], "a list"),
        ({"a": 1}, "a mapping"),
    ],
}
WRONG["path"] = WRONG["str"]


@EACH
def test_a_scalar_in_every_spelling(role: str, entry_point: str, name: str) -> None:
    option = option_of(role, entry_point, name)
    choices = option.get("choices")
    if option["type"] not in SCALARS:
        return
    spellings = [(choice, choice) for choice in choices] if choices else SCALARS[option["type"]]
    for spelling, meaning in spellings:
        found = read(role, entry_point, name, spelling)
        if option.get("no_log") and isinstance(spelling, str):
            # A password may begin or end with a blank.
            meaning = spelling
        assert (found, type(found)) == (meaning, type(meaning)), spelling


@EACH
def test_a_wrong_scalar_gets_one_sentence_with_the_variable(role: str, entry_point: str, name: str) -> None:
    option = option_of(role, entry_point, name)
    for value, words in WRONG.get(option["type"], []):
        with pytest.raises(InvalidInput) as caught:
            read(role, entry_point, name, value)
        sentence = str(caught.value)
        assert sentence.startswith(f"{name} is ") and sentence.endswith(".") and "\n" not in sentence
        assert words in sentence
        assert not option.get("no_log") or f"is {value}" not in sentence
    if option.get("choices"):
        with pytest.raises(InvalidInput, match="allowed are ") as caught:
            read(role, entry_point, name, ["everything"] if option["type"] == "list" else "everything")
        assert str(caught.value).startswith(name)


def spellings_of(items: list[str], separator: str) -> list[Any]:
    """Return the ways to write a list, all of which mean the same."""
    return [
        items,
        json.dumps(items),
        f" {json.dumps(items)}\n",
        separator.join(items),
        f" {separator.join(f' {item} ' for item in items)} ",
        "\n".join(items) + "\n",
        "\r\n".join(f"\u00a0{item}\t" for item in items) + "\r\n",
        f"{separator.join(items)}{separator}",
        [*items, None, ""],
    ]


@EACH
def test_a_list_in_every_spelling(role: str, entry_point: str, name: str) -> None:
    option = option_of(role, entry_point, name)
    if option["type"] != "list" or option["elements"] not in ("str", "raw"):
        return
    items = list(option.get("choices", ["rest:1*", "rest:2*"]))[:2]
    separator = {None: ",", r"[;\n]": ";", r"\s": " "}[SEPARATORS.get(name)]
    for spelling in spellings_of(items, separator):
        assert read(role, entry_point, name, spelling) == items, spelling
    for value in (5, True, {"a": 1}):
        with pytest.raises(InvalidInput, match=f"{name} is not a list"):
            read(role, entry_point, name, value)
    if option["elements"] == "str":
        for item in (121570, True, 1.5, datetime.date(2026, 1, 1)):
            with pytest.raises(InvalidInput, match=rf"{name}\[1\] is .*; allowed is text"):
                read(role, entry_point, name, [items[0], item])


# variable: an entry that is right, and the part of it that is not, with its sentence
ENTRIES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "flush_redis_caches": (
        {"name": "quotes", "pattern": "quotes:*", "backup": "no", "environments": "staging, test"},
        {"pattern": 121570},
        "flush_redis_caches[1].pattern is 121570, a number",
    ),
    "rotate_certs_certificates": (
        {"name": "web", "secret_name": "web-tls", "vault": "yes", "ports": "443,8443"},
        {"ports": "https"},
        "rotate_certs_certificates[1].ports[0] is 'https'; allowed is a whole number",
    ),
    "prepare_cluster_certificates": (
        {"name": "web", "secret_name": "web-tls", "vault": "yes"},
        {"secret_name": 5},
        "prepare_cluster_certificates[1].secret_name is 5, a number",
    ),
    "rotate_certs_check_overrides": (
        {"match": "a/*", "warning": "1d"},
        {"match": True},
        "rotate_certs_check_overrides[1].match is True, a truth value",
    ),
    "rotate_certs_check_mutes": (
        {"match": "b/*", "until": "2999-12-31", "reason": "OPS-1"},
        {"until": datetime.date(2999, 12, 31)},
        "rotate_certs_check_mutes[1].until is 2999-12-31, a date",
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_list_of_mappings_in_every_spelling(name: str) -> None:
    role, entry_point, _name = next(each for each in OPTIONS if each[2] == name)
    right, wrong, sentence = ENTRIES[name]
    for spelling in ([right], json.dumps([right]), f"\n{json.dumps([right])} "):
        (found,) = read(role, entry_point, name, spelling)
        assert set(found) == set(right)
    for spelling in ([right, {**right, **wrong}],):
        with pytest.raises(InvalidInput) as caught:
            read(role, entry_point, name, spelling)
        assert str(caught.value).startswith(sentence)
    for value, words in (
        ("api-gateway", "is not a list ('api-gateway')"),
        ('[{"name": ', "is not a list"),
        ("[" * 100_000, "is not a list"),
        ("{}", "is not a list; give a list of mappings"),
        (["web"], "[0] is not a mapping"),
        ([{**right, "surprise": 1}], "[0] has the unknown key 'surprise'; allowed are"),
        ([{}], f"[0].{next(iter(right))} is missing"),
    ):
        with pytest.raises(InvalidInput) as caught:
            read(role, entry_point, name, value)
        assert str(caught.value).startswith(name + ("" if words[0] == "[" else " ") + words), str(caught.value)


def test_every_list_of_mappings_is_in_the_table() -> None:
    found = {each[2] for each in OPTIONS if option_of(*each).get("elements") == "dict"}
    assert found == set(ENTRIES)


MAPPINGS: dict[str, dict[str, Any]] = {
    "flush_redis_address_map": {"10.0.0.1:6379": "127.0.0.1:6379"},
    "flush_redis_kubernetes": {"namespace": "shop", "service": "cache"},
    "rotate_certs_overrides": {"deployment/web": "hot"},
    "rotate_certs_vault_login": {"auth_method": "approle", "secret_id": "open-sesame"},
    "debug_pod_capture": {"seconds": 3, "filter": "tcp"},
    "alert_response_prometheus": {"url": "https://prometheus", "token": "open-sesame"},
    "alert_response_alertmanager": {"url": "https://alertmanager", "password": "open-sesame"},
    "alert_response_redis": {"url": "redis://cache", "password": "open-sesame"},
    "alert_response_map": {"Slow": {"runbook": "debug_pod"}},
    "alert_response_labels": {"namespace": "shop"},
    "alert_response_notify": {"url": "https://hooks/open-sesame", "format": "slack"},
    "prepare_cluster_vault_login": {"auth_method": "approle", "secret_id": "open-sesame"},
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_in_every_spelling(name: str) -> None:
    role, entry_point, _name = next(each for each in OPTIONS if each[2] == name)
    meant = MAPPINGS[name]
    for spelling in (meant, json.dumps(meant), f" {json.dumps(meant)}\n"):
        assert read(role, entry_point, name, spelling) == meant
    for value in ("approle", '{"secret_id": "open-sesame"', '{"a":' * 100_000, ["a"], 5):
        with pytest.raises(InvalidInput, match=f"{name} is not a mapping") as caught:
            read(role, entry_point, name, value)
        assert "open-sesame" not in str(caught.value)


def test_every_mapping_is_in_the_table() -> None:
    assert {each[2] for each in OPTIONS if option_of(*each)["type"] == "dict"} == set(MAPPINGS)


def test_label_selectors_keep_their_commas() -> None:
    given = "app in (a, b); deployment/web\nx,y=z"
    assert read("debug_pod", "main", "debug_pod_targets", given) == ["app in (a, b)", "deployment/web", "x,y=z"]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[ab]:*,c:*", ["[ab]:*", "c:*"]),
        ("[ab]:*,c:[de]", ["[ab]:*", "c:[de]"]),
        ("[ab]", ["[ab]"]),
        ("a's,-b,- ", ["a's", "-b", "-"]),
        (" ,\n", []),
        ("a\tb\u2028c\x85d", ["a", "b", "c", "d"]),
        ('["a;b*"]', ["a;b*"]),
        ("x" * 100_000, ["x" * 100_000]),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_a_pattern_may_hold(text: str, items: list[str]) -> None:
    assert read("flush_redis", "main", "flush_redis_patterns", text) == items


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *[(text, "in quotes, in brackets or behind dashes") for text in ("['a', 'b']", "['a']", "[a, b]", "[ a,b ]")],
        *[(text, "in quotes, in brackets or behind dashes") for text in ("'a','b'", '"a",\n"b"', "- a\n- b\n", "- a")],
        *[(text, "sets no items apart") for text in ("a;b", "a; b", "a\uff0cb", "a\u3001b")],
    ],
)
def test_a_notation_whose_marks_would_be_a_part_of_the_items_is_refused(text: str, words: str) -> None:
    for name in ("flush_redis_patterns", "flush_redis_names"):
        with pytest.raises(InvalidInput, match=rf"{name} .*{words}; write the items alone, .* JSON text such as"):
            read("flush_redis", "main", name, text)


@pytest.mark.parametrize("hidden", ["\u200b", "\ufeff", "\u00ad", "\u2060", "\u202e"], ids=ascii)
def test_a_character_that_cannot_be_seen_is_named(hidden: str) -> None:
    for given in (f"api{hidden}", [f"{hidden}api"]):
        with pytest.raises(InvalidInput, match=rf"holds the character U\+{ord(hidden):04X}, which cannot be seen"):
            read("rotate_certs", "main", "rotate_certs_names", given)
    # A password may hold anything.
    assert read("flush_redis", "main", "flush_redis_password", f"a{hidden}") == f"a{hidden}"


def test_a_command_is_split_as_a_shell_does() -> None:
    name = "debug_pod_copy_command"
    assert read("debug_pod", "main", name, "sh -c 'sleep 60'") == ["sh", "-c", "sleep 60"]
    with pytest.raises(InvalidInput, match="debug_pod_copy_command has a quote without its end"):
        read("debug_pod", "main", name, "sh -c 'sleep 60")


@pytest.mark.parametrize("path", ["$NOT_SET/reports", "${NOT_SET}", "~nobody-here/reports", "$RELATIVE/reports"])
def test_a_path_that_leads_nowhere_is_refused_at_the_start(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("RELATIVE", "a")
    with pytest.raises(InvalidInput, match=r"debug_pod_reports_dir is .*, which names a variable that is not set or a"):
        read("debug_pod", "main", "debug_pod_reports_dir", path)
    monkeypatch.setenv("NOT_SET", "/a")
    assert read("debug_pod", "main", "debug_pod_reports_dir", "$NOT_SET/b") == "$NOT_SET/b"


def test_where_the_callers_folder_is_gone_only_absolute_paths_are_taken() -> None:
    name = "rotate_certs_backup_dir"
    assert read("rotate_certs", "main", name, "/a", folder="") == "/a"
    assert read("rotate_certs", "main", name, "~/a", folder="") == "~/a"
    with pytest.raises(InvalidInput, match="rotate_certs_backup_dir is the relative path 'a', and the folder"):
        read("rotate_certs", "main", name, "a", folder="")


@pytest.mark.parametrize("name", FORMER)
def test_a_former_name_counts_where_the_present_one_is_not_given(name: str) -> None:
    role = next(each for each in NAMES if name.startswith(each))
    old, new = ("yes", "no") if load_role(role, "main").options[name]["type"] == "bool" else ("https://a", "https://b")
    given = {FORMER[name]: old}
    assert read(role, "main", name, **given) in (True, old)
    assert read(role, "main", name, new, **given) in (False, new)


@pytest.mark.parametrize("timeout", ["0", "-5"])
def test_a_timeout_of_a_later_step_is_refused_before_the_first(timeout: str) -> None:
    raw = {"rotate_certs_rollout_timeout": timeout}
    found = Variables(load_role("rotate_certs", "main"), raw, Templar(loader=DataLoader(), variables=raw), Reader(HERE))
    with pytest.raises(InvalidInput, match="rotate_certs_rollout_timeout is not above 0"):
        found.read_all()


COMMON = {"runbooks_kubeconfig": "common", "runbooks_context": "eu", "runbooks_api_key": "secret"}


def test_the_common_login_is_the_default_of_every_role() -> None:
    for role in ("rotate_certs", "debug_pod"):
        names = ("kubeconfig", "context", "api_key", "api_host")
        given = {name: read(role, "main", f"{role}_{name}", **COMMON) for name in names}
        assert given == {"kubeconfig": f"{HERE}/common", "context": "eu", "api_key": "secret", "api_host": None}
    read_pods = {"namespace": "shop", "service": "cache"}
    assert read("flush_redis", "main", "flush_redis_kubernetes", read_pods, **COMMON) == {
        **read_pods,
        "kubeconfig": f"{HERE}/common",
        "context": "eu",
        "api_key": "secret",
    }


def test_a_login_of_ones_own_gets_nothing_of_the_common_one() -> None:
    own = {"namespace": "shop", "service": "cache", "kubeconfig": "/own"}
    assert read("flush_redis", "main", "flush_redis_kubernetes", own, **COMMON) == own


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, False),
        ({"flush_redis_url": ""}, False),
        ({"flush_redis_url": None, "flush_redis_kubernetes": " "}, False),
        ({"flush_redis_url": "redis://localhost:6379/0"}, True),
        ({"flush_redis_kubernetes": {"service": "cache", "namespace": "shop"}}, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("entry_point", ["main", "stats", "restore"])
def test_only_localhost_stands_for_the_redis_of_this_machine(
    entry_point: str, given: dict[str, Any], named: bool
) -> None:
    role = load_role("flush_redis", entry_point)
    variables = Variables(role, given, Templar(loader=DataLoader(), variables=given), Reader(HERE))
    refuse_unnamed_redis("localhost", variables)
    if named:
        refuse_unnamed_redis("cache-eu-1", variables)
        return
    with pytest.raises(Refused, match=f"The host cache-eu-1 names no Redis, and {USUAL_URL} is on this machine; set"):
        refuse_unnamed_redis("cache-eu-1", variables)


def test_the_engine_knows_the_usual_address_of_the_role() -> None:
    assert default_of("flush_redis", "main", "flush_redis_url") == USUAL_URL


def test_what_cannot_be_evaluated_names_the_variable() -> None:
    with pytest.raises(InvalidInput, match="rotate_certs_context cannot be evaluated"):
        read("rotate_certs", "main", "rotate_certs_context", evaluated("{{ nobody_has_set_this }}"))
