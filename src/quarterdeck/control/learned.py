"""What the present knows of run times: fed by attempts that end, and asked for jobs that come.

It is no truth of its own: what was foretold of a job is recorded when it is submitted
(`Submitted`), so a server that starts again may have learned a little less, and makes the same
plans.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.runtimes import Likeness, RunTimes, general_name, shape_of
from quarterdeck.ports.store import JobFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.core.scheduling.runtimes import RunTime
    from quarterdeck.ports.store import Store

JOBS_MAX: Final = 1000
"""So many of the newest jobs that have ended are read again at a start, in some 50 ms."""
KEPT_MAX: Final = 5000
FRESH_RUNS: Final = 20
"""Answers are kept for those who ask again about jobs that are alike, until one such has ended or
so many others have: hundreds of submits a second must not wait for as many sorts."""
TO_THE_END: Final = frozenset(
    {Reason.COMPLETED, Reason.USER_ERROR, Reason.CANCELLED_BY_USER, Reason.OUT_OF_MEMORY}
)
"""Ends that belong to a job; after any other one it would have run on."""


class Learned:
    """See the module. Any thread may call it."""

    def __init__(self) -> None:
        self._times = RunTimes()
        self._lock = threading.Lock()
        self._answers: OrderedDict[Likeness, tuple[int, RunTime | None]] = OrderedDict()
        self._runs = 0

    def load(self, jobs: Iterable[Job]) -> None:
        """Learn from jobs that ended before this server started, in any order."""
        ends = [
            (one.ended_at_ns, number, job, one)
            for number, job in enumerate(jobs)
            for one in job.attempts
            if one.ended_at_ns is not None and one.reason is not None
        ]
        for ended_at_ns, _, job, one in sorted(ends, key=lambda end: end[:2]):
            assert one.reason is not None
            self.note(job, one, ended_at_ns, one.reason)

    def note(self, job: Job, attempt: Attempt, ended_at_ns: int, reason: Reason) -> None:
        """An attempt of the job has ended then, for that reason. One that never started its command
        tells nothing."""
        if attempt.started_at_ns is None:
            return
        like = likeness_of(job.spec, job.actor)
        ran_s = (ended_at_ns - attempt.started_at_ns) / NS_PER_S
        with self._lock:
            self._times.add(like, ran_s, is_cut_short=reason not in TO_THE_END)
            self._answers.pop(like, None)
            self._runs += 1

    def find(self, spec: JobSpec, actor: str) -> RunTime | None:
        """How long such a job of this person should run; None before any has ended."""
        like = likeness_of(spec, actor)
        with self._lock:
            since, known = self._answers.get(like, (-FRESH_RUNS, None))
            if self._runs - since >= FRESH_RUNS:
                known = self._times.find(like)
                self._answers[like] = (self._runs, known)
                if len(self._answers) > KEPT_MAX:
                    self._answers.popitem(last=False)
        return None if known is None else known.within(spec.time_limit_s)

    def expected_s(self, spec: JobSpec, actor: str) -> float | None:
        """The same in seconds: as many such jobs should run longer as shorter."""
        known = self.find(spec, actor)
        return None if known is None else round(known.median_s, 3)


def load_learned(learned: Learned, store: Store) -> None:
    """What a server that starts learns from the newest jobs that have ended."""
    states = tuple(state for state in JobState if state.is_final)
    learned.load(store.list_jobs(JobFilter(states=states, limit=JOBS_MAX)))


def likeness_of(spec: JobSpec, actor: str) -> Likeness:
    """What a job is known by."""
    return Likeness(actor, general_name(spec.name), shape_of(spec.demand), spec.team)
