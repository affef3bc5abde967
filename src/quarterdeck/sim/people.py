"""People: they submit, repeat what got no answer, change their minds, and ask why."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Conflict, NotFound, Stale, Unavailable, Unsatisfiable
from quarterdeck.control.cancel import cancel
from quarterdeck.control.explain import explain
from quarterdeck.control.plan import plan
from quarterdeck.control.requeue import requeue
from quarterdeck.control.submit import Asked, submit
from quarterdeck.core.jobs.states import JobState
from quarterdeck.sim.checks import Check
from quarterdeck.sim.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.chance import Chance
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.sim.checks import Checks
    from quarterdeck.sim.faults import Faults
    from quarterdeck.sim.link import Asks
    from quarterdeck.sim.timeline import Timeline
    from quarterdeck.sim.workload import Request

CURIOUS_EVERY_S = 120.0
VERBS = {"cancel": cancel, "requeue": requeue}


@dataclass(slots=True)
class Wish:
    """Somebody asked for a job to be cancelled or requeued. `was_taken` is False, once it was
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
        digest = hashlib.sha256(repr(request.spec).encode()).hexdigest()
        asked = Asked(f"key-{request.number}", digest)
        again = partial(self._submit, request)
        try:
            done = self._ask(lambda plane: submit(plane, request.spec, "ada", asked))
        except (Unavailable, Stale):
            self._later(self._chance.between(0.5, 8.0), again)
            return
        except Unsatisfiable:
            self.refused.add(request.number)
            self._check_refusal(request, was_refused=True)
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
            wish.answered_ns = self._timeline.now_ns
        else:
            wish.answered_ns = self._timeline.now_ns
            wish.was_taken = True

    def change_mind(self) -> None:
        """Somebody cancels a job that waits, at the worst moment."""
        for job_id in self.accepted.values():
            job = self._ask(lambda plane, i=job_id: plane.board.find_job(i))  # type: ignore[misc]
            if job is not None and job.state is JobState.QUEUED:
                self._begin_wish(job_id, "cancel")
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
            queued = told.job.state is JobState.QUEUED
            answered = told.outlook is not None and (
                (told.outlook.placement is None) != (told.outlook.verdict is None)
            )
            self._checks.hold(
                Check.EXPLAINED,
                bool(told.summary) and queued == answered,
                lambda: f"{told}",
                told.job.id,
            )
        try:
            outlook = plan(plane, request.spec)
            fits = (outlook.placement is None) != (outlook.verdict is None)
        except Unsatisfiable:
            fits = not request.can_fit
        self._checks.hold(
            Check.EXPLAINED,
            fits and plane.store.head() == before,
            lambda: f"plan for {request.spec.demand} changed the log or has no answer",
        )
