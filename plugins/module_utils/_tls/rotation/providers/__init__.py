# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What issues certificates, behind one interface. PRIVATE to the collection."""

from __future__ import annotations

import typing as t

from ...._k8s.client import Object, Right
from ..target import CertRun, Target

Check = t.Callable[[], None]
Report = t.Callable[[int, int], None]
# The saved objects of each certificate, by their kinds.
Saved = t.Mapping[str, t.Mapping[str, Object]]


class Examination(t.NamedTuple):
    """What is known beforehand: why it cannot be done, what an operator should know, and what could not be seen."""

    problems: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    not_verified: tuple[str, ...] = ()


class Provider(t.Protocol):
    """One way to have certificates issued. Everything but ``rotate`` and ``restore`` only reads."""

    def rights(self, target: Target) -> list[Right]:
        """Return what the login at the API server has to be allowed for ``rotate`` and ``restore``."""

    def examine(self, targets: t.Sequence[Target], seconds: float) -> dict[str, Examination]:
        """Return what is known of each target; the run may take so many seconds."""

    def backup(self, target: Target) -> dict[str, Object]:
        """Return what has to be saved beside the Secret: objects by the name of their file."""

    def dry_run(self, target: Target) -> None:
        """Have the API server try the first write of ``rotate``; the login has to be one that only tries."""

    def rotate(self, targets: t.Sequence[Target], run: CertRun, check: Check, report: Report) -> None:
        """Have all of them issued and stored, each recorded in the run; finish what an earlier process has begun.

        Raises RunbookError where one of them fails. ``check`` may raise at a safe point.
        """

    def restore(self, targets: t.Sequence[Target], saved: Saved, run: CertRun, check: Check) -> None:
        """Put the old certificates back, so that they stay, each recorded in the run."""

    def why_not_restore(self, target: Target, backup: t.Mapping[str, Object], record: Object) -> str:
        """Return why the old certificate cannot or must not come back, empty if it may, by the run's record of it."""
