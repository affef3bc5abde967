"""What would happen to a job if it were submitted now. Nothing is changed by asking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.basics.ids import JobId
from quarterdeck.control.limits import check_limits
from quarterdeck.control.needs import everything
from quarterdeck.control.submit import check_acceptable
from quarterdeck.core.jobs.events import Submitted
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.scheduling.discretion import conceal
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.queue import waiting_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.control.needs import Sees
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.core.scheduling.plan import Placement, Plan, Verdict
    from quarterdeck.core.scheduling.snapshot import Snapshot

PLANNED = JobId("planned")


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a queued job stands: a placement if it starts at the next look, else a verdict; of an
    array that starts in part, both.

    `position` counts from 1 and is its place in the queue of `queue_length` jobs, both
    among those that the asker may know of.
    """

    placement: Placement | None
    verdict: Verdict | None
    position: int
    queue_length: int


def plan(
    plane: ControlPlane,
    spec: JobSpec,
    actor: str = "",
    sees: Sees = everything,
    holder: str | None = None,
) -> Outlook:
    """The outlook of a job that does not exist; the same refusals as `submit`."""
    check_acceptable(plane, spec, sees, holder)
    check_limits(plane, plane.store, [spec], actor)
    plane.board.catch_up()
    now_ns = plane.clock.now_ns()
    snapshot = plane.board.snapshot(now_ns, plane.people())
    waiting = waiting_of(evolve(None, PLANNED, Submitted(now_ns, actor, spec)))
    imagined = replace(snapshot, waiting=(*snapshot.waiting, waiting))
    visible = visible_of(plane, imagined, sees, PLANNED)
    outlook = outlook_of(PLANNED, visible, make_plan(imagined, plane.policy))
    return discreet_outlook(plane, outlook, sees)


def discreet_outlook(plane: ControlPlane, outlook: Outlook, sees: Sees) -> Outlook:
    """The outlook without the names of jobs that the asker may not know of."""
    if outlook.verdict is None:
        return outlook
    return replace(outlook, verdict=discreet_verdict(plane, outlook.verdict, sees))


def discreet_verdict(plane: ControlPlane, verdict: Verdict, sees: Sees) -> Verdict:
    """The verdict without the names of jobs that the asker may not know of."""
    jobs = ((job_id, plane.board.find_job(job_id)) for job_id in verdict.held_by)
    return conceal(verdict, {job_id for job_id, job in jobs if job is None or not sees(job)})


def visible_of(
    plane: ControlPlane, snapshot: Snapshot, sees: Sees, own: JobId | None = None
) -> list[JobId]:
    """The queue in order, as somebody sees it: without jobs that they may not know of, so that
    their number is not told. `own` is seen in any case."""
    found = []
    for waiting in sorted(snapshot.waiting, key=snapshot.order_of):
        job = plane.board.find_job(waiting.job_id)
        if waiting.job_id == own or (job is not None and sees(job)):
            found.append(waiting.job_id)
    return found


def outlook_of(job_id: JobId, visible: Sequence[JobId], made: Plan) -> Outlook:
    """What a plan says of one job of those that somebody sees in the queue."""
    placement = next((one for one in made.placements if one.job_id == job_id), None)
    position = visible.index(job_id) + 1
    return Outlook(placement, made.verdicts.get(job_id), position, len(visible))
