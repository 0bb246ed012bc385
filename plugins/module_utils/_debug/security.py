# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rights an ephemeral container is given, from the most to the least useful. PRIVATE to the collection.

The profiles of ``kubectl debug`` leave the user to the pod, so that they fail in pods with ``runAsNonRoot`` and cannot
capture as another user; here the user is part of each.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._k8s.client import Object
from .._k8s.objects import container_named

# Nobody's user id, as distroless images use it.
NOBODY = 65532


@dataclass(frozen=True)
class Profile:
    """A securityContext by a name; ``limits`` says what a container with it cannot do, as a part of a sentence."""

    name: str
    context: t.Mapping[str, t.Any]
    limits: str = ""


def profiles(pod: Object, container: str, *, privileged: bool) -> list[Profile]:
    """Return the profiles for an ephemeral container beside a container of a pod, the most useful first."""
    root = {"runAsUser": 0, "runAsNonRoot": False}
    ladder = [Profile("privileged", {"privileged": True, **root})] if privileged else []
    ladder.append(
        Profile(
            "netadmin",
            {**root, "capabilities": {"add": ["NET_ADMIN", "NET_RAW", "SYS_PTRACE"]}},
        )
    )
    ladder.append(
        Profile("baseline", root, "files and cgroup figures of processes of other users cannot be read"),
    )
    ladder.append(
        Profile(
            "restricted",
            {
                "runAsUser": _user_of(pod, container),
                "runAsNonRoot": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "no packets can be captured, and only processes of the same user can be read",
        )
    )
    return ladder


def _user_of(pod: Object, container: str) -> int:
    """Return the user id of a container, so that its processes can be read, or nobody's where it is root or unknown."""
    contexts = (container_named(pod, container).get("securityContext") or {}, pod["spec"].get("securityContext") or {})
    return next((int(each["runAsUser"]) for each in contexts if each.get("runAsUser")), NOBODY)
