"""What keeps a job from starting, and how often it may end: reckoned from the log's events alone.

The house asks a job's columns; these books count again, so that a mistake there shows here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.sim.checks import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.sim.checks import Checks

LONGEST_WAIT_S = 600.0
BADLY = (JobState.FAILED, JobState.CANCELLED)


class Part(NamedTuple):
    """A job, or one task of it."""

    job_id: JobId
    task: int | None


class GateBooks:
    """Who is held, who has succeeded, what lives, what is over and what waits. `jobs` are as the
    log has made them, the event at hand included."""

    def __init__(self, jobs: Mapping[JobId, Job], checks: Checks) -> None:
        self._jobs = jobs
        self._checks = checks
        self._holds: dict[JobId, bool] = {}
        self._has_succeeded: set[JobId] = set()
        self._live: dict[JobId, dict[int, int | None]] = {}
        self._over: dict[Part, JobState] = {}
        self._waits: dict[Part, tuple[int, int]] = {}
        self._retries: Counter[Part] = Counter()

    def take(self, job_id: JobId, event: ev.JobEvent) -> None:
        """One more event of the log."""
        match event:
            case ev.Placed():
                self._take_placed(Part(job_id, event.task), event)
            case ev.Ended():
                self._take_ended(Part(job_id, event.task), event)
            case ev.Cancelled():
                self._take_cancelled(job_id, event)
            case ev.Requeued():
                self._reopen(job_id)
            case ev.NeedMet():
                self._check_need(job_id, event.need)
            case ev.Held() | ev.Submitted(is_held=True):
                self._holds[job_id] = True
            case ev.Released():
                self._holds[job_id] = False
        if self._jobs[job_id].state is JobState.SUCCEEDED:
            self._has_succeeded.add(job_id)

    def retries_of(self, job_id: JobId, task: int | None) -> int:
        """How often it was tried again since it was last asked for."""
        return self._retries[Part(job_id, task)]

    def check_end(self, job: Job) -> None:
        """Everything of the job is over, and it was given up only for what it needs."""
        over = [self._over.get(part) for part in self._parts(job.id)]
        known = [job.state]
        if job.tasks is not None:
            known = [job.tasks.state(place) for place in range(len(job.tasks.states))]
        self._checks.hold(
            Check.ENDS_ONCE, over == known, lambda: f"{job.id}: {known}, reckoned {over}", job.id
        )
        if job.spec.needs:
            unmet = [need for need in job.spec.needs if need not in self._has_succeeded]
            self._checks.hold(
                Check.GIVEN_UP,
                not unmet or job.state is JobState.CANCELLED,
                lambda: f"{job.id} is {job.state}, and {unmet} never succeeded",
                job.id,
            )

    def _take_placed(self, part: Part, event: ev.Placed) -> None:
        job_id, spec = part.job_id, self._jobs[part.job_id].spec
        live = self._live.setdefault(job_id, {})
        if job_id in self._holds:
            self._hold(Check.HOLD, not self._holds[job_id], f"{part} is placed, and held", part)
        self._hold(Check.TASK_ONCE, part.task not in live.values(), f"{part} lives already", part)
        self._hold(Check.ENDS_ONCE, part not in self._over, f"{part} is placed, and over", part)
        for need in spec.needs:
            self._check_need(job_id, need)
        if part in self._waits:
            since_ns, until_ns = self._waits.pop(part)
            early_s = (until_ns - event.at_ns) / NS_PER_S
            self._hold(
                Check.BACKOFF,
                not since_ns <= event.at_ns < until_ns,
                f"{part} is placed {early_s} s too early",
                part,
            )
        live[event.attempt] = part.task
        if spec.array is not None and spec.array.parallel is not None:
            limit = spec.array.parallel
            self._hold(
                Check.ARRAY_LIMIT, len(live) <= limit, f"{len(live)} of {limit} tasks live", part
            )

    def _take_ended(self, part: Part, event: ev.Ended) -> None:
        self._live[part.job_id].pop(event.attempt, None)
        if event.next_state.is_final:
            self._end(part, event.next_state)
        elif event.is_retry:
            self._expect_retry(part, event)
        if part.task is not None:
            state = self._jobs[part.job_id].state
            closes = state if state.is_final else None
            self._hold(Check.ENDS_ONCE, event.closes is closes, f"{event}, and {state}", part)

    def _expect_retry(self, part: Part, event: ev.Ended) -> None:
        wait_s = 0.0
        if event.reason is not Reason.TIMED_OUT:
            first_s = self._jobs[part.job_id].spec.retry.backoff_s
            wait_s = min(LONGEST_WAIT_S, first_s * 2 ** self._retries[part])
        self._retries[part] += 1
        if wait_s > 0:
            self._waits[part] = (event.at_ns, event.at_ns + round(wait_s * NS_PER_S))

    def _take_cancelled(self, job_id: JobId, event: ev.Cancelled) -> None:
        live = self._live.get(job_id, {}).values()
        waiting = [one for one in self._parts(job_id) if one not in self._over]
        for part in waiting:
            if part.task not in live:
                self._end(part, JobState.CANCELLED)
        if event.reason is Reason.NEEDS_FAILED:
            needs = self._jobs[job_id].spec.needs
            states = {need: self._jobs[need].state for need in needs}
            self._checks.hold(
                Check.GIVEN_UP,
                any(state in BADLY for state in states.values()),
                lambda: f"{job_id} is given up, and it needs {states}",
                job_id,
            )

    def _reopen(self, job_id: JobId) -> None:
        """What did not succeed is to be run again; all of it, if everything did."""
        parts = list(self._parts(job_id))
        again = [one for one in parts if self._over.get(one) is not JobState.SUCCEEDED] or parts
        for part in again:
            self._over.pop(part, None)
        for part in parts:
            self._waits.pop(part, None)
            self._retries.pop(part, None)
        self._holds.pop(job_id, None)

    def _check_need(self, job_id: JobId, need: JobId) -> None:
        self._checks.hold(
            Check.NEEDS,
            need in self._has_succeeded,
            lambda: f"{job_id} goes on, and {need} has never succeeded",
            job_id,
        )

    def _end(self, part: Part, state: JobState) -> None:
        before = self._over.get(part)
        self._hold(Check.ENDS_ONCE, before is None, f"{part} ends {state} after {before}", part)
        self._over[part] = state

    def _parts(self, job_id: JobId) -> Iterator[Part]:
        array = self._jobs[job_id].spec.array
        tasks = (None,) if array is None else array.indices
        return (Part(job_id, task) for task in tasks)

    def _hold(self, check: Check, holds: bool, told: str, part: Part) -> None:
        self._checks.hold(check, holds, lambda: told, part.job_id)
