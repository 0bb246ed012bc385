# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault at each call of a rotation, once and for ever: no false end, and the same command finishes."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.world import Fault, World, install, operator

pytestmark = pytest.mark.one_core

PASSING: list[int | str] = [429, 500, 502, 503, 504, "reset", "lost", "half"]
# What is done once only.
UNREPEATABLE = "vault POST pki_int/sign/market-intel"
CALLS = [
    "GET certificates",
    "GET certificaterequests",
    "GET secrets/shop-tls",
    "GET secrets/web-tls",
    "POST v1/selfsubjectaccessreviews",
    "GET clusterissuers/ca",
    "vault GET pki_int/roles/market-intel",
    "vault GET sys/internal/ui/mounts/pki_int",
    "vault GET pki_int/cert/ca_chain",
    "vault GET sys/health",
    "vault GET sys/internal/ui/mounts/kv",
    "vault POST sys/capabilities-self",
    "vault GET kv/data/certs/web",
    "vault GET auth/token/lookup-self",
    "GET deployments",
    "GET statefulsets",
    "GET daemonsets",
    "GET replicasets",
    "GET cronjobs",
    "GET jobs",
    "GET pods",
    "GET ingresses",
    "GET poddisruptionbudgets",
    "GET resourcequotas",
    "GET limitranges",
    "GET issuers",
    "PUT certificates/shop/status (dry run)",
    "PATCH secrets/web-tls (dry run)",
    "PATCH deployments/shop (dry run)",
    "PATCH deployments/web (dry run)",
    "GET leases/runbooks-rotate-certs",
    "POST leases",
    "PUT leases/runbooks-rotate-certs",
    "PUT certificates/shop/status",
    UNREPEATABLE,
    "vault POST kv/data/certs/web",
    "PATCH secrets/web-tls",
    "PATCH deployments/shop",
    "GET deployments/shop",
    "PATCH deployments/web",
    "GET deployments/web",
    "GET pods/portforward",
]
NAMES = ("shop", "web")


class Case:
    """One world with an operator in it, and what the Secrets held in the beginning."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World()
        install(monkeypatch, self.world)
        self.operator = operator(self.world, folder)
        self._folder = folder
        self._old = self.held()

    def held(self) -> dict[str, str]:
        return {name: self.world.stored(name) for name in NAMES}

    def command(self) -> str:
        """Give the command, and check that the end that it tells is the one that is there."""
        outcome = self.operator.command()
        held = self.held()
        served = {name: self.world.serves[name] for name in NAMES}
        if outcome in ("done", "unchanged"):
            assert all(held[name] != self._old[name] for name in NAMES)
            assert served == held and self.kept() == held["web"]
        elif outcome == "rolled_back":
            assert held == self._old == served and self.kept() == held["web"]
        else:
            said = str(self.operator.failure)
            assert said.endswith(".") and "Traceback" not in said
            if outcome == "refused":
                assert held == self._old
        return outcome

    def kept(self) -> str:
        return self.world.fingerprint_in_vault()

    def finish(self) -> None:
        """Give the same command again after the faults, when the Lease of a run that could not give it back is over."""
        self.world.faults.clear()
        self.world.clock.passed += 121
        assert self.world.holder() == ""
        assert self.command() in ("done", "unchanged"), self.operator.failure
        assert self.world.holder() == "" and list(self._folder.rglob("*.key*")) == []
        assert self.command() == "unchanged"


def test_the_table_has_each_call_of_a_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(tmp_path, monkeypatch)
    assert case.command() == "done"
    assert list(dict.fromkeys(case.world.calls)) == CALLS
    assert (case.world.issued, len(case.world.signed)) == (1, 1)
    case.finish()


@pytest.mark.parametrize("what", PASSING)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_that_passes_is_survived(
    call: str, what: int | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(tmp_path, monkeypatch)
    case.world.faults = [Fault(call, what, times=1)]
    outcome = case.command()
    if call == UNREPEATABLE and what != 429:
        # What was signed is found by its key; where nothing was, the run has failed and gone back.
        assert outcome == ("done" if what in ("lost", "half") else "rolled_back")
    else:
        assert outcome == "done", case.operator.failure
    assert case.world.faults[0].times == 0
    assert case.world.issued == 1 and len(case.world.signed) == (outcome == "done")
    case.finish()


# To a rotation, all of these statuses are one: the tests of the two clients have each of them.
@pytest.mark.parametrize("what", [500, "reset", "lost", "half"])
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_that_stays_is_said_and_the_same_command_finishes(
    call: str, what: int | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(tmp_path, monkeypatch)
    case.world.faults = [Fault(call, what)]
    case.command()
    case.finish()


@pytest.mark.parametrize("hidden", ["may_list", "keeps_signed"])
@pytest.mark.parametrize("what", ["lost", "half", 502])
def test_a_signature_of_which_nobody_knows_is_told(
    what: int | str, hidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(tmp_path, monkeypatch)
    setattr(case.world, hidden, False)
    case.world.faults = [Fault(UNREPEATABLE, what, times=1)]
    assert case.command() == "rolled_back"
    said = str(case.operator.failure)
    assert "Whether Vault has signed a certificate for web is not known" in said and "in its audit log" in said
    case.finish()
