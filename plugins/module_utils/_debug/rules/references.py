# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Secrets and ConfigMaps that a pod needs: those that are missing, and those that have changed. PRIVATE."""

from __future__ import annotations

from collections.abc import Iterator

from ..._k8s.objects import is_ready
from ..._k8s.references import ENV, ENV_FROM, SECRET, references
from ..._severity import CRITICAL, INFO, WARNING
from ..._time import ago, parse_time
from ..collector_output import Sections
from ..finding import Finding
from ..observed import Facts, needed_objects
from .common import container_states
from .logs import complaints


def missing_references(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    needed = needed_objects(facts.pod)
    for kind, single in (("configmaps", "ConfigMap"), ("secrets", "Secret")):
        present = getattr(facts, kind)
        for name in sorted(needed[kind] - present.keys()) if present is not None else ():
            if is_ready(facts.pod):
                yield Finding(
                    "missing_reference",
                    WARNING,
                    f"the {single} {name} that the pod was started with does not exist any more: no pod can be started "
                    "with it",
                    f"namespace {facts.namespace} has none of that name; what runs keeps what it has read",
                    f"create the {single} again, before a restart or a rollout needs it",
                )
                continue
            yield Finding(
                "missing_reference",
                CRITICAL,
                f"the {single} {name} that the pod needs does not exist",
                f"namespace {facts.namespace} has none of that name",
                f"create the {single}, or correct the name in the pod's template; the pod then starts by itself",
            )


def stale_environment(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """Variables of a Secret or ConfigMap that has changed since the container was started."""
    for name, status, is_init in container_states(facts):
        started = parse_time(((status.get("state") or {}).get("running") or {}).get("startedAt"))
        if is_init or started is None:
            continue
        for each in references(facts.pod["spec"], ephemeral=False):
            present = (facts.secrets if each.kind == SECRET else facts.configmaps) or {}
            changed = present.get(each.name)
            if each.container != name or each.way not in (ENV, ENV_FROM) or changed is None or changed <= started:
                continue
            refused = any(cause and cause.kind == "authentication" for _group, cause in complaints(facts, name))
            yield Finding(
                "stale_environment",
                CRITICAL if refused else INFO,
                f"the {each.kind} {each.name} has changed since container {name} was started, which has its values of "
                f"before" + (" and is refused for its credentials" if refused else ""),
                f"changed {ago(changed, facts.now)}, started {ago(started, facts.now)}",
                "restart its pods (kubectl rollout restart): variables are read only at the start",
            )
            break
