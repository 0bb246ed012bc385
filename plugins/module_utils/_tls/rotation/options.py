# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules that rotate certificates; in step with doc_fragments/_certificates.py. PRIVATE."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ..._errors import InvalidInput
from ..._k8s.run import ClusterRun, cluster_run, run_argument_spec
from ..._module import ArgumentSpec
from ..._run import absolute_directory, folder_failed, new_run_id, refuse_ephemeral, refuse_unwritable
from ..._run_options import controller
from ..._time import read_time
from ..._vault.options import vault_argument_spec, vault_login
from ..threshold import Threshold
from .catalogue import METHODS, RotateRequest, choose, read_catalogue
from .gate import GateSettings
from .plan import FOLDER, Context
from .providers.vault import VaultPlaces

RUNBOOK = "rotate_certs"


def run_options() -> ArgumentSpec:
    """Return the options of every step: the login, the run and where its backup is."""
    own = ArgumentSpec(
        {
            "certificates": {"type": "list", "elements": "dict", "required": True},
            "backup_dir": {"type": "path", "required": True},
            "backup_password": {"type": "str", "no_log": True},
            "backup_encrypt": {"type": "bool", "default": True},
            "accept_ephemeral_storage": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 300.0},
        }
    )
    return own.merge(run_argument_spec()).merge(vault_argument_spec(issues=True))


def request_options() -> ArgumentSpec:
    """Return the options that say what is to be rotated."""
    return ArgumentSpec(
        {
            "names": {"type": "list", "elements": "str", "default": []},
            "method": {"type": "str", "choices": list(METHODS), "default": METHODS[0]},
            "min_remaining": {"type": "str", "default": "30%"},
            "issued_before": {"type": "str", "default": ""},
            "force": {"type": "bool", "default": False},
            "restart": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "allow_downtime": {"type": "bool", "default": False},
            "overrides": {"type": "dict", "default": {}},
            "canary": {"type": "str", "default": "none"},
            "serial": {"type": "int", "default": 1},
            "allow_names_removed": {"type": "list", "elements": "str", "default": []},
            "allow_extensions_removed": {"type": "list", "elements": "str", "default": []},
            "allow_issuer_change": {"type": "bool", "default": False},
            "max_lifetime_loss": {"type": "float", "default": 0.2},
        }
    )


def rotate_request(params: t.Mapping[str, t.Any]) -> RotateRequest:
    entries = read_catalogue(params["certificates"])
    if params["force"] and params["issued_before"]:
        raise InvalidInput(
            "Both O(force) and O(issued_before) are given, and the first means issued before this run began; leave "
            "one out."
        )
    if not 0 <= params["max_lifetime_loss"] <= 1:
        raise InvalidInput(
            f"O(max_lifetime_loss) is {params['max_lifetime_loss']}; allowed is a share of the lifetime, from 0 to 1."
        )
    if params["serial"] < 1:
        raise InvalidInput(f"O(serial) is {params['serial']}; allowed is 1 or more: so many workloads at once.")
    return RotateRequest(
        namespace=params["namespace"],
        entries=choose(entries, params["names"]),
        named=tuple(params["names"]),
        method=params["method"],
        min_remaining=Threshold.parse(params["min_remaining"], "O(min_remaining)"),
        issued_before=read_time(params["issued_before"], "O(issued_before)") if params["issued_before"] else None,
        gate=GateSettings(
            allow_names_removed=tuple(params["allow_names_removed"]),
            allow_extensions_removed=tuple(params["allow_extensions_removed"]),
            allow_issuer_change=params["allow_issuer_change"],
            max_lifetime_loss=params["max_lifetime_loss"],
        ),
    )


@contextlib.contextmanager
def certificate_run(
    params: dict[str, t.Any], *, check_mode: bool, reads: bool = False
) -> t.Iterator[tuple[Context, ClusterRun]]:
    """Log in at the API server and, where a token is given, at Vault; hold the Lease while the block works.

    What only ``reads`` a backup may have it anywhere.
    """
    base = absolute_directory(params["backup_dir"], "O(backup_dir)")
    if not reads:
        if not params["accept_ephemeral_storage"]:
            refuse_ephemeral(base, "O(backup_dir)", "O(accept_ephemeral_storage)")
        refuse_unwritable(base / FOLDER)
    if params.get("keep", 0) < 0:
        raise InvalidInput(
            f"O(keep) is {params['keep']}; allowed is 0, which keeps all, or the number of runs to keep."
        )
    params["run_id"] = params["run_id"] or new_run_id(RUNBOOK)
    try:
        with cluster_run(params, RUNBOOK, check_mode=check_mode) as run:
            yield _context(params, base, run), run
    except OSError as exc:
        raise folder_failed(base / FOLDER, exc) from exc


def _context(params: t.Mapping[str, t.Any], base: Path, run: ClusterRun) -> Context:
    vault = params["vault"] or {}
    given = ("pki_mount", "pki_role", "kv_mount", "kv_prefix", "ttl")
    places = VaultPlaces(**{name: vault[name] for name in given if name in vault})
    Threshold.parse(places.ttl, "O(vault.ttl)")
    return Context(
        login=run.login,
        # Without a token, nothing is asked of Vault.
        vault=vault_login(vault, f"market_intel.runbooks/{run.run_id}") if vault.get("token") else None,
        places=places,
        backup_dir=base,
        password=(params["backup_password"] or "") if params["backup_encrypt"] else "",
        encrypted=params["backup_encrypt"],
        timeout=params["timeout"],
        restart=params.get("restart", "auto"),
        allow_downtime=params.get("allow_downtime", False),
        overrides=params.get("overrides") or {},
        canary=params.get("canary", "none"),
        namespace=params["namespace"],
        lease=params["lease"],
        run_id=run.run_id,
        controller=controller(params),
        guard_namespace=params.get("guard_namespace", ""),
    )
