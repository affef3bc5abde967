"""People: they submit, repeat what got no answer, change their minds, and ask why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import (
    Conflict,
    Invalid,
    NotFound,
    Stale,
    Unavailable,
    Unsatisfiable,
)
from quarterdeck.control.cancel import cancel
from quarterdeck.control.explain import explain
from quarterdeck.control.hold import hold, release
from quarterdeck.control.plan import plan
from quarterdeck.control.requeue import requeue
from quarterdeck.control.submit import Asked, submit
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.queue import has_waiting
from quarterdeck.sim.checks import Check
from quarterdeck.sim.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.chance import Chance
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plan import Outlook
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.control.submit import Accepted
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.sim.checks import Checks
    from quarterdeck.sim.faults import Faults
    from quarterdeck.sim.link import Asks
    from quarterdeck.sim.timeline import Timeline
    from quarterdeck.sim.workload import Request

CURIOUS_EVERY_S = 120.0
VERBS = {"cancel": cancel, "requeue": requeue, "hold": hold, "release": release}


@dataclass(slots=True)
class Wish:
    """Somebody asked for something to be done to a job. `was_taken` is False, once it was
    answered, when it came too late."""

    verb: str
    was_taken: bool = False
    answered_ns: int | None = None


class People:
    """Everybody who uses the house, and what they remember of its answers."""

    def __init__(
        self, ask: Asks, faults: Faults, checks: Checks, timeline: Timeline, chance: Chance
    ) -> None:
        self._ask = ask
        self._faults = faults
        self._checks = checks
        self._timeline = timeline
        self._chance = chance
        self._open = 0
        self._minds = 0
        self.asked_for: dict[int, JobSpec] = {}
        self.accepted: dict[int, JobId] = {}
        self.refused: set[int] = set()
        self.wishes: dict[JobId, list[Wish]] = {}

    @property
    def are_done(self) -> bool:
        """Whether nobody wants anything any more."""
        return self._open == 0

    def expect(self, requests: Sequence[Request]) -> None:
        """They will come."""
        for request in requests:
            self._later(request.submit_at_s, partial(self._submit, request))
        self._timeline.after(CURIOUS_EVERY_S, partial(self._wonder, requests))

    def _later(self, delay_s: float, step: partial[None]) -> None:
        self._open += 1
        self._timeline.after(delay_s, partial(self._take, step))

    def _take(self, step: partial[None]) -> None:
        self._open -= 1
        step()

    def _submit(self, request: Request) -> None:
        again = partial(self._submit, request)
        spec = self._spec_of(request)
        if spec is None:
            self._later(self._chance.between(0.5, 8.0), again)
            return
        digest = hashlib.sha256(repr(spec).encode()).hexdigest()
        asked = Asked(f"key-{request.number}", digest)
        try:
            done = self._ask(lambda plane: self._bring(plane, request, spec, asked))
        except (Unavailable, Stale):
            self._later(self._chance.between(0.5, 8.0), again)
            return
        except Unsatisfiable:
            self.refused.add(request.number)
            self._check_refusal(request, was_refused=True)
            return
        except Invalid:
            self.refused.add(request.number)
            return
        self._check_refusal(request, was_refused=False)
        is_first = request.number not in self.accepted
        known = self.accepted.setdefault(request.number, done.job.id)
        self._checks.hold(
            Check.ONE_PER_KEY,
            known == done.job.id,
            lambda: f"{asked.key} was answered {known} and {done.job.id}",
            done.job.id,
        )
        if self._faults.strikes(Fault.SUBMIT_REPEATED):
            self._later(self._chance.between(0.1, 400.0), again)
        if is_first:
            self._plan_wishes(request, done.job.id)

    def _spec_of(self, request: Request) -> JobSpec | None:
        """With the ids of the jobs that it needs, once these have been accepted or refused."""
        if request.number not in self.asked_for:
            known = [self.accepted.get(number) for number in request.needs]
            if any(
                job_id is None and number not in self.refused
                for job_id, number in zip(known, request.needs, strict=True)
            ):
                return None
            needs = tuple(job_id for job_id in known if job_id is not None)
            self.asked_for[request.number] = replace(request.spec, needs=needs)
        return self.asked_for[request.number]

    def _bring(
        self, plane: ControlPlane, request: Request, spec: JobSpec, asked: Asked
    ) -> Accepted:
        """Submit it. Refused for its needs is who needs a job that has ended badly."""
        try:
            return submit(plane, spec, "ada", asked, is_held=request.held_for_s is not None)
        except Invalid:
            states = {}
            for need in spec.needs:
                job = plane.store.find_job(need)
                if job is None:
                    self._miss(need)
                else:
                    states[need] = job.state
            self._checks.hold(
                Check.REFUSED,
                JobState.FAILED in states.values() or JobState.CANCELLED in states.values(),
                lambda: f"request {request.number} was refused, and its needs are {states}",
            )
            raise

    def _check_refusal(self, request: Request, *, was_refused: bool) -> None:
        self._checks.hold(
            Check.REFUSED,
            was_refused != request.can_fit,
            lambda: f"{request.spec.demand}: refused is {was_refused}",
        )

    def _plan_wishes(self, request: Request, job_id: JobId) -> None:
        if request.cancel_after_s is not None:
            self._plan_wish(request.cancel_after_s, job_id, "cancel")
        if request.requeue_after_s is not None:
            self._plan_wish(request.requeue_after_s, job_id, "requeue")
        if request.held_for_s is not None:
            self._plan_wish(request.held_for_s, job_id, "release")
        if request.hold_after_s is not None:
            self._plan_wish(request.hold_after_s, job_id, "hold")

    def _plan_wish(self, delay_s: float, job_id: JobId, verb: str) -> None:
        self._later(delay_s, partial(self._begin_wish, job_id, verb))

    def _begin_wish(self, job_id: JobId, verb: str) -> None:
        wish = Wish(verb)
        self.wishes.setdefault(job_id, []).append(wish)
        self._press(job_id, wish)

    def _press(self, job_id: JobId, wish: Wish) -> None:
        """Ask until there is an answer; `Conflict` is one: it comes too late."""
        verb = VERBS[wish.verb]
        try:
            self._ask(lambda plane: verb(plane, job_id, "ada"))
        except (Unavailable, Stale):
            self._later(self._chance.between(0.5, 8.0), partial(self._press, job_id, wish))
        except NotFound:
            self._miss(job_id)
        except Conflict:
            self._answered(job_id, wish)
        else:
            wish.was_taken = True
            self._answered(job_id, wish)

    def _answered(self, job_id: JobId, wish: Wish) -> None:
        """Whoever has held a job lets it go again some time."""
        wish.answered_ns = self._timeline.now_ns
        if wish.verb == "hold":
            self._plan_wish(self._chance.between(1.0, 300.0), job_id, "release")

    def change_mind(self) -> None:
        """Somebody cancels or holds a job that waits, at the worst moment."""
        for job_id in self.accepted.values():
            job = self._ask(lambda plane, i=job_id: plane.board.find_job(i))  # type: ignore[misc]
            if job is not None and job.state is JobState.QUEUED:
                self._minds += 1
                self._begin_wish(job_id, "hold" if self._minds % 2 else "cancel")
                return

    def _miss(self, job_id: JobId) -> None:
        self._checks.hold(
            Check.KEPT, holds=False, told=lambda: f"nobody knows {job_id} any more", job_id=job_id
        )

    def _wonder(self, requests: Sequence[Request]) -> None:
        """Somebody asks why a job waits, and what would happen to another."""
        if not self._faults.are_on:
            return
        self._timeline.after(CURIOUS_EVERY_S, partial(self._wonder, requests))
        request = self._chance.pick(requests)
        jobs = list(self.accepted.values())
        try:
            self._ask(lambda plane: self._ask_why(plane, request, jobs))
        except (Unavailable, Stale):
            return

    def _ask_why(self, plane: ControlPlane, request: Request, jobs: Sequence[JobId]) -> None:
        before = plane.store.head()
        if jobs:
            job_id = self._chance.pick(jobs)
            try:
                told = explain(plane, job_id)
            except NotFound:
                self._miss(job_id)
                return
            answered = _is_whole(told.job.spec, told.outlook)
            self._checks.hold(
                Check.EXPLAINED,
                bool(told.summary) and _is_waiting(told.job) == answered,
                lambda: f"{told}",
                told.job.id,
            )
        try:
            outlook = plan(plane, request.spec)
            fits = _is_whole(request.spec, outlook)
        except Unsatisfiable:
            fits = not request.can_fit
        self._checks.hold(
            Check.EXPLAINED,
            fits and plane.store.head() == before,
            lambda: f"plan for {request.spec.demand} changed the log or has no answer",
        )


def _is_waiting(job: Job) -> bool:
    """Whether there is something to say of when it starts."""
    return has_waiting(job) or job.state is JobState.HELD


def _is_whole(spec: JobSpec, outlook: Outlook | None) -> bool:
    """A placement or a verdict; of an array that starts in part both."""
    if outlook is None:
        return False
    placed, waits = outlook.placement is not None, outlook.verdict is not None
    return placed or waits if spec.array is not None else placed != waits
