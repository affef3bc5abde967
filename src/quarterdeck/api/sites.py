"""Which attempt is meant, and who serves its logs and results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Invalid, NotFound, Unavailable
from quarterdeck.core.jobs.job import Attempt
from quarterdeck.core.jobs.states import AttemptState, JobState

if TYPE_CHECKING:
    from quarterdeck.api.context import ApiContext
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.metrics import SiteMetrics
    from quarterdeck.ports.site import SiteFiles


def find_attempt(job: Job, number: int) -> Attempt | None:
    """The job's attempt of that number, or None. Of a task that has gone on since, only the latest
    attempt is known."""
    kept = next((attempt for attempt in job.attempts if attempt.number == number), None)
    if kept is not None or job.tasks is None or number not in job.tasks.attempts:
        return kept
    return _latest_of_task(job, job.tasks.attempts.index(number))


def choose_attempt(job: Job, number: int | None, task: int | None = None) -> Attempt | None:
    """The attempt that was asked for, by default the latest of the job or of its task; None while
    there is none at all.

    Raises `NotFound` for a number that the job has not reached and for a task that it does not
    have, and `Invalid` for an array of which nobody said which task.
    """
    if number is not None:
        attempt = find_attempt(job, number)
        if attempt is None or task not in (None, attempt.task):
            of_task = "" if task is None else f" of task {task}"
            raise NotFound(
                f"job {job.id} has no attempt {number}{of_task} that is remembered",
                field="attempt",
                hint="leave `attempt` out for the latest one",
            )
        return attempt
    if job.tasks is None:
        if task is not None:
            raise NotFound(
                f"job {job.id} has no task {task}: it is not an array",
                field="task",
                hint="leave `task` out",
            )
        return job.attempt
    if task is None:
        raise Invalid(
            f"job {job.id} is an array of {len(job.tasks.states)} tasks",
            field="task",
            hint=f"say which one, for example --task {_first_task(job)}",
        )
    return _latest_of_task(job, position_of(job, task))


def position_of(job: Job, task: int) -> int:
    """The place of a task among the array's. Raises `NotFound`."""
    array = job.spec.array
    position = array.positions.get(task) if array is not None else None
    if position is None:
        raise NotFound(
            f"job {job.id} has no task {task}",
            field="task",
            hint=f"its tasks are {array}" if array is not None else "it is not an array",
        )
    return position


def latest_of_tasks(job: Job) -> list[Attempt]:
    """The latest attempt of every task that has had one."""
    count = len(job.tasks.attempts) if job.tasks is not None else 0
    found = (_latest_of_task(job, position) for position in range(count))
    return [attempt for attempt in found if attempt is not None]


def _latest_of_task(job: Job, position: int) -> Attempt | None:
    """As far as it is needed to find its files: an array does not keep the whole of each end."""
    tasks, array = job.tasks, job.spec.array
    assert tasks is not None
    assert array is not None
    number = tasks.attempts[position]
    if number == 0:
        return None
    kept = next((attempt for attempt in job.attempts if attempt.number == number), None)
    return kept or Attempt(
        number,
        tasks.sites[position],
        placed_at_ns=job.submitted_at_ns,
        replicas=(),
        state=AttemptState.ENDED,
        exit_code=0 if tasks.state(position) is JobState.SUCCEEDED else None,
        task=array.indices[position],
    )


def _first_task(job: Job) -> int:
    """An index to name: that of the first task that failed, else of the first."""
    assert job.tasks is not None
    assert job.spec.array is not None
    position = next(job.tasks.positions(JobState.FAILED), 0)
    return job.spec.array.indices[position]


def check_node_rank(job: Job, node_rank: int) -> None:
    """Raises `NotFound` for a replica that the job does not have."""
    demand = job.spec.demand
    most = max(
        (len(attempt.replicas) for attempt in job.attempts),
        default=demand.most_nodes + demand.nodes_beside,
    )
    if node_rank >= most:
        raise NotFound(
            f"job {job.id} has {most} replicas; there is no number {node_rank}",
            field="node_rank",
            hint="they are numbered from 0",
        )


def site_metrics(context: ApiContext, attempt: Attempt) -> SiteMetrics:
    """What serves the samples of an attempt. `Unavailable` for a site that is away."""
    metrics = context.metrics.get(attempt.site)
    if metrics is None:
        raise _away(attempt)
    return metrics


def site_files(context: ApiContext, attempt: Attempt) -> SiteFiles:
    """What serves the logs and results of an attempt. `Unavailable` for a site that is away."""
    files = context.files.get(attempt.site)
    if files is None:
        raise _away(attempt)
    return files


def _away(attempt: Attempt) -> Unavailable:
    return Unavailable(
        f"site {attempt.site} is not connected, and the files of attempt {attempt.number} are "
        "there",
        hint="try again when its agent is back",
    )
