# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a name or of labels that nothing has: where it is instead, or what is closest. PRIVATE."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from .._k8s.client import METADATA_LIST, ApiError, ApiLogin, Object
from .._k8s.objects import collection

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job")
_MOST = 3
_PAIR = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_./]*)==?([-A-Za-z0-9_.]+)")

Places = Mapping[str, tuple[str, str]]


def advice_for_name(login: ApiLogin, namespace: str, kind: str, name: str, places: Places) -> str:
    """Return what to do about a name that nothing of a kind has, as a part of a sentence.

    It may be that of a workload of another kind, or that of a pod whose workload has made others since; it may be in
    another namespace; or it may be mistyped.
    """
    own = next(each for each in places if each.lower() == kind)
    if own == "Node":
        return _closest(login, places[own][0] + "/nodes", name) or "list those that exist (kubectl get nodes)"
    there: list[tuple[int, str]] = []
    for other in _WORKLOADS:
        for each in _metadata(login, collection(places[other], namespace)):
            its = each["name"]
            if other != own and (its == name or (own == "Pod" and name.startswith(f"{its}-"))):
                there.append((len(its), f"{other.lower()}/{its}"))
    if there:
        return f"name {max(there, key=lambda each: each[0])[1]}, which is there"
    kinds = list(dict.fromkeys((own, *_WORKLOADS))) if own in ("Pod", *_WORKLOADS) else [own]
    for other in kinds:
        api, plural = places[other]
        spaces = sorted(
            each["namespace"] for each in _metadata(login, f"{api}/{plural}", fieldSelector=f"metadata.name={name}")
        )
        if spaces:
            what = "it" if other == own else f"{other.lower()}/{name}"
            return f"{what} is in the namespace {' and in '.join(spaces[:_MOST])}: name that in O(namespace)"
    for other in kinds:
        prefix = "" if other == own else f"{other.lower()}/"
        if close := _closest(login, collection(places[other], namespace), name, prefix):
            return close
    return f"list those that exist (kubectl get {places[own][1]} -n {namespace})"


def advice_for_labels(login: ApiLogin, namespace: str, selector: str) -> str:
    """Return what to do about a label selector that takes no pod: the values that its label has, the closest first."""
    usual = f"list those that exist (kubectl get pods -n {namespace} --show-labels)"
    pair = _PAIR.fullmatch(selector)
    if pair is None:
        return usual
    label, value = pair.groups()
    known = {
        str(each["labels"][label])
        for each in _metadata(login, collection(("/api/v1", "pods"), namespace))
        if label in (each.get("labels") or {})
    }
    close = difflib.get_close_matches(value, sorted(known), _MOST, 0.6)
    if close:
        labels = ", ".join(f"{label}={each}" for each in close)
        return f"the closest {'label is' if len(close) == 1 else 'labels are'} {labels}: correct it"
    return f"the label {label} has the values {', '.join(sorted(known)[:8])}" if known else usual


def _closest(login: ApiLogin, path: str, name: str, prefix: str = "") -> str:
    names = [each["name"] for each in _metadata(login, path)]
    close = [f"{prefix}{each}" for each in difflib.get_close_matches(name, names, _MOST, 0.6)]
    return (
        f"the closest {'name is' if len(close) == 1 else 'names are'} {', '.join(close)}: correct it" if close else ""
    )


def _metadata(login: ApiLogin, path: str, **query: str) -> list[Object]:
    """Return the metadata of the objects of a list, as far as this login may read them."""
    try:
        return [each["metadata"] for each in login.items("look for a name", path, accept=METADATA_LIST, **query)]
    except ApiError:
        return []
