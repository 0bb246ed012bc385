# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What prepare_cluster makes of the files of rights, and of a choice of runbooks."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.market_intel.runbooks.plugins.plugin_utils._prepare import (
    FILES,
    OWNER,
    RUNBOOKS,
    Step,
    documents,
    in_vault,
    key,
    kubeconfigs,
    name_of,
    plan,
    report,
    unwanted_objects,
    wanted_objects,
)

CATALOGUE = [
    {"name": "web", "secret_name": "web-cert", "cert_manager": True},
    {"name": "core", "secret_name": "core-cert", "vault": True},
]


def options(**more: Any) -> dict[str, Any]:
    return {
        "state": "present",
        "namespace": "shop",
        "node_namespace": "nodes",
        "runbooks": list(RUNBOOKS),
        "debug_modes": ["ephemeral"],
        "check_everywhere": False,
        "certificates": CATALOGUE,
        "redis_service": "cache",
        "redis_secret": "",
        "logins": True,
        "cron_image": None,
        "cron_check_certs": "0 6 * * *",
        "cron_cleanup_debug_pods": "*/15 * * * *",
        "kubeconfig": None,
        "context": "eu",
        "api_host": None,
        "vault_role": "runbooks",
        "vault_approle_mount": "approle",
        "vault_pki_mount": "pki",
        "vault_pki_role": "servers",
        "vault_kv_mount": "secret",
        "vault_kv_prefix": "tls",
        **more,
    }


def names(objects: list[dict[str, Any]], kind: str) -> set[str]:
    return {name_of(each).partition(" ")[2] for each in objects if each["kind"] == kind}


def rules(objects: list[dict[str, Any]], name: str) -> dict[tuple[str, ...], list[str]]:
    """Return the names that the rules of a Role are about, by their resources and verbs."""
    (found,) = (each for each in objects if each["kind"] == "Role" and each["metadata"]["name"] == name)
    return {(*rule["resources"], *rule["verbs"]): rule.get("resourceNames", []) for rule in found["rules"]}


def test_each_runbook_has_an_account_with_its_rights_and_no_other() -> None:
    found = wanted_objects(options(runbooks=["flush_redis", "debug_pod"]))
    assert (
        names(found, "ServiceAccount")
        == names(found, "Secret")
        == {"shop/runbooks-flush-redis", "shop/runbooks-debug-pod"}
    )
    assert names(found, "Role") == {"shop/runbooks-redis", "shop/debug-report", "shop/debug-ephemeral"}
    assert names(found, "ClusterRole") == {"debug-report-shop"}
    bound = {
        (each["roleRef"]["kind"], each["roleRef"]["name"], subject["name"])
        for each in found
        if each["kind"].endswith("Binding")
        for subject in each["subjects"]
    }
    assert bound == {
        ("Role", "runbooks-redis", "runbooks-flush-redis"),
        ("Role", "debug-report", "runbooks-debug-pod"),
        ("Role", "debug-ephemeral", "runbooks-debug-pod"),
        ("ClusterRole", "debug-report-shop", "runbooks-debug-pod"),
    }
    assert {each["metadata"]["labels"][OWNER] for each in found} == {"shop"}


def test_rules_are_about_the_names_of_this_cluster() -> None:
    found = rules(wanted_objects(options()), "runbooks-certificates")
    assert found["secrets", "get", "update"] == ["web-cert", "core-cert"]
    assert found["secrets", "patch"] == ["core-cert"]
    assert found["certificates", "get"] == ["web"]
    assert found["certificates/status", "update"] == ["web"]


def test_a_rule_without_a_name_is_left_out_and_not_about_all() -> None:
    without_vault = rules(wanted_objects(options(certificates=CATALOGUE[:1])), "runbooks-certificates")
    assert without_vault["secrets", "get", "update"] == ["web-cert"]
    assert ("secrets", "patch") not in without_vault
    redis = rules(wanted_objects(options()), "runbooks-redis")
    assert redis["services", "get"] == ["cache"]
    assert ("secrets", "get") not in redis


def test_the_defaults_give_the_files_as_they_are() -> None:
    usual = options(namespace="market-intel-brain", certificates=[], redis_service="redis", redis_secret="redis")
    found = {key(each): each for each in wanted_objects(usual)}
    for file in ("certificates", "redis", "certificate-check", "debug-report"):
        for document in documents(file):
            if document["kind"] == "Role":
                assert found[key(document)]["rules"] == document["rules"]


def test_every_file_is_one_that_the_role_applies_or_the_lesser_check() -> None:
    applied = {
        key(each)[2].removesuffix("-shop") for each in wanted_objects(everything()) if each["kind"].endswith("Role")
    }
    for path in FILES.glob("*.yml"):
        for document in documents(path.stem):
            if document["kind"] != "Namespace" and path.stem != "certificate-check-without-secrets":
                assert document["metadata"]["name"] in applied, path.name


def everything() -> dict[str, Any]:
    return options(
        debug_modes=["ephemeral", "shell", "copy", "node"],
        check_everywhere=True,
        cron_image="registry.example.com/runbooks:1",
    )


def test_a_check_of_the_whole_cluster_takes_the_same_rights_everywhere() -> None:
    found = wanted_objects(options(runbooks=["check_certs"], check_everywhere=True))
    assert names(found, "Role") == set()
    assert names(found, "ClusterRole") == {"certificate-check-shop", "certificate-check-cluster-shop"}


def test_what_an_earlier_choice_has_made_is_removed_and_nothing_else() -> None:
    everywhere = {key(each) for each in wanted_objects(everything())}
    less = options(runbooks=["flush_redis"], logins=False)
    removed = {key(each) for each in unwanted_objects(less)}
    kept = {key(each) for each in wanted_objects(less)}
    assert removed.isdisjoint(kept)
    assert everywhere - kept - removed == {("Namespace", "", "nodes")}
    assert {key(each) for each in unwanted_objects(options(state="absent"))} >= everywhere


@pytest.mark.parametrize(
    ("labels", "made", "removed"), [(None, True, True), ({OWNER: "shop"}, True, True), ({}, False, False)]
)
def test_a_namespace_of_somebody_else_is_left_alone(labels: dict[str, str] | None, made: bool, removed: bool) -> None:
    there = [] if labels is None else [{"metadata": {"name": "nodes", "labels": labels}}]
    given = options(debug_modes=["node"])
    assert ("nodes" in names(plan(given, there, check_mode=False)["make"], "Namespace")) is made
    absent = plan({**given, "state": "absent"}, there, check_mode=False)
    assert ("nodes" in names(absent["remove"], "Namespace")) is removed


def test_a_dry_run_leaves_out_what_is_in_a_namespace_that_it_does_not_make() -> None:
    given = options(debug_modes=["node"])
    later = plan(given, [], check_mode=True)["later"]
    assert {name_of(each) for each in later} == {"Role nodes/debug-node-shop", "RoleBinding nodes/debug-node-shop"}
    assert plan(given, [], check_mode=False)["later"] == []
    assert plan(given, [{"metadata": {"name": "nodes"}}], check_mode=True)["later"] == []


def test_cron_jobs_run_as_the_account_of_their_runbook() -> None:
    found = {
        each["metadata"]["name"]: each["spec"] for each in wanted_objects(everything()) if each["kind"] == "CronJob"
    }
    assert {name: spec["schedule"] for name, spec in found.items()} == {
        "runbooks-check-certs": "0 6 * * *",
        "runbooks-cleanup-debug-pods": "*/15 * * * *",
    }
    for name, spec in found.items():
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["serviceAccountName"] == name
        assert pod["containers"][0]["image"] == "registry.example.com/runbooks:1"


def test_a_kubeconfig_holds_one_login() -> None:
    about = {"name": "runbooks-debug-pod", "namespace": "shop"}
    secret = {"metadata": about, "data": {"token": "dG9rZW4=", "ca.crt": "Y2E="}}
    (made,) = kubeconfigs([secret], "https://api:6443", validate_certs=True)
    content = yaml.safe_load(made["content"])
    assert content["users"] == [{"name": "runbooks-debug-pod", "user": {"token": "token"}}]
    assert content["clusters"][0]["cluster"] == {"server": "https://api:6443", "certificate-authority-data": "Y2E="}
    assert content["contexts"][0]["context"]["namespace"] == "shop"


def test_vault_gets_a_policy_for_its_own_places() -> None:
    policy, role = in_vault(options())
    assert policy["path"] == "sys/policies/acl/runbooks"
    for path in ("pki/sign/servers", "pki/roles/servers", "secret/data/tls/*"):
        assert f'path "{path}"' in policy["data"]["policy"]
    assert "market-intel" not in policy["data"]["policy"]
    assert (role["path"], role["data"]["token_policies"]) == ("auth/approle/role/runbooks", ["runbooks"])


SEVERAL = {"result": {"results": [{"changed": True}, {"changed": False}]}}


@pytest.mark.parametrize(
    ("steps", "check_mode", "state", "done"),
    [
        ([Step("make", ["a", "b"], SEVERAL)], False, "done", ["make a"]),
        ([Step("make", ["a", "b"], SEVERAL)], True, "planned", ["make a"]),
        (
            [Step("remove", ["a", "b"], {"results": [{"changed": False}, {"changed": True}]})],
            False,
            "done",
            ["remove b"],
        ),
        ([Step("make", ["a"], {"changed": False, "result": {"kind": "Role"}})], False, "unchanged", []),
        ([Step("make", ["a"], {"skipped": True}), Step("make", [], {})], False, "unchanged", []),
        ([Step("make", ["a", "b"], {"changed": True})], True, "planned", ["make a", "make b"]),
    ],
)
def test_the_report_says_what_was_changed(steps: list[Step], check_mode: bool, state: str, done: list[str]) -> None:
    found = report(options(), steps, None, check_mode=check_mode)
    assert (found.state, [action.what for action in found.actions]) == (state, done)
    assert found.undo and "prepare_cluster_state=absent" in found.undo.command
