# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Someone who gives the same command again and again: the steps of a rotation as the role's tasks carry them out.

They run in this process, which costs no start of a module.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import RunbookError
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s import rollout
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.client import ApiLogin
from ansible_collections.market_intel.runbooks.plugins.module_utils._k8s.lease import LeaseName, held_lease, release
from ansible_collections.market_intel.runbooks.plugins.module_utils._run import Progress, new_run_id
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation import probe as probing
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation import rotate as steps
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.catalogue import RotateRequest
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.plan import Context, RotationPlan
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.providers.vault import VaultPlaces
from ansible_collections.market_intel.runbooks.plugins.module_utils._vault.client import VaultLogin


class Connect(Protocol):
    def __call__(self, run_id: str, *, dry_run: bool) -> tuple[ApiLogin, VaultLogin]: ...


class Operator:
    """Each step logs in anew; `failure` is why the last command did not end well."""

    def __init__(self, connect: Connect, request: RotateRequest, folder: Path, places: VaultPlaces) -> None:
        self._connect, self._folder, self._places = connect, folder, places
        self._lease = LeaseName(request.namespace, "runbooks-rotate-certs")
        self.request = request
        self.failure: RunbookError | None = None
        self.rolls_back = True
        self.allow_downtime = False
        self.overrides: dict[str, str] = {}

    @contextlib.contextmanager
    def _step(self, run_id: str, *, dry_run: bool = False, lease: bool = True) -> Iterator[Context]:
        login, vault = self._connect(run_id, dry_run=dry_run)
        where = self.request.namespace
        context = Context(
            *(login, vault, self._places, self._folder, ""),
            encrypted=False,
            timeout=20,
            allow_downtime=self.allow_downtime,
            overrides=self.overrides,
            namespace=where,
            run_id=run_id,
        )
        with held_lease(login, self._lease if lease else None, run_id):
            yield context

    def command(self) -> str:
        """Return how it ended: unchanged, done, refused, failed or rolled_back."""
        self.failure = None
        run_id = new_run_id("rotate_certs")
        touched = False
        try:
            plan = self.plan(run_id)
            if plan.rolling_back:
                self._go_back(plan.run_id)
                self._release(plan.run_id)
                plan = self.plan(run_id)
            run_id = plan.run_id
            if not plan.due:
                return "unchanged"
            run_id = self.back_up(plan)
            with self._step(run_id):
                touched = True
            with self._step(run_id) as context:
                rotation = steps.rotate_all(context, self.request, _check, Progress(None))
            self._restart_and_prove(run_id, rotation.to_plain())
            with self._step(run_id) as context:
                steps.close_run(context, "done", 0)
        except RunbookError as exc:
            self.failure = exc
            back = False
            if touched and self.rolls_back:
                with contextlib.suppress(RunbookError):
                    back = self._go_back(run_id)
            return "rolled_back" if back else exc.state
        finally:
            with contextlib.suppress(RunbookError):
                self._release(run_id)
        return "done"

    def plan(self, run_id: str = "") -> RotationPlan:
        with self._step(run_id or new_run_id("rotate_certs"), dry_run=True) as context:
            return steps.plan_rotation(context, self.request, force=False)

    def back_up(self, plan: RotationPlan) -> str:
        """Return the id under which the run goes on."""
        with self._step(plan.run_id, lease=False) as context:
            seen = plan.to_plain()["seen"]
            return steps.back_up_all(context, self.request, _check, force=False, seen=seen).run_id

    def _restart_and_prove(self, run_id: str, following: Mapping[str, Any], *, back: bool = False) -> None:
        where = self.request.namespace
        prints = {each["name"]: each["fingerprint"] for each in following["secrets"]}
        with self._step(run_id) as context:
            may_gap = back or self.allow_downtime
            wanted = rollout.RestartRequest(
                where, prints, self.overrides, timeout=20, only_restarted=back, allow_downtime=may_gap
            )
            rollout.restart(context.login, wanted, _check, Progress(None))
        expected = tuple(probing.read_expected(each) for each in following["expected"])
        with self._step(run_id) as context:
            proof = probing.ProbeRequest(where, expected, self.overrides, timeout=20)
            probing.probe(context.login, proof, _check, Progress(None))

    def put_back(self, run_id: str) -> steps.Restored:
        with self._step(run_id) as context:
            entries = self.request.entries
            return steps.roll_back(context, entries, _check, Progress(None), skip_unrestorable=True)

    def _go_back(self, run_id: str) -> bool:
        restored = self.put_back(run_id)
        if restored.back:
            self._restart_and_prove(run_id, restored.to_plain(), back=True)
            with self._step(run_id) as context:
                steps.close_run(context, "rolled_back", 0)
        return bool(restored.back) and not restored.left

    def _release(self, run_id: str) -> None:
        with self._step(run_id, lease=False) as context:
            release(context.login, self._lease, run_id)


def _check() -> None:
    """Nobody stops it."""
