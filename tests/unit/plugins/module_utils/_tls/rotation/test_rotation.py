# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation while others change what it works on, and one that is killed at each of its writes."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.gate import GateSettings
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.report import Asked
from support.issued import issue
from support.world import AUTHORITY, Fault, Killed, World, install, operator

Object = dict[str, Any]
# Two authorities beside each other, as while one of them takes the place of the other.
BOTH = base64.b64encode((AUTHORITY + issue("next authority", ca=True, days=3650).pem).encode()).decode()
SIGN = "vault POST pki_int/sign/market-intel"
# The first call of each step that follows the plan.
BACKUP, ROTATION, RESTARTS, END = "GET certificates", "PUT certificates/shop/status", "PATCH deployments/web", "the end"


class Case:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.world = World()
        install(monkeypatch, self.world)
        self.operator = operator(self.world, folder)
        self.old = self.held()

    def held(self) -> dict[str, str]:
        return {name: self.world.stored(name) for name in ("shop", "web")}

    def served(self) -> dict[str, str]:
        return {name: self.world.serves[name] for name in ("shop", "web")}

    def data(self, name: str) -> dict[str, str]:
        return next(each for key, each in self.world.objects.items() if key.endswith(f"/{name}-tls"))["data"]

    @property
    def said(self) -> str:
        return str(self.operator.failure)

    def at(self, when: str, change: Callable[[], object]) -> None:
        """Have somebody else change something when a step begins: at the first call of it, or of the second round."""
        seen: list[str] = []

        def look(kind: str) -> None:
            # The plan asks for the Certificates first, the backup does so again.
            seen.append(kind)
            due = seen.count(BACKUP) == 2 and kind == BACKUP if when == BACKUP else kind == when
            if when == END:
                due = kind == "GET pods/portforward" and seen.count(kind) == 2
            if due:
                self.world.before_call = None
                change()

        self.world.before_call = look


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


def switch_issuer(case: Case) -> None:
    case.world.change("certificates", "shop", lambda found: found["spec"]["issuerRef"].update(name="other"))


def take_names(case: Case) -> None:
    case.world.change("certificates", "shop", lambda found: found["spec"].update(dnsNames=["a.example.com"]))


def add_owner(case: Case) -> None:
    owner = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "web", "uid": "1"}
    case.world.change("secrets", "web-tls", lambda found: found["metadata"].update(ownerReferences=[owner]))


def scale_down(case: Case) -> None:
    strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    case.world.change("deployments", "web", lambda found: found["spec"].update(replicas=1, strategy=strategy))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (switch_issuer, "its issuer is ClusterIssuer other, not ClusterIssuer ca"),
        (take_names, "the spec of its Certificate is another one"),
        (add_owner, "belongs to the ExternalSecret web"),
        (lambda case: case.world.replace_certificate("web"), "the secret web-tls holds another certificate"),
        # It comes from cert-manager, which nobody of this run has told to issue.
        (lambda case: case.world.delete("secrets", "shop-tls"), "the secret shop-tls holds another certificate"),
    ],
)
@pytest.mark.parametrize("when", [BACKUP, "POST leases"])
def test_what_others_change_before_anything_is_done_is_refused(
    when: str, change: Callable[[Case], object], said: str, case: Case
) -> None:
    case.at(when, lambda: change(case))
    case.world.clock.passed += 1
    outcome = case.operator.command()
    assert outcome == "refused" and said in case.said, case.said
    assert case.world.signed == {} and case.world.holder() == ""
    # Nothing was put back either, whatever they have done.
    held = case.held()
    assert case.served() == case.old
    case.operator.command()
    assert case.held().keys() == held.keys()


def test_a_leaf_behind_its_authority_is_not_called_an_authority(case: Case) -> None:
    """Such a Secret is out of order, and no authority's."""
    leaf = base64.b64decode(case.data("web")["tls.crt"]).decode()
    content = {"tls.crt": base64.b64encode((AUTHORITY + leaf).encode()).decode()}
    case.world.change("secrets", "web-tls", lambda found: found["data"].update(content))
    assert case.operator.command() == "refused"
    assert "has another certificate (CN=authority) before the one of its key (CN=web.example.com)" in case.said
    assert "holds an authority" not in case.said


ROLLING: list[tuple[str, Callable[[Object], object]]] = [
    ("The rollout of deployment/web is paused", lambda found: found["spec"].update(paused=True)),
    (
        "has no readinessProbe for web",
        lambda found: found["spec"]["template"]["spec"]["containers"][0].pop("readinessProbe"),
    ),
    ("has the strategy Recreate", lambda found: found["spec"].update(strategy={"type": "Recreate"})),
]


@pytest.mark.parametrize(("said", "change"), ROLLING, ids=["paused", "not ready", "recreate"])
def test_a_workload_that_cannot_roll_is_refused_in_the_plan_and_the_advice_works(
    said: str, change: Callable[[Object], object], case: Case
) -> None:
    case.world.change("deployments", "web", change)
    assert case.operator.command() == "refused" and said in case.said
    case.operator.allow_downtime = True
    # Accepting a moment without service does not make a paused rollout begin, and is not advised for it.
    advised = "O(allow_downtime)=true" in case.said
    assert case.operator.command() == ("done" if advised else "refused")
    assert advised is ("paused" not in case.said)


def test_a_restart_that_the_api_server_does_not_take_is_refused_before_anything_is_issued(case: Case) -> None:
    case.world.faults = [Fault("PATCH deployments/web (dry run)", 403)]
    assert case.operator.command() == "refused"
    assert "The restart of deployment/web in the namespace" in case.said and "would fail (by the test)" in case.said
    assert (case.world.issued, case.held()) == (0, case.old)


def test_what_is_not_ours_to_restart_is_refused_until_somebody_answers_for_it(case: Case) -> None:
    owners = [{"kind": "Kafka", "name": "events", "uid": "9", "controller": True}]
    case.world.change("deployments", "web", lambda found: found["metadata"].update(ownerReferences=owners))
    assert case.operator.command() == "refused"
    (advised,) = re.findall(r"O\(overrides\)=(\{.*?\})", case.said)
    case.operator.overrides = json.loads(advised)
    assert case.operator.command() == "done", case.said
    # It serves the old one, as was accepted.
    assert case.served()["web"] == case.old["web"] != case.held()["web"]


def test_replicas_that_are_taken_away_end_in_the_way_back(case: Case) -> None:
    case.at(ROTATION, lambda: scale_down(case))
    assert case.operator.command() == "rolled_back"
    assert "Deployment web may lose its only pod during a restart" in case.said
    assert case.held() == case.old == case.served() and case.world.holder() == ""


@pytest.mark.parametrize("name", ["shop", "web"])
@pytest.mark.parametrize("when", [RESTARTS, END])
def test_a_certificate_that_is_replaced_before_the_end_is_never_called_done(when: str, name: str, case: Case) -> None:
    later: list[str] = []
    case.at(when, lambda: later.append(case.world.replace_certificate(name)))
    assert case.operator.command() == "failed"
    assert later and (f"the secret {name}-tls" in case.said.lower() or "still serve" in case.said), case.said
    # What somebody else has put there stays, or what cert-manager has made of it.
    assert case.world.stored(name) == later[0] or (name == "shop" and case.world.issued == 2)


def add_certificate(case: Case) -> None:
    """Have somebody else make a Certificate for a Secret that Vault's certificate is in."""
    issuer = {"name": "ca", "kind": "ClusterIssuer"}
    spec = {"secretName": "web-tls", "issuerRef": issuer, "dnsNames": ["web.example.com"]}
    (path,) = (path for path in case.world.objects if path.endswith("/certificates/shop"))
    status = {**case.world.objects[path]["status"], "revision": 1}
    case.world._put(path.replace("/shop", "/web"), {"spec": spec, "status": status})


def take_certificate(case: Case) -> None:
    """Have somebody else delete a Certificate; cert-manager leaves its Secret."""
    (path,) = (path for path in case.world.objects if path.endswith("/certificates/shop"))
    del case.world.objects[path]
    case.monkeypatch.setattr(case.world, "_issue_what_is_due", lambda: None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (add_certificate, "cert-manager issues it, not vault"),
        (add_owner, "the ExternalSecret web writes it"),
        (switch_issuer, "its issuer is ClusterIssuer other, not ClusterIssuer ca"),
        (take_names, "the spec of its Certificate is another one"),
        (take_certificate, "its Certificate is gone"),
    ],
)
@pytest.mark.parametrize("when", [RESTARTS, END])
def test_an_owner_that_comes_before_the_end_is_never_called_done(
    when: str, change: Callable[[Case], object], said: str, case: Case
) -> None:
    case.at(when, lambda: change(case))
    assert case.operator.command() in ("failed", "rolled_back")
    assert said in case.said and "since it was rotated" in case.said


def test_a_certificate_that_was_repaired_before_the_same_command_is_no_new_one(case: Case) -> None:
    case.world.days = 20
    case.operator.rolls_back = False
    assert case.operator.command() == "failed" and "shorter life" in case.said
    again(case)
    case.world.days = 90
    case.world.change("certificates", "shop", lambda found: found["spec"].update(duration="2160h"))
    assert case.operator.command() == "done", case.said
    assert case.held() == case.served()


def test_what_says_only_what_becomes_of_a_certificate_may_change(case: Case) -> None:
    template = {"secretTemplate": {"labels": {"team": "shop"}}, "revisionHistoryLimit": 3}
    case.at(RESTARTS, lambda: case.world.change("certificates", "shop", lambda found: found["spec"].update(template)))
    assert case.operator.command() == "done", case.said
    ((run_id, _rest),) = [(path.parent.name, path) for path in case.folder.rglob("manifest.json")]
    assert case.operator.put_back(run_id).left == (), "and is no reason against a rollback"
    assert case.held() == case.old


def other_authorities(case: Case) -> None:
    case.world.change("secrets", "web-tls", lambda found: found["data"].update({"ca.crt": BOTH}))


def test_authorities_that_somebody_else_adds_are_not_taken_away(case: Case) -> None:
    case.at("PATCH secrets/web-tls (dry run)", lambda: other_authorities(case))
    assert case.operator.command() == "failed", "as the plan has seen it otherwise"
    case.at("vault POST kv/data/certs/web", lambda: other_authorities(case))
    outcome = case.operator.command()
    assert outcome in ("done", "rolled_back")
    assert case.data("web")["ca.crt"] == BOTH


def test_authorities_that_change_between_plan_and_act_are_refused(case: Case) -> None:
    case.at("POST leases", lambda: other_authorities(case))
    assert case.operator.command() == "refused"
    assert "the secret web-tls holds other authorities in ca.crt" in case.said
    assert case.operator.command() == "done", case.said
    assert case.data("web")["ca.crt"] == BOTH


def test_a_key_that_does_not_fit_any_more_is_never_called_done(case: Case) -> None:
    other = {"tls.key": case.data("shop")["tls.key"]}
    case.at(END, lambda: case.world.change("secrets", "web-tls", lambda found: found["data"].update(other)))
    assert case.operator.command() == "rolled_back"
    assert "holds a private key that is not the one of what was rotated and proven" in case.said


@pytest.mark.parametrize("name", ["shop", "web"])
def test_what_somebody_else_puts_beside_a_certificate_outlives_the_way_back(name: str, case: Case) -> None:
    def change(found: Object) -> None:
        found["data"]["config"] = "eA=="
        found["metadata"].setdefault("labels", {})["team"] = "shop"
        found["metadata"].setdefault("annotations", {})["note"] = "x"

    case.world.stuck = {"web"}
    case.at(RESTARTS, lambda: case.world.change("secrets", f"{name}-tls", change))
    assert case.operator.command() == "rolled_back", case.said
    assert case.held() == case.old
    metadata = next(each for key, each in case.world.objects.items() if key.endswith(f"/{name}-tls"))["metadata"]
    assert case.data(name)["config"] == "eA==" and metadata["labels"]["team"] == "shop"
    assert {key for key in metadata["annotations"] if not key.startswith("cert-manager.io/")} == {"note"}


def test_a_secret_that_was_deleted_is_made_again_on_the_way_back(case: Case) -> None:
    case.world.stuck = {"web"}
    case.at("GET pods/portforward", lambda: case.world.delete("secrets", "web-tls"))
    assert case.operator.command() in ("rolled_back", "failed")
    assert case.held() == case.old


WRITES = ("POST", "PUT", "PATCH", "DELETE", "vault POST pki", "vault POST kv")


def writes_of(case: Case) -> list[str]:
    """Return what a run has written, after it has run."""
    return [kind for kind in case.world.calls if _is_write(kind)]


def _is_write(kind: str) -> bool:
    return kind.startswith(WRITES) and "selfsubject" not in kind and "dry run" not in kind


def killed_at(case: Case, number: int, *, after: bool) -> None:
    """Have the operator's process killed at its n-th write: before it is done, or at the next call after it."""
    seen = 0

    def look(kind: str) -> None:
        nonlocal seen
        if seen == number and after:
            case.world.before_call = None
            raise Killed
        if _is_write(kind):
            seen += 1
            if seen == number and not after:
                case.world.before_call = None
                raise Killed

    case.world.before_call = look


def again(case: Case) -> None:
    """Have the Lease of a process that was killed be over."""
    case.world.clock.passed += 121


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_is_killed_at_any_write_is_finished_by_the_same_command(
    after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Case(tmp_path / "whole", monkeypatch)
    assert whole.operator.command() == "done"
    # Nothing follows the last one.
    for number in range(1, len(writes_of(whole)) + (not after)):
        case = Case(tmp_path / str(number), monkeypatch)
        killed_at(case, number, after=after)
        with pytest.raises(Killed):
            case.operator.command()
        again(case)
        assert case.operator.command() in ("done", "unchanged"), (number, case.said)
        assert case.held() == case.served() and all(case.held()[name] != case.old[name] for name in case.old)
        # One certificate each, whenever that was.
        assert (case.world.issued, len(case.world.signed)) == (1, 1), number
        assert list(case.folder.rglob("*.key*")) == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_rollback_that_is_killed_at_any_write_is_finished_first_then_the_command_does_what_it_was_asked(
    after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(folder: Path) -> Case:
        case = Case(folder, monkeypatch)
        case.world.stuck = {"web"}
        return case

    whole = failing(tmp_path / "whole")
    assert whole.operator.command() == "rolled_back"
    first = 1 + next(number for number, kind in enumerate(writes_of(whole)) if kind.startswith("DELETE"))
    for number in range(first, len(writes_of(whole)) + (not after)):
        case = failing(tmp_path / str(number))
        killed_at(case, number, after=after)
        with pytest.raises(Killed):
            case.operator.command()
        again(case)
        issued = case.world.issued
        case.world.stuck = set()
        assert case.operator.command() == "done", (number, case.said)
        assert case.held() == case.served() and all(case.held()[name] != case.old[name] for name in case.old)
        # cert-manager has not undone the rollback, and has issued once more for the command.
        assert case.world.issued == issued + 1


def test_a_rollback_that_fails_is_finished_by_the_next_command(case: Case) -> None:
    case.world.stuck = {"web"}
    fault = Fault("GET deployments/shop", 500, times=0)
    case.world.faults = [fault]

    def look(kind: str) -> None:
        # From the moment on in which the rollback has begun.
        if kind.startswith("DELETE"):
            fault.times = 10**9

    case.world.before_call = look
    assert case.operator.command() == "failed"
    again(case)
    fault.times, case.world.stuck = 0, set()
    assert case.operator.command() == "done"
    assert case.held() == case.served() != case.old


@pytest.mark.parametrize("allowed", [False, True], ids=["repaired", "allowed"])
def test_a_refusal_by_the_gate_is_not_final_where_nothing_goes_back(allowed: bool, case: Case) -> None:
    case.world.days = 20
    case.operator.rolls_back = False
    assert case.operator.command() == "failed" and "shorter life: it lives 20 days" in case.said
    refused = case.world.stored("shop")
    assert refused != case.old["shop"] == case.world.serves["shop"]
    again(case)
    if allowed:
        gate = GateSettings(max_lifetime_loss=0.8)
        case.operator.request = dataclasses.replace(case.operator.request, gate=gate)
    else:
        case.world.days = 90
    assert case.operator.command() == "done", case.said
    # What is allowed by now is taken as it is, else it is issued again.
    assert (case.world.stored("shop") == refused, case.world.issued) == ((True, 1) if allowed else (False, 2))
    assert case.held() == case.served()


def test_a_second_rollback_says_that_nothing_was_left(case: Case) -> None:
    assert case.operator.command() == "done"
    ((run_id, _rest),) = [(path.parent.name, path) for path in case.folder.rglob("manifest.json")]
    params = {"backup_dir": str(case.folder), "namespace": "here", "run_id": run_id}
    asked = Asked(params, run_id, datetime.now(timezone.utc))
    first, second = (asked.rollback_report(case.operator.put_back(run_id), check_mode=False) for _time in range(2))
    assert (first.state, first.summary) == ("done", ("2 certificates put back",))
    assert (second.state, second.summary, second.actions) == ("unchanged", (), ())
    assert second.headline == "every certificate is as it was before that run"
    assert case.held() == case.old
