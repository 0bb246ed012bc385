# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable of the role rotate_certs as text, as command lines and surveys give it, and what wrong text brings."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.ansible import Result, run_playbook
from support.audit import kubernetes_writes
from support.certs import PASSWORD
from support.handshakes import issue, stored_fingerprint
from support.lab import Lab
from support.pods import Namespace
from support.roles import variables

pytestmark = pytest.mark.lab
PREFIX = "rotate_certs_"
SECRET = PASSWORD.replace(" ", "-")
CATALOGUE = [
    {"name": name, "secret_name": f"{name}-tls", "cert_manager": True, "vault": False, "backup": True}
    for name in ("shop", "shipping", "payments")
]
NOBODY = "20261123t101500z-rotate-certs-7f3a"

# variable: (text, module and option, what the module gets); a dot leads into an option that is a mapping.
PLANNED = {
    "context": ("lab", "cert_rotate:context", "lab"),
    "validate_certs": ("yes", "cert_rotate:validate_certs", None),
    "names": ("shop,shipping", "cert_rotate:names", ["shop", "shipping"]),
    "method": ("cert-manager", "cert_rotate:method", "cert-manager"),
    "min_remaining": ("25%", "cert_rotate:min_remaining", "25%"),
    "issued_before": ("2099-01-01T00:00:00Z", "cert_rotate:issued_before", "2099-01-01T00:00:00Z"),
    "force": ("no", "cert_rotate:force", False),
    "backup_encrypt": ("on", "cert_rotate:backup_encrypt", True),
    "accept_ephemeral_storage": ("true", "cert_rotate:accept_ephemeral_storage", True),
    "lease": ("another-lease", "cert_rotate:lease", "another-lease"),
    "guard_namespace": ("guards", "cert_rotate:guard_namespace", "guards"),
    "restart": ("always", "cert_rotate:restart", "always"),
    "overrides": ('{"deployment/web":"hot"}', "cert_rotate:overrides", {"deployment/web": "hot"}),
    "canary": ("none", "cert_rotate:canary", "none"),
    "allow_downtime": ("yes", "cert_rotate:allow_downtime", True),
    "serial": ("3", "cert_rotate:serial", 3),
    "issue_timeout": ("44", "cert_rotate:timeout", 44.0),
    "allow_names_removed": ("DNS:a,DNS:b", "cert_rotate:allow_names_removed", ["DNS:a", "DNS:b"]),
    "allow_extensions_removed": ("TLSFeature", "cert_rotate:allow_extensions_removed", ["TLSFeature"]),
    "allow_issuer_change": ("on", "cert_rotate:allow_issuer_change", True),
    "max_lifetime_loss": ("0.5", "cert_rotate:max_lifetime_loss", 0.5),
}
DONE = {
    "rollout_timeout": ("33.5", "rollout_restart:timeout", 33.5),
    "probe_timeout": ("7.5", "cert_probe:timeout", 7.5),
    "backup_keep": ("1", "cert_backup:keep", 1),
}
UNDONE = {
    "api_host": ("https://127.0.0.1:1", "cert_restore:host", "https://127.0.0.1:1"),
    "vault_url": ("https://vault.example.com", "cert_restore:vault.url", "https://vault.example.com"),
    "vault_namespace": ("team-a", "cert_restore:vault.namespace", "team-a"),
    "vault_ca_cert": ("/etc/vault.pem", "cert_restore:vault.ca_cert", "/etc/vault.pem"),
    "vault_validate_certs": ("no", "cert_restore:vault.validate_certs", False),
    "vault_pki_mount": ("pki_two", "cert_restore:vault.pki_mount", "pki_two"),
    "vault_pki_role": ("web", "cert_restore:vault.pki_role", "web"),
    "vault_kv_mount": ("secret", "cert_restore:vault.kv_mount", "secret"),
    "vault_kv_prefix": ("tls/web", "cert_restore:vault.kv_prefix", "tls/web"),
    "vault_ttl": ("720h", "cert_restore:vault.ttl", "720h"),
    "rollback_run": (NOBODY, "cert_restore:run_id", NOBODY),
}
CHECKED = {
    "check_secrets": ("yes", "cert_info:secrets", True),
    "check_other_secrets": ("no", "cert_info:other_secrets", False),
    "check_keystores": ("yes", "cert_info:keystores", True),
    "check_certificates": ("no", "cert_info:certificates", False),
    "check_configmaps": ("on", "cert_info:configmaps", True),
    "check_consumers": ("off", "cert_info:consumers", False),
    "check_unused": ("True", "cert_info:unused", True),
    "check_endpoints": ("127.0.0.1:1,127.0.0.1:2", "cert_info:endpoints", ["127.0.0.1:1", "127.0.0.1:2"]),
    "check_endpoint_timeout": ("1.5", "cert_info:endpoint_timeout", 1.5),
    "check_warning": ("40d", "cert_info:warning", "40d"),
    "check_critical": ("20%", "cert_info:critical", "20%"),
    "check_renewal_grace": ("2h", "cert_info:renewal_grace", "2h"),
    "check_authority_warning": ("90d", "cert_info:authority_warning", "90d"),
    "check_overrides": (
        '[{"match":"a/*","warning":"1d"}]',
        "cert_info:overrides",
        [{"match": "a/*", "warning": "1d", "critical": None}],
    ),
    "check_mutes": (
        '[{"match":"b/*","until":"2999-12-31","reason":"OPS-1"}]',
        "cert_info:mutes",
        [{"match": "b/*", "until": "2999-12-31", "reason": "OPS-1"}],
    ),
    "check_outputs": ("csv,nagios", "cert_info:outputs", ["csv", "nagios"]),
}
# Their text depends on the lab and the test's own folders, they are secret, or they are no option of a module.
ELSEWHERE = {
    "kubeconfig", "api_key", "ca_cert", "client_cert", "client_key", "vault_token", "vault_login", "namespace",
    "certificates", "backup_dir", "backup_password", "reports_dir", "reports_keep", "run_id", "rollback",
    "environment", "confirm", "skip_prompt", "unattended", "obey_guard",
    "check_namespaces", "check_vault", "check_previous", "check_fail_on", "check_endpoint_ca_cert",
}  # fmt: skip


@pytest.fixture(scope="module")
def namespace(lab: Lab) -> Iterator[Namespace]:
    """Return a namespace with three certificates that nothing uses."""
    with Namespace(lab) as namespace:
        for entry in CATALOGUE:
            issue(namespace, str(entry["name"]))
        yield namespace


def texts(lab: Lab, namespace: Namespace, folder: Path, **values: str) -> list[str]:
    """Return -e arguments, each value as text; paths are relative to the caller's folder where they may be."""
    kubeconfig = folder / "my" / "kubeconfig"
    kubeconfig.parent.mkdir(exist_ok=True)
    kubeconfig.write_bytes((lab.state / "kubeconfig").read_bytes())
    common = {
        "kubeconfig": "my/kubeconfig",
        "namespace": namespace.name,
        "certificates": json.dumps(CATALOGUE, separators=(",", ":")),
        "backup_dir": "my/backups",
        "backup_password": SECRET,
        "accept_ephemeral_storage": "1",
        "skip_prompt": "yes",
        "reports_dir": "my/reports",
    }
    return [f"{PREFIX}{name}={text}" for name, text in {**common, **values}.items()]


def only_texts(table: dict[str, tuple[str, str, Any]]) -> dict[str, str]:
    return {name: text for name, (text, _option, _value) in table.items()}


def given(result: Result, module: str) -> dict[str, Any]:
    """Return the options that a module ran with, after its own conversion."""
    return result.by_action(module)[-1].result["invocation"]["module_args"]


def check_given(result: Result, table: dict[str, tuple[str, str, Any]]) -> None:
    for name, (_text, option, value) in table.items():
        module, _colon, path = option.partition(":")
        found: Any = given(result, module)
        for part in path.split("."):
            found = found[part]
        assert (found, type(found)) == (value, type(value)), name


def test_the_tables_hold_every_variable_of_the_role() -> None:
    tables = [*PLANNED, *DONE, *UNDONE, *CHECKED, *ELSEWHERE]
    assert len(tables) == len(set(tables))
    assert {PREFIX + name for name in tables} == variables("rotate_certs")


def test_every_variable_of_a_rotation_may_be_text(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    run_id = f"20261123t101500z-{uuid.uuid4().hex}-0000"
    more = {"run_id": run_id, "vault_url": "", "vault_login": "{}", **only_texts(PLANNED)}
    planned = run_playbook("rotate_certs", texts(lab, namespace, tmp_path, **more), check=True, cwd=tmp_path)
    assert planned.rc == 0, planned.output
    check_given(planned, PLANNED)
    plan = planned.one("cert_rotate").result
    assert (plan["run_id"], plan["due"]) == (run_id, ["shop", "shipping"])
    assert given(planned, "cert_rotate")["kubeconfig"] == str(tmp_path / "my" / "kubeconfig")
    assert (tmp_path / "my" / "reports" / run_id / "localhost.json").is_file()
    assert not (tmp_path / "my" / "backups").exists()
    assert kubernetes_writes(lab.state / "audit" / "kubernetes.log", run_id) == []

    wanted = {"names": "shop", "force": "yes", "backup_encrypt": "no", **only_texts(DONE)}
    for _run in range(2):
        done = run_playbook("rotate_certs", texts(lab, namespace, tmp_path, **wanted), cwd=tmp_path)
        assert done.rc == 0, done.output
    check_given(done, DONE)
    (folder,) = (tmp_path / "my" / "backups" / "certs").iterdir()
    assert {path.suffix for path in folder.glob("shop.*")} == {".json"}
    assert all(SECRET not in run.output + json.dumps([task.result for task in run.tasks]) for run in (planned, done))


def test_every_variable_of_a_rollback_may_be_text(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    secrets = {"api_key": f"{SECRET}-1", "vault_token": f"{SECRET}-2", "restart": "never"}
    more = {"kubeconfig": "", **secrets, **only_texts(UNDONE)}
    refused = run_playbook("rollback_certs", texts(lab, namespace, tmp_path, **more), check=True, cwd=tmp_path)
    assert refused.rc == 2
    assert f"There is no run {NOBODY}" in refused.failures[-1].msg
    check_given(refused, UNDONE)
    assert SECRET not in refused.output + json.dumps([task.result for task in refused.tasks])


def test_every_variable_of_a_check_may_be_text(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    found = lab.variables()
    files = {"ca_cert": "ca.crt", "client_cert": "admin.crt", "client_key": "admin.key"}
    login = {"auth_method": "approle", "role_id": found["VAULT_ROLE_ID"], "secret_id": found["VAULT_SECRET_ID"]}
    port = json.loads((lab.state / "ports.json").read_text())["api"]
    previous = tmp_path / "my" / "previous.json"
    more = {
        "kubeconfig": "",
        "api_host": f"https://127.0.0.1:{port}",
        **{name: str(lab.state / "pki" / file) for name, file in files.items()},
        "vault_url": found["VAULT_ADDR"],
        "vault_login": json.dumps(login, separators=(",", ":")),
        "check_vault": "yes",
        "check_namespaces": f"{namespace.name},default",
        "check_fail_on": "never",
        "check_endpoint_ca_cert": "my/ca.pem",
        **only_texts(CHECKED),
    }
    given_here = texts(lab, namespace, tmp_path, **more)
    authorities = tmp_path / "my" / "ca.pem"
    authorities.write_bytes((lab.state / "pki" / "ca.crt").read_bytes())
    first = run_playbook("check_certs", given_here, cwd=tmp_path)
    assert first.rc == 0, first.output
    check_given(first, CHECKED)
    result = first.one("cert_info").result
    assert given(first, "cert_info")["namespaces"] == [namespace.name, "default"]
    assert given(first, "cert_info")["endpoint_ca_cert"] == str(authorities)
    sources = {each["source"] for each in json.loads(Path(result["paths"]["json"]).read_text())["certificates"]}
    assert sources >= {"secret", "configmap", "vault", "endpoint"}
    assert set(result["paths"]) == {"json", "csv", "nagios"}
    assert found["VAULT_SECRET_ID"] not in first.output

    previous.write_bytes(Path(result["paths"]["json"]).read_bytes())
    again = run_playbook(
        "check_certs",
        [*given_here, f"{PREFIX}check_previous=my/previous.json", f"{PREFIX}check_fail_on=unknown"],
        cwd=tmp_path,
    )
    assert (again.rc, again.changed) == (2, 0), again.output
    assert given(again, "cert_info")["previous"] == str(previous)


def test_to_stay_where_a_step_has_failed_may_be_text(lab: Lab, namespace: Namespace, tmp_path: Path) -> None:
    before = stored_fingerprint(lab, namespace.name, "payments-tls")
    # Something else serves there, and goes on with that.
    port = json.loads((lab.state / "ports.json").read_text())["api"]
    entry = {"name": "payments", "secret_name": "payments-tls", "endpoints": f"127.0.0.1:{port}"}
    wanted = {"certificates": json.dumps([entry], separators=(",", ":")), "probe_timeout": "1", "rollback": "off"}
    failed = run_playbook("rotate_certs", texts(lab, namespace, tmp_path, **wanted, force="yes"), cwd=tmp_path)
    assert failed.rc == 2
    assert f"127.0.0.1:{port}" in failed.failures[-1].msg
    assert stored_fingerprint(lab, namespace.name, "payments-tls") != before
    report = json.loads((tmp_path / "my/reports/latest-rotate_certs/localhost.json").read_text())
    assert report["state"] == "failed"


# host: (variables, what its sentence has to name)
WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no-number": ({"serial": "few"}, "rotate_certs_serial"),
    "less-than-one": ({"serial": "0"}, "allowed is 1 or more"),
    "no-boolean": ({"force": "maybe"}, "rotate_certs_force"),
    "no-keep": ({"backup_keep": "-1"}, "rotate_certs_backup_keep is -1; allowed is 0"),
    "no-wait": ({"rollout_timeout": "-5"}, "rotate_certs_rollout_timeout is not above 0"),
    "no-login": ({"vault_login": "approle"}, "rotate_certs_vault_login is not a mapping"),
    "wrong-login": (
        {
            "vault_login": '{"auth_method":"token","token":"nothing"}',
            "method": "vault",
            "vault_url": "http://127.0.0.1:1",
        },
        "correct rotate_certs_vault_login",
    ),
    "no-method": ({"method": "acme"}, "allowed are auto, cert-manager, vault"),
    "no-restart": ({"restart": "sometimes"}, "allowed are auto, always, never"),
    "no-unit": ({"min_remaining": "30"}, "a time with its unit"),
    "no-time": ({"issued_before": "yesterday", "force": "no"}, "RFC 3339"),
    "two-times": ({"issued_before": "2099-01-01T00:00:00Z"}, "force"),
    "no-ttl": ({"vault_ttl": "year"}, "a time with its unit"),
    "no-share": ({"max_lifetime_loss": "7"}, "from 0 to 1"),
    "unknown-name": ({"names": "nope"}, "known are shop, shipping, payments"),
    "two-issuers": (
        {"certificates": '[{"name":"a","secret_name":"a-tls","cert_manager":true,"vault":true}]'},
        "both cert_manager and vault",
    ),
    "half-an-entry": ({"certificates": '[{"name":"a"}]'}, "secret_name"),
    "no-catalogue": ({"certificates": "api-gateway"}, "rotate_certs_certificates is not a list"),
    "no-overrides": ({"overrides": "hot"}, "rotate_certs_overrides is not a mapping"),
    "no-override": ({"overrides": '{"web":"hot"}'}, "deployment/api-gateway"),
    "no-password": ({"backup_password": ""}, "no password to encrypt it"),
    "no-namespace": ({"namespace": "no-such-namespace"}, "There is no namespace no-such-namespace"),
    "no-kubeconfig": ({"kubeconfig": "nowhere/config"}, "nowhere/config cannot be read"),
    "no-context": ({"context": "production"}, "with the context production"),
    "half-a-login": ({"client_cert": "/etc/client.pem"}, "client_key"),
    "no-run-id": ({"run_id": "Monday"}, "20261123t101500z-flush-redis-7f3a"),
    "short-lived-disk": ({"accept_ephemeral_storage": "no"}, "in a temporary folder"),
    "reports-nowhere": ({"reports_dir": "/proc/reports"}, "name a folder in which this user may write"),
    "no-canary": ({"canary": "deployment/nothing"}, "is not a workload"),
}


def test_wrong_text_gets_one_sentence_before_anything_is_touched(
    lab: Lab, namespace: Namespace, tmp_path: Path
) -> None:
    before = stored_fingerprint(lab, namespace.name, "shop-tls")
    common = dict(text.split("=", 1) for text in texts(lab, namespace, tmp_path, names="shop", force="yes"))
    hosts = {host: {PREFIX + name: text for name, text in values.items()} for host, (values, _part) in WRONG.items()}
    inventory = tmp_path / "inventory.yml"
    same = {f"{PREFIX}context": "lab", "runbooks_same_cluster": True}
    inventory.write_text(json.dumps({"clusters": {"hosts": hosts, "vars": {**common, **same}}}))
    result = run_playbook("rotate_certs", args=["-i", str(inventory), "--forks", "4", "-vvv"], cwd=tmp_path)
    assert result.rc == 2
    said = {task.host: task.msg for task in result.failures}
    assert set(said) == set(WRONG)
    assert {host: text for host, text in said.items() if WRONG[host][1] not in text or "\n" in text} == {}
    assert "Traceback" not in result.output
    assert SECRET not in result.output
    assert stored_fingerprint(lab, namespace.name, "shop-tls") == before
    assert not (tmp_path / "my" / "backups").exists()
