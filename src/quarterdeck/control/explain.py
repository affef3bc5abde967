"""Why a job is where it is, with the numbers, and what would help."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.control.needs import everything
from quarterdeck.control.plan import (
    Outlook,
    discreet_outlook,
    discreet_verdict,
    look_ahead,
    outlook_of,
    outlook_with,
    visible_of,
)
from quarterdeck.control.steps import get_job
from quarterdeck.core.jobs.events import Released
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.cover import Cover
from quarterdeck.core.scheduling.order import order_of
from quarterdeck.core.scheduling.plan import Blocker, Verdict
from quarterdeck.core.scheduling.queue import goes_to_of, keeps_of, waiting_of
from quarterdeck.ports.verdicts import PLACED, Told

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.needs import Sees
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.tasks import Tasks
    from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting


@dataclass(frozen=True, slots=True)
class Explanation:
    """A job, one sentence on why it is in its state, and its outlook while it is queued."""

    job: Job
    summary: str
    outlook: Outlook | None
    queue_length: int


def explain(plane: ControlPlane, job_id: JobId, sees: Sees = everything) -> Explanation:
    """Explain the job by the plan that the scheduler would make now. Raises `NotFound`."""
    snapshot, made = look_ahead(plane)
    visible = visible_of(plane, snapshot, sees, job_id)
    if job_id in visible:
        outlook = outlook_of(plane, job_id, visible, snapshot, made)
        if plane.promises is not None:
            outlook = replace(outlook, promise=plane.promises.find(plane, job_id, made))
        outlook = discreet_outlook(plane, outlook, sees)
        job = get_job(plane, job_id)
        summary = _summary_of_queued(outlook)
        if job.tasks is not None:
            summary = f"{count_tasks(job.tasks)}; {summary}"
        return Explanation(job, summary, outlook, len(visible))
    job = get_job(plane, job_id)
    held = _outlook_of_held(plane, job, sees) if job.state is JobState.HELD else None
    summary = _summary(job) + _told_of_cover(plane, snapshot, job)
    return Explanation(job, summary, held, len(visible))


def _told_of_cover(plane: ControlPlane, snapshot: Snapshot, job: Job) -> str:
    """Whether what runs of it may have to make room for those who are guaranteed the nodes."""
    if not plane.policy.guarantees or not any(one.stop is None for one in job.live_attempts):
        return ""
    cover = Cover(capacity_of(snapshot.rooms), snapshot, plane.policy)
    if not any(one.job_id == job.id for one in cover.borrowed):
        is_own = cover.book.owners.has_own(job.spec.team, job.actor)
        return f"; its {'owner' if is_own else 'team'} is guaranteed what it runs on"
    if not job.spec.is_preemptible:
        return "; it borrows what nobody is guaranteed"
    return "; it borrows, and makes room when somebody needs what they are guaranteed"


def _outlook_of_held(plane: ControlPlane, job: Job, sees: Sees) -> Outlook:
    """Whether it would start if it were released."""
    released = evolve(job, job.id, Released(plane.clock.now_ns(), job.actor))
    outlook = discreet_outlook(plane, outlook_with(plane, waiting_of(released), sees), sees)
    command = f"`qd release {job.id}`"
    verdict = Verdict(job.id, Blocker.HELD, _why_held(job))
    if outlook.placement is not None:
        hint = f"with {command} it would start now"
        verdict = replace(verdict, hint=hint, change=(("release", job.id),))
    else:
        assert outlook.verdict is not None
        hint = f"after {command} it would wait: {outlook.verdict.message}"
        verdict = replace(verdict, hint=hint)
    return Outlook(None, verdict, None, outlook.queue_length - 1)


@dataclass(frozen=True, slots=True)
class Standing:
    """A job's place in the queue as the asker sees it, and what the next decision makes of it."""

    position: int
    job: Job
    waiting: Waiting
    starts_now: bool
    verdict: Verdict | None


def list_queue(
    plane: ControlPlane, limit: int, sees: Sees = everything
) -> tuple[int, list[Standing]]:
    """How many jobs the asker sees in the queue, and the first of them in order."""
    snapshot, made = look_ahead(plane)
    placed = {placement.job_id for placement in made.placements}
    seen = 0
    head = []
    for waiting in sorted(snapshot.waiting, key=order_of(snapshot, plane.policy)):
        job = plane.board.find_job(waiting.job_id)
        if job is None or not sees(job):
            continue
        seen += 1
        if seen <= limit:
            verdict = made.verdicts.get(job.id)
            if verdict is not None:
                verdict = discreet_verdict(plane, verdict, sees)
            head.append(Standing(seen, job, waiting, job.id in placed, verdict))
    return seen, head


def count_tasks(tasks: Tasks) -> str:
    """How many of an array's tasks are where, for example `3 succeeded, 2 running, 95 queued`."""
    counted = (f"{count} {state.value}" for state, count in reversed(tasks.counts().items()))
    return f"{len(tasks.states)} tasks: {', '.join(counted)}"


def _summary_of_queued(outlook: Outlook) -> str:
    if outlook.verdict is not None:
        return outlook.verdict.message
    assert outlook.placement is not None
    nodes = ", ".join(grant.node for grant in outlook.placement.grants)
    return f"it fits and starts at the next look, on {nodes}"


def _summary(job: Job) -> str:
    if job.state is JobState.HELD:
        return f"{_why_held(job)}; `qd release {job.id}` lets it go"
    if job.tasks is not None and not job.state.is_final:
        return count_tasks(job.tasks)
    attempt = job.attempt
    if job.state.is_final or attempt is None:
        because = f": {job.message}" if job.message else ""
        reason = f" ({job.reason.value})" if job.reason else ""
        return f"it has {_ENDED[job.state]}{reason}{because}"
    nodes = ", ".join(replica.grant.node for replica in attempt.replicas)
    if job.state is JobState.STARTING:
        standing = sum(replica.state != "pending" for replica in attempt.replicas)
        return (
            f"attempt {attempt.number} is starting on {nodes}: {standing} of "
            f"{len(attempt.replicas)} replicas stand"
        )
    if job.state is JobState.STOPPING and attempt.stop is not None:
        told = (
            f"attempt {attempt.number} is being stopped on {nodes} "
            f"({attempt.stop.reason.value}); it has {attempt.stop.grace_s:g}s to end by itself"
        )
        keeps = keeps_of(job, attempt)
        if keeps:
            return f"{told}, then it goes on with {', '.join(keeps)} at once"
        goes_to = ", ".join(grant.node for grant in goes_to_of(job, attempt))
        return f"{told}, then it goes on at {goes_to}" if goes_to else told
    return f"attempt {attempt.number} runs on {nodes}"


def _why_held(job: Job) -> str:
    return job.message or "it was submitted held"


_ENDED = {
    JobState.QUEUED: "just left the queue",
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "been cancelled",
}


def list_told(
    plane: ControlPlane, job_id: JobId, limit: int, sees: Sees = everything
) -> list[Told]:
    """What a job was told while it waited, oldest first. Raises `NotFound`."""
    job = get_job(plane, job_id)
    if plane.waits is None:
        return []
    return [_discreet(plane, one, sees) for one in plane.waits.verdicts.list_told(job.id, limit)]


def _discreet(plane: ControlPlane, told: Told, sees: Sees) -> Told:
    """Without the names of jobs that the asker may not know of."""
    if told.code == PLACED or not told.held_by:
        return told
    verdict = Verdict(
        told.job_id, Blocker(told.code), told.message, told.hint, told.numbers, told.held_by
    )
    shown = discreet_verdict(plane, verdict, sees)
    return Told(
        told.job_id,
        told.at_ns,
        told.code,
        shown.message,
        shown.hint,
        shown.numbers,
        shown.held_by,
    )
