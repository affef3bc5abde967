"""What jobs of a fast run would have been promised when they began to wait, and what came of it.

The same look ahead, run times and bounds as a server has; a promise is made once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.calibration import Calibration
from quarterdeck.core.scheduling.lookahead import Draws, LookAhead, Queued, Runs, held_of
from quarterdeck.core.scheduling.order import EXPECTED_S, order_of
from quarterdeck.sim.fast.learning import Learning
from quarterdeck.sim.fast.site import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.lookahead import Held
    from quarterdeck.core.scheduling.promises import Spread
    from quarterdeck.core.scheduling.snapshot import Waiting
    from quarterdeck.sim.fast.attempts import JobRun
    from quarterdeck.sim.fast.watch import Moment
    from quarterdeck.sim.fast.workload import SimJob


@dataclass(frozen=True, slots=True)
class Promised:
    """When it was promised, the wait that was guessed and how far it may be off, in seconds, and
    the wait that came of it; None while there is none."""

    job: SimJob
    at_s: float
    guess_s: float
    spread: Spread
    wait_s: float | None = None


class Promising:
    """A `Watcher` that promises."""

    def __init__(self) -> None:
        self.promised: dict[JobId, Promised] = {}
        self._learning = Learning()
        self._ahead = LookAhead()
        self._draws = Draws()
        self._calibration = Calibration()
        self._held: dict[JobId, Held] = {}

    def ended(self, job_id: JobId, one: JobRun) -> None:
        """A job is done."""
        self._learning.ended(job_id, one)
        self._held.pop(job_id, None)

    def planned(self, moment: Moment) -> None:
        """Settle what has started, and promise what has begun to wait."""
        for job_id in moment.started:
            self._held[job_id] = held_of(SITE, moment.jobs[job_id].grants)
            self._learning.expect(job_id, moment.jobs[job_id].job)
            known = self.promised.get(job_id)
            if known is not None and known.wait_s is None:
                self.promised[job_id] = replace(known, wait_s=moment.at_s - known.at_s)
                self._calibration.settle(job_id, moment.at_s)
        if any(job_id not in self.promised for job_id in moment.waiting):
            self._promise(moment)

    def _promise(self, moment: Moment) -> None:
        order = order_of(moment.snapshot, moment.policy)
        queue = self._queue_of(moment, sorted(moment.waiting.values(), key=order))
        guesses = self._ahead.foresee(moment.capacity, self._list_runs(moment), queue)
        self._calibration.catch_up(moment.at_s)
        for one in queue:
            job_id = one.job_id
            if job_id in self.promised or job_id not in guesses:
                continue
            guess_s, job = guesses[job_id], moment.jobs[job_id].job
            spread = self._calibration.spread(guess_s, moment.at_s)
            self._calibration.promise(job_id, moment.at_s, guess_s, spread)
            self.promised[job_id] = Promised(job, moment.at_s, guess_s, spread)

    def _queue_of(self, moment: Moment, waiting: Sequence[Waiting]) -> list[Queued]:
        now_ns, patience_s = moment.snapshot.now_ns, moment.policy.patience_s
        queue = []
        for one in waiting:
            known = self._learning.expect(one.job_id, moment.jobs[one.job_id].job)
            share = self._draws.share(one.job_id)
            expected_s = EXPECTED_S if known is None else known.quantile_s(share)
            left_s = max(0.0, patience_s - (now_ns - one.submitted_at_ns) / NS_PER_S)
            queue.append(Queued(one.job_id, one.demand, expected_s, left_s))
        return queue

    def _list_runs(self, moment: Moment) -> Iterator[Runs]:
        for job_id in moment.running:
            one = moment.jobs[job_id]
            ran_s = moment.at_s - one.began_s
            known = self._learning.expect(job_id, one.job)
            if known is None:
                left_s = max(EXPECTED_S - ran_s, ran_s)
            else:
                left_s = known.left_s(ran_s, self._draws.share(job_id))
            yield Runs(self._held[job_id], left_s)
