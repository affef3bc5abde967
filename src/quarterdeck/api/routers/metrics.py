"""Metrics: what jobs tell of themselves, as curves and as a live picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import (
    AttemptNumber,
    JobIdText,
    TaskIndex,
    TheThreads,
    answer,
)
from quarterdeck.api.sites import choose_attempt, site_metrics
from quarterdeck.api.translate import parse_job_id
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import to_iso
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.jobs.job import Attempt, Job
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.telemetry.curves import Point, join, thin_out
from quarterdeck.ports.metrics import Latest
from quarterdeck.wire.v1.metrics import (
    MetricsView,
    PointView,
    ProgressList,
    ProgressView,
    SeriesView,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.api.context import ApiContext

POINTS_MAX: Final = 20_000
JOBS_MAX: Final = 1000

router = APIRouter(prefix="/v1", tags=["metrics"])

OutputReader = Annotated[Access, may(Verb.READ, Noun.OUTPUT)]

Names = Annotated[list[str] | None, Query(description="Only these; none gives only the names.")]
PointsMax = Annotated[
    int, Query(ge=4, le=POINTS_MAX, description="At most so many per series; peaks are kept.")
]
Rank = Annotated[
    int | None, Query(ge=0, le=2**31 - 1, description="Of this rank; the lowest that told any.")
]


@router.get(
    "/jobs/{job_id}/metrics",
    operation_id="read_metrics",
    summary="Read metrics",
    response_model=MetricsView,
)
async def read_metrics(
    job_id: JobIdText,
    access: OutputReader,
    threads: TheThreads,
    *,
    name: Names = None,
    max_points: PointsMax = 1000,
    rank: Rank = None,
    attempt: AttemptNumber = None,
    task: TaskIndex = None,
) -> Response:
    """One curve per name over all attempts: where a later attempt repeats steps, it counts."""

    def read() -> MetricsView:
        job = access.get_job(job_id)
        attempts = _attempts_of(job, attempt, task)
        return _metrics(access.context, job, attempts, name or [], rank, max_points)

    return answer(await threads.read_files(read))


@router.get(
    "/progress", operation_id="list_progress", summary="List progress", response_model=ProgressList
)
async def list_progress(
    access: OutputReader,
    threads: TheThreads,
    job_id: Annotated[str | None, Query(description="Only of this job.")] = None,
) -> Response:
    """How far every running job is."""
    only = parse_job_id(job_id) if job_id is not None else None
    return answer(await threads.read_files(lambda: _progress(access, only)))


def _attempts_of(job: Job, number: int | None, task: int | None) -> list[Attempt]:
    """Which attempts make the curve: all of the job's, or what was asked for."""
    chosen = choose_attempt(job, number, task)
    if chosen is None:
        return []
    return list(job.attempts) if number is None and job.tasks is None else [chosen]


def _metrics(
    context: ApiContext,
    job: Job,
    attempts: Sequence[Attempt],
    names: Sequence[str],
    rank: int | None,
    points_max: int,
) -> MetricsView:
    told = [site_metrics(context, one).read_points(job.id, one.number) for one in attempts]
    known = dict.fromkeys(name for ranks in told for series in ranks.values() for name in series)
    views = []
    for name in names:
        having = [number for ranks in told for number, found in ranks.items() if name in found]
        of_rank = rank if rank is not None else min(having, default=0)
        curve = join([ranks.get(of_rank, {}).get(name, []) for ranks in told])
        if curve:
            points = [_point_view(point) for point in thin_out(curve, points_max)]
            views.append(SeriesView(name=name, rank=of_rank, told=len(curve), points=points))
    return MetricsView(job_id=job.id, names=list(known), series=views)


def _point_view(point: Point) -> PointView:
    return PointView(
        step=point.step,
        value=_finite(point.value),
        at=to_iso(point.at_ns),
        attempt=point.attempt,
    )


def _progress(access: Access, only: JobId | None) -> ProgressList:
    plane = access.context.plane
    plane.board.catch_up()
    job_ids = plane.board.list_job_ids() if only is None else [only]
    views = []
    for job_id in job_ids:
        job = plane.board.find_job(job_id)
        if job is None or not access.covers(job):
            continue
        if job.state in (JobState.RUNNING, JobState.STOPPING):
            views.append(_progress_view(access.context, job))
        if len(views) == JOBS_MAX:
            break
    views.sort(key=lambda view: view.started_at or "")
    return ProgressList(jobs=views)


def _progress_view(context: ApiContext, job: Job) -> ProgressView:
    """Of an array: how many of its tasks are done."""
    live = job.live_attempts
    started_ns = min((one.started_at_ns for one in live if one.started_at_ns), default=None)
    if job.tasks is not None:
        done = len(job.tasks.states) - job.tasks.live() - job.tasks.count(JobState.QUEUED)
        latest = Latest(done, len(job.tasks.states))
        started_ns = job.tasks.started_at_ns
    else:
        latest = site_metrics(context, live[0]).read_latest(job.id, live[0].number)
    left_s = None
    if latest.rate and latest.total is not None and latest.step is not None:
        left_s = max(0.0, latest.total - latest.step) / latest.rate
    nodes = dict.fromkeys(grant.node for grant in job.grants())
    return ProgressView(
        job_id=job.id,
        name=job.spec.name,
        owner=job.actor,
        nodes=list(nodes),
        started_at=to_iso(started_ns) if started_ns else None,
        step=latest.step,
        total=latest.total,
        rate=latest.rate,
        left_s=left_s,
        told_at=to_iso(latest.at_ns) if latest.at_ns else None,
        values={name: _finite(value) for name, value in latest.values.items()},
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
