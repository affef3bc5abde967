"""Which attempt is meant, and who serves its logs and results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from quarterdeck.api.context import ApiContext
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.ports.site import SiteFiles


def find_attempt(job: Job, number: int) -> Attempt | None:
    """The job's attempt of that number, or None."""
    return next((attempt for attempt in job.attempts if attempt.number == number), None)


def choose_attempt(job: Job, number: int | None) -> Attempt | None:
    """The attempt that was asked for, by default the latest; None while there is none at all.

    Raises `NotFound` for a number that the job has not reached.
    """
    if number is None:
        return job.attempt
    attempt = find_attempt(job, number)
    if attempt is None:
        raise NotFound(
            f"job {job.id} has no attempt {number}; it has had {len(job.attempts)}",
            field="attempt",
            hint="leave `attempt` out for the latest one",
        )
    return attempt


def check_node_rank(job: Job, node_rank: int) -> None:
    """Raises `NotFound` for a replica that the job does not have."""
    if node_rank >= job.spec.demand.nodes:
        raise NotFound(
            f"job {job.id} has {job.spec.demand.nodes} replicas; there is no number {node_rank}",
            field="node_rank",
            hint="they are numbered from 0",
        )


def site_files(context: ApiContext, attempt: Attempt) -> SiteFiles:
    """What serves the logs and results of an attempt. `Unavailable` for a site that is away."""
    files = context.files.get(attempt.site)
    if files is None:
        raise Unavailable(
            f"site {attempt.site} is not connected, and the files of attempt {attempt.number} are "
            "there",
            hint="try again when its agent is back",
        )
    return files
