"""Jobs: submit, list, show, wait, explain."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.outlooks import explanation_view, plan_view, told_list
from quarterdeck.api.promise_views import promise_list
from quarterdeck.api.routers.depends import (
    Context,
    DryRun,
    JobIdText,
    TheFeed,
    TheThreads,
    answer,
)
from quarterdeck.api.translate import (
    digest_of_request,
    parse_job_id,
    parse_tag,
    to_request,
    to_spec,
)
from quarterdeck.api.views import task_list
from quarterdeck.control.explain import explain, list_told
from quarterdeck.control.plan import plan
from quarterdeck.control.submit import Asked, submit
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.store import JobFilter
from quarterdeck.wire.v1.jobs import (
    JobPage,
    JobRequest,
    JobView,
    StateName,
    TaskList,
)
from quarterdeck.wire.v1.promises import PromiseList
from quarterdeck.wire.v1.verdicts import ExplanationView, PlanView, ToldList

PAGE_MAX: Final = 1000
WAIT_S_MAX: Final = 300.0
TASKS_MAX: Final = 10_000

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

Submitter = Annotated[Access, may(Verb.CREATE, Noun.JOB)]
Reader = Annotated[Access, may(Verb.READ, Noun.JOB)]
RequestReader = Annotated[Access, may(Verb.READ, Noun.REQUEST)]


@router.post(
    "",
    operation_id="submit_job",
    summary="Submit a job",
    status_code=201,
    response_model=JobView,
    response_description="The job; it survives a power cut from here on.",
    responses={200: {"model": PlanView, "description": "With `dry_run`: what would happen."}},
)
async def submit_job(
    body: JobRequest,
    access: Submitter,
    idempotency_key: Annotated[
        str | None,
        Header(description="Kept 24 hours: the same request with the same key is one job."),
    ] = None,
    dry_run: DryRun = False,
) -> Response:
    """Put a job into the queue, once per idempotency key."""
    return await access.context.threads.submit(
        lambda: _submit(body, access, idempotency_key, dry_run=dry_run)
    )


def _submit(body: JobRequest, access: Access, key: str | None, *, dry_run: bool) -> Response:
    plane = access.context.plane
    spec = to_spec(body, team=access.choose_team(body.team))
    if dry_run:
        return answer(plan_view(plan(plane, spec, access.name, access.sees, access.holder)))
    asked = None
    if key is not None:
        asked = access.own_key(Asked(key, digest_of_request("POST", "/v1/jobs", body)))
    accepted = submit(
        plane, spec, access.name, asked, is_held=body.hold, sees=access.sees, holder=access.holder
    )
    headers = {"Location": f"/v1/jobs/{accepted.job.id}"}
    if accepted.is_replayed:
        headers["Idempotent-Replayed"] = "true"
    return answer(access.job_view(accepted.job, accepted.warnings), 201, headers)


async def _filter_of(
    *,
    state: Annotated[
        list[StateName] | None, Query(description="Only jobs in one of these states.")
    ] = None,
    name: Annotated[str | None, Query(description="Only jobs of this name.")] = None,
    tag: Annotated[
        list[str] | None, Query(description="Only jobs with all of these tags: `key=value`.")
    ] = None,
    team: Annotated[str | None, Query(description="Only jobs of this team.")] = None,
    owner: Annotated[str | None, Query(description="Only jobs that this person made.")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="Jobs per page.")] = 100,
    before: Annotated[
        str | None, Query(description="The `next_before` of the page before this one.")
    ] = None,
) -> JobFilter:
    return JobFilter(
        states=tuple(JobState(one) for one in state or ()),
        name=name,
        tags=tuple(parse_tag(one) for one in tag or ()),
        teams=None if team is None else (team,),
        owner=owner,
        before=parse_job_id(before) if before is not None else None,
        limit=limit,
    )


TheFilter = Annotated[JobFilter, Depends(_filter_of)]


@router.get("", operation_id="list_jobs", summary="List jobs", response_model=JobPage)
def list_jobs(access: Reader, wanted: TheFilter) -> Response:
    """One page of the jobs that the caller may see, newest first."""
    limit = wanted.limit
    jobs = access.list_jobs(
        replace(wanted, teams=access.only_visible(wanted.teams), limit=limit + 1)
    )
    next_before = jobs[limit - 1].id if len(jobs) > limit else None
    views = [access.job_view(job) for job in jobs[:limit]]
    return answer(JobPage(jobs=views, next_before=next_before))


@router.get("/{job_id}", operation_id="show_job", summary="Show a job", response_model=JobView)
async def show_job(
    job_id: JobIdText,
    access: Reader,
    feed: TheFeed,
    threads: TheThreads,
    wait_s: Annotated[
        float,
        Query(ge=0, le=WAIT_S_MAX, description="Answer when the job is final, or after this long."),
    ] = 0.0,
) -> Response:
    """The job and everything that happened to it; with `wait_s`, once it is final."""
    known_id = parse_job_id(job_id)
    until_s = time.monotonic() + wait_s
    watching = feed.watch(known_id, access.principal) if wait_s > 0 else feed.no_watch()
    with watching as watch:
        while True:
            job = await threads.read_store(lambda: access.get_job(job_id))
            left_s = until_s - time.monotonic()
            if job.state.is_final or watch.is_closing or left_s <= 0:
                return answer(access.job_view(job))
            await watch.wait(left_s)


@router.get(
    "/{job_id}/explanation",
    operation_id="explain_job",
    summary="Explain a job's state",
    response_model=ExplanationView,
)
def explain_job(job_id: JobIdText, context: Context, access: Reader) -> Response:
    """Why the job is where it is, with the numbers, and what would help. Jobs that the caller may
    not know of are not named."""
    told = explain(context.plane, access.get_job(job_id).id, access.sees)
    return answer(explanation_view(told, access.job_view(told.job)))


@router.get(
    "/{job_id}/verdicts",
    operation_id="list_verdicts",
    summary="List what a job was told while it waited",
    response_model=ToldList,
)
def list_verdicts(
    job_id: JobIdText,
    context: Context,
    access: Reader,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="The last so many.")] = 100,
) -> Response:
    """Why the job waited, and since when, oldest first. A reason is kept when it changes, other
    numbers behind the same reason about once a minute, all of it for 30 days."""
    job = access.get_job(job_id)
    return answer(told_list(job.id, list_told(context.plane, job.id, limit, access.sees)))


@router.get(
    "/{job_id}/promises",
    operation_id="list_promises",
    summary="List what a job was promised",
    response_model=PromiseList,
)
def list_promises(
    job_id: JobIdText,
    context: Context,
    access: Reader,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="The last so many.")] = 100,
) -> Response:
    """When the job was to start, as it was promised and made anew, what changed it, and whether it
    was kept; oldest first, of the last 90 days."""
    job, promises = access.get_job(job_id), context.plane.promises
    kept = promises.log.list_promises(job.id, limit) if promises is not None else []
    return answer(promise_list(job.id, kept))


@router.get(
    "/{job_id}/request",
    operation_id="show_request",
    summary="Show what a job asked for",
    response_model=JobRequest,
)
def show_request(job_id: JobIdText, access: RequestReader) -> Response:
    """The job as a request that would make another one like it, with its work folder."""
    spec = access.get_job(job_id).spec
    if spec.snapshot is not None and access.holder is not None:
        access.context.plane.folders_held.add(access.holder, spec.snapshot)
    return answer(to_request(spec))


@router.get(
    "/{job_id}/tasks",
    operation_id="list_tasks",
    summary="List an array's tasks",
    response_model=TaskList,
)
def list_tasks(
    job_id: JobIdText,
    access: Reader,
    state: Annotated[
        list[StateName] | None, Query(description="Only tasks in one of these states.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=TASKS_MAX, description="At most so many.")] = 1000,
) -> Response:
    """The tasks of an array by their index; none for a job that is not one."""
    job = access.get_job(job_id)
    return answer(task_list(job, tuple(JobState(one) for one in state or ()), limit))
