"""Batch jobs on their way into Slurm: several sbatch(1) at once, beside everything else.

Each takes as long as slurmctld takes to answer, so one after the other they would be most of what
an engine does while many small jobs are launched.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.tickets import Ticket

AT_ONCE: Final = 4
"""So many sbatch: beyond that they wait for each other in slurmctld."""


class _HandIn(NamedTuple):
    answer: Future[int]
    held: ExitStack
    end: Callable[[Future[int]], None]


class HandIns:
    """See the module. Used by one thread; only `close` waits."""

    def __init__(self, commands: SlurmCommands) -> None:
        self._commands = commands
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sbatch")
        self._all: list[_HandIn] = []

    def begin(self, ticket: Ticket, end: Callable[[Future[int]], None]) -> None:
        """Hand it in; `settle` calls `end` with the id that Slurm gave it, or its error, or
        cancelled. `Unavailable` when the disk does not take the lock that sbatch holds."""
        held = ExitStack()
        lock = held.enter_context(ticket.submitting())
        answer = self._pool.submit(self._commands.submit, ticket.request, [lock])
        self._all.append(_HandIn(answer, held, end))

    def settle(self) -> None:
        """Tell of those that Slurm has answered. What `end` raises is passed on, and the others are
        told of by the next call."""
        for one in [one for one in self._all if one.answer.done()]:
            self._all.remove(one)
            one.held.close()
            one.end(one.answer)

    def call_off(self) -> None:
        """Those that no sbatch has begun with yet are not handed in."""
        for one in self._all:
            one.answer.cancel()

    def close(self) -> None:
        """Begin no other, and wait for those that are under way: what became of them is found again
        by the next engine."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for one in self._all:
            one.held.close()
