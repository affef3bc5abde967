"""sacct and limits, on a real Slurm with a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.failures import Cause, SlurmRefused
from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurmdbd

SLEEP = BatchRequest("#!/bin/sh\nsleep 600\n", output="/dev/null", folder="/")


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    with running_slurm(ClusterOptions(nodes=2, has_accounting=True, min_job_age_s=2)) as made:
        yield made


@pytest.fixture
def commands(cluster: SlurmCluster) -> SlurmCommands:
    return SlurmCommands(config=cluster.config, programs=cluster.programs)


def test_a_job_that_the_controller_has_forgotten_is_in_the_accounting(
    cluster: SlurmCluster, commands: SlurmCommands
) -> None:
    request = replace(SLEEP, nodes=("n001", "n002"), gres="gpu:2", time_limit_s=600)
    name = "two\nlines|and more"
    told = cluster.submit("exit 3", f"--job-name={name}", "--comment=(a), b")
    failed = commands.submit(replace(request, script="#!/bin/sh\nexit 3\n", comment="qd:1"))
    stopped = commands.submit(request)
    cluster.wait_for_state(stopped, "RUNNING")
    commands.cancel([stopped])

    ids = [told, failed, stopped, 900_001]
    # The accounts hear of an end before they hear all of the start.
    cluster.wait_for(
        lambda: all(
            job.has_ended and job.name != "allocation" for job in commands.ended_jobs(ids).items
        ),
        "ends in the accounts",
    )
    listing = commands.ended_jobs(ids)
    assert listing.skipped == 0
    jobs = {job.id: job for job in listing.items}
    assert set(jobs) == {told, failed, stopped}
    assert (jobs[told].name, jobs[told].comment) == (name, "(a), b")
    job = jobs[failed]
    assert (job.state, job.exit_code, job.comment) == ("FAILED", 3, "qd:1")
    assert (job.nodes, job.time_limit_s, job.account) == (("n001", "n002"), 600, "lab")
    assert (job.tres["gres/gpu"], job.memory_bytes) == (4, 2000 << 20)
    assert job.started_s is not None
    assert job.ended_s is not None
    assert jobs[stopped].state == "CANCELLED"
    # And the controller does forget.
    cluster.wait_for(
        lambda: all(job.id != failed for job in commands.list_jobs().items), "forgetting"
    )


def test_unknown_accounts_and_limits_are_told_apart(
    cluster: SlurmCluster, commands: SlurmCommands
) -> None:
    with pytest.raises(SlurmRefused) as refused:
        commands.submit(replace(SLEEP, account="nobodys"))
    assert refused.value.cause is Cause.ACCOUNT
    with pytest.raises(SlurmRefused) as refused:
        commands.submit(replace(SLEEP, qos="nobodys"))
    assert refused.value.cause is Cause.QOS
    cluster.ask("sacctmgr", "-i", "modify", "account", "lab", "set", "maxsubmitjobs=0")

    refusals: list[SlurmRefused] = []

    def submit_until_refused() -> bool:
        """slurmdbd tells the controller a little later."""
        try:
            commands.cancel([commands.submit(replace(SLEEP, is_held=True))])
        except SlurmRefused as refusal:
            refusals.append(refusal)
        return bool(refusals)

    cluster.wait_for(submit_until_refused, "limit")
    assert refusals[0].cause is Cause.LIMIT
    assert "AssocMaxSubmitJobLimit" in refusals[0].message
