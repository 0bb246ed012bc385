# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No extra variable of ours is evaluated, however it is given; the canary is a file that a template would make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import Refused
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._extra_vars import (
    refuse_mistyped,
    refuse_templates,
)
from ansible_collections.market_intel.runbooks.plugins.plugin_utils._roles import FORMER
from support.roles import DOCUMENTED, ROLES, common_variables, variables
from support.templates import evaluated

AWX = yaml.load(
    # What AWX evaluates itself is text here.
    (ROLES.parent / "playbooks" / "vars" / "configure_awx.yml").read_text(encoding="utf-8").replace("!unsafe ", ""),
    yaml.SafeLoader,
)
FROM_ALERTS = ("alert_response_fingerprint", "alert_response_labels", "alert_response_name")


def names() -> list[str]:
    found = common_variables() | set(AWX["__awx_options"])
    for role in DOCUMENTED:
        found |= variables(role)
    return sorted(found)


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, Any]:
    """Return the extra variables as ansible-playbook reads one -e."""
    monkeypatch.setattr(load_extra_vars, "extra_vars", None, raising=False)
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(extra_vars=(evaluated(text),)))
    return dict(load_extra_vars(DataLoader()))


@pytest.mark.parametrize("name", names())
def test_a_template_is_refused_in_every_variable_and_spelling(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    template = f'{{{{ lookup("pipe", "touch {canary}") }}}}'
    in_yaml, in_json = tmp_path / "given.yml", tmp_path / "given.json"
    in_yaml.write_text(yaml.safe_dump({name: [{"a": template}]}))
    in_json.write_text(json.dumps({name: {"a": [template]}}))
    spellings = [
        f"{name}='{template}'",
        json.dumps({name: template}),
        json.dumps({name: ["a", template]}),
        json.dumps({name: {"a": {"b": template}}}),
        json.dumps({name: json.dumps([{"a": template}])}),
        json.dumps({name: "#jinja2:variable_start_string:'[[',variable_end_string:']]'\n[[ 7 ]]"}),
        json.dumps({name: "{% if true %}a{% endif %}"}),
        json.dumps({name: "{# a #}b"}),
        f"@{in_yaml}",
        f"@{in_json}",
    ]
    for spelling in spellings:
        with pytest.raises(Refused, match=f"The extra variable {name} holds a template"):
            refuse_templates(given(monkeypatch, spelling))
    assert not canary.exists()


@pytest.mark.parametrize("name", [name for name in names() if name not in FROM_ALERTS])
def test_what_is_never_evaluated_is_allowed(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_yaml = tmp_path / "given.yml"
    in_yaml.write_text(f'{name}: !unsafe "{{{{ 7 }}}}"\n')
    refuse_templates(given(monkeypatch, f"@{in_yaml}"))
    refuse_templates(given(monkeypatch, f"{name}='a, b; {{c}} %'"))


def test_every_variable_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_mistyped(given(monkeypatch, json.dumps(dict.fromkeys([*names(), *FORMER.values()], 1))))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("runbooks_contxt", "runbooks_context"),
        ("runbooks_enviroment", "runbooks_environment"),
        ("rotate_certs_name", "rotate_certs_names"),
        ("flush_redis_pattern", "flush_redis_patterns"),
        ("flush_redis_restor_run", "flush_redis_restore_run"),
        ("debug_pod_target", "debug_pod_targets"),
        ("runbooks_same_clusters", "runbooks_same_cluster"),
        ("runbooks_hots", "runbooks_hosts"),
        ("configure_awx_images", "configure_awx_image"),
    ],
)
def test_a_mistyped_variable_is_refused_as_its_default_would_count(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match=f"There is no variable {name}, but {meant}; correct the extra variable"):
        refuse_mistyped(given(monkeypatch, json.dumps({name: "eu"})))


def test_a_variable_of_ones_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_mistyped(given(monkeypatch, json.dumps({"debug_pod_image_tag": "v1", "others_context": "eu", "hots": "a"})))


def test_what_is_not_ours_is_nobodys_business_here(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_templates(given(monkeypatch, json.dumps({"others": "{{ 7 }}"})))


def test_what_is_internal_cannot_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("__run", "__run_gate", "__flush_redis_plan", "__awx_credentials", "inventory_hostname"):
        with pytest.raises(Refused, match=f"The extra variable {name} is internal"):
            refuse_templates(given(monkeypatch, json.dumps({name: {}})))


@pytest.mark.parametrize(
    "value", ["{{ 7 }}", "$(id)", "a b", "a\nb", "x" * 254, "\u0430pi"], ids=lambda value: ascii(value)[:20]
)
def test_what_an_alert_brings_may_hold_even_less(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_yaml = tmp_path / "given.yml"
    for name in FROM_ALERTS:
        found = f"{name}: !unsafe {json.dumps(value)}\n"
        if name == "alert_response_labels":
            found = f"{name}: {{namespace: !unsafe {json.dumps(value)}}}\n"
        in_yaml.write_text(found)
        with pytest.raises(Refused, match=rf"^{name}[a-z.]* is .*; allowed are letters, digits and"):
            refuse_templates(given(monkeypatch, f"@{in_yaml}"))
    text = json.dumps({"alert_response_labels": json.dumps({"namespace": value})})
    with pytest.raises(Refused):
        refuse_templates(given(monkeypatch, text))


def test_a_harmless_alert_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for labels in ({"namespace": "shop"}, '{"namespace": "shop"}', "{", '{"a":' * 100_000, ""):
        refuse_templates(given(monkeypatch, json.dumps({"alert_response_labels": labels, "alert_response_name": "X"})))
