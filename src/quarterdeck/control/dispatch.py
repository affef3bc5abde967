"""What should be at a site now, derived from the jobs' state.

There is no second table of desired allocations that could disagree with the jobs: an attempt that
holds devices and was not asked to stop should run, one that was should stop, any other should not
be there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.ports.engine import LaunchOrder
from quarterdeck.ports.site import Desired, StopOrder

if TYPE_CHECKING:
    from quarterdeck.control.plane import ControlPlane


def dispatch(plane: ControlPlane, site: str, since: int) -> Desired:
    """What changed for the site since that place of the log; all there is when that is unknown."""
    plane.board.catch_up()
    cursor = plane.board.cursor
    live, gone, is_complete = plane.board.list_wishes(site, since)
    run: list[LaunchOrder] = []
    stop: list[StopOrder] = []
    for ref in live:
        job = plane.board.find_job(ref.job_id)
        attempt = job.find_live(ref.attempt) if job is not None else None
        if job is None or attempt is None:
            gone.append(ref)
        elif attempt.stop is None:
            grants = tuple(replica.grant for replica in attempt.replicas)
            spec = job.spec if job.image is None else replace(job.spec, image=job.image)
            run.append(LaunchOrder(ref, spec, grants, attempt.task, job.actor))
        else:
            stop.append(StopOrder(ref, attempt.stop.grace_s, len(attempt.replicas)))
    nodes_as_of = plane.board.find_nodes_as_of(site)
    return Desired(cursor, is_complete, tuple(run), tuple(stop), tuple(gone), nodes_as_of)
