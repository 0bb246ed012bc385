# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look from inside: what is asked, what became of it, and what all ways into a pod need. PRIVATE."""

from __future__ import annotations

import shlex
import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from .._errors import RunbookError
from .._k8s.client import ApiLogin, ApiRefused, Object, Right
from .._run import make_private_directory, rfc3339
from . import pcap
from .collector import EXPIRES, REQUEST, SESSION, Collection, parse
from .redact import Redactor
from .security import Profile
from .statuses import container_statuses
from .target import Chosen

AUTO, REPORT, EPHEMERAL, COPY, NODE = MODES = ("auto", "report", "ephemeral", "copy", "node")


class NotPossible(RunbookError):
    """A way into the pod is closed; the message is a part of a sentence."""


class PodGone(RunbookError):
    """The pod went away meanwhile."""


@dataclass(frozen=True)
class DebugRequest:
    """What is asked of each target. Times are seconds; ``directory`` is where captured packets go."""

    run_id: str
    namespace: str
    mode: str
    image: str
    ttl: int
    collection: Collection
    container: str = ""
    privileged: bool = False
    reuse_age: int = 300
    max_ephemeral: int = 10
    force: bool = False
    timeout: float = 60.0
    directory: str = ""
    node_namespace: str = "sre-debug"
    copy_command: Sequence[str] = ()
    image_pull_policy: str = "IfNotPresent"


@dataclass
class Session:
    """What became of one target; ``mode`` is the way that was taken, ``report`` if none was.

    ``state`` is planned, collected, partial, live or none. ``rejected`` are pairs of a profile and why it was not
    taken. ``kind`` and ``name`` are those of the container or Job, in ``place``, the namespace. ``beside`` says whether
    the container's processes are seen.
    """

    asked: str
    pod: str = ""
    uid: str = ""
    why: str = ""
    container: str = ""
    mode: str = REPORT
    state: str = "none"
    kind: str = ""
    name: str = ""
    place: str = ""
    beside: bool = False
    profile: str = ""
    limits: str = ""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    reused: bool = False
    changed: bool = False
    expires_at: str = ""
    commands: list[str] = field(default_factory=list)
    sections: dict[str, list[str]] = field(default_factory=dict)
    redacted: dict[str, int] = field(default_factory=dict)
    capture: dict[str, t.Any] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_plain(self) -> dict[str, t.Any]:
        rejected = [{"profile": profile, "reason": reason} for profile, reason in self.rejected]
        return {**self.__dict__, "rejected": rejected}


@dataclass(frozen=True)
class Visit:
    """One target on its way: what all ways into a pod need."""

    login: ApiLogin
    request: DebugRequest
    chosen: Chosen
    session: Session
    check: Callable[[], None]
    number: int
    dry_run: bool

    @property
    def pod(self) -> Object:
        return self.chosen.pod

    @property
    def pod_path(self) -> str:
        return f"/api/v1/namespaces/{self.request.namespace}/pods/{self.chosen.name}"

    def variables(self, name: str) -> list[Object]:
        """Return the environment of a debug container."""
        status = self.pod.get("status") or {}
        ids = {each["name"]: each.get("containerID", "") for each in container_statuses(self.pod)}
        values = {
            "TARGET_POD": self.chosen.name,
            "TARGET_POD_IP": status.get("podIP", ""),
            "TARGET_CONTAINER": self.session.container,
            "CONTAINER_ID": ids.get(self.session.container, "").rpartition("/")[2],
            SESSION: name,
            REQUEST: self.digest,
            EXPIRES: rfc3339(self.expires),
            "EXPIRES_EPOCH": str(int(self.expires.timestamp())),
            **self.request.collection.variables(),
            "SERVER_NAME": self.chosen.name,
        }
        return [{"name": key, "value": value} for key, value in values.items()]

    @property
    def digest(self) -> str:
        more = (self.session.container, self.request.image, str(self.request.privileged), *self.request.copy_command)
        return self.request.collection.digest(*more)

    @property
    def expires(self) -> datetime:
        return self.login.now() + timedelta(seconds=self.request.ttl)

    @property
    def patience(self) -> float:
        """How many seconds a debug container is waited for, with the time that it captures."""
        capture = self.request.collection.capture
        return self.request.timeout + (capture.seconds if capture else 0)

    def shell_lines(self, where: str, pod: str, container: str) -> list[str]:
        """Return the lines that bring a shell: the first ends the container when it ends, the second does not."""
        login = [("--kubeconfig", self.login.kubeconfig), ("--context", self.login.context), ("-n", where)]
        options = [word for option, value in login if value for word in (option, value)]
        words = shlex.join([*options, "-it", pod, "-c", container])
        return [f"kubectl attach {words}", f"kubectl exec {words} -- sh"]

    def need(self, *rights: Right) -> None:
        """Raise NotPossible if the login lacks a right, before anything is touched."""
        missing = self.login.missing_rights(rights)
        if missing:
            raise NotPossible(f"this login has no right to {', '.join(map(str, missing))}")

    def first_accepted(self, ladder: Sequence[Profile], attempt: Callable[[Profile], None]) -> list[Profile]:
        """Return the profiles from the first on that the API server takes in a dry run; others are noted with why."""
        for place, profile in enumerate(ladder):
            try:
                attempt(profile)
            except ApiRefused as exc:
                if exc.status not in (400, 403, 422):
                    raise
                self.session.rejected.append((profile.name, refusal(exc)))
            else:
                return list(ladder[place:])
        raise NotPossible(
            "the API server takes no profile: " + "; ".join(": ".join(one) for one in self.session.rejected)
        )

    def take_in(self, text: str) -> None:
        """Keep what the collector printed, without what looks like a secret."""
        redactor = Redactor()
        sections = parse(text)
        packets = sections.pop("pcap", [])
        if packets and self.request.directory and not self.dry_run:
            folder = Path(self.request.directory)
            make_private_directory(folder)
            self.session.capture = pcap.save(folder, f"{self.request.run_id}-{self.number}.pcap", packets)
        if self.request.collection.capture and not self.session.capture and not self.dry_run:
            why = ([line for line in sections.get("capture", []) if line.strip()] or ["tcpdump said nothing"])[-1]
            self.session.degraded.append(f"no packets were captured: {why[:200]}")
        complete = bool(sections.pop("end", None))
        self.session.state = "collected" if complete else "partial"
        if not complete:
            self.session.degraded.append("the collector did not get to its end, so that its figures may be incomplete")
        self.session.sections = {name: redactor.text("\n".join(lines)).split("\n") for name, lines in sections.items()}
        self.session.redacted = dict(redactor.counts)


def refusal(exc: ApiRefused) -> str:
    """Return what the API server said, without what we asked for."""
    return exc.said.partition("is forbidden: ")[2] or exc.said
