"""What became of each job, from the log of events: when it came, ran and ended, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from quarterdeck.core.jobs.events import (
    Cancelled,
    Ended,
    NeedMet,
    Placed,
    Released,
    Reordered,
    Requeued,
    StopRequested,
    Submitted,
)
from quarterdeck.core.jobs.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.ports.store import History, JobRecord

EVENTS_MAX: Final = 1_000_000


@dataclass(slots=True)
class Try:
    """One attempt. `ended_ns` is None for one that still runs; `is_last`: nothing followed it."""

    task: int | None
    placed_ns: int
    grants: tuple[Grant, ...]
    ended_ns: int | None = None
    reason: Reason | None = None
    is_last: bool = False


@dataclass(slots=True)
class Life:
    """A job from its submission, or from a requeue after its end, to its next end.

    `came_ns` is when this began, `submitted_ns` when the job was first submitted, or that whose
    place it has taken: from then on its place in the queue counts. `ready_ns` is the first moment
    at which only the queue kept it from starting: later than `came_ns` for one that was held or
    needed others. `over_ns` is its end.
    """

    job_id: JobId
    spec: JobSpec
    owner: str
    submitted_ns: int
    came_ns: int
    ready_ns: int
    round: int = 1
    over_ns: int | None = None
    tries: dict[int, Try] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[int | None, ...]:
        """Its tasks; one without a number for a job that is no array. After a requeue only those
        that ran again are known."""
        if self.spec.array is None:
            return (None,)
        if self.round == 1:
            return tuple(self.spec.array.indices)
        return tuple(dict.fromkeys(one.task for one in self.tries.values()))

    def tries_of(self, task: int | None) -> list[Try]:
        """The attempts of a task, in order."""
        return [one for one in self.tries.values() if one.task == task]


class Lives:
    """Takes in the events of jobs, in their order. What was over before `from_ns` is forgotten."""

    def __init__(self, history: History, from_ns: int) -> None:
        self._history = history
        self._from_ns = from_ns
        self._open: dict[JobId, Life] = {}
        self._over: list[Life] = []

    def take(self, record: JobRecord) -> None:
        """What comes next."""
        event, life = record.event, self._open.get(record.job_id)
        if isinstance(event, Submitted):
            self._open[record.job_id] = Life(
                record.job_id, event.spec, event.actor, event.at_ns, event.at_ns, event.at_ns
            )
        elif isinstance(event, Requeued):
            self._open[record.job_id] = self._again(record)
        elif life is not None:
            self._go_on(life, event)

    def list_all(self) -> Iterator[Life]:
        """All of them, in the order in which they came."""
        yield from sorted([*self._over, *self._open.values()], key=lambda one: one.came_ns)

    def drained_nodes(self, record: JobRecord) -> set[str]:
        """The nodes of an attempt that is stopped because one of them is drained."""
        event, life = record.event, self._open.get(record.job_id)
        if life is None or not isinstance(event, StopRequested):
            return set()
        if event.reason is not Reason.NODE_DRAINED or event.attempt not in life.tries:
            return set()
        return {grant.node for grant in life.tries[event.attempt].grants}

    def _go_on(self, life: Life, event: JobEvent) -> None:
        if isinstance(event, Placed):
            life.tries[event.attempt] = Try(event.task, event.at_ns, event.grants)
        elif isinstance(event, Ended):
            self._end_try(life, event)
        elif isinstance(event, Released | NeedMet):
            if not life.tries:
                life.ready_ns = event.at_ns
        elif isinstance(event, Reordered):
            life.submitted_ns = event.place.submitted_at_ns
        elif isinstance(event, Cancelled) and event.next_state.is_final:
            self._close(life, event.at_ns)

    def _end_try(self, life: Life, event: Ended) -> None:
        ended = life.tries[event.attempt]
        ended.ended_ns, ended.reason = event.at_ns, event.reason
        ended.is_last = event.next_state.is_final
        is_over = event.next_state.is_final if event.task is None else event.closes is not None
        if is_over:
            self._close(life, event.at_ns)

    def _close(self, life: Life, at_ns: int) -> None:
        life.over_ns = at_ns
        del self._open[life.job_id]
        if at_ns >= self._from_ns:
            self._over.append(life)

    def _again(self, record: JobRecord) -> Life:
        """A job that had ended and goes on. Its past may have been forgotten here."""
        past = self._history.list_records(0, limit=EVENTS_MAX, job_id=record.job_id)
        events = [one.event for one in past if one.seq <= record.seq]
        first = events[0]
        assert isinstance(first, Submitted)
        rounds = 1 + sum(isinstance(event, Requeued) for event in events)
        places = [event.place.submitted_at_ns for event in events if isinstance(event, Reordered)]
        since_ns, at_ns = [first.at_ns, *places][-1], record.event.at_ns
        return Life(record.job_id, first.spec, first.actor, since_ns, at_ns, at_ns, round=rounds)
