"""What would happen to a job if it were submitted now. Nothing is changed by asking."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.ids import JobId
from quarterdeck.control.disk import find_shortage, verdict_on
from quarterdeck.control.limits import check_limits
from quarterdeck.control.needs import everything
from quarterdeck.control.submit import check_acceptable
from quarterdeck.core.jobs.events import Submitted
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.scheduling.discretion import conceal
from quarterdeck.core.scheduling.forecast import LatestStart, latest_start
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.order import order_of
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.core.scheduling.queue import waiting_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.control.needs import Sees
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.core.scheduling.plan import Placement, Plan, Verdict
    from quarterdeck.core.scheduling.promises import Promise
    from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting

PLANNED = JobId("planned")
TOLD_WHEN: Final = frozenset(
    {
        Blocker.NO_CAPACITY,
        Blocker.FRAGMENTED,
        Blocker.TOPOLOGY,
        Blocker.GPU_MODEL,
        Blocker.MIG_SHAPE,
    }
)
"""What the end of other jobs mends."""
TOLD_WHEN_MAX: Final = 2000
"""In a longer queue it would take seconds to find out."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a queued job stands: a placement if it starts at the next look, else a verdict; of an
    array that starts in part, both.

    `position` counts from 1 and is its place in the queue of `queue_length` jobs, both
    among those that the asker may know of; None for one that is held. `latest` is when it starts at
    the latest, where time limits tell; `promise` when it should start.
    """

    placement: Placement | None
    verdict: Verdict | None
    position: int | None
    queue_length: int
    latest: LatestStart | None = None
    promise: Promise | None = None


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
    expected_s = plane.board.learned.expected_s(spec, actor)
    event = Submitted(plane.clock.now_ns(), actor, spec, expected_s=expected_s)
    submitted = evolve(None, PLANNED, event)
    return discreet_outlook(plane, outlook_with(plane, waiting_of(submitted), sees), sees)


def look_ahead(plane: ControlPlane) -> tuple[Snapshot, Plan]:
    """The plan that the scheduler would make now, and what it would look at."""
    now_ns = plane.clock.now_ns()
    return plane.latest.look(plane.board, plane.roster, plane.policy, now_ns, plane.times(now_ns))


def outlook_with(plane: ControlPlane, waiting: Waiting, sees: Sees) -> Outlook:
    """The outlook of a job that is not in the queue, if it were."""
    plane.board.catch_up()
    now_ns = plane.clock.now_ns()
    snapshot = plane.board.booked_snapshot(now_ns, plane.people(), plane.times(now_ns))
    imagined = replace(snapshot, waiting=(*snapshot.waiting, waiting))
    visible = visible_of(plane, imagined, sees, waiting.job_id)
    made = make_plan(imagined, plane.policy)
    outlook = outlook_of(plane, waiting.job_id, visible, imagined, made)
    if plane.promises is None:
        return outlook
    return replace(outlook, promise=plane.promises.imagine(plane, imagined, made, waiting))


def discreet_outlook(plane: ControlPlane, outlook: Outlook, sees: Sees) -> Outlook:
    """The outlook without the names of jobs that the asker may not know of."""
    latest = outlook.latest
    if latest is not None and latest.when_ended is not None:
        job = plane.board.find_job(latest.when_ended)
        if job is None or not sees(job):
            outlook = replace(outlook, latest=replace(latest, when_ended=None))
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
    for waiting in sorted(snapshot.waiting, key=order_of(snapshot, plane.policy)):
        job = plane.board.find_job(waiting.job_id)
        if waiting.job_id == own or (job is not None and sees(job)):
            found.append(waiting.job_id)
    return found


def outlook_of(
    plane: ControlPlane, job_id: JobId, visible: Sequence[JobId], snapshot: Snapshot, made: Plan
) -> Outlook:
    """What a plan says of one job of those that somebody sees in the queue."""
    placement = next((one for one in made.placements if one.job_id == job_id), None)
    verdict = made.verdicts.get(job_id)
    place = visible.index(job_id) + 1
    outlook = Outlook(placement, verdict, place, len(visible))
    shortage = find_shortage(plane)
    if shortage is not None:
        return replace(outlook, placement=None, verdict=verdict_on(job_id, shortage))
    is_for_others = verdict is not None and verdict.blocked_by in TOLD_WHEN
    if placement is None and is_for_others and len(snapshot.waiting) <= TOLD_WHEN_MAX:
        promised = next((one for one in made.promised if one.job_id == job_id), None)
        if promised is not None:
            return replace(outlook, latest=LatestStart(promised.start_ns, None))
        holds = plane.board.list_running()
        latest = latest_start(snapshot, holds, job_id, plane.policy)
        outlook = replace(outlook, latest=latest)
    return outlook
