# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inspection from inside: what is requested, what became of it, and what all ways into a pod need. PRIVATE."""

from __future__ import annotations

import os
import shlex
import typing as t
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from .._errors import RunbookError, as_clause
from .._k8s.client import ApiError, ApiLogin, Object, Right
from .._run import make_private_directory
from .._time import parse_time, rfc3339, span
from . import pcap
from .collector import EXPIRES, REQUEST, SESSION, Collection, parse
from .reads import SharedReads
from .redact import Redactor
from .security import Profile
from .statuses import container_statuses
from .target import Chosen

# What a capture may lack of the seconds that were asked for, and the bytes that a packet of it may have.
_CAPTURE_TOLERANCE, _LARGEST_PACKET = 0.5, 144
# How much of what a command prints is kept.
MOST_LINES = 1000
# The kubelet's own words instead of an output.
_NO_LOG = "unable to retrieve container logs"
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


@dataclass(frozen=True)
class CleanupRequest:
    """Where to look, in all namespaces if none is named, and for which runs, for all of them if none is named.

    With ``force``, what is live is ended, too.
    """

    namespaces: Sequence[str] = ()
    runs: Sequence[str] = ()
    force: bool = False


@dataclass
class Session:
    """What became of one target; ``mode`` is the way that was taken, ``report`` if none was.

    ``state`` is planned, collected, partial, live or none. ``rejected`` are pairs of a profile and why it was not
    taken. ``same_as`` is the earlier target that is the same pod, whose session this is. ``kind`` and ``name`` are
    those of the container or Job, in ``place``, the namespace. ``beside`` says whether the container's processes are
    seen. ``own_command`` says that an operator's command runs instead of the collector, and ``exit_code`` how it ended.
    """

    asked: str
    pod: str = ""
    uid: str = ""
    why: str = ""
    same_as: str = ""
    container: str = ""
    mode: str = REPORT
    state: str = "none"
    kind: str = ""
    name: str = ""
    place: str = ""
    beside: bool = False
    own_command: bool = False
    exit_code: int | None = None
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

    @property
    def has_shell(self) -> bool:
        """Whether a shell waits there, or would."""
        return self.state in ("live", "planned")

    def to_plain(self) -> dict[str, t.Any]:
        rejected = [{"profile": profile, "reason": reason} for profile, reason in self.rejected]
        return {**self.__dict__, "rejected": rejected}


@dataclass(frozen=True)
class SessionContext:
    """What every way into a pod needs to start a session at one target; ``reads`` are shared with other targets."""

    login: ApiLogin
    reads: SharedReads
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
        """Return the environment of the session's container."""
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
        """How many seconds the session's container is waited for, with the time that it captures."""
        capture = self.request.collection.capture
        return self.request.timeout + (capture.seconds if capture else 0)

    def shell_lines(self, where: str, pod: str, container: str) -> list[str]:
        """Return the lines that lead there: to the container's own shell, or to what its command prints, and to another
        shell beside it, whose end does not end the container.
        """
        # Only its environment tells kubectl of several files.
        several = os.pathsep in self.login.kubeconfig
        program = shlex.join(["env", f"KUBECONFIG={self.login.kubeconfig}", "kubectl"]) if several else "kubectl"
        file = "" if several else self.login.kubeconfig
        login = [("--kubeconfig", file), ("--context", self.login.context), ("-n", where)]
        options = [word for option, value in login if value for word in (option, value)]
        words = shlex.join([pod, "-c", container])
        # Only a container with a terminal can be attached to.
        own = "attach {} -it" if self.request.collection.interactive else "logs {} -f"
        return [
            f"{program} {own.format(shlex.join(options))} {words}",
            f"{program} exec {shlex.join([*options, '-it'])} {words} -- sh",
        ]

    def need_node(self) -> None:
        """Raise NotPossible if the pod's node starts nothing at the moment, as far as this login may know."""
        name = self.pod["spec"].get("nodeName")
        if not name:
            raise NotPossible("the pod is on no node yet")
        try:
            node = self.reads.find(f"get the node {name}", f"/api/v1/nodes/{name}")
        except ApiError:
            return
        if node is None:
            raise NotPossible(f"its node {name} is not there any more")
        conditions = (node.get("status") or {}).get("conditions") or []
        ready: Object = next((each for each in conditions if each["type"] == "Ready"), {"status": "True"})
        if ready["status"] == "True":
            return
        what = "does not answer" if ready["status"] == "Unknown" else "is not ready"
        since = parse_time(ready.get("lastTransitionTime"))
        message = as_clause(" ".join(str(ready.get("message") or "").split())[:200])
        words = [f"since {span((self.login.now() - since).total_seconds())}" if since else "", message]
        raise NotPossible(f"its node {name} {what} ({': '.join(filter(None, words)) or ready.get('reason')})")

    def need(self, *rights: Right) -> None:
        """Raise NotPossible if the login lacks a right, before anything is touched."""
        missing = self.reads.missing_rights(rights)
        if missing:
            raise NotPossible(f"this login has no right to {', '.join(map(str, missing))}")

    def first_accepted(self, ladder: Sequence[Profile], attempt: Callable[[Profile], None]) -> list[Profile]:
        """Return the profiles from the first on that the API server takes in a dry run; others are noted with why."""
        for place, profile in enumerate(ladder):
            try:
                attempt(profile)
            except ApiError as exc:
                if exc.status not in (400, 403, 422):
                    raise
                self.session.rejected.append((profile.name, refusal(exc)))
            else:
                return list(ladder[place:])
        raise NotPossible(
            "the API server takes no profile: " + "; ".join(": ".join(one) for one in self.session.rejected)
        )

    def take_in(self, text: str, cut: str = "") -> None:
        """Keep what the collector printed, without what looks like a secret; ``cut`` says why it is not all of it."""
        redactor = Redactor()
        sections = parse(text)
        self._take_packets(sections)
        complete, begun = bool(sections.pop("end", None)), "begin" in sections
        self.session.state = "collected" if complete else "partial" if begun else "none"
        if not complete:
            last = next((line for line in reversed(sections.get("other", [])) if line.strip()), "it printed nothing")
            if begun:
                why = "the collector did not get to its end, so that its figures may be incomplete"
            elif last.startswith(_NO_LOG):
                why = "its node does not have the output of the collector any more"
            else:
                why = f"the collector did not begin: {redactor.text(last)[:200]}"
            self.session.degraded.append(cut or why)
        self.session.sections = {name: redactor.text("\n".join(lines)).split("\n") for name, lines in sections.items()}
        self.session.redacted = dict(redactor.counts)

    def _take_packets(self, sections: dict[str, list[str]]) -> None:
        wanted = self.request.collection.capture
        packets, times = sections.pop("pcap", []), sections.pop("capture_time", [])
        if wanted is None or self.dry_run:
            return
        if packets and self.request.directory:
            folder = Path(self.request.directory)
            make_private_directory(folder)
            self.session.capture = pcap.save(folder, f"{self.request.run_id}-{self.number}.pcap", packets)
        last = ([line for line in sections.get("capture", []) if line.strip()] or ["tcpdump printed nothing"])[-1]
        if not self.session.capture:
            self.session.degraded.append(f"no packets were captured: {last[:200]}")
            return
        lasted = pcap.seconds(times)
        self.session.capture["seconds"] = lasted
        if lasted is None or lasted < wanted.seconds - _CAPTURE_TOLERANCE:
            full = self.session.capture["bytes"] >= wanted.max_bytes - _LARGEST_PACKET
            why = f"its {wanted.max_bytes:,} bytes (O(capture.max_bytes)) were full" if full else last[:200]
            length = "an unknown time" if lasted is None else f"{lasted:g} s"
            self.session.degraded.append(f"packets were captured for {length} instead of {wanted.seconds} s: {why}")

    def take_output(self, text: str, exit_code: int) -> None:
        """Keep what an operator's command printed, without what looks like a secret, and how it ended."""
        redactor = Redactor()
        self.session.state, self.session.exit_code = "collected", exit_code
        self.session.sections = {"output": redactor.text(text).splitlines()[-MOST_LINES:]}
        self.session.redacted = dict(redactor.counts)


def refusal(exc: ApiError) -> str:
    """Return what the API server said, without what we asked for."""
    return exc.server_message.partition("is forbidden: ")[2] or exc.server_message
