"""The tasks of an array, kept in columns: a thousand of them are a few kilobytes, not a megabyte.

A task goes through the same states as a job without tasks, by the same table. Attempts are counted
in the whole job, so that an attempt's number names it wherever the job's id does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.core.jobs.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

_LETTERS: Final = {
    JobState.HELD: "h",
    JobState.QUEUED: "q",
    JobState.STARTING: "s",
    JobState.RUNNING: "r",
    JobState.STOPPING: "p",
    JobState.SUCCEEDED: "S",
    JobState.FAILED: "F",
    JobState.CANCELLED: "C",
}
_STATES: Final = {letter: state for state, letter in _LETTERS.items()}
_LIVE: Final = (JobState.RUNNING, JobState.STARTING, JobState.STOPPING)


class Wait(NamedTuple):
    """A retry waits from its end until then; a clock that was put back does not make it longer."""

    since_ns: int
    until_ns: int

    def is_over(self, now_ns: int) -> bool:
        """Whether it may be tried again now."""
        return not self.since_ns <= now_ns < self.until_ns

    def left_ns(self, now_ns: int) -> int:
        """How much of it is left."""
        return 0 if self.is_over(now_ns) else self.until_ns - now_ns


@dataclass(frozen=True, slots=True)
class Tasks:
    """One entry per task and column, in the order of the array's indices.

    `states` has a letter each. `attempts` has the number of each task's latest attempt, 0 for none,
    and `sites` where that is or was. `retries` and `waits` hold only the tasks that have any, by
    their position. `made` counts the attempts of all, `started_at_ns` is when the first began.
    """

    states: str
    attempts: tuple[int, ...]
    sites: tuple[str, ...]
    made: int = 0
    started_at_ns: int | None = None
    retries: dict[int, int] | None = None
    waits: dict[int, Wait] | None = None

    @classmethod
    def new(cls, count: int, state: JobState) -> Tasks:
        """So many tasks of which none has had an attempt."""
        return cls(_LETTERS[state] * count, (0,) * count, ("",) * count)

    def state(self, position: int) -> JobState:
        """A task's state."""
        return _STATES[self.states[position]]

    def with_state(self, position: int, state: JobState) -> Tasks:
        """The same with one task in another state."""
        letters = self.states
        changed = f"{letters[:position]}{_LETTERS[state]}{letters[position + 1 :]}"
        return replace(self, states=changed)

    def with_all(self, before: JobState, after: JobState) -> Tasks:
        """The same with every task of one state in another."""
        return replace(self, states=self.states.replace(_LETTERS[before], _LETTERS[after]))

    def with_attempt(self, position: int, number: int, site: str) -> Tasks:
        """The same with another attempt of one task."""
        return replace(
            self,
            attempts=(*self.attempts[:position], number, *self.attempts[position + 1 :]),
            sites=(*self.sites[:position], site, *self.sites[position + 1 :]),
            made=number,
            waits=_without(self.waits, position),
        )

    def with_retry(self, position: int, wait: Wait | None) -> Tasks:
        """The same with one more retry of one task, which waits first."""
        waits = _without(self.waits, position)
        if wait is not None:
            waits = {**(waits or {}), position: wait}
        retries = {**(self.retries or {}), position: self.retries_of(position) + 1}
        return replace(self, retries=retries, waits=waits)

    def reopened(self) -> Tasks:
        """Every task that did not succeed is to be run again; all of them if every one did."""
        letters = self.states.replace("F", "q").replace("C", "q")
        if "q" not in letters:
            letters = "q" * len(letters)
        return replace(self, states=letters, retries=None, waits=None)

    def retries_of(self, position: int) -> int:
        """How often the task was tried again."""
        return (self.retries or {}).get(position, 0)

    def wait_of(self, position: int) -> Wait | None:
        """What its next attempt waits for."""
        return (self.waits or {}).get(position)

    def count(self, *states: JobState) -> int:
        """How many tasks are in one of these states."""
        return sum(self.states.count(_LETTERS[state]) for state in states)

    def counts(self) -> dict[JobState, int]:
        """How many tasks are in each state that has any."""
        found = ((state, self.count(state)) for state in JobState)
        return {state: count for state, count in found if count}

    def live(self) -> int:
        """How many tasks hold devices."""
        return self.count(*_LIVE)

    def positions(self, *states: JobState) -> Iterator[int]:
        """The tasks in one of these states, in order."""
        letters = {_LETTERS[state] for state in states}
        return (n for n, letter in enumerate(self.states) if letter in letters)

    def state_of_all(self) -> JobState:
        """The state of the whole: what lives comes first, and one failure is the whole's."""
        for state in (*_LIVE, JobState.QUEUED, JobState.HELD):
            if _LETTERS[state] in self.states:
                return state
        for state in (JobState.CANCELLED, JobState.FAILED):
            if _LETTERS[state] in self.states:
                return state
        return JobState.SUCCEEDED


def _without(waits: dict[int, Wait] | None, position: int) -> dict[int, Wait] | None:
    if waits is None or position not in waits:
        return waits
    return {key: wait for key, wait in waits.items() if key != position} or None
