# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A step of a run in a namespace: its login, its Lease and its safe points. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass

from .._errors import RunbookError
from .._module import ArgumentSpec
from .._run import Progress, check_run_id, new_run_id
from .._run_options import cluster_uid, controller, progress_argument_spec, stop_and_progress
from .client import ApiLogin, ApiSettings
from .lease import LeaseName, held_lease, process_of
from .options import login_argument_spec, login_options


def run_argument_spec() -> ArgumentSpec:
    """The options of such a step; in step with doc_fragments/_k8s.py."""
    own = ArgumentSpec(
        {
            "namespace": {"type": "str", "required": True},
            "run_id": {"type": "str", "default": ""},
            "lease": {"type": "str", "default": ""},
        }
    )
    return own.merge(login_argument_spec()).merge(progress_argument_spec())


def api_login(params: t.Mapping[str, t.Any], run_id: str, *, dry_run: bool = False) -> ApiLogin:
    """Return the login of a module's run; its requests carry the run's id in their User-Agent."""
    login = ApiLogin(ApiSettings(**login_options(params)), f"market_intel.runbooks/{run_id}", dry_run=dry_run)
    login.cluster = cluster_uid(params)
    return login


@dataclass(frozen=True)
class ClusterRun:
    """``check`` raises, at a safe point, if the run is to stop or has lost its Lease."""

    run_id: str
    login: ApiLogin
    check: t.Callable[[], None]
    progress: Progress


@contextlib.contextmanager
def cluster_run(params: t.Mapping[str, t.Any], runbook: str, *, check_mode: bool) -> t.Iterator[ClusterRun]:
    """Log in, and hold the Lease while the block works; an error carries the run's id."""
    run_id = check_run_id(params["run_id"] or new_run_id(runbook))
    stop, progress = stop_and_progress(params)
    login = api_login(params, run_id, dry_run=check_mode)
    lease = LeaseName(params["namespace"], params["lease"]) if params["lease"] else None
    try:
        with held_lease(login, lease, run_id, process=process_of(controller(params))) as keeper:

            def check() -> None:
                stop.check()
                keeper.check()

            yield ClusterRun(run_id, login, check, progress)
    except RunbookError as exc:
        exc.run_id = run_id
        raise
