# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How urgent a certificate is, as pure functions of its dates and of who renews it. PRIVATE to the collection."""

from __future__ import annotations

import fnmatch
import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..._errors import InvalidInput
from ..._severity import CRITICAL, WARNING
from ..._time import DAY, HOUR, read_end, rfc3339, span
from ..threshold import Threshold, shortest

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Limits:
    """How much life has to be left; of several thresholds the shortest holds.

    ``managed_warning`` and ``managed_critical`` are None where the renewal's own times decide, ``grace`` is how late a
    renewal may be before it is a warning.
    """

    warning: tuple[Threshold, ...] = (Threshold(30 * DAY), Threshold(1 / 3, True))
    critical: tuple[Threshold, ...] = (Threshold(7 * DAY), Threshold(1 / 10, True))
    grace: Threshold | None = None
    authority_warning: tuple[Threshold, ...] = (Threshold(180 * DAY), Threshold(1 / 2, True))
    managed_warning: Threshold | None = None
    managed_critical: Threshold | None = None


class Finding(t.NamedTuple):
    """What is wrong with a certificate; ``code`` is for programs."""

    severity: str
    code: str
    text: str


class Life(t.NamedTuple):
    """From when to when something is valid."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Renewal:
    """What the controller says that renews a certificate; times are None where it says nothing."""

    ready: bool
    reason: str = ""
    issuing: bool = False
    renewal_time: datetime | None = None
    last_failure: datetime | None = None


def judge_unmanaged(life: Life, now: datetime, limits: Limits) -> list[Finding]:
    """Judge a certificate that nobody renews by itself."""
    return _invalid_now(life, now) or _too_short(
        life, now, shortest(limits.warning, life.seconds), shortest(limits.critical, life.seconds)
    )


def judge_managed(life: Life, renewal: Renewal, now: datetime, limits: Limits) -> list[Finding]:
    """Judge a certificate by how its renewal goes: that little life is left is normal shortly before it."""
    found = judge_renewal(renewal)
    invalid = _invalid_now(life, now)
    if invalid:
        return [*invalid, *found]
    # Without a time of its own, cert-manager renews when a third of the lifetime is left.
    renewal_time = renewal.renewal_time or life.end - timedelta(seconds=life.seconds / 3)
    window = (life.end - renewal_time).total_seconds()
    late = (now - renewal_time).total_seconds()
    if late > _grace(limits, life.seconds, window):
        found.append(Finding(WARNING, "renewal-overdue", f"its renewal is overdue by {span(late)}"))
    critical = limits.managed_critical.seconds(life.seconds) if limits.managed_critical else min(7 * DAY, window / 2)
    if found:
        critical = max(critical, life.seconds / 6)
    warning = limits.managed_warning.seconds(life.seconds) if limits.managed_warning else 0.0
    return [*_too_short(life, now, warning, critical), *found]


def judge_renewal(renewal: Renewal) -> list[Finding]:
    """Judge the state of the renewal alone."""
    found = []
    if not renewal.ready:
        found.append(
            Finding(WARNING, "not-ready", f"cert-manager says it is not ready ({renewal.reason or 'no reason'})")
        )
    if renewal.last_failure:
        found.append(
            Finding(WARNING, "renewal-failing", f"its last issuance failed at {rfc3339(renewal.last_failure)}")
        )
    return found


def judge_authority(
    life: Life, now: datetime, limits: Limits, leaves: t.Sequence[tuple[str, Life]] = ()
) -> list[Finding]:
    """Judge an authority against those that it has signed, which are named: they need it until they end themselves."""
    invalid = _invalid_now(life, now)
    if invalid:
        return invalid
    outliving = [name for name, leaf in leaves if leaf.end > life.end and leaf.end > now]
    longest = max((leaf.seconds for _name, leaf in leaves), default=0.0)
    found = []
    if outliving:
        more = f" and {len(outliving) - 3:,} more" if len(outliving) > 3 else ""
        text = f"it ends before what it has signed ({', '.join(outliving[:3])}{more})"
        found.append(Finding(CRITICAL, "outlived", text))
    warning = max(shortest(limits.authority_warning, life.seconds), longest)
    return [*_too_short(life, now, warning, shortest(limits.critical, life.seconds)), *found]


def _grace(limits: Limits, lifetime: float, window: float) -> float:
    if limits.grace:
        return limits.grace.seconds(lifetime)
    # An hour is all that a certificate of some hours has left by then.
    return min(max(HOUR, 0.02 * lifetime), window / 4)


def _invalid_now(life: Life, now: datetime) -> list[Finding]:
    if life.end <= now:
        return [Finding(CRITICAL, "expired", f"it expired {span((now - life.end).total_seconds())} ago")]
    if life.start > now:
        text = f"it becomes valid only in {span((life.start - now).total_seconds())}"
        return [Finding(CRITICAL, "not-yet-valid", text)]
    return []


def _too_short(life: Life, now: datetime, warning: float, critical: float) -> list[Finding]:
    remaining = (life.end - now).total_seconds()
    for severity, limit in ((CRITICAL, critical), (WARNING, warning)):
        if remaining < limit:
            return [Finding(severity, "expires-soon", f"it expires in {span(remaining)} (limit {span(limit)})")]
    return []


@dataclass(frozen=True)
class Mute:
    """Says that findings about what matches are known, until a date and for a reason."""

    match: str
    until: datetime
    reason: str

    @classmethod
    def parse(cls, data: t.Mapping[str, t.Any], option: str) -> Mute:
        """Read ``{match, until, reason}``, all of which are needed; raise InvalidInput."""
        match, reason = str(data.get("match") or "").strip(), str(data.get("reason") or "").strip()
        if not match or not reason or not data.get("until"):
            raise InvalidInput(
                f"{option} needs match (a glob of namespace/name, or a fingerprint), until (a date) and reason; "
                "a mute without an end or a reason is not allowed."
            )
        digits = match.replace(":", "").lower()
        return cls(
            digits if _FINGERPRINT.fullmatch(digits) else match, read_end(data["until"], f"{option}.until"), reason
        )

    def covers(self, place: str, fingerprint: str) -> bool:
        """Tell whether it is meant by ``namespace/name``, or by its fingerprint."""
        return bool(fingerprint and self.match == fingerprint) or fnmatch.fnmatchcase(place, self.match)


@dataclass(frozen=True)
class Override:
    """Other limits for what matches a glob of ``namespace/name``, whoever renews it."""

    match: str
    warning: Threshold | None = None
    critical: Threshold | None = None

    @classmethod
    def parse(cls, data: t.Mapping[str, t.Any], option: str) -> Override:
        """Read ``{match, warning, critical}``; raise InvalidInput."""
        match = str(data.get("match") or "").strip()
        given = {name: data[name] for name in ("warning", "critical") if data.get(name)}
        if not match or not given:
            raise InvalidInput(f"{option} needs match (a glob of namespace/name), and warning or critical.")
        return cls(match, **{name: Threshold.parse(text, f"{option}.{name}") for name, text in given.items()})

    def covers(self, place: str) -> bool:
        return fnmatch.fnmatchcase(place, self.match)

    def apply(self, limits: Limits) -> Limits:
        return Limits(
            warning=(self.warning,) if self.warning else limits.warning,
            critical=(self.critical,) if self.critical else limits.critical,
            grace=limits.grace,
            authority_warning=(self.warning,) if self.warning else limits.authority_warning,
            managed_warning=self.warning or limits.managed_warning,
            managed_critical=self.critical or limits.managed_critical,
        )
