# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real faults, all at once, and what one diagnosis of them says first; the table is that of `support/cases.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.audit import kubernetes_requests, kubernetes_writes
from support.cases import CASES, WELL
from support.lab import Lab
from support.ward import Judgement, Ward

pytestmark = pytest.mark.lab

LEAST_CASES, LEAST_WELL, LEAST_SHARE = 70, 20, 0.95
# What all targets of a call share is read once; of each are its pod, its owners, metrics and logs.
MOST_REQUESTS = 4


@pytest.fixture(scope="module")
def judgement(lab: Lab) -> Iterator[Judgement]:
    with Ward(lab) as ward:
        ward.settle()
        yield ward.judge()


def test_the_table_is_as_long_as_it_has_to_be() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= LEAST_CASES
    assert len(WELL) >= LEAST_WELL


def test_the_cause_and_the_next_step_come_first(judgement: Judgement) -> None:
    assert judgement.share >= LEAST_SHARE, "\n".join(judgement.missed)


@pytest.mark.parametrize("name", [case.name for case in CASES])
def test_the_cause_is_among_the_findings(judgement: Judgement, name: str) -> None:
    (found,) = (each for each in judgement.cases if each.case.name == name)
    assert found.points, found.diagnosis["findings"]


def test_what_is_well_gets_no_warning(judgement: Judgement) -> None:
    assert judgement.false_alarms == []


def test_no_fault_is_called_well(judgement: Judgement) -> None:
    assert judgement.false_all_clears == []


def test_what_targets_share_is_read_once_and_nothing_is_written(judgement: Judgement, lab: Lab) -> None:
    log = lab.state / "audit" / "kubernetes.log"
    requests = [len(kubernetes_requests(log, run_id)) for run_id in judgement.run_ids]
    assert sum(requests) <= MOST_REQUESTS * (len(CASES) + len(WELL))
    assert [each for run_id in judgement.run_ids for each in kubernetes_writes(log, run_id)] == []
