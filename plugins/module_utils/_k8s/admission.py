# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the pods of a restart would be let in, by the quotas and limits of their namespace. PRIVATE."""

from __future__ import annotations

import typing as t

from .client import ApiError, ApiLogin, Object
from .consumers import Consumer, template_of
from .objects import collection
from .quantity import quantity
from .rollout_status import kept_pods, wanted_pods

_PLACES = (("/api/v1", "resourcequotas"), ("/api/v1", "limitranges"))
_COUNTS = ("pods", "count/pods")
_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def admission_reasons(login: ApiLogin, namespace: str, consumers: t.Sequence[Consumer]) -> tuple[list[str], list[str]]:
    """Return why new pods of some workloads would be refused, as sentences, and what could not be seen.

    Quotas with scopes, and what admission webhooks do, are not looked at.
    """
    found, unknown = [], []
    for place in _PLACES:
        try:
            found.append(login.items(f"list {place[1]} in {namespace}", collection(place, namespace)))
        except ApiError as exc:
            if exc.status != 403:
                raise
            found.append([])
            unknown.append(f"whether {place[1]} let new pods in, which takes the right to list them in {namespace}")
    quotas, limits = found
    reasons = [reason for each in consumers for reason in (*_over_quota(each, quotas), *_out_of_limits(each, limits))]
    return reasons, unknown


def _over_quota(consumer: Consumer, quotas: t.Sequence[Object]) -> t.Iterator[str]:
    # Where an old pod may end first, its share is free for the new one.
    if wanted_pods(consumer.kind, consumer.found) == 0 or kept_pods(consumer.kind, consumer.found) < wanted_pods(
        consumer.kind, consumer.found
    ):
        return
    needed = _needs(template_of(consumer.kind, consumer.found).get("spec") or {})
    for quota in quotas:
        spec, status = quota["spec"], quota.get("status") or {}
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        for resource, hard in (status.get("hard") or {}).items():
            used = (status.get("used") or {}).get(resource)
            if resource in needed and quantity(used) + needed[resource] > quantity(hard):
                yield (
                    f"{consumer.kind} {consumer.name} starts a new pod before an old one ends, and the quota "
                    f"{quota['metadata']['name']} has no room for it ({resource}: {used} of {hard} are used): "
                    "raise it, or let an old pod end first (maxUnavailable)."
                )


def _needs(spec: Object) -> dict[str, float]:
    """Return what one pod counts for, by the names that quotas have for it."""
    needs = dict.fromkeys(_COUNTS, 1.0)
    for kind in ("requests", "limits"):
        for resource in _RESOURCES:
            of_each = [_amount(each, kind, resource) for each in spec.get("containers") or []]
            of_init = [_amount(each, kind, resource) for each in spec.get("initContainers") or []]
            needs[f"{kind}.{resource}"] = max([sum(of_each), *of_init])
    needs.update({resource: needs[f"requests.{resource}"] for resource in _RESOURCES})
    return needs


def _out_of_limits(consumer: Consumer, ranges: t.Sequence[Object]) -> t.Iterator[str]:
    spec = template_of(consumer.kind, consumer.found).get("spec") or {}
    limits = [
        (each["metadata"]["name"], limit)
        for each in ranges
        for limit in each["spec"].get("limits") or []
        if limit.get("type") == "Container"
    ]
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        for name, limit in limits:
            for what in _breaches(container.get("resources") or {}, limit):
                yield (
                    f"{consumer.kind} {consumer.name} has the container {container['name']} with {what} of the "
                    f"LimitRange {name}, which refuses new pods with it: change one of them."
                )


def _breaches(resources: Object, limit: Object) -> t.Iterator[str]:
    for word, kind, sign in (("max", "limits", 1), ("min", "requests", -1)):
        for resource, bound in (limit.get(word) or {}).items():
            amount = (resources.get(kind) or {}).get(resource)
            if amount and sign * (quantity(amount) - quantity(bound)) > 0:
                yield f"{kind} of {amount} {resource}, beyond the {word} {bound}"


def _amount(container: Object, kind: str, resource: str) -> float:
    resources = container.get("resources") or {}
    given = (resources.get(kind) or {}).get(resource)
    # Without a request, the limit is the request.
    return quantity(given if given or kind == "limits" else (resources.get("limits") or {}).get(resource))
