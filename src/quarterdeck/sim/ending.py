"""What must hold once nothing goes wrong any more: everything has ended, and truly so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.sim.checks import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.sim.audit import Auditor
    from quarterdeck.sim.checks import Checks
    from quarterdeck.sim.gates import GateBooks
    from quarterdeck.sim.people import People, Wish
    from quarterdeck.sim.replicas import VirtualAttempt
    from quarterdeck.sim.site import VirtualSite


def check_end_of(
    job: Job, auditor: Auditor, site: VirtualSite, people: People, checks: Checks
) -> None:
    """The job is over; compare its record with what its attempts really did."""
    checks.hold(Check.CONVERGED, job.state.is_final, lambda: f"{job.id} is {job.state}", job.id)
    ends = {ref.attempt: one for ref, one in auditor.ended.items() if ref.job_id == job.id}
    for attempt in ends.values():
        truth = site.find_attempt(AttemptRef(job.id, attempt.number))
        why = _why_untrue(attempt, truth)
        checks.hold(
            Check.TRUE_END,
            why is None,
            lambda a=attempt, w=why: f"attempt {a.number} of {job.id}: {w}",  # type: ignore[misc]
            job.id,
        )
    why_state = _why_wrong_state(job, ends, auditor.gates)
    auditor.gates.check_end(job)
    checks.hold(
        Check.TRUE_END, why_state is None, lambda: f"{job.id} {job.state}: {why_state}", job.id
    )
    wishes = people.wishes.get(job.id, [])
    asked = any(wish.verb == "cancel" for wish in wishes)
    asked = asked or job.reason is Reason.NEEDS_FAILED
    is_cancelled = job.state is JobState.CANCELLED
    checks.hold(
        Check.WISHES,
        asked if is_cancelled else not _must_be_cancelled(wishes),
        lambda: f"{job.id} is {job.state}, and people asked {wishes}",
        job.id,
    )


def _must_be_cancelled(wishes: Sequence[Wish]) -> bool:
    """A cancel was taken, and every wish for a requeue had been answered before."""
    for cancel in wishes:
        if cancel.verb == "cancel" and cancel.was_taken and cancel.answered_ns is not None:
            others = [wish for wish in wishes if wish.verb == "requeue"]
            answered_ns = cancel.answered_ns
            if all(o.answered_ns is not None and o.answered_ns < answered_ns for o in others):
                return True
    return False


def _why_untrue(attempt: Attempt, truth: VirtualAttempt | None) -> str | None:
    """None when the attempt's recorded end agrees with what happened at the site."""
    by_people = attempt.reason in (Reason.CANCELLED_BY_USER, Reason.REQUEUED_BY_USER)
    if truth is None:
        return None if by_people else f"it was never launched, and has {attempt.reason}"
    if truth.lives:
        return "it lives"
    if by_people:
        return None
    if truth.has_succeeded:
        return None if attempt.reason is Reason.COMPLETED else f"it succeeded: {attempt.reason}"
    if attempt.reason is None or attempt.reason not in truth.failures():
        return f"the record says {attempt.reason}, the truth is {sorted(truth.failures())}"
    if attempt.reason is Reason.USER_ERROR:
        codes = {
            end.exit_code
            for replica in truth.replicas
            for end in replica.exits
            if end.exit_code != 0 and not end.stopped
        }
        if attempt.exit_code not in codes:
            return f"the record's code is {attempt.exit_code}, the truth is {sorted(codes)}"
    if [one.state for one in attempt.replicas] != [one.state for one in truth.replicas]:
        return f"the record's replicas are {attempt.replicas}"
    return None


def _why_wrong_state(job: Job, ends: Mapping[int, Attempt], gates: GateBooks) -> str | None:
    """None when the state of the job, or of each of its tasks, is what its last attempt and its
    retries make it."""
    if job.tasks is None:
        last = ends.get(job.next_number - 1)
        if job.state is JobState.FAILED and last is not None and job.reason is not last.reason:
            return f"its last attempt ended with {last.reason}"
        return _why_wrong(job, None, job.state, last, gates)
    if job.state is not job.tasks.state_of_all():
        return f"its tasks are {job.tasks.states}"
    for task in job.spec.array.indices if job.spec.array is not None else ():
        place = job.position(task)
        last = ends.get(job.tasks.attempts[place])
        why = _why_wrong(job, task, job.tasks.state(place), last, gates)
        if why is not None or (last is not None and last.task != task):
            return f"task {task}: {why or last}"
    return None


def _why_wrong(
    job: Job, task: int | None, state: JobState, last: Attempt | None, gates: GateBooks
) -> str | None:
    if state is JobState.SUCCEEDED:
        return None if last is not None and last.reason is Reason.COMPLETED else "not completed"
    if state is JobState.FAILED:
        if last is None:
            return "it had no attempt"
        retry, retries = job.spec.retry, gates.retries_of(job.id, task)
        if last.reason in retry.on and retries < retry.limit:
            return f"it had {retry.limit - retries} retries left"
    return None
