"""A person's own order: which of their waiting jobs goes first, without anybody else being moved.

The jobs keep the places in the queue that they hold together; only which of them has which place
changes. A place goes with the job that has taken it, as if that had been submitted with it: once
the job has started the place is gone, so that what is left of the others does not pass anybody
either. If the places stayed with those that are left, each late job that is put first and starts
would have passed everybody.

By *first come* and *fair share* the places of a person's jobs stay in the same order. By
*shortest* and *finish time* they age, and what is longer may pass what is shorter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.core.jobs.events import Reordered
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.order import place_order
from quarterdeck.core.scheduling.queue import waiting_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.place import QueuePlace
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting


def reorder(
    jobs: Sequence[Job], snapshot: Snapshot, policy: Policy, actor: str, *, is_reset: bool = False
) -> dict[JobId, Reordered]:
    """What happens to each of these jobs of the queue so that they come in this order on the places
    that they hold; nothing to those that have their place already. With `is_reset` they come as
    they would have without any order of their own.

    Raises `Invalid` for jobs that have no places to change, and `Conflict` naming one that does not
    wait for its turn.
    """
    _check_alike(jobs)
    now_ns = snapshot.now_ns
    wanted = [_check_waits(job, now_ns) for job in jobs]
    taken = exchanged(wanted, snapshot, policy, is_reset=is_reset)
    return {job_id: Reordered(now_ns, actor, place) for job_id, place in taken.items()}


def exchanged(
    wanted: Sequence[Waiting], snapshot: Snapshot, policy: Policy, *, is_reset: bool = False
) -> dict[JobId, QueuePlace]:
    """The place of each that gets another one: those that they hold now, given out in order."""
    key = place_order(snapshot, policy)
    places = sorted((one.place for one in wanted), key=key)
    if is_reset:
        wanted = sorted(wanted, key=lambda one: key(one.own_place))
    given = zip(wanted, places, strict=True)
    return {one.job_id: place for one, place in given if place.job_id != one.place.job_id}


def _check_alike(jobs: Sequence[Job]) -> None:
    """Places can be changed where they are worth the same, and by who made all of them."""
    if len({job.id for job in jobs}) < len(jobs):
        doubled = next(job.id for place, job in enumerate(jobs) if job in jobs[:place])
        raise Invalid(f"job {doubled} is named twice", field="jobs", hint="name each job once")
    if len(jobs) < 2:
        raise Invalid(
            f"an order is of two jobs or more, and there is {len(jobs)}",
            field="jobs",
            hint="name all jobs that are to change places, the first one first",
        )
    first = jobs[0]
    for job in jobs[1:]:
        for what, its, others in (
            ("owner", job.actor, first.actor),
            ("team", job.spec.team, first.spec.team),
            ("priority", job.spec.priority.value, first.spec.priority.value),
        ):
            if its != others:
                raise Invalid(
                    f"job {job.id} has the {what} {its}, and {first.id} has {others}: "
                    "their places are not worth the same",
                    field="jobs",
                    hint="order the jobs of one person, team and priority at a time",
                )


def _check_waits(job: Job, now_ns: int) -> Waiting:
    """Only who waits for its turn has a place to give. With one that waits for something else a
    place could be kept for who comes later."""
    if not job.is_queued:
        is_held = job.state is JobState.HELD
        hint = f"`qd release {job.id}` lets it in" if is_held else "leave it out, and try again"
        raise Conflict(
            f"job {job.id} is {job.state.value}: only what waits in the queue has a place there",
            field="jobs",
            hint=hint,
        )
    waiting = waiting_of(job)
    if not waiting.ready(now_ns):
        why = "until its next attempt may start"
        if job.unmet:
            why = f"for {', '.join(job.unmet)}"
        elif waiting.room <= 0:
            why = "until one of its tasks has ended, by its own limit"
        raise Conflict(
            f"job {job.id} waits {why}, and not for its turn",
            field="jobs",
            hint="leave it out; it has its place in the queue after that",
        )
    return waiting
