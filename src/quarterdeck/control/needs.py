"""Jobs that need others: let them go when those have succeeded, give them up when those cannot.

Level-triggered: the board says which unfinished jobs still need one that is no longer unfinished,
so whatever a crash left undone is done by the next turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from quarterdeck.basics.errors import Invalid
from quarterdeck.control.steps import take_events
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Transaction


def settle_needs(plane: ControlPlane) -> int:
    """Take in, for every job that needs another, what has become of that; says how many moved."""
    due = plane.board.list_needy()
    if not due:
        return 0
    now_ns = plane.clock.now_ns()

    def work(tx: Transaction) -> int:
        return sum(_settle(tx, job_id, now_ns) for job_id in due)

    moved = plane.store.transact(work)
    if moved:
        plane.changed.ring()
    return moved


class Jobs(Protocol):
    """Where a job can be looked up: a store, or a transaction on it."""

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        ...


Sees = Callable[["Job"], bool]
"""Whether somebody may know that a job exists."""


def everything(_job: Job) -> bool:
    """Sees every job."""
    return True


def check_needs(
    jobs: Jobs, needs: Iterable[JobId], sees: Sees, known: Iterable[JobId] = ()
) -> None:
    """Refuse to need a job that is not there, is not for the asker's eyes, or has already ended
    badly. `known` are jobs that come with this one."""
    for need in needs:
        if need in known:
            continue
        other = jobs.find_job(need)
        if other is None or not sees(other):
            raise Invalid(
                f"needs names {need}, and there is no such job",
                field="needs",
                hint="`qd ps -a` lists the jobs there are",
            )
        if other.state in (JobState.FAILED, JobState.CANCELLED):
            raise Invalid(
                f"needs names {need}, which has {_BADLY[other.state]}",
                field="needs",
                hint=f"`qd requeue {need}` first, or leave it out",
            )


def _settle(tx: Transaction, job_id: JobId, now_ns: int) -> bool:
    job = tx.find_job(job_id)
    if job is None or job.state.is_final:
        return False
    events = _outcome(tx, job, now_ns)
    take_events(tx, job, events)
    return bool(events)


def _outcome(tx: Transaction, job: Job, now_ns: int) -> Sequence[JobEvent]:
    met: list[JobEvent] = []
    for need in job.unmet:
        other = tx.find_job(need)
        state = other.state if other is not None else None
        if state is JobState.SUCCEEDED:
            met += decide.meet_need(job, need, now_ns)
        elif state is None or state.is_final:
            told = "is gone" if state is None else f"has {_BADLY[state]}"
            return decide.give_up(
                job, Reason.NEEDS_FAILED, f"it needs {need}, which {told}", now_ns
            )
    return met


_BADLY = {JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}
