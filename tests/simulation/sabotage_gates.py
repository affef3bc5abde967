"""Ways to break what keeps jobs from starting: limits, needs, holds, waits, and ends that count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quarterdeck.control import needs
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JOB_STEPS, JobSignal, JobState
from quarterdeck.core.jobs.tasks import Tasks, Wait
from quarterdeck.core.scheduling.queue import waiting_of
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.sim import server
from quarterdeck.sim.engine import VirtualEngine

if TYPE_CHECKING:
    import pytest

    Patch = pytest.MonkeyPatch


def board_does_not_know_of_array_limits(patch: Patch) -> None:
    def boundless(job: Any) -> Any:
        return replace(waiting_of(job), room=len(job.tasks.states) if job.tasks else 1)

    patch.setattr("quarterdeck.control.board.waiting_of", boundless)


def tasks_are_placed_while_they_live(patch: Patch) -> None:
    """The queue offers an array's first task again and again, and the tables let it pass."""

    def first_only(job: Any) -> Any:
        waiting = waiting_of(job)
        if job.tasks is None:
            return waiting
        first = job.spec.array.indices[0]
        return replace(waiting, tasks=(first,) * len(waiting.tasks))

    patch.setattr("quarterdeck.control.board.waiting_of", first_only)
    patch.setattr(server, "check_plan", lambda *_: None)
    patch.setattr(Job, "wants", lambda *_: True)
    lenient = {**JOB_STEPS[JobState.STARTING], JobSignal.PLACE: JobState.STARTING}
    patch.setitem(JOB_STEPS, JobState.STARTING, lenient)


def succeeded_tasks_go_back_into_the_queue(patch: Patch) -> None:
    found = Tasks.with_state

    def forgetful(self: Tasks, position: int, state: JobState) -> Tasks:
        again = JobState.QUEUED if state is JobState.SUCCEEDED else state
        return found(self, position, again)

    patch.setattr(Tasks, "with_state", forgetful)


def needs_keep_nobody_back(patch: Patch) -> None:
    patch.setattr(
        "quarterdeck.control.board.waiting_of", lambda job: replace(waiting_of(job), unmet=())
    )


def jobs_are_given_up_too_early(patch: Patch) -> None:
    """As soon as anything that they need has ended, however that was."""

    def hasty(tx: Any, job: Any, now_ns: int) -> Any:
        del tx
        return decide.give_up(job, Reason.NEEDS_FAILED, "it needs something", now_ns)

    patch.setattr(needs, "_outcome", hasty)


def jobs_are_never_given_up(patch: Patch) -> None:
    patch.setattr(decide, "give_up", lambda *_: [])


def a_hold_holds_nothing(patch: Patch) -> None:
    easy = {**JOB_STEPS[JobState.QUEUED], JobSignal.HOLD: JobState.QUEUED}
    patch.setitem(JOB_STEPS, JobState.QUEUED, easy)


def retries_do_not_wait(patch: Patch) -> None:
    patch.setattr(Wait, "is_over", lambda *_: True)


def waits_do_not_double(patch: Patch) -> None:
    found = decide._end_of_one

    def flat(job: Any, attempt: Any, at_ns: int) -> Any:
        ended = found(job, attempt, at_ns)
        return replace(ended, backoff_s=min(ended.backoff_s, job.spec.retry.backoff_s))

    patch.setattr(decide, "_end_of_one", flat)


def agent_launches_one_attempt_under_two_numbers_elsewhere(patch: Patch) -> None:
    """The same task once more, on other devices."""
    found = VirtualEngine.launch

    def double(self: VirtualEngine, order: LaunchOrder) -> None:
        found(self, order)
        grants = tuple(Grant(grant.node) for grant in order.grants)
        other = AttemptRef(order.ref.job_id, order.ref.attempt + 1)
        found(self, replace(order, ref=other, grants=grants))

    patch.setattr(VirtualEngine, "launch", double)


def time_limits_are_not_heard(patch: Patch) -> None:
    """A runner says that it stops its command for its time limit, and nobody notes that."""
    patch.setattr(decide, "_find_overdue", lambda *_: False)
    patch.setattr(decide, "TOLD_BY_SITE", (Reason.SETUP_FAILED,))
