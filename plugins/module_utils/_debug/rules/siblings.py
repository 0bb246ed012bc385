# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod among those that its owner has made. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterator

from ..._k8s.client import Object
from ..._k8s.objects import is_ready
from ..._severity import INFO, WARNING
from ..collector_output import Sections
from ..finding import Finding
from ..observed import Facts
from ..statuses import ENDED_PHASES, container_statuses


def static_pod(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    if "kubernetes.io/config.mirror" in (facts.pod["metadata"].get("annotations") or {}):
        yield Finding(
            "static_pod",
            INFO,
            "it is a static pod: the kubelet of its node runs it from a file, and deleting it here changes nothing",
            f"node {facts.pod['spec'].get('nodeName')}",
            "change it in the folder of static pods on its node",
        )


def image_drift(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    siblings, own = facts.siblings or [], _digests(facts.pod)
    drifted = [each["metadata"]["name"] for each in siblings if _digests(each) - own]
    if drifted and own:
        yield Finding(
            "image_drift",
            WARNING,
            f"{len(drifted)} of its {len(siblings)} siblings run another image",
            ", ".join(sorted(drifted)[:5]),
            "wait for the end of a rollout, or pin the image by its digest",
        )


def _digests(pod: Object) -> set[tuple[str, str]]:
    return {(each["name"], each["imageID"]) for each in container_statuses(pod) if each.get("imageID")}


def not_ready(facts: Facts, _sections: Sections) -> Iterator[Finding]:
    siblings = facts.siblings or []
    alive = [each for each in siblings if each["status"].get("phase") not in ENDED_PHASES]
    bad = [each["metadata"]["name"] for each in alive if not is_ready(each)]
    if bad:
        ready = is_ready(facts.pod)
        yield Finding(
            "siblings",
            WARNING if ready else INFO,
            f"{len(bad)} of its {len(siblings)} siblings are not ready{'' if ready else ' either'}",
            ", ".join(sorted(bad)[:5]),
            "trouble of all replicas comes from what they share: image, configuration, dependencies",
        )
