# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runbooks need in a cluster, as objects of Kubernetes, from the files that the pages show. PRIVATE."""

from __future__ import annotations

import base64
import copy
import json
import shlex
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import yaml

from ..module_utils._report.model import Action, Plan, StepReport, Undo
from ..module_utils._report.text import plural
from ._roles import ROLES, load_role

Object = dict[str, t.Any]

FILES = ROLES / "prepare_cluster" / "files"
RUNBOOKS = ("flush_redis", "rotate_certs", "check_certs", "debug_pod", "cleanup_debug_pods")
MODES = ("report", "ephemeral", "shell", "copy", "node")
OWNER = "market-intel.runbooks/prepared-for"
_PART = {"app.kubernetes.io/part-of": "market-intel-runbooks"}
_RBAC = "rbac.authorization.k8s.io"
# The namespaces in the files.
_EXAMPLE, _EXAMPLE_NODES = "market-intel-brain", "sre-debug"
_SCHEDULED = ("check_certs", "cleanup_debug_pods")
_DEADLINE_SECONDS = 900
# A rotation takes that long at most.
_TOKEN_SECONDS = 3600


def account_of(runbook: str) -> str:
    """Return the name of the ServiceAccount of a runbook."""
    return f"runbooks-{runbook.replace('_', '-')}"


def rights_of(runbook: str, options: Mapping[str, t.Any]) -> list[str]:
    """Return the names of the files with the rights of a runbook."""
    if runbook == "debug_pod":
        return [f"debug-{mode}" for mode in MODES if mode == "report" or mode in options["debug_modes"]]
    if runbook == "check_certs":
        return ["certificate-check", *(["certificate-check-cluster"] if options["check_everywhere"] else [])]
    return {"flush_redis": ["redis"], "rotate_certs": ["certificates"], "cleanup_debug_pods": ["debug-cleanup"]}[
        runbook
    ]


def wanted_objects(options: Mapping[str, t.Any]) -> list[Object]:
    """Return what has to be there, in the order in which it can be made."""
    if options["state"] == "absent":
        return []
    found: list[Object] = []
    for runbook in RUNBOOKS:
        if runbook in options["runbooks"]:
            found += _of_runbook(runbook, options)
    # Two modes bring the same namespace.
    return list({key(each): each for each in found}.values())


def unwanted_objects(options: Mapping[str, t.Any]) -> list[Object]:
    """Return what an earlier choice may have made, and the present one does not want, what was made last first.

    The namespace for nodes is kept until nothing at all is wanted.
    """
    wanted = {key(each) for each in wanted_objects(options)}
    found: list[Object] = []
    for everywhere in (False, True):
        everything = {"state": "present", "runbooks": RUNBOOKS, "debug_modes": MODES, "check_everywhere": everywhere}
        found += wanted_objects({**options, **everything, "logins": True, "cron_image": "none"})
    unwanted = {key(each): each for each in found if key(each) not in wanted}
    return [
        {"apiVersion": each["apiVersion"], "kind": each["kind"], "metadata": _place(each)}
        for each in reversed(unwanted.values())
        if each["kind"] != "Namespace" or options["state"] == "absent"
    ]


def plan(options: Mapping[str, t.Any], namespaces: Sequence[Object], check_mode: bool) -> dict[str, list[Object]]:
    """Return what is to be made, made later, and removed, where these namespaces are there.

    The namespace for nodes that somebody else has made is left alone. What is in one that a dry run does not make is
    for later: the API server cannot try it.
    """
    node, owner = options["node_namespace"], options["namespace"]
    there = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in namespaces}
    foreign = node in there and there[node].get(OWNER) != owner
    wanted, unwanted = (
        [each for each in objects if not (foreign and each["kind"] == "Namespace")]
        for objects in (wanted_objects(options), unwanted_objects(options))
    )
    untried = {
        key(each) for each in wanted if check_mode and node not in there and each["metadata"].get("namespace") == node
    }
    return {
        "make": [each for each in wanted if key(each) not in untried],
        "later": [each for each in wanted if key(each) in untried],
        "remove": unwanted,
    }


def key(each: Object) -> tuple[str, str, str]:
    about = each["metadata"]
    return each["kind"], about.get("namespace", ""), about["name"]


def name_of(each: Object) -> str:
    """Return an object as people name it."""
    kind, namespace, name = key(each)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _place(each: Object) -> Object:
    return {name: each["metadata"][name] for name in ("name", "namespace") if name in each["metadata"]}


def _of_runbook(runbook: str, options: Mapping[str, t.Any]) -> Iterator[Object]:
    namespace, account = options["namespace"], account_of(runbook)
    yield _labelled({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _in(namespace, account)}, options)
    if options["logins"]:
        yield _labelled(_token(namespace, account), options)
    for file in rights_of(runbook, options):
        for document in documents(file):
            for each in _given(document, account, options, everywhere=runbook == "check_certs"):
                yield _labelled(each, options)
    if options["cron_image"] and runbook in _SCHEDULED:
        yield _labelled(_cron_job(runbook, options), options)


@lru_cache(maxsize=64)
def documents(file: str) -> tuple[Object, ...]:
    """Return the objects in a file of rights, which nobody may change."""
    # In C where there is one.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = yaml.load((FILES / f"{file}.yml").read_text(encoding="utf-8"), Loader=loader)
    return tuple(content["items"]) if content["kind"] == "List" else (content,)


def _in(namespace: str, name: str) -> Object:
    return {"name": name, "namespace": namespace}


def _labelled(each: Object, options: Mapping[str, t.Any]) -> Object:
    labels = {**each["metadata"].get("labels", {}), **_PART, OWNER: options["namespace"]}
    return {**each, "metadata": {**each["metadata"], "labels": labels}}


def _token(namespace: str, account: str) -> Object:
    annotations = {"kubernetes.io/service-account.name": account}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**_in(namespace, account), "annotations": annotations},
        "type": "kubernetes.io/service-account-token",
    }


def _given(document: Object, account: str, options: Mapping[str, t.Any], *, everywhere: bool) -> Iterator[Object]:
    """Yield an object of a file under the names of this cluster, and what binds it to the ServiceAccount."""
    if document["kind"] == "Namespace":
        yield {**document, "metadata": {**document["metadata"], "name": options["node_namespace"]}}
        return
    made: Object = {**document, "rules": _rules(document["rules"], options)}
    name, place = document["metadata"]["name"], document["metadata"].get("namespace", "")
    if document["kind"] == "Role" and not (everywhere and options["check_everywhere"]):
        where = {_EXAMPLE: options["namespace"], _EXAMPLE_NODES: options["node_namespace"]}[place]
        made["metadata"] = _in(where, name if where == options["namespace"] else f"{name}-{options['namespace']}")
        kind, about = "Role", made["metadata"]
    else:
        # A cluster may have several namespaces with runbooks.
        made["kind"] = kind = "ClusterRole"
        made["metadata"] = about = {"name": f"{name}-{options['namespace']}"}
    yield made
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": dict(about),
        "roleRef": {"apiGroup": _RBAC, "kind": kind, "name": about["name"]},
        "subjects": [{"kind": "ServiceAccount", **_in(options["namespace"], account)}],
    }


def _rules(rules: Sequence[Object], options: Mapping[str, t.Any]) -> list[Object]:
    """Return rules with the names of this cluster; one that has none left would be about all, and is left out."""
    real = _names(options)
    found = []
    for rule in copy.deepcopy(list(rules)):
        if "resourceNames" in rule:
            resource = rule["resources"][0].partition("/")[0]
            names = [name for example in rule["resourceNames"] for name in real[f"{resource}/{example}"]]
            rule["resourceNames"] = list(dict.fromkeys(names))
        if rule.get("resourceNames", True):
            found.append(rule)
    return found


def _names(options: Mapping[str, t.Any]) -> dict[str, list[str]]:
    """Return the names that take the places of those in the files."""
    usual = load_role("rotate_certs", "main").defaults
    catalogue = options["certificates"] or usual["rotate_certs_certificates"]
    by_vault = [each for each in catalogue if each.get("vault")]
    by_cert_manager = [each for each in catalogue if not each.get("vault")]
    secret, service = options["redis_secret"], options["redis_service"]
    return {
        "secrets/api-gateway-tls": [each["secret_name"] for each in by_cert_manager],
        "secrets/core-engine-tls": [each["secret_name"] for each in by_vault],
        "certificates/api-gateway": [each["name"] for each in by_cert_manager],
        "leases/runbooks-rotate-certs": [usual["rotate_certs_lease"]],
        "services/redis": [service] if service else [],
        "secrets/redis": [secret] if secret else [],
    }


def _cron_job(runbook: str, options: Mapping[str, t.Any]) -> Object:
    """Return what runs a playbook in the cluster, as the ServiceAccount of its runbook."""
    variables: Object = {"runbooks_reports_dir": "/tmp/reports"}
    if runbook == "check_certs" and not options["check_everywhere"]:
        variables["rotate_certs_check_namespaces"] = [options["namespace"]]
    container = {
        "name": "runbook",
        "image": options["cron_image"],
        "command": ["ansible-playbook", f"market_intel.runbooks.{runbook}", "-e", json.dumps(variables)],
        "env": [{"name": "HOME", "value": "/tmp"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "serviceAccountName": account_of(runbook),
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    job = {"backoffLimit": 0, "activeDeadlineSeconds": _DEADLINE_SECONDS, "template": {"spec": pod}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _in(options["namespace"], account_of(runbook)),
        "spec": {
            "schedule": options[f"cron_{runbook}"],
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": job},
        },
    }


def kubeconfigs(secrets: Sequence[Object], server: str, *, validate_certs: bool) -> list[dict[str, str]]:
    """Return the name and the content of a kubeconfig for each token of a ServiceAccount."""
    found = []
    for secret in secrets:
        account = secret["metadata"]["name"]
        trust = {"certificate-authority-data": secret["data"]["ca.crt"]} if validate_certs else {}
        cluster = {"server": server, **(trust or {"insecure-skip-tls-verify": True})}
        context = {"cluster": "cluster", "user": account, "namespace": secret["metadata"]["namespace"]}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": account, "user": {"token": _decoded(secret["data"]["token"])}}],
            "contexts": [{"name": account, "context": context}],
            "current-context": account,
        }
        found.append({"name": account, "content": yaml.safe_dump(content, sort_keys=False)})
    return found


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def vault_policy(options: Mapping[str, t.Any]) -> str:
    """Return the policy of the file with the places of this Vault."""
    text = (FILES / "vault-policy.hcl").read_text(encoding="utf-8")
    places = {
        '"pki_int/sign/market-intel"': f'"{options["vault_pki_mount"]}/sign/{options["vault_pki_role"]}"',
        '"pki_int/roles/market-intel"': f'"{options["vault_pki_mount"]}/roles/{options["vault_pki_role"]}"',
        '"kv/data/certs/*"': f'"{options["vault_kv_mount"]}/data/{options["vault_kv_prefix"]}/*"',
    }
    for example, real in places.items():
        text = text.replace(example, real)
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#")).strip() + "\n"


def in_vault(options: Mapping[str, t.Any]) -> list[Object]:
    """Return what has to stand at which path in Vault."""
    name = options["vault_role"]
    approle = {"token_policies": [name], "token_ttl": _TOKEN_SECONDS, "token_max_ttl": 2 * _TOKEN_SECONDS}
    return [
        {"path": f"sys/policies/acl/{name}", "data": {"policy": vault_policy(options)}},
        {"path": f"auth/{options['vault_approle_mount']}/role/{name}", "data": approle},
    ]


def report(
    options: Mapping[str, t.Any], steps: Sequence[Step], started: datetime | None, *, check_mode: bool
) -> StepReport:
    """Return the report of what was made and removed."""
    actions = [action for step in steps for action in step.actions()]
    changed = tuple(action for action in actions if action.changed)
    other = "present" if options["state"] == "absent" else "absent"
    given = {"state": other, "namespace": options["namespace"], "node_namespace": options["node_namespace"]}
    login = {name: options[name] for name in ("kubeconfig", "context", "api_host") if options[name]}
    words = [word for name, value in {**given, **login}.items() for word in ("-e", f"prepare_cluster_{name}={value}")]
    return StepReport(
        runbook="prepare_cluster",
        started=started,
        state="unchanged" if not changed else "planned" if check_mode else "done",
        asked={
            "state": options["state"],
            "namespace": options["namespace"],
            "runbooks": ", ".join(options["runbooks"]),
            "debug_modes": ", ".join(options["debug_modes"]),
            "check_everywhere": options["check_everywhere"],
        },
        plan=Plan(summary=tuple(action.what for action in changed)),
        actions=changed,
        undo=Undo(f"ansible-playbook market_intel.runbooks.prepare_cluster {shlex.join(words)}"),
        summary=(f"{plural(len(changed), 'object')} changed, {len(actions) - len(changed)} are as they should be",),
    )


@dataclass(frozen=True)
class Step:
    """The result of a task, and what it was about, one by one; of a task that did not run, nothing is told."""

    verb: str
    subjects: Sequence[str]
    result: Object

    def actions(self) -> list[Action]:
        if not self.result or self.result.get("skipped"):
            return []
        made = self.result.get("result")
        several = made.get("results") if isinstance(made, Mapping) else None
        outcomes = several or self.result.get("results") or [self.result] * len(self.subjects)
        found = [
            Action(f"{self.verb} {what}", bool(each.get("changed"))) for what, each in zip(self.subjects, outcomes)
        ]
        # What was not there before is nothing that was looked after.
        return [each for each in found if each.changed or not self.verb.startswith("remove")]
