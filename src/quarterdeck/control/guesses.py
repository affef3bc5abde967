"""When those who wait should start, guessed from what the board has and what was learned."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.lookahead import (
    Draws,
    LookAhead,
    Queued,
    Runs,
    held_of,
    runs_of_others,
)
from quarterdeck.core.scheduling.order import EXPECTED_S
from quarterdeck.ports.engine import AttemptRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.board import Board
    from quarterdeck.control.present import Present
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.core.scheduling.lookahead import Held
    from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting


class Guesses:
    """Looks ahead from the present. One thread at a time."""

    def __init__(self) -> None:
        self._ahead = LookAhead()
        self._draws = Draws()
        self._held: dict[AttemptRef, Held] = {}

    def look(
        self,
        plane: Present,
        snapshot: Snapshot,
        waiting: Sequence[Waiting],
        until: JobId | None = None,
    ) -> dict[JobId, float]:
        """In how many seconds each of these, in the order of the queue, should start; no further
        than the start of `until`. Without those of whom nothing can be foreseen."""
        board, now_ns = plane.board, snapshot.now_ns
        queue = [
            Queued(
                one.job_id,
                one.demand,
                self._expected_s(board, one),
                max(0.0, plane.policy.patience_s - (now_ns - one.submitted_at_ns) / NS_PER_S),
                len(one.tasks),
            )
            for one in waiting
        ]
        capacity = board.list_free()
        runs = chain(self._list_runs(board, now_ns), runs_of_others(capacity, now_ns))
        return self._ahead.foresee(capacity, runs, queue, until)

    def _list_runs(self, board: Board, now_ns: int) -> Iterator[Runs]:
        held: dict[AttemptRef, Held] = {}
        for job, attempt in board.list_live():
            ref = AttemptRef(job.id, attempt.number)
            held[ref] = self._held.get(ref) or held_of(
                attempt.site, [replica.grant for replica in attempt.replicas]
            )
            yield Runs(held[ref], self._left_s(board, job, attempt, now_ns))
        self._held = held
        self._draws.keep(set(board.list_job_ids()))

    def _expected_s(self, board: Board, waiting: Waiting) -> float:
        """For who is not there yet, what was foretold of it."""
        job = board.find_job(waiting.job_id)
        known = None if job is None else board.learned.find(job.spec, job.actor)
        if known is not None:
            return known.quantile_s(self._draws.share(waiting.job_id))
        return EXPECTED_S if waiting.expected_s is None else waiting.expected_s

    def _left_s(self, board: Board, job: Job, attempt: Attempt, now_ns: int) -> float:
        since_ns = attempt.started_at_ns or attempt.placed_at_ns
        ran_s = max(0.0, (now_ns - since_ns) / NS_PER_S)
        known = board.learned.find(job.spec, job.actor)
        if known is None:
            left_s = max(EXPECTED_S - ran_s, ran_s)
        else:
            left_s = known.left_s(ran_s, self._draws.share(job.id))
        limit_s = job.spec.time_limit_s
        if limit_s is None:
            return left_s
        return max(0.0, min(left_s, limit_s + job.spec.stopping.grace_s - ran_s))
