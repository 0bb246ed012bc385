# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them, in the execution environment: answers of a survey, artifacts, an approval, a cancellation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support import loss
from support.execution_environment import contents
from support.processes import wait_until
from support.runner import Jobs
from support.servers import RedisServer
from tools.tree import ROOT

KEYS = 400
ANSWERS = {
    "runbooks_hosts": "cache-eu-1",
    "flush_redis_names": "market-data",
    "flush_redis_patterns": None,
    "flush_redis_mode": "delete",
    "flush_redis_skip_prompt": True,
}
"""What the survey of the template gives: text, and null for what was left empty."""


@pytest.fixture(scope="module")
def bin_dir(collections: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    definition = ROOT / "execution-environment.yml"
    return contents(definition, collections, tmp_path_factory.mktemp("image")).environment("execution-environment")


@pytest.fixture
def cache(redis70: RedisServer) -> RedisServer:
    with redis70.client() as client:
        client.mset({f"market:data:{number}": "x" for number in range(KEYS)})
    return redis70


def jobs(bin_dir: Path, collections: Path, folder: Path, server: RedisServer, **settings: Any) -> Jobs:
    host = {
        "flush_redis_url": server.url,
        "flush_redis_accept_ephemeral_storage": True,
        "flush_redis_max_share": 1.0,
        "flush_redis_recovery_timeout": 0,
        "runbooks_backup_dir": str(folder / "backups"),
        "runbooks_reports_dir": str(folder / "reports"),
        **settings,
    }
    return Jobs(bin_dir, collections, folder, {"clusters": {"hosts": {"cache-eu-1": host}}})


def test_a_workflow_runs_in_production_the_plan_that_was_approved(
    bin_dir: Path, collections: Path, cache: RedisServer, tmp_path: Path
) -> None:
    production = {
        "runbooks_environment": "production",
        # As configure_awx has it in the inventory.
        "flush_redis_confirm": "{{ flush_redis[inventory_hostname].confirm | default('') }}",
    }
    template = jobs(bin_dir, collections, tmp_path, cache, **production)
    refused = template.run("flush_redis", ANSWERS)
    assert (refused.status, cache.client().dbsize()) == ("failed", KEYS)
    assert "the plan must be confirmed" in " ".join(refused.output.split())

    plan = template.run("flush_redis", ANSWERS, check=True)
    assert (plan.status, cache.client().dbsize()) == ("successful", KEYS)
    assert plan.artifacts["flush_redis"]["cache-eu-1"]["state"] == "planned"

    # AWX gives the artifacts of a node to those after it, as extra variables.
    done = template.run("flush_redis", {**ANSWERS, **plan.artifacts})
    assert (done.status, cache.client().dbsize()) == ("successful", 0), done.output
    published = done.artifacts["flush_redis"]["cache-eu-1"]
    assert (published["state"], "confirm" in published) == ("done", False)
    assert Path(published["report"]).is_file()


def test_a_cancelled_job_is_finished_by_the_same_launch(
    bin_dir: Path, collections: Path, cache: RedisServer, tmp_path: Path
) -> None:
    with jobs(bin_dir, collections, tmp_path, cache, flush_redis_rate_limit=40).start("flush_redis", ANSWERS) as job:
        wait_until(lambda: cache.client().dbsize() < KEYS, 60, "the first keys to be removed")
        job.cancel()
        cancelled = job.wait()
    assert cancelled.status == "canceled"
    left = cache.client().dbsize()
    assert 0 < left < KEYS
    (run,) = loss.runs_in(tmp_path / "backups")

    done = jobs(bin_dir, collections, tmp_path, cache).run("flush_redis", ANSWERS)
    assert (done.status, cache.client().dbsize()) == ("successful", 0), done.output
    assert f"{run.name} did not finish; this command continues it" in " ".join(done.output.split())
    with RedisServer() as scratch:
        assert len(loss.saved([run], scratch)) == KEYS
