# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the revision of a pod has changed, where the pod is in trouble. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterator

from ..._k8s.client import Object
from ..._severity import INFO
from ..._time import ago, parse_time
from ..collector_output import Sections
from ..finding import Finding
from ..observed import REVISION, Facts
from .common import shorten

_RECENT_SECONDS = 7 * 86_400.0
# Parts of a container, and of a pod, that are named when they differ; of images, the values are told.
_PARTS = ("command", "args", "envFrom", "ports", "resources", "livenessProbe", "readinessProbe", "startupProbe")
_MORE_PARTS = ("volumeMounts", "securityContext", "lifecycle")
_OF_POD = (
    "nodeSelector",
    "affinity",
    "tolerations",
    "serviceAccountName",
    "securityContext",
    "volumes",
    "priorityClassName",
)


def last_revision(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    """What the ReplicaSet of the pod has that the one before had not."""
    owners = {each["kind"]: each for each in facts.owners}
    if not facts.revisions or not {"ReplicaSet", "Deployment"} <= owners.keys():
        return
    current, deployment = owners["ReplicaSet"], owners["Deployment"]["metadata"]["name"]
    before = [each for each in facts.revisions if number_of(each) < number_of(current)]
    created = parse_time(current["metadata"].get("creationTimestamp"))
    if not before or created is None or (facts.now - created).total_seconds() > _RECENT_SECONDS:
        return
    changes = _changes(max(before, key=number_of), current)
    if changes:
        yield Finding(
            "changed",
            INFO,
            f"revision {number_of(current)} of deployment/{deployment}, first made {ago(created, facts.now)}, changed "
            f"{shorten(', '.join(changes), 240)}",
            f"compared with revision {number_of(max(before, key=number_of))}",
            f"if the trouble came with it, take it back (kubectl rollout undo deployment/{deployment} -n "
            f"{facts.namespace})",
        )


def number_of(replicaset: Object) -> int:
    return int((replicaset["metadata"].get("annotations") or {}).get(REVISION) or 0)


def _changes(before: Object, after: Object) -> list[str]:
    old, new = (each["spec"]["template"]["spec"] for each in (before, after))
    earlier = {each["name"]: each for each in old["containers"]}
    found = []
    for container in new["containers"]:
        name, other = container["name"], earlier.pop(container["name"], None)
        if other is None:
            found.append(f"container {name} (new)")
            continue
        if container.get("image") != other.get("image"):
            found.append(f"the image of {name} from {other.get('image')} to {container.get('image')}")
        found += [f"{part} of {name}" for part in (*_PARTS, *_MORE_PARTS) if container.get(part) != other.get(part)]
        variables = [{each["name"]: each for each in one.get("env") or []} for one in (other, container)]
        names = sorted(
            key for key in {**variables[0], **variables[1]} if variables[0].get(key) != variables[1].get(key)
        )
        found += [f"variables {', '.join(names)} of {name}"] if names else []
    found += [f"container {name} (removed)" for name in earlier]
    return found + [part for part in _OF_POD if old.get(part) != new.get(part)]
